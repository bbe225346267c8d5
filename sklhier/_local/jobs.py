"""Jobs: local problems with base estimators, ready to be fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone

from sklhier._local.base_estimators import (
    MEMBER,
    SMALL,
    BaseEstimators,
    Choice,
    learns_jointly,
    own_classifier,
)
from sklhier._local.base_params import BaseTraits
from sklhier._local.class_params import Labels, translated
from sklhier._local.extra_features import ExtraFeatures
from sklhier._local.keys import ModelKey, Seeds
from sklhier._local.model import LocalModel
from sklhier._local.problem import LocalProblem
from sklhier._local.validation_sets import FitParams, ValidationRows
from sklhier._utils.typing import Floats, Rows
from sklhier.links import Link
from sklhier.taxonomy import Taxonomy

__all__ = ["NO_VALIDATION", "FitContext", "Job", "Jobs", "Query"]

# What the report tells of a model whose validation sets have no row at its node.
NO_VALIDATION = "no validation rows"


@dataclass(frozen=True)
class FitContext:
    """The settings that all fits of a classifier share.

    Attributes
    ----------
    taxonomy : Taxonomy
    seeds : Seeds or None
        Seeds of the base estimators; None: their random states stay as they are.
    link : Link or None
        How outputs are read; None: by the base estimator.
    n_jobs, verbose
        As in :func:`~sklhier._utils.parallel.in_parallel`.
    """

    taxonomy: Taxonomy
    seeds: Seeds | None = None
    link: Link | None = None
    n_jobs: int | None = None
    verbose: int = 0
    # By the id of an estimator: itself, so that it keeps the id, and a clone of it.
    _clones: dict[int, tuple[Any, Any]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        taxonomy: Taxonomy,
        seed: int | None,
        link: Link | None,
        n_jobs: int | None,
        verbose: int,
    ) -> Self:
        """Return the context of a seed."""
        seeds = None if seed is None else Seeds(taxonomy, (seed,))
        return cls(taxonomy, seeds, link, n_jobs, verbose)

    def of_member(self, member: int) -> Self:
        """Return the context of one strategy of several: all but the first have other seeds."""
        if not member or self.seeds is None:
            return self
        return replace(self, seeds=replace(self.seeds, entropy=(*self.seeds.entropy, member)))

    def _clone(self, estimator: Any, traits: BaseTraits) -> Any:
        """Return a clone; to copy the first one takes less time, where that is the same."""
        if id(estimator) not in self._clones:
            first = _unfitted(estimator, traits)
            self._clones[id(estimator)] = estimator, first if _is_plain(first) else None
        first = self._clones[id(estimator)][1]
        if first is None:
            return _unfitted(estimator, traits)
        found: Any = object.__new__(type(first))
        vars(found).update(vars(first))
        return found

    def seeded_clone(self, estimator: Any, key: ModelKey, traits: BaseTraits) -> Any:
        """Return a clone of an estimator; with seeds, its random states follow from the key."""
        estimator = self._clone(estimator, traits)
        if self.seeds is None or not traits.seeds:
            return estimator
        draws = self.seeds.of(key).generate_state(len(traits.seeds))
        states = dict(zip(traits.seeds, (draws % _MOST).tolist(), strict=True))
        # As set_params would, which collects all parameters again.
        if "random_state" in states and isinstance(estimator, BaseEstimator):
            estimator.random_state = states.pop("random_state")
        return estimator.set_params(**states) if states else estimator


_MOST = np.iinfo(np.int32).max
_PLAIN = {int, float, str, bool, type(None)}
_WELL_KNOWN = ("sklearn", "sklhier")  # what makes their estimators is all in their attributes


def _is_plain(estimator: Any) -> bool:
    """Whether a copy of the attributes of an unfitted estimator is a clone."""
    kind = type(estimator)
    return (
        kind.__module__.partition(".")[0] in _WELL_KNOWN
        and isinstance(estimator, BaseEstimator)
        and kind.__sklearn_clone__ is BaseEstimator.__sklearn_clone__
        and {type(value) for value in vars(estimator).values()} <= _PLAIN
    )


def _unfitted(estimator: Any, traits: BaseTraits) -> Any:
    """Return a clone of an estimator."""
    if isinstance(estimator, BaseEstimator) or not traits.of_classes:
        return clone(estimator)
    # CatBoost copies its weights of classes, so scikit-learn refuses to clone it. They are set for
    # each model anyway.
    left_out = {parameter.name for parameter in traits.of_classes}
    params = {k: v for k, v in estimator.get_params(deep=False).items() if k not in left_out}
    return type(estimator)(**clone(params, safe=False))


@dataclass(frozen=True)
class Job:
    """A base estimator that is to be fitted.

    Attributes
    ----------
    estimator : object
        Not fitted yet, unless it goes on.
    problem : LocalProblem
        What it learns.
    params : dict
        Fit parameters that have an entry for each sample of X.
    extra : ExtraFeatures or None
        What it sees beside X, a row for each row of the problem.
    whole : dict
        Fit parameters that are passed on as they are.
    validation : callable or None
        Returns the fit parameters of validation sets, given ``(X, y, weights)`` of training.
    draws : bool
        Whether it draws from the random numbers that all fits of a process share.
    is_safe : bool
        Whether it can predict whenever it could be fitted.
    note : str
        What the report tells beside the type of the estimator.
    goes_on : bool, default=False
        Whether the estimator has learnt from other samples before. A copy of it goes on then, so that
        all models stay as they were if one of them fails.
    """

    estimator: Any
    problem: LocalProblem
    params: dict[str, Any]
    extra: ExtraFeatures | None = None
    whole: dict[str, Any] = field(default_factory=dict)
    validation: Callable[[Callable[[], Any]], dict[str, Any]] | None = None
    draws: bool = False
    is_safe: bool = True
    note: str = ""
    goes_on: bool = False

    def on_a_copy(self) -> Self:
        """Return a job that does not change a fitted estimator."""
        return replace(self, estimator=deepcopy(self.estimator)) if self.goes_on else self


@dataclass(frozen=True)
class Query:
    """Samples whose outputs are computed as soon as a model is fitted.

    Attributes
    ----------
    rows : ndarray of intp, shape (n,)
        Positions of the samples, ascending.
    extra : ExtraFeatures or None
        What the model sees beside X, a row for each of these.
    methods : tuple of str
        The prediction methods that are called.
    """

    rows: Rows
    extra: ExtraFeatures | None
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Jobs:
    """The base estimators of a classifier, made into jobs.

    Attributes
    ----------
    context : FitContext
    bases : BaseEstimators
        The base estimator of each model.
    params : dict of FitParams
        Fit parameters of each base estimator, by its name.
    labels : Labels
        What names of nodes mean in parameters of base estimators.
    """

    context: FitContext
    bases: BaseEstimators
    params: dict[str, FitParams]
    labels: Labels

    def job(
        self,
        problem: LocalProblem,
        extra: ExtraFeatures | None = None,
        known: LocalModel | None = None,
    ) -> Job:
        """Return the job of a problem whose rows are positions in X.

        Parameters
        ----------
        problem : LocalProblem
            What is learnt.
        extra : ExtraFeatures, default=None
            What the model sees beside X.
        known : LocalModel, default=None
            A model that goes on learning.
        """
        choice = self.bases.choose(problem)
        if known is None:
            estimator = self.context.seeded_clone(choice.estimator, problem.key, choice.traits)
        else:
            estimator = known.full_width
        of_classes = {
            parameter.name: translated(parameter, problem, self.labels)
            for parameter in choice.traits.of_classes
        }
        if of_classes:
            estimator.set_params(**of_classes)
        own = own_classifier(estimator) if choice.name.startswith(MEMBER) else None
        if own is not None and not problem.has_rest:
            estimator.set_params(**self._of_own(problem, *own))
        params = self.params[choice.name]
        rows = params.rows_at(problem)
        return Job(
            estimator,
            problem,
            params.of_rows,
            extra,
            params.whole,
            partial(params.written, rows) if rows else None,
            choice.traits.draws,
            choice.traits.is_safe,
            _note(choice, rows),
            goes_on=known is not None,
        )

    def _of_own(self, problem: LocalProblem, prefix: str, classifier: Any) -> dict[str, Any]:
        """Return parameters of a classifier of this package: what it knows of nodes."""
        taxonomy = self.context.taxonomy
        names = [taxonomy.nodes[node] for node in problem.outcomes.tolist()]
        given = classifier.taxonomy
        known = {"taxonomy": taxonomy if given is None else given, "classes": names}
        return {f"{prefix}{name}": value for name, value in known.items()}

    def weighted(self, weights: Floats | None) -> Self:
        """Return the jobs with other weights of the samples, where there were some."""
        params = {
            name: params.with_weights(self.labels.weights, weights)
            for name, params in self.params.items()
        }
        return replace(self, params=params, labels=replace(self.labels, weights=weights, _memo={}))

    def of_member(self, member: int, own: tuple[str, Any] | None = None) -> Self:
        """Return the jobs of one strategy of several, with seeds of their own.

        `own` is the name of a base estimator and that estimator, if the strategy has one.
        """
        bases = self.bases if own is None else self.bases.for_all(*own)
        return replace(self, context=self.context.of_member(member), bases=bases)

    def planned(self, plan: Callable[[Any], Iterable[LocalProblem]]) -> Self:
        """Return the jobs with validation sets, given the problems of a strategy among targets."""
        if not any(params.sets for params in self.params.values()):
            return self
        params = {name: params.planned(plan) for name, params in self.params.items()}
        return replace(self, params=params)

    def learns_jointly(self, key: ModelKey) -> bool:
        """Whether the base estimator of a model learns several outputs in one call."""
        # A callable that sees counts is asked for each problem, once it is made. Validation sets are
        # for models with one target.
        if self.bases.sees_counts or any(params.sets for params in self.params.values()):
            return False
        return learns_jointly(self.bases.at(key)[1])


def _note(choice: Choice, rows: list[ValidationRows]) -> str:
    notes = [SMALL] if choice.name == SMALL else []
    if any(not len(part.rows) for part in rows):
        notes.append(NO_VALIDATION)
    return ", ".join(notes)
