"""One local problem: what one base estimator learns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from sklhier._local.keys import member_offset
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier.taxonomy import Taxonomy

__all__ = ["ELSEWHERE", "LocalProblem"]


ELSEWHERE = -1  # the outcome "not here" of a model that decides about a single node


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
