"""Checks of input, before anything is computed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from numbers import Integral, Real
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
    "check_classes",
    "check_flag",
    "check_instance",
    "check_integer",
    "check_n_jobs",
    "check_number",
    "check_probability",
    "check_verbose",
    "checked_cv",
    "checked_weights",
    "numbers",
    "prepare_features",
    "require_numeric_table",
    "require_rows",
    "required_target",
    "shown",
    "used_rows",
    "weighted_rows",
]

T = TypeVar("T")

_INT32_MAX = np.iinfo(np.int32).max
_CSR = (sparse.csr_matrix, sparse.csr_array)


def prepare_features(estimator: object, X: Any, *, reset: bool) -> Any:
    """Return X in a form whose rows can be taken; its values are not checked.

    Base estimators check their own input: texts, missing values and mixed frames pass.

    Raises
    ------
    ValueError
        If X has no rows, is 1-D and numeric, or has other features than at fit.
    """
    if type(X) is np.ndarray and not reset and _has_known_columns(estimator, X):
        return X
    if type(X) not in _CSR:
        require_rows(X)
        X = _as_container(X)
    if getattr(X, "ndim", 2) == 1 and getattr(X, "dtype", np.dtype(object)).kind in "biufc":
        raise ValueError(
            f"Expected 2D array, got 1D array instead, of shape {X.shape}. Reshape your data either "
            "using array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) "
            "if it contains a single sample."
        )
    if sparse.issparse(X):
        X = _indexable_sparse(X)
        if not reset and _has_known_columns(estimator, X):
            return X
    if _num_samples(X) == 0:
        shape = getattr(X, "shape", (0,))
        raise ValueError(
            f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required by "
            f"{type(estimator).__name__}."
        )
    return validate_data(estimator, X, reset=reset, skip_check_array=True)


def _has_known_columns(estimator: object, X: Any) -> bool:
    """Whether validate_data would return a table as it is, which costs more than a decision."""
    return (
        X.ndim == 2
        and bool(X.shape[0])
        and X.shape[1] == getattr(estimator, "n_features_in_", None)
        and not hasattr(estimator, "feature_names_in_")
    )


def require_rows(X: Any) -> None:
    """Raise a TypeError unless X has rows that can be counted and taken."""
    is_table = hasattr(X, "shape") or hasattr(X, "__array__") or hasattr(X, "__dataframe__")
    is_sequence = hasattr(X, "__len__") and hasattr(X, "__getitem__")
    is_one_thing = isinstance(X, str | bytes | Mapping) or getattr(X, "shape", None) == ()
    if (is_table or is_sequence) and not is_one_thing:
        return
    advice = ""
    if isinstance(X, Mapping):
        advice = " Make a data frame of a mapping of columns: pandas.DataFrame(X)."
    elif isinstance(X, str):
        advice = " Put a single text into a list: [text]."
    elif isinstance(X, Iterable) and not (isinstance(X, bytes) or hasattr(X, "shape")):
        advice = " Make it a list first: list(X)."
    raise TypeError(
        "`X` must hold a row for each sample, as an array, sparse matrix, data frame or list, got "
        f"{type(X).__name__}.{advice}"
    )


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
    try:
        array = np.asarray(X)
    except ValueError:  # rows of rows of several lengths, which a base estimator may take
        return X
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


def numbers(name: str, values: Any) -> Floats:
    """Return an array of float64 of what must be real numbers, finite or not.

    Raises
    ------
    ValueError
        For texts, complex numbers, masked entries, sparse tables, and what is no array.
    """
    rule = f"`{name}` must hold numbers"
    if sparse.issparse(values):
        raise ValueError(f"{rule}, got a sparse table. Pass it as an array: table.toarray().")
    if np.ma.is_masked(values):
        raise ValueError(f"{rule}, got masked ones. Fill them in or drop these rows first.")
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{rule}, got {shown(values)}.") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{rule}, got {shown(values)}.")
    return array.astype(np.float64, copy=False)


def checked_weights(
    sample_weight: SampleWeight, n_samples: int, aim: str = "learn from"
) -> Floats | None:
    """Return weights as a float array, or None.

    Parameters
    ----------
    sample_weight : array-like, shape (n_samples,), float or None
        One weight for each sample, or one for all.
    n_samples : int
    aim : str, default="learn from"
        What samples are for, for the message.

    Raises
    ------
    ValueError
        For another length, for negative or non-finite weights, and if all are zero.
    """
    if sample_weight is None:
        return None
    weights = numbers("sample_weight", sample_weight)
    if weights.ndim == 0:
        weights = np.full(n_samples, weights)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight.shape == {weights.shape}, expected {(n_samples,)}: one weight for each "
            "sample."
        )
    if not np.isfinite(weights).all():
        row = int(np.argmin(np.isfinite(weights)))
        raise ValueError(
            f"`sample_weight` must be finite (not NaN, not infinity), got {weights[row]:g} in row "
            f"{row}. Drop these rows or use 0."
        )
    if (weights < 0).any():
        raise ValueError(
            f"`sample_weight` must not be negative, got {weights.min():g} in row "
            f"{int(np.argmin(weights))}. Drop these rows or use 0."
        )
    if not weights.any():
        raise ValueError(f"All sample weights are zero: there is nothing to {aim}.")
    return weights


def used_rows(weights: Floats | None, n_samples: int) -> Rows:
    """Return the positions of the samples that have a weight."""
    return np.arange(n_samples) if weights is None else np.flatnonzero(weights)


def weighted_rows(sample_weight: SampleWeight, n_samples: int) -> tuple[Rows, Floats]:
    """Return the positions of the samples that have a weight, and their weights, 1 by default."""
    weights = checked_weights(sample_weight, n_samples)
    rows = used_rows(weights, n_samples)
    return rows, np.ones(len(rows)) if weights is None else weights[rows]


# -- parameters ---------------------------------------------------------------------------


def shown(value: object, limit: int = 100) -> str:
    """Return how a value prints, shortened for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else f"{text[:limit]}..."


