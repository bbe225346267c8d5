"""Tasks of uneven size, spread over workers.

The results are the same for any number of workers. Only where and when a task runs differs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from joblib import cpu_count, effective_n_jobs
from sklearn.utils.parallel import delayed

from sklhier._utils.progress import SILENT, Progress, progress_of
from sklhier._utils.typing import Floats

__all__ = ["Task", "in_parallel"]


class Task(Protocol):
    """A piece of work that one worker does."""

    @property
    def name(self) -> str:
        """What it is called while it is done."""

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


T = TypeVar("T", bound=Task)

# Seconds of work from which on processes pay: starting them takes about a second.
_WORTH = 2.0
# Number of batches, about, in which small tasks are handed out.
_PARTS = 100


def in_parallel(
    run: Callable[[list[T]], list[Any]],
    tasks: Iterable[T],
    *,
    least: float,
    n_jobs: int | None,
    verbose: int,
) -> list[Any]:
    """Run tasks; if there are several workers, the largest first.

    Parameters
    ----------
    run : callable
        Does a list of tasks and returns the list of their results. Can be pickled.
    tasks : iterable of Task
        Consumed while the work proceeds if there is one worker and nothing is shown.
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
    """
    if not verbose:
        return _spread(run, tasks, least, n_jobs, SILENT)
    todo = list(tasks)  # what is left can be told only if it is known
    with progress_of(todo, verbose) as progress:
        return _spread(run, todo, least, n_jobs, progress)


def _spread(
    run: Callable[[list[T]], list[Any]],
    tasks: Iterable[T],
    least: float,
    n_jobs: int | None,
    progress: Progress,
) -> list[Any]:
    """Run tasks and count them."""
    n_workers = effective_n_jobs(n_jobs)
    if n_workers == 1:
        batches = _batches((task.ready() for task in tasks), least)
        batches = progress.handed_out(batches)
        done = progress.parallel(n_jobs=1)(map(delayed(run), batches))
        return [one for of_batch in done for one in of_batch]
    todo = list(tasks)
    sizes = np.array([task.size for task in todo], dtype=np.float64)
    results: dict[int, Any] = {}

    def do(i: int, task: T) -> None:
        results[i] = run([task.ready()])[0]
        progress.add(task)

    for i, task in enumerate(todo):
        whole = task.for_all(min(n_workers, cpu_count()))
        if whole is not None:
            do(i, whole)
    rest = [i for i in np.argsort(-sizes, kind="stable").tolist() if i not in results]
    threads = all(todo[i].in_threads for i in rest)
    if not threads and _expected_seconds(rest, sizes[rest], lambda i: do(i, todo[i])) < _WORTH:
        for i in rest:
            if i not in results:
                do(i, todo[i])
    rest = [i for i in rest if i not in results]
    if not rest:
        return [results[i] for i in range(len(todo))]
    least = max(least, float(sizes[rest].sum()) / _PARTS)
    parallel = progress.parallel(n_jobs=n_jobs, prefer="threads" if threads else None)
    done = parallel(
        delayed(run)([task.ready() for task in batch])
        for batch in progress.handed_out(_batches((todo[i] for i in rest), least))
    )
    results.update(zip(rest, (one for of_batch in done for one in of_batch), strict=True))
    return [results[i] for i in range(len(todo))]


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


def _expected_seconds(numbers: list[int], sizes: Floats, do: Callable[[int], None]) -> float:
    """Run a few tasks; return the seconds that all others will take, one after the other.

    Tasks are sorted from the largest. The time of a task is interpolated between the tasks that were
    run, and grows with the size above the largest of them.
    """
    n_tasks = len(numbers)
    if not n_tasks:
        return 0.0
    # From the smallest: if that takes long, all others take longer, and the answer is known.
    probes = sorted({n_tasks - 1, n_tasks // 2, n_tasks // 10}, reverse=True)[: 1 + n_tasks // 10]
    at, seconds = [], []
    for probe in probes:
        started = time.perf_counter()
        do(numbers[probe])
        at.append(sizes[probe])
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > _WORTH / 10:
            break
    others = np.delete(sizes, probes[: len(at)])
    expected = np.interp(others, at, seconds) * np.maximum(others / at[-1], 1.0)
    return float(expected.sum())
