"""The formats of labels, and the one place that tells which of them labels have.

:func:`detect` takes the first format of :data:`FORMATS` whose test fits. A test looks at the labels,
at the taxonomy (do they name nodes?) and at what is asked for:

- ``"one"``: one label for each sample. Tables and lists of steps are paths.
- ``"sets"``: any number of labels. Tables are indicators, lists hold labels or paths.
- ``"any"``: either, for metrics and splitters. Numbers 0 and 1 in as many columns as there are nodes,
  leaves or `classes` are an indicator. Other lists and tables are paths if the taxonomy has all of
  them, one for each sample, and sets if not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from sklhier._utils import columns as containers
from sklhier._utils.typing import Bools, Labels, NodeIds, Rows
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._parsing import (
    factorize_levels,
    is_bit,
    is_collection,
    is_hashable,
    is_missing,
    is_padding,
    label_array,
    members_by_row,
    path_of_row,
    plain,
    read_bits,
    refuse_equal_types,
    refuse_gaps,
    sort_key,
)
from sklhier.taxonomy._sources import AUTO

__all__ = ["FORMATS", "Asked", "Format", "as_labels", "detect"]

Asked: TypeAlias = Literal["one", "sets", "any"]
UNKNOWN, EMPTY = -1, -2  # in place of node ids: no node of the taxonomy, and no label


def detect(y: Any, taxonomy: Taxonomy | None, asked: Asked, classes: Any = None) -> Format:
    """Return the format of labels, which reads them.

    Without a taxonomy the labels themselves are to spell it out. `classes` are labels that the
    columns of an indicator may stand for.
    """
    given = Given(as_container(y), taxonomy, asked, classes)
    given = given.unwrapped if given.is_mere_column else given
    return next(kind(given) for kind in FORMATS if kind.matches(given))


def as_container(y: Any) -> Any:
    """Return labels as a list, tuple, array, sparse matrix, or what pandas, polars or arrow hold.

    Raises
    ------
    TargetError
        For what holds no labels in order, and for arrays of no or more than three dimensions.
    """
    _refuse_others(y)
    if isinstance(y, np.ma.MaskedArray):
        values = y.data.astype(object) if np.ma.is_masked(y) else y.data
        values[np.ma.getmaskarray(y)] = None  # a copy, if anything is masked
        return values
    foreign = isinstance(y, list | tuple) or sparse.issparse(y)
    if not foreign and containers.package_of(y) not in containers.PACKAGES:
        y = np.asarray(y) if hasattr(y, "__array__") else list(y)
    n_axes = len(getattr(y, "shape", (0,)))
    if n_axes not in (1, 2, 3) or (sparse.issparse(y) and n_axes != 2):
        raise TargetError(
            f"y must have one or two dimensions, or three with paths of several labels, got shape "
            f"{y.shape}."
        )
    return y


def _refuse_others(y: Any) -> None:
    """Raise a TargetError for anything that does not hold labels, in memory and in order."""
    package, kind = containers.package_of(y), type(y).__name__
    sized = hasattr(y, "__iter__") and hasattr(y, "__len__")
    if isinstance(y, str | bytes) or not (sized or hasattr(y, "__array__") or sparse.issparse(y)):
        advice = "Pass a list of labels, of paths or of collections of labels, or an indicator."
        for right, remedy in _REMEDIES.items():
            advice = remedy if hasattr(y, right) else advice
        raise TargetError(f"y must hold the labels of each sample, got {kind}. {advice}")
    if package.startswith("dask"):
        raise TargetError(f"y must be in memory, got {kind} of dask. {_REMEDIES['compute']}")
    if isinstance(y, set | frozenset | Mapping):
        raise TargetError(
            f"y must hold the labels of each sample, in order, got a {kind}. Pass a list, such as "
            f"{'[y[name] for name in names]' if isinstance(y, Mapping) else 'sorted(y)'}."
        )
    if containers.is_frame(y) and not y.shape[1]:
        raise TargetError(f"y must have at least one column, got a {kind} of shape {y.shape}.")


# What tells lazy objects apart, and what makes a list or a table of them.
_REMEDIES = {
    "__next__": "It can be read but once: pass list(y).",
    "collect": "It is not computed yet: pass y.collect().",
    "compute": "It is not computed yet: pass y.compute().",
}


def as_labels(y: Any) -> Labels:
    """Return 1-D labels of any container as an array of their own type."""
    return column_or_1d(label_array(y), warn=True)


@dataclass(frozen=True, eq=False)
class Given:
    """Labels and what is asked for, with the facts that tell formats apart.

    A table has two dimensions. Anything else has rows: labels, or collections of labels or steps.
    `frame` is the table whose only column the labels are, if there is one.
    """

    y: Any
    taxonomy: Taxonomy | None
    asked: Asked
    classes: Any = None
    frame: Any = None

    @cached_property
    def is_table(self) -> bool:
        return sparse.issparse(self.y) or len(getattr(self.y, "shape", ())) == 2

    @cached_property
    def is_frame(self) -> bool:
        return containers.is_frame(self.y)

    @cached_property
    def is_deep(self) -> bool:
        """Whether an array holds the steps of several paths for each sample."""
        return len(getattr(self.y, "shape", ())) == 3

    @cached_property
    def names(self) -> list[Any]:
        """The names of the columns of a frame."""
        return containers.frame_names(self.y)

    @cached_property
    def columns(self) -> list[Any]:
        """The columns of a frame; an array is a single one."""
        if not self.is_frame:
            return [np.asarray(self.y)]
        return list(map(label_array, containers.frame_columns(self.y)))

    @cached_property
    def unwrapped(self) -> Given:
        """The only column of a table, which stands for itself."""
        column = containers.frame_columns(self.y)[0] if self.is_frame else self.y[:, 0]
        return Given(column, self.taxonomy, self.asked, self.classes, frame=self.y)

    @cached_property
    def is_mere_column(self) -> bool:
        """Whether a table is nothing but one column of labels, or of collections."""
        if not self.is_table or sparse.issparse(self.y) or self.y.shape[1] != 1:
            return False
        kind = getattr(getattr(self.y, "dtype", None), "kind", "O")
        if kind not in "OUST":
            return False  # a column vector of numbers: labels, with a warning of scikit-learn
        if self.unwrapped.collections:
            return True
        if self.holds_bits or (self.asked != "sets" and self.taxonomy is None):
            return False
        return self.asked == "sets" or not self.spells_paths

    @cached_property
    def is_numeric(self) -> bool:
        return all(column.dtype.kind in "biuf" for column in self.columns)

    @cached_property
    def holds_bits(self) -> bool:
        return all(map(_holds_bits, self.columns))

    @cached_property
    def rows(self) -> list[Any]:
        return _paths_of_rows(self.y) if self.is_deep else containers.values_of(self.y)

    @cached_property
    def filled(self) -> list[Any]:
        """The rows that are neither missing nor empty collections."""
        return [row for row in self.rows if not _is_empty(row)]

    @cached_property
    def collections(self) -> list[Any]:
        """One row of each type that is a collection."""
        if getattr(getattr(self.y, "dtype", None), "kind", "O") != "O" and not self.is_deep:
            return []
        return [*filter(is_collection, {type(row): row for row in self.rows}.values())]

    @cached_property
    def members(self) -> list[Any]:
        """The members of all collections, unless some rows are none."""
        if not all(map(is_collection, self.filled)):
            return []
        return [member for row in self.filled for member in row]

    @cached_property
    def paths(self) -> Any:
        """The table, or the rows with an empty path in place of a missing one."""
        return self.y if self.is_table else [() if is_missing(row) else row for row in self.rows]

    @cached_property
    def steps(self) -> tuple[list[list[Hashable]], Any]:
        """The distinct steps of each level and the codes of rows, as `factorize_levels`."""
        return factorize_levels(self.paths)

    @cached_property
    def spells_paths(self) -> bool:
        """Whether every row is a path of the taxonomy, or empty."""
        values = chain(*self.columns) if self.is_frame else self.y.flat if self.is_table else None
        if not all(map(is_hashable, self.members if values is None else values)):
            return False
        return self.taxonomy is None or bool((self.taxonomy.walk(*self.steps) >= 0).all())

    def is_name(self, label: Any) -> bool:
        """Whether a collection names a node."""
        if self.taxonomy is None or not is_collection(label):
            return False
        return is_hashable(label) and label in self.taxonomy

    @cached_property
    def is_mere_bits(self) -> bool:
        """Whether a table holds 0 and 1 that cannot be steps of paths."""
        if self.y.shape[1] == 1 or not self.holds_bits:
            return False
        return self.is_numeric if self.taxonomy is None else not self.spells_paths

    @cached_property
    def is_padded(self) -> bool:
        """Whether rows are lists of one length, of which some are filled up at the end."""
        rows = self.rows
        if len(rows) < 2 or not all(isinstance(row, list | tuple | np.ndarray) for row in rows):
            return False
        alike = len(set(map(len, rows))) == 1 and len(rows[0]) > 1
        return alike and any(is_padding(row[-1]) for row in rows)


def _paths_of_rows(table: Any) -> list[list[Any]]:
    """Return the paths of each row of an array of three dimensions, the padding left out."""
    if table.dtype.kind in "biuf" and _holds_bits(table.ravel()):
        raise TargetError(
            f"y must not have three dimensions where it holds 0 and 1, got shape {table.shape}. "
            "An indicator has two."
        )
    n_rows, n_paths, n_steps = table.shape
    flat = (
        containers.values_of(table.reshape(-1))
        if table.dtype.kind in "mM"
        else table.ravel().tolist()
    )
    paths = (
        [unpadded(flat[i : i + n_steps]) for i in range(0, len(flat), n_steps)] if n_steps else []
    )
    rows = [paths[i : i + n_paths] for i in range(0, len(paths), n_paths)] if n_paths else []
    return [[path for path in row if path] for row in rows] or [[] for _ in range(n_rows)]


def unpadded(path: Sequence[Any]) -> tuple[Any, ...]:
    """Return a path without the padding behind its end."""
    end = len(path)
    while end and is_padding(path[end - 1]):
        end -= 1
    return tuple(path[:end])


def _holds_bits(values: Any) -> bool:
    if values.dtype.kind in "biuf":
        return bool(((values == 0) | (values == 1)).all())
    return values.dtype.kind == "O" and all(map(is_bit, values.ravel().tolist()))


def _is_empty(row: Any) -> bool:
    return is_missing(row) or (is_collection(row) and len(row) == 0)


# -- what a format does -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Format(ABC):
    """Labels of one format: the test of fit, and the readers.

    `name`, `description` and `why` (a reason for the format) are words for errors and documents, and
    so are `containers` (what labels come in), `reads` (what fit makes of them) and `returns` (what
    predict answers in).
    `several` tells that samples may have several labels, `has_steps` that each has a path.
    """

    given: Given
    name: ClassVar[str]
    description: ClassVar[str]
    why: ClassVar[str]
    containers: ClassVar[str]
    reads: ClassVar[str]
    returns: ClassVar[str]
    several: ClassVar[bool] = True
    has_steps: ClassVar[bool] = False

    @staticmethod
    @abstractmethod
    def matches(given: Given) -> bool:
        """Whether labels have this format, if they have no earlier one."""

    @abstractmethod
    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        """Mark the labels of each row, as given: float64 0/1, (n_samples, n_nodes), no root."""

    def infer(self, classes: Any = None) -> Taxonomy:
        """Return the taxonomy that the labels spell out, or a flat one of `classes`."""
        if classes is None:
            raise TargetError(
                "Collections of labels do not tell how nodes are related: pass `taxonomy=`, or paths "
                "in place of labels, such as [[('science', 'space'), ('sport',)], []]."
            )
        return Taxonomy.flat(as_labels(classes))

    def ids(self, taxonomy: Taxonomy) -> NodeIds:  # noqa: ARG002
        """Return the node of each row, UNKNOWN for one that the taxonomy lacks, or EMPTY."""
        with self.explained():
            raise TargetError.one_label_each()

    def nodes(self, taxonomy: Taxonomy, *, empty_is_root: bool = True) -> NodeIds:
        """Return the node of each row; refuse unknown ones and, unless the root, empty rows."""
        ids = self.ids(taxonomy)
        empty = ids == EMPTY
        if empty.any() and not empty_is_root:
            raise TargetError.missing(int(np.argmax(empty)))
        self.refuse(ids, taxonomy)
        return np.where(empty, np.int32(0), ids)

    def refuse(self, ids: NodeIds, taxonomy: Taxonomy) -> None:  # noqa: B027
        """Raise a TargetError for rows that are no labels or paths."""

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Let errors also say how labels were read."""
        try:
            yield
        except TargetError as error:
            why = f"y was read as {self.name!r}, because {self.why}."
            raise TargetError(f"{error} {why}") from None


