"""Several labels for each sample: against the textbook, on trees and DAGs, in every format."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import DIAMOND, SPARSE_TABLES, TAXONOMIES, with_explicit_zeros
from generators import dags, one_in, trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklhier import HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.decoders import (
    ExpectedF1,
    HeldOutSets,
    MaximumClosure,
    SetDecoder,
    SetMarginals,
    SetThreshold,
    TopLabels,
    resolve_set_decoder,
)
from sklhier.exceptions import (
    IncompatiblePartsError,
    LocalFitError,
    LocalPredictError,
    TargetError,
)
from sklhier.metrics import hierarchical_f1_score, make_hierarchical_scorer, violation_rate
from sklhier.strategies import Ensemble, Memberships, PerNode, SetStrategy, Strategy
from sklhier.strategies._policies import POLICIES

RAGGED = TAXONOMIES["ragged"]
TREE = DecisionTreeClassifier(max_depth=2, random_state=0)
FIXED = SetThreshold(0.4)
STRATEGIES = [
    "per_parent",
    "per_node",
    "per_level",
    "flat",
    "ensemble",
    PerNode("less_inclusive"),
    PerNode("inclusive"),
    Ensemble(["flat", PerNode(), "per_parent"]),
]


@st.composite
def labelled(draw, max_rows=25):
    """A tree or DAG, label sets (some empty), and features that tell something about them."""
    taxonomy = draw(st.one_of(trees(10), dags()))
    names = st.sampled_from(taxonomy.nodes[1:])
    n_rows = draw(st.integers(2, max_rows))
    y = draw(st.lists(st.sets(names, max_size=3), min_size=n_rows, max_size=n_rows))
    return taxonomy, y, features(taxonomy, y, draw(st.integers(0, 2**16)))


def features(taxonomy, y, seed, n_features=5):
    rng = np.random.default_rng(seed)
    closed = taxonomy.binarize([list(row) for row in y]).toarray()
    return closed @ rng.normal(0, 1.5, (closed.shape[1], n_features)) + rng.normal(
        0, 1, (len(y), n_features)
    )


def data(taxonomy=RAGGED, n_rows=120, seed=0, max_labels=3):
    rng = np.random.default_rng(seed)
    names = np.array(taxonomy.nodes[1:])
    sizes = rng.integers(0, max_labels + 1, n_rows)
    y = [sorted(rng.choice(names, size, replace=False)) for size in sizes]
    return features(taxonomy, y, seed), y


def model(taxonomy=RAGGED, base=TREE, **params):
    return HierarchicalMultiLabelClassifier(
        base, taxonomy=taxonomy, **({"decoder": FIXED} | params)
    )


# -- what holds for every strategy --------------------------------------------------------


def named(table, taxonomy):
    """The order of bare columns is not known where rows are not closed under ancestors."""
    return pd.DataFrame(table, columns=list(taxonomy.nodes[1:]))


def violations(bits, taxonomy):
    return violation_rate(named(bits[None], taxonomy), taxonomy=taxonomy)


@pytest.mark.few(4)
@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
@one_in(2)
@given(case=labelled())
def test_no_node_is_more_probable_than_a_parent(strategy, case):
    taxonomy, y, X = case
    fitted = model(taxonomy, strategy=strategy).fit(X, y)
    proba = fitted.predict_node_proba(X)
    assert (proba[:, 0] == 1).all()
    assert ((proba >= 0) & (proba <= 1 + 1e-12)).all()
    assert (proba[:, taxonomy.edge_children] <= proba[:, taxonomy.edge_parents]).all()
    unseen = taxonomy.ids(list(fitted.unseen_nodes_))
    assert not proba[:, unseen].any()
    answers = taxonomy.binarize(fitted.predict(X), closed=False)
    closed = taxonomy.binarize(fitted.predict(X))
    assert violation_rate(named(closed.toarray(), taxonomy), taxonomy=taxonomy) == 0
    assert_array_equal(closed.toarray(), proba[:, 1:] > 0.4)
    assert (answers.toarray() <= closed.toarray()).all()
    again = taxonomy.binarize(fitted.decode(proba))
    assert_array_equal(again.toarray(), closed.toarray())


@pytest.mark.few(4)
@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
@one_in(2)
@given(case=labelled())
def test_a_row_depends_on_itself_alone(strategy, case):
    taxonomy, y, X = case
    fitted = model(taxonomy, strategy=strategy).fit(X, y)
    proba = fitted.predict_node_proba(X)
    order = np.random.default_rng(0).permutation(len(X))
    assert_array_equal(fitted.predict_node_proba(X[order]), proba[order])
    assert_array_equal(fitted.predict_node_proba(X[:1]), proba[:1])
    with sklearn.config_context(working_memory=1e-3):
        assert_array_equal(fitted.predict_node_proba(X), proba)


@pytest.mark.few(6)
@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_n_jobs_names_and_the_order_of_rows_do_not_matter(strategy):
    X, y = data(DIAMOND, 60)
    fitted = model(DIAMOND, GaussianNB(), strategy=strategy).fit(X, y)
    proba = fitted.predict_node_proba(X)
    assert_array_equal(clone(fitted).set_params(n_jobs=2).fit(X, y).predict_node_proba(X), proba)
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = clone(fitted).fit(X[order], [y[row] for row in order])
    assert_allclose(shuffled.predict_node_proba(X), proba, atol=1e-8)
    names = {name: f"x{i}" for i, name in enumerate(DIAMOND.nodes)}
    edges = zip(DIAMOND.edge_parents, DIAMOND.edge_children, strict=True)
    other = Taxonomy.from_edges(
        [(names[DIAMOND.nodes[p]], names[DIAMOND.nodes[c]]) for p, c in edges]
    )
    renamed = clone(fitted).set_params(taxonomy=other).fit(X, [[names[n] for n in s] for s in y])
    assert_array_equal(renamed.predict_node_proba(X), proba)
    assert renamed.predict(X) == [[names[n] for n in s] for s in fitted.predict(X)]


@pytest.mark.few(3)
@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "per_level", "flat", "ensemble"])
def test_sample_weights_repeat_rows(strategy):
    X, y = data(n_rows=60)
    weights = np.arange(60) % 3
    repeats = np.repeat(np.arange(60), weights)
    fitted = model(base=LogisticRegression(tol=1e-10, max_iter=5000), strategy=strategy)
    weighted = clone(fitted).fit(X, y, sample_weight=weights).predict_node_proba(X)
    repeated = clone(fitted).fit(X[repeats], [y[row] for row in repeats]).predict_node_proba(X)
    assert_allclose(weighted, repeated, atol=1e-4)


# -- the textbook -------------------------------------------------------------------------


@given(labelled())
def test_per_parent_node_by_node(case):
    taxonomy, y, X = case
    closed = taxonomy.binarize(y).toarray()
    found = model(taxonomy, GaussianNB(var_smoothing=0.1)).fit(X, y).predict_node_proba(X)
    for node in range(1, taxonomy.n_nodes):
        parents = [p for p in taxonomy.parents_of(node).tolist() if p]
        inside = (closed[:, [p - 1 for p in parents]] == 1).all(axis=1)
        target = closed[:, node - 1]
        above = found[:, parents].min(axis=1) if parents else np.ones(len(X))
        if not target.any():
            assert not found[:, node].any()
        elif target[inside].all():
            assert_allclose(found[:, node], above)
        else:
            base = GaussianNB(var_smoothing=0.1).fit(X[inside], target[inside])
            assert_allclose(found[:, node], above * base.predict_proba(X)[:, 1], atol=1e-12)


@pytest.mark.few(1)
@pytest.mark.parametrize("strategy", ["per_level", "flat"])
@pytest.mark.parametrize("consistency", ["max", "min", "product"])
@given(case=labelled())
def test_models_about_all_samples_are_made_consistent(strategy, consistency, case):
    taxonomy, y, X = case
    closed = taxonomy.binarize(y).toarray()
    base = GaussianNB(var_smoothing=0.1)
    fitted = model(taxonomy, base, strategy=strategy, consistency=consistency).fit(X, y)
    raw = np.zeros_like(closed, dtype=float)
    for column, target in enumerate(closed.T):
        if target.all():
            raw[:, column] = 1
        elif target.any():
            raw[:, column] = clone(base).fit(X, target).predict_proba(X)[:, 1]
    wanted = {}
    for node in range(1, taxonomy.n_nodes):
        below = [node, *taxonomy.ids(list(taxonomy.descendants(taxonomy.nodes[node])))]
        above = [p for p in taxonomy.parents_of(node).tolist() if p]
        least = np.min([wanted[p] for p in above], axis=0) if above else np.ones(len(X))
        wanted[node] = {
            "max": raw[:, [n - 1 for n in below]].max(axis=1),
            "min": np.minimum(raw[:, node - 1], least),
            "product": raw[:, node - 1] * least,
        }[consistency]
    found = fitted.predict_node_proba(X)
    for node, values in wanted.items():
        assert_allclose(found[:, node], values, atol=1e-12)


@pytest.mark.few(4)
@pytest.mark.parametrize("policy", POLICIES)
@given(case=labelled())
def test_policies_by_sets(policy, case):
    taxonomy, y, _ = case
    members = Memberships(
        sparse.csr_array(taxonomy.members_of(y) @ taxonomy.ancestor_closure), taxonomy
    )
    closed = [{a for label in row for a in (label, *taxonomy.ancestors(label))} for row in y]
    rows = range(len(y))
    exact = {
        name: {
            r for r in rows if name in closed[r] and not closed[r] & set(taxonomy.children(name))
        }
        for name in taxonomy.nodes
    }
    for node in members.observed.tolist():
        name = taxonomy.nodes[node]
        below = {r for r in rows if name in closed[r]}
        near = {s for p in taxonomy.parents_of(node) for s in taxonomy.children_of(p)} - {node}
        near = [taxonomy.nodes[s] for s in near]
        above = set().union(*(exact[a] for a in taxonomy.ancestors(name)))
        wanted = {
            "exclusive": (exact[name], set(rows) - exact[name]),
            "less_exclusive": (exact[name], set(rows) - below),
            "less_inclusive": (below, set(rows) - below),
            "inclusive": (below, set(rows) - below - above),
            "siblings": (below, {r for r in rows if closed[r] & set(near)} - below),
            "exclusive_siblings": (exact[name], set().union(*(exact[s] for s in near)) - below),
        }[policy]
        chosen = POLICIES[policy]
        found = (chosen.positive_rows(members, node), chosen.negative_rows(members, node))
        assert tuple(set(part.tolist()) for part in found) == wanted


class OnlySets(SetStrategy):
    """Models of all nodes among all samples, for label sets alone."""

    is_conditional = False

    def plan_sets(self, members, learns_jointly):
        return PerNode("less_inclusive").plan_sets(members, learns_jointly)


def test_a_strategy_for_label_sets_alone():
    X, y = data(n_rows=60)
    given_as = [
        model(strategy=strategy, decoder=decoder).fit(X, y).predict_node_proba(X)
        for decoder in (SetThreshold(), SetThreshold(0.5))
        for strategy in (OnlySets(), PerNode("less_inclusive"))
    ]
    assert_array_equal(given_as[0], given_as[1])
    assert_array_equal(given_as[2], given_as[3])


JOINT = [
    RandomForestClassifier(5, random_state=0),
    DecisionTreeClassifier(random_state=0, max_depth=3),
    KNeighborsClassifier(3),
    MLPClassifier((3,), solver="lbfgs", alpha=1, max_iter=5000, random_state=0),
]


@pytest.mark.parametrize("shape", ["a column less", "not finite"])
def test_what_bases_of_several_outputs_return_is_checked(shape):
    class Wrong(RidgeClassifier):
        def decision_function(self, X):
            scores = super().decision_function(X)
            return scores[:, 1:] if shape == "a column less" else np.where(scores > 0, np.nan, 0.0)

    X, y = data(n_rows=40)
    with pytest.raises(LocalPredictError, match=r"numbers that are not finite, for .* outputs"):
        model(base=Wrong(), strategy="flat").fit(X, y).predict(X)


@pytest.mark.few(3)
@pytest.mark.parametrize("base", JOINT, ids=lambda base: type(base).__name__)
def test_bases_of_several_outputs_are_asked_once(base):
    X, y = data(n_rows=80)
    flat = Taxonomy.flat(["p", "q", "r"])
    labels = [[n for n, c in zip("pqr", ("A", "B", "C"), strict=True) if c in row] for row in y]
    table = flat.binarize(labels).toarray()
    found = model(flat, base).fit(X, labels)
    assert list(found.estimators_) == [("children", flat.nodes[0])]
    answer = clone(base).fit(X, table).predict_proba(X)
    if isinstance(answer, list):
        answer = np.column_stack([columns[:, 1] for columns in answer])
    assert_array_equal(found.predict_proba(X), answer)
    deep = model(RAGGED, base).fit(X, y)
    several = {name for name in ("R", "A", "B", "A1") if len(RAGGED.children(name)) > 1}
    alone = {node for node in ("c", "A2", "B1") if ("children", node) not in deep.estimators_}
    assert {("children", name) for name in several} <= set(deep.estimators_)
    assert set(deep.estimators_) - {("children", name) for name in several} <= alone


def test_models_of_a_node_and_of_its_children_have_names_of_their_own():
    X, _ = data(n_rows=60)
    several = [["z1"], ["z2"], ["w"], ["w", "v"], []] * 12
    dag = Taxonomy.from_edges(
        [("P", "z"), ("Q", "z"), ("z", "z1"), ("z", "z2"), ("P", "w"), ("Q", "v")]
    )
    fitted = model(dag, TREE).fit(X, several)
    report = fitted.fit_report_
    names = [name for name, *_, kind in report.tolist() if ":" not in kind]
    assert len(set(names)) == len(names) == len(fitted.estimators_)
    assert {"z", ("children", "z")} <= set(fitted.estimators_)


# P and Q have children of their own, and two that they share.
SHARED = Taxonomy.from_edges(
    [
        *[("R", parent) for parent in "PQ"],
        *[("P", child) for child in ("p1", "p2", "z1", "z2")],
        *[("Q", child) for child in ("q1", "q2", "z1", "z2")],
    ]
)


def test_nodes_with_the_same_two_parents_have_a_model_beside_those_of_each_parent():
    X, y = data(SHARED, 200)
    closed = SHARED.binarize(y).toarray()
    found = model(SHARED).fit(X, y).predict_node_proba(X)[:, 1:]
    for parents, children in (("P", "p1 p2"), ("Q", "q1 q2"), ("PQ", "z1 z2")):
        above, below = (SHARED.ids(names) - 1 for names in (list(parents), children.split()))
        inside = closed[:, above].all(axis=1)
        answers = clone(TREE).fit(X[inside], closed[inside][:, below]).predict_proba(X)
        for node, answer in zip(below, answers, strict=True):
            assert_allclose(found[:, node], found[:, above].min(axis=1) * answer[:, 1])
    by_heart = model(SHARED, DecisionTreeClassifier(random_state=0)).fit(X, y)
    assert_array_equal(SHARED.binarize(by_heart.predict(X)).toarray(), closed)


@pytest.mark.parametrize("container", SPARSE_TABLES)
def test_a_given_indicator_is_not_written_to(container):
    X, y = data(n_rows=40)
    table, untouched = with_explicit_zeros(RAGGED.binarize(y), container)
    fitted = model().fit(X, table)
    fitted.score(X, table)
    untouched()
    wanted = model().fit(X, RAGGED.binarize(y))
    assert_array_equal(fitted.predict_node_proba(X), wanted.predict_node_proba(X))


@pytest.mark.parametrize(
    "base",
    [
        LogisticRegression(),
        LinearSVC(random_state=0),
        RidgeClassifier(),
        SGDClassifier(random_state=0),
    ],
    ids=lambda base: type(base).__name__,
)  # fmt: skip
def test_one_level_equals_binary_classifiers(base):
    X, y = data(n_rows=80)
    table = np.array([[c in row for c in ("A", "B", "C", "a")] for row in y], dtype=int)
    found = HierarchicalMultiLabelClassifier(base, decoder=SetThreshold(0.5)).fit(X, table)
    wanted = np.column_stack([clone(base).fit(X, column).predict(X) for column in table.T])
    assert_array_equal(found.predict(X), wanted)
    assert_array_equal(found.classes_, range(4))
    if hasattr(base, "predict_proba"):
        proba = [clone(base).fit(X, column).predict_proba(X)[:, 1] for column in table.T]
        assert_allclose(found.predict_proba(X), np.transpose(proba), atol=1e-12)
    else:
        assert not hasattr(found, "predict_proba")
        with pytest.raises(IncompatiblePartsError, match="needs probabilities"):
            clone(found).set_params(decoder="maximum_closure").fit(X, table)


def test_constant_unseen_and_empty():
    X, _ = data(n_rows=20)
    fitted = model(decoder=SetThreshold(0.5)).fit(X, [["A"], []] * 10)
    assert fitted.unseen_nodes_ == tuple(n for n in RAGGED.nodes[1:] if n != "A")
    assert fitted.fit_report_["n_rows"].tolist() == [20]
    assert {tuple(row) for row in fitted.predict(X)} <= {(), ("A",)}
    always = model(decoder=SetThreshold(0.5)).fit(X, [["a"]] * 20)
    assert always.predict(X[:2]) == [["a"], ["a"]]
    assert set(always.fit_report_["fitted"]) == {"constant: one outcome"}
    never = model(decoder=SetThreshold(0.5)).fit(X, [[]] * 20)
    assert never.predict(X[:2]) == [[], []]
    assert never.score(X, [[]] * 20) == 1
    tuned = model(decoder="threshold").fit(X, [[]] * 20)
    assert tuned.predict(X[:2]) == [[], []]
    for decoder in (TopLabels(9), SetThreshold(0.5, at_least_one=True), "expected_f1"):
        assert fitted.set_params(decoder=decoder).fit(X, [["a"], ["b"]] * 10).unseen_nodes_
        answers = {label for row in fitted.predict(X) for label in row}
        assert answers <= {"a", "b"}
        assert model(decoder=decoder).fit(X, [[]] * 20).predict(X[:1]) == [[]]
    with pytest.raises(ValueError, match="NaN"):
        clone(never).set_params(estimator=LogisticRegression()).fit(X * np.nan, [[]] * 20)


# -- formats ------------------------------------------------------------------------------

FORMS = {
    "lists": lambda y: y,
    "sets": lambda y: [set(row) for row in y],
    "dense": lambda y: RAGGED.binarize(y).toarray(),
    "open": lambda y: RAGGED.binarize(y, closed=False).toarray().astype(bool),
    "csr": lambda y: RAGGED.binarize(y),
    "matrix": lambda y: sparse.csr_matrix(RAGGED.binarize(y)),
    "frame": lambda y: pd.DataFrame(
        RAGGED.binarize(y).toarray(), columns=RAGGED.nodes[1:], index=range(100, 100 + len(y))
    ),
    "paths": lambda y: [[RAGGED.path(label) for label in row] for row in y],
}


@pytest.mark.few(7)
@pytest.mark.parametrize("form", list(FORMS))
def test_formats_come_back(form):
    X, y = data(n_rows=80)
    fitted = model(classes=RAGGED.nodes[1:]).fit(X, FORMS[form](y))
    wanted = model().fit(X, y)
    assert_array_equal(fitted.predict_node_proba(X), wanted.predict_node_proba(X))
    answer = fitted.predict(X)
    plain = RAGGED.binarize(wanted.predict(X))
    assert type(answer) is type(FORMS[form](y))
    assert fitted.score(X, FORMS[form](y)) == wanted.score(X, y)
    if form in ("lists", "sets", "paths"):
        assert type(answer[0]) in (list, set)
        names = [[n[-1] if form == "paths" else n for n in row] for row in answer]
        assert_array_equal(RAGGED.binarize(names).toarray(), plain.toarray())
    else:
        dense = answer.toarray() if sparse.issparse(answer) else np.asarray(answer)
        assert_array_equal(dense, plain.toarray())
    by_metric = hierarchical_f1_score(RAGGED.binarize(y), plain, taxonomy=RAGGED, zero_division=0)
    if form != "paths":
        assert hierarchical_f1_score(
            FORMS["csr"](y), answer, taxonomy=RAGGED, zero_division=0
        ) == pytest.approx(by_metric)


def test_columns_for_leaves_and_for_classes():
    X, y = data(n_rows=80)
    leaves = [[n for n in row if n in RAGGED.leaves] for row in y]
    table = RAGGED.binarize(leaves).toarray()[:, RAGGED.leaf_ids - 1]
    with pytest.raises(
        TargetError, match=r"order of an indicator's columns.*classes=mlb.classes_"
    ):
        model().fit(X, table)
    fitted = model(classes=RAGGED.leaves).fit(X, table)
    assert_array_equal(fitted.classes_, RAGGED.leaves)
    assert fitted.predict(X).shape == table.shape
    assert fitted.predict_proba(X).shape == table.shape
    some = ["b", "A", "C"]
    columns = RAGGED.binarize(y).toarray()[:, RAGGED.ids(some) - 1]
    fitted = model(classes=some).fit(X, columns)
    assert_array_equal(fitted.classes_, some)
    assert fitted.predict(X).shape == columns.shape


@pytest.mark.parametrize("sparse_output", [False, True])
def test_what_a_multi_label_binarizer_makes_of_labels(sparse_output):
    X, y = data(n_rows=80)
    binarizer = MultiLabelBinarizer(sparse_output=sparse_output)
    table = binarizer.fit_transform(y)
    fitted = model(classes=binarizer.classes_).fit(X, table)
    wanted = model().fit(X, y)
    assert_array_equal(fitted.predict_node_proba(X), wanted.predict_node_proba(X))
    assert_array_equal(fitted.classes_, binarizer.classes_)
    answers = binarizer.inverse_transform(fitted.predict(X))
    assert_array_equal(
        RAGGED.binarize(list(map(list, answers))).toarray(),
        RAGGED.binarize(wanted.predict(X)).toarray(),
    )
    scorer = make_hierarchical_scorer("f1", zero_division=0)
    assert scorer(fitted, X, table) == scorer(wanted, X, y)


def test_pickles_and_clones():
    X, y = data(DIAMOND, 60)
    fitted = model(DIAMOND, LogisticRegression(), decoder="threshold").fit(X, y)
    again = pickle.loads(pickle.dumps(fitted))
    assert again.predict(X) == fitted.predict(X)
    assert repr(clone(fitted).decoder) == repr(fitted.decoder) == "'threshold'"


@pytest.mark.slow
def test_the_hash_seed_does_not_matter():
    code = (
        "import numpy as np; from sklhier import *; from sklearn.tree import *;"
        "t = Taxonomy.from_dict({'a': ['x', 'y'], 'b': ['z']});"
        "X = np.random.default_rng(0).normal(size=(40, 3));"
        "y = [{'x', 'z'} if r[0] > 0 else {'y', 'b'} if r[1] > 0 else set() for r in X];"
        "m = HierarchicalMultiLabelClassifier(DecisionTreeClassifier(random_state=0), taxonomy=t);"
        "print(m.fit(X, y).predict_node_proba(X).sum(axis=0).tolist(), m.decoder_)"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("0", "1")
    }  # fmt: skip
    assert len(answers) == 1


def test_classes_without_a_taxonomy():
    X, y = data(Taxonomy.flat(["c", "a", "b"]), 60)
    table = np.array([[name in row for name in "cab"] for row in y], dtype=int)
    lists = HierarchicalMultiLabelClassifier(TREE, decoder=FIXED, classes=["c", "a", "b"])
    tables = clone(lists).fit(X, table)
    lists.fit(X, y)
    for fitted in (lists, tables):
        assert fitted.taxonomy_ == Taxonomy.flat(["a", "b", "c"])
    assert_array_equal(tables.predict_node_proba(X), lists.predict_node_proba(X))
    assert [set(row) for row in lists.predict(X)] == [
        {name for name, bit in zip("cab", row, strict=True) if bit} for row in tables.predict(X)
    ]


@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "flat"])
@pytest.mark.parametrize(
    "base",
    [LinearSVC(fit_intercept=False, random_state=0), RidgeClassifier(fit_intercept=False)],
    ids=["single", "joint"],
)
def test_a_score_of_0_is_for_no_label_as_in_scikit_learn(strategy, base):
    X, y = data(n_rows=80)
    table = np.array([[c in row for c in ("A", "B", "C")] for row in y], dtype=int)
    fitted = HierarchicalMultiLabelClassifier(
        base, strategy=strategy, decoder=SetThreshold(0.5)
    ).fit(X, table)
    nothing = np.zeros((1, X.shape[1]))  # which the weights multiply to exactly 0
    assert_array_equal(fitted.predict(nothing), [[0, 0, 0]])
    assert [clone(base).fit(X, column).predict(nothing)[0] for column in table.T] == [0, 0, 0]


def test_one_number_that_is_no_probability_is_refused():
    X, y = data(n_rows=40)
    fitted = model().fit(X, y)
    for bad in (np.nan, np.inf, -1e-9):
        table = fitted.predict_node_proba(X[:3])
        table[1, 4] = bad
        with pytest.raises(ValueError, match="`node_proba` must hold probabilities"):
            fitted.decode(table)


# -- decoders -----------------------------------------------------------------------------


def test_maximum_closure_leaves_out_what_gains_nothing():
    X, y = data(n_rows=40)
    fitted = model(decoder=MaximumClosure(0.5)).fit(X, y)
    proba = {"R": 1, "A": 0.9, "B": 0.5, "C": 0.1, "A1": 0.5, "A2": 0.5} | {"B1": 0.5, "B2": 0.1}
    table = [[proba.get(name, 0.1) for name in RAGGED.nodes]]
    assert fitted.decode(table) == [["A"]]


def test_at_least_one_label_is_none_that_has_no_probability():
    X, y = data(n_rows=40)
    fitted = model(decoder=SetThreshold(0.5, at_least_one=True)).fit(X, y)
    nothing, little = np.zeros((2, 1, RAGGED.n_nodes))
    little[0, RAGGED.ids(["A", "A2"])] = 0.1, 1e-9
    assert fitted.decode(nothing) == [[]]
    assert fitted.decode(little) == [["A"]]
    assert fitted.decode(little, SetThreshold(0.1)) == [[]]


def out_of_fold(fitted, X, y, folds):
    proba = np.zeros((len(X), fitted.taxonomy.n_nodes))
    for train, test in folds:
        part = clone(fitted).set_params(decoder=FIXED).fit(X[train], [y[row] for row in train])
        proba[test] = part.predict_node_proba(X[test])
    return proba


@pytest.mark.few(2)
@pytest.mark.parametrize("scope", ["global", "level", "node"])
@pytest.mark.parametrize("weighted", [False, True])
def test_thresholds_are_the_best_out_of_fold(scope, weighted):
    X, y = data(n_rows=150)
    folds = list(KFold(3).split(X))
    decoder = SetThreshold(scope=scope, shrinkage=0)
    fitted = model(base=GaussianNB(), cv=KFold(3), decoder=decoder, calibration=None)
    weights = (1.0 + np.arange(150) % 2) / 1e4 if weighted else None  # the scale means nothing
    if weighted:
        fitted.set_params(estimator=GaussianNB())
        proba = np.zeros((150, RAGGED.n_nodes))
        for train, test in folds:
            part = clone(fitted).set_params(decoder=FIXED)
            part.fit(X[train], [y[row] for row in train], sample_weight=weights[train])
            proba[test] = part.predict_node_proba(X[test])
    else:
        proba = out_of_fold(fitted, X, y, folds)
    fitted.fit(X, y, sample_weight=weights)
    true = RAGGED.binarize(y).toarray().astype(bool)
    groups = {
        "global": [np.arange(10)],
        "level": [np.flatnonzero(RAGGED.depths[1:] == d) for d in (1, 2, 3)],
        "node": [np.array([n]) for n in range(10)],
    }[scope]
    w = np.ones(150) if weights is None else weights

    def f1(columns, tau):
        chosen = proba[:, 1 + columns] > tau
        right = (w[:, None] * (chosen & true[:, columns])).sum()
        total = (w[:, None] * (chosen.astype(int) + true[:, columns])).sum()
        return 2 * right / total

    learnt = np.atleast_1d(fitted.decoder_.tau)
    assert len(learnt) == len(groups)
    for columns, tau in zip(groups, learnt, strict=True):
        best = max(f1(columns, t - 1e-9) for t in np.arange(1, 500) / 500)
        assert f1(columns, tau) == pytest.approx(best)
    assert isinstance(fitted.decoder, SetThreshold)
    assert fitted.decoder.tau == "oof"


def test_folds_given_as_positions_mean_all_rows():
    X, y = data(n_rows=90)
    weights = np.where(np.arange(90) % 3 == 0, 0.0, 1.0)
    folds = list(KFold(3).split(X))
    fitted = model(base=GaussianNB(), cv=folds, decoder="threshold")
    found = fitted.fit(X, y, sample_weight=weights).decoder_.tau
    kept = np.flatnonzero(weights)
    inside = [[np.flatnonzero(np.isin(kept, part)) for part in fold] for fold in folds]
    alone = clone(fitted).set_params(cv=inside).fit(X[kept], [y[row] for row in kept])
    assert found == alone.decoder_.tau


def test_shrinkage_pulls_towards_the_global_threshold():
    X, y = data(n_rows=150)
    taus = {
        s: model(
            base=GaussianNB(), cv=KFold(3), decoder=SetThreshold(scope="node", shrinkage=s)
        ).fit(X, y).decoder_.tau
        for s in (0, 20, 1e9)
    }  # fmt: skip
    overall = model(base=GaussianNB(), cv=KFold(3), decoder="threshold").fit(X, y).decoder_.tau
    assert_allclose(taus[1e9], overall, atol=1e-6)
    counts = RAGGED.binarize(y).sum(axis=0)
    assert_allclose(taus[20], (counts * taus[0] + 20 * overall) / (counts + 20))


def test_a_tuned_threshold_beats_a_half_where_labels_are_rare():
    X, y = data(n_rows=1200, seed=3, max_labels=1)
    X = X + np.random.default_rng(0).normal(0, 3, X.shape)
    train, test = slice(0, 800), slice(800, None)
    scores = {}
    for tau in ("oof", 0.5):
        fitted = model(base=LogisticRegression(), decoder=SetThreshold(tau)).fit(
            X[train], y[train]
        )
        scores[tau] = hierarchical_f1_score(y[test], fitted.predict(X[test]), taxonomy=RAGGED)
    assert scores["oof"] > scores[0.5]


def marginals(taxonomy, seed, n_rows=4):
    rng = np.random.default_rng(seed)
    raw = rng.random((n_rows, taxonomy.n_nodes))
    raw[:, 0] = 1
    from sklhier._probabilities.consistency import make_consistent

    return SetMarginals(taxonomy, raw, make_consistent(raw, taxonomy, "min"))


@given(st.one_of(trees(8), dags(7)), st.integers(0, 2**16))
def test_decoders_by_their_definitions(taxonomy, seed):
    given_ = marginals(taxonomy, seed)
    proba = given_.node_proba
    some = SetThreshold(0.3).decode(given_).toarray()
    assert_array_equal(some[:, 1:], proba[:, 1:] > 0.3)
    one = SetThreshold(0.9, at_least_one=True).decode(given_).toarray()
    assert one.any(axis=1).all()
    for row, answer in enumerate(one):
        if not (proba[row, 1:] > 0.9).any():
            assert proba[row, np.flatnonzero(answer)].max() == proba[row, 1:].max()
    by_node = SetThreshold(dict.fromkeys(taxonomy.nodes[1:], 0.3)).decode(given_).toarray()
    assert_array_equal(by_node, some)
    by_level = SetThreshold([0.3] * taxonomy.n_levels).decode(given_).toarray()
    assert_array_equal(by_level, some)
    k = min(2, len(taxonomy.leaf_ids))
    top = TopLabels(k).decode(given_).toarray()
    leaves = top[:, taxonomy.leaf_ids]
    assert (leaves.sum(axis=1) == k).all()
    for row in range(len(top)):
        chosen = proba[row, taxonomy.leaf_ids[leaves[row] > 0]]
        assert sorted(chosen) == sorted(proba[row, taxonomy.leaf_ids])[-k:]
    for decoder in (FIXED, TopLabels(k), MaximumClosure(0.4)):
        closed = decoder.decode(given_)
        assert violation_rate(named(closed.toarray()[:, 1:], taxonomy), taxonomy=taxonomy) == 0
        assert closed[:, [0]].nnz == 0


@given(st.one_of(trees(7), dags(6)), st.integers(0, 2**16), st.sampled_from([0.3, 0.5]))
def test_maximum_closure_tries_every_set(taxonomy, seed, tau):
    given_ = marginals(taxonomy, seed)
    gains = np.log(given_.raw[:, 1:] / (1 - given_.raw[:, 1:] + 1e-15)) - np.log(tau / (1 - tau))
    found = MaximumClosure(tau).decode(given_).toarray()[:, 1:]
    n_nodes = taxonomy.n_nodes - 1
    sets = (np.arange(2**n_nodes)[:, None] >> np.arange(n_nodes)) & 1
    sets = sets[[not violations(s, taxonomy) for s in sets]]
    best = (sets @ gains.T).max(axis=0)
    assert_allclose((found * gains).sum(axis=1), best, atol=1e-6)


def expected_f1(answer, proba):
    """Try every set of true nodes, as if they were independent."""
    n = len(proba)
    truths = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    likely = np.prod(np.where(truths, proba, 1 - proba), axis=1)
    sizes = answer.sum() + truths.sum(axis=1)
    f1 = np.where(sizes > 0, 2 * (truths @ answer) / np.maximum(sizes, 1), 1.0)
    return likely @ f1


@given(st.one_of(trees(7), dags(6)), st.integers(0, 2**16), st.sampled_from([1.0, 0.3, 0.02]))
def test_expected_f1_tries_every_set(taxonomy, seed, scale):
    given_ = marginals(taxonomy, seed)
    given_.node_proba[:, 1:] *= scale
    found = ExpectedF1().decode(given_).toarray()[:, 1:]
    n_nodes = taxonomy.n_nodes - 1
    sets = (np.arange(2**n_nodes)[:, None] >> np.arange(n_nodes)) & 1
    for answer, proba in zip(found, given_.node_proba[:, 1:], strict=True):
        best = max(expected_f1(other, proba) for other in sets)
        assert expected_f1(answer, proba) == pytest.approx(best, abs=1e-9)
    assert violation_rate(found, taxonomy=taxonomy) == 0


def test_many_improbable_nodes_are_taken_together():
    from sklhier.decoders import _expected_f

    rng = np.random.default_rng(0)
    proba = -np.sort(-np.concatenate([rng.random((5, 6)), 0.02 * rng.random((5, 60))], axis=1))
    for scale in np.linspace(0.1, 1, 10):  # from no node to most of the probable ones
        part = scale * proba
        exact = _expected_f._best_sizes(part, np.zeros(5))
        found = _expected_f._best_sizes(part[:, :20], part[:, 20:].sum(axis=1))
        assert_array_equal(found, exact)
    # The mean of an inverse, against a simulation.
    drawn = rng.poisson(0.7, 200_000)
    found = _expected_f._mean_inverses(np.array([0.7]), 3)[0]
    assert_allclose(found, [(1 / (a + drawn)).mean() for a in (1, 2, 3)], atol=2e-3)


def test_bad_decoders():
    for decoder, match in (
        (
            "best_path",
            r"one of \['expected_f1', 'maximum_closure', 'risk_control', 'threshold', 'top_labels'\]",
        ),
        (SetThreshold(1.5), r"`tau` must be in \[0, 1\]"),
        (SetThreshold(min_rows=-1), "`min_rows` must be an integer of 0 or more, got -1"),
        (SetThreshold("cv"), "`tau` must be in"),
        (SetThreshold(scope="tree"), "`scope` must be one of 'global', 'level', 'node'"),
        (SetThreshold(shrinkage=-1), "`shrinkage` must be a finite number of 0 or more"),
        (MaximumClosure(0), r"`tau` must be in \(0, 1\), got 0"),
        (TopLabels(0), "`k` must be an integer of 1 or more, got 0"),
    ):
        with pytest.raises(ValueError, match=match):
            resolve_set_decoder(decoder)
    X, y = data(n_rows=30)
    for tau, match in (
        ([1.5, 0.2, 0.1], r"in \[0, 1\], got 1.5"),
        ([0.1, 0.2], "for each of the 3 levels"),
        ({"A": 0.1}, "`tau` must have a number for each node, got none for 'B'"),
    ):
        with pytest.raises(ValueError, match=match):
            model(decoder=SetThreshold(tau)).fit(X, y)
    with pytest.raises(TypeError, match="abstract method"):
        SetDecoder()
    with pytest.raises(ValueError, match="no held-out samples"):
        SetThreshold().tuned(lambda: iter(()))
    assert FIXED.tuned(None) is FIXED
    assert HeldOutSets(None, None, None).closed is None
    X, y = data(n_rows=30)
    fitted = model(base=LogisticRegression()).fit(X, y)
    with pytest.raises(IncompatiblePartsError, match="decode has none"):
        fitted.decode(fitted.predict_node_proba(X), "threshold")


# -- scikit-learn -------------------------------------------------------------------------


@pytest.mark.more
def test_searches_and_cross_validation():
    X, y = data(n_rows=120)
    table = RAGGED.binarize(y).toarray()
    search = GridSearchCV(
        model(base=GaussianNB()),
        {
            "strategy": ["per_parent", "flat"],
            "decoder__tau": [0.2, 0.5],
            "estimator__var_smoothing": [1e-9, 0.1],
        },
        scoring=make_hierarchical_scorer("f1", zero_division=0),
        cv=3,
        error_score="raise",
    )
    for target, folds in ((table, 3), (y, KFold(3))):  # an integer does not take lists
        search.set_params(cv=folds).fit(X, target)
        assert (search.cv_results_["mean_test_score"] > 0.3).all()
    for scoring in (None, "f1_micro"):
        scores = cross_val_score(model(), X, table, scoring=scoring, error_score="raise")
        assert np.isfinite(scores).all()
    assert cross_val_predict(model(), X, table).shape == table.shape
    assert cross_val_predict(model(), X, table, method="predict_proba").shape == table.shape


def test_texts_frames_and_routing():
    texts = ["owl moon", "wren sun", "ray sea", "eel sea moon"] * 10
    y = [["bird", "sky"], ["bird", "sky"], ["fish"], ["fish", "sky"]] * 10
    taxonomy = Taxonomy.from_dict({"animal": ["bird", "fish"], "place": ["sky"]})
    base = make_pipeline(TfidfVectorizer(), LogisticRegression(C=50))
    inside = HierarchicalMultiLabelClassifier(base, taxonomy=taxonomy, decoder=SetThreshold(0.5))
    assert inside.fit(texts, y).predict(["an owl", "a ray"]) == [["bird", "sky"], ["fish"]]
    outside = make_pipeline(
        TfidfVectorizer(),
        HierarchicalMultiLabelClassifier(LogisticRegression(C=50), taxonomy=taxonomy),
    )
    assert outside.fit(texts, y).score(texts, y) > 0.9
    with sklearn.config_context(enable_metadata_routing=True):
        X, labels = data(n_rows=40)
        routed = model(base=LogisticRegression().set_fit_request(sample_weight=True))
        weights = np.where(np.arange(40) < 30, 1.0, 0.0)
        found = routed.fit(X, labels, sample_weight=weights).predict_node_proba(X)
    wanted = model(base=LogisticRegression()).fit(X[:30], labels[:30]).predict_node_proba(X)
    assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.few(3)
@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "per_level", "flat", "ensemble"])
def test_partial_fit(strategy):
    X, y = data(n_rows=90)
    X -= X.min()
    whole = model(base=MultinomialNB(), strategy=strategy).fit(X, y)
    once = clone(whole).partial_fit(X, y)
    constant = np.isin(RAGGED.nodes, [n for n in RAGGED.nodes if n == "c"])
    kept = ~constant
    kept[RAGGED.ids(["c"])] = False
    assert_allclose(
        once.predict_node_proba(X)[:, kept], whole.predict_node_proba(X)[:, kept], atol=0.02
    )
    first = clone(whole).partial_fit(X[:5], [["A"]] * 5)
    assert {label for row in first.predict(X) for label in row} <= {"A"}
    second = first.partial_fit(X, y)
    assert second.unseen_nodes_ == ()
    third = clone(whole).set_params(estimator=SGDClassifier(loss="log_loss", random_state=0))
    third.partial_fit(X[:20], [["A"], ["b"]] * 10)
    unseen = RAGGED.ids(list(third.unseen_nodes_))
    assert len(unseen) == 7
    assert not third.predict_node_proba(X)[:, unseen].any()
    with pytest.raises(IncompatiblePartsError, match="partial_fit sees them in batches"):
        clone(whole).set_params(decoder="threshold").partial_fit(X, y)


def test_a_failing_call_changes_nothing():
    X, y = data(n_rows=60)
    fitted = model(base=GaussianNB())
    with pytest.raises(TargetError):
        fitted.fit(X, [["no label"]] * 60)
    with pytest.raises(NotFittedError):
        fitted.predict(X)
    fitted.fit(X, y)
    before, state = fitted.predict_node_proba(X), dict(vars(fitted))
    with pytest.raises(TargetError):
        fitted.fit(X[:, :1], [["no label"]] * 60)
    with pytest.raises(TargetError):
        fitted.partial_fit(X, [["no label"]] * 60)
    assert vars(fitted) == state
    assert_array_equal(fitted.predict_node_proba(X), before)


def test_a_decoder_of_probabilities_refuses_models_chosen_by_a_callable():
    X, y = data(n_rows=60)
    chosen = {"A": RidgeClassifier()}
    params = {"base": GaussianNB(), "node_estimators": lambda name, _: chosen.get(name)}
    with pytest.raises(IncompatiblePartsError, match="RidgeClassifier has no predict_proba"):
        model(decoder="expected_f1", **params).fit(X, y)
    assert model(**params).fit(X, y).predict(X)


def test_node_estimators_errors_and_reports():
    X, y = data(n_rows=60)
    fitted = model(
        base=GaussianNB(), node_estimators={"a": LogisticRegression(), "level:1": TREE}
    ).fit(X, y)
    kinds = {name: type(e).__name__ for name, e in fitted.estimators_.items()}
    assert kinds["children", "R"] == "DecisionTreeClassifier"  # of A, B and C at once
    assert kinds["a"] == "LogisticRegression"
    assert kinds["B1"] == "GaussianNB"

    class Fails(GaussianNB):
        def fit(self, X, y, sample_weight=None):
            raise RuntimeError("no")

    with pytest.raises(LocalFitError, match="Fails failed at node 'A', fitted on 60 row"):
        model(base=Fails()).fit(X, y)
    with pytest.raises(TargetError, match="'zz'"):
        model().fit(X, [["zz"]] * 60)
    with pytest.raises(TargetError, match="y is None"):
        model().fit(X, None)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model().fit(X, y[:-1])
    with pytest.raises(ValueError, match=r"`consistency` must be one of .* got 'mean'"):
        model(consistency="mean").fit(X, y)
    with pytest.raises(NotFittedError):
        model().predict(X)
    with pytest.raises(IncompatiblePartsError, match="sample_weight"):
        model(base=KNeighborsClassifier()).fit(X, y, sample_weight=np.ones(60))

    class OfPaths(Strategy):
        outcomes = plan = marginals = columns_per_row = None

    with pytest.raises(ValueError, match=r"`strategy` must be a SetStrategy .* got OfPaths\(\)"):
        model(strategy=OfPaths()).fit(X, y)
    with pytest.raises(IncompatiblePartsError, match=r"no sample has .* as most specific label"):
        model(strategy=PerNode("exclusive")).fit(X[:2], [["a"], []])
