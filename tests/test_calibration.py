"""Calibration: calibrators by themselves, and learnt out of fold within the classifiers."""

import copy
import json
import pickle
from contextlib import nullcontext

import numpy as np
import pytest
import skops.io as skops
from conftest import DIAMOND, shared_data
from generators import one_in, trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GroupKFold, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
)
from sklhier._local import batched_linear
from sklhier._probabilities.calibrated import ancestors_by_level
from sklhier._training.calibration import CalibratedNodes
from sklhier.calibration import (
    AnswerCalibrator,
    BinaryTemperature,
    Calibrator,
    HeldOutAnswers,
    Isotonic,
    ScoreCalibrator,
    Sigmoid,
    Temperature,
    VennAbers,
    register,
    resolve_calibration,
)
from sklhier.calibration._power import PowerCurve
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import SetThreshold, Threshold
from sklhier.exceptions import IncompatiblePartsError, RareClassWarning
from sklhier.links import LogisticLink, SoftmaxLink
from sklhier.persistence import trusted_types
from sklhier.strategies import Auto, Ensemble, PerLevel, PerNode, PerParent

X, Y, TREE = make_hierarchical_classification(
    180, 5, branching=(3, 2), class_sep=0.7, random_state=0
)
SETS = [[a, b] if i % 3 else [a] for i, (a, b) in enumerate(zip(Y, np.roll(Y, 1), strict=True))]
FOLDS = KFold(3)
NAMES = ["temperature", "sigmoid", "isotonic", "venn_abers"]
OBJECTS = [
    Temperature(),
    Temperature(by="level"),
    Temperature(by="node"),
    Sigmoid(20),
    Isotonic(20),
    VennAbers(20),
]
OF_MODELS = OBJECTS[2:]
SCORES = np.array([-2.0, -1.2, -0.3, 0.1, 0.4, 1.5])
LABELS = np.array([0, 0, 1, 0, 1, 1])


def classifier(calibration, base=None, **params):
    base = LinearSVC(random_state=0) if base is None else base
    params = {"taxonomy": TREE, "cv": FOLDS} | params
    return HierarchicalClassifier(base, calibration=calibration, **params)


def sets_classifier(calibration, base=None, **params):
    base = LinearSVC(random_state=0) if base is None else base
    params = {"taxonomy": TREE, "cv": FOLDS, "decoder": SetThreshold(0.4)} | params
    return HierarchicalMultiLabelClassifier(base, calibration=calibration, **params)


def answers_of(proba, true, ancestors, weights=None):
    mask = np.zeros(proba.shape, dtype=bool)
    mask[np.arange(len(true)), true] = True
    weights = np.ones(len(true)) if weights is None else weights
    return HeldOutAnswers(proba, mask, np.asarray(ancestors, dtype=np.int32), weights)


def fitted_temperature(*parts, **params):
    return Temperature(**params).fit(lambda: iter(parts))


# -- worked cases -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cases():
    folder = shared_data("../oracles")
    found = {}
    for name in ("oracles.json", "next.json"):
        path = folder / name
        if path.is_file():
            found |= {case["id"]: case for case in json.loads(path.read_text("utf-8"))}
    return found


def case_of(cases, name):
    if name not in cases:
        pytest.skip(f"the case {name} is not here")
    return cases[name]["input"], cases[name]["expected"], cases[name]["tol"]


def test_oracle_isotonic(cases):
    given_, expected, tol = case_of(cases, "isotonic-calibration")
    scores, labels = np.array(given_["scores"]), np.array(given_["labels"])
    least = 1 / (len(scores) + 2)
    found = Isotonic().fit(scores, labels).predict(scores)
    assert_allclose(found, np.clip(expected["fit"], least, 1 - least), atol=tol)


def test_oracle_venn_abers(cases):
    given_, expected, tol = case_of(cases, "venn-abers")
    model = VennAbers().fit(np.array(given_["scores"]), np.array(given_["labels"]))
    for score, of_score in expected.items():
        found = np.array([float(score)])
        assert_allclose(model.predict(found), of_score["p"], atol=tol)
        assert_allclose(
            model.lower_[np.searchsorted(model.scores_, found)], of_score["p0"], atol=tol
        )
        assert_allclose(
            model.upper_[np.searchsorted(model.scores_, found)], of_score["p1"], atol=tol
        )


def test_oracle_platt(cases):
    given_, expected, tol = case_of(cases, "platt")
    model = Sigmoid().fit(np.array(given_["scores"]), np.array(given_["labels"]))
    assert_allclose([-model.slope_, -model.intercept_], [expected["A"], expected["B"]], atol=tol)


def test_oracle_temperature(cases):
    given_, expected, tol = case_of(cases, "temperature")
    part = answers_of(softmax(given_["logits"], axis=1), given_["labels"], [[1, 2, 3]])
    model = fitted_temperature(part)
    assert_allclose(1 / model.inverse_temperature_, expected["T"], atol=tol)
    found = model.proba(part.proba, part.ancestors)
    assert_allclose(-np.log(found[part.true]).mean(), expected["nll"], atol=tol)


def joint_case(given_):
    root, a, b = (softmax(given_[f"{name}_logits"], axis=1) for name in ("root", "A", "B"))
    proba = np.hstack([root[:, [0]] * a, root[:, [1]] * b])
    true = [["a1", "a2", "b1", "b2", "b3"].index(label) for label in given_["labels"]]
    return answers_of(proba, true, [[1, 1, 2, 2, 2], [3, 4, 5, 6, 7]])


def test_oracle_joint_temperature(cases):
    given_, expected, tol = case_of(cases, "calib-joint-temperature")
    part = joint_case(given_)
    model = fitted_temperature(part)
    assert_allclose(model.inverse_temperature_, expected["inverse_T"], atol=tol)
    assert_allclose(1 / model.inverse_temperature_, expected["T"], atol=tol)
    found = model.proba(part.proba, part.ancestors)
    assert_allclose(-np.log(found[part.true]).sum(), expected["nll"], atol=tol)
    assert_allclose(-np.log(part.proba[part.true]).sum(), expected["nll_at_1"], atol=tol)


def test_oracle_joint_leaves(cases):
    given_, _, _ = case_of(cases, "calib-joint-temperature")
    case = cases["calib-joint-leaves"]
    part, expected = joint_case(given_), case["expected"]
    assert_allclose(part.proba[0], expected["leaves_T1"], atol=case["tol"])
    model = Temperature()
    model.inverse_temperature_ = 0.5
    found = model.proba(part.proba[:1], part.ancestors)[0]
    assert_allclose(found, expected["joint_T2"], atol=case["tol"])


# -- calibrators by themselves ------------------------------------------------------------


@given(trees())
def test_ancestors_at_each_level(tree):
    found = ancestors_by_level(tree, np.arange(tree.n_nodes, dtype=np.int32))
    for node, label in enumerate(tree.nodes):
        way = [label] if node == 0 else tree.path(label)
        wanted = [way[min(level, len(way) - 1)] for level in range(tree.n_levels)]
        assert [tree.nodes[above] for above in found[:, node]] == wanted


