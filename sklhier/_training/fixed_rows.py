"""Rows of X that are no samples: descriptions of nodes, which folds never cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from sklhier._folds.folds import Splits
from sklhier._local.keys import Kind, ModelKey
from sklhier._local.problem import REST, LocalProblem
from sklhier._utils.typing import Bools, NodeIds, Rows
from sklhier.strategies._memberships import binary_problem
from sklhier.taxonomy import Taxonomy

__all__ = ["FixedRows", "samples_of", "with_fixed"]


@dataclass(frozen=True)
class FixedRows:
    """The last rows of X, which describe nodes.

    They stand in every training part and in no held-out one.

    Attributes
    ----------
    taxonomy : Taxonomy
    n_samples : int
        Number of the rows before them, the samples.
    nodes : ndarray of int32, shape (n_fixed,)
        The node that each describes.
    is_partial : ndarray of bool, shape (n_fixed,)
        Whether the node is no class of its own. Such a row belongs to the node and to all above it,
        and says nothing about what is below.
    """

    taxonomy: Taxonomy
    n_samples: int
    nodes: NodeIds
    is_partial: Bools

    def known(self, rows: Rows, observed: Bools) -> Rows:
        """Return `rows` without descriptions of nodes that have no class at or below them."""
        n_own = len(samples_of(rows, self))
        fixed = rows[n_own:] - self.n_samples
        keep = ~self.is_partial[fixed] | observed[self.nodes[fixed]]
        return rows if keep.all() else np.concatenate([rows[:n_own], rows[n_own:][keep]])

    def cut(self, problems: Iterable[LocalProblem], rows: Rows) -> Iterator[LocalProblem]:
        """Yield problems without the descriptions that say nothing about them.

        Parameters
        ----------
        problems : iterable of LocalProblem
            Their rows are positions in `rows`.
        rows : ndarray of intp
            Positions in X, ascending.
        """
        n_own = len(samples_of(rows, self))
        fixed = rows[n_own:] - self.n_samples
        for problem in problems:
            first = np.searchsorted(problem.rows, n_own)
            own = fixed[problem.rows[first:] - n_own]
            partial = np.flatnonzero(self.is_partial[own])
            if not partial.size:
                yield problem
                continue
            keep = np.ones(len(problem.rows), dtype=bool)
            keep[first + partial] = self._tells(
                problem, self.nodes[own[partial]], problem.codes[first + partial]
            )
            yield from _with_rows(problem, keep)

    def _tells(self, problem: LocalProblem, nodes: NodeIds, codes: Any) -> Bools:
        """Return which descriptions of nodes are examples of a problem."""
        outcomes = problem.outcomes
        if codes.ndim == 1 and not problem.has_rest:
            # Plans give some code to what has no outcome here.
            places = np.minimum(codes, len(outcomes) - 1)
            above = sparse.csr_array(self.taxonomy.ancestors_of(nodes))
            held = np.asarray(above[np.arange(len(nodes)), outcomes[places]]).ravel() > 0
            belongs: Bools = (codes < len(outcomes)) & held
            return belongs
        decided = outcomes[outcomes != REST]
        above = sparse.csr_array(self.taxonomy.ancestors_of(decided))
        counts = np.bincount(above.indices, minlength=self.taxonomy.n_nodes)
        counts[decided] -= 1  # of those above it each has one less than what is at or below it
        is_above = counts[nodes] > 0
        return ~is_above if codes.ndim == 2 else (codes == 1) | ~is_above


def _with_rows(problem: LocalProblem, keep: Bools) -> Iterator[LocalProblem]:
    """Yield what is left of a problem: where some rows are gone, all others may have an outcome."""
    if keep.all():
        yield problem
        return
    weights = None if problem.weights is None else problem.weights[keep]
    left = replace(problem, rows=problem.rows[keep], codes=problem.codes[keep], weights=weights)
    if left.codes.ndim == 1:
        is_constant = left.has_rest and bool((left.codes == 1).all())
        node = int(left.outcomes[-1])
        yield binary_problem(left.key, node, left.rows, None) if is_constant else left
        return
    everywhere = left.codes.all(axis=0)
    for node in left.outcomes[everywhere].tolist():
        yield binary_problem(ModelKey(Kind.NODE, node), node, left.rows, None)
    nodes, codes = left.outcomes[~everywhere], left.codes[:, ~everywhere]
    if len(nodes) > 1:
        yield replace(left, outcomes=nodes, codes=codes)
    elif len(nodes):
        inside = codes[:, 0] == 1
        key = ModelKey(Kind.NODE, int(nodes[0]))
        yield binary_problem(key, int(nodes[0]), left.rows[inside], left.rows[~inside])


def samples_of(rows: Rows, fixed: FixedRows | None) -> Rows:
    """Return those of some ascending rows that are samples."""
    return rows if fixed is None else rows[: np.searchsorted(rows, fixed.n_samples)]


def with_fixed(
    split: Callable[[Rows], Splits], fixed: FixedRows | None
) -> Callable[[Rows], Splits]:
    """Return a function that cuts samples into folds, and adds descriptions to each training part."""
    if fixed is None:
        return split

    def of(rows: Rows) -> Splits:
        samples = samples_of(rows, fixed)
        others = np.arange(len(samples), len(rows))
        return [(np.concatenate([train, others]), test) for train, test in split(samples)]

    return of
