"""Constructors take what users have, follow one rule for the root, and refuse the rest by name."""

import subprocess
import sys
import warnings
from types import MappingProxyType

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.naive_bayes import GaussianNB

from sklhier import HierarchicalClassifier, Taxonomy
from sklhier.exceptions import TargetError, TaxonomyError, TaxonomyWarning
from sklhier.taxonomy import ROOT

EDGES = [
    ("bird", "owl"),
    ("bird", "wren"),
    ("animal", "bird"),
    ("fish", "eel"),
    ("animal", "fish"),
]
UPWARDS = [(child, parent) for parent, child in EDGES]
TREE = Taxonomy.from_edges(EDGES)


def raises(match, build, *args, error=TaxonomyError, **kwargs):
    with pytest.raises(error, match=match) as caught:
        build(*args, **kwargs)
    assert len(str(caught.value)) <= 1000


# -- the root -----------------------------------------------------------------------------

SOURCES = {
    "edges": lambda **root: Taxonomy.from_edges([("A", "B"), ("A", "C")], **root),
    "parents": lambda **root: Taxonomy.from_parents({"B": "A", "C": "A"}, **root),
    "dict": lambda **root: Taxonomy.from_dict({"A": ["B", "C"]}, **root),
    "networkx": lambda **root: Taxonomy.from_networkx(
        nx.DiGraph([("A", "B"), ("A", "C")]), **root
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_single_top_of_a_graph_is_the_root_unless_it_is_to_be_a_class(source):
    build = SOURCES[source]
    for named in (build(), build(root="A")):
        assert named.root == "A"
        assert named.levels == (("B", "C"),)
    classes = build(root=None)
    assert classes.root is None
    assert classes.nodes == (ROOT, "A", "B", "C")
    assert classes.levels == (("A",), ("B", "C"))
    raises("no node 'auto'", build, root="auto")
    raises("nan cannot name a node .as the root", build, root=float("nan"))
    raises("cannot be the root: it is below 'A'", build, root="B")


@pytest.mark.parametrize("root", [{}, {"root": None}])
def test_several_tops_get_an_artificial_root(root):
    assert Taxonomy.from_dict({"A": ["B"], "C": ["D"]}, **root).levels[0] == ("A", "C")


PATHS = ["A/B", "A/C", "A/C/D"]


def levels(paths, **params):
    return Taxonomy.from_levels([path.split("/") for path in paths], **params)


@pytest.mark.parametrize("build", [Taxonomy.from_paths, levels])
def test_steps_are_classes_unless_the_root_is_named(build):
    with pytest.warns(TaxonomyWarning, match="begin with 'A'.*root='A'.*root=None") as caught:
        labels, tree = build(PATHS)
    assert len(caught) == 1
    assert caught[0].filename == __file__ or build is not Taxonomy.from_paths
    assert tree.levels == (("A",), ("A/B", "A/C"), ("A/C/D",))
    labels, same = build(PATHS, root=None)
    assert same == tree
    named_labels, named = build(PATHS, root="A")
    assert named.root == "A"
    assert named.levels == (("A/B", "A/C"), ("A/C/D",))
    assert named_labels.tolist() == labels.tolist() == PATHS
    assert named.to_levels(PATHS).tolist() == [["B", None], ["C", None], ["C", "D"]]
    raises(
        "got 'A', but row 1 begins with 'X'", build, ["A/B", "X/C"], root="A", error=TargetError
    )
    raises("but row 1 begins", build, ["A/B", "X/C", "Y"], root="A", error=TargetError)
    raises("'A' in row 1 names the root", build, ["A/B", "A"], root="A", error=TargetError)
    raises("'A' in row 1 names the root", build, ["A/B", "A", "A"], root="A", error=TargetError)


@pytest.mark.parametrize("paths", [["a/b"], ["a/b/c", "a/b"], ["a/b", "c/b"], ["a", "b/c"]])
@pytest.mark.parametrize("build", [Taxonomy.from_paths, levels])
def test_no_warning_where_paths_do_not_part_below_one_step(build, paths):
    build(paths)


def test_the_root_of_a_flat_tree():
    assert Taxonomy.flat(["b", "a"], root="all").nodes == ("all", "a", "b")
    assert Taxonomy.flat(["b", "a"], root=None).nodes == (ROOT, "a", "b")
    raises("'a' names the root", Taxonomy.flat, ["b", "a"], root="a", error=TargetError)


def test_a_tuple_may_name_the_root():
    root = ("r", 1)
    tree = Taxonomy.from_edges([(root, ("a",)), (root, ("b",))], root=root)
    assert tree.root == root
    assert tree.levels == ((("a",), ("b",)),)
    assert Taxonomy.from_levels([[root, "a"], [root, "b"]], root=root)[1].root == root


def test_a_set_with_the_root_is_refused():
    raises(
        "'A' in row 1 names the root",
        SOURCES["dict"]().binarize,
        [["B"], ["A"]],
        error=TargetError,
    )


# -- the constructor itself ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "match"),
    [
        ((["x", "y", "z"], [9, 2], [9, 0]), r"`parents` must .* in \[0, 2\], .*got 9"),
        ((["x", "y"], [0], [2]), r"`children` must .* in \[0, 1\], .*got 2"),
        ((["x", "y"], [-1], [1]), "got -1"),
        ((["x", "y"], [0.0], [1]), "got 0.0 of type float64"),
        ((["x", "y"], [0], [1.5]), "got 1.5 of type float64"),
        ((["x", "y"], [True], [1]), "got True of type bool"),
        ((["x", "y"], ["0"], [1]), "got '0' of type <U1"),
        ((["x", "y"], [2**70], [1]), "of type object"),
        ((["x", "y"], [[0], [1, 0]], [1]), "1-D array of integers"),
        ((["x", "y"], [[0]], [1]), "1-D array of integers"),
        ((["x", "y"], None, [1]), "1-D array of integers"),
        ((["x", "y"], [0, 0], [1]), "one entry for each edge, got 2 and 1"),
        ((["x", "x"], [0], [1]), "distinct, got 'x' and 'x'"),
        (([1, True, "a"], [0, 0], [1, 2]), "distinct, got 1 and True"),
        ((["x", None], [0], [1]), "None cannot name a node .as a node, at position 1"),
        ((["x", []], [0], [1]), "cannot name a node"),
        ((["x", ("a", [])], [0], [1]), "cannot name a node"),
        (("xy", [0], [1]), "must be a sequence.*got 'xy'"),
        (({"x", "y"}, [0], [1]), "must be a sequence"),
        ((5, [0], [1]), "must be a sequence.*got 5"),
        (([], [], []), "at least one node"),
        ((["x", ROOT], [0], [1]), "ROOT` may only name an artificial root"),
        ((["x", ROOT], [], []), "ROOT` may only name an artificial root"),
    ],
)
def test_wrong_numbers_and_names_are_refused(args, match):
    raises(match, Taxonomy, *args)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"root": 2}, r"`root` must be None or .* in \[0, 1\], got 2"),
        ({"root": -1}, "got -1"),
        ({"root": True}, "got True"),
        ({"root": "x"}, "got 'x'"),
        ({"artificial_root": "yes"}, "must be True or False, got 'yes'"),
        ({"root": 0, "artificial_root": True}, "Either `root` or `artificial_root`"),
        ({"steps": ["x"]}, "each of the 2 names, got 1"),
        ({"steps": ["x", None]}, "None cannot name a node .as a step"),
        ({"steps": "xy"}, "`steps` must be a sequence"),
    ],
)
def test_wrong_options_of_the_constructor_are_refused(params, match):
    raises(match, Taxonomy, ["x", "y"], [0], [1], **params)


