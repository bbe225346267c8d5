"""Thresholds of stop rules that give the best hierarchical F on held-out samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sklhier._utils.typing import Bools, Floats, NodeIds, Rows
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._graph import run_starts

__all__ = ["Candidates", "TunedThresholds", "tuned_thresholds"]

_MOST_ROUNDS = 100  # each of them makes F larger; a few are enough
_LEAST_GAIN = 1e-12


class Candidates(NamedTuple):
    """The nodes at which a stop rule may answer some held-out samples.

    Attributes
    ----------
    taxonomy : Taxonomy
    nodes : ndarray of int32, shape (n_rows, n_levels)
        One for each level, -1 where there is none.
    proba : ndarray of float64, shape (n_rows, n_levels)
        Their probabilities, which do not rise from level to level.
    true : ndarray of int32, shape (n_rows,)
        The node of each sample's label.
    weights : ndarray of float64, shape (n_rows,)
        Weights of the samples.
    """

    taxonomy: Taxonomy
    nodes: NodeIds
    proba: Floats
    true: NodeIds
    weights: Floats

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """Return those of several blocks together; blocks without rows are left out."""
        parts = [part for part in parts if part.weights.any()]
        if not parts:
            raise ValueError("There is no held-out sample to learn a threshold from.")
        columns = zip(*(part[1:] for part in parts), strict=True)
        return cls(parts[0].taxonomy, *map(np.concatenate, columns))


@dataclass(frozen=True)
class TunedThresholds:
    """Thresholds, and where they come from.

    Attributes
    ----------
    tau : float or ndarray of float64
        One for all nodes, for each level, or for each node but the root.
    report : dict of str to ndarray, shape (n_nodes - 1,)
        As ``threshold_report_`` of a decoder.
    """

    tau: Any
    report: dict[str, Any]


def tuned_thresholds(
    parts: Sequence[Candidates], scope: str, beta: float, min_rows: int
) -> TunedThresholds:
    """Return the thresholds with the best micro-averaged hierarchical F.

    That of all nodes is exact. From there each level, and then each node, gets the threshold that is
    best while the others stay, level by level from the deepest, until nothing gets better.
    """
    found = Candidates.joined(parts)
    taxonomy = found.taxonomy
    search = _Search(found, beta)
    levels = np.maximum(taxonomy.depths - 1, 0)
    overall = search.overall()
    tau = np.full(taxonomy.n_nodes, overall)
    source = np.full(taxonomy.n_nodes, "global", dtype="<U6")
    n_rows = search.rows_of_nodes()
    if scope != "global":
        tau = search.improved(tau, levels, np.ones(taxonomy.n_nodes, dtype=bool))
        source[np.isin(levels, levels[n_rows > 0])] = "level"
    of_levels = np.full(taxonomy.n_levels, overall)
    of_levels[levels[1:]] = tau[1:]
    if scope == "node":
        own = n_rows >= max(min_rows, 1)
        tau = search.improved(tau, np.arange(taxonomy.n_nodes), own)
        source[own] = "node"
    names = np.empty(taxonomy.n_nodes - 1, dtype=object)
    names[:] = taxonomy.nodes[1:]
    report = {
        "node": names,
        "level": taxonomy.depths[1:].astype(np.int64),
        "tau": tau[1:].copy(),
        "n_rows": n_rows[1:],
        "source": source[1:],
    }
    values = {"global": overall, "level": of_levels, "node": tau[1:]}
    return TunedThresholds(values[scope], report)


class _Search:
    """A search for thresholds; F is a ratio of two sums over samples.

    Attributes of entries have the shape (n_rows, n_levels + 1); the first column is the root.
    """

    def __init__(self, found: Candidates, beta: float) -> None:
        taxonomy, nodes = found.taxonomy, found.nodes
        used = found.weights > 0
        nodes = np.maximum(nodes[used], 0)
        # Equal but for rounding where a node has one child.
        proba = np.minimum.accumulate(np.where(nodes > 0, found.proba[used], 0.0), axis=1)
        true, weights = taxonomy.ancestors_of(found.true[used]), found.weights[used]
        n_rows, n_levels = nodes.shape
        self.n_nodes = taxonomy.n_nodes
        self.nodes = np.column_stack([np.zeros(n_rows, dtype=nodes.dtype), nodes])
        self.proba = np.column_stack([np.full(n_rows, np.inf), proba])
        common = np.zeros((n_rows, n_levels + 1))
        for level in range(n_levels):
            own = taxonomy.ancestors_of(nodes[:, level])
            common[:, level + 1] = own.multiply(true).sum(axis=1)
        self.above = weights[:, None] * (1 + beta**2) * common
        self.below = weights[:, None] * taxonomy.closure_sizes[self.nodes]
        self.constant = float(beta**2 * (weights @ true.sum(axis=1)))

    def rows_of_nodes(self) -> Rows:
        """Return how many samples have each node among their candidates."""
        there = self.proba[:, 1:] > 0
        return np.bincount(self.nodes[:, 1:][there], minlength=self.n_nodes)

    def overall(self) -> float:
        """Return the best threshold of all nodes."""
        # As the threshold falls, the answer of a sample goes down one level after the other.
        rows, levels = np.nonzero(self.proba[:, 1:] > 0)
        more = self.above[rows, levels + 1] - self.above[rows, levels]
        longer = self.below[rows, levels + 1] - self.below[rows, levels]
        proba, groups = self.proba[rows, levels + 1], np.zeros(len(rows), dtype=np.intp)
        tau, score = 1.0, 0.0
        for _ in range(_MOST_ROUNDS):
            cuts = _best_cuts(groups, proba, more - score * longer)
            new = float(cuts[1][0]) if len(cuts[1]) else 1.0
            value = self.score(np.full(self.n_nodes, new))
            if value <= score + _LEAST_GAIN:
                break
            tau, score = new, value
        return tau

    def improved(self, tau: Floats, groups: Rows, may_change: Bools) -> Floats:
        """Return better thresholds of groups of nodes, no group having nodes of two levels."""
        score = self.score(tau)
        for _ in range(_MOST_ROUNDS):
            before = score
            for level in range(self.nodes.shape[1] - 1, 0, -1):
                new = self._level_changed(level, tau, score, groups, may_change)
                value = self.score(new)
                if value > score + _LEAST_GAIN:
                    tau, score = new, value
            if score == before:
                break
        return tau

    def _level_changed(
        self, level: int, tau: Floats, score: float, groups: Rows, may_change: Bools
    ) -> Floats:
        """Return thresholds with those of one level replaced by the best."""
        sure = self._is_sure(tau)
        at = self.nodes[:, level]
        open_ = (self.proba[:, level] > 0) & may_change[at] & ~sure[:, level + 1 :].any(axis=1)
        rows = np.flatnonzero(open_)
        fallback = level - 1 - np.argmax(sure[rows, level - 1 :: -1], axis=1)
        gains = self.above[rows, level] - self.above[rows, fallback]
        gains -= score * (self.below[rows, level] - self.below[rows, fallback])
        own, cuts = _best_cuts(groups[at[rows]], self.proba[rows, level], gains)
        best = np.full(int(groups.max()) + 1, np.nan)
        best[own] = cuts
        new = best[groups]
        return np.where(may_change & ~np.isnan(new), new, tau)

    def _is_sure(self, tau: Floats) -> Bools:
        sure = self.proba > np.where(tau < 1, tau, np.inf)[self.nodes]
        sure[:, 0] = True
        return sure

    def score(self, tau: Floats) -> float:
        """Return the F of the answers."""
        sure = self._is_sure(tau)
        last = sure.shape[1] - 1 - np.argmax(sure[:, ::-1], axis=1)
        rows = np.arange(len(last))
        below = self.constant + self.below[rows, last].sum()
        return float(self.above[rows, last].sum() / below) if below > 0 else 0.0


def _best_cuts(groups: Rows, proba: Floats, gains: Floats) -> tuple[Rows, Floats]:
    """Return the threshold of each group above which the gains have the largest sum.

    Returns
    -------
    groups : ndarray of intp
        The groups that have an entry, ascending.
    cuts : ndarray of float64
        Half-way between two probabilities; 0 if all entries are above, 1 if none is. Of equally good
        ones the largest.
    """
    if not len(groups):
        return groups, np.zeros(0)
    order = np.lexsort((-proba, groups))
    groups, proba, sums = groups[order], proba[order], np.cumsum(gains[order])
    starts = run_starts(groups)
    sizes = np.diff(np.append(starts, len(groups)))
    sums = sums - np.repeat(sums[starts] - gains[order][starts], sizes)
    is_last = np.append(groups[1:] != groups[:-1], True)
    following = np.where(is_last, 0.0, np.append(proba[1:], 0.0))
    # No cut between equal probabilities.
    sums = np.where(is_last | (proba > following), sums, -np.inf)
    most = np.maximum.reduceat(sums, starts)
    hits = np.flatnonzero(sums == np.repeat(most, sizes))[::-1]
    first = np.zeros(len(starts), dtype=np.intp)
    first[np.repeat(np.arange(len(starts)), sizes)[hits]] = (
        hits  # the last one written is the first
    )
    middle = (proba[first] + following[first]) / 2
    cuts = np.where(
        following[first] == 0, 0.0, np.where(middle < proba[first], middle, following[first])
    )
    return groups[starts], np.where(most > 0, cuts, 1.0)
