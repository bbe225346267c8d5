"""The private names that tests of public behaviour cannot do without, in one place."""


def local_models(model):
    """Return the local models of a fitted classifier by name, as in ``estimators_``."""
    keys = sorted((i, key) for i, models in enumerate(model._model.models) for key in models)
    found = [model._model.models[i][key] for i, key in keys]
    return dict(zip(model.estimators_, found, strict=True))


def possible_answers(model):
    """Return the names of the nodes at which an answer of a fitted classifier may end."""
    return [model.taxonomy_.nodes[node] for node in model._model.outcomes.answers]


def raw_scores(model, X):
    """Return the scores of label sets before they are made consistent."""
    return model._model.marginals(model._prepared(X)).raw
