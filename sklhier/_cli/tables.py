"""Tables: rows of text with the numbers of their lines, from CSV and other files."""

from __future__ import annotations

import codecs
import csv
import importlib
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from sklhier._cli.console import CommandError, UsageError, counted, cut, did_you_mean, listed, note
from sklhier._cli.files import open_bytes, shown_path

__all__ = ["BadRows", "Row", "Source", "Table", "open_table", "positions"]

_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SHOWN = 10  # bad rows that are listed one by one
# By the end of a name: the reader in polars and in pandas.
_FRAMES = {
    ".parquet": ("read_parquet", "read_parquet"),
    ".pq": ("read_parquet", "read_parquet"),
    ".feather": ("read_ipc", "read_feather"),
    ".arrow": ("read_ipc", "read_feather"),
    ".xlsx": ("read_excel", "read_excel"),
    ".ods": ("read_ods", "read_excel"),
}
_NO_QUOTES = "If quotation marks are just text in this file, add --no-quotes."


@dataclass(frozen=True)
class Source:
    """A table that is to be read.

    Attributes
    ----------
    path : str
        ``-`` is standard input.
    encoding : str or None
        None: UTF-8, or what a byte order mark says.
    delimiter : str or None
        None: what the first line shows.
    quotes : bool
        Whether quotation marks have a meaning.
    """

    path: str
    encoding: str | None = None
    delimiter: str | None = None
    quotes: bool = True

    @property
    def name(self) -> str:
        return shown_path(self.path)

    @property
    def suffix(self) -> str:
        return PurePath(self.path).suffix.lower()


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes
    ----------
    line : int
        The line of the file on which it starts; the header is on line 1.
    cells : list of str
        As many as there are columns.
    """

    line: int
    cells: list[str]


@dataclass
class BadRows:
    """Rows that cannot be used.

    Attributes
    ----------
    name : str
        The file.
    reasons : list of (int, str)
        Their lines, and why.
    hint : str
        A remedy.
    """

    name: str
    reasons: list[tuple[int, str]] = field(default_factory=list)
    hint: str = ""

    def __len__(self) -> int:
        return len(self.reasons)

    def add(self, line: int, reason: str, hint: str = "") -> None:
        """Remember one."""
        self.reasons.append((line, reason))
        self.hint = self.hint or hint

    def settle(self, *, skip: bool) -> None:
        """Raise a CommandError, or say that they are left out, if there are any."""
        if not self.reasons:
            return
        shown = [f"  line {line}: {reason}" for line, reason in sorted(self.reasons)[:_SHOWN]]
        more = [f"  ... and {len(self) - _SHOWN:,} more"] if len(self) > _SHOWN else []
        lines = "\n".join([*shown, *more])
        if skip:
            note(f"{self.name}: left out {counted(len(self), 'bad row')}:\n{lines}")
            return
        hint = f"\n{self.hint}" if self.hint else ""
        raise CommandError(
            f"{self.name} has {counted(len(self), 'bad row')}:\n{lines}{hint}\n"
            "Fix them, or skip them with --skip-bad-rows."
        )


@dataclass(frozen=True)
class Table:
    """An open table.

    Attributes
    ----------
    header : list of str
        Names of the columns.
    rows : iterator of Row
        Those with as many cells as the header; others go to `BadRows`.
    """

    header: list[str]
    rows: Iterator[Row]


def positions(header: Sequence[str], names: Sequence[str], name: str) -> list[int]:
    """Return the positions of columns; raise a UsageError for one that is not there, or twice."""
    for column in names:
        if column not in header:
            raise UsageError(
                f"{name} has no column {cut(column)}: there are {listed(header)}."
                f"{did_you_mean(column, header)}"
            )
        if header.count(column) > 1:
            raise UsageError(
                f"{name} has {header.count(column)} columns {cut(column)}: rename them."
            )
    return [header.index(column) for column in names]


@contextmanager
def open_table(source: Source, bad: BadRows) -> Iterator[Table]:
    """Open a table; rows with a wrong number of fields go to `bad` as they are met.

    Raises
    ------
    CommandError
        If the file cannot be read or has no header, then or later within the context.
    """
    if source.suffix in _FRAMES:
        yield _frame_table(source)
        return
    with open_bytes(source.path) as raw:
        if _start(raw, 4) == b"PK\x03\x04":
            raise CommandError(f"{source.name} is a zip archive: unpack it first.")
        encoding = _encoding(source, raw)
        if b"\0" in _start(raw, 64) and not encoding.startswith(("utf-16", "utf-32")):
            likely = "utf-16-be" if _start(raw, 1) == b"\0" else "utf-16-le"
            raise CommandError(f"{source.name} looks like UTF-16: add --encoding {likely}.")
        stream = io.TextIOWrapper(raw, encoding=encoding, newline="")
        try:
            yield _text_table(source, stream, bad)
        except UnicodeError as error:
            raise CommandError(_encoding_advice(source, encoding, error)) from error
        except csv.Error as error:
            raise CommandError(f"{source.name}: {error}. {_NO_QUOTES}") from error
        finally:
            stream.detach()


def _start(raw: BinaryIO, size: int) -> bytes:
    """Return the first bytes without reading them."""
    peek: Callable[[int], bytes] = raw.peek  # type: ignore[attr-defined]
    return peek(size)[:size]


def _encoding(source: Source, raw: BinaryIO) -> str:
    """Return the encoding of a file."""
    if source.encoding is None:
        found = (name for bom, name in _BOMS.items() if _start(raw, len(bom)) == bom)
        return next(found, "utf-8")
    try:
        "".encode(source.encoding)
    except LookupError as error:
        raise UsageError(
            f"--encoding must be the name of a text encoding, such as utf-8, cp1252 or utf-16, "
            f"got {source.encoding!r}."
        ) from error
    name = codecs.lookup(source.encoding).name
    return "utf-8-sig" if name == "utf-8" else name


def _text_table(source: Source, stream: io.TextIOWrapper, bad: BadRows) -> Table:
    first = stream.readline()
    unquoted = re.sub(r'"[^"]*"', "", first) if source.quotes else first
    delimiter = source.delimiter or max(",\t;|", key=unquoted.count)
    csv.field_size_limit(2**31 - 1)
    # By the csv module even where pandas or polars is installed. Both skip blank lines and fill short
    # rows up without a word, pandas counts records where a message should name a line, polars names
    # none: a row that cannot be used could not be told, and what is read would depend on what is
    # installed. They are not faster at giving lists of text.
    reader = csv.reader(
        chain([first], stream),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if source.quotes else csv.QUOTE_NONE,
    )
    header = [name.strip() for name in next(reader, [])]
    if not any(header):
        raise CommandError(
            f"{source.name} is empty: a line with the names of the columns is needed."
        )
    return Table(header, _good_rows(source, reader, len(header), bad))


def _good_rows(source: Source, reader: Any, width: int, bad: BadRows) -> Iterator[Row]:
    line = reader.line_num + 1
    for cells in reader:
        # A quotation mark that opens a cell may swallow lines: rows of a table with tabs.
        swallowed = source.quotes and any("\n" in cell and "\t" in cell for cell in cells)
        if swallowed or (cells and len(cells) != width):
            hint = _NO_QUOTES if any("\n" in cell for cell in cells) else ""
            bad.add(line, f"{counted(len(cells), 'field')} instead of {width}", hint)
        elif cells:
            yield Row(line, cells)
        line = reader.line_num + 1


def _encoding_advice(source: Source, encoding: str, error: UnicodeError) -> str:
    """Return an error message that names other encodings."""
    if not isinstance(error, UnicodeDecodeError):
        return f"{source.name} cannot be read as {encoding}: {error}. Try another --encoding."
    sample = bytes(error.object)[error.start : error.start + 1]
    where, shown = "", ""
    found = _first_bad_line(source, encoding)
    if found is not None:
        line, start, data = found
        sample = data
        where = f", line {line}"
        shown = data[max(start - 20, 0) : start + 20].decode("latin-1")
        shown = f" ({shown.strip()!r} as latin-1)"
    fitting = [name for name in ("cp1252", "latin-1") if _decodes(sample, name)]
    return (
        f"{source.name}{where} is not {encoding}: byte 0x{error.object[error.start]:02x}{shown}. "
        f"Try --encoding {' or '.join(fitting)}, or the one that your program saved it in."
    )


def _first_bad_line(source: Source, encoding: str) -> tuple[int, int, bytes] | None:
    """Return number, position and content of the first line that cannot be decoded."""
    if not Path(source.path).is_file() or encoding.startswith("utf-16"):
        return None  # a pipe cannot be read again
    with open_bytes(source.path) as raw:
        for number, data in enumerate(raw, start=1):
            try:
                data.decode(encoding)
            except UnicodeDecodeError as error:
                return number, error.start, data
    return None


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


# -- other files, by polars or pandas -----------------------------------------------------


def _frame_table(source: Source) -> Table:
    """Read a file with a data frame library; cells become the text that CSV would hold."""
    with open_bytes(source.path):  # one error for a file that is not there
        pass
    missing = []
    for library, reader in zip(("polars", "pandas"), _FRAMES[source.suffix], strict=True):
        try:
            frame = _read_frame(importlib.import_module(library), reader, source.path)
        except ImportError as error:  # the library, or a package that it reads this format with
            missing.append(str(error.name or library))
            continue
        columns = [[_as_text(cell) for cell in frame[name].to_list()] for name in frame.columns]
        rows = (Row(i, list(cells)) for i, cells in enumerate(zip(*columns, strict=True), start=2))
        return Table([str(name).strip() for name in frame.columns], rows)
    raise CommandError(
        f"Reading {source.suffix} files needs polars or pandas; not installed: "
        f"{', '.join(missing)}. Install them, or save the table as CSV."
    )


def _read_frame(library: Any, reader: str, path: str) -> Any:
    options: dict[str, Any] = {}
    if library.__name__ == "pandas":
        # Integers beside missing ones stay integers.
        options = {"dtype": object} if reader == "read_excel" else {
            "dtype_backend": "numpy_nullable"
        }  # fmt: skip
    try:
        return getattr(library, reader)(path, **options)
    except _errors_of(library) as error:
        text = str(error).splitlines()[0]
        raise CommandError(f"{path} cannot be read by {library.__name__}: {text}") from error


def _errors_of(library: Any) -> tuple[type[Exception], ...]:
    """Return what the readers of a library raise for files that they cannot read."""
    general = (OSError, ValueError, RuntimeError)
    return (*general, library.exceptions.PolarsError) if library.__name__ == "polars" else general


def _as_text(cell: Any) -> str:
    """Return a cell as CSV would hold it: missing values are empty."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(cell, float):  # whole ones are often integers beside missing ones
        return "" if math.isnan(cell) else str(int(cell) if cell.is_integer() else cell)
    return str(cell)
