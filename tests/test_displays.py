"""Displays: their numbers are those of the metrics, and their drawings show them."""

import json
import pickle
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import DIAMOND, TAXONOMIES, shared_data
from generators import dags, label_sets, trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import clone, config_context
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    Taxonomy,
)
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import Threshold
from sklhier.displays import (
    ComparisonDisplay,
    ContributionDisplay,
    ErrorAttributionDisplay,
    HierarchicalConfusionMatrixDisplay,
    LevelCalibrationDisplay,
    RiskCoverageDisplay,
    TaxonomyDisplay,
)
from sklhier.displays._base import spread
from sklhier.displays._outline import outlined
from sklhier.exceptions import TargetError, TaxonomyError
from sklhier.explanation import explain
from sklhier.metrics import (
    error_attribution,
    hierarchical_calibration_error,
    hierarchical_confusion_matrix,
    hierarchical_precision_recall_fscore_support,
    risk_coverage_curve,
)
from sklhier.model_selection import compare_with_flat

RAGGED = TAXONOMIES["ragged"]
Y_TRUE = ["a", "a", "b", "c", "B1", "B2", "C", "A1"]
Y_PRED = ["a", "b", "b", "A", "B2", "B2", "B1", "a"]


TEXTS = ["cat purrs", "dog barks", "car tyres"]


def explained(classifier=None):
    """Return a linear model of words."""
    y, taxonomy = Taxonomy.from_paths(["pet/cat", "pet/dog", "car"])
    classifier = classifier or HierarchicalClassifier(LogisticRegression())
    return make_pipeline(CountVectorizer(), classifier.set_params(taxonomy=taxonomy)).fit(TEXTS, y)


@pytest.fixture(scope="module")
def model():
    X, y, taxonomy = make_hierarchical_classification(160, class_sep=0.7, random_state=0)
    estimator = make_pipeline(
        StandardScaler(), HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy)
    )
    return estimator.fit(X[:80], y[:80]), X[80:], y[80:], taxonomy


@pytest.fixture(scope="module")
def displays(model):
    estimator, X, y, taxonomy = model
    comparison = compare_with_flat(estimator, X, y, n_bootstrap=20, cv=2)
    made = [
        display.from_estimator(estimator, X, y)
        for display in (
            TaxonomyDisplay,
            HierarchicalConfusionMatrixDisplay,
            ErrorAttributionDisplay,
            LevelCalibrationDisplay,
            RiskCoverageDisplay,
        )
    ]
    made += [ComparisonDisplay.from_comparison(comparison), TaxonomyDisplay(taxonomy)]
    made += [ContributionDisplay.from_estimator(explained(), TEXTS, sample=1)]
    return made


@pytest.fixture
def figure():
    return pytest.importorskip("matplotlib.figure").Figure


def deep_taxonomy(n_top, n_below):
    return Taxonomy.from_dict(
        {f"t{i}": [f"t{i}/{j}" for j in range(n_below)] for i in range(n_top)}
    )


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


# -- what all of them do ------------------------------------------------------------------


def test_nothing_is_left_to_pyplot(displays, figure):
    for display in displays:
        assert display.plot() is display
        assert display.ax_.figure is display.figure_
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_given_axes_are_drawn_into(displays, figure):
    for display in displays:
        ax = figure().add_subplot()
        display.plot(ax=ax)
        assert display.ax_ is ax
        assert ax.has_data() or ax.texts


def test_displays_are_drawn_at_once_into_given_axes(model, figure):
    estimator, X, y, _ = model
    for made in (
        HierarchicalConfusionMatrixDisplay,
        ErrorAttributionDisplay,
        LevelCalibrationDisplay,
        RiskCoverageDisplay,
    ):
        ax = figure().add_subplot()
        assert made.from_estimator(estimator, X, y, ax=ax).ax_ is ax
        assert ax.has_data()


def test_a_display_is_drawn_when_it_is_asked_for(model, figure):
    estimator, X, y, _ = model
    display = ErrorAttributionDisplay.from_estimator(estimator, X, y)
    assert display._ax is None
    picture = display._repr_png_()
    assert picture.startswith(b"\x89PNG")
    assert display.ax_ is display.ax_


def test_figures_of_the_user_are_shown_by_the_user(displays, figure):
    display = displays[1].plot(ax=figure().add_subplot())
    assert display._repr_png_() is None
    assert display.plot()._repr_png_()


def test_a_drawn_taxonomy_is_a_picture_in_a_notebook(figure):
    display = TaxonomyDisplay(RAGGED)
    assert display._repr_html_() == display.to_html()
    display.plot()
    assert display._repr_html_() is None
    assert display._repr_png_()


