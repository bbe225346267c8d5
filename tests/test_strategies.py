"""All strategies: coherent, independent of what they should not depend on, and as defined."""

import inspect
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import TAXONOMIES, shared_data
from generators import features, labelled_trees, one_in
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.decoders import SetThreshold
from sklhier.exceptions import (
    IncompatiblePartsError,
    LocalFitError,
    LocalPredictError,
    TaxonomyError,
)
from sklhier.persistence import trusted_types
from sklhier.strategies import (
    Ensemble,
    Flat,
    HeldOut,
    Kind,
    LocalScores,
    ModelKey,
    PerLevel,
    PerNode,
    PerParent,
    resolve_strategy,
    training_rows,
)
from sklhier.strategies._policies import POLICIES
from sklhier.strategies._pools import smoothed_logs

RAGGED = TAXONOMIES["ragged"]
LEAVES = np.array(["a", "b", "c", "B1", "B2", "C"])
TREE = DecisionTreeClassifier(max_depth=2, random_state=0)

SINGLE = [
    PerParent(),
    PerParent(stop="learn"),
    *(PerNode(policy) for policy in POLICIES if policy != "exclusive_siblings"),
    *(PerNode(policy, stop="learn") for policy in POLICIES if policy != "exclusive_siblings"),
    PerLevel(),
    PerLevel(beta=0.4),
    Flat(),
]
LOG_POOL = Ensemble([PerLevel(), "flat", PerNode()], weights=[1, 0.5, 0], pool="log")
ALL = [*SINGLE, Ensemble(), Ensemble(["flat", PerNode(), PerParent()]), LOG_POOL]


def data(n_rows=90, labels=LEAVES, seed=0):
    y = np.resize(labels, n_rows)
    return features(y, seed), y


# -- what holds for every strategy --------------------------------------------------------


@pytest.mark.few(4)
@pytest.mark.parametrize("strategy", ALL, ids=repr)
@one_in(2)
@given(case=labelled_trees())
def test_probabilities_are_coherent(strategy, case):
    tree, y, seed = case
    X = features(y, seed)
    model = HierarchicalClassifier(TREE, taxonomy=tree, strategy=strategy).fit(X, y)
    nodes, classes = model.predict_node_proba(X), model.predict_proba(X)
    assert (nodes[:, 0] == 1).all()
    assert ((nodes >= 0) & (nodes <= 1 + 1e-12)).all()
    assert_allclose(classes.sum(axis=1), 1, atol=1e-12)
    for node, name in enumerate(tree.nodes):
        children = nodes[:, tree.children_of(node)].sum(axis=1)
        stop = classes[:, model.classes_ == name].sum(axis=1)
        assert_allclose(nodes[:, node], children + stop, atol=1e-12)
    assert not nodes[:, tree.ids(list(model.unseen_nodes_))].any()
    best = model.predict(X)
    assert_array_equal(best, model.classes_[classes.argmax(axis=1)])
    # What stops at a node is a difference there: of equally probable answers it may be another.
    again = np.searchsorted(model.classes_, model.decode(nodes, "best_path"))
    assert_allclose(classes[np.arange(len(X)), again], classes.max(axis=1), atol=1e-12)
    top, proba = model.predict_top_k(X, 1)
    assert_array_equal(top[:, 0], best)
    assert_array_equal(proba[:, 0], classes.max(axis=1))


@pytest.mark.few(2)
@pytest.mark.parametrize("strategy", ALL, ids=repr)
@one_in(2)
@given(case=labelled_trees())
def test_a_row_depends_on_itself_alone(strategy, case):
    tree, y, seed = case
    X = features(y, seed)
    model = HierarchicalClassifier(TREE, taxonomy=tree, strategy=strategy).fit(X, y)
    nodes = model.predict_node_proba(X)
    order = np.random.default_rng(seed).permutation(len(X))
    assert_array_equal(model.predict_node_proba(X[order]), nodes[order])
    assert_array_equal(model.predict_node_proba(X[:1]), nodes[:1])
    with sklearn.config_context(working_memory=1e-3):
        assert_array_equal(model.predict_node_proba(X), nodes)


@pytest.mark.few(3)
@pytest.mark.parametrize("strategy", ALL, ids=repr)
@one_in(2)
@given(case=labelled_trees())
def test_renaming_nodes_renames_outputs(strategy, case):
    tree, y, seed = case
    X = features(y, seed)
    model = HierarchicalClassifier(TREE, taxonomy=tree, strategy=strategy).fit(X, y)
    # Of equal splits the base takes one that depends on the order of the classes: keep that.
    names = {name: f"x{100 + i}" for i, name in enumerate(sorted(tree.nodes))}
    edges = zip(tree.edge_parents.tolist(), tree.edge_children.tolist(), strict=True)
    other = Taxonomy.from_edges([tuple(names[tree.nodes[n]] for n in edge) for edge in edges])
    renamed = clone(model).set_params(taxonomy=other).fit(X, [names[label] for label in y])
    assert_array_equal(renamed.predict_node_proba(X), model.predict_node_proba(X))


