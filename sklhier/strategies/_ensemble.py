"""The mean of several strategies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Self

import numpy as np

from sklhier._local.keys import member_offset
from sklhier._local.problem import LocalProblem
from sklhier._local.scores import LocalScores
from sklhier._probabilities.marginals import DenseMarginals, Marginals, Outcomes
from sklhier._utils.typing import Floats, NodeIds
from sklhier.strategies._base import HoldOut, Strategy, named, resolve_strategy
from sklhier.strategies._memberships import Memberships
from sklhier.strategies._per_level import PerLevel
from sklhier.strategies._per_parent import PerParent
from sklhier.taxonomy import Taxonomy

__all__ = ["Ensemble"]


@named("ensemble")
class Ensemble(Strategy):
    """The mean of the node probabilities of several strategies.

    Every strategy's models are fitted and asked; the means are as coherent as their parts.

    Parameters
    ----------
    members : sequence of str or Strategy, default=None
        The strategies; None stands for ``[PerParent(stop="learn"), PerLevel()]``.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.strategies import Ensemble, PerLevel
    >>> HierarchicalClassifier(strategy=Ensemble(["flat", PerLevel(beta=0.5)]))
    HierarchicalClassifier(strategy=Ensemble(members=['flat', PerLevel(beta=0.5)]))
    """

    has_members = True

    def __init__(self, members: Sequence[str | Strategy] | None = None) -> None:
        self.members = members

    def _resolved(self) -> list[Strategy]:
        if self.members is None:
            return [PerParent(stop="learn"), PerLevel()]
        if isinstance(self.members, str) or not len(self.members):
            raise ValueError(
                f"`members` is a list of at least one strategy; {self.members!r} was given."
            )
        return [resolve_strategy(member) for member in self.members]

    @property
    def leaves_decide(self) -> bool:  # type: ignore[override]
        """Whether one of the members decides about single leaves."""
        return any(member.leaves_decide for member in self._resolved())

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return what is a possible answer for one of the members."""
        parts = [member.outcomes(taxonomy, class_ids) for member in self._resolved()]
        return max(parts, key=lambda part: len(part.nodes))

    def plan(
        self, taxonomy: Taxonomy, outcomes: Outcomes, nodes: NodeIds
    ) -> Iterator[LocalProblem]:
        """Yield the problems of all members."""
        for position, member in enumerate(self._resolved()):
            own = member.outcomes(taxonomy, outcomes.classes)
            for problem in member.plan(taxonomy, own, nodes):
                yield problem.of_member(position, taxonomy)

    def marginals(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: LocalScores) -> Marginals:
        """Return the means of all members' probabilities."""
        members = self._resolved()
        nodes = np.zeros((scores.n_rows, taxonomy.n_nodes))
        stops = np.zeros_like(nodes)
        for position, member in enumerate(members):
            own = member.outcomes(taxonomy, outcomes.classes)
            table = member.marginals(taxonomy, own, scores.of_member(position)).dense()
            nodes += table.node_proba / len(members)
            stops[:, outcomes.stops] += table.answer_proba(outcomes.stops) / len(members)
        nodes[:, 0] = 1.0
        return DenseMarginals(taxonomy, outcomes, nodes, stops)

    def plan_sets(
        self, members: Memberships, is_joint: Callable[[int], bool]
    ) -> Iterator[LocalProblem]:
        """Yield the problems of all members of the ensemble."""
        taxonomy = members.taxonomy
        for position, strategy in enumerate(self._resolved()):
            offset = member_offset(position, taxonomy)
            joint = partial(_joint_at, is_joint, offset)
            for problem in strategy.plan_sets(members, joint):
                yield problem.of_member(position, taxonomy)

    def set_proba(
        self, taxonomy: Taxonomy, live: NodeIds, scores: LocalScores, consistency: str
    ) -> tuple[Floats, Floats]:
        """Return the means of all members' probabilities, for both."""
        parts = [
            strategy.set_proba(taxonomy, live, scores.of_member(position), consistency)[1]
            for position, strategy in enumerate(self._resolved())
        ]
        mean: Floats = np.mean(parts, axis=0)
        return mean, mean

    def columns_per_row(self, taxonomy: Taxonomy, outcomes: Outcomes, *, all_nodes: bool) -> int:  # noqa: ARG002
        """Return the number of nodes for the means, and what the largest member holds."""
        largest = max(
            member.columns_per_row(taxonomy, outcomes, all_nodes=True)
            for member in self._resolved()
        )
        return 3 * taxonomy.n_nodes + largest

    @property
    def needs_held_out(self) -> bool:
        """Whether one of the members has something to learn."""
        return any(member.needs_held_out for member in self._resolved())

    def learnt(self, taxonomy: Taxonomy, held_out: HoldOut) -> Self:
        """Return the ensemble of members that have learnt what they need."""
        return type(self)([member.learnt(taxonomy, held_out) for member in self._resolved()])


def _joint_at(is_joint: Callable[[int], bool], offset: int, owner: int) -> bool:
    return is_joint(owner + offset)
