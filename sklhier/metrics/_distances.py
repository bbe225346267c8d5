"""Common ancestors of many pairs of nodes, and the distances between them."""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import dijkstra

from sklhier._utils.memory_blocks import bounded_blocks
from sklhier._utils.typing import NodeIds, Offsets, Rows
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._closure import Links, few_and_deep

__all__ = ["lowest_common_ancestors", "node_distances"]

# Pairs of a node and an ancestor in a block of work.
_MAX_LINKS = 2**21
_FAR = np.iinfo(np.int32).max


def lowest_common_ancestors(first: NodeIds, second: NodeIds, taxonomy: Taxonomy) -> NodeIds:
    """Return the node of a tree where the paths to each pair of nodes part."""
    return ops.lowest_common_ancestors(
        first,
        second,
        taxonomy.lifts,
        taxonomy.preorder_positions,
        taxonomy.subtree_sizes,
    )


def node_distances(first: NodeIds, second: NodeIds, taxonomy: Taxonomy) -> NodeIds:
    """Return the number of edges between the nodes of each pair, through a common ancestor.

    Parameters
    ----------
    first, second : ndarray of int32, shape (n_pairs,)
        Ids of nodes.
    taxonomy : Taxonomy
        Tree or DAG.

    Returns
    -------
    distances : ndarray of int, shape (n_pairs,)
        As :meth:`Taxonomy.distance`.
    """
    if taxonomy.is_tree:
        depths = taxonomy.depths
        met = lowest_common_ancestors(first, second, taxonomy)
        return depths[first] + depths[second] - 2 * depths[met]
    n_nodes = np.int64(taxonomy.n_nodes)
    pairs, position = np.unique(first * n_nodes + second, return_inverse=True)
    return _distances_in_dag(*np.divmod(pairs, n_nodes), taxonomy)[position]


def _distances_in_dag(first: Rows, second: Rows, taxonomy: Taxonomy) -> NodeIds:
    nodes, position = np.unique(np.concatenate([first, second]), return_inverse=True)
    first, second = np.split(position, 2)
    offsets, ancestors, steps = _ancestors_with_steps(nodes, taxonomy)
    keys = np.repeat(np.arange(len(nodes)), np.diff(offsets)) * taxonomy.n_nodes + ancestors
    links = np.diff(offsets)[first]
    distances = np.empty(len(first), dtype=np.int32)
    for part in bounded_blocks(links, _MAX_LINKS):
        above = ops.concatenated_ranges(offsets[first[part]], links[part])
        wanted = np.repeat(second[part], links[part]) * taxonomy.n_nodes + ancestors[above]
        found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        far = np.where(keys[found] == wanted, steps[above] + steps[found], _FAR)
        # No segment is empty: the root is above every node.
        distances[part] = np.minimum.reduceat(far, ops.offsets_of(links[part])[:-1])
    return distances


def _ancestors_with_steps(nodes: Rows, taxonomy: Taxonomy) -> tuple[Offsets, Rows, Rows]:
    """Return the ancestors of each node, itself and the root included, and the steps up to them.

    Returns
    -------
    offsets : ndarray of int, shape (n + 1,)
        Where the ancestors of each node begin.
    ancestors, steps : ndarray of int, shape (n_links,)
        Ascending ancestors of each node, and the least number of edges to each.
    """
    links = taxonomy.links
    if few_and_deep(len(nodes), links):
        return _searched_with_steps(nodes, links)
    starts, parents, _ = links
    n_nodes = np.int64(taxonomy.n_nodes)
    wave = np.arange(len(nodes)) * n_nodes + nodes
    reached, steps = wave, np.zeros(len(nodes), dtype=np.intp)
    while wave.size:
        owners, below = np.divmod(wave, n_nodes)
        counts = starts[below + 1] - starts[below]
        above = parents[ops.concatenated_ranges(starts[below], counts)]
        wave = np.setdiff1d(np.repeat(owners, counts) * n_nodes + above, reached)
        everything = np.concatenate([reached, wave])
        order = np.argsort(everything, kind="stable")
        step = np.full(len(wave), steps.max() + 1)
        reached, steps = everything[order], np.concatenate([steps, step])[order]
    owners, ancestors = np.divmod(reached, n_nodes)
    return ops.offsets_of(np.bincount(owners, minlength=len(nodes))), ancestors, steps


def _searched_with_steps(nodes: Rows, links: Links) -> tuple[Offsets, Rows, Rows]:
    """Return what :func:`_ancestors_with_steps` does, by a search upwards from each node alone."""
    graph = links.graph()
    nothing = np.zeros(0, dtype=np.intp)
    ancestors, steps = [nothing], [nothing]
    for node in nodes.tolist():
        distances = dijkstra(graph, indices=node, unweighted=True)
        ancestors.append(np.flatnonzero(np.isfinite(distances)))
        steps.append(distances[ancestors[-1]].astype(np.intp))
    offsets = ops.offsets_of(list(map(len, ancestors[1:])))
    return offsets, np.concatenate(ancestors), np.concatenate(steps)
