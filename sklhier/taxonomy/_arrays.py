"""The nodes and edges of a taxonomy as read-only integer arrays."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from functools import cached_property
from itertools import repeat

import numpy as np
from scipy import sparse

from sklhier._utils.frozen import frozen_property
from sklhier._utils.typing import Floats, NodeIds, Offsets
from sklhier.exceptions import TaxonomyError
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._closure import Links, ancestor_table, lifts_of

__all__ = ["Arrays"]

_SMALL = 2**11  # so many nodes have a closure that may be kept, whatever their edges
_FEW = 1_000  # members of sets whose ancestors are gathered rather than multiplied


class Arrays:
    """Arrays of :class:`~sklhier.Taxonomy`, which inherits them."""

    _names: tuple[Hashable, ...]
    _edges: tuple[NodeIds, NodeIds]
    _depths: NodeIds

    @property
    def n_nodes(self) -> int:
        """Number of nodes, the root included."""
        return len(self._names)

    @property
    def n_levels(self) -> int:
        """Depth of the deepest node; the root has depth 0."""
        return int(self._depths[-1])

    @property
    def depths(self) -> NodeIds:
        """Depth of every node (ndarray of int32, shape (n_nodes,)), ascending.

        In a DAG it is the longest distance from the root.
        """
        return self._depths

    @property
    def edge_parents(self) -> NodeIds:
        """Parent of every edge (ndarray of int32, shape (n_edges,)), ascending."""
        return self._edges[0]

    @property
    def edge_children(self) -> NodeIds:
        """Child of every edge (ndarray of int32, shape (n_edges,)), ascending for each parent."""
        return self._edges[1]

    @frozen_property
    def child_offsets(self) -> Offsets:
        """Offsets of the children in ``edge_children`` (ndarray of intp, shape (n_nodes + 1,)).

        Children of node ``v`` are ``edge_children[child_offsets[v]:child_offsets[v + 1]]``.
        """
        counts = np.bincount(self._edges[0], minlength=self.n_nodes)
        return ops.offsets_of(counts)

    @frozen_property
    def _parent_groups(self) -> tuple[Offsets, NodeIds]:
        return ops.csr_of_pairs(self._edges[1], self._edges[0], self.n_nodes)

    @cached_property
    def is_tree(self) -> bool:
        """Whether every node but the root has exactly one parent."""
        return len(self._edges[0]) == self.n_nodes - 1

    @frozen_property
    def parent_ids(self) -> NodeIds:
        """Parent of every node of a tree (ndarray of int32, shape (n_nodes,)), root -1."""
        self.require_tree("The parent of a node")
        parents = np.empty(self.n_nodes, dtype=np.int32)
        parents[0] = -1
        parents[self._edges[1]] = self._edges[0]
        return parents

    @frozen_property
    def _preorder(self) -> tuple[NodeIds, NodeIds]:
        return ops.preorder(self.parent_ids)

    @property
    def preorder_positions(self) -> NodeIds:
        """Position of every node of a tree in preorder (ndarray of int32, shape (n_nodes,)).

        The nodes at and below ``v`` are those at ``[position, position + subtree_sizes[v])``.
        """
        return self._preorder[0]

    @property
    def subtree_sizes(self) -> NodeIds:
        """Number of nodes at and below every node of a tree (ndarray of int32)."""
        return self._preorder[1]

    @frozen_property
    def level_offsets(self) -> Offsets:
        """Offsets of the levels (ndarray of intp, shape (n_levels + 2,)).

        Ids of depth ``d`` are ``[level_offsets[d], level_offsets[d + 1])``.
        """
        return ops.offsets_of(np.bincount(self._depths))

    @frozen_property
    def leaf_ids(self) -> NodeIds:
        """Ids of the nodes without children, ascending (ndarray of int32)."""
        leaves = np.flatnonzero(np.diff(self.child_offsets) == 0)
        return leaves.astype(np.int32)

    @property
    def links(self) -> Links:
        """The edges upwards: parents in groups by child, and depths."""
        return Links(*self._parent_groups, self._depths)

    @frozen_property
    def lifts(self) -> tuple[NodeIds, ...]:
        """Ancestors of every node of a tree 1, 2, 4, ... steps above (ndarrays of int32).

        The root is its own ancestor there.
        """
        self.require_tree("The ancestor of a node so many steps above")
        return lifts_of(self.links)

    @frozen_property
    def ancestor_closure(self) -> sparse.csr_array:
        """Sparse float64 matrix, (n_nodes, n_nodes): row ``v`` marks ``v`` and its ancestors.

        The root is left out: row 0 and column 0 are empty. A product with it closes target
        sets upwards, and sums class probabilities into marginals of nodes. For some nodes alone
        :meth:`ancestors_of` is enough.
        """
        return self._ancestor_table(np.arange(self.n_nodes, dtype=np.int32))

    def _ancestor_table(self, nodes: NodeIds) -> sparse.csr_array:
        return ancestor_table(nodes, self.links, self.lifts if self.is_tree else None)

    def _knows_closure(self) -> bool:
        """Whether the whole closure is there, or so small that it may be kept."""
        return self.n_nodes <= _SMALL or "ancestor_closure" in self.__dict__

    def ancestors_of(self, nodes: NodeIds) -> sparse.csr_array:
        """Return the rows of :attr:`ancestor_closure` for some nodes, without all the others.

        Parameters
        ----------
        nodes : ndarray of int, shape (n,)
            Ids of nodes, in any order, also several times.

        Returns
        -------
        table : csr_array of float64, shape (n, n_nodes)
            0/1, sorted, the root left out.

        Raises
        ------
        TaxonomyError
            If the table does not fit in memory.
        """
        if self._knows_closure():
            return sparse.csr_array(self.ancestor_closure[nodes])
        distinct, rows = np.unique(nodes, return_inverse=True)
        return sparse.csr_array(self._ancestor_table(distinct.astype(np.int32))[rows])

    def with_ancestors(self, members: sparse.csr_array) -> sparse.csr_array:
        """Return sets of nodes with all ancestors, the root left out.

        Parameters
        ----------
        members : csr_array, shape (n_sets, n_nodes)
            Anything but 0 marks a member.

        Returns
        -------
        closed : csr_array of float64, shape (n_sets, n_nodes)
            0/1, sorted, without explicit zeros.
        """
        if self._knows_closure():
            return ops.marked(sparse.csr_array(members @ self.ancestor_closure))
        # A node with a child in its set adds nothing; sets may be closed already, and are large then.
        given = ops.marked(members.copy())
        given.data = ops.most_specific(given, *self._edges).astype(np.float64)
        given = ops.marked(given)
        distinct, columns = np.unique(given.indices, return_inverse=True)
        shape = (given.shape[0], len(distinct))
        given = sparse.csr_array((given.data, columns, given.indptr), shape=shape)
        above = self._ancestor_table(distinct.astype(np.int32))
        return ops.marked(sparse.csr_array(given @ above))

    def closed_sets(self, nodes: NodeIds, offsets: Offsets) -> sparse.csr_array:
        """Return sets of nodes with all ancestors, as :meth:`with_ancestors` does.

        Parameters
        ----------
        nodes : ndarray of int
            Those of the first set, ascending, then those of the second, and so on.
        offsets : ndarray of int, shape (n_sets + 1,)
            Set ``i`` has the nodes ``[offsets[i], offsets[i + 1])``.
        """
        n_sets = len(offsets) - 1
        if not self._knows_closure() or len(nodes) > _FEW:
            own = (np.ones(len(nodes)), nodes, offsets)
            return self.with_ancestors(sparse.csr_array(own, shape=(n_sets, self.n_nodes)))
        # Small products of SciPy spend their time on what they check.
        above = self.ancestor_closure
        starts = above.indptr[nodes]
        counts = above.indptr[nodes + 1] - starts
        found = above.indices[ops.concatenated_ranges(starts, counts)].astype(np.int64)
        firsts = np.arange(n_sets + 1) * self.n_nodes
        found += np.repeat(np.repeat(firsts[:-1], np.diff(offsets)), counts)
        found.sort()
        is_new = np.ones(len(found), dtype=bool)
        np.not_equal(found[1:], found[:-1], out=is_new[1:])
        found = found[is_new]
        columns = (found % self.n_nodes).astype(np.int32)
        bounds = found.searchsorted(firsts).astype(np.int32)
        shape = (n_sets, self.n_nodes)
        return sparse.csr_array((np.ones(len(columns)), columns, bounds), shape=shape)

    def _row_blocks(self, nodes: NodeIds) -> Iterator[sparse.csr_array]:
        """Yield the rows of the closure for some nodes, so many at a time."""
        for start in range(0, len(nodes), _SMALL):
            yield self.ancestors_of(nodes[start : start + _SMALL])

    @frozen_property
    def closure_sizes(self) -> NodeIds:
        """Number of nodes at and above every node, the root left out (ndarray of int32).

        In a tree it is the depth.
        """
        if self.is_tree:
            return self._depths
        everything = np.arange(self.n_nodes, dtype=np.int32)
        sizes = [np.diff(rows.indptr) for rows in self._row_blocks(everything)]
        return np.concatenate(sizes).astype(np.int32)

    @frozen_property
    def n_leaves_below(self) -> NodeIds:
        """Number of leaves at and below every node (ndarray of int32, shape (n_nodes,))."""
        if not self.is_tree:
            counts = np.zeros(self.n_nodes, dtype=np.int32)
            for rows in self._row_blocks(self.leaf_ids):
                counts += np.bincount(rows.indices, minlength=self.n_nodes).astype(np.int32)
            counts[0] = len(self.leaf_ids)
            return counts
        # In preorder the leaves below a node are a range, so a running count gives their number.
        position, size = self._preorder
        before = np.zeros(self.n_nodes + 1, dtype=np.int32)
        before[position[self.leaf_ids] + 1] = 1
        np.cumsum(before, out=before)
        return before[position + size] - before[position]

    @frozen_property
    def information(self) -> Floats:
        """Information of every node in bits (ndarray of float64, shape (n_nodes,)); root 0.

        The binary logarithm of the number of leaves over the number at and below the node: the
        information of the node if all leaves are equally probable.
        """
        return np.log2(len(self.leaf_ids) / self.n_leaves_below)

    @frozen_property
    def heights(self) -> NodeIds:
        """Largest distance from every node down to a leaf (ndarray of int32, shape (n_nodes,))."""
        heights = [0] * self.n_nodes
        # A plain loop: a pass by levels would take a step on arrays for each level of a long chain.
        for parent, child in zip(*(edges[::-1].tolist() for edges in self._edges), strict=True):
            heights[parent] = max(heights[parent], heights[child] + 1)  # children come first
        return np.array(heights, dtype=np.int32)

    def children_of(self, node: int) -> NodeIds:
        """Return the ids of the children of the node with id `node`."""
        return self._edges[1][self.child_offsets[node] : self.child_offsets[node + 1]]

    def parents_of(self, node: int) -> NodeIds:
        """Return the ids of the parents of the node with id `node`."""
        offsets, members = self._parent_groups
        return members[offsets[node] : offsets[node + 1]]

    def require_tree(self, what: str) -> None:
        """Raise a TaxonomyError that names a node with several parents, unless a tree."""
        if not self.is_tree:
            shared = int(np.argmax(np.bincount(self._edges[1]) > 1))
            names = [self._names[parent] for parent in self.parents_of(shared)]
            raise TaxonomyError.not_a_tree(what, self._names[shared], names)

    @cached_property
    def _index(self) -> dict[Hashable, int]:
        return dict(zip(self._names, range(self.n_nodes), strict=True))

    def ids(self, names: Iterable[Hashable]) -> NodeIds:
        """Return the ids of `names` (ndarray of int32), -1 for a name that is no node."""
        names = names if isinstance(names, list) else list(names)
        found = map(self._index.get, names, repeat(-1))
        return np.fromiter(found, dtype=np.int32, count=len(names))

    def id(self, name: Hashable) -> int:
        """Return the id of one node; raise a TaxonomyError that lists the nearest names."""
        found = self._index.get(name, -1)
        if found < 0:
            raise TaxonomyError.unknown(name, self._names[1:])
        return found
