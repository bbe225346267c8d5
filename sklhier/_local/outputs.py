"""Outputs of base estimators: one number for each sample and outcome."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklhier._local import linear_predict
from sklhier._local.extra_features import ExtraFeatures, predict_with
from sklhier._local.model import LocalModel
from sklhier._local.problem import REST
from sklhier._utils.rows import reduce_rows
from sklhier._utils.typing import Floats, NodeIds

__all__ = ["conditional", "output_table", "outputs_of", "read_outputs"]


def output_table(outputs: Any, method: str, n_outcomes: int) -> Floats:
    """Return the outputs of a classifier as one number for each outcome."""
    outputs = np.asarray(outputs)
    if method == "predict":
        return (outputs[:, None] == np.arange(n_outcomes)).astype(np.float64)
    scores = outputs.astype(np.float64, copy=False)
    if method == "decision_function" and scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    if scores.ndim != 2 or scores.shape[1] != n_outcomes:
        raise ValueError(
            f"{method} returned an array of shape {scores.shape} for {n_outcomes} outcomes"
        )
    return scores


def _multi_output_table(outputs: Any, method: str, n_outcomes: int) -> Floats:
    """Return the outputs of an estimator with several targets, a number for each of them."""
    if isinstance(outputs, list):  # one array of two columns for each target
        outputs = np.column_stack([columns[:, 1] for columns in outputs])
    scores = np.asarray(outputs, dtype=np.float64)
    if scores.shape[1:] != (n_outcomes,) or not np.isfinite(scores).all():
        raise ValueError(
            f"{method} returned an array of shape {scores.shape}, or numbers that are not finite, "
            f"for {n_outcomes} outputs"
        )
    return scores


def read_outputs(outputs: Any, model: LocalModel, method: str) -> Floats:
    """Return what a method of a model returned as one number for each outcome."""
    read = _multi_output_table if model.is_multi_output else output_table
    return read(outputs, method, len(model.outcomes))


def outputs_of(model: LocalModel, X: Any, extra: ExtraFeatures | None, method: str) -> Floats:
    """Return a number for each sample and outcome of a model, ndarray of float64."""
    if model.subset is None:
        outputs = predict_with(model.estimator, method, X, extra)
    else:
        outputs = linear_predict.predict(model.estimator, model.subset, method, X)
    return read_outputs(outputs, model, method)


def conditional(proba: Floats, outcomes: NodeIds, queried: NodeIds) -> Floats:
    """Return the probabilities of some outcomes, given that one of them is right.

    Parameters
    ----------
    proba : ndarray of float64, shape (n, k)
        Not negative.
    outcomes : ndarray of int32, shape (k,)
        The outcome of each column.
    queried : ndarray of int32
        Some of the outcomes, in the same order.

    Returns
    -------
    proba : ndarray of float64, shape (n, len(queried))
        NaN where all outcomes have 0, unless the rest class has all of it: the others are equally
        probable then.
    """
    if len(queried) < len(outcomes):
        proba = proba[:, np.isin(outcomes, queried)]
    totals = reduce_rows(np.add, proba)
    if outcomes[0] == REST and queried[0] != REST:
        lost = totals[:, 0] == 0
        proba = np.where(lost[:, None], 1.0, proba)
        totals[lost] = len(queried)
    with np.errstate(invalid="ignore"):
        shares: Floats = proba / totals
    return shares
