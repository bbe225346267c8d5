"""Calls of local models, with their extra features; once where others need the outputs."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples

from sklhier._local import batched_linear
from sklhier._local.batched_linear import BatchedLinear
from sklhier._local.dense_rows import DenseRows
from sklhier._local.extra_features import ExtraFeatures, extra_features
from sklhier._local.keys import ModelKey, described
from sklhier._local.model import Models, Upstream
from sklhier._local.outputs import outputs_of, read_outputs
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Bools, Floats, Rows
from sklhier.exceptions import LocalPredictError
from sklhier.taxonomy import Taxonomy

__all__ = ["ModelCalls"]


class ModelCalls:
    """Outputs of local models for some samples.

    Parameters
    ----------
    models : mapping of ModelKey to LocalModel
        The models of one strategy.
    X : array-like
        Samples.
    taxonomy : Taxonomy
        For error messages and the names of extra features.
    chained : bool, default=True
        Whether to look for models that see others.
    """

    def __init__(
        self, models: Models, X: Any, taxonomy: Taxonomy, *, chained: bool = True
    ) -> None:
        self.models = models
        self._X = X
        self.n_rows = _num_samples(X)
        self.taxonomy = taxonomy
        self.batched = BatchedLinear(models, X) if batched_linear.ENABLED else None
        upstream = [m.upstream for m in models.values() if m.upstream] if chained else []
        self._sources = {key for seen in upstream for key in seen.keys}
        self._memo: dict[tuple[ModelKey, str], tuple[Floats, Bools]] = {}

    def is_source(self, key: ModelKey) -> bool:
        """Whether other models see the outputs of a model."""
        return key in self._sources

    def n_queried(self, rows: Rows | None) -> int:
        """Return the number of samples that `rows` stand for."""
        return self.n_rows if rows is None else len(rows)

    def outputs(self, key: ModelKey, method: str, rows: Rows | None) -> Floats:
        """Return the outputs of a model for some samples.

        Parameters
        ----------
        key : ModelKey
            The model.
        method : str
            The prediction method that is called.
        rows : ndarray of intp, shape (n,), or None
            Positions of the samples, ascending; None: all.

        Returns
        -------
        outputs : ndarray of float64, shape (n, n_outcomes)
        """
        # Only what several models read is kept: a table for every model would not fit in memory.
        if key not in self._sources:
            return self._call(key, method, rows)
        if (key, method) not in self._memo:
            shape = (self.n_rows, len(self.models[key].outcomes))
            self._memo[key, method] = np.zeros(shape), np.zeros(self.n_rows, dtype=bool)
        table, is_known = self._memo[key, method]
        queried = np.arange(self.n_rows) if rows is None else rows
        missing = queried[~is_known[queried]]  # decoders come back with other rows
        if missing.size:
            table[missing] = self._call(key, method, missing)
            is_known[missing] = True
        return table[queried]

    def _call(self, key: ModelKey, method: str, rows: Rows | None) -> Floats:
        model = self.models[key]
        extra = self._extra(model.upstream, rows) if model.upstream else None
        try:
            return self._call_model(key, method, rows, extra)
        except MemoryError:  # of the machine, not of the estimator
            raise
        except Exception as error:
            raise LocalPredictError.at(
                error,
                model.estimator,
                described(key, self.taxonomy),
                self.n_queried(rows),
            ) from error

    def _call_model(
        self, key: ModelKey, method: str, rows: Rows | None, extra: ExtraFeatures | None
    ) -> Floats:
        model = self.models[key]
        if self.batched is not None and self.batched.supports(model):
            return self.batched.outputs(model, method, rows)
        if self.dense is not None and model.subset is None and extra is None:
            outputs = self.dense.outputs(model.estimator, method, rows)
            if outputs is not None:
                return read_outputs(outputs, model, method)
        X = self._X if rows is None else take_rows(self._X, rows)
        return outputs_of(model, X, extra, method)

    @cached_property
    def dense(self) -> DenseRows | None:
        """The rows of a dense X; None where each model checks them itself."""
        return DenseRows.of(self._X) if batched_linear.ENABLED else None

    def _extra(self, upstream: Upstream, rows: Rows | None) -> ExtraFeatures:
        sources = [
            (self.models[key], self.outputs(key, upstream.chain.method, rows))
            for key in upstream.keys
        ]
        return extra_features(upstream.chain, sources)
