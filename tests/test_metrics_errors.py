"""Where errors arise, what is confused and what it costs, against slow definitions."""

import json
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
import reference
from conftest import DIAMOND, TAXONOMIES, shared_data
from generators import dags, label_sets, one_in, trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklhier import Taxonomy
from sklhier.exceptions import TargetError, TaxonomyError
from sklhier.metrics import (
    class_damage,
    error_attribution,
    h_loss,
    hierarchical_classification_report,
    hierarchical_confusion_matrix,
    level_accuracy_scores,
    most_confused_pairs,
    tree_distance_loss,
)

RAGGED = TAXONOMIES["ragged"]
BIRDS = Taxonomy.from_dict(
    {"bird": ["owl", "wren"], "fish": ["eel", "ray"]}, titles={"bird": "Aves <b>", "owl": "Strix"}
)


@st.composite
def answered_sets(draw):
    taxonomy = draw(st.one_of(trees(), dags()))
    n_rows = draw(st.integers(1, 8))
    weights = draw(st.none() | st.lists(st.integers(1, 4), min_size=n_rows, max_size=n_rows))
    return (
        taxonomy,
        draw(label_sets(taxonomy, n_rows)),
        draw(label_sets(taxonomy, n_rows)),
        weights,
    )


@st.composite
def answered_labels(draw):
    tree = draw(trees())
    n_rows = draw(st.integers(1, 10))
    names = st.sampled_from([None, *tree.nodes[1:]])
    rows = st.lists(names, min_size=n_rows, max_size=n_rows)
    weights = draw(st.none() | st.lists(st.integers(1, 4), min_size=n_rows, max_size=n_rows))
    return tree, draw(rows), draw(rows), weights


def closed_with_root(taxonomy, rows):
    graph, root = taxonomy.to_networkx(), taxonomy.root
    return [reference.closure(graph, root, labels) | {root} for labels in rows]


def attributed(taxonomy, true, predicted, weights):
    """Count arrivals, kinds of errors and confused children at each node, sample by sample."""
    arrived, kinds, pairs = Counter(), Counter(), Counter()
    graph = taxonomy.to_networkx()
    closed = zip(
        *(closed_with_root(taxonomy, y) for y in (true, predicted)),
        weights or [1] * len(true),
        strict=True,
    )
    for t, p, weight in closed:
        both = t & p
        first = {n for n in t ^ p if all(above in both for above in graph.predecessors(n))}
        for node in both:
            below = set(graph.successors(node))
            if not below:
                continue
            arrived[node] += weight
            missed, added = below & first & t, below & first & p
            if missed and added:
                kinds[node, "wrong_turn"] += weight
                for meant in missed:
                    for taken in added:
                        pairs[node, meant, taken] += weight
            elif missed:
                kinds[node, "stopped_early"] += weight
            elif added:
                kinds[node, "too_deep"] += weight
    return arrived, kinds, pairs


def check_attribution(found, taxonomy, arrived, kinds, pairs):
    records = {record["node"]: record for record in found.records()}
    assert set(records) == set(arrived)
    for node, record in records.items():
        assert record["arrived"] == arrived[node]
        for kind in ("wrong_turn", "stopped_early", "too_deep"):
            assert record[kind] == kinds[node, kind]
        here = {pair[1:]: count for pair, count in pairs.items() if pair[0] == node}
        assert record["worst_count"] == max(here.values(), default=0)
        if here:
            worst = (record["worst_true"], record["worst_predicted"])
            ids = {pair: tuple(map(taxonomy.id, pair)) for pair in here}
            assert worst == min(here, key=lambda pair: (-here[pair], ids[pair]))
        else:
            assert record["worst_true"] is None
            assert record["worst_predicted"] is None
        assert record["level"] == taxonomy.depth(node) + 1
    errors = found.errors
    assert_array_equal(errors, sorted(errors, reverse=True))
    if errors.any():
        assert found.share.sum() == pytest.approx(1)
        assert_allclose(found.share, errors / errors.sum())
    else:
        assert not found.share.any()
    ties = np.flatnonzero(np.diff(errors) == 0)
    assert (found.node_ids[ties] < found.node_ids[ties + 1]).all()


