"""Labels of any format as names of nodes of an existing taxonomy."""

import numpy as np
import pandas as pd
import pytest
from conftest import DIAMOND
from generators import label_sets, trees
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.exceptions import TargetError

ROWS = [["a", 1], ["a", 2], ["b", None], ["b", 1]]
LABELS, TREE = Taxonomy.from_levels(ROWS)
NAMES = ["a/1", "a/2", "b", "b/1"]

ONE_EACH = {
    "array": LABELS,
    "list": NAMES,
    "Series": pd.Series(NAMES),
    "category": pd.Series(NAMES, dtype="category"),
    "paths": ROWS,
    "tuples": [tuple(row) for row in ROWS],
    "ragged paths": [["a", 1], ["a", 2], ["b"], ["b", 1]],
    "levels": np.array(ROWS, dtype=object),
    "frame": pd.DataFrame(ROWS, columns=["x", "y"]),
}


@pytest.mark.parametrize("y", ONE_EACH.values(), ids=ONE_EACH)
def test_one_label_each(y):
    found = TREE.encode(y)
    assert found.dtype.kind == "U"
    assert found.tolist() == NAMES
    assert TREE.encode(y, kind="one").tolist() == NAMES
    model = HierarchicalClassifier(taxonomy=TREE).fit(np.eye(4), TREE.encode(y))
    assert model.classes_.tolist() == NAMES


@given(trees(), st.data())
def test_sets_of_any_format(tree, data):
    sets = [set(row) for row in data.draw(label_sets(tree, 5))]
    position = {name: node for node, name in enumerate(tree.nodes)}
    expected = [sorted(row, key=position.__getitem__) for row in sets]
    assert tree.encode(sets) == expected
    assert tree.encode([list(row) * 2 for row in sets], kind="sets") == expected
    table = tree.binarize(sets, closed=False)
    for y in (table, table.toarray(), pd.DataFrame(table.toarray(), columns=tree.nodes[1:])):
        assert tree.encode(y, classes=tree.nodes[1:], kind="sets") == expected
    assert (
        tree.encode([[tree.path(name) for name in row] for row in sets], kind="sets") == expected
    )


def test_types_of_names_are_kept():
    numbers = Taxonomy.from_edges([(0, 10), (0, 20), (10, 11)])
    found = numbers.encode(np.array([11, 20], dtype=np.uint8))
    assert (found.dtype.kind, found.tolist()) == ("i", [11, 20])
    mixed = Taxonomy.flat([1, "1", ("a", "b")])
    assert mixed.encode([("a", "b"), "1", 1]).tolist() == [("a", "b"), "1", 1]
    assert numbers.encode(pd.Series([11, None], dtype="Int64")).tolist() == [11, None]


def test_rows_without_a_label():
    assert TREE.encode(["b", None, np.nan]).tolist() == ["b", None, None]
    assert TREE.encode(np.array([["a", 1], [None, None]], dtype=object)).tolist() == ["a/1", None]
    assert TREE.encode([["b"], [], None], kind="one").tolist() == ["b", None, None]
    assert TREE.encode([{"b"}, set(), None]) == [["b"], [], []]
    assert TREE.encode([]).tolist() == []


@pytest.mark.parametrize(
    ("y", "expected", "message"),
    [
        (
            ["b", "x", "c/1", "x"],
            ["b", None, None, None],
            r"2 label\(s\) .*'x'.* 3 row\(s\): 1, 2, 3;",
        ),
        (
            np.array([["a", "1"], ["b", None]], dtype=object),
            [None, "b"],
            r"There is no '1' under 'a'|there is no '1' under 'a'.* 1 row\(s\): 0; unknown='ignore'",
        ),
    ],
)
def test_unknown_labels(y, expected, message):
    assert TREE.encode(y, unknown="ignore").tolist() == expected
    with pytest.raises(TargetError, match=message):
        TREE.encode(y)


def test_unknown_labels_in_sets():
    sets = [{"b"}, {"x", "a"}, {"y"}, ["b", "b/1"]]
    assert TREE.encode(sets, unknown="ignore") == [["b"], ["a"], [], ["b", "b/1"]]
    with pytest.raises(TargetError, match=r"2 label\(s\).* 2 row\(s\): 1, 2; .*leaves them out"):
        TREE.encode(sets)
    paths = [[("b",)], [("a", 1), ("a", 7)], [("z",)]]
    assert TREE.encode(paths, unknown="ignore") == [["b"], ["a/1"], []]
    with pytest.raises(TargetError, match=r"2 row\(s\): 1, 2; .*read as 'path sets'"):
        TREE.encode(paths)
    with pytest.raises(TargetError, match="read as 'label sets'"):
        TREE.encode([["a", 1], ["a", 7]])
    assert TREE.encode([["a", 1], ["a", 7]], kind="one", unknown="ignore").tolist() == [
        "a/1",
        None,
    ]


def test_the_root_and_gaps_are_refused():
    tree = Taxonomy.from_edges([("r", "a"), ("r", "b")])
    for y in (["a", "r"], [{"a"}, {"r"}], [{"x"}, {"r"}]):
        with pytest.raises(TargetError, match=r"row 1.*names the root"):
            tree.encode(y, unknown="ignore")
    with pytest.raises(TargetError, match="Row 0 has a gap"):
        TREE.encode(np.array([[None, 1], ["a", 1]], dtype=object), unknown="ignore")


def test_codes_and_columns_of_classes():
    classes = ["b", "a/1", "a/2"]
    assert TREE.encode([2, 0, 1], classes=classes).tolist() == ["a/2", "b", "a/1"]
    assert TREE.encode(["b", "a/1"], classes=classes).tolist() == ["b", "a/1"]
    table = np.array([[1, 0, 1], [0, 0, 0]])
    for y in (table, sparse.csr_array(table), table.tolist()):
        assert TREE.encode(y, classes=classes) == [["b", "a/2"], []]
    with pytest.raises(TargetError, match="'c'"):
        TREE.encode(table, classes=["b", "a/1", "c"], unknown="ignore")
    with pytest.raises(TargetError, match="not in the taxonomy: 3"):
        TREE.encode([3], classes=classes)


def test_options_are_checked():
    with pytest.raises(ValueError, match="`kind` must be one of"):
        TREE.encode(NAMES, kind="paths")
    with pytest.raises(ValueError, match="`unknown` must be one of"):
        TREE.encode(NAMES, unknown="none")
    with pytest.raises(TargetError, match="must hold the labels of each sample"):
        TREE.encode("a/1")


def test_encoded_sets_are_labels():
    y = [[("a", 1)], [("b",), ("a", 2)], []]
    encoded = TREE.encode(y)
    model = HierarchicalMultiLabelClassifier(taxonomy=TREE).fit(np.eye(3), encoded)
    assert model.score(np.eye(3), encoded) == model.score(np.eye(3), y)
    assert DIAMOND.encode([set(DIAMOND.nodes[1:])]) == [list(DIAMOND.nodes[1:])]
