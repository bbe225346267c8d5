"""Names and edges of a taxonomy, numbered but not yet sorted, from what its constructors take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sklhier._utils.typing import NodeIds, Rows
from sklhier.exceptions import TargetError, TaxonomyError, shown
from sklhier.taxonomy._parsing import is_missing, plain, sort_key

__all__ = [
    "checked_names",
    "edges_of_dict",
    "number_names",
    "refuse_unreachable",
    "tree_of_levels",
    "tree_of_paths",
]


def checked_names(names: Iterable[object], where: str) -> list[Hashable]:
    """Return names as plain Python objects; refuse what cannot name a node."""
    checked = list(map(plain, names))
    if set(map(type, checked)) <= {str, int}:
        return checked
    for name in checked:
        if is_missing(name) or not isinstance(name, Hashable):
            raise TaxonomyError.bad_name(name, where)
        hash(name)  # a tuple with a list in it is Hashable, yet has no hash
    return checked


def number_names(
    above: list[Hashable], below: list[Hashable], more: list[Hashable]
) -> tuple[list[Hashable], NodeIds, NodeIds]:
    """Give numbers to names in order of appearance, then to `more`; return names and edges.

    Returns
    -------
    names : list
        Distinct names.
    parents, children : ndarray of int32, shape (n_edges,)
        Positions of ``above[i]`` and ``below[i]``.
    """
    names = list(dict.fromkeys(_interleaved(above, below)) | dict.fromkeys(more))
    index = dict(zip(names, range(len(names)), strict=True))
    parents = np.fromiter(map(index.__getitem__, above), np.int32, len(above))
    children = np.fromiter(map(index.__getitem__, below), np.int32, len(below))
    return names, parents, children


def _interleaved(above: list[Hashable], below: list[Hashable]) -> Iterator[Hashable]:
    for parent, child in zip(above, below, strict=True):
        yield parent
        yield child


def refuse_unreachable(
    names: Sequence[Hashable], parents: NodeIds, children: NodeIds, root: int
) -> None:
    """Raise a TaxonomyError unless every node but `root` has a parent, and `root` has none."""
    loose = np.bincount(children, minlength=len(names)) == 0
    if not loose[root]:
        into = parents[children == root]
        raise TaxonomyError(
            f"{names[root]!r} cannot be the root: it stands below {names[int(into[0])]!r}."
        )
    loose[root] = False
    if loose.any():
        culprits = [names[node] for node in np.flatnonzero(loose).tolist()]
        raise TaxonomyError.unreachable(culprits, names[root])


def edges_of_dict(
    nested: Mapping[Hashable, Any],
) -> tuple[list[Hashable], list[Hashable], list[Hashable]]:
    """Return the parents and the children of the edges of nested mappings, and the top nodes."""
    above: list[Hashable] = []
    below: list[Hashable] = []
    owner: dict[Hashable, Hashable] = {}
    todo: list[tuple[Hashable, Any]] = [(None, nested)]
    for parent, group in todo:  # grows while it is read: no recursion, any depth
        where = "at the top" if parent is None else f"below {parent!r}"
        if isinstance(group, str):
            raise TaxonomyError(
                f"There must be a mapping, a list or None {where}, got {group!r}. "
                f"Did you mean [{group!r}]?"
            )
        members = group if isinstance(group, Mapping) else dict.fromkeys(group or ())
        for child in checked_names(members, where):
            if child in owner:
                raise TaxonomyError.parent_conflict(child, owner[child], parent)
            owner[child] = parent
            todo.append((child, members[child]))
            if parent is not None:
                above.append(parent)
                below.append(child)
    return above, below, [child for child, parent in owner.items() if parent is None]


def tree_of_paths(
    labels: Iterable[object], sep: str
) -> tuple[list[str], list[int], list[int], list[str]]:
    """Return names, edges and last steps of all path strings and their beginnings, sorted."""
    steps: dict[str, str] = {}
    for label in dict.fromkeys(labels):
        if not isinstance(label, str):
            raise TargetError(f"`y` must hold path strings for from_paths, got {label!r}.")
        parts = label.split(sep)
        if "" in parts:
            raise TargetError(
                f"The path {label!r} has an empty step: steps are separated by {sep!r}, "
                "and none may be empty."
            )
        for depth in range(len(parts), 0, -1):
            path = sep.join(parts[:depth])
            if path in steps:
                break  # its own beginnings are there already
            steps[path] = parts[depth - 1]
    names = sorted(steps, key=lambda path: path.split(sep))
    index = dict(zip(names, range(len(names)), strict=True))
    nested = [name for name in names if len(steps[name]) < len(name)]
    parents = [index[name[: -len(steps[name]) - len(sep)]] for name in nested]
    return names, parents, [index[name] for name in nested], [steps[name] for name in names]


def tree_of_levels(
    columns: Sequence[Sequence[Hashable]], codes: Rows, sep: str
) -> tuple[list[str], list[int], list[int], list[Hashable], Rows]:
    """Return names, edges and steps of all paths and their beginnings, and each row's node.

    Level by level: parent and step identify a node. Siblings are sorted.
    """
    names: list[str] = []
    steps: list[Hashable] = []
    parents: list[int] = []
    children: list[int] = []
    node_of_row = np.full(codes.shape[0], -1, dtype=np.int64)
    for level, uniques in enumerate(columns):
        in_order = sorted(range(len(uniques)), key=lambda code: sort_key(uniques[code]))
        rank = np.empty(len(uniques), dtype=np.int64)
        rank[in_order] = np.arange(len(uniques))
        rows = np.flatnonzero(codes[:, level] >= 0)
        # One integer for parent and step: equal for rows that share a node, and sorted like siblings.
        keys = (node_of_row[rows] + 1) * len(uniques) + rank[codes[rows, level]]
        distinct, inverse = np.unique(keys, return_inverse=True)
        owners, ranks = np.divmod(distinct, max(len(uniques), 1))
        own = [uniques[in_order[position]] for position in ranks.tolist()]
        above = (owners - 1).tolist()
        node_of_row[rows] = inverse + len(names)
        if level:
            parents += above
            children += range(len(names), len(names) + len(own))
        names += list(_joined(names, above, own, sep))
        steps += own
    if len(set(names)) < len(names):
        clash = Counter(names).most_common(1)[0][0]
        raise TaxonomyError(f"Two different paths print as {clash!r}. Rename one of them.")
    return names, parents, children, steps, node_of_row


def _joined(names: list[str], above: list[int], steps: list[Hashable], sep: str) -> Iterator[str]:
    """Name nodes by their paths; refuse steps of different types that print alike."""
    taken: dict[tuple[int, str], Hashable] = {}
    for parent, step in zip(above, steps, strict=True):
        text = _escaped(step, sep)
        other = taken.setdefault((parent, text), step)
        if other is not step and type(other) is not type(step):
            where = "at the first level" if parent < 0 else f"below {shown(names[parent])}"
            raise TaxonomyError(
                f"Steps must print differently, got {shown(other)} ({type(other).__name__}) and "
                f"{shown(step)} ({type(step).__name__}) {where}. Give all values of a level one "
                "type, such as by astype(str)."
            )
        yield text if parent < 0 else f"{names[parent]}{sep}{text}"


def _escaped(step: object, sep: str) -> str:
    """Return a step as a part of a name; whole numbers print alike, whatever their type."""
    whole = isinstance(step, float) and step.is_integer() and abs(step) < 1e15
    text = str(int(step)) if whole else str(step)  # type: ignore[call-overload]
    return text.replace("\\", "\\\\").replace(sep, "\\" + sep) if sep in text else text