class OneEach(Format):
    several = False

    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        nodes = self.nodes(taxonomy)
        cells = ((nodes > 0).astype(np.float64), nodes, np.arange(len(nodes) + 1))
        return ops.marked(sparse.csr_array(cells, shape=(len(nodes), taxonomy.n_nodes)))


class SingleLabels(OneEach):
    name = "labels"
    description = "One label for each sample, in a 1-D container; tuples may be labels"
    why = "its rows are no collections, or name nodes"
    containers = (
        "List or tuple; array of text, numbers, times, objects or StringDType; Series, Index or "
        "array of pandas, also of nullable, categorical and arrow-backed types; Series of polars; "
        "array of pyarrow; data frame of one column"
    )
    reads = "The node of that name. None, NaN, NaT and NA are no label"
    returns = (
        "An array of the type of the labels, of objects where None may be an answer; for a frame "
        "of one column such a frame"
    )

    @staticmethod
    def matches(given: Given) -> bool:
        if given.is_table:
            # What scikit-learn calls a column vector: labels, with a warning.
            kind = getattr(getattr(given.y, "dtype", None), "kind", "O")
            return given.y.shape[1] == 1 and kind not in "OUT"
        if not given.collections:
            return given.asked != "sets" or bool(given.filled)
        return all(map(is_hashable, given.collections)) and any(map(given.is_name, given.rows))

    @cached_property
    def labels(self) -> Labels:
        return as_labels(self.given.y)

    @cached_property
    def values(self) -> list[Any]:
        refuse_equal_types(self.labels.tolist() if self.labels.dtype.kind == "O" else ())
        return containers.values_of(self.labels)

    @cached_property
    def missing(self) -> Bools:
        """Rows without a label."""
        if self.labels.dtype.kind in "biuSU" or set(map(type, self.values)) <= {str, int}:
            return np.zeros(len(self.values), dtype=bool)
        return np.fromiter(map(_is_empty, self.values), bool, len(self.values))

    def infer(self, classes: Any = None) -> Taxonomy:
        if classes is not None or self.given.asked != "one":
            return super().infer(classes)
        if self.labels.dtype.kind in "fc":
            check_classification_targets(self.labels)
        return Taxonomy.flat(containers.object_array(self.values))

    def ids(self, taxonomy: Taxonomy) -> NodeIds:
        _refuse_unhashable(self.values)
        ids = taxonomy.ids(self.values)
        if (ids == 0).any():
            row = int(np.argmax(ids == 0))
            raise TargetError.names_root(self.values[row], f", the label of row {row},")
        ids[self.missing] = EMPTY
        return ids

    def refuse(self, ids: NodeIds, taxonomy: Taxonomy) -> None:
        unknown = list(dict.fromkeys(self.values[row] for row in np.flatnonzero(ids == UNKNOWN)))
        if unknown:
            integers = isinstance(unknown[0], int) and not isinstance(taxonomy.nodes[-1], int)
            hint = _ENCODED_HINT if integers else ""
            raise TargetError.unknown(unknown, taxonomy.nodes[1:], hint)


