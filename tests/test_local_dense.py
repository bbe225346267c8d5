"""Predictions for dense X by pure Python: it is checked and converted once for all local models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier._local.dense_rows import DenseRows
from sklhier._probabilities import products
from sklhier._utils.rows import as_slice
from sklhier.exceptions import LocalPredictError
from sklhier.linear_model import BlockLinearSVC, BlockLogisticRegression, ScaledLogisticRegression
from sklhier.strategies import PerParent
from sklhier.taxonomy import _graph as ops

TREE = Taxonomy.from_dict({"A": ["a1", "a2", "a3"], "B": {"B1": ["b1", "b2"], "B2": None}})
LABELS = np.array(["a1", "a2", "a3", "b1", "b2", "B2"])
BASES = {
    "logistic": LogisticRegression(),
    "newton": LogisticRegression(solver="newton-cg", C=3),
    "svc": LinearSVC(random_state=0),
    "sgd": SGDClassifier(loss="log_loss", random_state=0),
    "huber": SGDClassifier(loss="modified_huber", random_state=0),
    "ridge": RidgeClassifier(),
    "block svc": BlockLinearSVC(),
    "block": BlockLogisticRegression(),
    "scaled": ScaledLogisticRegression(),
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
    "extra tree": ExtraTreeClassifier(max_depth=4, random_state=0),
    "forest": RandomForestClassifier(5, max_depth=4, random_state=0),
    "bayes": GaussianNB(),
    "lda": LinearDiscriminantAnalysis(),
    "boosting": HistGradientBoostingClassifier(max_iter=2),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
}
CHECKED_ONCE = set(BASES) - {"huber", "boosting", "pipeline"}
ARRAYS = {
    "float64": np.ascontiguousarray,
    "float32": lambda X: X.astype(np.float32),
    "by column": np.asfortranarray,
    "int": lambda X: (4 * X).astype(int),
}


@pytest.fixture(autouse=True)
def _pure_python(monkeypatch):
    """Let no linear model be asked by compiled code."""
    monkeypatch.setenv("SKLHIER_KERNELS", "0")


def data(n_rows=150, seed=0):
    rng = np.random.default_rng(seed)
    y = LABELS[rng.permutation(np.arange(n_rows) % len(LABELS))]
    centres = np.random.default_rng(9).normal(size=(len(LABELS), 7))
    return centres[np.searchsorted(np.sort(LABELS), y)] + rng.normal(size=(n_rows, 7)), y


def answers(model, X):
    decoders = ("top_down", "best_path")
    found = [model.set_params(decoder=decoder).predict(X) for decoder in decoders]
    if hasattr(model, "predict_proba"):
        found += [model.predict_proba(X), model.predict_node_proba(X)]
    return found


def one_by_one(model, X, monkeypatch):
    """Return the answers of models that are asked themselves."""
    with monkeypatch.context() as patch:
        patch.setattr(DenseRows, "of", lambda X: None)
        return answers(model, X)


def n_asked(monkeypatch):
    """Return a list that grows by each answer of DenseRows."""
    asked, outputs = [], DenseRows.outputs

    def recorded(self, *arguments):
        found = outputs(self, *arguments)
        asked.extend([] if found is None else [found])
        return found

    monkeypatch.setattr(DenseRows, "outputs", recorded)
    return asked


@pytest.mark.parametrize("base", BASES)
def test_answers_are_those_of_the_estimators(base, monkeypatch):
    (X, y), (queried, _) = data(), data(60, seed=1)
    model = HierarchicalClassifier(BASES[base], taxonomy=TREE, random_state=0).fit(X, y)
    for make in ARRAYS.values():
        rows = make(queried)
        expected = one_by_one(model, rows, monkeypatch)
        with monkeypatch.context() as patch:
            asked = n_asked(patch)
            found = answers(model, rows)
        is_float = rows.dtype.kind == "f"
        assert bool(asked) == (is_float and base in CHECKED_ONCE)
        for mine, theirs in zip(found, expected, strict=True):
            assert_array_equal(mine, theirs)


def test_one_row_at_a_time():
    X, y = data()
    for base in ("logistic", "tree"):
        model = HierarchicalClassifier(BASES[base], taxonomy=TREE).fit(X, y)
        single = np.concatenate([model.predict_proba(row[None]) for row in X[:9]])
        assert_allclose(single, model.predict_proba(X[:9]), rtol=1e-12)


@pytest.mark.parametrize("strategy", ["per_node", "per_level", "flat", PerParent(stop="learn")])
@pytest.mark.parametrize("base", ["logistic", "tree", "svc"])
def test_strategies(base, strategy, monkeypatch):
    X, y = data()
    y = np.where(np.arange(len(y)) % 9 == 0, "B", y)
    model = HierarchicalClassifier(BASES[base], taxonomy=TREE, strategy=strategy).fit(X, y)
    for mine, theirs in zip(answers(model, X), one_by_one(model, X, monkeypatch), strict=True):
        assert_array_equal(mine, theirs)


@pytest.mark.parametrize("base", ["tree", "forest", "ridge"])
def test_label_sets(base, monkeypatch):
    X, y = data()
    sets = [[label, "a1"] for label in y]
    for strategy in ("per_level", "per_parent"):
        model = HierarchicalMultiLabelClassifier(BASES[base], taxonomy=TREE, strategy=strategy)
        model.fit(X, sets)
        found = model.predict(X)
        with monkeypatch.context() as patch:
            patch.setattr(DenseRows, "of", lambda X: None)
            assert model.predict(X) == found


def test_missing_numbers_go_to_the_estimator(monkeypatch):
    X, y = data()
    X[::7, 2] = np.nan
    trees = HierarchicalClassifier(BASES["tree"], taxonomy=TREE).fit(X, y)
    asked = n_asked(monkeypatch)
    trees.predict(X)
    model = HierarchicalClassifier(BASES["logistic"], taxonomy=TREE).fit(np.nan_to_num(X), y)
    with pytest.raises(LocalPredictError, match="NaN"):
        model.predict(X)
    assert not asked


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(
    ("base", "number"), [("bayes", np.inf), ("tree", np.inf), ("tree", -1e300), ("forest", 1e300)]
)
def test_numbers_out_of_range_are_refused_as_before(base, number):
    X, y = data()
    model = HierarchicalClassifier(BASES[base], taxonomy=TREE).fit(X, y)
    X[3, 1] = number
    with pytest.raises(LocalPredictError, match="infinity"):
        model.predict(X)


@pytest.mark.parametrize("base", ["logistic", "tree", "bayes"])
def test_another_number_of_features(base):
    X, y = data()
    model = HierarchicalClassifier(BASES[base], taxonomy=TREE).fit(X, y)
    with pytest.raises(ValueError, match="6 features"):
        model.predict(X[:, :6])


def test_arrays_for_models_of_frames(monkeypatch):
    pandas = pytest.importorskip("pandas")
    X, y = data()
    frame = pandas.DataFrame(X, columns=list("abcdefg"))
    model = HierarchicalClassifier(BASES["tree"], taxonomy=TREE).fit(frame, y)
    asked = n_asked(monkeypatch)
    with pytest.warns(UserWarning, match="feature names"):
        model.predict(X)
    assert not asked


def test_x_is_converted_once(monkeypatch):
    X, y = data()
    rows = DenseRows.of(X)
    assert rows._as_float32 is rows._as_float32
    single = X.astype(np.float32)
    assert DenseRows.of(single)._as_float32 is single
    model = HierarchicalClassifier(BASES["tree"], taxonomy=TREE).fit(X, y)
    seen = set()
    predict_proba = DecisionTreeClassifier.predict_proba

    def recorded(self, X, check_input=True):
        seen.add((X.dtype.name, check_input))
        return predict_proba(self, X, check_input)

    monkeypatch.setattr(DecisionTreeClassifier, "predict_proba", recorded)
    model.predict_proba(X)
    assert seen == {("float32", False)}


# -- array operations on the way ----------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 18), st.integers(0, 2**32 - 1))
def test_first_maximum_of_equal_segments(n_segments, length, seed):
    values = np.random.default_rng(seed).integers(0, 4, n_segments * length).astype(float)
    offsets = np.arange(0, len(values) + 1, length)
    expected = [start + np.argmax(values[start : start + length]) for start in offsets[:-1]]
    assert_array_equal(ops.segment_argmax(values, offsets), expected)


@given(st.lists(st.integers(0, 4), max_size=9), st.booleans())
def test_ranges(counts, are_equal):
    counts = np.array(counts[:1] * len(counts) if are_equal else counts, dtype=np.intp)
    starts = 3 * np.arange(len(counts))[::-1]
    expected = [k for s, c in zip(starts, counts, strict=True) for k in range(s, s + c)]
    assert ops.concatenated_ranges(starts, counts).tolist() == expected


@given(st.lists(st.integers(0, 9), max_size=6, unique=True).map(sorted))
def test_slices(places):
    found = as_slice(np.array(places, dtype=np.int32))
    numbers = np.arange(10)
    assert numbers[found].tolist() == places
    side_by_side = bool(places) and places == list(range(places[0], places[-1] + 1))
    assert isinstance(found, slice) == side_by_side


def test_tables_are_written_by_slices():
    """Children stand side by side; outcomes that were never seen leave gaps."""
    X, y = data()
    for labels in (LABELS, ["a1", "a3", "b1", "B2"]):
        own = np.isin(y, labels)
        model = HierarchicalClassifier(BASES["logistic"], taxonomy=TREE).fit(X[own], y[own])
        table = model.predict_node_proba(X)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(products, "as_slice", lambda places: places)
            assert_array_equal(model.predict_node_proba(X), table)
        assert_allclose(table[:, 1:3].sum(axis=1), 1)  # both of level 1
        again = np.empty_like(table)
        assert model.predict_node_proba(X, out=again) is again
        assert_array_equal(again, table)


def test_tables_are_for_one_call_alone():
    X, y = data()
    for base in ("logistic", "tree"):
        model = HierarchicalClassifier(BASES[base], taxonomy=TREE).fit(X, y)
        for method in (model.predict_proba, model.predict_node_proba):
            first = method(X)
            before = first.copy()
            second = method(X)
            assert not np.shares_memory(first, second)
            second[:] = -1
            assert_array_equal(first, before)
            assert_array_equal(method(X), before)
