"""The taxonomy agrees with networkx, keeps its invariants, and names culprits."""

import contextlib
import functools
import pickle
import subprocess
import sys
from itertools import pairwise

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import reference
from conftest import DIAMOND, SPARSE_TABLES, TAXONOMIES, with_explicit_zeros
from generators import dags, trees
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone

from sklhier import HierarchicalClassifier, Taxonomy
from sklhier.exceptions import TargetError, TaxonomyError
from sklhier.taxonomy import ROOT


@given(st.one_of(trees(), dags()))
def test_queries_agree_with_networkx(taxonomy):
    graph, root = taxonomy.to_networkx(), taxonomy.root
    depths = reference.depths(graph, root)
    for name in taxonomy.nodes:
        assert taxonomy.depth(name) == depths[name]
        assert set(taxonomy.children(name)) == set(graph.successors(name))
        assert set(taxonomy.parents(name)) == set(graph.predecessors(name))
        assert set(taxonomy.ancestors(name)) == nx.ancestors(graph, name) - {root}
        assert set(taxonomy.descendants(name)) == nx.descendants(graph, name)
        other = taxonomy.nodes[-1]
        up = graph.reverse()
        common = (nx.descendants(up, name) | {name}) & (nx.descendants(up, other) | {other})
        assert depths[taxonomy.lca(name, other)] == max(depths[node] for node in common)
        lengths = [
            nx.shortest_path_length(up, name, node) + nx.shortest_path_length(up, other, node)
            for node in common
        ]
        assert taxonomy.distance(name, other) == min(lengths)
    assert {leaf for leaf in graph if graph.out_degree(leaf) == 0} == set(taxonomy.leaves)


@given(st.one_of(trees(), dags()))
def test_array_invariants(taxonomy):
    parents, children = taxonomy.edge_parents, taxonomy.edge_children
    assert (parents < children).all()
    assert (np.diff(taxonomy.depths) >= 0).all()
    assert taxonomy.depths[0] == 0
    assert taxonomy.nodes[0] == "n0"
    closure = taxonomy.ancestor_closure.toarray()
    for node, name in enumerate(taxonomy.nodes):
        marked = {taxonomy.nodes[i] for i in np.flatnonzero(closure[node])}
        assert marked == (set(taxonomy.ancestors(name)) | {name}) - {"n0"}
    offsets = taxonomy.level_offsets
    for level in range(taxonomy.n_levels + 1):
        assert (taxonomy.depths[offsets[level] : offsets[level + 1]] == level).all()


@given(trees())
def test_subtrees_are_preorder_intervals_and_siblings_slices(tree):
    position, size = tree.preorder_positions, tree.subtree_sizes
    assert sorted(position) == list(range(tree.n_nodes))
    for node, name in enumerate(tree.nodes):
        inside = (position >= position[node]) & (position < position[node] + size[node])
        assert {tree.nodes[i] for i in np.flatnonzero(inside)} == {name, *tree.descendants(name)}
        siblings = tree.children_of(node)
        assert (np.diff(siblings) == 1).all()
        assert tree.path(name) == tuple(reference.path(tree.to_networkx(), "n0", name))


@given(trees())
def test_round_trips(tree):
    assert Taxonomy.from_networkx(tree.to_networkx()) == tree
    assert pickle.loads(pickle.dumps(tree)) == tree
    assert hash(pickle.loads(pickle.dumps(tree))) == hash(tree)
    rows = tree.to_levels(tree.nodes[1:])
    columns = [
        list(dict.fromkeys(step for step in column if step is not None)) for column in rows.T
    ]
    codes = np.array(
        [[-1 if s is None else columns[k].index(s) for k, s in enumerate(row)] for row in rows]
    )
    assert tree.walk(columns, codes).tolist() == list(range(1, tree.n_nodes))


def test_order_of_siblings_is_that_of_the_edges():
    tree = Taxonomy.from_edges([("r", "z"), ("r", "a"), ("z", "q"), ("z", "b")])
    assert tree.nodes == ("r", "z", "a", "q", "b")


def test_constructors_agree():
    wanted = Taxonomy.from_edges([("A", "a"), ("A", "b"), ("B", "c")])
    assert Taxonomy.from_parents({"A": None, "B": None, "a": "A", "b": "A", "c": "B"}) == wanted
    assert Taxonomy.from_dict({"A": {"a": None, "b": {}}, "B": ["c"]}) == wanted
    assert Taxonomy.from_networkx(nx.DiGraph([("A", "a"), ("A", "b"), ("B", "c")])) == wanted
    assert wanted.root is None
    assert wanted.nodes[0] is ROOT
    assert wanted.levels == (("A", "B"), ("a", "b", "c"))


