"""Fit parameters: those of samples, those passed on as they are, and validation sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _num_samples, check_consistent_length

from sklhier._local.keys import ModelKey
from sklhier._local.problem import LocalProblem
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Rows
from sklhier.exceptions import IncompatiblePartsError, TargetError

__all__ = ["FitParams", "ValidationRows", "ValidationSet", "has_entries", "known_targets"]

# Lists of pairs (X, y), or one pair; with the name of the weights of each, where there are some.
_PAIRS = {"eval_set": ("sample_weight_eval_set", "eval_sample_weight"), "validation_data": ()}
# One table, or a tuple of them; with the names of the targets and of the weights.
_TABLES = {
    "X_val": ("y_val", ("sample_weight_val", "val_sample_weight")),
    "X_valid": ("y_valid", ("sample_weight_valid",)),
    "eval_X": ("eval_y", ("eval_sample_weight",)),
}
_OF_SETS = {
    *_PAIRS,
    *_TABLES,
    *(y for y, _ in _TABLES.values()),
    *(name for _, names in _TABLES.values() for name in names),
    *(name for names in _PAIRS.values() for name in names),
}
# Scores and weights of the classes of one problem, which are others at each node.
_OF_CLASSES = {
    "base_margin", "base_margin_eval_set", "baseline", "eval_class_weight", "eval_init_score",
    "init_score",
}  # fmt: skip
# Never cut to the rows of a node, whatever their length.
_WHOLE = {
    "callbacks", "cat_features", "categorical_feature", "check_input", "classes", "coef_init",
    "embedding_features", "eval_metric", "eval_names", "feature_name", "feature_names",
    "feature_types", "feature_weights", "init_model", "intercept_init", "log_cerr", "log_cout",
    "monitor", "offset_init", "text_features", "verbose", "xgb_model",
}  # fmt: skip


class ValidationSet(NamedTuple):
    """A validation set of a user.

    Attributes
    ----------
    X : array-like
    targets : ndarray of int32 or csr_array
        The node of each label, or the nodes of each sample.
    weights : ndarray or None
    """

    X: Any
    targets: Any
    weights: Any


class ValidationRows(NamedTuple):
    """The rows of a validation set that are of a local problem.

    Attributes
    ----------
    rows : ndarray of intp
        Positions in the set.
    codes : ndarray of int
        Positions of their targets among the outcomes.
    """

    rows: Rows
    codes: Rows

    @classmethod
    def of(cls, problem: LocalProblem, validation: LocalProblem | None) -> Self:
        """Return the rows of a problem, given the same problem among the rows of the set."""
        if validation is None:
            return cls(np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp))
        order = np.argsort(problem.outcomes)
        targets = validation.outcomes[validation.codes]
        places = np.searchsorted(problem.outcomes[order], targets)
        codes = order[np.minimum(places, len(order) - 1)]
        is_known = problem.outcomes[codes] == targets  # a fold may know less
        return cls(validation.rows[is_known], codes[is_known])


Written = Callable[[Sequence[tuple[Any, Any, Any]]], dict[str, Any]]
Plan = list[dict[ModelKey, LocalProblem]]


@dataclass(frozen=True)
class FitParams:
    """The fit parameters of a base estimator.

    Attributes
    ----------
    of_rows : dict
        With an entry for each sample.
    whole : dict
        Passed on as they are.
    sets : tuple of ValidationSet
    write : callable or None
        Returns the parameters of validation sets, given ``(X, y, weights)`` of each.
    plan : list of dict, or None
        The local problems of one strategy among the rows of each set.
    """

    of_rows: dict[str, Any]
    whole: dict[str, Any]
    sets: tuple[ValidationSet, ...] = ()
    write: Written | None = None
    plan: Plan | None = None

    @classmethod
    def read(
        cls,
        params: Mapping[str, Any],
        n_samples: int,
        read_features: Callable[[Any], Any],
        read_targets: Callable[[Any, str], Any],
    ) -> Self:
        """Return the parameters of a call, sorted by what they are.

        Parameters
        ----------
        params : mapping of str to object
            By the name that the base estimator gives them.
        n_samples : int
            Number of rows of X.
        read_features, read_targets : callable
            Read X and y of validation sets.

        Raises
        ------
        IncompatiblePartsError
            For what speaks of the classes of the whole problem.
        ValueError
            For an array that has no entry for each sample.
        """
        of_rows, whole, of_sets = {}, {}, {}
        for name, value in params.items():
            if name in _OF_CLASSES and value is not None:
                raise IncompatiblePartsError(
                    f"The fit parameter `{name}` refers to classes of the whole problem, but each "
                    "node has its own classes. Leave it out."
                )
            if name in _OF_SETS:
                of_sets[name] = value
            elif name in _WHOLE or not _is_array(value):
                whole[name] = value
            else:
                _check_entries(name, value, n_samples)
                of_rows[name] = value
        given = {name: value for name, value in of_sets.items() if value is not None}
        if not given:
            return cls(of_rows, whole | of_sets)
        parts, write = _parts(given)
        sets = []
        for X, y, weights, name in parts:
            check_consistent_length(X, y, weights)
            weights = None if weights is None else np.asarray(weights)
            sets.append(ValidationSet(read_features(X), read_targets(y, name), weights))
        return cls(of_rows, whole, tuple(sets), write)

    def with_weights(self, before: Any, after: Any) -> Self:
        """Return the parameters with other weights of the samples in place of those `before`."""
        of_rows = {
            name: after if value is before else value for name, value in self.of_rows.items()
        }
        return replace(self, of_rows=of_rows)

    def planned(self, plan: Callable[[Any], Iterable[LocalProblem]]) -> Self:
        """Return the parameters for the problems of a strategy, given as a function of targets."""
        if not self.sets:
            return self
        plans = [{problem.key: problem for problem in plan(s.targets)} for s in self.sets]
        return replace(self, plan=plans)

    def rows_at(self, problem: LocalProblem) -> list[ValidationRows]:
        """Return the rows of each validation set that are of a problem."""
        if self.plan is None:
            return []
        return [ValidationRows.of(problem, plan.get(problem.key)) for plan in self.plan]

    def written(self, rows: Sequence[ValidationRows], own: Callable[[], Any]) -> dict[str, Any]:
        """Return the parameters of validation sets at one node.

        Parameters
        ----------
        rows : sequence of ValidationRows
            Of each set.
        own : callable
            Returns ``(X, y, weights)`` of training, for sets without a row at the node.
        """
        if self.write is None or not rows:
            return {}
        parts = []
        for part, (positions, codes) in zip(self.sets, rows, strict=True):
            if len(positions):
                weights = None if part.weights is None else part.weights[positions]
                parts.append((take_rows(part.X, positions), codes, weights))
            else:
                X, y, weights = own()
                parts.append((X, y, None if part.weights is None else weights))
        return self.write(parts)


def _is_array(value: Any) -> bool:
    """Whether a fit parameter may have an entry for each sample."""
    if isinstance(value, str | bytes | Mapping) or callable(value):
        return False
    return getattr(value, "ndim", 1) > 0 and (hasattr(value, "__len__") or hasattr(value, "shape"))


def has_entries(name: str, value: Any, n_samples: int) -> bool:
    """Whether a fit parameter has an entry for each sample."""
    is_whole = name in _OF_SETS or name in _WHOLE or not _is_array(value)
    return not is_whole and _num_samples(value) == n_samples


def _check_entries(name: str, value: Any, n_samples: int) -> None:
    if _num_samples(value) != n_samples:
        raise ValueError(
            f"The fit parameter `{name}` must have an entry for each of the {n_samples} samples, "
            f"got {_num_samples(value)}. Pass other parameters to the constructor of the base "
            "estimator."
        )


# -- the ways in which validation sets are passed ------------------------------------------

_Parts = list[tuple[Any, Any, Any, str]]


def _parts(given: dict[str, Any]) -> tuple[_Parts, Written]:
    """Return ``(X, y, weights, name)`` of each set, and how they are passed on."""
    ways = [name for name in (*_PAIRS, *_TABLES) if name in given]
    if len(ways) != 1:
        raise ValueError(
            f"Validation sets must be passed in one way, with X and y, got {sorted(given)}."
        )
    way = ways[0]
    names = {way, *(_PAIRS[way] if way in _PAIRS else (_TABLES[way][0], *_TABLES[way][1]))}
    if not set(given) <= names:
        raise ValueError(f"`{way}` does not go with {sorted(set(given) - names)}.")
    return (_read_pairs if way in _PAIRS else _read_tables)(way, given)


def _read_pairs(way: str, given: dict[str, Any]) -> tuple[_Parts, Written]:
    value = given[way]
    is_single = isinstance(value, tuple)
    pairs = [value] if is_single else value
    is_list = isinstance(pairs, list) and all(
        isinstance(pair, tuple | list) and len(pair) in (2, 3) for pair in pairs
    )
    if not is_list or not pairs:
        raise TypeError(
            f"`{way}` must be a pair (X, y) or a list of such pairs, got {type(value).__name__}. "
            "Other containers cannot be cut to the rows of a node."
        )
    beside = next((name for name in _PAIRS[way] if name in given), None)
    weights = [pair[2] if len(pair) == 3 else None for pair in pairs]
    if beside is not None:
        weights = list(given[beside])
        if len(weights) != len(pairs):
            raise ValueError(f"`{beside}` must have an entry for each of {len(pairs)} sets.")
    has_three = len(pairs[0]) == 3

    def write(parts: Sequence[tuple[Any, Any, Any]]) -> dict[str, Any]:
        written = [part if has_three else part[:2] for part in parts]
        params: dict[str, Any] = {way: written[0] if is_single else written}
        if beside is not None:
            params[beside] = [part[2] for part in parts]
        return params

    return [(*pair[:2], w, way) for pair, w in zip(pairs, weights, strict=True)], write


def _read_tables(way: str, given: dict[str, Any]) -> tuple[_Parts, Written]:
    of_targets, of_weights = _TABLES[way]
    beside = next((name for name in of_weights if name in given), None)
    if of_targets not in given:
        raise ValueError(f"`{way}` needs `{of_targets}`.")
    several = isinstance(given[way], tuple)

    def listed(name: str) -> list[Any]:
        return list(given[name]) if several else [given[name]]

    tables, targets = listed(way), listed(of_targets)
    weights = [None] * len(tables) if beside is None else list(given[beside])
    if beside is not None and not (several or way == "eval_X"):
        weights = [given[beside]]
    if not len(tables) == len(targets) == len(weights):
        raise ValueError(f"`{way}`, `{of_targets}` and their weights must have the same length.")

    def write(parts: Sequence[tuple[Any, Any, Any]]) -> dict[str, Any]:
        columns = [tuple(part[i] for part in parts) for i in range(3)]
        params = {
            way: columns[0] if several else columns[0][0],
            of_targets: columns[1] if several else columns[1][0],
        }
        if beside is not None:
            params[beside] = list(columns[2]) if several or way == "eval_X" else columns[2][0]
        return params

    return [(X, y, w, way) for X, y, w in zip(tables, targets, weights, strict=True)], write


def known_targets(nodes: Any) -> Any:
    """Return the nodes of labels of a validation set; refuse rows without a known label."""
    if not sparse.issparse(nodes) and (nodes < 0).any():
        row = int(np.argmax(nodes < 0))
        raise TargetError(
            f"The label of row {row} is missing or not in the taxonomy. Labels of validation sets "
            "must have the format of y."
        )
    return nodes
