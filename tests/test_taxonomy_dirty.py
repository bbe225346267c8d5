"""Taxonomies as they are: gaps, placeholders, blanks, look-alikes, separators; and the report."""

import unicodedata

import numpy as np
import pytest
from conftest import DIAMOND, TAXONOMIES
from hypothesis import given
from hypothesis import strategies as st
from sklearn.naive_bayes import GaussianNB

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.exceptions import TargetError, TaxonomyError, TaxonomyWarning
from sklhier.taxonomy._oddities import folded, shared_separator
from sklhier.taxonomy._steps import escaped, split_path, unescaped

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def raises(match, build, *args, error=TargetError, **kwargs):
    with pytest.raises(error, match=match):
        build(*args, **kwargs)


def paths_of(rows, **params):
    """Build from path strings as from levels; a missing step is empty."""
    return Taxonomy.from_paths(["/".join(step or "" for step in row) for row in rows], **params)


BUILDERS = pytest.mark.parametrize("build", [Taxonomy.from_levels, paths_of])


# -- gaps ---------------------------------------------------------------------------------

GAPS = [["a", None, "x"], ["a", "k", "y"], ["b", None, None, "z"], ["c"]]


@BUILDERS
def test_a_gap_names_its_row_and_both_ways_out(build):
    raises("row 1 .*gaps='skip'.*gaps='fill'|Row 1 .*gaps='skip'.*gaps='fill'", build,
           [["b"], ["a", None, "x"]])  # fmt: skip
    raises("`gaps` must be 'error', 'skip' or 'fill', got 'drop'", build, GAPS,
           gaps="drop", error=TaxonomyError)  # fmt: skip


@BUILDERS
def test_gaps_are_left_out(build):
    labels, tree = build(GAPS, gaps="skip")
    assert labels.tolist() == ["a/x", "a/k/y", "b/z", "c"]
    assert tree.nodes[1:] == ("a", "b", "c", "a/k", "a/x", "b/z", "a/k/y")
    assert tree.to_levels(["b/z"]).tolist() == [["b", "z", None]]


@BUILDERS
def test_gaps_are_filled_by_nodes_named_after_their_parents(build):
    labels, tree = build([*GAPS, [None, "w"]], gaps="fill")
    assert labels.tolist() == ["a/(a)/x", "a/k/y", "b/(b)/((b))/z", "c", "(root)/w"]
    assert tree.path("b/(b)/((b))/z") == ("b", "b/(b)", "b/(b)/((b))", "b/(b)/((b))/z")
    for rows in ([["a", None, "x"], ["a", "(a)", "y"]], [["a", "(a)", "y"], ["a", None, "x"]]):
        raises(r"would name a step '\(a\)', but row [01] has", build, rows, gaps="fill")
    raises(
        r"would name a step '\(root\)', but row [01]",
        build,
        [["(root)"], [None, "x"]],
        gaps="fill",
    )
    # Elsewhere the name is free.
    labels, _ = build([["a", None, "x"], ["b", "(a)", "y"], ["b", "k"]], gaps="fill")
    assert labels.tolist() == ["a/(a)/x", "b/(a)/y", "b/k"]


def test_steps_keep_their_types_when_they_move_or_name_a_node():
    rows = [[1, None, 2.5], ["k", 3, 7], [None, 4, None]]
    labels, tree = Taxonomy.from_levels(rows, gaps="skip")
    assert tree.to_levels(labels).tolist() == [[1, 2.5, None], ["k", 3, 7], [4, None, None]]
    labels, tree = Taxonomy.from_levels(rows, gaps="fill")
    assert tree.to_levels(labels).tolist() == [[1, "(1)", 2.5], ["k", 3, 7], ["(root)", 4, None]]


@BUILDERS
@pytest.mark.parametrize("gaps", ["error", "skip", "fill"])
def test_a_row_without_any_step_is_missing(build, gaps):
    raises("row 1 is missing|empty step|row 1", build, [["a"], [""]], gaps=gaps)
    raises("row 1 is missing", build, [["a"], ["-", "-"]], gaps=gaps, missing=["-"])


def test_empty_steps_at_the_ends_of_a_path():
    assert Taxonomy.from_paths(["/a/x/", "b//"], gaps="skip")[0].tolist() == ["a/x", "b"]
    assert Taxonomy.from_paths(["a/x/", "b"], gaps="fill")[0].tolist() == ["a/x", "b"]
    for path in ("a/", "/a", "a/ ", "a//b", ""):
        raises("in row 1 has an empty step", Taxonomy.from_paths, ["b", path])
    assert Taxonomy.from_paths(["a/ ", "b"], strip=False)[0].tolist() == ["a/ ", "b"]


