"""Predictions of linear models for sparse rows: products of matrices, and functions of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import Pipeline

from sklhier._local.linear_fit import ColumnSubset, full_width, with_table
from sklhier._local.single_weights import SingleWeights
from sklhier._local.sparse_rows import SparseRows
from sklhier._utils import compat
from sklhier._utils.kernels import compiled_predictions
from sklhier._utils.rows import softmax
from sklhier._utils.typing import Floats
from sklhier.linear_model import (
    BlockLogisticRegression,
    ScaledLinearClassifier,
    ScaledLogisticRegression,
)
from sklhier.linear_model._scaled_linear import of_margins
from sklhier.linear_model._scaled_logistic import shares

__all__ = [
    "compiled_link",
    "inverse_link",
    "link_of",
    "n_scores_of",
    "predict",
    "predict_rows",
    "scores_of",
    "scores_side_by_side",
    "supports",
]

_SCALED = (ScaledLinearClassifier, ScaledLogisticRegression)
_FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}  # products are taken in that of the weights


def predict(estimator: Any, subset: ColumnSubset, method: str, X: Any) -> Any:
    """Return what a method of an estimator on a column subset returns for X."""
    if type(estimator) is Pipeline:
        if len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        estimator = estimator.steps[-1][1]
    rows = SparseRows.of(X)
    if rows is None or not supports(estimator, subset, rows):
        every = subset.columns is None
        able = with_table(estimator) if every else full_width(estimator, subset)
        return getattr(able, method)(X)
    return predict_rows(estimator, subset, method, rows)


def supports(estimator: Any, subset: ColumnSubset, rows: SparseRows) -> bool:
    """Whether :func:`predict_rows` can stand for the methods of an estimator on sparse rows."""
    return type(estimator) is not Pipeline and rows.n_columns == subset.n_features


def predict_rows(
    estimator: Any,
    subset: ColumnSubset,
    method: str,
    rows: SparseRows,
    scores: Floats | None = None,
) -> Any:
    """Return what a method of an estimator that is no Pipeline returns for sparse rows.

    The same numbers as from the method itself, which checks its input again for each node. Its
    decision scores may be known.
    """
    link = inverse_link(estimator, method, rows)
    n_rows = len(rows.indptr) - 1
    if link is not None:
        if scores is None:
            scores = scores_of([(estimator, subset)], rows, [0, n_rows])
        found = link(scores)
        # For other numbers versions of scikit-learn differ: the method itself decides.
        if np.isfinite(found).all():
            return found
    data, indices, indptr = rows.among([subset.columns], [0, n_rows])
    n_columns = rows.n_columns if subset.columns is None else len(subset.columns)
    X = sparse.csr_matrix((data, indices, indptr), shape=(n_rows, n_columns))
    return getattr(with_table(estimator), method)(X)


def n_scores_of(estimator: Any) -> int:
    """Return how many decision scores a fitted linear estimator has for a sample."""
    shape = estimator.coef_.shape
    return int(shape[0]) if len(shape) == 2 else 1


def scores_of(
    models: Sequence[tuple[Any, ColumnSubset]], rows: SparseRows, bounds: Sequence[int]
) -> Floats:
    """Return the decision scores of estimators that have equally many of them.

    Parameters
    ----------
    models : sequence of (estimator, ColumnSubset)
        Those for which :func:`inverse_link` finds a function, with weights of the same dtype.
    rows : SparseRows
        Samples.
    bounds : sequence of int
        The rows ``[bounds[i], bounds[i + 1])`` are those of ``models[i]``.

    Returns
    -------
    scores : ndarray of float32 or float64, shape (n_rows, n_scores)
        One column for two classes. Of float32 only if rows and weights are.
    """
    first, subset = models[0]
    dtype = first.coef_.dtype
    found_dtype = np.result_type(rows.data, dtype)
    scores = np.zeros((bounds[-1], n_scores_of(first)), dtype=dtype)
    single = isinstance(first.coef_, SingleWeights)
    alone = len(models) == 1 and subset.columns is not None and not single
    chosen = rows.chosen(subset.columns) if alone else None
    if chosen is not None:
        data, indices, indptr = chosen
        weights = np.atleast_2d(first.coef_).T
        compat.add_csc_product(data.astype(dtype, copy=False), indices, indptr, weights, scores)
        scores += first.intercept_
        return scores.astype(found_dtype, copy=False)
    if _add_compiled(models, rows, bounds, scores):
        return scores.astype(found_dtype, copy=False)
    data, indices, indptr = rows.among([subset.columns for _, subset in models], bounds)
    data = data.astype(dtype, copy=False)
    for (estimator, _), start, stop in zip(models, bounds, bounds[1:], strict=False):
        own, weights = scores[start:stop], estimator.coef_
        if isinstance(weights, SingleWeights):
            weights.add_product(data, indices, indptr[start : stop + 1], own)
        else:
            weights = np.atleast_2d(weights).T  # RidgeClassifier has one row as a vector
            compat.add_csr_product(data, indices, indptr[start : stop + 1], weights, own)
        own += estimator.intercept_
    return scores.astype(found_dtype, copy=False)


def _add_compiled(
    models: Sequence[tuple[Any, ColumnSubset]],
    rows: SparseRows,
    bounds: Sequence[int],
    scores: Floats,
) -> bool:
    """Write scores by compiled products, to the last bit the same; False if there are none."""
    kernels = compiled_predictions()
    if kernels is None or not all(map(_has_kernel, models)):
        return False
    data, indices, indptr = rows.compiled_form(scores.dtype)
    for (estimator, subset), start, stop in zip(models, bounds, bounds[1:], strict=False):
        own, coef, columns = scores[start:stop], estimator.coef_, subset.columns
        if columns is not None:
            columns = columns.astype(np.int32, copy=False)
        about = data, indices, indptr[start : stop + 1], columns
        if isinstance(coef, SingleWeights):
            weights = coef.values, coef.classes, coef.offsets
            kernels.products_single(*about, *weights, rows.zeros, own)
        else:
            kernels.products(*about, np.atleast_2d(coef).T, rows.zeros, own)
        own += estimator.intercept_
    return True


def _has_kernel(model: tuple[Any, ColumnSubset]) -> bool:
    """Whether weights lie in a way that compiled products read, without a copy."""
    coef = model[0].coef_
    if coef.dtype not in _FLOATS:
        return False
    if isinstance(coef, SingleWeights):
        return len(coef.values) > 0 and coef.offsets.dtype == np.int32
    return coef.size > 0 and np.atleast_2d(coef).T.flags.c_contiguous


def scores_side_by_side(models: Sequence[tuple[Any, ColumnSubset]], rows: SparseRows) -> Floats:
    """Return the decision scores of binary estimators that have the same columns.

    Parameters
    ----------
    models : sequence of (estimator, ColumnSubset)
        With links; all with weights of the same columns and of the same dtype.
    rows : SparseRows
        Samples.

    Returns
    -------
    scores : ndarray, shape (n_rows, n_models)
        The same numbers as from :func:`scores_of`.
    """
    first, subset = models[0]
    dtype = first.coef_.dtype
    chosen = None if subset.columns is None else rows.chosen(subset.columns)
    if chosen is None:
        data, indices, indptr = rows.among([subset.columns], [0, len(rows.indptr) - 1])
    else:
        data, indices, indptr = chosen
    if chosen is None and len(indices) < first.coef_.size:
        # Only the weights of columns that occur: a few rows have few.
        used, indices = np.unique(indices, return_inverse=True)
        indices = indices.astype(indptr.dtype)
        weights = np.column_stack([estimator.coef_.ravel()[used] for estimator, _ in models])
    else:
        weights = np.column_stack([estimator.coef_.ravel() for estimator, _ in models])
    scores = np.zeros((len(rows.indptr) - 1, len(models)), dtype=dtype)
    add_product = compat.add_csr_product if chosen is None else compat.add_csc_product
    add_product(data.astype(dtype, copy=False), indices, indptr, weights, scores)
    scores += np.array([float(np.ravel(estimator.intercept_)[0]) for estimator, _ in models])
    return scores.astype(np.result_type(rows.data, dtype), copy=False)


def _margins(scores: Floats) -> Floats:
    return scores[:, 0] if scores.shape[1] == 1 else scores


def _shares(scores: Floats) -> Floats:
    """Return the probabilities of one-vs-rest classifiers, or of a binary one."""
    proba: Floats = expit(scores)
    if proba.shape[1] == 1:
        return np.hstack([1 - proba, proba])
    with np.errstate(invalid="ignore"):
        proba /= proba.sum(axis=1, keepdims=True)
    return proba  # NaN where all are 0


@lru_cache(maxsize=100)
def _sharpened(sharpness: float) -> Callable[[Floats], Floats]:
    """Return one object for each number, by which models are batched."""
    return partial(of_margins, sharpness)


def inverse_link(
    estimator: Any, method: str, rows: SparseRows
) -> Callable[[Floats], Floats] | None:
    """Return how decision scores become the answer; None where that is not known here."""
    return link_of(estimator, method) if rows.data.dtype in _FLOATS else None


def link_of(estimator: Any, method: str) -> Callable[[Floats], Floats] | None:
    """Return how decision scores for floats become the answer; None where that is not known."""
    return _link_of_floats(estimator, method) if estimator.coef_.dtype in _FLOATS else None


def _link_of_floats(estimator: Any, method: str) -> Callable[[Floats], Floats] | None:
    """Return how decision scores become the answer, for numbers of floating point."""
    if method == "decision_function":
        return _margins
    if method == "predict_proba" and type(estimator) is SGDClassifier:
        return _shares if estimator.loss == "log_loss" else None
    if method == "predict_proba" and type(estimator) in _SCALED:
        if getattr(estimator, "has_margins_", False):
            return _sharpened(float(estimator.sharpness))
        if len(estimator.classes_) == 2:
            return _shares
        if estimator.one_vs_rest_:
            return shares
        return softmax
    if method == "predict_proba" and type(estimator) is BlockLogisticRegression:
        return _shares if len(estimator.classes_) == 2 else shares
    if method == "predict_proba" and type(estimator) is LogisticRegression:
        # scikit-learn before 1.8 has this parameter.
        if getattr(estimator, "multi_class", "auto") not in ("auto", "deprecated"):
            return None
        ovr = len(estimator.classes_) == 2 or estimator.solver == "liblinear"
        return _shares if ovr else softmax
    return None


def compiled_link(link: Callable[[Floats], Floats], n_outcomes: int) -> tuple[str, float]:
    """Return the name of a link in compiled predictions, and what it multiplies scores by."""
    if isinstance(link, partial):
        return "SIGMOIDS" if n_outcomes == 2 else "LOG_SIGMOIDS", float(link.args[0])
    return _COMPILED[link], 1.0


_COMPILED: dict[Callable[[Floats], Floats], str] = {
    _margins: "MARGINS",
    softmax: "SOFTMAX",
    _shares: "SIGMOIDS",
    shares: "LOG_SIGMOIDS",
}
