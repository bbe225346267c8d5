"""Ancestors of given nodes, in time and memory of the size of the answer.

Nodes are integers, the root is 0 and belongs to no answer. In a tree all paths grow at once, each
time to twice their length. In a DAG all nodes climb together from the deepest level; a few nodes
of a DAG with many levels are searched one by one, for there a level is too small for an array.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order

from sklhier._utils.typing import NodeIds, Offsets, Rows
from sklhier.exceptions import TaxonomyError
from sklhier.taxonomy import _graph as ops

__all__ = ["Links", "ancestor_table", "few_and_deep", "lifts_of"]

# Bytes that an entry takes: 12 in the table, and the rest while it is made.
_BYTES_PER_ENTRY = 36
# One step on arrays takes as long as a search takes for about so many nodes and edges.
_STEP = 5_000
_SAMPLE = 50  # rows by which the size of a table is estimated


class Links(NamedTuple):
    """The edges of a graph, from each node upwards.

    Attributes
    ----------
    offsets : ndarray of intp, shape (n_nodes + 1,)
        Where the parents of each node begin.
    parents : ndarray of int32, shape (n_edges,)
        The parents of the nodes one after the other.
    depths : ndarray of int32, shape (n_nodes,)
        Longest distances from the root.
    """

    offsets: Offsets
    parents: NodeIds
    depths: NodeIds

    @classmethod
    def of(cls, parents: NodeIds, children: NodeIds, depths: NodeIds) -> Links:
        """Return the links of a list of edges."""
        return cls(*ops.csr_of_pairs(children, parents, len(depths)), depths)

    @property
    def is_tree(self) -> bool:
        """Whether no node has two parents; the root has none."""
        return len(self.parents) < len(self.depths)

    def graph(self) -> sparse.csr_array:
        """Return the edges from children to parents, as scipy searches them."""
        n_nodes = len(self.depths)
        marks = np.ones(len(self.parents))
        graph = sparse.csr_array((marks, self.parents, self.offsets), shape=(n_nodes, n_nodes))
        graph.indices = graph.indices.astype(
            np.int32
        )  # some searches of older releases want it so
        graph.indptr = graph.indptr.astype(np.int32)
        return graph


def few_and_deep(n_searches: int, links: Links) -> bool:
    """Whether so many searches of the graph cost less than a step for each of its levels."""
    size = len(links.parents) + len(links.depths)
    return n_searches * size <= _STEP * int(links.depths.max(initial=0))


def ancestor_table(
    nodes: NodeIds, links: Links, lifts: tuple[NodeIds, ...] | None = None
) -> sparse.csr_array:
    """Return a table with a row for each of `nodes`, which marks it and its ancestors.

    Parameters
    ----------
    nodes : ndarray of int32, shape (n,)
        Ids of nodes; the row of the root is empty.
    links : Links
        The edges of a tree or DAG.
    lifts : tuple of ndarray, default=None
        Those of a tree, if they are known.

    Returns
    -------
    table : csr_array of float64, shape (n, n_nodes)
        0/1, the root left out; sorted if ids ascend with the depth.

    Raises
    ------
    TaxonomyError
        If the table would take more than the memory of the machine.
    """
    if links.is_tree:
        offsets, members = _paths(nodes, links, lifts)
    elif few_and_deep(len(nodes), links):
        offsets, members = _searched(nodes, links)
    else:
        offsets, members = _swept(nodes, links)
    cells = (np.ones(len(members)), members, offsets)
    return sparse.csr_array(cells, shape=(len(nodes), len(links.depths)))


# -- trees --------------------------------------------------------------------------------


def lifts_of(links: Links) -> tuple[NodeIds, ...]:
    """Return the ancestors of each node of a tree 1, 2, 4, ... steps above; the root's is itself."""
    up = np.zeros(len(links.depths), dtype=np.int32)
    up[np.diff(links.offsets) > 0] = links.parents
    lifts = [up]
    while 2 ** len(lifts) < int(links.depths.max(initial=0)):
        lifts.append(lifts[-1][lifts[-1]])
    return tuple(lifts)


