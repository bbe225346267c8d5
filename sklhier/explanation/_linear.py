"""Weights of linear local models, read as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegressionCV, RidgeClassifierCV

from sklhier._local import linear_fit
from sklhier._local.model import LocalModel
from sklhier._local.problem import REST
from sklhier._local.single_weights import as_table
from sklhier._utils.pipelines import steps_and_last, transformed
from sklhier._utils.typing import Floats, NodeIds, Objects, Rows
from sklhier.exceptions import IncompatiblePartsError

__all__ = ["FeatureNames", "LinearScores", "as_csr", "of_presence"]

# Beside those that are stored in a packed form.
_LINEAR = (LogisticRegressionCV, RidgeClassifierCV, LinearDiscriminantAnalysis)
_NO_ROW = -1  # the score of an outcome that has no weights is 0


def as_csr(X: Any) -> Any:
    """Return a table of numbers as float64 in sparse rows, a copy without duplicates."""
    table: Any = X if sparse.issparse(X) else np.asarray(X, dtype=np.float64)
    rows: Any = sparse.csr_array(table, copy=True).astype(np.float64)
    rows.sum_duplicates()
    return rows


@dataclass(frozen=True)
class FeatureNames:
    """Names of features; where there are none, ``"x7"`` is the eighth.

    Attributes
    ----------
    names : ndarray of object, shape (n_features,), or None
    lost : bool, default=False
        Whether a step has no names to give, so that features are numbered.
    """

    names: Objects | None
    lost: bool = False

    @classmethod
    def given(cls, names: Any) -> Self:
        """Return the names that an estimator was fitted with, or None."""
        return cls(None if names is None else np.asarray(names, dtype=object))

    def through(self, steps: Sequence[Any]) -> FeatureNames:
        """Return the names of the features that fitted transformers make of these."""
        found = self
        for step in steps:
            try:
                names = step.get_feature_names_out(found.names)
            except AttributeError:  # of a step such as HashingVectorizer
                found = FeatureNames(None, lost=True)
            else:
                found = FeatureNames(np.asarray(names, dtype=object), found.lost)
        return found

    def of(self, columns: Rows) -> Objects:
        """Return the names of some columns."""
        if self.names is not None:
            return self.names[columns]
        names = np.empty(len(columns), dtype=object)
        names[:] = [f"x{column}" for column in columns.tolist()]
        return names


@dataclass(frozen=True)
class _Weights:
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


@dataclass(frozen=True)
class LinearScores:
    """The decision scores of the outcomes of one decision, as linear functions of features.

    Attributes
    ----------
    outcomes : ndarray of int32, shape (k,)
        Ids of nodes; -1 for what belongs to none of them.
    steps : list of transformers
        What makes the features of samples; empty if samples are features.
    parts : list of _Weights
        Those of one estimator, or of one for each outcome.
    places : list of tuple of int
        For each outcome, the estimator and the row of its weights; row -1 for a score of 0.
    """

    outcomes: NodeIds
    steps: list[Any]
    parts: list[_Weights]
    places: list[tuple[int, int]]

    @classmethod
    def of_model(cls, model: LocalModel, where: str) -> Self:
        """Return the scores of one model: of each class, or of a binary model's second class."""
        steps, last = _linear(model, where)
        weights = _Weights.of(model, last)
        n_rows, k = len(weights.coef), len(model.outcomes)
        rows = [_NO_ROW, 0] if (n_rows, k) == (1, 2) else range(k)
        if n_rows != len(rows) and not (n_rows == 1 and k == 2):
            raise _refusal(last, where, f"it has {n_rows} rows of weights for {k} outcomes")
        return cls(model.outcomes, steps, [weights], [(0, row) for row in rows])

    @classmethod
    def of_columns(cls, nodes: NodeIds, coef: Any, intercept: Any, columns: Rows) -> Self:
        """Return the scores of nodes that have a row each in one table of weights."""
        weights = _Weights(coef, np.asarray(intercept, dtype=np.float64), None)
        return cls(nodes, [], [weights], [(0, column) for column in columns.tolist()])

    @classmethod
    def of_binary_models(cls, nodes: NodeIds, models: Sequence[LocalModel], where: str) -> Self:
        """Return the scores of nodes that have a binary model each."""
        read = [_linear(model, where) for model in models]
        if any(steps for steps, _ in read):
            raise IncompatiblePartsError.needs(
                "explain",
                "the same features in all of them",
                f"each model of {where} has transformers of its own",
                "Put the transformers before the classifier, or use strategy='per_parent'.",
            )
        parts = [_Weights.of(model, last) for model, (_, last) in zip(models, read, strict=True)]
        return cls(nodes, [], parts, [(part, 0) for part in range(len(parts))])

    def among(self, nodes: NodeIds) -> Self:
        """Return the scores of those outcomes that are among some nodes."""
        kept = np.flatnonzero(np.isin(self.outcomes, nodes)).tolist()
        return type(self)(
            self.outcomes[kept], self.steps, self.parts, [self.places[place] for place in kept]
        )

    def with_nothing(self) -> Self:
        """Return the scores with one more outcome, -1, whose score is 0."""
        outcomes = np.append(self.outcomes, np.int32(REST))
        return type(self)(outcomes, self.steps, self.parts, [*self.places, (0, _NO_ROW)])

    def features(self, X: Any) -> Any:
        """Return the features of samples."""
        for step in self.steps:
            X = transformed(step.steps, X)
        return as_csr(X)

    def weights(self, columns: Rows) -> Floats:
        """Return the weight of each outcome and of some features, (k, n_columns)."""
        found = np.zeros((len(self.outcomes), len(columns)))
        owners, rows = np.array(self.places).reshape(-1, 2).T
        for number, part in enumerate(self.parts):
            own = np.flatnonzero((owners == number) & (rows != _NO_ROW))
            found[own] = part.at(rows[own], columns)
        return found

    @property
    def intercepts(self) -> Floats:
        """The intercept of each outcome, (k,)."""
        found = [0.0 if row == _NO_ROW else self.parts[p].intercept[row] for p, row in self.places]
        return np.array(found, dtype=np.float64)

    @property
    def used(self) -> Rows:
        """The features that have weights, ascending."""
        return np.unique(np.concatenate([part.used for part in self.parts]))


