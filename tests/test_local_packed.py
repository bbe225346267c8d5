"""Compiled descents through linear models: the answers of pure Python, probabilities to rounding."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, log_expit, softmax
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.svm import LinearSVC

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier._local import packed
from sklhier._local.packed import PackedModels, PackedPaths
from sklhier._local.single_weights import SingleWeights
from sklhier._probabilities.calibrated import OneVsRestLink, PowerLink
from sklhier._utils.kernels import compiled_predictions
from sklhier.calibration import Sigmoid, Temperature, VennAbers
from sklhier.decoders import SetThreshold, TopLabels
from sklhier.exceptions import LocalPredictError
from sklhier.linear_model import BlockLinearSVC, BlockLogisticRegression
from sklhier.links import HingeLink, IdentityLink, LogisticLink, SoftmaxLink
from sklhier.strategies import Ensemble, Kind, ModelKey, PerParent

pytestmark = pytest.mark.skipif(
    compiled_predictions() is None, reason="no compiled predictions in use"
)

TREE = Taxonomy.from_dict(
    {"A": ["a1", "a2", "a3", "a4", "a5"], "B": {"B1": ["b1", "b2"], "B2": None}, "C": ["c"]}
)
BASES = {
    "default": None,
    "svc": LinearSVC(random_state=0),
    "svc without intercept": LinearSVC(random_state=0, fit_intercept=False),
    "block svc single": BlockLinearSVC(dtype="float32", random_state=0),
    "block logistic": BlockLogisticRegression(tol=0.01, random_state=0),
    "logistic": LogisticRegression(max_iter=300),
    "sgd log_loss": SGDClassifier(loss="log_loss", random_state=0),
    "ridge": RidgeClassifier(),
}


@pytest.fixture(params=["1", "baseline"])
def way(request, monkeypatch):
    monkeypatch.setenv("SKLHIER_KERNELS", request.param)
    return request.param


def data(n_rows=60, n_features=300, seed=0):
    """Counts of words: each label has some of its own, and some are shared."""
    rng = np.random.default_rng(seed)
    y = np.resize(["a1", "a2", "a3", "a4", "a5", "b1", "b2", "B2", "c", "A", "B1"], n_rows)
    own = {name: rng.choice(n_features, 6) for name in sorted(set(y))}
    table = np.zeros((n_rows, n_features))
    for row, name in zip(table, y.tolist(), strict=True):
        row[rng.choice(own[name], 4)] += 1
        row[rng.choice(n_features, 3)] += 1
    table[0] = 0
    return sparse.csr_array(table), y


def counted(patch):
    """Count the descents that are compiled."""
    used = []
    for name in ("top_down", "best"):
        method = getattr(PackedPaths, name)

        def call(self, *args, _method=method):
            used.append(_method.__name__)
            return _method(self, *args)

        patch.setattr(PackedPaths, name, call)
    return used


def told(model, X):
    """Yield answers, and the most probable ones with their probabilities."""
    for decoder in ("top_down", "best_path"):
        yield model.set_params(decoder=decoder).predict(X)
    for k in (1, 3, len(model.classes_) - 3):
        yield from model.predict_top_k(X, k)
    if hasattr(model, "predict_node_proba"):
        yield model.predict_node_proba(X)
        yield model.predict_proba(X)


def agree(model, X, monkeypatch, rtol=1e-13):
    """Check a model's answers against pure Python; return which compiled descents were used."""
    with pytest.MonkeyPatch.context() as patch:
        used = counted(patch)
        found = list(told(model, X))
    with monkeypatch.context() as patch:
        patch.setenv("SKLHIER_KERNELS", "0")
        expected = list(told(model, X))
    for one, other in zip(found, expected, strict=True):
        if one.dtype.kind == "f":
            assert_allclose(one, other, rtol=rtol)
        else:
            assert_array_equal(one, other)
    return set(used)


@pytest.mark.parametrize("stop", ["ignore", "learn"])
@pytest.mark.parametrize("base", BASES)
def test_answers_are_those_of_pure_python(base, stop, way, monkeypatch):
    X, y = data()
    model = HierarchicalClassifier(BASES[base], taxonomy=TREE, strategy=PerParent(stop)).fit(X, y)
    for rows in (X, X[[7]]):
        assert agree(model, rows, monkeypatch) == {"top_down", "best"}


CALIBRATIONS = {
    "sigmoid": Sigmoid(min_rows=1),
    "temperature": Temperature(by="node", min_rows=1),
    "both": Sigmoid(min_rows=100),  # models with fewer rows share a temperature
}


@pytest.mark.parametrize("stop", ["ignore", "learn"])
@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.parametrize("base", ["default", "svc", "block logistic", "logistic", "sgd log_loss"])
def test_calibrated_answers_are_those_of_pure_python(base, calibration, stop, way, monkeypatch):
    X, y = data(n_rows=150)
    model = HierarchicalClassifier(
        BASES[base],
        taxonomy=TREE,
        strategy=PerParent(stop),
        calibration=CALIBRATIONS[calibration],
        cv=3,
    )
    for rows in (X, X.toarray()):
        model.fit(rows, y)
        assert agree(model, rows, monkeypatch, rtol=1e-9) == {"top_down", "best"}
        assert agree(model, rows[[7]], monkeypatch, rtol=1e-9) == {"top_down", "best"}


