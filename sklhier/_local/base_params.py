"""Parameters of base estimators: what they say of seeds, rows, classes and shared state."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC, LinearSVC, LinearSVR, NuSVC

from sklhier._utils.typing import Rows
from sklhier.linear_model import ScaledLogisticRegression

__all__ = ["GRIDS", "BaseTraits", "Need", "Parameter", "parameters_of"]

# Parameters of searches that hold values of other parameters.
GRIDS = ("param_grid", "param_distributions", "search_spaces")
# Names of seeds, where there is no `random_state`.
_SEEDS = ("random_seed", "seed")
_FOLDS_BY_DEFAULT = 5  # of scikit-learn, for cv=None
# What predicts for one row whatever the number of rows it was fitted on.
_SAFE = (
    "sklearn.discriminant_analysis",
    "sklearn.dummy",
    "sklearn.ensemble._forest",
    "sklearn.ensemble._gb",
    "sklearn.ensemble._hist_gradient_boosting",
    "sklearn.linear_model",
    "sklearn.naive_bayes",
    "sklearn.neural_network",
    "sklearn.svm",
    "sklearn.tree",
    "sklhier.linear_model",
)


class Parameter(NamedTuple):
    """A parameter of a base estimator, or of an estimator within.

    Attributes
    ----------
    name : str
        As in ``set_params`` of the base estimator.
    value : object
    owners : tuple of estimator
        The base estimator, what is within it on the way, and the estimator that has the parameter.
    """

    name: str
    value: Any
    owners: tuple[Any, ...]

    @property
    def short(self) -> str:
        """The name within its own estimator."""
        return self.name.rpartition("__")[2]

    @property
    def owner(self) -> Any:
        """The estimator that has the parameter."""
        return self.owners[-1]

    @property
    def described(self) -> str:
        """The name in error messages, with the estimator that has it."""
        return f"`{self.name}` of {type(self.owner).__name__}"


def parameters_of(base: Any) -> list[Parameter]:
    """Return all parameters of an estimator and of those within."""
    if not hasattr(base, "get_params"):
        return []
    params = base.get_params(deep=True)
    found = []
    for name, value in params.items():
        parts = name.split("__")
        above = ["__".join(parts[:i]) for i in range(1, len(parts))]
        owners = [params[prefix] for prefix in above if prefix in params]
        found.append(Parameter(name, value, (base, *owners)))
    return found


class Need(NamedTuple):
    """A number of rows that an estimator needs.

    Attributes
    ----------
    per_outcome : int
        Rows of each outcome.
    in_all : int
        Rows of all of them together.
    held_out : float
        The share of rows that is held out, with a row of each outcome on both sides; 0: none is.
    """

    per_outcome: int
    in_all: int
    held_out: float = 0.0

    def is_met(self, counts: Rows, n_rows: int) -> bool:
        """Whether there are enough rows, given the number of rows of each outcome."""
        if counts.min(initial=self.per_outcome) < self.per_outcome or n_rows < self.in_all:
            return False
        if not self.held_out:
            return True
        n_held_out = math.ceil(self.held_out * n_rows)
        return min(n_held_out, n_rows - n_held_out) >= len(counts)


@dataclass(frozen=True)
class BaseTraits:
    """Facts about a base estimator that are needed before it is fitted.

    Attributes
    ----------
    seeds : tuple of str
        Its parameters that are seeds, and those of the estimators within.
    needs : tuple of Need
        The rows without which it cannot be fitted.
    of_classes : tuple of Parameter
        The parameters that may name classes; see :mod:`sklhier._local.class_params`.
    draws : bool
        Whether it draws from the random numbers that all fits of a process share.
    is_safe : bool
        Whether it can predict whenever it could be fitted.
    """

    seeds: tuple[str, ...]
    needs: tuple[Need, ...]
    of_classes: tuple[Parameter, ...]
    draws: bool
    is_safe: bool

    @classmethod
    def of(cls, base: Any, names_classes: Callable[[Parameter], bool]) -> Self:
        """Return the traits of an estimator, given how to tell parameters that name classes."""
        found = parameters_of(base)
        return cls(
            seeds=tuple(_seeds(base, found)),
            needs=tuple(_needs(found)),
            of_classes=tuple(filter(names_classes, found)),
            draws=any(map(_draws, [base, *_values(found)])),
            is_safe=_is_safe(base),
        )

    def needs_more(self, counts: Rows, n_rows: int) -> bool:
        """Whether there are too few rows to fit the estimator."""
        return not all(need.is_met(counts, n_rows) for need in self.needs)


def _values(found: list[Parameter]) -> Iterator[Any]:
    """Yield the values of parameters, those that searches try included."""
    for parameter in found:
        if parameter.short in GRIDS:
            grids = parameter.value
            for grid in [grids] if isinstance(grids, Mapping) else grids:
                for tried in grid.values() if isinstance(grid, Mapping) else ():
                    yield from tried if isinstance(tried, list | tuple | np.ndarray) else ()
        else:
            yield parameter.value


# -- seeds --------------------------------------------------------------------------------


def _seeds(base: Any, found: list[Parameter]) -> list[str]:
    """Return the names of all seeds: `random_state`, or where there is none another usual name."""
    by_prefix: dict[str, list[str]] = {"": []}
    owners = {"": base}
    for parameter in found:
        prefix = parameter.name[: -len(parameter.short)]
        by_prefix.setdefault(prefix, []).append(parameter.short)
        owners[prefix] = parameter.owner
    states, others = [], []
    for prefix, names in by_prefix.items():
        if "random_state" in names:
            states.append(f"{prefix}random_state")
        else:
            known = [*names, *_hidden(owners[prefix])]
            others += [f"{prefix}{seed}" for seed in _SEEDS if seed in known][:1]
    return [*sorted(states), *sorted(others)]  # others last: draws of `random_state` stay the same


def _hidden(owner: Any) -> list[str]:
    """Return parameters that ``get_params`` keeps to itself until they are set, as CatBoost does."""
    if isinstance(owner, BaseEstimator):
        return []
    return list(inspect.signature(type(owner).__init__).parameters)


# -- rows ---------------------------------------------------------------------------------


def _needs(found: list[Parameter]) -> Iterator[Need]:
    for parameter in found:
        name, value, owner = parameter.short, parameter.value, parameter.owner
        # Inside of folds there are fewer rows.
        factor = math.prod(_share_of_folds(outer) for outer in parameter.owners[:-1])
        if name == "cv":
            n_folds = _n_folds(value)
            yield Need(_scaled(n_folds, factor), 0)
        elif name == "k_neighbors" and isinstance(value, int | np.integer):
            yield Need(_scaled(int(value) + 1, factor), 0)
        elif name == "n_neighbors" and isinstance(value, int | np.integer):
            yield Need(0, _scaled(int(value), factor) if is_classifier(owner) else 0)
        elif name == "validation_fraction" and _holds_out(owner):
            share = value if isinstance(value, float) and 0 < value < 1 else 0.0
            yield Need(_scaled(2, factor), 0, share)


def _scaled(number: int, factor: float) -> int:
    return math.ceil(number * factor - 1e-9)


def _n_folds(cv: Any) -> int:
    """Return the number of folds that `cv` stands for; 0 if that is not known."""
    if cv is None:
        return _FOLDS_BY_DEFAULT
    if isinstance(cv, int | np.integer) and not isinstance(cv, bool):
        return int(cv)
    n_splits = getattr(cv, "n_splits", 0)  # of a splitter; "prefit" and lists have none
    return n_splits if isinstance(n_splits, int) and hasattr(cv, "split") else 0


def _share_of_folds(outer: Any) -> float:
    """Return by how much rows must be more for an estimator that is fitted to folds by another."""
    n_folds = _n_folds(outer.cv) if hasattr(outer, "cv") else 0
    return n_folds / (n_folds - 1) if n_folds > 1 else 1.0


def _holds_out(owner: Any) -> bool:
    """Whether an estimator holds rows out to stop early."""
    if hasattr(owner, "early_stopping"):
        return owner.early_stopping is True
    return getattr(owner, "n_iter_no_change", None) is not None


# -- what fits share, and what may fail later ---------------------------------------------


def _draws(value: Any) -> bool:
    """Whether a value is, names or stands for a solver with random numbers of the whole process."""
    if isinstance(value, str):
        return value == "liblinear"
    if isinstance(value, LogisticRegression | LogisticRegressionCV) and not isinstance(
        value, ScaledLogisticRegression
    ):
        return bool(value.solver == "liblinear")
    if isinstance(value, CalibratedClassifierCV):
        return value.estimator is None  # stands for a LinearSVC
    if isinstance(value, SVC | NuSVC):
        return value.probability is True
    return isinstance(value, LinearSVC | LinearSVR | ScaledLogisticRegression)


def _is_safe(base: Any) -> bool:
    if type(base) is Pipeline:
        steps = [step for _, step in base.steps]
        own = all(type(step).__module__.startswith(("sklearn.", "sklhier.")) for step in steps)
        return own and _is_safe(steps[-1])
    return type(base).__module__.startswith(_SAFE)
