"""One classifier over all classes: the baseline that a hierarchy has to beat."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from sklhier._local.keys import Kind, ModelKey
from sklhier._local.problem import LocalProblem
from sklhier._local.scores import Scores
from sklhier._probabilities.marginals import AnswerMarginals, Marginals, Outcomes
from sklhier._utils.memory_blocks import numbers_per_row
from sklhier._utils.typing import NodeIds
from sklhier.strategies._base import SetStrategy, Strategy, register
from sklhier.strategies._memberships import Memberships, group_problems
from sklhier.taxonomy import Taxonomy

__all__ = ["Flat"]

_ROOT = ModelKey(Kind.PARENT, 0)


@register("flat")
class Flat(Strategy, SetStrategy):
    """One classifier over all classes; the probability of a node is the sum over its classes.

    The taxonomy is not used in training, only in decoding. An inner node that occurs as a label is
    a class of its own: stopping there.

    References
    ----------
    .. [1] C. N. Silla, A. A. Freitas. A survey of hierarchical classification across different
       application domains. Data Mining and Knowledge Discovery 22 (2011), section 3.1.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> HierarchicalClassifier(strategy="flat")
    HierarchicalClassifier(strategy='flat')
    """

    is_conditional = False
    has_stages = False
    takes_dags = True

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return the observed children of every node, and where labels may stop."""
        return Outcomes.of(taxonomy, class_ids, stops=True)

    def plan(
        self,
        taxonomy: Taxonomy,  # noqa: ARG002
        outcomes: Outcomes,
        nodes: NodeIds,
    ) -> Iterator[LocalProblem]:
        """Yield one problem, owned by the root: to tell the classes apart."""
        yield LocalProblem(_ROOT, outcomes.classes, np.arange(len(nodes)), outcomes.rank[nodes])

    def marginals(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: Scores) -> Marginals:
        """Return marginals that are sums of class probabilities."""
        classes = outcomes.classes
        return AnswerMarginals(taxonomy, outcomes, classes, scores.proba(_ROOT, classes))

    def plan_sets(
        self, members: Memberships, learns_jointly: Callable[[ModelKey], bool]
    ) -> Iterator[LocalProblem]:
        """Yield the problems of all nodes among all samples."""
        yield from group_problems(
            _ROOT, members.observed, np.arange(members.n_rows), members, learns_jointly
        )

    def columns_per_row(
        self,
        taxonomy: Taxonomy,
        outcomes: Outcomes,  # noqa: ARG002
        *,
        all_nodes: bool,  # noqa: ARG002
    ) -> int:
        """Return the numbers of tables of all nodes."""
        return numbers_per_row("sums", taxonomy.n_nodes)
