"""Parameters of base estimators that name classes, in the terms of the codes at a node.

A local model sees the codes ``0..k-1`` of its outcomes. What its base estimator is told about
classes is in names of nodes, so it is translated for every model, or refused where it has no clear
meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier

from sklhier._local.base_params import GRIDS, Parameter, parameters_of
from sklhier._local.keys import described
from sklhier._local.problem import REST, LocalProblem
from sklhier._utils.typing import Floats, NodeIds
from sklhier.exceptions import IncompatiblePartsError, TaxonomyError
from sklhier.taxonomy import Taxonomy

__all__ = ["Labels", "names_classes", "translated"]

# Their estimators see codes of another kind: 0 and 1 for one class and the rest.
_RECODE = (
    OneVsRestClassifier,
    OneVsOneClassifier,
    OutputCodeClassifier,
    MultiOutputClassifier,
    ClassifierChain,
)


@dataclass(frozen=True)
class Labels:
    """The labels of the samples that models are fitted to.

    Attributes
    ----------
    taxonomy : Taxonomy
    nodes : ndarray of int32, shape (n_samples,), or None
        The node of each label; None where samples may have several.
    weights : ndarray of float64, shape (n_samples,), or None
        Weights of the samples.
    """

    taxonomy: Taxonomy
    nodes: NodeIds | None = None
    weights: Floats | None = None
    _memo: dict[Any, Floats] = field(default_factory=dict, repr=False, compare=False)

    def number_of(self, given: Mapping[Hashable, Any], name: str) -> dict[int, float]:
        """Return the numbers of nodes by their ids, checked; `name` is that of the parameter."""
        numbers = {}
        for key, value in given.items():
            if key not in self.taxonomy:
                unknown = TaxonomyError.unknown(key, self.taxonomy.nodes[1:])
                raise TaxonomyError(
                    f"`{name}` must name nodes of the taxonomy, not codes or columns. {unknown}"
                )
            is_number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
            if not (is_number and 0 <= value < np.inf):
                raise ValueError(
                    f"`{name}` must hold finite numbers of 0 or more, got {value!r} for {key!r}."
                )
            numbers[self.taxonomy.id(key)] = float(value)
        return numbers

    def weight_of_nodes(self, numbers: dict[int, float]) -> Floats:
        """Return the weight of each node: its own, or else the mean of those of its parents."""
        key = tuple(sorted(numbers.items()))
        if key not in self._memo:
            weights = np.ones(self.taxonomy.n_nodes)
            for node in range(self.taxonomy.n_nodes):  # parents come first
                if node in numbers:
                    weights[node] = numbers[node]
                elif node:
                    weights[node] = weights[self.taxonomy.parents_of(node)].mean()
            self._memo[key] = weights
        return self._memo[key]


class _Local(NamedTuple):
    """A parameter at one node.

    Attributes
    ----------
    parameter : Parameter
    problem : LocalProblem
    labels : Labels
    """

    parameter: Parameter
    problem: LocalProblem
    labels: Labels

    def refused(self, what: str, remedy: str) -> IncompatiblePartsError:
        """Return an error that names the parameter."""
        return IncompatiblePartsError(f"{self.parameter.described} {what} {remedy}")

    @property
    def where(self) -> str:
        """The name of the model in messages."""
        return described(self.problem.key, self.labels.taxonomy)[1]

    @property
    def outcome_names(self) -> list[Hashable]:
        """Names of the outcomes."""
        outcomes = self.problem.outcomes.tolist()
        return [self.labels.taxonomy.nodes[node] for node in outcomes if node != REST]

    def code_of(self, name: Hashable) -> int:
        """Return the code of an outcome; refuse what is none here."""
        taxonomy, outcomes = self.labels.taxonomy, self.problem.outcomes.tolist()
        if name in taxonomy and taxonomy.id(name) in outcomes:
            return outcomes.index(taxonomy.id(name))
        raise self.refused(
            f"names {name!r}, which is not an outcome at {self.where}: the outcomes there are "
            f"{self.outcome_names[:5]}.",
            "Give such an estimator to the node that decides about it, by `node_estimators`.",
        )


# -- each kind of parameter ---------------------------------------------------------------


def _weights(given: Any, local: _Local) -> Any:
    """Return weights of classes by code."""
    if not isinstance(given, Mapping):
        raise local.refused(
            "has weights by position, but each node has its own classes.",
            "Give a dict from names of nodes to weights.",
        )
    labels, problem, name = local.labels, local.problem, local.parameter.name
    numbers = labels.number_of(given, name)
    if labels.nodes is None:
        own = [numbers.get(node, 1.0) for node in problem.outcomes.tolist()]
        if problem.codes.ndim == 2:
            return [{0: 1.0, 1: weight} for weight in own]
        return dict(enumerate(own))
    of_node = labels.weight_of_nodes(numbers)
    of_rows = (
        np.ones(len(problem.rows)) if labels.weights is None else labels.weights[problem.rows]
    )
    if problem.weights is not None:
        of_rows = of_rows * problem.weights
    k = len(problem.outcomes)
    sums = np.bincount(problem.codes, of_rows * of_node[labels.nodes[problem.rows]], minlength=k)
    totals = np.bincount(problem.codes, of_rows, minlength=k)
    # With batches an outcome may have no row yet.
    without = np.where(problem.outcomes == REST, 1.0, of_node[problem.outcomes])
    means = np.divide(sums, totals, out=without, where=totals > 0)
    return dict(enumerate(means.tolist()))


def _priors(given: Any, local: _Local) -> Any:
    """Return prior probabilities of the outcomes: the sums of those of the labels they hold."""
    labels, problem = local.labels, local.problem
    remedy = "Give a dict from every label to its probability, or leave it out."
    if not isinstance(given, Mapping):
        raise local.refused("has an entry for each class by position.", remedy)
    if labels.nodes is None:
        raise local.refused("is only for one label for each sample.", "Leave it out.")
    numbers = labels.number_of(given, local.parameter.name)
    pairs = np.unique(np.column_stack([problem.codes, labels.nodes[problem.rows]]), axis=0)
    priors = np.zeros(len(problem.outcomes))
    for code, node in pairs.tolist():
        if node not in numbers:
            name = labels.taxonomy.nodes[node]
            raise local.refused(f"has no entry for the label {name!r}.", remedy)
        priors[code] += numbers[node]
    if not priors.all():
        raise local.refused(f"gives an outcome of {local.where} the probability 0.", remedy)
    return priors / priors.sum()


def _sampling(given: Any, local: _Local) -> Any:
    """Return numbers of samples, or classes, by code."""
    if isinstance(given, Mapping):
        return {local.code_of(name): number for name, number in given.items()}
    return [local.code_of(name) for name in given]


def _positive_weight(given: Any, local: _Local) -> Any:
    """Return a weight of code 1 where that is a node that the model is about."""
    is_binary = local.problem.has_rest and len(local.problem.outcomes) == 2
    if is_binary or local.problem.codes.ndim == 2:
        return given
    raise local.refused(
        f"weights the class 1, which is not a fixed node at {local.where}.",
        "Use class_weight={name: weight} where there is one, sample_weight, or "
        "strategy='per_node', whose models are binary.",
    )


def _constant(given: Any, local: _Local) -> Any:
    return local.code_of(given)


def _refused(given: Any, local: _Local) -> Any:  # noqa: ARG001
    raise local.refused(
        "refers to classes of the whole problem, but each node has its own classes.",
        "Leave it out, or use sample_weight or class_weight={name: weight}.",
    )


def _refused_rows(given: Any, local: _Local) -> Any:  # noqa: ARG001
    raise local.refused(
        "refers to rows of the whole data, but each node has its own rows.",
        "Use a number of folds, or a splitter that splits whatever rows it gets.",
    )


# -- the table ----------------------------------------------------------------------------


def _is_collection(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        hasattr(value, "__len__") and not isinstance(value, str | bytes)
    )


def _is_given(value: Any) -> bool:
    return value is not None


def _is_weight(value: Any) -> bool:
    return value is not None and not (isinstance(value, Real) and value == 1)


def _is_list_of_folds(value: Any) -> bool:
    return hasattr(value, "test_fold") or hasattr(value, "__iter__")


# For each name: whether a value of it names classes, and what becomes of it.
_TABLE: dict[str, tuple[Callable[[Any], bool], Callable[[Any, _Local], Any]]] = {
    "class_weight": (_is_collection, _weights),
    "class_weights": (_is_collection, _weights),
    "priors": (_is_collection, _priors),
    "class_prior": (_is_collection, _priors),
    "sampling_strategy": (_is_collection, _sampling),
    "scale_pos_weight": (_is_weight, _positive_weight),
    "pos_label": (_is_given, _refused),
    "class_names": (_is_given, _refused),
    **dict.fromkeys(
        ("cost", "costs", "class_costs", "cost_matrix", "cost_mat"), (_is_collection, _refused)
    ),
    "cv": (lambda value: not isinstance(value, str) and _is_list_of_folds(value), _refused_rows),
    "constant": (_is_given, _constant),
}


def names_classes(parameter: Parameter) -> bool:
    """Whether the value of a parameter names classes, or a search tries such values."""
    if parameter.short in GRIDS:
        found: list[Any] = []
        _grid_with(parameter.value, lambda name, value: found.append((name, value)))
        return bool(found)
    return _concerns(parameter.short, parameter.value, parameter.owner)


def _concerns(short: str, value: Any, owner: Any) -> bool:
    # The constant of an imputer is no class.
    if short not in _TABLE or (short == "constant" and not is_classifier(owner)):
        return False
    return _TABLE[short][0](value)


def _grid_with(grids: Any, change: Callable[[str, Any], Any]) -> Any:
    """Return the grid of a search, or a list of grids, with the values that name classes changed."""
    if not isinstance(grids, Mapping):
        return [_grid_with(grid, change) for grid in grids] if isinstance(grids, list) else grids

    def tried(name: str, values: Any) -> Any:
        short = name.rpartition("__")[2]
        if not isinstance(values, list | tuple) or short == "constant":
            return values
        return [change(name, v) if _concerns(short, v, None) else v for v in values]

    return {name: tried(name, values) for name, values in grids.items()}


def translated(parameter: Parameter, problem: LocalProblem, labels: Labels) -> Any:
    """Return the value of a parameter in the codes of a local problem.

    Parameters
    ----------
    parameter : Parameter
        One for which :func:`names_classes` holds.
    problem : LocalProblem
        Its rows are positions in what `labels` are about.
    labels : Labels
        The labels of all samples.

    Raises
    ------
    IncompatiblePartsError
        If the value has no clear meaning there.
    TaxonomyError
        If it names what is no node.
    """
    if parameter.short in GRIDS:
        inside = getattr(parameter.owner, "estimator", None)
        owners = {p.name: p.owners for p in parameters_of(inside)}

        def change(name: str, value: Any) -> Any:
            way = (*parameter.owners, *owners.get(name, (inside,)))
            return _one(Parameter(name, value, way), problem, labels)

        return _grid_with(parameter.value, change)
    return _one(parameter, problem, labels)


def _one(parameter: Parameter, problem: LocalProblem, labels: Labels) -> Any:
    """Return one value in the codes of a local problem."""
    local = _Local(parameter, problem, labels)
    for outer in parameter.owners[:-1]:
        if isinstance(outer, _RECODE) and parameter.short != "cv":
            raise local.refused(
                f"names classes, but {type(outer).__name__} passes it other classes.",
                "Leave it out, or use sample_weight.",
            )
    return _TABLE[parameter.short][1](parameter.value, local)
