"""Fits of estimators for which sums over the rows of each class suffice, without copies of rows.

X is checked and converted once for all nodes. A class of a model is a row of a sparse matrix of ones
or weights, and the product with X has the sums: a model costs its own rows once, whatever the number
of its classes, and what is written of the fitted estimator. That is all that scikit-learn stores, and
the same numbers: sums are taken row by row, in the order in which scikit-learn takes them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid

from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.rows import is_csr
from sklhier._utils.typing import Floats, Integers, Rows
from sklhier._utils.warning import warn_caller

__all__ = ["SUMMED", "SharedRows", "fit_by_sums"]

_LEAST_ALPHA = 1e-10  # below it naive Bayes may replace it, and warn
_LEAST_WEIGHT = 1e-6  # of a class: GaussianNB takes a sum near 0 for no row


class SharedRows:
    """X as sums are taken of it, for many fits that may run in threads.

    In another process it starts anew: X itself gets there, and what is made of it does not travel.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: dict[float | None, _Rows | None] = {}

    def __reduce__(self) -> Any:
        return (SharedRows, ())

    def table(self, X: Any, threshold: float | None = None) -> _Rows | None:
        """Return X as float64, or None if it is left to ``fit``, which knows what to say.

        Parameters
        ----------
        X : array-like
            All samples.
        threshold : float, default=None
            If given: 1 for entries above it, 0 for others.
        """
        with self._lock:
            if threshold not in self._tables:
                self._tables[threshold] = _Rows.of(X, threshold)
            return self._tables[threshold]


@dataclass(frozen=True)
class _Rows:
    """All samples.

    Attributes
    ----------
    table : CSR matrix or ndarray of float64, shape (n, n_features)
    least : float
        The least of the entries that are stored.
    is_double : bool
        Whether X has integers or float64, with which estimators compute in float64.
    """

    table: Any
    least: float
    is_double: bool

    @classmethod
    def of(cls, X: Any, threshold: float | None) -> _Rows | None:
        if not (is_csr(X) or type(X) is np.ndarray) or X.dtype.kind not in "biuf" or X.ndim != 2:
            return None
        entries: Any = X.data if is_csr(X) else X
        if not entries.size or not X.shape[1] or not np.isfinite(entries).all():
            return None
        if is_csr(X) and not X.has_canonical_format:
            return None
        is_double = X.dtype.kind != "f" or X.dtype == np.float64
        if threshold is not None:
            return cls(_binarized(X, threshold), 0.0, is_double)
        return cls(X.astype(np.float64, copy=False), float(entries.min()), is_double)

    @property
    def is_sparse(self) -> bool:
        return is_csr(self.table)


def _binarized(X: Any, threshold: float) -> Any:
    entries: Any = X.data if is_csr(X) else X
    ones = np.greater(entries, threshold).astype(np.float64)
    if not is_csr(X):
        return ones
    table = type(X)((ones, X.indices, X.indptr), shape=X.shape)
    if table.data.all():
        return table
    table = table.copy()
    table.eliminate_zeros()
    return table


@dataclass(frozen=True)
class _Classes:
    """The rows of a model by class.

    Attributes
    ----------
    rows : _Rows
        All samples.
    at : ndarray of intp, shape (n,)
        Positions of those of the model.
    codes : ndarray of int, shape (n,)
        Their classes.
    sizes : ndarray of int, shape (k,)
        Number of rows of each class, 1 or more.
    weights : ndarray of float64, shape (n,), or None
    """

    rows: _Rows
    at: Rows
    codes: Integers
    sizes: Integers
    weights: Floats | None

    @cached_property
    def totals(self) -> Floats:
        """Sum of the weights of each class, ndarray of float64, shape (k,)."""
        if self.weights is None:
            return self.sizes.astype(np.float64)
        found: Floats = np.bincount(self.codes, self.weights).astype(np.float64, copy=False)
        return found

    @cached_property
    def sums(self) -> Any:
        """Sums of X by class: a CSR matrix or ndarray of float64, shape (k, n_features)."""
        return self.sums_of(self.rows.table, self.at, self.weights)

    def sums_of(self, table: Any, at: Rows, weights: Floats | None) -> Any:
        """Return weighted sums by class of rows of a table, which are those of the model."""
        order = np.argsort(self.codes, kind="stable")
        numbers = table.indices.dtype if is_csr(table) else np.int64
        taken = np.ones(len(order)) if weights is None else weights[order]
        columns = at[order].astype(numbers, copy=False)
        bounds = np.concatenate([[0], np.cumsum(self.sizes)]).astype(numbers)
        shape = (len(self.sizes), table.shape[0])
        return sparse.csr_matrix((taken, columns, bounds), shape=shape) @ table


