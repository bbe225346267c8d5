"""Every format of labels is read alike by fit, metrics and splitters.

``python tests/test_targets_formats.py`` writes the table of formats in the documentation again.
"""

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TAXONOMIES
from generators import label_sets, trees
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from sklhier import Taxonomy, metrics
from sklhier._targets.any_format import closed_indicator, nodes_or_indicator, nodes_or_root
from sklhier._targets.formats import FORMATS, detect
from sklhier._targets.label_sets import read_label_sets
from sklhier._targets.paths import read_targets
from sklhier.exceptions import RareClassWarning, TargetError
from sklhier.model_selection import HierarchicalStratifiedKFold, check_rare_classes, coarsen

RAGGED = TAXONOMIES["ragged"]


def objects(rows):
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


def frame_of_bits(rows, tree):
    return pd.DataFrame(tree.binarize(rows, sparse_output=False), columns=list(tree.nodes[1:]))


# Names in a tree, one for each sample, to containers of each format.
ONE_EACH = {
    "labels": lambda names, tree: [names, objects(names), np.array(names), pd.Series(names)],
    "level columns": lambda names, tree: [
        tree.to_levels(names),
        pd.DataFrame(tree.to_levels(names)),
    ],
    "paths": lambda names, tree: [
        [list(tree.path(name)) for name in names],
        objects([tree.path(name) for name in names]),
        pd.Series([list(tree.path(name)) for name in names]),
        [np.array(tree.path(name)) for name in names],
    ],
}
# Rows of names to containers of each format.
SEVERAL = {
    "sparse indicator": lambda rows, tree: [
        tree.binarize(rows),
        sparse.csc_matrix(tree.binarize(rows, closed=False).astype(bool)),
    ],
    "indicator": lambda rows, tree: [
        tree.binarize(rows, sparse_output=False),
        tree.binarize(rows, sparse_output=False).astype(np.float32),
    ],
    "named indicator": lambda rows, tree: [
        frame_of_bits(rows, tree),
        frame_of_bits(rows, tree).iloc[:, ::-1].astype(bool),
        frame_of_bits(rows, tree).astype(object),
    ],
    "rows of bits": lambda rows, tree: [
        tree.binarize(rows, sparse_output=False).tolist(),
        list(tree.binarize(rows, sparse_output=False)),
        objects(tree.binarize(rows, sparse_output=False).astype(float).tolist()),
    ],
    "label sets": lambda rows, tree: [
        rows,
        objects([frozenset(row) for row in rows]),
        pd.Series(rows),
        [row or None for row in rows],
    ],
    "path sets": lambda rows, tree: [
        [[tree.path(name) for name in row] for row in rows],
        objects([frozenset(tree.path(name) for name in row) for row in rows]),
    ],
}


def test_every_format_is_covered():
    assert {*ONE_EACH, *SEVERAL} == {form.name for form in FORMATS}


def test_every_format_says_what_it_is_and_why():
    for form in FORMATS:
        assert form.description[0].isupper()
        assert not form.description.endswith(".")
        assert form.why.startswith(("it is ", "it has ", "its rows "))


PAGE = Path(__file__).parents[1] / "docs" / "user_guide" / "targets.rst"
TABLE = PAGE.with_name("_formats.inc")


def format_table():
    """Return the table of formats in reStructuredText."""
    lines = [
        ".. Written by tests/test_targets_formats.py from the table of the detector.",
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: 14 24 22 20 20",
        "",
    ]
    heads = ["name", "looks like", "comes in", "read as", "``predict`` returns"]
    rows = [heads] + [
        [f"``{form.name}``", form.description, form.containers, form.reads, form.returns]
        for form in sorted(FORMATS, key=lambda form: (form.several, FORMATS.index(form)))
    ]
    for first, *others in rows:
        lines += [f"   * - {first}", *(f"     - {_literal(cell)}" for cell in others)]
    return "\n".join([*lines, ""])