def test_other_calibrators_are_left_to_pure_python(monkeypatch):
    X, y = data(n_rows=150)

    class Halved(Sigmoid):
        def predict(self, scores):
            return super().predict(scores) / 2

    svc = LinearSVC(random_state=0)
    for calibration in (Halved(min_rows=1), VennAbers(min_rows=1)):
        model = HierarchicalClassifier(svc, taxonomy=TREE, calibration=calibration, cv=3)
        model.fit(X, y)
        assert not agree(model, X, monkeypatch)


def test_two_outcomes_with_a_calibrator_each_are_left_to_pure_python(monkeypatch):
    X, y = data(n_rows=150)
    model = HierarchicalClassifier(BASES["svc"], taxonomy=TREE, calibration="sigmoid", cv=3)
    model.fit(X, y)
    (models,) = model._model.models
    key = ModelKey(Kind.PARENT, TREE.nodes.index("B1"))
    # As of a fold that lacks a third class.
    lines = Sigmoid(), Sigmoid()
    for line, slope in zip(lines, (1.0, 2.0), strict=True):
        line.slope_, line.intercept_ = slope, 0.1
    models[key] = replace(models[key], link=OneVsRestLink(lines, "decision_function"))
    assert not agree(model, X, monkeypatch)


@pytest.mark.parametrize(
    ("base", "link"),
    [("svc", PowerLink(2.0, "decision_function")), ("block logistic", IdentityLink())],
)
def test_siblings_that_are_calibrated_in_another_way_are_left_to_pure_python(
    base, link, monkeypatch
):
    X, y = sets()
    model = HierarchicalMultiLabelClassifier(
        BASES[base], taxonomy=TREE, decoder=SetThreshold(0.3), calibration="sigmoid", cv=3
    ).fit(X, y)
    key = ModelKey(Kind.NODE, TREE.nodes.index("a2"))
    models = model._model.models[0]
    models[key] = replace(models[key], link=link)
    found = model.predict(X)
    with monkeypatch.context() as patch:
        patch.setenv("SKLHIER_KERNELS", "0")
        assert found == model.predict(X)


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X.astype(np.float32),
        lambda X: sparse.csr_matrix(X),
        lambda X: sparse.csr_array((X.data[::-1], X.indices[::-1], X.indptr[-1] - X.indptr[::-1])),
    ],
    ids=["float32", "matrix", "not in order"],
)
@pytest.mark.parametrize("n_features", [20, 300])  # nearly all of them used, or some
def test_kinds_of_rows(change, n_features, way, monkeypatch):
    X, y = data(n_features=n_features)
    X.resize(X.shape[0], n_features)
    model = HierarchicalClassifier(LinearSVC(random_state=0), taxonomy=TREE).fit(X, y)
    rows = change(X)
    rows.resize(X.shape)
    assert agree(model, rows, monkeypatch, rtol=1e-6)
    for room in (0, 100, 10**6):  # cells of blocks made of single weights
        monkeypatch.setattr(packed, "_UNPACKED", room)
        model.compress(min_weight=0.1)
        assert agree(model, rows, monkeypatch, rtol=1e-6)


def test_long_indices(monkeypatch):
    X, y = data()
    model = HierarchicalClassifier(LinearSVC(random_state=0), taxonomy=TREE).fit(X, y)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    assert agree(model, X, monkeypatch)


def test_of_equal_answers_the_first_wins(way, monkeypatch):
    X, y = data()
    model = HierarchicalClassifier(LinearSVC(random_state=0), taxonomy=TREE).fit(X, y)
    for part in model._model.models:
        for local in part.values():
            local.estimator.coef_[:] = 0
            local.estimator.intercept_ *= 0
    assert agree(model, X[:3], monkeypatch)
    # Sigmoids of large scores are 1, whichever is larger.
    model = HierarchicalClassifier(SGDClassifier(loss="log_loss", random_state=0), taxonomy=TREE)
    model.fit(X, y)
    for part in model._model.models:
        for local in part.values():
            local.estimator.coef_ *= 1e4
            local.estimator.intercept_ = 50.0 + np.arange(len(local.estimator.intercept_))
    assert agree(model, X[:1], monkeypatch)  # without entries


def test_what_is_left_to_pure_python(way, monkeypatch):
    X, y = data()
    model = HierarchicalClassifier(
        LinearSVC(random_state=0), taxonomy=TREE, link=HingeLink(2.0), decoder="top_down"
    ).fit(X, y)
    assert agree(model, X, monkeypatch) == {"top_down", "best"}
    model.set_params(link=SoftmaxLink(2.0)).fit(X, y)
    assert agree(model, X, monkeypatch) == {"top_down", "best"}
    assert not agree(model, X.astype(int), monkeypatch)
    assert not agree(model, X.astype(int).toarray(), monkeypatch)

    local = model.fit(X, y)._model.models[0][ModelKey(Kind.PARENT, 0)].estimator
    local.coef_ = local.coef_.copy(order="C")  # is kept by columns
    assert not agree(model, X, monkeypatch)

    class Doubled(SoftmaxLink):
        def proba(self, outputs):
            return super().proba(-outputs)

    assert not agree(model.set_params(link=Doubled()).fit(X, y), X, monkeypatch)
    several = Ensemble(["per_parent", "flat"])
    assert not agree(model.set_params(strategy=several).fit(X, y), X, monkeypatch)


