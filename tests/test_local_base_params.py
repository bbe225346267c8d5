"""Parameters of base estimators that speak of classes, seeds and rows."""

import inspect
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import DIAMOND
from generators import features
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    KFold,
    PredefinedSplit,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.decoders import SetThreshold
from sklhier.exceptions import (
    IncompatiblePartsError,
    LocalFitError,
    TargetError,
    TaxonomyError,
)
from sklhier.strategies import Ensemble, PerLevel, PerNode, PerParent

TREE = Taxonomy.from_dict({"a": ["x", "y"], "b": ["u", "v", "w"]})
LABELS = np.array(["x", "y", "u", "v", "w"])
Y = np.repeat(LABELS, [10, 20, 10, 12, 8])
X = features(Y, 0)
OF_LABEL = {"x": 5.0, "y": 2.0, "u": 1.0, "v": 3.0, "w": 1.0}


def fitted(base, strategy="per_parent", y=Y, taxonomy=TREE, **params):
    model = HierarchicalClassifier(base, taxonomy=taxonomy, strategy=strategy, **params)
    return model.fit(X, y)


# -- weights of classes -------------------------------------------------------------------


def test_a_weight_of_an_inner_node_is_the_mean_of_its_rows():
    model = fitted(LogisticRegression(class_weight=OF_LABEL))
    assert model.estimators_[TREE.nodes[0]].class_weight == {
        0: pytest.approx((10 * 5 + 20 * 2) / 30),
        1: pytest.approx((10 + 3 * 12 + 8) / 30),
    }
    assert model.estimators_["a"].class_weight == {0: 5.0, 1: 2.0}
    assert model.estimators_["b"].class_weight == {0: 1.0, 1: 3.0, 2: 1.0}


@pytest.mark.parametrize("strategy", ["per_parent", "per_level", "per_node", "flat", "ensemble"])
def test_weights_of_classes_are_weights_of_samples_where_outcomes_are_labels(strategy):
    given = {"a": 3.0, "u": 2.0}
    of_row = np.select([np.isin(Y, ["x", "y"]), Y == "u"], [3.0, 2.0], 1.0)
    one = fitted(LogisticRegression(class_weight=given, tol=1e-8, max_iter=1000), strategy)
    assert one.n_features_in_ == X.shape[1]
    by_rows = HierarchicalClassifier(
        LogisticRegression(tol=1e-8, max_iter=1000), taxonomy=TREE, strategy=strategy
    ).fit(X, Y, sample_weight=of_row)
    key = {"per_parent": "b", "per_level": "level:2", "per_node": "x", "flat": TREE.nodes[0]}
    name = key.get(strategy, (0, "b"))
    assert_allclose(one.estimators_[name].coef_, by_rows.estimators_[name].coef_, atol=1e-3)


@given(st.lists(st.floats(0.1, 10), min_size=5, max_size=5), st.integers(0, 3))
def test_outcomes_have_the_mass_of_their_rows(weights, seed):
    sample_weight = np.random.RandomState(seed).randint(1, 4, len(Y)).astype(float)
    given = dict(zip(LABELS.tolist(), weights, strict=True))
    model = HierarchicalClassifier(Keeps(class_weight=given), taxonomy=TREE)
    model.fit(X, Y, sample_weight=sample_weight)
    of_row = sample_weight * np.array([given[label] for label in Y])
    root = model.estimators_[TREE.nodes[0]]
    for code, members in enumerate((["x", "y"], ["u", "v", "w"])):
        own = np.isin(Y, members)
        expected = of_row[own].sum() / sample_weight[own].sum()
        assert root.class_weight[code] == pytest.approx(expected)


class Keeps(ClassifierMixin, BaseEstimator):
    """Learns nothing, and keeps what it was given."""

    def __init__(self, class_weight=None, priors=None, pos_label=None, cost_matrix=None):
        self.class_weight = class_weight
        self.priors = priors
        self.pos_label = pos_label
        self.cost_matrix = cost_matrix

    def fit(self, X, y, sample_weight=None, **params):
        self.classes_ = np.unique(y)
        self.params_ = params
        self.weights_ = sample_weight
        self.y_ = y
        return self

    def partial_fit(self, X, y, classes=None, sample_weight=None, extra=None):
        self.classes_ = classes
        self.extra_ = extra
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


def test_integer_labels_are_names_and_not_codes():
    numbered = Taxonomy.from_dict({10: [1, 0], 20: [2, 3]})
    y = np.repeat([0, 1, 2, 3], 15)
    model = HierarchicalClassifier(Keeps({0: 7.0}), taxonomy=numbered).fit(X, y)
    assert model.estimators_[10].class_weight == {0: 1.0, 1: 7.0}
    assert model.estimators_[20].class_weight == {0: 1.0, 1: 1.0}


def test_one_level_equals_the_bare_estimator():
    base = LogisticRegression(class_weight={"x": 4.0, "u": 0.5})
    one = HierarchicalClassifier(base).fit(X, Y)
    assert_allclose(one.predict_proba(X), clone(base).fit(X, Y).predict_proba(X), atol=1e-6)


WRAPPED = {
    "pipeline": lambda base: make_pipeline(StandardScaler(), base),
    "bagging": lambda base: BaggingClassifier(base, 2, random_state=0),
    "voting": lambda base: VotingClassifier([("one", base), ("two", GaussianNB())], voting="soft"),
    "stacking": lambda base: StackingClassifier([("one", base)], GaussianNB(), cv=2),
    "calibrated": lambda base: CalibratedClassifierCV(base, cv=2),
    "search": lambda base: GridSearchCV(base, {"C": [1.0]}, cv=2),
}


