"""Stages that learn from those above: no leak, and exactly what fitting by hand gives."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import TAXONOMIES
from generators import features, labelled_trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from private import local_models
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.decoders import SetThreshold
from sklhier.exceptions import (
    IncompatiblePartsError,
    LeakageWarning,
    LocalFitError,
    RareClassWarning,
)
from sklhier.model_selection import leakage_report
from sklhier.staging import Chain, Routing, resolve_chain
from sklhier.strategies import Ensemble, PerLevel, PerNode, PerParent

RAGGED = TAXONOMIES["ragged"]
LEAVES = np.array(["a", "b", "c", "B1", "B2", "C"])
DEEP = Taxonomy.from_dict({"A": {"A1": ["a", "b"], "A2": ["c", "d"]}, "B": {"B1": ["e", "f"]}})
DEEP_LEAVES = np.array(list("abcdef"))


class Memory(ClassifierMixin, BaseEstimator):
    """1-nearest neighbour that remembers what it was fitted to."""

    def fit(self, X, y, sample_weight=None):
        self.X_, self.y_, self.sample_weight_ = X, y, sample_weight
        self.model_ = KNeighborsClassifier(1).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)

    def predict(self, X):
        return self.model_.predict(X)


def noise(n_rows=120, labels=DEEP_LEAVES, seed=0):
    """Labels that nothing can be known of but by heart."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, 3)), np.resize(labels, n_rows)


def data(n_rows=120, labels=DEEP_LEAVES, seed=0):
    y = np.resize(labels, n_rows)
    return features(y, seed), y


def model(base=None, taxonomy=DEEP, **params):
    params = {"cv": KFold(4)} | params
    return HierarchicalClassifier(
        GaussianNB() if base is None else base, taxonomy=taxonomy, **params
    )


def ancestor(taxonomy, name, level):
    return taxonomy.path(name)[level - 1]


# -- nothing leaks ------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["per_level", PerNode("less_inclusive")])
def test_a_memorising_stage_passes_on_nothing_that_it_remembers(strategy):
    X, y = noise(400)
    fitted = model(Memory(), strategy=strategy, chain="proba").fit(X, y)
    key = "level:2" if strategy == "per_level" else "A1"
    base = fitted.estimators_[key]
    column = base.X_[:, 3]  # of "A" or not, "B" or not
    top = np.array([ancestor(DEEP, label, 1) for label in y.tolist()])
    truth = top == ("B" if strategy == "per_level" else "A")
    assert 0.3 < np.mean((column > 0.5) == truth) < 0.7
    with pytest.warns(LeakageWarning):
        leaking = model(Memory(), strategy=strategy, chain=Chain(training="in_sample")).fit(X, y)
    column = leaking.estimators_[key].X_[:, 3]
    assert np.mean((column > 0.5) == truth) == 1.0
    with pytest.warns(LeakageWarning):
        forced = model(Memory(), strategy=strategy, chain="true").fit(X, y)
    assert_array_equal(forced.estimators_[key].X_[:, 3], truth)


def test_a_memorising_parent_passes_on_nothing_that_it_remembers():
    X, y = noise(600)
    below = np.isin(y, ["a", "b"])
    at_a = np.isin(y, ["a", "b", "c", "d"])
    shown = model(Memory(), chain="proba").fit(X, y).estimators_["A1"].X_
    assert len(shown) == below.sum()
    # Its samples all belong to A1 and to A: who remembers says 1 (A), 0 (not A2).
    assert (shown[:, 3:].mean(axis=0) > 0.2).all()
    assert (shown[:, 3:].mean(axis=0) < 0.8).all()
    with pytest.warns(LeakageWarning):
        leaking = model(Memory(), chain=Chain(training="in_sample")).fit(X, y)
    assert_array_equal(leaking.estimators_["A1"].X_[:, 3:], np.tile([0.0, 0.0], (below.sum(), 1)))
    assert at_a.sum() == len(leaking.estimators_["A"].X_)


def test_leakage_report_tells_in_sample_from_out_of_fold():
    X, y = noise(400)
    report = leakage_report(model(Memory(), chain="proba"), X, y, cv=KFold(4))
    assert_array_equal(report.in_sample, [1.0, 1.0, 1.0])
    assert (report.out_of_fold < 0.8).all()
    assert_allclose(report.optimism, report.in_sample - report.out_of_fold)
    assert "100.0%" in repr(report)
    assert list(report.to_frame()["level"]) == [1, 2, 3]
    assert "<table>" in report._repr_html_()
    held_out = np.concatenate(
        [
            model(Memory()).fit(X[train], y[train]).predict(X[test])
            for train, test in KFold(4).split(X)
        ]
    )
    right = [
        ancestor(DEEP, a, 1) == ancestor(DEEP, b, 1) for a, b in zip(held_out, y, strict=True)
    ]
    assert report.out_of_fold[0] == np.mean(right)


