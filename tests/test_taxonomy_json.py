"""Taxonomies as dictionaries and JSON: the same comes back, and what is malformed is refused."""

import datetime as dt
import json
import math
from decimal import Decimal
from enum import IntEnum

import numpy as np
import pytest
from generators import dags, trees
from hypothesis import given
from hypothesis import strategies as st

from sklhier import Taxonomy
from sklhier.exceptions import TaxonomyError

scalars = st.one_of(
    st.text(),
    st.integers(),
    st.floats(allow_nan=False),
    st.binary(),
    st.dates(),
    st.timedeltas(),
    st.datetimes(timezones=st.none() | st.just(dt.UTC)),
    st.builds(np.datetime64, st.integers(-(10**6), 10**6), st.sampled_from(["D", "ns", "Y"])),
    st.builds(np.timedelta64, st.integers(0, 10**6), st.sampled_from(["s", "h"])),
)
names = scalars | st.tuples(scalars, st.none() | scalars | st.tuples(scalars))


@st.composite
def named(draw):
    taxonomy = draw(st.one_of(trees(), dags()))
    n_nodes = len(taxonomy.nodes)
    new = draw(st.lists(names, min_size=n_nodes, max_size=n_nodes, unique=True))
    built = Taxonomy(
        new,
        taxonomy.edge_parents,
        taxonomy.edge_children,
        steps=draw(st.none() | st.lists(names, min_size=n_nodes, max_size=n_nodes)),
        root=draw(st.sampled_from([0, None])),
        artificial_root=False,
        titles=draw(st.lists(st.none() | st.text(), min_size=n_nodes, max_size=n_nodes)),
    )
    top = built.children(built.root)[0]
    return built.subtree(top) if built.children(top) and draw(st.booleans()) else built


def same(first, second):
    return (
        first == second
        and list(map(type, first.nodes)) == list(map(type, second.nodes))
        and dict(first.titles) == dict(second.titles)
        and first.root == second.root
    )


@given(named())
def test_the_same_comes_back(taxonomy):
    document = taxonomy.to_dict()
    assert same(Taxonomy.from_dict(document), taxonomy)
    assert same(Taxonomy.from_json(taxonomy.to_json()), taxonomy)
    assert json.loads(json.dumps(document)) == document


def test_an_artificial_root_comes_back():
    over_one = Taxonomy.from_levels([["a", 1], ["a", 2]], root=None)[1]
    over_two = Taxonomy.from_edges([("a", "b"), ("c", "b")])
    beside_parents = over_two.graft([(None, "b")])
    assert beside_parents != over_two
    for taxonomy in (over_one, over_two, beside_parents, Taxonomy.flat([True, 2.0])):
        assert same(Taxonomy.from_json(taxonomy.to_json()), taxonomy)
    assert Taxonomy.from_json(over_one.to_json()).to_levels(["a/2"]).tolist() == [["a", 2]]


def test_files(tmp_path):
    taxonomy = Taxonomy.flat(["ä", "日本", "\ud800", "\u2028"], titles={"ä": "Ö"})
    path = tmp_path / "taxonomy.json"
    assert taxonomy.to_json(path) is None
    assert same(Taxonomy.from_json(path), taxonomy)
    assert same(Taxonomy.from_json(str(path)), taxonomy)
    with path.open(encoding="utf-8") as stream:
        assert same(Taxonomy.from_json(stream), taxonomy)
    assert "日本" in taxonomy.prune(["\ud800"]).to_json()
    text = json.dumps(taxonomy.to_dict(), indent=1)
    assert same(Taxonomy.from_json(text.splitlines()), taxonomy)


def test_the_document():
    taxonomy = Taxonomy.from_dict({"r": {("a", 1): None, math.inf: None}}, titles={"r": "Root"})
    assert taxonomy.to_dict() == {
        "format": "sklhier.Taxonomy",
        "version": 1,
        "names": ["r", {"tuple": ["a", 1]}, {"float": "inf"}],
        "parents": [0, 0],
        "children": [1, 2],
        "titles": ["Root", None, None],
    }
    other = Taxonomy.from_dict(taxonomy.to_dict(), titles={math.inf: "Endless"})
    assert dict(other.titles) == {math.inf: "Endless"}
    with pytest.raises(TaxonomyError, match="Leave `root` out"):
        Taxonomy.from_dict(taxonomy.to_dict(), root="r")


@given(trees())
def test_nested_names(taxonomy):
    nested = taxonomy.to_dict(nested=True)
    assert list(nested) == [taxonomy.root]
    assert Taxonomy.from_dict(nested) == taxonomy


def test_names_nested_without_an_artificial_root():
    nested = {"a": {"x": {}}, "b": {}}
    assert Taxonomy.from_dict(nested).to_dict(nested=True) == nested
    with pytest.raises(TaxonomyError, match="is a DAG: 'c' has the parents 'a', 'b'"):
        Taxonomy.from_edges([("a", "c"), ("b", "c")]).to_dict(nested=True)


