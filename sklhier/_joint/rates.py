"""Learning rates of the passes, and when they are to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sklhier._joint.network import Network
from sklhier._joint.samples import mean_square
from sklhier.objectives import Adam

__all__ = ["Rates", "Schedule", "Watch", "first_rates_of"]

_RATE_OF_SPARSE, _RATE_OF_DENSE = 0.03, 0.003  # what "auto" stands for
_RATE_OF_SCALED = 0.004  # for dense features whose mean square is 1
_SLOWER = 5.0  # divisor of the adaptive learning rate
_SLOWEST = 0.03  # share of the first learning rate at which it stops


class Rates(NamedTuple):
    """The learning rates of one pass.

    Attributes
    ----------
    start, stop : float
        At its start and at its end.
    of_intercepts : float
        What they are multiplied by for intercepts.
    """

    start: float
    stop: float
    of_intercepts: float = 1.0


def first_rates_of(solver: Adam, X: Any, network: Network) -> Rates:
    """Return the learning rates before the first pass through features."""
    rate, of_intercepts = _RATE_OF_DENSE, 1.0
    if solver.learning_rate_init != "auto":
        rate = float(solver.learning_rate_init)
    elif sparse.issparse(X):
        rate = _RATE_OF_SPARSE
    elif solver.learning_rate == "linear" and len(network.weights) == 1:
        # The smaller the features, the larger are weights of the same effect.
        of_intercepts = float(np.sqrt(mean_square(X))) or 1.0
        rate = _RATE_OF_SCALED / of_intercepts
    return Rates(rate, rate, of_intercepts)


@dataclass
class Schedule:
    """The learning rates of the passes."""

    solver: Adam
    first: Rates
    n_passes: int = 0

    def __post_init__(self) -> None:
        self._rate = self.first.start

    @property
    def is_linear(self) -> bool:
        """Whether the rate falls from pass to pass, whatever the loss is."""
        return self.solver.learning_rate == "linear"

    def next(self) -> Rates:
        """Return the rates of the next pass."""
        self.n_passes += 1
        if not self.is_linear:
            return self.first._replace(start=self._rate, stop=self._rate)
        ends = (self.n_passes - 1, self.n_passes)
        start, stop = (self.first.start * (1 - end / self.solver.max_iter) for end in ends)
        return self.first._replace(start=start, stop=stop)

    def slows_down(self) -> bool:
        """Lower the rate where the loss stays; return whether there are more passes."""
        self._rate /= _SLOWER
        is_adaptive = self.solver.learning_rate == "adaptive"
        return is_adaptive and self._rate >= _SLOWEST * self.first.start


@dataclass
class Watch:
    """The best loss so far, and the passes since it went down by more than `tol`."""

    tol: float
    best: float = np.inf
    waiting: int = 0

    def improves(self, loss: float) -> bool:
        """Take the loss after one more pass; return whether it is the best."""
        self.waiting = 0 if loss < self.best - self.tol else self.waiting + 1
        is_best = loss < self.best
        self.best = min(self.best, loss)
        return is_best
