"""The parameters of a classifier with local models: its base estimators, by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Self

from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRequest, MetadataRouter, MethodMapping

from sklhier._local.base_estimators import (
    PREFIX,
    SMALL,
    default_base,
    nested_params,
    updated_mapping,
)
from sklhier.links import Link
from sklhier.staging import Chain
from sklhier.strategies._member import bases_of

__all__ = ["LocalParameters", "known_bases"]


class LocalParameters(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """The parameters of a classifier with local models, those of the estimators within included.

    Subclasses store them in their ``__init__``.
    """

    estimator: Any
    taxonomy: Any
    strategy: Any
    link: str | Link | None
    calibration: Any
    node_estimators: Any
    small_nodes: Any
    node_rows: Any = None  # files of earlier versions have none
    node_rows_weight: Any = 1.0
    chain: str | Chain | None
    cv: Any
    n_jobs: int | None
    verbose: int
    random_state: Any

    def _asked_calibration(self) -> Any:
        """Return the calibration that the parameters ask for; None for none."""
        return self.calibration

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with ``deep`` also those of the estimators within."""
        params = super().get_params(deep=deep)
        if deep and isinstance(self.node_estimators, Mapping):
            params |= nested_params(self.node_estimators)
        if deep and isinstance(self.small_nodes, tuple | list):
            small = _small_estimator(self)
            if hasattr(small, "get_params") and not isinstance(small, type):
                inner = small.get_params(deep=True)
                params |= {f"{SMALL}__{name}": value for name, value in inner.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of the estimators within as ``<name>__<parameter>``."""
        nested = {key: value for key, value in params.items() if key.startswith(PREFIX)}
        # scikit-learn would set them on None, and say that None has no set_params.
        within = [key for key in params if key.startswith("estimator__")]
        if within and params.get("estimator", self.estimator) is None:
            raise ValueError(
                f"Invalid parameter {within[0]!r}: `estimator` is None, the default estimator. "
                f"To set its parameters, pass estimator={default_base()!r}."
            )
        given = params.get(SMALL, self.small_nodes)
        of_small = {}
        if isinstance(given, tuple | list):  # whose parameters scikit-learn does not find
            of_small = {key: v for key, v in params.items() if key.startswith(f"{SMALL}__")}
        elsewhere = nested | of_small
        super().set_params(**{key: v for key, v in params.items() if key not in elsewhere})
        if nested:
            self.node_estimators = updated_mapping(self.node_estimators, nested)
        if of_small:
            small = _small_estimator(self)
            small.set_params(**{key.removeprefix(f"{SMALL}__"): v for key, v in of_small.items()})
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the routing of metadata such as ``sample_weight`` to the base estimators."""
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = (
            MethodMapping()
            .add(caller="fit", callee="fit")
            .add(caller="partial_fit", callee="partial_fit")
        )
        # Names as in get_params, which is where users find the base estimator that has no request.
        for name, base in known_bases(self).items():
            router.add(**{name: _with_requests(base)}, method_mapping=mapping)
        if hasattr(self.cv, "split"):
            splits = MethodMapping().add(caller="fit", callee="split")
            router.add(cv=self.cv, method_mapping=splits)
        return router

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        base = get_tags(known_bases(self)["estimator"])
        tags.input_tags = base.input_tags  # X goes to the base estimators as it is
        tags.non_deterministic = base.non_deterministic
        if base.classifier_tags is not None:
            tags.classifier_tags.poor_score = base.classifier_tags.poor_score
        tags.array_api_support = False
        return tags


def known_bases(model: LocalParameters) -> dict[str, Any]:
    """Return all base estimators known before fit, by the prefix of their parameters."""
    base = default_base() if model.estimator is None else model.estimator
    bases = {"estimator": base}
    # The choices of a callable are not known before fit: what holds for `estimator` holds for them.
    if isinstance(model.node_estimators, Mapping):
        bases |= {f"{PREFIX}{key}": other for key, other in model.node_estimators.items()}
    if not isinstance(model.strategy, str):  # names have no members
        bases |= bases_of(model.strategy)
    small = _small_estimator(model)
    return bases if small is None else bases | {SMALL: small}


def _small_estimator(model: LocalParameters) -> Any:
    """Return the estimator of `small_nodes`, which is not checked yet."""
    small = model.small_nodes
    return small[-1] if isinstance(small, tuple | list) and small else small


def _with_requests(base: Any) -> Any:
    """Return a base estimator, or what its methods take if it knows nothing of requests.

    CatBoost, for one: there is no other way to say what it should get.
    """
    if hasattr(base, "get_metadata_routing") or isinstance(base, type):
        return base
    requests = MetadataRequest(owner=base)
    for method in ("fit", "partial_fit"):
        if callable(getattr(base, method, None)):
            for name, parameter in inspect.signature(getattr(base, method)).parameters.items():
                if name not in ("X", "y") and parameter.kind in (
                    parameter.POSITIONAL_OR_KEYWORD,
                    parameter.KEYWORD_ONLY,
                ):
                    getattr(requests, method).add_request(param=name, alias=True)
    return requests
