"""Readers of files: what was written is read back, and errors name the line."""

import csv
import gzip
import io
import re
from itertools import pairwise

import pandas as pd
import pytest
from conftest import shared_data
from generators import dags, trees
from hypothesis import given
from hypothesis import strategies as st

from sklhier import Taxonomy
from sklhier.exceptions import TaxonomyError
from sklhier.taxonomy import ROOT

# Names without blanks at the ends, which readers take off, and without line ends.
words = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1, max_size=6
)


@st.composite
def renamed(draw, source, names=words):
    """Draw a taxonomy with names of its own, and titles."""
    taxonomy = draw(source)
    n_nodes = len(taxonomy.nodes)
    new = draw(st.lists(names, min_size=n_nodes, max_size=n_nodes, unique=True))
    titles = draw(st.lists(st.none() | words, min_size=n_nodes, max_size=n_nodes))
    return Taxonomy(new, taxonomy.edge_parents, taxonomy.edge_children, root=0, titles=titles)


def same(first, second):
    return first == second and dict(first.titles) == dict(second.titles)


def written(rows, delimiter=","):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    return stream.getvalue()


# -- CSV ----------------------------------------------------------------------------------


@given(renamed(st.one_of(trees(), dags())), st.sampled_from(",;\t|"))
def test_edges_in_a_file(taxonomy, delimiter):
    graph = taxonomy.to_networkx()
    rows = [(p, c, taxonomy.title_of(c) or "") for p, c in graph.edges]
    text = written([("parent", "child", "title"), *rows], delimiter)
    found = Taxonomy.from_csv(io.StringIO(text, newline=""), titles="title", delimiter=delimiter)
    root_title = {taxonomy.root: taxonomy.title_of(taxonomy.root)}
    assert same(found.with_titles({**found.titles, **root_title}), taxonomy)


@given(renamed(trees()))
def test_parents_in_a_file(taxonomy):
    rows = [
        (taxonomy.title_of(node), next(iter(taxonomy.parents(node)), ""), node)
        for node in taxonomy.nodes
    ]
    lines = written([("Title", "Parent", "Node"), *rows]).splitlines(keepends=True)
    assert same(Taxonomy.from_csv(lines, "parents", titles="Title"), taxonomy)


@given(renamed(trees(), st.from_regex("[a-z]{1,3}", fullmatch=True)))
def test_levels_in_a_file(taxonomy):
    paths = [taxonomy.path(node) for node in taxonomy.nodes[1:]]
    width = taxonomy.n_levels
    rows = [
        [*path, *[""] * (width - len(path)), *(taxonomy.title_of(n) or "" for n in path)]
        for path in paths
    ]
    rows = [row + [""] * (2 * width - len(row)) for row in rows]
    columns, titles = range(width), range(width, 2 * width)
    found = Taxonomy.from_csv(
        io.StringIO(written(rows), newline=""),
        "levels",
        columns=columns,
        titles=titles,
        header=False,
        sep="\x1f",
        root=None,
    )
    name = "\x1f".join
    assert set(found.nodes[1:]) == {name(path) for path in paths}
    expected = {name(p): taxonomy.title_of(p[-1]) for p in paths if taxonomy.title_of(p[-1])}
    assert dict(found.titles) == expected
    deepest = [taxonomy.title_of(path[-1]) or "" for path in paths]
    rows = [[*row[:width], title] for row, title in zip(rows, deepest, strict=True)]
    lines = written([[*(f"level {k}" for k in columns), "words"], *rows]).splitlines(keepends=True)
    other = Taxonomy.from_csv(
        lines,
        "levels",
        columns=[f"level {k}" for k in columns],
        titles="words",
        sep="\x1f",
        root=None,
    )
    assert same(other, found)


def test_paths_and_codes_in_a_file():
    lines = ["path,words", "a/x,Ten", "b,Two"]
    found = Taxonomy.from_csv(lines, "paths", titles="words")
    assert found.leaves == ("b", "a/x")
    assert dict(found.titles) == {"b": "Two", "a/x": "Ten"}
    lines = ["code;words", "01;One", "011;One one"]
    found = Taxonomy.from_csv(lines, "codes", titles=1, delimiter=";")
    assert found.levels == (("01",), ("011",))
    assert found.title_of("011") == "One one"
    assert Taxonomy.from_csv(lines, "codes", columns="code", delimiter=";", root="01").root == "01"


def test_levels_with_gaps_in_a_file():
    lines = ["one,two,three,1,2,3", "a,-,x,A,none,X", "a,,y,,,Y", "a,k,,A,K,"]
    options = {"columns": [0, 1, 2], "titles": [3, 4, 5], "missing": ["-"], "root": None}
    skipped = Taxonomy.from_csv(lines, "levels", gaps="skip", **options)
    assert dict(skipped.titles) == {"a": "A", "a/x": "X", "a/y": "Y", "a/k": "K"}
    filled = Taxonomy.from_csv(lines, "levels", gaps="fill", **options)
    assert dict(filled.titles) == {"a": "A", "a/(a)/x": "X", "a/(a)/y": "Y", "a/k": "K"}


