"""Parsing of labels and of paths, one by one and by column."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from itertools import pairwise, zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._utils import columns as containers
from sklhier._utils.typing import Integers, Labels, Rows, Target
from sklhier.exceptions import TargetError, shown
from sklhier.taxonomy import _graph as ops

__all__ = [
    "factorize_levels",
    "grouped",
    "is_bit",
    "is_collection",
    "is_hashable",
    "is_missing",
    "is_padding",
    "label_array",
    "members_by_row",
    "path_of_row",
    "plain",
    "read_bits",
    "refuse_equal_types",
    "refuse_gaps",
    "sort_key",
]


def is_missing(value: object) -> bool:
    """Whether `value` is None, NaN, NaT or pandas.NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, _CAN_BE_MISSING) and bool(value != value)


_CAN_BE_MISSING = (float, np.floating, np.datetime64, np.timedelta64)


def is_padding(value: object) -> bool:
    """Whether `value` is padding behind the end of a path: missing, or the empty string."""
    return is_missing(value) or (isinstance(value, str | bytes) and len(value) == 0)


def plain(name: Any) -> Hashable:
    """Return a scalar of numpy, or a time of pandas, as a Python object, anything else unchanged."""
    name = containers.plain_time(name)
    is_time = isinstance(name, np.datetime64 | np.timedelta64)
    return name.item() if isinstance(name, np.generic) and not is_time else name


def label_array(labels: Iterable[object]) -> Labels:
    """Return labels of any container as an array, without changing the type of any of them.

    A set has no order that rows or columns could have, and is refused.
    """
    if isinstance(labels, set | frozenset):
        raise TargetError(f"Labels must have an order, got the set {shown(labels)}. Pass a list.")
    nested = isinstance(labels, list) and set(map(type, labels)) == {list}
    if nested and len(set(map(len, labels))) == 1:  # type: ignore[arg-type]
        return np.asarray(labels)  # two dimensions, where one is expected
    return containers.typed_array(labels)


def is_hashable(value: object) -> bool:
    """Whether a value can name a node; a tuple with a list in it cannot."""
    if isinstance(value, tuple):
        return all(map(is_hashable, value))
    return isinstance(value, Hashable)


def refuse_equal_types(names: Iterable[object], where: str = "") -> None:
    """Raise a TargetError if True is beside 1, or False beside 0: equal to Python, so one name."""
    names = list(names)
    kinds = set(map(type, names))
    if not kinds & {bool, np.bool_} or len(kinds) < 2:
        return
    bits = {bool(name) for name in names if isinstance(name, bool | np.bool_)}
    for name in names:
        number = isinstance(name, int | float | np.number) and not isinstance(name, bool)
        if number and name in bits:
            raise TargetError(
                f"Labels must not mix {bool(name)} and {name!r}{where}, which are equal to Python. "
                "Write them as strings."
            )


def sort_key(name: object) -> tuple[int, Any]:
    """Order names of mixed types: numbers, then strings, then the rest as printed."""
    if isinstance(name, int | float):
        return (0, name)
    return (1, name) if isinstance(name, str) else (2, (type(name).__name__, repr(name)))


def is_collection(value: object) -> bool:
    """Whether `value` can hold several labels; text is one label."""
    return isinstance(value, Collection) and not isinstance(value, str | bytes)


def members_by_row(label_sets: Iterable[object]) -> tuple[list[Any], Rows]:
    """Return the labels of all rows one after the other, and the number in each row.

    None and NaN are empty rows. Anything else that is no collection is refused.
    """
    rows: list[Any] = [() if is_missing(labels) else labels for labels in label_sets]
    for row, labels in enumerate(rows):
        if not is_collection(labels) or isinstance(labels, Mapping):
            raise TargetError.no_collection(row, labels)
    counts = np.fromiter(map(len, rows), dtype=np.intp, count=len(rows))
    labels = [label for labels in rows for label in labels]
    bad = [not is_hashable(label) or is_missing(label) for label in labels]
    if any(bad):
        entry = bad.index(True)
        row = int(np.searchsorted(np.cumsum(counts), entry, side="right"))
        raise TargetError.bad_member(row, labels[entry])
    return labels, counts


def grouped(
    values: list[Any], offsets: Integers, kind: Callable[[list[Any]], Any] = list
) -> list[Any]:
    """Return consecutive segments of `values`, each as a collection of its own."""
    return [kind(values[start:stop]) for start, stop in pairwise(offsets.tolist())]


def is_bit(value: object) -> bool:
    """Whether `value` is the number 0 or 1, of any type."""
    return isinstance(value, int | float | np.number | np.bool_) and value in (0, 1)


def _refuse_other_than_bits(values: npt.NDArray[np.generic]) -> None:
    if values.dtype.kind in "biuf":
        right = (values == 0) | (values == 1)
    else:
        right = np.fromiter(map(is_bit, values.tolist()), bool, values.size)
    if not right.all():
        raise TargetError.no_bit(plain(values[np.argmin(right)]))


