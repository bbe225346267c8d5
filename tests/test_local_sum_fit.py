"""Estimators fitted to sums at the nodes of a taxonomy: what their own ``fit`` finds."""

import pickle
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier._local import fitting
from sklhier._local.sum_fit import SharedRows, fit_by_sums
from sklhier.datasets import make_hierarchical_classification, make_hierarchical_text
from sklhier.exceptions import LocalFitError

OF_COUNTS = [
    MultinomialNB(),
    MultinomialNB(alpha=0.1, fit_prior=False),
    ComplementNB(),
    ComplementNB(alpha=0.5, norm=True),
    BernoulliNB(),
    BernoulliNB(alpha=2, binarize=0.6),
]
OF_TABLES = [
    GaussianNB(),
    GaussianNB(var_smoothing=0.01),
    NearestCentroid(),
    NearestCentroid(priors="empirical"),
]
ALL = [*OF_COUNTS, *OF_TABLES]
# scikit-learn says so at the nodes that have such columns.
allows_zero_deviations = pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")


def texts(n_samples=150, n_words=800, branching=(3, 3)):
    X, y, taxonomy = make_hierarchical_text(
        n_samples, branching=branching, vocabulary_size=n_words, random_state=0
    )
    X = X.astype(np.float64)
    X.data = np.sqrt(X.data)
    return X, y, taxonomy


def tables():
    return make_hierarchical_classification(300, 8, branching=(3, 4), random_state=0)


def node_by_node(monkeypatch):
    """Let all models be fitted by their own ``fit``."""
    monkeypatch.setattr(fitting, "fit_by_sums", lambda *_: False)


def by_sums_alone(monkeypatch):
    """Let no model be fitted by its own ``fit``."""

    def must(*arguments):
        assert fit_by_sums(*arguments)
        return True

    monkeypatch.setattr(fitting, "fit_by_sums", must)


def assert_same_fit(one, two, note=""):
    assert type(one) is type(two)
    assert vars(one).keys() == vars(two).keys(), note
    for name, value in vars(two).items():
        found = vars(one)[name]
        assert type(found) is type(value), (note, name)
        if isinstance(value, np.ndarray):
            assert (found.dtype, found.shape) == (value.dtype, value.shape), (note, name)
            assert found.flags.forc, (note, name)
            assert found.flags.writeable, (note, name)
        if isinstance(value, np.ndarray | float):
            assert_allclose(found, value, rtol=1e-11, atol=1e-13, err_msg=f"{note} {name}")
        else:
            assert found == value, (note, name)


def assert_same_models(model, other):
    assert list(model.estimators_) == list(other.estimators_)
    pairs = zip(model.estimators_.items(), other.estimators_.values(), strict=True)
    for (name, one), two in pairs:
        assert_same_fit(one, two, name)


def fitted_both_ways(model, monkeypatch, X, y, **params):
    with monkeypatch.context() as patch:
        by_sums_alone(patch)
        model.fit(X, y, **params)
    with monkeypatch.context() as patch:
        node_by_node(patch)
        other = clone(model).set_params(n_jobs=None).fit(X, y, **params)
    assert_same_models(model, other)
    assert [*map(str, model.predict(X))] == [*map(str, other.predict(X))]
    return model, other


@allows_zero_deviations
@pytest.mark.parametrize("base", [*OF_COUNTS, *OF_TABLES[2:]], ids=repr)
@pytest.mark.parametrize("data", ["floats", "counts", "few columns"])
def test_sparse_rows(base, data, monkeypatch):
    X, y, taxonomy = texts()
    if data == "counts":
        X.data = (X.data**2).round()
        X = X.astype(np.int64)
    if data == "few columns":
        X = X[:, np.bincount(X.indices, minlength=X.shape[1]) > 30]
    if isinstance(base, NearestCentroid):  # scikit-learn refuses some questions about sparse rows
        with monkeypatch.context() as patch:
            by_sums_alone(patch)
            model = HierarchicalClassifier(base, taxonomy=taxonomy).fit(X, y)
        node_by_node(monkeypatch)
        assert_same_models(model, clone(model).fit(X, y))
        return
    fitted_both_ways(HierarchicalClassifier(base, taxonomy=taxonomy), monkeypatch, X, y)


@pytest.mark.parametrize("base", OF_COUNTS, ids=repr)
def test_sums_of_sparse_rows_are_those_of_fit_to_the_last_bit(base):
    X, _, _ = texts()
    rows, codes = np.arange(20, 140), np.arange(120) % 5
    model, other = clone(base), clone(base).fit(X[rows], codes)
    assert fit_by_sums(model, SharedRows(), X, rows, codes, {})
    assert_array_equal(model.feature_count_, other.feature_count_)
    assert_allclose(model.feature_log_prob_, other.feature_log_prob_, rtol=1e-14)
    assert model.feature_log_prob_.flags.f_contiguous  # as predictions for sparse rows read it


