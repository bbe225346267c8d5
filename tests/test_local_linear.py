"""Linear bases on sparse X: the same models and answers as scikit-learn's own, in less space."""

import pickle
import re
import warnings
from copy import copy, deepcopy
from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest
from generators import labelled_trees, one_in, trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from private import local_models
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import (
    LogisticRegression,
    Perceptron,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, Normalizer, StandardScaler
from sklearn.svm import LinearSVC

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier._local import linear_fit, linear_predict
from sklhier._local.sparse_rows import SparseRows
from sklhier._utils import compat
from sklhier._utils.rows import take_rows
from sklhier.decoders import Decoder, SetDecoder, SetThreshold
from sklhier.exceptions import IncompatiblePartsError, LocalFitError, LocalPredictError
from sklhier.linear_model import BlockLinearSVC, BlockLogisticRegression
from sklhier.strategies import Ensemble, PerLevel, PerNode, PerParent

pytestmark = [
    pytest.mark.filterwarnings("ignore:Class PassiveAggressiveClassifier is deprecated"),
    pytest.mark.filterwarnings(
        "ignore:.*(max_iter|Maximum number of iteration|failed to converge|did not reach)"
    ),
]


def sparse_rows(n_rows, n_features, seed, n_used=None, dtype=np.float64):
    """Rows of a few numbers in some of the columns."""
    rng = np.random.default_rng(seed)
    used = np.sort(rng.permutation(n_features)[: n_used or n_features])
    dense = np.zeros((n_rows, n_features), dtype=dtype)
    dense[:, used] = (rng.random((n_rows, len(used))) < 0.3) * rng.normal(size=(n_rows, len(used)))
    return sparse.csr_matrix(dense)


def passive_aggressive():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            f"{kind.__name__} {loss}": kind(random_state=0, loss=loss)
            for kind in compat.PASSIVE_AGGRESSIVE
            for loss in ("hinge", "squared_hinge")
        }


def tight(estimator):
    """Set the tolerance so low that two fits agree as far as rounding lets them."""
    return estimator.set_params(tol=1e-12, max_iter=20_000)


EXACT = {
    "LinearSVC": tight(LinearSVC(random_state=0)),
    "LinearSVC dual": tight(LinearSVC(random_state=0, dual=True, class_weight="balanced")),
    "LinearSVC primal": tight(LinearSVC(random_state=0, dual=False)),
    "LinearSVC hinge": tight(LinearSVC(random_state=0, loss="hinge", fit_intercept=False)),
    **{
        f"LogisticRegression {solver}": tight(
            LogisticRegression(solver=solver, C=3.0, random_state=0)
        )
        for solver in ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")
    },
    "LogisticRegression liblinear": tight(
        LogisticRegression(solver="liblinear", intercept_scaling=2.0, random_state=0)
    ),
    "LogisticRegression liblinear dual": tight(
        LogisticRegression(solver="liblinear", dual=True, random_state=0)
    ),
    "RidgeClassifier": RidgeClassifier(tol=1e-13),
    "RidgeClassifier no intercept": RidgeClassifier(tol=1e-13, fit_intercept=False),
    "SGD": SGDClassifier(random_state=0),
    "SGD log_loss": SGDClassifier(loss="log_loss", random_state=0),
    "SGD modified_huber": SGDClassifier(loss="modified_huber", random_state=0),
    "SGD averaged": SGDClassifier(loss="log_loss", average=7, random_state=0),
    "SGD elasticnet": SGDClassifier(penalty="elasticnet", random_state=0),
    "SGD l1": SGDClassifier(penalty="l1", alpha=0.01, random_state=0),
    "SGD without penalty": SGDClassifier(penalty=None, random_state=0),
    "SGD early stopping": SGDClassifier(
        early_stopping=True, learning_rate="adaptive", eta0=0.1, random_state=0
    ),
    "BlockLinearSVC": tight(BlockLinearSVC(class_weight="balanced", random_state=0)),
    "BlockLogisticRegression": tight(BlockLogisticRegression(C=3.0, random_state=0)),
    "Perceptron": Perceptron(random_state=0),
    "Perceptron l2": Perceptron(penalty="l2", random_state=0),
    **passive_aggressive(),
}
# To the last digit these take long.
PATIENT = {"LogisticRegression sag", "LogisticRegression saga"}
NAMES = [pytest.param(name, marks=[pytest.mark.slow] * (name in PATIENT)) for name in EXACT]
BINARY_ONLY = {name for name in EXACT if "liblinear" in name}

HAS_RATIO = LogisticRegression().penalty == "deprecated"  # scikit-learn 1.8 and later
L1 = {"l1_ratio": 1.0} if HAS_RATIO else {"penalty": "l1"}
NOT_EXACT = {
    "l1 shuffles columns": LinearSVC(penalty="l1", dual=False, random_state=0),
    "crammer_singer": LinearSVC(multi_class="crammer_singer", random_state=0),
    "no penalty": LogisticRegression(C=np.inf),
    "liblinear l1": LogisticRegression(solver="liblinear", random_state=0, **L1),
    "saga l1": LogisticRegression(solver="saga", random_state=0, **L1),
    "a limit that follows columns": RidgeClassifier(solver="lsqr"),
    "smoothing": MultinomialNB(),
    "not our type": type("Mine", (LinearSVC,), {})(random_state=0),
}


def problem(name, n_classes, seed=0):
    n_classes = 2 if name in BINARY_ONLY else n_classes
    X = sparse_rows(40, 200, seed, n_used=60)
    rng = np.random.default_rng(seed)
    y = np.resize(np.arange(n_classes), 40)
    return X, rng.permutation(y)


