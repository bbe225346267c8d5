"""Any number of workers of any kind: the same results, and not slower than one."""

import os
import threading
import time
from dataclasses import dataclass, replace

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, SGDClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from sklhier import HierarchicalClassifier
from sklhier._utils import parallel
from sklhier.datasets import make_hierarchical_classification, make_hierarchical_text
from sklhier.exceptions import LocalFitError


@dataclass(frozen=True)
class Nap:
    """A task that says where it was done."""

    number: int
    size: float = 1.0
    seconds: float = 0.0
    in_threads: bool = False
    is_shared: bool = False
    is_ready: bool = False

    def ready(self):
        return replace(self, is_ready=True)

    def for_all(self, n_workers):
        return replace(self, number=self.number + 1000 * n_workers) if self.is_shared else None


def nap(tasks, shared):
    assert shared == "what all tasks read"
    assert all(task.is_ready for task in tasks)
    for task in tasks:
        time.sleep(task.seconds)
    return [(task.number, os.getpid(), threading.get_ident()) for task in tasks]


def do(tasks, n_jobs=2, least=1.0):
    return parallel.in_parallel(
        nap, tasks, shared="what all tasks read", least=least, n_jobs=n_jobs, verbose=0
    )


@given(
    sizes=st.lists(st.floats(0, 100), max_size=30),
    shared=st.sets(st.integers(0, 29)),
    least=st.floats(0, 100),
    n_jobs=st.sampled_from([None, 1, 2, 3]),
)
def test_results_are_in_the_order_of_the_tasks(sizes, shared, least, n_jobs):
    tasks = [Nap(i, s, in_threads=True, is_shared=i in shared) for i, s in enumerate(sizes)]
    together = 0 if n_jobs in (None, 1) else 1000 * min(n_jobs, joblib.cpu_count())
    expected = [task.number + together * task.is_shared for task in tasks]
    assert [done[0] for done in do(tasks, n_jobs, least)] == expected


def test_no_processes_for_little_work():
    assert {done[1] for done in do([Nap(i) for i in range(30)])} == {os.getpid()}


def test_processes_for_more(monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    found = do([Nap(i) for i in range(30)])
    assert len({done[1] for done in found} - {os.getpid()}) >= 1
    assert [done[0] for done in found] == list(range(30))


class Clock:
    """Time that passes only while something is done."""

    now = 0.0

    def perf_counter(self):
        return self.now


def test_how_much_work_there_is_is_seen_from_few_tasks(monkeypatch):
    sizes = np.arange(100.0, 0.0, -1.0)
    done, clock = [], Clock()
    monkeypatch.setattr(parallel, "time", clock)

    def run(i):
        done.append(i)
        clock.now += sizes[i] / 2000

    expected = parallel._expected_seconds(list(range(100)), sizes, run)
    assert done == [99, 50, 10]
    assert expected == pytest.approx((5050 - 1 - 50 - 90) / 2000, rel=0.02)
    assert parallel._expected_seconds([], sizes[:0], run) == 0.0


def test_the_largest_come_first():
    sizes = [1, 5, 3, 9, 2]
    started, both = [], threading.Barrier(2)

    def run(tasks, shared):
        for task in tasks:
            started.append(task.number)
            if task.number in (1, 3):  # one for each thread: neither goes on alone
                both.wait(timeout=600)
        return [task.number for task in tasks]

    tasks = [Nap(i, size, in_threads=True) for i, size in enumerate(sizes)]
    done = parallel.in_parallel(run, tasks, shared=None, least=1.0, n_jobs=2, verbose=0)
    assert done == list(range(5))
    assert set(started[:2]) == {1, 3}


def test_threads_of_this_process():
    found = do([Nap(i, 1, 0.02, in_threads=True) for i in range(20)])
    assert {done[1] for done in found} == {os.getpid()}
    assert len({done[2] for done in found}) == 2


BASES = {
    "svc": LinearSVC(dual=True),
    "svc primal": LinearSVC(dual=False),
    "sgd": SGDClassifier(loss="log_loss", max_iter=5, tol=None),
    "perceptron": Perceptron(max_iter=5, tol=None),
    "logistic": LogisticRegression(),
    "forest": RandomForestClassifier(10, max_depth=4),
    "extra trees": ExtraTreesClassifier(5, max_depth=4),
    "tree": DecisionTreeClassifier(max_depth=4),
}


# BLAS rounds otherwise with another number of threads, and L-BFGS makes more of it.
ONE_THREAD = {"backend": "loky", "inner_max_num_threads": 1}
BACKENDS = {"default": {}, "loky": ONE_THREAD, "threading": {"backend": "threading"}}


@pytest.mark.parametrize(
    ("base", "backend"),
    [(b, k) for b in BASES for k in BACKENDS if (b, k) != ("logistic", "default")],
)
def test_models_are_the_same(base, backend, monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    if base in ("svc", "sgd", "perceptron", "logistic"):
        X, y, taxonomy = make_hierarchical_text(300, branching=(3, 3), random_state=0)
        X = X.astype(np.float64)
    else:
        X, y, taxonomy = make_hierarchical_classification(300, 8, branching=(3, 3), random_state=0)
    X = X.toarray() if base == "logistic" else X
    model = HierarchicalClassifier(BASES[base], taxonomy=taxonomy, random_state=7)
    two = HierarchicalClassifier(BASES[base], taxonomy=taxonomy, random_state=7, n_jobs=2)
    with threadpool_limits(1), joblib.parallel_config(**BACKENDS[backend]):
        one = model.fit(X, y)
        two.fit(X, y)
    assert list(two.estimators_) == list(one.estimators_)
    assert_array_equal(two.predict(X), one.predict(X))
    for name, local in one.estimators_.items():
        other = two.estimators_[name]
        assert str(other.get_params()) == str(local.get_params())
        method = "decision_function" if hasattr(local, "coef_") else "predict_proba"
        assert_array_equal(getattr(other, method)(X), getattr(local, method)(X))


def test_texts_travel_row_by_row(monkeypatch):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline

    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    X, y, taxonomy = make_hierarchical_text(200, branching=(2, 3), output="text", random_state=0)
    base = make_pipeline(CountVectorizer(), LogisticRegression())
    with threadpool_limits(1), joblib.parallel_config(**ONE_THREAD):
        models = [
            HierarchicalClassifier(base, taxonomy=taxonomy, n_jobs=n, chain=chain).fit(X, y)
            for chain in (None, "proba")
            for n in (1, 2)
        ]
        for one, two in (models[:2], models[2:]):
            assert_array_equal(one.predict_proba(X), two.predict_proba(X))


@pytest.mark.parametrize("base", [LogisticRegression(), RandomForestClassifier(5)])
def test_an_error_in_a_worker_names_its_node(base, monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    X, y, taxonomy = make_hierarchical_classification(90, 4, branching=(3, 3), random_state=0)
    X[y == y[0], 0] = np.inf
    with pytest.raises(LocalFitError, match="node") as caught:
        HierarchicalClassifier(base, taxonomy=taxonomy, n_jobs=2).fit(X, y)
    assert isinstance(caught.value.__cause__, ValueError)