def test_parents_mapping_may_name_parents_that_are_no_keys():
    assert Taxonomy.from_parents({"a": "A", "b": "A"}).root == "A"


def test_a_single_root_is_kept_and_left_out_of_paths():
    tree = TAXONOMIES["ragged"]
    assert tree.root == "R"
    assert tree.path("a") == ("A", "A1", "a")
    assert tree.ancestors("a") == ("A", "A1")
    assert "R" in tree
    assert "nobody" not in tree
    assert [] not in tree


def test_paths_are_identities():
    labels, taxonomy = Taxonomy.from_paths(pd.Series(["A/x", "A/Other", "B/Other", "A"]))
    assert taxonomy.leaves == ("A/Other", "A/x", "B/Other")
    assert labels.tolist() == ["A/x", "A/Other", "B/Other", "A"]
    assert taxonomy.to_levels(["B/Other"]).tolist() == [["B", "Other"]]


def test_paths_do_not_depend_on_the_order_of_the_rows():
    paths = ["b/x", "a/y/z", "b/w", "a.b/q"]
    assert Taxonomy.from_paths(paths)[1] == Taxonomy.from_paths(paths[::-1])[1]


def test_levels_keep_types_and_tell_1_from_its_text():
    rows = [["a", 1], ["b", "1"], ["b", None], ["a", 2.5]]
    labels, taxonomy = Taxonomy.from_levels(rows)
    assert labels.tolist() == ["a/1", "b/1", "b", "a/2.5"]
    assert taxonomy.to_levels(labels).tolist() == rows
    assert [type(step) for step in taxonomy.to_levels(labels)[:2, 1]] == [int, str]


def test_paths_that_print_alike_are_refused_though_their_steps_differ():
    class Alike:
        def __repr__(self):
            return "b"

    with pytest.raises(TaxonomyError, match="Two different paths print as 'a/b'"):
        Taxonomy.from_levels([["a", Alike()], ["a", Alike()]])


@pytest.mark.parametrize("steps", [[0, "0"], ["2.5", 2.5], [None, "0", 0.0]])
def test_steps_that_print_alike_are_refused_as_names_would_depend_on_other_rows(steps):
    for rows in ([["a", step] for step in steps], [[step] for step in steps if step is not None]):
        with pytest.raises(TaxonomyError, match=r"Steps must print differently, got .*astype"):
            Taxonomy.from_levels(rows)
    for top in "ab":
        with pytest.raises(TaxonomyError, match=rf"\) below '{top}'\. Give all"):
            Taxonomy.from_levels([["a", 2], ["b", 2], [top, 1], [top, "1"]])
    with pytest.raises(TaxonomyError, match=r"\) at the first level\. Give all"):
        Taxonomy.from_levels([[1], ["1"]])
    apart = [[str(place), step] for place, step in enumerate(steps)]
    assert Taxonomy.from_levels(apart)[0][1] == f"1/{str(steps[1]).removesuffix('.0')}"


@pytest.mark.parametrize(
    "names", [[True, 1], [0, False], [0.0, "x", np.False_], [np.int8(1), True]]
)
def test_true_and_1_are_not_both_names(names):
    with pytest.raises(TargetError, match=r"must not mix (True|False) and .*equal"):
        Taxonomy.from_levels([["a", name] for name in names])
    assert Taxonomy.flat([True, 0, 2]).nodes[1:] == (0, True, 2)


@pytest.mark.parametrize("sep", ["/", "."])
def test_a_separator_within_a_step_does_not_split_it(sep):
    labels, taxonomy = Taxonomy.from_levels([[f"a{sep}b", "c"], ["a", "b"]], sep=sep)
    assert taxonomy.n_levels == 2
    assert taxonomy.to_levels(labels).tolist() == [[f"a{sep}b", "c"], ["a", "b"]]


@pytest.mark.parametrize("padding", [None, float("nan"), "", pd.NA, pd.NaT])
def test_paddings(padding):
    _, taxonomy = Taxonomy.from_levels([["a", "b"], ["c", padding]])
    assert taxonomy.leaves == ("c", "a/b")


def test_ragged_lists_and_frames_are_levels():
    wanted = Taxonomy.from_levels([["a", "b"], ["c", None]])[1]
    assert Taxonomy.from_levels([["a", "b"], ["c"]])[1] == wanted
    frame = pd.DataFrame({"one": ["a", "c"], "two": ["b", None]})
    assert Taxonomy.from_levels(frame)[1] == wanted


