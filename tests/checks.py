"""scikit-learn's common checks see flat labels only: here they see a hierarchy.

`OnTree` puts whatever labels it is given into a tree of two levels, so that every
check runs through local models, products and branch and bound.
"""

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from sklhier import HierarchicalClassifier, Taxonomy
from sklhier._meta import bases_have


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

    @available_if(bases_have("partial_fit"))
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        if classes is not None:
            self._tree = tree_of(classes)
        return super().partial_fit(X, y, classes, sample_weight)

    def _given_taxonomy(self):
        return self._tree