def test_leakage_report_weighs_samples_and_reads_pipelines():
    X, y = data()
    pipeline = make_pipeline(StandardScaler(), model(DecisionTreeClassifier(random_state=0)))
    weights = np.repeat([1.0, 2.0], 60)
    report = leakage_report(pipeline, X, y, sample_weight=weights, taxonomy=DEEP)
    repeated = leakage_report(pipeline, X, y, taxonomy=DEEP)
    assert (report.in_sample == 1).all()
    assert (report.out_of_fold != repeated.out_of_fold).any()
    flat = leakage_report(HierarchicalClassifier(GaussianNB()), X, y)
    assert "one level" in repr(flat)


# -- as by hand ---------------------------------------------------------------------------


def fitted_by_hand(X, codes, n_outcomes):
    """Return what gives a probability to each outcome, those not seen 0."""
    known = np.unique(codes)
    if len(known) == 1:
        return lambda X: np.eye(n_outcomes)[np.repeat(known, len(X))]
    base = GaussianNB(var_smoothing=0.1).fit(X, np.searchsorted(known, codes))

    def answer(X):
        table = np.zeros((len(X), n_outcomes))
        if len(X):
            table[:, known] = base.predict_proba(X)
        return table

    return answer


def shown(table):
    return table[:, 1:] if table.shape[1] == 2 else table


class ByHand:
    """Per parent, chained: dictionaries, paths and loops."""

    def __init__(self, taxonomy, see, n_folds):
        self.taxonomy, self.see, self.n_folds = taxonomy, see, n_folds

    def fit(self, X, y):
        tree, rows = self.taxonomy, np.arange(len(y))
        paths = [tree.path(label) for label in y.tolist()]
        names = list(tree.nodes)
        self.children, self.models, self.held_out = {}, {}, {}
        fold_of = np.empty(len(y), dtype=int)
        for number, (_, test) in enumerate(KFold(self.n_folds).split(X)):
            fold_of[test] = number
        for node in names:
            depth = 0 if node == names[0] else tree.depth(node)
            own = [i for i in rows if depth == 0 or node in paths[i]]
            own = [i for i in own if len(paths[i]) > depth]
            seen = {paths[i][depth] for i in own}
            self.children[node] = [c for c in tree.nodes if c in seen]
            if len(self.children[node]) < 2:
                continue
            codes = np.array([self.children[node].index(paths[i][depth]) for i in own])
            own = np.array(own)
            above = self.above(node)
            Z = np.hstack([X[own], *(shown(self.held_out[o][own]) for o in above)])
            k = len(self.children[node])
            self.models[node] = fitted_by_hand(Z, codes, k)
            table = np.full((len(y), k), np.nan)
            for number in range(self.n_folds):
                inside, outside = fold_of[own] != number, fold_of[own] == number
                if not outside.any():
                    continue
                if inside.any():
                    answer = fitted_by_hand(Z[inside], codes[inside], k)(Z[outside])
                else:
                    answer = np.full((outside.sum(), k), 1 / k)
                table[own[outside]] = answer
            self.held_out[node] = table
        return self

    def above(self, node):
        tree = self.taxonomy
        path = [] if node == tree.nodes[0] else [tree.nodes[0], *tree.path(node)[:-1]]
        if self.see == "parent":
            path = path[-1:]
        return [name for name in path if name in self.models]

    def conditional(self, node, X):
        Z = np.hstack([X, *(shown(self.conditional(o, X)) for o in self.above(node))])
        return self.models[node](Z)

    def predict_node_proba(self, X):
        tree = self.taxonomy
        table = np.zeros((len(X), tree.n_nodes))
        table[:, 0] = 1
        for node in tree.nodes:
            members = self.children.get(node, [])
            if not members:
                continue
            local = self.conditional(node, X) if node in self.models else np.ones((len(X), 1))
            local = local / local.sum(axis=1, keepdims=True)
            for column, child in enumerate(members):
                table[:, tree.id(child)] = table[:, tree.id(node)] * local[:, column]
        return table


@pytest.mark.filterwarnings("ignore::sklhier.exceptions.RareClassWarning")
@given(case=labelled_trees(), see=st.sampled_from(["all", "parent"]))
def test_per_parent_equals_fitting_by_hand(case, see):
    taxonomy, y, seed = case
    y = np.concatenate([y, y])
    X = features(y, seed)
    n_folds = min(3, len(y))
    ours = HierarchicalClassifier(
        GaussianNB(var_smoothing=0.1), taxonomy=taxonomy, chain=Chain(see=see), cv=KFold(n_folds)
    ).fit(X, y)
    by_hand = ByHand(taxonomy, see, n_folds).fit(X, y)
    assert_allclose(
        ours.predict_node_proba(X), by_hand.predict_node_proba(X), rtol=1e-7, atol=1e-9
    )