def read_bits(table: Any) -> sparse.csr_array:
    """Return a dense or sparse table of 0 and 1 as float64; refuse any other value."""
    is_sparse = sparse.issparse(table)
    table = table if is_sparse else np.asarray(table)
    if table.ndim != 2:
        raise TargetError(
            "An indicator must have a row for each sample and a column for each label, got an "
            f"array of shape {table.shape}."
        )
    if is_sparse:
        marks = sparse.csr_array(table, copy=True)
        _refuse_other_than_bits(marks.data)
        return ops.marked(marks)
    _refuse_other_than_bits(table.ravel())
    return ops.marked(sparse.csr_array(table.astype(bool)))


def _level_columns(Y: Any) -> tuple[list[list[Any]], list[bool], int]:
    """Return the values of levels by column, which columns are floats, and the number of rows."""
    if containers.is_frame(Y):
        columns = containers.frame_columns(Y)
        values = list(map(containers.values_of, columns))
        return values, list(map(_is_float, columns)), Y.shape[0]
    if isinstance(Y, np.ndarray):
        if Y.ndim != 2:
            raise TargetError(f"An array of levels must be 2-D, got shape {Y.shape}.")
        values = [containers.values_of(column) for column in Y.T]
        return values, [_is_float(Y)] * Y.shape[1], Y.shape[0]
    if sparse.issparse(Y):
        raise TargetError("A sparse matrix holds no levels. Pass a column for each level.")
    rows = list(Y)
    for row, path in enumerate(rows):
        if isinstance(path, str) or not isinstance(path, Sequence | np.ndarray):
            raise TargetError(f"Row {row} must be a list of steps, got {shown(path)}.")
    values = [list(column) for column in zip_longest(*rows)]
    return values, [False] * len(values), len(rows)


def _is_float(column: Any) -> bool:
    kind = str(getattr(column, "dtype", getattr(column, "type", "")))
    return kind.lower().startswith(("float", "double", "halffloat"))


def _whole(step: Hashable) -> Hashable:
    """Return a whole number as an integer, which it was before a gap made floats of its column."""
    whole = isinstance(step, float) and step.is_integer() and abs(step) <= _LARGEST_EXACT
    return int(step) if whole else step  # type: ignore[call-overload]


_LARGEST_EXACT = 2.0**53


def _refuse_unhashable(column: list[Any], level: int) -> None:
    doubtful = {kind for kind in set(map(type, column)) if not _sure_to_hash(kind)}
    for row, value in enumerate(column if doubtful else ()):
        if type(value) in doubtful and not is_hashable(value):
            raise TargetError.bad_step(row, level, value)


def _sure_to_hash(kind: type) -> bool:
    return issubclass(kind, Hashable) and not issubclass(kind, tuple)


def factorize_levels(Y: Target) -> tuple[list[list[Hashable]], Rows]:
    """Return the distinct steps of each level, and codes into them (-1 for padding).

    Whole numbers in a column of floats are integers: pandas makes floats of integers with a gap.

    Returns
    -------
    columns : list of lists of hashable
        Distinct steps at each level, in order of appearance.
    codes : ndarray of int64, shape (n_samples, n_levels)
        Position of each value in ``columns[level]``.
    """
    values_by_level, are_floats, n_rows = _level_columns(Y)
    codes = np.empty((n_rows, len(values_by_level)), dtype=np.int64)
    columns: list[list[Hashable]] = []
    for level, column in enumerate(values_by_level):
        _refuse_unhashable(column, level)
        refuse_equal_types(column, f" at level {level + 1}")
        # Each distinct value is parsed once; rows only look it up.
        position: dict[Any, int] = {}
        uniques: list[Hashable] = []
        for value in dict.fromkeys(column):
            if is_padding(value):
                position[value] = -1
            else:
                position[value] = len(uniques)
                uniques.append(_whole(plain(value)) if are_floats[level] else plain(value))
        codes[:, level] = np.fromiter(map(position.__getitem__, column), np.int64, n_rows)
        columns.append(uniques)
    return columns, codes


def path_of_row(columns: Sequence[Sequence[Hashable]], codes: Rows) -> list[Hashable | None]:
    """Return one row of codes as steps, padding as None, trailing padding left out."""
    path = [uniques[c] if c >= 0 else None for uniques, c in zip(columns, codes, strict=True)]
    while path and path[-1] is None:
        path.pop()
    return path


def refuse_gaps(
    codes: Rows, columns: Sequence[Sequence[Hashable]], numbers: Rows | None = None
) -> None:
    """Raise a TargetError for an empty path, or one with padding before its end.

    Errors name rows by `numbers`, by default their positions.
    """
    padded = codes < 0
    empty = padded.all(axis=1)
    if empty.any():
        row = int(np.argmax(empty))
        raise TargetError.missing(row if numbers is None else int(numbers[row]))
    gaps = (padded[:, :-1] & ~padded[:, 1:]).any(axis=1)
    if gaps.any():
        row = int(np.argmax(gaps))
        number = row if numbers is None else int(numbers[row])
        raise TargetError.hole(number, path_of_row(columns, codes[row]))
