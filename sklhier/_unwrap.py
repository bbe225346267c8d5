"""Find the classifier with a taxonomy inside of Pipelines and searches, and ask it."""

from __future__ import annotations

from typing import Any

__all__ = ["ask", "classifier_within", "holds_classifier"]


def _without_searches(estimator: Any) -> Any:
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    return estimator


def _innermost(estimator: Any) -> Any:
    inner = _without_searches(estimator)
    while not hasattr(inner, "taxonomy_") and hasattr(inner, "steps"):
        inner = _without_searches(inner.steps[-1][1])
    return inner


def holds_classifier(estimator: Any) -> bool:
    """Whether an estimator is or holds a fitted classifier with a taxonomy."""
    return hasattr(_innermost(estimator), "taxonomy_")


def classifier_within(estimator: Any) -> Any:
    """Return the fitted classifier with a taxonomy that an estimator is or holds.

    Searches are followed to their best estimator, Pipelines to their last step.

    Raises
    ------
    ValueError
        If there is none.
    """
    inner = _innermost(estimator)
    if not hasattr(inner, "taxonomy_"):
        raise ValueError(
            f"{type(estimator).__name__} holds no fitted classifier with a taxonomy. Pass "
            "`taxonomy=` where there is such a parameter, or fit a HierarchicalClassifier, "
            "alone or as the last step of a Pipeline."
        )
    return inner


def ask(estimator: Any, method: str, X: Any, **params: Any) -> Any:
    """Call a method of the classifier within, such as ``predict_node_proba``.

    X passes the steps before the classifier in its Pipelines first.
    """
    inner = classifier_within(estimator)
    outer = _without_searches(estimator)
    while outer is not inner:
        X = outer[:-1].transform(X) if len(outer.steps) > 1 else X
        outer = _without_searches(outer.steps[-1][1])
    return getattr(inner, method)(X, **params)
