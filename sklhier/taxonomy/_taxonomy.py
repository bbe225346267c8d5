"""The taxonomy: a tree or DAG of classes, compiled once into read-only integer arrays."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise, repeat
from types import MappingProxyType
from typing import Any, Literal, Self, TypeAlias, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._utils.columns import array_of, values_of
from sklhier._utils.frozen import frozen, frozen_property
from sklhier._utils.typing import (
    DirectedGraph,
    Floats,
    Labels,
    NodeIds,
    Objects,
    Offsets,
    Rows,
    SparseTable,
    Target,
)
from sklhier.exceptions import TargetError, TaxonomyError
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._closure import Links, ancestor_table, lifts_of
from sklhier.taxonomy._compile import ROOT, compiled
from sklhier.taxonomy._construction import checked_names
from sklhier.taxonomy._encoding import encode
from sklhier.taxonomy._json import document_of, nested_names, write_json
from sklhier.taxonomy._lint import Findings, found_in
from sklhier.taxonomy._parsing import grouped, label_array, members_by_row, plain, read_bits
from sklhier.taxonomy._readers import Readers
from sklhier.taxonomy._text import draw_html, draw_tree
from sklhier.taxonomy._titles import Titles, read_titles, titled_text

__all__ = ["ROOT", "Taxonomy", "TaxonomyLike"]


_SMALL = 2**11  # so many nodes have a closure that may be kept, whatever their edges


@final
class Taxonomy(Readers):
    """A tree or directed acyclic graph of classes.

    Build one with :meth:`from_edges`, :meth:`from_parents`, :meth:`from_dict`,
    :meth:`from_networkx`, :meth:`from_levels`, :meth:`from_paths` or :meth:`flat`, or read a file by
    :meth:`from_csv`, :meth:`from_codes`, :meth:`from_obo`, :meth:`from_newick` or
    :meth:`from_path_lines`; the constructor itself takes integers and is for code that builds
    taxonomies.

    Nodes are numbered from the root (0) downwards: parents before children, a level is a
    range of ids, and so are the siblings in a tree. ``taxonomy.nodes[i]`` is the name of node
    ``i``. The root stands for "anything": it is left out of paths, ancestors, levels, closures and
    metrics. Over several roots an artificial one is added, whose name is the constant
    ``sklhier.taxonomy.ROOT``.

    A taxonomy never changes; it is hashable, compares by content, and may be shared by any number
    of estimators (cloning an estimator does not copy it). Nodes may have titles, which displays and
    reports show beside the names; see :meth:`with_titles`. They do not count for equality.

    Parameters
    ----------
    names : sequence of hashable, length n
        Distinct names.
    parents, children : array-like of int, shape (n_edges,)
        Edge ``i`` goes from ``names[parents[i]]`` to ``names[children[i]]``. Siblings keep the
        order of their edges.
    steps : sequence of hashable, length n, default=None
        Name of each node as a step of a path, where it differs from its name (the last part of a
        name that is itself a path).
    root : int, default=None
        Position of the root. By default every node without a parent is a root, with an
        artificial one above them if there are several.
    artificial_root : bool, default=False
        Put an artificial root above even a single root.
    titles : mapping or sequence of str, default=None
        Words for readers, by name or one for each of `names`; see :meth:`with_titles`.

    Raises
    ------
    TaxonomyError
        For a cycle, a repeated edge, a node that cannot be reached from the root, a missing name,
        no node at all. The message names the culprit.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> taxonomy = Taxonomy.from_edges(
    ...     [("animal", "bird"), ("animal", "fish"), ("bird", "owl"), ("bird", "wren")]
    ... )
    >>> taxonomy
    Taxonomy(tree of 5 nodes, 3 leaves, depth 2)
    >>> print(taxonomy)
    animal
    ├── bird
    │   ├── owl
    │   └── wren
    └── fish
    >>> taxonomy.nodes
    ('animal', 'bird', 'fish', 'owl', 'wren')
    >>> taxonomy.path("owl"), taxonomy.lca("owl", "wren"), taxonomy.distance("owl", "fish")
    (('bird', 'owl'), 'bird', 3)
    """

    _names: tuple[Hashable, ...]
    _steps: tuple[Hashable, ...]
    _edges: tuple[NodeIds, NodeIds]
    _depths: NodeIds
    _titles: dict[Hashable, str]

    def __init__(
        self,
        names: Sequence[Hashable],
        parents: NodeIds | Sequence[int],
        children: NodeIds | Sequence[int],
        *,
        steps: Sequence[Hashable] | None = None,
        root: int | None = None,
        artificial_root: bool = False,
        titles: Titles | None = None,
    ) -> None:
        state = compiled(
            names, parents, children, steps=steps, root=root, artificial_root=artificial_root
        )
        if titles is not None:
            words = read_titles(titles, list(map(plain, names)))
            state["titles"] = list(map(words.get, state["names"]))
        # The one way to set attributes, shared with unpickling: a taxonomy refuses all others.
        self.__setstate__(state)

    # -- state ----------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        artificial = self._names[0] is ROOT
        # Taxonomies without titles are saved as before there were any.
        words = {"titles": list(map(self._titles.get, self._names[artificial:]))}
        return {
            **(words if self._titles else {}),
            "artificial_root": artificial,
            "names": list(self._names[artificial:]),
            "steps": None if self._steps is self._names else list(self._steps[artificial:]),
            "parents": self._edges[0],
            "children": self._edges[1],
            "depths": self._depths,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        top = (ROOT,) if state["artificial_root"] else ()
        names = (*top, *state["names"])
        steps = names if state["steps"] is None else (*top, *state["steps"])
        edges = tuple(frozen(np.asarray(state[key])) for key in ("parents", "children"))
        titles = zip(state["names"], state.get("titles") or (), strict=False)
        self.__dict__.update(
            _titles={name: title for name, title in titles if title is not None},
            _names=names,
            _steps=steps,
            _edges=edges,
            _depths=frozen(np.asarray(state["depths"])),
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A taxonomy does not change: {name!r} cannot be set.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"A taxonomy does not change: {name!r} cannot be deleted.")

    def __sklearn_clone__(self) -> Self:
        return self

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Taxonomy):
            return NotImplemented
        return self is other or (
            self._names == other._names
            and self._steps == other._steps
            and all(map(np.array_equal, self._edges, other._edges))
        )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self._names, self._edges[0].tobytes(), self._edges[1].tobytes()))

    # -- integers -------------------------------------------------------------------------

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

    # -- names ----------------------------------------------------------------------------

    @property
    def nodes(self) -> tuple[Hashable, ...]:
        """Names of all nodes in the order of their ids, the root first."""
        return self._names

    @property
    def root(self) -> Hashable | None:
        """Name of the root, or None if it is an artificial one."""
        return None if self._names[0] is ROOT else self._names[0]

    @property
    def leaves(self) -> tuple[Hashable, ...]:
        """Names of the nodes without children."""
        return tuple(self._names[leaf] for leaf in self.leaf_ids)

    @property
    def levels(self) -> tuple[tuple[Hashable, ...], ...]:
        """Names by level from the top; ``levels[0]`` holds the children of the root."""
        offsets = self.level_offsets.tolist()
        return tuple(self._names[start:stop] for start, stop in pairwise(offsets[1:]))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, Hashable) and name in self._index

    def depth(self, name: Hashable) -> int:
        """Return the depth of a node; the root has 0, its children at least 1."""
        return int(self._depths[self.id(name)])

    def children(self, name: Hashable) -> tuple[Hashable, ...]:
        """Return the names of a node's children."""
        return tuple(self._names[child] for child in self.children_of(self.id(name)))

    def parents(self, name: Hashable) -> tuple[Hashable, ...]:
        """Return the names of a node's parents, an artificial root left out."""
        above = (self._names[parent] for parent in self.parents_of(self.id(name)))
        return tuple(parent for parent in above if parent is not ROOT)

    def _reached(self, start: int, *, up: bool) -> dict[int, int]:
        """Return the ids reached from `start`, each with the least number of steps."""
        step = self.parents_of if up else self.children_of
        found = {start: 0}
        todo = [start]
        for node in todo:  # grows while it is read
            for other in step(node).tolist():
                if other not in found:
                    found[other] = found[node] + 1
                    todo.append(other)
        return found

    def ancestors(self, name: Hashable) -> tuple[Hashable, ...]:
        """Return the names of all nodes above a node, from the top, the root left out."""
        start = self.id(name)
        above = sorted(self._reached(start, up=True).keys() - {0, start})
        return tuple(self._names[node] for node in above)

    def descendants(self, name: Hashable) -> tuple[Hashable, ...]:
        """Return the names of all nodes below a node, from the top."""
        start = self.id(name)
        below = sorted(self._reached(start, up=False).keys() - {start})
        return tuple(self._names[node] for node in below)

    def path(self, name: Hashable) -> tuple[Hashable, ...]:
        """Return the names from the first level down to a node, the root left out.

        Raises
        ------
        TaxonomyError
            If several paths lead there.
        """
        walk: list[int] = []
        node = self.id(name)
        while node:
            walk.append(node)
            above = self.parents_of(node)
            if len(above) > 1:
                several = [self._names[parent] for parent in above]
                raise TaxonomyError.not_a_tree("The path to a node", self._names[node], several)
            node = int(above[0])
        return tuple(self._names[node] for node in reversed(walk))

    def lca(self, first: Hashable, second: Hashable) -> Hashable | None:
        """Return the lowest common ancestor of two nodes (a node counts as its own ancestor).

        In a DAG the deepest one, the first in node order among equals. None stands for an
        artificial root.
        """
        common = self._reached(self.id(first), up=True).keys() & self._reached(
            self.id(second), up=True
        )
        deepest = max(common, key=lambda node: (self._depths[node], -node))
        return self.root if deepest == 0 else self._names[deepest]

    def distance(self, first: Hashable, second: Hashable) -> int:
        """Return the number of edges between two nodes, through a common ancestor."""
        up_first = self._reached(self.id(first), up=True)
        up_second = self._reached(self.id(second), up=True)
        return min(up_first[node] + up_second[node] for node in up_first.keys() & up_second)

    # -- labels ---------------------------------------------------------------------------

    def encode(
        self,
        y: Target,
        *,
        classes: npt.ArrayLike | None = None,
        kind: Literal["one", "sets"] | None = None,
        unknown: Literal["error", "ignore"] = "error",
    ) -> Any:
        """Return labels of any format as names of nodes: new data for a taxonomy that exists.

        It reads what ``fit`` reads: labels, paths as columns or lists, indicators, and collections of
        labels or of paths. The answer goes into ``fit``, metrics, splitters and :meth:`binarize`.

        Parameters
        ----------
        y : array-like, sparse matrix, data frame or list, of n_samples rows
            Labels of any format.
        classes : array-like, default=None
            Labels that the columns of an indicator, or integer codes, stand for.
        kind : {"one", "sets"}, default=None
            What rows hold: one label or path, or any number of labels. None finds out; a list
            of steps that are not all in the taxonomy is then read as a collection of labels.
        unknown : {"error", "ignore"}, default="error"
            Whether to refuse labels that are no nodes. ``"ignore"`` gives None in place of an
            unknown label or path, and leaves it out of a collection; columns of an indicator are
            always refused.

        Returns
        -------
        labels : ndarray, shape (n_samples,), or list of n_samples lists
            The name of the node of each row, None for a row without label: an array of the type of
            the names, or of objects where there is a None. For collections and indicators, a list
            of names for each row, each name once, in the order of ``nodes``.

        Raises
        ------
        TargetError
            For labels that are no nodes, gaps in paths, and what else ``fit`` refuses. The message
            names the rows.

        See Also
        --------
        to_levels : The way back to paths.
        binarize : Collections of labels as an indicator.

        Examples
        --------
        >>> labels, taxonomy = Taxonomy.from_levels([["a", 1], ["a", 2], ["b", None]])
        >>> taxonomy.encode([["b", None], ["a", 2]])
        array(['b', 'a/2'], dtype='<U3')
        >>> taxonomy.encode([["a", 3], ["a", 1]], kind="one", unknown="ignore")
        array([None, 'a/1'], dtype=object)
        >>> taxonomy.encode([{"b", "a/2"}, set()])
        [['b', 'a/2'], []]
        """
        return encode(y, self, classes=classes, kind=kind, unknown=unknown)

    # -- titles ---------------------------------------------------------------------------

    @property
    def titles(self) -> Mapping[Hashable, str]:
        """Titles by name, of the nodes that have one, in the order of ``nodes``; read-only."""
        return MappingProxyType(self._titles)

    def title_of(self, name: Hashable) -> str | None:
        """Return the title of a node, or None if it has none."""
        return self._titles.get(self._names[self.id(name)])

    def titled(self, names: Iterable[object]) -> list[str]:
        """Return names as text, each followed by its title if it has one.

        Parameters
        ----------
        names : iterable of hashable
            Names of nodes; None stands for the root.

        Returns
        -------
        texts : list of str

        Raises
        ------
        TaxonomyError
            For a name that is no node.

        Examples
        --------
        >>> taxonomy = Taxonomy.from_dict({"31-33": ["311"]}, titles={"31-33": "Manufacturing"})
        >>> taxonomy.titled(["31-33", "311"])
        ['31-33 Manufacturing', '311']
        """
        known = [self._names[0] if name is None else self._names[self.id(name)] for name in names]
        return [titled_text(name, self._titles.get(name)) for name in known]

    def with_titles(self, titles: Titles, *, unknown: str = "error") -> Self:
        """Return the taxonomy with other titles, which displays and reports show beside the names.

        Titles are words for readers: labels are read by names alone, and taxonomies that differ in
        titles only are equal.

        Parameters
        ----------
        titles : mapping of names to titles, or sequence of str
            A mapping may leave nodes out; a sequence has one title for each of ``nodes``. None,
            NaN and blank text stand for no title, an empty mapping takes all titles away.
        unknown : {"error", "ignore"}, default="error"
            Whether to refuse or to leave out titles of what is no node.

        Raises
        ------
        TaxonomyError
            For a title that is no string, one for no node, and a sequence of another length.

        Examples
        --------
        >>> taxonomy = Taxonomy.from_dict({"31-33": ["311", "312"]})
        >>> print(taxonomy.with_titles({"31-33": "Manufacturing", "311": "Food"}))
        31-33 Manufacturing
        ├── 311 Food
        └── 312
        """
        words = read_titles(titles, self._names, unknown)
        twin = object.__new__(type(self))
        # All other attributes never change: what is computed already serves both.
        twin.__dict__.update(self.__dict__, _titles=words)
        twin.__dict__.pop("_step_texts", None)
        return twin

    def text_of(self, node: int) -> str:
        """Return the last step and the title of the node with id `node`, as displays show it."""
        return titled_text(self._steps[node], self._titles.get(self._names[node]))

    # -- other taxonomies -----------------------------------------------------------------

    def _restricted(self, keep: set[int], root: int) -> Self:
        order = sorted(keep)
        rank = np.full(self.n_nodes, -1, dtype=np.int32)
        rank[order] = np.arange(len(order))
        parents, children = rank[self._edges[0]], rank[self._edges[1]]
        inside = (parents >= 0) & (children >= 0)
        return type(self)(
            [self._names[node] for node in order],
            parents[inside],
            children[inside],
            steps=[self._steps[node] for node in order],
            root=int(rank[root]),
            titles=[self._titles.get(self._names[node]) for node in order],
        )

    def subtree(self, name: Hashable) -> Self:
        """Return the taxonomy at and below a node, which becomes its root."""
        start = self.id(name)
        return self._restricted(set(self._reached(start, up=False)), start)

    def prune(self, names: Iterable[Hashable]) -> Self:
        """Return the taxonomy without some nodes and the nodes that only they lead to.

        Examples
        --------
        >>> Taxonomy.from_dict({"a": ["x", "y"], "b": ["z"]}).prune(["x", "b"]).leaves
        ('y',)
        """
        gone = {self.id(name) for name in names}
        keep = {0}
        for node in range(1, self.n_nodes):  # parents come first
            if node not in gone and not keep.isdisjoint(self.parents_of(node).tolist()):
                keep.add(node)
        return self._restricted(keep, 0)

    def graft(self, pairs: Iterable[tuple[Hashable | None, Hashable]]) -> Self:
        """Return the taxonomy with more ``(parent, child)`` edges, and so more nodes.

        A parent of None stands for the root. Nodes keep their names; their ids change.

        Examples
        --------
        >>> Taxonomy.from_dict({"a": ["x"], "b": []}).graft([("b", "z"), (None, "c")]).leaves
        ('c', 'x', 'z')
        """
        pairs = [(self._names[0] if above is None else above, below) for above, below in pairs]
        above = checked_names((pair[0] for pair in pairs), "as a parent")
        below = checked_names((pair[1] for pair in pairs), "as a child")
        names = list(dict.fromkeys([*self._names, *below]))
        steps = [*self._steps, *names[self.n_nodes :]]
        index = dict(zip(names, range(len(names)), strict=True))
        unknown = [name for name in above if name not in index]
        if unknown:
            raise TaxonomyError.unknown(unknown[0], self._names)
        parents = [*self._edges[0].tolist(), *(index[name] for name in above)]
        children = [*self._edges[1].tolist(), *(index[name] for name in below)]
        return type(self)(names, parents, children, steps=steps, root=0, titles=self._titles)

    # -- oddities -------------------------------------------------------------------------

    def lint(self, labels: Iterable[object] | None = None) -> Findings:
        """Return what in the taxonomy was perhaps not meant.

        It looks for siblings that differ only in case, blanks or Unicode form
        (``"look_alikes"``), names such as nan, None, ``""`` or unknown (``"doubtful_names"``), chains
        of nodes with one child (``"single_children"``), edges that seem to go from child to
        parent (``"reversed_edges"``), more than 50 levels (``"deep"``) or 1,000 children
        (``"wide"``), and one level whose names look like paths (``"paths"``).

        Parameters
        ----------
        labels : array-like, shape (n_samples,), default=None
            Names of nodes, or collections of them. If given, also nodes without a label at or below
            them (``"unused"``), and labels that are no nodes (``"unknown_labels"``).

        Returns
        -------
        findings : tuple of Finding
            One for each kind that occurs, with the attributes ``kind``, ``cases`` (names, or tuples
            of names that belong together) and ``advice``; empty if nothing is odd.

        Examples
        --------
        >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "Owl"], "fish": {"ray": ["nan"]}})
        >>> taxonomy.lint(["owl", "Owl"])
        look_alikes (1): 'owl', 'Owl'
            Siblings that differ only in case, blanks or the Unicode form of their letters.
        doubtful_names (1): 'nan'
            Names that look like a missing label, have blanks at an end, or hold characters that
            were read wrongly. Pass `missing=` and `strip=` to from_levels or from_paths.
        single_children (1): 'fish', 'ray', 'nan'
            Nodes with one child each: nothing is decided there, and every metric counts the level.
        unused (3): 'fish'; 'ray'; 'nan'
            Nodes without a label at or below them. `prune` leaves them out.
        """
        return found_in(self, labels)

    # -- conversion -----------------------------------------------------------------------

    def to_networkx(self) -> Any:
        """Return a :class:`networkx.DiGraph`, an artificial root left out.

        Titles become the attribute ``title`` of its nodes.
        """
        import networkx as nx

        graph = nx.DiGraph()
        first = 1 if self._names[0] is ROOT else 0
        graph.add_nodes_from(self._names[first:])
        nx.set_node_attributes(graph, self._titles, "title")
        for parent, child in zip(*(ids.tolist() for ids in self._edges), strict=True):
            if parent >= first:
                graph.add_edge(self._names[parent], self._names[child])
        return graph

    def to_dict(self, *, nested: bool = False) -> dict[Any, Any]:
        """Return the taxonomy as lists, strings and numbers, which JSON and YAML can hold.

        :meth:`from_dict` makes an equal taxonomy of it, with its titles: names keep their types and
        order. Names that JSON does not know become an object with the name of their type, such as
        ``{"tuple": ["a", 1]}``: tuples, bytes, dates, times and infinite numbers.

        Parameters
        ----------
        nested : bool, default=False
            Return names alone, nested in each other as in ``{"bird": {"owl": {}, "wren": {}}}``. An
            artificial root, titles and steps are left out.

        Returns
        -------
        document : dict
            ``format`` (``"sklhier.Taxonomy"``), ``version`` (1), ``names`` in the order of
            ``nodes`` (the first is None for an artificial root), ``parents`` and ``children`` of the
            edges as positions of names, and ``steps`` and ``titles`` where there are any.

        Raises
        ------
        TaxonomyError
            For a name of any other type; if `nested`, for a DAG.

        Examples
        --------
        >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": None})
        >>> document = taxonomy.to_dict()
        >>> document["names"], document["parents"], document["children"]
        ([None, 'bird', 'fish', 'owl', 'wren'], [0, 0, 1, 1], [1, 2, 3, 4])
        >>> Taxonomy.from_dict(document) == taxonomy
        True
        >>> taxonomy.to_dict(nested=True)
        {'bird': {'owl': {}, 'wren': {}}, 'fish': {}}
        """
        if not nested:
            return document_of(self)
        return nested_names(self._names, self.parent_ids.tolist())

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Write what :meth:`to_dict` returns as JSON, which :meth:`from_json` reads.

        Parameters
        ----------
        path : str or path, default=None
            The file to write, in UTF-8. None returns the text.

        Returns
        -------
        text : str or None

        Raises
        ------
        TaxonomyError
            For a name that is no string, number, boolean, bytes, date, time or tuple of them.
        """
        return write_json(document_of(self), path)

    def to_levels(self, labels: Iterable[object], *, titled: bool = False) -> Objects:
        """Return the path of each label, one column for each level, padded with None.

        Parameters
        ----------
        labels : array-like, shape (n_samples,)
            Names of nodes; None stands for the root.
        titled : bool, default=False
            Return text: each step followed by the title of its node, if it has one.

        Returns
        -------
        levels : ndarray of object, shape (n_samples, n_levels)
            Steps from the first level down, in their own types unless `titled`.
        """
        values = values_of(label_array(labels))
        nodes = self.ids(values)
        if (nodes < 0).any():
            nodes[[value is None for value in values]] = 0
        if (nodes < 0).any():
            unknown = [value for value, node in zip(values, nodes, strict=True) if node < 0]
            raise TargetError.unknown(list(dict.fromkeys(unknown)), self._names[1:])
        return self.levels_of(nodes, titled=titled)

    @frozen_property
    def step_names(self) -> Objects:
        """Last step of the path to each node (ndarray of object, shape (n_nodes,))."""
        steps = np.empty(self.n_nodes, dtype=object)
        steps[:] = self._steps
        return steps

    @frozen_property
    def typed_names(self) -> Labels:
        """Names of all nodes but the root, as an array of their own type."""
        return array_of(list(self._names[1:]))

    @frozen_property
    def _step_texts(self) -> Objects:
        texts = np.empty(self.n_nodes, dtype=object)
        texts[:] = list(map(self.text_of, range(self.n_nodes)))
        return texts

    @frozen_property
    def node_names(self) -> Objects:
        """Names of all nodes (ndarray of object, shape (n_nodes,))."""
        names = np.empty(self.n_nodes, dtype=object)
        names[:] = self._names
        return names

    def path_ids(self, nodes: NodeIds) -> NodeIds:
        """Return the ancestor at each level, or -1 below a node's own level.

        Parameters
        ----------
        nodes : ndarray of int32, shape (n,)
            Ids of nodes of a tree.

        Returns
        -------
        paths : ndarray of int32, shape (n, n_levels)
            Column ``k`` holds the ancestor of depth ``k + 1``.
        """
        self.require_tree("A path")
        distinct, rows = np.unique(np.maximum(nodes, 0), return_inverse=True)
        above = self.ancestors_of(distinct)
        paths = np.full((len(distinct), self.n_levels), -1, dtype=np.int32)
        paths[ops.entry_rows(above), self._depths[above.indices] - 1] = above.indices
        return paths[rows]

    def levels_of(self, nodes: NodeIds, *, titled: bool = False) -> Objects:
        """Return the steps of each node's path, as :meth:`to_levels`, from ids."""
        paths = self.path_ids(nodes)
        levels = (self._step_texts if titled else self.step_names)[paths]
        levels[paths < 0] = None
        return levels

    @cached_property
    def _step_codes(self) -> dict[Hashable, int]:
        return {step: code for code, step in enumerate(dict.fromkeys(self._steps))}

    @frozen_property
    def _step_edges(self) -> tuple[Any, NodeIds]:
        """Keys ``parent * n_steps + step`` of all edges, ascending, and the child of each."""
        codes = np.fromiter(map(self._step_codes.__getitem__, self._steps), np.int64, self.n_nodes)
        keys = self._edges[0] * np.int64(len(self._step_codes)) + codes[self._edges[1]]
        order = np.argsort(keys, kind="stable")  # for binary search, one for all rows of a level
        return keys[order], self._edges[1][order]

    def walk(self, columns: Sequence[Sequence[Hashable]], codes: Rows) -> NodeIds:
        """Follow paths from the root; the inverse of :meth:`path_ids`.

        Parameters
        ----------
        columns : sequence of sequences of hashable
            Distinct steps at each level.
        codes : ndarray of int, shape (n, n_levels)
            Position in ``columns[level]``, -1 for padding.

        Returns
        -------
        nodes : ndarray of int32, shape (n,)
            The node at which each path ends; ``-2 - k`` if its step ``k`` leads nowhere.
        """
        keys, children = self._step_edges
        nodes = np.zeros(codes.shape[0], dtype=np.int32)
        for level, uniques in enumerate(columns):
            step_codes = np.fromiter(
                map(self._step_codes.get, uniques, repeat(-1)), np.int64, len(uniques)
            )
            rows = np.flatnonzero((codes[:, level] >= 0) & (nodes >= 0))
            step = step_codes[codes[rows, level]]
            wanted = nodes[rows] * np.int64(len(self._step_codes)) + step
            # A key past the end is compared with the last one, and differs from it.
            found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            hit = (keys[found] == wanted) & (step >= 0)
            nodes[rows] = np.where(hit, children[found], -2 - level)
        return nodes

    # -- label sets -----------------------------------------------------------------------

    def members_of(self, label_sets: Iterable[object]) -> sparse.csr_array:
        """Mark the labels of each row: float64 0/1, shape (n_samples, n_nodes).

        `label_sets`, and the errors, as for :meth:`binarize`.
        """
        labels, counts = members_by_row(label_sets)
        nodes = self.ids(labels)
        if (nodes < 0).any():
            unknown = [labels[entry] for entry in np.flatnonzero(nodes < 0).tolist()]
            raise TargetError.unknown(list(dict.fromkeys(unknown)), self._names[1:])
        if (nodes == 0).any():
            entry = int(np.argmax(nodes == 0))
            row = int(np.searchsorted(np.cumsum(counts), entry, side="right"))
            raise TargetError.names_root(labels[entry], f" in row {row}")
        marks = (np.ones(len(nodes)), nodes, ops.offsets_of(counts))
        return ops.marked(sparse.csr_array(marks, shape=(len(counts), self.n_nodes)))

    def most_specific_of(self, closed: sparse.csr_array) -> sparse.csr_array:
        """Leave out of each row the nodes that have a descendant in it.

        Parameters
        ----------
        closed : csr_array, shape (n_samples, n_nodes)
            Sets closed under ancestors, the root left out.

        Returns
        -------
        specific : csr_array of float64, shape (n_samples, n_nodes)
            0/1, sorted, without explicit zeros.
        """
        specific = ops.marked(closed.copy())
        specific.data = ops.most_specific(specific, *self._edges).astype(np.float64)
        return ops.marked(specific)

    def binarize(
        self, label_sets: Iterable[object], *, closed: bool = True, sparse_output: bool = True
    ) -> Any:
        """Turn collections of labels into an indicator with a column for each of ``nodes[1:]``.

        Parameters
        ----------
        label_sets : iterable of collections of hashable
            Names of nodes for each sample: a list, tuple, set or array. None and an empty
            collection are the empty set. The root has no column, and is refused.
        closed : bool, default=True
            Mark the ancestors of the labels as well.
        sparse_output : bool, default=True
            Whether to return a sparse or a dense array.

        Returns
        -------
        Y : csr_array or ndarray of int64, shape (n_samples, n_nodes - 1)
            1 for the members of the set, 0 for the rest.

        Raises
        ------
        TargetError
            For a label that is missing, no node or the root, and a row that is no collection.

        See Also
        --------
        inverse_binarize : The way back.

        Examples
        --------
        >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": None})
        >>> taxonomy.nodes[1:]
        ('bird', 'fish', 'owl', 'wren')
        >>> taxonomy.binarize([["owl", "fish"], ["bird"], []], sparse_output=False)
        array([[1, 1, 1, 0],
               [1, 0, 0, 0],
               [0, 0, 0, 0]])
        """
        members = self.members_of(label_sets)
        if closed:
            members = self.with_ancestors(members)
        Y = members[:, 1:].astype(np.int64)
        return Y if sparse_output else Y.toarray()

    def inverse_binarize(
        self, Y: npt.ArrayLike | SparseTable, *, most_specific: bool = True
    ) -> list[list[Hashable]]:
        """Turn an indicator with a column for each of ``nodes[1:]`` into lists of labels.

        Parameters
        ----------
        Y : array-like or sparse, shape (n_samples, n_nodes - 1)
            0 and 1, of any numeric type.
        most_specific : bool, default=True
            Leave out a label if a descendant of it is in the same row. Otherwise return all
            labels that are marked.

        Returns
        -------
        label_sets : list of lists
            Names in the order of ``nodes``.

        Raises
        ------
        TargetError
            For values other than 0 and 1, and for another number of columns.

        Examples
        --------
        >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": None})
        >>> Y = taxonomy.binarize([["owl", "fish"], ["bird"], []])
        >>> taxonomy.inverse_binarize(Y)
        [['fish', 'owl'], ['bird'], []]
        >>> taxonomy.inverse_binarize(Y, most_specific=False)
        [['bird', 'fish', 'owl'], ['bird'], []]
        """
        bits = read_bits(Y)
        if bits.shape[1] != self.n_nodes - 1:
            raise TargetError(
                f"An indicator must have a column for each of the {self.n_nodes - 1} nodes of "
                f"taxonomy.nodes[1:], got {bits.shape[1]} columns."
            )
        columns = np.arange(1, self.n_nodes, dtype=np.int32)
        members = ops.with_columns(bits, columns, self.n_nodes)
        if most_specific:
            members = self.most_specific_of(self.with_ancestors(members))
        return grouped(self.node_names[members.indices].tolist(), members.indptr)

    # -- display --------------------------------------------------------------------------

    def to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame` with a row for each node, an artificial root left out.

        Columns: ``node``, ``parent`` (None at the top; a tuple where there are several), ``depth``,
        ``n_children``, ``is_leaf``; and ``title``, after ``node``, if some node has one.
        """
        import pandas as pd

        first = 1 if self._names[0] is ROOT else 0
        above = [self.parents(name) for name in self._names[first:]]
        parents = [names if len(names) > 1 else next(iter(names), None) for names in above]
        n_children = np.diff(self.child_offsets)[first:]
        words = {"title": list(map(self._titles.get, self._names[first:]))}
        return pd.DataFrame(
            {
                "node": self.node_names[first:],
                **(words if self._titles else {}),
                "parent": pd.Series(parents, dtype=object),
                "depth": self._depths[first:],
                "n_children": n_children,
                "is_leaf": n_children == 0,
            }
        )

    def __repr__(self) -> str:
        kind = "tree" if self.is_tree else "DAG"
        n_nodes = self.n_nodes - (self._names[0] is ROOT)
        n_leaves = len(self.leaf_ids)
        leaves = "leaf" if n_leaves == 1 else "leaves"
        nodes = "node" if n_nodes == 1 else "nodes"
        return f"Taxonomy({kind} of {n_nodes} {nodes}, {n_leaves} {leaves}, depth {self.n_levels})"

    def to_text(self, max_lines: int = 80, max_children: int = 20) -> str:
        """Return the tree as indented text, cut when long (``...`` marks what is left out).

        Parameters
        ----------
        max_lines : int, default=80
            Lines at the most.
        max_children : int, default=20
            Lines for the children of one node at the most.
        """
        return draw_tree(self, max_lines, max_children)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return draw_html(self)


TaxonomyLike: TypeAlias = Taxonomy | DirectedGraph
