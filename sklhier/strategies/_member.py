"""A member of a pool that has a base estimator of its own, or is a joint model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

from sklearn import get_config
from sklearn.utils.metadata_routing import get_routing_for_object

from sklhier._local.base_estimators import MEMBER, check_classifier, learns_jointly, own_classifier
from sklhier._local.keys import ModelKey
from sklhier._local.problem import LocalProblem
from sklhier._local.scores import Scores
from sklhier._probabilities.marginals import Marginals, Outcomes
from sklhier._utils.typing import Floats, NodeIds
from sklhier._utils.validation import shown
from sklhier.exceptions import IncompatiblePartsError
from sklhier.strategies._base import (
    HeldOut,
    SetStrategy,
    Strategy,
    resolve_set_strategy,
    resolve_strategy,
)
from sklhier.strategies._memberships import Memberships
from sklhier.taxonomy import Taxonomy

__all__ = ["Member", "as_member", "bases_of"]


class Member(Strategy, SetStrategy):
    """A strategy whose models have a base estimator of its own.

    Parameters
    ----------
    strategy : str, Strategy or SetStrategy
    estimator : classifier
        The base estimator of all its models.
    """

    def __init__(self, strategy: Any, estimator: Any) -> None:
        self.strategy = strategy
        self.estimator = estimator

    @property
    def base_name(self) -> str:
        """The name of the base estimator, which members with the same one share.

        With metadata routing it also tells what the estimator requests, which is not in its print.
        """
        name = f"{MEMBER}{_full(self.estimator)}"
        if not get_config()["enable_metadata_routing"]:
            return name
        return f"{name} {get_routing_for_object(self.estimator)}"

    @property
    def pair(self) -> tuple[Any, Any]:
        """The parameter as users give it."""
        return self.strategy, self.estimator

    @property
    def _own(self) -> Any:
        is_sets = isinstance(self.strategy, SetStrategy) and not isinstance(
            self.strategy, Strategy
        )
        return (resolve_set_strategy if is_sets else resolve_strategy)(self.strategy)

    @property
    def _of_sets(self) -> SetStrategy:
        return resolve_set_strategy(self.strategy)

    def check(self) -> None:
        """Raise an error unless there are one strategy and a classifier."""
        check_classifier(self.estimator, "members")
        own = self._own
        parts = own.parts() if isinstance(own, Strategy) else own.set_parts()
        if own.needs_choice or len(parts) != 1 or isinstance(own, Member):
            raise ValueError(
                "`members` must pair an estimator with a single strategy, got "
                f"{shown(self.strategy)}. Make a pair for each of its members."
            )

    def check_sets(self) -> None:
        """Raise an error for a strategy or a joint model that is not for label sets."""
        self._of_sets.check_sets()
        own = own_classifier(self.estimator)
        if own is not None and not learns_jointly(own[1]):
            raise IncompatiblePartsError.needs(
                type(own[1]).__name__,
                "one path for each sample",
                "there are label sets",
                "Use MultiHeadMultiLabelClassifier.",
            )

    @property
    def leaves_decide(self) -> bool:  # type: ignore[override]
        """Whether there are models that decide about single leaves."""
        return bool(getattr(self._own, "leaves_decide", True))

    @property
    def has_stages(self) -> bool:  # type: ignore[override]
        """Whether there are models above each other."""
        return bool(self._own.has_stages)

    @property
    def sends_down(self) -> bool:  # type: ignore[override]
        """Whether models learn from the samples of a node."""
        return bool(self._own.sends_down)

    @property
    def takes_dags(self) -> bool:  # type: ignore[override]
        """Whether a DAG will do."""
        return bool(self._own.takes_dags)

    @property
    def is_conditional(self) -> bool:  # type: ignore[override]
        """Whether models are about the samples of a node's parents."""
        return bool(self._own.is_conditional)

    @property
    def needs_tuning(self) -> bool:
        """Whether :meth:`tuned` sets a parameter."""
        return bool(getattr(self._own, "needs_tuning", False))

    def tuned(self, taxonomy: Taxonomy, held_out: Callable[[], Iterator[HeldOut]]) -> Self:
        """Return the member with its strategy tuned."""
        return type(self)(self._own.tuned(taxonomy, held_out), self.estimator)

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return the possible answers."""
        outcomes: Outcomes = self._own.outcomes(taxonomy, class_ids)
        return outcomes

    def plan(
        self, taxonomy: Taxonomy, outcomes: Outcomes, nodes: NodeIds
    ) -> Iterable[LocalProblem]:
        """Return the local problems."""
        problems: Iterable[LocalProblem] = self._own.plan(taxonomy, outcomes, nodes)
        return problems

    def marginals(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: Scores) -> Marginals:
        """Return the probabilities of the nodes."""
        marginals: Marginals = self._own.marginals(taxonomy, outcomes, scores)
        return marginals

    def columns_per_row(self, taxonomy: Taxonomy, outcomes: Outcomes, *, all_nodes: bool) -> int:
        """Return about how many numbers are held for each row."""
        return int(self._own.columns_per_row(taxonomy, outcomes, all_nodes=all_nodes))

    def plan_sets(
        self, members: Memberships, learns_jointly: Callable[[ModelKey], bool]
    ) -> Iterable[LocalProblem]:
        """Return the local problems."""
        return self._of_sets.plan_sets(members, learns_jointly)

    def set_proba(
        self, taxonomy: Taxonomy, observed: NodeIds, scores: Scores, consistency: str
    ) -> tuple[Floats, Floats]:
        """Return scores of nodes, and probabilities that respect the taxonomy."""
        return self._of_sets.set_proba(taxonomy, observed, scores, consistency)


def as_member(given: Any) -> Any:
    """Return a member of a pool as a strategy, or as a name of one.

    A pair is a strategy with a base estimator; an estimator alone is one classifier over all classes,
    which is what a joint model is.
    """
    if isinstance(given, tuple | list):
        if len(given) != 2:
            raise ValueError(
                "`members` must be strategies, estimators or pairs (strategy, estimator), got "
                f"{shown(given)}."
            )
        return Member(*given)
    is_estimator = hasattr(given, "fit") and not isinstance(given, Strategy | SetStrategy)
    return Member("flat", given) if is_estimator else given


def bases_of(strategy: Any) -> dict[str, Any]:
    """Return the base estimators of members by their names, whatever is wrong with the strategy."""
    given: list[Any] = [strategy]
    bases: dict[str, Any] = {}
    while given:
        part = given.pop()
        inner = getattr(part, "members", None) or getattr(part, "candidates", None)
        if isinstance(inner, Sequence) and not isinstance(inner, str):
            given += inner
        pair = isinstance(part, tuple | list) and len(part) == 2
        if pair or (hasattr(part, "fit") and not isinstance(part, type)):
            member = as_member(part)
            if isinstance(member, Member):
                bases[member.base_name] = member.estimator
    return bases


def _full(estimator: Any) -> str:
    """Return how an estimator prints, nothing left out."""
    holder: Any = Member(None, estimator)
    return " ".join(holder.__repr__(N_CHAR_MAX=10**6).split())