def test_tops_in_a_file():
    lines = ["parent,child", ",a", "a,b", ",c"]
    assert Taxonomy.from_csv(lines).levels == (("a", "c"), ("b",))
    assert Taxonomy.from_csv(lines[:3]).root == "a"
    assert Taxonomy.from_csv(lines[:3], root=None).levels == (("a",), ("b",))


def test_titles_by_name():
    found = Taxonomy.from_csv(["a,b"], header=False, titles={"b": "Bee"})
    assert dict(found.titles) == {"b": "Bee"}
    with pytest.raises(TaxonomyError, match="belong to no node: 'c'"):
        Taxonomy.from_csv(["a,b"], header=False, titles={"c": "Cee"})


def test_quotes_blanks_and_marks_of_a_file(tmp_path):
    text = '\ufeffparent, child ,title\r\n\r\n r , "a, b","two\nlines"\r\nr,c,\r\n,,\r\n'
    path = tmp_path / "edges.csv"
    path.write_bytes(text.encode())
    expected = Taxonomy.from_edges([("r", "a, b"), ("r", "c")], titles={"a, b": "two\nlines"})
    for source in (path, str(path)):
        assert same(Taxonomy.from_csv(source, titles="title"), expected)
    with path.open(newline="", encoding="utf-8") as stream:
        assert same(Taxonomy.from_csv(stream, titles="title"), expected)
    path.write_bytes(text[1:].encode("utf-16"))
    assert same(Taxonomy.from_csv(path, titles="title", encoding="utf-16"), expected)
    with gzip.open(tmp_path / "edges.csv.gz", "wt", encoding="utf-8", newline="") as stream:
        stream.write(text)
    assert same(Taxonomy.from_csv(tmp_path / "edges.csv.gz", titles="title"), expected)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["parent,child", "a,b", "a"], {}, "line 3: must have 2 cells .* got 1"),
        (["parent,child", "a,b,c"], {}, "line 2: must have 2 cells .* got 3.*Quote cells"),
        (["parent,child", "", "a,"], {}, "line 3: the child of 'a' is missing"),
        (["parent,child", "a,b", "a,c", "a,b"], {}, "line 4: 'a' -> 'b' is already on line 2"),
        (["parent,child", 'a,"b', "c", "d"], {}, "line 4: unexpected end of data.*quote"),
        (
            ["up,down", "a,b"],
            {},
            "line 1: there must be the columns 'parent' and 'child'; got the columns 'up', 'down'",
        ),
        (["a,b"], {"header": False, "columns": [0, 2]}, "there is no column 2.*got 2 columns"),
        (["parent;child", "a;b"], {}, "line 1: .*Pass delimiter=';'"),
        (["parent\tchild", "a\tb"], {}, r"line 1: .*Pass delimiter='\\t'"),
        (["parent", "a"], {}, "got the columns 'parent'. Name others with `columns`.$"),
        (["parent,child"], {"columns": ["parent", "kid"]}, "line 1: there is no column 'kid'"),
        (["parent,child"], {"columns": [0, 2]}, "there is no column 2"),
        (["parent,child"], {"columns": [-1, 0]}, "there is no column -1"),
        (["parent,child"], {"columns": ["child"]}, "must name the columns .* got 1"),
        (["parent,parent"], {"columns": ["parent"] * 2}, "2 columns are called 'parent'"),
        (["parent,child", "a,b", "b,a"], {}, "<lines>: The edges form a cycle"),
        (["parent,child,t", "a,c,x", "b,c,y"], {"titles": "t"}, "line 3: the title of 'c' is 'y'"),
        (["parent,child"], {"titles": ["parent", "child"]}, "`titles` must name a column"),
        (
            ["node,parent", "a,", "b,a", "a,b"],
            {"kind": "parents"},
            "line 4: 'a' is already on line 2",
        ),
        (["node,parent", ",a"], {"kind": "parents"}, "line 2: the node below 'a' is missing"),
        (["l,m,n", "a,,c"], {"kind": "levels"}, "line 2: level 2 is empty above others.*gaps"),
        (["a,b", "a,c"], {"kind": "levels"}, "line 1: must name the columns, but 'a'"),
        (["l,m,t", "a,b,", ",,x"], {"kind": "levels", "titles": "t"}, "line 3: the levels are"),
        (
            ["code,t", ",x"],
            {"kind": "codes", "titles": "t"},
            "line 2: the path or code is missing",
        ),
        ([], {}, "<lines> holds no rows"),
        ([b"parent,child"], {}, "line 1: must be text, got bytes"),
        (["parent,child"], {"delimiter": ",,"}, "`delimiter` must be one character"),
        (pd.DataFrame({"parent": ["a"]}), {}, "got DataFrame. Pass tables .* to from_edges"),
        ({"a": "b"}, {}, "lines of text, got dict"),
        ({"parent,child"}, {}, "lines of text, got set"),
        (5, {}, "A source must be the path of a file, .* got int"),
        ("parent,child\na,b", {}, "got text of several lines"),
    ],
)
def test_bad_tables_are_refused(lines, options, message):
    with pytest.raises(TaxonomyError, match=message):
        Taxonomy.from_csv(lines, **options)


