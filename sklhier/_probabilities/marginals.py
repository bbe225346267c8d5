"""Node probabilities, all of them or only those that a decoder needs.

`Outcomes` holds the possible answers below each node. A `Marginals` object gives the
probability of every node for every row: `expand` computes those of the outcomes of chosen
``(row, node)`` pairs, `dense` those of all nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from scipy import sparse

from sklhier._utils.columns import is_frame, table_by_name
from sklhier._utils.frozen import frozen_property
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.rows import as_slice
from sklhier._utils.typing import Bools, Floats, NodeIds, Offsets, Rows
from sklhier._utils.validation import numbers
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = [
    "AnswerMarginals",
    "DenseMarginals",
    "Expansion",
    "HeldOutPaths",
    "Marginals",
    "Outcomes",
    "checked_node_proba",
]


@dataclass(frozen=True)
class Outcomes:
    """The possible answers at each node: observed children, or to stop there.

    The outcomes of node ``v`` are ``nodes[offsets[v]:offsets[v + 1]]``: ids of children, in order,
    and last ``v`` itself where a label may stop although there are observed children.

    Attributes
    ----------
    offsets : ndarray of intp, shape (n_nodes + 1,)
    nodes : ndarray of int32, shape (n_outcomes,)
    observed : ndarray of bool, shape (n_nodes,)
        Whether some label occurs at or below the node.
    classes : ndarray of int32, shape (n_classes,)
        Ids of the nodes that occur as labels, in the order of the classes: of equally probable
        answers the first wins.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.strategies import Outcomes
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> outcomes = Outcomes.of(taxonomy, taxonomy.ids(["bird", "owl", "eel"]), stops=True)
    >>> [taxonomy.nodes[node] for node in outcomes.of_node(taxonomy.id("bird"))]
    ['owl', 'bird']
    >>> [taxonomy.nodes[node] for node in outcomes.answers]
    ['bird', 'owl', 'eel']
    """

    offsets: Offsets
    nodes: NodeIds
    observed: Bools
    classes: NodeIds

    @classmethod
    def of(cls, taxonomy: Taxonomy, labelled: NodeIds, *, stops: bool) -> Self:
        """Find the outcomes, given the nodes that occur as labels.

        Parameters
        ----------
        taxonomy : Taxonomy
            A tree or DAG.
        labelled : ndarray of int32
            Ids of the nodes that occur as labels, in the order of the classes.
        stops : bool
            Whether stopping at a node is an outcome beside its observed children. If not, it
            is one only where no label occurs below.
        """
        observed, below = _observed_nodes(taxonomy, labelled)
        inside = observed[taxonomy.edge_children]
        owners = taxonomy.edge_parents[inside]
        members = taxonomy.edge_children[inside]
        if stops:
            both = np.unique(labelled[below[labelled]]).astype(np.int32)
            owners = np.concatenate([owners, both])
            members = np.concatenate([members, both])
        offsets, nodes = ops.csr_of_pairs(owners, members, taxonomy.n_nodes)
        return cls(offsets, nodes, observed, labelled)

    @frozen_property
    def rank(self) -> Rows:
        """Position of every node among the classes; their number for a node that is none."""
        rank = np.full(len(self.observed), len(self.classes), dtype=np.intp)
        rank[self.classes] = np.arange(len(self.classes))
        return rank

    @frozen_property
    def counts(self) -> Rows:
        """Number of outcomes of every node; 0 where every answer ends."""
        return np.diff(self.offsets)

    @frozen_property
    def owners(self) -> NodeIds:
        """Node of every outcome (ndarray of int32, shape (n_outcomes,))."""
        return np.repeat(np.arange(len(self.counts), dtype=np.int32), self.counts)

    @frozen_property
    def inner(self) -> NodeIds:
        """Ids of the nodes that have outcomes, ascending."""
        return np.flatnonzero(self.counts).astype(np.int32)

    def of_node(self, node: int) -> NodeIds:
        """Return the outcomes of one node."""
        return self.nodes[self.offsets[node] : self.offsets[node + 1]]

    @frozen_property
    def stops(self) -> NodeIds:
        """Ids of the nodes at which an answer may stop although it could go on, ascending."""
        return self.nodes[self.nodes == self.owners]

    @frozen_property
    def answers(self) -> NodeIds:
        """Ids of the nodes at which an answer may end, ascending."""
        is_answer = self.observed & (self.counts == 0)
        is_answer[self.stops] = True
        return np.flatnonzero(is_answer).astype(np.int32)

    @cached_property
    def widest(self) -> int:
        """The largest number of outcomes of a node."""
        return int(self.counts.max())


def _observed_nodes(taxonomy: Taxonomy, labelled: NodeIds) -> tuple[Bools, Bools]:
    """Return the nodes with a label at or below them, and those with one below, as masks."""
    if not taxonomy.is_tree:
        above = taxonomy.ancestors_of(labelled)
        counts = np.asarray(above.sum(axis=0))
        counts[0] = len(labelled)
        own = np.bincount(labelled, minlength=taxonomy.n_nodes)
        return counts > 0, counts > own
    # In preorder a subtree is a range, so a running count tells whether it has a label.
    position, size = taxonomy.preorder_positions, taxonomy.subtree_sizes
    n_labelled = np.zeros(taxonomy.n_nodes + 1, dtype=np.intp)
    n_labelled[position[labelled] + 1] = 1
    np.cumsum(n_labelled, out=n_labelled)
    end = n_labelled[position + size]
    return end > n_labelled[position], end > n_labelled[position + 1]


@dataclass(frozen=True)
class Expansion:
    """The outcomes of ``(row, node)`` pairs, with their probabilities.

    The pairs may come back in another order: segment ``i`` belongs to pair ``order[i]``.

    Attributes
    ----------
    order : ndarray of intp, shape (n_pairs,)
    offsets : ndarray of intp, shape (n_pairs + 1,)
        Segments of the next two.
    nodes : ndarray of int32
        Outcomes; the pair's own node stands for stopping there.
    proba : ndarray of float64
        Their marginals: those of one segment sum to the marginal of the pair's node.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import Taxonomy
    >>> from sklhier.strategies import DenseMarginals, Outcomes
    >>> taxonomy = Taxonomy.flat(["owl", "wren"])
    >>> outcomes = Outcomes.of(taxonomy, taxonomy.leaf_ids, stops=False)
    >>> marginals = DenseMarginals(taxonomy, outcomes, np.array([[1.0, 0.3, 0.7]]))
    >>> found = marginals.expand(np.array([0]), np.array([0]), np.ones(1))  # row 0, at the root
    >>> found.nodes, found.proba
    (array([1, 2], dtype=int32), array([0.3, 0.7]))
    """

    order: Rows
    offsets: Offsets
    nodes: NodeIds
    proba: Floats


class Marginals(Protocol):
    """The probability of every node for every row, computed on request.

    See Also
    --------
    AnswerMarginals : Sums of the probabilities of answers.
    DenseMarginals : A table of all nodes.
    ProductMarginals : Products down the paths.
    """

    taxonomy: Taxonomy
    outcomes: Outcomes
    n_rows: int

    @property
    def is_lazy(self) -> bool:
        """Whether few nodes cost less than all."""
        ...

    def expand(self, rows: Rows, nodes: NodeIds, proba: Floats) -> Expansion:
        """Return the outcomes of ``(rows[i], nodes[i])``, whose marginals are ``proba[i]``.

        Every node must have outcomes.
        """
        ...

    def dense(self) -> DenseMarginals:
        """Compute the marginals of all nodes."""
        ...

    def answer_proba(self, nodes: NodeIds) -> Floats:
        """Return the probability that the answer is each of `nodes`, (n_rows, len(nodes))."""
        ...


@dataclass(frozen=True)
class HeldOutPaths:
    """Samples that the models were not fitted on, with one path each.

    Attributes
    ----------
    marginals : Marginals
        Probabilities of the nodes.
    nodes : ndarray of int32, shape (n_rows,)
        The node of each sample's label.
    weights : ndarray of float64, shape (n_rows,)
        Weights of the samples.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import Taxonomy
    >>> from sklhier.decoders import HeldOutPaths
    >>> from sklhier.strategies import DenseMarginals, Outcomes
    >>> taxonomy = Taxonomy.flat(["owl", "wren"])
    >>> nodes = taxonomy.ids(["wren"])
    >>> outcomes = Outcomes.of(taxonomy, taxonomy.leaf_ids, stops=False)
    >>> marginals = DenseMarginals(taxonomy, outcomes, np.array([[1.0, 0.3, 0.7]]))
    >>> part = HeldOutPaths(marginals, nodes, np.ones(1))
    >>> part.marginals.node_proba[0, part.nodes]
    array([0.7])
    """

    marginals: Marginals
    nodes: NodeIds
    weights: Floats


class DenseMarginals:
    """Marginals of all nodes in a table.

    Parameters
    ----------
    taxonomy : Taxonomy
        A tree.
    outcomes : Outcomes
        Its possible answers.
    node_proba : ndarray of float64, shape (n_rows, n_nodes)
        Marginals of the nodes, root 1.
    stop_proba : ndarray of float64, shape (n_rows, n_nodes), default=None
        Probability that the answer ends at each node. By default the probability of
        the node less that of its children.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import Taxonomy
    >>> from sklhier.strategies import DenseMarginals, Outcomes
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl"], "fish": None})
    >>> outcomes = Outcomes.of(taxonomy, taxonomy.ids(["bird", "owl", "fish"]), stops=True)
    >>> marginals = DenseMarginals(taxonomy, outcomes, np.array([[1.0, 0.75, 0.25, 0.5]]))
    >>> marginals.answer_proba(taxonomy.ids(["bird", "owl"]))  # that it ends at each of them
    array([[0.25, 0.5 ]])
    """

    is_lazy = False

    def __init__(
        self,
        taxonomy: Taxonomy,
        outcomes: Outcomes,
        node_proba: Floats,
        stop_proba: Floats | None = None,
    ) -> None:
        self.taxonomy = taxonomy
        self.outcomes = outcomes
        self.n_rows = len(node_proba)
        self.node_proba = node_proba
        self._given_stop_proba = stop_proba

    @cached_property
    def stop_proba(self) -> Floats:
        """Probability that the answer ends at each node (ndarray, (n_rows, n_nodes))."""
        if self._given_stop_proba is not None:
            return self._given_stop_proba
        below = np.zeros_like(self.node_proba)
        parents = self.taxonomy.edge_parents
        first = ops.run_starts(parents)
        children = self.node_proba[:, self.taxonomy.edge_children]
        below[:, parents[first]] = np.add.reduceat(children, first, axis=1)
        # Children may sum to a little more than their parent, by rounding.
        return np.maximum(self.node_proba - below, 0.0)

    def expand(self, rows: Rows, nodes: NodeIds, proba: Floats) -> Expansion:  # noqa: ARG002
        """Look the outcomes up."""
        outcomes = self.outcomes
        counts = outcomes.counts[nodes]
        flat = ops.concatenated_ranges(outcomes.offsets[nodes], counts)
        # An outcome that is its own node stands for stopping there, with another probability.
        found = outcomes.nodes[flat]
        of_row = np.repeat(rows, counts)
        values = self.node_proba[of_row, found]
        stops = found == outcomes.owners[flat]
        if stops.any():
            values[stops] = self.stop_proba[of_row[stops], found[stops]]
        return Expansion(np.arange(len(rows)), ops.offsets_of(counts), found, values)

    def dense(self) -> DenseMarginals:
        """Return this object."""
        return self

    def answer_proba(self, nodes: NodeIds) -> Floats:
        """Return the probability that the answer is each of `nodes`."""
        in_order = len(nodes) < 2 or (nodes[1:] > nodes[:-1]).all()
        columns = as_slice(nodes) if in_order else nodes
        if isinstance(columns, slice):
            table = self.node_proba[:, columns].copy()
        else:
            table = self.node_proba.take(nodes, axis=1)
        is_inner = self.outcomes.counts[nodes] > 0
        if is_inner.any():
            table[:, is_inner] = 0.0
        stops = np.isin(nodes, self.outcomes.stops)
        if stops.any():
            table[:, stops] = self.stop_proba[:, nodes[stops]]
        return table


class AnswerMarginals:
    """Sums of the probabilities of the answers.

    Parameters
    ----------
    taxonomy : Taxonomy
        A tree.
    outcomes : Outcomes
        Its possible answers.
    answers : ndarray of int32, shape (n_answers,)
        Ids of the nodes at which answers may end.
    proba : ndarray of float64, shape (n_rows, n_answers)
        Their probabilities; rows sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import Taxonomy
    >>> from sklhier.strategies import AnswerMarginals, Outcomes
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": None})
    >>> answers = taxonomy.ids(["owl", "wren", "fish"])
    >>> outcomes = Outcomes.of(taxonomy, answers, stops=True)
    >>> marginals = AnswerMarginals(taxonomy, outcomes, answers, np.array([[0.5, 0.25, 0.25]]))
    >>> marginals.dense().node_proba[:, taxonomy.ids(["bird"])]
    array([[0.75]])
    """

    is_lazy = False

    def __init__(
        self, taxonomy: Taxonomy, outcomes: Outcomes, answers: NodeIds, proba: Floats
    ) -> None:
        self.taxonomy = taxonomy
        self.outcomes = outcomes
        self.n_rows = len(proba)
        self._answers = answers
        self._proba = proba

    @cached_property
    def _table(self) -> DenseMarginals:
        nodes = self._proba @ self.taxonomy.ancestors_of(self._answers)
        nodes[:, 0] = 1.0  # the closure leaves the root out
        stops = np.zeros_like(nodes)
        stops[:, self._answers] = self._proba
        return DenseMarginals(self.taxonomy, self.outcomes, nodes, stops)

    def expand(self, rows: Rows, nodes: NodeIds, proba: Floats) -> Expansion:
        """Look the outcomes up."""
        return self._table.expand(rows, nodes, proba)

    def dense(self) -> DenseMarginals:
        """Return the sums."""
        return self._table

    def answer_proba(self, nodes: NodeIds) -> Floats:
        """Return the probabilities of answers unchanged, 0 for other nodes."""
        position = np.full(self.taxonomy.n_nodes, -1, dtype=np.intp)
        position[self._answers] = np.arange(len(self._answers))
        found = position[nodes]
        table = self._proba[:, found]
        table[:, found < 0] = 0.0
        return table


# How far a table may be from probabilities: averages, and tables rounded to three digits.
_TOLERANCE = 2e-3


def checked_node_proba(node_proba: Any, taxonomy: Taxonomy, *, excludes: bool = True) -> Floats:
    """Return user-given marginals as a clean array.

    Parameters
    ----------
    node_proba : array-like, sparse matrix or data frame, shape (n_samples, n_nodes)
        The columns of a data frame are found by the names of their nodes; it may lack the root.
    taxonomy : Taxonomy
    excludes : bool, default=True
        Whether siblings exclude each other, so that no sum of them is larger than their parent.

    Raises
    ------
    ValueError
        For another shape, for values that are no probabilities, for a root that is not 1 where
        siblings exclude each other, and for children that are more probable than their parent.
    """
    if is_frame(node_proba):
        node_proba = table_by_name(node_proba, taxonomy.nodes, "node_proba")
    if sparse.issparse(node_proba):
        node_proba = node_proba.toarray()  # type: ignore[attr-defined]
    table = numbers("node_proba", node_proba)
    if table.ndim != 2 or table.shape[1] != taxonomy.n_nodes:
        raise ValueError(
            f"`node_proba` must have a row for each sample and {taxonomy.n_nodes} columns, "
            f"one for each node with the root first, as predict_node_proba returns it, got "
            f"shape {table.shape}."
        )
    bad = ~((table >= 0) & (table <= 1 + _TOLERANCE))  # NaN is neither
    if bad.any():
        row, node = np.argwhere(bad)[0]
        raise ValueError(
            f"`node_proba` must hold probabilities, from 0 to 1, got {table[row, node]:g} for "
            f"{taxonomy.nodes[node]!r} in row {row}."
        )
    if not excludes and (table[:, 0] != 1).any():  # label sets do without the root
        table = np.column_stack([np.ones(len(table)), table[:, 1:]])
    bad = table[:, 0] < 1 - _TOLERANCE
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"`node_proba` must begin with the root, which is always 1, got {table[row, 0]:g} in "
            f"row {row}. Pass all columns of predict_node_proba."
        )
    _refuse_incoherent(table, taxonomy, excludes=excludes and taxonomy.is_tree)
    return table


def _refuse_incoherent(table: Floats, taxonomy: Taxonomy, *, excludes: bool) -> None:
    """Raise a ValueError if children are more probable than their parent, alone or in sum."""
    parents, children = taxonomy.edge_parents, taxonomy.edge_children
    first = ops.run_starts(parents)
    for block in row_blocks(len(table), 3 * taxonomy.n_nodes):
        below, part = table[block][:, children], table[block]
        if excludes:
            below = np.add.reduceat(below, first, axis=1)
        above = parents[first] if excludes else parents
        bad = below > part[:, above] + _TOLERANCE
        if bad.any():
            row, place = np.argwhere(bad)[0]
            name = taxonomy.nodes[above[place]]
            what = f"the children of {name!r}"
            if not excludes:
                what = f"{taxonomy.nodes[children[place]]!r}, a child of {name!r}"
            raise ValueError(
                "`node_proba` must not give more to children than to their parent, got "
                f"{below[row, place]:g} for {what}, which has {part[row, above[place]]:g}, in row "
                f"{block.start + row}. Is the table of another taxonomy, or in another order?"
            )
