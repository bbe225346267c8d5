"""Worked numeric cases from the literature and other tools, kept beside the repository."""

import json

import numpy as np
import pytest
from conftest import shared_data

from sklhier import Taxonomy
from sklhier._marginals import DenseMarginals, Outcomes
from sklhier.decoders import BestPath, Threshold, TopDown
from sklhier.metrics import (
    hierarchical_precision_recall_fscore_support,
    level_accuracy_scores,
    tree_distance_loss,
)


@pytest.fixture(scope="module")
def cases():
    folder = shared_data("../oracles")
    return {case["id"]: case for case in json.loads((folder / "oracles.json").read_text("utf-8"))}


def taxonomy_of(case):
    return Taxonomy.from_edges([tuple(edge) for edge in case["edges"]], root=case["root"])


def scores(case, taxonomy, **kwargs):
    names = ("hP", "hR", "hF", "support")
    true, predicted = (list(map(set, case["input"][key])) for key in ("y_true", "y_pred"))
    options = {"zero_division": 0.0, **kwargs}
    found = hierarchical_precision_recall_fscore_support(
        true, predicted, taxonomy=taxonomy, **options
    )
    return dict(zip(names, found, strict=True))


def agree(found, expected, case):
    for key in ("hP", "hR", "hF"):
        assert found[key] == pytest.approx(expected[key], abs=case["tol"]), key


@pytest.mark.parametrize(
    "name",
    [
        "hprf-kiritchenko-dag", "hemkit-example-micro", "globality-1", "globality-2",
        "globality-3", "uneven-partial-micro", "uneven-partial-samples", "uneven-partial-macro",
        "multilabel-tree-micro", "multilabel-tree-macro", "dag-multiparent-micro",
    ],
)  # fmt: skip
def test_precision_recall_f(cases, name):
    case = cases[name]
    found = scores(case, taxonomy_of(case), average=case["input"]["average"])
    agree(found, case["expected"], case)


def test_a_root_that_is_counted(cases):
    """HEMKit counts its root: ours has another root above it."""
    case = cases["hemkit-example-root-counted"]
    edges = [*map(tuple, case["edges"]), ("above", "0")]
    found = scores(case, Taxonomy.from_edges(edges), average="samples")
    agree(found, case["expected"], case)


@pytest.mark.parametrize("name", ["hiclass-mermaid-hp", "hiclass-mermaid-f1",
                                  "hiclass-f1-macro-ragged"])  # fmt: skip
def test_sets_without_ancestors(cases, name):
    """Cases that close nothing are those of a flat taxonomy."""
    case = cases[name]
    labels = {label for key in ("y_true", "y_pred") for row in case["input"][key] for label in row}
    for average, expected in case["expected"].items():
        agree(scores(case, Taxonomy.flat(sorted(labels)), average=average), expected, case)


def test_rows_of_unequal_depth(cases):
    case = cases["hiclass-empty-levels"]
    found = hierarchical_precision_recall_fscore_support(
        case["input"]["y_true"], case["input"]["y_pred"]
    )
    agree(dict(zip(("hP", "hR", "hF"), found, strict=False)), case["expected"], case)


def test_beta(cases):
    case = cases["uneven-partial-fbeta-2.0"]
    for average, expected in case["expected"].items():
        found = scores(case, taxonomy_of(case), average=average, beta=case["input"]["beta"])
        assert found["hF"] == pytest.approx(expected, abs=case["tol"])


@pytest.mark.parametrize("zero", [0, 1])
def test_two_empty_sets(cases, zero):
    case = cases["both-empty"]
    found = scores(case, taxonomy_of(case), average="samples", zero_division=zero)
    agree(found, case["expected"][f"zd{zero}"], case)


def test_node_weights(cases):
    case = cases["weighted-depth-hf"]
    for average, expected in case["expected"].items():
        found = scores(
            case, taxonomy_of(case), average=average, node_weight=case["input"]["weights"]
        )
        agree(found, expected, case)


def test_pairs_in_a_tree(cases):
    case = cases["tree-pairs"]
    taxonomy = taxonomy_of(case)
    for row in case["expected"]["rows"]:
        true, predicted = row["true"], row["pred"]
        assert taxonomy.lca(true, predicted) == row["lca"]
        assert taxonomy.distance(true, predicted) == row["tree_distance"]
        assert tree_distance_loss([true], [predicted], taxonomy=taxonomy) == row["tree_distance"]
        found = hierarchical_precision_recall_fscore_support(
            [true], [predicted], taxonomy=taxonomy
        )
        assert found[2] == pytest.approx(row["hF"], abs=case["tol"])


def test_accuracy_by_level(cases):
    case = cases["per-level-accuracy"]
    true, predicted = ([row[0] for row in case["input"][key]] for key in ("y_true", "y_pred"))
    found = level_accuracy_scores(true, predicted, taxonomy=taxonomy_of(case))
    np.testing.assert_allclose(found, case["expected"]["level_accuracy"], atol=case["tol"])
    loss = tree_distance_loss(true, predicted, taxonomy=taxonomy_of(case))
    assert loss == pytest.approx(case["expected"]["mean_tree_distance"])


def marginals_of(case):
    taxonomy = taxonomy_of(case)
    leaf_proba = case["input"]["leaf_probs"]
    classes = taxonomy.ids(sorted(leaf_proba))
    leaves = np.array([[leaf_proba[name] for name in sorted(leaf_proba)]])
    nodes = leaves @ taxonomy.ancestor_closure[classes].toarray()
    nodes[:, 0] = 1
    outcomes = Outcomes.of(taxonomy, classes, stops=False)
    return taxonomy, DenseMarginals(taxonomy, outcomes, nodes)


def answer(decoder, case):
    taxonomy, marginals = marginals_of(case)
    return taxonomy.nodes[decoder.decode(marginals)[0]]


def test_marginals_of_a_leaf_distribution(cases):
    case = cases["marginals"]
    taxonomy, marginals = marginals_of(case)
    for name, expected in case["expected"]["marginal"].items():
        found = marginals.node_proba[0, taxonomy.id(name)]
        assert found == pytest.approx(expected, abs=case["tol"])


def test_greedy_and_best_path(cases):
    case = cases["greedy-vs-best-path"]
    assert answer(TopDown(), case) == case["expected"]["greedy"]
    assert answer(BestPath(), case) == case["expected"]["best_path"]


@pytest.mark.parametrize("tau", ["0.3", "0.38", "0.5", "0.6"])
def test_thresholds(cases, tau):
    """At .2 the case ranks by information, not by depth: another decoder's answer."""
    case = cases["confidence-threshold"]
    assert answer(Threshold(float(tau)), case) == case["expected"][tau]
