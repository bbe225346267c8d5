"""Quantiles of calibration scores, for each group of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from sklhier._utils.typing import Floats, Integers, Offsets, Rows
from sklhier.taxonomy import _graph as ops

__all__ = ["GroupedScores", "rows_needed"]

# By how much of a row a rank may be missed: 1 - 0.9 is not exactly 0.1.
_ROUNDING = 1e-9


def rows_needed(confidence_level: float) -> int:
    """Return the smallest number of calibration rows for which a level has a finite threshold.

    Examples
    --------
    >>> from sklhier.decoders._conformal_scores import rows_needed
    >>> rows_needed(0.9), rows_needed(0.95)
    (9, 19)
    """
    return math.ceil(confidence_level / (1 - confidence_level) - _ROUNDING)


@dataclass(frozen=True)
class GroupedScores:
    """Calibration scores, ascending within each group.

    Attributes
    ----------
    scores, weights : ndarray of float64, shape (n_rows,)
        Group after group.
    offsets : ndarray of intp, shape (n_groups + 1,)
        Where the rows of each group begin.
    """

    scores: Floats
    weights: Floats
    offsets: Offsets

    @classmethod
    def of(cls, scores: Floats, weights: Floats, groups: Integers, n_groups: int) -> Self:
        """Sort the scores of rows by group."""
        order = np.lexsort((scores, groups))
        offsets = ops.offsets_of(np.bincount(groups, minlength=n_groups))
        return cls(scores[order], weights[order], offsets)

    @property
    def counts(self) -> Rows:
        """Number of rows of each group."""
        return np.diff(self.offsets)

    def ranks(self, confidence_level: float) -> Rows:
        """Return the rank k of the threshold in each group, from 1; more than its rows: infinity.

        ``k = ceil((n + 1) * confidence_level)``, where all rows weigh the same. Otherwise the first
        rank whose rows have this share of the weight, a further row of the mean weight added.
        """
        starts, counts = self.offsets[:-1], self.counts
        sums = _running_sums(self.weights)
        mean = (sums[self.offsets[1:]] - sums[starts]) / np.maximum(counts, 1)
        wanted = sums[starts] + mean * ((counts + 1) * confidence_level - _ROUNDING)
        found = np.searchsorted(sums[1:], wanted, side="left")
        return np.clip(found - starts, 0, counts) + 1  # a group without rows has nothing below 1

    def thresholds(self, confidence_level: float) -> Floats:
        """Return the score of that rank in each group, infinity where there are too few rows."""
        ranks = self.ranks(confidence_level)
        enough = ranks <= self.counts
        found = np.full(len(ranks), np.inf)
        found[enough] = self.scores[(self.offsets[:-1] + ranks - 1)[enough]]
        return found


def _running_sums(weights: Floats) -> Floats:
    """Return running sums that begin with 0."""
    return np.concatenate([[0.0], np.cumsum(weights)])