# -- dense rows ---------------------------------------------------------------------------


def vectors(n_features=37):
    X, y = data(n_features=n_features)
    return np.random.default_rng(1).normal(X.toarray(), 0.1), y


@pytest.mark.parametrize("stop", ["ignore", "learn"])
@pytest.mark.parametrize("base", BASES)
def test_answers_for_dense_rows_are_those_of_pure_python(base, stop, way, monkeypatch):
    X, y = vectors()
    model = HierarchicalClassifier(BASES[base], taxonomy=TREE, strategy=PerParent(stop)).fit(X, y)
    single = base == "block svc single"
    for rows in (X, X[[7]], np.asfortranarray(X), X.astype(np.float32)):
        rtol = 1e-4 if single and rows.dtype == np.float32 else 1e-10
        assert agree(model, rows, monkeypatch, rtol) == {"top_down", "best"}


@pytest.mark.parametrize("min_weight", [0.0, 0.05, 0.5])  # all of them, single ones, fewer columns
def test_compressed_models_take_dense_rows(min_weight, way, monkeypatch):
    X, y = vectors()
    model = HierarchicalClassifier(BASES["block logistic"], taxonomy=TREE).fit(X, y)
    model.compress(min_weight=min_weight)
    assert agree(model, X, monkeypatch, rtol=1e-5) == {"top_down", "best"}


def test_models_of_sparse_rows_take_dense_ones(way, monkeypatch):
    X, y = data()
    model = HierarchicalClassifier(LinearSVC(random_state=0), taxonomy=TREE).fit(X, y)
    assert agree(model, X.toarray(), monkeypatch, rtol=1e-10)
    assert agree(model, X, monkeypatch)  # one form of the models for each kind of rows
    monkeypatch.setattr(packed, "_MOST_FILLED", 299)
    model.fit(X, y)
    assert not agree(model, X.toarray(), monkeypatch)


@pytest.mark.parametrize("made", [data, vectors])
def test_an_answer_does_not_depend_on_other_rows(made, way):
    X, y = made()
    for rows in (X, X.astype(np.float32)):
        model = HierarchicalClassifier(BASES["block logistic"], taxonomy=TREE).fit(rows, y)
        for ask in (model.predict_proba, lambda part, m=model: m.predict_top_k(part, 3)[1]):
            alone = np.concatenate([ask(rows[[i]]) for i in range(len(y))])
            assert_array_equal(alone, ask(rows))
            assert_array_equal(alone[5:18], ask(rows[5:18]))


def test_of_equal_answers_for_dense_rows_the_first_wins(way, monkeypatch):
    X, y = vectors()
    model = HierarchicalClassifier(LinearSVC(random_state=0), taxonomy=TREE).fit(X, y)
    for local in model._model.models[0].values():
        local.estimator.coef_[:] = local.estimator.coef_[0]
        local.estimator.intercept_[:] = 0
    assert agree(model, X, monkeypatch, rtol=1e-10)
    # Sums of single precision, and intercepts that differ by less.
    model = HierarchicalClassifier(BASES["block svc single"], taxonomy=TREE)
    model.fit(X.astype(np.float32), y)
    for local in model._model.models[0].values():
        local.estimator.coef_[:] = 0
        local.estimator.intercept_ = 1 + 1e-9 * np.arange(len(local.estimator.intercept_))
    assert agree(model, X.astype(np.float32), monkeypatch, rtol=1e-10)


def test_dense_rows_that_are_left_to_pure_python(monkeypatch):
    pandas = pytest.importorskip("pandas")
    X, y = vectors()
    model = HierarchicalClassifier(LinearSVC(random_state=0), taxonomy=TREE)
    model.fit(pandas.DataFrame(X).add_prefix("x"), y)  # models that know the names of columns
    with pytest.warns(UserWarning, match="feature names"):
        assert not agree(model, X, monkeypatch)


@pytest.mark.parametrize("decoder", ["top_down", "best_path"])
def test_numbers_that_are_not_finite_are_refused_as_ever(decoder, way):
    X, y = data()
    model = HierarchicalClassifier(LinearSVC(random_state=0), taxonomy=TREE, decoder=decoder)
    model.fit(X, y)
    (models,) = model._model.models
    for local in models.values():
        local.estimator.intercept_ = np.full(len(local.estimator.intercept_), np.nan)
    for rows in (X, X.toarray()):
        with pytest.raises(LocalPredictError, match="all probabilities are zero or NaN"):
            model.predict(rows)


def test_later_batches_count(way, monkeypatch):
    X, y = data()
    model = HierarchicalClassifier(SGDClassifier(random_state=0), taxonomy=TREE)
    model.partial_fit(X[:30], y[:30], classes=np.unique(y))
    before = model.predict_top_k(X, 2)[1]
    model.partial_fit(X[30:], y[30:])
    agree(model, X, monkeypatch)
    assert (model.predict_top_k(X, 2)[1] != before).any()