def test_rows_that_are_binary_already(monkeypatch):
    X, y, taxonomy = texts()
    X.data[:] = 1
    model = HierarchicalClassifier(BernoulliNB(binarize=None), taxonomy=taxonomy)
    fitted_both_ways(model, monkeypatch, X, y)


@allows_zero_deviations
@pytest.mark.parametrize("base", ALL, ids=repr)
def test_dense_rows(base, monkeypatch):
    X, y, taxonomy = tables()
    X = np.asfortranarray(np.abs(X)) if base in OF_COUNTS else X + 100
    fitted_both_ways(HierarchicalClassifier(base, taxonomy=taxonomy), monkeypatch, X, y)


@pytest.mark.parametrize("base", [*OF_COUNTS, *OF_TABLES[:2]], ids=repr)
def test_weights(base, monkeypatch):
    X, y, taxonomy = tables()
    X = sparse.csr_array(np.abs(X).round()) if base in OF_COUNTS else X
    weights = 0.5 + np.arange(len(y)) % 3
    model = HierarchicalClassifier(base, taxonomy=taxonomy)
    fitted_both_ways(model, monkeypatch, X, y, sample_weight=weights)


@pytest.mark.parametrize(
    "params",
    [
        {"strategy": "flat"},
        {"strategy": "per_node"},
        {"strategy": "per_level"},
        {"n_jobs": 2},
        {"calibration": "temperature", "cv": 2},
    ],
    ids=repr,
)
def test_strategies(params, monkeypatch):
    X, y, taxonomy = texts()
    model = HierarchicalClassifier(ComplementNB(), taxonomy=taxonomy, random_state=0, **params)
    fitted_both_ways(model, monkeypatch, X, y)


def test_labels_that_stop_at_inner_nodes(monkeypatch):
    X, y, taxonomy = texts()
    y = y.astype(object)
    y[::5] = [taxonomy.nodes[taxonomy.parent_ids[taxonomy.id(label)]] for label in y[::5]]
    model = HierarchicalClassifier(MultinomialNB(), taxonomy=taxonomy)
    model, _ = fitted_both_ways(model, monkeypatch, X, y)
    assert len(set(y) - {taxonomy.nodes[i] for i in taxonomy.leaf_ids}) > 1


def with_two_parents(taxonomy):
    """Return a taxonomy whose first leaf has the last inner node as a parent, too."""
    names, inner = taxonomy.node_names, np.unique(taxonomy.edge_parents)
    ends = zip(taxonomy.edge_parents, taxonomy.edge_children, strict=True)
    edges = [(names[parent], names[child]) for parent, child in ends]
    return Taxonomy.from_edges([*edges, (names[inner[-1]], names[taxonomy.leaf_ids[0]])])


@pytest.mark.parametrize("change", [lambda taxonomy: taxonomy, with_two_parents])
def test_label_sets(change, monkeypatch):
    X, y, taxonomy = texts(40, 200, (2, 2))
    taxonomy = change(taxonomy)
    Y = [list({one, other}) for one, other in zip(y, np.roll(y, 1), strict=True)]
    model = HierarchicalMultiLabelClassifier(MultinomialNB(), taxonomy=taxonomy)
    fitted_both_ways(model, monkeypatch, X, Y)


@allows_zero_deviations
@given(st.data())
def test_any_rows_and_classes(data):
    n_rows, n_columns = data.draw(st.integers(4, 30)), data.draw(st.integers(1, 6))
    rng = np.random.RandomState(data.draw(st.integers(0, 1000)))
    X = rng.poisson(1.0, (n_rows, n_columns)).astype(np.float64)
    X *= data.draw(st.sampled_from([1.0, 0.3]))
    if data.draw(st.booleans()):
        X = sparse.csr_matrix(X)
    rows = np.sort(rng.choice(n_rows, data.draw(st.integers(3, n_rows)), replace=False))
    codes = rng.permutation(np.arange(len(rows)) % data.draw(st.integers(2, 3)))
    base = data.draw(st.sampled_from(ALL))
    params = {"sample_weight": rng.uniform(0.1, 2, len(rows))} if data.draw(st.booleans()) else {}
    model = clone(base)
    if not fit_by_sums(model, SharedRows(), X, rows, codes, params):
        assert vars(model) == vars(clone(base))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        other = clone(base).fit(X[rows], codes, **params)
    if isinstance(base, NearestCentroid):
        model.deviations_ = other.deviations_  # ratios of rounding errors where all is equal
    assert_same_fit(model, other)


class Heir(MultinomialNB):
    """Another type, which may count in another way."""

    def fit(self, X, y, sample_weight=None):
        self.heard_ = True
        return super().fit(X, y, sample_weight)


def test_other_types_are_fitted_by_themselves():
    X, y, taxonomy = texts()
    model = HierarchicalClassifier(Heir(), taxonomy=taxonomy).fit(X, y)
    assert all(estimator.heard_ for estimator in model.estimators_.values())


