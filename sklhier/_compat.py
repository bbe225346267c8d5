"""The one place that knows versions and private names of scikit-learn and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _check_method_params

try:  # scikit-learn >= 1.7
    from sklearn.utils._repr_html.estimator import _VisualBlock
except ModuleNotFoundError:  # scikit-learn 1.6
    from sklearn.utils._estimator_html_repr import _VisualBlock

try:  # the loops behind the products of sparse matrices, without their checks
    from scipy.sparse import _sparsetools
except ImportError:  # pragma: no cover
    _sparsetools = None  # type: ignore[assignment]

__all__ = ["add_csr_product", "csr_rows", "params_of_rows", "visual_block"]


def visual_block(parts: list[Any], names: list[str]) -> Any:
    """Return what `_sk_visual_block_` must return for parts that stand side by side."""
    return _VisualBlock("parallel", parts, names=names)


def params_of_rows(X: Any, params: dict[str, Any], rows: Any) -> dict[str, Any]:
    """Return fit parameters with those that have an entry for each sample cut to `rows`."""
    return _check_method_params(X, params, indices=np.asarray(rows)) if params else {}


def csr_rows(data: Any, indices: Any, indptr: Any, rows: Any) -> tuple[Any, Any, Any]:
    """Return the arrays of some rows of a CSR matrix, whose positions are given."""
    starts, counts = indptr[rows], indptr[rows + 1] - indptr[rows]
    bounds = np.zeros(len(rows) + 1, dtype=indptr.dtype)
    np.cumsum(counts, out=bounds[1:])
    flat = np.repeat(starts - bounds[:-1], counts)
    flat += np.arange(len(flat), dtype=flat.dtype)
    return data[flat], indices[flat], bounds


def add_csr_product(data: Any, indices: Any, indptr: Any, dense: Any, out: Any) -> None:
    """Add the product of a CSR matrix and a dense one to `out`, all numbers float64.

    `indptr` need not begin with 0. The dense one is not copied if it is stored row by row; `out`
    has to be.
    """
    shape = (len(indptr) - 1, len(dense))
    if _sparsetools is None:
        own = slice(indptr[0], indptr[-1])
        parts = (data[own], indices[own], indptr - indptr[0])
        out += sparse.csr_matrix(parts, shape=shape) @ dense
        return
    arrays = (indptr, indices, data, dense.ravel(), out.ravel())
    if dense.shape[1] == 1:
        _sparsetools.csr_matvec(*shape, *arrays)
    else:
        _sparsetools.csr_matvecs(*shape, dense.shape[1], *arrays)