def on_used_columns(estimator, X, y, **params):
    """Return a fitted estimator, and how it is stored."""
    fitted = clone(estimator)
    return fitted, linear_fit.fit_on_used_columns(fitted, X, y, params)


def same_state(one, other, rtol):
    assert vars(one).keys() == vars(other).keys()
    for name, value in vars(one).items():
        theirs = vars(other)[name]
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            assert value.shape == theirs.shape, name
            assert_allclose(value, theirs, rtol=rtol, atol=rtol, err_msg=name)
        elif isinstance(value, str | int | float | dict | None):
            assert value == theirs or name == "n_iter_", name


# -- fitting ------------------------------------------------------------------------------


@pytest.mark.few(11)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_own_columns_give_the_same_model(name, n_classes):
    X, y = problem(name, n_classes)
    plain = clone(EXACT[name]).fit(X, y)
    fitted, subset = on_used_columns(EXACT[name], X, y)
    assert_array_equal(subset.columns, np.flatnonzero(X.getnnz(axis=0)))
    assert fitted.coef_.shape == (*plain.coef_.shape[:-1], len(subset.columns))
    assert fitted.coef_.T.flags.c_contiguous
    full = linear_fit.full_width(fitted, subset)
    same_state(plain, full, rtol=1e-9)
    assert full.coef_.flags.c_contiguous
    assert (full.coef_[..., X.getnnz(axis=0) == 0] == 0).all()


@pytest.mark.parametrize(
    "name", ["LinearSVC", "LogisticRegression lbfgs", "SGD", "RidgeClassifier"]
)
def test_weights_of_samples(name):
    X, y = problem(name, 3)
    weights = np.random.default_rng(1).random(len(y))
    plain = clone(EXACT[name]).fit(X, y, sample_weight=weights)
    fitted, subset = on_used_columns(EXACT[name], X, y, sample_weight=weights)
    assert subset.columns is not None
    same_state(plain, linear_fit.full_width(fitted, subset), rtol=1e-9)


@pytest.mark.parametrize("name", NOT_EXACT)
def test_no_promise_no_restriction(name):
    X, y = problem(name, 2)
    X = abs(X)
    y[:3] = [0, 1, 0]
    plain = clone(NOT_EXACT[name]).fit(X, y)
    fitted, subset = on_used_columns(NOT_EXACT[name], X, y)
    assert subset is None or subset.columns is None
    full = linear_fit.full_width(fitted, subset)
    assert_allclose(plain.predict(X), full.predict(X))
    if hasattr(plain, "coef_"):
        same_state(plain, full, rtol=1e-9)


@pytest.mark.parametrize("loss", ["squared_hinge", "hinge"])
@pytest.mark.parametrize("n_rows", [30, 60, 90, 200, 250])
def test_svc_chooses_its_problem_by_all_columns(n_rows, loss):
    """It goes by whether there are fewer rows than columns: than all 200, not than the 60 used."""
    X, y = sparse_rows(n_rows, 200, 0, n_used=60), np.resize([0, 1, 2], n_rows)
    base = LinearSVC(loss=loss, random_state=0, max_iter=100_000)  # far from its optimum
    fitted, subset = on_used_columns(base, X, y)
    full = linear_fit.full_width(fitted, subset)
    assert subset.columns is not None
    assert full.dual == "auto"
    assert_allclose(clone(base).fit(X, y).coef_, full.coef_, rtol=1e-12, atol=1e-12)


def test_ridge_goes_by_rows_or_not_at_all():
    for n_rows, narrow in ((40, True), (90, False), (250, False)):
        X, y = sparse_rows(n_rows, 200, 0, n_used=60), np.resize([0, 1, 2], n_rows)
        fitted, subset = on_used_columns(RidgeClassifier(), X, y)
        assert (subset.columns is not None) == narrow
        assert_allclose(
            RidgeClassifier().fit(X, y).coef_,
            linear_fit.full_width(fitted, subset).coef_,
            rtol=1e-9,
        )


@pytest.mark.parametrize("kind", ["dense", "csc", "many columns", "empty", "other parameters"])
def test_what_is_left_as_it_is(kind):
    X, y = problem("SGD", 3)
    params = {}
    if kind == "dense":
        X = X.toarray()
    elif kind == "csc":
        X = X.tocsc()
    elif kind == "many columns":
        X = sparse_rows(40, 60, 0)
    elif kind == "empty":
        X = sparse.csr_matrix(X.shape)
    else:
        params = {"coef_init": np.ones((3, X.shape[1]))}
    plain = clone(EXACT["SGD"]).fit(X, y, **deepcopy(params))  # which overwrites them
    fitted, subset = on_used_columns(EXACT["SGD"], X, y, **params)
    assert subset is None or subset.columns is None
    same_state(plain, linear_fit.full_width(fitted, subset), rtol=0)


def test_entries_out_of_order():
    X, y = problem("SVC", 3)
    arrays = (X.data[::-1].copy(), X.indices[::-1].copy(), X.nnz - X.indptr[::-1])
    X = sparse.csr_matrix(arrays, X.shape)
    before = X.toarray()
    assert not X.has_sorted_indices
    fitted, subset = on_used_columns(EXACT["LinearSVC"], X, y)
    assert subset.columns is not None
    assert_array_equal(X.toarray(), before)
    plain = clone(EXACT["LinearSVC"]).fit(X, y)
    assert_allclose(
        linear_fit.full_width(fitted, subset).coef_, plain.coef_, rtol=1e-9, atol=1e-12
    )
    found = linear_predict.predict(fitted, subset, "decision_function", X)
    assert_allclose(found, plain.decision_function(X), rtol=1e-9)


