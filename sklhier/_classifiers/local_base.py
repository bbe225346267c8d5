"""The surface that both classifiers with local models share: parameters, routing, fitted models."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.metadata_routing import (
    MetadataRequest,
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import _num_samples, check_is_fitted, has_fit_parameter

from sklhier._classifiers.calibrating import Calibrated
from sklhier._classifiers.notebook import ShowsTaxonomy
from sklhier._classifiers.saved_local import CompressionReport, upgraded
from sklhier._classifiers.summary import Summarised
from sklhier._local import linear_fit
from sklhier._local.base_estimators import (
    PREFIX,
    SMALL,
    BaseEstimators,
    SmallNodes,
    check_classifier,
    default_base,
    knows_taxonomy,
    nested_params,
    updated_mapping,
    warn_of_thresholds,
)
from sklhier._local.class_params import Labels
from sklhier._local.jobs import FitContext, Jobs
from sklhier._local.keys import Kind, ModelKey, name_of
from sklhier._local.model import LocalModel
from sklhier._local.validation_sets import FitParams, has_entries
from sklhier._targets.paths import resolve_taxonomy
from sklhier._training.fixed_rows import FixedRows
from sklhier._training.marginals import PathModels, SetModels
from sklhier._training.trainer import FitReport
from sklhier._utils import compat
from sklhier._utils.pickling import restored_state, unchanged_on_error, with_versions
from sklhier._utils.typing import Floats
from sklhier._utils.validation import (
    check_n_jobs,
    check_number,
    check_verbose,
    prepare_features,
    shown,
)
from sklhier._utils.warning import warn_caller
from sklhier.exceptions import IncompatiblePartsError, LeakageWarning, quoted
from sklhier.links import Link, resolve_link
from sklhier.staging import Chain, resolve_routing
from sklhier.strategies import Auto
from sklhier.strategies._member import bases_of
from sklhier.taxonomy import Taxonomy

__all__ = [
    "LocalClassifier",
    "Reading",
    "check_bases",
    "drawn_seed",
    "gives_probabilities",
    "has_scores_alone",
    "jobs_of",
    "learns_in_batches",
    "refuse_chain",
    "refuse_mismatch",
    "refuse_unweighted",
    "splitter_params",
]


def _bases_of(model: LocalClassifier) -> dict[str, Any]:
    """Return all base estimators known before fit, by the prefix of their parameters."""
    base = default_base() if model.estimator is None else model.estimator
    bases = {"estimator": base}
    # The choices of a callable are not known before fit: what holds for `estimator` holds for them.
    if isinstance(model.node_estimators, Mapping):
        bases |= {f"{PREFIX}{key}": other for key, other in model.node_estimators.items()}
    if not isinstance(model.strategy, str):  # names have no members
        bases |= bases_of(model.strategy)
    small = _small_estimator(model)
    return bases if small is None else bases | {SMALL: small}


def _small_estimator(model: LocalClassifier) -> Any:
    """Return the estimator of `small_nodes`, which is not checked yet."""
    small = model.small_nodes
    return small[-1] if isinstance(small, tuple | list) and small else small


def _require_method(model: LocalClassifier, method: str) -> bool:
    for base in _bases_of(model).values():
        getattr(base, method)  # an AttributeError of its own names what is missing
    return True


def gives_probabilities(model: LocalClassifier) -> bool:
    """Whether a classifier has probabilities; raise an AttributeError if not."""
    # What was fitted stays as it is, whatever parameters are set since.
    fitted = vars(model).get("_reading")
    reading = Reading.of(model) if fitted is None else fitted
    if reading.lack is not None:
        raise AttributeError(reading.lack)
    return True


@dataclass(frozen=True)
class Reading:
    """The reading of outputs of local models, as the parameters said when they were fitted.

    Attributes
    ----------
    link : Link or None
        What makes probabilities of them; None: whatever a base estimator gives.
    lack : str or None
        Why there are no probabilities, if so.
    is_calibrated : bool, default=False
        Whether they are calibrated, so that there are probabilities in any case.
    """

    link: Link | None
    lack: str | None
    is_calibrated: bool = False

    @classmethod
    def of(cls, model: LocalClassifier) -> Self:
        """Return how parameters say it; `model` does not share the link."""
        link = None if model.link is None else clone(resolve_link(model.link))
        if model.calibration is not None:
            return cls(link, _unscored(model, link), is_calibrated=True)
        if link is not None and not link.gives_probabilities:
            return cls(link, f"link={link!r} gives weights, which are no probabilities.")
        try:
            _require_method(model, "predict_proba" if link is None else link.response_method)
        except AttributeError as error:
            return cls(link, str(error))
        return cls(link, None)


def _unscored(model: LocalClassifier, link: Link | None) -> str | None:
    """Return why there is nothing to calibrate, or None."""
    methods = ["predict_proba", "decision_function"] if link is None else [link.response_method]
    for base in _bases_of(model).values():
        if not any(hasattr(base, method) for method in methods):
            return f"{type(base).__name__} has no {' and no '.join(methods)} to calibrate."
    return None


def has_scores_alone(model: LocalClassifier) -> bool:
    """Whether some base estimators have no probabilities, and no link of the user's reads them."""
    bases = _bases_of(model).values()
    return model.link is None and any(not hasattr(base, "predict_proba") for base in bases)


