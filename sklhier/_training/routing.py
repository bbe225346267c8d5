"""Where samples go on their way down, by what the models above said of samples left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklhier._local.keys import Kind, place_of
from sklhier._local.model import LocalModel
from sklhier._local.outputs import (
    conditional,
    last_log_weight,
    normalised,
    scoring_method,
)
from sklhier._local.problem import ELSEWHERE, LocalProblem
from sklhier._probabilities.marginals import Outcomes
from sklhier._probabilities.products import one_by_one
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier.strategies import Strategy
from sklhier.taxonomy import Taxonomy

__all__ = ["Arrivals", "Stored", "StoredScores"]

LEAST_WEIGHT = 0.01  # what a member counts at least, and others for less are left out


@dataclass(frozen=True)
class Stored:
    """What a model said of samples, or was made to say.

    Attributes
    ----------
    rows : ndarray of intp, shape (n,)
        The samples, ascending.
    table : ndarray of float64, shape (n, k)
        A number for each outcome.
    """

    rows: Rows
    table: Floats

    def at(self, rows: Rows) -> Floats:
        """Return what was said of some of the samples."""
        return self.table[np.searchsorted(self.rows, rows)]


class StoredScores:
    """Held-out answers, read like those of :class:`sklhier._local.scores.LocalScores`."""

    def __init__(
        self, n_rows: int, models: dict[int, LocalModel], stored: dict[int, Stored]
    ) -> None:
        self.n_rows = n_rows
        self._models = models
        self._stored = stored

    def _read(self, owner: int, rows: Rows, read: Callable[[Floats, bool], Floats]) -> Floats:
        method = scoring_method(self._models[owner].estimator)
        return read(self._stored[owner].at(rows), method == "decision_function")

    def of(self, owner: int, outcomes: NodeIds, rows: Rows) -> Floats:
        """Return the probability of each outcome; equal ones where a fold knew none of them."""
        if len(outcomes) == 1:
            return np.ones((len(rows), 1))
        scores = self._read(owner, rows, normalised)
        proba = conditional(scores, self._models[owner].outcomes, outcomes)
        return np.nan_to_num(proba, nan=1 / len(outcomes))

    def of_pairs(self, owners: NodeIds, rows: Rows, outcomes: Outcomes) -> Floats:
        """Return what :meth:`of` does for pairs that are ascending by place and row, flat."""
        return one_by_one(self.of, outcomes, owners, rows)

    knows_elsewhere = False  # samples are sent on by what children have among themselves

    def log_weight(self, owner: int, rows: Rows) -> Floats:
        """Return the logarithm of how much a place's model is for its node."""
        if owner not in self._models:
            return np.zeros(len(rows))
        return self._read(owner, rows, last_log_weight)


class Arrivals:
    """Which samples the stages above send to each node, and how sure they are of it.

    Parameters
    ----------
    routing : str
        ``"predicted"``, ``"weight"`` or ``"none"``.
    strategy : Strategy
        How scores become probabilities.
    taxonomy : Taxonomy
        A tree.
    outcomes : Outcomes
        The possible answers.
    nodes : ndarray of int32, shape (n_rows,)
        The node of each label.
    """

    def __init__(
        self,
        routing: str,
        strategy: Strategy,
        taxonomy: Taxonomy,
        outcomes: Outcomes,
        nodes: NodeIds,
    ) -> None:
        self._routing = routing
        self._strategy = strategy
        self._taxonomy = taxonomy
        self._outcomes = outcomes
        self._places = taxonomy.preorder_positions[nodes]
        everything = np.arange(len(nodes))
        self._known = {0: (everything, np.ones(len(nodes)))}

    def _home(self, problem: LocalProblem) -> int:
        place = place_of(problem.owner, self._taxonomy)
        return int(
            self._taxonomy.parent_ids[place.index] if place.kind is Kind.NODE else place.index
        )

    def rows_at(self, problem: LocalProblem) -> Rows:
        """Return the samples that arrive at the node that a problem is about."""
        return self._at(self._home(problem))[0]

    def _at(self, node: int) -> tuple[Rows, Floats]:
        if self._routing == "none":
            return self._known[0]
        return self._known.get(node, (np.zeros(0, dtype=np.intp), np.zeros(0)))

    def _is_at(self, rows: Rows, node: int) -> Any:
        start = self._taxonomy.preorder_positions[node]
        places = self._places[rows]
        return (places >= start) & (places < start + self._taxonomy.subtree_sizes[node])

    def routed(self, problem: LocalProblem) -> LocalProblem:
        """Return a problem with the samples that arrive although they belong elsewhere."""
        home = self._home(problem)
        rows, mass = self._at(home)
        is_strange = ~self._is_at(rows, home)
        weights = None
        if self._routing == "weight":
            is_strange &= mass >= LEAST_WEIGHT
            own = np.zeros(len(self._places))
            own[rows] = mass
            weights = np.concatenate(
                [np.maximum(own[problem.rows], LEAST_WEIGHT), mass[is_strange]]
            )
        extra = rows[is_strange]
        outcomes, codes = problem.outcomes, problem.codes
        if extra.size and outcomes[0] != ELSEWHERE:
            outcomes = np.concatenate([[ELSEWHERE], outcomes]).astype(np.int32)
            codes = codes + 1
        joined = np.concatenate([problem.rows, extra])
        order = np.argsort(joined, kind="stable")
        return LocalProblem(
            problem.owner,
            outcomes,
            joined[order],
            np.concatenate([codes, np.zeros(len(extra), dtype=codes.dtype)])[order],
            None if weights is None else weights[order],
        )

    def go_on(self, problems: Iterable[LocalProblem], scores: StoredScores) -> None:
        """Send samples from the nodes of a stage to their children."""
        if self._routing == "none":
            return
        marginals = self._strategy.marginals(self._taxonomy, self._outcomes, scores)  # type: ignore[arg-type]
        for home in dict.fromkeys(self._home(problem) for problem in problems):
            rows, mass = self._at(home)
            if not rows.size:
                continue
            expansion = marginals.expand(rows, np.full(len(rows), home, dtype=np.int32), mass)
            members = self._outcomes.of_node(home)
            table = expansion.proba.reshape(len(rows), len(members))
            chosen = table.argmax(axis=1)
            for column, node in enumerate(members.tolist()):
                if node == home:
                    continue  # stops go no further
                own = table[:, column]
                goes = chosen == column if self._routing == "predicted" else own >= LEAST_WEIGHT
                self._known[node] = rows[goes], own[goes]