@pytest.mark.few(4)
@pytest.mark.parametrize("strategy", ALL, ids=repr)
def test_n_jobs_and_the_order_of_rows_do_not_matter(strategy):
    X, y = data(60)
    model = HierarchicalClassifier(
        SGDClassifier(loss="log_loss"), taxonomy=RAGGED, strategy=strategy, random_state=0
    )
    alone = model.fit(X, y).predict_node_proba(X)
    assert_array_equal(clone(model).set_params(n_jobs=2).fit(X, y).predict_node_proba(X), alone)
    order = np.random.default_rng(0).permutation(len(X))
    base = GaussianNB()  # whose fit does not depend on the order, but for rounding
    straight = model.set_params(estimator=base).fit(X, y).predict_node_proba(X)
    shuffled = model.fit(X[order], y[order]).predict_node_proba(X)
    assert_allclose(shuffled, straight, atol=1e-8)


@pytest.mark.few(9)
@pytest.mark.parametrize("strategy", ALL, ids=repr)
def test_one_level_equals_the_bare_estimator_or_binary_ones(strategy):
    X, y = data(80, LEAVES[:4])
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=Taxonomy.flat(y))
    proba = model.set_params(strategy=strategy).fit(X, y).predict_proba(X)
    bare = LogisticRegression().fit(X, y).predict_proba(X)
    binary = np.column_stack(
        [
            LogisticRegression().fit(X, y == label).predict_proba(X)[:, 1]
            for label in model.classes_
        ]
    )
    binary /= binary.sum(axis=1, keepdims=True)
    if isinstance(strategy, PerNode):
        assert_allclose(proba, binary, atol=1e-12)
    elif strategy is LOG_POOL:
        flatter = bare ** PerLevel().beta
        flatter /= flatter.sum(axis=1, keepdims=True)
        logs = 0.5 * smoothed_logs(bare) + smoothed_logs(flatter)
        assert_allclose(proba, softmax(logs, axis=1), atol=1e-12)
    elif isinstance(strategy, Ensemble) and strategy.members:
        assert_allclose(proba, (2 * bare + binary) / 3, atol=1e-12)
    else:
        sharper = bare ** getattr(strategy, "beta", 1.0)
        assert_allclose(proba, sharper / sharper.sum(axis=1, keepdims=True), atol=1e-12)


@pytest.mark.few(17)
@pytest.mark.parametrize("strategy", ALL, ids=repr)
def test_an_only_child_costs_nothing(strategy):
    X, y = data(60, np.array(["a", "b"]))
    short = Taxonomy.flat(y)
    long = Taxonomy.from_edges([("R", "A"), ("A", "B"), ("B", "a"), ("B", "b")])
    models = [
        HierarchicalClassifier(GaussianNB(), taxonomy=tree, strategy=strategy).fit(X, y)
        for tree in (short, long)
    ]
    assert_allclose(models[0].predict_proba(X), models[1].predict_proba(X), atol=1e-15)
    assert len(models[0].estimators_) == len(models[1].estimators_)


@pytest.mark.few(4)
@pytest.mark.parametrize("strategy", ALL, ids=repr)
@pytest.mark.parametrize("decoder", ["best_path", "top_down", "beam", "level_weighted"])
def test_partial_fit_in_one_batch_equals_fit(strategy, decoder):
    X, y = data(60)
    X -= X.min()
    model = HierarchicalClassifier(
        MultinomialNB(), taxonomy=RAGGED, strategy=strategy, decoder=decoder
    )
    whole = clone(model).fit(X, y)
    once = clone(model).partial_fit(X, y)
    assert_allclose(once.predict_node_proba(X), whole.predict_node_proba(X), atol=1e-9)
    first = clone(model).partial_fit(X[:40:2], y[:40:2])  # some labels come later
    assert set(first.predict(X)) <= set(y[:40:2])
    again = first.partial_fit(X, y)
    assert set(again.predict(X)) <= set(y)


@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "per_level", "ensemble"])
def test_sample_weights_repeat_rows(strategy):
    X, y = data(60)
    weights = np.arange(60) % 3
    repeats = np.repeat(np.arange(60), weights)
    model = HierarchicalClassifier(
        LogisticRegression(tol=1e-10, max_iter=5000), taxonomy=RAGGED, strategy=strategy
    )
    weighted = clone(model).fit(X, y, sample_weight=weights)
    repeated = clone(model).fit(X[repeats], y[repeats])
    assert_allclose(weighted.predict_node_proba(X), repeated.predict_node_proba(X), atol=1e-4)


