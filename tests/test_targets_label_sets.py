"""Several labels for each sample are read from any format and given back in it."""

import csv

import numpy as np
import pandas as pd
import pytest
from conftest import DIAMOND, TAXONOMIES, shared_data
from generators import dags, label_sets, trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.model_selection import KFold
from test_model_selection import read_table

from sklhier import Taxonomy
from sklhier._targets.any_format import closed_indicator, holds_label_sets
from sklhier._targets.formats import detect
from sklhier._targets.label_sets import FrameFormat, read_label_sets
from sklhier.exceptions import TargetError, TaxonomyError
from sklhier.model_selection import HierarchicalStratifiedKFold

RAGGED = TAXONOMIES["ragged"]
TUPLES = Taxonomy.from_edges([(("A",), ("A", "x")), (("A",), ("A", "y"))])


def closure(labels, taxonomy):
    above = (name for label in labels for name in taxonomy.ancestors(label))
    return {*labels, *above} - {taxonomy.root}


def specific(labels, taxonomy):
    """The definition: what has no descendant in the set."""
    return {label for label in labels if not {*taxonomy.descendants(label)} & set(labels)}


def in_order(labels, taxonomy):
    return sorted(labels, key=taxonomy.nodes.index)


def objects(rows):
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


@st.composite
def cases(draw, taxonomies=None, n_rows=6):
    """A taxonomy, rows of most specific labels, and the indicator of their closures."""
    taxonomy = draw(st.one_of(trees(), dags()) if taxonomies is None else taxonomies)
    drawn = draw(label_sets(taxonomy, n_rows))
    rows = [in_order(specific(row, taxonomy), taxonomy) for row in drawn]
    closed = [closure(row, taxonomy) for row in rows]
    table = np.array([[node in row for node in taxonomy.nodes[1:]] for row in closed], dtype=int)
    return taxonomy, rows, table


def read(y, taxonomy, classes=None):
    closed, taxonomy, form = read_label_sets(y, taxonomy, classes)
    assert closed.dtype == np.float64
    assert closed.has_canonical_format
    assert (closed.data == 1).all()
    assert_array_equal(form.read(y, taxonomy).toarray(), closed.toarray())
    return closed, taxonomy, form


def test_names_of_inferred_nodes_keep_their_spaces():
    _, taxonomy, _ = read_label_sets([[[" a", "x "]], [["b", "y"], [" a", "z"]]], None, None)
    assert set(taxonomy.nodes[1:]) == {" a", "b", " a/x ", " a/z", "b/y"}


# -- round trips --------------------------------------------------------------------------

DENSE = {
    "int": lambda table: table,
    "bool": lambda table: table.astype(bool),
    "uint8": lambda table: table.astype(np.uint8),
    "float32": lambda table: table.astype(np.float32),
    "object": lambda table: table.astype(object),
}
SPARSE = {
    "csr array": sparse.csr_array,
    "csr matrix": sparse.csr_matrix,
    "bool csc array": lambda table: sparse.csc_array(table.astype(bool)),
    "float coo matrix": lambda table: sparse.coo_matrix(table.astype(np.float32)),
    "lil array": sparse.lil_array,
}


@pytest.mark.few(2)
@pytest.mark.parametrize("name", list(DENSE))
@given(cases())
def test_dense_indicators(name, case):
    taxonomy, rows, table = case
    y = DENSE[name](table)
    closed, same, form = read(y, taxonomy, taxonomy.nodes[1:])
    assert same is taxonomy
    assert_array_equal(closed.toarray(), closed_indicator(rows_as_sets(rows), taxonomy).toarray())
    restored = form.restore(closed, taxonomy)
    assert type(restored) is np.ndarray
    assert restored.dtype == y.dtype
    assert_array_equal(restored, y)
    assert form.class_ids.tolist() == list(range(1, taxonomy.n_nodes))


def rows_as_sets(rows):
    return [set(row) for row in rows]