@pytest.mark.few(4)
@pytest.mark.parametrize("kind", WRAPPED)
def test_weights_within_others(kind):
    base = LogisticRegression(class_weight=OF_LABEL)
    by_code = {0: 5.0, 1: 2.0}
    alone = Y[:30] == "y"
    expected = WRAPPED[kind](LogisticRegression(class_weight=by_code)).fit(
        X[:30], alone.astype(int)
    )
    model = fitted(WRAPPED[kind](base))
    found = model.estimators_["a"]
    assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
    assert base.class_weight == OF_LABEL


@pytest.mark.more
def test_weights_that_a_search_tries():
    grid = {"logisticregression__class_weight": [OF_LABEL, "balanced", None]}
    base = make_pipeline(StandardScaler(), LogisticRegression())
    for grids in (grid, [grid, {"logisticregression__C": [1.0]}]):
        search = fitted(GridSearchCV(base, grids, cv=2)).estimators_["a"]
        tried = search.param_grid if grids is grid else search.param_grid[0]
        assert tried["logisticregression__class_weight"] == [{0: 5.0, 1: 2.0}, "balanced", None]
    nested = GridSearchCV(
        OneVsRestClassifier(LogisticRegression()), {"estimator__class_weight": [OF_LABEL]}, cv=2
    )
    with pytest.raises(
        IncompatiblePartsError, match="OneVsRestClassifier passes it other classes"
    ):
        fitted(nested)


@pytest.mark.parametrize("value", ["balanced", None])
def test_other_weights_stay(value):
    assert fitted(LogisticRegression(class_weight=value)).estimators_["b"].class_weight == value


def test_weights_in_node_estimators_and_in_a_callable():
    of_node = {"a": Keeps({"x": 3.0}), "level:1": Keeps({"a": 2.0})}
    model = fitted(Keeps(), node_estimators=of_node)
    assert model.estimators_["a"].class_weight == {0: 3.0, 1: 1.0}
    assert model.estimators_[TREE.nodes[0]].class_weight == {0: 2.0, 1: 1.0}
    assert model.estimators_["b"].class_weight is None
    model = fitted(Keeps(), node_estimators=lambda name, taxonomy: Keeps({"x": 3.0}))
    assert model.estimators_["a"].class_weight == {0: 3.0, 1: 1.0}


def test_a_dag_takes_the_mean_of_parents():
    y = np.resize(["P", "Q", "S", "Z"], 60)
    model = HierarchicalClassifier(Keeps({"P": 3.0}), taxonomy=DIAMOND, strategy="flat").fit(X, y)
    # Z has the parents P and S, which has none of the weights of P.
    assert model.estimators_["R"].class_weight == {0: 3.0, 1: 1.0, 2: 1.0, 3: 2.0}


def test_label_sets_weigh_the_nodes_that_are_named():
    sets = [[label] for label in Y]
    model = HierarchicalMultiLabelClassifier(
        Keeps({"x": 3.0}), taxonomy=TREE, decoder=SetThreshold(0.5)
    ).fit(X, sets)
    assert model.estimators_["x"].class_weight == {0: 1.0, 1: 3.0}
    assert model.estimators_["y"].class_weight == {0: 1.0, 1: 1.0}
    forest = RandomForestClassifier(2, class_weight={"x": 3.0}, random_state=0)
    joint = clone(model).set_params(estimator=forest).fit(X, sets)
    assert joint.estimators_["children", "a"].class_weight == [{0: 1.0, 1: 3.0}, {0: 1.0, 1: 1.0}]


def test_batches_have_weights_of_their_own():
    base = SGDClassifier(loss="log_loss", class_weight=OF_LABEL, random_state=0)
    model = HierarchicalClassifier(base, taxonomy=TREE)
    model.partial_fit(X[:20], Y[:20])  # all of x and half of y
    assert model.estimators_[TREE.nodes[0]].class_weight == {0: 3.5, 1: 1.0}
    model.partial_fit(X, Y)
    assert model.estimators_[TREE.nodes[0]].class_weight[0] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("base", "error", "match"),
    [
        (LogisticRegression(class_weight={"z": 2}), TaxonomyError, "no node 'z'"),
        (LogisticRegression(class_weight={0: 2}), TaxonomyError, "`class_weight` must name nodes"),
        (LogisticRegression(class_weight={"x": -1}), ValueError, "0 or more, got -1 for 'x'"),
        (LogisticRegression(class_weight={"x": np.nan}), ValueError, "got nan for 'x'"),
        (Keeps([1, 2]), IncompatiblePartsError, "`class_weight` of Keeps has weights by position"),
        (
            OneVsRestClassifier(LogisticRegression(class_weight={"x": 2})),
            IncompatiblePartsError,
            "`estimator__class_weight` of LogisticRegression names classes, but OneVsRest",
        ),
        (Keeps(pos_label="x"), IncompatiblePartsError, "`pos_label` of Keeps refers to classes"),
        (Keeps(cost_matrix=np.eye(5)), IncompatiblePartsError, "`cost_matrix` of Keeps refers"),
        (GaussianNB(priors=[0.5, 0.5]), IncompatiblePartsError, "`priors` .* by position"),
        (Keeps(priors={"x": 1.0}), IncompatiblePartsError, "no entry for the label 'y'"),
        (
            Keeps(priors=dict.fromkeys(LABELS.tolist(), 0.0)),
            IncompatiblePartsError,
            "probability 0",
        ),
        (
            GridSearchCV(GaussianNB(), {}, cv=PredefinedSplit([0, 1] * 30)),
            IncompatiblePartsError,
            "`cv` of GridSearchCV refers to rows",
        ),
        (
            make_pipeline(GridSearchCV(GaussianNB(), {}, cv=[([0, 1], [2, 3])])),
            IncompatiblePartsError,
            "`gridsearchcv__cv` of GridSearchCV",
        ),
        (
            DummyClassifier(strategy="constant", constant="x"),
            IncompatiblePartsError,
            "`constant` of DummyClassifier names 'x', which is not an outcome at node",
        ),
    ],
)
def test_what_has_no_clear_meaning_is_refused(base, error, match):
    model = HierarchicalClassifier(base, taxonomy=TREE)
    with pytest.raises(error, match=match):
        model.fit(X, Y)
    assert not hasattr(model, "taxonomy_")