def test_other_taxonomies():
    tree = TAXONOMIES["ragged"]
    assert tree.subtree("A").nodes == ("A", "A1", "A2", "a", "b", "c")
    assert tree.prune(["A1", "C"]).nodes == ("R", "A", "B", "A2", "B1", "B2", "c")
    grown = tree.graft([("C", "C1"), (None, "D"), ("C1", "d")])
    assert grown.path("d") == ("C", "C1", "d")
    assert grown.depth("D") == 1
    assert grown.prune(["C1", "D"]) == tree
    assert DIAMOND.prune(["S"]).nodes == ("R", "P", "Q", "Z")


def test_a_frame_has_a_row_for_each_node():
    frame = TAXONOMIES["several_roots"].to_frame()
    assert frame["node"].tolist() == ["A", "B", "a", "b", "c"]
    assert frame["parent"].tolist() == [None, None, "A", "A", "B"]
    assert frame["is_leaf"].tolist() == [False, False, True, True, True]
    assert DIAMOND.to_frame().set_index("node").loc["Z", "parent"] == ("P", "S")
    named = Taxonomy.from_edges([("r", "a"), ("r", "b")]).to_frame()
    assert named["node"].tolist() == ["r", "a", "b"]
    assert named["parent"].tolist() == [None, "r", "r"]


def test_immutable_shared_and_never_copied():
    tree = TAXONOMIES["balanced"]
    with pytest.raises(AttributeError, match="does not change"):
        tree.n_nodes = 3
    with pytest.raises(ValueError, match="read-only"):
        tree.depths[0] = 1
    assert clone(HierarchicalClassifier(taxonomy=tree)).taxonomy is tree
    assert tree != TAXONOMIES["ragged"]
    assert len({tree, Taxonomy.from_networkx(tree.to_networkx())}) == 1


def test_skops_round_trip(tree):
    skops = pytest.importorskip("skops.io")
    data = skops.dumps(tree)
    assert skops.get_untrusted_types(data=data) == ["sklhier.taxonomy.Taxonomy"]
    assert skops.loads(data, trusted=["sklhier.taxonomy.Taxonomy"]) == tree


def raises(match, build, *args, error=TaxonomyError, **kwargs):
    with pytest.raises(error, match=match):
        build(*args, **kwargs)


def test_bad_taxonomies_name_the_culprit():
    edges = Taxonomy.from_edges
    raises(
        r"cycle: 'b' -> 'c' -> 'b'|cycle: 'c' -> 'b' -> 'c'",
        edges,
        [("a", "b"), ("b", "c"), ("c", "b")],
    )
    raises("cycle: 'a' -> 'a'", edges, [("a", "a")])
    raises("must be distinct, got 'a' -> 'b' twice", edges, [("a", "b"), ("a", "c"), ("a", "b")])
    doubled = [("a", "b"), ("a", "c")] * 2
    raises("must be distinct, got 'a' -> 'b' twice", edges, doubled)
    raises("'a' cannot be the root: it is below 'r'", edges, [("a", "b"), ("r", "a")], root="a")
    raises("or None at the top, got 'xy'", Taxonomy.from_dict, "xy")
    raises("or None below 'A', got 'xy'", Taxonomy.from_dict, {"A": "xy"})
    raises("root 'r' to 'x', 'z'", edges, [("r", "a"), ("x", "y"), ("z", "y")], root="r")
    raises("'a' cannot be the root: it is below 'r'", edges, [("r", "a")], root="a")
    raises("it is below 'r'", edges, [("r", "a"), ("s", "a"), ("a", "b")], root="a")
    raises("no node 'rr'. Nearest names: 'r'", edges, [("r", "a")], root="rr")
    raises("None cannot name a node", edges, [("a", None)])
    raises("nan cannot name a node", edges, [("a", float("nan"))])
    raises("cannot name a node", edges, [([1], "a")])
    raises("at least one node", edges, [])
    raises("at least one node", Taxonomy.flat, [])
    raises(r"pair, got 'ab'", edges, ["ab"])
    raises(r"got \('a', 'b', 'c'\)", edges, [("a", "b", "c")])
    raises(
        "'Other' is under 'A' and under 'B'",
        Taxonomy.from_dict,
        {"A": ["Other"], "B": ["Other"]},
    )
    raises("'x' is at the top and under 'A'", Taxonomy.from_dict, {"x": {}, "A": ["x"]})
    raises(r"Did you mean \['x'\]", Taxonomy.from_dict, {"A": "x"})
    raises("cycle", Taxonomy.from_parents, {"a": "b", "b": "a"})
    raises("DiGraph", Taxonomy.from_networkx, nx.Graph([("a", "b")]))
    raises("empty step", Taxonomy.from_paths, ["a//b"], error=TargetError)
    raises("must be 1-D for from_paths", Taxonomy.from_paths, [["a", "b"]], error=TargetError)
    raises("got 3", Taxonomy.from_paths, ["a", 3], error=TargetError)
    raises("gap in its path", Taxonomy.from_levels, [["a", None, "b"]], error=TargetError)
    raises("label of row 1 is missing", Taxonomy.from_levels, [["a"], [None]], error=TargetError)
    raises("Row 0 must be a list of steps", Taxonomy.from_levels, ["ab"], error=TargetError)


