"""Containers of labels, and the way back to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from sklhier._utils.columns import (
    PACKAGES,
    ColumnType,
    column_of,
    frame_columns,
    frame_names,
    frame_of,
    is_frame,
    object_array,
    package_of,
    type_of,
    values_of,
    with_room,
)
from sklhier.exceptions import TargetError, quoted
from sklhier.taxonomy._parsing import is_padding

__all__ = ["FrameKind", "RowKind", "by_name", "has_names"]


@dataclass(frozen=True)
class RowKind:
    """A container with one entry for each sample.

    Attributes
    ----------
    package : str
        ``"list"``, ``"tuple"``, ``"numpy"``, ``"pandas"``, ``"polars"`` or ``"pyarrow"``.
    type : object
        As :func:`type_of` tells it.
    name : object
        Of a column.
    frame : FrameKind
        The data frame whose only column the container is.
    """

    package: str
    type: ColumnType = None
    name: Any = None
    frame: FrameKind | None = None

    @classmethod
    def of(cls, y: Any, frame: Any = None) -> Self:
        """Return the kind of a container, which may be the only column of a frame."""
        package = package_of(y)
        if is_frame(frame):
            return cls(package, frame=FrameKind.of(frame))
        if package in PACKAGES:
            name = getattr(y, "name", None)
            return cls(package, type_of(y), name)
        if isinstance(y, np.ndarray):
            return cls("numpy")
        return cls("tuple" if isinstance(y, tuple) else "list")

    def hold(self, rows: list[Any]) -> Any:
        """Return rows in such a container."""
        if self.frame is not None:
            return self.frame.hold([rows])
        if self.package in PACKAGES:
            return column_of(rows, self.package, self.type, self.name)
        if self.package == "numpy":
            return object_array(rows)
        return tuple(rows) if self.package == "tuple" else rows


@dataclass(frozen=True)
class FrameKind:
    """A data frame.

    Attributes
    ----------
    package : str
        ``"pandas"``, ``"polars"`` or ``"pyarrow"``.
    names : tuple
        Of the columns.
    types : tuple
        Of the columns, as :func:`type_of` tells them.
    paddings : tuple
        What stands for a missing value in each column: the first such cell, or None.
    """

    package: str
    names: tuple[Any, ...]
    types: tuple[ColumnType, ...]
    paddings: tuple[Any, ...]

    @classmethod
    def of(cls, frame: Any) -> Self:
        """Return the kind of a data frame."""
        columns = frame_columns(frame)
        types = tuple(map(type_of, columns))
        first = [_first_padding(values_of(column)) for column in columns]
        package = package_of(frame)
        pads = [_padding(pad, kind, package) for pad, kind in zip(first, types, strict=True)]
        # A column without a gap is padded as the last one with a gap of its type is.
        known = {_key(kind): pad for kind, pad in zip(types, pads, strict=True) if pad is not None}
        pads = [
            known.get(_key(kind)) if pad is None else pad
            for kind, pad in zip(types, pads, strict=True)
        ]
        return cls(package, tuple(frame_names(frame)), types, tuple(pads))

    def hold(self, columns: Sequence[list[Any]], *, room: bool = False) -> Any:
        """Return values, None for missing ones, as such a data frame.

        More columns than in the original get a name with their number. With `room` every column
        can hold missing values, whether or not there are some.
        """
        more = range(len(self.names), len(columns))
        names = [*self.names, *(f"level_{place + 1}" for place in more)]
        types, pads = [*self.types, *(None for _ in more)], [*self.paddings, *(None for _ in more)]
        if room and self.package == "pandas":
            types = list(map(with_room, types))
        held = [
            column_of(_filled(values, pad), self.package, kind, name)
            for values, pad, kind, name in zip(columns, pads, types, names, strict=True)
        ]
        return frame_of(held, names, self.package)


def _first_padding(values: list[Any]) -> Any:
    if set(map(type, values)) <= {str, int}:
        return "" if "" in values else None
    return next(filter(is_padding, values), None)


def _key(kind: ColumnType) -> str:
    return repr(kind)


def _padding(cell: Any, kind: ColumnType, package: str) -> Any:
    """Return a padding cell where it is not what the type of its column makes of None."""
    is_text = isinstance(cell, str | bytes)
    is_object = package == "pandas" and isinstance(kind, np.dtype) and kind.kind == "O"
    return cell if is_text or is_object else None


def _filled(values: list[Any], padding: Any) -> list[Any]:
    return values if padding is None else [padding if v is None else v for v in values]


def has_names(names: Sequence[Any]) -> bool:
    """Whether the columns of a frame have names, not just numbers."""
    return [*names] != [*range(len(names))]


def by_name(frame: Any, names: Sequence[Any], *, strict: bool) -> Any:
    """Return a frame with its columns in the order of `names`.

    Frames with numbers for names, or with one name twice, are left as they are.

    Raises
    ------
    TargetError
        If columns are missing or have other names; unless `strict`, only if some are the same.
    """
    own = frame_names(frame)
    if own == [*names] or not (has_names(own) and has_names(names)):
        return frame
    if len({*own}) < len(own) or len({*names}) < len(names):
        return frame
    if {*own} == {*names}:
        order = [own.index(name) for name in names]
        if package_of(frame) == "pandas":
            return frame.iloc[:, order]
        return frame.select([own[place] for place in order])
    if strict or {*own} & {*names}:
        raise TargetError(
            f"The columns of level frames must have the same names, got {quoted(own)} instead of "
            f"{quoted(names)}. Rename or add columns; pass y.to_numpy() to match them by position."
        )
    return frame
