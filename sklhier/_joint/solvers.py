r"""Minimising :math:`\sum_i w_i \ell_i + \frac{\alpha}{2} \|W\|^2` over the layers of a network.

The weights `w` of the samples sum to 1, so that the loss is a mean; intercepts are not penalised.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

from sklhier._joint.answer_loss import LayerLoss
from sklhier._joint.network import Dropout, Network
from sklhier._utils.memory_blocks import numbers_per_row, row_blocks
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, Rows
from sklhier._utils.warning import warn_caller
from sklhier.objectives import LBFGS, Adam, Solver

__all__ = [
    "AdamRun",
    "AdamState",
    "History",
    "Rates",
    "Samples",
    "Solver",
    "first_rates_of",
    "half_square",
    "mean_square",
    "minimise_adam",
    "minimise_lbfgs",
    "objective",
    "warn_unfinished",
]

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
_BATCH = 128
_BLOCK = 2**15  # numbers that Adam works on at a time: they stay in the cache
_RATE_OF_SPARSE, _RATE_OF_DENSE = 0.03, 0.003  # what "auto" stands for
_RATE_OF_SCALED = 0.01  # for dense features whose mean square is 1
_SLOWER = 5.0  # divisor of the adaptive learning rate
_SLOWEST = 0.03  # share of the first learning rate at which it stops


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
        # Batches of sparse features change a part of the weights alone.
        is_dense = len(network.weights) > 1 or not sparse.issparse(X)
        return cls(X, weights, loss, LayerLoss.of(loss) if is_dense else None)

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


@dataclass
class History:
    """The iterations of a solver.

    Attributes
    ----------
    n_iter : int
        Iterations of L-BFGS, or passes through the samples.
    losses : list of float
        The objective after each of them.
    validation_losses : list of float or None
        The loss of the held-out samples after each pass, where there are any.
    unfinished : str
        What to tell the user if the solver was stopped before the end, or "".
    name : str
        Of the network, if it is one of several: lines that are printed start with it.
    """

    n_iter: int = 0
    losses: list[float] = field(default_factory=list)
    validation_losses: list[float] | None = None
    unfinished: str = ""
    name: str = ""

    def add(self, loss: float, verbose: int) -> None:
        """Append the objective after one more iteration."""
        if not np.isfinite(loss):
            raise _diverged(loss, f"in iteration {self.n_iter + 1}")
        self.n_iter += 1
        self.losses.append(loss)
        if verbose:
            print(f"{self.name}Iteration {self.n_iter}, loss = {loss:.8f}")
            sys.stdout.flush()

    def add_validation(self, loss: float, verbose: int) -> None:
        """Append the loss of the held-out samples after one more pass."""
        if not np.isfinite(loss):
            raise _diverged(loss, f"of held-out samples after pass {self.n_iter}")
        self.validation_losses = [*(self.validation_losses or []), loss]
        if verbose:
            print(f"{self.name}Validation loss = {loss:.8f}")


def _diverged(loss: float, when: str) -> ValueError:
    return ValueError(
        f"The loss must stay finite, got {loss:g} {when}. Scale the features (see "
        "sklearn.preprocessing), lower `learning_rate_init` of Adam, or look for very large numbers "
        "in `alpha`, in the parameters of the loss and in weights."
    )


def _unfinished(max_iter: int, what: str) -> str:
    return (
        f"Reached max_iter={max_iter} before the {what} settled. Raise max_iter, tol or alpha, or "
        "scale the features (see sklearn.preprocessing)."
    )


def warn_unfinished(history: History) -> None:
    """Warn if a solver was stopped before the end."""
    if history.unfinished:
        warn_caller(history.unfinished, ConvergenceWarning)


def half_square(network: Network) -> float:
    """Return half the sum of all squared weights, intercepts left out."""
    return 0.5 * sum(float(np.vdot(weights, weights)) for weights in network.weights)


# -- L-BFGS -------------------------------------------------------------------------------


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
        raise _diverged(float(result.fun), "where L-BFGS starts")
    if result.status == 1:
        history.unfinished = _unfinished(solver.max_iter, "L-BFGS")
    return at(result.x).copy(), history


# -- Adam ---------------------------------------------------------------------------------


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


def mean_square(X: Any) -> float:
    """Return the mean of the squares of dense features."""
    return float(np.vdot(X, X)) / X.size


class _Moments:
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


class _RowMoments:
    """Running means for an array of which each gradient has only some rows.

    Each row has a clock of its own, and the mean square is one for all rows of a column: a row that
    seldom occurs, and so has small gradients, takes small steps.
    """

    def __init__(self, array: Any) -> None:
        self._first = np.zeros_like(array)
        self._second = np.zeros_like(array[0])
        self._clocks = np.zeros(len(array), dtype=np.int64)
        self._clock = 0

    def step(self, rows: Rows, gradient: Any, rate: float) -> Any:
        """Return what to subtract from those rows."""
        self._clock += 1
        self._clocks[rows] += 1
        first = self._first[rows]
        _mix(first, gradient, _BETA_1)
        self._first[rows] = first
        square = np.einsum("ij,ij->j", gradient, gradient) / len(rows)
        _mix(self._second, square, _BETA_2)
        scale = np.sqrt(self._second / (1 - _BETA_2**self._clock)) + _EPSILON
        # The first mean of a row has seen as many gradients as the row has occurred.
        rates = rate / (1 - _BETA_1 ** self._clocks[rows])
        first *= rates.astype(first.dtype)[:, None]
        first /= scale
        return first


def _mix(mean: Any, value: Any, decay: float) -> None:
    mean *= decay
    mean += (1 - decay) * value


class AdamState:
    """Adam [1]_ between two mini-batches; it changes only weights of sparse features that occur.

    The weights of a sparse feature, a row of the first layer, take a step only in the batches in
    which the feature occurs. The penalty's part of their gradient is divided by the probability of
    that, so that on average it is the whole penalty's. Running mean squares are kept for each column
    of that layer rather than for each weight, as in [2]_: with one for each, a word that occurs
    once would move as far as a common one, which costs accuracy, and memory.

    Parameters
    ----------
    network : Network
        Changed in place.
    is_sparse : bool
        Whether features are sparse.

    References
    ----------
    .. [1] D. P. Kingma, J. Ba. Adam: a method for stochastic optimization. ICLR (2015).
    .. [2] Y. Zhang et al. Adam-mini: use fewer learning rates to gain more. ICLR (2025).
    """

    def __init__(self, network: Network, *, is_sparse: bool) -> None:
        self.network = network
        self.is_sparse = is_sparse
        first, *others = network.arrays
        self._of_features = _RowMoments(first) if is_sparse else None
        self._of_others = [_Moments(array) for array in (others if is_sparse else network.arrays)]
        n_features = len(network.weights[0])
        self._occurrences = np.zeros(n_features if is_sparse else 0, dtype=np.int64)
        self._n_counted = 0

    def count(self, X: Any) -> None:
        """Count in how many rows each feature occurs; call it before learning from these rows."""
        if self.is_sparse:
            self._occurrences += np.bincount(X.indices, minlength=X.shape[1])
            self._n_counted += X.shape[0]

    def epoch(
        self,
        samples: Samples,
        alpha: float,
        solver: Adam,
        random_state: np.random.RandomState,
        rates: Rates,
        dropout: float = 0.0,
    ) -> float:
        """Pass through the samples once in random order; return the mean objective on the way.

        The learning rate goes from that of the start towards that of the end.
        """
        order = random_state.permutation(samples.n_rows)
        size = _BATCH if solver.batch_size == "auto" else int(solver.batch_size)
        widths = self.network.sizes[1:-1]
        loss, (rate, last, of_intercepts) = 0.0, rates
        for batch in gen_batches(samples.n_rows, size):
            rows = np.sort(order[batch])  # as `take_rows` needs them
            left_out = None
            if dropout:
                left_out = Dropout.drawn(dropout, len(rows), widths, random_state)
            now = rate + (last - rate) * (batch.start / samples.n_rows)
            loss += self.learn(samples, rows, alpha, now, left_out, of_intercepts)
        return loss + alpha * half_square(self.network)

    def learn(
        self,
        samples: Samples,
        rows: Rows,
        alpha: float,
        rate: float,
        dropout: Dropout | None = None,
        of_intercepts: float = 1.0,
    ) -> float:
        """Take one step by a batch, rows in ascending order, and return its share of the loss."""
        X, network = take_rows(samples.X, rows), self.network
        first, *others = network.arrays
        if self._of_features is not None:
            features, X = _occurring(X)
            network = network.with_arrays([first[features], *others])
        shares = samples.weights[rows]
        scaled = (shares * (samples.n_rows / len(rows))).astype(network.dtype)
        losses, gradient = _batch_gradient(network, X, samples, rows, scaled, dropout)
        n_layers = len(network.weights)
        penalties = [alpha] * n_layers + [0.0] * n_layers  # intercepts have none
        rates = [rate] * n_layers + [rate * of_intercepts] * n_layers
        arrays, whole = self.network.arrays, gradient.arrays
        if self._of_features is not None:
            slope = whole[0]
            slope += self._penalty(features, len(rows), alpha) * network.weights[0]
            first[features] -= self._of_features.step(features, slope, rate)
            arrays, whole, penalties, rates = arrays[1:], whole[1:], penalties[1:], rates[1:]
        steps = zip(self._of_others, arrays, whole, penalties, rates, strict=True)
        for moments, array, slope, penalty, own_rate in steps:
            moments.move(array, slope, penalty, own_rate)
        return float(shares @ losses)

    def _penalty(self, features: Rows, n_rows: int, alpha: float) -> Any:
        """Return the penalty's factor for each feature of a batch, (n_features, 1)."""
        # A feature is in a batch unless all its rows lack it; the penalty is divided by that chance.
        absent = np.maximum(1 - self._occurrences[features] / self._n_counted, 0)
        factor = alpha / (1 - absent**n_rows)
        return factor.astype(self.network.dtype)[:, None]