def test_without_matplotlib(displays, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for display in displays:
        with pytest.raises(ImportError, match=r'pip install "sklhier\[plot\]"'):
            display.plot()
    assert displays[0].to_html()


def test_displays_survive_pickling(displays):
    for display in displays:
        assert type(pickle.loads(pickle.dumps(display))) is type(display)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=12), st.floats(0.1, 3))
def test_labels_that_are_spread(positions, gap):
    positions = np.sort(positions)
    moved = spread(positions, gap, 0.0, 10.0)
    least = min(gap, 10.0 / max(1, len(positions) - 1))
    assert moved.min() >= -1e-9
    assert moved.max() <= 10 + 1e-9
    assert (np.diff(moved) >= least - 1e-9).all()
    if (np.diff(positions) >= gap).all():
        assert_allclose(moved, positions, atol=1e-9)


# -- taxonomy -----------------------------------------------------------------------------


def test_counts_of_the_reference_case(figure):
    folder = shared_data("../oracles")
    cases = json.loads((folder / "next.json").read_text("utf-8"))
    (case,) = (case for case in cases if case["id"] == "display-counts")
    taxonomy = Taxonomy.from_edges([("R", "A"), ("R", "c"), ("A", "a"), ("A", "b")])
    display = TaxonomyDisplay.from_predictions(list("aaabbc"), list("aabbcc"), taxonomy=taxonomy)
    for name, score in case["expected"].items():
        assert display.scores[taxonomy.id(name) - 1] == pytest.approx(score, abs=case["tol"])
    texts = texts_of(display.ax_)
    for name, score in case["expected"].items():
        assert f"{score:.2f}" in texts[texts.index(name) :]


@pytest.mark.parametrize(("score", "place"), [("precision", 0), ("recall", 1), ("f1", 2)])
def test_scores_are_those_of_the_metric(score, place):
    display = TaxonomyDisplay.from_predictions(Y_TRUE, Y_PRED, taxonomy=RAGGED, score=score)
    expected = hierarchical_precision_recall_fscore_support(
        Y_TRUE, Y_PRED, taxonomy=RAGGED, average=None, zero_division=np.nan
    )
    assert_array_equal(display.scores, expected[place])
    assert_array_equal(display.support, expected[3])
    true, predicted = (
        RAGGED.binarize([[label] for label in y], sparse_output=False) for y in (Y_TRUE, Y_PRED)
    )
    assert_array_equal(display.errors, (true != predicted).sum(axis=0))


@given(st.data())
def test_label_sets_in_dags_have_a_display(data):
    taxonomy = data.draw(dags())
    true, predicted = (data.draw(label_sets(taxonomy, 3)) for _ in range(2))
    display = TaxonomyDisplay.from_predictions(true, predicted, taxonomy=taxonomy)
    tables = [taxonomy.binarize(sets, sparse_output=False) for sets in (true, predicted)]
    assert_array_equal(display.errors, (tables[0] != tables[1]).sum(axis=0))


@given(st.one_of(trees(), dags()), st.integers(1, 16), st.data())
def test_rows_of_an_outline(taxonomy, max_nodes, data):
    draws = st.lists(st.integers(0, 9), min_size=taxonomy.n_nodes, max_size=taxonomy.n_nodes)
    errors = np.array(data.draw(draws), dtype=float)
    whole = outlined(taxonomy, errors, 10**6)
    outline = outlined(taxonomy, errors, max_nodes)
    assert whole.n_hidden == 0
    assert len(outline.nodes) == min(max_nodes, len(whole.nodes))
    # What is shown is a part of the whole, in the same order.
    places = [whole.nodes.tolist().index(node) for node in outline.nodes]
    assert places == sorted(places)
    assert_array_equal(whole.depths[places], outline.depths)
    assert (np.diff(outline.depths) <= 1).all()
    assert outline.depths[0] == 0
    assert outline.hidden.sum() <= outline.n_hidden
    # Chains are folded where nothing is decided.
    for node, top in zip(whole.nodes.tolist(), whole.tops.tolist(), strict=True):
        while node != top:
            (node,) = taxonomy.parents_of(node).tolist()
            assert len(taxonomy.children_of(node)) == 1
    above = [len(taxonomy.ancestors(name)) for name in taxonomy.nodes]
    in_chains = sum(
        1 + above[node] - above[top]
        for node, top in zip(whole.nodes.tolist(), whole.tops.tolist(), strict=True)
    )
    assert in_chains == taxonomy.n_nodes - 1


