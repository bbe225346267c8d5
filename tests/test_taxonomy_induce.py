"""Induced taxonomies: groups by their definition, and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.cluster import AgglomerativeClustering
from sklearn.naive_bayes import GaussianNB

from sklhier import HierarchicalClassifier, Taxonomy
from sklhier.exceptions import TargetError, TaxonomyError
from sklhier.taxonomy._induce import METHODS, _distances, _halved, class_means, grouped_classes

X = np.array([[0.0, 1.0], [0.1, 1.0], [5.0, 0.0], [5.0, 0.3], [0.0, 0.9], [5.1, 0.1]])
Y = ["owl", "wren", "eel", "ray", "kiwi", "eel"]


def groups_of(taxonomy):
    names = [node for node in taxonomy.nodes if taxonomy.depth(node) == 1]
    assert sorted(names) == sorted(f"<group {i + 1}>" for i in range(len(names)))
    return {frozenset(taxonomy.children(group)) for group in names}


def blobs(n_classes, n_blobs, seed=0, n_rows=3):
    """Classes around a few centres far apart; the blob of each class."""
    rng = np.random.default_rng(seed)
    blob = rng.permutation(np.arange(n_classes) % n_blobs)
    centres = 100 * np.eye(n_blobs)[blob] + rng.normal(0, 1, (n_classes, n_blobs))
    y = np.repeat(np.arange(n_classes), n_rows)
    return centres[y] + rng.normal(0, 0.1, (len(y), n_blobs)), y, blob


def test_means_of_classes():
    codes = np.array([0, 2, 1, 2, 0, 2])
    expected = [X[codes == code].mean(axis=0) for code in range(3)]
    assert_allclose(class_means(X, codes, 3), expected)
    found = class_means(sparse.csr_array(X), codes, 3)
    assert sparse.issparse(found)
    assert_allclose(found.toarray(), expected)


@given(st.integers(3, 40), st.integers(2, 39), st.integers(0, 99))
def test_balanced_groups(n_classes, n_groups, seed):
    n_groups = min(n_groups, n_classes)
    means = np.random.default_rng(seed).normal(size=(n_classes, 3)).round(1)
    groups, again = (
        grouped_classes(table, n_groups, "balanced_kmeans", np.random.RandomState(seed))
        for table in (means, sparse.csr_array(means))
    )
    assert_array_equal(groups, again)
    sizes = np.bincount(groups, minlength=n_groups)
    assert len(sizes) == n_groups
    assert sizes.max() - sizes.min() <= 1
    firsts = [int(np.argmax(groups == group)) for group in range(n_groups)]
    assert firsts == sorted(firsts)


@given(st.integers(3, 30), st.data())
def test_no_class_is_on_the_wrong_side(n_classes, data):
    size = data.draw(st.integers(1, n_classes - 1))
    seed = data.draw(st.integers(0, 99))
    means = np.random.default_rng(seed).normal(size=(n_classes, 2))
    left = _halved(means, size, np.random.RandomState(seed))
    assert left.sum() == size
    centres = means[left].mean(axis=0), means[~left].mean(axis=0)
    to = [((means - centre) ** 2).sum(axis=1) for centre in centres]
    closer = to[0] - to[1]
    assert closer[left].max() <= closer[~left].min() + 1e-9


def test_distances_to_a_centre():
    found = _distances(X, X[2])
    assert_allclose(found + X[2] @ X[2], ((X - X[2]) ** 2).sum(axis=1), atol=1e-9)


@given(st.integers(3, 25), st.integers(2, 24), st.integers(0, 99))
def test_ward_is_that_of_scikit_learn(n_classes, n_groups, seed):
    n_groups = min(n_groups, n_classes - 1)
    means = np.random.default_rng(seed).normal(size=(n_classes, 3))
    found = grouped_classes(sparse.csr_array(means), n_groups, "ward", np.random.RandomState(0))
    expected = AgglomerativeClustering(n_groups, linkage="ward").fit(means).labels_
    pairs = set(zip(found.tolist(), expected.tolist(), strict=True))
    assert len(pairs) == n_groups == len(set(found.tolist()))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_far_apart_is_in_other_groups(method):
    x, y, blob = blobs(12, 4)
    taxonomy = Taxonomy.induce(x, y, 4, method=method)
    expected = {frozenset(np.flatnonzero(blob == k).tolist()) for k in range(4)}
    assert groups_of(taxonomy) == expected
    assert taxonomy.n_levels == 2
    assert set(taxonomy.leaves) == set(range(12))
    order = np.random.default_rng(1).permutation(len(y))
    assert Taxonomy.induce(x[order], y[order], 4, method=method) == taxonomy
    assert Taxonomy.induce(sparse.coo_array(x), y.tolist(), 4, method=method) == taxonomy


def test_names_and_default_number():
    taxonomy = Taxonomy.induce(X, Y)
    assert groups_of(taxonomy) == {frozenset({"owl", "wren", "kiwi"}), frozenset({"eel", "ray"})}
    assert taxonomy.parents("eel") == ("<group 1>",)  # the first class, by name
    assert Taxonomy.induce(pd.DataFrame(X), pd.Series(Y), 2) == taxonomy
    assert Taxonomy.induce(X, iter(Y)) == taxonomy
    x, y, _ = blobs(30, 5)
    assert len(groups_of(Taxonomy.induce(x, y))) == 5


def test_the_seed_decides():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), np.arange(40)
    trees = [Taxonomy.induce(x, y, 6, random_state=seed) for seed in (0, 0, 1, 2, 3)]
    assert trees[0] == trees[1]
    assert len(set(trees)) > 1
    ward = [Taxonomy.induce(x, y, 6, method="ward", random_state=seed) for seed in range(3)]
    assert len(set(ward)) == 1


@pytest.mark.parametrize("method", METHODS)
def test_sparse_samples_are_not_made_dense(method):
    n_rows, n_columns = 3000, 10**6  # 24 GB
    rows = np.arange(n_rows)
    table = sparse.csr_array((np.ones(n_rows), (rows, rows % 6)), shape=(n_rows, n_columns))
    assert len(groups_of(Taxonomy.induce(table, rows % 6, 3, method=method))) == 3


def test_a_model_with_the_tree():
    x, y, _ = blobs(12, 4)
    taxonomy = Taxonomy.induce(x, y, 4)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy).fit(x, y)
    assert_array_equal(model.predict(x), y)
    assert set(model.predict_levels(x)[:, 0]) == {f"<group {i}>" for i in range(1, 5)}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": ["a", "b", "a", "b", "a", "b"]}, ValueError, "three classes or more, got 2"),
        ({"y": Y[:5]}, ValueError, "inconsistent numbers of samples"),
        ({"y": ["a", "b", "c", "d", "e", "<group 2>"]}, TargetError, "got '<group 2>'"),
        ({"y": [*Y[:5], None]}, TaxonomyError, "None"),
        ({"y": [[label] for label in Y]}, TaxonomyError, "owl"),
        ({"n_groups": 1}, ValueError, "n_groups"),
        ({"n_groups": 5}, ValueError, "n_groups"),
        ({"n_groups": 2.0}, TypeError, "n_groups"),
        ({"method": "kmeans"}, ValueError, "`method` must be one of 'balanced_kmeans', 'ward'"),
        ({"X": X * np.nan}, ValueError, "NaN"),
        ({"X": [["a"]] * 6}, ValueError, "could not convert"),
    ],
)
def test_what_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        Taxonomy.induce(**({"X": X, "y": Y} | change))


def test_ward_needs_memory():
    with (
        sklearn.config_context(working_memory=1e-4),
        pytest.raises(ValueError, match="for 5 classes, got 'ward'"),
    ):
        Taxonomy.induce(X, Y, method="ward")