def test_the_constructor_takes_arrays_and_numpy_integers():
    tree = Taxonomy(np.array(["x", "y"]), np.array([0], np.uint8), (1,), root=np.int64(0))
    assert tree == Taxonomy(("x", "y"), [0], [1])
    assert type(tree.nodes[0]) is str
    assert Taxonomy([ROOT, "x"], [0], [1], root=0) == Taxonomy(["x"], [], [], artificial_root=True)


ANY_NAME = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3), st.floats(), st.sampled_from(["a", "b", ""]),
    st.tuples(st.integers(0, 1)), st.lists(st.integers(), max_size=1), st.just(ROOT),
)  # fmt: skip
ANY_ID = st.one_of(
    st.integers(-1, 5), st.integers(-1, 5), st.floats(), st.none(), st.text(max_size=1)
)


@pytest.mark.more
@given(
    st.one_of(st.lists(ANY_NAME, max_size=5), ANY_NAME),
    st.one_of(st.lists(ANY_ID, max_size=5), st.lists(st.integers(0, 4), max_size=5), ANY_ID),
    st.one_of(st.lists(ANY_ID, max_size=5), st.lists(st.integers(0, 4), max_size=5), ANY_ID),
    st.one_of(st.none(), st.lists(ANY_NAME, max_size=5)),
    st.one_of(st.none(), ANY_ID),
    st.one_of(st.booleans(), ANY_ID),
)
def test_whatever_it_is_given_the_constructor_returns_a_taxonomy_or_a_reason(
    names, parents, children, steps, root, artificial
):
    try:
        tree = Taxonomy(
            names, parents, children, steps=steps, root=root, artificial_root=artificial
        )
    except TaxonomyError as error:
        length = len(str(error))
    else:
        length = 100
        assert len(set(tree.nodes)) == tree.n_nodes
        assert (tree.edge_parents < tree.edge_children).all()
    assert 10 < length <= 1000


