"""What the command prints: lines, numbers, names, errors."""

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
    "UsageError",
    "counted",
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


class CommandError(Exception):
    """Data or files that cannot be used; printed without a traceback."""

    status = 1


class UsageError(CommandError):
    """A command line that cannot be right."""

    status = 2


def say(text: str = "") -> None:
    """Print a line; go on without a reader, so that a model is saved all the same."""
    try:
        print(text, flush=True)
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


def listed(names: Iterable[object], limit: int = 20) -> str:
    """Return ``'a', 'b', 'c'``, cut when long."""
    names = list(names)
    text = ", ".join(map(repr, names[:limit]))
    return f"{text}, ... ({len(names):,} in all)" if len(names) > limit else text


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """Return a hint at the names that look like `name`, or nothing."""
    folded = {other.casefold().strip(): other for other in names}
    near = difflib.get_close_matches(name.casefold().strip(), list(folded), cutoff=0.5)
    return f" Did you mean {listed(folded[match] for match in near)}?" if near else ""


def seconds_since(started: float) -> str:
    """Return such as ``1.2 s``, given ``time.perf_counter()`` of the start."""
    return f"{time.perf_counter() - started:.1f} s"
