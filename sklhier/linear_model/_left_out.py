"""Log-odds from the margins that rows would have if they had been left out of the fit.

A fitted model is too sure of its own rows. Without one of them its weights would be different: by
the gradient of that row's loss, divided by the curvature of the whole loss. This is the
infinitesimal jackknife [1]_, here with the diagonal of the curvature, which two products with X give.
So all rows are left out for less than the price of another pass of the solver, where five folds
would cost five fits.

References
----------
.. [1] R. Giordano, W. Stephenson, R. Liu, M. Jordan, T. Broderick (2019), "A Swiss Army
   infinitesimal jackknife", AISTATS.
.. [2] J. Platt (1999), "Probabilistic outputs for support vector machines and comparisons to
   regularized likelihood methods", Advances in Large Margin Classifiers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit

from sklhier._utils.kernels import compiled
from sklhier._utils.typing import Floats
from sklhier.linear_model._block_solvers import Problems, Solution

__all__ = ["log_odds_of"]

_AT_ONCE = 4_000_000  # numbers of rows and classes
# Margins are counted in bins: many rows of a class cost no more than few.
_N_BINS, _REACH = 128, 4.0
# A class with hardly any rows keeps about this slope and offset. Their precisions (one over the
# variance) are those of a weak prior, chosen with the other defaults.
_PRIOR, _PRECISIONS = np.array([10.0, 0.0]), np.array([0.04, 0.04])
_LEAST_SLOPE = 0.5  # classes never change places with what stands against them
_MOST_STEPS, _TOLERANCE = 50, 1e-5


def log_odds_of(problems: Problems, solution: Solution, strength: float) -> Solution:
    """Return weights and intercepts whose scores are log-odds, from those of the squared hinge loss.

    Parameters
    ----------
    problems : Problems
        On sparse X, with factors of classes of 1.
    solution : Solution
        Its intercepts were penalised like a weight.
    strength : float
        ``C``.
    """
    find = _found if compiled() is None else _found_compiled
    n_problems = solution.weights.shape[1]
    size = max(1, _AT_ONCE // max(len(problems.rows), problems.n_columns))
    found = np.empty((n_problems, 2))
    for start in range(0, n_problems, size):
        block = slice(start, start + size)
        found[block] = find(problems, solution, block, strength)
    slopes, offsets = found.T
    kind = solution.weights.dtype
    return replace(
        solution,
        weights=(solution.weights * slopes).astype(kind, copy=False),
        intercepts=(solution.intercepts * slopes + offsets).astype(kind, copy=False),
    )


def _found(problems: Problems, solution: Solution, block: slice, strength: float) -> Floats:
    """Return the slope and the offset of each class of a block."""
    X = problems.table.X
    X = X if len(problems.rows) == X.shape[0] else X[problems.rows]
    squares = sparse.csr_matrix((X.data**2, X.indices, X.indptr), X.shape)
    signs, costs = _signs(problems, block), problems.costs
    margins = (X @ solution.weights[:, block] + solution.intercepts[block]).astype(float)
    left_out = _left_out(squares, signs, margins, costs, strength)
    return _platt(left_out, signs > 0, costs / strength)


def _found_compiled(
    problems: Problems, solution: Solution, block: slice, strength: float
) -> Floats:
    kernels: Any = compiled()
    table, used, costs = problems.table, problems.used, problems.costs
    signs = _signs(problems, block)
    kind = table.data.dtype  # few weights were found in double precision
    weights = np.ascontiguousarray(solution.weights[:, block], kind)
    margins, found = np.empty(signs.shape), np.empty((signs.shape[1], 2))
    kernels.margins_left_out(
        table.data,
        table.indices if used is None else used.local,
        table.indptr,
        None if used is None else used.starts,
        problems.rows.astype(np.int64, copy=False),
        signs,
        weights,
        np.ascontiguousarray(solution.intercepts[block], kind),
        costs,
        strength,
        np.ones(weights.shape),
        np.ones(signs.shape[1]),
        margins,
    )
    kernels.platt_scaling(
        margins,
        signs,
        costs / strength,
        _PRIOR,
        _PRECISIONS,
        _REACH,
        _LEAST_SLOPE,
        _MOST_STEPS,
        _TOLERANCE,
        np.empty((2, 2, _N_BINS)),
        found,
    )
    return found


def _signs(problems: Problems, block: slice) -> Floats:
    """Return 1 where a row belongs to a class (or has a label), otherwise -1."""
    codes, numbers = problems.codes, problems.numbers[block]
    if codes.ndim == 1:
        return np.where(codes[:, np.newaxis] == np.array(numbers), 1.0, -1.0)
    return np.where(codes[:, numbers.start : numbers.stop] > 0, 1.0, -1.0)


def _left_out(
    squares: Any, signs: Floats, margins: Floats, costs: Floats, strength: float
) -> Floats:
    """Return the margin of each row by the weights that would have been found without it."""
    missing = np.maximum(1 - signs * margins, 0)
    curving = 2 * costs[:, np.newaxis] * (missing > 0)
    influence = squares @ (1 / (1 + squares.T @ curving)) + 1 / (1 + curving.sum(axis=0))
    # A row of weight 2 stands for two, of which one is left out.
    margins -= signs * (2 * strength * missing) * influence
    return margins


def _platt(margins: Floats, is_positive: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """Return the slope and the offset of the log-odds of each class, by Platt's method."""
    n_classes = margins.shape[1]
    place = np.clip((margins + _REACH) * (_N_BINS / (2 * _REACH)), 0, _N_BINS - 1).astype(np.intp)
    place += _N_BINS * (np.arange(n_classes) + n_classes * is_positive)
    shape, cells = (2, n_classes, _N_BINS), place.ravel()
    counts, sums = (
        np.bincount(cells, values.ravel(), 2 * n_classes * _N_BINS).astype(float).reshape(shape)
        for values in (np.repeat(weights, n_classes), margins * weights[:, np.newaxis])
    )
    centres = np.divide(sums, counts, out=np.zeros(shape), where=counts > 0)
    n_negative, n_positive = counts.sum(axis=2)
    # Platt's targets are not 0 and 1: as if one more row of each kind had been seen.
    targets = np.stack([1 / (n_negative + 2), (n_positive + 1) / (n_positive + 2)])
    return _regressed(centres, counts, targets[:, :, np.newaxis])


