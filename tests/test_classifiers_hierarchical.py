"""The estimator against the textbook: node by node, row by row."""

import pickle
import subprocess
import sys

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import reference
import sklearn
from conftest import DIAMOND, TAXONOMIES
from generators import dags, features, labelled_trees, one_in, trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklhier import HierarchicalClassifier, Taxonomy
from sklhier.decoders import HierarchicalF, Threshold
from sklhier.exceptions import (
    IncompatiblePartsError,
    LocalFitError,
    LocalPredictError,
    TargetError,
    TaxonomyError,
    VersionWarning,
)
from sklhier.linear_model import ScaledLinearClassifier
from sklhier.staging import Filter, Predicted
from sklhier.strategies import PerParent

RAGGED = TAXONOMIES["ragged"]
LEAVES = np.array(["a", "b", "c", "B1", "B2", "C"])


def data(n_rows=90, labels=LEAVES, seed=0):
    y = np.resize(labels, n_rows)
    return features(y, seed), y


# -- agreement with the textbook ----------------------------------------------------------


@given(
    labelled_trees(),
    st.sampled_from([GaussianNB(), DecisionTreeClassifier(max_depth=2, random_state=0)]),
)
def test_equals_fitting_node_by_node(case, base):
    tree, y, seed = case
    X = features(y, seed)
    if isinstance(base, GaussianNB):
        X = np.vstack([X, X + 0.1])  # two rows for each label: no zero variance
        y = np.concatenate([y, y])
    graph, root = tree.to_networkx(), tree.root
    models = reference.fit_per_parent(base, X, y, graph, root)
    proba = reference.node_probabilities(models, X, root)
    classifier = HierarchicalClassifier(base, taxonomy=tree).fit(X, y)
    found = classifier.predict_node_proba(X)
    for node, name in enumerate(tree.nodes):
        assert_allclose(found[:, node], proba.get(name, np.zeros(len(X))), atol=1e-12)
    answers = [label for label in classifier.classes_ if label not in models]
    best = classifier.predict(X)
    greedy = classifier.set_params(decoder="top_down").predict(X)
    for row in range(len(X)):
        mass = {label: found[row, tree.id(label)] for label in answers}
        assert mass[best[row]] == pytest.approx(max(mass.values()), abs=1e-12)
        if isinstance(base, DecisionTreeClassifier):
            assert best[row] == reference.best_path(answers, proba, row)
            assert greedy[row] == reference.top_down(models, proba, root, row)
    assert set(classifier.unseen_nodes_) == set(tree.nodes) - set(proba)


def is_clear(values):
    """Whether the largest value of each row, unless it is 0, has no equal but for rounding."""
    largest = np.sort(values, axis=1)[:, ::-1]
    return (largest[:, 0] == 0) | ~(largest[:, 1:2] > largest[:, :1] - 1e-12).any(axis=1)


@given(labelled_trees(), st.sampled_from(["per_parent", "flat", PerParent(stop="learn")]))
def test_probabilities_are_coherent(case, strategy):
    tree, y, seed = case
    X = features(y, seed)
    base = DecisionTreeClassifier(max_depth=2, random_state=0)
    classifier = HierarchicalClassifier(base, taxonomy=tree, strategy=strategy).fit(X, y)
    nodes, classes = classifier.predict_node_proba(X), classifier.predict_proba(X)
    assert (nodes[:, 0] == 1).all()
    assert ((nodes >= 0) & (nodes <= 1 + 1e-12)).all()
    assert_allclose(classes.sum(axis=1), 1, atol=1e-12)
    for node, name in enumerate(tree.nodes):
        children = nodes[:, tree.children_of(node)].sum(axis=1)
        stop = classes[:, classifier.classes_ == name].sum(axis=1)
        assert_allclose(nodes[:, node], children + stop, atol=1e-12)
    best = classifier.predict(X)
    assert_array_equal(best, classifier.classes_[classes.argmax(axis=1)])
    # Node probabilities tell what stops at a node as a difference: rounding may break ties.
    rows = np.ones(len(X), dtype=bool)
    if strategy != "per_parent":
        rows = is_clear(classes)
        for node, name in enumerate(tree.nodes):
            stop = classes[:, classifier.classes_ == name]
            if len(tree.children_of(node)):
                rows &= is_clear(np.hstack([nodes[:, tree.children_of(node)], stop]))
    assert_array_equal(classifier.decode(nodes, "best_path")[rows], best[rows])
    for decoder in ("top_down", Threshold(0.4)):
        wanted = classifier.set_params(decoder=decoder).predict(X)[rows].tolist()
        assert classifier.decode(nodes)[rows].tolist() == wanted
    with np.errstate(divide="ignore"):
        assert_array_equal(classifier.predict_log_proba(X), np.log(classes))


BARE = [
    LogisticRegression(),
    LinearSVC(),
    RidgeClassifier(),
    SGDClassifier(random_state=0),
    DecisionTreeClassifier(random_state=0),
    RandomForestClassifier(n_estimators=5, random_state=0),
    KNeighborsClassifier(3),
    GaussianNB(),
    HistGradientBoostingClassifier(max_iter=3, random_state=0),
    make_pipeline(LogisticRegression()),
]