@pytest.mark.few(72)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"dual": True, "C": 0.3, "tol": 0.01},
        {"dual": False, "fit_intercept": False},
        {"loss": "hinge", "intercept_scaling": 2.5},
        {"class_weight": "balanced"},
        {"random_state": None, "dual": False},
        {"random_state": np.random.RandomState(3), "C": 2},
        {"C": np.float32(2)},
    ],
)
@pytest.mark.parametrize("private", [True, False])
def test_svc_without_its_checks_is_the_same(
    params, n_classes, weighted, dtype, private, monkeypatch
):
    """All numbers and attributes, with the private solver and without it."""
    if not private:
        monkeypatch.setattr(compat, "_liblinear", None)
    X = sparse_rows(40, 30, 1, dtype=dtype)
    y = np.resize(np.arange(n_classes), 40) * 3
    weight = {"sample_weight": np.linspace(0, 2, 40)} if weighted else {}
    base = LinearSVC(**{"random_state": 0} | params)
    plain, fitted = deepcopy(base).fit(X, y, **weight), deepcopy(base)
    linear_fit.fit_on_used_columns(fitted, X, y, weight)
    same_state(plain, fitted, rtol=0)


@pytest.mark.parametrize(
    "weights",
    [
        np.linspace(0, 2, 40, dtype=np.float32),
        np.arange(40),
        np.arange(40.0).tolist(),
        np.where(np.arange(40) == 3, np.nan, 1.0),
        np.ones(39),
        np.ones((40, 1)),
    ],
)
def test_svc_with_other_weights_does_what_svc_does(weights):
    X, y = sparse_rows(40, 30, 1), np.resize(np.arange(3), 40)
    plain, fitted = (LinearSVC(random_state=0) for _ in range(2))
    try:
        plain.fit(X, y, sample_weight=weights)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error)[:30])):
            linear_fit.fit_on_used_columns(fitted, X, y, {"sample_weight": weights})
    else:
        linear_fit.fit_on_used_columns(fitted, X, y, {"sample_weight": weights})
        same_state(plain, fitted, rtol=0)


@pytest.mark.parametrize(
    "params", [{"C": -1.0}, {"tol": 0}, {"max_iter": "all"}, {"loss": "hinge", "dual": False}]
)
def test_what_svc_refuses(params):
    X, y = sparse_rows(40, 30, 1), np.resize(np.arange(3), 40)
    errors = []
    for fit in (LinearSVC.fit, lambda svc, X, y: linear_fit.fit_on_used_columns(svc, X, y, {})):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            fit(LinearSVC(**params), X, y)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("params", [{}, {"dual": False}, {"loss": "hinge"}])
def test_svc_is_fitted_without_its_checks(params, kind, monkeypatch):
    """Fits of a node do not go through LinearSVC.fit, which checks anew what is checked."""
    X, y = data()
    base = LinearSVC(random_state=0, **params)
    wanted = clone(base).fit(X, [TREE.path(label)[0] for label in y.tolist()])

    def fit(*_, **__):
        raise AssertionError("LinearSVC.fit was called")

    monkeypatch.setattr(LinearSVC, "fit", fit)
    found = HierarchicalClassifier(base, taxonomy=TREE).fit(kind(X), y)
    assert_allclose(found.estimators_[TREE.nodes[0]].coef_, wanted.coef_, rtol=1e-6)


def widened(X):
    """Return a sparse X whose indices have 64 bits, as those of very large tables have."""
    wide = X.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    return wide


def test_indices_of_64_bits():
    X, y = data()
    base = LinearSVC(random_state=0)
    found = HierarchicalClassifier(base, taxonomy=TREE).fit(widened(X), y)
    wanted = HierarchicalClassifier(base, taxonomy=TREE).fit(X, y)
    assert_array_equal(found.predict(widened(X)), wanted.predict(X))
    X, y = data(n_features=30)  # all of which are used
    widening = make_pipeline(FunctionTransformer(widened, accept_sparse=True), base)
    with pytest.raises(ValueError, match="32-bit") as caught:
        clone(widening).fit(X, y)
    with pytest.raises(LocalFitError, match=re.escape(str(caught.value)[:60])):
        HierarchicalClassifier(widening, taxonomy=TREE).fit(X, y)


@pytest.mark.filterwarnings("default:.*failed to converge")
def test_svc_tells_when_it_does_not_converge():
    X, y = problem("LinearSVC", 3)
    with pytest.warns(ConvergenceWarning, match="increase the number of iterations"):
        linear_fit.fit_on_used_columns(LinearSVC(max_iter=1, random_state=0), X, y, {})


@pytest.mark.parametrize("rows", [[], [4], [3, 4, 5], [0, 2, 39], list(range(40))])
@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32, np.float64])
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array])
@pytest.mark.parametrize("canonical", [True, False])
def test_rows_of_sparse_matrices(rows, dtype, kind, canonical):
    X = kind(sparse_rows(40, 30, 1).astype(dtype))
    if not canonical:
        X.indices, X.data = X.indices[::-1].copy(), X.data[::-1].copy()
        X.indptr = X.nnz - X.indptr[::-1]
        X.has_sorted_indices = X.has_canonical_format = False
    rows = np.array(rows, dtype=np.intp)
    before = X.toarray()
    found = take_rows(X, rows)
    assert type(found) is kind
    assert found.dtype == dtype
    found.sum_duplicates()  # in place: must not reach X
    assert_array_equal(found.toarray(), before[rows])
    assert_array_equal(X.toarray(), before)


@pytest.mark.parametrize(
    "base", [LogisticRegression(C="much"), LinearSVC(loss="none"), SGDClassifier(alpha=-1)]
)
def test_parameters_are_refused_by_scikit_learn(base):
    X, y = data()
    with pytest.raises(LocalFitError, match=r"parameter of .* must be"):
        HierarchicalClassifier(base, taxonomy=TREE).fit(X, y)