def _refuse_unhashable(labels: list[Any]) -> None:
    for row, label in enumerate(labels if not set(map(type, labels)) <= {str, int} else ()):
        if not is_hashable(label):
            raise TargetError.bad_member(row, label)


_ENCODED_HINT = (
    " y holds integers, as it does when a tool such as CalibratedClassifierCV, StackingClassifier "
    "or cross_val_predict(method='predict_proba') encodes the labels first: pass "
    "classes=np.unique(y) to the classifier, so that it can decode them."
)


class LevelColumns(OneEach):
    name = "level columns"
    description = "An array or data frame with a column for each level, padded at the end"
    why = "it has 2 dimensions, and may hold paths rather than 0 and 1 for each node"
    containers = (
        "Array of text, numbers, times, objects or StringDType; data frame of pandas or polars; "
        "table of pyarrow"
    )
    reads = (
        'A path, from the first level down, with None, NaN, NA or "" behind its end. Whole '
        "numbers in a column of floats are integers"
    )
    returns = (
        "The same container, with its names, types, categories and padding. Whole numbers without "
        "room for padding become nullable ones, or objects, where a decoder may stop early"
    )
    has_steps = True

    @staticmethod
    def matches(given: Given) -> bool:
        return given.is_table

    def infer(self, classes: Any = None) -> Taxonomy:  # noqa: ARG002
        return Taxonomy.from_levels(self.given.paths, strip=False)[1]  # as they are walked

    def ids(self, taxonomy: Taxonomy) -> NodeIds:
        columns, codes = self.given.steps
        empty = (codes < 0).all(axis=1)
        filled = np.flatnonzero(~empty)
        refuse_gaps(codes[filled], columns, filled)
        return np.where(empty, np.int32(EMPTY), np.maximum(taxonomy.walk(columns, codes), UNKNOWN))

    def refuse(self, ids: NodeIds, taxonomy: Taxonomy) -> None:
        columns, codes = self.given.steps
        if (ids == UNKNOWN).any():
            with self.explained():
                _refuse_unknown_paths(columns, codes, taxonomy)


