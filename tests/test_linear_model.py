"""Linear classifiers: against scikit-learn's own, on scaled columns."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, recall_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklhier import HierarchicalClassifier
from sklhier._utils.kernels import compiled
from sklhier.datasets import make_hierarchical_text
from sklhier.linear_model import (
    ScaledLinearClassifier,
    ScaledLogisticRegression,
    _block_solvers,
    _left_out,
)

TIGHT = {"tol": 1e-8, "max_iter": 1000}


def problem(n_classes, seed=0, n_samples=60, n_features=7):
    rng = np.random.default_rng(seed)
    X = rng.random((n_samples, n_features)) * (rng.random((n_samples, n_features)) < 0.5)
    y = np.argmax(X[:, :n_classes] + 0.3 * rng.random((n_samples, n_classes)), axis=1)
    return X, np.array(list("abcdefg"))[y]


KINDS = [ScaledLinearClassifier, ScaledLogisticRegression]


@pytest.mark.few(27)
@parametrize_with_checks([kind() for kind in KINDS])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def wide(X, seed=0):
    """Return X with noise in many more columns, so that weights are no longer few."""
    rng = np.random.default_rng(seed)
    return np.hstack([X, sparse.random(len(X), 80, density=0.2, random_state=rng).toarray()])


@pytest.mark.parametrize("n_classes", [2, 4])
def test_dense_columns_are_standardised(n_classes):
    X, y = problem(n_classes)
    X[:, 5] = X[:, 5] * 1e5 + 1e6
    scaled = StandardScaler().fit_transform(X)
    wanted = LogisticRegression(C=3.0, solver="newton-cg", **TIGHT).fit(scaled, y)
    model = ScaledLogisticRegression(C=3.0, **TIGHT).fit(X, y)
    assert_array_equal(model.classes_, wanted.classes_)
    assert_allclose(model.predict_proba(X), wanted.predict_proba(scaled), atol=1e-6)
    assert model.coef_.shape == wanted.coef_.shape


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("shape", [lambda X: X, wide])
def test_sparse_columns_are_divided_and_classes_stand_against_the_rest(
    n_classes, container, shape
):
    X, y = problem(n_classes)
    X = shape(X)
    X[:, 4] *= 10 / X[:, 4].max()
    X[:, 5] *= 1e5 / X[:, 5].max()
    scaled = X / np.maximum(X.max(axis=0), 1)
    base = LogisticRegression(C=3.0, solver="liblinear", **TIGHT)
    wanted = (base if n_classes == 2 else OneVsRestClassifier(base)).fit(scaled, y)
    model = ScaledLogisticRegression(C=3.0, **TIGHT).fit(container(X), y)
    assert_array_equal(model.classes_, wanted.classes_)
    assert_allclose(model.predict_proba(container(X)), wanted.predict_proba(scaled), atol=1e-5)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_weights_of_classes(container):
    X, y = problem(3)
    X, weights = container(X), {"a": 2.0, "b": 0.5, "c": 1.0}
    rows = np.array([weights[label] for label in y])
    model = ScaledLogisticRegression(class_weight=weights, **TIGHT).fit(X, y, np.full(len(y), 2.0))
    other = ScaledLogisticRegression(**TIGHT).fit(X, y, 2 * rows)
    assert_allclose(model.coef_, other.coef_, rtol=1e-6)


@pytest.mark.parametrize(("container", "C"), [(np.asarray, 10 / 7), (sparse.csr_array, 1000)])
def test_the_default_strength(container, C):
    X, y = problem(3)
    found = ScaledLogisticRegression().fit(container(X), y).coef_
    assert_array_equal(found, ScaledLogisticRegression(C).fit(container(X), y).coef_)


@pytest.mark.parametrize("C", [0, -1.0, np.nan, "none"])
def test_other_strengths_are_refused(C):
    X, y = problem(2)
    with pytest.raises(ValueError, match="'C'"):
        ScaledLogisticRegression(C).fit(X, y)


@given(st.integers(0, 1000), st.booleans())
def test_the_unit_of_a_column_does_not_matter(seed, is_sparse):
    X, y = problem(3, seed)
    rng = np.random.default_rng(seed)
    units = 10.0 ** rng.integers(-6, 7, X.shape[1])
    shift = 0.0 if is_sparse else 50.0 * rng.random(X.shape[1]) * units
    if is_sparse:  # the largest value is 1 or more
        X /= X.max(axis=0)
        units = np.maximum(units, 1)
    container = sparse.csr_array if is_sparse else np.asarray
    other = container(X * units + shift)
    model = ScaledLogisticRegression(**TIGHT)
    proba = model.fit(container(X), y).predict_proba(container(X))
    assert_allclose(model.fit(other, y).predict_proba(other), proba, atol=1e-5)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_rows_without_weight_have_no_influence(container):
    X, y = problem(3)
    weights = np.ones(len(y))
    weights[:9] = 0
    X[:9] *= 100
    model = ScaledLogisticRegression(**TIGHT).fit(container(X), y, sample_weight=weights)
    without = ScaledLogisticRegression(**TIGHT).fit(container(X[9:]), y[9:])
    assert_allclose(model.coef_, without.coef_, rtol=1e-5, atol=1e-8)
    assert_allclose(model.intercept_, without.intercept_, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_precision_stays(dtype, container):
    X, y = problem(3)
    model = ScaledLogisticRegression().fit(container(X.astype(dtype)), y)
    assert model.coef_.dtype == model.intercept_.dtype == dtype


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_batched(kind):
    X, y, taxonomy = make_hierarchical_text(400, branching=(3, 3), random_state=0)
    model = HierarchicalClassifier(kind(), taxonomy=taxonomy).fit(X, y)
    found = model.predict_node_proba(X)
    for name, estimator in model.estimators_.items():
        below = taxonomy.children_of(taxonomy.id(name))
        own = found[:, [taxonomy.id(name)]]
        assert_allclose(found[:, below], own * estimator.predict_proba(X), atol=1e-12)
    before = model.predict(X)
    assert_array_equal(model.compress().predict(X), before)
    assert set(map(str, model.compression_report_["fitted"])) == {kind.__name__}


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_margins_of_sparse_columns_become_probabilities(n_classes, dtype):
    X, y = problem(n_classes)
    X[:, 4] *= 10 / X[:, 4].max()
    scaled, X = X / np.maximum(X.max(axis=0), 1), sparse.csr_array(X.astype(dtype))
    svc = LinearSVC(tol=1e-8, max_iter=100_000, random_state=0).fit(scaled, y)
    margins = svc.decision_function(scaled)
    model = ScaledLinearClassifier(tol=1e-5, sharpness=3.0).fit(X, y)
    assert_allclose(model.decision_function(X), margins, atol=1e-3)
    assert model.has_margins_
    wanted = expit(3 * margins)
    wanted = np.column_stack([1 - wanted, wanted] if n_classes == 2 else [wanted])
    found = model.predict_proba(X)
    assert_allclose(found, wanted / wanted.sum(axis=1, keepdims=True), atol=2e-3)
    assert_array_equal(model.predict(X), model.classes_[found.argmax(axis=1)])
    assert found.dtype == dtype


@pytest.mark.parametrize("n_classes", [2, 3])
def test_dense_columns_have_the_model_of_logistic_regression(n_classes):
    X, y = problem(n_classes)
    model, other = ScaledLinearClassifier().fit(X, y), ScaledLogisticRegression().fit(X, y)
    assert_array_equal(model.coef_, other.coef_)
    assert_array_equal(model.predict_proba(X), other.predict_proba(X))
    assert not model.has_margins_
    model.fit(sparse.csr_array(X), y)
    assert not model.has_margins_
    assert model.set_params(sharpness=5).fit(sparse.csr_array(X), y).has_margins_


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("params", [{"sharpness": 0}, {"C": -1}, {"tol": 0}])
def test_parameters_out_of_range(container, params):
    X, y = problem(3)
    with pytest.raises(ValueError, match=next(iter(params))):
        ScaledLinearClassifier(**params).fit(container(X), y)


# -- log-odds from margins of rows that are left out --------------------------------------


def skewed(n_samples, n_columns=90, seed=0, shares=(0.7, 0.2, 0.1), concentration=0.3):
    """Return rows of unit length in many columns, and classes of which some are rare."""
    rng = np.random.default_rng(seed)
    y = rng.choice(len(shares), n_samples, p=np.divide(shares, np.sum(shares)))
    topics = np.random.default_rng(1).dirichlet(np.full(n_columns, concentration), len(shares))
    X = np.array([rng.multinomial(12, topics[label]) for label in y], dtype=float)
    return sparse.csr_array(X / np.linalg.norm(X, axis=1, keepdims=True)), y


def log_odds_one_by_one(X, y, weights, C):
    """Return the slope and the offset of each class against the rest, row by row."""
    margins = ScaledLinearClassifier(C, sharpness=1.0, tol=1e-9).fit(X, y, weights)
    rows = np.column_stack([X.toarray(), np.ones(len(y))])
    problems = [1] if len(margins.classes_) == 2 else range(len(margins.classes_))
    found = []
    for number, label in enumerate(problems):
        weight = np.append(margins.coef_[number], margins.intercept_[number])
        signs = np.where(y == margins.classes_[label], 1.0, -1.0)
        curvature = np.ones(len(weight))
        for row, sign, count in zip(rows, signs, weights, strict=True):
            if sign * (row @ weight) < 1:
                curvature += 2 * C * count * row**2
        without = np.empty(len(y))
        for k, (row, sign) in enumerate(zip(rows, signs, strict=True)):
            gradient = -2 * C * sign * max(0.0, 1 - sign * (row @ weight)) * row
            without[k] = row @ (weight + gradient / curvature)
        n_positive, n_negative = weights[signs > 0].sum(), weights[signs < 0].sum()
        target = np.where(signs > 0, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))

        def loss(params, without=without, target=target):
            scores = params[0] * without + params[1]
            prior = 0.02 * ((params - [10, 0]) ** 2).sum()  # deviations of 5
            return prior + (weights * (np.logaddexp(0, scores) - target * scores)).sum()

        found.append(minimize(loss, [10.0, 0.0], bounds=[(0.5, None), (None, None)]).x)
    return margins, np.array(found)


@pytest.mark.parametrize("shares", [(0.7, 0.3), (0.7, 0.2, 0.1)])
@pytest.mark.parametrize("C", [0.3, 3.0])
def test_slopes_and_offsets_are_those_found_row_by_row(shares, C):
    X, y = skewed(60, shares=shares)
    weights = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    model = ScaledLinearClassifier(C, tol=1e-9).fit(X, y, weights)
    margins, (slopes, offsets) = (lambda m, f: (m, f.T))(*log_odds_one_by_one(X, y, weights, C))
    # Counts in bins change the last digits.
    assert_allclose(model.coef_, slopes[:, np.newaxis] * margins.coef_, rtol=0.02, atol=1e-3)
    assert_allclose(model.intercept_, slopes * margins.intercept_ + offsets, rtol=0.02, atol=0.02)
    assert model.predict_proba(X).sum(axis=1) == pytest.approx(1)


def test_margins_without_a_row_are_like_those_of_a_fit_without_it():
    X, y = skewed(50)
    codes, rows = (y > 0).astype(int), np.arange(50)
    table, ones = _block_solvers.Table.of(X), np.ones(50)
    problems = _block_solvers.Problems(table, rows, codes, ones, np.ones(2))
    fitted = ScaledLinearClassifier(sharpness=1.0, tol=1e-9).fit(X, codes)
    own = X @ fitted.coef_.T + fitted.intercept_
    signs = _left_out._signs(problems, slice(None))
    found = _left_out._left_out(X.multiply(X), signs, own.copy(), ones, 1.0)[:, 0]
    true = np.array(
        [
            clone(fitted).fit(X[rows != row], codes[rows != row]).decision_function(X[[row]])[0]
            for row in rows
        ]
    )
    assert np.abs(found - true).mean() < 0.4 * np.abs(own[:, 0] - true).mean()


def test_rare_classes_are_not_drowned_and_probabilities_hold():
    X, y = skewed(600, concentration=3.0)
    train, test = slice(150), slice(150, None)
    fixed = ScaledLinearClassifier(sharpness=5).fit(X[train], y[train])
    model = ScaledLinearClassifier().fit(X[train], y[train])
    of_rare = [recall_score(y[test], m.predict(X[test]), average="macro") for m in (fixed, model)]
    assert of_rare[1] > of_rare[0] + 0.02
    losses = [log_loss(y[test], m.predict_proba(X[test])) for m in (fixed, model)]
    assert losses[1] < losses[0]


@pytest.mark.parametrize("n_classes", [2, 5])
def test_classes_by_chance_do_not_change_places(n_classes):
    rng = np.random.default_rng(0)
    X = sparse.random(400, 90, density=0.2, format="csr", random_state=0)
    y = rng.integers(0, n_classes, 400)
    model, margins = (ScaledLinearClassifier(sharpness=s).fit(X, y) for s in ("auto", 1.0))
    slopes = (model.coef_ * margins.coef_).sum(axis=1) / (margins.coef_**2).sum(axis=1)
    assert (slopes > 0.499).all()
    assert slopes.min() < 0.501  # there was something to keep
    assert_allclose(model.coef_, slopes[:, np.newaxis] * margins.coef_, atol=1e-9)


def test_classes_in_blocks_are_those_found_together(monkeypatch):
    X, y = skewed(80, shares=(0.3, 0.3, 0.2, 0.1, 0.1))
    together = ScaledLinearClassifier().fit(X, y)
    monkeypatch.setattr(_left_out, "_AT_ONCE", 2 * X.shape[1])
    in_blocks = ScaledLinearClassifier().fit(X, y)
    assert_allclose(in_blocks.coef_, together.coef_, rtol=1e-9)
    assert_allclose(in_blocks.intercept_, together.intercept_, rtol=1e-9)


@pytest.mark.skipif(compiled() is None, reason="no compiled solvers in use")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("has_labels", [False, True])
def test_compiled_slopes_are_those_of_pure_python(dtype, n_classes, has_labels):
    X, y = skewed(80, n_columns=120, shares=(0.5, 0.3, 0.2)[-n_classes:])
    table = _block_solvers.Table.of(sparse.csr_matrix(X.astype(dtype)))
    rows = np.flatnonzero(np.arange(80) % 5)
    codes = np.column_stack([y == 0, y < 2]).astype(int)[rows] if has_labels else y[rows]
    costs = 0.7 * (1 + rows % 3)
    used = _block_solvers.Columns(table).used_by(rows)
    of_classes = np.ones(0 if has_labels else n_classes)
    problems = _block_solvers.Problems(table, rows, codes, costs, of_classes, used)
    solver = ScaledLinearClassifier(0.7)._solver(problems)
    solution = _block_solvers.solve(problems, solver, None)
    found = _left_out._found_compiled(problems, solution, slice(None), 0.7)
    everywhere = np.zeros((X.shape[1], solution.weights.shape[1]), dtype=dtype)
    everywhere[used.columns] = solution.weights
    solution, problems = replace(solution, weights=everywhere), replace(problems, used=None)
    wanted = _left_out._found(problems, solution, slice(None), 0.7)
    assert_allclose(found, wanted, rtol=1e-7 if dtype == np.float64 else 1e-3)
    again = _left_out._found_compiled(problems, solution, slice(None), 0.7)
    assert_array_equal(again, found)


@pytest.mark.parametrize("n_columns", [5, 90])
@pytest.mark.parametrize("shares", [(0.7, 0.3), (0.6, 0.3, 0.1)])
def test_single_precision_learns_the_same(n_columns, shares):
    X, y = skewed(120, n_columns=n_columns, shares=shares)
    double, single = (
        ScaledLinearClassifier(tol=1e-4).fit(X.astype(dtype), y)
        for dtype in (np.float64, np.float32)
    )
    assert single.coef_.dtype == np.float32
    assert_allclose(single.predict_proba(X), double.predict_proba(X), atol=2e-3)


def test_two_rows_are_enough():
    model = ScaledLinearClassifier().fit(sparse.eye(2, format="csr"), ["a", "b"])
    assert model.predict(sparse.eye(2, format="csr")).tolist() == ["a", "b"]
