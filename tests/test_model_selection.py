"""Splitting, tuning decoders and comparing: properties, and agreement with scikit-learn's tools."""

import copy
import csv
import gzip
import warnings
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import DIAMOND, TAXONOMIES, shared_data
from generators import labelled_trees, trees
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RandomizedSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.naive_bayes import ComplementNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklhier import HierarchicalClassifier, Taxonomy
from sklhier._utils.pipelines import classifier_within
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import Threshold
from sklhier.exceptions import (
    IncompatiblePartsError,
    RareClassWarning,
    TargetError,
    TaxonomyError,
)
from sklhier.metrics import (
    hierarchical_f1_score,
    level_accuracy_scores,
    make_hierarchical_scorer,
)
from sklhier.model_selection import (
    HierarchicalStratifiedKFold,
    check_rare_classes,
    coarsen,
    compare,
    compare_with_flat,
    tune_decoder,
)
from sklhier.model_selection import _measured as measured_module
from sklhier.model_selection._measured import contributions

X, Y, TREE = make_hierarchical_classification(
    180, 6, branching=(2, 3), class_sep=2.0, random_state=0
)
LEVELS = TREE.to_levels(Y)
BALANCED = TAXONOMIES["balanced"]


def model(taxonomy=TREE, **params):
    return HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy, **params)


# -- merging rare classes -----------------------------------------------------------------


def group_sizes(groups):
    return pd.Series(groups).value_counts(dropna=False).to_dict()


def slowly_coarsened(y, taxonomy, min_count):
    """The definition, one node at a time, deepest first."""
    groups = {}
    for label in y:
        groups.setdefault(label, []).append(label)
    for level in reversed(taxonomy.levels):
        for node in level:
            if 0 < len(groups.get(node, [])) < min_count:
                above = next(iter(taxonomy.parents(node)), taxonomy.root)
                groups.setdefault(above, []).extend(groups.pop(node))
    if 0 < len(groups.get(taxonomy.root, [])) < min_count:
        others = [node for node in groups if node != taxonomy.root]
        first = min(
            others, key=lambda n: (taxonomy.depth(n), len(groups[n]), taxonomy.nodes.index(n))
        )
        groups[taxonomy.root] += groups.pop(first)
    found = {label: group for group, labels in groups.items() for label in labels}
    return {label: None if group == taxonomy.root else group for label, group in found.items()}


@given(labelled_trees(), st.integers(1, 6))
def test_coarsen(case, min_count):
    taxonomy, y, _ = case
    assume(len(y) >= min_count)
    groups = coarsen(y, taxonomy, min_count)
    assert min(group_sizes(groups).values()) >= min_count
    for label, group in zip(y.tolist(), groups.tolist(), strict=True):
        assert group in {label, *taxonomy.ancestors(label), None}
    expected = slowly_coarsened(y.tolist(), taxonomy, min_count)
    assert groups.tolist() == [expected[label] for label in y.tolist()]


@given(labelled_trees(), st.integers(1, 6))
def test_groups_of_codes_are_named(case, min_count):
    taxonomy, y, _ = case
    assume(len(y) >= min_count)
    classes, codes = np.unique(y, return_inverse=True)
    groups = coarsen(codes, taxonomy, min_count, classes=classes)
    assert groups.tolist() == coarsen(y, taxonomy, min_count).tolist()


@given(labelled_trees(), st.integers(1, 6))
def test_nothing_is_merged_that_is_large_enough(case, min_count):
    taxonomy, y, _ = case
    y = np.repeat(y, min_count)
    groups = coarsen(y, taxonomy, min_count)
    assert_array_equal(groups, y)
    assert groups.dtype == y.dtype


@given(labelled_trees(), st.integers(1, 6), st.randoms(use_true_random=False))
def test_coarsen_depends_neither_on_order_nor_on_names(case, min_count, random):
    taxonomy, y, _ = case
    assume(len(y) >= min_count)
    groups = coarsen(y, taxonomy, min_count)
    order = np.array(random.sample(range(len(y)), len(y)))
    assert_array_equal(coarsen(y[order], taxonomy, min_count), groups[order])
    shuffled = random.sample(range(taxonomy.n_nodes), taxonomy.n_nodes)
    new = {name: f"m{i}" for name, i in zip(taxonomy.nodes, shuffled, strict=True)}
    renamed = Taxonomy(
        [new[name] for name in taxonomy.nodes], taxonomy.edge_parents, taxonomy.edge_children
    )
    new[None] = None
    of_renamed = coarsen([new[label] for label in y.tolist()], renamed, min_count)
    assert of_renamed.tolist() == [new[group] for group in groups.tolist()]


def test_coarsen_reads_every_format():
    frame = pd.DataFrame({"top": ["a", "a", "b", "b"], "leaf": ["x", "y", "z", "z"]})
    expected = ["a", "a", "b/z", "b/z"]
    assert coarsen(frame, None, 2).tolist() == expected
    assert coarsen(frame.to_numpy(), None, 2).tolist() == expected
    assert coarsen(frame.to_numpy().tolist(), None, 2).tolist() == expected
    assert coarsen(pd.Series(["x", "y", "y"]), None, 1).tolist() == ["x", "y", "y"]
    assert coarsen(["x", "y", "z", "z"], None, 2).tolist() == [None, None, "z", "z"]
    integers = Taxonomy.from_edges([(0, 1), (0, 2), (1, 3), (1, 4)])
    merged = coarsen(np.array([3, 4, 2, 2]), integers, 2)
    assert merged.tolist() == [1, 1, 2, 2]
    assert merged.dtype.kind == "i"


