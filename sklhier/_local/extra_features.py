"""Columns of numbers beside X, whatever X is, and base estimators that are shown both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy import sparse

from sklhier._local.keys import place_of
from sklhier._local.model import LocalModel
from sklhier._local.problem import ELSEWHERE
from sklhier._utils.pipelines import last_step_replaced
from sklhier._utils.typing import Floats, Rows
from sklhier.exceptions import IncompatiblePartsError
from sklhier.staging import Chain
from sklhier.taxonomy import Taxonomy

__all__ = ["Columns", "answered_beside", "beside", "columns_of", "shown_beside"]


@dataclass(frozen=True)
class Columns:
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
        """Return the columns of some of the samples."""
        return replace(self, values=self.values[rows])


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") and hasattr(X, "shape")


def _beside_frame(X: Any, values: Floats, names: Sequence[Any]) -> Any:
    """Return a pandas or polars frame with columns of floats to the right."""
    present = list(X.columns)
    if not all(isinstance(name, str) for name in present):
        # scikit-learn refuses names of which some are strings.
        names = range(len(present), len(present) + len(names))
    taken = [name for name in names if name in present]
    if taken:
        raise ValueError(f"X has a column {taken[0]!r} already, as chaining would name another.")
    if hasattr(X, "hstack"):
        return X.hstack(type(X)(values, schema=list(names)))
    right = type(X)(values, index=X.index, columns=list(names))
    joined = X.copy(deep=False)
    joined[list(names)] = right
    return joined


def beside(X: Any, columns: Columns) -> Any:
    """Return X with the columns to its right, in the container and the float type of X.

    Raises
    ------
    IncompatiblePartsError
        If X is no table: texts, for instance.
    """
    values = columns.values
    if _is_frame(X):
        return _beside_frame(X, values, columns.names)
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
        "a table, to which outputs of other models are appended",
        f"X is of type {type(X).__name__}",
        "Use a Pipeline as base estimator: outputs then join the features before its last step.",
    )


class _LastStep:
    """The last step of a Pipeline during a fit, to which columns are shown beside its input."""

    def __init__(self, step: Any, columns: Columns) -> None:
        self._step = step
        self._columns = columns

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)

    def fit(self, X: Any, y: Any, **params: Any) -> Self:
        self._step.fit(beside(X, self._columns), y, **params)
        return self


def _has_steps(estimator: Any) -> bool:
    return hasattr(estimator, "steps")


def shown_beside(estimator: Any, columns: Columns | None) -> Callable[..., Any]:
    """Return what fits an estimator to X and some columns beside it: ``fit(method, X, y, **params)``.

    Without columns the method is called as it is.
    """

    def fit(method: str, X: Any, y: Any, **params: Any) -> None:
        if columns is None:
            getattr(estimator, method)(X, y, **params)
        elif columns.before_last_step and _has_steps(estimator):
            with last_step_replaced(estimator, _LastStep(estimator.steps[-1][1], columns)):
                getattr(estimator, method)(X, y, **params)
        else:
            getattr(estimator, method)(beside(X, columns), y, **params)

    return fit


def answered_beside(estimator: Any, method: str, X: Any, columns: Columns | None) -> Any:
    """Return what a fitted estimator says of X and the columns beside it."""
    if columns is None:
        return getattr(estimator, method)(X)
    if columns.before_last_step and _has_steps(estimator):
        if len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        estimator = estimator.steps[-1][1]
    return getattr(estimator, method)(beside(X, columns))


def columns_of(
    chain: Chain, outputs: Iterable[tuple[LocalModel, Floats]], taxonomy: Taxonomy
) -> Columns:
    """Return the outputs of some models as what another one sees."""
    values, names = [], []
    for model, of_model in outputs:
        shown = chain.shown(of_model)
        values.append(shown * (chain.scale / model.unit))
        place = place_of(model.owner, taxonomy)
        names += [
            f"{chain.output}__{place.key}__{'not' if node == ELSEWHERE else taxonomy.nodes[node]}"
            for node in model.outcomes[-shown.shape[1] :].tolist()
        ]
    return Columns(np.hstack(values), tuple(names), chain.append_to == "last_step")