@BUILDERS
def test_gaps_below_a_named_root(build):
    rows = [["R", None, "x"], ["R", "k", "y"]]
    assert build(rows, gaps="skip", root="R")[0].tolist() == ["R/x", "R/k/y"]
    labels, tree = build(rows, gaps="fill", root="R")
    assert tree.to_levels(labels).tolist() == [["(R)", "x"], ["k", "y"]]


def test_labels_and_taxonomy_of_rows_with_gaps_can_be_fitted():
    rows = [["a", None, "x"], ["a", "k", "y"], ["b", "m", "z"], ["b", None, "w"]] * 5
    X = np.random.RandomState(0).normal(size=(20, 2))
    raises("Row 0 has a gap.*from_levels.*gaps='skip'.*labels and a taxonomy for fit|Row 0 has a gap",
           HierarchicalClassifier(GaussianNB()).fit, X, rows)  # fmt: skip
    for gaps in ("skip", "fill"):
        labels, tree = Taxonomy.from_levels(rows, gaps=gaps)
        model = HierarchicalClassifier(GaussianNB(), taxonomy=tree).fit(X, labels)
        assert set(model.predict(X)) <= set(labels)


# -- placeholders and blanks --------------------------------------------------------------

PLACEHOLDERS = [["a", "c__", "x"], ["a", "N/A"], ["b", "k", " c__"], ["b"]]
MISSING = [["c__", "N/A"], {" c__", "N/A "}, lambda step: step in ("c__", "N/A")]


@pytest.mark.parametrize("missing", MISSING, ids=["list", "set with blanks", "callable"])
def test_placeholders_mean_no_label(missing):
    labels, tree = Taxonomy.from_levels(PLACEHOLDERS, missing=missing, gaps="skip")
    assert labels.tolist() == ["a/x", "a", "b/k", "b"]
    paths = ["|".join(row) for row in PLACEHOLDERS]
    found, same = Taxonomy.from_paths(paths, "|", missing=missing, gaps="skip")
    assert found.tolist() == ["a|x", "a", "b|k", "b"]
    assert same.to_levels(found).tolist() == tree.to_levels(labels).tolist()
    for build in (
        Taxonomy.from_levels,
        lambda _, **params: Taxonomy.from_paths(paths, "|", **params),
    ):
        raises(
            r"Row 0 has a gap in its path \('a', None, 'x'\)", build, PLACEHOLDERS, missing=missing
        )


def test_placeholders_of_other_types():
    rows = [["a", -1], ["a", 0], ["b", -1.0]]
    assert Taxonomy.from_levels(rows, missing=np.array([-1]))[0].tolist() == ["a", "a/0", "b"]
    # False is not 0.
    assert Taxonomy.from_levels([["a", 0], ["b", 1]], missing=[False])[0].tolist() == [
        "a/0",
        "b/1",
    ]


@BUILDERS
@pytest.mark.parametrize("missing", ["N/A", 5, {"a": 1}, [["x"]], str])
def test_other_placeholders_are_refused(build, missing):
    hint = r" Did you mean \['N/A'\]\?" if missing == "N/A" else ""
    raises(f"`missing` must be a collection .*, got [^?]*\\.{hint}$", build, [["a"], ["b"]],
           missing=missing, error=TaxonomyError)  # fmt: skip


@BUILDERS
def test_blanks_around_steps(build):
    rows = [["a ", "x"], ["a", "\u00a0x\t"], ["\ufeffa", "y\u200b"], ["b", " z z "]]
    labels, tree = build(rows)
    assert labels.tolist() == ["a/x", "a/x", "a/y", "b/z z"]
    assert tree.to_levels(labels[-1:]).tolist() == [["b", "z z"]]
    with pytest.warns(TaxonomyWarning, match="'a' and 'a '|'a ' and 'a'|and '.ufeffa'"):
        kept, _ = build(rows, strip=False)
    assert kept.tolist() == ["/".join(row) for row in rows]
    raises(
        "`strip` must be True or False, got 'yes'", build, rows, strip="yes", error=TaxonomyError
    )


def test_labels_that_need_no_cleaning_are_returned_as_they_are():
    paths = np.array(["a/x", "b/y"], dtype=object)
    labels, _ = Taxonomy.from_paths(paths)
    assert labels is paths
    cleaned, _ = Taxonomy.from_paths(np.array(["a/x ", "b/y"], dtype=object))
    assert cleaned.dtype == object
    assert Taxonomy.from_paths(["a > x", "b > y"], ">")[0].tolist() == ["a>x", "b>y"]


