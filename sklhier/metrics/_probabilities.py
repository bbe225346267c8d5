"""Scores of node probabilities, before any decision."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.typing import Floats, NodeWeight, Rows, SampleWeight, Target
from sklhier._utils.validation import check_choice
from sklhier.metrics._input import Scored, read_node_proba, read_scores
from sklhier.metrics._members import are_members
from sklhier.taxonomy._node_weights import read_node_weight
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = [
    "confidence_bins",
    "hierarchical_average_precision_score",
    "hierarchical_brier_loss",
    "hierarchical_calibration_error",
]

_AVERAGES = ("micro", "macro", "weighted", None)
_BINNINGS = ("uniform", "quantile")


def hierarchical_average_precision_score(
    y_true: Target,
    y_score: npt.ArrayLike,
    *,
    taxonomy: TaxonomyLike | None = None,
    average: str | None = "micro",
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> Any:
    r"""Compute the area under the precision-recall curve of the nodes.

    A pair of a sample and a node is right if the node is at or above a true label. All thresholds
    on the scores of these pairs together give a curve, whose area is summed in steps, as in
    :func:`sklearn.metrics.average_precision_score`; no threshold need be chosen [1]_.

    Parameters
    ----------
    y_true : array-like
        Labels in any format, one or more for each sample. None is the empty set.
    y_score : array-like, shape (n_samples, n_nodes) or (n_samples, n_nodes - 1)
        Probabilities or other scores, a column for each node of ``taxonomy.nodes``, or for all but
        the root, which does not count.
    taxonomy : Taxonomy or networkx.DiGraph
        Tree or DAG of the labels.
    average : {"micro", "macro", "weighted"} or None, default="micro"
        ``"micro"``: one curve of all pairs; ``"macro"``: the mean over the nodes that occur in
        `y_true`; ``"weighted"``: this mean, weighted by the frequency of each node; None: one value
        for each node.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.
    missing : {"error", "ignore"}, default="error"
        Missing cells (NaN, None, masked) of an indicator in `y_true`: an error, or not annotated
        and left out of all counts. An ancestor of a 1 counts as 1; other ancestors of a missing
        cell are not annotated either.

    Returns
    -------
    score : float, or ndarray of float64, shape (n_nodes - 1,)
        In [0, 1]; NaN for a node that does not occur in `y_true`, and if no node does.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and without a taxonomy.
    ValueError
        For a wrong number of columns, or scores that are not finite.

    References
    ----------
    .. [1] C. Vens, J. Struyf, L. Schietgat, S. Džeroski, H. Blockeel. Decision trees for hierarchical
       multi-label classification. Machine Learning 73 (2008). They interpolate between the points of
       the curve; the sum of steps is a little smaller.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hierarchical_average_precision_score
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> taxonomy.nodes[1:]
    ('bird', 'fish', 'owl', 'wren', 'eel')
    >>> y_score = [[0.9, 0.1, 0.5, 0.4, 0.1], [0.6, 0.4, 0.3, 0.3, 0.4]]
    >>> hierarchical_average_precision_score(["owl", "eel"], y_score, taxonomy=taxonomy)
    0.75
    >>> hierarchical_average_precision_score(
    ...     ["owl", "eel"], y_score, taxonomy=taxonomy, average=None
    ... )
    array([ 1.,  1.,  1., nan,  1.])
    """
    check_choice("average", average, _AVERAGES)
    read = read_scores(
        y_true, y_score, taxonomy, sample_weight, "y_score", classes=classes, missing=missing
    )
    true, scores, weights = read[:3]
    if average == "micro":
        of_pair = _of_cells(read, slice(None), slice(None)).reshape(-1, 1)
        marks = true.toarray().reshape(-1, 1)
        return float(_average_precisions(marks, scores.reshape(-1, 1), of_pair)[0])
    values = _of_nodes(read)
    if average is None:
        return values
    frequencies = weights @ true
    occurs = frequencies > 0
    if not occurs.any():
        return float("nan")
    of_node = frequencies[occurs] if average == "weighted" else None
    return float(np.average(values[occurs], weights=of_node))


def _of_nodes(read: Scored) -> Floats:
    n_samples, n_nodes = read.scores.shape
    by_node = sparse.csc_array(read.true)
    values = np.empty(n_nodes)
    for nodes in row_blocks(n_nodes, n_samples):
        values[nodes] = _average_precisions(
            by_node[:, nodes].toarray(), read.scores[:, nodes], _of_cells(read, slice(None), nodes)
        )
    return values


def _of_cells(read: Scored, rows: slice, nodes: slice) -> Floats:
    """Return the weight of each pair of sample and node, 0 where the truth is not known."""
    weights = read.weights[rows, None]
    if read.unknown is None:
        return np.broadcast_to(weights, read.scores[rows, nodes].shape)
    cells: Floats = weights * (1 - read.unknown[rows][:, nodes].toarray())
    return cells


def _average_precisions(true: Floats, scores: Floats, weights: Floats) -> Floats:
    """Return the average precision of each column; NaN where nothing is true."""
    order = np.argsort(-scores, axis=0, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=0)
    of_cell = np.take_along_axis(weights, order, axis=0)
    hits = np.take_along_axis(true, order, axis=0) * of_cell
    found, passed = np.cumsum(hits, axis=0), np.cumsum(of_cell, axis=0)
    precision = np.divide(found, passed, out=np.zeros_like(found), where=passed > 0)
    # Equal scores pass a threshold together: they have the precision at the last of them.
    last = np.ones(scores.shape, dtype=bool)
    last[:-1] = ranked[:-1] != ranked[1:]
    last_equal = np.where(last, np.arange(len(scores))[:, None], len(scores))
    last_equal = np.minimum.accumulate(last_equal[::-1], axis=0)[::-1]
    totals = found[-1]
    sums = (hits * np.take_along_axis(precision, last_equal, axis=0)).sum(axis=0)
    return np.divide(sums, totals, out=np.full(len(totals), np.nan), where=totals > 0)


def hierarchical_brier_loss(
    y_true: Target,
    node_proba: npt.ArrayLike,
    *,
    taxonomy: TaxonomyLike | None = None,
    node_weight: NodeWeight = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> float:
    r"""Compute the Brier loss of the probabilities of all nodes.

    It is the mean over the samples of

    .. math::

        \sum_n w_n (p_{in} - [n \in \hat T_i])^2,

    without the root, where :math:`\hat T_i` holds the true labels of sample `i` and all their
    ancestors, :math:`p_{in}` is the probability of node `n` and :math:`w_n` its weight. The
    expected loss is smallest for the true probabilities. In a taxonomy of one level it is the
    multi-class Brier score [1]_, from 0 to 2.

    Parameters
    ----------
    y_true : array-like
        Labels in any format, one or more for each sample. None is the empty set.
    node_proba : array-like, shape (n_samples, n_nodes) or (n_samples, n_nodes - 1)
        Probability of each node of ``taxonomy.nodes``, or of all but the root, as returned by
        ``predict_node_proba``.
    taxonomy : Taxonomy or networkx.DiGraph
        Tree or DAG of the labels.
    node_weight : {"sibling", "information"}, mapping or array-like, default=None
        Weights of the nodes, all 1 by default; see
        :func:`hierarchical_precision_recall_fscore_support`.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.
    missing : {"error", "ignore"}, default="error"
        Missing cells (NaN, None, masked) of an indicator in `y_true`: an error, or not annotated
        and left out of all counts. An ancestor of a 1 counts as 1; other ancestors of a missing
        cell are not annotated either.

    Returns
    -------
    loss : float
        From 0 to the sum of the weights.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and without a taxonomy.
    ValueError
        For a wrong number of columns, or values that are not probabilities.

    References
    ----------
    .. [1] G. W. Brier. Verification of forecasts expressed in terms of probability. Monthly Weather
       Review 78 (1950).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hierarchical_brier_loss
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> node_proba = [[0.5, 0.5, 0.5, 0.0, 0.5]]  # bird, fish, owl, wren, eel
    >>> hierarchical_brier_loss(["owl"], node_proba, taxonomy=taxonomy)
    1.0
    >>> hierarchical_brier_loss(["owl"], node_proba, taxonomy=taxonomy, node_weight=[1, 0])
    0.5
    """
    true, proba, weights, resolved, unknown = read_node_proba(
        y_true, node_proba, taxonomy, sample_weight, classes=classes, missing=missing
    )
    of_node = read_node_weight(node_weight, resolved)[1:]
    losses = np.empty(len(proba))
    for rows in row_blocks(*proba.shape):
        squares = (proba[rows] - true[rows].toarray()) ** 2
        if unknown is not None:
            squares *= 1 - unknown[rows].toarray()
        losses[rows] = squares @ of_node
    return float(np.average(losses, weights=weights))


def hierarchical_calibration_error(
    y_true: Target,
    node_proba: npt.ArrayLike,
    *,
    taxonomy: TaxonomyLike | None = None,
    n_bins: int = 15,
    binning: str = "uniform",
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> Floats:
    r"""Compute the expected calibration error at each level.

    At each level the most probable node (the first of equals) is the answer. Its probability is the
    confidence, and it is right if it is at or above a true label. The samples are put into bins
    :math:`B_b` by their confidence, and the error is

    .. math::

        \sum_b \frac{|B_b|}{n} \, |\mathrm{accuracy}(B_b) - \mathrm{confidence}(B_b)|

    with the means of each bin [1]_. All samples count at every level: below the end of a true path,
    no answer is right. **Smaller is better**, but 0 is no proof of a good model: one that always
    predicts the frequencies of the classes has it too.

    Parameters
    ----------
    y_true : array-like
        Labels in any format, one or more for each sample. None is the empty set.
    node_proba : array-like, shape (n_samples, n_nodes) or (n_samples, n_nodes - 1)
        Probability of each node of ``taxonomy.nodes``, or of all but the root, as returned by
        ``predict_node_proba``.
    taxonomy : Taxonomy or networkx.DiGraph
        Tree or DAG of the labels.
    n_bins : int, default=15
        Number of bins.
    binning : {"uniform", "quantile"}, default="uniform"
        Bins of equal width in [0, 1], or of about equal weight. A bin includes its upper edge.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.
    missing : {"error", "ignore"}, default="error"
        Missing cells (NaN, None, masked) of an indicator in `y_true`: an error, or not annotated
        and left out of all counts. An ancestor of a 1 counts as 1; other ancestors of a missing
        cell are not annotated either.

    Returns
    -------
    errors : ndarray of float64, shape (n_levels,)
        In [0, 1], from the first level on; NaN for a level without an answer whose truth is known.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and without a taxonomy.
    ValueError
        For a wrong number of columns, values that are not probabilities, and invalid parameters.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. On calibration of modern neural networks. ICML
       (2017).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hierarchical_calibration_error
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> node_proba = [[0.75, 0.25, 0.75, 0.0, 0.25]] * 4  # bird, fish, owl, wren, eel
    >>> hierarchical_calibration_error(
    ...     ["owl", "wren", "wren", "eel"], node_proba, taxonomy=taxonomy
    ... )
    array([0. , 0.5])
    """
    if not (isinstance(n_bins, int | np.integer) and n_bins >= 1):
        raise ValueError(f"`n_bins` must be an integer of 1 or more, got {n_bins!r}.")
    check_choice("binning", binning, _BINNINGS)
    true, proba, weights, resolved, unknown = read_node_proba(
        y_true, node_proba, taxonomy, sample_weight, classes=classes, missing=missing
    )
    offsets = resolved.level_offsets[1:] - 1
    errors = np.empty(resolved.n_levels)
    for level in range(resolved.n_levels):
        of_level = proba[:, offsets[level] : offsets[level + 1]]
        answers = np.argmax(of_level, axis=1)
        confidence = np.take_along_axis(of_level, answers[:, None], axis=1)[:, 0]
        right = are_members(true, offsets[level] + answers)
        counted = weights
        if unknown is not None:
            counted = weights * ~are_members(unknown, offsets[level] + answers)
        bins = confidence_bins(confidence, n_bins, binning, counted)
        gaps = np.bincount(bins, weights=counted * (right - confidence))
        total = counted.sum()
        errors[level] = np.abs(gaps).sum() / total if total > 0 else np.nan
    return errors


def confidence_bins(confidence: Floats, n_bins: int, binning: str, weights: Floats) -> Rows:
    """Return the bin of each sample; a bin includes its upper edge."""
    steps = np.arange(1, n_bins)
    edges = steps / n_bins
    if binning == "quantile":
        order = np.argsort(confidence, kind="stable")
        totals = np.cumsum(weights[order])
        edges = confidence[order][np.searchsorted(totals, totals[-1] * steps / n_bins)]
    return np.searchsorted(edges, confidence)
