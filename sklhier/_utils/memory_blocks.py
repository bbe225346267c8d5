"""Ranges of rows or tasks whose work fits in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from sklearn import get_config

__all__ = ["bounded_blocks", "most_numbers", "numbers_per_row", "row_blocks"]

# How many tables, of a number for each row and column, each kind of work holds at the same time.
_TABLES = {
    "sums": 2,  # of classes: marginals, and where answers end
    "products": 2,  # down the paths: marginals, and stops
    "binary": 3,  # scores of nodes, weights of siblings, marginals
    "visits": 4,  # of the outcomes on a path: scores, products, and what a search keeps of them
    "levels": 4,  # scores, sums of logarithms, marginals, and where answers end
    "means": 3,  # of strategies: marginals, stops, and the table of one of them
    "answers": 3,  # probabilities, calibrated ones, and logarithms
    "sets": 6,  # raw and consistent probabilities, and what decoders sort and compare
    "heads": 6,  # scores of a joint model, logarithms, marginals
    "gradients": 5,  # scores, losses, derivatives and two layers
    "hashes": 4,  # integers as large as a block
}


def most_numbers() -> int:
    """Return how many float64 numbers fit scikit-learn's ``working_memory``."""
    return int(get_config()["working_memory"] * 2**20 / 8)


def numbers_per_row(work: str, n_columns: int) -> int:
    """Return how many numbers a kind of work holds for each row, all tables together.

    Parameters
    ----------
    work : str
        A key of the table above.
    n_columns : int
        Columns of one table, mostly the nodes.
    """
    return _TABLES[work] * n_columns


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