def test_ten_pairs_are_listed_at_first():
    taxonomy = Taxonomy.flat(list("abcde"))
    true, predicted = zip(*permutations("abcde", 2), strict=True)
    assert len(most_confused_pairs(true, predicted, taxonomy=taxonomy)) == 10
    assert len(most_confused_pairs(true, predicted, taxonomy=taxonomy, n=None)) == 20


@one_in(2)
@given(answered_sets())
def test_attribution_by_sets(case):
    taxonomy, true, predicted, weights = case
    found = error_attribution(true, predicted, taxonomy=taxonomy, sample_weight=weights)
    check_attribution(found, taxonomy, *attributed(taxonomy, true, predicted, weights))
    assert found.sample_nodes is found.sample_kinds is None or taxonomy.is_tree
    listed = most_confused_pairs(true, predicted, taxonomy=taxonomy, sample_weight=weights, n=None)
    _, kinds, pairs = attributed(taxonomy, true, predicted, weights)
    assert {(p["parent"], p["true"], p["predicted"]): p["count"] for p in listed} == dict(pairs)
    for pair in listed:
        assert pair["share"] == pytest.approx(pair["count"] / sum(kinds.values()))


@given(answered_labels())
def test_attribution_of_paths(case):
    tree, true, predicted, weights = case
    as_sets = [[[] if label is None else [label] for label in y] for y in (true, predicted)]
    found = error_attribution(true, predicted, taxonomy=tree, sample_weight=weights)
    check_attribution(found, tree, *attributed(tree, *as_sets, weights))
    for row, (t, p) in enumerate(zip(true, predicted, strict=True)):
        if t == p:
            assert found.sample_nodes[row] == -1
            assert found.sample_kinds[row] == "right"
            continue
        met = tree.root if None in (t, p) else tree.lca(t, p)
        met = tree.root if met is None else met
        assert tree.nodes[found.sample_nodes[row]] == met
        kind = (
            "stopped_early"
            if (p or tree.root) == met
            else "too_deep"
            if (t or tree.root) == met
            else "wrong_turn"
        )
        assert found.sample_kinds[row] == kind
    options = {"taxonomy": tree, "sample_weight": weights}
    assert_allclose(found.level_accuracy, level_accuracy_scores(true, predicted, **options))
    # Everything above was right: the product of what is right there is what is right at all.
    products = np.cumprod(np.nan_to_num(found.level_accuracy_given_parent, nan=0.0))
    if all(label in tree.leaves and tree.depth(label) == tree.n_levels for label in true):
        assert_allclose(products, found.level_accuracy)


@one_in(2)
@given(answered_sets())
def test_levels_had_the_parents_been_right(case):
    taxonomy, true, predicted, weights = case
    graph = taxonomy.to_networkx()
    found = error_attribution(true, predicted, taxonomy=taxonomy, sample_weight=weights)
    right, asked = np.zeros(taxonomy.n_levels), np.zeros(taxonomy.n_levels)
    closed = [closed_with_root(taxonomy, y) for y in (true, predicted)]
    for t, p, weight in zip(*closed, weights or [1] * len(true), strict=True):
        for node in t - {taxonomy.root}:
            if all(above in p for above in graph.predecessors(node)):
                asked[taxonomy.depth(node) - 1] += weight
                right[taxonomy.depth(node) - 1] += weight * (node in p)
    with np.errstate(invalid="ignore"):
        assert_allclose(found.level_accuracy_given_parent, right / asked)


@one_in(2)
@given(answered_sets())
def test_first_mistakes_are_those_of_the_h_loss(case):
    taxonomy, true, predicted, weights = case
    _, _, pairs = attributed(taxonomy, true, predicted, weights)
    found = error_attribution(true, predicted, taxonomy=taxonomy, sample_weight=weights)
    lost = h_loss(true, predicted, taxonomy=taxonomy, sample_weight=weights)
    assert (lost > 0) == bool(found.errors.any())
    assert bool(pairs) == bool(found.wrong_turn.any())


