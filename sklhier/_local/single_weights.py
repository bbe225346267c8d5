"""Weights of linear models of which most are 0: those that are not, column by column."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from sklhier._utils import compat
from sklhier._utils.frozen import frozen_property
from sklhier._utils.typing import Numbers, Offsets
from sklhier.taxonomy import _graph as ops

__all__ = ["SingleWeights", "are_few", "as_table"]

_CELLS = 2**20  # of the scores that one product makes
_TABLE = (
    2**24
)  # cells of a table that is made for one product with at least as many entries as weights
_MANY = 2**16  # weights; to convert so many indices takes as long as to choose among them


@dataclass(frozen=True)
class SingleWeights:
    """The weights other than 0 of a table with a row for each class.

    It stands where scikit-learn has ``coef_``, which has to be an array for its own methods: see
    :func:`as_table`. Five bytes for a weight of float32 and one for a column, for up to 256 classes.

    Attributes
    ----------
    values : ndarray of float32 or float64, shape (n_weights,)
        The weights of the first column, then those of the second, and so on.
    classes : ndarray of unsigned int, shape (n_weights,)
        The row of each, ascending within a column.
    counts : ndarray of unsigned int, shape (n_columns,)
        Number of weights of each column.
    n_rows : int
        Number of rows of the table.
    """

    values: Any
    classes: Any
    counts: Any
    n_rows: int

    @classmethod
    def of(cls, table: Numbers) -> Self:
        """Return the weights of a table of shape (n_rows, n_columns)."""
        n_rows, n_columns = table.shape
        by_column = table.T.reshape(-1)
        places = np.flatnonzero(by_column != 0)
        columns, rows = np.divmod(places, n_rows)
        counts = np.bincount(columns, minlength=n_columns)
        return cls.by_column(by_column[places], rows, counts, n_rows)

    @classmethod
    def by_column(cls, values: Numbers, classes: Any, counts: Any, n_rows: int) -> Self:
        """Return weights whose attributes are known, in the smallest types."""
        return cls(values, _narrow(classes), _narrow(counts), n_rows)

    def __getstate__(self) -> dict[str, Any]:
        return {
            field.name: getattr(self, field.name) for field in fields(self)
        }  # as made, no more

    @property
    def dtype(self) -> Any:
        """Type of the weights."""
        return self.values.dtype

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns of the table."""
        return self.n_rows, len(self.counts)

    @property
    def nbytes(self) -> int:
        """Number of bytes that are stored."""
        return int(self.values.nbytes + self.classes.nbytes + self.counts.nbytes)

    @frozen_property
    def offsets(self) -> Offsets:
        """Column ``j`` has the weights ``[offsets[j], offsets[j + 1])``; of int32 if that will do."""
        n_weights = len(self.values)
        dtype = np.int32 if n_weights <= np.iinfo(np.int32).max else np.int64
        offsets: Any = np.zeros(len(self.counts) + 1, dtype=dtype)
        np.cumsum(self.counts, out=offsets[1:])
        return offsets

    def table(self) -> Numbers:
        """Return the table, stored column by column."""
        by_column = np.zeros(self.shape[::-1], dtype=self.dtype)
        places = np.arange(0, by_column.size, self.n_rows).repeat(self.counts)
        places += self.classes
        by_column.reshape(-1)[places] = self.values
        return by_column.T

    def add_product(self, data: Numbers, indices: Any, indptr: Any, out: Numbers) -> None:
        """Add the product of a CSR matrix and the transposed table to `out`.

        The sums are those of :func:`~sklhier._utils.compat.add_csr_product` with the whole table.

        Parameters
        ----------
        data : ndarray of the type of the weights
            Finite.
        indices, indptr : ndarray of int32 or int64
            With `data`, rows of a matrix with a column for each of the table; `indptr` need not begin
            with 0.
        out : ndarray, shape (n, n_rows)
            Stored row by row.
        """
        first, stop = int(indptr[0]), int(indptr[-1])
        if stop - first >= len(self.values) and self.n_rows * len(self.counts) <= _TABLE:
            compat.add_csr_product(data, indices, indptr, self.table().T, out)
            return
        values, classes, offsets = self.values, self.classes, self.offsets
        if len(values) > _MANY and 4 * (stop - first) < len(self.counts):
            # The columns of few entries, one for each, rather than all weights.
            data, columns = data[first:stop], indices[first:stop]
            starts, counts = offsets[columns], self.counts[columns].astype(np.intp)
            taken = ops.concatenated_ranges(starts, counts)
            values, classes, offsets = values[taken], classes[taken], ops.offsets_of(counts)
            indices = np.arange(stop - first, dtype=indices.dtype)
            indptr = indptr - indptr[0]
        kind = indices.dtype
        weights = values, classes.astype(kind), offsets.astype(kind, copy=False)
        step = max(1, _CELLS // self.n_rows)
        for start in range(0, len(out), step):
            own = indptr[start : start + step + 1]
            compat.add_sparse_product((data, indices, own), weights, out[start : start + step])


def _narrow(numbers: Any) -> Any:
    """Return numbers that are not negative in the smallest type that holds them."""
    return numbers.astype(np.min_scalar_type(numbers.max(initial=0)))


def are_few(n_weights: int, shape: tuple[int, ...]) -> bool:
    """Whether less than half of a table of several rows differs from 0."""
    return len(shape) == 2 and shape[0] > 1 and 2 * n_weights < shape[0] * shape[1]


def as_table(weights: Any) -> Any:
    """Return weights as an array."""
    return weights.table() if isinstance(weights, SingleWeights) else weights
