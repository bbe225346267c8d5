"""A call that fails leaves an estimator as it was, and so does set_params what is fitted."""

import copy
import io
import pickle
import warnings

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier._joint.solvers import AdamState
from sklhier.decoders import SetThreshold, Threshold
from sklhier.exceptions import IncompatiblePartsError, LocalFitError
from sklhier.links import SoftmaxLink
from sklhier.objectives import LBFGS, Adam
from sklhier.persistence import trusted_types
from sklhier.strategies import PerLevel

TREE = Taxonomy.from_dict({"a": ["x", "y"], "b": ["u", "v"]})
X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.array(["x", "y", "u", "v"] * 10)
SETS = [[label] for label in Y.tolist()]
OTHER = np.column_stack([X, X])  # another number of features


class Failing(GaussianNB):
    """A base estimator of which the n-th call fails, in whatever clone or copy."""

    calls, fails_at, error = 0, 0, RuntimeError

    def __init__(self):
        super().__init__()

    @classmethod
    def plan(cls, fails_at=0, error=RuntimeError):
        cls.calls, cls.fails_at, cls.error = 0, fails_at, error

    def _count(self):
        Failing.calls += 1
        if Failing.calls == Failing.fails_at:
            raise Failing.error("on purpose")

    def fit(self, X, y):
        self._count()
        return super().fit(X, y)

    def partial_fit(self, X, y, classes=None):
        # As real ones do, it changes before it fails.
        super().partial_fit(X, y, classes)
        self._count()
        return self


def fixed(**params):
    return {"decoder": SetThreshold(0.5), **params}


SOLVER = Adam(max_iter=3, tol=0.0)
MAKERS = {
    "paths": lambda: HierarchicalClassifier(Failing(), taxonomy=TREE),
    "sets": lambda: HierarchicalMultiLabelClassifier(Failing(), **fixed(taxonomy=TREE)),
    "joint paths": lambda: MultiHeadClassifier(TREE, solver=SOLVER, random_state=0),
    "joint sets": lambda: MultiHeadMultiLabelClassifier(
        TREE, solver=SOLVER, **fixed(random_state=0)
    ),
}


def labels_for(name):
    return SETS if "sets" in name else Y


def state_of(model):
    """Everything that an estimator knows, down to the bytes of its models."""
    # Twice: objects that are shared in memory only are written otherwise than after a load.
    return pickle.dumps(pickle.loads(pickle.dumps(vars(model))))


