"""Tables of answers with their probabilities, and predictions through Pipelines and searches."""

import importlib
import re

import numpy as np
import pytest
from generators import features, labelled_trees, one_in
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import sklhier
from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import CostMatrix, HierarchicalF, SetThreshold, Threshold, TopLabels
from sklhier.strategies import PerParent

X, Y, TAXONOMY = make_hierarchical_classification(
    90, 5, branching=(3, 2), class_sep=1.0, random_state=0
)
ROWS = np.arange(90)
STOPPED = np.where(ROWS % 5 == 0, [name.partition(".")[0] for name in Y], Y)
SETS = [[a, b] if a != b else [a] for a, b in zip(Y, np.roll(Y, 1), strict=True)]
BASE = LogisticRegression()


def local(y=Y, base=BASE, **params):
    return HierarchicalClassifier(base, taxonomy=TAXONOMY, **params).fit(X, y)


PATHS = {
    "local": local(),
    "stops": local(STOPPED, strategy=PerParent(stop="learn")),
    "flat": local(STOPPED, strategy="flat"),
    "joint": MultiHeadClassifier(TAXONOMY, alpha=0.1).fit(X, Y),
    "threshold": local(decoder=Threshold(0.9)),
    "climbing": local(strategy="per_level", decoder="climbing"),
    "top_down": local(STOPPED, strategy=PerParent(stop="learn"), decoder="top_down"),
    "darts": local(decoder="darts"),
    "costs": local(
        decoder=CostMatrix(1 - np.eye(6), sorted(set(Y)), sorted(set(Y))), strategy="per_node"
    ),
}
LABEL_SETS = {
    "local": HierarchicalMultiLabelClassifier(BASE, taxonomy=TAXONOMY, decoder=SetThreshold(0.4)),
    "joint": MultiHeadMultiLabelClassifier(TAXONOMY, alpha=0.1, decoder=SetThreshold(0.7)),
    "closed": HierarchicalMultiLabelClassifier(BASE, taxonomy=TAXONOMY, decoder=TopLabels(2)),
}
for name, model in LABEL_SETS.items():
    model.fit(X, TAXONOMY.binarize(SETS) if name == "closed" else SETS)


def rows_of(table):
    """Return the rows of a dictionary of arrays as dictionaries."""
    columns = [values.tolist() for values in table.values()]
    return [dict(zip(table, row, strict=True)) for row in zip(*columns, strict=True)]


def check_path(row, node_proba, taxonomy):
    """Check the columns of one answer against all probabilities of its sample."""
    label = row["label"]
    steps = []
    if label is not None:
        node = taxonomy.id(label)
        ids = [n for n in taxonomy.path_ids(np.array([node], dtype=np.int32))[0] if n >= 0]
        steps = [(taxonomy.step_names[n], node_proba[n]) for n in ids]
        assert row["stop"] == ("inner" if len(taxonomy.children_of(node)) else "leaf")
    else:
        assert row["stop"] == "none"
        assert np.isnan(row["proba"])
    for level in range(1, taxonomy.n_levels + 1):
        found = row[f"level_{level}"], row[f"proba_level_{level}"]
        if level > len(steps):
            assert found[0] is None
            assert np.isnan(found[1])
        else:
            assert found[0] == steps[level - 1][0]
            assert_allclose(found[1], steps[level - 1][1], rtol=1e-12)


# -- one path -----------------------------------------------------------------------------


