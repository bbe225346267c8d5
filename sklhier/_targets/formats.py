"""The formats of labels, and the one place that tells which of them labels have.

:func:`detect` walks :data:`FORMATS`, and the first format whose test fits is taken. A test looks at
the labels, at the taxonomy (whose nodes do they name?) and at what is asked for:

- ``"one"``: one label for each sample. Tables and lists of steps are paths.
- ``"sets"``: any number of labels. Tables are indicators, and lists hold labels or paths.
- ``"any"``: either, as metrics and splitters take. What reads one way alone is read so. Of the
  rest, numbers 0 and 1 in as many columns as the taxonomy has nodes, or leaves, are an indicator;
  what spells out paths of the taxonomy is one path for each sample; all else are sets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from sklhier._utils.typing import Bools, Labels, NodeIds, Rows
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._parsing import (
    factorize_levels,
    is_bit,
    is_collection,
    is_missing,
    label_array,
    members_by_row,
    path_of_row,
    plain,
    read_bits,
    refuse_gaps,
)

__all__ = ["EMPTY", "FORMATS", "Asked", "Format", "as_labels", "detect"]

Asked: TypeAlias = Literal["one", "sets", "any"]
Steps: TypeAlias = tuple[Sequence[Sequence[Hashable]], Rows]  # as `factorize_levels` returns them

UNKNOWN, EMPTY = -1, -2  # in place of node ids: no node of the taxonomy, and no label

_ENCODED_HINT = (
    " y holds integers, as it does when a tool such as CalibratedClassifierCV, StackingClassifier "
    "or cross_val_predict(method='predict_proba') encodes the labels first: pass "
    "classes=np.unique(y) to the classifier, so that it can decode them."
)


def detect(y: Any, taxonomy: Taxonomy | None, asked: Asked, classes: Any = None) -> Format:
    """Return the format of labels, which reads them.

    Parameters
    ----------
    y : array-like, sparse matrix, data frame or collection
        Labels of any format.
    taxonomy : Taxonomy or None
        None if the labels themselves are to spell it out.
    asked : {"one", "sets", "any"}
        Labels for each sample that the caller can take.
    classes : array-like or None
        Labels that the columns of an indicator may stand for.

    Raises
    ------
    TargetError
        If `y` is no container of one or two dimensions.
    """
    _refuse_other_than_containers(y)
    given = Given(y, taxonomy, asked, classes)
    return next(kind(given, why) for kind in FORMATS if (why := kind.matches(given)))


def _refuse_other_than_containers(y: Any) -> None:
    shape = getattr(y, "shape", (0,))
    if isinstance(y, str | bytes) or not (hasattr(y, "__iter__") or sparse.issparse(y)):
        raise TargetError(
            f"y must hold the labels of each sample; {type(y).__name__} was given. Pass a list of "
            "labels, of paths or of collections of labels, or an indicator."
        )
    if len(shape) not in (1, 2):
        raise TargetError(f"y must have one or two dimensions; shape {shape} was given.")


def as_labels(y: Any) -> Labels:
    """Return 1-D labels of any container as an array of their own type."""
    return column_or_1d(label_array(y), warn=True)


@dataclass(frozen=True, eq=False)
class Given:
    """Labels, and the facts about them that tell formats apart, each worked out once.

    A table has two dimensions; all else has rows, which are labels or collections.
    """

    y: Any
    taxonomy: Taxonomy | None
    asked: Asked
    classes: Any

    @cached_property
    def is_frame(self) -> bool:
        return hasattr(self.y, "columns") and hasattr(self.y, "shape")

    @cached_property
    def is_table(self) -> bool:
        return sparse.issparse(self.y) or len(getattr(self.y, "shape", ())) == 2

    @cached_property
    def columns(self) -> list[Any]:
        """The columns of a dense table: those of a frame, or the array itself as the only one."""
        return [np.asarray(self.y[name]) for name in self.y.columns] if self.is_frame else [self.y]

    @cached_property
    def is_numeric(self) -> bool:
        return all(np.asarray(column).dtype.kind in "biuf" for column in self.columns)

    @cached_property
    def holds_bits(self) -> bool:
        return all(map(_holds_bits, self.columns))

    @cached_property
    def rows(self) -> list[Any]:
        return self.y.tolist() if hasattr(self.y, "tolist") else list(self.y)

    @cached_property
    def filled(self) -> list[Any]:
        """The rows that are neither missing nor empty collections."""
        return [row for row in self.rows if not _is_empty(row)]

    @cached_property
    def kinds(self) -> set[type]:
        """The types of the rows that are collections."""
        if getattr(getattr(self.y, "dtype", None), "kind", "O") != "O":
            return set()
        return {kind for kind in set(map(type, self.rows)) if _holds_several(kind)}

    @cached_property
    def members(self) -> list[Any]:
        """What all collections hold, one after the other; nothing if some rows are none."""
        if not all(map(is_collection, self.filled)):
            return []
        return [member for row in self.filled for member in row]

    @cached_property
    def paths(self) -> Any:
        """The table, or the rows with an empty path for a missing one."""
        return self.y if self.is_table else [() if is_missing(row) else row for row in self.rows]

    @cached_property
    def steps(self) -> Steps:
        """Distinct steps at each level, and for each row codes into them, -1 for padding."""
        return factorize_levels(self.paths)

    @cached_property
    def spells_paths(self) -> bool:
        """Whether every row is a path of the taxonomy, or empty."""
        if self.taxonomy is None:
            return True
        if not self.is_table and not all(isinstance(step, Hashable) for step in self.members):
            return False
        return bool((self.taxonomy.walk(*self.steps) >= 0).all())

    @property
    def rows_are_names(self) -> bool:
        """Whether collections are names of nodes: one of them or, where rows may be sets, all."""
        if self.asked == "one":
            hashable = all(issubclass(kind, Hashable) for kind in self.kinds)
            return hashable and any(map(self.is_name, self.rows))
        return bool(self.filled) and all(
            not is_collection(row) or self.is_name(row) for row in self.filled
        )

    def is_name(self, label: Any) -> bool:
        """Whether a collection names a node."""
        if self.taxonomy is None or not is_collection(label):
            return False
        parts = label if isinstance(label, tuple) else ()
        return all(isinstance(part, Hashable) for part in parts) and label in self.taxonomy

    def has_columns_of(self, n_columns: int) -> bool:
        """Whether the nodes, the leaves or `classes` are that many."""
        taxonomy, classes = self.taxonomy, self.classes
        if taxonomy is None:
            return n_columns > 1
        sizes = [taxonomy.n_nodes - 1, len(taxonomy.leaf_ids)]
        return n_columns in (sizes if classes is None else [*sizes, len(classes)])


def _holds_several(kind: type) -> bool:
    return issubclass(kind, Collection) and not issubclass(kind, str | bytes)


def _holds_bits(values: Any) -> bool:
    values = np.asarray(values)
    if values.dtype.kind in "biuf":
        return bool(((values == 0) | (values == 1)).all())
    return values.dtype.kind == "O" and all(map(is_bit, values.ravel().tolist()))


def _is_empty(row: Any) -> bool:
    return is_missing(row) or (is_collection(row) and len(row) == 0)


# -- what a format does -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Format(ABC):
    """Labels of one format: its test of fit, and its readers.

    Attributes
    ----------
    given : Given
        The labels.
    why : str
        The reason for this format.
    name, description : str
        What errors and documents call it.
    several, has_steps : bool
        Whether a sample may have several labels, and whether it has one path, step by step.
    """

    given: Given
    why: str
    name: ClassVar[str]
    description: ClassVar[str]
    several: ClassVar[bool] = True
    has_steps: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def matches(cls, given: Given) -> str:
        """Return why labels have this format, or "" if they do not."""

    @abstractmethod
    def infer(self, classes: Any = None) -> Taxonomy:
        """Return the taxonomy that the labels spell out."""

    @abstractmethod
    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        """Mark the labels of each row, as given: float64 0/1, (n_samples, n_nodes), no root."""

    @property
    def may_be_sets(self) -> bool:
        """Whether paths are sets of labels just as well: some are empty, or they are of a DAG."""
        return False

    def ids(self, taxonomy: Taxonomy) -> NodeIds:
        """Return the node of each row, UNKNOWN for one that the taxonomy lacks, or EMPTY."""
        del taxonomy
        raise self.error(TargetError.one_label_each())

    def nodes(self, taxonomy: Taxonomy, *, empty_is_root: bool = True) -> NodeIds:
        """Return the node of each row; refuse what is unknown and, unless the root, empty rows."""
        ids = self.ids(taxonomy)
        empty = ids == EMPTY
        if empty.any() and not empty_is_root:
            raise TargetError.missing(int(np.argmax(empty)))
        self.refuse(ids, taxonomy)
        return np.where(empty, np.int32(0), ids)

    def refuse(self, ids: NodeIds, taxonomy: Taxonomy) -> None:
        """Raise a TargetError for rows that cannot be read."""

    def error(self, error: TargetError) -> TargetError:
        """Return an error that also says how labels were read."""
        return TargetError(f"{error} y was read as {self.name!r}, because {self.why}.")

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Let errors also say how labels were read."""
        try:
            yield
        except TargetError as error:
            raise self.error(error) from None


