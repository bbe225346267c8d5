"""Thresholds with a guarantee: against slow definitions, and what is refused."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import skops.io as skops
from conftest import DIAMOND
from generators import trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import binom
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from test_decoders import ANY, each_way, marginals_of

import sklhier
from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier._utils import digests
from sklhier._utils.digests import kept_digests, n_known, row_digests
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import (
    BestPath,
    Conformal,
    HeldOutPaths,
    HeldOutSets,
    RiskControl,
    SetMarginals,
    Threshold,
    TopDown,
)
from sklhier.decoders._conformal import RowGroups
from sklhier.decoders._conformal_scores import GroupedScores, rows_needed
from sklhier.decoders._risk_bounds import fixed_sequence, hoeffding_bentkus_p_values
from sklhier.decoders._risk_control import _GRID
from sklhier.exceptions import (
    IncompatiblePartsError,
    LeakageWarning,
    RareClassWarning,
    TargetError,
    TaxonomyError,
)
from sklhier.persistence import trusted_types

X, Y, TREE = make_hierarchical_classification(
    460, 5, branching=(3, 2), class_sep=0.6, random_state=0
)
FIT, CAL, NEW = slice(0, 160), slice(160, 310), slice(310, 460)
SETS = [sorted({a, b}) for a, b in zip(Y.tolist(), np.roll(Y, 1).tolist(), strict=True)]
OF_SETS = X + np.roll(X, 1, axis=0)


def paths_model(**params):
    return HierarchicalClassifier(GaussianNB(), taxonomy=TREE, cv=KFold(3), **params)


def joint_model(**params):
    return MultiHeadClassifier(TREE, alpha=0.01, cv=KFold(3), **params)


def sets_model(**params):
    return HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=TREE, cv=KFold(3), **params)


def joint_sets_model(**params):
    return MultiHeadMultiLabelClassifier(TREE, alpha=0.01, cv=KFold(3), **params)


PATH_MODELS = [paths_model, joint_model]
SET_MODELS = [sets_model, joint_sets_model]


def is_right(answer, truth, taxonomy=TREE):
    return answer is None or answer == truth or answer in taxonomy.ancestors(truth)


# -- quantiles ---------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=25),
    st.sampled_from([0.05, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95]),
)
def test_thresholds_are_the_kth_smallest_of_their_group(rows, level):
    scores = np.array([score for score, _ in rows], dtype=float)
    groups = np.array([group for _, group in rows], dtype=int)
    found = GroupedScores.of(scores, np.full(len(rows), 0.3), groups, 4)
    for group in range(4):
        own = sorted(scores[groups == group])
        k = -int(-round((len(own) + 1) * level, 6) // 1)
        wanted = own[k - 1] if k <= len(own) else np.inf
        assert found.ranks(level)[group] == k
        assert found.thresholds(level)[group] == wanted
        assert (k <= len(own)) == (len(own) >= rows_needed(level))
        assert found.counts[group] == len(own)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=20))
def test_weighted_thresholds(rows):
    scores, weights = np.array(rows, dtype=float).T
    found = GroupedScores.of(scores, weights, np.zeros(len(rows), dtype=int), 1).thresholds(0.6)
    needed = 0.6 * (weights.sum() + weights.mean()) - 1e-6
    enough = [s for s in sorted(scores) if weights[scores <= s].sum() >= needed]
    assert found == [min(enough, default=np.inf)]


@pytest.mark.parametrize("n", [9, 19, 50, 500])
def test_coverage_of_exchangeable_scores(n):
    n_draws = 200_000 // n
    draws = np.random.default_rng(n).random((n_draws, n + 1))
    flat = GroupedScores.of(
        draws[:, :n].ravel(), np.ones(n_draws * n), np.repeat(np.arange(n_draws), n), n_draws
    )
    right = draws[:, n] <= flat.thresholds(0.9)
    wanted = np.ceil((n + 1) * 0.9 - 1e-9) / (n + 1)
    assert right.mean() == pytest.approx(wanted, abs=4 * np.sqrt(0.09 / n_draws))


# -- nested paths and sets, slowly -------------------------------------------------------------


def slow_path(tree, outcomes, proba, nodes, row, path):
    """Return the nodes on the predicted path of a row."""
    marginals, _ = marginals_of(tree, outcomes, proba)
    end = (BestPath() if path == "best" else TopDown()).decode(marginals)[row]
    way = [] if end == 0 else [int(end)]
    while way and tree.parent_ids[way[0]] != 0:
        way.insert(0, int(tree.parent_ids[way[0]]))
    return way


def own_and_above(tree, node):
    way = {int(node)}
    while node:
        node = int(tree.parent_ids[node])
        way.add(node)
    return way


@given(ANY, st.data(), st.sampled_from(["best", "top_down"]), st.sampled_from([None, "top", 2]))
def test_paths_stop_as_the_definition_says(case, data, path, by):
    tree, outcomes, proba = case
    by = None if by == 2 and tree.n_levels < 2 else by
    _, nodes = marginals_of(tree, outcomes, proba)
    n_rows = len(proba)
    any_node = st.integers(1, tree.n_nodes - 1)
    true = np.array(data.draw(st.lists(any_node, min_size=n_rows, max_size=n_rows)), np.int32)
    level = data.draw(st.sampled_from([0.3, 0.5, 0.7]))
    decoder = Conformal(level, path, by)

    ways = [slow_path(tree, outcomes, proba, nodes, row, path) for row in range(n_rows)]
    groups = []
    for way in ways:
        above = way[: {None: 0, "top": 1, 2: 2}[by]]
        groups.append(above[-1] if above else 0)
    scores = [
        max(
            [nodes[row, node] for node in way if node not in own_and_above(tree, true[row])] or [0]
        )
        for row, way in enumerate(ways)
    ]
    for given_as in each_way(tree, outcomes, proba)[:2]:
        learnt = decoder.calibrated([HeldOutPaths(given_as, true, np.ones(n_rows))], "calibration")
        answers = learnt.decode(given_as)
        for row, way in enumerate(ways):
            own = sorted(scores[i] for i in range(n_rows) if groups[i] == groups[row])
            k = int(np.ceil((len(own) + 1) * level - 1e-9))
            theta = own[k - 1] if k <= len(own) else np.inf
            wanted = [node for node in way if nodes[row, node] > theta]
            assert answers[row] == (wanted[-1] if wanted else 0)


@given(ANY, st.data())
def test_sets_hold_what_is_likely_enough(case, data):
    tree, outcomes, proba = case
    n_rows = len(proba)
    any_node = st.integers(1, tree.n_nodes - 1)
    true = np.array(data.draw(st.lists(any_node, min_size=n_rows, max_size=n_rows)), np.int32)
    level = data.draw(st.sampled_from([0.3, 0.5, 0.7]))
    answers = outcomes.answers.tolist()
    scores = []
    for row, node in enumerate(true.tolist()):
        below = [proba[row, a] for a in answers if node in own_and_above(tree, a)]
        scores.append(1 - max(below) if below else np.inf)
    k = int(np.ceil((n_rows + 1) * level - 1e-9))
    limit = sorted(scores)[k - 1] if k <= n_rows else np.inf
    for given_as in each_way(tree, outcomes, proba)[:2]:
        parts = [HeldOutPaths(given_as, true, np.ones(n_rows))]
        closed = Conformal(0.9).calibrated(parts, "calibration").prediction_sets(given_as, level)
        for row in range(n_rows):
            wanted = set(range(1, tree.n_nodes))
            if np.isfinite(limit):
                kept = [a for a in answers if 1 - proba[row, a] <= limit]
                wanted = {n for a in kept for n in own_and_above(tree, a)} - {0}
            assert set(closed[[row]].indices.tolist()) == wanted
            if scores[row] <= limit:
                assert true[row] in wanted


# -- conformalize --------------------------------------------------------------------------------


@pytest.mark.parametrize("make", PATH_MODELS)
def test_a_calibrated_model_holds_its_level(make):
    model = make().fit(X[FIT], Y[FIT])
    model.set_params(decoder=Conformal(0.8))
    assert model.conformalize(X[CAL], Y[CAL]) is model
    answers = model.predict(X[NEW])
    right = [is_right(a, t) for a, t in zip(answers, Y[NEW].tolist(), strict=True)]
    assert np.mean(right) > 0.72
    assert 0.1 < np.mean([a is None for a in answers]) < 0.6
    report = model.conformal_report_
    assert report.dtype.names[0] == "group"
    assert report[0].tolist()[1:3] == (150, 121)
    assert report["n_needed"] == 4
    assert report["source"] == "calibration"
    # As the definition says, from what the model gives.
    proba = model.predict_node_proba(X[CAL])
    best = proba[:, TREE.ids(model.classes_.tolist())].argmax(axis=1)
    scores = []
    for row, (label, truth) in enumerate(zip(model.classes_[best], Y[CAL].tolist(), strict=True)):
        way = [n for n in TREE.path(label) if n not in TREE.path(truth)]
        scores.append(max([proba[row, TREE.id(n)] for n in way], default=0))
    assert report["threshold"] == pytest.approx([sorted(scores)[120]])
    assert_array_equal(model.decode(model.predict_node_proba(X[NEW])), answers)
    levels = model.predict_levels(X[NEW])
    assert_array_equal(TREE.to_levels(answers), levels)
    same = model.score(X[NEW], Y[NEW])
    assert same == np.mean([a == t for a, t in zip(answers, Y[NEW], strict=True)])


@pytest.mark.parametrize("make", PATH_MODELS)
def test_sets_of_a_calibrated_model(make):
    model = make(decoder=Conformal(0.8, source="calibration")).fit(X[FIT], Y[FIT])
    model.conformalize(X[CAL], Y[CAL])
    held = []
    for level in (0.5, None, 0.95):
        sets = model.predict_set(X[NEW], level)
        assert all(isinstance(own, frozenset) for own in sets)
        for own in sets:
            assert own >= {n for label in own for n in TREE.path(label)}
        held.append(np.mean([t in own for t, own in zip(Y[NEW].tolist(), sets, strict=True)]))
    assert_allclose(held, [0.5, 0.8, 0.95], atol=0.12)
    model.set_params(decoder="best_path")
    with pytest.raises(IncompatiblePartsError, match="predict_set"):
        model.predict_set(X[NEW])
    with pytest.raises(ValueError, match="confidence_level"):
        model.predict_set(X[NEW], 1.0)


def test_groups_of_predictions_are_as_models_of_their_own():
    model = paths_model().fit(X[FIT], Y[FIT])
    tops = model.predict_levels(X[CAL])[:, 0]
    model.set_params(decoder=Conformal(0.8, by="top")).conformalize(X[CAL], Y[CAL])
    report, answers = model.conformal_report_, model.predict(X[NEW])
    sets = model.predict_set(X[NEW])
    assert report["group"].tolist() == list(TREE.levels[0])
    assert report["n_rows"].tolist() == [(tops == top).sum() for top in report["group"]]
    new_tops = model.set_params(decoder="best_path").predict_levels(X[NEW])[:, 0]
    for top in report["group"]:
        own = clone(model).set_params(decoder="best_path").fit(X[FIT], Y[FIT])
        own.set_params(decoder=Conformal(0.8))
        own.conformalize(X[CAL][tops == top], Y[CAL][tops == top])
        assert own.conformal_report_["threshold"] == report["threshold"][report["group"] == top]
        rows = new_tops == top
        assert_array_equal(own.predict(X[NEW][rows]), answers[rows])
        assert own.predict_set(X[NEW][rows]).tolist() == sets[rows].tolist()


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", [np.asarray, list, lambda g: g.astype(object)])
def test_groups_that_are_given(kind):
    names = np.where(X[:, 0] > 0, "east", "west")
    model = paths_model(decoder=Conformal(0.8, source="calibration")).fit(X[FIT], Y[FIT])
    model.conformalize(X[CAL], Y[CAL], groups=kind(names[CAL]))
    report = model.conformal_report_
    assert report["group"].tolist() == ["east", "west"]
    alone, theta = {}, dict(zip(report["group"], report["threshold"], strict=True))
    for name in ("east", "west"):
        own = clone(model).fit(X[FIT], Y[FIT])
        own.conformalize(X[CAL][names[CAL] == name], Y[CAL][names[CAL] == name])
        assert own.conformal_report_["threshold"] == theta[name]
        alone[name] = own
    answers = model.predict(X[NEW], groups=kind(names[NEW]))
    levels = model.predict_levels(X[NEW], groups=kind(names[NEW]))
    sets = model.predict_set(X[NEW], groups=kind(names[NEW]))
    for name, own in alone.items():
        rows = names[NEW] == name
        assert_array_equal(answers[rows], own.predict(X[NEW][rows]))
        assert_array_equal(levels[rows], own.predict_levels(X[NEW][rows]))
        assert sets[rows].tolist() == own.predict_set(X[NEW][rows]).tolist()
    careful = max(alone, key=theta.get)
    assert_array_equal(model.predict(X[NEW]), alone[careful].predict(X[NEW]))
    assert model.predict(X[NEW][:2], groups=["north", "a"]).tolist() == [None, None]
    with pytest.raises(ValueError, match="must have the type of those"):
        model.predict(X[NEW][:2], groups=[1, 2])
    with pytest.raises(ValueError, match="inconsistent"):
        model.predict(X[NEW][:3], groups=["east", "west"])


@pytest.mark.parametrize("reject", [None, 0.1])
def test_tables_know_groups(reject):
    names = np.where(X[:, 0] > 0, "east", "west")
    decoder = Conformal(0.8, source="calibration")
    model = make_pipeline(FunctionTransformer(), paths_model(decoder=decoder, reject=reject))
    # The labels of one group are wrong, so that it has a higher threshold.
    labels = np.where(names == "west", np.roll(Y, 1), Y)
    inner = model.fit(X[FIT], Y[FIT])[-1].conformalize(X[CAL], labels[CAL], groups=names[CAL])
    answers = inner.predict(X[NEW], groups=names[NEW])
    assert answers.tolist() != inner.predict(X[NEW]).tolist()
    table = inner.predict_frame(X[NEW], groups=names[NEW], output="arrays")
    assert_array_equal(table["label"], answers)
    assert table["predicted"].all()
    several = inner.predict_frame(X[NEW], 2, groups=names[NEW], output="arrays")
    assert_array_equal(several["label"][several["rank"] == 1], answers)
    with config_context(working_memory=0.01):  # blocks of rows
        again = sklhier.predict_frame(model, X[NEW], 2, groups=names[NEW], output="arrays")
    assert_array_equal(again["label"], several["label"])
    levels = sklhier.predict_levels(model, X[NEW], names[NEW])
    assert_array_equal(levels, inner.predict_levels(X[NEW], names[NEW]))
    with pytest.raises(ValueError, match="inconsistent"):
        inner.predict_frame(X[NEW], groups=names[CAL][1:], output="arrays")


def test_tables_of_label_sets_have_no_groups():
    model = HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=TREE)
    model.fit(X[FIT], Y[FIT][:, None].tolist())
    with pytest.raises(ValueError, match="`groups` must be None"):
        sklhier.predict_frame(model, X[NEW], groups=Y[NEW], output="arrays")


def test_groups_where_there_are_none():
    model = paths_model().fit(X[FIT], Y[FIT])
    with pytest.raises(IncompatiblePartsError, match="groups"):
        model.predict(X[NEW], groups=np.zeros(150))
    model.set_params(decoder=Conformal()).conformalize(X[CAL], Y[CAL])
    for call in (model.predict, model.predict_levels, model.predict_set, model.predict_frame):
        with pytest.raises(ValueError, match="without groups"):
            call(X[NEW], groups=np.zeros(150, dtype=int))
    with pytest.raises(ValueError, match="`groups` must hold a text or an integer"):
        model.conformalize(X[CAL], Y[CAL], groups=[None] * 150)
    with pytest.raises(ValueError, match="inconsistent"):
        model.conformalize(X[CAL], Y[CAL], groups=[1] * 149)
    model.set_params(decoder=Conformal(by="top"))
    with pytest.raises(ValueError, match="by=None"):
        model.conformalize(X[CAL], Y[CAL], groups=[1] * 150)


def test_blocks_of_rows_do_not_matter():
    names = np.where(X[:, 0] > 0, 3, 5)
    model = paths_model(decoder=Conformal(0.8, source="calibration")).fit(X[FIT], Y[FIT])
    model.conformalize(X[CAL], Y[CAL], groups=names[CAL])
    whole = model.predict(X[NEW], names[NEW]), model.predict_set(X[NEW], None, names[NEW])
    with config_context(working_memory=0.001):
        again = clone(model).fit(X[FIT], Y[FIT]).conformalize(X[CAL], Y[CAL], names[CAL])
        assert again.conformal_report_.tolist() == model.conformal_report_.tolist()
        assert_array_equal(again.predict(X[NEW], names[NEW]), whole[0])
        assert again.predict_set(X[NEW], None, names[NEW]).tolist() == whole[1].tolist()


def test_labels_that_training_did_not_have_are_errors():
    rare = Y[FIT] != "n1.1"
    model = paths_model().fit(X[FIT][rare], Y[FIT][rare]).set_params(decoder=Conformal(0.5))
    model.conformalize(X[CAL], Y[CAL])
    of_rare = Y[CAL] == "n1.1"
    learnt = model.decoder_.thresholds_
    assert np.isinf(learnt.sets.scores).sum() == of_rare.sum() > 0
    # An inner node is right where the answer lies there, and wrong below.
    model.conformalize(X[CAL], np.array([TREE.path(label)[0] for label in Y[CAL].tolist()]))
    assert np.isfinite(model.decoder_.thresholds_.sets.scores).all()
    assert (model.decoder_.thresholds_.paths.scores > 0).all()


def test_answers_without_a_label_come_in_every_format():
    rows = [TREE.path(label) for label in Y.tolist()]
    model = HierarchicalClassifier(GaussianNB(), decoder=Conformal(0.8, source="calibration"))
    model.fit(X[FIT], [list(row) for row in rows[FIT]])
    model.conformalize(X[CAL], [list(row) for row in rows[CAL]])
    found = {len(row) for row in model.predict(X[NEW])}
    assert found == {0, 1, 2}


# -- out-of-fold -----------------------------------------------------------------------------------


class Counting(GaussianNB):
    """GaussianNB that counts its fits."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        Counting.n_fits += 1
        return super().fit(X, y, sample_weight)