def blocks(*labels):
    """Return features, and 30 labels of each kind side by side: the test rows of KFold(3)."""
    return noise(90)[0], np.concatenate([np.resize(kind, 30) for kind in labels])


def test_what_a_fold_never_saw_is_shown_with_probability_0():
    X, y = blocks(["a", "c", "d"], ["a", "c", "b"], ["e", "f"])
    with pytest.warns(RareClassWarning, match="'B', 'B1'"):
        fitted = model(Memory(), strategy="per_level", chain="proba", cv=KFold(3)).fit(X, y)
    shown = fitted.estimators_["level:3"].X_[:, 3:]  # B; A1, A2, B1
    middle = np.isin(y[:60], ["c", "d"])
    Z = np.hstack([X, shown[:, :1]])
    of_last = Memory().fit(Z[:60], middle.astype(int)).predict_proba(Z[60:])
    assert_array_equal(shown[60:], np.column_stack([np.zeros(30), of_last, np.zeros(30)]))
    assert shown[:60, [0, 3]].any(axis=0).all()


class Margins(LogisticRegression):
    """LogisticRegression that remembers what it was fitted to."""

    def fit(self, X, y, sample_weight=None):
        self.X_ = X
        return super().fit(X, y, sample_weight)


def test_scores_of_what_a_fold_never_saw_are_the_lowest():
    X, y = blocks(["a", "c", "e"], ["b", "d", "f"], ["g", "h"])
    tree = Taxonomy.from_dict({"A": ["a", "b"], "B": ["c", "d"], "C": ["e", "f"], "D": ["g", "h"]})
    chain = Chain("decision")
    with pytest.warns(RareClassWarning, match="'D'"):
        fitted = model(Margins(), tree, strategy="per_level", chain=chain, cv=KFold(3)).fit(X, y)
    shown = fitted.estimators_["level:2"].X_[60:, 3:]
    tops = np.resize(["A", "B", "C"], 60)
    scores = LogisticRegression().fit(X[:60], tops).decision_function(X[60:])
    wanted = np.column_stack([scores, scores.min(axis=1)])
    unit = shown[0, 0] / wanted[0, 0]  # scores are shown on a scale of their own
    assert_allclose(shown, unit * wanted)


def test_what_a_fold_cannot_learn_is_shown_as_a_constant():
    X, y = blocks(["a", "b"], ["c", "d"], ["e", "f"])
    with pytest.warns(RareClassWarning, match="in one fold"):
        fitted = model(Memory(), chain="proba", cv=KFold(3)).fit(X, y)
    # Of A1 and A2 each of the first two folds knows the other alone.
    assert_array_equal(fitted.estimators_["A1"].X_[:, 4], 1.0)
    assert_array_equal(fitted.estimators_["A2"].X_[:, 4], 0.0)
    # No base estimator is asked to learn one class, which many refuse.
    with pytest.warns(RareClassWarning, match="in one fold"):
        model(LogisticRegression(), chain="proba", cv=KFold(3)).fit(X, y)
    X, y = blocks(["a", "b", "c", "d"], ["e", "f"], ["e", "f"])
    with pytest.warns(RareClassWarning, match="in one fold"):
        fitted = model(Memory(), chain="proba", cv=KFold(3)).fit(X, y)
    # The first fold knows B alone, and nothing of what is below A.
    for key in ("A1", "A2"):
        assert_array_equal(np.unique(fitted.estimators_[key].X_[:, 3:], axis=0), [[1.0, 0.5]])


def test_per_level_sees_held_out_outputs_of_all_levels_above():
    X, y = data()
    fitted = model(Memory(), strategy="per_level", chain="proba").fit(X, y)
    top = np.array([ancestor(DEEP, label, 1) for label in y.tolist()]) == "B"
    middle = np.searchsorted(
        ["A1", "A2", "B1"], [ancestor(DEEP, label, 2) for label in y.tolist()]
    )
    first = np.zeros((len(y), 1))
    second = np.zeros((len(y), 3))
    for train, test in KFold(4).split(X):
        first[test, 0] = (
            Memory().fit(X[train], top[train].astype(int)).predict_proba(X[test])[:, 1]
        )
    Z = np.hstack([X, first])
    for train, test in KFold(4).split(X):
        second[test] = Memory().fit(Z[train], middle[train]).predict_proba(Z[test])
    assert_array_equal(fitted.estimators_["level:2"].X_, Z)
    assert_array_equal(fitted.estimators_["level:3"].X_, np.hstack([Z, second]))
    parent = model(Memory(), strategy="per_level", chain=Chain(see="parent")).fit(X, y)
    assert parent.estimators_["level:3"].X_.shape[1] == X.shape[1] + 3


