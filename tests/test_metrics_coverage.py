"""How far answers go, and what they risk, against slow definitions."""

import datetime as dt
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import reference
from conftest import DIAMOND, TAXONOMIES
from generators import dags, label_sets, one_in, trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklhier import Taxonomy, metrics
from sklhier.exceptions import TargetError, TaxonomyError
from sklhier.metrics import (
    coverage_report,
    hierarchical_calibration_error,
    hierarchical_precision_score,
    level_accuracy_scores,
    risk_coverage_curve,
)

RAGGED = TAXONOMIES["ragged"]
BIRDS = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel", "ray"]})
MEASURES = (
    "support",
    "coverage",
    "depth_kept",
    "complete",
    "at_root",
    "precision",
    "error",
    "accuracy",
)


@st.composite
def answered_sets(draw):
    taxonomy = draw(st.one_of(trees(), dags()))
    n_rows = draw(st.integers(1, 8))
    weights = draw(st.lists(st.integers(0, 3), min_size=n_rows, max_size=n_rows).filter(any))
    return (
        taxonomy,
        draw(label_sets(taxonomy, n_rows)),
        draw(label_sets(taxonomy, n_rows)),
        weights,
    )


def ratio(above, below):
    return above / below if below else np.nan


def covered(taxonomy, true, predicted, weights):
    """Return all measures, and those of each level, sample by sample."""
    graph, root = taxonomy.to_networkx(), taxonomy.root
    depth = reference.depths(graph, root)
    rows = [
        (*(reference.closure(graph, root, labels) for labels in pair), weight)
        for *pair, weight in zip(true, predicted, weights, strict=True)
    ]

    def level_of(nodes):
        return {depth[node] for node in nodes}

    n = sum(w for *_, w in rows)
    answered = sum(w for _, p, w in rows if p)
    wrong = sum(w for t, p, w in rows if p - t)
    wanted = {
        "support": n,
        "coverage": ratio(answered, n),
        "depth_kept": ratio(
            sum(w * len(level_of(t) & level_of(p)) for t, p, w in rows),
            sum(w * len(level_of(t)) for t, _, w in rows),
        ),
        "complete": ratio(sum(w for t, p, w in rows if level_of(t) <= level_of(p)), n),
        "at_root": ratio(n - answered, n),
        "precision": ratio(answered - wrong, answered),
        "error": ratio(wrong, n),
        "accuracy": ratio(sum(w for t, p, w in rows if t == p), n),
    }
    levels = []
    for level in range(1, taxonomy.n_levels + 1):
        here = [
            ({m for m in t if depth[m] == level}, {m for m in p if depth[m] == level}, w)
            for t, p, w in rows
        ]
        support = sum(w for t, _, w in here if t)
        levels.append(
            [
                support,
                ratio(sum(w for t, p, w in here if t and p), support),
                ratio(
                    sum(w * len(t & p) for t, p, w in here), sum(w * len(p) for _, p, w in here)
                ),
                ratio(
                    sum(w * len(t & p) for t, p, w in here), sum(w * len(t) for t, _, w in here)
                ),
            ]
        )
    return wanted, levels


def check_coverage(found, wanted, levels):
    for name in MEASURES:
        assert getattr(found, name) == pytest.approx(wanted[name], nan_ok=True), name
    columns = [
        getattr(found, f"level_{name}")
        for name in ("support", "coverage", "precision", "accuracy")
    ]
    assert_allclose(np.column_stack(columns), levels)


@one_in(2)
@given(answered_sets(), st.lists(st.sampled_from(["x", "y", 3]), min_size=8, max_size=8))
def test_coverage_by_sets_and_groups(case, groups):
    taxonomy, true, predicted, weights = case
    groups = groups[: len(true)]
    found = coverage_report(
        true, predicted, taxonomy=taxonomy, groups=groups, sample_weight=weights
    )
    check_coverage(found, *covered(taxonomy, true, predicted, weights))
    assert list(found.groups) == [name for name in (3, "x", "y") if name in groups]
    for name, part in found.groups.items():
        rows = [row for row, group in enumerate(groups) if group == name]
        own = [[table[row] for row in rows] for table in (true, predicted, weights)]
        check_coverage(part, *covered(taxonomy, *own))


