"""Label sets that are searched for the most probable nodes: the answers of full tables."""

import pickle

import numpy as np
import pytest
from conftest import TAXONOMIES
from generators import label_sets, one_in, trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from sklhier import HierarchicalMultiLabelClassifier
from sklhier.decoders import SetThreshold, TopLabels

BALANCED = TAXONOMIES["balanced"]


class Counting(GaussianNB):
    """Counts the samples that each fitted model is asked about."""

    def predict_proba(self, X):
        self.n_asked_ = getattr(self, "n_asked_", 0) + len(X)
        return super().predict_proba(X)


def clusters(y, taxonomy, seed, n_rows):
    """Features that tell a little about the nodes of each sample."""
    table = taxonomy.binarize(y, sparse_output=False)
    rng = np.random.default_rng(seed)
    X = table @ rng.normal(size=(table.shape[1], 6)) + rng.normal(size=(n_rows, 6))
    return X * (rng.random(X.shape) < 0.7)


@st.composite
def decoders(draw, taxonomy):
    """Decoders that say what they want: one number, one for each node, or a number of leaves."""
    level = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9])
    n_nodes = taxonomy.n_nodes - 1
    each = draw(st.lists(level, min_size=n_nodes, max_size=n_nodes))
    at_least_one = draw(st.booleans())
    return draw(
        st.sampled_from(
            [
                TopLabels(draw(st.integers(1, 4))),
                SetThreshold(each[0], at_least_one=at_least_one),
                SetThreshold(
                    dict(zip(taxonomy.nodes[1:], each, strict=True)), at_least_one=at_least_one
                ),
            ]
        )
    )


@pytest.mark.few(2)
@pytest.mark.parametrize("strategy", ["per_parent", "per_node"])
@pytest.mark.parametrize(
    ("base", "container"),
    [(GaussianNB(), np.asarray), (LogisticRegression(), sparse.csr_matrix)],
    ids=["dense", "sparse"],
)
@one_in(2)
@given(data=st.data(), taxonomy=trees(12), seed=st.integers(0, 99))
def test_a_search_finds_the_answers_of_the_full_table(
    strategy, base, container, data, taxonomy, seed
):
    y = data.draw(label_sets(taxonomy, 12))
    y[0] = y[0] | {taxonomy.nodes[1]}
    X = container(clusters(y, taxonomy, seed, len(y)))
    decoder = data.draw(decoders(taxonomy))
    model = HierarchicalMultiLabelClassifier(
        base, taxonomy=taxonomy, strategy=strategy, decoder=decoder
    )
    model.fit(X, y)
    full = model.decode(model.predict_node_proba(X))
    assert [set(labels) for labels in model.predict(X)] == [set(labels) for labels in full]
    for row in range(3):  # a row alone is read in another way
        assert set(model.predict(X[[row]])[0]) == set(full[row])


@pytest.mark.parametrize(
    ("decoder", "n_asked"),
    [
        # Rows are surely at A or at B, and at one of the leaves there.
        (SetThreshold(0.5), {"A": 40, "B": 40, "a": 20, "b": 20, "c": 20, "d": 20}),
        (SetThreshold(0.0), {"A": 40, "B": 40, "a": 40, "b": 40, "c": 40, "d": 40}),
        (SetThreshold({"A": 0.9, "B": 0.0, "a": 0.9, "b": 0.9, "c": 0.0, "d": 0.0}),
         {"A": 40, "B": 40, "a": 20, "b": 20, "c": 40, "d": 40}),
        (TopLabels(2), {"A": 40, "B": 40, "a": 20, "b": 20, "c": 20, "d": 20}),
    ],
)  # fmt: skip
def test_models_below_improbable_nodes_are_not_asked(decoder, n_asked):
    leaves = np.repeat(["a", "b", "c", "d"], 10)
    X = np.repeat([[0.0, 0.0], [0.0, 4.0], [9.0, 0.0], [9.0, 4.0]], 10, axis=0)
    X = X + np.random.default_rng(0).normal(scale=0.5, size=X.shape)
    model = HierarchicalMultiLabelClassifier(Counting(), taxonomy=BALANCED, decoder=decoder)
    model.fit(X, [{leaf} for leaf in leaves])
    for base in model.estimators_.values():
        base.n_asked_ = 0
    model.predict(X)
    assert {name: base.n_asked_ for name, base in model.estimators_.items()} == n_asked


def test_constants_and_unseen_nodes():
    X = np.random.default_rng(0).normal(size=(8, 2))
    y = [{"a"}] * 4 + [{"a", "c"}] * 4
    for decoder in (TopLabels(3), SetThreshold(0.4, at_least_one=True)):
        model = HierarchicalMultiLabelClassifier(
            DummyClassifier(), taxonomy=BALANCED, decoder=decoder
        )
        model.fit(X, y)
        assert [set(labels) for labels in model.predict(X[:2])] == [{"a", "c"}] * 2


def test_pickled_models_search():
    X = np.random.default_rng(0).normal(size=(20, 2))
    y = [{"a", "c"}, {"b"}, {"d"}, {"a"}, set()] * 4
    model = HierarchicalMultiLabelClassifier(GaussianNB(), taxonomy=BALANCED, decoder=TopLabels(2))
    before = model.fit(X, y).predict(X)
    again = pickle.loads(pickle.dumps(model)).predict(X)
    assert_array_equal(list(map(sorted, before)), list(map(sorted, again)))
