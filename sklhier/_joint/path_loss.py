r"""Losses of one path for each sample, by scores of the nodes on it: values and gradients.

Scores :math:`z_c` of *columns* add up along the path to an answer, and a softmax over all answers
turns the sums into probabilities. Split at each node, this is a softmax among the columns below it:

.. math:: L_c = z_c + \log \sum_{d \text{ below } c} e^{L_d}, \qquad
    \log p(c \mid \text{above}) = L_c - \log \sum_{d \text{ beside } c} e^{L_d},

so that one sweep up the levels gives everything in logarithms, however far scores lie apart, and a
sweep down gives the gradient. Every loss here is
:math:`-\sum_c R_{yc} \log p(c \mid \text{above})`, with a table `R` of weights by answer and column;
:func:`conditional_weights` turns weights of the marginals :math:`-\sum_c T_{yc} \log P(c)` into such.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse

from sklhier._probabilities.marginals import Outcomes
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = [
    "Heads",
    "HeadsOfLevels",
    "conditional_logs",
    "conditional_weights",
    "hierarchical_weights",
    "level_table",
    "log_marginals",
    "path_loss",
    "soft_labels",
]


class Level(NamedTuple):
    """Columns that lie side by side, in groups that each are a softmax.

    Attributes
    ----------
    start, stop : int
        Its columns are ``[start, stop)``.
    starts : ndarray of intp, shape (n_groups,)
        Where each group starts, counted from ``start``; none is empty.
    counts : ndarray of intp, shape (n_groups,)
        Number of columns of each group.
    owners : ndarray of intp, shape (n_groups,) or (0,)
        The column above each group; empty for groups below no column.
    """

    start: int
    stop: int
    starts: Rows
    counts: Rows
    owners: Rows


def _level(start: int, counts: Rows, owners: Rows) -> Level:
    offsets = ops.offsets_of(counts)
    return Level(start, start + int(offsets[-1]), offsets[:-1], counts, owners)


@dataclass(frozen=True)
class Heads:
    """The columns of scores of one joint model: a column for each outcome of each node.

    Attributes
    ----------
    nodes : ndarray of int32, shape (n_columns,)
        The node that each column scores.
    stops : ndarray of bool, shape (n_columns,)
        Whether it scores that the label stops at that node, rather than the node.
    above : ndarray of intp, shape (n_columns,)
        The column of the parent; -1 at the first level.
    depths : ndarray of intp, shape (n_columns,)
        Level of the column, the first being 1; a stop stands among the children of its node.
    ends : ndarray of intp, shape (n_answers,)
        The last column on the path to each answer.
    levels : tuple of Level
        From the top.
    """

    nodes: NodeIds
    stops: Any
    above: Rows
    depths: Rows
    ends: Rows
    levels: tuple[Level, ...]

    @classmethod
    def of(cls, taxonomy: Taxonomy, outcomes: Outcomes) -> Self:
        """Return the columns for the possible outcomes at each node of a tree."""
        nodes, owners = outcomes.nodes, outcomes.owners
        stops = nodes == owners
        column = np.full(taxonomy.n_nodes, -1, dtype=np.intp)
        column[nodes[~stops]] = np.flatnonzero(~stops)
        end = column.copy()
        end[nodes[stops]] = np.flatnonzero(stops)
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
        return cls(nodes, stops, column[owners], depths, end[outcomes.answers], levels)

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.nodes)

    @cached_property
    def closure(self) -> sparse.csr_array:
        """The columns at and above each column (csr_array of 0/1, (n_columns, n_columns))."""
        below = np.arange(1, self.n_columns + 1, dtype=np.int32)
        above = (self.above + 1).astype(np.int32)
        closure = ops.ancestor_closure(above, below, self.n_columns + 1)
        return sparse.csr_array(closure[1:, 1:])

    @cached_property
    def ladder(self) -> Rows:
        """The column of each answer at each level, its last one below (ndarray of intp)."""
        ladder = np.empty((len(self.ends), len(self.levels)), dtype=np.intp)
        here = self.ends.copy()
        for level in range(len(self.levels), 0, -1):
            ladder[:, level - 1] = here
            climbs = (self.depths[here] == level) & (self.above[here] >= 0)
            here[climbs] = self.above[here[climbs]]
        return ladder


@dataclass(frozen=True)
class HeadsOfLevels:
    """The columns of separate models, one for each level that tells answers apart.

    A label that ends early has an outcome of its own at the levels below.

    Attributes
    ----------
    columns : ndarray of intp, shape (n_columns,)
        Which column of the joint model each one adds to.
    of_answer : ndarray of intp, shape (n_answers, n_heads)
        The column of each answer in each head.
    depths : ndarray of intp, shape (n_heads,)
        Level of each head, the first being 1.
    levels : tuple of Level
        A single one, whose groups are the heads.
    """

    columns: Rows
    of_answer: Rows
    depths: Rows
    levels: tuple[Level, ...]

    @classmethod
    def of(cls, heads: Heads) -> Self:
        """Split the columns of a joint model by level."""
        members: list[Rows] = []
        places: list[Rows] = []
        depths: list[int] = []
        n_columns, most = 0, 0
        for level in range(len(heads.levels)):
            distinct, place = np.unique(heads.ladder[:, level], return_inverse=True)
            if len(distinct) > most or not members:
                members.append(distinct)
                places.append(place.ravel() + n_columns)
                depths.append(level + 1)
                n_columns += len(distinct)
            most = len(distinct)
        counts = np.array([len(distinct) for distinct in members], dtype=np.intp)
        only = _level(0, counts, np.zeros(0, dtype=np.intp))
        return cls(np.concatenate(members), np.column_stack(places), np.array(depths), (only,))

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.columns)

    def table(self, level_weights: Floats) -> sparse.csr_array:
        """Return the weight of the column of each answer in each head, (n_answers, n_columns)."""
        n_answers, n_heads = self.of_answer.shape
        weights = np.tile(level_weights[self.depths - 1], n_answers)
        places = (np.repeat(np.arange(n_answers), n_heads), self.of_answer.ravel())
        return sparse.csr_array((weights, places), shape=(n_answers, self.n_columns))

    def joined(self, weights: Any, n_columns: int) -> Any:
        """Return weights of the joint model's columns with the same probabilities of answers.

        Sums of scores along a path are what the product of all levels' probabilities is made of:
        the normaliser of a level is the same for all answers.

        Parameters
        ----------
        weights : ndarray, shape (..., n_columns)
            Weights or intercepts of these columns.
        n_columns : int
            Number of columns of the joint model.
        """
        places = (np.arange(self.n_columns), self.columns)
        ones = np.ones(self.n_columns, dtype=weights.dtype)
        spread = sparse.csr_array((ones, places), shape=(self.n_columns, n_columns))
        return np.asarray(weights @ spread)


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
    paths = heads.closure[heads.ends]
    weights = sparse.dia_array(sparse.diags(level_weights[heads.depths - 1]))
    return sparse.csr_array(paths @ weights)


def conditional_weights(table: Any, heads: Heads) -> sparse.csr_array:
    """Return weights of the steps down the paths that make the same loss.

    The marginal of a column is the product of all steps to it, so that a step counts for
    every column at and below it.

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
        The weight of the step to each column from the one above it.
    heads : Heads
        The columns.
    """
    return sparse.csr_array(
        heads.closure[heads.ends] @ sparse.dia_array(sparse.diags(step_weights))
    )


def soft_labels(beta: float, heads: Heads, taxonomy: Taxonomy, answers: NodeIds) -> Floats:
    """Return how much of each label is given to each answer.

    Parameters
    ----------
    beta : float
        The larger, the more is left to the label itself.
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
    meeting = np.zeros((len(answers), len(answers)), dtype=np.int32)
    for level in range(len(heads.levels)):  # the deepest column that both paths share
        column = heads.ladder[:, level]
        same = column[:, None] == column
        meeting[same] = np.broadcast_to(heads.nodes[column], same.shape)[same]
    distance = taxonomy.heights[meeting] / taxonomy.heights[0]
    np.fill_diagonal(distance, 0.0)
    shares = np.exp(-beta * distance)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


