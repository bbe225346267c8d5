"""Tuning decoders and comparing where samples have several labels, tuned thresholds, `classes`."""

import warnings
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import DIAMOND, TAXONOMIES
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
)
from sklhier._probabilities.marginals import DenseMarginals, Outcomes
from sklhier._utils.pipelines import classifier_within
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import (
    Climbing,
    Decoder,
    HeldOutPaths,
    HierarchicalF,
    SetDecoder,
    SetThreshold,
    Threshold,
    TopLabels,
)
from sklhier.exceptions import IncompatiblePartsError
from sklhier.metrics import (
    hierarchical_f1_score,
    make_hierarchical_scorer,
)
from sklhier.model_selection import (
    HierarchicalStratifiedGroupKFold,
    HierarchicalStratifiedKFold,
    compare,
    compare_with_flat,
    tune_decoder,
)
from sklhier.model_selection import _measured as measured_module
from sklhier.objectives import LBFGS

RAGGED = TAXONOMIES["ragged"]
SETS_OF_DECODERS = [
    SetThreshold(0.3),
    SetThreshold([0.5, 0.3, 0.2]),
    TopLabels(2),
    "maximum_closure",
    "expected_f1",
]


def label_sets(n_rows=90, seed=0, taxonomy=RAGGED):
    """Samples whose features add up what each of their labels contributes."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 2, (taxonomy.n_nodes - 1, 5))
    names = np.array(taxonomy.nodes[1:], dtype=object)
    y = [
        sorted(rng.choice(names, rng.integers(1, 3), replace=False).tolist())
        for _ in range(n_rows)
    ]
    closed = taxonomy.binarize(y).toarray()
    return closed @ centres + rng.normal(0, 1.5, (n_rows, 5)), y


X, SETS = label_sets()
TABLE = RAGGED.binarize(SETS).toarray()
LEAF_TABLE = TABLE[:, [RAGGED.nodes[1:].index(leaf) for leaf in RAGGED.leaves]]
GROUPS = np.arange(len(SETS)) // 3
FORMS = {
    "collections": SETS,
    "table": TABLE,
    "sparse": sparse.csr_array(TABLE),
    "leaves": LEAF_TABLE,
    "frame": pd.DataFrame(TABLE, columns=RAGGED.nodes[1:]),
}


def model(**params):
    given = {"taxonomy": RAGGED, "decoder": SetThreshold(0.4), **params}
    return HierarchicalMultiLabelClassifier(GaussianNB(), **given)


def joint(**params):
    solver = LBFGS(max_iter=1000)
    given = {"alpha": 0.1, "decoder": SetThreshold(0.4), "solver": solver, **params}
    return MultiHeadMultiLabelClassifier(RAGGED, **given)


# -- decoders of label sets ---------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("kind", "form"),
    [("local", form) for form in FORMS if form != "leaves"] + [("joint", "table")],
)
def test_tuning_of_label_sets_agrees_with_a_search(kind, form):
    estimator = model() if kind == "local" else joint()
    folds = list(KFold(2, shuffle=True, random_state=0).split(X))
    metrics = {"hF": "f1", "samples": samples_f1, "loss": "hmc_loss"}
    decoders = SETS_OF_DECODERS if (kind, form) == ("local", "table") else SETS_OF_DECODERS[1:3]
    y = FORMS[form]
    ours = tune_decoder(estimator, X, y, decoders, scoring=metrics, cv=folds, refit="loss")
    scorers = {
        "hF": make_hierarchical_scorer("f1"),
        "samples": make_hierarchical_scorer(samples_f1),
        "loss": make_hierarchical_scorer("hmc_loss"),
    }
    grid = {"decoder": decoders}
    search = GridSearchCV(
        estimator, grid, scoring=scorers, cv=folds, refit="loss", error_score="raise"
    )
    search.fit(X, TABLE if form == "collections" else y)  # a search cannot take collections
    for key in (key for key in search.cv_results_ if "_test_" in key):
        assert_allclose(ours.results_[key], search.cv_results_[key], rtol=0, atol=1e-12)
    found, wanted = ours.best_estimator_.predict(X), search.predict(X)
    if form == "collections":
        found = RAGGED.binarize(found)
    assert_array_equal(
        *(np.asarray(t.toarray() if sparse.issparse(t) else t) for t in (found, wanted))
    )
    decoder = ours.best_estimator_.get_params()["decoder"]
    assert repr(decoder) == repr(ours.best_decoder_) == repr(search.best_params_["decoder"])


def samples_f1(y_true, y_pred, *, taxonomy, sample_weight=None):
    return hierarchical_f1_score(
        y_true, y_pred, taxonomy=taxonomy, sample_weight=sample_weight, average="samples",
        zero_division=1,
    )  # fmt: skip


def cross_fitted(estimator, X, y, folds, weights=None):
    """Answers of each fold with thresholds from the held-out probabilities of the others."""
    closed = RAGGED.binarize(y).toarray()
    tables = []
    for train, test in folds:
        params = {} if weights is None else {"sample_weight": weights[train]}
        fitted = clone(estimator).fit(X[train], [y[row] for row in train], **params)
        tables.append(fitted.predict_node_proba(X[test]))
    weights = np.ones(len(X)) if weights is None else weights
    answers = []
    for own, table in enumerate(tables):
        proba = np.concatenate([t for i, t in enumerate(tables) if i != own])
        rows = np.concatenate([test for i, (_, test) in enumerate(folds) if i != own])
        tau = best_tau(proba[:, 1:], closed[rows], weights[rows])
        answers.append(table[:, 1:] > tau)
    return answers, tables


def best_tau(proba, true, weights):
    """The best global threshold of a grid, the slow way."""
    grid = np.nextafter(np.arange(1, 500) / 500, 0)
    weights = weights[:, None]
    scores = [
        2 * (weights * ((proba > tau) * true)).sum()
        / (weights * ((proba > tau) + true)).sum()
        for tau in grid
    ]  # fmt: skip
    return grid[int(np.argmax(scores))]


@pytest.mark.few(1)
@pytest.mark.parametrize("weighted", [False, True])
def test_thresholds_are_tuned_on_the_other_folds(weighted):
    weights = np.linspace(0.5, 2, len(SETS)) if weighted else None
    folds = list(KFold(3).split(X))
    found = tune_decoder(
        model(decoder="threshold", calibration=None), X, SETS, ["threshold", SetThreshold(0.99)],
        cv=folds, sample_weight=weights,
    )  # fmt: skip
    answers, tables = cross_fitted(model(), X, SETS, folds, weights)
    for fold, (_, test) in enumerate(folds):
        own = None if weights is None else weights[test]
        wanted = hierarchical_f1_score(
            TABLE[test], answers[fold].astype(int), taxonomy=RAGGED, sample_weight=own
        )
        assert found.results_[f"split{fold}_test_score"][0] == pytest.approx(wanted)
    rows = np.concatenate([test for _, test in folds])
    w = np.ones(len(X)) if weights is None else weights
    overall = best_tau(np.concatenate(tables)[:, 1:], TABLE[rows], w[rows])
    assert found.tuned_decoders_["threshold"].tau == pytest.approx(overall)
    assert found.best_decoder_ is found.tuned_decoders_["threshold"]
    assert found.best_estimator_.decoder_.tau == pytest.approx(overall)
    plain = model(decoder=SetThreshold(found.best_decoder_.tau)).fit(
        X, SETS, sample_weight=weights
    )
    assert found.best_estimator_.predict(X) == plain.predict(X)


class Counting(GaussianNB):
    """Counts its fits."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        Counting.n_fits += 1
        return super().fit(X, y, sample_weight=sample_weight)