# -- containers ---------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("strategy", ["per_parent", "per_level", "per_node"])
@pytest.mark.parametrize("output", ["proba", "log_proba", "decision"])
def test_containers_agree(strategy, output):
    X, y = data()
    base = LogisticRegression(tol=1e-8, max_iter=2000)
    make = lambda: model(base, strategy=strategy, chain=Chain(output, scale=0.5))  # noqa: E731
    dense = make().fit(X, y)
    expected = dense.predict_proba(X)
    for kind in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array):
        assert_allclose(make().fit(kind(X), y).predict_proba(kind(X)), expected, atol=1e-5)
    names = [f"x{i}" for i in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=names, index=np.arange(len(X)) % 7)
    fitted = make().fit(frame, y)
    assert_allclose(fitted.predict_proba(frame), expected, atol=1e-12)
    last = list(fitted.estimators_.values())[-1].feature_names_in_
    assert list(last[: X.shape[1]]) == names
    assert last[-1].rpartition("_")[0] == output
    assert_allclose(make().fit(pd.DataFrame(X), y).predict_proba(pd.DataFrame(X)), expected)
    single = np.concatenate([dense.predict_proba(X[[row]]) for row in range(0, 120, 17)])
    assert_allclose(single, expected[::17], atol=1e-12)


def test_polars_frames():
    polars = pytest.importorskip("polars")
    X, y = data()
    frame = polars.DataFrame(X, schema=[f"x{i}" for i in range(X.shape[1])])
    assert_allclose(
        model(chain="proba").fit(frame, y).predict_proba(frame),
        model(chain="proba").fit(X, y).predict_proba(X),
    )


def test_the_float_type_of_features_is_kept():
    X, y = data()
    for kind in (np.asarray, sparse.csr_array):
        fitted = model(
            SGDClassifier(loss="log_loss", random_state=0), chain="proba", strategy="per_level"
        ).fit(kind(X.astype(np.float32)), y)
        assert fitted.predict_proba(kind(X.astype(np.float32))).shape == (120, 6)
    base = model(Memory(), chain="proba").fit(X.astype(np.float32), y).estimators_["A"]
    assert base.X_.dtype == np.float32
    assert (
        model(Memory(), chain="proba").fit((9 * X).astype(int), y).estimators_["A"].X_.dtype
        == float
    )


def texts(n_rows=120):
    y = np.resize(DEEP_LEAVES, n_rows)
    return [
        f"{label}{i % 5} {ancestor(DEEP, label, 1)}{i % 3} w{i % 11}" for i, label in enumerate(y)
    ], y


def test_texts_join_before_the_last_step_of_a_pipeline():
    documents, y = texts()
    base = make_pipeline(TfidfVectorizer(token_pattern=r"\S+"), LogisticRegression())
    fitted = model(base, chain="proba").fit(documents, y)
    assert fitted.score(documents, y) > 0.5
    at_a = fitted.estimators_["A"]
    assert at_a.steps[-1][1].n_features_in_ == len(at_a.steps[0][1].vocabulary_) + 1
    assert type(at_a.steps[-1][1]) is LogisticRegression
    with pytest.raises(LocalFitError, match="Use a Pipeline as base estimator"):
        model(Texts(), chain="proba").fit(documents, y)


class Texts(ClassifierMixin, BaseEstimator):
    """A classifier of texts that is no Pipeline."""

    def fit(self, X, y):
        self.model_ = make_pipeline(TfidfVectorizer(token_pattern=r"\S+"), GaussianNB2()).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


class GaussianNB2(GaussianNB):
    def fit(self, X, y):
        return super().fit(X.toarray(), y)

    def predict_proba(self, X):
        return super().predict_proba(X.toarray())


def test_append_to_input_lets_a_scaler_see_the_outputs():
    X, y = data()
    base = make_pipeline(StandardScaler(), GaussianNB())
    before = model(base, chain=Chain(append_to="input")).fit(X, y).estimators_["A"]
    assert before.steps[0][1].n_features_in_ == X.shape[1] + 1
    after = model(base, chain="proba").fit(X, y).estimators_["A"]
    assert after.steps[0][1].n_features_in_ == X.shape[1]
    assert after.steps[1][1].n_features_in_ == X.shape[1] + 1


# -- routing ------------------------------------------------------------------------------


def held_out_top(X, y):
    top = np.array([ancestor(DEEP, label, 1) for label in y.tolist()])
    proba = np.zeros(len(y))
    for train, test in KFold(4).split(X):
        proba[test] = GaussianNB().fit(X[train], top[train]).predict_proba(X[test])[:, 0]
    return top, proba


class Everywhere(Routing):
    """All samples go to all nodes."""

    def sends(self, proba):
        return np.ones(proba.shape, dtype=bool)


class Witness(GaussianNB):
    """GaussianNB that remembers what it was fitted to."""

    def fit(self, X, y, sample_weight=None):
        self.seen_ = (X, y, sample_weight)
        return super().fit(X, y, sample_weight)


def rows_of(X, seen):
    positions = {row.tobytes(): i for i, row in enumerate(X)}
    return np.array([positions[row.tobytes()] for row in np.ascontiguousarray(seen)])


