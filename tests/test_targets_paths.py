"""Labels of any container are read without loss and given back as they came."""

import numpy as np
import pandas as pd
import pytest
from conftest import DIAMOND, TAXONOMIES
from generators import trees
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sklhier import Taxonomy
from sklhier._targets.any_format import (
    closed_indicator,
    detect_all,
    holds_label_sets,
    nodes_or_indicator,
    nodes_or_root,
    with_paths,
)
from sklhier._targets.paths import read_targets
from sklhier.exceptions import TargetError

RAGGED = TAXONOMIES["ragged"]
LABELS = ["a", "c", "B1", "C", "a"]


def optional(package):
    return pytest.importorskip(package, exc_type=ImportError)


CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "unicode": np.array,
    "object": lambda labels: np.array(labels, dtype=object),
    "series": lambda labels: pd.Series(labels, index=range(5, 5 + len(labels))),
    "categorical": pd.Categorical,
    "categorical series": lambda labels: pd.Series(pd.Categorical(labels)),
    "arrow-backed series": lambda labels: (
        optional("pyarrow") and pd.Series(labels, dtype="string[pyarrow]")
    ),
    "polars": lambda labels: optional("polars").Series(labels),
    "arrow": lambda labels: optional("pyarrow").array(labels),
    "chunked arrow": lambda labels: optional("pyarrow").chunked_array([labels[:2], labels[2:]]),
}


@pytest.mark.parametrize("name", list(CONTAINERS))
def test_one_dimensional_labels(name):
    nodes, taxonomy, form = read_targets(CONTAINERS[name](LABELS), RAGGED)
    assert taxonomy is RAGGED
    assert [RAGGED.nodes[node] for node in nodes] == LABELS
    assert form.classes.tolist() == sorted(set(LABELS))
    assert form.restore(nodes, taxonomy).tolist() == LABELS
    assert form.read(CONTAINERS[name](LABELS), taxonomy).tolist() == nodes.tolist()


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, 1, 2], dtype=np.uint8),
        np.array([True, False]),
        np.array([1.0, 2.0], dtype=np.float32),
        np.array(["x", "yy"], dtype="<U7"),
        np.array(["x", 1, 2.5], dtype=object),
    ],
)
def test_types_are_kept(labels):
    nodes, taxonomy, form = read_targets(labels, None)
    restored = form.restore(nodes, taxonomy)
    assert restored.dtype == labels.dtype
    assert restored.tolist() == labels.tolist()
    assert list(map(type, restored.tolist())) == list(map(type, labels.tolist()))


def test_a_list_of_mixed_types_is_not_turned_into_text():
    nodes, taxonomy, form = read_targets(["1", 1, "a"], None)
    assert len(set(nodes.tolist())) == 3
    assert form.restore(nodes, taxonomy).tolist() == ["1", 1, "a"]


def test_inner_answers_take_the_type_of_the_classes_and_the_root_is_no_answer():
    for taxonomy in (RAGGED, TAXONOMIES["several_roots"]):
        _, _, form = read_targets(["a", "b"], taxonomy)
        inner = form.restore(np.array([1, 2], np.int32), taxonomy, "nodes")
        assert inner.dtype == form.restore(taxonomy.ids(["a"]), taxonomy, "nodes").dtype
        assert inner.dtype == taxonomy.typed_names.dtype
        found = form.restore(np.array([1, 0], np.int32), taxonomy, "any")
        assert found.tolist() == ["A", None]
        # The dtype tells what answers may be, not what they are.
        assert form.restore(taxonomy.ids(["a"]), taxonomy, "any").dtype == object


def test_no_answer_is_none_whatever_names_the_root():
    taxonomy = Taxonomy.from_edges([(("the", "root"), 1), (("the", "root"), 2)])
    _, _, form = read_targets([1, 2], taxonomy)
    assert form.restore(np.array([0, 1], np.int32), taxonomy, "any").tolist() == [None, 1]
    assert form.restore(np.array([1, 2], np.int32), taxonomy).dtype.kind == "i"


def level_containers(rows):
    polars = optional("polars")
    padded = [[*row, *[None] * (3 - len(row))] for row in rows]
    names = ["top", "middle", "low"]
    return {
        "object array": np.array(padded, dtype=object),
        "text array": np.array([[step or "" for step in row] for row in padded]),
        "lists": rows,
        "pandas": pd.DataFrame(padded, columns=names),
        "polars": polars.DataFrame(padded, schema=names, orient="row"),
    }


ROWS = [["A", "A1", "a"], ["A", "A2"], ["B", "B1"], ["C"]]


