"""Training of the local models of a strategy, on all rows or on folds of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, Self, TypeVar

import numpy as np
from scipy import sparse

from sklhier._folds.folds import Folds, Splits
from sklhier._local.calls import ModelCalls
from sklhier._local.fitting import fit_problems
from sklhier._local.jobs import NO_VALIDATION, Job, Jobs
from sklhier._local.keys import Kind, ModelKey, level_of, name_of
from sklhier._local.model import LocalModel, Models
from sklhier._local.outputs import conditional
from sklhier._local.problem import LocalProblem
from sklhier._local.scores import LocalScores
from sklhier._probabilities.marginals import HeldOutPaths
from sklhier._probabilities.sets import HeldOutSets
from sklhier._training.calibration import Gathered
from sklhier._training.fixed_rows import FixedRows, samples_of
from sklhier._training.marginals import (
    PathModels,
    SetModels,
    observed_nodes,
)
from sklhier._training.routing import Router
from sklhier._training.staged import Stages, Staging
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier._utils.warning import warn_caller
from sklhier.calibration import AnswerCalibrator
from sklhier.exceptions import IncompatiblePartsError, RareClassWarning, quoted
from sklhier.strategies import HeldOut, Memberships, SetStrategy, Strategy
from sklhier.strategies._member import Member
from sklhier.taxonomy import Taxonomy

__all__ = ["FitReport", "Fold", "HeldOutPass", "PathTrainer", "SetTrainer", "fit_batch"]

T = TypeVar("T")  # what is fitted to a fold

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


@dataclass(frozen=True)
class FitReport:
    """The fits of one strategy, an entry for each local problem.

    Attributes
    ----------
    keys : list of ModelKey
    n_rows, n_outcomes : ndarray of int64
        Sizes of the problems.
    seconds : ndarray of float64
        Time of the fits; 0 where nothing was fitted.
    fitted : ndarray of str
        Type of the estimator, with a note where it is another than asked for, or why there is none.
    """

    keys: list[ModelKey]
    n_rows: Rows
    n_outcomes: Rows
    seconds: Floats
    fitted: np.ndarray[Any, Any]

    @classmethod
    def of(
        cls,
        sizes: list[tuple[ModelKey, int, int]],
        models: Models,
        seconds: dict[ModelKey, float],
        notes: dict[ModelKey, str],
    ) -> FitReport:
        """Return the report of problems, given as ``(key, n_rows, n_outcomes)``."""
        fitted = [
            type(models[key].estimator).__name__ + (f": {notes[key]}" if notes.get(key) else "")
            if key in seconds
            else ("constant: one outcome" if n_outcomes == 1 else "nothing: no rows")
            for key, _, n_outcomes in sizes
        ]
        keys = [key for key, _, _ in sizes]
        n_rows, n_outcomes = np.array([s[1:] for s in sizes], dtype=np.int64).reshape(-1, 2).T
        times = np.array([seconds.get(key, 0.0) for key in keys])  # 0 where nothing was fitted
        return cls(keys, n_rows, n_outcomes, times, np.array(fitted, dtype=np.str_))

    def records(self, names: list[Hashable], taxonomy: Taxonomy) -> np.ndarray[Any, Any]:
        """Return a record for each problem, given the names of the models."""
        records = np.empty(len(self.keys), dtype=_REPORT_DTYPE)
        records["node"][:] = np.fromiter(names, dtype=object, count=len(names))
        records["level"] = [level_of(key, taxonomy) for key in self.keys]
        for name in ("n_rows", "n_outcomes", "seconds", "fitted"):
            records[name] = getattr(self, name)
        return records


class HeldOutPass(Generic[T]):
    """The models of all folds, fitted once whatever reads their held-out predictions.

    Parameters
    ----------
    train : callable
        ``train(member, rows)`` returns the models of a part of the strategy, fitted to some samples.
    rows : ndarray of intp
        The samples that are learnt from.
    folds : list of (train, test)
        Positions within `rows`.
    keep : bool
        Whether to keep the models, for a second reader. One reader needs those of one fold at a time.
    """

    def __init__(
        self, train: Callable[[int, Rows], T], rows: Rows, folds: Splits, *, keep: bool
    ) -> None:
        self._train = train
        self._rows = rows
        self._folds = folds
        self._kept: dict[tuple[int, int], T] | None = {} if keep else None
        self._read: Callable[[int, Rows, int], T] | None = None

    def changed(self, change: Callable[[int, T], T]) -> HeldOutPass[T]:
        """Return the pass with its models changed when they are read, ``change(member, models)``.

        Fits are shared: no model is fitted again.
        """
        other = copy(self)
        other._read = lambda number, inside, member: change(
            member, self._models(number, inside, member)
        )
        return other

    def of_members(self, members: Sequence[int]) -> HeldOutPass[T]:
        """Return the pass of some parts of the strategy, by their positions, with the same fits."""
        other = copy(self)
        other._read = lambda number, inside, member: self._models(number, inside, members[member])
        return other

    def folds(self) -> Iterator[Fold[T]]:
        """Yield the folds, whose models are fitted when they are asked for."""
        for number, (train, test) in enumerate(self._folds):
            # Sorted: some base estimators mind the order of rows, and splitters may shuffle.
            inside, left_out = self._rows[np.sort(train)], self._rows[np.sort(test)]
            yield Fold(inside, left_out, partial(self._models, number, inside))

    def _models(self, number: int, inside: Rows, member: int) -> T:
        read = self._fitted if self._read is None else self._read
        return read(number, inside, member)

    def _fitted(self, number: int, inside: Rows, member: int) -> T:
        if self._kept is None:
            return self._train(member, inside)
        if (number, member) not in self._kept:
            self._kept[number, member] = self._train(member, inside)
        return self._kept[number, member]


@dataclass(frozen=True)
class Fold(Generic[T]):
    """One fold of a pass.

    Attributes
    ----------
    inside, left_out : ndarray of intp
        Positions of the samples that it trains on, and of those it holds out, ascending.
    models : callable
        ``models(member)`` returns the models of a part of the strategy.
    """

    inside: Rows
    left_out: Rows
    models: Callable[[int], T]


@dataclass(frozen=True)
class _Trainer:
    """Training of local models.

    Attributes
    ----------
    jobs : Jobs
        Makes jobs of problems.
    X : array-like
        All samples.
    weights : ndarray of float64, shape (n_samples,), or None
        Weights of the samples.
    staging : Staging or None
        How models depend on those above them, if they do.
    fixed : FixedRows, default=None
        The last rows of X, if they are no samples.
    """

    jobs: Jobs
    X: Any
    weights: Floats | None
    staging: Staging | None
    fixed: FixedRows | None = field(default=None, kw_only=True)

    @property
    def taxonomy(self) -> Taxonomy:
        return self.jobs.context.taxonomy

    def _train(
        self,
        jobs: Jobs,
        problems: Iterable[LocalProblem],
        rows: Rows,
        plan: Callable[[Any], Iterable[LocalProblem]],
        router: Router | None = None,
    ) -> tuple[Models, FitReport]:
        """Fit the models of one strategy; rows of the problems are positions in `rows`.

        `plan` returns its problems among other targets, those of validation sets.
        """
        jobs = jobs.planned(plan)
        if self.fixed is not None:
            problems = self.fixed.cut(problems, rows)
        if self.staging is None:
            return fit_models(jobs, self.X, problems, rows)
        folds = None
        if self.staging.needs_held_out:
            folds = Folds.of(self.staging.split(rows), len(rows))
        stages = Stages(jobs, self.X, problems, rows, self.staging, folds, router).train()
        report = FitReport.of(stages.sizes, stages.models, stages.seconds, stages.notes)
        return stages.models, report

    def samples_of(self, rows: Rows) -> Rows:
        """Return those of some ascending rows that are samples."""
        return samples_of(rows, self.fixed)

    def weighted(self, weights: Floats | None) -> Self:
        """Return the trainer with other weights of all rows."""
        return replace(self, jobs=self.jobs.weighted(weights), weights=weights)

    def weights_of(self, rows: Rows) -> Floats:
        return np.ones(len(rows)) if self.weights is None else self.weights[rows]


def fit_models(
    jobs: Jobs,
    X: Any,
    problems: Iterable[LocalProblem],
    rows: Rows,
    *,
    method: str = "fit",
    known: Models | None = None,
) -> tuple[Models, FitReport]:
    """Fit the models of local problems that do not depend on each other.

    Parameters
    ----------
    jobs : Jobs
        Makes jobs of problems.
    X : array-like
        Samples.
    problems : iterable of LocalProblem
        What is learnt; their rows are positions in `rows`.
    rows : ndarray of intp
        Positions of the samples to learn from, ascending.
    method : {"fit", "partial_fit"}, default="fit"
        The method that is called.
    known : dict of ModelKey to LocalModel, default=None
        Models that go on learning.
    """
    sizes: list[tuple[ModelKey, int, int]] = []
    known = {} if known is None else known
    notes: dict[ModelKey, str] = {}

    def open_jobs() -> Iterator[Job]:
        for problem in problems:
            sizes.append((problem.key, len(problem.rows), len(problem.outcomes)))
            if problem.is_trivial:
                continue
            job = jobs.job(problem.among(rows), known=known.get(problem.key))
            if method == "partial_fit":  # a batch need not hold all of them
                classes = {"classes": np.arange(len(problem.outcomes))}
                job = replace(job, whole=job.whole | classes)
            if job.note:
                notes[problem.key] = job.note
            yield job

    fitted = fit_problems(X, open_jobs(), jobs.context, method=method)
    models = known | {model.key: model for model, _ in fitted}
    _warn_of_lacking_validation(notes, jobs.context.taxonomy)
    took = {model.key: seconds for model, seconds in fitted}
    return models, FitReport.of(sizes, models, took, notes)


def _warn_of_lacking_validation(notes: dict[ModelKey, str], taxonomy: Taxonomy) -> None:
    lacking = [name_of(key, taxonomy) for key, note in notes.items() if NO_VALIDATION in note]
    if lacking:
        warn_caller(
            f"{len(lacking)} model(s) have no row in a validation set: {quoted(lacking)}. They were "
            "validated on their own training rows, so early stopping has no effect; see "
            "`fit_report_`.",
            RareClassWarning,
        )


def base_of(strategy: object) -> tuple[str, Any] | None:
    """Return the name of the base estimator that a strategy has of its own, and that estimator."""
    return (strategy.base_name, strategy.estimator) if isinstance(strategy, Member) else None


def fit_batch(
    jobs: Jobs,
    X: Any,
    rows: Rows,
    strategies: Iterable[Any],
    parts: Iterable[tuple[Iterable[LocalProblem], Models]],
) -> tuple[list[Models], list[FitReport]]:
    """Fit the models of all parts of a strategy to one more batch.

    Parameters
    ----------
    jobs, X, rows
        As in :func:`fit_models`.
    strategies : iterable of Strategy or SetStrategy
        The parts of the strategy.
    parts : iterable of (problems, models)
        The problems of each part, and its models so far.
    """
    fits = [
        fit_models(
            jobs.of_member(i, base_of(strategy)),
            X,
            problems,
            rows,
            method="partial_fit",
            known=known,
        )
        for i, (strategy, (problems, known)) in enumerate(zip(strategies, parts, strict=True))
    ]
    return [models for models, _ in fits], [report for _, report in fits]


@dataclass(frozen=True)
class PathTrainer(_Trainer):
    """Training where a sample has one path.

    Attributes
    ----------
    nodes : ndarray of int32, shape (n_samples,)
        The node of each label.
    class_ids : ndarray of int32
        Ids of the nodes that occur as labels, in the order of the classes.
    """

    nodes: NodeIds
    class_ids: NodeIds

    def observed(self, rows: Rows) -> NodeIds:
        """Return the labels that occur among some samples, in the order of the classes."""
        return self.class_ids[np.isin(self.class_ids, self.nodes[rows])]

    def train(self, strategy: Strategy, member: int, rows: Rows) -> tuple[Models, FitReport]:
        """Fit the models of a part of the strategy to some samples."""
        taxonomy = self.taxonomy
        outcomes = strategy.outcomes(taxonomy, self.observed(rows))
        if self.fixed is not None:
            rows = self.fixed.known(rows, outcomes.observed)
        nodes = self.nodes[rows]
        router = None
        if self.staging is not None and self.staging.routing.needs_held_out:
            router = Router(self.staging.routing, strategy, taxonomy, outcomes, nodes)

        def plan(others: NodeIds) -> Iterator[LocalProblem]:
            known = np.flatnonzero(np.isin(others, outcomes.classes))
            for problem in strategy.plan(taxonomy, outcomes, others[known]):
                yield problem.among(known)

        problems = strategy.plan(taxonomy, outcomes, nodes)
        jobs = self.jobs.of_member(member, base_of(strategy))
        return self._train(jobs, problems, rows, plan, router)

    def train_parts(self, strategy: Strategy, rows: Rows) -> tuple[list[Models], list[FitReport]]:
        """Fit the models of all parts of the strategy to some samples."""
        fits = [self.train(part, i, rows) for i, part in enumerate(strategy.parts())]
        return [models for models, _ in fits], [report for _, report in fits]

    def held_out_scores(
        self, held_out: HeldOutPass[Models], strategy: Strategy, member: int
    ) -> Iterator[HeldOut]:
        """Yield blocks of held-out samples with the scores of one part of the strategy."""
        for fold in held_out.folds():
            # The outcomes of the fold: what its training part lacks its models do not know.
            models = fold.models(member)
            outcomes = strategy.outcomes(self.taxonomy, self.observed(fold.inside))
            columns = strategy.columns_per_row(self.taxonomy, outcomes, all_nodes=True)
            for block in row_blocks(len(fold.left_out), columns):
                part = fold.left_out[block]
                scores = LocalScores(models, take_rows(self.X, part), self.taxonomy)
                yield HeldOut(outcomes, scores, self.nodes[part], self.weights_of(part))

    def held_out_outputs(
        self, held_out: HeldOutPass[Models], strategy: Strategy, member: int, rows: Rows
    ) -> dict[ModelKey, Gathered]:
        """Return the held-out outputs of each model of a part of the strategy, fitted to `rows`."""
        outcomes = strategy.outcomes(self.taxonomy, self.observed(rows))
        gathered: dict[ModelKey, Gathered] = {}
        for fold in held_out.folds():
            if not fold.left_out.size:
                continue
            models = fold.models(member) if fold.inside.size else {}
            calls = ModelCalls(models, take_rows(self.X, fold.left_out), self.taxonomy)
            weights = self.weights_of(fold.left_out)
            for problem in strategy.plan(self.taxonomy, outcomes, self.nodes[fold.left_out]):
                if len(problem.outcomes) > 1:
                    own = gathered.setdefault(problem.key, Gathered(problem.outcomes))
                    _gather(own, problem, models.get(problem.key), calls, weights)
        return gathered

    def held_out_marginals(
        self,
        held_out: HeldOutPass[Models],
        strategy: Strategy,
        calibration: AnswerCalibrator | None = None,
    ) -> Iterator[HeldOutPaths]:
        """Yield blocks of held-out samples with the marginals of the whole strategy."""
        for fold in held_out.folds():
            if not fold.inside.size:  # all its rows have the weight 0
                continue
            observed = self.observed(fold.inside)
            models = [fold.models(member) for member in range(len(strategy.parts()))]
            outcomes = strategy.outcomes(self.taxonomy, observed)
            fitted = PathModels(strategy, models, self.taxonomy, outcomes, calibration=calibration)
            for block in row_blocks(len(fold.left_out), fitted.columns_per_row(all_nodes=True)):
                part = fold.left_out[block]
                marginals = fitted.marginals(take_rows(self.X, part))
                yield HeldOutPaths(marginals, self.nodes[part], self.weights_of(part))


@dataclass(frozen=True)
class SetTrainer(_Trainer):
    """Training where a sample may have several labels.

    Attributes
    ----------
    closed : csr_array, shape (n_samples, n_nodes)
        The nodes of each sample with their ancestors, the root left out.
    """

    closed: sparse.csr_array

    def train(self, strategy: SetStrategy, member: int, rows: Rows) -> tuple[Models, FitReport]:
        """Fit the models of a part of the strategy to some samples."""
        members = Memberships(self.closed[rows], self.taxonomy)
        jobs = self.jobs.of_member(member, base_of(strategy))
        problems = strategy.plan_sets(members, jobs.learns_jointly)

        def plan(others: sparse.csr_array) -> Iterable[LocalProblem]:
            return strategy.plan_sets(
                Memberships(others, self.taxonomy, incremental=True), lambda _: False
            )

        return self._train(jobs, problems, rows, plan)

    def train_parts(
        self, strategy: SetStrategy, rows: Rows
    ) -> tuple[list[Models], list[FitReport]]:
        """Fit the models of all parts of the strategy to some samples."""
        fits = [self.train(part, i, rows) for i, part in enumerate(strategy.set_parts())]
        return [models for models, _ in fits], [report for _, report in fits]

    def held_out_outputs(
        self,
        held_out: HeldOutPass[Models],
        strategy: SetStrategy,
        member: int,
        models: Models | None = None,
    ) -> dict[ModelKey, Gathered]:
        """Return the held-out outputs for each node that `models` of all rows decide about.

        Without `models` for each node that models of folds do.
        """
        decided = set(range(1, self.taxonomy.n_nodes))
        if models is not None:
            decided = {n for model in models.values() for n in model.outcomes.tolist() if n > 0}
        gathered: dict[ModelKey, Gathered] = {}
        for fold in held_out.folds():
            if not fold.left_out.size:
                continue
            own_models = fold.models(member) if fold.inside.size else {}
            calls = ModelCalls(own_models, take_rows(self.X, fold.left_out), self.taxonomy)
            tables = {
                key: calls.outputs(key, model.method, None) for key, model in own_models.items()
            }
            deciders = {
                node: (model, column)
                for model in own_models.values()
                for column, node in enumerate(model.outcomes.tolist())
                if node > 0
            }
            weights = self.weights_of(fold.left_out)
            # Every node by itself, also one that all of these samples have, or none.
            members = Memberships(self.closed[fold.left_out], self.taxonomy, incremental=True)
            for problem in strategy.plan_sets(members, lambda _: False):
                node = int(problem.outcomes[-1])
                if node in decided and len(problem.outcomes) == 2:
                    own = gathered.setdefault(
                        ModelKey(Kind.NODE, node), Gathered(problem.outcomes)
                    )
                    _gather_node(own, problem, deciders.get(node), tables, weights)
        return gathered

    def held_out_marginals(
        self, held_out: HeldOutPass[Models], strategy: SetStrategy, consistency: str
    ) -> Iterator[HeldOutSets]:
        """Yield blocks of held-out samples with the probabilities of the whole strategy."""
        for fold in held_out.folds():
            if not fold.inside.size:  # all its rows have the weight 0
                continue
            observed = observed_nodes(self.closed[fold.inside])
            models = [fold.models(member) for member in range(len(strategy.set_parts()))]
            fitted = SetModels(strategy, models, self.taxonomy, observed, consistency)
            for block in row_blocks(len(fold.left_out), fitted.columns_per_row()):
                part = fold.left_out[block]
                marginals = fitted.marginals(take_rows(self.X, part))
                closed = sparse.csr_array(self.closed[part])
                yield HeldOutSets(marginals, closed, self.weights_of(part))


def _gather(
    gathered: Gathered,
    problem: LocalProblem,
    model: LocalModel | None,
    calls: ModelCalls,
    weights: Floats,
) -> None:
    """Add the outputs of a fold's model for the rows of a problem whose outcome it knows."""
    if model is None or _of_another_kind(gathered, model):
        gathered.n_dropped += len(problem.rows)
        return
    is_known = np.isin(problem.outcomes, model.outcomes)
    keep = np.flatnonzero(is_known[problem.codes])
    gathered.n_dropped += len(problem.codes) - len(keep)
    if not len(keep):
        return
    rows, codes = problem.rows[keep], problem.codes[keep]
    own = calls.outputs(model.key, model.method, rows)
    proba = conditional(model.link.proba(own), model.outcomes, model.outcomes)
    # An outcome that the fold does not know has probability 0, or the lowest decision score.
    is_scored = model.method == "decision_function"
    lowest = own.min(axis=1, keepdims=True) if is_scored else np.zeros((len(rows), 1))
    outputs = np.repeat(lowest, len(is_known), axis=1)
    outputs[:, is_known] = own
    position = np.cumsum(is_known) - 1
    gathered.add(outputs, codes, weights[rows], proba[np.arange(len(rows)), position[codes]])


