"""Saved models: files of earlier versions keep opening, and name no more types than promised."""

import importlib
import inspect
import io
import pickle
import re
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from formats.write import answers
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklhier import HierarchicalClassifier, MultiHeadClassifier, Taxonomy
from sklhier._utils.moved import FORMER
from sklhier.datasets import make_hierarchical_classification
from sklhier.persistence import model_card, trusted_types

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


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_joint_models_go_on_in_batches_from_skops(container):
    X, y = container(np.eye(6, dtype=np.float32)), ["a", "b", "c"] * 2
    model = MultiHeadClassifier(Taxonomy.flat(["a", "b", "c"]), random_state=0).partial_fit(X, y)
    loaded = skops.loads(skops.dumps(model), trusted=trusted_types(model))
    assert_array_equal(loaded.partial_fit(X, y).coef_, model.partial_fit(X, y).coef_)


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


# -- model cards --------------------------------------------------------------------------


def section_of(card, title):
    """Return the cells of a rendered table by their name."""
    _, _, rest = card.render().partition(f"\n### {title}\n")
    lines = rest.partition("\n#")[0].strip().splitlines()
    # A bar of a name is escaped in its cell.
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[2:]]
    assert {len(cell) for cell in cells} == {2}
    return {name.strip(): value.strip() for name, value in cells}


def test_a_model_card_holds_the_summary():
    taxonomy = Taxonomy.from_dict({"a|b": ["owl", "w\nren"], "fish": ["eel", "ray"]})
    X = np.arange(8.0).reshape(4, 2)
    inner = HierarchicalClassifier(LogisticRegression(), taxonomy=taxonomy)
    model = make_pipeline(StandardScaler(), inner).fit(X, ["owl", "w\nren", "eel", "eel"])
    card = model_card(model)
    for title, rows in model[-1].summary().lines():
        found = section_of(card, title.capitalize())
        assert list(found) == [name for name, _ in rows]
    assert section_of(card, "Taxonomy")["nodes per level"] == "2, 4"
    assert section_of(card, "Training")["unseen"] == "ray"
    assert r"a\|b: 2" in section_of(card, "Training")["rare"]
    assert "StandardScaler" in card.render()


def test_a_model_card_needs_a_fitted_classifier_and_skops(monkeypatch):
    with pytest.raises(NotFittedError):
        model_card(HierarchicalClassifier())
    with pytest.raises(ValueError, match="holds no fitted classifier with a taxonomy"):
        model_card(LogisticRegression())
    monkeypatch.setitem(sys.modules, "skops.card", None)
    with pytest.raises(ImportError, match=r'pip install "sklhier\[skops\]"'):
        model_card(HierarchicalClassifier())
