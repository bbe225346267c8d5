"""The entry: options to work, errors to a line and a status."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sklhier._cli.console import (
    CommandError,
    discard_output,
    note,
    short_warnings,
    writable_streams,
)
from sklhier._cli.options import parsed

__all__ = ["main"]

_INTERRUPTED = 130  # as shells have it


@contextmanager
def _ends_tidily() -> Iterator[None]:
    """Let a request to end, as `kill` sends it, take away files that are half written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0 done, 1 data or files, 2 wrong options."""
    arguments = sys.argv[1:] if arguments is None else arguments
    writable_streams()
    try:
        options = parsed(arguments)
        with short_warnings(), _ends_tidily():
            options.run(options)
            if sys.stdout is not None:
                sys.stdout.flush()
    except SystemExit as stop:  # of the parser of options
        return int(stop.code or 0)
    except BrokenPipeError:
        discard_output()
        return 0
    except KeyboardInterrupt:
        note("interrupted.")
        return _INTERRUPTED
    except (CommandError, ValueError, OSError, MemoryError) as error:
        if "--debug" in arguments:
            raise
        note(error if str(error) else f"{type(error).__name__}: not enough memory?")
        return error.status if isinstance(error, CommandError) else 1
    return 0
