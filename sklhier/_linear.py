"""Linear base estimators on sparse X: fitted to the columns that occur, asked as arrays, made small.

A linear model with an L2 penalty, or whose weights start at 0 and follow the samples, gives a column
without an entry in training the weight 0. So it is fitted to the other columns alone, which is
the same model in less time and memory. That holds for the types and parameters listed here; all other
estimators are fitted and asked as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    LogisticRegression,
    Perceptron,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from sklhier import _compat
from sklhier._columns import last_step_replaced
from sklhier._typing import Floats, Rows

__all__ = [
    "Packing",
    "SparseRows",
    "across",
    "answer",
    "answer_rows",
    "compressed",
    "fit_packed",
    "is_csr",
    "is_linear",
    "link_of",
    "n_bytes_of",
    "n_columns_of",
    "n_scores_of",
    "rows_of",
    "scores_of",
    "scores_side_by_side",
    "softmax",
    "takes",
    "whole",
]

# Share of the columns above which they are not sorted out: it would save little memory. Time does not
# decide about it: with 0.98 fits and predictions take the same.
_MOST_USED = 0.5
_COEFFICIENTS = ("coef_", "_standard_coef", "_average_coef")
_FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}  # products are taken in that of the weights


@dataclass(frozen=True)
class Packing:
    """How a fitted linear estimator is stored: what :func:`whole` undoes.

    Attributes
    ----------
    columns : ndarray of int32, shape (n_used,), or None
        The columns of its X to which it was fitted, ascending; None: all.
    n_features : int
        Number of all columns.
    given : dict
        Parameters that were set for the fit, with the values that were given.
    """

    columns: Any
    n_features: int
    given: dict[str, Any]


# -- which estimators ---------------------------------------------------------------------

# For each type: what parameters have to be set so that fitting to `n_used` columns gives the
# coefficients of all columns, or None if there is no such promise.


def _of_linear_svc(svc: Any, n_rows: int, n_features: int, n_used: int) -> dict[str, Any] | None:  # noqa: ARG001
    if svc.penalty != "l2" or svc.multi_class != "ovr":
        return None
    return {"dual": _is_dual(svc, n_rows, n_features)} if svc.dual == "auto" else {}


def _is_dual(svc: Any, n_rows: int, n_features: int) -> bool:
    """Return what ``dual="auto"`` stands for."""
    return n_rows < n_features or svc.loss == "hinge"


_SOLVERS = ("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")


def _of_logistic(model: Any, n_rows: int, n_features: int, n_used: int) -> dict[str, Any] | None:  # noqa: ARG001
    # Since scikit-learn 1.8 `l1_ratio` and `C` say which penalty there is.
    has_l2 = model.penalty in ("l2", "deprecated") and not model.l1_ratio and np.inf != model.C
    return {} if has_l2 and model.solver in _SOLVERS else None


def _of_ridge(ridge: Any, n_rows: int, n_features: int, n_used: int) -> dict[str, Any] | None:  # noqa: ARG001
    # With more columns than rows conjugate gradients run over rows, otherwise over columns.
    same_way = not ridge.positive and ridge.solver in ("auto", "sparse_cg") and n_used > n_rows
    return {} if same_way else None


def _of_gradients(model: Any, n_rows: int, n_features: int, n_used: int) -> dict[str, Any]:  # noqa: ARG001
    return {}  # weights start at 0, and rows change only those of their own columns


_EXACT: dict[type, Callable[[Any, int, int, int], dict[str, Any] | None]] = {
    LinearSVC: _of_linear_svc,
    LogisticRegression: _of_logistic,
    RidgeClassifier: _of_ridge,
    SGDClassifier: _of_gradients,
    Perceptron: _of_gradients,
    **dict.fromkeys(_compat.PASSIVE_AGGRESSIVE, _of_gradients),
}


def _last_step(estimator: Any) -> Any:
    """Return the estimator itself, or what is behind the transformers of a Pipeline."""
    return estimator.steps[-1][1] if type(estimator) is Pipeline else estimator


# -- fitting ------------------------------------------------------------------------------


class _PackedStep:
    """The last step of a Pipeline during a fit, which remembers how it was packed."""

    def __init__(self, step: Any) -> None:
        self._step = step
        self.packing: Packing | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    def fit(self, X: Any, y: Any, **params: Any) -> Self:
        self.packing = _fit_step(self._step, X, y, params)
        return self


def fit_packed(estimator: Any, X: Any, y: Any, params: dict[str, Any]) -> Packing | None:
    """Fit an estimator; a linear one, or one at the end of a Pipeline, to the columns that occur.

    Parameters
    ----------
    estimator : object
        Changed in place.
    X : array-like
        Samples.
    y : ndarray
        Targets.
    params : dict
        Fit parameters.

    Returns
    -------
    packing : Packing or None
        How it is stored, if not as scikit-learn does.
    """
    last = _last_step(estimator)
    if type(last) not in _EXACT:
        estimator.fit(X, y, **params)
        return None
    if last is estimator:
        return _fit_step(estimator, X, y, params)
    step = _PackedStep(last)
    with last_step_replaced(estimator, step):
        estimator.fit(X, y, **params)
    return step.packing


def _fit_step(estimator: Any, X: Any, y: Any, params: dict[str, Any]) -> Packing | None:
    if not (is_csr(X) and set(params) <= {"sample_weight"}):
        estimator.fit(X, y, **params)
        return None
    n_features = X.shape[1]
    columns, changes = None, {}
    used, positions = _used_columns(X.indices, n_features)
    if 0 < len(used) <= _MOST_USED * n_features:
        exact = _EXACT[type(estimator)](estimator, X.shape[0], n_features, len(used))
        if exact is not None:
            columns, changes = used, exact
            # Were it sorted in place, the entries of the given X would be, without their columns.
            data = X.data if X.has_canonical_format else X.data.copy()
            X = type(X)((data, positions, X.indptr), shape=(X.shape[0], len(used)))
    given = {name: getattr(estimator, name) for name in changes}
    vars(estimator).update(changes)
    if not _solved(estimator, X, y, **params):
        estimator.fit(X, y, **params)
    # Predictions read the weights feature by feature.
    estimator.coef_ = np.asfortranarray(estimator.coef_)
    return Packing(columns, n_features, given)


def _solved(svc: Any, X: Any, y: Any, sample_weight: Any = None) -> bool:
    """Fit a LinearSVC as its own ``fit`` does, without what that checks anew at each node.

    Return False, with nothing done, for what is left to ``fit``: other estimators, parameters and
    data that may be out of range, class weights.
    """
    if type(svc) is not LinearSVC or not _is_ordinary(svc) or not _is_ordinary_csr(X):
        return False
    dual = _is_dual(svc, *X.shape) if svc.dual == "auto" else svc.dual
    classes, codes = np.unique(y, return_inverse=True)
    weights = np.ones(X.shape[0]) if sample_weight is None else np.asarray(sample_weight)
    if weights.dtype != np.float64 or weights.shape != y.shape or not np.isfinite(weights).all():
        return False
    if len(classes) < 2 or not _compat.has_liblinear(svc.loss, dual):
        return False
    coef, intercept, n_iter = _compat.solved_by_liblinear(X, codes, weights, svc, dual)
    if n_iter >= svc.max_iter:
        warnings.warn(
            "Liblinear failed to converge, increase the number of iterations.",
            ConvergenceWarning,
            stacklevel=2,
        )
    svc.classes_, svc.coef_, svc.intercept_, svc.n_iter_ = classes, coef, intercept, n_iter
    svc.n_features_in_ = X.shape[1]
    return True


def _is_ordinary(svc: Any) -> bool:
    """Whether parameters of a LinearSVC are certainly in range, and none of the rare ones."""
    return (
        (svc.penalty, svc.multi_class, svc.class_weight, svc.verbose) == ("l2", "ovr", None, 0)
        and all(
            type(number) in (int, float) and 0 < number < np.inf
            for number in (svc.C, svc.tol, svc.intercept_scaling, svc.max_iter)
        )
        and type(svc.max_iter) is int
        and type(svc.fit_intercept) is bool
        and (svc.dual == "auto" or type(svc.dual) is bool)
        and type(svc.random_state) in (int, type(None), np.random.RandomState)
    )


def _is_ordinary_csr(X: Any) -> bool:
    small = X.indices.dtype == np.int32 == X.indptr.dtype
    return (
        small and X.dtype in (np.float32, np.float64) and X.nnz > 0 and np.isfinite(X.data).all()
    )


def _used_columns(indices: Rows, n_features: int) -> tuple[Rows, Rows]:
    """Return the columns that occur, ascending, and the position of each index among them."""
    if 20 * len(indices) < n_features:  # sorting a few costs less than a pass over all columns
        used, positions = np.unique(indices, return_inverse=True)
    else:
        is_used = np.zeros(n_features, dtype=bool)
        is_used[indices] = True
        used = np.flatnonzero(is_used)
        position = np.empty(n_features, dtype=indices.dtype)
        position[used] = np.arange(len(used), dtype=indices.dtype)
        positions = position[indices]
    return used.astype(indices.dtype, copy=False), positions.astype(indices.dtype, copy=False)


def whole(estimator: Any, packing: Packing | None) -> Any:
    """Return a fitted estimator as it would be if it had been fitted to all columns.

    Parameters
    ----------
    estimator : object
        As :func:`fit_packed` left it.
    packing : Packing or None
        What it returned.

    Returns
    -------
    estimator : object
        A copy, unless nothing was packed.
    """
    if packing is None:
        return estimator
    if type(estimator) is Pipeline:
        unpacked = copy(estimator)
        name, last = estimator.steps[-1]
        unpacked.steps = [*estimator.steps[:-1], (name, whole(last, packing))]
        return unpacked
    unpacked = copy(estimator)
    for name in _COEFFICIENTS:
        values = getattr(estimator, name, None)
        if isinstance(values, np.ndarray):
            setattr(unpacked, name, _spread(values, packing))
    unpacked.n_features_in_ = packing.n_features
    for name, value in packing.given.items():
        setattr(unpacked, name, value)
    return unpacked


def _spread(values: Floats, packing: Packing) -> Floats:
    """Return coefficients of all columns, row by row."""
    if packing.columns is None:
        return np.ascontiguousarray(values)
    spread = np.zeros((*values.shape[:-1], packing.n_features), dtype=values.dtype)
    spread[..., packing.columns] = values
    return spread


# -- taking less space --------------------------------------------------------------------


def is_linear(estimator: Any) -> bool:
    """Whether :func:`compressed` knows a fitted estimator, or the last step of a Pipeline."""
    last = _last_step(estimator)
    return type(last) in _EXACT and isinstance(getattr(last, "coef_", None), np.ndarray)


def compressed(
    estimator: Any, packing: Packing | None, dtype: Any, min_weight: float, *, sees_others: bool
) -> tuple[Any, Packing | None, int]:
    """Return a fitted linear estimator that takes less space and cannot go on learning.

    Parameters
    ----------
    estimator : object
        For which :func:`is_linear` holds; not changed.
    packing : Packing or None
        How it is stored.
    dtype : dtype or None
        Of its weights; None: as they are.
    min_weight : float
        Weights whose absolute value is lower become 0.
    sees_others : bool
        Whether it has columns beside those of X: all are kept then.

    Returns
    -------
    estimator : object
        A copy, which shares what is not weights.
    packing : Packing or None
        How it is stored now.
    n_dropped : int
        Number of weights other than 0 that became 0.
    """
    smaller = copy(estimator)
    if type(estimator) is Pipeline:
        name, last = estimator.steps[-1]
        last, packing, n_dropped = compressed(
            last, packing, dtype, min_weight, sees_others=sees_others
        )
        smaller.steps = [*estimator.steps[:-1], (name, last)]
        return smaller, packing, n_dropped
    weights: Any = np.array(estimator.coef_, dtype=dtype, order="F")
    n_dropped = 0
    if not sees_others:
        if packing is None:
            packing = Packing(None, weights.shape[-1], {})
        is_low = (np.abs(weights) < min_weight) & (weights != 0)
        n_dropped = int(is_low.sum())
        weights[is_low] = 0
        weights, packing = _without_zeros(weights, packing)
        smaller.n_features_in_ = weights.shape[-1]
    for name in _COEFFICIENTS[1:]:  # from which partial_fit goes on
        smaller.__dict__.pop(name, None)
    smaller.coef_ = weights
    return smaller, packing, n_dropped


def _without_zeros(weights: Floats, packing: Packing) -> tuple[Floats, Packing]:
    """Return weights without columns that are 0, unless the numbers of the rest take more space."""
    is_used = np.asarray(np.atleast_2d(weights).any(axis=0))
    is_used[0] |= not is_used.any()  # scikit-learn refuses a table without columns
    if packing.columns is None:
        columns = np.flatnonzero(is_used).astype(np.int32)
        kept_bytes = columns.nbytes + weights[..., :1].nbytes * len(columns)
        if kept_bytes >= weights.nbytes:
            return weights, packing
    else:
        columns = packing.columns[is_used]
    return np.asfortranarray(weights[..., is_used]), replace(packing, columns=columns)


def n_columns_of(estimator: Any) -> int:
    """Return of how many columns a fitted linear estimator, or a Pipeline's, has weights."""
    return int(_last_step(estimator).coef_.shape[-1])