@pytest.mark.few(3)
@pytest.mark.parametrize("allowed", [None, ["n1", "n2.1"]], ids=["all", "some"])
@pytest.mark.parametrize("name", PATHS)
def test_paths(name, allowed):
    model = PATHS[name]
    node_proba = model.predict_node_proba(X, allowed=allowed)
    proba = model.predict_proba(X, allowed=allowed)
    position = {label: place for place, label in enumerate(model.classes_.tolist())}
    with config_context(working_memory=0.005):  # some blocks of rows
        table = model.predict_frame(X, 3, allowed=allowed, output="arrays")
        first = model.predict_frame(X, allowed=allowed, output="arrays")
    rows = rows_of(table)
    assert len(rows) == 270
    assert_array_equal(table["row"], np.repeat(ROWS, 3))
    assert_array_equal(table["rank"], np.tile([1, 2, 3], 90))
    assert_array_equal(table["predicted"], table["rank"] == 1)
    assert_array_equal(table["label"][::3], model.predict(X, allowed=allowed))
    for column, values in first.items():
        assert_array_equal(values, table[column][::3])
    for row in rows:
        check_path(row, node_proba[row["row"]], TAXONOMY)
    exact = model.decoder_.gives == "classes"
    for one in range(90):
        answer, *others = rows[3 * one : 3 * one + 3]
        if answer["label"] is not None:
            node = TAXONOMY.id(answer["label"])
            own = proba[one, position[answer["label"]]] if exact else node_proba[one, node]
            assert_allclose(answer["proba"], own, rtol=1e-12)
        ranked = [model.classes_[c] for c in np.argsort(-proba[one], kind="stable")]
        expected = [label for label in ranked if label != answer["label"]][:2]
        assert [row["label"] for row in others] == expected
        for row in others:
            assert_allclose(row["proba"], proba[one, position[row["label"]]], rtol=1e-12)


def test_the_most_probable_answers_are_those_of_top_k():
    model = PATHS["stops"]
    labels, proba = model.predict_top_k(X, 4)
    table = model.predict_frame(X, 4, output="arrays")
    assert_array_equal(table["label"].reshape(90, 4), labels)
    assert_allclose(table["proba"].reshape(90, 4), proba, rtol=1e-12)
    assert {"inner", "leaf"} == set(table["stop"])
    assert table["label"].dtype == model.classes_.dtype


def test_all_three_ends():
    stops = PATHS["threshold"].predict_frame(X, output="arrays")["stop"]
    assert set(stops) == {"leaf", "inner", "none"}


def test_fewer_answers_than_asked_for():
    model = PATHS["local"]
    allowed = [["n1.1", "n2.2"], ["n3"], ["n2.2"]] * 30
    table = model.predict_frame(X, 4, allowed=allowed, output="arrays")
    assert_array_equal(np.bincount(table["row"]), [2, 2, 1] * 30)
    assert_array_equal(table["label"][table["predicted"]], model.predict(X, allowed=allowed))
    for row in rows_of(table):
        assert row["label"].startswith(tuple(allowed[row["row"]]))


def test_weights_are_no_probabilities():
    model = local(base=LinearSVC())
    table = model.predict_frame(X, 2, output="arrays")
    assert list(table) == ["row", "rank", "predicted", "label", "level_1", "level_2", "stop"]
    assert_array_equal(table["label"].reshape(90, 2), model.predict_top_k(X, 2)[0])


def test_a_decoder_that_answers_with_sets():
    model = local(decoder=HierarchicalF(answer="set", beta=2.0))
    table = model.predict_frame(X, 3, output="arrays")
    answers = model.predict(X)
    node_proba = model.predict_node_proba(X)
    for row in rows_of(table):
        check_path(row, node_proba[row["row"]], TAXONOMY)
    for one, answer in enumerate(answers):
        specific = {n for n in answer if not any(m.startswith(f"{n}.") for m in answer)}
        of_row = table["row"] == one
        assert set(table["label"][of_row & table["predicted"]]) == specific
        assert of_row.sum() == max(3, len(specific))
        assert len(set(table["label"][of_row])) == of_row.sum()
    assert max(map(len, answers)) > 2
    allowed = model.predict_frame(X, 3, allowed=["n1"], output="arrays")
    assert set(allowed["label"]) <= {"n1", "n1.1", "n1.2"}


