"""Metrics against slow definitions, against scikit-learn, and in a table of properties."""

import itertools
import pickle
import warnings
from collections.abc import Callable
from typing import NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import reference
import sklearn
from conftest import DIAMOND, SPARSE_TABLES, TAXONOMIES, with_explicit_zeros
from generators import dags, label_sets, trees
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score, precision_recall_fscore_support
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklhier import HierarchicalClassifier, Taxonomy, metrics
from sklhier._targets.any_format import closed_indicator
from sklhier.datasets import make_hierarchical_classification
from sklhier.exceptions import TargetError, TaxonomyError
from sklhier.metrics import (
    _distances,
    _matching,
    h_loss,
    hierarchical_average_precision_score,
    hierarchical_brier_loss,
    hierarchical_calibration_error,
    hierarchical_classification_report,
    hierarchical_confusion_matrix,
    hierarchical_distance_at_k,
    hierarchical_f1_score,
    hierarchical_fbeta_score,
    hierarchical_precision_recall_fscore_support,
    hierarchical_precision_score,
    hierarchical_recall_score,
    hmc_loss,
    icm_score,
    lca_f1_score,
    lca_precision_score,
    lca_recall_score,
    level_accuracy_scores,
    make_hierarchical_scorer,
    mgia_score,
    mistake_severity,
    tree_distance_loss,
    violation_rate,
)
from sklhier.metrics._distances import node_distances
from sklhier.taxonomy import _closure
from sklhier.taxonomy._node_weights import read_node_weight

RAGGED = TAXONOMIES["ragged"]


class Row(NamedTuple):
    """A metric (``zero_division`` fixed where it has one) and what is true of it."""

    metric: Callable
    best: float | None  # None: depends on the data
    sets: bool = False
    dags: bool = False


TABLE = {
    "hierarchical_precision_score": Row(
        lambda *y, **kw: hierarchical_precision_score(*y, zero_division=0, **kw), 1.0, True, True),
    "hierarchical_recall_score": Row(
        lambda *y, **kw: hierarchical_recall_score(*y, zero_division=0, **kw), 1.0, True, True),
    "hierarchical_f1_score": Row(
        lambda *y, **kw: hierarchical_f1_score(*y, zero_division=0, **kw), 1.0, True, True),
    "hierarchical_fbeta_score": Row(
        lambda *y, **kw: hierarchical_fbeta_score(*y, beta=2.0, zero_division=0, **kw),
        1.0, True, True),
    "tree_distance_loss": Row(tree_distance_loss, 0.0),
    "level_accuracy_scores": Row(level_accuracy_scores, 1.0),
    "lca_precision_score": Row(lca_precision_score, 1.0),
    "lca_recall_score": Row(lca_recall_score, 1.0),
    "lca_f1_score": Row(lca_f1_score, 1.0),
    "mgia_score": Row(mgia_score, 1.0, True, True),
    "mistake_severity": Row(mistake_severity, 0.0),
    "h_loss": Row(h_loss, 0.0, True, True),
    "hmc_loss": Row(hmc_loss, 0.0, True, True),
    "icm_score": Row(
        lambda *y, **kw: [icm_score(*y, normalize=True, **kw),
                          icm_score(*y, **kw) - icm_score(y[0], y[0], **kw) + 1],
        1.0, True),
    "hierarchical_confusion_matrix": Row(
        lambda *y, **kw: hierarchical_confusion_matrix(*y, level=-1, normalize="all", **kw), None),
}  # fmt: skip
OF_PROBABILITIES = {
    "hierarchical_average_precision_score": Row(
        lambda *y, **kw: [hierarchical_average_precision_score(*y, average=average, **kw)
                          for average in ("micro", "macro", "weighted")],
        1.0, True, True),
    "hierarchical_brier_loss": Row(hierarchical_brier_loss, 0.0, True, True),
    "hierarchical_calibration_error": Row(
        lambda *y, **kw: [hierarchical_calibration_error(*y, n_bins=5, binning=binning, **kw)
                          for binning in ("uniform", "quantile")],
        0.0, True, True),
}  # fmt: skip
OTHERS = {
    "hierarchical_distance_at_k",
    "precision_at_k_score",
    "recall_at_k_score",
    "violation_rate",
    "hierarchical_precision_recall_fscore_support",
    "hierarchical_classification_report",
    "make_hierarchical_scorer",
    # Results, and functions that return them: in test_metrics_errors.py and test_metrics_coverage.py.
    "ClassDamage",
    "CoverageReport",
    "ErrorAttribution",
    "RiskCoverageCurve",
    "class_damage",
    "coverage_report",
    "error_attribution",
    "most_confused_pairs",
    "risk_coverage_curve",
}
AVERAGES = ["micro", "samples", "macro", None]


def test_every_metric_is_in_a_table():
    assert set(metrics.__all__) == set(TABLE) | set(OF_PROBABILITIES) | OTHERS


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


def renamed_taxonomy(taxonomy):
    """Return the same graph with other names, and the new name of each node."""
    rename = {node: f"x{node}" for node in taxonomy.nodes}
    edges = zip(taxonomy.edge_parents, taxonomy.edge_children, strict=True)
    pairs = [(rename[taxonomy.nodes[p]], rename[taxonomy.nodes[c]]) for p, c in edges]
    return Taxonomy.from_edges(pairs), rename


@pytest.mark.few(4)
@pytest.mark.parametrize("name", list(TABLE))
@given(case=scored_labels())
def test_properties_of_all_metrics(name, case):
    tree, true, predicted = case
    metric, best, _, _ = TABLE[name]

    def value(a, b, taxonomy=tree, **kwargs):
        found = np.asarray(metric(a, b, taxonomy=taxonomy, **kwargs), dtype=float)
        return found[~np.isnan(found)]

    whole = value(true, predicted)
    if best is not None:
        assert_allclose(value(true, true), best, atol=1e-12)
    order = np.random.default_rng(0).permutation(len(true))
    assert_allclose(value(np.array(true)[order], np.array(predicted)[order]), whole, atol=1e-12)
    weights = np.arange(len(true)) % 3 + 1
    repeats = np.repeat(np.arange(len(true)), weights)
    assert_allclose(
        value(true, predicted, sample_weight=weights),
        value(np.array(true)[repeats], np.array(predicted)[repeats]),
        atol=1e-12,
    )
    assert_allclose(
        value(true, predicted, sample_weight=np.full(len(true), 3.5)), whole, atol=1e-12
    )
    other, rename = renamed_taxonomy(tree)
    renamed = [[rename[label] for label in y] for y in (true, predicted)]
    assert_allclose(value(*renamed, taxonomy=other), whole, atol=1e-12)
    levels = [tree.to_levels(y) for y in (true, predicted)]
    for form in (
        levels,
        [pd.DataFrame(y) for y in levels],
        [pd.Series(true), np.array(predicted)],
    ):
        assert_allclose(value(*form), whole, atol=1e-12)
    assert_allclose(value(true, predicted, taxonomy=tree.to_networkx()), whole, atol=1e-12)


