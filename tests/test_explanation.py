"""Explanations: contributions sum to the models' own scores, with the right names."""

import json
import re
import sys
from itertools import pairwise

import numpy as np
import pytest
from conftest import DIAMOND, shared_data
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier.datasets import make_hierarchical_classification, make_hierarchical_text
from sklhier.decoders import HierarchicalF, Threshold
from sklhier.exceptions import IncompatiblePartsError, LeakageWarning, TaxonomyError
from sklhier.explanation import WhyNot, explain, explain_html, node_features, why_not
from sklhier.objectives import LBFGS
from sklhier.staging import Chain
from sklhier.strategies import Ensemble, PerNode, PerParent

EXACT = {"rtol": 1e-12, "atol": 1e-12}
BASES = {
    "default": None,
    "logistic": LogisticRegression(),
    "svc": LinearSVC(),
    "ridge": RidgeClassifier(),
    "sgd": SGDClassifier(random_state=0),
}


@pytest.fixture(scope="module")
def words():
    """Sparse samples of a tree with nodes of two and of three children."""
    return make_hierarchical_text(240, branching=(3, 2), random_state=0)


def decisions(table):
    """Return the sum of the contributions of each decision, by row, step, parent, chosen and foil."""
    sums = {}
    keys = zip(*(table[name] for name in ("row", "step", "parent", "chosen", "foil")), strict=True)
    for key, contribution in zip(keys, table["contribution"], strict=True):
        sums[key] = sums.get(key, 0.0) + contribution
    return sums


def scores_of(estimator, x):
    """Return a score for each class; of two classes the first has 0."""
    scores = np.ravel(estimator.decision_function(x))
    return np.array([0.0, scores[0]]) if len(scores) == 1 else scores


def children_of(model, parent):
    taxonomy = model.taxonomy_
    name = taxonomy.nodes[0] if parent == "<root>" else parent
    return name, list(taxonomy.children(name))


@pytest.mark.few(3)
@pytest.mark.parametrize("base", list(BASES))
@pytest.mark.parametrize("dense", [False, True], ids=["sparse", "dense"])
def test_contributions_sum_to_the_difference_of_scores(words, base, dense):
    X, y, taxonomy = words
    X = X.toarray() if dense else X
    model = HierarchicalClassifier(BASES[base], taxonomy=taxonomy).fit(X, y)
    for top in (None, 3):
        found = decisions(explain(model, X[:8], top=top, output="arrays"))
        assert len(found) == 16
        for (row, _, parent, chosen, foil), total in found.items():
            name, children = children_of(model, parent)
            scores = scores_of(model.estimators_[name], X[row : row + 1])
            own = scores[children.index(chosen)]
            np.testing.assert_allclose(total, own - scores[children.index(foil)], **EXACT)
            best_other = max(s for s, c in zip(scores, children, strict=True) if c != chosen)
            assert scores[children.index(foil)] == best_other
    paths = {(row, chosen) for row, _, _, chosen, _ in found}
    assert paths >= set(enumerate(model.predict(X[:8]).tolist()))


def test_log_odds_of_probabilities(words):
    X, y, taxonomy = words
    X = X.toarray()  # so that the default is one model of all classes
    model = HierarchicalClassifier(taxonomy=taxonomy).fit(X, y)
    column = {node: place for place, node in enumerate(taxonomy.nodes)}
    proba = model.predict_node_proba(X[:5])
    for (row, _, _, chosen, foil), total in decisions(
        explain(model, X[:5], output="arrays")
    ).items():
        odds = np.log(proba[row, column[chosen]] / proba[row, column[foil]])
        np.testing.assert_allclose(total, odds, rtol=1e-9)


@pytest.mark.parametrize("policy", ["siblings", "less_inclusive", "exclusive"])
def test_models_of_single_nodes(words, policy):
    X, y, taxonomy = words
    model = HierarchicalClassifier(LinearSVC(), taxonomy=taxonomy, strategy=PerNode(policy))
    model.fit(X, y)
    found = decisions(explain(model, X[:6], top=2, output="arrays"))
    assert len(found) == (6 if policy == "exclusive" else 12)
    for (row, _, _, chosen, foil), total in found.items():
        own, other = (
            model.estimators_[node].decision_function(X[row : row + 1]) for node in (chosen, foil)
        )
        np.testing.assert_allclose(total, (own - other)[0], **EXACT)


def test_all_levels_together_are_the_log_odds_of_two_answers(words):
    X, y, taxonomy = words
    X = X.toarray()
    model = HierarchicalClassifier(taxonomy=taxonomy, strategy="per_level").fit(X, y)
    foil = model.classes_[0]
    answers, proba = model.predict(X[:9]), model.predict_proba(X[:9])
    totals = np.zeros(9)
    for (row, step, parent, chosen, other), total in decisions(
        explain(model, X[:9], foil=foil, output="arrays")
    ).items():
        assert (parent, chosen) == (None, taxonomy.path(answers[row])[step - 1])
        assert other == taxonomy.path(foil)[step - 1]
        totals[row] += model.strategy_.beta * total
    chosen_proba = proba[np.arange(9), np.searchsorted(model.classes_, answers)]
    np.testing.assert_allclose(totals, np.log(chosen_proba / proba[:, 0]), rtol=1e-9, atol=1e-9)


