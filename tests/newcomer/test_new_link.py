"""A link of one's own, in one file: registered by name, found by a search."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.svm import LinearSVC

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier
from sklhier.datasets import make_hierarchical_classification
from sklhier.links import Link, register


@register("logistic_shares")
class LogisticShares(Link):
    """The shares of logistic functions of decision scores, as probabilities of one model."""

    response_method = "decision_function"

    def __init__(self, temperature=1.0):
        self.temperature = temperature

    def check(self):
        if not self.temperature > 0:
            raise ValueError(f"`temperature` must be above 0, got {self.temperature!r}.")

    def proba(self, outputs):
        chances = 1 / (1 + np.exp(-outputs / self.temperature))
        return chances / chances.sum(axis=1, keepdims=True)


def data():
    return make_hierarchical_classification(200, 6, branching=(3, 2), random_state=0)


def test_a_search_finds_it():
    X, y, taxonomy = data()
    model = HierarchicalClassifier(LinearSVC(), taxonomy=taxonomy)
    assert not hasattr(model, "predict_proba")
    grid = {"link": ["logistic_shares", LogisticShares(0.1)]}
    search = GridSearchCV(model, grid, cv=3, scoring="neg_log_loss", error_score="raise")
    search.fit(X, y)  # LinearSVC has probabilities now, and they are scored
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    by_number = GridSearchCV(
        model.set_params(link=LogisticShares()), {"link__temperature": [0.1, 9]}, cv=3
    )
    assert set(by_number.fit(X, y).best_params_) == {"link__temperature"}


def test_it_serves_label_sets_and_other_bases():
    X, y, taxonomy = data()
    model = HierarchicalMultiLabelClassifier(
        LogisticRegression(), taxonomy=taxonomy, link="logistic_shares"
    )
    proba = model.fit(X, [[label] for label in y]).predict_proba(X)
    assert ((proba >= 0) & (proba <= 1)).all()