@pytest.mark.few(10)
@pytest.mark.parametrize("base", BARE, ids=lambda base: type(base).__name__)
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("taxonomy", ["none", "flat"])
def test_a_one_level_taxonomy_equals_the_bare_estimator(base, n_classes, taxonomy):
    X, y = data(80, LEAVES[:n_classes])
    tree = None if taxonomy == "none" else Taxonomy.flat(y)
    bare = clone(base).fit(X, y)
    for strategy in ("per_parent", "flat"):
        for decoder in ("best_path", "top_down"):
            ours = HierarchicalClassifier(base, taxonomy=tree, strategy=strategy, decoder=decoder)
            assert_array_equal(ours.fit(X, y).predict(X), bare.predict(X))
        assert_array_equal(ours.classes_, bare.classes_)
        if hasattr(bare, "predict_proba"):
            assert_allclose(ours.predict_proba(X), bare.predict_proba(X), atol=1e-12)


class OnlyPredicts(ClassifierMixin, BaseEstimator):
    """The smallest possible base estimator."""

    def fit(self, X, y):
        self.inner_ = GaussianNB().fit(X, y)
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, X):
        return self.inner_.predict(X)


def test_a_base_that_only_predicts():
    X, y = data()
    ours = HierarchicalClassifier(OnlyPredicts(), taxonomy=RAGGED).fit(X, y)
    greedy = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED, decoder="top_down").fit(X, y)
    assert_array_equal(ours.predict(X), greedy.predict(X))


# -- properties ---------------------------------------------------------------------------


@given(trees(), st.integers(0, 99))
def test_renaming_nodes_renames_predictions(tree, seed):
    y = np.resize(np.array(tree.nodes[1:]), 40)
    X = features(y, seed)
    rename = {name: f"{99 - i}" for i, name in enumerate(tree.nodes)}
    rename[None] = None
    renamed = Taxonomy.from_edges(
        [
            (rename[tree.nodes[p]], rename[tree.nodes[c]])
            for p, c in zip(tree.edge_parents, tree.edge_children, strict=True)
        ]
    )
    new_y = np.array([rename[label] for label in y])
    base = DecisionTreeClassifier(max_depth=3, random_state=0)
    for decoder in ("top_down", Threshold(0.3)):
        old = HierarchicalClassifier(base, taxonomy=tree, decoder=decoder).fit(X, y)
        new = HierarchicalClassifier(base, taxonomy=renamed, decoder=decoder).fit(X, new_y)
        assert_array_equal(new.predict_node_proba(X), old.predict_node_proba(X))
        assert [rename[label] for label in old.predict(X)] == new.predict(X).tolist()


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_batches_orders_and_jobs_do_not_matter(kind):
    X, y = data(120)
    X = sparse.csr_array(X) if kind == "sparse" else X
    base = LogisticRegression()
    one = HierarchicalClassifier(base, taxonomy=RAGGED).fit(X, y)
    whole = one.predict_node_proba(X)
    single = np.vstack([one.predict_node_proba(X[[row]]) for row in range(X.shape[0])])
    assert_allclose(whole, single, atol=1e-13)
    order = np.random.default_rng(0).permutation(X.shape[0])
    assert_allclose(one.predict_node_proba(X[order]), whole[order], atol=1e-13)
    two = HierarchicalClassifier(base, taxonomy=RAGGED, n_jobs=2).fit(X, y)
    assert_array_equal(two.predict_node_proba(X), whole)
    shuffled = HierarchicalClassifier(base, taxonomy=RAGGED).fit(X[order], y[order])
    assert_allclose(shuffled.predict_node_proba(X), whole, atol=1e-4)


def test_equal_probabilities_leave_everything_open_but_not_at_once(monkeypatch):
    """Pairs that cannot be left alone are worked off in parts that fit in memory."""
    from sklhier.decoders import _search

    splits = []

    def recording(*arguments):
        splits.append(split(*arguments))
        return splits[-1]

    split = _search._split_by_row
    monkeypatch.setattr(_search, "_split_by_row", recording)
    y, tree = Taxonomy.from_paths([f"{a}/{b}/{c}" for a in "xyz" for b in "xyz" for c in "xyz"])
    base = DummyClassifier(strategy="uniform")
    model = HierarchicalClassifier(base, taxonomy=tree).fit(np.zeros((27, 1)), y)
    for megabytes, cut in ((1e-3, True), (4e-3, True), (1.0, False)):
        splits.clear()
        with sklearn.config_context(working_memory=megabytes):
            assert_array_equal(model.predict(np.zeros((50, 1))), ["x/x/x"] * 50)
        assert any(splits) == cut


@pytest.mark.more
def test_memory_limit_cuts_rows_into_blocks_without_effect():
    X, y = data(300)
    for decoder in ("best_path", "top_down", Threshold(0.3)):
        for strategy in ("per_parent", "flat"):
            model = HierarchicalClassifier(
                GaussianNB(), taxonomy=RAGGED, strategy=strategy, decoder=decoder
            ).fit(X, y)
            whole = model.predict(X), model.predict_node_proba(X), model.predict_proba(X)
            with sklearn.config_context(working_memory=1e-3):
                cut = model.predict(X), model.predict_node_proba(X), model.predict_proba(X)
            for a, b in zip(whole, cut, strict=True):
                assert_array_equal(a, b)


