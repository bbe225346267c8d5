"""Hypothesis generators of taxonomies and targets, and how many examples slow tests take."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from sklhier import Taxonomy


def one_in(n):
    """Settings of a slow test: it takes one of `n` examples that the profile allows, at least 4."""
    return settings(max_examples=max(4, settings.default.max_examples // n))


@st.composite
def trees(draw, max_nodes=14):
    """Trees of 2 to `max_nodes` nodes, named n0 (the root), n1, ..."""
    n_nodes = draw(st.integers(2, max_nodes))
    parents = [draw(st.integers(0, node - 1)) for node in range(1, n_nodes)]
    order = draw(st.permutations(range(n_nodes - 1)))
    pairs = [(f"n{parents[i]}", f"n{i + 1}") for i in order]
    return Taxonomy.from_edges(pairs)


@st.composite
def dags(draw, max_nodes=10):
    """DAGs of 3 to `max_nodes` nodes with at least one parent for all but the root."""
    n_nodes = draw(st.integers(3, max_nodes))
    pairs = []
    for node in range(1, n_nodes):
        above = draw(st.sets(st.integers(0, node - 1), min_size=1, max_size=3))
        pairs += [(f"n{parent}", f"n{node}") for parent in sorted(above)]
    return Taxonomy.from_edges(draw(st.permutations(pairs)))


@st.composite
def labelled_trees(draw, max_rows=20):
    """A tree, labels that name leaves and inner nodes, and a seed for features.

    With more rows scikit-learn warns if most labels are distinct.
    """
    tree = draw(trees())
    names = st.sampled_from(tree.nodes[1:])
    y = draw(st.lists(names, min_size=1, max_size=max_rows))
    return tree, np.array(y), draw(st.integers(0, 2**16))


@st.composite
def label_sets(draw, taxonomy, n_rows):
    """Rows of label collections, some empty."""
    names = st.sampled_from(taxonomy.nodes[1:])
    rows = st.lists(st.sets(names, max_size=4), min_size=n_rows, max_size=n_rows)
    return draw(rows)


def features(y, seed, n_features=4):
    """Features that tell something about the labels, and not everything."""
    rng = np.random.default_rng(seed)
    centres = {label: rng.normal(0, 1.5, n_features) for label in sorted(set(y.tolist()))}
    return np.array([centres[label] for label in y.tolist()]) + rng.normal(
        0, 1, (len(y), n_features)
    )
