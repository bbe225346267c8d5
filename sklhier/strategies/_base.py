"""What a strategy is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias

from sklearn.base import BaseEstimator

from sklhier._local.problem import LocalProblem
from sklhier._local.scores import LocalScores
from sklhier._probabilities.consistency import make_consistent
from sklhier._probabilities.marginals import Marginals, Outcomes
from sklhier._utils.typing import Floats, NodeIds
from sklhier.exceptions import IncompatiblePartsError
from sklhier.strategies._memberships import Memberships
from sklhier.taxonomy import Taxonomy

__all__ = ["STOPS", "HeldOut", "HoldOut", "Strategy", "named", "resolve_strategy"]

STOPS = ("ignore", "learn")  # what a label means that is an inner node


@dataclass(frozen=True)
class HeldOut:
    """Samples that local models were not fitted on, and what the models say of them.

    Attributes
    ----------
    outcomes : Outcomes
        What the models know.
    scores : LocalScores
        Their answers.
    nodes : ndarray of int32, shape (n,)
        The node of each sample's label.
    weights : ndarray of float64, shape (n,)
        Weights of the samples.
    """

    outcomes: Outcomes
    scores: LocalScores
    nodes: NodeIds
    weights: Floats


class Strategy(BaseEstimator):
    """Says which local problems there are, and how their scores become node probabilities.

    Keeps no state: parameters are stored in ``__init__``, like those of every scikit-learn object.
    Everything else is a function of its arguments.

    Attributes
    ----------
    leaves_decide : bool
        Whether there are models that decide about single leaves.
    has_members : bool
        Whether it is an ensemble, whose places are numbered by member.
    is_conditional : bool
        Whether models for several labels are asked about samples of a node's parents, so that their
        answers are multiplied down the paths; if not, they are about all samples.
    has_stages : bool
        Whether there are models above each other.
    sends_down : bool
        Whether models learn from the samples of a node, so that samples may be sent there by those
        above it. Marginals are then products down the paths.
    takes_dags : bool
        Whether it can classify into a DAG where a sample has one label.
    """

    leaves_decide: ClassVar[bool] = False
    has_members: ClassVar[bool] = False
    is_conditional: ClassVar[bool] = True
    has_stages: ClassVar[bool] = True
    sends_down: ClassVar[bool] = False
    takes_dags: ClassVar[bool] = False

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return the possible answers, given the nodes that occur as labels.

        Parameters
        ----------
        taxonomy : Taxonomy
            A tree.
        class_ids : ndarray of int32
            Ids of the nodes that occur as labels, in the order of the classes.
        """
        raise NotImplementedError

    def plan(
        self, taxonomy: Taxonomy, outcomes: Outcomes, nodes: NodeIds
    ) -> Iterable[LocalProblem]:
        """Return the local problems, those with a single outcome included.

        Parameters
        ----------
        taxonomy : Taxonomy
            A tree.
        outcomes : Outcomes
            What :meth:`outcomes` returned.
        nodes : ndarray of int32, shape (n_samples,)
            The node of each label.
        """
        raise NotImplementedError

    def marginals(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: LocalScores) -> Marginals:
        """Return the probabilities of the nodes, given those of the local models.

        Parameters
        ----------
        taxonomy : Taxonomy
            A tree.
        outcomes : Outcomes
            The possible answers.
        scores : LocalScores
            The local models' answers for the samples at hand.
        """
        raise NotImplementedError

    def plan_sets(
        self,
        members: Memberships,
        is_joint: Callable[[int], bool],  # noqa: ARG002
    ) -> Iterable[LocalProblem]:
        """Return the local problems where a sample may have several labels.

        Parameters
        ----------
        members : Memberships
            The samples of every node.
        is_joint : callable
            ``is_joint(owner)`` tells whether the base estimator of a place learns several outputs
            in one call.

        Raises
        ------
        IncompatiblePartsError
            If the strategy is for single paths only.
        """
        raise IncompatiblePartsError.needs(
            self,
            "one path for each sample",
            f"there may be several labels in a taxonomy of {members.taxonomy.n_nodes} nodes",
            "Define plan_sets, or use a strategy by name.",
        )

    def set_proba(
        self, taxonomy: Taxonomy, live: NodeIds, scores: LocalScores, consistency: str
    ) -> tuple[Floats, Floats]:
        """Return the models' own scores of nodes, and probabilities that respect the taxonomy.

        Parameters
        ----------
        taxonomy : Taxonomy
            Tree or DAG.
        live : ndarray of int32
            Ids of the nodes that had a sample in training.
        scores : LocalScores
            The local models' answers for the samples at hand.
        consistency : str
            What makes probabilities of separate models consistent, of
            :func:`sklhier._probabilities.consistency.make_consistent`.

        Returns
        -------
        raw, node_proba : ndarray of float64, shape (n_samples, n_nodes)
        """
        raw = scores.of_nodes(live)
        method = "product" if self.is_conditional else consistency
        return raw, make_consistent(raw, taxonomy, method)

    @property
    def needs_held_out(self) -> bool:
        """Whether a parameter is to be learnt by :meth:`learnt` before fitting."""
        return False

    def learnt(self, taxonomy: Taxonomy, held_out: HoldOut) -> Self:  # noqa: ARG002
        """Return the strategy with what it has to learn from held-out samples.

        Parameters
        ----------
        taxonomy : Taxonomy
            A tree.
        held_out : callable
            ``held_out(strategy)`` fits the models of a strategy to the training part of each fold
            and yields the samples left out as HeldOut objects, block by block: each sample once.
        """
        return self

    def columns_per_row(self, taxonomy: Taxonomy, outcomes: Outcomes, *, all_nodes: bool) -> int:
        """Return about how many numbers are held for each row, to cut rows into blocks."""
        raise NotImplementedError


HoldOut: TypeAlias = Callable[[Strategy], Iterator[HeldOut]]

_BY_NAME: dict[str, type[Strategy]] = {}


def named(name: str) -> Callable[[type[Strategy]], type[Strategy]]:
    """Let a strategy be chosen by a name, with default parameters."""

    def register(strategy: type[Strategy]) -> type[Strategy]:
        _BY_NAME[name] = strategy
        return strategy

    return register


def resolve_strategy(strategy: str | Strategy) -> Strategy:
    """Return the strategy of that name, or the strategy itself.

    Raises
    ------
    ValueError
        For another name or object.

    Examples
    --------
    >>> from sklhier.strategies import resolve_strategy
    >>> resolve_strategy("flat")
    Flat()
    """
    if isinstance(strategy, str) and strategy in _BY_NAME:
        return _BY_NAME[strategy]()
    if not isinstance(strategy, Strategy):
        raise ValueError(
            f"`strategy` is a Strategy object or one of {sorted(_BY_NAME)}; {strategy!r} was given."
        )
    return strategy