# -- per node -----------------------------------------------------------------------------


def test_policies_of_the_literature():
    import json

    folder = shared_data("../oracles")
    cases = json.loads((folder / "oracles.json").read_text("utf-8"))
    case = next(case for case in cases if case["id"] == "negative-policies")
    tree = Taxonomy.from_edges([tuple(edge) for edge in case["edges"]], root=case["root"])
    nodes = tree.ids(case["input"]["y_most_specific"])
    for policy, expected in case["expected"].items():
        for name, rows in expected.items():
            positive, negative = training_rows(policy, tree, tree.id(name), nodes)
            assert positive.tolist() == rows["pos"], (policy, name)
            assert negative.tolist() == rows["neg"], (policy, name)


@pytest.mark.few(3)
@pytest.mark.parametrize("policy", POLICIES)
@given(case=labelled_trees(), n_without=st.integers(0, 2))
def test_policies_by_sets(policy, case, n_without):
    tree, y, _ = case
    y = np.array([*y, *[tree.root] * n_without])
    rows = set(range(len(y)))
    exact = {name: {row for row in rows if y[row] == name} for name in tree.nodes}
    below = {
        name: exact[name].union(*(exact[other] for other in tree.descendants(name)))
        for name in tree.nodes
    }
    for name in tree.nodes[1:]:
        siblings = [s for s in tree.children(tree.parents(name)[0]) if s != name]
        wanted = {
            "exclusive": (exact[name], rows - exact[name]),
            "less_exclusive": (exact[name], rows - below[name]),
            "less_inclusive": (below[name], rows - below[name]),
            "inclusive": (
                below[name],
                rows
                - below[name]
                - exact[tree.root].union(*(exact[a] for a in tree.ancestors(name))),
            ),
            "siblings": (below[name], set().union(*(below[s] for s in siblings))),
            "exclusive_siblings": (exact[name], set().union(*(exact[s] for s in siblings))),
        }[policy]
        found = training_rows(policy, tree, tree.id(name), tree.ids(y.tolist()))
        assert [set(part.tolist()) for part in found] == [set(part) for part in wanted]


@given(labelled_trees())
def test_siblings_are_asked_one_against_the_rest(case):
    tree, y, seed = case
    X = features(y, seed)
    model = HierarchicalClassifier(TREE, taxonomy=tree, strategy=PerNode(stop="learn"))
    nodes = model.fit(X, y).predict_node_proba(X)
    ids = tree.ids(y.tolist())
    seen = {name for label in y for name in (label, *tree.ancestors(label))}
    for parent, name in enumerate(tree.nodes):
        parts = [(Kind.NODE, c) for c in tree.children_of(parent) if tree.nodes[c] in seen]
        if parts and name in y:
            parts.append((Kind.STOP, parent))
        if len(parts) < 2:
            continue
        inside = [
            row for row, label in enumerate(y)
            if (parent == 0 and label != tree.nodes[0]) or name in (*tree.ancestors(label), label)
        ]  # fmt: skip
        scores = []
        for kind, node in parts:
            below = {node, *tree.ids(list(tree.descendants(tree.nodes[node]))).tolist()}
            here = {parent} if kind is Kind.STOP else below
            targets = [int(ids[row] in here) for row in inside]
            scores.append(clone(TREE).fit(X[inside], targets).predict_proba(X)[:, 1])
        scores = np.column_stack(scores)
        scores[(scores == 0).all(axis=1)] = 1.0
        scores /= scores.sum(axis=1, keepdims=True)
        for column, (kind, node) in enumerate(parts):
            if kind is Kind.NODE:
                assert_allclose(nodes[:, node], nodes[:, parent] * scores[:, column], atol=1e-12)


@pytest.mark.parametrize("policy", ["exclusive", "less_exclusive"])
def test_exclusive_policies_sum_what_tells_classes_apart(policy):
    X, y = data(90, np.array(["a", "b", "B1", "A", "C", "B"]))
    model = HierarchicalClassifier(
        LogisticRegression(), taxonomy=RAGGED, strategy=PerNode(policy, stop="learn")
    ).fit(X, y)
    scores = []
    for name in model.classes_:
        others = y != name
        if policy == "less_exclusive":
            others &= ~np.isin(y, RAGGED.descendants(name))
        rows = (y == name) | others
        base = LogisticRegression().fit(X[rows], y[rows] == name)
        scores.append(base.predict_proba(X)[:, 1])
    wanted = np.column_stack(scores)
    assert_allclose(model.predict_proba(X), wanted / wanted.sum(axis=1, keepdims=True), atol=1e-12)


