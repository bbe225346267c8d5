"""Worked numeric cases from the literature and other tools, kept beside the repository."""

import json

import numpy as np
import pytest
from conftest import shared_data
from scipy.special import logit, softmax

from sklhier import Taxonomy
from sklhier._joint.lbfgs import objective
from sklhier._joint.network import Network, half_square
from sklhier._joint.path_loss import (
    Heads,
    conditional_weights,
    hierarchical_weights,
    level_table,
    log_marginals,
    path_loss,
    soft_labels,
)
from sklhier._joint.samples import Samples
from sklhier._joint.set_loss import MaxConstraint
from sklhier._probabilities.consistency import make_consistent
from sklhier._probabilities.marginals import AnswerMarginals, DenseMarginals, Outcomes
from sklhier.decoders import (
    Beam,
    BestPath,
    Climbing,
    Conformal,
    CostMatrix,
    Darts,
    HierarchicalF,
    InformationThreshold,
    LevelWeighted,
    Threshold,
    TopDown,
)
from sklhier.decoders._best_path import _PROBABILITY
from sklhier.decoders._conformal import ConformalThresholds, nested_scores
from sklhier.decoders._conformal_scores import GroupedScores
from sklhier.decoders._hierarchical_f import _blocks, _of_paths
from sklhier.decoders._risk_bounds import binomial_p_values, conformal_bound, fixed_sequence
from sklhier.decoders._search import beam_search
from sklhier.decoders._set_threshold import _N_BINS, _best_thresholds
from sklhier.metrics import (
    h_loss,
    hierarchical_average_precision_score,
    hierarchical_distance_at_k,
    hierarchical_f1_score,
    hierarchical_precision_recall_fscore_support,
    hmc_loss,
    icm_score,
    lca_f1_score,
    lca_precision_score,
    lca_recall_score,
    level_accuracy_scores,
    mgia_score,
    mistake_severity,
    tree_distance_loss,
    violation_rate,
)
from sklhier.model_selection._label_issues import weakest_steps
from sklhier.taxonomy._max_closure import best_closed_sets


@pytest.fixture(scope="module")
def cases():
    folder = shared_data("../oracles")
    files = (path.read_text("utf-8") for path in sorted(folder.glob("*.json")))
    return {case["id"]: case for text in files for case in json.loads(text)}


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
        for metric, key in (
            (lca_precision_score, "LCA_P"),
            (lca_recall_score, "LCA_R"),
            (lca_f1_score, "LCA_F"),
            (mgia_score, "MGIA"),
            (mistake_severity, "lca_height"),
            (hmc_loss, "symdiff"),
        ):
            value = metric([true], [predicted], taxonomy=taxonomy)
            assert value == pytest.approx(row[key], abs=case["tol"]), key


def sets_of(case, *keys):
    return [list(map(set, case["input"][key])) for key in keys or ("y_true", "y_pred")]


def by_row(metric, case, **kwargs):
    """Return a metric of every sample alone."""
    taxonomy = taxonomy_of(case)
    return [
        metric([true], [predicted], taxonomy=taxonomy, **kwargs)
        for true, predicted in zip(*sets_of(case), strict=True)
    ]


def test_multi_label_graph_induced_accuracy(cases):
    case = cases["hemkit-example-mgia"]
    limit = case["input"]["Dmax"]
    found = by_row(mgia_score, case, max_distance=limit)
    np.testing.assert_allclose(found, case["expected"]["per_sample"], atol=case["tol"])
    whole = mgia_score(*sets_of(case), taxonomy=taxonomy_of(case), max_distance=limit)
    assert whole == pytest.approx(case["expected"]["MGIA"], abs=case["tol"])


def test_symmetric_difference(cases):
    case = cases["hemkit-example-sdl"]
    assert by_row(hmc_loss, case) == case["expected"]["per_sample"]
    whole = hmc_loss(*sets_of(case), taxonomy=taxonomy_of(case))
    assert whole == pytest.approx(case["expected"]["mean"], abs=case["tol"])