def test_no_model_is_fitted_to_tune_thresholds():
    Counting.n_fits = 0
    estimator = model(decoder="threshold", cv=3, calibration=None, strategy="flat")
    estimator.set_params(estimator=Counting())
    estimator.fit(X, SETS)
    for_tuning = Counting.n_fits
    Counting.n_fits = 0
    clone(estimator).set_params(decoder=SetThreshold(0.5)).fit(X, SETS)
    once = Counting.n_fits
    assert for_tuning > 3 * once
    Counting.n_fits = 0
    scopes = [SetThreshold(scope=scope) for scope in ("global", "level", "node")]
    found = tune_decoder(estimator, X, SETS, scopes, cv=3)
    assert Counting.n_fits <= (3 + 1) * once
    assert set(found.tuned_decoders_) == set(found.results_["decoder"])


def test_models_stay_calibrated_while_decoders_are_tuned():
    own = {"estimator": LinearSVC(random_state=0), "decoder": "threshold", "cv": 3}
    decoders = ["threshold", "expected_f1", SetThreshold(0.3)]
    found = tune_decoder(model().set_params(**own), X, SETS, decoders, cv=3)
    asked = model().set_params(**own, calibration="sigmoid")
    expected = tune_decoder(asked, X, SETS, decoders, cv=3)
    for name, values in expected.results_.items():
        assert_array_equal(found.results_[name], values)
    assert found.best_estimator_.calibration == "sigmoid"
    assert found.best_estimator_.predict(X) == expected.best_estimator_.predict(X)
    with pytest.raises(IncompatiblePartsError, match="probabilities"):
        tune_decoder(asked.set_params(calibration=None), X, SETS, decoders, cv=3)


