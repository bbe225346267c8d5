"""Scores of the outcomes of a decision, as sums over features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from sklhier._local.problem import REST
from sklhier._utils.pipelines import transformed
from sklhier._utils.typing import Floats, NodeIds, Rows

__all__ = ["NO_ROW", "Between", "DecisionScores", "Terms"]

NO_ROW = -1  # the score of an outcome that no model has is 0


class Between(NamedTuple):
    """Contributions of features to the difference of two scores of some samples.

    Attributes
    ----------
    places : ndarray of intp, shape (n_entries,)
        For each entry, the position of its sample, ascending.
    columns : ndarray of intp, shape (n_entries,)
        Its feature.
    values, contributions : ndarray of float64, shape (n_entries,)
        The value of the feature, and what it adds.
    """

    places: Rows
    columns: Rows
    values: Floats
    contributions: Floats


class Terms(Protocol):
    """Scores of some samples, taken apart."""

    def totals(self) -> Floats:
        """Return the score of each outcome, (n, k)."""
        ...

    def between(self, chosen: Rows, foils: Rows) -> Between:
        """Return what makes the difference of two outcomes of each sample."""
        ...


@dataclass(frozen=True)
class DecisionScores:
    """Scores of the outcomes of one decision.

    Attributes
    ----------
    outcomes : ndarray of int32, shape (k,)
        Ids of nodes; -1 for what belongs to none of them.
    steps : list of transformers
        What makes the features of samples; empty if samples are features.
    parts : list
        One for each estimator.
    places : list of tuple of int
        For each outcome, the estimator and the row of its scores; row -1 for a score of 0.
    """

    outcomes: NodeIds
    steps: list[Any]
    parts: list[Any]
    places: list[tuple[int, int]]

    def among(self, nodes: NodeIds) -> Self:
        """Return the scores of those outcomes that are among some nodes."""
        kept = np.flatnonzero(np.isin(self.outcomes, nodes)).tolist()
        places = [self.places[place] for place in kept]
        return replace(self, outcomes=self.outcomes[kept], places=places)

    def with_nothing(self) -> Self:
        """Return the scores with one more outcome, -1, whose score is 0."""
        outcomes = np.append(self.outcomes, np.int32(REST))
        return replace(self, outcomes=outcomes, places=[*self.places, (0, NO_ROW)])

    def about(self, node: int) -> Self:
        """Return the scores of a node and of its absence, of a model that decides about it."""
        own = self.places[int(np.flatnonzero(self.outcomes == node)[0])]
        both = np.array([REST, node], dtype=np.int32)
        return replace(self, outcomes=both, places=[self._absent(own), own])

    def _absent(self, place: tuple[int, int]) -> tuple[int, int]:
        """Return the score of the absence of what has its score at `place`."""
        return place[0], NO_ROW

    @property
    def intercepts(self) -> Floats:
        """The score of each outcome without any feature, (k,)."""
        found = [0.0 if row == NO_ROW else self.parts[p].intercept[row] for p, row in self.places]
        return np.array(found, dtype=np.float64)

    def own_rows(self, number: int) -> tuple[Rows, Rows]:
        """Return the outcomes that an estimator scores, and the rows that it scores them by."""
        owners, rows = np.array(self.places).reshape(-1, 2).T
        own = np.flatnonzero((owners == number) & (rows != NO_ROW))
        return own, rows[own]

    def rows_at_once(self, most: int) -> int:
        """Return how many samples to take apart at a time."""
        return most

    def through_steps(self, X: Any) -> Any:
        """Return samples as the estimators see them."""
        for step in self.steps:
            X = transformed(step.steps, X)
        return X

    def terms(self, X: Any) -> Terms:
        """Return the scores of samples, taken apart."""
        raise NotImplementedError
