"""The contract of scikit-learn: common checks, and every tool that takes a classifier."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from checks import OnSets, OnTree
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import SetThreshold, Threshold, TopDown
from sklhier.metrics import hierarchical_f1_score, make_hierarchical_scorer
from sklhier.staging import Routing
from sklhier.strategies import Ensemble

BASES = [
    LogisticRegression(),
    LinearSVC(),
    DecisionTreeClassifier(random_state=0),
    GaussianNB(),
    MultinomialNB(),
]


class Everywhere(Routing):
    """All samples go to all nodes."""

    def sends(self, proba):
        return np.ones(proba.shape, dtype=bool)


@pytest.mark.few(18)
@parametrize_with_checks(
    [
        HierarchicalClassifier(),
        OnTree(GaussianNB()),
        OnSets(GaussianNB(), decoder=SetThreshold(0.5)),
    ]
)
def test_common_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [HierarchicalClassifier(base) for base in BASES]
    + [HierarchicalClassifier(base, strategy="flat") for base in BASES[:2]]
    + [OnTree(base) for base in BASES if not isinstance(base, GaussianNB)]
    + [
        OnTree(GaussianNB(), strategy=strategy)
        for strategy in ("flat", "per_node", "per_level", "ensemble")
    ]
    + [OnTree(LogisticRegression(), strategy="per_node")]
    + [
        OnTree(LogisticRegression(), strategy=strategy, cv=2)
        for strategy in ("auto", Ensemble(["flat", "per_parent"], weights="oof", pool="log"))
    ]
    + [
        OnTree(LogisticRegression(), chain="proba"),
        OnTree(GaussianNB(), routing="predicted"),
        OnTree(LogisticRegression(), routing="weight", chain="decision"),
        OnTree(GaussianNB(), routing=Everywhere()),
        OnSets(LogisticRegression(), decoder=SetThreshold(0.5), chain="proba"),
    ]
    + [OnTree(GaussianNB(), calibration="temperature", cv=2)]
    + [OnSets(LogisticRegression(), decoder=SetThreshold(0.5))]
    + [OnSets(GaussianNB(), decoder=SetThreshold(0.5), strategy="flat")]
)
def test_common_checks_of_other_configurations(estimator, check):
    check(estimator)


def _folds_differ(estimator):
    """Repeated rows are in several folds, one row with a weight is in one."""
    name = "check_sample_weight_equivalence_on"
    return dict.fromkeys([f"{name}_dense_data", f"{name}_sparse_data"], "folds differ")


@pytest.mark.slow
@parametrize_with_checks(
    [
        OnTree(LinearSVC(), calibration="sigmoid", cv=2),
        OnSets(GaussianNB(), decoder=SetThreshold(0.5), calibration="sigmoid", cv=2),
    ],
    expected_failed_checks=_folds_differ,
)
def test_common_checks_of_calibrated_models(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        "check_classifiers_multilabel_representation_invariance",
        "check_classifiers_multilabel_output_format_predict",
        "check_classifiers_multilabel_output_format_predict_proba",
    ],
)
def test_common_checks_of_several_labels(check):
    estimator = HierarchicalMultiLabelClassifier(decoder=SetThreshold(0.5))
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


X, Y, TREE = make_hierarchical_classification(
    180, 6, branching=(2, 3), class_sep=2.0, random_state=0
)
LEVELS = TREE.to_levels(Y)


def model(**params):
    return HierarchicalClassifier(GaussianNB(), taxonomy=TREE, **params)


def coded():
    """A classifier for tools that encode labels before they fit."""
    return model(classes=np.unique(Y))


SEARCHES = {
    "grid": lambda **kw: GridSearchCV(
        model(),
        {"estimator__var_smoothing": [1e-9, 0.1], "decoder": ["best_path", TopDown()]},
        **kw,
    ),
    "randomized": lambda **kw: RandomizedSearchCV(
        model(), {"estimator__var_smoothing": [1e-9, 0.1]}, n_iter=2, random_state=0, **kw
    ),
    "halving": lambda **kw: HalvingGridSearchCV(
        model(), {"estimator__var_smoothing": [1e-9, 0.1]}, random_state=0, **kw
    ),
}
SCORINGS = {
    "none": None,
    "accuracy": "accuracy",
    "hF": make_hierarchical_scorer("f1"),
    "hF with taxonomy": make_hierarchical_scorer("f1", taxonomy=TREE, average="samples"),
    "level 1": make_hierarchical_scorer("level_accuracy", level=1),
    "distance": make_hierarchical_scorer("tree_distance"),
}


@pytest.mark.few(3)
@pytest.mark.parametrize("search", list(SEARCHES))
@pytest.mark.parametrize("scoring", list(SCORINGS))
def test_searches(search, scoring):
    found = SEARCHES[search](scoring=SCORINGS[scoring], cv=3, error_score="raise").fit(X, Y)
    scores = found.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert (scores > 0.4).all() if scoring != "distance" else (scores < 0).all()
    assert found.predict(X[:3]).shape == (3,)


@pytest.mark.few(2)
@pytest.mark.parametrize("form", ["array", "frame", "text array"])
def test_searches_on_levels_without_a_scorer(form):
    levels = LEVELS if form == "array" else LEVELS.astype(str)
    levels = pd.DataFrame(LEVELS) if form == "frame" else levels
    search = GridSearchCV(
        HierarchicalClassifier(GaussianNB()),
        {"estimator__var_smoothing": [1e-9, 0.1]},
        cv=3,
        error_score="raise",
    ).fit(X, levels)
    assert (search.cv_results_["mean_test_score"] > 0.3).all()
    by_hf = cross_val_score(
        HierarchicalClassifier(GaussianNB()), X, levels, scoring=make_hierarchical_scorer("f1")
    )
    assert (by_hf > 0.3).all()


def test_levels_of_a_class_that_one_fold_lacks_are_scored():
    rare = LEVELS.copy()
    rare[0, 1] = "seen once"
    scores = cross_val_score(
        HierarchicalClassifier(GaussianNB()), X, rare, error_score="raise", cv=3
    )
    assert np.isfinite(scores).all()


@pytest.mark.slow
def test_multimetric_in_processes():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model()),
        {"hierarchicalclassifier__decoder": ["best_path", "top_down", Threshold(0.5)]},
        scoring={name: SCORINGS[name] for name in ("hF", "hF with taxonomy", "level 1")},
        refit="hF",
        n_jobs=2,
        error_score="raise",
    ).fit(X, Y)
    assert {"mean_test_hF", "mean_test_level 1"} <= set(search.cv_results_)
    assert make_hierarchical_scorer("f1")(search, X, Y) == pytest.approx(
        hierarchical_f1_score(Y, search.predict(X), taxonomy=TREE)
    )


@pytest.mark.more
def test_tuning_estimators_of_nodes_strategies_and_decoders_at_once():
    inner = HierarchicalClassifier(
        LogisticRegression(), taxonomy=TREE, node_estimators={"level:1": LogisticRegression()}
    )
    grid = {
        "strategy": ["per_parent", "flat"],
        "decoder": ["best_path", "top_down"],
        "estimator__C": [0.1, 10.0],
        "node_estimators__level:1__C": [0.1, 10.0],
    }
    search = GridSearchCV(inner, grid, cv=2, error_score="raise").fit(X, Y)
    assert len(search.cv_results_["params"]) == 16
    assert search.best_estimator_.score(X, Y) > 0.5


def test_a_search_as_the_base():
    base = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2)
    inner = HierarchicalClassifier(base, taxonomy=TREE).fit(X, Y)
    assert all(hasattr(fitted, "best_params_") for fitted in inner.estimators_.values())


def test_pipelines_around_and_within():
    texts = ["an owl hoots", "a wren sings", "a ray swims", "an eel swims"] * 6
    y, taxonomy = Taxonomy.from_paths(["bird/owl", "bird/wren", "fish/ray", "fish/eel"] * 6)
    outer = Pipeline(
        [("tfidf", TfidfVectorizer()), ("classify", HierarchicalClassifier(taxonomy=taxonomy))]
    )
    inner = HierarchicalClassifier(
        make_pipeline(TfidfVectorizer(), LogisticRegression()), taxonomy=taxonomy
    )
    for pipeline in (outer, inner):
        assert_array_equal(pipeline.fit(texts, y).predict(texts), y)
        assert cross_val_score(pipeline, texts, y, cv=3, error_score="raise").mean() == 1
    assert_array_equal(outer.classes_, np.unique(y))


def test_cross_validation_tools():
    assert (cross_val_score(model(), X, Y, cv=3, error_score="raise") > 0.4).all()
    several = cross_validate(
        model(), X, Y, cv=3, error_score="raise", scoring=["accuracy", "f1_macro", "neg_log_loss"]
    )
    assert np.isfinite(several["test_neg_log_loss"]).all()
    assert cross_val_predict(model(), X, Y).shape == Y.shape
    proba = cross_val_predict(coded(), X, Y, method="predict_proba")
    assert_allclose(proba.sum(axis=1), 1)
    assert np.mean(np.unique(Y)[proba.argmax(axis=1)] == Y) > 0.4
    _, _, test_scores = learning_curve(model(), X, Y, cv=3, train_sizes=[0.5, 1.0])
    assert np.isfinite(test_scores).all()
    _, test_scores = validation_curve(
        model(), X, Y, param_name="estimator__var_smoothing", param_range=[1e-9, 0.1], cv=3
    )
    assert np.isfinite(test_scores).all()
    assert permutation_test_score(model(), X, Y, cv=2, n_permutations=3, random_state=0)[0] > 0.4


@pytest.mark.few(5)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda: CalibratedClassifierCV(model(), cv=3),
        lambda: CalibratedClassifierCV(coded(), cv=3, ensemble=False),
        lambda: StackingClassifier([("one", coded()), ("two", coded())], cv=3),
        lambda: VotingClassifier([("one", coded()), ("two", coded())], voting="soft"),
        lambda: VotingClassifier([("one", coded()), ("two", coded())], voting="hard"),
        lambda: BaggingClassifier(coded(), n_estimators=3, random_state=0),
        lambda: AdaBoostClassifier(model(), n_estimators=2, random_state=0),
        lambda: make_pipeline(StandardScaler(), model()),
    ],
    ids=["calibrated", "calibrated once", "stacking", "soft voting", "hard voting", "bagging",
         "boosting", "pipeline"],
)  # fmt: skip
def test_meta_estimators(wrap):
    fitted = wrap().fit(X, Y)
    assert fitted.score(X, Y) > 0.5
    assert set(fitted.predict(X)) <= set(Y)


def test_a_tool_that_encodes_is_told_what_to_do():
    with pytest.raises(ValueError, match=r"classes=np.unique\(y\)"):
        StackingClassifier([("one", model())], cv=3).fit(X, Y)


def test_as_a_base_of_one_against_the_rest():
    wrapped = OneVsRestClassifier(HierarchicalClassifier(GaussianNB())).fit(X, Y)
    assert wrapped.score(X, Y) > 0.4


def test_inspection_and_selection():
    fitted = model().fit(X, Y)
    found = permutation_importance(fitted, X, Y, n_repeats=2, random_state=0)
    assert found.importances_mean.max() > 0
    by_hf = permutation_importance(
        fitted, X, Y, n_repeats=2, random_state=0, scoring=make_hierarchical_scorer("f1")
    )
    assert by_hf.importances_mean.max() > 0
    selector = SequentialFeatureSelector(model(), n_features_to_select=2, cv=2).fit(X, Y)
    assert selector.transform(X).shape == (180, 2)


def test_clone_repr_and_html():
    estimator = model(decoder=Threshold(0.3), n_jobs=2)
    copy = clone(estimator)
    assert repr(copy) == repr(estimator)
    assert "Threshold(tau=0.3)" in repr(copy)
    assert "Taxonomy(tree of" in repr(estimator)
    for shown in (estimator, clone(estimator).fit(X, Y), make_pipeline(StandardScaler(), copy)):
        html = shown._repr_html_()
        assert "GaussianNB" in html
        assert "n1.2" in html  # a node of the taxonomy


def test_metadata_routing():
    weights = np.linspace(0.1, 2, len(Y))
    plain = model().fit(X, Y, sample_weight=weights)
    with sklearn.config_context(enable_metadata_routing=True):
        requesting = HierarchicalClassifier(
            GaussianNB().set_fit_request(sample_weight=True), taxonomy=TREE
        )
        routed = requesting.fit(X, Y, sample_weight=weights)
        assert_array_equal(routed.predict_proba(X), plain.predict_proba(X))
        refusing = HierarchicalClassifier(
            GaussianNB().set_fit_request(sample_weight=False), taxonomy=TREE
        )
        with pytest.raises(TypeError, match="not routed to any object"):
            refusing.fit(X, Y, sample_weight=weights)
        silent = HierarchicalClassifier(GaussianNB(), taxonomy=TREE)
        with pytest.raises(ValueError, match="not explicitly set as requested"):
            silent.fit(X, Y, sample_weight=weights)
        within = HierarchicalClassifier(
            make_pipeline(
                StandardScaler().set_fit_request(sample_weight=False),
                GaussianNB().set_fit_request(sample_weight=True),
            ),
            taxonomy=TREE,
        ).fit(X, Y, sample_weight=weights)
        assert within.score(X, Y) > 0.5


def test_metadata_routing_through_a_search():
    weights = np.linspace(0.1, 2, len(Y))
    with sklearn.config_context(enable_metadata_routing=True):
        base = GaussianNB().set_fit_request(sample_weight=True)
        estimator = HierarchicalClassifier(base, taxonomy=TREE).set_score_request(
            sample_weight=True
        )
        search = GridSearchCV(
            estimator, {"estimator__var_smoothing": [1e-9, 0.1]}, cv=2, error_score="raise"
        ).fit(X, Y, sample_weight=weights)
        assert np.isfinite(search.best_score_)
        scorer = make_hierarchical_scorer("f1").set_score_request(sample_weight=True)
        weighted = cross_validate(
            estimator, X, Y, cv=2, scoring=scorer, params={"sample_weight": weights}
        )
        unweighted = cross_validate(
            estimator,
            X,
            Y,
            cv=2,
            scoring=make_hierarchical_scorer("f1").set_score_request(sample_weight=False),
            params={"sample_weight": weights},
        )
        assert (weighted["test_score"] != unweighted["test_score"]).any()


@pytest.mark.parametrize("base", [LogisticRegression(), DecisionTreeClassifier(), MultinomialNB()])
def test_tags_follow_the_base(base):
    ours, theirs = (sklearn.utils.get_tags(one) for one in (HierarchicalClassifier(base), base))
    assert ours.estimator_type == "classifier"
    assert ours.input_tags == theirs.input_tags
    assert ours.classifier_tags.poor_score == theirs.classifier_tags.poor_score