@pytest.mark.more
def test_deep_trees():
    depth = 20_000
    chain = Taxonomy(range(depth), range(depth - 1), range(1, depth))
    assert Taxonomy.from_json(chain.to_json()) == chain
    nested = chain.to_dict(nested=True)
    assert Taxonomy.from_dict(nested) == chain
    while nested:  # from the outside: objects this deep are not to be left to the interpreter
        nested = nested.popitem()[1]


class Colour(IntEnum):
    RED = 1


@pytest.mark.parametrize("name", [Decimal(1), Colour.RED, frozenset("a"), 1j, ("a", Decimal(1))])
def test_other_names_are_refused(name, tmp_path):
    taxonomy = Taxonomy.from_edges([("a", "b"), ("a", name)])
    with pytest.raises(TaxonomyError, match=r"`names\[2\]` is .* which JSON cannot hold"):
        taxonomy.to_json(tmp_path / "taxonomy.json")
    assert not (tmp_path / "taxonomy.json").exists()


GOOD = {
    "format": "sklhier.Taxonomy",
    "version": 1,
    "names": [None, "a", "b"],
    "parents": [0, 1],
    "children": [1, 2],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "must have the format 'sklhier.Taxonomy', got 'other'"),
        ({"version": 2}, "`version` must be at most 1 .* got 2"),
        ({"version": "1"}, "`version` must be an integer from 1, got '1'"),
        ({"version": True}, "`version` must be an integer"),
        ({"version": 0}, "`version` must be an integer"),
        ({"names": "ab"}, "`names` must be a list, got 'ab'"),
        ({"names": []}, r"`parents\[0\]` must be the position"),
        ({"names": [], "parents": [], "children": []}, "at least one node"),
        (
            {"names": [None, "a", None]},
            r"`names\[2\]` must be a string.*null means an artificial root",
        ),
        ({"names": [None, "a", ["b"]]}, r"`names\[2\]` must be a string, .*got \['b'\]"),
        ({"names": [None, "a", {"date": "x"}]}, r"`names\[2\]` must be"),
        ({"names": [None, "a", {"date": 5}]}, r"`names\[2\]` must be"),
        ({"names": [None, "a", {"set": []}]}, r"`names\[2\]` must be .*tuple, float"),
        ({"names": [None, "a", {"datetime64": ["object", 5]}]}, r"`names\[2\]` must be"),
        ({"names": [None, "a", {"datetime64": 5}]}, r"`names\[2\]` must be"),
        ({"names": [None, "a", {"tuple": "ab"}]}, r"`names\[2\]` must be"),
        ({"names": [None, "a", {}]}, r"`names\[2\]` must be"),
        ({"names": [None, "a", "a"]}, "Names must be distinct, got 'a' and 'a'"),
        (
            {"parents": [0, 3]},
            r"`parents\[1\]` must be the position of a name, in \[0, 2\], got 3",
        ),
        ({"parents": [0, 1.0]}, r"`parents\[1\]` .* got 1.0"),
        ({"children": [True, 2]}, r"`children\[0\]` .* got True"),
        ({"children": [1, -1]}, r"`children\[1\]` .* got -1"),
        ({"parents": [0]}, "one entry for each edge, got 1 and 2"),
        ({"parents": [2, 1]}, "No path leads from the root|cycle"),
        ({"steps": ["a"]}, "`steps` must have an entry for each of the 3 names"),
        ({"titles": ["a"]}, "`titles` must have an entry for each of the 3"),
        ({"titles": [None, 5, None]}, "A title must be a string, got 5 for 'a'"),
        ({"nodes": []}, "has the unknown key 'nodes'"),
    ],
)
def test_malformed_documents_are_refused(change, message):
    assert Taxonomy.from_dict(GOOD).leaves == ("b",)
    text = json.dumps({**GOOD, **change})
    with pytest.raises(TaxonomyError, match=f"<lines>: .*({message})"):
        Taxonomy.from_json(text)
    if "format" not in change:
        with pytest.raises(TaxonomyError, match=message):
            Taxonomy.from_dict({**GOOD, **change})


@pytest.mark.parametrize("key", ["names", "parents", "children"])
def test_missing_parts_are_refused(key):
    document = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(TaxonomyError, match=f"has no '{key}'"):
        Taxonomy.from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format":\n "sklhier.Taxonomy",, }', "line 2: column 21: Expecting property name"),
        ("{", "line 1: column 2: Expecting property name"),
        ("[1, 2]", r"A saved taxonomy must be an object, got \[1, 2\]"),
        ('{"a": ["b"]}', "must have the format .*, got None. Nested names .*from_dict"),
        ('{"a": 1, "a": 2}', "got 'a' twice"),
        ('{"names": [NaN]}', "must not hold NaN"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_other_text_is_refused(text, message):
    with pytest.raises(TaxonomyError, match=message):
        Taxonomy.from_json(text)


def test_files_that_are_no_json(tmp_path):
    with pytest.raises(FileNotFoundError):
        Taxonomy.from_json(tmp_path / "none.json")
    path = tmp_path / "taxonomy.json"
    path.write_text("")
    with pytest.raises(TaxonomyError, match=r"taxonomy.json, line 1: column 1: Expecting value"):
        Taxonomy.from_json(path)