def fit(model, X, y, method, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # three passes are too few
        return getattr(model, method)(X, y, **params)


def failing_calls(name):
    """Ways in which a call goes wrong: parameters to set first, X, y and further arguments."""
    y = labels_for(name)
    unknown = [["zz"]] * 40 if "sets" in name else np.array(["zz"] * 40)
    yield "other labels", {}, X, unknown, {}
    yield "no labels", {}, X, None, {}
    yield "other lengths", {}, X[:-1], y, {}
    yield "bad X", {}, {"column": X[:, 0]}, y, {}
    yield "infinite X", {}, np.full_like(X, np.inf), y, {}
    yield "bad weights", {}, X, y, {"sample_weight": -np.ones(40)}
    yield "bad decoder", {"decoder": 5}, OTHER, y, {}
    yield "bad classes", {"classes": ["x", "x"]}, OTHER, y, {}
    if "joint" in name:
        yield "bad penalty", {"alpha": np.nan}, OTHER, y, {}
        yield "no finite loss", {"solver": Adam(learning_rate_init=1e200)}, X, y, {}
        yield "bad loss", {"loss": 5}, OTHER, y, {}
    else:
        for at in (1, 2, 3):
            for error in (RuntimeError, MemoryError, KeyboardInterrupt):
                yield (at, error), {}, X, y, {}


REFUSED = (ValueError, TypeError, MemoryError, KeyboardInterrupt)


FAILURES = [
    (name, method, number)
    for name in MAKERS
    for method in ("fit", "partial_fit")
    for number, _ in enumerate(failing_calls(name))
]


@pytest.mark.few(50)
@pytest.mark.parametrize("before", [None, "fit", "partial_fit"])
@pytest.mark.parametrize(("name", "method", "number"), FAILURES)
def test_a_call_that_fails_leaves_the_estimator_as_it_was(name, method, number, before):
    what, params, features, y, arguments = list(failing_calls(name))[number]
    model = MAKERS[name]()
    Failing.plan()
    if before is not None:
        fit(model, X, labels_for(name), before)
    if what == "bad decoder" and name == "sets" and (before, method) != (None, "fit"):
        features = OTHER  # its decoder is that of the first call: refused for its features
    model.set_params(**params)
    if isinstance(what, tuple):
        Failing.plan(*what)
    state, old = state_of(model), model.__dict__.copy()
    with pytest.raises(REFUSED):
        fit(model, features, y, method, **arguments)
    assert state_of(model) == state
    assert vars(model).keys() == old.keys()
    assert hasattr(model, "taxonomy_") == (before is not None)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", MAKERS)
@given(at=st.integers(1, 6), n_good=st.integers(0, 2))
def test_a_failed_batch_is_as_if_it_had_not_been(name, at, n_good):
    y = labels_for(name)
    tried, plain = MAKERS[name](), MAKERS[name]()
    Failing.plan()
    for model in (tried, plain):
        for _ in range(n_good):
            fit(model, X, y, "partial_fit")
    if "joint" in name:
        tried.set_params(solver__learning_rate_init=1e200, solver__batch_size=6 * at)
        with pytest.raises(ValueError, match="finite"):
            fit(tried, X, y, "partial_fit")
        tried.set_params(solver__learning_rate_init="auto", solver__batch_size="auto")
    else:
        Failing.plan(1 + at % 3)
        with pytest.raises(LocalFitError, match="on purpose"):
            fit(tried, X, y, "partial_fit")
    for model in (tried, plain):
        fit(model, X, y, "partial_fit")
    assert_array_equal(tried.predict_node_proba(X), plain.predict_node_proba(X))


@pytest.mark.parametrize("name", ["joint paths", "joint sets"])
def test_a_batch_that_is_interrupted(name, monkeypatch):
    model = fit(
        MAKERS[name]().set_params(solver__batch_size=8), X, labels_for(name), "partial_fit"
    )
    state, learn, steps = state_of(model), AdamState.learn, []

    def interrupted(*arguments):
        steps.append(learn(*arguments))
        if len(steps) == 3:
            raise KeyboardInterrupt
        return steps[-1]

    monkeypatch.setattr(AdamState, "learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(model, X, labels_for(name), "partial_fit")
    assert len(steps) == 3
    assert state_of(model) == state


@pytest.mark.parametrize("name", MAKERS)
def test_a_random_state_is_where_it_was(name):
    model = MAKERS[name]().set_params(random_state=np.random.RandomState(0))
    with pytest.raises(ValueError, match="zz"):
        fit(model, X, [["zz"]] * 40 if "sets" in name else ["zz"] * 40, "fit")
    assert model.random_state.randint(1000) == np.random.RandomState(0).randint(1000)


def test_compress_that_fails():
    model = HierarchicalClassifier(SGDClassifier(random_state=0), taxonomy=TREE).fit(X, Y)
    state = state_of(model)
    for params in ({"dtype": "int8"}, {"dtype": np.arange(3)}, {"min_weight": np.nan}):
        with pytest.raises(ValueError, match="must be"):
            model.compress(**params)
        assert state_of(model) == state
    assert not hasattr(model, "compression_report_")


# -- parameters that are set after fit ----------------------------------------------------


@pytest.mark.parametrize("kind", [HierarchicalClassifier, HierarchicalMultiLabelClassifier])
def test_parameters_of_a_fitted_model_say_nothing_about_it(kind):
    is_sets = kind is HierarchicalMultiLabelClassifier
    y = SETS if is_sets else Y
    params = fixed() if is_sets else {"decoder": "best_path"}
    strategy = PerLevel(beta=0.5)
    if is_sets:
        strategy = "per_level"
    model = kind(GaussianNB(), taxonomy=TREE, strategy=strategy, **params).fit(X, y)
    expected = model.predict_node_proba(X)
    if not is_sets:
        model.set_params(strategy__beta=5.0)
    model.set_params(
        estimator=LinearSVC(), strategy="flat", link="softmax", chain="proba", classes=["x"]
    )
    assert_array_equal(model.predict_node_proba(X), expected)
    assert_array_equal(model.predict_proba(X)[:3], model.predict_proba(X[:3]))
    if not is_sets:
        model.set_params(decoder=Threshold(0.3)).predict(X)
        assert not hasattr(clone(model), "predict_proba")


@pytest.mark.parametrize("kind", [HierarchicalClassifier, HierarchicalMultiLabelClassifier])
def test_a_link_stays_as_it_was_fitted(kind):
    is_sets = kind is HierarchicalMultiLabelClassifier
    link = SoftmaxLink(2.0)
    link.gives_probabilities = True
    params = {"decoder": "maximum_closure"} if is_sets else {}
    model = kind(SGDClassifier(random_state=0), taxonomy=TREE, link=SoftmaxLink(2.0), **params)
    if is_sets:
        model.set_params(decoder=SetThreshold(0.5))
    y = SETS if is_sets else Y
    model.partial_fit(X, y)
    model.set_params(link__sharpness=9.0)
    assert {local.link.sharpness for local in model._model.models[0].values()} == {2.0}
    model.partial_fit(X, y)
    assert {local.link.sharpness for local in model._model.models[0].values()} == {2.0}


def test_models_without_probabilities_have_none_later():
    model = HierarchicalClassifier(LinearSVC(), taxonomy=TREE).fit(X, Y)
    model.set_params(estimator=LogisticRegression(), decoder="threshold")
    assert not hasattr(model, "predict_proba")
    with pytest.raises(IncompatiblePartsError, match="LinearSVC has no predict_proba"):
        model.predict(X)


# -- files of compressed models -----------------------------------------------------------


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
@pytest.mark.parametrize("kind", [HierarchicalClassifier, HierarchicalMultiLabelClassifier])
def test_compressed_models_can_be_saved(save_and_load, kind):
    is_sets = kind is HierarchicalMultiLabelClassifier
    params = fixed() if is_sets else {"strategy": "ensemble"}
    base = LogisticRegression()
    names = ["a", "level:2"]
    model = kind(base, taxonomy=TREE, node_estimators={names[0]: GaussianNB()}, **params)
    model.fit(X, SETS if is_sets else Y).compress(min_weight=0.01)
    again = save_and_load(model)
    assert_array_equal(again.compression_report_, model.compression_report_)
    assert again.compression_report_.dtype == model.compression_report_.dtype
    assert_array_equal(again.predict_node_proba(X), model.predict_node_proba(X))
    assert list(again.estimators_) == model.compression_report_["node"].tolist()
    assert copy.copy(again).compress().compression_report_.shape == again.compression_report_.shape


def test_reports_in_files_of_earlier_versions():
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=TREE).fit(X, Y).compress()
    report = model.compression_report_
    state = model.__getstate__()
    del state["_compressed"], state["_reading"]
    again = HierarchicalClassifier.__new__(HierarchicalClassifier)
    again.__setstate__(state | {"compression_report_": report})
    assert_array_equal(again.compression_report_, report)
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))


