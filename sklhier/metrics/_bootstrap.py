"""Bootstrap intervals of the numbers of a report, all resamples in a few sparse products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from sklhier._utils.typing import Floats, Integers, NodeIds, RandomState
from sklhier.metrics._coverage import LevelSums, coverage_sums, level_sums
from sklhier.metrics._input import Compared

__all__ = ["Intervals", "bootstrap_intervals"]

_BLOCK = 2**21  # numbers in a block of weights of resampled rows
_MOST_KEPT = 2**25  # scores of nodes in all resamples


class Intervals(NamedTuple):
    """Ends of intervals: the last axis has the lower and the upper one.

    Attributes
    ----------
    nodes : ndarray of float64, shape (n_listed, 3, 2)
        Precision, recall and F1 of the listed nodes; resamples where one is undefined are left out.
    averages : ndarray of float64, shape (3, 3, 2)
        The same of the micro, samples and macro average.
    levels : ndarray of float64, shape (n_levels, 3, 2)
        Accuracy, coverage and precision of each level; resamples as for the nodes.
    coverage : ndarray of float64, shape (7, 2)
        The shares of a coverage report, in its order.
    distance : ndarray of float64, shape (2,), or None
        Mean distance between truth and prediction.
    """

    nodes: Floats
    averages: Floats
    levels: Floats
    coverage: Floats
    distance: Floats | None


class _Units(NamedTuple):
    """Distinct samples, which a resample holds some number of times.

    Attributes
    ----------
    read : Compared
        Their closures and weights.
    counts : ndarray of int
        How many samples each stands for.
    distances : ndarray of float64 or None
        Between truth and prediction.
    """

    read: Compared
    counts: Integers
    distances: Floats | None


def bootstrap_intervals(
    read: Compared,
    distances: Floats | None,
    listed: NodeIds,
    *,
    n_bootstraps: int,
    confidence_level: float,
    random_state: RandomState,
    zero_division: float,
) -> Intervals:
    """Return percentile intervals over resamples of the samples with replacement."""
    units = _distinct(read, distances)
    levels = level_sums(units.read)
    random = check_random_state(random_state)
    state = random.get_state()
    tail = (1 - confidence_level) / 2
    ends = np.array([tail, 1 - tail])

    def ends_of(parts: list[Floats]) -> Floats:
        return _quantiles(np.concatenate(parts), ends)

    nodes: list[Floats] = []
    for part in _parts(len(listed), n_bootstraps):
        random.set_state(state)  # the same resamples for all nodes
        resamples = _resamples(units, n_bootstraps, random)
        nodes.append(
            ends_of([_node_scores(weights, units, listed[part]) for weights in resamples])
        )
    random.set_state(state)
    blocks = [
        _scores(weights, units, levels, zero_division)
        for weights in _resamples(units, n_bootstraps, random)
    ]
    averages, of_levels, coverage = (ends_of([block[k] for block in blocks]) for k in range(3))
    distance = None if distances is None else ends_of([block[3] for block in blocks])
    return Intervals(
        np.concatenate([np.zeros((0, 3, 2)), *nodes]), averages, of_levels, coverage, distance
    )


def _parts(n_listed: int, n_bootstraps: int) -> Iterator[slice]:
    """Cut nodes into ranges of which all resamples fit in memory."""
    most = max(1, _MOST_KEPT // (3 * n_bootstraps))
    for start in range(0, n_listed, most):
        yield slice(start, start + most)


def _distinct(read: Compared, distances: Floats | None) -> _Units:
    """Return the distinct samples, in an order that does not depend on that of the samples.

    Sets of nodes are compared by two sums of random numbers of 64 bits each.
    """
    random = np.random.default_rng(0)
    n_nodes = read.taxonomy.n_nodes
    keys = [
        _set_sums(read.true, first) + _set_sums(read.predicted, second)
        for first, second in random.integers(-(2**63), 2**63 - 1, size=(2, 2, n_nodes))
    ]
    columns = [read.weights, *([] if distances is None else [distances]), *keys]
    order = np.lexsort(columns)
    changes = np.zeros(len(order), dtype=bool)
    changes[0] = True
    for column in columns:
        changes[1:] |= column[order][1:] != column[order][:-1]
    starts = np.flatnonzero(changes)
    rows = order[starts]
    true, predicted = (sparse.csr_array(part[rows]) for part in (read.true, read.predicted))
    return _Units(
        Compared(true, predicted, read.weights[rows], read.taxonomy, None, read.forms),
        np.diff(np.append(starts, len(order))),
        None if distances is None else distances[rows],
    )


def _set_sums(members: sparse.csr_array, numbers: Integers) -> Integers:
    """Return the sum of the numbers of each row's nodes, modulo 2 ** 64."""
    totals = np.zeros(members.nnz + 1, dtype=np.int64)
    np.cumsum(numbers[members.indices], out=totals[1:])
    return totals[members.indptr[1:]] - totals[members.indptr[:-1]]