def test_heads_of_a_joint_model_add_up_along_the_path():
    paths = ["a/x", "a/y", "b", "a", "c/z/u", "c/z/v", "c/w"]
    y, taxonomy = Taxonomy.from_paths(paths * 3)
    X = np.random.default_rng(0).normal(size=(len(y), 4))
    model = MultiHeadClassifier(taxonomy=taxonomy, alpha=0.01).fit(X, y)
    proba, answers = model.predict_proba(X), model.predict(X)
    for foil in paths:
        totals = np.zeros(len(X))
        for (row, *_), total in decisions(explain(model, X, foil=foil, output="arrays")).items():
            totals[row] += total
        place = np.searchsorted(model.classes_, answers)
        column = list(model.classes_).index(foil)
        expected = np.log(proba[np.arange(len(X)), place] / proba[:, column])
        np.testing.assert_allclose(totals, expected, atol=1e-9)
    assert len(set(answers)) > 4
    runner_up = explain(model, X, output="arrays")
    assert None not in {*runner_up["chosen"], *runner_up["foil"]}
    inner = explain(model, X, foil="c", output="arrays")
    assert set(inner["step"]) == {1}
    table = node_features(model, top=4, nodes=["c/z/u", "c/z/v"], output="arrays")
    weights = dict(
        zip(zip(table["node"], table["feature"], strict=True), table["weight"], strict=True)
    )
    assert all(weight > 0 for weight in weights.values())
    assert len(weights) == 4  # what speaks for one of two speaks against the other
    with pytest.raises(IncompatiblePartsError, match="has hidden layers"):
        explain(
            MultiHeadClassifier(
                taxonomy=taxonomy, hidden_layer_sizes=(3,), alpha=1.0, solver=LBFGS(max_iter=5000)
            ).fit(X, y),
            X,
        )


def test_flat(words):
    X, y, taxonomy = words
    model = HierarchicalClassifier(LinearSVC(), taxonomy=taxonomy, strategy="flat").fit(X, y)
    found = decisions(explain(model, X[:4], output="arrays"))
    classes = list(model.classes_)
    for (row, step, parent, chosen, foil), total in found.items():
        assert (step, parent) == (1, "<root>")
        scores = model.estimators_[taxonomy.nodes[0]].decision_function(X[row : row + 1])[0]
        expected = scores[classes.index(chosen)] - scores[classes.index(foil)]
        np.testing.assert_allclose(total, expected, **EXACT)
    with pytest.raises(IncompatiblePartsError, match="'n1' is not one of its classes"):
        explain(model, X[:4], foil="n1", output="arrays")
    model = HierarchicalClassifier(taxonomy=taxonomy, strategy="flat").fit(X, y)
    proba = model.predict_node_proba(X)
    tops, leaves = (proba[:, np.flatnonzero(taxonomy.depths == k)].max(axis=1) for k in (1, 2))
    unsure = np.argmax(tops - leaves)
    model.set_params(decoder=Threshold((tops[unsure] + leaves[unsure]) / 2))
    with pytest.raises(IncompatiblePartsError, match="is not one of its classes"):
        explain(model, X, output="arrays")


@pytest.mark.few(3)
@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "per_level", "flat"])
def test_labels_of_a_set_against_their_absence(words, strategy):
    X, y, taxonomy = words
    labels = [[label] for label in y]
    model = HierarchicalMultiLabelClassifier(LinearSVC(), taxonomy=taxonomy, strategy=strategy)
    model.fit(X, labels)
    found = decisions(explain(model, X[:6], output="arrays"))
    answers = model.predict(X[:6])
    wanted = {
        (row, node)
        for row, labels in enumerate(answers)
        for a in labels
        for node in taxonomy.path(a)
    }
    assert {(row, chosen) for row, _, _, chosen, _ in found} == wanted
    for (row, step, parent, chosen, foil), total in found.items():
        assert foil is None
        assert (step, parent) == (
            taxonomy.depth(chosen),
            ("<root>", *taxonomy.path(chosen))[step - 1],
        )
        score = model.estimators_[chosen].decision_function(X[row : row + 1])[0]
        np.testing.assert_allclose(total, score, **EXACT)
    with pytest.raises(IncompatiblePartsError, match="do not exclude each other"):
        explain(model, X[:6], foil=y[0])