def test_priors_of_labels():
    priors = {"x": 0.1, "y": 0.2, "u": 0.3, "v": 0.3, "w": 0.1}
    model = fitted(GaussianNB(priors=priors))
    assert_allclose(model.estimators_[TREE.nodes[0]].priors, [0.3, 0.7])
    assert_allclose(model.estimators_["b"].priors, [3 / 7, 3 / 7, 1 / 7])
    binary = fitted(LinearDiscriminantAnalysis(priors=priors), PerNode("less_inclusive"))
    assert_allclose(binary.estimators_["x"].priors, [0.9, 0.1])
    sets = HierarchicalMultiLabelClassifier(GaussianNB(priors=priors), taxonomy=TREE)
    with pytest.raises(IncompatiblePartsError, match="one label for each sample"):
        sets.fit(X, [[label] for label in Y])


def test_a_constant_answer_where_it_is_an_outcome():
    constant = DummyClassifier(strategy="constant", constant="y")
    model = fitted(GaussianNB(), node_estimators={"a": constant})
    assert set(model.estimators_["a"].predict(X)) == {1}


# -- what is a classifier -----------------------------------------------------------------


class Untagged:
    """Predicts probabilities, and knows nothing of scikit-learn."""

    def get_params(self, deep=True):
        return {}

    def set_params(self, **params):
        return self

    def fit(self, X, y):
        self.n_classes = len(np.unique(y))
        return self

    def predict_proba(self, X):
        return np.full((len(X), self.n_classes), 1 / self.n_classes)


@pytest.mark.parametrize(
    ("base", "kind"),
    [
        (Ridge(), "regressor"),
        (make_pipeline(StandardScaler(), Ridge()), "regressor"),
        (GridSearchCV(Ridge(), {}), "regressor"),
        (KMeans(), "clusterer"),
        (IsolationForest(), "outlier detector"),
        (StandardScaler(), "transformer"),
        (make_pipeline(StandardScaler()), "transformer"),
    ],
)
def test_what_is_no_classifier_is_refused(base, kind):
    for params in ({}, {"node_estimators": {"a": base}}, {"small_nodes": base}):
        model = HierarchicalClassifier(base if not params else GaussianNB(), taxonomy=TREE)
        with pytest.raises(IncompatiblePartsError, match=f"it is a {kind}"):
            model.set_params(**params).fit(X, Y)
    chooses = HierarchicalClassifier(taxonomy=TREE, node_estimators=lambda node, taxonomy: base)
    with pytest.raises(IncompatiblePartsError, match=f"it is a {kind}"):
        chooses.fit(X, Y)
    with pytest.raises(IncompatiblePartsError, match=f"it is a {kind}"):
        HierarchicalMultiLabelClassifier(base, taxonomy=TREE).fit(X, [[label] for label in Y])


@pytest.mark.parametrize("base", [5, GaussianNB, "svm"])
def test_what_is_no_estimator_is_refused(base):
    with pytest.raises(TypeError, match=r"`estimator` must be an? (classifier|estimator)"):
        fitted(base)


@pytest.mark.filterwarnings("ignore:The estimator Untagged")
def test_what_has_no_tags_is_accepted():
    if not hasattr(sklearn.utils, "get_tags"):
        pytest.skip("tags")
    Untagged.__sklearn_tags__ = lambda self: GaussianNB().__sklearn_tags__()
    try:
        assert len(fitted(Untagged()).predict(X)) == len(X)
    finally:
        del Untagged.__sklearn_tags__


@pytest.mark.parametrize(
    "base",
    [
        FixedThresholdClassifier(GaussianNB(), threshold=0.9),
        make_pipeline(TunedThresholdClassifierCV(GaussianNB(), thresholds=3, cv=2)),
        GridSearchCV(FixedThresholdClassifier(GaussianNB()), {"threshold": [0.5, 0.9]}, cv=2),
    ],
)
def test_thresholds_without_effect_are_told(base):
    two = Taxonomy.from_dict({"a": ["x", "y"], "b": ["u", "v"]})
    y = np.resize(["x", "y", "u", "v"], 60)
    with pytest.warns(UserWarning, match=r"threshold of \w+ has no effect"):
        fitted(base, y=y, taxonomy=two)


# -- seeds --------------------------------------------------------------------------------


class Seeded(Keeps):
    def __init__(self, random_seed=None, seed=None):
        super().__init__()
        self.random_seed = random_seed
        self.seed = seed


class OtherSeed(Keeps):
    def __init__(self, seed=None):
        super().__init__()
        self.seed = seed


def test_other_names_of_seeds():
    model = fitted(Seeded(), random_state=3)
    seeds = {local.random_seed for local in model.estimators_.values()}
    assert len(seeds) == 3
    assert None not in seeds
    assert {local.seed for local in model.estimators_.values()} == {None}
    nested = fitted(make_pipeline(StandardScaler(), OtherSeed()), random_state=3)
    assert {nested.estimators_[name][-1].seed for name in ("a", "b")} != {None}
    assert fitted(Seeded(5)).estimators_["a"].random_seed == 5


