r"""Losses of one path for each sample, by the scores of all nodes: values and gradients.

Scores :math:`z_c` of *columns* add up along the path to an answer, and a softmax over all answers
turns the sums into probabilities. Split at each node, this is a softmax among its child columns:

.. math:: L_c = z_c + \log \sum_{d \in \text{children}(c)} e^{L_d}, \qquad
    \log p(c \mid \text{parent}) = L_c - \log \sum_{d \in \text{siblings}(c)} e^{L_d},

where siblings include `c` itself. One pass over the levels from the bottom up gives everything in
logarithms, however far scores lie apart, and a pass from the top down gives the gradient. Every loss
here is :math:`-\sum_c R_{yc} \log p(c \mid \text{parent})`, with a table `R` of weights by answer and
column; :func:`conditional_weights` makes it from weights of the marginals,
:math:`-\sum_c T_{yc} \log P(c)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse

from sklhier._probabilities.marginals import Outcomes
from sklhier._utils.typing import Bools, Floats, NodeIds, Rows
from sklhier.objectives import HierarchicalCrossEntropy, SoftLabels, resolve_loss
from sklhier.objectives import PathLoss as Loss
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._closure import Links, ancestor_table

__all__ = [
    "Heads",
    "Loss",
    "PathLoss",
    "conditional_logs",
    "conditional_weights",
    "hierarchical_weights",
    "level_table",
    "log_marginals",
    "path_loss",
    "resolve_loss",
    "soft_labels",
    "step_weights",
]


class Level(NamedTuple):
    """Adjacent columns, in groups that each are a softmax.

    Attributes
    ----------
    start, stop : int
        Its columns are ``[start, stop)``.
    starts : ndarray of intp, shape (n_groups,)
        Where each group starts, counted from ``start``; none is empty.
    counts : ndarray of intp, shape (n_groups,)
        Number of columns of each group.
    parents : ndarray of intp, shape (n_groups,) or (0,)
        The parent column of each group; empty at the first level.
    """

    start: int
    stop: int
    starts: Rows
    counts: Rows
    parents: Rows


def _level(start: int, counts: Rows, parents: Rows) -> Level:
    offsets = ops.offsets_of(counts)
    return Level(start, start + int(offsets[-1]), offsets[:-1], counts, parents)


@dataclass(frozen=True)
class Heads:
    """The columns of scores of one joint model: a column for each outcome of each node.

    Attributes
    ----------
    nodes : ndarray of int32, shape (n_columns,)
        The node that each column scores.
    stops : ndarray of bool, shape (n_columns,)
        Whether it scores that the label stops at that node, rather than the node.
    parents : ndarray of intp, shape (n_columns,)
        The column of the parent; -1 at the first level.
    depths : ndarray of intp, shape (n_columns,)
        Level of the column, the first being 1; a stop stands among the children of its node.
    leaf_columns : ndarray of intp, shape (n_answers,)
        The last column on the path to each answer.
    levels : tuple of Level
        From the top.
    """

    nodes: NodeIds
    stops: Bools
    parents: Rows
    depths: Rows
    leaf_columns: Rows
    levels: tuple[Level, ...]

    @classmethod
    def of(cls, taxonomy: Taxonomy, outcomes: Outcomes) -> Self:
        """Return the columns for the possible outcomes at each node of a tree."""
        nodes, owners = outcomes.nodes, outcomes.owners
        stops = nodes == owners
        column = np.full(taxonomy.n_nodes, -1, dtype=np.intp)
        column[nodes[~stops]] = np.flatnonzero(~stops)
        leaf_column = column.copy()
        leaf_column[nodes[stops]] = np.flatnonzero(stops)
        depths = taxonomy.depths[owners].astype(np.intp) + 1
        inner = outcomes.inner
        bounds = np.searchsorted(taxonomy.depths[inner], np.arange(depths.max() + 1))
        levels = tuple(
            _level(
                int(outcomes.offsets[inner[first]]),
                outcomes.counts[inner[first:last]],
                column[inner[first:last]] if first else np.zeros(0, dtype=np.intp),
            )
            for first, last in pairwise(bounds.tolist())
        )
        return cls(nodes, stops, column[owners], depths, leaf_column[outcomes.answers], levels)

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.nodes)

    @cached_property
    def closure(self) -> sparse.csr_array:
        """Each column and its ancestors (csr_array of 0/1, shape (n_columns, n_columns))."""
        # Columns as nodes of a tree whose root, the missing parent -1, gets the id 0.
        columns = np.arange(1, self.n_columns + 1, dtype=np.int32)
        parents = (self.parents + 1).astype(np.int32)
        depths = np.append(0, self.depths).astype(np.int32)
        closure = ancestor_table(columns, Links.of(parents, columns, depths))
        return sparse.csr_array(closure[:, 1:])

    @cached_property
    def column_at_level(self) -> Rows:
        """The column of each answer at each level, from its leaf column down that one again.

        An ndarray of intp, shape (n_answers, n_levels).
        """
        table = np.empty((len(self.leaf_columns), len(self.levels)), dtype=np.intp)
        column = self.leaf_columns.copy()
        for level in range(len(self.levels), 0, -1):
            table[:, level - 1] = column
            climbs = (self.depths[column] == level) & (self.parents[column] >= 0)
            column[climbs] = self.parents[column[climbs]]
        return table


# -- tables of weights --------------------------------------------------------------------


def level_table(level_weights: Floats, heads: Heads) -> sparse.csr_array:
    """Return weights of the marginals on the path to each answer, by level.

    Parameters
    ----------
    level_weights : ndarray of float64, shape (n_levels,)
        The weight of each level, from the first; for a stop that of the level of its siblings.
    heads : Heads
        The columns.

    Returns
    -------
    table : csr_array, shape (n_answers, n_columns)
        As :func:`conditional_weights` takes it.
    """
    paths = heads.closure[heads.leaf_columns]
    weights = sparse.dia_array(sparse.diags(level_weights[heads.depths - 1]))
    return sparse.csr_array(paths @ weights)


def conditional_weights(table: Any, heads: Heads) -> sparse.csr_array:
    """Return the weights of steps that make the same loss as weights of marginals.

    The marginal of a column is the product of all steps to it, so a step counts for its column and
    for all descendants of that.

    Parameters
    ----------
    table : csr_array or ndarray, shape (n_answers, n_columns)
        Weights of the logarithm of each column's marginal, by true answer.
    heads : Heads
        The columns.
    """
    return sparse.csr_array(sparse.csr_array(table) @ heads.closure)


def hierarchical_weights(step_weights: Floats, heads: Heads) -> sparse.csr_array:
    """Return weights of the steps to each answer: hierarchical cross-entropy.

    Parameters
    ----------
    step_weights : ndarray of float64, shape (n_columns,)
        The weight of the step to each column from its parent.
    heads : Heads
        The columns.
    """
    return sparse.csr_array(
        heads.closure[heads.leaf_columns] @ sparse.dia_array(sparse.diags(step_weights))
    )


def soft_labels(beta: float, heads: Heads, taxonomy: Taxonomy, answers: NodeIds) -> Floats:
    """Return the share of each label that is given to each answer.

    Parameters
    ----------
    beta : float
        The larger, the more stays with the label itself.
    heads : Heads
        The columns.
    taxonomy : Taxonomy
        A tree.
    answers : ndarray of int32, shape (n_answers,)
        Nodes at which labels end.

    Returns
    -------
    shares : ndarray of float64, shape (n_answers, n_answers)
        In proportion to ``exp(-beta * d)`` in each row: `d` is the height of the lowest common
        ancestor over that of the root, 0 for the label itself.
    """
    lca = np.zeros((len(answers), len(answers)), dtype=np.int32)
    for level in range(len(heads.levels)):  # the deepest shared column is written last
        column = heads.column_at_level[:, level]
        same = column[:, None] == column
        lca[same] = np.broadcast_to(heads.nodes[column], same.shape)[same]
    distance = taxonomy.heights[lca] / taxonomy.heights[0]
    np.fill_diagonal(distance, 0.0)
    shares = np.exp(-beta * distance)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def step_weights(
    loss: Loss, heads: Heads, taxonomy: Taxonomy, answers: NodeIds, level_weights: Floats
) -> sparse.csr_array:
    """Return the weights of steps that make a loss, the table `R` of :class:`PathLoss`.

    Parameters
    ----------
    loss : LevelLoss, HierarchicalCrossEntropy or SoftLabels
        The loss.
    heads : Heads
        The columns.
    taxonomy : Taxonomy
        A tree.
    answers : ndarray of int32, shape (n_answers,)
        Nodes at which labels end.
    level_weights : ndarray of float64, shape (n_levels,)
        The weight of each level, from the first.

    Returns
    -------
    table : csr_array, shape (n_answers, n_columns)
    """
    if isinstance(loss, SoftLabels):
        table = np.zeros((len(answers), heads.n_columns))
        table[:, heads.leaf_columns] = soft_labels(loss.beta, heads, taxonomy, answers)
        return conditional_weights(table, heads)
    if isinstance(loss, HierarchicalCrossEntropy):
        discount = np.exp(-loss.alpha * heads.depths) * level_weights[heads.depths - 1]
        return hierarchical_weights(discount, heads)
    return conditional_weights(level_table(level_weights, heads), heads)


# -- value and gradient -------------------------------------------------------------------


@dataclass(frozen=True)
class PathLoss:
    """The loss of some rows, by their scores.

    Attributes
    ----------
    table : csr_array of the dtype of scores, shape (n_answers, n_columns)
        Weights of the steps to each answer.
    codes : ndarray of intp, shape (n_rows,)
        The position of each row's true answer.
    heads : Heads
        The columns.
    """

    table: sparse.csr_array
    codes: Rows
    heads: Heads

    def __call__(self, scores: Any, rows: Rows) -> tuple[Any, Any]:
        """Return the losses of the rows and their gradient, as :func:`path_loss` does."""
        return path_loss(scores, self.table[self.codes[rows]].toarray(), self.heads.levels)


def _expand(values: Any, level: Level) -> Any:
    """Return the value of each group for each of its columns."""
    return values if len(level.counts) == 1 else np.repeat(values, level.counts, axis=1)


def conditional_logs(scores: Any, levels: tuple[Level, ...]) -> tuple[Any, Any]:
    """Return the probability of each column given its parent, and its logarithm.

    Parameters
    ----------
    scores : ndarray of floating dtype, shape (n_rows, n_columns)
        Finite scores.
    levels : tuple of Level
        The columns.

    Returns
    -------
    proba, logs : ndarray, shape (n_rows, n_columns)
        Of the same dtype. Logarithms are finite where probabilities round to 0.
    """
    logs = np.array(scores, order="C")
    proba = np.empty_like(logs)
    for level in reversed(levels):
        level_logs = logs[:, level.start : level.stop]
        level_proba = proba[:, level.start : level.stop]
        most = np.maximum.reduceat(level_logs, level.starts, axis=1)
        level_logs -= _expand(most, level)
        np.exp(level_logs, out=level_proba)
        total = np.add.reduceat(level_proba, level.starts, axis=1)
        level_proba /= _expand(total, level)
        np.log(total, out=total)
        level_logs -= _expand(total, level)
        # The parent's score grows by the log-sum-exp of its children, before its own level is read.
        if level.parents.size:
            logs[:, level.parents] += most + total
    return proba, logs


def log_marginals(scores: Any, heads: Heads) -> Any:
    """Return the logarithm of the probability of each column, (n_rows, n_columns)."""
    logs = conditional_logs(scores, heads.levels)[1]
    for level in heads.levels[1:]:
        logs[:, level.start : level.stop] += _expand(logs[:, level.parents], level)
    return logs


def path_loss(scores: Any, weights: Any, levels: tuple[Level, ...]) -> tuple[Any, Any]:
    r"""Return the loss of each row, and its gradient by the scores.

    Parameters
    ----------
    scores : ndarray of floating dtype, shape (n_rows, n_columns)
        Finite scores.
    weights : ndarray of the same dtype, shape (n_rows, n_columns)
        The row of the table `R` for the true answer of each sample.
    levels : tuple of Level
        The columns.

    Returns
    -------
    losses : ndarray, shape (n_rows,)
        :math:`-\sum_c R_c \log p(c \mid \text{parent})`.
    gradient : ndarray, shape (n_rows, n_columns)
        Its derivatives.
    """
    proba, logs = conditional_logs(scores, levels)
    losses = -np.einsum("ij,ij->i", weights, logs)
    gradient = np.negative(weights, out=logs)
    for level in levels:
        columns = slice(level.start, level.stop)
        share = np.add.reduceat(weights[:, columns], level.starts, axis=1)
        # L of the parent holds the scores of its children: their gradient is a share of its own.
        if level.parents.size:
            share += gradient[:, level.parents]
        proba[:, columns] *= _expand(share, level)
        gradient[:, columns] += proba[:, columns]
    return losses, gradient
