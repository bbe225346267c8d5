"""One local problem: the rows of a node, fitting a base estimator to them, asking it.

Workers are module-level functions over arrays. They get integer codes ``0..k-1`` for the
outcomes of their node and know nothing else of the taxonomy.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples

from sklhier import _compat
from sklhier._typing import Floats, NodeIds, Rows
from sklhier.exceptions import LocalFitError, LocalPredictError

__all__ = ["LocalModel", "LocalProblem", "LocalScores", "fit_problems", "take_rows"]


# Decision scores have no common scale. Margins are about 1 for the linear classifiers of
# scikit-learn; a softmax of the bare margins is so flat that the number of outcomes of a node
# decides which path has the largest product, one that is too sharp makes every best path greedy.
# benchmarks/decision_scores.py compares links.
_SHARPNESS = 5.0


@dataclass(frozen=True)
class LocalProblem:
    """What one base estimator is to learn.

    Attributes
    ----------
    owner : int
        Id of the node that decides.
    outcomes : ndarray of int32, shape (k,)
        Ids of the nodes among which it decides.
    rows : ndarray of intp, shape (n,)
        Positions of its samples, ascending.
    codes : ndarray of intp, shape (n,)
        Position of each sample's target in `outcomes`.
    """

    owner: int
    outcomes: NodeIds
    rows: Rows
    codes: Rows


@dataclass(frozen=True)
class LocalModel:
    """A fitted base estimator and what it decides about.

    Attributes
    ----------
    owner : int
        Id of the node that decides.
    outcomes : ndarray of int32, shape (k,)
        Ids of the nodes that its classes ``0..k-1`` stand for.
    estimator : object
        The fitted estimator.
    """

    owner: int
    outcomes: NodeIds
    estimator: Any


def take_rows(X: Any, rows: Rows) -> Any:
    """Return rows of X at ascending positions, without a copy where they are side by side."""
    n_rows = len(rows)
    if n_rows == _num_samples(X):
        return X
    if n_rows and rows[-1] - rows[0] + 1 == n_rows:
        window = slice(int(rows[0]), int(rows[-1]) + 1)
        if isinstance(X, np.ndarray | list):
            return X[window]
        return _safe_indexing(X, window)
    return _safe_indexing(X, rows)


# -- fitting ------------------------------------------------------------------------------


def _fit_one(
    estimator: Any,
    method: str,
    X: Any,
    rows: Rows | None,
    codes: Rows,
    params: dict[str, Any],
    name: Hashable,
) -> tuple[Any, float]:
    """Fit an estimator to the given rows of X (None: all of them), and time it."""
    started = time.perf_counter()
    try:
        X = X if rows is None else take_rows(X, rows)
        getattr(estimator, method)(X, codes, **params)
    except Exception as error:
        raise LocalFitError.at(error, estimator, name, len(codes)) from error
    return estimator, time.perf_counter() - started


def _can_be_mapped(X: Any) -> bool:
    """Whether joblib shares X between processes instead of copying it for each task."""
    return sparse.issparse(X) or (isinstance(X, np.ndarray) and not X.dtype.hasobject)


def fit_problems(
    X: Any,
    jobs: Iterable[tuple[Any, LocalProblem, dict[str, Any]]],
    names: tuple[Hashable, ...],
    *,
    method: str = "fit",
    n_jobs: int | None = None,
    verbose: int = 0,
) -> list[tuple[LocalModel, float]]:
    """Fit the estimators of some local problems, in parallel.

    Parameters
    ----------
    X : array-like
        All samples.
    jobs : iterable of (estimator, problem, params)
        Unfitted estimators, what each learns, and fit parameters that have an entry for each
        sample of X or are passed on as they are. Consumed while the work proceeds.
    names : tuple of hashable
        Names of all nodes, for error messages.
    method : {"fit", "partial_fit"}, default="fit"
        What to call.

    Returns
    -------
    fitted : list of (LocalModel, seconds)
        In the order of `jobs`.
    """
    # Rows of what cannot be mapped are taken here: only they travel to a worker.
    travels_whole = _can_be_mapped(X)
    decided: list[tuple[int, NodeIds]] = []

    def tasks() -> Iterator[Any]:
        for estimator, problem, params in jobs:
            decided.append((problem.owner, problem.outcomes))
            own = _compat.params_of_rows(X, params, problem.rows)
            data, rows = (X, problem.rows) if travels_whole else (take_rows(X, problem.rows), None)
            name = names[problem.owner]
            yield delayed(_fit_one)(estimator, method, data, rows, problem.codes, own, name)

    try:
        fitted = Parallel(n_jobs=n_jobs, verbose=verbose)(tasks())
    except LocalFitError as error:
        # On its way from another process the error has lost its cause.
        raise error from error.original
    return [
        (LocalModel(owner, outcomes, estimator), seconds)
        for (owner, outcomes), (estimator, seconds) in zip(decided, fitted, strict=True)
    ]


def seeded_clone(estimator: Any, owner: int, seed: int | None) -> Any:
    """Clone an estimator; with a seed, set all its random states by seed and node."""
    estimator = clone(estimator)
    if seed is None:
        return estimator
    keys = sorted(
        key
        for key in estimator.get_params(deep=True)
        if key == "random_state" or key.endswith("__random_state")
    )
    draws = np.random.SeedSequence([seed, owner]).generate_state(len(keys))
    states = (draws % np.iinfo(np.int32).max).tolist()
    return estimator.set_params(**dict(zip(keys, states, strict=True))) if keys else estimator


# -- asking -------------------------------------------------------------------------------


def scoring_method(estimator: Any) -> str:
    """Return the most informative of an estimator's prediction methods."""
    for method in ("predict_proba", "decision_function"):
        if hasattr(estimator, method):
            return method
    return "predict"


