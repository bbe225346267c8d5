"""Edges from what users have: pairs, tables, graphs, mappings to parents, nested mappings."""

from __future__ import annotations

from collections.abc import Hashable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from sklhier._utils.columns import (
    frame_columns,
    frame_names,
    is_frame,
    package_of,
    values_of,
)
from sklhier.exceptions import TaxonomyError, shown
from sklhier.taxonomy._construction import checked_names
from sklhier.taxonomy._parsing import is_missing, sort_key

__all__ = [
    "AUTO",
    "Auto",
    "Direction",
    "NamedEdges",
    "Root",
    "checked_direction",
    "edges_of",
    "edges_of_dict",
    "edges_of_graph",
    "edges_of_parents",
    "in_order",
]


class Auto(Enum):
    """The value of `root` unless given; no name can be equal to it."""

    AUTO = "auto"

    def __repr__(self) -> str:
        return self.value


AUTO = Auto.AUTO
Root: TypeAlias = Hashable | Auto | None
Direction: TypeAlias = Literal["parent_child", "child_parent"] | None


class NamedEdges(NamedTuple):
    """Edges by name, and nodes that are known to have no parent.

    Attributes
    ----------
    above, below : list
        Parent and child of each edge.
    more : list
        Nodes that need not be in any edge.
    """

    above: list[Hashable]
    below: list[Hashable]
    more: list[Hashable]


# -- order --------------------------------------------------------------------------------


def in_order(values: Iterable[Any], where: str) -> list[Any]:
    """Return values as a list; a set in an order of its own, which no hash seed changes.

    Raises
    ------
    TaxonomyError
        For a set of objects that have no order, and print as an address.
    """
    if not isinstance(values, AbstractSet) or isinstance(values, KeysView | ItemsView):
        return list(values)
    for value in values:
        if getattr(type(value), "__repr__", None) is object.__repr__:
            raise TaxonomyError(
                f"A set {where} must hold names with an order, got {shown(value)}. Pass a list."
            )
    return sorted(values, key=steady_key)


def steady_key(name: object) -> tuple[int, Any]:
    """Order names as `sort_key` does, also sets, which print in the order of the hash seed."""
    if isinstance(name, tuple | frozenset):
        return (2, (type(name).__name__, _steady_text(name)))
    return sort_key(name)


def _steady_text(value: object) -> str:
    if isinstance(value, frozenset):
        return f"frozenset({sorted(map(_steady_text, value))})"
    if type(value) is tuple and any(isinstance(part, tuple | frozenset) for part in value):
        return f"({', '.join(map(_steady_text, value))})"
    return repr(value)


# -- pairs --------------------------------------------------------------------------------


def checked_direction(direction: object) -> Direction:
    """Return the direction of edges; refuse any other value."""
    if direction not in (None, "parent_child", "child_parent"):
        raise TaxonomyError(
            f"`direction` must be 'parent_child', 'child_parent' or None, got {shown(direction)}."
        )
    return direction


def edges_of(pairs: object, direction: Direction) -> NamedEdges:
    """Return the edges of pairs, of an array or of a table with two columns.

    A pair without a parent (None, NaN, NA) gives a node at the top.
    """
    above, below = _two_columns(pairs)
    if direction == "child_parent" and not _named_ends(pairs):
        above, below = below, above
    return _with_tops(above, checked_names(below, "as a child"))


def edges_of_graph(graph: Any, direction: Direction) -> NamedEdges:
    """Return the edges and the nodes of a graph of networkx."""
    is_graph = not isinstance(graph, type) and callable(getattr(graph, "edges", None))
    if not (is_graph and hasattr(graph, "is_directed") and graph.is_directed()):
        raise TaxonomyError(
            "`graph` must be a networkx.DiGraph with edges from parent to child, "
            f"got {type(graph).__name__}. Give the edges a direction first."
        )
    edges = list(graph.edges())
    above = checked_names((edge[0] for edge in edges), "as a parent")
    below = checked_names((edge[1] for edge in edges), "as a child")
    if direction == "child_parent":
        above, below = below, above
    return NamedEdges(above, below, checked_names(graph, "as a node"))


