"""The joint models: losses, solvers, and what the estimators promise."""

import pickle
from collections import Counter
from copy import copy, deepcopy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from checks import JointOnSets, JointOnTree
from conftest import DIAMOND, TAXONOMIES
from generators import dags, features, label_sets, labelled_trees, one_in, trees
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import approx_fprime
from scipy.special import expit
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklhier import (
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier._classifiers import multihead, multihead_multilabel
from sklhier._classifiers.joint_base import held_out_rows
from sklhier._classifiers.saved_joint import upgraded
from sklhier._joint import deduplicate, moments
from sklhier._joint.answer_loss import AnswerLoss
from sklhier._joint.deduplicate import deduplicate_rows
from sklhier._joint.lbfgs import objective
from sklhier._joint.moments import FeatureSteps
from sklhier._joint.network import ACTIVATIONS, Dropout, Network
from sklhier._joint.path_loss import (
    Heads,
    conditional_weights,
    hierarchical_weights,
    level_table,
    log_marginals,
    path_loss,
    soft_labels,
    step_weights,
)
from sklhier._joint.rates import Rates, Schedule, first_rates_of
from sklhier._joint.samples import Samples
from sklhier._joint.scaling import Scaling
from sklhier._joint.set_loss import MaxConstraint, node_loss
from sklhier._joint.solvers import AdamState
from sklhier._utils.kernels import compiled_steps
from sklhier.datasets import make_hierarchical_classification, make_hierarchical_text
from sklhier.decoders import SetThreshold, Threshold
from sklhier.exceptions import IncompatiblePartsError, TargetError, TaxonomyError
from sklhier.model_selection import HierarchicalStratifiedGroupKFold
from sklhier.objectives import (
    LBFGS,
    Adam,
    CrossEntropyLoss,
    HierarchicalCrossEntropy,
    LevelLoss,
    MaxConstraintLoss,
    SoftLabels,
)
from sklhier.strategies import Outcomes

X, Y, TREE = make_hierarchical_classification(
    180, 6, branching=(2, 3), class_sep=2.0, random_state=0
)
SETS = [[label] if i % 3 else [label, Y[-i - 1]] for i, label in enumerate(Y.tolist())]
# Strong enough a penalty for solvers to get to the optimum quickly.
EXACT = {"alpha": 3e-2, "solver": LBFGS(tol=1e-7, max_iter=2000)}
LONG = LBFGS(max_iter=1000)


def joint(**params):
    return MultiHeadClassifier(TREE, **{"alpha": 1e-2, "solver": LONG, **params})


def joint_sets(**params):
    return MultiHeadMultiLabelClassifier(
        TREE, **{"alpha": 3e-2, "solver": LONG, "decoder": SetThreshold(0.4), **params}
    )


def convex_sets(**params):
    return joint_sets(loss="cross_entropy", **params)


# -- losses -------------------------------------------------------------------------------


@st.composite
def answered_trees(draw):
    """Columns of a tree, some of whose inner nodes are answers, and a generator."""
    tree = draw(trees())
    names = draw(st.lists(st.sampled_from(tree.nodes[1:]), min_size=1, unique=True))
    outcomes = Outcomes.of(tree, np.sort(tree.ids(names)), stops=True)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return tree, outcomes, Heads.of(tree, outcomes), rng


def plain_marginals(scores, heads):
    """Return probabilities of the columns, by a softmax over all answers."""
    paths = heads.closure[heads.leaf_columns].toarray()
    sums = scores @ paths.T
    proba = np.exp(sums - sums.max(axis=1, keepdims=True))
    return proba / proba.sum(axis=1, keepdims=True) @ paths


@given(answered_trees())
def test_steps_down_are_one_softmax_over_the_answers(case):
    _, _, heads, rng = case
    scores = rng.normal(0, 2, (4, heads.n_columns))
    assert_allclose(np.exp(log_marginals(scores, heads)), plain_marginals(scores, heads))


@given(answered_trees(), st.sampled_from(["any", "level", "hxe", "soft_labels"]))
def test_values_and_gradients_of_paths(case, kind):
    tree, outcomes, heads, rng = case
    n_answers, n_columns = len(heads.leaf_columns), heads.n_columns
    if kind == "any":
        table = rng.normal(size=(n_answers, n_columns))
    elif kind == "level":
        table = level_table(rng.uniform(0, 2, tree.n_levels), heads).toarray()
    elif kind == "hxe":
        steps = rng.uniform(0, 2, n_columns)
        table = hierarchical_weights(steps, heads) @ np.linalg.inv(heads.closure.toarray())
    else:
        table = np.zeros((n_answers, n_columns))
        table[:, heads.leaf_columns] = soft_labels(3.0, heads, tree, outcomes.answers)
    codes = rng.integers(0, n_answers, 5)
    scores = rng.normal(0, 2, (5, n_columns))
    weights = conditional_weights(table, heads).toarray()[codes]
    losses, gradient = path_loss(scores, weights, heads.levels)
    wanted = -(table[codes] * np.log(plain_marginals(scores, heads))).sum(axis=1)
    assert_allclose(losses, wanted, atol=1e-10)

    def total(flat):
        return path_loss(flat.reshape(scores.shape), weights, heads.levels)[0].sum()

    slopes = approx_fprime(scores.ravel(), total, 1e-7)
    assert_allclose(gradient.ravel(), slopes, atol=1e-4)


@given(answered_trees())
def test_losses_in_float32(case):
    tree, _, heads, rng = case
    scores = rng.normal(0, 3, (4, heads.n_columns))
    weights = conditional_weights(level_table(np.ones(tree.n_levels), heads), heads)
    weights = weights.toarray()[rng.integers(0, len(heads.leaf_columns), 4)]
    exact = path_loss(scores, weights, heads.levels)
    rough = path_loss(scores.astype(np.float32), weights.astype(np.float32), heads.levels)
    for one, other in zip(exact, rough, strict=True):
        assert other.dtype == np.float32
        assert_allclose(other, one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_that_are_far_apart_have_finite_losses(dtype):
    tree = TAXONOMIES["ragged"]
    heads = Heads.of(tree, Outcomes.of(tree, tree.leaf_ids, stops=False))
    weights = conditional_weights(level_table(np.ones(3), heads), heads).toarray()
    scores = np.zeros((len(heads.leaf_columns), heads.n_columns), dtype=dtype)
    scores[:, 0] = 1e4
    losses, gradient = path_loss(scores, weights.astype(dtype), heads.levels)
    assert np.isfinite(losses).all()
    assert np.isfinite(gradient).all()
    assert losses.max() > 1e4


def test_a_deep_chain():
    tree = Taxonomy.from_edges([(i, i + 1) for i in range(3000)])
    heads = Heads.of(tree, Outcomes.of(tree, np.array([1500, 3000]), stops=True))
    assert heads.n_columns == 3001
    scores = np.zeros((1, heads.n_columns))
    assert_allclose(np.exp(log_marginals(scores, heads)[0, heads.leaf_columns]), 0.5)


@st.composite
def marked_graphs(draw):
    graph = draw(st.one_of(trees(), dags()))
    rows = draw(label_sets(graph, 4))
    closed = graph.binarize(rows) @ graph.ancestor_closure[1:, 1:]
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return graph, np.asarray(closed.toarray()) > 0, rng


@given(marked_graphs())
def test_values_and_gradients_of_sets(case):
    graph, members, rng = case
    nodes = np.arange(1, graph.n_nodes, dtype=np.int32)
    scores = rng.normal(0, 2, members.shape)
    weights = rng.uniform(0, 2, len(nodes))
    below = graph.ancestor_closure[1:, 1:].toarray().T > 0  # descendants of each row
    proba = 1 / (1 + np.exp(-scores))
    for loss in (node_loss, MaxConstraint.of(graph, nodes)):
        losses, gradient = loss(scores, members, weights)
        if loss is not node_loss:
            most = (below * proba[:, None]).max(axis=2)
            most_true = (below * (members * proba)[:, None]).max(axis=2)
            q = np.where(members, most_true, most)
        else:
            q = proba
        wanted = -(weights * np.log(np.where(members, q, 1 - q))).sum(axis=1)
        assert_allclose(losses, wanted, atol=1e-10)

        def total(flat, loss=loss):
            return loss(flat.reshape(scores.shape), members, weights)[0].sum()

        assert_allclose(gradient.ravel(), approx_fprime(scores.ravel(), total, 1e-7), atol=1e-4)


def test_a_loss_of_some_nodes_of_a_dag():
    nodes = DIAMOND.ids(["P", "Q", "S"])
    nodes.sort()
    loss = MaxConstraint.of(DIAMOND, nodes)
    scores, members = np.array([[0.0, -1.0, 2.0]]), np.zeros((1, 3), dtype=bool)
    losses, gradient = loss(scores, members, np.ones(3))
    by_name = dict(zip([DIAMOND.nodes[n] for n in nodes], scores[0], strict=True))
    q = np.array([by_name["P"], max(by_name["Q"], by_name["S"]), by_name["S"]])
    assert losses[0] == pytest.approx(np.log1p(np.exp(q)).sum())
    assert gradient[0, [DIAMOND.nodes[n] for n in nodes].index("Q")] == 0


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("is_sparse", [False, True])
def test_gradients_through_hidden_layers(activation, is_sparse):
    rng = np.random.RandomState(0)
    heads = Heads.of(TREE, Outcomes.of(TREE, TREE.leaf_ids, stops=False))
    table = conditional_weights(level_table(np.ones(2), heads), heads).toarray()
    codes = rng.randint(0, len(heads.leaf_columns), 8)
    network = Network.drawn([4, 3, 5, heads.n_columns], activation, rng, np.float64)
    network.weights[-1][:] = rng.normal(size=network.weights[-1].shape)
    data = rng.normal(size=(8, 4))
    weights = rng.dirichlet(np.ones(8))

    def loss(scores, rows):
        return path_loss(scores, table[codes[rows]], heads.levels)

    samples = Samples(sparse.csr_array(data) if is_sparse else data, weights, loss)
    shapes = [array.shape for array in network.arrays]
    cuts = np.cumsum([array.size for array in network.arrays])[:-1]

    def value(flat):
        parts = [p.reshape(s) for p, s in zip(np.split(flat, cuts), shapes, strict=True)]
        return objective(network.with_arrays(parts), samples, 0.1)[0]

    start = np.concatenate([array.ravel() for array in network.arrays])
    found = objective(network, samples, 0.1)[1]
    flat = np.concatenate([array.ravel() for array in found.arrays])
    assert_allclose(flat, approx_fprime(start, value, 1e-7), atol=1e-5)


LOSSES = [LevelLoss(), HierarchicalCrossEntropy(0.0), HierarchicalCrossEntropy(0.4), SoftLabels(3)]


@given(
    answered_trees(),
    st.sampled_from(LOSSES),
    st.sampled_from(["ones", "some", "any"]),
    st.booleans(),
)
def test_the_fused_layer_has_the_loss_of_paths(case, loss, of_levels, is_single):
    tree, outcomes, heads, rng = case
    level_weights = {
        "ones": np.ones(tree.n_levels),
        "some": rng.integers(0, 2, tree.n_levels).astype(float),
        "any": rng.uniform(0, 2, tree.n_levels),
    }[of_levels]
    dtype, tolerance = (np.float32, 1e-4) if is_single else (np.float64, 1e-10)
    steps = step_weights(loss, heads, tree, outcomes.answers, level_weights).astype(dtype)
    codes = rng.integers(0, len(heads.leaf_columns), 6)
    inputs, shares = rng.normal(size=(6, 3)).astype(dtype), rng.random(6).astype(dtype)
    weights = rng.normal(size=(3, heads.n_columns)).astype(dtype)
    intercepts = rng.normal(size=heads.n_columns).astype(dtype)
    losses, slopes = path_loss(inputs @ weights + intercepts, steps[codes].toarray(), heads.levels)
    slopes = slopes * shares[:, None]
    wanted = losses, inputs.T @ slopes, slopes.sum(axis=0), slopes @ weights.T
    fused = AnswerLoss.of(steps, heads)
    found = fused.gradient(inputs, weights, intercepts, codes, shares, by_inputs=True)
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == dtype
        assert_allclose(one, other, atol=tolerance, rtol=tolerance)
    losses, by_scores = fused.by_scores(inputs @ weights + intercepts, codes)
    assert_allclose(losses, found.losses, atol=tolerance, rtol=tolerance)
    assert_allclose(by_scores * shares[:, None], slopes, atol=tolerance, rtol=tolerance)
    alone = fused.gradient(inputs, weights, intercepts, codes, shares, by_inputs=False)
    assert alone.inputs is None
    assert_array_equal(alone.weights, found.weights)
    assert_array_equal(fused.losses(inputs, weights, intercepts, codes), found.losses)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_fused_layer_stays_finite(loss, dtype):
    tree = TAXONOMIES["ragged"]
    outcomes = Outcomes.of(tree, tree.leaf_ids, stops=False)
    heads = Heads.of(tree, outcomes)
    steps = step_weights(loss, heads, tree, outcomes.answers, np.ones(tree.n_levels))
    n_answers = len(heads.leaf_columns)
    weights = np.zeros((1, heads.n_columns), dtype=dtype)
    weights[0, 0] = 1e4
    inputs, shares = np.ones((n_answers, 1), dtype=dtype), np.ones(n_answers, dtype=dtype)
    found = AnswerLoss.of(steps.astype(dtype), heads).gradient(
        inputs, weights, np.zeros(heads.n_columns, dtype), np.arange(n_answers), shares,
        by_inputs=True,
    )  # fmt: skip
    assert all(np.isfinite(part).all() for part in found)
    # It leads back: the first node is too probable.
    assert found.weights[0, 0] > 0


# -- the same as other models -------------------------------------------------------------


@pytest.mark.parametrize("loss", ["level", HierarchicalCrossEntropy(0.0)])
def test_one_level_is_multinomial_logistic_regression(loss):
    n = len(Y)
    plain = LogisticRegression(C=1 / (n * 3e-2), tol=1e-8, max_iter=2000).fit(X, Y)
    ours = MultiHeadClassifier(Taxonomy.flat(Y), loss=loss, **EXACT).fit(X, Y)
    assert_allclose(ours.predict_proba(X), plain.predict_proba(X), atol=1e-5)
    assert_array_equal(ours.predict(X), plain.predict(X))
    order = [ours.columns_.index(label) for label in plain.classes_]
    assert_allclose(ours.coef_[:, order].T, plain.coef_, atol=1e-4)


def test_cross_entropy_of_sets_is_one_against_the_rest():
    ours = convex_sets(**EXACT).fit(X, SETS)
    closed = TREE.binarize(SETS) @ TREE.ancestor_closure[1:, 1:]
    closed = closed.toarray() > 0
    raw = expit(X @ ours.coef_ + ours.intercept_)
    for node in range(TREE.n_nodes - 1):
        base = LogisticRegression(C=1 / (len(X) * 3e-2), tol=1e-8, max_iter=2000)
        wanted = base.fit(X, closed[:, node]).predict_proba(X)[:, 1]
        assert_allclose(raw[:, node], wanted, atol=1e-4)


# -- solvers ------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("make", [joint, convex_sets])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_both_solvers_reach_the_same_optimum(make, container):
    y = Y if make is joint else SETS
    # Few features in each row: those of a batch are not all features.
    data = container(np.where(np.abs(X) > 1, X, 0))
    exact = make(**EXACT).fit(data, y)
    adam = Adam(learning_rate="linear", max_iter=300, batch_size=60, learning_rate_init=0.1)
    steps = make(solver=adam, alpha=3e-2, random_state=0).fit(data, y)
    assert_allclose(steps.predict_node_proba(data), exact.predict_node_proba(data), atol=0.02)


@pytest.mark.few(1)
@pytest.mark.parametrize("make", [joint, convex_sets])
def test_sparse_is_dense_and_float32_is_close(make):
    y = Y if make is joint else SETS
    dense = make(**EXACT).fit(X, y)
    thin = make(**EXACT).fit(sparse.csr_matrix(X), y)
    assert_allclose(thin.predict_node_proba(X), dense.predict_node_proba(X), atol=1e-4)
    rough = make(**EXACT).fit(X.astype(np.float32), y)
    assert rough.coef_.dtype == np.float32
    assert dense.coef_.dtype == np.float64
    assert_allclose(rough.predict_node_proba(X), dense.predict_node_proba(X), atol=1e-2)


@pytest.mark.few(1)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_mini_batches_in_float32(container):
    params = {"solver": Adam(max_iter=1000), "random_state": 0}
    exact = joint(**params).fit(container(X), Y)
    rough = joint(**params).fit(container(X.astype(np.float32)), Y)
    assert rough.coef_.dtype == np.float32
    assert_allclose(rough.predict_proba(X), exact.predict_proba(X), atol=0.1)


JOINT_MODELS = {
    "paths": MultiHeadClassifier(),
    "balanced paths": MultiHeadClassifier(class_weight="balanced"),
    "sets": MultiHeadMultiLabelClassifier(decoder=SetThreshold(0.5)),
    "sets, hidden layer": MultiHeadMultiLabelClassifier(
        decoder=SetThreshold(0.5), hidden_layer_sizes=3, random_state=0
    ),
}
CONTAINERS = [np.asarray, sparse.csr_matrix, sparse.csr_array]


@pytest.mark.few(3)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", JOINT_MODELS.values(), ids=JOINT_MODELS)
@one_in(4)
@given(labelled_trees(), st.sampled_from([np.float32, np.float64]), st.sampled_from(CONTAINERS))
def test_order_and_repeats_do_not_change_a_bit(model, given_labels, dtype, container):
    tree, y, seed = given_labels
    rng = np.random.default_rng(seed)
    data = features(y, seed).astype(dtype)
    data[rng.random(data.shape) < 0.4] = 0
    some = rng.integers(0, len(y), len(y))  # rows and labels that occur several times
    data, y = data[some], y[rng.integers(0, len(y), len(y))]
    others = y[np.arange(len(y)) // 2]
    weights = rng.integers(1, 5, len(y))

    def weights_of(rows, sample_weight=None):
        of_paths = isinstance(model, MultiHeadClassifier)
        labels = y[rows] if of_paths else [{y[i], others[i]} for i in rows]
        # A last bit that differs in one iteration spreads to all weights in the next ones.
        few = clone(model).set_params(taxonomy=tree, alpha=1e-2, solver=LBFGS(max_iter=8))
        few.fit(container(data[rows]), labels, sample_weight)
        return [*few.coefs_, *few.intercepts_]

    rows = np.arange(len(y))
    exact = weights_of(rows, weights)
    repeated = rng.permutation(np.repeat(rows, weights))
    for array, other in zip(exact, weights_of(repeated), strict=True):
        assert_array_equal(array, other)
    fractions = rng.random(len(y)) + 0.1
    order = rng.permutation(len(y))
    of_one = weights_of(rows, fractions)
    for array, other in zip(of_one, weights_of(order, fractions[order]), strict=True):
        assert_array_equal(array, other)


@pytest.mark.parametrize("class_weight", [None, "balanced", {Y[0]: 3.0}])
def test_a_weight_of_k_is_k_repeats(class_weight):
    weights = np.random.RandomState(0).randint(0, 4, len(Y))
    repeated = np.repeat(np.arange(len(Y)), weights)
    one = joint(class_weight=class_weight).fit(X, Y, sample_weight=weights)
    other = joint(class_weight=class_weight).fit(X[repeated], Y[repeated])
    assert_array_equal(one.coef_, other.coef_)


def test_sparse_rows_are_the_same_however_they_are_stored():
    rows = sparse.csr_array([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
    data, columns = [1.5, 2.0, -0.5, 0.0, 3.0], [0, 1, 0, 2, 2]
    untidy = sparse.csr_array((data, columns, [0, 4, 5]), shape=(2, 3))
    one, labels, weights = deduplicate_rows(
        sparse.vstack([rows, untidy], format="csr"), np.array([3, 4, 3, 4]), np.ones(4)
    )
    assert weights.tolist() == [2, 2]
    assert_array_equal(one.toarray()[np.argsort(labels)], rows.toarray())
    assert untidy.nnz == 5


@given(arrays(np.float64, (12, 2), elements=st.sampled_from([-1.0, -0.0, 0.0, 2.0])))
def test_repeats_are_merged(data):
    labels = (np.arange(12) % 2).astype(np.int32)
    expected = Counter(zip(*data.T.tolist(), labels.tolist(), strict=True))
    for given_labels in (labels, sparse.csr_array(labels[:, None])):
        rows, codes, weights = deduplicate_rows(data, given_labels, np.ones(12))
        codes = codes.toarray().ravel() if sparse.issparse(codes) else codes
        keys = zip(*rows.T.tolist(), codes.tolist(), strict=True)
        assert dict(zip(keys, weights.tolist(), strict=True)) == expected


def test_different_rows_with_the_same_hash_are_hashed_anew(monkeypatch):
    keys = deduplicate._keys
    seeds = []

    def few_keys(table, seed):
        seeds.append(int(seed))
        return keys(table, seed) >> np.uint64(61) if seed < 4 else keys(table, seed)

    monkeypatch.setattr(deduplicate, "_keys", few_keys)
    merged, labels, weights = deduplicate_rows(X[:50], np.zeros(50, dtype=int), np.ones(50))
    assert seeds == [0, 1, 2, 3, 4, 5]
    assert len(merged) == len(labels) == 50
    assert (weights == 1).all()


def test_rows_of_weight_0_are_left_out():
    weights = np.ones(len(Y))
    weights[Y[0] == Y] = 0
    fitted = joint().fit(X, Y, sample_weight=weights)
    assert Y[0] in fitted.classes_
    assert Y[0] in fitted.unseen_nodes_
    assert (fitted.predict_proba(X)[:, fitted.classes_ == Y[0]] == 0).all()


def test_weights_of_classes():
    heavy = joint(class_weight={Y[0]: 50.0}).fit(X, Y)
    plain = joint().fit(X, Y)
    of_class = heavy.classes_ == Y[0]
    gained = heavy.predict_proba(X)[:, of_class] - plain.predict_proba(X)[:, of_class]
    assert gained.mean() > 0
    with pytest.raises(ValueError, match="class_weight"):
        joint(class_weight="heavy").fit(X, Y)


def test_weights_of_levels():
    upper = joint(level_weights=[10, 1]).fit(X, Y)
    lower = joint(level_weights=[0, 1]).fit(X, Y)
    assert (upper.predict_node_proba(X) != lower.predict_node_proba(X)).any()
    one = joint(level_weights=[2, 2], **{**EXACT, "alpha": 6e-2}).fit(X, Y)
    assert_allclose(one.predict_proba(X), joint(**EXACT).fit(X, Y).predict_proba(X), atol=1e-4)


@pytest.mark.few(1)
@pytest.mark.parametrize("make", [joint, joint_sets])
def test_early_stopping(make):
    y = Y if make is joint else SETS
    adam = Adam(early_stopping=True, max_iter=300, tol=1e-3)
    params = {"solver": adam, "random_state": 0}
    fitted = make(**params).fit(X, y)
    assert len(fitted.validation_loss_curve_) == fitted.n_iter_ < 300
    assert_array_equal(make(**params).fit(X, y).coef_, fitted.coef_)
    rare = [*y[1:], "n1.1"] if make is joint else [*y[1:], ["n1.1"]]
    rare = np.array(rare) if make is joint else rare
    assert make(**params).fit(X, rare).unseen_nodes_ == ()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("make", [joint, joint_sets])
def test_early_stopping_keeps_the_weights_of_the_best_pass(make):
    y = Y if make is joint else SETS
    params = {"learning_rate": "constant", "learning_rate_init": 0.2, "n_iter_no_change": 100}

    def fitted(n_passes):
        adam = Adam(early_stopping=True, max_iter=n_passes, **params)
        return make(solver=adam, random_state=0).fit(X, y)

    model = fitted(25)
    losses = np.array(model.validation_loss_curve_)
    best = int(losses.argmin()) + 1
    assert 2 < best < 25, "no test of what is kept"
    assert_array_equal(model.coef_, fitted(best).coef_)


def test_early_stopping_needs_samples_to_spare():
    with pytest.raises(ValueError, match="no validation part"):
        joint(solver=Adam(early_stopping=True)).fit(X[:1], Y[:1])


@pytest.mark.parametrize("make", [joint, joint_sets])
@pytest.mark.parametrize("solver", [LBFGS(max_iter=2), Adam(max_iter=2)])
def test_too_few_iterations_warn_at_the_callers_line(make, solver):
    with pytest.warns(ConvergenceWarning, match="max_iter=2") as record:
        fitted = make(solver=solver).fit(X, Y if make is joint else SETS)
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 2
    assert {warning.filename for warning in record} == {__file__}


def test_progress_is_printed_if_asked_for(capsys):
    joint().fit(X, Y)
    assert capsys.readouterr().out == ""
    joint(verbose=1, solver=Adam(early_stopping=True, tol=0.1)).fit(X, Y)
    out = capsys.readouterr().out
    assert "Iteration 1, loss = " in out
    assert "Validation loss = " in out


@pytest.mark.parametrize("make", [joint, convex_sets])
def test_a_warm_start_goes_on(make):
    y = Y if make is joint else SETS
    fitted = make(warm_start=True, **EXACT).fit(X, y)
    first = fitted.n_iter_
    assert fitted.fit(X, y).n_iter_ < first / 2
    with pytest.raises(ValueError, match="warm_start=True continues"):
        fitted.fit(X, ["n1.1"] * len(Y) if make is joint else [["n1.1"]] * len(Y))
    fitted.fit(X, y).set_params(hidden_layer_sizes=3)
    with pytest.raises(ValueError, match=r"layers of the same sizes, \[6, .*; got \[6, 3"):
        fitted.fit(X, y)


def test_a_warm_start_with_hidden_layers_goes_on():
    fitted = joint(warm_start=True, hidden_layer_sizes=(5, 4), random_state=0).fit(X, Y)
    assert fitted.loss_curve_[-1] < 0.9 * fitted.loss_curve_[0]
    last = fitted.loss_curve_[-1]
    assert fitted.fit(X, Y).loss_curve_[0] <= last * 1.01
    with pytest.raises(ValueError, match=r"same sizes, \[6, 5, 4, .*; got \[6, 5, 3"):
        fitted.set_params(hidden_layer_sizes=(5, 3)).fit(X, Y)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_hidden_layers_are_drawn_as_by_glorot_and_bengio(activation):
    drawn = Network.drawn([300, 100, 7], activation, np.random.RandomState(0), np.float64)
    bound = np.sqrt((2 if activation == "logistic" else 6) / 400)
    for array in (drawn.weights[0], -drawn.weights[0]):
        assert 0.99 * bound < array.max() <= bound
    assert not drawn.weights[1].any()
    assert drawn.sizes == [300, 100, 7]
    # Intercepts are draws of their own.
    assert len(np.unique([*drawn.weights[0].ravel(), *drawn.intercepts[0]])) == 301 * 100


@pytest.mark.few(1)
@pytest.mark.parametrize("make", [joint, convex_sets])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_partial_fit(make, container):
    y = Y if make is joint else SETS
    data = container(X)
    adam = Adam(batch_size=30, learning_rate_init=0.03)
    model = make(alpha=3e-2, solver=adam, random_state=0)
    for _ in range(30):
        for start in (0, 90):
            model.partial_fit(data[start : start + 90], y[start : start + 90])
    whole = make(**EXACT).fit(data, y)
    distance = np.abs(model.predict_node_proba(data) - whole.predict_node_proba(data))
    assert distance.mean() < 0.03
    assert model.n_iter_ == 60


def test_partial_fit_predicts_what_it_has_seen():
    label = Y[0]
    of_label = label == Y
    model = joint(solver="auto").partial_fit(X[of_label], Y[of_label], classes=np.unique(Y))
    assert set(model.predict(X)) == {label}
    assert label not in model.unseen_nodes_
    model.partial_fit(X, Y)
    assert model.unseen_nodes_ == ()
    with pytest.raises(TargetError, match="not among the"):
        model.partial_fit(X[:1], ["n0"])
    with pytest.raises(ValueError, match="sparse"):
        model.partial_fit(sparse.csr_array(X), Y)
    with pytest.raises(ValueError, match="classes must be passed"):
        MultiHeadClassifier().partial_fit(X, Y)
    assert not hasattr(joint(solver="lbfgs"), "partial_fit")
    assert not hasattr(joint(solver=LBFGS()), "partial_fit")
    with pytest.raises(IncompatiblePartsError, match="all samples at once"):
        joint_sets(decoder="threshold", solver="adam").partial_fit(X, SETS)


def test_partial_fit_goes_on_from_fit():
    model = joint(solver=Adam(max_iter=1000), random_state=0).fit(X, Y)
    before = model.coef_.copy()
    n_iter = model.n_iter_
    model.partial_fit(X, Y)
    assert model.n_iter_ == n_iter + 1
    assert 0 < np.abs(model.coef_ - before).max() < 0.1


@pytest.mark.few(1)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_hidden_layers(container):
    data = container(X)
    params = {"hidden_layer_sizes": (16, 8), "random_state": 0}
    fitted = joint(solver=Adam(tol=1e-3), **params).fit(data, Y)
    assert [weights.shape for weights in fitted.coefs_] == [
        (6, 16), (16, 8), (8, len(fitted.columns_)),
    ]  # fmt: skip
    assert fitted.score(data, Y) > 0.6
    with pytest.raises(AttributeError, match="hidden layer"):
        _ = fitted.coef_
    adam = Adam(max_iter=30, tol=1.0)
    several = joint_sets(solver=adam, hidden_layer_sizes=8, random_state=0).fit(data, SETS)
    assert several.coefs_[0].shape == (6, 8)


def test_a_hidden_layer_learns_what_a_linear_model_cannot():
    rng = np.random.RandomState(0)
    points = rng.uniform(-1, 1, (400, 2))
    y = np.where(points.prod(axis=1) > 0, "same", "other")
    linear = MultiHeadClassifier().fit(points, y)
    adam = Adam(learning_rate_init=0.02, tol=1e-3)
    deep = MultiHeadClassifier(hidden_layer_sizes=(16,), solver=adam, random_state=0)
    deep.fit(points, y)
    assert linear.score(points, y) < 0.7
    assert deep.score(points, y) > 0.95


# -- dropout, several networks, early stopping ----------------------------------------------


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_gradients_with_values_left_out(activation):
    rng = np.random.RandomState(0)
    network = Network.drawn([4, 6, 5, 3], activation, rng, np.float64)
    network.weights[-1][:] = rng.normal(size=(5, 3))
    data, slopes = rng.normal(size=(7, 4)), rng.normal(size=(7, 3))
    dropout = Dropout.drawn(0.4, 7, [6, 5], rng)
    assert not all(kept.all() for kept in dropout.kept)
    shapes = [array.shape for array in network.arrays]
    cuts = np.cumsum([array.size for array in network.arrays])[:-1]

    def value(flat):
        parts = [p.reshape(s) for p, s in zip(np.split(flat, cuts), shapes, strict=True)]
        return (network.with_arrays(parts).layers(data, dropout)[-1] * slopes).sum()

    start = np.concatenate([array.ravel() for array in network.arrays])
    found = network.gradient(network.layers(data, dropout), slopes, dropout)
    flat = np.concatenate([array.ravel() for array in found.arrays])
    assert_allclose(flat, approx_fprime(start, value, 1e-7), atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9])
def test_the_mean_of_what_is_left_is_the_whole(share):
    dropout = Dropout.drawn(share, 400, [100], np.random.RandomState(0))
    values = np.ones((400, 100), dtype=np.float32)
    dropout.apply(values, 0)
    assert values.dtype == np.float32
    assert (values == 0).mean() == pytest.approx(share, abs=0.01)
    assert values.mean() == pytest.approx(1, abs=0.03)


FEW = {"hidden_layer_sizes": (9, 7), "solver": Adam(max_iter=3, tol=0.0), "random_state": 0}
SHORT = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
BOTH = pytest.mark.parametrize("make", [joint, joint_sets])


def labels_of(make):
    return Y if make is joint else SETS


@SHORT
@BOTH
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_dropout_is_for_learning_alone(make, container):
    data, y = container(X.astype(np.float32)), labels_of(make)
    plain, model = make(**FEW).fit(data, y), make(dropout=0.5, **FEW).fit(data, y)
    assert model.networks_[0].dtype == np.float32
    assert np.abs(model.coefs_[1] - plain.coefs_[1]).max() > 1e-3
    proba = model.predict_node_proba(data)
    assert_array_equal(model.predict_node_proba(data), proba)
    # As without dropout, from the same weights.
    plain._model.joint.network = model.networks_[0]
    assert_array_equal(plain.predict_node_proba(data), proba)
    again = make(dropout=0.5, **FEW).fit(data, y)
    assert_array_equal(again.coefs_[0], model.coefs_[0])
    assert (model.partial_fit(data, y).n_iter_, np.isfinite(model.coefs_[0]).all()) == (4, True)


@pytest.mark.few(2)
@SHORT
@BOTH
@pytest.mark.parametrize("n_jobs", [2, -1])
def test_several_networks_are_averaged(make, n_jobs):
    y = labels_of(make)
    params = {**FEW, "dropout": 0.3, "n_estimators": 3}
    params["solver"] = Adam(max_iter=6, early_stopping=True, refit=True, tol=0.0)
    model = make(**params).fit(X, y)
    assert len(model.networks_) == 3
    first = [network.weights[0] for network in model.networks_]
    assert all((first[i] != first[i - 1]).any() for i in range(3))
    tables = []
    for one in model._model.joints:
        alone = deepcopy(model)
        object.__setattr__(alone._model, "joint", one)
        object.__setattr__(alone._model, "others", ())
        tables.append(alone.predict_node_proba(X))
    if make is joint:  # the maximum of means is not the mean of maxima
        assert_allclose(model.predict_node_proba(X), np.mean(tables, axis=0), atol=1e-12)
    other = make(n_jobs=n_jobs, **params).fit(X, y)
    again = pickle.loads(pickle.dumps(other))
    for fitted in (other, again):
        assert_array_equal(fitted.predict_node_proba(X), model.predict_node_proba(X))
    for fitted in (model, other):
        fitted.partial_fit(X[:50], y[:50])
    assert_array_equal(model.predict_node_proba(X), other.predict_node_proba(X))
    assert model.n_iter_ == again.n_iter_ + 1


@SHORT
@pytest.mark.slow
def test_networks_in_processes():
    params = {**FEW, "n_estimators": 2}
    model = joint(**params).fit(X, Y)
    with parallel_config("loky", n_jobs=2, max_nbytes=1):
        other = joint(**params).fit(X, Y)
        other.partial_fit(X, Y)
    assert_array_equal(model.partial_fit(X, Y).coefs_[0], other.coefs_[0])


@SHORT
def test_several_networks_go_on():
    model = joint(warm_start=True, n_estimators=2, **FEW).fit(X, Y)
    before = [network.weights[0].copy() for network in model.networks_]
    model.fit(X, Y)
    for network, weights in zip(model.networks_, before, strict=True):
        assert 0 < np.abs(network.weights[0] - weights).max() < 0.1
    with pytest.raises(ValueError, match=r"same number of networks, 2; got n_estimators=3"):
        model.set_params(n_estimators=3).fit(X, Y)


def test_a_failing_batch_leaves_all_networks(monkeypatch):
    model = joint(n_estimators=3, **FEW).partial_fit(X, Y)
    other = deepcopy(model)
    learn, calls = AdamState.learn, []

    def failing(*arguments):
        calls.append(0)
        if len(calls) == 5:  # in the third network
            raise MemoryError
        return learn(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(AdamState, "learn", failing)
        with pytest.raises(MemoryError):
            model.partial_fit(X, Y)
    for one in (model, other):
        one.partial_fit(X, Y)
    assert_array_equal(model.predict_proba(X), other.predict_proba(X))


@pytest.mark.few(3)
@SHORT
@BOTH
@pytest.mark.parametrize("rates", ["adaptive", "constant", "linear"])
def test_a_refit_learns_from_all_rows_in_as_many_passes(make, rates):
    y = labels_of(make)
    adam = Adam(learning_rate=rates, early_stopping=True, max_iter=12, tol=0.01, batch_size=40)
    params = {**FEW, "dropout": 0.2}
    watched = make(**{**params, "solver": adam}).fit(X, y)
    twice = make(**{**params, "solver": clone(adam).set_params(refit=True)}).fit(X, y)
    curve = watched.validation_loss_curve_
    assert_array_equal(twice.validation_loss_curve_, curve)
    assert twice.n_iter_ == len(twice.loss_curve_) == int(np.argmin(curve)) + 1
    assert (twice.coefs_[0] != watched.coefs_[0]).any()


@SHORT
@BOTH
@pytest.mark.parametrize("seed", [0, 1])
def test_groups_are_held_out_as_wholes(make, seed):
    rng = np.random.RandomState(seed)
    groups = rng.randint(0, 12, len(Y))
    names = np.array([f"group {i}" for i in groups])
    held_out = []

    def keeping(*arguments):
        held_out.append(held_out_rows(*arguments))
        return held_out[-1]

    module = {joint: multihead, joint_sets: multihead_multilabel}[make]
    adam = Adam(early_stopping=True, validation_fraction=0.3, max_iter=1)
    weights = (np.arange(len(Y)) % 7 > 0).astype(float)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "held_out_rows", keeping)
        make(solver=adam, n_estimators=2, random_state=seed).fit(
            X, labels_of(make), sample_weight=weights, groups=names
        )
    kept = groups[weights > 0]
    assert len(held_out) == 2
    for rows in held_out:
        others = np.delete(np.arange(len(kept)), rows)
        assert len(rows)
        assert not set(kept[rows]) & set(kept[others])


@pytest.mark.more
def test_groups_of_the_folds():
    groups = np.arange(len(Y)) // 9
    folds = HierarchicalStratifiedGroupKFold(3, taxonomy=TREE)
    folds = list(folds.split(X, SETS, groups))
    wanted = joint_sets(decoder="threshold", cv=folds).fit(X, SETS)
    model = joint_sets(decoder="threshold").fit(X, SETS, groups=groups)
    assert model.decoder_.tau == wanted.decoder_.tau
    other = joint_sets(decoder="threshold", cv=GroupKFold(3)).fit(X, SETS, groups=groups)
    assert 0 < other.decoder_.tau < 1
    for bad in (groups[1:], np.ones((len(Y), 2))):
        with pytest.raises(ValueError, match=r"inconsistent|1d array"):
            joint().fit(X, Y, groups=bad)
    one_group = joint(solver=Adam(early_stopping=True))
    with pytest.raises(ValueError, match=r"no validation part: 1 group\(s\)"):
        one_group.fit(X, Y, groups=np.zeros(len(Y)))


def test_first_intercepts_below_parents_of_different_sizes():
    tree = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel", "ray", "cod"]})
    counts = {"cod": 5, "eel": 30, "owl": 10, "ray": 2, "wren": 3}
    y = np.repeat(list(counts), list(counts.values()))
    model = MultiHeadClassifier(
        taxonomy=tree, intercept_init="frequencies", solver=LBFGS(tol=1e9)
    ).fit(np.zeros((len(y), 2)), y)
    expected = np.array(list(counts.values())) + 0.5
    assert_allclose(model.predict_proba([[0, 0]])[0], expected / expected.sum())


def test_first_intercepts_are_those_of_frequencies():
    weights = np.random.RandomState(0).randint(1, 4, len(Y))
    # Features that say nothing, and no step worth mentioning.
    start = {"intercept_init": "frequencies", "solver": LBFGS(tol=1e9)}
    model = joint(**start).fit(X, Y, sample_weight=weights)
    counts = np.array([weights[label == Y].sum() for label in model.classes_]) + 0.5
    assert_allclose(model.predict_proba(X[:1])[0], counts / counts.sum())
    sets = joint_sets(**start).fit(X, SETS, sample_weight=weights)
    closed = (TREE.binarize(SETS) @ TREE.ancestor_closure[1:, 1:]).toarray() > 0
    share = (weights @ closed + 0.5) / (weights.sum() + 1)
    assert_allclose(expit(sets.intercept_), share)
    repeated = np.repeat(np.arange(len(Y)), weights)
    assert_array_equal(joint(**start).fit(X[repeated], Y[repeated]).intercept_, model.intercept_)
    batches = joint(intercept_init="frequencies", solver=Adam(learning_rate_init=1e-9))
    batches.partial_fit(X, Y)
    plain = joint(**start).fit(X, Y)
    assert_allclose(batches.intercept_, plain.intercept_, atol=1e-6)
    before = batches.intercept_.copy()
    batches.partial_fit(X[:20], Y[:20])  # not again
    assert_allclose(batches.intercept_, before, atol=1e-6)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"dropout": 0.5}, "`dropout` must be 0 without hidden layers"),
        ({"dropout": 0.5, "hidden_layer_sizes": 3}, "`dropout` must be 0 for L-BFGS, .*, got 0.5"),
        ({"dropout": 1.0, "hidden_layer_sizes": 3}, r"`dropout` must be in \[0, 0.99\]"),
        ({"n_estimators": 2}, "`n_estimators` must be 1 for L-BFGS without hidden layers, got 2"),
        ({"n_estimators": 0}, "`n_estimators` must be"),
        ({"intercept_init": "ones"}, "`intercept_init` must be one of"),
        ({"n_jobs": 0.5}, "`n_jobs` must be"),
        ({"solver": Adam(refit=1)}, "`refit` must be"),
    ],
)
@BOTH
def test_parameters_of_networks_out_of_range(make, params, message):
    with pytest.raises(ValueError, match=message):
        make(**params).fit(X, labels_of(make))


