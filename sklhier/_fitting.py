"""Fitting the models of local problems, in parallel.

Workers are module-level functions over arrays.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples

from sklhier import _compat, _linear
from sklhier._columns import Columns, shown_beside
from sklhier._linear import Packing
from sklhier._local import LocalModel, LocalProblem, outputs_of, take_rows
from sklhier._places import Place, place_of
from sklhier._typing import Floats, Rows
from sklhier.exceptions import LocalFitError, LocalPredictError
from sklhier.taxonomy import Taxonomy

# Small problems are handed to workers together: at least so many rows of all problems in one go, and
# a level of the taxonomy in about so many parts.
_LEAST_ROWS = 500
_BATCHES_OF_ALL = 32

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
        return _linear.fit_packed(job.estimator, X, job.problem.codes, job.params)
    shown_beside(job.estimator, job.columns)(method, X, job.problem.codes, **job.params)
    return None


@dataclass(frozen=True)
class _Task:
    """A job as a worker gets it.

    Attributes
    ----------
    job : Job
    place : Place
        For error messages.
    question : Question or None
        What the model is asked; the model is forgotten then.
    X, X_asked : array-like, default=None
        Rows of the job and of the question, of an X that is not shared between workers.
    """

    job: Job
    place: Place
    question: Question | None
    X: Any = None
    X_asked: Any = None


def _fit_one(task: _Task, method: str, X: Any) -> tuple[LocalModel, float]:
    """Fit an estimator to its rows of X, and time it."""
    started = time.perf_counter()
    job, problem = task.job, task.job.problem
    try:
        own = take_rows(X, problem.rows) if task.X is None else task.X
        packing = _taught(job, method, own)
    except Exception as error:
        raise LocalFitError.at(error, job.estimator, task.place, len(problem.codes)) from error
    is_joint = problem.codes.ndim == 2
    model = LocalModel(problem.owner, problem.outcomes, job.estimator, is_joint, packing=packing)
    return model, time.perf_counter() - started


def _hold_out_one(
    task: _Task, question: Question, method: str, X: Any
) -> tuple[dict[str, Floats], float]:
    """Fit an estimator, ask it about other samples, and forget it."""
    model, seconds = _fit_one(task, method, X)
    started = time.perf_counter()
    try:
        asked = take_rows(X, question.rows) if task.X_asked is None else task.X_asked
        answers = {
            asked_for: outputs_of(model, asked, question.columns, asked_for)
            for asked_for in question.methods
        }
    except Exception as error:
        raise LocalPredictError.at(
            error, model.estimator, task.place, len(question.rows)
        ) from error
    return answers, seconds + time.perf_counter() - started


def _run(tasks: list[_Task], method: str, X: Any) -> list[Any]:
    """Do some tasks, one after the other."""
    return [
        _fit_one(task, method, X)
        if task.question is None
        else _hold_out_one(task, task.question, method, X)
        for task in tasks
    ]


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


def _batches(X: Any, tasks: Iterable[_Task]) -> Iterator[list[_Task]]:
    """Gather tasks until they have so many rows that handing them out one by one costs little."""
    enough = max(_LEAST_ROWS, _num_samples(X) // _BATCHES_OF_ALL)
    batch: list[_Task] = []
    n_rows = 0
    for task in tasks:
        batch.append(task)
        n_rows += len(task.job.problem.rows)
        if n_rows >= enough:
            yield batch
            batch, n_rows = [], 0
    if batch:
        yield batch


def _in_parallel(
    X: Any,
    jobs: Iterable[tuple[Job, Question | None]],
    taxonomy: Taxonomy,
    method: str,
    n_jobs: int | None,
    verbose: int,
) -> list[Any]:
    # Rows of what cannot be mapped are taken here: only they travel to a worker.
    travels_whole = _can_be_mapped(X)

    def tasks() -> Iterator[_Task]:
        for job, question in jobs:
            place = place_of(job.problem.owner, taxonomy)
            ready = replace(job, params=_own_params(X, job))
            if travels_whole:
                yield _Task(ready, place, question)
            else:
                asked = None if question is None else take_rows(X, question.rows)
                yield _Task(ready, place, question, take_rows(X, job.problem.rows), asked)

    shared = X if travels_whole else None
    try:
        done = Parallel(n_jobs=n_jobs, verbose=verbose)(
            delayed(_run)(batch, method, shared) for batch in _batches(X, tasks())
        )
    except LocalFitError as error:
        # On its way from another process the error has lost its cause.
        raise error from error.original
    return [one for batch in done for one in batch]


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
