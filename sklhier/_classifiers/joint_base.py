"""The scikit-learn side of the joint models: checked parameters and rows, fitted weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from sklhier._classifiers.calibrating import Calibrated
from sklhier._classifiers.notebook import ShowsTaxonomy
from sklhier._classifiers.saved_joint import upgraded
from sklhier._classifiers.summary import Summarised
from sklhier._folds.stratified import (
    HierarchicalStratifiedGroupKFold,
    HierarchicalStratifiedKFold,
)
from sklhier._joint.model import (
    JointModel,
    Training,
    drawn_all,
    restarted_all,
    takes_batches,
)
from sklhier._joint.network import Network
from sklhier._joint.paths import JointPaths
from sklhier._joint.sets import JointSets
from sklhier._utils.pickling import restored_state, with_versions
from sklhier._utils.typing import Rows
from sklhier._utils.validation import check_flag, checked_cv, require_rows
from sklhier.taxonomy import Taxonomy

__all__ = ["JointEstimator", "checked_groups", "grouped_cv", "has_batches", "held_out_rows"]

_DTYPES = [np.float64, np.float32]  # what is neither becomes the first


def has_batches(estimator: Any) -> bool:
    """Whether an estimator can learn from batches; raise an AttributeError if not."""
    if not takes_batches(estimator.solver):
        raise AttributeError(
            "partial_fit needs a solver that takes mini-batches; got "
            f"solver={estimator.solver!r}. Set solver='adam' or 'auto'."
        )
    if estimator.calibration is not None:
        raise AttributeError(
            f"partial_fit sees samples in batches; calibration={estimator.calibration!r} needs all "
            "of them at once. Use fit, or calibration=None."
        )
    return True


def checked_groups(groups: Any, n_samples: int) -> Any:
    """Return the group of each sample as a number, or None where there are none."""
    if groups is None:
        return None
    groups = column_or_1d(groups)
    check_consistent_length(np.empty(n_samples), groups)
    return np.unique(groups, return_inverse=True)[1]


def grouped_cv(cv: Any, groups: Any, default: int, taxonomy: Taxonomy, **params: Any) -> Any:
    """Return `cv`, or folds that keep groups whole where it is a number and there are groups."""
    checked = checked_cv(cv, default)
    if groups is None or not isinstance(checked, int):
        return checked
    return HierarchicalStratifiedGroupKFold(checked, taxonomy=taxonomy, **params)


def held_out_rows(
    labels: Any,
    closed: sparse.csr_array,
    taxonomy: Taxonomy,
    fraction: float,
    random_state: np.random.RandomState,
    groups: Any = None,
) -> Rows:
    """Return rows to stop early by; none of them has a node that no other row has.

    With groups, all rows of a group are held out or none.

    Parameters
    ----------
    labels : array or sparse indicator
        Labels to stratify by.
    closed : csr_array, shape (n_rows, n_nodes)
        The nodes of each row.
    taxonomy : Taxonomy
        Tree or DAG of the labels.
    fraction : float
        About which part of the rows is held out, in (0, 0.5].
    random_state : RandomState
        For the choice.
    groups : ndarray of intp, shape (n_rows,), default=None
        The group of each row.

    Raises
    ------
    ValueError
        If no row can be spared.
    """
    n_rows = closed.shape[0]
    n_units = n_rows if groups is None else len(np.unique(groups))
    kind = HierarchicalStratifiedKFold if groups is None else HierarchicalStratifiedGroupKFold
    folds = kind(
        min(n_units, max(2, round(1 / fraction))),
        taxonomy=taxonomy,
        shuffle=True,
        random_state=random_state,
    )
    held_out = np.zeros(0, dtype=np.intp)
    if n_units > 1:
        # One fold of many is about the fraction asked for, and stratified by rare nodes first.
        named = () if groups is None else (groups,)
        train, held_out = next(iter(folds.split(np.zeros((n_rows, 1)), labels, *named)))
        # The loss of a node that training never saw says nothing about when to stop.
        unknown = np.asarray(closed[train].sum(axis=0)) == 0
        is_known = closed[held_out] @ unknown == 0
        if groups is not None:
            is_known = ~np.isin(groups[held_out], groups[held_out[~is_known]])
        held_out = held_out[is_known]
    if not held_out.size:
        given = f"{n_rows} sample(s)" if groups is None else f"{n_units} group(s)"
        raise ValueError(
            f"early_stopping=True has no validation part: {given} leave none whose labels others "
            "have as well. Use more samples, or early_stopping=False."
        )
    return held_out


class JointEstimator(Summarised, ShowsTaxonomy, Calibrated, ClassifierMixin, BaseEstimator):
    """An estimator that holds a joint model.

    A subclass stores the parameters in its ``__init__``, and sets ``taxonomy_`` and ``_model``
    when it is fitted.
    """

    alpha: Any
    hidden_layer_sizes: Any
    activation: str
    dropout: float
    n_estimators: int
    intercept_init: str
    n_jobs: int | None
    solver: Any
    warm_start: bool
    verbose: int
    random_state: Any

    n_features_in_: int
    taxonomy_: Taxonomy
    _model: JointPaths | JointSets

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return with_versions(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        restored = {"calibration": None} | restored_state(self, state)
        super().__setstate__(upgraded(restored))

    def _gives_probabilities(self) -> bool:
        return True

    def _features(self, X: Any, *, reset: bool) -> Any:
        """Return X checked, dense or CSR, of a floating dtype."""
        require_rows(X)
        # Numbers of two bytes need no eight.
        dtypes = _DTYPES[::-1] if getattr(X, "dtype", None) == np.float16 else _DTYPES
        # L-BFGS and Adam work on rows, so sparse features are CSR and dense ones in C order.
        return validate_data(self, X, accept_sparse="csr", dtype=dtypes, order="C", reset=reset)

    def _training(self) -> Training:
        """Return the parameters of the model, checked."""
        check_flag("warm_start", self.warm_start)
        return Training.of(
            alpha=self.alpha,
            hidden_layer_sizes=self.hidden_layer_sizes,
            activation=self.activation,
            dropout=self.dropout,
            n_estimators=self.n_estimators,
            intercept_init=self.intercept_init,
            n_jobs=self.n_jobs,
            solver=self.solver,
            verbose=self.verbose,
        )

    def _previous(self) -> Any:
        """Return the last fit to go on from, or None."""
        return self._model if self.warm_start and hasattr(self, "taxonomy_") else None

    def _first_joints(
        self, training: Training, columns: Any, dtype: Any, random_state: Any, previous: Any = None
    ) -> list[JointModel]:
        """Return networks to be fitted, with new weights or those of the last fit.

        Raises
        ------
        ValueError
            If the last fit had other labels, features, hidden layers or another number of networks.
        """
        sizes = training.sizes(self.n_features_in_, columns.n_columns)
        if previous is None:
            return drawn_all(training, sizes, dtype, random_state)
        if not columns.matches(previous.columns):
            raise ValueError(
                "warm_start=True continues the last fit, which had other labels. Fit with the "
                "same labels, or set warm_start=False."
            )
        return restarted_all(previous.joints, training, sizes, dtype, random_state)

    def _fitted_joint(self) -> JointModel:
        check_is_fitted(self, "taxonomy_")
        return self._model.joint

    def _fitted_parts(self) -> dict[str, Any]:
        networks = self.networks_
        first = networks[0]
        arrays = [array for n in networks for array in (*n.weights, *n.intercepts)]
        return {
            "networks": len(networks),
            "layers": [int(weights.shape[1]) for weights in first.weights],
            "weights": sum(int(array.size) for array in arrays),
            "iterations": int(self.n_iter_),
        }

    @property
    def networks_(self) -> tuple[Network, ...]:
        """Networks whose probabilities are averaged, each with `weights` and `intercepts`."""
        check_is_fitted(self, "taxonomy_")
        return tuple(joint.network for joint in self._model.joints)

    @property
    def coefs_(self) -> list[Any]:
        """The weights of each layer, of shape (n_inputs, n_outputs), from the features on."""
        return self._fitted_joint().network.weights

    @property
    def intercepts_(self) -> list[Any]:
        """The intercepts of each layer, of shape (n_outputs,)."""
        return self._fitted_joint().network.intercepts

    @property
    def coef_(self) -> Any:
        """The weights of a model without hidden layers, of shape (n_features, n_columns)."""
        return _only_layer(self.coefs_)

    @property
    def intercept_(self) -> Any:
        """The intercepts of a model without hidden layers, of shape (n_columns,)."""
        return _only_layer(self.intercepts_)

    @property
    def n_iter_(self) -> int:
        """Iterations, or passes through the samples, of the last fit and of partial_fit since."""
        return self._fitted_joint().history.n_iter

    @property
    def loss_curve_(self) -> list[float]:
        """The objective after each of them; with Adam its mean during the pass."""
        return self._fitted_joint().history.losses

    @property
    def validation_loss_curve_(self) -> list[float] | None:
        """The loss of the held-out samples after each pass; None without early stopping."""
        return self._fitted_joint().history.validation_losses


def _only_layer(layers: list[Any]) -> Any:
    if len(layers) > 1:
        raise AttributeError(
            f"A model with {len(layers) - 1} hidden layer(s) has no coef_ and intercept_. Use "
            "coefs_ and intercepts_."
        )
    return layers[0]
