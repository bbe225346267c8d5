"""Fits of local models, in parallel.

Workers are module-level functions over arrays.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, Self, cast

import numpy as np
from scipy import sparse
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import Perceptron, SGDClassifier
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier
from sklearn.utils.validation import _num_samples

from sklhier._local import linear_fit
from sklhier._local.block_fit import (
    BLOCKS,
    SharedTable,
    fit_rows,
    fit_together,
    is_solved_here,
    may_stand_together,
)
from sklhier._local.extra_features import fit_with, predict_with
from sklhier._local.jobs import FitContext, Job, Query
from sklhier._local.keys import described
from sklhier._local.linear_fit import ColumnSubset
from sklhier._local.model import LocalModel, linked
from sklhier._local.outputs import outputs_of
from sklhier._local.problem import LocalProblem
from sklhier._local.sum_fit import SUMMED, SharedRows, fit_by_sums
from sklhier._utils import compat
from sklhier._utils.parallel import WorkersDiedError, in_parallel
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats
from sklhier.exceptions import LocalFitError, LocalPredictError
from sklhier.links import Link

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
# So do compiled solvers, where there are any; otherwise it is as with LinearSVC. So many outcomes for
# each worker are enough blocks of classes to be shared out.
_OUTCOMES_OF_A_WORKER = 32

__all__ = ["fit_problems", "hold_out_problems"]


def _fit_estimator(job: Job, method: str, X: Any) -> ColumnSubset | None:
    """Fit an estimator to its own rows of X; return how it is stored."""
    # Later calls of partial_fit may bring other columns, so all of them are kept.
    if method == "fit" and job.extra is None:
        return linear_fit.fit_on_used_columns(job.estimator, X, job.problem.codes, job.params)
    fit_with(job.estimator, method, X, job.problem.codes, job.params, job.extra)
    return None


def _probe(job: Job, X: Any, where: tuple[Hashable, str]) -> None:
    """Ask a fitted estimator about one of its rows, so that it does not fail later for the first."""
    extra = None if job.extra is None else job.extra.at(np.arange(1))
    method, _ = linked(job.estimator, None)
    try:
        predict_with(job.estimator, method, take_rows(X, np.arange(1)), extra)
    except MemoryError:
        raise
    except Exception as error:
        raise LocalFitError.on_probe(
            error, job.estimator, where, len(job.problem.codes)
        ) from error


@dataclass(frozen=True)
class _Task:
    """A job with what is needed to do it.

    Attributes
    ----------
    job : Job
    query : Query or None
        Samples for the model, which is not kept then.
    method : {"fit", "partial_fit"}
        What is called.
    where : tuple of (name, str)
        The name of the model and its description, for error messages.
    X : array-like or None
        All samples. Where workers get it by itself, None; or the samples of the problem alone.
    X_queried : array-like, default=None
        The samples of the query, if X has those of the problem alone.
    has_own : bool, default=False
        Whether X has the samples of the problem alone.
    table : SharedTable, default=None
        What tasks make of X for compiled solvers.
    shared_rows : SharedRows, default=None
        What tasks make of X for sums.
    n_threads : int, default=None
        Number of threads of the estimator itself.
    """

    job: Job
    query: Query | None
    method: str
    where: tuple[Hashable, str]
    X: Any
    X_queried: Any = None
    has_own: bool = False
    table: SharedTable | None = None
    shared_rows: SharedRows | None = None
    n_threads: int | None = None

    @property
    def name(self) -> str:
        return self.where[1]

    @property
    def size(self) -> float:
        return float(len(self.job.problem.rows))

    @property
    def in_threads(self) -> bool:
        estimator = self.job.estimator
        if type(estimator) in SUMMED and self.method == "fit":
            return True
        return type(estimator) in _IN_THREADS or is_solved_here(estimator, self.X)

    def ready(self) -> Self:
        """Return the task with fit parameters of its own rows, and what is to travel with it of X."""
        job, query, X = self.job, self.query, self.X
        is_mapped = _can_be_mapped(X)
        if (
            job.params
            or job.whole
            or job.validation is not None
            or job.problem.weights is not None
        ):
            params = _own_params(X, job)
            job = replace(job, params=params, whole={}, validation=None)
        ready = replace(self, job=job, X=None if is_mapped else X)
        if is_mapped:
            return ready
        queried = None if query is None else take_rows(X, query.rows)
        return replace(ready, X=take_rows(X, job.problem.rows), X_queried=queried, has_own=True)

    def for_all(self, n_workers: int) -> Self | None:
        """Return the task with threads of its own, if there may be too few others beside it."""
        estimator, n_outcomes = self.job.estimator, len(self.job.problem.outcomes)
        few = 2 * n_workers * self.size > _num_samples(self.X)
        if few and _splits_itself(estimator, n_outcomes, n_workers) and estimator.n_jobs is None:
            return replace(self, n_threads=n_workers)
        return None


def _splits_itself(estimator: Any, n_outcomes: int, n_workers: int) -> bool:
    """Whether an estimator fits parts of itself in threads, the same for any number of them."""
    if type(estimator) in _FORESTS:
        return True
    if type(estimator) in BLOCKS:
        return n_outcomes >= _OUTCOMES_OF_A_WORKER * n_workers
    return type(estimator) in _ONE_VS_REST and n_outcomes > 2


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator as a worker returns it.

    Attributes
    ----------
    estimator : object
    subset : ColumnSubset or None
        How it is stored.
    seconds : float
        Time of the fit.
    """

    estimator: Any
    subset: ColumnSubset | None
    seconds: float

    def model(self, problem: LocalProblem, link: Link | None) -> LocalModel:
        """Return the local model of a problem."""
        method, link = linked(self.estimator, link)
        return LocalModel(
            problem.key,
            problem.outcomes,
            self.estimator,
            method,
            link,
            is_multi_output=problem.codes.ndim == 2,
            subset=self.subset,
        )