def _batch_gradient(
    network: Network,
    X: Any,
    samples: Samples,
    rows: Rows,
    shares: Any,
    dropout: Dropout | None,
) -> tuple[Any, Network]:
    """Return the losses of some samples, whose features are `X`, and the gradient of their sum."""
    if samples.of_layer is None:
        values = network.layers(X, dropout)
        losses, slopes = samples.loss(values[-1], rows)
        slopes *= shares[:, None]
        return losses, network.gradient(values, slopes, dropout)
    values = network.inputs(X, dropout)
    found = samples.of_layer.loss.gradient(
        values[-1],
        network.weights[-1],
        network.intercepts[-1],
        samples.of_layer.codes[rows],
        shares,
        by_inputs=len(values) > 1,
    )
    last = found.weights, found.intercepts
    return found.losses, network.gradient_below(values, last, found.inputs, dropout)


def _occurring(X: Any) -> tuple[Rows, Any]:
    """Return the features that occur in a sparse table, and the table of these alone."""
    features, columns = np.unique(X.indices, return_inverse=True)
    parts = (X.data, columns.ravel().astype(np.int32), X.indptr)
    return features, sparse.csr_array(parts, shape=(X.shape[0], len(features)))


@dataclass
class _Watch:
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


@dataclass
class _Schedule:
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


