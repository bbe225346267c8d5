"""Multi-label joint models: columns, loss and node probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import expit, logit

from sklhier._joint.model import JointModel, checked_level_weights, mean_of
from sklhier._joint.set_loss import Loss, SetLoss
from sklhier._probabilities.calibrated import OneVsRestLink
from sklhier._probabilities.consistency import make_consistent
from sklhier._probabilities.sets import SetMarginals
from sklhier._utils.memory_blocks import numbers_per_row
from sklhier._utils.typing import Floats, NodeIds
from sklhier.taxonomy import Taxonomy

__all__ = ["JointSets", "SetColumns"]


@dataclass(frozen=True)
class SetColumns:
    """The columns of scores for some nodes of a tree or DAG.

    Attributes
    ----------
    taxonomy : Taxonomy
        The tree or DAG.
    nodes : ndarray of int32, shape (n_columns,)
        The node of each column, ascending.
    """

    taxonomy: Taxonomy
    nodes: NodeIds

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.nodes)

    def matches(self, other: Self) -> bool:
        """Whether these columns score the same as others."""
        return self.taxonomy == other.taxonomy and np.array_equal(self.nodes, other.nodes)

    def log_odds(self, closed: sparse.csr_array, shares: Floats, total: float) -> Floats:
        """Return the log-odds of the frequency of each column.

        Parameters
        ----------
        closed : csr_array, shape (n_rows, n_nodes)
            The nodes of each row.
        shares : ndarray of float64, shape (n_rows,)
            Weights of the rows, which sum to 1.
        total : float
            The number of rows that they stand for. Half a row more has each node, and half a row
            has not.

        Returns
        -------
        odds : ndarray of float64, shape (n_columns,)
        """
        found = (closed.T @ shares)[self.nodes]
        odds: Floats = logit((found * total + 0.5) / (total + 1))
        return odds

    def loss_of(
        self, loss: Loss, closed: sparse.csr_array, level_weights: Any, dtype: Any
    ) -> SetLoss:
        """Return the loss of rows, for scores of a dtype.

        Parameters
        ----------
        loss : MaxConstraintLoss or CrossEntropyLoss
            The loss.
        closed : csr_array, shape (n_rows, n_nodes)
            The nodes of each row.
        level_weights : array-like of float, shape (n_levels,), or None
            The weight of the nodes of each level.
        dtype : dtype
            Of the scores.

        Raises
        ------
        ValueError
            For weights that do not fit the levels.
        """
        weights = checked_level_weights(level_weights, self.taxonomy).astype(dtype)
        return SetLoss.of(loss, closed, self.nodes, weights, self.taxonomy)


@dataclass(frozen=True)
class JointSets:
    """A fitted multi-label joint model.

    Attributes
    ----------
    columns : SetColumns
        The columns of its scores.
    joint : JointModel
        The network, and how it was fitted.
    observed : ndarray of int32
        Nodes that had a sample so far, ascending; others have the probability 0.
    others : tuple of JointModel
        More networks; the probabilities of all are averaged.
    link : OneVsRestLink, default=None
        What calibrates the score of each column, if anything does.
    """

    columns: SetColumns
    joint: JointModel
    observed: NodeIds
    others: tuple[JointModel, ...] = ()
    link: OneVsRestLink | None = None

    @classmethod
    def of_all(cls, columns: SetColumns, joints: Sequence[JointModel], observed: NodeIds) -> Self:
        """Return a model of some networks."""
        joint, *others = joints
        return cls(columns, joint, observed, tuple(others))

    @property
    def joints(self) -> tuple[JointModel, ...]:
        """All networks."""
        return (self.joint, *self.others)

    def observing(self, nodes: NodeIds) -> Self:
        """Return the model after a batch of rows with these nodes."""
        observed = np.union1d(self.observed, nodes).astype(np.int32)
        return type(self)(self.columns, self.joint, observed, self.others)

    def columns_per_row(self) -> int:
        """Return how many numbers are in memory for each row."""
        return numbers_per_row("sets", self.columns.taxonomy.n_nodes)

    def scores(self, X: Any) -> Floats:
        """Return the log-odds of each column, ndarray of float64, (n_rows, n_columns)."""
        if not self.others:
            return np.asarray(self.joint.scores(X), dtype=np.float64)
        proba = np.asarray(self._mean_proba(X), dtype=np.float64)
        least = np.finfo(np.float64).eps
        log_odds: Floats = logit(np.clip(proba, least, 1 - least))
        return log_odds

    def _mean_proba(self, X: Any) -> Floats:
        return mean_of((expit(joint.scores(X)) for joint in self.joints), len(self.joints))

    def marginals(self, X: Any, wanted: object = None) -> SetMarginals:  # noqa: ARG002
        """Return the node probabilities of a block of rows; all of them, for they are one product."""
        taxonomy, nodes = self.columns.taxonomy, self.columns.nodes
        raw = np.zeros((X.shape[0], taxonomy.n_nodes))
        raw[:, 0] = 1.0
        is_observed = np.isin(nodes, self.observed)
        if self.link is None:
            proba = self._mean_proba(X)
        else:
            proba = self.link.membership(self.scores(X))
        raw[:, nodes[is_observed]] = proba[:, is_observed]
        return SetMarginals(taxonomy, raw, make_consistent(raw, taxonomy, "max"))
