"""Linear models learnt side by side at the nodes of a taxonomy: to the last bit those of ``fit``."""

import pickle
from dataclasses import replace

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from private import local_models
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.svm import LinearSVC
from sklearn.utils import check_random_state

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier._local import block_fit, fitting
from sklhier._local.base_params import BaseTraits
from sklhier._local.block_fit import SharedTable, fit_together
from sklhier._local.jobs import FitContext
from sklhier._local.keys import Kind, ModelKey
from sklhier._utils import parallel
from sklhier._utils.kernels import compiled
from sklhier.datasets import make_hierarchical_classification, make_hierarchical_text
from sklhier.exceptions import LocalFitError
from sklhier.linear_model import (
    BlockLinearSVC,
    BlockLogisticRegression,
    ScaledLinearClassifier,
    ScaledLogisticRegression,
    _block,
)
from sklhier.strategies import PerParent

KINDS = [BlockLinearSVC, BlockLogisticRegression]
SCALED = [ScaledLinearClassifier, ScaledLogisticRegression]

needs_compiled = pytest.mark.skipif(compiled() is None, reason="no compiled solvers in use")


def texts(n_samples=300, n_words=2000, branching=(3, 4)):
    X, y, taxonomy = make_hierarchical_text(
        n_samples, branching=branching, vocabulary_size=n_words, random_state=0
    )
    return X.astype(np.float64), y, taxonomy


def tables():
    X, y, taxonomy = make_hierarchical_classification(300, 8, branching=(3, 4), random_state=0)
    return X / X.std(axis=0), y, taxonomy


def node_by_node(monkeypatch):
    """Let all models be fitted by their own ``fit``."""
    monkeypatch.setattr(fitting, "fit_rows", lambda *_: (False, None))
    monkeypatch.setattr(fitting, "fit_together", lambda *_: (False, None))


def assert_same_models(model, other):
    assert list(model.estimators_) == list(other.estimators_)
    for (name, one), two in zip(
        model.estimators_.items(), other.estimators_.values(), strict=True
    ):
        assert vars(one).keys() == vars(two).keys(), name
        for attribute in ("coef_", "intercept_", "classes_"):
            first, second = getattr(one, attribute), getattr(two, attribute)
            assert_array_equal(first, second, err_msg=name)
            assert first.dtype == second.dtype
        assert (one.n_iter_, one.n_features_in_) == (two.n_iter_, two.n_features_in_)
    for one, two in zip(local_models(model).values(), local_models(other).values(), strict=True):
        assert (one.subset is None) == (two.subset is None)
        if one.subset is not None:
            assert_array_equal(one.subset.columns, two.subset.columns)
        assert one.estimator.coef_.flags.f_contiguous == two.estimator.coef_.flags.f_contiguous


@pytest.mark.few(9)
@needs_compiled
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("dtype", [None, "float32"])
@pytest.mark.parametrize(
    "data", ["few columns used", "most columns used", "single", "dense", "int"]
)
def test_the_models_of_fit(kind, n_jobs, dtype, data, monkeypatch):
    X, y, taxonomy = tables() if data == "dense" else texts()
    if data == "most columns used":
        X = X[:, np.bincount(X.indices, minlength=X.shape[1]) > 30]
    if data == "single":
        X = X.astype(np.float32)
    if data == "int":
        X = X.astype(np.int64)
    weights = 0.5 + np.arange(len(y)) % 3
    weights[:5] = 0
    base = kind(0.1, tol=0.1, class_weight="balanced", dtype=dtype)
    model = HierarchicalClassifier(base, taxonomy=taxonomy, random_state=0, n_jobs=n_jobs)
    model.fit(X, y, sample_weight=weights)
    node_by_node(monkeypatch)
    assert_same_models(model, clone(model).set_params(n_jobs=1).fit(X, y, sample_weight=weights))


@needs_compiled
@pytest.mark.parametrize("kind", SCALED)
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("unit", [1, 3])
def test_columns_on_a_common_scale_are_left_as_they_are(kind, n_jobs, dtype, unit, monkeypatch):
    X, y, taxonomy = texts()
    X = (unit * X / X.max()).astype(dtype)
    done = []
    fit_rows = block_fit.fit_rows
    monkeypatch.setattr(
        fitting, "fit_rows", lambda *args: done.append(fit_rows(*args)) or done[-1]
    )
    weights = 0.5 + np.arange(len(y)) % 3
    model = HierarchicalClassifier(kind(), taxonomy=taxonomy, n_jobs=n_jobs)
    model.fit(X, y, sample_weight=weights)
    assert [is_done for is_done, _ in done] == 4 * [unit == 1]
    node_by_node(monkeypatch)
    assert_same_models(model, clone(model).set_params(n_jobs=1).fit(X, y, sample_weight=weights))