def test_what_is_packed_is_not_saved(way):
    X, y = data()
    model = HierarchicalClassifier(LinearSVC(random_state=0), taxonomy=TREE).fit(X, y)
    expected = model.predict_top_k(X, 3)
    assert isinstance(vars(model._model)["_packed"], PackedModels)
    saved = pickle.dumps(model)
    assert b"PackedModels" not in saved
    found = pickle.loads(saved).predict_top_k(X, 3)
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


# -- label sets ---------------------------------------------------------------------------


def sets(n_rows=50, seed=0):
    rng = np.random.default_rng(seed)
    X, _ = data(n_rows, seed=seed)
    names = np.array(TREE.nodes[1:-1])  # one has no sample
    y = [list(rng.choice(names, rng.integers(0, 4), replace=False)) for _ in range(n_rows)]
    return X, [*y[:-1], ["a1", "a2", "b1", "B2"]]


@pytest.mark.parametrize("decoder", [TopLabels(1), TopLabels(4), SetThreshold(0.3)], ids=repr)
@pytest.mark.parametrize("min_weight", [None, 0.0, 0.2])  # the last leaves siblings other columns
@pytest.mark.parametrize("calibration", [None, "temperature", Sigmoid(min_rows=20)], ids=repr)
@pytest.mark.parametrize(
    "base", ["default", "svc", "block svc single", "block logistic", "sgd log_loss"]
)
def test_label_sets_are_those_of_pure_python(
    base, calibration, min_weight, decoder, way, monkeypatch
):
    X, y = sets()
    model = HierarchicalMultiLabelClassifier(
        BASES[base], taxonomy=TREE, decoder=decoder, calibration=calibration, cv=3
    )
    model.fit(X, y)
    if min_weight is not None:
        model.compress(min_weight=min_weight)
    used = []
    with pytest.MonkeyPatch.context() as patch:
        method = PackedPaths.wanted
        patch.setattr(PackedPaths, "wanted", lambda *args: used.append(1) or method(*args))
        found = [model.predict(rows) for rows in (X, X[[3]])]
    assert len(used) == 2
    with monkeypatch.context() as patch:
        patch.setenv("SKLHIER_KERNELS", "0")
        for one, rows in zip(found, (X, X[[3]]), strict=True):
            assert [set(row) for row in one] == [set(row) for row in model.predict(rows)]
    assert b"PackedModels" not in pickle.dumps(model)


def test_label_sets_of_other_links_are_left_to_pure_python(monkeypatch):
    class Doubled(LogisticLink):
        def proba(self, outputs):
            return super().proba(2 * outputs)

    X, y = sets()
    model = HierarchicalMultiLabelClassifier(
        BASES["svc"], taxonomy=TREE, decoder=SetThreshold(0.3), link=Doubled()
    ).fit(X, y)
    found = model.predict(X)
    with monkeypatch.context() as patch:
        patch.setenv("SKLHIER_KERNELS", "0")
        assert found == model.predict(X)


@pytest.mark.parametrize("decoder", [TopLabels(4), SetThreshold(0.3)], ids=repr)
@pytest.mark.parametrize("base", ["default", "svc", "block logistic"])
def test_label_sets_of_dense_rows(base, decoder, way, monkeypatch):
    X, y = sets()
    X = np.random.default_rng(1).normal(X.toarray(), 0.1)
    model = HierarchicalMultiLabelClassifier(BASES[base], taxonomy=TREE, decoder=decoder).fit(X, y)
    used, method = [], PackedPaths.wanted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PackedPaths, "wanted", lambda *args: used.append(1) or method(*args))
        found = [model.predict(rows) for rows in (X, X[[3]], X.astype(np.float32))]
    assert len(used) == 3
    with monkeypatch.context() as patch:
        patch.setenv("SKLHIER_KERNELS", "0")
        for one, rows in zip(found, (X, X[[3]], X.astype(np.float32)), strict=True):
            assert [set(row) for row in one] == [set(row) for row in model.predict(rows)]


@pytest.mark.parametrize("k", [1, 3, 20])
def test_of_equally_probable_labels_the_first_win(k, way, monkeypatch):
    X, y = sets()
    y = [[*row, "b1"] if {"B1", "b2"} & set(row) else row for row in y]  # certain below B1
    model = HierarchicalMultiLabelClassifier(BASES["svc"], taxonomy=TREE, decoder=TopLabels(k))
    model.fit(X, y)
    for local in model._model.models[0].values():
        local.estimator.coef_[:] = 0
        # What is below A is certain, and so are other nodes of the first level: A is asked last.
        name = TREE.nodes[local.outcomes[1]]
        local.estimator.intercept_ = np.full(1, 100.0 * (name in ["B", "C", "a4", "a5"]))
    found = model.predict(X[:2])
    with monkeypatch.context() as patch:
        patch.setenv("SKLHIER_KERNELS", "0")
        assert found == model.predict(X[:2])
    seen = set(TREE.leaves) - set(model.unseen_nodes_)
    assert len(found[0]) == min(k, len(seen))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(seed=st.integers(0, 2**32 - 1), n_nodes=st.integers(2, 25), k=st.integers(0, 6))
