"""One local problem, the model that is fitted to it, and how its outputs are read.

Models get integer codes ``0..k-1`` for the outcomes of their node and know nothing else of the
taxonomy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.special import expit
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from sklhier import _linear, _linear_answers
from sklhier._columns import Columns, answered_beside
from sklhier._linear import Packing
from sklhier._places import member_offset, place_of
from sklhier._sparse_rows import is_csr, rows_of
from sklhier._typing import Floats, NodeIds, Rows
from sklhier.staging import Chain
from sklhier.taxonomy import Taxonomy

__all__ = [
    "ELSEWHERE",
    "LocalModel",
    "LocalProblem",
    "View",
    "columns_of",
    "conditional",
    "last_log_weight",
    "memberships",
    "normalised",
    "outputs_of",
    "read_answer",
    "scoring_method",
    "table_of",
    "take_rows",
]

ELSEWHERE = -1  # the outcome "not here" of a model that decides about a single node

# Decision scores have no common scale. Margins are about 1 for the linear classifiers of
# scikit-learn; a softmax of the bare margins is so flat that the number of outcomes of a node
# decides which path has the largest product, one that is too sharp makes every best path greedy.
# benchmarks/decision_scores.py compares links.
_SHARPNESS = 5.0


@dataclass(frozen=True)
class LocalProblem:
    """What one base estimator is to learn.

    Attributes
    ----------
    owner : int
        Number of the place that decides: the id of a node that decides among what is below it;
        ``sklhier.strategies.owner_of`` numbers other places.
    outcomes : ndarray of int32, shape (k,)
        Ids of the nodes among which it decides; -1 for "not here".
    rows : ndarray of intp, shape (n,)
        Positions of its samples, ascending.
    codes : ndarray of int, shape (n,) or (n, k)
        Position of each sample's target in `outcomes`; or for each of these, whether a sample
        belongs to it (0 or 1).
    weights : ndarray of float64, shape (n,), default=None
        What weights of the samples are multiplied by.
    """

    owner: int
    outcomes: NodeIds
    rows: Rows
    codes: Rows
    weights: Floats | None = None

    def among(self, rows: Rows) -> Self:
        """Return the problem with positions in what `rows` were taken from."""
        return replace(self, rows=rows[self.rows])

    def of_member(self, member: int, taxonomy: Taxonomy) -> Self:
        """Return the problem as that of a member of an ensemble."""
        return replace(self, owner=self.owner + member_offset(member, taxonomy))


@dataclass(frozen=True)
class LocalModel:
    """A fitted base estimator and what it decides about.

    Attributes
    ----------
    owner : int
        Number of the place that decides.
    outcomes : ndarray of int32, shape (k,)
        Ids of the nodes that its classes ``0..k-1`` stand for.
    estimator : object
        The fitted estimator.
    is_joint : bool, default=False
        Whether it says of each outcome by itself if a sample belongs to it.
    view : View, default=None
        What it sees beside X; None: nothing.
    unit : float, default=1.0
        What its outputs are divided by when other models see them.
    share_here : float, default=1.0
        The share of its training samples, by weight, that were not "not here".
    packing : Packing, default=None
        How the estimator is stored, if not as scikit-learn does.
    """

    owner: int
    outcomes: NodeIds
    estimator: Any
    is_joint: bool = False
    view: View | None = None
    unit: float = 1.0
    share_here: float = 1.0
    packing: Packing | None = None

    @property
    def whole(self) -> Any:
        """The fitted estimator, as scikit-learn stores it."""
        return _linear.whole(self.estimator, self.packing)

    def compressed(self, dtype: Any, min_weight: float) -> tuple[Self, tuple[int, ...]]:
        """Return the model, a linear one, with fewer and shorter weights, and how it shrank.

        That is the number of columns before and after, of weights that became 0, and of bytes
        before and after.
        """
        estimator, packing, n_dropped = _linear.compressed(
            self.estimator, self.packing, dtype, min_weight, sees_others=self.view is not None
        )
        columns = (_linear.n_columns_of(self.estimator), _linear.n_columns_of(estimator))
        n_bytes = (
            _linear.n_bytes_of(self.estimator, self.packing),
            _linear.n_bytes_of(estimator, packing),
        )
        smaller = replace(self, estimator=estimator, packing=packing)
        return smaller, (*columns, n_dropped, *n_bytes)


@dataclass(frozen=True)
class View:
    """The models whose outputs another one sees.

    Attributes
    ----------
    owners : tuple of int
        Numbers of the places at which they decide, from the top.
    chain : Chain
        What of their outputs is shown, and how.
    """

    owners: tuple[int, ...]
    chain: Chain


def take_rows(X: Any, rows: Rows) -> Any:
    """Return rows of X at ascending positions, without a copy where they are side by side."""
    n_rows = len(rows)
    if n_rows == _num_samples(X):
        return X
    if is_csr(X):
        return rows_of(X, rows)
    if n_rows and rows[-1] - rows[0] + 1 == n_rows:
        window = slice(int(rows[0]), int(rows[-1]) + 1)
        if isinstance(X, np.ndarray | list):
            return X[window]
        return _safe_indexing(X, window)
    return X.take(rows, axis=0) if type(X) is np.ndarray else _safe_indexing(X, rows)


# -- what a model says --------------------------------------------------------------------


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
        answer = _linear_answers.answer(model.estimator, model.packing, method, X)
    return read_answer(answer, model, method)


def read_answer(answer: Any, model: LocalModel, method: str) -> Floats:
    read = _joint_table if model.is_joint else table_of
    return read(answer, method, len(model.outcomes))


# How scores are read: all take the outputs of a model and whether these are decision scores.


def normalised(scores: Floats, decides: bool) -> Floats:
    """Return one non-negative score for each outcome, those of a row summing to about 1."""
    return _linear_answers.softmax(_SHARPNESS * scores) if decides else scores


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
    totals = _linear_answers.across(np.add, scores)
    if outcomes[0] == ELSEWHERE and asked[0] != ELSEWHERE:
        lost = totals[:, 0] == 0
        scores = np.where(lost[:, None], 1.0, scores)
        totals[lost] = len(asked)
    with np.errstate(invalid="ignore"):
        proba: Floats = scores / totals
    return proba


def columns_of(
    chain: Chain, outputs: Iterable[tuple[LocalModel, Floats]], taxonomy: Taxonomy
) -> Columns:
    """Return the outputs of some models as what another one sees."""
    values, names = [], []
    for model, of_model in outputs:
        shown = chain.shown(of_model)
        values.append(shown * (chain.scale / model.unit))
        place = place_of(model.owner, taxonomy)
        names += [
            f"{chain.output}__{place.key}__{'not' if node == ELSEWHERE else taxonomy.nodes[node]}"
            for node in model.outcomes[-shown.shape[1] :].tolist()
        ]
    return Columns(np.hstack(values), tuple(names), chain.append_to == "last_step")
