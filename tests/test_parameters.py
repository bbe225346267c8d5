"""Numbers, folds, weights and tables that mean nothing are refused, by all classes alike."""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold
from sklearn.naive_bayes import GaussianNB

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
    decoders,
    links,
    objectives,
    staging,
    strategies,
)
from sklhier._utils.validation import check_integer, check_number, numbers, shown
from sklhier.decoders import CostMatrix, HierarchicalF, SetThreshold, Threshold

TREE = Taxonomy.from_dict({"a": ["x", "y"], "b": ["u", "v"]})
X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.array(["x", "y", "u", "v"] * 10)
SETS = [[label] for label in Y.tolist()]

MODELS = {
    "paths": lambda: HierarchicalClassifier(GaussianNB(), taxonomy=TREE),
    "sets": lambda: HierarchicalMultiLabelClassifier(
        GaussianNB(), taxonomy=TREE, decoder=SetThreshold(0.5)
    ),
    "joint paths": lambda: MultiHeadClassifier(TREE),
    "joint sets": lambda: MultiHeadMultiLabelClassifier(TREE, decoder=SetThreshold(0.5)),
}


def labels_for(name):
    return SETS if "sets" in name else Y


NO_NUMBERS = (math.nan, math.inf, -math.inf, "x", None, [0.5], 1j, np.array(0.5))
POSITIVE = (*NO_NUMBERS, 0, -1, True)
NOT_NEGATIVE = (*NO_NUMBERS, -1, True)
PROBABILITY = (*NOT_NEGATIVE, 1, 1.5)
COUNT = (*POSITIVE, 2.5, 1.0)
NODE_WEIGHTS = (math.nan, [math.nan, 1], [1, math.inf], [1, -1], "x", 5, {"a": "x"}, [[1, 2]])
THRESHOLDS = (
    *(value for value in PROBABILITY if value not in ([0.5], 1)),
    *NODE_WEIGHTS,
    [0.5, 1.5],
    {"a": 2},
)
STOP_RULE = {
    "tau": THRESHOLDS,
    "scope": (5, "x", None),
    "beta": POSITIVE,
    "min_rows": COUNT,
}

