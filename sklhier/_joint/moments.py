"""Steps of Adam: of whole arrays, and of the weights of sparse features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np

from sklhier._utils.compat import add_csr_product
from sklhier._utils.kernels import compiled_steps

__all__ = ["FeatureSteps", "Moments"]

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
_BLOCK = 2**15  # numbers that Adam works on at a time: they stay in the cache


class Moments:
    """Running means of the gradient of an array and of its square."""

    def __init__(self, array: Any) -> None:
        self._first = np.zeros_like(array)
        self._second = np.zeros_like(array)
        self._clock = 0

    def move(self, array: Any, gradient: Any, penalty: float, rate: float) -> None:
        """Take a step of the array, by the gradient of the loss and a penalty; both change."""
        self._clock += 1
        # Both means start at 0; the clock says how much that still counts.
        damping = np.sqrt(1 - _BETA_2**self._clock)
        rate = rate / (1 - _BETA_1**self._clock)
        parts = [part.reshape(-1) for part in (array, gradient, self._first, self._second)]
        spare = np.empty(min(_BLOCK, array.size), dtype=array.dtype)
        for start in range(0, array.size, _BLOCK):
            values, slope, first, second = (part[start : start + _BLOCK] for part in parts)
            work = spare[: len(values)]
            if penalty:
                slope += np.multiply(values, penalty, out=work)
            first *= _BETA_1
            first += np.multiply(slope, 1 - _BETA_1, out=work)
            second *= _BETA_2
            np.multiply(slope, slope, out=work)
            second += np.multiply(work, 1 - _BETA_2, out=work)
            scale = np.sqrt(second, out=work)
            scale /= damping
            scale += _EPSILON
            step = np.divide(first, scale, out=slope)
            step *= rate
            values -= step


class ByFeature(NamedTuple):
    """A batch of sparse rows, feature by feature.

    Attributes
    ----------
    features : ndarray of intp, shape (n_occurring,)
        The features that occur, ascending.
    data, rows : ndarray, shape (n_entries,)
        Values, and the rows that have them.
    bounds : ndarray, shape (n_occurring + 1,)
        Where the entries of each feature begin.
    """

    features: Any
    data: Any
    rows: Any
    bounds: Any

    @classmethod
    def of(cls, X: Any) -> Self:
        """Return the batch of a CSR matrix."""
        turned = X.tocsc()
        features = np.flatnonzero(np.diff(turned.indptr))
        bounds = np.append(turned.indptr[features], turned.indptr[-1])
        return cls(features, turned.data, turned.indices, bounds)

    def gradients(self, slopes: Any) -> Iterator[tuple[slice, Any]]:
        """Yield the gradient by the weights of blocks of features, so small that they stay cached."""
        size = max(1, _BLOCK // slopes.shape[1])
        for start in range(0, len(self.features), size):
            bounds = self.bounds[start : start + size + 1]
            gradient = np.zeros((len(bounds) - 1, slopes.shape[1]), dtype=slopes.dtype)
            add_csr_product(self.data, self.rows, bounds, slopes, gradient)
            yield slice(start, start + len(gradient)), gradient


class FeatureSteps:
    """Steps of the weights of sparse features, of which each batch has only some.

    Each feature has a clock of its own, and the running mean square is one for all weights of a
    column, as in [1]_: with one for each weight, a word that occurs once would move as far as a
    common one, which costs accuracy, and memory.

    Parameters
    ----------
    weights : ndarray, shape (n_features, width)
        The weights, not kept.

    References
    ----------
    .. [1] Y. Zhang et al. Adam-mini: use fewer learning rates to gain more.
       ICLR (2025).
    """

    def __init__(self, weights: Any) -> None:
        self._first = np.zeros_like(weights)
        self._second = np.zeros_like(weights[0])
        self._clocks = np.zeros(len(weights), dtype=np.int64)
        self._clock = 0

    def step(self, weights: Any, X: Any, slopes: Any, rate: float, penalties: Any) -> None:
        """Take a step of the weights of the features that occur.

        Parameters
        ----------
        weights : ndarray, shape (n_features, width)
            Changed in place.
        X : csr matrix, shape (n_rows, n_features)
            The batch.
        slopes : ndarray, shape (n_rows, width)
            The gradient by the product of both.
        rate : float
            The learning rate.
        penalties : callable
            ``penalties(features)`` returns the penalty's factor for each of some features.
        """
        batch = ByFeature.of(X)
        if not len(batch.features):
            return
        self._clock += 1
        self._clocks[batch.features] += 1
        # The first mean of a feature has seen as many gradients as the feature has occurred.
        rates = rate / (1 - _BETA_1 ** self._clocks[batch.features])
        rates, factors = (
            array.astype(weights.dtype) for array in (rates, penalties(batch.features))
        )
        kernel = compiled_steps()
        if kernel is None:
            self._step(weights, batch, slopes, rates[:, None], factors[:, None])
            return
        dtype = weights.dtype
        kernel.step(
            batch.data.astype(dtype, copy=False),
            batch.rows.astype(np.int32, copy=False),
            batch.bounds.astype(np.int64, copy=False),
            batch.features.astype(np.int64, copy=False),
            np.ascontiguousarray(slopes, dtype=dtype),
            factors,
            rates,
            weights,
            self._first,
            self._second,
            np.zeros_like(self._second),
            beta_1=_BETA_1,
            beta_2=_BETA_2,
            epsilon=_EPSILON,
            seen=1 - _BETA_2**self._clock,
        )

    def _step(self, weights: Any, batch: ByFeature, slopes: Any, rates: Any, factors: Any) -> None:
        """Take the step in pure Python; learning rates and penalties are a column each."""
        self._second *= _BETA_2
        square = np.zeros_like(self._second)
        for block, gradient in batch.gradients(slopes):
            gradient += weights[batch.features[block]] * factors[block]
            square += np.einsum("ij,ij->j", gradient, gradient)
        self._second += (1 - _BETA_2) / len(batch.features) * square
        scale = np.sqrt(self._second / (1 - _BETA_2**self._clock)) + _EPSILON
        inverse = (1 / scale).astype(weights.dtype)
        for block, gradient in batch.gradients(slopes):
            features = batch.features[block]
            values, first = weights[features], self._first[features]
            gradient += values * factors[block]
            gradient *= 1 - _BETA_1
            first *= _BETA_1
            first += gradient
            self._first[features] = first
            first *= inverse
            first *= rates[block]
            values -= first
            weights[features] = values
