"""One pass of held-out predictions, whatever reads it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB

from sklhier import HierarchicalClassifier, MultiHeadClassifier
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import Decoder, Threshold
from sklhier.exceptions import IncompatiblePartsError
from sklhier.strategies import Ensemble, PerLevel, PerParent

X, Y, TREE = make_hierarchical_classification(
    180, 5, branching=(3, 2), class_sep=0.7, random_state=0
)
FOLDS = KFold(3)


class Counting(GaussianNB):
    """GaussianNB that counts its fits."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        Counting.n_fits += 1
        return super().fit(X, y, sample_weight)


class Median(Decoder):
    """Stops at level 1 where the best leaf is less probable than that of half of the samples."""

    needs_all_nodes = True

    def __init__(self, tau="oof"):
        self.tau = tau

    @property
    def needs_tuning(self):
        return self.tau == "oof"

    def tuned(self, held_out):
        parts = list(held_out())
        self.seen_.append(np.concatenate([part.nodes for part in parts]))
        best = [leaf_proba(part.marginals).max(axis=1) for part in parts]
        return type(self)(float(np.median(np.concatenate(best))))

    seen_ = []  # noqa: RUF012

    def decode(self, marginals):
        proba, leaves = leaf_proba(marginals), marginals.taxonomy.leaf_ids
        best = leaves[proba.argmax(axis=1)]
        parents = marginals.taxonomy.parent_ids[best]
        return np.where(proba.max(axis=1) < self.tau, parents, best).astype(np.int32)


def leaf_proba(marginals):
    return marginals.dense().node_proba[:, marginals.taxonomy.leaf_ids]


def n_fits(**params):
    Counting.n_fits = 0
    model = HierarchicalClassifier(Counting(), taxonomy=TREE, cv=FOLDS, **params).fit(X, Y)
    return Counting.n_fits, model


def test_no_reader_fits_the_folds_again():
    plain, _ = n_fits(strategy="per_level")
    by_strategy, _ = n_fits(strategy=PerLevel(beta="oof"))
    by_decoder, _ = n_fits(strategy="per_level", decoder=Median())
    both, model = n_fits(strategy=PerLevel(beta="oof"), decoder=Median())
    assert plain == 2
    assert by_strategy == by_decoder == both == plain * (1 + FOLDS.n_splits)
    assert isinstance(model.strategy_.beta, float)


def test_parts_without_a_reader_are_not_fitted_to_folds():
    members = Ensemble([PerParent(), PerLevel(beta="oof")])
    alone, _ = n_fits(strategy=members)
    assert alone == 4 + 2 * (1 + FOLDS.n_splits)
    both, _ = n_fits(strategy=members, decoder=Median())
    assert both == (4 + 2) * (1 + FOLDS.n_splits)


def test_a_decoder_is_tuned_on_samples_that_its_models_have_not_seen():
    Median.seen_.clear()
    _, model = n_fits(decoder=Median())
    assert_array_equal(np.sort(Median.seen_[0]), np.sort(TREE.ids(Y.tolist())))
    best = []
    for train, test in FOLDS.split(X):
        part = HierarchicalClassifier(GaussianNB(), taxonomy=TREE).fit(X[train], Y[train])
        best.append(part.predict_node_proba(X[test])[:, TREE.leaf_ids].max(axis=1))
    tau = np.median(np.concatenate(best))
    wanted = clone(model).set_params(decoder=Median(tau)).fit(X, Y).predict(X)
    assert_array_equal(model.predict(X), wanted)
    assert_array_equal(model.decode(model.predict_node_proba(X)), wanted)
    assert {TREE.depth(label) for label in wanted.tolist()} == {1, 2}


def test_a_decoder_that_was_not_tuned_is_refused():
    _, model = n_fits()
    with pytest.raises(IncompatiblePartsError, match="Fit again"):
        model.set_params(decoder=Median()).predict(X)
    assert_array_equal(model.set_params(decoder="threshold").predict(X[:3]).shape, (3,))
    assert_allclose(model.set_params(decoder=Threshold(0)).score(X, Y), model.score(X, Y))


def test_joint_models_tune_decoders_too():
    model = MultiHeadClassifier(TREE, alpha=0.01, decoder=Median(), cv=FOLDS).fit(X, Y)
    depths = [TREE.depth(label) for label in model.predict(X).tolist()]
    assert 0.2 < np.mean(np.array(depths) == 1) < 0.8
    model.set_params(decoder="best_path").fit(X, Y)
    with pytest.raises(IncompatiblePartsError, match="Fit again"):
        model.set_params(decoder=Median()).predict(X)


def test_decode_takes_no_decoder_that_was_not_tuned():
    _, model = n_fits(decoder=Median())
    assert model.decoder_.tau == model.decoder_.get_params()["tau"] < 1
    table = model.predict_node_proba(X[:5])
    assert_array_equal(model.decode(table, Median()), model.predict(X[:5]))
    model.set_params(decoder="best_path").fit(X, Y)
    assert model.decoder_.get_params() == {}
    with pytest.raises(IncompatiblePartsError, match="Fit again"):
        model.decode(table, Median())


def test_no_memory_left_in_a_fold_is_no_fault_of_the_base():
    class Full(GaussianNB):
        def predict_proba(self, X):
            if len(X) >= self.least:
                raise MemoryError("no room")
            return super().predict_proba(X)

    model = HierarchicalClassifier(Full(), taxonomy=TREE, cv=FOLDS)
    for Full.least in (1, 2):  # asked for one row to see whether it can, or for those of a fold
        for params in ({"decoder": Threshold("oof")}, {"chain": "proba"}):
            with pytest.raises(MemoryError, match="no room"):
                clone(model).set_params(**params).fit(X, Y)