def test_coverage_in_the_words_of_other_metrics():
    rng = np.random.default_rng(0)
    true = rng.choice(RAGGED.leaves, 300)
    predicted = rng.choice([*RAGGED.nodes[1:], None], 300)
    found = coverage_report(true, predicted, taxonomy=RAGGED)
    assert_allclose(found.level_accuracy, level_accuracy_scores(true, predicted, taxonomy=RAGGED))
    assert found.error == pytest.approx(found.coverage * (1 - found.precision))
    assert found.at_root == np.mean([label is None for label in predicted])
    right = [p is None or p in {*RAGGED.path(t)} for t, p in zip(true, predicted, strict=True)]
    assert found.error == pytest.approx(1 - np.mean(right))
    whole = coverage_report(true, true, taxonomy=RAGGED)
    assert whole.coverage == whole.depth_kept == whole.precision == whole.accuracy == 1
    nothing = coverage_report(true, [None] * 300, taxonomy=RAGGED)
    assert nothing.coverage == nothing.depth_kept == nothing.error == 0
    assert np.isnan(nothing.precision)
    deeper = coverage_report(["A1"], ["a"], taxonomy=RAGGED, deeper="ok")
    assert deeper.accuracy == 1
    assert coverage_report(["A1"], ["a"], taxonomy=RAGGED).error == 1
    precision = hierarchical_precision_score(true, predicted, taxonomy=RAGGED)
    n_answered = [
        np.sum([p is not None and RAGGED.depth(p) >= k for p in predicted]) for k in (1, 2, 3)
    ]
    assert precision == pytest.approx(np.average(found.level_precision, weights=n_answered))


DAY = dt.date(2020, 1, 1)


@pytest.mark.parametrize(
    ("groups", "wanted"),
    [
        (["b", "a", "b"], ["a", "b"]),
        ([2, 1, 2], [1, 2]),
        (np.array([True, False, True]), [False, True]),
        ([("a", 1), ("a", 0), ("a", 1)], [("a", 0), ("a", 1)]),
        (["a", None, np.nan], ["a", None]),
        (np.array([1.0, np.nan, np.nan]), [1.0, None]),
        ([DAY, "a", 1], [1, "a", DAY]),
        ([None, DAY, "a"], ["a", DAY, None]),
        ([frozenset("a"), frozenset("b"), frozenset("a")], [frozenset("a"), frozenset("b")]),
    ],
)
def test_groups_of_any_kind(groups, wanted):
    y = ["owl", "eel", "ray"]
    found = coverage_report(y, y, taxonomy=BIRDS, groups=groups)
    assert list(found.groups) == wanted
    assert sum(part.support for part in found.groups.values()) == 3
    assert str(found).count("\n") > len(wanted)


def test_groups_of_pandas_and_polars():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    y = ["owl", "eel", "ray"]
    for groups in (
        pd.Series(["b", "a", None], dtype="category"),
        pd.Series(["b", "a", pd.NA], dtype="string"),
        pl.Series(["b", "a", None]),
    ):
        assert list(coverage_report(y, y, taxonomy=BIRDS, groups=groups).groups) == [
            "a",
            "b",
            None,
        ]
    frame = coverage_report(y, y, taxonomy=BIRDS, groups=[(1, 2), (1, 2), (3,)]).to_frame()
    assert list(frame.index) == ["all", (1, 2), (3,)]
    assert list(frame.columns) == list(MEASURES)


def test_bad_groups():
    y = ["owl", "eel"]
    with pytest.raises(TypeError, match="hashable values"):
        coverage_report(y, y, taxonomy=BIRDS, groups=[["a"], {"b": 1}])
    with pytest.raises(ValueError, match=r"one value for each sample, got shape \(2, 2\)"):
        coverage_report(y, y, taxonomy=BIRDS, groups=np.zeros((2, 2)))
    with pytest.raises(TargetError, match=r"`y_true` and `groups` .* 2 and 3"):
        coverage_report(y, y, taxonomy=BIRDS, groups=["a", "b", "c"])


