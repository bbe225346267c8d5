"""Losses of label sets, by the scores of all nodes: values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse

from sklhier._utils.typing import NodeIds, Rows
from sklhier.objectives import MaxConstraintLoss, resolve_set_loss
from sklhier.objectives import SetLoss as Loss
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._levelwise import Step

__all__ = ["Loss", "MaxConstraint", "SetLoss", "node_loss", "resolve_set_loss"]


def node_loss(scores: Any, members: Any, weights: Any) -> tuple[Any, Any]:
    r"""Return the logistic losses of the nodes of each row, and their gradient.

    Parameters
    ----------
    scores : ndarray of floating dtype, shape (n_rows, n_columns)
        Log-odds of each node.
    members : ndarray of bool, shape (n_rows, n_columns)
        Whether the sample belongs to the node.
    weights : ndarray of the same dtype as `scores`, shape (n_columns,)
        The weight of each node.

    Returns
    -------
    losses : ndarray, shape (n_rows,)
        :math:`\sum_v w_v \log(1 + e^{\mp z_v})`.
    gradient : ndarray, shape (n_rows, n_columns)
        Its derivatives.
    """
    wrong = np.where(members, -scores, scores)  # log-odds of being wrong
    odds = np.exp(-np.abs(wrong))
    # NumPy's own `logaddexp` takes five times as long.
    losses = (np.maximum(wrong, 0) + np.log1p(odds)) @ weights
    proba = np.where(wrong > 0, 1, odds) / (1 + odds)
    return losses, np.where(members, -proba, proba) * weights


@dataclass(frozen=True)
class MaxConstraint:
    r"""The max-constraint loss MCLoss: a node counts by the largest score at or below it.

    For a node that a sample does not belong to, :math:`\max` is over the node and all its
    descendants; for one that it belongs to, over those of them that it belongs to as well, so that
    no wrong descendant is raised.

    Attributes
    ----------
    steps : tuple of Step
        Columns with the columns of their children, bottom up.

    References
    ----------
    .. [1] E. Giunchiglia, T. Lukasiewicz. Coherent hierarchical multi-label classification networks.
       NeurIPS (2020).
    """

    steps: tuple[Step, ...]

    @classmethod
    def of(cls, taxonomy: Taxonomy, nodes: NodeIds) -> Self:
        """Return the loss on columns that are some nodes of a tree or DAG, ascending."""
        column = np.full(taxonomy.n_nodes, -1, dtype=np.int32)
        column[nodes] = np.arange(len(nodes), dtype=np.int32)
        parents, children = column[taxonomy.edge_parents], column[taxonomy.edge_children]
        inside = (parents >= 0) & (children >= 0)
        offsets, children_of = ops.csr_of_pairs(parents[inside], children[inside], len(nodes))
        inner = np.flatnonzero(np.diff(offsets)).astype(np.int32)
        depths = taxonomy.depths[nodes[inner]]
        steps = []
        for depth in np.unique(depths)[::-1].tolist():
            at_depth = inner[depths == depth]
            start, stop = offsets[at_depth[0]], offsets[at_depth[-1] + 1]
            steps.append(Step(at_depth, children_of[start:stop], offsets[at_depth] - start))
        return cls(tuple(steps))

    def __call__(self, scores: Any, members: Any, weights: Any) -> tuple[Any, Any]:
        """Return the losses of the rows and their gradient, as :func:`node_loss` does."""
        most, sources = self._strongest(scores, members)
        losses, slopes = node_loss(most, members, weights)
        gradient = np.zeros_like(scores)
        rows = np.broadcast_to(np.arange(len(scores))[:, None], scores.shape)
        # One column may be the source of several nodes: its slopes add up.
        np.add.at(gradient, (rows, sources), slopes)
        return losses, gradient

    def _strongest(self, scores: Any, members: Any) -> tuple[Any, Any]:
        """Return the score that each node counts by, and the column that it comes from."""
        most = np.array(scores)
        sources = np.tile(np.arange(scores.shape[1], dtype=np.int32), (len(scores), 1))
        for step in self.steps:
            counts = np.diff(np.append(step.starts, len(step.relatives)))
            below = most[:, step.relatives]
            inside = np.repeat(members[:, step.nodes], counts, axis=1)
            below[inside & ~members[:, step.relatives]] = -np.inf
            best = np.maximum.reduceat(below, step.starts, axis=1)
            is_best = below == np.repeat(best, counts, axis=1)
            # Children with equal scores: the last source, so that the gradient is well defined.
            candidates = np.where(is_best, sources[:, step.relatives], -1)
            source = np.maximum.reduceat(candidates, step.starts, axis=1)
            higher = best > most[:, step.nodes]
            most[:, step.nodes] = np.where(higher, best, most[:, step.nodes])
            sources[:, step.nodes] = np.where(higher, source, sources[:, step.nodes])
        return most, sources


@dataclass(frozen=True)
class SetLoss:
    """The loss of some rows, by their scores.

    Attributes
    ----------
    members : csr_array, shape (n_rows, n_columns)
        1 where the sample belongs to the node.
    weights : ndarray of the dtype of scores, shape (n_columns,)
        The weight of each node.
    of_rows : callable
        :func:`node_loss` or a :class:`MaxConstraint`.
    """

    members: sparse.csr_array
    weights: Any
    of_rows: Callable[[Any, Any, Any], tuple[Any, Any]]

    @classmethod
    def of(
        cls,
        loss: Loss,
        closed: sparse.csr_array,
        nodes: NodeIds,
        weights: Any,
        taxonomy: Taxonomy,
    ) -> Self:
        """Return a loss on columns that are some nodes, ascending.

        Parameters
        ----------
        loss : MaxConstraintLoss or CrossEntropyLoss
            The loss.
        closed : csr_array, shape (n_rows, n_nodes)
            The nodes of each row.
        nodes : ndarray of int32, shape (n_columns,)
            The node of each column.
        weights : ndarray of the dtype of scores, shape (n_levels,)
            The weight of each level.
        taxonomy : Taxonomy
            A tree or DAG.
        """
        is_max = isinstance(loss, MaxConstraintLoss)
        of_rows = MaxConstraint.of(taxonomy, nodes) if is_max else node_loss
        members = sparse.csr_array(closed[:, nodes])
        return cls(members, weights[taxonomy.depths[nodes] - 1], of_rows)

    def __call__(self, scores: Any, rows: Rows) -> tuple[Any, Any]:
        """Return the losses of the rows and their gradient, as :func:`node_loss` does."""
        return self.of_rows(scores, self.members[rows].toarray() > 0, self.weights)
