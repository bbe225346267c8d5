"""A local classifier for each parent node."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from sklhier import _node_ops as ops
from sklhier._local import LocalProblem, LocalScores
from sklhier._marginals import DenseMarginals, Expansion, Marginals, Outcomes
from sklhier._typing import Floats, NodeIds, Rows
from sklhier.strategies._base import Strategy
from sklhier.taxonomy import Taxonomy

__all__ = ["PerParent"]


class PerParent(Strategy):
    """One classifier for each parent node, which decides among its children.

    The local classifier per parent node of [1]_. It is trained on the samples that belong to one of
    the children. The probability of a node is the product of the decisions on its path. A node below
    which no label was seen is an answer like a leaf.

    Parameters
    ----------
    stop : {"ignore", "learn"}, default="ignore"
        What a label means that is an inner node, with seen labels below it. Either way it is an
        example of its ancestors. ``"ignore"``: it says nothing about what is below, and predictions
        go on to a leaf. ``"learn"``: to stop there is one more outcome, which its classifier learns.

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

    def __init__(self, stop: str = "ignore") -> None:
        self.stop = stop

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return the seen children of every node, and where labels may stop."""
        if self.stop not in ("ignore", "learn"):
            raise ValueError(f"`stop` is 'ignore' or 'learn'; {self.stop!r} was given.")
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
        for owner, start, stop in zip(
            inner.tolist(), starts.tolist(), stops.tolist(), strict=True
        ):
            members = outcomes.of_node(owner)
            rows = np.sort(order[start:stop])  # as in the data: some estimators mind the order
            codes = np.searchsorted(position[members[members != owner]], keys[rows], "right") - 1
            codes[codes < 0] = len(members) - 1  # the owner itself: stop here, the last outcome
            yield LocalProblem(owner, members, rows, codes)

    def marginals(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: LocalScores) -> Marginals:
        """Return marginals that ask a local model only when one of its outcomes is wanted."""
        return _Products(taxonomy, outcomes, scores)

    def columns_per_row(self, taxonomy: Taxonomy, outcomes: Outcomes, *, all_nodes: bool) -> int:
        """Return the number of nodes, or of the outcomes on a path."""
        return 2 * taxonomy.n_nodes if all_nodes else 4 * outcomes.widest * taxonomy.n_levels


class _Products:
    """Products of local probabilities down the paths."""

    def __init__(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: LocalScores) -> None:
        self.taxonomy = taxonomy
        self.outcomes = outcomes
        self.n_rows = scores.n_rows
        self._scores = scores

    def expand(self, rows: Rows, nodes: NodeIds, mass: Floats) -> Expansion:
        """Ask each node among the pairs once, for all its rows together."""
        order = np.lexsort((rows, nodes))
        rows, nodes, mass = rows[order], nodes[order], mass[order]
        starts = np.flatnonzero(np.diff(nodes, prepend=-1))
        bounds = [*starts.tolist(), len(nodes)]
        tables = []
        for start, stop in pairwise(bounds):
            owner = int(nodes[start])
            members = self.outcomes.of_node(owner)
            local = self._scores.of(owner, members, rows[start:stop])
            tables.append((mass[start:stop, None] * local).ravel())
        counts = self.outcomes.counts[nodes]
        found = self.outcomes.nodes[ops.concatenated_ranges(self.outcomes.offsets[nodes], counts)]
        return Expansion(order, ops.offsets_of(counts), found, np.concatenate(tables))

    def dense(self) -> DenseMarginals:
        """Ask every node about every row."""
        shape = (self.n_rows, self.taxonomy.n_nodes)
        nodes = np.zeros(shape)
        nodes[:, 0] = 1.0
        stops = np.zeros(shape) if self.outcomes.stops.size else None
        for owner in self.outcomes.inner.tolist():  # parents come first
            members = self.outcomes.of_node(owner)
            masses = nodes[:, [owner]] * self._scores.of(owner, members)
            if stops is not None and members[-1] == owner:
                members, masses, stops[:, owner] = members[:-1], masses[:, :-1], masses[:, -1]
            nodes[:, members] = masses
        return DenseMarginals(self.taxonomy, self.outcomes, nodes, stops)

    def answer_proba(self, nodes: NodeIds) -> Floats:
        """Return the probability that the answer is each of `nodes`."""
        return self.dense().answer_proba(nodes)
