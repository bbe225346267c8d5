"""Fitting the models of local problems, in parallel.

Workers are module-level functions over arrays.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import Perceptron, SGDClassifier
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier
from sklearn.utils.validation import _num_samples

from sklhier._local import linear_fit
from sklhier._local.extra_features import Columns, shown_beside
from sklhier._local.keys import Place, place_of
from sklhier._local.linear_fit import Packing
from sklhier._local.model import LocalModel
from sklhier._local.outputs import outputs_of
from sklhier._local.problem import LocalProblem
from sklhier._utils import compat
from sklhier._utils.parallel import in_parallel
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, Rows
from sklhier.exceptions import LocalFitError, LocalPredictError
from sklhier.taxonomy import Taxonomy

# Small problems are handed to workers together: at least so many rows of all problems in one go, and
# a level of the taxonomy in about so many parts.
_LEAST_ROWS = 500
_PARTS_OF_LEVEL = 32

# With `n_jobs` these fit their parts in threads, and are the same for any number of them. All other
# work at their nodes is little.
_FORESTS = (RandomForestClassifier, ExtraTreesClassifier)
_ONE_VS_REST = (SGDClassifier, Perceptron, *compat.PASSIVE_AGGRESSIVE)
# These compute without Python's lock most of the time, and share nothing. Not LinearSVC, all fits of
# which draw from the same random numbers: beside others it would not be the same.
_IN_THREADS = (*_FORESTS, DecisionTreeClassifier, ExtraTreeClassifier)

__all__ = ["Job", "Question", "fit_problems", "hold_out_problems", "seeded_clone"]


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


def _taught(job: Job, method: str, X: Any) -> Packing | None:
    """Fit an estimator to the rows of X that are its own; return how it is stored."""
    # In later calls of partial_fit there may be other columns.
    if method == "fit" and job.columns is None:
        return linear_fit.fit_packed(job.estimator, X, job.problem.codes, job.params)
    shown_beside(job.estimator, job.columns)(method, X, job.problem.codes, **job.params)
    return None


@dataclass(frozen=True)
class _Task:
    """A job with what is needed to do it.

    Attributes
    ----------
    job : Job
    question : Question or None
        What the model is asked; the model is forgotten then.
    method : {"fit", "partial_fit"}
        What is called.
    place : Place
        For error messages.
    X : array-like
        All samples, or those of the problem alone.
    X_asked : array-like, default=None
        The samples of the question, if X has those of the problem alone.
    has_own : bool, default=False
        Whether X has the samples of the problem alone.
    n_threads : int, default=None
        Number of threads of the estimator itself.
    """

    job: Job
    question: Question | None
    method: str
    place: Place
    X: Any
    X_asked: Any = None
    has_own: bool = False
    n_threads: int | None = None

    @property
    def size(self) -> float:
        return float(len(self.job.problem.rows))

    @property
    def in_threads(self) -> bool:
        return type(self.job.estimator) in _IN_THREADS

    def ready(self) -> Self:
        """Return the task with fit parameters of its own rows, and what is to travel of X."""
        job, question, X = self.job, self.question, self.X
        ready = replace(self, job=replace(job, params=_own_params(X, job)))
        if _can_be_mapped(X):
            return ready
        asked = None if question is None else take_rows(X, question.rows)
        return replace(ready, X=take_rows(X, job.problem.rows), X_asked=asked, has_own=True)

    def for_all(self, n_workers: int) -> Self | None:
        """Return the task with threads of its own, if there may be too few others beside it."""
        estimator, n_outcomes = self.job.estimator, len(self.job.problem.outcomes)
        few = 2 * n_workers * self.size > _num_samples(self.X)
        if few and _splits_itself(estimator, n_outcomes) and estimator.n_jobs is None:
            return replace(self, n_threads=n_workers)
        return None


def _splits_itself(estimator: Any, n_outcomes: int) -> bool:
    """Whether an estimator fits parts of itself in threads, the same for any number of them."""
    if type(estimator) in _FORESTS:
        return True
    return type(estimator) in _ONE_VS_REST and n_outcomes > 2


def _fit_one(task: _Task) -> tuple[LocalModel, float]:
    """Fit an estimator to its rows of X, and time it."""
    started = time.perf_counter()
    job, problem = task.job, task.job.problem
    try:
        own = task.X if task.has_own else take_rows(task.X, problem.rows)
        if task.n_threads is not None:
            job.estimator.n_jobs = task.n_threads
        packing = _taught(job, task.method, own)
        if task.n_threads is not None:
            job.estimator.n_jobs = None
    except Exception as error:
        raise LocalFitError.at(error, job.estimator, task.place, len(problem.codes)) from error
    is_joint = problem.codes.ndim == 2
    model = LocalModel(problem.owner, problem.outcomes, job.estimator, is_joint, packing=packing)
    return model, time.perf_counter() - started


def _hold_out_one(task: _Task, question: Question) -> tuple[dict[str, Floats], float]:
    """Fit an estimator, ask it about other samples, and forget it."""
    model, seconds = _fit_one(task)
    started = time.perf_counter()
    try:
        asked = task.X_asked if task.has_own else take_rows(task.X, question.rows)
        answers = {
            method: outputs_of(model, asked, question.columns, method)
            for method in question.methods
        }
    except Exception as error:
        raise LocalPredictError.at(
            error, model.estimator, task.place, len(question.rows)
        ) from error
    return answers, seconds + time.perf_counter() - started


def _run(tasks: list[_Task]) -> list[Any]:
    """Do some tasks, one after the other."""
    return [
        _fit_one(task) if task.question is None else _hold_out_one(task, task.question)
        for task in tasks
    ]


def _can_be_mapped(X: Any) -> bool:
    """Whether joblib shares X between processes instead of copying it for each task."""
    return sparse.issparse(X) or (isinstance(X, np.ndarray) and not X.dtype.hasobject)


def _own_params(X: Any, job: Job) -> dict[str, Any]:
    """Return fit parameters for the rows of a problem, weights multiplied by those it brings."""
    problem = job.problem
    own = compat.params_of_rows(X, job.params, problem.rows)
    if problem.weights is not None:
        own = own | {"sample_weight": own.get("sample_weight", 1.0) * problem.weights}
    return own


def _in_parallel(
    X: Any,
    jobs: Iterable[tuple[Job, Question | None]],
    taxonomy: Taxonomy,
    method: str,
    n_jobs: int | None,
    verbose: int,
) -> list[Any]:
    tasks = (
        _Task(job, question, method, place_of(job.problem.owner, taxonomy), X)
        for job, question in jobs
    )
    try:
        return in_parallel(
            _run,
            tasks,
            least=max(_LEAST_ROWS, _num_samples(X) / _PARTS_OF_LEVEL),
            n_jobs=n_jobs,
            verbose=verbose,
        )
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
    pairs = ((job, None) for job in jobs)
    fitted: list[tuple[LocalModel, float]] = _in_parallel(
        X, pairs, taxonomy, method, n_jobs, verbose
    )
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
    answers: list[tuple[dict[str, Floats], float]] = _in_parallel(
        X, jobs, taxonomy, "fit", n_jobs, verbose
    )
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
    states = dict(zip(keys, (draws % np.iinfo(np.int32).max).tolist(), strict=True))
    if "random_state" in states:  # as set_params would, which collects all parameters again
        estimator.random_state = states.pop("random_state")
    return estimator.set_params(**states) if states else estimator
