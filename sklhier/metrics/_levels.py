"""Accuracy at each level, and distance in the tree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sklhier._utils.typing import Floats, NodeIds, SampleWeight, Target
from sklhier.metrics._distances import lowest_common_ancestors
from sklhier.metrics._input import read_level, read_nodes
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["accuracy_of_levels", "level_accuracy", "level_accuracy_scores", "tree_distance_loss"]


def level_accuracy_scores(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
) -> Floats:
    """Compute the accuracy at each level.

    The accuracy at level `k` is the share of correct nodes there, among the samples whose true
    label is at level `k` or deeper. A prediction that stops above is wrong at this level. Predicted
    nodes below the end of a shorter true path do not count.

    Parameters
    ----------
    y_true, y_pred : array-like
        One label or path for each sample, in any format.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the labels. Optional if both `y` hold paths.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers; it may have one label for each
        sample. Other formats name their labels themselves.

    Returns
    -------
    scores : ndarray of float64, shape (n_levels,)
        In [0, 1], from the first level on; NaN for a level that no true label reaches.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
    TaxonomyError
        If the taxonomy is not a tree.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import level_accuracy_scores
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> level_accuracy_scores(["owl", "eel", "fish"], ["wren", "eel", "eel"], taxonomy=taxonomy)
    array([1. , 0.5])
    """
    true, predicted, weights, resolved = read_nodes(
        y_true, y_pred, taxonomy, sample_weight, "Accuracy at each level", classes=classes
    )
    return accuracy_of_levels(true, predicted, weights, resolved)[0]


def accuracy_of_levels(
    true: NodeIds, predicted: NodeIds, weights: Floats, taxonomy: Taxonomy
) -> tuple[Floats, Floats]:
    """Return the accuracy at each level of a tree, and the weight of the samples that reach it."""
    true_paths, predicted_paths = taxonomy.path_ids(true), taxonomy.path_ids(predicted)
    reached = true_paths >= 0
    totals = weights @ reached
    right = weights @ (reached & (true_paths == predicted_paths))
    return np.divide(right, totals, out=np.full(len(totals), np.nan), where=totals > 0), totals


def level_accuracy(
    y_true: Target,
    y_pred: Target,
    *,
    level: int = 1,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
) -> float:
    """Return one of :func:`level_accuracy_scores`; `level` counts from 1, -1 is the deepest."""
    scores = level_accuracy_scores(
        y_true, y_pred, taxonomy=taxonomy, sample_weight=sample_weight, classes=classes
    )
    return float(scores[read_level(level, len(scores)) - 1])


def tree_distance_loss(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
) -> float:
    """Compute the mean number of edges between the true and the predicted node.

    In a tree this is the number of nodes that are in only one of the two paths [1]_.

    Parameters
    ----------
    y_true, y_pred : array-like
        One label or path for each sample, in any format.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the labels. Optional if both `y` hold paths.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers; it may have one label for each
        sample. Other formats name their labels themselves.

    Returns
    -------
    loss : float
        From 0 (all right) to twice the depth of the tree.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
    TaxonomyError
        If the taxonomy is not a tree.

    References
    ----------
    .. [1] A. Kosmopoulos et al. Evaluation measures for hierarchical classification: a unified view
       and novel approaches. Data Mining and Knowledge Discovery 29 (2015).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import tree_distance_loss
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> tree_distance_loss(["owl", "owl", "owl"], ["owl", "wren", "eel"], taxonomy=taxonomy)
    2.0
    """
    true, predicted, weights, resolved = read_nodes(
        y_true, y_pred, taxonomy, sample_weight, "The distance between nodes", classes=classes
    )
    met = lowest_common_ancestors(true, predicted, resolved)
    depths = resolved.depths
    return float(np.average(depths[true] + depths[predicted] - 2 * depths[met], weights=weights))
