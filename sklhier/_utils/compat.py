"""Versions and private names of scikit-learn and SciPy, used nowhere else."""

from __future__ import annotations

import threading
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn import linear_model
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_method_params

from sklhier._utils.typing import Estimator, Features, Floats, Integers, Numbers, Rows

try:  # the solver behind LinearSVC, without the checks around it
    from sklearn.svm import _liblinear
except ImportError:  # a later scikit-learn may move it: LinearSVC.fit gives the same numbers
    _liblinear = None

try:  # scikit-learn >= 1.7
    from sklearn.utils._repr_html.estimator import _VisualBlock
except ModuleNotFoundError:  # scikit-learn 1.6
    from sklearn.utils._estimator_html_repr import _VisualBlock

try:  # the loops behind the products of sparse matrices, without their checks
    from scipy.sparse import _sparsetools
except ImportError:  # a later SciPy may move them: its public products give the same numbers
    _sparsetools = None  # type: ignore[assignment]

_passive = getattr(linear_model, "PassiveAggressiveClassifier", None)
PASSIVE_AGGRESSIVE = () if _passive is None else (_passive,)  # deprecated in scikit-learn 1.8

__all__ = [
    "PASSIVE_AGGRESSIVE",
    "add_csc_product",
    "add_csr_product",
    "add_sparse_product",
    "by_column",
    "csr_rows",
    "has_liblinear",
    "params_of_rows",
    "shared_draws",
    "solved_by_liblinear",
    "visual_block",
]


_Indices: TypeAlias = npt.NDArray[np.int32] | npt.NDArray[np.int64]


def visual_block(parts: list[Estimator], names: list[str]) -> Any:
    """Return the value of `_sk_visual_block_` for parts that stand side by side."""
    return _VisualBlock("parallel", parts, names=names)


def params_of_rows(X: Features, params: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """Return fit parameters; those with an entry for each sample are cut to `rows`."""
    return _check_method_params(X, params, indices=np.asarray(rows)) if params else {}


def csr_rows(
    data: Numbers, indices: _Indices, indptr: _Indices, rows: Rows
) -> tuple[Any, Any, Any]:
    """Return the arrays of some rows of a CSR matrix."""
    starts, counts = indptr[rows], indptr[rows + 1] - indptr[rows]
    bounds = np.zeros(len(rows) + 1, dtype=indptr.dtype)
    np.cumsum(counts, out=bounds[1:])
    if _sparsetools is None:
        flat = np.repeat(starts - bounds[:-1], counts)
        flat += np.arange(len(flat), dtype=flat.dtype)
        return data[flat], indices[flat], bounds
    taken = np.empty(bounds[-1], dtype=data.dtype), np.empty(bounds[-1], dtype=indices.dtype)
    at: Any = rows.astype(indptr.dtype, copy=False)
    _sparsetools.csr_row_index(len(rows), at, indptr, indices, data, taken[1], taken[0])
    return *taken, bounds


# All fits of a process by liblinear and libsvm draw from the same random numbers, each after it has
# seeded them. Reentrant: a fit that holds it may come here again.
_SHARED_DRAWS = threading.RLock()
_SOLVERS = {("squared_hinge", True): 1, ("squared_hinge", False): 2, ("hinge", True): 3}


def shared_draws() -> threading.RLock:
    """Return the lock for fits that draw from random numbers of the whole process."""
    return _SHARED_DRAWS


def has_liblinear(loss: str, dual: bool) -> bool:
    """Whether :func:`solved_by_liblinear` can be called for a loss."""
    return _liblinear is not None and (loss, dual) in _SOLVERS


def solved_by_liblinear(
    X: sparse.csr_matrix, codes: Integers, weights: Floats, svc: Any, dual: bool
) -> tuple[Any, Any, int]:
    """Return coefficients, intercepts and iterations, as ``LinearSVC.fit`` finds them.

    Parameters
    ----------
    X : CSR matrix, shape (n, n_columns)
        Finite floats; indices of 32 bits.
    codes : ndarray of int, shape (n,)
        Classes ``0..k-1``; each occurs.
    weights : ndarray of float64, shape (n,)
    svc : LinearSVC
        For one-vs-rest problems with an L2 penalty. Its parameters are in range, and it has no class
        weights.
    dual : bool
        Whether the dual form is solved.
    """
    _liblinear.set_verbosity_wrap(0)
    arguments = (
        X,
        codes.astype(np.float64),
        True,
        _SOLVERS[svc.loss, dual],
        svc.tol,
        svc.intercept_scaling if svc.fit_intercept else -1.0,
        svc.C,
        np.ones(int(codes.max()) + 1),
        svc.max_iter,
        check_random_state(svc.random_state).randint(np.iinfo("i").max),
        0.1,  # of another loss
        weights,
    )
    with _SHARED_DRAWS:  # a primal fit draws nothing, but seeds
        raw, n_iter = _liblinear.train_wrap(*arguments)
    if not svc.fit_intercept:
        return raw, 0.0, int(n_iter.max())
    return raw[:, :-1], svc.intercept_scaling * raw[:, -1], int(n_iter.max())


def by_column(
    data: Numbers, indices: _Indices, indptr: _Indices, n_columns: int
) -> tuple[Any, Any, Any] | None:
    """Return the arrays of the CSC form of a CSR matrix; None if rows are not in order."""
    table = sparse.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, n_columns))
    if not table.has_sorted_indices:
        return None
    turned = table.tocsc()
    return turned.data, turned.indices, turned.indptr


