"""A classifier for each level, combined along the paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
from scipy.special import log_softmax, softmax

from sklhier._local.keys import Kind, ModelKey
from sklhier._local.problem import LocalProblem
from sklhier._local.scores import Scores
from sklhier._probabilities.marginals import AnswerMarginals, Marginals, Outcomes
from sklhier._utils.memory_blocks import numbers_per_row
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier._utils.validation import check_number
from sklhier.strategies._base import HeldOut, SetStrategy, Strategy, refuse_with_sets, register
from sklhier.strategies._memberships import Memberships, group_problems
from sklhier.taxonomy import Taxonomy

__all__ = ["PerLevel"]

_BETA = 0.75
# Powers that are tried: eight to an octave, from 1/8 to 8.
_BETAS = 2.0 ** np.linspace(-3, 3, 49)


@register("per_level")
class PerLevel(Strategy, SetStrategy):
    r"""One classifier for each level, which decides among all nodes of the level.

    The local classifier per level of [1]_, made coherent. The probability of an answer is the
    product of the probabilities that the classifiers of all levels give to the nodes on its path,

    .. math:: \log P(a) = \beta \sum_l \log p_l(a_l) + \text{constant},

    over all observed answers; the probability of an inner node is the sum over the answers below it.
    So every level influences every other: lower levels also help to decide the first. A label that
    ends early has the outcome "stopped at this node" at the levels below. A level with the same
    groups of answers as the level above is left out, since it would pose the same problem again.

    A probability of 0 is replaced by the smallest positive number, so that an answer remains when
    levels contradict each other.

    Parameters
    ----------
    beta : float or "oof", default=0.75
        Exponent of the product, positive; lower values give less confident answers. The product
        treats levels as independent, so that 1 is often overconfident. On held-out training rows of
        five sets of texts, with the default base estimator, the best value was 0.6 to 0.9 on
        four, and 0.5 or less on one with five levels and a thousand classes.

        ``"oof"`` learns it from out-of-fold answers by maximum likelihood, for one more fit of every
        model in each fold (see ``cv`` of the classifier); ``strategy_`` shows the value, which
        depends on the order of rows, as folds do. ``calibration="temperature"`` of the classifier
        does the same for any strategy. The most probable answer does not depend on beta.

    References
    ----------
    .. [1] C. N. Silla, A. A. Freitas. A survey of hierarchical classification across different
       application domains. Data Mining and Knowledge Discovery 22 (2011), section 3.2.3.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.strategies import PerLevel
    >>> HierarchicalClassifier(strategy=PerLevel(beta=0.7))
    HierarchicalClassifier(strategy=PerLevel(beta=0.7))
    """

    is_conditional = False

    def __init__(self, beta: Any = _BETA) -> None:
        self.beta = beta

    def check(self) -> None:
        """Raise a ValueError unless ``beta`` is a finite number above 0, or "oof"."""
        if not self.needs_tuning:
            check_number("beta", self.beta, above=0)

    def check_sets(self) -> None:
        """Raise an IncompatiblePartsError unless ``beta`` is the default: it has no effect there."""
        if self.needs_tuning or self.beta not in (_BETA, 1):  # which was the default
            raise refuse_with_sets(self, "beta")

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return the observed children of every node, and where labels may stop."""
        return Outcomes.of(taxonomy, class_ids, stops=True)

    def plan(
        self, taxonomy: Taxonomy, outcomes: Outcomes, nodes: NodeIds
    ) -> Iterator[LocalProblem]:
        """Yield the problem of each level: which of its nodes, or stopped above."""
        rows = np.arange(len(nodes))
        for level, members, _ in _levels(taxonomy, outcomes):
            codes = np.searchsorted(members, _cut(taxonomy, nodes, level))
            yield LocalProblem(ModelKey(Kind.LEVEL, level), members, rows, codes)

    def marginals(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: Scores) -> Marginals:
        """Return sums over the answers."""
        logs = float(self.beta) * _path_logs(taxonomy, outcomes, scores)
        return AnswerMarginals(taxonomy, outcomes, outcomes.answers, softmax(logs, axis=1))

    def plan_sets(
        self, members: Memberships, learns_jointly: Callable[[ModelKey], bool]
    ) -> Iterator[LocalProblem]:
        """Yield the problems of each level, whether samples belong to its nodes."""
        taxonomy, rows = members.taxonomy, np.arange(members.n_rows)
        depths = taxonomy.depths[members.observed]
        for level in range(1, taxonomy.n_levels + 1):
            nodes = members.observed[depths == level]
            key = ModelKey(Kind.LEVEL, level)
            yield from group_problems(key, nodes, rows, members, learns_jointly)

    def columns_per_row(
        self,
        taxonomy: Taxonomy,
        outcomes: Outcomes,  # noqa: ARG002
        *,
        all_nodes: bool,  # noqa: ARG002
    ) -> int:
        """Return the numbers of tables of all nodes."""
        return numbers_per_row("levels", taxonomy.n_nodes)

    @property
    def needs_tuning(self) -> bool:
        """Whether the power is tuned."""
        return isinstance(self.beta, str) and self.beta == "oof"

    def tuned(self, taxonomy: Taxonomy, held_out: Callable[[], Iterator[HeldOut]]) -> Self:
        """Return the strategy with the power under which held-out labels are most likely."""
        if not self.needs_tuning:
            return self
        losses = np.zeros(len(_BETAS))
        for part in held_out():
            answers = part.outcomes.answers
            known = np.isin(part.nodes, answers)  # what no model was shown has no probability
            logs = _path_logs(taxonomy, part.outcomes, part.scores)[known]
            true = (np.arange(len(logs)), np.searchsorted(answers, part.nodes[known]))
            for i, beta in enumerate(_BETAS):
                losses[i] -= part.weights[known] @ log_softmax(beta * logs, axis=1)[true]
        return type(self)(beta=_smoothed_argmin(losses))


