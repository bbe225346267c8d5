"""Beam search, and branch and bound, for the best answers of each row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sklhier._probabilities.marginals import Marginals, Outcomes
from sklhier._utils.memory_blocks import most_numbers
from sklhier._utils.typing import Bools, Floats, NodeIds, Rows
from sklhier.taxonomy._graph import run_starts

__all__ = ["BestAnswers", "Objective", "Pairs", "beam_search", "best_answers"]

_NUMBERS_PER_PAIR = (
    10  # row, node, proba and value of an outcome, and copies while they are sorted
)


class Pairs(NamedTuple):
    """Some ``(row, node)`` pairs, with the node's probability and value for the row."""

    rows: Rows
    nodes: NodeIds
    proba: Floats
    value: Floats

    def at(self, chosen: Rows | Bools) -> Pairs:
        """Return some of the pairs."""
        return Pairs(self.rows[chosen], self.nodes[chosen], self.proba[chosen], self.value[chosen])


@dataclass(frozen=True)
class Objective:
    """The value of an answer, computed step by step on the way down.

    Attributes
    ----------
    extend : callable
        ``extend(value, nodes, proba)``: the value of nodes with probabilities `proba`, given those of
        their parents.
    stop : callable
        ``stop(value, proba)``: the value of stopping at nodes of that value, which has the
        probability `proba`.
    bound : callable
        ``bound(value, nodes, proba)``: no answer at or below the nodes is worth more.
    """

    extend: Callable[[Floats, NodeIds, Floats], Floats]
    stop: Callable[[Floats, Floats], Floats]
    bound: Callable[[Floats, NodeIds, Floats], Floats]


class BestAnswers:
    """The best complete answers of each row so far, best first.

    Of equal values the more probable goes first, of those the earlier class.

    Attributes
    ----------
    nodes : ndarray of int32, shape (n_rows, n_best)
        0 where there are fewer.
    proba, value : ndarray of float64, shape (n_rows, n_best)
        Probability and value; minus infinity where there are fewer.
    """

    def __init__(self, n_rows: int, n_best: int, outcomes: Outcomes) -> None:
        self.nodes = np.zeros((n_rows, n_best), dtype=np.int32)
        self.proba = np.full((n_rows, n_best), -np.inf)
        self.value = np.full((n_rows, n_best), -np.inf)
        self._rank = outcomes.rank

    @property
    def n_best(self) -> int:
        """Number of answers kept for each row."""
        return self.nodes.shape[1]

    def may_be_beaten(self, rows: Rows, bounds: Floats) -> Bools:
        """Return a mask of pairs that could hold a better answer, or an equal one that goes first."""
        last = self.value[rows, -1]
        # Sums in another order may differ in the last digits.
        with np.errstate(invalid="ignore"):
            slack = 1e-12 * np.abs(last)
        return (bounds >= last - slack) | np.isneginf(last)

    def offer(self, found: Pairs) -> None:
        """Keep those of the answers that belong to the best."""
        if not found.rows.size:
            return
        least = self.value[:, -1]
        if self.n_best == 1:  # most are sorted out before they are sorted
            least = least.copy()
            np.maximum.at(least, found.rows, found.value)
        found = found.at(found.value >= least[found.rows])
        touched = np.flatnonzero(np.bincount(found.rows))
        # New and kept answers are sorted together, for the rows that have new ones only.
        rows = np.concatenate([found.rows, np.repeat(touched, self.n_best)])
        nodes, proba, value = (
            np.concatenate([new, kept[touched].ravel()])
            for new, kept in zip(found[1:], (self.nodes, self.proba, self.value), strict=True)
        )
        order = np.lexsort((self._rank[nodes], -proba, -value, rows))
        rank = _rank_in_row(rows[order])
        order, rank = order[rank < self.n_best], rank[rank < self.n_best]
        self.nodes[rows[order], rank] = nodes[order]
        self.proba[rows[order], rank] = proba[order]
        self.value[rows[order], rank] = value[order]


def _rank_in_row(rows: Rows) -> Rows:
    """Return the position of each entry among those of its row; rows are sorted."""
    starts = run_starts(rows)
    return np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))


def beam_search(marginals: Marginals, objective: Objective, width: int) -> BestAnswers:
    """Go down from the root, keeping the `width` best nodes and answers of each row.

    Answers that end early stay in the beam as long as they are among the best.
    """
    best = BestAnswers(marginals.n_rows, width, marginals.outcomes)
    _descend(marginals, objective, best, forget=True)
    return best


def best_answers(marginals: Marginals, objective: Objective, n_best: int) -> BestAnswers:
    """Find the best answers of each row by branch and bound.

    A beam search gives the first bound. Then a level pass from the top expands the other nodes, but
    for those that cannot lead to an answer as good as those found.
    """
    best = BestAnswers(marginals.n_rows, n_best, marginals.outcomes)
    most = most_numbers() // _NUMBERS_PER_PAIR
    todo = [_descend(marginals, objective, best)]
    while todo:  # the last one first: what was split is finished before more is opened
        pairs = todo.pop()
        bounds = objective.bound(pairs.value, pairs.nodes, pairs.proba)
        pairs = pairs.at(best.may_be_beaten(pairs.rows, bounds))
        if not pairs.rows.size:
            continue
        halves = _split_by_row(pairs, marginals.outcomes, most)
        todo += halves or [_expand_level(marginals, objective, best, pairs)]
    return best