def test_severity_and_distance_at_k(cases):
    case = cases["bertinetto"]
    taxonomy, true, top = taxonomy_of(case), case["input"]["y_true"], case["input"]["topk"]
    first = [labels[0] for labels in top]
    severity = mistake_severity(true, first, taxonomy=taxonomy)
    assert severity == pytest.approx(case["expected"]["mistake_severity"], abs=case["tol"])
    for k, expected in case["expected"]["hd_at_k"].items():
        found = hierarchical_distance_at_k(true, top, k=int(k), taxonomy=taxonomy)
        assert found == pytest.approx(expected, abs=case["tol"])


@pytest.mark.parametrize(
    ("weighting", "key"), [(None, "uniform"), ("sibling", "sibling_normalised")]
)
def test_h_loss(cases, weighting, key):
    case = cases["h-loss"]
    found = by_row(h_loss, case, node_weight=weighting)
    np.testing.assert_allclose(found, case["expected"][key], atol=case["tol"])
    given = case["expected"]["c_sibling"]
    if weighting:
        np.testing.assert_allclose(found, by_row(h_loss, case, node_weight=given), atol=1e-6)


def test_hmc_loss(cases):
    case = cases["hmc-loss"]
    for weights in (case["input"]["c"], "sibling"):
        for alpha in (1, 2):
            found = by_row(hmc_loss, case, alpha=alpha, beta=1, node_weight=weights)
            expected = case["expected"][f"alpha{alpha}_beta1"]
            np.testing.assert_allclose(found, expected, atol=case["tol"])


def test_violations(cases):
    case = cases["consistency"]
    taxonomy, sets = taxonomy_of(case), sets_of(case, "sets")[0]
    found = [violation_rate([row], taxonomy=taxonomy) for row in sets]
    assert found == [edges > 0 for edges in case["expected"]["per_row_violated_edges"]]
    rate = violation_rate(sets, taxonomy=taxonomy)
    assert rate == pytest.approx(case["expected"]["rate_rows"], abs=case["tol"])


def test_violations_of_probabilities(cases):
    case = cases["consistency-probs"]
    taxonomy, proba = taxonomy_of(case), np.array(case["input"]["probs"])
    assert list(taxonomy.nodes[1:]) == case["input"]["order"]
    rate = violation_rate(proba, taxonomy=taxonomy)
    assert rate == pytest.approx(case["expected"]["rate"], abs=case["tol"])
    found = [violation_rate([row], taxonomy=taxonomy) for row in proba.tolist()]
    assert found == [excess > 0 for excess in case["expected"]["per_row"]]


def test_average_precision(cases):
    case = cases["auprc"]
    taxonomy = taxonomy_of(case)
    order = [case["input"]["nodes"].index(name) for name in taxonomy.nodes[1:]]
    y_score = np.array(case["input"]["scores"])[:, order]
    true = sets_of(case, "y_true")[0]
    for average in ("micro", "macro", "weighted"):
        found = hierarchical_average_precision_score(
            true, y_score, taxonomy=taxonomy, average=average
        )
        assert found == pytest.approx(case["expected"][average], abs=case["tol"]), average
    found = hierarchical_average_precision_score(true, y_score, taxonomy=taxonomy, average=None)
    expected = [case["expected"]["per_class"][name] for name in taxonomy.nodes[1:]]
    np.testing.assert_allclose(found, expected, atol=case["tol"])


def test_information_contrast(cases):
    case = cases["icm"]
    taxonomy, (true, predicted) = taxonomy_of(case), sets_of(case)
    found = by_row(icm_score, case, information=case["expected"]["IC"])
    np.testing.assert_allclose(found, case["expected"]["per_sample"], atol=case["tol"])
    for key, y in (("mean", predicted), ("gold_mean", true)):
        value = icm_score(true, y, taxonomy=taxonomy)
        assert value == pytest.approx(case["expected"][key], abs=case["tol"]), key
    norm = icm_score(true, predicted, taxonomy=taxonomy, normalize=True)
    assert norm == pytest.approx(case["expected"]["norm"], abs=case["tol"])


