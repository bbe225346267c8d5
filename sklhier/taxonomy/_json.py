"""Taxonomies as documents of plain lists, strings and numbers, which JSON can hold."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from sklhier._utils.typing import NodeIds
from sklhier.exceptions import TaxonomyError, shown
from sklhier.taxonomy._compile import ROOT
from sklhier.taxonomy._lines import Lines, Source, read_lines

__all__ = ["document_of", "is_document", "nested_names", "parsed", "parts_of", "write_json"]

FORMAT, VERSION = "sklhier.Taxonomy", 1
_KEYS = {"format", "version", "names", "parents", "children"}
_OPTIONAL = {"steps", "titles"}
_SURROGATE = re.compile("[\ud800-\udfff]")

Document: TypeAlias = dict[str, Any]


class _Taxonomy(Protocol):
    """The part of a taxonomy that a document holds."""

    @property
    def nodes(self) -> tuple[Hashable, ...]: ...

    @property
    def step_names(self) -> Any: ...

    @property
    def titles(self) -> Mapping[Hashable, str]: ...

    @property
    def edge_parents(self) -> NodeIds: ...

    @property
    def edge_children(self) -> NodeIds: ...


def document_of(taxonomy: _Taxonomy) -> Document:
    """Return a taxonomy as a document; see ``Taxonomy.to_dict``."""
    names = [_encoded(name, f"names[{node}]") for node, name in enumerate(taxonomy.nodes)]
    steps = [_encoded(step, f"steps[{node}]") for node, step in enumerate(taxonomy.step_names)]
    document: Document = {
        "format": FORMAT,
        "version": VERSION,
        "names": names,
        "parents": taxonomy.edge_parents.tolist(),
        "children": taxonomy.edge_children.tolist(),
    }
    if list(taxonomy.step_names) != list(taxonomy.nodes):
        document["steps"] = steps
    if taxonomy.titles:
        document["titles"] = list(map(taxonomy.titles.get, taxonomy.nodes))
    return document


def is_document(value: object) -> bool:
    """Whether a value is a document, rather than names nested in each other."""
    return isinstance(value, Mapping) and value.get("format") == FORMAT


def parts_of(document: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a document says, as the parameters of the taxonomy's own constructor.

    Raises
    ------
    TaxonomyError
        For what is no such document. The message names the place in it.
    """
    _check_keys(document)
    lists = {key: document[key] for key in document if key not in ("format", "version")}
    for key, values in lists.items():
        if not isinstance(values, list | tuple):
            raise TaxonomyError(f"`{key}` must be a list, got {shown(values)}.")
        if key in ("parents", "children"):
            _check_positions(key, values, len(document["names"]))
    for key in {"names", "steps"} & lists.keys():
        lists[key] = [
            _decoded(value, f"{key}[{place}]", top=place == 0)
            for place, value in enumerate(lists[key])
        ]
    return {**lists, "root": 0 if lists["names"] else None}


def _check_keys(document: Mapping[Any, Any]) -> None:
    version = document.get("version")
    if not is_document(document):
        raise TaxonomyError(
            f"A saved taxonomy must have the format {FORMAT!r}, got {shown(document.get('format'))}. "
            "Nested names are read by Taxonomy.from_dict(json.load(file))."
        )
    if type(version) is not int or version < 1:
        raise TaxonomyError(f"`version` must be an integer from 1, got {shown(version)}.")
    if version > VERSION:
        raise TaxonomyError(
            f"`version` must be at most {VERSION} for this version of sklhier, got {version}. Read "
            "the taxonomy with the version that wrote it, or a newer one."
        )
    missing = sorted(_KEYS - document.keys())
    other = sorted(map(str, document.keys() - _KEYS - _OPTIONAL))
    if missing or other:
        wrong = f"has no {missing[0]!r}" if missing else f"has the unknown key {other[0]!r}"
        raise TaxonomyError(f"A saved taxonomy {wrong}: it must have {sorted(_KEYS)}.")


def _check_positions(key: str, values: Sequence[Any], n_names: int) -> None:
    for place, value in enumerate(values):
        if type(value) is not int or not 0 <= value < n_names:
            raise TaxonomyError(
                f"`{key}[{place}]` must be the position of a name, in [0, {n_names - 1}], got "
                f"{shown(value)}."
            )


# -- names --------------------------------------------------------------------------------


