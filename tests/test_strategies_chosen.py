"""Pools with weights, given or learnt, and the strategy that is chosen by held-out predictions."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, log_softmax, softmax
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    Taxonomy,
)
from sklhier._classifiers.choosing import _best as best_of
from sklhier._classifiers.choosing import compared_rows, strata_of_sets
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import RiskControl, SetThreshold
from sklhier.exceptions import IncompatiblePartsError
from sklhier.metrics import hierarchical_f1_score
from sklhier.persistence import trusted_types
from sklhier.strategies import AnswerMarginals, Auto, Ensemble, Flat, PerLevel, PerNode, PerParent
from sklhier.strategies._pools import learner_of, log_odds, smoothed_logs

X, Y, TREE = make_hierarchical_classification(
    150, 5, branching=(3, 2), class_sep=0.7, random_state=0
)
SETS = [[a, b] for a, b in zip(Y, np.roll(Y, 1), strict=True)]
FOLDS = KFold(3)
LIKELY = ["flat", "per_parent", PerLevel(0.8)]


def fitted(strategy, base=None, **params):
    base = GaussianNB() if base is None else base
    return HierarchicalClassifier(base, taxonomy=TREE, strategy=strategy, cv=FOLDS, **params).fit(
        X, Y
    )


def fitted_sets(strategy, **params):
    return HierarchicalMultiLabelClassifier(
        GaussianNB(), taxonomy=TREE, strategy=strategy, cv=FOLDS, **params
    ).fit(X, SETS)


class Counting(GaussianNB):
    """GaussianNB that counts its fits."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        Counting.n_fits += 1
        return super().fit(X, y, sample_weight)


def n_fits(strategy, **params):
    Counting.n_fits = 0
    model = fitted(strategy, Counting(), **params)
    return Counting.n_fits, model


def four_clusters(n_each=30):
    random = np.random.RandomState(0)
    X = np.repeat([0.0, 3.0, 6.0, 9.0], n_each) + random.normal(0, 0.5, 4 * n_each)
    return X[:, None], np.repeat(["a", "b", "c", "d"], n_each)


MISLEADING = Taxonomy.from_dict({"A": ["a", "c"], "B": ["b", "d"]})
FITTING = Taxonomy.from_dict({"A": ["a", "b"], "B": ["c", "d"]})

# -- given weights ------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("weights", [[1, 0, 3], (0.0, 2.0, 0.0), np.array([1, 1, 1])], ids=repr)
def test_given_weights_are_those_of_a_mean(weights):
    model = fitted(Ensemble(LIKELY, weights=weights))
    wanted = np.average(
        [fitted(member).predict_node_proba(X) for member in LIKELY], axis=0, weights=weights
    )
    assert_allclose(model.predict_node_proba(X), wanted, atol=1e-14)
    assert {member for member, _ in model.estimators_} == set(range(np.count_nonzero(weights)))
    sets = fitted_sets(Ensemble(["flat", "per_parent", "per_node"], weights=weights))
    tables = [fitted_sets(m).predict_node_proba(X) for m in ("flat", "per_parent", "per_node")]
    assert_allclose(sets.predict_node_proba(X), np.average(tables, axis=0, weights=weights))


@pytest.mark.few(1)
@pytest.mark.parametrize("weights", [None, [0.5, 0, 2.5]])
def test_a_log_pool_multiplies_powers_of_answers(weights):
    powers = np.full(3, 1 / 3) if weights is None else weights
    model = fitted(Ensemble(LIKELY, weights=weights, pool="log"))
    tables = [fitted(member).predict_proba(X) for member in LIKELY]
    logs = [np.log(0.99 * table + 0.01 / table.shape[1]) for table in tables]
    assert_allclose(model.predict_proba(X), softmax(np.tensordot(powers, logs, 1), axis=1))
    sets = fitted_sets(Ensemble(["flat", "per_parent", "per_node"], weights=weights, pool="log"))
    tables = [fitted_sets(m).predict_node_proba(X) for m in ("flat", "per_parent", "per_node")]
    odds = [log_odds(table) for table in tables]
    found = sets.predict_node_proba(X)
    assert_allclose(found[:, 1:], expit(np.tensordot(powers, odds, 1))[:, 1:])
    assert (found[:, 0] == 1).all()
    assert (found[:, TREE.edge_children] <= found[:, TREE.edge_parents] + 1e-15).all()


