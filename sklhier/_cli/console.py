"""Output of the command: lines, numbers, names, errors."""

from __future__ import annotations

import difflib
import os
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

__all__ = [
    "CommandError",
    "Output",
    "UsageError",
    "counted",
    "cut",
    "did_you_mean",
    "discard_output",
    "escapes_needed",
    "listed",
    "note",
    "say",
    "seconds_since",
    "short_warnings",
    "writable_streams",
]


_LONGEST = 60  # characters of a name or cell in messages


class CommandError(Exception):
    """Data or files that cannot be used; printed without a traceback."""

    status = 1


class UsageError(CommandError):
    """A command line that cannot be right."""

    status = 2


class Output:
    """Standard output as a stream; what cannot be written is an error of the command."""

    def write(self, text: str) -> None:
        """Write a text."""
        if sys.stdout is None:
            raise CommandError("Standard output is closed: name a file with --out.")
        with _told():
            sys.stdout.write(text)

    def flush(self) -> None:
        """Write what is still in memory."""
        if sys.stdout is not None:
            with _told():
                sys.stdout.flush()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output()  # or Python tries again when it ends
        reason = error.strerror or error
        raise CommandError(f"Standard output cannot be written: {reason}.") from error


def say(text: str = "") -> None:
    """Print a line; go on without a reader, so that a model is saved all the same."""
    if sys.stdout is None:
        return
    output = Output()
    try:
        output.write(text + "\n")
        output.flush()
    except BrokenPipeError:
        discard_output()


def note(text: object) -> None:
    """Print a line about the work itself, on standard error."""
    if sys.stderr is not None:
        print(f"sklhier: {text}", file=sys.stderr, flush=True)


def discard_output() -> None:
    """Send standard output nowhere: its reader has gone, as ``head`` does."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def escapes_needed() -> bool:
    """Whether standard output lacks characters, so that JSON must escape them in its own way."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return not encoding.lower().replace("_", "-").startswith("utf")


def writable_streams() -> None:
    """Let standard output and error escape characters that their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def short_warnings() -> Iterator[None]:
    """Print warnings as notes, without the line of code that they come from."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: note(f"note: {message}")
        yield


def counted(number: int, thing: str) -> str:
    """Return such as ``1 row``, ``2,000 rows``, ``2 classes``, ``2 taxonomies``."""
    plural = thing + ("es" if thing.endswith("s") else "s")
    return f"{number:,} {thing if number == 1 else plural}"


def cut(name: object) -> str:
    """Return a name in quotation marks, cut when long."""
    text = str(name)
    return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "...")


def listed(names: Iterable[object], limit: int = 20) -> str:
    """Return ``'a', 'b', 'c'``, cut when long."""
    names = list(names)
    text = ", ".join(map(cut, names[:limit]))
    return f"{text}, ... ({len(names):,} in all)" if len(names) > limit else text


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """Return a hint at the names that look like `name`, or nothing."""
    folded = {other.casefold().strip(): other for other in names}
    near = difflib.get_close_matches(name.casefold().strip(), list(folded), cutoff=0.5)
    return f" Did you mean {listed(folded[match] for match in near)}?" if near else ""


def seconds_since(started: float) -> str:
    """Return such as ``1.2 s``, given ``time.perf_counter()`` of the start."""
    return f"{time.perf_counter() - started:.1f} s"