# -- value and gradient -------------------------------------------------------------------


def _spread(values: Any, level: Level) -> Any:
    """Return what each group has for each of its columns."""
    return values if len(level.counts) == 1 else np.repeat(values, level.counts, axis=1)


def conditional_logs(scores: Any, levels: tuple[Level, ...]) -> tuple[Any, Any]:
    """Return the probability of each column given the one above it, and its logarithm.

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
        here = logs[:, level.start : level.stop]
        below = proba[:, level.start : level.stop]
        most = np.maximum.reduceat(here, level.starts, axis=1)
        here -= _spread(most, level)
        np.exp(here, out=below)
        total = np.add.reduceat(below, level.starts, axis=1)
        below /= _spread(total, level)
        np.log(total, out=total)
        here -= _spread(total, level)
        if level.owners.size:
            logs[:, level.owners] += most + total
    return proba, logs


def log_marginals(scores: Any, heads: Heads) -> Any:
    """Return the logarithm of the probability of each column, (n_rows, n_columns)."""
    logs = conditional_logs(scores, heads.levels)[1]
    for level in heads.levels[1:]:
        logs[:, level.start : level.stop] += _spread(logs[:, level.owners], level)
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
        :math:`-\sum_c R_c \log p(c \mid \text{above})`.
    gradient : ndarray, shape (n_rows, n_columns)
        Its derivatives.
    """
    proba, logs = conditional_logs(scores, levels)
    losses = -np.einsum("ij,ij->i", weights, logs)
    gradient = np.negative(weights, out=logs)
    for level in levels:
        here = slice(level.start, level.stop)
        share = np.add.reduceat(weights[:, here], level.starts, axis=1)
        if level.owners.size:
            share += gradient[:, level.owners]
        proba[:, here] *= _spread(share, level)
        gradient[:, here] += proba[:, here]
    return losses, gradient