def _fit_one(task: _Task, X: Any) -> Fitted:
    """Fit an estimator to its rows of X, and time it."""
    started = time.perf_counter()
    job, problem = task.job, task.job.problem
    try:
        is_done, subset = _fit_in_place(task, X)
        if is_done:
            return Fitted(job.estimator, subset, time.perf_counter() - started)
        own = task.X if task.has_own else take_rows(X, problem.rows)
        job = job.on_a_copy()
        if task.n_threads is not None:
            job.estimator.n_jobs = task.n_threads
        # Beside another fit that draws from the same random numbers it would not be the same.
        with compat.shared_draws() if job.draws else nullcontext():
            subset = _fit_estimator(job, task.method, own)
        if task.n_threads is not None:
            job.estimator.n_jobs = None
    except MemoryError:  # of the machine, not of the estimator
        raise
    except Exception as error:
        raise LocalFitError.at(error, job.estimator, task.where, len(problem.codes)) from error
    if task.method == "fit" and not job.is_safe:
        whole = replace(job, estimator=linear_fit.full_width(job.estimator, subset))
        _probe(whole, own, task.where)
    return Fitted(job.estimator, subset, time.perf_counter() - started)


def _fit_in_place(task: _Task, X: Any) -> tuple[bool, ColumnSubset | None]:
    """Fit an estimator to its rows without taking them, if that is possible."""
    job, problem = task.job, task.job.problem
    if task.has_own or task.method != "fit" or job.extra is not None:
        return False, None
    rows, codes = problem.rows, problem.codes
    if type(job.estimator) in SUMMED and task.shared_rows is not None:
        return fit_by_sums(job.estimator, task.shared_rows, X, rows, codes, job.params), None
    if task.table is not None and task.n_threads is None and is_solved_here(job.estimator, X):
        return fit_rows(job.estimator, task.table, X, rows, codes, job.params)
    return False, None


@dataclass(frozen=True)
class _Together:
    """Tasks of binary problems with the same rows, which are solved side by side."""

    tasks: list[_Task]

    @property
    def first(self) -> _Task:
        return self.tasks[0]

    @property
    def name(self) -> str:
        return self.first.name

    @property
    def where(self) -> tuple[Hashable, str]:
        return self.first.where

    @property
    def job(self) -> Job:
        return self.first.job

    @property
    def size(self) -> float:
        return sum(task.size for task in self.tasks)

    @property
    def in_threads(self) -> bool:
        return self.first.in_threads

    def ready(self) -> Self:
        return replace(self, tasks=[task.ready() for task in self.tasks])

    def for_all(self, n_workers: int) -> None:  # noqa: ARG002
        return None

    def run(self, X: Any) -> list[Any]:
        """Fit all estimators, and ask those that are held out."""
        return [
            fitted if task.query is None else _outputs_of(fitted, task, task.query, X)
            for fitted, task in zip(self._fit(X), self.tasks, strict=True)
        ]

    def _fit(self, X: Any) -> list[Fitted]:
        """Fit all estimators; the time is shared out."""
        started = time.perf_counter()
        first, estimators = self.first, [task.job.estimator for task in self.tasks]
        codes = np.column_stack([task.job.problem.codes for task in self.tasks])
        rows, table = first.job.problem.rows, cast(SharedTable, first.table)
        try:
            is_done, subset = fit_together(estimators, table, X, rows, codes, first.job.params)
        except MemoryError:
            raise
        except Exception as error:
            raise LocalFitError.at(error, estimators[0], first.where, len(rows)) from error
        if not is_done:
            return [_fit_one(task, X) for task in self.tasks]
        seconds = (time.perf_counter() - started) / len(estimators)
        return [Fitted(estimator, subset, seconds) for estimator in estimators]


def _together(tasks: Iterable[_Task]) -> Iterator[_Task | _Together]:
    """Put tasks that follow each other together where their problems can be solved side by side."""
    gathered: list[_Task] = []
    for task in tasks:
        if gathered and not _same_rows(gathered[-1], task):
            yield gathered[0] if len(gathered) == 1 else _Together(gathered)
            gathered = []
        gathered.append(task)
    if gathered:
        yield gathered[0] if len(gathered) == 1 else _Together(gathered)


