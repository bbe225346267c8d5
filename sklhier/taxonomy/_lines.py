"""Lines of text files, and errors that name the file and the line."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from sklhier.exceptions import TargetError, TaxonomyError

__all__ = ["Lines", "Source", "read_lines", "read_text"]

Source: TypeAlias = str | os.PathLike[str] | IO[str] | Iterable[str]

_WIDEST = 80  # characters of a line that an error shows


@dataclass(frozen=True)
class Lines:
    """The lines of a text.

    Attributes
    ----------
    name : str
        Of the file, for errors; ``"<lines>"`` for lines that were given as such.
    lines : list of str
        With or without their ends.
    """

    name: str
    lines: list[str]

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yield the number of each line, from 1, and the line without its end."""
        for number, line in enumerate(self.lines, start=1):
            yield number, line.rstrip("\r\n")

    def error(self, number: int, message: str) -> TaxonomyError:
        """Return an error that names the file and a line."""
        return TaxonomyError(f"{self.name}, line {number}: {message}")

    @contextmanager
    def named(self) -> Iterator[None]:
        """Let errors about the whole taxonomy name the file."""
        try:
            yield
        except (TaxonomyError, TargetError) as error:
            raise TaxonomyError(f"{self.name}: {error}") from error


def read_lines(source: Source, encoding: str) -> Lines:
    """Return the lines of a file, of an open text file, or of a sequence.

    Parameters
    ----------
    source : str, path, open text file, or iterable of str
        A str is the path of a file; one that ends in ``.gz`` is unpacked.
    encoding : str
        Of the file; a byte order mark is left out. What is open is decoded already.

    Raises
    ------
    TaxonomyError
        For bytes that are not in this encoding, and lines that are no text.
    OSError
        For a file that cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        if isinstance(source, str) and len(source.splitlines()) > 1:
            raise TaxonomyError(
                "A str must be the path of a file, got text of several lines. Pass "
                "text.splitlines()."
            )
        path = Path(source)
        text = _decoded(path, encoding)
        # newline="" leaves \r\n alone, also within the quotes of a CSV file.
        return Lines(path.name, _without_mark(list(io.StringIO(text, newline=""))))
    unordered = isinstance(source, bytes | AbstractSet | Mapping)
    if unordered or hasattr(source, "shape") or not isinstance(source, Iterable):
        raise TaxonomyError(
            "A source must be the path of a file, an open text file or lines of text, got "
            f"{type(source).__name__}. Pass tables and graphs to from_edges, from_parents, "
            "from_levels or from_networkx."
        )
    return _given_lines(source)


def read_text(source: Source, encoding: str) -> Lines:
    """Return what :func:`read_lines` does, each line with an end."""
    found = read_lines(source, encoding)
    lines = [line if line.endswith(("\n", "\r")) else f"{line}\n" for line in found.lines]
    return Lines(found.name, lines)


def _given_lines(source: Iterable[str]) -> Lines:
    name = getattr(source, "name", None)
    name = Path(name).name if isinstance(name, str) else "<lines>"
    try:
        lines = list(source)
    except UnicodeDecodeError as error:
        raise TaxonomyError(
            f"{name} is not {error.encoding}: {error.reason}. Open it with another `encoding`."
        ) from error
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, str):
            raise Lines(name, []).error(
                number, f"must be text, got {type(line).__name__}. Open files in text mode."
            )
    return Lines(name, _without_mark(lines))


def _without_mark(lines: list[str]) -> list[str]:
    return [lines[0].removeprefix("\ufeff"), *lines[1:]] if lines else lines


def _decoded(path: Path, encoding: str) -> str:
    data = path.read_bytes()
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TaxonomyError(f"{path.name} is not a complete gzip file: {error}") from error
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        advice = "'utf-16'" if wide else "'cp1252' or 'latin-1'"
        raise Lines(path.name, []).error(
            line,
            f"not {encoding} ({error.reason}). Pass the `encoding` of the file, such as {advice}.",
        ) from error
    except LookupError:
        raise ValueError(f"`encoding` must name a text encoding, got {encoding!r}.") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise Lines(path.name, []).error(
            line,
            f"a zero byte, so this is not text in {encoding}. Pass the `encoding` of the "
            "file, such as 'utf-16'.",
        )
    return text