def test_one_pass_serves_all():
    plain = 4
    for params, times in (
        ({}, 1),
        ({"decoder": Conformal(source="calibration")}, 1),
        ({"decoder": Conformal(0.5)}, 4),
        ({"reject": 0.1}, 4),
        ({"decoder": Conformal(0.5), "reject": 0.1}, 4),
    ):
        Counting.n_fits = 0
        model = HierarchicalClassifier(Counting(), taxonomy=TREE, cv=KFold(3), **params)
        model.fit(X[FIT], Y[FIT])
        assert Counting.n_fits == plain * times


def test_thresholds_out_of_fold_are_those_of_the_folds():
    model = paths_model(decoder=Conformal(0.7), reject=0.2).fit(X[FIT], Y[FIT])
    parts = []
    for train, test in KFold(3).split(X[FIT]):
        own = paths_model().fit(X[FIT][train], Y[FIT][train]).set_params(decoder=Conformal(0.7))
        own.conformalize(X[FIT][test], Y[FIT][test])
        parts.append((own.decoder_.thresholds_, own.predict_top_k(X[FIT][test], 1)[1][:, 0]))
    for kind in ("paths", "sets"):
        scores = np.sort(np.concatenate([getattr(p, kind).scores for p, _ in parts]))
        assert_allclose(getattr(model.decoder_.thresholds_, kind).scores, scores)
    report = model.conformal_report_
    assert report["source"] == "out_of_fold"
    assert report["threshold"] == pytest.approx([model.decoder_.thresholds_.paths.scores[112]])
    sure = np.sort(np.concatenate([proba for _, proba in parts]))
    assert model.reject_threshold_ == pytest.approx(sure[32])
    assert model.decoder_.needs_tuning


