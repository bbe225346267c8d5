"""Checks of input, before anything is computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import _num_samples, validate_data

from sklhier._utils.rows import sliceable
from sklhier._utils.typing import Features, Floats, Rows, SampleWeight
from sklhier.exceptions import TargetError

__all__ = [
    "check_choice",
    "check_number",
    "check_probability",
    "checked_weights",
    "prepare_features",
    "require_numeric_table",
    "required_target",
    "used_rows",
    "weighted_rows",
]

T = TypeVar("T")

_INT32_MAX = np.iinfo(np.int32).max


def prepare_features(estimator: object, X: Any, *, reset: bool) -> Any:
    """Return X in a form whose rows can be taken; its values are not checked.

    Base estimators check their own input: texts, missing values and mixed frames pass.

    Raises
    ------
    ValueError
        If X has no rows, is 1-D and numeric, or has other features than at fit.
    """
    X = _as_container(X)
    if getattr(X, "ndim", 2) == 1 and getattr(X, "dtype", np.dtype(object)).kind in "biufc":
        raise ValueError(
            f"Expected 2D array, got 1D array instead: array={X}. Reshape your data either using "
            "array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) if it "
            "contains a single sample."
        )
    if sparse.issparse(X):
        X = _indexable_sparse(X)
        known = not reset and not hasattr(estimator, "feature_names_in_")
        if known and X.shape[0] and X.shape[1] == getattr(estimator, "n_features_in_", None):
            return X  # as validate_data would, which costs more than a decision
    if _num_samples(X) == 0:
        shape = getattr(X, "shape", (0,))
        raise ValueError(
            f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required by "
            f"{type(estimator).__name__}."
        )
    return validate_data(estimator, X, reset=reset, skip_check_array=True)


def _as_container(X: Any) -> Any:
    """Turn a list of rows of numbers into an array; leave texts and records alone."""
    X = sliceable(X)
    if hasattr(X, "__array__") and not hasattr(X, "shape"):
        return np.asarray(X)
    if not isinstance(X, list | tuple) or not len(X) or isinstance(X[0], str | bytes | Mapping):
        return X
    widths = {len(row) if hasattr(row, "__len__") else -1 for row in X}
    if len(widths) > 1:
        return X
    array = np.asarray(X)
    return array if array.dtype.kind in "biufc" else X


def _indexable_sparse(X: Any) -> Any:
    if X.format != "csr":
        X = X.tocsr()
    wide = X.indices.dtype == np.int64
    if wide and X.nnz <= _INT32_MAX and max(X.shape) <= _INT32_MAX:
        # liblinear, SAGA, SGD and the trees refuse 64-bit indices.
        kind = type(X)
        narrow = (X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32))
        X = kind(narrow, shape=X.shape)
    return X


def require_numeric_table(estimator: object, X: Features, *, allow_nan: bool) -> None:
    """Check a numeric X that no base estimator will check."""
    if sparse.issparse(X) or (isinstance(X, np.ndarray) and X.ndim == 2):
        check_array(
            X,
            accept_sparse=True,
            dtype=None,
            ensure_all_finite="allow-nan" if allow_nan else True,
            estimator=estimator,
        )


def required_target(estimator: object, y: T | None) -> T:
    """Return y, or raise a TargetError if there is none."""
    if y is None:
        raise TargetError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )
    return y


def checked_weights(sample_weight: SampleWeight, n_samples: int) -> Floats | None:
    """Return weights as a float array, or None.

    Raises
    ------
    ValueError
        For another length, for negative or non-finite weights, and if all are zero.
    """
    if sample_weight is None:
        return None
    if np.isscalar(sample_weight):
        weights = np.full(n_samples, sample_weight, dtype=np.float64)
    else:
        weights = check_array(
            sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
        )
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight.shape == {weights.shape}, expected {(n_samples,)}: one weight for each "
            "sample."
        )
    if (weights < 0).any():
        raise ValueError(
            f"`sample_weight` must not be negative, got {weights.min():g}. Drop these rows or use 0."
        )
    if not weights.any():
        raise ValueError("All sample weights are zero: there is nothing to learn from.")
    return weights


def used_rows(weights: Floats | None, n_samples: int) -> Rows:
    """Return the positions of the samples that have a weight."""
    return np.arange(n_samples) if weights is None else np.flatnonzero(weights)


def weighted_rows(sample_weight: SampleWeight, n_samples: int) -> tuple[Rows, Floats]:
    """Return the positions of the samples that have a weight, and their weights, 1 by default."""
    weights = checked_weights(sample_weight, n_samples)
    rows = used_rows(weights, n_samples)
    return rows, np.ones(len(rows)) if weights is None else weights[rows]


def check_probability(name: str, value: object) -> float:
    """Return `value` as a float in [0, 1), or raise a ValueError that names it."""
    if not (isinstance(value, int | float | np.number) and 0 <= value < 1):
        raise ValueError(f"`{name}` must be in [0, 1), got {value!r}.")
    return float(value)


def check_choice(name: str, value: object, choices: Collection[str | None]) -> None:
    """Raise a ValueError that names the parameter unless `value` is one of the choices."""
    # An array has no truth value, so that `in` alone would fail for one.
    if not ((value is None or isinstance(value, str)) and value in choices):
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"`{name}` must be one of {listed}, got {value!r}.")


def check_number(name: str, value: Any, *, above: float) -> float:
    """Return `value` as a finite float above a bound, or raise a ValueError that names it."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (is_number and np.isfinite(value) and value > above):
        raise ValueError(f"`{name}` must be a finite number above {above:g}, got {value!r}.")
    return float(value)
