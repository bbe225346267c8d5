"""A taxonomy from names and numbered edges: checked, sorted by levels, ready to be stored."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np

from sklhier._utils.typing import Bools, NodeIds
from sklhier.exceptions import TaxonomyError, shown
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._construction import checked_names, refuse_unreachable

__all__ = ["ROOT", "compiled"]


class _Root:
    """The name of an artificial root over several roots; it has one instance."""

    def __repr__(self) -> str:
        return "<root>"

    def __reduce__(self) -> str:
        return "ROOT"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


ROOT = _Root()


def compiled(
    names: Sequence[Hashable],
    parents: NodeIds | Sequence[int],
    children: NodeIds | Sequence[int],
    *,
    steps: Sequence[Hashable] | None,
    root: int | None,
    artificial_root: bool,
) -> dict[str, Any]:
    """Return the state of a taxonomy; the parameters are those of its constructor.

    Raises
    ------
    TaxonomyError
        For whatever cannot be a taxonomy.
    """
    names = _listed(names, "names", "as a node")
    holds_root = ROOT in _distinct(names)
    steps = names if steps is None else _as_many(_listed(steps, "steps", "as a step"), names)
    above = _positions(parents, "parents", len(names))
    below = _positions(children, "children", len(names))
    if len(above) != len(below):
        raise TaxonomyError(
            "`parents` and `children` must have one entry for each edge, got "
            f"{len(above)} and {len(below)}."
        )
    if not names:
        raise TaxonomyError.empty()
    top = _checked_root(root, artificial_root, len(names))
    tops = np.flatnonzero(np.bincount(below, minlength=len(names)) == 0)
    add_root = top is None and (len(tops) > 1 or (artificial_root and len(tops) == 1))
    if top is not None:
        refuse_unreachable(names, above, below, top)
    elif len(tops) == 1 and not add_root:
        top = int(tops[0])
    if holds_root:
        _refuse_lower_root(names, top)
    if add_root:
        above = np.concatenate([np.full(len(tops), len(names), dtype=np.int32), above])
        below = np.concatenate([tops.astype(np.int32), below])
        top = len(names)
        names, steps = [*names, ROOT], [*steps, ROOT]
    return _sorted_state(names, steps, above, below, top)


def _sorted_state(
    names: list[Hashable],
    steps: list[Hashable],
    parents: NodeIds,
    children: NodeIds,
    root: int | None,
) -> dict[str, Any]:
    n_nodes = len(names)
    start = np.array([] if root is None else [root], dtype=np.int32)
    order = depths = start
    if start.size:
        order, depths = ops.breadth_first(start, parents, children, n_nodes)
    if len(order) < n_nodes:
        _refuse_cycle(names, parents, children, order)
    if n_nodes < 2:
        raise TaxonomyError.empty()
    # Ids follow the breadth-first order: then parents come before children, and a level, or the
    # children of a node of a tree, is a range of ids.
    rank = np.empty(n_nodes, dtype=np.int32)
    rank[order] = np.arange(n_nodes, dtype=np.int32)
    parents, children = rank[parents], rank[children]
    by_parent = np.lexsort((children, parents))
    parents, children = parents[by_parent], children[by_parent]
    twice = np.flatnonzero((parents[1:] == parents[:-1]) & (children[1:] == children[:-1]))
    moved = order.tolist()
    first = 1 if names[moved[0]] is ROOT else 0
    if twice.size:
        edge = twice[0]
        raise TaxonomyError.duplicate_edge(
            names[moved[parents[edge]]], names[moved[children[edge]]]
        )
    return {
        "artificial_root": bool(first),
        "names": [names[node] for node in moved[first:]],
        "steps": None if steps == names else [steps[node] for node in moved[first:]],
        "parents": parents,
        "children": children,
        "depths": depths,
    }


def _refuse_cycle(
    names: list[Hashable], parents: NodeIds, children: NodeIds, reached: NodeIds
) -> None:
    remaining: Bools = np.ones(len(names), dtype=bool)
    remaining[reached] = False
    cycle = ops.find_cycle(parents, children, remaining)
    raise TaxonomyError.cycle([names[node] for node in cycle])


# -- checks -------------------------------------------------------------------------------


def _listed(values: object, what: str, where: str) -> list[Hashable]:
    ordered = not isinstance(values, str | bytes | set | frozenset)
    if not (ordered and isinstance(values, Iterable) and getattr(values, "ndim", 1) == 1):
        raise TaxonomyError(
            f"`{what}` must be a sequence, such as a list, of names, got {shown(values)}."
        )
    return checked_names(values, where)


def _distinct(names: list[Hashable]) -> set[Hashable]:
    distinct = set(names)
    if len(distinct) < len(names):
        seen: dict[Hashable, Hashable] = {}
        for name in names:
            if name in seen:
                raise TaxonomyError(
                    f"Names must be distinct, got {shown(seen[name])} and {shown(name)}, which are "
                    "equal."
                )
            seen[name] = name
    return distinct


def _as_many(steps: list[Hashable], names: list[Hashable]) -> list[Hashable]:
    if len(steps) != len(names):
        raise TaxonomyError(
            f"`steps` must have an entry for each of the {len(names)} names, got {len(steps)}."
        )
    return steps


def _positions(values: object, what: str, n_names: int) -> NodeIds:
    """Return one end of the edges as positions of names."""
    rule = (
        f"`{what}` must be a 1-D array of integers in [0, {n_names - 1}], positions of names, got"
    )
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError):  # lists of different lengths, say
        raise TaxonomyError(f"{rule} {shown(values)}.") from None
    if array.ndim != 1:
        raise TaxonomyError(f"{rule} {shown(values)}.")
    if array.size and array.dtype.kind not in "iu":
        raise TaxonomyError(f"{rule} {shown(array.tolist()[0])} of type {array.dtype}.")
    outside = np.flatnonzero((array < 0) | (array >= n_names)) if array.size else array
    if outside.size:
        raise TaxonomyError(f"{rule} {array[outside[0]]}.")
    return array.astype(np.int32)


def _checked_root(root: object, artificial_root: object, n_names: int) -> int | None:
    if not isinstance(artificial_root, bool | np.bool_):
        raise TaxonomyError(
            f"`artificial_root` must be True or False, got {shown(artificial_root)}."
        )
    if root is None:
        return None
    integer = isinstance(root, Integral) and not isinstance(root, bool)
    if not integer or not 0 <= int(root) < n_names:  # type: ignore[call-overload]
        raise TaxonomyError(
            f"`root` must be None or the position of a name, in [0, {n_names - 1}], got "
            f"{shown(root)}."
        )
    if artificial_root:
        raise TaxonomyError("Either `root` or `artificial_root` can be given, got both.")
    return int(root)  # type: ignore[call-overload]


def _refuse_lower_root(names: list[Hashable], root: int | None) -> None:
    """Refuse the name of the artificial root for any other node."""
    if root is None or names[root] is not ROOT:
        raise TaxonomyError(
            "`sklhier.taxonomy.ROOT` may only name an artificial root. Choose another name."
        )