def test_accuracy_by_level(cases):
    case = cases["per-level-accuracy"]
    true, predicted = ([row[0] for row in case["input"][key]] for key in ("y_true", "y_pred"))
    found = level_accuracy_scores(true, predicted, taxonomy=taxonomy_of(case))
    np.testing.assert_allclose(found, case["expected"]["level_accuracy"], atol=case["tol"])
    loss = tree_distance_loss(true, predicted, taxonomy=taxonomy_of(case))
    assert loss == pytest.approx(case["expected"]["mean_tree_distance"])
    weighted = hierarchical_f1_score(
        true, predicted, taxonomy=taxonomy_of(case), node_weight=[4, 2, 1]
    )
    assert weighted == pytest.approx(case["expected"]["weighted_4_2_1"], abs=case["tol"])


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


@pytest.mark.parametrize("width", ["1", "2", "3"])
def test_beams(cases, width):
    case = cases["greedy-vs-best-path"]
    taxonomy, marginals = marginals_of(case)
    found = beam_search(marginals, _PROBABILITY, int(width))
    for i, (proba, name) in enumerate(case["expected"]["beam"][width]):
        assert taxonomy.nodes[found.nodes[0, i]] == name
        assert found.proba[0, i] == pytest.approx(proba, abs=case["tol"])
    assert answer(Beam(int(width)), case) == case["expected"]["beam"][width][0][1]


@pytest.mark.parametrize("tau", ["0.2", "0.3", "0.38", "0.5", "0.6"])
def test_thresholds(cases, tau):
    case = cases["confidence-threshold"]
    assert answer(InformationThreshold(float(tau)), case) == case["expected"][tau]
    if tau != "0.2":  # there the most informative node is not the deepest
        assert answer(Threshold(float(tau)), case) == case["expected"][tau]


@pytest.mark.parametrize("name", ["flat_1_1_1", "top_heavy_4_2_1"])
def test_weights_of_levels(cases, name):
    case = cases[f"cost-decode-{name}"]
    weights = [float(w) for _, w in sorted(case["input"]["level_weights"].items())]
    assert answer(LevelWeighted(weights), case) == case["expected"]["best_leaf"]
    taxonomy, marginals = marginals_of(case)
    for leaf, gain in case["expected"]["gain_leaf"].items():
        way = taxonomy.path(leaf)
        proba = marginals.node_proba[0, taxonomy.ids(list(way))]
        assert np.dot(weights[: len(way)], 2 * proba - 1) == pytest.approx(gain, abs=case["tol"])


def closed_answer(decoder, taxonomy, marginals):
    return sorted(taxonomy.nodes[node] for node in decoder.decode_sets(marginals).nonzero()[1])


@pytest.mark.parametrize("beta", ["0.5", "1.0"])
def test_best_expected_f(cases, beta):
    case = cases[f"hf-optimal-beta{beta}"]
    expected = case["expected"]
    for form, key in (("node", "best_node"), ("leaf", "best_leaf")):
        assert answer(HierarchicalF(float(beta), form), case) == expected[key]
    best = closed_answer(HierarchicalF(float(beta), "set"), *marginals_of(case))
    assert best == sorted(expected["best_set"])


def test_best_expected_f_with_a_root_that_is_counted(cases):
    case = cases["hf-optimal-root-counted"]
    edges = [*map(tuple, case["edges"]), ("above", case["root"])]
    taxonomy, marginals = marginals_of(case | {"edges": edges, "root": "above"})
    best = closed_answer(HierarchicalF(case["input"]["beta"], "set"), taxonomy, marginals)
    assert best == sorted([*case["expected"]["best_set"], case["root"]])


def test_expected_f_of_every_path(cases):
    case = cases["hf-optimal-path"]
    taxonomy, marginals = marginals_of(case)
    for form in ("node", "leaf"):
        assert answer(HierarchicalF(answer=form), case) == case["expected"][f"best_{form}"]
    by_size = next(_blocks(marginals))
    found = _of_paths(by_size, taxonomy, 1.0)[0]
    for name, expected in case["expected"]["expected_hF"].items():
        assert found[taxonomy.id(name)] == pytest.approx(expected, abs=case["tol"])