def n_bytes_of(estimator: Any, packing: Packing | None) -> int:
    """Return how much space the weights of a fitted linear estimator take."""
    arrays = [getattr(_last_step(estimator), name, None) for name in _COEFFICIENTS]
    arrays.append(None if packing is None else packing.columns)
    own = {id(array): array.nbytes for array in arrays if isinstance(array, np.ndarray)}
    return sum(own.values())


# -- asking -------------------------------------------------------------------------------


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


def answer(estimator: Any, packing: Packing, method: str, X: Any) -> Any:
    """Return what a method of a packed estimator says of X."""
    if type(estimator) is Pipeline:
        if len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        estimator = estimator.steps[-1][1]
    rows = SparseRows.of(X)
    if rows is None or not takes(estimator, packing, rows):
        able = estimator if packing.columns is None else whole(estimator, packing)
        return getattr(able, method)(X)
    return answer_rows(estimator, packing, method, rows)


def takes(estimator: Any, packing: Packing, rows: SparseRows) -> bool:
    """Whether :func:`answer_rows` knows what a fitted estimator says of sparse rows."""
    return type(estimator) is not Pipeline and rows.n_columns == packing.n_features


def answer_rows(
    estimator: Any, packing: Packing, method: str, rows: SparseRows, scores: Floats | None = None
) -> Any:
    """Return what a method of a packed estimator that is no Pipeline says of sparse rows.

    The same numbers as from the method itself, which checks its input again for each node. Its
    decision scores may be known.
    """
    link = link_of(estimator, method, rows)
    n_rows = len(rows.indptr) - 1
    if link is not None:
        if scores is None:
            scores = scores_of([(estimator, packing)], rows, [0, n_rows])
        found = link(scores)
        if np.isfinite(found).all():  # if not, versions of scikit-learn differ
            return found
    data, indices, indptr = rows.among([packing.columns], [0, n_rows])
    n_columns = rows.n_columns if packing.columns is None else len(packing.columns)
    X = sparse.csr_matrix((data, indices, indptr), shape=(n_rows, n_columns))
    return getattr(estimator, method)(X)


