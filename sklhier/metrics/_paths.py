"""Scores by the lowest common ancestor of truth and prediction."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sklhier._targets.any_format import nodes_or_root
from sklhier._utils.typing import Floats, NodeIds, SampleWeight, Target
from sklhier.exceptions import TargetError
from sklhier.metrics._distances import lowest_common_ancestors
from sklhier.metrics._input import (
    as_collection,
    nodes_of,
    read_nodes,
    read_weights,
    require_same_length,
    require_taxonomy,
)
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = [
    "hierarchical_distance_at_k",
    "lca_f1_score",
    "lca_precision_score",
    "lca_recall_score",
    "mistake_severity",
    "ranked_nodes",
]


def _lca_scores(
    y_true: Target,
    y_pred: Target,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
    classes: npt.ArrayLike | None,
) -> tuple[Floats, Floats, Floats]:
    """Return precision and recall of each sample, and the weights of the samples."""
    true, predicted, weights, resolved = read_nodes(
        y_true, y_pred, taxonomy, sample_weight, "The lowest common ancestor", classes=classes
    )
    depths = resolved.depths
    met = depths[lowest_common_ancestors(true, predicted, resolved)]
    return 1 / (1 + depths[predicted] - met), 1 / (1 + depths[true] - met), weights


def lca_f1_score(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
) -> float:
    r"""Compute F1 of the paths below the lowest common ancestor of truth and prediction.

    Hierarchical F1 counts all ancestors, so that in a deep tree even poor predictions share many of
    them with the truth. Here only the nodes from the lowest common ancestor :math:`a` down count.
    If :math:`d` is the number of edges between two nodes,

    .. math::

        P_i = \frac{1}{1 + d(a_i, \hat y_i)}, \quad
        R_i = \frac{1}{1 + d(a_i, y_i)}, \quad
        F_i = \frac{2 P_i R_i}{P_i + R_i},

    and the score is the mean of :math:`F_i` [1]_. The root may be the common ancestor, so a score
    is never 0.

    Parameters
    ----------
    y_true, y_pred : array-like
        One label or path for each sample, in any format. None stands for the root.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the labels. Optional if both `y` hold paths.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers; it may have one label for each
        sample. Other formats name their labels themselves.

    Returns
    -------
    score : float
        In (0, 1].

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
    >>> from sklhier.metrics import lca_f1_score
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> lca_f1_score(["owl"], ["wren"], taxonomy=taxonomy)
    0.5
    >>> lca_f1_score(["owl"], ["bird"], taxonomy=taxonomy)
    0.666...
    """
    precision, recall, weights = _lca_scores(y_true, y_pred, taxonomy, sample_weight, classes)
    return float(np.average(2 * precision * recall / (precision + recall), weights=weights))


def lca_precision_score(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
) -> float:
    """Compute precision of the paths below the lowest common ancestor.

    See :func:`lca_f1_score`.

    Parameters
    ----------
    y_true, y_pred, taxonomy, sample_weight, classes
        See :func:`lca_f1_score`.

    Returns
    -------
    score : float
        In (0, 1]; 1 if every prediction is at or above the truth.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import lca_precision_score
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> lca_precision_score(["owl", "owl"], ["bird", "wren"], taxonomy=taxonomy)
    0.75
    """
    precision, _, weights = _lca_scores(y_true, y_pred, taxonomy, sample_weight, classes)
    return float(np.average(precision, weights=weights))


def lca_recall_score(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
) -> float:
    """Compute recall of the paths below the lowest common ancestor.

    See :func:`lca_f1_score`.

    Parameters
    ----------
    y_true, y_pred, taxonomy, sample_weight, classes
        See :func:`lca_f1_score`.

    Returns
    -------
    score : float
        In (0, 1]; 1 if every prediction is at or below the truth.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import lca_recall_score
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> lca_recall_score(["owl", "bird"], ["bird", "wren"], taxonomy=taxonomy)
    0.75
    """
    _, recall, weights = _lca_scores(y_true, y_pred, taxonomy, sample_weight, classes)
    return float(np.average(recall, weights=weights))


def mistake_severity(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
) -> float:
    """Compute the mean severity of mistakes, the height of the lowest common ancestor.

    The mean is over the samples whose prediction is not the true node [1]_; the ancestor is that of
    truth and prediction. The height of a node is its largest distance to a leaf below it. **Smaller
    is better**, and only mistakes count: a model that makes fewer may well make worse ones. Read it
    together with a score over all samples.

    Parameters
    ----------
    y_true, y_pred : array-like
        One label or path for each sample, in any format. None stands for the root.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the labels. Optional if both `y` hold paths.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers; it may have one label for each
        sample. Other formats name their labels themselves.

    Returns
    -------
    severity : float
        From 0 to the depth of the tree; 0 if nothing is wrong.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
    TaxonomyError
        If the taxonomy is not a tree.

    References
    ----------
    .. [1] L. Bertinetto et al. Making better mistakes: leveraging class hierarchies with deep
       networks. CVPR (2020).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import mistake_severity
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> mistake_severity(["owl", "owl", "eel"], ["wren", "eel", "eel"], taxonomy=taxonomy)
    1.5
    """
    true, predicted, weights, resolved = read_nodes(
        y_true, y_pred, taxonomy, sample_weight, "The severity of mistakes", classes=classes
    )
    wrong = weights * (true != predicted)
    if not wrong.any():
        return 0.0
    met = lowest_common_ancestors(true, predicted, resolved)
    return float(np.average(resolved.heights[met], weights=wrong))


def hierarchical_distance_at_k(
    y_true: Target,
    y_top: npt.ArrayLike | Iterable[Sequence[Hashable]],
    *,
    k: int | None = None,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
) -> float:
    """Compute the mean distance of the `k` most probable labels from the truth.

    The distance is the height of the lowest common ancestor of truth and label, 0 if the label is
    the truth [1]_; the mean is over samples and the first `k` labels of each. The height of a node
    is its largest distance to a leaf below it. **Smaller is better**. For ``k > 1`` 0 is out of
    reach, since only one label is the truth: compare with other models, or with the best possible
    list.

    Parameters
    ----------
    y_true : array-like
        One label or path for each sample, in any format.
    y_top : array-like, shape (n_samples, n_top)
        Labels (names of nodes), the most probable first. None stands for the root.
    k : int, default=None
        Number of labels that count, from 1 to ``n_top``; None for all.
    taxonomy : Taxonomy or networkx.DiGraph
        The tree of the labels.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers; it may have one label for each
        sample. Other formats name their labels themselves.

    Returns
    -------
    distance : float
        From 0 to the depth of the tree.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, without a taxonomy, and for lists of different
        lengths.
    TaxonomyError
        If the taxonomy is not a tree.
    ValueError
        For another `k`.

    References
    ----------
    .. [1] L. Bertinetto et al. Making better mistakes: leveraging class hierarchies with deep
       networks. CVPR (2020).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hierarchical_distance_at_k
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_top = [["owl", "wren"], ["eel", "wren"]]
    >>> hierarchical_distance_at_k(["owl", "owl"], y_top, taxonomy=taxonomy)
    1.0
    >>> hierarchical_distance_at_k(["owl", "owl"], y_top, k=1, taxonomy=taxonomy)
    1.0
    """
    resolved = require_taxonomy(taxonomy)
    resolved.require_tree("The distance to the most probable labels")
    y_true, y_top = as_collection(y_true, "y_true"), as_collection(y_top, "y_top")
    true = nodes_of(y_true, resolved, classes)
    top = ranked_nodes(y_top, resolved)
    require_same_length("y_true", len(true), "y_top", len(top))
    weights = read_weights(sample_weight, len(true))
    n_top = top.shape[1]
    if k is not None and not 1 <= k <= n_top:
        raise ValueError(
            f"`k` must be in [1, {n_top}], the number of labels of each row, got {k!r}."
        )
    top = top[:, :k]
    wanted = np.repeat(true, top.shape[1])
    met = lowest_common_ancestors(wanted, top.ravel(), resolved)
    # An inner node has a height of its own, but its distance to itself is 0.
    distances = np.where(wanted == top.ravel(), 0, resolved.heights[met])
    return float(np.average(distances.reshape(top.shape).mean(axis=1), weights=weights))


def ranked_nodes(
    y_top: npt.ArrayLike | Iterable[Sequence[Hashable]], taxonomy: Taxonomy, name: str = "y_top"
) -> NodeIds:
    """Return the nodes of rows of labels, all rows of one length."""
    table: Any = np.asarray(y_top).tolist() if hasattr(y_top, "shape") else y_top
    rows = list(table)
    alone = [isinstance(row, str) or not hasattr(row, "__len__") for row in rows]
    widths = {0} if any(alone) else set(map(len, rows))
    if len(widths) > 1 or 0 in widths:
        raise TargetError(
            f"`{name}` must hold the same number of labels for each sample, most probable first, got "
            + ("single labels" if any(alone) else f"rows of {sorted(widths)} labels")
            + ". Pad short rows with None, the root."
        )
    width = next(iter(widths), 1)
    flat = np.empty(len(rows) * width, dtype=object)
    flat[:] = [label for row in rows for label in row]
    return nodes_or_root(flat, taxonomy).reshape(len(rows), width)