def test_a_cycle_below_the_root_is_shown_without_the_way_to_it():
    edges = [("b", "c"), ("c", "d"), ("d", "b"), ("d", "e"), ("r", "a"), ("a", "b")]
    for order in (edges, edges[::-1]):
        for root in (None, "r"):
            with pytest.raises(TaxonomyError, match="cycle: ") as caught:
                Taxonomy.from_edges(order, root=root)
            shown = str(caught.value).split("cycle: ")[1].split(".")[0].split(" -> ")
            assert shown[0] == shown[-1]
            assert set(pairwise(shown)) == {
                ("'b'", "'c'"), ("'c'", "'d'"), ("'d'", "'b'"),
            }  # fmt: skip


@pytest.mark.parametrize("container", SPARSE_TABLES)
@pytest.mark.parametrize("most_specific", [True, False])
def test_a_given_indicator_is_not_written_to(container, most_specific):
    tree = TAXONOMIES["ragged"]
    plain = tree.binarize([["a", "c"], ["B1"], [], ["C", "b"]])
    table, untouched = with_explicit_zeros(plain, container)
    found = tree.inverse_binarize(table, most_specific=most_specific)
    assert found == tree.inverse_binarize(plain, most_specific=most_specific)
    untouched()


def test_bad_questions_name_the_nearest():
    tree = TAXONOMIES["repeated_names"]
    raises("no node 'A/Othr'. Nearest names: 'A/Other'", tree.path, "A/Othr")
    assert tree.to_levels([None, "A"]).tolist() == [[None, None], ["A", None]]
    raises("not in the taxonomy: 'q'", tree.to_levels, ["q"], error=TargetError)
    raises("'Z' has the parents 'P', 'S'", DIAMOND.path, "Z")
    raises("'Z' has the parents 'P', 'S'", lambda: DIAMOND.parent_ids)


def test_a_misspelt_node_is_among_the_nearest():
    tree = Taxonomy.from_dict({"bird": ["owl", "heron"], "fish": ["salmon"]})
    for name in tree.nodes[1:]:
        raises(f"no node '{name}s'. Nearest names:.*'{name}'", tree.path, f"{name}s")


@pytest.mark.slow
def test_sets_are_read_in_an_order_of_their_own():
    code = (
        "from sklhier import Taxonomy;"
        "print(Taxonomy.from_edges({('root', x) for x in 'qwertyuiop'}).nodes)"
    )
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