@pytest.mark.few(2)
@pytest.mark.parametrize("name", list(SPARSE))
@given(cases())
def test_sparse_indicators(name, case):
    taxonomy, _, table = case
    y = SPARSE[name](table)
    before = y.copy()
    closed, _, form = read(y, taxonomy, taxonomy.nodes[1:])
    restored = form.restore(closed, taxonomy)
    wanted = sparse.csr_matrix if isinstance(y, sparse.spmatrix) else sparse.csr_array
    assert type(restored) is wanted
    assert restored.dtype == y.dtype
    assert_array_equal(restored.toarray(), table)
    assert_array_equal(y.toarray(), before.toarray())


@given(cases(), st.data())
def test_columns_of_an_indicator(case, data):
    taxonomy, _, table = case
    names = data.draw(st.lists(st.sampled_from(taxonomy.nodes[1:]), min_size=1, unique=True))
    columns = taxonomy.ids(names) - 1
    y = table[:, columns]
    wanted = [
        closure([n for n, bit in zip(names, row, strict=True) if bit], taxonomy) for row in y
    ]
    frame = pd.DataFrame(y, columns=names).astype({names[0]: bool})
    for given_as, classes in ((y, names), (frame, None), (frame, list(taxonomy.leaves))):
        closed, _, form = read(given_as, taxonomy, classes)
        assert as_sets(closed, taxonomy) == wanted
        assert form.class_ids.tolist() == (columns + 1).tolist()
        restored = form.restore(closed, taxonomy)
        if isinstance(given_as, pd.DataFrame):
            pd.testing.assert_frame_equal(restored, given_as)
        else:
            assert_array_equal(restored, y)


def as_sets(closed, taxonomy):
    return [{taxonomy.nodes[node] for node in np.flatnonzero(row)} for row in closed.toarray()]


@given(cases())
def test_an_indicator_of_leaves(case):
    taxonomy, _, table = case
    y = table[:, taxonomy.leaf_ids - 1]
    closed, _, form = read(y, taxonomy, taxonomy.leaves)
    assert form.class_ids.tolist() == taxonomy.leaf_ids.tolist()
    assert_array_equal(form.restore(closed, taxonomy), y)
    assert as_sets(closed, taxonomy) == [
        closure([n for n, bit in zip(taxonomy.leaves, row, strict=True) if bit], taxonomy)
        for row in y
    ]


def test_polars_frames():
    polars = pytest.importorskip("polars")
    y = polars.DataFrame({"C": [0, 1], "a": [True, False]})
    closed, _, form = read(y, RAGGED)
    assert as_sets(closed, RAGGED) == [{"A", "A1", "a"}, {"C"}]
    assert form.restore(closed, RAGGED).equals(y)
    assert holds_label_sets(y, RAGGED)


def test_an_indicator_that_is_not_closed_comes_back_closed():
    y = RAGGED.binarize([["a"], ["B1", "B"]], closed=False)
    closed, _, form = read(y, RAGGED, RAGGED.nodes[1:])
    assert_array_equal(
        form.restore(closed, RAGGED).toarray(), RAGGED.binarize([["a"], ["B1"]]).toarray()
    )


def test_without_a_taxonomy_an_indicator_is_flat():
    y = np.array([[0, 1, 1], [0, 0, 0]])
    closed, taxonomy, form = read(y, None)
    assert taxonomy == Taxonomy.flat([0, 1, 2])
    assert_array_equal(closed.toarray()[:, 1:], y)
    for given_as, classes in ((y, ["c", "a", "b"]), (pd.DataFrame(y, columns=list("cab")), None)):
        closed, taxonomy, form = read(given_as, None, classes)
        assert taxonomy == Taxonomy.flat(["a", "b", "c"])
        assert as_sets(closed, taxonomy) == [{"a", "b"}, set()]
        assert_array_equal(np.asarray(form.restore(closed, taxonomy)), y)
    closed, taxonomy, form = read([["c"], []], None, ["c", "a"])
    assert taxonomy == Taxonomy.flat(["a", "c"])
    assert form.restore(closed, taxonomy) == [["c"], []]