@given(st.integers(0, 50))
@one_in(4)
def test_weights_are_repeats(seed):
    X, y = data(60, seed=seed)
    weights = np.random.default_rng(seed).integers(0, 4, len(y))
    weights[:6] = 1  # every class counts
    base = LogisticRegression(solver="newton-cholesky", tol=1e-10)
    weighted = HierarchicalClassifier(base, taxonomy=RAGGED).fit(X, y, sample_weight=weights)
    rows = np.repeat(np.arange(len(y)), weights)
    repeated = HierarchicalClassifier(base, taxonomy=RAGGED).fit(X[rows], y[rows])
    assert_allclose(weighted.predict_node_proba(X), repeated.predict_node_proba(X), atol=1e-6)


def test_a_random_state_makes_fits_repeatable_whatever_n_jobs():
    X, y = data()
    base = RandomForestClassifier(n_estimators=3)
    runs = [
        HierarchicalClassifier(base, taxonomy=RAGGED, random_state=3, n_jobs=jobs).fit(X, y)
        for jobs in (None, 2)
    ]
    assert_array_equal(runs[0].predict_node_proba(X), runs[1].predict_node_proba(X))
    states = [model.random_state for model in runs[0].estimators_.values()]
    assert len(set(states)) == len(states)
    assert base.random_state is None


@pytest.mark.slow
def test_the_hash_seed_does_not_matter():
    code = """
import numpy as np
from sklhier import HierarchicalClassifier
from sklearn.tree import DecisionTreeClassifier
rng = np.random.default_rng(0)
Y = np.array([["a", "x"], ["a", "y"], ["b", "x"], ["b", "z"]])[rng.integers(0, 4, 60)]
X = rng.normal(size=(60, 3))
model = HierarchicalClassifier(DecisionTreeClassifier(max_depth=2, random_state=0)).fit(X, Y)
print(model.predict_node_proba(X).tobytes().hex(), model.predict(X).tolist())
"""
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "12345")
    }
    assert len(runs) == 1


# -- what is fitted -----------------------------------------------------------------------


def test_an_only_child_costs_no_model_and_unseen_nodes_are_never_predicted():
    X, y = data(60, np.array(["a", "b", "B1"]))
    model = HierarchicalClassifier(taxonomy=RAGGED).fit(X, y)
    assert list(model.estimators_) == ["R", "A1"]
    assert model.unseen_nodes_ == ("C", "A2", "B2", "c")
    report = model.fit_report_
    assert report["node"].tolist() == ["R", "A", "B", "A1"]
    assert report["level"].tolist() == [1, 2, 2, 3]
    assert report["n_rows"].tolist() == [60, 40, 20, 40]
    assert report["n_outcomes"].tolist() == [2, 1, 1, 2]
    assert report["fitted"].tolist() == [
        "ScaledLinearClassifier", "constant: one outcome", "constant: one outcome",
        "ScaledLinearClassifier",
    ]  # fmt: skip
    assert (report["seconds"][[0, 3]] > 0).all()
    assert set(model.predict(np.random.default_rng(0).normal(0, 9, (500, 4)))) <= {"a", "b", "B1"}


def test_inner_labels_train_their_ancestors_and_stop():
    y = np.array(["a", "b", "B1", "A", "A1", "B"] * 10)
    X = features(y, 0)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED).fit(X, y)
    rows = dict(zip(model.fit_report_["node"], model.fit_report_["n_rows"], strict=True))
    assert rows == {"R": 60, "A": 30, "B": 10, "A1": 20}
    proba = model.predict_proba(X)
    inner = np.isin(model.classes_, ["A", "A1", "B"])
    assert (proba[:, inner] == 0).all()
    assert set(model.predict(X)) == {"a", "b", "B1"}
    learnt = clone(model).set_params(strategy=PerParent(stop="learn")).fit(X, y)
    assert set(learnt.predict(X)) == set(y)
    assert learnt.score(X, y) > model.score(X, y)
    with pytest.raises(ValueError, match="one of 'ignore', 'learn', got 'maybe'"):
        clone(model).set_params(strategy=PerParent(stop="maybe")).fit(X, y)


def test_a_node_whose_labels_all_stop_there_is_an_answer():
    y = np.array(["A", "B1", "C"] * 10)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED).fit(features(y, 0), y)
    assert_array_equal(model.predict(features(y, 0))[:3], ["A", "B1", "C"])


def test_one_class_and_one_sample_are_constant():
    X, _ = data(10)
    for n_rows in (1, 10):
        model = HierarchicalClassifier(taxonomy=RAGGED).fit(X[:n_rows], ["a"] * n_rows)
        assert_array_equal(model.predict(X), ["a"] * 10)
        assert_array_equal(model.predict_proba(X), np.ones((10, 1)))
        assert model.estimators_ == {}
    with pytest.raises(ValueError, match="NaN"):
        HierarchicalClassifier(taxonomy=RAGGED).fit(np.full((3, 2), np.nan), ["a"] * 3)


def test_threshold_stops_early_and_at_the_root():
    X, y = data(90)
    model = HierarchicalClassifier(
        LogisticRegression(C=0.01), taxonomy=RAGGED, decoder=Threshold(0.6)
    ).fit(X, y)
    predicted = model.predict(X)
    assert None in predicted  # "no answer", also where the root has a name
    assert set(predicted) & {"A", "B", "A1"}
    assert model.predict(X[predicted != None]).dtype == predicted.dtype  # noqa: E711
    several = TAXONOMIES["several_roots"]
    X, y = data(30, np.array(["a", "b", "c"]))
    weak = LogisticRegression(C=1e-4)
    model = HierarchicalClassifier(weak, taxonomy=several, decoder=Threshold(0.99)).fit(X, y)
    assert set(model.predict(X)) == {None}
    assert model.score(X, y) == 0


