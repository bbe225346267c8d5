"""Weights of compressed models, of which only those other than 0 are stored."""

import io
import pickle
from copy import copy
from dataclasses import replace

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.svm import LinearSVC

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier._local import linear_fit, single_weights
from sklhier._local.single_weights import SingleWeights, are_few, as_table
from sklhier._utils import compat
from sklhier.explanation import explain
from sklhier.persistence import trusted_types

TREE = Taxonomy.from_edges(
    [("A", f"a{i}") for i in range(5)] + [("B", f"b{i}") for i in range(4)] + [("C", "c0")]
)
LABELS = np.array(["a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2", "b3", "c0"])


def table_of(rng, shape, share, dtype=np.float32):
    return (rng.normal(size=shape) * (rng.uniform(size=shape) < share)).astype(dtype)


def rows_of(rng, shape, share=0.2, dtype=np.float64):
    kept = rng.uniform(size=shape) < share
    return sparse.csr_array(np.where(kept, rng.uniform(size=shape), 0).astype(dtype))


def data(n_rows=120, n_features=300, seed=0):
    rng = np.random.default_rng(seed)
    y = LABELS[rng.permutation(np.arange(n_rows) % len(LABELS))]
    own = np.searchsorted(LABELS, y)[:, None] * 11 + rng.integers(0, 11, (n_rows, 6))
    X = rows_of(rng, (n_rows, n_features), 0.02).tolil()
    X[np.arange(n_rows)[:, None], own] = 1.0
    return X.tocsr(), y


def last_step(estimator):
    return getattr(estimator, "steps", [(None, estimator)])[-1][1]


def with_last_step(estimator, change):
    if estimator is last_step(estimator):
        return change(estimator)
    changed = copy(estimator)
    name, last = estimator.steps[-1]
    changed.steps = [*estimator.steps[:-1], (name, change(last))]
    return changed


def stored(model):
    return [local for part in model._model.models for local in part.values()]


def with_tables(model):
    """Return the same compressed model with all the zeros of its blocks."""
    whole = copy(model)
    parts = [
        {
            key: replace(local, estimator=with_last_step(local.estimator, linear_fit.with_table))
            for key, local in part.items()
        }
        for part in model._model.models
    ]
    whole._model = replace(model._model, models=parts)
    return whole


def n_single(model):
    coefs = [last_step(local.estimator).coef_ for local in stored(model)]
    return sum(isinstance(coef, SingleWeights) for coef in coefs)


# -- the weights themselves ---------------------------------------------------------------


@given(
    st.integers(1, 9),
    st.integers(1, 40),
    st.floats(0, 1),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 2**32 - 1),
)
def test_single_weights_are_those_of_the_table(n_classes, n_columns, share, dtype, seed):
    table = table_of(np.random.default_rng(seed), (n_classes, n_columns), share, dtype)
    single = SingleWeights.of(table)
    assert_array_equal(single.table(), table)
    assert single.table().dtype == single.dtype == dtype
    assert single.shape == table.shape
    assert len(single.values) == np.count_nonzero(table)
    assert single.nbytes == len(single.values) * (table.itemsize + 1) + n_columns
    assert_array_equal(as_table(single), table)
    assert as_table(table) is table
    # Five bytes or nine stand against four or eight for each weight, and one more for a column.
    assert are_few(len(single.values), table.shape) == (
        n_classes > 1 and 2 * len(single.values) < table.size
    )


@pytest.mark.parametrize("n_classes", [3, 256, 257, 70_000])
def test_classes_take_few_bytes(n_classes):
    table = np.zeros((n_classes, 2), dtype=np.float32)
    table[[0, -1], 1] = 1, 2
    single = SingleWeights.of(table)
    assert single.classes.itemsize == {3: 1, 256: 1, 257: 2, 70_000: 4}[n_classes]
    assert_array_equal(single.table(), table)


def product_of(add, n_rows, n_classes, dtype):
    out = np.zeros((n_rows, n_classes), dtype=dtype)
    add(out)
    return out


