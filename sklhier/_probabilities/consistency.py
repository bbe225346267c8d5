"""Independent scores of nodes made consistent: no child scores higher than a parent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sklhier._utils.typing import Floats
from sklhier._utils.validation import check_choice
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._levelwise import (
    bottom_up,
    maximum_from_below,
    minimum_from_above,
    top_down,
)
from sklhier.taxonomy._max_closure import RowGraphs, best_closed_nodes, rows_at_once

__all__ = ["METHODS", "make_consistent"]


def make_consistent(scores: npt.ArrayLike, taxonomy: Taxonomy, method: str) -> Floats:
    r"""Return scores that never rise from a node to its child.

    With :math:`h` the scores, the result is

    ``"min"``
        :math:`q_v = \min(h_v, \min_{p} q_p)` over the parents of `v`: the hierarchical top-down
        rule [1]_.
    ``"max"``
        The largest of `h` at and below `v`: the max-constraint module [2]_.
    ``"product"``
        :math:`q_v = h_v \min_{p} q_p`, for `h` that are probabilities given all parents. In
        a DAG the least probable parent counts. It is consistent for `h` in [0, 1].
    ``"isotonic"``
        The consistent scores nearest to `h` by Euclidean distance.
    ``"true_path"``
        The true path rule without thresholds [3]_ [1]_: from the leaves up, :math:`h_v` is averaged
        with the scores of those children that, themselves averaged, score higher; then ``"min"``.

    All but ``"product"`` leave consistent scores as they are.

    Parameters
    ----------
    scores : array-like of float, shape (n_rows, n_nodes)
        Finite scores, columns by id of the node.
    taxonomy : Taxonomy
        A tree or DAG.
    method : {"min", "max", "product", "isotonic", "true_path"}
        The rule.

    Returns
    -------
    consistent : ndarray of float64, shape (n_rows, n_nodes)
        A new array. The root's column is 1 and bounds no other.

    Raises
    ------
    ValueError
        For an unknown method.

    Notes
    -----
    All but ``"isotonic"`` take one or two level passes, linear in the number of edges.
    ``"isotonic"`` splits: a group of nodes gets its mean, or it is cut in two by the closed set
    that lies farthest above the mean [4]_. It is exact up to rounding, for trees and DAGs. A round
    of all groups of all rows takes two level passes in a tree and two maximum flows in a DAG; random
    scores take about as many rounds as a balanced search tree has levels. Nodes whose ancestors all
    score at least as high, and whose descendants score at most as high, keep their score and cost
    nothing. So scores that are nearly consistent are fast.

    References
    ----------
    .. [1] M. Notaro, M. Schubach, P. N. Robinson, G. Valentini. Prediction of Human Phenotype
       Ontology terms by means of hierarchical ensemble methods. BMC Bioinformatics 18 (2017).
    .. [2] E. Giunchiglia, T. Lukasiewicz. Coherent hierarchical multi-label classification
       networks. NeurIPS (2020).
    .. [3] G. Valentini. True path rule hierarchical ensembles for genome-wide gene function
       prediction. IEEE/ACM Transactions on Computational Biology and Bioinformatics 8 (2011).
    .. [4] R. Luss, S. Rosset, M. Shahar. Efficient regularized isotonic regression with application
       to gene-gene interaction search. Annals of Applied Statistics 6 (2012).
    """
    check_choice("method", method, METHODS)
    values = np.array(np.asarray(scores, dtype=np.float64).T, order="C")
    METHODS[method](values, taxonomy)
    values[0] = 1.0
    return np.ascontiguousarray(values.T)


def _multiply_down(values: Floats, taxonomy: Taxonomy) -> None:
    for step in top_down(taxonomy):
        values[step.nodes] *= step.reduced(np.minimum, values)


def _follow_true_paths(values: Floats, taxonomy: Taxonomy) -> None:
    for step in bottom_up(taxonomy):
        below, own = values[step.relatives], values[step.nodes]
        counts = np.diff(np.append(step.starts, len(step.relatives)))
        higher = below > np.repeat(own, counts, axis=0)
        below[~higher] = 0.0  # so that one reduceat sums the higher children alone
        n_higher = np.add.reduceat(higher, step.starts, axis=0, dtype=np.intp)
        total = own + np.add.reduceat(below, step.starts, axis=0)
        values[step.nodes] = total / (1 + n_higher)
    minimum_from_above(values, taxonomy)


def _project(values: Floats, taxonomy: Taxonomy) -> None:
    """Replace values by the nearest consistent ones; shape (n_nodes, n_rows)."""
    for rows in rows_at_once(values.shape[1], taxonomy):
        block = np.ascontiguousarray(values[:, rows])
        _split_at_means(block.ravel(), _unsettled(block, taxonomy))
        values[:, rows] = block
    # Means of neighbouring groups that are equal may differ in the last digit.
    minimum_from_above(values, taxonomy)


def _unsettled(values: Floats, taxonomy: Taxonomy) -> RowGraphs:
    """Return the nodes that score above some ancestor or below some descendant."""
    bound = values.copy()
    minimum_from_above(bound, taxonomy)
    moves = bound < values
    bound[:] = values
    maximum_from_below(bound, taxonomy)
    return RowGraphs.of(moves | (bound > values), taxonomy)


def _split_at_means(values: Floats, graphs: RowGraphs) -> None:
    """Project the values of the entries of a flat table, in place.

    Each round finishes or splits every piece, so that there are fewer rounds than nodes.
    """
    while graphs.n_entries:
        own = values[graphs.entries]
        size = np.bincount(graphs.pieces)
        mean = (graphs.sum_of(own) / size)[graphs.pieces]
        chosen = best_closed_nodes(own - mean, graphs)
        n_chosen = graphs.sum_of(chosen)
        done = ((n_chosen == 0) | (n_chosen == size))[graphs.pieces]
        values[graphs.entries[done]] = mean[done]
        graphs = graphs.without(done, chosen[graphs.above] != chosen[graphs.below])


METHODS: dict[str, Callable[[Floats, Taxonomy], None]] = {
    "min": minimum_from_above,
    "max": maximum_from_below,
    "product": _multiply_down,
    "isotonic": _project,
    "true_path": _follow_true_paths,
}