def test_levels_in_levels_out():
    X, y = data(60)
    rows = [list(RAGGED.path(label)) for label in y]
    frame = pd.DataFrame([[*row, *[None] * (3 - len(row))] for row in rows], columns=list("xyz"))
    wanted = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED).fit(X, y)
    by_frame = HierarchicalClassifier(GaussianNB()).fit(X, frame)
    pd.testing.assert_frame_equal(
        by_frame.predict(X),
        pd.DataFrame(wanted.predict_levels(X), columns=list("xyz")).astype(frame.dtypes),
    )
    shuffled = pd.DataFrame(X, index=range(60, 0, -1))
    by_index = HierarchicalClassifier(GaussianNB()).fit(shuffled, frame)
    assert by_index.predict(shuffled).index.equals(shuffled.index)
    by_lists = HierarchicalClassifier(GaussianNB()).fit(X, rows)
    assert by_lists.predict(X) == [list(RAGGED.path(label)) for label in wanted.predict(X)]
    assert by_lists.score(X, rows) == by_frame.score(X, frame) == wanted.score(X, y)
    assert by_lists.score(X[:3], [["A", "A1", "new"], ["new"], ["C"]]) in (0, 1 / 3)
    with pytest.raises(TargetError, match=r"labels that the model knows.*'new'"):
        by_lists.score(X[:3], [["A", "A1", "new"], ["new"], ["C", "x"]])
    assert wanted.score(X, y) == np.mean(wanted.predict(X) == y)
    assert wanted.score(X, y, sample_weight=np.arange(60)) == pytest.approx(
        np.average(wanted.predict(X) == y, weights=np.arange(60))
    )


def test_equal_names_under_two_parents_stay_two():
    Y = np.array([["A", "Other"], ["B", "Other"], ["A", "x"], ["B", "y"]] * 15)
    X = features(np.array(["/".join(row) for row in Y]), 1)
    model = HierarchicalClassifier(GaussianNB()).fit(X, Y)
    assert len(model.classes_) == 4
    Y[:, 1] = np.char.add(Y[:, 0], Y[:, 1])
    unique = HierarchicalClassifier(GaussianNB()).fit(X, Y)
    assert_array_equal(model.predict_node_proba(X), unique.predict_node_proba(X))


# -- X passes through ---------------------------------------------------------------------


TEXTS = ["an owl hoots", "a wren sings", "a ray swims", "an eel swims"] * 5
PATHS = ["bird/owl", "bird/wren", "fish/ray", "fish/eel"] * 5


@pytest.mark.parametrize("container", [list, np.array, pd.Series, "polars", "frame"])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_texts_with_a_pipeline_as_base(container, n_jobs):
    y, taxonomy = Taxonomy.from_paths(PATHS)
    base = make_pipeline(TfidfVectorizer(), MultinomialNB())
    X = TEXTS
    if container == "frame":
        from sklearn.compose import make_column_transformer

        base = make_pipeline(make_column_transformer((TfidfVectorizer(), "text")), MultinomialNB())
        X = pd.DataFrame({"text": TEXTS})
    elif container == "polars":
        X = pytest.importorskip("polars").Series(TEXTS)
    else:
        X = container(TEXTS)
    model = HierarchicalClassifier(base, taxonomy=taxonomy, n_jobs=n_jobs).fit(X, y)
    assert_array_equal(model.predict(X), y)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "int64", "csr_matrix"])
def test_sparse_formats(form):
    X, y = data(60)
    wanted = HierarchicalClassifier(LinearSVC(), taxonomy=RAGGED).fit(X, y).predict(X)
    matrix = sparse.csr_matrix(X) if form == "csr_matrix" else sparse.csr_array(X)
    if form == "int64":
        matrix.indices = matrix.indices.astype(np.int64)
        matrix.indptr = matrix.indptr.astype(np.int64)
    elif form != "csr_matrix":
        matrix = matrix.asformat(form)
    model = HierarchicalClassifier(LinearSVC(), taxonomy=RAGGED).fit(matrix, y)
    assert_array_equal(model.predict(matrix), wanted)


def test_missing_values_and_mixed_frames():
    X, y = data(90)
    X[::7, 1] = np.nan
    base = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype")
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["kind"] = pd.Categorical(np.where(X[:, 0] > 0, "p", "q"))
    model = HierarchicalClassifier(base, taxonomy=RAGGED).fit(frame, y)
    assert model.score(frame, y) > 0.5
    assert_array_equal(model.feature_names_in_, ["a", "b", "c", "d", "kind"])


def test_lists_of_lists_and_small_views():
    X, y = data(30)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED)
    assert_array_equal(model.fit(X.tolist(), y).predict(X.tolist()), model.fit(X, y).predict(X))


class Watching(GaussianNB):
    """Remembers whether it got a copy."""

    def fit(self, X, y, sample_weight=None):
        self.base_ = X.base if X.base is not None else X
        return super().fit(X, y, sample_weight)


