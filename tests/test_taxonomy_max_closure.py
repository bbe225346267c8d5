"""Closed sets of maximum weight: every closed set is tried."""

import networkx as nx
import numpy as np
import pytest
import reference
from conftest import DIAMOND, TAXONOMIES
from generators import dags, trees
from hypothesis import given
from hypothesis import strategies as st
from sklearn import config_context

from sklhier import Taxonomy
from sklhier.taxonomy._max_closure import RowGraphs, best_closed_sets

taxonomies = st.one_of(trees(max_nodes=9), dags(max_nodes=9))
seeds = st.integers(0, 2**16)


def members_of(sets):
    """Return the ids in each row."""
    assert (sets.data == 1).all()
    return [frozenset(map(int, np.flatnonzero(row))) for row in sets.toarray()]


def gains_of(seed, n_rows, taxonomy):
    """Return random weights; those of every other row are small integers, so that sets tie."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n_rows, taxonomy.n_nodes))
    weights[::2] = rng.integers(-2, 3, size=weights[::2].shape)
    return weights


@given(taxonomies, seeds)
def test_no_closed_set_is_better_and_no_equal_one_smaller(taxonomy, seed):
    weights = gains_of(seed, 6, taxonomy)
    found = members_of(best_closed_sets(weights, taxonomy))
    for row, chosen in zip(weights, found, strict=True):
        assert chosen == reference.best_closed_set(taxonomy, row)


@given(dags(max_nodes=9), seeds)
def test_a_tree_solved_as_a_dag(taxonomy, seed):
    """A first parent only makes a tree: the cut must agree with the dynamic programming."""
    first = {}
    for parent, child in zip(taxonomy.edge_parents, taxonomy.edge_children, strict=True):
        first.setdefault(int(child), int(parent))
    tree = Taxonomy(range(taxonomy.n_nodes), list(first.values()), list(first), root=0)
    weights = gains_of(seed, 6, tree)
    by_levels = best_closed_sets(weights, tree)
    tree.__dict__["is_tree"] = False
    by_cut = best_closed_sets(weights, tree)
    np.testing.assert_array_equal(by_cut.toarray(), by_levels.toarray())


@given(taxonomies, seeds)
def test_thresholds_of_consistent_probabilities(taxonomy, seed):
    """Weights c (p - t) with consistent p are best met by the nodes with p > t."""
    rng = np.random.default_rng(seed)
    proba = rng.random((5, taxonomy.n_nodes))
    for node in range(1, taxonomy.n_nodes):
        above = taxonomy.parents_of(node)
        proba[:, node] *= np.where(above == 0, 1.0, proba[:, above]).min(axis=1)
    cost = rng.random(taxonomy.n_nodes) * (rng.random(taxonomy.n_nodes) < 0.8)
    threshold = rng.random()
    found = best_closed_sets(cost * (proba - threshold), taxonomy).toarray() > 0
    expected = proba > threshold
    # A node that costs nothing is chosen only for what lies below it.
    expected[:, 0] = False
    paid = cost > 0
    np.testing.assert_array_equal(found[:, paid], expected[:, paid])
    assert not (found & ~expected).any()


@given(taxonomies, seeds)
def test_rows_do_not_depend_on_their_batch(taxonomy, seed):
    weights = gains_of(seed, 8, taxonomy)
    whole = best_closed_sets(weights, taxonomy).toarray()
    alone = [best_closed_sets(row[None], taxonomy).toarray()[0] for row in weights]
    np.testing.assert_array_equal(whole, alone)
    with config_context(working_memory=0.001):  # several blocks
        np.testing.assert_array_equal(best_closed_sets(weights, taxonomy).toarray(), whole)


@given(taxonomies, seeds)
def test_names_do_not_matter(taxonomy, seed):
    """Another order of the edges is another order of the columns."""
    weights = gains_of(seed, 6, taxonomy)
    edges = list(nx.DiGraph(taxonomy.to_networkx()).edges())
    other = Taxonomy.from_edges(edges[::-1])
    order = taxonomy.ids(other.nodes)
    found = best_closed_sets(weights[:, order], other).toarray()
    np.testing.assert_array_equal(found, best_closed_sets(weights, taxonomy).toarray()[:, order])


@pytest.mark.parametrize("taxonomy", [TAXONOMIES["ragged"], DIAMOND], ids=["tree", "dag"])
def test_neither_input_nor_root_matters(taxonomy):
    weights = gains_of(0, 5, taxonomy)
    kept = weights.copy()
    found = best_closed_sets(weights, taxonomy)
    np.testing.assert_array_equal(weights, kept)
    weights[:, 0] = [9, -9, 1e300, -1e300, 0]
    np.testing.assert_array_equal(best_closed_sets(weights, taxonomy).toarray(), found.toarray())
    assert found.dtype == np.float64
    assert not found[:, [0]].nnz


@pytest.mark.parametrize("taxonomy", [TAXONOMIES["ragged"], DIAMOND], ids=["tree", "dag"])
def test_nothing_to_gain(taxonomy):
    for n_rows in (0, 3):
        found = best_closed_sets(-np.ones((n_rows, taxonomy.n_nodes)), taxonomy)
        assert found.shape == (n_rows, taxonomy.n_nodes)
        assert not found.nnz


@pytest.mark.parametrize("size", [2.0**-900, 2.0**-20, 1.0, 2.0**40])
def test_precision_is_relative_to_the_gains(size):
    """Z needs P, Q and S: their losses decide in the last digits."""
    ids = DIAMOND.ids(["P", "Q", "S", "Z"])
    weights = np.zeros((3, DIAMOND.n_nodes))
    weights[:, ids[:3]] = -0.25 * size
    weights[:, ids[3]] = np.array([1 + 1e-12, 1.0, 1 - 1e-12]) * 0.75 * size
    found = members_of(best_closed_sets(weights, DIAMOND))
    assert found == [frozenset(ids.tolist()), frozenset(), frozenset()]


@given(taxonomies, seeds)
def test_sums_that_cancel_out_but_for_rounding(taxonomy, seed):
    """The parents of a node lose in all what it gains: nothing is chosen."""
    rng = np.random.default_rng(seed)
    weights = np.full((5, taxonomy.n_nodes), -1.0)
    node = taxonomy.n_nodes - 1
    above = np.setdiff1d(taxonomy.ancestor_closure[[node]].indices, [node])
    shares = rng.random((5, len(above)))
    weights[:, above] = -shares
    weights[:, node] = shares.sum(axis=1)
    if above.size:
        assert not best_closed_sets(weights, taxonomy).nnz
    weights[:, node] += 1e-9
    expected = frozenset([*above.tolist(), node])
    assert members_of(best_closed_sets(weights, taxonomy)) == [expected] * 5


def test_a_loss_beyond_all_gains():
    """The losses of a row do not spoil the precision of its gains."""
    ids = DIAMOND.ids(["P", "Q", "S", "Z"]).tolist()
    weights = np.zeros((1, DIAMOND.n_nodes))
    weights[0, ids] = [-1e-9, -1e300, 0.5, 1.0]
    assert members_of(best_closed_sets(weights, DIAMOND)) == [frozenset()]
    weights[0, ids] = [1e-9, -1e300, 0.5, 1.0]
    assert members_of(best_closed_sets(weights, DIAMOND)) == [frozenset(ids[:1])]


def test_a_loss_beyond_any_sum_of_gains():
    """Rounding of what is cut off a loss makes no gain of it: many rows, each another chance."""
    rng = np.random.default_rng(0)
    dag = Taxonomy.from_edges([("P", "a"), ("P", "b"), ("P", "shared"), ("Q", "shared")])
    weights = rng.random((2000, dag.n_nodes))
    weights[:, dag.id("P")] = -4
    weights[:, dag.ids(["Q", "shared"])] = -1
    assert not best_closed_sets(weights, dag).nnz


def test_many_nodes_need_the_second_flow():
    """Steps of a first flow alone are too coarse for sums over thousands of nodes."""
    n_wide = 3000
    edges = [("R", "P"), ("R", "Q"), ("Q", "S")]
    edges += [(parent, i) for i in range(n_wide) for parent in ("P", "S")]
    wide = Taxonomy.from_edges(edges)
    weights = np.zeros((2, wide.n_nodes))
    weights[:, wide.ids(list(range(n_wide)))] = 2 / 3 + 1e-9  # no multiple of a step
    total = weights[0].sum()
    for name, share in (("P", 0.5), ("Q", 0.25), ("S", 0.25)):
        weights[:, wide.id(name)] = -share * total * np.array([1 - 1e-9, 1 + 1e-9])
    assert list(map(len, members_of(best_closed_sets(weights, wide)))) == [wide.n_nodes - 1, 0]


@pytest.mark.more
def test_a_long_chain():
    n_nodes = 20_000
    chain = Taxonomy(range(n_nodes), range(n_nodes - 1), range(1, n_nodes))
    weights = np.full((2, n_nodes), -1.0)
    weights[:, -1] = [n_nodes, 0.5]
    found = best_closed_sets(weights, chain)
    assert found.sum(axis=1).tolist() == [n_nodes - 1, 0]


def test_row_graphs_leave_out_nodes_and_edges():
    graphs = RowGraphs.of(np.ones((DIAMOND.n_nodes, 2), dtype=bool), DIAMOND)
    assert graphs.n_entries == 2 * (DIAMOND.n_nodes - 1)
    assert len(graphs.below) == 2 * 3  # the edges of the root are left out
    assert len(set(graphs.pieces.tolist())) == 2
    gone = graphs.entries // 2 == DIAMOND.id("S")
    rest = graphs.without(gone, np.zeros(len(graphs.below), dtype=bool))
    ends = zip(rest.entries[rest.above], rest.entries[rest.below], strict=True)
    p, z = DIAMOND.id("P"), DIAMOND.id("Z")
    assert sorted(map(tuple, map(np.ravel, ends))) == [(2 * p, 2 * z), (2 * p + 1, 2 * z + 1)]
    assert len(set(rest.pieces.tolist())) == 2 * 2  # P with Z, and Q
