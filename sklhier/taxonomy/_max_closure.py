"""Sets of nodes that hold their ancestors, with the largest sum of gains.

The rows of a table are independent problems. `RowGraphs` lays them side by side in one graph, so
that one level pass (trees) or one maximum flow (DAGs) solves them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from sklhier._utils.memory_blocks import bounded_blocks, most_numbers
from sklhier._utils.typing import Bools, Floats, Integers, Numbers, Offsets, Rows
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._levelwise import inner_edges, maximum_from_below, minimum_from_above

__all__ = ["RowGraphs", "best_closed_nodes", "best_closed_sets", "rows_at_once"]

# Entries, both ends of edges, a flow network with its reverse edges, and copies in between.
_NUMBERS_PER_PART = 20
# Nodes and edges of a network that fits the cache of a processor.
_PARTS_PER_NETWORK = 2**15
# Flows are int32, and the room left on an edge is a capacity plus the flow the other way.
_MOST = 2**30 - 1
_FLOW_BITS = 29
# Sums that should cancel out, such as of log-odds, do so but for the last bits of each term.
_LEAST_GAIN = 2.0**-46


def rows_at_once(n_rows: int, taxonomy: Taxonomy) -> Iterator[slice]:
    """Cut rows into blocks whose graphs fit scikit-learn's ``working_memory``.

    Those of DAGs are kept smaller: a maximum flow takes as many passes through all rows as the
    slowest of them needs, and runs from one end of its memory to the other.
    """
    n_parts = taxonomy.n_nodes + len(taxonomy.edge_parents)
    most = n_rows if taxonomy.is_tree else max(1, _PARTS_PER_NETWORK // n_parts)
    counts = np.full(n_rows, _NUMBERS_PER_PART * n_parts)
    limit = min(most_numbers(), most * _NUMBERS_PER_PART * n_parts)
    return bounded_blocks(counts, limit)


def best_closed_sets(weights: Floats, taxonomy: Taxonomy) -> sparse.csr_array:
    r"""Return for each row the set with the largest sum among those that hold their ancestors.

    This is the maximum-weight closure [1]_: by dynamic programming over levels in a tree, where
    a subtree gains :math:`g_v = \max(0, w_v + \sum_c g_c)` over the children `c` of `v`, and by a
    minimum cut in a DAG. Nodes that no gain lies below, and gains whose ancestors all are gains,
    are settled beforehand. Of equally good sets the smallest wins, which is their intersection.

    A tree takes time linear in the size of the table. A DAG takes two maximum flows through the
    nodes that are not settled; flows count in integers, for which the weights of a row are rounded
    down to multiples of at most :math:`n \, 2^{-56}` of the sum of its gains, where `n` nodes are
    not settled. In trees and DAGs a set must gain :math:`2^{-46}` of the largest gain for each of its
    nodes that are not settled, so that sums that cancel out but for rounding count as equal.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_rows, n_nodes)
        Gain of each node, finite and of either sign; the root's is ignored.
    taxonomy : Taxonomy
        A tree or DAG.

    Returns
    -------
    sets : csr_array of float64, shape (n_rows, n_nodes)
        1 for the members of each set, the root left out.

    References
    ----------
    .. [1] J.-C. Picard. Maximal closure of a graph and applications to combinatorial problems.
       Management Science 22 (1976).
    """
    chosen = np.zeros(weights.shape, dtype=bool)
    for block in rows_at_once(len(weights), taxonomy):
        chosen[block] = _best_of_block(
            np.array(weights[block].T, np.float64, order="C"), taxonomy
        ).T
    return sparse.csr_array(chosen, dtype=np.float64)


def _best_of_block(weights: Floats, taxonomy: Taxonomy) -> Bools:
    """Return the members of the best sets, a mask; both tables are (n_nodes, n_rows)."""
    best = weights.copy()
    maximum_from_below(best, taxonomy)
    least = weights.copy()
    minimum_from_above(least, taxonomy)
    chosen = least > 0
    chosen[0] = False
    graphs = RowGraphs.of((best > 0) & ~chosen, taxonomy)
    chosen.ravel()[graphs.entries] = best_closed_nodes(weights.ravel()[graphs.entries], graphs)
    return chosen


@dataclass(frozen=True)
class RowGraphs:
    """One graph of parts of a taxonomy, a part for each row, without paths between rows.

    Attributes
    ----------
    entries : ndarray of intp, shape (n_entries,)
        Positions of its nodes in a flat (n_nodes, n_rows) table, ascending: parents come before
        children, and a level is a range.
    pieces : ndarray of intp, shape (n_entries,)
        Number of the connected component of each entry.
    above, below : ndarray of intp, shape (n_edges,)
        Positions in ``entries`` of the parent and the child of every edge; ``below`` ascends.
    levels : ndarray of intp, shape (n_levels + 2,)
        Places of depth ``d`` are at ``[levels[d], levels[d + 1])`` of the table.
    is_tree : bool
        Whether no entry has two parents.
    """

    entries: Rows
    pieces: Rows
    above: Rows
    below: Rows
    levels: Offsets
    is_tree: bool

    @classmethod
    def of(cls, kept: Bools, taxonomy: Taxonomy) -> Self:
        """Lay the rows side by side.

        Parameters
        ----------
        kept : ndarray of bool, shape (n_nodes, n_rows)
            Which nodes take part. The root does not: its row is ignored.
        taxonomy : Taxonomy
            A tree or DAG.
        """
        kept = kept.copy()
        kept[0] = False
        parents, children = inner_edges(taxonomy)
        joined = kept[parents] & kept[children]
        position = (np.cumsum(kept, dtype=np.intp) - 1).reshape(kept.shape)
        above, below = position[parents][joined], position[children][joined]
        entries = np.flatnonzero(kept)
        levels = taxonomy.level_offsets * kept.shape[1]
        pieces = _components(above, below, len(entries))
        return cls(entries, pieces, above, below, levels, taxonomy.is_tree)

    @property
    def n_entries(self) -> int:
        """Number of nodes, over all rows."""
        return len(self.entries)

    def without(self, nodes: Bools, edges: Bools) -> Self:
        """Return the graph without some nodes (shape (n_entries,)), their edges, and others."""
        position = np.cumsum(~nodes) - 1
        kept = ~(edges | nodes[self.above] | nodes[self.below])
        above, below = position[self.above[kept]], position[self.below[kept]]
        entries = self.entries[~nodes]
        pieces = _components(above, below, len(entries))
        return replace(self, entries=entries, pieces=pieces, above=above, below=below)

    def edges_by_level(self) -> list[slice]:
        """Return the edges into each level, from the top."""
        bounds = np.searchsorted(self.entries[self.below], self.levels).tolist()
        return [slice(start, stop) for start, stop in pairwise(bounds) if start < stop]

    def sum_of(self, values: Floats | Bools) -> Floats:
        """Return the sum of the values of the entries of each piece."""
        return np.bincount(self.pieces, values).astype(np.float64)


def _graph_of(
    sources: Rows, targets: Rows, data: Numbers | Bools, n_nodes: int
) -> sparse.csr_array:
    # The routines for graphs take 32-bit indices only.
    ends = (sources.astype(np.int32), targets.astype(np.int32))
    return sparse.csr_array((data, ends), shape=(n_nodes, n_nodes))


def _components(above: Rows, below: Rows, n_nodes: int) -> Rows:
    graph = _graph_of(below, above, np.ones(len(below), dtype=bool), n_nodes)
    labels: Any = csgraph.connected_components(graph, directed=False)[1]
    return labels.astype(np.intp)


def best_closed_nodes(weights: Floats, graphs: RowGraphs) -> Bools:
    """Return the smallest of the best closed sets, as :func:`best_closed_sets`.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_entries,)
        Gain of each entry.
    graphs : RowGraphs
        Within them, sets hold the parents of their members.

    Returns
    -------
    chosen : ndarray of bool, shape (n_entries,)
    """
    largest = np.zeros(len(graphs.pieces))
    np.maximum.at(largest, graphs.pieces, weights)
    solve = _best_in_trees if graphs.is_tree else _best_in_dags
    return solve(weights - _LEAST_GAIN * largest[graphs.pieces], graphs)


def _best_in_trees(weights: Floats, graphs: RowGraphs) -> Bools:
    levels = graphs.edges_by_level()
    gains = weights.copy()
    for edges in reversed(levels):
        below = np.maximum(gains[graphs.below[edges]], 0.0)
        np.add.at(gains, graphs.above[edges], below)
    chosen = gains > 0
    for edges in levels:
        chosen[graphs.below[edges]] &= chosen[graphs.above[edges]]
    return chosen


def _best_in_dags(weights: Floats, graphs: RowGraphs) -> Bools:
    """Solve by a flow of gains from nodes to the losses at their ancestors.

    A first flow sends coarse steps. A second one sends the rest in single units, which is then small
    enough for 32 bits. All sums are exact, so that the cut does not depend on which of the many
    maximum flows was found.
    """
    left, coarse = _as_integers(weights, graphs)
    carried: Integers = np.zeros(len(graphs.below), dtype=np.int64)
    for step in (coarse, np.ones_like(coarse)):
        left, carried = _send(left, carried, step, graphs)
    return _reachable(left > 0, carried > 0, graphs)


def _as_integers(weights: Floats, graphs: RowGraphs) -> tuple[Integers, Integers]:
    """Return weights as integers, and the steps of a first flow; both have shape (n_entries,).

    They are rounded down, so that weights that cancel out do not add up to a gain.
    """
    total = graphs.sum_of(np.maximum(weights, 0.0))[graphs.pieces]
    size = np.bincount(graphs.pieces)[graphs.pieces]
    step_bits = _FLOW_BITS - np.frexp(size.astype(np.float64))[1]
    bits = _FLOW_BITS + step_bits - np.frexp(total)[1]
    # A loss of twice all gains is as good as any larger one: neither is chosen, after rounding too.
    scaled = np.floor(np.ldexp(np.maximum(weights, -2 * total), bits))
    return scaled.astype(np.int64), np.left_shift(np.int64(1), step_bits.astype(np.int64))


def _send(
    left: Integers, carried: Integers, step: Integers, graphs: RowGraphs
) -> tuple[Integers, Integers]:
    """Send as much as possible of the gains that are left, in whole steps.

    Parameters
    ----------
    left : ndarray of int64, shape (n_entries,)
        Gains that were not sent, and losses (negative) that were not paid.
    carried : ndarray of int64, shape (n_edges,)
        Flow up each edge, which may be taken back.
    step : ndarray of int64, shape (n_entries,)
        The same for all entries of a piece.
    graphs : RowGraphs
        The graph.

    Returns
    -------
    left, carried : ndarray of int64
        The same afterwards.
    """
    n_entries, (above, below) = graphs.n_entries, (graphs.above, graphs.below)
    source, sink = n_entries, n_entries + 1
    amounts = np.minimum(np.abs(left) // step, _MOST)
    gains, losses = (np.flatnonzero((amounts > 0) & side) for side in (left > 0, left < 0))
    back = np.flatnonzero(carried)
    network = _graph_of(
        np.concatenate([np.full(len(gains), source), losses, below, above[back]]),
        np.concatenate([gains, np.full(len(losses), sink), above, below[back]]),
        np.concatenate(
            [
                amounts[gains],
                amounts[losses],
                np.full(len(below), _MOST),
                np.minimum(carried[back] // step[below[back]], _MOST),
            ]
        ).astype(np.int32),
        n_entries + 2,
    )
    flow = csgraph.maximum_flow(network, source, sink, method="dinic").flow
    sent = np.asarray(flow[[source, sink], :n_entries].sum(axis=0), dtype=np.int64).ravel()
    return left - sent * step, carried + _stored_at(flow, below, above) * step[below]


def _stored_at(matrix: sparse.csr_array, rows: Rows, columns: Rows) -> Integers:
    """Return entries of a sparse matrix, stored ones, as an array; rows ascend.

    Indexing returns an array or a sparse one, depending on the release of SciPy.
    """
    matrix.sort_indices()
    width = np.int64(matrix.shape[1])
    stored = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)) * width + matrix.indices
    found = np.searchsorted(stored, rows * width + columns)
    stored_values: Integers = matrix.data[found].astype(np.int64)
    return stored_values


def _reachable(start: Bools, back: Bools, graphs: RowGraphs) -> Bools:
    """Return the entries reached from some, up every edge and down those with `back`."""
    above, below, source = graphs.above, graphs.below, graphs.n_entries
    first = np.flatnonzero(start)
    sources = np.concatenate([np.full(len(first), source), below, above[back]])
    targets = np.concatenate([first, above, below[back]])
    graph = _graph_of(sources, targets, np.ones(len(sources), dtype=np.int8), source + 1)
    found = csgraph.breadth_first_order(graph, source, return_predecessors=False)
    reached = np.zeros(source + 1, dtype=bool)
    reached[found] = True
    return reached[:source]
