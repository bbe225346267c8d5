"""Strategies compared: scores, the choice among them, fewer rows."""

import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import TAXONOMIES
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, MultiHeadClassifier
from sklhier.datasets import make_hierarchical_classification
from sklhier.model_selection import compare, compare_strategies
from sklhier.model_selection._strategies import _drawn_rows
from sklhier.strategies import PerLevel

X, Y, TREE = make_hierarchical_classification(
    150, 6, branching=(2, 3), class_sep=0.7, random_state=0
)
MODEL = HierarchicalClassifier(GaussianNB(), taxonomy=TREE)
NAMES = ("flat", "per_parent", "per_level", "per_node")
FOUND = compare_strategies(MODEL, X, Y, cv=3, n_bootstrap=50)


def test_scores_are_those_of_compare():
    models = {name: clone(MODEL).set_params(strategy=name) for name in NAMES}
    expected = compare(models, X, Y, cv=3, n_bootstrap=50)
    assert FOUND.names == expected.names == FOUND.comparison.names
    assert_array_equal(FOUND.comparison.scores, expected.scores)
    assert_array_equal(FOUND.comparison.intervals, expected.intervals)
    assert_array_equal(FOUND.scores, expected.scores[:, expected.measures.index("hF")])
    best = int(np.argmax(FOUND.scores))
    order = [NAMES[best], *(name for name in NAMES if name != NAMES[best])]
    against = compare({name: models[name] for name in order}, X, Y, cv=3, n_bootstrap=50)
    assert FOUND.against_best.names == tuple(order)
    assert FOUND.best == NAMES[best]
    assert_allclose(FOUND.against_best.intervals, against.intervals)
    seconds = FOUND.comparison.fit_seconds + FOUND.comparison.predict_seconds
    assert_allclose(FOUND.seconds, seconds.sum(axis=1))


def with_figures(low, high, seconds, tolerance=0.01):
    """The comparison with other intervals of hF to the best, and other seconds."""
    against = FOUND.against_best
    intervals = against.intervals.copy()
    intervals[:, against.measures.index("hF")] = np.column_stack([low, high])
    order = [FOUND.names.index(name) for name in against.names]
    by_name = np.empty(4)
    by_name[order] = seconds
    return replace(
        FOUND,
        seconds=by_name,
        tolerance=tolerance,
        against_best=replace(against, intervals=intervals),
    )


def test_what_is_recommended():
    best, *others = FOUND.against_best.names
    all_worse = with_figures([-0.3] * 3, [-0.1] * 3, [9, 1, 1, 1])
    assert all_worse.recommended == best
    assert all_worse.not_worse == (best,)
    assert all_worse.sentence == (
        f"Take {best}: it scores best by hF, and all others are shown to be worse."
    )
    unclear = with_figures([-0.3, -0.3, -0.3], [0.1, -0.1, 0.1], [9, 1, 1, 1])
    assert unclear.recommended == best
    assert set(unclear.not_worse) == {best, others[0], others[2]}
    assert unclear.good_enough == (best,)
    assert unclear.sentence.startswith(f"Take {best}: it scores best by hF, though ")
    assert unclear.sentence.endswith(" are not shown to be worse.")
    words = unclear.sentence.replace(",", " ").replace(":", " ").split()
    assert [words.count(name) for name in others] == [1, 0, 1]
    alike = with_figures([-0.3] * 3, [0.1] * 3, [9, 1, 1, 1])
    rest = [name for name in NAMES if name != best]
    assert alike.sentence.endswith(
        f"though {rest[0]}, {rest[1]} and {rest[2]} are not shown to be worse."
    )
    one = with_figures([-0.3] * 3, [0.1, -0.1, -0.1], [9, 1, 1, 1])
    assert one.sentence.endswith(f"though {others[0]} is not shown to be worse.")
    fast = with_figures([-0.3, -0.009, -0.01], [0.1] * 3, [10, 1, 7.4, 3])
    assert fast.recommended == others[2]
    assert fast.sentence == (
        f"Take {others[2]}: it loses at most 0.01 of hF against {best}, which scores best, at 95% "
        "confidence, and takes 0.30 times as long."
    )
    hardly = with_figures([-0.3, -0.009, -0.01], [0.1] * 3, [10, 1, 7.6, 8])
    assert hardly.recommended == best
    strict = with_figures([-0.3, -0.009, -0.01], [0.1] * 3, [10, 1, 7.4, 3], tolerance=0.009)
    assert strict.recommended == others[1]