def test_x_is_not_copied_where_a_view_serves():
    X, y = data(60, np.array(["a", "b"]))
    y[:30], y[30:] = "B1", "B2"
    y[:15] = "C"
    model = HierarchicalClassifier(Watching(), taxonomy=RAGGED).fit(X, y)
    assert all(np.shares_memory(base.base_, X) for base in model.estimators_.values())


# -- estimators for some nodes ------------------------------------------------------------


def test_node_estimators_by_name_level_and_callable():
    X, y = data()
    overrides = {"A1": GaussianNB(), "level:2": DecisionTreeClassifier(random_state=0)}
    model = HierarchicalClassifier(taxonomy=RAGGED, node_estimators=overrides).fit(X, y)
    kinds = {name: type(base).__name__ for name, base in model.estimators_.items()}
    assert kinds == {
        "R": "ScaledLinearClassifier", "A": "DecisionTreeClassifier", "B": "DecisionTreeClassifier",
        "A1": "GaussianNB",
    }  # fmt: skip

    def choose(name, taxonomy):
        return GaussianNB() if taxonomy.depth(name) else None

    model.set_params(node_estimators=choose).fit(X, y)
    assert [type(base) for base in model.estimators_.values()] == [ScaledLinearClassifier] + [
        GaussianNB
    ] * 3


def test_node_estimators_are_tunable():
    inner = {"A": LogisticRegression(), "level:1": LogisticRegression()}
    model = HierarchicalClassifier(taxonomy=RAGGED, node_estimators=inner)
    assert model.get_params()["node_estimators__A__C"] == 1.0
    copy = clone(model).set_params(node_estimators__A__C=7.0)
    assert copy.node_estimators["A"].C == 7.0
    assert inner["A"].C == 1.0
    copy.set_params(**{"node_estimators__level:1": GaussianNB()})
    assert isinstance(copy.node_estimators["level:1"], GaussianNB)
    assert isinstance(inner["level:1"], LogisticRegression)
    with pytest.raises(ValueError, match="has the keys"):
        copy.set_params(node_estimators__B__C=1)


def test_bad_node_estimators():
    X, y = data()
    model = HierarchicalClassifier(taxonomy=RAGGED)
    with pytest.raises(TaxonomyError, match="no node 'AA'"):
        model.set_params(node_estimators={"AA": GaussianNB()}).fit(X, y)
    with pytest.raises(TaxonomyError, match=r"'a', which is a leaf.*'level:3'"):
        model.set_params(node_estimators={"a": GaussianNB()}).fit(X, y)
    with pytest.raises(TaxonomyError, match="no node 'level:4'"):
        model.set_params(node_estimators={"level:4": GaussianNB()}).fit(X, y)
    with pytest.raises(TypeError, match="mapping"):
        model.set_params(node_estimators=GaussianNB()).fit(X, y)


# -- incremental fitting ------------------------------------------------------------------


def test_partial_fit_equals_fit_for_counting_bases():
    X, y = data(120)
    X = np.abs(X)
    whole = HierarchicalClassifier(MultinomialNB(), taxonomy=RAGGED).fit(X, y)
    parts = HierarchicalClassifier(MultinomialNB(), taxonomy=RAGGED)
    for start in range(0, 120, 30):
        parts.partial_fit(X[start : start + 30], y[start : start + 30])
    assert_allclose(parts.predict_node_proba(X), whole.predict_node_proba(X), atol=1e-12)
    assert_array_equal(parts.classes_, whole.classes_)


def test_partial_fit_with_nodes_that_have_seen_nothing():
    X, y = data(60)
    model = HierarchicalClassifier(SGDClassifier(loss="log_loss", random_state=0), taxonomy=RAGGED)
    first = np.isin(y, ["a", "C"])
    model.partial_fit(X[first], y[first])
    assert set(model.predict(X)) <= {"a", "C"}
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert set(model.unseen_nodes_) == {"b", "A2", "c", "B", "B1", "B2"}
    model.partial_fit(X, y)
    assert model.unseen_nodes_ == ()
    assert len(set(model.predict(X))) > 2
    with pytest.raises(TargetError, match="'A1' is not among the 6 classes"):
        model.partial_fit(X[:1], ["A1"])


def test_partial_fit_needs_to_know_the_classes():
    X, y = data(60)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        HierarchicalClassifier(GaussianNB()).partial_fit(X, y)
    model = HierarchicalClassifier(GaussianNB()).partial_fit(X[:2], y[:2], classes=LEAVES)
    assert_array_equal(model.classes_, np.sort(LEAVES))
    assert not hasattr(HierarchicalClassifier(LinearSVC()), "partial_fit")


def test_partial_fit_goes_on_after_fit():
    X, y = data(60)
    X = np.abs(X)
    model = HierarchicalClassifier(MultinomialNB(), taxonomy=RAGGED).fit(X, y).partial_fit(X, y)
    twice = clone(model).fit(np.vstack([X, X]), np.concatenate([y, y]))
    assert_allclose(model.predict_proba(X), twice.predict_proba(X), atol=1e-12)