def _gather_node(
    gathered: Gathered,
    problem: LocalProblem,
    decider: tuple[LocalModel, int] | None,
    tables: dict[ModelKey, Floats],
    weights: Floats,
) -> None:
    """Add the outputs for a node, not those against it."""
    rows = problem.rows
    if decider is None or _of_another_kind(gathered, decider[0]):
        gathered.n_dropped += len(rows)
        return
    model, column = decider
    outputs = tables[model.key][rows]
    if model.is_multi_output:
        proba = model.link.membership(outputs)[:, column]
        outputs = outputs[:, [column]]  # for two outcomes the last one tells all
    else:
        proba = conditional(model.link.proba(outputs), model.outcomes, model.outcomes)[:, 1]
    before = np.where(problem.codes == 1, proba, 1 - proba)
    gathered.add(outputs[:, -1:], problem.codes, weights[rows], before)


def _of_another_kind(gathered: Gathered, model: LocalModel) -> bool:
    """Whether the outputs of a model are not like those before, for a fold has another estimator."""
    if model.method == "predict":
        raise IncompatiblePartsError.needs(
            "calibration",
            "base estimators with predict_proba or decision_function",
            f"{type(model.estimator).__name__} has neither",
            "Use another base estimator, or calibration=None.",
        )
    gathered.method = gathered.method or model.method
    return gathered.method != model.method