def test_a_dag_has_no_levels():
    dag = Taxonomy.from_edges([("r", "a"), ("r", "b"), ("a", "x"), ("b", "x"), ("b", "y")])
    y = np.array(["x", "y", "a"])[ROWS % 3]
    model = HierarchicalClassifier(BASE, taxonomy=dag, strategy="flat").fit(X, y)
    table = model.predict_frame(X, 2, output="arrays")
    assert list(table) == ["row", "rank", "predicted", "label", "proba", "stop"]
    labels, proba = model.predict_top_k(X, 2)
    assert_array_equal(table["label"].reshape(90, 2), labels)
    assert_allclose(table["proba"].reshape(90, 2), proba)
    sets = HierarchicalMultiLabelClassifier(BASE, taxonomy=dag, decoder=SetThreshold(0.2))
    table = sets.fit(X, [[label] for label in y]).predict_frame(X, output="arrays")
    assert list(table) == ["row", "rank", "predicted", "label", "proba", "stop"]
    predicted = [set() for _ in ROWS]
    for row in rows_of(table):
        predicted[row["row"]] |= {row["label"]} - {None}
    assert predicted == list(map(set, sets.predict(X)))


@one_in(4)
@given(labelled_trees(), st.sampled_from(["best_path", "top_down", "threshold", "climbing"]))
def test_any_tree(drawn, decoder):
    tree, y, seed = drawn
    X = features(y, seed)
    strategy = PerParent(stop="learn")
    model = HierarchicalClassifier(GaussianNB(), taxonomy=tree, strategy=strategy, decoder=decoder)
    model.fit(X, y)
    node_proba = model.predict_node_proba(X)
    k = min(2, len(model.classes_))
    table = model.predict_frame(X, k, output="arrays")
    assert_array_equal(table["label"][table["rank"] == 1], model.predict(X))
    for row in rows_of(table):
        check_path(row, node_proba[row["row"]], tree)


# -- label sets ---------------------------------------------------------------------------


@pytest.mark.few(4)
@pytest.mark.parametrize("allowed", [None, ["n1", "n2.1"]], ids=["all", "some"])
@pytest.mark.parametrize("top_k", [1, 3])
@pytest.mark.parametrize("name", LABEL_SETS)
def test_label_sets(name, top_k, allowed):
    model = LABEL_SETS[name]
    node_proba = model.predict_node_proba(X, allowed=allowed)
    with config_context(working_memory=0.005):
        table = model.predict_frame(X, top_k, allowed=allowed, output="arrays")
    predicted = model.predict(X, allowed=allowed)
    if name == "closed":
        predicted = TAXONOMY.inverse_binarize(predicted)
    rows = rows_of(table)
    for row in rows:
        check_path(row, node_proba[row["row"]], TAXONOMY)
    leaves = TAXONOMY.leaf_ids
    for one, labels in enumerate(predicted):
        own = [row for row in rows if row["row"] == one]
        assert [row["rank"] for row in own] == list(range(1, len(own) + 1))
        n_predicted = max(1, len(labels))
        assert [row["predicted"] for row in own] == [
            rank < n_predicted for rank in range(len(own))
        ]
        answers = [row["label"] for row in own[:n_predicted]]
        assert sorted(answers) == sorted(labels) if labels else answers == [None]
        of_each = [row["proba"] for row in own[:n_predicted]]
        assert of_each == sorted(of_each, reverse=True) or not labels
        ranked = leaves[np.argsort(-node_proba[one, leaves], kind="stable")]
        others = [
            TAXONOMY.nodes[n]
            for n in ranked
            if node_proba[one, n] > 0 and TAXONOMY.nodes[n] not in labels
        ]
        assert [row["label"] for row in own[n_predicted:]] == others[: max(0, top_k - n_predicted)]
    empty = sum(not labels for labels in predicted)
    assert (table["stop"] == "none").sum() == empty
    assert empty or name != "joint" or allowed is None


# -- the kind of table --------------------------------------------------------------------


