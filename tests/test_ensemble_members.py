"""Pools whose members have base estimators of their own, or are joint models."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier.datasets import make_hierarchical_classification
from sklhier.exceptions import IncompatiblePartsError
from sklhier.objectives import LBFGS
from sklhier.persistence import trusted_types
from sklhier.strategies import Auto, Ensemble, PerLevel, PerParent

X, Y, TREE = make_hierarchical_classification(
    120, 5, branching=(3, 2), class_sep=0.8, random_state=0
)
SETS = [[a, b] for a, b in zip(Y, np.roll(Y, 1), strict=True)]
KNN = KNeighborsClassifier(9)
JOINT = MultiHeadClassifier(alpha=0.01)
JOINT_SETS = MultiHeadMultiLabelClassifier(alpha=0.05, solver=LBFGS(max_iter=2000))
BASE = GaussianNB()


def paths(members, base=BASE, weights=None, pool="linear", **params):
    strategy = Ensemble(members, weights=weights, pool=pool)
    return HierarchicalClassifier(base, taxonomy=TREE, strategy=strategy, cv=KFold(3), **params)


def sets(members, base=BASE, weights=None, pool="linear", **params):
    strategy = Ensemble(members, weights=weights, pool=pool)
    return HierarchicalMultiLabelClassifier(
        base, taxonomy=TREE, strategy=strategy, cv=KFold(3), **params
    )


def alone(base, strategy="flat"):
    return HierarchicalClassifier(base, taxonomy=TREE, strategy=strategy).fit(X, Y)


@pytest.mark.parametrize("strategy", ["flat", "per_parent", PerLevel(0.8)])
def test_a_pair_is_that_strategy_with_that_base(strategy):
    pool = paths(["per_parent", (strategy, KNN)]).fit(X, Y)
    parts = [alone(BASE, "per_parent"), alone(KNN, strategy)]
    mean = np.mean([part.predict_node_proba(X) for part in parts], axis=0)
    assert_allclose(pool.predict_node_proba(X), mean, atol=1e-12)
    kinds = {name[0]: type(model).__name__ for name, model in pool.estimators_.items()}
    assert kinds == {0: "GaussianNB", 1: "KNeighborsClassifier"}


def test_estimators_of_nodes_are_for_members_without_their_own():
    others = {"n1": LogisticRegression()}
    members = ["per_parent", ("per_parent", KNN)]
    model = paths(members, node_estimators=others).fit(X, Y)
    kinds = [type(model.estimators_[member, "n1"]).__name__ for member in (0, 1)]
    assert kinds == ["LogisticRegression", "KNeighborsClassifier"]


def test_an_estimator_alone_is_fitted_to_all_classes():
    own, pair = (
        paths([KNN, "per_parent"]).fit(X, Y),
        paths([("flat", KNN), "per_parent"]).fit(X, Y),
    )
    assert_array_equal(own.predict_node_proba(X), pair.predict_node_proba(X))


def bare(model):
    return model


def piped(model):
    return make_pipeline(make_pipeline(StandardScaler(), model))


def test_a_search_of_a_joint_model_gives_it_the_taxonomy():
    search = GridSearchCV(piped(JOINT), {}, cv=KFold(3))
    pool = paths([search, "per_parent"], weights=[1, 0]).fit(X, Y)
    plain = paths([piped(JOINT), "per_parent"], weights=[1, 0]).fit(X, Y)
    assert_allclose(pool.predict_node_proba(X), plain.predict_node_proba(X), atol=1e-12)


@pytest.mark.parametrize("wrap", [bare, piped])
@pytest.mark.parametrize("given", [None, TREE])
def test_a_joint_model_is_that_model(given, wrap):
    joint = wrap(clone(JOINT).set_params(taxonomy=given))
    pool = paths([joint, "per_parent"], weights=[1, 0]).fit(X, Y)
    Z = X if wrap is bare else StandardScaler().fit_transform(X)
    own = clone(JOINT).set_params(taxonomy=TREE).fit(Z, Y)
    assert_allclose(pool.predict_node_proba(X), own.predict_node_proba(Z), atol=1e-6)
    assert_array_equal(pool.predict(X), own.predict(Z))


def test_a_joint_model_knows_labels_that_are_inner_nodes():
    inner = np.where(np.arange(len(Y)) % 5 == 0, np.array([TREE.path(y)[0] for y in Y]), Y)
    members = [JOINT, PerParent(stop="learn")]
    pool = paths(members, weights=[1, 0]).fit(X, inner)
    own = clone(JOINT).set_params(taxonomy=TREE).fit(X, inner)
    assert_allclose(pool.predict_node_proba(X), own.predict_node_proba(X), atol=1e-6)
    assert_allclose(pool.predict_proba(X), own.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("wrap", [bare, piped])
def test_a_joint_model_of_label_sets_is_that_model(wrap):
    members = [wrap(JOINT_SETS), "per_parent"]
    pool = sets(members, weights=[1, 0], decoder="top_labels").fit(X, SETS)
    own = clone(JOINT_SETS).set_params(taxonomy=TREE)
    Z = X if wrap is bare else StandardScaler().fit_transform(X)
    expected = own.fit(Z, SETS).predict_node_proba(Z)
    assert_allclose(pool.predict_node_proba(X), expected, atol=1e-5)


def test_members_without_an_error_share_alike():
    X = np.repeat(np.eye(4), 6, axis=0)
    y = np.repeat(list("bcef"), 6)
    members = [("flat", KNeighborsClassifier(1)), ("per_parent", KNeighborsClassifier(1))]
    pool = Ensemble([*members, ("per_level", KNeighborsClassifier(1))], weights="oof")
    model = HierarchicalClassifier(
        taxonomy=Taxonomy.from_dict({"a": ["b", "c"], "d": ["e", "f"]}), strategy=pool
    )
    model.set_params(cv=StratifiedKFold(3)).fit(X, y)
    assert_allclose(model.strategy_.weights, [1 / 3] * 3)


@pytest.mark.parametrize("pool", ["linear", "log"])
def test_weights_are_learnt_for_all_kinds(pool):
    """Noise gets nothing, has no models, and is not fitted to all rows."""
    noise = Counting()
    Counting.n_fits = 0
    model = paths([("flat", noise), JOINT, ("per_parent", KNN), "flat"], weights="oof", pool=pool)
    model.fit(X, Y)
    weights = model.strategy_.weights
    assert weights[0] == 0
    assert weights[1:].sum() > 0.5
    assert Counting.n_fits == 3
    kept = {name[0] for name in model.estimators_}
    assert len(kept) == np.count_nonzero(weights)
    assert isinstance(model.strategy_.members[2], tuple)


@pytest.mark.parametrize("pool", ["linear", "log"])
def test_weights_of_label_sets_are_learnt_for_all_kinds(pool):
    model = sets([("flat", Counting()), JOINT_SETS, ("per_parent", KNN)], weights="oof", pool=pool)
    model.fit(X, SETS)
    assert model.strategy_.weights[1:].sum() > model.strategy_.weights[0]
    assert model.predict_node_proba(X).shape == (len(X), TREE.n_nodes)


class Counting(GaussianNB):
    """Counts its fits; learns from noise alone."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        Counting.n_fits += 1
        return super().fit(self._noise(X), y, sample_weight)

    def predict_proba(self, X):
        return super().predict_proba(self._noise(X))

    def _noise(self, X):
        return np.sin(1e4 * X)


