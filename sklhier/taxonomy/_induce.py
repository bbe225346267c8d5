"""Groups of similar classes, from the means of their samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.cluster.hierarchy import linkage
from scipy.sparse.csgraph import connected_components

from sklhier._utils.memory_blocks import most_numbers
from sklhier._utils.typing import Floats, Rows

__all__ = ["METHODS", "class_means", "grouped_classes"]

METHODS = ("balanced_kmeans", "ward")

_MOST_ITERATIONS = 100
_DIGITS = 10  # differences that are equal but for rounding are equal


def class_means(X: Any, codes: Rows, n_classes: int) -> Any:
    """Return the mean of the samples of each class, sparse if X is.

    Parameters
    ----------
    X : ndarray or csr_array of float, shape (n_samples, n_features)
    codes : ndarray of int, shape (n_samples,)
        Class of each sample, from 0; each has one.
    n_classes : int
    """
    weights = 1 / np.bincount(codes, minlength=n_classes)[codes]
    shape = (n_classes, len(codes))
    return sparse.csr_array((weights, (codes, np.arange(len(codes)))), shape=shape) @ X


def grouped_classes(means: Any, n_groups: int, method: str, random: np.random.RandomState) -> Rows:
    """Return the group of each class; groups are numbered by their first class.

    Parameters
    ----------
    means : ndarray or csr_array of float, shape (n_classes, n_features)
    n_groups : int
        At most the number of classes.
    method : {"balanced_kmeans", "ward"}
    random : RandomState
        For the first centres of ``"balanced_kmeans"``.

    Raises
    ------
    ValueError
        For ``"ward"``, if the distances of all classes do not fit in scikit-learn's working memory.
    """
    groups = (
        _balanced(means, n_groups, random)
        if method == "balanced_kmeans"
        else _ward(means, n_groups)
    )
    first = np.unique(groups, return_index=True)[1]
    rank = np.empty(n_groups, dtype=np.intp)
    rank[np.argsort(first)] = np.arange(n_groups)
    return rank[groups]


# -- balanced k-means -----------------------------------------------------------------------


def _balanced(means: Any, n_groups: int, random: np.random.RandomState) -> Rows:
    """Split classes in two, and the parts again, so that sizes of groups differ by at most one."""
    groups = np.empty(means.shape[0], dtype=np.intp)
    open_parts = [(np.arange(means.shape[0]), 0, n_groups)]
    while open_parts:
        classes, first, number = open_parts.pop()
        if number == 1:
            groups[classes] = first
            continue
        n_left = number // 2
        least, n_larger = divmod(len(classes), number)
        size = least * n_left + min(n_larger, n_left)
        left = _halved(means[classes], size, random)
        open_parts.append((classes[~left], first + n_left, number - n_left))
        open_parts.append((classes[left], first, n_left))
    return groups


def _halved(means: Any, size: int, random: np.random.RandomState) -> Any:
    """Return a mask of `size` classes that are closer to one centre than the others to another.

    Each round takes the classes with the smallest difference of squared distances to the two
    centres, which is linear in the features, then moves the centres; it ends when no class moves.
    """
    start = int(random.randint(means.shape[0]))
    farthest = int(np.argmax(_distances(means, _row(means, start))))
    centres = _row(means, start), _row(means, farthest)
    left = np.zeros(means.shape[0], dtype=bool)
    for _ in range(_MOST_ITERATIONS):
        order = np.argsort((means @ (centres[1] - centres[0])).round(_DIGITS), kind="stable")
        before, left = left, np.zeros_like(left)
        left[order[:size]] = True
        if (left == before).all():
            break
        centres = _mean(means[left]), _mean(means[~left])
    return left


def _row(means: Any, i: int) -> Floats:
    return _dense(means[[i]])[0]


def _dense(table: Any) -> Floats:
    return np.asarray(table.toarray() if hasattr(table, "toarray") else table)


def _mean(means: Any) -> Floats:
    mean: Floats = np.asarray(means.mean(axis=0)).ravel()
    return mean


def _distances(means: Any, centre: Floats) -> Floats:
    """Return squared distances to a centre, less its own square."""
    squares = (means * means).sum(axis=1)
    distances: Floats = (squares - 2 * (means @ centre)).round(_DIGITS)
    return distances


# -- Ward ------------------------------------------------------------------------------------


def _ward(means: Any, n_groups: int) -> Rows:
    n_classes = means.shape[0]
    if n_classes**2 > most_numbers():
        raise ValueError(
            f"`method` must be 'balanced_kmeans' for {n_classes} classes, got 'ward': the distances "
            "of all pairs exceed scikit-learn's working_memory. Or raise it: "
            "sklearn.set_config(working_memory=...)."
        )
    products = _dense(means @ means.T)
    squares = np.diag(products)
    rows, columns = np.triu_indices(n_classes, 1)
    squared = squares[rows] + squares[columns] - 2 * products[rows, columns]
    merges = linkage(np.sqrt(np.maximum(squared, 0).round(_DIGITS)), "ward")
    # Merge i makes node n_classes + i of two earlier ones; without the last ones, groups remain.
    made = merges[: n_classes - n_groups, :2].astype(np.intp)
    above = np.repeat(np.arange(n_classes, n_classes + len(made)), 2)
    n_nodes = n_classes + len(made)
    graph = sparse.csr_array(
        (np.ones(len(above)), (above, made.ravel())), shape=(n_nodes, n_nodes)
    )
    return np.unique(connected_components(graph)[1][:n_classes], return_inverse=True)[1]