def test_level_columns_in_fit_are_read_as_they_stand():
    rows = [["a", "x "], ["a", "y"], ["b", "z"], ["b", "w"]] * 3
    X = np.arange(24.0).reshape(12, 2)
    model = HierarchicalClassifier(GaussianNB()).fit(X, rows)
    assert "x " in [row[-1] for row in model.predict(X)]
    assert model.score(X, rows) > 0


# -- look-alikes --------------------------------------------------------------------------

ALIKE = [
    ("Owl", "owl"),
    ("barn owl", "barn  owl"),
    ("barn owl", "barnowl"),
    ("barn owl", "barn\u00a0owl"),
    (COMPOSED, DECOMPOSED),
    ("STRASSE", "stra\u00dfe"),
    ("owl", "o\u200bwl"),
    ("\uff21", "A"),
]
DIFFERENT = [("owl", "owls"), ("cafe", COMPOSED), ("1", "11"), ("a-b", "ab")]


@BUILDERS
@pytest.mark.parametrize(("first", "second"), ALIKE)
def test_siblings_that_look_alike_give_a_warning(build, first, second):
    with pytest.warns(TaxonomyWarning, match="differ only in case, blanks or .*Unicode") as caught:
        _, tree = build([["a", first], ["a", second], ["b", "c"]])
    assert len(caught) == 1
    assert repr(f"a/{first}") in str(caught[0].message)
    assert repr(f"a/{second}") in str(caught[0].message)
    finding = tree.lint()[0]
    assert finding.kind == "look_alikes"
    assert finding.cases == (tuple(sorted([f"a/{first}", f"a/{second}"])),)


@BUILDERS
def test_no_warning_about_cousins_and_what_differs(build):
    build([["a", "owl"], ["b", "Owl"]])
    for first, second in DIFFERENT:
        _, tree = build([["a", first], ["a", second], ["b", "c"]])
        assert "look_alikes" not in [finding.kind for finding in tree.lint()]


def test_tops_that_look_alike_and_many_pairs():
    with pytest.warns(TaxonomyWarning, match="'A' and 'a'"):
        Taxonomy.from_paths(["a/x", "A/y"])
    rows = [[letter, case(letter * 3)] for letter in "abcde" for case in (str.lower, str.upper)]
    with pytest.warns(TaxonomyWarning, match="'b/bbb'.*; and 2 more"):
        Taxonomy.from_levels(rows)


def test_level_columns_in_fit_give_the_warnings_too():
    X = np.random.RandomState(0).normal(size=(12, 2))
    with pytest.warns(TaxonomyWarning, match="'a/Owl' and 'a/owl'") as caught:
        HierarchicalClassifier(GaussianNB()).fit(X, [["a", "owl"], ["a", "Owl"], ["b", "c"]] * 4)
    assert [warning.filename for warning in caught] == [__file__]
    rows = [["a", "owl"], ["a", "eel"], ["a", "ray"]] * 4
    with pytest.warns(TaxonomyWarning, match="All paths begin with 'a'"):
        HierarchicalClassifier(GaussianNB()).fit(X, rows)
    sets = [[("a", "owl"), ("a", "eel")], [("a", "eel")], [("a", "ray")]] * 4
    with pytest.warns(TaxonomyWarning, match="All paths begin with 'a'"):
        HierarchicalMultiLabelClassifier(GaussianNB()).fit(X, sets)
    # Where some samples have no label, the step tells something.
    HierarchicalMultiLabelClassifier(GaussianNB()).fit(X, [*sets[:-1], []])


# -- separators ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "other"),
    [
        (["a > x", "a > y", "b > z"], "' > '"),
        (["a|x", "a|y"], "'|'"),
        (["sci.space", "sci.med", "rec.autos"], "'.'"),
        (["a", "b"], None),
        (["a > x", "b"], None),
    ],
)
def test_a_separator_that_no_label_holds(paths, other):
    advice = f"pass sep={other}" if other else "use `Taxonomy.flat`"
    with pytest.warns(TaxonomyWarning) as caught:
        Taxonomy.from_paths(paths)
    (warning,) = caught
    assert "No label contains the separator '/'" in str(warning.message)
    assert advice in str(warning.message)
    assert warning.filename == __file__


@BUILDERS
@pytest.mark.parametrize("sep", ["", None, 1])
def test_separators_that_are_none(build, sep):
    raises("`sep` must be a string of at least one", build, [["a"], ["b"]], sep=sep,
           error=TaxonomyError)  # fmt: skip