class Paths(LevelColumns):
    name = "paths"
    description = "One path for each sample: a list, tuple or array of steps from the first level"
    why = "its rows are lists, tuples or arrays"
    containers = (
        "List, tuple, array of objects or Series of pandas with lists, tuples or arrays; Series "
        "of List in polars; list array of pyarrow; a data frame with these in its only column"
    )
    reads = "The steps of a path, from the first level down; padding at the end is left out"
    returns = "The same container of lists or tuples"

    @staticmethod
    def matches(given: Given) -> bool:
        ordered = all(isinstance(row, list | tuple | np.ndarray) for row in given.collections)
        if given.asked != "any" or not ordered:
            return given.asked == "one" and ordered
        return all(map(is_collection, given.filled)) and given.spells_paths

    @property
    def may_be_sets(self) -> bool:
        """Whether some rows are empty or the taxonomy is a DAG: sets of labels just as well."""
        taxonomy, filled = self.given.taxonomy, self.given.filled
        return taxonomy is not None and (
            not taxonomy.is_tree or len(filled) < len(self.given.rows)
        )


def _refuse_unknown_paths(columns: list[list[Hashable]], codes: Any, taxonomy: Taxonomy) -> None:
    nodes = taxonomy.walk(columns, codes)
    if (nodes >= 0).all():
        return
    row = int(np.argmax(nodes < 0))
    step = int(-2 - nodes[row])
    reached = taxonomy.walk(columns, np.where(np.arange(len(columns)) < step, codes[[row]], -1))
    below = taxonomy.children_of(int(reached[0]))
    path = path_of_row(columns, codes[row])
    raise TargetError.unknown_path(path, step, taxonomy.step_names[below])