def learns_in_batches(model: LocalClassifier) -> bool:
    """Whether a classifier can learn from batches; raise an AttributeError if not."""
    # Held-out outputs need folds of all samples; label sets have no routing.
    routing = getattr(model, "routing", "filter")
    for name, value, is_staged, without in (
        ("small_nodes", model.small_nodes, model.small_nodes is not None, None),
        ("calibration", model.calibration, model.calibration is not None, None),
        ("chain", model.chain, model.chain is not None, None),
        ("node_rows", model.node_rows, model.node_rows is not None, None),
        ("routing", routing, resolve_routing(routing).needs_held_out, "filter"),
    ):
        if is_staged:
            raise AttributeError(
                f"partial_fit sees samples in batches; {name}={shown(value)} needs all of them "
                f"at once. Use fit, or {name}={without!r}."
            )
    if any(map(knows_taxonomy, bases_of(model.strategy).values())):
        raise AttributeError(
            "partial_fit sees samples in batches; a joint model as a member of an ensemble needs all "
            "of them at once. Use fit, or leave it out."
        )
    return _require_method(model, "partial_fit")


# -- parts checked against each other, before anything is fitted --------------------------


def check_bases(model: LocalClassifier) -> None:
    """Refuse base estimators that are no classifiers."""
    SmallNodes.of(model.small_nodes)
    for name, base in _bases_of(model).items():
        check_classifier(base, name)


class _Target(Protocol):
    def validation_targets(self, y: Any, name: str) -> Any:
        """Return the targets of a validation set, as those of y are kept."""


def jobs_of(
    model: LocalClassifier,
    method: str,
    X: Any,
    labels: Labels,
    target: _Target,
    fit_params: dict[str, Any],
    seed: int | None,
    *,
    leaves_decide: bool,
    reading: Reading,
    fixed: FixedRows | None = None,
) -> Jobs:
    """Return what makes jobs of local problems, the parts of a classifier checked.

    Parameters
    ----------
    model : LocalClassifier
        Gives parameters alone.
    method : {"fit", "partial_fit"}
        The method of the base estimators that is called.
    X : array-like
        Samples.
    labels : Labels
        Their labels and weights.
    target : object
        Reads the labels of validation sets.
    fit_params : dict
        Other parameters of the call.
    seed : int or None
        Seed of all base estimators.
    leaves_decide : bool
        Whether there are models that decide about single leaves.
    reading : Reading
        How the outputs of models are read.
    fixed : FixedRows, default=None
        The last rows of X, if they are no samples.
    """
    bases = _bases_of(model)
    for base in bases.values():
        warn_of_thresholds(base)
    check_n_jobs(model.n_jobs)
    link = reading.link
    if reading.is_calibrated and reading.lack is not None:
        raise IncompatiblePartsError.needs(
            f"calibration={model.calibration!r}",
            "base estimators with predict_proba or decision_function",
            reading.lack.rstrip("."),
            "Use another base estimator, or calibration=None.",
        )
    if link is not None:  # now, rather than after hours of fits
        _refuse_without(link, link.response_method, bases.values())
    taxonomy = labels.taxonomy
    chosen = BaseEstimators(
        bases["estimator"],
        model.node_estimators,
        taxonomy,
        leaves_decide=leaves_decide,
        small=SmallNodes.of(model.small_nodes),
    )

    def read(params: dict[str, Any]) -> FitParams:
        features = partial(prepare_features, model, reset=False)
        return FitParams.read(params, _num_samples(X), features, target.validation_targets)

    routed = _routed_params(model, method, labels.weights, fit_params)
    if fixed is not None:
        _refuse_uneven(model, routed, labels.weights, fixed)
    params = {name: read(given) for name, given in routed.items()}
    if any(given.sets for given in params.values()):
        _refuse_validation(model, method)
    context = FitContext.of(taxonomy, seed, link, model.n_jobs, check_verbose(model.verbose))
    return Jobs(context, chosen, params, labels)


