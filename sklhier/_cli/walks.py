"""Names and paths of text to the nodes of a taxonomy, and nodes to the text that is shown."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from sklhier import Taxonomy
from sklhier._cli.console import cut, did_you_mean, listed

__all__ = ["Walker", "shown_names", "shown_path_of"]


def shown_names(taxonomy: Taxonomy, nodes: Iterable[int]) -> list[str]:
    """Return what the command prints for nodes: the one place where names become text."""
    pairs = [(taxonomy.step_names[node], taxonomy.nodes[node]) for node in nodes]
    titles = taxonomy.titles
    return [f"{step} {titles[name]}" if name in titles else str(step) for step, name in pairs]


def shown_path_of(taxonomy: Taxonomy, node: int) -> str:
    """Return the path to a node as text; in a DAG its name."""
    if not taxonomy.is_tree:
        return shown_names(taxonomy, [node])[0]
    path = taxonomy.path_ids(np.array([node], dtype=np.int32))[0]
    return " / ".join(shown_names(taxonomy, path[path >= 0].tolist()))


class Walker:
    """Finds nodes of a taxonomy by names or paths of text.

    Parameters
    ----------
    taxonomy : Taxonomy
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.taxonomy = taxonomy
        steps = [str(step) for step in taxonomy.step_names]
        self._steps = steps
        self._below = {
            (parent, steps[child]): child
            for parent, child in zip(
                taxonomy.edge_parents.tolist(), taxonomy.edge_children.tolist(), strict=True
            )
        }
        self._by_name = {str(name): i for i, name in enumerate(taxonomy.nodes) if i}
        self._found: dict[tuple[str, ...], tuple[Hashable, str | None]] = {}

    def find(self, steps: Sequence[str], *, is_name: bool) -> tuple[Hashable, str | None]:
        """Return the name of a node, and None; or anything, and why there is no such node."""
        key = (*steps, "") if is_name else tuple(steps)
        if key not in self._found:
            node, reason = self._by_name_of(steps[0]) if is_name else self._walk(steps)
            self._found[key] = (self.taxonomy.nodes[node], reason)
        return self._found[key]

    def _by_name_of(self, name: str) -> tuple[int, str | None]:
        if name in self._by_name:
            return self._by_name[name], None
        hint = did_you_mean(name, list(self._by_name))
        return 0, f"{cut(name)} is not in the taxonomy.{hint}"

    def _walk(self, steps: Sequence[str]) -> tuple[int, str | None]:
        node = 0
        for depth, step in enumerate(steps):
            below = self._below.get((node, step))
            if below is None:
                children = [self._steps[child] for child in self.taxonomy.children_of(node)]
                where = f"below {listed(steps[:depth])}" if depth else "at the first level"
                hint = did_you_mean(step, children)
                return 0, f"the taxonomy has no {cut(step)} {where}.{hint}"
            node = below
        return node, None

    def nodes(self, levels: Any) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Return the node of each path, given one column for each level, padded with None."""
        paths = ([str(step) for step in row if step is not None] for row in levels)
        return np.array([self._walk(path)[0] for path in paths], dtype=np.int32)