class _OneEach(Format):
    several = False

    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        nodes = self.nodes(taxonomy)
        cells = ((nodes > 0).astype(np.float64), nodes, np.arange(len(nodes) + 1))
        return ops.marked(sparse.csr_array(cells, shape=(len(nodes), taxonomy.n_nodes)))


class SingleLabels(_OneEach):
    name = "labels"
    description = "One label for each sample, in any 1-D container; a tuple can be a label."

    @classmethod
    def matches(cls, given: Given) -> str:
        if given.is_table:
            # What scikit-learn calls a column vector: labels, with a warning.
            kind = getattr(getattr(given.y, "dtype", None), "kind", "O")
            numbers = given.y.shape[1] == 1 and kind not in "OUT"
            return "it is one column of numbers" if numbers else ""
        if given.asked == "sets" and not given.filled:
            return ""
        if not given.kinds:
            return "its rows are no collections"
        return "its rows are names of nodes" if given.rows_are_names else ""

    @cached_property
    def labels(self) -> Labels:
        return as_labels(self.given.y)

    @cached_property
    def values(self) -> list[Any]:
        return self.labels.tolist()

    def infer(self, classes: Any = None) -> Taxonomy:
        if classes is not None:
            return Taxonomy.flat(as_labels(classes))
        if self.given.asked != "one":
            raise _no_taxonomy()
        if self.labels.dtype.kind in "fc":
            check_classification_targets(self.labels)
        return Taxonomy.flat(self.labels)

    @cached_property
    def missing(self) -> Bools:
        """Rows without a label."""
        if self.labels.dtype.kind in "biuSU" or not any(
            map(is_missing, dict.fromkeys(self.values))
        ):
            return np.zeros(len(self.values), dtype=bool)
        return np.fromiter(map(is_missing, self.values), bool, len(self.values))

    def ids(self, taxonomy: Taxonomy) -> NodeIds:
        ids = taxonomy.ids(self.values)
        ids[self.missing] = EMPTY
        return ids

    def refuse(self, ids: NodeIds, taxonomy: Taxonomy) -> None:
        unknown = list(dict.fromkeys(self.values[row] for row in np.flatnonzero(ids == UNKNOWN)))
        if unknown:
            integers = isinstance(unknown[0], int) and not isinstance(taxonomy.nodes[-1], int)
            hint = _ENCODED_HINT if integers else ""
            raise TargetError.unknown(unknown, taxonomy.nodes[1:], hint)


