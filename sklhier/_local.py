"""One local problem: the rows of a node, fitting a base estimator to them, asking it.

Workers are module-level functions over arrays. They get integer codes ``0..k-1`` for the
outcomes of their node and know nothing else of the taxonomy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples

from sklhier import _compat
from sklhier._places import Place, member_offset, place_of
from sklhier._typing import Floats, NodeIds, Rows
from sklhier.exceptions import LocalFitError, LocalPredictError
from sklhier.taxonomy import Taxonomy

__all__ = ["ELSEWHERE", "LocalModel", "LocalProblem", "LocalScores", "fit_problems", "take_rows"]

ELSEWHERE = -1  # the outcome "not here" of a model that decides about a single node


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
        Number of the place that decides: the id of a node that decides among what is below it;
        ``sklhier.strategies.owner_of`` numbers other places.
    outcomes : ndarray of int32, shape (k,)
        Ids of the nodes among which it decides; -1 for "not here".
    rows : ndarray of intp, shape (n,)
        Positions of its samples, ascending.
    codes : ndarray of int, shape (n,) or (n, k)
        Position of each sample's target in `outcomes`; or for each of these, whether a sample
        belongs to it (0 or 1).
    """

    owner: int
    outcomes: NodeIds
    rows: Rows
    codes: Rows

    def among(self, rows: Rows) -> Self:
        """Return the problem with positions in what `rows` were taken from."""
        return replace(self, rows=rows[self.rows])

    def of_member(self, member: int, taxonomy: Taxonomy) -> Self:
        """Return the problem as that of a member of an ensemble."""
        return replace(self, owner=self.owner + member_offset(member, taxonomy))


@dataclass(frozen=True)
class LocalModel:
    """A fitted base estimator and what it decides about.

    Attributes
    ----------
    owner : int
        Number of the place that decides.
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
    place: Place,
) -> tuple[Any, float]:
    """Fit an estimator to the given rows of X (None: all of them), and time it."""
    started = time.perf_counter()
    try:
        X = X if rows is None else take_rows(X, rows)
        getattr(estimator, method)(X, codes, **params)
    except Exception as error:
        raise LocalFitError.at(error, estimator, place, len(codes)) from error
    return estimator, time.perf_counter() - started


def _can_be_mapped(X: Any) -> bool:
    """Whether joblib shares X between processes instead of copying it for each task."""
    return sparse.issparse(X) or (isinstance(X, np.ndarray) and not X.dtype.hasobject)


def fit_problems(
    X: Any,
    jobs: Iterable[tuple[Any, LocalProblem, dict[str, Any]]],
    taxonomy: Taxonomy,
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
    taxonomy : Taxonomy
        For error messages.
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
            place = place_of(problem.owner, taxonomy)
            yield delayed(_fit_one)(estimator, method, data, rows, problem.codes, own, place)

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


def _answers(model: LocalModel, X: Any) -> tuple[Floats, bool]:
    """Return an estimator's score of each outcome, and whether these are decision scores."""
    estimator, n_outcomes = model.estimator, len(model.outcomes)
    method = scoring_method(estimator)
    answer = np.asarray(getattr(estimator, method)(X))
    if method == "predict":
        return (answer[:, None] == np.arange(n_outcomes)).astype(np.float64), False
    scores = answer.astype(np.float64, copy=False)
    decides = method == "decision_function"
    if decides and scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    if scores.ndim != 2 or scores.shape[1] != n_outcomes:
        raise ValueError(
            f"{method} returned an array of shape {scores.shape} for {n_outcomes} outcomes"
        )
    return scores, decides


def _scores(model: LocalModel, X: Any) -> Floats:
    """Return one non-negative score for each outcome, those of a row summing to about 1."""
    scores, decides = _answers(model, X)
    return softmax(_SHARPNESS * scores, axis=1) if decides else scores


def _log_weight(model: LocalModel, X: Any) -> Floats:
    """Return the logarithm of the last outcome's weight, which other models' are compared with.

    Decision scores are not normalised between "here" and "not here": a softmax of them over
    siblings is then what one-vs-rest classifiers of all siblings together have.
    """
    scores, decides = _answers(model, X)
    if decides:
        return _SHARPNESS * scores[:, -1]
    with np.errstate(divide="ignore"):
        return np.log(scores[:, -1])


def _memberships(model: LocalModel, X: Any) -> Floats:
    """Return the probability of each of the nodes that a model of several outputs decides about."""
    estimator, n_outcomes = model.estimator, len(model.outcomes)
    method = scoring_method(estimator)
    answer = getattr(estimator, method)(X)
    if isinstance(answer, list):  # one array of two columns for each output
        answer = np.column_stack([columns[:, 1] for columns in answer])
    scores = np.asarray(answer, dtype=np.float64)
    if method == "decision_function":
        scores = expit(2 * _SHARPNESS * scores)
    if scores.shape[1:] != (n_outcomes,) or not np.isfinite(scores).all():
        raise ValueError(
            f"{method} returned an array of shape {scores.shape}, or numbers that are not finite, "
            f"for {n_outcomes} outputs"
        )
    return scores