COLLECTIONS = {
    "lists": list,
    "object array of lists": objects,
    "series of lists": pd.Series,
    "sets": lambda rows: [set(row) for row in rows],
    "frozensets": lambda rows: [frozenset(row) for row in rows],
    "object array of frozensets": lambda rows: objects([frozenset(row) for row in rows]),
}


@pytest.mark.few(2)
@pytest.mark.parametrize("name", list(COLLECTIONS))
@given(cases())
def test_collections(name, case):
    taxonomy, rows, table = case
    y = COLLECTIONS[name](rows)
    closed, _, form = read(y, taxonomy)
    assert_array_equal(closed.toarray()[:, 1:], table)
    named = {label for row in rows for label in row}
    assert form.class_ids.tolist() == sorted(taxonomy.ids(list(named)).tolist())
    restored = form.restore(closed, taxonomy)
    assert type(restored) is type(y)
    # A row of mere top-level labels is closed, and as specific as can be.
    assert list(restored) == list(y)
    assert list(map(type, restored)) == list(map(type, y))


@pytest.mark.few(2)
@pytest.mark.parametrize("name", list(COLLECTIONS))
@given(cases())
def test_closed_collections(name, case):
    taxonomy, rows, _ = case
    y = COLLECTIONS[name]([in_order(closure(row, taxonomy), taxonomy) for row in rows])
    closed, _, form = read(y, taxonomy)
    assert list(form.restore(closed, taxonomy)) == list(y)


def test_one_row_that_is_not_closed_asks_for_the_most_specific_labels():
    closed, _, form = read([["A", "A1"], ["B1"]], RAGGED)
    assert form.restore(closed, RAGGED) == [["A1"], ["B1"]]
    closed, _, form = read([["A"], ["B"]], RAGGED)  # says nothing about ancestors
    assert form.restore(form.read([["a"]], RAGGED), RAGGED) == [["a"]]


@pytest.mark.few(2)
@pytest.mark.filterwarnings("ignore::sklhier.exceptions.TaxonomyWarning")  # one first step
@pytest.mark.parametrize("kind", [list, frozenset])
@pytest.mark.parametrize("inferred", [True, False])
@given(cases(trees()))
def test_paths(inferred, kind, case):
    taxonomy, rows, table = case
    y = [kind([taxonomy.path(label) for label in row]) for row in rows]
    if inferred and not any(rows):
        return
    closed, known, form = read(y, None if inferred else taxonomy)
    if inferred:  # other numbers of nodes, so another order
        assert list(map(set, form.restore(closed, known))) == list(map(set, y))
    else:
        assert form.restore(closed, known) == y
        assert_array_equal(closed.toarray()[:, 1:], table)
    with_beginnings = [
        kind([taxonomy.path(n) for n in in_order(closure(row, taxonomy), taxonomy)])
        for row in rows
    ]
    closed, known, form = read(with_beginnings, taxonomy)
    assert form.restore(closed, known) == with_beginnings


def test_steps_of_paths_keep_their_types():
    y = [[("a", 1), ("b",)], None, [["a", 2.5], ["a", "2"]], []]
    closed, taxonomy, form = read(y, None)
    assert taxonomy.n_levels == 2
    restored = form.restore(closed, taxonomy)
    assert [set(row) for row in restored] == [
        {("a", 1), ("b",)}, set(), {("a", 2.5), ("a", "2")}, set(),
    ]  # fmt: skip
    assert form.read([[("a", 1)]], taxonomy).sum() == 2
    with pytest.raises(TargetError, match="no 3 under 'a'"):
        form.read([[("a", 3)]], taxonomy)