@settings(max_examples=15)
def test_searches_find_whatever_counts(dtype, seed, n_nodes, k):
    rng, kernels, n_features = np.random.default_rng(seed), compiled_predictions(), 12
    below = [
        [c for c in members if c != node] for node, members in enumerate(random_tree(rng, n_nodes))
    ]
    offsets = np.cumsum([0, *map(len, below)]).astype(np.int64)
    outcomes = np.array([node for members in below for node in members], dtype=np.int32)
    rank = np.array([-1 if members else i for i, members in enumerate(below)], dtype=np.int64)
    paths = kernels.Paths(offsets, outcomes, rank, dtype is np.float64, n_features)
    data, indices, indptr = csr(rng, 9, n_features, dtype)
    X = sparse.csr_array((data, indices, indptr), shape=(9, n_features))
    expected = np.zeros((9, n_nodes))
    expected[:, 0] = 1
    for node, members in enumerate(below):
        if not members:
            continue
        columns = np.sort(rng.permutation(n_features)[: rng.integers(1, n_features)])
        weights = (3 * rng.normal(size=(len(columns), len(members)))).astype(dtype)
        certain = np.zeros(len(members), dtype=np.uint8)
        certain[0] = rng.random() < 0.3
        intercepts = rng.normal(size=len(members)).astype(dtype).astype(float)
        link = rng.choice([*OF_SCORES, "SIGMOIDS"])
        about = intercepts, getattr(kernels, link), 2.0, certain
        lines = calibrators(rng, len(members), may_be_power=False) if link != "HINGE" else None
        if lines is not None:
            slopes, offsets = np.array([[c.slope_, c.intercept_] for c in lines]).T.copy()
            link = "MARGINS" if link in OF_SCORES else link
            about = intercepts, getattr(kernels, link), 2.0, certain, slopes, offsets
        stored(paths, node, columns.astype(np.int32), weights, about, rng)
        for place, (child, own, intercept, is_certain) in enumerate(
            zip(members, weights.T, intercepts, certain, strict=True)
        ):
            share = np.ones(9)
            if not is_certain:
                scores = (X[:, columns] @ own + dtype(intercept)).astype(float)
                share = expit(2 * scores)
                if lines is not None:
                    is_margin = link in OF_SCORES
                    pair = [-2 * scores, 2 * scores] if is_margin else [1 - share, share]
                    of_link = calibrated([lines[place]], is_margin)
                    share = of_link.proba(np.column_stack(pair))[:, 1]
                elif link in OF_SCORES:
                    share = OF_SCORES[link].proba(np.column_stack([-scores, scores]))[:, 1]
            expected[:, child] = share * expected[:, node]
    least = rng.uniform(size=n_nodes)
    table = np.zeros((9, n_nodes))
    best = np.empty((9, k), dtype=np.int32)
    assert paths.search(data, indices, indptr, least, table, best)
    leaves = np.array([node for node, members in enumerate(below) if not members])
    in_order = leaves[np.argsort(-table[:, leaves], axis=1, kind="stable")][:, :k]
    assert_array_equal(best[:, : len(leaves)], in_order)
    assert (best[:, len(leaves) :] == -1).all()
    for found, row in zip(table, expected, strict=True):
        bound = np.sort(row[leaves])[::-1][k - 1] if 0 < k <= len(leaves) else 0
        counts = row >= (bound if k else 0)
        if not k:
            for node, members in enumerate(below):  # parents come first
                goes_on = counts[node] and row[node] >= least[node]
                counts[members] &= goes_on
        assert_allclose(found[counts], row[counts], rtol=1e-9)
        rest = found[~counts]
        assert_allclose(rest[rest > 0], row[~counts][rest > 0], rtol=1e-9)


def test_a_search_visits_little():
    # The second parent is less probable than two leaves of the first.
    kernels = compiled_predictions()
    offsets = np.array([0, 2, 4, 6, 6, 6, 6, 6])
    outcomes = np.arange(1, 7, dtype=np.int32)
    rank = np.array([-1, -1, -1, 0, 0, 0, 0])
    paths = kernels.Paths(offsets, outcomes, rank, True, 1)
    for parent, intercepts in enumerate([[9.0, -3.0], [5.0, 4.0], [9.0, 9.0]]):
        about = np.array(intercepts), kernels.SIGMOIDS, 1.0, np.zeros(2, dtype=np.uint8)
        paths.set(parent, None, np.zeros((1, 2)), *about)
    table, row = np.zeros((1, 7)), (np.ones(1), np.zeros(1, dtype=np.int32), np.arange(2))
    best = np.empty((1, 2), dtype=np.int32)
    assert paths.search(*row, np.zeros(7), table, best)
    assert_array_equal(best, [[3, 4]])
    assert (table[0, :5] > 0).all()
    assert not table[0, 5:].any()
    table[:] = 0
    assert paths.search(*row, np.full(7, 0.5), table, best[:, :0])
    assert not table[0, 5:].any()


# -- the kernels themselves ---------------------------------------------------------------