def n_scores_of(estimator: Any) -> int:
    """Return how many decision scores a fitted linear estimator has for a sample."""
    return int(np.atleast_2d(estimator.coef_).shape[0])


def scores_of(
    models: Sequence[tuple[Any, Packing]], rows: SparseRows, bounds: Sequence[int]
) -> Floats:
    """Return the decision scores of packed estimators that have equally many of them.

    Parameters
    ----------
    models : sequence of (estimator, Packing)
        With links, as :func:`link_of` finds them; all with weights of the same dtype.
    rows : SparseRows
        Samples.
    bounds : sequence of int
        ``models[i]`` is asked about the rows ``[bounds[i], bounds[i + 1])``.

    Returns
    -------
    scores : ndarray of float32 or float64, shape (n_rows, n_scores)
        One column for two classes. Of float32 only if rows and weights are.
    """
    first, packing = models[0]
    dtype = first.coef_.dtype
    found_dtype = np.result_type(rows.data, dtype)
    scores = np.zeros((bounds[-1], n_scores_of(first)), dtype=dtype)
    alone = len(models) == 1 and packing.columns is not None
    chosen = rows.chosen(packing.columns) if alone else None
    if chosen is not None:
        data, indices, indptr = chosen
        weights = np.atleast_2d(first.coef_).T
        _compat.add_csc_product(data.astype(dtype, copy=False), indices, indptr, weights, scores)
        scores += first.intercept_
        return scores.astype(found_dtype, copy=False)
    data, indices, indptr = rows.among([packing.columns for _, packing in models], bounds)
    data = data.astype(dtype, copy=False)
    for (estimator, _), start, stop in zip(models, bounds, bounds[1:], strict=False):
        weights = np.atleast_2d(estimator.coef_).T  # RidgeClassifier has one row as a vector
        own = scores[start:stop]
        _compat.add_csr_product(data, indices, indptr[start : stop + 1], weights, own)
        own += estimator.intercept_
    return scores.astype(found_dtype, copy=False)