def test_pandas():
    pandas = pytest.importorskip("pandas")
    index = pandas.Index([f"order {row}" for row in ROWS], name="order")
    frame = pandas.DataFrame(X, columns=list("abcde"), index=index)
    model = HierarchicalClassifier(BASE, taxonomy=TAXONOMY).fit(frame, Y)
    table = model.predict_frame(frame, 2)
    plain = model.predict_frame(frame, 2, output="arrays")
    assert isinstance(table, pandas.DataFrame)
    assert list(table) == list(plain)
    assert table["row"].tolist() == np.repeat(index, 2).tolist() == plain["row"].tolist()
    assert table["proba"].tolist() == plain["proba"].tolist()
    assert table["predicted"].dtype == bool
    merged = frame.merge(table[table["rank"] == 1], left_index=True, right_on="row")
    assert merged["label"].tolist() == model.predict(frame).tolist()
    with pytest.raises(ValueError, match="feature names"):
        model.predict_frame(frame[list("edcba")])
    pairs = pandas.MultiIndex.from_product([range(9), range(10)])
    rows = model.predict_frame(frame.set_index(pairs))["row"]
    assert rows.tolist() == pairs.tolist()
    times = pandas.date_range("2024-01-01", periods=90)
    assert model.predict_frame(frame.set_index(times))["row"].dtype == times.dtype
    sets = LABEL_SETS["local"].predict_frame(frame.to_numpy())
    assert sets["row"].tolist() == LABEL_SETS["local"].predict_frame(X)["row"].tolist()
    assert sets["label"].isna().sum() == (sets["stop"] == "none").sum()


def test_polars():
    polars = pytest.importorskip("polars")
    table = PATHS["threshold"].predict_frame(X, 2, output="polars")
    plain = PATHS["threshold"].predict_frame(X, 2, output="arrays")
    assert isinstance(table, polars.DataFrame)
    for name in plain:
        assert [None if v != v else v for v in plain[name].tolist()] == table[name].to_list()
    assert table["level_1"].null_count() == table["proba_level_1"].null_count() > 0


def test_levels_are_called_as_in_fit():
    pandas = pytest.importorskip("pandas")
    steps = pandas.DataFrame(
        {"family": [name.partition(".")[0] for name in Y], "species": np.array(Y)}
    )
    model = HierarchicalClassifier(BASE).fit(X, steps)
    columns = ["family", "proba_family", "species", "proba_species"]
    table = model.predict_frame(X)
    assert list(table)[5:-1] == columns
    assert_array_equal(table[["family", "species"]].to_numpy(), model.predict(X).to_numpy())
    for taken in ({"family": "row"}, {"species": "proba_family"}, {"family": 3, "species": 4}):
        other = HierarchicalClassifier(BASE).fit(X, steps.rename(columns=taken))
        numbered = ["level_1", "proba_level_1", "level_2", "proba_level_2"]
        assert list(other.predict_frame(X))[5:-1] == numbered


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_package_that_is_missing(package, monkeypatch):
    real = importlib.import_module

    def missing(name, *args):
        if name == package:
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr("sklhier._classifiers.frames.import_module", missing)
    for model in (PATHS["local"], LABEL_SETS["local"]):
        with pytest.raises(ImportError, match=rf"pip install {package}.*output='arrays'"):
            model.predict_frame(X, output=package)
        assert model.predict_frame(X, output="arrays")["row"].size


@pytest.mark.parametrize("kind", ["int", "codes", "frame"])
def test_labels_of_other_types(kind):
    names = sorted(set(Y))
    numbers = np.array([names.index(name) for name in Y])
    if kind == "codes":
        model = HierarchicalClassifier(BASE, taxonomy=TAXONOMY, classes=names).fit(X, numbers)
    elif kind == "int":
        tree = Taxonomy.from_edges([(n // 2 - 5, n) for n in range(10, 16)], root=None)
        model = HierarchicalClassifier(BASE, taxonomy=tree).fit(X, numbers + 10)
    else:
        pandas = pytest.importorskip("pandas")
        model = HierarchicalClassifier(BASE, taxonomy=TAXONOMY).fit(X, pandas.DataFrame({"y": Y}))
    table = model.predict_frame(X, output="arrays")
    assert_array_equal(table["label"], np.ravel(model.predict(X)))
    assert table["label"].dtype.kind == ("O" if kind == "frame" else "i")
    assert_array_equal(table["level_2"], model.predict_levels(X)[:, 1])


@pytest.mark.parametrize("model", [PATHS["local"], LABEL_SETS["joint"]], ids=["path", "sets"])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"top_k": 0}, r"`top_k` must be an integer .*got 0"),
        ({"top_k": True}, r"`top_k` must be an integer .*got True"),
        ({"top_k": 2.5}, r"`top_k` must be an integer .*got 2.5"),
        ({"output": "dict"}, r"`output` must be one of 'pandas', 'polars', 'arrays', got 'dict'"),
        ({"output": None}, r"`output` must be one of"),
    ],
)
def test_bad_parameters(model, params, message):
    with pytest.raises(ValueError, match=message):
        model.predict_frame(X, **params)


