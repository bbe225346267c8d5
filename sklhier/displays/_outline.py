"""The rows of a drawn taxonomy: chains folded, and branches with the fewest errors left out."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np

from sklhier._utils.typing import Floats, NodeIds
from sklhier.displays._base import one_line
from sklhier.taxonomy import Taxonomy

__all__ = ["Outline", "outlined"]

_ARROW = " \u203a "  # between the steps of a chain


@dataclass(frozen=True)
class Outline:
    """Rows of a drawing, in preorder.

    Attributes
    ----------
    taxonomy : Taxonomy
    nodes : ndarray of int32, shape (n_rows,)
        Node of each row, the last one of a chain of only children.
    tops : ndarray of int32, shape (n_rows,)
        First node of the chain, or the node itself.
    depths : ndarray of int32, shape (n_rows,)
        Indentation, 0 at the top.
    hidden : ndarray of int32, shape (n_rows,)
        Number of nodes that no row shows, and that are nearer below this row than below others.
    n_hidden : int
        Number of nodes of the taxonomy that no row shows.
    """

    taxonomy: Taxonomy
    nodes: NodeIds
    tops: NodeIds
    depths: NodeIds
    hidden: NodeIds
    n_hidden: int

    def label(self, row: int, *, full: bool = True) -> str:
        """Return the text of a row: the steps of its chain, and the title of the last node.

        With `full` also how many parents and hidden nodes there are beside it.
        """
        top, node = int(self.tops[row]), int(self.nodes[row])
        text = one_line(self.taxonomy.text_of(node))
        if top != node:
            text = f"{one_line(self.taxonomy.step_names[top])}{_ARROW}{text}"
        return text + self._also_below(node) + self._more(row) if full else text

    def _also_below(self, node: int) -> str:
        others = len(self.taxonomy.parents_of(node)) - 1
        if others < 1:
            return ""
        return f" (also below {others} other{'s' if others > 1 else ''})"

    def _more(self, row: int) -> str:
        return f" [+{self.hidden[row]:,}]" if self.hidden[row] else ""


def outlined(taxonomy: Taxonomy, errors: Floats, max_nodes: int) -> Outline:
    """Return at most `max_nodes` rows that show a taxonomy without its root.

    A node of a DAG stands below the deepest of its parents. Whole branches are left out, those with
    the fewest errors first, and of the last one only as much as is needed.

    Parameters
    ----------
    taxonomy : Taxonomy
        Tree or DAG.
    errors : ndarray of float64, shape (n_nodes,)
        What makes a node worth a row.
    max_nodes : int
        1 or more.
    """
    parents = _outline_parents(taxonomy)
    tops, last = _chains(taxonomy, parents)
    rows = np.flatnonzero(last)
    above = parents[tops]
    children: dict[int, list[int]] = {}
    for node in rows[np.argsort(tops[rows])].tolist():  # siblings in the order of the taxonomy
        children.setdefault(int(above[node]), []).append(node)
    _leave_out(children, above, _below(errors, parents), len(rows) - max_nodes)
    nodes, depths = _preorder(children)
    return _counted(taxonomy, parents, nodes, tops[nodes], depths)


def _outline_parents(taxonomy: Taxonomy) -> NodeIds:
    """Return the parent below which each node stands, the deepest one, and -1 for the root."""
    links = taxonomy.links
    parents = np.full(taxonomy.n_nodes, -1, dtype=np.int32)
    parents[1:] = links.parents[links.offsets[2:] - 1]  # parents are sorted by depth
    return parents


def _chains(taxonomy: Taxonomy, parents: NodeIds) -> tuple[NodeIds, NodeIds]:
    """Return the first node of each node's chain of only children, and whether it is the last."""
    single = np.diff(taxonomy.child_offsets) == 1
    single[0] = False
    one_parent = np.diff(taxonomy.links.offsets) == 1
    continues = np.zeros(taxonomy.n_nodes, dtype=bool)  # the chain of the parent
    continues[1:] = single[parents[1:]] & one_parent[1:]
    tops = np.arange(taxonomy.n_nodes, dtype=np.int32)
    for node in np.flatnonzero(continues).tolist():  # parents come first
        tops[node] = tops[parents[node]]
    last = np.ones(taxonomy.n_nodes, dtype=bool)
    last[parents[continues]] = False
    last[0] = False
    return tops, last


def _below(values: Floats, parents: NodeIds) -> Floats:
    """Return the sums over all nodes at and below each node."""
    sums = values.copy()
    for node in range(len(parents) - 1, 0, -1):  # children come first
        sums[parents[node]] += sums[node]
    return sums


def _leave_out(
    children: dict[int, list[int]], above: NodeIds, errors: Floats, n_too_many: int
) -> None:
    """Take so many nodes out of the lists of children, the branches with the fewest errors first."""
    # A branch may go once nothing is left below its nodes.
    open_ = {node: sum(child in children for child in below) for node, below in children.items()}
    heap = [(_lost(errors, below), node) for node, below in children.items() if not open_[node]]
    heapify(heap)
    while n_too_many > 0:
        _, node = heappop(heap)
        below = children[node]
        least = sorted(below, key=lambda child: (errors[child], -child))[:n_too_many]
        n_too_many -= len(least)
        if len(least) < len(below):
            gone = set(least)
            children[node] = [child for child in below if child not in gone]
            return
        del children[node]
        if node == 0:
            return
        parent = int(above[node])
        open_[parent] -= 1
        if not open_[parent]:
            heappush(heap, (_lost(errors, children[parent]), parent))


def _lost(errors: Floats, nodes: list[int]) -> float:
    return float(errors[nodes].sum())


def _preorder(children: dict[int, list[int]]) -> tuple[NodeIds, NodeIds]:
    nodes, depths = [], []
    stack = [(child, 0) for child in reversed(children.get(0, []))]
    while stack:
        node, depth = stack.pop()
        nodes.append(node)
        depths.append(depth)
        stack += [(child, depth + 1) for child in reversed(children.get(node, []))]
    return np.array(nodes, dtype=np.int32), np.array(depths, dtype=np.int32)


def _counted(
    taxonomy: Taxonomy, parents: NodeIds, nodes: NodeIds, tops: NodeIds, depths: NodeIds
) -> Outline:
    """Return the rows with the number of nodes that are not shown."""
    owners = np.zeros(taxonomy.n_nodes, dtype=np.int32)
    shown = np.zeros(taxonomy.n_nodes, dtype=bool)
    shown[0] = True
    for node, top in zip(nodes.tolist(), tops.tolist(), strict=True):
        shown[node] = True
        while node != top:
            node = int(parents[node])
            shown[node] = True
    for node in range(1, taxonomy.n_nodes):  # parents come first
        owners[node] = node if shown[node] else owners[parents[node]]
    hidden = np.bincount(owners[~shown], minlength=taxonomy.n_nodes)[nodes].astype(np.int32)
    return Outline(taxonomy, nodes, tops, depths, hidden, int((~shown).sum()))
