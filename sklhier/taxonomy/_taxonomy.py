"""The taxonomy: a tree or DAG of classes, compiled once into read-only integer arrays."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol, Self, TypeAlias, final

import numpy as np
import numpy.typing as npt

from sklhier._utils.frozen import frozen
from sklhier._utils.typing import DirectedGraph, NodeIds, Target
from sklhier.exceptions import TaxonomyError
from sklhier.taxonomy._compile import ROOT, compiled
from sklhier.taxonomy._construction import checked_names
from sklhier.taxonomy._json import document_of, nested_names, write_json
from sklhier.taxonomy._label_tables import LabelTables
from sklhier.taxonomy._lint import Findings, found_in
from sklhier.taxonomy._parsing import plain
from sklhier.taxonomy._readers import Readers
from sklhier.taxonomy._text import draw_html, draw_tree
from sklhier.taxonomy._titles import Titles, read_titles

__all__ = ["ROOT", "Encoder", "Taxonomy", "TaxonomyLike", "put_encoder"]


@final
class Taxonomy(LabelTables, Readers):
    """A tree or directed acyclic graph of classes.

    Build one with :meth:`from_edges`, :meth:`from_parents`, :meth:`from_dict`,
    :meth:`from_networkx`, :meth:`from_levels`, :meth:`from_paths` or :meth:`flat`, or read a file
    with :meth:`from_csv`, :meth:`from_codes`, :meth:`from_obo`, :meth:`from_newick` or
    :meth:`from_path_lines`. The constructor itself takes integers and is meant for code that builds
    taxonomies.

    Nodes are numbered from the root (0) downwards, parents before children. A level is a range of
    ids, and so are siblings in a tree. ``taxonomy.nodes[i]`` is the name of node ``i``. The root
    means "anything": it is left out of paths, ancestors, levels, closures and metrics. Several
    roots get an artificial root above them, whose name is the constant ``sklhier.taxonomy.ROOT``.

    A taxonomy never changes. It is hashable, compares by content, and may be shared by any number
    of estimators; cloning an estimator does not copy it. Nodes may have titles, which displays and
    reports show beside the names; see :meth:`with_titles`. Titles do not count for equality.

    Parameters
    ----------
    names : sequence of hashable, length n
        Distinct names.
    parents, children : array-like of int, shape (n_edges,)
        Edge ``i`` goes from ``names[parents[i]]`` to ``names[children[i]]``. Siblings keep the
        order of their edges.
    steps : sequence of hashable, length n, default=None
        Last step of the path to each node, if it differs from the name (because names are paths).
    root : int, default=None
        Position of the root. By default every node without a parent is a root; several roots get an
        artificial one above them.
    artificial_root : bool, default=False
        Put an artificial root above even a single root.
    titles : mapping or sequence of str, default=None
        Words for readers, by name or one for each of `names`; see :meth:`with_titles`.

    Raises
    ------
    TaxonomyError
        For a cycle, a repeated edge, a node that cannot be reached from the root, a missing name,
        or no nodes. The message names the culprit.

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

    # -- labels ---------------------------------------------------------------------------

    def encode(
        self,
        y: Target,
        *,
        classes: npt.ArrayLike | None = None,
        kind: Literal["one", "sets"] | None = None,
        unknown: Literal["error", "ignore"] = "error",
    ) -> Any:
        """Return labels of any format as names of nodes, for new data and an existing taxonomy.

        Formats are those of ``fit``: labels, paths as columns or lists, indicators, and collections
        of labels or of paths. The result can be passed to ``fit``, metrics, splitters and
        :meth:`binarize`.

        Parameters
        ----------
        y : array-like, sparse matrix, data frame or list, of n_samples rows
            Labels of any format.
        classes : array-like, default=None
            Labels of the columns of an indicator, or of integer codes.
        kind : {"one", "sets"}, default=None
            Content of a row: one label or path, or any number of labels. None detects it; a list of
            steps that are not all in the taxonomy is then read as a collection of labels.
        unknown : {"error", "ignore"}, default="error"
            Whether to refuse unknown labels. ``"ignore"`` returns None for an unknown label or
            path, and leaves it out of a collection; unknown columns of an indicator are always
            refused.

        Returns
        -------
        labels : ndarray, shape (n_samples,), or list of n_samples lists
            The name of each row's node, None for a row without a label: an array of the type of the
            names, or of objects if there is a None. For collections and indicators, a list of names
            for each row, each name once, in the order of ``nodes``.

        Raises
        ------
        TargetError
            For unknown labels, gaps in paths, and anything else that ``fit`` refuses. The message
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
        # Whoever imports any part of the package imports all of it, the reader of labels included.
        return _ENCODERS[0](y, self, classes=classes, kind=kind, unknown=unknown)

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
        """Return the taxonomy without some nodes and without the nodes that only they lead to.

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
        """Return oddities of the taxonomy that may be mistakes.

        These are siblings that differ only in case, blanks or Unicode form (``"look_alikes"``),
        names such as nan, None, ``""`` or unknown (``"doubtful_names"``), chains of nodes with one
        child (``"single_children"``), edges that seem to go from child to parent
        (``"reversed_edges"``), more than 50 levels (``"deep"``) or 1,000 children (``"wide"``), and
        one level whose names look like paths (``"paths"``).

        Parameters
        ----------
        labels : array-like, shape (n_samples,), default=None
            Names of nodes, or collections of them. With labels, findings include nodes without a
            label at or below them (``"unused"``), and labels that are not nodes
            (``"unknown_labels"``).

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
        """Return a :class:`networkx.DiGraph`, without an artificial root.

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
        """Return the taxonomy as lists, strings and numbers for JSON or YAML.

        :meth:`from_dict` turns it back into an equal taxonomy with its titles; names keep their
        types and order. Names of types that JSON lacks (tuples, bytes, dates, times and infinite
        numbers) become an object with the name of their type, such as ``{"tuple": ["a", 1]}``.

        Parameters
        ----------
        nested : bool, default=False
            Return only nested names, as in ``{"bird": {"owl": {}, "wren": {}}}``. An artificial
            root, titles and steps are left out.

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
        """Write the taxonomy as JSON for :meth:`from_json`, with the content of :meth:`to_dict`.

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
            For a name that is not a string, number, boolean, bytes, date, time or tuple of these.
        """
        return write_json(document_of(self), path)

    # -- display --------------------------------------------------------------------------

    def to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame` with a row for each node, without an artificial root.

        Columns: ``node``, ``parent`` (None at the top; a tuple of several), ``depth``,
        ``n_children``, ``is_leaf``; and ``title``, after ``node``, if any node has one.
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
        """Return the tree as indented text; ``...`` marks omitted lines.

        Parameters
        ----------
        max_lines : int, default=80
            Largest number of lines.
        max_children : int, default=20
            Largest number of lines for the children of one node.
        """
        return draw_tree(self, max_lines, max_children)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return draw_html(self)


TaxonomyLike: TypeAlias = Taxonomy | DirectedGraph


class Encoder(Protocol):
    """The reader of labels of all formats, which stands in a layer above: :meth:`Taxonomy.encode`."""

    def __call__(
        self, y: Any, taxonomy: Taxonomy, *, classes: Any, kind: str | None, unknown: str
    ) -> Any: ...


_ENCODERS: list[Encoder] = []


def put_encoder(encoder: Encoder) -> None:
    """Let :meth:`Taxonomy.encode` use a reader of labels."""
    _ENCODERS[:] = [encoder]