@needs_compiled
@pytest.mark.parametrize("kind", SCALED)
@pytest.mark.parametrize("params", [{}, {"class_weight": "balanced"}])
def test_label_sets_on_a_common_scale(kind, params, monkeypatch):
    X, Y, taxonomy = label_sets()
    together = []
    monkeypatch.setattr(
        fitting, "fit_together", lambda *args: together.append(fit_together(*args)) or together[-1]
    )
    base = kind(1.0, tol=1e-8, max_iter=50_000, **params)
    model = HierarchicalMultiLabelClassifier(base, taxonomy=taxonomy).fit(X / X.max(), Y)
    assert {is_done for is_done, _ in together} == (set() if params else {True})
    node_by_node(monkeypatch)
    other = clone(model).fit(X / X.max(), Y)
    for name, one in model.estimators_.items():
        assert vars(one).keys() == vars(other.estimators_[name]).keys()
        assert_allclose(one.coef_, other.estimators_[name].coef_, atol=1e-6)
    assert_allclose(model.predict_node_proba(X), other.predict_node_proba(X), atol=1e-6)


@pytest.mark.parametrize("kind", [None, BlockLinearSVC(random_state=0)])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_bits_and_counts_are_numbers_too(kind, dtype):
    X, y, taxonomy = texts()
    X = (X > 0).astype(dtype)
    model = HierarchicalClassifier(kind, taxonomy=taxonomy).fit(X, y)
    assert_array_equal(model.predict(X), clone(model).fit(X.astype(float), y).predict(X))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_without_an_entry_the_shares_of_classes_are_learnt(n_classes):
    X, y = sparse.csr_matrix((60, 4)), np.arange(60) % 5 % n_classes
    model = HierarchicalClassifier(taxonomy=Taxonomy.flat(range(n_classes))).fit(X, y)
    shares = np.bincount(y) / len(y)
    assert_allclose(model.predict_proba(X), np.tile(shares, (60, 1)), atol=0.05)