def _same_rows(task: _Task, other: _Task) -> bool:
    job, beside = task.job, other.job
    return (
        len(job.problem.rows) == len(beside.problem.rows)  # seldom, and soon known
        and may_stand_together(job.estimator, beside.estimator)
        and is_solved_here(job.estimator, task.X)
        and task.method == "fit"
        and (task.query is None) == (other.query is None)
        and not any(
            part.job.extra is not None
            or part.job.whole
            or part.job.validation is not None
            or part.job.problem.weights is not None
            or part.job.problem.codes.ndim != 1
            or len(part.job.problem.outcomes) != 2
            for part in (task, other)
        )
        and job.params is beside.params
        and np.array_equal(job.problem.rows, beside.problem.rows)
    )


def _hold_out_one(task: _Task, query: Query, X: Any) -> tuple[dict[str, Floats], float]:
    """Fit an estimator, compute its outputs for other samples, and let it go."""
    return _outputs_of(_fit_one(task, X), task, query, X)


def _outputs_of(
    fitted: Fitted, task: _Task, query: Query, X: Any
) -> tuple[dict[str, Floats], float]:
    """Compute the outputs of a fitted estimator for the samples of a query."""
    started = time.perf_counter()
    model = fitted.model(task.job.problem, None)
    try:
        own = task.X_queried if task.has_own else take_rows(X, query.rows)
        outputs = {method: outputs_of(model, own, query.extra, method) for method in query.methods}
    except MemoryError:
        raise
    except Exception as error:
        raise LocalPredictError.at(error, model.estimator, task.where, len(query.rows)) from error
    return outputs, fitted.seconds + time.perf_counter() - started


def _run(tasks: list[_Task | _Together], X: Any) -> list[Any]:
    """Do some tasks, one after the other; X has all samples, unless tasks have their own."""
    return [
        task.run(X)
        if isinstance(task, _Together)
        else (_fit_one(task, X) if task.query is None else _hold_out_one(task, task.query, X))
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
    of_sets = {}
    if job.validation is not None:

        def training() -> tuple[Any, Any, Any]:
            weights = own.get("sample_weight", np.ones(len(problem.rows)))
            return take_rows(X, problem.rows), problem.codes, weights

        of_sets = job.validation(training)
    return own | job.whole | of_sets


def _in_parallel(
    X: Any, jobs: Iterable[tuple[Job, Query | None]], context: FitContext, method: str
) -> list[Any]:
    task_of = partial(_Task, table=SharedTable(), shared_rows=SharedRows())
    tasks = (
        task_of(job, query, method, described(job.problem.key, context.taxonomy), X)
        for job, query in jobs
    )
    able = _can_be_mapped(X)  # others travel row by row
    todo: Iterable[_Task | _Together] = _together(tasks) if able else tasks
    try:
        found = in_parallel(
            _run,
            todo,
            shared=X if able else None,
            least=max(_LEAST_ROWS, _num_samples(X) / _PARTS_OF_LEVEL),
            n_jobs=context.n_jobs,
            verbose=context.verbose,
        )
        return list(chain.from_iterable(one if isinstance(one, list) else [one] for one in found))
    except LocalFitError as error:
        if error.__cause__ is not error.original:
            # On its way from another process the error has lost its cause, and has got the traceback
            # there as text in its place.
            error.original.__cause__ = error.__cause__
        raise error from error.original
    except WorkersDiedError as error:
        places = [(*task.where, len(task.job.problem.rows)) for task in error.tasks]
        raise LocalFitError.died(error.original, places) from error.original


def fit_problems(
    X: Any, jobs: Iterable[Job], context: FitContext, *, method: str = "fit"
) -> list[tuple[LocalModel, float]]:
    """Fit the estimators of some local problems, in parallel.

    Parameters
    ----------
    X : array-like
        All samples.
    jobs : iterable of Job
        Unfitted estimators and what each learns. Consumed while the work proceeds.
    context : FitContext
    method : {"fit", "partial_fit"}, default="fit"
        The method that is called.

    Returns
    -------
    fitted : list of (LocalModel, seconds)
        In the order of `jobs`.
    """
    problems = []

    def pairs() -> Iterator[tuple[Job, None]]:
        for job in jobs:
            problems.append(job.problem)
            yield job, None

    done: list[Fitted] = _in_parallel(X, pairs(), context, method)
    return [
        (fitted.model(problem, context.link), fitted.seconds)
        for problem, fitted in zip(problems, done, strict=True)
    ]


def hold_out_problems(
    X: Any, jobs: Iterable[tuple[Job, Query]], context: FitContext
) -> list[tuple[dict[str, Floats], float]]:
    """Fit the estimators of some local problems, each to be queried and let go.

    Parameters
    ----------
    X, context
        As in :func:`fit_problems`.
    jobs : iterable of (Job, Query)
        Unfitted estimators, what each learns, and the samples of the query.

    Returns
    -------
    outputs : list of (dict, seconds)
        By method, for each row of a query: a number for each outcome. In the order of `jobs`.
    """
    outputs: list[tuple[dict[str, Floats], float]] = _in_parallel(X, jobs, context, "fit")
    return outputs
