"""Linear classifiers learnt side by side: against liblinear, compiled and without a compiler."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

import sklhier
from sklhier._utils.kernels import compiled
from sklhier.linear_model import BlockLinearSVC, BlockLogisticRegression

WAYS = ["compiled", "baseline", "0"]
KINDS = [BlockLinearSVC, BlockLogisticRegression]
TIGHT = {"tol": 1e-8, "max_iter": 100_000, "random_state": 0}

needs_compiled = pytest.mark.skipif(compiled() is None, reason="no compiled solvers in use")


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """The compiled solvers by both sets of instructions, and pure Python."""
    if request.param != "0" and compiled() is None:
        pytest.skip("no compiled solvers in use")
    monkeypatch.setenv("SKLHIER_KERNELS", request.param)
    return request.param


def problem(n_classes, seed=0, n_samples=150, n_features=30, density=0.3):
    rng = np.random.default_rng(seed)
    shape = (n_samples, n_features)
    X = rng.normal(size=shape) * (rng.random(shape) < density)
    scores = X @ rng.normal(size=(n_features, n_classes)) + rng.gumbel(size=(n_samples, n_classes))
    y = np.argmax(scores, axis=1)
    y[:n_classes] = np.arange(n_classes)
    return X, np.array([f"class {i:02}" for i in range(n_classes)])[y]


def objective(model, X, y, weights=1.0, C=1.0, of_classes=None):
    """Return the sum of what a model minimises, written out."""
    classes = np.unique(y)
    ones = np.ones(len(y))
    factors = ones if of_classes is None else np.array([of_classes[label] for label in y])
    total = 0.0
    for row, label in enumerate(classes[1:] if len(classes) == 2 else classes):
        is_positive = y == label
        own = factors if len(classes) == 2 else np.where(is_positive, factors, 1.0)
        scores = X @ model.coef_[row].astype(float) + model.intercept_[row]
        margins = np.where(is_positive, 1, -1) * scores
        if isinstance(model, BlockLogisticRegression | LogisticRegression):
            losses = np.logaddexp(0, -margins)
        else:
            losses = np.maximum(0, 1 - margins) ** 2
        squares = np.sum(model.coef_[row].astype(float) ** 2) + model.intercept_[row] ** 2
        total += squares / 2 + C * np.sum(own * weights * losses)
    return total


def of_liblinear(model, X, y, sample_weight=None, of_classes=None):
    """Return the coefficients of scikit-learn's own classifiers, class by class."""
    params = {
        "C": model.C, "tol": 1e-10, "max_iter": 1_000_000, "random_state": 0, "dual": True,
        "fit_intercept": model.fit_intercept, "intercept_scaling": model.intercept_scaling,
    }  # fmt: skip
    if isinstance(model, BlockLinearSVC):
        wanted = LinearSVC(class_weight=of_classes, **params).fit(X, y, sample_weight)
        return np.column_stack(
            [wanted.coef_, np.broadcast_to(wanted.intercept_, len(wanted.coef_))]
        )
    classes, rows = np.unique(y), []
    for label in classes[1:] if len(classes) == 2 else classes:
        factors = np.ones(len(y)) if sample_weight is None else sample_weight
        if of_classes is not None:
            own = np.array([of_classes[name] for name in y])
            factors = factors * (own if len(classes) == 2 else np.where(y == label, own, 1.0))
        one = LogisticRegression(solver="liblinear", **params).fit(X, y == label, factors)
        rows.append([*one.coef_[0], *np.ravel(one.intercept_)])
    return np.array(rows)


# Repeated and weighted rows are compared to seven digits, which takes a tolerance for that. Single
# precision does not reach it.
@pytest.mark.few(26)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([kind(tol=1e-9, max_iter=3000) for kind in KINDS])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_repetitions(kind, way):
    X, y = problem(3)
    counts = np.random.default_rng(1).integers(0, 4, len(y))
    repeated = kind(**TIGHT).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    weighted = kind(**TIGHT).fit(X, y, counts)
    assert_allclose(weighted.decision_function(X), repeated.decision_function(X), atol=1e-6)


@pytest.mark.few(13)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_classes", [2, 3, 7, 20])
def test_the_same_model_as_liblinears(kind, container, n_classes, way):
    X, y = problem(n_classes)
    model = kind(C=0.7, **TIGHT).fit(container(X), y)
    wanted = of_liblinear(model, X, y)
    assert_array_equal(model.classes_, np.unique(y))
    assert model.coef_.shape == (len(wanted), X.shape[1])
    assert model.intercept_.shape == (len(wanted),)
    assert_allclose(np.column_stack([model.coef_, model.intercept_]), wanted, atol=2e-6)


