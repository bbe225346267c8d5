"""Linear base estimators on sparse X: fitted to the columns that occur, and made small.

A linear model with an L2 penalty, or whose weights start at 0 and follow the samples, gives a column
without an entry in training the weight 0. So it is fitted to the other columns alone, which is
the same model in less time and memory. That holds for the types and parameters listed here; all other
estimators are fitted as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    LogisticRegression,
    Perceptron,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from sklhier._local.single_weights import SingleWeights, are_few, as_table
from sklhier._utils import compat
from sklhier._utils.pipelines import last_step_replaced
from sklhier._utils.rows import is_csr
from sklhier._utils.typing import Floats, Rows
from sklhier._utils.warning import warn_caller
from sklhier.linear_model import (
    BlockLinearSVC,
    BlockLogisticRegression,
    ScaledLinearClassifier,
    ScaledLogisticRegression,
)

__all__ = [
    "MOST_USED",
    "ColumnSubset",
    "compressed",
    "fit_on_used_columns",
    "full_width",
    "is_linear",
    "n_bytes_of",
    "n_columns_of",
    "with_table",
]

# Share of the columns above which they are not sorted out: it would save little memory. Time does not
# decide about it: with 0.98 fits and predictions take the same.
MOST_USED = 0.5
_COEFFICIENTS = ("coef_", "_standard_coef", "_average_coef")


@dataclass(frozen=True)
class ColumnSubset:
    """The columns of a fitted linear estimator; :func:`full_width` brings the others back.

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
    # A column's scale depends on that column alone.
    ScaledLinearClassifier: _of_logistic,
    ScaledLogisticRegression: _of_logistic,
    RidgeClassifier: _of_ridge,
    BlockLinearSVC: _of_gradients,
    BlockLogisticRegression: _of_gradients,
    SGDClassifier: _of_gradients,
    Perceptron: _of_gradients,
    **dict.fromkeys(compat.PASSIVE_AGGRESSIVE, _of_gradients),
}


def _last_step(estimator: Any) -> Any:
    """Return the estimator itself, or what is behind the transformers of a Pipeline."""
    return estimator.steps[-1][1] if type(estimator) is Pipeline else estimator


# -- fitting ------------------------------------------------------------------------------


class _SubsetStep:
    """The last step of a Pipeline during a fit, which remembers how it was stored."""

    def __init__(self, step: Any) -> None:
        self._step = step
        self.subset: ColumnSubset | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    def fit(self, X: Any, y: Any, **params: Any) -> Self:
        self.subset = _fit_step(self._step, X, y, params)
        return self