# The kind of part, and for each of its numbers what it refuses.
PARTS = {
    "decoder": [
        (decoders.Beam, {"width": COUNT}),
        (decoders.Climbing, STOP_RULE),
        (
            decoders.Conformal,
            {
                "confidence_level": (*PROBABILITY, 0),
                "path": ("x", 5, None, "threshold"),
                "by": ("x", 0, -1, 1.5, True, [1]),
                "source": ("x", 5, None),
            },
        ),
        (decoders.Darts, {"accuracy_reward": NOT_NEGATIVE, "reward": (*NODE_WEIGHTS, None)}),
        (decoders.HierarchicalF, {"beta": (*POSITIVE, 1e200, 1e-200)}),
        (
            decoders.InformationThreshold,
            {"tau": THRESHOLDS, "information": (*NODE_WEIGHTS, None)},
        ),
        (decoders.LevelWeighted, {"weights": NODE_WEIGHTS}),
        (decoders.Threshold, STOP_RULE),
        (
            decoders.CostMatrix,
            {"costs": (5, "x", None, {}, {"a": 1}, {"a": {"x": "y"}}, [[1, 2]], [["x"]])},
        ),
    ],
    "set decoder": [
        (decoders.MaximumClosure, {"tau": (*PROBABILITY, 0)}),
        (
            decoders.SetThreshold,
            {
                "tau": THRESHOLDS,
                "shrinkage": NOT_NEGATIVE,
                "min_rows": (*NOT_NEGATIVE, 2.5),
                "at_least_one": ("x", None, 2),
                "scope": (5, "x"),
            },
        ),
        (
            decoders.RiskControl,
            {
                "risk": ("x", 5, None, int),
                "target": (*PROBABILITY, 0),
                "method": ("x", 5, None),
                "delta": (*PROBABILITY, 0),
                "source": ("x", 5, None),
            },
        ),
        (decoders.TopLabels, {"k": COUNT}),
    ],
    "link": [
        (links.SoftmaxLink, {"sharpness": POSITIVE}),
        (links.LogisticLink, {"sharpness": POSITIVE}),
        (links.HingeLink, {"power": (0.5, np.nan, "x", None)}),
    ],
    "strategy": [
        (strategies.PerLevel, {"beta": POSITIVE}),
        (strategies.PerParent, {"stop": ("x", 5, None)}),
        (strategies.PerNode, {"stop": ("x", 5, None), "policy": ("x", 5, None)}),
        (
            strategies.Ensemble,
            {
                "weights": (
                    *(x for x in POSITIVE if x is not None),
                    ["a", "b"],
                    [-1, 1],
                    {"a": 1},
                ),
                "pool": ("x", 5, None),
            },
        ),
        (
            strategies.Auto,
            {
                "candidates": ("flat", 5, [], {"flat": 1}),
                "scoring": ("x", 5, None, ["x"]),
                "max_rows": (*(x for x in COUNT if x is not None), 1),
                "min_gain": NOT_NEGATIVE,
            },
        ),
    ],
    "chain": [(staging.Chain, {"scale": POSITIVE})],
    "routing": [(staging.Weighted, {"least": (*PROBABILITY, 0)})],
    "loss": [
        (objectives.HierarchicalCrossEntropy, {"alpha": (*NO_NUMBERS, True)}),
        (objectives.SoftLabels, {"beta": POSITIVE}),
    ],
    "solver": [
        (objectives.LBFGS, {"max_iter": (*NOT_NEGATIVE, 2.5), "tol": NOT_NEGATIVE}),
        (
            objectives.Adam,
            {
                "learning_rate": ("x", 5),
                "learning_rate_init": POSITIVE,
                "batch_size": COUNT,
                "max_iter": (*NOT_NEGATIVE, 2.5),
                "tol": NOT_NEGATIVE,
                "n_iter_no_change": COUNT,
                "early_stopping": ("x", None, 2),
                "refit": ("x", None, 2),
                "validation_fraction": (*POSITIVE, 0.6),
            },
        ),
    ],
}
CASES = [
    (kind, part, name, value)
    for kind, parts in PARTS.items()
    for part, names in parts
    for name, values in names.items()
    for value in values
]
RESOLVE = {
    "decoder": decoders.resolve_decoder,
    "set decoder": decoders.resolve_set_decoder,
    "link": links.resolve_link,
    "chain": staging.resolve_chain,
    "routing": staging.resolve_routing,
    "loss": objectives.resolve_loss,
    "solver": objectives.resolve_solver,
}


@pytest.mark.parametrize(("kind", "part", "name", "value"), CASES)
def test_parameters_of_parts(kind, part, name, value):
    made = part(**{name: value})
    if kind != "strategy":
        with pytest.raises(ValueError, match=f"`{name}`|array of costs") as caught:
            RESOLVE[kind](made)
        assert len(str(caught.value)) < 400
        return
    for resolve in (strategies.resolve_strategy, strategies.resolve_set_strategy):
        with pytest.raises(ValueError, match=f"`{name}`"):
            resolve(made)


@pytest.mark.parametrize("module", [decoders, links, objectives, staging, strategies])
def test_every_number_of_a_part_is_in_the_table(module):
    listed = {(part, name) for parts in PARTS.values() for part, names in parts for name in names}
    without_numbers = {
        "answer",
        "members",
        "actions",
        "labels",
        "output",
        "see",
        "training",
        "append_to",
    }
    parts = [getattr(module, name) for name in module.__all__]
    parts = [part for part in parts if isinstance(part, type) and issubclass(part, BaseEstimator)]
    for part in parts:
        for name in set(part._get_param_names()) - without_numbers:
            assert (part, name) in listed


