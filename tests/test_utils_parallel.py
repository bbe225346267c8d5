"""Any number of workers of any kind: the same results, and not slower than one."""

import copyreg
import multiprocessing
import os
import pickle
import threading
import time
from dataclasses import dataclass, replace

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier
from sklhier._local import fitting
from sklhier._utils import parallel
from sklhier.datasets import make_hierarchical_classification, make_hierarchical_text
from sklhier.decoders import SetThreshold
from sklhier.exceptions import LocalFitError, LocalPredictError
from sklhier.linear_model import BlockLinearSVC, BlockLogisticRegression


@dataclass(frozen=True)
class Nap:
    """A task that says where it was done."""

    number: int
    size: float = 1.0
    seconds: float = 0.0
    in_threads: bool = False
    is_shared: bool = False
    is_ready: bool = False

    @property
    def name(self):
        return f"nap {self.number}"

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
    monkeypatch.setattr(parallel._Waiting, "_last", None)
    found = do([Nap(i) for i in range(30)])
    assert len({done[1] for done in found} - {os.getpid()}) >= 1
    assert [done[0] for done in found] == list(range(30))
    assert parallel._Waiting.are_there(2)


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

    expected = parallel._expected_seconds(list(range(100)), sizes, run, 0.2)
    assert done == [99, 50, 10]
    assert expected == pytest.approx(np.delete(sizes, done) / 2000, rel=0.02)
    assert not parallel._expected_seconds([], sizes[:0], run, 0.2).size
    done.clear()
    expected = parallel._expected_seconds(list(range(100)), sizes, run, 0.01)
    assert done == [99, 50]  # enough to know
    assert expected == pytest.approx(np.delete(sizes, done) / 2000, rel=0.02)
    nothing = parallel._expected_seconds([0, 1], np.zeros(2), lambda _: None, 1.0)
    assert_array_equal(nothing, 0)


@given(seconds=st.lists(st.floats(0, 100), min_size=1), n_workers=st.integers(2, 9))
def test_what_workers_save_is_limited_by_the_longest_task(seconds, n_workers):
    saved = parallel._saved(np.array(seconds), n_workers)
    assert saved <= sum(seconds) * (1 - 1 / n_workers) + 1e-9
    assert saved <= sum(sorted(seconds)[:-1]) + 1e-9
    assert parallel._saved(np.array([1.0, 1.0, 1.0, 1.0]), 2) == 2.0
    assert parallel._saved(np.array([3.0, 1.0]), n_workers) == 1.0
    assert parallel._saved(np.zeros(0), n_workers) == 0.0


def worth_of(n_workers=2, **config):
    with joblib.parallel_config(**config):
        backend = joblib.parallel.get_active_backend()[0]
        return parallel._worth(backend, n_workers)


