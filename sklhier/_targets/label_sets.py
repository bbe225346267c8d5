"""Several labels for each sample: to sets of nodes and back.

As in ``_targets``, a format remembers how the labels of `fit` looked. Inside, a set of nodes is a
row of a sparse matrix.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from sklhier._targets.containers import FrameKind, RowKind
from sklhier._targets.formats import detect
from sklhier._targets.formats_base import Format
from sklhier._targets.formats_indicator import Indicator, NamedIndicator, SparseIndicator
from sklhier._targets.formats_sets import PathSets
from sklhier._targets.paths import padding_of, saved_dtype, typed_levels
from sklhier._utils.columns import object_array
from sklhier._utils.typing import NodeIds, Objects
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._parsing import grouped, is_missing

__all__ = [
    "CollectionFormat",
    "FrameFormat",
    "IndicatorFormat",
    "LabelSetFormat",
    "PathSetFormat",
    "closed_sets",
    "closure",
    "read_label_sets",
]


class LabelSetFormat(Protocol):
    """The format of label sets in `fit`, and the way back.

    Attributes
    ----------
    class_ids : ndarray of int32, shape (n_classes,)
        The nodes that the columns of an indicator stand for, in their order; otherwise those that
        the labels name, ascending.
    """

    @property
    def class_ids(self) -> NodeIds:
        """The nodes that columns or labels name."""
        ...

    def restore(self, closed: sparse.csr_array, taxonomy: Taxonomy) -> Any:
        """Return closed sets, 0/1 of shape (n_samples, n_nodes), as they were given in `fit`."""
        ...

    def read(self, y: Any, taxonomy: Taxonomy) -> sparse.csr_array:
        """Return the closed sets of other data, of any format.

        A table with as many columns as that of `fit` has the same ones.
        """
        ...


@dataclass(frozen=True)
class IndicatorFormat:
    """A dense or sparse 0/1 table with a column for each of some nodes.

    Attributes
    ----------
    class_ids : ndarray of int32, shape (n_columns,)
        The node of each column.
    dtype : numpy dtype
        Of the table.
    container : type or None
        ``csr_array`` or ``csr_matrix``; None for a dense array.
    """

    class_ids: NodeIds
    dtype: Any
    container: Any

    def restore(self, closed: sparse.csr_array, taxonomy: Taxonomy) -> Any:  # noqa: ARG002
        if self.container is None:
            # By way of integers, for an array of objects holds integers rather than floats.
            table = closed[:, self.class_ids].astype(np.int8)
            return table.toarray().astype(self.dtype)
        data, indices, indptr = _some_columns(closed, self.class_ids)
        shape = (closed.shape[0], len(self.class_ids))
        return self.container((data.astype(self.dtype), indices, indptr), shape=shape)

    def read(self, y: Any, taxonomy: Taxonomy) -> sparse.csr_array:
        return closed_sets(y, taxonomy, self.class_ids)


def _some_columns(table: sparse.csr_array, columns: NodeIds) -> tuple[Any, Any, Any]:
    """Return the entries of some columns, as SciPy's indexing does, which is slow for few rows."""
    if (columns[1:] <= columns[:-1]).any():
        some = sparse.csr_array(table[:, columns])
        return some.data, some.indices, some.indptr
    place = np.full(table.shape[1], -1, dtype=table.indices.dtype)
    place[columns] = np.arange(len(columns))
    indices = place[table.indices]
    is_kept = indices >= 0
    n_kept = np.zeros(len(indices) + 1, dtype=table.indptr.dtype)
    np.cumsum(is_kept, out=n_kept[1:])
    return table.data[is_kept], indices[is_kept], n_kept[table.indptr]


@dataclass(frozen=True)
class FrameFormat:
    """A data frame of 0 and 1 whose columns are named by nodes.

    Attributes
    ----------
    class_ids : ndarray of int32, shape (n_columns,)
        The node of each column.
    package : str
        ``"pandas"`` or ``"polars"``.
    columns : tuple
        Names of the columns.
    dtypes : tuple of numpy dtype
        Of the columns as arrays.
    frame : FrameKind, default=None
        The data frame.
    """

    class_ids: NodeIds
    package: str
    columns: tuple[Any, ...]
    dtypes: tuple[Any, ...]
    frame: FrameKind | None = None

    def restore(self, closed: sparse.csr_array, taxonomy: Taxonomy) -> Any:  # noqa: ARG002
        table = closed[:, self.class_ids].astype(np.int8).toarray()
        # By way of the arrays, for True is not 1 to every package.
        columns = [
            bits.astype(kind).tolist() for bits, kind in zip(table.T, self.dtypes, strict=True)
        ]
        kinds = (None if self.package == "polars" else kind for kind in self.dtypes)
        nothing = (None,) * len(columns)
        saved = FrameKind(self.package, self.columns, tuple(kinds), nothing)  # by earlier versions
        return (saved if self.frame is None else self.frame).hold(columns)

    def read(self, y: Any, taxonomy: Taxonomy) -> sparse.csr_array:
        return closed_sets(y, taxonomy, self.class_ids)