@pytest.mark.more
def test_a_search_within_reads_the_decoder_of_the_classifier():
    grid = {"estimator__var_smoothing": [1e-9, 0.5]}
    inner = GridSearchCV(
        model(decoder=SetThreshold(scope="level"), strategy="flat", cv=2),
        grid,
        cv=KFold(2),
        scoring=make_hierarchical_scorer("f1", zero_division=0),
    )
    some = X[:45], TABLE[:45]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rare labels
        found = tune_decoder(inner, *some, ["threshold", TopLabels(1)], cv=2)
        assert found.best_estimator_.best_params_ == clone(inner).fit(*some).best_params_
    fitted = classifier_within(found.best_estimator_)
    assert repr(fitted.decoder_) == repr(found.best_decoder_)


def test_rare_nodes_share_the_threshold_of_their_level():
    least = int(np.median(TABLE.sum(axis=0)))
    by_level = tune_decoder(model(), X, SETS, [SetThreshold(scope="level")], cv=3)
    found = tune_decoder(
        model(), X, SETS, [SetThreshold(scope="node", shrinkage=0, min_rows=least)], cv=3
    )
    report = pd.DataFrame(found.best_decoder_.threshold_report_)
    assert report["node"].tolist() == list(RAGGED.nodes[1:])
    assert report["n_rows"].tolist() == TABLE.sum(axis=0).tolist()
    rare = report["n_rows"] < least
    assert 0 < rare.sum() < len(rare)
    assert (report["source"] == np.where(rare, "level", "node")).all()
    wanted = by_level.best_decoder_.tau[report["level"] - 1]
    assert_allclose(report["tau"][rare], wanted[rare])
    assert (report["tau"][~rare] != wanted[~rare]).any()


def test_label_sets_in_a_dag_and_in_a_pipeline():
    names = DIAMOND.nodes[1:]
    rng = np.random.default_rng(1)
    y = [[names[i]] for i in rng.integers(0, len(names), 60)]
    inside = HierarchicalMultiLabelClassifier(
        GaussianNB(), taxonomy=DIAMOND, decoder=SetThreshold(0.4)
    )
    X_ = DIAMOND.binarize(y).toarray() + rng.normal(0, 0.3, (60, len(names)))
    pipeline = make_pipeline(StandardScaler(), inside)
    found = tune_decoder(pipeline, X_, y, ["threshold", SetThreshold(1.0)], cv=3)
    assert found.best_score_ > 0.8
    assert found.best_estimator_[-1].decoder_.tau < 1
    several = compare({"a": pipeline, "b": clone(pipeline)}, X_, y, cv=3, n_bootstrap=10)
    assert_array_equal(several.scores[0], several.scores[1])


def test_taxonomies_that_labels_spell_out():
    paths = [[tuple(RAGGED.path(name)) for name in row] for row in SETS]
    spelled = HierarchicalMultiLabelClassifier(GaussianNB(), decoder=SetThreshold(0.4))
    kwargs = {"decoders": ["threshold", TopLabels(1)], "cv": KFold(3), "refit": True}
    found = tune_decoder(spelled, X, paths, **kwargs)
    wanted = tune_decoder(model(), X, SETS, **kwargs)
    assert_allclose(found.results_["mean_test_score"], wanted.results_["mean_test_score"])
    of_paths = compare([spelled, clone(spelled)], X, paths, cv=KFold(2), n_bootstrap=5)
    of_names = compare([model(), model()], X, SETS, cv=KFold(2), n_bootstrap=5)
    assert_allclose(of_paths.scores, of_names.scores)