@pytest.mark.parametrize("name", list(TABLE))
def test_errors_of_all_metrics(name):
    metric, _, takes_sets, takes_dags = TABLE[name]
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
        with pytest.raises(TargetError, match="got sets of labels"):
            metric(["a"], [frozenset({"A"})], taxonomy=RAGGED)
    if not takes_dags:
        with pytest.raises(TaxonomyError, match="needs a tree"):
            metric(["Z"], ["Z"], taxonomy=DIAMOND)


def as_object_array(rows):
    array = np.empty(len(rows), dtype=object)
    array[:] = [frozenset(row) if row else None for row in rows]
    return array


@pytest.mark.few(2)
@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.sets])
@given(case=scored_sets())
def test_properties_with_label_sets(name, case):
    taxonomy, true, predicted = case
    metric, best, _, dags = TABLE[name]
    assume(dags or taxonomy.is_tree)

    def value(a, b, taxonomy=taxonomy, **kwargs):
        found = np.asarray(metric(a, b, taxonomy=taxonomy, **kwargs), dtype=float)
        return found[~np.isnan(found)]

    whole = value(true, predicted)
    if all(true):
        assert_allclose(value(true, true), best, atol=1e-12)
    tables = [named(sets_as_table(y, taxonomy), taxonomy) for y in (true, predicted)]
    for form in (
        [as_object_array(y) for y in (true, predicted)],
        tables,
        [table.iloc[:, ::-1].astype(bool) for table in tables],
        [pd.Series(y, dtype=object) for y in (true, predicted)],
        [as_object_array(true), tables[1]],
    ):
        assert_allclose(value(*form), whole, atol=1e-12)
    order = np.random.default_rng(0).permutation(len(true))
    assert_allclose(value(*(table.iloc[order] for table in tables)), whole, atol=1e-12)
    weights = np.arange(len(true)) % 3 + 1
    repeats = np.repeat(np.arange(len(true)), weights)
    assert_allclose(
        value(true, predicted, sample_weight=weights),
        value(*(table.iloc[repeats] for table in tables)),
        atol=1e-12,
    )
    other, rename = renamed_taxonomy(taxonomy)
    renamed = [[{rename[label] for label in row} for row in y] for y in (true, predicted)]
    assert_allclose(value(*renamed, taxonomy=other), whole, atol=1e-12)


def named(table, taxonomy):
    """The order of bare columns is not known where rows are not closed under ancestors."""
    return pd.DataFrame(table, columns=list(taxonomy.nodes[1:]))


def sets_as_table(rows, taxonomy):
    """Return a 0/1 matrix over all nodes but the root, nothing added."""
    return np.array([[node in row for node in taxonomy.nodes[1:]] for row in rows], dtype=int)


def closed_table(rows, taxonomy):
    return closed_indicator(rows, taxonomy).toarray()[:, 1:]


@st.composite
def scored_probabilities(draw):
    """A taxonomy, label sets, and numbers in [0, 1] for all nodes, some of them equal."""
    taxonomy = draw(st.one_of(trees(), dags()))
    true = draw(label_sets(taxonomy, draw(st.integers(1, 8))))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return taxonomy, true, rng.integers(0, 11, (len(true), taxonomy.n_nodes - 1)) / 10


@pytest.mark.few(1)
@pytest.mark.parametrize("name", list(OF_PROBABILITIES))
@given(case=scored_probabilities())
def test_properties_of_metrics_of_probabilities(name, case):
    taxonomy, true, proba = case
    metric, best, _, _ = OF_PROBABILITIES[name]

    def value(a, b, taxonomy=taxonomy, **kwargs):
        found = np.asarray(metric(a, b, taxonomy=taxonomy, **kwargs), dtype=float)
        return found[~np.isnan(found)]

    whole = value(true, proba)
    closed = closed_table(true, taxonomy)
    assert_allclose(value(true, closed), best, atol=1e-12)
    order = np.random.default_rng(0).permutation(len(true))
    bits = named(closed, taxonomy)
    assert_allclose(value(bits.iloc[order], proba[order]), whole, atol=1e-12)
    weights = np.arange(len(true)) % 3 + 1
    repeats = np.repeat(np.arange(len(true)), weights)
    assert_allclose(
        value(true, proba, sample_weight=weights),
        value(bits.iloc[repeats], proba[repeats]),
        atol=1e-12,
    )
    constant = value(true, proba, sample_weight=np.full(len(true), 3.5))
    assert_allclose(constant, whole, atol=1e-12)
    other, rename = renamed_taxonomy(taxonomy)
    columns = taxonomy.ids([name[1:] for name in other.nodes[1:]]) - 1
    renamed = [{rename[label] for label in row} for row in true]
    if np.array_equal(columns, np.arange(len(columns))):  # no ties are broken in another order
        assert_allclose(value(renamed, proba, taxonomy=other), whole)
    with_root = np.column_stack([np.ones(len(true)), proba])
    for scores in (with_root, proba.tolist(), pd.DataFrame(proba)):
        assert_allclose(value(as_object_array(true), scores), whole)
    assert_allclose(value(true, proba, taxonomy=taxonomy.to_networkx()), whole)


@pytest.mark.parametrize("name", list(OF_PROBABILITIES))
def test_errors_of_metrics_of_probabilities(name):
    metric = OF_PROBABILITIES[name].metric
    proba = np.full((1, 10), 0.5)
    for error, match, y, numbers, kwargs in (
        (TargetError, "'zz'", ["zz"], proba, {"taxonomy": RAGGED}),
        (TargetError, "pass `taxonomy=`", ["a"], proba, {}),
        (ValueError, "inconsistent numbers", ["a", "b"], proba, {"taxonomy": RAGGED}),
        (TargetError, "nothing to score", [], proba[:0], {"taxonomy": RAGGED}),
        (
            ValueError,
            "All sample weights",
            ["a"],
            proba,
            {"taxonomy": RAGGED, "sample_weight": [0]},
        ),
        (ValueError, "11 nodes .* 9 columns", ["a"], proba[:, 1:], {"taxonomy": RAGGED}),
        (ValueError, "contains NaN", ["a"], proba * np.nan, {"taxonomy": RAGGED}),
    ):
        with pytest.raises(error, match=match):
            metric(y, numbers, **kwargs)


def test_numbers_that_are_no_probabilities():
    scores = np.full((1, 10), 1.5)
    assert hierarchical_average_precision_score(["a"], scores, taxonomy=RAGGED) == pytest.approx(
        0.3
    )
    for metric in (hierarchical_brier_loss, hierarchical_calibration_error):
        with pytest.raises(ValueError, match=r"got values from 1\.5 to 1\.5"):
            metric(["a"], scores, taxonomy=RAGGED)


# -- against slow definitions ---------------------------------------------------------------


