"""Node probabilities of label sets where only the most probable nodes are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from sklhier._utils.typing import Bools, Floats, NodeIds, Rows
from sklhier.taxonomy import Taxonomy

__all__ = ["Wanted", "searched"]


@dataclass(frozen=True)
class Wanted:
    """The nodes whose probabilities count for an answer: those that are probable enough.

    Attributes
    ----------
    least : float or ndarray of float64, shape (n_nodes,)
        Neither a node nor what is below it counts where its probability is below this.
    n_leaves : int or None, default=None
        If not None, leaves alone count, that many of the most probable ones.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.decoders import SetThreshold, TopLabels
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": None})
    >>> TopLabels(2).wanted(taxonomy)
    Wanted(least=0.0, n_leaves=2)
    >>> SetThreshold(0.3).wanted(taxonomy)
    Wanted(least=0.3, n_leaves=None)
    """

    least: Floats | float = 0.0
    n_leaves: int | None = None


def searched(
    taxonomy: Taxonomy,
    observed: NodeIds,
    n_rows: int,
    proba_of_children: Callable[[NodeIds, Rows], Floats],
    wanted: Wanted,
) -> Floats:
    """Return products down the paths, computed only where they count.

    A node is at most as probable as its parent. So what is below a node need not be known where the
    node is not probable enough. For a number of leaves, a greedy search finds as many
    first, or a beam search where these are too few: the worst of them bounds the best ones.

    Parameters
    ----------
    taxonomy : Taxonomy
        A tree.
    observed : ndarray of int32
        Ids of the nodes that had a sample in training; all others have 0.
    n_rows : int
        Number of samples.
    proba_of_children : callable
        ``proba_of_children(nodes, rows)`` returns the probability of some siblings, given their
        parent, for some samples, ascending; shape (len(rows), len(nodes)).
    wanted : Wanted
        What counts.

    Returns
    -------
    node_proba : ndarray of float64, shape (n_rows, n_nodes)
        0 for nodes that were not looked at. Whatever counts is exact.
    """
    search = _Search(taxonomy, observed, n_rows, proba_of_children)
    least = np.broadcast_to(wanted.least, taxonomy.n_nodes)
    if wanted.n_leaves is None:
        search.descend(lambda parents: search.proba[:, parents] >= least[parents])
        return search.proba
    n_leaves, worst = wanted.n_leaves, np.zeros(n_rows)
    for width in (1, n_leaves):  # the best path may end among enough leaves
        search.descend(partial(search.is_among_best, n_best=width, rows=worst == 0))
        worst = _nth_largest(search.proba[:, taxonomy.leaf_ids], n_leaves)
    search.descend(lambda parents: search.proba[:, parents] >= worst[:, None])
    return search.proba


class _Search:
    """A table of probabilities that is filled from the top.

    Attributes
    ----------
    proba : ndarray of float64, shape (n_rows, n_nodes)
        0 where nothing was looked at.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        observed: NodeIds,
        n_rows: int,
        proba_of_children: Callable[[NodeIds, Rows], Floats],
    ) -> None:
        self.proba = np.zeros((n_rows, taxonomy.n_nodes))
        self.proba[:, 0] = 1.0
        self._visited = np.zeros((n_rows, taxonomy.n_nodes), dtype=bool)
        self._proba_of_children = proba_of_children
        parents = taxonomy.parent_ids[observed]
        by_parent = np.argsort(parents, kind="stable")
        inner, starts = np.unique(parents[by_parent], return_index=True)
        bounds = pairwise([*starts.tolist(), len(observed)])
        self._children = {
            parent: observed[by_parent[start:stop]]
            for parent, (start, stop) in zip(inner.tolist(), bounds, strict=True)
        }
        depths = taxonomy.depths[inner]
        self._levels = [inner[depths == depth] for depth in np.unique(depths)]

    def descend(self, probable: Callable[[NodeIds], Bools]) -> None:
        """Look at the children of parents that are probable enough, level by level.

        Parameters
        ----------
        probable : callable
            Returns a mask of the rows that go on below each of some parents of one level.
        """
        for parents in self._levels:
            goes_on = probable(parents) & (self.proba[:, parents] > 0)
            goes_on &= ~self._visited[:, parents]
            for parent in np.flatnonzero(goes_on.any(axis=0)):
                self._look_below(int(parents[parent]), np.flatnonzero(goes_on[:, parent]))

    def is_among_best(self, parents: NodeIds, n_best: int, rows: Bools) -> Bools:
        """Return a mask of the most probable of some nodes, in some of the rows."""
        proba = self.proba[:, parents]
        return rows[:, None] & (proba >= _nth_largest(proba, n_best)[:, None])

    def _look_below(self, parent: int, rows: Rows) -> None:
        children = self._children[parent]
        shares = self._proba_of_children(children, rows)
        self.proba[rows[:, None], children] = shares * self.proba[rows, parent][:, None]
        self._visited[rows, parent] = True


def _nth_largest(table: Floats, n: int) -> Floats:
    """Return the n-th largest number of each row; 0 where there are fewer."""
    if table.shape[1] < n:
        return np.zeros(len(table))
    largest: Floats = np.partition(table, table.shape[1] - n, axis=1)[:, table.shape[1] - n]
    return largest
