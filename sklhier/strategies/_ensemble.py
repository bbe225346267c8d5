"""Pools of several strategies: means of their probabilities, or products of powers of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from scipy.special import expit, softmax

from sklhier._probabilities.marginals import (
    AnswerMarginals,
    DenseMarginals,
    Marginals,
    Outcomes,
)
from sklhier._utils.memory_blocks import numbers_per_row
from sklhier._utils.typing import Floats, Rows
from sklhier._utils.validation import check_choice, numbers, shown
from sklhier.strategies._base import (
    SetStrategy,
    Strategy,
    register,
    resolve_set_strategy,
    resolve_strategy,
)
from sklhier.strategies._compound import Compound
from sklhier.strategies._member import Member, as_member
from sklhier.strategies._per_level import PerLevel
from sklhier.strategies._per_parent import PerParent
from sklhier.strategies._pools import log_odds, smoothed_logs
from sklhier.taxonomy import Taxonomy

__all__ = ["Ensemble"]

_POOLS = ("linear", "log")


@register("ensemble")
class Ensemble(Compound):
    r"""A pool of the node probabilities of several strategies, by default their mean.

    Every member has models of its own. Pooled probabilities are as coherent as those of the members.

    Parameters
    ----------
    members : sequence of str, Strategy, (strategy, estimator) or estimator, default=None
        The strategies; None means ``[PerParent(stop="learn"), PerLevel(beta=1.0)]``. In a pair, the
        strategy's models use this base estimator instead of the classifier's, and the classifier's
        `node_estimators`. An estimator alone is one classifier over all classes, like a pair with
        ``"flat"``. It may be a joint model (:class:`~sklhier.MultiHeadClassifier`, with label sets
        :class:`~sklhier.MultiHeadMultiLabelClassifier`), or a Pipeline or search that ends with one;
        the model gets the taxonomy.
    weights : array-like of shape (n_members,) or "oof", default=None
        Weights of the members, 0 or more; None for equal weights. ``"oof"`` learns them from
        out-of-fold predictions, for one more fit of every model in each fold (see ``cv`` of the
        classifier); ``strategy_`` shows them. A member of weight 0 is not fitted to all rows and
        costs nothing in prediction.
    pool : {"linear", "log"}, default="linear"
        ``"linear"``: the mean of probabilities, with the weights divided by their sum. ``"log"``:
        the product of powers of the answers' probabilities,
        :math:`P(a) \propto \prod_m P_m(a)^{w_m}`; with label sets, of the odds of each node. The
        weights are then exponents that need not add up to 1: learnt ones also correct members that
        are too confident, or not confident enough.

    Raises
    ------
    ValueError
        For no members, and for weights that are negative, all 0, or not one for each member.

    Notes
    -----
    Learnt weights of means minimise the sum of squared errors over all nodes [1]_ [2]_; those of
    products maximise the likelihood [3]_. Weights below a hundredth of their sum become 0. Before
    multiplication, the probabilities of answers are mixed with 1 % of a uniform distribution, so
    that a single member's 0 is no veto. If labels are inner nodes, weights are learnt from
    the rows whose label is a possible answer.

    Where models are calibrated one by one (``calibration`` of the classifier), weights are those of
    calibrated members. A ``"log"`` pool depends less on how well members are calibrated: the
    exponents make up for it. In a ``"linear"`` pool a member that is not confident enough, such as
    decision scores without `calibration`, may get less weight than it deserves.

    References
    ----------
    .. [1] L. Breiman. Stacked regressions. Machine Learning
       24 (1996).
    .. [2] M. J. van der Laan, E. C. Polley, A. E. Hubbard. Super learner. Statistical Applications in
       Genetics and Molecular Biology 6 (2007).
    .. [3] C. Genest, J. V. Zidek. Combining probability distributions: a critique and an annotated
       bibliography. Statistical Science 1 (1986).

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> from sklhier.strategies import Ensemble, PerLevel
    >>> HierarchicalClassifier(strategy=Ensemble(["flat", PerLevel(beta=0.7)]))
    HierarchicalClassifier(strategy=Ensemble(members=['flat', PerLevel(beta=0.7)]))
    >>> X, y, taxonomy = make_hierarchical_classification(300, 5, branching=(3, 2), random_state=0)
    >>> learnt = Ensemble(["flat", "per_parent"], weights="oof", pool="log")
    >>> model = HierarchicalClassifier(taxonomy=taxonomy, strategy=learnt).fit(X, y)
    >>> len(model.strategy_.weights)
    2
    """

    _why_no_models = "An Ensemble has no models of its own: combine those of its parts."

    def __init__(
        self, members: Sequence[Any] | None = None, *, weights: Any = None, pool: str = "linear"
    ) -> None:
        self.members = members
        self.weights = weights
        self.pool = pool

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"weights": None, "pool": "linear"} | state)  # of earlier versions

    def check(self) -> None:
        """Raise a ValueError unless there is at least one member, and a weight for each."""
        if self.members is not None and (isinstance(self.members, str) or not len(self.members)):
            raise ValueError(
                f"`members` must be a list of at least one strategy, got {self.members!r}."
            )
        check_choice("pool", self.pool, _POOLS)
        for member in self._members():
            if getattr(member, "needs_choice", False) or (
                isinstance(member, str) and member == "auto"
            ):
                raise ValueError(
                    f"`members` must be strategies that are not chosen or weighted themselves, got "
                    f"{shown(member)}. Use its members instead."
                )
        self._given()

    def _members(self) -> Sequence[Any]:
        if self.members is None:
            return [PerParent(stop="learn"), PerLevel(beta=1.0)]
        return self.members

    def _given(self) -> Floats | None:
        """Return the weights of all members as they are used; None if all are the same."""
        if self.weights is None or self.needs_choice:
            return None
        if isinstance(self.weights, str):
            raise ValueError(
                f"`weights` must be None, 'oof' or an array of numbers, got {self.weights!r}."
            )
        weights = numbers("weights", self.weights)
        n_members = len(self._members())
        if weights.shape != (n_members,):
            raise ValueError(
                f"`weights` must have one number for each of {n_members} members, got shape "
                f"{weights.shape}."
            )
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ValueError(
                f"`weights` must be finite, 0 or more, and not all 0, got {shown(self.weights)}."
            )
        return weights if self.pool == "log" else weights / weights.sum()

    def _kept(self) -> Rows:
        """Return the positions of the members that have models."""
        weights = self._given()
        if weights is None:
            return np.arange(len(self._members()))
        return np.flatnonzero(weights)

    def _used_weights(self) -> Floats:
        """Return the weight of each part, where they are not all the same."""
        weights = self._given()
        if weights is None:
            n_parts = len(self._members())
            return np.full(n_parts, 1 / n_parts)
        return weights[weights > 0]

    @property
    def needs_choice(self) -> bool:
        """Whether weights are learnt."""
        return isinstance(self.weights, str) and self.weights == "oof"

    @property
    def needs_tuning(self) -> bool:
        """Whether weights, or parameters of a member, are learnt."""
        return self.needs_choice or any(part.needs_tuning for part in self.parts())

    def weighed(self, weights: Floats) -> Self:
        """Return the ensemble with these weights of all members."""
        return type(self)(self.members, weights=weights, pool=self.pool)

    def parts(self) -> list[Strategy]:
        """Return the members, but for those of weight 0."""
        members = self._members()
        return [resolve_strategy(as_member(members[i])) for i in self._kept()]

    def with_parts(self, parts: Sequence[Any]) -> Self:
        """Return an ensemble with other members in place of its parts."""
        members = list(self._members())
        for i, part in zip(self._kept(), parts, strict=True):
            members[i] = part.pair if isinstance(part, Member) else part
        return type(self)(members, weights=self.weights, pool=self.pool)

    def combined(
        self, taxonomy: Taxonomy, outcomes: Outcomes, marginals: Iterator[Marginals]
    ) -> Marginals:
        """Return what is pooled of the members' probabilities."""
        if self.pool == "log":
            return self._products(taxonomy, outcomes, marginals)
        # Divided, not multiplied, where all are the same: results stay to the last digit.
        divisors = np.full(len(self._members()), len(self._members()))
        if self._given() is not None:
            divisors = 1 / self._used_weights()
        nodes, stops = None, None
        for divisor, part in zip(divisors, marginals, strict=True):  # one table at a time
            table = part.dense()
            if nodes is None or stops is None:
                nodes = np.zeros((table.n_rows, taxonomy.n_nodes))
                stops = np.zeros_like(nodes)
            nodes += table.node_proba / divisor
            stops[:, outcomes.stops] += table.answer_proba(outcomes.stops) / divisor
        assert nodes is not None
        nodes[:, 0] = 1.0
        return DenseMarginals(taxonomy, outcomes, nodes, stops)

    def _products(
        self, taxonomy: Taxonomy, outcomes: Outcomes, marginals: Iterator[Marginals]
    ) -> Marginals:
        answers = outcomes.answers
        pooled = sum(
            weight * smoothed_logs(part.answer_proba(answers))
            for weight, part in zip(self._used_weights(), marginals, strict=True)
        )
        return AnswerMarginals(taxonomy, outcomes, answers, softmax(pooled, axis=1))

    def columns_per_row(self, taxonomy: Taxonomy, outcomes: Outcomes, *, all_nodes: bool) -> int:  # noqa: ARG002
        """Return the number of nodes for the means, and what the largest member holds."""
        largest = max(
            part.columns_per_row(taxonomy, outcomes, all_nodes=True) for part in self.parts()
        )
        return numbers_per_row("means", taxonomy.n_nodes) + largest

    # -- label sets -----------------------------------------------------------------------

    def _set_members(self) -> Sequence[Any]:
        return [PerParent(), PerLevel()] if self.members is None else self.members

    def set_parts(self) -> list[SetStrategy]:
        """Return the members, but for those of weight 0."""
        members = self._set_members()
        return [resolve_set_strategy(as_member(members[i])) for i in self._kept()]

    def with_set_parts(self, parts: Sequence[Any]) -> Self:
        """Return an ensemble with other members in place of its parts."""
        members = type(self)(self._set_members(), weights=self.weights, pool=self.pool)
        return members.with_parts(parts)

    def combined_sets(self, tables: Iterator[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        """Return what is pooled of all members' probabilities, for both."""
        if self.weights is None and self.pool == "linear":
            mean: Floats = np.mean([proba for _, proba in tables], axis=0)
            return mean, mean
        change = log_odds if self.pool == "log" else np.asarray
        pooled: Any = sum(
            weight * change(proba)
            for weight, (_, proba) in zip(self._used_weights(), tables, strict=True)
        )
        if self.pool == "log":
            pooled = expit(pooled)
        pooled[:, 0] = 1.0
        return pooled, pooled