@given(scored_labels())
def test_lca_measures_by_paths(case):
    tree, true, predicted = case
    graph = tree.to_networkx()
    rows, severities = [], []
    height = reference.heights(graph)
    for t, p in zip(true, predicted, strict=True):
        met = nx.lowest_common_ancestor(graph, t, p)
        precision, recall = (1 / (1 + reference.distance(graph, met, node)) for node in (p, t))
        rows.append((precision, recall, 2 * precision * recall / (precision + recall)))
        severities += [height[met]] if t != p else []
    functions = (lca_precision_score, lca_recall_score, lca_f1_score)
    found = [function(true, predicted, taxonomy=tree) for function in functions]
    assert_allclose(found, np.mean(rows, axis=0))
    severity = mistake_severity(true, predicted, taxonomy=tree)
    assert severity == pytest.approx(np.mean(severities) if severities else 0.0)
    share = len(severities) / len(true)
    top = [[label] for label in predicted]
    at_one = hierarchical_distance_at_k(true, top, taxonomy=tree)
    assert at_one == pytest.approx(share * severity)


@st.composite
def few_labels(draw):
    taxonomy = draw(st.one_of(trees(), dags()))
    rows = st.lists(
        st.sets(st.sampled_from(taxonomy.nodes[1:]), max_size=3), min_size=3, max_size=3
    )
    return taxonomy, draw(rows), draw(rows)


@given(few_labels(), st.sampled_from([1, 2, 3, 4.5, 5]))
def test_graph_induced_accuracy_by_all_pairings(case, limit):
    taxonomy, true, predicted = case
    graph = taxonomy.to_networkx()
    wanted = [
        reference.graph_induced_accuracy(graph, t, p, limit)
        for t, p in zip(true, predicted, strict=True)
    ]
    for t, p, one in zip(true, predicted, wanted, strict=True):
        assert mgia_score([t], [p], taxonomy=taxonomy, max_distance=limit) == pytest.approx(one)
    found = mgia_score(true, predicted, taxonomy=taxonomy, max_distance=limit)
    assert found == pytest.approx(np.mean(wanted))


@given(st.one_of(trees(), dags()), st.integers(0, 2**16))
def test_graph_induced_accuracy_of_single_labels(taxonomy, seed):
    names = [*taxonomy.nodes[1:], None]
    true, predicted = (
        [names[i] for i in row]
        for row in np.random.default_rng(seed).integers(0, len(names), (2, 10))
    )
    sets = [[set() if label is None else {label} for label in y] for y in (true, predicted)]
    fast = mgia_score(true, predicted, taxonomy=taxonomy)
    assert fast == pytest.approx(mgia_score(*sets, taxonomy=taxonomy))


@pytest.mark.parametrize("step", [0, 5_000], ids=["together", "one by one"])
@given(st.one_of(trees(), dags()))
def test_distances_of_all_pairs(step, taxonomy):
    names = taxonomy.nodes
    pairs = [(a, b) for a in names for b in names]
    first, second = (taxonomy.ids([pair[side] for pair in pairs]) for side in (0, 1))
    wanted = [taxonomy.distance(a, b) for a, b in pairs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_closure, "_STEP", step)
        assert node_distances(first, second, taxonomy).tolist() == wanted


@given(case=scored_sets())
def test_results_do_not_depend_on_blocks(case):
    taxonomy, true, predicted = case
    proba = np.random.default_rng(0).random((len(true), taxonomy.n_nodes - 1))

    def values():
        averages = hierarchical_average_precision_score(
            true, proba, taxonomy=taxonomy, average=None
        )
        return [
            mgia_score(true, predicted, taxonomy=taxonomy),
            hierarchical_brier_loss(true, proba, taxonomy=taxonomy),
            violation_rate(proba, taxonomy=taxonomy),
            *averages,
        ]

    wanted = values()
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (_matching, "_MAX_PAIRS"), (_matching, "_MAX_MATCHED"), (_distances, "_MAX_LINKS"),
        ):  # fmt: skip
            assert hasattr(module, name)
            patch.setattr(module, name, 3)
        with sklearn.config_context(working_memory=3e-5):  # three numbers
            assert_allclose(values(), wanted)


@given(scored_sets(), st.integers(0, 2**16))
def test_losses_by_sets(case, seed):
    taxonomy, true, predicted = case
    graph, root = taxonomy.to_networkx(), taxonomy.root
    values = np.random.default_rng(seed).integers(0, 5, taxonomy.n_nodes - 1)
    weight = dict(zip(taxonomy.nodes[1:], values.tolist(), strict=True))
    pairs = [
        [reference.closure(graph, root, row) for row in both]
        for both in zip(true, predicted, strict=True)
    ]
    first = [reference.first_mistakes(graph, root, t, p, weight) for t, p in pairs]
    kwargs = {"taxonomy": taxonomy, "node_weight": weight}
    assert h_loss(true, predicted, **kwargs) == pytest.approx(np.mean(first))
    prices = [
        3 * sum(weight[n] for n in t - p) + 2 * sum(weight[n] for n in p - t) for t, p in pairs
    ]
    found = hmc_loss(true, predicted, alpha=3, beta=2, **kwargs)
    assert found == pytest.approx(np.mean(prices))
    assert h_loss(true, predicted, **kwargs) <= hmc_loss(true, predicted, **kwargs) + 1e-12


@pytest.mark.parametrize("name", ["alpha", "beta"])
@pytest.mark.parametrize("price", [-0.1, np.nan, np.inf])
def test_prices_of_the_hmc_loss_are_numbers_of_0_or_more(name, price):
    tree = Taxonomy.from_dict({"a": ["x", "y"]})
    with pytest.raises(ValueError, match=f"`{name}` must be a finite number of 0 or more, got"):
        hmc_loss([["x"]], [["y"]], taxonomy=tree, **{name: price})
    assert hmc_loss([["x"]], [["y"]], taxonomy=tree, **{name: 0}) == 1


@given(scored_sets())
def test_information_contrast_by_the_recursion(case):
    tree, true, predicted = case
    assume(tree.is_tree)
    graph, root = tree.to_networkx(), tree.root
    information = dict(zip(tree.nodes, tree.information.tolist(), strict=True))

    def of(labels):
        return reference.information_of_set(graph, root, labels, information)

    wanted = [
        2 * of(t) + 1.5 * of(p) - 3 * of(t | p) for t, p in zip(true, predicted, strict=True)
    ]
    for given_as in ("leaves", information, list(information.values())[1:]):
        found = icm_score(true, predicted, taxonomy=tree, information=given_as, alpha2=1.5)
        assert found == pytest.approx(np.mean(wanted))