def _root(marginals: Marginals) -> Pairs:
    # A root without outcomes must not be expanded: every answer is the root then.
    n_rows = marginals.n_rows if marginals.outcomes.counts[0] else 0
    return Pairs(
        np.arange(n_rows), np.zeros(n_rows, dtype=np.int32), np.ones(n_rows), np.zeros(n_rows)
    )


def _descend(
    marginals: Marginals, objective: Objective, best: BestAnswers, *, forget: bool = False
) -> Pairs:
    """Offer the answers that a beam search finds; return the nodes that it left out.

    With `forget`, answers that fall out of the beam are lost, as nodes are.
    """
    passed: list[Pairs] = []
    pairs = _root(marginals)
    while pairs.rows.size:
        pairs = _expand(marginals, objective, best, pairs)
        kept, rows, answers = _in_beam(pairs, objective, best)
        if forget:
            best.value[rows] = np.where(answers, best.value[rows], -np.inf)
        passed.append(pairs.at(~kept))
        pairs = pairs.at(kept)
    return _joined(passed)


def _in_beam(pairs: Pairs, objective: Objective, best: BestAnswers) -> tuple[Bools, Rows, Bools]:
    """Return masks of the nodes and complete answers that are together the best of their row.

    Returns
    -------
    kept : ndarray of bool, shape (n_pairs,)
    rows : ndarray of intp, shape (n,)
        The rows that have nodes among the pairs.
    answers : ndarray of bool, shape (n, n_best)
        Which of their answers are kept.
    """
    rows = np.flatnonzero(np.bincount(pairs.rows))
    bounds = objective.bound(pairs.value, pairs.nodes, pairs.proba)
    if best.n_best == 1:
        kept = _first_of_row(pairs.rows, bounds, best.value[:, 0])
        of_row = np.zeros(len(best.value), dtype=bool)
        of_row[pairs.rows[kept]] = True
        return kept, rows, ~of_row[rows, None]
    of_row = np.concatenate([pairs.rows, np.repeat(rows, best.n_best)])
    bounds = np.concatenate([bounds, best.value[rows].ravel()])
    order = np.lexsort((-bounds, of_row))
    kept = np.zeros(len(of_row), dtype=bool)
    kept[order[_rank_in_row(of_row[order]) < best.n_best]] = True
    n_pairs = len(pairs.rows)
    return kept[:n_pairs], rows, kept[n_pairs:].reshape(len(rows), best.n_best)


def _first_of_row(rows: Rows, values: Floats, least: Floats) -> Bools:
    """Return a mask of the largest entry of each row, if it reaches `least` of the row.

    The same as sorting, but faster: a greedy descent does this at every level.
    """
    most = least.copy()
    np.maximum.at(most, rows, values)
    hits = np.flatnonzero(values == most[rows])[::-1]
    first = np.full(len(least), -1)
    first[rows[hits]] = hits  # the last one written is the first of its row
    kept = np.zeros(len(rows), dtype=bool)
    kept[first[first >= 0]] = True
    return kept


def _expand(marginals: Marginals, objective: Objective, best: BestAnswers, pairs: Pairs) -> Pairs:
    """Offer the complete outcomes of the pairs; return the others."""
    found = marginals.expand(pairs.rows, pairs.nodes, pairs.proba)
    above = np.repeat(found.order, np.diff(found.offsets))
    stops = found.nodes == pairs.nodes[above]
    value = pairs.value[above]
    value = np.where(
        stops,
        objective.stop(value, found.proba),
        objective.extend(value, found.nodes, found.proba),
    )
    below = Pairs(pairs.rows[above], found.nodes, found.proba, value)
    complete = stops | (marginals.outcomes.counts[found.nodes] == 0)
    best.offer(below.at(complete))
    return below.at(~complete)


def _split_by_row(pairs: Pairs, outcomes: Outcomes, most: int) -> list[Pairs]:
    """Cut pairs in two, between rows, if they have too many outcomes to hold together.

    Nearly equal probabilities leave almost every node open.
    """
    first, last = int(pairs.rows.min()), int(pairs.rows.max())
    if first == last or outcomes.counts[pairs.nodes].sum() <= most:
        return []
    upper = pairs.rows > (first + last) // 2
    return [pairs.at(upper), pairs.at(~upper)]


def _expand_level(
    marginals: Marginals, objective: Objective, best: BestAnswers, pairs: Pairs
) -> Pairs:
    """Expand the pairs of the highest level, so that each node is expanded once for all its rows."""
    depths = marginals.taxonomy.depths[pairs.nodes]
    is_highest = depths == depths.min()
    below = _expand(marginals, objective, best, pairs.at(is_highest))
    return _joined([pairs.at(~is_highest), below])


def _joined(parts: list[Pairs]) -> Pairs:
    empty = Pairs(np.zeros(0, np.intp), np.zeros(0, np.int32), np.zeros(0), np.zeros(0))
    return Pairs(*map(np.concatenate, zip(empty, *parts, strict=True)))