def test_costs(cases):
    case = cases["cost-matrix-decode"]
    costs = case["input"]["cost"]
    assert answer(CostMatrix(costs), case) == case["expected"]["action"]
    costs = {action: row for action, row in costs.items() if action != "R"}
    risks = {a: r for a, r in case["expected"]["risk"].items() if a != "R"}
    assert answer(CostMatrix(costs), case) == min(risks, key=risks.get)


def test_darts(cases):
    case = cases["darts"]
    taxonomy, _ = marginals_of(case)
    for name, reward in case["input"]["reward"].items():
        found = taxonomy.information[taxonomy.id(name)]
        assert found == pytest.approx(reward, abs=case["tol"])
    for weight, expected in case["expected"].items():
        assert answer(Darts(float(weight)), case) == expected


def test_climbing(cases):
    case = cases["climbing"]
    for tau, expected in case["expected"].items():
        assert answer(Climbing(float(tau)), case) == expected


# -- several labels for a sample ----------------------------------------------------------


def row_of(values, taxonomy):
    """Return a table of one row, 1 for the root, from numbers by name."""
    return np.array([[values.get(name, 1.0) for name in taxonomy.nodes]])


def names_in(row, taxonomy):
    return sorted(taxonomy.nodes[node] for node in np.flatnonzero(row[1:]) + 1)


def chosen_names(weights, taxonomy):
    return names_in(best_closed_sets(weights, taxonomy).toarray()[0], taxonomy)


@pytest.mark.parametrize(
    ("name", "key", "method"),
    [
        ("multilabel-constraint", "min", "min"),
        ("multilabel-constraint", "max", "max"),
        ("multilabel-constraint", "product", "product"),
        ("multilabel-constraint-dag", "htd", "min"),
        ("multilabel-constraint-dag", "mcm", "max"),
        ("tpr-threshold-free", "final", "true_path"),
        ("tpr-threshold-free-dag", "final", "true_path"),
        ("isotonic-projection-tree", "q", "isotonic"),
        ("isotonic-projection-dag", "q", "isotonic"),
    ],
)
def test_consistent_scores(cases, name, key, method):
    case = cases[name]
    taxonomy, expected = taxonomy_of(case), case["expected"]
    scores = row_of(case["input"]["h"], taxonomy)
    found = make_consistent(scores, taxonomy, method)
    np.testing.assert_allclose(found, row_of(expected[key], taxonomy), atol=case["tol"])
    if f"set_{key}" in expected:
        assert names_in(found[0] > 0.5, taxonomy) == sorted(expected[f"set_{key}"])
    if "sse" in expected:
        assert ((found - scores) ** 2).sum() == pytest.approx(expected["sse"], abs=case["tol"])


def test_maximum_over_descendants(cases):
    case = cases["mcm-max-constraint"]
    taxonomy = taxonomy_of(case)
    columns = taxonomy.ids(case["input"]["nodes"])
    scores = np.ones((len(case["input"]["h"]), taxonomy.n_nodes))
    scores[:, columns] = case["input"]["h"]
    found = make_consistent(scores, taxonomy, "max")[:, columns]
    np.testing.assert_allclose(found, case["expected"]["q"], atol=case["tol"])


@pytest.mark.parametrize("name", ["multilabel-constraint", "multilabel-constraint-dag"])
def test_most_probable_closed_set(cases, name):
    case = cases[name]
    taxonomy = taxonomy_of(case)
    scores = row_of(case["input"]["h"], taxonomy)
    weights = np.zeros_like(scores)
    weights[:, 1:] = np.log(scores[:, 1:] / (1 - scores[:, 1:]))
    assert chosen_names(weights, taxonomy) == sorted(case["expected"]["map_closed_set"])
    total = (best_closed_sets(weights, taxonomy).toarray() * weights).sum()
    assert total == pytest.approx(case["expected"]["map_logodds"], abs=case["tol"])


