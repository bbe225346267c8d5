"""Layers of weights, from features to scores: a linear model if none of them is hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from scipy.special import expit

__all__ = ["ACTIVATIONS", "Dropout", "Network", "half_square"]

_DRAWS = 2**16  # a value is left out if an integer below this is small

# Each function, and its derivative as one of the value.
ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "identity": (lambda x: x, np.ones_like),
    "logistic": (expit, lambda a: a * (1 - a)),
    "tanh": (np.tanh, lambda a: 1 - a * a),
    "relu": (lambda x: np.maximum(x, 0), lambda a: (a > 0).astype(a.dtype)),
}


@dataclass(frozen=True)
class Dropout:
    """Values of the hidden layers that one step goes without [1]_.

    Attributes
    ----------
    kept : list of ndarray of bool, each of shape (n_rows, width)
        For each hidden layer, the values that stay.
    scale : float
        What they are multiplied by, so that sums stay the same on average.

    References
    ----------
    .. [1] N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov. Dropout: a simple
       way to prevent neural networks from overfitting. JMLR 15 (2014).
    """

    kept: list[Any]
    scale: float

    @classmethod
    def drawn(cls, share: float, n_rows: int, widths: Sequence[int], random_state: Any) -> Self:
        """Leave out about a share of the values, drawn anew for each row."""
        least = round(share * _DRAWS)
        kept = []
        for width in widths:
            # Two bytes for each value: several times faster than a float64.
            draws = np.frombuffer(random_state.bytes(2 * n_rows * width), dtype="<u2")
            kept.append((draws >= least).reshape(n_rows, width))
        return cls(kept, _DRAWS / (_DRAWS - least))

    def apply(self, values: Any, layer: int) -> None:
        """Leave values of a hidden layer out, or slopes by them; in place."""
        values *= self.kept[layer]
        values *= self.scale


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
        return self.with_arrays([np.array(array) for array in self.arrays])

    def copy_to(self, other: Self) -> None:
        """Copy the numbers into a network of the same sizes."""
        for array, place in zip(self.arrays, other.arrays, strict=True):
            np.copyto(place, array)

    def layers(self, X: Any, dropout: Dropout | None = None, first: Any = None) -> list[Any]:
        """Return X, the values of the hidden layers, and the scores (n_rows, n_columns).

        With `dropout`, hidden values are those that the next layer gets. `first` is the product of
        X and the first weights, if it is known; it is overwritten.
        """
        values = self.inputs(X, dropout, first)
        return [*values, self._outputs(len(values) - 1, values[-1], first)]

    def inputs(self, X: Any, dropout: Dropout | None = None, first: Any = None) -> list[Any]:
        """Return X and the values of the hidden layers: what each layer gets."""
        function, _ = ACTIVATIONS[self.activation]
        values = [X]
        for i in range(len(self.weights) - 1):
            hidden = function(self._outputs(i, values[-1], first))
            if dropout is not None:
                dropout.apply(hidden, i)
            values.append(hidden)
        return values

    def _outputs(self, layer: int, values: Any, first: Any) -> Any:
        """Return what a layer makes of its inputs, before the activation."""
        is_known = layer == 0 and first is not None
        outputs = first if is_known else np.asarray(values @ self.weights[layer])
        outputs += self.intercepts[layer]
        return outputs

    def scores(self, X: Any) -> Any:
        """Return the scores, shape (n_rows, n_columns)."""
        return self.layers(X)[-1]

    def gradient(
        self,
        values: list[Any],
        slopes: Any,
        dropout: Dropout | None = None,
        *,
        of_features: bool = True,
    ) -> Self:
        """Return the gradient of a sum over rows.

        Parameters
        ----------
        values : list
            The result of :meth:`layers`.
        slopes : ndarray, shape (n_rows, n_columns)
            Derivatives by the scores.
        dropout : Dropout, default=None
            As it was given to :meth:`layers`.
        of_features : bool, default=True
            Whether the first array is the gradient by the weights of the features; otherwise it is
            that by their product with X, (n_rows, width).
        """
        has_hidden = len(self.weights) > 1
        by_weights = np.asarray(values[-2].T @ slopes) if has_hidden or of_features else slopes
        by_inputs = slopes @ self.weights[-1].T if has_hidden else None
        last = by_weights, slopes.sum(axis=0)
        return self.gradient_below(values, last, by_inputs, dropout, of_features=of_features)

    def gradient_below(
        self,
        values: list[Any],
        last: tuple[Any, Any],
        by_inputs: Any,
        dropout: Dropout | None,
        *,
        of_features: bool = True,
    ) -> Self:
        """Return the gradient of a sum over rows, of which that of the last layer is known.

        Parameters
        ----------
        values : list
            The result of :meth:`inputs` or :meth:`layers`.
        last : tuple of ndarray
            The gradient by the weights and intercepts of the last layer.
        by_inputs : ndarray, shape (n_rows, width), or None
            That by the inputs of the last layer, overwritten; not used without hidden layers.
        dropout : Dropout or None
            As it was given before.
        of_features : bool, default=True
            As in :meth:`gradient`.
        """
        _, derivative = ACTIVATIONS[self.activation]
        weights, intercepts = [last[0]], [last[1]]
        slopes = by_inputs
        for i in reversed(range(len(self.weights) - 1)):
            hidden = values[i + 1]
            if dropout is None:
                slopes = slopes * derivative(hidden)
            else:
                dropout.apply(slopes, i)
                slopes *= derivative(hidden / dropout.scale)
            weights.append(np.asarray(values[i].T @ slopes) if i or of_features else slopes)
            intercepts.append(slopes.sum(axis=0))
            if i:
                slopes = slopes @ self.weights[i].T
        return type(self)(weights[::-1], intercepts[::-1], self.activation)


def half_square(network: Network) -> float:
    """Return half the sum of all squared weights, intercepts left out."""
    return 0.5 * sum(float(np.vdot(weights, weights)) for weights in network.weights)
