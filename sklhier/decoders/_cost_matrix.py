"""The action with the smallest expected cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from sklhier._probabilities.marginals import Marginals
from sklhier._probabilities.restricted import RestrictedMarginals
from sklhier._utils.typing import Floats, Frame, NodeIds
from sklhier._utils.validation import numbers, shown
from sklhier.decoders._base import Decoder
from sklhier.taxonomy import Taxonomy

__all__ = ["CostMatrix"]


Costs: TypeAlias = Mapping[Hashable | None, Mapping[Hashable, float]] | Frame | npt.ArrayLike


class CostMatrix(Decoder):
    """The action with the smallest expected cost, from a cost for each action and true label.

    Actions are nodes: leaves, inner nodes, or the root to abstain. Costs may be any numbers [1]_.
    Ties go to the first action.

    Parameters
    ----------
    costs : mapping of mappings, pandas.DataFrame or array-like
        ``costs[action][label]`` is the cost of answering `action` if `label` is true; a data frame
        has a row for each action and a column for each label. Every label that may be true, leaf or
        stop, needs a cost; labels without training rows may be left out. The action None is the
        root.
    actions, labels : sequence of hashable, default=None
        Names of the rows and columns of an array.

    References
    ----------
    .. [1] C. Elkan. The foundations of cost-sensitive learning.
       IJCAI (2001).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.decoders import CostMatrix
    >>> y, taxonomy = Taxonomy.from_paths(["a/x", "a/y", "b"])
    >>> model = HierarchicalClassifier(taxonomy=taxonomy).fit(np.eye(3), y)
    >>> costs = {
    ...     "a/x": {"a/x": 0, "a/y": 2, "b": 9},
    ...     "a": {"a/x": 1, "a/y": 1, "b": 9},
    ...     "b": {"a/x": 6, "a/y": 6, "b": 0},
    ...     None: {"a/x": 3, "a/y": 3, "b": 3},  # ask a human
    ... }
    >>> node_proba = [[1, 0.9, 0.1, 0.5, 0.4], [1, 0.6, 0.4, 0.6, 0.0], [1, 0.4, 0.6, 0.4, 0]]
    >>> model.decode(node_proba, CostMatrix(costs))
    array(['a/x', None, 'b'], dtype=object)
    """

    needs_all_nodes = True
    needs_probabilities = True

    def __init__(
        self,
        costs: Costs,
        actions: Sequence[Hashable] | None = None,
        labels: Sequence[Hashable] | None = None,
    ) -> None:
        self.costs = costs
        self.actions = actions
        self.labels = labels

    @property
    def gives(self) -> Literal["nodes", "any"]:  # type: ignore[override]
        """The kind of answers: the root only if None is an action."""
        actions, _, _ = _table(self.costs, self.actions, self.labels)
        return "any" if None in actions else "nodes"

    def check(self) -> None:
        """Raise a ValueError unless there are costs for distinct actions and labels."""
        actions, labels, _ = _table(self.costs, self.actions, self.labels)
        if not actions:
            raise ValueError(
                "`costs` must have at least one action, got none. Give a row for each node that may "
                "be answered."
            )
        for name, names in (("actions", actions), ("labels", labels)):
            twice = next((n for n, count in Counter(names).items() if count > 1), None)
            if twice is not None:
                raise ValueError(f"`{name}` of costs must be distinct, got {twice!r} twice.")

    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the cheapest action."""
        answers = marginals.outcomes.answers
        actions, costs = self._read(marginals.taxonomy, answers)
        expected = marginals.answer_proba(answers) @ costs.T
        if isinstance(marginals, RestrictedMarginals):
            marginals.refuse_others(expected, actions)
        return actions[np.argmin(expected, axis=1)]

    def _read(self, taxonomy: Taxonomy, answers: NodeIds) -> tuple[NodeIds, Floats]:
        """Return the nodes of the actions, and their costs for each possible answer."""
        self.check()
        actions, labels, table = _table(self.costs, self.actions, self.labels)
        columns = _ids(labels, taxonomy)
        missing = np.setdiff1d(answers, columns)
        if missing.size:
            raise ValueError(
                f"`costs` has no cost for the true label {taxonomy.nodes[missing[0]]!r} "
                f"({missing.size} labels of the training data are missing)."
            )
        # Columns come in any order, and may include labels without training rows.
        position = np.zeros(taxonomy.n_nodes, dtype=np.intp)
        position[columns] = np.arange(len(columns))
        costs = table[:, position[answers]]
        if not np.isfinite(costs).all():
            row, column = np.argwhere(~np.isfinite(costs))[0]
            raise ValueError(
                f"The cost of the action {actions[row]!r} for the true label "
                f"{taxonomy.nodes[answers[column]]!r} is missing or not finite."
            )
        return _ids(actions, taxonomy), costs


def _table(
    costs: Costs, actions: Sequence[Hashable] | None, labels: Sequence[Hashable] | None
) -> tuple[list[Hashable], list[Hashable], Floats]:
    """Return the names of rows and columns, and the numbers; NaN where there is none."""
    if hasattr(costs, "columns"):
        frame: Any = costs
        return list(frame.index), list(frame.columns), numbers("costs", frame)
    if isinstance(costs, Mapping):
        for action, row in costs.items():
            if not isinstance(row, Mapping):
                raise ValueError(
                    "`costs` must have a mapping from labels to costs for each action, got "
                    f"{shown(row)} for {action!r}."
                )
        names = list(dict.fromkeys(label for row in costs.values() for label in row))
        rows = [[row.get(label, np.nan) for label in names] for row in costs.values()]
        return list(costs), names, numbers("costs", rows).reshape(len(rows), len(names))
    table = numbers("costs", costs)
    actions = () if actions is None else actions
    labels = () if labels is None else labels
    shape = (len(actions), len(labels))
    if table.shape != shape:
        raise ValueError(
            "An array of costs must have a row for each of `actions` and a column for each of "
            f"`labels`, got shape {table.shape} for {shape[0]} actions and {shape[1]} labels."
        )
    return list(actions), list(labels), table


def _ids(names: list[Hashable], taxonomy: Taxonomy) -> NodeIds:
    nodes = [0 if name is None else taxonomy.id(name) for name in names]
    return np.array(nodes, dtype=np.int32)