def test_information_from_frequencies():
    true = ["a", "a", "b", "C"]
    shares = {"A": 3 / 4, "A1": 3 / 4, "a": 1 / 2, "b": 1 / 4, "C": 1 / 4}
    information = {name: -np.log2(shares.get(name, 1 / 4)) for name in RAGGED.nodes[1:]}
    predicted = ["b", "c", "B2", "C"]
    wanted = icm_score(true, predicted, taxonomy=RAGGED, information=information)
    assert icm_score(true, predicted, taxonomy=RAGGED) == pytest.approx(wanted)
    # Never seen, but all that is seen says nothing: nothing to normalise by.
    assert np.isnan(icm_score(["a"], ["b"], taxonomy=RAGGED, normalize=True))
    assert icm_score(["C"], ["a"], taxonomy=RAGGED, information="leaves", normalize=True) == 0.0
    little = dict.fromkeys(RAGGED.nodes[1:], 0.01)
    assert icm_score(["a"], ["a"], taxonomy=RAGGED, information=little, normalize=True) == 1.0
    for bad in ("classes", "nodes"):
        with pytest.raises(ValueError, match=f"`information` must be .* got '{bad}'"):
            icm_score(["C"], ["a"], taxonomy=RAGGED, information=bad)
    information["a"] = information["A1"] - 0.01
    with pytest.raises(ValueError, match="not fall from a parent to its child, but the node 'a'"):
        icm_score(true, predicted, taxonomy=RAGGED, information=information)
    information["A1"] = information["A"] - 0.005  # above it, so named first
    with pytest.raises(ValueError, match="but the node 'A1' has less than its parent"):
        icm_score(true, predicted, taxonomy=RAGGED, information=information)


def test_information_that_falls_by_rounding_does_not_fall():
    of_all = dict.fromkeys(RAGGED.nodes[1:], 1.0)
    rounded = of_all | {"a": 1 - 1e-10, "b": 1 - 1e-12}
    for y in (["a"], ["b"]), (["a"], ["C"]), (["b"], ["A"]):
        scores = [icm_score(*y, taxonomy=RAGGED, information=i) for i in (of_all, rounded)]
        assert scores[0] == scores[1]


@pytest.mark.few(1)
@pytest.mark.parametrize("weighted", [False, True])
@given(case=scored_probabilities())
def test_average_precision_by_scikit_learn(weighted, case):
    taxonomy, true, scores = case
    closed = closed_table(true, taxonomy)
    occurs = closed.any(axis=0)
    assume(occurs.any())
    weights = np.arange(1, len(true) + 1) if weighted else None
    nodes = [
        average_precision_score(closed[:, node], scores[:, node], sample_weight=weights)
        if occurs[node] else np.nan
        for node in range(len(occurs))
    ]  # fmt: skip
    of_pair = None if weights is None else np.repeat(weights, closed.shape[1])
    frequencies = np.ones(len(true)) @ closed if weights is None else weights @ closed
    wanted = {
        None: nodes,
        "micro": average_precision_score(closed.ravel(), scores.ravel(), sample_weight=of_pair),
        "macro": np.nanmean(nodes),
        "weighted": np.average(np.array(nodes)[occurs], weights=frequencies[occurs]),
    }
    for average, value in wanted.items():
        found = hierarchical_average_precision_score(
            true, scores, taxonomy=taxonomy, average=average, sample_weight=weights
        )
        assert_allclose(found, value, atol=1e-12)


def test_average_precision_of_nothing():
    for average in ("micro", "macro", "weighted"):
        found = hierarchical_average_precision_score(
            [None], np.zeros((1, 10)), taxonomy=RAGGED, average=average
        )
        assert np.isnan(found)


@given(st.integers(0, 2**16), st.sampled_from([1, 4, 15]))
def test_probabilities_in_one_level_are_those_of_a_plain_classifier(seed, n_bins):
    rng = np.random.default_rng(seed)
    proba = np.round(rng.dirichlet(np.ones(3), 20), 1)
    true = rng.choice(["a", "b", "c"], 20)
    flat = TAXONOMIES["flat"]
    marks = (true[:, None] == np.array(["a", "b", "c"])).astype(float)
    brier = hierarchical_brier_loss(true, proba, taxonomy=flat)
    assert brier == pytest.approx(((proba - marks) ** 2).sum(axis=1).mean())
    right = np.take_along_axis(marks, proba.argmax(axis=1)[:, None], axis=1)[:, 0]
    wanted = reference.calibration_error(proba.max(axis=1), right, n_bins)
    found = hierarchical_calibration_error(true, proba, taxonomy=flat, n_bins=n_bins)
    assert_allclose(found, [wanted], atol=1e-12)


def test_brier_loss_by_hand():
    # A .9, A1 .8, a .7, everything else 0; the truth is A2 > c.
    proba = np.zeros((1, 10))
    for name, value in (("A", 0.9), ("A1", 0.8), ("a", 0.7)):
        proba[0, RAGGED.id(name) - 1] = value
    terms = {"A": 0.1**2, "A1": 0.8**2, "A2": 1.0, "a": 0.7**2, "c": 1.0}
    found = hierarchical_brier_loss(["c"], proba, taxonomy=RAGGED)
    assert found == pytest.approx(sum(terms.values()))
    by_level = hierarchical_brier_loss(["c"], proba, taxonomy=RAGGED, node_weight=[4, 2, 1])
    wanted = 4 * terms["A"] + 2 * (terms["A1"] + terms["A2"]) + terms["a"] + terms["c"]
    assert by_level == pytest.approx(wanted)


def test_calibration_error_by_level_and_bin():
    # Level 1 is right in 1 of 2, with confidence .9; level 2 is never right, with .6 and .4.
    tree = TAXONOMIES["several_roots"]
    proba = pd.DataFrame(0.0, index=range(2), columns=list(tree.nodes[1:]))
    proba["A"], proba["a"] = 0.9, [0.6, 0.4]
    found = hierarchical_calibration_error(["b", "B"], proba, taxonomy=tree)
    assert_allclose(found, [0.4, 0.5])
    found = hierarchical_calibration_error(
        ["b", "B"], proba, taxonomy=tree, sample_weight=[3, 1], binning="quantile", n_bins=2
    )
    assert_allclose(found, [0.15, 0.55])
    for kwargs, match in (({"n_bins": 0}, "`n_bins` must be"), ({"binning": "log"}, "got 'log'")):
        with pytest.raises(ValueError, match=match):
            hierarchical_calibration_error(["b", "B"], proba, taxonomy=tree, **kwargs)


def test_bins_of_equal_weight_are_not_those_of_equal_width():
    # All confidences are above .5, and the surer half is wrong.
    proba = [[0.6, 0.4, 0.0], [0.7, 0.3, 0.0], [0.8, 0.2, 0.0], [0.9, 0.1, 0.0]]
    for binning, wanted in (("uniform", 0.75 - 0.5), ("quantile", 0.5 * 0.35 + 0.5 * 0.85)):
        found = hierarchical_calibration_error(
            ["a", "a", "b", "c"], proba, taxonomy=TAXONOMIES["flat"], n_bins=2, binning=binning
        )
        assert_allclose(found, [wanted])


