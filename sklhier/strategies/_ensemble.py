"""The mean of several strategies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from sklhier._local.keys import ModelKey
from sklhier._local.problem import LocalProblem
from sklhier._local.scores import Scores
from sklhier._probabilities.marginals import DenseMarginals, Marginals, Outcomes
from sklhier._utils.memory_blocks import numbers_per_row
from sklhier._utils.typing import Floats, NodeIds
from sklhier.strategies._base import (
    SetStrategy,
    Strategy,
    register,
    resolve_set_strategy,
    resolve_strategy,
)
from sklhier.strategies._memberships import Memberships
from sklhier.strategies._per_level import PerLevel
from sklhier.strategies._per_parent import PerParent
from sklhier.taxonomy import Taxonomy

__all__ = ["Ensemble"]


@register("ensemble")
class Ensemble(Strategy, SetStrategy):
    """The mean of the node probabilities of several strategies.

    Every member has models of its own; the means are as coherent as their parts.

    Parameters
    ----------
    members : sequence of str or Strategy, default=None
        The strategies; None stands for ``[PerParent(stop="learn"), PerLevel(beta=1.0)]``.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.strategies import Ensemble, PerLevel
    >>> HierarchicalClassifier(strategy=Ensemble(["flat", PerLevel(beta=0.7)]))
    HierarchicalClassifier(strategy=Ensemble(members=['flat', PerLevel(beta=0.7)]))
    """

    def __init__(self, members: Sequence[Any] | None = None) -> None:
        self.members = members

    def check(self) -> None:
        """Raise a ValueError unless there is at least one member."""
        if self.members is not None and (isinstance(self.members, str) or not len(self.members)):
            raise ValueError(
                f"`members` must be a list of at least one strategy, got {self.members!r}."
            )

    def _members(self) -> Sequence[Any]:
        if self.members is None:
            return [PerParent(stop="learn"), PerLevel(beta=1.0)]
        return self.members

    def parts(self) -> list[Strategy]:
        """Return the members."""
        return [resolve_strategy(member) for member in self._members()]

    def with_parts(self, parts: Sequence[Strategy]) -> Self:
        """Return an ensemble of other members."""
        return type(self)(list(parts))

    @property
    def leaves_decide(self) -> bool:  # type: ignore[override]
        """Whether one of the members decides about single leaves."""
        return any(part.leaves_decide for part in self.parts())

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return what is a possible answer for one of the members."""
        parts = [part.outcomes(taxonomy, class_ids) for part in self.parts()]
        return max(parts, key=lambda outcomes: len(outcomes.nodes))

    def plan(
        self,
        taxonomy: Taxonomy,  # noqa: ARG002
        outcomes: Outcomes,  # noqa: ARG002
        nodes: NodeIds,  # noqa: ARG002
    ) -> list[LocalProblem]:
        """Return nothing: the members have all problems."""
        return []

    def marginals(
        self,
        taxonomy: Taxonomy,  # noqa: ARG002
        outcomes: Outcomes,  # noqa: ARG002
        scores: Scores,  # noqa: ARG002
    ) -> Marginals:
        """Raise a TypeError: marginals come from the members."""
        raise TypeError("An Ensemble has no models of its own: combine those of its parts.")

    def combined(
        self, taxonomy: Taxonomy, outcomes: Outcomes, marginals: Iterator[Marginals]
    ) -> Marginals:
        """Return the means of the members' probabilities."""
        n_parts = len(self._members())
        nodes, stops = None, None
        for part in marginals:  # one table of a member at a time
            table = part.dense()
            if nodes is None or stops is None:
                nodes = np.zeros((table.n_rows, taxonomy.n_nodes))
                stops = np.zeros_like(nodes)
            nodes += table.node_proba / n_parts
            stops[:, outcomes.stops] += table.answer_proba(outcomes.stops) / n_parts
        assert nodes is not None
        nodes[:, 0] = 1.0
        return DenseMarginals(taxonomy, outcomes, nodes, stops)

    def columns_per_row(self, taxonomy: Taxonomy, outcomes: Outcomes, *, all_nodes: bool) -> int:  # noqa: ARG002
        """Return the number of nodes for the means, and what the largest member holds."""
        largest = max(
            part.columns_per_row(taxonomy, outcomes, all_nodes=True) for part in self.parts()
        )
        return numbers_per_row("means", taxonomy.n_nodes) + largest

    # -- label sets -----------------------------------------------------------------------

    def set_parts(self) -> list[SetStrategy]:
        """Return the members."""
        members = [PerParent(), PerLevel()] if self.members is None else self.members
        return [resolve_set_strategy(member) for member in members]

    def check_sets(self) -> None:
        """Raise an IncompatiblePartsError if a member has a parameter without effect."""
        self.set_parts()

    def plan_sets(
        self,
        members: Memberships,  # noqa: ARG002
        learns_jointly: Callable[[ModelKey], bool],  # noqa: ARG002
    ) -> list[LocalProblem]:
        """Return nothing: the members have all problems."""
        return []

    def combined_sets(self, tables: Iterator[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        """Return the means of all members' probabilities, for both."""
        mean: Floats = np.mean([proba for _, proba in tables], axis=0)
        return mean, mean
