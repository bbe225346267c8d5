"""Scorers for searches and cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.metrics import make_scorer

from sklhier import _targets
from sklhier.metrics._levels import level_accuracy, tree_distance_loss
from sklhier.metrics._scores import (
    hierarchical_f1_score,
    hierarchical_fbeta_score,
    hierarchical_precision_score,
    hierarchical_recall_score,
)

__all__ = ["make_hierarchical_scorer", "named_metric"]

# The metric and whether more is better.
_BY_NAME: dict[str, tuple[Callable[..., Any], bool]] = {
    "f1": (hierarchical_f1_score, True),
    "fbeta": (hierarchical_fbeta_score, True),
    "precision": (hierarchical_precision_score, True),
    "recall": (hierarchical_recall_score, True),
    "level_accuracy": (level_accuracy, True),
    "tree_distance": (tree_distance_loss, False),
}


def make_hierarchical_scorer(
    metric: str | Callable[..., float] = "f1",
    *,
    taxonomy: Any = None,
    greater_is_better: bool = True,
    **kwargs: Any,
) -> Callable[..., float]:
    """Make a scorer that knows the taxonomy, for ``scoring=`` anywhere in scikit-learn.

    Parameters
    ----------
    metric : str or callable, default="f1"
        ``"f1"``, ``"fbeta"``, ``"precision"``, ``"recall"``, ``"level_accuracy"`` (with ``level=1``
        or another), ``"tree_distance"`` (negated, so that more is better), or a function
        ``metric(y_true, y_pred, *, taxonomy, sample_weight=None, ...)``.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. If None, that of the fitted estimator is taken, also from
        within a Pipeline or a search; labels that hold paths need none.
    greater_is_better : bool, default=True
        Whether a callable `metric` grows with quality; known for those given by name.
    **kwargs : dict
        Handed on to the metric, such as ``average="samples"``.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)`` returns a float, larger for better.

    Raises
    ------
    ValueError
        For another name.

    Examples
    --------
    >>> from sklhier.metrics import make_hierarchical_scorer
    >>> scoring = {
    ...     "hF": make_hierarchical_scorer("f1"),
    ...     "top": make_hierarchical_scorer("level_accuracy", level=1),
    ... }
    """
    if isinstance(metric, str):
        if metric not in _BY_NAME:
            raise ValueError(
                f"`metric` is a function or one of {sorted(_BY_NAME)}; got {metric!r}."
            )
        metric, greater_is_better = _BY_NAME[metric]
    if taxonomy is not None:
        resolved = _targets.resolve_taxonomy(taxonomy)
        return make_scorer(
            metric, greater_is_better=greater_is_better, taxonomy=resolved, **kwargs
        )
    return _TaxonomyOfEstimator(metric, greater_is_better, kwargs)


class _TaxonomyOfEstimator(BaseEstimator):
    """A scorer that takes the taxonomy from the estimator it scores.

    A BaseEstimator for its metadata requests: ``set_score_request(sample_weight=True)`` works.
    """

    def __init__(
        self, metric: Callable[..., float], greater_is_better: bool, kwargs: dict[str, Any]
    ) -> None:
        self.metric = metric
        self.greater_is_better = greater_is_better
        self.kwargs = kwargs

    def score(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the score of an estimator's predictions."""
        taxonomy = None if _targets.holds_levels(y, None) else _taxonomy_of(estimator)
        value = self.metric(
            y, estimator.predict(X), taxonomy=taxonomy, sample_weight=sample_weight, **self.kwargs
        )
        return float(value) if self.greater_is_better else -float(value)

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        return self.score(estimator, X, y, sample_weight)


def _taxonomy_of(estimator: Any) -> Any:
    inner = estimator
    while not hasattr(inner, "taxonomy_"):
        if hasattr(inner, "best_estimator_"):
            inner = inner.best_estimator_
        elif hasattr(inner, "steps"):
            inner = inner.steps[-1][1]
        else:
            raise ValueError(
                f"{type(estimator).__name__} holds no fitted classifier with a taxonomy. Pass "
                "`taxonomy=` to make_hierarchical_scorer."
            )
    return inner.taxonomy_


def named_metric(name: str) -> tuple[Callable[..., Any], bool]:
    """Return a metric ``(y_true, y_pred, *, taxonomy, sample_weight)``, and whether more is better.

    Raises
    ------
    ValueError
        For another name, and for metrics that need more than labels, such as probabilities.
    """
    of_labels = {known: entry for known, entry in _BY_NAME.items() if _takes_labels(entry[0])}
    if name not in of_labels:
        raise ValueError(
            f"A metric of predicted labels is a function or one of {sorted(of_labels)}; "
            f"{name!r} was given."
        )
    metric, greater_is_better, *_ = of_labels[name]
    return metric, greater_is_better


def _takes_labels(metric: Callable[..., Any]) -> bool:
    needed = {n for n, p in signature(metric).parameters.items() if p.default is Parameter.empty}
    return needed == {"y_true", "y_pred"}