@pytest.mark.filterwarnings("ignore::sklhier.exceptions.RareClassWarning")
def test_nodes_that_some_folds_lack_count():
    paths = [[tuple(RAGGED.path(name)) for name in row] for row in SETS]
    paths[0], paths[-1] = [("A", "A1", "new")], [("new", "x"), ("new", "y")]
    spelled = HierarchicalMultiLabelClassifier(GaussianNB(), decoder=SetThreshold(0.4))
    whole = clone(spelled).set_params(taxonomy=clone(spelled).fit(X, paths).taxonomy_)
    kwargs = {"decoders": [SetThreshold(0.2), TopLabels(1)], "cv": KFold(3), "refit": False}
    found, wanted = (tune_decoder(one, X, paths, **kwargs) for one in (spelled, whole))
    assert_array_equal(found.results_["mean_test_score"], wanted.results_["mean_test_score"])


class Asked(KFold):
    """Remembers the labels that it gets."""

    def split(self, X, y=None, groups=None):
        self.labels = y
        return super().split(X, y, groups)


class AskedForPaths(HierarchicalStratifiedKFold):
    """Remembers the labels that it gets."""

    def split(self, X, y, groups=None):
        self.labels = y
        return super().split(X, y, groups)


@pytest.mark.filterwarnings("ignore::sklhier.exceptions.RareClassWarning")
@pytest.mark.parametrize("form", ["collections", "sparse", "frame"])
def test_splitters_of_label_sets_get_a_table_of_all_nodes(form):
    pair = [model(), model(strategy="flat")]
    plain, own = Asked(2), AskedForPaths(2, taxonomy=RAGGED)
    compare(pair, X, FORMS[form], cv=plain, n_bootstrap=5)
    assert_array_equal(plain.labels, TABLE)
    compare(pair, X, FORMS[form], cv=own, n_bootstrap=5)
    assert own.labels is FORMS[form]


# -- decoders of single paths -------------------------------------------------------------

PX, PY, PTREE = make_hierarchical_classification(
    240, 6, branching=(2, 3), class_sep=0.7, random_state=1
)


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", ["local", "joint"])
@pytest.mark.parametrize("rule", [Threshold, Climbing])
@pytest.mark.parametrize("scope", ["global", "node"])
def test_stop_rules_are_tuned_on_the_other_folds(kind, rule, scope):
    estimator = {
        "local": HierarchicalClassifier(GaussianNB(), taxonomy=PTREE),
        "joint": MultiHeadClassifier(PTREE, alpha=0.1),
    }[kind]
    weights = np.linspace(0.2, 2, len(PY))
    folds = list(KFold(3, shuffle=True, random_state=0).split(PX))
    tuning = rule("oof", scope, beta=0.5)
    found = tune_decoder(
        estimator, PX, PY, {"tuned": tuning, "never": rule(1.0)}, cv=folds, sample_weight=weights
    )
    parts, fits = [], []
    for train, test in folds:
        fits.append(clone(estimator).fit(PX[train], PY[train], sample_weight=weights[train]))
        outcomes = Outcomes.of(PTREE, PTREE.ids(np.unique(PY[train])), stops=False)
        table = DenseMarginals(PTREE, outcomes, fits[-1].predict_node_proba(PX[test]))
        parts.append(HeldOutPaths(table, PTREE.ids(PY[test]), weights[test]))
    for own, (_, test) in enumerate(folds):
        others = [part for i, part in enumerate(parts) if i != own]
        tuned = tuning.tuned(lambda others=others: iter(others))
        answers = fits[own].decode(parts[own].marginals.node_proba, tuned)
        wanted = hierarchical_f1_score(
            PY[test], answers, taxonomy=PTREE, sample_weight=weights[test]
        )
        assert found.results_[f"split{own}_test_score"][0] == pytest.approx(wanted)
    assert found.best_decoder_ is found.tuned_decoders_["tuned"]
    everything = tuning.tuned(lambda: iter(parts))
    assert_allclose(found.best_decoder_.tau, everything.tau)
    fitted = clone(estimator).set_params(decoder=everything).fit(PX, PY, sample_weight=weights)
    assert_array_equal(found.best_estimator_.predict(PX), fitted.predict(PX))
    report = found.best_estimator_.decoder_.threshold_report_
    assert set(report["source"]) <= {scope, "level"}