def test_a_long_chain_is_merged():
    n_nodes = 20_000
    chain = Taxonomy(range(n_nodes), np.arange(n_nodes - 1), np.arange(1, n_nodes))
    assert coarsen([n_nodes - 1, 5, 5], chain, 3).tolist() == [5, 5, 5]


def test_what_coarsen_refuses():
    with pytest.raises(ValueError, match="min_count=3 rows: y has 2"):
        coarsen(["a", "b"], BALANCED, 3)
    with pytest.raises(ValueError, match="min_count == 0"):
        coarsen(["a", "b"], BALANCED, 0)
    with pytest.raises(TaxonomyError, match="Merging classes upwards needs a tree"):
        coarsen(["Z"], DIAMOND, 1)
    with pytest.raises(TargetError, match="not in the taxonomy"):
        coarsen(["a", "nowhere"], BALANCED, 1)


# -- the splitter -------------------------------------------------------------------------


@given(labelled_trees(), st.integers(2, 5), st.booleans())
def test_every_fold_has_its_share_of_each_group(case, n_splits, shuffle):
    taxonomy, y, seed = case
    assume(len(y) >= n_splits)
    splitter = HierarchicalStratifiedKFold(
        n_splits, taxonomy=taxonomy, shuffle=shuffle, random_state=seed if shuffle else None
    )
    folds = list(splitter.split(np.zeros((len(y), 1)), y))
    assert splitter.get_n_splits() == len(folds) == n_splits
    assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(len(y)))
    groups = coarsen(y, taxonomy, n_splits)
    for train, test in folds:
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(y)))
    for group in set(groups.tolist()):
        sizes = [np.count_nonzero(groups[test] == group) for _, test in folds]
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= 1


@given(
    case=labelled_trees(),
    n_splits=st.integers(2, 3),
    shuffle=st.booleans(),
)
def test_folds_of_groups_are_those_of_stratified_k_fold(case, n_splits, shuffle):
    taxonomy, y, seed = case
    y = np.repeat(y, n_splits)[np.random.default_rng(seed).permutation(n_splits * len(y))]
    params = {"shuffle": shuffle, "random_state": 3 if shuffle else None}
    ours = HierarchicalStratifiedKFold(n_splits, taxonomy=taxonomy, **params).split(None, y)
    theirs = StratifiedKFold(n_splits, **params).split(y, y)
    for (train, test), (wanted_train, wanted_test) in zip(ours, theirs, strict=True):
        assert_array_equal(train, wanted_train)
        assert_array_equal(test, wanted_test)


def folds_dealt_one_by_one(sets, taxonomy, n_splits):
    """The rule of label sets, a row at a time: the rarest node first, of equals the deepest."""
    table = taxonomy.binarize(sets, sparse_output=False).astype(bool)
    members = np.column_stack([np.ones(len(table), dtype=bool), table])
    least, n_larger = divmod(len(members), n_splits)
    folds = np.full(len(members), -1)
    counts = np.zeros((n_splits, taxonomy.n_nodes), dtype=int)
    above = taxonomy.ancestors_of(np.arange(taxonomy.n_nodes)).toarray()
    while (folds < 0).any():
        left = members[folds < 0].sum(axis=0)
        node = max(np.flatnonzero(left), key=lambda node: (-left[node], node))
        order = [*np.flatnonzero(above[node])[::-1], 0]  # from the deepest to the root
        for row in np.flatnonzero(members[:, node] & (folds < 0)):
            full = (counts[:, 0] > least).sum() >= n_larger
            free = [f for f in range(n_splits) if counts[f, 0] < least + (not full)]
            fold = min(free, key=lambda f: (*counts[f, order], f))
            folds[row] = fold
            counts[fold] += members[row]
    return folds


@given(case=trees(12), n_splits=st.integers(2, 4), data=st.data())
def test_label_sets_are_dealt_out_as_one_by_one(case, n_splits, data):
    nodes = st.frozensets(st.sampled_from(list(case.nodes[1:])), max_size=3)
    sets = data.draw(st.lists(nodes, min_size=2 * n_splits, max_size=20))
    splitter = HierarchicalStratifiedKFold(n_splits, taxonomy=case)
    found = np.empty(len(sets), dtype=int)
    for fold, (_, test) in enumerate(splitter.split(None, sets)):
        found[test] = fold
    assert_array_equal(found, folds_dealt_one_by_one(sets, case, n_splits))


def rare_labels():
    """One class with two rows, one with a single row."""
    rare = Y.copy()
    first, second = np.unique(Y)[:2]
    rare[np.flatnonzero(first == Y)[2:]] = np.unique(Y)[2]
    rare[np.flatnonzero(second == Y)[1:]] = np.unique(Y)[3]
    return rare


