"""A local classifier for each node, which tells it from other nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np
from scipy.special import softmax

from sklhier._local.keys import Kind, owner_of
from sklhier._local.problem import ELSEWHERE, LocalProblem
from sklhier._local.scores import LocalScores
from sklhier._probabilities.marginals import AnswerMarginals, Marginals, Outcomes
from sklhier._probabilities.products import ProductMarginals
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier._utils.validation import check_choice
from sklhier.exceptions import IncompatiblePartsError
from sklhier.strategies._base import STOPS, Strategy, named
from sklhier.strategies._memberships import Memberships, binary_problem
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["PerNode", "training_rows"]

POLICIES = (
    "exclusive",
    "less_exclusive",
    "less_inclusive",
    "inclusive",
    "siblings",
    "exclusive_siblings",
)
# Their classifiers know nothing of what is below a node: they tell classes apart, not branches.
_OF_CLASSES = ("exclusive", "less_exclusive")


@named("per_node")
class PerNode(Strategy):
    r"""One binary classifier for each node, which tells it from other nodes.

    The local classifier per node of [1]_. The `policy` says which samples are its positive and
    negative examples. With :math:`D(c)` the samples labelled at or below node `c`, :math:`E(c)` those
    labelled `c` itself, and siblings :math:`s` of `c`:

    ======================== ============== ================================================
    policy                   positive       negative
    ======================== ============== ================================================
    ``"exclusive"``          :math:`E(c)`   all others
    ``"less_exclusive"``     :math:`E(c)`   all but :math:`D(c)`
    ``"less_inclusive"``     :math:`D(c)`   all but :math:`D(c)`
    ``"inclusive"``          :math:`D(c)`   all but :math:`D(c)` and :math:`E(a)` of ancestors a
    ``"siblings"``           :math:`D(c)`   :math:`D(s)` of all siblings
    ``"exclusive_siblings"`` :math:`E(c)`   :math:`E(s)` of all siblings
    ======================== ============== ================================================

    The scores of siblings are divided by their sum, and the probability of a node is the product of
    these on its path. Where all siblings are ruled out, they are equally probable. The classifiers
    of ``"exclusive"`` and ``"less_exclusive"`` are about classes, not about what lies below a node:
    there the scores of all classes are divided by their sum, and summed upwards.
    ``"exclusive_siblings"`` needs samples that are labelled with each inner node itself.

    Parameters
    ----------
    policy : str, default="siblings"
        One of the above.
    stop : {"ignore", "learn"}, default="ignore"
        What a label means that is an inner node, with seen labels below it. ``"ignore"``: predictions
        go on to a leaf. ``"learn"``: to stop there is one more sibling of the node's children, with a
        classifier of its own.

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

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return the seen children of every node, and where labels may stop."""
        check_choice("policy", self.policy, POLICIES)
        check_choice("stop", self.stop, STOPS)
        outcomes = Outcomes.of(taxonomy, class_ids, stops=self.stop == "learn")
        if self.policy == "exclusive_siblings":
            _refuse_unlabelled(outcomes, taxonomy, self)
        return outcomes

    def plan(
        self, taxonomy: Taxonomy, outcomes: Outcomes, nodes: NodeIds
    ) -> Iterator[LocalProblem]:
        """Yield the problem of each node, and of each stop, that has alternatives."""
        examples = _Examples(self.policy, taxonomy, nodes, self.stop == "learn")
        classes = _Examples(self.policy, taxonomy, outcomes.classes, self.stop == "learn")
        for kind, node, is_alone in self._decisions(outcomes):
            positive, negative = examples.of(kind, node)
            owner = owner_of(kind, node, taxonomy)
            # A policy may leave a node without any counterexample, as it does an only child.
            is_open = not is_alone and classes.of(kind, node)[1].size
            yield binary_problem(owner, node, positive, negative if is_open else None)

    def _decisions(self, outcomes: Outcomes) -> Iterator[tuple[Kind, int, bool]]:
        """Yield what is decided, about which node, and whether it has no alternative."""
        if self.policy in _OF_CLASSES:
            for node in outcomes.answers.tolist():
                yield Kind.NODE, node, len(outcomes.answers) == 1
            return
        owners = outcomes.owners.tolist()
        alone = (outcomes.counts[outcomes.owners] == 1).tolist()
        for node, owner, is_alone in zip(outcomes.nodes.tolist(), owners, alone, strict=True):
            yield (Kind.STOP if node == owner else Kind.NODE), node, is_alone

    def marginals(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: LocalScores) -> Marginals:
        """Return products down the paths, or sums over classes."""
        decide = partial(_decide, taxonomy, scores)
        if self.policy not in _OF_CLASSES:
            return ProductMarginals(taxonomy, outcomes, scores.n_rows, decide)
        answers = outcomes.answers
        return AnswerMarginals(taxonomy, outcomes, answers, decide(ELSEWHERE, answers, None))

    @property
    def is_conditional(self) -> bool:  # type: ignore[override]
        """Whether examples come from the siblings alone."""
        return self.policy.endswith("siblings")

    @property
    def sends_down(self) -> bool:  # type: ignore[override]
        """Whether examples come from the siblings alone, those below them included."""
        return self.policy == "siblings"

    def plan_sets(
        self,
        members: Memberships,
        is_joint: Callable[[int], bool],  # noqa: ARG002
    ) -> Iterator[LocalProblem]:
        """Yield the problem of each node; a sample may be an example of several."""
        check_choice("policy", self.policy, POLICIES)
        for node in members.live.tolist():
            positive, negative = _set_examples(self.policy, members, node)
            if not (positive.size or members.incremental):
                raise IncompatiblePartsError.needs(
                    self,
                    "samples labelled with each node itself",
                    f"{members.taxonomy.nodes[node]!r} is no most specific label of any",
                    "Use another policy, such as 'siblings' or 'less_inclusive'.",
                )
            owner = owner_of(Kind.NODE, node, members.taxonomy)
            is_open = negative.size or members.incremental
            yield binary_problem(owner, node, positive, negative if is_open else None)

    def columns_per_row(self, taxonomy: Taxonomy, outcomes: Outcomes, *, all_nodes: bool) -> int:
        """Return the number of nodes, or of the outcomes on a path."""
        if all_nodes or self.policy in _OF_CLASSES:
            return 3 * taxonomy.n_nodes
        return 4 * outcomes.widest * taxonomy.n_levels


def _decide(
    taxonomy: Taxonomy, scores: LocalScores, owner: int, members: NodeIds, rows: Rows | None
) -> Floats:
    """Return the probabilities of alternatives; to stop at `owner` may be one of them."""
    kinds = [Kind.STOP if node == owner else Kind.NODE for node in members.tolist()]
    places = [
        owner_of(kind, int(node), taxonomy) for kind, node in zip(kinds, members, strict=True)
    ]
    weights = np.column_stack([scores.log_weight(place, rows) for place in places])
    weights[np.isneginf(weights).all(axis=1)] = 0.0
    return softmax(weights, axis=1)


def _set_examples(policy: str, members: Memberships, node: int) -> tuple[Rows, Rows]:
    """Return the positive and negative examples of a node among samples with several labels."""
    taxonomy = members.taxonomy
    below = members.below(node)
    exclusive = policy.removeprefix("less_").startswith("exclusive")
    positive = members.exactly(node) if exclusive else below
    if policy.endswith("siblings"):
        parents = taxonomy.parents_of(node).tolist()
        others = np.unique(np.concatenate([taxonomy.children_of(parent) for parent in parents]))
        others = others[others != node]
        if exclusive:
            rows = [members.exactly(other) for other in others.tolist()]
            near = np.unique(np.concatenate(rows)) if rows else below[:0]
        else:
            near = members.in_any(others)
        return positive, np.setdiff1d(near, below, assume_unique=True)
    negative = members.without(positive if policy == "exclusive" else below)
    if policy == "inclusive":
        above = taxonomy.ids(list(taxonomy.ancestors(taxonomy.nodes[node])))
        rows = [members.exactly(ancestor) for ancestor in above.tolist()]
        negative = np.setdiff1d(negative, np.concatenate([below[:0], *rows]))
    return positive, negative


def _refuse_unlabelled(outcomes: Outcomes, taxonomy: Taxonomy, strategy: PerNode) -> None:
    """Refuse siblings of which one has no positive example."""
    compared = outcomes.nodes[outcomes.counts[outcomes.owners] > 1]
    without = compared[outcomes.rank[compared] == len(outcomes.classes)]
    if without.size:
        raise IncompatiblePartsError.needs(
            strategy,
            "samples labelled with each inner node itself",
            f"{taxonomy.nodes[without[0]]!r} is no label of any",
            "Use the policy 'siblings', which counts what is below a node as its examples.",
        )


def training_rows(policy: str, taxonomy: Taxonomy, node: int, nodes: NodeIds) -> tuple[Rows, Rows]:
    """Return the positive and the negative examples of a node.

    Parameters
    ----------
    policy : str
        Of :class:`PerNode`.
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
    return _Examples(policy, taxonomy, nodes, stops=False).of(Kind.NODE, node)