def test_auto_compares_pools_of_members():
    pool = Ensemble([("flat", KNN), JOINT], weights="oof")
    model = HierarchicalClassifier(
        LogisticRegression(), taxonomy=TREE, strategy=Auto(["per_parent", pool]), cv=3
    ).fit(X, Y)
    assert len(model.selection_report_) == 2
    assert "KNeighborsClassifier" in model.selection_report_["strategy"][1]


def test_what_members_can_do_counts():
    assert hasattr(paths(["flat"]), "predict_proba")
    assert not hasattr(paths([("flat", LinearSVC()), "flat"]), "predict_proba")
    assert hasattr(paths([("flat", LinearSVC()), "flat"], calibration="sigmoid"), "predict_proba")
    weights = np.ones(len(X))
    with pytest.raises(IncompatiblePartsError, match="KNeighborsClassifier"):
        paths([("flat", KNN), "flat"]).fit(X, Y, sample_weight=weights)
    with config_context(enable_metadata_routing=True):
        base = GaussianNB().set_fit_request(sample_weight=True)
        members = [("flat", GaussianNB(var_smoothing=0.1).set_fit_request(sample_weight=True))]
        heavy = np.where(np.arange(len(X)) < 60, 1.0, 50.0)
        model = paths(members, base).fit(X, Y, sample_weight=heavy)
        plain = paths(members, base).fit(X, Y)
        assert np.abs(model.predict_proba(X) - plain.predict_proba(X)).max() > 1e-3