def add_csr_product(
    data: Numbers, indices: _Indices, indptr: _Indices, dense: Numbers, out: Numbers
) -> None:
    """Add the product of a CSR matrix and a dense one to `out`, all numbers of the same dtype.

    `indptr` need not begin with 0. The dense one is not copied if it is stored row by row; `out`
    has to be.
    """
    _add_product(
        sparse.csr_matrix, data, indices, indptr, (len(indptr) - 1, len(dense)), dense, out
    )


def add_csc_product(
    data: Numbers, indices: _Indices, indptr: _Indices, dense: Numbers, out: Numbers
) -> None:
    """Add the product of a CSC matrix and a dense one to `out`, as :func:`add_csr_product` does."""
    _add_product(sparse.csc_matrix, data, indices, indptr, (len(out), len(dense)), dense, out)


def add_sparse_product(
    rows: tuple[Any, Any, Any], weights: tuple[Any, Any, Any], out: Numbers
) -> None:
    """Add the product of two CSR matrices to `out`, all numbers of the same dtype.

    Parameters
    ----------
    rows : tuple of ndarray
        ``data, indices, indptr`` of the first; its `indptr` need not begin with 0.
    weights : tuple of ndarray
        Those of the second; its indices are of the same dtype.
    out : ndarray, shape (n_rows, n_columns)
        Stored row by row.
    """
    (data, indices, indptr), (others, columns, offsets) = rows, weights
    n_rows, n_columns = out.shape
    if _sparsetools is None:
        own = slice(indptr[0], indptr[-1])
        shape = n_rows, len(offsets) - 1
        left = sparse.csr_matrix((data[own], indices[own], indptr - indptr[0]), shape=shape)
        right = sparse.csr_matrix((others, columns, offsets), shape=(shape[1], n_columns))
        out += (left @ right).toarray()
        return
    bounds = np.empty(n_rows + 1, dtype=indices.dtype)
    second = offsets, columns, others
    places: Any = np.empty(out.size, dtype=indices.dtype)
    sums: Any = np.empty(out.size, dtype=out.dtype)
    loops: Any = _sparsetools
    loops.csr_matmat(n_rows, n_columns, indptr, indices, data, *second, bounds, places, sums)
    loops.csr_todense(n_rows, n_columns, bounds, places, sums, out.ravel())


def _add_product(
    kind: type[sparse.csr_matrix] | type[sparse.csc_matrix],
    data: Numbers,
    indices: _Indices,
    indptr: _Indices,
    shape: tuple[int, int],
    dense: Numbers,
    out: Numbers,
) -> None:
    if _sparsetools is None:
        own = slice(indptr[0], indptr[-1])
        out += kind((data[own], indices[own], indptr - indptr[0]), shape=shape) @ dense
        return
    arrays = (indptr, indices, data, dense.ravel(), out.ravel())
    name = "csr" if kind is sparse.csr_matrix else "csc"
    if dense.shape[1] == 1:
        getattr(_sparsetools, f"{name}_matvec")(*shape, *arrays)
    else:
        getattr(_sparsetools, f"{name}_matvecs")(*shape, dense.shape[1], *arrays)
