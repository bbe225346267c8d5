"""Rows of a sparse X, taken without checks, and what their columns are among others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np

from sklhier._utils import compat
from sklhier._utils.rows import is_csr
from sklhier._utils.typing import Rows

__all__ = ["SparseRows"]


class _Places:
    """Looks indices up among columns."""

    def __init__(self, n_columns: int) -> None:
        self._n_columns = n_columns
        self._place: Rows | None = None  # of each column; -1 but for those of the moment
        self._zeros: Rows | None = None

    @property
    def zeros(self) -> Rows:
        """A number for each column, which whoever changes it sets back to 0."""
        if self._zeros is None:
            self._zeros = np.zeros(self._n_columns, dtype=np.int32)
        return self._zeros

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
            found = compat.csr_rows(self.data, self.indices, self.indptr, rows)
            self._last = rows, SparseRows(*found, self.n_columns, self._places)
        return self._last[1]

    @property
    def dtype(self) -> Any:
        """Type of the entries."""
        return self.data.dtype

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def zeros(self) -> Rows:
        """A number for each column, for kernels; 0 before and after."""
        return self._places.zeros

    def compiled_form(self, dtype: Any) -> tuple[Any, Any, Any]:
        """Return data of a dtype, indices and indptr, as kernels take them."""
        return (
            np.ascontiguousarray(self.data, dtype),
            np.ascontiguousarray(self.indices, np.int32),
            np.ascontiguousarray(self.indptr, np.int64),
        )

    def chosen(self, columns: Rows) -> tuple[Any, Any, Any] | None:
        """Return ``data, indices, indptr`` of some columns, column by column.

        None for few rows, where that is not worth the while; products add up in the same order.
        """
        if not self.are_many or self._by_column is None:
            return None
        # Those of siblings are often the same.
        if self._last_chosen is None or not np.array_equal(self._last_chosen[0], columns):
            self._last_chosen = columns, compat.csr_rows(*self._by_column, columns)
        return self._last_chosen[1]

    @property
    def are_many(self) -> bool:
        """Whether there are as many entries as columns."""
        return len(self.indices) >= self.n_columns

    @cached_property
    def _by_column(self) -> tuple[Any, Any, Any] | None:
        return compat.by_column(self.data, self.indices, self.indptr, self.n_columns)

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