def test_coverage_as_tables():
    pytest.importorskip("pandas")
    y = ["owl", "eel", "ray"], ["bird", None, "ray"]
    found = coverage_report(*y, taxonomy=BIRDS, groups=["<b>", "x", "x"])
    frame = found.to_frame()
    content = found.to_dict()
    assert frame.loc["x", "coverage"] == content["groups"]["x"]["coverage"] == 0.5
    levels = found.levels_to_frame()
    assert list(levels["group"]) == ["all", "all", "<b>", "<b>", "x", "x"]
    assert_allclose(levels["coverage"], [2 / 3, 1 / 3, 1, 0, 0.5, 0.5])
    assert [row["coverage"] for row in content["levels"]] == pytest.approx([2 / 3, 1 / 3])
    assert "groups" not in coverage_report(*y, taxonomy=BIRDS).to_dict()
    html = found._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert "n_groups=2" in repr(found)


def test_coverage_of_other_formats():
    names = ["owl", "eel", "ray"], ["bird", None, "ray"]
    wanted = str(coverage_report(*names, taxonomy=BIRDS))
    paths = [[[] if name is None else [*BIRDS.path(name)] for name in y] for y in names]
    assert str(coverage_report(*paths, taxonomy=BIRDS)) == wanted
    sets = [[[] if name is None else [name] for name in y] for y in names]
    assert str(coverage_report(*sets, taxonomy=BIRDS)) == wanted
    table = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    options = {"taxonomy": BIRDS, "classes": BIRDS.leaves}
    assert str(coverage_report(table, names[1], **options)) == wanted
    holey = np.array([[1.0, np.nan, 0.0, 0.0]])
    report = coverage_report(holey, [["owl", "wren"]], missing="ignore", **options)
    assert report.error == 0
    with pytest.raises(TargetError, match="auk"):
        coverage_report(["auk"], ["owl"], taxonomy=BIRDS)
    with pytest.raises(ValueError, match="got 'fine'"):
        coverage_report(["owl"], ["owl"], taxonomy=BIRDS, deeper="fine")


# -- the table of the guide ---------------------------------------------------------------

OWLS = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
OPTIONS = {"icm_score": {"normalize": True, "information": "leaves"}}
GUIDE = Path(__file__).parents[1] / "docs" / "user_guide" / "metrics.rst"


def section_on_abstentions():
    text = GUIDE.read_text(encoding="utf-8")
    return text.partition(".. _abstentions:\n")[2].partition("\n~~~~")[0]


def rows_of_the_guide():
    """Return the name of each metric in the table of answers that stop, and what it says of them."""
    table = section_on_abstentions().partition(".. list-table::")[2].partition('\n"None"')[0]
    rows = [re.findall(r"- (.+)", row) for row in table.split("   * - ")[1:]]
    names = [row.split("\n")[0] for row in table.split("   * - ")[1:]]
    head, *cells = ([name, *row] for name, row in zip(names, rows, strict=True))
    assert head[2:] == ["``bird``", "none", "``wren``", "``eel``"]
    return [(re.search(r"metrics\.(\w+)`", name).group(1), own) for name, _, *own in cells]


@pytest.mark.parametrize(("name", "cells"), rows_of_the_guide())
def test_the_guide_says_what_metrics_do_with_stops(name, cells):
    metric = getattr(metrics, name)
    options = dict(OPTIONS.get(name, {}))
    if "zero_division" in inspect.signature(metric).parameters:
        options["zero_division"] = np.nan
    for answer, cell in zip(("bird", None, "wren", "eel"), cells, strict=True):
        values = np.atleast_1d(metric(["owl"], [answer], taxonomy=OWLS, **options))
        shown = ", ".join(f"{value:.2f}" for value in values)
        assert cell == ("undefined" if np.isnan(values).any() else shown), answer


