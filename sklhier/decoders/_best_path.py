"""The most probable path, found without looking everywhere."""

from __future__ import annotations

import numpy as np

from sklhier import _node_ops as ops
from sklhier._marginals import Marginals, Outcomes, most_numbers
from sklhier._typing import Bools, Floats, NodeIds, Rows
from sklhier.decoders._base import Decoder

__all__ = ["BestPath"]


class BestPath(Decoder):
    """The answer with the largest probability, by branch and bound from the top.

    The same answer as the argmax over all classes of ``predict_proba``. A node is never less
    probable than what lies below it; so whatever falls behind the best complete path found so far
    can be left alone. A greedy descent gives the first bound, then the levels are swept once,
    from the top [1]_.

    References
    ----------
    .. [1] A. H. Land, A. G. Doig. An automatic method of solving discrete programming problems.
       Econometrica 28 (1960).

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.decoders import BestPath
    >>> HierarchicalClassifier(decoder=BestPath())  # the default
    HierarchicalClassifier(decoder=BestPath())
    """

    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the most probable answer; of equals, that of the first class."""
        best = _Best(marginals.n_rows, marginals.outcomes)
        most = most_numbers() // _NUMBERS_PER_PAIR
        todo = [_descend(marginals, best)]
        while todo:  # the last one first: what was split is finished before more is opened
            rows, nodes, mass = todo.pop()
            open_ = best.may_be_beaten(rows, mass)
            pairs = rows[open_], nodes[open_], mass[open_]
            if not open_.any():
                continue
            halves = _split_by_row(pairs, marginals.outcomes, most)
            todo += halves or [_sweep_level(marginals, best, pairs)]
        return best.nodes


_Pairs = tuple[Rows, NodeIds, Floats]
_NUMBERS_PER_PAIR = 8  # row, node and mass of an outcome, and copies while they are sorted


class _Best:
    """The best complete answer of each row so far."""

    def __init__(self, n_rows: int, outcomes: Outcomes) -> None:
        self.nodes = np.zeros(n_rows, dtype=np.int32)
        self._mass = np.full(n_rows, -1.0)
        self._rank = outcomes.rank

    def may_be_beaten(self, rows: Rows, mass: Floats) -> Bools:
        """Tell which pairs could hold a better answer, or an equal one of an earlier class."""
        return mass >= self._mass[rows]

    def offer(self, rows: Rows, nodes: NodeIds, mass: Floats) -> None:
        """Take the answers that are better, or as good and of an earlier class."""
        order = np.lexsort((self._rank[nodes], -mass, rows))
        order = order[np.diff(rows[order], prepend=-1) != 0]  # the best of each row
        rows, nodes, mass = rows[order], nodes[order], mass[order]
        tied = (mass == self._mass[rows]) & (self._rank[nodes] < self._rank[self.nodes[rows]])
        better = (mass > self._mass[rows]) | tied
        self._mass[rows[better]] = mass[better]
        self.nodes[rows[better]] = nodes[better]


def _descend(marginals: Marginals, best: _Best) -> _Pairs:
    """Offer the answers of a greedy descent; return the pairs that it passed by."""
    counts = marginals.outcomes.counts
    passed: list[_Pairs] = []
    rows = np.arange(marginals.n_rows if counts[0] else 0)
    nodes = np.zeros(len(rows), dtype=np.int32)
    mass = np.ones(len(rows))
    while rows.size:
        found = marginals.expand(rows, nodes, mass)
        chosen = ops.segment_argmax(found.mass, found.offsets)
        owners = np.repeat(found.order, np.diff(found.offsets))
        complete = (found.nodes == nodes[owners]) | (counts[found.nodes] == 0)
        of_row = rows[owners]
        best.offer(of_row[complete], found.nodes[complete], found.mass[complete])
        other = ~complete
        other[chosen] = False
        passed.append((of_row[other], found.nodes[other], found.mass[other]))
        chosen = chosen[~complete[chosen]]
        rows, nodes, mass = of_row[chosen], found.nodes[chosen], found.mass[chosen]
    return _joined(passed)


def _split_by_row(pairs: _Pairs, outcomes: Outcomes, most: int) -> list[_Pairs]:
    """Cut pairs in two, between rows, if they have too many outcomes to hold together.

    Nearly equal probabilities leave almost every node open.
    """
    rows, nodes, mass = pairs
    first, last = int(rows.min()), int(rows.max())
    if first == last or outcomes.counts[nodes].sum() <= most:
        return []
    upper = rows > (first + last) // 2
    return [(rows[half], nodes[half], mass[half]) for half in (upper, ~upper)]


def _sweep_level(marginals: Marginals, best: _Best, pairs: _Pairs) -> _Pairs:
    """Expand the pairs of the highest level, so that each node is asked once for all its rows."""
    rows, nodes, mass = pairs
    depths = marginals.taxonomy.depths[nodes]
    here = depths == depths.min()
    below = _expand(marginals, best, rows[here], nodes[here], mass[here])
    return _joined([(rows[~here], nodes[~here], mass[~here]), below])


def _expand(marginals: Marginals, best: _Best, rows: Rows, nodes: NodeIds, mass: Floats) -> _Pairs:
    """Offer the complete outcomes of the pairs; return the others."""
    found = marginals.expand(rows, nodes, mass)
    owners = np.repeat(found.order, np.diff(found.offsets))
    complete = (found.nodes == nodes[owners]) | (marginals.outcomes.counts[found.nodes] == 0)
    of_row = rows[owners]
    best.offer(of_row[complete], found.nodes[complete], found.mass[complete])
    return of_row[~complete], found.nodes[~complete], found.mass[~complete]


def _joined(pairs: list[_Pairs]) -> _Pairs:
    empty = (np.zeros(0, np.intp), np.zeros(0, np.int32), np.zeros(0))
    rows, nodes, mass = zip(empty, *pairs, strict=True)
    return np.concatenate(rows), np.concatenate(nodes), np.concatenate(mass)