def test_predicted_members_are_added_as_not_here():
    X, y = data(seed=3)
    top, proba = held_out_top(X, y)
    fitted = model(Witness(), routing="predicted").fit(X, y)
    seen, codes, _ = fitted.estimators_["A"].seen_
    rows = rows_of(X, seen)
    assert_array_equal(rows, np.flatnonzero((top == "A") | (proba > 0.5)))
    assert ((proba > 0.5) & (top != "A")).any()
    assert_array_equal(codes == 0, top[rows] != "A")
    filtered = model(Witness()).fit(X, y).estimators_["A"].seen_
    assert_array_equal(rows_of(X, filtered[0]), np.flatnonzero(top == "A"))


def test_routing_may_read_what_a_chain_does_not_show_of_nodes_that_nobody_sees():
    tree = Taxonomy.from_dict({"A": {"A1": ["a", "b"], "A2": ["c", "d"]}, "B": ["e", "f"]})
    X, y = data()
    fitted = model(LogisticRegression(), tree, chain="decision", routing="predicted").fit(X, y)
    assert [key.number for key in local_models(fitted)["A1"].upstream.keys] == [0, tree.id("A")]


def test_nodes_after_a_stop_are_seen_too():
    tree = Taxonomy.from_dict({"A": ["a", "b"], "B": {"B1": ["c", "d"], "B2": ["e", "f"]}})
    X, y = data(labels=np.array([*"abcdef", "A"]))
    fitted = model(taxonomy=tree, strategy=PerNode(stop="learn"), chain="proba").fit(X, y)
    seen = [key.number for key in local_models(fitted)["c"].upstream.keys]
    assert seen == tree.ids(["B", "B1"]).tolist()


def test_weights_are_held_out_probabilities():
    X, y = data(seed=3)
    top, proba = held_out_top(X, y)
    given_weights = np.linspace(1, 2, len(y))
    fitted = model(Witness(), routing="weight").fit(X, y)
    seen, codes, weights = fitted.estimators_["A"].seen_
    rows = rows_of(X, seen)
    assert_array_equal(rows, np.flatnonzero((top == "A") | (proba >= 0.01)))
    assert_allclose(weights, np.maximum(proba[rows], 0.01))
    assert_array_equal(codes == 0, top[rows] != "A")
    weighted = model(Witness(), routing="weight").fit(X, y, given_weights)
    assert (weighted.estimators_["A"].seen_[2] != weights).any()


def test_no_routing_shows_all_rows():
    X, y = data()
    fitted = model(Witness(), routing=Everywhere(), chain="proba").fit(X, y)
    for key in ("A", "A1", "B1"):
        seen, codes, _ = fitted.estimators_[key].seen_
        assert len(seen) == len(y)
        members = np.array([key in DEEP.path(label) for label in y.tolist()])
        assert_array_equal(codes == 0, ~members)


def test_labels_that_stop_at_a_node_are_no_strangers_there():
    X, y = data(labels=np.array([*"abcdef", "A1", "A"]))
    fitted = model(Witness(), routing=Everywhere()).fit(X, y)
    seen, codes, _ = fitted.estimators_["A1"].seen_
    rows = rows_of(X, seen)
    assert not (y[rows] == "A1").any()
    assert_array_equal(codes == 0, ~np.isin(y[rows], ["a", "b"]))


@pytest.mark.filterwarnings("ignore::sklhier.exceptions.RareClassWarning")
@given(
    case=labelled_trees(),
    strategy=st.sampled_from([PerParent(), PerParent(stop="learn"), PerNode(), PerLevel()]),
    chain=st.sampled_from([None, "proba", "log_proba"]),
    routing=st.sampled_from(["filter", "predicted", "weight", Everywhere()]),
)
def test_any_combination_is_coherent(case, strategy, chain, routing):
    taxonomy, y, seed = case
    if not strategy.sends_down:
        routing = "filter"
    y = np.concatenate([y, y])
    X = features(y, seed)
    fitted = HierarchicalClassifier(
        DecisionTreeClassifier(max_depth=2, random_state=0),
        taxonomy=taxonomy,
        strategy=strategy,
        chain=chain,
        routing=routing,
        cv=KFold(2),
    ).fit(X, y)
    proba = fitted.predict_node_proba(X)
    below = np.zeros_like(proba)
    np.add.at(below.T, taxonomy.edge_parents, proba[:, taxonomy.edge_children].T)
    assert (proba >= below - 1e-12).all()
    assert_allclose(proba[:, 0], 1)
    classes = fitted.predict_proba(X)
    assert_allclose(classes.sum(axis=1), 1)
    chosen = fitted.predict(X)
    best = classes[np.arange(len(X)), np.searchsorted(fitted.classes_, chosen)]
    assert_allclose(best, classes.max(axis=1), atol=1e-12)
    one = fitted.predict_node_proba(X[:1])
    assert_allclose(one, proba[:1], atol=1e-12)


