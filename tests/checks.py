"""scikit-learn's common checks see flat labels only: here they see a hierarchy.

Classes here put whatever labels they are given into a tree of two levels, so that every check runs
through local models, products and branch and bound, or through one joint model.
"""

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier._classifiers.abilities import learns_in_batches
from sklhier._classifiers.joint_base import has_batches
from sklhier._utils.validation import checked_weights


def tree_of(y):
    """Return a tree of two levels with the labels as leaves, or None where there are none."""
    if y is None:
        return None
    assert_all_finite(y, input_name="y")
    check_classification_targets(np.asarray(y))
    labels = sorted(set(np.asarray(y).ravel().tolist()), key=str)
    half = (len(labels) + 1) // 2
    groups = [("group", i // half) for i in range(len(labels))]
    return Taxonomy.from_edges(
        [*(("top", group) for group in dict.fromkeys(groups)), *zip(groups, labels, strict=True)]
    )


class OnTree(HierarchicalClassifier):
    """A HierarchicalClassifier whose taxonomy follows from the labels."""

    def fit(self, X, y, sample_weight=None, **params):
        self._tree = tree_of(y)
        return super().fit(X, y, sample_weight, **params)

    @available_if(learns_in_batches)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        if classes is not None:
            self._tree = tree_of(classes)
        return super().partial_fit(X, y, classes, sample_weight)

    def _given_taxonomy(self):
        return self._tree


class JointOnTree(MultiHeadClassifier):
    """A MultiHeadClassifier whose taxonomy follows from the labels."""

    def fit(self, X, y, sample_weight=None):
        self._tree = tree_of(y)
        return super().fit(X, y, sample_weight)

    @available_if(has_batches)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        if classes is not None:
            self._tree = tree_of(classes)
        return super().partial_fit(X, y, classes, sample_weight)

    def _given_taxonomy(self):
        return self._tree


def _gives_probabilities(estimator):
    return estimator._gives_probabilities()


class OneLabelEach:
    """Makes an estimator of label sets give every sample a set of one label of a tree.

    scikit-learn's checks then run through binary models, products and thresholds.
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        tags.target_tags.multi_output = False
        tags.target_tags.single_output = True
        return tags

    def fit(self, X, y, sample_weight=None, **params):
        if y is None:
            return super().fit(X, y)
        y = column_or_1d(y, warn=True)
        self.taxonomy, before = tree_of(y), self.taxonomy
        try:
            if sample_weight is not None:  # as in the single-path classifier
                checked_weights(sample_weight, len(y))
            super().fit(X, [{label} for label in y.tolist()], sample_weight, **params)
        finally:
            self.taxonomy = before
        self.labels_ = np.unique(y)
        self.classes_ = self.labels_
        return self

    def _by_label(self, X):
        proba = self.predict_node_proba(X)
        return proba[:, self.taxonomy_.ids(self.labels_.tolist())]

    @available_if(_gives_probabilities)
    def predict_proba(self, X):
        proba = self._by_label(X) + 1e-9
        return proba / proba.sum(axis=1, keepdims=True)

    def predict(self, X):
        proba = self.predict_proba(X)
        return self.labels_[proba.argmax(axis=1)]

    def score(self, X, y, sample_weight=None):
        return accuracy_score(y, self.predict(X), sample_weight=sample_weight)


class OnSets(OneLabelEach, HierarchicalMultiLabelClassifier):
    """A HierarchicalMultiLabelClassifier of one label for each sample."""


class JointOnSets(OneLabelEach, MultiHeadMultiLabelClassifier):
    """A MultiHeadMultiLabelClassifier of one label for each sample."""

    partial_fit = property()  # the sets of a batch do not tell the tree