# -- decision scores ----------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("base", [LinearSVC(), RidgeClassifier()])
def test_bases_without_probabilities(base):
    X, y = data()
    model = HierarchicalClassifier(base, taxonomy=RAGGED).fit(X, y)
    assert model.score(X, y) > 0.5
    for method in ("predict_proba", "predict_log_proba", "predict_node_proba"):
        assert not hasattr(model, method)
    with pytest.raises(AttributeError, match="has no attribute 'predict_proba'"):
        model.predict_proba(X)
    with pytest.raises(IncompatiblePartsError, match="needs probabilities"):
        model.set_params(decoder="threshold").predict(X)
    with pytest.raises(IncompatiblePartsError, match="calibration='temperature'"):
        clone(model).fit(X, y)
    calibrated = HierarchicalClassifier(CalibratedClassifierCV(base, cv=3), taxonomy=RAGGED)
    assert calibrated.fit(X, y).predict_proba(X).shape == (90, 6)


def test_top_down_follows_the_largest_decision_score():
    X, y = data()
    model = HierarchicalClassifier(LinearSVC(), taxonomy=RAGGED, decoder="top_down").fit(X, y)
    root = model.estimators_["R"]
    wanted = np.array(["A", "B", "C"])[root.predict(X)]
    assert_array_equal(model.predict_levels(X)[:, 0], wanted)


# -- errors -------------------------------------------------------------------------------


class Fails(GaussianNB):
    """Fails where it has to learn from 45 rows, or to predict."""

    def __init__(self, on="fit", kind=RuntimeError):
        super().__init__()
        self.on = on
        self.kind = kind

    def fit(self, X, y, sample_weight=None):
        if self.on == "fit" and len(X) == 45:
            raise self.kind("out of luck")
        return super().fit(X, y)

    def predict_proba(self, X):
        if self.on == "predict" or (self.on == "predict many" and len(X) > 1):
            raise self.kind("out of luck")
        return np.full((len(X), len(self.classes_)), np.nan if self.on == "nan" else 0.0)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("kind", [RuntimeError, TypeError])
def test_a_failing_base_names_its_node(n_jobs, kind):
    X, y = data()
    model = HierarchicalClassifier(Fails(kind=kind), taxonomy=RAGGED, n_jobs=n_jobs)
    with pytest.raises(
        LocalFitError,
        match=r"Fails failed at node 'A', fitted on 45 row\(s\): "
        r"\w+: out of luck",
    ) as caught:
        model.fit(X, y)
    assert isinstance(caught.value.__cause__, kind)
    assert isinstance(caught.value, TypeError) == (kind is TypeError)
    assert (caught.value.node, caught.value.n_rows) == ("A", 45)


@pytest.mark.parametrize(
    ("on", "match"),
    [("predict many", "out of luck"), ("nan", "zero or NaN"), ("zero", "zero or NaN")],
)
def test_a_base_that_fails_to_predict_names_its_node(on, match):
    X, y = data(200)
    model = HierarchicalClassifier(Fails(on=on), taxonomy=RAGGED).fit(X, y)
    with pytest.raises(LocalPredictError, match=f"at node 'R', predicting 200 row.*{match}"):
        model.predict(X)
    if on != "predict many":
        with pytest.raises(LocalPredictError, match="predicting 3 row") as caught:
            model.predict(X[:3])
        assert "small_nodes" not in str(caught.value)  # that is about rows of fit


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("kind", [RuntimeError, MemoryError])
def test_a_base_that_fails_on_held_out_rows_names_its_node(kind, n_jobs):
    X, y = data(200)
    base = Fails("predict many", kind)
    model = HierarchicalClassifier(
        base, taxonomy=RAGGED, chain="proba", cv=KFold(2), n_jobs=n_jobs
    )
    if kind is MemoryError:  # of the machine
        with pytest.raises(MemoryError, match="out of luck"):
            model.fit(X, y)
        return
    with pytest.raises(LocalPredictError, match=r"at node 'R', predicting .* luck") as caught:
        model.fit(X, y)
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize(
    ("X", "y", "match"),
    [
        (np.zeros((3, 2)), ["a", "b"], "inconsistent numbers of samples"),
        (np.zeros((0, 2)), [], "0 sample"),
        (np.zeros(3), ["a", "b", "c"], "Reshape your data"),
        (np.zeros((2, 2)), ["a", "z"], "not in the taxonomy: 'z'"),
        (np.zeros((2, 2)), ["a", None], "row 1 is missing"),
        (np.zeros((2, 2)), None, "target y is None"),
        (np.zeros((2, 2)), np.eye(2), "multi-label indicator"),
        (np.zeros((2, 2)), [0, 1], r"classes=np.unique\(y\)"),
    ],
)
def test_bad_input(X, y, match):
    with pytest.raises(ValueError, match=match):
        HierarchicalClassifier(taxonomy=RAGGED).fit(X, y)


def test_bad_weights():
    X, y = data(12)
    fit = HierarchicalClassifier(taxonomy=RAGGED).fit
    for weights, match in (
        (np.zeros(12), "All sample weights are zero"),
        (np.full(12, -1), "`sample_weight` must .* got -1"),
        (np.ones(3), r"\(3,\), expected \(12,\)"),
        (np.full(12, np.nan), "NaN"),
    ):
        with pytest.raises(ValueError, match=match):
            fit(X, y, sample_weight=weights)
    with pytest.raises(IncompatiblePartsError, match="KNeighborsClassifier does not"):
        HierarchicalClassifier(KNeighborsClassifier()).fit(X, y, sample_weight=np.ones(12))
    with pytest.raises(TypeError, match="enable_metadata_routing"):
        fit(X, y, groups=np.ones(12))