def fit_by_sums(
    estimator: Any, shared: SharedRows, X: Any, rows: Rows, codes: Integers, params: dict[str, Any]
) -> bool:
    """Fit an estimator of one of the types in ``SUMMED`` to some rows of X, if sums suffice.

    Parameters
    ----------
    estimator : object
        Changed in place.
    shared : SharedRows
        Of X.
    X : array-like
        All samples.
    rows : ndarray of intp, shape (n,)
        Positions of those of the problem, ascending.
    codes : ndarray of int, shape (n,)
        Targets, 0 or more.
    params : dict
        Fit parameters of these rows.

    Returns
    -------
    is_done : bool
        Whether it was; otherwise it is as before.
    """
    may_be_weighted, fit = SUMMED[type(estimator)]
    if codes.ndim != 1 or not set(params) <= ({"sample_weight"} if may_be_weighted else set()):
        return False
    sizes = np.bincount(codes)
    if len(sizes) < 2 or not sizes.all():
        return False
    weights = params.get("sample_weight")
    if weights is not None and not _are_ordinary(weights, len(rows)):
        return False
    threshold = getattr(estimator, "binarize", None)
    if threshold is not None and not _is_number(threshold, 0.0):
        return False
    table = shared.table(X, threshold)
    if table is None:
        return False
    found = fit(estimator, _Classes(table, rows, codes, sizes, weights))
    if found is None:
        return False
    found["classes_"] = np.arange(len(sizes), dtype=codes.dtype)
    found["n_features_in_"] = X.shape[1]
    vars(estimator).update(found)
    return True


def _are_ordinary(weights: Any, n_rows: int) -> bool:
    """Whether weights are certainly in range and above 0."""
    if type(weights) is not np.ndarray or weights.dtype != np.float64:
        return False
    return weights.shape == (n_rows,) and bool(np.isfinite(weights).all() and weights.min() > 0)


def _is_number(value: Any, least: float) -> bool:
    return type(value) in (int, float) and least <= value < np.inf


# Each returns the fitted attributes, or None for what is left to ``fit``.
_Fit = Callable[[Any, _Classes], dict[str, Any] | None]


# -- naive Bayes of counts ----------------------------------------------------------------


def _smooths(nb: Any) -> bool:
    """Whether parameters are certainly in range, and none of the rare ones."""
    flags = (nb.fit_prior, nb.force_alpha, getattr(nb, "norm", False))
    return (
        _is_number(nb.alpha, _LEAST_ALPHA)
        and all(type(flag) is bool for flag in flags)
        and nb.class_prior is None
    )


def _counted(nb: Any, classes: _Classes) -> dict[str, Any]:
    totals, sums = classes.totals, classes.sums
    if nb.fit_prior:
        prior = np.log(totals) - np.log(totals.sum())
    else:
        prior = np.full(len(totals), -np.log(len(totals)))
    counts = sums.toarray() if classes.rows.is_sparse else sums
    return {"class_count_": totals, "feature_count_": counts, "class_log_prior_": prior}


def _log_shares(found: dict[str, Any], sums: Any, alpha: float, totals: Floats) -> dict[str, Any]:
    """Return fitted attributes with the logarithm of smoothed counts over their totals.

    Where there are few counts, most logarithms of a class are the same. Predictions for sparse rows
    read them feature by feature.
    """
    logs, counts = np.log(totals), found["feature_count_"]
    if not is_csr(sums):
        table = np.log(counts + alpha) - logs[:, None]
    elif _is_full(sums.nnz, counts.size):
        table = np.asfortranarray(np.log(counts + alpha) - logs[:, None])
    else:
        by_feature = np.empty(counts.shape[::-1])
        by_feature[:] = np.log(alpha) - logs
        of_class = np.repeat(np.arange(len(totals)), np.diff(sums.indptr))
        by_feature[sums.indices, of_class] = np.log(sums.data + alpha) - logs[of_class]
        table = by_feature.T
    return found | {"feature_log_prob_": table}


def _is_full(n_used: int, n_all: int) -> bool:
    """Whether so many places are used that it does not pay to leave others out."""
    return 2 * n_used > n_all


def _fit_multinomial(nb: Any, classes: _Classes) -> dict[str, Any] | None:
    if not _smooths(nb) or classes.rows.least < 0:
        return None
    found = _counted(nb, classes)
    # Class by class, so that what is added up stays near the CPU.
    totals = np.array([(counts + nb.alpha).sum() for counts in found["feature_count_"]])
    return _log_shares(found, classes.sums, nb.alpha, totals)


def _fit_bernoulli(nb: Any, classes: _Classes) -> dict[str, Any] | None:
    if not _smooths(nb) or classes.rows.least < 0:
        return None
    totals = classes.totals + nb.alpha * 2
    return _log_shares(_counted(nb, classes), classes.sums, nb.alpha, totals)