@pytest.mark.few(2)
@pytest.mark.parametrize("form", ["labels", "levels", "frame", "lists"])
def test_the_splitter_in_the_tools(form):
    rare = rare_labels()
    levels = TREE.to_levels(rare)
    y = {
        "labels": rare,
        "levels": levels,
        "frame": pd.DataFrame(levels),
        "lists": levels.tolist(),
    }[form]
    taxonomy = TREE if form == "labels" else None
    cv = HierarchicalStratifiedKFold(4, taxonomy=taxonomy)
    estimator = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy)
    assert (cross_val_score(estimator, X, y, cv=cv, error_score="raise") > 0.3).all()
    search = GridSearchCV(
        estimator, {"decoder": ["best_path", "top_down"]}, cv=cv, error_score="raise"
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    if form != "lists":
        assert len(cross_val_predict(estimator, X, y, cv=cv)) == len(Y)


def test_the_splitter_where_labels_are_encoded():
    estimator = model(classes=np.unique(Y))
    cv = HierarchicalStratifiedKFold(3, taxonomy=TREE, classes=np.unique(Y))
    assert StackingClassifier([("one", estimator)], cv=cv).fit(X, Y).score(X, Y) > 0.5
    proba = cross_val_predict(estimator, X, Y, cv=cv, method="predict_proba")
    assert proba.shape == (180, 6)


def test_the_splitter_can_be_copied_and_read():
    splitter = HierarchicalStratifiedKFold(3, taxonomy=BALANCED, shuffle=True, random_state=1)
    assert repr(splitter).startswith("HierarchicalStratifiedKFold(classes=None, n_splits=3,")
    search = clone(GridSearchCV(model(), {}, cv=splitter))
    for other in (copy.deepcopy(splitter), search.cv):
        assert other.taxonomy is BALANCED
        for one, same in zip(
            splitter.split(None, ["a"] * 9), other.split(None, ["a"] * 9), strict=True
        ):
            assert_array_equal(one[1], same[1])


def test_what_the_splitter_refuses():
    with pytest.raises(ValueError, match="n_splits=5 greater than the number of samples: n_sam"):
        HierarchicalStratifiedKFold().split(None, ["a", "b"])
    with pytest.raises(ValueError, match="n_splits=1"):
        HierarchicalStratifiedKFold(1).split(None, ["a", "b"])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        HierarchicalStratifiedKFold(2).split(np.zeros((3, 1)), ["a", "b"])
    with pytest.warns(UserWarning, match="groups parameter is ignored"):
        HierarchicalStratifiedKFold(2).split(None, ["a", "b"], groups=[0, 1])


def read_table(path, column):
    csv.field_size_limit(2**31 - 1)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as opened:
        reader = csv.DictReader(opened, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row[column] for row in reader]


def read_hierarchy(path):
    with path.open(encoding="utf-8", newline="") as opened:
        edges = [(row["parent"], row["child"]) for row in csv.DictReader(opened)]
    return Taxonomy.from_edges(edges, root="root")


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["onet_titles", "naics2022"])
def test_real_taxonomies_with_long_tails_are_split(name):
    folder = shared_data(name)
    taxonomy = read_hierarchy(folder / "hierarchy.csv")
    column = {"onet_titles": "codes", "naics2022": "code"}[name]
    labels = read_table(folder / "train.tsv.gz", column)
    y = np.array([label for label in labels if ";" not in label])
    assert min(group_sizes(y).values()) < 5  # StratifiedKFold would warn
    groups = coarsen(y, taxonomy, 5)
    assert min(group_sizes(groups).values()) >= 5
    sizes = pd.DataFrame(
        {
            fold: pd.Series(groups[test]).value_counts(dropna=False)
            for fold, (_, test) in enumerate(
                HierarchicalStratifiedKFold(5, taxonomy=taxonomy).split(None, y)
            )
        }
    )
    assert not sizes.isna().to_numpy().any()
    assert (sizes.max(axis=1) - sizes.min(axis=1) <= 1).all()


# -- the warning --------------------------------------------------------------------------


def test_rare_classes_are_named():
    y = ["a"] * 6 + ["c"] * 2 + ["b"] + ["B"] * 5
    with pytest.warns(RareClassWarning) as caught:
        assert check_rare_classes(y, BALANCED) == {"b": 1, "c": 2}
    assert list(check_rare_classes(y, BALANCED, min_count=1)) == []
    text = str(caught[0].message)
    assert "2 of 4 labels have fewer than 5 rows: 'b' (1), 'c' (2)." in text
    assert "HierarchicalStratifiedKFold" in text
    assert text.endswith("1 leaves have no row at all: 'd'.")
    assert caught[0].filename == __file__
    with pytest.warns(RareClassWarning, match=r"'k4' \(1\) and 3 more\. Merge"):
        check_rare_classes([f"k{i}" for i in range(8)])


def test_no_warning_without_rare_classes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_rare_classes(["a"] * 5, BALANCED) == {}
        assert check_rare_classes(["Z"] * 5, DIAMOND) == {}


# -- tuning decoders ----------------------------------------------------------------------

DECODERS = ["best_path", "top_down", Threshold(0.3), Threshold(0.7)]
HARD_X, HARD_Y, HARD_TREE = make_hierarchical_classification(
    240, 6, branching=(2, 3), class_sep=0.7, random_state=1
)
HARD_LEVELS = HARD_TREE.to_levels(HARD_Y)


class CountingNB(GaussianNB):
    """Counts how often a model of all rows of a part was fitted."""

    fits: ClassVar[list[int]] = []

    def fit(self, X, y, sample_weight=None):
        self.fits.append(len(y))
        return super().fit(X, y, sample_weight=sample_weight)


def flat_counter(**params):
    return HierarchicalClassifier(CountingNB(), taxonomy=HARD_TREE, strategy="flat", **params)


def as_search(estimator, X, y, name, cv, scoring, refit=True, **params):
    search = GridSearchCV(
        estimator, {name: DECODERS}, cv=cv, scoring=scoring, refit=refit, error_score="raise"
    )
    return search.fit(X, y, **params)


def assert_same_results(ours, theirs, names):
    for name in names:
        for key in (k for k in theirs.cv_results_ if k.endswith(f"_test_{name}")):
            assert_allclose(ours.results_[key], theirs.cv_results_[key], rtol=0, atol=1e-12)