def test_rows_of_weight_zero_are_left_out():
    X, y = data(60)
    weights = (y != "c").astype(float)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED).fit(X, y, sample_weight=weights)
    assert "c" not in model.predict(X)
    assert "c" in model.classes_
    assert (model.predict_proba(X)[:, model.classes_ == "c"] == 0).all()


def test_bad_parameters():
    X, y = data(12)
    for params, match in (
        ({"strategy": "per_child"}, "`strategy` must be .* got 'per_child'"),
        ({"decoder": "greedy"}, "`decoder` must be .* got 'greedy'"),
        ({"taxonomy": DIAMOND}, "needs a tree.*'Z' has the parents 'P', 'S'"),
        ({"taxonomy": {"a": "A"}}, "`taxonomy` must be a Taxonomy, .* got dict"),
    ):
        with pytest.raises(ValueError, match=match):
            HierarchicalClassifier(**params).fit(X, y)


def test_features_that_changed_and_unfitted_use():
    X, y = data(30)
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED)
    with pytest.raises(NotFittedError):
        model.predict(X)
    with pytest.raises(NotFittedError):
        _ = model.estimators_
    model.fit(frame, y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match=r"feature names|features"):
        model.predict(frame[["a", "b"]])
    with pytest.raises(ValueError, match="3 features"):
        HierarchicalClassifier(GaussianNB()).fit(X, y).predict(X[:, :3])
    with pytest.raises(ValueError, match="0 sample"):
        model.predict(frame[:0])


def test_batches_with_the_default_routing_as_an_object():
    X, y = data()
    model = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED, routing=Filter())
    assert model.partial_fit(X, y).score(X, y) > 0.5
    assert not hasattr(model.set_params(routing=Predicted()), "partial_fit")


def test_a_decoder_of_probabilities_refuses_models_chosen_by_a_callable():
    X, y = data()
    chosen = {"A": RidgeClassifier()}
    model = HierarchicalClassifier(
        GaussianNB(),
        taxonomy=RAGGED,
        node_estimators=lambda name, _: chosen.get(name),
        decoder="threshold",
    ).fit(X, y)
    with pytest.raises(IncompatiblePartsError, match="RidgeClassifier has no predict_proba"):
        model.predict(X)
    assert model.set_params(decoder="best_path").score(X, y) > 0.5


def test_a_failing_call_changes_nothing():
    X, y = data()
    model = HierarchicalClassifier(Fails(), taxonomy=RAGGED)
    with pytest.raises(LocalFitError):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.set_params(estimator=GaussianNB()).fit(X, y)
    before, state = model.predict_proba(X), dict(vars(model))
    with pytest.raises(TargetError):
        model.fit(X[:, :1], ["no label"] * len(y))
    assert vars(model) == state
    with pytest.raises(LocalFitError):
        model.set_params(estimator=Fails()).fit(X[:, :2], y)
    assert_array_equal(model.set_params(estimator=GaussianNB()).predict_proba(X), before)


def test_parameters_of_the_default_estimator():
    with pytest.raises(ValueError, match="pass estimator=ScaledLinearClassifier"):
        HierarchicalClassifier().set_params(estimator__C=2)
    model = HierarchicalClassifier().set_params(estimator=LogisticRegression(), estimator__C=2)
    assert model.estimator.C == 2


def test_bad_node_probabilities():
    X, y = data(30)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED).fit(X, y)
    nodes = model.predict_node_proba(X)
    with pytest.raises(ValueError, match="11 columns"):
        model.decode(nodes[:, 1:])
    with pytest.raises(ValueError, match=r"from 0 to 1, got -1 for .* in row 0"):
        model.decode(-nodes)


# -- keeping ------------------------------------------------------------------------------


def test_pickles_and_warns_of_other_versions():
    X, y = data(30)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED).fit(X, y)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    state = model.__getstate__()
    state["_saved_with"]["sklhier"] = "0.0.1"
    with pytest.warns(VersionWarning, match="sklhier 0.0.1"):
        HierarchicalClassifier.__new__(HierarchicalClassifier).__setstate__(state)


def test_skops():
    skops = pytest.importorskip("skops.io")
    X, y = data(30)
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=RAGGED).fit(X, y)
    dumped = skops.dumps(model)
    trusted = skops.get_untrusted_types(data=dumped)
    assert all(name.startswith("sklhier.") for name in trusted), trusted
    loaded = skops.loads(dumped, trusted=trusted)
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_networkx_graph_is_a_taxonomy():
    X, y = data(30)
    graph = nx.DiGraph(RAGGED.to_networkx())
    model = clone(HierarchicalClassifier(GaussianNB(), taxonomy=graph)).fit(X, y)
    assert model.taxonomy_ == RAGGED


def test_encoded_labels_come_back_encoded():
    X, y = data(30)
    classes, codes = np.unique(y, return_inverse=True)
    plain = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED).fit(X, y)
    coded = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED, classes=classes).fit(X, codes)
    assert_array_equal(classes[coded.predict(X)], plain.predict(X))
    assert_array_equal(coded.predict_proba(X), plain.predict_proba(X))
    assert coded.score(X, codes) == plain.score(X, y)


def test_dummy_bases_and_progress(capsys):
    X, y = data(30)
    model = HierarchicalClassifier(DummyClassifier(), taxonomy=RAGGED, verbose=50).fit(X, y)
    printed = capsys.readouterr()
    assert "Done" in printed.out + printed.err
    assert model.set_params(verbose=0).fit(X, y).score(X, y) > 0
    printed = capsys.readouterr()
    assert not printed.out + printed.err