@pytest.mark.few(1)
@pytest.mark.parametrize("make", PATH_MODELS)
def test_weights_out_of_fold(make):
    weights = np.where(np.arange(160) % 4 == 0, 0.0, 2.0)
    model = make(decoder=Conformal(0.7), reject=0.2)
    model.fit(X[FIT], Y[FIT], sample_weight=weights)
    assert model.conformal_report_["n_rows"] == 120
    with pytest.raises(ValueError, match="All sample weights are zero"):
        clone(model).fit(X[FIT], Y[FIT], sample_weight=np.zeros(160))
    rows = weights > 0
    alone = clone(model).fit(X[FIT][rows], Y[FIT][rows])
    same = clone(model).set_params(cv=list(KFold(3).split(X[FIT])))
    same.fit(X[FIT], Y[FIT], sample_weight=np.full(160, 3.0))
    plain = clone(same).fit(X[FIT], Y[FIT])
    for first, second in ((alone, model), (same, plain)):
        for name in ("conformal_report_", "reject_threshold_"):
            one, other = getattr(first, name), getattr(second, name)
            if name == "conformal_report_":
                one, other = one["threshold"], other["threshold"]
            assert one == pytest.approx(other, abs=1e-6)


def test_too_few_rows_stop_at_the_root():
    model = paths_model().fit(X[FIT], Y[FIT]).set_params(decoder=Conformal(0.95))
    with pytest.warns(
        RareClassWarning, match="needs 19 rows, got 18: every answer stops"
    ) as caught:
        model.conformalize(X[CAL][:18], Y[CAL][:18])
    assert caught[0].filename == __file__
    assert model.predict(X[NEW]).tolist() == [None] * 150
    assert model.conformal_report_[0].tolist()[1:5] == (18, 19, np.inf, 19)
    everything = frozenset(TREE.nodes[1:])
    assert set(model.predict_set(X[NEW])) == {everything}
    assert model.predict_set(X[NEW], 0.5)[0] < everything
    model.conformalize(X[CAL][:19], Y[CAL][:19])
    assert np.isfinite(model.conformal_report_["threshold"]).all()
    model.set_params(decoder=Conformal(0.95, by="top"))
    rows = np.flatnonzero(
        model.set_params(decoder="best_path").predict_levels(X[CAL])[:, 0] == "n1"
    )
    model.set_params(decoder=Conformal(0.95, by="top"))
    with pytest.warns(RareClassWarning, match=r"2 of 3 groups have fewer: \['n2', 'n3'\]"):
        model.conformalize(X[CAL][rows], Y[CAL][rows])
    assert (
        {None}
        < {None if a is None else TREE.path(a)[0] for a in model.predict(X[NEW])}
        == {
            None,
            "n1",
        }
    )
    with pytest.warns(RareClassWarning, match="needs 999 rows, got 160"):
        paths_model(decoder=Conformal(0.999)).fit(X[FIT], Y[FIT])