def test_more_answers_than_there_are():
    with pytest.raises(ValueError, match=r"`top_k` must be an integer in \[1, 6\], got 7"):
        PATHS["local"].predict_frame(X, 7)
    table = LABEL_SETS["local"].predict_frame(X, 50, output="arrays")
    assert np.bincount(table["row"]).min() == 6  # the leaves, and inner nodes that are predicted


@pytest.mark.parametrize("one", [HierarchicalClassifier, HierarchicalMultiLabelClassifier])
def test_before_fit(one):
    with pytest.raises(NotFittedError):
        one(taxonomy=TAXONOMY).predict_frame(X)


# -- through Pipelines and searches -------------------------------------------------------

TEXTS = ["cat cat dog", "dog bone", "car tyre", "van tyre"] * 5
PATH_NAMES, TREE = Taxonomy.from_paths(["pet/cat", "pet/dog", "road/car", "road/van"] * 5)


def of_texts(**params):
    return HierarchicalClassifier(MultinomialNB(), taxonomy=TREE, **params)


def nested():
    inner = Pipeline([("nothing", "passthrough"), ("model", of_texts())])
    return make_pipeline(CountVectorizer(), inner)


def search():
    grid = {"hierarchicalclassifier__decoder": ["best_path", "top_down"]}
    return GridSearchCV(make_pipeline(CountVectorizer(), of_texts()), grid, cv=2)


def search_inside():
    grid = GridSearchCV(of_texts(), {"decoder": ["best_path", "top_down"]}, cv=2)
    return make_pipeline(CountVectorizer(), grid)


ROUTES = {
    "pipeline": lambda: make_pipeline(CountVectorizer(), of_texts()),
    "stateless": lambda: make_pipeline(
        HashingVectorizer(n_features=64, alternate_sign=False), of_texts()
    ),
    "nested": nested,
    "search": search,
    "search inside": search_inside,
    "alone": lambda: HierarchicalClassifier(
        make_pipeline(CountVectorizer(), MultinomialNB()), taxonomy=TREE
    ),
    "passthrough": lambda: Pipeline(
        [
            ("first", None),
            ("second", "passthrough"),
            (
                "last",
                HierarchicalClassifier(
                    make_pipeline(CountVectorizer(), MultinomialNB()), taxonomy=TREE
                ),
            ),
        ]
    ),
}


@pytest.mark.few(6)
@pytest.mark.parametrize("route", ROUTES)
def test_functions_transform_samples_first(route):
    model = ROUTES[route]().fit(TEXTS, PATH_NAMES)
    predicted = model.predict(TEXTS)
    table = sklhier.predict_frame(model, TEXTS, output="arrays")
    assert_array_equal(table["label"], predicted)
    node_proba = sklhier.predict_node_proba(model, TEXTS)
    leaves = TREE.ids(["pet/cat", "pet/dog", "road/car", "road/van"])
    assert_array_equal(node_proba[:, leaves], model.predict_proba(TEXTS))
    assert sklhier.predict_node_proba(model, TEXTS, dtype=np.float32).dtype == np.float32
    labels, proba = sklhier.predict_top_k(model, TEXTS, 2)
    assert_array_equal(labels[:, 0], predicted)
    assert_allclose(proba[:, 0], table["proba"])
    levels = sklhier.predict_levels(model, TEXTS)
    assert ["/".join(row) for row in levels] == predicted.tolist()
    assert_array_equal(sklhier.decode(model, node_proba), predicted)
    stopped = sklhier.decode(model, node_proba, Threshold(0.999))
    assert set(stopped) <= {*TREE.nodes[1:], None}
    table = sklhier.predict_frame(model, TEXTS, 2, allowed=["road"], output="arrays")
    assert set(table["level_1"]) == {"road"}
    assert set(sklhier.predict_top_k(model, TEXTS, 1, allowed=["pet/dog"])[0][:, 0]) == {"pet/dog"}
    assert set(sklhier.predict_levels(model, TEXTS, allowed=["pet"])[:, 0]) == {"pet"}
    assert set(sklhier.decode(model, node_proba, allowed=["road/van"])) == {"road/van"}
    assert (
        sklhier.predict_node_proba(model, TEXTS, allowed=["road/van"])[:, leaves[3]] == 1
    ).all()