@pytest.mark.parametrize("name", ["asym-set-decode", "icm-optimal"])
def test_best_closed_set_of_a_leaf_distribution(cases, name):
    """Both put a threshold of 1/3 on the marginals: a miss costs twice as much as a false one."""
    case = cases[name]
    taxonomy, marginals = marginals_of(case)
    price = row_of(case["input"].get("weights", {}), taxonomy)
    weights = price * (marginals.node_proba - 1 / 3)
    assert chosen_names(weights, taxonomy) == sorted(case["expected"]["best_set"])


def test_best_symmetric_difference_in_a_dag(cases):
    case = cases["symdiff-optimal-dag"]
    taxonomy = taxonomy_of(case)
    given = case["input"]["most_specific_probs"]
    ids = taxonomy.ids(list(given))
    proba = np.array([list(given.values())]) @ taxonomy.ancestor_closure[ids].toarray()
    expected = row_of(case["expected"]["marginal"], taxonomy)
    np.testing.assert_allclose(proba[:, 1:], expected[:, 1:], atol=case["tol"])
    assert chosen_names(proba - 0.5, taxonomy) == sorted(case["expected"]["best_set"])


def marginals_in_a_dag(case):
    taxonomy = taxonomy_of(case)
    given = case["input"]["most_specific_probs"]
    classes = taxonomy.ids(sorted(given))
    proba = np.array([[given[name] for name in sorted(given)]])
    outcomes = Outcomes.of(taxonomy, classes, stops=True)
    return taxonomy, AnswerMarginals(taxonomy, outcomes, classes, proba)


def test_best_expected_f_in_a_dag(cases):
    case = cases["hf-optimal-dag-beta1.0"]
    taxonomy, marginals = marginals_in_a_dag(case)
    for name, expected in case["expected"]["marginal"].items():
        found = marginals.dense().node_proba[0, taxonomy.id(name)]
        assert found == pytest.approx(expected, abs=case["tol"])
    best = closed_answer(HierarchicalF(answer="set"), taxonomy, marginals)
    assert best == sorted(case["expected"]["best_set"])


def test_the_best_threshold_is_half_of_the_best_f1(cases):
    case = cases["f-threshold-half"]
    n = case["input"]["n"]
    proba = np.random.RandomState(case["input"]["seed"]).beta(0.7, 1.2, size=n)
    counts = [
        np.histogram(proba, bins=_N_BINS, range=(0, 1), weights=weights)[0]
        for weights in (proba, 1 - proba)
    ]
    tau = float(_best_thresholds(*counts))
    expected = case["expected"]
    chosen = proba > tau
    best = 2 * proba[chosen].sum() / (proba.sum() + chosen.sum())
    assert best == pytest.approx(expected["expected_F"], abs=1e-4)
    assert tau == pytest.approx(expected["tau"], abs=5 / _N_BINS)  # F1 is flat there
    assert tau == pytest.approx(best / 2, abs=5 / _N_BINS)


# -- joint models -------------------------------------------------------------------------


def heads_of(case, names):
    """Return the columns of a joint model over a case's leaves, and where these leaves are."""
    taxonomy = taxonomy_of(case)
    outcomes = Outcomes.of(taxonomy, np.sort(taxonomy.ids(names)), stops=False)
    heads = Heads.of(taxonomy, outcomes)
    return taxonomy, heads, np.searchsorted(outcomes.answers, taxonomy.ids(names))


def columns_of(heads, taxonomy, names):
    position = {taxonomy.nodes[node]: i for i, node in enumerate(heads.nodes.tolist())}
    return [position[name] for name in names]


def of_leaf_scores(case, table_of):
    """Return mean loss and gradient by scores of the leaves; nodes above them have score 0."""
    names = case["input"]["leaf_order"]
    taxonomy, heads, position = heads_of(case, names)
    given = np.array(case["input"]["scores"])
    scores = np.zeros((len(given), heads.n_columns))
    scores[:, heads.leaf_columns[position]] = given
    codes = position[[names.index(label) for label in case["input"]["y"]]]
    weights = table_of(taxonomy, heads).toarray()[codes]
    losses, gradient = path_loss(scores, weights, heads.levels)
    return losses.mean(), gradient[:, heads.leaf_columns[position]] / len(given)