@dataclass(frozen=True)
class CollectionFormat:
    """A collection of labels for each sample.

    Attributes
    ----------
    class_ids : ndarray of int32, shape (n_classes,)
        The nodes that were named, ascending.
    closed : bool
        Every set came with all ancestors, and is given back so; otherwise ancestors are left out.
    kind : type
        Of the collections: list, set or frozenset.
    in_array : bool
        Whether they stand in an array of objects rather than in a list.
    holder : RowKind, default=None
        What they stand in.
    """

    class_ids: NodeIds
    closed: bool
    kind: Any
    in_array: bool
    holder: RowKind | None = None

    def restore(self, closed: sparse.csr_array, taxonomy: Taxonomy) -> Any:
        sets = closed if self.closed else taxonomy.most_specific_of(closed)
        labels = self._labels_of(sets.indices, taxonomy)
        rows = grouped(labels.tolist(), sets.indptr, self.kind)
        if self.holder is not None:
            return self.holder.hold(rows)
        return object_array(rows) if self.in_array else rows

    def _labels_of(self, nodes: NodeIds, taxonomy: Taxonomy) -> Objects:
        names: Objects = taxonomy.node_names[nodes]
        return names

    def read(self, y: Any, taxonomy: Taxonomy) -> sparse.csr_array:
        return closed_sets(y, taxonomy, None)


@dataclass(frozen=True)
class PathSetFormat(CollectionFormat):
    """A collection of paths for each sample, a path being the steps from the first level.

    Attributes
    ----------
    path_kind : type
        Of a path: tuple or list.
    shape : tuple of int, default=None
        Number of paths and of levels at least, where labels were an array of three dimensions.
    dtype, padding
        Of such an array.
    """

    path_kind: Any = tuple
    shape: tuple[int, int] | None = None
    dtype: Any = None
    padding: Any = None

    def restore(self, closed: sparse.csr_array, taxonomy: Taxonomy) -> Any:
        if self.shape is None:
            return super().restore(closed, taxonomy)
        sets = closed if self.closed else taxonomy.most_specific_of(closed)
        counts = np.diff(sets.indptr)
        n_paths = max(self.shape[0], int(counts.max(initial=0)))
        n_levels = max(self.shape[1], taxonomy.n_levels)
        table = np.full((len(counts), n_paths, n_levels), self.padding, dtype=object)
        rows = np.repeat(np.arange(len(counts)), counts)
        places = np.arange(sets.nnz) - sets.indptr[rows]
        paths = taxonomy.levels_of(sets.indices.astype(np.int32))
        table[rows, places, : taxonomy.n_levels] = paths
        table[table == np.array(None)] = self.padding
        return typed_levels(table, self.dtype, self.padding, taxonomy)

    def _labels_of(self, nodes: NodeIds, taxonomy: Taxonomy) -> Objects:
        distinct, places = np.unique(nodes, return_inverse=True)
        depths = taxonomy.depths[distinct].tolist()
        rows = taxonomy.levels_of(distinct.astype(np.int32)).tolist()
        paths = [self.path_kind(row[:depth]) for row, depth in zip(rows, depths, strict=True)]
        if self.path_kind is list:  # every row gets its own, since lists can change
            return object_array([list(paths[place]) for place in places.tolist()])
        return object_array(paths)[places]


# -- reading ------------------------------------------------------------------------------