@given(
    st.integers(2, 6).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)))
        )
    )
)
def test_edges_in_range_build_what_networkx_calls_acyclic(case):
    n_nodes, edges = case
    parents, children = [edge[0] for edge in edges], [edge[1] for edge in edges]
    acyclic = nx.is_directed_acyclic_graph(nx.DiGraph(edges))
    try:
        Taxonomy(range(n_nodes), parents, children)
    except TaxonomyError:
        assert not acyclic or len(set(edges)) < len(edges)
    else:
        assert acyclic


# -- order and types ----------------------------------------------------------------------


def test_sets_may_be_names_within_sets():
    names = {frozenset({1, 2}), ("x", frozenset({3})), "a"}
    assert set(Taxonomy.flat(names).nodes[1:]) == names


def test_different_steps_of_one_type_that_print_alike_are_refused():
    class Step:
        def __repr__(self):
            return "same"

    with pytest.raises(TaxonomyError, match="Two different paths print as 'top/same'"):
        Taxonomy.from_levels([["top", Step()], ["top", Step()]])


@pytest.mark.slow
def test_sets_do_not_depend_on_the_hash_seed():
    code = """
from sklhier import Taxonomy
names = ["x", "y", ("t", 1), 3, 2.5, b"z", frozenset("abc"), frozenset({("u", "v"), "w"})]
trees = [
    Taxonomy.from_dict({"a": set(names), "b": [{"c": set("pqrst")}]}),
    Taxonomy.flat(set(names)),
    Taxonomy.flat(names),
    Taxonomy.from_edges({("root", name) for name in names}),
]
for tree in trees:
    print([sorted(map(str, name)) if type(name) is frozenset else name for name in tree.nodes])
"""
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(runs) == 1


def test_names_that_hold_sets_are_sorted_however_the_sets_were_built():
    """Equal sets print in the order in which they were built, where two members collide."""
    orders = set()
    for first in (frozenset([0, 8]), frozenset([8, 0])):
        pair = {("t", first), ("t", frozenset([5]))}
        orders.add(Taxonomy.from_dict({"a": pair, "b": []}).children("a"))
    assert len(orders) == 1


