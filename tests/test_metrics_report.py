"""The report: abstentions, order, worst nodes, intervals, and all its outputs."""

from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from conftest import DIAMOND, TAXONOMIES
from generators import dags, label_sets, one_in, trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklhier import Taxonomy
from sklhier.exceptions import TaxonomyError
from sklhier.metrics import (
    _bootstrap,
    coverage_report,
    error_attribution,
    hierarchical_classification_report,
    level_accuracy_scores,
    most_confused_pairs,
)
from sklhier.metrics._input import read_closures
from sklhier.metrics._report import _distances

RAGGED = TAXONOMIES["ragged"]
BIRDS = Taxonomy.from_dict(
    {"bird": ["owl", "wren"], "fish": ["eel", "ray"]}, titles={"bird": "Aves <b>", "owl": "Strix"}
)
TRUE = ["owl", "owl", "wren", "eel", "ray", "ray"]
ANSWERS = ["owl", "bird", "owl", None, "ray", "eel"]
SCORES = ("precision", "recall", "f1")


def report(*y, taxonomy=BIRDS, output="dict", **options):
    return hierarchical_classification_report(*y, taxonomy=taxonomy, output=output, **options)


# -- abstentions --------------------------------------------------------------------------


def test_stops_are_no_errors():
    found = report(TRUE, ANSWERS)
    stopped = {name: row["stopped"] for name, row in found["nodes"].items()}
    assert stopped == {"bird": 0, "owl": 1, "wren": 0, "fish": 1, "eel": 1, "ray": 0}
    assert found["coverage"] == {
        name: value
        for name, value in coverage_report(TRUE, ANSWERS, taxonomy=BIRDS).to_dict().items()
        if name != "levels"
    }
    assert [row["coverage"] for row in found["levels"]] == pytest.approx([5 / 6, 4 / 6])
    assert [row["precision"] for row in found["levels"]] == pytest.approx([1, 2 / 4])
    assert [row["accuracy"] for row in found["levels"]] == pytest.approx([5 / 6, 2 / 6])


@one_in(3)
@given(st.data())
def test_support_is_right_or_wrong_or_stopped(data):
    tree = data.draw(trees())
    n_rows = data.draw(st.integers(1, 10))
    names = st.lists(st.sampled_from([None, *tree.nodes[1:]]), min_size=n_rows, max_size=n_rows)
    true, predicted = data.draw(names), data.draw(names)
    weights = data.draw(st.lists(st.integers(1, 3), min_size=n_rows, max_size=n_rows))
    found = report(true, predicted, taxonomy=tree, sample_weight=weights)
    paths = [[set() if n is None else {*tree.path(n)} for n in y] for y in (true, predicted)]
    for name, row in found["nodes"].items():
        rows = [(name in t, name in p, p <= t, w) for t, p, w in zip(*paths, weights, strict=True)]
        assert row["support"] == sum(w for t, _, _, w in rows if t)
        assert row["stopped"] == sum(w for t, p, right, w in rows if t and not p and right)
    scores = level_accuracy_scores(true, predicted, taxonomy=tree, sample_weight=weights)
    assert_allclose([row["accuracy"] for row in found["levels"]], scores)


def test_the_text_shows_stops_where_there_are_some():
    text = report(TRUE, ANSWERS, output="text")
    assert text.splitlines()[0].split() == ["accuracy", "coverage", "precision", "support"]
    assert text.splitlines()[1].split() == ["level", "1", "0.833", "0.833", "1.000", "6"]
    assert "f1      support      stopped" in text
    owl = next(line for line in text.splitlines() if line.startswith("  owl"))
    assert owl.split()[2:] == ["0.500", "0.500", "0.500", "2", "1"]
    assert "no answer: 0.167; answered to the depth of the truth: 0.667; answers" in text
    plain = report(TRUE, TRUE, output="text")
    assert "stopped" not in plain
    assert "coverage" not in plain
    assert "no answer" not in plain
    none_listed = report(TRUE, ANSWERS, output="text", min_support=100)
    assert "coverage" in none_listed
    assert "stopped" not in none_listed


def test_sets_that_stop():
    text = report([{"owl", "eel"}], [{"owl", "fish"}], output="text")
    assert "level 1" not in text
    assert "stopped" not in text  # the level of eel is answered, by owl
    text = report([{"owl"}, {"Z"}][:1], [{"bird"}], output="text")
    assert text.splitlines()[0].split()[-1] == "stopped"
    dag = report([{"Z"}], [{"P", "S"}], taxonomy=DIAMOND)
    assert dag["nodes"]["Z"]["stopped"] == 1
    assert dag["levels"] == []


