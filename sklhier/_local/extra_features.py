"""Extra features beside X, whatever X is, and base estimators that are shown both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy import sparse

from sklhier._local.model import LocalModel
from sklhier._utils.pipelines import last_step_replaced
from sklhier._utils.typing import Floats, Rows
from sklhier.exceptions import IncompatiblePartsError
from sklhier.staging import Chain

__all__ = ["ExtraFeatures", "extra_features", "fit_with", "hstack", "predict_with"]


@dataclass(frozen=True)
class ExtraFeatures:
    """Numbers that join the features of samples.

    Attributes
    ----------
    values : ndarray of float64, shape (n_samples, n_columns)
    names : tuple of str
    before_last_step : bool
        Whether they join before the last step of a Pipeline, or else X itself.
    """

    values: Floats
    names: tuple[str, ...]
    before_last_step: bool

    def at(self, rows: Rows) -> Self:
        """Return the extra features of some of the samples."""
        return replace(self, values=self.values[rows])


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") and hasattr(X, "shape")


def _hstack_frame(X: Any, values: Floats, names: Sequence[str]) -> Any:
    """Return a pandas or polars frame with columns of floats to the right."""
    present = list(X.columns)
    if not all(isinstance(name, str) for name in present):
        # scikit-learn refuses names of which some are strings.
        first = 1 + max([len(present) - 1, *(name for name in present if isinstance(name, int))])
        free: Sequence[Any] = range(first, first + len(names))
    else:
        free = _free_names(names, set(present))
    if hasattr(X, "hstack"):
        return X.hstack(type(X)(values, schema=list(free)))
    right = type(X)(values, index=X.index, columns=list(free))
    joined = X.copy(deep=False)
    joined[list(free)] = right
    return joined


def _free_names(names: Sequence[str], present: set[Any]) -> Sequence[str]:
    """Return the names, with underscores before them where X has a column of such a name."""
    while not present.isdisjoint(names):
        names = [f"_{name}" for name in names]
    return names


def hstack(X: Any, extra: ExtraFeatures) -> Any:
    """Return X with the extra features to its right, in the container and the float type of X.

    Raises
    ------
    IncompatiblePartsError
        If X is no table: texts, for instance.
    """
    values = extra.values
    if _is_frame(X):
        return _hstack_frame(X, values, extra.names)
    dtype = getattr(X, "dtype", None)
    kind = X.dtype.kind if isinstance(dtype, np.dtype) else "O"
    if kind == "f":
        values = values.astype(dtype, copy=False)
    if sparse.issparse(X):
        right = (sparse.csr_array if isinstance(X, sparse.sparray) else sparse.csr_matrix)(values)
        blocks: Any = [X, right]
        return sparse.hstack(blocks, format="csr")
    if isinstance(X, np.ndarray) and X.ndim == 2:
        return np.hstack([X, values.astype(object) if kind == "O" else values])
    raise IncompatiblePartsError.needs(
        "chain",
        "X to be a table, to append outputs of other models to",
        f"X is of type {type(X).__name__}",
        "Use a Pipeline as base estimator: outputs then join the features before its last step.",
    )


class _LastStep:
    """The last step of a Pipeline during a fit, which sees extra features beside its input."""

    def __init__(self, step: Any, extra: ExtraFeatures) -> None:
        self._step = step
        self._extra = extra

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    def fit(self, X: Any, y: Any, **params: Any) -> Self:
        self._step.fit(hstack(X, self._extra), y, **params)
        return self


def _has_steps(estimator: Any) -> bool:
    return hasattr(estimator, "steps")


def fit_with(
    estimator: Any,
    method: str,
    X: Any,
    y: Any,
    params: dict[str, Any],
    extra: ExtraFeatures | None,
) -> None:
    """Call ``fit`` or ``partial_fit`` of an estimator with X and extra features."""
    if extra is None:
        getattr(estimator, method)(X, y, **params)
    elif extra.before_last_step and _has_steps(estimator):
        with last_step_replaced(estimator, _LastStep(estimator.steps[-1][1], extra)):
            getattr(estimator, method)(X, y, **params)
    else:
        getattr(estimator, method)(hstack(X, extra), y, **params)


def predict_with(estimator: Any, method: str, X: Any, extra: ExtraFeatures | None) -> Any:
    """Return what a method of a fitted estimator returns for X and extra features."""
    if extra is None:
        return getattr(estimator, method)(X)
    if extra.before_last_step and _has_steps(estimator):
        if len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        estimator = estimator.steps[-1][1]
    return getattr(estimator, method)(hstack(X, extra))


def extra_features(chain: Chain, sources: Iterable[tuple[LocalModel, Floats]]) -> ExtraFeatures:
    """Return the outputs of some models as extra features of another one."""
    values = []
    for model, outputs in sources:
        values.append(chain.shown(outputs) * (chain.scale / model.unit))
    table = np.hstack(values)
    # Plain names: XGBoost and LightGBM refuse brackets, colons and quotes, which nodes may have.
    names = tuple(f"{chain.output}_{column}" for column in range(table.shape[1]))
    return ExtraFeatures(table, names, chain.append_to == "last_step")
