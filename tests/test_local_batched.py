"""Batched predictions of linear models: to the last bit those of one model after the other."""

import importlib.util
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier._local import batched_linear, calls
from sklhier._local.batched_linear import BatchedLinear
from sklhier._local.packed import PackedModels
from sklhier._utils import compat
from sklhier.decoders import (
    Beam,
    Climbing,
    Darts,
    MaximumClosure,
    SetThreshold,
    Threshold,
    TopLabels,
    resolve_decoder,
)
from sklhier.linear_model import BlockLinearSVC, BlockLogisticRegression
from sklhier.staging import Chain, Weighted
from sklhier.strategies import Ensemble, Flat, PerLevel, PerNode, PerParent

pytestmark = pytest.mark.filterwarnings(
    "ignore:Class PassiveAggressiveClassifier is deprecated",
    "ignore:.*(max_iter|Maximum number of iteration|failed to converge)",
)

TREE = Taxonomy.from_dict({"A": ["a1", "a2", "a3"], "B": {"B1": ["b1", "b2"], "B2": None}})
DAG = Taxonomy.from_edges(
    [
        ("R", "P"),
        ("R", "Q"),
        ("P", "x"),
        ("Q", "x"),
        ("P", "y"),
        ("P", "w"),
        ("Q", "z"),
        ("x", "v"),
    ]
)


def passive_aggressive():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {kind.__name__: kind(random_state=0) for kind in compat.PASSIVE_AGGRESSIVE}


BASES = {
    "svc": LinearSVC(random_state=0),
    "block svc": BlockLinearSVC(random_state=0),
    "block svc single": BlockLinearSVC(dtype="float32", random_state=0),
    "block logistic": BlockLogisticRegression(tol=0.01, random_state=0),
    "svc without intercept": LinearSVC(random_state=0, fit_intercept=False),
    "logistic": LogisticRegression(),
    "sgd": SGDClassifier(random_state=0),
    "sgd log_loss": SGDClassifier(loss="log_loss", random_state=0),
    "sgd modified_huber": SGDClassifier(loss="modified_huber", random_state=0),
    "perceptron": Perceptron(random_state=0),
    "ridge": RidgeClassifier(),
    "pipeline": make_pipeline(TfidfTransformer(), LogisticRegression()),
    **passive_aggressive(),
}
# The others take the same ways.
QUICK = {"svc", "logistic", "sgd log_loss", "ridge"}
NAMES = [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in BASES]
STRATEGIES = [
    PerParent(),
    PerParent(stop="learn"),
    PerNode(stop="learn"),
    PerNode("less_exclusive"),
    PerLevel(),
    Flat(),
    Ensemble(["per_parent", "per_node", "flat"]),
]
DECODERS = [
    "best_path", "top_down", Beam(2), Threshold(0.4), Climbing(0.4), Darts(), "level_weighted",
    "hierarchical_f", "information_threshold",
]  # fmt: skip


def words(labels, n_features=300, seed=0):
    """Counts of words: each label has some of its own, and some are shared."""
    rng = np.random.default_rng(seed)
    names = sorted({name for row in labels for name in row})
    own = {name: np.random.default_rng(i).choice(n_features, 12) for i, name in enumerate(names)}
    table = np.zeros((len(labels), n_features))
    for row, of_row in zip(table, labels, strict=True):
        for name in of_row:
            row[rng.choice(own[name], 5)] += 1
        row[rng.choice(n_features, 2)] += 1
    return sparse.csr_array(table)


def data(n_rows=60, seed=0, **params):
    y = np.resize(["a1", "a2", "a3", "b1", "b2", "B2", "A", "B1"], n_rows)
    return words([[label] for label in y.tolist()], seed=seed, **params), y


def sets(taxonomy, n_rows=60, seed=0):
    rng = np.random.default_rng(seed)
    names = np.array(taxonomy.nodes[1:])
    y = [list(rng.choice(names, rng.integers(0, 3), replace=False)) for _ in range(n_rows)]
    return words([[*row, "any"] for row in y], seed=seed), y


def refuse(*_, **__):
    raise AssertionError("the module of batches was used")


