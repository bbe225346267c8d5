"""Several labels for each sample: to sets of nodes and back.

As in ``_targets``, a format remembers how the labels of `fit` looked. Inside, a set of nodes is a
row of a sparse matrix.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from sklhier._targets.paths import closed_indicator, frame_type, refuse_unknown_paths
from sklhier._utils.typing import NodeIds, Objects
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._parsing import (
    factorize_levels,
    grouped,
    is_collection,
    is_missing,
    label_array,
    members_by_row,
    plain,
    read_bits,
    refuse_gaps,
)

__all__ = [
    "CollectionFormat",
    "FrameFormat",
    "IndicatorFormat",
    "LabelSetFormat",
    "PathSetFormat",
    "closed_sets",
    "gives_label_sets",
    "read_label_sets",
]


class LabelSetFormat(Protocol):
    """How label sets looked, and the way back.

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
        table = sparse.csr_array(closed[:, self.class_ids])
        if self.container is None:
            # By way of integers, for an array of objects holds integers rather than floats.
            return table.astype(np.int8).toarray().astype(self.dtype)
        return self.container(table.astype(self.dtype))

    def read(self, y: Any, taxonomy: Taxonomy) -> sparse.csr_array:
        return _closed_like(y, taxonomy, self.class_ids)


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
        Of the columns.
    """

    class_ids: NodeIds
    package: str
    columns: tuple[Any, ...]
    dtypes: tuple[Any, ...]

    def restore(self, closed: sparse.csr_array, taxonomy: Taxonomy) -> Any:  # noqa: ARG002
        table = closed[:, self.class_ids].astype(np.int8).toarray()
        columns = zip(self.columns, table.T, self.dtypes, strict=True)
        return frame_type(self.package)({name: bits.astype(kind) for name, bits, kind in columns})

    def read(self, y: Any, taxonomy: Taxonomy) -> sparse.csr_array:
        return _closed_like(y, taxonomy, self.class_ids)


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
    """

    class_ids: NodeIds
    closed: bool
    kind: Any
    in_array: bool

    def restore(self, closed: sparse.csr_array, taxonomy: Taxonomy) -> Any:
        sets = closed if self.closed else taxonomy.most_specific_of(closed)
        labels = self._labels_of(sets.indices, taxonomy)
        rows = grouped(labels.tolist(), sets.indptr, self.kind)
        return _object_array(rows) if self.in_array else rows

    def _labels_of(self, nodes: NodeIds, taxonomy: Taxonomy) -> Objects:
        names: Objects = taxonomy.node_names[nodes]
        return names

    def read(self, y: Any, taxonomy: Taxonomy) -> sparse.csr_array:
        return _closed_like(y, taxonomy, None)


@dataclass(frozen=True)
class PathSetFormat(CollectionFormat):
    """A collection of paths for each sample, a path being the steps from the first level."""

    def _labels_of(self, nodes: NodeIds, taxonomy: Taxonomy) -> Objects:
        distinct, places = np.unique(nodes, return_inverse=True)
        depths = taxonomy.depths[distinct].tolist()
        rows = taxonomy.levels_of(distinct.astype(np.int32)).tolist()
        paths = [tuple(row[:depth]) for row, depth in zip(rows, depths, strict=True)]
        return _object_array(paths)[places]


def _object_array(values: Sequence[Any]) -> Objects:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


# -- reading ------------------------------------------------------------------------------


