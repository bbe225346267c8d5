"""The common side of strategies that are made of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from sklhier._local.keys import ModelKey
from sklhier._local.problem import LocalProblem
from sklhier._local.scores import Scores
from sklhier._probabilities.marginals import Marginals, Outcomes
from sklhier._utils.typing import NodeIds
from sklhier.strategies._base import SetStrategy, Strategy
from sklhier.strategies._memberships import Memberships
from sklhier.taxonomy import Taxonomy

__all__ = ["Compound"]


class Compound(Strategy, SetStrategy):
    """A strategy that is made of others, which have all problems and all models."""

    _why_no_models: ClassVar[str]

    @property
    def leaves_decide(self) -> bool:  # type: ignore[override]
        """Whether one of the parts decides about single leaves."""
        return any(part.leaves_decide for part in self.parts())

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return what is a possible answer for one of the parts."""
        parts = [part.outcomes(taxonomy, class_ids) for part in self.parts()]
        return max(parts, key=lambda outcomes: len(outcomes.nodes))

    def plan(
        self,
        taxonomy: Taxonomy,  # noqa: ARG002
        outcomes: Outcomes,  # noqa: ARG002
        nodes: NodeIds,  # noqa: ARG002
    ) -> list[LocalProblem]:
        """Return nothing: the parts have all problems."""
        return []

    def marginals(
        self,
        taxonomy: Taxonomy,  # noqa: ARG002
        outcomes: Outcomes,  # noqa: ARG002
        scores: Scores,  # noqa: ARG002
    ) -> Marginals:
        """Raise a TypeError: marginals come from the parts."""
        raise TypeError(self._why_no_models)

    def check_sets(self) -> None:
        """Raise an IncompatiblePartsError if a part has a parameter without effect."""
        self.set_parts()

    def plan_sets(
        self,
        members: Memberships,  # noqa: ARG002
        learns_jointly: Callable[[ModelKey], bool],  # noqa: ARG002
    ) -> list[LocalProblem]:
        """Return nothing: the parts have all problems."""
        return []