def test_kind_is_checked():
    with pytest.raises(ValueError, match="`kind` must be one of 'edges'"):
        Taxonomy.from_csv([], "graph")


def test_files_that_are_no_text(tmp_path):
    path = tmp_path / "edges.csv"
    with pytest.raises(FileNotFoundError):
        Taxonomy.from_csv(path)
    path.write_bytes("parent,child\na,b\na,Käse\n".encode("cp1252"))
    with pytest.raises(TaxonomyError, match=r"edges.csv, line 3: not utf-8 .*'cp1252'"):
        Taxonomy.from_csv(path)
    assert "Käse" in Taxonomy.from_csv(path, encoding="cp1252")
    with (
        path.open(encoding="utf-8") as stream,
        pytest.raises(TaxonomyError, match=r"edges.csv is not utf-8"),
    ):
        Taxonomy.from_csv(stream)
    path.write_bytes("parent,child\na,b\n".encode("utf-16"))
    with pytest.raises(TaxonomyError, match=r"line 1: not utf-8 .*'utf-16'"):
        Taxonomy.from_csv(path)
    path.write_bytes("parent,child\na,b\n".encode("utf-16-le"))
    with pytest.raises(TaxonomyError, match=r"line 1: a zero byte.*'utf-16'"):
        Taxonomy.from_csv(path)
    path.write_bytes(b"parent,child\na,\0\n")
    with pytest.raises(TaxonomyError, match=r"line 2: a zero byte"):
        Taxonomy.from_csv(path)
    with pytest.raises(ValueError, match=r"`encoding` must name .* got 'utf-99'"):
        Taxonomy.from_csv(path, encoding="utf-99")
    packed = tmp_path / "edges.csv.gz"
    packed.write_bytes(gzip.compress(b"parent,child\na,b\n" * 99)[:-9])
    with pytest.raises(TaxonomyError, match=r"edges.csv.gz is not a complete gzip file"):
        Taxonomy.from_csv(packed)


def test_real_edges():
    folder = shared_data("naics2022")
    taxonomy = Taxonomy.from_csv(folder / "hierarchy.csv", root="root")
    assert taxonomy.n_nodes == 2122
    assert taxonomy.parents("311") == ("31-33",)


# -- codes --------------------------------------------------------------------------------


@given(st.data(), trees())
def test_codes_are_read_back(data, tree):
    codes = {tree.root: ""}
    for node in tree.nodes:
        signs = data.draw(st.permutations("0123456789ABCDEFGHIJ"))
        codes.update(
            {c: codes[node] + s for c, s in zip(tree.children(node), signs, strict=False)}
        )
    order = data.draw(st.permutations(tree.nodes[1:]))
    expected = {codes[node]: codes[next(iter(tree.parents(node)))] for node in tree.nodes[1:]}
    if len(set(expected.values())) == 1 and len(expected) > 1:
        return  # flat: refused
    widths = range(1, tree.n_levels + 1)
    for lengths in ("prefix", widths):
        found = Taxonomy.from_codes([codes[node] for node in order], lengths=lengths)
        parents = {n: next(iter(found.parents(n)), "") for n in found.nodes[1:]}
        assert parents == expected
    leaves = [codes[node] for node in order if not tree.children(node)]
    filled = Taxonomy.from_codes(leaves, lengths=widths, gaps="fill")
    assert {n: next(iter(filled.parents(n)), "") for n in filled.nodes[1:]} == expected


NAICS = ["11", "111", "31-33", "311", "3111", "322", "331", "44-45", "449", "92"]


def test_ranges_of_codes():
    found = Taxonomy.from_codes(NAICS)
    assert found.children("31-33") == ("311", "322", "331")
    assert found.children("44-45") == ("449",)
    assert found.levels[0] == ("11", "31-33", "44-45", "92")
    assert Taxonomy.from_codes(NAICS, lengths=[2, 3, 4]) == found
    assert Taxonomy.from_codes(NAICS[::-1]).parents("3111") == ("311",)