def test_exclusive_siblings_need_labels_at_inner_nodes():
    X, y = data(60)
    model = HierarchicalClassifier(
        GaussianNB(), taxonomy=RAGGED, strategy=PerNode("exclusive_siblings")
    )
    with pytest.raises(IncompatiblePartsError, match=r"no sample has the label 'A'.*'siblings'"):
        model.fit(X, y)
    pair = Taxonomy.from_dict({"A": ["a", "b"], "B": []})
    with pytest.raises(IncompatiblePartsError, match="no sample has the label 'A'"):
        clone(model).set_params(taxonomy=pair).fit(X[:4], ["a", "b", "B", "B"])
    X, y = data(90, np.array([*LEAVES, "A", "B", "A1", "A2"]))
    model.fit(X, y)
    learnt = clone(model).set_params(strategy__stop="learn").fit(X, y)
    assert set(model.predict(X)) <= set(LEAVES)
    assert set(learnt.predict(X)) >= {"A", "A1"}


def test_linear_svc_per_node_is_linear_svc_per_parent():
    """Its multi-class form is one against the rest already."""
    X, y = data(120)
    tree = Taxonomy.from_dict({"A": ["a", "b", "c"], "B": ["B1", "B2", "B3"], "C": []})
    y = np.where(y == "A1", "a", y)
    models = [
        HierarchicalClassifier(
            LinearSVC(random_state=0, tol=1e-8, max_iter=100_000), taxonomy=tree, strategy=strategy
        ).fit(X, y)
        for strategy in ("per_parent", "per_node")
    ]
    assert np.mean(models[0].predict(X) == models[1].predict(X)) > 0.97


