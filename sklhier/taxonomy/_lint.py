"""A report on oddities of a taxonomy, kind by kind."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Protocol

import numpy as np

from sklhier._utils.typing import Bools, NodeIds, Objects, Offsets
from sklhier.exceptions import quoted, shown
from sklhier.taxonomy._oddities import folded, look_alikes, looks_reversed, shared_separator
from sklhier.taxonomy._parsing import is_collection, is_missing, label_array
from sklhier.taxonomy._steps import stripped

__all__ = ["Finding", "Findings", "found_in"]

MANY_LEVELS, MANY_CHILDREN = 50, 1000
# Folded: what a program writes in place of a missing label, or a person who does not know.
NO_NAMES = frozenset(
    {
        "", "-", "--", "?", ".", "n/a", "na", "<na>", "#n/a", "nan", "nat", "none", "null", "nil",
        "unknown", "unclassified", "undefined", "unassigned", "tbd",
    }
)  # fmt: skip


class _Taxonomy(Protocol):
    """The part of a taxonomy that is looked at."""

    @property
    def nodes(self) -> tuple[Hashable, ...]: ...
    @property
    def root(self) -> Hashable | None: ...
    @property
    def n_nodes(self) -> int: ...
    @property
    def n_levels(self) -> int: ...
    @property
    def is_tree(self) -> bool: ...
    @property
    def edge_parents(self) -> NodeIds: ...
    @property
    def edge_children(self) -> NodeIds: ...
    @property
    def child_offsets(self) -> Offsets: ...
    @property
    def step_names(self) -> Objects: ...
    def ids(self, names: Iterable[Hashable]) -> NodeIds: ...


@dataclass(frozen=True)
class Finding:
    """Everything of one kind that is odd in a taxonomy.

    Attributes
    ----------
    kind : str
        Such as ``"look_alikes"``.
    cases : tuple
        Names of nodes, or tuples of names that belong together.
    advice : str
        What it means, and what to do.
    """

    kind: str
    cases: tuple[Any, ...]
    advice: str

    def __repr__(self) -> str:
        listed = "; ".join(
            quoted(case, 3) if isinstance(case, _Group) else shown(case) for case in self.cases[:3]
        )
        more = "; ..." if len(self.cases) > 3 else ""
        return f"{self.kind} ({len(self.cases)}): {listed}{more}\n    {self.advice}"


class Findings(tuple[Finding, ...]):
    """All findings, one for each kind; prints as a list."""

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or "no findings"


class _Group(tuple[Hashable, ...]):
    """Names that belong together; a plain tuple may be a name."""


def found_in(taxonomy: _Taxonomy, labels: Any = None) -> Findings:
    """Return what is odd in a taxonomy, and which nodes no label uses."""
    searches = [_look_alikes, _doubtful_names, _single_children, _reversed, _sizes, _paths]
    found = [finding for search in searches for finding in search(taxonomy)]
    if labels is not None:
        found += _unused(taxonomy, labels)
    return Findings(found)


def _look_alikes(taxonomy: _Taxonomy) -> Iterator[Finding]:
    parents, children = taxonomy.edge_parents.tolist(), taxonomy.edge_children.tolist()
    groups = look_alikes(taxonomy.step_names.tolist(), parents, children)
    if groups:
        yield Finding(
            "look_alikes",
            tuple(_Group(taxonomy.nodes[node] for node in group) for group in groups),
            "Siblings that differ only in case, blanks or the Unicode form of their letters.",
        )


def _doubtful_names(taxonomy: _Taxonomy) -> Iterator[Finding]:
    steps = taxonomy.step_names.tolist()
    doubtful = {step for step in set(steps) if isinstance(step, str) and _is_doubtful(step)}
    if doubtful:
        yield Finding(
            "doubtful_names",
            tuple(n for n, step in zip(taxonomy.nodes, steps, strict=True) if step in doubtful),
            "Names that look like a missing label, have blanks at an end, or hold characters that "
            "were read wrongly. Pass `missing=` and `strip=` to from_levels or from_paths.",
        )


def _is_doubtful(step: str) -> bool:
    if step.isalnum() and len(step) > 12:
        return False
    return folded(step) in NO_NAMES or stripped(step) != step or "\ufffd" in step


def _single_children(taxonomy: _Taxonomy) -> Iterator[Finding]:
    """Find chains of only children: they tell nothing, and count as levels."""
    n_children = np.diff(taxonomy.child_offsets)
    single = n_children == 1
    if not taxonomy.is_tree:  # a child of several parents is no only child
        n_parents = np.bincount(taxonomy.edge_children, minlength=taxonomy.n_nodes)
        owners = np.flatnonzero(single)
        only = taxonomy.edge_children[taxonomy.child_offsets[owners]]
        single[owners[n_parents[only] > 1]] = False
    if taxonomy.root is None:
        single[0] = False
    if not single.any():
        return
    below = np.full(taxonomy.n_nodes, -1, dtype=np.int32)
    below[single] = taxonomy.edge_children[taxonomy.child_offsets[:-1][single]]
    starts = single.copy()
    starts[below[single]] = False
    next_node = below.tolist()
    chains = []
    for start in np.flatnonzero(starts).tolist():
        chain = [start]
        while next_node[chain[-1]] >= 0:
            chain.append(next_node[chain[-1]])
        chains.append(_Group(taxonomy.nodes[node] for node in chain))
    yield Finding(
        "single_children",
        tuple(chains),
        "Nodes with one child each: nothing is decided there, and every metric counts the level.",
    )


def _reversed(taxonomy: _Taxonomy) -> Iterator[Finding]:
    inner = taxonomy.edge_parents > 0 if taxonomy.root is None else slice(None)
    parents, children = taxonomy.edge_parents[inner], taxonomy.edge_children[inner]
    counts = looks_reversed(parents, children, taxonomy.n_nodes) if len(parents) else None
    if counts:
        yield Finding(
            "reversed_edges",
            (counts,),
            f"There are {counts[0]} tops and {counts[1]} node(s) without children: edges seem to go "
            "from child to parent. Pass direction='child_parent'.",
        )


def _sizes(taxonomy: _Taxonomy) -> Iterator[Finding]:
    if taxonomy.n_levels > MANY_LEVELS:
        yield Finding(
            "deep",
            (taxonomy.nodes[-1],),
            f"There are {taxonomy.n_levels} levels. Is a list of samples or words read as a path?",
        )
    wide = np.flatnonzero(np.diff(taxonomy.child_offsets) > MANY_CHILDREN)
    if wide.size:
        yield Finding(
            "wide",
            tuple(taxonomy.nodes[node] for node in wide.tolist()),
            f"Nodes with more than {MANY_CHILDREN} children. Is a level missing, or the separator "
            "wrong?",
        )


def _paths(taxonomy: _Taxonomy) -> Iterator[Finding]:
    """Find a flat tree whose names hold a separator."""
    if taxonomy.n_levels > 1:
        return
    sep = shared_separator(taxonomy.nodes[1:])
    if sep is not None:
        yield Finding(
            "paths",
            taxonomy.nodes[1:],
            f"There is one level, but the names look like paths with the separator {sep!r}. Use "
            f"from_paths(y, sep={sep!r}).",
        )


# -- labels -------------------------------------------------------------------------------


def _unused(taxonomy: _Taxonomy, labels: Any) -> Iterator[Finding]:
    rows = label_array(labels if hasattr(labels, "__len__") else list(labels)).tolist()
    names: list[Any] = []
    for row in rows:
        many = is_collection(row) and not (isinstance(row, tuple) and taxonomy.ids([row])[0] >= 0)
        names += row if many else [row]
    given = [name for name in dict.fromkeys(names) if not is_missing(name)]
    ids = taxonomy.ids(given)
    unknown = tuple(compress(given, (ids < 0).tolist()))
    if unknown:
        yield Finding("unknown_labels", unknown, "Labels that are not nodes of the taxonomy.")
    unused = ~_used(taxonomy, ids[ids >= 0])
    if unused.any():
        yield Finding(
            "unused",
            tuple(taxonomy.nodes[node] for node in np.flatnonzero(unused).tolist()),
            "Nodes without a label at or below them. `prune` leaves them out.",
        )


def _used(taxonomy: _Taxonomy, nodes: Sequence[int] | NodeIds) -> Bools:
    """Tell which nodes have one of some nodes at or below them."""
    used = [False] * taxonomy.n_nodes
    for node in [0, *nodes]:
        used[node] = True
    above, below = taxonomy.edge_parents[::-1].tolist(), taxonomy.edge_children[::-1].tolist()
    for parent, child in zip(above, below, strict=True):  # children come first
        if used[child]:
            used[parent] = True
    return np.array(used)