def check_number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> float:
    """Return `value` as a float, or raise a ValueError that names the parameter.

    Parameters
    ----------
    name : str
        The parameter.
    value : object
        Refused unless it is a finite real number; True and False are none.
    above, below : float, default=None
        Bounds that it must not reach.
    least, most : float, default=None
        Bounds that it may reach.
    """
    is_inside = _is_finite(value) and not (
        (above is not None and value <= above)
        or (least is not None and value < least)
        or (most is not None and value > most)
        or (below is not None and value >= below)
    )
    if not is_inside:
        rule = _range_of("a finite number", above, least, most, below)
        raise ValueError(f"`{name}` must be {rule}, got {shown(value)}.")
    return float(value)


def _is_finite(value: Any) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that is too large for a float
        return False


def _range_of(
    kind: str, above: float | None, least: float | None, most: float | None, below: float | None
) -> str:
    low, high = above if least is None else least, below if most is None else most
    if low is not None and high is not None:
        left, right = "[("[least is None], "])"[most is None]
        return f"in {left}{low:g}, {high:g}{right}"
    if low is not None:
        return f"{kind} above {low:g}" if least is None else f"{kind} of {low:g} or more"
    return kind


def check_probability(name: str, value: object) -> float:
    """Return `value` as a float in [0, 1), or raise a ValueError that names it."""
    return check_number(name, value, least=0, below=1)


def check_integer(name: str, value: Any, *, least: int, most: int | None = None) -> int:
    """Return `value` as an int within bounds that it may reach, or raise a ValueError."""
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    if not (is_integer and least <= value and (most is None or value <= most)):
        up = f"of {least} or more" if most is None else f"in [{least}, {most}]"
        raise ValueError(f"`{name}` must be an integer {up}, got {shown(value)}.")
    return int(value)


def check_flag(name: str, value: object) -> bool:
    """Return `value` as True or False, or raise a ValueError that names the parameter."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"`{name}` must be True or False, got {shown(value)}.")
    return bool(value)


def check_verbose(verbose: object) -> int:
    """Return how much is reported, 0 or more, or raise a ValueError; True is 1."""
    value = int(verbose) if isinstance(verbose, bool | np.bool_) else verbose
    return check_integer("verbose", value, least=0)


def check_n_jobs(n_jobs: object) -> None:
    """Raise a ValueError unless there may be so many workers, as joblib counts them."""
    is_integer = isinstance(n_jobs, Integral) and not isinstance(n_jobs, bool)
    if n_jobs is not None and not (is_integer and n_jobs != 0):
        raise ValueError(
            "`n_jobs` must be None or an integer other than 0 (-1 for all cores), got "
            f"{shown(n_jobs)}."
        )


def check_classes(classes: Any) -> None:
    """Raise a ValueError if `classes`, names by position, are not a list of distinct names."""
    if classes is None:
        return
    if isinstance(classes, str | bytes | Mapping) or not hasattr(classes, "__len__"):
        raise ValueError(f"`classes` must be a list of names or None, got {shown(classes)}.")
    names = classes.tolist() if hasattr(classes, "tolist") else list(classes)
    counts = Counter(name for name in names if isinstance(name, Hashable))
    twice = next((name for name, count in counts.items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"`classes` must be distinct, got {shown(twice)} {counts[twice]} times.")


def checked_cv(cv: Any, default: int) -> Any:
    """Return a number of folds, a splitter, or a list of folds.

    Raises
    ------
    ValueError
        For a number below 2, and for what is no splitter and no iterable of folds.
    """
    if cv is None:
        return default
    if isinstance(cv, Integral) and not isinstance(cv, bool) and int(cv) >= 2:
        return int(cv)
    if hasattr(cv, "split") and not isinstance(cv, str | bytes | type):
        return cv
    if isinstance(cv, Iterable) and not isinstance(cv, str | bytes | Mapping):
        folds = list(cv)  # an iterator is gone after the first reader
        if folds and all(_is_pair(fold) for fold in folds):
            return folds
    raise ValueError(
        "`cv` must be an integer of 2 or more, a splitter, an iterable of (train, test) positions, "
        f"or None, got {shown(cv)}."
    )


def _is_pair(fold: Any) -> bool:
    return isinstance(fold, list | tuple | np.ndarray) and len(fold) == 2


def check_instance(name: str, estimator: object) -> None:
    """Raise a TypeError unless a parameter is an estimator, not a class or anything else."""
    if isinstance(estimator, type):
        raise TypeError(
            f"`{name}` must be an estimator, got the class {estimator.__name__}. Call it: "
            f"{estimator.__name__}()."
        )
    if not (hasattr(estimator, "fit") and hasattr(estimator, "get_params")):
        raise TypeError(
            f"`{name}` must be an estimator, with fit and get_params, got {shown(estimator)}."
        )


def check_choice(name: str, value: object, choices: Collection[str | None]) -> None:
    """Raise a ValueError that names the parameter unless `value` is one of the choices."""
    # An array has no truth value, so that `in` alone would fail for one.
    if not ((value is None or isinstance(value, str)) and value in choices):
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"`{name}` must be one of {listed}, got {shown(value)}.")