def test_lists_of_labels_that_stop():
    def of_list(metric, label):
        return metric(["owl"], [[label]], k=1, taxonomy=OWLS)

    assert of_list(metrics.precision_at_k_score, "bird") == 1
    assert of_list(metrics.recall_at_k_score, "bird") == 0
    assert of_list(metrics.hierarchical_distance_at_k, "bird") == 1
    assert of_list(metrics.precision_at_k_score, None) == 0
    assert of_list(metrics.recall_at_k_score, None) == 0
    assert of_list(metrics.hierarchical_distance_at_k, None) == 2
    assert metrics.violation_rate(["bird", None], taxonomy=OWLS) == 0


def test_the_guide_speaks_of_every_metric():
    named = set(re.findall(r":func:`~sklhier\.metrics\.(\w+)`", section_on_abstentions()))
    functions = {name for name in metrics.__all__ if inspect.isfunction(getattr(metrics, name))}
    assert named == functions
    assert len(rows_of_the_guide()) == 13


# -- risk and coverage --------------------------------------------------------------------


def curve_by_hand(rows):
    """Return points of a curve; rows are answered, confidence, right, weight."""
    support = sum(w for *_, w in rows)
    points = []
    for threshold in sorted({c for a, c, _, w in rows if a and w}, reverse=True):
        kept = [(right, w) for a, c, right, w in rows if a and c >= threshold]
        weight = sum(w for _, w in kept)
        points.append(
            (threshold, weight / support, sum(w for right, w in kept if not right) / weight)
        )
    area = sum(
        (coverage - before) * risk
        for (_, coverage, risk), before in zip(
            points, [0, *(point[1] for point in points)], strict=False
        )
    )
    return points, area / points[-1][1] if points else np.nan


@st.composite
def confident_answers(draw):
    tree = draw(trees())
    n_rows = draw(st.integers(1, 10))
    names = st.sampled_from([None, *tree.nodes[1:]])
    rows = st.lists(names, min_size=n_rows, max_size=n_rows)
    weights = draw(st.lists(st.integers(0, 3), min_size=n_rows, max_size=n_rows).filter(any))
    seed = draw(st.integers(0, 2**16))
    return tree, draw(rows), draw(rows), weights, np.random.default_rng(seed)


def check_curve(curve, level, rows):
    points, area = curve_by_hand(rows)
    place = curve.levels.tolist().index(level)
    found = np.column_stack([curve.thresholds[place], curve.coverage[place], curve.risk[place]])
    assert_allclose(found, np.array(points).reshape(-1, 3))
    assert curve.aurc[place] == pytest.approx(area, nan_ok=True)
    support = sum(w for *_, w in rows)
    assert curve.support[place] == support
    right = sum(w for a, _, right, w in rows if a and right)
    assert curve.accuracy[place] == pytest.approx(right / support)
    for risk in (0, 0.3, 1):
        allowed = [coverage for _, coverage, own in points if own <= risk]
        assert curve.coverage_at(risk)[place] == pytest.approx(max(allowed, default=0))
    for coverage in (0.1, 0.5, 1):
        reached = [own for _, c, own in points if c >= coverage - 1e-12]
        wanted = reached[0] if reached else np.nan
        assert curve.risk_at(coverage)[place] == pytest.approx(wanted, nan_ok=True)


@one_in(2)
@given(confident_answers(), st.booleans())
def test_curves_of_predicted_paths(case, by_level):
    tree, true, predicted, weights, rng = case
    shape = (len(true), tree.n_levels) if by_level else len(true)
    confidence = rng.integers(0, 5, shape) / 4
    curve = risk_coverage_curve(
        true, predicted, confidence=confidence, taxonomy=tree, sample_weight=weights
    )
    paths = [[() if n is None else tree.path(n) for n in y] for y in (true, predicted)]
    wanted = []
    for level in range(1, tree.n_levels + 1):
        rows = [
            (
                len(p) >= level,
                confidence[row, level - 1] if by_level else confidence[row],
                p[level - 1 : level] == t[level - 1 : level],
                weights[row],
            )
            for row, (t, p) in enumerate(zip(*paths, strict=True))
            if len(t) >= level
        ]
        if sum(w for *_, w in rows):
            wanted.append(level)
            check_curve(curve, level, rows)
    assert curve.levels.tolist() == wanted
    scores = level_accuracy_scores(true, predicted, taxonomy=tree, sample_weight=weights)
    assert_allclose(curve.accuracy, scores[curve.levels - 1])


