"""Calibrated probabilities: of all answers, and links of calibrated local models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from sklhier._probabilities.marginals import (
    AnswerMarginals,
    DenseMarginals,
    Expansion,
    Marginals,
    Outcomes,
)
from sklhier._utils.rows import softmax
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier.calibration import AnswerCalibrator, BinaryTemperature, ScoreCalibrator, Sigmoid
from sklhier.calibration._power import logarithms
from sklhier.links import Link
from sklhier.taxonomy import Taxonomy

__all__ = ["CalibratedMarginals", "OneVsRestLink", "PowerLink", "ancestors_by_level", "scores_of"]

# Probabilities of 0 and 1 have no log-odds; nearer to them is nearer than most models know.
_LEAST_ODDS = 1e-5
# Far below what a calibrator says, and enough for the raw scores to decide where it says the same.
_TIE = 1e-9


def ancestors_by_level(taxonomy: Taxonomy, nodes: NodeIds) -> NodeIds:
    """Return the ancestor of each node at each level, the node itself where it is above the level.

    Returns
    -------
    ancestors : ndarray of int32, shape (n_levels, n_nodes)
        Without a row in a DAG, where there may be several.
    """
    if not taxonomy.is_tree:
        return np.zeros((0, len(nodes)), dtype=np.int32)
    table = np.tile(np.asarray(nodes, dtype=np.int32), (taxonomy.n_levels, 1))
    for level in range(taxonomy.n_levels - 1, 0, -1):
        below = table[level]
        is_deep = taxonomy.depths[below] > level
        table[level - 1] = np.where(is_deep, taxonomy.parent_ids[below], below)
    return table


class CalibratedMarginals:
    """Marginals that are sums of calibrated probabilities of the answers.

    Parameters
    ----------
    marginals : Marginals
        Before calibration.
    calibrator : AnswerCalibrator
        Fitted.
    """

    is_lazy = False

    def __init__(self, marginals: Marginals, calibrator: AnswerCalibrator) -> None:
        self.taxonomy: Taxonomy = marginals.taxonomy
        self.outcomes: Outcomes = marginals.outcomes
        self.n_rows = marginals.n_rows
        self._marginals = marginals
        self._calibrator = calibrator

    @property
    def in_same_order(self) -> Marginals:
        """Marginals with the same order of answers: those before, if they have it."""
        return self._marginals if self._calibrator.keeps_order else self

    @cached_property
    def _calibrated(self) -> AnswerMarginals:
        answers = self.outcomes.answers
        proba = self._marginals.answer_proba(answers)
        if len(answers) > 1:
            proba = self._calibrator.proba(proba, ancestors_by_level(self.taxonomy, answers))
        return AnswerMarginals(self.taxonomy, self.outcomes, answers, proba)

    def expand(self, rows: Rows, nodes: NodeIds, proba: Floats) -> Expansion:
        """Look the outcomes up."""
        return self._calibrated.expand(rows, nodes, proba)

    def dense(self) -> DenseMarginals:
        """Return the sums."""
        return self._calibrated.dense()

    def answer_proba(self, nodes: NodeIds) -> Floats:
        """Return the probability that the answer is each of `nodes`."""
        return self._calibrated.answer_proba(nodes)


def scores_of(outputs: Floats, response_method: str) -> Floats:
    """Return what is calibrated by itself: decision scores, or the log-odds of probabilities."""
    if response_method == "decision_function":
        return outputs
    proba = np.clip(outputs, _LEAST_ODDS, 1 - _LEAST_ODDS)
    odds: Floats = np.log(proba) - np.log1p(-proba)
    return odds


class PowerLink(Link):
    """Probabilities to a power, or the softmax of multiplied scores: one temperature for a model.

    Parameters
    ----------
    power : float, default=1.0
        The power, positive.
    response_method : {"predict_proba", "decision_function"}, default="predict_proba"
        The method whose outputs it reads.
    """

    def __init__(self, power: float = 1.0, response_method: str = "predict_proba") -> None:
        self.power = power
        self.response_method = response_method  # type: ignore[misc]

    def logs(self, outputs: Floats) -> Floats:
        """Return the logarithms of weights, before the power."""
        return outputs if self._reads_scores else logarithms(outputs)

    def proba(self, outputs: Floats) -> Floats:
        """Return the powers, divided by their sum."""
        return softmax(self.power * self.logs(outputs))

    def at(self, columns: Rows) -> PowerLink:  # noqa: ARG002
        """Return the link of some of the outcomes: this one."""
        return self


class OneVsRestLink(Link):
    """Each outcome calibrated by itself, against all others, and divided by the sum.

    Parameters
    ----------
    calibrators : sequence of ScoreCalibrator
        Fitted, one for each outcome; a single one is about the last of two outcomes.
    response_method : {"predict_proba", "decision_function"}, default="predict_proba"
        The method whose outputs it reads.
    """

    def __init__(
        self,
        calibrators: Sequence[ScoreCalibrator] = (),
        response_method: str = "predict_proba",
    ) -> None:
        self.calibrators = calibrators
        self.response_method = response_method  # type: ignore[misc]

    def lines(self) -> tuple[Floats, Floats] | None:
        """Return slopes and offsets of calibrators that are logistic functions; None for others."""
        slopes, offsets = [], []
        for calibrator in self.calibrators:
            if type(calibrator) is Sigmoid:
                slope, offset = calibrator.slope_, calibrator.intercept_
            elif type(calibrator) is BinaryTemperature:
                slope, offset = calibrator.slope, 0.0
            else:
                return None
            slopes.append(slope)
            offsets.append(offset)
        return np.array(slopes, dtype=np.float64), np.array(offsets, dtype=np.float64)

    def membership(self, outputs: Floats) -> Floats:
        """Return the calibrated probability of each outcome, which do not exclude each other."""
        scores = scores_of(outputs, self.response_method)
        columns = [c.predict(scores[:, j]) for j, c in enumerate(self.calibrators)]
        return np.column_stack(columns)

    def proba(self, outputs: Floats) -> Floats:
        """Return the calibrated probabilities, divided by their sum."""
        if len(self.calibrators) == 1:
            own = self.membership(outputs[:, -1:])
            table = np.column_stack([1 - own, own])
        else:
            table = self.membership(outputs)
        # Calibrators may say the same for many scores.
        table = table * (1 + _TIE * softmax(scores_of(outputs, self.response_method)))
        shares: Floats = table / table.sum(axis=1, keepdims=True)
        return shares

    def at(self, columns: Rows) -> OneVsRestLink:
        """Return the link of some of the outcomes."""
        if len(self.calibrators) == 1:
            return self
        chosen = tuple(self.calibrators[column] for column in columns.tolist())
        return OneVsRestLink(chosen, self.response_method)