@pytest.mark.few(1)
@pytest.mark.parametrize("form", ["labels", "levels", "frame"])
@pytest.mark.parametrize("wrap", ["bare", "pipeline", "search"])
def test_tuning_agrees_with_a_search(form, wrap):
    y = {"labels": HARD_Y, "levels": HARD_LEVELS, "frame": pd.DataFrame(HARD_LEVELS)}[form]
    taxonomy = HARD_TREE if form == "labels" else None
    estimator = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy)
    name = "decoder"
    if wrap != "bare":
        estimator = make_pipeline(StandardScaler(), estimator)
        name = "hierarchicalclassifier__decoder"
    if wrap == "search":
        grid = {"hierarchicalclassifier__estimator__var_smoothing": [1.0]}
        estimator = GridSearchCV(estimator, grid, cv=3)
        name = f"estimator__{name}"
    cv = HierarchicalStratifiedKFold(4, taxonomy=taxonomy, shuffle=True, random_state=0)
    scorers = {
        "hF": make_hierarchical_scorer("f1"),
        "top": make_hierarchical_scorer("level_accuracy", level=1),
        "distance": make_hierarchical_scorer("tree_distance"),
    }
    ours = tune_decoder(
        estimator,
        HARD_X,
        y,
        DECODERS,
        scoring={
            "hF": hierarchical_f1_score,
            "top": "level_accuracy",
            "distance": "tree_distance",
        },
        cv=cv,
        refit="distance",
    )
    theirs = as_search(estimator, HARD_X, y, name, cv, scorers, refit="distance")
    assert_same_results(ours, theirs, scorers)
    assert ours.best_index_ == theirs.best_index_
    assert ours.best_score_ == pytest.approx(theirs.best_score_, abs=1e-12)
    for one, other in zip(
        *(np.asarray(fitted.predict(HARD_X)).T for fitted in (ours.best_estimator_, theirs)),
        strict=True,
    ):
        assert pd.Series(one).equals(pd.Series(other))
    decoder = repr(ours.best_estimator_.get_params()[name])
    assert decoder == repr(classifier_within(ours.best_estimator_).decoder)
    assert decoder == repr(ours.best_decoder_)
    assert repr(theirs.best_params_[name]) == repr(ours.best_decoder_)


@pytest.mark.more
def test_tuning_by_one_metric_and_with_weights():
    weights = np.linspace(0.1, 3, len(HARD_Y))
    plain = HierarchicalClassifier(GaussianNB(), taxonomy=HARD_TREE)
    pipeline = make_pipeline(StandardScaler(), plain)
    ours = tune_decoder(pipeline, HARD_X, HARD_Y, DECODERS, sample_weight=weights, cv=3)
    with sklearn.config_context(enable_metadata_routing=True):
        base = GaussianNB().set_fit_request(sample_weight=True)
        routed = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            HierarchicalClassifier(base, taxonomy=HARD_TREE),
        )
        theirs = as_search(
            routed,
            HARD_X,
            HARD_Y,
            "hierarchicalclassifier__decoder",
            HierarchicalStratifiedKFold(3, taxonomy=HARD_TREE),
            make_hierarchical_scorer("f1").set_score_request(sample_weight=True),
            sample_weight=weights,
        )
        within = tune_decoder(routed, HARD_X, HARD_Y, DECODERS, sample_weight=weights, cv=3)
    for found in (ours, within):
        assert_same_results(found, theirs, ["score"])
        assert_array_equal(found.best_estimator_.predict(HARD_X), theirs.predict(HARD_X))
    unweighted = tune_decoder(pipeline, HARD_X, HARD_Y, DECODERS, cv=3)
    assert (unweighted.results_["mean_test_score"] != ours.results_["mean_test_score"]).any()


@pytest.mark.more
def test_a_search_within_chooses_as_it_did_in_the_folds():
    grid = {"estimator__var_smoothing": [1e-9, 1.0, 100.0]}
    inner = GridSearchCV(
        model(taxonomy=HARD_TREE), grid, cv=3, scoring=make_hierarchical_scorer("precision")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)  # if the decoder is used within
        found = tune_decoder(inner, HARD_X, HARD_Y, [Threshold(0.95)], cv=2)
        plain = clone(inner).fit(HARD_X, HARD_Y)
    assert found.best_estimator_.best_params_ == plain.best_params_
    assert classifier_within(found.best_estimator_).decoder.tau == 0.95
    assert found.best_estimator_.estimator.decoder.tau == 0.95


@pytest.mark.parametrize("refit", [True, False])
def test_each_fold_is_fitted_once(refit):
    CountingNB.fits.clear()
    found = tune_decoder(flat_counter(), HARD_X, HARD_Y, DECODERS, cv=4, refit=refit)
    assert CountingNB.fits == [180] * 4 + [240] * refit
    assert (found.best_estimator_ is None) is not refit


@pytest.mark.slow
def test_tuning_is_deterministic_and_runs_in_processes():
    estimator = HierarchicalClassifier(GaussianNB(), taxonomy=HARD_TREE)
    texts = [
        tune_decoder(estimator, HARD_X, HARD_Y, DECODERS, n_jobs=n_jobs).to_frame().to_csv()
        for n_jobs in (None, None, 2)
    ]
    assert texts[0] == texts[1] == texts[2]
    assert not hasattr(estimator, "taxonomy_")


