"""Ranges of work that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["bounded_blocks", "row_blocks"]

_CELLS = 2**22


def row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Yield ranges of rows that make dense blocks of bounded size."""
    height = max(1, _CELLS // max(1, n_columns))
    for start in range(0, n_rows, height):
        yield slice(start, min(start + height, n_rows))


def bounded_blocks(counts: Any, limit: int) -> Iterator[slice]:
    """Yield ranges of positions whose counts add up to `limit` at most, or hold one position."""
    totals = np.cumsum(counts, dtype=np.int64)
    start = 0
    while start < len(totals):
        before = totals[start - 1] if start else 0
        stop = int(np.searchsorted(totals, before + limit, side="right"))
        yield slice(start, max(start + 1, stop))
        start = max(start + 1, stop)
