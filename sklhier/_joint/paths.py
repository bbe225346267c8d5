"""Joint models where a sample has one path: columns, loss and node probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import softmax

from sklhier._joint.model import JointModel, checked_level_weights, mean_of
from sklhier._joint.path_loss import Heads, Loss, PathLoss, log_marginals, step_weights
from sklhier._probabilities.calibrated import CalibratedMarginals
from sklhier._probabilities.marginals import AnswerMarginals, Marginals, Outcomes
from sklhier._utils.memory_blocks import numbers_per_row, row_blocks
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, NodeIds
from sklhier.calibration import AnswerCalibrator
from sklhier.taxonomy import Taxonomy

__all__ = ["JointPaths", "PathColumns"]


@dataclass(frozen=True)
class PathColumns:
    """The columns of scores for some labels of a tree.

    Attributes
    ----------
    taxonomy : Taxonomy
        The tree.
    outcomes : Outcomes
        Of all labels that have columns.
    heads : Heads
        The columns.
    """

    taxonomy: Taxonomy
    outcomes: Outcomes
    heads: Heads

    @classmethod
    def of(cls, taxonomy: Taxonomy, labels: NodeIds) -> Self:
        """Return the columns for labels, ids of leaves or inner nodes."""
        outcomes = Outcomes.of(taxonomy, labels, stops=True)
        return cls(taxonomy, outcomes, Heads.of(taxonomy, outcomes))

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return self.heads.n_columns

    def matches(self, other: Self) -> bool:
        """Whether these columns score the same as others."""
        answers, others = self.outcomes.answers, other.outcomes.answers
        return self.taxonomy == other.taxonomy and np.array_equal(answers, others)

    def log_odds(self, nodes: NodeIds, shares: Floats, total: float) -> Floats:
        """Return the logarithm of the frequency of each column among those with its parent.

        Parameters
        ----------
        nodes : ndarray of int32, shape (n_rows,)
            The label of each row.
        shares : ndarray of float64, shape (n_rows,)
            Weights of the rows, which sum to about 1.
        total : float
            The number of rows that they stand for. Each answer counts half a row more.

        Returns
        -------
        logs : ndarray of float64, shape (n_columns,)
        """
        answers, heads = self.outcomes.answers, self.heads
        codes = np.searchsorted(answers, nodes)
        found = np.bincount(codes, weights=shares, minlength=len(answers)) + 0.5 / total
        logs: Floats = np.log(heads.closure[heads.leaf_columns].T @ found)
        above = np.where(heads.parents < 0, np.log(found.sum()), logs[heads.parents])
        return logs - above

    def loss_of(self, loss: Loss, nodes: NodeIds, level_weights: Any, dtype: Any) -> PathLoss:
        """Return the loss of rows, for scores of a dtype.

        Parameters
        ----------
        loss : LevelLoss, HierarchicalCrossEntropy or SoftLabels
            The loss.
        nodes : ndarray of int32, shape (n_rows,)
            The label of each row.
        level_weights : array-like of float, shape (n_levels,), or None
            The weight of each level.
        dtype : dtype
            Of the scores.

        Raises
        ------
        ValueError
            For weights that do not fit the levels.
        """
        answers = self.outcomes.answers
        weights = checked_level_weights(level_weights, self.taxonomy)
        table = step_weights(loss, self.heads, self.taxonomy, answers, weights)
        codes = np.searchsorted(answers, nodes)
        return PathLoss(table.astype(dtype), codes, self.heads)


@dataclass(frozen=True)
class JointPaths:
    """A fitted joint model where a sample has one path.

    Attributes
    ----------
    columns : PathColumns
        The columns of its scores.
    joint : JointModel
        The network, and how it was fitted.
    observed : ndarray of int32
        Labels that had a sample so far, ascending.
    outcomes : Outcomes
        The possible answers: those of the observed labels.
    others : tuple of JointModel
        More networks; the probabilities of all are averaged.
    calibration : AnswerCalibrator, default=None
        What calibrates their probabilities, if anything does.
    """

    columns: PathColumns
    joint: JointModel
    observed: NodeIds
    outcomes: Outcomes
    others: tuple[JointModel, ...] = ()
    calibration: AnswerCalibrator | None = None

    @classmethod
    def of_all(cls, columns: PathColumns, joints: Sequence[JointModel]) -> Self:
        """Return a model whose networks had samples of all its labels."""
        joint, *others = joints
        return cls(columns, joint, columns.outcomes.classes, columns.outcomes, tuple(others))

    @property
    def joints(self) -> tuple[JointModel, ...]:
        """All networks."""
        return (self.joint, *self.others)

    def observing(self, nodes: NodeIds) -> Self:
        """Return the model after a batch of rows with these labels."""
        observed = np.union1d(self.observed, nodes)
        labels = self.columns.outcomes.classes
        outcomes = Outcomes.of(
            self.columns.taxonomy, labels[np.isin(labels, observed)], stops=True
        )
        return type(self)(self.columns, self.joint, observed, outcomes, self.others)

    def blocks(self, X: Any, *, all_nodes: bool = True) -> Iterator[Marginals]:  # noqa: ARG002
        """Yield the node probabilities of blocks of rows that fit in memory."""
        taxonomy, outcomes, heads = self.columns.taxonomy, self.outcomes, self.columns.heads
        position = np.searchsorted(self.columns.outcomes.answers, outcomes.answers)
        leaf_columns = heads.leaf_columns[position]
        for block in row_blocks(X.shape[0], numbers_per_row("heads", taxonomy.n_nodes)):
            rows = take_rows(X, np.arange(block.start, block.stop))
            logs = (log_marginals(joint.scores(rows), heads) for joint in self.joints)
            # Answers that were not observed are impossible: those observed sum to 1.
            proba = mean_of((softmax(a[:, leaf_columns], axis=1) for a in logs), len(self.joints))
            marginals = AnswerMarginals(taxonomy, outcomes, outcomes.answers, proba)
            if self.calibration is None:
                yield marginals
            else:
                yield CalibratedMarginals(marginals, self.calibration)