def test_one_path_in_every_form():
    levels = PTREE.to_levels(PY)
    decoders = {"tuned": Climbing("oof", "level"), "fixed": Threshold(0.4)}
    folds = list(KFold(3).split(PX))
    results = []
    for y, taxonomy in ((PY, PTREE), (levels, None), (pd.DataFrame(levels), None)):
        estimator = HierarchicalClassifier(
            GaussianNB(), taxonomy=taxonomy, decoder=Threshold("oof")
        )
        found = tune_decoder(estimator, PX, y, decoders, cv=folds)
        results.append(found.results_["mean_test_score"])
        assert found.tuned_decoders_["tuned"].threshold_report_["level"].tolist() == [
            1, 1, *[2] * 6
        ]  # fmt: skip
    assert_array_equal(results[0], results[1])
    assert_array_equal(results[0], results[2])


@pytest.mark.slow
@pytest.mark.parametrize("case", ["paths", "sets"])
def test_tuned_thresholds_do_not_depend_on_the_number_of_workers(case):
    if case == "paths":
        given = HierarchicalClassifier(GaussianNB(), taxonomy=PTREE), PX, PY
        decoders = {"tuned": Threshold("oof", "node"), "sets": HierarchicalF(answer="set")}
    else:
        given, decoders = (model(), X, SETS), {"tuned": "threshold", "two": TopLabels(2)}
    one, two = (tune_decoder(*given, decoders, cv=3, n_jobs=n_jobs) for n_jobs in (None, 2))
    assert one.to_frame().equals(two.to_frame())
    assert_array_equal(one.tuned_decoders_["tuned"].tau, two.tuned_decoders_["tuned"].tau)


def test_answers_that_are_sets_are_scored_among_single_paths():
    decoders = {"set": HierarchicalF(answer="set"), "node": HierarchicalF()}
    estimator = HierarchicalClassifier(GaussianNB(), taxonomy=PTREE)
    folds = list(KFold(2).split(PX))
    found = tune_decoder(estimator, PX, PY, decoders, cv=folds, scoring=samples_f1)
    for column, decoder in enumerate(decoders.values()):
        for fold, (train, test) in enumerate(folds):
            fitted = clone(estimator).set_params(decoder=decoder).fit(PX[train], PY[train])
            answers = fitted.predict(PX[test])
            wanted = samples_f1(PY[test], answers, taxonomy=PTREE)
            assert found.results_[f"split{fold}_test_score"][column] == pytest.approx(wanted)


class Median(Decoder):
    """Tuned by what all decoders may define, without a summary of its own."""

    def __init__(self, tau=None):
        self.tau = tau

    @property
    def needs_tuning(self):
        return self.tau is None

    def tuned(self, held_out):
        best = [part.marginals.node_proba[:, 1:].max(axis=1) for part in held_out()]
        return Median(float(np.median(np.concatenate(best))))

    def decode(self, marginals):
        return Threshold(self.tau).decode(marginals)


def test_decoders_of_ones_own_are_tuned_too():
    estimator = HierarchicalClassifier(GaussianNB(), taxonomy=PTREE)
    found = tune_decoder(estimator, PX, PY, [Median(), Threshold(0.2)], cv=3)
    assert 0.3 < found.tuned_decoders_["Median(tau=None)"].tau < 1
    with (
        sklearn.config_context(working_memory=1e-2),
        pytest.raises(IncompatiblePartsError, match=r"exceed scikit-learn's working_memory"),
    ):
        tune_decoder(estimator, PX, PY, [Median()], cv=3)


@pytest.mark.more
@pytest.mark.parametrize("case", ["paths", "sets"])
def test_blocks_of_rows_change_nothing(case):
    if case == "paths":
        given = HierarchicalClassifier(GaussianNB(), taxonomy=PTREE), PX, PY
        decoders = ["best_path", Threshold("oof", "level"), Climbing("oof", "node", min_rows=20)]
    else:
        given = model(), X, SETS
        decoders = [*SETS_OF_DECODERS, SetThreshold(scope="node")]
    whole = tune_decoder(*given, decoders, cv=3)
    with sklearn.config_context(working_memory=2e-3):
        in_blocks = tune_decoder(*given, decoders, cv=3)
    for key, values in whole.results_.items():
        assert_array_equal(in_blocks.results_[key], values)


# -- groups -------------------------------------------------------------------------------