def test_what_is_shown():
    lines = str(FOUND).splitlines()
    assert lines[0] == (
        "Held-out predictions of 150 rows in 3 folds; 95% intervals of 50 paired resamples."
    )
    assert [line.split()[0] for line in lines[2:7]] == ["strategy", *NAMES]
    assert lines[3 + NAMES.index(FOUND.best)].split()[2] == "best"
    assert lines[-1] == FOUND.sentence
    assert repr(FOUND) == f"StrategyComparison(names={NAMES!r}, best={FOUND.best!r})"
    assert FOUND._repr_html_().count("<tr>") == 5
    frame = FOUND.to_frame().set_index("strategy")
    assert frame.index.tolist() == list(NAMES)
    assert frame.loc[FOUND.best, ["difference", "verdict"]].isna().all()
    other = FOUND.against_best.names[1]
    column = FOUND.against_best.measures.index("hF")
    assert frame.loc[other, "difference"] == FOUND.against_best.differences[0, column]
    assert frame.loc[other, "high"] == FOUND.against_best.intervals[0, column, 1]
    assert frame.loc[other, "verdict"] == FOUND.against_best.verdicts[0, column]
    assert_allclose(frame["fit_seconds"] + frame["predict_seconds"], FOUND.seconds)


def test_names_are_escaped():
    named = {"<i>": "flat", "b": "flat"}
    found = compare_strategies(MODEL, X, Y, named, cv=2, n_bootstrap=10)
    assert "<i>" not in found._repr_html_()
    assert found.best == "<i>"
    assert found.good_enough == ("<i>", "b")


def test_fewer_rows():
    found = compare_strategies(
        MODEL, X, Y, ["flat", PerLevel()], cv=2, max_rows=60, n_bootstrap=20
    )
    assert found.names == ("flat", "PerLevel()")
    assert found.comparison.n_samples == 60
    assert str(found).startswith("Held-out predictions of 60 of 150 rows in 2 folds")
    again = compare_strategies(
        MODEL, X.tolist(), TREE.to_levels(Y), ["flat", "per_level"], cv=2, max_rows=60,
        n_bootstrap=20, sample_weight=np.ones(150),
    )  # fmt: skip
    assert_array_equal(again.comparison.scores, found.comparison.scores)
    other = compare_strategies(
        MODEL, X, Y, ["flat", "per_level"], cv=2, max_rows=60, n_bootstrap=20, random_state=1
    )
    assert not np.array_equal(other.comparison.scores, found.comparison.scores)


def test_rows_that_are_drawn():
    random = np.random.RandomState(0)
    rows = _drawn_rows(50, None, 20, random)
    assert len(np.unique(rows)) == 20
    assert (np.diff(rows) > 0).all()
    assert len(_drawn_rows(50, None, 80, random)) == 50
    groups = np.arange(60) // 3
    rows = _drawn_rows(60, groups, 20, random)
    assert len(rows) == 18
    assert (np.bincount(groups[rows])[np.unique(groups[rows])] == 3).all()


def test_the_group_that_is_too_large_is_the_one_drawn_first():
    groups = np.repeat([0, 1, 2], [60, 50, 40])
    answers = set()
    for seed in range(20):
        try:
            answers.add(len(_drawn_rows(150, groups, 45, np.random.RandomState(seed))))
        except ValueError as error:
            answers.add(re.search("the first group has (.*) rows", str(error))[1])
    assert answers == {40, "50", "60"}  # never that the one of 40 rows were too large


def test_label_sets_and_pipelines():
    tree = TAXONOMIES["ragged"]
    rng = np.random.default_rng(0)
    y = [set(rng.choice(tree.nodes[1:], 2, replace=False)) for _ in range(60)]
    table = tree.binarize(y).toarray()
    x = table @ rng.normal(0, 2, (table.shape[1], 4))
    model = make_pipeline(
        StandardScaler(), HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=tree)
    )
    found = compare_strategies(
        model, x, y, ["per_node", "per_parent"], scoring="set", cv=2, n_bootstrap=10
    )
    column = found.comparison.measures.index("set")
    assert_array_equal(found.scores, found.comparison.scores[:, column])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": GaussianNB()}, "GaussianNB has no strategy"),
        ({"model": MultiHeadClassifier(TREE)}, "MultiHeadClassifier has no strategy"),
        (
            {"model": GridSearchCV(MODEL, {"strategy": ["flat", "per_node"]})},
            "compare_strategies sets 'estimator__strategy'",
        ),
        ({"strategies": "flat"}, "must be a list or a mapping, got 'flat' alone"),
        ({"strategies": []}, "must hold two or more different ones"),
        ({"strategies": ["flat", "flat"]}, "must hold two or more different ones"),
        ({"strategies": ["flat", "flatter"]}, "flatter"),
        ({"scoring": "set"}, r"`scoring` must be one of \['level 1', .*'hF'\], got 'set'"),
        ({"tolerance": -0.1}, "tolerance"),
        ({"n_bootstrap": 0}, "n_bootstrap"),
        ({"max_rows": 1}, "max_rows"),
        ({"max_rows": 50, "cv": list(KFold(2).split(X))}, "got folds as positions"),
        ({"max_rows": 50, "groups": np.zeros(150)}, "got 50; the first group has 150 rows"),
    ],
)
def test_what_is_refused(change, message):
    options = {
        "model": MODEL,
        "X": X,
        "y": Y,
        "cv": 2,
        "n_bootstrap": 5,
        "strategies": ["flat", "per_node"],
    }
    with pytest.raises(ValueError, match=message):
        compare_strategies(**(options | change))