def test_ranges_within_ranges():
    icd = ["A00-B99", "A00-A09", "A00", "A00.1", "A09", "A15-A19", "B15-B19", "B15", "C00-D49"]
    icd += ["C00", "001-139", "079", "079.9", "079.99", "E800-E999", "E801.1", "V10", "V01-V89"]
    found = Taxonomy.from_codes(icd)
    parents = {code: found.parents(code) for code in found.nodes[1:]}
    assert parents == {
        "A00-B99": (),
        "A00-A09": ("A00-B99",),
        "A00": ("A00-A09",),
        "A00.1": ("A00",),
        "A09": ("A00-A09",),
        "A15-A19": ("A00-B99",),
        "B15-B19": ("A00-B99",),
        "B15": ("B15-B19",),
        "C00-D49": (),
        "C00": ("C00-D49",),
        "001-139": (),
        "079": ("001-139",),
        "079.9": ("079",),
        "079.99": ("079.9",),
        "E800-E999": (),
        "E801.1": ("E800-E999",),
        "V01-V89": (),
        "V10": ("V01-V89",),
    }


def test_a_range_below_codes_and_wider_ranges():
    found = Taxonomy.from_codes(["1", "2", "10-15", "10-12", "1-2", "111", "133", "161", "20-25"])
    assert found.parents("10-15") == ("1",)
    assert found.parents("1") == ("1-2",)
    assert found.parents("10-12") == ("10-15",)
    assert found.parents("111") == ("10-12",)
    assert found.parents("133") == ("10-15",)
    assert found.parents("161") == ("1",)
    wide = Taxonomy.from_codes(["1-3", "18-22", "190", "230"])
    assert wide.parents("18-22") == ("1-3",)
    assert wide.parents("190") == ("18-22",)
    assert wide.parents("230") == ("1-3",)


def test_dashes_within_codes():
    found = Taxonomy.from_codes(["11", "11-10", "11-1011", "11-1011.00", "13", "13-1"])
    assert found.path("11-1011.00") == ("11", "11-10", "11-1011", "11-1011.00")


def test_padded_codes():
    soc = ["11-0000", "11-1000", "11-1010", "11-1011", "13-0000", "20-0000", "21-0000"]
    found = Taxonomy.from_codes(soc, lengths=[2, 3, 5, 6], padding="0")
    assert found.path("11-1011") == ("11-0000", "11-1000", "11-1010", "11-1011")
    assert found.levels[0] == ("11-0000", "13-0000", "20-0000", "21-0000")
    filled = Taxonomy.from_codes(["11-1011"], lengths=[2, 3, 5, 6], padding="0", gaps="fill")
    assert filled.path("11-1011") == ("11-0000", "11-1000", "11-1010", "11-1011")


def test_steps_of_any_length():
    found = Taxonomy.from_codes(["1", "1.1", "1.10", "1.1.2", "2"], sep=".")
    assert found.parents("1.10") == ("1",)
    assert found.parents("1.1.2") == ("1.1",)
    skipped = Taxonomy.from_codes(["1", "1.2.3"], sep=".", gaps="skip")
    assert skipped.parents("1.2.3") == ("1",)
    filled = Taxonomy.from_codes(["1.2.3", "1"], sep=".", gaps="fill")
    assert filled.path("1.2.3") == ("1", "1.2", "1.2.3")


def test_missing_codes():
    codes = ["11", "21", "1111"]
    assert Taxonomy.from_codes(codes, lengths=[2, 3, 4], gaps="skip").parents("1111") == ("11",)
    filled = Taxonomy.from_codes(codes, lengths=[2, 3, 4], gaps="fill")
    assert filled.path("1111") == ("11", "111", "1111")
    assert Taxonomy.from_codes(["11", "21", "311"], lengths=[2, 3], gaps="skip").levels[0] == (
        "11",
        "21",
        "311",
    )
    assert Taxonomy.from_codes(["11", "111", "311"], gaps="skip").levels[0] == ("11", "311")
    ranges = Taxonomy.from_codes(["A00-B99", "B15"], lengths=[1, 3], gaps="fill")
    assert ranges.path("B15") == ("A00-B99", "B15")


def test_sets_of_codes_have_an_order():
    assert Taxonomy.from_codes({"2", "1", "11", "12"}).nodes[1:] == ("1", "2", "11", "12")
    assert Taxonomy.from_codes({"2": 0, "1": 0, "11": 0}).levels[0] == ("2", "1")


def test_integer_codes_and_titles():
    table = pd.DataFrame({"code": [1, 11, 12, 1], "title": ["One", "Eleven", None, "One"]})
    found = Taxonomy.from_codes(table["code"], table["title"])
    assert found.nodes == (ROOT, 1, 11, 12)
    assert dict(found.titles) == {1: "One", 11: "Eleven"}
    filled = Taxonomy.from_codes([111], lengths=[1, 2, 3], gaps="fill")
    assert filled.path(111) == (1, 11, 111)
    assert Taxonomy.from_codes(["A", "AB"], {"A": "Letters"}).title_of("A") == "Letters"