class Watching(HierarchicalStratifiedGroupKFold):
    """Remembers its folds."""

    seen: ClassVar[list] = []

    def split(self, X, y=None, groups=None):
        folds = list(super().split(X, y, groups))
        Watching.seen += folds
        return iter(folds)


class Remembering(GaussianNB):
    """Remembers which rows it was fitted on and asked for; the first column numbers them."""

    asked: ClassVar[list] = []

    def fit(self, X, y, sample_weight=None):
        self.own_ = set(X[:, 0].astype(int).tolist())
        return super().fit(X, y)

    def predict_proba(self, X):
        if len(X) > 1:  # a new model is tried on one row
            Remembering.asked.append((self.own_, set(X[:, 0].astype(int).tolist())))
        return super().predict_proba(X)


@pytest.mark.few(1)
@pytest.mark.parametrize("case", ["paths", "sets"])
@pytest.mark.parametrize("cv", [None, GroupKFold(3), "watching"])
def test_no_group_is_on_both_sides(case, cv):
    Watching.seen, Remembering.asked = [], []
    if case == "paths":
        features, y, groups = PX[:120].copy(), PY[:120], np.arange(120) // 4
        estimator = HierarchicalClassifier(Remembering(), taxonomy=PTREE)
        decoders, tree = [Threshold("oof"), "best_path"], PTREE
    else:
        features, y, groups = X.copy(), SETS, GROUPS
        estimator = model().set_params(estimator=Remembering())
        decoders, tree = ["threshold", TopLabels(1)], RAGGED
    features[:, 0] = np.arange(len(features))
    splitter = Watching(3, taxonomy=tree) if cv == "watching" else cv
    with np.errstate(all="ignore"):
        tune_decoder(estimator, features, y, decoders, cv=splitter, groups=groups, refit=False)
    assert Remembering.asked
    for inside, left_out in Remembering.asked:
        assert not {groups[row] for row in inside} & {groups[row] for row in left_out}
    assert bool(Watching.seen) == (cv == "watching")
    Remembering.asked = []
    with np.errstate(all="ignore"):
        compare(
            [estimator, clone(estimator)], features, y, cv=splitter, groups=groups, n_bootstrap=5
        )
    for inside, left_out in Remembering.asked:
        assert not {groups[row] for row in inside} & {groups[row] for row in left_out}


# -- comparing label sets -----------------------------------------------------------------


def slow_measures(true, predicted, weights):
    """F1 at each level, share of exact sets, hP, hR and hF, from tables of all nodes."""
    weights = weights[:, None]
    depths = RAGGED.depths[1:]
    both = true * predicted
    found = [
        2 * (weights * both)[:, depths == level].sum()
        / (weights * (true + predicted))[:, depths == level].sum()
        for level in (1, 2, 3)
    ]  # fmt: skip
    exact = (true == predicted).all(axis=1)
    sums = [(weights * table).sum() for table in (both, true, predicted)]
    return [
        *found,
        np.average(exact, weights=weights[:, 0]),
        sums[0] / sums[2],
        sums[0] / sums[1],
        2 * sums[0] / (sums[1] + sums[2]),
    ]


def held_out_tables(estimator, folds, y=SETS, weights=None):
    parts = []
    for train, test in folds:
        params = {} if weights is None else {"sample_weight": weights[train]}
        fitted = clone(estimator).fit(X[train], [y[row] for row in train], **params)
        parts.append(fitted.closed_sets(fitted.predict(X[test])).toarray())
    return np.concatenate(parts)


@pytest.mark.few(1)
@pytest.mark.parametrize("weighted", [False, True])
def test_label_sets_are_compared_by_their_closures(weighted):
    weights = np.linspace(0.1, 3, len(SETS)) if weighted else None
    folds = list(KFold(3).split(X))
    pair = {"careful": model(decoder=SetThreshold(0.7)), "flat": model(strategy="flat")}
    found = compare(pair, X, SETS, cv=folds, sample_weight=weights, n_bootstrap=5)
    assert found.measures == ("level 1", "level 2", "level 3", "set", "hP", "hR", "hF")
    w = np.ones(len(SETS)) if weights is None else weights
    for scores, estimator in zip(found.scores, pair.values(), strict=True):
        answers = held_out_tables(estimator, folds, weights=weights)
        assert_allclose(scores, slow_measures(TABLE, answers, w))
        common = {"taxonomy": RAGGED, "sample_weight": weights}
        assert scores[-1] == pytest.approx(hierarchical_f1_score(TABLE, answers, **common))


