"""Rows of X without copies where a view serves, joined rows, and reductions of rows of numbers."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from sklhier._utils import compat
from sklhier._utils.columns import PACKAGES, is_frame, package_of, typed_array
from sklhier._utils.typing import Floats, NodeIds, Rows

__all__ = [
    "as_slice",
    "concatenated",
    "framed",
    "is_csr",
    "reduce_rows",
    "rows_of",
    "sliceable",
    "softmax",
    "stacked",
    "take_rows",
]


def sliceable(X: Any) -> Any:
    """Return one column of texts or objects, of an array type of pandas or others, as an array.

    The extension arrays and the Index of pandas, and columns of polars and arrow, have no rows that
    scikit-learn could take.
    """
    if package_of(X) not in PACKAGES or hasattr(X, "iloc") or is_frame(X):
        return X
    return typed_array(X)


def take_rows(X: Any, rows: Rows) -> Any:
    """Return rows of X at ascending positions, without a copy where they are side by side."""
    n_rows = len(rows)
    if n_rows == _num_samples(X):
        return X
    if is_csr(X):
        return rows_of(X, rows)
    # Ascending positions without a gap: a slice is a view, and folds and nodes often are one.
    if n_rows and rows[-1] - rows[0] + 1 == n_rows:
        window = slice(int(rows[0]), int(rows[-1]) + 1)
        if isinstance(X, np.ndarray | list):
            return X[window]
        return _safe_indexing(X, window)
    return X.take(rows, axis=0) if type(X) is np.ndarray else _safe_indexing(X, rows)


def as_slice(places: Rows | NodeIds) -> Any:
    """Return ascending places that leave none out between them as a slice, others as they are."""
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


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
        taken = compat.csr_rows(X.data, X.indices, X.indptr, rows)
    return type(X)(taken, shape=(len(rows), X.shape[1]))


def stacked(X: Any, more: Any) -> Any:
    """Return the rows of X and after them more rows, in the container of X.

    Raises
    ------
    TypeError
        If one has numbers and the other has texts, or named columns.
    ValueError
        If they have other columns.
    """
    if sparse.issparse(X):
        container: Any = type(X)
        tables: Any = [X, sparse.csr_array(more).astype(_common(X, more), copy=False)]
        return container(sparse.vstack(tables, format="csr"))
    if package_of(X) in PACKAGES:
        return _stacked_frames(X, more)
    if isinstance(X, list | tuple):
        return [*X, *more]
    more = _dense(more)
    if X.ndim == 1:
        return np.concatenate([X, np.fromiter(more, dtype=object, count=len(more))]).astype(object)
    return np.concatenate([X, np.asarray(more, dtype=_common(X, more))])


def _common(X: Any, more: Any) -> Any:
    """Return the dtype of rows beside X: numbers of a lower precision stay so."""
    own = X.dtype
    return own if own.kind in "fcO" else np.result_type(own, getattr(more, "dtype", object))


def _dense(rows: Any) -> Any:
    return rows.toarray() if sparse.issparse(rows) else rows  # type: ignore[attr-defined]


def concatenated(parts: list[Any]) -> Any:
    """Return what was read from blocks of rows, dense or sparse, as one."""
    if len(parts) == 1:
        return parts[0]
    return sparse.vstack(parts) if sparse.issparse(parts[0]) else np.concatenate(parts)


def framed(rows: Any, frame: Any) -> Any:
    """Return a table of rows with the names of the columns of a frame; as it is, if there is none."""
    if not is_frame(frame) or is_frame(rows):
        return rows
    table, package = np.asarray(_dense(rows)), package_of(frame)
    if package == "pyarrow":
        return import_module(package).table(list(table.T), names=frame.column_names)
    names = {"pandas": "columns", "polars": "schema"}[package]
    return import_module(package).DataFrame(table, **{names: list(frame.columns)})


def _stacked_frames(X: Any, more: Any) -> Any:
    package = import_module(package_of(X))
    if package_of(X) == "pandas":
        if getattr(X, "ndim", 2) == 1:
            return package.concat([X, package.Series(list(more), dtype=X.dtype, name=X.name)])
        return package.concat([X, more[list(X.columns)].astype(X.dtypes)])
    if package_of(X) == "polars":
        return package.concat([X, more.select(X.columns).cast(dict(X.schema))])
    return package.concat_tables([X, more.select(X.column_names).cast(X.schema)])


def reduce_rows(ufunc: np.ufunc, table: Floats) -> Floats:
    """Reduce each row to one number; few columns much faster than NumPy does, and the same."""
    n_columns = table.shape[1]
    # NumPy sums up to seven numbers one after the other. A single row is not worth as many calls.
    if not (n_columns == 2 or (2 < n_columns < 8 and len(table) > 8)):
        whole: Floats = ufunc.reduce(table, axis=1, keepdims=True)
        return whole
    reduced: Floats = ufunc(table[:, :1], table[:, 1:2])
    for column in range(2, n_columns):
        ufunc(reduced, table[:, column : column + 1], out=reduced)
    return reduced


def softmax(scores: Floats) -> Floats:
    """Return the softmax of each row, as SciPy computes it, without its checks."""
    proba: Floats = np.exp(scores - reduce_rows(np.maximum, scores))
    proba /= reduce_rows(np.add, proba)
    return proba