# -- rows that were used before ----------------------------------------------------------------------


@pytest.mark.parametrize("make", [*PATH_MODELS, *SET_MODELS])
def test_training_rows_are_noticed(make):
    sets = make in SET_MODELS
    labels = SETS if sets else Y
    decoder = RiskControl(source="calibration") if sets else Conformal(0.8, source="calibration")
    model = make(decoder=decoder).fit(X[FIT], labels[FIT])
    rows = np.r_[100:260]
    own = [labels[i] for i in rows]
    with pytest.warns(LeakageWarning, match="60 of 160 calibration rows"):
        model.conformalize(X[rows], own)
    few = np.r_[153:300]  # 7 of 147 may be equal by chance
    model.conformalize(X[few], [labels[i] for i in few])


def test_digests_know_rows_in_every_form():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, 6)) * (rng.random((40, 6)) < 0.4)
    table[3] = 0.0
    table[5] = -0.0
    found = row_digests(table)
    assert len(np.unique(found)) == len(np.unique(table + 0.0, axis=0)) > 30
    for form in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array):
        assert_array_equal(row_digests(form(table)), found)
    order = rng.permutation(40)
    assert_array_equal(row_digests(np.asfortranarray(table[order])), found[order])
    bits = np.array(np.meshgrid(*[[0, 1]] * 10)).reshape(10, -1).T
    assert len(np.unique(row_digests(bits))) == 1024  # sums of few bits do not collide
    texts = ["an owl", "a wren", "an owl"]
    of_texts = row_digests(texts)
    assert of_texts[0] == of_texts[2] != of_texts[1]
    assert_array_equal(row_digests(np.array(texts)), of_texts)
    assert row_digests([{"a": 1}]) is None
    assert n_known([{"a": 1}], kept_digests([{"a": 1}])) == 0
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2, 1], "b": texts})
    assert n_known(frame.iloc[:1], kept_digests(frame.iloc[2:])) == 1
    assert row_digests(pd.DataFrame({"a": [[1], [2]]})) is None


def test_a_sample_of_digests_is_kept_of_many_rows(monkeypatch):
    monkeypatch.setattr(digests, "_MOST_KEPT", 100)
    table = np.random.default_rng(0).normal(size=(4000, 2))
    kept = kept_digests(table[:2000])
    assert len(kept) == 100
    assert 500 < n_known(table[1000:3000], kept) < 1500
    assert n_known(table[2000:], kept) == 0


# -- refusal ---------------------------------------------------------------------------------------


