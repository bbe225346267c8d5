"""Training rows: features, weights and losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from sklhier._joint.answer_loss import LayerLoss
from sklhier._joint.network import Network
from sklhier._utils.memory_blocks import numbers_per_row, row_blocks
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, Rows

__all__ = ["Samples", "mean_square"]


@dataclass(frozen=True)
class Samples:
    """Training rows, their weights and their loss.

    Attributes
    ----------
    X : ndarray or csr matrix, shape (n_rows, n_features)
        Features, of the dtype of the network.
    weights : ndarray of float64, shape (n_rows,)
        Weights of the rows, positive. They sum to 1, unless classes have weights as well.
    loss : callable
        ``loss(scores, rows)`` returns the losses of some rows and the gradient by their scores.
    of_layer : LayerLoss or None
        The same by what the last layer gets, where there is a faster way.
    """

    X: Any
    weights: Floats
    loss: Callable[[Any, Rows], tuple[Any, Any]]
    of_layer: LayerLoss | None = None

    @classmethod
    def for_batches(cls, X: Any, weights: Floats, loss: Any, network: Network) -> Samples:
        """Return samples for Adam."""
        of_layer = LayerLoss.of(loss)
        # The weights of sparse features are far more than a batch needs: the loss takes scores.
        takes_scores = len(network.weights) == 1 and sparse.issparse(X)
        if of_layer is None or takes_scores:
            return cls(X, weights, of_layer or loss)
        return cls(X, weights, loss, of_layer)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.weights)

    def part(self, rows: Rows) -> Samples:
        """Return some of the samples, with weights scaled to the same sum."""
        weights = self.weights[rows]
        weights = weights * (self.weights.sum() / weights.sum())

        def loss(scores: Any, chosen: Rows) -> tuple[Any, Any]:
            return self.loss(scores, rows[chosen])

        of_layer = None if self.of_layer is None else self.of_layer.part(rows)
        return Samples(take_rows(self.X, rows), weights, loss, of_layer)

    def value(self, network: Network) -> float:
        """Return the weighted sum of the losses."""
        total = 0.0
        for block in row_blocks(self.n_rows, numbers_per_row("gradients", network.sizes[-1])):
            rows = np.arange(block.start, block.stop)
            X = take_rows(self.X, rows)
            if self.of_layer is None:
                losses, _ = self.loss(network.scores(X), rows)
            else:
                last = network.weights[-1], network.intercepts[-1], self.of_layer.codes[rows]
                losses = self.of_layer.loss.losses(network.inputs(X)[-1], *last)
            total += float(self.weights[rows] @ losses)
        return total


def mean_square(X: Any) -> float:
    """Return the mean of the squares of dense features."""
    return float(np.vdot(X, X)) / X.size