def test_the_root_of_codes():
    assert Taxonomy.from_codes(["A", "A1"]).levels == (("A",), ("A1",))
    assert Taxonomy.from_codes(["A", "A1"], root="A").levels == (("A1",),)
    with pytest.raises(TaxonomyError, match="No path leads from the root 'A' to 'B'"):
        Taxonomy.from_codes(["A", "A1", "B"], root="A")
    with pytest.raises(TaxonomyError, match="no node 'C'"):
        Taxonomy.from_codes(["A", "A1", "B"], root="C")


@pytest.mark.parametrize(
    ("codes", "options", "message"),
    [
        ([], {}, "There must be some codes"),
        ("11", {}, "`codes` must be a collection of codes.*got '11'"),
        (pd.DataFrame({"code": ["1"]}), {}, "`codes` must be a collection"),
        (["1", None], {}, "text or an integer, got None"),
        (["1", 1.5], {}, "got 1.5. Read codes as text"),
        (["1", True], {}, "got True"),
        (["1", "-"], {}, "letters or digits, got '-'"),
        (["1", "2"], {}, "No code begins with another one: '1', '2'"),
        (["0799", "079.9", "07"], {}, "'0799' and '079.9' differ only in"),
        (["30-35", "33-39", "34"], {}, "ranges '30-35' and '33-39' overlap"),
        (["30-39", "34-41", "340"], {}, "ranges '30-39' and '34-41' overlap"),
        (["11", "111", "311"], {}, "No code is above '311', .* such as '11'"),
        (["A00", "A00.1", "A01.1"], {}, "No code is above 'A01.1'"),
        (["1", "1.1", "1.1.1", "1.1.10"], {}, "parent of '1.1.10' is ambiguous.*sep='.'"),
        (["1", *(f"1.{k}" for k in range(1, 12))], {}, "parent of '1.10' is ambiguous"),
        ([f"{k}.1" for k in range(1, 12)], {}, "parent of '10' is ambiguous"),
        (["11", "111"], {"gaps": "fill"}, "gaps='fill' needs `lengths`"),
        (["11", "111"], {"lengths": [2, 4]}, "'111' has 3 characters, which is not among .*2, 4"),
        (["11", "1111"], {"lengths": [2, 3, 4]}, "There is no code '111' above '1111'"),
        (["079.99", "079"], {"lengths": [3, 4, 5]}, "There is no code '079.9' above '079.99'"),
        (["11", "311"], {"lengths": [2, 3]}, "There is no code '31' above '311'"),
        (["11"], {"lengths": [3, 2]}, "ascending numbers .* got \\[3, 2\\]"),
        (["11"], {"lengths": "all"}, "`lengths` must be 'prefix' or"),
        (["11"], {"lengths": [0]}, "`lengths` must be"),
        (["11"], {"lengths": [True]}, "`lengths` must be"),
        (["11"], {"lengths": []}, "`lengths` must be"),
        (["1.1"], {"sep": ".", "lengths": [1]}, "got both"),
        (["1.1"], {"sep": ""}, "`sep` must be text"),
        (["1.1", "1"], {"sep": "-"}, "No code contains the separator '-'"),
        (["1..1", "1"], {"sep": "."}, "'1..1' has an empty step"),
        (["1.1.1", "1"], {"sep": "."}, "There is no code '1.1' above '1.1.1'"),
        (["11"], {"padding": "0"}, "`padding` needs `lengths`"),
        (["1", "11"], {"titles": ["x"]}, "one for each of the 2 codes, got 1"),
        (["1", "11", "1"], {"titles": ["x", "y", "z"]}, "'1' has two titles: 'x' and 'z'"),
        (["1", "11"], {"titles": "x"}, "got str"),
        ({"1", "11"}, {"titles": ["x", "y"]}, "`titles` of a set of codes must be a mapping"),
    ],
)
def test_bad_codes_are_refused(codes, options, message):
    with pytest.raises(TaxonomyError, match=message):
        Taxonomy.from_codes(codes, **options)


def test_gaps_are_checked():
    with pytest.raises(ValueError, match="`gaps` must be one of"):
        Taxonomy.from_codes(["1", "11"], gaps="drop")


@pytest.mark.parametrize(("name", "top"), [("naics2022", "root"), ("medical_icd9", "root")])
def test_real_codes(name, top):
    table = pd.read_csv(shared_data(name) / "hierarchy.csv", dtype=str)
    table = table[table["parent"] != top]
    codes = list(dict.fromkeys([*table["parent"], *table["child"]]))
    found = Taxonomy.from_codes(codes)
    expected = dict(zip(table["child"], table["parent"], strict=True))
    parents = {code: next(iter(found.parents(code)), None) for code in found.nodes[1:]}
    assert {code: parent for code, parent in parents.items() if parent} == expected


