"""Scorers for searches and cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.metrics import make_scorer

from sklhier._targets.any_format import spells_paths, with_paths
from sklhier._targets.paths import resolve_taxonomy
from sklhier._utils.pipelines import call_classifier, classifier_within, holds_classifier
from sklhier._utils.typing import Classifier, Features, Floats, SampleWeight, Target
from sklhier.exceptions import TargetError
from sklhier.metrics._at_k import precision_at_k_score, recall_at_k_score
from sklhier.metrics._information import icm_score
from sklhier.metrics._input import as_collection, read_level
from sklhier.metrics._levels import level_accuracy, tree_distance_loss
from sklhier.metrics._losses import h_loss, hmc_loss
from sklhier.metrics._matching import mgia_score
from sklhier.metrics._paths import (
    hierarchical_distance_at_k,
    lca_f1_score,
    lca_precision_score,
    lca_recall_score,
    mistake_severity,
)
from sklhier.metrics._probabilities import (
    hierarchical_average_precision_score,
    hierarchical_brier_loss,
    hierarchical_calibration_error,
)
from sklhier.metrics._scores import (
    hierarchical_f1_score,
    hierarchical_fbeta_score,
    hierarchical_precision_score,
    hierarchical_recall_score,
)
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["compared_by", "make_hierarchical_scorer", "named_metric"]


def _calibration_error(
    y_true: Target, node_proba: npt.ArrayLike, *, level: int | None = None, **kwargs: Any
) -> float:
    """Return the error of one level, or the mean over all."""
    errors = hierarchical_calibration_error(y_true, node_proba, **kwargs)
    if level is None:
        return float(errors.mean())
    return float(errors[read_level(level, len(errors)) - 1])


class _Measure(NamedTuple):
    """A metric, whether more is better, and the method whose answer it takes."""

    metric: Callable[..., Any]
    greater_is_better: bool
    method: str = "predict"


_BY_NAME = {
    "f1": _Measure(hierarchical_f1_score, True),
    "fbeta": _Measure(hierarchical_fbeta_score, True),
    "precision": _Measure(hierarchical_precision_score, True),
    "recall": _Measure(hierarchical_recall_score, True),
    "level_accuracy": _Measure(level_accuracy, True),
    "tree_distance": _Measure(tree_distance_loss, False),
    "lca_f1": _Measure(lca_f1_score, True),
    "lca_precision": _Measure(lca_precision_score, True),
    "lca_recall": _Measure(lca_recall_score, True),
    "mgia": _Measure(mgia_score, True),
    "mistake_severity": _Measure(mistake_severity, False),
    "distance_at_k": _Measure(hierarchical_distance_at_k, False, "predict_top_k"),
    "h_loss": _Measure(h_loss, False),
    "precision_at_k": _Measure(precision_at_k_score, True, "predict_node_proba"),
    "recall_at_k": _Measure(recall_at_k_score, True, "predict_node_proba"),
    "hmc_loss": _Measure(hmc_loss, False),
    "icm": _Measure(icm_score, True),
    "average_precision": _Measure(
        hierarchical_average_precision_score, True, "predict_node_proba"
    ),
    "brier": _Measure(hierarchical_brier_loss, False, "predict_node_proba"),
    "calibration_error": _Measure(_calibration_error, False, "predict_node_proba"),
}

_OF_FIRST_LABELS = (hierarchical_distance_at_k, precision_at_k_score, recall_at_k_score)


def make_hierarchical_scorer(
    metric: str | Callable[..., float] = "f1",
    *,
    taxonomy: TaxonomyLike | None = None,
    greater_is_better: bool = True,
    classes: npt.ArrayLike | None = None,
    **kwargs: Any,
) -> Callable[..., float]:
    """Make a scorer that knows the taxonomy, for any ``scoring=`` of scikit-learn.

    Parameters
    ----------
    metric : str or callable, default="f1"
        For predictions: ``"f1"``, ``"fbeta"``, ``"precision"``, ``"recall"``, ``"lca_f1"``,
        ``"lca_precision"``, ``"lca_recall"``, ``"mgia"``, ``"icm"``, ``"level_accuracy"`` (with
        ``level=1`` or another), and, negated so that larger is better, ``"tree_distance"``,
        ``"mistake_severity"``, ``"h_loss"``, ``"hmc_loss"``.

        For node probabilities, from an estimator with ``predict_node_proba``:
        ``"average_precision"``, ``"precision_at_k"`` and ``"recall_at_k"`` (with ``k=``), and,
        negated, ``"brier"`` and ``"calibration_error"`` (the mean over the levels, or that of one
        ``level=``).

        For the most probable labels, from an estimator with ``predict_top_k``: ``"distance_at_k"``
        (with ``k=``), negated.

        Or a function ``metric(y_true, y_pred, *, taxonomy, sample_weight=None, ...)``.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. None uses that of the fitted estimator, also within a Pipeline or
        a search; unknown labels that are paths are added to it (other estimators of paths need no
        taxonomy). Pass it if the labels of a test fold may be new to the estimator.
    greater_is_better : bool, default=True
        Whether larger values of a callable `metric` are better; ignored for metrics by name.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. A fitted multi-label
        classifier knows the columns of its training table.
    **kwargs : dict
        Passed on to the metric, such as ``average="samples"``, ``deeper="ok"`` or
        ``missing="ignore"``.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)`` returns a float, larger for better.

    Raises
    ------
    ValueError
        For an unknown name, and for ``"distance_at_k"``, ``"precision_at_k"`` and ``"recall_at_k"``
        without `k`.

    Examples
    --------
    >>> from sklhier.metrics import make_hierarchical_scorer
    >>> scoring = {
    ...     "hF": make_hierarchical_scorer("f1"),
    ...     "top": make_hierarchical_scorer("level_accuracy", level=1),
    ...     "Brier": make_hierarchical_scorer("brier"),
    ... }
    """
    measure = _measure(metric, greater_is_better)
    if measure.metric in _OF_FIRST_LABELS and kwargs.get("k") is None:
        raise ValueError(f"`k` must be given for {metric!r}, the number of labels that count.")
    if classes is not None:
        kwargs["classes"] = classes
    resolved = resolve_taxonomy(taxonomy)
    if measure.method == "predict" and resolved is not None:
        # scikit-learn's own scorer predicts once for all the scorers of a search.
        return make_scorer(
            measure.metric,
            greater_is_better=measure.greater_is_better,
            taxonomy=resolved,
            **kwargs,
        )
    return _HierarchicalScorer(*measure, resolved, kwargs)


def _measure(metric: str | Callable[..., float], greater_is_better: bool) -> _Measure:
    if not isinstance(metric, str):
        methods = (known.method for known in _BY_NAME.values() if known.metric is metric)
        return _Measure(metric, greater_is_better, next(methods, "predict"))
    if metric not in _BY_NAME:
        raise ValueError(
            f"`metric` must be a function or one of {sorted(_BY_NAME)}, got {metric!r}."
        )
    return _BY_NAME[metric]


class _HierarchicalScorer(BaseEstimator):
    """A scorer that may take the taxonomy from the estimator it scores.

    A BaseEstimator for its metadata requests: ``set_score_request(sample_weight=True)`` works.
    """

    def __init__(
        self,
        metric: Callable[..., float],
        greater_is_better: bool,
        method: str,
        taxonomy: Taxonomy | None,
        kwargs: dict[str, Any],
    ) -> None:
        self.metric = metric
        self.greater_is_better = greater_is_better
        self.method = method
        self.taxonomy = taxonomy
        self.kwargs = kwargs

    def score(
        self, estimator: Classifier, X: Features, y: Target, sample_weight: SampleWeight = None
    ) -> float:
        """Return the score of an estimator's answers."""
        y, answers, taxonomy, kwargs = self._compared(estimator, X, y)
        value = self.metric(y, answers, taxonomy=taxonomy, sample_weight=sample_weight, **kwargs)
        return float(value) if self.greater_is_better else -float(value)

    def _compared(
        self, estimator: Classifier, X: Features, y: Target
    ) -> tuple[Any, Any, Taxonomy | None, dict[str, Any]]:
        """Return truth, answers, the taxonomy of both, and what else the metric gets."""
        taxonomy, kwargs = self.taxonomy, self.kwargs
        y = as_collection(y, "y")
        inner: Any = classifier_within(estimator) if holds_classifier(estimator) else None
        if hasattr(inner, "closed_sets") and taxonomy in (None, inner.taxonomy_):
            # Only the classifier knows the labels of the columns of an indicator.
            answers = self._answers(estimator, X, inner.taxonomy_)
            if self.method == "predict":
                answers = inner.closed_sets(answers)
            if "classes" not in kwargs and kwargs.get("missing") != "ignore":
                return inner.closed_sets(y), answers, inner.taxonomy_, kwargs
            # Columns that the user names, or cells that only the metric reads: the answers are sets
            # of names then, since `classes` speaks of the columns of both.
            if self.method == "predict":
                answers = list(
                    map(set, inner.taxonomy_.inverse_binarize(answers, most_specific=False))
                )
            if getattr(y, "shape", ())[1:] == inner.classes_.shape:
                kwargs = {"classes": inner.classes_, **kwargs}
            return y, answers, inner.taxonomy_, kwargs
        if taxonomy is None and not self._is_spelled_out(estimator, y):
            taxonomy = with_paths(classifier_within(estimator).taxonomy_, y)
        return y, self._answers(estimator, X, taxonomy), taxonomy, kwargs

    def _is_spelled_out(self, estimator: Classifier, y: Target) -> bool:
        """Whether the taxonomy follows from the predicted and true paths alone."""
        return self.method == "predict" and spells_paths(y) and not holds_classifier(estimator)

    def _answers(self, estimator: Classifier, X: Features, taxonomy: Taxonomy | None) -> Any:
        if self.method == "predict":
            return estimator.predict(X)
        if self.method == "predict_top_k":
            return call_classifier(estimator, self.method, X, k=self.kwargs["k"])[0]
        own = classifier_within(estimator).taxonomy_
        return _aligned(np.asarray(call_classifier(estimator, self.method, X)), own, taxonomy)

    def __call__(
        self, estimator: Classifier, X: Features, y: Target, sample_weight: SampleWeight = None
    ) -> float:
        return self.score(estimator, X, y, sample_weight)


