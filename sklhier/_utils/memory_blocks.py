"""Ranges of rows or tasks whose work fits in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from sklearn import get_config

__all__ = ["bounded_blocks", "most_numbers", "row_blocks"]


def most_numbers() -> int:
    """Return how many float64 numbers fit scikit-learn's ``working_memory``."""
    return int(get_config()["working_memory"] * 2**20 / 8)


def row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Cut rows into blocks whose float64 tables fit scikit-learn's ``working_memory``."""
    size = max(1, most_numbers() // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def bounded_blocks(counts: npt.ArrayLike, limit: int) -> Iterator[slice]:
    """Yield ranges of positions whose counts add up to `limit` at most, or hold one position."""
    totals = np.cumsum(counts, dtype=np.int64)
    start = 0
    while start < len(totals):
        before = totals[start - 1] if start else 0
        stop = int(np.searchsorted(totals, before + limit, side="right"))
        yield slice(start, max(start + 1, stop))  # one position, even if it is too large
        start = max(start + 1, stop)