@pytest.mark.parametrize("container", [list, tuple, np.array, objects, pd.Series, pd.Categorical])
def test_one_label_each(container):
    closed, _, form = read(container(["a", "C", "a"]), RAGGED)
    assert as_sets(closed, RAGGED) == [{"A", "A1", "a"}, {"C"}, {"A", "A1", "a"}]
    assert form.restore(closed, RAGGED) == [["a"], ["C"], ["a"]]
    closed, _, _ = read(objects(["a", None, float("nan")]), RAGGED)
    assert closed.sum(axis=1).tolist() == [3, 0, 0]


def test_names_may_be_tuples_or_sets():
    for y in (
        [("A", "x"), ("A", "y")],
        [[("A", "x")], [("A", "y")]],
        [{("A", "x")}, {("A", "y")}],
    ):
        closed, _, form = read(y, TUPLES)
        assert as_sets(closed, TUPLES) == [{("A", "x")}, {("A", "y")}]
        assert [list(row) for row in form.restore(closed, TUPLES)] == [[("A", "x")], [("A", "y")]]
    with pytest.raises(
        TargetError, match=r"not in the taxonomy: \('A', 'z'\). Nearest names: \('A"
    ):
        read([[("A", "x")], [("A", "z")]], TUPLES)
    both = Taxonomy.from_edges([("R", frozenset("ab")), (frozenset("ab"), "a")])
    closed, _, _ = read([frozenset("ab"), "a"], both)
    assert closed.sum(axis=1).tolist() == [1, 2]
    assert not holds_label_sets([frozenset("ab"), "a"], both)


def test_collections_of_every_kind_and_arrays_within():
    y = [["a", "a"], ("B1",), {"C"}, np.array(["c", "B"]), None, []]
    closed, _, form = read(y, RAGGED)
    assert form.restore(closed, RAGGED) == [["a"], ["B1"], ["C"], ["B", "c"], [], []]
    assert form.read([], RAGGED).shape == (0, RAGGED.n_nodes)
    assert form.restore(form.read([], RAGGED), RAGGED) == []


def test_restored_rows_are_not_shared():
    closed, _, form = read([["a"], ["a"]], RAGGED)
    restored = form.restore(closed, RAGGED)
    restored[0].append("b")
    assert restored[1] == ["a"]


@given(cases(), st.data())
def test_a_format_reads_every_other(case, data):
    taxonomy, rows, table = case
    formats = [table, sparse.csr_array(table), rows, rows_as_sets(rows), objects(rows)]
    formats.append(pd.DataFrame(table, columns=list(taxonomy.nodes[1:])))
    if taxonomy.is_tree and any(rows):
        formats.append([[taxonomy.path(label) for label in row] for row in rows])
    _, _, form = read_label_sets(data.draw(st.sampled_from(formats)), taxonomy)
    for other in formats:
        assert_array_equal(form.read(other, taxonomy).toarray()[:, 1:], table)


def test_a_table_is_read_with_the_columns_of_the_first():
    y = np.array([[1, 0], [0, 1]])
    _, _, form = read(y, RAGGED, ["C", "a"])
    assert as_sets(form.read(sparse.csr_matrix(y), RAGGED), RAGGED)[0] == {"C"}
    with pytest.raises(TargetError, match="got 3 columns"):
        form.read(np.eye(3), RAGGED)
    _, _, form = read(pd.DataFrame(y, columns=["C", "a"]), RAGGED)
    assert as_sets(form.read(y, RAGGED), RAGGED)[0] == {"C"}


# -- errors -------------------------------------------------------------------------------


def frame_of(*names):
    return pd.DataFrame(np.zeros((2, len(names)), dtype=int), columns=list(names))