@given(st.data())
def test_venn_abers_is_two_isotonic_regressions(data):
    n = data.draw(st.integers(1, 12))
    scores = np.array(data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))) / 2
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    weights = np.array(
        data.draw(st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=n, max_size=n))
    )
    model = VennAbers().fit(scores, y, weights)
    for score in np.append(np.unique(scores), [-1.0, 0.25, 9.0]):
        lower, upper = (
            IsotonicRegression()
            .fit(np.append(scores, score), np.append(y, label), np.append(weights, 1.0))
            .predict([score])[0]
            for label in (0, 1)
        )
        assert_allclose(model.predict(np.array([score])), upper / (1 - lower + upper))


@one_in(5)
@given(st.data())
def test_power_is_that_of_the_best_likelihood(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    counts = rng.integers(1, 5, size=30)
    offsets = np.append(0, np.cumsum(counts))
    logs = 3 * rng.normal(size=offsets[-1])
    right = offsets[:-1] + rng.integers(0, counts)
    weights = rng.uniform(0.5, 2, size=30)
    curve = PowerCurve()
    for rows in (slice(0, 11), slice(11, 30)):  # blocks
        bounds = offsets[rows.start : rows.stop + 1]
        own = logs[bounds[0] : bounds[-1]]
        curve.add(own, bounds - bounds[0], weights[rows])
        curve.add(logs[right[rows]], np.arange(rows.stop - rows.start + 1), weights[rows], -1.0)

    def loss(power):
        totals = np.log(np.add.reduceat(np.exp(power * (logs - 9)), offsets[:-1])) + 9 * power
        return weights @ (totals - power * logs[right])

    best = minimize_scalar(loss, bounds=(1 / 64, 64), method="bounded", options={"xatol": 1e-9})
    assert loss(curve.best_power()) <= best.fun + 1e-9
    if best.x > 0.02:
        assert_allclose(curve.best_power(), best.x, rtol=1e-4)


def test_power_of_what_is_always_right_stays_finite():
    part = answers_of(np.tile([0.6, 0.4], (8, 1)), [0] * 8, [[1, 2]])
    found = fitted_temperature(part).proba(part.proba, part.ancestors)
    assert 0.8 < found[0, 0] < 0.999


def test_what_is_ruled_out_does_not_rule_the_power():
    rng = np.random.default_rng(0)
    proba = softmax(rng.normal(size=(200, 5)), axis=1)
    true = np.array([rng.choice(5, p=row) for row in proba])
    sharp = np.where(proba < 0.05, 0, proba)
    sharp /= sharp.sum(axis=1, keepdims=True)
    part = answers_of(sharp, true, [[1, 2, 3, 4, 5]])
    assert (sharp[part.true] == 0).any()
    model = fitted_temperature(part)
    assert 0.6 < model.inverse_temperature_ < 1.2
    found = model.proba(sharp, part.ancestors)
    assert (found > 0).all()
    assert_array_equal(np.argsort(found, kind="stable"), np.argsort(sharp, kind="stable"))


def test_power_does_not_matter_where_there_is_one_answer():
    part = answers_of(np.ones((4, 1)), [0] * 4, [[1]])
    assert fitted_temperature(part).inverse_temperature_ == 1


def levels_case(seed, n_rows=60):
    rng = np.random.default_rng(seed)
    root, below = rng.normal(size=(n_rows, 3)), 2 * rng.normal(size=(n_rows, 3, 2))
    top, low = softmax(root, axis=1), softmax(below, axis=2)
    proba = (top[:, :, None] * low).reshape(n_rows, 6)
    true = np.array([rng.choice(6, p=row) for row in proba])
    return root, below, true, answers_of(proba, true, [[1, 1, 2, 2, 3, 3], [4, 5, 6, 7, 8, 9]])


@one_in(3)
@given(st.integers(0, 1000))
def test_levels_have_powers_of_their_own(seed):
    root, below, true, part = levels_case(seed)
    model = fitted_temperature(part, by="level")
    rows = np.arange(len(true))
    logits = [(root, true // 2), (below[rows, true // 2], true % 2)]
    for (table, right), found in zip(logits, model.inverse_temperature_, strict=True):

        def loss(power, table=table, right=right):
            return -log_softmax(power * table, axis=1)[rows, right].sum()

        best = minimize_scalar(loss, bounds=(1 / 64, 64), method="bounded")
        assert loss(found) <= best.fun + 1e-6
    powers = model.inverse_temperature_
    top = softmax(powers[0] * root, axis=1)
    expected = top[:, :, None] * softmax(powers[1] * below, axis=2)
    found = model.proba(part.proba, part.ancestors)
    assert_allclose(found, expected.reshape(found.shape), rtol=1e-9)


def test_levels_count_inner_labels_where_they_reach():
    _, _, true, part = levels_case(0)
    inner = HeldOutAnswers(
        part.proba,
        np.isin(part.ancestors[0], [1]) & (true < 7)[:, None],
        *(part.ancestors, part.weights),
    )
    both = fitted_temperature(part, inner, by="level").inverse_temperature_
    alone = fitted_temperature(part, by="level").inverse_temperature_
    assert both[0] != alone[0]
    assert_allclose(both[1], alone[1], rtol=1e-6)


@pytest.mark.parametrize("kind", [Sigmoid, Isotonic, VennAbers, BinaryTemperature])
def test_scores_are_calibrated_in_their_order(kind):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=3000)
    y = rng.random(3000) < 1 / (1 + np.exp(-3 * scores))
    grid = np.linspace(-4, 4, 50)
    proba = kind().fit(scores, y).predict(grid)
    assert (np.diff(proba) >= 0).all()
    assert (proba > 0).all()
    assert (proba < 1).all()
    assert abs(proba - 1 / (1 + np.exp(-3 * grid))).max() < 0.2


@pytest.mark.parametrize("kind", [Sigmoid, BinaryTemperature])
def test_weights_count_as_repeated_rows(kind):
    counts = np.array([1, 3, 2, 1, 1, 2])
    repeated = kind().fit(np.repeat(SCORES, counts), np.repeat(LABELS, counts))
    weighted = kind().fit(SCORES, LABELS, counts.astype(float))
    if kind is Sigmoid:
        assert_allclose(weighted.predict(SCORES), repeated.predict(SCORES), rtol=1e-4)
    else:
        # The unit of scores is a mean over rows, which the result does not depend on.
        assert_allclose(weighted.predict(SCORES), repeated.predict(SCORES), rtol=1e-5)


def test_weights_count_in_the_isotonic_function_and_the_temperature():
    counts = np.array([1, 3, 2, 1, 1, 2])
    found = Isotonic().fit(SCORES, LABELS, counts.astype(float)).predict(SCORES)
    expected = IsotonicRegression().fit(SCORES, LABELS, counts).predict(SCORES)
    assert_allclose(found, np.clip(expected, 1 / 8, 7 / 8))
    proba, true = softmax(np.arange(18.0).reshape(6, 3) % 5, axis=1), [0, 1, 2, 0, 1, 1]
    rows = np.repeat(np.arange(6), counts)
    weighted = answers_of(proba, true, [[1, 2, 3]], counts.astype(float))
    repeated = answers_of(proba[rows], np.array(true)[rows], [[1, 2, 3]])
    assert_allclose(
        fitted_temperature(weighted).inverse_temperature_,
        fitted_temperature(repeated).inverse_temperature_,
    )


@pytest.mark.parametrize("kind", [Sigmoid, Isotonic, VennAbers, BinaryTemperature])
@pytest.mark.parametrize("label", [0, 1])
def test_one_kind_of_label_is_no_certainty(kind, label):
    model = kind().fit(SCORES, np.full(6, label))
    proba = model.predict(np.array([-5.0, 0.0, 5.0]))
    assert np.isfinite(proba).all()
    assert abs(proba.mean() - label) < 0.51


def test_useless_scores_are_not_turned_around():
    proba = Sigmoid().fit(SCORES, 1 - LABELS).predict(SCORES)
    assert_allclose(proba, 0.5)


@pytest.mark.parametrize(
    "bad",
    [
        Sigmoid(0), Sigmoid(2.5), Isotonic(None), VennAbers("x"), Temperature(by="x"),
        Temperature(min_rows=0), BinaryTemperature(power=0), BinaryTemperature(power=np.nan),
    ],
)  # fmt: skip
def test_parameters_are_checked(bad):
    with pytest.raises(ValueError, match="must be"):
        bad.check()
    with pytest.raises(ValueError, match="must be"):
        classifier(bad).fit(X, Y)


def test_names_and_objects():
    kinds = [type(resolve_calibration(name)).__name__ for name in NAMES]
    assert kinds == ["Temperature", "Sigmoid", "Isotonic", "VennAbers"]
    with pytest.raises(ValueError, match="must be a new name"):
        register("sigmoid")(Isotonic)


# -- one path -----------------------------------------------------------------------------


@pytest.mark.few(5)
@pytest.mark.parametrize("calibration", OBJECTS, ids=repr)
@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "per_level", "flat", "ensemble"])
def test_probabilities_are_coherent_and_predictions_agree(strategy, calibration):
    model = classifier(calibration, strategy=strategy).fit(X, Y)
    proba, nodes = model.predict_proba(X), model.predict_node_proba(X)
    assert_allclose(proba.sum(axis=1), 1)
    assert_array_equal(model.classes_[proba.argmax(axis=1)], model.predict(X))
    leaves = TREE.ids(model.classes_)
    assert_allclose(nodes[:, leaves], proba)
    for parent in np.flatnonzero(np.bincount(TREE.edge_parents)):
        children = TREE.edge_children[TREE.edge_parents == parent]
        assert_allclose(nodes[:, children].sum(axis=1), nodes[:, parent], atol=1e-12)
    labels, top = model.predict_top_k(X, 3)
    assert_array_equal(labels[:, 0], model.predict(X))
    assert_allclose(top[:, 0], proba.max(axis=1))
    assert_allclose(model.predict_proba(X[:1]), proba[:1])
    report = model.calibration_report_
    assert (report["nll_after"] <= report["nll_before"] + 1e-9).mean() > 0.5