# -- tables of 0 and 1 --------------------------------------------------------------------


class Indicator(Format):
    name = "indicator"
    description = "A 2-D array of 0 and 1 with a column for each label"
    why = "it is an array of 2 dimensions"
    containers = "Array of numbers, booleans or objects"
    reads = (
        "Columns are `classes`; without it taxonomy.nodes[1:] or taxonomy.leaves, where these are "
        "sorted, or where all rows have the ancestors of their labels"
    )
    returns = (
        "An array of the same dtype, with 1 for the ancestors as well, as far as they have a "
        "column"
    )

    @staticmethod
    def matches(given: Given) -> bool:
        if not given.is_table or given.is_frame or given.asked != "any":
            return given.is_table and given.asked == "sets"
        if given.taxonomy is not None and given.is_numeric and given.holds_bits:
            sizes = [given.taxonomy.n_nodes - 1, len(given.taxonomy.leaf_ids)]
            known = [] if given.classes is None else [len(given.classes)]
            return given.y.shape[1] in [*sizes, *known] or given.is_mere_bits
        return given.is_mere_bits

    @property
    def table(self) -> Any:
        """The dense or sparse table."""
        return np.asarray(self.given.y)

    @cached_property
    def bits(self) -> sparse.csr_array:
        with self.explained():
            return read_bits(self.table)

    def infer(self, classes: Any = None) -> Taxonomy:
        return Taxonomy.flat(np.arange(self.bits.shape[1]) if classes is None else classes)

    def columns(self, taxonomy: Taxonomy) -> NodeIds:
        """Return the node of each column."""
        classes = self.given.classes
        n_columns, n_nodes, leaves = self.bits.shape[1], taxonomy.n_nodes - 1, taxonomy.leaf_ids
        wanted = (
            f"the {n_nodes} nodes of taxonomy.nodes[1:], or the {len(leaves)} of taxonomy.leaves"
        )
        if classes is not None:
            if n_columns == len(classes):
                names = label_array(classes).tolist()
                return _named(names, taxonomy, " `classes` names the columns of the indicator.")
            wanted = f"the {len(classes)} labels of `classes` (without `classes`: {wanted})"
        elif n_columns in (n_nodes, len(leaves)):
            full = n_columns == n_nodes
            nodes = np.arange(1, n_nodes + 1, dtype=np.int32) if full else leaves
            if not self._order_is_certain(nodes, taxonomy):
                self._refuse_order("nodes[1:]" if full else "leaves")
            return nodes
        with self.explained():
            raise TargetError(
                f"An indicator must have a column for each of {wanted}, got {n_columns} columns. "
                "Name any others with `classes`, or as the columns of a data frame."
            )

    def _order_is_certain(self, nodes: NodeIds, taxonomy: Taxonomy) -> bool:
        """Whether columns are `nodes`, and not the same labels sorted, as other tools write them.

        They are if the nodes are sorted, or if every row is closed under ancestors in their order.
        """
        keys = [sort_key(name) for name in taxonomy.node_names[nodes].tolist()]
        if not self.bits.nnz or all(a <= b for a, b in pairwise(keys)):
            return True
        if len(nodes) < taxonomy.n_nodes - 1 or taxonomy.n_levels == 1:
            return False
        given = ops.with_columns(self.bits, nodes, taxonomy.n_nodes)
        return taxonomy.with_ancestors(given).nnz == given.nnz

    def _refuse_order(self, names: str) -> None:
        with self.explained():
            raise TargetError(
                f"An indicator without names must tell the order of its columns, got "
                f"{self.bits.shape[1]} columns: as many as taxonomy.{names}, which are not sorted as "
                "those of MultiLabelBinarizer are. Pass `classes=mlb.classes_`, or "
                f"`classes=taxonomy.{names}`, or name the columns in a data frame."
            )

    def members(self, taxonomy: Taxonomy, columns: NodeIds | None = None) -> sparse.csr_array:
        """Mark the labels of each row; an indicator of as many columns as `columns` has these."""
        if columns is None or len(columns) != self.bits.shape[1]:
            columns = self.columns(taxonomy)
        return ops.with_columns(self.bits, columns, taxonomy.n_nodes)