def test_routing_lets_lower_models_correct_upper_ones():
    X, y = data(600, seed=5)
    plain = model(DecisionTreeClassifier(max_depth=3, random_state=0)).fit(X[:400], y[:400])
    routed = model(DecisionTreeClassifier(max_depth=3, random_state=0), routing=Everywhere()).fit(
        X[:400], y[:400]
    )
    tops = DEEP.to_levels(y[400:].tolist())[:, 0]

    def first(fitted):
        return np.mean(fitted.predict_levels(X[400:])[:, 0] == tops)

    assert first(routed) >= first(plain)
    model_at_a = local_models(routed)["A"]
    assert model_at_a.positive_share == pytest.approx(4 / 6, abs=0.01)


def test_models_that_rule_everything_out_leave_an_answer():
    X, y = noise(60)
    fitted = model(Memory(), routing=Everywhere()).fit(X, y)
    assert np.isfinite(fitted.predict_proba(X + 0.3)).all()
    assert_array_equal(fitted.predict(X), y)


class OnTheWay(PerParent):
    """Decides at each node for itself, though models may know samples of others."""

    def marginals(self, taxonomy, outcomes, scores):
        class Plain:
            has_rest = False

            def __getattr__(self, name):
                return getattr(scores, name)

        return super().marginals(taxonomy, outcomes, Plain())


def test_who_rules_out_all_that_it_is_asked_of_leaves_it_open():
    X, y = data()
    base = DecisionTreeClassifier(random_state=0)
    fitted = model(base, routing=Everywhere(), strategy=OnTheWay()).fit(X, y)
    proba = fitted.predict_node_proba(X)
    assert_allclose(proba[:, DEEP.ids(DEEP.levels[0])].sum(axis=1), 1)
    local = local_models(fitted)["A"]
    outputs = fitted.estimators_["A"].predict_proba(X)
    strangers = outputs[:, 0] == 1
    assert strangers.any()
    below = DEEP.ids([DEEP.nodes[node] for node in local.outcomes[1:]])
    above = proba[strangers][:, DEEP.ids(["A"])]
    assert_allclose(proba[strangers][:, below], np.repeat(above / len(below), len(below), axis=1))


@pytest.mark.parametrize("routing", [Everywhere(), "predicted"])
def test_evidence_of_models_that_know_strangers_reaches_the_nodes_above(routing):
    """Answers are in proportion to what all models on their paths say, however the top decides."""
    X, y = data(seed=3)
    fitted = model(Witness(), routing=routing).fit(X, y)
    evidence, with_strangers = {}, 0
    for key, base in fitted.estimators_.items():
        children = [name for name in DEEP.nodes if name in DEEP.children(key)]
        proba, codes = base.predict_proba(X), base.seen_[1]
        if proba.shape[1] > len(children):  # the first outcome is "not here"
            proba = proba[:, 1:] / np.mean(codes != 0)
            with_strangers += 1
        evidence.update(zip(children, proba.T, strict=True))
    assert with_strangers > 1
    products = {
        leaf: np.prod([evidence.get(node, np.ones(len(X))) for node in DEEP.path(leaf)], axis=0)
        for leaf in DEEP.leaves
    }
    total = sum(products.values())
    found = fitted.predict_node_proba(X)
    for name in DEEP.nodes[1:]:
        below = {name, *DEEP.descendants(name)} & set(DEEP.leaves)
        wanted = sum(products[leaf] for leaf in below) / total
        assert_allclose(found[:, DEEP.id(name)], wanted, atol=1e-12)
    top = fitted.estimators_[DEEP.nodes[0]].predict_proba(X)
    assert np.abs(found[:, DEEP.ids(["A", "B"])] - top).max() > 0.1


# -- folds --------------------------------------------------------------------------------


def test_groups_reach_the_splitter():
    X, y = noise(120)
    groups = np.arange(120) // 10
    with sklearn.config_context(enable_metadata_routing=True):
        grouped = model(Memory(), chain="proba", strategy="per_level", cv=GroupKFold(4)).fit(
            X, y, groups=groups
        )
        by_hand = model(
            Memory(),
            chain="proba",
            strategy="per_level",
            cv=list(GroupKFold(4).split(X, y, groups)),
        ).fit(X, y)
    assert_array_equal(grouped.estimators_["level:3"].X_, by_hand.estimators_["level:3"].X_)


def test_rows_of_weight_zero_are_in_no_fold():
    X, y = data()
    weights = np.ones(120)
    weights[::5] = 0
    kept = weights > 0
    fitted = model(chain="proba", routing="predicted").fit(X, y, weights)
    alone = model(chain="proba", routing="predicted").fit(X[kept], y[kept])
    assert_allclose(fitted.predict_proba(X), alone.predict_proba(X))


