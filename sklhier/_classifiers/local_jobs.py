"""Jobs of local problems: base estimators, weights and fit parameters of one call to fit, checked."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import numpy as np
from sklearn import get_config
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import _num_samples, has_fit_parameter

from sklhier._classifiers.abilities import Reading, refuse_without
from sklhier._classifiers.local_parameters import LocalParameters, known_bases
from sklhier._local.base_estimators import BaseEstimators, SmallNodes, warn_of_thresholds
from sklhier._local.class_params import Labels
from sklhier._local.jobs import FitContext, Jobs
from sklhier._local.validation_sets import FitParams, has_entries
from sklhier._training.fixed_rows import FixedRows
from sklhier._utils.typing import Floats
from sklhier._utils.validation import check_n_jobs, check_verbose, prepare_features
from sklhier.exceptions import IncompatiblePartsError
from sklhier.staging import resolve_routing
from sklhier.strategies import Strategy
from sklhier.strategies._member import bases_of

__all__ = ["drawn_seed", "jobs_of", "refuse_unweighted", "splitter_params"]


class _Target(Protocol):
    def validation_targets(self, y: Any, name: str) -> Any:
        """Return the targets of a validation set, as those of y are kept."""


def jobs_of(
    model: LocalParameters,
    method: str,
    X: Any,
    labels: Labels,
    target: _Target,
    fit_params: dict[str, Any],
    seed: int | None,
    *,
    leaves_decide: bool,
    reading: Reading,
    strategy: Strategy | None = None,
    fixed: FixedRows | None = None,
) -> Jobs:
    """Return what makes jobs of local problems, the parts of a classifier checked.

    Parameters
    ----------
    model : LocalParameters
        Gives parameters alone.
    method : {"fit", "partial_fit"}
        The method of the base estimators that is called.
    X : array-like
        Samples.
    labels : Labels
        Their labels and weights.
    target : object
        Reads the labels of validation sets.
    fit_params : dict
        Other parameters of the call.
    seed : int or None
        Seed of all base estimators.
    leaves_decide : bool
        Whether there are models that decide about single leaves.
    reading : Reading
        How the outputs of models are read.
    strategy : Strategy, default=None
        The strategy in use, where it may have members that the parameters do not name; those get
        weights alone.
    fixed : FixedRows, default=None
        The last rows of X, if they are no samples.
    """
    bases = known_bases(model)
    for base in bases.values():
        warn_of_thresholds(base)
    check_n_jobs(model.n_jobs)
    link = reading.link
    if reading.is_calibrated and reading.lack is not None:
        raise IncompatiblePartsError.needs(
            f"calibration={model.calibration!r}",
            "base estimators with predict_proba or decision_function",
            reading.lack.rstrip("."),
            "Use another base estimator, or calibration=None.",
        )
    if link is not None:  # now, rather than after hours of fits
        refuse_without(link, link.response_method, bases.values())
    taxonomy = labels.taxonomy
    chosen = BaseEstimators(
        bases["estimator"],
        model.node_estimators,
        taxonomy,
        leaves_decide=leaves_decide,
        small=SmallNodes.of(model.small_nodes),
    )

    def read(params: dict[str, Any]) -> FitParams:
        features = partial(prepare_features, model, reset=False)
        return FitParams.read(params, _num_samples(X), features, target.validation_targets)

    routed = _routed_params(model, method, labels.weights, fit_params)
    if fixed is not None:
        _refuse_uneven(model, routed, labels.weights, fixed)
    if strategy is not None:
        alone = {} if labels.weights is None else {"sample_weight": labels.weights}
        routed = dict.fromkeys(bases_of(strategy), alone) | routed
    params = {name: read(given) for name, given in routed.items()}
    if any(given.sets for given in params.values()):
        _refuse_validation(model, method)
    context = FitContext.of(taxonomy, seed, link, model.n_jobs, check_verbose(model.verbose))
    return Jobs(context, chosen, params, labels)


def _routed_params(
    model: LocalParameters, method: str, weights: Floats | None, fit_params: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the parameters with which each base estimator is fitted."""
    bases = known_bases(model)
    given = {} if weights is None else {"sample_weight": weights}
    # With routing the users say who gets weights; without it all base estimators must take them.
    if get_config()["enable_metadata_routing"]:
        routed = process_routing(model, method, **given, **fit_params)
        return {name: dict(routed[name][method]) for name in bases}
    if fit_params:
        raise TypeError(
            f"{method} got {sorted(fit_params)}. Parameters other than sample_weight need "
            "sklearn.set_config(enable_metadata_routing=True) and "
            f"`set_{method}_request` on the base estimator."
        )
    for base in bases.values():
        if weights is not None and not has_fit_parameter(base, "sample_weight"):
            raise IncompatiblePartsError.needs(
                "sample_weight",
                "a base estimator whose fit takes it",
                f"that of {type(base).__name__} does not",
                "Leave the weights out, use another base estimator, or, if a step of a Pipeline "
                "should get them, enable metadata routing and request them there.",
            )
    return dict.fromkeys(bases, given)