@pytest.mark.more
def test_many_ranges_and_codes():
    ranges = [f"{k:05d}-{k + 9:05d}" for k in range(0, 100_000, 10)]
    codes = [f"{k:05d}" for k in range(0, 100_000, 7)]
    found = Taxonomy.from_codes([*ranges, *codes])
    assert found.parents("00700") == ("00700-00709",)
    nested = [f"{k:05d}-{99_999 - k:05d}" for k in range(2_000)]
    assert Taxonomy.from_codes([*nested, "50000"]).n_levels == 2_001


# -- OBO ----------------------------------------------------------------------------------


def as_obo(taxonomy, relationship="is_a: "):
    lines = ["format-version: 1.4", "ontology: test"]
    for node in taxonomy.nodes:
        lines += ["", "[Term]", f"id: {node}"]
        title = taxonomy.title_of(node)
        lines += [] if title is None else [f"name: {escaped(title)}"]
        lines += [f"{relationship}{parent} ! comment" for parent in taxonomy.parents(node)]
    return [*lines, "", "[Typedef]", "id: part_of", "name: part of"]


def escaped(text):
    return re.sub(r"([\\!{}])", r"\\\1", text)


@given(renamed(st.one_of(trees(), dags()), st.from_regex("[A-Z]{2}:[0-9]{3}", fullmatch=True)))
def test_ontologies_are_read_back(taxonomy):
    assert same(Taxonomy.from_obo(as_obo(taxonomy)), taxonomy)
    part_of = as_obo(taxonomy, "relationship: part_of ")
    assert same(Taxonomy.from_obo(part_of, relationships=["is_a", "part_of"]), taxonomy)


GO = """\
format-version: 1.2
default-namespace: process
[Term]
id: GO:1
name: all \\! of it ! a comment
[Term]
id: GO:2
name: growth {source="x"}
is_a: GO:1 {is_inferred="true"} ! all
alt_id: GO:22
alt_id: GO:23
xref: A:1 "a: b"
! a comment
[Term]
id: GO:3
is_a: GO:1
is_a: GO:2
relationship: part_of GO:2 ! growth
relationship: part_of GO:5
[Term]
id: GO:4
is_obsolete: true
is_a: GO:1
[Term]
id: GO:5
name: membrane
namespace: component
[Term]
id: GO:6
namespace: component
name: two \\
parts
is_a: GO:5
[Typedef]
id: part_of
is_a: nothing
""".splitlines()


def test_stanzas_of_an_ontology():
    taxonomy, alt_ids = Taxonomy.from_obo(GO, return_alt_ids=True)
    assert taxonomy.nodes == (ROOT, "GO:1", "GO:5", "GO:2", "GO:6", "GO:3")
    assert dict(taxonomy.titles) == {
        "GO:1": "all ! of it",
        "GO:5": "membrane",
        "GO:2": "growth",
        "GO:6": "two parts",
    }
    assert taxonomy.parents("GO:3") == ("GO:1", "GO:2")
    assert alt_ids == {"GO:22": "GO:2", "GO:23": "GO:2"}


def test_the_default_namespace_is_a_line_of_the_header():
    wanted = Taxonomy.from_obo(GO, namespace="process")
    version, default, *stanzas = GO
    for header in ([default, version, "ontology: other"], [version, "remark: none", default]):
        assert same(Taxonomy.from_obo([*header, *stanzas], namespace="process"), wanted)
    within = [*GO[:4], "default-namespace: other", *GO[4:]]
    assert same(Taxonomy.from_obo(within, namespace="process"), wanted)


def test_parts_of_an_ontology():
    process = Taxonomy.from_obo(GO, namespace="process", relationships=("is_a", "part_of"))
    assert process.root == "GO:1"
    assert set(process.nodes) == {"GO:1", "GO:2", "GO:3"}
    whole = Taxonomy.from_obo(GO, relationships="part_of")
    assert whole.parents("GO:3") == ("GO:2", "GO:5")
    assert whole.levels[0] == ("GO:1", "GO:2", "GO:5", "GO:6")
    with pytest.raises(ValueError, match=r"`namespace` must be one of \['component', 'process'\]"):
        Taxonomy.from_obo(GO, namespace="function")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({8: "is_a GO:1"}, "line 9: must be `tag: value`, got 'is_a GO:1'"),
        ({8: "is_a: GO:9"}, "line 9: 'GO:2' has the parent 'GO:9', which is not a term"),
        ({8: "is_a: GO:4"}, "line 9: 'GO:2' has the parent 'GO:4', which is obsolete"),
        ({8: "is_a: ! all"}, "line 9: is_a must name a term"),
        ({8: "relationship: part_of"}, "line 9: a relationship must have a kind and a term"),
        ({6: "id: GO:1"}, "line 6: the term 'GO:1' is already on line 3"),
        ({7: "id: GO:2"}, "line 8: a second id of the term 'GO:2'"),
        ({6: "comment: none"}, r"line 6: a \[Term\] without an id"),
        ({5: "[Term"}, r"line 6: a stanza must begin with its kind"),
        ({4: "is_a: GO:2"}, "<lines>: The edges form a cycle"),
    ],
)
def test_bad_ontologies_are_refused(change, message):
    lines = [change.get(number, line) for number, line in enumerate(GO)]
    with pytest.raises(TaxonomyError, match=message):
        Taxonomy.from_obo(lines)