# -- what is listed -----------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["precision", "recall", "f1", "support", "stopped"])
def test_order(sort):
    found = report(TRUE, ANSWERS, sort=sort)
    values = [row[sort] for row in found["nodes"].values()]
    assert values == sorted(values, reverse=sort in ("support", "stopped"))
    usual = report(TRUE, ANSWERS)
    assert found["nodes"] == usual["nodes"]
    assert list(usual["nodes"]) == ["bird", "owl", "wren", "fish", "eel", "ray"]
    places = {name: place for place, name in enumerate(usual["nodes"])}
    pairs = [(value, places[name]) for value, name in zip(values, found["nodes"], strict=True)]
    for (first, place), (second, other) in pairwise(pairs):
        assert first != second or place < other


def test_order_by_name_shows_whole_names():
    _, tree = Taxonomy.from_paths(["b/x", "a/x", "a/y"])
    text = report(["b/x", "a/x"], ["b/x", "a/y"], taxonomy=tree, output="text", sort="name")
    names = [
        line.split()[0]
        for line in text.splitlines()
        if line[:2] in ("a", "b", "a/", "b/", "a ", "b ")
    ]
    assert names == ["a", "a/x", "a/y", "b", "b/x"]


def test_min_support_leaves_averages_as_they_are():
    usual, found = report(TRUE, ANSWERS), report(TRUE, ANSWERS, min_support=2)
    assert list(found["nodes"]) == ["bird", "owl", "fish", "ray"]
    assert found["averages"] == usual["averages"]
    assert list(report(["owl"], ["wren"], min_support=0)["nodes"]) == ["bird", "owl", "wren"]
    nothing = report(TRUE, ANSWERS, min_support=99, n_bootstraps=3, output="text")
    assert "Strix" not in nothing
    assert "level 1" in nothing


def test_titles():
    assert "owl Strix" in report(TRUE, ANSWERS, output="text")
    assert "Strix" not in report(TRUE, ANSWERS, output="text", titles=False)
    own = report(TRUE, ANSWERS, titles={"eel": "Anguilla"})
    assert own["nodes"]["eel"]["title"] == "Anguilla"
    assert "title" not in own["nodes"]["owl"]
    with pytest.raises(TaxonomyError, match="auk"):
        report(TRUE, ANSWERS, titles={"auk": "Alca"})


def test_worst_nodes_and_pairs():
    found = report(TRUE, ANSWERS, worst=2)
    attribution = error_attribution(TRUE, ANSWERS, taxonomy=BIRDS)
    assert found["worst_nodes"] == attribution.records()[:2]
    assert found["confused_pairs"] == most_confused_pairs(TRUE, ANSWERS, taxonomy=BIRDS, n=2)
    text = report(TRUE, ANSWERS, worst=2, output="text")
    assert "most errors arise at  arrived" in text
    assert "wren           owl Strix      1" in text
    assert "worst_nodes" not in report(TRUE, ANSWERS)
    assert report(TRUE, TRUE, worst=1, output="text").endswith("most confused  taken for  count")


# -- intervals ----------------------------------------------------------------------------


@st.composite
def weighted_answers(draw):
    taxonomy = draw(st.one_of(trees(8), dags(6)))
    n_rows = draw(st.integers(1, 6))
    weights = draw(st.none() | st.lists(st.integers(1, 3), min_size=n_rows, max_size=n_rows))
    if draw(st.booleans()):
        names = st.sampled_from([None, *taxonomy.nodes[1:]])
        labels = st.lists(names, min_size=n_rows, max_size=n_rows)
    else:
        labels = label_sets(taxonomy, n_rows)
    return taxonomy, draw(labels), draw(labels), weights


