"""Samples on their way down, by held-out scores of the models above."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from sklhier._local.keys import Kind, ModelKey
from sklhier._local.model import LocalModel, Models
from sklhier._local.outputs import conditional
from sklhier._local.problem import REST, LocalProblem
from sklhier._probabilities.marginals import Outcomes
from sklhier._probabilities.products import one_by_one
from sklhier._utils.typing import Bools, Floats, NodeIds, Rows
from sklhier.staging import Routing
from sklhier.strategies import Strategy
from sklhier.taxonomy import Taxonomy

__all__ = ["HeldOutOutputs", "HeldOutScores", "Router"]


@dataclass(frozen=True)
class HeldOutOutputs:
    """Outputs of one model for samples that it was not fitted on.

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
        """Return the outputs of some of the samples."""
        return self.table[np.searchsorted(self.rows, rows)]


class HeldOutScores:
    """Scores of the models of a stage for samples that they were not fitted on."""

    has_rest = False  # samples are sent down by what children have among themselves

    def __init__(
        self, n_rows: int, models: Models, outputs: dict[ModelKey, HeldOutOutputs]
    ) -> None:
        self.n_rows = n_rows
        self._models = models
        self._outputs = outputs

    def _read(
        self, key: ModelKey, rows: Rows | None, read: Callable[[LocalModel, Floats], Floats]
    ) -> Floats:
        held_out = self._outputs[key]
        return read(self._models[key], held_out.table if rows is None else held_out.at(rows))

    def proba(self, key: ModelKey, outcomes: NodeIds, rows: Rows | None = None) -> Floats:
        """Return the probability of each outcome; equal ones where a fold knew none of them."""
        if len(outcomes) == 1:
            return np.ones((self.n_rows if rows is None else len(rows), 1))
        scores = self._read(key, rows, lambda model, outputs: model.link.proba(outputs))
        proba = conditional(scores, self._models[key].outcomes, outcomes)
        # NaN where the fold that held a sample out knew none of the outcomes.
        return np.nan_to_num(proba, nan=1 / len(outcomes))

    def proba_pairs(self, nodes: NodeIds, rows: Rows, outcomes: Outcomes) -> Floats:
        """Return the probabilities of many pairs, node by node."""

        def decide(node: int, members: NodeIds, own: Rows) -> Floats:
            return self.proba(ModelKey(Kind.PARENT, node), members, own)

        return one_by_one(decide, outcomes, nodes, rows)

    def log_weight(self, key: ModelKey, rows: Rows | None = None) -> Floats:
        """Return the logarithm of the weight that a model gives its node."""
        if key not in self._models:
            return np.zeros(self.n_rows if rows is None else len(rows))
        return self._read(key, rows, lambda model, outputs: model.link.log_weight(outputs))

    def log_evidence(self, key: ModelKey, outcomes: NodeIds) -> Floats:
        """Return the logarithm of the probability of each outcome."""
        least = np.finfo(np.float64).tiny
        return np.log(np.maximum(self.proba(key, outcomes), least))

    def node_proba(self, nodes: NodeIds) -> Floats:
        """Raise a TypeError: routing is for one path a sample."""
        raise TypeError(f"Held-out scores of {len(nodes)} nodes by themselves are not kept.")


class Router:
    """The samples that each stage sends to the nodes below it.

    Parameters
    ----------
    routing : Routing
        Says where samples go.
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
        routing: Routing,
        strategy: Strategy,
        taxonomy: Taxonomy,
        outcomes: Outcomes,
        nodes: NodeIds,
    ) -> None:
        self._routing = routing
        self._strategy = strategy
        self._taxonomy = taxonomy
        self._outcomes = outcomes
        self._positions = taxonomy.preorder_positions[nodes]
        # By node: the samples that were sent there, and its held-out probability for them.
        self._sent = {0: (np.arange(len(nodes)), np.ones(len(nodes)))}

    def _parent(self, problem: LocalProblem) -> int:
        key = problem.key
        return int(self._taxonomy.parent_ids[key.number]) if key.kind == Kind.NODE else key.number

    def rows_at(self, problem: LocalProblem) -> Rows:
        """Return the samples that were sent to the node that a problem is about."""
        return self._at(self._parent(problem))[0]

    def _at(self, node: int) -> tuple[Rows, Floats]:
        return self._sent.get(node, (np.zeros(0, dtype=np.intp), np.zeros(0)))

    def _is_below(self, rows: Rows, node: int) -> Bools:
        start = self._taxonomy.preorder_positions[node]
        positions = self._positions[rows]
        return (positions >= start) & (positions < start + self._taxonomy.subtree_sizes[node])

    def routed(self, problem: LocalProblem) -> LocalProblem:
        """Return a problem with the samples that were sent there although they belong elsewhere."""
        parent = self._parent(problem)
        rows, proba = self._at(parent)
        # The node's own samples stay, also those that were not sent there.
        is_extra = ~self._is_below(rows, parent)
        own = np.zeros(len(self._positions))
        own[rows] = proba
        extra = rows[is_extra]
        joined = np.concatenate([problem.rows, extra])
        order = np.argsort(joined, kind="stable")  # some base estimators mind the order of rows
        weights = self._routing.weights(own[joined])
        outcomes, codes = problem.outcomes, problem.codes
        if extra.size and not problem.has_rest:
            outcomes = np.concatenate([[REST], outcomes]).astype(np.int32)
            codes = codes + 1  # the rest class is code 0
        return LocalProblem(
            problem.key,
            outcomes,
            joined[order],
            np.concatenate([codes, np.zeros(len(extra), dtype=codes.dtype)])[order],
            None if weights is None else weights[order],
        )

    def send_down(self, problems: Iterable[LocalProblem], scores: HeldOutScores) -> None:
        """Send samples from the nodes of a stage to their children."""
        marginals = self._strategy.marginals(self._taxonomy, self._outcomes, scores)
        for parent in dict.fromkeys(map(self._parent, problems)):
            rows, proba = self._at(parent)
            if not rows.size:
                continue
            expansion = marginals.expand(rows, np.full(len(rows), parent, dtype=np.int32), proba)
            members = self._outcomes.of_node(parent)
            table = expansion.proba.reshape(len(rows), len(members))
            sends = self._routing.sends(table)
            for column, node in enumerate(members.tolist()):
                if node != parent:  # what stops here goes no further
                    goes = sends[:, column]
                    self._sent[node] = rows[goes], table[goes, column]