@pytest.mark.few(3)
@pytest.mark.parametrize("make", PATH_MODELS)
@pytest.mark.parametrize("decoder", ["best_path", "top_down", "threshold"])
def test_answers_below_a_quantile_are_refused(make, decoder):
    model = make(decoder=decoder, reject=0.25).fit(X[FIT], Y[FIT])
    plain = make(decoder=decoder).fit(X[FIT], Y[FIT])
    sure = plain.predict_top_k(X[NEW], 1)[1][:, 0] >= model.reject_threshold_
    assert 0.6 < sure.mean() < 0.9
    wanted = np.where(sure, plain.predict(X[NEW]), None)
    assert model.predict(X[NEW]).tolist() == wanted.tolist()
    assert model.predict(X[NEW]).dtype == object
    assert_array_equal(model.decode(model.predict_node_proba(X[NEW])), wanted)
    assert (model.predict_levels(X[NEW])[~sure] == None).all()  # noqa: E711
    assert model.score(X[NEW], Y[NEW]) == np.mean(wanted == Y[NEW])
    assert_array_equal(model.predict_proba(X[NEW]), plain.predict_proba(X[NEW]))
    assert not hasattr(plain, "reject_threshold_")
    assert repr(model.decoder_) == repr(plain.decoder_)
    again = model.set_params(reject=None).fit(X[FIT], Y[FIT])
    assert not hasattr(again, "reject_threshold_")
    assert_array_equal(again.predict(X[NEW]), plain.predict(X[NEW]))


def test_sets_and_conformal_answers_may_be_refused():
    from sklhier.decoders import HierarchicalF

    model = paths_model(decoder=HierarchicalF(answer="set"), reject=0.25).fit(X[FIT], Y[FIT])
    sure = model.predict_top_k(X[NEW], 1)[1][:, 0] >= model.reject_threshold_
    assert_array_equal([len(own) > 0 for own in model.predict(X[NEW])], sure)
    model = paths_model(decoder=Conformal(0.8), reject=0.25).fit(X[FIT], Y[FIT])
    names = np.where(X[:, 0] > 0, 3, 5)
    model.conformalize(X[CAL], Y[CAL], names[CAL])
    plain = paths_model().fit(X[FIT], Y[FIT]).set_params(decoder=Conformal(0.8))
    plain.conformalize(X[CAL], Y[CAL], names[CAL])
    sure = plain.predict_top_k(X[NEW], 1)[1][:, 0] >= model.reject_threshold_
    wanted = np.where(sure, plain.predict(X[NEW], names[NEW]), None)
    assert_array_equal(model.predict(X[NEW], names[NEW]), wanted)


@pytest.mark.parametrize("make", PATH_MODELS)
@pytest.mark.parametrize("reject", [0, 1, -0.1, 1.5, "x", True, [0.1], np.nan])
def test_a_share_that_means_nothing(make, reject):
    with pytest.raises(ValueError, match="`reject` must be in"):
        make(reject=reject).fit(X[FIT], Y[FIT])


# -- label sets ------------------------------------------------------------------------------------


def slow_losses(true, answered, taxonomy):
    """Return the three losses of one row."""
    missed = len(true - answered) / len(true) if true else 0.0
    wrong = len(answered - true) / len(answered) if answered else 0.0
    specific = [n for n in true if not any(n in taxonomy.ancestors(o) for o in true)]
    ways = [set(taxonomy.ancestors(n)) | {n} for n in specific]
    distance = np.mean([len(way - answered) / len(way) for way in ways]) if ways else 0.0
    return {"fnr": missed, "fdr": wrong, "distance": distance}


def some_sets(taxonomy, seed, n_rows=6):
    """Return held-out rows of a taxonomy, and their true nodes by name."""
    rng = np.random.default_rng(seed)
    proba = np.round(rng.random((n_rows, taxonomy.n_nodes)), 2)
    proba[:, 0] = 1.0
    for parent, child in zip(taxonomy.edge_parents, taxonomy.edge_children, strict=True):
        proba[:, child] = np.minimum(proba[:, child], proba[:, parent])
    names = [[n for n in taxonomy.nodes[1:] if rng.random() < 0.4] for _ in range(n_rows)]
    closed = taxonomy.with_ancestors(taxonomy.members_of(names))
    true = [{taxonomy.nodes[n] for n in closed[[row]].indices} for row in range(n_rows)]
    return HeldOutSets(SetMarginals(taxonomy, proba, proba), closed, np.ones(n_rows)), true


@pytest.mark.few(8)
@pytest.mark.parametrize("taxonomy", [TREE, DIAMOND, Taxonomy.flat(["a", "b", "c"])])
@pytest.mark.parametrize("risk", ["fnr", "fdr", "distance"])
def test_losses_at_all_thresholds(taxonomy, risk):
    part, true = some_sets(taxonomy, 0)
    found = RiskControl(risk, method="ltt")._losses(part)
    proba = part.marginals.node_proba
    for place in range(0, len(_GRID), 3):
        for row, own in enumerate(true):
            above = np.flatnonzero(proba[row] > _GRID[place])
            answered = {taxonomy.nodes[n] for n in above if n}
            wanted = slow_losses(own, answered, taxonomy)[risk]
            assert found[row, place] == pytest.approx(wanted, abs=1e-12)
    held = RiskControl(risk)._losses(part)
    assert (held >= found).all()
    steps = np.diff(held, axis=1)
    assert (steps <= 0).all() if risk == "fdr" else (steps >= 0).all()


@pytest.mark.parametrize("method", ["crc", "ltt"])
def test_rows_of_weight_0_are_no_rows(method):
    few, _ = some_sets(TREE, 1, n_rows=40)
    table, closed = few.marginals.node_proba, few.closed
    more = HeldOutSets(
        SetMarginals(TREE, *[np.concatenate([table, table[::-1]])] * 2),
        sparse.csr_array(sparse.vstack([closed, closed])),
        np.repeat([1.0, 0.0], 40),
    )
    one, other = (
        RiskControl("fnr", 0.4, method).calibrated([part], "calibration").calibration_
        for part in (few, more)
    )
    assert one == other
    assert one.n_rows == 40


def as_function(risk):
    def loss(true, answered):
        both = true.multiply(answered).sum(axis=1)
        of = true if risk == "fnr" else answered
        sizes = of.sum(axis=1)
        return (sizes - both) / np.maximum(sizes, 1)

    return loss


