"""Labels in the terms of a taxonomy: paths as columns of steps, sets as tables of 0 and 1."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._utils.columns import values_of
from sklhier._utils.frozen import frozen_property
from sklhier._utils.typing import NodeIds, Objects, Rows, SparseTable
from sklhier.exceptions import TargetError
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._names import Names
from sklhier.taxonomy._parsing import grouped, label_array, members_by_row, read_bits

__all__ = ["LabelTables"]


class LabelTables(Names):
    """Paths and sets of labels for :class:`~sklhier.Taxonomy`, which inherits them."""

    # -- paths ----------------------------------------------------------------------------

    def to_levels(self, labels: Iterable[object], *, titled: bool = False) -> Objects:
        """Return the path of each label, one column for each level, padded with None.

        Parameters
        ----------
        labels : array-like, shape (n_samples,)
            Names of nodes; None stands for the root.
        titled : bool, default=False
            Return text: each step followed by the title of its node, if it has one.

        Returns
        -------
        levels : ndarray of object, shape (n_samples, n_levels)
            Steps from the first level down, in their own types unless `titled`.
        """
        values = values_of(label_array(labels))
        nodes = self.ids(values)
        if (nodes < 0).any():
            nodes[[value is None for value in values]] = 0
        if (nodes < 0).any():
            unknown = [value for value, node in zip(values, nodes, strict=True) if node < 0]
            raise TargetError.unknown(list(dict.fromkeys(unknown)), self._names[1:])
        return self.levels_of(nodes, titled=titled)

    def path_ids(self, nodes: NodeIds) -> NodeIds:
        """Return the ancestor at each level, or -1 below a node's own level.

        Parameters
        ----------
        nodes : ndarray of int32, shape (n,)
            Ids of nodes of a tree.

        Returns
        -------
        paths : ndarray of int32, shape (n, n_levels)
            Column ``k`` holds the ancestor of depth ``k + 1``.
        """
        self.require_tree("A path")
        distinct, rows = np.unique(np.maximum(nodes, 0), return_inverse=True)
        above = self.ancestors_of(distinct)
        paths = np.full((len(distinct), self.n_levels), -1, dtype=np.int32)
        paths[ops.entry_rows(above), self._depths[above.indices] - 1] = above.indices
        return paths[rows]

    def levels_of(self, nodes: NodeIds, *, titled: bool = False) -> Objects:
        """Return the steps of each node's path, as :meth:`to_levels`, from ids."""
        paths = self.path_ids(nodes)
        levels = (self._step_texts if titled else self.step_names)[paths]
        levels[paths < 0] = None
        return levels

    @cached_property
    def _step_codes(self) -> dict[Hashable, int]:
        return {step: code for code, step in enumerate(dict.fromkeys(self._steps))}

    @frozen_property
    def _step_edges(self) -> tuple[Any, NodeIds]:
        """Keys ``parent * n_steps + step`` of all edges, ascending, and the child of each."""
        codes = np.fromiter(map(self._step_codes.__getitem__, self._steps), np.int64, self.n_nodes)
        keys = self._edges[0] * np.int64(len(self._step_codes)) + codes[self._edges[1]]
        order = np.argsort(keys, kind="stable")  # for binary search, one for all rows of a level
        return keys[order], self._edges[1][order]

    def walk(self, columns: Sequence[Sequence[Hashable]], codes: Rows) -> NodeIds:
        """Follow paths from the root; the inverse of :meth:`path_ids`.

        Parameters
        ----------
        columns : sequence of sequences of hashable
            Distinct steps at each level.
        codes : ndarray of int, shape (n, n_levels)
            Position in ``columns[level]``, -1 for padding.

        Returns
        -------
        nodes : ndarray of int32, shape (n,)
            The node at which each path ends; ``-2 - k`` if its step ``k`` leads nowhere.
        """
        keys, children = self._step_edges
        nodes = np.zeros(codes.shape[0], dtype=np.int32)
        for level, uniques in enumerate(columns):
            step_codes = np.fromiter(
                map(self._step_codes.get, uniques, repeat(-1)), np.int64, len(uniques)
            )
            rows = np.flatnonzero((codes[:, level] >= 0) & (nodes >= 0))
            step = step_codes[codes[rows, level]]
            wanted = nodes[rows] * np.int64(len(self._step_codes)) + step
            # A key past the end is compared with the last one, and differs from it.
            found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            hit = (keys[found] == wanted) & (step >= 0)
            nodes[rows] = np.where(hit, children[found], -2 - level)
        return nodes

    # -- label sets -----------------------------------------------------------------------

    def members_of(self, label_sets: Iterable[object]) -> sparse.csr_array:
        """Mark the labels of each row: float64 0/1, shape (n_samples, n_nodes).

        `label_sets`, and the errors, as for :meth:`binarize`.
        """
        labels, counts = members_by_row(label_sets)
        nodes = self.ids(labels)
        if (nodes < 0).any():
            unknown = [labels[entry] for entry in np.flatnonzero(nodes < 0).tolist()]
            raise TargetError.unknown(list(dict.fromkeys(unknown)), self._names[1:])
        if (nodes == 0).any():
            entry = int(np.argmax(nodes == 0))
            row = int(np.searchsorted(np.cumsum(counts), entry, side="right"))
            raise TargetError.names_root(labels[entry], f" in row {row}")
        marks = (np.ones(len(nodes)), nodes, ops.offsets_of(counts))
        return ops.marked(sparse.csr_array(marks, shape=(len(counts), self.n_nodes)))

    def most_specific_of(self, closed: sparse.csr_array) -> sparse.csr_array:
        """Leave out of each row the nodes that have a descendant in it.

        Parameters
        ----------
        closed : csr_array, shape (n_samples, n_nodes)
            Sets closed under ancestors, the root left out.

        Returns
        -------
        specific : csr_array of float64, shape (n_samples, n_nodes)
            0/1, sorted, without explicit zeros.
        """
        specific = ops.marked(closed.copy())
        specific.data = ops.most_specific(specific, *self._edges).astype(np.float64)
        return ops.marked(specific)

    def binarize(
        self, label_sets: Iterable[object], *, closed: bool = True, sparse_output: bool = True
    ) -> Any:
        """Turn collections of labels into an indicator with a column for each of ``nodes[1:]``.

        Parameters
        ----------
        label_sets : iterable of collections of hashable
            Names of nodes for each sample: a list, tuple, set or array. None and an empty
            collection are the empty set. The root has no column and is refused.
        closed : bool, default=True
            Mark the ancestors of the labels as well.
        sparse_output : bool, default=True
            Whether to return a sparse or a dense array.

        Returns
        -------
        Y : csr_array or ndarray of int64, shape (n_samples, n_nodes - 1)
            1 for the members of the set, 0 for the rest.

        Raises
        ------
        TargetError
            For a label that is missing, not a node or the root, and a row that is not a collection.

        See Also
        --------
        inverse_binarize : The way back.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": None})
        >>> taxonomy.nodes[1:]
        ('bird', 'fish', 'owl', 'wren')
        >>> taxonomy.binarize([["owl", "fish"], ["bird"], []], sparse_output=False)
        array([[1, 1, 1, 0],
               [1, 0, 0, 0],
               [0, 0, 0, 0]])
        """
        members = self.members_of(label_sets)
        if closed:
            members = self.with_ancestors(members)
        Y = members[:, 1:].astype(np.int64)
        return Y if sparse_output else Y.toarray()

    def inverse_binarize(
        self, Y: npt.ArrayLike | SparseTable, *, most_specific: bool = True
    ) -> list[list[Hashable]]:
        """Turn an indicator with a column for each of ``nodes[1:]`` into lists of labels.

        Parameters
        ----------
        Y : array-like or sparse, shape (n_samples, n_nodes - 1)
            0 and 1, of any numeric type.
        most_specific : bool, default=True
            Leave out labels with a descendant in the same row. Otherwise return all marked labels.

        Returns
        -------
        label_sets : list of lists
            Names in the order of ``nodes``.

        Raises
        ------
        TargetError
            For values other than 0 and 1, and for a wrong number of columns.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": None})
        >>> Y = taxonomy.binarize([["owl", "fish"], ["bird"], []])
        >>> taxonomy.inverse_binarize(Y)
        [['fish', 'owl'], ['bird'], []]
        >>> taxonomy.inverse_binarize(Y, most_specific=False)
        [['bird', 'fish', 'owl'], ['bird'], []]
        """
        bits = read_bits(Y)
        if bits.shape[1] != self.n_nodes - 1:
            raise TargetError(
                f"An indicator must have a column for each of the {self.n_nodes - 1} nodes of "
                f"taxonomy.nodes[1:], got {bits.shape[1]} columns."
            )
        columns = np.arange(1, self.n_nodes, dtype=np.int32)
        members = ops.with_columns(bits, columns, self.n_nodes)
        if most_specific:
            members = self.most_specific_of(self.with_ancestors(members))
        return grouped(self.node_names[members.indices].tolist(), members.indptr)