@BOTH
def test_one_warning_for_all_networks(make):
    with pytest.warns(ConvergenceWarning, match="max_iter=3") as record:
        make(n_estimators=3, n_jobs=2, **FEW).fit(X, labels_of(make))
    assert [warning.filename for warning in record] == [__file__]


@SHORT
def test_lines_of_several_networks_name_them(capsys):
    joint(n_estimators=2, verbose=1, **FEW).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["Network 1"] * 3 + ["Network 2"] * 3


def test_a_linear_rate_falls_to_nothing():
    adam = Adam(learning_rate="linear", max_iter=80, batch_size=60, learning_rate_init=0.3)
    exact = joint(**EXACT).fit(X, Y)
    model = joint(alpha=3e-2, solver=adam, random_state=0).fit(X, Y)
    assert model.n_iter_ == 80  # and no warning
    assert_allclose(model.predict_proba(X), exact.predict_proba(X), atol=0.03)
    steps = Schedule(adam, Rates(1.0, 1.0, 0.5))
    rates = [steps.next() for _ in range(80)]
    assert rates[0] == (1.0, 1 - 1 / 80, 0.5)
    assert_allclose([pair.stop for pair in rates], 1 - np.arange(1, 81) / 80, atol=1e-12)


# -- dense features -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "columns", "params", "solver"),
    [
        ((2000, 1000), 100, {}, Adam(learning_rate="linear", batch_size=333, max_iter=12)),
        ((4000, 1000), 100, {}, Adam(learning_rate="linear", batch_size=512, max_iter=12)),
        ((200, 1000), 1000, {}, Adam(learning_rate="linear", batch_size=64, max_iter=12)),
        ((1999, 1000), 100, {}, LBFGS()),
        ((4000, 1000), 100, {"hidden_layer_sizes": 4}, Adam()),
        ((4000, 1000), 100, {"solver": LBFGS(max_iter=3)}, LBFGS(max_iter=3)),
    ],
)
def test_much_dense_work_takes_a_dozen_passes(shape, columns, params, solver):
    training = MultiHeadClassifier(**params)._training()
    sizes = training.sizes(shape[1], columns)
    dense = training.settled(sizes, np.full(shape, 0.5, dtype=np.float32))
    assert dense.alpha == 1e-5
    assert dense.penalised(sizes).alpha == (0.01 if isinstance(solver, LBFGS) else 1e-5)
    given = MultiHeadClassifier(alpha=1e-3, **params)._training()
    assert given.settled(sizes, np.ones(shape, dtype=np.float32)).alpha == 1e-3
    assert repr(dense.solver_for(sizes)) == repr(solver)


