"""Default candidates of a strategy that chooses, which depend on the samples."""

from __future__ import annotations

from typing import Any

from scipy import sparse

from sklhier._classifiers.multihead import MultiHeadClassifier
from sklhier.strategies import Auto, Strategy

__all__ = ["with_joint_model"]


def with_joint_model(strategy: Strategy, model: Any, X: Any) -> Strategy:
    """Return a strategy that chooses with a joint model among its default candidates, if it may.

    Where users give base estimators of their own, nothing else is fitted.
    """
    is_ours = model.estimator is None and model.node_estimators is None and model.link is None
    if isinstance(strategy, Auto) and is_ours and not sparse.issparse(X):
        return strategy.with_default(MultiHeadClassifier(random_state=0))
    return strategy
