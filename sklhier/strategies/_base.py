"""The two interfaces of strategies, for one path and for several labels of a sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator

from sklhier._local.keys import ModelKey
from sklhier._local.problem import LocalProblem
from sklhier._local.scores import Scores
from sklhier._probabilities.consistency import make_consistent
from sklhier._probabilities.marginals import Marginals, Outcomes
from sklhier._utils.registry import Registry, register_in
from sklhier._utils.typing import Floats, NodeIds
from sklhier.exceptions import IncompatiblePartsError
from sklhier.strategies._memberships import Memberships
from sklhier.taxonomy import Taxonomy

__all__ = [
    "STOPS",
    "HeldOut",
    "Option",
    "SetStrategy",
    "Strategy",
    "refuse_with_sets",
    "register",
    "resolve_set_strategy",
    "resolve_strategy",
]

STOPS = ("ignore", "learn")  # what a label means that is an inner node


@dataclass(frozen=True)
class HeldOut:
    """Samples that local models were not fitted on, and their scores.

    Attributes
    ----------
    outcomes : Outcomes
        What the models decide about.
    scores : Scores
        Scores of the samples.
    nodes : ndarray of int32, shape (n,)
        The node of each sample's label.
    weights : ndarray of float64, shape (n,)
        Weights of the samples.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.strategies import Flat
    >>> class Watched(Flat):
    ...     needs_tuning = True
    ...
    ...     def tuned(self, taxonomy, held_out):
    ...         print(sum(len(part.nodes) for part in held_out()))
    ...         return self
    >>> X, y = [[0.0], [1.0], [0.1], [1.1]], ["owl", "eel", "owl", "eel"]
    >>> model = HierarchicalClassifier(strategy=Watched(), cv=2).fit(X, y)
    4
    """

    outcomes: Outcomes
    scores: Scores
    nodes: NodeIds
    weights: Floats


@dataclass(frozen=True)
class Option:
    """One of the strategies among which held-out samples choose.

    Attributes
    ----------
    strategy : Strategy or SetStrategy
    members : tuple of int
        Positions of its parts among the parts of the strategy that has the choice.

    Examples
    --------
    >>> from sklhier.strategies import Flat
    >>> Flat().options()  # itself, which is its only part
    [Option(strategy=Flat(), members=(0,))]
    """

    strategy: Any
    members: tuple[int, ...]


class Strategy(BaseEstimator, ABC):
    """A plan of local problems, and how their scores become node probabilities: one path a sample.

    Keeps no state: parameters are stored in ``__init__``, like those of every scikit-learn object.
    Everything else is a function of its arguments.

    Attributes
    ----------
    leaves_decide : bool
        Whether there are models that decide about single leaves.
    has_stages : bool
        Whether there are models above each other.
    sends_down : bool
        Whether models learn from the samples of a node, so that samples may be sent there by those
        above it. Marginals are then products down the paths.
    takes_dags : bool
        Whether it can classify into a DAG where a sample has one label.

    See Also
    --------
    register : Lets a strategy be chosen by a name.
    SetStrategy : The same for label sets.

    Notes
    -----
    :doc:`/user_guide/extending` shows a strategy that is written this way.
    """

    leaves_decide: ClassVar[bool] = False
    has_stages: ClassVar[bool] = True
    sends_down: ClassVar[bool] = False
    takes_dags: ClassVar[bool] = False

    @abstractmethod
    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return the possible answers, given the nodes that occur as labels.

        Parameters
        ----------
        taxonomy : Taxonomy
            A tree.
        class_ids : ndarray of int32
            Ids of the nodes that occur as labels, in the order of the classes.
        """

    @abstractmethod
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

    @abstractmethod
    def marginals(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: Scores) -> Marginals:
        """Return the probabilities of the nodes, given the scores of the local models.

        Parameters
        ----------
        taxonomy : Taxonomy
            A tree.
        outcomes : Outcomes
            The possible answers.
        scores : Scores
            The scores of the samples at hand.
        """

    @abstractmethod
    def columns_per_row(self, taxonomy: Taxonomy, outcomes: Outcomes, *, all_nodes: bool) -> int:
        """Return about how many numbers are held for each row, to cut rows into blocks."""

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""

    @property
    def needs_tuning(self) -> bool:
        """Whether :meth:`tuned` sets a parameter before the final fit."""
        return False

    def tuned(self, taxonomy: Taxonomy, held_out: Callable[[], Iterator[HeldOut]]) -> Self:  # noqa: ARG002
        """Return the strategy with parameters that are tuned on held-out samples.

        Parameters
        ----------
        taxonomy : Taxonomy
            A tree.
        held_out : callable
            Returns an iterator over blocks of samples, each sample once, with the scores of models
            of this strategy that were fitted without them.
        """
        return self

    # -- several strategies in one --------------------------------------------------------

    @property
    def needs_choice(self) -> bool:
        """Whether held-out samples choose among :meth:`options`, or weigh the parts of one."""
        return False

    def options(self) -> Sequence[Option]:
        """Return the strategies to choose from: this one."""
        return [Option(self, tuple(range(len(self.parts()))))]

    def parts(self) -> Sequence[Strategy]:
        """Return the strategies that have models of their own: this one."""
        return [self]

    def with_parts(self, parts: Sequence[Strategy]) -> Strategy:
        """Return the strategy with its parts replaced."""
        return parts[0]

    def combined(
        self,
        taxonomy: Taxonomy,  # noqa: ARG002
        outcomes: Outcomes,  # noqa: ARG002
        marginals: Iterator[Marginals],
    ) -> Marginals:
        """Return the marginals of all parts as one, given an iterator over them."""
        return next(marginals)


