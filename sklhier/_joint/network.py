"""Layers of weights, from features to scores: a linear model if none of them is hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from scipy.special import expit

__all__ = ["ACTIVATIONS", "Network"]

# Each function, and its derivative as one of the value.
ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "identity": (lambda x: x, np.ones_like),
    "logistic": (expit, lambda a: a * (1 - a)),
    "tanh": (np.tanh, lambda a: 1 - a * a),
    "relu": (lambda x: np.maximum(x, 0), lambda a: (a > 0).astype(a.dtype)),
}


@dataclass
class Network:
    """Weights and intercepts of layers, or gradients by them.

    Attributes
    ----------
    weights : list of ndarray, each of shape (n_inputs, n_outputs)
        From the features to the scores; all of one floating dtype.
    intercepts : list of ndarray, each of shape (n_outputs,)
        Of the same layers.
    activation : str
        Of the hidden layers, a key of ``ACTIVATIONS``.
    """

    weights: list[Any]
    intercepts: list[Any]
    activation: str

    @classmethod
    def drawn(cls, sizes: Sequence[int], activation: str, random_state: Any, dtype: Any) -> Self:
        """Return hidden layers drawn at random as by Glorot and Bengio, and a last layer of zeros."""
        weights, intercepts = [], []
        factor = 2.0 if activation == "logistic" else 6.0
        for n_inputs, n_outputs in pairwise(sizes[:-1]):
            bound = np.sqrt(factor / (n_inputs + n_outputs))
            draw = random_state.uniform(-bound, bound, (n_inputs + 1, n_outputs)).astype(dtype)
            weights.append(draw[:-1].copy())
            intercepts.append(draw[-1].copy())
        weights.append(np.zeros((sizes[-2], sizes[-1]), dtype=dtype))
        intercepts.append(np.zeros(sizes[-1], dtype=dtype))
        return cls(weights, intercepts, activation)

    @property
    def sizes(self) -> list[int]:
        """Number of features, of values of each hidden layer, and of scores."""
        return [*map(len, self.weights), self.intercepts[-1].size]

    @property
    def dtype(self) -> Any:
        """The dtype of weights, intercepts and scores."""
        return self.intercepts[-1].dtype

    @property
    def arrays(self) -> list[Any]:
        """All weights, then all intercepts."""
        return [*self.weights, *self.intercepts]

    def with_arrays(self, arrays: Sequence[Any]) -> Self:
        """Return a network of other weights and intercepts, in the order of `arrays`."""
        n_layers = len(self.weights)
        return type(self)(list(arrays[:n_layers]), list(arrays[n_layers:]), self.activation)

    def copy(self) -> Self:
        """Return a network that shares no memory with this one."""
        return self.with_arrays([array.copy() for array in self.arrays])

    def layers(self, X: Any) -> list[Any]:
        """Return X, the values of the hidden layers, and the scores (n_rows, n_columns)."""
        function, _ = ACTIVATIONS[self.activation]
        values = [X]
        for i, (weights, intercepts) in enumerate(zip(self.weights, self.intercepts, strict=True)):
            if i:
                values[-1] = function(values[-1])
            scores = np.asarray(values[-1] @ weights)
            scores += intercepts
            values.append(scores)
        return values

    def scores(self, X: Any) -> Any:
        """Return the scores, shape (n_rows, n_columns)."""
        return self.layers(X)[-1]

    def gradient(self, values: list[Any], slopes: Any) -> Self:
        """Return the gradient of a sum over rows.

        Parameters
        ----------
        values : list
            The result of :meth:`layers`.
        slopes : ndarray, shape (n_rows, n_columns)
            Derivatives by the scores.
        """
        _, derivative = ACTIVATIONS[self.activation]
        weights, intercepts = [], []
        for i in reversed(range(len(self.weights))):
            inputs = values[i]
            weights.append(np.asarray(inputs.T @ slopes))
            intercepts.append(slopes.sum(axis=0))
            if i:
                slopes = (slopes @ self.weights[i].T) * derivative(inputs)
        return type(self)(weights[::-1], intercepts[::-1], self.activation)