def _paths(
    nodes: NodeIds, links: Links, lifts: tuple[NodeIds, ...] | None
) -> tuple[Offsets, NodeIds]:
    """Return the paths of a tree from the top, one after the other."""
    counts = links.depths[nodes].astype(np.intp)
    _refuse_too_many(int(counts.sum()))
    offsets = ops.offsets_of(counts)
    members = np.empty(offsets[-1], dtype=np.int32)
    below_root = counts > 0
    members[offsets[1:][below_root] - 1] = nodes[below_root]
    for power, up in enumerate(lifts_of(links) if lifts is None else lifts):
        # The last 2 ** power steps of each path are there, and lead to as many before them.
        known = 2**power
        more = np.clip(counts - known, 0, known)
        places = ops.concatenated_ranges(offsets[1:] - known - more, more)
        members[places] = up[members[places + known]]
    return offsets, members


# -- DAGs ---------------------------------------------------------------------------------


def _searched(nodes: NodeIds, links: Links) -> tuple[Offsets, NodeIds]:
    """Search upwards from each node alone."""
    graph = links.graph()
    found = [
        np.sort(breadth_first_order(graph, node, return_predecessors=False))
        for node in nodes.tolist()
    ]
    found = [above[above > 0].astype(np.int32) for above in found]
    empty: list[NodeIds] = [np.zeros(0, dtype=np.int32)]
    return ops.offsets_of(list(map(len, found))), np.concatenate(empty + found)


def _swept(nodes: NodeIds, links: Links) -> tuple[Offsets, NodeIds]:
    """Climb with all nodes together, the deepest first.

    Once a level is reached no more of its nodes will come, so that doubles are left out once.
    """
    _refuse_too_many(_estimated_size(nodes, links))
    # Keys of a row and a node: shifts and masks are much faster than a division of millions.
    bits = len(links.depths).bit_length()
    mask = np.int64((1 << bits) - 1)
    waiting: dict[int, list[Rows]] = {}
    _wait(np.arange(len(nodes), dtype=np.int64) << bits | nodes, links.depths[nodes], waiting)
    done = [np.zeros(0, dtype=np.int64)]
    for depth in range(int(links.depths.max(initial=0)), 0, -1):
        if depth not in waiting:
            continue
        keys = np.sort(np.concatenate(waiting.pop(depth)))
        keys = keys[ops.run_starts(keys)]
        done.append(keys)
        below = keys & mask
        counts = links.offsets[below + 1] - links.offsets[below]
        above = links.parents[ops.concatenated_ranges(links.offsets[below], counts)]
        _wait(np.repeat(keys & ~mask, counts) | above, links.depths[above], waiting)
    keys = np.sort(np.concatenate(done))
    offsets = ops.offsets_of(np.bincount(keys >> bits, minlength=len(nodes)))
    return offsets, (keys & mask).astype(np.int32)


def _wait(keys: Rows, depths: NodeIds, waiting: dict[int, list[Rows]]) -> None:
    """Put keys into the lists of their depths; what is at the root is left out."""
    # Integers of 16 bits are sorted by radix, in a time proportional to their number.
    short = depths.astype(np.uint16) if depths.max(initial=0) < 2**16 else depths
    order = np.argsort(short, kind="stable")
    starts = ops.run_starts(short[order]) if len(order) else order
    parts = np.split(keys[order], starts[1:])
    for depth, part in zip(depths[order][starts].tolist(), parts, strict=False):
        if depth > 0:
            waiting.setdefault(depth, []).append(part)


# -- memory -------------------------------------------------------------------------------


def _memory() -> float:
    """Return the bytes of memory of the machine, infinity where it does not tell."""
    sysconf: Any = getattr(os, "sysconf", None)  # not on Windows
    if sysconf is None or not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys():
        return float("inf")
    return float(sysconf("SC_PAGE_SIZE")) * float(sysconf("SC_PHYS_PAGES"))


def _refuse_too_many(n_entries: int) -> None:
    """Raise a TaxonomyError if a table of ancestors does not fit in memory."""
    needed, memory = float(n_entries * _BYTES_PER_ENTRY), _memory()
    if needed > memory:
        raise TaxonomyError.too_large(n_entries, needed, memory)


def _estimated_size(nodes: NodeIds, links: Links) -> int:
    """Estimate the number of entries of a table of ancestors in a DAG from some of its rows."""
    at_least = int(links.depths[nodes].sum(dtype=np.int64))  # the longest path to each
    places = np.linspace(0, len(nodes) - 1, min(_SAMPLE, len(nodes)), dtype=np.intp)
    if at_least * _BYTES_PER_ENTRY > _memory() or len(nodes) <= len(places):
        return at_least
    offsets, _ = _searched(nodes[places], links)
    return max(at_least, int(offsets[-1] / len(places) * len(nodes)))
