"""Folds that keep groups whole and are stratified, errors of splitters, rare labels of label sets."""

import numpy as np
import pytest
from generators import dags, label_sets, trees
from hypothesis import given
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import MultiLabelBinarizer

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.decoders import SetThreshold
from sklhier.exceptions import RareClassWarning, TargetError
from sklhier.metrics import make_hierarchical_scorer
from sklhier.model_selection import (
    HierarchicalStratifiedGroupKFold,
    HierarchicalStratifiedKFold,
    check_rare_classes,
    coarsen,
    compare,
    leakage_report,
)

BIRDS = Taxonomy.from_dict({"bird": ["wren", "owl"], "fish": ["eel", "ray"]})


def slow_folds(table, groups, n_splits):
    """Return the fold of each group by the definition: all sums are computed again and again."""
    table = np.column_stack([np.ones(len(table)), table])
    names = np.unique(groups)
    counts = np.array([table[groups == name].sum(axis=0) for name in names])
    occurs = counts.sum(axis=0) > 0
    shares = counts[:, occurs] / counts[:, occurs].sum(axis=0)
    folds = np.full(len(names), -1)
    for group in np.argsort(-(shares**2).sum(axis=1), kind="stable"):
        costs = []
        for fold in range(n_splits):
            trial = folds.copy()
            trial[group] = fold
            sums = [shares[trial == other].sum(axis=0) for other in range(n_splits)]
            costs.append(np.square(sums).sum())
        folds[group] = np.flatnonzero(np.isclose(costs, min(costs), rtol=1e-12, atol=0))[0]
    return dict(zip(names.tolist(), folds.tolist(), strict=True))


@given(st.one_of(trees(), dags()), st.data(), st.integers(2, 3), st.integers(0, 99))
def test_whole_groups_by_the_definition(taxonomy, data, n_splits, seed):
    n_rows = data.draw(st.integers(n_splits, 12))
    sets = [set(row or []) for row in data.draw(label_sets(taxonomy, n_rows))]
    groups = np.random.default_rng(seed).integers(0, 6, n_rows)
    groups[:n_splits] = range(n_splits)
    splitter = HierarchicalStratifiedGroupKFold(n_splits, taxonomy=taxonomy)
    parts = list(splitter.split(None, sets, groups))
    tests = [test for _, test in parts]
    assert len(parts) == splitter.get_n_splits() == n_splits
    assert np.sort(np.concatenate(tests)).tolist() == list(range(n_rows))
    assert all(len(test) for test in tests)
    for train, test in parts:
        assert np.sort(np.append(train, test)).tolist() == list(range(n_rows))
        assert not set(groups[train]) & set(groups[test])
    found = {int(group): fold for fold, test in enumerate(tests) for group in groups[test]}
    wanted = slow_folds(taxonomy.binarize(sets, sparse_output=False), groups, n_splits)
    shares = [spread(taxonomy, sets, groups, folds, n_splits) for folds in (found, wanted)]
    assert shares[0] == pytest.approx(shares[1]) or found == wanted


def spread(taxonomy, sets, groups, folds, n_splits):
    table = np.column_stack([np.ones(len(sets)), taxonomy.binarize(sets, sparse_output=False)])
    table = table[:, table.any(axis=0)] / table.sum(axis=0)[table.any(axis=0)]
    fold = np.array([folds[int(group)] for group in groups])
    return sum(np.square(table[fold == f].sum(axis=0)).sum() for f in range(n_splits))