def csr(rng, n_rows, n_features, dtype):
    kept = rng.uniform(size=(n_rows, n_features)) < 0.3
    X = sparse.csr_array(kept * rng.uniform(-0.5, 0.5, size=kept.shape))
    return X.data.astype(dtype), X.indices.astype(np.int32), X.indptr.astype(np.int64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    seed=st.integers(0, 2**32 - 1),
    n_scores=st.integers(1, 70),
    n_columns=st.integers(1, 40),
    n_rows=st.sampled_from([1, 30]),
)
@settings(max_examples=15)
def test_products_are_those_of_scipy_to_the_last_bit(dtype, seed, n_scores, n_columns, n_rows):
    rng = np.random.default_rng(seed)
    data, indices, indptr = csr(rng, n_rows, 40, dtype)
    columns = np.sort(rng.permutation(40)[:n_columns]).astype(np.int32)
    weights = rng.normal(size=(n_columns, n_scores)).astype(dtype)
    X = sparse.csr_array((data, indices, indptr), shape=(n_rows, 40))
    places, found = np.zeros(40, dtype=np.int32), np.full((n_rows, n_scores), np.nan, dtype=dtype)
    for kernels_may_be_wide in (True, False):
        compiled_predictions().choose_instructions(kernels_may_be_wide)
        given_columns = None if n_columns == 40 else columns
        kernels = compiled_predictions()
        kernels.products(data, indices, indptr, given_columns, weights, places, found)
        assert_array_equal(found, X[:, columns] @ weights)
        assert not places.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    seed=st.integers(0, 2**32 - 1),
    n_scores=st.sampled_from([1, 3, 300]),
    n_columns=st.integers(1, 40),
    n_rows=st.sampled_from([0, 1, 30]),
)
@settings(max_examples=15)
def test_products_with_single_weights(dtype, seed, n_scores, n_columns, n_rows):
    rng, kernels = np.random.default_rng(seed), compiled_predictions()
    data, indices, indptr = csr(rng, n_rows + 1, 40, dtype)
    indptr = indptr[1:]  # need not begin with 0
    columns = np.sort(rng.permutation(40)[:n_columns]).astype(np.int32)
    table = (rng.normal(size=(n_scores, n_columns)) * rng.integers(0, 2, n_columns)).astype(dtype)
    table[-1, -1] = 1
    single = SingleWeights.of(table)
    places, found = np.zeros(40, dtype=np.int32), np.full((n_rows, n_scores), np.nan, dtype=dtype)
    weights = single.values, single.classes, single.offsets
    given_columns = None if n_columns == 40 else columns
    kernels.products_single(data, indices, indptr, given_columns, *weights, places, found)
    X = sparse.csr_array((data, indices, np.append(0, indptr)), shape=(n_rows + 1, 40))[1:]
    assert_array_equal(found, X[:, columns] @ table.T)
    assert not places.any()
    with pytest.raises(ValueError, match="0 classes"):
        kernels.products_single(
            data,
            indices,
            indptr,
            None,
            single.values,
            single.classes[:0],
            *weights[2:],
            places,
            found,
        )


def stored(paths, node, columns, weights, about, rng):
    """Store weights as a block, or some of them, the others being 0 now, as single ones."""
    if rng.random() < 0.5:
        paths.set(node, columns, weights, *about)
        return
    weights[rng.random(weights.shape) < 0.6] = 0
    weights[-1, -1] = 1
    single = SingleWeights.of(weights.T)
    classes = single.classes.astype(rng.choice(["uint8", "uint16", "uint32"]))
    paths.set_single(node, columns, single.values, classes, single.offsets, *about)


OF_SCORES = {"MARGINS": SoftmaxLink(2.0), "LOGISTIC": LogisticLink(2.0), "HINGE": HingeLink(2.0)}


def calibrators(rng, n, *, may_be_power=True):
    """Return calibrators of `n` scores, a power in place of them, or None."""
    if rng.random() < 0.5:
        return None
    if may_be_power and rng.random() < 0.5:
        return rng.choice([0.1, 1.7])
    lines = [Sigmoid() for _ in range(n)]
    for line in lines:
        line.slope_, line.intercept_ = rng.uniform(0, 2), rng.normal()
    return lines


def calibrated(lines, is_margin):
    method = "decision_function" if is_margin else "predict_proba"
    return OneVsRestLink(lines, method) if isinstance(lines, list) else PowerLink(lines, method)


def random_tree(rng, n_nodes):
    """Return outcomes of the nodes of a tree; some may stop above the leaves."""
    parents = [-1] + [int(rng.integers(max(0, i - 4), i)) for i in range(1, n_nodes)]
    below = [[i for i in range(n_nodes) if parents[i] == node] for node in range(n_nodes)]
    for node, members in enumerate(below):
        if node and members and rng.random() < 0.3:
            members.append(node)
    return below