def test_level_weighted_cross_entropy(cases):
    case = cases["level-weighted-ce-1_1_1"]
    weights = np.array([float(w) for _, w in sorted(case["input"]["level_weights"].items())])
    loss, gradient = of_leaf_scores(
        case, lambda _, heads: conditional_weights(level_table(weights, heads), heads)
    )
    assert loss == pytest.approx(case["expected"]["loss"], abs=case["tol"])
    np.testing.assert_allclose(gradient, case["expected"]["grad"], atol=case["tol"])
    for level, expected in case["expected"]["per_level"].items():
        only = (np.arange(1, 4) == int(level)).astype(float)
        loss, _ = of_leaf_scores(
            case,
            lambda _, heads, only=only: conditional_weights(level_table(only, heads), heads),
        )
        assert loss == pytest.approx(expected, abs=case["tol"])


def test_joint_objective(cases):
    case = cases["joint-objective"]
    given, expected = case["input"], case["expected"]
    taxonomy, heads, position = heads_of(case, given["leaf_order"])
    order = columns_of(heads, taxonomy, given["node_order"])
    X, U = np.array(given["X"]), np.zeros((3, heads.n_columns))
    U[:, order] = given["U"]
    levels = np.array([float(w) for _, w in sorted(given["level_weights"].items())])
    table = conditional_weights(level_table(levels, heads), heads).toarray()
    weights = table[position[[given["leaf_order"].index(label) for label in given["y"]]]]

    def loss(scores, rows):
        return path_loss(scores, weights[rows], heads.levels)

    network = Network([U], [np.zeros(heads.n_columns)], "relu")
    samples = Samples(X, np.full(3, 1 / 3), loss)
    value, gradient = objective(network, samples, given["lam"])
    assert value == pytest.approx(expected["objective"], abs=case["tol"])
    np.testing.assert_allclose(gradient.weights[0][:, order], expected["grad"], atol=case["tol"])
    closure = np.array(given["ancestor_matrix"])
    logs = log_marginals(X @ U, heads)[:, heads.leaf_columns[position]]
    np.testing.assert_allclose(np.exp(logs), softmax(X @ given["U"] @ closure.T, axis=1))


def test_penalty_of_steps_is_recursive_regularisation(cases):
    """The root has no weights here: they would be the same for all answers."""
    case = cases["recursive-regularisation"]
    taxonomy = taxonomy_of(case)
    given = np.array([case["input"]["W"][name] for name in taxonomy.nodes])
    steps = given[1:] - given[taxonomy.parent_ids[1:]]
    closure = taxonomy.ancestor_closure[1:, 1:]
    np.testing.assert_allclose(closure @ steps, given[1:] - given[0], atol=1e-12)
    penalty = half_square(Network([steps.T], [np.zeros(len(steps))], "relu"))
    assert penalty == pytest.approx(case["expected"]["without_root"], abs=case["tol"])


def test_hierarchical_cross_entropy(cases):
    case = cases["hxe"]
    expected, tol = case["expected"], case["tol"]

    def loss(weight_of):
        return of_leaf_scores(
            case, lambda taxonomy, heads: hierarchical_weights(weight_of(taxonomy, heads), heads)
        )[0]

    flat = loss(lambda _, heads: np.ones(heads.n_columns))
    assert flat == pytest.approx(expected["flat_ce"], abs=tol)
    by_depth = loss(lambda _, heads: np.exp(-0.4 * heads.depths))
    assert by_depth == pytest.approx(expected["code_alpha0_4"], abs=tol)
    by_height = loss(lambda taxonomy, heads: np.exp(-0.4 * taxonomy.heights[heads.nodes]))
    assert by_height == pytest.approx(expected["height_alpha0_4"], abs=tol)


@pytest.mark.parametrize("beta", ["4.0", "10.0"])
def test_soft_labels(cases, beta):
    case = cases["soft-labels"]
    taxonomy, heads, position = heads_of(case, case["input"]["leaf_order"])
    answers = taxonomy.leaf_ids
    found = soft_labels(float(beta), heads, taxonomy, answers)[np.ix_(position, position)]
    np.testing.assert_allclose(found.T, case["expected"][beta], atol=case["tol"])


