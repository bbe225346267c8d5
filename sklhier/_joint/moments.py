"""Steps of Adam: of whole arrays, and of the weights of sparse features."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklhier._utils.compat import add_csc_product, add_csr_product

__all__ = ["FeatureSteps", "Moments", "squared_gradient"]

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
_BLOCK = 2**15  # numbers that Adam works on at a time: they stay in the cache
_MOST_ROWS = 256  # of which all products of two are less work than their features
_LEAST_FACTOR = 1e-6


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


class FeatureSteps:
    """Steps of the weights of sparse features, which touch only features that occur in a batch.

    There is no running mean of the gradient, and the running mean of its square is one for all
    weights of a column, as in [1]_: with one for each weight, a word that occurs once would move as
    far as a common one, which costs accuracy, and memory. So a step is a product of the batch with
    its slopes, added to the weights where they are.

    The penalty is that of all weights. Its step is implicit, and takes the same share of all
    weights of a column: a factor of the column holds it until :meth:`settle`.

    Parameters
    ----------
    width : int
        Columns of the weights.
    dtype : dtype
        Of the weights.

    References
    ----------
    .. [1] Y. Zhang et al. Adam-mini: use fewer learning rates to gain more. ICLR (2025).
    """

    def __init__(self, width: int, dtype: Any) -> None:
        self._dtype = np.dtype(dtype)
        self._square = np.zeros(width)
        self._clock = 0
        self._factors = np.ones(width)

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_second" in state:  # an earlier version kept running means of gradients as well
            square, clock = state["_second"], state["_clock"]
            self.__init__(len(square), square.dtype)  # type: ignore[misc]
            state = {"_square": square.astype(np.float64), "_clock": clock}
        vars(self).update(state)

    def product(self, X: Any, weights: Any) -> Any:
        """Return the product of a batch, in CSR form, with the weights."""
        product = np.zeros((X.shape[0], weights.shape[1]), dtype=self._dtype)
        add_csr_product(self._data(X), X.indices, X.indptr, weights, product)
        product *= self._factors.astype(self._dtype)
        return product

    def step(self, weights: Any, X: Any, slopes: Any, rate: float, alpha: float) -> None:
        """Take a step of the weights.

        Parameters
        ----------
        weights : ndarray, shape (n_features, width)
            Changed in place.
        X : csr matrix, shape (n_rows, n_features)
            The batch.
        slopes : ndarray, shape (n_rows, width)
            The gradient by the product of both; overwritten.
        rate : float
            The learning rate.
        alpha : float
            Strength of the penalty.
        """
        self._clock += 1
        n_features = max(1, len(np.unique(X.indices)))
        self._square *= _BETA_2
        self._square += (1 - _BETA_2) / n_features * squared_gradient(X, slopes)
        rates = rate / (np.sqrt(self._square / (1 - _BETA_2**self._clock)) + _EPSILON)
        self._factors /= 1 + alpha * rates
        slopes *= (-rates / (1 + alpha * rates) / self._factors).astype(self._dtype)
        add_csc_product(self._data(X), X.indices, X.indptr, slopes, weights)
        small = np.flatnonzero(self._factors < _LEAST_FACTOR)
        if small.size:
            weights[:, small] *= self._factors[small].astype(self._dtype)
            self._factors[small] = 1

    def settle(self, weights: Any) -> None:
        """Multiply the weights by the factors of their columns."""
        weights *= self._factors.astype(self._dtype)
        self._factors[:] = 1

    def _data(self, X: Any) -> Any:
        return X.data.astype(self._dtype, copy=False)


def squared_gradient(X: Any, slopes: Any) -> Any:
    """Return the sums of the squares of each column of ``X.T @ slopes``, without that product.

    Parameters
    ----------
    X : csr matrix, shape (n_rows, n_features)
        A batch.
    slopes : ndarray, shape (n_rows, width)
        Of the same dtype.
    """
    if X.shape[0] <= _MOST_ROWS:
        between_rows = (X @ X.T).toarray()
        return np.einsum("ij,ij->j", between_rows @ slopes, slopes)
    turned = X.tocsc()
    bounds = np.append(turned.indptr[:-1][np.diff(turned.indptr) > 0], turned.indptr[-1])
    total = np.zeros(slopes.shape[1], dtype=slopes.dtype)
    size = max(1, _BLOCK // slopes.shape[1])
    for start in range(0, len(bounds) - 1, size):
        part = bounds[start : start + size + 1]
        gradient = np.zeros((len(part) - 1, slopes.shape[1]), dtype=slopes.dtype)
        add_csr_product(turned.data, turned.indices, part, slopes, gradient)
        total += np.einsum("ij,ij->j", gradient, gradient)
    return total
