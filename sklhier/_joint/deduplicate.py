"""Distinct samples, in an order that does not depend on the given one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np

from sklhier._utils.memory_blocks import numbers_per_row, row_blocks
from sklhier._utils.typing import Floats, Rows

__all__ = ["deduplicate_rows"]


def deduplicate_rows(X: Any, labels: Any, weights: Floats) -> tuple[Any, Any, Floats]:
    """Return each distinct sample once, with the sum of its weights.

    Sums over samples are then the same to the last bit, whatever the order of rows, and whether a
    sample is repeated or has the weight of its repeats. The arguments are not changed.

    Parameters
    ----------
    X : ndarray or csr matrix, shape (n_rows, n_features)
        Finite features.
    labels : ndarray of int, shape (n_rows,), or csr_array, shape (n_rows, n_nodes)
        Rows are repeats only if their labels are the same as well.
    weights : ndarray of float64, shape (n_rows,)
        Weights of the rows.

    Returns
    -------
    X, labels, weights
        Of the distinct samples, in the order of a hash of their content. Sparse tables are in
        canonical form, without stored zeros.
    """
    X = _canonical(X)
    labels = _canonical(labels)
    tables = X, labels if labels.ndim == 2 else labels[:, None]
    for seed in count():  # the next one only if different rows share a key of 64 bits
        keys = np.zeros(len(weights), dtype=np.uint64)
        for i, table in enumerate(tables):
            keys += _keys(table, np.uint64(2 * seed + i))
        # Weights of repeats are summed in their own order, so that the total is the same to a bit.
        order = np.lexsort((weights, keys))
        is_first = np.append(True, np.diff(keys[order]) != 0)
        repeats = np.flatnonzero(~is_first)
        if all(_same_rows(table, order[repeats - 1], order[repeats]) for table in tables):
            break
    rows = order[is_first]
    totals = np.bincount(np.cumsum(is_first) - 1, weights[order]).astype(np.float64, copy=False)
    return X[rows], labels[rows], totals


def _canonical(table: Any) -> Any:
    """Return the table with equal rows stored alike."""
    if isinstance(table, np.ndarray) or (table.has_canonical_format and table.data.all()):
        return table
    table = table.copy()
    table.sum_duplicates()
    table.eliminate_zeros()
    return table


def _keys(table: Any, seed: np.uint64) -> Any:
    """Return a hash of each row, ndarray of uint64.

    Hashes of entries are added as integers, which is exact in any order.
    """
    column_hashes = _mixed(
        np.arange(1, table.shape[1] + 1, dtype=np.uint64) + (seed << np.uint64(40))
    )
    if isinstance(table, np.ndarray):
        keys = np.empty(len(table), dtype=np.uint64)
        for block in row_blocks(len(table), numbers_per_row("hashes", table.shape[1])):
            keys[block] = _mixed(column_hashes ^ _bits(table[block])).sum(axis=1, dtype=np.uint64)
        return keys
    hashes = _mixed(column_hashes[table.indices] ^ _bits(table.data))
    sums = np.append(np.zeros(1, dtype=np.uint64), np.cumsum(hashes, dtype=np.uint64))
    return np.diff(sums[table.indptr])


def _bits(values: Any) -> Any:
    """Return numbers as uint64: the same for the same number, 0 and -0 included."""
    if values.dtype.kind == "f":
        values = (values + 0).view(f"u{values.dtype.itemsize}")
    return values.astype(np.uint64)


def _mixed(values: Any) -> Any:
    """Return a bijection of uint64 whose bits all depend on all bits: the end of splitmix64."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


def _same_rows(table: Any, some: Rows, others: Rows) -> bool:
    """Whether rows at two lists of positions are equal, pair by pair."""
    return all(
        np.array_equal(one, other)
        for block in row_blocks(len(some), numbers_per_row("hashes", table.shape[1]))
        for one, other in zip(
            _parts(table[some[block]]), _parts(table[others[block]]), strict=True
        )
    )


def _parts(table: Any) -> Iterator[Any]:
    """Yield the arrays that make a table."""
    if isinstance(table, np.ndarray):
        yield table
    else:
        yield from (table.indptr, table.indices, table.data)