@pytest.mark.few(1)
@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_of_label_sets_are_percentiles_of_paired_resamples(grouped, monkeypatch):
    folds = list(GroupKFold(3).split(X, groups=GROUPS))
    pair = [model(decoder=SetThreshold(0.7)), model(strategy="flat")]
    groups = GROUPS if grouped else None
    options = {"cv": folds, "groups": groups, "n_bootstrap": 30, "confidence": 0.8}
    found = compare(pair, X, SETS, **options)
    rows = np.concatenate([test for _, test in folds])
    answers = [held_out_tables(estimator, folds) for estimator in pair]
    units = [np.flatnonzero(rows == row) for row in range(len(SETS))]
    if grouped:
        units = [np.flatnonzero(GROUPS[rows] == group) for group in np.unique(GROUPS)]
    random, differences = np.random.RandomState(0), []
    for _ in range(30):
        drawn = np.concatenate([units[u] for u in random.randint(len(units), size=len(units))])
        scores = [
            slow_measures(TABLE[rows][drawn], table[drawn], np.ones(len(drawn)))
            for table in answers
        ]
        differences.append(np.subtract(scores[1], scores[0]))
    wanted = np.percentile(differences, [10, 90], axis=0).T
    assert_allclose(found.intervals[0], wanted, atol=1e-12)
    monkeypatch.setattr(measured_module, "_BLOCK", 7 * len(units))
    assert_array_equal(compare(pair, X, SETS, **options).intervals, found.intervals)


@pytest.mark.parametrize("form", ["table", "sparse", "frame", "collections"])
def test_forms_of_label_sets_compare_alike_also_with_other_classifiers(form):
    trio = {
        "one each": MultiOutputClassifier(GaussianNB()),
        "tree": model(),
        "joint": joint(),
    }
    if form == "sparse":
        del trio["one each"]  # it takes no sparse labels
    cv = HierarchicalStratifiedKFold(3, taxonomy=RAGGED)
    found = compare(trio, X, FORMS[form], cv=3, n_bootstrap=10)
    expected = compare(trio, X, TABLE, cv=cv, n_bootstrap=10)
    assert_array_equal(found.scores, expected.scores)
    assert_array_equal(found.intervals, expected.intervals)


def test_other_classifiers_alone_are_compared_on_label_sets():
    pair = [MultiOutputClassifier(GaussianNB()), MultiOutputClassifier(LinearSVC())]
    found = compare(pair, X, LEAF_TABLE, RAGGED, cv=3, n_bootstrap=10, classes=RAGGED.leaves)
    assert found.measures[-4:] == ("set", "hP", "hR", "hF")
    assert (found.scores > 0.1).all()


def test_five_folds_by_default():
    pair = [model(), model(strategy="flat")]
    found = [compare(pair, X, SETS, cv=cv, n_bootstrap=5).scores for cv in (None, 5, 4)]
    assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


def test_label_sets_against_flat():
    found = compare_with_flat(model(), X, SETS, cv=3, n_bootstrap=20)
    assert found.names == ("flat", "hierarchical")
    text = str(found)
    assert "\nset " in text
    assert ["flat", "hierarchical", "difference", "interval"] in map(str.split, text.splitlines())
    assert "hP" in found._repr_html_()
    assert found.to_frame()["measure"].tolist()[3:7] == ["set", "hP", "hR", "hF"]
    with pytest.raises(ValueError, match="MultiHeadMultiLabelClassifier has no strategy"):
        compare_with_flat(joint(), X, SETS)


# -- classes ------------------------------------------------------------------------------


def test_columns_that_classes_name():
    order = np.random.default_rng(0).permutation(TABLE.shape[1])
    names = np.array(RAGGED.nodes[1:], dtype=object)[order]
    shuffled = TABLE[:, order]
    decoders = ["threshold", TopLabels(2)]
    wanted = tune_decoder(model(), X, TABLE, decoders, cv=KFold(2))
    for estimator, classes in ((model(), names), (model(classes=names), None)):
        found = tune_decoder(estimator, X, shuffled, decoders, cv=KFold(2), classes=classes)
        assert_array_equal(found.results_["mean_test_score"], wanted.results_["mean_test_score"])
        assert_array_equal(found.best_estimator_.classes_, names)
        assert_array_equal(
            found.best_estimator_.predict(X), wanted.best_estimator_.predict(X)[:, order]
        )
        pair = [estimator, clone(estimator).set_params(decoder=TopLabels(1))]
        other = compare(pair, X, shuffled, cv=KFold(2), n_bootstrap=5, classes=classes)
        plain = [model(), model(decoder=TopLabels(1))]
        expected = compare(plain, X, TABLE, cv=KFold(2), n_bootstrap=5)
        assert_array_equal(other.scores, expected.scores)
    assert estimator.get_params()["classes"] is names