@contextmanager
def switched_off():
    """Switch batches off, and see to it that nothing of their module is used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batched_linear, "ENABLED", False)
        patch.setattr(calls, "BatchedLinear", refuse)
        for name, member in list(vars(BatchedLinear).items()):
            if callable(member):
                patch.setattr(BatchedLinear, name, refuse)
        yield


def counting(method, used):
    def counted(self, *args):
        used.append(method.__name__)
        return method(self, *args)

    return counted


def same_without_batches(read):
    """Check that the arrays that `read` yields are the same without batches; return what was used."""
    used = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("outputs", "group_proba", "precompute", "proba_of_siblings"):
            patch.setattr(BatchedLinear, name, counting(getattr(BatchedLinear, name), used))
        # Compiled descents are the same up to rounding: test_local_packed.py.
        patch.setattr(PackedModels, "_on", lambda *_: None)
        found = list(read())
    with switched_off():
        expected = list(read())
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)
    return set(used)


def tables_of(model, X):
    """Yield what a classifier of paths says of X, with each decoder; of some rows alone, too."""
    few = [X[[i]] for i in (0, 5)]
    has_proba = hasattr(model, "predict_node_proba")
    for decoder in DECODERS:
        if has_proba or not resolve_decoder(decoder).needs_probabilities:
            yield model.set_params(decoder=decoder).predict(X)
    for decoder in ("best_path", "top_down"):
        model.set_params(decoder=decoder)
        yield from map(model.predict, few)
    for rows in [X, *few]:
        yield from model.predict_top_k(rows, 3)
        if has_proba:
            yield model.predict_node_proba(rows)
            yield model.predict_proba(rows)


# -- one path -----------------------------------------------------------------------------


@pytest.mark.few(5)
@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
@pytest.mark.parametrize("base", NAMES)
def test_paths(base, strategy):
    (X, y), (queried, _) = data(), data(30, seed=1)
    model = HierarchicalClassifier(BASES[base], taxonomy=TREE, strategy=strategy, random_state=0)
    model.fit(X, y)
    used = same_without_batches(lambda: tables_of(model, queried))
    assert bool(used) == (base != "pipeline")  # whose X is that of its transformers


@pytest.mark.few(5)
@pytest.mark.parametrize("n_features", [20, 300])  # nearly all of them used, or some
@pytest.mark.parametrize("kind", ["float32", "matrix", "int", "compressed", "more rows", "dense"])
@pytest.mark.parametrize("base", ["svc", "logistic"])
def test_kinds_of_samples_and_models(base, kind, n_features):
    X, y = data(n_features=n_features)
    queried, _ = data(200 if kind == "more rows" else 20, n_features=n_features, seed=1)
    model = HierarchicalClassifier(BASES[base], taxonomy=TREE).fit(X, y)
    if kind == "compressed":
        model.compress()
    elif kind == "matrix":
        queried = sparse.csr_matrix(queried)
    elif kind == "dense":
        queried = queried.toarray()
    elif kind in ("float32", "int"):
        queried = queried.astype(kind)
    used = same_without_batches(lambda: tables_of(model, queried))
    assert bool(used) == (kind != "dense")


def test_models_of_several_kinds():
    (X, y), (queried, _) = data(), data(30, seed=1)
    others = {
        "A": LogisticRegression(),
        "B": make_pipeline(TfidfTransformer(), LinearSVC(random_state=0)),
        "B1": SGDClassifier(loss="log_loss", random_state=0),
    }
    model = HierarchicalClassifier(BASES["svc"], taxonomy=TREE, node_estimators=others).fit(X, y)
    assert same_without_batches(lambda: tables_of(model, queried))
    model.set_params(link="softmax").fit(X, y)
    assert same_without_batches(lambda: tables_of(model, queried))


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("strategy", "routing", "chain"),
    [
        ("per_parent", "predicted", "proba"),
        ("per_parent", Weighted(), None),
        ("per_parent", "filter", Chain("decision", see="parent")),
        ("per_node", "filter", "log_proba"),
        ("per_node", "predicted", None),
        ("per_level", "filter", "decision"),
    ],
    ids=repr,
)
def test_chains_and_routings(strategy, routing, chain):
    (X, y), (queried, _) = data(), data(30, seed=1)
    base = SGDClassifier(loss="log_loss", random_state=0)
    model = HierarchicalClassifier(
        base, taxonomy=TREE, strategy=strategy, chain=chain, routing=routing, cv=2
    )
    # Held-out predictions of the fit are part of it.
    used = same_without_batches(lambda: tables_of(clone(model).fit(X, y), queried))
    assert used


def test_what_is_tuned_on_held_out_samples():
    X, y = data(120)

    def tuned():
        model = HierarchicalClassifier(
            LogisticRegression(), taxonomy=TREE, strategy=PerLevel("oof"), cv=3
        )
        yield np.array(model.fit(X, y).strategy_.beta)

    assert same_without_batches(tuned)


# -- sets of labels -----------------------------------------------------------------------


def tables_of_sets(model, X):
    few = [X[[i]] for i in (0, 5)]
    for rows in [X, *few]:
        yield model.predict(rows)
        if hasattr(model, "predict_node_proba"):
            yield model.predict_node_proba(rows)


@pytest.mark.few(3)
@pytest.mark.parametrize("taxonomy", [TREE, DAG], ids=["tree", "dag"])
@pytest.mark.parametrize(
    "strategy",
    ["per_parent", "per_node", PerNode("less_inclusive"), "per_level", "flat", "ensemble"],
    ids=repr,
)
@pytest.mark.parametrize("base", NAMES)
def test_label_sets(base, strategy, taxonomy):
    (X, y), (queried, _) = sets(taxonomy), sets(taxonomy, 30, seed=1)
    for decoder in (SetThreshold(0.4), TopLabels(2), MaximumClosure(0.4)):
        if decoder.needs_probabilities and not hasattr(BASES[base], "predict_proba"):
            continue
        model = HierarchicalMultiLabelClassifier(
            BASES[base], taxonomy=taxonomy, strategy=strategy, decoder=decoder
        ).fit(X, taxonomy.binarize(y, sparse_output=False))
        used = same_without_batches(lambda: tables_of_sets(model, queried))  # noqa: B023
        assert bool(used) == (base != "pipeline")


@pytest.mark.few(1)
@pytest.mark.parametrize("taxonomy", [TREE, DAG], ids=["tree", "dag"])
def test_chains_and_thresholds_of_label_sets(taxonomy):
    (X, y), (queried, _) = sets(taxonomy, 120), sets(taxonomy, 30, seed=1)
    y = taxonomy.binarize(y, sparse_output=False)
    for chain in (None, "proba"):
        model = HierarchicalMultiLabelClassifier(
            SGDClassifier(loss="log_loss", random_state=0), taxonomy=taxonomy, chain=chain, cv=2
        )

        def read():
            fitted = clone(model).fit(X, y)  # noqa: B023
            yield fitted.decoder_.tau
            yield from tables_of_sets(fitted, queried)

        assert same_without_batches(read)


def test_these_tests_take_every_way():
    X, y = data()
    model = HierarchicalClassifier(BASES["svc"], taxonomy=TREE)
    for strategy, way in (("per_parent", "group_proba"), ("per_node", "outputs")):
        model.set_params(strategy=strategy).fit(X, y)
        assert same_without_batches(lambda: tables_of(model, X)) == {way}
    X, y = sets(TREE)
    model = HierarchicalMultiLabelClassifier(
        BASES["svc"], taxonomy=TREE, decoder=SetThreshold(0.5)
    ).fit(X, TREE.binarize(y, sparse_output=False))
    assert same_without_batches(lambda: tables_of_sets(model, X)) == {"proba_of_siblings"}
    found = same_without_batches(lambda: [model._model.marginals(X).raw])
    assert found == {"precompute", "outputs"}


# -- the switch ---------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "enabled"), [("0", False), ("1", True), (None, True)])
def test_the_environment_switches_batches_off(value, enabled, monkeypatch):
    if value is None:
        monkeypatch.delenv("SKLHIER_BATCHED_LINEAR", raising=False)
    else:
        monkeypatch.setenv("SKLHIER_BATCHED_LINEAR", value)
    spec = importlib.util.find_spec(batched_linear.__name__)
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert again.ENABLED is enabled


def test_these_tests_would_see_the_module_used():
    X, y = data()
    model = HierarchicalClassifier(BASES["svc"], taxonomy=TREE).fit(X, y)
    with switched_off(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(batched_linear, "ENABLED", True)
        with pytest.raises(AssertionError, match="was used"):
            model.predict(X)