def compared_by(
    method: str,
    estimator: Classifier,
    X: Features,
    y: Target,
    taxonomy: TaxonomyLike | None,
    kwargs: dict[str, Any],
) -> tuple[Any, Any, Taxonomy | None, dict[str, Any]]:
    """Return truth, answers of a method, the taxonomy of both, and what else a metric gets.

    Parameters
    ----------
    method : {"predict", "predict_node_proba"}
        The method of the classifier.
    estimator, X, y
        As a scorer takes them.
    taxonomy : Taxonomy or networkx.DiGraph, or None
        None takes that of the estimator.
    kwargs : dict
        Given to the metric, such as `classes`.
    """
    scorer = _HierarchicalScorer(
        hierarchical_f1_score, True, method, resolve_taxonomy(taxonomy), kwargs
    )
    return scorer._compared(estimator, X, y)


def _aligned(proba: Floats, own: Taxonomy, taxonomy: Taxonomy | None) -> Floats:
    """Return probabilities of all nodes of `taxonomy`; 0 for those that `own` does not have."""
    if taxonomy is None or own == taxonomy:
        return proba
    columns = taxonomy.ids(own.nodes[1:])
    if (columns < 0).any():
        unknown = [name for name, column in zip(own.nodes[1:], columns, strict=True) if column < 0]
        raise TargetError.unknown(unknown, taxonomy.nodes[1:])
    aligned = np.zeros((len(proba), taxonomy.n_nodes))
    aligned[:, columns] = proba[:, 1:]
    return aligned


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
            f"A metric of predicted labels must be a function or one of {sorted(of_labels)}, "
            f"got {name!r}."
        )
    metric, greater_is_better, *_ = of_labels[name]
    return metric, greater_is_better


# Metrics of probabilities or of lists have other required parameters.
def _takes_labels(metric: Callable[..., Any]) -> bool:
    needed = {n for n, p in signature(metric).parameters.items() if p.default is Parameter.empty}
    return needed == {"y_true", "y_pred"}
