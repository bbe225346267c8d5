"""Rows of a dense X, checked and converted once and not by each local model.

scikit-learn's estimators look at X in every call, which takes longer than the prediction of a small
model. Here linear models are products, and trees get the precision they compute with. Every number is
the one that the estimators' own methods return for X.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Self

import numpy as np
from sklearn import config_context
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from sklhier._local import linear_fit, linear_predict
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, Rows

__all__ = ["DenseRows"]

_FLOATS = (np.float32, np.float64)
_LARGEST = float(np.finfo(np.float32).max)  # trees refuse larger numbers
_TREES = (DecisionTreeClassifier, ExtraTreeClassifier)
# By name: to import them all would take long. None of them runs code of others on X.
_FORESTS = ("RandomForestClassifier", "ExtraTreesClassifier")
_OF_X_ALONE = ("sklearn.naive_bayes", "sklearn.discriminant_analysis", "sklearn.neural_network")


class DenseRows:
    """Rows of a dense X of finite numbers.

    Parameters
    ----------
    X : ndarray of float32 or float64, shape (n_samples, n_features)
    """

    def __init__(self, X: Floats) -> None:
        self.X = X

    @classmethod
    def of(cls, X: Any) -> Self | None:
        """Return the rows of an array that no estimator here refuses; None for anything else."""
        if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in _FLOATS or not X.size:
            return None
        with np.errstate(invalid="ignore"):
            in_range = X.min() >= -_LARGEST and X.max() <= _LARGEST  # not NaN
        return cls(X) if in_range else None

    @property
    def dtype(self) -> Any:
        """Type of the numbers."""
        return self.X.dtype

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.X)

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return int(self.X.shape[1])

    def compiled_form(self, dtype: Any) -> tuple[Any, None, None]:
        """Return the numbers row by row, of a dtype, as kernels take them."""
        return np.ascontiguousarray(self.X, dtype).reshape(-1), None, None

    @cached_property
    def _as_float32(self) -> Any:
        return self.X.astype(np.float32, copy=False)

    def outputs(self, estimator: Any, method: str, rows: Rows | None) -> Any:
        """Return what a method of an estimator returns for some rows, or all.

        None if the estimator itself has to be asked, for it may refuse X or see it otherwise.
        """
        known = getattr(estimator, "__dict__", {})
        if known.get("n_features_in_") != self.X.shape[1] or "feature_names_in_" in known:
            return None
        found = _way(estimator, method)
        if found is None:
            return None
        ask, is_float32 = found
        X = self._as_float32 if is_float32 else self.X
        return ask(estimator, method, X if rows is None else take_rows(X, rows))


def _way(estimator: Any, method: str) -> tuple[Callable[[Any, str, Any], Any], bool] | None:
    """Return what asks an estimator, and whether it computes with X in float32."""
    kind = type(estimator)
    if kind in _TREES:
        return _of_tree, True
    package = kind.__module__.split(".")
    if package[:2] == ["sklearn", "ensemble"] and kind.__name__ in _FORESTS:
        return _of_finite, True
    if ".".join(package[:2]) in _OF_X_ALONE:
        return _of_finite, False
    if _is_linear(estimator) and linear_predict.link_of(estimator, method):
        return _of_linear, False
    return None


def _is_linear(estimator: Any) -> bool:
    """Whether an estimator is a linear model with all weights in an array, and no Pipeline."""
    is_step = linear_fit.is_linear(estimator) and type(estimator) is not Pipeline
    return is_step and type(estimator.coef_) is np.ndarray


def _of_tree(tree: Any, method: str, X: Any) -> Any:
    return getattr(tree, method)(X, check_input=False)


def _of_finite(estimator: Any, method: str, X: Any) -> Any:
    with config_context(assume_finite=True):
        return getattr(estimator, method)(X)


def _of_linear(estimator: Any, method: str, X: Any) -> Any:
    """Return a function of the decision scores; what is not finite, versions treat differently."""
    scores = X @ estimator.coef_.T + estimator.intercept_
    link: Any = linear_predict.link_of(estimator, method)
    found = link(scores.reshape(len(X), -1))
    return found if np.isfinite(found).all() else getattr(estimator, method)(X)
