"""What the joint models share: parameters, layers of weights, and how these are fitted."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sklhier._joint.network import ACTIVATIONS, Network
from sklhier._joint.solvers import Adam, History, Samples, Settings, minimise_adam, minimise_lbfgs
from sklhier._utils.pickling import restored_state, with_versions
from sklhier._utils.typing import Floats, Rows
from sklhier._utils.validation import check_choice, check_number
from sklhier.exceptions import IncompatiblePartsError
from sklhier.model_selection import HierarchicalStratifiedKFold
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._node_weights import read_node_values

__all__ = ["JointModel", "has_batches"]

SOLVERS = ("auto", "lbfgs", "adam")
LEARNING_RATES = ("constant", "adaptive")
_DTYPES = (np.float64, np.float32)
# L-BFGS keeps about two dozen float64 copies of all weights: 400 MB for so many.
_MOST_WEIGHTS = 2_000_000
_BATCH = 128
_RATE_OF_SPARSE, _RATE_OF_DENSE = 0.03, 0.003


def has_batches(model: Any) -> bool:
    """Whether a model can learn from batches; raise an AttributeError if not."""
    if model.solver == "lbfgs":
        raise AttributeError(
            "partial_fit takes steps by mini-batches, which solver='lbfgs' does not. "
            "Set solver='adam' or 'auto'."
        )
    return True


class JointModel(ClassifierMixin, BaseEstimator):
    """A classifier whose nodes share one set of layers, fitted by one objective.

    Subclasses store the parameters used here in their ``__init__``.
    """

    taxonomy: Any
    level_weights: Any
    alpha: float
    hidden_layer_sizes: Any
    activation: str
    solver: str
    learning_rate: str
    learning_rate_init: Any
    batch_size: Any
    max_iter: int
    tol: float
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    warm_start: bool
    verbose: int
    random_state: Any

    n_features_in_: int
    taxonomy_: Taxonomy
    n_iter_: int
    _random_state: Any  # of the last call to fit, or the first to partial_fit
    _network: Network  # of the columns that are trained
    _adam: Adam

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return with_versions(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(restored_state(self, state))

    def _gives_probabilities(self) -> bool:
        return True

    # -- what is given --------------------------------------------------------------------

    def _features(self, X: Any, *, reset: bool) -> Any:
        """Return X checked, dense or CSR, of a floating dtype."""
        return validate_data(self, X, accept_sparse="csr", dtype=_DTYPES, order="C", reset=reset)

    def _known_features(self, X: Any) -> Any:
        """Return rows whose number of features has been checked."""
        return check_array(X, accept_sparse="csr", dtype=_DTYPES, order="C", estimator=self)

    def _settings(self, X: Any) -> Settings:
        """Return the parameters of the solvers, checked."""
        check_choice("solver", self.solver, SOLVERS)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("learning_rate", self.learning_rate, LEARNING_RATES)
        check_scalar(self.alpha, "alpha", Real, min_val=0)
        check_scalar(self.tol, "tol", Real, min_val=0)
        rate = self.learning_rate_init
        if isinstance(rate, str) and rate == "auto":
            rate = _RATE_OF_SPARSE if sparse.issparse(X) else _RATE_OF_DENSE
        check_number("learning_rate_init", rate, above=0)
        check_scalar(self.max_iter, "max_iter", Integral, min_val=0)
        check_scalar(self.n_iter_no_change, "n_iter_no_change", Integral, min_val=1)
        if self.batch_size != "auto":
            check_scalar(self.batch_size, "batch_size", Integral, min_val=1)
        if self.early_stopping:
            check_scalar(
                self.validation_fraction,
                "validation_fraction",
                Real,
                min_val=0,
                max_val=0.5,
                include_boundaries="right",
            )
            if self.solver == "lbfgs":
                raise IncompatiblePartsError.needs(
                    "early_stopping",
                    "a solver that passes through the samples again and again",
                    "solver='lbfgs' works on all of them at once",
                    "Set solver='adam' or 'auto'.",
                )
        batch = _BATCH if self.batch_size == "auto" else int(self.batch_size)
        return Settings(
            float(self.alpha),
            int(self.max_iter),
            float(self.tol),
            self.learning_rate,
            float(rate),
            min(batch, X.shape[0]),
            int(self.n_iter_no_change),
            int(self.verbose),
        )

    def _hidden(self) -> list[int]:
        given = self.hidden_layer_sizes
        sizes = list(given) if isinstance(given, Iterable) else [given]
        for size in sizes:
            check_scalar(size, "hidden_layer_sizes", Integral, min_val=1)
        return [int(size) for size in sizes]

    def _level_weights(self, taxonomy: Taxonomy) -> Floats:
        """Return the weight of each level, from the first."""
        if self.level_weights is None:
            return np.ones(taxonomy.n_levels)
        weights = np.asarray(self.level_weights, dtype=np.float64)
        if weights.shape != (taxonomy.n_levels,):
            raise ValueError(
                f"`level_weights` has a number for each of the {taxonomy.n_levels} levels, from the "
                f"first; shape {weights.shape} was given."
            )
        weights = read_node_values(weights, Taxonomy.flat(range(len(weights))), "level_weights",
                                   levels=False)  # fmt: skip
        if not weights.any():
            raise ValueError("`level_weights` are all 0: there is nothing to learn.")
        return weights

    # -- fitting --------------------------------------------------------------------------

    def _first_network(self, n_columns: int, dtype: Any) -> Network:
        sizes = [self.n_features_in_, *self._hidden(), n_columns]
        return Network.drawn(sizes, self.activation, self._random_state, dtype)

    def _kept_network(self, n_columns: int, dtype: Any) -> Network:
        """Return the network of the last call to fit, to start from."""
        sizes = [self.n_features_in_, *self._hidden(), n_columns]
        known = [*map(len, self._network.weights), self._network.intercepts[-1].size]
        if known != sizes:
            raise ValueError(
                "warm_start=True goes on from the last fit, which was one of layers of other sizes. "
                "Use the same features, labels and `hidden_layer_sizes`, or warm_start=False."
            )
        arrays = [array.astype(dtype) for array in self._network.arrays]
        return self._network.with_arrays(arrays)

    def _solver_for(self, n_columns: int) -> str:
        """Return the solver for a network with so many columns in its last layer."""
        if self.solver != "auto":
            return self.solver
        small = (self.n_features_in_ + 1) * n_columns <= _MOST_WEIGHTS
        return "lbfgs" if small and not self._hidden() and not self.early_stopping else "adam"

    def _minimise(
        self,
        network: Network,
        samples: Samples,
        settings: Settings,
        held_out: Rows,
    ) -> tuple[Network, History]:
        """Return the fitted network and how the solver got there.

        Rows held out, of which there may be none, tell when to stop and are not learnt from.
        """
        if self._solver_for(network.intercepts[-1].size) == "lbfgs":
            return minimise_lbfgs(network, samples, settings)
        validation = None
        if held_out.size:
            inside = np.ones(samples.n_rows, dtype=bool)
            inside[held_out] = False
            validation = samples.part(held_out)
            samples = samples.part(np.flatnonzero(inside))
        return minimise_adam(network, samples, settings, self._random_state, validation)

    def _held_out(self, labels: Any, closed: sparse.csr_array, taxonomy: Taxonomy) -> Rows:
        """Return the rows to stop early by: none of them has a node that no other row has.

        Parameters
        ----------
        labels : array or sparse indicator
            What to stratify by.
        closed : csr_array, shape (n_rows, n_nodes)
            The nodes of each row.
        """
        if not self.early_stopping:
            return np.zeros(0, dtype=np.intp)
        n_rows = closed.shape[0]
        folds = HierarchicalStratifiedKFold(
            min(n_rows, max(2, round(1 / self.validation_fraction))),
            taxonomy=taxonomy,
            shuffle=True,
            random_state=self._random_state,
        )
        held_out = np.zeros(0, dtype=np.intp)
        if n_rows > 1:
            train, held_out = next(iter(folds.split(np.zeros((n_rows, 1)), labels)))
            unknown = np.asarray(closed[train].sum(axis=0)) == 0
            held_out = held_out[closed[held_out] @ unknown == 0]
        if not held_out.size:
            raise ValueError(
                f"early_stopping=True has no validation part: {n_rows} sample(s) leave none whose "
                "labels others have as well. Use more samples, or early_stopping=False."
            )
        return held_out

    def _keep(self, network: Network, history: History) -> None:
        """Store what was fitted."""
        self._network = network
        self.__dict__.pop("_adam", None)
        self.n_iter_ = history.n_iter
        self.loss_curve_ = history.losses
        self.validation_loss_curve_ = history.validation_losses if self.early_stopping else None

    def _learn_batches(self, samples: Samples, settings: Settings) -> None:
        """Pass through samples once, in mini-batches, from where the network is."""
        if not hasattr(self, "_adam"):
            self._adam = Adam(self._network, is_sparse=sparse.issparse(samples.X))
        if self._adam.is_sparse != sparse.issparse(samples.X):
            raise ValueError(
                "partial_fit was given sparse features in one call and dense ones in another."
            )
        self._adam.see(samples.X)
        rate = settings.learning_rate_init
        loss = self._adam.epoch(samples, settings, self._random_state, rate)
        self.n_iter_ = getattr(self, "n_iter_", 0) + 1
        self.loss_curve_ = [*getattr(self, "loss_curve_", []), loss]
        if settings.verbose:
            print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")

    # -- what was fitted ------------------------------------------------------------------

    def _shown_network(self) -> Network:
        """Return the network whose columns ``columns_`` names."""
        check_is_fitted(self, "taxonomy_")
        return self._network

    @property
    def coefs_(self) -> list[Any]:
        """The weights of each layer, of shape (n_inputs, n_outputs), from the features on."""
        return self._shown_network().weights

    @property
    def intercepts_(self) -> list[Any]:
        """The intercepts of each layer, of shape (n_outputs,)."""
        return self._shown_network().intercepts

    @property
    def coef_(self) -> Any:
        """The weights of a model without hidden layers, of shape (n_features, n_columns)."""
        return self._only(self.coefs_)

    @property
    def intercept_(self) -> Any:
        """The intercepts of a model without hidden layers, of shape (n_columns,)."""
        return self._only(self.intercepts_)

    def _only(self, layers: list[Any]) -> Any:
        if len(layers) > 1:
            raise AttributeError(
                f"A model with {len(layers) - 1} hidden layer(s) has no coef_ and intercept_; it has "
                "coefs_ and intercepts_."
            )
        return layers[0]