def fit_on_used_columns(
    estimator: Any, X: Any, y: Any, params: dict[str, Any]
) -> ColumnSubset | None:
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
    subset : ColumnSubset or None
        How it is stored, if not as scikit-learn does.
    """
    last = _last_step(estimator)
    if type(last) not in _EXACT:
        estimator.fit(X, y, **params)
        return None
    if last is estimator:
        return _fit_step(estimator, X, y, params)
    step = _SubsetStep(last)
    with last_step_replaced(estimator, step):
        estimator.fit(X, y, **params)
    return step.subset


def _fit_step(estimator: Any, X: Any, y: Any, params: dict[str, Any]) -> ColumnSubset | None:
    if not (is_csr(X) and set(params) <= {"sample_weight"}):
        estimator.fit(X, y, **params)
        return None
    n_features = X.shape[1]
    columns, changes = None, {}
    used, positions = _used_columns(X.indices, n_features)
    if 0 < len(used) <= MOST_USED * n_features:
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
    return ColumnSubset(columns, n_features, given)


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
    if len(classes) < 2 or not compat.has_liblinear(svc.loss, dual):
        return False
    coef, intercept, n_iter = compat.solved_by_liblinear(X, codes, weights, svc, dual)
    if n_iter >= svc.max_iter:
        warn_caller(
            "Liblinear failed to converge, increase the number of iterations.",
            ConvergenceWarning,
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


def full_width(estimator: Any, subset: ColumnSubset | None) -> Any:
    """Return a fitted estimator as it would be if it had been fitted to all columns.

    Parameters
    ----------
    estimator : object
        As :func:`fit_on_used_columns` left it.
    subset : ColumnSubset or None
        What it returned.

    Returns
    -------
    estimator : object
        A copy, unless nothing was stored.
    """
    if subset is None:
        return estimator
    if type(estimator) is Pipeline:
        widened = copy(estimator)
        name, last = estimator.steps[-1]
        widened.steps = [*estimator.steps[:-1], (name, full_width(last, subset))]
        return widened
    widened = copy(estimator)
    for name in _COEFFICIENTS:
        values = getattr(estimator, name, None)
        if isinstance(values, np.ndarray | SingleWeights):
            setattr(widened, name, _expand(as_table(values), subset))
    widened.n_features_in_ = subset.n_features
    for name, value in subset.given.items():
        setattr(widened, name, value)
    return widened


def _expand(values: Floats, subset: ColumnSubset) -> Floats:
    """Return coefficients of all columns, row by row."""
    if subset.columns is None:
        return np.ascontiguousarray(values)
    expanded = np.zeros((*values.shape[:-1], subset.n_features), dtype=values.dtype)
    expanded[..., subset.columns] = values
    return expanded


# -- taking less space --------------------------------------------------------------------


def is_linear(estimator: Any) -> bool:
    """Whether :func:`compressed` knows a fitted estimator, or the last step of a Pipeline."""
    last = _last_step(estimator)
    weights = getattr(last, "coef_", None)
    return type(last) in _EXACT and isinstance(weights, np.ndarray | SingleWeights)


def with_table(estimator: Any) -> Any:
    """Return a fitted linear estimator whose weights are an array: the same, or a copy."""
    if not isinstance(estimator.coef_, SingleWeights):
        return estimator
    able = copy(estimator)
    able.coef_ = as_table(estimator.coef_)
    return able


def compressed(
    estimator: Any, subset: ColumnSubset | None, dtype: Any, min_weight: float, *, has_extra: bool
) -> tuple[Any, ColumnSubset | None, int]:
    """Return a fitted linear estimator that takes less space and cannot go on learning.

    Parameters
    ----------
    estimator : object
        For which :func:`is_linear` holds; not changed.
    subset : ColumnSubset or None
        How it is stored.
    dtype : dtype or None
        Of its weights; None: as they are.
    min_weight : float
        Weights whose absolute value is lower become 0.
    has_extra : bool
        Whether it has columns beside those of X: all are kept then.

    Returns
    -------
    estimator : object
        A copy, which shares what is not weights.
    subset : ColumnSubset or None
        How it is stored now.
    n_dropped : int
        Number of weights other than 0 that became 0.
    """
    smaller = copy(estimator)
    if type(estimator) is Pipeline:
        name, last = estimator.steps[-1]
        last, subset, n_dropped = compressed(last, subset, dtype, min_weight, has_extra=has_extra)
        smaller.steps = [*estimator.steps[:-1], (name, last)]
        return smaller, subset, n_dropped
    weights: Any = np.array(as_table(estimator.coef_), dtype=dtype, order="F")
    n_dropped = 0
    if not has_extra:
        if subset is None:
            subset = ColumnSubset(None, weights.shape[-1], {})
        is_low = (np.abs(weights) < min_weight) & (weights != 0)
        n_dropped = int(np.count_nonzero(is_low))
        np.putmask(weights.T, is_low.T, 0)  # in the order in which they are stored
        weights, subset = _smallest(weights, subset)
        smaller.n_features_in_ = weights.shape[-1]
    for name in _COEFFICIENTS[1:]:  # from which partial_fit goes on
        smaller.__dict__.pop(name, None)
    smaller.coef_ = weights
    return smaller, subset, n_dropped


def _smallest(weights: Floats, subset: ColumnSubset) -> tuple[Any, ColumnSubset]:
    """Return weights in the form that takes least space: all columns or some, single ones or not."""
    single = None
    if are_few(int(np.count_nonzero(weights)), weights.shape):
        single = SingleWeights.of(weights)
        is_used = single.counts > 0
    else:
        is_used = np.asarray(np.atleast_2d(weights).any(axis=0))
    is_used[0] |= not is_used.any()  # scikit-learn refuses a table without columns
    columns = np.flatnonzero(is_used).astype(np.int32)
    shape = *weights.shape[:-1], len(columns)
    found: Any
    if single is not None and are_few(len(single.values), shape):
        found = replace(single, counts=single.counts[is_used])
    else:
        found = np.asfortranarray(weights[..., is_used])
    if subset.columns is not None:
        return found, replace(subset, columns=subset.columns[is_used])
    whole = weights if single is None else single
    if whole.nbytes <= found.nbytes + columns.nbytes:  # the numbers of columns take space as well
        return whole, subset
    return found, replace(subset, columns=columns)


def n_columns_of(estimator: Any) -> int:
    """Return of how many columns a fitted linear estimator, or a Pipeline's, has weights."""
    return int(_last_step(estimator).coef_.shape[-1])


def n_bytes_of(estimator: Any, subset: ColumnSubset | None) -> int:
    """Return how much space the weights of a fitted linear estimator take."""
    arrays = [getattr(_last_step(estimator), name, None) for name in _COEFFICIENTS]
    arrays.append(None if subset is None else subset.columns)
    stored = [array for array in arrays if isinstance(array, np.ndarray | SingleWeights)]
    return sum({id(array): int(array.nbytes) for array in stored}.values())
