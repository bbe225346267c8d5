"""Rows of a sparse X, taken without checks, and what their columns are among others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy import sparse

from sklhier import _compat
from sklhier._typing import Rows

__all__ = ["SparseRows", "is_csr", "rows_of"]


class _Places:
    """Looks indices up among columns."""

    def __init__(self, n_columns: int) -> None:
        self._n_columns = n_columns
        self._place: Rows | None = None  # of each column; -1 but for those of the moment

    def of(self, indices: Rows, columns: Rows) -> Rows:
        """Return where indices are among some ascending columns, -1 for those that are not."""
        if 8 * len(indices) < len(columns):
            found = np.searchsorted(columns, indices)
            found[found == len(columns)] = 0
            return np.where(columns[found] == indices, found, -1)
        if self._place is None:
            self._place = np.full(self._n_columns, -1, dtype=indices.dtype)
        self._place[columns] = np.arange(len(columns), dtype=indices.dtype)
        found = self._place[indices]
        self._place[columns] = -1
        return found


class SparseRows:
    """Rows of a sparse X of finite numbers, with room to look their columns up.

    Parameters
    ----------
    data : ndarray, shape (n_entries,)
    indices : ndarray of int32 or int64, shape (n_entries,)
        Columns of the entries.
    indptr : ndarray of the type of `indices`, shape (n_rows + 1,)
        Row ``i`` has the entries ``[indptr[i], indptr[i + 1])``.
    n_columns : int
    places : _Places, default=None
        Shared with other rows of the same X.
    """

    def __init__(
        self,
        data: Any,
        indices: Rows,
        indptr: Rows,
        n_columns: int,
        places: _Places | None = None,
    ) -> None:
        self.data = data
        self.indices = indices
        self.indptr = indptr
        self.n_columns = n_columns
        self._places = _Places(n_columns) if places is None else places
        self._last: tuple[Rows, SparseRows] | None = None
        self._last_chosen: tuple[Rows, tuple[Any, Any, Any]] | None = None

    @classmethod
    def of(cls, X: Any) -> Self | None:
        """Return the rows of a sparse X of finite numbers; None for anything else."""
        if not (is_csr(X) and X.dtype.kind in "fiub"):
            return None
        if X.dtype.kind == "f" and not np.isfinite(X.data).all():
            return None  # for the estimator to refuse
        return cls(X.data, X.indices, X.indptr, X.shape[1])

    def at(self, rows: Rows) -> SparseRows:
        """Return some rows."""
        # All binary models of siblings are asked about the same.
        if self._last is None or self._last[0] is not rows:
            if len(rows) == len(self.indptr) - 1 and (rows[1:] > rows[:-1]).all():
                return self
            found = _compat.csr_rows(self.data, self.indices, self.indptr, rows)
            self._last = rows, SparseRows(*found, self.n_columns, self._places)
        return self._last[1]

    def chosen(self, columns: Rows) -> tuple[Any, Any, Any] | None:
        """Return ``data, indices, indptr`` of some columns, column by column.

        None for few rows, where that is not worth the while; products add up in the same order.
        """
        if not self.are_many or self._by_column is None:
            return None
        # Those of siblings are often the same.
        if self._last_chosen is None or not np.array_equal(self._last_chosen[0], columns):
            self._last_chosen = columns, _compat.csr_rows(*self._by_column, columns)
        return self._last_chosen[1]

    @property
    def are_many(self) -> bool:
        """Whether there are as many entries as columns."""
        return len(self.indices) >= self.n_columns

    @cached_property
    def _by_column(self) -> tuple[Any, Any, Any] | None:
        return _compat.by_column(self.data, self.indices, self.indptr, self.n_columns)

    def among(self, columns: Sequence[Rows | None], bounds: Sequence[int]) -> tuple[Any, Any, Any]:
        """Return ``data, indices, indptr`` of the entries in some columns.

        Rows ``[bounds[i], bounds[i + 1])`` keep the columns ``columns[i]`` (None: all), which are
        ascending and numbered by their position there.
        """
        if all(chosen is None for chosen in columns):
            return self.data, self.indices, self.indptr
        positions = np.empty_like(self.indices)
        ends = self.indptr[np.asarray(bounds)].tolist()
        for chosen, start, stop in zip(columns, ends, ends[1:], strict=False):
            here = self.indices[start:stop]
            positions[start:stop] = here if chosen is None else self._places.of(here, chosen)
        if positions.min(initial=0) == 0:
            return self.data, positions, self.indptr
        known = (positions >= 0).nonzero()[0]  # to take entries by a mask is slower
        bounds_of_rows = np.searchsorted(known, self.indptr).astype(self.indptr.dtype)
        return self.data[known], positions[known], bounds_of_rows


def is_csr(X: Any) -> bool:
    """Whether X is a sparse matrix or array in rows."""
    return sparse.issparse(X) and X.format == "csr"  # type: ignore[attr-defined]


def rows_of(X: Any, rows: Rows) -> Any:
    """Return rows of a CSR matrix at ascending positions, without a copy if they are side by side."""
    if not len(rows) or X.dtype.kind not in "fiub":
        return X[rows]
    first, stop = int(rows[0]), int(rows[-1]) + 1
    if stop - first == len(rows) and X.has_canonical_format:
        own = slice(X.indptr[first], X.indptr[stop])
        bounds = X.indptr[first : stop + 1] - X.indptr[first]
        taken = X.data[own], X.indices[own], bounds
    else:
        taken = _compat.csr_rows(X.data, X.indices, X.indptr, rows)
    return type(X)(taken, shape=(len(rows), X.shape[1]))