def _literal(cell):
    return (
        re.sub(r"`([^`]+)`|(taxonomy\.[\w:\[\]]+)", r"``\1\2``", cell)
        if "``" not in cell
        else cell
    )


def test_the_documentation_shows_the_table_of_formats():
    shown = TABLE.read_text(encoding="utf-8")
    assert shown == format_table(), "run `python tests/test_targets_formats.py`"
    assert f".. include:: {TABLE.name}" in PAGE.read_text(encoding="utf-8")


def folds_of(y, tree, classes=None):
    splitter = HierarchicalStratifiedKFold(2, taxonomy=tree, classes=classes)
    return [test.tolist() for _, test in splitter.split(None, y)]


def dense(closed):
    return closed.toarray()


@given(trees(max_nodes=8), st.data())
@settings(max_examples=10)
def test_one_label_each(tree, data):
    names = data.draw(st.lists(st.sampled_from(tree.nodes[1:]), min_size=2, max_size=6))
    nodes, folds = tree.ids(names), folds_of(names, tree)
    merged, rare = tree.ids(coarsen(names, tree, 2)), rare_among(names, tree)
    for name, written in ONE_EACH.items():
        for y in written(names, tree):
            assert detect(y, tree, "one").name == detect(y, tree, "any").name == name
            fitted, _, form = read_targets(y, tree)
            assert_array_equal(fitted, nodes)
            assert_array_equal(form.read(y, tree), nodes)
            assert_array_equal(nodes_or_root(y, tree), nodes)
            assert_array_equal(nodes_or_indicator(y, tree), nodes)
            assert_array_equal(
                dense(closed_indicator(y, tree)), tree.ancestor_closure[nodes].toarray()
            )
            assert folds_of(y, tree) == folds
            assert_array_equal(tree.ids(coarsen(y, tree, 2)), merged)
            assert rare_among(y, tree) == rare


def rare_among(y, tree):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RareClassWarning)
        return check_rare_classes(y, tree)


@given(trees(max_nodes=8), st.data())
@settings(max_examples=10)
def test_several_labels_each(tree, data):
    rows = data.draw(label_sets(tree, 4))
    rows = [*rows, set(tree.leaves) | {tree.nodes[1]}, set()]
    closed = closed_indicator(rows, tree).toarray()
    folds = folds_of(rows, tree)
    for name, written in SEVERAL.items():
        for y in written(rows, tree):
            assert detect(y, tree, "any").name == detect(y, tree, "sets").name == name
            fitted, _, form = read_label_sets(y, tree, tree.nodes[1:])
            assert_array_equal(dense(fitted), closed)
            assert_array_equal(dense(form.read(y, tree)), closed)
            assert_array_equal(dense(closed_indicator(y, tree, classes=tree.nodes[1:])), closed)
            assert folds_of(y, tree, tree.nodes[1:]) == folds


@given(trees(max_nodes=8), st.data())
@settings(max_examples=10)
def test_one_label_each_where_sets_are_fitted(tree, data):
    names = data.draw(st.lists(st.sampled_from(tree.nodes[1:]), min_size=1, max_size=6))
    wanted = closed_indicator(names, tree).toarray()
    for y in ONE_EACH["labels"](names, tree):
        assert_array_equal(dense(read_label_sets(y, tree)[0]), wanted)


# -- what was read in one way and is read in another now -----------------------------------


@pytest.mark.parametrize(
    "y",
    [
        pd.Series([["a", "C"], ["b"]]),
        objects([["a", "C"], ["b"]]),
        [None, ["a", "C"], ["b"]],
        [["a", "C"], {"b"}],
        [("a", "C"), ["b"], float("nan")],
        RAGGED.binarize([["a", "C"], ["b"]], sparse_output=False).tolist(),
        RAGGED.binarize([["a", "C"], ["b"]], sparse_output=False).astype(object),
        objects([[("A", "A1", "a"), ("C",)], [("A", "A1", "b")]]),
    ],
)
def test_metrics_take_what_fit_takes(y):
    fitted = read_label_sets(y, RAGGED)[0]
    assert_array_equal(dense(closed_indicator(y, RAGGED)), dense(fitted))
    assert metrics.hierarchical_f1_score(y, y, taxonomy=RAGGED) == 1.0