@pytest.mark.few(12)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "settings", [{"fit_intercept": False}, {"intercept_scaling": 3.0}], ids=lambda s: next(iter(s))
)
def test_intercepts_and_weights(kind, n_classes, settings, way):
    X, y = problem(n_classes)
    weights = np.random.default_rng(2).random(len(y)) * 3
    of_classes = dict(zip(np.unique(y), [0.3, 2.0, 5.0], strict=False))
    model = kind(class_weight=of_classes, **settings, **TIGHT).fit(X, y, weights)
    wanted = of_liblinear(model, X, y, weights, of_classes)
    assert_allclose(np.column_stack([model.coef_, model.intercept_]), wanted, atol=2e-6)


@pytest.mark.few(3)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    seed=st.integers(0, 1000),
    n_classes=st.integers(2, 18),
    C=st.sampled_from([0.01, 1.0, 10.0]),
    is_weighted=st.booleans(),
)
def test_the_objective_at_the_default_tolerance(kind, dtype, seed, n_classes, C, is_weighted):
    X, y = problem(n_classes, seed, n_samples=60, n_features=40)
    weights = 1 + np.arange(len(y)) % 3 if is_weighted else np.ones(len(y))
    model = kind(C, random_state=0, max_iter=20_000).fit(X.astype(dtype), y, weights)
    exact = clone(model).set_params(**TIGHT).fit(X, y, weights)
    best = objective(exact, X, y, weights, C)
    assert objective(model, X, y, weights, C) <= best * (1 + 1e-6)
    scores = exact.decision_function(X)
    clear = np.abs(scores) > 1e-3
    if n_classes > 2:
        two_best = np.sort(scores, axis=1)[:, -2:]
        clear = two_best[:, 1] - two_best[:, 0] > 1e-3
    assert_array_equal(model.predict(X)[clear], exact.predict(X)[clear])


@pytest.mark.few(15)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_balanced_classes(kind, n_classes, way):
    X, y = problem(n_classes)
    names, counts = np.unique(y, return_counts=True)
    written = dict(zip(names, len(y) / (n_classes * counts), strict=True))
    balanced = kind(class_weight="balanced", **TIGHT).fit(X, y)
    by_hand = kind(class_weight=written, **TIGHT).fit(X, y)
    assert_allclose(balanced.coef_, by_hand.coef_, rtol=1e-6)


@pytest.mark.few(3)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_change_nothing(kind, dtype):
    X, y = problem(40, n_samples=400)
    models = [kind(random_state=3, n_jobs=n, dtype=dtype).fit(X, y) for n in (1, 2, 3)]
    for other in models[1:]:
        assert_array_equal(other.coef_, models[0].coef_)
        assert_array_equal(other.intercept_, models[0].intercept_)
        assert other.n_iter_ == models[0].n_iter_


@needs_compiled
@pytest.mark.parametrize("kind", KINDS)
def test_containers_with_the_same_entries_give_the_same_weights(kind):
    X, y = problem(9)
    table = sparse.csr_matrix(X)
    twice = sparse.csr_matrix(
        (
            np.repeat(table.data / 2, 2),
            np.repeat(table.indices, 2).astype(np.int64),
            2 * table.indptr.astype(np.int64),
        ),
        shape=X.shape,
    )
    backwards = sparse.csr_array(X[:, ::-1])[:, ::-1]
    before = twice.data.copy()
    wanted = kind(random_state=0).fit(table, y).coef_
    for same in (twice, sparse.csc_array(X), sparse.coo_matrix(X)):
        assert_array_equal(kind(random_state=0).fit(same, y).coef_, wanted)
    assert_array_equal(twice.data, before)
    for alike in (X, np.asfortranarray(X), backwards):
        assert_allclose(kind(random_state=0).fit(alike, y).coef_, wanted, atol=1e-3)


@needs_compiled
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_classes", [2, 3, 7, 20])
def test_weights_that_no_cache_holds_are_the_same(kind, dtype, n_classes):
    X, y = problem(n_classes)
    places = np.linspace(0, 2**18, X.shape[1], dtype=int)  # 1 to 16 MB of weights in all
    far = sparse.lil_array((len(X), places[-1] + 1))
    far[:, places] = X
    wanted = kind(random_state=0, dtype=dtype).fit(sparse.csr_array(X), y)
    found = kind(random_state=0, dtype=dtype).fit(sparse.csr_array(far), y)
    assert_array_equal(found.coef_[:, places], wanted.coef_)
    assert_array_equal(found.intercept_, wanted.intercept_)