@pytest.mark.parametrize(
    ("y", "classes", "match"),
    [
        (
            np.eye(3),
            None,
            r" 10 nodes .* the 6 of taxonomy.leaves, got 3 columns.*`classes`",
        ),
        (
            sparse.csr_array(np.eye(4)),
            None,
            "got 4 columns.*'sparse indicator', because it is a sparse matrix",
        ),
        (np.eye(3), ["a", "b"], "each of the 2 labels of `classes` .*, got 3 columns"),
        (np.eye(2), ["a", "bb"], "not in the taxonomy: 'bb'. Nearest names: 'b'"),
        (np.eye(2), ["a", "a"], "'a' names more than one column"),
        (np.eye(2), ["a", "R"], "'R' names a column, but it is the root"),
        (np.full((2, 10), 2), None, "only 0 and 1, got 2"),
        (np.full((2, 10), 0.5), None, "got 0.5"),
        (np.full((2, 10), np.nan), None, "got nan"),
        (sparse.csr_array(np.full((2, 10), -1)), None, "got -1"),
        (np.array([["a", "b"]]), None, "got 'a'"),
        (np.array([["a", None]], dtype=object), None, "got 'a'.*one collection for each"),
        (frame_of("a", "x"), None, r"'x'\..*data frame are named by nodes"),
        (frame_of("a", "R"), None, "it is the root"),
        (pd.DataFrame({"a": ["x", "y"], "b": [0, 1]}), None, "got 'x'"),
        (pd.DataFrame({"a": ["x"]}), None, "not in the taxonomy: 'x'"),
        ([["a"], ["R"]], None, "'R' in row 1 names the root.*`root=None`"),
        (["a", "R"], None, "'R', the label of row 1, names the root.*`root=None`"),
        ([{"a": 1}], None, "Row 0 must be a collection of labels, got {'a': 1}"),
        ([["a"], ["a1"]], None, r"not in the taxonomy: 'a1'. Nearest names: 'A1', 'a'"),
        (["a", "a1"], None, "not in the taxonomy: 'a1'"),
        ([["a"], "a"], None, r"Row 1 must be a collection of labels, got 'a'"),
        ([["a"], 3], None, r"Row 1 must be a collection of labels, got 3"),
        ([[], ["a", None]], None, "Row 1 holds None, which cannot be a label"),
        ([["a", "b"], ["b", ["a"]]], None, r"Row 1 holds \['a'\]"),
        ([[0, 1], [1, 0]], None, "got 2 columns.*'rows of bits', because"),
        ([[0, 1], [1]], None, "not in the taxonomy: 0, 1"),
        ([[("A", "A3")]], None, "no 'A3' under 'A'. Nearest names: 'A"),
        ([[], [("A",), ()]], None, "label of row 1 is missing"),
        ([[], [("A", None, "a")]], None, r"Row 1 has a gap in its path \('A', None, 'a'\)"),
        ("a", None, "got str"),
        (3, None, "got int"),
        (np.zeros((2, 2, 2)), None, r"shape \(2, 2, 2\)"),
    ],
)
def test_bad_targets(y, classes, match):
    with pytest.raises(TargetError, match=match):
        read_label_sets(y, RAGGED, classes)


@pytest.mark.parametrize("y", [["a"], [["a"], []], [{"a"}], [[], None], [("a", "b")]])
def test_labels_alone_are_no_taxonomy(y):
    with pytest.raises(TargetError, match=r"pass `taxonomy=`, or paths"):
        read_label_sets(y, None)


def test_rows_of_bits_are_an_indicator_unless_they_name_nodes():
    rows = [[0, 1], [1, 1]]
    closed, taxonomy, _ = read_label_sets(rows, None)
    assert_array_equal(closed.toarray()[:, 1:], rows)
    assert taxonomy.nodes[1:] == (0, 1)
    named = Taxonomy.from_edges([("R", 0), (0, 1)])
    assert_array_equal(read_label_sets(rows, named)[0].toarray()[:, 1:], [[1, 1], [1, 1]])


def test_paths_need_a_tree():
    with pytest.raises(TaxonomyError, match="A path needs a tree"):
        read_label_sets([[("P", "Z")]], DIAMOND)


def test_unknown_labels_of_other_data_are_refused():
    for y in (np.zeros((1, 10)), [["a"]], frame_of("a", "b"), [[("A",)]]):
        _, _, form = read(y, RAGGED)
        with pytest.raises(TargetError, match="'x'"):
            form.read([["x"]], RAGGED)