def test_one_top_can_be_a_class():
    lines = ["[Term]", "id: a", "[Term]", "id: b", "is_a: a"]
    assert Taxonomy.from_obo(lines).root == "a"
    assert Taxonomy.from_obo(lines, root=None).levels == (("a",), ("b",))
    assert Taxonomy.from_newick("(b)a;", root=None).levels == (("a",), ("b",))
    with pytest.raises(TaxonomyError, match="no node 'z'"):
        Taxonomy.from_obo(lines, root="z")


def test_other_files_are_no_ontologies():
    with pytest.raises(TaxonomyError, match=r"line 2: no \[Term\] up to here"):
        Taxonomy.from_obo(["a: b", "c: d"])


# -- Newick -------------------------------------------------------------------------------


def as_newick(taxonomy, label):
    """Write a tree by a stack, since trees may be deep."""
    parts, todo = [], [taxonomy.root]
    while todo:
        item = todo.pop()
        if isinstance(item, tuple):
            parts.append(item[0])
            continue
        children = taxonomy.children(item)
        todo.append((label(item),))
        if children:
            parts.append("(")
            todo.append((")",))
            for child in reversed(children):
                todo += [child, (",",)]
            todo.pop()
    return "".join(parts) + ";"


@given(renamed(trees()), st.sampled_from(["", ":1", ":-.5e-3 [a [nested] comment]"]))
def test_trees_are_read_back(taxonomy, rest):
    text = as_newick(taxonomy, lambda name: "'" + name.replace("'", "''") + "'" + rest)
    assert Taxonomy.from_newick(text) == taxonomy
    assert Taxonomy.from_newick([text]) == taxonomy


@pytest.mark.more
def test_deep_trees():
    depth = 100_000
    text = "(" * depth + "leaf" + ")" * depth + ";"
    taxonomy = Taxonomy.from_newick(text)
    assert taxonomy.n_levels == depth
    assert taxonomy.path("leaf")[:2] == ("node 1", "node 2")


def test_names_in_a_tree(tmp_path):
    taxonomy = Taxonomy.from_newick("((Homo_sapiens,'P_t ''x'''),(A,B)'node 1':3);")
    assert taxonomy.leaves == ("Homo sapiens", "P_t 'x'", "A", "B")
    assert taxonomy.levels[0] == ("node 2", "node 1")
    kept = Taxonomy.from_newick("((a_b,c)d);", convert_underscores=False)
    assert kept.leaves == ("a_b", "c")
    assert kept.levels[0] == ("d",)
    support = Taxonomy.from_newick("((a,b)0.9,(c,d)0.9)r;", inner_names=False)
    assert support.nodes == (ROOT, "node 1", "node 2", "a", "b", "c", "d")
    assert Taxonomy.from_newick("(a,b)r;", titles={"a": "A"}).titled(["a"]) == ["a A"]
    (tmp_path / "tree.nwk").write_text("[&R]\n(a,\n b)r ;\n")
    assert Taxonomy.from_newick(tmp_path / "tree.nwk").root == "r"
    assert Taxonomy.from_newick(str(tmp_path / "tree.nwk"), root="r").leaves == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (["(a,b)r"], "line 1: column 7: ';' is missing"),
        ("(a,b", "';' is missing"),
        ("((a,b);", r"column 7: 1 '\)' missing before ';'"),
        ("(a,b));", r"column 6: '\)' outside of all parentheses"),
        ("a,b;", "column 2: ',' outside"),
        (["(a,", "(a,b)c);"], "line 2: column 2: the name 'a' is already on line 1"),
        ("((a,b)9,(c,d)9);", "'9' is already on line 1.*inner_names=False"),
        ("(a,);", "column 4: a leaf without a name"),
        ("(,a);", "column 2: a leaf without a name"),
        ("(a,(,b));", "column 5: a leaf without a name"),
        ("(a,'');", "a leaf without a name"),
        ("(a b,c);", "column 4: 'b' follows a name.*Quote"),
        ("(a:x,c);", "column 4: a branch length must be a number, got 'x'"),
        ("(a:,c);", "column 4: a branch length must follow ':'"),
        ("(a:1:2,c);", "column 5: a second branch length"),
        ("(a:1 x,c);", "'x' follows a name or length"),
        ("(a(b),c);", r"column 3: '\(' must begin a node"),
        ("(a,b);(c,d);", "column 7: more text after ';'"),
        ("(a,[b);", "column 4: a comment that does not end"),
        ("(a,b]);", "column 5: ] without its counterpart"),
        ("(a,'b);", "column 4: ' without its counterpart"),
        ("a;", "at least one node besides its root"),
    ],
)
def test_bad_trees_are_refused(text, message):
    with pytest.raises(TaxonomyError, match=message):
        Taxonomy.from_newick(text)


