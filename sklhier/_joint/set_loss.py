"""Losses of several labels for each sample, by scores of all nodes: values and gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from sklhier._utils.typing import NodeIds
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._levelwise import Step

__all__ = ["MaxConstraint", "node_loss"]


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
    losses = np.logaddexp(0, wrong) @ weights
    odds = np.exp(-np.abs(wrong))
    proba = np.where(wrong > 0, 1, odds) / (1 + odds)
    return losses, np.where(members, -proba, proba) * weights


@dataclass(frozen=True)
class MaxConstraint:
    r"""The max-constraint loss MCLoss: nodes answer by the largest score at or below them.

    A node that a sample does not belong to counts by :math:`\max` over the node and all its
    descendants; one that it belongs to by those of them that it belongs to as well, so that no
    descendant is raised that is wrong.

    Attributes
    ----------
    steps : tuple of Step
        Columns with the columns of their children, from the lowest level up.

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
        offsets, members = ops.csr_of_pairs(parents[inside], children[inside], len(nodes))
        inner = np.flatnonzero(np.diff(offsets)).astype(np.int32)
        depths = taxonomy.depths[nodes[inner]]
        steps = []
        for depth in np.unique(depths)[::-1].tolist():
            owners = inner[depths == depth]
            start, stop = offsets[owners[0]], offsets[owners[-1] + 1]
            steps.append(Step(owners, members[start:stop], offsets[owners] - start))
        return cls(tuple(steps))

    def __call__(self, scores: Any, members: Any, weights: Any) -> tuple[Any, Any]:
        """Return the losses of the rows and their gradient, as :func:`node_loss` does."""
        most, sources = self._strongest(scores, members)
        losses, slopes = node_loss(most, members, weights)
        gradient = np.zeros_like(scores)
        rows = np.broadcast_to(np.arange(len(scores))[:, None], scores.shape)
        np.add.at(gradient, (rows, sources), slopes)
        return losses, gradient

    def _strongest(self, scores: Any, members: Any) -> tuple[Any, Any]:
        """Return what each node answers by, and the column that it comes from."""
        most = np.array(scores)
        sources = np.tile(np.arange(scores.shape[1], dtype=np.int32), (len(scores), 1))
        for step in self.steps:
            counts = np.diff(np.append(step.starts, len(step.relatives)))
            below = most[:, step.relatives]
            inside = np.repeat(members[:, step.nodes], counts, axis=1)
            below[inside & ~members[:, step.relatives]] = -np.inf
            best = np.maximum.reduceat(below, step.starts, axis=1)
            is_best = below == np.repeat(best, counts, axis=1)
            found = np.where(is_best, sources[:, step.relatives], -1)
            source = np.maximum.reduceat(found, step.starts, axis=1)
            higher = best > most[:, step.nodes]
            most[:, step.nodes] = np.where(higher, best, most[:, step.nodes])
            sources[:, step.nodes] = np.where(higher, source, sources[:, step.nodes])
        return most, sources