def test_a_product_of_levels_is_one_softmax_of_paths(cases):
    """The normaliser of a level is the same for all answers, and cancels."""
    case = cases["lcl-product"]
    given, expected = case["input"], case["expected"]
    names = list(given["paths"])
    taxonomy, heads, position = heads_of(case, names)
    logits = np.zeros((len(heads.levels), heads.n_columns))
    for i, name in enumerate(names):
        for level, step in enumerate(given["paths"][name]):
            column = heads.column_at_level[position[i], level]
            logits[level, column] = given["head_logits"][str(level + 1)][step]
    # A path that ends early has a logit of its leaf at each of the levels below.
    marginals = np.exp(log_marginals(logits.sum(axis=0, keepdims=True), heads))[0]
    of_answers = marginals[heads.leaf_columns[position]]
    wanted = [expected["leaf_probs_beta1"][name] for name in names]
    np.testing.assert_allclose(of_answers, wanted, atol=case["tol"])
    nodes = list(expected["marginals_beta1"])
    found = marginals[columns_of(heads, taxonomy, nodes)]
    np.testing.assert_allclose(found, list(expected["marginals_beta1"].values()), atol=case["tol"])


def test_max_constraint_loss(cases):
    case = cases["mcloss"]
    taxonomy = taxonomy_of(case)
    given = case["input"]
    nodes = np.arange(1, taxonomy.n_nodes, dtype=np.int32)
    order = taxonomy.ids(given["nodes"]) - 1
    scores = np.empty((len(given["h"]), len(nodes)))
    scores[:, order] = logit(given["h"])
    members = taxonomy.binarize(given["y_true"]).toarray() > 0
    members = (members @ taxonomy.ancestor_closure[1:, 1:].toarray()) > 0
    losses, _ = MaxConstraint.of(taxonomy, nodes)(scores, members, np.ones(len(nodes)))
    wanted = case["expected"]["per_row"]
    np.testing.assert_allclose(losses / len(nodes), wanted, atol=case["tol"])


# -- guarantees ------------------------------------------------------------------------------


def in_one_group(scores):
    n_rows = len(scores)
    rows = np.array(scores, dtype=float)
    return GroupedScores.of(rows, np.ones(n_rows), np.zeros(n_rows, dtype=int), 1)


@pytest.mark.parametrize("alpha", ["0.1", "0.3"])
def test_conformal_thresholds(cases, alpha):
    case = cases[f"conformal-threshold-{alpha}"]
    scores, level = in_one_group(case["input"]["scores"]), 1 - case["input"]["alpha"]
    assert scores.ranks(level) == [case["expected"]["k"]]
    assert scores.thresholds(level) == pytest.approx([case["expected"]["theta"]])


PATHS = Taxonomy.from_edges([("R", "A"), ("R", "B"), ("A", "a1"), ("A", "a2")], root="R")


def paths_of(rows):
    """Return ids and probabilities of paths, and marginals in which these are the best paths."""
    ends = PATHS.ids([path[-1][0] for path in rows])
    paths = PATHS.path_ids(ends)
    proba = np.zeros(paths.shape)
    table = np.zeros((len(rows), PATHS.n_nodes))
    table[:, 0] = 1.0
    for row, path in enumerate(rows):
        for level, (name, mass) in enumerate(path):
            proba[row, level] = table[row, PATHS.id(name)] = mass
    outcomes = Outcomes.of(PATHS, PATHS.leaf_ids, stops=False)
    return paths, proba, DenseMarginals(PATHS, outcomes, table)


def test_scores_of_nested_paths(cases):
    case = cases["conformal-nested-scores"]
    paths, proba, _ = paths_of(case["input"]["paths"])
    found = nested_scores(paths, proba, PATHS.path_ids(PATHS.ids(case["input"]["truths"])))
    expected = case["expected"]
    np.testing.assert_allclose(found, expected["scores"], atol=case["tol"])
    scores = in_one_group(found)
    for alpha, k, theta in zip(expected["alpha"], expected["k"], expected["theta"], strict=True):
        assert scores.ranks(1 - alpha) == [k]
        assert scores.thresholds(1 - alpha) == pytest.approx([theta], abs=case["tol"])


