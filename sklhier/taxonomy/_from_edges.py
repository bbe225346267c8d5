"""Constructors of the taxonomy from edges: pairs, parents, nested mappings and graphs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Self

from sklhier._utils.typing import DirectedGraph, Frame
from sklhier.exceptions import TaxonomyError
from sklhier.taxonomy._constructible import Constructible
from sklhier.taxonomy._construction import checked_names, number_names
from sklhier.taxonomy._json import is_document, parts_of
from sklhier.taxonomy._oddities import warn_if_reversed
from sklhier.taxonomy._sources import (
    AUTO,
    Direction,
    NamedEdges,
    Root,
    checked_direction,
    edges_of,
    edges_of_dict,
    edges_of_graph,
    edges_of_parents,
)
from sklhier.taxonomy._titles import Titles, titles_of_graph

__all__ = ["FromEdges"]


class FromEdges(Constructible):
    """Constructors of :class:`~sklhier.Taxonomy` from edges."""

    @classmethod
    def from_edges(
        cls,
        pairs: Iterable[tuple[Hashable | None, Hashable]] | Frame,
        *,
        root: Root = AUTO,
        direction: Direction = None,
        titles: Titles | None = None,
    ) -> Self:
        """Build from ``(parent, child)`` pairs; a child may have several parents (a DAG).

        Parameters
        ----------
        pairs : iterable of (parent, child), array of shape (n_edges, 2), or table
            The edges. A parent of None, NaN or NA puts the child at the top. Siblings keep their
            order; a set is sorted, so that the result does not depend on the hash seed. A table of
            pandas, polars or pyarrow has the columns ``parent`` and ``child``, or two columns in
            this order.
        root : hashable or None, default=auto
            Name of the root; every node must be reachable from it. With None even a single top is a
            class, below an artificial root. By default a single top is the root, and several tops
            get an artificial root. See :ref:`root-rule`.
        direction : {"parent_child", "child_parent"}, default=None
            The order in a pair, unless columns are called ``parent`` or ``child``. None is
            ``"parent_child"``, with a warning if the edges seem to be reversed.
        titles : mapping or sequence of str, default=None
            Words for readers; see :meth:`~sklhier.Taxonomy.with_titles`.

        Raises
        ------
        TaxonomyError
            For an item that is not a pair, a missing child, a cycle, or a repeated edge.

        Warns
        -----
        TaxonomyWarning
            If the edges seem to go from child to parent.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> Taxonomy.from_edges([("a", "c"), ("b", "c")])
        Taxonomy(DAG of 3 nodes, 1 leaf, depth 2)
        >>> upwards = [("owl", "bird"), ("wren", "bird"), ("bird", None)]
        >>> Taxonomy.from_edges(upwards, direction="child_parent").root
        'bird'
        """
        edges = edges_of(pairs, checked_direction(direction))
        taxonomy = cls._from_named_edges(edges, root, doubtful=direction is None)
        return taxonomy._titled_if(titles)

    @classmethod
    def _from_named_edges(cls, edges: NamedEdges, root: Root, *, doubtful: bool = False) -> Self:
        names, parents, children = number_names(*edges)
        position = None
        if root is not AUTO and root is not None:
            root = checked_names([root], "as the root")[0]
            position = dict(zip(names, range(len(names)), strict=True)).get(root)
            if position is None:
                raise TaxonomyError.unknown(root, names)
        taxonomy = cls(names, parents, children, root=position, artificial_root=root is None)
        if doubtful and not edges.more and position is None:
            warn_if_reversed(parents, children, len(names))
        return taxonomy

    @classmethod
    def from_parents(
        cls,
        mapping: Mapping[Hashable, Hashable | None],
        *,
        root: Root = AUTO,
        titles: Titles | None = None,
    ) -> Self:
        """Build a tree from a mapping of each node to its parent.

        Parameters
        ----------
        mapping : mapping or pandas.Series
            Parents by node (for a Series, by its index). None, NaN or NA means no parent; parents
            need not be keys.
        root : hashable or None, default=auto
            As in :meth:`from_edges`; see :ref:`root-rule`.
        titles : mapping or sequence of str, default=None
            Words for readers; see :meth:`~sklhier.Taxonomy.with_titles`.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> Taxonomy.from_parents({"owl": "bird", "wren": "bird", "fish": None, "bird": None})
        Taxonomy(tree of 4 nodes, 3 leaves, depth 2)
        """
        return cls._from_named_edges(edges_of_parents(mapping), root)._titled_if(titles)

    @classmethod
    def from_dict(
        cls,
        nested: Mapping[Hashable, Any] | Iterable[Any],
        *,
        root: Root = AUTO,
        titles: Titles | None = None,
    ) -> Self:
        """Build a tree from nested mappings and lists, as in JSON and YAML files.

        Parameters
        ----------
        nested : mapping or list
            A mapping from names to their children: a mapping, a list, or None. An item of a list is
            a leaf, or a mapping from a name to its children. Sets are sorted. Or the result of
            :meth:`~sklhier.Taxonomy.to_dict`, which names its root.
        root : hashable or None, default=auto
            As in :meth:`from_edges`; see :ref:`root-rule`.
        titles : mapping or sequence of str, default=None
            Words for readers; see :meth:`~sklhier.Taxonomy.with_titles`.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> print(Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": {"ray": {}, "eel": None}}))
        <root>
        ├── bird
        │   ├── owl
        │   └── wren
        └── fish
            ├── ray
            └── eel
        >>> Taxonomy.from_dict([{"bird": ["owl", {"duck": ["eider"]}]}, "fish"]).leaves
        ('fish', 'owl', 'eider')
        >>> Taxonomy.from_dict({"A": ["B", "C"]}).levels
        (('B', 'C'),)
        >>> Taxonomy.from_dict({"A": ["B", "C"]}, root=None).levels
        (('A',), ('B', 'C'))
        """
        if isinstance(nested, Mapping) and is_document(nested):
            if root is not AUTO:
                raise TaxonomyError("A saved taxonomy has a root. Leave `root` out.")
            return cls(**parts_of(dict(nested)))._titled_if(titles)
        return cls._from_named_edges(edges_of_dict(nested), root)._titled_if(titles)

    @classmethod
    def from_networkx(
        cls,
        graph: DirectedGraph,
        *,
        root: Root = AUTO,
        direction: Direction = None,
        titles: Titles | None = None,
    ) -> Self:
        """Build from a :class:`networkx.DiGraph` whose edges go from parent to child.

        Parameters
        ----------
        graph : networkx.DiGraph
            Its nodes become the names. It is read once and not kept.
        root : hashable or None, default=auto
            As in :meth:`from_edges`; see :ref:`root-rule`.
        direction : {"parent_child", "child_parent"}, default=None
            The direction of edges. Graphs of ontologies often go from child to parent. None is
            ``"parent_child"``, with a warning if the edges seem to be reversed.
        titles : mapping or sequence of str, default=None
            Words for readers; see :meth:`~sklhier.Taxonomy.with_titles`. None uses the attribute
            ``title`` of each node if it is a string.
        """
        edges = edges_of_graph(graph, checked_direction(direction))
        names, parents, children = number_names(edges.above, edges.below, [])
        taxonomy = cls._from_named_edges(edges, root)
        if direction is None and root in (AUTO, None):
            warn_if_reversed(parents, children, len(names))
        return taxonomy.with_titles(titles_of_graph(graph) if titles is None else titles)