class SetStrategy(BaseEstimator, ABC):
    """A plan of local problems, and how their scores become node probabilities: label sets.

    Attributes
    ----------
    is_conditional : bool
        Whether models are about samples of a node's parents, so that their answers are
        multiplied down the paths; if not, they are about all samples.
    has_stages : bool
        Whether there are models above each other.

    See Also
    --------
    register : Lets a strategy be chosen by a name.
    Strategy : The same for one path.

    Notes
    -----
    :doc:`/user_guide/extending` shows a strategy that is written this way.
    """

    is_conditional: ClassVar[bool] = True
    has_stages: ClassVar[bool] = True

    @abstractmethod
    def plan_sets(
        self, members: Memberships, learns_jointly: Callable[[ModelKey], bool]
    ) -> Iterable[LocalProblem]:
        """Return the local problems.

        Parameters
        ----------
        members : Memberships
            The samples of every node.
        learns_jointly : callable
            ``learns_jointly(key)`` tells whether the base estimator of a model learns several
            outputs in one call.
        """

    def set_proba(
        self, taxonomy: Taxonomy, observed: NodeIds, scores: Scores, consistency: str
    ) -> tuple[Floats, Floats]:
        """Return the models' own scores of nodes, and probabilities that respect the taxonomy.

        Parameters
        ----------
        taxonomy : Taxonomy
            Tree or DAG.
        observed : ndarray of int32
            Ids of the nodes that had a sample in training.
        scores : Scores
            The scores of the samples at hand.
        consistency : {"max", "min", "product", "isotonic", "true_path"}
            What makes probabilities of separate models consistent.

        Returns
        -------
        raw, node_proba : ndarray of float64, shape (n_samples, n_nodes)
        """
        raw = scores.node_proba(observed)
        method = "product" if self.is_conditional else consistency
        return raw, make_consistent(raw, taxonomy, method)

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""

    def check_sets(self) -> None:
        """Raise an IncompatiblePartsError for a parameter without effect on label sets."""

    # -- several strategies in one --------------------------------------------------------

    @property
    def needs_choice(self) -> bool:
        """Whether held-out samples choose among :meth:`set_options`, or weigh parts of one."""
        return False

    def set_options(self) -> Sequence[Option]:
        """Return the strategies to choose from: this one."""
        return [Option(self, tuple(range(len(self.set_parts()))))]

    def set_parts(self) -> Sequence[SetStrategy]:
        """Return the strategies that have models of their own: this one."""
        return [self]

    def with_set_parts(self, parts: Sequence[SetStrategy]) -> SetStrategy:
        """Return the strategy with its parts replaced."""
        return parts[0]

    def combined_sets(self, tables: Iterator[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        """Return what :meth:`set_proba` of all parts returned as one."""
        return next(tables)


_PATHS = Registry("strategy", Strategy)  # type: ignore[type-abstract]
_SETS = Registry("strategy", SetStrategy)  # type: ignore[type-abstract]


def register(name: str) -> Callable[[type[Any]], type[Any]]:
    """Return a class decorator that lets a strategy be chosen by a name, with default parameters.

    Parameters
    ----------
    name : str
        A new name. A class that has both interfaces gets it for both.

    Returns
    -------
    decorator : callable
        Takes the class and returns it.

    Raises
    ------
    ValueError
        If another class has the name.

    Examples
    --------
    >>> from sklhier.strategies import Flat, register, resolve_strategy
    >>> @register("doctest_flat")
    ... class StillFlat(Flat):
    ...     pass
    >>> resolve_strategy("doctest_flat")
    StillFlat()
    """
    return register_in((_PATHS, _SETS), name)


def resolve_strategy(strategy: str | Strategy) -> Strategy:
    """Return the strategy of that name, or the strategy itself, its parameters checked.

    Parameters
    ----------
    strategy : str or Strategy
        A registered name, or an object.

    Returns
    -------
    strategy : Strategy
        For a name a new object, with default parameters.

    Raises
    ------
    ValueError
        For an unknown name or object, or a parameter outside its range.

    Examples
    --------
    >>> from sklhier.strategies import resolve_strategy
    >>> resolve_strategy("flat")
    Flat()
    """
    return _PATHS.resolve(strategy)


def resolve_set_strategy(strategy: str | SetStrategy) -> SetStrategy:
    """Return the strategy of that name for label sets, or the strategy itself.

    Parameters
    ----------
    strategy : str or SetStrategy
        A registered name, or an object.

    Returns
    -------
    strategy : SetStrategy
        For a name a new object, with default parameters.

    Raises
    ------
    ValueError
        For an unknown name or object, or a parameter outside its range.
    IncompatiblePartsError
        For a parameter that has no effect with label sets.

    Examples
    --------
    >>> from sklhier.strategies import resolve_set_strategy
    >>> resolve_set_strategy("per_level")
    PerLevel()
    """
    resolved = _SETS.resolve(strategy)
    resolved.check_sets()
    return resolved


def refuse_with_sets(strategy: object, name: str) -> IncompatiblePartsError:
    """Return an error: a parameter of a strategy is about one path for each sample."""
    return IncompatiblePartsError.needs(
        strategy,
        "one path for each sample",
        f"with label sets `{name}` has no effect",
        "Leave it at its default.",
    )