def test_processes_that_wait_are_worth_less(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(parallel, "time", clock)
    monkeypatch.setattr(parallel._Waiting, "_last", None)
    new, threads = worth_of(backend="loky"), worth_of(backend="threading")
    assert threads < new / 10
    parallel._Waiting.note(2)
    assert threads < worth_of(backend="loky") < new
    assert worth_of(backend="threading") == threads
    assert worth_of(backend="multiprocessing") == new  # which starts them for each call
    assert worth_of(3, backend="loky") == new
    clock.now = 299.0
    assert worth_of(backend="loky") < new
    clock.now = 301.0
    assert worth_of(backend="loky") == new
    parallel._Waiting.note(2)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert worth_of(backend="loky") == new


def test_little_work_stays_in_one_thread(monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH", 1e3)
    found = do([Nap(i, in_threads=True) for i in range(30)])
    assert {done[2] for done in found} == {threading.get_ident()}
    assert [done[0] for done in found] == list(range(30))


def test_the_largest_come_first(monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
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
    assert started[0] == 0  # to see how long that takes
    assert set(started[1:3]) == {1, 3}


def test_threads_of_this_process():
    found = do([Nap(i, 1, 0.02, in_threads=True) for i in range(20)])
    assert {done[1] for done in found} == {os.getpid()}
    # The first is done here, to see how long that takes.
    assert len({done[2] for done in found} - {threading.get_ident()}) == 2


BASES = {
    "svc": LinearSVC(dual=True),
    "svc primal": LinearSVC(dual=False),
    "block svc": BlockLinearSVC(tol=0.1),
    "block logistic": BlockLogisticRegression(tol=0.1),
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


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("base", "backend"),
    [(b, k) for b in BASES for k in BACKENDS if (b, k) != ("logistic", "default")],
)
def test_models_are_the_same(base, backend, monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    if base in ("svc", "sgd", "perceptron", "logistic") or "block" in base:
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


@pytest.mark.more
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


# -- errors of base estimators, wherever they occur ---------------------------------------


class NeedsTwo(Exception):  # noqa: N818
    """What pickles, and cannot be made again."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


class Locked(Exception):  # noqa: N818
    """What does not pickle."""

    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


class Plain(Exception):  # noqa: N818
    """What pickles."""


ERRORS = {
    "two": lambda: NeedsTwo(1, 2),
    "lock": lambda: Locked("of its own"),
    "plain": lambda: Plain("as it is"),
    "type": lambda: TypeError("not that"),
    "long": lambda: ValueError("v" * 5000),
    "memory": lambda: MemoryError("no room"),
    "interrupt": lambda: KeyboardInterrupt("enough"),
}


class Raising(ClassifierMixin, BaseEstimator):
    """A base estimator that fails, or ends its process, in all processes but one."""

    def __init__(self, kind="two", spared=0):
        self.kind = kind
        self.spared = spared

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if os.getpid() != self.spared:
            if self.kind == "exit":
                os._exit(3)
            raise ERRORS[self.kind]()
        return self

    def predict(self, X):
        return np.zeros(len(X))


DATA = make_hierarchical_classification(200, 4, branching=(3, 3), random_state=0)


def caught_in(backend, kind, expected=LocalFitError):
    X, y, taxonomy = DATA
    spared = 0 if backend == "threading" else os.getpid()  # the first fits are done here
    model = HierarchicalClassifier(Raising(kind, spared), taxonomy=taxonomy, n_jobs=2)
    with joblib.parallel_config(backend=backend), pytest.raises(expected) as caught:
        model.fit(X, y)
    assert not hasattr(model, "taxonomy_")
    return caught.value


# Workers start again after each error.
SLOW = pytest.mark.slow


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=SLOW)])
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("two", "NeedsTwo: 1 and 2"),
        ("lock", "Locked: of its own"),
        ("plain", "Plain: as it is"),
        ("type", "TypeError: not that"),
        ("long", "ValueError: vvv"),
    ],
)
def test_errors_of_all_kinds_come_back(backend, kind, told, monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    error = caught_in(backend, kind)
    assert told in str(error)
    assert "failed at node" in str(error)
    assert len(str(error)) < 800
    assert error.node in DATA[2].nodes
    assert error.n_rows > 0
    assert error.__cause__ is error.original
    assert isinstance(error, TypeError) == (kind == "type")
    travels = backend == "threading" or kind not in ("two", "lock")
    assert type(error.original) is (type(ERRORS[kind]()) if travels else RuntimeError)
    if not travels:
        assert str(error.original) == told


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=SLOW)])
@pytest.mark.parametrize("kind", ["memory", "interrupt"])
def test_what_is_no_error_of_a_base_estimator_stays_what_it_is(backend, kind, monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    kinds = {"memory": MemoryError, "interrupt": KeyboardInterrupt}
    assert type(caught_in(backend, kind, kinds[kind])) is kinds[kind]


@pytest.mark.parametrize(
    ("base", "place"),
    [
        (GaussianNB(), "dense_rows._of_finite"),
        (SGDClassifier(loss="log_loss"), "dense_rows._of_linear"),
        (make_pipeline(StandardScaler(), GaussianNB()), "calls.outputs_of"),
    ],
)
def test_no_memory_in_predictions(base, place, monkeypatch):
    monkeypatch.setenv("SKLHIER_KERNELS", "0")  # compiled code asks no function of these
    X, y, taxonomy = DATA
    model = HierarchicalClassifier(base, taxonomy=taxonomy).fit(X, y)

    def no_room(*arguments):
        raise MemoryError("no room")

    monkeypatch.setattr(f"sklhier._local.{place}", no_room)
    with pytest.raises(MemoryError, match="no room"):
        model.predict_proba(X)


@pytest.mark.more
def test_a_worker_that_dies_is_reported_with_its_node(monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    error = caught_in("loky", "exit")
    assert "A worker process died while models were fitted at node" in str(error)
    assert f"({error.n_rows} rows)" in str(error)
    assert error.node in DATA[2].nodes
    assert type(error.__cause__).__name__ == "TerminatedWorkerError"
    assert len(str(error)) < 800
    unknown = LocalFitError.died(RuntimeError("gone"), [])
    assert "at unknown nodes" in str(unknown)
    many = LocalFitError.died(RuntimeError("gone"), [(i, f"node {i}", 3) for i in range(7)])
    assert "node 4 (3 rows), ... (7 in all)" in str(many)


def _in_a_pool(queue):
    parallel._WORTH = 0.0
    X, y, taxonomy = DATA
    for kind in ("two", "lock"):
        base = Raising(kind, os.getpid())
        try:
            with joblib.parallel_config(backend="multiprocessing"):
                HierarchicalClassifier(base, taxonomy=taxonomy, n_jobs=2).fit(X, y)
        except LocalFitError as error:
            queue.put((str(error), error.n_rows))


@pytest.mark.slow
def test_a_pool_does_not_wait_for_ever():
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_in_a_pool, args=(queue,))
    child.start()
    try:
        found = [queue.get(timeout=300) for _ in range(2)]
    finally:
        child.kill()
        child.join()
    assert "NeedsTwo: 1 and 2" in found[0][0]
    assert "Locked: of its own" in found[1][0]


@pytest.mark.parametrize("kind", [LocalFitError, LocalPredictError])
def test_errors_are_pickled_with_what_can_be_made_again(kind, monkeypatch):
    # An import of distributed lets pickle make errors of all classes again that there are by then.
    monkeypatch.delitem(copyreg.dispatch_table, NeedsTwo, raising=False)
    for original in (Plain("x"), NeedsTwo(1, 2), Locked("y"), TypeError("z")):
        error = kind.at(original, GaussianNB(), ("a", "node 'a'"), 7)
        again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(error))))
        assert type(again) is type(error)
        assert (str(again), again.node, again.n_rows) == (str(error), "a", 7)
        expected = type(original) if type(original) in (Plain, TypeError) else RuntimeError
        assert type(again.original) is expected


def test_a_class_that_is_known_to_the_worker_alone(monkeypatch):
    error = LocalFitError.at(Plain("x"), GaussianNB(), ("a", "node 'a'"), 7)
    sent = pickle.dumps(error)
    monkeypatch.delattr("test_utils_parallel.Plain")
    again = pickle.loads(sent)
    assert type(again.original) is RuntimeError
    assert str(again.original) == "Plain: x"


# -- X travels once -----------------------------------------------------------------------


def test_tasks_do_not_hold_all_samples(monkeypatch):
    seen, run = [], fitting._run

    def watched(tasks, shared):
        seen.append((len(pickle.dumps(tasks)), shared))
        return run(tasks, shared)

    monkeypatch.setattr(fitting, "_run", watched)
    X, y, taxonomy = make_hierarchical_classification(4000, 50, branching=(3, 3), random_state=0)
    HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy).fit(X, y)
    assert seen
    assert all(shared is X for _, shared in seen)
    assert max(size for size, _ in seen) < X.nbytes / 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "container"),
    [
        (HierarchicalClassifier, np.asarray),
        (HierarchicalMultiLabelClassifier, sparse.csr_matrix),
    ],
)
def test_dask_sends_all_samples_once(kind, container, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(parallel, "_WORTH", 0.0)
    X, y, taxonomy = make_hierarchical_classification(4000, 100, branching=(5, 5), random_state=0)
    X = container(X)
    params = {"strategy": "per_node"}
    if kind is HierarchicalMultiLabelClassifier:
        y, params = [[label] for label in y.tolist()], {"decoder": SetThreshold(0.5)}
    base = SGDClassifier(loss="log_loss", max_iter=3, tol=None)
    model = kind(base, taxonomy=taxonomy, random_state=0, n_jobs=2, **params)
    sent = []
    write = distributed.comm.tcp.TCP.write

    async def counted(*arguments, **options):
        n_bytes = await write(*arguments, **options)
        sent.append(n_bytes)
        return n_bytes

    monkeypatch.setattr(distributed.comm.tcp.TCP, "write", counted)
    cluster = distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=":0")
    with cluster, distributed.Client(cluster), joblib.parallel_config(backend="dask"):
        sent.clear()
        model.fit(X, y)
        total, n_messages = sum(sent), len(sent)
    one = clone(model).set_params(n_jobs=1).fit(X, y)
    assert_array_equal(one.predict_node_proba(X), model.predict_node_proba(X))
    n_bytes = X.nbytes if container is np.asarray else X.data.nbytes + X.indices.nbytes
    # To the scheduler, which is in this process, and from there to a worker.
    assert n_bytes < total < 3 * n_bytes
    assert n_messages > 10
