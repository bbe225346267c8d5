"""Doubtful labels: steps by their definition, out-of-fold, single paths and label sets."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import TAXONOMIES
from generators import dags, trees
from hypothesis import given
from hypothesis import strategies as st
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import sklhier
from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier.datasets import make_hierarchical_classification
from sklhier.exceptions import IncompatiblePartsError
from sklhier.model_selection import find_label_issues
from sklhier.model_selection._label_issues import weakest_steps
from sklhier.strategies import PerParent

X, Y, TREE = make_hierarchical_classification(
    120, 6, branching=(2, 3), class_sep=2.0, random_state=0
)
FOLDS = list(KFold(3, shuffle=True, random_state=0).split(X))
RAGGED = TAXONOMIES["ragged"]
RNG = np.random.default_rng(0)
SETS = [set(RNG.choice(RAGGED.nodes[1:], RNG.integers(0, 3), replace=False)) for _ in range(80)]
TABLE = RAGGED.binarize(SETS).toarray()
SET_X = TABLE @ RNG.normal(0, 2, (TABLE.shape[1], 5)) + RNG.normal(0, 1, (80, 5))
SET_FOLDS = list(KFold(3).split(SET_X))


def slow_steps(proba, taxonomy, node, known):
    """The conditional probabilities at and above a node of one row, with depth and id."""
    found = []
    for name in (*taxonomy.ancestors(taxonomy.nodes[node]), taxonomy.nodes[node]):
        step = taxonomy.id(name)
        if step and known[step]:
            upper = min(proba[parent] for parent in taxonomy.parents_of(step))
            found.append((min(1.0, proba[step] / upper) if upper else 1.0, step))
    return found


@given(st.one_of(trees(), dags()), st.data())
def test_the_weakest_step_by_its_definition(taxonomy, data):
    seed = data.draw(st.integers(0, 99))
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 4, (5, taxonomy.n_nodes)) / 3
    table[:, 0] = 1
    known = rng.random(taxonomy.n_nodes) < 0.8
    rows = rng.integers(0, 5, 6)
    nodes = rng.integers(1, taxonomy.n_nodes, 6).astype(np.int32)
    least, where, complete = weakest_steps(table, rows, nodes, taxonomy, known)
    for i, (row, node) in enumerate(zip(rows, nodes, strict=True)):
        steps = slow_steps(table[row], taxonomy, node, known)
        all_steps = slow_steps(table[row], taxonomy, node, np.ones_like(known))
        assert complete[i] == (len(steps) == len(all_steps))
        if steps:
            value = min(value for value, _ in steps)
            assert least[i] == pytest.approx(value)
            assert where[i] == min(step for v, step in steps if v == pytest.approx(value))
        else:
            assert np.isnan(least[i])
            assert where[i] == 0


def test_no_labels_no_steps():
    none = np.zeros(0, dtype=np.int32)
    found = weakest_steps(np.ones((2, 3)), none, none, Taxonomy.flat(["a", "b"]), np.ones(3, bool))
    assert [len(column) for column in found] == [0, 0, 0]


MODELS = {
    "bayes": HierarchicalClassifier(GaussianNB(), taxonomy=TREE),
    "per_node": HierarchicalClassifier(GaussianNB(), taxonomy=TREE, strategy="per_node"),
    "per_level": HierarchicalClassifier(GaussianNB(), taxonomy=TREE, strategy="per_level"),
    "flat": HierarchicalClassifier(GaussianNB(), taxonomy=TREE, strategy="flat"),
    "calibrated": HierarchicalClassifier(LinearSVC(), taxonomy=TREE, calibration="sigmoid"),
    "joint": MultiHeadClassifier(TREE),
    "pipeline": make_pipeline(StandardScaler(), HierarchicalClassifier(taxonomy=TREE)),
    "refusing": HierarchicalClassifier(GaussianNB(), taxonomy=TREE, reject=0.1),
}


@pytest.mark.few(2)
@pytest.mark.parametrize("name", MODELS)
def test_scores_are_out_of_fold(name):
    found = find_label_issues(MODELS[name], X, Y, FOLDS)
    assert found.complete.all()
    by_row = pd.DataFrame(found.records()).set_index("row").sort_index()
    assert by_row.index.tolist() == list(range(len(X)))
    assert found.n_folds == 3
    for train, test in FOLDS:
        fitted = clone(MODELS[name]).fit(X[train], Y[train])
        proba = sklhier.predict_node_proba(fitted, X[test])
        best = sklhier.predict_top_k(fitted, X[test], 1)[0][:, 0]
        known = np.ones(TREE.n_nodes, dtype=bool)
        for row, p, answer in zip(test, proba, best, strict=True):
            value, step = min(slow_steps(p, TREE, TREE.id(Y[row]), known))
            one = by_row.loc[row]
            assert one["score"] == pytest.approx(1 - value, abs=1e-9)
            assert (one["given"], one["suggested"]) == (Y[row], answer)
            assert one["node"] == TREE.nodes[step]
            assert one["level"] == TREE.depth(TREE.nodes[step])


SET_MODELS = {
    "local": HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=RAGGED),
    "joint": MultiHeadMultiLabelClassifier(RAGGED, alpha=10.0),
}


@pytest.mark.few(1)
@pytest.mark.parametrize("name", SET_MODELS)
def test_labels_of_sets_are_judged_one_by_one(name):
    found = find_label_issues(SET_MODELS[name], SET_X, TABLE, SET_FOLDS)
    pairs = set(zip(found.rows.tolist(), found.given, strict=True))
    specific = RAGGED.inverse_binarize(TABLE)
    assert pairs == {(row, label) for row, own in enumerate(specific) for label in own}
    assert len(pairs) == len(found.rows)
    by_pair = {(r["row"], r["given"]): r for r in found.records()}
    for train, test in SET_FOLDS:
        fitted = clone(SET_MODELS[name]).fit(SET_X[train], TABLE[train])
        labelled = {RAGGED.id(n) for row in train for n in specific[row]}
        known = np.r_[True, TABLE[train].any(axis=0)]
        for row, p in zip(test, fitted.predict_node_proba(SET_X[test]), strict=True):
            closed = set(np.flatnonzero(TABLE[row]) + 1)
            others = sorted(labelled - closed, key=lambda node: (-p[node], node))
            for label in specific[row]:
                value, step = min(slow_steps(p, RAGGED, RAGGED.id(label), known))
                one = by_pair[row, label]
                assert one["score"] == pytest.approx(1 - value, abs=1e-9)
                assert RAGGED.id(one["node"]) == step
                better = others and p[others[0]] > p[RAGGED.id(label)]
                assert one["suggested"] == (RAGGED.nodes[others[0]] if better else label)


def test_forms_of_label_sets_are_judged_alike():
    found, same = (
        find_label_issues(SET_MODELS["local"], SET_X, y, SET_FOLDS) for y in (TABLE, SETS)
    )
    assert_array_equal(same.scores, found.scores)


def test_a_pair_of_swapped_labels_comes_first_and_its_level_tells_how_far():
    wrong = Y.copy()
    near = next(i for i in range(len(Y)) if Y[i] == "n1.1")
    far = next(i for i in range(len(Y)) if Y[i] == "n1.2")
    wrong[near], wrong[far] = "n1.2", "n2.3"
    found = find_label_issues(MODELS["bayes"], X, wrong)
    first = {r["row"]: r for r in found.records()[:4]}
    assert (first[near]["level"], first[near]["node"]) == (2, "n1.2")
    assert (first[far]["level"], first[far]["node"]) == (1, "n2")
    assert first[near]["suggested"] == Y[near]
    assert first[far]["suggested"] == Y[far]
    given = wrong[found.rows]
    suggested = np.array([r["suggested"] for r in found.records()])
    assert_array_equal(found.differs, suggested != given)
    assert (found.suggested_ids[found.differs] < found.given_ids[found.differs]).any()
    assert (np.diff(found.scores) <= 0).all()
    assert_array_equal(found.differs, [r["suggested"] != r["given"] for r in found.records()])


def test_classes_that_a_fold_lacks_are_judged_above():
    tree = Taxonomy.from_dict({"a": ["a1", "a2"], "b": ["b1", "b2"], "c": None})
    y = np.array(["a1", "a1", "a1", "b1", "b1", "b1", "a2", "c"])
    x = np.array([0, 0.1, 0.2, 5, 5.1, 5.2, 0.1, 9.0])[:, None]
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=tree)
    found = find_label_issues(model, x, y, KFold(8))
    records = {r["row"]: r for r in found.records()}
    assert (records[6]["complete"], records[6]["level"], records[6]["node"]) == (False, 1, "a")
    assert records[6]["score"] < 0.5
    assert not records[7]["complete"]
    assert np.isnan(records[7]["score"])
    assert (records[7]["level"], records[7]["node"]) == (0, None)
    assert found.rows[-1] == 7
    assert "2 are judged in part or not at all" in str(found)


def test_rows_without_weight_teach_nothing():
    tree = Taxonomy.flat(["a", "b", "c"])
    y, x = np.repeat(["a", "b", "c"], 4), np.arange(12.0)[:, None]
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=tree)
    weights = np.repeat([1.0, 1.0, 0.0], 4)
    found = find_label_issues(model, x, y, KFold(4, shuffle=True), sample_weight=weights)
    assert_array_equal(np.sort(found.rows[~found.complete]), [8, 9, 10, 11])


def test_to_stop_is_a_step_where_it_was_learnt():
    y = np.array(["n1"] * 15 + ["n1.1"] * 15 + ["n1.2"] * 15 + ["n2.1"] * 15)
    x = np.repeat(np.eye(4), 15, axis=0) * 5 + np.random.default_rng(0).normal(0, 1, (60, 4))
    y[16] = "n1"  # far too high for a row that looks like n1.1
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=TREE)
    folds = KFold(5, shuffle=True, random_state=0)
    model.set_params(strategy=PerParent("learn"))
    learnt = find_label_issues(model, x, y, folds).records()
    assert learnt[0]["row"] == 16
    assert (learnt[0]["node"], learnt[0]["level"]) == ("n1", 1)
    assert learnt[0]["suggested"] == "n1.1"
    ignored = find_label_issues(model.set_params(strategy="per_parent"), x, y, folds)
    assert ignored.scores[ignored.rows == 16] < 0.2


def test_the_step_that_is_doubted_of_a_label_that_stops():
    tree = Taxonomy.from_dict({"A": {"a": {"x": None, "y": None}}, "B": None})
    y = np.repeat(["a", "x", "y", "B"], 15)
    x = np.repeat(np.eye(4), 15, axis=0) * 5 + np.random.default_rng(0).normal(0, 1, (60, 4))
    y[[16, 46]] = "a"  # one looks like x, the other like B
    model = HierarchicalClassifier(
        LogisticRegression(), taxonomy=tree, strategy=PerParent("learn")
    )
    found = find_label_issues(model, x, y, KFold(5, shuffle=True, random_state=0)).records()
    where = {r["row"]: (r["node"], r["level"], r["suggested"]) for r in found}
    assert where[16] == ("a", 2, "x")
    assert where[46] == ("A", 1, "B")


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["bayes", "local"])
def test_blocks_of_rows_change_nothing(name):
    is_path = name in MODELS
    case = (MODELS[name], X, Y, FOLDS) if is_path else (SET_MODELS[name], SET_X, TABLE, SET_FOLDS)
    found = find_label_issues(*case)
    with sklearn.config_context(working_memory=1e-3):
        again = find_label_issues(*case)
    assert_array_equal(again.rows, found.rows)
    assert_allclose(again.scores, found.scores)
    assert_array_equal(again.suggested_ids, found.suggested_ids)


def test_groups_reach_the_folds():
    groups = np.arange(len(Y)) // 4
    by_default = find_label_issues(MODELS["bayes"], X, Y, cv=3, groups=groups)
    folds = list(GroupKFold(3).split(X, Y, groups))
    given_folds = find_label_issues(MODELS["bayes"], X, Y, GroupKFold(3), groups)
    assert_array_equal(given_folds.scores, find_label_issues(MODELS["bayes"], X, Y, folds).scores)
    assert not np.array_equal(
        by_default.scores, find_label_issues(MODELS["bayes"], X, Y, 3).scores
    )


def test_the_same_in_any_format_and_by_any_number_of_workers():
    found = find_label_issues(MODELS["bayes"], X, Y, FOLDS)
    with parallel_config("threading"):
        twice = find_label_issues(MODELS["bayes"], X, Y, FOLDS, n_jobs=2)
    levels = find_label_issues(MODELS["bayes"], X, TREE.to_levels(Y), FOLDS)
    bare = HierarchicalClassifier(GaussianNB())
    spelled = find_label_issues(bare, X, TREE.to_levels(Y), FOLDS)
    names, codes = np.unique(Y, return_inverse=True)
    coded = find_label_issues(MODELS["bayes"], X, codes, FOLDS, classes=names)
    for other in (twice, levels, spelled, coded):
        assert_array_equal(other.rows, found.rows)
        assert_allclose(other.scores, found.scores)
    assert_array_equal(coded.suggested, found.suggested)


def test_what_is_shown():
    taxonomy = Taxonomy.from_dict({"<b>": ["x", "y"], "c": None}).with_titles({"x": "Ex"})
    y = np.repeat(["x", "y", "c"], 10)
    x = np.repeat(np.eye(3), 10, axis=0)
    y[0] = "c"
    found = find_label_issues(HierarchicalClassifier(taxonomy=taxonomy), x, y)
    lines = str(found).splitlines()
    assert lines[0].startswith("30 given labels, judged in 5 folds; for 1 of them")
    assert lines[2].split() == ["row", "given", "score", "level", "node", "suggested"]
    assert lines[3].startswith("0 ")
    assert lines[3].endswith("Ex")
    assert len(lines) == 3 + 20
    assert "in part" not in lines[0]
    assert "<b>" not in found._repr_html_()
    assert "<table>" in found._repr_html_()
    assert repr(found) == "LabelIssues(n_labels=30, differ=1)"
    frame = found.to_frame()
    assert frame.columns.tolist() == [
        "row", "given", "score", "level", "node", "suggested", "complete"
    ]  # fmt: skip
    assert frame["row"].tolist() == found.rows.tolist()


@pytest.mark.parametrize(
    ("model", "cv", "error", "message"),
    [
        (GaussianNB(), None, ValueError, "GaussianNB has no taxonomy"),
        (
            HierarchicalClassifier(LinearSVC(), taxonomy=TREE),
            None,
            IncompatiblePartsError,
            "needs probabilities.*calibration='sigmoid'",
        ),
        (MODELS["bayes"], FOLDS[:2], ValueError, "`cv` must hold every sample out once"),
    ],
)
def test_what_is_refused(model, cv, error, message):
    with pytest.raises(error, match=message):
        find_label_issues(model, X, Y, cv)


def test_the_model_stays_as_it_is():
    model = clone(MODELS["refusing"])
    before = repr(model)
    find_label_issues(model, X, Y, FOLDS)
    assert repr(model) == before
    assert not hasattr(model, "taxonomy_")