def calibrated(theta, sets=()):
    """Return a decoder that has seen calibration rows with these thresholds."""
    decoder = Conformal(0.9)
    scores = in_one_group(sets)
    decoder.thresholds_ = ConformalThresholds(
        in_one_group([]), scores, np.array([theta]), None, "calibration"
    )
    return decoder


def test_answers_of_nested_paths(cases):
    case = cases["conformal-nested-answers"]
    _, _, marginals = paths_of(case["input"]["paths"])
    found = calibrated(case["input"]["theta"]).decode(marginals)
    assert [PATHS.nodes[node] for node in found] == case["expected"]


@pytest.mark.parametrize("alpha", ["0.2", "0.3"])
def test_sets_of_leaves(cases, alpha):
    case = cases[f"conformal-leafset-lca-{alpha}"]
    taxonomy, marginals = marginals_of(case)
    scores = 1 - np.array(case["input"]["cal_true_leaf_prob"])
    level = 1 - case["input"]["alpha"]
    assert in_one_group(scores).ranks(level) == [case["expected"]["k"]]
    assert in_one_group(scores).thresholds(level) == pytest.approx([case["expected"]["qhat"]])
    closed = calibrated(np.inf, scores).prediction_sets(marginals, level)
    names = {taxonomy.nodes[node] for node in closed.indices}
    leaves = sorted(names & set(taxonomy.leaves))
    assert leaves == case["expected"]["leaf_set"]
    assert names == {name for leaf in leaves for name in taxonomy.path(leaf)}
    first, *others = leaves
    for other in others:
        first = taxonomy.lca(first, other)
    assert first == case["expected"]["lca"]


def test_conformal_risk_control(cases):
    case = cases["conformal-risk-control"]
    table, expected = np.array(case["input"]["loss_table"]), case["expected"]
    np.testing.assert_allclose(table.mean(axis=0), expected["empirical"], atol=case["tol"])
    bound = conformal_bound(table.mean(axis=0), len(table), case["input"]["B"])
    np.testing.assert_allclose(bound, expected["bound"], atol=case["tol"])
    for alpha, wanted in expected["lambda_hat"].items():
        n_held = fixed_sequence(bound[::-1], float(alpha))
        assert case["input"]["lambdas"][len(bound) - n_held] == wanted


def test_learn_then_test(cases):
    case = cases["ltt-binomial"]
    given = case["input"]
    p_values = binomial_p_values(given["errors"], given["n"], given["alpha"])
    np.testing.assert_allclose(p_values, case["expected"]["p"], atol=case["tol"])
    assert fixed_sequence(p_values, given["delta"]) == len(case["expected"]["accepted"])


def test_an_error_rate_at_its_exact_upper_bound_is_just_not_rejected(cases):
    case = cases["clopper-pearson"]
    for n_errors, n_rows, delta in case["input"]["cases"]:
        upper = case["expected"][f"{n_errors}/{n_rows} delta={delta:g}"]
        assert binomial_p_values(n_errors, n_rows, upper) == pytest.approx(delta, rel=1e-5)


def test_label_issue_quality(cases):
    case = cases["label-issue-quality"]
    taxonomy = Taxonomy.from_dict({"A": ["a1", "a2"], "B": ["b1", "b2"]})
    proba = {"A": 0.6, "a1": 0.45, "a2": 0.15, "B": 0.4, "b1": 0.1, "b2": 0.3}
    table = np.array([[1.0, *(proba[name] for name in taxonomy.nodes[1:])]])
    nodes = taxonomy.ids(list(case["expected"]))
    known = np.ones(taxonomy.n_nodes, dtype=bool)
    least, where, _ = weakest_steps(table, np.zeros(len(nodes), dtype=int), nodes, taxonomy, known)
    assert least.tolist() == pytest.approx(list(case["expected"].values()), abs=case["tol"])
    assert where.tolist() == nodes.tolist()
