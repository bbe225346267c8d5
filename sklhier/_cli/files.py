"""Files: packed or from a pipe to read, whole or not at all to write."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sklhier._cli.console import CommandError, UsageError

__all__ = ["STREAM", "check_output", "open_bytes", "replacing", "shown_path"]

STREAM = "-"
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)
_PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


def shown_path(path: str) -> str:
    """Return what messages call a file."""
    return "standard input" if path == STREAM else path


@contextmanager
def open_bytes(path: str) -> Iterator[BinaryIO]:
    """Open a file, a pipe, or standard input for reading, unpacked.

    Raises
    ------
    CommandError
        If it cannot be read, then or later within the context.
    """
    try:
        with _raw(path) as raw:
            start = raw.peek(8)[:8]
            for magic, opener in _PACKED.items():
                if start.startswith(magic):
                    with opener(raw) as unpacked:
                        yield unpacked
                    return
            yield raw
    except BrokenPipeError:
        raise
    except _DAMAGED as error:
        raise CommandError(
            f"{shown_path(path)} is damaged: it cannot be unpacked ({error}). Fetch it again."
        ) from error
    except OSError as error:
        raise CommandError(
            f"{shown_path(path)} cannot be read: {error.strerror or error}."
        ) from error


@contextmanager
def _raw(path: str) -> Iterator[io.BufferedReader]:
    if path != STREAM:
        with open(path, "rb") as opened:
            yield opened
    elif sys.stdin is None:
        raise CommandError("Standard input is closed: give the name of a file.")
    else:
        stream: Any = sys.stdin.buffer
        yield stream if hasattr(stream, "peek") else io.BufferedReader(stream)


def check_output(option: str, path: str, inputs: Iterable[str | None]) -> None:
    """Raise a UsageError unless a file can be written, and is none of those that are read."""
    target = Path(os.path.realpath(path))
    for other in inputs:
        if other not in (None, STREAM) and _is_same(target, Path(str(other))):
            raise UsageError(
                f"{option} must name another file than the input, got {path} for both: the input "
                "would be lost."
            )
    if target.is_dir():
        raise UsageError(f"{option} must name a file, got the folder {path}.")
    if not target.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {target.parent}. Create it first.")
    if target.exists() and not os.access(target, os.W_OK):
        raise UsageError(f"{option} {path}: the file may not be written. Name another one.")
    if not target.exists() or target.is_file():
        _check_folder(option, path, _part_of(target))


def _is_same(target: Path, other: Path) -> bool:
    """Whether two paths are one file, by whatever links and spellings."""
    if target.is_file() and other.is_file():
        return target.samefile(other)
    return target == Path(os.path.realpath(other))


def _check_folder(option: str, path: str, part: Path) -> None:
    """Raise a UsageError unless a file can be made beside another one."""
    try:
        try:
            part.touch()
        finally:  # also of a run that is stopped here
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"{option} {path}: the folder cannot be written to ({error.strerror})."
        ) from error


def _part_of(target: Path) -> Path:
    return target.with_name(f".{target.name[:80]}.{os.getpid()}.part")


@contextmanager
def replacing(path: str) -> Iterator[Path]:
    """Give the path of a new file, which takes the place of another one when it is whole.

    What is no ordinary file, such as ``/dev/null`` or a named pipe, is written to directly.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        yield target
        return
    part = _part_of(target)
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        if target.exists():
            shutil.copymode(target, part)
        os.replace(part, target)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise CommandError(
            f"{path} cannot be written: {error.strerror or error}. An older file of this name is "
            "unchanged."
        ) from error
    finally:
        part.unlink(missing_ok=True)