def test_a_set_is_read_in_sorted_order_and_a_list_as_it_stands():
    tree = Taxonomy.from_dict({"a": {"y", "x", 10, 9, ("t",)}, "b": ["z", "w"]})
    assert tree.children("a") == (9, 10, "x", "y", ("t",))
    assert tree.children("b") == ("z", "w")
    assert Taxonomy.from_dict({"a": dict.fromkeys("yx").keys()}).leaves == ("y", "x")
    raises(
        "set below 'a' must hold names with an order",
        Taxonomy.from_dict,
        {"a": {object(), object()}},
    )
    raises("set of edges must hold names with an order", Taxonomy.from_edges, {(object(), "a")})
    raises("must have an order, got a set", Taxonomy.from_paths, {"a/b"}, error=TargetError)


def test_true_and_1_are_not_one_name():
    raises("must not mix True and 1", Taxonomy.from_edges, [(True, "a"), (1, "b")])
    raises("must not mix False and 0", Taxonomy.from_parents, {0: "a", "b": False})
    assert Taxonomy.from_edges([(True, False)]).nodes == (True, False)


# -- edges and parents --------------------------------------------------------------------

PAIRS = {"parent": ["p", "p"], "child": ["c", "d"]}


def test_tables_of_two_columns_are_edges():
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    wanted = Taxonomy.from_edges([("p", "c"), ("p", "d")])
    swapped = {"Child": PAIRS["child"], "PARENT ": PAIRS["parent"]}
    half = {"child": PAIRS["child"], "over": PAIRS["parent"]}
    halves = [
        dict(columns)
        for one, other in (("parent", "y"), ("x", "child"))
        for ends in [[(one, PAIRS["parent"]), (other, PAIRS["child"])]]
        for columns in (ends, ends[::-1])
    ]
    wide = {"note": ["", ""], **half, "parent": PAIRS["parent"]}
    for make in (pandas.DataFrame, polars.DataFrame, pyarrow.table):
        unnamed = {"x": PAIRS["parent"], "y": PAIRS["child"]}
        for columns in (PAIRS, swapped, half, *halves, wide, unnamed):
            assert Taxonomy.from_edges(make(columns)) == wanted
        assert Taxonomy.from_edges(make(swapped), direction="child_parent") == wanted
        upwards = make({"x": PAIRS["child"], "y": PAIRS["parent"]})
        assert Taxonomy.from_edges(upwards, direction="child_parent") == wanted
        raises("two columns.*got the columns .'a', 'b', 'c'", Taxonomy.from_edges,
               make({"a": ["x"], "b": ["y"], "c": ["z"]}))  # fmt: skip
        raises("two columns.*got the columns .'a'", Taxonomy.from_edges, make({"a": ["x"]}))
    twins = pandas.DataFrame([["p", "c"], ["p", "d"]], columns=["x", "x"])
    assert Taxonomy.from_edges(twins) == wanted
    twins.columns = ["parent", "parent"]
    raises("got the columns .'parent', 'parent'", Taxonomy.from_edges, twins)
    raises("got LazyFrame. Call its `collect", Taxonomy.from_edges, polars.LazyFrame(PAIRS))
    assert Taxonomy.from_edges(np.array([["p", "c"], ["p", "d"]])) == wanted
    raises("two columns, parent and child, got shape", Taxonomy.from_edges, np.zeros((2, 3)))


@pytest.mark.parametrize("missing", [None, float("nan"), "NA", "NaT", np.float64("nan")])
def test_a_missing_parent_stands_for_the_top(missing):
    if isinstance(missing, str):
        missing = getattr(pytest.importorskip("pandas"), missing)
    wanted = Taxonomy.from_edges([("a", "b"), ("a", "c")])
    assert Taxonomy.from_edges([(missing, "a"), ("a", "b"), ("a", "c")]) == wanted
    assert Taxonomy.from_parents({"a": missing, "b": "a", "c": "a"}) == wanted
    assert Taxonomy.from_edges([(missing, "a")], root=None).nodes == (ROOT, "a")
    raises("cannot name a node .as a child, at position 1", Taxonomy.from_edges,
           [("a", "b"), ("a", missing)])  # fmt: skip
    edges = [(missing, "a"), ("r", "a"), ("r", "b")]
    raises("'a' is at the top and under 'r'", Taxonomy.from_edges, edges)
    raises("None -> 'a' twice", Taxonomy.from_edges, [(missing, "a"), (missing, "a"), ("a", "b")])