@given(
    st.integers(1, 12),
    st.integers(2, 9),
    st.integers(1, 40),
    st.sampled_from([np.int32, np.int64]),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(["chosen", "blocks", "table", "all weights"]),
    st.integers(0, 2**32 - 1),
)
def test_products_are_those_of_the_table(n_rows, n_classes, n_columns, kind, dtype, way, seed):
    rng = np.random.default_rng(seed)
    table = table_of(rng, (n_classes, n_columns), 0.3, dtype)
    share = 1 / (5 * n_rows) if way == "chosen" else 0.2
    rows = rows_of(rng, (n_rows + 1, n_columns), share, dtype=dtype)
    rows = sparse.vstack([np.ones((1, n_columns), dtype=dtype), rows[1:]], format="csr")
    indices, indptr = rows.indices.astype(kind), rows.indptr.astype(kind)[1:]
    expected = product_of(
        lambda out: compat.add_csr_product(rows.data, indices, indptr, np.array(table.T), out),
        n_rows,
        n_classes,
        dtype,
    )
    single = SingleWeights.of(table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single_weights, "_TABLE", 2**24 if way == "table" else 0)
        patch.setattr(single_weights, "_MANY", 0 if way == "chosen" else 2**16)
        patch.setattr(single_weights, "_CELLS", 3 * n_classes if way == "blocks" else 2**20)
        found = product_of(
            lambda out: single.add_product(rows.data, indices, indptr, out),
            n_rows,
            n_classes,
            dtype,
        )
    assert_array_equal(found, expected)


def test_products_without_private_loops(monkeypatch):
    rng = np.random.default_rng(0)
    single = SingleWeights.of(table_of(rng, (4, 30), 0.2))
    rows = rows_of(rng, (6, 30), 0.05, np.float32)
    tables = []
    for _ in range(2):
        tables.append(np.ones((5, 4), dtype=np.float32))
        single.add_product(rows.data, rows.indices, rows.indptr[1:], tables[-1])
        monkeypatch.setattr(compat, "_sparsetools", None)
    assert_array_equal(*tables)


def test_what_is_computed_is_not_saved():
    single = SingleWeights.of(table_of(np.random.default_rng(0), (4, 30), 0.2))
    size = len(pickle.dumps(single))
    assert single.offsets[-1] == len(single.values)
    assert len(pickle.dumps(single)) == size


# -- in compressed classifiers ------------------------------------------------------------

BASES = {
    "svc": (LinearSVC(random_state=0), 0.2),
    "logistic": (LogisticRegression(C=10), 0.4),
    "sgd": (SGDClassifier(loss="log_loss", alpha=1e-3, random_state=0), 2.0),
    # Its predict_proba is none that this package computes itself.
    "huber": (SGDClassifier(loss="modified_huber", alpha=1e-3, random_state=0), 2.0),
    "pipeline": (make_pipeline(MaxAbsScaler(), LinearSVC(random_state=0)), 0.2),
}


def answers(model, X):
    if hasattr(model, "predict_node_proba"):
        return model.predict_node_proba(X)
    return model.decision_function(X) if hasattr(model, "decision_function") else model.predict(X)


@pytest.mark.parametrize("strategy", ["per_parent", "per_level", "flat"])
@pytest.mark.parametrize("base", BASES)
def test_zeros_of_blocks_are_not_missed(base, strategy):
    (X, y), (asked, _) = data(), data(30, seed=1)
    estimator, min_weight = BASES[base]
    model = HierarchicalClassifier(estimator, taxonomy=TREE, strategy=strategy).fit(X, y)
    small = copy(model).compress(min_weight=min_weight)
    whole = with_tables(small)
    assert n_single(small)
    assert not n_single(whole)
    for decoder in ("top_down", "best_path"):
        small.set_params(decoder=decoder)
        whole.set_params(decoder=decoder)
        for rows in (asked, asked.astype(np.float32), asked.toarray(), asked[:1]):
            assert_array_equal(small.predict(rows), whole.predict(rows))
            assert_array_equal(answers(small, rows), answers(whole, rows))
    report = small.compression_report_
    n_bytes = [linear_fit.n_bytes_of(local.estimator, local.subset) for local in stored(small)]
    assert report["n_bytes"].tolist() == n_bytes
    assert sum(n_bytes) < 0.7 * sum(
        linear_fit.n_bytes_of(local.estimator, local.subset) for local in stored(whole)
    )
    for name, fitted in model.estimators_.items():
        coef = last_step(fitted).coef_.astype(np.float32)
        coef[np.abs(coef) < min_weight] = 0
        assert_array_equal(last_step(small.estimators_[name]).coef_, coef)
    again = copy(small).compress(min_weight=min_weight).compression_report_
    assert_array_equal(again["n_bytes"], report["n_bytes"])
    assert not again["n_dropped"].any()


