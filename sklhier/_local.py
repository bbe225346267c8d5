"""One local problem: the rows of a node, fitting a base estimator to them, asking it.

Workers are module-level functions over arrays. They get integer codes ``0..k-1`` for the
outcomes of their node and know nothing else of the taxonomy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples

from sklhier import _compat, _linear
from sklhier import _node_ops as ops
from sklhier._columns import Columns, answered_beside, shown_beside
from sklhier._linear import Packing, SparseRows
from sklhier._marginals import Outcomes
from sklhier._places import Place, member_offset, place_of
from sklhier._typing import Bools, Floats, NodeIds, Rows
from sklhier.exceptions import LocalFitError, LocalPredictError
from sklhier.staging import Chain
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
    weights : ndarray of float64, shape (n,), default=None
        What weights of the samples are multiplied by.
    """

    owner: int
    outcomes: NodeIds
    rows: Rows
    codes: Rows
    weights: Floats | None = None

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
    is_joint : bool, default=False
        Whether it says of each outcome by itself if a sample belongs to it.
    view : View, default=None
        What it sees beside X; None: nothing.
    unit : float, default=1.0
        What its outputs are divided by when other models see them.
    share_here : float, default=1.0
        The share of its training samples, by weight, that were not "not here".
    packing : Packing, default=None
        How the estimator is stored, if not as scikit-learn does.
    """

    owner: int
    outcomes: NodeIds
    estimator: Any
    is_joint: bool = False
    view: View | None = None
    unit: float = 1.0
    share_here: float = 1.0
    packing: Packing | None = None

    @property
    def whole(self) -> Any:
        """The fitted estimator, as scikit-learn stores it."""
        return _linear.whole(self.estimator, self.packing)


@dataclass(frozen=True)
class View:
    """The models whose outputs another one sees.

    Attributes
    ----------
    owners : tuple of int
        Numbers of the places at which they decide, from the top.
    chain : Chain
        What of their outputs is shown, and how.
    """

    owners: tuple[int, ...]
    chain: Chain


@dataclass(frozen=True)
class Job:
    """A base estimator that is to be fitted.

    Attributes
    ----------
    estimator : object
        Not fitted yet.
    problem : LocalProblem
        What it is to learn.
    params : dict
        Fit parameters that have an entry for each sample of X, or are passed on as they are.
    columns : Columns or None
        What it sees beside X, a row for each row of the problem.
    """

    estimator: Any
    problem: LocalProblem
    params: dict[str, Any]
    columns: Columns | None = None


@dataclass(frozen=True)
class Question:
    """What a model is asked about samples as soon as it is fitted.

    Attributes
    ----------
    rows : ndarray of intp, shape (n,)
        Positions of the samples, ascending.
    columns : Columns or None
        What it sees beside X, a row for each of these.
    methods : tuple of str
        The prediction methods that are called.
    """

    rows: Rows
    columns: Columns | None
    methods: tuple[str, ...]


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


def _taught(job: Job, method: str, X: Any) -> Packing | None:
    """Fit an estimator to the rows of X that are its own; return how it is stored."""
    # In later calls of partial_fit there may be other columns.
    if method == "fit" and job.columns is None:
        return _linear.fit_packed(job.estimator, X, job.problem.codes, job.params)
    shown_beside(job.estimator, job.columns)(method, X, job.problem.codes, **job.params)
    return None


def _fit_one(
    job: Job, method: str, X: Any, rows: Rows | None, place: Place
) -> tuple[LocalModel, float]:
    """Fit an estimator to the given rows of X (None: all of them), and time it."""
    started = time.perf_counter()
    problem = job.problem
    try:
        X = X if rows is None else take_rows(X, rows)
        packing = _taught(job, method, X)
    except Exception as error:
        raise LocalFitError.at(error, job.estimator, place, len(problem.codes)) from error
    is_joint = problem.codes.ndim == 2
    model = LocalModel(problem.owner, problem.outcomes, job.estimator, is_joint, packing=packing)
    return model, time.perf_counter() - started


def _hold_out_one(
    job: Job,
    X: Any,
    rows: Rows | None,
    question: Question,
    X_asked: Any,
    place: Place,
) -> tuple[dict[str, Floats], float]:
    """Fit an estimator, ask it about other samples, and forget it."""
    model, seconds = _fit_one(job, "fit", X, rows, place)
    started = time.perf_counter()
    try:
        X_asked = take_rows(X, question.rows) if X_asked is None else X_asked
        answers = {
            method: outputs_of(model, X_asked, question.columns, method)
            for method in question.methods
        }
    except Exception as error:
        raise LocalPredictError.at(error, job.estimator, place, len(question.rows)) from error
    return answers, seconds + time.perf_counter() - started


def _can_be_mapped(X: Any) -> bool:
    """Whether joblib shares X between processes instead of copying it for each task."""
    return sparse.issparse(X) or (isinstance(X, np.ndarray) and not X.dtype.hasobject)


def _own_params(X: Any, job: Job) -> dict[str, Any]:
    """Return fit parameters for the rows of a problem, weights multiplied by those it brings."""
    problem = job.problem
    own = _compat.params_of_rows(X, job.params, problem.rows)
    if problem.weights is not None:
        own = own | {"sample_weight": own.get("sample_weight", 1.0) * problem.weights}
    return own


def _ready(X: Any, job: Job, travels_whole: bool) -> tuple[Job, Any, Rows | None]:
    """Return a job as a worker gets it, with X and the rows to take, or these rows alone."""
    rows = job.problem.rows
    ready = replace(job, params=_own_params(X, job))
    return (ready, X, rows) if travels_whole else (ready, take_rows(X, rows), None)


def _in_parallel(tasks: Iterable[Any], n_jobs: int | None, verbose: int) -> Any:
    try:
        return Parallel(n_jobs=n_jobs, verbose=verbose)(tasks)
    except LocalFitError as error:
        # On its way from another process the error has lost its cause.
        raise error from error.original


def fit_problems(
    X: Any,
    jobs: Iterable[Job],
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
    jobs : iterable of Job
        Unfitted estimators and what each learns. Consumed while the work proceeds.
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

    def tasks() -> Iterator[Any]:
        for job in jobs:
            ready, data, rows = _ready(X, job, travels_whole)
            yield delayed(_fit_one)(
                ready, method, data, rows, place_of(job.problem.owner, taxonomy)
            )

    fitted: list[tuple[LocalModel, float]] = _in_parallel(tasks(), n_jobs, verbose)
    return fitted


def hold_out_problems(
    X: Any,
    jobs: Iterable[tuple[Job, Question]],
    taxonomy: Taxonomy,
    *,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> list[tuple[dict[str, Floats], float]]:
    """Fit the estimators of some local problems, and ask each about other samples.

    Parameters
    ----------
    X, taxonomy, n_jobs, verbose
        As in :func:`fit_problems`.
    jobs : iterable of (Job, Question)
        Unfitted estimators, what each learns, and what it is asked then.

    Returns
    -------
    answers : list of (dict, seconds)
        By method, for each row of a question: a number for each outcome. In the order of `jobs`.
    """
    travels_whole = _can_be_mapped(X)

    def tasks() -> Iterator[Any]:
        for job, question in jobs:
            ready, data, rows = _ready(X, job, travels_whole)
            asked = None if travels_whole else take_rows(X, question.rows)
            place = place_of(job.problem.owner, taxonomy)
            yield delayed(_hold_out_one)(ready, data, rows, question, asked, place)

    answers: list[tuple[dict[str, Floats], float]] = _in_parallel(tasks(), n_jobs, verbose)
    return answers


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


def _table(answer: Any, method: str, n_outcomes: int) -> Floats:
    """Return the answers of a classifier as one number for each outcome."""
    answer = np.asarray(answer)
    if method == "predict":
        return (answer[:, None] == np.arange(n_outcomes)).astype(np.float64)
    scores = answer.astype(np.float64, copy=False)
    if method == "decision_function" and scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    if scores.ndim != 2 or scores.shape[1] != n_outcomes:
        raise ValueError(
            f"{method} returned an array of shape {scores.shape} for {n_outcomes} outcomes"
        )
    return scores


def _joint_table(answer: Any, method: str, n_outcomes: int) -> Floats:
    """Return the answers of an estimator with several outputs, a number for each of them."""
    if isinstance(answer, list):  # one array of two columns for each output
        answer = np.column_stack([columns[:, 1] for columns in answer])
    scores = np.asarray(answer, dtype=np.float64)
    if scores.shape[1:] != (n_outcomes,) or not np.isfinite(scores).all():
        raise ValueError(
            f"{method} returned an array of shape {scores.shape}, or numbers that are not finite, "
            f"for {n_outcomes} outputs"
        )
    return scores


def outputs_of(model: LocalModel, X: Any, columns: Columns | None, method: str) -> Floats:
    """Return a number for each sample and outcome of a model, ndarray of float64."""
    if model.packing is None:
        answer = answered_beside(model.estimator, method, X, columns)
    else:
        answer = _linear.answer(model.estimator, model.packing, method, X)
    return _read(answer, model, method)


def _read(answer: Any, model: LocalModel, method: str) -> Floats:
    read = _joint_table if model.is_joint else _table
    return read(answer, method, len(model.outcomes))


# How scores are read: all take the outputs of a model and whether these are decision scores.


def normalised(scores: Floats, decides: bool) -> Floats:
    """Return one non-negative score for each outcome, those of a row summing to about 1."""
    return softmax(_SHARPNESS * scores, axis=1) if decides else scores


def last_log_weight(scores: Floats, decides: bool) -> Floats:
    """Return the logarithm of the last outcome's weight, which other models' are compared with.

    Decision scores are not normalised between "here" and "not here": a softmax of them over
    siblings is then what one-vs-rest classifiers of all siblings together have.
    """
    if decides:
        return _SHARPNESS * scores[:, -1]
    with np.errstate(divide="ignore"):
        return np.log(scores[:, -1])


def _memberships(scores: Floats, decides: bool) -> Floats:
    """Return the probability of each of the nodes that a model of several outputs decides about."""
    return expit(2 * _SHARPNESS * scores) if decides else scores


def conditional(scores: Floats, outcomes: NodeIds, asked: NodeIds) -> Floats:
    """Return the probabilities of some outcomes, given that one of them is right.

    Parameters
    ----------
    scores : ndarray of float64, shape (n, k)
        Non-negative.
    outcomes : ndarray of int32, shape (k,)
        What the columns are about.
    asked : ndarray of int32
        The outcomes asked about, in the same order.

    Returns
    -------
    proba : ndarray of float64, shape (n, len(asked))
        NaN where no outcome has a score, unless all of it went to "not here": those are equally
        probable then.
    """
    if len(asked) < len(outcomes):
        scores = scores[:, np.isin(outcomes, asked)]
    totals = scores.sum(axis=1, keepdims=True)
    if outcomes[0] == ELSEWHERE and asked[0] != ELSEWHERE:
        lost = totals[:, 0] == 0
        scores = np.where(lost[:, None], 1.0, scores)
        totals[lost] = len(asked)
    with np.errstate(invalid="ignore"):
        proba: Floats = scores / totals
    return proba


@dataclass(frozen=True)
class _Together:
    """What linear models have in common that are asked in one go.

    Attributes
    ----------
    method : str
        The prediction method that stands for their answers.
    link : callable
        How decision scores become the answer.
    n_outcomes : int
        Number of outcomes of each.
    """

    method: str
    link: Callable[[Floats], Floats]
    n_outcomes: int


def seen_by_others(models: dict[int, LocalModel]) -> set[int]:
    """Return the numbers of the places whose models others see."""
    return {owner for model in models.values() if model.view for owner in model.view.owners}


def know_elsewhere(models: dict[int, LocalModel]) -> bool:
    """Whether samples of other nodes were sent to some model, which learnt to tell them."""
    return any(model.share_here < 1 for model in models.values())


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
    staged : bool, default=True
        Whether to look for models that see others, or that were shown samples of other nodes.
    """

    def __init__(
        self,
        models: dict[int, LocalModel],
        X: Any,
        taxonomy: Taxonomy,
        offset: int = 0,
        *,
        staged: bool = True,
    ) -> None:
        self.n_rows = _num_samples(X)
        self._models = models
        self._X = X
        self._taxonomy = taxonomy
        self._offset = offset
        self._staged = staged
        # Models that others see are asked only once about a sample.
        self._seen = seen_by_others(models) if staged else set()
        self._known: dict[tuple[int, str], tuple[Floats, Bools]] = {}

    @cached_property
    def _sparse(self) -> SparseRows | None:
        """The samples as linear models are asked about them, if they can be."""
        return SparseRows.of(self._X)

    def of_member(self, member: int) -> LocalScores:
        """Return the scores of one strategy of an ensemble."""
        scores = copy(self)
        scores._offset += member_offset(member, self._taxonomy)
        return scores

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
        scores = self._ask(owner, rows, normalised)
        model = self._models[owner + self._offset]
        proba = conditional(scores, model.outcomes, outcomes)
        strange = ~np.isfinite(proba).all(axis=1)
        if strange.any():
            raise LocalPredictError.not_a_distribution(
                model.estimator,
                place_of(owner + self._offset, self._taxonomy),
                len(scores),
                f"for {int(strange.sum())} of them all probabilities are zero or NaN",
            )
        return proba

    def of_pairs(self, owners: NodeIds, rows: Rows, outcomes: Outcomes) -> Floats:
        """Return what :meth:`of` does for many pairs of a node and a sample.

        Linear models that have equally many outcomes are asked together.

        Parameters
        ----------
        owners : ndarray of int32, shape (n_pairs,)
            Nodes that decide, ascending.
        rows : ndarray of intp, shape (n_pairs,)
            Positions of samples, ascending for each node.
        outcomes : Outcomes
            Those of each node.

        Returns
        -------
        proba : ndarray of float64, shape (n,)
            The probabilities of each pair's outcomes, one pair after the other.
        """
        counts = outcomes.counts[owners]
        offsets = ops.offsets_of(counts)
        proba = np.ones(offsets[-1])
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        bounds = [*starts.tolist(), len(owners)]
        groups: dict[_Together, list[tuple[int, int, int]]] = {}
        for owner, start, stop in zip(owners[starts].tolist(), bounds, bounds[1:], strict=False):
            if counts[start] < 2:
                continue
            group = self._together(owner, int(counts[start]))
            if group is None:
                table = self.of(owner, outcomes.of_node(owner), rows[start:stop])
                proba[offsets[start] : offsets[stop]] = table.ravel()
            else:
                groups.setdefault(group, []).append((owner, start, stop))
        for group, segments in groups.items():
            pairs = np.concatenate([np.arange(start, stop) for _, start, stop in segments])
            table = self._of_group(group, segments, rows[pairs])
            if not np.isfinite(table).all():  # for `of` to refuse
                parts = [self.of(v, outcomes.of_node(v), rows[i:j]) for v, i, j in segments]
                table = np.concatenate(parts)
            proba[offsets[pairs][:, None] + np.arange(group.n_outcomes)] = table
        return proba

    def _together(self, owner: int, n_outcomes: int) -> _Together | None:
        """Return what models have in common that are asked together; None for others."""
        number = owner + self._offset
        model = self._models[number]
        outcomes, packing = model.outcomes, model.packing
        if packing is None or self._sparse is None or number in self._seen:
            return None
        if model.is_joint or len(outcomes) != n_outcomes or outcomes[0] == ELSEWHERE:
            return None
        if not _linear.takes(model.estimator, packing, self._sparse):
            return None
        method = scoring_method(model.estimator)
        link = _linear.link_of(model.estimator, method, self._sparse)
        n_scores = _linear.n_scores_of(model.estimator)
        if link is None or n_scores != (1 if n_outcomes == 2 else n_outcomes):
            return None
        return _Together(method, link, n_outcomes)

    def _of_group(
        self, group: _Together, segments: list[tuple[int, int, int]], rows: Rows
    ) -> Floats:
        """Return the probabilities of outcomes from models that are asked together."""
        models = [self._models[owner + self._offset] for owner, _, _ in segments]
        bounds = ops.offsets_of([stop - start for _, start, stop in segments]).tolist()
        asked: Any = [(model.estimator, model.packing) for model in models]
        scores = _linear.scores_of(asked, self._sparse.at(rows), bounds)  # type: ignore[union-attr]
        table = _table(group.link(scores), group.method, group.n_outcomes)
        shares = normalised(table, group.method == "decision_function")
        return conditional(shares, models[0].outcomes, models[0].outcomes)

    @property
    def knows_elsewhere(self) -> bool:
        """Whether samples of other nodes were sent to some model, which learnt to tell them."""
        return self._staged and know_elsewhere(self._models)

    def log_evidence(self, owner: int, outcomes: NodeIds) -> Floats:
        """Return how much a place's model speaks for each outcome, "not here" being one more.

        Parameters
        ----------
        owner : int
            Number of the place.
        outcomes : ndarray of int32, shape (k,)
            The outcomes asked about.

        Returns
        -------
        log_evidence : ndarray of float64, shape (n_samples, k)
            The logarithm of the probability of each outcome, less that of the share of the model's
            training samples that were not "not here": what is as probable here as these were has
            outcomes whose evidence sums to 1. 0 where there is no model, and never minus infinity.
        """
        model = self._models.get(owner + self._offset)
        if model is None:
            return np.zeros((self.n_rows, len(outcomes)))
        proba = conditional(self._ask(owner, None, normalised), model.outcomes, model.outcomes)
        own = proba[:, np.isin(model.outcomes, outcomes)] / model.share_here
        return np.log(np.maximum(own, np.finfo(np.float64).tiny))

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
        weights = self._ask(owner, rows, last_log_weight)
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
            model, owner = self._models[number], number - self._offset
            outcomes = model.outcomes
            if not is_asked[outcomes[outcomes > 0]].any():
                continue  # a model of nodes without a sample so far
            if model.is_joint:
                table[:, outcomes] = self._ask(owner, None, _memberships)
            else:
                table[:, outcomes[1]] = self.of(owner, outcomes)[:, 1]
        return table

    def _n_asked(self, rows: Rows | None) -> int:
        return self.n_rows if rows is None else len(rows)

    def _ask(
        self, owner: int, rows: Rows | None, read: Callable[[Floats, bool], Floats]
    ) -> Floats:
        number = owner + self._offset
        method = scoring_method(self._models[number].estimator)
        return read(self._outputs(number, method, rows), method == "decision_function")

    def _outputs(self, number: int, method: str, rows: Rows | None) -> Floats:
        """Return what a model says of some samples, that of known ones as it was."""
        if number not in self._seen:
            return self._fresh(number, method, rows)
        if (number, method) not in self._known:
            shape = (self.n_rows, len(self._models[number].outcomes))
            self._known[number, method] = np.zeros(shape), np.zeros(self.n_rows, dtype=bool)
        table, is_known = self._known[number, method]
        asked = np.arange(self.n_rows) if rows is None else rows
        missing = asked[~is_known[asked]]
        if missing.size:
            table[missing] = self._fresh(number, method, missing)
            is_known[missing] = True
        return table[asked]

    def _fresh(self, number: int, method: str, rows: Rows | None) -> Floats:
        model = self._models[number]
        columns = self._columns(model.view, rows) if model.view else None
        try:
            if model.packing is not None and self._sparse is not None:
                estimator, packing = model.estimator, model.packing
                if _linear.takes(estimator, packing, self._sparse):
                    at = self._sparse if rows is None else self._sparse.at(rows)
                    return _read(
                        _linear.answer_rows(estimator, packing, method, at), model, method
                    )
            X = self._X if rows is None else take_rows(self._X, rows)
            return outputs_of(model, X, columns, method)
        except Exception as error:
            place = place_of(number, self._taxonomy)
            raise LocalPredictError.at(
                error, model.estimator, place, self._n_asked(rows)
            ) from error

    def _columns(self, view: View, rows: Rows | None) -> Columns:
        """Return what a model sees beside X."""
        shown = [
            (self._models[owner], self._outputs(owner, view.chain.method, rows))
            for owner in view.owners
        ]
        return columns_of(view.chain, shown, self._taxonomy)


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
