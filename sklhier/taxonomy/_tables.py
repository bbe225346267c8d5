"""Tables in files of comma-separated values."""

from __future__ import annotations

import csv
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from sklhier._utils.typing import Labels, NodeIds, Objects
from sklhier._utils.validation import check_choice
from sklhier.exceptions import TaxonomyError, quoted
from sklhier.taxonomy._lines import Lines, Source, read_text

__all__ = ["CsvKind", "Table", "read_csv"]

CsvKind: TypeAlias = Literal["edges", "parents", "levels", "paths", "codes"]
Column: TypeAlias = str | int
_Row: TypeAlias = tuple[int, list[str]]  # number of the line, and the cells

# Names of the columns of each kind; levels may have any.
_NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "edges": (("parent",), ("child",)),
    "parents": (("node", "child"), ("parent",)),
    "paths": (("path",),),
    "codes": (("code",),),
}
_OTHER_DELIMITERS = ";\t|,"


class _Tree(Protocol):
    """The part of a taxonomy that tells the nodes of a path."""

    @property
    def nodes(self) -> tuple[Hashable, ...]: ...

    @property
    def step_names(self) -> Objects: ...

    def ids(self, names: Any) -> NodeIds: ...

    def path_ids(self, nodes: NodeIds) -> NodeIds: ...


@dataclass
class Table:
    """A taxonomy as a file says it.

    Attributes
    ----------
    lines : Lines
        The file.
    gaps : bool
        Whether a level may be empty above others that are not.
    rows : list
        Pairs of edges, or of nodes and parents; lists of steps; paths; or codes.
    titles : dict
        Titles by name; those of levels come from `titles_of_levels`.
    """

    lines: Lines
    gaps: bool = False
    rows: list[Any] = field(default_factory=list)
    titles: dict[Hashable, str] = field(default_factory=dict)
    _numbers: list[int] = field(default_factory=list)
    _level_titles: list[list[str]] = field(default_factory=list)
    _titled_on: dict[Hashable, int] = field(default_factory=dict)
    _first: dict[Hashable, int] = field(default_factory=dict)

    def add(self, number: int, row: Any, key: Hashable = None) -> None:
        """Add what stands on a line; refuse a `key` that stands on an earlier one."""
        line = number if key is None else self._first.setdefault(key, number)
        if line != number:
            shown = " -> ".join(map(repr, key)) if isinstance(key, tuple) else repr(key)
            raise self.lines.error(number, f"{shown} is already on line {line}.")
        self.rows.append(row)
        self._numbers.append(number)

    def add_title(self, number: int, name: Hashable, title: str) -> None:
        """Give a title to a node; refuse a second one that differs."""
        if not title:
            return
        first = self.titles.setdefault(name, title)
        line = self._titled_on.setdefault(name, number)
        if first != title:
            raise self.lines.error(
                number, f"the title of {name!r} is {title!r}, but {first!r} on line {line}."
            )

    def titles_of_levels(self, taxonomy: _Tree, labels: Labels) -> dict[Hashable, str]:
        """Return the titles of all nodes of the paths, whose deepest nodes are `labels`."""
        if not self._level_titles:
            return self.titles
        paths = taxonomy.path_ids(taxonomy.ids(labels.tolist())).tolist()
        steps, names = taxonomy.step_names.tolist(), taxonomy.nodes
        for number, row, words, path in zip(
            self._numbers, self.rows, self._level_titles, paths, strict=True
        ):
            level = 0
            # Cells that mean no step may have been left out, and steps made up.
            for node in (node for node in path if node > 0 and steps[node] in row[level:]):
                level = row.index(steps[node], level) + 1
                self.add_title(number, names[node], words[level - 1])
        return self.titles


def read_csv(
    source: Source,
    kind: CsvKind,
    columns: Sequence[Column] | None,
    titles: Any,
    header: bool,
    delimiter: str,
    encoding: str,
    *,
    gaps: bool,
) -> Table:
    """Return what a file says of a taxonomy; the parameters are those of ``Taxonomy.from_csv``."""
    check_choice("kind", kind, (*_NAMES, "levels"))
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise TaxonomyError(f"`delimiter` must be one character, such as ',', got {delimiter!r}.")
    table = Table(read_text(source, encoding), gaps)
    rows = list(_rows(table.lines, delimiter))
    if not rows:
        raise TaxonomyError(f"{table.lines.name} holds no rows.")
    names = rows[0][1] if header else []
    places = _Columns(table.lines, rows[0], names, delimiter)
    title_places = places.of_titles(titles)
    value_places = places.of_values(kind, columns, title_places)
    body = rows[1:] if header else rows
    if header and columns is None and kind == "levels":
        _refuse_data_as_header(table.lines, rows[0], body, value_places)
    if len(title_places) > 1 and (kind != "levels" or len(title_places) != len(value_places)):
        raise TaxonomyError(
            "`titles` must name a column, or for levels one for each of `columns`, got "
            f"{len(title_places)}."
        )
    for number, cells in body:
        values = [cells[place] for place in value_places]
        words = [cells[place] for place in title_places]
        _ADD[kind](table, number, values, words)
    if isinstance(titles, Mapping) or hasattr(titles, "items"):
        table.titles = dict(titles.items())
    return table


# -- rows ---------------------------------------------------------------------------------


