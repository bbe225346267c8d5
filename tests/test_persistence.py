"""Saved models: files of earlier versions keep opening, and name no more types than promised."""

import importlib
import inspect
import io
import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from formats.write import answers
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from sklhier import HierarchicalClassifier, Taxonomy
from sklhier._utils.moved import FORMER
from sklhier.datasets import make_hierarchical_classification
from sklhier.persistence import trusted_types

skops = pytest.importorskip("skops.io")

FOLDER = Path(__file__).parent / "formats"
FILES = sorted(path for path in FOLDER.glob("*/*") if path.suffix != ".pyc")
BASES = ["sklearn.tree._tree.Tree"]
# Files of the lowest supported versions are read by newer ones, which say so.
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.InconsistentVersionWarning",
    "ignore::sklhier.exceptions.VersionWarning",
)


def load(path):
    if path.suffix == ".pkl":
        return pickle.loads(path.read_bytes())
    if path.suffix == ".joblib":
        return joblib.load(path)
    return skops.load(path, trusted=trusted_types() + BASES)


@pytest.mark.few(22)
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_files_of_earlier_versions_open(path):
    saved = load(path)
    model = saved["model"]
    assert_allclose(answers(model, saved["X"]), saved["answers"], atol=1e-10)
    model = model[-1] if hasattr(model, "steps") else model
    assert model.get_params()
    if hasattr(model, "fit_report_"):
        fitted = [name for name, *_, kind in model.fit_report_.tolist() if ":" not in kind]
        assert sorted(map(repr, fitted)) == sorted(map(repr, model.estimators_))
    again = pickle.loads(pickle.dumps(model))
    assert type(again) is type(model)


def test_there_are_files_of_each_format():
    assert {path.parent.name for path in FILES} == {"first", "second"}
    assert {path.suffix for path in FILES} == {".pkl", ".joblib", ".skops"}


@pytest.mark.parametrize("folder", ["first", "second"])
def test_models_that_learnt_in_batches_go_on(folder):
    saved = load(FOLDER / folder / "batches.pkl")
    model, X = saved["model"], saved["X"]
    y = model.predict(X)
    model.partial_fit(X, y)
    assert model.score(X, y) > 0.5


def test_former_places_give_the_classes_of_today_and_nothing_else():
    for module, (_, names) in FORMER.items():
        place = importlib.import_module(module)
        for name in names:
            assert inspect.isclass(getattr(place, name))
        with pytest.raises(AttributeError):
            place.no_such_class  # noqa: B018
    assert sys.modules["sklhier._classifier"].HierarchicalClassifier is HierarchicalClassifier


def test_files_name_public_modules():
    assert HierarchicalClassifier.__module__ == "sklhier"
    assert Taxonomy.__module__ == "sklhier.taxonomy"
    types = trusted_types()
    assert len(types) == len(set(types))
    for name in types:
        module, _, kind = name.rpartition(".")
        assert inspect.isclass(getattr(importlib.import_module(module), kind)), name


@pytest.mark.parametrize(
    "module", ["calibration", "decoders", "links", "objectives", "staging", "strategies"]
)
def test_all_parameter_objects_are_trusted(module):
    package = importlib.import_module(f"sklhier.{module}")
    kinds = [getattr(package, name) for name in package.__all__]
    kinds = [k for k in kinds if inspect.isclass(k) and issubclass(k, BaseEstimator)]
    assert kinds
    assert {f"{kind.__module__}.{kind.__name__}" for kind in kinds} <= set(trusted_types())


def test_types_of_a_model_of_ones_own():
    X, y, taxonomy = make_hierarchical_classification(60, 4, branching=(2, 2), random_state=0)
    model = HierarchicalClassifier(LogisticRegression(), taxonomy=taxonomy).fit(X, y)
    types = trusted_types(model)
    assert set(types) <= set(trusted_types())
    loaded = skops.loads(skops.dumps(model), trusted=types)
    assert_allclose(loaded.predict_node_proba(X), model.predict_node_proba(X), rtol=0)
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    assert np.array_equal(joblib.load(buffer).predict(X), model.predict(X))