def reference(below, shares, rank):
    """Return the greedy answer, and all answers with their probabilities, best first."""
    found, todo, at = [], [(0, 1.0)], 0
    while todo:
        node, proba = todo.pop()
        for outcome, share in zip(below[node], shares[node], strict=True):
            if outcome == node or not below[outcome]:
                found.append((-proba * share, rank[outcome], outcome))
            else:
                todo.append((outcome, proba * share))
    while True:
        best = below[at][int(np.argmax(shares[at]))]
        if best == at or not below[best]:
            break
        at = best
    return best, sorted(found)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    seed=st.integers(0, 2**32 - 1),
    n_scores=st.integers(3, 30),
    n_features=st.integers(1, 40),
    n_rows=st.integers(1, 70),
)
@settings(max_examples=15)
def test_scores_of_dense_rows(dtype, seed, n_scores, n_features, n_rows):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)).astype(dtype)
    weights = rng.normal(size=(n_scores, n_features)).astype(dtype)
    intercepts = rng.normal(size=n_scores)
    scores = X.astype(float) @ weights.T.astype(float) + intercepts
    expected = softmax(scores, axis=1)
    for may_be_wide in (True, False):
        kernels = compiled_predictions()
        kernels.choose_instructions(may_be_wide)
        offsets = np.array([0] + [n_scores] * (n_scores + 1))
        outcomes = np.arange(1, n_scores + 1, dtype=np.int32)
        rank = np.arange(n_scores + 1)
        paths = kernels.Paths(offsets, outcomes, rank, dtype is np.float64, n_features, True)
        paths.set_dense(0, weights, False, intercepts, kernels.SOFTMAX, 1.0)
        table = np.zeros((n_rows, n_scores + 1))
        assert paths.all(X.ravel(), None, None, table, None)
        rtol = 1e-4 if dtype is np.float32 else 1e-11
        assert_allclose(table[:, 1:], expected, rtol=rtol)
        ends = np.empty(n_rows, dtype=np.int32)
        assert paths.descend(X.ravel(), None, None, ends)
        clear = np.diff(np.sort(scores, axis=1)[:, -2:])[:, 0] > 1e-4
        assert_array_equal(ends[clear], 1 + scores.argmax(axis=1)[clear])