def _with_tops(above: list[Any], below: list[Hashable]) -> NamedEdges:
    """Take the edges without a parent out: their children stand at the top."""
    if set(map(type, above)) <= {str, int}:
        return NamedEdges(above, below, [])
    missing = list(map(is_missing, above))
    if not any(missing):
        return NamedEdges(checked_names(above, "as a parent"), below, [])
    tops: list[Hashable] = []
    inner: list[Hashable] = []
    for child, top in zip(below, missing, strict=True):
        (tops if top else inner).append(child)
    given = [parent for parent, top in zip(above, missing, strict=True) if not top]
    parents = checked_names(given, "as a parent")
    _refuse_tops_below(tops, parents, inner)
    return NamedEdges(parents, inner, tops)


def _refuse_tops_below(
    tops: list[Hashable], parents: list[Hashable], children: list[Hashable]
) -> None:
    at_top = set(tops)
    if len(at_top) < len(tops):
        seen: set[Hashable] = set()
        twice = next(top for top in tops if top in seen or seen.add(top))  # type: ignore[func-returns-value]
        raise TaxonomyError.duplicate_edge(None, twice)
    if not at_top.isdisjoint(children):
        for parent, child in zip(parents, children, strict=True):
            if child in at_top:
                raise TaxonomyError.parent_conflict(child, None, parent)


def _two_columns(pairs: object) -> tuple[list[Any], list[Any]]:
    _refuse_other_sources(pairs)
    if is_frame(pairs):
        return _edge_columns(pairs)
    if isinstance(pairs, np.ndarray) and pairs.ndim != 1:
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise TaxonomyError(
                "An array of edges must have two columns, parent and child, got shape "
                f"{pairs.shape}."
            )
        return values_of(pairs[:, 0]), values_of(pairs[:, 1])
    listed = list(pairs)  # type: ignore[call-overload]
    for row, pair in enumerate(listed):
        if not _is_pair(pair):
            raise TaxonomyError(
                f"An edge must be a (parent, child) pair, got {shown(pair)} at position {row}."
            )
    if isinstance(pairs, AbstractSet) and not isinstance(pairs, KeysView | ItemsView):
        in_order({end for pair in listed for end in pair}, "of edges")  # refuses what has no order
        listed.sort(key=lambda pair: (steady_key(pair[0]), steady_key(pair[1])))
    return [pair[0] for pair in listed], [pair[1] for pair in listed]


def _is_pair(pair: object) -> bool:
    if type(pair) is tuple or type(pair) is list:
        return len(pair) == 2
    sequence = isinstance(pair, Sequence | np.void) and not isinstance(pair, str | bytes)
    row = isinstance(pair, np.ndarray) and pair.ndim == 1
    return (sequence or row) and len(pair) == 2  # type: ignore[arg-type]


def _refuse_other_sources(pairs: object) -> None:
    advice = {
        "is_directed": "For a graph use `Taxonomy.from_networkx`.",
        "items": "For a mapping of nodes to parents use `Taxonomy.from_parents`, for nested "
        "mappings `Taxonomy.from_dict`.",
        "collect": "Call its `collect()` first.",
        "dask": "Call its `compute()` first.",
    }
    if package_of(pairs) == "polars" and hasattr(pairs, "collect"):
        found = "collect"
    elif hasattr(pairs, "is_directed"):
        found = "is_directed"
    elif isinstance(pairs, Mapping) or (hasattr(pairs, "items") and not is_frame(pairs)):
        found = "items"
    elif hasattr(pairs, "dask"):
        found = "dask"
    elif is_frame(pairs):
        return
    elif isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable) or _has_no_size(pairs):
        found = ""
    else:
        return
    raise TaxonomyError(
        "Edges must be (parent, child) pairs, or a table with these two columns, got "
        f"{shown(pairs) if isinstance(pairs, str | bytes | int | float) else type(pairs).__name__}. "
        f"{advice.get(found, 'For another table pass a pandas or polars frame, or a list of pairs.')}"
    )


def _has_no_size(values: object) -> bool:
    return getattr(values, "ndim", 1) == 0


def _end_names(frame: Any) -> list[str]:
    return [str(name).strip().casefold() for name in frame_names(frame)]


def _named_ends(source: object) -> bool:
    """Whether columns of a table are called parent or child, so that no direction is needed."""
    return is_frame(source) and not {"parent", "child"}.isdisjoint(_end_names(source))


