"""Where the table of node probabilities is written, and in which precision."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.linear_model import LogisticRegression

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
)
from sklhier.datasets import make_hierarchical_classification

X, Y, TAXONOMY = make_hierarchical_classification(90, 5, branching=(3, 2), random_state=0)
SETS = [[label] for label in Y]
MODELS = {
    "local": HierarchicalClassifier(LogisticRegression(), taxonomy=TAXONOMY).fit(X, Y),
    "flat": HierarchicalClassifier(taxonomy=TAXONOMY, strategy="flat").fit(X, Y),
    "sets": HierarchicalMultiLabelClassifier(taxonomy=TAXONOMY, cv=2).fit(X, SETS),
    "joint": MultiHeadClassifier(TAXONOMY, alpha=0.1).fit(X, Y),
    "joint sets": MultiHeadMultiLabelClassifier(TAXONOMY, cv=2, alpha=0.1).fit(X, SETS),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


@pytest.mark.few(9)
@pytest.mark.parametrize("memory", [1024, 0.001])  # in MiB; one block of rows, and many
def test_dtype(model, memory):
    expected = model.predict_node_proba(X)
    with config_context(working_memory=memory):
        assert_array_equal(model.predict_node_proba(X, dtype="float64"), expected)
        half = model.predict_node_proba(X, dtype=np.float32)
    assert half.dtype == np.float32
    assert_allclose(half, expected, rtol=1e-6)
    assert_array_equal(half, expected.astype(np.float32))


@pytest.mark.few(4)
def test_out(model, tmp_path):
    expected = model.predict_node_proba(X)
    shape = expected.shape
    file = np.memmap(tmp_path / "proba", dtype=np.float32, mode="w+", shape=shape)
    strided = np.full((shape[0], 2 * shape[1]), np.nan)[:, ::2]
    with config_context(working_memory=0.001):
        for out in (np.empty(shape), file, strided):
            assert model.predict_node_proba(X, out=out) is out
            assert_array_equal(out, expected.astype(out.dtype))


def locked():
    out = np.empty((90, TAXONOMY.n_nodes))
    out.flags.writeable = False
    return out


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"dtype": "float16"}, r"`dtype` must be float32 or float64, got 'float16'"),
        ({"dtype": int}, r"`dtype` must be float32 or float64, got <class 'int'>"),
        ({"out": [[0.0]]}, r"`out` must be an array of float32 or float64, got a list"),
        ({"out": np.empty((90, TAXONOMY.n_nodes), dtype=int)}, r"got an array of int64"),
        ({"out": np.empty((90, 2))}, r"must have the shape \(90, 10\).*, got shape \(90, 2\)"),
        ({"out": locked()}, r"read-only"),
        ({"out": np.empty((90, TAXONOMY.n_nodes)), "dtype": np.float32}, r"Give one of them"),
    ],
)
def test_what_cannot_be_written_to(model, params, message):
    with pytest.raises((TypeError, ValueError), match=message):
        model.predict_node_proba(X, **params)