def test_a_member_that_says_nothing_is_possible_has_no_veto():
    proba = np.array([[1.0, 0.0, 0.0]])
    logs, odds = smoothed_logs(proba), log_odds(proba)
    assert np.isfinite(logs).all()
    assert np.isfinite(odds).all()
    assert_allclose(np.exp(logs).sum(), 1)
    assert_allclose(odds[0, 0], -odds[0, 1])


@pytest.mark.parametrize(
    ("strategy", "match"),
    [
        (Ensemble(LIKELY, weights=[1, 2]), r"one number for each of 3 members, got shape \(2,\)"),
        (Ensemble(LIKELY, weights=[[1, 2, 3]]), "one number for each of 3 members"),
        (
            Ensemble(LIKELY, weights=[1, -1, 1]),
            r"finite, 0 or more, and not all 0, got \[1, -1, 1",
        ),
        (Ensemble(weights=[0, 0]), "not all 0"),
        (Ensemble(weights=[np.nan, 1]), "finite"),
        (Ensemble(weights="learn"), "`weights` must be None, 'oof' or an array"),
        (Ensemble(pool="median"), "`pool` must be one of 'linear', 'log', got 'median'"),
        (Ensemble(["flat", "auto"]), "not chosen or weighted themselves, got 'auto'"),
        (Ensemble([Ensemble(weights="oof")]), "Use its members instead"),
        (Auto([]), "at least one strategy"),
        (Auto("flat"), "at least one strategy"),
        (Auto(["flat", "auto"]), "strategies other than 'auto'"),
        (Auto([Auto()]), "strategies other than 'auto'"),
        (Auto(scoring="f1"), "`scoring` must be 'hierarchical_f1' or a callable"),
        (Auto(max_rows=1), "`max_rows` must be"),
        (Auto(min_gain=-1), "`min_gain` must be"),
        (Auto(scoring=lambda *_, **__: np.nan), "`scoring` must return numbers"),
    ],
)
def test_bad_parameters(strategy, match):
    with pytest.raises(ValueError, match=match):
        fitted(strategy)


def test_ensembles_of_earlier_versions_are_means():
    state = Ensemble(["flat"]).__getstate__()
    for name in ("weights", "pool"):
        del state[name]
    old = Ensemble.__new__(Ensemble)
    old.__setstate__(state)
    assert old.get_params() == Ensemble(["flat"]).get_params()


# -- learnt weights -----------------------------------------------------------------------