def scores_side_by_side(models: Sequence[tuple[Any, Packing]], rows: SparseRows) -> Floats:
    """Return the decision scores of binary estimators that have the same columns.

    Parameters
    ----------
    models : sequence of (estimator, Packing)
        With links; all with weights of the same columns and of the same dtype.
    rows : SparseRows
        Samples.

    Returns
    -------
    scores : ndarray, shape (n_rows, n_models)
        The same numbers as from :func:`scores_of`.
    """
    first, packing = models[0]
    dtype = first.coef_.dtype
    chosen = None if packing.columns is None else rows.chosen(packing.columns)
    if chosen is None:
        data, indices, indptr = rows.among([packing.columns], [0, len(rows.indptr) - 1])
    else:
        data, indices, indptr = chosen
    weights = np.column_stack([estimator.coef_.ravel() for estimator, _ in models])
    scores = np.zeros((len(rows.indptr) - 1, len(models)), dtype=dtype)
    add_product = _compat.add_csr_product if chosen is None else _compat.add_csc_product
    add_product(data.astype(dtype, copy=False), indices, indptr, weights, scores)
    scores += np.array([float(np.ravel(estimator.intercept_)[0]) for estimator, _ in models])
    return scores.astype(np.result_type(rows.data, dtype), copy=False)