def test_labels_of_decoders_and_what_is_shown():
    estimator = HierarchicalClassifier(GaussianNB(), taxonomy=HARD_TREE)
    labelled = {"greedy": "top_down", "<careful>": Threshold(0.9)}
    found = tune_decoder(estimator, HARD_X, HARD_Y, labelled, cv=2)
    label = found.results_["decoder"][found.best_index_]
    assert found.best_decoder_ is labelled[label]
    assert str(found).endswith(f"Best of 2 splits: {label}")
    assert repr(found).startswith("DecoderSearch(best_decoder_=")
    lines = str(found).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["decoder", "greedy", "<careful>"]
    assert lines[-1].startswith("Best of 2 splits: ")
    assert "&lt;careful&gt;" in found._repr_html_()
    assert list(found.to_frame()["decoder"]) == ["greedy", "<careful>"]
    several = tune_decoder(
        estimator, HARD_X, HARD_Y, DECODERS, scoring={"a": "f1", "b": "recall"}, refit=False, cv=2
    )
    assert several.best_index_ is several.best_score_ is several.best_estimator_ is None
    assert "no metric was named" in str(several)


def test_a_score_that_is_undefined_ranks_last():
    def undefined_if_it_stops(y_true, y_pred, *, taxonomy, sample_weight):
        stops = [label not in taxonomy.leaves for label in y_pred.tolist()]
        return np.nan if any(stops) else 0.0

    found = tune_decoder(
        model(taxonomy=HARD_TREE),
        HARD_X,
        HARD_Y,
        [Threshold(0.9), "top_down"],
        scoring=undefined_if_it_stops,
    )
    assert found.results_["rank_test_score"].tolist() == [2, 1]
    assert found.best_decoder_ == "top_down"


def test_groups_are_not_split():
    groups = np.arange(len(HARD_Y)) // 4
    seen = []

    class Watching(StratifiedGroupKFold):
        def split(self, X, y=None, groups=None):
            folds = list(super().split(X, y, groups))
            seen.extend(folds)
            return iter(folds)

    estimator = HierarchicalClassifier(GaussianNB(), taxonomy=HARD_TREE)
    watched = tune_decoder(
        estimator, HARD_X, HARD_Y, DECODERS, cv=Watching(5), groups=groups, refit=False
    )
    for train, test in seen:
        assert not set(groups[train]) & set(groups[test])
    by_default = tune_decoder(estimator, HARD_X, HARD_Y, DECODERS, groups=groups, refit=False)
    pairs = tune_decoder(estimator, HARD_X, HARD_Y, DECODERS, cv=seen, refit=False)
    for other in (by_default, pairs):
        assert watched.to_frame().equals(other.to_frame())


def test_single_rows_are_warned_of():
    y = HARD_Y.copy()
    name = np.unique(y)[0]
    y[np.flatnonzero(y == name)[1:]] = np.unique(y)[1]
    with pytest.warns(RareClassWarning, match=f"fewer than 2 rows: '{name}' \\(1\\)") as caught:
        tune_decoder(model(taxonomy=HARD_TREE), HARD_X, y, ["best_path"], refit=False)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"estimator": GaussianNB()}, "GaussianNB has no decoder"),
        ({"estimator": HierarchicalClassifier(LinearSVC())}, "has no predict_proba"),
        (
            {"estimator": GridSearchCV(model(), {"decoder": ["best_path"]})},
            "sets 'estimator__decoder', and a search",
        ),
        (
            {
                "estimator": RandomizedSearchCV(
                    model(decoder=Threshold()), {"decoder__tau": [0.1]}, n_iter=1
                )
            },
            "would set 'estimator__decoder__tau'",
        ),
        ({"decoders": "best_path"}, "got 'best_path' alone"),
        ({"decoders": []}, "got none"),
        ({"decoders": ["top_down", "top_down"]}, "got top_down twice"),
        ({"decoders": ["nearest"]}, "got 'nearest'"),
        ({"scoring": "fbeta"}, "got 'fbeta'"),
        ({"scoring": make_hierarchical_scorer()}, "instead of the scorer"),
        ({"scoring": {}}, "got none"),
        (
            {"scoring": {"a": "f1", "b": "f1"}},
            "`refit` must be False or the name of the metric that decides",
        ),
        ({"scoring": {"a": "f1"}, "refit": "b"}, "got 'b'"),
        ({"scoring": lambda *_, **__: np.nan}, "'score' is undefined in some fold"),
        ({"sample_weight": [1.0]}, "one weight for each sample"),
        ({"X": X[:5]}, "inconsistent numbers of samples"),
        ({"cv": 1000}, "n_splits=1000 greater than"),
    ],
)
def test_what_tuning_refuses(change, message):
    given = {"estimator": model(), "X": X, "y": Y, "decoders": DECODERS} | change
    with pytest.raises(ValueError, match=message):
        tune_decoder(**given)


def test_weights_that_a_base_cannot_take():
    estimator = HierarchicalClassifier(KNeighborsClassifier(), taxonomy=TREE)
    with pytest.raises(IncompatiblePartsError, match="that of KNeighborsClassifier does not"):
        tune_decoder(estimator, X, Y, DECODERS, sample_weight=np.ones(len(Y)))


# -- comparing ----------------------------------------------------------------------------


def out_of_fold(estimator, X, y, cv):
    folds = list(cv.split(X, y))
    answers = [clone(estimator).fit(X[train], y[train]).predict(X[test]) for train, test in folds]
    return np.concatenate([y[test] for _, test in folds]), np.concatenate(answers)


