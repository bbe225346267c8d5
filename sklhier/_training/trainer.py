"""Fitting the local models of a strategy, on all rows or on folds of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklhier._local import fitting
from sklhier._local.base_estimators import NodeEstimators
from sklhier._local.extra_features import Columns
from sklhier._local.fitting import Job
from sklhier._local.keys import place_of
from sklhier._local.model import LocalModel
from sklhier._local.problem import LocalProblem
from sklhier._local.scores import LocalScores
from sklhier._probabilities.marginals import Outcomes
from sklhier._training.routing import Arrivals
from sklhier._training.staged import Staging, train_in_stages
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier.strategies import HeldOut, Strategy
from sklhier.taxonomy import Taxonomy

__all__ = ["Fits", "Trainer"]

_REPORT_DTYPE = np.dtype(
    [
        ("node", object),
        ("level", np.int32),
        ("n_rows", np.int64),
        ("n_outcomes", np.int32),
        ("seconds", np.float64),
        ("fitted", object),
    ]
)

Models = dict[int, LocalModel]


@dataclass(frozen=True)
class Fits:
    """What became of each local problem, one entry for each.

    Attributes
    ----------
    owners : ndarray of int64
        Numbers of the places that decide.
    n_rows, n_outcomes : ndarray of int64
        Sizes of the problems.
    seconds : ndarray of float64
        Time to fit; 0 where nothing was fitted.
    fitted : ndarray of str
        Type of the estimator, or why there is none.
    """

    owners: Rows
    n_rows: Rows
    n_outcomes: Rows
    seconds: Floats
    fitted: np.ndarray[Any, Any]

    @classmethod
    def of(
        cls, sizes: list[tuple[int, int, int]], models: Models, seconds: dict[int, float]
    ) -> Fits:
        """Tell it from ``(owner, n_rows, n_outcomes)`` of the problems and what was fitted."""
        fitted = [
            type(models[owner].estimator).__name__
            if owner in seconds
            else ("constant: one outcome" if n_outcomes == 1 else "nothing: no rows")
            for owner, _, n_outcomes in sizes
        ]
        owners, n_rows, n_outcomes = np.array(sizes, dtype=np.int64).reshape(-1, 3).T
        times = np.array([seconds.get(owner, 0.0) for owner in owners.tolist()])
        return cls(owners, n_rows, n_outcomes, times, np.array(fitted, dtype=np.str_))

    def report(self, names: list[Any], taxonomy: Taxonomy) -> np.ndarray[Any, Any]:
        """Return a record for each problem; `names` are those of the places."""
        report = np.empty(len(self.owners), dtype=_REPORT_DTYPE)
        report["node"][:] = np.fromiter(names, dtype=object, count=len(names))
        report["level"] = [place_of(owner, taxonomy).level for owner in self.owners.tolist()]
        for name in ("n_rows", "n_outcomes", "seconds", "fitted"):
            report[name] = getattr(self, name)
        return report


@dataclass(frozen=True)
class Trainer:
    """Fits local models.

    Attributes
    ----------
    taxonomy : Taxonomy
        A tree.
    chosen : NodeEstimators
        The base estimator of each place.
    params : dict of dict
        Parameters with which each base estimator is fitted, by the name of the base.
    seed : int or None
        What the random states of the base estimators follow from.
    n_jobs, verbose
        As in :class:`sklearn.utils.parallel.Parallel`.
    staging : Staging, default=None
        How models depend on those above them, if they do.
    """

    taxonomy: Taxonomy
    chosen: NodeEstimators
    params: dict[str, dict[str, Any]]
    seed: int | None
    n_jobs: int | None
    verbose: int
    staging: Staging | None = None

    def train(
        self,
        X: Any,
        problems: Iterable[LocalProblem],
        rows: Rows,
        *,
        method: str = "fit",
        known: Models | None = None,
        arrivals: Arrivals | None = None,
    ) -> tuple[Models, Fits]:
        """Fit the models of all local problems.

        Parameters
        ----------
        X : array-like
            Samples.
        problems : iterable of LocalProblem
            What is to be learnt; their rows are positions in `rows`.
        rows : ndarray of intp
            Positions of the samples to learn from, ascending.
        method : {"fit", "partial_fit"}, default="fit"
            What to call.
        known : dict of LocalModel, default=None
            Models that go on learning.
        arrivals : Arrivals, default=None
            Where samples go on their way down, if models are not to learn from the samples of their
            own node alone.
        """
        sizes: list[tuple[int, int, int]] = []
        if self.staging is not None:
            models, sizes, seconds = train_in_stages(
                self, X, problems, rows, self.staging, arrivals
            )
            return models, Fits.of(sizes, models, seconds)
        known = {} if known is None else known

        def jobs() -> Iterator[Job]:
            for problem in problems:
                sizes.append((problem.owner, len(problem.rows), len(problem.outcomes)))
                if len(problem.outcomes) < 2 or not len(problem.rows):
                    continue
                job = self.job(problem.among(rows), known=known.get(problem.owner))
                if method == "partial_fit":
                    classes = {"classes": np.arange(len(problem.outcomes))}
                    job = replace(job, params=job.params | classes)
                yield job

        fitted = fitting.fit_problems(
            X, jobs(), self.taxonomy, method=method, n_jobs=self.n_jobs, verbose=self.verbose
        )
        models = known | {model.owner: model for model, _ in fitted}
        return models, Fits.of(sizes, models, {model.owner: took for model, took in fitted})

    def job(
        self,
        problem: LocalProblem,
        columns: Columns | None = None,
        known: LocalModel | None = None,
    ) -> Job:
        """Return the fit of a problem, whose rows are positions in X.

        Parameters
        ----------
        problem : LocalProblem
            What is to be learnt.
        columns : Columns, default=None
            What its model sees beside X.
        known : LocalModel, default=None
            A model that goes on learning.
        """
        name, base = self.chosen.at(place_of(problem.owner, self.taxonomy))
        if known is not None:
            estimator = known.whole
        else:
            estimator = fitting.seeded_clone(base, problem.owner, self.seed)
        return Job(estimator, problem, self.params[name], columns)

    def arrivals(self, strategy: Strategy, outcomes: Outcomes, nodes: NodeIds) -> Arrivals | None:
        """Return where samples go, unless models learn from those of their own node alone.

        Parameters
        ----------
        strategy : Strategy
            How scores become probabilities.
        outcomes : Outcomes
            The possible answers.
        nodes : ndarray of int32, shape (n_samples,)
            The node of each label to learn from.
        """
        if self.staging is None or self.staging.routing == "filter":
            return None
        return Arrivals(self.staging.routing, strategy, self.taxonomy, outcomes, nodes)

    def hold_out(
        self,
        X: Any,
        strategy: Strategy,
        nodes: NodeIds,
        classes: NodeIds,
        rows: Rows,
        folds: Iterable[tuple[Rows, Rows]],
        weights: Floats | None,
    ) -> Iterator[HeldOut]:
        """Fit to the training part of each fold; yield blocks of the rows left out.

        Parameters
        ----------
        X, rows
            As in :meth:`train`.
        strategy : Strategy
            Says which problems there are.
        nodes : ndarray of int32, shape (n_samples,)
            The node of each label.
        classes : ndarray of int32
            Ids of the nodes that occur as labels, in the order of the classes.
        folds : iterable of (train, test)
            Positions within `rows`.
        weights : ndarray of float64, shape (n_samples,), or None
            Weights of the samples.
        """
        for train, test in folds:
            inside, left_out = rows[np.sort(train)], rows[np.sort(test)]
            seen = classes[np.isin(classes, nodes[inside])]
            outcomes = strategy.outcomes(self.taxonomy, seen)
            problems = strategy.plan(self.taxonomy, outcomes, nodes[inside])
            arrivals = self.arrivals(strategy, outcomes, nodes[inside])
            models, _ = self.train(X, problems, inside, arrivals=arrivals)
            columns = strategy.columns_per_row(self.taxonomy, outcomes, all_nodes=True)
            for block in row_blocks(len(left_out), columns):
                part = left_out[block]
                scores = LocalScores(models, take_rows(X, part), self.taxonomy)
                of_part = np.ones(len(part)) if weights is None else weights[part]
                yield HeldOut(outcomes, scores, nodes[part], of_part)