def _fit_complement(nb: Any, classes: _Classes) -> dict[str, Any] | None:
    if not _smooths(nb) or classes.rows.least < 0:
        return None
    found = _counted(nb, classes)
    of_all = found["feature_count_"].sum(axis=0)
    others = of_all + nb.alpha - found["feature_count_"]
    totals = others.sum(axis=1, keepdims=True)
    used = np.flatnonzero(of_all)
    if nb.norm or _is_full(len(used), len(of_all)):
        table = np.log(others / totals)
        table = table / table.sum(axis=1, keepdims=True) if nb.norm else -table
        table = np.asfortranarray(table) if classes.rows.is_sparse else table
    else:
        by_feature = np.empty(others.shape[::-1])
        by_feature[:] = -np.log(nb.alpha / totals[:, 0])
        by_feature[used] = -np.log(others[:, used] / totals).T
        table = by_feature.T
    return found | {"feature_all_": of_all, "feature_log_prob_": table}


# -- means and variances ------------------------------------------------------------------


def _squares(classes: _Classes, means: Floats) -> Floats:
    """Return the sums by class of squared differences from means, shape (k, n_features)."""
    squares, places = np.empty_like(means), np.arange(len(classes.at))
    # Blocks of features: sums over rows are the same for blocks of any size.
    for block in row_blocks(means.shape[1], len(classes.at)):
        apart = classes.rows.table[:, block][classes.at]
        apart -= means[:, block][classes.codes]
        apart *= apart
        squares[:, block] = classes.sums_of(apart, places, classes.weights)
    return squares


def _fit_gaussian(nb: Any, classes: _Classes) -> dict[str, Any] | None:
    totals, rows = classes.totals, classes.rows
    if rows.is_sparse or not rows.is_double or totals.min() < _LEAST_WEIGHT:
        return None
    if nb.priors is not None or not _is_number(nb.var_smoothing, 0.0):
        return None
    means = classes.sums / totals[:, None]
    squares = _squares(classes, means)
    variances = squares / totals[:, None]
    if classes.weights is None:
        spread = _pooled(totals, means, squares)
    else:
        spread = np.var(rows.table[classes.at], axis=0)
    epsilon = nb.var_smoothing * spread.max()
    variances += epsilon
    return {
        "epsilon_": epsilon,
        "theta_": means,
        "var_": variances,
        "class_count_": totals,
        "class_prior_": totals / totals.sum(),
    }


def _pooled(totals: Floats, means: Floats, squares: Floats) -> Floats:
    """Return the variances of all classes together, without differences of large numbers."""
    center = totals @ means / totals.sum()
    found: Floats = (squares.sum(axis=0) + totals @ (means - center) ** 2) / totals.sum()
    return found


def _fit_centroids(model: Any, classes: _Classes) -> dict[str, Any] | None:
    totals, rows = classes.totals, classes.rows
    shrinks = model.shrink_threshold is not None
    if model.metric != "euclidean" or shrinks or not rows.is_double:
        return None
    if model.priors not in ("uniform", "empirical") or len(classes.at) <= len(totals):
        return None
    if rows.is_sparse:  # as SciPy takes means
        shares = (1 / totals)[classes.codes]
        means = classes.sums_of(rows.table, classes.at, shares).toarray()
    else:
        means = classes.sums / totals[:, None]
    squares = (_sparse_squares if rows.is_sparse else _all_squares)(classes, means)
    n_rows, center = len(classes.at), totals @ means / totals.sum()
    if not (squares + totals @ (means - center) ** 2 > 1e-20 * n_rows * center**2).any():
        return None  # perhaps all columns are constant: an error
    within = np.sqrt(squares / (n_rows - len(totals)))
    if not within.all():
        warn_caller(
            "self.within_class_std_dev_ has at least 1 zero standard deviation."
            "Inputs within the same classes for at least 1 feature are identical."
        )
    deviations = means - center
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(1.0 / totals - 1.0 / n_rows)[:, None] * (within + np.median(within))
        deviations /= spread
    if model.priors == "uniform":
        prior = np.full(len(totals), 1 / len(totals))
    else:
        prior = totals / n_rows
    return {
        "class_prior_": prior,
        "centroids_": means,
        "within_class_std_dev_": within,
        "deviations_": deviations,
    }


def _all_squares(classes: _Classes, means: Floats) -> Floats:
    """Return the sums of squared differences of all rows from the mean of their class."""
    found: Floats = _squares(classes, means).sum(axis=0)
    return found


def _sparse_squares(classes: _Classes, means: Floats) -> Floats:
    table = classes.rows.table[classes.at]
    of_entry = np.repeat(classes.codes, np.diff(table.indptr))
    apart = (table.data - means[of_entry, table.indices]) ** 2
    n_features = means.shape[1]
    squares = np.bincount(table.indices, apart, n_features).astype(np.float64, copy=False)
    for code, size in enumerate(classes.sizes.tolist()):  # what is not stored is 0
        stored = np.bincount(table.indices[of_entry == code], minlength=n_features)
        squares += (size - stored) * means[code] ** 2
    found: Floats = squares
    return found


# Whether they take weights of rows, and what fits them.
SUMMED: dict[type, tuple[bool, _Fit]] = {
    MultinomialNB: (True, _fit_multinomial),
    BernoulliNB: (True, _fit_bernoulli),
    ComplementNB: (True, _fit_complement),
    GaussianNB: (True, _fit_gaussian),
    NearestCentroid: (False, _fit_centroids),
}