class Wrapped:
    """A container that is nothing but a way to an array."""

    def __init__(self, y):
        self._y = np.asarray(y)

    def __array__(self, dtype=None, copy=None):
        return self._y.astype(dtype or self._y.dtype)


def test_whatever_becomes_an_array_is_read_as_that_array():
    for y, asked, name in (
        (["a", "C"], "one", "labels"),
        (RAGGED.to_levels(["a", "C"]), "one", "level columns"),
        (np.eye(9, dtype=int), "sets", "indicator"),
    ):
        assert detect(Wrapped(y), RAGGED, asked).name == name
    assert_array_equal(nodes_or_root(Wrapped(["a", "C"]), RAGGED), RAGGED.ids(["a", "C"]))


def test_sets_of_paths_spell_out_a_taxonomy_for_metrics():
    true, predicted = [[("a", "x"), ("b",)], [("a", "y")]], [[("a", "x")], []]
    found = metrics.hierarchical_f1_score(true, predicted)
    tree = Taxonomy.from_levels([["a", "x"], ["a", "y"], ["b"]])[1]
    assert found == metrics.hierarchical_f1_score(true, predicted, taxonomy=tree)


def test_tables_of_bits_are_paths_where_the_taxonomy_is_of_bits():
    Y = np.array([[0, 1], [1, 0], [1, 1]])
    _, tree = Taxonomy.from_levels(Y)
    assert detect(Y, tree, "any").name == "level columns"
    assert detect(Y.tolist(), tree, "any").name == "paths"
    assert detect(Y, tree, "sets").name == "indicator"
    assert detect(Y, None, "any").name == "indicator"
    assert metrics.hierarchical_f1_score(Y, Y[[0, 1, 0]]) == pytest.approx(2 / 3)
    assert detect(np.eye(2, dtype=int), RAGGED, "any").name == "indicator"
    numbered = pd.DataFrame(np.array([[0], [1]], dtype=object))
    assert detect(numbered, Taxonomy.flat([0, 1, 2]), "any").name == "level columns"


# -- errors say how labels were read ------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "asked", "match"),
    [
        ([["A", "nowhere"]], "any", "'nowhere'.*y was read as 'label sets', because its rows are"),
        ([["A", "nowhere"]], "one", "no 'nowhere' under 'A'.*y was read as 'paths', because"),
        (np.eye(10, dtype=int), "one", "no 1 at.*'level columns', because it has 2 dimensions"),
        (np.array([["A", "Q"]]), "any", "no 'Q'.*'level columns', because it has 2 dimensions"),
        (np.array([["A", "A1"]]), "sets", "got 'A'.*'indicator', because it is an array"),
        (np.eye(3, dtype=int), "any", "got 3 columns.*'indicator', because it is an array"),
        ([{"a"}], "one", "got sets of labels.*'label sets', because its rows are sets"),
    ],
)
def test_errors_say_how_labels_were_read(y, asked, match):
    form = detect(y, RAGGED, asked)
    with pytest.raises(TargetError, match=match):
        form.members(RAGGED) if form.several and asked != "one" else form.nodes(RAGGED)


@pytest.mark.parametrize("y", [[{"a"}, {"b"}], [frozenset("a")], sparse.eye(3)])
def test_sets_are_refused_where_one_label_each_is_fitted(y):
    with pytest.raises(TargetError, match=r"several labels.*y was read as '(label sets|sparse)"):
        read_targets(y, RAGGED)


if __name__ == "__main__":
    TABLE.write_text(format_table(), encoding="utf-8")
