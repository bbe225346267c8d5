"""Folds that keep groups whole and spread the rows of every node."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from sklhier._utils.typing import Rows

__all__ = ["grouped_folds"]

_DIGITS = 10


def grouped_folds(closed: sparse.csr_array, groups: Rows, order: Rows, n_splits: int) -> Rows:
    r"""Return the fold of each group, so that the rows of every node are spread over all folds.

    With :math:`c_{gn}` rows of group `g` at or below node `n`, and :math:`c_n` in all, the share of a
    fold in a node is :math:`s_{fn} = \sum_{g \in f} c_{gn} / c_n`. Groups are dealt out one after the
    other, those with the largest :math:`\sum_n (c_{gn} / c_n)^2` first, each to the fold where
    :math:`\sum_{fn} s_{fn}^2` grows least: the sum is smallest if all shares are equal. The root is a
    node, too, so that folds get equally large.

    Parameters
    ----------
    closed : csr_array, shape (n_samples, n_nodes)
        Sets closed under ancestors, the root left out.
    groups : ndarray of intp, shape (n_samples,)
        The group of each row, from 0.
    order : ndarray of intp, shape (n_groups,)
        The groups in the order in which equals are taken.
    n_splits : int
        Number of folds, at most that of groups.

    Returns
    -------
    folds : ndarray of intp, shape (n_groups,)
        No fold is without a group.

    References
    ----------
    As :class:`sklearn.model_selection.StratifiedGroupKFold`, with nodes in place of classes and
    squares in place of standard deviations, so that only the nodes of a group have to be looked at.
    """
    shares = _shares(closed, groups, len(order))
    # No row is empty: all have the root. Rounded, for equals are equal on every machine then.
    sizes = np.add.reduceat(shares.data**2, shares.indptr[:-1]).round(_DIGITS)
    taken = np.zeros((n_splits, shares.shape[1]))
    folds = np.empty(len(order), dtype=np.intp)
    for group in order[np.argsort(-sizes[order], kind="stable")].tolist():
        entries = slice(shares.indptr[group], shares.indptr[group + 1])
        nodes, own = shares.indices[entries], shares.data[entries]
        # A fold without a group has 0, and every other one more, by the root.
        fold = int(np.argmin((taken[:, nodes] @ own).round(_DIGITS)))
        taken[fold, nodes] += own
        folds[group] = fold
    return folds


def _shares(closed: sparse.csr_array, groups: Rows, n_groups: int) -> sparse.csr_array:
    """Return the share of each group in each node, (n_groups, n_nodes); the root has all rows."""
    n_samples = closed.shape[0]
    of_group = sparse.csr_array(
        (np.ones(n_samples), (groups, np.arange(n_samples))), shape=(n_groups, n_samples)
    )
    root = sparse.csr_array(
        (np.ones(n_samples), (np.arange(n_samples), np.zeros(n_samples, dtype=np.intp))),
        shape=closed.shape,
    )
    counts = sparse.csr_array(of_group @ (closed + root))
    totals = np.bincount(counts.indices, weights=counts.data, minlength=counts.shape[1])
    counts.data /= totals[counts.indices]
    return counts