OF_CLASSES = {
    "alpha": NOT_NEGATIVE,
    "hidden_layer_sizes": (-1, 0, "x", [2.5], math.nan, [True], {"a": 1}),
    "level_weights": ([math.nan, 1], [math.inf, 1], [-1, 1], "x", 5, [1], {"a": 1}, [0, 0]),
    "class_weight": ("x", 5, {"x": math.nan}, {"x": -1}, {"x": "y"}, [1, 2]),
    "warm_start": ("x", None, 2),
    "verbose": ("x", math.nan, None, -1, 1.5),
    "n_jobs": (0, "x", 1.5, math.nan, True),
    "cv": (2.5, True, 1, 0, -1, "abc", [1, 2], math.nan, [([0, 1],)], [], {"a": 1}, KFold),
    "classes": (["a", "a", "x"], "abc", 5, {"a": 1}, np.array(["x", "x"])),
    "random_state": ("x", 1.5, -1),
    "taxonomy": (5, "abc", {"a": ["x"]}),
    "decoder": (5, "x", SetThreshold, Threshold),
    "strategy": (5, "x"),
    "consistency": (5, "x", None),
    "chain": (5, "x"),
    "routing": (5, "x"),
    "link": (5, "x"),
    "loss": (5, "x"),
    "solver": (5, "x"),
    "activation": (5, "x"),
}
OF_MODELS = [
    (name, parameter, value)
    for name, make in MODELS.items()
    for parameter in make().get_params(deep=False)
    for value in OF_CLASSES.get(parameter, ())
]


@pytest.mark.parametrize(("name", "parameter", "value"), OF_MODELS)
def test_parameters_of_classes(name, parameter, value):
    model = MODELS[name]().set_params(**{parameter: value})
    with pytest.raises(ValueError, match=f"`{parameter}`|[sS]eed") as caught:
        model.fit(X, labels_for(name))
    assert len(str(caught.value)) < 500
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("name", ["paths", "sets"])
@pytest.mark.parametrize("base", [5, "x", LogisticRegression, GaussianNB().fit])
def test_base_estimators_that_are_none(name, base):
    for params in ({"estimator": base}, {"node_estimators": {"a": base}}):
        key = "estimator" if "estimator" in params else "node_estimators__a"
        with pytest.raises(TypeError, match=f"`{key}` must be an estimator"):
            MODELS[name]().set_params(**params).fit(X, labels_for(name))


NO_TABLES = {
    "dict": {"a": [1.0] * 40},
    "None": None,
    "int": 5,
    "text": "abc",
    "bytes": b"abc",
    "set": {1, 2},
    "generator": (row for row in X),
    "scalar": np.array(3.0),
}


@pytest.mark.few(12)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", NO_TABLES)
def test_what_has_no_rows(name, kind):
    with pytest.raises(TypeError, match="`X` must hold a row for each sample"):
        MODELS[name]().fit(NO_TABLES[kind], labels_for(name))
    model = MODELS[name]().fit(X, labels_for(name))
    with pytest.raises(TypeError, match="`X` must hold a row for each sample"):
        model.predict(NO_TABLES[kind])


@pytest.mark.few(12)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("y", [None, 5, "abc", object()])
def test_what_are_no_labels(name, y):
    with pytest.raises(ValueError, match="y"):
        MODELS[name]().fit(X, y)
    with pytest.raises(ValueError, match="y"):
        MODELS[name]().fit(X, labels_for(name)).score(X, y)


# -- weights ------------------------------------------------------------------------------

ONES = np.ones(40)
BAD_WEIGHTS = {
    "another length": (ONES[1:], "expected .40,."),
    "a column": (ONES[:, None], "expected .40,."),
    "texts": (["x"] * 40, "must hold numbers, got"),
    "a text": ("x", "must hold numbers, got 'x'"),
    "NaN": (math.nan, "finite"),
    "infinite": (math.inf, "finite"),
    "one NaN": (np.r_[math.nan, ONES[1:]], "got nan in row 0"),
    "one infinite": (np.r_[ONES[1:], math.inf], "got inf in row 39"),
    "negative": (np.r_[1, -2, ONES[2:]], "not be negative, got -2 in row 1"),
    "all zero": (np.zeros(40), "nothing to (learn from|score)"),
    "masked": (np.ma.masked_array(ONES, mask=np.arange(40) == 3), "masked"),
    "complex": (ONES * 1j, "must hold numbers"),
    "sparse": (sparse.csr_array(ONES[None, :]), "sparse"),
    "None": ([None] * 40, "finite|numbers"),
}