def _refuse_uneven(
    model: LocalParameters,
    routed: dict[str, dict[str, Any]],
    weights: Floats | None,
    fixed: FixedRows,
) -> None:
    """Refuse parameters of samples, which node rows do not have, and weights that get lost."""
    for name, params in routed.items():
        for key, value in params.items():
            if value is not weights and has_entries(key, value, fixed.n_samples):
                raise IncompatiblePartsError.needs(
                    key,
                    "an entry for each row",
                    "node_rows have no entries",
                    "Leave out the parameter or node_rows.",
                )
        if model.node_rows_weight != 1 and not any(value is weights for value in params.values()):
            raise IncompatiblePartsError.needs(
                f"node_rows_weight={model.node_rows_weight!r}",
                "base estimators that get sample_weight",
                f"{name!r} does not request it",
                "Call set_fit_request(sample_weight=True) on it, or use node_rows_weight=1.",
            )


def _refuse_validation(model: LocalParameters, method: str) -> None:
    """Refuse validation sets for models that learn in batches, or from others."""
    routing = getattr(model, "routing", "filter")
    if method == "partial_fit":
        why = "partial_fit has no validation: it does not know when it ends"
    elif model.chain is not None:
        why = f"chain={model.chain!r} gives models outputs of others, which the set does not have"
    elif resolve_routing(routing).needs_held_out:
        why = f"routing={routing!r} gives models samples of a rest class, which the set does not have"
    else:
        return
    raise IncompatiblePartsError.needs(
        "A validation set",
        "models that learn from X alone, by fit",
        why,
        "Leave the set out, or use fit with chain=None and routing='filter'.",
    )


def refuse_unweighted(
    model: LocalParameters, given: Floats | None, weights: Floats | None
) -> None:
    """Refuse a weight of node rows where base estimators take none."""
    if given is not None or weights is None or get_config()["enable_metadata_routing"]:
        return
    for base in known_bases(model).values():
        if not has_fit_parameter(base, "sample_weight"):
            raise IncompatiblePartsError.needs(
                f"node_rows_weight={model.node_rows_weight!r}",
                "a base estimator whose fit takes sample_weight",
                f"that of {type(base).__name__} does not",
                "Use node_rows_weight=1, use another base estimator, or, if a step of a Pipeline "
                "should get weights, enable metadata routing and request them there.",
            )


def drawn_seed(random_state: Any) -> int | None:
    """Return the seed of all base estimators; None where they keep their own random states."""
    if random_state is None:
        return None
    # One draw: how many models there are does not change the user's random state.
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def splitter_params(
    model: LocalParameters, weights: Floats | None, fit_params: dict[str, Any]
) -> dict[str, Any]:
    """Return the parameters of the splitter, such as ``groups``."""
    if not (get_config()["enable_metadata_routing"] and hasattr(model.cv, "split")):
        return {}
    given = {} if weights is None else {"sample_weight": weights}
    return dict(process_routing(model, "fit", **given, **fit_params)["cv"]["split"])
