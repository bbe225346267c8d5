"""Consistent scores: properties of every method, and slow definitions."""

import numpy as np
import pytest
import reference
from conftest import DIAMOND, TAXONOMIES
from generators import dags, one_in, trees
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize
from sklearn import config_context

from sklhier import Taxonomy
from sklhier._probabilities.consistency import METHODS, make_consistent
from sklhier._probabilities.marginals import Outcomes
from sklhier._probabilities.products import normalised_products

taxonomies = st.one_of(trees(max_nodes=12), dags(max_nodes=12))
seeds = st.integers(0, 2**16)
methods = pytest.mark.parametrize("method", sorted(METHODS))


def scores_of(seed, n_rows, taxonomy):
    """Return scores in [0, 1]; every other row has few distinct ones, so that many are equal."""
    rng = np.random.default_rng(seed)
    scores = rng.random((n_rows, taxonomy.n_nodes))
    scores[::2] = np.round(scores[::2] * 4) / 4
    return scores


def inner_edges(taxonomy):
    """Return parents and children of the edges that do not leave the root."""
    inner = taxonomy.edge_parents > 0
    return taxonomy.edge_parents[inner], taxonomy.edge_children[inner]


def is_consistent(scores, taxonomy):
    parents, children = inner_edges(taxonomy)
    return (scores[:, children] <= scores[:, parents]).all()


@pytest.mark.few(3)
@methods
@given(taxonomies, seeds)
def test_no_child_scores_higher_than_a_parent(method, taxonomy, seed):
    found = make_consistent(scores_of(seed, 6, taxonomy), taxonomy, method)
    assert is_consistent(found, taxonomy)
    assert (found[:, 0] == 1).all()
    assert (found >= 0).all()
    assert (found <= 1).all()


@pytest.mark.few(2)
@pytest.mark.parametrize("method", sorted(set(METHODS) - {"product"}))
@given(taxonomies, seeds)
def test_consistent_scores_stay(method, taxonomy, seed):
    first = make_consistent(scores_of(seed, 6, taxonomy), taxonomy, "min")
    np.testing.assert_array_equal(make_consistent(first, taxonomy, method), first)
    found = make_consistent(scores_of(seed, 6, taxonomy), taxonomy, method)
    np.testing.assert_array_equal(make_consistent(found, taxonomy, method), found)


@pytest.mark.few(1)
@methods
@given(taxonomies, seeds)
def test_rows_do_not_depend_on_their_batch(method, taxonomy, seed):
    scores = scores_of(seed, 7, taxonomy)
    whole = make_consistent(scores, taxonomy, method)
    alone = [make_consistent(row[None], taxonomy, method)[0] for row in scores]
    np.testing.assert_array_equal(whole, alone)
    with config_context(working_memory=0.001):  # several blocks
        np.testing.assert_array_equal(make_consistent(scores, taxonomy, method), whole)


@pytest.mark.few(2)
@methods
@given(taxonomies, seeds)
def test_names_do_not_matter(method, taxonomy, seed):
    """Another order of the edges is another order of the columns."""
    scores = scores_of(seed, 6, taxonomy)
    other = Taxonomy.from_edges(list(taxonomy.to_networkx().edges())[::-1])
    order = taxonomy.ids(other.nodes)
    found = make_consistent(scores[:, order], other, method)
    expected = make_consistent(scores, taxonomy, method)[:, order]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.few(2)
@pytest.mark.parametrize("method", sorted(set(METHODS) - {"isotonic"}))
@given(taxonomies, seeds)
def test_definitions(method, taxonomy, seed):
    scores = scores_of(seed, 6, taxonomy)
    expected = [reference.consistent(taxonomy, row, method) for row in scores.tolist()]
    found = make_consistent(scores, taxonomy, method)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@methods
@pytest.mark.parametrize("taxonomy", [TAXONOMIES["ragged"], DIAMOND], ids=["tree", "dag"])
def test_neither_input_nor_root_matters(method, taxonomy):
    scores = scores_of(0, 4, taxonomy)
    kept = scores.copy()
    found = make_consistent(scores, taxonomy, method)
    np.testing.assert_array_equal(scores, kept)
    assert found.flags.c_contiguous
    scores[:, 0] = [0, -5, 5, 0.5]
    np.testing.assert_array_equal(make_consistent(scores, taxonomy, method), found)
    assert make_consistent(scores[:0], taxonomy, method).shape == (0, taxonomy.n_nodes)


@methods
def test_one_level_has_nothing_to_mend(method):
    scores = np.array([[1, 0.2, 0.9, 0.5], [1, 3.0, -2.0, 0.0]])
    found = make_consistent(scores, TAXONOMIES["flat"], method)
    np.testing.assert_array_equal(found, scores)


