"""L-BFGS on all samples at once."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from sklhier._joint.network import Network, half_square
from sklhier._joint.samples import Samples
from sklhier._joint.solvers import History, diverged, reached_max_iter
from sklhier._utils.memory_blocks import numbers_per_row, row_blocks
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats
from sklhier.objectives import LBFGS

__all__ = ["minimise_lbfgs", "objective"]


def objective(network: Network, samples: Samples, alpha: float) -> tuple[float, Network]:
    """Return the objective and its gradient."""
    arrays = [alpha * weights for weights in network.weights]
    total = network.with_arrays([*arrays, *map(np.zeros_like, network.intercepts)])
    value = alpha * half_square(network)
    for block in row_blocks(samples.n_rows, numbers_per_row("gradients", network.sizes[-1])):
        rows = np.arange(block.start, block.stop)
        values = network.layers(take_rows(samples.X, rows))
        losses, slopes = samples.loss(values[-1], rows)
        value += float(samples.weights[rows] @ losses)
        slopes *= samples.weights[rows, None].astype(slopes.dtype)
        for sums, part in zip(total.arrays, network.gradient(values, slopes).arrays, strict=True):
            sums += part
    return value, total


def minimise_lbfgs(
    network: Network,
    samples: Samples,
    alpha: float,
    solver: LBFGS,
    verbose: int = 0,
    name: str = "",
) -> tuple[Network, History]:
    """Return the network at a minimum near the given one, and how the solver got there.

    SciPy's L-BFGS works in float64 on all weights at once and keeps about two dozen copies of them;
    products are taken in the network's own precision.
    """
    dtype = network.dtype
    shapes = [array.shape for array in network.arrays]
    bounds = np.cumsum([0, *(array.size for array in network.arrays)])

    def at(point: Floats) -> Network:
        parts = np.split(point.astype(dtype, copy=False), bounds[1:-1])
        return network.with_arrays([p.reshape(s) for p, s in zip(parts, shapes, strict=True)])

    def value_and_gradient(point: Floats) -> tuple[float, Floats]:
        value, gradient = objective(at(point), samples, alpha)
        flat = np.concatenate([array.ravel() for array in gradient.arrays])
        return value, flat.astype(np.float64, copy=False)

    history = History(name=name)
    start = np.concatenate([array.ravel() for array in network.arrays]).astype(np.float64)
    result = optimize.minimize(
        value_and_gradient,
        start,
        method="L-BFGS-B",
        jac=True,
        callback=lambda intermediate_result: history.add(float(intermediate_result.fun), verbose),
        options={
            "maxiter": solver.max_iter,
            # Enough for any line search: iterations are counted, not evaluations.
            "maxfun": 20 * solver.max_iter + 20,
            "gtol": solver.tol,
            # Far below gtol: the gradient says when it is at the minimum, not the last decrease.
            "ftol": 1e-5 * solver.tol,
            "maxls": 50,
        },
    )
    if not np.isfinite(result.fun):  # from the start: there was no iteration
        raise diverged(float(result.fun), "where L-BFGS starts")
    if result.status == 1:
        history.unfinished = reached_max_iter(solver.max_iter, "L-BFGS")
    return at(result.x).copy(), history