@pytest.mark.few(3)
@pytest.mark.parametrize("risk", ["fnr", "fdr"])
@pytest.mark.parametrize("method", ["crc", "ltt"])
def test_risks_of_ones_own(risk, method):
    part, _ = some_sets(TREE, 1, n_rows=200)
    own = RiskControl(as_function(risk), 0.4, method)
    if risk == "fdr" and method == "crc":
        with pytest.raises(ValueError, match="only rise, or only fall"):
            own.tuned(lambda: iter([part]))
        return
    # From both ends with half of delta each.
    named = RiskControl(risk, 0.4, method, delta=0.05)
    found = own.tuned(lambda: iter([part])).calibration_
    assert found == named.tuned(lambda: iter([part])).calibration_
    assert found.is_held


@pytest.mark.parametrize("kind", ["0 or 1", "sometimes 0", "never 0"])
def test_thresholds_are_tested_by_their_exact_p_value(kind):
    part, _ = some_sets(TREE, 3, n_rows=300)

    def risk(true, answered):
        misses = (true > answered).sum(axis=1) > 0
        return {"0 or 1": misses, "sometimes 0": misses / 2, "never 0": (1 + misses) / 4}[kind]

    found = RiskControl(risk, 0.4, "ltt").tuned(lambda: iter([part])).calibration_
    assert found.is_held
    mean = found.mean_loss
    if kind == "0 or 1":
        wanted = binom.cdf(round(300 * mean), 300, 0.4)
    else:
        entropy = mean * np.log(mean / 0.4) + (1 - mean) * np.log((1 - mean) / 0.6)
        bentkus = np.e * binom.cdf(np.ceil(300 * mean - 1e-9), 300, 0.4)
        wanted = min(np.exp(-300 * entropy), bentkus)
    assert found.bound == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("risk", ["fnr", "fdr", "distance"])
def test_the_threshold_is_the_last_that_holds(risk):
    part, _ = some_sets(TREE, 2, n_rows=300)
    decoder = RiskControl(risk, 0.3)
    found = decoder.tuned(lambda: iter([part])).calibration_
    means = decoder._losses(part).mean(axis=0)
    held = _GRID[(300 * means + 1) / 301 <= 0.3]
    assert found.threshold == (held.min() if risk == "fdr" else held.max())
    assert found.mean_loss == pytest.approx(means[found.threshold == _GRID][0])
    tested = RiskControl(risk, 0.3, "ltt", 0.05).tuned(lambda: iter([part])).calibration_
    careful = tested.threshold > found.threshold if risk == "fdr" else tested.threshold
    assert careful if risk == "fdr" else careful < found.threshold
    assert tested.bound <= 0.05


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("make", "risk", "method"),
    [
        (joint_sets_model, "fnr", "crc"),
        (sets_model, "fdr", "ltt"),
        (sets_model, "distance", "ltt"),
    ],
)
def test_label_sets_hold_a_risk(make, risk, method):
    model = make(decoder=RiskControl(risk, 0.3, method)).fit(OF_SETS[FIT], SETS[FIT])
    first = model.conformal_report_
    assert first["source"] == "out_of_fold"
    assert first["n_rows"] == 160
    model.conformalize(OF_SETS[CAL], SETS[CAL])
    report = model.conformal_report_[0]
    assert report["source"] == "calibration"
    assert "fewer than 300 rows" in report["note"]
    predicted = model.predict(OF_SETS[NEW])
    answered, true = (model.closed_sets(y) for y in (predicted, SETS[NEW]))
    names = TREE.nodes[1:]
    losses = [
        slow_losses({names[n] for n in true[[i]].indices}, {names[n] for n in row.indices}, TREE)[
            risk
        ]
        for i, row in enumerate(answered[[i]] for i in range(150))
    ]
    assert np.mean(losses) < 0.36
    proba = model.predict_node_proba(OF_SETS[NEW])
    assert model.decode(proba) == model.decode(proba, RiskControl(risk, 0.3, method)) == predicted
    with pytest.raises(IncompatiblePartsError, match="decode has none"):
        model.decode(proba, RiskControl(risk, 0.31, method))
    assert clone(model.decoder_).get_params() == model.decoder_.get_params()


def test_too_few_rows_for_a_risk():
    model = joint_sets_model(decoder=RiskControl("fnr", 0.1, source="calibration"))
    model.fit(OF_SETS[FIT], SETS[FIT])
    with pytest.warns(RareClassWarning, match="needs 9 rows at least, got 8.*all nodes"):
        model.conformalize(OF_SETS[CAL][:8], SETS[CAL][:8])
    assert model.closed_sets(model.predict(OF_SETS[NEW])).sum() == 150 * (TREE.n_nodes - 1)
    assert "all nodes" in model.conformal_report_["note"][0]
    model.set_params(decoder=RiskControl("fdr", 0.1, "ltt"))
    with pytest.warns(RareClassWarning, match="needs 22 rows at least, got 21.*no node"):
        model.conformalize(OF_SETS[CAL][:21], SETS[CAL][:21])
    assert model.predict(OF_SETS[NEW]) == [[]] * 150
    assert binom.cdf(0, 22, 0.1) <= 0.1 < binom.cdf(0, 21, 0.1)


def test_p_values():
    found = hoeffding_bentkus_p_values([0.0, 0.05, 0.1, 0.3], 200, 0.1)
    assert found[0] == pytest.approx(0.9**200)
    assert (np.diff(found) >= 0).all()
    assert_allclose(found[2:], 1.0)
    assert fixed_sequence(np.array([0.01, 0.2, 0.0]), 0.1) == 1
    assert fixed_sequence(np.array([0.01, 0.02]), 0.1) == 2
    # Not rejected too often, where the expected loss is just the target.
    losses = np.random.default_rng(0).choice([0.0, 0.5, 1.0], p=[0.7, 0.2, 0.1], size=(3000, 150))
    p_values = hoeffding_bentkus_p_values(losses.mean(axis=1), 150, 0.2)
    assert (p_values <= 0.1).mean() < 0.1


@pytest.mark.few(4)
@pytest.mark.parametrize("returned", [[0.5], 2.0, np.full(150, 1.5), np.full(150, np.nan), "x"])
def test_a_risk_that_returns_something_else(returned):
    model = joint_sets_model(decoder="maximum_closure").fit(OF_SETS[FIT], SETS[FIT])
    model.set_params(decoder=RiskControl(lambda true, answered: returned, 0.1))
    before = model.decoder_
    with pytest.raises(ValueError, match="`risk` must"):
        model.conformalize(OF_SETS[CAL], SETS[CAL])
    assert model.decoder_ is before


