"""Labels and steps of paths as users write them, one by one and by column."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from sklhier._typing import Labels
from sklhier.exceptions import TargetError

__all__ = [
    "factorize_levels",
    "is_missing",
    "is_padding",
    "label_array",
    "path_of_row",
    "plain",
    "refuse_gaps",
    "sort_key",
]


def is_missing(value: object) -> bool:
    """Whether `value` is None, NaN, NaT or pandas.NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating | np.datetime64) and bool(value != value)


def is_padding(value: object) -> bool:
    """Whether `value` fills up a path that ends before: missing, or the empty string."""
    return is_missing(value) or (isinstance(value, str) and value == "")


def plain(name: Any) -> Hashable:
    """Return a numpy scalar as the Python object it stands for, anything else as it is."""
    return name.item() if isinstance(name, np.generic) else name


def label_array(labels: Any) -> Labels:
    """Return labels of any container as an array, without changing the type of any of them."""
    if isinstance(labels, list | tuple):
        kinds = set(map(type, labels))
        # numpy would turn mixed types into strings, and tuples into a second dimension.
        if tuple in kinds or (len(kinds) > 1 and str in kinds):
            array = np.empty(len(labels), dtype=object)
            array[:] = labels
            return array
    array = np.asarray(labels)
    # scikit-learn and np.unique refuse numpy's StringDType.
    return array.astype(object) if array.dtype.kind == "T" else array


def sort_key(name: Any) -> tuple[int, Any]:
    """Order names of mixed types: numbers, then strings, then the rest as printed."""
    if isinstance(name, int | float):
        return (0, name)
    return (1, name) if isinstance(name, str) else (2, (type(name).__name__, repr(name)))


def _level_columns(Y: Any) -> tuple[list[list[Any]], int]:
    """Return the cells of a table of levels by column, and the number of rows."""
    if hasattr(Y, "columns") and hasattr(Y, "shape"):  # pandas and polars frames
        columns = [np.asarray(Y[name]).tolist() for name in Y.columns]
        return columns, Y.shape[0]
    if isinstance(Y, np.ndarray):
        if Y.ndim != 2:
            raise TargetError(f"Levels are a 2-D array; shape {Y.shape} was given.")
        return [column.tolist() for column in Y.T], Y.shape[0]
    rows = list(Y)
    for row, path in enumerate(rows):
        if isinstance(path, str) or not isinstance(path, Sequence | np.ndarray):
            raise TargetError(f"Row {row} is no path: a list of steps is expected, not {path!r}.")
    return [list(column) for column in zip_longest(*rows)], len(rows)


def factorize_levels(Y: Any) -> tuple[list[list[Hashable]], Any]:
    """Return the distinct steps of each level, and codes into them (-1 for padding).

    Returns
    -------
    columns : list of lists of hashable
        Distinct steps at each level, in order of appearance.
    codes : ndarray of int64, shape (n_samples, n_levels)
        Position of each cell in ``columns[level]``.
    """
    cells, n_rows = _level_columns(Y)
    codes = np.empty((n_rows, len(cells)), dtype=np.int64)
    columns: list[list[Hashable]] = []
    for level, column in enumerate(cells):
        position: dict[Any, int] = {}
        uniques: list[Hashable] = []
        for value in dict.fromkeys(column):
            if is_padding(value):
                position[value] = -1
            else:
                position[value] = len(uniques)
                uniques.append(plain(value))
        codes[:, level] = np.fromiter(map(position.__getitem__, column), np.int64, n_rows)
        columns.append(uniques)
    return columns, codes


def path_of_row(columns: Sequence[Sequence[Hashable]], codes: Any) -> list[Hashable | None]:
    """Return one row of codes as steps, padding as None, trailing padding left out."""
    path = [uniques[c] if c >= 0 else None for uniques, c in zip(columns, codes, strict=True)]
    while path and path[-1] is None:
        path.pop()
    return path


def refuse_gaps(codes: Any, columns: Sequence[Sequence[Hashable]]) -> None:
    """Raise a TargetError for an empty path, or one with padding before its end."""
    padded = codes < 0
    empty = padded.all(axis=1)
    if empty.any():
        raise TargetError.missing(int(np.argmax(empty)))
    gaps = (padded[:, :-1] & ~padded[:, 1:]).any(axis=1)
    if gaps.any():
        row = int(np.argmax(gaps))
        raise TargetError.hole(row, path_of_row(columns, codes[row]))
