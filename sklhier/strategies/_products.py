"""Marginals that are products of decisions down the paths."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.special import softmax

from sklhier import _node_ops as ops
from sklhier._marginals import AnswerMarginals, DenseMarginals, Expansion, Outcomes
from sklhier._typing import Floats, NodeIds, Rows
from sklhier.taxonomy import Taxonomy

__all__ = ["ProductMarginals", "normalised_products"]


def normalised_products(
    taxonomy: Taxonomy,
    outcomes: Outcomes,
    n_rows: int,
    log_evidence: Callable[[int, NodeIds], Floats],
) -> AnswerMarginals:
    """Return probabilities of the answers that are in proportion to products down their paths.

    Parameters
    ----------
    taxonomy : Taxonomy
        A tree.
    outcomes : Outcomes
        Its possible answers.
    n_rows : int
        Number of samples.
    log_evidence : callable
        ``log_evidence(node, members)`` returns the logarithm of a positive number for each outcome of
        a node, shape ``(n_rows, len(members))``. They need not sum to 1.
    """
    logs = np.zeros((n_rows, taxonomy.n_nodes))
    stops = np.zeros((n_rows, taxonomy.n_nodes))
    for owner in outcomes.inner.tolist():  # parents come first
        members = outcomes.of_node(owner)
        below = logs[:, [owner]] + log_evidence(owner, members)
        if members[-1] == owner:
            members, below, stops[:, owner] = members[:-1], below[:, :-1], below[:, -1]
        logs[:, members] = below
    answers = outcomes.answers
    can_go_on = outcomes.counts[answers] > 0
    ends = np.where(can_go_on, stops[:, answers], logs[:, answers])
    return AnswerMarginals(taxonomy, outcomes, answers, softmax(ends, axis=1))


class ProductMarginals:
    """Products of decisions down the paths, taken only where they are asked for.

    Parameters
    ----------
    taxonomy : Taxonomy
        A tree.
    outcomes : Outcomes
        Its possible answers.
    n_rows : int
        Number of samples.
    decide : callable
        ``decide(node, members, rows)`` returns the probability of each outcome of a node given the
        node, shape ``(len(rows), len(members))``; rows of None are all.
    """

    is_lazy = True

    def __init__(
        self,
        taxonomy: Taxonomy,
        outcomes: Outcomes,
        n_rows: int,
        decide: Callable[[int, NodeIds, Rows | None], Floats],
    ) -> None:
        self.taxonomy = taxonomy
        self.outcomes = outcomes
        self.n_rows = n_rows
        self._decide = decide

    def expand(self, rows: Rows, nodes: NodeIds, mass: Floats) -> Expansion:
        """Ask each node among the pairs once, for all its rows together."""
        order = np.lexsort((rows, nodes))
        rows, nodes, mass = rows[order], nodes[order], mass[order]
        starts = np.flatnonzero(np.diff(nodes, prepend=-1))
        bounds = [*starts.tolist(), len(nodes)]
        tables = []
        for start, stop in pairwise(bounds):
            owner = int(nodes[start])
            local = self._decide(owner, self.outcomes.of_node(owner), rows[start:stop])
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
            masses = nodes[:, [owner]] * self._decide(owner, members, None)
            if stops is not None and members[-1] == owner:
                members, masses, stops[:, owner] = members[:-1], masses[:, :-1], masses[:, -1]
            nodes[:, members] = masses
        return DenseMarginals(self.taxonomy, self.outcomes, nodes, stops)

    def answer_proba(self, nodes: NodeIds) -> Floats:
        """Return the probability that the answer is each of `nodes`."""
        return self.dense().answer_proba(nodes)
