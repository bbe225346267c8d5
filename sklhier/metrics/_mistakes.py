"""First mistakes on the way down: wrong nodes below nodes that are right."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sklhier._utils.typing import Bools, Floats, Integers, Rows
from sklhier.metrics._input import Compared
from sklhier.metrics._members import entries_left, shared_entries
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["KINDS", "Decisions", "confused_edges", "first_mistakes", "sums_by_level"]

KINDS = ("right", "wrong_turn", "stopped_early", "too_deep")


class Decisions(NamedTuple):
    """Decisions that went wrong: a sample at a node that is right, and children that are not.

    Attributes
    ----------
    rows, nodes : ndarray of int, shape (n_decisions,)
        Sample and node of each, ascending.
    kinds : ndarray of int8, shape (n_decisions,)
        Positions in ``KINDS``, from 1.
    missed, added : tuple of two ndarrays of int
        Decision and edge of each child that is true and was not predicted, or the other way round.
    first_missed : ndarray of float64, shape (n_nodes,)
        Weight of the samples of which each node is a first one that was missed.
    common : csr_array of float64, shape (n_samples, n_nodes)
        Nodes that are in truth and prediction, the root left out.
    """

    rows: Rows
    nodes: Rows
    kinds: Integers
    missed: tuple[Rows, Rows]
    added: tuple[Rows, Rows]
    first_missed: Floats
    common: sparse.csr_array


def first_mistakes(read: Compared) -> Decisions:
    """Return the decisions that went wrong, of closures of truth and prediction."""
    true, predicted, weights, taxonomy, *_ = read
    in_both = shared_entries(true, predicted)
    common = entries_left(true, in_both)
    missed = entries_left(true, ~in_both)
    added = entries_left(predicted, ~shared_entries(predicted, true))
    missed_keys, missed_edges, first = _below_right(missed, common, taxonomy)
    added_keys, added_edges, _ = _below_right(added, common, taxonomy)
    keys, of_edge = np.unique(np.concatenate([missed_keys, added_keys]), return_inverse=True)
    of_missed, of_added = np.split(of_edge, [len(missed_keys)])
    rows, nodes = np.divmod(keys, taxonomy.n_nodes)
    lacks, adds = _marks(of_missed, len(keys)), _marks(of_added, len(keys))
    first_missed: Any = np.bincount(
        missed.indices[first],
        weights=weights[ops.entry_rows(missed)[first]],
        minlength=taxonomy.n_nodes,
    )
    return Decisions(
        rows,
        nodes,
        np.select([lacks & adds, lacks], [1, 2], 3).astype(np.int8),
        (of_missed, missed_edges),
        (of_added, added_edges),
        first_missed,
        common,
    )


def _marks(positions: Rows, size: int) -> Bools:
    marks = np.zeros(size, dtype=bool)
    marks[positions] = True
    return marks


def _below_right(
    wrong: sparse.csr_array, common: sparse.csr_array, taxonomy: Taxonomy
) -> tuple[Rows, Rows, Bools]:
    """Return the edges from right nodes to first wrong ones.

    Returns
    -------
    keys : ndarray of int64, shape (n_links,)
        ``row * n_nodes + parent``.
    edges : ndarray of int, shape (n_links,)
        Positions in ``taxonomy.edge_parents``.
    first : ndarray of bool, shape (wrong.nnz,)
        The wrong entries all of whose parents are right.
    """
    n_nodes = taxonomy.n_nodes
    offsets, parents, _ = taxonomy.links
    edge_order = np.argsort(taxonomy.edge_children, kind="stable")
    counts = (offsets[1:] - offsets[:-1])[wrong.indices]
    links = ops.concatenated_ranges(offsets[wrong.indices], counts)
    entries = np.repeat(np.arange(wrong.nnz), counts)
    above = parents[links]
    keys = ops.cell_keys(ops.entry_rows(wrong)[entries], above, n_nodes)
    common_keys = ops.cell_keys(ops.entry_rows(common), common.indices, n_nodes)
    right = (above == 0) | ops.contained(keys, common_keys)
    first = np.bincount(entries[right], minlength=wrong.nnz) == counts
    kept = first[entries]
    return keys[kept], edge_order[links[kept]], first


def confused_edges(found: Decisions, weights: Floats, taxonomy: Taxonomy) -> sparse.coo_array:
    """Return the weight of each pair of a missed and an added edge of the same decision.

    Returns
    -------
    pairs : coo_array of float64, shape (n_edges, n_edges)
        Missed edges by added ones; both come from the same node.
    """
    shape = (len(taxonomy.edge_parents), len(found.rows))
    of_decision = weights[found.rows]
    missed, added = (
        sparse.csr_array((values[decisions], (edges, decisions)), shape=shape)
        for values, (decisions, edges) in (
            (of_decision, found.missed),
            (np.ones(len(of_decision)), found.added),
        )
    )
    # Decisions with one side only have an empty column in one of the tables, and give no pair.
    return sparse.coo_array(missed @ added.T)


def sums_by_level(of_node: Floats, taxonomy: Taxonomy) -> Floats:
    """Return the sums of numbers of nodes over the nodes of each level, the root left out."""
    sums: Floats = np.add.reduceat(of_node, taxonomy.level_offsets[1:-1])
    return sums
