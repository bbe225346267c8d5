"""Weights of linear local models, read as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegressionCV, RidgeClassifierCV

from sklhier._local import linear_fit
from sklhier._local.model import LocalModel
from sklhier._local.single_weights import as_table
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier.explanation._scores import Between, DecisionScores

__all__ = ["LinearScores", "as_csr", "is_explained_linearly"]

# Beside those that are stored in a packed form.
_LINEAR = (LogisticRegressionCV, RidgeClassifierCV, LinearDiscriminantAnalysis)


def is_explained_linearly(estimator: Any) -> bool:
    """Whether the scores of an estimator are weights times features."""
    return linear_fit.is_linear(estimator) or type(estimator) in _LINEAR


def as_csr(X: Any) -> Any:
    """Return a table of numbers as float64 in sparse rows, a copy without duplicates."""
    table: Any = X if sparse.issparse(X) else np.asarray(X, dtype=np.float64)
    rows: Any = sparse.csr_array(table, copy=True).astype(np.float64)
    rows.sum_duplicates()
    return rows


@dataclass(frozen=True)
class Weights:
    """The weights of one linear estimator.

    Attributes
    ----------
    coef : ndarray, shape (n_rows, n_used)
    intercept : ndarray, shape (n_rows,)
    columns : ndarray of int32, shape (n_used,), or None
        The columns of the features that have weights, ascending; None: all.
    """

    coef: Any
    intercept: Floats
    columns: Any

    @classmethod
    def of(cls, model: LocalModel, last: Any) -> Self:
        coef = np.atleast_2d(as_table(last.coef_))
        intercept = np.broadcast_to(np.asarray(last.intercept_, np.float64).ravel(), len(coef))
        return cls(coef, intercept, None if model.subset is None else model.subset.columns)

    def at(self, rows: Rows, columns: Rows) -> Floats:
        """Return some rows of the weights of some columns, 0 where there are none."""
        if self.columns is None:
            own: Floats = self.coef[np.ix_(rows, columns)].astype(np.float64)
            return own
        places = np.minimum(np.searchsorted(self.columns, columns), len(self.columns) - 1)
        found: Floats = self.coef[np.ix_(rows, places)].astype(np.float64)
        found[:, self.columns[places] != columns] = 0.0
        return found

    @property
    def used(self) -> Rows:
        """The columns that have weights."""
        return np.arange(self.coef.shape[1]) if self.columns is None else self.columns

    @property
    def n_rows(self) -> int:
        """The number of scores."""
        return len(self.coef)


@dataclass(frozen=True)
class LinearScores(DecisionScores):
    """Scores that are linear functions of features."""

    @classmethod
    def of_columns(cls, nodes: NodeIds, coef: Any, intercept: Any, columns: Rows) -> Self:
        """Return the scores of nodes that have a row each in one table of weights."""
        weights = Weights(coef, np.asarray(intercept, dtype=np.float64), None)
        return cls(nodes, [], [weights], [(0, column) for column in columns.tolist()])

    def features(self, X: Any) -> Any:
        """Return the features of samples."""
        return as_csr(self.through_steps(X))

    def terms(self, X: Any) -> LinearTerms:
        """Return the scores of samples, taken apart."""
        features = self.features(X)
        used, columns = np.unique(features.indices, return_inverse=True)
        used = used.astype(np.intp)
        return LinearTerms(features, used, columns, self.weights(used), self.intercepts)

    def weights(self, columns: Rows) -> Floats:
        """Return the weight of each outcome and of some features, (k, n_columns)."""
        found = np.zeros((len(self.outcomes), len(columns)))
        for number, part in enumerate(self.parts):
            own, rows = self.own_rows(number)
            found[own] = part.at(rows, columns)
        return found

    @property
    def used(self) -> Rows:
        """The features that have weights, ascending."""
        return np.unique(np.concatenate([part.used for part in self.parts]))


@dataclass(frozen=True)
class LinearTerms:
    """Linear scores of some samples, taken apart.

    Attributes
    ----------
    features : csr_array, shape (n, n_features)
    used : ndarray of intp
        The features that occur.
    columns : ndarray of intp
        Of each entry, the position of its feature among them.
    weights : ndarray of float64, shape (k, n_used)
    intercepts : ndarray of float64, shape (k,)
    """

    features: Any
    used: Rows
    columns: Rows
    weights: Floats
    intercepts: Floats

    def totals(self) -> Floats:
        """Return the score of each outcome, (n, k)."""
        cells = (self.features.data, self.columns, self.features.indptr)
        table = sparse.csr_array(cells, shape=(self.features.shape[0], len(self.used)))
        totals: Floats = table @ self.weights.T + self.intercepts
        return totals

    def between(self, chosen: Rows, foils: Rows) -> Between:
        """Return what makes the difference of two outcomes of each sample."""
        places = np.repeat(np.arange(len(chosen)), np.diff(self.features.indptr))
        of_chosen, of_foils = (self.weights[own[places], self.columns] for own in (chosen, foils))
        data = self.features.data
        return Between(places, self.used[self.columns], data, data * (of_chosen - of_foils))