def _encoded(name: Any, place: str) -> Any:
    """Return a name as JSON can hold it: itself, or a mapping of the name of its type to text."""
    if name is ROOT:
        return None
    kind = type(name)
    if kind in (str, int, bool) or (kind is float and math.isfinite(name)):
        return name
    if kind is tuple:
        return {"tuple": [None if part is None else _encoded(part, place) for part in name]}
    if kind in _WRITERS:
        return {kind.__name__: _WRITERS[kind](name)}
    raise TaxonomyError(
        f"`{place}` is {shown(name)} of type {kind.__name__}, which JSON cannot hold. Names may be "
        "strings, numbers, booleans, bytes, dates and times, and tuples of them."
    )


def _numpy_time(time: Any) -> list[Any]:
    return [time.dtype.name, int(time.astype(np.int64))]


def _whole_parts(span: timedelta) -> list[int]:
    return [span.days, span.seconds, span.microseconds]


_WRITERS: dict[type, Callable[[Any], Any]] = {
    float: repr,  # inf and -inf, which JSON has no numbers for
    bytes: bytes.hex,
    date: date.isoformat,
    datetime: datetime.isoformat,
    timedelta: _whole_parts,
    np.datetime64: _numpy_time,
    np.timedelta64: _numpy_time,
}


def _read_numpy_time(value: Sequence[Any]) -> Any:
    name, number = value
    if not re.fullmatch(r"(datetime|timedelta)64(\[[0-9]*[A-Za-z]+\])?", name):
        raise ValueError("no time of numpy")
    return np.array(number, dtype=np.int64).astype(name)[()]


_READERS: dict[str, Callable[[Any], Hashable]] = {
    "float": float,
    "bytes": bytes.fromhex,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "timedelta": lambda parts: timedelta(*parts),
    "datetime64": _read_numpy_time,
    "timedelta64": _read_numpy_time,
}


def _decoded(value: Any, place: str, *, top: bool = False) -> Any:
    if value is None and top:
        return ROOT
    if isinstance(value, str | int | float):
        return value
    kind, content = next(iter(value.items())) if _is_tagged(value) else ("", None)
    if kind == "tuple" and isinstance(content, list | tuple):
        return tuple(None if part is None else _decoded(part, place) for part in content)
    if kind in _READERS:
        try:
            return _READERS[kind](content)
        except (TypeError, ValueError):
            pass  # refused with all else below
    raise TaxonomyError(
        f"`{place}` must be a string, a number, true or false, or an object with the name of one "
        f"type among {', '.join(('tuple', *_READERS))}, got {shown(value)}."
        + (" null means an artificial root, and must come first." if value is None else "")
    )


def _is_tagged(value: object) -> bool:
    return isinstance(value, Mapping) and len(value) == 1


# -- nested names -------------------------------------------------------------------------


def nested_names(names: Sequence[Hashable], parents: Iterable[int]) -> dict[Hashable, Any]:
    """Return the names of a tree nested in each other, an artificial root left out.

    Parameters
    ----------
    names : sequence of hashable
        Names of all nodes, parents first.
    parents : iterable of int
        Parent of each node, -1 for the root.
    """
    below: list[dict[Hashable, Any]] = [{} for _ in names]
    whole: dict[Hashable, Any] = {}
    for name, parent, own in zip(names, parents, below, strict=True):
        (whole if parent < 0 else below[parent])[name] = own
    return below[0] if names[0] is ROOT else whole


# -- JSON ---------------------------------------------------------------------------------


def write_json(document: Document, path: str | os.PathLike[str] | None) -> str | None:
    """Write a document to a file, or return its text."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    if _SURROGATE.search(text):  # which no encoding of files takes
        text = json.dumps(document, allow_nan=False)
    if path is None:
        return text
    Path(path).write_text(f"{text}\n", encoding="utf-8")
    return None


def parsed(source: Source) -> tuple[Lines, Any]:
    """Return the source and what its JSON says; refuse what is no JSON, with the place."""
    is_text = isinstance(source, str) and source.lstrip()[:1] in ("{", "[")
    lines = read_lines([str(source)] if is_text else source, "utf-8")
    text = "".join(lines.lines) if _keep_ends(lines.lines) else "\n".join(lines.lines)
    try:
        return lines, json.loads(
            text, object_pairs_hook=_without_twins, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise lines.error(error.lineno, f"column {error.colno}: {error.msg}.") from error
    except RecursionError as error:
        raise TaxonomyError(f"{lines.name}: nested too deeply for a saved taxonomy.") from error


def _keep_ends(lines: Sequence[str]) -> bool:
    return all(line.endswith(("\n", "\r")) for line in lines[:-1])


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise TaxonomyError(f"Keys of an object must be distinct, got {twin!r} twice.")
    return found


def _refuse_constant(text: str) -> None:
    raise TaxonomyError(f"A saved taxonomy must not hold {text}, which is not valid JSON.")
