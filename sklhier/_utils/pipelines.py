"""The classifier with a taxonomy inside of Pipelines and searches: finding and calling it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sklearn.exceptions import NotFittedError

from sklhier._utils.typing import Features

__all__ = [
    "Route",
    "call_classifier",
    "classifier_and_samples",
    "classifier_within",
    "holds_classifier",
    "last_step_replaced",
    "route_to_classifier",
    "steps_and_last",
    "transformed",
]


def _without_searches(estimator: object) -> Any:
    inner: Any = estimator
    while hasattr(inner, "best_estimator_"):
        inner = inner.best_estimator_
    return inner


def steps_and_last(estimator: object) -> tuple[list[Any], Any]:
    """Return the fitted Pipelines of transformers on the way to the last estimator, and that one.

    Searches are followed to their best estimator.
    """
    steps, inner = [], _without_searches(estimator)
    while hasattr(inner, "steps"):
        if len(inner.steps) > 1:
            steps.append(inner[:-1])
        inner = _without_searches(inner.steps[-1][1])
    return steps, inner


def _innermost(estimator: object) -> Any:
    inner = _without_searches(estimator)
    while not hasattr(inner, "taxonomy_") and hasattr(inner, "steps"):
        inner = _without_searches(inner.steps[-1][1])
    return inner


def holds_classifier(estimator: object) -> bool:
    """Whether an estimator is or holds a fitted classifier with a taxonomy."""
    return hasattr(_innermost(estimator), "taxonomy_")


def classifier_within(estimator: object) -> Any:
    """Return the fitted classifier with a taxonomy that an estimator is or holds.

    Searches are followed to their best estimator, Pipelines to their last step.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    ValueError
        If there is none.
    """
    inner = _innermost(estimator)
    if hasattr(inner, "taxonomy_"):
        return inner
    if hasattr(route_to_classifier(estimator).classifier, "taxonomy"):
        if hasattr(inner, "cv_results_"):
            raise ValueError(
                f"{type(inner).__name__} has no refitted classifier to predict with. Set refit=True, "
                "or pass a fitted estimator with the parameters that it found."
            )
        raise NotFittedError(f"This {type(estimator).__name__} is not fitted yet. Call fit first.")
    within = "" if inner is estimator else f", but a {type(inner).__name__} at its end"
    raise ValueError(
        f"{type(estimator).__name__} holds no fitted classifier with a taxonomy{within}. Pass "
        "`taxonomy=` where there is such a parameter, or fit a HierarchicalClassifier, alone or as "
        "the last step of a Pipeline or within a search over its parameters."
    )


def transformed(steps: list[tuple[str, Any]], X: Any) -> Any:
    """Return samples as fitted steps of a Pipeline transform them.

    One after the other: a part of a Pipeline whose last step has no state, such as
    HashingVectorizer, is not fitted to scikit-learn before 1.8.
    """
    for _, step in steps:
        if step is not None and step != "passthrough":
            X = step.transform(X)
    return X


def call_classifier(estimator: object, method: str, X: Features, **params: object) -> Any:
    """Call a method of the classifier within, such as ``predict_node_proba``.

    The steps before the classifier in its Pipelines transform X first.
    """
    inner, X = classifier_and_samples(estimator, X)
    return getattr(inner, method)(X, **params)


def classifier_and_samples(estimator: object, X: Features) -> tuple[Any, Any]:
    """Return the fitted classifier within, and samples as the steps before it transform them."""
    inner = classifier_within(estimator)
    outer = _without_searches(estimator)
    while outer is not inner:
        X = transformed(outer.steps[:-1], X)
        outer = _without_searches(outer.steps[-1][1])
    return inner, X


@dataclass(frozen=True)
class Route:
    """The way from an estimator that is not fitted to the classifier at its end.

    Attributes
    ----------
    classifier : estimator
        The innermost estimator of all searches and Pipelines.
    prefix : str
        Prefix of its parameters in ``set_params`` of the outermost estimator.
    fit_prefix : str
        Prefix of its fit parameters in ``fit`` of the outermost estimator.
    searched : frozenset of str
        Parameters that searches on the way set, by their names in the outermost estimator.
    """

    classifier: Any
    prefix: str
    fit_prefix: str
    searched: frozenset[str]

    def refuse_searched(self, parameter: str, who: str) -> None:
        """Raise a ValueError if a search on the way sets a parameter of the classifier, too."""
        name = f"{self.prefix}{parameter}"
        twice = [
            key for key in sorted(self.searched) if key == name or key.startswith(f"{name}__")
        ]
        if twice:
            raise ValueError(
                f"{who} sets {name!r}, and a search within the estimator would set {twice[0]!r} "
                "again. Leave it out of that search, or pass the estimator that it found."
            )


def route_to_classifier(estimator: object) -> Route:
    """Return the way through Pipelines and searches, before anything is fitted."""
    inner, prefix, fit_prefix, searched = estimator, "", "", set[str]()
    while True:
        if hasattr(inner, "refit") and hasattr(inner, "estimator"):
            prefix += "estimator__"
            searched |= {f"{prefix}{key}" for key in _searched_by(inner)}
            inner = inner.estimator
        elif hasattr(inner, "steps"):
            name, inner = inner.steps[-1]
            prefix, fit_prefix = f"{prefix}{name}__", f"{fit_prefix}{name}__"
        else:
            return Route(inner, prefix, fit_prefix, frozenset(searched))


def _searched_by(search: object) -> Iterator[str]:
    for attribute in ("param_grid", "param_distributions"):
        grids = getattr(search, attribute, [])
        for grid in [grids] if isinstance(grids, Mapping) else grids:
            yield from grid


@contextmanager
def last_step_replaced(pipeline: Any, replacement: object) -> Iterator[None]:
    """Replace the last step of a Pipeline within a ``with`` block."""
    name, step = pipeline.steps[-1]
    pipeline.steps[-1] = (name, replacement)
    try:
        yield
    finally:
        pipeline.steps[-1] = (name, step)