class _Paths(_OneEach):
    has_steps = True

    def infer(self, classes: Any = None) -> Taxonomy:  # noqa: ARG002
        return Taxonomy.from_levels(self.given.paths)[1]

    def ids(self, taxonomy: Taxonomy) -> NodeIds:
        columns, codes = self.given.steps
        ids = np.maximum(taxonomy.walk(columns, codes), UNKNOWN)
        ids[(codes < 0).all(axis=1)] = EMPTY
        return ids

    def refuse(self, ids: NodeIds, taxonomy: Taxonomy) -> None:
        columns, codes = self.given.steps
        filled = np.flatnonzero(ids != EMPTY)
        refuse_gaps(codes[filled], columns, filled)
        if (ids == UNKNOWN).any():
            with self.explained():
                refuse_unknown_paths(columns, codes, taxonomy)


def refuse_unknown_paths(
    columns: Sequence[Sequence[Hashable]], codes: Any, taxonomy: Taxonomy
) -> None:
    """Raise a TargetError for the first path that leaves the taxonomy, if there is one."""
    nodes = taxonomy.walk(columns, codes)
    if (nodes >= 0).all():
        return
    row = int(np.argmax(nodes < 0))
    step = int(-2 - nodes[row])
    reached = taxonomy.walk(columns, np.where(np.arange(len(columns)) < step, codes[[row]], -1))
    below = taxonomy.children_of(int(reached[0]))
    path = path_of_row(columns, codes[row])
    raise TargetError.unknown_path(path, step, taxonomy.step_names[below])