def _resamples(
    units: _Units, n_bootstraps: int, random: np.random.RandomState
) -> Iterator[Floats]:
    """Yield the weights of units in some resamples at a time, shape (n_units, n_resamples)."""
    n_samples, n_units = int(units.counts.sum()), len(units.counts)
    shares = units.counts / n_samples
    most = max(1, _BLOCK // max(n_units, units.read.taxonomy.n_nodes))
    for start in range(0, n_bootstraps, most):
        size = min(most, n_bootstraps - start)
        times = random.multinomial(n_samples, shares, size=size)
        yield units.read.weights[:, None] * times.T


def _node_scores(weights: Floats, units: _Units, listed: NodeIds) -> Floats:
    """Return scores of nodes in resamples, the first axis; NaN where they are undefined."""
    true, predicted = (part[:, listed] for part in (units.read.true, units.read.predicted))
    tables = (true.multiply(predicted), true, predicted)
    counts = np.stack([(sparse.csr_array(table).T @ weights).T for table in tables])
    return _precision_recall_f(counts, np.nan)


def _scores(
    weights: Floats, units: _Units, levels: LevelSums, zero_division: float
) -> tuple[Any, ...]:
    """Return scores of resamples, the first axis: what :class:`Intervals` has after the nodes."""
    true, predicted, *_ = units.read
    both = sparse.csr_array(true.multiply(predicted))
    counts = np.stack([(part.T @ weights).T for part in (both, true, predicted)])
    averages = np.stack(
        [
            _precision_recall_f(counts.sum(axis=2), zero_division),
            _samples_average(weights, (both, true, predicted), zero_division),
            _macro_average(counts, zero_division),
        ],
        axis=1,
    )
    reached, kept, n_true, n_predicted, n_common = (part.T @ weights for part in levels)
    of_levels = [_ratio(n_common, n_true), _ratio(kept, reached), _ratio(n_common, n_predicted)]
    sums = coverage_sums(units.read, levels).T @ weights
    return (
        averages,
        np.stack(of_levels, axis=-1).swapaxes(0, 1),
        _coverage(sums, kept.sum(axis=0), reached.sum(axis=0)),
        None if units.distances is None else units.distances @ weights / weights.sum(axis=0),
    )


def _coverage(sums: Floats, kept: Floats, reached: Floats) -> Floats:
    """Return the shares of coverage reports, shape (n_resamples, 7)."""
    support, answered, complete, wrong, exact = sums
    pairs = [
        (answered, support),
        (kept, reached),
        (complete, support),
        (support - answered, support),
        (answered - wrong, answered),
        (wrong, support),
        (exact, support),
    ]
    return np.stack([_ratio(*pair) for pair in pairs], axis=1)


def _precision_recall_f(counts: Floats, undefined: float) -> Floats:
    """Return the scores, the last axis, of common, true and predicted counts, the first one."""
    common, n_true, n_predicted = counts
    pairs = [(common, n_predicted), (common, n_true), (2 * common, n_true + n_predicted)]
    return np.stack([_ratio(*pair, undefined) for pair in pairs], axis=-1)


def _samples_average(
    weights: Floats, tables: tuple[sparse.csr_array, ...], zero_division: float
) -> Floats:
    sizes = np.stack([np.asarray(table.sum(axis=1), dtype=np.float64) for table in tables])
    values = _precision_recall_f(sizes, zero_division)
    defined = ~np.isnan(values)
    above = np.where(defined, values, 0).T @ weights
    return _ratio(above, defined.T.astype(np.float64) @ weights).T


def _macro_average(counts: Floats, zero_division: float) -> Floats:
    """Return the means over the nodes that occur in each resample."""
    values = _precision_recall_f(counts, zero_division)
    counted = ((counts[1] + counts[2]) > 0)[..., None] & ~np.isnan(values)
    above = np.where(counted, values, 0).sum(axis=1)
    return _ratio(above, counted.sum(axis=1).astype(np.float64))


def _ratio(above: Floats, below: Floats, undefined: float = np.nan) -> Floats:
    return np.divide(above, below, out=np.full(above.shape, undefined), where=below > 0)


def _quantiles(values: Floats, ends: Floats) -> Floats:
    """Return quantiles over the first axis, as the last one; NaN is left out."""
    values = np.sort(values, axis=0)  # NaN comes last
    n_defined = np.sum(~np.isnan(values), axis=0)
    places = np.maximum(n_defined - 1, 0)[..., None] * ends
    low = np.floor(places).astype(np.intp)
    first, second = (
        np.moveaxis(np.take_along_axis(values, np.moveaxis(positions, -1, 0), axis=0), 0, -1)
        for positions in (low, np.ceil(places).astype(np.intp))
    )
    return first + (places - low) * (second - first)