@pytest.mark.few(4)
@pytest.mark.parametrize("base", [LinearSVC(random_state=0), GaussianNB(), None])
@pytest.mark.parametrize("strategy", ["per_parent", "per_level"])
def test_one_temperature_keeps_every_best_path_and_the_order(base, strategy):
    plain = classifier(None, base, strategy=strategy).fit(X, Y)
    model = classifier("temperature", base, strategy=strategy).fit(X, Y)
    assert_array_equal(model.predict(X), plain.predict(X))
    assert_array_equal(model.predict_top_k(X, 6)[0], plain.predict_top_k(X, 6)[0])
    power = model._model.calibration.inverse_temperature_
    leaves = plain.predict_top_k(X, 6)[1] ** power
    expected = leaves / leaves.sum(axis=1, keepdims=True)
    assert_allclose(model.predict_top_k(X, 6)[1], expected, rtol=1e-9)


def test_one_temperature_of_two_answers():
    some = np.isin(Y, np.unique(Y)[[0, -1]])
    plain = classifier(None, GaussianNB()).fit(X[some], Y[some])
    model = classifier("temperature", GaussianNB()).fit(X[some], Y[some])
    power = model._model.calibration.inverse_temperature_
    assert power != 1
    raw = plain.predict_proba(X) ** power
    assert_allclose(model.predict_proba(X), raw / raw.sum(axis=1, keepdims=True), rtol=1e-9)


def test_the_best_path_needs_no_normaliser(monkeypatch):
    model = classifier("temperature").fit(X, Y)
    expected = model.predict(X)
    monkeypatch.setattr(Temperature, "proba", None)
    assert_array_equal(model.predict(X), expected)


def test_temperature_is_learnt_on_held_out_rows():
    model = classifier("temperature", GaussianNB()).fit(X, Y)
    logs, codes = [], []
    for train, test in FOLDS.split(X):
        fold = classifier(None, GaussianNB()).fit(X[train], Y[train])
        logs.append(fold.predict_log_proba(X[test]))
        codes.append(np.searchsorted(fold.classes_, Y[test]))
    logs, codes = np.concatenate(logs), np.concatenate(codes)

    def loss(power):
        return -log_softmax(power * logs, axis=1)[np.arange(len(codes)), codes].mean()

    best = minimize_scalar(loss, bounds=(0.01, 10), method="bounded", options={"xatol": 1e-9})
    assert_allclose(model._model.calibration.inverse_temperature_, best.x, rtol=1e-5)
    (record,) = model.calibration_report_
    assert record["node"] == TREE.nodes[0]
    assert (record["n_rows"], record["n_dropped"]) == (180, 0)
    assert record["method"] == "Temperature()"
    assert_allclose([record["nll_before"], record["nll_after"]], [loss(1.0), best.fun], rtol=1e-6)


def test_scores_of_each_model_are_calibrated_on_held_out_rows():
    model = classifier(Sigmoid(5)).fit(X, Y)
    top = np.array([label.partition(".")[0] for label in Y])
    own = LinearSVC(random_state=0).fit(X, top)
    scores = np.zeros((len(X), 3))
    for train, test in FOLDS.split(X):
        fold = LinearSVC(random_state=0).fit(X[train], top[train])
        scores[test] = fold.decision_function(X[test])
    table = np.column_stack(
        [
            Sigmoid().fit(scores[:, j], top == name).predict(own.decision_function(X)[:, j])
            for j, name in enumerate(own.classes_)
        ]
    )
    found = model.predict_node_proba(X)[:, TREE.ids(own.classes_)]
    assert_allclose(found, table / table.sum(axis=1, keepdims=True), rtol=1e-6)
    report = model.calibration_report_
    assert report["node"].tolist() == [TREE.nodes[0], *own.classes_]
    assert set(report["method"]) == {"Sigmoid(min_rows=5)"}
    assert report["n_rows"].tolist() == [180, *(int((top == name).sum()) for name in own.classes_)]