def test_an_estimator_that_learns_several_outputs(words):
    X, y, taxonomy = words
    labels = [[label] for label in y]
    X = X.toarray()
    model = HierarchicalMultiLabelClassifier(RidgeClassifier(), taxonomy=taxonomy).fit(X, labels)
    found = decisions(explain(model, X[:3], output="arrays"))
    assert found
    for (row, _, parent, chosen, _), total in found.items():
        name, children = children_of(model, parent)
        key = ("children", name) if ("children", name) in model.estimators_ else chosen
        scores = np.ravel(model.estimators_[key].decision_function(X[row : row + 1]))
        own = scores[children.index(chosen)] if len(scores) > 1 else scores[0]
        np.testing.assert_allclose(total, own, **EXACT)


def test_a_dag_of_labels(words):
    X = words[0][:40]
    labels = [[["Z"], ["Q"], ["P"]][row % 3] for row in range(40)]
    model = HierarchicalMultiLabelClassifier(LinearSVC(), taxonomy=DIAMOND, strategy="flat")
    model.fit(X, labels)
    table = explain(model, X[:9], output="arrays")
    assert set(table["parent"][table["chosen"] == "Z"]) == {None}
    assert set(table["parent"][table["chosen"] == "P"]) == {"R"}
    # Nodes of one level of one sample one after the other, each with all of its lines.
    keys = list(zip(table["row"], table["step"], table["chosen"], strict=True))
    n_runs = 1 + sum(one != other for one, other in pairwise(keys))
    assert n_runs == len(set(keys)) > len({key[:2] for key in keys})


# -- the foil -----------------------------------------------------------------------------


def test_a_label_as_foil_is_met_where_paths_part(words):
    X, y, taxonomy = words
    model = HierarchicalClassifier(LinearSVC(), taxonomy=taxonomy).fit(X, y)
    answers = model.predict(X[:20])
    foil = answers[0]
    found = decisions(explain(model, X[:20], foil=foil, output="arrays"))
    expected = set()
    for row, answer in enumerate(answers):
        pairs = zip(taxonomy.path(answer), taxonomy.path(foil), strict=True)
        parted = [(step, own, other) for step, (own, other) in enumerate(pairs, 1) if own != other]
        expected |= {(row, *parted[0])} if parted else set()
    assert {(row, step, chosen, other) for row, step, _, chosen, other in found} == expected
    top = taxonomy.path(foil)[0]
    above = decisions(explain(model, X[:20], foil=top, output="arrays"))
    inside = {row for row, answer in enumerate(answers) if taxonomy.path(answer)[0] == top}
    assert {row for row, *_ in above} == set(range(20)) - inside
    with pytest.raises(TaxonomyError, match="nowhere"):
        explain(model, X, foil="nowhere")


def test_an_early_stop_is_explained_where_it_was_learnt():
    X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 2]])
    y, taxonomy = Taxonomy.from_paths(["a", "a/x", "a/y", "b", "b", "a"])
    base = LogisticRegression(C=100)
    model = HierarchicalClassifier(base, taxonomy=taxonomy, strategy=PerParent(stop="learn"))
    model.fit(X, y)
    x = X[y == "a"]
    rows = model.predict(x) == "a"
    assert rows.any()
    table = explain(model, x, output="arrays")
    stops = (table["step"] == 2) & (table["chosen"] == "a")
    assert set(table["row"][stops]) == set(np.flatnonzero(rows))
    assert set(table["parent"][stops]) == {"a"}
    # Without it the answer has no decision at its end.
    stopping = HierarchicalClassifier(taxonomy=taxonomy, decoder="threshold").fit(X, y)
    stopping.set_params(decoder="threshold")
    found = explain(stopping, X, output="arrays")
    answers = stopping.predict(X)
    assert all(answers[row] != "a" for row in found["row"][found["step"] == 2])


def test_a_label_that_was_never_seen(words):
    X, y, taxonomy = words
    wider = taxonomy.graft([(taxonomy.nodes[1], "new")])
    model = HierarchicalClassifier(LinearSVC(), taxonomy=wider).fit(X, y)
    with pytest.raises(ValueError, match="'new' had no training sample"):
        explain(model, X, foil="new")


@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "per_level", "flat"])
def test_what_no_batch_had_is_no_foil(words, strategy):
    X, y, taxonomy = words
    seen = np.isin(y, ["n1.1", "n1.2", "n2.1"])
    base = SGDClassifier(random_state=0)
    model = HierarchicalClassifier(base, taxonomy=taxonomy, strategy=strategy)
    model.partial_fit(X[seen], y[seen])
    table = explain(model, X[:9], output="arrays")
    assert set(table["foil"]) <= {"n1", "n2", "n1.1", "n1.2", "n2.1"}
    assert len(table["foil"])


def test_paths_as_foil():
    y = np.array([["a", "x"], ["a", "y"], ["b", "x"]])
    model = HierarchicalClassifier(LinearSVC()).fit(np.eye(3), y)
    found = decisions(explain(model, np.eye(3), foil=("a", "y"), output="arrays"))
    assert {(row, step, foil) for row, step, _, _, foil in found} == {(0, 2, "a/y"), (2, 1, "a")}


# -- features and their names -------------------------------------------------------------