def _rows(lines: Lines, delimiter: str) -> Iterator[_Row]:
    """Yield the number of the line on which each row begins, and its cells; none for blank rows."""
    reader = csv.reader(lines.lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    start, width = 1, 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise lines.error(max(reader.line_num, 1), f"{error}. Is a quote missing?") from error
        if cells is None:
            return
        cells = [cell.strip() for cell in cells]
        if any(cells):
            width = width or len(cells)
            if len(cells) != width:
                raise lines.error(
                    start,
                    f"must have {width} cells as the first row, got {len(cells)}: {quoted(cells)}. "
                    f"Quote cells that hold {delimiter!r}.",
                )
            yield start, cells
        start = reader.line_num + 1


def _refuse_data_as_header(
    lines: Lines, first: _Row, body: list[_Row], places: Sequence[int]
) -> None:
    """Refuse a header that holds a name which the column below it holds, too."""
    for place in places:
        name = first[1][place]
        if name and any(cells[place] == name for _, cells in body):
            raise lines.error(
                first[0],
                f"must name the columns, but {name!r} also occurs below. Pass header=False if it is "
                "a row like the others, or else `columns`.",
            )


@dataclass(frozen=True)
class _Columns:
    """The columns of a table: from names or positions to positions."""

    lines: Lines
    first: _Row
    names: list[str]
    delimiter: str

    @property
    def width(self) -> int:
        return len(self.first[1])

    def of_titles(self, titles: Any) -> list[int]:
        if titles is None or hasattr(titles, "items"):
            return []
        return [self.at(name) for name in ([titles] if isinstance(titles, str | int) else titles)]

    def at(self, column: object) -> int:
        """Return the position of a column."""
        if isinstance(column, int) and not isinstance(column, bool):
            if not 0 <= column < self.width:
                raise self.error(f"there is no column {column}: columns count from 0", "")
            return column
        if column not in self.names:
            raise self.error(f"there is no column {column!r}", "")
        if self.names.count(str(column)) > 1:
            raise self.error(f"{self.names.count(str(column))} columns are called {column!r}", "")
        return self.names.index(str(column))

    def of_values(
        self, kind: CsvKind, columns: Sequence[Column] | None, taken: Sequence[int]
    ) -> list[int]:
        """Return the positions of what a kind of table needs."""
        needed = len(_NAMES.get(kind, ()))
        if columns is not None:
            places = [self.at(name) for name in self._listed(columns)]
            if needed and len(places) != needed:
                raise TaxonomyError(
                    f"`columns` must name {self._needs(kind)} for kind={kind!r}, got {len(places)}."
                )
            return places
        rest = [place for place in range(self.width) if place not in taken]
        if kind == "levels" or (not self.names and len(rest) == needed):
            return rest
        known = {name.casefold(): place for place, name in enumerate(self.names)}
        found = [next((known[n] for n in names if n in known), -1) for names in _NAMES[kind]]
        if -1 in found:
            raise self.error(f"there must be {self._needs(kind)}", " Name others with `columns`.")
        return found

    def _listed(self, columns: Sequence[Column]) -> list[Column]:
        return [columns] if isinstance(columns, str | int) else list(columns)

    def _needs(self, kind: CsvKind) -> str:
        wanted = [" or ".join(map(repr, names)) for names in _NAMES[kind]]
        return f"the column{'s' * (len(wanted) > 1)} {' and '.join(wanted)}"

    def error(self, message: str, hint: str) -> TaxonomyError:
        number, cells = self.first
        listed = f"the columns {quoted(self.names, 12)}" if self.names else f"{self.width} columns"
        text = cells[0]
        others = [c for c in _OTHER_DELIMITERS if c != self.delimiter and c in text]
        if self.width == 1 and others:
            hint = f" Pass delimiter={others[0]!r}."
        return self.lines.error(number, f"{message}; got {listed}.{hint}")


# -- what the cells of a row say ----------------------------------------------------------


def _add_edge(table: Table, number: int, values: list[str], words: list[str]) -> None:
    parent, child = values
    if not child:
        raise table.lines.error(number, f"the child of {parent!r} is missing.")
    table.add(number, (parent or None, child), (parent, child))
    table.add_title(number, child, "".join(words))


def _add_parent(table: Table, number: int, values: list[str], words: list[str]) -> None:
    node, parent = values
    if not node:
        raise table.lines.error(number, f"the node below {parent!r} is missing.")
    table.add(number, (node, parent or None), node)
    table.add_title(number, node, "".join(words))


def _add_levels(table: Table, number: int, values: list[str], words: list[str]) -> None:
    if not any(values):
        raise table.lines.error(number, "the levels are empty.")
    if not table.gaps and "" in values and any(values[values.index("") :]):
        raise table.lines.error(
            number,
            f"level {values.index('') + 1} is empty above others. Pass gaps='skip' or gaps='fill'.",
        )
    table.add(number, [value or None for value in values])
    if words:
        table._level_titles.append(
            words if len(words) == len(values) else _of_deepest(values, words)
        )


def _of_deepest(values: list[str], words: list[str]) -> list[str]:
    deepest = max(place for place, value in enumerate(values) if value)
    return [words[0] if place == deepest else "" for place in range(len(values))]


def _add_name(table: Table, number: int, values: list[str], words: list[str]) -> None:
    if not values[0]:
        raise table.lines.error(number, "the path or code is missing.")
    table.add(number, values[0])
    table.add_title(number, values[0], "".join(words))


_ADD = {
    "edges": _add_edge,
    "parents": _add_parent,
    "levels": _add_levels,
    "paths": _add_name,
    "codes": _add_name,
}
