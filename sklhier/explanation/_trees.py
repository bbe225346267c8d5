"""Shapley values of trees and forests, as the package shap computes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from sklhier._local.model import LocalModel
from sklhier._utils.memory_blocks import most_numbers
from sklhier._utils.typing import Floats, Rows
from sklhier.explanation._scores import NO_ROW, Between, DecisionScores

__all__ = ["Tree", "TreeScores", "is_tree"]

_IN_SINGLE = (
    DecisionTreeClassifier,
    ExtraTreeClassifier,
    RandomForestClassifier,
    ExtraTreesClassifier,
)


def is_tree(estimator: Any) -> bool:
    """Whether an estimator is a tree or a set of trees that can be explained."""
    return type(estimator) in (*_IN_SINGLE, HistGradientBoostingClassifier)


@dataclass(frozen=True)
class Tree:
    """A tree or a set of trees, with its explainer.

    Attributes
    ----------
    estimator : classifier
    explainer : shap.TreeExplainer
    """

    estimator: Any
    explainer: Any

    @classmethod
    def of(cls, model: LocalModel, last: Any) -> Self:  # noqa: ARG003
        """Return what explains an estimator.

        Raises
        ------
        ImportError
            Without shap.
        """
        try:
            from shap import TreeExplainer
        except ModuleNotFoundError as error:
            raise ImportError(
                "Explaining trees needs shap, which is not installed: pip install shap. Linear "
                "models do not need it."
            ) from error
        return cls(last, TreeExplainer(last))

    @cached_property
    def intercept(self) -> Floats:
        """The score of each outcome that the trees expect before they see a feature."""
        return np.atleast_1d(np.asarray(self.explainer.expected_value, dtype=np.float64))

    @property
    def n_rows(self) -> int:
        """The number of scores."""
        return len(self.intercept)

    def values(self, features: Any) -> Floats:
        """Return the Shapley value of each feature for each score, (n, n_features, n_rows)."""
        # Trees of scikit-learn compare numbers in single precision.
        kind = np.float32 if type(self.estimator) in _IN_SINGLE else np.float64
        found = np.asarray(self.explainer.shap_values(features.astype(kind)), dtype=np.float64)
        return found.reshape(*features.shape, -1)


@dataclass(frozen=True)
class TreeScores(DecisionScores):
    """Scores of trees: probabilities of forests, log-odds of boosted trees."""

    def _absent(self, place: tuple[int, int]) -> tuple[int, int]:
        part, row = place
        return part, (1 - row if self.parts[part].n_rows == 2 else NO_ROW)

    def rows_at_once(self, most: int) -> int:
        """Return how many samples to take apart at a time, all features for all outcomes."""
        n_numbers = 2 * self.parts[0].estimator.n_features_in_ * len(self.outcomes)
        return max(1, min(most, most_numbers() // n_numbers))

    def terms(self, X: Any) -> TreeTerms:
        """Return the scores of samples, taken apart."""
        X = self.through_steps(X)
        table: Any = X.toarray() if sparse.issparse(X) else X  # type: ignore[attr-defined]
        features = np.asarray(table, dtype=np.float64)
        values = np.zeros((*features.shape, len(self.outcomes)))
        for number, part in enumerate(self.parts):
            own, rows = self.own_rows(number)
            values[:, :, own] = part.values(features)[:, :, rows]
        return TreeTerms(features, values, self.intercepts)


@dataclass(frozen=True)
class TreeTerms:
    """Scores of trees for some samples, taken apart.

    Attributes
    ----------
    features : ndarray of float64, shape (n, n_features)
    values : ndarray of float64, shape (n, n_features, k)
    intercepts : ndarray of float64, shape (k,)
    """

    features: Floats
    values: Floats
    intercepts: Floats

    def totals(self) -> Floats:
        """Return the score of each outcome, (n, k)."""
        totals: Floats = self.values.sum(axis=1) + self.intercepts
        return totals

    def between(self, chosen: Rows, foils: Rows) -> Between:
        """Return what makes the difference of two outcomes of each sample."""
        each = np.arange(len(chosen))
        differences = self.values[each, :, chosen] - self.values[each, :, foils]
        places, columns = np.nonzero(differences)
        values = self.features[places, columns]
        return Between(places, columns, values, differences[places, columns])