TEXTS = ["cat purrs loud", "dog barks loud", "car tyres", "cat sleeps", "dog runs", "car runs"]
LABELS, PETS = Taxonomy.from_paths(["pet/cat", "pet/dog", "car", "pet/cat", "pet/dog", "car"])


def test_names_of_words_from_pipelines_around_and_inside():
    outer = make_pipeline(CountVectorizer(), HierarchicalClassifier(LinearSVC(), taxonomy=PETS))
    inner = HierarchicalClassifier(make_pipeline(CountVectorizer(), LinearSVC()), taxonomy=PETS)
    search = GridSearchCV(outer, {"hierarchicalclassifier__estimator__C": [1.0]}, cv=2)
    for model in (outer, inner, search):
        table = explain(model.fit(TEXTS, LABELS), ["cat barks"], output="arrays")
        first = table["step"] == 1
        assert set(table["feature"][first]) == {"cat", "barks", "<intercept>"}
        assert table["value"][table["feature"] == "cat"].tolist() == [1.0, 1.0]
        weights = node_features(model, top=1, nodes=["car"], output="arrays")
        assert weights["feature"].tolist() == ["car"]


def test_features_inside_are_what_the_local_model_sees():
    X = np.array([[1.0, 5], [2, 1], [9, 3], [8, 2], [7, 1], [3, 0]])
    base = make_pipeline(StandardScaler(), LogisticRegression())
    model = HierarchicalClassifier(base, taxonomy=PETS).fit(X, LABELS)
    found = explain(model, X[:2], top=None, output="arrays")
    for (row, _, parent, chosen, _), total in decisions(found).items():
        name, children = children_of(model, parent)
        score = scores_of(model.estimators_[name], X[row : row + 1])
        np.testing.assert_allclose(total, abs(score[1]) if len(score) == 2 else 0, **EXACT)
        assert children[int(score.argmax())] == chosen
    assert set(found["feature"]) == {"x0", "x1", "<intercept>"}


def test_hashed_words_are_numbered_with_a_warning():
    hashed = make_pipeline(HashingVectorizer(n_features=64), TfidfTransformer())
    model = make_pipeline(hashed, HierarchicalClassifier(LinearSVC(), taxonomy=PETS))
    model.fit(TEXTS, LABELS)
    with pytest.warns(UserWarning, match="they are numbered"):
        table = explain(model, TEXTS[:1], output="arrays")
    assert all(name[0] in "x<" for name in table["feature"])


def test_entries_that_are_stored_twice_count_together():
    model = HierarchicalClassifier(LinearSVC(), taxonomy=PETS).fit(np.eye(6), LABELS)
    twice = sparse.csr_array((np.array([0.25, 0.75]), np.array([2, 2]), [0, 2]), shape=(1, 6))
    once = np.eye(6)[2:3]
    found, expected = (explain(model, x, top=1, output="arrays") for x in (twice, once))
    for column in found:
        np.testing.assert_array_equal(found[column], expected[column])


def test_names_of_columns_and_rows_of_a_frame():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(np.eye(6, 3), columns=["u", "v", "w"], index=list("abcdef"))
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=PETS).fit(X, LABELS)
    table = explain(model, X[:2])
    assert set(table["feature"]) <= {"u", "v", "w", "<intercept>"}
    assert set(table["row"]) == {"a", "b"}
    assert table.dtypes["contribution"] == np.float64
    columns = ["row", "step", "parent", "chosen", "foil", "feature", "value", "contribution"]
    assert list(table.columns) == columns


def test_polars_and_names_that_are_numbers():
    pytest.importorskip("polars")
    taxonomy = Taxonomy.from_dict({1: [11, 12], 2: []})
    model = HierarchicalClassifier(taxonomy=taxonomy).fit(np.eye(3), [11, 12, 2])
    table = explain(model, np.eye(3), output="polars")
    assert set(table["parent"]) == {"<root>", "1"}
    assert node_features(model, output="polars")["node"].unique().to_list()


def test_compressed_models_have_the_same_explanations(words):
    X, y, taxonomy = words
    model = HierarchicalClassifier(LinearSVC(), taxonomy=taxonomy).fit(X, y)
    before = decisions(explain(model, X[:5], output="arrays"))
    after = decisions(explain(model.compress(), X[:5], output="arrays"))
    assert before.keys() == after.keys()
    np.testing.assert_allclose(list(after.values()), list(before.values()), rtol=1e-4)


def test_rows_are_explained_alone_as_together(words):
    X, y, taxonomy = words
    model = HierarchicalClassifier(taxonomy=taxonomy).fit(X, y)
    together = explain(model, sparse.vstack([X] * 2).tocsr(), output="arrays")  # several blocks
    alone = explain(model, X[7:8], output="arrays")
    here = np.flatnonzero(together["row"] == 247)
    for column in set(alone) - {"row"}:
        np.testing.assert_array_equal(together[column][here], alone[column])


