"""Formats of several labels for each sample as tables of 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse

from sklhier._targets.formats_base import Format
from sklhier._targets.given import Given
from sklhier._utils.typing import NodeIds
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._parsing import is_bit, label_array, plain, read_bits, sort_key

__all__ = ["Indicator", "NamedIndicator", "RowsOfBits", "SparseIndicator"]


class Indicator(Format):
    name = "indicator"
    description = "A 2-D array of 0 and 1 with a column for each label"
    why = "it is an array of 2 dimensions"
    containers = "Array of numbers, booleans or objects"
    reads = (
        "Columns are `classes`; without it taxonomy.nodes[1:] or taxonomy.leaves, where these are "
        "sorted, or where all rows have the ancestors of their labels"
    )
    returns = (
        "An array of the same dtype, with 1 for the ancestors as well, as far as they have a "
        "column"
    )

    @staticmethod
    def matches(given: Given) -> bool:
        if not given.is_table or given.is_frame or given.asked != "any":
            return given.is_table and given.asked == "sets"
        if given.taxonomy is not None and given.is_numeric and given.holds_bits:
            sizes = [given.taxonomy.n_nodes - 1, len(given.taxonomy.leaf_ids)]
            known = [] if given.classes is None else [len(given.classes)]
            return given.y.shape[1] in [*sizes, *known] or given.is_mere_bits
        return given.is_mere_bits

    @property
    def table(self) -> Any:
        """The dense or sparse table."""
        return np.asarray(self.given.y)

    @cached_property
    def bits(self) -> sparse.csr_array:
        with self.explained():
            return read_bits(self.table)

    def infer(self, classes: Any = None) -> Taxonomy:
        return Taxonomy.flat(np.arange(self.bits.shape[1]) if classes is None else classes)

    def columns(self, taxonomy: Taxonomy) -> NodeIds:
        """Return the node of each column."""
        classes = self.given.classes
        n_columns, n_nodes, leaves = self.bits.shape[1], taxonomy.n_nodes - 1, taxonomy.leaf_ids
        wanted = (
            f"the {n_nodes} nodes of taxonomy.nodes[1:], or the {len(leaves)} of taxonomy.leaves"
        )
        if classes is not None:
            if n_columns == len(classes):
                names = label_array(classes).tolist()
                return _named(names, taxonomy, " `classes` names the columns of the indicator.")
            wanted = f"the {len(classes)} labels of `classes` (without `classes`: {wanted})"
        elif n_columns in (n_nodes, len(leaves)):
            full = n_columns == n_nodes
            nodes = np.arange(1, n_nodes + 1, dtype=np.int32) if full else leaves
            if not self._order_is_certain(nodes, taxonomy):
                self._refuse_order("nodes[1:]" if full else "leaves")
            return nodes
        with self.explained():
            raise TargetError(
                f"An indicator must have a column for each of {wanted}, got {n_columns} columns. "
                "Name any others with `classes`, or as the columns of a data frame."
            )

    def _order_is_certain(self, nodes: NodeIds, taxonomy: Taxonomy) -> bool:
        """Whether columns are `nodes`, and not the same labels sorted, as other tools write them.

        They are if the nodes are sorted, or if every row is closed under ancestors in their order.
        """
        keys = [sort_key(name) for name in taxonomy.node_names[nodes].tolist()]
        if not self.bits.nnz or all(a <= b for a, b in pairwise(keys)):
            return True
        if len(nodes) < taxonomy.n_nodes - 1 or taxonomy.n_levels == 1:
            return False
        given = ops.with_columns(self.bits, nodes, taxonomy.n_nodes)
        return taxonomy.with_ancestors(given).nnz == given.nnz

    def _refuse_order(self, names: str) -> None:
        with self.explained():
            raise TargetError(
                f"The order of an indicator's columns must be known, got {self.bits.shape[1]} "
                f"columns without names: as many as taxonomy.{names}, which are not sorted like "
                "those of MultiLabelBinarizer. Pass `classes=mlb.classes_`, or "
                f"`classes=taxonomy.{names}`, or name the columns in a data frame."
            )

    def members(self, taxonomy: Taxonomy, columns: NodeIds | None = None) -> sparse.csr_array:
        """Mark the labels of each row; an indicator of as many columns as `columns` has these."""
        if columns is None or len(columns) != self.bits.shape[1]:
            columns = self.columns(taxonomy)
        return ops.with_columns(self.bits, columns, taxonomy.n_nodes)


class SparseIndicator(Indicator):
    name = "sparse indicator"
    description = "A sparse matrix of 0 and 1 with a column for each label"
    why = "it is a sparse matrix"
    containers = "Sparse matrix or array of SciPy"
    reads = "As an indicator"
    returns = "A CSR matrix or array of the same dtype, with 1 for the ancestors as well"

    @staticmethod
    def matches(given: Given) -> bool:
        return bool(sparse.issparse(given.y))

    @property
    def table(self) -> Any:
        return self.given.y


class NamedIndicator(Indicator):
    name = "named indicator"
    description = "A data frame of 0 and 1 whose columns are named by labels, in any order"
    why = "it is a data frame, of labels or of 0 and 1"
    containers = "Data frame of pandas or polars, table of pyarrow"
    reads = "Columns are the nodes of their names, in any order"
    returns = "The same container, with its names and types"

    @staticmethod
    def matches(given: Given) -> bool:
        if not given.is_frame or given.asked != "any":
            return given.is_frame and given.asked == "sets"
        known = () if given.taxonomy is None else given.taxonomy
        named = all(plain(name) in known for name in given.names)
        if named and given.holds_bits:
            return given.is_numeric or not given.spells_paths
        return given.is_mere_bits

    @cached_property
    def bits(self) -> sparse.csr_array:
        with self.explained():
            parts = [read_bits(column[:, None]) for column in self.given.columns]
        return sparse.csr_array(sparse.hstack(parts))

    def infer(self, classes: Any = None) -> Taxonomy:  # noqa: ARG002
        return Taxonomy.flat(self.given.names)

    def columns(self, taxonomy: Taxonomy) -> NodeIds:
        hint = (
            " The columns of a data frame are named by nodes; pass y.to_numpy() if they are not, "
            "and stand in the order of the nodes or of `classes`."
        )
        with self.explained():
            return _named(self.given.names, taxonomy, hint)

    def members(self, taxonomy: Taxonomy, columns: NodeIds | None = None) -> sparse.csr_array:  # noqa: ARG002
        return super().members(taxonomy)


class RowsOfBits(Indicator):
    name = "rows of bits"
    description = "Lists or arrays of 0 and 1, all of one length, with an entry for each label"
    why = "its rows hold 0 and 1, and neither names a node"
    containers = "List, tuple or array of objects with lists or arrays"
    reads = "As an indicator"
    returns = "An array"

    @staticmethod
    def matches(given: Given) -> bool:
        rows = [] if given.asked == "one" else given.rows
        known = () if given.taxonomy is None else given.taxonomy
        if not all(isinstance(row, list | np.ndarray) for row in rows) or 0 in known or 1 in known:
            return False
        alike = len(set(map(len, rows))) == 1 and bool(given.members)
        bits = alike and all(map(is_bit, given.members))
        return bits and (given.asked == "sets" or not given.spells_paths)

    @property
    def table(self) -> Any:
        return np.array([list(row) for row in self.given.rows])


def _named(names: Sequence[Any], taxonomy: Taxonomy, hint: str) -> NodeIds:
    """Return the distinct nodes that columns are named by, the root not among them."""
    names = [plain(name) for name in names]
    nodes = taxonomy.ids(names)
    unknown = [name for name, node in zip(names, nodes.tolist(), strict=True) if node < 0]
    if unknown:
        raise TargetError.unknown(unknown, taxonomy.nodes[1:], hint)
    if (nodes == 0).any():
        raise TargetError(
            f"{taxonomy.root!r} names a column, but it is the root, which every sample belongs to. "
            "Leave it out, or build the taxonomy with `root=None` to make it a class."
        )
    if len(np.unique(nodes)) < len(nodes):
        twice = names[int(np.argmax(np.bincount(nodes)[nodes] > 1))]
        raise TargetError(f"{twice!r} names more than one column. Name each column once.")
    return nodes