def test_the_root_is_no_name_to_suggest():
    news = Taxonomy.from_edges([("news", "sport"), ("news", "arts")], root="news")
    with pytest.raises(TargetError, match="'newz'") as caught:
        news.binarize([["newz"]])
    assert "'news'" not in str(caught.value)


# -- Taxonomy.binarize --------------------------------------------------------------------


@given(st.one_of(trees(), dags()), st.data())
def test_binarize(taxonomy, data):
    rows = data.draw(label_sets(taxonomy, 5))
    Y = taxonomy.binarize(rows)
    plain = taxonomy.binarize(rows, closed=False, sparse_output=False)
    assert isinstance(Y, sparse.csr_array)
    assert Y.dtype == plain.dtype == np.int64
    names = taxonomy.nodes[1:]
    closed = [closure(row, taxonomy) for row in rows]
    assert Y.toarray().tolist() == [[int(name in row) for name in names] for row in closed]
    assert plain.tolist() == [[int(name in row) for name in names] for row in rows]
    most = [in_order(specific(row, taxonomy), taxonomy) for row in rows]
    for table in (Y, Y.toarray(), plain, plain.astype(bool), sparse.coo_matrix(plain)):
        assert taxonomy.inverse_binarize(table) == most
    assert taxonomy.inverse_binarize(plain, most_specific=False) == [
        in_order(row, taxonomy) for row in rows
    ]


def test_what_binarize_refuses():
    with pytest.raises(TargetError, match="Row 0 must be a collection of labels, got 'a'"):
        RAGGED.binarize(["a"])
    with pytest.raises(TargetError, match="'x', 'y'"):
        RAGGED.binarize([["a", "x"], ["y", "x"]])
    with pytest.raises(TargetError, match=r"10 nodes of taxonomy.nodes.*got 3 columns"):
        RAGGED.inverse_binarize(np.eye(3))
    with pytest.raises(TargetError, match="only 0 and 1, got "):
        RAGGED.inverse_binarize(np.full((1, 10), 0.5))
    with pytest.raises(TargetError, match=r"shape \(10,\)"):
        RAGGED.inverse_binarize(np.zeros(10))


def test_a_long_chain_has_one_most_specific_node():
    n_nodes = 300
    chain = Taxonomy(range(n_nodes), np.arange(n_nodes - 1), np.arange(1, n_nodes))
    assert chain.inverse_binarize(chain.binarize([[299], [5, 7]])) == [[299], [7]]


# -- what are label sets ------------------------------------------------------------------


def test_label_sets_are_told_from_labels_and_paths():
    indicator = RAGGED.binarize([["a"], ["C", "b"]])
    sets = [
        indicator, indicator.toarray(), indicator.toarray().astype(bool),
        pd.DataFrame(indicator.toarray(), columns=list(RAGGED.nodes[1:])),
        [{"a"}, {"b"}], [{"a"}, None], objects([frozenset("a"), frozenset()]),
        [["a", "C"], ["b"]], [["a"], []], [[("A",), ("B",)]], [[("A", "A1")]],
    ]  # fmt: skip
    for y in sets:
        assert holds_label_sets(y, RAGGED), y
    with_an_empty_path = detect([["A", "A1"], []], RAGGED, "any")
    assert not with_an_empty_path.several
    assert with_an_empty_path.may_be_sets
    others = [
        ["a", "b"], np.array(["a", "b"]), pd.Series(["a", None]), np.array([0, 1]),
        [["A", "A1"], ["B"]], RAGGED.to_levels(["a", "C"]),
        pd.DataFrame(RAGGED.to_levels(["a", "C"])), np.array([[0], [1]]), [],
    ]  # fmt: skip
    for y in others:
        assert not holds_label_sets(y, RAGGED), y
    assert detect([[("A",), ("B",)], []], None, "any").several
    assert not detect([["A", "A1"], ["B"]], None, "any").several
    assert not holds_label_sets([("A", "x")], TUPLES)