def test_the_largest_contributions_first_and_the_rest_as_one(words):
    X, y, taxonomy = words
    model = HierarchicalClassifier(LinearSVC(), taxonomy=taxonomy).fit(X, y)
    full = explain(model, X[:1], top=None, output="arrays")
    part = explain(model, X[:1], top=2, output="arrays")
    for step in (1, 2):
        whole, cut = (table["contribution"][table["step"] == step] for table in (full, part))
        names = part["feature"][part["step"] == step]
        assert names[2:].tolist() == ["<others>", "<intercept>"]
        sizes = np.abs(whole[:-1])
        assert (np.diff(sizes) <= 0).all()
        np.testing.assert_array_equal(cut[:2], whole[:2])
        np.testing.assert_allclose(cut[2], whole[2:-1].sum(), **EXACT)
    values = part["value"][np.isin(part["feature"], ["<others>", "<intercept>"])]
    assert np.isnan(values).all()


def test_the_worked_case():
    cases = json.loads((shared_data("../oracles") / "next.json").read_text("utf-8"))
    case = {case["id"]: case for case in cases}["explain-three-classes"]
    given, expected = case["input"], case["expected"]
    taxonomy = Taxonomy.flat(["a", "b", "c"])
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=taxonomy, random_state=0)
    model.fit(np.eye(3), ["a", "b", "c"])
    (local,) = model._model.models[0].values()
    local.estimator.coef_ = np.array(given["W"])
    local.estimator.intercept_ = np.array(given["b"])
    table = explain(model, [given["x"]], top=None, output="arrays")
    by_name = dict(zip(table["feature"], table["contribution"], strict=True))
    found = [by_name.get(f"x{place}", 0.0) for place in range(3)]
    np.testing.assert_allclose(found, expected["contributions"], atol=case["tol"])
    np.testing.assert_allclose(by_name["<intercept>"], expected["intercept"], atol=case["tol"])
    np.testing.assert_allclose(sum(by_name.values()), expected["total"], atol=case["tol"])
    classes = [*"abc"]
    assert set(table["chosen"]) == {classes[expected["chosen"]]}
    assert set(table["foil"]) == {classes[expected["runner_up"]]}


# -- nodes --------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["per_parent", "per_node", "per_level", "flat"])
def test_weights_relative_to_siblings(words, strategy):
    X, y, taxonomy = words
    model = HierarchicalClassifier(LinearSVC(), taxonomy=taxonomy, strategy=strategy).fit(X, y)
    table = node_features(model, top=4, output="arrays")
    levels = {"per_level": taxonomy.levels[1], "flat": taxonomy.leaves}
    for node in set(table["node"]):
        above = (taxonomy.nodes[0], *taxonomy.path(node))[-2]
        siblings = levels.get(strategy) or taxonomy.children(above)
        siblings = [*siblings] if node in siblings else [*taxonomy.levels[0]]
        if strategy == "per_node":
            weights = np.vstack([model.estimators_[sibling].coef_ for sibling in siblings])
        else:
            level = taxonomy.depth(node)
            above = taxonomy.nodes[0] if strategy == "flat" else above
            key = f"level:{level}" if strategy == "per_level" else above
            weights = model.estimators_[key].coef_
            weights = np.vstack([0 * weights, weights]) if len(weights) == 1 else weights
        own = siblings.index(node)
        relative = weights[own] - np.delete(weights, own, axis=0).mean(axis=0)
        expected = np.sort(relative[relative > 0])[::-1][:4]
        np.testing.assert_allclose(table["weight"][table["node"] == node], expected, **EXACT)
    assert (set(table["node"]) == set(taxonomy.nodes[1:])) == (strategy != "flat")


def test_weights_of_labels_of_a_set(words):
    X, y, taxonomy = words
    model = HierarchicalMultiLabelClassifier(LinearSVC(), taxonomy=taxonomy)
    model.fit(X, [[label] for label in y])
    node = taxonomy.leaves[0]
    table = node_features(model, top=3, nodes=[node], output="arrays")
    expected = np.sort(model.estimators_[node].coef_[0])[::-1][:3]
    np.testing.assert_allclose(table["weight"], expected, **EXACT)


# -- why not another label ----------------------------------------------------------------


def test_the_fewest_features_without_which_a_decision_flips(words):
    X, y, taxonomy = words
    X = X[:, :60].toarray()  # so few that the difference of a few decides
    model = HierarchicalClassifier(LogisticRegression(C=0.1), taxonomy=taxonomy).fit(X, y)
    for row, answer in enumerate(model.predict(X[:12])):
        label = next(name for name in taxonomy.leaves if name != answer)
        reason = why_not(model, X[row], label)
        path = zip(taxonomy.path(answer), taxonomy.path(label), strict=True)
        assert (reason.chosen, reason.foil) == next(p for p in path if p[0] != p[1])
        name, children = children_of(model, reason.parent)

        def difference(x, reason=reason, name=name, children=children):
            scores = scores_of(model.estimators_[name], x[None])
            return scores[children.index(reason.chosen)] - scores[children.index(reason.foil)]

        np.testing.assert_allclose(reason.difference, difference(X[row]), **EXACT)
        x = X[row].copy()
        x[[int(feature[1:]) for feature in reason.features]] = 0
        np.testing.assert_allclose(reason.difference_without, difference(x), **EXACT)
        scores = scores_of(model.estimators_[name], x[None])
        assert children[int(scores.argmax())] == reason.winner
        if not reason.flips:
            assert reason.difference_without >= 0
            continue
        assert reason.difference_without < 0
        # The largest of all sums of one feature less is not enough.
        parts = np.sort([X[row][j] * difference_of(difference, X[row], j) for j in range(60)])[
            ::-1
        ]
        assert parts[: len(reason.features) - 1].sum() <= reason.difference + 1e-12