@pytest.mark.few(1)
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_those_of_the_pooled_predictions(weighted):
    estimators = {
        "one classifier": GaussianNB(),
        "careful": model(taxonomy=HARD_TREE, decoder=Threshold(0.6)),
        "greedy": model(taxonomy=HARD_TREE, decoder="top_down"),
    }
    weights = np.linspace(0.1, 3, len(HARD_Y)) if weighted else None
    cv = HierarchicalStratifiedKFold(4, taxonomy=HARD_TREE, shuffle=True, random_state=0)
    found = compare(
        estimators, HARD_X, HARD_Y, cv=cv, sample_weight=weights, n_bootstrap=5, n_jobs=2
    )
    assert found.names == tuple(estimators)
    assert found.measures == ("level 1", "level 2", "path", "hF")
    for name, scores in zip(found.names, found.scores, strict=True):
        folds = list(cv.split(HARD_X, HARD_Y))
        rows = np.concatenate([test for _, test in folds])
        own = None if weights is None else weights[rows]
        answers = []
        for train, test in folds:
            params = {} if weights is None else {"sample_weight": weights[train]}
            fitted = clone(estimators[name]).fit(HARD_X[train], HARD_Y[train], **params)
            answers.append(fitted.predict(HARD_X[test]))
        pooled = np.concatenate(answers)
        common = {"taxonomy": HARD_TREE, "sample_weight": own}
        expected = [
            *level_accuracy_scores(HARD_Y[rows], pooled, **common),
            np.average(HARD_Y[rows] == pooled, weights=own),
            hierarchical_f1_score(HARD_Y[rows], pooled, **common),
        ]
        assert_allclose(scores, expected, rtol=1e-13)
    assert_allclose(found.differences, found.scores[1:] - found.scores[0])


@given(labelled_trees(), st.data())
def test_what_each_row_adds_makes_the_scores(case, data):
    taxonomy, y, seed = case
    predicted = np.array(
        data.draw(st.lists(st.sampled_from(taxonomy.nodes[1:]), min_size=len(y), max_size=len(y)))
    )
    weights = np.random.default_rng(seed).integers(1, 4, len(y)).astype(float)
    nodes = taxonomy.ids(y.tolist()), taxonomy.ids(predicted.tolist())
    above, below = (
        weights @ table for table in contributions(*nodes, taxonomy, np.arange(taxonomy.n_levels))
    )
    common = {"taxonomy": taxonomy, "sample_weight": weights}
    with np.errstate(invalid="ignore"):
        found = above / below
    assert_allclose(found[:-2], level_accuracy_scores(y, predicted, **common))
    assert_allclose(found[-2], np.average(y == predicted, weights=weights))
    assert_allclose(found[-1], hierarchical_f1_score(y, predicted, zero_division=0, **common))


def slowly_resampled(y, answers, taxonomy, n_bootstrap):
    """Differences of resamples, drawn and scored one at a time."""
    random = np.random.RandomState(0)
    differences = []
    for _ in range(n_bootstrap):
        rows = random.randint(len(y), size=len(y))
        scores = [
            [
                *level_accuracy_scores(y[rows], answer[rows], taxonomy=taxonomy),
                np.mean(y[rows] == answer[rows]),
                hierarchical_f1_score(y[rows], answer[rows], taxonomy=taxonomy),
            ]
            for answer in answers
        ]
        differences.append(np.subtract(scores[1], scores[0]))
    return np.array(differences)


def test_intervals_are_percentiles_of_paired_resamples(monkeypatch):
    # Folds of adjacent rows: held-out predictions are then in the order of the rows.
    cv = KFold(3)
    pair = {"flat": GaussianNB(), "tree": model(taxonomy=HARD_TREE, decoder=Threshold(0.6))}
    found = compare(pair, HARD_X, HARD_Y, cv=cv, n_bootstrap=40, confidence=0.8)
    y, flat = out_of_fold(pair["flat"], HARD_X, HARD_Y, cv)
    answers = [flat.astype(object), out_of_fold(pair["tree"], HARD_X, HARD_Y, cv)[1]]
    slow = slowly_resampled(y, answers, HARD_TREE, 40)
    assert_allclose(found.intervals[0].T, np.percentile(slow, [10, 90], axis=0), atol=1e-12)
    monkeypatch.setattr(measured_module, "_BLOCK", 7 * len(HARD_Y))
    in_parts = compare(pair, HARD_X, HARD_Y, cv=cv, n_bootstrap=40, confidence=0.8)
    assert_array_equal(in_parts.intervals, found.intervals)


@pytest.mark.parametrize("weights", [None, np.linspace(0.1, 3, 240)])
def test_identical_estimators_do_not_differ(weights):
    twins = [model(taxonomy=HARD_TREE), model(taxonomy=HARD_TREE), GaussianNB()]
    found = compare(twins, HARD_X, HARD_Y, cv=3, sample_weight=weights, n_bootstrap=200)
    assert_array_equal(found.intervals[0], 0.0)
    assert set(found.verdicts[0]) == {"no difference shown"}
    assert found.names[1].endswith("(2)")
    assert (found.intervals[1] != 0).any()


def four_clusters(n_each=60):
    random = np.random.RandomState(0)
    X = np.repeat([0.0, 3.0, 6.0, 9.0], n_each) + random.normal(0, 0.5, 4 * n_each)
    return X[:, None], np.repeat(["a", "b", "c", "d"], n_each)