@pytest.mark.few(12)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_weights_that_are_none(name, kind):
    weights, match = BAD_WEIGHTS[kind]
    y = labels_for(name)
    with pytest.raises(ValueError, match=match):
        MODELS[name]().fit(X, y, sample_weight=weights)
    with pytest.raises(ValueError, match=match):
        MODELS[name]().fit(X, y).score(X, y, sample_weight=weights)


@pytest.mark.parametrize("name", MODELS)
def test_weights_of_scores(name):
    y = labels_for(name)
    model = MODELS[name]().fit(X, y)
    assert model.score(X, y, sample_weight=3.0) == pytest.approx(model.score(X, y))
    weights = np.r_[np.zeros(20), ONES[20:]]
    assert model.score(X, y, sample_weight=weights) == pytest.approx(model.score(X[20:], y[20:]))


# -- tables of probabilities --------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    return {name: make().fit(X, labels_for(name)) for name, make in MODELS.items()}


def changed(proba, row, **values):
    table = proba.copy()
    for name, value in values.items():
        table[row, 0 if name == "root" else TREE.id(name)] = value
    return table


@pytest.mark.parametrize("name", MODELS)
def test_tables_that_hold_no_probabilities(name, fitted):
    model = fitted[name]
    proba = model.predict_node_proba(X)
    masked = np.ma.masked_array(proba, mask=proba == proba[3, 2])
    for table, match in (
        (changed(proba, 2, a=1.5), "from 0 to 1, got 1.5 for 'a' in row 2"),
        (changed(proba, 2, a=-0.5), "from 0 to 1, got -0.5 for 'a' in row 2"),
        (changed(proba, 3, y=math.nan), "from 0 to 1, got nan for 'y' in row 3"),
        (changed(proba, 3, y=math.inf), "from 0 to 1, got inf for 'y' in row 3"),
        (changed(proba, 4, a=0.2, x=0.4, y=0.0), "children than to their parent, got 0.4 for"),
        (masked, "numbers, got masked"),
        (proba[:, 1:], "7 columns"),
        (proba[0], "7 columns"),
        (proba.astype(str), "hold numbers"),
        (proba.astype(complex), "hold numbers"),
        ("abc", "hold numbers"),
        ({"a": 1}, "hold numbers"),
        (None, "7 columns"),
    ):
        with pytest.raises(ValueError, match=f"`node_proba` must .*({match})") as caught:
            model.decode(table)
        assert len(str(caught.value)) < 400


def test_children_that_exclude_each_other_sum_up_to_their_parent(fitted):
    proba = fitted["paths"].predict_node_proba(X)
    table = changed(proba, 5, a=0.5, b=0.5, x=0.4, y=0.3)
    with pytest.raises(
        ValueError, match=r"got 0.7 for the children of 'a', which has 0.5, in row 5"
    ):
        fitted["paths"].decode(table)
    assert len(fitted["sets"].decode(table)) == 40
    with pytest.raises(ValueError, match="begin with the root, which is always 1, got 0 in row 0"):
        fitted["paths"].decode(changed(proba, slice(None), root=0.0))
    # The same number of nodes, in another tree.
    other = Taxonomy.from_dict({"p": ["q", "r", "s"], "t": ["w"]})
    assert other.n_nodes == TREE.n_nodes
    model = HierarchicalClassifier(GaussianNB(), taxonomy=other)
    model.fit(X, np.array(["q", "r", "s", "w"] * 10))
    with pytest.raises(ValueError, match="another taxonomy"):
        fitted["paths"].decode(model.predict_node_proba(X))


@pytest.mark.parametrize("name", MODELS)
def test_tables_in_other_containers(name, fitted):
    model = fitted[name]
    proba = model.predict_node_proba(X)
    expected = model.decode(proba)
    before = proba.copy()
    for table in (
        sparse.csr_matrix(proba),
        sparse.csc_array(proba),
        proba.tolist(),
        proba.astype(object),
        np.ma.masked_array(proba),
        proba.round(4),
        proba.astype(np.float32),
    ):
        assert_array_equal(np.array(model.decode(table), object), np.array(expected, object))
    if "sets" in name:
        proba[:, 0] = 0.0
        before[:, 0] = 0.0
        assert model.decode(proba) == expected
    assert_array_equal(proba, before)  # the user's table stays