@pytest.mark.parametrize(
    ("n_rows", "n_features", "params", "batch_size", "passes"),
    [
        (20_000, 50_000, {}, 256, 4),
        (6400, 50_000, {}, 100, 4),
        (500, 50_000, {}, 16, 5),
        (10, 50_000, {}, 16, 240),
        (20_000, 19_999, {}, None, None),  # few weights
        (20_000, 50_000, {"hidden_layer_sizes": (5,)}, None, None),
        (20_000, 50_000, {"solver": "adam"}, None, None),
    ],
)
def test_many_sparse_features_take_few_passes(n_rows, n_features, params, batch_size, passes):
    X = sparse.csr_array((n_rows, n_features))
    training = MultiHeadClassifier(**params)._training()
    settled = training.settled(training.sizes(n_features, 100), X)
    if batch_size is None:
        assert settled is training
        return
    assert settled.alpha == 1e-6
    expected = {"learning_rate_init": 0.05, "max_iter": passes, "batch_size": batch_size}
    assert repr(settled.solver) == repr(Adam(learning_rate="linear", **expected))
    given = MultiHeadClassifier(alpha=1e-5, **params)._training()
    assert given.settled([n_features, 100], X).alpha == 1e-5


# -- steps of sparse features -----------------------------------------------------------------