def test_branches_with_the_fewest_errors_are_left_out():
    taxonomy = deep_taxonomy(3, 3)
    errors = np.zeros(taxonomy.n_nodes)
    errors[taxonomy.ids(["t0/0", "t1/2", "t2/1", "t2/2"])] = [2, 1, 3, 3]
    outline = outlined(taxonomy, errors, 9)
    assert [outline.label(row) for row in range(9)] == [
        "t0", "t0/0", "t0/1", "t0/2", "t1 [+3]", "t2", "t2/0", "t2/1", "t2/2",
    ]  # fmt: skip
    # Of the next branch as many as needed.
    outline = outlined(taxonomy, errors, 8)
    assert [outline.label(row) for row in range(4)] == ["t0 [+1]", "t0/0", "t0/1", "t1 [+3]"]
    outline = outlined(taxonomy, errors, 2)
    assert (outline.n_hidden, len(outline.nodes)) == (10, 2)


def test_errors_further_down_keep_a_branch():
    taxonomy = Taxonomy.from_dict({"a": {"b": ["c", "d"], "e": ["f", "g"]}, "h": ["i", "j"]})
    errors = np.zeros(taxonomy.n_nodes)
    errors[taxonomy.ids(["c", "i"])] = [5, 1]
    outline = outlined(taxonomy, errors, 6)  # e and h are folded, all of a branch at once
    labels = [outline.label(row) for row in range(len(outline.nodes))]
    assert labels == ["a", "b", "c", "d", "e [+2]", "h [+2]"]
    outline = outlined(taxonomy, errors, 3)  # of the children of a the one with errors is left
    labels = [outline.label(row) for row in range(len(outline.nodes))]
    assert labels == ["a [+3]", "b [+2]", "h [+2]"]


def test_wide_taxonomies_keep_what_has_errors():
    taxonomy = Taxonomy.flat([f"c{i}" for i in range(2000)])
    errors = np.zeros(2001)
    errors[[1, 700, 1999]] = 1
    outline = outlined(taxonomy, errors, 3)
    assert_array_equal(outline.nodes, [1, 700, 1999])
    assert outline.n_hidden == 1997


def test_labels_of_rows():
    taxonomy = Taxonomy.from_dict(
        {"a": {"b": ["c"]}, "d": ["e\n1", "f"]}, titles={"c": "See", "d": "Dee", "f": "F"}
    )
    outline = outlined(taxonomy, np.zeros(taxonomy.n_nodes), 99)
    labels = [outline.label(row) for row in range(len(outline.nodes))]
    assert labels == ["a \u203a c See", "d Dee", "e 1", "f F"]
    outline = outlined(DIAMOND, np.zeros(DIAMOND.n_nodes), 99)
    labels = [outline.label(row) for row in range(len(outline.nodes))]
    assert labels == ["P", "Q \u203a S", "Z (also below 1 other)"]


@pytest.mark.few(1)
@pytest.mark.parametrize(("n_top", "n_below", "columns"), [(5, 11, 1), (40, 50, 3)])
def test_drawn_rows(n_top, n_below, columns, figure):
    taxonomy = deep_taxonomy(n_top, n_below)
    leaves = list(taxonomy.leaves)
    display = TaxonomyDisplay.from_predictions(leaves, leaves[1:] + leaves[:1], taxonomy=taxonomy)
    ax = display.plot().ax_
    n_rows = min(160, n_top * (n_below + 1))
    assert ax.get_xlim() == (0, columns)
    assert len(ax.patches) == 2 * n_rows  # a bar on a grey one
    names = [text for text in texts_of(ax) if text.startswith("t") and "cont" not in text]
    assert len(names) == n_rows
    hidden = taxonomy.n_nodes - 1 - n_rows
    assert (f"{hidden:,} nodes with the fewest errors" in ax.get_title(loc="left")) == (hidden > 0)


def test_lengths_of_bars(figure):
    display = TaxonomyDisplay.from_predictions(Y_TRUE, Y_PRED, taxonomy=RAGGED)
    for bar in ("score", "support", "errors"):
        nodes = display._outline(99).nodes
        lengths = display._lengths(bar, nodes)
        if bar == "score":
            expected = np.nan_to_num(display.scores)[nodes - 1]
        else:
            values = getattr(display, bar)
            depths = RAGGED.depths[1:]
            expected = [v / values[depths == d].max() for v, d in zip(values, depths, strict=True)]
            expected = np.array(expected)[nodes - 1]
        assert_allclose(lengths, expected)
        bars = display.plot(bar=bar).ax_.patches[len(lengths) :]
        drawn = sorted(patch.get_width() for patch in bars)
        assert_allclose(np.array(drawn) / (0.76 - 0.62), sorted(lengths), atol=1e-12)
    with pytest.raises(ValueError, match="`bar` must be one of"):
        display.plot(bar="colour")
    with pytest.raises(ValueError, match="`bar` is 'errors', but the display has no `errors`"):
        TaxonomyDisplay(RAGGED, display.scores).plot(bar="errors")