def test_other_names_change_no_draws_of_random_state():
    class Both(RandomForestClassifier):
        pass

    both = VotingClassifier([("forest", RandomForestClassifier(1)), ("other", OtherSeed())])
    alone = VotingClassifier([("forest", RandomForestClassifier(1)), ("other", Keeps())])
    states = [
        fitted(base, random_state=1).estimators_["a"].get_params()["forest__random_state"]
        for base in (both, alone)
    ]
    assert states[0] == states[1]


# -- small nodes --------------------------------------------------------------------------

SMALL = Taxonomy.from_dict({"a": ["x", "y"], "b": ["u", "v"]})
FEW = np.repeat(["x", "y", "u", "v"], [30, 24, 3, 20])
X_FEW = features(FEW, 1)


def used(model):
    return dict(zip(model.fit_report_["node"], model.fit_report_["fitted"], strict=True))


def few(base, **params):
    return HierarchicalClassifier(base, taxonomy=SMALL, **params).fit(X_FEW, FEW)


@pytest.mark.few(6)
@pytest.mark.parametrize(
    "base",
    [
        CalibratedClassifierCV(GaussianNB()),
        GridSearchCV(GaussianNB(), {}, cv=4),
        StackingClassifier([("nb", GaussianNB())], cv=KFold(5)),
        make_pipeline(StandardScaler(), CalibratedClassifierCV(GaussianNB(), cv=4)),
        CalibratedClassifierCV(KNeighborsClassifier(17), cv=5),  # 20 + 3 rows less a fold
        SGDClassifier(loss="log_loss", early_stopping=True, validation_fraction=0.04),
        GradientBoostingClassifier(n_iter_no_change=2, validation_fraction=0.04, n_estimators=2),
        MLPClassifier(early_stopping=True, validation_fraction=0.04, max_iter=2),
    ],
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_base_that_needs_more_rows_is_replaced(base):
    small = DummyClassifier(strategy="prior")
    if hasattr(base, "early_stopping") or hasattr(base, "n_iter_no_change"):
        with pytest.raises(LocalFitError, match="node 'b'"):
            few(base)
    model = few(base, small_nodes=small)
    assert used(model)["b"] == "DummyClassifier: small_nodes"
    assert used(model)["a"] == type(base).__name__
    assert isinstance(model.estimators_["b"], DummyClassifier)


def test_the_bounds_are_exact():
    for n_folds, expected in ((3, "CalibratedClassifierCV"), (4, "DummyClassifier: small_nodes")):
        base = CalibratedClassifierCV(GaussianNB(), cv=n_folds)
        assert used(few(base, small_nodes=DummyClassifier()))["b"] == expected
    for n, expected in ((23, "KNeighborsClassifier"), (24, "DummyClassifier: small_nodes")):
        assert used(few(KNeighborsClassifier(n), small_nodes=DummyClassifier()))["b"] == expected
    for n, expected in ((23, "GaussianNB"), (24, "DummyClassifier: small_nodes")):
        assert used(few(GaussianNB(), small_nodes=(n, DummyClassifier())))["b"] == expected
    # Enough rows for what holds out one row of each of two outcomes on both sides.
    for share, expected in ((0.04, "DummyClassifier: small_nodes"), (0.05, "SGDClassifier")):
        base = SGDClassifier(loss="log_loss", early_stopping=True, validation_fraction=share)
        assert used(few(base, small_nodes=DummyClassifier()))["b"] == expected
    pair = few(CalibratedClassifierCV(GaussianNB()), small_nodes=(1, DummyClassifier()))
    assert used(pair)["b"] == "DummyClassifier: small_nodes"


def test_small_nodes_are_seeded_cloned_and_tunable():
    small = RandomForestClassifier(1)
    model = few(GaussianNB(), small_nodes=(50, small), random_state=0)
    assert isinstance(model.estimators_["b"].random_state, int)
    assert not hasattr(small, "classes_")
    for parameter in (small, (50, small)):
        tuned = HierarchicalClassifier(small_nodes=parameter)
        assert tuned.get_params()["small_nodes__max_depth"] is None
        tuned = clone(tuned).set_params(small_nodes__max_depth=2)
        assert tuned.get_params()["small_nodes__max_depth"] == 2
        assert small.max_depth is None
        assert "small_nodes__max_depth" not in tuned.get_params(deep=False)
        search = GridSearchCV(
            clone(tuned).set_params(estimator=GaussianNB(), taxonomy=SMALL),
            {"small_nodes__max_depth": [1, 2]},
            cv=2,
        )
        assert search.fit(X_FEW, FEW).best_params_["small_nodes__max_depth"] in (1, 2)
    pickle.loads(pickle.dumps(model)).predict(X_FEW)


@pytest.mark.parametrize("bad", [5, (5,), (-1, GaussianNB()), (1.5, GaussianNB()), (3, 4), "nb"])
def test_bad_small_nodes(bad):
    with pytest.raises((ValueError, TypeError), match="`small_nodes` must be"):
        few(GaussianNB(), small_nodes=bad)


def test_small_nodes_get_metadata():
    weights = np.arange(1.0, len(FEW) + 1)
    with sklearn.config_context(enable_metadata_routing=True):
        base = GaussianNB().set_fit_request(sample_weight=False)
        small = Keeps().set_fit_request(sample_weight=True)
        model = HierarchicalClassifier(base, taxonomy=SMALL, small_nodes=(30, small))
        fitted = model.fit(X_FEW, FEW, sample_weight=weights)
    assert used(fitted)["b"] == "Keeps: small_nodes"
    assert_array_equal(fitted.estimators_["b"].weights_, weights[54:])


def test_small_nodes_and_batches():
    model = HierarchicalClassifier(GaussianNB(), taxonomy=SMALL, small_nodes=(5, GaussianNB()))
    with pytest.raises(AttributeError) as caught:
        model.partial_fit(X_FEW, FEW)
    assert "small_nodes" in str(caught.value.__cause__)


def test_small_nodes_of_label_sets():
    sets = [[label] for label in FEW]
    model = HierarchicalMultiLabelClassifier(
        CalibratedClassifierCV(GaussianNB()),
        taxonomy=SMALL,
        small_nodes=DummyClassifier(),
        decoder=SetThreshold(0.5),
    ).fit(X_FEW, sets)
    assert used(model)["u"] == used(model)["v"] == "DummyClassifier: small_nodes"
    assert used(model)["x"] == "CalibratedClassifierCV"
    joint = clone(model).set_params(estimator=KNeighborsClassifier(24))
    assert used(joint.fit(X_FEW, sets))["children", "b"] == "DummyClassifier: small_nodes"
    joint.set_params(small_nodes=GaussianNB())
    with pytest.raises(IncompatiblePartsError, match=r"small_nodes at node 'b'.*several outputs"):
        joint.fit(X_FEW, sets)


def test_calibration_needs_the_folds_of_scikit_learn():
    labels = np.repeat(["x", "y", "u", "v"], [5, 30, 4, 30])
    model = HierarchicalClassifier(
        CalibratedClassifierCV(GaussianNB()), taxonomy=SMALL, small_nodes=DummyClassifier()
    ).fit(features(labels, 1), labels)
    assert used(model)["a"] == "CalibratedClassifierCV"
    assert used(model)["b"] == "DummyClassifier: small_nodes"


def test_small_nodes_within_chains():
    base = CalibratedClassifierCV(GaussianNB(), cv=3)
    model = few(base, small_nodes=DummyClassifier(), chain="proba", cv=2)
    assert used(model)["b"] == "CalibratedClassifierCV"
    assert (
        few(base, small_nodes=(24, DummyClassifier()), chain="proba").estimators_["b"].n_outputs_
    )


def test_callables_see_counts():
    seen = {}

    def by_counts(node, taxonomy, counts):
        seen[node] = counts.tolist()
        return DummyClassifier() if counts.min() < 5 else None

    model = few(GaussianNB(), node_estimators=by_counts)
    assert seen == {SMALL.nodes[0]: [54, 23], "a": [30, 24], "b": [3, 20]}
    assert used(model)["b"] == "DummyClassifier"

    def by_number(node, taxonomy, *, n_samples):
        return DummyClassifier() if n_samples < 24 else None

    assert used(few(GaussianNB(), node_estimators=by_number))["b"] == "DummyClassifier"
    # A parameter with a default is the user's own.
    of_two = few(GaussianNB(), node_estimators=lambda node, taxonomy, depth=3: None)
    assert set(used(of_two).values()) == {"GaussianNB"}
    sets = HierarchicalMultiLabelClassifier(
        DecisionTreeClassifier(),
        taxonomy=SMALL,
        node_estimators=by_counts,
        decoder=SetThreshold(0.5),
    ).fit(X_FEW, [[label] for label in FEW])
    assert used(sets)["u"] == "DummyClassifier"
    assert used(sets)["x"] == "DecisionTreeClassifier"


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("wrap", [lambda base: base, lambda base: make_pipeline(base)])
def test_what_would_fail_at_predict_is_found_at_fit(wrap, n_jobs):
    with pytest.raises(
        LocalFitError, match=r"node 'b', fitted on 23 row.*`small_nodes=`"
    ) as caught:
        few(wrap(KNeighborsClassifier(24)), n_jobs=n_jobs)
    assert (caught.value.node, caught.value.n_rows) == ("b", 23)
    assert isinstance(caught.value.__cause__, ValueError)
    found = few(wrap(KNeighborsClassifier(24)), small_nodes=GaussianNB())
    assert used(found)["b"] == "GaussianNB: small_nodes"


@pytest.mark.parametrize("n_rows", [8, 16])
def test_what_would_fail_at_predict_is_told_with_few_rows_as_well(n_rows):
    y = np.repeat(["x", "u", "v"], [30, n_rows - 1, 1])
    model = HierarchicalClassifier(KNeighborsClassifier(n_rows + 1), taxonomy=SMALL)
    with pytest.raises(LocalFitError, match=f"fitted on {n_rows} row") as caught:
        model.fit(np.random.default_rng(0).normal(size=(len(y), 2)), y)
    told = str(caught.value)
    assert told.count(". It cannot predict one of these rows. Use another estimator") == 1
    assert told.count("small_nodes") == 1
    assert ".." not in told


class NeedsTwelve(GaussianNB):
    def fit(self, X, y, sample_weight=None):
        if len(X) < 12:
            raise ValueError("At least 12 rows.")
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize(("n_rows", "is_told"), [(10, True), (11, False)])
def test_a_failure_with_few_rows_names_small_nodes(n_rows, is_told):
    y = np.repeat(["x", "u", "v"], [30, n_rows - 1, 1])
    X = np.random.default_rng(0).normal(size=(len(y), 2))
    model = HierarchicalClassifier(NeedsTwelve(), taxonomy=SMALL)
    with pytest.raises(LocalFitError, match=f"node 'b', fitted on {n_rows} row") as caught:
        model.fit(X, y)
    told = " Use another estimator for nodes with few rows: pass `small_nodes=`." * is_told
    assert str(caught.value).endswith(f"At least 12 rows.{told}")
    model.set_params(small_nodes=(20, GaussianNB())).fit(X, y)


class Counts(GaussianNB):
    calls = 0

    def predict_proba(self, X):
        type(self).calls += len(X)
        return super().predict_proba(X)


def test_what_is_known_to_be_safe_is_not_asked(monkeypatch):
    monkeypatch.setattr(Counts, "calls", 0)
    few(Counts())
    assert Counts.calls == 3
    monkeypatch.setattr(Counts, "__module__", "sklearn.naive_bayes")
    few(Counts())
    few(make_pipeline(StandardScaler(), Counts()))
    assert Counts.calls == 3
    few(make_pipeline(StandardScaler(), Counts()), chain="proba", cv=2)
    monkeypatch.undo()
    few(Counts(), chain="proba")


# -- parameters of samples ----------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("n_rows", [2, 3])
def test_classes_are_not_cut_to_rows(n_rows):
    model = HierarchicalClassifier(SGDClassifier(loss="log_loss"), taxonomy=TREE)
    for start in range(0, len(Y), n_rows):
        rows = slice(start, start + n_rows)
        model.partial_fit(X[rows], Y[rows])
    assert model.estimators_["b"].classes_.tolist() == [0, 1, 2]
    sets = HierarchicalMultiLabelClassifier(
        SGDClassifier(loss="log_loss"), taxonomy=TREE, decoder=SetThreshold(0.5)
    )
    sets.partial_fit(X[:2], [["x"], ["u"]]).partial_fit(X[30:32], [["u"], []])
    assert sets.estimators_["x"].classes_.tolist() == [0, 1]


class Takes(Keeps):
    def fit(self, X, y, tags=None, callbacks=None, feature_weights=None, level=None):
        super().fit(X, y, tags=tags, callbacks=callbacks, feature_weights=feature_weights)
        assert level in (None, 3)
        return self


def test_parameters_of_samples_are_known_by_name_and_routing():
    n = len(Y)
    tags = pd.Series(np.arange(n))
    with sklearn.config_context(enable_metadata_routing=True):
        base = Takes().set_fit_request(tags=True, callbacks=True, feature_weights=True, level=True)
        model = HierarchicalClassifier(base, taxonomy=TREE)
        model.fit(X, Y, tags=tags, callbacks=list(range(n)), feature_weights=np.ones(n), level=3)
        params = model.estimators_["b"].params_
        assert params["tags"].tolist() == list(range(30, 60))
        assert len(params["callbacks"]) == len(params["feature_weights"]) == n
        with pytest.raises(ValueError, match=r"`tags` must have an entry for each of the 60"):
            model.fit(X, Y, tags=tags[:5])


# -- validation sets ----------------------------------------------------------------------


class Validates(Keeps):
    def fit(
        self, X, y, eval_set=None, X_val=None, y_val=None, sample_weight_val=None,
        eval_sample_weight=None, validation_data=None, eval_X=None, eval_y=None,
        base_margin=None,
    ):  # fmt: skip
        super().fit(X, y)
        frame = inspect.currentframe()
        names = [*inspect.signature(type(self).fit).parameters][3:]
        self.seen_ = {n: frame.f_locals[n] for n in names if frame.f_locals[n] is not None}
        return self


def validating(**requests):
    return Validates().set_fit_request(**dict.fromkeys(requests, True))


def validated(params, strategy="per_parent", target=Y, kind=HierarchicalClassifier, **others):
    with sklearn.config_context(enable_metadata_routing=True):
        model = kind(validating(**params), taxonomy=TREE, strategy=strategy, **others)
        return model.fit(X, target, **params)


XV = np.arange(24.0).reshape(6, 4)
YV = np.array(["v", "x", "w", "y", "a", "v"])
CODES = np.unique(Y, return_inverse=True)[1]


def test_pairs_are_restricted_and_translated():
    model = validated({"eval_set": [(XV, YV)]})
    [(of_b, codes)] = model.estimators_["b"].seen_["eval_set"]
    assert_array_equal(of_b, XV[[0, 2, 5]])
    assert codes.tolist() == [1, 2, 1]
    [(of_root, codes)] = model.estimators_[TREE.nodes[0]].seen_["eval_set"]
    assert_array_equal(of_root, XV[[0, 1, 2, 3, 5]])  # no label of training is "a"
    assert codes.tolist() == [1, 0, 1, 0, 1]


def test_a_fold_may_know_less_than_the_validation_set():
    lengths = []

    class Sees(Validates):
        def fit(self, X, y, eval_set=None):
            lengths.append((len(np.unique(y)), len(eval_set[0][0])))
            return super().fit(X, y, eval_set=eval_set)

    # The second of two folds is fitted to the first half of the rows, in which no label is "w".
    order = np.random.default_rng(0).permutation(len(Y))
    target = np.where((np.arange(len(Y)) < len(Y) // 2) & (Y[order] == "w"), "v", Y[order])
    with sklearn.config_context(enable_metadata_routing=True):
        base = Sees().set_fit_request(eval_set=True)
        HierarchicalClassifier(
            base, taxonomy=TREE, strategy="flat", calibration="temperature", cv=KFold(2)
        ).fit(X[order], target, eval_set=[(XV, YV)])
    assert sorted(lengths) == [(4, 4), (5, 5), (5, 5)]


def test_classes_that_training_lacks_are_left_out_of_validation():
    for lacking, rows, codes in (("w", [0, 5], [1, 1]), ("u", [0, 2, 5], [0, 1, 0])):
        target = np.where(lacking == Y, "v", Y)
        [(of_b, found)] = (
            validated({"eval_set": [(XV, YV)]}, target=target).estimators_["b"].seen_["eval_set"]
        )
        assert_array_equal(of_b, XV[rows])
        assert found.tolist() == codes


@pytest.mark.parametrize(
    ("strategy", "name", "expected"),
    [
        ("flat", TREE.nodes[0], [1, 3, 2, 4, 1]),
        ("per_level", "level:2", [3, 0, 4, 1, 3]),
        ("per_node", "v", [1, 0, 1]),
        (PerNode("less_inclusive"), "v", [1, 0, 0, 0, 1]),
        ("ensemble", (1, "level:1"), [1, 0, 1, 0, 1]),
    ],
)
def test_other_strategies_validate_in_their_own_codes(strategy, name, expected):
    model = validated({"eval_set": [(XV, YV)]}, strategy)
    assert model.estimators_[name].seen_["eval_set"][0][1].tolist() == expected


def test_ways_to_pass_a_validation_set():
    weights = np.arange(6.0)
    of_b = [0, 2, 5]
    for params, read in (
        ({"eval_set": (XV, YV)}, lambda seen: seen["eval_set"]),
        ({"X_val": XV, "y_val": YV}, lambda seen: (seen["X_val"], seen["y_val"])),
        ({"validation_data": (XV, YV, weights)}, lambda seen: seen["validation_data"]),
        ({"eval_X": XV, "eval_y": YV}, lambda seen: (seen["eval_X"], seen["eval_y"])),
        ({"eval_X": (XV,), "eval_y": (YV,)}, lambda seen: (seen["eval_X"][0], seen["eval_y"][0])),
        (
            {"eval_X": XV, "eval_y": YV, "eval_sample_weight": [weights]},
            lambda seen: (seen["eval_X"], seen["eval_y"], seen["eval_sample_weight"][0]),
        ),
        (
            {"X_val": XV, "y_val": YV, "sample_weight_val": weights},
            lambda seen: (seen["X_val"], seen["y_val"], seen["sample_weight_val"]),
        ),
        (
            {"eval_set": [(XV, YV)], "eval_sample_weight": [weights]},
            lambda seen: (*seen["eval_set"][0], seen["eval_sample_weight"][0]),
        ),
    ):
        found = read(validated(params).estimators_["b"].seen_)
        assert_array_equal(found[0], XV[of_b])
        assert found[1].tolist() == [1, 2, 1]
        if len(found) == 3:
            assert_array_equal(found[2], weights[of_b])


def test_a_validation_set_as_long_as_x():
    model = validated({"X_val": X, "y_val": Y[::-1]})
    seen = model.estimators_["b"].seen_
    assert_array_equal(seen["X_val"], X[30 - 1 :: -1][::-1][:30])
    assert_array_equal(seen["X_val"], X[np.isin(Y[::-1], ["u", "v", "w"])])


@pytest.mark.parametrize("container", ["frame", "sparse", "list"])
def test_containers_of_validation_sets(container):
    given = {
        "frame": pd.DataFrame(XV),
        "sparse": sparse.coo_array(XV),
        "list": XV.tolist(),
    }[container]
    X_val = validated({"X_val": given, "y_val": YV.tolist()}).estimators_["b"].seen_["X_val"]
    found = X_val.toarray() if container == "sparse" else np.asarray(X_val)
    assert_array_equal(found, XV[[0, 2, 5]])


def test_nodes_without_validation_rows_take_their_own():
    with pytest.warns(UserWarning, match=r"1 model\(s\) have no row in a validation set: 'b'"):
        model = validated({"eval_set": [(XV[[1, 3]], YV[[1, 3]])]})
    [(own, codes)] = model.estimators_["b"].seen_["eval_set"]
    assert_array_equal(own, X[30:])
    assert_array_equal(codes, model.estimators_["b"].y_)
    assert used(model)["b"] == "Validates: no validation rows"
    assert used(model)["a"] == "Validates"


def test_nodes_without_validation_rows_take_their_own_weights_for_weighted_sets_alone():
    class Weighed(Validates):
        def fit(self, X, y, eval_set=None, eval_sample_weight=None, sample_weight=None):
            self.of_sets_ = eval_sample_weight
            return Keeps.fit(self, X, y)

    names = ["eval_set", "eval_sample_weight", "sample_weight"]
    weights = np.arange(1.0, len(Y) + 1)
    with sklearn.config_context(enable_metadata_routing=True):
        base = Weighed().set_fit_request(**dict.fromkeys(names, True))
        model = HierarchicalClassifier(base, taxonomy=TREE)
        sets = [(XV[[1, 3]], YV[[1, 3]])]
        for given, wanted in ((None, None), ([np.array([5.0, 6.0])], weights[30:])):
            more = {} if given is None else {"eval_sample_weight": given}
            with pytest.warns(UserWarning, match="have no row in a validation set"):
                model.fit(X, Y, sample_weight=weights, eval_set=sets, **more)
            found = model.estimators_["b"].of_sets_
            assert found is None if wanted is None else np.array_equal(found[0], wanted)


def test_label_sets_validate_in_codes_of_each_node():
    sets = [["v"], ["x"], ["w", "y"], ["y"], [], ["v"]]
    target = [[label] for label in Y]
    model = validated(
        {"eval_set": [(XV, sets)]},
        target=target,
        kind=HierarchicalMultiLabelClassifier,
        decoder=SetThreshold(0.5),
    )
    [(rows, codes)] = model.estimators_["v"].seen_["eval_set"]
    assert_array_equal(rows, XV[[0, 2, 5]])
    assert codes.tolist() == [1, 0, 1]
    [(rows, codes)] = model.estimators_["a"].seen_["eval_set"]
    assert codes.tolist() == [0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("params", "others", "error", "match"),
    [
        (
            {"eval_set": [(XV, ["q"] * 6)]},
            {},
            TargetError,
            "`eval_set`: y must hold labels that the model knows",
        ),
        (
            {"eval_set": [(XV, [*YV[:4], None, "v"])]},
            {},
            TargetError,
            "`eval_set`: .*row 4 is missing",
        ),
        (
            {"eval_set": [(XV, [0, 1, 2, 9, 0, 1])]},
            {"target": CODES, "classes": np.unique(Y)},
            TargetError,
            "`eval_set`: The label of row 3 is missing or not in the taxonomy",
        ),
        ({"eval_set": [(XV, YV[:3])]}, {}, ValueError, "inconsistent numbers of samples"),
        ({"eval_set": [(np.ones((6, 9)), YV)]}, {}, ValueError, "features"),
        ({"eval_set": "pool"}, {}, TypeError, "`eval_set` must be a pair"),
        ({"eval_set": [XV]}, {}, TypeError, "`eval_set` must be a pair"),
        ({"X_val": XV}, {}, ValueError, "`X_val` needs `y_val`"),
        ({"y_val": YV}, {}, ValueError, "in one way"),
        ({"eval_set": (XV, YV), "y_val": YV}, {}, ValueError, "does not go with"),
        ({"base_margin": np.ones(60)}, {}, IncompatiblePartsError, "`base_margin` refers to"),
        ({"eval_set": (XV, YV)}, {"chain": "proba"}, IncompatiblePartsError, "outputs of others"),
        ({"eval_set": (XV, YV)}, {"routing": "predicted"}, IncompatiblePartsError, "rest class"),
    ],
)
def test_bad_validation_sets(params, others, error, match):
    with pytest.raises(error, match=match):
        validated(params, **others)


def test_an_estimator_without_requests_gets_what_it_takes():
    class NoRequests(Untagged):
        def __sklearn_tags__(self):
            return GaussianNB().__sklearn_tags__()

        def fit(self, X, y, eval_set=None):
            self.seen = eval_set
            return super().fit(X, y)

    with sklearn.config_context(enable_metadata_routing=True):
        model = HierarchicalClassifier(NoRequests(), taxonomy=TREE)
        model.fit(X, Y, eval_set=(XV, YV))
        with pytest.raises(TypeError, match="other"):
            model.fit(X, Y, other=3)
    assert model.estimators_["b"].seen[1].tolist() == [1, 2, 1]


# -- random numbers of the whole process ---------------------------------------------------


SHARED = {
    "svc": LinearSVC(random_state=0, dual=True),
    "liblinear": LogisticRegression(solver="liblinear", dual=True, random_state=0),
    "pipeline": make_pipeline(StandardScaler(), LinearSVC(random_state=0, dual=True)),
    "calibrated": CalibratedClassifierCV(cv=2),
    "bagging": BaggingClassifier(LinearSVC(random_state=0, dual=True), 2, random_state=0),
    "search": GridSearchCV(LogisticRegression(), {"solver": ["liblinear"]}, cv=2),
}


@pytest.mark.few(5)
@pytest.mark.parametrize("kind", SHARED)
def test_fits_that_share_random_numbers_wait_for_each_other(kind, monkeypatch):
    from sklhier._utils import compat, parallel

    held = []

    class Lock:
        def __enter__(self):
            held.append(kind)

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(compat, "shared_draws", Lock)
    few(SHARED[kind])
    assert len(held) == 3
    few(LogisticRegression())
    few(DecisionTreeClassifier())
    assert len(held) == 3
    monkeypatch.undo()
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    if kind in ("svc", "liblinear"):
        one = few(SHARED[kind])
        with joblib.parallel_config("threading"):
            two = few(SHARED[kind], n_jobs=2)
        for name, local in one.estimators_.items():
            assert_array_equal(two.estimators_[name].coef_, local.coef_)


@pytest.mark.filterwarnings("ignore:The `probability` parameter")
def test_libsvm_shares_random_numbers_too():
    from sklhier._local.base_params import BaseTraits

    for base, expected in ((SVC(probability=True), True), (SVC(), False)):
        assert BaseTraits.of(base, lambda parameter: False).draws is expected


# -- parameters of strategies -------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "name"),
    [
        (PerLevel(beta=0.7), "beta"),
        (PerLevel(beta="oof"), "beta"),
        (PerParent(stop="learn"), "stop"),
        (PerNode(stop="learn"), "stop"),
        (Ensemble(["flat", PerLevel(beta=2.0)]), "beta"),
    ],
)
def test_parameters_without_effect_on_label_sets_are_refused(strategy, name):
    model = HierarchicalMultiLabelClassifier(
        GaussianNB(), taxonomy=TREE, strategy=strategy, decoder=SetThreshold(0.5)
    )
    with pytest.raises(IncompatiblePartsError, match=f"with label sets `{name}` has no effect"):
        model.fit(X, [[label] for label in Y])
    model.set_params(strategy="ensemble").fit(X, [[label] for label in Y])


@pytest.mark.parametrize("strategy", [PerLevel(beta="x"), PerParent(stop="x"), PerNode(stop="x")])
@pytest.mark.parametrize("kind", [HierarchicalClassifier, HierarchicalMultiLabelClassifier])
def test_bad_parameters_of_strategies_are_refused_always(strategy, kind):
    with pytest.raises(ValueError, match="must be"):
        kind(GaussianNB(), taxonomy=TREE, strategy=strategy).fit(X, [[label] for label in Y])


def test_what_a_search_tries_may_draw_numbers_that_all_share():
    from sklhier._local.base_params import BaseTraits

    steps = make_pipeline(GaussianNB())
    for tried, expected in (([GaussianNB()], False), ([GaussianNB(), LinearSVC()], True)):
        for grid in ({"gaussiannb": tried}, [{}, {"gaussiannb": tried}]):
            search = GridSearchCV(steps, grid)
            assert BaseTraits.of(search, lambda parameter: False).draws is expected