@given(scored_probabilities())
def test_violations_by_sets(case):
    taxonomy, rows, proba = case
    graph, root = taxonomy.to_networkx(), taxonomy.root
    wanted = [reference.violates(graph, root, row) for row in rows]
    table = sets_as_table(rows, taxonomy)
    forms = [
        rows, as_object_array(rows), np.column_stack([np.ones(len(rows)), table]),
        named(table, taxonomy), named(table, taxonomy).astype(float),
    ]  # fmt: skip
    if sorted(taxonomy.nodes[1:]) == [*taxonomy.nodes[1:]]:
        forms += [table, table.astype(float), sparse.csr_array(table), sparse.csc_matrix(table)]
    for form in forms:
        assert violation_rate(form, taxonomy=taxonomy) == pytest.approx(np.mean(wanted))
    weights = np.arange(1, len(rows) + 1)
    found = violation_rate(rows, taxonomy=taxonomy, sample_weight=weights)
    assert found == pytest.approx(np.average(wanted, weights=weights))
    closed = named(closed_table(rows, taxonomy), taxonomy)
    assert violation_rate(closed, taxonomy=taxonomy) == 0.0
    edges = zip(taxonomy.edge_parents - 1, taxonomy.edge_children - 1, strict=True)
    inner = [(p, c) for p, c in edges if p >= 0]
    excess = [max([row[c] - row[p] for p, c in inner], default=0.0) for row in proba]
    for tolerance in (0.0, 0.25):
        found = violation_rate(proba, taxonomy=taxonomy, tolerance=tolerance)
        assert found == np.mean(np.array(excess) > tolerance)


def test_violations_of_other_input():
    for labels in (["a", "C"], [["A", "A1"], ["B"]], RAGGED.to_levels(["a", "C"])):
        assert violation_rate(labels, taxonomy=RAGGED) == 0.0
    half = sparse.csr_array(np.full((1, 10), 0.5))
    for y, error, match, kwargs in (
        ([{"a"}], TargetError, "pass `taxonomy=`", {}),
        ([{"zz"}], TargetError, "'zz'", {"taxonomy": RAGGED}),
        ([], TargetError, "nothing to score", {"taxonomy": RAGGED}),
        (
            [{"a"}],
            ValueError,
            "`tolerance` must be 0 or more",
            {"taxonomy": RAGGED, "tolerance": -1},
        ),
        (np.zeros((2, 3)), ValueError, "got 3 columns", {"taxonomy": RAGGED}),
        (half, TargetError, "only 0 and 1, got other", {"taxonomy": RAGGED}),
    ):
        with pytest.raises(error, match=match):
            violation_rate(y, **kwargs)


@given(scored_labels(), st.integers(1, 3))
def test_distance_at_k_by_loops(case, width):
    tree, true, predicted = case
    height = reference.heights(tree.to_networkx())
    rng = np.random.default_rng(len(true))
    top = [[label, *rng.choice(tree.nodes[1:], width - 1).tolist()] for label in predicted]
    weights = np.arange(1, len(true) + 1)
    for k in (None, *range(1, width + 1)):
        rows = [
            np.mean([height[tree.lca(t, p)] if p != t else 0 for p in row[:k]])
            for t, row in zip(true, top, strict=True)
        ]
        for form in (top, np.array(top), np.array(top, dtype=object), pd.DataFrame(top)):
            found = hierarchical_distance_at_k(true, form, k=k, taxonomy=tree)
            assert found == pytest.approx(np.mean(rows))
        found = hierarchical_distance_at_k(true, top, k=k, taxonomy=tree, sample_weight=weights)
        assert found == pytest.approx(np.average(rows, weights=weights))
    levels = tree.to_levels(true)
    other, rename = renamed_taxonomy(tree)
    renamed = [[rename[label] for label in row] for row in top]
    whole = hierarchical_distance_at_k(true, top, taxonomy=tree)
    assert hierarchical_distance_at_k(levels, top, taxonomy=tree) == pytest.approx(whole)
    found = hierarchical_distance_at_k([rename[t] for t in true], renamed, taxonomy=other)
    assert found == pytest.approx(whole)


def test_errors_of_distance_at_k():
    for y, top, error, match, kwargs in (
        (["a"], [["zz"]], TargetError, "'zz'", {"taxonomy": RAGGED}),
        (["a"], [["a"]], TargetError, "pass `taxonomy=`", {}),
        (["a"], [["a"], ["b"]], ValueError, "inconsistent numbers", {"taxonomy": RAGGED}),
        ([], [], TargetError, "nothing to score", {"taxonomy": RAGGED}),
        (
            ["a", "b"],
            [["a"], ["b", "c"]],
            TargetError,
            "rows of .1, 2. labels",
            {"taxonomy": RAGGED},
        ),
        (["a"], ["a"], TargetError, "got single labels", {"taxonomy": RAGGED}),
        (["a"], [["a"]], ValueError, r"`k` must be in \[1, 1\]", {"taxonomy": RAGGED, "k": 2}),
        (["Z"], [["Z"]], TaxonomyError, "needs a tree", {"taxonomy": DIAMOND}),
    ):
        with pytest.raises(error, match=match):
            hierarchical_distance_at_k(y, top, **kwargs)
    short = hierarchical_distance_at_k(["a"], [["a", None]], taxonomy=RAGGED)
    assert short == pytest.approx(3 / 2)


# -- identities -----------------------------------------------------------------------------


@given(scored_labels())
def test_symmetric_difference_and_wu_palmer(case):
    tree, true, predicted = case
    distance = tree_distance_loss(true, predicted, taxonomy=tree)
    assert hmc_loss(true, predicted, taxonomy=tree) == pytest.approx(distance)
    edges = zip(tree.edge_parents, tree.edge_children, strict=True)
    pairs = [(tree.nodes[p], tree.nodes[c]) for p, c in edges]
    counted = Taxonomy.from_edges([("above", tree.root), *pairs])
    for taxonomy in (tree, counted):  # the root's depth is 0 in the first, 1 in the second
        similarities = [
            2 * taxonomy.depth(taxonomy.lca(t, p)) / (taxonomy.depth(t) + taxonomy.depth(p))
            for t, p in zip(true, predicted, strict=True)
        ]
        found = hierarchical_f1_score(true, predicted, taxonomy=taxonomy, average="samples")
        assert found == pytest.approx(np.mean(similarities))


def closed_sets_of(taxonomy):
    names = taxonomy.nodes[1:]
    chosen = itertools.chain.from_iterable(
        itertools.combinations(names, size) for size in range(len(names) + 1)
    )
    return [set(row) for row in chosen if not violation_rate([set(row)], taxonomy=taxonomy)]


