"""Joint estimators from files of earlier versions."""

from __future__ import annotations

from typing import Any

from sklhier._classifiers.path_target import PathTarget
from sklhier._classifiers.saved_local import renamed_outcomes
from sklhier._classifiers.set_target import SetTarget
from sklhier._joint.model import JointModel
from sklhier._joint.path_loss import Heads
from sklhier._joint.paths import JointPaths, PathColumns
from sklhier._joint.sets import JointSets, SetColumns
from sklhier._joint.solvers import AdamState, History
from sklhier.objectives import LBFGS, Adam, HierarchicalCrossEntropy, SoftLabels

__all__ = ["upgraded"]

_ADAM = (
    "learning_rate",
    "learning_rate_init",
    "batch_size",
    "max_iter",
    "tol",
    "n_iter_no_change",
    "early_stopping",
    "validation_fraction",
)
_FITTED = (
    *("_network", "_adam", "_random_state", "_trained", "_seen", "_heads", "_heads_of_levels"),
    *("_columns", "n_iter_", "loss_curve_", "validation_loss_curve_"),
    *("_format", "_outcomes", "_live"),
)

_LATER: dict[str, Any] = {
    "dropout": 0.0,
    "n_estimators": 1,
    "intercept_init": "zeros",
    "n_jobs": None,
}


def upgraded(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a joint estimator as this version keeps it.

    Earlier ones had the settings of losses and solvers among the parameters of the estimator, and
    the network and its history among its attributes.

    Raises
    ------
    ValueError
        For separate heads of the levels, ``coupling="none"`` of one path, which this version lacks.
    """
    # Parameters that were added later, with the values that change nothing.
    state = _LATER | state
    if "max_iter" not in state:
        return state
    old, state = dict(state), dict(state)
    for name in (*_ADAM, "coupling", "init", "hxe_alpha", "soft_label_beta", *_FITTED):
        state.pop(name, None)
    has_paths = "hxe_alpha" in old
    state["loss"] = _path_loss_of(old) if has_paths else _set_loss_of(old)
    state["solver"] = _solver_of(old)
    if "taxonomy_" in old:
        state["_model"] = _paths_of(old) if has_paths else _sets_of(old)
        target = PathTarget if has_paths else SetTarget
        state["_target"] = target(old["taxonomy_"], old["_format"])
        if has_paths:
            state |= {"_tuned_decoder": None, "cv": None}
    return state


def _path_loss_of(old: dict[str, Any]) -> Any:
    if old["coupling"] == "none":
        raise ValueError(
            "MultiHeadClassifier(coupling='none') cannot be loaded: its heads shared nothing. Fit "
            "HierarchicalClassifier(strategy='per_level'), which gives the same answers."
        )
    if old["loss"] == "hxe":
        return HierarchicalCrossEntropy(old["hxe_alpha"])
    return SoftLabels(old["soft_label_beta"]) if old["loss"] == "soft_labels" else old["loss"]


def _set_loss_of(old: dict[str, Any]) -> str:
    return "max_constraint" if old["coupling"] == "max" else "cross_entropy"


def _solver_of(old: dict[str, Any]) -> Any:
    settings = {name: old[name] for name in _ADAM}
    kind = old["solver"]
    if kind == "auto" and settings.items() <= Adam().get_params().items():
        return "auto"
    if kind == "auto":  # its settings were for the solver that it led to
        takes_batches = old["early_stopping"] or old["hidden_layer_sizes"] != () or "_adam" in old
        kind = "adam" if takes_batches else "lbfgs"
    if kind == "adam":
        return Adam(**settings)
    return LBFGS(max_iter=old["max_iter"], tol=old["tol"])


def _joint_of(old: dict[str, Any]) -> JointModel:
    history = History(
        old.get("n_iter_", 0), old.get("loss_curve_", []), old.get("validation_loss_curve_")
    )
    adam = None
    if "_adam" in old:
        adam = AdamState.__new__(AdamState)
        names = {"_n_seen": "_n_counted"}
        vars(adam).update({names.get(k, k): value for k, value in vars(old["_adam"]).items()})
    return JointModel(old["_network"], old["_random_state"], history, adam)


def _paths_of(old: dict[str, Any]) -> JointPaths:
    taxonomy, outcomes = old["taxonomy_"], renamed_outcomes(old["_trained"])
    columns = PathColumns(taxonomy, outcomes, Heads.of(taxonomy, outcomes))
    answers = renamed_outcomes(old["_outcomes"])
    return JointPaths(columns, _joint_of(old), old["_seen"], answers)


def _sets_of(old: dict[str, Any]) -> JointSets:
    columns = SetColumns(old["taxonomy_"], old["_columns"])
    return JointSets(columns, _joint_of(old), old["_live"])
