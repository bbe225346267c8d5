"""Cells of an indicator that are not annotated, apart from its zeros and ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from sklhier._targets.formats import detect
from sklhier._targets.formats_indicator import Indicator
from sklhier._targets.given import Given
from sklhier._utils.columns import (
    column_of,
    frame_columns,
    frame_names,
    frame_of,
    is_frame,
    package_of,
)
from sklhier._utils.typing import Bools, Labels
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._parsing import is_bit, is_missing, label_array

__all__ = ["annotated"]


def annotated(
    y: Any, taxonomy: Taxonomy | None, classes: Any, name: str, *, ignore: bool
) -> tuple[Any, Any]:
    """Return labels with 0 where they are not annotated, and marks of these cells.

    Parameters
    ----------
    y : array-like
        Labels of any format. Only an indicator has cells.
    taxonomy : Taxonomy or None
        Their taxonomy.
    classes : array-like or None
        The labels of the columns.
    name : str
        What `y` is in error messages.
    ignore : bool
        Whether such cells may be left out; otherwise they are refused.

    Returns
    -------
    filled : array-like
        `y` itself, if all its cells are known.
    marks : array-like of the same format, or None
        1 where a cell is not annotated, 0 elsewhere; None if there is no such cell.
    """
    parts = _parted(y)
    if parts is None or taxonomy is None:
        return y, None
    filled, marks = parts
    if not isinstance(detect(filled, taxonomy, "any", classes), Indicator):
        return y, None
    if ignore:
        return filled, marks
    if not sparse.issparse(y) and Given(y, taxonomy, "any", classes).spells_paths:
        return y, None
    what = (
        "Cells of `y_true` that are not annotated are left out with missing='ignore'."
        if name == "y_true"
        else "Predictions must be known."
    )
    raise TargetError(
        f"An indicator must hold only 0 and 1, but `{name}` has missing cells (NaN, None or "
        f"masked). {what}"
    )


def _parted(y: Any) -> tuple[Any, Any] | None:
    """Return a table of 0, 1 and missing cells as two of 0 and 1, None for anything else."""
    if sparse.issparse(y):
        return _of_sparse(y)
    if is_frame(y):
        return _of_frame(y)
    if isinstance(y, np.ndarray):
        return _of_array(y) if y.ndim == 2 else None
    rows: list[Any] = list(y) if isinstance(y, list | tuple) else []
    if not all(isinstance(row, list | np.ndarray) for row in rows):
        return None
    if len(set(map(len, rows))) != 1:
        return None
    table: Any = np.empty((len(rows), len(rows[0])), dtype=object)
    table[:] = [list(row) for row in rows]
    return _of_array(table)


def _bits(cells: Labels) -> tuple[Bools, Bools] | None:
    """Return where cells are 1, and where they are missing; None if there is any other value."""
    missing = np.ma.getmaskarray(cells).copy()
    cells = np.ma.getdata(cells)
    if cells.dtype.kind == "f":
        missing |= np.isnan(cells)
        ones = cells == 1
        return (ones & ~missing, missing) if (ones | (cells == 0) | missing).all() else None
    if cells.dtype.kind in "biu":
        ones = cells == 1
        return (ones & ~missing, missing) if (ones | (cells == 0) | missing).all() else None
    if cells.dtype.kind != "O":
        return None
    flat = cells.ravel().tolist()
    missing |= np.fromiter(map(is_missing, flat), bool, len(flat)).reshape(cells.shape)
    known = ~missing
    if not all(map(is_bit, cells[known].tolist())):
        return None
    ones = np.zeros(cells.shape, dtype=bool)
    ones[known] = cells[known].astype(bool)
    return ones, missing


def _of_array(table: Labels) -> tuple[Any, Any] | None:
    parts = _bits(table)
    if parts is None or not parts[1].any():
        return None
    return parts[0].astype(np.int8), parts[1].astype(np.int8)


def _of_sparse(table: Any) -> tuple[Any, Any] | None:
    if table.dtype.kind != "f":
        return None
    csr = sparse.csr_array(table)
    missing = np.isnan(csr.data)
    if not missing.any():
        return None
    filled, marks = csr.copy(), csr.copy()
    filled.data = np.where(missing, 0.0, csr.data)
    marks.data = missing.astype(np.float64)
    return filled, marks


def _of_frame(frame: Any) -> tuple[Any, Any] | None:
    names, package = frame_names(frame), package_of(frame)
    if len(set(map(str, names))) < len(names):
        return None  # the reader of frames tells which name occurs twice
    found = [_bits(label_array(column)) for column in frame_columns(frame)]
    parts = [part for part in found if part is not None]
    if len(parts) < len(names) or not any(missing.any() for _, missing in parts):
        return None
    kind = np.dtype(np.int64) if package == "pandas" else None
    filled, marks = (
        frame_of(
            [column_of(part[i].astype(int).tolist(), package, kind) for part in parts],
            names,
            package,
        )
        for i in (0, 1)
    )
    return filled, marks