@pytest.mark.more
@given(trees(max_nodes=7), st.integers(0, 2**16), st.sampled_from([(1, 1), (3, 1), (1, 2)]))
def test_what_is_optimal_for_weighted_losses_and_information(tree, seed, prices):
    """For any weights of nodes, the best closed set is what is more probable than a threshold."""
    rng = np.random.default_rng(seed)
    alpha, beta = prices
    labels = list(tree.nodes[1:])
    chances = rng.dirichlet(np.ones(len(labels)))
    closed = closed_table(labels, tree)
    node_proba = dict(zip(labels, chances @ closed, strict=True))
    weight = rng.uniform(0.1, 1, len(labels))
    kwargs = {"taxonomy": tree, "sample_weight": chances}

    def expected_loss(answer):
        rows = [answer] * len(labels)
        return hmc_loss(labels, rows, alpha=alpha, beta=beta, node_weight=weight, **kwargs)

    def expected_information(answer):
        return icm_score(labels, [answer] * len(labels), information="leaves", **kwargs)

    answers = closed_sets_of(tree)
    likely = {name for name in labels if node_proba[name] > beta / (alpha + beta)}
    best = min(map(expected_loss, answers))
    assert expected_loss(likely) == pytest.approx(best)
    likely = {name for name in labels if node_proba[name] > 1 / 3}
    best = max(map(expected_information, answers))
    assert expected_information(likely) == pytest.approx(best)


@given(scored_labels())
def test_confusion_matrices(case):
    tree, true, predicted = case
    accuracies = level_accuracy_scores(true, predicted, taxonomy=tree)
    paths = [[tree.path(label) for label in y] for y in (true, predicted)]
    for level, names in enumerate(tree.levels, start=1):
        wanted = np.zeros((len(names), len(names) + 1), dtype=np.int64)
        for t, p in zip(*paths, strict=True):
            if len(t) >= level:
                column = names.index(p[level - 1]) if len(p) >= level else len(names)
                wanted[names.index(t[level - 1]), column] += 1
        kwargs = {"level": level, "taxonomy": tree}
        matrix = hierarchical_confusion_matrix(true, predicted, **kwargs)
        assert matrix.dtype == np.int64
        assert matrix.tolist() == wanted.tolist()
        if matrix.sum():
            assert np.trace(matrix) / matrix.sum() == pytest.approx(accuracies[level - 1])
        other = hierarchical_confusion_matrix(
            true, predicted, level=level - tree.n_levels - 1, taxonomy=tree, sparse_output=True
        )
        assert sparse.issparse(other)
        assert other.toarray().tolist() == wanted.tolist()
        for normalize, axis in (("true", 1), ("pred", 0), ("all", None)):
            found = hierarchical_confusion_matrix(true, predicted, normalize=normalize, **kwargs)
            sums = matrix.sum(axis=axis, keepdims=True)
            assert_allclose(found, matrix / np.maximum(sums, 1))


def test_names_of_node_weights():
    wanted = {
        "A": np.log2(6 / 3), "B": np.log2(6 / 2), "C": np.log2(6), "A1": np.log2(3 / 2),
        "A2": np.log2(3), "B1": 1.0, "B2": 1.0, "a": 1.0, "b": 1.0, "c": 0.0,
    }  # fmt: skip
    found = read_node_weight("information", RAGGED)[RAGGED.ids(wanted)]
    assert_allclose(found, list(wanted.values()))
    # In a DAG a node is compared with the most informative of its parents.
    assert_allclose(read_node_weight("information", DIAMOND), 0)
    pair = Taxonomy.from_edges([("P", "x"), ("P", "y"), ("Q", "y"), ("Q", "z"), ("Q", "u")])
    assert_allclose(
        read_node_weight("information", pair)[pair.ids(["P", "Q", "x", "y", "z"])],
        [1.0, np.log2(4 / 3), 1.0, 1.0, np.log2(3)],
    )
    leaves = read_node_weight("sibling", RAGGED)[RAGGED.leaf_ids]
    assert leaves.sum() == pytest.approx(1)
    with pytest.raises(TaxonomyError, match="The weight 'sibling' needs a tree"):
        h_loss(["Z"], ["Z"], taxonomy=DIAMOND, node_weight="sibling")
    with pytest.raises(ValueError, match="got 'depth'"):
        h_loss(["a"], ["a"], taxonomy=RAGGED, node_weight="depth")


@given(scored_sets(), st.integers(0, 2**16))
def test_weights_of_levels(case, seed):
    taxonomy, true, predicted = case
    levels = np.random.default_rng(seed).uniform(0, 1, taxonomy.n_levels)
    nodes = levels[taxonomy.depths[1:] - 1]
    for metric in (TABLE["hierarchical_f1_score"].metric, h_loss, hmc_loss):
        by_level, by_node = (
            metric(true, predicted, taxonomy=taxonomy, node_weight=weights)
            for weights in (levels, nodes)
        )
        assert by_level == pytest.approx(by_node)


def test_weights_of_a_chain_are_those_of_its_levels():
    chain = TAXONOMIES["chain"]
    assert read_node_weight([3, 2, 1], chain).tolist() == [0, 3, 2, 1]


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


def test_one_undefined_ratio_of_several_is_enough_to_warn():
    whole, partly = ["a", "b", "C"], ["a", None, "C"]
    for score, y, name in (
        (hierarchical_precision_score, (whole, partly), "Precision"),
        (hierarchical_recall_score, (partly, whole), "Recall"),
    ):
        with pytest.warns(UndefinedMetricWarning, match=rf"{name} is .*\(1 of 3 values\)"):
            found = score(*y, taxonomy=RAGGED, average="samples")
        assert found == pytest.approx(2 / 3)


@pytest.mark.parametrize("average", AVERAGES)
def test_support_is_the_weight_of_the_true_nodes(average):
    true, predicted = [{"a", "C"}, {"B1"}, set(), {"A"}], [{"a"}, {"B"}, {"c"}, {"A"}]
    weights, of_node = np.array([1.0, 2.0, 4.0, 8.0]), np.arange(10) / 4
    found = hierarchical_precision_recall_fscore_support(
        true, predicted, taxonomy=RAGGED, average=average, zero_division=0,
        sample_weight=weights, node_weight=of_node,
    )[3]  # fmt: skip
    closed = {0: ("a", "A1", "A", "C"), 1: ("B1", "B"), 3: ("A",)}
    of_nodes = np.zeros(10)
    for row, names in closed.items():
        of_nodes[RAGGED.ids(list(names)) - 1] += weights[row]
    assert_allclose(found, of_nodes if average is None else of_nodes @ of_node)


@pytest.mark.parametrize("container", SPARSE_TABLES)
def test_given_indicators_are_not_written_to(container):
    labels = [["a", "c"], ["B1"], [], ["C", "b"]], [["a"], ["B2"], ["C"], ["C"]]
    tables, checks = zip(
        *(with_explicit_zeros(RAGGED.binarize(y), container) for y in labels),
        strict=True,
    )
    rows = [RAGGED.inverse_binarize(RAGGED.binarize(y), most_specific=False) for y in labels]
    rows = [[set(row) for row in y] for y in rows]
    for score in (hierarchical_f1_score, h_loss, hmc_loss, mgia_score, icm_score):
        assert score(*tables, taxonomy=RAGGED) == score(*rows, taxonomy=RAGGED)
    for untouched in checks:
        untouched()