def test_undefined_scores_have_no_number(figure):
    display = TaxonomyDisplay.from_predictions(["a"], ["a"], taxonomy=TAXONOMIES["flat"])
    assert_array_equal(display.scores, [1, np.nan, np.nan])
    assert texts_of(display.ax_).count("\u2013") == 2


def test_names_are_no_formulas(figure):
    taxonomy = Taxonomy.from_dict({"$x": ["a$_b$", "$\\frac$"], "2$": ["c"]})
    y = ["a$_b$", "$\\frac$", "c", "c"]
    for made in (TaxonomyDisplay, HierarchicalConfusionMatrixDisplay, ErrorAttributionDisplay):
        display = made.from_predictions(y, y[::-1], taxonomy=taxonomy)
        display.figure_.draw_without_rendering()


def test_numbers_for_every_node():
    with pytest.raises(ValueError, match=r"`scores` must have a number for each of the 3 nodes"):
        TaxonomyDisplay(TAXONOMIES["flat"], [0.5, 1.0])
    with pytest.raises(ValueError, match="`score` must be one of"):
        TaxonomyDisplay.from_predictions(Y_TRUE, Y_PRED, taxonomy=RAGGED, score="mcc")
    with pytest.raises(ValueError, match="`max_nodes` must be an integer of 1 or more"):
        TaxonomyDisplay(RAGGED).to_html(max_nodes=0)


# -- HTML ---------------------------------------------------------------------------------