@one_in(3)
@given(weighted_answers(), st.sampled_from([0.0, 1.0, np.nan]))
def test_a_resample_has_the_scores_of_its_rows(case, zero):
    taxonomy, true, predicted, weights = case
    read = read_closures(true, predicted, taxonomy, weights)
    distances = _distances(read)
    units = _bootstrap._distinct(read, distances)
    assert units.counts.sum() == len(true)
    listed = np.arange(1, taxonomy.n_nodes, dtype=np.int32)
    levels = _bootstrap.level_sums(units.read)
    (drawn,) = _bootstrap._resamples(units, 3, np.random.RandomState(0))
    found = (
        _bootstrap._node_scores(drawn, units, listed),
        *_bootstrap._scores(drawn, units, levels, zero),
    )
    specific = map(taxonomy.most_specific_of, (units.read.true, units.read.predicted))
    sets = [
        [[taxonomy.nodes[node] for node in np.flatnonzero(row)] for row in part.toarray()]
        for part in specific
    ]
    single = distances is not None
    labels = [[next(iter(row), None) for row in y] for y in sets] if single else sets
    for place, own in enumerate(drawn.T):
        options = {"taxonomy": taxonomy, "sample_weight": own}
        wanted = report(*labels, zero_division=zero, **options)
        averages = [[row[name] for name in SCORES] for row in wanted["averages"].values()]
        assert_allclose(found[1][place], averages)
        blank = report(*labels, zero_division=np.nan, **options)["nodes"]
        for node, scores in zip(listed, found[0][place], strict=True):
            row = blank.get(taxonomy.nodes[node], dict.fromkeys(SCORES, np.nan))
            assert_allclose(scores, [row[name] for name in SCORES])
        coverage = coverage_report(*labels, **options)
        kinds = ("accuracy", "coverage", "precision")
        by_level = np.column_stack([getattr(coverage, f"level_{kind}") for kind in kinds])
        assert_allclose(found[2][place], by_level)
        assert_allclose(found[3][place], list(coverage.to_dict().values())[1:8])
        if single:
            assert found[4][place] == pytest.approx(wanted["tree_distance"])


def test_distinct_samples():
    y = ["owl", "owl", "owl", "wren", "owl"], ["eel", "eel", "eel", "eel", "owl"]
    read = read_closures(*y, BIRDS, [1, 3, 1, 1, 3])
    distances = _distances(read)
    units = _bootstrap._distinct(read, distances)
    assert sorted(units.counts) == [1, 1, 1, 2]
    together = units.counts * units.read.weights
    for own, whole in ((units.read.true, read.true), (units.read.predicted, read.predicted)):
        assert_array_equal(together @ own, read.weights @ whole)
    assert together @ units.distances == read.weights @ distances


@given(st.integers(0, 2**16), st.integers(1, 30))
def test_quantiles_leave_out_nan(seed, n):
    rng = np.random.default_rng(seed)
    values = rng.random((n, 4))
    values[rng.random((n, 4)) < 0.3] = np.nan
    values[0, :3] = 0.5
    values[:, 3] = np.nan
    found = _bootstrap._quantiles(values, np.array([0.1, 0.8]))
    assert_allclose(found[:3], np.nanpercentile(values[:, :3], [10, 80], axis=0).T)
    assert np.isnan(found[3]).all()


def test_intervals_are_percentiles_of_resamples():
    read = read_closures(TRUE, ANSWERS, BIRDS, None)
    units = _bootstrap._distinct(read, _distances(read))
    (drawn,) = _bootstrap._resamples(units, 50, np.random.RandomState(3))
    levels = _bootstrap.level_sums(units.read)
    scores = (
        _bootstrap._node_scores(drawn, units, np.arange(1, 7, dtype=np.int32)),
        *_bootstrap._scores(drawn, units, levels, 0.0),
    )
    options = {"n_bootstraps": 50, "confidence_level": 0.8, "random_state": 3}
    found = report(TRUE, ANSWERS, **options)["intervals"]
    assert found["confidence_level"] == 0.8
    wanted = np.percentile(scores[1], [10, 90], axis=0)
    for i, row in enumerate(found["averages"].values()):
        for j, name in enumerate(SCORES):
            assert_allclose(row[name], wanted[:, i, j])
    assert_allclose(found["tree_distance"], np.percentile(scores[4], [10, 90]))
    coverage = np.percentile(scores[3][:, 0], [10, 90])
    assert_allclose(found["coverage"]["coverage"], coverage)
    owl = np.nanpercentile(scores[0][:, BIRDS.id("owl") - 1, 1], [10, 90])
    assert_allclose(found["nodes"]["owl"]["recall"], owl)
    assert [row["level"] for row in found["levels"]] == [1, 2]
    accuracy = np.percentile(scores[2][:, 1, 0], [10, 90])
    assert_allclose(found["levels"][1]["accuracy"], accuracy)