def test_only_partitions_are_folds():
    X, y = data()
    with pytest.raises(ValueError, match="in no test part or in several"):
        model(chain="proba", cv=ShuffleSplit(3, random_state=0)).fit(X, y)


def test_classes_in_one_fold_are_reported():
    X, y = data(40, labels=np.array([*"abcd"]))
    y[7] = "e"
    with pytest.warns(RareClassWarning, match="1 node.*: 'B'"):
        fitted = model(Memory(), strategy=PerNode(), chain="proba").fit(X, y)
    assert fitted.score(X, y) > 0.5


def test_folds_are_shared_with_what_else_is_learnt():
    X, y = data()
    fitted = model(chain="proba", strategy=PerLevel(beta="oof")).fit(X, y)
    assert fitted.strategy_.beta > 0
    assert fitted.predict_proba(X).shape == (120, 6)


# -- what does not go together -------------------------------------------------------------


def test_refusals():
    X, y = data()
    for params, error, match in [
        (
            {"chain": "proba", "strategy": "flat"},
            IncompatiblePartsError,
            "models above each other",
        ),
        ({"chain": "probability"}, ValueError, "'proba', 'log_proba'"),
        ({"chain": Chain(see="sibling")}, ValueError, "`see` must be one of"),
        ({"chain": Chain(scale=0)}, ValueError, "`scale` must be a finite number above 0"),
        ({"routing": "all"}, ValueError, "`routing` must be a Routing object or one of"),
        *(
            ({"routing": "weight", "strategy": name}, IncompatiblePartsError, "routing='filter'")
            for name in ("per_level", "ensemble")
        ),
        ({"chain": "decision"}, IncompatiblePartsError, "decision_function"),
        ({"chain": "proba", "estimator": LinearSVC()}, IncompatiblePartsError, "predict_proba"),
        (
            {"routing": "weight", "estimator": KNeighborsClassifier()},
            IncompatiblePartsError,
            "sample_weight",
        ),
    ]:
        with pytest.raises(error, match=match):
            model().set_params(**params).fit(X, y)
    for params in ({"chain": "proba"}, {"routing": Everywhere()}):
        with pytest.raises(AttributeError) as found:
            model(**params).partial_fit(X, y)
        assert "Use fit" in str(found.value.__cause__)


@pytest.mark.parametrize("taken", [["proba_0", "_proba_1"], [3, 0], [7, 2]])
def test_appended_columns_have_names_of_their_own(taken):
    X, y = data()
    frame = pd.DataFrame(X[:, :2], columns=taken)
    fitted = model(chain="proba").fit(frame, y)
    assert_allclose(
        fitted.predict_proba(frame),
        model(chain="proba").fit(X[:, :2], y).predict_proba(X[:, :2]),
    )


def named_root():
    pairs = [("root", "A"), ("root", "B"), ("A", "A1"), ("A", "A2"), ("B", "B1")]
    leaves = [("A1", "a"), ("A1", "b"), ("A2", "c"), ("A2", "d"), ("B1", "e"), ("B1", "f")]
    return Taxonomy.from_edges([*pairs, *leaves])


def test_margins_can_be_chained():
    X, y = data()
    fitted = model(LinearSVC(random_state=0), chain="decision").fit(X, y)
    assert fitted.score(X, y) > 0.4


# -- a scikit-learn citizen ---------------------------------------------------------------


@pytest.mark.few(2)
@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "per_level", "ensemble"])
def test_deterministic_whatever_the_number_of_jobs(strategy):
    X, y = data()
    base = DecisionTreeClassifier(max_depth=3)
    one = model(base, strategy=strategy, chain="proba", random_state=0).fit(X, y)
    two = model(base, strategy=strategy, chain="proba", random_state=0, n_jobs=2).fit(X, y)
    assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_one_level_has_nothing_above():
    X, y = data()
    chained = HierarchicalClassifier(GaussianNB(), chain="proba", routing="predicted").fit(X, y)
    assert_allclose(chained.predict_proba(X), GaussianNB().fit(X, y).predict_proba(X))


def test_an_ensemble_chains_within_its_members():
    X, y = data()
    members = [PerParent(), PerLevel()]
    both = model(strategy=Ensemble(members), chain="proba").fit(X, y)
    apart = [model(strategy=member, chain="proba").fit(X, y) for member in members]
    mean = np.mean([one.predict_node_proba(X) for one in apart], axis=0)
    assert_allclose(both.predict_node_proba(X), mean)