def difference_of(difference, x, column):
    """Return the slope of a linear function in one column."""
    without, with_ = x.copy(), x.copy()
    without[column], with_[column] = 0, 1
    return difference(with_) - difference(without)


def test_why_not_in_words():
    model = make_pipeline(CountVectorizer(), HierarchicalClassifier(LinearSVC(), taxonomy=PETS))
    model.fit(TEXTS, LABELS)
    reason = why_not(model, "cat", "pet/dog")
    assert (reason.parent, reason.chosen, reason.features) == ("pet", "pet/cat", ("cat",))
    assert "'pet/cat' is ahead of 'pet/dog' below 'pet' by" in str(reason)
    assert why_not(model, ["cat"], ("pet", "dog")) == reason
    for label in ("pet/cat", "pet"):
        with pytest.raises(ValueError, match="No decision separates"):
            why_not(model, "cat", label)
    with pytest.raises(ValueError, match="one sample, got 2"):
        why_not(model, ["cat", "dog"], "car")
    sets = HierarchicalMultiLabelClassifier(LinearSVC(), taxonomy=PETS)
    sets = make_pipeline(CountVectorizer(), sets).fit(TEXTS, [[label] for label in LABELS])
    with pytest.raises(IncompatiblePartsError, match="predicts sets of labels"):
        why_not(sets, "cat", "car")


def test_an_answer_that_lost_its_first_decision():
    taxonomy = Taxonomy.from_dict({"A": ["a1", "a2", "a3"], "B": []})
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=taxonomy)
    model.fit(np.eye(4), ["a1", "a2", "a3", "B"])
    for local in model._model.models[0].values():
        local.estimator.coef_ = np.zeros_like(local.estimator.coef_)
        local.estimator.intercept_ = np.zeros_like(local.estimator.intercept_)
    root = next(iter(model._model.models[0].values())).estimator
    root.coef_[0, 0], root.intercept_[0] = 0.5, -0.6
    reason = why_not(model, [1.0, 0, 0, 0], "a1")  # A has 0.525, but B is more than its thirds
    assert (reason.chosen, reason.foil, reason.winner) == ("B", "A", "A")
    np.testing.assert_allclose([reason.difference, reason.difference_without], -0.1)
    assert reason.features == ()
    assert "other decisions made the answer" in str(reason)


def test_sentences_of_reasons():
    reason = WhyNot("r", "a", "b", 1.0, ("u", "v"), (0.9, 0.8), -0.7, flips=True, winner="b")
    assert str(reason) == "'a' is ahead of 'b' below 'r' by 1. Not without 'u', 'v'."
    other = WhyNot(None, "a", "b", 1.0, ("u",) * 12, (0.9,) * 12, -0.7, flips=True, winner="c")
    assert str(other).startswith("'a' is ahead of 'b' by 1. Not without 'u', ")
    assert str(other).endswith(" and 2 more. 'c' would win.")
    stays = WhyNot("r", "a", "b", 2.0, ("u",), (0.5,), 1.5, flips=False, winner="a")
    assert str(stays).endswith(" It would stay ahead without all the features that favour it.")
    behind = WhyNot("r", "a", "b", -2.0, (), (), -2.0, flips=True, winner="b")
    assert "'b' is ahead of 'a' below 'r' by 2; other decisions" in str(behind)


# -- words in colour ----------------------------------------------------------------------


def marks(html):
    """Return what each marked word contributes, and the word, section by section."""
    sections = re.findall(r"<section>(.*?)</section>", html, flags=re.DOTALL)
    found = r'title="([-+.e0-9]+)">(.*?)</mark>'
    return [[(float(n), word) for n, word in re.findall(found, part)] for part in sections]


