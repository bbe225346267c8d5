"""One line that says how far the fits are: the node, done, left, seconds."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from sklearn.utils.parallel import Parallel

__all__ = ["SILENT", "Progress", "progress_of"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=_Named)

_PAUSE = 0.1  # seconds between two drawings on a terminal
_LONG_PAUSE = 5.0  # where every drawing is a line of a file
_JOBLIB = 3  # from this value of `verbose` on joblib speaks, too


class Line(Protocol):
    """Something that shows how many nodes are done."""

    def show(self, n_done: int, name: str) -> None:
        """Show the number of nodes done, and the name of the last one."""

    def close(self) -> None:
        """End the line, whether all is done or not."""


class Progress:
    """The tasks that are done.

    Parameters
    ----------
    line : Line or None
        Shows it; None: nothing is shown.
    verbose : int, default=0
        Of joblib.
    """

    def __init__(self, line: Line | None, verbose: int = 0) -> None:
        self._line = line
        self._verbose = verbose
        self._n_done = 0
        self._handed_out: list[tuple[int, str]] = []

    def parallel(self, **options: Any) -> Parallel:
        """Return an object that runs batches in parallel, and counts them."""
        if self._line is None:
            return Parallel(verbose=self._verbose, **options)
        return _Counted(self._add_batches, verbose=self._verbose, **options)

    def handed_out(self, batches: Iterable[list[T]]) -> Iterator[list[T]]:
        """Yield batches for :meth:`parallel`."""
        if self._line is None:
            yield from batches
            return
        for batch in batches:
            self._handed_out.append((len(batch), batch[-1].name))
            yield batch

    def add(self, task: _Named) -> None:
        """Count a task that was done alone."""
        if self._line is not None:
            self._n_done += 1
            self._line.show(self._n_done, task.name)

    def _add_batches(self, n_batches: int) -> None:
        """Count batches; workers finish them about in the order in which they get them."""
        finished = self._handed_out[:n_batches]
        if self._line is not None and finished:
            n_done = self._n_done + sum(size for size, _ in finished)
            self._line.show(n_done, finished[-1][1])


SILENT = Progress(None)


class _Counted(Parallel):
    """joblib's Parallel, which tells how many of its batches are done."""

    def __init__(self, count: Callable[[int], None], **options: Any) -> None:
        super().__init__(**options)
        self._count = count

    def print_progress(self) -> None:
        """Report; joblib calls this in the main process after each batch."""
        self._count(self.n_completed_tasks)
        super().print_progress()


@contextmanager
def progress_of(tasks: Sequence[_Named], verbose: int) -> Iterator[Progress]:
    """Show progress while some tasks are done.

    Parameters
    ----------
    tasks : sequence
        All of them.
    verbose : int
        0: nothing. 1: a line on standard error, if that is a terminal. 2: also where it is none,
        a line every few seconds. From 3 on joblib also speaks.
    """
    line = None
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    if tasks and sys.stderr is not None and (verbose > 1 or (verbose and on_terminal)):
        line = _line(len(tasks), on_terminal=on_terminal)
    try:
        yield Progress(line, verbose if verbose >= _JOBLIB else 0)
    finally:
        if line is not None:
            line.close()


def _line(total: int, *, on_terminal: bool) -> Line:
    """Return the best line there is."""
    if on_terminal and importlib.util.find_spec("tqdm") is not None:
        return _TqdmLine(total)
    if on_terminal and importlib.util.find_spec("rich") is not None:
        return _RichLine(total)
    return _PlainLine(total, on_terminal=on_terminal)


class _PlainLine:
    """Text that overwrites itself on a terminal, and is repeated in a file now and then."""

    def __init__(self, total: int, *, on_terminal: bool) -> None:
        self._total = total
        self._on_terminal = on_terminal
        self._stream = sys.stderr
        self._started = self._drawn = time.monotonic()
        self._n_done = 0
        self._width = 0

    def show(self, n_done: int, name: str) -> None:
        now = time.monotonic()
        self._n_done = n_done
        if now - self._drawn < (_PAUSE if self._on_terminal else _LONG_PAUSE):
            return
        self._drawn = now
        left = self._total - n_done
        text = (
            f"Fitted {n_done:,} of {self._total:,} nodes, {left:,} left, "
            f"{_clock(now - self._started)}, last {name}"
        )
        if self._on_terminal:
            text = text[: shutil.get_terminal_size().columns - 1]
            self._write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self._write(text + "\n")

    def close(self) -> None:
        if self._on_terminal:
            self._write("\r" + " " * self._width + "\r" if self._width else "")
        else:
            seconds = _clock(time.monotonic() - self._started)
            self._write(f"Fitted {self._n_done:,} of {self._total:,} nodes in {seconds}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class _TqdmLine:
    """A bar of tqdm."""

    def __init__(self, total: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=total, desc="Fitted", unit="node", leave=False, file=sys.stderr)

    def show(self, n_done: int, name: str) -> None:
        left = self._bar.total - n_done
        self._bar.set_postfix_str(f"{left:,} left, last {name}", refresh=False)
        self._bar.update(n_done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


class _RichLine:
    """A bar of rich."""

    def __init__(self, total: int) -> None:
        from rich import progress
        from rich.console import Console

        self._total = total
        self._bar = progress.Progress(
            "Fitted",
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("{task.description}", markup=False),
            console=Console(file=sys.stderr),
            transient=True,
        )
        self._task = self._bar.add_task("", total=total)
        self._bar.start()

    def show(self, n_done: int, name: str) -> None:
        text = f"{self._total - n_done:,} left, last {name}"
        self._bar.update(self._task, completed=n_done, description=text)

    def close(self) -> None:
        self._bar.stop()