def test_attribution_by_hand():
    tree = Taxonomy.from_edges(
        [("R", "A"), ("R", "b"), ("R", "C"), ("A", "a1"), ("A", "a2"), ("C", "C1"), ("C", "c2"),
         ("C1", "c1x"), ("C1", "c1y")]
    )  # fmt: skip
    found = error_attribution(
        ["a1", "a1", "c2", "C1", "b"], ["a2", "A", "c1x", "c1x", "C"], taxonomy=tree
    )
    assert found.nodes == ("A", "R", "C", "C1")
    assert_array_equal(found.arrived, [2, 5, 2, 1])
    assert_array_equal(found.wrong_turn, [1, 1, 1, 0])
    assert_array_equal(found.stopped_early, [1, 0, 0, 0])
    assert_array_equal(found.too_deep, [0, 0, 0, 1])
    assert_array_equal(found.error_rate, [1, 0.2, 0.5, 1])
    assert_array_equal(found.levels, [2, 1, 2, 3])
    assert_array_equal(found.sample_nodes, tree.ids(["A", "A", "C", "C1", "R"]))
    text = str(found)
    assert text.startswith("100% of 5 errors arise at 4 of 4 nodes.")
    assert [line.split() for line in text.splitlines() if line.startswith("C1")] == [
        ["C1", "3", "1", "0", "0", "1", "20.0%"]
    ]


def test_a_node_of_a_dag_goes_wrong_once_all_its_parents_are_right():
    # Z is below P and S; S is below Q.
    found = error_attribution([{"Z"}, {"Z"}], [{"P"}, {"P", "S"}], taxonomy=DIAMOND)
    records = {record["node"]: record for record in found.records()}
    assert records["R"]["stopped_early"] == 1  # of the first: Q is missing
    assert records["P"]["stopped_early"] == records["S"]["stopped_early"] == 1  # of the second: Z
    assert found.sample_nodes is None


def test_attribution_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    true, predicted = rng.choice(RAGGED.nodes[1:], (2, 200))
    weights, order = rng.integers(1, 5, 200), rng.permutation(200)
    found = error_attribution(true, predicted, taxonomy=RAGGED, sample_weight=weights)
    other = error_attribution(
        true[order], predicted[order], taxonomy=RAGGED, sample_weight=weights[order]
    )
    assert found.records() == other.records()
    repeated = [np.repeat(y, weights) for y in (true, predicted)]
    assert found.records() == error_attribution(*repeated, taxonomy=RAGGED).records()


def test_what_is_not_annotated_is_no_error():
    true = np.array([[0.0, np.nan, 1.0, 0.0]])  # owl is known, wren is not
    options = {"taxonomy": BIRDS, "classes": ["eel", "wren", "owl", "ray"]}
    found = error_attribution(true, [["owl", "wren"]], missing="ignore", **options)
    assert not found.errors.any()
    assert error_attribution([["owl"]], [["owl", "wren"]], taxonomy=BIRDS).too_deep.sum() == 1
    deeper = error_attribution(["bird"], ["wren"], taxonomy=BIRDS, deeper="ok")
    assert not deeper.errors.any()
    assert "There are no errors." in str(deeper)


def test_frames_of_the_attribution():
    pd = pytest.importorskip("pandas")
    found = error_attribution(["owl", "eel"], ["wren", "owl"], taxonomy=BIRDS)
    frame = found.to_frame()
    assert list(frame["title"].fillna("")) == ["", "Aves <b>"]
    assert frame.drop(columns="title").to_dict("records") == found.records()
    levels = found.levels_to_frame()
    assert isinstance(levels, pd.DataFrame)
    assert_array_equal(levels["level"], [1, 2])
    assert_array_equal(levels["accuracy_given_parent"], [0.5, 0.0])
    assert "title" not in error_attribution(["a"], ["b"], taxonomy=RAGGED).to_frame()