# -- folds --------------------------------------------------------------------------------

LEARNERS = {
    "paths": lambda cv: HierarchicalClassifier(GaussianNB(), taxonomy=TREE, chain="proba", cv=cv),
    "sets": lambda cv: HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=TREE, cv=cv),
    "joint sets": lambda cv: MultiHeadMultiLabelClassifier(TREE, cv=cv),
}


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("splitter", [GroupKFold(2), StratifiedGroupKFold(2)])
def test_folds_that_need_groups(name, splitter):
    if name != "paths" and isinstance(splitter, StratifiedGroupKFold):
        pytest.skip("scikit-learn stratifies by one label alone")
    with pytest.raises(ValueError, match=r"`cv` must get the groups that it needs, got none for"):
        LEARNERS[name](splitter).fit(X, labels_for(name))


@pytest.mark.few(1)
@pytest.mark.parametrize("name", LEARNERS)
def test_folds_as_positions_masks_and_iterators(name):
    y = labels_for(name)
    folds = list(KFold(2).split(X))
    masks = [
        (np.isin(np.arange(40), train), np.isin(np.arange(40), test)) for train, test in folds
    ]
    expected = LEARNERS[name](folds).fit(X, y).predict_node_proba(X)
    for cv in (masks, iter(folds), KFold(2), [(a.tolist(), b.tolist()) for a, b in folds]):
        assert_array_equal(LEARNERS[name](cv).fit(X, y).predict_node_proba(X), expected)
    for part in ([0, 40], [-1, 3], [0.5], ["a"], [[0], [1]], [True] * 39):
        with pytest.raises(ValueError, match="`cv` must hold positions of samples, from 0 to 39"):
            LEARNERS[name]([(folds[0][0], part)]).fit(X, y)


# -- the checks themselves ----------------------------------------------------------------


def test_numbers_within_bounds():
    assert check_number("n", np.float32(0.5), above=0, below=1) == 0.5
    assert check_integer("n", np.int8(3), least=3, most=3) == 3
    for value, bounds, rule in (
        (10**400, {}, "`n` must be a finite number, got 1000"),
        (1.0, {"below": 1, "least": 0}, r"`n` must be in \[0, 1\), got 1.0"),
        (0.6, {"above": 0, "most": 0.5}, r"`n` must be in \(0, 0.5\], got 0.6"),
        (0, {"above": 0}, "`n` must be a finite number above 0, got 0"),
        (-1, {"least": 0}, "`n` must be a finite number of 0 or more, got -1"),
    ):
        with pytest.raises(ValueError, match=rule):
            check_number("n", value, **bounds)
    with pytest.raises(ValueError, match=r"`n` must be an integer in \[1, 5\], got 7"):
        check_integer("n", 7, least=1, most=5)
    with pytest.raises(ValueError, match="`n` must be an integer of 1 or more, got 0"):
        check_integer("n", 0, least=1)


def test_values_in_messages_are_short():
    assert shown("a") == "'a'"
    assert len(shown(list(range(10**5)))) < 110
    assert "\n" not in shown(np.eye(10))
    assert numbers("n", [True, False]).dtype == np.float64


def test_large_parameters_work_as_far_as_numbers_go(fitted):
    model = fitted["paths"]
    proba = model.predict_node_proba(X)
    assert len(model.decode(proba, HierarchicalF(1e100))) == 40
    assert len(model.decode(proba, HierarchicalF(1e-100))) == 40


def test_costs_with_a_name_twice():
    with pytest.raises(ValueError, match="`labels` of costs must be distinct, got 'x' twice"):
        CostMatrix([[1, 2]], actions=["a"], labels=["x", "x"]).check()


def test_a_forest_in_place_of_any_base():
    model = HierarchicalClassifier(RandomForestClassifier(2, random_state=0), taxonomy=TREE)
    assert model.set_params(n_jobs=np.int64(1), verbose=np.False_).fit(X, Y).score(X, Y) > 0.5