def _scores(model: LocalModel, X: Any) -> Floats:
    """Return one non-negative score for each outcome, those of a row summing to about 1."""
    estimator, n_outcomes = model.estimator, len(model.outcomes)
    method = scoring_method(estimator)
    answer = np.asarray(getattr(estimator, method)(X))
    if method == "predict":
        return (answer[:, None] == np.arange(n_outcomes)).astype(np.float64)
    scores = answer.astype(np.float64, copy=False)
    if method == "decision_function":
        if scores.ndim == 1:
            scores = np.column_stack([-scores, scores])
        scores = softmax(_SHARPNESS * scores, axis=1)
    if scores.ndim != 2 or scores.shape[1] != n_outcomes:
        raise ValueError(
            f"{method} returned an array of shape {scores.shape} for {n_outcomes} outcomes"
        )
    return scores


class LocalScores:
    """The local models' probabilities for some samples.

    Parameters
    ----------
    models : mapping of int to LocalModel
        By id of the node that decides.
    X : array-like
        Samples.
    names : tuple of hashable
        Names of all nodes, for error messages.
    """

    def __init__(self, models: dict[int, LocalModel], X: Any, names: tuple[Hashable, ...]) -> None:
        self.n_rows = _num_samples(X)
        self._models = models
        self._X = X
        self._names = names

    def of(self, owner: int, outcomes: NodeIds, rows: Rows | None = None) -> Floats:
        """Return the probability of each outcome of a node, given that the node is right.

        Parameters
        ----------
        owner : int
            Id of the node.
        outcomes : ndarray of int32, shape (k,)
            The outcomes asked about: those that the node's model decides about, or some of them
            in the same order.
        rows : ndarray of intp, shape (n,), default=None
            Positions of samples, ascending; all by default.

        Returns
        -------
        proba : ndarray of float64, shape (n, k)
            Rows sum to 1.
        """
        n_rows = self.n_rows if rows is None else len(rows)
        if len(outcomes) == 1:
            return np.ones((n_rows, 1))
        model = self._models[owner]
        X = self._X if rows is None else take_rows(self._X, rows)
        try:
            scores = _scores(model, X)
        except Exception as error:
            raise LocalPredictError.at(
                error, model.estimator, self._names[owner], n_rows
            ) from error
        if len(outcomes) < len(model.outcomes):
            scores = scores[:, np.isin(model.outcomes, outcomes)]
        totals = scores.sum(axis=1, keepdims=True)
        if not (np.isfinite(totals).all() and (totals > 0).all()):
            raise LocalPredictError.not_a_distribution(
                model.estimator,
                self._names[owner],
                n_rows,
                f"for {int((~(totals > 0)).sum())} of them all probabilities are zero or NaN",
            )
        return scores / totals
