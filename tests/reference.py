"""Slow, obvious definitions: networkx and loops. The fast code must agree."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
from sklearn.base import clone


def closure(graph, root, labels):
    """Return the labels with all their ancestors, the root left out."""
    found = set()
    for label in labels:
        found |= {label} | nx.ancestors(graph, label)
    return found - {root}


def precision_recall_f(true_sets, pred_sets, beta=1.0, average="micro", zero=0.0):
    """Return hP, hR, hF of closed sets."""

    def ratio(above, below):
        return above / below if below else zero

    def scores(common, n_true, n_pred):
        f = ratio((1 + beta**2) * common, beta**2 * n_true + n_pred)
        return ratio(common, n_pred), ratio(common, n_true), f

    rows = [(len(t & p), len(t), len(p)) for t, p in zip(true_sets, pred_sets, strict=True)]
    if average == "micro":
        return scores(*np.sum(rows, axis=0))
    return tuple(np.mean([scores(*row) for row in rows], axis=0))


def depths(graph, root):
    """Return the longest distance of every node from the root."""
    depth = {root: 0}
    for node in nx.topological_sort(graph):
        if node != root:
            depth[node] = 1 + max(depth[parent] for parent in graph.predecessors(node))
    return depth


def path(graph, root, node):
    """Return the way from the first level to a node of a tree."""
    return nx.shortest_path(graph, root, node)[1:]


def fit_per_parent(estimator, X, y, graph, root):
    """Fit one clone for each parent node, node by node: the textbook."""
    models = {}
    for parent in nx.topological_sort(graph):
        targets, rows = [], []
        for row, label in enumerate(y):
            way = path(graph, root, label)
            position = -1 if parent == root else way.index(parent) if parent in way else None
            if position is None or position + 1 >= len(way):
                continue
            rows.append(row)
            targets.append(way[position + 1])
        children = [child for child in graph.successors(parent) if child in set(targets)]
        if len(children) > 1:
            codes = [children.index(target) for target in targets]
            models[parent] = (children, clone(estimator).fit(X[rows], codes))
        elif children:
            models[parent] = (children, None)
    return models


def node_probabilities(models, X, root):
    """Return {node: probability of each row}, products down the paths."""
    proba = {root: np.ones(X.shape[0])}
    for parent, (children, model) in models.items():  # parents come first
        local = np.ones((X.shape[0], 1)) if model is None else model.predict_proba(X)
        for column, child in enumerate(children):
            proba[child] = proba[parent] * local[:, column]
    return proba


def top_down(models, proba, root, row):
    """Return where a greedy descent ends."""
    node = root
    while node in models:
        children = models[node][0]
        node = max(children, key=lambda child: (proba[child][row], -children.index(child)))
    return node


def best_path(classes, proba, row):
    """Return the first of the most probable classes."""
    masses = [proba[label][row] if label in proba else -1.0 for label in classes]
    return classes[int(np.argmax(masses))]


def deepest_above(proba, depth, root, tau, row):
    """Return the deepest node whose probability exceeds a threshold, the likeliest of equals."""
    above = [node for node in proba if proba[node][row] > tau and node != root]
    return max(above, key=lambda node: (depth[node], proba[node][row]), default=root)


# -- decoders: every action is tried ------------------------------------------------------


def up(tree, node):
    """Return the ids of a node and its ancestors in a tree, the root left out."""
    found = []
    while node:
        found.append(node)
        node = int(tree.parent_ids[node])
    return found


def closed_sets(tree, nodes):
    """Return all sets of nodes that hold their ancestors."""
    sets = [frozenset()]
    for node in sorted(nodes):  # parents come first
        above = set(up(tree, node)) - {node}
        sets += [chosen | {node} for chosen in sets if above <= chosen]
    return sets


def expected_f(tree, answer, distribution, beta):
    """Return the expected F of a set of nodes; `distribution` maps true nodes to probabilities."""
    total = 0.0
    for node, proba in distribution.items():
        true = set(up(tree, node))
        f = (1 + beta**2) * len(answer & true) / (len(answer) + beta**2 * len(true))
        total += proba * f
    return total


def expected_difference(tree, weights, answer, distribution):
    """Return the expected weight of the nodes in which two paths differ."""
    mine = set(up(tree, answer))
    return sum(
        proba * sum(weights[node] for node in mine ^ set(up(tree, true)))
        for true, proba in distribution.items()
    )


def beam(tree, outcomes, nodes, ends, row, width):
    """Return the answers at which a beam search ends, best first."""
    state = [(1.0, 0, False)]  # probability, node, complete
    while not all(done for _, _, done in state):
        following = [entry for entry in state if entry[2]]
        for _, node, _ in (entry for entry in state if not entry[2]):
            for member in outcomes.of_node(node).tolist():
                stops = member == node
                mass = ends[row, member] if stops else nodes[row, member]
                following.append((mass, member, stops or outcomes.counts[member] == 0))
        state = sorted(following, key=lambda entry: -entry[0])[:width]
    return state


def heights(graph):
    """Return the longest distance from every node down to a leaf."""
    height = {}
    for node in reversed(list(nx.topological_sort(graph))):
        height[node] = max((height[child] + 1 for child in graph.successors(node)), default=0)
    return height


def distance(graph, first, second):
    """Return the fewest edges between two nodes through a common ancestor."""
    ways = [nx.shortest_path_length(graph.reverse(), node) for node in (first, second)]
    return min(ways[0][node] + ways[1][node] for node in ways[0].keys() & ways[1].keys())


def graph_induced_accuracy(graph, true, predicted, limit):
    """Return MGIA of one sample: try every set of pairs."""
    wrong = true ^ predicted
    if not wrong:
        return 1.0
    pairs = {
        (t, p): distance(graph, t, p)
        for t, p in itertools.product(sorted(true), sorted(predicted))
        if t in wrong or p in wrong
    }
    near = [pair for pair, edges in pairs.items() if edges < limit]
    errors = []
    for size in range(len(wrong) + 1):  # no more pairs than nodes to cover
        for chosen in itertools.combinations(near, size):
            alone = wrong - {label for pair in chosen for label in pair}
            errors.append(sum(pairs[pair] for pair in chosen) + limit * len(alone))
    return 1 - min(errors) / (len(wrong) * limit)


def first_mistakes(graph, root, true, predicted, weight):
    """Return the H-loss of two closed sets: wrong nodes all of whose ancestors are right."""
    wrong = true ^ predicted
    counted = [node for node in wrong if not (nx.ancestors(graph, node) - {root}) & wrong]
    return sum(weight[node] for node in counted)


def information_of_set(graph, root, labels, information):
    """Return the information of a set of labels of a tree: the recursion of the authors."""
    if not labels:
        return 0.0
    first, *others = sorted(labels)
    shared = {nx.lowest_common_ancestor(graph, first, other) for other in others} - {root}
    return (
        information[first]
        + information_of_set(graph, root, set(others), information)
        - information_of_set(graph, root, shared, information)
    )


def violates(graph, root, members):
    """Whether a set holds a node without one of its parents."""
    return any(set(graph.predecessors(node)) - {root} - members for node in members)


def calibration_error(confidence, right, n_bins):
    """Return the expected calibration error over bins that include their upper edge."""
    edges = np.arange(1, n_bins + 1) / n_bins
    of_bin = [[] for _ in edges]
    for value, hit in zip(confidence, right, strict=True):
        of_bin[int(np.argmax(value <= edges))].append((value, hit))
    gaps = [len(rows) * abs(np.diff(np.mean(rows, axis=0))[0]) for rows in of_bin if rows]
    return sum(gaps) / len(confidence)


# -- multi-label: nodes and edges one by one ----------------------------------------------


def inner_parents(taxonomy, node):
    """Return the parents of a node, the root left out."""
    return [parent for parent in taxonomy.parents_of(node).tolist() if parent]


def best_closed_set(taxonomy, weights):
    """Return the smallest of the closed sets of a tree or DAG with the largest sum."""
    sets = [frozenset()]
    for node in range(1, taxonomy.n_nodes):
        above = set(inner_parents(taxonomy, node))
        sets += [chosen | {node} for chosen in sets if above <= chosen]
    sums = [sum(weights[node] for node in sorted(chosen)) for chosen in sets]
    best = max(sums)
    return min((s for s, total in zip(sets, sums, strict=True) if total > best - 1e-9), key=len)


def consistent(taxonomy, scores, method):
    """Return consistent scores of one row, by the definition of each method."""
    edges = np.stack([taxonomy.edge_parents, taxonomy.edge_children], axis=1)
    graph = nx.DiGraph(edges.tolist())
    nodes = list(range(1, taxonomy.n_nodes))
    q = list(scores)
    if method == "max":
        q = [max(scores[n] for n in {v} | nx.descendants(graph, v)) for v in range(len(scores))]
    if method == "true_path":
        for node in reversed(nodes):
            higher = [q[c] for c in graph.successors(node) if q[c] > scores[node]]
            q[node] = (scores[node] + sum(higher)) / (1 + len(higher))
    for node in nodes:
        least = min((q[parent] for parent in inner_parents(taxonomy, node)), default=None)
        if least is not None:
            q[node] = q[node] * least if method == "product" else min(q[node], least)
    q[0] = 1.0
    return q