@st.composite
def tables(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    n_members, n_rows, n_columns = (draw(st.integers(low, 4)) for low in (1, 1, 2))
    logits = rng.normal(0, 3, (n_members, n_rows, n_columns))
    true = np.eye(n_columns)[rng.integers(n_columns, size=n_rows)]
    return [*softmax(logits, axis=2)], true, rng.uniform(0.1, 3, n_rows), rng


def learnt(pool, parts, true, weights, *, excludes=True):
    learner = learner_of(pool, len(parts), excludes=excludes, n_numbers=0)
    learner.add(parts, true, weights)
    return learner.weights()


@given(case=tables())
def test_means_have_the_least_squared_error(case):
    parts, true, weights, rng = case
    found = learnt("linear", parts, true, weights)
    assert_allclose(found.sum(), 1)

    def error(w):
        return weights @ ((np.tensordot(w, parts, 1) - true) ** 2).sum(axis=1)

    rivals = [*np.eye(len(parts)), *rng.dirichlet(np.ones(len(parts)), 20)]
    # What is below a hundredth was left out.
    assert error(found) <= 1.05 * min(map(error, rivals)) + 1e-6


@pytest.mark.parametrize("excludes", [True, False])
@given(case=tables())
def test_products_are_the_most_likely(excludes, case):
    parts, true, weights, rng = case
    found = learnt("log", parts, true, weights, excludes=excludes)
    assert (found >= 0).all()

    def loss(w):
        if excludes:
            logs = np.tensordot(w, [smoothed_logs(part) for part in parts], 1)
            return -weights @ (log_softmax(logs, axis=1) * true).sum(axis=1)
        logs = np.tensordot(w, [log_odds(part) for part in parts], 1)
        return weights @ np.logaddexp(0, np.where(true > 0, -logs, logs)).sum(axis=1)

    rivals = rng.exponential(0.7, (20, len(parts)))
    # Where no member is better than equal probabilities, all get the same power.
    assume(min(map(loss, rivals)) < loss(np.zeros(len(parts))))
    assert loss(found) <= min(map(loss, rivals)) + 0.02 * weights.sum()


@pytest.mark.parametrize("pool", ["linear", "log"])
def test_weights_of_samples_repeat_them_and_blocks_do_not_matter(pool):
    rng = np.random.default_rng(0)
    parts = [*softmax(rng.normal(0, 2, (3, 20, 4)), axis=2)]
    true = np.eye(4)[rng.integers(4, size=20)]
    weights = rng.integers(1, 4, 20)
    wanted = learnt(pool, parts, true, weights.astype(float))
    rows = np.repeat(np.arange(20), weights)
    again = learnt(pool, [part[rows] for part in parts], true[rows], np.ones(len(rows)))
    assert_allclose(again, wanted, atol=1e-4)
    learner = learner_of(pool, 3, excludes=True, n_numbers=0)
    for block in (slice(0, 7), slice(7, 20)):
        learner.add([part[block] for part in parts], true[block], weights[block].astype(float))
    assert_allclose(learner.weights(), wanted, atol=1e-4)


def test_many_rows_are_thinned_evenly_for_powers():
    rng = np.random.default_rng(0)
    parts = [*softmax(rng.normal(0, 2, (2, 30, 4)), axis=2)]
    true = np.eye(4)[rng.integers(4, size=30)]
    with config_context(working_memory=1):  # 131,072 numbers, of which a sixteenth is kept
        learner = learner_of("log", 2, excludes=True, n_numbers=3 * 8192 - 1)
    for block in (slice(0, 10), slice(10, 30)):
        learner.add([part[block] for part in parts], true[block], np.ones(len(true[block])))
    every_third = [part[::3] for part in parts]
    assert_allclose(learner.weights(), learnt("log", every_third, true[::3], np.ones(10)))


class Reversed(Flat):
    """Flat with the probabilities of all answers in the wrong order."""

    def marginals(self, taxonomy, outcomes, scores):
        answers = outcomes.answers
        proba = super().marginals(taxonomy, outcomes, scores).answer_proba(answers)
        return AnswerMarginals(taxonomy, outcomes, answers, proba[:, ::-1])


@pytest.mark.few(3)
@pytest.mark.parametrize("pool", ["linear", "log"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_bad_member_is_dropped(pool, number):
    members = ["per_parent", PerLevel(0.5)]
    members.insert(number, Reversed())
    X, y, tree = make_hierarchical_classification(150, 5, branching=(3, 2), random_state=0)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=tree, cv=FOLDS)
    model.set_params(strategy=Ensemble(members, weights="oof", pool=pool)).fit(X, y)
    weights = model.strategy_.weights
    assert weights[number] == 0 < weights.sum()
    assert len(model.strategy_.members) == 3
    assert not any(isinstance(part, Reversed) for part in model.strategy_.parts())
    n_left = np.count_nonzero(weights)
    assert {member for member, _ in model.estimators_} == set(range(n_left))
    left = Ensemble(model.strategy_.parts(), weights=weights[weights > 0], pool=pool)
    without = clone(model).set_params(strategy=left).fit(X, y)
    assert_array_equal(model.predict_node_proba(X), without.predict_node_proba(X))


def test_what_is_left_of_a_mean_equals_the_only_member():
    X, y = four_clusters()
    learnt_ = Ensemble(["per_parent", "flat"], weights="oof")
    model = HierarchicalClassifier(GaussianNB(), taxonomy=MISLEADING, strategy=learnt_).fit(X, y)
    assert_array_equal(model.strategy_.weights, [0, 1])
    flat = clone(model).set_params(strategy="flat").fit(X, y)
    assert_array_equal(model.predict_node_proba(X), flat.predict_node_proba(X))


@pytest.mark.parametrize("pool", ["linear", "log"])
def test_weights_are_learnt_from_rows_that_models_have_not_seen(pool):
    learnt_ = fitted(Ensemble(LIKELY, weights="oof", pool=pool)).strategy_.weights
    learner = learner_of(pool, 3, excludes=True, n_numbers=0)
    for train, test in FOLDS.split(X):
        models = [
            HierarchicalClassifier(GaussianNB(), taxonomy=TREE, strategy=m).fit(X[train], Y[train])
            for m in LIKELY
        ]
        if pool == "log":
            parts = [model.predict_proba(X[test]) for model in models]
            true = (models[0].classes_ == Y[test][:, None]).astype(float)
        else:
            parts = [model.predict_node_proba(X[test]) for model in models]
            true = TREE.ancestors_of(TREE.ids(Y[test].tolist())).toarray().astype(float)
            true[:, 0] = 1
        learner.add(parts, true, np.ones(len(test)))
    assert_allclose(learnt_, learner.weights(), atol=1e-6)


@pytest.mark.few(1)
@pytest.mark.parametrize("pool", ["linear", "log"])
def test_label_sets_learn_weights_too(pool):
    ensemble = Ensemble(["per_parent", "flat"], weights="oof", pool=pool)
    model = fitted_sets(ensemble, calibration=None)
    learner = learner_of(pool, 2, excludes=False, n_numbers=0)
    for train, test in FOLDS.split(X):
        parts = [
            HierarchicalMultiLabelClassifier(
                GaussianNB(), taxonomy=TREE, strategy=m, decoder=SetThreshold(0.5)
            )
            .fit(X[train], [SETS[i] for i in train])
            .predict_node_proba(X[test])[:, 1:]
            for m in ("per_parent", "flat")
        ]
        true = TREE.binarize([SETS[i] for i in test])
        true = getattr(true, "toarray", lambda t=true: t)().astype(float)
        learner.add(parts, true, np.ones(len(test)))
    assert_allclose(model.strategy_.weights, learner.weights(), atol=1e-6)


def test_members_are_tuned_and_calibrated_before_they_are_weighed():
    members = [PerLevel("oof"), "per_parent"]
    model = fitted(Ensemble(members, weights="oof", pool="log"), calibration="sigmoid")
    assert isinstance(model.strategy_.members[0].beta, float)
    assert {node[0] for node in model.calibration_report_["node"]} <= {0, 1}
    by_answers = fitted(
        Ensemble(LIKELY, weights="oof"), LinearSVC(random_state=0), calibration="temperature"
    )
    assert_allclose(by_answers.predict_proba(X).sum(axis=1), 1)


def test_labels_that_are_inner_nodes_count_where_they_are_answers():
    y = Y.copy().astype(object)
    y[::7] = TREE.nodes[1]
    model = HierarchicalClassifier(GaussianNB(), taxonomy=TREE, cv=FOLDS)
    stops = Ensemble(["per_parent", PerLevel()], weights="oof", pool="log")
    model = model.set_params(strategy=stops).fit(X, y)
    assert TREE.nodes[1] in model.classes_
    members = ["per_parent", PerNode()]  # to which such a label says nothing of what is below
    learner = learner_of("linear", 2, excludes=True, n_numbers=0)
    for train, test in FOLDS.split(X):
        test = test[y[test] != TREE.nodes[1]]
        parts = [
            clone(model).set_params(strategy=member).fit(X[train], y[train]) for member in members
        ]
        true = TREE.ancestors_of(TREE.ids(y[test].tolist())).toarray().astype(float)
        true[:, 0] = 1
        learner.add([p.predict_node_proba(X[test]) for p in parts], true, np.ones(len(test)))
    ignored = clone(model).set_params(strategy=Ensemble(members, weights="oof")).fit(X, y)
    assert_allclose(ignored.strategy_.weights, learner.weights(), atol=1e-6)


# -- the strategy that is chosen ----------------------------------------------------------


def test_flat_is_chosen_where_the_taxonomy_misleads():
    X, y = four_clusters()
    model = HierarchicalClassifier(GaussianNB(), taxonomy=MISLEADING, strategy="auto", cv=3)
    model.fit(X, y)
    assert isinstance(model.strategy_, Flat | PerNode | PerLevel)
    scores = dict(
        zip(*(model.selection_report_[name] for name in ("strategy", "score")), strict=True)
    )
    assert scores["Flat()"] > scores["PerParent()"] + 0.05
    two = clone(model).set_params(strategy=Auto(["per_parent", "flat"])).fit(X, y)
    assert_array_equal(two.selection_report_["chosen"], [False, True])
    assert two.selection_report_["gain"][0] == 0 < two.selection_report_["gain"][1]
    flat = clone(model).set_params(strategy="flat").fit(X, y)
    assert_array_equal(two.predict_node_proba(X), flat.predict_node_proba(X))
    for one in (two, flat):  # what is learnt beside is that of the chosen one
        one.set_params(calibration="sigmoid").fit(X, y)
    assert_array_equal(two.predict_node_proba(X), flat.predict_node_proba(X))
    assert_array_equal(two.calibration_report_, flat.calibration_report_)


def test_per_parent_is_chosen_where_no_base_tells_all_classes_apart():
    X, y = four_clusters()
    stump = DecisionTreeClassifier(max_depth=1, random_state=0)
    model = HierarchicalClassifier(stump, taxonomy=FITTING, strategy="auto", cv=3).fit(X, y)
    assert isinstance(model.strategy_, PerParent)
    wanted = clone(model).set_params(strategy="per_parent").fit(X, y)
    assert_array_equal(model.predict_node_proba(X), wanted.predict_node_proba(X))
    assert list(model.estimators_) == list(wanted.estimators_)


def test_the_report_tells_the_score_of_held_out_predictions():
    names = ["per_parent", "flat", PerLevel(0.8), Ensemble(["flat", "per_node"])]
    report = fitted(Auto(names)).selection_report_
    for name, score in zip(names, report["score"], strict=True):
        parts = [
            HierarchicalClassifier(GaussianNB(), taxonomy=TREE, strategy=name)
            .fit(X[train], Y[train])
            .predict(X[test])
            for train, test in FOLDS.split(X)
        ]
        wanted = hierarchical_f1_score(Y, np.concatenate(parts), taxonomy=TREE)
        assert score == pytest.approx(wanted)
    own = fitted(Auto(names, scoring=hierarchical_f1_score)).selection_report_
    assert_allclose(own["score"], report["score"])
    worst = Auto(names, scoring=lambda *y, taxonomy: -hierarchical_f1_score(*y, taxonomy=taxonomy))
    assert_allclose(fitted(worst).selection_report_["score"], -report["score"])


@pytest.mark.more
def test_label_sets_are_compared_with_the_decoder_in_use():
    names = ["per_parent", "flat"]
    decoder = SetThreshold(0.4)
    report = fitted_sets(Auto(names), decoder=decoder).selection_report_
    for name, score in zip(names, report["score"], strict=True):
        predicted = [None] * len(Y)
        for train, test in FOLDS.split(X):
            part = HierarchicalMultiLabelClassifier(
                GaussianNB(), taxonomy=TREE, strategy=name, decoder=decoder
            ).fit(X[train], [SETS[i] for i in train])
            for i, labels in zip(test, part.predict(X[test]), strict=True):
                predicted[i] = labels
        assert score == pytest.approx(hierarchical_f1_score(SETS, predicted, taxonomy=TREE))
    own = fitted_sets(Auto(names, scoring=hierarchical_f1_score), decoder=decoder)
    assert_allclose(own.selection_report_["score"], report["score"])
    chosen = names[int(np.argmax(report["score"]))]
    wanted = fitted_sets(chosen, decoder=decoder).predict_node_proba(X)
    assert_array_equal(own.predict_node_proba(X), wanted)
    assert "thresholds" not in own.get_params()
    tuned = fitted_sets("auto", calibration="sigmoid")
    assert len(tuned.selection_report_) == 6
    other = fitted_sets(Auto(names), decoder=RiskControl(target=0.5))
    assert other.selection_report_["chosen"].sum() == 1


@pytest.mark.parametrize(
    ("scores", "min_gain", "chosen"),
    [
        ([0.5, 0.6, 0.61], 0.0, 2),
        ([0.5, 0.6, 0.61], 0.02, 1),
        ([0.5, 0.6, 0.63], 0.02, 2),
        ([0.6, 0.6, 0.6], 0.0, 0),
    ],
)
def test_a_pool_must_be_better_by_a_margin(scores, min_gain, chosen):
    auto = Auto(["per_parent", "flat", Ensemble(["flat", "per_parent"])], min_gain=min_gain)
    found = best_of(auto, auto.options(), np.array(scores))
    assert_array_equal(found.report["chosen"], np.arange(3) == chosen)
    assert repr(found.strategy) == found.report["strategy"][chosen]
    assert found.members == [(0,), (1,), (1, 0)][chosen]
    assert_allclose(found.report["gain"], np.subtract(scores, scores[0]))
    pools = Auto([Ensemble(), Ensemble(["flat"])], min_gain=1)
    assert best_of(pools, pools.options(), np.array([0.1, 0.2])).report["chosen"][1]


def test_one_pass_serves_all_candidates_and_readers():
    once = {name: n_fits(name)[0] for name in ("per_parent", "flat", "per_level", "per_node")}
    for params in ({}, {"calibration": "sigmoid"}, {"calibration": "temperature"}):
        found, model = n_fits(Auto(min_gain=1), **params)
        kind = {PerParent: "per_parent", Flat: "flat", PerLevel: "per_level"}.get(
            type(model.strategy_), "per_node"
        )
        assert found == FOLDS.n_splits * sum(once.values()) + once[kind]


JOINT = MultiHeadClassifier(random_state=0)
SINGLE = ["per_parent", "per_level", "flat", "per_node"]


def auto_of(X, y=Y, kind=HierarchicalClassifier, **params):
    """Fit the default candidates with the default base."""
    return kind(**{"taxonomy": TREE, "strategy": "auto", "cv": FOLDS} | params).fit(X, y)


def test_a_joint_model_is_among_the_candidates_for_dense_rows():
    weights = np.arange(len(Y)) % 3
    model = HierarchicalClassifier(taxonomy=TREE, strategy="auto", cv=FOLDS)
    report = model.fit(X, Y, sample_weight=weights).selection_report_
    pools = [Ensemble([*SINGLE, JOINT], weights="oof", pool=pool) for pool in ("linear", "log")]
    given = clone(model).set_params(strategy=Auto([*SINGLE, JOINT, *pools]))
    expected = given.fit(X, Y, sample_weight=weights).selection_report_
    assert_array_equal(report, expected)
    assert "MultiHeadClassifier(random_state=0)" in report["strategy"][4]
    assert model.strategy == "auto"


def test_a_joint_model_is_chosen_where_it_is_best():
    scores = iter([0.1, 0.2, 0.3, 0.4, 0.9, 0.5, 0.6])
    auto = Auto(scoring=lambda *_, **__: next(scores))
    model = auto_of(X, strategy=auto)
    assert repr(model.strategy_.members[0][1]) == repr(JOINT)
    joint = clone(JOINT).set_params(taxonomy=TREE).fit(X, Y)
    assert_allclose(model.predict_proba(X), joint.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    "given",
    [
        {"estimator": LogisticRegression()},
        {"node_estimators": {"n1": LogisticRegression()}},
        {"link": "softmax"},
        {"strategy": Auto(SINGLE)},
        {"X": sparse.csr_array(X)},
        {"kind": HierarchicalMultiLabelClassifier, "y": SETS},
    ],
    ids=str,
)
def test_a_joint_model_is_no_candidate_elsewhere(given):
    model = auto_of(**{"X": X} | given)
    assert not any("MultiHead" in name for name in model.selection_report_["strategy"])


def test_few_rows_are_enough_to_choose():
    model = fitted(Auto(["per_parent", "flat"], max_rows=60), calibration="sigmoid")
    rows = compared_rows(Auto(max_rows=60), np.arange(150), TREE.ids(Y.tolist()))
    part = HierarchicalClassifier(
        GaussianNB(), taxonomy=TREE, strategy=Auto(["per_parent", "flat"]), cv=FOLDS,
        calibration="sigmoid",
    ).fit(X[rows], Y[rows])  # fmt: skip
    assert_allclose(model.selection_report_["score"], part.selection_report_["score"])
    again = fitted(model.strategy_, calibration="sigmoid")
    assert_array_equal(again.predict_node_proba(X), model.predict_node_proba(X))
    sets = fitted_sets(Auto(max_rows=60))
    assert_array_equal(
        fitted_sets(sets.strategy_).predict_node_proba(X), sets.predict_node_proba(X)
    )


@given(st.lists(st.integers(0, 5), min_size=3, max_size=60), st.integers(2, 20))
def test_rows_are_taken_evenly_of_each_class(strata, most):
    strata = np.array(strata)
    rows = np.arange(len(strata)) * 3
    found = compared_rows(Auto(max_rows=most), rows, strata)
    assert len(found) == min(most, len(rows))
    assert (np.diff(found) > 0).all()
    shares = np.bincount(strata, minlength=6) * min(1, most / len(rows))
    counts = np.bincount(strata[found // 3], minlength=6)
    assert (np.abs(counts - shares) < 1).all()
    assert compared_rows(Auto(max_rows=None), rows, strata) is rows


def test_sets_are_stratified_by_their_rarest_node():
    table = sparse.csr_array(
        np.array([[0, 1, 1, 0.0], [0, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]])
    )
    found = strata_of_sets(table)
    assert found[0] == found[4]
    assert len(set(found.tolist())) == 4
    assert found[3] == 0


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "strategy", [Auto(), Ensemble(LIKELY, weights="oof", pool="log")], ids=repr
)
def test_chosen_models_are_deterministic_copied_and_saved(strategy):
    model = fitted(strategy, DecisionTreeClassifier(max_depth=3), random_state=0)
    wanted = model.predict_node_proba(X)
    for again in (
        clone(model).set_params(n_jobs=2).fit(X, Y),
        pickle.loads(pickle.dumps(model)),
    ):
        assert_array_equal(again.predict_node_proba(X), wanted)
        assert repr(again.strategy_) == repr(model.strategy_)
    skops = pytest.importorskip("skops.io")
    trusted = [*trusted_types(), "sklearn.tree._tree.Tree"]
    again = skops.loads(skops.dumps(model.set_params(cv=3)), trusted=trusted)
    assert_array_equal(again.predict_node_proba(X), wanted)
    if isinstance(strategy, Auto):
        assert_array_equal(again.selection_report_, model.selection_report_)
        again.selection_report_["score"] = 0
        assert again.selection_report_["score"].all()


def test_folds_keep_groups_together():
    groups = np.arange(len(Y)) % 10
    folds = list(GroupKFold(3).split(X, Y, groups))
    report = fitted(Auto(["per_parent", "flat"])).set_params(cv=folds).fit(X, Y).selection_report_
    parts = np.empty(len(Y), dtype=Y.dtype)
    for train, test in folds:
        part = HierarchicalClassifier(GaussianNB(), taxonomy=TREE).fit(X[train], Y[train])
        parts[test] = part.predict(X[test])
    assert report["score"][0] == pytest.approx(hierarchical_f1_score(Y, parts, taxonomy=TREE))


def test_rows_of_weight_0_have_no_say():
    rng = np.random.default_rng(0)
    weights = (rng.random(len(Y)) < 0.7) * rng.uniform(0.5, 2, len(Y))
    used = np.flatnonzero(weights)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=TREE, cv=FOLDS, strategy=Auto())
    whole = clone(model).fit(X, Y, sample_weight=weights)
    part = clone(model).fit(X[used], Y[used], sample_weight=weights[used])
    assert_array_equal(whole.selection_report_, part.selection_report_)
    plain = clone(model).fit(X[used], Y[used])
    assert (plain.selection_report_["score"] != part.selection_report_["score"]).any()


def test_decoders_are_tuned_after_the_choice():
    model = fitted("auto", decoder="hierarchical_f", reject=0.1)
    fixed = fitted(model.strategy_, decoder="hierarchical_f", reject=0.1)
    assert model.reject_threshold_ == pytest.approx(fixed.reject_threshold_)
    assert_array_equal(model.predict(X), fixed.predict(X))


@pytest.mark.more
def test_searches_see_the_parameters():
    grid = {"strategy__pool": ["linear", "log"], "strategy__weights": ["oof", None]}
    model = HierarchicalClassifier(GaussianNB(), taxonomy=TREE, cv=3, strategy=Ensemble(LIKELY))
    search = GridSearchCV(model, grid, cv=StratifiedKFold(2)).fit(X, Y)
    assert search.best_estimator_.predict(X).shape == Y.shape
    both = GridSearchCV(model, {"strategy": ["auto", "flat"]}, cv=2, error_score="raise").fit(X, Y)
    assert set(both.cv_results_["rank_test_score"]) <= {1, 2}


# -- what does not go ---------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["auto", Ensemble(LIKELY, weights="oof")], ids=repr)
def test_batches_are_refused(strategy):
    model = HierarchicalClassifier(MultinomialNB(), taxonomy=TREE, strategy=strategy)
    with pytest.raises(IncompatiblePartsError, match="all samples at once"):
        model.partial_fit(X - X.min(), Y)
    assert not hasattr(model, "taxonomy_")
    sets = HierarchicalMultiLabelClassifier(
        MultinomialNB(), taxonomy=TREE, strategy="auto", decoder=SetThreshold(0.5)
    )
    with pytest.raises(IncompatiblePartsError, match="all samples at once"):
        sets.partial_fit(X - X.min(), SETS)


def test_batches_go_on_with_what_was_chosen():
    shifted = X - X.min()
    model = HierarchicalClassifier(MultinomialNB(), taxonomy=TREE, cv=FOLDS)
    model.set_params(strategy=Ensemble(LIKELY, weights="oof")).fit(shifted, Y)
    weights = model.strategy_.weights
    model.partial_fit(shifted[:20], Y[:20])
    assert_array_equal(model.strategy_.weights, weights)


def test_chains_routings_and_dags_are_refused():
    with pytest.raises(IncompatiblePartsError, match="Use chain=None, or strategy='per_parent'"):
        fitted("auto", LogisticRegression(), chain="proba")
    with pytest.raises(IncompatiblePartsError, match="routing='filter'"):
        fitted("auto", routing="predicted")
    dag = Taxonomy.from_edges(
        [("R", "A"), ("R", "B"), ("A", "a"), ("B", "a"), ("A", "b"), ("B", "c")]
    )
    y = np.resize(["a", "b", "c"], 150)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=dag, strategy="auto")
    with pytest.raises(ValueError, match="with the strategy 'auto'"):
        model.fit(X, y)
    labels = [[label] for label in y]
    sets = HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=dag, strategy="auto", cv=3)
    assert sets.fit(X, labels).selection_report_["chosen"].sum() == 1