def read_label_sets(
    y: Any, taxonomy: Taxonomy | None, classes: Any = None
) -> tuple[sparse.csr_array, Taxonomy, LabelSetFormat]:
    """Read the targets of a problem with several labels for each sample.

    Parameters
    ----------
    y : array-like, sparse matrix, data frame, or collection
        Labels of any format of ``FORMATS`` but paths, which are read as collections of labels. The
        columns of an indicator are `classes` if given; otherwise ``taxonomy.nodes[1:]`` or
        ``taxonomy.leaves``, whichever has as many (in a tree of one level they are the same). Those
        of a data frame are named by nodes, whatever `classes` is. None, NaN and an empty collection
        are the empty set.
    taxonomy : Taxonomy or None
        A tree or a DAG. None: inferred from paths; flat over `classes`, or over the columns of
        an indicator, which are numbered from 0 or named by a data frame.
    classes : array-like of hashable, default=None
        Names of the nodes of an indicator's columns. Other formats name their labels themselves.

    Returns
    -------
    closed : csr_array of float64, shape (n_samples, n_nodes)
        0/1: the labels and their ancestors, the root left out. Sorted, without explicit zeros.
    taxonomy : Taxonomy
        As given, or inferred.
    format : LabelSetFormat
        The way back. An indicator is given back closed under ancestors, as far as these have a
        column.

    Raises
    ------
    TargetError
        For labels that are no nodes, an indicator of other values or with a wrong number of
        columns, and labels from which no taxonomy can be inferred.
    TaxonomyError
        For paths in a DAG.
    """
    form = detect(y, taxonomy, "sets", classes)
    taxonomy = form.infer(classes) if taxonomy is None else taxonomy
    if isinstance(form, Indicator):
        columns = form.columns(taxonomy)
        closed = closure(form.members(taxonomy, columns), taxonomy)
        return closed, taxonomy, _table_format(form, columns)
    given = form.members(taxonomy)
    closed = closure(given, taxonomy)
    return closed, taxonomy, _collection_format(form, given, closed, taxonomy)


def closed_sets(y: Any, taxonomy: Taxonomy, columns: NodeIds | None) -> sparse.csr_array:
    """Return closed sets; a table with as many columns as `columns` has these."""
    form = detect(y, taxonomy, "sets")
    if isinstance(form, Indicator):
        return closure(form.members(taxonomy, columns), taxonomy)
    return closure(form.members(taxonomy), taxonomy)


def closure(given: sparse.csr_array, taxonomy: Taxonomy) -> sparse.csr_array:
    """Return sets of nodes with all ancestors, the root left out."""
    return taxonomy.with_ancestors(given)


def _table_format(form: Indicator, columns: NodeIds) -> IndicatorFormat | FrameFormat:
    y = form.given.y
    if isinstance(form, NamedIndicator):
        dtypes = tuple(column.dtype for column in form.given.columns)
        frame = FrameKind.of(y)
        return FrameFormat(columns, frame.package, frame.names, dtypes, frame)
    container: Any = None
    if isinstance(form, SparseIndicator):
        container = sparse.csr_matrix if isinstance(y, sparse.spmatrix) else sparse.csr_array
    return IndicatorFormat(columns, form.table.dtype, container)


def _collection_format(
    form: Format, given: sparse.csr_array, closed: sparse.csr_array, taxonomy: Taxonomy
) -> CollectionFormat:
    class_ids = np.unique(given.indices).astype(np.int32)
    deep = bool((taxonomy.depths[class_ids] > 1).any())
    is_closed = deep and given.nnz == closed.nnz
    holder = RowKind.of(form.given.y, form.given.frame)
    if not form.several:
        holder = RowKind("list")  # one label for each has no collections to come back as
        return CollectionFormat(class_ids, is_closed, list, in_array=False, holder=holder)
    rows = form.given.rows
    in_array = holder.package not in ("list", "tuple")
    plain = CollectionFormat(class_ids, is_closed, _kind_of(rows), in_array, holder)
    if not isinstance(form, PathSets):
        return plain
    paths = form.given.members
    path_kind = list if paths and all(isinstance(path, list) for path in paths) else tuple
    array: dict[str, Any] = {}
    if form.given.is_deep:
        y = form.given.y
        array = {"shape": y.shape[1:], "dtype": saved_dtype(y), "padding": padding_of(y[..., -1])}
    return PathSetFormat(**vars(plain), path_kind=path_kind, **array)


def _kind_of(rows: list[Any]) -> Any:
    first = next((row for row in rows if not is_missing(row)), None)
    if isinstance(first, frozenset):
        return frozenset
    if isinstance(first, tuple):
        return tuple
    return set if isinstance(first, AbstractSet) else list