# -- DAGs ---------------------------------------------------------------------------------


@given(dags(), st.integers(0, 2**16))
def test_flat_classifies_into_dags(dag, seed):
    rng = np.random.default_rng(seed)
    y = rng.choice(np.array(dag.nodes[1:]), 25)
    X = features(y, seed)
    base = DecisionTreeClassifier(max_depth=3, random_state=0)
    model = HierarchicalClassifier(base, taxonomy=dag, strategy="flat").fit(X, y)
    bare = clone(base).fit(X, np.searchsorted(model.classes_, y))
    proba = bare.predict_proba(X)
    assert_allclose(model.predict_proba(X), proba, atol=1e-12)
    best = np.searchsorted(model.classes_, model.predict(X))
    assert_allclose(proba[np.arange(len(X)), best], proba.max(axis=1), atol=1e-12)
    nodes = model.predict_node_proba(X)
    for node, name in enumerate(dag.nodes[1:], start=1):
        at_or_below = [label == name or name in dag.ancestors(label) for label in model.classes_]
        assert_allclose(nodes[:, node], proba[:, at_or_below].sum(axis=1), atol=1e-12)
    assert (nodes[:, dag.edge_children] <= nodes[:, dag.edge_parents] + 1e-12).all()
    closures = [{label, *dag.ancestors(label)} for label in model.classes_]
    risk = np.array([[len(a ^ b) for b in closures] for a in closures]) @ proba.T
    answers = model.set_params(decoder="level_weighted").predict(X)
    found = np.searchsorted(model.classes_, answers)
    assert_allclose(risk[found, np.arange(len(X))], risk.min(axis=0), atol=1e-9)
    f = np.array([[2 * len(a & b) / (len(a) + len(b)) for b in closures] for a in closures])
    expected = f @ proba.T
    answers = model.set_params(decoder=HierarchicalF(answer="leaf")).predict(X)
    found = np.searchsorted(model.classes_, answers)
    assert_allclose(expected[found, np.arange(len(X))], expected.max(axis=0), atol=1e-9)


def test_other_strategies_need_a_tree_and_say_so():
    for strategy in ("per_parent", "per_node", "per_level", "ensemble"):
        model = HierarchicalClassifier(taxonomy=DIAMOND, strategy=strategy)
        with pytest.raises(TaxonomyError, match=f"strategy '{strategy}' needs a tree"):
            model.fit([[0.0], [1.0]], ["Z", "P"])
    flat = HierarchicalClassifier(GaussianNB(), taxonomy=DIAMOND, strategy="flat")
    flat.fit(*data(30, np.array(["Z", "P", "Q", "S"])))
    with pytest.raises(TaxonomyError, match="needs a tree"):
        flat.predict_levels(data(3)[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e-9])
@pytest.mark.parametrize("cell", [(0, 0), (1, 3), (2, -1)])
def test_one_number_that_is_no_probability_is_refused(bad, cell):
    X, y = data()
    model = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED).fit(X, y)
    table = model.predict_node_proba(X[:3])
    assert_array_equal(model.decode(table), model.predict(X[:3]))
    table[cell] = bad
    with pytest.raises(ValueError, match="`node_proba` must hold probabilities"):
        model.decode(table)


def test_unseen_nodes_of_a_dag():
    X = np.random.default_rng(0).normal(size=(40, 2))
    graph = Taxonomy.from_edges(
        [("R", "P"), ("R", "Q"), ("R", "E"), ("P", "Z"), ("Q", "Z"), ("Q", "S"), ("E", "F")]
    )
    for labels, unseen in ((["Z", "P"], {"S", "E", "F"}), (["S"], {"P", "Z", "E", "F"})):
        y = np.resize(labels, 40)
        model = HierarchicalClassifier(DummyClassifier(), taxonomy=graph, strategy="flat").fit(
            X, y
        )
        assert set(model.unseen_nodes_) == unseen
        proba = model.predict_node_proba(X)
        assert set(np.flatnonzero(~proba.any(axis=0))) == set(graph.ids(list(unseen)))


def test_codes_and_classes_make_a_flat_taxonomy():
    X, y = data()
    names = np.unique(y)
    codes = np.searchsorted(names, y)
    model = HierarchicalClassifier(GaussianNB(), classes=names).fit(X, codes)
    assert model.taxonomy_ == Taxonomy.flat(names)
    plain = HierarchicalClassifier(GaussianNB(), taxonomy=Taxonomy.flat(names)).fit(X, y)
    assert_array_equal(names[model.predict(X)], plain.predict(X))


@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "flat"])
def test_a_score_of_0_is_for_the_first_class_as_in_scikit_learn(strategy):
    X, y = data(60, np.array(["no", "yes"]))
    base = LinearSVC(fit_intercept=False, random_state=0)
    nothing = np.zeros((1, X.shape[1]))  # which the weights multiply to exactly 0
    model = HierarchicalClassifier(base, strategy=strategy).fit(X, y)
    plain = clone(base).fit(X, y)
    assert plain.decision_function(nothing) == 0
    assert_array_equal(model.predict(nothing), plain.predict(nothing))
    assert_array_equal(model.predict(nothing), ["no"])