def test_weights_can_be_learnt_along_a_chain():
    model = fitted(
        Ensemble(["per_parent", "per_level"], weights="oof"), LogisticRegression(), chain="proba"
    )
    assert_allclose(model.strategy_.weights.sum(), 1)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_the_report_is_there_after_a_choice():
    model = fitted("flat")
    with pytest.raises(
        AttributeError, match="selection_report_` is only available after fit with"
    ):
        model.selection_report_  # noqa: B018
    assert len(model.set_params(strategy="auto").fit(X, Y).selection_report_) == 6
    assert not hasattr(model.set_params(strategy="flat").fit(X, Y), "selection_report_")


def test_auto_has_no_models_of_its_own():
    auto = Auto()
    assert auto.plan(TREE, None, None) == auto.plan_sets(None, None) == []
    for call in (auto.marginals, auto.combined):
        with pytest.raises(TypeError, match="no models of its own"):
            call(TREE, None, None)
    names = [repr(part) for part in auto.parts()]
    assert names == ["PerParent()", "PerLevel()", "Flat()", "PerNode()"]
    assert [option.members for option in auto.options()][:4] == [(i,) for i in range(4)]
    assert len({*itertools.chain(*(option.members for option in auto.options()))}) == 4


def test_neighbours_are_pooled_too():
    model = fitted(Ensemble(LIKELY, weights="oof", pool="log"), KNeighborsClassifier(5))
    assert model.score(X, Y) > 0.4
