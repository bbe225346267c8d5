"""Training from the top down: every stage learns from held-out outputs of those above.

The stages are the levels of the taxonomy. The models of one are fitted once for each fold and asked
about the samples left out; then they are fitted to all samples. What they said of samples that
they had not seen is what the stages below learn from.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from sklhier._folds.folds import Folds, Splits
from sklhier._local import fitting
from sklhier._local.extra_features import Columns, columns_of
from sklhier._local.fitting import Job, Question
from sklhier._local.keys import Kind, place_of
from sklhier._local.model import LocalModel, View
from sklhier._local.outputs import outputs_of, scoring_method
from sklhier._local.problem import ELSEWHERE, LocalProblem
from sklhier._training.routing import Arrivals, Stored, StoredScores
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Bools, Floats, Rows
from sklhier.exceptions import RareClassWarning
from sklhier.staging import Chain
from sklhier.taxonomy import Taxonomy

__all__ = ["Staging", "train_in_stages"]


@dataclass(frozen=True)
class Staging:
    """How stages depend on those above.

    Attributes
    ----------
    chain : Chain or None
        What a model sees of the models above it.
    routing : str
        Which samples a model learns from, of :data:`sklhier.staging.ROUTINGS`.
    split : callable
        ``split(rows)`` returns the folds of some samples, as positions within `rows`.
    weights : ndarray of float64, shape (n_samples,), or None
        Weights of all samples.
    """

    chain: Chain | None
    routing: str
    split: Callable[[Rows], Splits]
    weights: Floats | None = None

    @property
    def needs_held_out(self) -> bool:
        """Whether models are to be asked about samples that they have not seen."""
        if self.routing in ("predicted", "weight"):
            return True
        return self.chain is not None and self.chain.training == "out_of_fold"


def _above(problems: list[LocalProblem], taxonomy: Taxonomy, see: str) -> dict[int, list[int]]:
    """Return the numbers of the places above the place of each problem, from the top."""
    places = {problem.owner: place_of(problem.owner, taxonomy) for problem in problems}
    decides: dict[tuple[int, int], int] = {}
    levels: dict[int, list[tuple[int, int]]] = {}
    for problem in problems:
        place = places[problem.owner]
        if place.kind is Kind.LEVEL:
            levels.setdefault(place.member, []).append((place.level, problem.owner))
            for node in problem.outcomes[
                taxonomy.depths[problem.outcomes] == place.level
            ].tolist():
                decides[place.member, node] = problem.owner
        elif place.kind is not Kind.STOP:
            own = place.index if place.kind is Kind.PARENT else ELSEWHERE
            for node in problem.outcomes.tolist():
                if node not in (ELSEWHERE, own):
                    decides[place.member, node] = problem.owner
    closure = taxonomy.ancestor_closure
    above: dict[int, list[int]] = {}
    for owner, place in places.items():
        if place.kind is Kind.LEVEL:
            found = [other for level, other in sorted(levels[place.member]) if level < place.level]
            above[owner] = found if see == "all" else found[-1:]
            continue
        homes = taxonomy.parents_of(place.index) if place.kind is Kind.NODE else [place.index]
        if see == "all":
            rows = [closure.indices[closure.indptr[v] : closure.indptr[v + 1]] for v in homes]
            homes = np.unique(np.concatenate(rows))
        keys = [(place.member, int(node)) for node in homes]
        above[owner] = list(dict.fromkeys(decides[key] for key in keys if key in decides))
    return above


def _truth(problem: LocalProblem, rows: Rows) -> Floats:
    """Return 1 for the true outcome of each sample, "not here" for samples of other problems."""
    table = np.zeros((len(rows), len(problem.outcomes)))
    found = np.searchsorted(rows, problem.rows)
    if problem.codes.ndim == 2:
        table[found] = problem.codes
        return table
    if problem.outcomes[0] == ELSEWHERE:
        table[:, 0] = 1.0
        table[found, 0] = 0.0
    table[found, problem.codes] = 1.0
    return table


def _share_here(problem: LocalProblem, weights: Floats) -> float:
    """Return the share of samples, by weight, whose outcome is not "not here"."""
    if problem.outcomes[0] != ELSEWHERE:
        return 1.0
    own = weights[problem.rows]
    if problem.weights is not None:
        own = own * problem.weights
    return float(np.average(problem.codes != 0, weights=own))


class _Stages:
    """The work of :func:`train_in_stages`, and what it finds on its way down."""

    def __init__(
        self,
        trainer: Any,
        X: Any,
        problems: list[LocalProblem],
        rows: Rows,
        staging: Staging,
        arrivals: Arrivals | None,
    ) -> None:
        self._trainer = trainer
        self._X = X
        self._rows = rows
        self._weights = np.ones(len(rows)) if staging.weights is None else staging.weights[rows]
        self._chain = staging.chain
        self._sends = staging.routing in ("predicted", "weight")
        self._arrivals = arrivals
        self._taxonomy: Taxonomy = trainer.taxonomy
        self._problems = problems
        self._folds = Folds.of(staging.split(rows), len(rows)) if staging.needs_held_out else None
        see = "all" if self._chain is None else self._chain.see
        self._above = _above(problems, self._taxonomy, see) if self._chain else {}
        self._below: dict[int, list[Rows]] = {}  # samples of the problems that see a place
        for problem in problems:
            for owner in self._above.get(problem.owner, ()):
                self._below.setdefault(owner, []).append(problem.rows)
        self.models: dict[int, LocalModel] = {}
        self.seconds: dict[int, float] = {}
        self.sizes: list[tuple[int, int, int]] = []
        self._shown: dict[int, Stored] = {}  # what the chain shows of each model
        self._scores: dict[int, Stored] = {}  # what samples are sent on by
        self._rare: list[Hashable] = []

    def run(self) -> None:
        by_level: dict[int, list[LocalProblem]] = {}
        for problem in self._problems:
            by_level.setdefault(place_of(problem.owner, self._taxonomy).level, []).append(problem)
        last = max(by_level, default=0)
        for level in sorted(by_level):
            stage = by_level[level]
            if self._arrivals:
                stage = [self._arrivals.routed(problem) for problem in stage]
            self.sizes += [(p.owner, len(p.rows), len(p.outcomes)) for p in stage]
            real = [p for p in stage if len(p.outcomes) > 1 and len(p.rows)]
            self._fit(real)
            sends = self._arrivals is not None and self._sends and level < last
            self._tell(real, sends=sends)
            if sends:
                scores = StoredScores(len(self._rows), self.models, self._scores)
                self._arrivals.go_on(stage, scores)  # type: ignore[union-attr]
        if self._rare:
            warnings.warn(RareClassWarning.in_one_fold(self._rare), stacklevel=5)

    def _views(self, problem: LocalProblem) -> tuple[int, ...]:
        return tuple(o for o in self._above.get(problem.owner, ()) if o in self.models)

    def _columns(self, problem: LocalProblem, rows: Rows) -> Columns | None:
        """Return what a model sees of those above it in training, for samples at positions."""
        owners = self._views(problem)
        if self._chain is None or not owners:
            return None
        shown = [(self.models[owner], self._shown[owner].at(rows)) for owner in owners]
        return columns_of(self._chain, shown, self._taxonomy)

    def _job(self, problem: LocalProblem) -> Job:
        return self._trainer.job(problem.among(self._rows), self._columns(problem, problem.rows))

    def _fit(self, problems: list[LocalProblem]) -> None:
        trainer = self._trainer
        fitted = fitting.fit_problems(
            self._X,
            map(self._job, problems),
            self._taxonomy,
            n_jobs=trainer.n_jobs,
            verbose=trainer.verbose,
        )
        for problem, (model, seconds) in zip(problems, fitted, strict=True):
            owners = self._views(problem)
            view = View(owners, self._chain) if self._chain and owners else None
            share = _share_here(problem, self._weights) if self._arrivals else 1.0
            self.models[model.owner] = replace(model, view=view, share_here=share)
            self.seconds[model.owner] = seconds

    def _asked(self, problem: LocalProblem) -> Rows:
        """Return the samples about which stages below want to know."""
        parts = [problem.rows, *self._below.get(problem.owner, ())]
        if self._arrivals:
            parts.append(self._arrivals.rows_at(problem))
        return np.unique(np.concatenate(parts))

    def _tell(self, problems: list[LocalProblem], *, sends: bool) -> None:
        """Store what stages below are to know of a stage: to be shown, and to be sent on by it."""
        told = [problem for problem in problems if sends or problem.owner in self._below]
        asked = {problem.owner: self._asked(problem) for problem in told}
        chain = self._chain
        wanted: dict[int, list[str]] = {problem.owner: [] for problem in told}
        for problem in told:
            owner = problem.owner
            if sends:
                wanted[owner].append(scoring_method(self.models[owner].estimator))
            if chain is None or owner not in self._below:
                continue
            if chain.training == "out_of_fold":
                wanted[owner].append(chain.method)
            elif chain.training == "true":
                self._shown[owner] = Stored(asked[owner], _truth(problem, asked[owner]))
            else:
                self._shown[owner] = self._of_seen(problem, asked[owner])
        tables = self._held_out([p for p in told if wanted[p.owner]], asked, wanted)
        for problem in told:
            owner, rows = problem.owner, asked[problem.owner]
            if sends:
                self._scores[owner] = Stored(rows, tables[owner, wanted[owner][0]])
            if chain is not None and owner in self._below:
                if chain.training == "out_of_fold":
                    self._shown[owner] = Stored(rows, tables[owner, chain.method])
                shown = chain.shown(self._shown[owner].table)
                unit = chain.unit_of(shown, self._weights[rows])
                self.models[owner] = replace(self.models[owner], unit=unit)

    def _of_seen(self, problem: LocalProblem, rows: Rows) -> Stored:
        """Return what a model says of samples that it was fitted to."""
        X = take_rows(self._X, self._rows[rows])
        columns = self._columns(problem, rows)
        model, method = self.models[problem.owner], self._chain.method  # type: ignore[union-attr]
        return Stored(rows, outputs_of(model, X, columns, method))

    def _held_out(
        self,
        problems: list[LocalProblem],
        asked: dict[int, Rows],
        wanted: dict[int, list[str]],
    ) -> dict[tuple[int, str], Floats]:
        """Return what models say, by method, of samples that they were not fitted to."""
        tables: dict[tuple[int, str], Floats] = {}
        parts = []
        for problem in problems:
            owner, rows = problem.owner, asked[problem.owner]
            methods = tuple(dict.fromkeys(wanted[owner]))
            for method in methods:
                tables[owner, method] = np.zeros((len(rows), len(problem.outcomes)))
            columns = self._columns(problem, rows)
            for part in self._parts(problem, rows):
                if part.problem is None:
                    for method in methods:
                        tables[owner, method][part.positions] = part.constants
                    continue
                question = Question(
                    self._rows[rows[part.positions]],
                    None if columns is None else columns.at(part.positions),
                    methods,
                )
                parts.append((part, self._job(part.problem), question))
        trainer = self._trainer
        answers = fitting.hold_out_problems(
            self._X,
            ((job, question) for _, job, question in parts),
            self._taxonomy,
            n_jobs=trainer.n_jobs,
            verbose=trainer.verbose,
        )
        for (part, job, question), (answer, seconds) in zip(parts, answers, strict=True):
            owner = job.problem.owner
            self.seconds[owner] += seconds
            for method in question.methods:
                tables[owner, method][part.positions] = part.spread(answer[method], method)
        return tables

    def _parts(self, problem: LocalProblem, rows: Rows) -> Iterator[_Part]:
        """Yield what each fold can learn of a problem, for the samples it leaves out."""
        folds = self._folds
        assert folds is not None
        left_out, own = folds.left_out_by[rows], folds.left_out_by[problem.rows]
        for number, trains in enumerate(folds.trains):
            positions = np.flatnonzero(left_out == number)
            if not positions.size:
                continue
            part = _Part.of(problem, trains[problem.rows], positions)
            if problem.codes.ndim == 1:
                lost = np.setdiff1d(problem.codes[own == number], part.known)
                self._rare += [
                    self._taxonomy.nodes[node] for node in problem.outcomes[lost] if node > 0
                ]
            yield part


@dataclass(frozen=True)
class _Part:
    """What one fold can learn of a problem.

    Attributes
    ----------
    positions : ndarray of intp
        The samples it leaves out, as positions among those asked about.
    problem : LocalProblem or None
        What it learns; None if there is nothing to tell apart.
    known : ndarray of intp
        The outcomes that this is about, as positions among all of them.
    constants : ndarray of float64, shape (k,)
        Probabilities of outcomes that it need not, or cannot, learn.
    is_joint : bool
        Whether each outcome of the whole problem is decided by itself.
    """

    positions: Rows
    problem: LocalProblem | None
    known: Rows
    constants: Floats
    is_joint: bool

    @classmethod
    def of(cls, problem: LocalProblem, is_inside: Bools, positions: Rows) -> Self:
        """Find it, given which samples of the problem the fold trains on."""
        codes, outcomes = problem.codes[is_inside], problem.outcomes
        is_joint = codes.ndim == 2
        if is_joint:
            constants = codes.mean(axis=0) if len(codes) else np.full(len(outcomes), 0.5)
            known = np.flatnonzero((constants > 0) & (constants < 1))
            told, own = outcomes[known], codes[:, known]
            if len(known) == 1:  # an ordinary problem with two classes
                told, own = np.append(np.int32(ELSEWHERE), told), own[:, 0]
        else:
            known, own = np.unique(codes, return_inverse=True)
            told = outcomes[known]
            even = known if len(known) else np.arange(len(outcomes))
            constants = np.zeros(len(outcomes))
            constants[even] = 1 / len(even)
        if len(told) < 2 or not len(codes):
            return cls(positions, None, known, constants, is_joint)
        weights = None if problem.weights is None else problem.weights[is_inside]
        learnt = LocalProblem(problem.owner, told, problem.rows[is_inside], own, weights)
        return cls(positions, learnt, known, constants, is_joint)

    def spread(self, answer: Floats, method: str) -> Floats:
        """Return answers about what the fold knows as answers about all outcomes."""
        of_known = answer[:, -len(self.known) :]
        table = np.tile(self.constants, (len(answer), 1))
        if not self.is_joint:
            lowest = answer.min(axis=1, keepdims=True)
            table[:] = lowest if method == "decision_function" else 0.0
        table[:, self.known] = of_known
        return table


def train_in_stages(
    trainer: Any,
    X: Any,
    problems: Iterable[LocalProblem],
    rows: Rows,
    staging: Staging,
    arrivals: Arrivals | None,
) -> tuple[dict[int, LocalModel], list[tuple[int, int, int]], dict[int, float]]:
    """Fit the models of all local problems, level by level.

    Parameters
    ----------
    trainer : Trainer
        Makes jobs of problems.
    X : array-like
        Samples.
    problems : iterable of LocalProblem
        What is to be learnt; their rows are positions in `rows`.
    rows : ndarray of intp
        Positions of the samples to learn from, ascending.
    staging : Staging
        How stages depend on each other.
    arrivals : Arrivals or None
        Where samples go, unless each model learns from the samples of its own node alone.

    Returns
    -------
    models : dict of LocalModel
        By number of the place.
    sizes : list of (owner, n_rows, n_outcomes)
        Of all problems.
    seconds : dict of float
        Time to fit, that of the folds included, where something was fitted.
    """
    stages = _Stages(trainer, X, list(problems), rows, staging, arrivals)
    stages.run()
    return stages.models, stages.sizes, stages.seconds