def _edge_columns(frame: Any) -> tuple[list[Any], list[Any]]:
    """Return parents and children of a table: by name where columns have these names."""
    names = _end_names(frame)
    places = [[i for i, name in enumerate(names) if name == end] for end in ("parent", "child")]
    if len(names) == 2 and sorted(map(len, places)) in ([0, 0], [0, 1]):
        # The other column of two is the other end.
        parent = 1 if places[0] == [1] or places[1] == [0] else 0
        places = [[parent], [1 - parent]]
    if list(map(len, places)) != [1, 1]:
        raise TaxonomyError(
            "A table of edges must have two columns, or one column named 'parent' and one named "
            f"'child', got the columns {shown(list(frame_names(frame)))}."
        )
    columns = frame_columns(frame)
    above, below = (values_of(columns[place[0]]) for place in places)
    return above, below


# -- parents ------------------------------------------------------------------------------


def edges_of_parents(mapping: Any) -> NamedEdges:
    """Return the edges of a mapping, or a Series of pandas, from nodes to parents."""
    children, parents = _children_and_parents(mapping)
    below = checked_names(children, "as a child")
    if len(set(below)) < len(below):  # the index of a Series
        owner: dict[Hashable, Hashable] = {}
        for child, parent in zip(below, parents, strict=True):
            if child in owner:
                first = None if is_missing(owner[child]) else owner[child]
                raise TaxonomyError.parent_conflict(
                    child, first, None if is_missing(parent) else parent
                )
            owner[child] = parent
    return _with_tops(parents, below)


def _children_and_parents(mapping: Any) -> tuple[list[Any], list[Any]]:
    if isinstance(mapping, Mapping):
        return list(mapping), list(mapping.values())
    if package_of(mapping) == "pandas" and hasattr(mapping, "index") and mapping.ndim == 1:
        children, parents = values_of(mapping.index), values_of(mapping)
        numbered = type(mapping.index).__name__ == "RangeIndex"
        if numbered and any(isinstance(parent, str) for parent in parents):
            raise TaxonomyError(
                "The index of a Series of parents must hold the nodes, got row numbers for "
                f"parents such as {shown(next(p for p in parents if isinstance(p, str)))}. Set the "
                "index first, or pass a table of both columns to `Taxonomy.from_edges`."
            )
        return children, parents
    raise TaxonomyError(
        "`mapping` must be a mapping, or a pandas Series, from each node to its parent, got "
        f"{type(mapping).__name__}. For pairs or a table of two columns use `Taxonomy.from_edges` "
        "(with direction='child_parent' if the child comes first)."
    )


# -- nested mappings ----------------------------------------------------------------------


def edges_of_dict(nested: object) -> NamedEdges:
    """Return the edges of nested mappings and lists, and the top nodes."""
    above: list[Hashable] = []
    below: list[Hashable] = []
    owner: dict[Hashable, Hashable] = {}
    todo: list[tuple[Hashable, Any]] = [(None, nested)]
    for parent, group in todo:  # grows while it is read: no recursion, any depth
        where = "at the top" if parent is None else f"below {shown(parent)}"
        members = list(_members(group, where))
        children = checked_names((child for child, _ in members), where)
        for child, (_, own) in zip(children, members, strict=True):
            if child in owner:
                if parent is not None and owner[child] == parent:
                    raise TaxonomyError.duplicate_edge(parent, child)
                raise TaxonomyError.parent_conflict(child, owner[child], parent)
            owner[child] = parent
            todo.append((child, own))
            if parent is not None:
                above.append(parent)
                below.append(child)
    return NamedEdges(above, below, [child for child, parent in owner.items() if parent is None])


def _members(group: Any, where: str) -> Iterator[tuple[Any, Any]]:
    """Yield the children in a group, each with its own group."""
    if isinstance(group, Mapping):
        yield from group.items()
        return
    if is_missing(group):
        return
    text = isinstance(group, str | bytes)
    if text or not isinstance(group, Iterable) or is_frame(group) or _has_no_size(group):
        raise TaxonomyError(
            f"There must be a mapping, a list or None {where}, got "
            f"{type(group).__name__ if is_frame(group) else shown(group)}."
            + (f" Did you mean [{shown(group)}]?" if isinstance(group, Hashable) else "")
        )
    for item in in_order(group, where):
        if isinstance(item, Mapping):  # as YAML writes a node with children in a list
            yield from item.items()
        elif isinstance(item, list | set):
            raise TaxonomyError(
                f"A list {where} must hold names, or mappings from a name to its children, got "
                f"{shown(item)}."
            )
        else:
            yield item, None