@one_in(2)
@given(answered_sets(), st.integers(0, 2**16))
def test_curves_of_probabilities(case, seed):
    taxonomy, true, _, weights = case
    graph, root = taxonomy.to_networkx(), taxonomy.root
    proba = np.random.default_rng(seed).integers(0, 5, (len(true), taxonomy.n_nodes)) / 4
    curve = risk_coverage_curve(true, node_proba=proba, taxonomy=taxonomy, sample_weight=weights)
    start = 1
    for level, names in enumerate(taxonomy.levels, start=1):
        part = proba[:, start : start + len(names)]
        start += len(names)
        rows = []
        for row, labels in enumerate(true):
            closed = reference.closure(graph, root, labels)
            if closed & set(names):
                best = int(np.argmax(part[row]))
                rows.append((True, part[row, best], names[best] in closed, weights[row]))
        if sum(w for *_, w in rows):
            check_curve(curve, level, rows)
        else:
            assert level not in curve.levels


@one_in(2)
@given(confident_answers())
def test_probabilities_of_the_answered_nodes_are_their_confidence(case):
    tree, true, predicted, weights, rng = case
    proba = rng.random((len(true), tree.n_nodes - 1))
    confidence = np.full((len(true), tree.n_levels), np.nan)  # allowed where nothing is answered
    for row, label in enumerate(predicted):
        for level, node in enumerate([] if label is None else tree.path(label)):
            confidence[row, level] = proba[row, tree.id(node) - 1]
    options = {"taxonomy": tree, "sample_weight": weights}
    found, wanted = (
        risk_coverage_curve(true, predicted, **source, **options)
        for source in ({"node_proba": proba}, {"confidence": confidence})
    )
    assert_array_equal(found.aurc, wanted.aurc)
    for name in ("thresholds", "coverage", "risk"):
        for ours, other in zip(getattr(found, name), getattr(wanted, name), strict=True):
            assert_array_equal(ours, other)


def test_perfect_order_and_thinning():
    right = np.arange(1000) < 700
    true = np.where(right, "owl", "eel")
    predicted = np.full(1000, "owl")
    confidence = np.linspace(1, 0, 1000)
    options = {"confidence": confidence, "taxonomy": BIRDS}
    curve = risk_coverage_curve(true, predicted, **options)
    assert_allclose(curve.coverage_at(0), 0.7)
    assert_allclose(curve.risk_at(1), 0.3)
    thin = risk_coverage_curve(true, predicted, max_points=11, **options)
    assert [len(points) for points in thin.risk] == [11, 11]
    assert thin.coverage[0][[0, -1]].tolist() == [0.001, 1.0]
    assert_array_equal(thin.aurc, curve.aurc)
    assert (
        curve.aurc[0]
        < risk_coverage_curve(true, predicted, confidence=-confidence, taxonomy=BIRDS).aurc[0]
    )


def test_curves_as_tables():
    pytest.importorskip("pandas")
    curve = risk_coverage_curve(["owl", "eel"], ["owl", None], confidence=[1, 2], taxonomy=BIRDS)
    frame = curve.to_frame()
    assert list(frame.columns) == ["level", "threshold", "coverage", "risk"]
    assert_array_equal(frame.to_numpy(), [[1, 1, 0.5, 0], [2, 1, 0.5, 0]])
    assert "coverage at risk 5%" in str(curve)
    assert curve._repr_html_().startswith("<table>")
    assert "levels=[1, 2]" in repr(curve)
    empty = risk_coverage_curve([None], [None], confidence=[1], taxonomy=BIRDS)
    assert len(empty.levels) == len(empty.to_frame()) == 0
    assert "AURC" in str(empty)