@pytest.mark.parametrize("inside", [False, True])
def test_marked_words_have_the_contributions_of_their_features(inside):
    words = TfidfVectorizer(ngram_range=(1, 2), stop_words=["loud"], strip_accents="unicode")
    if inside:
        base = make_pipeline(words, LinearSVC())
        model = HierarchicalClassifier(base, taxonomy=PETS).fit(TEXTS, LABELS)
    else:
        base = HierarchicalClassifier(LinearSVC(), taxonomy=PETS)
        model = make_pipeline(words, base).fit(TEXTS, LABELS)
    texts = ["C\u00e1t loud & purrs <b>cat</b> cat", "Car runs!"]
    html = explain_html(model, texts)
    table = explain(model, texts, top=None, output="arrays")
    places = [(0, 1), (0, 2), (1, 1)]
    for (row, step), found in zip(places, marks(html), strict=True):
        here = (table["row"] == row) & (table["step"] == step)
        here &= table["feature"] != "<intercept>"
        total = table["contribution"][here].sum()
        np.testing.assert_allclose(sum(n for n, _ in found), total, rtol=0.02)
    first = [word for _, word in marks(html)[0]]
    assert first == ["C&#225;t", "purrs", "cat", "cat"]
    assert "&lt;b&gt;" in html
    assert html.isascii()
    assert "<b>" not in html
    assert "<script" not in html
    assert "&amp;" in html


def test_names_of_nodes_are_escaped_and_colours_tell_for_from_against():
    taxonomy = Taxonomy.from_dict({"<i>": ["a&b", "c"], "d": []})
    labels = ["a&b", "c", "d", "a&b", "c", "d"]
    model = make_pipeline(
        CountVectorizer(), HierarchicalClassifier(LinearSVC(), taxonomy=taxonomy)
    )
    html = explain_html(model.fit(TEXTS, labels), "cat cat barks")
    assert "&lt;i&gt; rather than d" in html
    assert "a&amp;b rather than c" in html
    assert "<i>" not in html
    for mark in re.findall(r"<mark .*?>", html):
        assert ("rgba(0,114,178" in mark) == ('title="+' in mark)
    assert 'title="-' in html


def test_html_needs_words():
    chars = make_pipeline(
        CountVectorizer(analyzer="char"), HierarchicalClassifier(LinearSVC(), taxonomy=PETS)
    )
    numbers = HierarchicalClassifier(LinearSVC(), taxonomy=PETS).fit(np.eye(6), LABELS)
    with pytest.raises(IncompatiblePartsError, match="analyzer='char'"):
        explain_html(chars.fit(TEXTS, LABELS), TEXTS)
    with pytest.raises(TypeError, match="sequence of texts"):
        explain_html(numbers, np.eye(6))


# -- what cannot be explained -------------------------------------------------------------


@pytest.mark.more
def test_what_has_no_exact_sums_is_refused(words):
    X, y, taxonomy = words
    neighbours = HierarchicalClassifier(KNeighborsClassifier(), taxonomy=taxonomy)
    ensemble = HierarchicalClassifier(taxonomy=taxonomy, strategy=Ensemble())
    chained = HierarchicalClassifier(taxonomy=taxonomy, chain=Chain(training="in_sample"))
    joint = make_pipeline(MultiHeadMultiLabelClassifier(taxonomy=taxonomy))
    inside = HierarchicalClassifier(
        make_pipeline(TfidfTransformer(), LinearSVC()), taxonomy=taxonomy, strategy="per_node"
    )
    sets = HierarchicalClassifier(taxonomy=taxonomy, decoder=HierarchicalF(answer="set"))
    with pytest.warns(LeakageWarning):
        chained.fit(X, y)
    for model, why in (
        (neighbours, "is decided by a KNeighborsClassifier"),
        (ensemble, "come from several models"),
        (chained, "uses outputs of other models"),
        (joint, "one model of all labels"),
        (inside, "transformers of its own"),
        (sets, "answers with sets"),
    ):
        labels = [[label] for label in y] if model is joint else y
        fitted = model if model is chained else model.fit(X, labels)
        with pytest.raises(IncompatiblePartsError, match=why):
            explain(fitted, X[:2], output="arrays")


def test_parameters_are_checked(words):
    X, y, taxonomy = words
    model = HierarchicalClassifier(LinearDiscriminantAnalysis(), taxonomy=taxonomy)
    model.fit(X.toarray()[:, :20], y)
    explain(model, X.toarray()[:2, :20], output="arrays")
    for params in ({"top": 0}, {"output": "csv"}):
        with pytest.raises(ValueError, match=next(iter(params))):
            explain(model, X.toarray()[:2, :20], **params)


def test_an_empty_table_has_the_same_columns(words):
    X, y, taxonomy = words
    model = HierarchicalClassifier(LinearSVC(), taxonomy=taxonomy).fit(X, y)
    answer = model.predict(X[:1])[0]
    table = explain(model, X[:1], foil=answer, output="arrays")
    assert {len(column) for column in table.values()} == {0}
    assert list(table) == list(explain(model, X[:1], output="arrays"))


# -- trees --------------------------------------------------------------------------------

TREES = {
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
    "forest": RandomForestClassifier(4, max_depth=4, random_state=0),
    "boosted": HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=5, random_state=0),
}


def tree_scores(estimator, x):
    """Return a score for each class: log-odds of boosted trees, else probabilities."""
    if isinstance(estimator, HistGradientBoostingClassifier):
        return scores_of(estimator, x)
    return estimator.predict_proba(x)[0]