class LocalScores:
    """The local models' probabilities for some samples.

    Parameters
    ----------
    models : mapping of int to LocalModel
        By number of the place that decides.
    X : array-like
        Samples.
    taxonomy : Taxonomy
        For error messages, and the numbers of places.
    offset : int, default=0
        What is added to the numbers of places that are asked for.
    """

    def __init__(
        self, models: dict[int, LocalModel], X: Any, taxonomy: Taxonomy, offset: int = 0
    ) -> None:
        self.n_rows = _num_samples(X)
        self._models = models
        self._X = X
        self._taxonomy = taxonomy
        self._offset = offset

    def of_member(self, member: int) -> LocalScores:
        """Return the scores of one strategy of an ensemble."""
        offset = self._offset + member_offset(member, self._taxonomy)
        return LocalScores(self._models, self._X, self._taxonomy, offset)

    def of(self, owner: int, outcomes: NodeIds, rows: Rows | None = None) -> Floats:
        """Return the probability of each outcome of a place, given that one of them is right.

        Parameters
        ----------
        owner : int
            Number of the place.
        outcomes : ndarray of int32, shape (k,)
            The outcomes asked about: those that the place's model decides about, or some of them
            in the same order.
        rows : ndarray of intp, shape (n,), default=None
            Positions of samples, ascending; all by default.

        Returns
        -------
        proba : ndarray of float64, shape (n, k)
            Rows sum to 1.
        """
        if len(outcomes) == 1:
            return np.ones((self._n_asked(rows), 1))
        scores = self._ask(owner, rows, _scores)
        model = self._models[owner + self._offset]
        if len(outcomes) < len(model.outcomes):
            scores = scores[:, np.isin(model.outcomes, outcomes)]
        totals = scores.sum(axis=1, keepdims=True)
        if not (np.isfinite(totals).all() and (totals > 0).all()):
            raise LocalPredictError.not_a_distribution(
                model.estimator,
                place_of(owner + self._offset, self._taxonomy),
                len(scores),
                f"for {int((~(totals > 0)).sum())} of them all probabilities are zero or NaN",
            )
        return scores / totals

    def log_weight(self, owner: int, rows: Rows | None = None) -> Floats:
        """Return the logarithm of how much a place's model is for its node.

        The model decides between "not here" (code 0) and its node (code 1). Weights of several
        places can be compared: they are probabilities, or decision scores on a common scale.

        Parameters
        ----------
        owner : int
            Number of the place. Without a model there its node has the weight 1.
        rows : ndarray of intp, shape (n,), default=None
            Positions of samples, ascending; all by default.

        Returns
        -------
        log_weight : ndarray of float64, shape (n,)
            Minus infinity where the model rules its node out.
        """
        if owner + self._offset not in self._models:
            return np.zeros(self._n_asked(rows))
        weights = self._ask(owner, rows, _log_weight)
        if np.isnan(weights).any() or np.isposinf(weights).any():
            number = owner + self._offset
            raise LocalPredictError.not_a_distribution(
                self._models[number].estimator,
                place_of(number, self._taxonomy),
                len(weights),
                "some of its scores are NaN or infinite",
            )
        return weights

    def of_nodes(self, nodes: NodeIds) -> Floats:
        """Return the probability of each node, from all models that decide about it alone.

        Parameters
        ----------
        nodes : ndarray of int32
            Ids of the nodes asked about. Those without a model are constants: 1.

        Returns
        -------
        proba : ndarray of float64, shape (n_samples, n_nodes)
            The root has 1, and nodes not asked about 0.
        """
        table = np.zeros((self.n_rows, self._taxonomy.n_nodes))
        table[:, nodes] = 1.0
        table[:, 0] = 1.0
        is_asked = np.zeros(self._taxonomy.n_nodes, dtype=bool)
        is_asked[nodes] = True
        last = self._offset + member_offset(1, self._taxonomy)
        for number in sorted(n for n in self._models if self._offset <= n < last):
            outcomes = self._models[number].outcomes
            owner = number - self._offset
            if not is_asked[outcomes[outcomes > 0]].any():
                continue  # a model of nodes without a sample so far
            if outcomes[0] == ELSEWHERE:
                table[:, outcomes[1]] = self.of(owner, outcomes)[:, 1]
            else:
                table[:, outcomes] = self._ask(owner, None, _memberships)
        return table

    def _n_asked(self, rows: Rows | None) -> int:
        return self.n_rows if rows is None else len(rows)

    def _ask(
        self, owner: int, rows: Rows | None, read: Callable[[LocalModel, Any], Floats]
    ) -> Floats:
        model = self._models[owner + self._offset]
        X = self._X if rows is None else take_rows(self._X, rows)
        try:
            return read(model, X)
        except Exception as error:
            place = place_of(owner + self._offset, self._taxonomy)
            raise LocalPredictError.at(
                error, model.estimator, place, self._n_asked(rows)
            ) from error
