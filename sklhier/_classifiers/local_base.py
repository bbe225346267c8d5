"""What all meta-estimators over a taxonomy share: parameters, routing, fitted local models."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklhier._local import linear_fit
from sklhier._local.base_estimators import PREFIX, NodeEstimators, nested_params, updated_mapping
from sklhier._local.keys import place_of
from sklhier._local.model import LocalModel
from sklhier._targets.paths import resolve_taxonomy
from sklhier._training.staged import Staging
from sklhier._training.trainer import Fits, Trainer
from sklhier._utils import compat
from sklhier._utils.pickling import restored_state, with_versions
from sklhier._utils.typing import Floats
from sklhier._utils.warning import warn_caller
from sklhier.exceptions import IncompatiblePartsError, LeakageWarning, quoted
from sklhier.staging import Chain
from sklhier.strategies import Strategy
from sklhier.taxonomy import Taxonomy

__all__ = ["HierarchicalMeta", "bases_have", "learns_in_batches"]

_COMPRESSION_DTYPE = np.dtype(
    [
        ("node", object),
        ("fitted", object),
        ("n_columns_before", np.int64),
        ("n_columns", np.int64),
        ("n_dropped", np.int64),
        ("n_bytes_before", np.int64),
        ("n_bytes", np.int64),
    ]
)


def bases_have(method: str) -> Callable[[Any], bool]:
    """Return a check that every base estimator has a method."""

    def check(self: HierarchicalMeta) -> bool:
        for base in self._bases().values():
            getattr(base, method)  # its AttributeError says best what is missing
        return True

    return check


def learns_in_batches(model: HierarchicalMeta) -> bool:
    """Whether a model can learn from batches; raise an AttributeError if not."""
    for name, without in (("chain", None), ("routing", "filter")):
        value = getattr(model, name, without)
        if value != without:
            raise AttributeError(
                f"partial_fit sees samples in batches; {name}={value!r} needs all of them "
                f"at once. Use fit, or {name}={without!r}."
            )
    return bases_have("partial_fit")(model)


class FittedEstimators(Mapping[Hashable, Any]):
    """Fitted local estimators by name, brought to their full width when they are looked up."""

    def __init__(self, models: dict[Hashable, LocalModel]) -> None:
        self._models = models

    def __getitem__(self, name: Hashable) -> Any:
        return self._models[name].whole

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def __repr__(self) -> str:
        names = {name: type(model.estimator).__name__ for name, model in self._models.items()}
        return f"{type(self).__name__}({names})"


class HierarchicalMeta(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """A meta-classifier with a base estimator at each place that decides.

    Subclasses store the parameters that are used here in their ``__init__``, resolve their strategy
    to ``_strategy``, and put fitted models into ``_models`` and ``_fits``.
    """

    estimator: Any
    taxonomy: Any
    node_estimators: Any
    cv: Any
    n_jobs: int | None
    verbose: int
    random_state: Any
    taxonomy_: Taxonomy
    _strategy: Strategy
    _models: dict[int, LocalModel]
    _fits: Fits
    _seed: int | None
    compression_report_: np.ndarray[Any, Any]  # after compress

    def _base(self) -> Any:
        return LogisticRegression() if self.estimator is None else self.estimator

    def _bases(self) -> dict[str, Any]:
        """Return all base estimators known before fit, by the prefix of their parameters."""
        bases = {"estimator": self._base()}
        if isinstance(self.node_estimators, Mapping):
            bases |= {f"{PREFIX}{key}": e for key, e in self.node_estimators.items()}
        return bases

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with ``deep`` also those of the estimators within."""
        params = super().get_params(deep=deep)
        if deep and isinstance(self.node_estimators, Mapping):
            params |= nested_params(self.node_estimators)
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of the estimators within as ``<name>__<parameter>``."""
        nested = {key: value for key, value in params.items() if key.startswith(PREFIX)}
        within = [key for key in params if key.startswith("estimator__")]
        if within and params.get("estimator", self.estimator) is None:
            raise ValueError(
                f"Invalid parameter {within[0]!r}: `estimator` is None, which stands for a default. "
                "To set its parameters, pass estimator=LogisticRegression()."
            )
        super().set_params(**{key: v for key, v in params.items() if key not in nested})
        if nested:
            self.node_estimators = updated_mapping(self.node_estimators, nested)
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how metadata such as ``sample_weight`` reach the base estimators."""
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = (
            MethodMapping()
            .add(caller="fit", callee="fit")
            .add(caller="partial_fit", callee="partial_fit")
        )
        for name, base in self._bases().items():
            router.add(**{name: base}, method_mapping=mapping)
        if hasattr(self.cv, "split"):
            splits = MethodMapping().add(caller="fit", callee="split")
            router.add(cv=self.cv, method_mapping=splits)
        return router

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        base = get_tags(self._base())
        tags.input_tags = base.input_tags
        tags.non_deterministic = base.non_deterministic
        if base.classifier_tags is not None:
            tags.classifier_tags.poor_score = base.classifier_tags.poor_score
        tags.array_api_support = False
        return tags

    def _sk_visual_block_(self) -> Any:
        parts = self._bases()
        if self.taxonomy is not None:
            parts["taxonomy"] = resolve_taxonomy(self.taxonomy)
        return compat.visual_block(list(parts.values()), list(parts))

    def __getstate__(self) -> dict[str, Any]:
        return with_versions(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(restored_state(self, state))

    def _gives_probabilities(self) -> bool:
        return bases_have("predict_proba")(self)

    def _trainer(
        self,
        method: str,
        taxonomy: Taxonomy,
        weights: Floats | None,
        fit_params: dict[str, Any],
        staging: Staging | None = None,
    ) -> Trainer:
        """Return what fits the local models, the parts checked against each other."""
        bases = self._bases()
        chosen = NodeEstimators(
            bases["estimator"],
            self.node_estimators,
            taxonomy,
            leaves_decide=self._leaves_decide(),
        )
        params = self._routed(method, weights, fit_params)
        return Trainer(taxonomy, chosen, params, self._seed, self.n_jobs, self.verbose, staging)

    def _refuse_chain(self, chain: Chain) -> None:
        """Check a chain against the strategy and the base estimators."""
        if not self._strategy.has_stages:
            raise IncompatiblePartsError.needs(
                chain,
                "models above each other",
                f"{self._strategy!r} has none",
                "Use chain=None, or another strategy.",
            )
        for base in self._bases().values():
            if not hasattr(base, chain.method):
                raise IncompatiblePartsError.needs(
                    chain,
                    f"base estimators with {chain.method}",
                    f"{type(base).__name__} has none",
                    "Wrap it in CalibratedClassifierCV, or use another `output` of the chain.",
                )
        if chain.training != "out_of_fold":
            warn_caller(LeakageWarning.of(chain))

    def _leaves_decide(self) -> bool:
        """Whether there are models that decide about single leaves."""
        return self._strategy.leaves_decide

    def _drawn_seed(self) -> int | None:
        """Return what the random states of all base estimators follow from."""
        if self.random_state is None:
            return None
        random_state = check_random_state(self.random_state)
        return int(random_state.randint(np.iinfo(np.int32).max))

    def _split_params(self, weights: Floats | None, fit_params: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters with which the splitter is asked, such as ``groups``."""
        if not (get_config()["enable_metadata_routing"] and hasattr(self.cv, "split")):
            return {}
        given = {} if weights is None else {"sample_weight": weights}
        return dict(process_routing(self, "fit", **given, **fit_params)["cv"]["split"])

    def _routed(
        self, method: str, weights: Floats | None, fit_params: dict[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Return the parameters with which each base estimator is fitted."""
        given = {} if weights is None else {"sample_weight": weights}
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, method, **given, **fit_params)
            return {name: dict(routed[name][method]) for name in self._bases()}
        if fit_params:
            raise TypeError(
                f"{method} got {sorted(fit_params)}. Parameters other than sample_weight need "
                "sklearn.set_config(enable_metadata_routing=True) and "
                f"`set_{method}_request` on the base estimator."
            )
        for base in self._bases().values():
            if weights is not None and not has_fit_parameter(base, "sample_weight"):
                raise IncompatiblePartsError.needs(
                    "sample_weight",
                    "a base estimator whose fit takes it",
                    f"that of {type(base).__name__} does not",
                    "Leave the weights out, take another base estimator, or, where a step of a "
                    "Pipeline should get them, enable metadata routing and request them there.",
                )
        return dict.fromkeys(self._bases(), given)

    # -- taking less space ----------------------------------------------------------------

    def compress(self, *, dtype: Any = "float32", min_weight: float = 0.0) -> Self:
        """Make fitted linear models smaller, for prediction alone.

        Weights get another precision, those near 0 may become 0, and columns without any other
        weight are not stored. That is for ``LinearSVC``, ``LogisticRegression``, ``SGDClassifier``,
        ``RidgeClassifier``, ``Perceptron`` and ``PassiveAggressiveClassifier``, alone or as the last
        step of a Pipeline, fitted to sparse or dense X; all others stay as they are. Models that see
        the outputs of others (`chain`) only change their precision.

        Parameters
        ----------
        dtype : "float32" or None, default="float32"
            Of the weights. float32 takes half the space, and changes probabilities in the sixth
            digit. None: as they are.
        min_weight : float, default=0.0
            Weights whose absolute value is lower become 0, which changes predictions: compare them on
            samples that were held out. What is low depends on the scale of X and the base estimator.
            Memory shrinks where this leaves a column without a weight; files shrink further with
            ``joblib.dump(model, path, compress=3)``.

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
        check_is_fitted(self, "taxonomy_")
        if dtype not in (None, "float32", np.float32):
            raise ValueError(
                f"dtype is 'float32', or None to leave weights as they are; {dtype!r} was given."
            )
        if not (isinstance(min_weight, Real) and 0 <= min_weight < np.inf):
            raise ValueError(
                f"`min_weight` is a finite number, 0 or more; {min_weight!r} was given."
            )
        able = {
            owner for owner, model in self._models.items() if linear_fit.is_linear(model.estimator)
        }
        if self._models and not able:
            names = sorted({type(model.estimator).__name__ for model in self._models.values()})
            raise IncompatiblePartsError.needs(
                "compress",
                "linear models as local models, such as LinearSVC or LogisticRegression",
                f"those of this classifier are of the type {quoted(names)}",
                "Use such a base estimator, not a subclass, alone or at the end of a Pipeline.",
            )
        models, rows = dict(self._models), []
        for owner in sorted(models):
            if owner in able:
                models[owner], sizes = models[owner].compressed(dtype, min_weight)
            else:
                sizes = (0,) * 5
            kind = type(models[owner].estimator).__name__
            fitted = kind if owner in able else f"{kind}: left as it is"
            rows.append((self._key(owner), fitted, *sizes))
        self._models = models
        self.compression_report_ = np.array(rows, dtype=_COMPRESSION_DTYPE)
        return self

    def _refuse_compressed(self) -> None:
        """Raise an error if models have lost what they would go on learning from."""
        if hasattr(self, "compression_report_"):
            raise ValueError(
                "partial_fit was called after compress, which has rounded or dropped what it would "
                "go on from. Fit again, or compress a copy: copy.copy(model).compress()."
            )

    @property
    def strategy_(self) -> Strategy:
        """The strategy in use, with what it has learnt."""
        check_is_fitted(self, "taxonomy_")
        return self._strategy

    def _key(self, owner: int) -> Hashable:
        """Return the name of a place, within an ensemble with its position before it."""
        place = place_of(owner, self.taxonomy_)
        return (place.member, place.key) if self._strategy.has_members else place.key

    @property
    def estimators_(self) -> Mapping[Hashable, Any]:
        """Fitted base estimators by the name of the node, or ``"level:k"``, that decides.

        A mapping that cannot be changed. Linear estimators that were fitted to sparse X are stored
        with the coefficients of their own columns; each is copied to its full width when it is
        looked up.
        """
        check_is_fitted(self, "taxonomy_")
        return FittedEstimators(
            {self._key(owner): self._models[owner] for owner in sorted(self._models)}
        )

    @property
    def fit_report_(self) -> np.ndarray[Any, Any]:
        """A record for each local problem of the last call to fit or partial_fit."""
        check_is_fitted(self, "taxonomy_")
        names = [self._key(owner) for owner in self._fits.owners.tolist()]
        return self._fits.report(names, self.taxonomy_)