def test_columns_of_numbers_keep_their_types_beside_a_missing_parent():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"child": [1, 2, 3], "parent": [None, 1, 1]})
    for table in (frame, frame.astype("Int64")):
        tree = Taxonomy.from_edges(table)
        assert tree.nodes == (1, 2, 3)
        assert set(map(type, tree.nodes)) == {int}
    assert Taxonomy.from_parents(frame.set_index("child")["parent"]).nodes == (1, 2, 3)
    assert type(Taxonomy.from_parents({1: None, 2: 1.0}).nodes[0]) is int


def test_a_series_of_parents():
    pandas = pytest.importorskip("pandas")
    parents = pandas.Series({"owl": "bird", "wren": "bird", "bird": None})
    assert Taxonomy.from_parents(parents) == Taxonomy.from_dict({"bird": ["owl", "wren"]})
    raises("index of a Series of parents must hold the nodes", Taxonomy.from_parents,
           pandas.Series(["bird", "bird"]))  # fmt: skip
    assert Taxonomy.from_parents(pandas.Series([None, 0, 0])).nodes == (0, 1, 2)
    twice = pandas.Series(["bird", "fish"], index=["owl", "owl"])
    raises("'owl' is under 'bird' and under 'fish'", Taxonomy.from_parents, twice)
    twice = pandas.Series([None, "fish"], index=["owl", "owl"])
    raises("'owl' is at the top and under 'fish'", Taxonomy.from_parents, twice)
    raises("got DataFrame.*from_edges", Taxonomy.from_parents, parents.reset_index())


class ItemsAlone(list):
    """Has items as a mapping, and is none."""

    def items(self):
        return iter(self)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (5, "got 5"),
        (None, "got NoneType"),
        ("ab", "got 'ab'"),
        ({"a": "b"}, "got dict. For a mapping .*from_parents"),
        (MappingProxyType({"a": "b"}), "got mappingproxy. For a mapping .*from_parents"),
        (ItemsAlone([("a", "b")]), "got ItemsAlone. For a mapping .*from_parents"),
        (nx.DiGraph([("a", "b")]), "got DiGraph.*from_networkx"),
        (["ab"], "pair, got 'ab' at position 0"),
        ([("a", "b"), 5], "pair, got 5 at position 1"),
        ([("a", "b"), np.array([["a"], ["c"]])], "pair, got array"),
        ([{"a", "b"}], "pair, got {"),
        ([{"parent": "a", "child": "b"}], "pair, got {'child'"),
        ([("a", "b", "c")], r"got \('a', 'b', 'c'\)"),
        (np.array(5), "got ndarray"),
        ([("a", ["b"])], "cannot name a node .as a child, at position 0"),
    ],
)
def test_other_sources_of_edges_are_refused(source, match):
    raises(match, Taxonomy.from_edges, source)


def test_generators_are_edges():
    assert Taxonomy.from_edges(edge for edge in EDGES) == TREE
    assert Taxonomy.from_edges(map(list, EDGES)) == TREE


@pytest.mark.parametrize("source", [5, None, "ab", [("a", "b")], {"a", "b"}, iter("ab")])
def test_other_sources_of_parents_are_refused(source):
    raises("must be a mapping, or a pandas Series", Taxonomy.from_parents, source)


def test_a_list_is_no_parent():
    raises("cannot name a node .as a parent", Taxonomy.from_parents, {"c": ["a", "b"]})


# -- direction ----------------------------------------------------------------------------


def from_graph(edges, **params):
    return Taxonomy.from_networkx(nx.DiGraph(edges), **params)