@pytest.mark.parametrize("given_taxonomy", [True, False])
@pytest.mark.parametrize("name", ["object array", "text array", "lists", "pandas", "polars"])
def test_paths_come_back_as_they_were_given(name, given_taxonomy):
    Y = level_containers(ROWS)[name]
    nodes, taxonomy, form = read_targets(Y, RAGGED if given_taxonomy else None)
    assert [len(taxonomy.path(taxonomy.nodes[node])) for node in nodes] == [3, 2, 2, 1]
    restored = form.restore(nodes, taxonomy)
    assert type(restored) is type(Y)
    if isinstance(Y, pd.DataFrame):
        pd.testing.assert_frame_equal(restored, Y)
    elif isinstance(Y, list):
        assert restored == Y
    elif isinstance(Y, np.ndarray):
        assert restored.dtype.kind == Y.dtype.kind
        np.testing.assert_array_equal(restored, Y)
    else:
        assert restored.equals(Y)
    assert form.read(Y, taxonomy).tolist() == nodes.tolist()


def test_numbers_and_their_padding_come_back():
    Y = np.array([[1.0, 2.0], [3.0, np.nan]])
    nodes, taxonomy, form = read_targets(Y, None)
    np.testing.assert_array_equal(form.restore(nodes, taxonomy), Y)
    Y = np.array([[1, 2], [3, 4]])
    nodes, taxonomy, form = read_targets(Y, None)
    assert form.restore(nodes, taxonomy).dtype == Y.dtype


def test_unknown_labels_of_other_data_are_no_error():
    _, taxonomy, form = read_targets([["A", "a"], ["B", "b"]], None)
    assert form.read([["A", "a"], ["A", "x"], ["Z", "a"], [None, None]], taxonomy)[1:].tolist() == [
        -1, -1, -1,
    ]  # fmt: skip


def test_codes_are_decoded_by_classes():
    classes = ["B1", "C", "a"]
    nodes, _, form = read_targets(np.array([2, 0, 2]), RAGGED, classes)
    assert [RAGGED.nodes[node] for node in nodes] == ["a", "B1", "a"]
    assert form.classes.tolist() == [0, 2]
    assert form.restore(nodes, RAGGED).tolist() == [2, 0, 2]
    assert form.read([2, 1], RAGGED).tolist() == [nodes[0], -1]
    # Integers out of their range are not codes, but labels that the taxonomy does not have.
    for outside in ([-1, 2], [0, 3]):
        with pytest.raises(TargetError, match=str(outside[outside != [-1, 2]])):
            read_targets(np.array(outside), RAGGED, classes)
    nodes, _, form = read_targets(["C", "a"], RAGGED, classes)
    assert form.classes.tolist() == ["C", "a"]
    with pytest.raises(TargetError, match="not an encoded class"):
        read_targets(np.array([0, 1]), RAGGED, classes)[2].restore(np.array([1], np.int32), RAGGED)


def test_codes_that_could_be_labels_are_refused():
    numbers = Taxonomy.flat([0, 1, 2, 3])
    with pytest.raises(TargetError, match="could be labels, or codes"):
        read_targets(np.array([0, 1]), numbers, [0, 1, 3][::-1])
    nodes, _, _ = read_targets(np.array([0, 1]), numbers, [0, 1, 2, 3])
    assert [numbers.nodes[node] for node in nodes] == [0, 1]
    nodes, _, _ = read_targets(np.array([0, 1]), Taxonomy.flat([10, 20]), [10, 20])
    assert nodes.tolist() == [1, 2]
    for outside in ([-1, 1], [0, 2]):
        with pytest.raises(TargetError):
            read_targets(np.array(outside), Taxonomy.flat([10, 20]), [10, 20])


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (["a", "bb"], "not in the taxonomy: 'bb'. Nearest names: 'b'"),
        (["a", None], "label of row 1 is missing"),
        (["a", "R"], "'R', the label of row 1, names the root, .*`root=None`"),
        (["a", float("nan")], "label of row 1 is missing"),
        (pd.Series(["a", None]), "label of row 1 is missing"),
        (pd.Series(["a", pd.NA], dtype="string"), "label of row 1 is missing"),
        ([0, 1], "classes=np.unique"),
        (np.array([[0, 1], [1, 0]]), "looks like a multi-label indicator"),
        (sparse.csr_array(np.eye(2)), "sparse"),
        ([["A", "A3"]], r"no 'A3' under 'A'. Nearest names: 'A"),
        ([["Q"]], "no 'Q' at the first level"),
        ([["A", None, "a"]], "gap"),
        ([["A"], []], "label of row 1 is missing"),
    ],
)
def test_bad_labels(y, match):
    with pytest.raises(TargetError, match=match):
        read_targets(y, RAGGED)


def test_paths_need_a_tree():
    with pytest.raises(ValueError, match="needs a tree"):
        read_targets([["P", "Z"]], DIAMOND)


