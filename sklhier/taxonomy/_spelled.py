"""Trees that paths spell out: strings with a separator, or columns of steps."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from sklhier._utils.typing import Rows
from sklhier.exceptions import TargetError, shown
from sklhier.taxonomy._construction import checked_names, tree_of_levels
from sklhier.taxonomy._parsing import is_missing, refuse_gaps
from sklhier.taxonomy._sources import AUTO, Root
from sklhier.taxonomy._steps import Cleaner, Gaps, escaped, filler, split_path, unescaped

__all__ = ["Spelled", "tree_of_columns", "tree_of_paths"]

Columns = list[list[Hashable]]


class Spelled(NamedTuple):
    """A tree, or several, that paths spell out.

    Attributes
    ----------
    names, steps : list
        Of each node: its whole path, and the last step of it.
    parents, children : list of int
        The edges.
    root : int or None
        Position of the node that is the root; None if all are classes.
    """

    names: list[Hashable]
    steps: list[Hashable]
    parents: list[int]
    children: list[int]
    root: int | None

    @property
    def n_tops(self) -> int:
        return len(self.names) - len(self.children)


def _rooted(
    names: Sequence[Hashable],
    steps: list[Hashable],
    edges: tuple[list[int], list[int]],
    root: Root,
) -> Spelled:
    """Return a tree whose single top is the root, under its own name, if one is given."""
    if root is AUTO or root is None:
        return Spelled(list(names), steps, *edges, None)
    place = (np.bincount(edges[1], minlength=len(names)) == 0).argmax()
    named = list(names)
    named[place] = steps[place] = root
    return Spelled(named, steps, *edges, int(place))


def _refuse_other_root(row: int, step: object, root: object) -> None:
    raise TargetError(
        f"`root` must be the first step of every path, got {shown(root)}, but row {row} begins with "
        f"{shown(step)}. Leave `root` out, or drop such rows."
    )


def _refuse_mere_root(row: int, root: Hashable) -> None:
    raise TargetError.names_root(root, f" in row {row}")


# -- columns of steps ---------------------------------------------------------------------


def tree_of_columns(
    columns: Columns, codes: Rows, sep: str, *, clean: Cleaner, gaps: Gaps, root: Root
) -> tuple[Spelled, Rows]:
    """Return the tree of levels, and the position of each row's node.

    Parameters
    ----------
    columns, codes
        As `factorize_levels` returns them.
    """
    columns, codes = _cleaned(columns, codes, clean)
    if gaps == "skip":
        columns, codes = _without_gaps(columns, codes)
    elif gaps == "fill":
        columns, codes = _filled_gaps(columns, codes)
    refuse_gaps(codes, columns)
    if root is not AUTO and root is not None:
        root = checked_names([root], "as the root")[0]
        _check_first_column(columns, codes, root)
    names, parents, children, steps, node_of_row = tree_of_levels(columns, codes, sep)
    return _rooted(names, steps, (parents, children), root), node_of_row


def _check_first_column(columns: Columns, codes: Rows, root: Hashable) -> None:
    if not len(codes):
        return
    is_root = np.array([step == root for step in columns[0]], dtype=bool)
    other = np.flatnonzero(~is_root[codes[:, 0]])
    if other.size:
        row = int(other[0])
        _refuse_other_root(row, columns[0][codes[row, 0]], root)
    alone = np.flatnonzero((codes[:, 1:] < 0).all(axis=1))
    if alone.size:
        _refuse_mere_root(int(alone[0]), root)


def _cleaned(columns: Columns, codes: Rows, clean: Cleaner) -> tuple[Columns, Rows]:
    """Clean the distinct steps of each level; -1 for those that turn out to be none."""
    cleaned: Columns = []
    moved = np.empty_like(codes)
    for level, uniques in enumerate(columns):
        position: dict[Hashable, int] = {}
        places = [
            -1 if step is None else position.setdefault(step, len(position))
            for step in map(clean, uniques)
        ]
        cleaned.append(list(position))
        moved[:, level] = np.array([*places, -1], dtype=np.int64)[codes[:, level]]
    return cleaned, moved


def _rows_with_gaps(codes: Rows) -> Rows:
    return np.flatnonzero(((codes[:, :-1] < 0) & (codes[:, 1:] >= 0)).any(axis=1))


def _without_gaps(columns: Columns, codes: Rows) -> tuple[Columns, Rows]:
    """Move the steps behind a gap up, so that each path is shorter by its gaps."""
    rows = _rows_with_gaps(codes)
    if not rows.size:
        return columns, codes
    # A step that moves needs a number in its new level: one numbering for all levels.
    position: dict[tuple[type, Hashable], int] = {}
    whole = np.full(codes.shape, -1, dtype=np.int64)
    for level, uniques in enumerate(columns):
        keys = [(type(step), step) for step in uniques]
        places = [position.setdefault(key, len(position)) for key in keys]
        whole[:, level] = np.array([*places, -1], dtype=np.int64)[codes[:, level]]
    order = np.argsort(whole[rows] < 0, axis=1, kind="stable")
    whole[rows] = np.take_along_axis(whole[rows], order, axis=1)
    steps = [step for _, step in position]
    moved_columns: Columns = []
    for level in range(len(columns)):
        filled = np.flatnonzero(whole[:, level] >= 0)
        distinct, inverse = np.unique(whole[filled, level], return_inverse=True)
        whole[filled, level] = inverse
        moved_columns.append([steps[place] for place in distinct.tolist()])
    return moved_columns, whole


def _filled_gaps(columns: Columns, codes: Rows) -> tuple[Columns, Rows]:
    """Put a step that is named after its parent in place of each gap."""
    columns, codes = [list(uniques) for uniques in columns], codes.copy()
    n_levels = len(columns)
    last = n_levels - 1 - np.argmax(codes[:, ::-1] >= 0, axis=1) if n_levels else codes
    for level in range(n_levels):
        rows = np.flatnonzero((codes[:, level] < 0) & (level < last) & (codes >= 0).any(axis=1))
        if not rows.size:
            continue
        above = codes[rows, level - 1] if level else np.zeros_like(rows)
        distinct, inverse = np.unique(above, return_inverse=True)
        parents = [columns[level - 1][code] if level else None for code in distinct.tolist()]
        position = {step: code for code, step in enumerate(columns[level])}
        n_real = len(position)
        places = np.array([position.setdefault(filler(p), len(position)) for p in parents])
        for code, place, parent in zip(distinct, places, parents, strict=True):
            own = codes[:, level] == place
            clash = np.flatnonzero(own & (codes[:, level - 1] == code) if level else own)
            if place < n_real and clash.size:
                _refuse_clash(int(clash[0]), filler(parent))
        columns[level] = list(position)
        codes[rows, level] = places[inverse]
    return columns, codes


def _refuse_clash(row: int, name: str) -> None:
    raise TargetError(
        f"gaps='fill' would name a step {shown(name)}, but row {row} has a step of that name at the "
        "same position. Rename it, or use gaps='skip'."
    )


# -- strings ------------------------------------------------------------------------------


class _Steps(dict[str, Hashable | None]):
    """Cleaned steps by the part of a path that spells them, each worked out once."""

    def __init__(self, sep: str, clean: Cleaner) -> None:
        super().__init__()
        self._sep, self._clean = sep, clean

    def __missing__(self, part: str) -> Hashable | None:
        step = self[part] = self._clean(unescaped(part, self._sep))
        return step


class _PathReader:
    """Reads path strings; its errors name the row."""

    def __init__(self, labels: list[object], sep: str, clean: Cleaner, gaps: Gaps) -> None:
        self.labels, self.sep, self.gaps = labels, sep, gaps
        self._steps = _Steps(sep, clean)

    def read(self, path: str) -> tuple[str, list[str], list[int]]:
        """Return the name of a path's node, the parts it is joined of, and which are filled."""
        given = split_path(path, self.sep)
        steps = list(map(self._steps.__getitem__, given))
        if steps == given and "\\" not in path:
            return path, given, []
        if self.gaps == "error" and not all(part.strip() for part in given if part not in steps):
            raise TargetError(
                f"The path {shown(path)} in row {self.row(path)} has an empty step: steps are "
                f"separated by {self.sep!r}, and none may be empty. Pass gaps='skip' to leave it "
                "out, or gaps='fill' to insert a node that is named after its parent."
            )
        while steps and steps[-1] is None:
            steps.pop()
        if not steps:
            raise TargetError.missing(self.row(path))
        places = self._close_gaps(path, steps)
        parts = [escaped(step, self.sep) for step in steps if step is not None]
        return self.sep.join(parts), parts, places

    def _close_gaps(self, path: str, steps: list[Hashable | None]) -> list[int]:
        gaps = [place for place, step in enumerate(steps) if step is None]
        if gaps and self.gaps == "error":
            raise TargetError.hole(self.row(path), steps)
        if self.gaps != "fill":
            return []
        for place in gaps:
            steps[place] = filler(steps[place - 1] if place else None)
        return gaps

    def row(self, path: str) -> int:
        return self.labels.index(path)


