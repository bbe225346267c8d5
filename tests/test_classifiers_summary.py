"""Summaries of fitted classifiers: counts by their definition, all four kinds, text and HTML."""

import json
import pickle

import numpy as np
import pytest
from conftest import DIAMOND, TAXONOMIES
from generators import dags, label_sets, labelled_trees
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

import sklhier
from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier._classifiers.summary import _rows_of_nodes
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import Conformal, RiskControl, SetThreshold

X, Y, TREE = make_hierarchical_classification(
    120, 6, branching=(2, 3), class_sep=2.0, random_state=0
)
SETS = [[label] for label in Y]
KINDS = {
    "local": (HierarchicalClassifier(GaussianNB(), taxonomy=TREE), Y),
    "sets": (HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=TREE), SETS),
    "joint": (MultiHeadClassifier(TREE, alpha=1.0), Y),
    "joint sets": (MultiHeadMultiLabelClassifier(TREE, alpha=1.0), SETS),
}


@given(labelled_trees())
def test_rows_of_nodes(case):
    taxonomy, y, _ = case
    found = _rows_of_nodes(taxonomy, taxonomy.ids(y.tolist()))
    paths = [{taxonomy.root, label, *taxonomy.ancestors(label)} for label in y.tolist()]
    assert found.tolist() == [sum(node in path for path in paths) for node in taxonomy.nodes]


@given(dags(), st.data())
def test_rows_of_nodes_of_sets(taxonomy, data):
    sets = data.draw(label_sets(taxonomy, 6))
    found = _rows_of_nodes(taxonomy, taxonomy.with_ancestors(taxonomy.members_of(sets)))
    closed = [
        {taxonomy.root}.union(*({label, *taxonomy.ancestors(label)} for label in labels))
        for labels in sets
    ]
    assert found.tolist() == [sum(node in own for own in closed) for node in taxonomy.nodes]


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds(kind):
    model, y = KINDS[kind]
    with pytest.raises(NotFittedError):
        model.summary()
    model = sklhier.__dict__[type(model).__name__](**model.get_params(deep=False)).fit(X, y)
    summary = model.summary(min_count=1000)
    sections = summary.sections
    assert summary.model == type(model).__name__
    assert sections["taxonomy"] == {
        "kind": "tree", "nodes": 9, "leaves": 6, "nodes_per_level": [2, 6],
    }  # fmt: skip
    training = sections["training"]
    assert (training["rows"], training["features"], training["classes"]) == (120, 6, 6)
    counts = {node: sum(y_.startswith(node) for y_ in Y) for node in TREE.nodes[1:]}
    assert training["rare_nodes"] == 8
    assert training["rare"] == counts
    assert list(training["rare"].values()) == sorted(counts.values())
    assert (
        model.summary(min_count=min(counts.values()) + 1).sections["training"]["rare_nodes"] >= 1
    )
    assert model.summary(min_count=min(counts.values())).sections["training"]["rare"] == {}
    if "joint" in kind:
        weights = model.coef_.size + model.intercept_.size
        assert sections["fitted"] == {
            "networks": 1, "layers": [model.coef_.shape[1]], "weights": weights,
            "iterations": model.n_iter_,
        }  # fmt: skip
        assert "strategy" not in sections["settings"]
    else:
        fitted = sections["fitted"]
        assert fitted["estimators"] == {"GaussianNB": len(model.estimators_)}
        assert fitted["local_models"] == len(model.estimators_)
        assert fitted["seconds"] == pytest.approx(model.fit_report_["seconds"].sum())
        assert sections["settings"]["strategy"] == repr(model.strategy_)
    assert sections["settings"]["decoder"] == repr(model.decoder_)
    if kind == "sets":
        assert sections["calibration"]["calibration"] == "auto"
        assert sections["calibration"]["methods"] == {"Sigmoid()": 8}
    else:
        assert sections["calibration"] == {}
    assert sections["guarantees"] == {}
    assert json.loads(json.dumps(summary.to_dict())) == {"model": summary.model, **sections}
    again = pickle.loads(pickle.dumps(model)).summary(min_count=1000)
    assert again.to_dict() == summary.to_dict()


def test_unseen_and_rare_nodes_and_constants():
    tree = Taxonomy.from_dict({"a": ["a1", "a2"], "b": ["b1", "b2"], "c": ["c1", "c2"]})
    y = ["a1"] * 6 + ["a2"] * 2 + ["b1"] * 6
    model = HierarchicalClassifier(GaussianNB(), taxonomy=tree)
    model.fit(np.arange(15.0)[:14, None], y)
    sections = model.summary().sections
    assert sections["training"]["unseen_nodes"] == 4
    assert sections["training"]["unseen"] == ["c", "b2", "c1", "c2"]
    assert sections["training"]["rare"] == {"a2": 2}
    assert sections["training"]["rare_below"] == 5
    assert sections["fitted"]["constants"] == {"constant: one outcome": 1}
    assert sections["fitted"]["local_models"] == 2