def test_the_index_and_names_of_the_outer_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"), index=np.arange(90) * 10 + 1000)
    series = pandas.Series(TEXTS, index=[f"t{i}" for i in range(20)])
    numbers = make_pipeline(StandardScaler(), HierarchicalClassifier(BASE, taxonomy=TAXONOMY))
    texts = make_pipeline(CountVectorizer(), of_texts()).fit(series, PATH_NAMES)
    numbers.fit(frame, Y)
    assert sklhier.predict_frame(numbers, frame)["row"].tolist() == frame.index.tolist()
    assert sklhier.predict_frame(texts, series)["row"].tolist() == series.index.tolist()
    assert sklhier.predict_frame(texts, list(series))["row"].tolist() == list(range(20))
    with pytest.raises(ValueError, match="feature names"):
        sklhier.predict_frame(numbers, frame[list("edcba")])
    sets = make_pipeline(StandardScaler(), LABEL_SETS["local"]).set_output(transform="pandas")
    sets.fit(frame, SETS)
    rows = sklhier.predict_frame(sets, frame)["row"]
    assert sorted(set(rows)) == frame.index.tolist()
    with pytest.raises(AttributeError, match="predict_top_k"):
        sklhier.predict_top_k(sets, frame)


def test_sparse_features():
    features = sparse.csr_array(np.abs(X))
    model = make_pipeline("passthrough", local()).fit(features, Y)
    table = sklhier.predict_frame(model, features, output="arrays")
    assert_array_equal(table["label"], model.predict(features))


FUNCTIONS = {
    "predict_frame": lambda model: sklhier.predict_frame(model, TEXTS),
    "predict_node_proba": lambda model: sklhier.predict_node_proba(model, TEXTS),
    "predict_top_k": lambda model: sklhier.predict_top_k(model, TEXTS),
    "predict_levels": lambda model: sklhier.predict_levels(model, TEXTS),
    "predict_set": lambda model: sklhier.predict_set(model, TEXTS),
    "decode": lambda model: sklhier.decode(model, [[1.0] * 7]),
}


@pytest.mark.few(5)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_models_that_cannot(function):
    call = FUNCTIONS[function]
    for route in ("pipeline", "nested", "search", "search inside", "alone"):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            call(ROUTES[route]())
    not_refitted = GridSearchCV(
        make_pipeline(CountVectorizer(), of_texts()), {}, cv=2, refit=False
    ).fit(TEXTS, PATH_NAMES)
    with pytest.raises(ValueError, match=r"GridSearchCV has no refitted classifier.*refit=True"):
        call(not_refitted)
    wrapped = make_pipeline(CountVectorizer(), CalibratedClassifierCV(of_texts(), cv=2))
    wrapped.fit(TEXTS, PATH_NAMES)
    for other in (wrapped, wrapped[-1]):
        with pytest.raises(
            ValueError, match="holds no fitted classifier with a taxonomy"
        ) as error:
            call(other)
        assert "CalibratedClassifierCV" in str(error.value)
        assert not isinstance(error.value, NotFittedError)
    for other in (MultinomialNB(), "model", None):
        with pytest.raises(ValueError, match=rf"{type(other).__name__} holds no fitted"):
            call(other)


def test_exported():
    for name in FUNCTIONS:
        assert name in sklhier.__all__
        doc = getattr(sklhier, name).__doc__
        assert re.search(r"NotFittedError", doc)