def test_printing_is_cut():
    wide = Taxonomy.from_edges([("r", i) for i in range(1000)])
    assert str(wide).splitlines()[-1] == "└── ... 981 more"
    deep = Taxonomy.from_edges([(i, i + 1) for i in range(3000)])
    assert len(str(deep).splitlines()) <= 80
    assert "depth 3000" in repr(deep)
    one = Taxonomy.flat(["a"])
    assert repr(one) == "Taxonomy(tree of 1 node, 1 leaf, depth 1)"
    two = Taxonomy.from_edges([(a, f"{a}{i}") for a in "abcdef" for i in range(30)])
    assert str(two).splitlines()[2] == "│   ├── a0"
    assert len(str(two).splitlines()) <= 80
    longest = [(a, f"{a}{i}") for a in "abcd" for i in range(19)][:-1]
    assert len(str(Taxonomy.from_edges(longest)).splitlines()) == 80
    assert "..." not in str(Taxonomy.from_edges(longest))
    big = Taxonomy.from_parents({i: (i - 1) // 4 if i else None for i in range(4000)})
    assert len(big.to_text(30).splitlines()) <= 30
    # However few lines there may be, the first ones are of the first level.
    nine = Taxonomy.flat([*"abcdefghi"])
    assert [nine.to_text(n).splitlines()[1].split()[-1] for n in (2, 3, 4)] == ["a"] * 3
    # With four children of each node the second level would take 21 lines, with three 13.
    square = Taxonomy.from_dict({a: [a + b for b in "wxyz"] for a in "abcd"})
    assert square.to_text(13).count("... 2 more") == 3
    assert "<pre" in Taxonomy.flat(["<b>"])._repr_html_()
    assert "<b>" not in Taxonomy.flat(["<b>"])._repr_html_()


def test_no_recursion_on_a_long_chain():
    chain = Taxonomy.from_edges([(i, i + 1) for i in range(100_000)])
    assert chain.n_levels == 100_000
    assert chain.preorder_positions[-1] == 100_000
    assert chain.lca(99_999, 5) == 5
    assert chain.distance(0, 100_000) == 100_000
    assert len(chain.path(100_000)) == 100_000
    assert pickle.loads(pickle.dumps(chain)) == chain


@pytest.mark.slow
def test_a_million_nodes_need_less_than_a_gigabyte_and_ten_times_the_work_of_a_tenth():
    code = """
import resource, time
from sklhier import Taxonomy

def seconds(n_nodes):
    started = time.process_time()
    parents = {f"n{i}": f"n{(i - 1) // 10}" if i else None for i in range(n_nodes)}
    tree = Taxonomy.from_parents(parents)
    tree.preorder_positions
    assert tree.n_nodes == n_nodes
    edges = [(above, below) for below, above in parents.items() if above]
    assert Taxonomy.from_edges(edges) == tree
    return time.process_time() - started

print(seconds(1_000_000) / seconds(100_000))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    growth, kilobytes = map(float, done.stdout.split())
    assert growth < 40  # quadratic work would be 100 times as much
    assert kilobytes < 1_000_000  # both taxonomies and the input included


@given(st.one_of(trees(), dags()))
def test_leaves_below_information_and_heights(taxonomy):
    graph = taxonomy.to_networkx()
    leaves = set(taxonomy.leaves)
    for node, name in enumerate(taxonomy.nodes):
        below = leaves & ({name} | nx.descendants(graph, name))
        assert taxonomy.n_leaves_below[node] == len(below)
        assert taxonomy.information[node] == pytest.approx(np.log2(len(leaves) / len(below)))
        inside = graph.subgraph({name} | nx.descendants(graph, name))
        assert taxonomy.heights[node] == nx.dag_longest_path_length(inside)


def _arrays(value):
    if isinstance(value, np.ndarray):
        yield value
    elif sparse.issparse(value):
        yield from (value.data, value.indices, value.indptr)
    elif isinstance(value, tuple):
        for part in value:
            yield from _arrays(part)


@pytest.mark.parametrize(
    "taxonomy",
    [
        Taxonomy.from_paths(["a/x", "a/y", "b/z", "c"])[1],
        Taxonomy.from_edges([("a", "c"), ("b", "c"), ("b", "d")]),
    ],
    ids=["tree", "DAG"],
)
def test_nobody_can_write_to_an_array_of_a_taxonomy(taxonomy):
    kinds = (property, functools.cached_property)
    own = {name: value for kind in Taxonomy.__mro__ for name, value in vars(kind).items()}
    names = [name for name, value in own.items() if isinstance(value, kinds)]
    values = {f"{name}()": getattr(taxonomy, name)(1) for name in ("parents_of", "children_of")}
    for name in names:
        with contextlib.suppress(TaxonomyError):  # of a tree only
            values[name] = getattr(taxonomy, name)
    values |= vars(taxonomy)  # also what is not public
    arrays = [(name, array) for name, value in values.items() for array in _arrays(value)]
    assert len(arrays) > 20
    assert [name for name, array in arrays if array.flags.writeable] == []


def test_a_read_only_closure_takes_part_in_products():
    taxonomy = Taxonomy.from_edges([("a", "c"), ("b", "c"), ("b", "d")])
    closure, eye = taxonomy.ancestor_closure, np.eye(taxonomy.n_nodes)
    dense = closure.toarray()
    for left in (eye, sparse.csr_array(eye), sparse.csr_matrix(eye)):
        for product in (left @ closure, (closure.T @ left).T, left @ closure.tocsc()):
            product = product.toarray() if sparse.issparse(product) else product
            np.testing.assert_array_equal(product, dense)
    np.testing.assert_array_equal(closure[[2, 1]].sum(axis=0), dense[[2, 1]].sum(axis=0))
    with pytest.raises(ValueError, match="read-only"):
        closure[1, 1] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        closure.data *= 2
    np.testing.assert_array_equal(closure.toarray(), dense)
