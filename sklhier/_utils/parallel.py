"""Tasks of uneven size, spread over workers.

The results are the same for any number of workers. Only where and when a task runs differs.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar
from uuid import uuid4

import numpy as np
from joblib import cpu_count, effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import delayed

from sklhier._utils.progress import SILENT, Progress, progress_of
from sklhier._utils.typing import Floats
from sklhier.exceptions import LocalFitError

__all__ = ["Task", "WorkersDiedError", "in_parallel"]


class Task(Protocol):
    """A piece of work that one worker does."""

    @property
    def name(self) -> str:
        """Its name while it is done."""

    @property
    def size(self) -> float:
        """Amount of work, in any unit."""

    @property
    def in_threads(self) -> bool:
        """Whether it can run in a thread and lets other threads work."""

    def ready(self) -> Self:
        """Return the task as it is sent to a worker."""

    def for_all(self, n_workers: int) -> Self | None:
        """Return a task that uses all workers by itself, or None if that is not faster."""


class WorkersDiedError(RuntimeError):
    """A worker ended before its task did.

    Parameters
    ----------
    original : Exception
        What tells so.
    tasks : list of Task
        Those that were being done, by that worker or by others that went down with it; empty where
        workers are on other machines.
    """

    def __init__(self, original: Exception, tasks: list[Any]) -> None:
        super().__init__(str(original))
        self.original = original
        self.tasks = tasks


T = TypeVar("T", bound=Task)

# Seconds that new processes have to save, which import everything first. Those that wait for work get
# it by pickles, and threads are soon there: shares of it.
_WORTH = 1.8
_SHARES = {"threads": 0.03, "waiting": 0.25, "new": 1.0}
_WAITS = 300.0  # seconds after which joblib ends processes without work
# A process that is no fork of this one has another.
_IMPORT = uuid4().hex
# Number of batches, about, in which small tasks are handed out.
_PARTS = 100


def in_parallel(
    run: Callable[[list[T], Any], list[Any]],
    tasks: Iterable[T],
    *,
    shared: Any,
    least: float,
    n_jobs: int | None,
    verbose: int,
) -> list[Any]:
    """Run tasks; if there are several workers, the largest first.

    Parameters
    ----------
    run : callable
        Does a list of tasks, given what they share, and returns the list of their results. Can be
        pickled.
    tasks : iterable of Task
        Consumed while the work proceeds if there is one worker and nothing is shown.
    shared : object
        What all tasks read. It is an argument of its own and no part of the tasks, so that dask and
        ray send it once, and not with every batch; processes of this machine map its arrays.
    least : float
        The size from which tasks are handed out one by one.
    n_jobs
        As in :class:`sklearn.utils.parallel.Parallel`.
    verbose : int
        As in :func:`~sklhier._utils.progress.progress_of`.

    Returns
    -------
    results : list
        In the order of the tasks.

    Raises
    ------
    WorkersDiedError
        If a process ends before its task does.
    """
    if not verbose:
        return _spread(run, tasks, shared, least, n_jobs, SILENT)
    todo = list(tasks)  # what is left can be told only if it is known
    with progress_of(todo, verbose) as progress:
        return _spread(run, todo, shared, least, n_jobs, progress)


def _spread(
    run: Callable[[list[T], Any], list[Any]],
    tasks: Iterable[T],
    shared: Any,
    least: float,
    n_jobs: int | None,
    progress: Progress,
) -> list[Any]:
    """Run tasks and count them."""
    n_workers = effective_n_jobs(n_jobs)
    if n_workers == 1:
        batches = _batches((task.ready() for task in tasks), least)
        batches = progress.handed_out(batches)
        done = progress.parallel(n_jobs=1)(delayed(run)(batch, shared) for batch in batches)
        return [one for of_batch in done for one in of_batch]
    todo = list(tasks)
    sizes = np.array([task.size for task in todo], dtype=np.float64)
    results: dict[int, Any] = {}

    def do(i: int, task: T) -> None:
        results[i] = run([task.ready()], shared)[0]
        progress.add(task)

    for i, task in enumerate(todo):
        whole = task.for_all(min(n_workers, cpu_count()))
        if whole is not None:
            do(i, whole)
    rest = [i for i in np.argsort(-sizes, kind="stable").tolist() if i not in results]
    prefer = "threads" if all(todo[i].in_threads for i in rest) else None
    backend = get_active_backend(prefer=prefer)[0]
    worth = _worth(backend, n_workers)
    expected = _expected_seconds(rest, sizes[rest], lambda i: do(i, todo[i]), worth / 10)
    rest = [i for i in rest if i not in results]
    if _saved(expected, n_workers) < worth:
        for i in rest:
            do(i, todo[i])
        rest = []
    if not rest:
        return [results[i] for i in range(len(todo))]
    least = max(least, float(sizes[rest].sum()) / _PARTS)
    parallel = progress.parallel(n_jobs=n_jobs, prefer=prefer)
    if type(backend).__name__ == "RayBackend":
        shared = _InRay(shared)
    with tempfile.TemporaryDirectory(prefix="sklhier-", ignore_cleanup_errors=True) as folder:
        journal = _Journal(folder)
        numbered: list[Any] = [_Numbered(i, todo[i]) for i in rest]
        batches = progress.handed_out(_batches(numbered, least))
        try:
            done = parallel(
                delayed(_run_noted)(run, [task.ready() for task in batch], shared, journal)
                for batch in batches
            )
        except _deaths() as error:
            raise WorkersDiedError(error, [todo[i] for i in journal.begun()]) from error
    results.update(zip(rest, (one for of_batch in done for one in of_batch), strict=True))
    if type(backend).__name__ == "LokyBackend":
        _Waiting.note(n_workers)
    return [results[i] for i in range(len(todo))]


class _Waiting:
    """The processes of joblib that wait for more work, as far as fits here have started them."""

    _last: tuple[int, int, float] | None = None

    @classmethod
    def note(cls, n_workers: int) -> None:
        cls._last = os.getpid(), n_workers, time.perf_counter()

    @classmethod
    def are_there(cls, n_workers: int) -> bool:
        if cls._last is None or cls._last[:2] != (os.getpid(), n_workers):
            return False
        return time.perf_counter() - cls._last[2] < _WAITS


def _worth(backend: Any, n_workers: int) -> float:
    """Return the seconds that workers of a backend have to save."""
    if getattr(backend, "supports_sharedmem", False):
        return _WORTH * _SHARES["threads"]
    waits = type(backend).__name__ == "LokyBackend" and _Waiting.are_there(n_workers)
    return _WORTH * _SHARES["waiting" if waits else "new"]


def _saved(expected: Floats, n_workers: int) -> float:
    """Return the seconds that workers save at best; the longest task is done by one of them."""
    if not len(expected):
        return 0.0
    return float(expected.sum() - max(expected.sum() / n_workers, expected.max()))


def _deaths() -> tuple[type[Exception], ...]:
    """Return the errors by which backends tell that a worker died."""
    # Users have imported those of other packages, if they use their backends.
    others = (
        ("distributed", "KilledWorker"),
        ("distributed.client", "FutureCancelledError"),  # X was lost with a worker
        ("ray.exceptions", "RayActorError"),
    )
    known = [getattr(sys.modules.get(module), name, None) for module, name in others]
    return (BrokenProcessPool, *(kind for kind in known if kind is not None))


class _InRay:
    """The data of all tasks in the store of ray: joblib's backend of ray copies every argument."""

    def __init__(self, shared: Any) -> None:
        self._place = import_module("ray").put(shared)

    def get(self) -> Any:
        return import_module("ray").get(self._place)