@pytest.mark.parametrize("is_dense", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    seed=st.integers(0, 2**32 - 1),
    n_nodes=st.integers(2, 25),
    spread=st.sampled_from([0.1, 5, 60]),
)
@settings(max_examples=15)
def test_descents_find_what_a_full_search_finds(dtype, is_dense, seed, n_nodes, spread):
    rng, kernels, n_features = np.random.default_rng(seed), compiled_predictions(), 12
    below = random_tree(rng, n_nodes)
    offsets = np.cumsum([0, *map(len, below)]).astype(np.int64)
    outcomes = np.array([node for members in below for node in members], dtype=np.int32)
    rank = rng.permutation(n_nodes).astype(np.int64)
    paths = kernels.Paths(offsets, outcomes, rank, dtype is np.float64, n_features, is_dense)
    data, indices, indptr = csr(rng, 9, n_features, dtype)
    X = sparse.csr_array((data, indices, indptr), shape=(9, n_features))
    rows = (X.toarray().ravel(), None, None) if is_dense else (data, indices, indptr)
    shares = []
    for node, members in enumerate(below):
        n = len(members)
        shares.append(np.ones((9, n)))
        if n < 2:
            continue
        n_scores = 1 if n == 2 else n
        columns = np.sort(rng.permutation(n_features)[: rng.integers(1, n_features)])
        weights = (spread * rng.normal(size=(len(columns), n_scores))).astype(dtype)
        intercepts = rng.normal(size=n_scores).astype(dtype).astype(float)
        link = rng.choice([*OF_SCORES, "SOFTMAX", "SIGMOIDS", "LOG_SIGMOIDS"])
        if n == 2 and link not in OF_SCORES:
            link = "SIGMOIDS"
        lines = calibrators(rng, n_scores)
        if lines is not None and link in OF_SCORES:
            link = "MARGINS"
        about = intercepts, getattr(kernels, link), 2.0, None
        if isinstance(lines, list):
            about += tuple(np.array([[c.slope_, c.intercept_] for c in lines]).T.copy())
        elif lines is not None:
            about += (np.array([lines]),)
        if is_dense:
            table = np.zeros((n_scores, n_features), dtype=dtype)
            table[:, columns] = weights.T
            paths.set_dense(node, table, dtype is np.float32, *about)
        else:
            stored(paths, node, columns.astype(np.int32), weights, about, rng)
        scores = (X[:, columns] @ weights + intercepts.astype(dtype)).astype(float)
        if n == 2:
            scores = np.hstack([-scores, scores])
        if link in OF_SCORES:
            of_link = OF_SCORES[link] if lines is None else calibrated(lines, is_margin=True)
            shares[-1] = of_link.proba(scores if lines is None else 2.0 * scores)
            continue
        scores *= 2.0
        if link == "LOG_SIGMOIDS":
            proba = softmax(log_expit(scores), axis=1)
        elif n == 2:
            proba = np.hstack([1 - expit(scores[:, 1:]), expit(scores[:, 1:])])
        elif link == "SOFTMAX":
            proba = softmax(scores, axis=1)
        else:
            proba = expit(scores)
        shares[-1] = proba / proba.sum(axis=1, keepdims=True)
        if lines is not None:
            shares[-1] = calibrated(lines, is_margin=False).proba(shares[-1])
    ends = np.empty(9, dtype=np.int32)
    assert paths.descend(*rows, ends)
    tolerance = {"rtol": 1e-9, "atol": 1e-300}
    if is_dense and dtype is np.float32:  # sums in another order
        tolerance = {"rtol": 1e-4 if spread < 60 else 0.1, "atol": 1e-9}
    table, stops = np.zeros((9, n_nodes)), np.zeros((9, n_nodes))
    assert paths.all(*rows, table, stops)
    # Many rows look their columns up in another way than few.
    many = np.zeros((27, n_nodes)), np.zeros((27, n_nodes))
    thrice = sparse.vstack([X] * 3, format="csr")
    tiled = (thrice.data, thrice.indices.astype(np.int32), thrice.indptr.astype(np.int64))
    assert paths.all(*((np.tile(rows[0], 3), None, None) if is_dense else tiled), *many)
    for few, all_rows in zip((table, stops), many, strict=True):
        assert_array_equal(np.tile(few, (3, 1)), all_rows)
    for row in range(9):
        found = reference(below, [s[row] for s in shares], rank)[1]
        of_answers = {node: -value for value, _, node in found}
        ending = [stops if below[node] else table for node in of_answers]
        told = [one[row, node] for one, node in zip(ending, of_answers, strict=True)]
        assert_allclose(told, list(of_answers.values()), **tolerance)
    copies = sparse.vstack([X] * 10, format="csr")
    of_copies = copies.data, copies.indices.astype(np.int32), copies.indptr.astype(np.int64)
    n_answers = len(reference(below, [s[0] for s in shares], rank)[1])
    for k in {1, max(1, n_answers // 2), n_answers}:
        nodes, proba = np.empty((9, k), dtype=np.int32), np.empty((9, k))
        assert paths.best(*rows, nodes, proba)
        if not is_dense:
            # Searches of many rows are finished node by node.
            of_many = np.empty((90, k), dtype=np.int32), np.empty((90, k))
            assert paths.best(*of_copies, *of_many)
            for one, all_rows in zip((nodes, proba), of_many, strict=True):
                assert_array_equal(np.tile(one, (10, 1)), all_rows)
        for row in range(9):
            greedy, found = reference(below, [s[row] for s in shares], rank)
            expected = np.array([-value for value, _, _ in found])
            assert_allclose(proba[row], expected[:k], **tolerance)
            of_node = {node: -value for value, _, node in found}
            assert len(set(nodes[row])) == k
            assert_allclose([of_node[node] for node in nodes[row]], proba[row], **tolerance)
            if spread < 60:  # no share is 1 to the last digit
                assert ends[row] == greedy


@pytest.mark.parametrize("scores", [[0, -2000, -1], [0, -744.4, -2000], [0, -2000, -2000]])
def test_shares_of_zero_have_a_power(scores):
    kernels, power = compiled_predictions(), 0.01
    outcomes = np.arange(1, 4, dtype=np.int32)
    paths = kernels.Paths(np.array([0, 3, 3, 3, 3]), outcomes, np.arange(4), True, 1)
    about = np.array(scores, dtype=float), kernels.SOFTMAX, 1.0, None, np.array([power])
    paths.set(0, None, np.zeros((1, 3)), *about)
    table = np.zeros((1, 4))
    assert paths.all(np.ones(1), np.zeros(1, dtype=np.int32), np.arange(2), table, None)
    expected = PowerLink(power).proba(softmax(np.array([scores], dtype=float), axis=1))
    assert_allclose(table[:, 1:], expected, rtol=1e-12)


def test_paths_refuse_what_does_not_fit():
    kernels = compiled_predictions()
    offsets, outcomes = np.array([0, 3, 3, 3, 3]), np.arange(1, 4, dtype=np.int32)
    paths = kernels.Paths(offsets, outcomes, np.arange(4), True, 5)
    for weights in (np.ones((5, 2)), np.ones((0, 3)), np.ones((5, 3), dtype=np.float32)):
        with pytest.raises(ValueError, match=r"scores for 3 intercepts|Weights must"):
            paths.set(0, None, weights, np.zeros(3), kernels.MARGINS, 1.0)
    about = None, np.ones((5, 3)), np.zeros(3), kernels.SIGMOIDS, 1.0
    for calibration in [
        (None, np.ones(2)),
        (None, np.ones(2), np.ones(2)),
        (None, None, np.ones(3)),
    ]:
        with pytest.raises(ValueError, match=r"calibrators for 3 scores"):
            paths.set(0, *about, *calibration)
    with pytest.raises(ValueError, match="no common power"):
        paths.set(0, *about, np.zeros(3, dtype=np.uint8), np.ones(1))
    paths.set(0, None, np.ones((5, 3)), np.zeros(3), kernels.MARGINS, 1.0)
    row = np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.int32), np.arange(2)
    with pytest.raises(ValueError, match="type of the weights"):
        paths.descend(*row, np.zeros(1, dtype=np.int32))
    with pytest.raises(ValueError, match="Rows must be dense if"):
        paths.descend(np.ones(5), None, None, np.zeros(1, dtype=np.int32))
    with pytest.raises(ValueError, match="type of the others"):
        paths.set_dense(0, np.ones((3, 5)), False, np.zeros(3), kernels.MARGINS, 1.0)
    with pytest.raises(ValueError, match="need a column"):
        kernels.Paths(offsets, outcomes, np.arange(4), True, 0, True)
    paths = kernels.Paths(offsets, outcomes, np.arange(4), True, 5, True)
    for shape in ((3, 4), (2, 5)):
        with pytest.raises(ValueError, match="rows of"):
            paths.set_dense(0, np.ones(shape), False, np.zeros(3), kernels.MARGINS, 1.0)
    with pytest.raises(ValueError, match="Weights must"):
        paths.set(0, None, np.ones((5, 3)), np.zeros(3), kernels.MARGINS, 1.0)