def _regressed(centres: Floats, counts: Floats, targets: Floats) -> Floats:
    """Return slope and offset of a logistic regression of each class."""
    found = np.tile(_PRIOR, (centres.shape[1], 1))
    all_free = np.ones(len(found), dtype=bool)
    found = _by_newton(found, all_free, centres, counts, targets)
    is_free = found[:, 0] >= _LEAST_SLOPE
    if not is_free.all():
        found[:, 0] = np.maximum(found[:, 0], _LEAST_SLOPE)
        found = _by_newton(found, is_free, centres, counts, targets)
    return found


def _by_newton(
    found: Floats,
    is_free: npt.NDArray[np.bool_],
    centres: Floats,
    counts: Floats,
    targets: Floats,
) -> Floats:
    """Return the best slopes, where they are free, and offsets, by Newton's method."""
    loss = _loss(found, centres, counts, targets)
    for _ in range(_MOST_STEPS):
        step = _newton_step(found, is_free, centres, counts, targets)
        step[np.abs(step).max(axis=1) <= _TOLERANCE] = 0  # each class stops by itself
        if not step.any():
            break
        for _ in range(_MOST_STEPS):  # where a whole step does not help, half of it may
            after = _loss(found - step, centres, counts, targets)
            is_worse = after > loss * (1 + 1e-12)
            if not is_worse.any():
                break
            step[is_worse] /= 2
        found, loss = found - step, after
    return found


def _scores(params: Floats, centres: Floats) -> Floats:
    return params[:, :1] * centres + params[:, 1:]


def _loss(params: Floats, centres: Floats, counts: Floats, targets: Floats) -> Floats:
    scores = _scores(params, centres)
    losses = counts * (np.logaddexp(0, scores) - targets * scores)
    penalty: Floats = (_PRECISIONS * (params - _PRIOR) ** 2).sum(axis=1) / 2
    return losses.sum(axis=(0, 2)) + penalty


def _newton_step(
    params: Floats,
    is_free: npt.NDArray[np.bool_],
    centres: Floats,
    counts: Floats,
    targets: Floats,
) -> Floats:
    proba = expit(_scores(params, centres))
    slack, curve = counts * (proba - targets), counts * proba * (1 - proba)
    of_slope, of_offset = (
        np.stack([slack * centres, slack]).sum(axis=(1, 3)) + (_PRECISIONS * (params - _PRIOR)).T
    )
    both, mixed, alone = np.stack([curve * centres**2, curve * centres, curve]).sum(axis=(1, 3))
    both, alone, mixed = both + _PRECISIONS[0], alone + _PRECISIONS[1], np.where(is_free, mixed, 0)
    of_slope = np.where(is_free, of_slope, 0)
    steps = np.stack([alone * of_slope - mixed * of_offset, both * of_offset - mixed * of_slope])
    step: Floats = (steps / (both * alone - mixed**2)).T
    return step
