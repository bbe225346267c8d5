"""Outputs of a base estimator, read as one number for each outcome."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from sklhier._local import linear_predict
from sklhier._local.extra_features import Columns, answered_beside
from sklhier._local.model import LocalModel
from sklhier._local.problem import ELSEWHERE
from sklhier._utils.typing import Floats, NodeIds

__all__ = [
    "conditional",
    "last_log_weight",
    "memberships",
    "normalised",
    "outputs_of",
    "read_answer",
    "scoring_method",
    "table_of",
]


# Decision scores have no common scale. Margins are about 1 for the linear classifiers of
# scikit-learn; a softmax of the bare margins is so flat that the number of outcomes of a node
# decides which path has the largest product, one that is too sharp makes every best path greedy.
# benchmarks/decision_scores.py compares links.
_SHARPNESS = 5.0


def scoring_method(estimator: Any) -> str:
    """Return the most informative of an estimator's prediction methods."""
    for method in ("predict_proba", "decision_function"):
        if hasattr(estimator, method):
            return method
    return "predict"


def table_of(answer: Any, method: str, n_outcomes: int) -> Floats:
    """Return the answers of a classifier as one number for each outcome."""
    answer = np.asarray(answer)
    if method == "predict":
        return (answer[:, None] == np.arange(n_outcomes)).astype(np.float64)
    scores = answer.astype(np.float64, copy=False)
    if method == "decision_function" and scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    if scores.ndim != 2 or scores.shape[1] != n_outcomes:
        raise ValueError(
            f"{method} returned an array of shape {scores.shape} for {n_outcomes} outcomes"
        )
    return scores


def _joint_table(answer: Any, method: str, n_outcomes: int) -> Floats:
    """Return the answers of an estimator with several outputs, a number for each of them."""
    if isinstance(answer, list):  # one array of two columns for each output
        answer = np.column_stack([columns[:, 1] for columns in answer])
    scores = np.asarray(answer, dtype=np.float64)
    if scores.shape[1:] != (n_outcomes,) or not np.isfinite(scores).all():
        raise ValueError(
            f"{method} returned an array of shape {scores.shape}, or numbers that are not finite, "
            f"for {n_outcomes} outputs"
        )
    return scores


def outputs_of(model: LocalModel, X: Any, columns: Columns | None, method: str) -> Floats:
    """Return a number for each sample and outcome of a model, ndarray of float64."""
    if model.packing is None:
        answer = answered_beside(model.estimator, method, X, columns)
    else:
        answer = linear_predict.answer(model.estimator, model.packing, method, X)
    return read_answer(answer, model, method)


def read_answer(answer: Any, model: LocalModel, method: str) -> Floats:
    read = _joint_table if model.is_joint else table_of
    return read(answer, method, len(model.outcomes))


def normalised(scores: Floats, decides: bool) -> Floats:
    """Return one non-negative score for each outcome, those of a row summing to about 1."""
    return linear_predict.softmax(_SHARPNESS * scores) if decides else scores


def last_log_weight(scores: Floats, decides: bool) -> Floats:
    """Return the logarithm of the last outcome's weight, which other models' are compared with.

    Decision scores are not normalised between "here" and "not here": a softmax of them over
    siblings is then what one-vs-rest classifiers of all siblings together have.
    """
    if decides:
        return _SHARPNESS * scores[:, -1]
    with np.errstate(divide="ignore"):
        return np.log(scores[:, -1])


def memberships(scores: Floats, decides: bool) -> Floats:
    """Return the probability of each of the nodes that a model of several outputs decides about."""
    return expit(2 * _SHARPNESS * scores) if decides else scores


def conditional(scores: Floats, outcomes: NodeIds, asked: NodeIds) -> Floats:
    """Return the probabilities of some outcomes, given that one of them is right.

    Parameters
    ----------
    scores : ndarray of float64, shape (n, k)
        Non-negative.
    outcomes : ndarray of int32, shape (k,)
        What the columns are about.
    asked : ndarray of int32
        The outcomes asked about, in the same order.

    Returns
    -------
    proba : ndarray of float64, shape (n, len(asked))
        NaN where no outcome has a score, unless all of it went to "not here": those are equally
        probable then.
    """
    if len(asked) < len(outcomes):
        scores = scores[:, np.isin(outcomes, asked)]
    totals = linear_predict.across(np.add, scores)
    if outcomes[0] == ELSEWHERE and asked[0] != ELSEWHERE:
        lost = totals[:, 0] == 0
        scores = np.where(lost[:, None], 1.0, scores)
        totals[lost] = len(asked)
    with np.errstate(invalid="ignore"):
        proba: Floats = scores / totals
    return proba
