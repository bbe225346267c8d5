"""Metrics against slow definitions, against scikit-learn, and in a table of properties."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import reference
from conftest import DIAMOND, TAXONOMIES
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import precision_recall_fscore_support
from strategies import dags, label_sets, trees

from sklhier import Taxonomy, metrics
from sklhier._targets import closed_indicator
from sklhier.exceptions import TargetError, TaxonomyError
from sklhier.metrics import (
    hierarchical_classification_report,
    hierarchical_f1_score,
    hierarchical_fbeta_score,
    hierarchical_precision_recall_fscore_support,
    hierarchical_precision_score,
    hierarchical_recall_score,
    level_accuracy_scores,
    make_hierarchical_scorer,
    tree_distance_loss,
)

RAGGED = TAXONOMIES["ragged"]

# name: (metric with zero_division fixed where it has one, best value, takes label sets)
SINGLE_VALUE = {
    "hierarchical_precision_score": (
        lambda *y, **kw: hierarchical_precision_score(*y, zero_division=0, **kw), 1.0, True),
    "hierarchical_recall_score": (
        lambda *y, **kw: hierarchical_recall_score(*y, zero_division=0, **kw), 1.0, True),
    "hierarchical_f1_score": (
        lambda *y, **kw: hierarchical_f1_score(*y, zero_division=0, **kw), 1.0, True),
    "hierarchical_fbeta_score": (
        lambda *y, **kw: hierarchical_fbeta_score(*y, beta=2.0, zero_division=0, **kw), 1.0, True),
    "tree_distance_loss": (tree_distance_loss, 0.0, False),
}  # fmt: skip
OF_LEVELS = {"level_accuracy_scores": (level_accuracy_scores, 1.0, False)}
TABLE = SINGLE_VALUE | OF_LEVELS
OTHERS = {
    "hierarchical_precision_recall_fscore_support",
    "hierarchical_classification_report",
    "make_hierarchical_scorer",
}
AVERAGES = ["micro", "samples", "macro", None]


def test_every_metric_is_in_a_table():
    assert set(metrics.__all__) == set(TABLE) | OTHERS


@st.composite
def scored_sets(draw):
    taxonomy = draw(st.one_of(trees(), dags()))
    n_rows = draw(st.integers(1, 8))
    return taxonomy, draw(label_sets(taxonomy, n_rows)), draw(label_sets(taxonomy, n_rows))


@st.composite
def scored_labels(draw):
    tree = draw(trees())
    names = st.sampled_from(tree.nodes[1:])
    n_rows = draw(st.integers(1, 10))
    y = st.lists(names, min_size=n_rows, max_size=n_rows)
    return tree, draw(y), draw(y)


@given(scored_sets(), st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([0.0, 1.0]))
def test_micro_and_samples_by_sets(case, beta, zero):
    taxonomy, true, predicted = case
    graph, root = taxonomy.to_networkx(), taxonomy.root
    closed = [[reference.closure(graph, root, row) for row in y] for y in (true, predicted)]
    for average in ("micro", "samples"):
        wanted = reference.precision_recall_f(*closed, beta=beta, average=average, zero=zero)
        found = hierarchical_precision_recall_fscore_support(
            true, predicted, taxonomy=taxonomy, beta=beta, average=average, zero_division=zero
        )
        assert_allclose(found[:3], wanted, atol=1e-12)


@given(
    scored_sets(), st.sampled_from(AVERAGES), st.sampled_from([0.0, 1.0, np.nan]), st.booleans()
)
def test_equals_scikit_learn_on_closed_indicators(case, average, zero, weighted):
    taxonomy, true, predicted = case
    assume(taxonomy.n_nodes > 2)  # scikit-learn takes a single column for binary labels
    weights = np.arange(1, len(true) + 1) if weighted else None
    tables = [closed_indicator(y, taxonomy).toarray()[:, 1:] for y in (true, predicted)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # means of nothing
        wanted = precision_recall_fscore_support(
            *tables, average=average, zero_division=zero, sample_weight=weights, beta=1.5
        )
    found = hierarchical_precision_recall_fscore_support(
        true,
        predicted,
        taxonomy=taxonomy,
        average=average,
        zero_division=zero,
        sample_weight=weights,
        beta=1.5,
    )
    # scikit-learn gives a recall of zero_division an F of zero_division where there is no truth;
    # ours is undefined only if both sets are empty. They agree wherever a set is not empty.
    parts = 3 if zero == 0.0 else 2
    for ours, theirs in zip(found[:parts], wanted[:parts], strict=True):
        assert_allclose(ours, theirs, atol=1e-12)


@given(scored_labels())
def test_identities_of_single_paths(case):
    tree, true, predicted = case
    graph, root = tree.to_networkx(), tree.root
    distances = [tree.distance(a, b) for a, b in zip(true, predicted, strict=True)]
    assert tree_distance_loss(true, predicted, taxonomy=tree) == pytest.approx(np.mean(distances))
    paths = [[reference.path(graph, root, label) for label in y] for y in (true, predicted)]
    found = level_accuracy_scores(true, predicted, taxonomy=tree)
    for level in range(tree.n_levels):
        hits = [
            len(p) > level and t[level] == p[level]
            for t, p in zip(*paths, strict=True)
            if len(t) > level
        ]
        if hits:
            assert found[level] == pytest.approx(np.mean(hits))
        else:
            assert np.isnan(found[level])


@given(st.integers(0, 1000))
def test_uniform_depth_makes_all_averages_one(seed):
    rng = np.random.default_rng(seed)
    tree = TAXONOMIES["balanced"]
    true, predicted = rng.choice(tree.leaves, (2, 20))
    mean = level_accuracy_scores(true, predicted, taxonomy=tree).mean()
    for average in ("micro", "samples"):
        found = hierarchical_precision_recall_fscore_support(
            true, predicted, taxonomy=tree, average=average
        )
        assert_allclose(found[:3], mean)
    assert tree_distance_loss(true, predicted, taxonomy=tree) == pytest.approx(4 * (1 - mean))


@pytest.mark.parametrize("name", list(TABLE))
@given(case=scored_labels())
def test_properties_of_all_metrics(name, case):
    tree, true, predicted = case
    metric, best, _ = TABLE[name]

    def value(a, b, taxonomy=tree, **kwargs):
        found = np.asarray(metric(a, b, taxonomy=taxonomy, **kwargs), dtype=float)
        return found[~np.isnan(found)]

    whole = value(true, predicted)
    assert_allclose(value(true, true), best)
    order = np.random.default_rng(0).permutation(len(true))
    assert_allclose(value(np.array(true)[order], np.array(predicted)[order]), whole)
    weights = np.arange(len(true)) % 3 + 1
    repeats = np.repeat(np.arange(len(true)), weights)
    assert_allclose(
        value(true, predicted, sample_weight=weights),
        value(np.array(true)[repeats], np.array(predicted)[repeats]),
    )
    assert_allclose(value(true, predicted, sample_weight=np.full(len(true), 3.5)), whole)
    rename = {node: f"x{node}" for node in tree.nodes}
    other = Taxonomy.from_edges(
        [
            (rename[tree.nodes[p]], rename[tree.nodes[c]])
            for p, c in zip(tree.edge_parents, tree.edge_children, strict=True)
        ]
    )
    renamed = [[rename[label] for label in y] for y in (true, predicted)]
    assert_allclose(value(*renamed, taxonomy=other), whole)
    levels = [tree.to_levels(y) for y in (true, predicted)]
    for form in (
        levels,
        [pd.DataFrame(y) for y in levels],
        [pd.Series(true), np.array(predicted)],
    ):
        assert_allclose(value(*form), whole)
    assert_allclose(value(true, predicted, taxonomy=tree.to_networkx()), whole)


@pytest.mark.parametrize("name", list(TABLE))
def test_errors_of_all_metrics(name):
    metric, _, takes_sets = TABLE[name]
    with pytest.raises(TargetError, match="'zz'"):
        metric(["a"], ["zz"], taxonomy=RAGGED)
    with pytest.raises(TargetError, match="pass `taxonomy=`"):
        metric(["a"], ["a"])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        metric(["a"], ["a", "b"], taxonomy=RAGGED)
    with pytest.raises(TargetError, match="nothing to score"):
        metric([], [], taxonomy=RAGGED)
    with pytest.raises(ValueError, match="All sample weights are zero"):
        metric(["a"], ["a"], taxonomy=RAGGED, sample_weight=[0])
    if not takes_sets:
        with pytest.raises(TaxonomyError, match="needs a tree"):
            metric(["Z"], ["Z"], taxonomy=DIAMOND)


def test_paths_need_no_taxonomy():
    true, predicted = [["a", "x"], ["b", "y"]], [["a", "z"], ["b", "y"]]
    assert hierarchical_f1_score(true, predicted) == 0.75
    assert level_accuracy_scores(true, predicted).tolist() == [1.0, 0.5]
    assert tree_distance_loss(true, [[], ["b", "y"]]) == 1.0


def test_equal_names_under_two_parents_are_two_nodes():
    assert hierarchical_f1_score([["a", "x"]], [["b", "x"]]) == 0


def test_warning_and_values_of_undefined_scores():
    with pytest.warns(UndefinedMetricWarning, match="Precision is ill-defined"):
        assert hierarchical_precision_score(["a"], [None], taxonomy=RAGGED) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert hierarchical_precision_score(["a"], [None], taxonomy=RAGGED, zero_division=1) == 1
        macro = {
            zero: hierarchical_f1_score(
                ["a"], ["a"], taxonomy=RAGGED, average="macro", zero_division=zero
            )
            for zero in (0, 1, np.nan)
        }
    assert macro == {0: 0.3, 1: 1.0, np.nan: 1.0} or macro[0] == pytest.approx(0.3)
    assert np.isnan(hierarchical_f1_score([None], [None], taxonomy=RAGGED, zero_division=np.nan))


def test_node_weights():
    names = RAGGED.nodes[1:]
    weights = {name: 2.0 ** (1 - RAGGED.depth(name)) for name in names}
    by_name = hierarchical_f1_score(["a"], ["b"], taxonomy=RAGGED, node_weight=weights)
    by_array = hierarchical_f1_score(
        ["a"], ["b"], taxonomy=RAGGED, node_weight=[weights[name] for name in names]
    )
    assert by_name == by_array == pytest.approx(1.5 / 1.75)
    for bad, match in (
        ({"A": 1.0}, "no number for the node 'B'"),
        ([1.0], r"shape \(1,\) was given"),
        (-np.ones(10), "0 or more"),
    ):
        with pytest.raises(ValueError, match=match):
            hierarchical_f1_score(["a"], ["b"], taxonomy=RAGGED, node_weight=bad)


def test_bad_parameters():
    for kwargs, match in (
        ({"average": "weighted"}, "`average` is one of"),
        ({"zero_division": "ignore"}, "'ignore' was given"),
    ):
        with pytest.raises(ValueError, match=match):
            hierarchical_f1_score(["a"], ["a"], taxonomy=RAGGED, **kwargs)
    with pytest.raises(ValueError, match="`beta` is positive"):
        hierarchical_fbeta_score(["a"], ["a"], beta=0, taxonomy=RAGGED)
    with pytest.raises(ValueError, match="`metric` is a function or one of"):
        make_hierarchical_scorer("accuracy")
    with pytest.raises(ValueError, match="holds no fitted classifier"):
        make_hierarchical_scorer("f1")(object(), [[0]], ["a"])


def test_scorers_pickle():
    for scorer in (
        make_hierarchical_scorer("f1", average="samples"),
        make_hierarchical_scorer("tree_distance", taxonomy=RAGGED),
    ):
        assert repr(pickle.loads(pickle.dumps(scorer))) == repr(scorer)


def test_report_says_what_the_metrics_say():
    true = ["a", "c", "B1", "C", "b", "A"]
    predicted = ["b", "c", "B2", "C", "A1", "a"]
    kwargs = {"taxonomy": RAGGED, "zero_division": 0.0}
    report = hierarchical_classification_report(true, predicted, output="dict", **kwargs)
    for average in ("micro", "samples"):
        found = report["averages"][average]
        wanted = hierarchical_precision_recall_fscore_support(
            true, predicted, average=average, **kwargs
        )
        assert_allclose([found[key] for key in ("precision", "recall", "f1")], wanted[:3])
    occurring = hierarchical_f1_score(
        true, predicted, average="macro", taxonomy=RAGGED, zero_division=np.nan
    )
    assert report["averages"]["macro"]["f1"] == pytest.approx(occurring)
    by_node = hierarchical_precision_recall_fscore_support(true, predicted, average=None, **kwargs)
    for name, row in report["nodes"].items():
        assert_allclose(list(row.values()), [column[RAGGED.id(name) - 1] for column in by_node])
    levels = level_accuracy_scores(true, predicted, taxonomy=RAGGED)
    assert_allclose([level["accuracy"] for level in report["levels"]], levels)
    assert [level["support"] for level in report["levels"]] == [6, 4, 3]
    assert report["tree_distance"] == tree_distance_loss(true, predicted, taxonomy=RAGGED)
    frame = hierarchical_classification_report(true, predicted, output="frame", **kwargs)
    assert frame.loc["A1", "f1"] == report["nodes"]["A1"]["f1"]
    assert frame.loc["micro average", "recall"] == report["averages"]["micro"]["recall"]


def test_report_on_sets_dags_and_few_levels():
    text = hierarchical_classification_report([{"Z"}], [{"S"}], taxonomy=DIAMOND)
    assert "level" not in text
    assert "micro average" in text
    text = hierarchical_classification_report(["a"], ["b"], taxonomy=RAGGED, max_depth=1)
    assert "A1" not in text
    text = hierarchical_classification_report(["a"], ["b"], taxonomy=RAGGED, max_depth=0)
    assert text.endswith("2.000 edges")
    with pytest.raises(ValueError, match="'json' was given"):
        hierarchical_classification_report(["a"], ["b"], taxonomy=RAGGED, output="json")