WAYS = ["compiled", "baseline", "0"]


def use(monkeypatch, way):
    """Take steps that way."""
    if way != "0" and compiled_steps() is None:
        pytest.skip("no compiled steps in use")
    monkeypatch.setenv("SKLHIER_KERNELS", way)


def random_batch(n_rows, n_features, width, dtype=np.float64, seed=0):
    """Return a batch some of whose features do not occur, and slopes."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_rows, n_features)) * (rng.random((n_rows, n_features)) < 0.2)
    values[:, ::3] = 0
    slopes = rng.normal(size=(n_rows, width)).astype(dtype)
    return sparse.csr_matrix(values.astype(dtype)), slopes


# Strips are 32 or 64 weights wide: less than one, whole ones, and one with a rest.
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("dtype", "width"),
    [(dtype, width) for dtype in (np.float32, np.float64) for width in (1, 4, 64, 150, 2**12)],
)
def test_steps_of_sparse_features_are_those_of_their_gradient(monkeypatch, dtype, width, way):
    use(monkeypatch, way)
    rng = np.random.default_rng(0)
    weights, penalties = rng.normal(size=(13, width)).astype(dtype), rng.random(13)
    slow, steps = weights.astype(np.float64), FeatureSteps(weights)
    first, square, clocks = np.zeros_like(slow), np.zeros(width), np.zeros(13)
    tol = 1e-9 if dtype == np.float64 else 1e-4
    for clock in range(1, 5):
        batch, slopes = random_batch(5, 13, width, dtype, seed=clock)
        steps.step(weights, batch, slopes, 0.1, penalties.take)
        occurs = np.unique(batch.indices)
        gradient = (batch.T @ slopes)[occurs].astype(np.float64)
        gradient += penalties[occurs, None] * slow[occurs]
        square = 0.999 * square + 0.001 * (gradient**2).mean(axis=0)
        clocks[occurs] += 1
        first[occurs] = 0.9 * first[occurs] + 0.1 * gradient
        scale = np.sqrt(square / (1 - 0.999**clock)) + 1e-8
        rates = 0.1 / (1 - 0.9 ** clocks[occurs])
        slow[occurs] -= rates[:, None] * first[occurs] / scale
        assert_allclose(weights, slow, rtol=tol, atol=tol)


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_without_features_moves_no_weights(monkeypatch, way):
    use(monkeypatch, way)
    weights = np.ones((3, 2))
    steps = FeatureSteps(weights)
    steps.step(weights, sparse.csr_matrix((4, 3)), np.ones((4, 2)), 0.1, np.zeros(3).take)
    assert_array_equal(weights, np.ones((3, 2)))


@st.composite
def sparse_problems(draw):
    """Sparse samples of a tree, with labels at any node, and weights."""
    tree = draw(trees())
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    X = sparse.random(20, 15, 0.3, "csr", rng.choice([np.float32, np.float64]), rng)
    y = rng.choice(np.array(tree.nodes[1:], dtype=object), 20)
    return tree, X, y, rng.random(20) + 0.1


@one_in(2)
@given(
    sparse_problems(),
    st.sampled_from([(), (3,), (70,)]),
    st.booleans(),
    st.sampled_from(["level", "hxe", "soft_labels"]),
)
def test_compiled_steps_give_the_same_model(case, hidden, early_stopping, loss):
    if compiled_steps() is None:
        pytest.skip("no compiled steps in use")
    tree, X, y, weights = case
    rates = {"learning_rate": "linear", "max_iter": 3}
    solver = Adam(batch_size=6, early_stopping=early_stopping, **rates)
    params = {"loss": loss, "hidden_layer_sizes": hidden, "random_state": 0}
    fitted = {}
    for way in WAYS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SKLHIER_KERNELS", way)
            model = MultiHeadClassifier(tree, solver=solver, **params)
            fitted[way] = model.fit(X, y, sample_weight=weights)
    tol = 1e-8 if X.dtype == np.float64 else 1e-3
    for way in WAYS[:2]:
        for one, other in zip(fitted[way].coefs_, fitted["0"].coefs_, strict=True):
            assert one.dtype == other.dtype
            assert_allclose(one, other, rtol=tol, atol=tol)


@pytest.mark.parametrize("way", WAYS)
def test_compiled_steps_do_not_depend_on_threads(monkeypatch, way):
    use(monkeypatch, way)
    X, y, tree = make_hierarchical_text(80, branching=(3, 3), vocabulary_size=60, random_state=0)
    fitted = [
        MultiHeadClassifier(
            tree,
            solver=Adam(learning_rate="linear", max_iter=2),
            n_estimators=3,
            n_jobs=n_jobs,
            random_state=0,
        ).fit(X, y)
        for n_jobs in (1, 3, 3)
    ]
    for other in fitted[1:]:
        assert_array_equal(fitted[0].predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_that_fails_moves_no_weights(monkeypatch, way):
    use(monkeypatch, way)
    X, y, tree = make_hierarchical_text(80, branching=(3, 3), vocabulary_size=60, random_state=0)
    X = X.astype(np.float64)
    model = MultiHeadClassifier(tree, random_state=0).partial_fit(X, y)
    before, old = model.predict_proba(X), model.coef_.copy()
    with pytest.raises(ValueError, match="must stay finite"):
        model.set_params(solver=Adam(learning_rate_init=1e300)).partial_fit(X, y)
    assert_array_equal(model.coef_, old)
    assert_array_equal(model.predict_proba(X), before)


def test_the_linear_rate_is_for_any_unit_of_the_features():
    data = np.random.RandomState(0).normal(size=(700, 6)).astype(np.float32)
    y = np.tile(Y, 4)[:700]
    params = {"solver": Adam(learning_rate="linear", max_iter=4), "alpha": 0.0, "random_state": 0}
    one = joint(**params).fit(data, y)
    other = joint(**params).fit(data * 1024, y)  # a power of 2 rounds nothing
    assert_allclose(other.coef_ * 1024, one.coef_, rtol=1e-3, atol=1e-4)
    first = first_rates_of(params["solver"], data * 1024, one.networks_[0])
    assert first == (pytest.approx(0.004 / 1024, rel=0.1),) * 2 + (pytest.approx(1024, rel=0.1),)
    assert np.isfinite(joint(**params).fit(data * 0, y).coef_).all()


# Columns of many units, far from 0.
TABLE = X * 10.0 ** np.arange(-2, 4) + 5


@BOTH
@pytest.mark.parametrize("solver", ["auto", LONG], ids=repr)
def test_dense_features_are_learnt_as_if_they_were_standardised(make, solver):
    y, params = labels_of(make), {"solver": solver, "alpha": "auto"}
    weights = np.arange(len(y)) % 3 + 1.0
    one = make(**params).fit(TABLE, y, sample_weight=weights)
    scaler = StandardScaler().fit(TABLE, sample_weight=weights)
    standard = scaler.transform(TABLE)
    other = make(solver=solver, alpha=0.01).fit(standard, y, sample_weight=weights)
    assert_allclose(one.coef_ * scaler.scale_[:, None], other.coef_, rtol=1e-6, atol=1e-9)
    expected = other.predict_node_proba(standard)
    assert_allclose(one.predict_node_proba(TABLE), expected, atol=1e-9)
    rows = np.repeat(np.arange(len(y)), weights.astype(int))[::-1]
    repeated = make(**params).fit(TABLE[rows], [y[row] for row in rows])
    assert_array_equal(repeated.coef_, one.coef_)
    again = one.set_params(warm_start=True).fit(TABLE, y, sample_weight=weights)
    assert again.n_iter_ < 10  # it starts at the optimum
    assert_allclose(again.predict_node_proba(TABLE), expected, atol=2e-3)


def test_standardised_rows_are_an_array_whatever_transformers_give():
    weights = np.full(len(X), 1 / len(X))
    with config_context(transform_output="pandas"):
        found = Scaling.of(TABLE.astype(np.float32), weights).features(TABLE.astype(np.float32))
    assert type(found) is np.ndarray
    assert found.dtype == np.float32


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_features_have_no_weight(make, dtype):
    table = np.column_stack([X, np.full(len(X), 7.0)]).astype(dtype)
    model = make(alpha="auto").fit(table, labels_of(make))
    assert model.coef_.dtype == dtype
    assert np.abs(model.coef_[-1]).max() < 1e-12  # means are rounded
    assert np.abs(model.coef_[:-1]).min() > 1e-6


def test_a_dozen_passes_are_for_features_of_any_unit(monkeypatch):
    monkeypatch.setattr("sklhier._joint.model._MUCH_WORK", 0)
    one = MultiHeadClassifier(TREE, random_state=0).fit(TABLE, Y)
    assert one.n_iter_ == 12
    assert one.score(TABLE, Y) > 0.8
    other = MultiHeadClassifier(TREE, random_state=0).fit(X, Y)
    assert_allclose(one.predict_proba(TABLE), other.predict_proba(X), atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("params", [{"hidden_layer_sizes": 3}, {"solver": Adam(max_iter=3)}])
def test_hidden_layers_and_batches_of_ones_own_take_features_as_they_are(params):
    auto, given = (
        MultiHeadClassifier(TREE, alpha=alpha, random_state=0, **params).fit(X, Y)
        for alpha in ("auto", 1e-5)
    )
    assert_array_equal(auto.predict_proba(X), given.predict_proba(X))


@BOTH
def test_the_penalty_follows_neither_sparse_rows_nor_hidden_layers_nor_mini_batches(make):
    for rows, params in (
        (sparse.csr_matrix(X), {}),
        (X, {"hidden_layer_sizes": 3}),
        (X, {"solver": Adam(max_iter=2, learning_rate="linear")}),
    ):
        fits = [
            make(alpha=alpha, random_state=0, **params).fit(rows, labels_of(make))
            for alpha in ("auto", 1e-5)
        ]
        for own, other in zip(*(fit.coefs_ for fit in fits), strict=True):
            assert_array_equal(own, other)


@pytest.mark.few(1)
@BOTH
def test_half_precision_becomes_single(make):
    half = X.astype(np.float16)
    model = make().fit(half, labels_of(make))
    assert model.coef_.dtype == np.float32
    single = make().fit(half.astype(np.float32), labels_of(make))
    assert_array_equal(model.coef_, single.coef_)
    assert_array_equal(
        model.predict_node_proba(half), single.predict_node_proba(half.astype(np.float32))
    )


# -- what the estimators promise ----------------------------------------------------------


@given(labelled_trees(), st.sampled_from(["level", "hxe", "soft_labels"]))
@one_in(3)
def test_marginals_are_coherent(case, loss):
    tree, y, seed = case
    data = features(y, seed)
    model = MultiHeadClassifier(tree, loss=loss, alpha=1e-2).fit(data, y)
    proba, nodes = model.predict_proba(data), model.predict_node_proba(data)
    class_ids = tree.ids(model.classes_.tolist())
    outcomes = Outcomes.of(tree, np.sort(class_ids), stops=True)
    assert_allclose(proba.sum(axis=1), 1)
    assert_allclose(nodes[:, 0], 1)
    sums = np.zeros_like(nodes)
    np.add.at(sums, (slice(None), tree.parent_ids[1:]), nodes[:, 1:])
    sums[:, class_ids] += proba * np.isin(class_ids, np.append(outcomes.stops, tree.leaf_ids))
    open_ends = (outcomes.counts == 0) & outcomes.observed
    sums[:, open_ends] = nodes[:, open_ends]
    assert_allclose(sums, nodes, atol=1e-12)
    one_by_one = np.concatenate([model.predict_proba(row[None]) for row in data])
    assert_allclose(one_by_one, proba, atol=1e-12)
    assert set(model.predict(data)) <= set(y)


def test_a_stop_is_learnt():
    tree = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": None})
    y = np.array(["bird", "owl", "wren", "fish"] * 10)
    data = np.eye(4)[np.tile(np.arange(4), 10)]
    model = MultiHeadClassifier(tree).fit(data, y)
    assert_array_equal(model.predict(data), y)
    assert ("stop", "bird") in model.columns_


def test_renaming_nodes_renames_answers():
    names = {name: f"{9 - i} renamed" for i, name in enumerate(TREE.nodes)}
    renamed = Taxonomy.from_edges(
        [(names[p], names[c]) for p in TREE.nodes for c in TREE.children(p)]
    )
    one = joint(**EXACT).fit(X, Y)
    other = MultiHeadClassifier(renamed, **EXACT).fit(X, [names[label] for label in Y])
    assert_array_equal(other.predict(X), [names[label] for label in one.predict(X)])
    assert_allclose(
        other.predict_node_proba(X)[:, renamed.ids([names[n] for n in TREE.nodes])],
        one.predict_node_proba(X),
        atol=1e-4,
    )


@pytest.mark.parametrize("form", ["array", "frame", "lists"])
def test_levels_come_back_as_they_were(form):
    levels = TREE.to_levels(Y)
    y = {"array": levels, "frame": pd.DataFrame(levels), "lists": levels.tolist()}[form]
    model = MultiHeadClassifier(alpha=1e-2).fit(X, y)
    predicted = model.predict(X)
    assert type(predicted) is type(y)
    assert model.score(X, y) > 0.6
    assert_array_equal(np.asarray(predicted, dtype=object), model.predict_levels(X))


def test_the_answers_of_paths():
    model = joint().fit(X, Y)
    labels, proba = model.predict_top_k(X, k=3)
    assert_array_equal(labels[:, 0], model.predict(X))
    assert (np.diff(proba, axis=1) <= 0).all()
    nodes = model.predict_node_proba(X)
    assert_array_equal(model.decode(nodes), model.predict(X))
    stopping = joint(decoder=Threshold(0.7)).fit(X, Y)
    assert_array_equal(model.decode(nodes, Threshold(0.7)), stopping.predict(X))


def test_frames_name_their_features():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = joint().fit(frame, Y)
    assert model.feature_names_in_.tolist() == list("abcdef")
    several = joint_sets().fit(frame, SETS)
    with pytest.raises(ValueError, match="feature names"):
        several.predict(frame[list("bacdef")])


def test_sets_in_a_dag():
    rng = np.random.RandomState(0)
    data = rng.normal(size=(60, 3))
    y = [[n for n, x in zip("PSZ", row, strict=True) if x > 0.3] for row in data]
    for loss in ("max_constraint", "cross_entropy"):
        model = MultiHeadMultiLabelClassifier(
            DIAMOND, loss=loss, alpha=1e-2, decoder=SetThreshold(0.5)
        ).fit(data, y)
        proba = model.predict_node_proba(data)
        assert (proba[:, DIAMOND.edge_children] <= proba[:, DIAMOND.edge_parents]).all()
        assert model.score(data, y) > 0.7


def test_the_max_constraint_loss_is_minimised():
    closed = TREE.binarize(SETS) @ TREE.ancestor_closure[1:, 1:]
    members = closed.toarray() > 0
    value_of = MaxConstraint.of(TREE, np.arange(1, TREE.n_nodes, dtype=np.int32))
    values = {}
    for loss in ("max_constraint", "cross_entropy"):
        model = joint_sets(loss=loss, solver=LBFGS(max_iter=2000)).fit(X, SETS)
        scores = X @ model.coef_ + model.intercept_
        penalty = 0.5 * 3e-2 * (model.coef_**2).sum()
        values[loss] = value_of(scores, members, np.ones(members.shape[1]))[0].mean() + penalty
    assert values["max_constraint"] <= values["cross_entropy"]


@pytest.mark.few(1)
@pytest.mark.parametrize("cv", [None, 2, [(np.arange(90), np.arange(90, 180))]])
def test_thresholds_tuned_out_of_fold(cv):
    model = joint_sets(decoder="threshold", cv=cv).fit(X, SETS)
    assert 0 < model.decoder_.tau < 1
    given = joint_sets(decoder=SetThreshold(model.decoder_.tau)).fit(X, SETS)
    assert model.predict(X) == given.predict(X)


@pytest.mark.few(3)
@pytest.mark.parametrize("form", ["dense", "sparse", "frame", "paths"])
def test_sets_come_back_as_they_were(form):
    indicator = TREE.binarize(SETS)
    y = {
        "dense": indicator.toarray(),
        "sparse": indicator,
        "frame": pd.DataFrame(indicator.toarray(), columns=list(TREE.nodes[1:])),
        "paths": [[TREE.path(label)[-2:] for label in row] for row in SETS],
    }[form]
    model = joint_sets().fit(X, y)
    predicted = model.predict(X)
    assert type(predicted) is type(y)
    assert model.score(X, y) > 0.2


def test_searches_without_a_scorer():
    search = GridSearchCV(joint(), {"alpha": [1e-3, 1e-1]}, cv=2, error_score="raise")
    assert search.fit(X, TREE.to_levels(Y)[:, :1].ravel()).best_score_ > 0.6
    levels = GridSearchCV(
        MultiHeadClassifier(), {"alpha": [1e-3, 1e-1]}, cv=2, error_score="raise"
    ).fit(X, TREE.to_levels(Y))
    assert (levels.cv_results_["mean_test_score"] > 0.4).all()
    grid = {"loss": ["max_constraint", "cross_entropy"]}
    sets = GridSearchCV(joint_sets(), grid, cv=2, error_score="raise")
    assert np.isfinite(sets.fit(X, TREE.binarize(SETS).toarray()).best_score_)


def test_searches_reach_into_losses_and_solvers():
    grid = {"loss__beta": [5.0, 20.0], "solver__max_iter": [30, 300]}
    model = joint(loss=SoftLabels(), solver=LBFGS(tol=1e-2))
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, Y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.loss.beta == search.best_params_["loss__beta"]
    assert model.loss.beta == 10.0


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("make", "params"),
    [
        (joint, ("level", LevelLoss())),
        (joint, ("hxe", HierarchicalCrossEntropy(alpha=0.1))),
        (joint, ("soft_labels", SoftLabels(beta=10.0))),
        (joint_sets, ("max_constraint", MaxConstraintLoss())),
        (joint_sets, ("cross_entropy", CrossEntropyLoss())),
    ],
)
def test_names_are_losses_with_default_parameters(make, params):
    y = Y if make is joint else SETS
    name, loss = params
    assert_array_equal(make(loss=name).fit(X, y).coef_, make(loss=loss).fit(X, y).coef_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_names_are_solvers_with_default_parameters():
    for name, solver in (("lbfgs", LBFGS()), ("adam", Adam()), ("auto", LBFGS())):
        one, other = (joint(solver=s, random_state=0).fit(X, Y) for s in (name, solver))
        assert_array_equal(one.coef_, other.coef_)


def test_tools_that_encode_labels():
    model = joint(classes=np.unique(Y))
    proba = cross_val_predict(model, X, Y, method="predict_proba", cv=3)
    assert np.mean(np.unique(Y)[proba.argmax(axis=1)] == Y) > 0.5
    scaled = make_pipeline(StandardScaler(), joint()).fit(X, Y)
    assert scaled.score(X, Y) > 0.6


@pytest.mark.more
@pytest.mark.parametrize("make", [joint, joint_sets])
def test_pickle_and_clone(make):
    y = Y if make is joint else SETS
    model = make(solver=Adam(max_iter=1000), random_state=0).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_node_proba(X), model.predict_node_proba(X))
    again.partial_fit(X, y)
    cloned = clone(model)
    assert repr(cloned) == repr(model)
    with pytest.raises(NotFittedError):
        cloned.predict(X)
    with pytest.raises(NotFittedError):
        _ = cloned.coef_
    assert_array_equal(cloned.fit(X, y).coef_, model.coef_)


# Parameters of earlier versions, with their defaults.
OLD_SETTINGS = {
    "learning_rate": "adaptive",
    "learning_rate_init": "auto",
    "batch_size": "auto",
    "max_iter": 200,
    "tol": 1e-4,
    "early_stopping": False,
    "validation_fraction": 0.1,
    "n_iter_no_change": 5,
}


def old_state(model, **params):
    """Return what an earlier version kept of a model: settings and network as attributes."""
    state = {**vars(model), **OLD_SETTINGS, "solver": "auto", **params}
    fitted, history = state.pop("_model"), model._model.joint.history
    state["_format"] = state.pop("_target").format
    if isinstance(model, MultiHeadClassifier):
        del state["_tuned_decoder"], state["cv"]
        answers = vars(fitted.outcomes)
        answers = SimpleNamespace(
            **{"live" if k == "observed" else k: answers[k] for k in answers}
        )
        state |= {"coupling": "additive", "init": "zeros", "soft_label_beta": 10.0}
        state |= {"_trained": answers, "_outcomes": answers, "_seen": fitted.observed}
        state |= {"_heads": fitted.columns.heads, "_heads_of_levels": None}
    else:
        state |= {"_columns": fitted.columns.nodes, "_live": fitted.observed}
    return state | {
        "_network": fitted.joint.network,
        "_random_state": fitted.joint.random_state,
        "n_iter_": history.n_iter,
        "loss_curve_": history.losses,
        "validation_loss_curve_": history.validation_losses,
    }


def test_earlier_versions_of_paths_are_read():
    model = joint(loss=HierarchicalCrossEntropy(0.3), solver=LBFGS(max_iter=500)).fit(X, Y)
    read = MultiHeadClassifier()
    read.__setstate__(old_state(model, loss="hxe", hxe_alpha=0.3, max_iter=500))
    assert repr(read) == repr(model)
    assert_array_equal(read.predict_node_proba(X), model.predict_node_proba(X))
    assert (read.columns_, read.n_iter_) == (model.columns_, model.n_iter_)
    assert vars(read).keys() == vars(model).keys()
    separate = old_state(model, loss="level", hxe_alpha=0.1) | {"coupling": "none"}
    with pytest.raises(ValueError, match="coupling='none'"):
        MultiHeadClassifier().__setstate__(separate)


def test_earlier_versions_of_sets_are_read():
    model = joint_sets(loss="cross_entropy", solver=Adam(batch_size=50), random_state=0)
    model.partial_fit(X, SETS)
    state = old_state(model, coupling="none", batch_size=50)
    adam = copy(model._model.joint._adam)
    adam._n_seen = adam.__dict__.pop("_n_counted")
    read = MultiHeadMultiLabelClassifier()
    read.__setstate__(deepcopy(state | {"_adam": adam}))
    assert repr(read) == repr(model)
    assert_array_equal(read.predict_node_proba(X), model.predict_node_proba(X))
    for one in (read, model):
        one.partial_fit(X, SETS)
    assert_array_equal(read.coef_, model.coef_)


@pytest.mark.parametrize(
    ("old", "solver"),
    [
        ({}, "auto"),
        ({"tol": 1e-3}, LBFGS(tol=1e-3)),
        ({"early_stopping": True}, Adam(early_stopping=True)),
        ({"hidden_layer_sizes": (3,), "tol": 1e-3}, Adam(tol=1e-3)),
        ({"solver": "lbfgs", "max_iter": 9}, LBFGS(max_iter=9)),
        ({"solver": "adam"}, Adam()),
    ],
)
def test_earlier_settings_are_those_of_solvers(old, solver):
    state = {"solver": "auto", "hidden_layer_sizes": (), "coupling": "max", **OLD_SETTINGS, **old}
    assert repr(upgraded(state)["solver"]) == repr(solver)
    now = {"solver": "auto", "loss": "level", "dropout": 0.5}
    others = {"n_estimators": 1, "intercept_init": "zeros", "n_jobs": None}
    assert upgraded(now) == now | others


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"level_weights": [1.0]}, "level_weights"),
        ({"level_weights": [-1.0, 1.0]}, "level_weights"),
        ({"level_weights": [0, 0]}, "level_weights"),
        ({"alpha": -1.0}, "alpha"),
        ({"alpha": "small"}, "alpha"),
        ({"activation": "step"}, "activation"),
        ({"hidden_layer_sizes": (4, 0)}, "hidden_layer_sizes"),
        ({"loss": "hinge"}, "`loss` must be one of .* got 'hinge'"),
        ({"solver": "newton"}, "`solver` must be one of 'auto', 'lbfgs', .* got 'newton'"),
        ({"solver": LBFGS}, "solver"),
        ({"solver": LBFGS(max_iter=-1)}, "max_iter"),
        ({"solver": LBFGS(tol=-1.0)}, "tol"),
        ({"solver": Adam(max_iter=-1)}, "max_iter"),
        ({"solver": Adam(tol=-1.0)}, "tol"),
        ({"solver": Adam(learning_rate="slow")}, "learning_rate"),
        ({"solver": Adam(learning_rate_init=0.0)}, "learning_rate_init"),
        ({"solver": Adam(batch_size=0)}, "batch_size"),
        ({"solver": Adam(n_iter_no_change=0)}, "n_iter_no_change"),
        (
            {"solver": Adam(early_stopping=True, validation_fraction=0.0)},
            "validation_fraction",
        ),
    ],
)
def test_parameters_out_of_range(params, message):
    for make, y in ((joint, Y), (joint_sets, SETS)):
        with pytest.raises(ValueError, match=message):
            make(**params).fit(X, y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loss": MaxConstraintLoss()}, "loss"),
        ({"loss": SoftLabels(0.0)}, "beta"),
        ({"decoder": "guess"}, "decoder"),
    ],
)
def test_parameters_of_paths_out_of_range(params, message):
    with pytest.raises(ValueError, match=message):
        joint(**params).fit(X, Y)


@pytest.mark.few(1)
@pytest.mark.parametrize("make", [joint, joint_sets])
def test_a_failing_call_changes_nothing(make):
    y = Y if make is joint else SETS
    model = make(solver=Adam(max_iter=1000), random_state=0)
    with pytest.raises(TargetError):
        model.fit(X, ["no label"] * len(y))
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.fit(X, y)
    before, state = model.predict_node_proba(X), dict(vars(model))
    for call in (model.fit, model.partial_fit):
        with pytest.raises(TargetError):
            call(X, ["no label"] * len(y))
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full((len(y), 2), np.nan), y)
    assert vars(model) == state
    assert_array_equal(model.predict_node_proba(X), before)


def test_one_path_needs_a_tree():
    with pytest.raises(TaxonomyError, match="needs a tree"):
        MultiHeadClassifier(DIAMOND).fit(X[:2], ["P", "Z"])


@pytest.mark.parametrize("make", [joint, joint_sets])
def test_features_are_numbers(make):
    with pytest.raises(ValueError, match="NaN"):
        make().fit(np.where(X > 2, np.nan, X), Y if make is joint else SETS)


def test_a_large_sparse_problem_takes_mini_batches():
    data, y, tree = make_hierarchical_text(
        400, branching=(4, 5), vocabulary_size=90_000, topic_share=0.3, random_state=0
    )
    model = MultiHeadClassifier(tree, random_state=0)
    assert isinstance(model._training().solver_for([data.shape[1], 24]), Adam)
    assert model.fit(data, y).n_iter_ == 6
    assert model.score(data, y) > 0.9
    model.set_params(
        solver=Adam(early_stopping=True, max_iter=4, tol=1.0, n_iter_no_change=2,
                    learning_rate="constant")
    ).fit(data, y)  # fmt: skip
    assert model.validation_loss_curve_ is not None
    assert model.score(data, y) > 0.5


@pytest.mark.parametrize(("sizes", "solver"), [([1_999_999, 1], LBFGS), ([2_000_000, 1], Adam)])
def test_weights_and_intercepts_count_for_what_is_small(sizes, solver):
    assert isinstance(MultiHeadClassifier()._training().solver_for(sizes), solver)


# -- scikit-learn's contract --------------------------------------------------------------


@pytest.mark.few(13)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # on noise
@parametrize_with_checks(
    [
        MultiHeadClassifier(),
        JointOnTree(),
        JointOnSets(decoder=SetThreshold(0.5), alpha=0.01),
    ]
)
def test_common_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # on noise
@parametrize_with_checks(
    [
        JointOnTree(loss="hxe"),
        JointOnTree(hidden_layer_sizes=(8,), solver="lbfgs", alpha=0.01, random_state=0),
        JointOnSets(decoder=SetThreshold(0.5), loss="cross_entropy"),
    ]
)
def test_common_checks_of_other_configurations(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        "check_classifiers_multilabel_representation_invariance",
        "check_classifiers_multilabel_output_format_predict",
        "check_classifiers_multilabel_output_format_predict_proba",
    ],
)
def test_common_checks_of_several_labels(check):
    estimator = MultiHeadMultiLabelClassifier(decoder=SetThreshold(0.5))
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


def test_an_adaptive_rate_is_divided_by_five_and_ends_at_the_third_time():
    schedule = Schedule(Adam(learning_rate="adaptive"), Rates(0.5, 0.5))
    assert schedule.next() == Rates(0.5, 0.5)
    assert schedule.slows_down()
    assert schedule.next() == pytest.approx((0.1, 0.1, 1))
    assert schedule.slows_down()
    assert schedule.next() == pytest.approx((0.02, 0.02, 1))
    assert not schedule.slows_down()


def test_blocks_of_features_may_be_smaller_than_a_row(monkeypatch):
    X = sparse.random(30, 20, density=0.2, format="csr", random_state=0)
    slopes = np.random.default_rng(0).normal(size=(30, 4))
    batch = moments.ByFeature.of(X)
    for size in (2, 9, 2**15):
        monkeypatch.setattr(moments, "_BLOCK", size)
        gradients = np.concatenate([gradient for _, gradient in batch.gradients(slopes)])
        assert_allclose(gradients, (X.T @ slopes)[batch.features], atol=1e-12)