# -- the splitter -------------------------------------------------------------------------


def slow_folds(sets, taxonomy, n_splits):
    """The definition: row by row."""
    members = [closure(row, taxonomy) | {None} for row in sets]  # None: what all belong to
    least, n_larger = divmod(len(sets), n_splits)
    own = [[] for _ in range(n_splits)]
    order = [None, *taxonomy.nodes[1:]]
    left = list(range(len(sets)))
    while left:
        counts = {n: sum(n in members[row] for row in left) for n in order}
        node = min((n for n in order if counts[n]), key=lambda n: (counts[n], -order.index(n)))
        chain = [] if node is None else in_order(closure([node], taxonomy), taxonomy)[::-1]
        for row in [row for row in left if node in members[row]]:
            larger = sum(len(rows) > least for rows in own) < n_larger
            open_folds = [fold for fold in range(n_splits) if len(own[fold]) < least + larger]

            def claim(fold, chain=chain):
                of_nodes = [sum(n in members[r] for r in own[fold]) for n in chain]
                return [*of_nodes, len(own[fold]), fold]

            own[min(open_folds, key=claim)].append(row)
            left.remove(row)
    return [sorted(rows) for rows in own]


@st.composite
def split_cases(draw):
    taxonomy = draw(st.one_of(trees(), dags()))
    n_splits = draw(st.integers(2, 5))
    rows = draw(label_sets(taxonomy, draw(st.integers(n_splits, 30))))
    return taxonomy, rows, n_splits


@given(split_cases())
def test_folds_follow_the_definition(case):
    taxonomy, rows, n_splits = case
    folds = HierarchicalStratifiedKFold(n_splits, taxonomy=taxonomy)
    tests = [test.tolist() for _, test in folds.split(None, rows)]
    assert tests == slow_folds(rows, taxonomy, n_splits)


@given(split_cases(), st.one_of(st.none(), st.integers(0, 99)))
def test_folds_partition_the_rows(case, seed):
    taxonomy, rows, n_splits = case
    cv = HierarchicalStratifiedKFold(
        n_splits, taxonomy=taxonomy, shuffle=seed is not None, random_state=seed
    )
    folds = list(cv.split(np.zeros(len(rows)), rows))
    assert len(folds) == n_splits
    assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(len(rows)))
    for train, test in folds:
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(rows)))
        assert (np.diff(test) > 0).all()
    sizes = [len(test) for _, test in folds]
    assert max(sizes) - min(sizes) <= 1
    for (_, one), (_, again) in zip(folds, cv.split(None, rows), strict=True):
        assert_array_equal(one, again)


@given(st.lists(st.sampled_from("abcdef"), min_size=5, max_size=40), st.integers(2, 5))
def test_without_a_hierarchy_single_labels_are_spread_exactly(labels, n_splits):
    taxonomy = Taxonomy.flat(list("abcdef"))
    rows = [{label} for label in labels]
    Y = taxonomy.binarize(rows, sparse_output=False)
    counts = fold_counts(Y, HierarchicalStratifiedKFold(n_splits, taxonomy=taxonomy), rows)
    assert np.ptp(counts, axis=0).max() <= 1


def fold_counts(Y, cv, y):
    return np.array([Y[test].sum(axis=0) for _, test in cv.split(np.zeros(Y.shape[0]), y)])


def mean_deviation(counts):
    total = counts.sum(axis=0)
    seen = total > 0
    return np.abs(counts[:, seen] / total[seen] - 1 / len(counts)).mean()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["ragged", "diamond", "flat"])