def test_models_with_few_rows_share_a_temperature():
    model = classifier(Sigmoid(min_rows=100)).fit(X, Y)
    report = model.calibration_report_
    assert report["method"].tolist() == ["Sigmoid(min_rows=100)", *["shared temperature"] * 3]
    powers = {model._model.models[0][key].link.power for key in list(model._model.models[0])[1:]}
    assert len(powers) == 1
    few = classifier(Sigmoid(min_rows=1000)).fit(X, Y)
    assert set(few.calibration_report_["method"]) == {"shared temperature"}
    # Without the root, for which the other three have rows enough in the first classifier.
    assert powers != {local.link.power for local in few._model.models[0].values()}


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "base", [LinearSVC(), RidgeClassifier(), SGDClassifier(loss="hinge", random_state=0)], ids=repr
)
def test_bases_with_scores_alone_have_probabilities(base):
    for calibration in ("temperature", "sigmoid"):
        model = classifier(calibration, base, decoder=Threshold(0.6))
        assert hasattr(model, "predict_proba")
        model.fit(X, Y)
        proba = model.predict_proba(X)
        assert np.isfinite(np.log(proba)).all()
        log_loss = -np.log(proba[np.arange(len(Y)), np.searchsorted(model.classes_, Y)]).mean()
        assert log_loss < np.log(6)
        model.set_params(calibration=None)  # what was fitted stays as it is
        assert_array_equal(model.predict_proba(X), proba)
    assert not hasattr(classifier(None, base), "predict_proba")
    with pytest.raises(IncompatiblePartsError, match="calibration='temperature'"):
        classifier(None, base, decoder="hierarchical_f").fit(X, Y)
    classifier("temperature", base, decoder="hierarchical_f").fit(X, Y).predict(X)


def test_a_link_that_gives_weights_is_calibrated():
    model = classifier("temperature", link=SoftmaxLink(2.0), strategy="flat").fit(X, Y)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    # The sharpness is one power more, which the learnt one makes up for.
    other = classifier("temperature", link=SoftmaxLink(4.0), strategy="flat").fit(X, Y)
    assert_allclose(other.predict_proba(X), model.predict_proba(X), atol=1e-5)


class Loud(LinearSVC):
    """LinearSVC with scores of another unit."""

    def __init__(self, unit=1.0):
        super().__init__(random_state=0)
        self.unit = unit

    def decision_function(self, X):
        return self.unit * super().decision_function(X)


@pytest.mark.few(2)
@pytest.mark.parametrize("calibration", OBJECTS, ids=repr)
@pytest.mark.parametrize("strategy", ["per_parent", "ensemble"])
def test_scores_may_have_any_unit(strategy, calibration):
    losses = []
    for unit in (1.0, 1e-4, 500.0):
        model = classifier(calibration, Loud(unit), strategy=strategy).fit(X, Y)
        proba = model.predict_proba(X)
        assert_array_equal(model.classes_[proba.argmax(axis=1)], model.predict(X))
        losses.append(-np.log(proba[np.arange(len(Y)), np.searchsorted(model.classes_, Y)]).mean())
    assert_allclose(losses, losses[0], rtol=0.06)


@pytest.mark.few(1)
@pytest.mark.parametrize("calibration", OBJECTS, ids=repr)
def test_answers_may_end_at_inner_nodes(calibration):
    y = Y.astype(object)
    y[::4] = [label.partition(".")[0] for label in y[::4]]
    for strategy in (PerParent(), PerParent(stop="learn"), PerNode(stop="learn"), PerLevel()):
        model = classifier(calibration, strategy=strategy).fit(X, y)
        assert_allclose(model.predict_proba(X).sum(axis=1), 1)
        assert model.calibration_report_["n_dropped"].sum() == 0


@pytest.mark.few(2)
@pytest.mark.parametrize("calibration", OBJECTS, ids=repr)
def test_stages_that_see_others(calibration):
    model = classifier(calibration, LogisticRegression(), chain="proba").fit(X, Y)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_models_that_know_a_rest_class():
    model = classifier("temperature", LogisticRegression(), routing="predicted").fit(X, Y)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    with pytest.raises(IncompatiblePartsError, match="rest class"):
        classifier("sigmoid", LogisticRegression(), routing="predicted").fit(X, Y)


@pytest.mark.parametrize("calibration", [Sigmoid(5), Temperature(by="node")], ids=repr)
def test_batches_of_sparse_rows_change_nothing(calibration, monkeypatch):
    table = sparse.csr_matrix(X)
    model = classifier(calibration).fit(table, Y)
    proba, answers = model.predict_proba(table), model.predict(table)
    monkeypatch.setattr(batched_linear, "ENABLED", False)
    assert_allclose(model.predict_proba(table), proba, rtol=1e-12)
    assert_array_equal(model.predict(table), answers)


def test_an_ensemble_is_calibrated_as_a_whole_or_by_member():
    members = Ensemble([PerParent(), PerLevel()])
    whole = classifier("temperature", strategy=members).fit(X, Y)
    assert len(whole.calibration_report_) == 1
    parts = classifier(Sigmoid(5), strategy=members).fit(X, Y)
    assert set(parts.calibration_report_["node"]) == {
        *((0, name) for name in TREE.nodes[:4]), (1, "level:1"), (1, "level:2"),
    }  # fmt: skip


def test_a_dag_has_answers_and_no_levels():
    rng = np.random.default_rng(0)
    y = np.array(["P", "Z", "S"] * 20)
    table = rng.normal(size=(60, 2)) + 2 * np.unique(y, return_inverse=True)[1][:, None]
    params = {"taxonomy": DIAMOND, "strategy": "flat"}
    for calibration in ("temperature", Sigmoid(5)):
        model = classifier(calibration, **params).fit(table, y)
        assert_allclose(model.predict_proba(table).sum(axis=1), 1)
    with pytest.raises(IncompatiblePartsError, match="DAG"):
        classifier(Temperature(by="level"), **params).fit(table, y)


# -- one pass, folds, weights -------------------------------------------------------------