def test_a_risk_that_nothing_holds():
    model = joint_sets_model(decoder="maximum_closure").fit(OF_SETS[FIT], SETS[FIT])
    model.set_params(decoder=RiskControl(lambda true, answered: np.full(true.shape[0], 0.5), 0.1))
    with pytest.raises(ValueError, match="no threshold reaches it"):
        model.conformalize(OF_SETS[CAL], SETS[CAL])


# -- what is refused, and what is forgotten --------------------------------------------------------


@pytest.mark.parametrize("make", [*PATH_MODELS, *SET_MODELS])
def test_calibration_needs_a_fit_and_its_decoder(make):
    sets = make in SET_MODELS
    labels = SETS if sets else Y
    kind = RiskControl if sets else Conformal
    with pytest.raises(NotFittedError):
        make(decoder=kind()).conformalize(X[CAL], labels[CAL])
    plain = "maximum_closure" if sets else "best_path"
    model = make(decoder=plain).fit(X[FIT], labels[FIT])
    with pytest.raises(IncompatiblePartsError, match=f"conformalize.*{kind.__name__}"):
        model.conformalize(X[CAL], labels[CAL])
    assert not hasattr(model, "conformal_report_")
    unused = make(decoder=kind(source="calibration")).fit(X[FIT], labels[FIT])
    assert not hasattr(unused, "conformal_report_")
    with pytest.raises(ValueError, match=r"conformalize\(X, y\)"):
        unused.predict(X[NEW])
    for y in (labels[CAL][:-1], None):
        with pytest.raises(ValueError):  # noqa: PT011
            unused.conformalize(X[CAL], y)
    if sets:
        with pytest.raises(ValueError, match="`groups` must be None"):
            unused.conformalize(X[CAL], labels[CAL], groups=[0] * 150)


@pytest.mark.parametrize("make", PATH_MODELS)
def test_calibration_labels_outside_of_the_taxonomy(make):
    model = make().fit(X[FIT], Y[FIT]).set_params(decoder=Conformal(0.8))
    model.conformalize(X[CAL], Y[CAL])
    before = model.conformal_report_.tolist()
    with pytest.raises(TargetError, match="got 'owl' in row 3, and 1 such rows"):
        model.conformalize(X[CAL], [*Y[CAL][:3], "owl", *Y[CAL][4:]])
    with pytest.raises(TargetError):
        model.conformalize(X[CAL], ["owl"] * 150)
    assert model.conformal_report_.tolist() == before