def test_gaps_in_lists_are_refused():
    whole, gap = [["A", "A1", "a"], ["C"]], [["A", None, "A1"], ["C"]]
    for score in (hierarchical_f1_score, tree_distance_loss, lca_f1_score, h_loss):
        for y in ((whole, gap), (gap, whole)):
            with pytest.raises(TargetError, match="gap in its path"):
                score(*y, taxonomy=RAGGED)


def test_node_weights():
    names = RAGGED.nodes[1:]
    weights = {name: 2.0 ** (1 - RAGGED.depth(name)) for name in names}
    by_name = hierarchical_f1_score(["a"], ["b"], taxonomy=RAGGED, node_weight=weights)
    by_array = hierarchical_f1_score(
        ["a"], ["b"], taxonomy=RAGGED, node_weight=[weights[name] for name in names]
    )
    assert by_name == by_array == pytest.approx(1.5 / 1.75)
    for bad, match in (
        ({"A": 1.0}, "got none for 'B'"),
        ([1.0], r"got shape \(1,\)"),
        (-np.ones(10), "0 or more"),
    ):
        with pytest.raises(ValueError, match=match):
            hierarchical_f1_score(["a"], ["b"], taxonomy=RAGGED, node_weight=bad)


def test_bad_parameters():
    for kwargs, match in (
        ({"average": "weighted"}, "`average` must be one of"),
        ({"zero_division": "ignore"}, "got 'ignore'"),
    ):
        with pytest.raises(ValueError, match=match):
            hierarchical_f1_score(["a"], ["a"], taxonomy=RAGGED, **kwargs)
    for beta in (0, -1, np.nan):
        with pytest.raises(ValueError, match="`beta` must be positive"):
            hierarchical_fbeta_score(["a"], ["a"], beta=beta, taxonomy=RAGGED)
    with pytest.raises(ValueError, match="`metric` must be a function or one of"):
        make_hierarchical_scorer("accuracy")
    with pytest.raises(ValueError, match="holds no fitted classifier"):
        make_hierarchical_scorer("f1")(object(), [[0]], ["a"])


class Oracle(ClassifierMixin, BaseEstimator):
    """Answers what it was fitted on, in the three ways in which a classifier may answer."""

    def __init__(self, taxonomy=None):
        self.taxonomy = taxonomy

    def fit(self, X, y):
        self.taxonomy_ = self.taxonomy
        self.y_ = np.asarray(y, dtype=object)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.y_[: len(X)]

    def predict_node_proba(self, X):
        return 0.9 * closed_indicator(self.predict(X), self.taxonomy_).toarray()

    def predict_top_k(self, X, k):
        labels = np.full((len(X), k), "C", dtype=object)
        labels[:, 0] = self.predict(X)
        return labels, np.full((len(X), k), 1 / k)


X_ORACLE = np.zeros((3, 1))
# name: what the scorer gives for the truth a, B1, a where a, B2, b is answered.
SCORES_OF_AN_ORACLE = {
    "f1": (3 + 1 + 2) / 8,
    "fbeta": (3 + 1 + 2) / 8,
    "precision": (3 + 1 + 2) / 8,
    "recall": (3 + 1 + 2) / 8,
    "level_accuracy": 1.0,
    "tree_distance": -4 / 3,
    "lca_f1": (1 + 1 / 2 + 1 / 2) / 3,
    "lca_precision": (1 + 1 / 2 + 1 / 2) / 3,
    "lca_recall": (1 + 1 / 2 + 1 / 2) / 3,
    "mgia": (1 + 0.8 + 0.8) / 3,
    "mistake_severity": -1.0,
    "distance_at_k": -((0 + 3) / 2 + (1 + 3) / 2 + (1 + 3) / 2) / 3,
    "h_loss": -4 / 3,
    "hmc_loss": -4 / 3,
    "icm": None,
    "average_precision": None,
    "precision_at_k": 1 / 3,
    "recall_at_k": 1 / 3,
    "brier": -(3 * 0.01 + (0.01 + 1.81) + (2 * 0.01 + 1.81)) / 3,
    "calibration_error": None,
}
OPTIONS = {
    "distance_at_k": {"k": 2},
    "precision_at_k": {"k": 1},
    "recall_at_k": {"k": 1},
    "fbeta": {"beta": 2.0},
}


@pytest.mark.few(22)
@pytest.mark.parametrize("taxonomy", [None, RAGGED, RAGGED.to_networkx()])
@pytest.mark.parametrize("name", list(SCORES_OF_AN_ORACLE))
def test_scorers_by_name(name, taxonomy):
    scorer = make_hierarchical_scorer(name, taxonomy=taxonomy, **OPTIONS.get(name, {}))
    model = Oracle(RAGGED).fit(X_ORACLE, ["a", "B2", "b"])
    found = scorer(model, X_ORACLE, ["a", "B1", "a"])
    assert isinstance(found, float)
    if SCORES_OF_AN_ORACLE[name] is not None:
        assert found == pytest.approx(SCORES_OF_AN_ORACLE[name])
    best = scorer(model, X_ORACLE, ["a", "B2", "b"])
    assert best > found or name in ("level_accuracy", "calibration_error")
    in_pipeline = make_pipeline(StandardScaler(), Oracle(RAGGED)).fit(X_ORACLE, ["a", "B2", "b"])
    assert scorer(in_pipeline, X_ORACLE, ["a", "B1", "a"]) == found
    assert scorer(model, X_ORACLE, RAGGED.to_levels(["a", "B1", "a"])) == pytest.approx(found)
    weighted = scorer(model, X_ORACLE, ["a", "B1", "a"], sample_weight=[0, 0, 1])
    alone = Oracle(RAGGED).fit(X_ORACLE[:1], ["b"])
    assert weighted == pytest.approx(scorer(alone, X_ORACLE[:1], ["a"]))
    assert repr(pickle.loads(pickle.dumps(scorer))) == repr(scorer)


def test_scorers_know_all_names():
    with pytest.raises(ValueError, match="one of") as error:
        make_hierarchical_scorer("?")
    assert str(sorted(SCORES_OF_AN_ORACLE)) in str(error.value)
    with pytest.raises(ValueError, match="`k` must be given for 'distance_at_k'"):
        make_hierarchical_scorer("distance_at_k")
    with pytest.raises(ValueError, match="`k` must be given for 'recall_at_k'"):
        make_hierarchical_scorer("recall_at_k")


