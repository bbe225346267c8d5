"""Digests of rows of X, by which equal rows are found again."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._utils.columns import package_of
from sklhier._utils.memory_blocks import numbers_per_row, row_blocks

__all__ = ["Digests", "kept_digests", "n_known", "row_digests"]

Digests = npt.NDArray[np.uint64]

# A model keeps the smallest digests only: which rows these are does not depend on their values, so
# that they are a random sample of the rows.
_MOST_KEPT = 20_000


def kept_digests(X: Any) -> Digests | None:
    """Return the digests of rows that a model keeps, ascending; None if X is of another kind."""
    found = row_digests(X)
    return None if found is None else np.unique(found)[:_MOST_KEPT]


def n_known(X: Any, kept: Digests | None) -> int:
    """Return about how many rows of X are among those that digests were kept of."""
    found = None if kept is None or not len(kept) else row_digests(X)
    if found is None or kept is None:
        return 0
    if len(kept) < _MOST_KEPT:
        return int(np.isin(found, kept).sum())
    in_range = found <= kept[-1]
    share = np.isin(found[in_range], kept).mean() if in_range.any() else 0.0
    return int(np.ceil(share * len(found)))


def row_digests(X: Any) -> Digests | None:
    """Return a number for each row that is the same for equal rows.

    Numbers in an array and in a sparse matrix give the same. None for rows that have no digest, such
    as dictionaries.
    """
    if sparse.issparse(X):
        return _of_sparse(X.tocsr()) if X.dtype.kind in "biuf" else None  # type: ignore[attr-defined]
    package = package_of(X)
    if package == "pandas":
        from pandas.util import hash_pandas_object

        try:
            hashed: Digests = hash_pandas_object(X, index=False).to_numpy(dtype=np.uint64)
        except TypeError:  # cells such as lists have no hash
            return None
        return hashed
    if package == "polars" and hasattr(X, "hash_rows"):
        of_rows: Digests = X.hash_rows().to_numpy()
        return of_rows
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "biuf":
        return _of_dense(X)
    values = X.tolist() if isinstance(X, np.ndarray) and X.ndim == 1 else X
    if isinstance(values, list | tuple) and all(isinstance(text, str) for text in values):
        sizes = (int.from_bytes(_of_text(text), "little") for text in values)
        return np.fromiter(sizes, dtype=np.uint64, count=len(values))
    return None


def _of_text(text: str) -> bytes:
    # Python's own hash differs from process to process.
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _mixed(numbers: Digests) -> Digests:
    """Spread the bits of integers (the last step of SplitMix64); 0 stays 0."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _of_columns(n_columns: int) -> Digests:
    """Return an odd factor for each column."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    return _mixed(np.arange(1, n_columns + 1, dtype=np.uint64) * golden) | np.uint64(1)


def _bits(values: Any) -> Digests:
    # Adding 0 makes 0 of -0, whose bits differ; 0 gets the digest 0, as where it is not stored.
    return _mixed((values.astype(np.float64) + 0.0).view(np.uint64))


def _of_dense(X: Any) -> Digests:
    factors = _of_columns(X.shape[1])
    found = np.zeros(len(X), dtype=np.uint64)
    for block in row_blocks(len(X), numbers_per_row("hashes", X.shape[1])):
        # Sums of integers do not depend on their order, those of floats would.
        found[block] = (_bits(X[block]) * factors).sum(axis=1, dtype=np.uint64)
    return found


def _of_sparse(X: Any) -> Digests:
    factors = _of_columns(X.shape[1])
    found = np.zeros(X.shape[0], dtype=np.uint64)
    filled = np.flatnonzero(np.diff(X.indptr))
    if filled.size:
        terms = _bits(X.data) * factors[X.indices]
        found[filled] = np.add.reduceat(terms, X.indptr[filled])
    return found