def test_flat_wins_where_the_hierarchy_mixes_what_is_far_apart():
    X, y = four_clusters()
    misleading = Taxonomy.from_dict({"A": ["a", "c"], "B": ["b", "d"]})
    estimator = HierarchicalClassifier(GaussianNB(), taxonomy=misleading)
    found = compare_with_flat(estimator, X, y, n_bootstrap=200)
    assert found.names == ("flat", "hierarchical")
    assert set(found.verdicts[0]) == {"worse"}
    assert (found.intervals[0, :, 1] < 0).all()
    assert "\nflat wins at level 1, level 2, path, hF.\n" in str(found)
    assert "flat wins at level 1, level 2, path, hF." in found._repr_html_()


def test_flat_loses_where_its_base_cannot_tell_all_classes_apart():
    X, y = four_clusters()
    fitting = Taxonomy.from_dict({"A": ["a", "b"], "B": ["c", "d"]})
    stump = DecisionTreeClassifier(max_depth=1)
    estimator = make_pipeline(StandardScaler(), HierarchicalClassifier(stump, taxonomy=fitting))
    found = compare_with_flat(estimator, X, y, n_bootstrap=200)
    verdicts = dict(zip(found.measures, found.verdicts[0], strict=True))
    assert verdicts["path"] == verdicts["level 2"] == verdicts["hF"] == "better"
    text = str(found)
    assert "hierarchical against flat: better at level" in text
    assert "flat is not shown to win anywhere." in text
    for measure, flat, ours in zip(found.measures, *found.scores, strict=True):
        line = next(line for line in text.splitlines() if line.startswith(f"{measure} "))
        assert line.removeprefix(measure).split()[:2] == [f"{flat:.4f}", f"{ours:.4f}"]
    searched = GridSearchCV(estimator, {"hierarchicalclassifier__estimator__max_depth": [1]}, cv=2)
    again = compare_with_flat(searched, X, y, n_bootstrap=200)
    assert_array_equal(again.intervals, found.intervals)
    assert_array_equal(again.scores, found.scores)


@pytest.mark.few(1)
@pytest.mark.parametrize("form", ["array", "frame", "polars", "lists"])
def test_levels_are_compared_also_with_classifiers_that_know_only_labels(form):
    if form == "polars":
        kind = pytest.importorskip("polars").DataFrame
        y = kind(HARD_LEVELS.astype(str), schema=["a", "b"], orient="row")
    else:
        y = {"array": np.array, "frame": pd.DataFrame, "lists": np.ndarray.tolist}[form](
            HARD_LEVELS
        )
    trio = {
        "flat": LinearSVC(),
        "svc": HierarchicalClassifier(LinearSVC()),
        "careful": HierarchicalClassifier(GaussianNB(), decoder=Threshold(0.6)),
    }
    found = compare(trio, HARD_X, y, n_bootstrap=20)
    of_labels = {
        "flat": LinearSVC(),
        "svc": HierarchicalClassifier(LinearSVC(), taxonomy=HARD_TREE),
        "careful": HierarchicalClassifier(
            GaussianNB(), taxonomy=HARD_TREE, decoder=Threshold(0.6)
        ),
    }
    expected = compare(of_labels, HARD_X, HARD_Y, n_bootstrap=20)
    assert_array_equal(found.scores, expected.scores)
    assert_array_equal(found.intervals, expected.intervals)


def test_comparing_is_deterministic():
    pair = {"flat": GaussianNB(), "tree": model(taxonomy=HARD_TREE)}
    one, same = (compare(pair, HARD_X, HARD_Y, n_bootstrap=50, random_state=3) for _ in range(2))
    assert_array_equal(one.intervals, same.intervals)
    other = compare(pair, HARD_X, HARD_Y, n_bootstrap=50, random_state=4)
    assert (one.intervals != other.intervals).any()
    assert (
        one.fit_seconds.shape == one.predict_seconds.shape == one.fit_cpu_seconds.shape == (2, 5)
    )
    assert (one.fit_seconds > 0).all()


def test_groups_are_resampled_whole():
    groups = np.repeat(np.arange(60), 4)
    pair = {"flat": GaussianNB(), "tree": model(taxonomy=HARD_TREE)}
    by_row = compare(pair, HARD_X, HARD_Y, cv=GroupKFold(3), groups=groups)
    alone = compare(pair, HARD_X, HARD_Y, cv=list(GroupKFold(3).split(HARD_X, HARD_Y, groups)))
    copies = np.repeat(np.arange(240), 4)
    folds = [
        (np.flatnonzero(np.isin(copies, train)), np.flatnonzero(np.isin(copies, test)))
        for train, test in KFold(3).split(HARD_X)
    ]
    repeated = compare(pair, HARD_X[copies], HARD_Y[copies], cv=folds, groups=copies)
    single = compare(pair, HARD_X, HARD_Y, cv=KFold(3))
    # Copies add no information: the intervals are those of the single rows.
    assert_allclose(repeated.intervals, single.intervals, atol=1e-12)
    naive = compare(pair, HARD_X[copies], HARD_Y[copies], cv=folds)
    assert np.ptp(naive.intervals, axis=-1).sum() < 0.7 * np.ptp(single.intervals, axis=-1).sum()
    assert_array_equal(by_row.scores, alone.scores)
    assert (by_row.intervals != alone.intervals).any()


def test_rows_that_are_held_out_twice_are_one_unit():
    pair = {"flat": GaussianNB(), "tree": model(taxonomy=HARD_TREE)}
    folds = list(KFold(3).split(HARD_X))
    twice = compare(pair, HARD_X, HARD_Y, cv=folds + folds)
    once = compare(pair, HARD_X, HARD_Y, cv=folds)
    assert_array_equal(twice.scores, once.scores)
    assert_allclose(twice.intervals, once.intervals, atol=1e-12)
    assert twice.n_samples == 240
    part = compare(pair, HARD_X, HARD_Y, cv=folds[:1])
    assert part.n_samples == 80


