"""Weights of pooled probabilities, learnt from held-out samples."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.optimize import minimize, nnls
from scipy.special import expit, logsumexp

from sklhier._utils.memory_blocks import most_numbers
from sklhier._utils.typing import Floats

__all__ = ["PoolLearner", "learner_of", "log_odds", "smoothed_logs"]

_LEAST_WEIGHT = 0.01  # what is lower is not worth the models of a member
_SMOOTHING = 1e-2  # the share of equal probabilities: a member that says 0 has no veto
_RIDGE = 1e-9  # members that are all the same get equal weights


class PoolLearner(Protocol):
    """Learner of the weights of members, from their tables of held-out samples."""

    def add(self, tables: list[Floats], true: Floats, sample_weight: Floats) -> None:
        """Add samples: a table of each member, and the truth in 0 and 1."""
        ...

    def weights(self) -> Floats:
        """Return the weights, which are 0 or more."""
        ...


def learner_of(pool: str, n_members: int, *, excludes: bool, n_numbers: int) -> PoolLearner:
    """Return what learns the weights of a pool.

    Parameters
    ----------
    pool : {"linear", "log"}
    n_members : int
    excludes : bool
        Whether the columns of the tables exclude each other.
    n_numbers : int
        How many numbers there are in the tables of all held-out samples.
    """
    if pool == "linear":
        return _Linear(n_members)
    return _Log(n_members, excludes, every=1 + 16 * n_numbers // most_numbers())


class _Linear:
    """Weights that add up to 1, of the least squared error of the means.

    The error is a quadratic form in the weights, so that one number for each pair of members is all
    that is kept of the samples.
    """

    def __init__(self, n_members: int) -> None:
        self._products: Floats = np.zeros((n_members, n_members))

    def add(self, tables: list[Floats], true: Floats, sample_weight: Floats) -> None:
        roots = np.sqrt(sample_weight)[:, None]
        errors = np.stack([((table - true) * roots).ravel() for table in tables])
        self._products += errors @ errors.T

    def weights(self) -> Floats:
        n_members = len(self._products)
        scale = np.trace(self._products) / n_members
        if not scale:  # no member makes an error
            return np.full(n_members, 1 / n_members)
        # With weights w of the sum 1 the error is w'Gw. Its minimum with w >= 0 is that of
        # w'Gw / 2 - sum(w), divided by its sum.
        products = self._products / scale + _RIDGE * np.eye(n_members)
        root = np.linalg.cholesky(products)
        return _kept(nnls(root.T, np.linalg.solve(root, np.ones(n_members)))[0])


class _Log:
    """Powers of the members under which the truth is most likely, a convex problem."""

    def __init__(self, n_members: int, excludes: bool, every: int) -> None:
        self._n_members = n_members
        self._excludes = excludes
        self._every = every
        self._n_rows = 0
        self._logs: list[Floats] = []  # (n_members, n, k) of each block
        self._true: list[Floats] = []
        self._weights: list[Floats] = []

    def add(self, tables: list[Floats], true: Floats, sample_weight: Floats) -> None:
        rows = np.arange(-self._n_rows % self._every, len(true), self._every)
        self._n_rows += len(true)
        if rows.size:
            change = smoothed_logs if self._excludes else log_odds
            self._logs.append(np.stack([change(table[rows]) for table in tables]))
            self._true.append(true[rows])
            self._weights.append(sample_weight[rows])

    def weights(self) -> Floats:
        total = sum(float(weights.sum()) for weights in self._weights)

        def loss(powers: Floats) -> tuple[float, Floats]:
            value, slopes = 0.0, np.zeros(self._n_members)
            for logs, true, weights in zip(self._logs, self._true, self._weights, strict=True):
                pooled = np.tensordot(powers, logs, axes=1)
                if self._excludes:
                    normaliser = logsumexp(pooled, axis=1, keepdims=True)
                    proba = np.exp(pooled - normaliser)
                    losses = normaliser[:, 0] - (pooled * true).sum(axis=1)
                else:
                    proba = expit(pooled)
                    losses = (np.logaddexp(0, pooled) - pooled * true).sum(axis=1)
                value += float(weights @ losses)
                slopes += np.tensordot(logs, (proba - true) * weights[:, None], axes=2)
            return value / total, slopes / total

        start = np.full(self._n_members, 1 / self._n_members)
        bounds = [(0, None)] * self._n_members
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return _kept(found.x, scaled=False)


def _kept(weights: Floats, *, scaled: bool = True) -> Floats:
    """Return the weights without those that are next to nothing; all equal if there is none."""
    total = weights.sum()
    if not total:
        return np.full(len(weights), 1 / len(weights))
    kept = np.where(weights < _LEAST_WEIGHT * total, 0.0, weights)
    least: Floats = kept * ((1 if scaled else total) / kept.sum())
    return least


def smoothed_logs(proba: Floats) -> Floats:
    """Return the logarithms of probabilities that exclude each other, none of them infinite."""
    # Row by row in memory: sums over a row do not depend on how many rows there are.
    smoothed = (1 - _SMOOTHING) * np.ascontiguousarray(proba) + _SMOOTHING / proba.shape[1]
    logs: Floats = np.log(smoothed)
    return logs


def log_odds(proba: Floats) -> Floats:
    """Return the logarithms of the odds of each probability by itself, none of them infinite."""
    smoothed = (1 - _SMOOTHING) * proba + _SMOOTHING / 2
    odds: Floats = np.log(smoothed) - np.log1p(-smoothed)
    return odds
