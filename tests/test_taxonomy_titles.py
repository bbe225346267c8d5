"""Titles of nodes: read, refused, kept by every operation, and shown beside the names."""

import pickle

import joblib
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from generators import dags, trees
from hypothesis import given
from hypothesis import strategies as st
from skops import io as skops

from sklhier import HierarchicalClassifier, Taxonomy
from sklhier.exceptions import TaxonomyError
from sklhier.metrics import hierarchical_classification_report, hierarchical_confusion_matrix
from sklhier.persistence import trusted_types
from sklhier.taxonomy import ROOT

NESTED = {"31-33": {"311": ["3111"], "312": None}, "11": ["111"]}
WORDS = {"31-33": "Manufacturing", "311": "Food", "111": "Crops <raw>"}
INDUSTRIES = Taxonomy.from_dict(NESTED, titles=WORDS)

titles = st.text(min_size=1).filter(str.strip)


@st.composite
def titled(draw):
    taxonomy = draw(st.one_of(trees(), dags()))
    return taxonomy.with_titles(draw(st.dictionaries(st.sampled_from(taxonomy.nodes), titles)))


@given(titled())
def test_titles_are_kept(taxonomy):
    for twin in (
        pickle.loads(pickle.dumps(taxonomy)),
        Taxonomy.from_networkx(taxonomy.to_networkx()),
        taxonomy.graft([]),
        taxonomy.prune([]),
        taxonomy.subtree(taxonomy.root),
        taxonomy.with_titles(taxonomy.titles),
    ):
        assert twin == taxonomy
        assert dict(twin.titles) == dict(taxonomy.titles)
        assert list(twin.titles) == [node for node in twin.nodes if node in taxonomy.titles]


@given(titled())
def test_a_part_keeps_its_titles(taxonomy):
    child = taxonomy.children(taxonomy.root)[0]
    smaller = taxonomy.prune([child]) if len(taxonomy.children(taxonomy.root)) > 1 else taxonomy
    expected = {name: taxonomy.title_of(name) for name in smaller.nodes if name in taxonomy.titles}
    assert dict(smaller.titles) == expected


@pytest.mark.parametrize(
    "build",
    [
        lambda words: Taxonomy.from_edges([("a", "b"), ("a", "c")], titles=words),
        lambda words: Taxonomy.from_parents({"a": None, "b": "a"}, titles=words),
        lambda words: Taxonomy.from_dict({"a": ["b"], "c": []}, titles=words),
        lambda words: Taxonomy.from_networkx(nx.DiGraph([("a", "b"), ("a", "c")]), titles=words),
        lambda words: Taxonomy.flat(["a", "b"], titles=words),
        lambda words: Taxonomy.from_paths(["a", "b", "b/c"], titles=words)[1],
        lambda words: Taxonomy.from_levels([["a"], ["b"]], titles=words)[1],
        lambda words: Taxonomy(["b", "a"], [1], [0], titles=words),
    ],
)
def test_every_constructor_takes_titles(build):
    taxonomy = build({"a": "A name", "b": None})
    assert dict(taxonomy.titles) == {"a": "A name"}
    assert taxonomy.title_of("a") == "A name"
    assert taxonomy.title_of("b") is None
    assert build({}).titles == {}
    with pytest.raises(TaxonomyError, match=r"1 title\(s\) belong to no node: 'abc'"):
        build({"abc": "?"})


def test_positions_of_the_integer_constructor():
    taxonomy = Taxonomy(["low", "top"], [1], [0], titles=["Below", "Above"])
    assert dict(taxonomy.titles) == {"top": "Above", "low": "Below"}


@pytest.mark.parametrize(
    "given",
    [WORDS, pd.Series(WORDS), [None, *map(WORDS.get, INDUSTRIES.nodes[1:])]],
    ids=["mapping", "Series", "list"],
)
def test_titles_of_any_container(given):
    assert dict(Taxonomy.from_dict(NESTED).with_titles(given).titles) == WORDS


def test_missing_and_blank_titles_are_none():
    taxonomy = Taxonomy.flat([1, 2, 3, 4])
    assert taxonomy.with_titles({1: "", 2: np.nan, 3: "  ", 4: None}).titles == {}
    assert taxonomy.with_titles({np.int64(1): np.str_("one")}).titles == {1: "one"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"311": 5}, "A title must be a string, got 5 for '311'"),
        ("Food", "`titles` must map names .* got str"),
        (7, "got int"),
        (["x"], "an entry for each of the 7 nodes, got 1"),
        ({"3110": "x"}, "'3110'. Nearest names: .*'311'.*unknown='ignore'"),
    ],
)
def test_bad_titles_are_refused(given, message):
    with pytest.raises(TaxonomyError, match=message):
        INDUSTRIES.with_titles(given)


def test_titles_of_other_nodes_can_be_left_out():
    kept = INDUSTRIES.with_titles({"311": "Food", "999": "Other"}, unknown="ignore")
    assert kept.titles == {"311": "Food"}
    with pytest.raises(ValueError, match="`unknown`"):
        INDUSTRIES.with_titles({}, unknown="drop")


def test_titles_do_not_change():
    with pytest.raises(TypeError):
        INDUSTRIES.titles["312"] = "Beverages"
    given = dict(WORDS)
    taxonomy = Taxonomy.from_dict(NESTED, titles=given)
    given.clear()
    assert taxonomy.titles == WORDS


def test_equal_but_for_titles():
    plain = Taxonomy.from_dict(NESTED)
    assert plain == INDUSTRIES
    assert hash(plain) == hash(INDUSTRIES)