def grouped_data(n_groups=60):
    """Return groups of one to six rows, each mostly about one leaf."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 7, n_groups)
    groups = np.repeat(np.arange(n_groups), sizes)
    leaf = rng.choice(4, n_groups, p=[0.55, 0.25, 0.12, 0.08])[groups]
    leaf = np.where(rng.random(len(groups)) < 0.1, rng.integers(0, 4, len(groups)), leaf)
    return np.array(BIRDS.leaves)[leaf], groups


def unevenness(splitter, y, groups):
    table = BIRDS.binarize([[label] for label in y.tolist()], sparse_output=False)
    shares = [table[test].mean(axis=0) for _, test in splitter.split(y, y, groups)]
    return np.std(shares, axis=0).mean()


def test_nodes_are_spread_over_whole_groups():
    y, groups = grouped_data()
    ours = unevenness(HierarchicalStratifiedGroupKFold(4, taxonomy=BIRDS), y, groups)
    assert ours < 0.3 * unevenness(GroupKFold(4), y, groups)
    sizes = [len(t) for _, t in HierarchicalStratifiedGroupKFold(4).split(None, y, groups)]
    assert np.ptp(sizes) <= 6


def test_formats_give_the_same_whole_groups():
    y, groups = grouped_data(20)
    binarizer = MultiLabelBinarizer()
    table = binarizer.fit_transform([[label] for label in y])
    codes = np.unique(y, return_inverse=True)[1]
    options = {"taxonomy": BIRDS}
    wanted = None
    for labels, more in (
        (y, {}),
        (BIRDS.to_levels(y), {}),
        ([{label} for label in y.tolist()], {}),
        (table, {"classes": binarizer.classes_}),
        (codes, {"classes": np.unique(y)}),
    ):
        splitter = HierarchicalStratifiedGroupKFold(3, **options, **more)
        found = [test.tolist() for _, test in splitter.split(None, labels, groups.astype(str))]
        wanted = wanted or found
        assert found == wanted


def test_shuffled_groups_of_equal_claims():
    y, groups = np.array(["owl", "eel"] * 12), np.repeat(np.arange(12), 2)
    splitters = [
        HierarchicalStratifiedGroupKFold(3, shuffle=True, random_state=seed) for seed in (0, 0, 1)
    ]
    first, again, other = ([t.tolist() for _, t in s.split(y, y, groups)] for s in splitters)
    assert first == again != other


@pytest.mark.parametrize(
    ("y", "groups", "options", "message"),
    [
        (["owl"] * 4, None, {}, "keeps groups whole: pass `groups=`"),
        (["owl"] * 4, [0, 0, 0, 0], {}, "n_splits=2 greater than the number of groups: 1"),
        (["owl"] * 4, [0, 1, 2], {}, "inconsistent numbers of samples"),
        (["owl"] * 4, [0, 1, 2, 3], {"n_splits": 1}, "n_splits == 1, must be >= 2"),
        (None, [0, 1], {}, "GroupKFold requires y to be passed"),
        (["auk"] * 4, [0, 1, 2, 3], {}, "not in the taxonomy"),
    ],
)
def test_errors_of_whole_groups(y, groups, options, message):
    splitter = HierarchicalStratifiedGroupKFold(**{"n_splits": 2, "taxonomy": BIRDS, **options})
    with pytest.raises(ValueError, match=message):
        splitter.split(np.zeros((4, 1)), y, groups)


def test_labels_of_the_stratified_splitter():
    splitter = HierarchicalStratifiedKFold(2, taxonomy=BIRDS)
    with pytest.raises(TargetError, match="KFold requires y to be passed"):
        splitter.split(np.zeros(4))
    y = ["owl", "eel", "owl", "eel"]
    wanted = [test.tolist() for _, test in splitter.split(y, y)]
    assert [test.tolist() for _, test in splitter.split(y, iter(y))] == wanted
    with pytest.warns(UserWarning, match="HierarchicalStratifiedGroupKFold keeps groups whole"):
        list(splitter.split(y, y, [0, 1, 2, 3]))


class Recording(HierarchicalStratifiedGroupKFold):
    """Remembers the groups that it was given."""

    seen = ()

    def split(self, X, y=None, groups=None):
        type(self).seen = (*type(self).seen, None if groups is None else len(groups))
        return super().split(X, y, groups)


X_GROUPED = np.random.default_rng(0).normal(size=(24, 3))
Y_GROUPED = np.array(["owl", "wren", "eel", "ray"] * 6)
GROUPS = np.repeat(np.arange(12), 2)


def test_tools_hand_groups_on(monkeypatch):
    monkeypatch.setattr(Recording, "seen", ())
    model = HierarchicalClassifier(GaussianNB(), taxonomy=BIRDS)
    folds = Recording(2, taxonomy=BIRDS)
    cross_val_score(model, X_GROUPED, Y_GROUPED, groups=GROUPS, cv=folds)
    compare([model, GaussianNB()], X_GROUPED, Y_GROUPED, BIRDS, cv=folds, groups=GROUPS,
            n_bootstrap=10)  # fmt: skip
    leakage_report(model, X_GROUPED, Y_GROUPED, cv=folds, groups=GROUPS)
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(model, {"decoder": ["best_path", "top_down"]}, cv=folds,
                              scoring=make_hierarchical_scorer("f1", taxonomy=BIRDS))  # fmt: skip
        search.fit(X_GROUPED, Y_GROUPED, groups=GROUPS)
        chained = HierarchicalClassifier(GaussianNB(), taxonomy=BIRDS, chain="proba", cv=folds)
        chained.fit(X_GROUPED, Y_GROUPED, groups=GROUPS)
        sets = HierarchicalMultiLabelClassifier(
            GaussianNB(), taxonomy=BIRDS, decoder=SetThreshold(), cv=folds
        )
        sets.fit(X_GROUPED, [[label] for label in Y_GROUPED], groups=GROUPS)
    assert len(Recording.seen) >= 6
    assert set(Recording.seen) == {24}


class NeedsGroups(KFold):
    """A splitter that says what it needs only when it is asked for folds."""

    def split(self, X, y=None, groups=None):
        if groups is None:
            raise self.error("there must be groups")
        return super().split(X, y)


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_groups_that_a_splitter_misses_when_it_splits(kind):
    cv = NeedsGroups(2)
    cv.error = kind
    model = HierarchicalClassifier(GaussianNB(), taxonomy=BIRDS, chain="proba", cv=cv)
    with pytest.raises(ValueError, match="groups that it needs, got none for NeedsGroups"):
        model.fit(X_GROUPED, Y_GROUPED)


@pytest.mark.parametrize("cv", [GroupKFold(2), HierarchicalStratifiedGroupKFold(2)])
def test_groups_that_are_missing(cv):
    model = HierarchicalClassifier(GaussianNB(), taxonomy=BIRDS, chain="proba", cv=cv)
    with pytest.raises(ValueError, match=r"groups that it needs, got none for .*KFold"):
        model.fit(X_GROUPED, Y_GROUPED)
    with pytest.raises(ValueError, match="Pass them to this function as `groups=`"):
        leakage_report(model.set_params(chain=None), X_GROUPED, Y_GROUPED, cv=cv)
    leakage_report(model, X_GROUPED, Y_GROUPED, cv=KFold(2, shuffle=True, random_state=0))


def test_rare_labels_of_label_sets():
    sets = [["owl"], ["owl", "eel"], ["wren", "owl"], [], ["eel"], ["owl"]]
    table = MultiLabelBinarizer().fit([["eel", "owl", "ray", "wren"]])
    with pytest.warns(RareClassWarning, match="2 of 3 labels have fewer than 3 rows"):
        assert check_rare_classes(sets, BIRDS, min_count=3) == {"wren": 1, "eel": 2}
    with pytest.warns(RareClassWarning, match="'ray'"):
        found = check_rare_classes(
            table.transform(sets), BIRDS, min_count=3, classes=table.classes_
        )
    assert found == {"wren": 1, "eel": 2}


def test_codes_of_labels():
    y = ["owl", "owl", "wren", "eel", "ray"]
    codes = np.unique(y, return_inverse=True)[1]
    options = {"classes": np.unique(y)}
    assert coarsen(codes, BIRDS, 2, **options).tolist() == coarsen(y, BIRDS, 2).tolist()
    with pytest.warns(RareClassWarning):
        rare = check_rare_classes(codes, BIRDS, min_count=2, **options)
    assert rare == {"wren": 1, "eel": 1, "ray": 1}


@pytest.mark.parametrize("weights", [[-1] * 24, [np.nan] * 24, [np.inf] * 24, [0] * 24, [1]])
def test_weights_of_score_are_checked(weights):
    model = HierarchicalClassifier(GaussianNB(), taxonomy=BIRDS).fit(X_GROUPED, Y_GROUPED)
    sets = HierarchicalMultiLabelClassifier(
        GaussianNB(), taxonomy=BIRDS, decoder=SetThreshold(0.5)
    ).fit(X_GROUPED, Y_GROUPED)
    for fitted in (model, sets):
        with pytest.raises(ValueError, match=r"sample_weight|sample weights"):
            fitted.score(X_GROUPED, Y_GROUPED, sample_weight=weights)
