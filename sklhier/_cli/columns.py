"""Samples from the rows of a table: what a model sees, and paths of labels."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from sklhier._cli.console import CommandError, UsageError, cut, listed
from sklhier._cli.tables import BadRows, Row, Source, open_table, positions
from sklhier._cli.walks import Walker

__all__ = ["Columns", "LabelReader", "Samples", "features", "number_of", "read_samples"]

# A cell of a numeric column that means: not known.
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are features and labels.

    Attributes
    ----------
    text, numeric, categorical : tuple of str
        Features; texts are joined by blanks.
    levels : tuple of str
        One column for each level, the top level first.
    label : str or None
        The column of whole paths, or of names of nodes, in place of `levels`.
    sep : str or None
        What separates the steps of a path; None: labels are names of nodes.
    label_sep : str or None
        What separates several labels of a sample.
    """

    text: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    label: str | None = None
    sep: str | None = None
    label_sep: str | None = None

    @classmethod
    def from_saved(cls, saved: dict[str, Any]) -> Self:
        """Return what :meth:`to_saved` has written."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in saved.items()
        }
        return cls(**values)

    def to_saved(self) -> dict[str, Any]:
        """Return plain lists and strings, which every format of models can hold."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def renamed(self, **names: Sequence[str] | None) -> Self:
        """Return the columns with other names in another file, as many as before."""
        given: dict[str, Any] = {kind: tuple(value) for kind, value in names.items() if value}
        for kind, value in given.items():
            known = getattr(self, kind)
            if kind in ("numeric", "categorical") and len(value) != len(known):
                raise UsageError(
                    f"--{kind} must name {len(known)} column(s), as many as in training, "
                    f"got {len(value)}."
                )
        return replace(self, **given)

    def relabelled(self, levels: Sequence[str] | None, label: str | None, sep: str | None) -> Self:
        """Return the columns with labels that another file has in other columns.

        In one column they are paths, unless those of training were names of nodes, or are unknown.
        """
        if label is None:
            return self if not levels else replace(self, levels=tuple(levels), label=None)
        known = "/" if self.levels else self.sep
        return replace(self, levels=(), label=label, sep=sep or known)

    @property
    def features(self) -> tuple[str, ...]:
        return (*self.text, *self.numeric, *self.categorical)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.levels if self.label is None else (self.label,)

    @property
    def has_text_alone(self) -> bool:
        return not (self.numeric or self.categorical)

    @property
    def name_sep(self) -> str:
        """The text between the steps of a path in the name of a node."""
        return self.sep or " / "


@dataclass(frozen=True)
class Samples:
    """Rows that can be used, with what a model sees of them.

    Attributes
    ----------
    rows : list of Row
    X : list of str, or ndarray of object, shape (n_rows, n_features)
        Texts; or one column each for text, numbers (floats) and categories (str).
    labels : list of list
        The labels of each row, if they were read: paths (tuples of str), or names of nodes.
    """

    rows: list[Row]
    X: Any
    labels: list[list[Any]]

    def __len__(self) -> int:
        return len(self.rows)


def number_of(cell: str) -> float | None:
    """Return the number in a cell, NaN for a missing one, None for something else.

    Examples
    --------
    >>> number_of(" 1.5"), number_of("n/a"), number_of("many"), number_of("inf")
    (1.5, nan, None, None)
    """
    if cell.strip().casefold() in _MISSING:
        return math.nan
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def features(
    columns: Columns, header: Sequence[str], rows: Iterable[Row], bad: BadRows
) -> tuple[list[Row], Any]:
    """Return the rows whose numbers can be read, and what the model sees of them."""
    text, numeric, categorical = (
        positions(header, names, bad.name)
        for names in (columns.text, columns.numeric, columns.categorical)
    )
    kept: list[Row] = []
    numbers: list[list[float]] = []
    for row in rows:
        read = [number_of(row.cells[i]) for i in numeric]
        if None in read:
            where = numeric[read.index(None)]
            bad.add(row.line, f"{header[where]!r} is no number: {cut(row.cells[where])}")
            continue
        kept.append(row)
        numbers.append([number for number in read if number is not None])
    texts = [" ".join([row.cells[i] for i in text]) for row in kept]
    if columns.has_text_alone:
        return kept, texts
    table = np.empty((len(kept), bool(text) + len(numeric) + len(categorical)), dtype=object)
    start = 0
    if text:
        table[:, 0], start = texts, 1
    if numeric:
        table[:, start : start + len(numeric)] = np.array(numbers).reshape(-1, len(numeric))
        start += len(numeric)
    for offset, i in enumerate(categorical, start=start):
        table[:, offset] = [row.cells[i].strip() for row in kept]
    return kept, table