def _refuse_uneven(
    model: LocalClassifier,
    routed: dict[str, dict[str, Any]],
    weights: Floats | None,
    fixed: FixedRows,
) -> None:
    """Refuse parameters of samples, which node rows do not have, and weights that get lost."""
    for name, params in routed.items():
        for key, value in params.items():
            if value is not weights and has_entries(key, value, fixed.n_samples):
                raise IncompatiblePartsError.needs(
                    f"The fit parameter {key!r}",
                    "an entry for each row",
                    "node_rows have none",
                    "Leave it out, or node_rows.",
                )
        if model.node_rows_weight != 1 and not any(value is weights for value in params.values()):
            raise IncompatiblePartsError.needs(
                f"node_rows_weight={model.node_rows_weight!r}",
                "base estimators that get sample_weight",
                f"{name!r} does not request it",
                "Call set_fit_request(sample_weight=True) on it, or use node_rows_weight=1.",
            )


def _refuse_validation(model: LocalClassifier, method: str) -> None:
    """Refuse validation sets for models that learn in batches, or from others."""
    routing = getattr(model, "routing", "filter")
    if method == "partial_fit":
        why = "partial_fit has no validation: it does not know when it ends"
    elif model.chain is not None:
        why = f"chain={model.chain!r} gives models outputs of others, which the set does not have"
    elif resolve_routing(routing).needs_held_out:
        why = f"routing={routing!r} gives models samples of a rest class, which the set does not have"
    else:
        return
    raise IncompatiblePartsError.needs(
        "A validation set",
        "models that learn from X alone, by fit",
        why,
        "Leave the set out, or use fit with chain=None and routing='filter'.",
    )


def drawn_seed(random_state: Any) -> int | None:
    """Return the seed of all base estimators; None where they keep their own random states."""
    if random_state is None:
        return None
    # One draw: how many models there are does not change the user's random state.
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def splitter_params(
    model: LocalClassifier, weights: Floats | None, fit_params: dict[str, Any]
) -> dict[str, Any]:
    """Return the parameters of the splitter, such as ``groups``."""
    if not (get_config()["enable_metadata_routing"] and hasattr(model.cv, "split")):
        return {}
    given = {} if weights is None else {"sample_weight": weights}
    return dict(process_routing(model, "fit", **given, **fit_params)["cv"]["split"])


