"""Multi-label joint models: columns, loss and node probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import expit

from sklhier._joint.model import JointModel, checked_level_weights
from sklhier._joint.set_loss import Loss, SetLoss
from sklhier._probabilities.calibrated import OneVsRestLink
from sklhier._probabilities.consistency import make_consistent
from sklhier._probabilities.sets import SetMarginals
from sklhier._utils.memory_blocks import numbers_per_row
from sklhier._utils.typing import NodeIds
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
    link : OneVsRestLink, default=None
        What calibrates the score of each column, if anything does.
    """

    columns: SetColumns
    joint: JointModel
    observed: NodeIds
    link: OneVsRestLink | None = None

    def observing(self, nodes: NodeIds) -> Self:
        """Return the model after a batch of rows with these nodes."""
        observed = np.union1d(self.observed, nodes).astype(np.int32)
        return type(self)(self.columns, self.joint, observed)

    def columns_per_row(self) -> int:
        """Return how many numbers are in memory for each row."""
        return numbers_per_row("sets", self.columns.taxonomy.n_nodes)

    def marginals(self, X: Any) -> SetMarginals:
        """Return the node probabilities of a block of rows."""
        taxonomy, nodes = self.columns.taxonomy, self.columns.nodes
        raw = np.zeros((X.shape[0], taxonomy.n_nodes))
        raw[:, 0] = 1.0
        is_observed = np.isin(nodes, self.observed)
        scores = np.asarray(self.joint.scores(X))
        proba = expit(scores) if self.link is None else self.link.membership(scores)
        raw[:, nodes[is_observed]] = proba[:, is_observed]
        return SetMarginals(taxonomy, raw, make_consistent(raw, taxonomy, "max"))
