"""Maximum likelihood of one power of weights, from a single pass over samples."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy.interpolate import BPoly, PPoly

from sklhier._utils.memory_blocks import bounded_blocks
from sklhier._utils.typing import Floats, Offsets

__all__ = ["PowerCurve", "logarithms"]

_PER_OCTAVE, _OCTAVES = 4, (-6, 6)
_BLOCK = 1 << 15  # numbers that stay in the cache of a processor
_POWERS = 2.0 ** np.arange(_OCTAVES[0], _OCTAVES[1] + 1 / _PER_OCTAVE, 1 / _PER_OCTAVE)

_MOST_OF_ZEROS = 0.01


def logarithms(proba: Floats) -> Floats:
    """Return the logarithms of probabilities of alternatives, finite also for 0, in their order.

    A probability of 0 would be the only one that counts in a likelihood. Where one is, it becomes
    half of the smallest other one of its row, or less.
    """
    is_zero = proba == 0
    if not is_zero.any():
        return np.log(proba)
    least = np.min(proba, axis=1, keepdims=True, where=~is_zero, initial=1.0) / 2
    least = np.clip(least, np.nextafter(0.0, 1.0), _MOST_OF_ZEROS / proba.shape[1])
    return np.log(np.where(is_zero, least, proba))


class PowerCurve:
    r"""The negative log-likelihood of some choices as a function of the power of their weights.

    A choice among alternatives with weights :math:`e^{z_j}` has, with the power :math:`\beta`, the
    loss :math:`\log \sum_j e^{\beta z_j} - \log \sum_{j \in S} e^{\beta z_j}`, where `S` holds what
    is right. Value, slope and curvature are summed up at 49 powers from 1/64 to 64; between two of
    them the polynomial of degree five through both is the loss, to about nine digits. So no sample
    is looked at twice, and nothing is kept of it.
    """

    def __init__(self) -> None:
        self._sums = np.zeros((3, len(_POWERS)))
        self._weight = 0.0

    def add(self, logs: Floats, offsets: Offsets, weights: Floats, sign: float = 1.0) -> None:
        """Add, or subtract, the logarithms of the sums of the weights of segments.

        Parameters
        ----------
        logs : ndarray of float64
            Logarithms of weights, finite.
        offsets : ndarray of intp, shape (n + 1,)
            Segments of `logs`, none empty.
        weights : ndarray of float64, shape (n,)
            How much each segment counts.
        sign : float, default=1.0
            1 for all alternatives, -1 for those that are right.
        """
        counts = np.diff(offsets)
        self._weight += weights.sum() if sign > 0 else 0.0
        for block in bounded_blocks(counts, _BLOCK):
            own = slice(offsets[block.start], offsets[block.stop])
            self._sums += sign * _sums_of(logs[own], counts[block], weights[block])

    def best_power(self) -> float:
        """Return the power with the smallest loss; 1 if the loss does not depend on it.

        Where all choices are right, no power is large enough. Then it is the one that says so with
        the probability ``(n + 1) / (n + 2)``, the rule of succession.
        """
        value, slope, curvature = self._sums
        if np.ptp(value) <= 1e-12 * max(1.0, float(np.abs(value).max())):
            return 1.0
        # By the logarithm of the power, of which the grid has equal steps.
        slope, curvature = _POWERS * slope, _POWERS**2 * curvature + _POWERS * slope
        best = int(np.argmin(value))
        if best == len(_POWERS) - 1:
            least = self._weight * np.log1p(1 / (self._weight + 1))
            return float(_POWERS[np.argmax(value <= max(least, value[best]))])
        left = best - (slope[best] > 0)
        if not 0 <= left < len(_POWERS) - 1:
            return float(_POWERS[best])
        ends = [left, left + 1]
        logs = np.log(_POWERS[ends])
        known = np.stack([value[ends], slope[ends], curvature[ends]], axis=1)
        curve = PPoly.from_bernstein_basis(
            BPoly.from_derivatives(logs, known - [value[best], 0, 0])
        )
        candidates = np.concatenate([logs, curve.derivative().roots(extrapolate=False)])
        return float(np.exp(candidates[np.nanargmin(curve(candidates))]))


def _sums_of(logs: Floats, counts: Offsets, weights: Floats) -> Floats:
    """Return value, slope and curvature of some segments at all powers, (3, n_powers)."""
    starts = np.cumsum(counts) - counts
    top = np.maximum.reduceat(logs, starts)
    below = logs - np.repeat(top, counts)
    if (counts == counts[0]).all():  # the rows of a table, which NumPy sums faster
        below = below.reshape(len(counts), -1)
        total_of: Any = partial(np.sum, axis=1)
        mean_of: Any = partial(np.einsum, "ij,ij->i")
    else:
        total_of = partial(np.add.reduceat, indices=starts)
        mean_of = lambda terms, values: np.add.reduceat(terms * values, starts)  # noqa: E731
    squares, sums = below**2, np.zeros((3, len(_POWERS)))
    for first in range(_PER_OCTAVE):
        terms = np.exp(_POWERS[first] * below)
        for i in range(first, len(_POWERS), _PER_OCTAVE):
            total = total_of(terms)
            mean, square = mean_of(terms, below) / total, mean_of(terms, squares) / total
            parts = (_POWERS[i] * top + np.log(total), top + mean, square - mean**2)
            sums[:, i] = [weights @ part for part in parts]
            terms *= terms  # twice the power: an octave up
    return sums