class LevelColumns(_Paths):
    name = "level columns"
    description = "A table (array or data frame) with a column for each level, padded at the end."

    @classmethod
    def matches(cls, given: Given) -> str:
        if not given.is_table:
            return ""
        several = "" if given.asked == "one" else " and is no indicator of the nodes"
        return f"it has 2 dimensions, {given.y.shape[1]} column(s){several}"


class Paths(_Paths):
    name = "paths"
    description = "One path for each sample: a list, tuple or array of steps from the first level."

    @classmethod
    def matches(cls, given: Given) -> str:
        if given.asked == "sets" or not given.kinds:
            return ""
        if not all(issubclass(kind, list | tuple | np.ndarray) for kind in given.kinds):
            return ""
        if given.asked == "one":
            return "its rows are lists or tuples"
        are_paths = all(map(is_collection, given.filled)) and given.spells_paths
        return "each of its rows is a path of the taxonomy" if are_paths else ""

    @property
    def may_be_sets(self) -> bool:
        given = self.given
        known = given.taxonomy is not None
        return known and (not given.taxonomy.is_tree or len(given.filled) < len(given.rows))


class Table(Format):
    """A table of 0 and 1."""

    @property
    def table(self) -> Any:
        """The dense or sparse table."""
        return self.given.y

    @cached_property
    def bits(self) -> sparse.csr_array:
        with self.explained():
            return read_bits(self.table)

    def infer(self, classes: Any = None) -> Taxonomy:
        return Taxonomy.flat(np.arange(self.bits.shape[1]) if classes is None else classes)

    def columns(self, taxonomy: Taxonomy, classes: Any = None) -> NodeIds:
        """Return the node of each column."""
        n_columns, n_nodes, leaves = self.bits.shape[1], taxonomy.n_nodes - 1, taxonomy.leaf_ids
        if classes is not None and n_columns == len(classes):
            names = label_array(classes).tolist()
            return _named(names, taxonomy, " `classes` names the columns of the indicator.")
        if classes is None and n_columns == n_nodes:
            return np.arange(1, taxonomy.n_nodes, dtype=np.int32)
        if classes is None and n_columns == len(leaves):
            return leaves
        wanted = (
            f"the {n_nodes} nodes of taxonomy.nodes[1:], or the {len(leaves)} of taxonomy.leaves"
        )
        if classes is not None:
            wanted = (
                f"the {len(classes)} labels that `classes` names (without `classes`: {wanted})"
            )
        raise self.error(
            TargetError(
                f"An indicator must have a column for each of {wanted}; {n_columns} columns were "
                "given. Name any others with `classes`, or as the columns of a data frame."
            )
        )

    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        return self.with_columns(self.columns(taxonomy), taxonomy)

    def counts(self, columns: NodeIds) -> bool:
        """Whether there are as many columns."""
        return len(columns) == self.bits.shape[1]

    def with_columns(self, columns: NodeIds, taxonomy: Taxonomy) -> sparse.csr_array:
        """Mark the labels of each row; column ``j`` is the node ``columns[j]``."""
        return ops.with_columns(self.bits, columns, taxonomy.n_nodes)


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


class SparseIndicator(Table):
    name = "sparse indicator"
    description = "A sparse matrix of 0 and 1 with a column for each label."

    @classmethod
    def matches(cls, given: Given) -> str:
        return "it is a sparse matrix" if sparse.issparse(given.y) else ""


class NamedIndicator(Table):
    name = "named indicator"
    description = "A data frame of 0 and 1 whose columns are named by labels, in any order."

    @classmethod
    def matches(cls, given: Given) -> str:
        if not given.is_frame or given.asked == "one":
            return ""
        if given.asked == "sets":
            return "it is a data frame"
        known = () if given.taxonomy is None else given.taxonomy
        named = all(plain(name) in known for name in given.y.columns)
        if named and (given.is_numeric or given.holds_bits):
            return "it is a data frame of numbers whose columns are named by nodes"
        fits = given.is_numeric and given.y.shape[1] > 1 and given.holds_bits
        levels = given.taxonomy is not None and given.spells_paths
        return "it is a data frame of 0 and 1" if fits and not levels else ""

    @cached_property
    def bits(self) -> sparse.csr_array:
        with self.explained():
            parts = [read_bits(column[:, None]) for column in self.given.columns]
        return sparse.csr_array(sparse.hstack(parts))

    def infer(self, classes: Any = None) -> Taxonomy:  # noqa: ARG002
        return Taxonomy.flat(list(self.given.y.columns))

    def columns(self, taxonomy: Taxonomy, classes: Any = None) -> NodeIds:  # noqa: ARG002
        hint = (
            " The columns of a data frame are named by nodes; pass y.to_numpy() if they are not, "
            "and stand in the order of the nodes or of `classes`."
        )
        with self.explained():
            return _named(list(self.given.y.columns), taxonomy, hint)