class Counting(GaussianNB):
    """GaussianNB that counts its fits."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        Counting.n_fits += 1
        return super().fit(X, y, sample_weight)


class Half(Threshold):
    """Threshold at the median of the held-out probabilities of the true node."""

    seen: list = []  # noqa: RUF012

    @property
    def needs_tuning(self):
        return self.tau == "oof"

    def check(self):
        pass

    def tuned(self, held_out):
        parts = list(held_out())
        proba = [p.marginals.dense().node_proba[np.arange(len(p.nodes)), p.nodes] for p in parts]
        Half.seen.append(np.concatenate(proba))
        return Threshold(float(np.median(Half.seen[-1])))


def n_fits(calibration, **params):
    Counting.n_fits = 0
    model = classifier(calibration, Counting(), **params).fit(X, Y)
    return Counting.n_fits, model


@pytest.mark.few(4)
@pytest.mark.parametrize("calibration", OBJECTS, ids=repr)
def test_one_pass_for_strategy_calibration_and_decoder(calibration):
    plain, _ = n_fits(None, strategy="per_level")
    alone, _ = n_fits(calibration, strategy="per_level")
    everything, _ = n_fits(calibration, strategy=PerLevel(beta="oof"), decoder=Half("oof"))
    assert alone == everything == plain * (1 + FOLDS.n_splits)


def test_large_tables_are_read_twice_and_fitted_once(monkeypatch):
    plain, expected = n_fits("temperature")
    monkeypatch.setattr("sklhier._training.calibration.most_numbers", lambda: 8)
    large, model = n_fits("temperature")
    assert large == plain
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert_array_equal(model.calibration_report_, expected.calibration_report_)


def test_decoders_are_tuned_on_calibrated_probabilities():
    plain = classifier(None, GaussianNB(), decoder=Half("oof")).fit(X, Y)
    before = Half.seen[-1]
    model = classifier("temperature", GaussianNB(), decoder=Half("oof")).fit(X, Y)
    after = Half.seen[-1]
    assert model.decoder_.tau != plain.decoder_.tau
    losses = [model.calibration_report_[0][name] for name in ("nll_before", "nll_after")]
    assert_allclose([-np.log(before).mean(), -np.log(after).mean()], losses, rtol=1e-6)


class Spy(AnswerCalibrator):
    """Keeps the probabilities of the held-out rows, which hold their number as a feature."""

    blocks: list = []  # noqa: RUF012

    def fit(self, held_out):
        Spy.blocks[:] = list(held_out())
        return self

    def proba(self, proba, ancestors):
        assert ancestors.shape == (2, proba.shape[1])
        return proba


def test_own_calibrators_of_answers():
    model = classifier(Spy()).fit(X, Y)
    plain = classifier(None, link=LogisticLink()).fit(X, Y)
    assert sum(len(part.proba) for part in Spy.blocks) == len(X)
    assert all(part.true.sum(axis=1).tolist() == [1] * len(part.true) for part in Spy.blocks)
    assert_array_equal(model.predict(X), plain.predict(X))
    assert model.calibration_report_[0]["method"] == "Spy()"


def test_all_answers_below_an_inner_label_are_right():
    y = Y.astype(object)
    y[::4] = [label.partition(".")[0] for label in y[::4]]
    classifier(Spy()).fit(X, y)
    true = np.concatenate([part.true for part in Spy.blocks])
    leaves = np.array(TREE.leaves)
    for label, row in zip(y, true, strict=True):
        below = [leaf for leaf in leaves if leaf == label or leaf in TREE.descendants(label)]
        assert leaves[row].tolist() == below


class Hard(ScoreCalibrator):
    """Always the share of the class."""

    def __init__(self, min_rows=1):
        self.min_rows = min_rows

    def fit(self, scores, y, sample_weight=None):
        self.share_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, scores):
        return np.full(len(scores), self.share_)


def test_own_calibrators_of_scores_and_ties():
    model = classifier(Hard(), strategy="flat").fit(X, Y)
    shares = np.unique(Y, return_counts=True)[1] / len(Y)
    assert_allclose(model.predict_proba(X), np.tile(shares, (len(X), 1)), rtol=1e-6)
    # Of classes that are equally probable, the one with the largest raw score.
    even = np.repeat(np.unique(Y), 20)
    model = classifier(Hard(), strategy="flat", cv=3).fit(X[:120], even)
    raw = model.estimators_[TREE.nodes[0]].decision_function(X)
    assert_array_equal(model.predict(X), model.classes_[raw.argmax(axis=1)])


def test_groups_and_weights_reach_the_folds():
    groups = np.arange(len(X)) // 6
    folds = list(GroupKFold(3).split(X, Y, groups))
    by_position = classifier("temperature", GaussianNB(), cv=folds).fit(X, Y)
    with config_context(enable_metadata_routing=True):
        cv = GroupKFold(3).set_split_request(groups=True)
        routed = classifier("temperature", GaussianNB(), cv=cv).fit(X, Y, groups=groups)
    assert_array_equal(routed.predict_proba(X), by_position.predict_proba(X))
    other = classifier("temperature", GaussianNB()).fit(X, Y)
    assert (
        other.calibration_report_[0]["nll_before"] != routed.calibration_report_[0]["nll_before"]
    )


@pytest.mark.few(3)
@pytest.mark.parametrize("calibration", OBJECTS[:5], ids=repr)
def test_weights_of_0_are_rows_left_out(calibration):
    weights = np.ones(len(X))
    weights[::5] = 0
    kept = np.flatnonzero(weights)
    model = classifier(calibration, GaussianNB()).fit(X, Y, sample_weight=weights)
    other = classifier(calibration, GaussianNB()).fit(
        X[kept], Y[kept], sample_weight=weights[kept]
    )
    assert_allclose(model.predict_proba(X), other.predict_proba(X), rtol=1e-9)
    doubled = classifier(calibration, GaussianNB()).fit(X, Y, sample_weight=weights * 2)
    assert_allclose(
        doubled.calibration_report_["nll_before"], model.calibration_report_["nll_before"]
    )


@pytest.mark.few(1)
@pytest.mark.parametrize("make", [classifier, sets_classifier])
def test_a_fold_of_weights_that_are_0(make):
    y = Y if make is classifier else SETS
    weights = np.ones(len(X))
    weights[:60] = 0
    folds = [(np.arange(60, 180), np.arange(60)), *KFold(2).split(X[60:])]
    folds[1:] = [(train + 60, test + 60) for train, test in folds[1:]]
    for calibration in ("temperature", Sigmoid(5)):
        model = make(calibration, GaussianNB(), cv=folds).fit(X, y, sample_weight=weights)
        assert model.calibration_report_["n_rows"].max() == 120
    # All of the training part has the weight 0: nothing is known of the rows it holds out.
    folds[1] = (np.arange(60), np.arange(60, 120))
    for calibration in ("temperature", Sigmoid(5)):
        with pytest.warns(RareClassWarning, match="drops"):
            model = make(calibration, GaussianNB(), cv=folds).fit(X, y, sample_weight=weights)
        report = model.calibration_report_
        assert report["n_dropped"].max() >= 55


def test_classes_that_a_fold_does_not_know_are_dropped():
    order = np.argsort(Y, kind="stable")
    leaf = order[: np.unique(Y, return_counts=True)[1][0]]
    rest = np.setdiff1d(np.arange(len(X)), leaf)
    folds = [(rest, leaf)]
    for train, test in KFold(2).split(rest):
        folds.append((np.append(rest[train], leaf), rest[test]))
    for calibration in OBJECTS:
        # Of the rows of all models, root and parents, it is less than a tenth.
        lost = pytest.warns(RareClassWarning, match=r"drops .* of 180 held-out rows \(")
        with lost if calibration.of_answers else nullcontext():
            model = classifier(calibration, GaussianNB(), cv=folds).fit(X, Y)
        report = model.calibration_report_
        assert report["n_dropped"].max() == len(leaf)
        assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.filterwarnings("ignore::sklhier.exceptions.RareClassWarning")
@pytest.mark.parametrize("make", [classifier, sets_classifier])
@pytest.mark.parametrize("min_rows", [5, 1000])
def test_models_without_a_held_out_row_are_told_apart(min_rows, make):
    tops = TREE.to_levels(Y)[:, 0]
    own, rest = np.flatnonzero(tops == tops[0]), np.flatnonzero(tops != tops[0])
    parts = [(np.append(rest[train], own), rest[test]) for train, test in KFold(2).split(rest)]
    y = Y if make is classifier else [[label] for label in Y]
    model = make(Sigmoid(min_rows), GaussianNB(), cv=[(rest, own), *parts]).fit(X, y)
    report = model.calibration_report_
    nothing = report["n_rows"] == 0
    assert nothing.any()
    assert not nothing.all()
    assert_array_equal(report["method"] == "nothing: no rows", nothing)
    others = repr(Sigmoid(5)) if min_rows == 5 else "shared temperature"
    assert set(report["method"][~nothing]) == {others}


def test_folds_that_know_fewer_classes_of_a_model():
    order = np.argsort(Y, kind="stable")
    leaf = order[: np.unique(Y, return_counts=True)[1][0]]
    rest = np.setdiff1d(np.arange(len(X)), leaf)
    folds = [(rest, leaf)]
    folds += [(np.append(rest[train], leaf), rest[test]) for train, test in KFold(2).split(rest)]
    params = {"strategy": "flat", "decoder": Half("oof"), "cv": folds}
    for calibration in OF_MODELS:
        with pytest.warns(RareClassWarning, match="drops"):
            model = classifier(calibration, GaussianNB(), **params).fit(X, Y)
        assert model.calibration_report_["n_dropped"].tolist() == [len(leaf)]
        # The decoder is tuned on all rows, by models that give the lost class nothing.
        assert len(Half.seen[-1]) == len(X)
        assert (Half.seen[-1] == 0).sum() == len(leaf)


def test_few_lost_rows_are_reported_without_a_warning():
    y = Y.copy().astype(object)
    rare = y == "n1.1"
    y[np.flatnonzero(rare)[1:]] = "n1.2"
    model = classifier("temperature", GaussianNB(), cv=[*FOLDS.split(X)])
    model.set_params(estimator=DecisionTreeClassifier(max_depth=2, random_state=0)).fit(X, y)
    assert model.calibration_report_["n_dropped"].tolist() == [1]


# -- what is refused ----------------------------------------------------------------------


class Mute(ClassifierMixin, BaseEstimator):
    """A classifier that has classes alone."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.mark.parametrize("make", [classifier, sets_classifier])
