"""Training policies: the positive and negative examples of a classifier of one node.

A tree with one label a sample is read by ranges of preorder positions: the samples at or below a
node stand side by side. Label sets are read by the samples of every node.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

import numpy as np

from sklhier._local.keys import Kind
from sklhier._utils.typing import NodeIds, Rows
from sklhier.strategies._memberships import Memberships
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["POLICIES", "Examples", "Policy"]

Ranges = list[tuple[int, int]]


class Policy(ABC):
    """A training policy.

    Attributes
    ----------
    exclusive : bool
        Whether the positive examples are the samples labelled with the node itself, and not those
        below it too.
    is_conditional : bool
        Whether the negative examples come from the siblings alone, so that the classifier is about
        samples of the parent.
    """

    exclusive = False
    is_conditional = False

    @property
    def of_classes(self) -> bool:
        """Whether classifiers tell classes apart, not branches: they know nothing of descendants."""
        return self.exclusive and not self.is_conditional

    @property
    def sends_down(self) -> bool:
        """Whether classifiers learn from all samples of the siblings, those below them included."""
        return self.is_conditional and not self.exclusive

    @abstractmethod
    def negative_ranges(self, tree: Examples, kind: Kind, node: int) -> Ranges:
        """Return the negative examples of a node, or of the stop there, as ranges of positions."""

    @abstractmethod
    def negative_rows(self, members: Memberships, node: int) -> Rows:
        """Return the negative examples of a node where a sample may have several labels."""

    def positive_rows(self, members: Memberships, node: int) -> Rows:
        """Return the positive examples of a node where a sample may have several labels."""
        return members.exactly(node) if self.exclusive else members.below(node)


class _AllOthers(Policy):
    """All other samples are negative, but for some that the policy leaves out."""

    def __init__(self, *, exclusive: bool, leave_out: str) -> None:
        self.exclusive = exclusive
        self._leave_out = leave_out  # "node", "subtree" or "subtree and ancestors"

    def negative_ranges(self, tree: Examples, kind: Kind, node: int) -> Ranges:
        position, end = tree.range_of(node)
        inside = position + 1 if kind == Kind.STOP or self._leave_out == "node" else end
        above = tree.positions_above(node) if self._leave_out.endswith("ancestors") else []
        gaps = [(start + 1, stop) for start, stop in pairwise([-1, *above, position])]
        return [*gaps, (inside, tree.taxonomy.n_nodes)]

    def negative_rows(self, members: Memberships, node: int) -> Rows:
        below = members.below(node)
        left_out = members.exactly(node) if self._leave_out == "node" else below
        negative = members.without(left_out)
        if not self._leave_out.endswith("ancestors"):
            return negative
        taxonomy = members.taxonomy
        above = taxonomy.ids(list(taxonomy.ancestors(taxonomy.nodes[node])))
        rows = [members.exactly(ancestor) for ancestor in above.tolist()]
        return np.setdiff1d(negative, np.concatenate([below[:0], *rows]))


class _Siblings(Policy):
    """The samples of the siblings are negative."""

    is_conditional = True

    def __init__(self, *, exclusive: bool) -> None:
        self.exclusive = exclusive

    def negative_ranges(self, tree: Examples, kind: Kind, node: int) -> Ranges:
        taxonomy = tree.taxonomy
        parent = node if kind == Kind.STOP else int(taxonomy.parent_ids[node])
        top, bottom = tree.range_of(parent)
        stop = [(top, top + 1)] if tree.stops and kind == Kind.NODE else []
        if not self.exclusive:
            inside = (top + 1, top + 1) if kind == Kind.STOP else tree.range_of(node)
            return [*stop, (top + 1, inside[0]), (inside[1], bottom)]
        others = taxonomy.children_of(parent)
        positions = taxonomy.preorder_positions[others[others != node]].tolist()
        return [*stop, *((position, position + 1) for position in positions)]

    def negative_rows(self, members: Memberships, node: int) -> Rows:
        taxonomy, below = members.taxonomy, members.below(node)
        parents = taxonomy.parents_of(node).tolist()
        others = np.unique(np.concatenate([taxonomy.children_of(parent) for parent in parents]))
        others = others[others != node]
        if self.exclusive:
            rows = [members.exactly(other) for other in others.tolist()]
            near = np.unique(np.concatenate(rows)) if rows else below[:0]
        else:
            near = members.in_any(others)
        return np.setdiff1d(near, below, assume_unique=True)


POLICIES: dict[str, Policy] = {
    "exclusive": _AllOthers(exclusive=True, leave_out="node"),
    "less_exclusive": _AllOthers(exclusive=True, leave_out="subtree"),
    "less_inclusive": _AllOthers(exclusive=False, leave_out="subtree"),
    "inclusive": _AllOthers(exclusive=False, leave_out="subtree and ancestors"),
    "siblings": _Siblings(exclusive=False),
    "exclusive_siblings": _Siblings(exclusive=True),
}


class Examples:
    """The samples of a tree by the preorder position of their node.

    Parameters
    ----------
    policy : Policy
    taxonomy : Taxonomy
        A tree.
    nodes : ndarray of int32, shape (n_samples,)
        The node of each label.
    stops : bool
        Whether to stop at a node is one more sibling of its children.
    """

    def __init__(self, policy: Policy, taxonomy: Taxonomy, nodes: NodeIds, *, stops: bool) -> None:
        self.taxonomy = taxonomy
        self.stops = stops
        self._policy = policy
        keys = taxonomy.preorder_positions[nodes]
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def of(self, kind: Kind, node: int) -> tuple[Rows, Rows]:
        """Return the positive and negative examples of a node, or of the stop there."""
        position, end = self.range_of(node)
        exclusive = kind == Kind.STOP or self._policy.exclusive
        positive = [(position, position + 1 if exclusive else end)]
        return self._rows(positive), self._rows(self._policy.negative_ranges(self, kind, node))

    def range_of(self, node: int) -> tuple[int, int]:
        """Return the positions at and below a node, the end not included."""
        position = int(self.taxonomy.preorder_positions[node])
        return position, position + int(self.taxonomy.subtree_sizes[node])

    def positions_above(self, node: int) -> list[int]:
        """Return the positions of the ancestors, the root first."""
        above: list[int] = []
        while node:
            node = int(self.taxonomy.parent_ids[node])
            above.append(int(self.taxonomy.preorder_positions[node]))
        return above[::-1]

    def _rows(self, ranges: Ranges) -> Rows:
        """Return the samples in some ranges of positions, ascending."""
        bounds = np.searchsorted(self._keys, np.array(ranges, dtype=np.intp).reshape(-1, 2))
        counts = bounds[:, 1] - bounds[:, 0]
        return np.sort(self._order[ops.concatenated_ranges(bounds[:, 0], counts)])