@needs_compiled
@pytest.mark.parametrize("kind", KINDS)
def test_columns_and_rows_without_influence_leave_all_as_it_is(kind):
    X, y = problem(9)
    wanted = kind(random_state=0).fit(sparse.csr_array(X), y)
    wider = np.insert(X, [0, 5, X.shape[1]], 0.0, axis=1)
    found = kind(random_state=0).fit(sparse.csr_array(wider), y).coef_
    assert_array_equal(np.delete(found, [0, 6, wider.shape[1] - 1], axis=1), wanted.coef_)
    assert not found[:, [0, 6, -1]].any()
    for container in (np.asarray, sparse.csr_array):
        wanted = kind(random_state=0).fit(container(X), y)
        longer = np.vstack([1e3 * np.ones((2, X.shape[1])), X])
        weights = np.r_[0, 0, np.ones(len(y))]
        found = kind(random_state=0).fit(container(longer), np.r_[["no", "yes"], y], weights)
        assert_array_equal(found.coef_, wanted.coef_)
        assert_array_equal(found.classes_, wanted.classes_)


@pytest.mark.few(20)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("given", [np.float32, np.float64])
@pytest.mark.parametrize("asked", [None, "float32", np.float64])
def test_precision(kind, container, given, asked, way):
    X, y = problem(3)
    model = kind(dtype=asked, random_state=0).fit(container(X.astype(given)), y)
    expected = np.dtype(given if asked is None else asked)
    scores = model.decision_function(container(X))
    assert model.coef_.dtype == model.intercept_.dtype == scores.dtype == expected
    exact = kind(**TIGHT).fit(X, y)
    assert_allclose(scores, exact.decision_function(X), atol=2e-3)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_probabilities(n_classes, way):
    X, y = problem(n_classes)
    model = BlockLogisticRegression(**TIGHT).fit(X, y)
    proba, scores = model.predict_proba(X), model.decision_function(X)
    wanted = 1 / (1 + np.exp(-(scores if n_classes > 2 else np.column_stack([-scores, scores]))))
    wanted /= wanted.sum(axis=1, keepdims=True)
    assert_allclose(proba, wanted, rtol=1e-9)
    assert_allclose(np.exp(model.predict_log_proba(X)), proba, rtol=1e-9)
    assert_array_equal(model.classes_[proba.argmax(axis=1)], model.predict(X))
    assert not hasattr(BlockLinearSVC(), "predict_proba")


@needs_compiled
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_certain_rows_do_not_stop_the_logistic_solver(dtype):
    # The dual variables of the longer rows are below the least number of either precision.
    X, y = np.vstack([np.eye(3), 1e3 * np.eye(3)]), np.array([0, 1, 2, 0, 1, 2])
    model = BlockLogisticRegression(10.0, dtype=dtype, random_state=0).fit(X, y)
    without = BlockLogisticRegression(10.0, dtype=dtype, random_state=0).fit(X[:3], y[:3])
    assert_allclose(model.coef_, without.coef_, rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_passes_are_told(kind, way):
    X, y = problem(3)
    with pytest.warns(ConvergenceWarning):
        model = kind(max_iter=2, tol=1e-12, random_state=0).fit(X, y)
    assert model.n_iter_ == 2
    assert isinstance(kind(random_state=0).fit(X, y).n_iter_, int)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("C", 0), ("C", "1"), ("tol", 0), ("max_iter", 0), ("max_iter", 1.5),
        ("intercept_scaling", -1), ("fit_intercept", 1), ("dtype", "float16"), ("n_jobs", 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", KINDS)
def test_parameters_out_of_range(kind, name, value):
    X, y = problem(3)
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        kind(**{name: value}).fit(X, y)


@pytest.mark.parametrize("kind", KINDS)
def test_one_class_is_refused(kind):
    X, y = problem(2)
    with pytest.raises(ValueError, match="at least 2 classes, got one class: 'class 01'"):
        kind().fit(X, y, np.where(y == "class 01", 1.0, 0.0))
    with pytest.raises(ValueError, match="must not be negative"):
        kind().fit(X, y, np.where(y == "class 01", 1.0, -1.0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_brings_the_same_predictions(kind):
    X, y = problem(3)
    model = kind(random_state=0).fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))
    assert type(loaded).__module__ == "sklhier.linear_model"
    assert_array_equal(loaded.decision_function(X), model.decision_function(X))


@pytest.mark.parametrize(
    ("setting", "told"),
    [("0", "pure Python ("), ("baseline", "baseline instructions"), ("1", "compiled")],
)
def test_the_way_in_use_is_shown(setting, told, monkeypatch, capsys):
    if setting != "0" and compiled() is None:
        pytest.skip("no compiled solvers in use")
    monkeypatch.setenv("SKLHIER_KERNELS", setting)
    sklhier.show_versions()
    printed = capsys.readouterr().out
    assert f"sklhier: {sklhier.__version__}" in printed
    assert any(told in line for line in printed.splitlines() if "solvers" in line)