@pytest.mark.parametrize("method", ["crc", "ltt"])
@pytest.mark.parametrize("taxonomy", [TREE, Taxonomy.flat(["a"])])
def test_weights_of_rows_count_in_the_mean(taxonomy, method):
    part, _ = some_sets(taxonomy, 3, n_rows=400)  # one node alone has losses of 0 or 1
    decoder = RiskControl("fnr", 0.3, method)

    def learnt(weights):
        return decoder.tuned(lambda: iter([replace(part, weights=weights)])).calibration_

    plain = learnt(np.ones(400))
    for name in ("threshold", "mean_loss", "bound", "n_rows"):
        same = getattr(learnt(np.full(400, 2.5)), name)
        assert same == pytest.approx(getattr(plain, name)), name
    losses = decoder._losses(part)
    weights = np.where(losses[:, len(_GRID) // 2] > 0, 3.0, 1.0)
    heavy = learnt(weights)
    assert heavy.threshold < plain.threshold
    place = np.flatnonzero(heavy.threshold == _GRID)[0]
    assert heavy.mean_loss == pytest.approx(np.average(losses[:, place], weights=weights))


@pytest.mark.parametrize("make", SET_MODELS)
def test_calibration_sets_outside_of_the_taxonomy(make):
    model = make(decoder="maximum_closure").fit(OF_SETS[FIT], SETS[FIT])
    model.set_params(decoder=RiskControl())
    with pytest.raises(TargetError, match="owl"):
        model.conformalize(OF_SETS[CAL], [["owl"], *SETS[CAL][1:]])


def test_a_dag_has_no_single_paths():
    labels = np.array(["Z", "S", "Q", "P"] * 10)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=DIAMOND, strategy="flat")
    features = X[:40]
    with pytest.raises(TaxonomyError, match=r"Conformal.*needs a tree"):
        clone(model).set_params(decoder=Conformal()).fit(features, labels)
    model.fit(features, labels).set_params(decoder=Conformal())
    with pytest.raises(TaxonomyError, match=r"Conformal.*needs a tree"):
        model.conformalize(features, labels)
    with pytest.raises(ValueError, match=r"`by` must be an integer in \[1, 2\], got 3"):
        paths_model(decoder=Conformal(by=3)).fit(X[FIT], Y[FIT])


def test_bases_without_probabilities():
    model = HierarchicalClassifier(LinearSVC(), taxonomy=TREE)
    with pytest.raises(IncompatiblePartsError, match="needs probabilities"):
        clone(model).set_params(decoder=Conformal()).fit(X[FIT], Y[FIT])
    with pytest.raises(IncompatiblePartsError, match=r"reject=0\.1 needs probabilities"):
        clone(model).set_params(reject=0.1).fit(X[FIT], Y[FIT])
    model.fit(X[FIT], Y[FIT]).set_params(decoder=Conformal())
    with pytest.raises(IncompatiblePartsError, match="needs probabilities"):
        model.conformalize(X[CAL], Y[CAL])
    assert not hasattr(model, "predict_set")


def test_batches_leave_nothing_to_learn_from():
    for params in ({"decoder": Conformal()}, {"reject": 0.1}):
        for made in (paths_model(**params), joint_model(solver="adam", **params)):
            with pytest.raises(IncompatiblePartsError, match="all samples at once"):
                made.partial_fit(X[FIT], Y[FIT])
    for make in SET_MODELS:
        options = {"solver": "adam"} if make is joint_sets_model else {}
        with pytest.raises(IncompatiblePartsError, match="all samples at once"):
            make(decoder=RiskControl(), **options).partial_fit(X[FIT], SETS[FIT])


@pytest.mark.parametrize("make", [*PATH_MODELS, *SET_MODELS])
def test_a_batch_forgets_what_was_learnt(make):
    sets = make in SET_MODELS
    labels = SETS if sets else Y
    decoder = RiskControl(source="calibration") if sets else Conformal(source="calibration")
    options = {"solver": "adam"} if make in (joint_model, joint_sets_model) else {}
    model = make(decoder=decoder, **options).partial_fit(X[FIT], labels[FIT])
    model.conformalize(X[CAL], labels[CAL]).predict(X[NEW])
    model.partial_fit(X[FIT], labels[FIT])
    with pytest.raises(ValueError, match="conformalize"):
        model.predict(X[NEW])
    model.conformalize(X[CAL], labels[CAL]).predict(X[NEW])


@pytest.mark.few(1)
@pytest.mark.parametrize("make", PATH_MODELS)
def test_a_fit_forgets_what_was_learnt(make):
    model = make().fit(X[FIT], Y[FIT]).set_params(decoder=Conformal(0.8, source="calibration"))
    model.conformalize(X[CAL], Y[CAL])
    answers = model.predict(X[NEW])
    model.set_params(decoder="best_path").predict(X[NEW])
    model.set_params(decoder=Conformal(0.8, source="calibration"))
    assert_array_equal(model.predict(X[NEW]), answers)  # the models are the same
    with pytest.raises(IncompatiblePartsError, match="conformalize"):
        model.set_params(decoder=Conformal(0.9)).predict(X[NEW])
    model.set_params(decoder=Conformal(0.8, source="calibration")).fit(X[FIT], Y[FIT])
    with pytest.raises(IncompatiblePartsError, match="conformalize"):
        model.predict(X[NEW])
    # Thresholds of another model do not come with its decoder.
    other = make(decoder=Conformal(0.8)).fit(X[CAL], Y[CAL])
    taken = make(decoder=other.decoder_).fit(X[FIT], Y[FIT])
    own = make(decoder=Conformal(0.8)).fit(X[FIT], Y[FIT])
    assert taken.conformal_report_.tolist() == own.conformal_report_.tolist()


def test_all_rows_of_one_class():
    one = np.full(160, "n1.1")
    for make in PATH_MODELS:
        model = make(decoder=Conformal(0.8), reject=0.1).fit(X[FIT], one)
        assert set(model.predict(X[NEW])) == {"n1.1"}
        model.conformalize(X[CAL], Y[CAL])
        assert set(model.predict(X[NEW])) <= {None, "n1", "n1.1"}
    for make in SET_MODELS:
        model = make(decoder=RiskControl(target=0.2)).fit(X[FIT], [[name] for name in one])
        assert {tuple(row) for row in model.predict(X[NEW])} == {("n1.1",)}


@pytest.mark.few(1)
@pytest.mark.parametrize("decoder", [Conformal(0.8), Conformal(0.8, by="top")])
def test_saved_models_keep_their_thresholds(decoder):
    base = LogisticRegression()
    model = HierarchicalClassifier(base, taxonomy=TREE, decoder=decoder, reject=0.1)
    model.fit(X[FIT], Y[FIT])
    names = np.where(X[:, 0] > 0, "east", "west")
    if decoder.by is None:
        model.conformalize(X[CAL], Y[CAL], names[CAL])
    for loaded in (
        pickle.loads(pickle.dumps(model)),
        skops.loads(skops.dumps(model), trusted=trusted_types()),
    ):
        assert_array_equal(loaded.predict(X[NEW]), model.predict(X[NEW]))
        assert loaded.predict_set(X[NEW]).tolist() == model.predict_set(X[NEW]).tolist()
        assert loaded.conformal_report_.tolist() == model.conformal_report_.tolist()
        assert loaded.reject_threshold_ == model.reject_threshold_
        if decoder.by is None:
            by_group = model.predict(X[NEW], names[NEW])
            assert_array_equal(loaded.predict(X[NEW], names[NEW]), by_group)


def test_saved_risk_control():
    model = sets_model(decoder=RiskControl(target=0.2)).set_params(cv=3)
    model.fit(OF_SETS[FIT], SETS[FIT])
    loaded = skops.loads(skops.dumps(model), trusted=trusted_types())
    assert loaded.predict(OF_SETS[NEW]) == model.predict(OF_SETS[NEW])
    assert loaded.conformal_report_.tolist() == model.conformal_report_.tolist()


def test_groups_are_read_from_texts_and_integers():
    assert RowGroups.read(["b", "a", "b"]).codes.tolist() == [1, 0, 1]
    assert RowGroups.read(np.array([True, False])).names.tolist() == [False, True]
    assert RowGroups.read(np.array([3, 1], dtype=object)).names.tolist() == [1, 3]
    for bad in ([1.5, 2.5], [["a"]], [None, "a"], ["a", 1]):
        with pytest.raises(ValueError, match="`groups` must hold"):
            RowGroups.read(np.array(bad, dtype=object))


@given(trees())
def test_trees_of_any_shape_have_levels_for_groups(tree):
    Conformal(by=tree.n_levels).check_taxonomy(tree)
    with pytest.raises(ValueError, match="`by`"):
        Conformal(by=tree.n_levels + 1).check_taxonomy(tree)


def test_the_other_decoders_are_as_before():
    model = paths_model().fit(X[FIT], Y[FIT])
    assert not hasattr(model, "_known_rows") or model._known_rows is None
    assert model.set_params(decoder=Threshold(0.4)).predict(X[NEW]).dtype == object


@pytest.mark.parametrize("make", PATH_MODELS)
def test_folds_that_hold_nothing_out(make):
    nothing = [(np.arange(160), np.zeros(0, dtype=int))]
    with pytest.warns(RareClassWarning, match="needs 9 rows, got 0"):
        model = make(decoder=Conformal()).set_params(cv=nothing).fit(X[FIT], Y[FIT])
    assert set(model.predict(X[NEW])) == {None}
    with pytest.raises(ValueError, match="no held-out samples"):
        make(reject=0.1).set_params(cv=nothing).fit(X[FIT], Y[FIT])


def test_a_level_may_be_searched_and_is_not_taken_for_another():
    model = paths_model(decoder=Conformal(0.7)).fit(X[FIT], Y[FIT])
    with pytest.raises(IncompatiblePartsError, match="has none for this decoder"):
        model.set_params(decoder__confidence_level=0.8).predict(X[NEW])
    proba = model.predict_node_proba(X[NEW])
    found = model.decode(proba, Conformal(0.7))
    assert_array_equal(found, model.set_params(decoder=Conformal(0.7)).predict(X[NEW]))
    with pytest.raises(NotFittedError, match="conformalize"):
        Conformal(0.7).decode(None)
