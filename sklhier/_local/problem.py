"""One local problem: what one base estimator learns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from sklhier._local.keys import ModelKey
from sklhier._utils.typing import Floats, NodeIds, Rows

__all__ = ["REST", "LocalProblem"]

REST = -1  # the rest class: a sample belongs to none of the nodes that a model decides about


@dataclass(frozen=True)
class LocalProblem:
    """The samples and targets of one base estimator.

    Attributes
    ----------
    key : ModelKey
        What is decided.
    outcomes : ndarray of int32, shape (k,)
        Ids of the nodes among which it decides; -1 for the rest class, which comes first.
    rows : ndarray of intp, shape (n,)
        Positions of its samples, ascending.
    codes : ndarray of int, shape (n,) or (n, k)
        Position of each sample's target in `outcomes`; or for each of these, whether a sample
        belongs to it (0 or 1).
    weights : ndarray of float64, shape (n,), default=None
        What weights of the samples are multiplied by.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier.strategies import Kind, LocalProblem, ModelKey
    >>> outcomes, rows, codes = np.array([4, 5]), np.array([0, 2, 3]), np.array([0, 0, 1])
    >>> problem = LocalProblem(ModelKey(Kind.PARENT, 1), outcomes, rows, codes)
    >>> problem.counts  # samples of node 4 and of node 5
    array([2, 1])
    """

    key: ModelKey
    outcomes: NodeIds
    rows: Rows
    codes: Rows
    weights: Floats | None = None

    @property
    def is_trivial(self) -> bool:
        """Whether there is nothing to learn: a single outcome, or no sample."""
        return len(self.outcomes) < 2 or not len(self.rows)

    @property
    def has_rest(self) -> bool:
        """Whether the rest class is one of the outcomes."""
        return bool(self.outcomes[0] == REST)

    @property
    def counts(self) -> Rows:
        """Number of samples of each outcome, ndarray of int, shape (k,)."""
        if self.codes.ndim == 2:
            counts: Rows = self.codes.sum(axis=0)
            return counts
        return np.bincount(self.codes, minlength=len(self.outcomes))

    def among(self, rows: Rows) -> Self:
        """Return the problem with positions in what `rows` were taken from."""
        return replace(self, rows=rows[self.rows])
