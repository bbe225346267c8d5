"""Boosting and resampling of other packages at the nodes, with what they are told of classes."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from generators import features
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.decoders import SetThreshold
from sklhier.exceptions import IncompatiblePartsError, LocalFitError

# Integer names that are other codes at the nodes.
TREE = Taxonomy.from_dict({10: [2, 0], 20: [1, 3, 4]})
NAMES = {2: "x <1>", 0: 'y "2"', 1: "u: [3]", 3: "v, {4}", 4: "w"}
NAMED = Taxonomy.from_dict({"a <b>": ["x <1>", 'y "2"'], "c: d": ["u: [3]", "v, {4}", "w"]})
Y = np.resize([2, 0, 1, 3, 4], 150)
X = features(Y, 0) + np.random.RandomState(1).normal(0, 1.5, (150, 4))
XV = features(Y, 0) + np.random.RandomState(2).normal(0, 1.5, (150, 4))
ROUNDS = 200


def xgboost(**params):
    package = pytest.importorskip("xgboost")
    params = {"n_estimators": ROUNDS, "n_jobs": 1, "max_depth": 2, "random_state": 0} | params
    return package.XGBClassifier(**params)


def lightgbm(**params):
    package = pytest.importorskip("lightgbm")
    params = {"n_estimators": ROUNDS, "n_jobs": 1, "num_leaves": 4, "verbose": -1} | params
    return package.LGBMClassifier(min_child_samples=5, random_state=0, **params)


def catboost(**params):
    package = pytest.importorskip("catboost")
    params = {"iterations": ROUNDS, "thread_count": 1, "depth": 2, "verbose": 0} | params
    return package.CatBoostClassifier(allow_writing_files=False, **params)


def fit_params(kind, weights=None):
    """Return a base estimator that stops early, the parameters of its fit, and how it tells when."""
    if kind == "xgboost":
        base = xgboost(early_stopping_rounds=5)
        return base, {"eval_set": [(XV, Y)], "verbose": False}, lambda model: model.best_iteration
    if kind == "lightgbm":
        base = lightgbm()
        stops = pytest.importorskip("lightgbm").early_stopping(5, verbose=False)
        params = {"eval_X": XV, "eval_y": Y, "callbacks": [stops]}
        return base, params, lambda model: model.best_iteration_
    base = catboost(early_stopping_rounds=5)
    return base, {"eval_set": (XV, Y)}, lambda model: model.get_best_iteration()


def requested(base, params):
    """Return the estimator with requests for parameters; CatBoost knows none, and gets all."""
    return base.set_fit_request(**dict.fromkeys(params, True)) if kind_of(base) else base


def kind_of(base):
    return hasattr(base, "set_fit_request")


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", ["xgboost", "lightgbm", "catboost"])
def test_early_stopping_by_a_validation_set(kind):
    base, params, stopped = fit_params(kind)
    with sklearn.config_context(enable_metadata_routing=True):
        model = HierarchicalClassifier(requested(base, params), taxonomy=TREE)
        model.fit(X, Y, **params)
    # By hand: the rows of the node, in the order of its children.
    rows, codes = np.isin(Y, [1, 3, 4]), {1: 0, 3: 1, 4: 2}
    own = np.array([codes[label] for label in Y[rows].tolist()])
    alone, by_hand, _ = fit_params(kind)
    if "eval_X" in by_hand:
        by_hand |= {"eval_X": XV[rows], "eval_y": own}
    else:
        pair = (XV[rows], own)
        by_hand["eval_set"] = pair if kind == "catboost" else [pair]
    alone.fit(X[rows], own, **by_hand)
    found = model.estimators_[20]
    assert stopped(found) == stopped(alone) < ROUNDS - 1
    assert_allclose(found.predict_proba(XV), alone.predict_proba(XV), atol=1e-6)
    assert all(stopped(local) < ROUNDS - 1 for local in model.estimators_.values())


@pytest.mark.parametrize("kind", ["xgboost", "catboost"])
def test_early_stopping_of_label_sets(kind):
    base, params, stopped = fit_params(kind)
    sets = [[label] for label in Y.tolist()]
    pair = (XV, sets)
    params["eval_set"] = pair if kind == "catboost" else [pair]
    with sklearn.config_context(enable_metadata_routing=True):
        model = HierarchicalMultiLabelClassifier(
            requested(base, params), taxonomy=TREE, decoder=SetThreshold(0.5)
        ).fit(X, sets, **params)
    assert all(stopped(local) < ROUNDS - 1 for local in model.estimators_.values())


def test_weights_of_a_validation_set():
    base = xgboost(n_estimators=5, early_stopping_rounds=3)
    weights = np.linspace(0.1, 3, len(Y))
    params = {
        "eval_set": [(X, Y), (XV, Y)],
        "sample_weight_eval_set": [None, weights],
        "verbose": False,
    }
    rows = np.isin(Y, [2, 0])
    own = (Y[rows] == 0).astype(int)
    alone = clone(base).fit(
        X[rows],
        own,
        eval_set=[(X[rows], own), (XV[rows], own)],
        sample_weight_eval_set=[None, weights[rows]],
        verbose=False,
    )
    with sklearn.config_context(enable_metadata_routing=True):
        model = HierarchicalClassifier(requested(base, params), taxonomy=TREE)
        model.fit(X, Y, **params)
    assert model.estimators_[10].evals_result() == alone.evals_result()


def test_a_node_without_validation_rows_is_not_stopped():
    base, params, stopped = fit_params("xgboost")
    upper = np.isin(Y, [2, 0])
    params["eval_set"] = [(XV[upper], Y[upper])]
    with sklearn.config_context(enable_metadata_routing=True):
        model = HierarchicalClassifier(requested(base, params), taxonomy=TREE)
        with pytest.warns(UserWarning, match=r"have no row in a validation set: 20"):
            model.fit(X, Y, **params)
    report = dict(zip(model.fit_report_["node"], model.fit_report_["fitted"], strict=True))
    assert report[20] == "XGBClassifier: no validation rows"
    assert stopped(model.estimators_[20]) > 100 > stopped(model.estimators_[10])


# -- names of columns ---------------------------------------------------------------------


@pytest.mark.few(3)
@pytest.mark.parametrize("make", [xgboost, lightgbm], ids=["xgboost", "lightgbm"])
@pytest.mark.parametrize("chain", ["proba", "log_proba"])
def test_chains_with_frames_and_names_that_boosting_refuses(make, chain):
    y = np.array([NAMES[label] for label in Y.tolist()])
    frame = pd.DataFrame(X, columns=["one", "two", "proba_0", "log_proba_1"])
    base = make(n_estimators=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # LightGBM, asked about arrays
        model = HierarchicalClassifier(base, taxonomy=NAMED, chain=chain, cv=2).fit(frame, y)
        by_array = HierarchicalClassifier(base, taxonomy=NAMED, chain=chain, cv=2).fit(X, y)
        found, expected = model.predict_proba(frame), by_array.predict_proba(X)
    assert_allclose(found, expected, atol=1e-6)


# -- classes ------------------------------------------------------------------------------

WEIGHTS = {2: 1.0, 0: 4.0, 1: 1.0, 3: 2.0, 4: 8.0}


def test_weights_of_classes_in_lightgbm():
    model = HierarchicalClassifier(lightgbm(n_estimators=3, class_weight=WEIGHTS), taxonomy=TREE)
    model.fit(X, Y)
    assert model.estimators_[20].class_weight == {0: 1.0, 1: 2.0, 2: 8.0}
    rows = np.isin(Y, [1, 3, 4])
    codes = np.searchsorted([1, 3, 4], Y[rows])
    alone = lightgbm(n_estimators=3, class_weight={0: 1.0, 1: 2.0, 2: 8.0}).fit(X[rows], codes)
    assert_allclose(model.estimators_[20].predict_proba(X), alone.predict_proba(X))


def test_weights_of_classes_in_catboost():
    base = catboost(iterations=3, class_weights=WEIGHTS, random_seed=3)
    model = HierarchicalClassifier(base, taxonomy=TREE).fit(X, Y)
    found = model.estimators_[20].get_params()
    assert found["class_weights"] == {0: 1.0, 1: 2.0, 2: 8.0}
    assert found["random_seed"] == 3
    listed = catboost(iterations=3, class_weights=[1, 2])
    with pytest.raises(IncompatiblePartsError, match="weights by position"):
        HierarchicalClassifier(listed, taxonomy=TREE).fit(X, Y)


@pytest.mark.parametrize("make", [xgboost, lightgbm], ids=["xgboost", "lightgbm"])
def test_the_weight_of_the_positive_class(make):
    base = make(n_estimators=2, scale_pos_weight=3.0)
    with pytest.raises(
        IncompatiblePartsError, match="weights the class 1, which is not a fixed node"
    ):
        HierarchicalClassifier(base, taxonomy=TREE).fit(X, Y)
    model = HierarchicalClassifier(base, taxonomy=TREE, strategy="per_node").fit(X, Y)
    assert {local.scale_pos_weight for local in model.estimators_.values()} == {3.0}


def test_random_seed_of_catboost():
    pairs = []
    for base in (catboost(iterations=2), catboost(iterations=2, random_seed=5)):
        model = HierarchicalClassifier(base, taxonomy=TREE, random_state=0).fit(X, Y)
        pairs.append({n: m.get_params()["random_seed"] for n, m in model.estimators_.items()})
    assert pairs[0] == pairs[1]
    assert len(set(pairs[0].values())) == 3


# -- resampling ---------------------------------------------------------------------------

UNEVEN = np.concatenate([Y, np.repeat([2, 1], 40)])
X_UNEVEN = np.concatenate([X, features(np.repeat([2, 1], 40), 5)])


def resampled(sampler, base=None):
    package = pytest.importorskip("imblearn")
    return package.pipeline.make_pipeline(sampler, GaussianNB() if base is None else base)


def test_resampling_in_names_of_outcomes():
    over = pytest.importorskip("imblearn.over_sampling")
    flat = resampled(over.RandomOverSampler(sampling_strategy={0: 60, 4: 90}, random_state=0))
    model = HierarchicalClassifier(flat, taxonomy=TREE, strategy="flat").fit(X_UNEVEN, UNEVEN)
    assert model.estimators_[TREE.nodes[0]][0].sampling_strategy_ == {0: 30, 4: 60}
    at_node = {20: resampled(over.RandomOverSampler(sampling_strategy={4: 90}, random_state=0))}
    model = HierarchicalClassifier(GaussianNB(), taxonomy=TREE, node_estimators=at_node)
    assert model.fit(X_UNEVEN, UNEVEN).estimators_[20][0].sampling_strategy_ == {2: 60}
    with pytest.raises(
        IncompatiblePartsError, match=r"names 0, which is not an outcome .*`node_estim"
    ):
        HierarchicalClassifier(flat, taxonomy=TREE).fit(X_UNEVEN, UNEVEN)
    under = pytest.importorskip("imblearn.under_sampling")
    some = resampled(under.EditedNearestNeighbours(sampling_strategy=[1]))
    model.set_params(node_estimators={20: some}).fit(X_UNEVEN, UNEVEN)
    assert list(model.estimators_[20][0].sampling_strategy_) == [0]
    auto = resampled(over.RandomOverSampler(random_state=0))
    assert HierarchicalClassifier(auto, taxonomy=TREE).fit(X_UNEVEN, UNEVEN).estimators_


def test_neighbours_of_smote():
    over = pytest.importorskip("imblearn.over_sampling")
    keep = np.flatnonzero(Y != 4)
    rows = np.concatenate([keep, np.flatnonzero(Y == 4)[:5]])  # SMOTE wants 6
    base = resampled(over.SMOTE(random_state=0))
    with pytest.raises(LocalFitError, match="node 20"):
        HierarchicalClassifier(base, taxonomy=TREE).fit(X[rows], Y[rows])
    model = HierarchicalClassifier(base, taxonomy=TREE, small_nodes=GaussianNB())
    model.fit(X[rows], Y[rows])
    assert isinstance(model.estimators_[20], GaussianNB)
    assert not isinstance(model.estimators_[10], GaussianNB)


@pytest.mark.few(2)
@pytest.mark.parametrize("make", [xgboost, lightgbm, catboost])
def test_without_anything_special(make):
    few = {"iterations": 3} if make is catboost else {"n_estimators": 3}
    base = make(**few)
    model = HierarchicalClassifier(base, taxonomy=TREE, random_state=0).fit(X, Y)
    assert model.score(X, Y) > 0.5
    assert_array_equal(clone(model).fit(X, Y).predict(X), model.predict(X))
    if make is not catboost:
        within = make_pipeline(StandardScaler(), base)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            assert HierarchicalClassifier(within, taxonomy=TREE).fit(X, Y).score(X, Y) > 0.5
