"""Tables of probabilities, written block by block, and what is there to say about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sklhier._utils.typing import Floats
from sklhier._utils.warning import warn_caller
from sklhier.decoders import Conformal, RiskControl
from sklhier.exceptions import RareClassWarning
from sklhier.taxonomy import Taxonomy

__all__ = ["gives_probabilities", "warn_of_few_rows", "written"]


def _new_table(n_rows: int, n_columns: int, dtype: Any, out: Any) -> Floats:
    """Return an array for probabilities: `out` if it is given, else a new one of a dtype."""
    if out is None:
        wanted = np.dtype(np.float64 if dtype is None else dtype)
        if wanted not in (np.float32, np.float64):
            raise ValueError(f"`dtype` must be float32 or float64, got {dtype!r}.")
        return np.empty((n_rows, n_columns), dtype=wanted)
    if not isinstance(out, np.ndarray) or out.dtype not in (np.float32, np.float64):
        kind = f"an array of {out.dtype}" if hasattr(out, "dtype") else f"a {type(out).__name__}"
        raise TypeError(f"`out` must be an array of float32 or float64, got {kind}.")
    if out.shape != (n_rows, n_columns) or not out.flags.writeable:
        lock = "" if out.flags.writeable else ", read-only"
        raise ValueError(
            f"`out` must have the shape {(n_rows, n_columns)}, a row for each sample and a column "
            f"for each node, and be writeable, got shape {out.shape}{lock}."
        )
    if dtype is not None and out.dtype != dtype:
        raise ValueError(
            f"`dtype` must be that of `out`, {out.dtype}, got {np.dtype(dtype)}. Give one of them."
        )
    return out


def written(
    parts: Iterator[Floats], n_rows: int, n_columns: int, dtype: Any = None, out: Any = None
) -> Floats:
    """Return blocks of rows, written one after the other as they are computed.

    A block that is the whole table is not copied: it has to be for this call alone.
    """
    table, start = None, 0
    if out is not None or dtype is not None:
        table = _new_table(n_rows, n_columns, dtype, out)
    for part in parts:
        if table is None:
            if len(part) == n_rows and _is_own(part):
                return part
            table = _new_table(n_rows, n_columns, None, None)
        table[start : start + len(part)] = part
        start += len(part)
    return _new_table(n_rows, n_columns, None, None) if table is None else table


def _is_own(table: Floats) -> bool:
    """Whether an array is float64 in rows, and no view of another one."""
    is_plain = table.dtype == np.float64 and table.base is None
    return is_plain and table.flags.c_contiguous and table.flags.writeable


def gives_probabilities(estimator: Any) -> bool:
    """Whether a classifier has probabilities; raise an AttributeError that says why it has none."""
    return bool(estimator._gives_probabilities())


def warn_of_few_rows(decoder: Conformal | RiskControl, taxonomy: Taxonomy) -> None:
    """Warn if a decoder has seen too few rows for what it should hold."""
    lack = decoder.lack_of_rows(taxonomy)
    if lack:
        warn_caller(f"{lack} See `conformal_report_`.", RareClassWarning)