def test_without_titles_the_state_is_that_of_earlier_versions():
    state = Taxonomy.from_dict(NESTED).__getstate__()
    assert "titles" not in state
    assert joblib.hash(Taxonomy.from_dict(NESTED)) == joblib.hash(INDUSTRIES.with_titles({}))
    restored = object.__new__(Taxonomy)
    restored.__setstate__(state)
    assert restored.titles == {}


def test_texts():
    assert INDUSTRIES.titled(["31-33", "312", None]) == ["31-33 Manufacturing", "312", "<root>"]
    several_lines = Taxonomy.flat(["a", "b"], titles={"a": " two\n\twords ", "b": "b"})
    assert several_lines.titled(["a", "b"]) == ["a two words", "b"]
    with pytest.raises(TaxonomyError, match="no node '31'"):
        INDUSTRIES.titled(["31"])
    named = Taxonomy.from_edges([("r", "a")], titles={"r": "Everything"})
    assert named.titled([None]) == ["r Everything"]


def test_displays_show_titles():
    assert str(INDUSTRIES).splitlines()[1:4] == [
        "├── 31-33 Manufacturing",
        "│   ├── 311 Food",
        "│   │   └── 3111",
    ]
    assert "111 Crops &lt;raw&gt;" in INDUSTRIES._repr_html_()
    labels, by_path = Taxonomy.from_paths(["a/x"], titles={"a/x": "Ten"})
    assert str(by_path).endswith("└── x Ten")
    assert by_path.titled(labels) == ["a/x Ten"]


def test_levels_with_titles():
    assert INDUSTRIES.to_levels(["311"]).tolist() == [["31-33", "311", None]]
    shown = INDUSTRIES.to_levels(["311"], titled=True).tolist()
    assert shown == [["31-33 Manufacturing", "311 Food", None]]
    other = INDUSTRIES.with_titles({"311": "Nourishment"})
    assert other.to_levels(["311"], titled=True)[0, 1] == "311 Nourishment"


def test_frame():
    frame = INDUSTRIES.to_frame()
    assert frame.columns[:2].tolist() == ["node", "title"]
    assert frame.set_index("node")["title"].dropna().to_dict() == WORDS
    assert "title" not in Taxonomy.from_dict(NESTED).to_frame()


def test_networkx():
    graph = INDUSTRIES.to_networkx()
    assert ROOT not in graph
    assert graph.nodes["311"] == {"title": "Food"}
    assert graph.nodes["312"] == {}
    graph.nodes["312"]["title"] = 5  # somebody else's attribute
    assert Taxonomy.from_networkx(graph).titles == WORDS
    assert Taxonomy.from_networkx(graph, titles={}).titles == {}


def test_report():
    y_true, y_pred = ["3111", "312", "111"], ["3111", "311", "111"]
    text = hierarchical_classification_report(y_true, y_pred, taxonomy=INDUSTRIES)
    lines = [line[:24].rstrip() for line in text.splitlines()]
    assert "31-33 Manufacturing" in lines
    assert "  311 Food" in lines
    frame = hierarchical_classification_report(y_true, y_pred, taxonomy=INDUSTRIES, output="frame")
    assert frame.loc["311", "title"] == "Food"
    nodes = hierarchical_classification_report(y_true, y_pred, taxonomy=INDUSTRIES, output="dict")[
        "nodes"
    ]
    assert nodes["311"]["title"] == "Food"
    assert "title" not in nodes["312"]
    plain = INDUSTRIES.with_titles({})
    frame = hierarchical_classification_report(y_true, y_pred, taxonomy=plain, output="frame")
    assert "title" not in frame


def test_long_titles_are_cut_in_reports():
    taxonomy = Taxonomy.flat(["a", "b" * 70], titles={"a": "word " * 30, "b" * 70: "more"})
    labels = list(taxonomy.leaves)
    text = hierarchical_classification_report(labels, labels, taxonomy=taxonomy)
    (cut,) = (line for line in text.splitlines() if line.startswith("a word"))
    assert cut[:74].rstrip().endswith("word...")
    assert "b" * 70 + "..." in text


def test_confusion_matrix_with_names():
    y_true, y_pred = ["3111", "312", "111"], ["3111", "111", None]
    table = hierarchical_confusion_matrix(y_true, y_pred, taxonomy=INDUSTRIES, as_frame=True)
    texts = ["31-33 Manufacturing", "11"]
    assert table.index.tolist() == texts
    assert table.columns.tolist() == [*texts, "(stopped above)"]
    plain = hierarchical_confusion_matrix(y_true, y_pred, taxonomy=INDUSTRIES)
    assert table.to_numpy().tolist() == plain.tolist() == [[1, 1, 0], [0, 0, 1]]
    with pytest.raises(ValueError, match="exclude each other"):
        hierarchical_confusion_matrix(
            y_true, y_pred, taxonomy=INDUSTRIES, as_frame=True, sparse_output=True
        )


def test_a_fitted_model_keeps_titles(tmp_path):
    X, y = np.eye(6), ["3111", "312", "111", "3111", "312", "111"]
    model = HierarchicalClassifier(taxonomy=INDUSTRIES).fit(X, y)
    assert model.taxonomy_.titled(model.predict(X[2:3])) == ["111 Crops <raw>"]
    skops.dump(model, tmp_path / "model.skops")
    loaded = skops.load(tmp_path / "model.skops", trusted=trusted_types(model))
    assert loaded.taxonomy_.titles == WORDS