def test_levels_that_no_label_reaches_are_left_out():
    y = HARD_TREE.to_levels(HARD_Y)[:, 0].astype(str)
    found = compare([GaussianNB(), model(taxonomy=HARD_TREE)], HARD_X, y, cv=2, n_bootstrap=10)
    assert found.measures == ("level 1", "path", "hF")


def test_estimators_without_names_are_called_as_they_print_up_to_40_characters():
    longest, longer = (type("N" * n, (GaussianNB,), {}) for n in (38, 39))
    found = compare([longest(), longer()], X[:60], Y[:60], TREE, cv=2, n_bootstrap=10)
    assert found.names == ("N" * 38 + "()", "N" * 37 + "...")


def test_what_a_comparison_shows():
    trio = {"<flat>": GaussianNB(), "tree": model(), "careful": model(decoder=Threshold(0.6))}
    found = compare(trio, X, Y, n_bootstrap=20, confidence=0.9)
    frame = found.to_frame()
    assert frame.shape == (12, 7)
    assert frame["difference"].isna().tolist() == [True] * 4 + [False] * 8
    assert frame["verdict"].iloc[4:].tolist() == found.verdicts.ravel().tolist()
    assert_array_equal(frame["score"], found.scores.ravel())
    assert_array_equal(frame["low"].iloc[4:], found.intervals[..., 0].ravel())
    assert repr(found).startswith("Comparison(names=('<flat>', 'tree', 'careful')")
    text = str(found)
    assert "180 rows in 5 folds; 90% intervals of 20 paired resamples" in text
    assert "careful against <flat>:" in text
    slower = np.array([[1.0], [2.0], [4.0]]) * np.full(5, 1e-3)
    quick = replace(found, fit_seconds=slower, fit_cpu_seconds=slower**2, predict_seconds=slower)
    assert (
        "careful takes 4.00 times as long as <flat> to fit (16.00 times the processor's time)\nand "
        "4.00 times as long to predict."
    ) in str(quick)
    assert "&lt;flat&gt;" in found._repr_html_()
    assert "<flat>" not in found._repr_html_()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"estimators": {"one": model()}}, "at least one other, got 1"),
        ({"estimators": [GaussianNB(), LinearSVC()]}, "pass `taxonomy=`"),
        ({"estimators": [model(), model(taxonomy=BALANCED)]}, "different taxonomies"),
        ({"taxonomy": BALANCED}, "not in the taxonomy"),
        ({"taxonomy": DIAMOND}, "A comparison needs a tree"),
        ({"confidence": 1.0}, "confidence"),
        ({"n_bootstrap": 0}, "n_bootstrap"),
    ],
)
def test_what_comparing_refuses(change, message):
    given = {"estimators": [model(), GaussianNB()], "X": X, "y": Y} | change
    if change.get("taxonomy") is DIAMOND:
        given |= {"X": X[:4], "y": ["Z", "P", "Z", "P"]}
    with pytest.raises(ValueError, match=message):
        compare(**given)


def test_what_comparing_with_flat_refuses():
    with pytest.raises(ValueError, match="GaussianNB has no strategy"):
        compare_with_flat(GaussianNB(), X, Y)
    with pytest.raises(ValueError, match="sets 'estimator__strategy', and a search"):
        compare_with_flat(GridSearchCV(model(), [{"strategy": ["flat", "per_parent"]}]), X, Y)


# -- one search over everything -----------------------------------------------------------


@pytest.mark.slow
def test_one_search_over_everything_finds_something_good(tmp_path):
    folder = shared_data("trec")
    taxonomy = read_hierarchy(folder / "hierarchy.csv")
    texts, y, test_texts, y_test = (
        np.array(read_table(folder / f"{part}.tsv.gz", column), dtype=kind)
        for part in ("train", "test")
        for column, kind in (("text", object), ("fine", str))
    )
    default = Pipeline(
        [
            ("tfidf", TfidfVectorizer(sublinear_tf=True)),
            (
                "classify",
                HierarchicalClassifier(
                    LinearSVC(), taxonomy=taxonomy, node_estimators={"level:1": LinearSVC()}
                ),
            ),
        ],
        memory=str(tmp_path),
    )
    scoring = {
        "hF": make_hierarchical_scorer("f1"),
        "top": make_hierarchical_scorer("level_accuracy", level=1),
    }
    search = GridSearchCV(
        default,
        {
            "tfidf__ngram_range": [(1, 1), (1, 2)],
            "classify__strategy": ["per_parent", "flat"],
            "classify__decoder": ["best_path", "top_down"],
            "classify__estimator__C": [0.3, 3.0],
            "classify__node_estimators__level:1": [LinearSVC(), ComplementNB()],
        },
        scoring=scoring,
        refit="hF",
        cv=HierarchicalStratifiedKFold(3, taxonomy=taxonomy, shuffle=True, random_state=0),
        error_score="raise",
    ).fit(texts, y)
    results = search.cv_results_
    assert len(results["params"]) == 32
    for name in scoring:
        assert np.isfinite(results[f"mean_test_{name}"]).all()
        assert np.ptp(results[f"mean_test_{name}"]) > 0.01  # the grid makes a difference
    default.fit(texts, y)
    for scorer in scoring.values():
        assert scorer(search, test_texts, y_test) >= scorer(default, test_texts, y_test) - 0.01
