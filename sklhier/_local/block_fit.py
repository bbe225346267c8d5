"""Fits of linear models whose classes are learnt side by side, on X as it is, without copies of rows.

What their ``fit`` checks and converts is done once for all nodes. The models are the same to the last
bit.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from scipy import sparse

from sklhier._local.linear_fit import MOST_USED, ColumnSubset
from sklhier._utils.kernels import compiled
from sklhier._utils.rows import is_csr
from sklhier._utils.typing import Floats, Integers, Rows
from sklhier.linear_model import BlockLinearSVC, BlockLogisticRegression
from sklhier.linear_model._block_solvers import Columns, Table

__all__ = ["BLOCKS", "SharedTable", "fit_rows"]

BLOCKS = (BlockLinearSVC, BlockLogisticRegression)


class SharedTable:
    """X for many fits by compiled solvers, which may run in threads.

    In another process it starts anew: X itself gets there, and what is made of it does not travel.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: dict[Any, Table | None] = {}
        self._of_thread = threading.local()

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

    def columns(self, table: Table) -> Columns:
        """Return what finds the columns of a table, one for each thread."""
        known: dict[int, Columns] = vars(self._of_thread)
        if id(table) not in known:
            known[id(table)] = Columns(table)
        return known[id(table)]


def _table(X: Any, precision: np.dtype[Any]) -> Table | None:
    entries = X.data if sparse.issparse(X) else X
    # Not a number is not below either.
    if 0 in X.shape or not (np.abs(entries) <= np.finfo(precision).max).all():
        return None
    order = {} if sparse.issparse(X) else {"order": "C"}
    return Table.of(X.astype(precision, copy=False, **order))


def fit_rows(
    estimator: Any,
    shared: SharedTable,
    X: Any,
    rows: Rows,
    codes: Integers,
    params: dict[str, Any],
) -> tuple[bool, ColumnSubset | None]:
    """Fit an estimator of one of the types in ``BLOCKS`` to some rows of X, if that is possible here.

    Parameters
    ----------
    estimator : object
        Changed in place.
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
    if compiled() is None or codes.ndim != 1 or not set(params) <= {"sample_weight"}:
        return False, None
    weights = _ordinary_weights(params.get("sample_weight"), len(rows))
    estimator._check()
    table = shared.table(X, estimator.dtype)
    counts = np.bincount(codes)
    if weights is None or table is None or not counts.all():
        return False, None
    used, subset, n_features = None, None, X.shape[1]
    if table.indices is not None:
        used = shared.columns(table).used_by(rows)
        if not 0 < len(used.columns) <= MOST_USED * n_features:
            used = None
        subset = ColumnSubset(None if used is None else used.columns, n_features, {})
    classes = np.arange(len(counts), dtype=codes.dtype)
    estimator._learn(table, rows, classes, codes, weights, used)
    estimator.n_features_in_ = estimator.coef_.shape[1]
    lay_out = np.ascontiguousarray if subset is None else np.asfortranarray
    estimator.coef_ = lay_out(estimator.coef_)
    return True, subset


def _ordinary_weights(given: Any, n_rows: int) -> Floats | None:
    """Return weights that are certainly in range and above 0, or None."""
    if given is None:
        return np.ones(n_rows)
    weights = np.asarray(given)
    if weights.dtype != np.float64 or weights.shape != (n_rows,):
        return None
    return weights if np.isfinite(weights).all() and (weights > 0).all() else None