class Never(ClassifierMixin, BaseEstimator):
    """Rules everything out that it was not told."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


def test_siblings_that_are_all_ruled_out_are_equally_probable():
    X, y = data(60)
    for policy, wanted in (("siblings", 1 / 3), ("exclusive", 0.5)):
        model = HierarchicalClassifier(Never(), taxonomy=RAGGED, strategy=PerNode(policy))
        model.fit(X, y)
        leaves, weights = model.predict_top_k(X, len(LEAVES))
        below = np.isin(leaves, list(RAGGED.descendants("A")))
        assert_allclose((weights * below).sum(axis=1), wanted)


def test_names_of_models_in_errors_reports_and_estimators():
    X, y = data(90, np.array([*LEAVES, "A"]))
    node = HierarchicalClassifier(
        GaussianNB(), taxonomy=RAGGED, strategy=PerNode(stop="learn")
    ).fit(X, y)
    assert list(node.estimators_)[:3] == ["A", "B", "C"]
    assert ("stop", "A") in node.estimators_
    assert "c" not in node.estimators_  # an only child
    report = {row["node"]: row for row in node.fit_report_}
    assert report["A"]["level"] == report["B"]["level"] == 1
    assert report[("stop", "A")]["level"] == report["A1"]["level"] == 2
    assert report["c"]["fitted"] == "constant: one outcome"
    level = clone(node).set_params(strategy="per_level").fit(X, y)
    assert list(level.estimators_) == ["level:1", "level:2", "level:3"]
    assert level.fit_report_["n_outcomes"].tolist() == [3, 6, 7]
    both = clone(node).set_params(strategy=Ensemble(["flat", "per_level"])).fit(X, y)
    assert list(both.estimators_) == [
        (0, "R"), (1, "level:1"), (1, "level:2"), (1, "level:3"),
    ]  # fmt: skip

    class FailsOnTwo(GaussianNB):
        def fit(self, X, y, sample_weight=None):
            if len(np.unique(y)) == self.forbidden:
                raise RuntimeError("no")
            return super().fit(X, y, sample_weight)

        forbidden = 2

    with pytest.raises(LocalFitError, match="FailsOnTwo failed at node 'A', fitted on"):
        clone(node).set_params(estimator=FailsOnTwo()).fit(X, y)
    FailsOnTwo.forbidden = 6
    with pytest.raises(LocalFitError, match="failed at level 2, fitted on 90 row") as caught:
        clone(level).set_params(estimator=FailsOnTwo()).fit(X, y)
    assert caught.value.node == "level:2"


class NotANumber(GaussianNB):
    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), np.nan)


def test_scores_that_are_no_numbers_are_refused():
    X, y = data(60)
    for strategy in ("per_node", "per_level", "per_parent", "flat"):
        model = HierarchicalClassifier(NotANumber(), taxonomy=RAGGED, strategy=strategy)
        with pytest.raises(LocalPredictError, match="NotANumber failed at"):
            model.fit(X, y).predict(X)


def test_estimators_for_nodes_and_levels():
    X, y = data(90)
    own = {"a": LogisticRegression(), "level:1": DecisionTreeClassifier()}
    model = HierarchicalClassifier(
        GaussianNB(), taxonomy=RAGGED, strategy="per_node", node_estimators=own
    ).fit(X, y)
    kinds = {name: type(e).__name__ for name, e in model.estimators_.items()}
    assert kinds["A"] == kinds["C"] == "DecisionTreeClassifier"
    assert kinds["a"] == "LogisticRegression"
    assert kinds["b"] == "GaussianNB"
    with pytest.raises(TaxonomyError, match="'a', which is a leaf"):
        clone(model).set_params(strategy="per_parent").fit(X, y)
    both = clone(model).set_params(strategy=Ensemble(["per_node", "per_level"])).fit(X, y)
    kinds = {name: type(e).__name__ for name, e in both.estimators_.items()}
    assert kinds[(0, "a")] == "LogisticRegression"
    assert kinds[(1, "level:1")] == "DecisionTreeClassifier"
    asked = []
    clone(model).set_params(
        strategy="per_level", node_estimators=lambda name, tree: asked.append(name)
    ).fit(X, y)
    assert asked == ["level:1", "level:2", "level:3"]


# -- per level ----------------------------------------------------------------------------


class Heads(ClassifierMixin, BaseEstimator):
    """Answers with given logits, by the number of classes."""

    def __init__(self, logits=None):
        self.logits = logits

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.tile(softmax(self.logits[len(self.classes_)]), (len(X), 1))


@pytest.mark.parametrize(("beta", "key"), [(1.0, "leaf_probs_beta1"), (0.5, "leaf_probs_beta0_5")])
def test_product_of_levels_of_the_oracle(beta, key):
    import json

    folder = shared_data("../oracles")
    cases = json.loads((folder / "oracles.json").read_text("utf-8"))
    case = next(case for case in cases if case["id"] == "lcl-product")
    tree = Taxonomy.from_edges([tuple(edge) for edge in case["edges"]], root=case["root"])
    heads = case["input"]["head_logits"]
    estimators = {}
    for level, head in heads.items():
        ids = {name: int(tree.id(name.removesuffix("_stop"))) for name in head}
        ordered = [head[name] for name in sorted(ids, key=ids.get)]
        estimators[f"level:{level}"] = Heads({len(head): np.array(ordered)})
    y = sorted(case["input"]["paths"])
    model = HierarchicalClassifier(
        Heads(), taxonomy=tree, strategy=PerLevel(beta), node_estimators=estimators
    ).fit(np.zeros((len(y), 1)), y)
    found = dict(zip(model.classes_, model.predict_proba(np.zeros((1, 1)))[0], strict=True))
    for name, wanted in case["expected"][key].items():
        assert found[name] == pytest.approx(wanted, abs=case["tol"])
    if beta == 1:
        nodes = model.predict_node_proba(np.zeros((1, 1)))[0]
        for name, wanted in case["expected"]["marginals_beta1"].items():
            assert nodes[tree.id(name)] == pytest.approx(wanted, abs=case["tol"])


@given(labelled_trees())
def test_levels_by_the_definition(case):
    tree, y, seed = case
    X = features(y, seed)
    model = HierarchicalClassifier(TREE, taxonomy=tree, strategy=PerLevel()).fit(X, y)

    def at(label, level):
        way = tree.path(label)
        return way[level] if level < len(way) else (label, "stopped")

    logs = np.zeros((len(X), len(model.classes_)))
    groups = 0
    for level in range(max(len(tree.path(label)) for label in y)):
        targets = [at(label, level) for label in y]
        order = {t: tree.id(t[0] if isinstance(t, tuple) else t) for t in targets}
        members = sorted(order, key=order.get)
        if len(members) > max(groups, 1):
            base = clone(TREE).fit(X, [members.index(t) for t in targets])
            proba = np.maximum(base.predict_proba(X), np.finfo(float).tiny)
            for column, label in enumerate(model.classes_):
                logs[:, column] += np.log(proba[:, members.index(at(label, level))])
        groups = len(members)
    assert_allclose(model.predict_proba(X), softmax(PerLevel().beta * logs, axis=1), atol=1e-9)


def test_beta_is_learnt_from_held_out_rows():
    rng = np.random.default_rng(0)
    y = rng.choice(LEAVES, 600)
    X = features(y, 1) + rng.normal(0, 1.5, (600, 4))
    model = HierarchicalClassifier(
        GaussianNB(), taxonomy=RAGGED, strategy=PerLevel("oof"), cv=KFold(4)
    ).fit(X, y)
    learnt = model.strategy_.beta
    assert 0.2 < learnt < 0.9  # three levels that say much the same
    assert model.strategy.beta == "oof"

    def loss(beta):
        total = 0.0
        for train, test in KFold(4).split(X):
            part = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED, strategy=PerLevel(beta))
            proba = part.fit(X[train], y[train]).predict_proba(X[test])
            total -= np.log(
                proba[np.arange(len(test)), np.searchsorted(part.classes_, y[test])]
            ).sum()
        return total

    at_learnt = loss(learnt)
    assert at_learnt < loss(learnt * 1.05)
    assert at_learnt < loss(learnt / 1.05)
    # Like any other with that power; within an ensemble too; the same again.
    fixed = clone(model).set_params(strategy=PerLevel(learnt)).fit(X, y)
    assert_array_equal(fixed.predict_node_proba(X), model.predict_node_proba(X))
    ensemble = clone(model).set_params(strategy=Ensemble(["flat", PerLevel("oof")])).fit(X, y)
    assert ensemble.strategy_.members[1].beta == learnt
    assert clone(model).fit(X, y).strategy_.beta == learnt
    with pytest.raises(IncompatiblePartsError, match="partial_fit sees them in batches"):
        clone(model).partial_fit(X, y)


def test_beta_with_weights_rare_classes_and_default_folds():
    X, y = data(80)
    y[0] = "A2"  # one row, which no fold can learn and test
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=RAGGED, strategy=PerLevel("oof"))
    once = clone(model).fit(X, y).strategy_.beta
    assert 0.1 < once < 8
    weights = np.where(np.arange(80) < 40, 1.0, 0.0)
    dropped = clone(model).fit(X, y, sample_weight=weights).strategy_.beta
    assert dropped == clone(model).fit(X[:40], y[:40]).strategy_.beta
    three = clone(model).set_params(cv=3).fit(X, y).strategy_.beta
    assert three != once


class Oracle(ClassifierMixin, BaseEstimator):
    """Knows the outcome of each label from X, or takes the next one, and always says how sure."""

    def __init__(self, confidence=0.6, is_right=True):
        self.confidence = confidence
        self.is_right = is_right

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.codes_ = dict(zip(X.argmax(axis=1).tolist(), y.tolist(), strict=True))
        return self

    def predict_proba(self, X):
        k = len(self.classes_)
        codes = [(self.codes_[x] + (not self.is_right)) % k for x in X.argmax(axis=1).tolist()]
        rest = (1 - self.confidence) / (k - 1)
        return np.where(np.eye(k)[codes] > 0, self.confidence, rest)


@pytest.mark.parametrize(
    ("base", "wanted"), [(Oracle(0.6), 8.0), (Oracle(0.9, is_right=False), 0.125)], ids=repr
)
def test_the_power_is_between_an_eighth_and_eight(base, wanted):
    y = np.resize(LEAVES, 60)
    X = (y[:, None] == LEAVES).astype(float)
    model = HierarchicalClassifier(base, taxonomy=RAGGED, strategy=PerLevel("oof"), cv=KFold(3))
    assert model.fit(X, y).strategy_.beta == wanted


# -- ensembles ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels", [LEAVES, np.array([*LEAVES, "A", "B"])], ids=["leaves", "inner"]
)
def test_an_ensemble_is_the_mean_of_its_members(labels):
    X, y = data(100, labels)
    members = [PerParent(stop="learn"), PerLevel(beta=1.0), PerNode()]
    parts = [
        HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED, strategy=member).fit(X, y)
        for member in members
    ]
    both = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED, strategy=Ensemble(members))
    both.fit(X, y)
    for method in ("predict_node_proba", "predict_proba"):
        wanted = np.mean([getattr(part, method)(X) for part in parts], axis=0)
        assert_allclose(getattr(both, method)(X), wanted, atol=1e-15)
    default = clone(both).set_params(strategy="ensemble").fit(X, y)
    assert_allclose(
        default.predict_proba(X),
        np.mean([part.predict_proba(X) for part in parts[:2]], axis=0),
        atol=1e-15,
    )


# -- inner nodes as labels, end to end ----------------------------------------------------


@pytest.mark.parametrize(
    "strategy",
    [PerParent(stop="learn"), PerNode(stop="learn"), PerLevel(), Flat(), Ensemble()],
    ids=repr,
)
def test_inner_labels_are_learnt_predicted_and_scored(strategy):
    X, y = data(300, np.array([*LEAVES, "A", "A1", "B"]))
    model = HierarchicalClassifier(GaussianNB(), taxonomy=RAGGED, strategy=strategy).fit(X, y)
    assert set(model.classes_) == set(y)
    proba = model.predict_proba(X)
    inner = np.isin(model.classes_, ["A", "A1", "B"])
    assert proba[:, inner].max(axis=0).min() > 0.5
    predicted = model.predict(X)
    assert {"A", "A1", "B"} <= set(predicted)
    assert model.score(X, y) == np.mean(predicted == y) > 0.5
    levels = pd.DataFrame(RAGGED.to_levels(y))
    by_levels = clone(model).set_params(taxonomy=None).fit(X, levels)
    assert by_levels.score(X, levels) == pytest.approx(model.score(X, y), abs=0.05)
    top, mass = model.predict_top_k(X, 4)
    assert_allclose(mass, -np.sort(-proba, axis=1)[:, :4])
    assert_array_equal(top[:, 0], predicted)


# -- errors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "match"),
    [
        (PerParent(stop="maybe"), "`stop` must be one of 'ignore', 'learn'"),
        (PerNode(stop="maybe"), "`stop` must be one of"),
        (PerNode(policy="balanced"), "`policy` must be one of 'exclusive', 'less_exclusive'"),
        (PerLevel(beta=0), "`beta` must be a finite number above 0, got 0"),
        (PerLevel(beta="cv"), "`beta` must be a finite number above 0, got 'cv'"),
        (Ensemble([]), "at least one strategy"),
        (Ensemble("flat"), "at least one strategy"),
        (Ensemble(["best"]), "`strategy` must be a Strategy object or one of"),
        (
            "per_child",
            r"`strategy` must be a Strategy object or one of \['auto', 'ensemble', 'flat'",
        ),
    ],
    ids=repr,
)
def test_bad_parameters(strategy, match):
    X, y = data(12)
    with pytest.raises(ValueError, match=match):
        HierarchicalClassifier(taxonomy=RAGGED, strategy=strategy).fit(X, y)


def test_strategies_without_a_parameter_to_tune_are_themselves():
    for strategy in SINGLE:
        assert not strategy.needs_tuning
        assert strategy.tuned(RAGGED, None) is strategy
        assert strategy.parts() == [strategy]
    assert resolve_strategy("per_node").policy == "siblings"
    assert HeldOut(None, LocalScores({}, [[0]], RAGGED), None, None).scores.n_rows == 1


# -- keys of models, and their seeds ------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(list(Kind)), st.integers(0, 50))))
def test_keys_are_as_good_as_plain_tuples(pairs):
    keys = [ModelKey(*pair) for pair in pairs]
    plain = [(int(kind), number) for kind, number in pairs]
    assert sorted(keys) == sorted(plain)
    assert list(map(hash, keys)) == list(map(hash, plain))
    assert dict.fromkeys(keys).keys() == set(plain)
    again = pickle.loads(pickle.dumps(keys))
    assert again == keys
    assert all(type(key) is ModelKey and type(key.kind) is Kind for key in again)


def test_keys_are_saved_by_skops():
    skops = pytest.importorskip("skops.io")
    keys = [ModelKey(kind, number) for kind in Kind for number in (0, 7)]
    again = skops.loads(skops.dumps(keys), trusted=trusted_types())
    assert again == keys
    assert [type(key) for key in again] == [ModelKey] * len(keys)
    assert list(map(hash, again)) == list(map(hash, keys))


SEEDED = SGDClassifier(max_iter=1, tol=None)
EVERY_KIND = Ensemble([PerParent(stop="learn"), PerNode(stop="learn"), PerLevel(), Flat()])
LABELS = np.array([*LEAVES, "A", "A1"])


def seeds(model):
    return {name: local.random_state for name, local in model.estimators_.items()}


def seeds_of_sets(edges, strategy=None):
    """Return the seed of each node's model where samples have sets of labels."""
    taxonomy = Taxonomy.from_edges(edges)
    y = [*([name] for name in taxonomy.nodes[1:]), []]
    strategy = PerNode("less_inclusive") if strategy is None else strategy
    model = HierarchicalMultiLabelClassifier(
        SEEDED, taxonomy=taxonomy, strategy=strategy, decoder=SetThreshold(0.5), random_state=0
    )
    return seeds(model.fit(np.arange(len(y))[:, None], y))