@dataclass(frozen=True)
class AdamRun:
    """Settings of the passes through samples.

    Attributes
    ----------
    solver : Adam
        The parameters of the solver.
    alpha : float
        Strength of the penalty.
    dropout : float
        Share of the hidden values that each step goes without.
    random_state : RandomState
        For the order of rows, and for dropout.
    verbose : int
        Whether to print the loss of every pass.
    name : str
        Of the network, as lines that are printed start.
    """

    solver: Adam
    alpha: float
    dropout: float
    random_state: np.random.RandomState
    verbose: int = 0
    name: str = ""

    def state(self, network: Network, X: Any) -> AdamState:
        """Return the state before the first step of a network."""
        adam = AdamState(network, is_sparse=sparse.issparse(X))
        adam.count(X)
        return adam

    def epoch(self, adam: AdamState, samples: Samples, rates: Rates) -> float:
        """Pass through the samples once; return the mean objective on the way."""
        return adam.epoch(samples, self.alpha, self.solver, self.random_state, rates, self.dropout)


def minimise_adam(
    network: Network, samples: Samples, run: AdamRun, held_out: Rows | None = None
) -> tuple[Network, History]:
    """Return the network after mini-batches in random order, and how the solver got there.

    Ends when the objective, or with held-out rows their loss, has not gone down by ``tol`` in
    ``n_iter_no_change`` passes; the adaptive learning rate is lowered first, and a linear one goes on
    to its end. With held-out rows the best network of all passes is returned, or with ``refit`` one
    that learnt from all rows in as many passes.
    """
    if held_out is None:
        found, history, _ = _watched(network, samples, run)
        return found, history
    others = samples.part(np.setdiff1d(np.arange(samples.n_rows), held_out))
    found, history, rates = _watched(network, others, run, samples.part(held_out))
    if not run.solver.refit or not rates:
        return found, history
    n_passes = int(np.argmin(history.validation_losses or [0.0])) + 1
    return _refitted(network, samples, run, rates[:n_passes], history)


def _watched(
    network: Network, samples: Samples, run: AdamRun, validation: Samples | None = None
) -> tuple[Network, History, list[Rates]]:
    """Return the network, the history, and the learning rates of the passes."""
    network = best_network = network.copy()
    adam, solver = run.state(network, samples.X), run.solver
    history, watch = History(name=run.name), _Watch(solver.tol)
    schedule, rates = _Schedule(solver, first_rates_of(solver, samples.X, network)), []
    for _ in range(solver.max_iter):
        rates.append(schedule.next())
        history.add(run.epoch(adam, samples, rates[-1]), run.verbose)
        loss = history.losses[-1]
        if validation is not None:
            loss = validation.value(network)
            history.add_validation(loss, run.verbose)
        if watch.improves(loss) and validation is not None:
            best_network = network.copy()
        if schedule.is_linear and validation is None:
            continue
        if watch.waiting >= solver.n_iter_no_change:
            watch.waiting = 0
            if not schedule.slows_down():
                break
    else:
        if solver.max_iter and not schedule.is_linear:
            history.unfinished = _unfinished(solver.max_iter, "loss")
    return best_network, history, rates


def _refitted(
    network: Network,
    samples: Samples,
    run: AdamRun,
    rates: list[Rates],
    history: History,
) -> tuple[Network, History]:
    """Return the network after passes through all rows, with learning rates that are known."""
    network = network.copy()
    adam = run.state(network, samples.X)
    history = replace(history, n_iter=0, losses=[])
    for rate in rates:
        history.add(run.epoch(adam, samples, rate), run.verbose)
    return network, history
