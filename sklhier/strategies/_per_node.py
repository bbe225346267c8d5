"""A local classifier for each node, which tells it from other nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from scipy.special import softmax

from sklhier._local.keys import Kind, ModelKey
from sklhier._local.problem import LocalProblem
from sklhier._local.scores import Scores
from sklhier._probabilities.marginals import AnswerMarginals, Marginals, Outcomes
from sklhier._probabilities.products import ProductMarginals
from sklhier._utils.memory_blocks import numbers_per_row
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier._utils.validation import check_choice
from sklhier.exceptions import IncompatiblePartsError
from sklhier.strategies._base import STOPS, SetStrategy, Strategy, refuse_with_sets, register
from sklhier.strategies._memberships import Memberships, binary_problem
from sklhier.strategies._policies import POLICIES, Examples, Policy
from sklhier.taxonomy import Taxonomy

__all__ = ["PerNode", "training_rows"]


@register("per_node")
class PerNode(Strategy, SetStrategy):
    r"""One binary classifier for each node, which tells it from other nodes.

    The local classifier per node of [1]_. The `policy` selects its positive and negative examples.
    :math:`D(c)` are the samples labelled at or below node `c`, :math:`E(c)` those labelled `c`
    itself, and :math:`s` are the siblings of `c`:

    ======================== ============== ================================================
    policy                   positive       negative
    ======================== ============== ================================================
    ``"exclusive"``          :math:`E(c)`   all others
    ``"less_exclusive"``     :math:`E(c)`   all but :math:`D(c)`
    ``"less_inclusive"``     :math:`D(c)`   all but :math:`D(c)`
    ``"inclusive"``          :math:`D(c)`   all but :math:`D(c)` and the ancestors' :math:`E(a)`
    ``"siblings"``           :math:`D(c)`   :math:`D(s)` of all siblings
    ``"exclusive_siblings"`` :math:`E(c)`   :math:`E(s)` of all siblings
    ======================== ============== ================================================

    The scores of siblings are divided by their sum, and the probability of a node is the product of
    these shares on its path. If all siblings have the score 0, they are equally probable. With
    ``"exclusive"`` and ``"less_exclusive"`` a classifier recognises its class alone, not the nodes
    below: the scores of all classes are divided by their sum, and added up towards the root.
    ``"exclusive_siblings"`` needs samples that are labelled with each inner node itself.

    Parameters
    ----------
    policy : str, default="siblings"
        A policy of the table.
    stop : {"ignore", "learn"}, default="ignore"
        The meaning of a label that is an inner node with observed labels below it. ``"ignore"``:
        predictions go on to a leaf. ``"learn"``: stopping there is one more sibling of the node's
        children, with a classifier of its own.

    References
    ----------
    .. [1] C. N. Silla, A. A. Freitas. A survey of hierarchical classification across different
       application domains. Data Mining and Knowledge Discovery 22 (2011), section 3.2.1.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.strategies import PerNode
    >>> HierarchicalClassifier(strategy=PerNode(policy="less_inclusive"))
    HierarchicalClassifier(strategy=PerNode(policy='less_inclusive'))
    """

    leaves_decide = True

    def __init__(self, policy: str = "siblings", stop: str = "ignore") -> None:
        self.policy = policy
        self.stop = stop

    def check(self) -> None:
        """Raise a ValueError if a parameter is none of its choices."""
        check_choice("policy", self.policy, POLICIES)
        check_choice("stop", self.stop, STOPS)

    def check_sets(self) -> None:
        """Raise an IncompatiblePartsError unless ``stop`` is the default: it has no effect there."""
        if self.stop != "ignore":
            raise refuse_with_sets(self, "stop")

    @property
    def _policy(self) -> Policy:
        return POLICIES[self.policy]

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return the observed children of every node, and where labels may stop."""
        outcomes = Outcomes.of(taxonomy, class_ids, stops=self.stop == "learn")
        if self._policy.exclusive and self._policy.is_conditional:
            _refuse_unlabelled(outcomes, taxonomy, self)
        return outcomes

    def plan(
        self, taxonomy: Taxonomy, outcomes: Outcomes, nodes: NodeIds
    ) -> Iterator[LocalProblem]:
        """Yield the problem of each node, and of each stop, that has alternatives."""
        stops = self.stop == "learn"
        examples = Examples(self._policy, taxonomy, nodes, stops=stops)
        classes = Examples(self._policy, taxonomy, outcomes.classes, stops=stops)
        for kind, node, is_alone in self._decisions(outcomes):
            positive, negative = examples.of(kind, node)
            # A policy may leave a node without any counterexample, as it does an only child.
            is_open = not is_alone and classes.of(kind, node)[1].size
            key = ModelKey(kind, node)
            yield binary_problem(key, node, positive, negative if is_open else None)

    def _decisions(self, outcomes: Outcomes) -> Iterator[tuple[Kind, int, bool]]:
        """Yield what is decided, about which node, and whether it has no alternative."""
        if self._policy.of_classes:
            for node in outcomes.answers.tolist():
                yield Kind.NODE, node, len(outcomes.answers) == 1
            return
        owners = outcomes.owners.tolist()
        alone = (outcomes.counts[outcomes.owners] == 1).tolist()
        for node, owner, is_alone in zip(outcomes.nodes.tolist(), owners, alone, strict=True):
            yield (Kind.STOP if node == owner else Kind.NODE), node, is_alone

    def marginals(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: Scores) -> Marginals:
        """Return products down the paths, or sums over classes."""
        if not self._policy.of_classes:
            return ProductMarginals(taxonomy, outcomes, scores.n_rows, partial(_decide, scores))
        answers = outcomes.answers
        return AnswerMarginals(taxonomy, outcomes, answers, _decide(scores, None, answers, None))

    @property
    def is_conditional(self) -> bool:  # type: ignore[override]
        """Whether examples come from the siblings alone."""
        return self._policy.is_conditional

    @property
    def sends_down(self) -> bool:  # type: ignore[override]
        """Whether examples come from the siblings alone, those below them included."""
        return self._policy.sends_down

    def plan_sets(
        self,
        members: Memberships,
        learns_jointly: Callable[[ModelKey], bool],  # noqa: ARG002
    ) -> Iterator[LocalProblem]:
        """Yield the problem of each node; a sample may be an example of several."""
        for node in members.observed.tolist():
            positive = self._policy.positive_rows(members, node)
            negative = self._policy.negative_rows(members, node)
            if not (positive.size or members.incremental):
                raise IncompatiblePartsError.needs(
                    self,
                    "samples labelled with each node itself",
                    f"no sample has {members.taxonomy.nodes[node]!r} as most specific label",
                    "Use another policy, such as 'siblings' or 'less_inclusive'.",
                )
            is_open = negative.size or members.incremental
            key = ModelKey(Kind.NODE, node)
            yield binary_problem(key, node, positive, negative if is_open else None)

    def columns_per_row(self, taxonomy: Taxonomy, outcomes: Outcomes, *, all_nodes: bool) -> int:
        """Return the number of nodes, or of the outcomes on a path."""
        if all_nodes or self._policy.of_classes:
            return numbers_per_row("binary", taxonomy.n_nodes)
        return numbers_per_row("visits", outcomes.widest * taxonomy.n_levels)


