"""Base estimators by node or level, and for nodes with few rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping
from copy import copy
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.utils import get_tags

from sklhier._local.base_params import BaseTraits, parameters_of
from sklhier._local.class_params import names_classes
from sklhier._local.keys import Kind, ModelKey, described, level_of
from sklhier._local.problem import LocalProblem
from sklhier._utils.pipelines import route_to_classifier
from sklhier._utils.typing import Rows
from sklhier._utils.validation import check_instance
from sklhier._utils.warning import warn_caller
from sklhier.exceptions import IncompatiblePartsError, TaxonomyError
from sklhier.linear_model import ScaledLinearClassifier
from sklhier.taxonomy import Taxonomy

__all__ = [
    "MEMBER",
    "SMALL",
    "BaseEstimators",
    "Choice",
    "SmallNodes",
    "check_classifier",
    "default_base",
    "learns_jointly",
    "nested_params",
    "own_classifier",
    "updated_mapping",
    "warn_of_thresholds",
]

PREFIX = "node_estimators__"
SMALL = "small_nodes"
MEMBER = "strategy: "  # before how the base estimator of a member of an ensemble prints
_METHODS = ("predict_proba", "decision_function", "predict")


def check_classifier(estimator: Any, name: str) -> None:
    """Refuse a base estimator that is no classifier; `name` is that of the parameter.

    Classes without tags pass, if they can predict.

    Raises
    ------
    TypeError
        For what is no estimator at all.
    IncompatiblePartsError
        For regressors, clusterers, outlier detectors and transformers.
    """
    check_instance(name, estimator)
    kind = _other_kind(estimator)
    if kind:
        raise IncompatiblePartsError.needs(
            f"{name}={type(estimator).__name__}(...)",
            "to be a classifier, or a Pipeline or search around one",
            f"it is a {kind}",
            "Pass a classifier; your own classes should inherit from ClassifierMixin.",
        )


def _other_kind(estimator: Any) -> str | None:
    """Return what an estimator is that is no classifier."""
    if hasattr(estimator, "__sklearn_tags__"):
        if is_classifier(estimator):  # some have methods of prediction once they are fitted
            return None
        kinds = {
            "regressor": is_regressor,
            "clusterer": is_clusterer,
            "outlier detector": is_outlier_detector,
        }
        for kind, holds in kinds.items():
            if holds(estimator):
                return kind
    if not any(hasattr(estimator, method) for method in _METHODS):
        return "transformer" if hasattr(estimator, "transform") else "estimator without predict"
    return None


def warn_of_thresholds(estimator: Any) -> None:
    """Warn of a base estimator whose own threshold has no effect."""
    within = [estimator, *(parameter.value for parameter in parameters_of(estimator))]
    for other in within:
        if isinstance(other, FixedThresholdClassifier | TunedThresholdClassifierCV):
            warn_caller(
                f"The threshold of {type(other).__name__} has no effect: local models give "
                "probabilities, which it does not change. Use the classifier within it, and "
                "change decisions by class_weight or a decoder."
            )


class Choice(NamedTuple):
    """The base estimator of a model.

    Attributes
    ----------
    name : str
        The name by which its metadata are routed.
    estimator : estimator
    traits : BaseTraits
    """

    name: str
    estimator: Any
    traits: BaseTraits


class SmallNodes(NamedTuple):
    """The estimator in place of base estimators that have too few rows.

    Attributes
    ----------
    n_rows : int
        Below this number of rows it does so always.
    estimator : estimator
    """

    n_rows: int
    estimator: Any

    @classmethod
    def of(cls, given: Any) -> SmallNodes | None:
        """Return what the parameter `small_nodes` stands for, checked.

        Raises
        ------
        ValueError
            If it is neither None, nor a classifier, nor a pair of a number and one.
        """
        if given is None:
            return None
        pair = given if isinstance(given, tuple | list) else (0, given)
        is_number = len(pair) == 2 and isinstance(pair[0], int | np.integer) and pair[0] >= 0
        if not is_number or isinstance(pair[0], bool) or not hasattr(pair[1], "fit"):
            raise ValueError(
                "`small_nodes` must be None, a classifier, or a pair (number of rows, "
                f"classifier), got {given!r}."
            )
        check_classifier(pair[1], SMALL)
        return cls(int(pair[0]), pair[1])


def _takes_counts(function: Callable[..., Any]) -> tuple[bool, bool]:
    """Return whether a callable takes `n_samples` by name, and counts as its third argument."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some of C
        return False, False
    by_place = [
        p for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    by_place = [p for p in by_place if p.name != "n_samples" and p.default is p.empty]
    return "n_samples" in parameters, len(by_place) > 2


def default_base() -> Any:
    """Return what ``estimator=None`` stands for."""
    return ScaledLinearClassifier()


class BaseEstimators:
    """The base estimator of each node.

    Parameters
    ----------
    base : estimator
        Used where nothing else is said.
    overrides : mapping, callable or None
        The parameter `node_estimators` of a classifier.
    taxonomy : Taxonomy
        The taxonomy.
    leaves_decide : bool
        Whether there are models that decide about single leaves.
    small : SmallNodes or None
        What takes the place of others at nodes with few rows.

    Raises
    ------
    TaxonomyError
        If a key of the mapping is neither a level nor a node at which something is decided.
    """

    def __init__(
        self,
        base: Any,
        overrides: Mapping[Hashable, Any] | Callable[..., Any] | None,
        taxonomy: Taxonomy,
        *,
        leaves_decide: bool,
        small: SmallNodes | None,
    ) -> None:
        self._leaves_decide = leaves_decide
        self._small = small
        self._traits: dict[int, BaseTraits] = {}
        self._base_name, self._base = "estimator", base
        self._overrides = overrides
        self._taxonomy = taxonomy
        if isinstance(overrides, Mapping):
            for key in overrides:
                self._check(key)
        elif overrides is not None and not callable(overrides):
            raise TypeError(
                "`node_estimators` must be a mapping, a callable (name, taxonomy) -> estimator, or "
                f"None, got {overrides!r}."
            )
        self._by_name, self._by_place = (
            _takes_counts(overrides) if callable(overrides) else (False, False)
        )

    def _check(self, key: Hashable) -> None:
        taxonomy = self._taxonomy
        levels = [f"level:{level}" for level in range(1, taxonomy.n_levels + 1)]
        if key in levels:
            return
        if key not in taxonomy:
            inner = [taxonomy.nodes[node] for node in np.unique(taxonomy.edge_parents)]
            raise TaxonomyError.unknown(key, [*levels, *inner])
        if not (self._leaves_decide or taxonomy.children_of(taxonomy.id(key)).size):
            raise TaxonomyError(
                f"`node_estimators` must name nodes that decide, got {key!r}, which is a leaf. Name "
                f"its parent, or the level as 'level:{taxonomy.depth(key)}'."
            )

    def for_all(self, name: str, base: Any) -> Self:
        """Return another base estimator, by its name, for all nodes but small ones."""
        other = copy(self)
        other._base_name, other._base = name, base
        other._overrides, other._by_name, other._by_place = None, False, False
        other._traits = {}
        return other

    @property
    def sees_counts(self) -> bool:
        """Whether a callable is told the number of rows of a model before it chooses."""
        return self._by_name or self._by_place

    def at(self, key: ModelKey, counts: Rows | None = None, n_rows: int = 0) -> tuple[str, Any]:
        """Return the base estimator of a model, and the name by which its metadata are routed.

        Parameters
        ----------
        key : ModelKey
        counts : ndarray of int, shape (n_outcomes,), default=None
            Rows of each outcome, for callables that want to know them.
        n_rows : int, default=0
            Rows of all.
        """
        level = f"level:{level_of(key, self._taxonomy)}"
        own = level if key.kind == Kind.LEVEL else self._taxonomy.nodes[key.number]
        if isinstance(self._overrides, Mapping):
            for name in dict.fromkeys([own, level]):
                if name in self._overrides:
                    return f"{PREFIX}{name}", self._overrides[name]
        elif self._overrides is not None:
            given = [own, self._taxonomy, counts] if self._by_place else [own, self._taxonomy]
            by_name = {"n_samples": n_rows} if self._by_name else {}
            chosen = self._overrides(*given, **by_name)
            if chosen is not None:
                check_classifier(chosen, "node_estimators")
                return "estimator", chosen
        return self._base_name, self._base

    def choose(self, problem: LocalProblem) -> Choice:
        """Return the base estimator of a local problem, by its rows."""
        counts, n_rows = problem.counts, len(problem.rows)
        name, estimator = self.at(problem.key, counts, n_rows)
        traits = self._traits_of(estimator)
        small = self._small
        # Several outputs in one call are cut into folds and neighbours by all rows alone.
        of_outcomes = np.array([n_rows]) if problem.codes.ndim == 2 else counts
        if small and (n_rows < small.n_rows or traits.needs_more(of_outcomes, n_rows)):
            several = isinstance(small.estimator, DummyClassifier) or learns_jointly(
                small.estimator
            )
            if problem.codes.ndim == 2 and not several:
                raise IncompatiblePartsError.needs(
                    f"small_nodes at {described(problem.key, self._taxonomy)[1]}",
                    "an estimator that learns several outputs in one call, like the base estimator",
                    f"{type(small.estimator).__name__} does not",
                    "Use a tree, a forest, or another base estimator.",
                )
            return Choice(SMALL, small.estimator, self._traits_of(small.estimator))
        return Choice(name, estimator, traits)

    def _traits_of(self, estimator: Any) -> BaseTraits:
        if callable(self._overrides) and estimator is not self._base:
            return BaseTraits.of(estimator, names_classes)  # it may be another one for each node
        if id(estimator) not in self._traits:
            self._traits[id(estimator)] = BaseTraits.of(estimator, names_classes)
        return self._traits[id(estimator)]


def own_classifier(estimator: Any) -> tuple[str, Any] | None:
    """Return the classifier of this package that an estimator is, or that a Pipeline or search holds.

    Before it stands the prefix of the names of its parameters. None where there is no such
    classifier: one with a taxonomy of its own.
    """
    route = route_to_classifier(estimator)
    own = route.classifier
    has_taxonomy = hasattr(own, "predict_node_proba") and hasattr(own, "taxonomy")
    return (route.prefix, own) if has_taxonomy else None


def learns_jointly(estimator: Any) -> bool:
    """Whether an estimator learns several outputs in one call."""
    tags = get_tags(estimator).classifier_tags
    return bool(tags is not None and tags.multi_label)


def nested_params(mapping: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Return the estimators of a mapping and their parameters, as ``get_params`` names them."""
    params: dict[str, Any] = {}
    for key, estimator in mapping.items():
        params[f"{PREFIX}{key}"] = estimator
        if hasattr(estimator, "get_params"):
            for name, value in estimator.get_params(deep=True).items():
                params[f"{PREFIX}{key}__{name}"] = value
    return params


def updated_mapping(mapping: Any, params: Mapping[str, Any]) -> dict[Hashable, Any]:
    """Return a mapping with estimators replaced, and parameters of estimators set.

    Parameters
    ----------
    mapping : mapping of hashable to estimator
        The parameter `node_estimators`.
    params : mapping of str to object
        Names start with ``node_estimators__``, followed by a key and perhaps by ``__`` and the name
        of a parameter.
    """
    known = dict(mapping) if isinstance(mapping, Mapping) else {}
    by_text = {str(key): key for key in known}
    for name, value in params.items():
        rest = name.removeprefix(PREFIX)
        # A name may itself contain the separator: the longest key that fits is meant.
        fits = [text for text in by_text if rest == text or rest.startswith(f"{text}__")]
        if not fits:
            raise ValueError(
                f"Invalid parameter {name!r}: `node_estimators` has the keys {sorted(by_text)}."
            )
        text = max(fits, key=len)
        if rest == text:
            known[by_text[text]] = value
        else:
            known[by_text[text]].set_params(**{rest[len(text) + 2 :]: value})
    return known