def test_few_entries_among_many_columns():
    X = sparse.csr_array(([1.0, 2.0, 3.0], ([0, 1, 2], [7, 70_000, 7])), shape=(3, 100_000))
    used, positions = linear_fit._used_columns(X.indices, X.shape[1])
    assert_array_equal(used, [7, 70_000])
    assert_array_equal(positions, [0, 1, 0])
    assert used.dtype == positions.dtype == X.indices.dtype


# -- asking -------------------------------------------------------------------------------

METHODS = ("decision_function", "predict_proba")


@pytest.mark.few(12)
@pytest.mark.parametrize("n_used", [60, 180])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_of_scikit_learn(name, n_classes, n_used):
    _, y = problem(name, n_classes)
    X = sparse_rows(40, 200, 0, n_used=n_used)
    asked = sparse_rows(30, 200, 5)  # columns that training has not seen
    asked.data[:4] *= 1e3  # probabilities that round to 0 and 1
    fitted, subset = on_used_columns(EXACT[name], X, y)
    full = linear_fit.full_width(fitted, subset)
    for method in METHODS:
        if not hasattr(full, method):
            continue
        expected = getattr(full, method)(asked)
        found = linear_predict.predict(fitted, subset, method, asked)
        assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
        alone = [linear_predict.predict(fitted, subset, method, row) for row in asked]
        assert_array_equal(np.concatenate(alone), found)


def test_all_scores_so_low_that_nothing_is_left():
    X, y = problem("SGD log_loss", 3)
    fitted, subset = on_used_columns(EXACT["SGD log_loss"], X, y)
    fitted.intercept_ -= 1e4
    with np.errstate(invalid="ignore"):  # scikit-learn 1.6 has NaN
        expected = linear_fit.full_width(fitted, subset).predict_proba(X)
        assert_array_equal(linear_predict.predict(fitted, subset, "predict_proba", X), expected)


@pytest.mark.parametrize("kind", ["float32", "int", "dense", "csc"])
@pytest.mark.parametrize("name", ["LinearSVC", "LogisticRegression lbfgs"])
def test_other_kinds_of_samples(name, kind):
    X, y = problem(name, 3)
    asked = sparse_rows(30, 200, 5)
    if kind == "float32":
        X, asked = X.astype(np.float32), asked.astype(np.float32)
    elif kind == "int":
        asked = (3 * asked).astype(np.int64)
    else:
        asked = asked.toarray() if kind == "dense" else asked.tocsc()
    fitted, subset = on_used_columns(clone(EXACT[name]).set_params(tol=1e-4), X, y)
    expected = linear_fit.full_width(fitted, subset).decision_function(asked)
    found = linear_predict.predict(fitted, subset, "decision_function", asked)
    assert found.dtype == expected.dtype
    assert_allclose(found, expected, rtol=1e-5 if kind == "float32" else 1e-12)


def test_products_without_private_names(monkeypatch):
    X, y = problem("LinearSVC", 3)
    fitted, subset = on_used_columns(EXACT["LinearSVC"], X, y)
    asked = [X, X[:1], X[5:7]]  # many entries are read column by column
    found = [linear_predict.predict(fitted, subset, "decision_function", rows) for rows in asked]
    monkeypatch.setattr(compat, "_sparsetools", None)
    for rows, expected in zip(asked, found, strict=True):
        again = linear_predict.predict(fitted, subset, "decision_function", rows)
        assert_array_equal(again, expected)


@pytest.mark.parametrize("rows", [[0], [3, 4, 5], [1, 7, 30], list(range(40))])
def test_rows_and_columns(rows):
    X = sparse_rows(40, 50, 3)
    columns = np.array([0, 3, 20, 21, 49], dtype=np.int32)
    found = SparseRows.of(X).at(np.array(rows)).among([columns], [0, len(rows)])
    table = sparse.csr_matrix(found, shape=(len(rows), len(columns)))
    assert_array_equal(table.toarray(), X.toarray()[rows][:, columns])


# -- in Pipelines -------------------------------------------------------------------------

