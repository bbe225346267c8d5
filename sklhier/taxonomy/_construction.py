"""Names and edges of a taxonomy, numbered but not yet sorted, from what its constructors take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np

from sklhier._utils.typing import NodeIds, Rows
from sklhier.exceptions import TaxonomyError, shown
from sklhier.taxonomy._parsing import is_missing, plain, sort_key
from sklhier.taxonomy._steps import escaped

__all__ = [
    "checked_names",
    "number_names",
    "refuse_unreachable",
    "tree_of_levels",
]


def checked_names(names: Iterable[object], where: str) -> list[Hashable]:
    """Return names as plain Python objects; refuse what cannot name a node."""
    given = list(names)
    if set(map(type, given)) <= {str, int}:
        return given
    checked = list(map(plain, given))
    for place, name in enumerate(checked):
        if is_missing(name) or not _has_hash(name):
            raise TaxonomyError.bad_name(name, f"{where}, at position {place}")
    return checked


def _has_hash(name: object) -> bool:
    try:
        hash(name)
    except TypeError:  # also of a tuple with a list in it, which is an instance of Hashable
        return False
    return True


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
    names = _of_one_type(names, above, below, more)
    index = dict(zip(names, range(len(names)), strict=True))
    parents = np.fromiter(map(index.__getitem__, above), np.int32, len(above))
    children = np.fromiter(map(index.__getitem__, below), np.int32, len(below))
    return names, parents, children


def _interleaved(above: list[Hashable], below: list[Hashable]) -> Iterator[Hashable]:
    for parent, child in zip(above, below, strict=True):
        yield parent
        yield child


def _of_one_type(names: list[Hashable], *sources: list[Hashable]) -> list[Hashable]:
    """Return names, integers in place of equal floats; refuse True beside 1, which are equal too.

    A column of integers with a missing value among them comes as floats.
    """
    kinds = {kind for source in sources for kind in set(map(type, source))}
    if bool not in kinds and not {int, float} <= kinds:
        return names
    integers: dict[Hashable, Hashable] = {}
    bools: set[Hashable] = set()
    for source in sources:
        integers.update((name, name) for name in source if type(name) is int)
        bools.update(name for name in source if isinstance(name, bool))
    for source in sources:
        for name in source if bools else ():
            if not isinstance(name, bool) and name in bools:
                raise TaxonomyError(
                    f"Names must not mix {name == 1} and {shown(name)}, which are equal to Python. "
                    "Write them as strings."
                )
    return [integers.get(name, name) for name in names]


def refuse_unreachable(
    names: Sequence[Hashable], parents: NodeIds, children: NodeIds, root: int
) -> None:
    """Raise a TaxonomyError unless every node but `root` has a parent, and `root` has none."""
    loose = np.bincount(children, minlength=len(names)) == 0
    if not loose[root]:
        into = parents[children == root]
        raise TaxonomyError(
            f"{shown(names[root])} cannot be the root: it is below {shown(names[int(into[0])])}. "
            "Name the top, or leave `root` out. (Edges that go from child to parent need "
            "direction='child_parent'.)"
        )
    loose[root] = False
    if loose.any():
        culprits = [names[node] for node in np.flatnonzero(loose).tolist()]
        raise TaxonomyError.unreachable(culprits, names[root])


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
        text = escaped(step, sep)
        other = taken.setdefault((parent, text), step)
        if other is not step and type(other) is not type(step):
            where = "at the first level" if parent < 0 else f"below {shown(names[parent])}"
            raise TaxonomyError(
                f"Steps must print differently, got {shown(other)} ({type(other).__name__}) and "
                f"{shown(step)} ({type(step).__name__}) {where}. Give all values of a level one "
                "type, such as by astype(str)."
            )
        yield text if parent < 0 else f"{names[parent]}{sep}{text}"