def of_presence(model: LocalModel, node: int, where: str) -> LinearScores:
    """Return the scores of a node and of its absence, from a model that decides about it."""
    scores = LinearScores.of_model(model, where)
    place = scores.places[int(np.flatnonzero(model.outcomes == node)[0])]
    both = np.array([REST, node], dtype=np.int32)
    return LinearScores(both, scores.steps, scores.parts, [(0, _NO_ROW), place])


def _linear(model: LocalModel, where: str) -> tuple[list[Any], Any]:
    """Return the transformers within a local model, and the linear estimator behind them."""
    steps, last = steps_and_last(model.estimator)
    if model.upstream is not None:
        raise IncompatiblePartsError.needs(
            "explain",
            "models that see the features of samples alone",
            f"the model of {where} sees outputs of others",
            "Fit with chain=None.",
        )
    if not (linear_fit.is_linear(last) or type(last) in _LINEAR):
        raise _refusal(last, where, "it is none of these")
    return steps, last


def _refusal(last: Any, where: str, why: str) -> IncompatiblePartsError:
    return IncompatiblePartsError.needs(
        "explain",
        "linear local models, whose scores are sums over features",
        f"{where} is decided by a {type(last).__name__}, and {why}",
        "Use LogisticRegression, LinearSVC, SGDClassifier, RidgeClassifier, Perceptron, "
        "LinearDiscriminantAnalysis or a class of sklhier.linear_model, alone or at the end of a "
        "Pipeline. For trees, pass one of `estimators_` to a package such as shap.",
    )