class _Numbered:
    """A task with its number."""

    def __init__(self, number: int, task: Any) -> None:
        self.number, self.task = number, task
        self.name: str = task.name
        self.size: float = task.size
        self.in_threads: bool = task.in_threads

    def ready(self) -> _Numbered:
        return _Numbered(self.number, self.task.ready())

    def for_all(self, n_workers: int) -> None:
        """Return None: such tasks have been done before."""


class _Journal:
    """Notes of the tasks that are being done, as empty files: all that a dead worker leaves."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.process = _process()

    def begin(self, number: int) -> None:
        with suppress(OSError):  # workers on other machines have no such folder
            Path(self._folder, str(number)).touch()

    def end(self, number: int) -> None:
        with suppress(OSError):
            Path(self._folder, str(number)).unlink()

    def begun(self) -> list[int]:
        """Return the numbers of tasks that were begun and not ended."""
        return sorted(int(path.name) for path in Path(self._folder).iterdir())


def _run_noted(
    run: Callable[[list[Any], Any], list[Any]],
    tasks: list[_Numbered],
    shared: Any,
    journal: _Journal,
) -> list[Any]:
    """Do some tasks, each with a note as long as it takes."""
    results = []
    shared = shared.get() if isinstance(shared, _InRay) else shared
    for numbered in tasks:
        journal.begin(numbered.number)
        try:
            results += run([numbered.task], shared)
        except LocalFitError as error:
            if journal.process != _process():
                error.prepare_to_travel()
            raise
        journal.end(numbered.number)
    return results


def _process() -> tuple[int, str]:
    """Return what no other process has, on this machine or elsewhere."""
    return os.getpid(), _IMPORT


def _batches(tasks: Iterable[T], least: float) -> Iterator[list[T]]:
    """Gather tasks into batches of at least a size."""
    batch: list[T] = []
    size = 0.0
    for task in tasks:
        batch.append(task)
        size += task.size
        if size >= least:
            yield batch
            batch, size = [], 0.0
    if batch:
        yield batch


def _expected_seconds(
    numbers: list[int], sizes: Floats, do: Callable[[int], None], enough: float
) -> Floats:
    """Run a few tasks; return the seconds that each other task will take.

    Tasks are sorted from the largest. The time of a task is interpolated between the tasks that were
    run, and grows with the size above the largest of them. When so many seconds are over as are
    enough, no more are run.
    """
    n_tasks = len(numbers)
    if not n_tasks:
        return np.zeros(0)
    # From the smallest: if that takes long, all others take longer, and the answer is known.
    probes = sorted({n_tasks - 1, n_tasks // 2, n_tasks // 10}, reverse=True)[: 1 + n_tasks // 10]
    at, seconds = [], []
    for probe in probes:
        started = time.perf_counter()
        do(numbers[probe])
        at.append(sizes[probe])
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > enough:
            break
    others = np.delete(sizes, probes[: len(at)])
    # All may be of size 0, or so near to it that quotients have no meaning.
    is_known = at[-1] > np.finfo(np.float64).eps
    growth = np.maximum(others / at[-1], 1.0) if is_known else np.ones(len(others))
    expected: Floats = np.interp(others, at, seconds) * growth
    return expected
