"""One classifier over all classes: the baseline that a hierarchy has to beat."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from sklhier._local import LocalProblem, LocalScores
from sklhier._marginals import DenseMarginals, Expansion, Marginals, Outcomes
from sklhier._typing import Floats, NodeIds, Rows
from sklhier.strategies._base import Strategy
from sklhier.taxonomy import Taxonomy

__all__ = ["Flat"]


class Flat(Strategy):
    """One classifier over all classes, whose probabilities are summed upwards.

    The taxonomy is not used in training, only in decoding. A label that is an inner
    node is a class of its own: to stop there.

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

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return the seen children of every node, and where labels may stop."""
        return Outcomes.of(taxonomy, class_ids, stops=True)

    def plan(
        self,
        taxonomy: Taxonomy,  # noqa: ARG002
        outcomes: Outcomes,
        nodes: NodeIds,
    ) -> Iterator[LocalProblem]:
        """Yield one problem, owned by the root: to tell the classes apart."""
        yield LocalProblem(0, outcomes.classes, np.arange(len(nodes)), outcomes.rank[nodes])

    def marginals(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: LocalScores) -> Marginals:
        """Return marginals that are sums of class probabilities."""
        return _Sums(taxonomy, outcomes, scores)

    def columns_per_row(
        self,
        taxonomy: Taxonomy,
        outcomes: Outcomes,  # noqa: ARG002
        *,
        all_nodes: bool,  # noqa: ARG002
    ) -> int:
        """Return the number of nodes, twice: marginals and where answers end."""
        return 2 * taxonomy.n_nodes


class _Sums:
    """Sums of class probabilities."""

    def __init__(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: LocalScores) -> None:
        self.taxonomy = taxonomy
        self.outcomes = outcomes
        self.n_rows = scores.n_rows
        self._classes = outcomes.classes
        self._proba = scores.of(0, self._classes)

    @cached_property
    def _table(self) -> DenseMarginals:
        nodes = self._proba @ self.taxonomy.ancestor_closure[self._classes]
        nodes[:, 0] = 1.0
        stops = np.zeros_like(nodes)
        stops[:, self._classes] = self._proba
        return DenseMarginals(self.taxonomy, self.outcomes, nodes, stops)

    def expand(self, rows: Rows, nodes: NodeIds, mass: Floats) -> Expansion:
        """Look the outcomes up."""
        return self._table.expand(rows, nodes, mass)

    def dense(self) -> DenseMarginals:
        """Return the sums."""
        return self._table

    def answer_proba(self, nodes: NodeIds) -> Floats:
        """Return the classifier's own probabilities."""
        table = np.zeros((self.n_rows, self.taxonomy.n_nodes))
        table[:, self._classes] = self._proba
        return table[:, nodes]
