"""Links: weights of decision scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.svm import LinearSVC

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier
from sklhier.datasets import make_hierarchical_classification
from sklhier.links import HingeLink, LogisticLink, SoftmaxLink

SCORES = arrays(np.float64, (4, 3), elements=st.floats(-4, 4))
WEIGHTS = [
    (LogisticLink(2.0), lambda s: 1 / (1 + np.exp(-2 * s))),
    (HingeLink(), lambda s: np.exp(-(np.maximum(0, 1 - s) ** 3))),
    (HingeLink(2), lambda s: np.exp(-(np.maximum(0, 1 - s) ** 2))),
]


@pytest.mark.parametrize(("link", "weights"), WEIGHTS)
@given(scores=SCORES)
def test_weights_are_divided_by_their_sum(link, weights, scores):
    wanted = weights(scores)
    found = link.proba(scores)
    assert_allclose(found, wanted / wanted.sum(axis=1, keepdims=True), atol=1e-7)
    assert_allclose(np.exp(link.log_weight(scores)), wanted[:, -1], atol=1e-7)


@pytest.mark.parametrize("link", [LogisticLink(), HingeLink()])
@pytest.mark.parametrize("unit", [1.0, 30.0, 1e6])
def test_the_largest_score_has_the_largest_weight(link, unit):
    scores = unit * np.array([[1.0, 2.0, 3.0], [2.5, 2.0, 1.0], [-3.0, -1.0, -2.0]])
    found = link.proba(scores)
    assert_array_equal(found.argmax(axis=1), scores.argmax(axis=1))
    assert_allclose(found.sum(axis=1), 1)


@given(arrays(np.float64, 5, elements=st.floats(-4, 4)))
def test_a_pair_is_a_membership(scores):
    link = LogisticLink()
    pair = link.proba(np.column_stack([-scores, scores]))[:, 1]
    assert_allclose(link.membership(scores[:, None])[:, 0], pair, atol=1e-6)


@pytest.mark.parametrize("link", [LogisticLink(0), HingeLink(0.5)])
def test_parameters_out_of_range(link):
    with pytest.raises(ValueError, match=r"`(sharpness|power)` must be"):
        link.check()


def test_decision_scores_are_read_by_the_logistic_function():
    X, y, taxonomy = make_hierarchical_classification(200, 5, branching=(3, 2), random_state=0)
    plain = HierarchicalClassifier(LinearSVC(random_state=0), taxonomy=taxonomy).fit(X, y)
    named = HierarchicalClassifier(
        LinearSVC(random_state=0), taxonomy=taxonomy, link="logistic"
    ).fit(X, y)
    assert_array_equal(plain.predict(X), named.predict(X))
    assert_array_equal(plain.predict_top_k(X, 3)[1], named.predict_top_k(X, 3)[1])
    soft = named.set_params(link=SoftmaxLink()).fit(X, y)
    assert (soft.predict_top_k(X, 3)[1] != plain.predict_top_k(X, 3)[1]).any()
    kind = HierarchicalMultiLabelClassifier
    sets = [[label] for label in y]
    plain = kind(LinearSVC(random_state=0), taxonomy=taxonomy, calibration=None).fit(X, sets)
    named = kind(LinearSVC(random_state=0), taxonomy=taxonomy, link="logistic").fit(X, sets)
    for one, other in zip(plain.predict(X), named.predict(X), strict=True):
        assert list(one) == list(other)
