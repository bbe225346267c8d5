"""Warnings point at the line of the user, and say nothing that was not asked for."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier._utils import pickling
from sklhier.decoders import SetThreshold
from sklhier.exceptions import LeakageWarning, RareClassWarning, VersionWarning
from sklhier.metrics import (
    hierarchical_classification_report,
    hierarchical_f1_score,
    hierarchical_fbeta_score,
    hierarchical_precision_recall_fscore_support,
    hierarchical_precision_score,
    hierarchical_recall_score,
    make_hierarchical_scorer,
)
from sklhier.model_selection import HierarchicalStratifiedKFold, check_rare_classes, tune_decoder
from sklhier.objectives import LBFGS, Adam
from sklhier.staging import Chain
from sklhier.strategies import PerNode

TAXONOMY = Taxonomy.from_dict({"A": {"A1": ["a", "b"], "A2": ["c", "d"]}, "B": ["e"]})
X = np.random.RandomState(0).normal(size=(40, 3))
Y = np.resize([*"abcde"], 40)
RARE = np.where(np.arange(40) == 7, "e", np.resize([*"abcd"], 40))
SETS = [[label] for label in Y.tolist()]


def sets_of(**params):
    return HierarchicalMultiLabelClassifier(
        GaussianNB(), taxonomy=TAXONOMY, decoder=SetThreshold(0.5), **params
    )


def classifier(**params):
    return HierarchicalClassifier(GaussianNB(), taxonomy=TAXONOMY, **params)


def of_an_earlier_version(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(pickling, "__version__", "0.0.1")
        return pickle.dumps(classifier().fit(X, Y))


# Each calls public API from this file. The line of the call is the one to show.
CALLS = {
    "chain": (LeakageWarning, lambda: classifier(chain=Chain(training="true")).fit(X, Y)),
    "chain in a Pipeline": (
        LeakageWarning,
        lambda: make_pipeline(StandardScaler(), classifier(chain=Chain(training="true"))).fit(
            X, Y
        ),
    ),
    "chain of label sets": (
        LeakageWarning,
        lambda: sets_of(chain=Chain(training="in_sample")).fit(X, SETS),
    ),
    "class in one fold": (
        RareClassWarning,
        lambda: classifier(strategy=PerNode(), chain="proba").fit(X, RARE),
    ),
    "check_rare_classes": (RareClassWarning, lambda: check_rare_classes(RARE, TAXONOMY)),
    "tune_decoder": (
        RareClassWarning,
        lambda: tune_decoder(classifier(), X, RARE, ["best_path", "top_down"], cv=2),
    ),
    "groups": (
        UserWarning,
        lambda: HierarchicalStratifiedKFold(2).split(X, Y, groups=np.arange(40)),
    ),
    "L-BFGS": (
        ConvergenceWarning,
        lambda: MultiHeadClassifier(taxonomy=TAXONOMY, solver=LBFGS(max_iter=1)).fit(X, Y),
    ),
    "Adam": (
        ConvergenceWarning,
        lambda: MultiHeadClassifier(taxonomy=TAXONOMY, solver=Adam(max_iter=1)).fit(X, Y),
    ),
    "joint model of label sets": (
        ConvergenceWarning,
        lambda: MultiHeadMultiLabelClassifier(
            taxonomy=TAXONOMY, decoder=SetThreshold(0.5), solver=LBFGS(max_iter=1)
        ).fit(X, SETS),
    ),
    "LinearSVC": (
        ConvergenceWarning,
        lambda: HierarchicalClassifier(
            LinearSVC(max_iter=1, random_state=0), taxonomy=TAXONOMY
        ).fit(sparse.csr_matrix(X), Y),
    ),
    "precision": (
        UndefinedMetricWarning,
        lambda: hierarchical_precision_score(["a"], [None], taxonomy=TAXONOMY),
    ),
    "precision, recall and F": (
        UndefinedMetricWarning,
        lambda: hierarchical_precision_recall_fscore_support(["a"], [None], taxonomy=TAXONOMY),
    ),
    "a scorer": (
        UndefinedMetricWarning,
        lambda: make_hierarchical_scorer("recall", average="macro")(FITTED, X[:1], Y[:1]),
    ),
}
FITTED = classifier().fit(X, Y)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("default")
def test_a_warning_points_at_the_line_of_the_caller(name):
    category, call = CALLS[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    own = [warning for warning in caught if issubclass(warning.category, category)]
    assert own
    assert {warning.filename for warning in own} == {__file__}


@pytest.mark.parametrize("load", [pickle.load, joblib.load])
def test_a_file_of_another_version_points_at_the_load(load, tmp_path, monkeypatch):
    path = tmp_path / "model.pkl"
    path.write_bytes(of_an_earlier_version(monkeypatch))
    with path.open("rb") as file, pytest.warns(VersionWarning, match="sklhier 0.0.1") as caught:
        load(file)
    assert [warning.filename for warning in caught] == [__file__]


def test_a_skops_file_of_another_version_points_at_the_load(monkeypatch):
    skops = pytest.importorskip("skops.io")
    with monkeypatch.context() as patched:
        patched.setattr(pickling, "__version__", "0.0.1")
        dumped = skops.dumps(FITTED)
    with pytest.warns(VersionWarning) as caught:
        skops.loads(dumped, trusted=skops.get_untrusted_types(data=dumped))
    assert [warning.filename for warning in caught] == [__file__]


def test_a_warning_within_a_search_points_at_the_search():
    leaking = classifier(chain=Chain(training="true"))
    with pytest.warns(LeakageWarning) as caught:
        cross_val_score(leaking, X, Y, cv=2)
    assert {warning.filename for warning in caught} == {__file__}


def test_a_copy_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clone(FITTED)
        pickle.loads(pickle.dumps(FITTED))


# -- metrics ------------------------------------------------------------------------------

MEASURES = {
    hierarchical_precision_score: "Precision",
    hierarchical_recall_score: "Recall",
    hierarchical_f1_score: "F-score",
    hierarchical_fbeta_score: "F-score",
}


@pytest.mark.parametrize("average", ["micro", "samples", "macro", None])
@pytest.mark.parametrize("metric", MEASURES)
def test_a_metric_warns_about_itself_alone(metric, average):
    params = {"beta": 2.0} if metric is hierarchical_fbeta_score else {}
    with pytest.warns(UndefinedMetricWarning) as caught:
        metric([None], [None], taxonomy=TAXONOMY, average=average, **params)
    (warning,) = caught
    assert str(warning.message).startswith(f"{MEASURES[metric]} is ill-defined")


def test_what_is_defined_gives_no_warning():
    everything = TAXONOMY.leaves
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # No prediction: precision alone is undefined. No truth: recall alone.
        hierarchical_recall_score(["a"], [None], taxonomy=TAXONOMY)
        hierarchical_precision_score([None], ["a"], taxonomy=TAXONOMY)
        hierarchical_f1_score([None], ["a"], taxonomy=TAXONOMY)
        # Most nodes do not occur, and one row is empty; their sums are what counts.
        for average in ("micro", "samples"):
            hierarchical_precision_recall_fscore_support(
                ["a", "a"], ["a", "a"], taxonomy=TAXONOMY, average=average
            )
        hierarchical_precision_recall_fscore_support(["a", None], ["a", None], taxonomy=TAXONOMY)
        hierarchical_recall_score(everything, everything, taxonomy=TAXONOMY, average="macro")
        hierarchical_classification_report(["a", None], ["a", None], taxonomy=TAXONOMY)


def test_one_warning_for_each_undefined_measure():
    with pytest.warns(UndefinedMetricWarning) as caught:
        hierarchical_precision_recall_fscore_support([None], [None], taxonomy=TAXONOMY)
    names = [str(warning.message).partition(" ")[0] for warning in caught]
    assert names == ["Precision", "Recall", "F-score"]
