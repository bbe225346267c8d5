"""Classifiers with local models from files of the first development versions.

Those had one dictionary of models. Its keys were integers into which the member of an ensemble, the
kind and the node were packed. Attributes had other names.
"""

from __future__ import annotations

from typing import Any

from sklhier._classifiers.compressing import CompressionReport
from sklhier._classifiers.path_target import PathTarget
from sklhier._classifiers.set_target import SetTarget
from sklhier._local.keys import Kind, ModelKey
from sklhier._local.model import LocalModel, Models, Upstream, linked
from sklhier._probabilities.marginals import Outcomes
from sklhier._training.marginals import PathModels, SetModels
from sklhier._training.trainer import FitReport
from sklhier.staging import resolve_routing
from sklhier.taxonomy import Taxonomy

__all__ = ["renamed_outcomes", "upgraded"]


_OLD = ("_format", "_strategy", "_trained", "_outcomes", "_seen", "_live", "_models", "_staged")


def upgraded(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a classifier with local models as this version keeps it."""
    state = {"small_nodes": None, "calibration": None} | state
    if "compression_report_" in state:
        state = dict(state)
        state["_compressed"] = CompressionReport.of(state.pop("compression_report_"))
    if "link" in state:
        return state
    old, state = state, {name: value for name, value in state.items() if name not in _OLD}
    state["link"] = None
    if "taxonomy_" not in old:
        return state
    taxonomy, strategy = old["taxonomy_"], old["_strategy"]
    has_paths = "_outcomes" in old
    n_parts = len(strategy.parts() if has_paths else strategy.set_parts())
    models = _models_of(old["_models"], n_parts, taxonomy)
    if has_paths:
        state |= _path_state(old, models)
    else:
        fitted = SetModels(strategy, models, taxonomy, old["_live"], old["consistency"])
        state |= {"_target": SetTarget(taxonomy, old["_format"]), "_model": fitted}
    state["_reports"] = _reports_of(state.pop("_fits"), n_parts, taxonomy)
    return state


def _path_state(old: dict[str, Any], models: list[Models]) -> dict[str, Any]:
    taxonomy = old["taxonomy_"]
    fitted = PathModels(
        old["_strategy"],
        models,
        taxonomy,
        renamed_outcomes(old["_outcomes"]),
        is_staged=old["_staged"],
        asks_all=resolve_routing(old["routing"]).needs_held_out,
    )
    return {
        "_target": PathTarget(taxonomy, old["_format"]),
        "_model": fitted,
        "_trained": renamed_outcomes(old["_trained"]),
        "_observed": old["_seen"],
        "_tuned_decoder": None,
    }


def renamed_outcomes(outcomes: Any) -> Outcomes:
    """Return outcomes whose attributes have the names of today."""
    old = vars(outcomes)
    observed = old["live"] if "live" in old else old["observed"]
    return Outcomes(old["offsets"], old["nodes"], observed, old["classes"])


def _key_of(owner: int, taxonomy: Taxonomy) -> tuple[int, ModelKey]:
    """Return the member and the key that a packed integer stands for."""
    rest, number = divmod(owner, taxonomy.n_nodes)
    member, kind = divmod(rest, len(Kind))
    return member, ModelKey(Kind(kind), number)


def _models_of(old: dict[int, Any], n_parts: int, taxonomy: Taxonomy) -> list[Models]:
    models: list[Models] = [{} for _ in range(n_parts)]
    for owner, model in old.items():
        member, key = _key_of(owner, taxonomy)
        models[member][key] = _model_of(key, vars(model), taxonomy)
    return models


def _model_of(key: ModelKey, old: dict[str, Any], taxonomy: Taxonomy) -> LocalModel:
    upstream = old["view"]
    if upstream is not None:
        seen = vars(upstream)
        keys = tuple(_key_of(owner, taxonomy)[1] for owner in seen["owners"])
        upstream = Upstream(keys, seen["chain"])
    method, link = linked(old["estimator"], None)
    return LocalModel(
        key,
        old["outcomes"],
        old["estimator"],
        method,
        link,
        is_multi_output=old["is_joint"],
        upstream=upstream,
        unit=old["unit"],
        positive_share=old["share_here"],
        subset=old["packing"],
    )


def _reports_of(fits: Any, n_parts: int, taxonomy: Taxonomy) -> list[FitReport]:
    old = vars(fits)
    places = [_key_of(owner, taxonomy) for owner in old["owners"].tolist()]
    reports = []
    for part in range(n_parts):
        rows = [i for i, (member, _) in enumerate(places) if member == part]
        columns = [old[name][rows] for name in ("n_rows", "n_outcomes", "seconds", "fitted")]
        reports.append(FitReport([places[i][1] for i in rows], *columns))
    return reports