@pytest.mark.parametrize("n_asked", [1, 8, 200])
def test_models_that_are_asked_together_say_the_same(n_asked):
    """Siblings with equally many children, and fewer weights than entries of samples, or more."""
    rng = np.random.default_rng(0)
    tree = Taxonomy.from_dict({a: [f"{a}{i}" for i in range(3)] for a in "abc"})
    y = np.resize(tree.leaves, 180)
    of_class = sparse.csr_array(np.eye(60)[np.arange(180) % 9])
    X = sparse.csr_array(rows_of(rng, (180, 60)) + 3 * of_class)
    asked = rows_of(rng, (200, 60), 0.4)
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=tree).fit(X, y)
    model.compress(min_weight=0.6)
    assert n_single(model) == 4
    whole = with_tables(model)
    for start in range(0, 200, n_asked):
        rows = asked[start : start + n_asked]
        for decoder in ("top_down", "best_path"):
            model.set_params(decoder=decoder)
            whole.set_params(decoder=decoder)
            assert_array_equal(model.predict(rows), whole.predict(rows))
        for found, wanted in zip(
            model.predict_top_k(rows, 3), whole.predict_top_k(rows, 3), strict=True
        ):
            assert_array_equal(found, wanted)


def test_models_of_dense_samples():
    (X, y), (asked, _) = data(), data(30, seed=1)
    X, asked = X.toarray()[:, :60], asked.toarray()[:, :60]
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=TREE).fit(X, y)
    small = copy(model).compress(min_weight=0.3)
    assert n_single(small)
    assert_array_equal(answers(small, asked), answers(with_tables(small), asked))


def test_label_sets():
    X, y = data()
    sets = [[label, "b1"] for label in y]
    model = HierarchicalMultiLabelClassifier(RidgeClassifier(), taxonomy=TREE).fit(X, sets)
    small = model.compress(min_weight=0.1, dtype=None)
    assert small.predict(X) == with_tables(small).predict(X)


def by_pickle(model):
    return pickle.loads(pickle.dumps(model))


def by_joblib(model):
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


def by_skops(model):
    skops = pytest.importorskip("skops.io")
    return skops.loads(skops.dumps(model), trusted=trusted_types())


@pytest.mark.parametrize("save_and_load", [by_pickle, by_joblib, by_skops])
def test_saved_models(save_and_load):
    X, y = data()
    model = HierarchicalClassifier(LogisticRegression(C=10), taxonomy=TREE).fit(X, y)
    model.compress(min_weight=0.4)
    expected = answers(model, X)
    again = save_and_load(model)
    assert n_single(again) == n_single(model) > 0
    assert_array_equal(answers(again, X), expected)
    assert_array_equal(again.compression_report_, model.compression_report_)


def test_explanations():
    X, y = data()
    small = HierarchicalClassifier(LinearSVC(random_state=0), taxonomy=TREE).fit(X, y)
    small.compress(min_weight=0.2)
    found, expected = (
        explain(model, X[:4], output="arrays") for model in (small, with_tables(small))
    )
    for name, values in expected.items():
        assert_array_equal(found[name], values)


def test_single_weights_have_the_shape_of_the_table_and_fewer_bytes():
    table = table_of(np.random.default_rng(0), (9, 400), 0.02)
    weights = SingleWeights.of(table)
    assert (weights.shape, weights.dtype) == (table.shape, table.dtype)
    assert np.count_nonzero(table) * table.itemsize < weights.nbytes < table.nbytes / 2