class SparseIndicator(Indicator):
    name = "sparse indicator"
    description = "A sparse matrix of 0 and 1 with a column for each label"
    why = "it is a sparse matrix"
    containers = "Sparse matrix or array of SciPy"
    reads = "As an indicator"
    returns = "A CSR matrix or array of the same dtype, with 1 for the ancestors as well"

    @staticmethod
    def matches(given: Given) -> bool:
        return bool(sparse.issparse(given.y))

    @property
    def table(self) -> Any:
        return self.given.y


class NamedIndicator(Indicator):
    name = "named indicator"
    description = "A data frame of 0 and 1 whose columns are named by labels, in any order"
    why = "it is a data frame, of labels or of 0 and 1"
    containers = "Data frame of pandas or polars, table of pyarrow"
    reads = "Columns are the nodes of their names, in any order"
    returns = "The same container, with its names and types"

    @staticmethod
    def matches(given: Given) -> bool:
        if not given.is_frame or given.asked != "any":
            return given.is_frame and given.asked == "sets"
        known = () if given.taxonomy is None else given.taxonomy
        named = all(plain(name) in known for name in given.names)
        if named and given.holds_bits:
            return given.is_numeric or not given.spells_paths
        return given.is_mere_bits

    @cached_property
    def bits(self) -> sparse.csr_array:
        with self.explained():
            parts = [read_bits(column[:, None]) for column in self.given.columns]
        return sparse.csr_array(sparse.hstack(parts))

    def infer(self, classes: Any = None) -> Taxonomy:  # noqa: ARG002
        return Taxonomy.flat(self.given.names)

    def columns(self, taxonomy: Taxonomy) -> NodeIds:
        hint = (
            " The columns of a data frame are named by nodes; pass y.to_numpy() if they are not, "
            "and stand in the order of the nodes or of `classes`."
        )
        with self.explained():
            return _named(self.given.names, taxonomy, hint)

    def members(self, taxonomy: Taxonomy, columns: NodeIds | None = None) -> sparse.csr_array:  # noqa: ARG002
        return super().members(taxonomy)