STEPS = st.text("ab:/\\> ", min_size=1, max_size=5)
ROWS = st.lists(st.lists(STEPS, min_size=1, max_size=3), min_size=1, max_size=6)


@given(ROWS, st.sampled_from(["/", ":", "::", " > ", "ab", "aba", ">"]), st.booleans())
@pytest.mark.filterwarnings("ignore::sklhier.exceptions.TaxonomyWarning")
def test_names_made_of_levels_survive_as_paths(rows, sep, strip):
    if strip:
        rows = [[step.strip() or "x" for step in row] for row in rows]
    labels, tree = Taxonomy.from_levels(rows, sep, strip=strip)
    found, same = Taxonomy.from_paths(labels, sep, strip=strip)
    assert found.tolist() == labels.tolist()
    assert same == tree
    padded = [[*row, *[None] * (tree.n_levels - len(row))] for row in rows]
    assert same.to_levels(found).tolist() == padded


@given(STEPS, st.sampled_from(["/", ":", "::", " > ", "ab", "aba"]))
def test_a_step_can_be_told_from_its_separator(step, sep):
    assert unescaped(escaped(step, sep), sep) == step
    assert split_path(escaped(step, sep) + sep + "q", sep) == [escaped(step, sep), "q"]


def test_how_steps_are_escaped():
    assert escaped("a/b", "/") == r"a\/b"
    assert escaped("a\\b", "/") == "a\\b"  # as it is, where nothing is ambiguous
    assert escaped("a\\", "/") == "a\\\\"
    assert escaped("a\\b/", "/") == r"a\\b\/"
    assert escaped("a:", "::") == r"a\:"
    assert split_path(r"a\/b/c", "/") == [r"a\/b", "c"]
    labels, tree = Taxonomy.from_paths([r"C:\dir/x", "D:/x"])
    assert labels.tolist() == [r"C:\dir/x", "D:/x"]
    assert tree.to_levels(labels).tolist() == [["C:\\dir", "x"], ["D:", "x"]]


def test_a_backslash_as_separator():
    labels, tree = Taxonomy.from_paths(["a\\x", "b\\y"], "\\")
    assert tree.to_levels(labels).tolist() == [["a", "x"], ["b", "y"]]
    assert Taxonomy.from_levels([["a", "x"], ["b", "y"]], "\\")[1] == tree
    raises(r"contains the separator '\\\\', which cannot be escaped", Taxonomy.from_levels,
           [["a\\b", "x"], ["b", "y"]], "\\", error=TaxonomyError)  # fmt: skip


# -- labels that look like paths ----------------------------------------------------------

SPELLED = np.array(["bird/owl", "bird/wren", "fish/ray", "fish/eel"] * 5)
X = np.random.RandomState(0).normal(size=(20, 2))


@pytest.mark.parametrize("params", [{}, {"chain": "proba"}, {"routing": "predicted"}])
def test_paths_without_a_taxonomy_give_a_warning(params):
    with pytest.warns(
        TaxonomyWarning, match=r"'bird/eel|'bird/owl.*from_paths\(y, sep='/'\)"
    ) as caught:
        HierarchicalClassifier(GaussianNB(), **params).fit(X, SPELLED)
    assert [warning.filename for warning in caught] == [__file__]
    for taxonomy in (Taxonomy.from_paths(SPELLED)[1], Taxonomy.flat(SPELLED)):
        HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy).fit(X, SPELLED)


def test_one_label_without_the_separator():
    mixed = np.where(np.arange(20) % 4 == 3, "eel", SPELLED)
    HierarchicalClassifier(GaussianNB()).fit(X, mixed)
    with pytest.warns(TaxonomyWarning, match="look like paths"):
        HierarchicalClassifier(GaussianNB(), chain="proba").fit(X, mixed)


@pytest.mark.parametrize(
    ("labels", "sep"),
    [
        (["a/x", "a/y"], "/"),
        (["a > b/c", "a > d/e"], " > "),
        (["a::b", "a::c"], "::"),
        (["a/x", "b/y"], None),  # no two begin alike
        (["a/x", "a/y", "c"], None),
        (["/x", "/y"], None),
        (["1.5", "1.7", "-1.5"], None),
        ([1, 2], None),
        ([], None),
    ],
)
def test_separators_that_labels_share(labels, sep):
    assert shared_separator(labels) == sep


# -- the report ---------------------------------------------------------------------------


def kinds(taxonomy, labels=None):
    return {finding.kind: finding.cases for finding in taxonomy.lint(labels)}


