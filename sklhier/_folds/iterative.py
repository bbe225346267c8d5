"""Iterative stratification of multi-label samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from sklhier._utils.typing import Integers, NodeIds, Rows
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["iterative_folds"]


def iterative_folds(closed: sparse.csr_array, taxonomy: Taxonomy, n_splits: int) -> Rows:
    """Return the fold of each row, so that the rows of every node are spread over all folds.

    The node with the fewest rows left comes first, of equals the deepest. Each of its rows goes
    to the fold that has fewest of the node so far; of equals to that which has fewest of the node's
    ancestors, from the deepest to the root, which all rows belong to; then to the first. The
    rows of a node differ in none of these counts, so they can be dealt out all at once.

    Parameters
    ----------
    closed : csr_array, shape (n_samples, n_nodes)
        Sets closed under ancestors, the root left out; sorted, without explicit zeros.
    taxonomy : Taxonomy
        Tree or DAG.
    n_splits : int
        Number of folds.

    Returns
    -------
    folds : ndarray of int, shape (n_samples,)
        The fold of each row. Sizes of folds differ by at most one: a fold that has
        ``n_samples // n_splits`` rows takes one more only if fewer than ``n_samples % n_splits``
        folds have done so.

    References
    ----------
    Sechidis, Tsoumakas and Vlahavas (2011). On the stratification of multi-label data. ECML PKDD.
    Here fold sizes are bounded, and ties are broken by ancestors.
    """
    n_samples = closed.shape[0]
    members = _with_root(closed)
    by_node = members.tocsc()
    left = np.diff(by_node.indptr).astype(np.int64)
    taken = np.zeros((n_splits, taxonomy.n_nodes), dtype=np.int64)
    folds = np.full(n_samples, -1, dtype=np.intp)
    occurring = np.flatnonzero(left).astype(np.int32)
    above = taxonomy.ancestors_of(occurring)
    while left.any():
        node = _rarest(left)
        rows = by_node.indices[by_node.indptr[node] : by_node.indptr[node + 1]].astype(np.intp)
        upwards = _upwards(above, int(np.searchsorted(occurring, node)))
        rows = rows[folds[rows] < 0]  # a row of a rarer node has its fold already
        folds[rows] = _next_folds(taken[:, upwards], len(rows), n_samples)
        nodes, counts = _nodes_of(members, rows)
        np.add.at(taken, (np.repeat(folds[rows], counts), nodes), 1)
        left -= np.bincount(nodes, minlength=len(left))
    return folds


def _with_root(closed: sparse.csr_array) -> sparse.csr_array:
    """Return the sets with the root in each."""
    n_samples = closed.shape[0]
    first = np.zeros(n_samples, dtype=np.int32)
    root = sparse.csr_array(
        (np.ones(n_samples), (np.arange(n_samples, dtype=np.int32), first)), shape=closed.shape
    )
    return ops.marked(sparse.csr_array(closed + root))


def _rarest(left: Integers) -> int:
    """Return the node with the fewest rows left, at least one; of equals the last, the deepest."""
    nodes = np.flatnonzero(left)[::-1]
    return int(nodes[np.argmin(left[nodes])])


def _upwards(above: sparse.csr_array, row: int) -> NodeIds:
    """Return the nodes of a row of a closure from the deepest, and the root."""
    nodes = above.indices[above.indptr[row] : above.indptr[row + 1]]
    return np.append(nodes[::-1], 0).astype(np.int32)


def _next_folds(taken: Integers, n_rows: int, n_samples: int) -> Rows:
    """Return the folds of the next `n_rows` rows of a node.

    Each step adds 1 to all counts of the fold that it takes. So the counts that a fold will have are
    known beforehand, and taking the least count again and again is the same as sorting them.

    Parameters
    ----------
    taken : ndarray of int, shape (n_splits, n_counts)
        Number of rows that each fold has so far: of the node, of its ancestors, and of all.
    n_rows : int
        Number of rows.
    n_samples : int
        Number of rows of all nodes, from which the sizes of the folds follow.
    """
    least, n_larger = divmod(n_samples, len(taken))
    offers = np.minimum(least + 1 - taken[:, -1], n_rows)
    fold = np.repeat(np.arange(len(taken)), offers)
    counts = taken[fold] + ops.concatenated_ranges(np.zeros_like(offers), offers)[:, None]
    order = np.lexsort((fold, *counts.T[::-1]))
    larger = counts[order, -1] == least  # the last place in a fold, which not all may fill
    free = n_larger - np.count_nonzero(taken[:, -1] > least)
    order = order[~larger | (np.cumsum(larger) <= free)]
    return fold[order[:n_rows]]


def _nodes_of(members: sparse.csr_array, rows: Rows) -> tuple[NodeIds, Any]:
    """Return the members of some rows one after the other, and the number in each."""
    starts = members.indptr[rows]
    counts = members.indptr[rows + 1] - starts
    return members.indices[ops.concatenated_ranges(starts, counts)], counts
