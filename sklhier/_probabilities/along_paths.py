"""The probabilities of the nodes on some paths, without those of all nodes."""

from __future__ import annotations

import numpy as np

from sklhier._probabilities.marginals import Marginals
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier.taxonomy import _graph as ops

__all__ = ["path_proba", "stop_proba"]


def path_proba(marginals: Marginals, rows: Rows, paths: NodeIds) -> Floats:
    """Return the marginals of the nodes on paths, NaN below their ends.

    Parameters
    ----------
    marginals : Marginals
        Of a tree.
    rows : ndarray of intp, shape (n,)
        The row of each path; one may have several.
    paths : ndarray of int32, shape (n, n_levels)
        The node at each level, -1 below the end.

    Returns
    -------
    proba : ndarray of float64, shape (n, n_levels)
    """
    if not marginals.is_lazy:
        table = marginals.dense().node_proba
        return np.where(paths >= 0, table[rows[:, None], paths], np.nan)
    proba = np.full(paths.shape, np.nan)
    above = np.zeros(len(paths), dtype=np.int32)
    of_above = np.ones(len(paths))
    for level in range(paths.shape[1]):
        inside = np.flatnonzero(paths[:, level] >= 0)
        if not inside.size:
            break
        proba[inside, level] = _outcome_proba(
            marginals, rows[inside], above[inside], of_above[inside], paths[inside, level]
        )
        above, of_above = paths[:, level], proba[:, level]
    return proba


def stop_proba(marginals: Marginals, rows: Rows, nodes: NodeIds, proba: Floats) -> Floats:
    """Return the probability that the answer ends at nodes whose marginals are `proba`.

    Parameters
    ----------
    marginals : Marginals
    rows : ndarray of intp, shape (n,)
    nodes : ndarray of int32, shape (n,)
        Nodes at which an answer may end.
    proba : ndarray of float64, shape (n,)
    """
    ends = proba.copy()
    inner = np.flatnonzero(marginals.outcomes.counts[nodes])
    if inner.size:
        own = nodes[inner]
        ends[inner] = _outcome_proba(marginals, rows[inner], own, proba[inner], own)
    return ends


def _outcome_proba(
    marginals: Marginals, rows: Rows, nodes: NodeIds, proba: Floats, wanted: NodeIds
) -> Floats:
    """Return the probability of one outcome of each ``(row, node)`` pair; 0 if it has no such."""
    result = np.zeros(len(nodes))
    inner = np.flatnonzero(marginals.outcomes.counts[nodes])
    if not inner.size:
        return result
    rows, nodes, proba, wanted = rows[inner], nodes[inner], proba[inner], wanted[inner]
    # Several paths of a row share nodes, each of which is expanded once.
    keys = rows * np.int64(marginals.taxonomy.n_nodes) + nodes
    _, first, pair = np.unique(keys, return_index=True, return_inverse=True)
    found = marginals.expand(rows[first], nodes[first], proba[first])
    segment = np.argsort(found.order)[pair]
    counts = np.diff(found.offsets)[segment]
    outcomes = ops.concatenated_ranges(found.offsets[segment], counts)
    owner = np.repeat(np.arange(len(segment)), counts)
    hit = found.nodes[outcomes] == wanted[owner]
    result[inner[owner[hit]]] = found.proba[outcomes[hit]]
    return result