def left(base, X, codes=None, **params):
    codes = np.arange(6) % 2 if codes is None else codes
    return not fit_by_sums(base, SharedRows(), X, np.arange(6), codes, params)


COUNTS = np.arange(24.0).reshape(8, 3) % 5


@pytest.mark.parametrize(
    "base",
    [
        MultinomialNB(alpha=0),
        MultinomialNB(alpha=[1.0, 2.0, 3.0]),
        MultinomialNB(alpha="none"),
        MultinomialNB(class_prior=[0.1, 0.9]),
        ComplementNB(norm="yes"),
        BernoulliNB(binarize=-1),
        GaussianNB(priors=[0.1, 0.9]),
        GaussianNB(var_smoothing=-1),
        NearestCentroid(metric="manhattan"),
        NearestCentroid(shrink_threshold=0.1),
        NearestCentroid(priors=[0.1, 0.9]),
    ],
    ids=repr,
)
def test_rare_parameters_are_left_to_fit(base):
    assert left(base, COUNTS)
    assert not left(type(base)(), COUNTS)


def test_other_rows_are_left_to_fit():
    weighted = partial(left, MultinomialNB(), COUNTS)
    assert not weighted(sample_weight=np.ones(6))
    assert weighted(sample_weight=np.r_[0.0, np.ones(5)])
    assert weighted(sample_weight=np.ones(6, dtype=np.float32))
    assert weighted(sample_weight=np.ones(5))
    assert weighted(other=1)
    assert left(GaussianNB(), COUNTS, sample_weight=np.full(6, 1e-9))
    assert left(NearestCentroid(), COUNTS, sample_weight=np.ones(6))
    assert left(MultinomialNB(), -COUNTS)
    assert left(MultinomialNB(), np.where(COUNTS == 0, np.nan, COUNTS))
    assert left(MultinomialNB(), COUNTS.astype(object))
    assert left(MultinomialNB(), COUNTS.tolist())
    assert left(MultinomialNB(), COUNTS, codes=np.zeros(6, dtype=int))
    assert left(MultinomialNB(), COUNTS, codes=np.array([0, 2] * 3))
    assert left(MultinomialNB(), COUNTS, codes=np.eye(6, dtype=int))
    assert left(GaussianNB(), COUNTS.astype(np.float32))
    assert left(GaussianNB(), sparse.csr_matrix(COUNTS))
    assert left(NearestCentroid(), COUNTS, codes=np.arange(6))
    assert left(NearestCentroid(), np.full((8, 3), 0.1))
    twice = sparse.csr_matrix((np.ones(4), [0, 0, 1, 2], [0, 2, 3, 4, 4, 4, 4]), shape=(6, 3))
    assert left(BernoulliNB(), twice)


def test_what_fit_refuses_is_refused_at_its_node():
    X, y, taxonomy = tables()
    with pytest.raises(LocalFitError, match="Negative values"):
        HierarchicalClassifier(MultinomialNB(), taxonomy=taxonomy).fit(X, y)
    with pytest.raises(LocalFitError, match="alpha"):
        HierarchicalClassifier(MultinomialNB(alpha=-1.0), taxonomy=taxonomy).fit(np.abs(X), y)


def test_x_is_converted_once_and_stays_as_it_was():
    X, y, taxonomy = texts()
    X = X.astype(np.float32)
    before = X.copy()
    shared = SharedRows()
    assert shared.table(X) is shared.table(X)
    assert shared.table(X, 0.5) is shared.table(X, 0.5)
    assert shared.table(X, 0.5) is not shared.table(X)
    HierarchicalClassifier(BernoulliNB(binarize=1.2), taxonomy=taxonomy).fit(X, y)
    assert_array_equal(X.data, before.data)
    assert_array_equal(X.indices, before.indices)
    doubles = X.astype(np.float64)
    assert np.shares_memory(SharedRows().table(doubles).table.data, doubles.data)
    assert vars(pickle.loads(pickle.dumps(shared)))["_tables"] == {}


@pytest.mark.parametrize("base", [GaussianNB(), NearestCentroid()])
def test_little_memory_changes_nothing(base):
    X, _, _ = tables()
    rows, codes = np.arange(5, 300), np.arange(295) % 4
    models = [clone(base), clone(base)]
    for model, memory in zip(models, (0.001, 1024), strict=True):
        with config_context(working_memory=memory):
            assert fit_by_sums(model, SharedRows(), X, rows, codes, {})
    for name, value in vars(models[0]).items():
        assert_array_equal(value, vars(models[1])[name], err_msg=name)


def test_partial_fit_goes_on():
    X, y, taxonomy = texts()
    model = HierarchicalClassifier(MultinomialNB(), taxonomy=taxonomy)
    parts = clone(model)
    for part in (slice(0, 100), slice(100, None)):
        parts.partial_fit(X[part], y[part], classes=np.unique(y))
    model.fit(X, y)
    for name, one in model.estimators_.items():
        assert_allclose(parts.estimators_[name].feature_log_prob_, one.feature_log_prob_)
