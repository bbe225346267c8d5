"""Splitting, tuning decoders and comparing: properties, and agreement with scikit-learn's tools."""

import copy
import csv
import gzip
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import DIAMOND, TAXONOMIES, shared_data
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from strategies import labelled_trees

from sklhier import HierarchicalClassifier, Taxonomy
from sklhier.datasets import make_hierarchical_classification
from sklhier.exceptions import RareClassWarning, TargetError, TaxonomyError
from sklhier.model_selection import HierarchicalStratifiedKFold, check_rare_classes, coarsen

X, Y, TREE = make_hierarchical_classification(
    180, 6, branching=(2, 3), class_sep=2.0, random_state=0
)
LEVELS = TREE.to_levels(Y)
BALANCED = TAXONOMIES["balanced"]


def model(**params):
    return HierarchicalClassifier(GaussianNB(), taxonomy=TREE, **params)


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
    return {label: group for group, labels in groups.items() for label in labels}


@given(labelled_trees(), st.integers(1, 6))
def test_coarsen(case, min_count):
    taxonomy, y, _ = case
    assume(len(y) >= min_count)
    groups = coarsen(y, taxonomy, min_count)
    assert min(group_sizes(groups).values()) >= min_count
    for label, group in zip(y.tolist(), groups.tolist(), strict=True):
        assert group in {label, *taxonomy.ancestors(label), taxonomy.root}
    expected = slowly_coarsened(y.tolist(), taxonomy, min_count)
    assert groups.tolist() == [expected[label] for label in y.tolist()]


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
    n_nodes = 100_000
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


def test_without_rare_classes_it_is_stratified_k_fold():
    ours = HierarchicalStratifiedKFold(3, taxonomy=TREE, shuffle=True, random_state=0).split(X, Y)
    theirs = StratifiedKFold(3, shuffle=True, random_state=0).split(X, Y)
    for one, other in zip(ours, theirs, strict=True):
        assert_array_equal(one[1], other[1])


def rare_labels():
    """One class with two rows, one with a single row."""
    rare = Y.copy()
    first, second = np.unique(Y)[:2]
    rare[np.flatnonzero(first == Y)[2:]] = np.unique(Y)[2]
    rare[np.flatnonzero(second == Y)[1:]] = np.unique(Y)[3]
    return rare


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


def test_no_warning_without_rare_classes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_rare_classes(["a"] * 5, BALANCED) == {}
        assert check_rare_classes(["Z"] * 5, DIAMOND) == {}
