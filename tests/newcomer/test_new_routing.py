"""A routing of one's own, in one file: registered by name, found by a search."""

import numpy as np
from sklearn.model_selection import GridSearchCV

from sklhier import HierarchicalClassifier
from sklhier.datasets import make_hierarchical_classification
from sklhier.staging import Routing, register


@register("near_misses")
class NearMisses(Routing):
    """Samples also go where held-out predictions nearly sent them."""

    def __init__(self, ratio=0.5):
        self.ratio = ratio

    def check(self):
        if not 0 < self.ratio <= 1:
            raise ValueError(f"`ratio` must be in (0, 1], got {self.ratio!r}.")

    def sends(self, proba):
        return proba >= self.ratio * proba.max(axis=1, keepdims=True)


def test_a_search_finds_it():
    X, y, taxonomy = make_hierarchical_classification(
        200, 6, branching=(3, 2), class_sep=0.5, random_state=0
    )
    model = HierarchicalClassifier(taxonomy=taxonomy, cv=3)
    search = GridSearchCV(
        model, {"routing": ["filter", "predicted", "near_misses"]}, cv=3, error_score="raise"
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    by_ratio = GridSearchCV(
        model.set_params(routing=NearMisses()), {"routing__ratio": [0.2, 1.0]}, cv=3
    )
    assert set(by_ratio.fit(X, y).best_params_) == {"routing__ratio"}
    rows = [
        model.set_params(routing=routing).fit(X, y).fit_report_["n_rows"].sum()
        for routing in ("predicted", NearMisses(0.5), NearMisses(0.1))
    ]
    assert rows[0] < rows[1] < rows[2]