def test_all_models_have_seeds_of_their_own():
    X, y = data(80, LABELS)
    twice = Ensemble([*EVERY_KIND.members, *EVERY_KIND.members])
    model = HierarchicalClassifier(SEEDED, taxonomy=RAGGED, strategy=twice, random_state=0)
    found = seeds(model.fit(X, y))
    assert {(0, "A"), (1, "A"), (1, ("stop", "A")), (2, "level:1"), (3, "R")} < found.keys()
    assert {member for member, _ in found} == set(range(8))
    others = seeds(clone(model).set_params(random_state=1).fit(X, y))
    assert len({*found.values(), *others.values()}) == 2 * len(found)
    assert seeds(clone(model).fit(X, y)) == found
    kept = clone(model).set_params(random_state=None, estimator__random_state=5).fit(X, y)
    assert set(seeds(kept).values()) == {5}


@pytest.mark.few(5)
@pytest.mark.parametrize("strategy", ALL, ids=repr)
def test_a_new_leaf_leaves_the_seeds_of_all_other_nodes(strategy):
    X, y = data(80, LABELS)
    edges = list(RAGGED.to_networkx().edges())
    model = HierarchicalClassifier(SEEDED, strategy=strategy, random_state=0)
    found = seeds(model.set_params(taxonomy=RAGGED).fit(X, y))
    for parent in ("R", "A", "C", "a"):
        larger = Taxonomy.from_edges([(parent, "0"), *edges])
        if parent == "R":
            assert (larger.ids(RAGGED.nodes[1:]) > RAGGED.ids(RAGGED.nodes[1:])).all()
        assert seeds(model.set_params(taxonomy=larger).fit(X, y)) == found