@pytest.mark.parametrize("calibration", ["temperature", "sigmoid"])
def test_bases_without_scores(make, calibration):
    y = Y if make is classifier else SETS
    model = make(calibration, Mute())
    assert not hasattr(model, "predict_proba")
    with pytest.raises(IncompatiblePartsError, match="predict_proba and no decision_function"):
        model.fit(X, y)
    chosen = make(calibration, node_estimators=lambda name, taxonomy: Mute())
    with pytest.raises(IncompatiblePartsError, match="Mute has neither"):
        chosen.fit(X, y)
    assert not hasattr(chosen, "taxonomy_")


@pytest.mark.parametrize("make", [classifier, sets_classifier])
@pytest.mark.parametrize("calibration", ["temperature", Sigmoid(5), Temperature(by="node")])
def test_folds_without_a_known_row(make, calibration):
    labels = np.unique(Y)
    y = Y if make is classifier else [[label] for label in Y]
    if make is sets_classifier and not isinstance(calibration, str | Sigmoid):
        pytest.skip("the same as by name")
    halves = [np.flatnonzero(np.isin(Y, part)) for part in (labels[:1], labels[-1:])]
    rows = np.concatenate(halves)
    half = np.arange(len(halves[0])), np.arange(len(halves[0]), len(rows))
    folds = [half, half[::-1]]
    model = make(calibration, GaussianNB(), cv=folds)
    with pytest.raises(ValueError, match="must hold out rows whose class"):
        model.fit(X[rows], [y[row] for row in rows])


@pytest.mark.parametrize("calibration", ["x", 5, Isotonic, IsotonicRegression(), object()])
@pytest.mark.parametrize(
    "make",
    [
        classifier,
        sets_classifier,
        lambda c: MultiHeadClassifier(TREE, calibration=c),
        lambda c: MultiHeadMultiLabelClassifier(TREE, calibration=c),
    ],
)
def test_unknown_names_and_types(make, calibration):
    model = make(calibration)
    y = SETS if "MultiLabel" in type(model).__name__ else Y
    with pytest.raises(ValueError, match="`calibration` must be a Calibrator object or one of"):
        model.fit(X, y)
    assert not hasattr(model, "taxonomy_")


def test_nodes_without_held_out_rows_have_the_probabilities_of_their_scores():
    scores = np.array([[0.1, 0.7], [0.3, 0.9]])
    for method, expected in (
        ("decision_function", SoftmaxLink().membership(scores)),
        ("predict_proba", scores),
    ):
        link = CalibratedNodes({}, {}, {}).link(np.array([1, 2]), method)
        assert_allclose(link.membership(scores), expected, atol=1e-9)


class Neither(Calibrator):
    """A calibrator of nothing."""


def test_calibrators_are_of_answers_or_of_scores():
    with pytest.raises(TypeError, match="AnswerCalibrator or a ScoreCalibrator"):
        classifier(Neither()).fit(X, Y)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "model",
    [
        HierarchicalClassifier(GaussianNB(), taxonomy=TREE, calibration="temperature"),
        HierarchicalMultiLabelClassifier(
            GaussianNB(), taxonomy=TREE, calibration="sigmoid", decoder=SetThreshold(0.5)
        ),
        MultiHeadClassifier(TREE, calibration="temperature", alpha=0.1),
        MultiHeadMultiLabelClassifier(
            TREE, calibration="sigmoid", decoder=SetThreshold(0.5), alpha=0.1
        ),
    ],
    ids=lambda model: type(model).__name__,
)
def test_batches_cannot_be_calibrated(model):
    y = SETS if "MultiLabel" in type(model).__name__ else Y
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError):
        model.partial_fit(X, y)
    model = clone(model).fit(X, y).set_params(calibration=None)
    with pytest.raises(ValueError, match="follow a fit with calibration"):
        model.partial_fit(X, y)


@pytest.mark.parametrize("calibration", OBJECTS, ids=repr)
def test_rows_of_one_class(calibration):
    y = np.full(len(X), Y[0])
    model = classifier(calibration, GaussianNB()).fit(X, y)
    assert_array_equal(model.predict_proba(X), np.ones((len(X), 1)))
    report = model.calibration_report_
    assert len(report) == (1 if calibration.of_answers else 0)


