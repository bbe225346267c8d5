"""Array kernels on graphs whose nodes are integers.

Nothing here knows names. Segments are given by offsets: segment ``i`` of a flat array
is ``[offsets[i], offsets[i + 1])``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from sklhier._utils.typing import Bools, Floats, Integers, NodeIds, Offsets, Rows

__all__ = [
    "breadth_first",
    "cell_keys",
    "concatenated_ranges",
    "contained",
    "csr_of_pairs",
    "entry_rows",
    "find_cycle",
    "lowest_common_ancestors",
    "marked",
    "most_specific",
    "offsets_of",
    "preorder",
    "run_starts",
    "segment_argmax",
    "with_columns",
]


def offsets_of(counts: Integers | Bools | Sequence[int]) -> Offsets:
    """Return the offsets of consecutive segments of the given lengths."""
    offsets = np.zeros(len(counts) + 1, dtype=np.intp)
    np.add.accumulate(counts, out=offsets[1:])
    return offsets


def run_starts(keys: Integers) -> Rows:
    """Return where each run of equal keys begins."""
    is_first = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    return is_first.nonzero()[0]


def concatenated_ranges(starts: Integers, counts: Integers) -> Rows:
    """Return ``[start, start + count)`` of every segment, one after the other."""
    if _are_equal(counts):
        table: Rows = np.asarray(starts, dtype=np.intp)[:, None] + np.arange(int(counts[0]))
        return table.reshape(-1)
    offsets = offsets_of(counts)
    # One arange over all segments, shifted by a number for each: no Python loop.
    shifts = np.repeat(np.asarray(starts, dtype=np.intp) - offsets[:-1], counts)
    return np.arange(offsets[-1], dtype=np.intp) + shifts


def _are_equal(counts: Integers) -> bool:
    return len(counts) > 0 and bool((np.asarray(counts) == counts[0]).all())


def _first_maxima(table: Floats) -> Rows:
    """Return the position of each row's first maximum; of few columns faster than NumPy does."""
    if not (len(table) > 8 and table.shape[1] < 16):
        found: Rows = table.argmax(axis=1)
        return found
    best, places = table[:, 0], np.zeros(len(table), dtype=np.int8)
    for column in range(1, table.shape[1]):
        np.maximum(places, (table[:, column] > best) * np.int8(column), out=places)
        best = np.maximum(best, table[:, column])
    return places.astype(np.intp)


def segment_argmax(values: Floats, offsets: Offsets) -> Rows:
    """Return the position in `values` of each segment's first maximum.

    No segment may be empty: ``reduceat`` would return a neighbour's value for it.
    """
    counts = offsets[1:] - offsets[:-1]
    if _are_equal(counts) and counts[0] * len(counts) == len(values):
        return offsets[:-1] + _first_maxima(values.reshape(len(counts), -1))
    best = np.repeat(np.maximum.reduceat(values, offsets[:-1]), counts)
    hits = np.flatnonzero(values == best)
    first = np.searchsorted(hits, offsets[:-1])
    return hits[first]


def csr_of_pairs(owners: NodeIds, members: NodeIds, n_owners: int) -> tuple[Offsets, NodeIds]:
    """Group `members` by their owner, in stable order: ``(offsets, members)``."""
    order = np.argsort(owners, kind="stable")
    return offsets_of(np.bincount(owners, minlength=n_owners)), members[order]


def entry_rows(members: sparse.csr_array) -> Rows:
    """Return the row of each stored entry."""
    return np.repeat(np.arange(members.shape[0]), np.diff(members.indptr))


def cell_keys(rows: Rows, columns: Integers, n_columns: int) -> Rows:
    """Return numbers of the entries of a table; int64, since int32 may be too small."""
    return rows.astype(np.int64) * n_columns + columns