@pytest.mark.parametrize("build", [Taxonomy.from_edges, from_graph])
def test_edges_the_other_way_round(build):
    with pytest.warns(TaxonomyWarning, match="3 tops and 1 node.*'child_parent'") as caught:
        wrong = build(UPWARDS)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert wrong.leaves == ("animal",)
    assert build(UPWARDS, direction="parent_child") == wrong
    right = build(UPWARDS, direction="child_parent")
    assert right.root == "animal"
    assert set(right.leaves) == {"owl", "wren", "eel"}
    assert build(EDGES) == build(EDGES, direction="parent_child")
    raises("direction='child_parent'", build, UPWARDS, root="animal")
    raises("must be 'parent_child', 'child_parent' or None", build, EDGES, direction="up")


def test_an_ontology_the_other_way_round():
    downwards = [("root", p) for p in "abc"] + [(p, f"{p}{i}") for p in "abc" for i in range(5)]
    downwards += [("a", "b1"), ("c", "b2")]
    Taxonomy.from_edges(downwards)
    with pytest.warns(TaxonomyWarning, match="15 tops and 1 node"):
        Taxonomy.from_edges([edge[::-1] for edge in downwards])


@pytest.mark.parametrize(
    "edges",
    [
        [("a", "c"), ("b", "c")],  # two parents
        [("a", "b"), ("b", "c"), ("c", "d")],  # a chain
        [("a", "x"), ("b", "y"), ("c", "z"), ("d", "w")],
        [("a", "x"), ("b", "x"), ("b", "y"), ("c", "y"), ("c", "z")],
    ],
)
def test_edges_that_may_be_right_give_no_warning(edges):
    Taxonomy.from_edges(edges)


# -- nested mappings ----------------------------------------------------------------------


def test_lists_with_mappings_as_yaml_writes_them():
    nested = {"A": ["x", {"y": ["z", {"w": None}], "v": {}}, 3, ("t", 1)], "B": None}
    tree = Taxonomy.from_dict(nested)
    assert tree.children("A") == ("x", "y", "v", 3, ("t", 1))
    assert tree.children("y") == ("z", "w")
    assert Taxonomy.from_dict([{"A": nested["A"]}, "B"]) == tree
    assert Taxonomy.from_dict({"A": (name for name in "xy")}).leaves == ("x", "y")
    assert Taxonomy.from_dict({"A": np.array([1, 2])}).leaves == (1, 2)
    assert Taxonomy.from_dict({"A": {"B": float("nan")}}).leaves == ("B",)


@pytest.mark.parametrize(
    ("nested", "match"),
    [
        (5, "or None at the top, got 5"),
        ({"A": 3}, r"or None below 'A', got 3. Did you mean \[3\]"),
        ({"A": 0}, "or None below 'A', got 0"),
        ({"A": b"xy"}, "or None below 'A', got b'xy'"),
        ({"A": [["x"]]}, "list below 'A' must hold names, or mappings"),
        ({"A": [None]}, "None cannot name a node .below 'A', at position 0"),
        ({"A": ["x", "x"]}, "'A' -> 'x' twice"),
        ({"A": ["x", {"x": ["y"]}]}, "'A' -> 'x' twice"),
        ({"A": ["x"], "B": [{"y": ["x"]}]}, "'x' is under 'A' and under 'y'"),
        ({"A": ["x" * 10**6, "x" * 10**6]}, "twice"),
        ({}, "at least one node"),
        (None, "at least one node"),
    ],
)
def test_other_nested_values_are_refused(nested, match):
    raises(match, Taxonomy.from_dict, nested)


def test_a_mapping_within_itself_ends():
    endless = {}
    endless["a"] = endless
    raises("'a' is at the top and under 'a'", Taxonomy.from_dict, endless)


@pytest.mark.more
def test_no_recursion_on_nested_lists():
    nested = bottom = []
    for node in range(20_000):
        below = []
        bottom.append({node: below})
        bottom = below
    assert Taxonomy.from_dict(nested).n_levels == 19_999
    while nested:  # Python itself frees nested lists by recursion
        nested = next(iter(nested.pop().values()))