@pytest.mark.parametrize("calibration", OF_MODELS, ids=repr)
def test_label_sets_of_one_class(calibration):
    model = sets_classifier(calibration, GaussianNB()).fit(X, [[Y[0]]] * len(X))
    own = TREE.ids([Y[0]])
    assert_array_equal(model.predict_node_proba(X)[:, own], np.ones((len(X), 1)))
    assert len(model.calibration_report_) == 0


def test_the_report_is_there_after_a_calibration():
    model = classifier(None).fit(X, Y)
    with pytest.raises(AttributeError, match="calibration_report_"):
        _ = model.calibration_report_
    with pytest.raises(AttributeError, match="not fitted"):
        _ = classifier("sigmoid").calibration_report_


# -- label sets ---------------------------------------------------------------------------


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "base", [LinearSVC(random_state=0), DecisionTreeClassifier(max_depth=3, random_state=0)]
)
@pytest.mark.parametrize("calibration", OF_MODELS, ids=repr)
@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "per_level", "flat"])
def test_label_sets_are_calibrated_and_consistent(strategy, calibration, base):
    model = sets_classifier(calibration, base, strategy=strategy).fit(X, SETS)
    nodes = model.predict_node_proba(X)
    assert ((nodes >= 0) & (nodes <= 1)).all()
    parents, children = TREE.edge_parents, TREE.edge_children
    assert (nodes[:, children] <= nodes[:, parents] + 1e-12).all()
    report = model.calibration_report_
    assert report["node"].tolist() == list(TREE.nodes[1:])
    assert np.average(report["nll_after"]) < np.average(report["nll_before"])
    assert_allclose(model.predict_node_proba(X[:1]), nodes[:1], rtol=1e-9)


@pytest.mark.parametrize(
    "base", [LinearSVC(random_state=0), RidgeClassifier()]
)  # one, or all at once
def test_a_node_is_calibrated_on_held_out_rows(base):
    model = sets_classifier(Sigmoid(5), base, strategy="flat", consistency="min").fit(X, SETS)
    closed = TREE.binarize(SETS).toarray()
    for column in (0, 4):
        y, own = closed[:, column], clone(base).fit(X, closed[:, column])
        scores = np.zeros(len(X))
        for train, test in FOLDS.split(X):
            fold = clone(base).fit(X[train], y[train])
            scores[test] = fold.decision_function(X[test])
        expected = Sigmoid().fit(scores, y).predict(own.decision_function(X))
        raw = next(model._blocks(model._prepared(X))).raw[:, 1 + column]
        assert_allclose(raw, expected, rtol=1e-5)
        proba = Sigmoid().fit(scores, y).predict(scores)
        loss = -np.log(np.where(y, proba, 1 - proba)).mean()
        assert_allclose(model.calibration_report_["nll_after"][column], loss, rtol=1e-5)


def test_thresholds_are_tuned_on_calibrated_probabilities():
    plain = sets_classifier(None, GaussianNB(), decoder=SetThreshold()).fit(X, SETS)
    model = sets_classifier("sigmoid", GaussianNB(), decoder=SetThreshold()).fit(X, SETS)
    assert plain.decoder_.tau != model.decoder_.tau
    Counting.n_fits = 0
    sets_classifier(None, Counting(), decoder=SetThreshold()).fit(X, SETS)
    alone, Counting.n_fits = Counting.n_fits, 0
    sets_classifier("sigmoid", Counting(), decoder=SetThreshold()).fit(X, SETS)
    assert Counting.n_fits == alone


def test_label_sets_have_no_joint_answers():
    for by in ("answer", "level"):
        with pytest.raises(IncompatiblePartsError, match="one answer for each sample"):
            sets_classifier(Temperature(by=by)).fit(X, SETS)
        with pytest.raises(IncompatiblePartsError, match="one answer for each sample"):
            MultiHeadMultiLabelClassifier(TREE, calibration=Temperature(by=by)).fit(X, SETS)
    model = sets_classifier("temperature").fit(X, SETS)
    assert set(model.calibration_report_["method"]) == {"Temperature(by='node')"}


def test_label_sets_of_a_dag():
    y = [["P"], ["Z"], ["S", "P"], ["Q"], []] * 20
    table = np.random.default_rng(0).normal(size=(100, 2))
    table[:, 0] += np.arange(100) % 5
    for strategy in ("per_parent", "flat"):
        model = sets_classifier("sigmoid", taxonomy=DIAMOND, strategy=strategy).fit(table, y)
        nodes = model.predict_node_proba(table)
        assert (nodes[:, DIAMOND.edge_children] <= nodes[:, DIAMOND.edge_parents] + 1e-12).all()


# -- joint models -------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("calibration", OBJECTS[:2], ids=repr)
def test_joint_models_of_one_path(calibration):
    plain = MultiHeadClassifier(TREE, alpha=1e-3).fit(X, Y)
    model = MultiHeadClassifier(TREE, alpha=1e-3, calibration=calibration, cv=FOLDS).fit(X, Y)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    (record,) = model.calibration_report_
    assert record["nll_after"] < record["nll_before"]
    if calibration.keeps_order:
        assert_array_equal(model.predict(X), plain.predict(X))
    again = MultiHeadClassifier(
        TREE, alpha=1e-3, calibration=calibration, cv=FOLDS, decoder=Half("oof")
    ).fit(X, Y)
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    with pytest.raises(IncompatiblePartsError, match="local models"):
        MultiHeadClassifier(TREE, calibration="sigmoid").fit(X, Y)


@pytest.mark.few(1)
@pytest.mark.parametrize("calibration", OF_MODELS, ids=repr)
def test_joint_models_of_label_sets(calibration):
    params = {"alpha": 0.1, "cv": FOLDS}
    plain = MultiHeadMultiLabelClassifier(TREE, **params).fit(X, SETS)
    model = MultiHeadMultiLabelClassifier(TREE, calibration=calibration, **params).fit(X, SETS)
    report = model.calibration_report_
    assert report["node"].tolist() == list(TREE.nodes[1:])
    assert report["nll_after"].mean() < report["nll_before"].mean()
    assert (report["n_rows"] == len(X)).all()
    assert model.decoder_.tau != plain.decoder_.tau


# -- saved, copied, compressed ------------------------------------------------------------


@pytest.mark.few(4)
@pytest.mark.parametrize("calibration", OBJECTS, ids=repr)
def test_saved_models_keep_their_calibration(calibration):
    table = sparse.csr_matrix(X)
    model = classifier(calibration, cv=3).fit(table, Y)
    proba = model.predict_proba(table)
    pickled = pickle.loads(pickle.dumps(model))
    types = trusted_types(model)
    assert set(types) <= set(trusted_types())
    loaded = skops.loads(skops.dumps(model), trusted=trusted_types())
    for other in (pickled, loaded, copy.deepcopy(model)):
        assert_array_equal(other.predict_proba(table), proba)
        assert_array_equal(other.calibration_report_, model.calibration_report_)
    small = copy.copy(model).compress()
    assert_allclose(small.predict_proba(table), proba, atol=1e-5)
    assert_array_equal(small.calibration_report_, model.calibration_report_)
    unfitted = clone(model)
    assert repr(unfitted.calibration) == repr(calibration)
    assert unfitted.calibration is not calibration
    assert not hasattr(calibration, "inverse_temperature_")