@pytest.mark.parametrize("kind", KINDS)
def test_batches_add_up_and_rows_without_weight_do_not_count(kind):
    model, y = KINDS[kind]
    if "joint" in kind:
        model = type(model)(TREE, alpha=1.0, solver="adam", random_state=0)
    else:
        model = type(model)(GaussianNB(), taxonomy=TREE)
    if "sets" in kind:
        model.set_params(decoder=SetThreshold(0.5))
    weights = np.ones(60)
    weights[:7] = 0
    model.partial_fit(X[:60], y[:60], sample_weight=weights)
    assert model.summary().sections["training"]["rows"] == 53
    model.partial_fit(X[60:], y[60:])
    training = model.summary(min_count=1000).sections["training"]
    assert training["rows"] == 113
    assert sum(training["rare"][node] for node in ("n1", "n2")) == 113
    model.partial_fit(X[:9], y[:9])
    assert model.summary().sections["training"]["rows"] == 122
    if "joint" not in kind:
        model.fit(X[9:], y[9:], sample_weight=np.repeat([0.0, 1.0], [11, 100]))
        assert model.summary().sections["training"]["rows"] == 100


def test_files_of_earlier_versions_have_no_counts():
    model = HierarchicalClassifier(GaussianNB(), taxonomy=TREE).fit(X, Y)
    del model._node_rows
    summary = model.summary()
    assert summary.sections["training"]["rows"] is None
    assert summary.sections["training"]["rare"] is None
    assert "  rows          not known\n" in str(summary)
    model.partial_fit(X, Y)
    assert model.summary().sections["training"]["rows"] is None


def test_calibration_and_refusal():
    model = HierarchicalClassifier(
        LinearSVC(), taxonomy=TREE, calibration="sigmoid", reject=0.1, cv=3
    ).fit(X, Y)
    sections = model.summary().sections
    report = model.calibration_report_
    found = sections["calibration"]
    assert found["methods"] == {"Sigmoid()": 3}
    assert found["rows"] == report["n_rows"].sum() == 240
    assert found["dropped_rows"] == 0
    for name in ("nll_before", "nll_after"):
        assert found[name] == pytest.approx((report[name] * report["n_rows"]).sum() / 240)
    assert sections["guarantees"] == {"reject_below": model.reject_threshold_}


def test_guarantees_of_paths():
    model = HierarchicalClassifier(GaussianNB(), taxonomy=TREE).fit(X[:80], Y[:80])
    model.set_params(decoder=Conformal(0.8))
    sections = model.summary().sections
    assert sections["guarantees"] == {}
    assert sections["settings"]["decoder"].endswith("not calibrated or tuned yet")
    model.conformalize(X[80:], Y[80:])
    assert model.summary().sections["guarantees"] == {
        "decoder": "Conformal",
        "confidence_level": 0.8,
        "source": "calibration",
        "is_guaranteed": True,
        "calibration_rows": 40,
    }
    assert "  is guaranteed     yes\n" in str(model.summary())


def test_guarantees_of_sets():
    model = HierarchicalMultiLabelClassifier(
        GaussianNB(), taxonomy=TREE, decoder=RiskControl("fnr", 0.2)
    ).fit(X, SETS)
    found = model.summary().sections["guarantees"]
    assert found == {
        "decoder": "RiskControl", "risk": "fnr", "target": 0.2, "method": "crc",
        "source": "out_of_fold", "is_guaranteed": False, "calibration_rows": 120,
    }  # fmt: skip
    assert "  is guaranteed     no\n" in str(model.summary())


def test_names_are_titled_and_escaped():
    tree = Taxonomy.from_dict({"a": ["<b>", "x"], "c": None}).with_titles({"x": "Ex & why"})
    model = HierarchicalClassifier(GaussianNB(), taxonomy=tree)
    summary = model.fit([[0.0], [0.1], [5.0], [5.1]], ["<b>", "<b>", "c", "c"]).summary()
    html = summary._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;: 2" in html
    assert "Ex &amp; why" in html
    assert html.count("<tr>") == str(summary).count("\n  ") + 5
    assert "calibration" not in html
    assert repr(summary) == "ModelSummary(model='HierarchicalClassifier')"


def test_no_more_than_ten_nodes_are_named():
    tree = Taxonomy.flat([f"c{i:02}" for i in range(40)])
    y = [f"c{i:02}" for i in range(20) for _ in range(2)]
    model = HierarchicalClassifier(GaussianNB(), taxonomy=tree).fit(np.arange(40.0)[:, None], y)
    training = model.summary().sections["training"]
    assert (training["unseen_nodes"], training["rare_nodes"]) == (20, 20)
    assert len(training["unseen"]) == len(training["rare"]) == 10


def test_a_dag_and_changed_copies():
    model = HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=DIAMOND)
    model.fit(np.arange(8.0)[:, None], [["Z"], ["P"], ["S"], ["Q"]] * 2)
    summary = model.summary()
    assert summary.sections["taxonomy"]["kind"] == "DAG"
    summary.to_dict()["taxonomy"]["nodes_per_level"].append(7)
    assert 7 not in summary.sections["taxonomy"]["nodes_per_level"]
    with pytest.raises(ValueError, match="min_count"):
        model.summary(min_count=0)


def test_members_of_ensembles_are_counted():
    model = HierarchicalClassifier(
        GaussianNB(), taxonomy=TAXONOMIES["balanced"], strategy="ensemble"
    )
    leaves = list(TAXONOMIES["balanced"].leaves)
    model.fit(np.arange(3.0 * len(leaves))[:, None], np.repeat(leaves, 3))
    fitted = model.summary().sections["fitted"]
    assert fitted["local_models"] == len(model.estimators_)
