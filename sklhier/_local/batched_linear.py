"""Batched predictions of linear models on sparse X.

A taxonomy has thousands of small linear models, and a call of each one costs more than its
product. Here the rows of X are taken once, and models that share a shape are one product. Every
number is the one that the models' own methods return. The environment variable
``SKLHIER_BATCHED_LINEAR=0`` switches it off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, cast

import numpy as np

from sklhier._local import linear_predict
from sklhier._local.keys import ModelKey
from sklhier._local.linear_fit import ColumnSubset
from sklhier._local.model import LocalModel, Models
from sklhier._local.outputs import conditional, output_table, read_outputs
from sklhier._local.sparse_rows import SparseRows
from sklhier._probabilities.calibrated import OneVsRestLink, PowerLink
from sklhier._utils.typing import Floats, Rows
from sklhier.links import Link
from sklhier.taxonomy import _graph as ops

__all__ = ["ENABLED", "BatchedLinear", "Group", "Segment"]

ENABLED = os.environ.get("SKLHIER_BATCHED_LINEAR", "1") != "0"

# A model, and the range of rows that it is asked for.
Segment = tuple[ModelKey, int, int]


@dataclass(frozen=True)
class Group:
    """The shape that linear models of one batch share.

    Attributes
    ----------
    method : str
        The prediction method whose outputs are computed.
    inverse_link : callable
        Turns decision scores into these outputs.
    link : Link or None
        Turns the outputs into probabilities; the models share the object. None: each has its own.
    n_outcomes : int
        Number of outcomes of each model.
    dtype : dtype
        Of the weights.
    """

    method: str
    inverse_link: Callable[[Floats], Floats]
    link: Link | None
    n_outcomes: int
    dtype: Any


class BatchedLinear:
    """Linear models on the rows of a sparse X.

    Parameters
    ----------
    models : mapping of ModelKey to LocalModel
        Models of any kind.
    X : array-like
        Samples of any kind; only sparse rows of finite numbers are batched.
    """

    def __init__(self, models: Models, X: Any) -> None:
        self._models = models
        self._X = X
        # Decision scores of all rows, computed together with those of siblings; for one use.
        self._precomputed: dict[ModelKey, Floats] = {}

    @cached_property
    def rows(self) -> SparseRows | None:
        """The rows of X; None where they cannot be batched."""
        return SparseRows.of(self._X)

    def supports(self, model: LocalModel) -> bool:
        """Whether the outputs of a model can be computed here."""
        if model.subset is None or self.rows is None:
            return False
        return linear_predict.supports(model.estimator, model.subset, self.rows)

    def outputs(self, model: LocalModel, method: str, rows: Rows | None) -> Floats:
        """Return the outputs of a supported model, ndarray of float64, (n_rows, n_outcomes)."""
        taken, subset = cast(SparseRows, self.rows), cast(ColumnSubset, model.subset)
        scores = self._precomputed.pop(model.key, None) if rows is None else None
        if rows is not None:
            taken = taken.at(rows)
        outputs = linear_predict.predict_rows(model.estimator, subset, method, taken, scores)
        return read_outputs(outputs, model, method)

    # -- models with equally many outcomes, each for rows of its own --------------------------

    def group_of(self, model: LocalModel, n_outcomes: int) -> Group | None:
        """Return the shape by which a model is batched with others; None for one that is not."""
        outcomes, subset = model.outcomes, model.subset
        if subset is None or self.rows is None:
            return None
        if model.is_multi_output or len(outcomes) != n_outcomes or model.has_rest:
            return None
        if not linear_predict.supports(model.estimator, subset, self.rows):
            return None
        inverse_link = linear_predict.inverse_link(model.estimator, model.method, self.rows)
        n_scores = linear_predict.n_scores_of(model.estimator)
        if inverse_link is None or n_scores != (1 if n_outcomes == 2 else n_outcomes):
            return None
        dtype = model.estimator.coef_.dtype
        link = None if isinstance(model.link, OneVsRestLink | PowerLink) else model.link
        return Group(model.method, inverse_link, link, n_outcomes, dtype)

    def group_proba(self, group: Group, segments: Sequence[Segment], rows: Rows) -> Floats:
        """Return the probabilities of the outcomes of several models, one below the other.

        Parameters
        ----------
        group : Group
            The shape of the models.
        segments : sequence of (key, start, stop)
            ``rows[start:stop]`` of the original pairs belong to a model; here one after the other.
        rows : ndarray of intp, shape (n,)
            The rows of all segments.

        Returns
        -------
        proba : ndarray of float64, shape (n, n_outcomes)
            Not finite where a model rules everything out.
        """
        models = [self._models[key] for key, _, _ in segments]
        bounds = ops.offsets_of([stop - start for _, start, stop in segments]).tolist()
        taken = cast(SparseRows, self.rows).at(rows)
        stored: Any = [(model.estimator, model.subset) for model in models]
        scores = linear_predict.scores_of(stored, taken, bounds)
        outputs = output_table(group.inverse_link(scores), group.method, group.n_outcomes)
        outcomes = models[0].outcomes
        if group.link is not None:
            proba = group.link.proba(outputs)
        else:  # calibrated models
            pairs = zip(models, pairwise(bounds), strict=True)
            proba = np.concatenate([m.link.proba(outputs[i:j]) for m, (i, j) in pairs])
        return conditional(proba, outcomes, outcomes)

    # -- binary models of siblings, all for all rows ------------------------------------------

    def runs_of_siblings(self, keys: Sequence[ModelKey]) -> Iterator[list[ModelKey]]:
        """Yield runs of models that are binary and linear in the same columns.

        A run has one model where batches do not pay: for few rows.
        """
        if self.rows is None or not self.rows.are_many:
            yield from ([key] for key in keys)
            return
        run: list[ModelKey] = []
        for key in keys:
            if run and not self._same_columns(self._models[key], self._models[run[-1]]):
                yield run
                run = []
            run.append(key)
        if run:
            yield run

    def _same_columns(self, model: LocalModel, other: LocalModel) -> bool:
        if not (self.supports(model) and self.supports(other)):
            return False
        first, second = (
            (type(m.estimator), m.is_multi_output, len(m.outcomes), m.estimator.coef_.shape)
            for m in (model, other)
        )
        if first != second or model.is_multi_output or len(model.outcomes) != 2:
            return False
        columns, others = (cast(ColumnSubset, m.subset).columns for m in (model, other))
        same_dtype = model.estimator.coef_.dtype == other.estimator.coef_.dtype
        alike = same_dtype and model.method == other.method
        return alike and (columns is others or np.array_equal(columns, others))  # None: all

    def proba_of_siblings(self, models: Sequence[LocalModel], rows: Rows) -> Floats | None:
        """Return the probability of each of several binary models, for the same rows.

        None for models that cannot be one product. Not finite where a model rules everything out.
        """
        first = models[0]
        if self.rows is None or not all(self._same_columns(m, first) for m in models[1:]):
            return None
        inverse_link = linear_predict.inverse_link(first.estimator, first.method, self.rows)
        if inverse_link is None:
            return None
        stored: Any = [(model.estimator, model.subset) for model in models]
        scores = linear_predict.scores_side_by_side(stored, self.rows.at(rows))
        outputs = output_table(inverse_link(scores.reshape(-1, 1)), first.method, 2)
        outcomes = first.outcomes
        if all(model.link is first.link for model in models):
            proba = conditional(first.link.proba(outputs), outcomes, outcomes)
            return proba[:, 1].reshape(scores.shape)
        of_models = outputs.reshape(*scores.shape, 2)  # calibrated, each in its own way
        columns = [
            conditional(model.link.proba(of_models[:, place]), outcomes, outcomes)[:, 1]
            for place, model in enumerate(models)
        ]
        return np.column_stack(columns)

    def precompute(self, keys: Sequence[ModelKey]) -> None:
        """Compute the decision scores of a run of siblings for all rows, in one product."""
        first, rows = self._models[keys[0]], cast(SparseRows, self.rows)
        if linear_predict.inverse_link(first.estimator, first.method, rows) is None:
            return
        stored: Any = [(self._models[key].estimator, self._models[key].subset) for key in keys]
        scores = linear_predict.scores_side_by_side(stored, rows)
        self._precomputed |= {key: scores[:, [i]] for i, key in enumerate(keys)}