# -- networks that diverge ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("solver", "size"),
    [
        (LBFGS(), 1e300),
        (Adam(learning_rate_init=1e200, max_iter=3), 1),
        (Adam(learning_rate_init=1e200, early_stopping=True), 1),
    ],
)
@pytest.mark.parametrize("name", ["joint paths", "joint sets"])
def test_a_loss_that_is_not_finite(name, solver, size):
    model = MAKERS[name]().set_params(solver=solver, alpha=1e300, hidden_layer_sizes=(2,))
    when = "where L-BFGS starts" if isinstance(solver, LBFGS) else r"in iteration [1-9]\d*"
    with pytest.raises(ValueError, match=rf"must stay finite, got (inf|nan) {when}\. Scale"):
        fit(model, X * size, labels_for(name), "fit")
    assert not hasattr(model, "taxonomy_")


class Uncopied(ClassifierMixin, BaseEstimator):
    """A base estimator that cannot be copied once it has learnt."""

    def partial_fit(self, X, y, classes=None):
        self.classes_ = np.arange(2) if classes is None else classes
        self.rows = iter(X)
        self.lock = (row for row in X)
        return self

    def fit(self, X, y):
        return self.partial_fit(X, y)

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


def test_a_base_that_cannot_be_copied_is_named():
    model = HierarchicalClassifier(Uncopied(), taxonomy=TREE).partial_fit(X, Y)
    with pytest.raises(LocalFitError, match=r"Uncopied failed at node .* cannot pickle"):
        model.partial_fit(X, Y)
