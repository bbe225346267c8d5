"""Fits of linear models whose classes are learnt side by side, on X as it is, without copies of rows.

What their ``fit`` checks and converts is done once for all nodes. The models are the same to the last
bit.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, cast

import numpy as np

from sklhier._local.linear_fit import MOST_USED, ColumnSubset
from sklhier._utils.kernels import compiled
from sklhier._utils.rows import is_csr
from sklhier._utils.typing import Floats, Integers, Rows
from sklhier.linear_model import (
    BlockLinearSVC,
    BlockLogisticRegression,
    ScaledLinearClassifier,
    ScaledLogisticRegression,
)
from sklhier.linear_model._block_solvers import Columns, Problems, Table, UsedColumns, solve

__all__ = [
    "BLOCKS",
    "SharedTable",
    "fit_rows",
    "fit_together",
    "is_solved_here",
    "may_stand_together",
]

BLOCKS = (BlockLinearSVC, BlockLogisticRegression)
# These stand for one of them where X is sparse and its columns are on a common scale.
_SCALED = (ScaledLinearClassifier, ScaledLogisticRegression)


class SharedTable:
    """X for many fits by compiled solvers, which may run in threads.

    In another process it starts anew: X itself gets there, and what is made of it does not travel.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: dict[Any, Table | None] = {}
        self._of_thread = threading.local()
        self._checked: Any = None

    def __reduce__(self) -> Any:
        return (SharedTable, ())

    def table(self, X: Any, dtype: Any) -> Table | None:
        """Return X in some precision, or None if it is left to ``fit``, which knows what to say.

        Parameters
        ----------
        X : array-like
            All samples.
        dtype : dtype or None
            None: that of X.
        """
        if not (is_csr(X) or type(X) is np.ndarray) or X.dtype.kind not in "biuf" or X.ndim != 2:
            return None
        precision = np.dtype(np.float64 if X.dtype != np.float32 else np.float32)
        precision = precision if dtype is None else np.dtype(dtype)
        with self._lock:
            if precision not in self._tables:
                self._tables[precision] = _table(X, precision)
            return self._tables[precision]

    def check(self, estimator: Any) -> None:
        """Check the parameters of an estimator, unless they are the objects checked last."""
        last, kind = self._checked, type(estimator)
        if type(last) is kind and all(
            getattr(last, name) is getattr(estimator, name) for name in _SETTINGS[kind]
        ):
            return
        estimator._check()
        self._checked = estimator

    def columns(self, table: Table) -> Columns:
        """Return what finds the columns of a table, one for each thread."""
        known = cast(dict[int, Columns], vars(self._of_thread))
        if id(table) not in known:
            known[id(table)] = Columns(table)
        return known[id(table)]


def _table(X: Any, precision: np.dtype[Any]) -> Table | None:
    entries: Any = X.data if is_csr(X) else X
    if not entries.size or not X.shape[1]:
        return None
    largest = float(np.finfo(precision).max)
    lowest, highest = _range(entries)
    if not (-largest <= lowest and highest <= largest):  # or not a number
        return None
    order = {} if is_csr(X) else {"order": "C"}
    table = Table.of(X.astype(precision, copy=False, **order))
    if table.data.size < entries.size:  # of entries of one cell, the sum counts
        lowest, highest = _range(table.data)
    return replace(table, largest=max(-lowest, highest))


def _range(entries: Any) -> tuple[float, float]:
    """Return the smallest and the largest entry; bits and counts have no negative of their own."""
    return float(entries.min()), float(entries.max())


def fit_rows(
    estimator: Any,
    shared: SharedTable,
    X: Any,
    rows: Rows,
    codes: Integers,
    params: dict[str, Any],
) -> tuple[bool, ColumnSubset | None]:
    """Fit an estimator to some rows of X, if that is possible here.

    Parameters
    ----------
    estimator : object
        For which :func:`is_solved_here` holds; changed in place.
    shared : SharedTable
        Of X.
    X : array-like
        All samples.
    rows : ndarray of intp, shape (n,)
        Positions of those of the problem.
    codes : ndarray of int, shape (n,)
        Targets, 0 or more.
    params : dict
        Fit parameters of these rows.

    Returns
    -------
    is_done : bool
        Whether it was; otherwise it is as before.
    subset : ColumnSubset or None
        How it is stored, if not as scikit-learn does.
    """
    found = _prepared(estimator, shared, X, rows, params)
    if found is None or codes.ndim != 1:
        return False, None
    table, weights, used, subset = found
    counts = np.bincount(codes)
    if not counts.all():
        return False, None
    classes = np.arange(len(counts), dtype=codes.dtype)
    estimator._learn(table, rows, classes, codes, weights, used)
    _lay_out(estimator, subset)
    return True, subset


