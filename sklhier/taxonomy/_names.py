"""Names, paths and titles of the nodes of a taxonomy."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Self

import numpy as np

from sklhier._utils.columns import array_of
from sklhier._utils.frozen import frozen_property
from sklhier._utils.typing import Labels, Objects
from sklhier.exceptions import TaxonomyError
from sklhier.taxonomy._arrays import Arrays
from sklhier.taxonomy._compile import ROOT
from sklhier.taxonomy._titles import Titles, read_titles, titled_text

__all__ = ["Names"]


class Names(Arrays):
    """Names of the nodes of :class:`~sklhier.Taxonomy`, which inherits them."""

    _steps: tuple[Hashable, ...]
    _titles: dict[Hashable, str]

    @property
    def nodes(self) -> tuple[Hashable, ...]:
        """Names of all nodes in the order of their ids, the root first."""
        return self._names

    @property
    def root(self) -> Hashable | None:
        """Name of the root, or None if it is an artificial one."""
        return None if self._names[0] is ROOT else self._names[0]

    @property
    def leaves(self) -> tuple[Hashable, ...]:
        """Names of the nodes without children."""
        return tuple(self._names[leaf] for leaf in self.leaf_ids)

    @property
    def levels(self) -> tuple[tuple[Hashable, ...], ...]:
        """Names by level from the top; ``levels[0]`` holds the children of the root."""
        offsets = self.level_offsets.tolist()
        return tuple(self._names[start:stop] for start, stop in pairwise(offsets[1:]))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, Hashable) and name in self._index

    def depth(self, name: Hashable) -> int:
        """Return the depth of a node; the root has 0, its children at least 1."""
        return int(self._depths[self.id(name)])

    def children(self, name: Hashable) -> tuple[Hashable, ...]:
        """Return the names of a node's children."""
        return tuple(self._names[child] for child in self.children_of(self.id(name)))

    def parents(self, name: Hashable) -> tuple[Hashable, ...]:
        """Return the names of a node's parents, an artificial root left out."""
        above = (self._names[parent] for parent in self.parents_of(self.id(name)))
        return tuple(parent for parent in above if parent is not ROOT)

    def _reached(self, start: int, *, up: bool) -> dict[int, int]:
        """Return the ids reached from `start`, each with the least number of steps."""
        step = self.parents_of if up else self.children_of
        found = {start: 0}
        todo = [start]
        for node in todo:  # grows while it is read
            for other in step(node).tolist():
                if other not in found:
                    found[other] = found[node] + 1
                    todo.append(other)
        return found

    def ancestors(self, name: Hashable) -> tuple[Hashable, ...]:
        """Return the names of all nodes above a node, from the top, the root left out."""
        start = self.id(name)
        above = sorted(self._reached(start, up=True).keys() - {0, start})
        return tuple(self._names[node] for node in above)

    def descendants(self, name: Hashable) -> tuple[Hashable, ...]:
        """Return the names of all nodes below a node, from the top."""
        start = self.id(name)
        below = sorted(self._reached(start, up=False).keys() - {start})
        return tuple(self._names[node] for node in below)

    def path(self, name: Hashable) -> tuple[Hashable, ...]:
        """Return the names from the first level down to a node, the root left out.

        Raises
        ------
        TaxonomyError
            If several paths lead there.
        """
        walk: list[int] = []
        node = self.id(name)
        while node:
            walk.append(node)
            above = self.parents_of(node)
            if len(above) > 1:
                several = [self._names[parent] for parent in above]
                raise TaxonomyError.not_a_tree("The path to a node", self._names[node], several)
            node = int(above[0])
        return tuple(self._names[node] for node in reversed(walk))

    def lca(self, first: Hashable, second: Hashable) -> Hashable | None:
        """Return the lowest common ancestor of two nodes (a node counts as its own ancestor).

        In a DAG the deepest one; ties go to the first in node order. None means an artificial root.
        """
        common = self._reached(self.id(first), up=True).keys() & self._reached(
            self.id(second), up=True
        )
        deepest = max(common, key=lambda node: (self._depths[node], -node))
        return self.root if deepest == 0 else self._names[deepest]

    def distance(self, first: Hashable, second: Hashable) -> int:
        """Return the number of edges between two nodes, by way of a common ancestor."""
        up_first = self._reached(self.id(first), up=True)
        up_second = self._reached(self.id(second), up=True)
        return min(up_first[node] + up_second[node] for node in up_first.keys() & up_second)

    @frozen_property
    def step_names(self) -> Objects:
        """Last step of the path to each node (ndarray of object, shape (n_nodes,))."""
        steps = np.empty(self.n_nodes, dtype=object)
        steps[:] = self._steps
        return steps

    @frozen_property
    def typed_names(self) -> Labels:
        """Names of all nodes but the root, as an array of their own type."""
        return array_of(list(self._names[1:]))

    @frozen_property
    def _step_texts(self) -> Objects:
        texts = np.empty(self.n_nodes, dtype=object)
        texts[:] = list(map(self.text_of, range(self.n_nodes)))
        return texts

    @frozen_property
    def node_names(self) -> Objects:
        """Names of all nodes (ndarray of object, shape (n_nodes,))."""
        names = np.empty(self.n_nodes, dtype=object)
        names[:] = self._names
        return names

    # -- titles ---------------------------------------------------------------------------

    @property
    def titles(self) -> Mapping[Hashable, str]:
        """Titles by name, of the nodes that have one, in the order of ``nodes``; read-only."""
        return MappingProxyType(self._titles)

    def title_of(self, name: Hashable) -> str | None:
        """Return the title of a node, or None if it has none."""
        return self._titles.get(self._names[self.id(name)])

    def titled(self, names: Iterable[object]) -> list[str]:
        """Return names as text, each followed by its title if it has one.

        Parameters
        ----------
        names : iterable of hashable
            Names of nodes; None stands for the root.

        Returns
        -------
        texts : list of str

        Raises
        ------
        TaxonomyError
            For a name that is not a node.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> taxonomy = Taxonomy.from_dict({"31-33": ["311"]}, titles={"31-33": "Manufacturing"})
        >>> taxonomy.titled(["31-33", "311"])
        ['31-33 Manufacturing', '311']
        """
        known = [self._names[0] if name is None else self._names[self.id(name)] for name in names]
        return [titled_text(name, self._titles.get(name)) for name in known]

    def with_titles(self, titles: Titles, *, unknown: str = "error") -> Self:
        """Return the taxonomy with new titles, which displays and reports show beside the names.

        Titles are words for readers: labels are always names, and taxonomies that differ only in
        titles are equal.

        Parameters
        ----------
        titles : mapping of names to titles, or sequence of str
            A mapping may leave nodes out; a sequence has one title for each of ``nodes``. None, NaN
            and blank text mean no title; an empty mapping removes all titles.
        unknown : {"error", "ignore"}, default="error"
            Whether to refuse or to skip titles of unknown names.

        Raises
        ------
        TaxonomyError
            For a title that is not a string, a title of an unknown name, and a sequence of the
            wrong length.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> taxonomy = Taxonomy.from_dict({"31-33": ["311", "312"]})
        >>> print(taxonomy.with_titles({"31-33": "Manufacturing", "311": "Food"}))
        31-33 Manufacturing
        ├── 311 Food
        └── 312
        """
        words = read_titles(titles, self._names, unknown)
        twin = object.__new__(type(self))
        # All other attributes never change: what is computed already serves both.
        twin.__dict__.update(self.__dict__, _titles=words)
        twin.__dict__.pop("_step_texts", None)
        return twin

    def text_of(self, node: int) -> str:
        """Return the last step and the title of the node with id `node`, as displays show it."""
        return titled_text(self._steps[node], self._titles.get(self._names[node]))