@pytest.mark.few(1)
@methods
def test_a_long_chain(method):
    n_nodes = 5_000
    chain = Taxonomy(range(n_nodes), range(n_nodes - 1), range(1, n_nodes))
    scores = np.linspace(0, 1, 2 * n_nodes).reshape(2, n_nodes)
    found = make_consistent(scores, chain, method)
    assert is_consistent(found, chain)
    if method == "isotonic":  # rising all the way
        means = scores[:, 1:].mean(axis=1, keepdims=True)
        np.testing.assert_allclose(found[:, 1:] - means, 0, atol=1e-9)


def test_an_unknown_method():
    with pytest.raises(ValueError, match=r"`method` must be one of 'min', .*, got 'mean'"):
        make_consistent(np.ones((1, 4)), TAXONOMIES["flat"], "mean")


# -- the projection -----------------------------------------------------------------------


def projection(row, taxonomy):
    """Return the projection of a row by a general solver."""
    parents, children = inner_edges(taxonomy)
    matrix = np.zeros((len(parents), taxonomy.n_nodes))
    matrix[np.arange(len(parents)), parents] = 1
    matrix[np.arange(len(parents)), children] = -1
    bounds = {"type": "ineq", "fun": lambda q: matrix @ q, "jac": lambda q: matrix}
    found = minimize(
        lambda q: ((q - row) ** 2).sum() / 2,
        np.full(len(row), row.mean()),
        jac=lambda q: q - row,
        constraints=[bounds],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return found.x


@one_in(2)
@given(taxonomies, seeds)
def test_projection_against_a_general_solver(taxonomy, seed):
    scores = scores_of(seed, 3, taxonomy)
    found = make_consistent(scores, taxonomy, "isotonic")
    expected = np.array([projection(row, taxonomy) for row in scores])
    np.testing.assert_allclose(found[:, 1:], expected[:, 1:], rtol=0, atol=1e-5)


def largest_error(row, found, taxonomy):
    """Return how far from zero the conditions of optimality are, with the best multipliers.

    Multipliers of edges, 0 or more and only where both ends are equal, must make up for what every
    node was moved by.
    """
    parents, children = inner_edges(taxonomy)
    tight = np.flatnonzero(np.abs(found[parents] - found[children]) < 1e-9)
    n_nodes, n_tight = taxonomy.n_nodes, len(tight)
    balance = np.zeros((n_nodes, n_tight))
    balance[parents[tight], np.arange(n_tight)] = 1
    balance[children[tight], np.arange(n_tight)] = -1
    moved = found - row
    moved[0] = 0
    slack = np.ones((n_nodes, 1))
    solved = linprog(
        np.append(np.zeros(n_tight), 1.0),
        A_ub=np.block([[balance, -slack], [-balance, -slack]]),
        b_ub=np.concatenate([moved, -moved]),
    )
    return solved.fun


@one_in(3)
@given(st.one_of(trees(max_nodes=60), dags(max_nodes=40)), seeds)
def test_projection_meets_the_conditions_of_optimality(taxonomy, seed):
    scores = scores_of(seed, 2, taxonomy)
    found = make_consistent(scores, taxonomy, "isotonic")
    for row, q in zip(scores, found, strict=True):
        assert largest_error(row, q, taxonomy) < 1e-9


@given(taxonomies, seeds)
def test_projection_of_shifted_and_scaled_scores(taxonomy, seed):
    scores = scores_of(seed, 4, taxonomy)
    found = make_consistent(scores, taxonomy, "isotonic")
    other = make_consistent(scores * 1e3 - 40, taxonomy, "isotonic")
    np.testing.assert_allclose(other[:, 1:], found[:, 1:] * 1e3 - 40, rtol=0, atol=1e-9)


def test_a_stop_takes_its_share_of_normalised_products():
    tree = Taxonomy.from_dict({"a": ["x", "y"], "b": ["z"]})
    shares = {0: [0.6, 0.4], tree.id("a"): [0.5, 0.3, 0.2], tree.id("b"): [1.0]}
    outcomes = Outcomes.of(tree, tree.ids(["a", "x", "y", "z"]), stops=True)
    found = normalised_products(tree, outcomes, 1, lambda node, _: np.log([shares[node]]))
    wanted = [0.12, 0.3, 0.18, 0.4]
    assert found.answer_proba(outcomes.classes)[0] == pytest.approx(wanted)
    assert found.dense().node_proba[0, tree.id("a")] == pytest.approx(0.6)
