"""Samples of every node where a sample may have several labels, and problems made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, reduce
from typing import Any

import numpy as np
from scipy import sparse

from sklhier._local.keys import Kind, ModelKey
from sklhier._local.problem import REST, LocalProblem
from sklhier._utils.typing import NodeIds, Rows
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["Memberships", "binary_problem", "group_problems", "parent_groups"]


class Memberships:
    """The nodes of every sample's labels, closed under ancestors, by node.

    Parameters
    ----------
    closed : csr_array, shape (n_samples, n_nodes)
        1 for the nodes of each sample, the root left out.
    taxonomy : Taxonomy
        Tree or DAG.
    incremental : bool, default=False
        More samples may follow: every node is to be learnt, also one without a sample or without
        a counterexample so far.

    Examples
    --------
    >>> from scipy import sparse
    >>> from sklhier import Taxonomy
    >>> from sklhier.strategies import Memberships
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> indicator = taxonomy.binarize([["owl", "eel"], ["bird"], ["wren"], []])
    >>> closed = sparse.hstack([sparse.csr_array((4, 1)), indicator]).tocsr()
    >>> members = Memberships(closed, taxonomy)
    >>> members.below(taxonomy.id("bird")), members.exactly(taxonomy.id("bird"))
    (array([0, 1, 2]), array([1]))
    >>> members.without(members.below(taxonomy.id("bird")))
    array([3])
    """

    def __init__(
        self, closed: sparse.csr_array, taxonomy: Taxonomy, *, incremental: bool = False
    ) -> None:
        self.taxonomy = taxonomy
        self.incremental = incremental
        self.n_rows = int(closed.shape[0])
        self._closed = closed
        self._by_node = sparse.csc_array(closed)
        self._by_node.sort_indices()

    @cached_property
    def observed(self) -> NodeIds:
        """Ids of the nodes to learn, ascending: those that have a sample, or all but the root."""
        if self.incremental:
            return np.arange(1, self.taxonomy.n_nodes, dtype=np.int32)
        return np.flatnonzero(np.diff(self._by_node.indptr)).astype(np.int32)

    @cached_property
    def _exact(self) -> Any:
        """The nodes of each sample of which no child is among its nodes."""
        exact = sparse.csc_array(self.taxonomy.most_specific_of(self._closed))
        exact.sort_indices()
        return exact

    def below(self, node: int) -> Rows:
        """Return the samples at or below a node, ascending; all at the root."""
        if node == 0:
            return np.arange(self.n_rows)
        start, stop = self._by_node.indptr[node : node + 2]
        return self._by_node.indices[start:stop].astype(np.intp)

    def exactly(self, node: int) -> Rows:
        """Return the samples that have a label at a node and none below it, ascending."""
        start, stop = self._exact.indptr[node : node + 2]
        return self._exact.indices[start:stop].astype(np.intp)

    def in_all(self, nodes: NodeIds) -> Rows:
        """Return the samples that belong to every one of some nodes, ascending."""
        return reduce(np.intersect1d, (self.below(node) for node in nodes.tolist()))

    def in_any(self, nodes: NodeIds) -> Rows:
        """Return the samples that belong to one of some nodes, ascending."""
        parts = [self.below(node) for node in nodes.tolist()]
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.intp)

    def without(self, rows: Rows) -> Rows:
        """Return all other samples, ascending."""
        other = np.ones(self.n_rows, dtype=bool)
        other[rows] = False
        return np.flatnonzero(other)

    def codes(self, nodes: NodeIds, rows: Rows) -> Any:
        """Return a 0/1 matrix: which of some nodes each of some samples belongs to."""
        return self._closed[rows][:, nodes].toarray().astype(np.int32)


def binary_problem(
    key: ModelKey, node: int, positive: Rows, negative: Rows | None
) -> LocalProblem:
    """Return the problem to tell a node from others; with None for these, that of a constant."""
    if negative is None:
        codes = np.zeros(len(positive), dtype=np.intp)
        return LocalProblem(key, np.array([node], dtype=np.int32), positive, codes)
    rows = np.concatenate([positive, negative])
    codes = np.repeat(np.array([1, 0]), [len(positive), len(negative)])
    order = np.argsort(rows)
    outcomes = np.array([REST, node], dtype=np.int32)
    return LocalProblem(key, outcomes, rows[order], codes[order])


def group_problems(
    key: ModelKey,
    nodes: NodeIds,
    rows: Rows,
    members: Memberships,
    learns_jointly: Callable[[ModelKey], bool],
) -> Iterator[LocalProblem]:
    """Yield the problems of several nodes among the same samples: one of all, or one of each.

    Nodes to which all of the samples belong are constants.
    """
    open_ = []
    for node in nodes.tolist():
        inside = np.intersect1d(rows, members.below(node), assume_unique=True)
        if len(inside) < len(rows) or members.incremental:
            open_.append((node, inside))
        else:
            yield binary_problem(ModelKey(Kind.NODE, node), node, rows, None)
    if len(open_) > 1 and learns_jointly(key):
        several = np.array([node for node, _ in open_], dtype=np.int32)
        yield LocalProblem(key, several, rows, members.codes(several, rows))
        return
    for node, inside in open_:
        other = np.setdiff1d(rows, inside, assume_unique=True)
        yield binary_problem(ModelKey(Kind.NODE, node), node, inside, other)


def parent_groups(members: Memberships) -> list[tuple[NodeIds, NodeIds]]:
    """Return the observed nodes grouped by their parents: ``(parents, nodes)``."""
    taxonomy = members.taxonomy
    starts, parents = ops.csr_of_pairs(
        taxonomy.edge_children, taxonomy.edge_parents, taxonomy.n_nodes
    )
    groups: dict[bytes, tuple[NodeIds, list[int]]] = {}
    for node in members.observed.tolist():
        above = np.sort(parents[starts[node] : starts[node + 1]])
        groups.setdefault(above.tobytes(), (above, []))[1].append(node)
    return [(above, np.array(nodes, dtype=np.int32)) for above, nodes in groups.values()]
