"""Multi-label graph induced accuracy: wrong labels matched with the nearest ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from sklhier._utils.memory_blocks import bounded_blocks
from sklhier._utils.typing import Floats, Integers, NodeIds, Rows, SampleWeight, Target
from sklhier.metrics._distances import node_distances
from sklhier.metrics._input import read_labels
from sklhier.metrics._members import shared_entries
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._graph import entry_rows
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["mgia_score"]

# Pairs of a true and a predicted label in a block of work.
_MAX_PAIRS = 2**21
# scipy's matching takes a time quadratic in the number of rows, even where blocks are small.
_MAX_MATCHED = 2**9


def mgia_score(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    max_distance: float = 5,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> float:
    r"""Compute the multi-label graph induced accuracy (MGIA).

    It is the mean over the samples of

    .. math::

        1 - \frac{E_i}{|Y_i \triangle P_i| \, D},

    and 1 if the sets are equal [1]_, where :math:`Y_i` are the true labels of sample `i` and
    :math:`P_i` the predicted ones, without their ancestors. Every label that is in only one of the
    sets is either paired with a label of the other set at a distance below :math:`D`, at the cost
    of this distance in edges, or left alone at the cost :math:`D`; :math:`E_i` is the smallest
    total cost. A label may be in several pairs. A label in both sets may be a partner and costs
    nothing itself.

    Parameters
    ----------
    y_true, y_pred : array-like
        Labels in any format, one or more for each sample. A path means its last node; None is the
        empty set.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels; in a DAG, distances lead through common ancestors. Optional if
        both `y` hold paths.
    max_distance : float, default=5
        :math:`D`, positive: the distance at which labels count as unrelated.
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
    score : float
        In [0, 1].

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
    ValueError
        If `max_distance` is not positive.

    References
    ----------
    .. [1] A. Kosmopoulos et al. Evaluation measures for hierarchical classification: a unified view
       and novel approaches. Data Mining and Knowledge Discovery 29 (2015).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import mgia_score
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> mgia_score(["owl", "owl"], ["wren", "eel"], taxonomy=taxonomy)
    0.7

    The pairs cost 2 and 4 edges, of at most 2 times 5. Here one of two labels is correct:

    >>> mgia_score([{"owl", "eel"}], [{"wren", "eel"}], taxonomy=taxonomy)
    0.8
    """
    if not (np.isfinite(max_distance) and max_distance > 0):
        raise ValueError(f"`max_distance` must be a positive number, got {max_distance!r}.")
    true, predicted, weights, resolved = read_labels(
        y_true, y_pred, taxonomy, sample_weight, classes=classes, missing=missing
    )
    if isinstance(true, np.ndarray) and isinstance(predicted, np.ndarray):
        scores = _of_single_labels(true, predicted, resolved, max_distance)
    else:
        true, predicted = _as_sets(true, resolved), _as_sets(predicted, resolved)
        scores = _of_label_sets(true, predicted, resolved, max_distance)
    return float(np.average(scores, weights=weights))


def _of_single_labels(
    true: NodeIds, predicted: NodeIds, taxonomy: Taxonomy, limit: float
) -> Floats:
    """Return the score of each sample: one pair, or two labels left alone."""
    scores = (true == predicted).astype(np.float64)
    rows = np.flatnonzero((true != predicted) & (true > 0) & (predicted > 0))
    distances = node_distances(true[rows], predicted[rows], taxonomy)
    scores[rows] = np.where(distances < limit, 1 - distances / (2 * limit), 0.0)
    return scores


def _as_sets(labels: NodeIds | sparse.csr_array, taxonomy: Taxonomy) -> sparse.csr_array:
    """Return an indicator, float64 0/1, shape (n_samples, n_nodes), the root left out."""
    if not isinstance(labels, np.ndarray):
        return labels
    inside = labels > 0
    marks = (np.ones(inside.sum()), labels[inside], ops.offsets_of(inside))
    return sparse.csr_array(marks, shape=(len(labels), taxonomy.n_nodes))


def _of_label_sets(
    true: sparse.csr_array, predicted: sparse.csr_array, taxonomy: Taxonomy, limit: float
) -> Floats:
    """Return the score of each sample, in blocks of rows with a bounded number of pairs."""
    n_wrong = np.asarray(abs(true - predicted).sum(axis=1))
    wrong = np.flatnonzero(n_wrong)
    true, predicted = sparse.csr_array(true[wrong]), sparse.csr_array(predicted[wrong])
    errors = np.empty(len(wrong))
    n_pairs = np.diff(true.indptr) * np.diff(predicted.indptr).astype(np.int64)
    for rows in bounded_blocks(n_pairs, _MAX_PAIRS):
        errors[rows] = _matching_errors(true[rows], predicted[rows], taxonomy, limit)
    scores = np.ones(len(n_wrong))
    scores[wrong] -= errors / (n_wrong[wrong] * limit)
    return scores


def _matching_errors(
    true: sparse.csr_array, predicted: sparse.csr_array, taxonomy: Taxonomy, limit: float
) -> Floats:
    """Return the least cost of each sample.

    Labels alone or with their nearest partner cost the most; two that are each other's partner share
    one pair, which saves something. So the error is the sum of the cheapest costs, less the
    savings of the best matching.
    """
    first, second = _pairs(true, predicted)
    distances = node_distances(true.indices[first], predicted.indices[second], taxonomy)
    costs: Floats = np.minimum(distances, float(limit))
    missed, added = ~shared_entries(true, predicted), ~shared_entries(predicted, true)
    cheapest_missed: Floats = _cheapest(costs, first, true.nnz, limit) * missed
    cheapest_added: Floats = _cheapest(costs, second, predicted.nnz, limit) * added
    savings = cheapest_missed[first] + cheapest_added[second] - costs
    useful = (costs < limit) & missed[first] & added[second] & (savings > 0)
    saved = _best_savings(first[useful], second[useful], savings[useful], true.indptr)
    return (
        _row_sums(cheapest_missed, true)
        + _row_sums(cheapest_added, predicted)
        - _row_sums(saved, true)
    )


def _pairs(true: sparse.csr_array, predicted: sparse.csr_array) -> tuple[Rows, Rows]:
    """Return the entries of truth and prediction of all pairs within a row."""
    sizes = np.diff(true.indptr)
    partners = np.repeat(np.diff(predicted.indptr), sizes)
    first = np.repeat(np.arange(true.nnz), partners)
    second = ops.concatenated_ranges(np.repeat(predicted.indptr[:-1], sizes), partners)
    return first, second


def _cheapest(costs: Floats, owners: Rows, n_owners: int, limit: float) -> Floats:
    cheapest = np.full(n_owners, float(limit))
    np.minimum.at(cheapest, owners, costs)
    return cheapest


def _row_sums(values: Floats, table: sparse.csr_array) -> Floats:
    sums: Any = np.bincount(entry_rows(table), weights=values, minlength=table.shape[0])
    return sums


def _best_savings(first: Rows, second: Rows, savings: Floats, offsets: Integers) -> Floats:
    """Return the saving of each true label in the matching that saves the most.

    One bipartite problem for many samples, whose pairs are its blocks.
    """
    matched, rows = np.unique(first, return_inverse=True)
    columns = np.unique(second, return_inverse=True)[1]
    bounds = np.searchsorted(matched, offsets)
    saved = np.zeros(int(offsets[-1]))
    for samples in bounded_blocks(np.diff(bounds), _MAX_MATCHED):
        start, stop = bounds[samples.start], bounds[samples.stop]
        pairs = slice(*np.searchsorted(rows, [start, stop]))
        saved[matched[start:stop]] = _matching(rows[pairs], columns[pairs], savings[pairs])
    return saved


def _matching(rows: Rows, columns: Rows, savings: Floats) -> Floats:
    """Return the saving of each row; a row may stay alone, by a column of its own."""
    if not len(rows):
        return np.zeros(0)
    rows, columns = rows - rows.min(), columns - columns.min()
    n_rows, n_columns = rows.max() + 1, columns.max() + 1
    own = np.arange(n_rows)
    # Costs, which must not be 0: scipy would take that for a missing edge.
    alone = savings.max() + 1
    costs = np.concatenate([alone - savings, np.full(n_rows, alone)])
    # Older releases of SciPy match 32-bit indices only.
    coordinates = [
        np.concatenate(parts).astype(np.int32)
        for parts in ([rows, own], [columns, n_columns + own])
    ]
    table = sparse.csr_array((costs, tuple(coordinates)), shape=(n_rows, n_columns + n_rows))
    partners = min_weight_full_bipartite_matching(table)[1]
    chosen = partners[rows] == columns
    saved: Any = np.bincount(rows[chosen], weights=savings[chosen], minlength=n_rows)
    return saved