def _decide(scores: Scores, parent: int | None, members: NodeIds, rows: Rows | None) -> Floats:
    """Return the probabilities of alternatives; to stop at the parent may be one of them."""
    keys = [
        ModelKey(Kind.STOP if node == parent else Kind.NODE, node) for node in members.tolist()
    ]
    weights = np.column_stack([scores.log_weight(key, rows) for key in keys])
    weights[np.isneginf(weights).all(axis=1)] = 0.0
    return softmax(weights, axis=1)


def _refuse_unlabelled(outcomes: Outcomes, taxonomy: Taxonomy, strategy: PerNode) -> None:
    """Refuse siblings of which one has no positive example."""
    compared = outcomes.nodes[outcomes.counts[outcomes.owners] > 1]
    without = compared[outcomes.rank[compared] == len(outcomes.classes)]
    if without.size:
        raise IncompatiblePartsError.needs(
            strategy,
            "samples labelled with each inner node itself",
            f"no sample has the label {taxonomy.nodes[without[0]]!r}",
            "Use the policy 'siblings', where samples below a node are examples of it.",
        )


def training_rows(policy: str, taxonomy: Taxonomy, node: int, nodes: NodeIds) -> tuple[Rows, Rows]:
    """Return the positive and the negative examples of a node.

    Parameters
    ----------
    policy : str
        A policy of :class:`PerNode`.
    taxonomy : Taxonomy
        A tree.
    node : int
        Id of the node.
    nodes : ndarray of int32, shape (n_samples,)
        The node of each label.

    Returns
    -------
    positive, negative : ndarray of intp
        Positions of samples, ascending.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.strategies import training_rows
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> nodes = taxonomy.ids(["owl", "wren", "eel", "bird"])
    >>> training_rows("siblings", taxonomy, taxonomy.id("owl"), nodes)
    (array([0]), array([1]))
    >>> training_rows("less_inclusive", taxonomy, taxonomy.id("owl"), nodes)
    (array([0]), array([1, 2, 3]))
    """
    check_choice("policy", policy, POLICIES)
    return Examples(POLICIES[policy], taxonomy, nodes, stops=False).of(Kind.NODE, node)
