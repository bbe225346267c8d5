"""Marginals as products of conditional probabilities down the paths."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np
from scipy.special import softmax

from sklhier._probabilities.marginals import AnswerMarginals, DenseMarginals, Expansion, Outcomes
from sklhier._utils.rows import as_slice
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["ProductMarginals", "normalised_products", "one_by_one"]


def normalised_products(
    taxonomy: Taxonomy,
    outcomes: Outcomes,
    n_rows: int,
    log_evidence: Callable[[int, NodeIds], Floats],
) -> AnswerMarginals:
    """Return probabilities of the answers in proportion to products down their paths.

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
    log_proba = np.where(can_go_on, stops[:, answers], logs[:, answers])
    return AnswerMarginals(taxonomy, outcomes, answers, softmax(log_proba, axis=1))


def one_by_one(
    decide: Callable[[int, NodeIds, Rows], Floats], outcomes: Outcomes, nodes: NodeIds, rows: Rows
) -> Floats:
    """Decide pairs, ascending by node and row, node by node; return one flat array."""
    starts = ops.run_starts(nodes)
    tables = []
    for start, stop in pairwise([*starts.tolist(), len(nodes)]):
        node = int(nodes[start])
        tables.append(decide(node, outcomes.of_node(node), rows[start:stop]).ravel())
    return np.concatenate(tables)


class Descents(Protocol):
    """Answers of all rows that are found without the probabilities of single nodes.

    Each method may return None: then they have to be found in the usual way.
    """

    def top_down(self) -> NodeIds | None:
        """Return the node at which the greedy descent of each row ends, shape (n_rows,)."""
        ...

    def best(self, k: int) -> tuple[NodeIds, Floats] | None:
        """Return the `k` most probable answers and their probabilities, best first.

        Equally probable answers are in the order of classes. Both have the shape (n_rows, k).
        """
        ...

    def all(self, n_nodes: int, *, stops: bool) -> tuple[Floats, Floats | None] | None:
        """Return the probability of each node, and with `stops` that of stopping at it.

        Both have the shape (n_rows, n_nodes).
        """
        ...


class ProductMarginals:
    """Products of conditional probabilities down the paths, computed on request.

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
    decide_pairs : callable, default=None
        ``decide_pairs(nodes, rows)`` returns the same for many pairs, ascending by node and row, one
        after the other in a flat array. By default `decide` is called for each node.
    descents : Descents, default=None
        A faster way to the answers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import Taxonomy
    >>> from sklhier.strategies import Outcomes, ProductMarginals
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": None})
    >>> outcomes = Outcomes.of(taxonomy, taxonomy.leaf_ids, stops=False)
    >>> def evenly(node, members, rows):
    ...     return np.full((1 if rows is None else len(rows), len(members)), 1 / len(members))
    >>> ProductMarginals(taxonomy, outcomes, 1, evenly).dense().node_proba
    array([[1.  , 0.5 , 0.5 , 0.25, 0.25]])
    """

    is_lazy = True

    def __init__(
        self,
        taxonomy: Taxonomy,
        outcomes: Outcomes,
        n_rows: int,
        decide: Callable[[int, NodeIds, Rows | None], Floats],
        decide_pairs: Callable[[NodeIds, Rows], Floats] | None = None,
        descents: Descents | None = None,
    ) -> None:
        self.taxonomy = taxonomy
        self.outcomes = outcomes
        self.n_rows = n_rows
        self._decide = decide
        self._decide_pairs = decide_pairs or partial(one_by_one, decide, outcomes)
        self._descents = descents

    def top_down(self) -> NodeIds | None:
        """Return the node at which the greedy descent of each row ends, if there is a faster way."""
        return None if self._descents is None else self._descents.top_down()

    def best(self, k: int) -> tuple[NodeIds, Floats] | None:
        """Return the `k` most probable answers and their probabilities, if there is a faster way."""
        return None if self._descents is None else self._descents.best(k)

    def expand(self, rows: Rows, nodes: NodeIds, proba: Floats) -> Expansion:
        """Return the outcomes of pairs; each node decides once, for all its rows."""
        if len(nodes) == 1:  # a single row, on its way down
            members = self.outcomes.of_node(int(nodes[0]))
            outcome_proba = proba * self._decide_pairs(nodes, rows)
            return Expansion(
                np.zeros(1, np.intp), np.array([0, len(members)]), members, outcome_proba
            )
        # By node, then by row: one sort of whole numbers takes a seventh of np.lexsort.
        order = np.argsort(nodes.astype(np.int64) * self.n_rows + rows)
        rows, nodes, proba = rows[order], nodes[order], proba[order]
        counts = self.outcomes.counts[nodes]
        found = self.outcomes.nodes[ops.concatenated_ranges(self.outcomes.offsets[nodes], counts)]
        outcome_proba = np.repeat(proba, counts) * self._decide_pairs(nodes, rows)
        return Expansion(order, ops.offsets_of(counts), found, outcome_proba)

    def dense(self) -> DenseMarginals:
        """Compute the marginals of all nodes for every row."""
        has_stops = bool(self.outcomes.stops.size)
        if self._descents is not None:
            found = self._descents.all(self.taxonomy.n_nodes, stops=has_stops)
            if found is not None:
                return DenseMarginals(self.taxonomy, self.outcomes, *found)
        shape = (self.n_rows, self.taxonomy.n_nodes)
        nodes = np.zeros(shape)
        nodes[:, 0] = 1.0
        stops = np.zeros(shape) if has_stops else None
        for owner in self.outcomes.inner.tolist():  # parents come first
            members = self.outcomes.of_node(owner)
            proba, own = self._decide(owner, members, None), nodes[:, owner : owner + 1]
            if stops is not None and members[-1] == owner:
                np.multiply(own, proba[:, -1:], out=stops[:, owner : owner + 1])
                members, proba = members[:-1], proba[:, :-1]
            columns = as_slice(members)
            if isinstance(columns, slice):  # as children are: no table between
                np.multiply(own, proba, out=nodes[:, columns])
            else:
                nodes[:, columns] = own * proba
        return DenseMarginals(self.taxonomy, self.outcomes, nodes, stops)

    def answer_proba(self, nodes: NodeIds) -> Floats:
        """Return the probability that the answer is each of `nodes`."""
        return self.dense().answer_proba(nodes)