@needs_compiled
@pytest.mark.parametrize("params", [{}, {"strategy": "flat"}])
@pytest.mark.parametrize("order", ["sorted", "backwards", "twice"])
def test_strategies_and_entries_in_any_order(params, order, monkeypatch):
    X, y, taxonomy = texts()
    if order == "backwards":
        X = X[:, ::-1].tocsr()[:, ::-1].tocsr()
    if order == "twice":
        X = sparse.csr_matrix(
            (np.repeat(X.data / 2, 2), np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape
        )
    before = X.indices.copy()
    base = BlockLinearSVC(0.1, tol=0.1)
    model = HierarchicalClassifier(base, taxonomy=taxonomy, random_state=0, **params).fit(X, y)
    assert_array_equal(X.indices, before)
    node_by_node(monkeypatch)
    assert_same_models(model, clone(model).fit(X, y))


def label_sets(n_samples=150):
    X, y, taxonomy = texts(n_samples)
    return X, [list({one, other}) for one, other in zip(y, np.roll(y, 1), strict=True)], taxonomy


@pytest.mark.few(1)
@needs_compiled
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("params", [{}, {"class_weight": "balanced"}, {"fit_intercept": False}])
def test_label_sets(kind, params, monkeypatch):
    X, Y, taxonomy = label_sets()
    together = []
    monkeypatch.setattr(
        fitting, "fit_together", lambda *args: together.append(args[0]) or fit_together(*args)
    )
    base = kind(tol=1e-8, max_iter=50_000, **params)
    model = HierarchicalMultiLabelClassifier(base, taxonomy=taxonomy, random_state=0).fit(X, Y)
    if "class_weight" in params:
        assert not together  # costs of rows would differ from label to label
    else:
        assert max(map(len, together)) == 4
    node_by_node(monkeypatch)
    other = clone(model).fit(X, Y)
    for name, one in model.estimators_.items():
        assert vars(one).keys() == vars(other.estimators_[name]).keys()
        assert_allclose(one.coef_, other.estimators_[name].coef_, atol=1e-6)
        assert_allclose(one.intercept_, other.estimators_[name].intercept_, atol=1e-6)
        assert_array_equal(one.classes_, other.estimators_[name].classes_)
    for one, two in zip(local_models(model).values(), local_models(other).values(), strict=True):
        assert_array_equal(one.subset.columns, two.subset.columns)


@needs_compiled
def test_label_sets_with_weights_are_fitted_one_by_one(monkeypatch):
    X, Y, taxonomy = label_sets()
    weights = np.random.default_rng(0).uniform(0.1, 3, len(Y))
    base = BlockLinearSVC(tol=1e-8, max_iter=50_000)
    model = HierarchicalMultiLabelClassifier(base, taxonomy=taxonomy, random_state=0)
    model.fit(X, Y, sample_weight=weights)
    node_by_node(monkeypatch)
    other = clone(model).fit(X, Y, sample_weight=weights)
    for name, one in model.estimators_.items():
        assert_allclose(one.coef_, other.estimators_[name].coef_, atol=1e-6)


class Weighing(PerParent):
    """Per parent, with rows that count as a problem says."""

    def plan_sets(self, members, learns_jointly):
        for problem in super().plan_sets(members, learns_jointly):
            yield replace(problem, weights=1.0 + problem.codes)


@needs_compiled
def test_problems_with_weights_are_fitted_one_by_one(monkeypatch):
    X, Y, taxonomy = label_sets()
    base = BlockLinearSVC(tol=1e-8, max_iter=50_000)
    model = HierarchicalMultiLabelClassifier(
        base, taxonomy=taxonomy, strategy=Weighing(), random_state=0
    ).fit(X, Y)
    node_by_node(monkeypatch)
    other = clone(model).fit(X, Y)
    for name, one in model.estimators_.items():
        assert_allclose(one.coef_, other.estimators_[name].coef_, atol=1e-6)


@needs_compiled
def test_rows_are_visited_in_the_order_of_the_first_of_several():
    X = texts()[0]
    codes = np.random.default_rng(0).integers(0, 2, (X.shape[0], 2))

    def weights(*seeds):
        bases = [BlockLinearSVC(tol=0.1, random_state=seed) for seed in seeds]
        assert fit_together(bases, SharedTable(), X, np.arange(len(codes)), codes, {})[0]
        return np.vstack([base.coef_ for base in bases])

    assert_array_equal(weights(0, 1), weights(0, 2))
    assert (weights(0, 1) != weights(2, 1)).any()


@pytest.mark.few(1)
@needs_compiled
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_label_sets_in_threads(dtype):
    X, Y, taxonomy = label_sets()
    base = BlockLogisticRegression(tol=0.1, dtype=dtype)
    model = HierarchicalMultiLabelClassifier(base, taxonomy=taxonomy, random_state=0).fit(X, Y)
    threads = clone(model).set_params(n_jobs=3).fit(X, Y)
    assert_same_models(model, threads)
    assert_array_equal(model.predict_node_proba(X), threads.predict_node_proba(X))


@needs_compiled
def test_an_error_among_labels_names_a_node():
    X, Y, taxonomy = label_sets()
    model = HierarchicalMultiLabelClassifier(BlockLinearSVC(-1), taxonomy=taxonomy)
    with pytest.raises(LocalFitError, match="`C` must be a finite number above 0"):
        model.fit(X, Y)
    X.data[0] = np.nan
    with pytest.raises(LocalFitError, match="NaN"):
        model.set_params(estimator=BlockLinearSVC()).fit(X, Y)


@needs_compiled
def test_rows_are_not_taken(monkeypatch):
    X, y, taxonomy = texts()
    wanted = HierarchicalClassifier(BlockLinearSVC(), taxonomy=taxonomy, random_state=0).fit(X, y)

    def refuse(*_):
        raise AssertionError("rows were taken")

    monkeypatch.setattr(fitting, "take_rows", refuse)
    model = HierarchicalClassifier(BlockLinearSVC(), taxonomy=taxonomy, random_state=0).fit(X, y)
    assert_same_models(model, wanted)


@needs_compiled
@pytest.mark.slow
def test_processes_find_the_same(monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    X, y, taxonomy = texts()
    base = BlockLinearSVC(tol=0.1)
    model = HierarchicalClassifier(base, taxonomy=taxonomy, random_state=0).fit(X, y)
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        assert_same_models(model, clone(model).set_params(n_jobs=2).fit(X, y))
    assert pickle.loads(pickle.dumps(SharedTable()))._tables == {}


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_errors_name_the_node(container):
    X, y, taxonomy = tables()
    X[3, 2] = np.inf
    with pytest.raises(LocalFitError, match="node") as caught:
        HierarchicalClassifier(BlockLinearSVC(), taxonomy=taxonomy).fit(container(X), y)
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(LocalFitError, match="`C` must be a finite number above 0"):
        HierarchicalClassifier(BlockLinearSVC(-1), taxonomy=taxonomy).fit(container(X), y)


@needs_compiled
def test_what_overflows_in_single_precision_is_left_to_fit():
    X = sparse.csr_matrix(np.array([[1e300, 1.0], [1.0, 2.0]]))
    assert SharedTable().table(X, np.float32) is None
    assert SharedTable().table(X, None) is not None
    assert SharedTable().table(X[:, :0], None) is None
    assert SharedTable().table(X.toarray().astype(str), None) is None


@needs_compiled
def test_a_small_share_of_columns_is_sorted(monkeypatch):
    rng = np.random.default_rng(0)
    X = sparse.random(30, 10_000, density=1e-4, random_state=rng, format="csr")
    table = block_fit.Table.of(X)
    columns = block_fit.Columns(table)
    for rows in (np.arange(30), np.array([], dtype=np.intp), np.array([2, 5, 7]), np.arange(30)):
        used = columns.used_by(rows)
        taken = X[rows]
        assert_array_equal(used.columns, np.unique(taken.indices))
        assert_array_equal(used.columns[used.local], taken.indices)
        assert_array_equal(used.starts, taken.indptr)


# -- what each node costs ------------------------------------------------------------------


@pytest.mark.parametrize(
    "base",
    [
        BlockLinearSVC(C=2, dtype="float32"),
        ScaledLinearClassifier(C=3.0),
        LogisticRegression().set_params(C=0.5),
        SGDClassifier(loss="log_loss"),
        BlockLinearSVC(class_weight={0: 2.0, 1: 1.0}),
        make_pipeline(MaxAbsScaler(), LinearSVC()),
    ],
    ids=lambda base: type(base).__name__,
)
def test_bases_are_cloned_as_scikit_learn_does(base):
    context = FitContext(Taxonomy.flat(["a", "b"]))
    traits = BaseTraits.of(base, lambda parameter: False)
    base.fitted_ = "by the user, who fits it first"
    found = [context.seeded_clone(base, ModelKey(Kind.PARENT, node), traits) for node in (0, 1, 0)]
    expected = clone(base)
    for one in found:
        assert type(one) is type(expected)
        assert vars(one).keys() == vars(expected).keys()
        assert repr(one) == repr(expected)
        assert repr(one.get_params()) == repr(expected.get_params())
    assert len({id(one) for one in found}) == 3
    assert not hasattr(found[0], "fitted_")
    found[0].set_params(**{next(iter(found[0].get_params(deep=False))): None})
    assert repr(found[1].get_params()) == repr(expected.get_params())


def test_requests_of_metadata_are_cloned():
    with config_context(enable_metadata_routing=True):
        base = LogisticRegression().set_fit_request(sample_weight=True)
    traits = BaseTraits.of(base, lambda parameter: False)
    context = FitContext(Taxonomy.flat(["a", "b"]))
    found = [context.seeded_clone(base, ModelKey(Kind.PARENT, 0), traits) for _ in range(2)]
    requests = [one._metadata_request for one in (base, *found)]
    assert len({id(request) for request in requests}) == 3
    assert all(request.fit.requests["sample_weight"] is True for request in requests)


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, None, np.random.RandomState(3)])
def test_random_numbers_are_those_of_scikit_learn(seed):
    if isinstance(seed, int):
        assert _block._random_numbers(seed).randint(2**31) == check_random_state(seed).randint(
            2**31
        )
    else:
        assert _block._random_numbers(seed) is check_random_state(seed)
    with pytest.raises(ValueError, match="Seed must be"):
        _block._random_numbers(-1)


def test_parameters_of_each_node_are_checked():
    X, y, taxonomy = make_hierarchical_text(300, branching=(3, 3), random_state=0)
    name = taxonomy.nodes[2]
    for tol in (-1.0, 0, "no"):
        bases = {name: BlockLinearSVC(tol=tol)}
        model = HierarchicalClassifier(BlockLinearSVC(), taxonomy=taxonomy, node_estimators=bases)
        with pytest.raises(LocalFitError, match="`tol` must be"):
            model.fit(X, y)