class Elements(HTMLParser):
    """Reads HTML, and refuses elements that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.tags, self.deepest, self.words = [], [], 0, []
        self.feed(text)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag, attrs):
        self.stack.append(tag)
        self.tags.append(tag)
        self.deepest = max(self.deepest, len(self.stack))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@given(st.one_of(trees(), dags()), st.integers(1, 16))
def test_html_is_well_formed(taxonomy, max_nodes):
    html = TaxonomyDisplay(taxonomy).to_html(max_nodes=max_nodes)
    read = Elements(html)
    outline = outlined(taxonomy, np.zeros(taxonomy.n_nodes), max_nodes)
    shown = "".join(read.words)
    for row in range(len(outline.nodes)):
        assert outline.label(row) in shown
    rows = read.tags.count("p") + read.tags.count("details")
    assert rows == len(outline.nodes) + (outline.n_hidden > 0)
    assert (f"{outline.n_hidden:,} more nodes are not shown" in shown) == (outline.n_hidden > 0)


def test_html_escapes_names_and_asks_for_nothing():
    evil = "<script>alert('1')</script>&amp;\"\u00e9\U0001f989"
    taxonomy = Taxonomy.from_dict({"a": [evil, "b"]}, titles={"b": "</details><img src=x>"})
    display = TaxonomyDisplay.from_predictions([evil, "b"], ["b", "b"], taxonomy=taxonomy)
    html = display.to_html()
    read = Elements(html)
    assert html.isascii()
    assert not {"script", "img", "link"} & set(read.tags)
    assert "http" not in html
    assert any(evil in words for words in read.words)
    assert display._repr_html_() == html


def test_html_is_small_and_cut():
    taxonomy = deep_taxonomy(40, 50)
    leaves = list(taxonomy.leaves)
    display = TaxonomyDisplay.from_predictions(leaves, leaves[1:] + leaves[:1], taxonomy=taxonomy)
    html = display.to_html()
    assert len(html) < 160 * 1000
    assert "1,040 more nodes are not shown." in html
    assert Elements(html).tags.count("p") + Elements(html).tags.count("details") == 1001


def test_html_of_deep_taxonomies_is_not_nested_too_deep():
    edges = [(f"n{i}", f"{side}{i + 1}") for i in range(400) for side in "nm"]
    read = Elements(TaxonomyDisplay(Taxonomy.from_edges(edges)).to_html())
    assert read.deepest < 110
    assert read.tags.count("p") + read.tags.count("details") == 800


# -- confusion matrix ---------------------------------------------------------------------


@given(st.data())
def test_confusion_matrix_of_a_level(data):
    taxonomy = data.draw(trees())
    rows = st.lists(st.sampled_from(taxonomy.nodes[1:]), min_size=5, max_size=5)
    true, predicted = data.draw(rows), data.draw(rows)
    level = data.draw(st.integers(1, taxonomy.n_levels))
    display = HierarchicalConfusionMatrixDisplay.from_predictions(
        true, predicted, taxonomy=taxonomy, level=level
    )
    metric = hierarchical_confusion_matrix(true, predicted, taxonomy=taxonomy, level=level)
    found = display.confusion_matrix.toarray()
    assert found.sum() == 5
    of_level = taxonomy.depths[display.nodes] == level
    places = display.nodes[of_level] - taxonomy.level_offsets[level]
    assert_array_equal(found[np.ix_(of_level, of_level)], metric[np.ix_(places, places)])
    assert_array_equal(found[of_level][:, ~of_level].sum(axis=1), metric[places, -1])
    # Preorder.
    assert (np.diff(taxonomy.preorder_positions[display.nodes]) > 0).all()


@pytest.mark.parametrize("normalize", ["true", "pred", "all", None])
def test_confusion_matrix_as_shares(normalize):
    weights = np.arange(1.0, 9.0)
    display = HierarchicalConfusionMatrixDisplay.from_predictions(
        Y_TRUE, Y_PRED, taxonomy=RAGGED, normalize=normalize, sample_weight=weights
    )
    names = display.class_names
    expected = np.zeros((len(names), len(names)))
    for true, predicted, weight in zip(Y_TRUE, Y_PRED, weights, strict=True):
        expected[names.index(true), names.index(predicted)] += weight
    if normalize is not None:
        sums = expected.sum({"true": 1, "pred": 0, "all": None}[normalize], keepdims=True)
        expected /= np.where(sums == 0, 1, sums)
    assert_allclose(display.confusion_matrix.toarray(), expected)


def test_small_confusion_matrices_show_numbers(figure):
    display = HierarchicalConfusionMatrixDisplay.from_predictions(Y_TRUE, Y_PRED, taxonomy=RAGGED)
    ax = display.ax_
    assert len(ax.texts) == display.confusion_matrix.nnz
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == list(map(str, display.class_names))
    (image,) = ax.images
    drawn = image.get_array()
    off = display.confusion_matrix.toarray() * (1 - np.eye(len(labels), dtype=int))
    assert_array_equal(drawn.mask, off == 0)
    assert_array_equal(drawn.filled(0), off)
    # a for b lies in A, B1 for B2 in B, and A1 for a in A; C for B1 in none; c for A in A.
    assert ax.get_title() == "5 of 8 wrong, 80% of these within their block"


@pytest.mark.parametrize(("n_top", "n_below"), [(10, 15), (15, 20), (90, 3)])
def test_large_confusion_matrices_label_blocks(n_top, n_below, figure):
    taxonomy = deep_taxonomy(n_top, n_below)
    leaves = list(taxonomy.leaves)
    display = HierarchicalConfusionMatrixDisplay.from_predictions(
        leaves, leaves[1:] + leaves[:1], taxonomy=taxonomy
    )
    ax = display.ax_
    labels = texts_of(ax)
    # As many as there is room for.
    assert len(labels) == 2 * n_top if n_top <= 20 else 60 < len(labels) <= 80
    assert set(labels) <= {f"t{i}" for i in range(n_top)}
    assert bool(ax.images) == (n_top * n_below <= 250)
    dots = [c for c in ax.collections if len(c.get_offsets()) == len(leaves)]
    assert len(dots) == (n_top * n_below > 250)


@given(st.data())
def test_share_of_mistakes_within_their_block(data):
    names = ["a", "b", "c", "B1", "B2", "C", "A1", "A"]
    rows = st.lists(st.sampled_from(names), min_size=6, max_size=6)
    true, predicted = data.draw(rows), data.draw(rows)
    display = HierarchicalConfusionMatrixDisplay.from_predictions(true, predicted, taxonomy=RAGGED)
    tops = [(RAGGED.path(t)[0], RAGGED.path(p)[0]) for t, p in zip(true, predicted, strict=True)]
    n_wrong = sum(t != p for t, p in zip(true, predicted, strict=True))
    if n_wrong and len({top for pair in tops for top in pair}) > 1:
        same = sum(x == y and t != p for (x, y), t, p in zip(tops, true, predicted, strict=True))
        blocks, branches = display._blocks()
        assert {RAGGED.nodes[node] for node in branches} == {top for pair in tops for top in pair}
        if len(blocks) <= len(display.nodes):
            expected = f"{n_wrong} of 6 wrong, {same / n_wrong:.0%} of these within their block"
            assert display._title() == expected


def test_blocks_with_the_most_mistakes_are_labelled():
    taxonomy = deep_taxonomy(4, 2)
    y_true = ["t0/0", "t1/0", "t1/1", "t2/0", "t3/0", "t3/0", "t0/1", "t2/1", "t3/1"]
    y_pred = ["t0/0", "t1/1", "t1/0", "t2/0", "t0/0", "t1/1", "t0/1", "t2/1", "t3/1"]
    display = HierarchicalConfusionMatrixDisplay.from_predictions(
        y_true, y_pred, taxonomy=taxonomy
    )
    blocks, branches = display._blocks()
    chosen = branches[display._largest(blocks, 2)]
    assert [taxonomy.nodes[node] for node in chosen] == ["t1", "t3"]


def test_confusion_matrix_without_mistakes(figure):
    display = HierarchicalConfusionMatrixDisplay.from_predictions(["a"], ["a"], taxonomy=RAGGED)
    assert not display.ax_.images
    assert len(display.figure_.axes) == 1


def test_confusion_matrix_of_what_has_none():
    with pytest.raises(TaxonomyError, match="tree"):
        HierarchicalConfusionMatrixDisplay.from_predictions(["Z"], ["Z"], taxonomy=DIAMOND)
    with pytest.raises(TargetError):
        HierarchicalConfusionMatrixDisplay.from_predictions(
            [["a", "B1"]], [["a", "B2"]], taxonomy=RAGGED
        )
    with pytest.raises(ValueError, match="a row and a column for each of the 2 `nodes`"):
        HierarchicalConfusionMatrixDisplay(np.eye(3), RAGGED, [1, 2])


# -- errors, calibration, risk, comparisons -----------------------------------------------


def test_errors_of_nodes(figure):
    display = ErrorAttributionDisplay.from_predictions(Y_TRUE, Y_PRED, taxonomy=RAGGED)
    expected = error_attribution(Y_TRUE, Y_PRED, taxonomy=RAGGED)
    assert_array_equal(display.attribution.errors, expected.errors)
    ax = display.plot(max_nodes=3).ax_
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == expected.titles[:3]
    ends = np.zeros(3)
    for bars in ax.containers:
        ends += [bar.get_width() for bar in bars]
    assert_array_equal(ends, expected.errors[:3])
    assert f"of {len(expected.errors)} hold" in ax.get_title(loc="left")
    left = expected.errors[3:].sum()
    assert (f"{left:.0f} errors are not shown" in ax.get_title(loc="left")) == (left > 0)
    assert len(ax.texts) == 3
    for text, rate, arrived in zip(
        texts_of(ax), expected.error_rate, expected.arrived, strict=False
    ):
        assert text.startswith(f"{rate:.1%} of {arrived:.0f}")


def test_no_errors(figure):
    display = ErrorAttributionDisplay.from_predictions(["a"], ["a"], taxonomy=RAGGED)
    assert display.ax_.get_title(loc="left") == "No errors"
    assert not display.ax_.patches


@pytest.mark.parametrize("binning", ["uniform", "quantile"])
@pytest.mark.parametrize("name", ["balanced", "ragged"])
def test_calibration_errors_are_those_of_the_metric(name, binning, figure):
    taxonomy = TAXONOMIES[name]
    rng = np.random.default_rng(0)
    proba = rng.random((60, taxonomy.n_nodes))
    y = rng.choice(np.array(taxonomy.nodes[1:]), 60)
    weights = rng.random(60)
    options = {"taxonomy": taxonomy, "n_bins": 4, "binning": binning}
    display = LevelCalibrationDisplay.from_predictions(y, proba, sample_weight=weights, **options)
    expected = hierarchical_calibration_error(y, proba, sample_weight=weights, **options)
    assert_allclose(display.errors, expected)
    assert_allclose(display.support, weights.sum())
    reached = LevelCalibrationDisplay.from_predictions(
        y, proba, sample_weight=weights, rows="reached", **options
    )
    for place, level in enumerate(reached.levels):
        rows = np.array([taxonomy.depth(label) >= level for label in y])
        expected = hierarchical_calibration_error(
            y[rows], proba[rows], sample_weight=weights[rows], **options
        )
        assert reached.errors[place] == pytest.approx(expected[level - 1])
    ax = display.ax_
    assert len(ax.get_legend().texts) == taxonomy.n_levels
    assert len(ax.lines) == taxonomy.n_levels + 1
    lines = [line.get_xydata() for line in ax.lines[1:]]
    assert_array_equal(lines[0], np.column_stack([display.confidence[0], display.accuracy[0]]))
    display.plot(levels=[2])
    assert "level 2" in display.ax_.get_legend().texts[0].get_text()
    with pytest.raises(ValueError, match=r"`levels` must be among \[1, 2"):
        display.plot(levels=[9])


def test_lines_of_deep_taxonomies_are_eight(figure):
    taxonomy = Taxonomy.from_edges([(str(i), str(i + 1)) for i in range(30)])
    proba = np.ones((2, 31))
    display = LevelCalibrationDisplay.from_predictions(["30", "30"], proba, taxonomy=taxonomy)
    labels = [text.get_text().split(":")[0] for text in display.ax_.get_legend().texts]
    assert (labels[0], labels[-1], len(labels)) == ("level 1", "level 30", 8)


def test_risk_by_coverage(model, figure):
    estimator, X, y, taxonomy = model
    display = RiskCoverageDisplay.from_estimator(estimator, X, y)
    proba = estimator[-1].predict_node_proba(estimator[:-1].transform(X))
    expected = risk_coverage_curve(y, estimator.predict(X), node_proba=proba, taxonomy=taxonomy)
    assert_array_equal(display.curve.aurc, expected.aurc)
    ax = display.ax_
    assert len(ax.lines) == taxonomy.n_levels
    for line, coverage, risk in zip(ax.lines, expected.coverage, expected.risk, strict=True):
        assert_array_equal(line.get_xdata(), coverage)
        assert_array_equal(line.get_ydata(), risk)


def test_risk_of_a_classifier_that_stops(model):
    _, X, y, taxonomy = model
    estimator = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy, decoder=Threshold(0.9))
    curve = RiskCoverageDisplay.from_estimator(estimator.fit(X, y), X, y).curve
    answers = estimator.predict(X)
    stopped = [node is None or taxonomy.depth(node) < taxonomy.n_levels for node in answers]
    assert 0 < np.mean(stopped) < 1
    assert curve.coverage[-1][-1] == pytest.approx(1 - np.mean(stopped))


def test_intervals_as_dots(displays, figure):
    display = displays[-3]
    ax = display.plot().ax_
    drawn = np.concatenate([bars[0].get_xdata() for bars in ax.containers])
    assert_allclose(sorted(drawn), sorted(display.differences.ravel()))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == list(display.measures)
    for bars in ax.containers:
        for x, place in bars[0].get_xydata():
            assert display.differences[0, int(place)] == x
            assert display.verdicts[0, int(place)] == bars.get_label()
    assert {text.get_text() for text in ax.get_legend().texts} == set(display.verdicts.ravel())
    several = ComparisonDisplay(
        ["base", "one", "two"], ["path"], [[0.1], [-0.1]], [[[0.0, 0.2]], [[-0.2, -0.05]]]
    )
    assert several.verdicts.tolist() == [["no difference shown"], ["worse"]]
    labels = [label.get_text() for label in several.ax_.get_yticklabels()]
    assert labels == ["path: one", "path: two"]
    with pytest.raises(ValueError, match="`differences` must have a row for each estimator"):
        ComparisonDisplay(["base", "one"], ["path"], [0.1], [[[0.0, 0.2]]])


# -- estimators ---------------------------------------------------------------------------


def test_displays_of_estimators_and_of_predictions_agree(model):
    estimator, X, y, taxonomy = model
    answers = estimator.predict(X)
    one = TaxonomyDisplay.from_estimator(estimator, X, y)
    other = TaxonomyDisplay.from_predictions(y, answers, taxonomy=taxonomy)
    assert_array_equal(one.scores, other.scores)
    one = HierarchicalConfusionMatrixDisplay.from_estimator(estimator, X, y, level=1)
    other = HierarchicalConfusionMatrixDisplay.from_predictions(
        y, answers, taxonomy=taxonomy, level=1
    )
    assert_array_equal(one.confusion_matrix.toarray(), other.confusion_matrix.toarray())
    proba = estimator[-1].predict_node_proba(estimator[:-1].transform(X))
    one = LevelCalibrationDisplay.from_estimator(estimator, X, y)
    other = LevelCalibrationDisplay.from_predictions(y, proba, taxonomy=taxonomy)
    assert_array_equal(one.errors, other.errors)


def test_any_classifier_of_nodes_with_a_taxonomy(model, figure):
    _, X, y, taxonomy = model
    flat = GaussianNB().fit(X, y)
    ax = figure().add_subplot()
    display = TaxonomyDisplay.from_estimator(flat, X, y, taxonomy=taxonomy, ax=ax, score="recall")
    assert display.ax_ is ax
    expected = TaxonomyDisplay.from_predictions(
        y, flat.predict(X), taxonomy=taxonomy, score="recall"
    )
    assert_array_equal(display.scores, expected.scores)
    with pytest.raises(ValueError, match="holds no fitted classifier with a taxonomy"):
        ErrorAttributionDisplay.from_estimator(flat, X, y)


def test_estimators_of_label_sets(figure):
    rng = np.random.default_rng(0)
    X, names = rng.normal(size=(40, 3)), np.array(RAGGED.leaves)
    y = [set(names[rng.random(len(names)) < 0.4]) for _ in range(40)]
    estimator = HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=RAGGED).fit(X, y)
    answers = estimator.predict(X)
    display = TaxonomyDisplay.from_estimator(estimator, X, y)
    expected = TaxonomyDisplay.from_predictions(y, answers, taxonomy=RAGGED)
    assert_array_equal(display.errors, expected.errors)
    assert_array_equal(display.scores, expected.scores)
    attributed = ErrorAttributionDisplay.from_estimator(estimator, X, y).attribution
    expected = error_attribution(y, answers, taxonomy=RAGGED)
    assert_array_equal(attributed.errors, expected.errors)
    proba = estimator.predict_node_proba(X)
    curve = RiskCoverageDisplay.from_estimator(estimator, X, y).curve
    assert_array_equal(curve.aurc, risk_coverage_curve(y, node_proba=proba, taxonomy=RAGGED).aurc)
    assert len(LevelCalibrationDisplay.from_estimator(estimator, X, y).errors) == 3


@pytest.mark.parametrize(
    "estimator",
    [HierarchicalClassifier(GaussianNB()), MultiHeadClassifier()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_notebooks_show_the_taxonomy_of_a_fitted_classifier(estimator):
    y = [["<a>", "b"], ["<a>", "c"], ["d", "e"], ["d", "f"]] * 3
    X = np.random.default_rng(0).normal(size=(12, 2))
    with config_context(display="diagram"):
        before = estimator._repr_html_()
        estimator = clone(estimator).fit(X, y)
        html = estimator._repr_html_()
        assert estimator._repr_mimebundle_()["text/html"].endswith("</pre></details>")
    assert "└── &lt;a&gt;" not in before
    assert "├── &lt;a&gt;\n│   ├── b" in html
    assert html.count("<details><summary>Taxonomy(tree of 6 nodes") == 1
    with config_context(display="text"):
        assert not hasattr(estimator, "_repr_html_")
        assert list(estimator._repr_mimebundle_()) == ["text/plain"]


# -- contributions ------------------------------------------------------------------------


def drawn_bars(display):
    """Return the lengths of the drawn bars by the heading above them."""
    ax = display.plot().ax_
    heads = sorted((text.xy[1], text.get_text()) for text in ax.texts)
    places = [place for place, _ in heads]
    groups = {text: [] for _, text in heads}
    for bar in ax.patches:
        centre = bar.get_y() + bar.get_height() / 2
        groups[heads[np.searchsorted(places, centre) - 1][1]].append(bar.get_width())
    return groups


@pytest.mark.parametrize("top", [1, 3, None])
@pytest.mark.parametrize("sample", [0, 1, 2])
def test_bars_of_a_decision_sum_to_its_heading(sample, top, figure):
    estimator = explained()
    display = ContributionDisplay.from_estimator(estimator, TEXTS, sample=sample, top=top)
    table = explain(estimator, [TEXTS[sample]], top=top, output="arrays")
    groups = drawn_bars(display)
    assert len(groups) == len(set(table["step"]))
    assert_allclose(np.concatenate(list(groups.values())), table["contribution"])
    for (heading, bars), step in zip(groups.items(), sorted(set(table["step"])), strict=True):
        first = np.flatnonzero(table["step"] == step)[0]
        names = f"{table['chosen'][first]} rather than {table['foil'][first]}"
        assert heading == f"{names}: {sum(bars):+.2f}"
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert [label.split(" = ")[0] for label in labels] == table["feature"].tolist()


def test_a_table_is_drawn_as_it_is(figure):
    table = explain(explained(), TEXTS[:1])
    widths = [bar.get_width() for bar in ContributionDisplay(table).plot().ax_.patches]
    assert_allclose(widths, table["contribution"])
    with pytest.raises(ValueError, match="`table` must have the lines of one sample, got 3"):
        ContributionDisplay(explain(explained(), TEXTS))


def test_an_answer_without_decisions(figure):
    table = explain(explained(), TEXTS[:1], foil="pet/cat")
    assert ContributionDisplay(table).plot().ax_.get_title(loc="left") == "No decision to explain"


def test_each_label_of_a_set_is_compared_with_its_absence(figure):
    taxonomy = Taxonomy.from_paths(["pet/cat", "pet/dog", "car"])[1]
    classifier = HierarchicalMultiLabelClassifier(LogisticRegression(C=100), taxonomy=taxonomy)
    model = make_pipeline(CountVectorizer(), classifier)
    texts = [*TEXTS, "cat dog"]
    model.fit(texts, [["pet/cat"], ["pet/dog"], ["car"], ["pet/cat", "pet/dog"]])
    display = ContributionDisplay.from_estimator(model, texts, sample=3)
    chosen = sorted(heading.split(" rather than ")[0] for heading in drawn_bars(display))
    assert chosen == ["pet", "pet/cat", "pet/dog"]
    assert all(" rather than none: " in heading for heading in drawn_bars(display))


def test_samples_that_are_not_there():
    with pytest.raises(ValueError, match=r"`sample` must be in \[0, 2\], got 3"):
        ContributionDisplay.from_estimator(explained(), TEXTS, sample=3)
