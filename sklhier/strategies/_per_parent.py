"""A local classifier for each parent node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from sklhier._local.keys import Kind, ModelKey
from sklhier._local.problem import LocalProblem
from sklhier._local.scores import LocalScores, Scores
from sklhier._probabilities.marginals import Marginals, Outcomes
from sklhier._probabilities.products import ProductMarginals, normalised_products
from sklhier._utils.memory_blocks import numbers_per_row
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier._utils.validation import check_choice
from sklhier.strategies._base import STOPS, SetStrategy, Strategy, refuse_with_sets, register
from sklhier.strategies._memberships import Memberships, group_problems, parent_groups
from sklhier.taxonomy import Taxonomy

__all__ = ["PerParent"]


@register("per_parent")
class PerParent(Strategy, SetStrategy):
    """One classifier for each parent node, which decides among its children.

    The local classifier per parent node of [1]_. It is trained on the samples that belong to one of
    the children. The probability of a node is the product of the decisions on its path. A node
    without observed labels below it is an answer, like a leaf.

    Parameters
    ----------
    stop : {"ignore", "learn"}, default="ignore"
        The meaning of a label that is an inner node with observed labels below it. Such a sample is
        always an example of the node's ancestors. ``"ignore"``: the label says nothing about what is
        below, and predictions go on to a leaf. ``"learn"``: stopping there is one more outcome for
        the node's classifier.

    References
    ----------
    .. [1] C. N. Silla, A. A. Freitas. A survey of hierarchical classification across different
       application domains. Data Mining and Knowledge Discovery 22 (2011), section 3.2.2.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.strategies import PerParent
    >>> HierarchicalClassifier(strategy="per_parent")  # the default
    HierarchicalClassifier()
    >>> HierarchicalClassifier(strategy=PerParent(stop="learn"))
    HierarchicalClassifier(strategy=PerParent(stop='learn'))
    """

    sends_down = True

    def __init__(self, stop: str = "ignore") -> None:
        self.stop = stop

    def check(self) -> None:
        """Raise a ValueError unless ``stop`` is one of its choices."""
        check_choice("stop", self.stop, STOPS)

    def check_sets(self) -> None:
        """Raise an IncompatiblePartsError unless ``stop`` is the default: it has no effect there."""
        if self.stop != "ignore":
            raise refuse_with_sets(self, "stop")

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return the observed children of every node, and where labels may stop."""
        return Outcomes.of(taxonomy, class_ids, stops=self.stop == "learn")

    def plan(
        self, taxonomy: Taxonomy, outcomes: Outcomes, nodes: NodeIds
    ) -> Iterator[LocalProblem]:
        """Yield the problem of each parent: to tell its children apart.

        Rows are sorted once by the preorder position of their node: those below any
        node are then side by side.
        """
        position, size = taxonomy.preorder_positions, taxonomy.subtree_sizes
        keys = position[nodes]
        order = np.argsort(keys, kind="stable")
        in_order = keys[order]
        inner = outcomes.inner
        stopping = np.isin(inner, outcomes.stops)
        starts = np.searchsorted(in_order, position[inner] + ~stopping)
        stops = np.searchsorted(in_order, position[inner] + size[inner])
        for parent, start, stop in zip(
            inner.tolist(), starts.tolist(), stops.tolist(), strict=True
        ):
            members = outcomes.of_node(parent)
            rows = np.sort(order[start:stop])  # as in the data: some estimators mind the order
            codes = np.searchsorted(position[members[members != parent]], keys[rows], "right") - 1
            codes[codes < 0] = len(members) - 1  # the parent itself: stop here, the last outcome
            yield LocalProblem(ModelKey(Kind.PARENT, parent), members, rows, codes)

    def marginals(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: Scores) -> Marginals:
        """Return marginals that ask a local model only when one of its outcomes is wanted.

        Models that know a rest class are all asked: each has a say in what is above it.
        """
        if scores.has_rest:
            return normalised_products(
                taxonomy, outcomes, scores.n_rows, partial(_log_evidence, scores)
            )
        pairs = partial(scores.proba_pairs, outcomes=outcomes)
        decide = partial(_decide, scores)
        paths = scores.paths(outcomes) if isinstance(scores, LocalScores) else None
        return ProductMarginals(taxonomy, outcomes, scores.n_rows, decide, pairs, paths)

    def plan_sets(
        self, members: Memberships, learns_jointly: Callable[[ModelKey], bool]
    ) -> Iterator[LocalProblem]:
        """Yield the problem of each node, to find its samples among those of its parents.

        Nodes with the same parents are one problem where the base learns several outputs at once.
        """
        for parents, nodes in parent_groups(members):
            rows = members.in_all(parents)
            key = ModelKey(Kind.PARENT, int(parents[0]))
            if len(parents) > 1:  # a key of its own: each of the parents has other children too
                key = ModelKey(Kind.NODE, int(nodes[0]))
            yield from group_problems(key, nodes, rows, members, learns_jointly)

    def columns_per_row(self, taxonomy: Taxonomy, outcomes: Outcomes, *, all_nodes: bool) -> int:
        """Return the number of nodes, or of the outcomes on a path."""
        if all_nodes:
            return numbers_per_row("products", taxonomy.n_nodes)
        return numbers_per_row("visits", outcomes.widest * taxonomy.n_levels)


def _decide(scores: Scores, node: int, outcomes: NodeIds, rows: Rows | None) -> Floats:
    return scores.proba(ModelKey(Kind.PARENT, node), outcomes, rows)


def _log_evidence(scores: Scores, node: int, outcomes: NodeIds) -> Floats:
    return scores.log_evidence(ModelKey(Kind.PARENT, node), outcomes)