def test_random_sets_are_spread_evenly(name, seed):
    taxonomy = {**TAXONOMIES, "diamond": DIAMOND}[name]
    rng = np.random.default_rng(seed)
    names = np.array(taxonomy.nodes[1:])
    sizes = rng.integers(0, 4, 200)
    rows = [set(rng.choice(names, min(size, len(names)), replace=False)) for size in sizes]
    Y = taxonomy.binarize(rows, sparse_output=False)
    for shuffle in (False, True):
        cv = HierarchicalStratifiedKFold(
            5, taxonomy=taxonomy, shuffle=shuffle, random_state=seed if shuffle else None
        )
        counts = fold_counts(Y, cv, rows)
        assert (counts[:, Y.sum(axis=0) >= 5] > 0).all()
        plain = KFold(5, shuffle=True, random_state=seed)
        assert mean_deviation(counts) < mean_deviation(fold_counts(Y, plain, rows)) / 2


def test_all_formats_are_split_alike():
    rows = [["a"], ["a", "C"], ["B1"], ["b", "B2"], [], ["C"], ["c", "B1"], ["c"]]
    table = RAGGED.binarize(rows)
    frame = pd.DataFrame(table.toarray(), columns=list(RAGGED.nodes[1:]))
    paths = [[RAGGED.path(label) for label in row] for row in rows]
    cv = HierarchicalStratifiedKFold(3, taxonomy=RAGGED)
    wanted = [test.tolist() for _, test in cv.split(None, rows)]
    for y in (table, table.toarray(), frame, paths, objects([frozenset(row) for row in rows])):
        assert [test.tolist() for _, test in cv.split(None, y)] == wanted
    leaves = HierarchicalStratifiedKFold(3, taxonomy=RAGGED, classes=["C", "a", "b"])
    assert len(list(leaves.split(None, table.toarray()[:, RAGGED.ids(["C", "a", "b"]) - 1]))) == 3
    alone = HierarchicalStratifiedKFold(2)
    assert len(list(alone.split(None, np.eye(4, dtype=int)))) == 2


def test_what_the_splitter_refuses():
    cv = HierarchicalStratifiedKFold(5, taxonomy=RAGGED)
    with pytest.raises(ValueError, match="n_splits=5 greater than the number of samples: n_sam"):
        cv.split(None, [{"a"}, {"b"}])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cv.split(np.zeros((3, 1)), [{"a"}] * 6)
    with pytest.raises(TargetError, match="not in the taxonomy: 'x'"):
        cv.split(None, [{"x"}] * 6)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["onet_tasks", "reuters21578"])
def test_real_label_sets_are_spread_evenly(name):
    folder = shared_data(name)
    with (folder / "hierarchy.csv").open(encoding="utf-8", newline="") as opened:
        edges = [(row["parent"], row["child"]) for row in csv.DictReader(opened)]
    taxonomy = Taxonomy.from_edges(edges, root="root")
    labels = read_table(folder / "train.tsv.gz", "labels")
    rows = [[label for label in text.split(";") if label] for text in labels]
    Y = taxonomy.binarize(rows).astype(np.float64)
    plain = mean_deviation(fold_counts(Y, KFold(5, shuffle=True, random_state=0), rows))
    ours = fold_counts(Y, HierarchicalStratifiedKFold(5, taxonomy=taxonomy), rows)
    assert mean_deviation(ours) < plain
    common = ours.sum(axis=0) >= 5
    assert (ours[:, common] == 0).any(axis=0).sum() <= 2


def test_columns_of_pandas_keep_their_types_in_models_of_earlier_versions():
    types = (np.dtype(bool), np.dtype(np.int8))
    saved = FrameFormat(np.array([1, 2], dtype=np.int32), "pandas", ("x", "y"), types)
    tree = Taxonomy.flat(["a", "b"])
    frame = saved.restore(sparse.csr_array(np.array([[0, 1, 0], [0, 1, 1]])), tree)
    assert tuple(frame.dtypes) == types
    assert frame["x"].tolist() == [True, True]
    assert frame["y"].tolist() == [0, 1]


@pytest.mark.parametrize("name", [0, 1])
def test_a_bit_that_names_a_node_is_a_label(name):
    closed, taxonomy, _ = read([[name], [name]], Taxonomy.flat([name, 2]))
    assert closed[:, [taxonomy.id(name)]].toarray().ravel().tolist() == [1, 1]