def tree_of_paths(
    labels: list[object], sep: str, *, clean: Cleaner, gaps: Gaps, root: Root
) -> tuple[Spelled, dict[object, str]]:
    """Return the tree of path strings, and the name of the node of each distinct one."""
    _refuse_other_than_text(labels)
    reader = _PathReader(labels, sep, clean, gaps)
    last_part: dict[str, str] = {}
    names_of: dict[object, str] = {}
    is_filled: dict[str, bool] = {}
    distinct: list[str] = list(dict.fromkeys(labels))  # type: ignore[arg-type]
    as_given = clean.changes_nothing(distinct, sep)
    for label in distinct:
        name, parts, places = (label, label.split(sep), []) if as_given else reader.read(label)
        names_of[label] = name
        for depth in range(len(parts), 0, -1):
            beginning = sep.join(parts[:depth])
            if gaps == "fill":
                own = depth - 1 in places
                if is_filled.setdefault(beginning, own) != own:
                    _refuse_clash(reader.row(label), parts[depth - 1])
            elif beginning in last_part:
                break  # its own beginnings are there already
            last_part[beginning] = parts[depth - 1]
    if root is not AUTO and root is not None:
        root = checked_names([root], "as the root")[0]
        _check_first_steps(names_of, reader, root)
    names = sorted(last_part, key=lambda name: _steps_of(name, sep))
    index = dict(zip(names, range(len(names)), strict=True))
    nested = [name for name in names if len(last_part[name]) < len(name)]
    parents = [index[name[: -len(last_part[name]) - len(sep)]] for name in nested]
    steps: list[Hashable] = [unescaped(last_part[name], sep) for name in names]
    tree = _rooted(names, steps, (parents, [index[name] for name in nested]), root)
    return tree, names_of


def _steps_of(name: str, sep: str) -> list[str]:
    if "\\" not in name:
        return name.split(sep)
    return [unescaped(part, sep) for part in split_path(name, sep)]


def _refuse_other_than_text(labels: list[object]) -> None:
    if set(map(type, labels)) <= {str}:
        return
    for row, label in enumerate(labels):
        if is_missing(label):
            raise TargetError.missing(row)
        if not isinstance(label, str):
            raise TargetError(
                f"`y` must hold path strings for from_paths, got {shown(label)} in row {row}."
            )


def _check_first_steps(names_of: dict[object, str], reader: _PathReader, root: Hashable) -> None:
    for label, name in names_of.items():
        steps = _steps_of(name, reader.sep)
        if steps[0] != root:
            _refuse_other_root(reader.row(label), steps[0], root)  # type: ignore[arg-type]
        if len(steps) == 1:
            _refuse_mere_root(reader.row(label), root)  # type: ignore[arg-type]
