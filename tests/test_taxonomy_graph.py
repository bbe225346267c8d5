"""Kernels against plain loops."""

from itertools import pairwise

import numpy as np
from generators import trees
from hypothesis import given
from hypothesis import strategies as st

from sklhier.taxonomy import _graph as ops

COUNTS = st.lists(st.integers(0, 4), min_size=1, max_size=8)


@given(COUNTS)
def test_ranges(counts):
    starts = np.cumsum(counts) * 2
    wanted = [s + i for s, c in zip(starts, counts, strict=True) for i in range(c)]
    assert ops.concatenated_ranges(starts, counts).tolist() == wanted


@given(COUNTS.map(lambda counts: [count + 1 for count in counts]), st.integers(0, 100))
def test_segment_argmax_takes_the_first_maximum(counts, seed):
    offsets = ops.offsets_of(counts)
    values = np.random.default_rng(seed).integers(0, 3, offsets[-1]).astype(float)
    wanted = [start + int(np.argmax(values[start:stop])) for start, stop in pairwise(offsets)]
    assert ops.segment_argmax(values, offsets).tolist() == wanted


@given(trees(), st.integers(0, 100))
def test_lowest_common_ancestors(tree, seed):
    first, second = np.random.default_rng(seed).integers(0, tree.n_nodes, (2, 12)).astype(np.int32)
    found = ops.lowest_common_ancestors(
        first, second, tree.lifts, tree.preorder_positions, tree.subtree_sizes
    )
    wanted = [tree.lca(tree.nodes[a], tree.nodes[b]) for a, b in zip(first, second, strict=True)]
    assert [tree.nodes[node] for node in found] == wanted
