r"""Minimising :math:`\sum_i w_i \ell_i + \frac{\alpha}{2} \|W\|^2`: the state of solvers.

The weights `w` of the samples sum to 1, so that the loss is a mean; intercepts are not penalised.
Saved files name the classes of this module.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

from sklhier._joint.moments import FeatureSteps, Moments
from sklhier._joint.network import Dropout, Network, half_square
from sklhier._joint.rates import Rates
from sklhier._joint.samples import Samples
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, Rows
from sklhier._utils.warning import warn_caller
from sklhier.objectives import Adam

__all__ = ["AdamState", "History", "diverged", "reached_max_iter", "warn_unfinished"]

_BATCH = 128

# Names in files of earlier versions.
_Moments, _RowMoments = Moments, FeatureSteps


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
            raise diverged(loss, f"in iteration {self.n_iter + 1}")
        self.n_iter += 1
        self.losses.append(loss)
        if verbose:
            print(f"{self.name}Iteration {self.n_iter}, loss = {loss:.8f}")
            sys.stdout.flush()

    def add_validation(self, loss: float, verbose: int) -> None:
        """Append the loss of the held-out samples after one more pass."""
        if not np.isfinite(loss):
            raise diverged(loss, f"of held-out samples after pass {self.n_iter}")
        self.validation_losses = [*(self.validation_losses or []), loss]
        if verbose:
            print(f"{self.name}Validation loss = {loss:.8f}")


def diverged(loss: float, when: str) -> ValueError:
    return ValueError(
        f"The loss must stay finite, got {loss:g} {when}. Scale the features (see "
        "sklearn.preprocessing), lower `learning_rate_init` of Adam, or look for very large numbers "
        "in `alpha`, in the parameters of the loss and in weights."
    )


def reached_max_iter(max_iter: int, what: str) -> str:
    return (
        f"Reached max_iter={max_iter} before the {what} settled. Raise max_iter, tol or alpha, or "
        "scale the features (see sklearn.preprocessing)."
    )


def warn_unfinished(history: History) -> None:
    """Warn if a solver was stopped before the end."""
    if history.unfinished:
        warn_caller(history.unfinished, ConvergenceWarning)


class AdamState:
    """Adam [1]_ between two mini-batches; it changes only weights of sparse features that occur.

    The weights of a sparse feature, a row of the first layer, take a step only in the batches in
    which the feature occurs. The penalty's part of their gradient is divided by the probability of
    that, so that on average it is the whole penalty's.

    Parameters
    ----------
    network : Network
        Changed in place.
    is_sparse : bool
        Whether features are sparse: the first weights then take :class:`FeatureSteps`.

    References
    ----------
    .. [1] D. P. Kingma, J. Ba. Adam: a method for stochastic optimization.
       ICLR (2015).
    """

    def __init__(self, network: Network, *, is_sparse: bool) -> None:
        self.network = network
        self.is_sparse = is_sparse
        first, *others = network.arrays
        self._of_features = FeatureSteps(first) if is_sparse else None
        self._of_others = [Moments(array) for array in (others if is_sparse else network.arrays)]
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
        X, network, first = take_rows(samples.X, rows), self.network, None
        if self._of_features is not None:
            first = np.asarray(X @ network.weights[0])
        shares = samples.weights[rows]
        scaled = (shares * (samples.n_rows / len(rows))).astype(network.dtype)
        losses, gradient = _batch_gradient(network, X, samples, rows, scaled, dropout, first)
        n_layers = len(network.weights)
        penalties = [alpha] * n_layers + [0.0] * n_layers  # intercepts have none
        rates = [rate] * n_layers + [rate * of_intercepts] * n_layers
        steps = list(zip(network.arrays, gradient.arrays, penalties, rates, strict=True))
        if self._of_features is not None:
            weights, slopes, *_ = steps.pop(0)
            factors = partial(self._penalties, len(rows), alpha)
            self._of_features.step(weights, X, slopes, rate, factors)
        for moments, step in zip(self._of_others, steps, strict=True):
            moments.move(*step)
        return float(shares @ losses)

    def _penalties(self, n_rows: int, alpha: float, features: Rows) -> Floats:
        """Return the penalty's factor for each of some features in a batch of some rows."""
        # A feature is in a batch unless all its rows lack it; the penalty is divided by that chance.
        absent = np.maximum(1 - self._occurrences[features] / self._n_counted, 0)
        factors: Floats = alpha / (1 - absent**n_rows)
        return factors


def _batch_gradient(
    network: Network,
    X: Any,
    samples: Samples,
    rows: Rows,
    shares: Any,
    dropout: Dropout | None,
    first: Any,
) -> tuple[Any, Network]:
    """Return the losses of some samples, whose features are `X`, and the gradient of their sum.

    Where the product of `X` and the first weights is given, it takes the place of these.
    """
    of_features = first is None
    if samples.of_layer is None:
        values = network.layers(X, dropout, first)
        losses, slopes = samples.loss(values[-1], rows)
        slopes *= shares[:, None]
        return losses, network.gradient(values, slopes, dropout, of_features=of_features)
    values = network.inputs(X, dropout, first)
    found = samples.of_layer.loss.gradient(
        values[-1],
        network.weights[-1],
        network.intercepts[-1],
        samples.of_layer.codes[rows],
        shares,
        by_inputs=len(values) > 1,
    )
    below = network.gradient_below(
        values,
        (found.weights, found.intercepts),
        found.inputs,
        dropout,
        of_features=of_features,
    )
    return found.losses, below