class RowsOfBits(Indicator):
    name = "rows of bits"
    description = "Lists or arrays of 0 and 1, all of one length, with an entry for each label"
    why = "its rows hold 0 and 1, and neither names a node"
    containers = "List, tuple or array of objects with lists or arrays"
    reads = "As an indicator"
    returns = "An array"

    @staticmethod
    def matches(given: Given) -> bool:
        rows = [] if given.asked == "one" else given.rows
        known = () if given.taxonomy is None else given.taxonomy
        if not all(isinstance(row, list | np.ndarray) for row in rows) or 0 in known or 1 in known:
            return False
        alike = len(set(map(len, rows))) == 1 and bool(given.members)
        bits = alike and all(map(is_bit, given.members))
        return bits and (given.asked == "sets" or not given.spells_paths)

    @property
    def table(self) -> Any:
        return np.array([list(row) for row in self.given.rows])


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
            "Leave it out, or build the taxonomy with `root=None` to make it a class."
        )
    if len(np.unique(nodes)) < len(nodes):
        twice = names[int(np.argmax(np.bincount(nodes)[nodes] > 1))]
        raise TargetError(f"{twice!r} names more than one column. Name each column once.")
    return nodes


# -- collections --------------------------------------------------------------------------


class LabelSets(Format):
    name = "label sets"
    description = "A collection of labels for each sample; None and an empty one hold no label"
    why = "its rows are sets, or lists of which not all are paths of the taxonomy"
    containers = (
        "List, tuple, array of objects or Series of pandas with lists, tuples, sets, frozensets "
        "or arrays; Series of List in polars; list array of pyarrow; a data frame with these in "
        "its only column"
    )
    reads = (
        "The nodes of these names. None is an empty collection. In a table of lists of one "
        "length, padding at the end is left out"
    )
    returns = (
        "The same container of collections of the same type: the most specific labels, or all of "
        "them if those of training came with their ancestors"
    )

    @staticmethod
    def matches(given: Given) -> bool:  # noqa: ARG004
        return True

    def rows(self, taxonomy: Taxonomy) -> list[Any]:
        """Return the collections, those of a padded table without the padding."""
        rows = self.given.rows
        padded = self.given.is_padded and "" not in taxonomy
        return list(map(unpadded, rows)) if padded else rows

    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        with self.explained():
            return taxonomy.members_of(self.rows(taxonomy))


class PathSets(Format):
    name = "path sets"
    description = "A collection of paths for each sample, a path being a tuple or list of steps"
    why = "its rows are collections of tuples or lists that name no nodes"
    containers = (
        "As label sets, with a list or tuple of steps for each label; array of three dimensions, "
        "padded"
    )
    reads = "The nodes at the ends of these paths"
    returns = (
        "The same container; an array of three dimensions has as many paths for each row as the "
        "longest answer needs, at least those of training"
    )

    @staticmethod
    def matches(given: Given) -> bool:
        if given.is_deep:
            return True
        members = [] if given.asked == "one" else given.members
        paths = all(isinstance(member, list | tuple | np.ndarray) for member in members)
        return bool(members) and paths and not any(map(given.is_name, members))

    @cached_property
    def paths(self) -> tuple[list[Any], Rows]:
        """The paths of all rows one after the other, and the number in each row."""
        rows = [() if _is_empty(row) else row for row in self.given.rows]
        return members_by_row(
            [[own for path in row if (own := unpadded(path)) or not len(path)] for row in rows]
        )

    @cached_property
    def steps(self) -> tuple[list[list[Hashable]], Any]:
        paths, counts = self.paths
        columns, codes = factorize_levels(paths)
        refuse_gaps(codes, columns, np.repeat(np.arange(len(counts)), counts))
        return columns, codes

    def infer(self, classes: Any = None) -> Taxonomy:  # noqa: ARG002
        _ = self.steps  # refuses gaps, by the number of the row rather than of the path
        paths, counts = self.paths
        # Where some samples have no path, a first step that all paths share tells something.
        root = None if (counts == 0).any() else AUTO
        return Taxonomy.from_levels(paths, root=root, strip=False)[1]

    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        taxonomy.require_tree("A path")
        (columns, codes), counts = self.steps, self.paths[1]
        with self.explained():
            _refuse_unknown_paths(columns, codes, taxonomy)
        cells = (np.ones(len(codes)), taxonomy.walk(columns, codes), ops.offsets_of(counts))
        return ops.marked(sparse.csr_array(cells, shape=(len(counts), taxonomy.n_nodes)))


FORMATS: tuple[type[Format], ...] = (
    SparseIndicator,
    NamedIndicator,
    Indicator,
    SingleLabels,
    LevelColumns,
    RowsOfBits,
    PathSets,
    Paths,
    LabelSets,
)