def test_scorers_of_functions_and_levels():
    model = Oracle(RAGGED).fit(X_ORACLE, ["a", "B2", "b"])
    by_name = make_hierarchical_scorer("brier", node_weight="sibling")
    by_function = make_hierarchical_scorer(
        hierarchical_brier_loss, greater_is_better=False, node_weight="sibling"
    )
    y = ["a", "B1", "a"]
    assert by_function(model, X_ORACLE, y) == by_name(model, X_ORACLE, y)
    proba = model.predict_node_proba(X_ORACLE)
    errors = hierarchical_calibration_error(y, proba, taxonomy=RAGGED)
    for level, wanted in ((None, errors.mean()), (1, errors[0]), (-1, errors[-1])):
        scorer = make_hierarchical_scorer("calibration_error", level=level)
        assert scorer(model, X_ORACLE, y) == pytest.approx(-wanted)
    for level in (0, 4, -4):
        with pytest.raises(ValueError, match=r"`level` must be in \[1, 3\]"):
            make_hierarchical_scorer("calibration_error", level=level)(model, X_ORACLE, y)


@pytest.mark.parametrize("name", ["f1", "brier", "average_precision", "calibration_error"])
def test_labels_that_are_new_to_the_estimator(name):
    known, larger = RAGGED.prune(["b"]), RAGGED
    model = Oracle(known).fit(X_ORACLE, ["c", "B2", "a"])
    y = ["c", "B2", "b"]
    with pytest.raises(TargetError, match="'b'"):
        make_hierarchical_scorer(name)(model, X_ORACLE, y)
    found = make_hierarchical_scorer(name, taxonomy=larger)(model, X_ORACLE, y)
    same = Oracle(larger).fit(X_ORACLE, ["c", "B2", "a"])
    assert found == make_hierarchical_scorer(name)(same, X_ORACLE, y)
    # Paths need no taxonomy: the new ones are added to the estimator's.
    assert make_hierarchical_scorer(name)(model, X_ORACLE, larger.to_levels(y)) == found
    if name != "f1":
        with pytest.raises(TargetError, match="'b'"):
            make_hierarchical_scorer(name, taxonomy=known)(same, X_ORACLE, ["c", "B2", "a"])


def test_other_estimators_of_paths_need_no_taxonomy():
    y = np.array([["a", "x"], ["a", "y"], ["b", "z"]])
    X = np.arange(3.0)[:, None]
    model = make_pipeline(StandardScaler(), DecisionTreeClassifier()).fit(X, y)
    for name in ("f1", "lca_f1"):
        assert make_hierarchical_scorer(name)(model, X, y) == 1.0
        with pytest.raises(ValueError, match="holds no fitted classifier"):
            make_hierarchical_scorer(name)(model, X, ["x", "y", "z"])
    with pytest.raises(ValueError, match="holds no fitted classifier"):
        make_hierarchical_scorer("brier")(model, X, y)


def test_all_scorers_in_one_search():
    X, y, taxonomy = make_hierarchical_classification(
        120, 8, branching=(2, 3), noise=2.0, random_state=0
    )
    scoring = {
        name: make_hierarchical_scorer(name, **OPTIONS.get(name, {}))
        for name in SCORES_OF_AN_ORACLE
        if name != "distance_at_k"
    }
    scoring["with taxonomy"] = make_hierarchical_scorer("brier", taxonomy=taxonomy)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy)),
        {"hierarchicalclassifier__strategy": ["per_parent", "flat"]},
        scoring=scoring,
        refit="f1",
        cv=2,
        error_score="raise",
    ).fit(X, y)
    for name in scoring:
        assert np.isfinite(search.cv_results_[f"mean_test_{name}"]).all()
    found = search.cv_results_["mean_test_brier"]
    assert_allclose(search.cv_results_["mean_test_with taxonomy"], found)


@pytest.mark.parametrize("taxonomy", [None, RAGGED])
@pytest.mark.parametrize("name", ["h_loss", "brier"])
def test_scorers_ask_for_sample_weights(name, taxonomy):
    with config_context(enable_metadata_routing=True):
        scorer = make_hierarchical_scorer(name, taxonomy=taxonomy)
        scorer = scorer.set_score_request(sample_weight=True)
        weights = np.array([1.0, 0.0] * 3)
        model = AlwaysA(RAGGED).set_fit_request(sample_weight=False)
        y = np.array(["a", "b"] * 3, dtype=object)
        scores = cross_val_score(
            model, np.zeros((6, 1)), y, cv=3, scoring=scorer, params={"sample_weight": weights}
        )
    assert_allclose(scores, 0.0 if name == "h_loss" else -0.03)


class AlwaysA(Oracle):
    """Answers ``a``."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y)

    def predict(self, X):
        return np.full(len(X), "a", dtype=object)


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
        found = [row[key] for key in ("precision", "recall", "f1", "support")]
        assert_allclose(found, [column[RAGGED.id(name) - 1] for column in by_node])
    levels = level_accuracy_scores(true, predicted, taxonomy=RAGGED)
    assert_allclose([level["accuracy"] for level in report["levels"]], levels)
    assert [level["support"] for level in report["levels"]] == [6, 4, 3]
    assert report["tree_distance"] == tree_distance_loss(true, predicted, taxonomy=RAGGED)
    frame = hierarchical_classification_report(true, predicted, output="frame", **kwargs)
    assert frame.loc["A1", "f1"] == report["nodes"]["A1"]["f1"]
    assert frame.loc["micro average", "recall"] == report["averages"]["micro"]["recall"]


def test_report_on_dense_indicators_is_that_on_sets():
    rows = [{"a", "C"}, {"B1"}, set()], [{"b"}, {"B1"}, {"C"}]
    tables = [RAGGED.binarize([list(row) for row in y]).toarray() for y in rows]
    reports = [
        hierarchical_classification_report(*y, taxonomy=RAGGED, output="dict")
        for y in (rows, tables, (rows[0], tables[1]), (tables[0], rows[1]))
    ]
    assert reports[0]["levels"] == []
    assert reports[0]["tree_distance"] is None
    assert all(report == reports[0] for report in reports[1:])


def test_an_empty_path_is_no_label_in_a_report():
    names = ["a", None, "B1"], ["b", "C", None]
    paths = [[[] if n is None else list(RAGGED.path(n)) for n in y] for y in names]
    report = hierarchical_classification_report(*paths, taxonomy=RAGGED, output="dict")
    assert report == hierarchical_classification_report(*names, taxonomy=RAGGED, output="dict")
    assert [level["support"] for level in report["levels"]] == [2, 2, 1]
    assert report["tree_distance"] == pytest.approx((2 + 1 + 2) / 3)


def test_report_on_sets_dags_and_few_levels():
    text = hierarchical_classification_report([{"Z"}], [{"S"}], taxonomy=DIAMOND)
    assert "level" not in text
    assert "micro average" in text
    text = hierarchical_classification_report(["a"], ["b"], taxonomy=RAGGED, max_depth=1)
    assert "A1" not in text
    text = hierarchical_classification_report(["a"], ["b"], taxonomy=RAGGED, max_depth=0)
    assert text.endswith("2.000 edges")
    with pytest.raises(ValueError, match="got 'json'"):
        hierarchical_classification_report(["a"], ["b"], taxonomy=RAGGED, output="json")
