"""Labels as they are given, with the facts that tell formats apart."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.utils import column_or_1d

from sklhier._utils import columns as containers
from sklhier._utils.typing import Labels
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._parsing import (
    factorize_levels,
    is_bit,
    is_collection,
    is_hashable,
    is_missing,
    is_padding,
    label_array,
)

__all__ = ["Asked", "Given", "as_container", "as_labels", "is_empty", "unpadded"]

Asked: TypeAlias = Literal["one", "sets", "any"]


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
        return [row for row in self.rows if not is_empty(row)]

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


def is_empty(row: Any) -> bool:
    return is_missing(row) or (is_collection(row) and len(row) == 0)