def contained(wanted: Rows, keys: Rows) -> Bools:
    """Return whether each of `wanted` is among ascending keys."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=bool)
    return keys[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)] == wanted


def marked(table: sparse.csr_array) -> sparse.csr_array:
    """Turn a table, in place, into one with 1 for everything that is not 0, sorted."""
    table.sum_duplicates()
    table.eliminate_zeros()
    table.data = np.ones(table.nnz)
    return table


def with_columns(table: sparse.csr_array, columns: NodeIds, n_columns: int) -> sparse.csr_array:
    """Return a 0/1 table with column ``j`` moved to ``columns[j]`` among `n_columns`."""
    moved = (table.data, columns[table.indices], table.indptr)
    return marked(sparse.csr_array(moved, shape=(table.shape[0], n_columns), copy=True))


def most_specific(closed: sparse.csr_array, parents: NodeIds, children: NodeIds) -> Bools:
    """Return a mask of the entries of sets of nodes that have no child in their set.

    Parameters
    ----------
    closed : csr_array, shape (n_sets, n_nodes)
        Without explicit zeros. Only in sets closed under ancestors is a node without a child in
        its set also one without a descendant.
    parents, children : ndarray of int32, shape (n_edges,)
        The edges.

    Returns
    -------
    specific : ndarray of bool, shape (closed.nnz,)
        For each stored entry.
    """
    n_nodes = closed.shape[1]
    offsets, above = csr_of_pairs(children, parents, n_nodes)
    rows, nodes = entry_rows(closed), closed.indices
    counts = np.diff(offsets)[nodes]
    # Every member covers its parents; a member that none covers is most specific.
    edges = concatenated_ranges(offsets[nodes], counts)
    # Sorted, and with repetitions: recent np.unique hashes, which is far slower on such keys.
    covered = np.sort(cell_keys(np.repeat(rows, counts), above[edges], n_nodes))
    return ~contained(cell_keys(rows, nodes, n_nodes), covered)


def breadth_first(
    roots: NodeIds, parents: NodeIds, children: NodeIds, n_nodes: int
) -> tuple[NodeIds, NodeIds]:
    """Order nodes by depth, siblings of a tree side by side and in the order of the edges.

    Depth is the longest distance from a root, so that in a DAG, too, every parent comes
    before its children. Nodes on or below a cycle are not reached and left out.

    Returns
    -------
    order : ndarray of int32, shape (n_reached,)
        Nodes by depth.
    depths : ndarray of int32, shape (n_reached,)
        Their depths, roots 0.
    """
    offsets, members = csr_of_pairs(parents, children, n_nodes)
    missing = np.bincount(children, minlength=n_nodes)
    is_tree = bool((missing <= 1).all())
    waves = []
    wave = roots
    while wave.size:
        waves.append(wave)
        starts = offsets[wave]
        wave = members[concatenated_ranges(starts, offsets[wave + 1] - starts)]
        if not is_tree:
            distinct, first, visits = np.unique(wave, return_index=True, return_counts=True)
            # A node of a DAG waits until all its parents are placed: its depth is the longest path.
            missing[distinct] -= visits
            ready = missing[distinct] == 0
            wave = wave[np.sort(first[ready])]
    sizes = [len(wave) for wave in waves]
    depths = np.repeat(np.arange(len(waves), dtype=np.int32), sizes)
    return np.concatenate(waves), depths


def find_cycle(parents: NodeIds, children: NodeIds, remaining: Bools) -> list[int]:
    """Return a cycle among the `remaining` nodes, in the direction of the edges.

    Every remaining node must have a remaining parent.
    """
    inside = remaining[parents] & remaining[children]
    parent_of = dict(zip(children[inside].tolist(), parents[inside].tolist(), strict=True))
    visits: dict[int, int] = {}
    walk: list[int] = []
    node = next(iter(parent_of))
    while node not in visits:
        visits[node] = len(walk)
        walk.append(node)
        node = parent_of[node]
    return [node, *reversed(walk[visits[node] :])]


def preorder(parents: NodeIds) -> tuple[NodeIds, NodeIds]:
    """Return the preorder position and the subtree size of every node of a tree.

    Parents come before children and ``parents[0]`` is ignored. The nodes at and below ``v``
    are those at positions ``[position[v], position[v] + size[v])``. Two plain loops: a pass by
    levels would take one array operation for each of the levels of a long chain.
    """
    up = parents.tolist()
    size = [1] * len(up)
    for node in range(len(up) - 1, 0, -1):
        size[up[node]] += size[node]
    position = [0] * len(up)
    free = [1] * len(up)  # next free position among the children of each node
    for node in range(1, len(up)):
        parent = up[node]
        position[node] = free[parent]
        free[parent] += size[node]
        free[node] = position[node] + 1
    return np.array(position, dtype=np.int32), np.array(size, dtype=np.int32)


def lowest_common_ancestors(
    first: NodeIds, second: NodeIds, lifts: Sequence[NodeIds], position: NodeIds, size: NodeIds
) -> NodeIds:
    """Return the lowest common ancestor of each pair of nodes of a tree.

    The first of each pair climbs as long as the second is not below it, by steps that are half as
    large each time; the parent of where it ends is the answer. ``lifts[i]`` leads ``2 ** i`` steps
    up, and from the root to the root.
    """

    def below(nodes: NodeIds) -> Bools:
        offset = position[second] - position[nodes]
        return (offset >= 0) & (offset < size[nodes])

    met = first
    for up in reversed(lifts):
        met = np.where(below(up[met]), met, up[met])
    return np.where(below(first), first, lifts[0][met])