# -- lists of paths -----------------------------------------------------------------------


@given(renamed(trees()), st.randoms())
def test_listed_paths_are_read_back(taxonomy, random):
    ids = {node: str(number) for number, node in enumerate(taxonomy.nodes)}
    if taxonomy.n_levels == 1:
        return  # refused: no line contains the separator
    lines = [f"{ids[node]} - {' > '.join(taxonomy.path(node))}" for node in taxonomy.nodes[1:]]
    found = Taxonomy.from_path_lines(["# version", *lines, ""])
    assert found.nodes[1:] == tuple(ids[node] for node in taxonomy.nodes[1:])
    assert dict(found.titles) == {ids[node]: node for node in taxonomy.nodes[1:]}
    assert {n: found.parents(ids[n]) for n in taxonomy.nodes[1:]} == {
        n: tuple(ids[p] for p in taxonomy.parents(n) if p != taxonomy.root)
        for n in taxonomy.nodes[1:]
    }
    random.shuffle(lines)
    named = Taxonomy.from_path_lines(lines, names="path")
    assert dict(named.titles) == {
        " > ".join(taxonomy.path(node)): ids[node] for node in taxonomy.nodes[1:]
    }
    plain = [line.partition(" - ")[2] for line in lines]
    assert Taxonomy.from_path_lines(plain, id_sep=None) == named
    leaves = [" > ".join(taxonomy.path(leaf)) for leaf in taxonomy.leaves]
    assert set(Taxonomy.from_path_lines(leaves, id_sep=None).nodes) == set(named.nodes)


def test_lines_with_gaps():
    lines = ["5 - A > B > C", "1 - A", "6 - A > D - E"]
    with pytest.raises(TaxonomyError, match="line 1: there is no line for the parent 'A > B'"):
        Taxonomy.from_path_lines(lines)
    assert Taxonomy.from_path_lines(lines, gaps="skip").parents("5") == ("1",)
    filled = Taxonomy.from_path_lines(lines, gaps="fill")
    assert filled.path("5") == ("1", "A > B", "5")
    assert filled.title_of("6") == "D - E"
    named = Taxonomy.from_path_lines(lines, names="path")
    assert named.path("A > B > C") == ("A", "A > B", "A > B > C")
    assert named.to_levels(["A > B > C"]).tolist() == [["A", "B", "C"]]
    assert Taxonomy.from_path_lines(lines, names="path", root="A").levels[0] == (
        "A > D - E",
        "A > B",
    )


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["# v", "A > B"], {}, "line 2: an id and ' - ' must come before the path.*id_sep=None"),
        (["A > B - C"], {}, "line 1: an id"),
        ([" - A"], {}, "line 1: an id"),
        (["1 - A >  > B"], {}, "line 1: an empty step in 'A >  > B'"),
        (["1 - A", "", "2 - A"], {}, "line 3: the path 'A' is already on line 1"),
        (["1 - A", "1 - B"], {}, "line 2: the id '1' is already on line 1"),
        (["1 - A/B", "2 - A/C"], {}, "no line contains the separator ' > '"),
        (["A > B"], {"id_sep": None, "names": "id"}, "names='id' needs ids"),
        (["A > B"], {"sep": ""}, "`sep` must be a separator"),
        (["1 - A", "2 - A > B"], {"root": "3"}, "no node '3'"),
        (["1 - A", "2 - A > B", "3 - C"], {"root": "1"}, "No path leads from the root '1'"),
        ([], {}, "at least one node"),
    ],
)
def test_bad_lists_are_refused(lines, options, message):
    with pytest.raises(TaxonomyError, match=message):
        Taxonomy.from_path_lines(lines, **options)


def test_deep_lists_and_codes():
    steps = [str(k) for k in range(300)]
    lines = [" > ".join(steps[:k]) for k in range(1, 301)]
    assert Taxonomy.from_path_lines(lines, id_sep=None).n_levels == 300
    codes = ["1" * k for k in range(1, 301)]
    found = Taxonomy.from_codes(codes, lengths="prefix")
    assert all(found.parents(low) == (high,) for high, low in pairwise(codes))