# -- messages -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "build",
    [
        lambda big: Taxonomy.from_edges([("a", big), ("b", big), ("a", big)]),
        lambda big: Taxonomy.from_edges([("a", [big])]),
        lambda big: Taxonomy.from_edges([big]),
        lambda big: Taxonomy.from_edges([("a", "b")], root=big),
        lambda big: Taxonomy.from_dict({"a": big}),
        lambda big: Taxonomy.from_dict({"a": [big], "b": [big]}),
        lambda big: Taxonomy.from_paths([f"a//{big}"]),
        lambda big: Taxonomy.from_paths([f"a/{big}", "b"], root="a"),
        lambda big: Taxonomy.from_levels([["a", None, big]]),
        lambda big: Taxonomy.from_levels([[big, "x"]], root="a"),
        lambda big: Taxonomy([big, big], [0], [1]),
        lambda big: Taxonomy(["a", "b"], big, [1]),
        lambda big: Taxonomy.flat(["a"]).id(big),
        lambda big: Taxonomy.flat(["a"]).to_levels([big]),
    ],
)
def test_messages_stay_short(build):
    with pytest.raises((TaxonomyError, TargetError)) as caught:
        build("long " * 50_000)
    assert len(str(caught.value)) <= 1000


def test_no_source_of_ordinary_trees_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for build in SOURCES.values():
            build()
        Taxonomy.from_paths(["a/x", "a/y", "b"])
        Taxonomy.flat(["a", "A"])


# -- labels -------------------------------------------------------------------------------


def test_a_table_of_one_column_holds_labels():
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    for make in (pandas.DataFrame, polars.DataFrame, pytest.importorskip("pyarrow").table):
        labels, _ = Taxonomy.from_paths(make({"p": ["a/x", "b/y"]}))
        assert labels.tolist() == ["a/x", "b/y"]
        assert Taxonomy.flat(make({"p": ["a", "b"]})).leaves == ("a", "b")
        two = make({"p": ["a"], "q": ["b"]})
        for build in (Taxonomy.from_paths, Taxonomy.flat):
            raises("one column, got 2.*from_levels", build, two, error=TargetError)
    for build in (Taxonomy.from_paths, Taxonomy.from_levels, Taxonomy.flat):
        lazy = polars.LazyFrame({"p": ["a"]})
        raises("in memory, got LazyFrame", build, lazy, error=TargetError)


class Lazy:
    """Looks like a frame of dask."""

    dask, columns, shape = {}, ["parent", "child"], (object(), 2)

    def __iter__(self):
        return iter(self.columns)


def test_tables_that_are_not_in_memory_are_refused():
    raises("got Lazy. Call its `compute", Taxonomy.from_edges, Lazy())
    for build in (Taxonomy.from_paths, Taxonomy.from_levels, Taxonomy.flat):
        raises("in memory, got a dask collection", build, Lazy(), error=TargetError)


@pytest.mark.parametrize("source", [None, 5, "ab", b"ab"])
@pytest.mark.parametrize("build", [Taxonomy.from_paths, Taxonomy.from_levels, Taxonomy.flat])
def test_what_holds_no_labels_is_refused(build, source):
    raises("a label or path for each sample", build, source, error=TargetError)


def test_generators_hold_labels():
    assert Taxonomy.from_paths(path for path in ["a/x", "b"])[0].tolist() == ["a/x", "b"]
    assert Taxonomy.from_levels(row for row in [["a", "x"], ["b"]])[0].tolist() == ["a/x", "b"]
    assert Taxonomy.flat(name for name in "ba").leaves == ("a", "b")


def test_classes_in_a_set_have_no_order():
    X, y = np.zeros((4, 1)), ["a", "b", "a", "b"]
    model = HierarchicalClassifier(GaussianNB(), classes={"a", "b"})
    raises("must have an order, got the set", model.fit, X, y, error=TargetError)
