"""Level passes: extremes over ancestors or descendants, one array operation for each level.

Tables hold a node in each row and a sample in each column, so that a node's numbers lie
side by side in memory. The root takes no part.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from sklhier._utils.typing import Floats, NodeIds, Offsets
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = [
    "Step",
    "bottom_up",
    "inner_edges",
    "maximum_from_below",
    "minimum_from_above",
    "top_down",
]


class Step(NamedTuple):
    """One level of a pass: some of its nodes, with their parents or their children.

    Attributes
    ----------
    nodes : ndarray of int32, shape (n,)
        Ids of nodes that have relatives.
    relatives : ndarray of int32, shape (n_relatives,)
        Their parents, or their children.
    starts : ndarray of intp, shape (n,)
        Where those of each node start; none is without.
    """

    nodes: NodeIds
    relatives: NodeIds
    starts: Offsets

    def reduced(self, ufunc: np.ufunc, values: Floats) -> Floats:
        """Return the extreme, or the sum, of the relatives of each node."""
        related = values[self.relatives]
        if len(self.starts) == len(self.relatives):  # one for each, as the parents in a tree
            return related
        found: Floats = ufunc.reduceat(related, self.starts, axis=0)
        return found


def inner_edges(taxonomy: Taxonomy) -> tuple[NodeIds, NodeIds]:
    """Return the parents and children of the edges that do not leave the root, by child."""
    first = int(taxonomy.child_offsets[1])
    parents, children = taxonomy.edge_parents[first:], taxonomy.edge_children[first:]
    order = np.argsort(children, kind="stable")
    return parents[order], children[order]


def top_down(taxonomy: Taxonomy) -> Iterator[Step]:
    """Yield the nodes of each level with their parents, from the second level down."""
    parents, children = inner_edges(taxonomy)
    offsets = ops.offsets_of(np.bincount(children, minlength=taxonomy.n_nodes))
    for start, stop in pairwise(taxonomy.level_offsets[2:].tolist()):
        relatives = parents[offsets[start] : offsets[stop]]
        nodes = np.arange(start, stop, dtype=np.int32)
        yield Step(nodes, relatives, offsets[start:stop] - offsets[start])


def bottom_up(taxonomy: Taxonomy) -> Iterator[Step]:
    """Yield the inner nodes of each level with their children, up to the first level."""
    offsets = taxonomy.child_offsets
    for start, stop in reversed(list(pairwise(taxonomy.level_offsets[1:-1].tolist()))):
        relatives = taxonomy.edge_children[offsets[start] : offsets[stop]]
        # A segment without members would be given its neighbour's value by `reduceat`.
        counts = np.diff(offsets[start : stop + 1])
        nodes = (start + np.flatnonzero(counts)).astype(np.int32)
        yield Step(nodes, relatives, offsets[nodes] - offsets[start])


def minimum_from_above(values: Floats, taxonomy: Taxonomy) -> None:
    """Give every node the smallest value at it and its ancestors, in place.

    Parameters
    ----------
    values : ndarray of float64, shape (n_nodes, n_rows)
        Changed in place; the row of the root is ignored.
    taxonomy : Taxonomy
        A tree or DAG.
    """
    for step in top_down(taxonomy):
        least = step.reduced(np.minimum, values)
        values[step.nodes] = np.minimum(values[step.nodes], least)


def maximum_from_below(values: Floats, taxonomy: Taxonomy) -> None:
    """Give every node the largest value at it and its descendants, in place.

    Parameters
    ----------
    values : ndarray of float64, shape (n_nodes, n_rows)
        Changed in place; the row of the root is ignored.
    taxonomy : Taxonomy
        A tree or DAG.
    """
    for step in bottom_up(taxonomy):
        most = step.reduced(np.maximum, values)
        values[step.nodes] = np.maximum(values[step.nodes], most)