class _Examples:
    """The samples by the preorder position of their node: those at or below a node are a range."""

    def __init__(self, policy: str, taxonomy: Taxonomy, nodes: NodeIds, stops: bool) -> None:
        self._policy = policy
        self._taxonomy = taxonomy
        self._stops = stops
        keys = taxonomy.preorder_positions[nodes]
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def of(self, kind: Kind, node: int) -> tuple[Rows, Rows]:
        """Return the positive and negative examples of a node, or of the stop there."""
        position = int(self._taxonomy.preorder_positions[node])
        end = position + int(self._taxonomy.subtree_sizes[node])
        exclusive = kind is Kind.STOP or self._policy.removeprefix("less_").startswith("exclusive")
        positive = [(position, position + 1 if exclusive else end)]
        if self._policy.endswith("siblings"):
            negative = self._siblings(kind, node, position, end)
        else:
            inside = position + 1 if kind is Kind.STOP or self._policy == "exclusive" else end
            last = self._taxonomy.n_nodes
            left_out = self._above(node) if self._policy == "inclusive" else []
            bounds = [-1, *left_out, position]
            gaps = [(start + 1, stop) for start, stop in pairwise(bounds)]
            negative = [*gaps, (inside, last)]
        return self._rows(positive), self._rows(negative)

    def _above(self, node: int) -> list[int]:
        """Return the positions of the ancestors, the root first."""
        above: list[int] = []
        while node:
            node = int(self._taxonomy.parent_ids[node])
            above.append(int(self._taxonomy.preorder_positions[node]))
        return above[::-1]

    def _siblings(self, kind: Kind, node: int, position: int, end: int) -> list[tuple[int, int]]:
        taxonomy = self._taxonomy
        parent = node if kind is Kind.STOP else int(taxonomy.parent_ids[node])
        top = int(taxonomy.preorder_positions[parent])
        bottom = top + int(taxonomy.subtree_sizes[parent])
        stop = [(top, top + 1)] if self._stops and kind is Kind.NODE else []
        if self._policy == "siblings":
            inside = (top + 1, top + 1) if kind is Kind.STOP else (position, end)
            return [*stop, (top + 1, inside[0]), (inside[1], bottom)]
        others = taxonomy.children_of(parent)
        places = taxonomy.preorder_positions[others[others != node]].tolist()
        return [*stop, *((place, place + 1) for place in places)]

    def _rows(self, ranges: list[tuple[int, int]]) -> Rows:
        """Return the samples in some ranges of positions, ascending."""
        bounds = np.searchsorted(self._keys, np.array(ranges, dtype=np.intp).reshape(-1, 2))
        counts = bounds[:, 1] - bounds[:, 0]
        return np.sort(self._order[ops.concatenated_ranges(bounds[:, 0], counts)])
