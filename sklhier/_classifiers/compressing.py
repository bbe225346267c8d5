"""Fitted linear models made smaller, for prediction alone."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklhier._local import linear_fit
from sklhier._local.keys import ModelKey
from sklhier._local.model import LocalModel
from sklhier._training.marginals import PathModels, SetModels, named_models
from sklhier._utils.pickling import unchanged_on_error
from sklhier._utils.validation import check_number, shown
from sklhier.exceptions import IncompatiblePartsError, quoted

__all__ = ["Compressible", "CompressionReport"]

_COMPRESSION_DTYPE = np.dtype(
    [
        ("node", object),
        ("fitted", object),
        ("n_columns_before", np.int64),
        ("n_columns", np.int64),
        ("n_dropped", np.int64),
        ("n_bytes_before", np.int64),
        ("n_bytes", np.int64),
    ]
)
_SIZES = _COMPRESSION_DTYPE.names[2:]  # type: ignore[index]


@dataclass(frozen=True)
class CompressionReport:
    """The fate of each local model when it was compressed.

    Records hold objects, which skops cannot save: they are made when they are read.

    Attributes
    ----------
    fitted : ndarray of str
        Type of each estimator, and whether it was left as it is.
    sizes : ndarray of int64, shape (n_models, 5)
        The other columns.
    """

    fitted: np.ndarray[Any, Any]
    sizes: np.ndarray[Any, Any]

    @classmethod
    def of(cls, records: np.ndarray[Any, Any]) -> CompressionReport:
        """Return the report of records, as earlier versions stored them."""
        sizes = np.array([records[name] for name in _SIZES], dtype=np.int64).reshape(5, -1).T
        return cls(records["fitted"].astype(np.str_), sizes)

    def records(self, names: list[Hashable]) -> np.ndarray[Any, Any]:
        """Return a record for each model, given the names of the models."""
        records = np.empty(len(names), dtype=_COMPRESSION_DTYPE)
        records["node"][:] = np.fromiter(names, dtype=object, count=len(names))
        records["fitted"][:] = self.fitted.tolist()
        for name, column in zip(_SIZES, self.sizes.T, strict=True):
            records[name] = column
        return records


class Compressible:
    """A classifier whose local models can be made smaller."""

    _model: PathModels | SetModels
    _compressed: CompressionReport  # after compress

    def compress(self, *, dtype: Any = "float32", min_weight: float = 0.0) -> Self:
        """Compress fitted linear models, for prediction only.

        Weights get another precision, and small weights may become 0. Columns of zeros are not
        stored; a model with more than half zeros stores only the other weights, with 5 bytes for
        each and 5 for each column. This works for ``LinearSVC``, ``LogisticRegression``,
        ``SGDClassifier``, ``RidgeClassifier``, ``Perceptron``, ``PassiveAggressiveClassifier`` and
        the classifiers of :mod:`sklhier.linear_model`, alone or as the last step of a Pipeline,
        fitted to sparse or dense X; all others do not change. Models that use outputs of others
        (`chain`) only change their precision.

        Parameters
        ----------
        dtype : "float32" or None, default="float32"
            Dtype of the weights. float32 takes half the space and changes probabilities in the
            sixth digit. None keeps the dtype.
        min_weight : float, default=0.0
            Weights with a smaller absolute value become 0, which changes predictions: compare them
            on held-out samples. A suitable value depends on the scale of X and the base estimator.
            Files shrink further with ``joblib.dump(model, path, compress=3)``.

        Returns
        -------
        self : object
            This classifier, changed in place. ``copy.copy(model).compress()`` does not change
            `model`.

        Raises
        ------
        IncompatiblePartsError
            If no local model has one of these types.
        ValueError
            For an invalid dtype, and for a weight that is negative or not finite.

        Notes
        -----
        ``compression_report_`` shows the change of each model; ``estimators_`` returns
        them in full width with the remaining weights. Compressed models cannot learn further:
        ``partial_fit`` is refused, ``fit`` starts again.

        Examples
        --------
        >>> from sklearn.svm import LinearSVC
        >>> from sklhier import HierarchicalClassifier
        >>> from sklhier.datasets import make_hierarchical_text
        >>> X, y, taxonomy = make_hierarchical_text(300, branching=(3, 2), random_state=0)
        >>> model = HierarchicalClassifier(LinearSVC(), taxonomy=taxonomy).fit(X, y)
        >>> before = model.predict(X)
        >>> report = model.compress().compression_report_
        >>> bool((model.predict(X) == before).all())
        True
        >>> bool(report["n_bytes"].sum() < 0.6 * report["n_bytes_before"].sum())
        True
        """
        with unchanged_on_error(self):
            return self._compress(dtype, min_weight)

    def _compress(self, dtype: Any, min_weight: float) -> Self:
        check_is_fitted(self, "taxonomy_")
        if dtype is not None and not _is_float32(dtype):
            raise ValueError(
                "`dtype` must be 'float32', or None to keep the dtype of weights, got "
                f"{shown(dtype)}."
            )
        check_number("min_weight", min_weight, least=0)
        models = list(named_models(self._model))
        # By exact type: a subclass may use its weights in other ways.
        able = [linear_fit.is_linear(model.estimator) for _, model in models]
        if models and not any(able):
            types = sorted({type(model.estimator).__name__ for _, model in models})
            raise IncompatiblePartsError.needs(
                "compress",
                "linear models as local models, such as LinearSVC or LogisticRegression",
                f"those of this classifier are of the type {quoted(types)}",
                "Use such a base estimator, not a subclass, alone or at the end of a Pipeline.",
            )
        pairs = zip(models, able, strict=True)
        smaller: list[dict[ModelKey, LocalModel]] = [{} for _ in self._model.models]
        kinds: list[str] = []
        sizes = np.zeros((len(models), 5), dtype=np.int64)
        for number, (((member, _), model), is_linear) in enumerate(pairs):
            kind = type(model.estimator).__name__
            if is_linear:
                model, sizes[number] = model.compressed(dtype, min_weight)
            smaller[member][model.key] = model
            kinds.append(kind if is_linear else f"{kind}: left as it is")
        # Replaced and not changed: copies of this classifier keep the models as they were.
        self._model = replace(self._model, models=smaller)
        self._compressed = CompressionReport(np.array(kinds, dtype=np.str_), sizes)
        return self

    @property
    def compression_report_(self) -> np.ndarray[Any, Any]:
        """Structured array with a record for each local model, after :meth:`compress`."""
        if not hasattr(self, "_compressed"):
            raise AttributeError("`compression_report_` is only available after compress.")
        return self._compressed.records([name for (_, name), _ in named_models(self._model)])

    def _refuse_compressed(self) -> None:
        """Raise an error if models have lost what they would go on learning from."""
        if hasattr(self, "_compressed"):
            raise ValueError(
                "partial_fit must not follow compress, which has rounded or dropped the weights to "
                "update. Fit again, or compress a copy: copy.copy(model).compress()."
            )


def _is_float32(dtype: Any) -> bool:
    return dtype is np.float32 or (isinstance(dtype, str | np.dtype) and dtype == "float32")
