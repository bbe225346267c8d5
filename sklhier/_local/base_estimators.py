"""Base estimators by node or level."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from sklhier._local.keys import Kind, ModelKey, level_of
from sklhier.exceptions import TaxonomyError
from sklhier.linear_model import ScaledLogisticRegression
from sklhier.taxonomy import Taxonomy

__all__ = ["BaseEstimators", "default_base", "nested_params", "updated_mapping"]

PREFIX = "node_estimators__"


def default_base() -> Any:
    """Return what ``estimator=None`` stands for."""
    return ScaledLogisticRegression()


class BaseEstimators:
    """The base estimator of each node.

    Parameters
    ----------
    base : estimator
        Used where nothing else is said.
    overrides : mapping, callable or None
        The parameter `node_estimators` of a classifier.
    taxonomy : Taxonomy
        The taxonomy.
    leaves_decide : bool, default=False
        Whether there are models that decide about single leaves.

    Raises
    ------
    TaxonomyError
        If a key of the mapping is neither a level nor a node at which something is decided.
    """

    def __init__(
        self,
        base: Any,
        overrides: Mapping[Hashable, Any] | Callable[..., Any] | None,
        taxonomy: Taxonomy,
        *,
        leaves_decide: bool = False,
    ) -> None:
        self._leaves_decide = leaves_decide
        self._base = base
        self._overrides = overrides
        self._taxonomy = taxonomy
        if isinstance(overrides, Mapping):
            for key in overrides:
                self._check(key)
        elif overrides is not None and not callable(overrides):
            raise TypeError(
                "`node_estimators` must be a mapping, a callable (name, taxonomy) -> estimator, or "
                f"None, got {overrides!r}."
            )

    def _check(self, key: Hashable) -> None:
        taxonomy = self._taxonomy
        levels = [f"level:{level}" for level in range(1, taxonomy.n_levels + 1)]
        if key in levels:
            return
        if key not in taxonomy:
            inner = [taxonomy.nodes[node] for node in np.unique(taxonomy.edge_parents)]
            raise TaxonomyError.unknown(key, [*levels, *inner])
        if not (self._leaves_decide or taxonomy.children_of(taxonomy.id(key)).size):
            raise TaxonomyError(
                f"`node_estimators` names {key!r}, which is a leaf: nothing is decided there. Name "
                f"its parent, or the level by 'level:{taxonomy.depth(key)}'."
            )

    def at(self, key: ModelKey) -> tuple[str, Any]:
        """Return the base estimator of a model, and the name by which its metadata are routed."""
        level = f"level:{level_of(key, self._taxonomy)}"
        own = level if key.kind == Kind.LEVEL else self._taxonomy.nodes[key.number]
        if isinstance(self._overrides, Mapping):
            for name in dict.fromkeys([own, level]):
                if name in self._overrides:
                    return f"{PREFIX}{name}", self._overrides[name]
        elif self._overrides is not None:
            chosen = self._overrides(own, self._taxonomy)
            if chosen is not None:
                return "estimator", chosen
        return "estimator", self._base


def nested_params(mapping: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Return the estimators of a mapping and their parameters, as ``get_params`` names them."""
    params: dict[str, Any] = {}
    for key, estimator in mapping.items():
        params[f"{PREFIX}{key}"] = estimator
        if hasattr(estimator, "get_params"):
            for name, value in estimator.get_params(deep=True).items():
                params[f"{PREFIX}{key}__{name}"] = value
    return params


def updated_mapping(mapping: Any, params: Mapping[str, Any]) -> dict[Hashable, Any]:
    """Return a mapping with estimators replaced, and parameters of estimators set.

    Parameters
    ----------
    mapping : mapping of hashable to estimator
        The parameter `node_estimators`.
    params : mapping of str to object
        Names start with ``node_estimators__``, followed by a key and perhaps by ``__`` and the name
        of a parameter.
    """
    known = dict(mapping) if isinstance(mapping, Mapping) else {}
    by_text = {str(key): key for key in known}
    for name, value in params.items():
        rest = name.removeprefix(PREFIX)
        # A name may itself contain the separator: the longest key that fits is meant.
        fits = [text for text in by_text if rest == text or rest.startswith(f"{text}__")]
        if not fits:
            raise ValueError(
                f"Invalid parameter {name!r}: `node_estimators` has the keys {sorted(by_text)}."
            )
        text = max(fits, key=len)
        if rest == text:
            known[by_text[text]] = value
        else:
            known[by_text[text]].set_params(**{rest[len(text) + 2 :]: value})
    return known