def _routed_params(
    model: LocalClassifier, method: str, weights: Floats | None, fit_params: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the parameters with which each base estimator is fitted."""
    bases = _bases_of(model)
    given = {} if weights is None else {"sample_weight": weights}
    # With routing the users say who gets weights; without it all base estimators must take them.
    if get_config()["enable_metadata_routing"]:
        routed = process_routing(model, method, **given, **fit_params)
        return {name: dict(routed[name][method]) for name in bases}
    if fit_params:
        raise TypeError(
            f"{method} got {sorted(fit_params)}. Parameters other than sample_weight need "
            "sklearn.set_config(enable_metadata_routing=True) and "
            f"`set_{method}_request` on the base estimator."
        )
    for base in bases.values():
        if weights is not None and not has_fit_parameter(base, "sample_weight"):
            raise IncompatiblePartsError.needs(
                "sample_weight",
                "a base estimator whose fit takes it",
                f"that of {type(base).__name__} does not",
                "Leave the weights out, take another base estimator, or, where a step of a "
                "Pipeline should get them, enable metadata routing and request them there.",
            )
    return dict.fromkeys(bases, given)


def refuse_unweighted(
    model: LocalClassifier, given: Floats | None, weights: Floats | None
) -> None:
    """Refuse a weight of node rows where base estimators take none."""
    if given is not None or weights is None or get_config()["enable_metadata_routing"]:
        return
    for base in _bases_of(model).values():
        if not has_fit_parameter(base, "sample_weight"):
            raise IncompatiblePartsError.needs(
                f"node_rows_weight={model.node_rows_weight!r}",
                "a base estimator whose fit takes sample_weight",
                f"that of {type(base).__name__} does not",
                "Use node_rows_weight=1, take another base estimator, or, where a step of a "
                "Pipeline should get weights, enable metadata routing and request them there.",
            )


class _HasStages(Protocol):
    has_stages: Any


def refuse_chain(chain: Chain, strategy: _HasStages, model: LocalClassifier) -> None:
    """Check a chain against the strategy and the base estimators; warn of one that leaks."""
    if isinstance(strategy, Auto):
        raise IncompatiblePartsError.needs(
            chain,
            "a strategy that is known before models are fitted",
            "'auto' compares some that have no models above each other",
            "Use chain=None, or strategy='per_parent'.",
        )
    if not strategy.has_stages:
        raise IncompatiblePartsError.needs(
            chain,
            "models above each other",
            f"{strategy!r} has none",
            "Use chain=None, or another strategy.",
        )
    _refuse_without(chain, chain.method, _bases_of(model).values())
    if chain.training != "out_of_fold":
        warn_caller(LeakageWarning.of(chain))


def _refuse_without(part: Chain | Link, method: str, bases: Iterable[Any]) -> None:
    for base in bases:
        if not hasattr(base, method):
            raise IncompatiblePartsError.needs(
                part,
                f"base estimators with {method}",
                f"{type(base).__name__} has none",
                "Wrap it in CalibratedClassifierCV, or use outputs of another method.",
            )


class _MayNeedProbabilities(Protocol):
    needs_probabilities: Any


def refuse_mismatch(
    decoder: _MayNeedProbabilities,
    model: LocalClassifier,
    others: str,
    fitted: Iterable[LocalModel] | None = None,
) -> None:
    """Refuse a decoder that needs probabilities where there are none.

    Parameters
    ----------
    decoder : Decoder or SetDecoder
    model : LocalClassifier
        Gives the base estimators and the link.
    others : str
        Decoders that do without, for the message.
    fitted : iterable of LocalModel, default=None
        Fitted models, which count in place of the parameters: a callable may have chosen other base
        estimators for some nodes, and parameters may have been set since.
    """
    is_calibrated = model.calibration is not None
    if fitted is not None:
        is_calibrated = model._reading.is_calibrated
    if not decoder.needs_probabilities or is_calibrated:
        return
    if fitted is None:
        link = None if model.link is None else resolve_link(model.link)
        lacks = (_lack_of(base, link) for base in _bases_of(model).values())
    else:
        link = model._reading.link
        lacks = (_lack_of(m.estimator, link) for m in fitted if not m.gives_probabilities)
    lack = next(filter(None, lacks), None)
    if lack is not None:
        raise IncompatiblePartsError.needs(
            decoder,
            "probabilities",
            lack,
            f"Use calibration='temperature', or the decoder {others}.",
        )


def _lack_of(estimator: Any, link: Link | None) -> str | None:
    """Return why there are no probabilities of an estimator, or None."""
    if link is not None:
        return None if link.gives_probabilities else f"{link!r} gives weights"
    has_some = hasattr(estimator, "predict_proba")
    return None if has_some else f"{type(estimator).__name__} has no predict_proba"


def _with_requests(base: Any) -> Any:
    """Return a base estimator, or what its methods take if it knows nothing of requests.

    CatBoost, for one: there is no other way to say what it should get.
    """
    if hasattr(base, "get_metadata_routing") or isinstance(base, type):
        return base
    requests = MetadataRequest(owner=base)
    for method in ("fit", "partial_fit"):
        if callable(getattr(base, method, None)):
            for name, parameter in inspect.signature(getattr(base, method)).parameters.items():
                if name not in ("X", "y") and parameter.kind in (
                    parameter.POSITIONAL_OR_KEYWORD,
                    parameter.KEYWORD_ONLY,
                ):
                    getattr(requests, method).add_request(param=name, alias=True)
    return requests


class _FittedEstimators(Mapping[Hashable, Any]):
    """Fitted local estimators by name, each brought to its full width when it is looked up."""

    def __init__(self, models: dict[Hashable, LocalModel]) -> None:
        self._models = models

    def __getitem__(self, name: Hashable) -> Any:
        return self._models[name].full_width

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def __repr__(self) -> str:
        names = {name: type(model.estimator).__name__ for name, model in self._models.items()}
        return f"{type(self).__name__}({names})"


class LocalClassifier(
    Summarised, ShowsTaxonomy, Calibrated, MetaEstimatorMixin, ClassifierMixin, BaseEstimator
):
    """A meta-classifier with a base estimator for each local problem.

    Subclasses store the parameters that are used here in their ``__init__``; ``fit`` sets the
    private attributes.
    """

    estimator: Any
    taxonomy: Any
    strategy: Any
    link: str | Link | None
    calibration: Any
    node_estimators: Any
    small_nodes: Any
    node_rows: Any = None  # files of earlier versions have none
    node_rows_weight: Any = 1.0
    chain: str | Chain | None
    cv: Any
    n_jobs: int | None
    verbose: int
    random_state: Any
    taxonomy_: Taxonomy
    _compressed: CompressionReport  # after compress
    _model: PathModels | SetModels
    _reports: list[FitReport]  # of each part of the strategy
    _seed: int | None
    _reading: Reading
    _rows_weight: float | None
    _selection: np.ndarray[Any, Any] | None  # what was compared to choose a strategy

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with ``deep`` also those of the estimators within."""
        params = super().get_params(deep=deep)
        if deep and isinstance(self.node_estimators, Mapping):
            params |= nested_params(self.node_estimators)
        if deep and isinstance(self.small_nodes, tuple | list):
            small = _small_estimator(self)
            if hasattr(small, "get_params") and not isinstance(small, type):
                inner = small.get_params(deep=True)
                params |= {f"{SMALL}__{name}": value for name, value in inner.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of the estimators within as ``<name>__<parameter>``."""
        nested = {key: value for key, value in params.items() if key.startswith(PREFIX)}
        # scikit-learn would set them on None, and say that None has no set_params.
        within = [key for key in params if key.startswith("estimator__")]
        if within and params.get("estimator", self.estimator) is None:
            raise ValueError(
                f"Invalid parameter {within[0]!r}: `estimator` is None, which stands for a default. "
                f"To set its parameters, pass estimator={default_base()!r}."
            )
        given = params.get(SMALL, self.small_nodes)
        of_small = {}
        if isinstance(given, tuple | list):  # whose parameters scikit-learn does not find
            of_small = {key: v for key, v in params.items() if key.startswith(f"{SMALL}__")}
        elsewhere = nested | of_small
        super().set_params(**{key: v for key, v in params.items() if key not in elsewhere})
        if nested:
            self.node_estimators = updated_mapping(self.node_estimators, nested)
        if of_small:
            small = _small_estimator(self)
            small.set_params(**{key.removeprefix(f"{SMALL}__"): v for key, v in of_small.items()})
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how metadata such as ``sample_weight`` reach the base estimators."""
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = (
            MethodMapping()
            .add(caller="fit", callee="fit")
            .add(caller="partial_fit", callee="partial_fit")
        )
        # Names as in get_params, which is where users find the base estimator that has no request.
        for name, base in _bases_of(self).items():
            router.add(**{name: _with_requests(base)}, method_mapping=mapping)
        if hasattr(self.cv, "split"):
            splits = MethodMapping().add(caller="fit", callee="split")
            router.add(cv=self.cv, method_mapping=splits)
        return router

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        base = get_tags(_bases_of(self)["estimator"])
        tags.input_tags = base.input_tags  # X goes to the base estimators as it is
        tags.non_deterministic = base.non_deterministic
        if base.classifier_tags is not None:
            tags.classifier_tags.poor_score = base.classifier_tags.poor_score
        tags.array_api_support = False
        return tags

    def _sk_visual_block_(self) -> Any:
        parts = _bases_of(self)
        if self.taxonomy is not None:
            parts["taxonomy"] = resolve_taxonomy(self.taxonomy)
        return compat.visual_block(list(parts.values()), list(parts))

    def __getstate__(self) -> dict[str, Any]:
        return with_versions(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(upgraded(restored_state(self, state)))
        if hasattr(self, "taxonomy_") and not hasattr(self, "_reading"):
            self._reading = Reading.of(self)  # files of earlier versions have the parameters alone

    def _gives_probabilities(self) -> bool:
        return gives_probabilities(self)

    # -- taking less space ----------------------------------------------------------------

    def compress(self, *, dtype: Any = "float32", min_weight: float = 0.0) -> Self:
        """Make fitted linear models smaller, for prediction alone.

        Weights get another precision, and those near 0 may become 0. Columns without any other
        weight are not stored, and of a model with more than half zeros only the other weights are,
        with 5 bytes for each and 5 for each column. That is for ``LinearSVC``,
        ``LogisticRegression``, ``SGDClassifier``, ``RidgeClassifier``, ``Perceptron``,
        ``PassiveAggressiveClassifier`` and the classifiers of :mod:`sklhier.linear_model`, alone or
        as the last step of a Pipeline, fitted to sparse or dense X; all others stay as they are.
        Models that see the outputs of others (`chain`) only change their precision.

        Parameters
        ----------
        dtype : "float32" or None, default="float32"
            Of the weights. float32 takes half the space, and changes probabilities in the sixth
            digit. None: as they are.
        min_weight : float, default=0.0
            Weights whose absolute value is lower become 0, which changes predictions: compare them on
            samples that were held out. What is low depends on the scale of X and the base estimator.
            Files shrink further with ``joblib.dump(model, path, compress=3)``.

        Returns
        -------
        self : object
            This classifier, changed in place. ``copy.copy(model).compress()`` leaves `model` as it
            is.

        Raises
        ------
        IncompatiblePartsError
            If no local model is one of those types.
        ValueError
            For another dtype, and for a weight that is negative or not finite.

        Notes
        -----
        ``compression_report_`` tells what became of each model, ``estimators_`` gives them in full
        width with the weights that are left. Compressed models cannot go on learning:
        ``partial_fit`` is refused, ``fit`` begins anew.

        Examples
        --------
        >>> from sklearn.svm import LinearSVC
        >>> from sklhier import HierarchicalClassifier
        >>> from sklhier.datasets import make_hierarchical_text
        >>> X, y, taxonomy = make_hierarchical_text(300, branching=(3, 2), random_state=0)
        >>> model = HierarchicalClassifier(LinearSVC(), taxonomy=taxonomy).fit(X, y)
        >>> before = model.predict(X)
        >>> report = model.compress().compression_report_
        >>> bool((model.predict(X) == before).all())
        True
        >>> bool(report["n_bytes"].sum() < 0.6 * report["n_bytes_before"].sum())
        True
        """
        with unchanged_on_error(self):
            return self._compress(dtype, min_weight)

    def _compress(self, dtype: Any, min_weight: float) -> Self:
        check_is_fitted(self, "taxonomy_")
        if dtype is not None and not _is_float32(dtype):
            raise ValueError(
                "`dtype` must be 'float32', or None to leave weights as they are, got "
                f"{shown(dtype)}."
            )
        check_number("min_weight", min_weight, least=0)
        models = list(_named_models(self._model))
        # By exact type: a subclass may use its weights in other ways.
        able = [linear_fit.is_linear(model.estimator) for _, model in models]
        if models and not any(able):
            types = sorted({type(model.estimator).__name__ for _, model in models})
            raise IncompatiblePartsError.needs(
                "compress",
                "linear models as local models, such as LinearSVC or LogisticRegression",
                f"those of this classifier are of the type {quoted(types)}",
                "Use such a base estimator, not a subclass, alone or at the end of a Pipeline.",
            )
        pairs = zip(models, able, strict=True)
        smaller: list[dict[ModelKey, LocalModel]] = [{} for _ in self._model.models]
        kinds: list[str] = []
        sizes = np.zeros((len(models), 5), dtype=np.int64)
        for number, (((member, _), model), is_linear) in enumerate(pairs):
            kind = type(model.estimator).__name__
            if is_linear:
                model, sizes[number] = model.compressed(dtype, min_weight)
            smaller[member][model.key] = model
            kinds.append(kind if is_linear else f"{kind}: left as it is")
        # Replaced and not changed: copies of this classifier keep the models as they were.
        self._model = replace(self._model, models=smaller)
        self._compressed = CompressionReport(np.array(kinds, dtype=np.str_), sizes)
        return self

    @property
    def compression_report_(self) -> np.ndarray[Any, Any]:
        """A record for each local model, after :meth:`compress`."""
        if not hasattr(self, "_compressed"):
            raise AttributeError("compression_report_ is there after compress.")
        return self._compressed.records([name for (_, name), _ in _named_models(self._model)])

    def _refuse_compressed(self) -> None:
        """Raise an error if models have lost what they would go on learning from."""
        if hasattr(self, "_compressed"):
            raise ValueError(
                "partial_fit was called after compress, which has rounded or dropped what it would "
                "go on from. Fit again, or compress a copy: copy.copy(model).compress()."
            )

    @property
    def node_rows_weight_(self) -> float:
        """The weight of each of `node_rows`, given or learnt."""
        check_is_fitted(self, "taxonomy_")
        weight = vars(self).get("_rows_weight")
        if weight is None:
            raise AttributeError("node_rows_weight_ is there after fit with node_rows.")
        return float(weight)

    @property
    def strategy_(self) -> Any:
        """The strategy in use, its parameters tuned."""
        check_is_fitted(self, "taxonomy_")
        return self._model.strategy

    @property
    def selection_report_(self) -> np.ndarray[Any, Any]:
        """A record for each strategy that was compared, after fit with ``strategy="auto"``."""
        check_is_fitted(self, "taxonomy_")
        report: np.ndarray[Any, Any] | None = vars(self).get("_selection")
        if report is None:
            raise AttributeError('selection_report_ is there after fit with strategy="auto".')
        return report.copy()

    @property
    def estimators_(self) -> Mapping[Hashable, Any]:
        """Fitted base estimators by the name of the node, or ``"level:k"``, that decides.

        A mapping that cannot be changed. Linear estimators that were fitted to sparse X are stored
        with the coefficients of their own columns; each is copied to its full width when it is
        looked up.
        """
        check_is_fitted(self, "taxonomy_")
        return _FittedEstimators({name: m for (_, name), m in _named_models(self._model)})

    def _fitted_parts(self) -> dict[str, Any]:
        kinds = Counter(type(model.estimator).__name__ for _, model in _named_models(self._model))
        report = self.fit_report_
        told = Counter(str(text) for text in report["fitted"])
        nothing = ("constant", "nothing")
        return {
            "local_models": sum(kinds.values()),
            "estimators": dict(sorted(kinds.items())),
            "constants": {
                text: number for text, number in sorted(told.items()) if text.startswith(nothing)
            },
            "seconds": float(report["seconds"].sum()),
        }

    @property
    def fit_report_(self) -> np.ndarray[Any, Any]:
        """A record for each local problem of the last call to fit or partial_fit."""
        check_is_fitted(self, "taxonomy_")
        # Records hold objects, which skops cannot save: they are made when they are read.
        return np.concatenate(
            [
                report.records([_name(self._model, i, key) for key in report.keys], self.taxonomy_)
                for i, report in enumerate(self._reports)
            ]
        )


def _is_float32(dtype: Any) -> bool:
    return dtype is np.float32 or (isinstance(dtype, str | np.dtype) and dtype == "float32")


def _name(model: PathModels | SetModels, member: int, key: ModelKey) -> Hashable:
    """Return the name of a local model; of one in an ensemble, with the member's position."""
    name = name_of(key, model.taxonomy)
    if isinstance(model, SetModels) and key.kind == Kind.PARENT:
        name = ("children", name)  # the node has another model, that decides about itself
    return (member, name) if model.has_members else name


def _named_models(
    model: PathModels | SetModels,
) -> Iterator[tuple[tuple[int, Hashable], LocalModel]]:
    """Yield all local models, sorted, with the position of the member and their name."""
    for member, models in enumerate(model.models):
        for key in sorted(models):
            yield (member, _name(model, member, key)), models[key]