def test_searches_and_clones():
    X, y = data()
    search = GridSearchCV(
        model(chain=Chain()),
        {"chain": [None, "proba"], "routing": ["filter", "predicted"]},
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    within = model(chain=Chain()).set_params(chain__see="parent")
    assert within.chain.see == "parent"
    assert clone(within).chain.see == "parent"
    assert resolve_chain("log_proba").output == "log_proba"


def test_seconds_of_the_folds_are_reported():
    X, y = data()
    report = model(chain="proba").fit(X, y).fit_report_
    assert (report["seconds"][report["n_outcomes"] > 1] > 0).all()


# -- several labels -----------------------------------------------------------------------

DAG = Taxonomy.from_edges(
    [("root", "p"), ("root", "q"), ("p", "x"), ("q", "x"), ("q", "y"), ("x", "z"), ("p", "w")]
)


def sets(taxonomy, n_rows=120, seed=0):
    rng = np.random.default_rng(seed)
    leaves = [taxonomy.nodes[i] for i in taxonomy.leaf_ids]
    labels = [
        set(rng.choice(leaves, size=rng.integers(1, 3), replace=False)) for _ in range(n_rows)
    ]
    Y = taxonomy.binarize(labels).toarray()
    return Y @ rng.normal(size=(Y.shape[1], 5)) + rng.normal(size=(n_rows, 5)), labels, Y


@pytest.mark.few(2)
@pytest.mark.parametrize("taxonomy", [DEEP, DAG], ids=["tree", "DAG"])
@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "per_level"])
@pytest.mark.parametrize("base", [GaussianNB(), KNeighborsClassifier(3)], ids=["single", "joint"])
def test_label_sets_are_chained(taxonomy, strategy, base):
    X, labels, _ = sets(taxonomy)
    fitted = HierarchicalMultiLabelClassifier(
        base, taxonomy=taxonomy, strategy=strategy, chain="proba"
    ).fit(X, labels)
    proba = fitted.predict_node_proba(X)
    assert (proba[:, taxonomy.edge_children] <= proba[:, taxonomy.edge_parents] + 1e-12).all()
    widths = {key: e.n_features_in_ for key, e in fitted.estimators_.items()}
    assert min(widths.values()) == X.shape[1] < max(widths.values())
    assert_allclose(fitted.predict_node_proba(X[:1]), proba[:1], atol=1e-12)


def test_label_sets_see_held_out_outputs_of_all_parents():
    X, labels, Y = sets(DAG)
    fitted = HierarchicalMultiLabelClassifier(
        Witness(),
        taxonomy=DAG,
        strategy="per_level",
        decoder=SetThreshold(0.5),
        chain="proba",
        cv=KFold(3),
    ).fit(X, labels)
    columns = []
    for name in ("p", "q"):
        truth = Y[:, DAG.id(name) - 1]
        column = np.zeros(len(X))
        for train, test in KFold(3).split(X):
            column[test] = GaussianNB().fit(X[train], truth[train]).predict_proba(X[test])[:, 1]
        columns.append(column)
    seen = fitted.estimators_["x"].seen_[0]
    assert_allclose(seen, np.column_stack([X, *columns]))


class WitnessTree(DecisionTreeClassifier):
    """A tree of several outputs that remembers what it was fitted to."""

    def fit(self, X, y, sample_weight=None):
        self.seen_ = X
        return super().fit(X, y, sample_weight)


def test_what_a_fold_cannot_learn_of_several_outputs_is_shown_as_a_constant():
    X, _ = noise(90)
    below_a = [{"a", "c"}, {"b", "d"}, {"a"}, {"b"}, {"c"}, {"d"}] * 5
    labels = [*below_a, *[{"e"}, {"f"}] * 15, *[{"B"}, set()] * 15]
    estimator = HierarchicalMultiLabelClassifier(
        WitnessTree(random_state=0),
        taxonomy=DEEP,
        decoder=SetThreshold(0.5),
        chain="proba",
        cv=KFold(3),
    )
    with pytest.warns(RareClassWarning, match="'B1'"):
        fitted = estimator.fit(X, labels)
    # The first fold knows no row of A, and so nothing of what is below it.
    in_b = WitnessTree(random_state=0).fit(X[30:], [len(row) > 0 for row in labels[30:]])
    at_b = in_b.predict_proba(X[:30])[:, 1]
    for key, names in (("A1", "ab"), ("A2", "cd")):
        rows = [i for i, row in enumerate(labels[:30]) if row & set(names)]
        shown = np.column_stack([at_b, np.full(30, 0.5)])  # of two outcomes the second
        seen = fitted.estimators_["children", key].seen_
        assert_array_equal(seen, np.hstack([X[:30], shown])[rows])


def test_label_sets_refuse_what_they_cannot_chain():
    X, labels, _ = sets(DEEP)
    with pytest.raises(IncompatiblePartsError, match="models above each other"):
        HierarchicalMultiLabelClassifier(
            GaussianNB(), taxonomy=DEEP, strategy="flat", chain="proba"
        ).fit(X, labels)
    fixed = HierarchicalMultiLabelClassifier(GaussianNB(), decoder=SetThreshold(0.5))
    assert hasattr(fixed, "partial_fit")
    assert not hasattr(fixed.set_params(chain="proba"), "partial_fit")