def test_codes_that_classes_name():
    names, codes = np.unique(PY, return_inverse=True)
    folds = list(KFold(3).split(PX))
    decoders = ["best_path", "top_down", Threshold(0.99)]
    plain = HierarchicalClassifier(GaussianNB(), taxonomy=PTREE)
    wanted = tune_decoder(plain, PX, PY, decoders, cv=folds, scoring="tree_distance")
    for estimator, classes in ((plain, names), (clone(plain).set_params(classes=names), None)):
        found = tune_decoder(
            estimator, PX, codes, decoders, cv=folds, scoring="tree_distance", classes=classes
        )
        assert_array_equal(found.results_["mean_test_score"], wanted.results_["mean_test_score"])
        assert_array_equal(found.best_estimator_.predict(PX), codes_of(wanted, names))
        by_default = tune_decoder(estimator, PX, codes, decoders, classes=classes, refit=False)
        by_name = tune_decoder(plain, PX, PY, decoders, refit=False)
        assert by_default.to_frame().equals(by_name.to_frame())
        trio = [GaussianNB(), estimator]
        other = compare(trio, PX, codes, cv=folds, n_bootstrap=5, classes=classes)
        expected = compare([GaussianNB(), plain], PX, PY, cv=folds, n_bootstrap=5)
        assert_array_equal(other.scores, expected.scores)


def codes_of(search, names):
    return np.searchsorted(names, search.best_estimator_.predict(PX))


# -- what is refused ----------------------------------------------------------------------


class OwnSets(SetDecoder):
    def decode(self, marginals):
        return sparse.csr_array(np.zeros(marginals.node_proba.shape))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoders": ["best_path"]}, r"one of \['expected_f1', .*, got 'best_path'"),
        ({"decoders": SetThreshold(0.2)}, r"got SetThreshold\(tau=0.2\) alone"),
        ({"decoders": [SetThreshold([0.5, 0.5])]}, "for each of the 3 levels, got 2 numbers"),
        ({"decoders": [SetThreshold(0.5), SetThreshold(0.5)]}, r"SetThreshold\(tau=0.5\) twice"),
        ({"cv": [(np.arange(60), np.arange(60, 90))]}, "`cv` must have two or more folds to tune"),
        (
            {"estimator": model().set_params(estimator=LinearSVC()), "decoders": ["expected_f1"]},
            "no predict_proba",
        ),
        ({"estimator": GridSearchCV(model(), {"decoder__tau": [0.1]})}, "and a search"),
        ({"X": X[:5]}, "inconsistent numbers of samples"),
        ({"y": [["nowhere"]] * 90}, "not in the taxonomy"),
        ({"scoring": "average_precision"}, "got 'average_precision'"),
        ({"cv": GroupKFold(3)}, "`cv` must get the groups"),
        ({"groups": np.zeros(90)}, "number of groups: 1"),
    ],
)
def test_what_tuning_of_label_sets_refuses(change, message):
    given = {"estimator": model(), "X": X, "y": SETS, "decoders": ["threshold", OwnSets()]}
    with pytest.raises(ValueError, match=message):
        tune_decoder(**given | change)


def test_thresholds_of_decision_scores_are_tuned_too():
    estimator = model().set_params(estimator=LinearSVC(), strategy="flat")
    found = tune_decoder(estimator, X, SETS, ["threshold", SetThreshold(1.0)], cv=2)
    assert found.best_score_ > 0.5
    assert 0 < found.best_estimator_.decoder_.tau < 1


def test_one_fold_with_nothing_to_tune():
    alone = tune_decoder(
        model(), X, SETS, [SetThreshold(0.5)], cv=[(np.arange(60), np.arange(60, 90))]
    )
    assert alone.n_splits_ == 1
    assert alone.tuned_decoders_ == {}