def test_html_is_escaped():
    for found in (
        error_attribution(["owl"], ["wren"], taxonomy=BIRDS),
        class_damage(["bird"], ["wren"], taxonomy=BIRDS),
    ):
        text = found._repr_html_()
        assert "&lt;b&gt;" in text
        assert "<b>" not in text
        assert "<script" not in text
        assert "Aves <b>" in str(found)
        assert repr(found).startswith(type(found).__name__)


# -- pairs --------------------------------------------------------------------------------


@given(answered_labels(), st.integers(-3, 3).filter(bool))
def test_pairs_of_a_level_are_the_confusion_matrix(case, level):
    tree, true, predicted, weights = case
    if abs(level) > tree.n_levels:
        with pytest.raises(ValueError, match="`level` must be in"):
            most_confused_pairs(true, predicted, taxonomy=tree, level=level)
        return
    options = {"taxonomy": tree, "sample_weight": weights, "level": level}
    matrix = hierarchical_confusion_matrix(true, predicted, **options)
    names = tree.levels[level - 1 if level > 0 else level]
    wanted = {
        (names[i], names[j]): matrix[i, j]
        for i, j in np.argwhere(matrix[:, :-1]).tolist()
        if i != j
    }
    pairs = most_confused_pairs(true, predicted, n=None, **options)
    assert {(pair["true"], pair["predicted"]): pair["count"] for pair in pairs} == wanted
    wrong = matrix.sum() - np.trace(matrix[:, :-1])
    for pair in pairs:
        assert pair["parent"] is None
        assert pair["share"] == pytest.approx(pair["count"] / wrong)
        row = names.index(pair["true"])
        assert pair["share_of_true"] == pytest.approx(pair["count"] / matrix[row].sum())
    counts = [pair["count"] for pair in pairs]
    assert counts == sorted(counts, reverse=True)
    assert pairs[:2] == most_confused_pairs(true, predicted, n=2, **options)


@given(answered_labels(), st.data())
def test_pairs_of_rows_without_weight_are_none(case, data):
    tree, true, predicted, _ = case
    counts = st.lists(st.integers(0, 1), min_size=len(true), max_size=len(true))
    weights = np.array(data.draw(counts.filter(any)))
    kept = [[y[row] for row in np.flatnonzero(weights)] for y in (true, predicted)]
    for level in (None, 1):
        options = {"taxonomy": tree, "level": level}
        found = most_confused_pairs(true, predicted, sample_weight=weights, **options)
        assert found == most_confused_pairs(*kept, **options)


def test_pairs_as_a_frame_and_bad_input():
    pytest.importorskip("pandas")
    y = ["owl", "eel"], ["wren", "owl"]
    frame = most_confused_pairs(*y, taxonomy=BIRDS, output="frame")
    assert frame.to_dict("records") == most_confused_pairs(*y, taxonomy=BIRDS)
    assert most_confused_pairs(y[0], y[0], taxonomy=BIRDS) == []
    assert most_confused_pairs(y[0], y[0], taxonomy=BIRDS, level=1) == []
    with pytest.raises(ValueError, match="`n` must be an integer of 1 or more, got 0"):
        most_confused_pairs(*y, taxonomy=BIRDS, n=0)
    with pytest.raises(ValueError, match="got 'text'"):
        most_confused_pairs(*y, taxonomy=BIRDS, output="text")
    with pytest.raises(TaxonomyError, match="nodes of one level"):
        most_confused_pairs(["Z"], ["S"], taxonomy=DIAMOND, level=1)


def test_the_frame_of_a_confusion_matrix_names_its_last_column():
    pytest.importorskip("pandas")
    frame = hierarchical_confusion_matrix(
        ["owl"], ["bird"], taxonomy=BIRDS, level=2, as_frame=True
    )
    assert list(frame.columns) == ["owl Strix", "wren", "eel", "ray", "(stopped above)"]
    assert frame.loc["owl Strix", "(stopped above)"] == 1


# -- costs --------------------------------------------------------------------------------


