"""Array kernels on the members of many sets of nodes."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from sklhier._utils.typing import Bools, Integers, NodeIds, Rows
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["are_members", "parents_inside", "shared_entries"]


def are_members(members: sparse.csr_array, columns: Integers) -> Bools:
    """Return whether each row has an entry in a column of its own, shape (n_rows,).

    `members` is sorted and without explicit zeros.
    """
    n_rows, n_columns = members.shape
    keys = ops.cell_keys(ops.entry_rows(members), members.indices, n_columns)
    return ops.contained(ops.cell_keys(np.arange(n_rows), columns, n_columns), keys)


def shared_entries(members: sparse.csr_array, others: sparse.csr_array) -> Bools:
    """Return, for each entry of `members`, whether `others` has one there too.

    Both are sorted and without explicit zeros.
    """
    # One integer for each entry makes membership a binary search over all rows at once.
    keys, other_keys = (
        ops.cell_keys(ops.entry_rows(table), table.indices, table.shape[1])
        for table in (members, others)
    )
    return ops.contained(keys, other_keys)


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
        Without the root.
    """
    offsets, parents = ops.csr_of_pairs(
        taxonomy.edge_children, taxonomy.edge_parents, taxonomy.n_nodes
    )
    nodes: NodeIds = members.indices
    rows = ops.entry_rows(members)
    counts = np.diff(offsets)[nodes]
    edges = ops.concatenated_ranges(offsets[nodes], counts)
    entries = np.repeat(np.arange(len(nodes)), counts)
    wanted = ops.cell_keys(rows[entries], parents[edges], taxonomy.n_nodes)
    inside = ops.contained(wanted, ops.cell_keys(rows, nodes, taxonomy.n_nodes))
    return np.bincount(entries[inside], minlength=len(nodes))
