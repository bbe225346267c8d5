"""Array kernels on the members of many sets of nodes."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order

from sklhier._utils.typing import Bools, Integers, NodeIds, Rows
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["are_members", "entries_left", "parents_inside", "reached_from", "shared_entries"]


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


def entries_left(members: sparse.csr_array, keep: Bools) -> sparse.csr_array:
    """Return sets of nodes without some of their entries; the given ones stay as they are."""
    marks = (keep.astype(np.float64), members.indices, members.indptr)
    left = sparse.csr_array(marks, shape=members.shape, copy=True)
    left.eliminate_zeros()
    return left


def reached_from(start: Bools, members: sparse.csr_array, taxonomy: Taxonomy) -> Bools:
    """Return which entries of sets of nodes are at or below some entries of the same row.

    One search from an additional entry above all that it starts from, through all rows at once.

    Parameters
    ----------
    start : ndarray of bool, shape (members.nnz,)
        The entries from which to search downwards.
    members : csr_array, shape (n_samples, n_nodes)
        Sets closed under ancestors; sorted, without explicit zeros.
    taxonomy : Taxonomy
        Tree or DAG.

    Returns
    -------
    reached : ndarray of bool, shape (members.nnz,)
        The starts included.
    """
    links = taxonomy.links
    nodes, rows = members.indices, ops.entry_rows(members)
    counts = links.offsets[nodes + 1] - links.offsets[nodes]
    below = np.repeat(np.arange(len(nodes)), counts)
    parents = links.parents[ops.concatenated_ranges(links.offsets[nodes], counts)]
    keys = ops.cell_keys(rows, nodes, taxonomy.n_nodes)
    inner = parents > 0
    below = below[inner]
    above = np.searchsorted(keys, ops.cell_keys(rows[below], parents[inner], taxonomy.n_nodes))
    origin = len(nodes)
    first = np.flatnonzero(start)
    edges = (
        np.ones(len(first) + len(below)),
        (np.append(np.full(len(first), origin), above), np.append(first, below)),
    )
    graph = sparse.csr_array(edges, shape=(origin + 1, origin + 1))
    found = breadth_first_order(graph, origin, return_predecessors=False)
    reached = np.zeros(origin + 1, dtype=bool)
    reached[found] = True
    return reached[:origin]
