"""Probabilities when only some answers are possible: Bayes' rule on the answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from sklhier._probabilities.marginals import AnswerMarginals, Marginals
from sklhier._probabilities.sets import SetMarginals
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.typing import Bools, Floats, NodeIds
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._levelwise import bottom_up, maximum_from_below

__all__ = [
    "Permitted",
    "PermittedLabels",
    "PermittedTable",
    "RestrictedMarginals",
    "restricted_paths",
    "restricted_sets",
]


class Permitted(Protocol):
    """Answers that are allowed, for each row or for all rows."""

    def mask(self, rows: slice, nodes: NodeIds) -> Bools:
        """Return which nodes are permitted for some rows, (n_rows, len(nodes)), or (1, ...)."""
        ...


@dataclass(frozen=True)
class PermittedLabels:
    """Labels that are permitted with all that lies below them.

    Attributes
    ----------
    taxonomy : Taxonomy
    marks : csr_array of float64, shape (n_rows, n_nodes), or (1, n_nodes) for all rows
    """

    taxonomy: Taxonomy
    marks: sparse.csr_array

    def mask(self, rows: slice, nodes: NodeIds) -> Bools:
        """Return whether nodes are permitted, or lie below a permitted one."""
        marks = self.marks if self.marks.shape[0] == 1 else self.marks[rows]
        found: Bools = (marks @ self.taxonomy.ancestors_of(nodes).T).toarray() > 0
        return found


@dataclass(frozen=True)
class PermittedTable:
    """A yes or no for each row and class, for that class alone.

    Attributes
    ----------
    table : ndarray or csr_array of bool, shape (n_rows, n_classes)
    classes : ndarray of int32, shape (n_classes,)
        The node of each column.
    """

    table: Any
    classes: NodeIds

    def mask(self, rows: slice, nodes: NodeIds) -> Bools:
        """Return whether nodes have a column, and a yes in it."""
        part = self.table[rows]
        part = part.toarray() if sparse.issparse(part) else part  # type: ignore[attr-defined]
        position = np.full(1 + max(nodes.max(), self.classes.max()), -1, dtype=np.intp)
        position[self.classes] = np.arange(len(self.classes))
        columns = position[nodes]
        found: Bools = part[:, columns] & (columns >= 0)
        return found


def _refuse_nothing(mask: Bools, first_row: int) -> None:
    """Raise a ValueError for the first row where nothing is permitted."""
    nothing = ~mask.any(axis=1)
    if nothing.any():
        where = f"row {first_row + int(np.argmax(nothing))}" if len(mask) > 1 else "any row"
        raise ValueError(
            f"`allowed` leaves no answer for {where}: every row must have at least one label that "
            "occurred in training, itself or below it. Add labels, or leave out such rows."
        )


# -- one path for each row ----------------------------------------------------------------


class RestrictedMarginals(AnswerMarginals):
    """Probabilities of the permitted answers, and sums of them.

    Parameters
    ----------
    marginals : Marginals
        Of which the taxonomy and the possible answers are taken.
    proba : ndarray of float64, shape (n_rows, n_answers)
        Probabilities of all possible answers; rows sum to 1.
    permits : ndarray of bool, shape (n_rows, n_answers)
        Which of them are permitted.
    first_row : int
        Number of the first row, for errors.
    """

    def __init__(
        self, marginals: Marginals, proba: Floats, permits: Bools, first_row: int
    ) -> None:
        outcomes = marginals.outcomes
        super().__init__(marginals.taxonomy, outcomes, outcomes.answers, proba)
        self.permits = permits
        self.first_row = first_row

    def refuse_others(self, costs: Floats, actions: NodeIds) -> None:
        """Make actions infinitely dear that have no permitted answer at or below them, in place.

        Raises
        ------
        ValueError
            If a row has no other action.
        """
        above = self.taxonomy.ancestors_of(self.outcomes.answers)[:, actions]
        costs[~((self.permits @ above > 0) | (actions == 0))] = np.inf
        nothing = np.isinf(costs).all(axis=1)
        if nothing.any():
            row = self.first_row + int(np.argmax(nothing))
            raise ValueError(
                f"`allowed` leaves no action of the cost matrix for row {row}: none is an allowed "
                "label or an ancestor of one. Add actions, or labels."
            )

    def ranked(self, k: int) -> tuple[NodeIds, Floats]:
        """Return the `k` most probable answers; probability -1 marks one that is not permitted.

        Equally probable answers are in the order of classes.
        """
        answers = self.outcomes.answers
        order = np.argsort(self.outcomes.rank[answers])
        proba = np.where(self.permits, self._proba, -1.0)[:, order]
        best = np.argsort(-proba, axis=1, kind="stable")[:, :k]
        return answers[order][best], np.take_along_axis(proba, best, axis=1)

    def top(self, k: int) -> tuple[NodeIds, Floats]:
        """Return the `k` most probable permitted answers and their probabilities.

        Raises
        ------
        ValueError
            If fewer are permitted for some row.
        """
        n_permitted = self.permits.sum(axis=1)
        row = int(np.argmin(n_permitted))
        if n_permitted[row] < k:
            raise ValueError(
                f"`k` must be at most the number of answers that `allowed` leaves, which is "
                f"{n_permitted[row]} for row {self.first_row + row}, got {k}."
            )
        return self.ranked(k)


def restricted_paths(blocks: Iterable[Marginals], permitted: Permitted) -> Iterator[Marginals]:
    """Yield the probabilities of blocks of rows, given that a permitted answer is right.

    Those of other answers are 0, and the rest is divided by its sum. Where the sum is 0, all
    permitted answers are equally probable. Rows without a restriction keep their numbers.
    """
    start = 0
    for marginals in blocks:
        yield from _restricted(marginals, permitted, start)
        start += marginals.n_rows


def _restricted(marginals: Marginals, permitted: Permitted, start: int) -> Iterator[Marginals]:
    answers, n_rows = marginals.outcomes.answers, marginals.n_rows
    permits = permitted.mask(slice(start, start + n_rows), answers)
    _refuse_nothing(permits, start)
    if permits.all():
        yield marginals
        return
    permits = np.broadcast_to(permits, (n_rows, len(answers)))
    proba = marginals.answer_proba(answers)
    # A block holds one table of answers; two more of nodes are made for parts of it.
    for rows in row_blocks(n_rows, 3 * marginals.taxonomy.n_nodes):
        part = _given(proba[rows], permits[rows])
        yield RestrictedMarginals(marginals, part, permits[rows], start + rows.start)


def _given(proba: Floats, permits: Bools) -> Floats:
    """Return probabilities of answers given that one of the permitted ones is right."""
    kept = np.where(permits, proba, 0.0)
    total = kept.sum(axis=1, keepdims=True)
    lost = total[:, 0] == 0
    kept[lost] = permits[lost]
    total[lost] = permits[lost].sum(axis=1, keepdims=True)
    total[permits.all(axis=1)] = 1.0
    return kept / total


# -- several labels for each row ----------------------------------------------------------


def restricted_sets(
    marginals: SetMarginals,
    permitted: Permitted,
    observed: NodeIds,
    classes: NodeIds,
    start: int,
) -> SetMarginals:
    """Return the probabilities of a block of rows where only some labels are possible.

    Those of other nodes are 0. A node that is no class is permitted, too, if all its children that
    were seen in training are. Any other node above permitted ones gets the largest probability below
    it, so that no node is more probable than its parent.

    Parameters
    ----------
    marginals : SetMarginals
        Of the block.
    permitted : Permitted
    observed : ndarray of int32
        Ids of the nodes that had a sample in training.
    classes : ndarray of int32
        Ids of the nodes that are labels themselves.
    start : int
        Number of the first row.
    """
    n_rows, n_nodes = marginals.node_proba.shape
    mask = permitted.mask(slice(start, start + n_rows), np.arange(n_nodes, dtype=np.int32))
    _refuse_nothing(mask[:, observed], start)
    mask = _with_full_parents(mask, classes, observed, marginals.taxonomy)
    if mask[:, observed].all():
        return marginals
    raw, node_proba = (
        _closed_again(table, mask, marginals.taxonomy)
        for table in (marginals.raw, marginals.node_proba)
    )
    return SetMarginals(marginals.taxonomy, raw, node_proba)


def _with_full_parents(
    mask: Bools, classes: NodeIds, observed: NodeIds, taxonomy: Taxonomy
) -> Bools:
    """Return a mask of nodes with those, but for classes, whose observed children are all in it."""
    values = mask.T.astype(np.float64)
    unseen = np.ones(len(values), dtype=bool)
    unseen[observed] = False
    values[unseen] = 1.0  # their probability is 0
    joins = np.ones(len(values), dtype=bool)
    joins[classes] = False
    for step in bottom_up(taxonomy):
        full = step.reduced(np.minimum, values) > 0
        values[step.nodes] = np.where(joins[step.nodes, None] & full, 1.0, values[step.nodes])
    return values.T > 0


def _closed_again(table: Floats, mask: Bools, taxonomy: Taxonomy) -> Floats:
    values = np.where(mask, table, 0.0).T.copy()
    maximum_from_below(values, taxonomy)
    # A permitted node keeps its own number: raw scores may be larger below it.
    kept = np.where(mask, table, values.T)
    kept[:, 0] = table[:, 0]
    return kept
