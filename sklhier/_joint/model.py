"""A joint model: one network, fitted to all nodes by one objective."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import reduce
from math import ceil
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.utils.parallel import Parallel, delayed

from sklhier._joint.adam import AdamRun, minimise_adam
from sklhier._joint.deduplicate import deduplicate_rows
from sklhier._joint.lbfgs import minimise_lbfgs
from sklhier._joint.network import ACTIVATIONS, Network
from sklhier._joint.rates import first_rates_of
from sklhier._joint.samples import Samples
from sklhier._joint.scaling import Scaling
from sklhier._joint.solvers import AdamState, History, warn_unfinished
from sklhier._utils.pickling import unchanged_draws
from sklhier._utils.typing import Floats, Rows
from sklhier._utils.validation import (
    check_choice,
    check_integer,
    check_n_jobs,
    check_number,
    check_verbose,
    numbers,
)
from sklhier.objectives import LBFGS, Adam, Solver, resolve_solver
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._node_weights import read_node_values

__all__ = [
    "JointModel",
    "Training",
    "checked_level_weights",
    "drawn_all",
    "fit_all",
    "learn_batch",
    "mean_of",
    "restarted_all",
    "start_by",
    "takes_batches",
]

FIRST_INTERCEPTS = ("zeros", "frequencies")
_MOST_DROPOUT = 0.99  # almost nothing left

# L-BFGS keeps about two dozen float64 copies of all weights: 400 MB for so many.
_MOST_WEIGHTS = 2_000_000
# Mini-batches of dense features: from how many products of numbers on, in how many passes, and of how
# many rows, of which there should be enough for some batches.
_MUCH_WORK, _PASSES = 200_000_000, 12
_ALPHA = 1e-5
_LBFGS_ALPHA = 0.01  # of dense features, which are standardised
_SMALL_BATCH, _LARGE_BATCH, _BATCHES = 64, 512, 6
# The same for sparse features, where weights are too many for L-BFGS: the best mean accuracy on
# held-out training rows of four sets of texts and of generated ones with many labels.
_SPARSE_PASSES, _SPARSE_STEPS, _SPARSE_RATE, _SPARSE_ALPHA = 4, 150, 0.05, 1e-6
_SMALL_SPARSE_BATCH, _LARGE_SPARSE_BATCH, _SPARSE_BATCHES = 16, 256, 64


def takes_batches(solver: Any) -> bool:
    """Whether a solver, or the one of that name, can learn from batches."""
    return not isinstance(solver, LBFGS) and solver != "lbfgs"


def checked_level_weights(level_weights: Any, taxonomy: Taxonomy) -> Floats:
    """Return the weight of each level, from the first; 1 each for None.

    Raises
    ------
    ValueError
        For another number of weights than levels, for negative ones, and if all are 0.
    """
    if level_weights is None:
        return np.ones(taxonomy.n_levels)
    weights = numbers("level_weights", level_weights)
    if weights.shape != (taxonomy.n_levels,):
        raise ValueError(
            f"`level_weights` must hold one number for each of the {taxonomy.n_levels} levels, from "
            f"the first; got shape {weights.shape}."
        )
    of_levels = Taxonomy.flat(range(len(weights)))
    weights = read_node_values(weights, of_levels, "level_weights", levels=False)
    if not weights.any():
        raise ValueError("`level_weights` must not all be 0: there is nothing to learn.")
    return weights


def _is_small(sizes: list[int]) -> bool:
    """Whether a linear model has so few weights that L-BFGS can keep its copies of them."""
    return (sizes[0] + 1) * sizes[-1] <= _MOST_WEIGHTS


def _overflow_shows_in_the_loss() -> Any:
    """Return a context without warnings of NumPy: a loss that is not finite is an error."""
    return np.errstate(over="ignore", invalid="ignore")


@dataclass(frozen=True)
class Training:
    """Parameters of an estimator by which a network is made and fitted, checked.

    Attributes
    ----------
    alpha : float
        Strength of the penalty.
    follows_scale : bool
        Whether it is ours to choose: that of dense features is for standardised ones.
    hidden : tuple of int
        Widths of the hidden layers.
    activation : str
        Of the hidden layers.
    dropout : float
        Share of the hidden values that each step goes without.
    n_estimators : int
        Number of networks.
    by_frequencies : bool
        Whether the first intercepts are those of the frequencies of nodes.
    n_jobs : int or None
        How many networks are fitted at the same time.
    solver : LBFGS, Adam or None
        The solver; None leaves it to the size of the network.
    verbose : int
        Whether to print the loss of every iteration.
    """

    alpha: float
    follows_scale: bool
    hidden: tuple[int, ...]
    activation: str
    dropout: float
    n_estimators: int
    by_frequencies: bool
    n_jobs: int | None
    solver: Solver | None
    verbose: int

    @classmethod
    def of(
        cls,
        *,
        alpha: Any,
        hidden_layer_sizes: Any,
        activation: Any,
        dropout: Any,
        n_estimators: Any,
        intercept_init: Any,
        n_jobs: Any,
        solver: Any,
        verbose: Any,
    ) -> Self:
        """Return the parameters, checked."""
        is_auto = isinstance(alpha, str) and alpha == "auto"
        if not is_auto:
            check_number("alpha", alpha, least=0)
        check_choice("activation", activation, ACTIVATIONS)
        check_number("dropout", dropout, least=0, most=_MOST_DROPOUT)
        check_choice("intercept_init", intercept_init, FIRST_INTERCEPTS)
        check_n_jobs(n_jobs)
        sizes = hidden_layer_sizes
        is_list = isinstance(sizes, Iterable) and not isinstance(sizes, str | bytes | Mapping)
        sizes = list(sizes) if is_list and np.ndim(sizes) else [sizes]
        hidden = tuple(check_integer("hidden_layer_sizes", size, least=1) for size in sizes)
        solver = resolve_solver(solver)
        if dropout and not hidden:
            raise ValueError(
                f"`dropout` must be 0 without hidden layers, got {dropout}. Set "
                "`hidden_layer_sizes`, or dropout=0."
            )
        return cls(
            _ALPHA if is_auto else float(alpha),
            is_auto and not hidden and not isinstance(solver, Adam),
            hidden,
            activation,
            float(dropout),
            check_integer("n_estimators", n_estimators, least=1),
            intercept_init == "frequencies",
            n_jobs,
            solver,
            check_verbose(verbose),
        )

    def sizes(self, n_features: int, n_columns: int) -> list[int]:
        """Return the number of features, of values of each hidden layer, and of scores."""
        return [n_features, *self.hidden, n_columns]

    def check_fit(self, sizes: list[int]) -> None:
        """Raise a ValueError for what the solver of `fit` cannot do."""
        if not isinstance(self.solver_for(sizes), LBFGS):
            return
        if self.dropout:
            raise ValueError(
                f"`dropout` must be 0 for L-BFGS, which has no mini-batches, got {self.dropout}. Set "
                "solver='adam', or dropout=0."
            )
        if self.n_estimators > 1 and not self.hidden:
            raise ValueError(
                f"`n_estimators` must be 1 for L-BFGS without hidden layers, got "
                f"{self.n_estimators}: all networks would be the same. Set solver='adam' or "
                "`hidden_layer_sizes`."
            )

    def settled(self, sizes: list[int], X: Any) -> Self:
        """Return the parameters with the solver for one path, given the features.

        Where L-BFGS costs too much, a few passes in mini-batches are as good. For dense features the
        product of rows and weights says what a pass of it costs, for sparse ones weights count alone.
        """
        if self.solver is not None or self.hidden:
            return self
        n_rows = X.shape[0]
        if sparse.issparse(X):
            return self if _is_small(sizes) else self._few_sparse_passes(n_rows)
        if n_rows * sizes[0] * sizes[-1] < _MUCH_WORK:
            return self
        size = min(_LARGE_BATCH, max(_SMALL_BATCH, n_rows // _BATCHES))
        adam = Adam(learning_rate="linear", batch_size=size, max_iter=_PASSES)
        return replace(self, solver=adam)

    def _few_sparse_passes(self, n_rows: int) -> Self:
        size = min(_LARGE_SPARSE_BATCH, max(_SMALL_SPARSE_BATCH, n_rows // _SPARSE_BATCHES))
        adam = Adam(
            learning_rate="linear",
            learning_rate_init=_SPARSE_RATE,
            batch_size=size,
            max_iter=max(_SPARSE_PASSES, ceil(_SPARSE_STEPS * size / n_rows)),
        )
        return replace(
            self, solver=adam, alpha=_SPARSE_ALPHA if self.follows_scale else self.alpha
        )

    def penalised(self, sizes: list[int]) -> Self:
        """Return the parameters with the penalty for standardised features."""
        is_lbfgs = isinstance(self.solver_for(sizes), LBFGS)
        return replace(self, alpha=_LBFGS_ALPHA) if is_lbfgs else self

    def solver_for(self, sizes: list[int]) -> Solver:
        """Return the solver for a network of such sizes."""
        if self.solver is not None:
            return self.solver
        return LBFGS() if _is_small(sizes) and not self.hidden else Adam()

    def rows_for(
        self, sizes: list[int], X: Any, labels: Any, weights: Floats
    ) -> tuple[Any, Any, Floats]:
        """Return the rows that the solver works on: distinct ones for L-BFGS.

        It then gives the same bits for any order of the rows. The batches of Adam depend on the
        order in any case.
        """
        if isinstance(self.solver_for(sizes), LBFGS):
            return deduplicate_rows(X, labels, weights)
        return X, labels, weights

    def validation_fraction(self, sizes: list[int]) -> float | None:
        """Return which part of the samples is held out to stop early, or None."""
        solver = self.solver_for(sizes)
        if isinstance(solver, Adam) and solver.early_stopping:
            return float(solver.validation_fraction)
        return None

    def batch_solver(self) -> Adam:
        """Return the solver of batches."""
        return self.solver if isinstance(self.solver, Adam) else Adam()


@dataclass
class JointModel:
    """A network, and how it was fitted.

    Attributes
    ----------
    network : Network
        The layers, whose last one has a column for each score.
    random_state : RandomState
        For the order of mini-batches.
    history : History
        Iterations and losses so far.
    """

    network: Network
    random_state: np.random.RandomState
    history: History = field(default_factory=History)
    _adam: AdamState | None = None  # between two batches

    @classmethod
    def drawn(
        cls, sizes: list[int], activation: str, dtype: Any, random_state: np.random.RandomState
    ) -> Self:
        """Return a model with hidden layers drawn at random, and scores of 0."""
        return cls(Network.drawn(sizes, activation, random_state, dtype), random_state)

    def restarted(
        self, sizes: list[int], activation: str, dtype: Any, random_state: np.random.RandomState
    ) -> Self:
        """Return a model that starts from the weights of this one.

        Raises
        ------
        ValueError
            If its layers would have other sizes.
        """
        if self.network.sizes != sizes:
            raise ValueError(
                "warm_start=True continues the last fit, and needs layers of the same sizes, "
                f"{self.network.sizes}; got {sizes}. Use the same features, labels and "
                "`hidden_layer_sizes`, or warm_start=False."
            )
        weights = [array.astype(dtype) for array in self.network.weights]
        intercepts = [array.astype(dtype) for array in self.network.intercepts]
        return type(self)(Network(weights, intercepts, activation), random_state)

    def fit(
        self,
        X: Any,
        weights: Floats,
        loss: Any,
        training: Training,
        held_out: Rows | None = None,
        name: str = "",
    ) -> Self:
        """Fit the network from where it is.

        Parameters
        ----------
        X : ndarray or csr matrix, shape (n_rows, n_features)
            Features, of the dtype of the network.
        weights : ndarray of float64, shape (n_rows,)
            Weights of the rows.
        loss : callable
            ``loss(scores, rows)`` returns the losses of some rows and their gradient.
        training : Training
            The parameters.
        held_out : ndarray of intp, default=None
            Rows that tell Adam when to stop, and that it does not learn from.
        name : str, default=""
            Of the network, as lines that are printed start.

        Returns
        -------
        self : JointModel
            The model.
        """
        solver = training.solver_for(self.network.sizes)
        if isinstance(solver, LBFGS):
            samples = Samples(X, weights, loss)
        else:
            samples = Samples.for_batches(X, weights, loss, self.network)
        self._adam = None
        with _overflow_shows_in_the_loss():
            self.network, self.history = self._minimised(samples, solver, training, held_out, name)
        return self

    def _minimised(
        self,
        samples: Samples,
        solver: Solver,
        training: Training,
        held_out: Rows | None,
        name: str,
    ) -> tuple[Network, History]:
        alpha, verbose = training.alpha, training.verbose
        if isinstance(solver, LBFGS):
            return minimise_lbfgs(self.network, samples, alpha, solver, verbose, name)
        run = AdamRun(solver, alpha, training.dropout, self.random_state, verbose, name)
        return minimise_adam(self.network, samples, run, held_out)

    def after_batch(self, X: Any, weights: Floats, loss: Any, training: Training) -> Self:
        """Return the model after one pass through a batch of samples, in mini-batches.

        This one stays as it is, but for its random numbers if the pass succeeds. Parameters are
        those of :meth:`fit`.

        Raises
        ------
        ValueError
            If features are sparse in one call and dense in another, and if the loss becomes
            infinite or NaN.
        """
        after = self._copied()
        with unchanged_draws(self.random_state), _overflow_shows_in_the_loss():
            after._learn_batch(X, weights, loss, training)
        return after

    def _copied(self) -> Self:
        """Return a model that can change by itself; its random numbers are the same."""
        # The state of Adam holds the network as well: one copy of both.
        network, history, adam = deepcopy((self.network, self.history, self._adam))
        return type(self)(network, self.random_state, history, adam)

    def _learn_batch(self, X: Any, weights: Floats, loss: Any, training: Training) -> None:
        is_sparse = sparse.issparse(X)
        if self._adam is None:
            self._adam = AdamState(self.network, is_sparse=is_sparse)
        if self._adam.is_sparse != is_sparse:
            kinds = ("dense", "sparse")
            raise ValueError(
                "partial_fit needs features that are sparse in all calls or in none; got "
                f"{kinds[is_sparse]} ones after {kinds[not is_sparse]} ones."
            )
        solver = training.batch_solver()
        self._adam.count(X)
        loss_of_pass = self._adam.epoch(
            Samples.for_batches(X, weights, loss, self.network),
            training.alpha,
            solver,
            self.random_state,
            first_rates_of(solver, X, self.network),
            training.dropout,
        )
        self.history.add(loss_of_pass, training.verbose)

    def scores(self, X: Any) -> Floats:
        """Return the scores of rows as float64, shape (n_rows, n_columns)."""
        return np.asarray(self.network.scores(X), dtype=np.float64)


# -- several networks ---------------------------------------------------------------------


def _states(n_networks: int, random_state: np.random.RandomState) -> list[np.random.RandomState]:
    """Return random numbers for each network: a single one goes on with those given."""
    if n_networks == 1:
        return [random_state]
    seeds = random_state.randint(np.iinfo(np.int32).max, size=n_networks)
    return [np.random.RandomState(seed) for seed in seeds]


def drawn_all(
    training: Training, sizes: list[int], dtype: Any, random_state: np.random.RandomState
) -> list[JointModel]:
    """Return the networks of a model before they are fitted."""
    return [
        JointModel.drawn(sizes, training.activation, dtype, state)
        for state in _states(training.n_estimators, random_state)
    ]


def restarted_all(
    joints: Sequence[JointModel],
    training: Training,
    sizes: list[int],
    dtype: Any,
    random_state: np.random.RandomState,
) -> list[JointModel]:
    """Return networks that start from the weights of fitted ones.

    Raises
    ------
    ValueError
        If there would be others, or layers of other sizes.
    """
    if len(joints) != training.n_estimators:
        raise ValueError(
            "warm_start=True continues the last fit, and needs the same number of networks, "
            f"{len(joints)}; got n_estimators={training.n_estimators}. Set n_estimators="
            f"{len(joints)}, or warm_start=False."
        )
    states = _states(len(joints), random_state)
    return [
        joint.restarted(sizes, training.activation, dtype, state)
        for joint, state in zip(joints, states, strict=True)
    ]


def start_by(joints: Sequence[JointModel], intercepts: Floats) -> None:
    """Give the scores of networks their first intercepts."""
    for joint in joints:
        joint.network.intercepts[-1][:] = intercepts


def fit_all(
    joints: list[JointModel],
    X: Any,
    weights: Floats,
    loss: Any,
    training: Training,
    held_out: Sequence[Rows | None],
) -> tuple[JointModel, ...]:
    """Fit networks that are averaged, each with its own random numbers and held-out rows.

    Parameters are those of :meth:`JointModel.fit`. Warns if a solver was stopped before the end.
    """
    scaling = None
    if training.follows_scale and not sparse.issparse(X):
        training, scaling = training.penalised(joints[0].network.sizes), Scaling.of(X, weights)
        X = scaling.features(X)
        for joint in joints:
            joint.network = scaling.to_learn(joint.network)
    names = _names(joints)
    # NumPy lets other threads work while it computes, and threads share X.
    fitted = Parallel(n_jobs=training.n_jobs, prefer="threads")(
        delayed(joint.fit)(X, weights, loss, training, rows, name)
        for joint, rows, name in zip(joints, held_out, names, strict=True)
    )
    for joint in fitted:
        if joint.history.unfinished:
            warn_unfinished(joint.history)
            break
    if scaling is not None:
        for joint in fitted:
            joint.network = scaling.learnt(joint.network)
    return tuple(fitted)


def learn_batch(
    joints: Sequence[JointModel], X: Any, weights: Floats, loss: Any, training: Training
) -> tuple[JointModel, ...]:
    """Return networks after one pass through a batch of samples; those given stay as they are."""
    if len(joints) == 1:
        return (joints[0].after_batch(X, weights, loss, training),)
    # Random numbers of a network that succeeds must not go on if another one fails.
    own = [replace(joint, random_state=deepcopy(joint.random_state)) for joint in joints]
    return tuple(
        Parallel(n_jobs=training.n_jobs, prefer="threads")(
            delayed(joint.after_batch)(X, weights, loss, training) for joint in own
        )
    )


def mean_of(tables: Iterable[Floats], n_tables: int) -> Floats:
    """Return the mean of tables of one shape; a single one stays as it is."""
    total = reduce(np.add, tables)
    return total / n_tables if n_tables > 1 else total


def _names(joints: Sequence[JointModel]) -> list[str]:
    if len(joints) == 1:
        return [""]
    return [f"Network {number}: " for number in range(1, len(joints) + 1)]