@pytest.mark.parametrize(
    "name", sorted({*TAXONOMIES} - {"chain", "several_roots", "repeated_names"})
)
def test_nothing_odd(name):
    assert repr(TAXONOMIES["balanced"].lint()) == "no findings"
    assert set(kinds(TAXONOMIES[name])) <= {"single_children"}
    assert kinds(TAXONOMIES["flat"], ["a", "b", "c"]) == {}


@pytest.mark.parametrize(
    "name", ["nan", "None", "", " ", "N/A", "UNKNOWN", "-", "a ", "\u00a0a", "a\ufffdb"]
)
def test_doubtful_names(name):
    assert kinds(Taxonomy.from_dict({"r": [name, "fine"]}))["doubtful_names"] == (name,)


@pytest.mark.parametrize("name", ["a", "nano", "Nonesuch", "a b", "none of these", 5, ("nan",)])
def test_names_that_are_not_doubtful(name):
    assert kinds(Taxonomy.from_dict({"r": [name, "fine"]})) == {}


def test_chains_of_single_children():
    tree = Taxonomy.from_dict({"a": {"b": {"c": ["d"]}}, "e": {"f": ["g", "h"]}, "i": None})
    assert set(kinds(tree)["single_children"]) == {("a", "b", "c", "d"), ("e", "f")}
    assert kinds(TAXONOMIES["chain"])["single_children"] == (("R", "a", "b", "c"),)
    assert "single_children" not in kinds(Taxonomy.from_dict({"a": ["b", "c"]}, root="a"))
    assert kinds(Taxonomy.from_dict({"a": ["b", "c"]}, root=None)) == {}
    # P's child Z has another parent; S is Q's only one, and Z has two parents.
    assert kinds(DIAMOND)["single_children"] == (("Q", "S"),)


def test_edges_the_other_way_round():
    upwards = [
        ("owl", "bird"),
        ("wren", "bird"),
        ("eel", "fish"),
        ("bird", "any"),
        ("fish", "any"),
    ]
    tree = Taxonomy.from_edges(upwards, direction="parent_child")
    assert kinds(tree)["reversed_edges"] == ((3, 1),)
    assert "3 tops and 1" in repr(tree.lint())
    assert "reversed_edges" not in kinds(DIAMOND)


def test_deep_wide_and_unsplit_taxonomies():
    deep = Taxonomy.from_edges([(i, i + 1) for i in range(51)])
    assert kinds(deep)["deep"] == (51,)
    assert "deep" not in kinds(Taxonomy.from_edges([(i, i + 1) for i in range(50)]))
    wide = Taxonomy.from_edges([("r", i) for i in range(1001)])
    assert kinds(wide)["wide"] == ("r",)
    assert kinds(Taxonomy.from_edges([("r", i) for i in range(1000)])) == {}
    assert kinds(Taxonomy.flat(["a/x", "a/y"]))["paths"] == ("a/x", "a/y")


def test_nodes_without_labels():
    tree = TAXONOMIES["ragged"]
    assert kinds(tree, ["a", "B", None])["unused"] == ("C", "A2", "B1", "B2", "b", "c")
    assert kinds(tree, [["a", "c"], {"B1"}, []])["unused"] == ("C", "B2", "b")
    assert kinds(tree, np.array(["new", "a", "new"]))["unknown_labels"] == ("new",)
    assert "unused" not in kinds(tree, iter(tree.leaves))
    assert kinds(DIAMOND, ["Z"]) == {"single_children": (("Q", "S"),)}
    named = Taxonomy.from_edges([("r", ("a", 1)), ("r", ("b",))])
    assert kinds(named, [("a", 1)])["unused"] == (("b",),)


def test_a_finding_prints_three_cases():
    tree = Taxonomy.from_dict({"r": ["nan", "none", "-", "?", "x" * 500]})
    (finding,) = tree.lint()
    assert len(finding.cases) == 4
    assert repr(finding).startswith("doubtful_names (4): 'nan'; 'none'; '-'; ...\n    Names that")


@given(st.text(max_size=8))
def test_folding_does_not_depend_on_form_and_case(text):
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert folded(unicodedata.normalize(form, text)) == folded(text)


@pytest.mark.slow
def test_a_report_on_a_million_nodes_takes_no_more_work_than_ten_on_a_tenth():
    import time

    def seconds(n_nodes):
        tree = Taxonomy.from_parents(
            {f"n{i}": f"n{(i - 1) // 10}" if i else None for i in range(n_nodes)}
        )
        started = time.process_time()
        found = tree.lint(["n5"])
        assert [finding.kind for finding in found] == ["unused"]
        return time.process_time() - started

    assert seconds(1_000_000) < 30 * seconds(100_000)