class Indicator(Table):
    name = "indicator"
    description = "A 2-D array of 0 and 1 with a column for each label."

    @classmethod
    def matches(cls, given: Given) -> str:
        if not given.is_table or given.is_frame or given.asked == "one":
            return ""
        if given.asked == "sets":
            return "it is an array of 2 dimensions"
        n_columns = given.y.shape[1]
        if given.is_numeric and given.has_columns_of(n_columns) and given.holds_bits:
            return f"it is an array of 0 and 1 with {n_columns} columns"
        fits = given.taxonomy is not None and n_columns > 1 and given.holds_bits
        return "it is an array of 0 and 1" if fits and not given.spells_paths else ""

    @property
    def table(self) -> Any:
        return np.asarray(self.given.y)


class RowsOfBits(Indicator):
    name = "rows of bits"
    description = "Lists or arrays of 0 and 1, all of one length, with an entry for each label."

    @classmethod
    def matches(cls, given: Given) -> str:
        if given.asked == "one" or not _are_rows_of_bits(given):
            return ""
        levels = given.asked == "any" and given.spells_paths
        return "" if levels else "its rows hold 0 and 1, and neither names a node"

    @property
    def table(self) -> Any:
        return np.array([list(row) for row in self.given.rows])


def _are_rows_of_bits(given: Given) -> bool:
    if given.is_table or not all(isinstance(row, list | np.ndarray) for row in given.rows):
        return False
    if len(set(map(len, given.rows))) != 1 or not given.members:
        return False
    known = () if given.taxonomy is None else given.taxonomy
    return not (0 in known or 1 in known) and all(map(is_bit, given.members))


class PathSets(Format):
    name = "path sets"
    description = "A collection of paths for each sample, a path being a tuple or list of steps."

    @classmethod
    def matches(cls, given: Given) -> str:
        if given.is_table or given.asked == "one" or not given.kinds:
            return ""
        members = given.members
        are_paths = members and all(isinstance(member, list | tuple) for member in members)
        if not are_paths or any(map(given.is_name, members)):
            return ""
        return "its rows are collections of tuples or lists that name no nodes"

    @cached_property
    def paths(self) -> tuple[list[Any], Rows]:
        """The paths of all rows one after the other, and the number in each row."""
        rows = self.given.rows
        return members_by_row([() if _is_empty(r) else [tuple(p) for p in r] for r in rows])

    def infer(self, classes: Any = None) -> Taxonomy:  # noqa: ARG002
        return Taxonomy.from_levels(self.paths[0])[1]

    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        taxonomy.require_tree("A path")
        paths, counts = self.paths
        columns, codes = factorize_levels(paths)
        refuse_gaps(codes, columns, np.repeat(np.arange(len(counts)), counts))
        with self.explained():
            refuse_unknown_paths(columns, codes, taxonomy)
        cells = (np.ones(len(codes)), taxonomy.walk(columns, codes), ops.offsets_of(counts))
        return ops.marked(sparse.csr_array(cells, shape=(len(counts), taxonomy.n_nodes)))


class LabelSets(Format):
    name = "label sets"
    description = "A collection of labels for each sample; None and an empty one are no labels."

    @classmethod
    def matches(cls, given: Given) -> str:
        if given.is_table:
            return ""
        if given.asked == "any":
            return "its rows are collections, and not all of them are paths of the taxonomy"
        return "its rows are collections"

    def infer(self, classes: Any = None) -> Taxonomy:
        if classes is None:
            raise _no_taxonomy()
        return Taxonomy.flat(classes)

    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        with self.explained():
            return taxonomy.members_of(self.given.rows)


def _no_taxonomy() -> TargetError:
    return TargetError(
        "Collections of labels do not tell how nodes are related: pass `taxonomy=`, or paths "
        "in place of labels, such as [[('science', 'space'), ('sport',)], []]."
    )


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
