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

    Those of a row are in the order in which the rule prefers them: of the ones that exceed their
    thresholds the last is the answer.

    Attributes
    ----------
    taxonomy : Taxonomy
    rows : ndarray of intp, shape (n_candidates,)
        Ascending.
    nodes : ndarray of int32, shape (n_candidates,)
        Levels ascend in a row.
    proba : ndarray of float64, shape (n_candidates,)
    true : ndarray of int32, shape (n_rows,)
        The node of each sample's label.
    weights : ndarray of float64, shape (n_rows,)
        Weights of the samples.
    """

    taxonomy: Taxonomy
    rows: Rows
    nodes: NodeIds
    proba: Floats
    true: NodeIds
    weights: Floats

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """Return those of several blocks together, rows of weight 0 left out."""
        parts = [part.weighted() for part in parts if part.weights.any()]
        if not parts:
            raise ValueError("There are no held-out samples to learn a threshold from.")
        starts = np.cumsum([0, *(len(part.true) for part in parts[:-1])])
        moved = [part._replace(rows=part.rows + n) for part, n in zip(parts, starts, strict=True)]
        return cls(
            parts[0].taxonomy,
            *map(np.concatenate, zip(*(part[1:] for part in moved), strict=True)),
        )

    def weighted(self) -> Candidates:
        """Return those of rows that have a weight."""
        used = self.weights > 0
        position = np.cumsum(used) - 1
        return self.at(used[self.rows])._replace(
            rows=position[self.rows[used[self.rows]]],
            true=self.true[used],
            weights=self.weights[used],
        )

    def at(self, chosen: Bools) -> Candidates:
        """Return some of the candidates, of the same rows."""
        return self._replace(
            rows=self.rows[chosen], nodes=self.nodes[chosen], proba=self.proba[chosen]
        )

    def last_of_levels(self) -> Candidates:
        """Return the candidate of each row and level that is preferred."""
        levels = self.taxonomy.depths[self.nodes]
        same = (self.rows[1:] == self.rows[:-1]) & (levels[1:] == levels[:-1])
        return self.at(np.append(~same, True)) if len(levels) else self


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
    parts: Sequence[Candidates], scope: str, beta: float, min_rows: int, floor: float
) -> TunedThresholds:
    """Return the thresholds with the best micro-averaged hierarchical F.

    That of all nodes is exact. From there levels, and then nodes, change to what is best for each
    while the others stay, until nothing gets better. Those of nodes are `floor` or more, above which
    all candidates must be known.
    """
    everything = Candidates.joined(parts)
    taxonomy = everything.taxonomy
    found = everything.last_of_levels()
    search = _Search(found, beta)
    levels = np.maximum(taxonomy.depths - 1, 0)
    overall = search.overall()
    tau = np.full(taxonomy.n_nodes, overall)
    source = np.full(taxonomy.n_nodes, "global", dtype="<U6")
    n_rows = np.bincount(found.nodes, minlength=taxonomy.n_nodes)
    if scope != "global":
        tau = search.improved(tau, levels, np.ones(taxonomy.n_nodes, dtype=bool))
        source[np.isin(levels, levels[n_rows > 0])] = "level"
    of_levels = np.full(taxonomy.n_levels, overall)
    of_levels[levels[1:]] = tau[1:]
    if scope == "node":
        own = n_rows >= min_rows
        tau = np.maximum(tau, floor)
        known = everything.at(everything.proba > floor)
        tau = _Search(known, beta).improved(tau, np.arange(taxonomy.n_nodes), own, floor)
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
    """A search for thresholds of candidates; F is a ratio of two sums over samples."""

    def __init__(self, found: Candidates, beta: float) -> None:
        taxonomy, weights = found.taxonomy, found.weights
        self.n_nodes = taxonomy.n_nodes
        self.rows, self.nodes = found.rows, found.nodes
        # Equal but for rounding where a node has one child.
        self.proba = np.round(found.proba, 12)
        self.starts = run_starts(self.rows)
        sizes = np.diff(np.append(self.starts, len(self.rows)))
        self.row = np.repeat(
            np.arange(len(self.starts)), sizes
        )  # numbers of those with candidates
        true = taxonomy.ancestors_of(found.true)
        common = taxonomy.ancestors_of(self.nodes).multiply(true[self.rows]).sum(axis=1)
        # What an answer adds to the sums; the last entry is that of no answer.
        of_rows = weights[self.rows]
        self.above = np.append((1 + beta**2) * of_rows * np.asarray(common), 0.0)
        self.below = np.append(of_rows * taxonomy.closure_sizes[self.nodes], 0.0)
        self.constant = float(beta**2 * (weights @ np.asarray(true.sum(axis=1))))

    def overall(self) -> float:
        """Return the best threshold of all nodes."""
        # As the threshold falls, the answer of a sample goes down from candidate to candidate.
        before = np.arange(-1, len(self.rows) - 1)
        before[self.starts] = -1
        groups = np.zeros(len(self.rows), dtype=np.intp)
        tau, score = 1.0, 0.0
        for _ in range(_MOST_ROUNDS):
            gains = self._gains(np.arange(len(self.rows)), before, score)
            _, cuts, _ = _best_cuts(groups, self.proba, gains)
            new = float(cuts[0]) if len(cuts) else 1.0
            value = self._score(np.full(self.n_nodes, new))
            if value <= score + _LEAST_GAIN:
                break
            tau, score = new, value
        return tau

    def improved(self, tau: Floats, groups: Rows, may_change: Bools, floor: float = 0.0) -> Floats:
        """Return better thresholds of groups of nodes, no row having two candidates of a group."""
        score = self._score(tau)
        for _ in range(_MOST_ROUNDS):
            own, cuts = self._wishes(tau, score, groups, may_change)
            # Changes that help alone may not help together: then the most promising half is tried.
            while len(own):
                new = np.full(int(groups.max()) + 1, np.nan)
                new[own] = np.maximum(cuts, floor)
                changed = np.where(may_change & ~np.isnan(new[groups]), new[groups], tau)
                value = self._score(changed)
                if value > score + _LEAST_GAIN:
                    tau, score = changed, value
                    break
                own, cuts = own[: len(own) // 2], cuts[: len(own) // 2]
            else:
                break
        return tau

    def _wishes(
        self, tau: Floats, score: float, groups: Rows, may_change: Bools
    ) -> tuple[Rows, Floats]:
        """Return groups that another threshold suits better while the others stay, best first."""
        sure = self._is_sure(tau)
        first = self._last(sure)
        is_first = np.zeros(len(sure), dtype=bool)
        is_first[first[first >= 0]] = True
        second = self._last(sure & ~is_first)
        other = np.where(is_first, second[self.row], first[self.row])
        matters = (other < np.arange(len(sure))) & may_change[self.nodes]
        at = np.flatnonzero(matters)
        gains = self._gains(at, other[at], score)
        of_groups = groups[self.nodes[at]]
        own, cuts, most = _best_cuts(of_groups, self.proba[at], gains)
        now = np.bincount(of_groups, gains * sure[at], minlength=int(groups.max()) + 1)
        more = most - now[own]
        order = np.argsort(-more, kind="stable")
        order = order[more[order] > _LEAST_GAIN]
        return own[order], cuts[order]

    def _gains(self, candidates: Rows, others: Rows, score: float) -> Floats:
        """Return what candidates are worth as answers in place of others; -1 is no answer."""
        above = self.above[candidates] - self.above[others]
        gains: Floats = above - score * (self.below[candidates] - self.below[others])
        return gains

    def _is_sure(self, tau: Floats) -> Bools:
        sure: Bools = self.proba > np.where(tau < 1, tau, np.inf)[self.nodes]
        return sure

    def _last(self, chosen: Bools) -> Rows:
        """Return the last chosen candidate of each row, -1 where there is none."""
        if not len(chosen):
            return np.zeros(0, dtype=np.intp)
        return np.maximum.reduceat(np.where(chosen, np.arange(len(chosen)), -1), self.starts)

    def _score(self, tau: Floats) -> float:
        """Return the F of the answers."""
        last = self._last(self._is_sure(tau))
        below = self.constant + self.below[last].sum()
        return float(self.above[last].sum() / below) if below > 0 else 0.0


def _best_cuts(groups: Rows, proba: Floats, gains: Floats) -> tuple[Rows, Floats, Floats]:
    """Return the threshold of each group above which the gains have the largest sum.

    Returns
    -------
    groups : ndarray of intp
        The groups that have an entry, ascending.
    cuts : ndarray of float64
        Half-way between two probabilities; 0 if all entries are above, 1 if none is. Of equally good
        ones the largest.
    sums : ndarray of float64
        The sums of the gains above them.
    """
    if not len(groups):
        return groups, np.zeros(0), np.zeros(0)
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
    return groups[starts], np.where(most > 0, cuts, 1.0), np.maximum(most, 0.0)
