"""Contributions of features to decisions: arrays of entries, the largest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Bools, Floats, Rows
from sklhier.explanation._decisions import ANY, Compared

__all__ = ["Entries", "entries_of"]

_BLOCK = 200  # so few rows have few different features


@dataclass(frozen=True)
class Entries:
    """Contributions of features to one decision about some samples.

    Attributes
    ----------
    rows : ndarray of intp, shape (n_rows,)
        Positions of the samples.
    chosen, foils : ndarray of intp, shape (n_rows,)
        The outcomes that are compared, by their position.
    intercepts : ndarray of float64, shape (n_rows,)
        Difference of their intercepts.
    places : ndarray of intp, shape (n_entries,)
        For each entry, its sample's position in `rows`, ascending; for equal ones the largest
        contribution is first, whatever its sign.
    columns : ndarray of intp, shape (n_entries,)
        The feature of each entry.
    values, contributions : ndarray of float64, shape (n_entries,)
        The value of the feature, and what it adds to the difference; never 0.
    """

    rows: Rows
    chosen: Rows
    foils: Rows
    intercepts: Floats
    places: Rows
    columns: Rows
    values: Floats
    contributions: Floats

    @classmethod
    def of(cls, compared: Compared, X: Any) -> Self:
        """Return the contributions, given the samples of a decision."""
        scores, chosen = compared.decision.scores, compared.chosen
        terms, intercepts = scores.terms(X), scores.intercepts
        foils = np.full(len(chosen), compared.foil)
        if compared.foil == ANY:
            of_outcomes = terms.totals()
            of_outcomes[np.arange(len(chosen)), chosen] = -np.inf
            foils = of_outcomes.argmax(axis=1)
        places, columns, values, contributions = terms.between(chosen, foils)
        order = np.lexsort((columns, -np.abs(contributions), places))
        order = order[contributions[order] != 0]
        return cls(
            compared.rows,
            chosen,
            foils,
            intercepts[chosen] - intercepts[foils],
            places[order],
            columns[order],
            values[order],
            contributions[order],
        )

    @property
    def differences(self) -> Floats:
        """Lead of the chosen outcome in each sample: the sum of all contributions."""
        return self.intercepts + self._sums(np.ones(len(self.places), dtype=bool))

    def among_first(self, top: int | None) -> Bools:
        """Whether each entry is one of the largest of its sample; all are for None."""
        if top is None:
            return np.ones(len(self.places), dtype=bool)
        firsts = np.searchsorted(self.places, self.places)
        is_among: Bools = np.arange(len(self.places)) < firsts + top
        return is_among

    def others(self, shown: Bools) -> tuple[Rows, Floats]:
        """Return the samples of which entries are not shown, and the sum of these."""
        places = np.unique(self.places[~shown])
        return places, self._sums(~shown)[places]

    def _sums(self, chosen: Bools) -> Floats:
        weights = self.contributions[chosen]
        return np.bincount(self.places[chosen], weights, minlength=len(self.rows)).astype(float)


def entries_of(compared: Compared, X: Any) -> Iterator[Entries]:
    """Yield the contributions to one decision, for blocks of its samples.

    Parameters
    ----------
    compared : Compared
        The decision.
    X : array-like
        All samples, as local models are given them.
    """
    n_rows = compared.decision.scores.rows_at_once(_BLOCK)
    for start in range(0, len(compared.rows), n_rows):
        block = slice(start, start + n_rows)
        rows, chosen = compared.rows[block], compared.chosen[block]
        part = Compared(compared.decision, rows, chosen, compared.foil)
        yield Entries.of(part, take_rows(X, rows))