@one_in(2)
@given(answered_sets(), st.integers(0, 2**16))
def test_damage_by_sets(case, seed):
    taxonomy, true, predicted, weights = case
    graph, root = taxonomy.to_networkx(), taxonomy.root
    matrix = np.random.default_rng(seed).integers(0, 9, (taxonomy.n_nodes,) * 2).astype(float)
    rules = {
        None: lambda answer, label: reference.distance(graph, answer, label),
        "error": lambda answer, label: float(answer != label),
        "matrix": lambda answer, label: matrix[taxonomy.id(answer), taxonomy.id(label)],
    }

    def specific(labels):
        return {
            n
            for n in labels
            if not any(n in reference.closure(graph, root, [m]) for m in labels if m != n)
        }

    for cost, price in rules.items():
        found = class_damage(
            true,
            predicted,
            taxonomy=taxonomy,
            cost=matrix if cost == "matrix" else cost,
            sample_weight=weights,
        )
        totals, support, wrong, stopped, false = (Counter() for _ in range(5))
        closed = [closed_with_root(taxonomy, y) for y in (true, predicted)]
        for t, p, ct, cp, weight in zip(
            true, predicted, *closed, weights or [1] * len(true), strict=True
        ):
            t, p = specific(t), specific(p)
            for label in t:
                support[label] += weight
                totals[label] += weight * min(price(answer, label) for answer in p or {root})
                lost = wrong if cp - ct else stopped
                lost[label] += weight * (label not in p)
            for answer in p - t:
                false[answer] += weight
        rows = {record["class"]: record for record in found.records()}
        assert set(rows) == set(support)
        for name, row in rows.items():
            assert row["support"] == support[name]
            assert row["cost"] == pytest.approx(totals[name])
            assert row["mean_cost"] == pytest.approx(totals[name] / support[name])
            assert (row["wrong"], row["stopped"]) == (wrong[name], stopped[name])
            assert row["lost"] == row["wrong"] + row["stopped"]
            assert row["false_answers"] == false[name]
        assert_array_equal(found.cost, sorted(found.cost, reverse=True))
        assert found.share.sum() == pytest.approx(1 if found.cost.any() else 0)


@given(answered_labels())
def test_damage_adds_up_to_the_tree_distance(case):
    tree, true, predicted, weights = case
    known = [row for row, label in enumerate(true) if label is not None]
    if not known:
        return
    y = [[labels[row] for row in known] for labels in (true, predicted)]
    own = None if weights is None else [weights[row] for row in known]
    found = class_damage(*y, taxonomy=tree, sample_weight=own)
    mean = tree_distance_loss(*y, taxonomy=tree, sample_weight=own)
    assert found.cost.sum() / found.support.sum() == pytest.approx(mean)


COSTS = {"wren": {"owl": 5, "wren": 0}, "owl": {"owl": 0, "wren": 1}, None: {"owl": 2, "wren": 3}}


def test_costs_of_a_mapping_are_those_of_a_frame():
    pd = pytest.importorskip("pandas")
    y = ["owl", "owl", "wren", "wren"], ["wren", None, "owl", None]
    found = class_damage(*y, taxonomy=BIRDS, cost=COSTS)
    assert found.classes == ("owl", "wren")
    assert_array_equal(found.cost, [7, 4])
    frame = pd.DataFrame.from_dict(COSTS, orient="index")
    frame.index = pd.Index(list(COSTS), dtype=object)
    assert_array_equal(class_damage(*y, taxonomy=BIRDS, cost=frame).cost, [7, 4])
    full = np.full((7, 7), np.nan)
    for answer, row in COSTS.items():
        for label, price in row.items():
            full[0 if answer is None else BIRDS.id(answer), BIRDS.id(label)] = price
    assert_array_equal(class_damage(*y, taxonomy=BIRDS, cost=full).cost, [7, 4])
    assert list(found.to_frame()["title"].fillna("")) == ["Strix", ""]


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        ("distance", "must be None, 'error', or costs"),
        ({"owl": 3}, "a mapping from labels to costs for each answer, got 3"),
        (np.zeros((2, 3)), r"7 nodes of taxonomy.nodes, got shape \(2, 3\)"),
        ({"owl": {"owl": 0}}, "a finite cost for the answer 'wren' if 'owl' is true"),
        ({"wren": {"owl": np.inf}}, "a finite cost for the answer 'wren'"),
        ({"wren": {"owl": "much"}}, "must hold numbers"),
    ],
)
def test_bad_costs(cost, message):
    with pytest.raises(ValueError, match=message):
        class_damage(["owl"], ["wren"], taxonomy=BIRDS, cost=cost)


