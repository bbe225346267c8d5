"""Kernels on the members of many sets of nodes at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from sklhier import _node_ops as ops
from sklhier._typing import Bools, NodeIds, Rows
from sklhier.taxonomy import Taxonomy

__all__ = ["are_members", "entry_rows", "parents_inside", "shared_entries"]


def entry_rows(members: sparse.csr_array) -> Rows:
    """Return the row of each stored entry."""
    return np.repeat(np.arange(members.shape[0]), np.diff(members.indptr))


def _keys(rows: Rows, columns: Any, n_columns: int) -> Rows:
    """Return numbers of cells of a table; int64, for there may be more than int32 can count."""
    return rows.astype(np.int64) * n_columns + columns


def _contained(wanted: Rows, keys: Rows) -> Bools:
    """Return whether each key is among ascending ones."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=bool)
    return keys[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)] == wanted


def are_members(members: sparse.csr_array, columns: Any) -> Bools:
    """Return whether each row has an entry in a column of its own, shape (n_rows,).

    `members` is sorted and without explicit zeros.
    """
    n_rows, n_columns = members.shape
    keys = _keys(entry_rows(members), members.indices, n_columns)
    return _contained(_keys(np.arange(n_rows), columns, n_columns), keys)


def shared_entries(members: sparse.csr_array, others: sparse.csr_array) -> Bools:
    """Return, for each entry of `members`, whether `others` has one there too.

    Both are sorted and without explicit zeros.
    """
    keys, known = (
        _keys(entry_rows(table), table.indices, table.shape[1]) for table in (members, others)
    )
    return _contained(keys, known)


def parents_inside(members: sparse.csr_array, taxonomy: Taxonomy) -> Rows:
    """Count, for each stored entry, the node's parents that are in the same row.

    Parameters
    ----------
    members : csr_array, shape (n_samples, n_nodes)
        Sorted, without explicit zeros; the root is no member.
    taxonomy : Taxonomy
        Tree or DAG.

    Returns
    -------
    counts : ndarray of int, shape (members.nnz,)
        The root is not counted.
    """
    offsets, parents = ops.csr_of_pairs(
        taxonomy.edge_children, taxonomy.edge_parents, taxonomy.n_nodes
    )
    nodes: NodeIds = members.indices
    rows = entry_rows(members)
    counts = np.diff(offsets)[nodes]
    edges = ops.concatenated_ranges(offsets[nodes], counts)
    entries = np.repeat(np.arange(len(nodes)), counts)
    wanted = _keys(rows[entries], parents[edges], taxonomy.n_nodes)
    inside = _contained(wanted, _keys(rows, nodes, taxonomy.n_nodes))
    return np.bincount(entries[inside], minlength=len(nodes))
