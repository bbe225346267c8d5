"""Calibration, guarantees, refusals, restrictions and tables of answers, one beside the other."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import sklhier
from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
)
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import Conformal, RiskControl, SetThreshold, TopLabels
from sklhier.metrics import coverage_report
from sklhier.objectives import Adam

X, Y, TREE = make_hierarchical_classification(300, 10, branching=(3, 2), noise=1.5, random_state=0)
TRAIN, CAL, TEST = np.arange(120), np.arange(120, 200), np.arange(200, 300)
SETS = [sorted({a, b}) for a, b in zip(Y, np.roll(Y, 1), strict=True)]


def single(kind, **params):
    if kind is HierarchicalClassifier:
        params = {"estimator": LinearSVC(random_state=0), "calibration": "temperature"} | params
    else:
        params = {"calibration": "temperature", "alpha": 0.01} | params
    return kind(taxonomy=TREE, random_state=0, cv=3, **params)


@pytest.mark.parametrize("kind", [HierarchicalClassifier, MultiHeadClassifier])
def test_answers_that_stop_where_calibrated_probabilities_say(kind):
    model = single(kind, decoder=Conformal(0.8)).fit(X[TRAIN], Y[TRAIN])
    model.conformalize(X[CAL], Y[CAL])
    theta = model.conformal_report_["threshold"][0]
    frame = model.predict_frame(X[TEST])
    proba = model.predict_node_proba(X[TEST])
    known = dict(zip(TREE.nodes, range(TREE.n_nodes), strict=True))
    for row, answer in enumerate(model.predict(X[TEST])):
        assert answer is None or proba[row, known[answer]] > theta
        shown = frame.iloc[row]
        last = [name for name in (shown["level_1"], shown["level_2"]) if name is not None]
        assert (last[-1] if last else None) == answer
    best = kind.predict(model.set_params(decoder="best_path"), X[TEST])
    assert_array_equal(
        best, np.take(model.classes_, np.argmax(model.predict_proba(X[TEST]), axis=1))
    )


def test_a_restriction_is_that_of_calibrated_probabilities():
    model = single(HierarchicalClassifier).fit(X[TRAIN], Y[TRAIN])
    allowed = list(model.classes_[::2])
    every = model.predict_proba(X[TEST])
    some = model.predict_proba(X[TEST], allowed=allowed)
    expected = every.copy()
    expected[:, 1::2] = 0
    assert_allclose(some, expected / expected.sum(axis=1, keepdims=True))
    assert set(model.predict(X[TEST], allowed=allowed)) <= set(allowed)


def test_refusal_and_a_search_over_calibrations_in_a_pipeline():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), single(HierarchicalClassifier, reject=0.1)),
        {"hierarchicalclassifier__calibration": [None, "temperature", "sigmoid"]},
        scoring="neg_log_loss",
        cv=2,
        error_score=-9.0,  # scores alone are no probabilities
    )
    with pytest.warns(Warning, match="fits failed|non-finite|needs probabilities"):
        search.fit(pd.DataFrame(X[TRAIN]), Y[TRAIN])
    assert search.best_params_["hierarchicalclassifier__calibration"] is not None
    test = pd.DataFrame(X[TEST], index=TEST)
    frame = sklhier.predict_frame(search, test)
    answers = search.predict(test)
    assert frame["row"].tolist() == TEST.tolist()
    refused = np.array([answer is None for answer in answers])
    assert 0 < refused.mean() < 0.5
    assert_array_equal(frame["stop"] == "none", refused)
    report = coverage_report(Y[TEST], answers, taxonomy=TREE)
    assert f"{1 - refused.mean():.3f}" in str(report)


@pytest.mark.few(2)
@pytest.mark.parametrize("calibration", ["temperature", "sigmoid", "isotonic", "venn_abers"])
@pytest.mark.parametrize("decoder", [SetThreshold(0.4), TopLabels(2)], ids=repr)
def test_calibrated_label_sets_are_searched(calibration, decoder):
    model = HierarchicalMultiLabelClassifier(
        LogisticRegression(), taxonomy=TREE, calibration=calibration, decoder=decoder
    ).fit(X[TRAIN], SETS[:120])
    full = model.decode(model.predict_node_proba(X[TEST]))
    assert list(map(sorted, model.predict(X[TEST]))) == list(map(sorted, full))


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "model",
    [
        HierarchicalMultiLabelClassifier(LogisticRegression()),
        MultiHeadMultiLabelClassifier(solver=Adam(tol=1.0), n_estimators=2),
    ],
    ids=["local", "joint"],
)
def test_risks_are_controlled_on_calibrated_label_sets(model):
    model.set_params(
        taxonomy=TREE, calibration="sigmoid", decoder=RiskControl("fnr", 0.3), random_state=0
    ).fit(X[TRAIN], SETS[:120])
    model.conformalize(X[CAL], SETS[120:200])
    again = pickle.loads(pickle.dumps(model))
    before, after = model.predict(X[TEST]), again.predict(X[TEST])
    assert list(map(sorted, before)) == list(map(sorted, after))
    proba = model.predict_node_proba(X[TEST])
    assert ((proba >= 0) & (proba <= 1)).all()
    assert (np.diff(np.sort(model.calibration_report_["n_rows"])) >= 0).all()
