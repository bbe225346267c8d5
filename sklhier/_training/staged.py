"""Training from the top down: every stage learns from held-out outputs of those above.

The stages are the levels of the taxonomy. The models of one are fitted once for each fold, and
predict the held-out samples; then they are fitted to all samples. The stages below learn from
the held-out outputs, which are like those that they will meet.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from sklhier._folds.folds import Folds, Splits
from sklhier._local.extra_features import ExtraFeatures, extra_features
from sklhier._local.fitting import fit_problems, hold_out_problems
from sklhier._local.jobs import Job, Jobs, Query
from sklhier._local.keys import Kind, ModelKey, level_of
from sklhier._local.model import Models, Upstream
from sklhier._local.outputs import outputs_of
from sklhier._local.problem import REST, LocalProblem
from sklhier._training.routing import HeldOutOutputs, HeldOutScores, Router
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Bools, Floats, Rows
from sklhier._utils.warning import warn_caller
from sklhier.exceptions import RareClassWarning
from sklhier.staging import Chain, Routing
from sklhier.taxonomy import Taxonomy

__all__ = ["Stages", "Staging"]


@dataclass(frozen=True)
class Staging:
    """The dependence of stages on those above.

    Attributes
    ----------
    chain : Chain or None
        The outputs of the models above that a model sees.
    routing : Routing
        The samples that a model learns from.
    split : callable
        ``split(rows)`` returns the folds of some samples, as positions within `rows`.
    weights : ndarray of float64, shape (n_samples,), or None
        Weights of all samples.
    """

    chain: Chain | None
    routing: Routing
    split: Callable[[Rows], Splits]
    weights: Floats | None = None

    @property
    def needs_held_out(self) -> bool:
        """Whether models predict samples that they were not fitted on."""
        if self.routing.needs_held_out:
            return True
        return self.chain is not None and self.chain.training == "out_of_fold"


def _upstream_keys(
    problems: list[LocalProblem], taxonomy: Taxonomy, see: str
) -> dict[ModelKey, list[ModelKey]]:
    """Return the keys of the models above each problem, from the top."""
    # Keys of levels sort by level. Models of levels see levels, all others see those of nodes.
    levels = sorted(problem.key for problem in problems if problem.key.kind == Kind.LEVEL)
    decides = _deciders(problems, taxonomy)
    upstream = {}
    for problem in problems:
        key = problem.key
        if key.kind == Kind.LEVEL:
            above = [other for other in levels if other < key]
            upstream[key] = above if see == "all" else above[-1:]
            continue
        nodes = (
            taxonomy.parents_of(key.number) if key.kind == Kind.NODE else np.array([key.number])
        )
        if see == "all":  # sorted ids are in the order of levels, from the top
            nodes = np.unique(taxonomy.ancestors_of(nodes).indices)
        found = [decides[node] for node in nodes.tolist() if node in decides]
        upstream[key] = list(dict.fromkeys(found))
    return upstream


def _deciders(problems: list[LocalProblem], taxonomy: Taxonomy) -> dict[int, ModelKey]:
    """Return the key of the model that decides about each node.

    Where samples may have several labels, a model of a level decides about the nodes of its level,
    and a stop about none.
    """
    decides: dict[int, ModelKey] = {}
    for problem in problems:
        key, outcomes = problem.key, problem.outcomes
        if key.kind == Kind.LEVEL:
            outcomes = outcomes[taxonomy.depths[outcomes] == key.number]
        elif key.kind == Kind.STOP:
            continue
        elif key.kind == Kind.PARENT:
            outcomes = outcomes[outcomes != key.number]  # to stop there is no other node
        decides |= dict.fromkeys(outcomes[outcomes != REST].tolist(), key)
    return decides


def _true_outputs(problem: LocalProblem, rows: Rows) -> Floats:
    """Return 1 for the true outcome of each sample, the rest class for samples of other problems."""
    table = np.zeros((len(rows), len(problem.outcomes)))
    own = np.searchsorted(rows, problem.rows)  # all rows of the problem are among those queried
    if problem.codes.ndim == 2:
        table[own] = problem.codes
        return table
    if problem.has_rest:
        table[:, 0] = 1.0
        table[own, 0] = 0.0
    table[own, problem.codes] = 1.0
    return table


def _positive_share(problem: LocalProblem, weights: Floats) -> float:
    """Return the share of samples, by weight, that are not of the rest class."""
    if not problem.has_rest:
        return 1.0
    own = weights[problem.rows]
    if problem.weights is not None:
        own = own * problem.weights
    return float(np.average(problem.codes != 0, weights=own))


class Stages:
    """The stages of one strategy, trained from the top down.

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
    staging : Staging
        How stages depend on each other.
    folds : Folds or None
        Folds of `rows`, if models predict held-out samples.
    router : Router or None
        Where samples go, unless each model learns from the samples of its own node alone.

    Attributes
    ----------
    models : dict of ModelKey to LocalModel
    sizes : list of (key, n_rows, n_outcomes)
        Of all problems.
    seconds : dict of ModelKey to float
        Time of the fits, those of the folds included.
    notes : dict of ModelKey to str
        What the report tells of models beside the type of the estimator.
    """

    def __init__(
        self,
        jobs: Jobs,
        X: Any,
        problems: Iterable[LocalProblem],
        rows: Rows,
        staging: Staging,
        folds: Folds | None,
        router: Router | None,
    ) -> None:
        self._jobs = jobs
        self._X = X
        self._rows = rows
        self._weights = np.ones(len(rows)) if staging.weights is None else staging.weights[rows]
        self._chain = staging.chain
        self._router = router
        self._folds = folds
        self._taxonomy = jobs.context.taxonomy
        self._problems = list(problems)
        self._upstream = (
            _upstream_keys(self._problems, self._taxonomy, self._chain.see) if self._chain else {}
        )
        # The samples of all problems that see a model: its outputs are needed for them.
        self._downstream: dict[ModelKey, list[Rows]] = {}
        for problem in self._problems:
            for key in self._upstream.get(problem.key, ()):
                self._downstream.setdefault(key, []).append(problem.rows)
        self.models: Models = {}
        self.seconds: dict[ModelKey, float] = {}
        self.notes: dict[ModelKey, str] = {}
        self.sizes: list[tuple[ModelKey, int, int]] = []
        self._shown: dict[ModelKey, HeldOutOutputs] = {}  # what the chain shows of each model
        self._sent_by: dict[ModelKey, HeldOutOutputs] = {}  # what samples are sent down by
        self._rare: list[Hashable] = []

    def train(self) -> Self:
        """Fit the models of all stages."""
        # A model sees those of higher levels alone, so that a level can be fitted in parallel.
        by_level: dict[int, list[LocalProblem]] = {}
        for problem in self._problems:
            by_level.setdefault(level_of(problem.key, self._taxonomy), []).append(problem)
        for level in sorted(by_level):
            self._train_stage(by_level[level], is_last=level == max(by_level))
        if self._rare:
            warn_caller(RareClassWarning.in_one_fold(self._rare))
        return self

    def _train_stage(self, stage: list[LocalProblem], *, is_last: bool) -> None:
        if self._router:
            stage = [self._router.routed(problem) for problem in stage]
        self.sizes += [(p.key, len(p.rows), len(p.outcomes)) for p in stage]
        open_ = [problem for problem in stage if not problem.is_trivial]
        self._fit(open_)
        sends = self._router is not None and not is_last  # below the last level nobody arrives
        self._store_outputs(open_, sends=sends)
        if self._router is not None and sends:
            scores = HeldOutScores(len(self._rows), self.models, self._sent_by)
            self._router.send_down(stage, scores)

    def _sources(self, problem: LocalProblem) -> tuple[ModelKey, ...]:
        """Return the fitted models that the model of a problem sees."""
        return tuple(key for key in self._upstream.get(problem.key, ()) if key in self.models)

    def _extra(self, problem: LocalProblem, rows: Rows) -> ExtraFeatures | None:
        """Return the extra features of a problem in training, for samples at positions."""
        sources = self._sources(problem)
        if self._chain is None or not sources:
            return None
        shown = [(self.models[key], self._shown[key].at(rows)) for key in sources]
        return extra_features(self._chain, shown)

    def _job(self, problem: LocalProblem) -> Job:
        return self._jobs.job(problem.among(self._rows), self._extra(problem, problem.rows))

    def _fit(self, problems: list[LocalProblem]) -> None:
        def jobs() -> Iterator[Job]:
            for problem in problems:
                job = self._job(problem)
                if job.note:
                    self.notes[problem.key] = job.note
                yield job

        fitted = fit_problems(self._X, jobs(), self._jobs.context)
        for problem, (model, seconds) in zip(problems, fitted, strict=True):
            sources = self._sources(problem)
            upstream = Upstream(sources, self._chain) if self._chain and sources else None
            # Routing changes how frequent a node's own samples are in training, which evidence
            # for the node has to be corrected for.
            share = _positive_share(problem, self._weights) if self._router else 1.0
            self.models[model.key] = replace(model, upstream=upstream, positive_share=share)
            self.seconds[model.key] = seconds

    # -- outputs for the stages below -----------------------------------------------------

    def _queried(self, problem: LocalProblem) -> Rows:
        """Return the samples for which stages below need the outputs of a model."""
        parts = [problem.rows, *self._downstream.get(problem.key, ())]
        if self._router:
            parts.append(self._router.rows_at(problem))
        return np.unique(np.concatenate(parts))

    def _store_outputs(self, problems: list[LocalProblem], *, sends: bool) -> None:
        """Store the outputs of a stage that those below see, or by which samples are sent down."""
        chain, queries = self._chain, []
        # A chain may show one method and routing read another: both come from the same fits.
        shows_held_out = chain is not None and chain.training == "out_of_fold"
        for problem in problems:
            is_shown = problem.key in self._downstream
            methods = [self.models[problem.key].method] if sends else []
            if chain is not None and is_shown and shows_held_out:
                methods.append(chain.method)
            if is_shown or sends:
                queries.append((problem, self._queried(problem), tuple(dict.fromkeys(methods))))
        tables = self._held_out(queries)
        for problem, rows, _ in queries:
            key = problem.key
            if sends:
                self._sent_by[key] = HeldOutOutputs(rows, tables[key, self.models[key].method])
            if chain is not None and key in self._downstream:
                self._show(chain, problem, rows, tables)

    def _show(
        self,
        chain: Chain,
        problem: LocalProblem,
        rows: Rows,
        held_out: dict[tuple[ModelKey, str], Floats],
    ) -> None:
        """Store what a chain shows of a model, and the unit of its outputs."""
        key = problem.key
        if chain.training == "out_of_fold":
            table = held_out[key, chain.method]
        elif chain.training == "true":
            table = _true_outputs(problem, rows)
        else:
            X = take_rows(self._X, self._rows[rows])
            table = outputs_of(self.models[key], X, self._extra(problem, rows), chain.method)
        self._shown[key] = HeldOutOutputs(rows, table)
        # Of training outputs, and kept: prediction must divide by the same number.
        unit = chain.unit_of(chain.shown(table), self._weights[rows])
        self.models[key] = replace(self.models[key], unit=unit)

    def _held_out(
        self, queries: list[tuple[LocalProblem, Rows, tuple[str, ...]]]
    ) -> dict[tuple[ModelKey, str], Floats]:
        """Return outputs, by model and method, for samples that the models were not fitted on."""
        tables: dict[tuple[ModelKey, str], Floats] = {}
        fits = []
        for problem, rows, methods in queries:
            for method in methods:
                tables[problem.key, method] = np.zeros((len(rows), len(problem.outcomes)))
            extra = self._extra(problem, rows) if methods else None
            for part in self._fold_problems(problem, rows) if methods else ():
                if part.problem is None:
                    for method in methods:
                        tables[problem.key, method][part.positions] = part.constants
                    continue
                own = None if extra is None else extra.at(part.positions)
                query = Query(self._rows[rows[part.positions]], own, methods)
                fits.append((part, self._job(part.problem), query))
        # The folds of all models of a stage are one batch of parallel work.
        jobs = ((job, query) for _, job, query in fits)
        outputs = hold_out_problems(self._X, jobs, self._jobs.context)
        for (part, job, query), (of_query, seconds) in zip(fits, outputs, strict=True):
            key = job.problem.key
            self.seconds[key] += seconds
            for method in query.methods:
                tables[key, method][part.positions] = part.expand(of_query[method], method)
        return tables

    def _fold_problems(self, problem: LocalProblem, rows: Rows) -> Iterator[_FoldProblem]:
        """Yield what each fold can learn of a problem, for the samples it holds out."""
        folds = self._folds
        assert folds is not None
        held_out, own = folds.held_out_by[rows], folds.held_out_by[problem.rows]
        for number, trains in enumerate(folds.trains):
            positions = np.flatnonzero(held_out == number)
            if not positions.size:
                continue
            part = _FoldProblem.of(problem, trains[problem.rows], positions)
            # Outcomes that occur in this fold alone are never known when they are held out.
            if problem.codes.ndim == 1:
                lost = np.setdiff1d(problem.codes[own == number], part.known)
                self._rare += [
                    self._taxonomy.nodes[node] for node in problem.outcomes[lost] if node > 0
                ]
            yield part


@dataclass(frozen=True)
class _FoldProblem:
    """The part of a problem that one fold can learn.

    Attributes
    ----------
    positions : ndarray of intp
        The samples it holds out, as positions among those queried.
    problem : LocalProblem or None
        What it learns; None if there is nothing to tell apart.
    known : ndarray of intp
        The outcomes that this is about, as positions among all of them.
    constants : ndarray of float64, shape (k,)
        Probabilities of outcomes that it need not, or cannot, learn.
    is_multi_output : bool
        Whether each outcome of the whole problem is decided by itself.
    """

    positions: Rows
    problem: LocalProblem | None
    known: Rows
    constants: Floats
    is_multi_output: bool

    @classmethod
    def of(cls, problem: LocalProblem, is_inside: Bools, positions: Rows) -> Self:
        """Return the part, given which samples of the problem the fold trains on."""
        codes, outcomes = problem.codes[is_inside], problem.outcomes
        is_multi_output = codes.ndim == 2
        if is_multi_output:
            # Without any sample of the problem nothing is known of an outcome: 1/2.
            constants = codes.mean(axis=0) if len(codes) else np.full(len(outcomes), 0.5)
            varies = (constants > 0) & (constants < 1) & (len(codes) > 0)
            known = np.flatnonzero(varies)
            learnt, own = outcomes[known], codes[:, known]
            if len(known) == 1:  # an ordinary problem with two classes
                learnt, own = np.append(np.int32(REST), learnt), own[:, 0]
        else:
            known, own = np.unique(codes, return_inverse=True)
            learnt = outcomes[known]
            # Without any sample of the problem all outcomes are equally probable.
            even = known if len(known) else np.arange(len(outcomes))
            constants = np.zeros(len(outcomes))
            constants[even] = 1 / len(even)
        if len(learnt) < 2:
            return cls(positions, None, known, constants, is_multi_output)
        weights = None if problem.weights is None else problem.weights[is_inside]
        part = LocalProblem(problem.key, learnt, problem.rows[is_inside], own, weights)
        return cls(positions, part, known, constants, is_multi_output)

    def expand(self, outputs: Floats, method: str) -> Floats:
        """Return outputs for the outcomes that the fold knows as outputs for all outcomes.

        An outcome that it does not know has probability 0, or the lowest decision score.
        """
        table = np.tile(self.constants, (len(outputs), 1))
        if not self.is_multi_output:
            lowest = outputs.min(axis=1, keepdims=True)
            table[:] = lowest if method == "decision_function" else 0.0
        table[:, self.known] = outputs[:, -len(self.known) :]
        return table
