"""The joint models: losses, solvers, and what the estimators promise."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from checks import JointOnSets, JointOnTree
from conftest import DIAMOND, TAXONOMIES
from generators import dags, features, label_sets, labelled_trees, one_in, trees
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import approx_fprime
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklhier import (
    HierarchicalClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier._joint import deduplicate
from sklhier._joint.deduplicate import merge_repeats
from sklhier._joint.network import ACTIVATIONS, Network
from sklhier._joint.path_loss import (
    Heads,
    HeadsOfLevels,
    conditional_weights,
    hierarchical_weights,
    level_table,
    log_marginals,
    path_loss,
    soft_labels,
)
from sklhier._joint.set_loss import MaxConstraint, node_loss
from sklhier._joint.solvers import Samples, objective
from sklhier._probabilities.marginals import Outcomes
from sklhier.datasets import make_hierarchical_classification, make_hierarchical_text
from sklhier.decoders import SetThreshold, Threshold
from sklhier.exceptions import IncompatiblePartsError, TargetError, TaxonomyError

X, Y, TREE = make_hierarchical_classification(
    180, 6, branching=(2, 3), class_sep=2.0, random_state=0
)
SETS = [[label] if i % 3 else [label, Y[-i - 1]] for i, label in enumerate(Y.tolist())]
# Strong enough a penalty for solvers to get to the optimum quickly.
EXACT = {"alpha": 3e-2, "tol": 1e-7, "max_iter": 2000}


def joint(**params):
    return MultiHeadClassifier(TREE, **{"alpha": 1e-2, "max_iter": 1000, **params})


def joint_sets(**params):
    return MultiHeadMultiLabelClassifier(
        TREE, **{"alpha": 3e-2, "max_iter": 1000, "decoder": SetThreshold(0.4), **params}
    )


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
    paths = heads.closure[heads.ends].toarray()
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
    n_answers, n_columns = len(heads.ends), heads.n_columns
    if kind == "any":
        table = rng.normal(size=(n_answers, n_columns))
    elif kind == "level":
        table = level_table(rng.uniform(0, 2, tree.n_levels), heads).toarray()
    elif kind == "hxe":
        steps = rng.uniform(0, 2, n_columns)
        table = hierarchical_weights(steps, heads) @ np.linalg.inv(heads.closure.toarray())
    else:
        table = np.zeros((n_answers, n_columns))
        table[:, heads.ends] = soft_labels(3.0, heads, tree, outcomes.answers)
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
    weights = weights.toarray()[rng.integers(0, len(heads.ends), 4)]
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
    scores = np.zeros((len(heads.ends), heads.n_columns), dtype=dtype)
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
    assert_allclose(np.exp(log_marginals(scores, heads)[0, heads.ends]), 0.5)


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
    codes = rng.randint(0, len(heads.ends), 8)
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


# -- the same as other models -------------------------------------------------------------


@pytest.mark.parametrize("loss", ["level", "hxe"])
def test_one_level_is_multinomial_logistic_regression(loss):
    n = len(Y)
    plain = LogisticRegression(C=1 / (n * 3e-2), tol=1e-8, max_iter=2000).fit(X, Y)
    params = {"hxe_alpha": 0.0} if loss == "hxe" else {}
    ours = MultiHeadClassifier(loss=loss, **params, **EXACT).fit(X, Y)
    assert_allclose(ours.predict_proba(X), plain.predict_proba(X), atol=1e-5)
    assert_array_equal(ours.predict(X), plain.predict(X))
    order = [ours.columns_.index(label) for label in plain.classes_]
    assert_allclose(ours.coef_[:, order].T, plain.coef_, atol=1e-4)


@given(labelled_trees(max_rows=15))
@one_in(5)
def test_heads_that_are_not_coupled_are_the_strategy_per_level(case):
    tree, y, seed = case
    data = features(y, seed)
    ours = MultiHeadClassifier(tree, coupling="none", **EXACT).fit(data, y)
    base = LogisticRegression(C=1 / (len(y) * 3e-2), tol=1e-8, max_iter=2000)
    theirs = HierarchicalClassifier(base, taxonomy=tree, strategy="per_level").fit(data, y)
    # LogisticRegression has one column for two classes, and so half the penalty.
    binary = any(len(e.classes_) == 2 for e in theirs.estimators_.values())
    if not binary:
        assert_allclose(ours.predict_proba(data), theirs.predict_proba(data), atol=1e-5)
        assert_array_equal(ours.unseen_nodes_, theirs.unseen_nodes_)


@given(labelled_trees(max_rows=15))
@one_in(5)
def test_fitted_models_of_levels_as_start_of_the_joint_model(case):
    tree, y, seed = case
    data = features(y, seed)
    theirs = HierarchicalClassifier(taxonomy=tree, strategy="per_level").fit(data, y)
    nodes = tree.ids(y.tolist())
    outcomes = Outcomes.of(tree, np.unique(nodes).astype(np.int32), stops=True)
    heads = Heads.of(tree, outcomes)
    split = HeadsOfLevels.of(heads)
    logits = np.zeros((len(y), split.n_columns))
    for head, level in enumerate(split.depths.tolist()):
        columns = np.unique(split.of_answer[:, head])
        fitted = theirs.estimators_.get(f"level:{level}")
        if fitted is not None:  # its classes count the nodes in the order of their ids
            nodes_of = heads.nodes[split.columns[columns]]
            logits[:, columns[np.argsort(nodes_of)]] = fitted.predict_log_proba(data)
    joined = split.joined(logits, heads.n_columns)
    proba = np.exp(log_marginals(joined, heads)[:, heads.ends])
    ids = outcomes.answers
    wanted = theirs.predict_proba(data)[:, np.argsort(theirs._format.class_ids)]
    assert_array_equal(ids, np.sort(theirs._format.class_ids))
    assert_allclose(proba, wanted, atol=1e-10)


def test_a_start_from_the_levels_ends_at_the_same_optimum():
    plain = joint(**EXACT).fit(X, Y)
    started = joint(init="per_level", **EXACT).fit(X, Y)
    assert started.loss_curve_[-1] == pytest.approx(plain.loss_curve_[-1], abs=1e-6)
    assert_allclose(started.predict_proba(X), plain.predict_proba(X), atol=1e-3)


def test_uncoupled_heads_of_sets_are_one_against_the_rest():
    ours = joint_sets(coupling="none", **EXACT).fit(X, SETS)
    closed = TREE.binarize(SETS) @ TREE.ancestor_closure[1:, 1:]
    closed = closed.toarray() > 0
    raw = ours._set_marginals(X).raw[:, 1:]
    for node in range(TREE.n_nodes - 1):
        base = LogisticRegression(C=1 / (len(X) * 3e-2), tol=1e-8, max_iter=2000)
        wanted = base.fit(X, closed[:, node]).predict_proba(X)[:, 1]
        assert_allclose(raw[:, node], wanted, atol=1e-4)


# -- solvers ------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [joint, joint_sets])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_both_solvers_reach_the_same_optimum(make, container):
    y = Y if make is joint else SETS
    # Few features in each row: those of a batch are not all features.
    data = container(np.where(np.abs(X) > 1, X, 0))
    exact = make(solver="lbfgs", coupling="none", **EXACT).fit(data, y)
    steps = make(
        solver="adam", coupling="none", alpha=3e-2, tol=1e-5, max_iter=1000, batch_size=60,
        n_iter_no_change=20, learning_rate_init=0.03, random_state=0,
    ).fit(data, y)  # fmt: skip
    assert_allclose(steps.predict_node_proba(data), exact.predict_node_proba(data), atol=0.03)


@pytest.mark.parametrize("make", [joint, joint_sets])
def test_sparse_is_dense_and_float32_is_close(make):
    y = Y if make is joint else SETS
    params = EXACT if make is joint else {"coupling": "none", **EXACT}
    dense = make(**params).fit(X, y)
    thin = make(**params).fit(sparse.csr_matrix(X), y)
    assert_allclose(thin.predict_node_proba(X), dense.predict_node_proba(X), atol=1e-4)
    rough = make(**params).fit(X.astype(np.float32), y)
    assert rough.coef_.dtype == np.float32
    assert dense.coef_.dtype == np.float64
    assert_allclose(rough.predict_node_proba(X), dense.predict_node_proba(X), atol=1e-2)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_mini_batches_in_float32(container):
    params = {"solver": "adam", "random_state": 0}
    exact = joint(**params).fit(container(X), Y)
    rough = joint(**params).fit(container(X.astype(np.float32)), Y)
    assert rough.coef_.dtype == np.float32
    assert_allclose(rough.predict_proba(X), exact.predict_proba(X), atol=0.1)


JOINT_MODELS = [
    lambda tree: MultiHeadClassifier(tree),
    lambda tree: MultiHeadClassifier(tree, class_weight="balanced", init="per_level"),
    lambda tree: MultiHeadMultiLabelClassifier(tree, decoder=SetThreshold(0.5)),
    lambda tree: MultiHeadMultiLabelClassifier(
        tree, decoder=SetThreshold(0.5), hidden_layer_sizes=3, solver="lbfgs", random_state=0
    ),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("make", JOINT_MODELS)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csr_array])
@one_in(5)
@given(labelled_trees(), st.sampled_from([np.float32, np.float64]))
def test_order_and_repeats_do_not_change_a_bit(make, container, given_labels, dtype):
    tree, y, seed = given_labels
    rng = np.random.default_rng(seed)
    data = features(y, seed).astype(dtype)
    data[rng.random(data.shape) < 0.4] = 0
    some = rng.integers(0, len(y), len(y))  # rows and labels that occur several times
    data, y = data[some], y[rng.integers(0, len(y), len(y))]
    others = y[np.arange(len(y)) // 2]
    weights = rng.integers(1, 5, len(y))

    def weights_of(rows, sample_weight=None):
        model = make(tree).set_params(alpha=1e-2, max_iter=30)
        of_paths = isinstance(model, MultiHeadClassifier)
        labels = y[rows] if of_paths else [{y[i], others[i]} for i in rows]
        model.fit(container(data[rows]), labels, sample_weight)
        return [*model.coefs_, *model.intercepts_]

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
    one, labels, weights = merge_repeats(
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
        rows, codes, weights = merge_repeats(data, given_labels, np.ones(12))
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
    merged, labels, weights = merge_repeats(X[:50], np.zeros(50, dtype=int), np.ones(50))
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


@pytest.mark.parametrize("make", [joint, joint_sets])
def test_early_stopping(make):
    y = Y if make is joint else SETS
    params = {"early_stopping": True, "random_state": 0, "max_iter": 300, "tol": 1e-3}
    fitted = make(**params).fit(X, y)
    assert len(fitted.validation_loss_curve_) == fitted.n_iter_ < 300
    assert_array_equal(make(**params).fit(X, y).coef_, fitted.coef_)
    rare = [*y[1:], "n1.1"] if make is joint else [*y[1:], ["n1.1"]]
    rare = np.array(rare) if make is joint else rare
    assert make(**params).fit(X, rare).unseen_nodes_ == ()


def test_early_stopping_needs_samples_to_spare():
    with pytest.raises(ValueError, match="no validation part"):
        joint(early_stopping=True).fit(X[:1], Y[:1])
    with pytest.raises(IncompatiblePartsError, match="early_stopping"):
        joint(early_stopping=True, solver="lbfgs").fit(X, Y)


@pytest.mark.parametrize("make", [joint, joint_sets])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_too_few_iterations_are_told(make, solver):
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        fitted = make(solver=solver, max_iter=2).fit(X, Y if make is joint else SETS)
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 2


def test_progress_is_printed_if_asked_for(capsys):
    joint().fit(X, Y)
    assert capsys.readouterr().out == ""
    joint(verbose=1, solver="adam", early_stopping=True).fit(X, Y)
    out = capsys.readouterr().out
    assert "Iteration 1, loss = " in out
    assert "Validation loss = " in out


@pytest.mark.parametrize("make", [joint, joint_sets])
def test_a_warm_start_goes_on(make):
    y = Y if make is joint else SETS
    fitted = make(warm_start=True, coupling="none", **EXACT).fit(X, y)
    first = fitted.n_iter_
    assert fitted.fit(X, y).n_iter_ < first / 2
    with pytest.raises(ValueError, match="warm_start=True goes on"):
        fitted.fit(X, ["n1.1"] * len(Y) if make is joint else [["n1.1"]] * len(Y))


@pytest.mark.parametrize("make", [joint, joint_sets])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_partial_fit(make, container):
    y = Y if make is joint else SETS
    data = container(X)
    model = make(
        alpha=3e-2, coupling="none", random_state=0, batch_size=30, learning_rate_init=0.03
    )
    for _ in range(30):
        for start in (0, 90):
            model.partial_fit(data[start : start + 90], y[start : start + 90])
    whole = make(coupling="none", **EXACT).fit(data, y)
    distance = np.abs(model.predict_node_proba(data) - whole.predict_node_proba(data))
    assert distance.mean() < 0.03
    assert model.n_iter_ == 60


def test_partial_fit_predicts_what_it_has_seen():
    label = Y[0]
    of_label = label == Y
    model = joint().partial_fit(X[of_label], Y[of_label], classes=np.unique(Y))
    assert set(model.predict(X)) == {label}
    assert label not in model.unseen_nodes_
    model.partial_fit(X, Y)
    assert model.unseen_nodes_ == ()
    with pytest.raises(TargetError, match="none of the"):
        model.partial_fit(X[:1], ["n0"])
    with pytest.raises(ValueError, match="sparse"):
        model.partial_fit(sparse.csr_array(X), Y)
    with pytest.raises(ValueError, match="classes must be passed"):
        MultiHeadClassifier().partial_fit(X, Y)
    assert not hasattr(joint(solver="lbfgs"), "partial_fit")
    with pytest.raises(IncompatiblePartsError, match="all samples at once"):
        joint_sets(decoder="threshold").partial_fit(X, SETS)


def test_partial_fit_goes_on_from_fit():
    model = joint(solver="adam", random_state=0).fit(X, Y)
    before = model.coef_.copy()
    n_iter = model.n_iter_
    model.partial_fit(X, Y)
    assert model.n_iter_ == n_iter + 1
    assert 0 < np.abs(model.coef_ - before).max() < 0.1


@pytest.mark.parametrize("coupling", ["additive", "none"])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_hidden_layers(coupling, container):
    data = container(X)
    params = {"hidden_layer_sizes": (16, 8), "random_state": 0, "tol": 1e-3, "coupling": coupling}
    fitted = joint(**params).fit(data, Y)
    assert [weights.shape for weights in fitted.coefs_] == [
        (6, 16), (16, 8), (8, len(fitted.columns_)),
    ]  # fmt: skip
    assert fitted.score(data, Y) > 0.6
    with pytest.raises(AttributeError, match="hidden layer"):
        _ = fitted.coef_
    several = joint_sets(max_iter=30, tol=1.0, hidden_layer_sizes=8, random_state=0).fit(
        data, SETS
    )
    assert several.coefs_[0].shape == (6, 8)


def test_a_hidden_layer_learns_what_a_linear_model_cannot():
    rng = np.random.RandomState(0)
    points = rng.uniform(-1, 1, (400, 2))
    y = np.where(points.prod(axis=1) > 0, "same", "other")
    linear = MultiHeadClassifier().fit(points, y)
    deep = MultiHeadClassifier(
        hidden_layer_sizes=(16,), learning_rate_init=0.02, tol=1e-3, random_state=0
    ).fit(points, y)
    assert linear.score(points, y) < 0.7
    assert deep.score(points, y) > 0.95


# -- what the estimators promise ----------------------------------------------------------


@given(labelled_trees(), st.sampled_from(["level", "hxe", "soft_labels"]))
@one_in(3)
def test_marginals_are_coherent(case, loss):
    tree, y, seed = case
    data = features(y, seed)
    model = MultiHeadClassifier(tree, loss=loss, alpha=1e-2).fit(data, y)
    proba, nodes = model.predict_proba(data), model.predict_node_proba(data)
    assert_allclose(proba.sum(axis=1), 1)
    assert_allclose(nodes[:, 0], 1)
    sums = np.zeros_like(nodes)
    np.add.at(sums, (slice(None), tree.parent_ids[1:]), nodes[:, 1:])
    sums[:, tree.ids(model.classes_.tolist())] += proba * np.isin(
        tree.ids(model.classes_.tolist()), np.append(model._outcomes.stops, tree.leaf_ids)
    )
    open_ends = (model._outcomes.counts == 0) & model._outcomes.live
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
    for coupling in ("max", "none"):
        model = MultiHeadMultiLabelClassifier(
            DIAMOND, coupling=coupling, alpha=1e-2, decoder=SetThreshold(0.5)
        ).fit(data, y)
        proba = model.predict_node_proba(data)
        assert (proba[:, DIAMOND.edge_children] <= proba[:, DIAMOND.edge_parents]).all()
        assert model.score(data, y) > 0.7


def test_max_coupling_has_the_smaller_max_constraint_loss():
    closed = TREE.binarize(SETS) @ TREE.ancestor_closure[1:, 1:]
    members = closed.toarray() > 0
    loss = MaxConstraint.of(TREE, np.arange(1, TREE.n_nodes, dtype=np.int32))
    found = {}
    for coupling in ("max", "none"):
        model = joint_sets(coupling=coupling, max_iter=2000).fit(X, SETS)
        scores = X @ model.coef_ + model.intercept_
        penalty = 0.5 * 3e-2 * (model.coef_**2).sum()
        found[coupling] = loss(scores, members, np.ones(members.shape[1]))[0].mean() + penalty
    assert found["max"] <= found["none"]


@pytest.mark.parametrize("cv", [None, 2, [(np.arange(90), np.arange(90, 180))]])
def test_thresholds_learnt_out_of_fold(cv):
    model = joint_sets(decoder="threshold", cv=cv).fit(X, SETS)
    assert 0 < model.decoder_.tau < 1
    given = joint_sets(decoder=SetThreshold(model.decoder_.tau)).fit(X, SETS)
    assert model.predict(X) == given.predict(X)


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
    sets = GridSearchCV(joint_sets(), {"coupling": ["max", "none"]}, cv=2, error_score="raise")
    assert np.isfinite(sets.fit(X, TREE.binarize(SETS).toarray()).best_score_)


def test_tools_that_encode_labels():
    model = joint(classes=np.unique(Y))
    proba = cross_val_predict(model, X, Y, method="predict_proba", cv=3)
    assert np.mean(np.unique(Y)[proba.argmax(axis=1)] == Y) > 0.5
    scaled = make_pipeline(StandardScaler(), joint()).fit(X, Y)
    assert scaled.score(X, Y) > 0.6


@pytest.mark.parametrize("make", [joint, joint_sets])
def test_pickle_and_clone(make):
    y = Y if make is joint else SETS
    model = make(solver="adam", random_state=0).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_node_proba(X), model.predict_node_proba(X))
    again.partial_fit(X, y)
    copy = clone(model)
    assert repr(copy) == repr(model)
    with pytest.raises(NotFittedError):
        copy.predict(X)
    with pytest.raises(NotFittedError):
        _ = copy.coef_
    assert_array_equal(copy.fit(X, y).coef_, model.coef_)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"level_weights": [1.0]}, "level_weights"),
        ({"level_weights": [-1.0, 1.0]}, "level_weights"),
        ({"level_weights": [0, 0]}, "level_weights"),
        ({"coupling": "loose"}, "coupling"),
        ({"alpha": -1.0}, "alpha"),
        ({"solver": "newton"}, "solver"),
        ({"activation": "step"}, "activation"),
        ({"learning_rate": "slow"}, "learning_rate"),
        ({"learning_rate_init": 0.0}, "learning_rate_init"),
        ({"max_iter": -1}, "max_iter"),
        ({"tol": -1.0}, "tol"),
        ({"batch_size": 0}, "batch_size"),
        ({"hidden_layer_sizes": (4, 0)}, "hidden_layer_sizes"),
        ({"n_iter_no_change": 0}, "n_iter_no_change"),
        ({"early_stopping": True, "validation_fraction": 0.0}, "validation_fraction"),
    ],
)
def test_parameters_out_of_range(params, message):
    for make, y in ((joint, Y), (joint_sets, SETS)):
        with pytest.raises(ValueError, match=message):
            make(**params).fit(X, y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loss": "hinge"}, "loss"),
        ({"init": "random"}, "init"),
        ({"soft_label_beta": 0.0}, "soft_label_beta"),
        ({"coupling": "none", "loss": "hxe"}, "coupling"),
        ({"coupling": "none", "init": "per_level"}, "coupling"),
        ({"decoder": "guess"}, "decoder"),
    ],
)
def test_parameters_of_paths_out_of_range(params, message):
    with pytest.raises(ValueError, match=message):
        joint(**params).fit(X, Y)


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
    model = MultiHeadClassifier(tree, early_stopping=True, random_state=0, max_iter=4, tol=1.0)
    model.set_params(n_iter_no_change=2, learning_rate="constant").fit(data, y)
    assert model.validation_loss_curve_ is not None
    assert model.score(data, y) > 0.5


# -- scikit-learn's contract --------------------------------------------------------------


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
        JointOnTree(coupling="none"),
        JointOnTree(hidden_layer_sizes=(8,), solver="lbfgs", alpha=0.01, random_state=0),
        JointOnSets(decoder=SetThreshold(0.5), coupling="none"),
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
