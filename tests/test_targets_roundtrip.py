"""Labels in every format go through fit, predict, metric, report and search, and come back in it."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier._targets.formats import FORMATS, detect
from sklhier.decoders import HierarchicalF, SetThreshold, Threshold
from sklhier.exceptions import TargetError
from sklhier.metrics import (
    hierarchical_classification_report,
    hierarchical_f1_score,
    make_hierarchical_scorer,
)
from sklhier.model_selection import HierarchicalStratifiedKFold
from sklhier.persistence import trusted_types

TREE = Taxonomy.from_levels([["a", "x"], ["a", "y"], ["b", "z"], ["c", None]])[1]
PATHS = [["a", "x"], ["a", "y"], ["b", "z"], ["c"]]
NUMBERS = Taxonomy.from_levels([[1, 10], [1, 2**53 + 1], [2, 30], [3, None]])[1]
NUMBER_PATHS = [[1, 10], [1, 2**53 + 1], [2, 30], [3]]
DAYS = np.array(["2020-01-01", "2020-01-02", "2020-02-01", "2020-03-01"], dtype="M8[ns]")
CODES = np.tile(np.arange(4), 6)
X = np.eye(4)[CODES] + np.random.default_rng(0).normal(0, 0.05, (24, 4))


def optional(package):
    return pytest.importorskip(package, exc_type=ImportError)


def objects(rows):
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


def padded(paths, padding):
    return [[*path, *[padding] * (2 - len(path))] for path in paths]


def columns(paths, padding=None):
    return dict(
        zip(("top", "low"), map(list, zip(*padded(paths, padding), strict=True)), strict=True)
    )


def string_dtype():
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("numpy before 2")
    return np.dtypes.StringDType()


def polars(values, dtype=None):
    pl = optional("polars")
    return pl.Series("label", values, dtype=None if dtype is None else dtype(pl))


NAMES = ["a/x", "a/y", "b/z", "c"]
# For each format: the labels of the four kinds of rows, given by their codes.
LABELS = {
    "list": lambda names: names,
    "tuple": tuple,
    "text": np.array,
    "objects": objects,
    "StringDType": lambda names: np.array(names, dtype=string_dtype()),
    "series": lambda names: pd.Series(names, name="label"),
    "series of objects": lambda names: pd.Series(names, dtype=object),
    "nullable series": lambda names: pd.Series(names, dtype="string"),
    "categorical": pd.Categorical,
    "array of pandas": lambda names: pd.Series(names).array,
    "index": pd.Index,
    "arrow-backed": lambda names: (
        optional("pyarrow") and pd.Series(names, dtype="string[pyarrow]")
    ),
    "polars": polars,
    "Enum": lambda names: polars(names, lambda pl: pl.Enum(NAMES[::-1])),
    "Categorical of polars": lambda names: polars(names, lambda pl: pl.Categorical),
    "pyarrow": lambda names: optional("pyarrow").array(names),
    "dictionary": lambda names: optional("pyarrow").array(names).dictionary_encode(),
    "chunks": lambda names: optional("pyarrow").chunked_array([names[:2], names[2:]]),
}
FRAMES = {
    "frame": lambda d: pd.DataFrame(d),
    "frame of objects": lambda d: pd.DataFrame(d, dtype=object),
    "frame of text": lambda d: pd.DataFrame(d, dtype="string"),
    "frame of categories": lambda d: pd.DataFrame(
        {name: pd.Categorical(values, categories=[*"zyxwcba"]) for name, values in d.items()}
    ),
    "frame with a twin name": lambda d: pd.DataFrame(d).set_axis(["n", "n"], axis=1),
    "frame of polars": lambda d: optional("polars").DataFrame(d),
    "frame of Enum": lambda d: optional("polars").DataFrame(
        d, schema_overrides={"low": optional("polars").Enum(list("xyz"))}
    ),
    "table": lambda d: optional("pyarrow").table(d),
    "batch": lambda d: optional("pyarrow").table(d).combine_chunks().to_batches()[0],
}
PATH_FORMS = {
    "lists": list,
    "tuples": lambda paths: [tuple(path) for path in paths],
    "tuple of lists": tuple,
    "objects of lists": objects,
    "objects of tuples": lambda paths: objects([tuple(path) for path in paths]),
    "series of lists": pd.Series,
    "arrow-backed lists": lambda paths: pd.Series(
        paths, dtype=pd.ArrowDtype(optional("pyarrow").list_(optional("pyarrow").string()))
    ),
    "List": polars,
    "list array": lambda paths: optional("pyarrow").array(paths),
    "column of lists": lambda paths: pd.DataFrame({"path": paths}),
    "object table": lambda paths: np.array(padded(paths, None), dtype=object),
    "text table": lambda paths: np.array(padded(paths, "")),
    "StringDType table": lambda paths: np.array(padded(paths, ""), dtype=string_dtype()),
    **{
        name: (lambda paths, make=make: make(columns(paths)))
        for name, make in FRAMES.items()
    },
}  # fmt: skip
NUMBER_FORMS = {
    "lists": list,
    "nullable": lambda paths: pd.DataFrame(columns(paths), dtype="Int64"),
    "arrow-backed": lambda paths: (
        optional("pyarrow") and pd.DataFrame(columns(paths), dtype="int64[pyarrow]")
    ),
    "polars": lambda paths: optional("polars").DataFrame(columns(paths)),
    "table": lambda paths: optional("pyarrow").table(columns(paths)),
    "objects": lambda paths: np.array(padded(paths, None), dtype=object),
    "ordered categories": lambda paths: pd.DataFrame(columns(paths), dtype="Int64").astype(
        {"top": pd.CategoricalDtype([3, 2, 1], ordered=True)}
    ),
}


def can_be_cut(y):
    """Whether scikit-learn can take rows of labels: before 1.7 not of arrow."""
    is_arrow = type(y).__module__.startswith("pyarrow")
    return not is_arrow or hasattr(sklearn.utils, "_repr_html")


def same(found, wanted):
    """Whether two containers are equal in type, dtype and values."""
    if isinstance(wanted, pd.DataFrame):
        pd.testing.assert_frame_equal(found, wanted)
    elif isinstance(wanted, pd.Series):
        pd.testing.assert_series_equal(found, wanted)
    elif isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype
        assert_array_equal(found, wanted)
    elif sparse.issparse(wanted):
        assert type(found) is type(wanted)
        assert found.dtype == wanted.dtype
        assert (found != wanted).nnz == 0
    elif hasattr(wanted, "to_pylist"):
        known = found.schema if hasattr(found, "schema") else found.type
        assert known == (wanted.schema if hasattr(wanted, "schema") else wanted.type)
        assert found.to_pylist() == wanted.to_pylist()
    else:
        assert type(found) is type(wanted)
        assert found.equals(wanted) if hasattr(wanted, "equals") else found == wanted
        assert getattr(found, "schema", None) == getattr(wanted, "schema", None)
        assert getattr(found, "dtype", None) == getattr(wanted, "dtype", None)


# scikit-learn cannot take rows of these.
NOT_SEARCHED = ["array of pandas", "index", "batch"]


def goes_through(y, taxonomy, wanted, *, searched=True):
    """Fit, predict, score, compare, report and search with labels of one format."""
    model = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy)
    plain = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy).fit(X, wanted)
    fitted = model.fit(X, y)
    predicted = fitted.predict(X)
    assert fitted.score(X, y) == plain.score(X, wanted) == 1
    assert fitted.score(X, wanted) == 1
    assert hierarchical_f1_score(y, predicted, taxonomy=taxonomy) == 1
    assert hierarchical_f1_score(predicted, wanted, taxonomy=taxonomy) == 1
    report = hierarchical_classification_report(y, predicted, taxonomy=taxonomy, output="dict")
    by_name = plain.predict(X)
    assert report == hierarchical_classification_report(
        wanted, by_name, taxonomy=taxonomy, output="dict"
    )
    assert_array_equal(taxonomy.ids(by_name.tolist()), taxonomy.ids(list(wanted)))
    if not searched or not can_be_cut(y):
        return predicted
    search = GridSearchCV(
        model,
        {"decoder": ["best_path", "top_down"]},
        cv=HierarchicalStratifiedKFold(2, taxonomy=taxonomy),
        scoring=make_hierarchical_scorer(hierarchical_f1_score, taxonomy=taxonomy),
        error_score="raise",
    )
    assert search.fit(X, y).best_score_ == 1
    # What stops everywhere still answers in the same type.
    early = fitted.set_params(decoder=Threshold(0.9999999)).predict(X * 0 + 0.3)
    assert len(early) == len(X)
    return predicted


@pytest.mark.few(6)
@pytest.mark.parametrize("name", LABELS)
def test_one_label_for_each_sample(name):
    wanted = [NAMES[code] for code in CODES]
    y = LABELS[name](wanted)
    predicted = goes_through(y, TREE, wanted, searched=name not in NOT_SEARCHED)
    as_arrays = y if isinstance(y, np.ndarray) else np.array(wanted)
    assert type(predicted) is np.ndarray
    assert predicted.tolist() == wanted
    if isinstance(y, np.ndarray | list | tuple):
        assert predicted.dtype == as_arrays.dtype


@pytest.mark.parametrize(
    "y",
    [
        [3, 1, 7, 2**53 + 1],
        np.array([3, 1, 7, 9], dtype=np.uint8),
        pd.array([3, 1, 7, 2**53 + 1], dtype="Int64"),
        DAYS,
        DAYS + np.arange(4),
        DAYS.astype("M8[D]"),
        DAYS - DAYS[0],
        pd.Series(DAYS),
        pd.Series(pd.to_datetime(DAYS).tz_localize("UTC")),
        np.array([b"x", b"y", b"z", b"w"]),
        [("a",), ("a", "b"), "c", 2],
        [2.5, "2", 1, "x"],
    ],
    ids=str,
)
def test_labels_of_other_types_are_flat_names(y):
    kind = type(y)
    rows = [y[code] for code in CODES]
    given = objects(rows) if kind is list and isinstance(y[0], tuple) else rows
    if isinstance(y, np.ndarray):
        given = y[CODES]
    elif kind is not list:
        given = y.take(CODES)
    tuples = Taxonomy.flat(given) if kind is list and isinstance(y[0], tuple) else None
    model = HierarchicalClassifier(GaussianNB(), taxonomy=tuples).fit(X, given)
    assert model.taxonomy_.n_nodes == 5
    predicted = model.predict(X)
    assert list(predicted) == list(np.asarray(given)) or list(predicted) == list(given)
    assert model.score(X, given) == 1
    if isinstance(y, np.ndarray):
        assert predicted.dtype == y.dtype
    assert hierarchical_f1_score(given, predicted, taxonomy=model.taxonomy_) == 1


@pytest.mark.few(4)
@pytest.mark.parametrize("name", PATH_FORMS)
def test_paths(name):
    y = PATH_FORMS[name]([PATHS[code] for code in CODES])
    wanted = [NAMES[code] for code in CODES]
    predicted = goes_through(y, TREE, wanted, searched=name not in NOT_SEARCHED)
    if name == "batch":
        y = optional("pyarrow").Table.from_batches([y])
    same(predicted, y)
    inferred = HierarchicalClassifier(GaussianNB()).fit(X, y)
    assert inferred.taxonomy_.leaves == TREE.leaves
    same(inferred.predict(X), y)


@pytest.mark.few(4)
@pytest.mark.parametrize("name", NUMBER_FORMS)
def test_paths_of_integers_with_gaps_stay_exact(name):
    y = NUMBER_FORMS[name]([NUMBER_PATHS[code] for code in CODES])
    labels, taxonomy = Taxonomy.from_levels(y)
    assert set(labels) == {"1/10", f"1/{2**53 + 1}", "2/30", "3"}
    assert taxonomy == NUMBERS
    same(goes_through(y, NUMBERS, list(labels)), y)


def test_integers_that_a_gap_made_floats_are_named_as_integers():
    with_gap = pd.DataFrame({"top": [1, 1, 2], "low": [10, 20, None]})
    assert with_gap["low"].dtype == float
    names, tree = Taxonomy.from_levels(with_gap)
    assert names.tolist() == ["1/10", "1/20", "2"]
    assert [type(step) for step in tree.step_names[1:]] == [int] * 4
    full = with_gap[:2].astype(int)
    assert Taxonomy.from_levels(full, root=None)[0].tolist() == names[:2].tolist()
    assert Taxonomy.from_levels(full.to_numpy(float), root=None)[0].tolist() == names[:2].tolist()
    model = HierarchicalClassifier(GaussianNB()).fit(X[:3], with_gap)
    pd.testing.assert_frame_equal(model.predict(X[:3]), with_gap)
    assert model.score(X[:2], full) == 1
    # Other numbers keep their fractions.
    assert Taxonomy.from_levels(np.array([[2.0], [2.5]]))[0].tolist() == ["2", "2.5"]


@pytest.mark.few(2)
@pytest.mark.parametrize("package", ["pandas", "polars", "pyarrow"])
def test_one_column_is_labels_or_first_steps(package):
    names = [NAMES[code] for code in CODES]
    frame = {"label": names}
    if package == "pandas":
        frame = pd.DataFrame(frame)
    elif package == "polars":
        frame = optional("polars").DataFrame(frame)
    else:
        frame = optional("pyarrow").table(frame)
    same(goes_through(frame, TREE, names), frame)
    tops = pd.DataFrame({"top": [name[0] for name in names]})
    model = HierarchicalClassifier(GaussianNB(), taxonomy=TREE).fit(X, tops)
    same(model.predict(X), tops)
    column = np.array(names, dtype=object)[:, None]
    fitted = HierarchicalClassifier(GaussianNB(), taxonomy=TREE).fit(X, column)
    assert fitted.predict(X).tolist() == names


# -- several labels -----------------------------------------------------------------------

ROWS = [["a/x"], ["a/y", "b/z"], ["c"], []]
ROW_PATHS = [[["a", "x"]], [["a", "y"], ["b", "z"]], [["c"]], []]
CLOSED = TREE.binarize(ROWS).toarray()


def by_name(rows):
    return pd.DataFrame(TREE.binarize(rows).toarray(), columns=list(TREE.nodes[1:]))


def cube(paths, padding, dtype):
    rows = [
        [*(padded([path], padding)[0] for path in row), *[[padding] * 2] * (2 - len(row))]
        for row in paths
    ]
    return np.array(rows, dtype=dtype)


SETS = {
    "lists": list,
    "tuples": lambda rows: [tuple(row) for row in rows],
    "sets": lambda rows: [set(row) for row in rows],
    "frozensets": lambda rows: [frozenset(row) for row in rows],
    "tuple": tuple,
    "objects": objects,
    "objects of sets": lambda rows: objects([set(row) for row in rows]),
    "series": lambda rows: pd.Series(rows, name="tags"),
    "series of sets": lambda rows: pd.Series([set(row) for row in rows]),
    "arrow-backed": lambda rows: pd.Series(
        rows, dtype=pd.ArrowDtype(optional("pyarrow").list_(optional("pyarrow").string()))
    ),
    "List": polars,
    "List of Enum": lambda rows: polars(rows, lambda pl: pl.List(pl.Enum(NAMES))),
    "list array": lambda rows: optional("pyarrow").array(rows),
    "large list array": lambda rows: optional("pyarrow").array(
        rows, optional("pyarrow").large_list(optional("pyarrow").string())
    ),
    "column": lambda rows: pd.DataFrame({"tags": rows}),
    "column of polars": lambda rows: optional("polars").DataFrame({"tags": rows}),
    "column of a table": lambda rows: optional("pyarrow").table({"tags": rows}),
    "matrix": lambda rows: sparse.csr_matrix(TREE.binarize(rows)),
    "sparse array": TREE.binarize,
    "dense": lambda rows: TREE.binarize(rows).toarray(),
    "booleans": lambda rows: TREE.binarize(rows).toarray().astype(bool),
    "frame": by_name,
    "nullable frame": lambda rows: by_name(rows).astype("Int64"),
    "boolean frame": lambda rows: by_name(rows).astype("boolean"),
    "frame of polars": lambda rows: optional("polars").DataFrame(by_name(rows).to_dict("list")),
    "table": lambda rows: optional("pyarrow").table(by_name(rows).to_dict("list")),
}
PATH_SETS = {
    "lists": list,
    "sets of tuples": lambda rows: [{tuple(path) for path in row} for row in rows],
    "lists of tuples": lambda rows: [[tuple(path) for path in row] for row in rows],
    "List": polars,
    "list array": lambda rows: optional("pyarrow").array(rows),
    "text": lambda rows: cube(rows, "", str),
    "object cube": lambda rows: cube(rows, None, object),
}


def sets_go_through(y):
    rows = [ROWS[code] for code in CODES]
    model = HierarchicalMultiLabelClassifier(
        GaussianNB(), taxonomy=TREE, decoder=SetThreshold(0.5), classes=TREE.nodes[1:]
    )
    fitted = model.fit(X, y)
    predicted = fitted.predict(X)
    assert fitted.score(X, y) == fitted.score(X, rows) == 1
    for true, answer in ((y, predicted), (rows, predicted), (predicted, rows)):
        assert hierarchical_f1_score(true, answer, taxonomy=TREE) == 1
    report = hierarchical_classification_report(y, predicted, taxonomy=TREE, output="dict")
    sets = [set(row) for row in rows]
    assert report == hierarchical_classification_report(sets, sets, taxonomy=TREE, output="dict")
    if can_be_cut(y):
        search = GridSearchCV(
            model,
            {"decoder": [SetThreshold(0.3), SetThreshold(0.5)]},
            cv=KFold(2),
            error_score="raise",
        )
        assert search.fit(X, y).best_score_ == 1
    folds = HierarchicalStratifiedKFold(2, taxonomy=TREE)
    assert len(list(folds.split(X, y))) == 2
    same(predicted, y)


@pytest.mark.few(3)
@pytest.mark.parametrize("name", SETS)
def test_label_sets(name):
    sets_go_through(SETS[name]([ROWS[code] for code in CODES]))


@pytest.mark.few(3)
@pytest.mark.parametrize("name", PATH_SETS)
def test_path_sets(name):
    sets_go_through(PATH_SETS[name]([ROW_PATHS[code] for code in CODES]))


def test_rows_of_bits_come_back_as_an_array():
    y = CLOSED[CODES].tolist()
    fitted = HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=TREE).fit(X, y)
    assert_array_equal(fitted.predict(X), y)


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_frames_with_empty_cells_come_back_with_empty_cells(package):
    frames = pytest.importorskip(package)
    paths = {"top": ["b", "b", "f", "f", "g"], "low": ["o", "w", "r", "e", ""]}
    found = HierarchicalClassifier().fit(np.eye(5), frames.DataFrame(paths)).predict(np.eye(5))
    assert isinstance(found, frames.DataFrame)
    assert {name: list(found[name]) for name in found.columns} == paths


@pytest.mark.parametrize("padding", ["", None, np.nan])
def test_lists_of_one_label_have_no_padding(padding):
    model = HierarchicalMultiLabelClassifier(
        GaussianNB(), taxonomy=TREE, decoder=SetThreshold(0.5)
    )
    for read in (lambda y: TREE.encode(y, kind="sets"), lambda y: model.fit(np.eye(2), y)):
        with pytest.raises(TargetError, match=r"not in the taxonomy: ''|Row 1 holds (None|nan)"):
            read([["c"], [padding]])
        read([["c", "a/x"], ["c", padding]])


@pytest.mark.parametrize(
    "decoder", ["best_path", "top_down", "level_weighted", HierarchicalF(answer="leaf")], ids=repr
)
def test_decoders_that_answer_classes_keep_the_type(decoder):
    levels = np.array([[1, 11], [1, 12], [2, 21]])
    model = HierarchicalClassifier(GaussianNB(), decoder=decoder).fit(np.eye(3), levels)
    assert model.predict(np.eye(3)).dtype == levels.dtype
    names = np.array(["a/x", "b/z", "a/y"]).astype(string_dtype())
    model = HierarchicalClassifier(GaussianNB(), taxonomy=TREE, decoder=decoder)
    assert model.fit(np.eye(3), names).predict(np.eye(3)).dtype == names.dtype


@pytest.mark.parametrize("padding", ["", None, np.nan])
def test_padded_lists_of_labels(padding):
    rows = [["a/x", padding], ["a/y", "b/z"], ["c", padding], [padding, padding]]
    wanted = TREE.binarize(ROWS).toarray()
    for y in (rows, [tuple(row) for row in rows], objects(rows), pd.Series(rows)):
        assert detect(y, TREE, "sets").name == "label sets"
        found = detect(y, TREE, "sets").members(TREE) @ TREE.ancestor_closure
        assert_array_equal(found.toarray()[:, 1:], wanted)
        assert hierarchical_f1_score(y, ROWS, taxonomy=TREE) == 1


def test_every_format_is_here():
    found = {detect(make([ROWS[c] for c in CODES]), TREE, "sets").name for make in SETS.values()}
    found |= {
        detect(make([ROW_PATHS[c] for c in CODES]), TREE, "sets").name
        for make in PATH_SETS.values()
    }
    found |= {
        detect(make([PATHS[c] for c in CODES]), TREE, "one").name for make in PATH_FORMS.values()
    }
    assert found | {"labels", "rows of bits"} == {form.name for form in FORMATS}


@pytest.mark.few(7)
@pytest.mark.parametrize(
    ("forms", "name", "rows"),
    [
        (PATH_FORMS, "objects of tuples", PATHS),
        (PATH_FORMS, "StringDType table", PATHS),
        (PATH_FORMS, "frame of categories", PATHS),
        (PATH_FORMS, "frame of Enum", PATHS),
        (PATH_FORMS, "table", PATHS),
        (PATH_FORMS, "arrow-backed lists", PATHS),
        (SETS, "List of Enum", ROWS),
        (SETS, "frozensets", ROWS),
        (SETS, "boolean frame", ROWS),
        (PATH_SETS, "text", ROW_PATHS),
    ],
)
def test_saved_models_answer_in_the_same_types(forms, name, rows):
    io = optional("skops.io")
    y = forms[name]([rows[code] for code in CODES])
    single = forms is PATH_FORMS
    kind = HierarchicalClassifier if single else HierarchicalMultiLabelClassifier
    model = kind(GaussianNB(), taxonomy=TREE).fit(X, y)
    loaded = io.loads(io.dumps(model), trusted=trusted_types())
    same(loaded.predict(X), model.predict(X))
    same(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


# -- the order of columns -----------------------------------------------------------------


def test_columns_of_unknown_order_are_refused_unless_named():
    tree = Taxonomy.from_dict({"z": ["b", "a"], "y": ["d", "c"]})
    rows = [[["a"], ["b"], ["c"], ["d"]][code] for code in CODES]
    binarizer = MultiLabelBinarizer()
    table = binarizer.fit_transform(rows)  # as many columns as leaves, sorted
    base = HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=tree, decoder=SetThreshold(0.5))
    for y in (table, sparse.csr_array(table), table.tolist(), sparse.csc_matrix(table)):
        for call in (
            lambda y=y: base.fit(X, y),
            lambda y=y: hierarchical_f1_score(y, rows, taxonomy=tree),
            lambda y=y: list(HierarchicalStratifiedKFold(2, taxonomy=tree).split(X, y)),
        ):
            with pytest.raises(
                ValueError, match=r"order of an indicator's columns.*`classes=mlb\.classes_`"
            ):
                call()
    fitted = base.set_params(classes=binarizer.classes_).fit(X, table)
    assert fitted.score(X, rows) == fitted.score(X, table) == 1
    named = pd.DataFrame(table, columns=binarizer.classes_)
    assert base.set_params(classes=None).fit(X, named).score(X, rows) == 1
    # Rows with all their ancestors tell the order; nothing has any order.
    closed = tree.binarize(rows)
    assert base.fit(X, closed).score(X, rows) == 1
    with pytest.raises(ValueError, match=r"order of an indicator's columns"):
        base.fit(X, tree.binarize(rows, closed=False))
    assert hierarchical_f1_score(closed * 0, [[]] * 24, taxonomy=tree, zero_division=1) == 1
    # In one level every row has its ancestors, so that only sorted nodes are certain.
    flat = Taxonomy.from_dict({"b": None, "a": None})
    with pytest.raises(ValueError, match=r"order of an indicator's columns.*taxonomy\.nodes"):
        base.set_params(taxonomy=flat).fit(X, np.eye(2)[CODES % 2])
    sorted_ = Taxonomy.flat(["a", "b"])
    assert base.set_params(taxonomy=sorted_).fit(X, np.eye(2)[CODES % 2]).classes_.tolist() == [
        "a",
        "b",
    ]


# -- types do not depend on the answers at hand -------------------------------------------

SURE = LogisticRegression(C=1e4)
MIXED = Taxonomy.from_edges([(("the", "top"), ("b",)), (("b",), "s"), (("b",), 3)])


@pytest.mark.few(2)
@pytest.mark.parametrize("root", [None, 100, ("the", "root")])
def test_the_type_of_predictions_does_not_depend_on_the_batch(root):
    tree = Taxonomy.from_edges([(1, 10), (1, 11), (2, 20), (2, 21)])
    if root is not None:
        edges = [(1, 10), (1, 11), (2, 20), (2, 21), (root, 1), (root, 2)]
        tree = Taxonomy.from_edges(edges)
    y = np.array([10, 11, 20, 21])[CODES]
    sure, unsure = X[:4], X[:4] * 0 + 0.25
    stopping = Threshold(0.9)
    for decoder, dtype in ((stopping, object), ("hierarchical_f", y.dtype), ("beam", y.dtype)):
        model = HierarchicalClassifier(SURE, taxonomy=tree, decoder=decoder).fit(X, y)
        found = [model.predict(part) for part in (sure, unsure, sure[:1])]
        assert found[0].tolist() == [10, 11, 20, 21]
        assert {part.dtype for part in found} == {np.dtype(dtype)}
        if decoder is stopping:
            assert set(found[1].tolist()) == {None}
    frames = pd.DataFrame({"top": y // 10, "low": y})
    model = HierarchicalClassifier(SURE, decoder=Threshold(0.9)).fit(X, frames)
    for part in (sure, unsure):
        assert model.predict(part).dtypes.tolist() == [pd.Int64Dtype()] * 2
    assert model.predict(unsure).isna().all(axis=None)
    model.set_params(decoder="best_path")
    assert model.predict(sure).dtypes.tolist() == [np.dtype("int64")] * 2
    arrays = HierarchicalClassifier(SURE, decoder=Threshold(0.9)).fit(X, frames.to_numpy())
    assert arrays.predict(sure).dtype == arrays.predict(unsure).dtype == object
    text = frames.astype(str).to_numpy().astype(str)
    texts = HierarchicalClassifier(SURE, decoder=Threshold(0.9)).fit(X, text)
    assert texts.predict(sure).dtype == texts.predict(unsure).dtype == text.dtype
    assert set(texts.predict(unsure).ravel()) == {""}


def test_names_of_all_kinds_may_be_answers():
    y = objects(["s", 3] * 12)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=MIXED, decoder=Threshold(0.9))
    Z = np.eye(2)[np.arange(24) % 2]
    fitted = model.fit(Z, y)
    assert fitted.predict(Z[:2]).tolist() == ["s", 3]
    assert fitted.predict(Z[:2] * 0 + 0.5).tolist() == [("b",)] * 2
    assert MIXED.to_levels([("b",), 3, None]).tolist() == [
        [("b",), None], [("b",), 3], [None, None],
    ]  # fmt: skip
    assert fitted.predict_levels(Z[:2]).tolist() == [[("b",), "s"], [("b",), 3]]


# -- scores of what is no label -----------------------------------------------------------


def test_score_refuses_what_it_cannot_compare():
    names = [NAMES[code] for code in CODES]
    model = HierarchicalClassifier(GaussianNB(), taxonomy=TREE).fit(X, names)
    for y in (CODES, [None] * 24, ["nowhere"] * 24, np.array([["q", "x"]] * 24)):
        with pytest.raises(ValueError, match=r"labels that the model knows, such as '.+', got 24"):
            model.score(X, y)
    assert model.score(X[:2], ["nowhere", "a/y"]) == 0.5
    assert model.score(X[:1], ["nowhere"]) == 0  # the only row of its class
    for weights in ([-1.0, 2.0], [np.nan, 1.0], [0.0, 0.0], [1.0]):
        with pytest.raises(ValueError, match=r"sample_weight|sample weights"):
            model.score(X[:2], names[:2], sample_weight=weights)
    with pytest.raises(ValueError, match=r"Row 1 has a gap in its path \('a', None, 'x'\)"):
        model.score(X[:2], [["a", "x"], ["a", "", "x"]])
    sets = HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=TREE)
    with pytest.raises(ValueError, match="negative"):
        sets.fit(X, [[n] for n in names]).score(X[:2], [["c"]] * 2, sample_weight=[-1, 1])


@pytest.mark.parametrize("classes", [["c", None], ["c", ()], [float("nan"), "c"]])
def test_a_code_stands_for_a_label(classes):
    place = 0 if classes[1] == "c" else 1
    for read in (
        lambda: TREE.encode([0, 1, 0], classes=classes),
        lambda: HierarchicalClassifier(GaussianNB(), taxonomy=TREE, classes=classes).fit(
            np.eye(3), [0, 1, 0]
        ),
    ):
        with pytest.raises(TargetError, match=f"The label of row {place} is missing"):
            read()


def test_level_frames_are_matched_by_name():
    frame = pd.DataFrame(columns([PATHS[code] for code in CODES]))
    turned = frame[["low", "top"]]
    model = HierarchicalClassifier(GaussianNB()).fit(X, frame)
    assert model.score(X, turned) == model.score(X, frame) == 1
    assert model.score(X, optional("polars").from_pandas(turned)) == 1
    assert model.score(X, frame.to_numpy()) == model.score(X, frame.set_axis([0, 1], axis=1)) == 1
    for other in (
        frame.rename(columns={"low": "bottom"}),
        frame[["top"]],
        frame.assign(more=None),
    ):
        with pytest.raises(ValueError, match="columns of level frames must have the same names"):
            model.score(X, other)
    twins = frame.set_axis(["low", "low"], axis=1)  # matched by position
    assert model.score(X, twins) == hierarchical_f1_score(frame, twins) == 1
    assert HierarchicalClassifier(GaussianNB()).fit(X, twins).score(X, frame) == 1
    assert hierarchical_f1_score(twins, frame) == 1
    assert hierarchical_f1_score(frame, turned) == hierarchical_f1_score(frame, frame) == 1
    assert hierarchical_f1_score(frame, frame.set_axis(["p", "q"], axis=1)) == 1
    with pytest.raises(ValueError, match="got 'top', 'q' instead of 'top', 'low'"):
        hierarchical_f1_score(frame, frame.set_axis(["top", "q"], axis=1))


def test_columns_that_training_frames_lack_get_numbers():
    deeper = Taxonomy.from_edges([("R", "A"), ("R", "B"), ("A", "a"), ("B", "b"), ("a", "x")])
    frame = pd.DataFrame({"top": ["A", "B"], "low": ["a", "b"]})
    model = HierarchicalClassifier(GaussianNB(), taxonomy=deeper, decoder="threshold")
    predicted = model.fit(np.eye(2), frame).predict(np.eye(2))
    assert list(predicted.columns) == ["top", "low", "level_3"]


def test_node_probabilities_are_matched_by_name():
    names = [NAMES[code] for code in CODES]
    model = HierarchicalClassifier(GaussianNB(), taxonomy=TREE).fit(X, names)
    proba = model.predict_node_proba(X)
    frame = pd.DataFrame(proba, columns=list(TREE.nodes))
    others = [
        frame.iloc[:, ::-1],
        frame.drop(columns=TREE.nodes[0]),
        pd.DataFrame(proba),
        optional("polars").DataFrame(frame.rename(columns=str).to_dict("list"))[:, ::-1],
        optional("pyarrow").table(frame.rename(columns=str).to_dict("list")),
    ]
    for other in others:
        assert model.decode(other).tolist() == names
    wrong = {
        r"unknown: 'q'; missing: 'c'": frame.rename(columns={"c": "q"}),
        r"missing: 'c'": frame.drop(columns="c"),
        r"twice: 'c'": pd.concat([frame, frame[["c"]]], axis=1),
        r"from 0 to 1, got 1.5 for <root> in row 0": proba * 1.5,
        r"got nan for 'a' in row 2": np.where(
            (np.arange(24) == 2)[:, None] & (proba < 1), np.nan, proba
        ),
        r"got masked ones": np.ma.masked_array(proba, mask=proba < 0.5),
    }
    for match, table in wrong.items():
        with pytest.raises(ValueError, match=match):
            model.decode(table)


# -- what is no y -------------------------------------------------------------------------


def recursive():
    rows = []
    rows.append(rows)
    return rows


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: (name for name in NAMES),
            r"got generator\. It can be read but once: pass list\(y\)",
        ),
        (lambda: dict(enumerate(NAMES)), r"in order, got a dict\. Pass a list"),
        (lambda: set(NAMES), r"in order, got a set\. Pass a list, such as sorted\(y\)"),
        (lambda: 3, r"got int\. Pass a list of labels"),
        (lambda: b"ab", r"got bytes"),
        (lambda: np.array(3), r"got shape \(\)"),
        (lambda: np.zeros((2, 2, 2, 2)), r"got shape \(2, 2, 2, 2\)"),
        (lambda: np.zeros((2, 2, 2)), r"three dimensions where it holds 0 and 1, got shape"),
        (lambda: optional("polars").DataFrame({"y": NAMES}).lazy(), r"got LazyFrame.*y\.collect"),
        (lambda: pd.DataFrame(index=range(4)), r"at least one column, got a DataFrame"),
        (lambda: pd.DataFrame({"p": [["a"], ["b"]], "q": ["x", "y"]}), r"Row 0 holds \['a'\]|'p'"),
        (lambda: [["a/x"], [["q"]]], r"Row 1 holds \['q'\]"),
        (recursive, r"Row 0 holds .*\[\.\.\.\]"),
        (lambda: [("a", ["x"])], r"Row 0 holds \['x'\]"),
        (lambda: [True, 1, "a/x"], r"must not mix True and 1.*equal to Python"),
        (lambda: ["q" * 20_000, "a/x"], r"^.{,400}$"),
        (lambda: [["q" * 20_000] * 50], r"^.{,1000}$"),
    ],
)
@pytest.mark.parametrize("kind", [HierarchicalClassifier, HierarchicalMultiLabelClassifier])
def test_what_holds_no_labels_is_refused_in_words(kind, make, match):
    y = make()
    n_rows = len(y) if isinstance(y, list) else 4
    with pytest.raises(ValueError, match=match):
        kind(GaussianNB(), taxonomy=TREE).fit(X[:n_rows], y)
    if "generator" in match:  # metrics read it once
        return
    with pytest.raises(ValueError, match=match):
        hierarchical_f1_score(make(), NAMES, taxonomy=TREE)


@pytest.mark.parametrize("labels", [NAMES, list(range(len(NAMES)))])
def test_masked_labels_are_missing(labels):
    y = np.ma.masked_array(labels, mask=[False, True] + [False] * (len(labels) - 2))
    with pytest.raises(TargetError, match="label of row 1 is missing"):
        HierarchicalClassifier(GaussianNB(), taxonomy=Taxonomy.flat(labels)).fit(X[: len(y)], y)
    assert y.data[1] == labels[1]


@pytest.mark.parametrize("labels", [[False, 0], [1, True, 2], [0.0, False]])
def test_truth_values_are_not_mixed_with_numbers(labels):
    with pytest.raises(TargetError, match="must not mix"):
        Taxonomy.flat(labels)


class Delayed:
    """As a frame of dask: has columns, and no values yet."""

    columns = ("a", "b")
    __module__ = "dask.dataframe.core"

    def __len__(self):
        return 2

    def __iter__(self):
        return iter(self.columns)


def test_frames_of_dask_are_to_be_computed_first():
    with pytest.raises(ValueError, match=r"in memory, got Delayed of dask.*y\.compute\(\)"):
        detect(Delayed(), TREE, "one")


@pytest.mark.parametrize(
    ("name", "difference"),
    [
        ("cafe\u0301", "composed letters"),
        ("caf\u00e9 ", "blanks"),
        ("caf\u00e9\u200b", "invisible characters"),
        ("CAF\u00c9", "case"),
        ("caf\u00e9\u00a0", "blanks"),
    ],
)
def test_names_that_look_alike_are_told_apart(name, difference):
    tree = Taxonomy.flat(["caf\u00e9", "tea"])
    with pytest.raises(ValueError, match=rf"which differs in {difference} only"):
        hierarchical_f1_score([name], ["tea"], taxonomy=tree)
    with pytest.raises(ValueError, match=r"Nearest names: 7 \(of type int, not str\)"):
        hierarchical_f1_score(["7"], [8], taxonomy=Taxonomy.flat([7, 8]))


# -- columns of texts as X ----------------------------------------------------------------

TEXTS = ["moon rocket", "mars rover", "fever", "chess"]


@pytest.mark.few(7)
@pytest.mark.parametrize(
    "make",
    [
        lambda texts: pd.Series(texts).values,
        lambda texts: pd.Series(texts, dtype="category").values,
        pd.Index,
        pd.array,
        pd.Series,
        polars,
        lambda texts: optional("pyarrow").array(texts),
        lambda texts: optional("pyarrow").chunked_array([texts[:3], texts[3:]]),
        lambda texts: np.array(texts, dtype=string_dtype()),
    ],
)
@pytest.mark.parametrize("kind", [HierarchicalClassifier, HierarchicalMultiLabelClassifier])
def test_texts_in_any_column(kind, make):
    texts = make([TEXTS[code] for code in CODES])
    names = [NAMES[code] for code in CODES]
    y = names if kind is HierarchicalClassifier else [[name] for name in names]
    base = make_pipeline(CountVectorizer(), MultinomialNB(alpha=1e-3))
    model = kind(base, taxonomy=TREE).fit(texts, y)
    assert model.score(texts, y) == 1