def read_label_sets(
    y: Any, taxonomy: Taxonomy | None, classes: Any = None
) -> tuple[sparse.csr_array, Taxonomy, LabelSetFormat]:
    """Read the targets of a problem with several labels for each sample.

    Parameters
    ----------
    y : array-like, sparse matrix, data frame, or collection
        One of

        - an indicator, dense or sparse, of 0 and 1, shape (n_samples, n_columns), or rows of one
          width as lists, if neither 0 nor 1 names a node. Its columns
          are `classes` if given; otherwise ``taxonomy.nodes[1:]`` or ``taxonomy.leaves``,
          whichever has as many (in a tree of one level they are the same). A 2-D array is always an
          indicator;
        - a data frame of 0 and 1 whose columns are named by nodes, in any order, whatever
          `classes` is;
        - a list, or 1-D array of objects, of collections of labels. None and an empty
          collection are the empty set;
        - the same with paths in place of labels: tuples or lists of steps from the first level. They
          are read as paths if all of them are tuples or lists and none is the name of a node;
        - 1-D labels, one for each sample; None and NaN are the empty set. Tuples and sets count as
          labels, not as collections, if all of them are names of nodes.
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
    if _is_frame(y):
        return _read_frame(y, taxonomy)
    if _is_table(y) or _are_rows_of_bits(y, taxonomy):
        return _read_table(y if _is_table(y) else np.asarray(y), taxonomy, classes)
    if taxonomy is None and classes is not None and not _holds_paths(y, None):
        taxonomy = Taxonomy.flat(classes)
    return _read_rows(y, taxonomy)


def gives_label_sets(y: Any, taxonomy: Taxonomy | None) -> bool:
    """Whether `y` gives samples several labels, rather than one label or path each.

    Lists of labels that can all be read as one path each are not taken for sets.
    """
    if sparse.issparse(y):
        return True
    if _is_table(y):
        return y.shape[1] > 1 and _is_numeric(y) and _holds_bits(y)
    if getattr(getattr(y, "dtype", None), "kind", "O") != "O":
        return False
    rows = _rows_of(y)
    filled = [row for row in rows if not _is_empty(row)]
    if not all(map(is_collection, filled)) or _are_single(rows, taxonomy):
        return False
    if any(isinstance(row, AbstractSet) for row in rows) or _holds_paths(rows, taxonomy):
        return True
    return taxonomy is not None and _are_no_paths(rows, filled, taxonomy)


def closed_sets(y: Any, taxonomy: Taxonomy) -> sparse.csr_array:
    """Return label sets, or single labels or paths, closed under ancestors, (n_samples, n_nodes).

    What :func:`sklhier._targets.closed_indicator` reads, and data frames named by nodes, indicators
    of leaves, and lists of paths.
    """
    if _is_frame(y) and _is_numeric(y) and all(plain(name) in taxonomy for name in y.columns):
        return _read_frame(y, taxonomy)[0]
    if _is_table(y) and not _is_frame(y):
        of_leaves = y.shape[1] == len(taxonomy.leaf_ids) != taxonomy.n_nodes - 1
        if of_leaves and (sparse.issparse(y) or (_is_numeric(y) and _holds_bits(y))):
            return _closed_like(y, taxonomy, taxonomy.leaf_ids)
    elif isinstance(y, list) and any(map(is_collection, y)) and _holds_paths(y, taxonomy):
        return _read_rows(y, taxonomy)[0]
    return closed_indicator(y, taxonomy)


def _are_no_paths(rows: list[Any], filled: list[Any], taxonomy: Taxonomy) -> bool:
    """Whether rows of labels are sets: not each of them is a path, but all labels are nodes."""
    columns, codes = factorize_levels(filled)
    if len(filled) == len(rows) and (taxonomy.walk(columns, codes) > 0).all():
        return False
    return bool(filled) and all(label in taxonomy for labels in columns for label in labels)


def _is_frame(y: Any) -> bool:
    return hasattr(y, "columns") and hasattr(y, "shape")


def _is_table(y: Any) -> bool:
    return sparse.issparse(y) or len(getattr(y, "shape", ())) == 2


def _is_numeric(y: Any) -> bool:
    columns = [np.asarray(y[name]) for name in y.columns] if _is_frame(y) else [np.asarray(y)]
    return all(column.dtype.kind in "biuf" for column in columns)


def _holds_bits(y: Any) -> bool:
    values = np.asarray(y)
    return bool(((values == 0) | (values == 1)).all())


def _is_empty(row: Any) -> bool:
    return is_missing(row) or (is_collection(row) and len(row) == 0)


def _rows_of(y: Any) -> list[Any]:
    """Return the rows of any 1-D container as Python objects."""
    if isinstance(y, str | bytes) or not hasattr(y, "__iter__"):
        raise TargetError(
            f"y holds the labels of each sample; {type(y).__name__} was given. Pass a list of "
            "collections of labels, or an indicator."
        )
    if len(getattr(y, "shape", ())) > 1:
        raise TargetError(f"y has one or two dimensions; shape {y.shape} was given.")
    return y.tolist() if hasattr(y, "tolist") else list(y)


def _named(names: Sequence[Any], taxonomy: Taxonomy, hint: str) -> NodeIds:
    """Return the distinct nodes that columns are named by, the root not among them."""
    names = [plain(name) for name in names]
    nodes = taxonomy.ids(names)
    unknown = [name for name, node in zip(names, nodes.tolist(), strict=True) if node < 0]
    if unknown:
        raise TargetError.unknown(unknown, taxonomy.nodes[1:], hint)
    if (nodes == 0).any():
        raise TargetError(
            f"{taxonomy.root!r} names a column, but it is the root, which every sample has. "
            "Leave it out."
        )
    if len(np.unique(nodes)) < len(nodes):
        twice = names[int(np.argmax(np.bincount(nodes)[nodes] > 1))]
        raise TargetError(f"{twice!r} names more than one column. Name each column once.")
    return nodes


def _closure(given: sparse.csr_array, taxonomy: Taxonomy) -> sparse.csr_array:
    return ops.marked(sparse.csr_array(given @ taxonomy.ancestor_closure))


def _closed_like(y: Any, taxonomy: Taxonomy, columns: NodeIds | None) -> sparse.csr_array:
    """Return closed sets; a table with as many columns as `columns` has these."""
    if _is_frame(y):
        return _read_frame(y, taxonomy)[0]
    if not _is_table(y):
        return _read_rows(y, taxonomy)[0]
    bits = read_bits(y)
    if columns is None or bits.shape[1] != len(columns):
        columns = _columns_by_number(bits.shape[1], taxonomy)
    return _closure(ops.with_columns(bits, columns, taxonomy.n_nodes), taxonomy)


# -- tables -------------------------------------------------------------------------------


def _columns_by_number(n_columns: int, taxonomy: Taxonomy) -> NodeIds:
    if n_columns == taxonomy.n_nodes - 1:
        return np.arange(1, taxonomy.n_nodes, dtype=np.int32)
    if n_columns == len(taxonomy.leaf_ids):
        return taxonomy.leaf_ids
    raise TargetError(
        f"An indicator of {n_columns} columns was given. Its columns are the "
        f"{taxonomy.n_nodes - 1} nodes of taxonomy.nodes[1:], or the {len(taxonomy.leaf_ids)} of "
        "taxonomy.leaves, or any others that `classes` names, one for each column (classes=None "
        "here)."
    )


def _columns_by_classes(n_columns: int, classes: Sequence[Any], taxonomy: Taxonomy) -> NodeIds:
    if n_columns != len(classes):
        raise TargetError(
            f"`classes` names {len(classes)} columns, but an indicator of {n_columns} columns was "
            f"given. Without `classes`, columns are the {taxonomy.n_nodes - 1} nodes of "
            f"taxonomy.nodes[1:] or the {len(taxonomy.leaf_ids)} of taxonomy.leaves."
        )
    return _named(classes, taxonomy, " `classes` names the columns of the indicator.")


def _read_table(
    y: Any, taxonomy: Taxonomy | None, classes: Any
) -> tuple[sparse.csr_array, Taxonomy, IndicatorFormat]:
    bits = read_bits(y)
    n_columns = bits.shape[1]
    if taxonomy is None:
        taxonomy = Taxonomy.flat(np.arange(n_columns) if classes is None else classes)
    if classes is None:
        columns = _columns_by_number(n_columns, taxonomy)
    else:
        columns = _columns_by_classes(n_columns, label_array(classes).tolist(), taxonomy)
    container = None
    if sparse.issparse(y):
        container = sparse.csr_matrix if isinstance(y, sparse.spmatrix) else sparse.csr_array
    form = IndicatorFormat(
        columns, np.asarray(y).dtype if container is None else y.dtype, container
    )
    return _closure(ops.with_columns(bits, columns, taxonomy.n_nodes), taxonomy), taxonomy, form


def _read_frame(
    y: Any, taxonomy: Taxonomy | None
) -> tuple[sparse.csr_array, Taxonomy, FrameFormat]:
    names = list(y.columns)
    taxonomy = Taxonomy.flat(names) if taxonomy is None else taxonomy
    hint = (
        " The columns of a data frame are named by nodes; pass y.to_numpy() if they are not, and "
        "stand in the order of the nodes or of `classes`."
    )
    nodes = _named(names, taxonomy, hint)
    columns = [np.asarray(y[name]) for name in names]
    bits = sparse.csr_array(sparse.hstack([read_bits(column[:, None]) for column in columns]))
    dtypes = tuple(column.dtype for column in columns)
    form = FrameFormat(nodes, type(y).__module__.split(".")[0], tuple(names), dtypes)
    return _closure(ops.with_columns(bits, nodes, taxonomy.n_nodes), taxonomy), taxonomy, form


# -- collections --------------------------------------------------------------------------


def _are_paths(labels: Collection[Any], taxonomy: Taxonomy | None) -> bool:
    """Whether labels are written as steps, rather than as names of nodes."""
    if not labels or not all(isinstance(label, list | tuple) for label in labels):
        return False
    known = () if taxonomy is None else taxonomy
    return not any(isinstance(label, tuple) and label in known for label in labels)


def _holds_paths(y: Any, taxonomy: Taxonomy | None) -> bool:
    rows = [row for row in _rows_of(y) if not _is_empty(row)]
    if not all(map(is_collection, rows)):
        return False
    return _are_paths([label for row in rows for label in row], taxonomy)


def _are_single(rows: list[Any], taxonomy: Taxonomy | None) -> bool:
    """Whether each row that is not empty is itself a label."""
    known = () if taxonomy is None else taxonomy
    filled = [row for row in rows if not _is_empty(row)]
    return bool(filled) and all(
        not is_collection(row) or (isinstance(row, Hashable) and row in known) for row in filled
    )


def _kind_of(rows: list[Any]) -> Any:
    first = next((row for row in rows if not is_missing(row)), None)
    if isinstance(first, frozenset):
        return frozenset
    return set if isinstance(first, AbstractSet) else list


def _read_rows(
    y: Any, taxonomy: Taxonomy | None
) -> tuple[sparse.csr_array, Taxonomy, CollectionFormat]:
    rows = _rows_of(y)
    single = _are_single(rows, taxonomy)
    kind = list if single else _kind_of(rows)
    if single:
        rows = [() if _is_empty(row) else (row,) for row in rows]
    in_array = hasattr(y, "shape") and not single
    if not single and _holds_paths(rows, taxonomy):
        given, taxonomy = _read_paths(rows, taxonomy)
        make: type[CollectionFormat] = PathSetFormat
    else:
        given, taxonomy = _read_labels(rows, taxonomy)
        make = CollectionFormat
    closed = _closure(given, taxonomy)
    class_ids = np.unique(given.indices).astype(np.int32)
    deep = bool((taxonomy.depths[class_ids] > 1).any())
    form = make(class_ids, deep and given.nnz == closed.nnz, kind, in_array)
    return closed, taxonomy, form


def _read_labels(rows: list[Any], taxonomy: Taxonomy | None) -> tuple[sparse.csr_array, Taxonomy]:
    if taxonomy is None:
        raise TargetError(
            "Collections of labels do not tell how nodes are related: pass `taxonomy=`, or paths "
            "in place of labels, such as [[('science', 'space'), ('sport',)], []]."
        )
    return taxonomy.members_of(rows), taxonomy


def _are_rows_of_bits(y: Any, taxonomy: Taxonomy | None) -> bool:
    """Whether lists or arrays are the rows of an indicator, and no collections of labels."""
    if not isinstance(y, list | tuple) or not all(isinstance(r, list | np.ndarray) for r in y):
        return False
    if len({len(row) for row in y}) != 1 or not len(y[0]):
        return False
    if taxonomy is not None and (0 in taxonomy or 1 in taxonomy):
        return False
    kinds = (bool, int, float, np.bool_, np.number)
    return all(isinstance(bit, kinds) and bit in (0, 1) for row in y for bit in row)


def _read_paths(rows: list[Any], taxonomy: Taxonomy | None) -> tuple[sparse.csr_array, Taxonomy]:
    rows = [() if _is_empty(row) else [tuple(path) for path in row] for row in rows]
    paths, counts = members_by_row(rows)
    owners = np.repeat(np.arange(len(rows)), counts)
    columns, codes = factorize_levels(paths)
    refuse_gaps(codes, columns, owners)
    if taxonomy is None:
        labels, taxonomy = Taxonomy.from_levels(paths)
        nodes = taxonomy.ids(labels.tolist())
    else:
        taxonomy.require_tree("A path")
        nodes = taxonomy.walk(columns, codes)
        refuse_unknown_paths(nodes, columns, codes, taxonomy)
    cells = (np.ones(len(nodes)), nodes, ops.offsets_of(counts))
    shape = (len(rows), taxonomy.n_nodes)
    return ops.marked(sparse.csr_array(cells, shape=shape)), taxonomy