def _cut(taxonomy: Taxonomy, nodes: NodeIds, level: int) -> NodeIds:
    """Return the ancestor of each node at a level, the node itself where it is above."""
    nodes = nodes.copy()
    climbing = np.flatnonzero(taxonomy.depths[nodes] > level)
    while climbing.size:
        nodes[climbing] = taxonomy.parent_ids[nodes[climbing]]
        climbing = climbing[taxonomy.depths[nodes[climbing]] > level]
    return nodes


def _levels(taxonomy: Taxonomy, outcomes: Outcomes) -> Iterator[tuple[int, NodeIds, Rows]]:
    """Yield the levels that tell answers apart, their outcomes, and that of each answer."""
    answers = outcomes.answers
    n_groups = 0
    for level in range(1, int(taxonomy.depths[answers].max()) + 1):
        members, columns = np.unique(_cut(taxonomy, answers, level), return_inverse=True)
        if len(members) > n_groups:
            yield level, members, columns
        n_groups = len(members)


def _path_logs(taxonomy: Taxonomy, outcomes: Outcomes, scores: Scores) -> Floats:
    """Return the sum of the logarithms along the path to each answer, (n_rows, n_answers)."""
    logs = np.zeros((scores.n_rows, len(outcomes.answers)))
    least = np.finfo(np.float64).tiny
    for level, members, columns in _levels(taxonomy, outcomes):
        proba = scores.proba(ModelKey(Kind.LEVEL, level), members)
        logs += np.log(np.maximum(proba, least))[:, columns]
    return logs


def _smoothed_argmin(losses: Floats) -> float:
    """Return the minimum of the parabola through the best of the powers and its neighbours."""
    best = int(np.argmin(losses))
    if not 0 < best < len(_BETAS) - 1:
        return float(_BETAS[best])
    before, here, after = losses[best - 1 : best + 2]
    step = np.log(_BETAS[1] / _BETAS[0])
    shift = 0.5 * (before - after) / (before - 2 * here + after)
    return float(_BETAS[best] * np.exp(step * shift))