def test_intervals_are_about_those_of_a_binomial():
    true = np.repeat("owl", 400)
    predicted = np.where(np.arange(400) < 300, "owl", "eel")
    found = report(true, predicted, n_bootstraps=2000)["intervals"]["levels"][0]["accuracy"]
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert_allclose(found, [0.75 - half, 0.75 + half], atol=0.006)


@pytest.mark.parametrize("as_sets", [False, True])
def test_intervals_do_not_depend_on_the_order_of_rows(as_sets):
    rng = np.random.default_rng(0)
    true, predicted = rng.choice(RAGGED.nodes[1:], (2, 100))
    weights, order = rng.integers(1, 3, 100), rng.permutation(100)
    y = [[[label] for label in y] if as_sets else y.tolist() for y in (true, predicted)]
    options = {"taxonomy": RAGGED, "n_bootstraps": 20}
    found = report(*y, sample_weight=weights, **options)
    moved = [[labels[row] for row in order] for labels in y]
    other = report(*moved, sample_weight=weights[order], **options)
    assert found["intervals"] == other["intervals"]
    assert report(*y, sample_weight=weights, **options, random_state=1) != found


def test_blocks_of_resamples_are_one_sample(monkeypatch):
    options = {"n_bootstraps": 7}
    wanted = repr(report(TRUE, ANSWERS, **options)["intervals"])
    monkeypatch.setattr(_bootstrap, "_BLOCK", 13)
    monkeypatch.setattr(_bootstrap, "_MOST_KEPT", 50)
    assert repr(report(TRUE, ANSWERS, **options)["intervals"]) == wanted


def test_intervals_in_texts_and_frames():
    pytest.importorskip("pandas")
    options = {"n_bootstraps": 20, "confidence_level": 0.9}
    content = report(TRUE, ANSWERS, **options)
    text = report(TRUE, ANSWERS, output="text", digits=2, **options)
    low, high = content["intervals"]["averages"]["micro"]["recall"]
    recall = content["averages"]["micro"]["recall"]
    assert f"  {recall:.2f} [{low:.2f}, {high:.2f}]" in text
    assert text.endswith("in brackets: 90% bootstrap intervals")
    assert len(set(map(len, filter(None, text.splitlines()[5:8])))) == 1
    frame = report(TRUE, ANSWERS, output="frame", **options)
    assert frame.loc["micro average", "recall_low"] == low
    low, high = content["intervals"]["nodes"]["owl"]["f1"]
    assert frame.loc["owl", ["f1_low", "f1_high"]].tolist() == [low, high]
    assert "f1_low" not in report(TRUE, ANSWERS, output="frame")
    assert frame.loc["owl", "stopped"] == 1
    sets = report([{"owl"}], [{"eel"}], **options)["intervals"]
    assert sets["levels"] == []
    assert sets["tree_distance"] is None


# -- HTML and bad input -------------------------------------------------------------------


class Cells(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_html_has_the_cells_of_the_text():
    options = {"worst": 2, "n_bootstraps": 10}
    html = report(TRUE, ANSWERS, output="html", **options)
    found = Cells(html)
    assert set(found.tags) <= {"table", "tr", "th", "td", "p", "br"}
    words = " ".join(found.texts).split()
    text = report(TRUE, ANSWERS, output="text", **options)
    assert sorted(words) == sorted(text.split())
    assert "Aves &lt;b&gt;" in html
    assert "\N{EM SPACE}owl Strix" in found.texts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sort": "size"}, "got 'size'"),
        ({"min_support": -1}, "`min_support` must be a finite number of 0 or more, got -1"),
        ({"worst": -1}, "`worst` must be an integer of 0 or more, got -1"),
        ({"worst": True}, "`worst` must be an integer"),
        ({"n_bootstraps": 1.5}, "`n_bootstraps` must be an integer of 0 or more, got 1.5"),
        ({"confidence_level": 1}, r"`confidence_level` must be in \(0, 1\), got 1"),
        ({"output": "json"}, "got 'json'"),
        ({"random_state": "x", "n_bootstraps": 2}, "x"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        report(TRUE, ANSWERS, **options)


def test_one_row_and_no_answer():
    found = report(["owl"], [None], n_bootstraps=5, worst=1)
    assert found["coverage"]["at_root"] == 1
    assert_array_equal(found["intervals"]["averages"]["micro"]["recall"], [0, 0])
    assert np.isnan(found["intervals"]["nodes"]["owl"]["precision"]).all()
    assert "no answer: 1.000" in report(["owl"], [None], output="text")
