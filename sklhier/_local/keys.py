"""Keys of local models: what a model decides about."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from sklhier.taxonomy import Taxonomy

__all__ = ["Kind", "ModelKey", "Seeds", "described", "level_of", "name_of"]


class Kind(IntEnum):
    """The kinds of decision of a local model.

    Attributes
    ----------
    PARENT
        Which of the outcomes below a node.
    NODE
        Whether a sample belongs to a node.
    STOP
        Whether the label stops at a node or goes on.
    LEVEL
        Which node of a level.

    Examples
    --------
    >>> from sklhier.strategies import Kind, ModelKey
    >>> ModelKey(Kind.NODE, 7) < ModelKey(Kind.LEVEL, 1)  # keys sort by kind first
    True
    """

    PARENT = 0
    NODE = 1
    STOP = 2
    LEVEL = 3


class ModelKey(NamedTuple):
    """The key of a local model among those of one strategy.

    Keys sort by kind, then by node or level.

    Attributes
    ----------
    kind : Kind
        What is decided.
    number : int
        Id of the node, or the level (the first is 1).

    Examples
    --------
    >>> from sklhier.strategies import Kind, ModelKey
    >>> ModelKey(Kind.LEVEL, 2)
    ModelKey(kind=<Kind.LEVEL: 3>, number=2)
    """

    kind: int
    number: int


def level_of(key: ModelKey, taxonomy: Taxonomy) -> int:
    """Return the level of the nodes that a model decides about."""
    if key.kind == Kind.LEVEL:
        return key.number
    return int(taxonomy.depths[key.number]) + (key.kind != Kind.NODE)


def name_of(key: ModelKey, taxonomy: Taxonomy) -> Hashable:
    """Return the name of a model: that of its node, ``"level:k"`` or ``("stop", node)``."""
    if key.kind == Kind.LEVEL:
        return f"level:{key.number}"
    node = taxonomy.nodes[key.number]
    return ("stop", node) if key.kind == Kind.STOP else node


def described(key: ModelKey, taxonomy: Taxonomy) -> tuple[Hashable, str]:
    """Return the name of a model, and what error messages call it, such as "node 'a'"."""
    name = name_of(key, taxonomy)
    if key.kind == Kind.LEVEL:
        return name, f"level {key.number}"
    where = f"node {taxonomy.nodes[key.number]!r}"
    return name, f"the stop at {where}" if key.kind == Kind.STOP else where


@dataclass(frozen=True)
class Seeds:
    """Seeds of local models, from one seed and the path to their node.

    They do not depend on ids: those of other nodes change when a leaf is added. In a DAG, where
    there may be several paths, the name of the node takes their place.

    Attributes
    ----------
    taxonomy : Taxonomy
    entropy : tuple of int
        The seed of the classifier, and what else tells its models from others.
    """

    taxonomy: Taxonomy
    entropy: tuple[int, ...]
    _digests: dict[int, bytes] = field(default_factory=lambda: {0: b""}, repr=False, compare=False)

    def of(self, key: ModelKey) -> np.random.SeedSequence:
        """Return the seed sequence of a model."""
        where = b"%d" % key.number if key.kind == Kind.LEVEL else self._digest(key.number)
        digest = blake2b(b"%d:" % key.kind + where, digest_size=16).digest()
        words = np.frombuffer(digest, dtype="<u4").tolist()
        return np.random.SeedSequence([*self.entropy, *words])

    def _digest(self, node: int) -> bytes:
        """Return a digest of the path to a node; what it finds on the way is kept."""
        taxonomy, above = self.taxonomy, []
        while node not in self._digests:
            above.append(node)
            node = int(taxonomy.parent_ids[node]) if taxonomy.is_tree else 0
        digest = self._digests[node]
        for below in reversed(above):
            name = taxonomy.nodes[below]
            if isinstance(name, np.generic):  # equal to the plain name, so its seed is
                name = name.item()
            text = f"{type(name).__name__}:{name!r}".encode()
            digest = self._digests[below] = blake2b(digest + text, digest_size=16).digest()
        return digest