def test_answers_of_which_nothing_is_known_are_left_out():
    true = np.array([[0.0, np.nan, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]])
    options = {"taxonomy": BIRDS, "classes": BIRDS.leaves, "missing": "ignore"}
    proba = np.array([[0.6, 0.4, 0.1, 0.5, 0.2, 0.2], [0.3, 0.7, 0.1, 0.2, 0.6, 0.1]])
    curve = risk_coverage_curve(true, node_proba=proba, **options)
    assert_array_equal(curve.support, [1, 1])
    assert_array_equal(curve.accuracy, [1, 0])
    by_labels = risk_coverage_curve(true, ["wren", "eel"], node_proba=proba, **options)
    assert_array_equal(by_labels.support, [1, 1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Either `confidence` or `node_proba`"),
        ({"confidence": [1, 2], "node_proba": np.zeros((2, 6))}, "Either `confidence`"),
        ({"confidence": [1, 2, 3]}, r"the shape \(2,\), or \(2, 2\).* got \(3,\)"),
        ({"confidence": np.zeros((2, 3))}, r"got \(2, 3\)"),
        (
            {"confidence": [1, np.nan]},
            "finite where there is an answer, got nan in row 1 at level 1",
        ),
        ({"confidence": ["much", "more"]}, "must hold numbers"),
        ({"node_proba": np.full((2, 6), 7.0)}, r"must hold probabilities in \[0, 1\]"),
        ({"node_proba": np.zeros((2, 3))}, "must have a column for each"),
        ({"node_proba": np.zeros((3, 6))}, "2 and 3"),
        ({"confidence": [1, 2], "max_points": 1}, "`max_points` must be an integer of 2 or more"),
    ],
)
def test_bad_confidences(given, message):
    with pytest.raises(ValueError, match=message):
        risk_coverage_curve(["owl", "eel"], ["owl", "eel"], taxonomy=BIRDS, **given)


def test_bad_curves():
    with pytest.raises(ValueError, match="pass `y_pred`"):
        risk_coverage_curve(["owl"], confidence=[1], taxonomy=BIRDS)
    with pytest.raises(TargetError, match="one label or path"):
        risk_coverage_curve(["owl"], [["owl", "eel"]], confidence=[1], taxonomy=BIRDS)
    with pytest.raises(TaxonomyError, match="A curve of predicted labels"):
        risk_coverage_curve(["Z"], ["Z"], confidence=[1], taxonomy=DIAMOND)
    curve = risk_coverage_curve(["owl"], ["owl"], confidence=[1], taxonomy=BIRDS)
    with pytest.raises(ValueError, match=r"`risk` must be in \[0, 1\], got 2"):
        curve.coverage_at(2)
    with pytest.raises(ValueError, match=r"`coverage` must be in \(0, 1\], got 0"):
        curve.risk_at(0)


def test_curves_are_told_apart_by_identity():
    curves = [
        risk_coverage_curve(["owl"], [label], confidence=[1], taxonomy=BIRDS)
        for label in ("owl", "eel")
    ]
    assert len({*curves, curves[0]}) == 2
    assert curves[0] != curves[1]


def test_a_curve_and_the_calibration_error_read_the_same_answers():
    rng = np.random.default_rng(1)
    proba = rng.dirichlet(np.ones(4), 50)
    nodes = np.column_stack([proba[:, :2].sum(axis=1), proba[:, 2:].sum(axis=1), proba])
    true = rng.choice(BIRDS.leaves, 50)
    curve = risk_coverage_curve(true, node_proba=nodes, taxonomy=BIRDS)
    one_bin = hierarchical_calibration_error(true, nodes, taxonomy=BIRDS, n_bins=1)
    confidence = [nodes[:, :2].max(axis=1).mean(), nodes[:, 2:].max(axis=1).mean()]
    assert_allclose(one_bin, np.abs(curve.accuracy - confidence))