def test_bad_names_of_costs():
    pd = pytest.importorskip("pandas")
    with pytest.raises(TaxonomyError, match="auk"):
        class_damage(["owl"], ["wren"], taxonomy=BIRDS, cost={"wren": {"auk": 1}})
    twice = pd.DataFrame(np.zeros((2, 1)), index=["wren", "wren"], columns=["owl"])
    with pytest.raises(ValueError, match="must be distinct, got 'wren' twice"):
        class_damage(["owl"], ["wren"], taxonomy=BIRDS, cost=twice)


@pytest.mark.parametrize("function", [error_attribution, class_damage, most_confused_pairs])
def test_bad_labels(function):
    with pytest.raises(TargetError, match="auk"):
        function(["owl"], ["auk"], taxonomy=BIRDS)
    with pytest.raises(TargetError, match="pass `taxonomy=`"):
        function(["owl"], ["owl"])
    with pytest.raises(TargetError, match="1 and 2"):
        function(["owl"], ["owl", "owl"], taxonomy=BIRDS)
    with pytest.raises(ValueError, match="sample_weight"):
        function(["owl"], ["owl"], taxonomy=BIRDS, sample_weight=[-1])


@pytest.mark.parametrize("function", [error_attribution, class_damage, most_confused_pairs])
def test_paths_tables_and_names_are_the_same_labels(function):
    names = ["owl", "eel", "ray"], ["wren", "ray", "fish"]
    paths = [[[*BIRDS.path(name)] for name in y] for y in names]
    tables = [BIRDS.binarize([[name] for name in y]) for y in names]
    wanted = str(function(*names, taxonomy=BIRDS))
    assert str(function(*paths, taxonomy=BIRDS)) == wanted
    assert str(function(*tables, taxonomy=BIRDS)) == wanted
    leaves = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    options = {"taxonomy": BIRDS, "classes": BIRDS.leaves}
    assert str(function(leaves, names[1], **options)) == wanted
    spelled = function(*paths)
    assert type(spelled) is type(function(*names, taxonomy=BIRDS))


# -- worked cases, kept beside the repository ---------------------------------------------


@pytest.fixture(scope="module")
def cases():
    path = shared_data("../oracles") / "next.json"
    if not path.is_file():
        pytest.skip("the worked cases are not here")
    return {case["id"]: case for case in json.loads(path.read_text("utf-8"))}


def test_oracle_of_attribution(cases):
    case = cases["error-attribution"]
    tree = Taxonomy.from_dict({"A": ["a1", "a2"], "b": [], "C": {"C1": ["c1x", "c1y"], "c2": []}})
    found = error_attribution(case["input"]["true"], case["input"]["pred"], taxonomy=tree)
    nodes = [None if node < 0 else str(tree.nodes[node]) for node in found.sample_nodes.tolist()]
    assert nodes == case["expected"]["node"]
    assert found.sample_kinds.tolist() == case["expected"]["kind"]
    levels = dict(zip(found.node_ids.tolist(), found.levels.tolist(), strict=True))
    assert [levels.get(node) for node in found.sample_nodes.tolist()] == case["expected"]["level"]


def test_oracle_of_node_scores(cases):
    case = cases["display-counts"]
    tree = Taxonomy.from_edges([("R", "A"), ("R", "c"), ("A", "a"), ("A", "b")])
    report = hierarchical_classification_report(
        list("aaabbc"), list("aabbcc"), taxonomy=tree, output="dict"
    )
    found = {name: row["f1"] for name, row in report["nodes"].items()}
    assert found == pytest.approx(case["expected"], abs=case["tol"])