@pytest.mark.few(1)
@pytest.mark.parametrize("calibration", OF_MODELS, ids=repr)
def test_saved_models_of_label_sets(calibration):
    joint = MultiHeadMultiLabelClassifier(TREE, calibration=calibration, alpha=0.1)
    for model in (sets_classifier(calibration, cv=3), joint):
        model.fit(X, SETS)
        expected = model.predict_node_proba(X)
        assert_array_equal(pickle.loads(pickle.dumps(model)).predict_node_proba(X), expected)
        loaded = skops.loads(skops.dumps(model), trusted=trusted_types())
        assert_array_equal(loaded.predict_node_proba(X), expected)


@pytest.mark.parametrize(
    "model",
    [
        HierarchicalClassifier(GaussianNB(), taxonomy=TREE),
        HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=TREE, decoder=SetThreshold(0.5)),
        MultiHeadClassifier(TREE),
        MultiHeadMultiLabelClassifier(TREE, decoder=SetThreshold(0.5)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_files_from_before_calibration(model):
    y = SETS if "MultiLabel" in type(model).__name__ else Y
    model = clone(model).fit(X, y)
    expected = model.predict_proba(X)
    state = model.__getstate__()
    del state["calibration"], state["_calibration_reports"]
    for part in (state["_model"], state.get("_reading")):
        for name in ("calibration", "is_calibrated", "link"):
            if part is not None and not (name == "link" and part is state.get("_reading")):
                vars(part).pop(name, None)
    old = type(model).__new__(type(model))
    old.__setstate__(state)
    assert_array_equal(old.predict_proba(X), expected)
    assert old.calibration is None
    assert clone(old).get_params()["calibration"] is None


def test_parameters_within_can_be_searched():
    model = classifier(Temperature()).set_params(calibration__by="level")
    assert model.get_params()["calibration__by"] == "level"


def test_the_same_whatever_the_number_of_jobs():
    tables = [classifier(Sigmoid(5), n_jobs=n).fit(X, Y).predict_proba(X) for n in (None, 2)]
    assert_array_equal(*tables)


# -- label sets calibrate by themselves ---------------------------------------------------


def by_default(base=None, **params):
    return HierarchicalMultiLabelClassifier(base, taxonomy=TREE, cv=KFold(3), **params)


class OnlyClasses(ClassifierMixin, BaseEstimator):
    """Predicts the majority, and nothing else."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        self._most = self.classes_[np.argmax(np.bincount(np.searchsorted(self.classes_, y)))]
        return self

    def predict(self, X):
        return np.full(len(X), self._most)


@pytest.mark.parametrize("base", [None, GaussianNB(), LinearSVC(random_state=0)])
def test_label_sets_are_calibrated_where_a_threshold_is_learnt(base):
    one, other = (
        by_default(base).fit(X, SETS),
        by_default(base, calibration="sigmoid").fit(X, SETS),
    )
    assert one.calibration == "auto"
    assert_array_equal(one.predict_node_proba(X), other.predict_node_proba(X))
    assert one.decoder_.tau == other.decoder_.tau
    records = one.calibration_report_
    assert records.tolist() == other.calibration_report_.tolist()
    assert {record["method"] for record in records} == {"Sigmoid()"}


@pytest.mark.parametrize(
    "params",
    [
        {"decoder": SetThreshold(0.4)},
        {"decoder": "top_labels"},
        {"decoder": "expected_f1"},
        {"link": "identity"},
        {"node_estimators": lambda node, n_rows: GaussianNB()},
        {"base": OnlyClasses()},
        {"node_estimators": {TREE.nodes[1]: OnlyClasses()}},
    ],
    ids=["threshold", "top", "expected", "link", "callable", "classes", "classes below"],
)
def test_label_sets_are_not_calibrated_elsewhere(params):
    params = {"base": GaussianNB()} | params
    one, other = by_default(**params), by_default(**params, calibration=None)
    one.fit(X, SETS)
    assert [*one.predict(X)] == [*other.fit(X, SETS).predict(X)]
    assert not hasattr(one, "calibration_report_")
    assert hasattr(one, "predict_proba") == hasattr(other, "predict_proba")


def test_nobody_is_warned_of_calibration_that_was_not_asked_for():
    rare = [[*labels] for labels in SETS]
    seen = np.arange(len(X)) < len(X) // 3  # a label of one fold alone
    for row, labels in enumerate(rare):
        rare[row] = [TREE.leaves[0]] if seen[row] else [b for b in labels if b != TREE.leaves[0]]
    with pytest.warns(RareClassWarning, match="Calibration drops"):
        asked = by_default(GaussianNB(), calibration="sigmoid").fit(X, rare)
    model = by_default(GaussianNB()).fit(X, rare)  # warnings are errors
    assert model.calibration_report_["n_dropped"].sum() > 0
    several = Ensemble(["per_parent", "per_node"], weights="oof")
    by_default(GaussianNB(), strategy=several).fit(X, rare)
    with pytest.warns(
        RareClassWarning
    ) as told:  # once for each member, not for the choice as well
        by_default(GaussianNB(), strategy=several, calibration="sigmoid").fit(X, rare)
    assert len(told) <= len(several.members)
    assert_array_equal(model.predict_node_proba(X), asked.predict_node_proba(X))


def test_batches_need_a_threshold_and_no_calibration():
    model = by_default(SGDClassifier(loss="log_loss", random_state=0), decoder=SetThreshold(0.4))
    model.partial_fit(X, SETS).partial_fit(X, SETS)
    assert not hasattr(model, "calibration_report_")
    assert hasattr(by_default(SGDClassifier()), "partial_fit")
    with pytest.raises(IncompatiblePartsError, match="a threshold that is a number"):
        by_default(SGDClassifier()).partial_fit(X, SETS)
    fitted = by_default(SGDClassifier(random_state=0)).fit(X, SETS)
    with pytest.raises(ValueError, match="follow a fit with calibration"):
        fitted.set_params(decoder=SetThreshold(0.4)).partial_fit(X, SETS)


class Constant(ScoreCalibrator):
    """The share of the class, whatever the score."""

    def __init__(self, min_rows=1):
        self.min_rows = min_rows

    def fit(self, scores, y, sample_weight=None):
        self.share_ = float(np.mean(y))
        return self

    def predict(self, scores):
        return np.full(len(scores), self.share_)


def test_label_sets_compare_calibrated_members():
    members = [("flat", GaussianNB()), ("flat", GaussianNB(var_smoothing=5.0))]
    scores = {}
    for calibration in (None, Constant()):
        model = by_default(strategy=Auto(members), calibration=calibration).fit(X, SETS)
        scores[calibration is None] = set(model.selection_report_["score"])
    assert not scores[True] & scores[False]
    several = Ensemble(members, weights="oof", pool="log")
    weights = by_default(strategy=several, calibration=Constant()).fit(X, SETS).strategy_.weights
    assert weights[0] == pytest.approx(weights[1], rel=0.01)
