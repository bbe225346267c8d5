"""Numbers for the places at which local models decide.

Models are kept, seeded and asked by one integer, the *owner* of a local problem: that of a parent
node is the node's id, those of other places follow behind.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum

from sklhier.taxonomy import Taxonomy

__all__ = ["Kind", "Place", "member_offset", "owner_of", "place_of"]


class Kind(IntEnum):
    """What a local model decides about."""

    PARENT = 0  # which of the outcomes below a node
    NODE = 1  # whether it is a node or not
    STOP = 2  # whether the label stops at a node or goes on
    LEVEL = 3  # which node of a level


@dataclass(frozen=True)
class Place:
    """A place at which a local model decides.

    Attributes
    ----------
    member : int
        Position of the strategy within an ensemble; 0 without one.
    kind : Kind
        What is decided there.
    index : int
        Id of the node, or the level (the first is 1).
    level : int
        Level of the nodes that are decided about, or -1 if they are of all levels.
    node : hashable or None
        Name of the node; None for a level.
    """

    member: int
    kind: Kind
    index: int
    level: int
    node: Hashable | None

    @property
    def key(self) -> Hashable:
        """Name of the place among those of one strategy."""
        if self.kind is Kind.LEVEL:
            return f"level:{self.index}"
        return ("stop", self.node) if self.kind is Kind.STOP else self.node

    def __str__(self) -> str:
        if self.kind is Kind.LEVEL:
            return f"level {self.index}"
        where = f"node {self.node!r}"
        return f"the stop at {where}" if self.kind is Kind.STOP else where


def owner_of(kind: Kind, index: int, taxonomy: Taxonomy) -> int:
    """Return the number of a place, given the id of its node or its level."""
    return int(kind) * taxonomy.n_nodes + index


def member_offset(member: int, taxonomy: Taxonomy) -> int:
    """Return what is added to the numbers of all places of a strategy within an ensemble."""
    return member * len(Kind) * taxonomy.n_nodes


def place_of(owner: int, taxonomy: Taxonomy) -> Place:
    """Return the place that has a number."""
    rest, index = divmod(owner, taxonomy.n_nodes)
    member, code = divmod(rest, len(Kind))
    kind = Kind(code)
    if kind is Kind.LEVEL:
        return Place(member, kind, index, index, None)
    below = kind is not Kind.NODE
    return Place(member, kind, index, int(taxonomy.depths[index]) + below, taxonomy.nodes[index])
