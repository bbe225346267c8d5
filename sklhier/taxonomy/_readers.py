"""Constructors of the taxonomy that read files and the formats of other fields."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Any, Literal, Self

from sklhier.exceptions import TaxonomyError, shown
from sklhier.taxonomy._codes import parents_of_codes
from sklhier.taxonomy._from_edges import FromEdges
from sklhier.taxonomy._from_labels import FromLabels
from sklhier.taxonomy._json import parsed, parts_of
from sklhier.taxonomy._lines import Source
from sklhier.taxonomy._newick import read_newick
from sklhier.taxonomy._obo import read_obo
from sklhier.taxonomy._path_lines import read_path_lines
from sklhier.taxonomy._sources import AUTO, Root
from sklhier.taxonomy._tables import CsvKind, read_csv
from sklhier.taxonomy._titles import Titles, titles_of_codes

__all__ = ["Readers"]


class Readers(FromEdges, FromLabels):
    """Readers of files for :class:`~sklhier.Taxonomy`, which inherits them."""

    @classmethod
    def from_csv(
        cls,
        source: Source,
        kind: CsvKind = "edges",
        *,
        columns: Sequence[str | int] | None = None,
        titles: str | int | Sequence[str | int] | Titles | None = None,
        header: bool = True,
        delimiter: str = ",",
        encoding: str = "utf-8",
        **options: Any,
    ) -> Self:
        r"""Build from a table in a CSV file.

        Cells stay text: a code ``01`` keeps its zero. Blanks around cells are removed, and empty
        cells are missing. Read other files, such as those of Excel, with pandas or polars, and pass
        their columns to :meth:`from_edges`, :meth:`from_parents` or :meth:`from_levels`.

        Parameters
        ----------
        source : path, open text file, or iterable of str
            A file, or its lines. A file with the suffix ``.gz`` is unpacked.
        kind : {"edges", "parents", "levels", "paths", "codes"}, default="edges"
            Content of a row: the parent and the child of an edge; a node and its parent (an empty
            parent puts the node at the top); a path with a column for each level, padded at its
            end; a path in one column; or a code that begins with the code of its parent.
        columns : sequence of str or int, default=None
            Names or positions (from 0) of the columns: ``(parent, child)``, ``(node, parent)``, the
            levels from the top, ``(path,)`` or ``(code,)``. By default columns of these names
            (``child`` also works for ``node``); for levels, and without a header, all columns but
            those of `titles`.
        titles : str, int, sequence of them, or mapping, default=None
            Column with the title of the row's child, node, path or code. For levels, a column with
            the title of the deepest node, or one column for each of `columns`. Or a mapping of
            names to titles.
        header : bool, default=True
            Whether the first row names the columns.
        delimiter : str, default=","
            Character between cells, ``"\t"`` for a tab.
        encoding : str, default="utf-8"
            Of the file.
        **options : dict
            Passed to :meth:`from_edges`, :meth:`from_parents`, :meth:`from_levels`,
            :meth:`from_paths` or :meth:`from_codes`, such as ``root`` or ``sep``.

        Returns
        -------
        taxonomy : Taxonomy

        Raises
        ------
        TaxonomyError
            For a file that cannot be read or is not a taxonomy. The message names the file and the
            line.
        OSError
            For a file that cannot be opened.

        References
        ----------
        Y. Shafranovich. Common Format and MIME Type for Comma-Separated Values (CSV) Files. RFC 4180
        (2005).

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> lines = ["code,part_of,title", "31-33,,Manufacturing", "311,31-33,Food"]
        >>> taxonomy = Taxonomy.from_csv(
        ...     lines, "parents", columns=["code", "part_of"], titles="title"
        ... )
        >>> print(taxonomy)
        31-33 Manufacturing
        └── 311 Food
        """
        gaps = options.get("gaps", "error") != "error"
        table = read_csv(source, kind, columns, titles, header, delimiter, encoding, gaps=gaps)
        build: Any = cls
        with table.lines.named():
            if kind == "edges":
                taxonomy = build.from_edges(table.rows, **options)
            elif kind == "parents":
                taxonomy = build.from_parents(dict(table.rows), **options)
            elif kind == "codes":
                taxonomy = build.from_codes(table.rows, **options)
            elif kind == "paths":
                taxonomy = build.from_paths(table.rows, **options)[1]
            else:
                labels, taxonomy = build.from_levels(table.rows, **options)
                return taxonomy.with_titles(table.titles_of_levels(taxonomy, labels))
            return taxonomy.with_titles(table.titles)

    @classmethod
    def from_codes(
        cls,
        codes: Collection[Hashable],
        titles: Titles | None = None,
        *,
        lengths: Sequence[int] | Literal["prefix"] | None = None,
        sep: str | None = None,
        padding: str | None = None,
        gaps: Literal["error", "skip", "fill"] = "error",
        root: Root = AUTO,
    ) -> Self:
        """Build from codes that begin with the code of their parent, such as 31, 311, 3111.

        The parent of a code is the longest other code that it begins with. Blanks, dots, dashes,
        slashes and underscores in codes do not count, so that 079.9 is above 079.99. A range such
        as ``31-33`` or ``A00-B99``, with ends of the same length, is above the codes from its first
        to its last, and all codes that begin with them.

        All codes are classes, even a single one at the top, unless `root` names it. Use
        :meth:`from_parents` for codes that do not begin with their parent's, such as the divisions
        01 to 99 of NACE and ISIC below the sections A to U.

        Parameters
        ----------
        codes : collection of str or int
            Repeated codes count once; a set is sorted. Note that numbers have no leading zeros.
        titles : mapping or sequence of str, default=None
            Words for readers, by code or one for each of `codes`. A pandas Series is a mapping by
            its index, unless `codes` is a Series with the same index.
        lengths : sequence of int or "prefix", default=None
            The number of letters and digits at each level, ascending, such as ``[2, 3, 4]``: the
            parent of a code has the next smaller number. ``"prefix"``: the parent is the longest
            code that it begins with. None is ``"prefix"``, but refuses codes such as 1.1 and 1.10,
            which may be numbered steps instead.
        sep : str, default=None
            Separator of steps of any length, such as ``"."``: 1.10 is then below 1, and a sibling
            of 1.1. Ranges are not read.
        padding : str, default=None
            With `lengths`: a character that pads codes of inner nodes, like 0 in 11-0000, which is
            above 11-1011.
        gaps : {"error", "skip", "fill"}, default="error"
            Treatment of a missing code: refuse, attach the codes below to the next code above, or
            make the code up (with `lengths` or `sep`). With ``"prefix"`` a code is missing if one
            at the top is longer than others there that begin with the same letters.
        root : hashable, default=auto
            Code that is the root instead of a class; all others must be below it. By default, and
            with None, all codes are classes below an artificial root.

        Returns
        -------
        taxonomy : Taxonomy
            Siblings in the order of `codes`.

        Raises
        ------
        TaxonomyError
            For codes without a parent, two codes that differ only in separators, ranges that
            overlap, and codes of unexpected lengths. The message names the code.

        References
        ----------
        Executive Office of the President. North American Industry Classification System (2022):
        sectors of two digits or ranges of them, then one digit more for each level. World Health
        Organization. International Statistical Classification of Diseases: chapters and blocks are
        ranges of categories.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> codes = {"31-33": "Manufacturing", "311": "Food", "3111": "Animal food", "322": "Paper"}
        >>> print(Taxonomy.from_codes(codes, codes))
        <root>
        └── 31-33 Manufacturing
            ├── 311 Food
            │   └── 3111 Animal food
            └── 322 Paper
        >>> Taxonomy.from_codes(["079.99", "079.98"], lengths=[3, 4, 5], gaps="fill").nodes
        (<root>, '079', '079.9', '079.99', '079.98')
        """
        parents = parents_of_codes(codes, lengths, sep=sep, padding=padding, gaps=gaps)
        words = {} if titles is None else titles_of_codes(titles, codes, list(parents))
        names = list(parents)
        place = dict(zip(names, range(len(names)), strict=True))
        below = [place[code] for code in names if parents[code] is not None]
        above = [place[parent] for parent in parents.values() if parent is not None]
        top = _place_of(root, names)
        return cls(names, above, below, root=top, artificial_root=top is None, titles=words)

    @classmethod
    def from_obo(
        cls,
        source: Source,
        *,
        relationships: Collection[str] = ("is_a",),
        namespace: str | None = None,
        return_alt_ids: bool = False,
        root: Root = AUTO,
        encoding: str = "utf-8",
    ) -> Any:
        """Build from an ontology in the OBO flat file format, such as the Gene Ontology.

        Ids become names, names of terms become titles. Lines of the file lead from a term to its
        parent, edges of the taxonomy from the parent to the term. Obsolete terms are left out.

        Parameters
        ----------
        source : path, open text file, or iterable of str
            A file of version 1.2 or 1.4, or its lines. A file with the suffix ``.gz`` is unpacked.
        relationships : collection of str, default=("is_a",)
            Relations that lead to a parent: ``"is_a"``, and kinds of ``relationship`` such as
            ``"part_of"``.
        namespace : str, default=None
            Leave out terms of other namespaces, and the edges to them.
        return_alt_ids : bool, default=False
            Whether to also return alternative ids, which older data may use.
        root : hashable or None, default=auto
            Id of the root; every term must be reachable from it. With None even a single top is a
            class. By default a single top is the root, and several tops get an artificial root.
        encoding : str, default="utf-8"
            Of the file.

        Returns
        -------
        taxonomy : Taxonomy
            A DAG, in most cases.
        alt_ids : dict of str to str
            The id of the term by each alternative id. Only if `return_alt_ids`.

        Raises
        ------
        TaxonomyError
            For lines that are not in this format, a parent that is obsolete or not a term, and
            cycles. The message names the file and the line.
        ValueError
            For a `namespace` that no term has.
        OSError
            For a file that cannot be opened.

        References
        ----------
        C. Mungall et al. The OBO Flat File Format Guide, version 1.4.
        https://owlcollab.github.io/oboformat/doc/GO.format.obo-1_4.html

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> lines = [
        ...     "[Term]", "id: GO:1", "name: process", "",
        ...     "[Term]", "id: GO:2", "name: growth", "alt_id: GO:9", "is_a: GO:1 ! process",
        ... ]
        >>> taxonomy, alt_ids = Taxonomy.from_obo(lines, return_alt_ids=True)
        >>> print(taxonomy)
        GO:1 process
        └── GO:2 growth
        >>> alt_ids
        {'GO:9': 'GO:2'}
        """
        if isinstance(relationships, str):
            relationships = (relationships,)
        lines, found = read_obo(source, encoding, relationships, namespace)
        with lines.named():
            taxonomy = cls._from_graph(found.above, found.below, found.terms, root, found.titles)
        return (taxonomy, found.alt_ids) if return_alt_ids else taxonomy

    @classmethod
    def from_newick(
        cls,
        source: Source,
        *,
        inner_names: bool = True,
        convert_underscores: bool = True,
        root: Root = AUTO,
        titles: Titles | None = None,
        encoding: str = "utf-8",
    ) -> Self:
        """Build from a tree in the Newick format, such as ``(owl,(eel,ray)fish);``.

        Branch lengths and comments in square brackets are skipped. Inner nodes without a name are
        called ``"node 1"``, ``"node 2"`` and so on, in the order in which they begin. An outermost
        node with a name is the root; without a name, the root is artificial.

        Parameters
        ----------
        source : path, open text file, iterable of str, or the tree itself
            A str that ends in ``;`` is a tree, any other the path of a file.
        inner_names : bool, default=True
            Whether the text after ``)`` is the name of an inner node. Use False to skip support
            values.
        convert_underscores : bool, default=True
            Whether underscores in names without quotes are blanks, as the format says.
        root : hashable or None, default=auto
            Name of the root, which must be the outermost node. With None this node is a class below
            an artificial root.
        titles : mapping or sequence of str, default=None
            Words for readers; see :meth:`with_titles`.
        encoding : str, default="utf-8"
            Of the file.

        Returns
        -------
        taxonomy : Taxonomy
            A tree; siblings in the order given.

        Raises
        ------
        TaxonomyError
            For text that is not a Newick tree, a leaf without a name and repeated names. The
            message names line and column.
        OSError
            For a file that cannot be opened.

        References
        ----------
        G. Olsen. "Newick's 8:45" Tree Format Standard (1990).
        https://phylipweb.github.io/phylip/newick_doc.html

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> print(Taxonomy.from_newick("((owl:1,'house wren':2):.5,[cold](eel,ray)fish)animal;"))
        animal
        ├── node 1
        │   ├── owl
        │   └── house wren
        └── fish
            ├── eel
            └── ray
        """
        lines, names, parents = read_newick(
            source, encoding, convert_underscores=convert_underscores, inner_names=inner_names
        )
        with lines.named():
            first = 1 if names[0] is None else 0  # a root without a name
            named = list(map(str, names[first:]))
            edges = [(above, below) for below, above in enumerate(parents) if above >= first]
            return cls._from_graph(
                [named[above - first] for above, _ in edges],
                [named[below - first] for _, below in edges],
                named,
                root,
                titles,
                nameless_root=bool(first),
            )

    @classmethod
    def from_path_lines(
        cls,
        source: Source,
        *,
        sep: str = " > ",
        id_sep: str | None = " - ",
        names: Literal["id", "path"] | None = None,
        gaps: Literal["error", "skip", "fill"] = "error",
        root: Root = AUTO,
        encoding: str = "utf-8",
    ) -> Self:
        """Build from lines with a path each, such as ``3237 - Animals > Live Animals``.

        Taxonomies of products are published in this form. Lines that begin with ``#`` are comments.

        Parameters
        ----------
        source : path, open text file, or iterable of str
            A file, or its lines. A file with the suffix ``.gz`` is unpacked.
        sep : str, default=" > "
            Separator of the steps.
        id_sep : str, default=" - "
            Separator between the id and the path. None if there are no ids.
        names : {"id", "path"}, default=None
            Names of the nodes. ``"id"``: the id, with the last step of the path as title.
            ``"path"``: the whole path, with the id as title. None: the id if there is one.
        gaps : {"error", "skip", "fill"}, default="error"
            Treatment of a path whose parent has no line, and so no id: refuse, attach it to the
            nearest ancestor that has a line, or add the parent with its path as name. Without ids
            missing ancestors are always added.
        root : hashable, default=auto
            Name of the root, which is then not a class; all others must be below it. By default,
            and with None, all nodes are classes below an artificial root.
        encoding : str, default="utf-8"
            Of the file.

        Returns
        -------
        taxonomy : Taxonomy
            A tree; siblings in the order of their lines.

        Raises
        ------
        TaxonomyError
            For a line without an id, an empty step, a repeated path or id, and a gap. The message
            names the file and the line.
        OSError
            For a file that cannot be opened.

        References
        ----------
        Google Merchant Center Help. Google product category: the taxonomy with and without numerical
        ids. https://support.google.com/merchants/answer/6324436

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> lines = [
        ...     "# Version: 2021-09-21",
        ...     "1 - Animals & Pet Supplies",
        ...     "3237 - Animals & Pet Supplies > Live Animals",
        ... ]
        >>> print(Taxonomy.from_path_lines(lines))
        <root>
        └── 1 Animals & Pet Supplies
            └── 3237 Live Animals
        >>> Taxonomy.from_path_lines(lines, names="path").leaves
        ('Animals & Pet Supplies > Live Animals',)
        """
        lines, tree = read_path_lines(
            source, encoding, sep=sep, id_sep=id_sep, names=names, gaps=gaps
        )
        with lines.named():
            top = _place_of(root, tree.names)
            return cls(
                tree.names,
                [parent for parent in tree.parents if parent >= 0],
                [node for node, parent in enumerate(tree.parents) if parent >= 0],
                steps=tree.steps,
                root=top,
                artificial_root=top is None,
                titles=tree.titles,
            )

    @classmethod
    def from_json(cls, source: Source) -> Self:
        """Build from what :meth:`~sklhier.Taxonomy.to_json` wrote.

        Parameters
        ----------
        source : path, open text file, iterable of str, or the JSON itself
            A str that begins with ``{`` is JSON, any other the path of a file in UTF-8.

        Returns
        -------
        taxonomy : Taxonomy
            Equal to the one that was written, with its titles.

        Raises
        ------
        TaxonomyError
            For text that is not JSON, and JSON that is not a saved taxonomy. The message names the
            place.
        OSError
            For a file that cannot be opened.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> taxonomy = Taxonomy.from_edges([("a", 1), ("a", "1")])
        >>> Taxonomy.from_json(taxonomy.to_json()).leaves
        (1, '1')
        """
        lines, document = parsed(source)
        with lines.named():
            if not isinstance(document, dict):
                raise TaxonomyError(f"A saved taxonomy must be an object, got {shown(document)}.")
            return cls(**parts_of(document))

    @classmethod
    def _from_graph(
        cls,
        above: list[Any],
        below: list[Any],
        nodes: list[Any],
        root: Root,
        titles: Titles | None,
        *,
        nameless_root: bool = False,
    ) -> Self:
        """Build from edges between named nodes, in the order of `nodes`."""
        place = dict(zip(nodes, range(len(nodes)), strict=True))
        top = _place_of(root, nodes)
        built = cls(
            nodes,
            list(map(place.__getitem__, above)),
            list(map(place.__getitem__, below)),
            root=top,
            artificial_root=top is None and (nameless_root or root is None),
        )
        return built._titled_if(titles)


def _place_of(root: Root, names: Sequence[Hashable]) -> int | None:
    """Return the position of a root that is named."""
    if root is AUTO or root is None:
        return None
    if root not in names:
        raise TaxonomyError.unknown(root, names)
    return names.index(root)
