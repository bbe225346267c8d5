"""Adam: passes through mini-batches until the loss settles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from sklhier._joint.network import Network
from sklhier._joint.rates import Rates, Schedule, Watch, first_rates_of
from sklhier._joint.samples import Samples
from sklhier._joint.solvers import AdamState, History, reached_max_iter
from sklhier._utils.typing import Rows
from sklhier.objectives import Adam

__all__ = ["AdamRun", "minimise_adam"]


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
    history, watch = History(name=run.name), Watch(solver.tol)
    schedule, rates = Schedule(solver, first_rates_of(solver, samples.X, network)), []
    for _ in range(solver.max_iter):
        rates.append(schedule.next())
        history.add(run.epoch(adam, samples, rates[-1]), run.verbose)
        loss = history.losses[-1]
        if validation is not None:
            loss = validation.value(network)
            history.add_validation(loss, run.verbose)
        if watch.improves(loss) and validation is not None:
            if best_network is network:
                best_network = network.copy()
            else:  # new memory takes far longer to write to
                network.copy_to(best_network)
        if schedule.is_linear and validation is None:
            continue
        if watch.waiting >= solver.n_iter_no_change:
            watch.waiting = 0
            if not schedule.slows_down():
                break
    else:
        if solver.max_iter and not schedule.is_linear:
            history.unfinished = reached_max_iter(solver.max_iter, "loss")
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