@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "per_level"])
def test_a_new_leaf_leaves_the_seeds_of_other_label_sets(strategy):
    edges = list(RAGGED.to_networkx().edges())
    found = seeds_of_sets(edges, strategy)
    larger = seeds_of_sets([("R", "0"), *edges], strategy)
    assert found
    assert larger == larger | found


@one_in(2)
@given(case=labelled_trees(), above=st.integers(0, 13))
def test_seeds_of_any_tree_with_a_new_leaf(case, above):
    tree, y, seed = case
    edges = list(tree.to_networkx().edges())
    larger = Taxonomy.from_edges([(tree.nodes[above % tree.n_nodes], "new"), *edges])
    model = HierarchicalClassifier(SEEDED, strategy=EVERY_KIND, random_state=0)
    found = [
        seeds(model.set_params(taxonomy=taxonomy).fit(features(y, seed), y))
        for taxonomy in (tree, larger)
    ]
    assert found[0] == found[1]
    assert len(set(found[0].values())) == len(found[0])


def test_seeds_follow_the_path_in_a_tree_and_the_name_in_a_dag():
    tree = [("R", "P"), ("R", "Q"), ("P", "x"), ("P", "y"), ("Q", "z")]
    in_tree = seeds_of_sets(tree)
    moved = seeds_of_sets([("R", "P"), ("R", "Q"), ("Q", "x"), ("P", "y"), ("Q", "z")])
    assert {name for name in "PQxyz" if moved[name] != in_tree[name]} == {"x"}
    dag = seeds_of_sets([*tree, ("Q", "x")])
    other = seeds_of_sets([*tree, ("R", "S"), ("S", "y"), ("z", "x")])
    assert other == other | dag
    assert len(set(other.values())) == len(other) == 6