def _margins(scores: Floats) -> Floats:
    return scores[:, 0] if scores.shape[1] == 1 else scores


def _shares(scores: Floats) -> Floats:
    """Return the probabilities of one-vs-rest classifiers, or of a binary one."""
    proba: Floats = expit(scores)
    if proba.shape[1] == 1:
        return np.hstack([1 - proba, proba])
    with np.errstate(invalid="ignore"):
        proba /= proba.sum(axis=1, keepdims=True)
    return proba  # NaN where all are 0


def across(ufunc: np.ufunc, table: Floats) -> Floats:
    """Reduce each row to one number; a pair of columns much faster than NumPy does, and the same."""
    if table.shape[1] == 2:
        reduced: Floats = ufunc(table[:, :1], table[:, 1:])
    else:
        reduced = ufunc.reduce(table, axis=1, keepdims=True)
    return reduced


def softmax(scores: Floats) -> Floats:
    """Return the softmax of each row, as SciPy computes it, without its checks."""
    proba: Floats = np.exp(scores - across(np.maximum, scores))
    proba /= across(np.add, proba)
    return proba


def link_of(estimator: Any, method: str, rows: SparseRows) -> Callable[[Floats], Floats] | None:
    """Return how decision scores become the answer; None where that is not known here."""
    if not {rows.data.dtype, estimator.coef_.dtype} <= _FLOATS:
        return None
    if method == "decision_function":
        return _margins
    if method == "predict_proba" and type(estimator) is SGDClassifier:
        return _shares if estimator.loss == "log_loss" else None
    if method == "predict_proba" and type(estimator) is LogisticRegression:
        # scikit-learn before 1.8 has this parameter.
        if getattr(estimator, "multi_class", "auto") not in ("auto", "deprecated"):
            return None
        ovr = len(estimator.classes_) == 2 or estimator.solver == "liblinear"
        return _shares if ovr else softmax
    return None