def test_batches_reach_the_base_of_each_member():
    members = ["flat", ("flat", GaussianNB(var_smoothing=1.0))]
    in_batches = paths(members).partial_fit(X[:60], Y[:60]).partial_fit(X[60:], Y[60:])
    smoothings = [model.var_smoothing for model in in_batches.estimators_.values()]
    assert smoothings == [1e-9, 1.0]
    assert not hasattr(paths(["flat", JOINT]), "partial_fit")
    several = sets(members, decoder="top_labels").partial_fit(X, SETS)
    assert {model.var_smoothing for model in several.estimators_.values()} == {1e-9, 1.0}


@pytest.mark.parametrize("first", [True, False])
def test_members_that_print_alike_get_what_each_requests(first):
    weights = np.linspace(0.1, 3, len(Y)) ** 3
    with config_context(enable_metadata_routing=True):
        bases = [LogisticRegression().set_fit_request(sample_weight=w) for w in (first, not first)]
        base = GaussianNB().set_fit_request(sample_weight=True)
        members = list(zip(["flat", "per_parent"], bases, strict=True))
        pool = paths(members, base).fit(X, Y, sample_weight=weights)
    mean = 0
    for (strategy, _), is_weighted in zip(members, (first, not first), strict=True):
        part = HierarchicalClassifier(LogisticRegression(), taxonomy=TREE, strategy=strategy)
        part.fit(X, Y, sample_weight=weights if is_weighted else None)
        mean += part.predict_node_proba(X) / 2
    assert_allclose(pool.predict_node_proba(X), mean, atol=1e-12)


def test_clones_searches_and_files():
    members = [("flat", KNN), JOINT, "per_parent"]
    grid = {"strategy__members": [members, ["flat", "per_parent"]]}
    search = GridSearchCV(paths(members), grid, cv=KFold(2)).fit(X, Y)
    assert search.best_score_ > 0.5
    model = clone(paths(members)).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    io = pytest.importorskip("skops.io")
    loaded = io.loads(io.dumps(model), trusted=trusted_types(model))
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("members", "error", "match"),
    [
        ([("flat", "per_parent", KNN)], ValueError, "pairs"),
        ([("nothing", KNN)], ValueError, "nothing"),
        ([("flat", Ridge())], IncompatiblePartsError, "Ridge"),
        ([("flat", KNeighborsClassifier)], TypeError, "Call it"),
        ([("ensemble", KNN)], ValueError, "single strategy"),
        ([(Ensemble(["flat"], weights="oof"), KNN)], ValueError, "single strategy"),
    ],
)
@pytest.mark.parametrize("kind", [paths, sets])
def test_other_members_are_refused(kind, members, error, match):
    with pytest.raises(error, match=match):
        kind(members).fit(X, Y if kind is paths else SETS)


def test_a_joint_model_of_paths_is_refused_for_label_sets():
    with pytest.raises(IncompatiblePartsError, match="MultiHeadMultiLabelClassifier"):
        sets([JOINT]).fit(X, SETS)


@pytest.mark.parametrize(("kind", "joint"), [(paths, JOINT), (sets, JOINT_SETS)])
def test_candidates_may_be_estimators_and_pairs(kind, joint):
    y = Y if kind is paths else SETS
    candidates = ["flat", joint, ("per_parent", KNN)]
    best = [kind([candidate]).fit(X, y) for candidate in candidates]
    for wanted, model in enumerate(best):
        answers = iter(np.arange(3) == wanted)
        auto = Auto(candidates, scoring=lambda *_, scores=answers, **__: float(next(scores)))
        chosen = kind([]).set_params(strategy=auto).fit(X, y)
        assert_array_equal(chosen.selection_report_["chosen"], np.arange(3) == wanted)
        assert_allclose(chosen.predict_node_proba(X), model.predict_node_proba(X), atol=1e-12)


@pytest.mark.parametrize(
    ("candidate", "error", "match"),
    [
        (7, ValueError, "Strategy object"),
        (KNeighborsClassifier, TypeError, "Call it"),
        ((1,), ValueError, "pair"),
    ],
)
def test_other_candidates_are_refused(candidate, error, match):
    with pytest.raises(error, match=match):
        paths([]).set_params(strategy=Auto(["flat", candidate])).fit(X, Y)