@pytest.fixture(scope="module")
def table_of_numbers():
    return make_hierarchical_classification(120, 5, branching=(3, 2), random_state=0)


@pytest.mark.parametrize("base", list(TREES))
@pytest.mark.parametrize("strategy", ["per_parent", "per_level", "flat"])
def test_contributions_of_trees_sum_to_the_difference_of_scores(table_of_numbers, base, strategy):
    pytest.importorskip("shap")
    X, y, taxonomy = table_of_numbers
    model = HierarchicalClassifier(TREES[base], taxonomy=taxonomy, strategy=strategy).fit(X, y)
    table = explain(model, X[:6], top=2, output="arrays")
    sums = decisions(table)
    assert {row for row, *_ in sums} == set(range(6))
    for (row, step, parent, chosen, foil), total in sums.items():
        key = f"level:{step}" if strategy == "per_level" else parent
        outcomes = {
            "per_parent": list(children_of(model, parent)[1]) if parent else None,
            "per_level": list(taxonomy.levels[step - 1]),
            "flat": list(taxonomy.leaves),
        }[strategy]
        codes = [outcomes.index(name) for name in (chosen, foil)]
        estimator = {str(name): one for name, one in model.estimators_.items()}[key]
        scores = tree_scores(estimator, X[row : row + 1])
        assert_allclose(total, np.subtract(*scores[codes]), atol=1e-6)


@pytest.mark.parametrize("base", list(TREES))
def test_models_of_single_nodes_and_label_sets(table_of_numbers, base):
    pytest.importorskip("shap")
    X, y, taxonomy = table_of_numbers
    single = HierarchicalClassifier(TREES[base], taxonomy=taxonomy, strategy="per_node").fit(X, y)
    for (row, *_, chosen, foil), total in decisions(
        explain(single, X[:4], output="arrays")
    ).items():
        models = [single.estimators_[node] for node in (chosen, foil)]
        of_node, of_foil = (tree_scores(model, X[row : row + 1])[1] for model in models)
        assert_allclose(total, of_node - of_foil, atol=1e-6)
    sets = HierarchicalMultiLabelClassifier(TREES[base], taxonomy=taxonomy, strategy="per_node")
    sets = sets.fit(X, [[label] for label in y])
    found = decisions(explain(sets, X[:4], output="arrays"))
    assert found
    for (row, *_, chosen, foil), total in found.items():
        scores = tree_scores(sets.estimators_[chosen], X[row : row + 1])
        assert foil is None
        assert_allclose(total, scores[1] - scores[0], atol=1e-6)


def test_a_forest_of_several_labels_at_once_is_refused(table_of_numbers):
    X, y, taxonomy = table_of_numbers
    sets = HierarchicalMultiLabelClassifier(TREES["forest"], taxonomy=taxonomy)
    sets.fit(X, [[label] for label in y])
    with pytest.raises(IncompatiblePartsError, match="learns several at once"):
        explain(sets, X[:4])


def test_trees_have_no_weights(table_of_numbers):
    pytest.importorskip("shap")
    X, y, taxonomy = table_of_numbers
    model = HierarchicalClassifier(TREES["tree"], taxonomy=taxonomy).fit(X, y)
    with pytest.raises(IncompatiblePartsError, match="node_features"):
        node_features(model)
    answer = model.predict(X[:1])[0]
    other = next(label for label in model.classes_ if label != answer)
    with pytest.raises(IncompatiblePartsError, match="why_not"):
        why_not(model, X[:1], other)


def test_a_forest_of_words_behind_a_vectorizer():
    pytest.importorskip("shap")
    texts = ["cat purrs", "dog barks", "car tyres"] * 4
    y, taxonomy = Taxonomy.from_paths(["pet/cat", "pet/dog", "car"] * 4)
    base = make_pipeline(CountVectorizer(), TREES["forest"])
    model = HierarchicalClassifier(base, taxonomy=taxonomy).fit(texts, y)
    table = explain(model, ["a cat purrs"], output="arrays")
    assert {"cat", "purrs"} & set(table["feature"])
    assert "<mark" in explain_html(model, ["a cat purrs"])


def test_trees_need_shap(table_of_numbers, monkeypatch):
    X, y, taxonomy = table_of_numbers
    model = HierarchicalClassifier(TREES["tree"], taxonomy=taxonomy).fit(X, y)
    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(ImportError, match="pip install shap"):
        explain(model, X[:1])


def test_linear_models_and_trees_are_not_compared(table_of_numbers):
    pytest.importorskip("shap")
    X, y, taxonomy = table_of_numbers
    first = taxonomy.levels[0][0]
    model = HierarchicalClassifier(
        LogisticRegression(),
        taxonomy=taxonomy,
        strategy="per_node",
        node_estimators={first: TREES["tree"]},
    ).fit(X, y)
    with pytest.raises(IncompatiblePartsError, match="models of one kind"):
        explain(model, X)