@given(trees(), st.data())
def test_closures_of_all_formats_agree(tree, data):
    names = data.draw(st.lists(st.sampled_from(tree.nodes[1:]), min_size=1, max_size=8))
    by_name = closed_indicator(names, tree).toarray()
    wanted = [set(tree.ancestors(name)) | {name} for name in names]
    found = [{tree.nodes[i] for i in np.flatnonzero(row)} for row in by_name]
    assert found == wanted
    formats = {
        "levels": tree.to_levels(names),
        "paths": [list(tree.path(name)) for name in names],
        "sets": [{name} for name in names],
        "closed sets": wanted,
        "indicator": by_name[:, 1:],
        "sparse indicator": sparse.csr_matrix(by_name[:, 1:]),
    }
    for form in formats.values():
        np.testing.assert_array_equal(closed_indicator(form, tree).toarray(), by_name)
    assert nodes_or_root(names, tree).tolist() == tree.ids(names).tolist()


def test_nothing_is_the_empty_set():
    assert closed_indicator(["a", None], RAGGED).sum(axis=1).tolist() == [3, 0]
    assert closed_indicator([{"a", "B1"}, set()], RAGGED).sum(axis=1).tolist() == [5, 0]
    assert closed_indicator([["a", "B1"], []], RAGGED).sum(axis=1).tolist() == [5, 0]
    assert closed_indicator([["A", "A1"], []], RAGGED).sum(axis=1).tolist() == [2, 0]


def test_arrays_of_sets():
    rows = [frozenset({"a", "B1"}), None, frozenset(), frozenset(), {"c"}]
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    for form in (rows, array, pd.Series(rows), array[[1, 0, 2, 3, 4]]):
        found = closed_indicator(form, RAGGED)
        assert sorted(found.sum(axis=1).tolist()) == [0, 0, 0, 3, 5]
        assert holds_label_sets(form, RAGGED)
    given_labels = nodes_or_indicator(array, RAGGED)
    assert given_labels.sum(axis=1).tolist() == [2, 0, 0, 0, 1]
    assert not holds_label_sets(np.array([None, "a"], dtype=object), RAGGED)
    of_paths = nodes_or_indicator([["A", "A1"], ["B"]], RAGGED)
    assert of_paths.tolist() == RAGGED.ids(["A1", "B"]).tolist()
    closed = closed_indicator(np.array([None, None], dtype=object), RAGGED)
    assert closed.nnz == 0


def test_sets_may_be_names_of_nodes():
    taxonomy = Taxonomy.from_edges([("R", frozenset("ab")), (frozenset("ab"), "a")])
    assert closed_indicator([frozenset("ab"), "a"], taxonomy).sum(axis=1).tolist() == [1, 2]


def test_repeated_labels_count_once():
    assert nodes_or_indicator([["a", "a", "B1"]], RAGGED).toarray().max() == 1
    twice = sparse.csr_array(([1, 1], [0, 0], [0, 2]), shape=(1, 10))
    assert nodes_or_indicator(twice, RAGGED).nnz == 1


def test_paths_are_added_to_a_tree():
    for taxonomy in (RAGGED, TAXONOMIES["several_roots"], TAXONOMIES["repeated_names"]):
        own = taxonomy.to_levels(taxonomy.nodes[1:]).tolist()
        larger = with_paths(taxonomy, [*own, [], ["A", "new", "newer"], ["B"]])
        assert set(taxonomy.nodes) < set(larger.nodes)
        assert larger.root == taxonomy.root
        assert larger.to_levels(taxonomy.nodes[1:])[:, : taxonomy.n_levels].tolist() == own
        assert larger.leaves[-1] == "A/new/newer"
        for y in (own, taxonomy.to_levels(taxonomy.leaves), list(taxonomy.leaves)):
            assert with_paths(taxonomy, y) is taxonomy
    assert with_paths(RAGGED, [["a", "B1"], ["C"]]) is RAGGED
    assert with_paths(DIAMOND, [["P", "x"]]) is DIAMOND


def test_bad_sets():
    with pytest.raises(TargetError, match=r"Row 1 must be a collection of labels, got 'B1'"):
        closed_indicator([{"a"}, "B1"], RAGGED)
    with pytest.raises(TargetError, match="'x'"):
        closed_indicator([{"a"}, {"x"}], RAGGED)
    with pytest.raises(TargetError, match="got 3 columns"):
        closed_indicator(sparse.csr_array((2, 3)), RAGGED)


def test_a_taxonomy_is_inferred_from_paths_alone():
    _, taxonomy = detect_all([[["a", "x"], ["b"]], [["a", "y"], []]], None, "one")
    assert taxonomy.leaves == ("b", "a/x", "a/y")
    with pytest.raises(TargetError, match="pass `taxonomy=`"):
        detect_all([["a"], ["b"]], None, "any")