def is_solved_here(estimator: Any, X: Any) -> bool:
    """Whether compiled solvers fit an estimator to X, unless columns have to be scaled."""
    if compiled() is None:
        return False
    if type(estimator) in _SCALED:
        return is_csr(X) and estimator.class_weight is None
    return type(estimator) in BLOCKS


def may_stand_together(estimator: Any, other: Any) -> bool:
    """Whether binary problems of both may be solved side by side: but for draws they are the same."""
    return (
        type(estimator) in (*BLOCKS, *_SCALED)
        and type(estimator) is type(other)
        and estimator.class_weight is None
        and all(
            getattr(estimator, name) == getattr(other, name) for name in _SETTINGS[type(estimator)]
        )
    )


def fit_together(
    estimators: list[Any],
    shared: SharedTable,
    X: Any,
    rows: Rows,
    codes: Integers,
    params: dict[str, Any],
) -> tuple[bool, ColumnSubset | None]:
    """Fit estimators that may stand together to the same rows, each to two classes of its own.

    The order in which rows are visited follows from the random state of the first. Otherwise as
    :func:`fit_rows`.

    Parameters
    ----------
    codes : ndarray of int, shape (n, n_estimators)
        0 or 1 for each estimator.
    """
    first = estimators[0]
    found = _prepared(first, shared, X, rows, params)
    is_mixed = (codes.any(axis=0) & ~codes.all(axis=0)).all()
    if found is None or not is_mixed:
        return False, None
    table, weights, used, subset = found
    problems = Problems(table, rows, codes, first._strength * weights, np.empty(0), used)
    solution = first._finished(
        problems, solve(problems, first._solver(problems), first._n_threads)
    )
    for number, estimator in enumerate(estimators):
        own = slice(number, number + 1)
        estimator._keep(
            np.arange(2, dtype=codes.dtype),
            np.ascontiguousarray(solution.weights[:, own]),
            solution.intercepts[own].copy(),
            solution.n_iter,
        )
        _lay_out(estimator, subset)
    first._warn_unless(solution.has_converged)
    return True, subset


# Whatever else than `random_state` a solution depends on.
_OF_BLOCKS = (
    "C", "tol", "max_iter", "fit_intercept", "intercept_scaling", "dtype", "n_jobs", "class_weight",
)  # fmt: skip
_SETTINGS: dict[type, tuple[str, ...]] = {
    **dict.fromkeys(BLOCKS, _OF_BLOCKS),
    ScaledLinearClassifier: ("C", "tol", "max_iter", "sharpness", "class_weight"),
    ScaledLogisticRegression: ("C", "tol", "max_iter", "class_weight"),
}


def _prepared(
    estimator: Any, shared: SharedTable, X: Any, rows: Rows, params: dict[str, Any]
) -> tuple[Table, Floats, UsedColumns | None, ColumnSubset | None] | None:
    """Return X, weights, the columns that are used and how to store them; None: left to ``fit``."""
    if not (is_solved_here(estimator, X) and set(params) <= {"sample_weight"}):
        return None
    shared.check(estimator)
    weights = _ordinary_weights(params.get("sample_weight"), len(rows))
    is_scaled = type(estimator) in _SCALED
    table = shared.table(X, None if is_scaled else estimator.dtype)
    if weights is None or table is None or (is_scaled and table.largest > 1):
        return None
    if table.indices is None:
        return table, weights, None, None
    used, n_features = shared.columns(table).used_by(rows), X.shape[1]
    if not estimator._takes(len(rows), len(used.columns)):
        return None
    if not 0 < len(used.columns) <= MOST_USED * n_features:
        return table, weights, None, ColumnSubset(None, n_features, {})
    return table, weights, used, ColumnSubset(used.columns, n_features, {})


def _lay_out(estimator: Any, subset: ColumnSubset | None) -> None:
    """Store weights as other linear models have them."""
    estimator.n_features_in_ = estimator.coef_.shape[1]
    lay_out = np.ascontiguousarray if subset is None else np.asfortranarray
    estimator.coef_ = lay_out(estimator.coef_)


def _ordinary_weights(given: Any, n_rows: int) -> Floats | None:
    """Return weights that are certainly in range and above 0, or None."""
    if given is None:
        return np.ones(n_rows)
    weights = np.asarray(given)
    if weights.dtype != np.float64 or weights.shape != (n_rows,):
        return None
    return weights if np.isfinite(weights).all() and (weights > 0).all() else None