@dataclass(frozen=True)
class LabelReader:
    """Reads the labels of rows.

    Attributes
    ----------
    columns : Columns
    walker : Walker or None
        Finds paths in a taxonomy; None: every path is right.
    """

    columns: Columns
    walker: Walker | None = None

    def paths(self, row: Row, where: Sequence[int], bad: BadRows) -> list[Any] | None:
        """Return the labels of a row, none if it has none; None, and a bad row, for wrong ones.

        With a taxonomy labels are names of its nodes, else paths.
        """
        found = []
        for steps in self._steps(row, where):
            reason = _fault(steps)
            if reason is None and self.walker is not None:
                name, reason = self.walker.find(steps, is_name=self.columns.sep is None
                                                and self.columns.label is not None)  # fmt: skip
                found.append(name)
            else:
                found.append(tuple(steps))
            if reason is not None:
                bad.add(row.line, reason)
                return None
        return found

    def _steps(self, row: Row, where: Sequence[int]) -> list[list[str]]:
        """Return the steps of each label of a row."""
        cells = [row.cells[i].strip() for i in where]
        if self.columns.label is None:
            while cells and not cells[-1]:
                cells.pop()
            return [cells] if cells else []
        sep, label_sep = self.columns.sep, self.columns.label_sep
        labels = [cells[0]] if label_sep is None else cells[0].split(label_sep)
        labels = [label.strip() for label in labels if label.strip()]
        if sep is None:
            return [[label] for label in labels]
        return [[step.strip() for step in label.split(sep)] for label in labels]


def _fault(steps: list[str]) -> str | None:
    """Return why a path cannot be one."""
    if "" not in steps:
        return None
    return f"the path {listed(steps)} has an empty step before its last one"


def labelled(
    reader: LabelReader, header: Sequence[str], rows: Iterable[Row], bad: BadRows
) -> tuple[Samples, int]:
    """Return the samples that have labels, and the number of rows that have none."""
    where = positions(header, reader.columns.labels, bad.name)
    known: list[Row] = []
    labels: list[list[Any]] = []
    n_without = 0
    for row in rows:
        found = reader.paths(row, where, bad)
        if found:
            known.append(row)
            labels.append(found)
        n_without += found == []
    kept, X = features(reader.columns, header, known, bad)
    if len(kept) < len(known):
        lines = {row.line for row in kept}
        labels = [found for row, found in zip(known, labels, strict=True) if row.line in lines]
    return Samples(kept, X, labels), n_without


def read_samples(source: Source, reader: LabelReader, *, skip: bool) -> tuple[Samples, int]:
    """Return the samples of a table that have labels, and the number of rows that have none.

    Raises
    ------
    CommandError
        For bad rows, unless they are to be skipped, and where nothing is left to learn from.
    """
    bad = BadRows(source.name)
    with open_table(source, bad) as table:
        samples, n_without = labelled(reader, table.header, table.rows, bad)
    bad.settle(skip=skip)
    if not samples.rows:
        raise CommandError(f"{source.name} has no row with a label that can be used.")
    columns = reader.columns
    if columns.has_text_alone and not any(re.search(r"\w\w", text) for text in samples.X):
        raise CommandError(f"{listed(columns.text)} of {source.name} holds no words.")
    return samples, n_without