PIPELINES = {
    "scaled": make_pipeline(MaxAbsScaler(), StandardScaler(with_mean=False), LinearSVC()),
    "norms of all columns": make_pipeline(TfidfTransformer(), Normalizer("l1"), SGDClassifier()),
    "nothing before": make_pipeline(LogisticRegression()),
    "passed through": make_pipeline("passthrough", LogisticRegression()),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_the_last_step_of_a_pipeline(name):
    base = PIPELINES[name]
    base = clone(base).set_params(**{f"{base.steps[-1][0]}__random_state": 0})
    X, y = problem(name, 3)
    X, asked = abs(X), abs(sparse_rows(30, 200, 5))
    plain = clone(base).fit(X, y)
    fitted, subset = on_used_columns(base, X, y)
    assert type(fitted.steps[-1][1]) is type(plain.steps[-1][1])
    assert subset.columns is not None
    full = linear_fit.full_width(fitted, subset)
    for (_, one), (_, other) in zip(plain.steps, full.steps, strict=True):
        if one != "passthrough":
            same_state(one, other, rtol=1e-9)
    expected = plain.decision_function(asked)
    assert_allclose(full.decision_function(asked), expected, rtol=1e-9)
    found = linear_predict.predict(fitted, subset, "decision_function", asked)
    assert_allclose(found, expected, rtol=1e-9)


# -- in classifiers -----------------------------------------------------------------------

TREE = Taxonomy.from_dict({"A": ["a1", "a2", "a3"], "B": {"B1": ["b1", "b2"], "B2": None}})
LABELS = np.array(["a1", "a2", "a3", "b1", "b2", "B2"])
BASES = {
    "svc": LinearSVC(random_state=0),
    "logistic": LogisticRegression(),
    "sgd": SGDClassifier(loss="log_loss", random_state=0),
    "huber": SGDClassifier(loss="modified_huber", random_state=0),
    "pipeline": make_pipeline(TfidfTransformer(), SGDClassifier(loss="log_loss", random_state=0)),
    "ridge": RidgeClassifier(tol=1e-12),
}


def data(n_rows=60, n_features=300, seed=0):
    """Words of which each class has its own, and some that all share."""
    rng = np.random.default_rng(seed)
    y = np.resize(LABELS, n_rows)
    own = {label: rng.choice(n_features, 12) for label in LABELS}
    dense = np.zeros((n_rows, n_features))
    for row, label in zip(dense, y.tolist(), strict=True):
        row[rng.choice(own[label], 5)] += 1
        row[rng.choice(n_features, 2)] += 1
    return sparse.csr_matrix(dense), y


class Reader(Decoder):
    """A decoder that keeps what it reads of the probabilities."""

    def __init__(self, read):
        self.read = read

    def decode(self, marginals):
        self.found_ = self.read(marginals)
        return np.zeros(marginals.n_rows, dtype=np.int32)


def read_of(model, X, read):
    """Return what is read of the probabilities, or weights, that a fitted classifier has for X."""
    reader = Reader(read)
    copy(model).set_params(decoder=reader).predict(X)
    return reader.found_


def node_weights(model, X):
    """Return the probabilities of all nodes, or weights where there are decision scores alone."""
    return read_of(model, X, lambda marginals: marginals.dense().node_proba)


class SetReader(SetDecoder):
    """A decoder of label sets that keeps the table that it was given."""

    def decode(self, marginals):
        self.table_ = marginals.node_proba
        return sparse.csr_array(marginals.node_proba.shape)


def last_step(estimator):
    """Return an estimator, or the last step of a Pipeline."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def subsets(model):
    """Return how each local model is stored; None: as scikit-learn does."""
    return [local.subset for of_part in model._model.models for local in of_part.values()]


def with_models(model, change):
    """Return a copy of a fitted classifier with other local models."""
    changed = copy(model)
    models = [
        {key: change(local) for key, local in of_part.items()} for of_part in model._model.models
    ]
    changed._model = replace(model._model, models=models)
    return changed


def plainly(monkeypatch, model, X, y):
    """Return a model fitted without any of this."""
    with monkeypatch.context() as context:
        context.setattr(linear_fit, "_EXACT", {})
        fitted = clone(model).fit(X, y)
    assert not any(subsets(fitted))
    return fitted


@pytest.mark.few(2)
@pytest.mark.parametrize("strategy", ["per_parent", PerNode(), PerLevel(), "flat", Ensemble()])
@pytest.mark.parametrize("base", BASES)
def test_classifiers_are_the_same(base, strategy, monkeypatch):
    X, y = data()
    asked, _ = data(40, seed=1)
    model = HierarchicalClassifier(BASES[base], taxonomy=TREE, strategy=strategy, random_state=0)
    fitted, plain = clone(model).fit(X, y), plainly(monkeypatch, model, X, y)
    assert all(subsets(fitted))
    for decoder in ("best_path", "top_down"):
        fitted.set_params(decoder=decoder)
        plain.set_params(decoder=decoder)
        predicted = fitted.predict(asked)
        assert_array_equal(predicted, plain.predict(asked))
        assert_array_equal(np.concatenate([fitted.predict(row) for row in asked]), predicted)
    if hasattr(plain, "predict_proba"):
        expected = plain.predict_node_proba(asked)
        assert_allclose(fitted.predict_node_proba(asked), expected, rtol=1e-9, atol=1e-12)
    for name, local in plain.estimators_.items():
        mine, local = last_step(fitted.estimators_[name]), last_step(local)
        assert mine.n_features_in_ == local.n_features_in_ == X.shape[1]
        assert_allclose(mine.coef_, local.coef_, rtol=1e-9, atol=1e-10)


@one_in(2)
@given(
    labelled_trees(),
    st.sampled_from(["svc", "sgd", "huber", "logistic"]),
    st.sampled_from([PerParent(), PerParent(stop="learn"), PerNode()]),
    st.sampled_from([0.5, 1.0]),
)
def test_random_problems(problem, base, strategy, most_used):
    taxonomy, y, seed = problem
    X, asked = sparse_rows(len(y), 60, seed, n_used=35), sparse_rows(8, 60, seed + 1)
    model = HierarchicalClassifier(
        BASES[base], taxonomy=taxonomy, strategy=strategy, random_state=0
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(linear_fit, "MOST_USED", most_used)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted, plain = clone(model).fit(X, y), plainly(monkeypatch, model, X, y)
    assert list(fitted.estimators_) == list(plain.estimators_)
    outcomes = [read_of(m, asked, lambda marginals: marginals.outcomes) for m in (fitted, plain)]
    assert_array_equal(outcomes[0].answers, outcomes[1].answers)
    tables = [node_weights(m, asked) for m in (fitted, plain)]
    assert_allclose(tables[0], tables[1], rtol=1e-7, atol=1e-10)
    alone = [node_weights(fitted, row) for row in asked]
    assert_allclose(np.vstack(alone), tables[0], rtol=1e-12, atol=1e-300)
    inner = outcomes[0].inner
    if inner.size:
        rows, nodes = np.repeat(np.arange(8), len(inner)), np.tile(inner, 8)
        all_pairs = expanded(fitted, asked, rows, nodes)
        assert_allclose(all_pairs, expanded(plain, asked, rows, nodes), rtol=1e-7, atol=1e-10)
        one_row = [expanded(fitted, row, np.zeros_like(inner), inner) for row in asked]
        assert_allclose(np.concatenate(one_row), all_pairs, rtol=1e-12, atol=1e-300)


def expanded(model, X, rows, nodes):
    """Return the probabilities of the outcomes of some pairs, in the order of the pairs."""
    found = read_of(model, X, lambda marginals: marginals.expand(rows, nodes, np.ones(len(rows))))
    pairs = np.repeat(found.order, np.diff(found.offsets))
    return found.proba[np.argsort(pairs, kind="stable")]


@one_in(2)
@given(trees(), st.integers(0, 99))
def test_label_sets(taxonomy, seed):
    X, asked = sparse_rows(30, 60, seed, n_used=25), sparse_rows(8, 60, seed + 1)
    rng = np.random.default_rng(seed)
    y = [list(rng.choice(taxonomy.nodes[1:], 2)) for _ in range(30)]
    model = HierarchicalMultiLabelClassifier(
        LogisticRegression(), taxonomy=taxonomy, decoder=SetThreshold(0.5)
    )
    fitted = clone(model).fit(X, y)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(linear_fit, "_EXACT", {})
        plain = clone(model).fit(X, y)
    expected = plain.predict_node_proba(asked)
    assert_allclose(fitted.predict_node_proba(asked), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.few(13)
@pytest.mark.parametrize("used", [20, 60])  # of 60 columns: some, or all of them
@pytest.mark.parametrize("strategy", ["per_parent", "per_node"])
@pytest.mark.parametrize(
    "base",
    [
        LinearSVC(random_state=0),
        LinearSVC(random_state=0, fit_intercept=False),
        SGDClassifier(loss="log_loss", random_state=0),
        Perceptron(random_state=0),
    ],
)
def test_siblings_asked_side_by_side_are_the_same(base, strategy, used, monkeypatch):
    taxonomy = Taxonomy.from_dict({"A": ["A1", "A2", "A3"], "B": ["B1", "B2"]})
    X, asked = sparse_rows(50, 60, 0, n_used=used), sparse_rows(12, 60, 1)
    rng = np.random.default_rng(0)
    y = [list(rng.choice(taxonomy.nodes[1:], 2)) for _ in range(50)]
    model = HierarchicalMultiLabelClassifier(
        base, taxonomy=taxonomy, strategy=strategy, decoder=SetReader()
    ).fit(X, y)

    def table(rows):
        model.predict(rows)
        return model.decoder_.table_

    sizes = []
    side_by_side = linear_predict.scores_side_by_side
    monkeypatch.setattr(
        linear_predict,
        "scores_side_by_side",
        lambda models, rows: sizes.append(len(models)) or side_by_side(models, rows),
    )
    together = table(asked)
    assert max(sizes) >= 2
    sizes.clear()
    alone = [table(asked[i]) for i in range(12)]
    assert not sizes  # it does not pay for single rows
    assert_array_equal(together, np.vstack(alone))


def test_several_outputs_at_once(monkeypatch):
    X, y = data()
    model = HierarchicalMultiLabelClassifier(RidgeClassifier(tol=1e-12), taxonomy=TREE)
    y = [[label, "a1"] for label in y]
    plain = plainly(monkeypatch, model, X, y)
    fitted = clone(model).fit(X, y)
    asked, _ = data(40, seed=1)
    assert any(subsets(fitted))
    assert fitted.predict(asked) == plain.predict(asked)


def test_chains_see_their_columns(monkeypatch):
    X, y = data()
    model = HierarchicalClassifier(
        SGDClassifier(loss="log_loss", random_state=0), taxonomy=TREE, chain="proba", cv=3
    )
    fitted, plain = clone(model).fit(X, y), plainly(monkeypatch, model, X, y)
    models = local_models(fitted).values()
    assert {m.subset is None for m in models if m.upstream} == {True}
    assert {m.subset is None for m in models if not m.upstream} == {False}
    asked, _ = data(40, seed=1)
    assert_allclose(
        fitted.predict_node_proba(asked), plain.predict_node_proba(asked), rtol=1e-9, atol=1e-12
    )


def test_local_estimators_are_a_mapping():
    X, y = data()
    fitted = HierarchicalClassifier(BASES["svc"], taxonomy=TREE).fit(X, y)
    mapping = fitted.estimators_
    assert [str(name) for name in mapping] == ["<root>", "A", "B", "B1"]
    assert len(mapping) == 4
    assert "A" in mapping
    assert "a1" not in mapping
    with pytest.raises(KeyError):
        mapping["a1"]
    with pytest.raises(TypeError):
        mapping["A"] = None
    assert "'A': 'LinearSVC'" in repr(mapping)
    by_hand = clone(fitted.estimators_["A"]).fit(
        X[np.isin(y, ["a1", "a2", "a3"])], np.resize([0, 1, 2], 30)
    )
    assert_array_equal(mapping["A"].coef_, by_hand.coef_)
    mapping["A"].coef_[:] = 0  # a copy
    assert mapping["A"].coef_.any()


def test_less_is_kept():
    X, y = data(n_features=3000)
    fitted = HierarchicalClassifier(BASES["svc"], taxonomy=TREE).fit(X, y)
    full = sum(local.coef_.nbytes for local in fitted.estimators_.values())
    assert len(pickle.dumps(fitted)) < full / 2
    again = pickle.loads(pickle.dumps(fitted))
    assert all(m.estimator.coef_.T.flags.c_contiguous for m in local_models(again).values())
    assert_array_equal(again.predict(X), fitted.predict(X))


def test_more_to_learn_later():
    """What was fitted to some columns goes on learning with all."""
    X, y = data()
    more, labels = data(40, seed=1)
    model = HierarchicalClassifier(BASES["sgd"], taxonomy=TREE).fit(X, y)
    by_hand = deepcopy(model.estimators_["B1"])
    model.partial_fit(more, labels)
    rows = np.isin(labels, ["b1", "b2"])
    by_hand.partial_fit(more[rows], (labels[rows] == "b2").astype(int))
    assert_array_equal(model.estimators_["B1"].coef_, by_hand.coef_)
    first = HierarchicalClassifier(BASES["sgd"], taxonomy=TREE).partial_fit(X, y)
    assert not any(subsets(first))
    first.partial_fit(more, labels)


def test_numbers_that_are_not_finite():
    """Also those in columns that no model has seen."""
    X, y = data()
    model = HierarchicalClassifier(BASES["svc"], taxonomy=TREE)
    wide = sparse.hstack([X, sparse.csr_matrix((X.shape[0], 500))], format="csr")
    fitted = clone(model).fit(wide, y)
    asked = wide[:3].copy().tolil()
    asked[1, 700] = np.nan
    with pytest.raises(LocalPredictError, match=r"node.*NaN"):
        fitted.predict(asked.tocsr())
    wide.data[5] = np.inf
    with pytest.raises(LocalFitError, match=r"node .*infinity"):
        clone(model).fit(wide, y)


def test_any_number_of_workers():
    X, y = data()
    asked, _ = data(40, seed=1)
    runs = [
        HierarchicalClassifier(BASES["sgd"], taxonomy=TREE, random_state=1, n_jobs=n).fit(X, y)
        for n in (1, 2)
    ]
    assert_array_equal(runs[0].predict_proba(asked), runs[1].predict_proba(asked))


def test_dense_samples_for_a_model_of_sparse_ones():
    X, y = data()
    fitted = HierarchicalClassifier(BASES["logistic"], taxonomy=TREE).fit(X, y)
    assert_allclose(fitted.predict_proba(X.toarray()), fitted.predict_proba(X), rtol=1e-10)


# -- taking less space --------------------------------------------------------------------


def n_bytes(model):
    models = local_models(model).values()
    return sum(linear_fit.n_bytes_of(m.estimator, m.subset) for m in models)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "container",
    [sparse.csr_array, np.asarray, pytest.param(sparse.csr_matrix, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("strategy", ["per_parent", PerNode(), PerLevel(), "flat", Ensemble()])
@pytest.mark.parametrize("base", BASES)
def test_compressed_models_say_the_same(base, strategy, container):
    X, y = data()
    asked, _ = data(40, seed=1)
    X, asked = (
        (table.toarray() if container is np.asarray else container(table)) for table in (X, asked)
    )
    model = HierarchicalClassifier(BASES[base], taxonomy=TREE, strategy=strategy, random_state=0)
    model.fit(X, y)
    small = copy(model)
    assert small.compress() is small
    stored = [last_step(local.estimator) for local in local_models(small).values()]
    assert {step.coef_.dtype for step in stored} == {np.dtype(np.float32)}
    assert n_bytes(small) < 0.7 * n_bytes(model)
    for decoder in ("best_path", "top_down"):
        model.set_params(decoder=decoder)
        small.set_params(decoder=decoder)
        assert_array_equal(small.predict(asked), model.predict(asked))
        if container is not np.asarray:
            one_by_one = [small.predict(row) for row in sparse.csr_matrix(asked)]
            assert_array_equal(np.concatenate(one_by_one), small.predict(asked))
    for rows in (asked, asked.astype(np.float32)):
        if hasattr(model, "predict_proba"):
            expected = model.predict_node_proba(rows)
            assert_allclose(small.predict_node_proba(rows), expected, atol=1e-5)
    for name, local in model.estimators_.items():
        mine, local = last_step(small.estimators_[name]), last_step(local)
        assert mine.n_features_in_ == X.shape[1]
        assert mine.coef_.dtype == np.float32
        assert local.coef_.dtype == np.float64
        assert_array_equal(mine.coef_, local.coef_.astype(np.float32))
    again = pickle.loads(pickle.dumps(small))
    assert_array_equal(again.predict(asked), small.predict(asked))
    assert_array_equal(again.compression_report_, small.compression_report_)
    with pytest.raises(NotFittedError):
        clone(small).predict(asked)


@given(
    labelled_trees(),
    st.sampled_from(["svc", "sgd", "huber", "ridge"]),
    st.sampled_from([0.0, 0.1, 1.0, 100.0]),
    st.sampled_from([None, "float32"]),
)
def test_low_weights_are_dropped(problem, base, min_weight, dtype):
    taxonomy, y, seed = problem
    X, asked = sparse_rows(len(y), 60, seed, n_used=35), sparse_rows(8, 60, seed + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = HierarchicalClassifier(BASES[base], taxonomy=taxonomy, random_state=0).fit(X, y)
    small = copy(model).compress(min_weight=min_weight, dtype=dtype)

    def rounded(local):
        estimator = deepcopy(local.full_width)
        estimator.coef_ = estimator.coef_.astype(dtype or np.float64)
        estimator.coef_[np.abs(estimator.coef_) < min_weight] = 0
        return replace(local, estimator=estimator, subset=None)

    expected = with_models(model, rounded)
    assert_allclose(
        node_weights(small, asked),
        node_weights(expected, asked),
        atol=1e-12 if dtype is None else 1e-5,
    )
    for name, local in small.estimators_.items():
        assert_array_equal(local.coef_, expected.estimators_[name].coef_)
    report = small.compression_report_
    assert len(report) == len(model.estimators_)
    assert (report["n_columns"] <= report["n_columns_before"]).all()
    assert report["n_bytes"].sum() == n_bytes(small)
    assert report["n_bytes_before"].sum() == n_bytes(model)
    if min_weight == 100 and len(report):
        assert (report["n_columns"] == 1).all()
    once_more = copy(small).compress(min_weight=min_weight, dtype=dtype).compression_report_
    assert_array_equal(once_more["n_bytes"], report["n_bytes"])
    assert (once_more["n_dropped"] == 0).all()


@pytest.mark.parametrize("kind", ["sgd", "averaged"])
def test_compressed_after_batches(kind):
    X, y = data(n_features=4000)
    base = BASES["sgd"] if kind == "sgd" else EXACT["SGD averaged"]
    model = HierarchicalClassifier(base, taxonomy=TREE, random_state=0)
    model.partial_fit(X, y, classes=LABELS).partial_fit(X, y)
    small = copy(model).compress()
    assert n_bytes(small) < n_bytes(model) / 4
    assert_allclose(small.predict_proba(X), model.predict_proba(X), atol=1e-5)
    model.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"copy\.copy\(model\)\.compress"):
        small.partial_fit(X, y)
    assert not hasattr(small.fit(X, y), "compression_report_")
    assert small.partial_fit(X, y).estimators_["A"].coef_.dtype == np.float64


def test_compressed_label_sets():
    X, y = data()
    sets = [[label, "a1"] for label in y]
    for base in (LogisticRegression(), RidgeClassifier()):
        model = HierarchicalMultiLabelClassifier(base, taxonomy=TREE).fit(X, sets)
        small = copy(model).compress()
        assert small.predict(X) == model.predict(X)
        if hasattr(base, "predict_proba"):
            expected = model.predict_node_proba(X)
            assert_allclose(small.predict_node_proba(X), expected, atol=1e-5)
    online = HierarchicalMultiLabelClassifier(
        BASES["sgd"], taxonomy=TREE, decoder=SetThreshold(0.5)
    ).partial_fit(X, sets)
    with pytest.raises(ValueError, match="must not follow compress"):
        online.compress().partial_fit(X, sets)


def test_compressed_chains_keep_their_columns():
    X, y = data()
    model = HierarchicalClassifier(
        SGDClassifier(loss="log_loss", random_state=0), taxonomy=TREE, chain="proba", cv=3
    ).fit(X, y)
    small = copy(model).compress(min_weight=0.01)
    for name, local in local_models(small).items():
        assert local.estimator.coef_.dtype == np.float32
        if local.upstream:
            before = model.estimators_[name].coef_
            assert_array_equal(local.estimator.coef_, before.astype(np.float32))
    small = copy(model).compress()
    assert_allclose(small.predict_node_proba(X), model.predict_node_proba(X), atol=1e-5)


@pytest.mark.few(3)
@pytest.mark.parametrize("of_rows", [np.float32, np.float64])
@pytest.mark.parametrize("base", ["svc", "logistic", "sgd"])
def test_compressed_models_are_asked_as_arrays(base, of_rows, monkeypatch):
    X, y = data()
    model = HierarchicalClassifier(BASES[base], taxonomy=TREE).fit(X, y).compress()
    X = X.astype(of_rows)
    expected = node_weights(model, X)
    for method in METHODS:
        if hasattr(BASES[base], method):
            monkeypatch.setattr(type(BASES[base]), method, None)
    assert_array_equal(node_weights(model, X), expected)
    assert_array_equal(np.vstack([node_weights(model, row) for row in X]), expected)


def test_weights_of_several_precisions():
    """Models that are asked together are those of one precision."""
    X, y = data()
    asked, _ = data(40, seed=1)
    model = HierarchicalClassifier(BASES["sgd"], taxonomy=TREE).fit(X, y)
    small = {local.key: local for local in local_models(copy(model).compress()).values()}
    of_both = cycle([small.get, lambda key: None])
    mixed = with_models(model, lambda local: next(of_both)(local.key) or local)
    precisions = {local.estimator.coef_.dtype for local in local_models(mixed).values()}
    assert precisions == {np.dtype(np.float32), np.dtype(np.float64)}
    assert_allclose(mixed.predict_proba(asked), model.predict_proba(asked), atol=1e-5)
    assert_array_equal(mixed.predict(asked), model.predict(asked))


def test_what_is_not_linear_is_left():
    X, y = data()
    model = HierarchicalClassifier(
        BASES["svc"], taxonomy=TREE, node_estimators={"A": MultinomialNB()}
    ).fit(X, y)
    left = model.estimators_["A"]
    report = model.compress().compression_report_
    assert [str(name) for name in report["node"]] == ["<root>", "A", "B", "B1"]
    assert report["fitted"].tolist() == [
        "LinearSVC",
        "MultinomialNB: left as it is",
        "LinearSVC",
        "LinearSVC",
    ]
    assert model.estimators_["A"] is left
    nothing = HierarchicalClassifier(MultinomialNB(), taxonomy=TREE).fit(X, y)
    with pytest.raises(IncompatiblePartsError, match="type 'MultinomialNB'"):
        nothing.compress()
    assert not hasattr(nothing, "compression_report_")
    constant = HierarchicalClassifier(BASES["svc"], taxonomy=Taxonomy.flat(["a", "b"]))
    assert len(constant.fit(X[:3], ["a"] * 3).compress().compression_report_) == 0


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"dtype": "float16"}, "`dtype` must be 'float32', or None.*, got 'float16'"),
        ({"dtype": "float64"}, "or None"),
        ({"min_weight": -1}, "`min_weight` must be .*, got -1"),
        ({"min_weight": np.nan}, "min_weight"),
        ({"min_weight": "low"}, "min_weight"),
    ],
)
def test_compression_out_of_range(params, message):
    X, y = data()
    model = HierarchicalClassifier(BASES["svc"], taxonomy=TREE)
    with pytest.raises(NotFittedError):
        model.compress()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y).compress(**params)
