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

from sklhier import _compat, _linear
from sklhier._columns import Columns, shown_beside
from sklhier._linear import Packing
from sklhier._local import LocalModel, LocalProblem, outputs_of, take_rows
from sklhier._places import Place, place_of
from sklhier._typing import Floats, Rows
from sklhier.exceptions import LocalFitError, LocalPredictError
from sklhier.taxonomy import Taxonomy

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
