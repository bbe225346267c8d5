"""The private names that tests of public behaviour cannot do without, in one place."""


def local_models(model):
    """Return the local models of a fitted classifier by name, as in ``estimators_``."""
    keys = sorted((i, key) for i, models in enumerate(model._model.models) for key in models)
    found = [model._model.models[i][key] for i, key in keys]
    return dict(zip(model.estimators_, found, strict=True))