def test_names_that_are_equal_have_equal_seeds():
    X, y = data(80)
    edges = RAGGED.edge_parents, RAGGED.edge_children
    found = []
    for names in (RAGGED.nodes, list(map(np.str_, RAGGED.nodes))):
        taxonomy = Taxonomy(names, *edges)
        model = HierarchicalClassifier(SEEDED, taxonomy=taxonomy, random_state=0)
        found.append(seeds(model.fit(X, y)))
    assert found[0] == found[1]


def seeds_as_text():
    import numpy as np
    from sklearn.linear_model import SGDClassifier

    from sklhier import HierarchicalClassifier, Taxonomy

    tree = Taxonomy.from_edges(
        [("R", ("a", 1)), ("R", "b"), ("b", 7), ("b", ("a", "c")), ("R", 8)]
    )
    codes = np.resize(np.arange(4), 20)
    X = np.random.default_rng(0).normal(size=(20, 3))
    found = {}
    for strategy in ("per_parent", "per_node", "ensemble"):
        model = HierarchicalClassifier(
            SGDClassifier(), taxonomy=tree, strategy=strategy, random_state=0, classes=tree.leaves
        ).fit(X, codes)
        found |= {(strategy, k): e.random_state for k, e in model.estimators_.items()}
    return repr(found)


@pytest.mark.slow
def test_seeds_do_not_depend_on_the_hash_seed():
    code = f"{inspect.getsource(seeds_as_text)}\nprint(seeds_as_text())"
    other = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": other, "PYTHONPATH": os.pathsep.join(sys.path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == seeds_as_text()


class Weighing(PerParent):
    """Per parent, with rows that count as a problem says."""

    def plan(self, taxonomy, outcomes, nodes):
        for problem in super().plan(taxonomy, outcomes, nodes):
            yield replace(problem, weights=1.0 + problem.codes)


@pytest.mark.parametrize("weighted", [False, True])
def test_weights_of_a_problem_multiply_those_of_samples(weighted):
    X, y = data(60)
    y = np.array(["a" if label == RAGGED.root else label for label in y])
    base = LogisticRegression(tol=1e-10, max_iter=5000)
    model = HierarchicalClassifier(base, taxonomy=RAGGED, strategy=Weighing())
    weights = np.linspace(0.5, 2, 60) if weighted else None
    root = model.fit(X, y, sample_weight=weights).estimators_[RAGGED.nodes[0]]
    codes = np.searchsorted(list("ABC"), [RAGGED.path(label)[0] for label in y])
    own = (1.0 + codes) * (1 if weights is None else weights)
    assert_allclose(root.coef_, clone(base).fit(X, codes, own).coef_, atol=1e-6)
