"""What all local models together say of some samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from sklearn.utils.validation import _num_samples

from sklhier._local import linear_predict
from sklhier._local.extra_features import Columns, columns_of
from sklhier._local.keys import member_offset, place_of
from sklhier._local.linear_fit import Packing
from sklhier._local.model import LocalModel, View
from sklhier._local.outputs import (
    conditional,
    last_log_weight,
    memberships,
    normalised,
    outputs_of,
    read_answer,
    scoring_method,
    table_of,
)
from sklhier._local.problem import ELSEWHERE
from sklhier._local.sparse_rows import SparseRows
from sklhier._probabilities.marginals import Outcomes
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Bools, Floats, NodeIds, Rows
from sklhier.exceptions import LocalPredictError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["LocalScores"]


@dataclass(frozen=True)
class _Together:
    """What linear models have in common that are asked in one go.

    Attributes
    ----------
    method : str
        The prediction method that stands for their answers.
    link : callable
        How decision scores become the answer.
    n_outcomes : int
        Number of outcomes of each.
    dtype : dtype
        Of their weights.
    """

    method: str
    link: Callable[[Floats], Floats]
    n_outcomes: int
    dtype: Any


class LocalScores:
    """The local models' probabilities for some samples.

    Parameters
    ----------
    models : mapping of int to LocalModel
        By number of the place that decides.
    X : array-like
        Samples.
    taxonomy : Taxonomy
        For error messages, and the numbers of places.
    offset : int, default=0
        What is added to the numbers of places that are asked for.
    staged : bool, default=True
        Whether to look for models that see others, or that were shown samples of other nodes.
    """

    def __init__(
        self,
        models: dict[int, LocalModel],
        X: Any,
        taxonomy: Taxonomy,
        offset: int = 0,
        *,
        staged: bool = True,
    ) -> None:
        self.n_rows = _num_samples(X)
        self._models = models
        self._X = X
        self._taxonomy = taxonomy
        self._offset = offset
        self._staged = staged
        # Models that others see are asked only once about a sample.
        self._seen = (
            {owner for model in models.values() if model.view for owner in model.view.owners}
            if staged
            else set()
        )
        self._known: dict[tuple[int, str], tuple[Floats, Bools]] = {}
        # Decision scores for all rows, of models that were asked together; for one use.
        self._ready: dict[int, Floats] = {}

    @cached_property
    def _sparse(self) -> SparseRows | None:
        """The samples as linear models are asked about them, if they can be."""
        return SparseRows.of(self._X)

    def of_member(self, member: int) -> LocalScores:
        """Return the scores of one strategy of an ensemble."""
        scores = copy(self)
        scores._offset += member_offset(member, self._taxonomy)
        return scores

    def of(self, owner: int, outcomes: NodeIds, rows: Rows | None = None) -> Floats:
        """Return the probability of each outcome of a place, given that one of them is right.

        Parameters
        ----------
        owner : int
            Number of the place.
        outcomes : ndarray of int32, shape (k,)
            The outcomes asked about: those that the place's model decides about, or some of them
            in the same order.
        rows : ndarray of intp, shape (n,), default=None
            Positions of samples, ascending; all by default.

        Returns
        -------
        proba : ndarray of float64, shape (n, k)
            Rows sum to 1.
        """
        if len(outcomes) == 1:
            return np.ones((self._n_asked(rows), 1))
        scores = self._ask(owner, rows, normalised)
        model = self._models[owner + self._offset]
        proba = conditional(scores, model.outcomes, outcomes)
        if not np.isfinite(proba).all():
            strange = ~np.isfinite(proba).all(axis=1)
            raise LocalPredictError.not_a_distribution(
                model.estimator,
                place_of(owner + self._offset, self._taxonomy),
                len(scores),
                f"for {int(strange.sum())} of them all probabilities are zero or NaN",
            )
        return proba

    def of_pairs(self, owners: NodeIds, rows: Rows, outcomes: Outcomes) -> Floats:
        """Return what :meth:`of` does for many pairs of a node and a sample.

        Linear models that have equally many outcomes are asked together.

        Parameters
        ----------
        owners : ndarray of int32, shape (n_pairs,)
            Nodes that decide, ascending.
        rows : ndarray of intp, shape (n_pairs,)
            Positions of samples, ascending for each node.
        outcomes : Outcomes
            Those of each node.

        Returns
        -------
        proba : ndarray of float64, shape (n,)
            The probabilities of each pair's outcomes, one pair after the other.
        """
        counts = outcomes.counts[owners]
        starts = ops.run_starts(owners)
        if len(starts) == 1:
            return self._of_one(int(owners[0]), outcomes, rows).ravel()
        offsets = ops.offsets_of(counts)
        proba = np.ones(offsets[-1])
        bounds = [*starts.tolist(), len(owners)]
        groups: dict[_Together, list[tuple[int, int, int]]] = {}
        for owner, start, stop in zip(owners[starts].tolist(), bounds, bounds[1:], strict=False):
            if counts[start] < 2:
                continue
            group = self._together(owner, int(counts[start]))
            if group is None:
                table = self.of(owner, outcomes.of_node(owner), rows[start:stop])
                proba[offsets[start] : offsets[stop]] = table.ravel()
            else:
                groups.setdefault(group, []).append((owner, start, stop))
        for group, segments in groups.items():
            pairs = np.concatenate([np.arange(start, stop) for _, start, stop in segments])
            table = self._of_group(group, segments, rows[pairs])
            if not np.isfinite(table).all():  # for `of` to refuse
                parts = [self.of(v, outcomes.of_node(v), rows[i:j]) for v, i, j in segments]
                table = np.concatenate(parts)
            proba[offsets[pairs][:, None] + np.arange(group.n_outcomes)] = table
        return proba

    def _of_one(self, owner: int, outcomes: Outcomes, rows: Rows) -> Floats:
        members = outcomes.of_node(owner)
        group = self._together(owner, len(members)) if len(members) > 1 else None
        if group is not None:
            table = self._of_group(group, [(owner, 0, len(rows))], rows)
            if np.isfinite(table).all():
                return table
        return self.of(owner, members, rows)

    def _together(self, owner: int, n_outcomes: int) -> _Together | None:
        """Return what models have in common that are asked together; None for others."""
        number = owner + self._offset
        model = self._models[number]
        outcomes, packing = model.outcomes, model.packing
        if packing is None or self._sparse is None or number in self._seen:
            return None
        if model.is_joint or len(outcomes) != n_outcomes or outcomes[0] == ELSEWHERE:
            return None
        if not linear_predict.takes(model.estimator, packing, self._sparse):
            return None
        method = scoring_method(model.estimator)
        link = linear_predict.link_of(model.estimator, method, self._sparse)
        n_scores = linear_predict.n_scores_of(model.estimator)
        if link is None or n_scores != (1 if n_outcomes == 2 else n_outcomes):
            return None
        return _Together(method, link, n_outcomes, model.estimator.coef_.dtype)

    def _of_group(
        self, group: _Together, segments: list[tuple[int, int, int]], rows: Rows
    ) -> Floats:
        """Return the probabilities of outcomes from models that are asked together."""
        models = [self._models[owner + self._offset] for owner, _, _ in segments]
        bounds = ops.offsets_of([stop - start for _, start, stop in segments]).tolist()
        asked: Any = [(model.estimator, model.packing) for model in models]
        scores = linear_predict.scores_of(asked, self._sparse.at(rows), bounds)  # type: ignore[union-attr]
        table = table_of(group.link(scores), group.method, group.n_outcomes)
        shares = normalised(table, group.method == "decision_function")
        return conditional(shares, models[0].outcomes, models[0].outcomes)

    @property
    def knows_elsewhere(self) -> bool:
        """Whether samples of other nodes were sent to some model, which learnt to tell them."""
        return self._staged and any(model.share_here < 1 for model in self._models.values())

    def log_evidence(self, owner: int, outcomes: NodeIds) -> Floats:
        """Return how much a place's model speaks for each outcome, "not here" being one more.

        Parameters
        ----------
        owner : int
            Number of the place.
        outcomes : ndarray of int32, shape (k,)
            The outcomes asked about.

        Returns
        -------
        log_evidence : ndarray of float64, shape (n_samples, k)
            The logarithm of the probability of each outcome, less that of the share of the model's
            training samples that were not "not here": what is as probable here as these were has
            outcomes whose evidence sums to 1. 0 where there is no model, and never minus infinity.
        """
        model = self._models.get(owner + self._offset)
        if model is None:
            return np.zeros((self.n_rows, len(outcomes)))
        scores = self._ask(owner, None, normalised)
        proba = conditional(scores, model.outcomes, model.outcomes)
        own = proba[:, np.isin(model.outcomes, outcomes)] / model.share_here
        return np.log(np.maximum(own, np.finfo(np.float64).tiny))

    def log_weight(self, owner: int, rows: Rows | None = None) -> Floats:
        """Return the logarithm of how much a place's model is for its node.

        The model decides between "not here" (code 0) and its node (code 1). Weights of several
        places can be compared: they are probabilities, or decision scores on a common scale.

        Parameters
        ----------
        owner : int
            Number of the place. Without a model there its node has the weight 1.
        rows : ndarray of intp, shape (n,), default=None
            Positions of samples, ascending; all by default.

        Returns
        -------
        log_weight : ndarray of float64, shape (n,)
            Minus infinity where the model rules its node out.
        """
        if owner + self._offset not in self._models:
            return np.zeros(self._n_asked(rows))
        weights = self._ask(owner, rows, last_log_weight)
        if np.isnan(weights).any() or np.isposinf(weights).any():
            number = owner + self._offset
            raise LocalPredictError.not_a_distribution(
                self._models[number].estimator,
                place_of(number, self._taxonomy),
                len(weights),
                "some of its scores are NaN or infinite",
            )
        return weights

    def of_nodes(self, nodes: NodeIds) -> Floats:
        """Return the probability of each node, from all models that decide about it alone.

        Parameters
        ----------
        nodes : ndarray of int32
            Ids of the nodes asked about. Those without a model are constants: 1.

        Returns
        -------
        proba : ndarray of float64, shape (n_samples, n_nodes)
            The root has 1, and nodes not asked about 0.
        """
        table = np.zeros((self.n_rows, self._taxonomy.n_nodes))
        table[:, nodes] = 1.0
        table[:, 0] = 1.0
        is_asked = np.zeros(self._taxonomy.n_nodes, dtype=bool)
        is_asked[nodes] = True
        last = self._offset + member_offset(1, self._taxonomy)
        numbers = [
            number
            for number in sorted(n for n in self._models if self._offset <= n < last)
            # Others are models of nodes without a sample so far.
            if is_asked[self._models[number].outcomes].any(where=self._models[number].outcomes > 0)
        ]
        for siblings in self._alike(numbers):
            self._ask_together(siblings)
            for number in siblings:
                owner, outcomes = number - self._offset, self._models[number].outcomes
                if self._models[number].is_joint:
                    table[:, outcomes] = self._ask(owner, None, memberships)
                else:
                    table[:, outcomes[1]] = self.of(owner, outcomes)[:, 1]
        return table

    def _alike(self, numbers: list[int]) -> Iterator[list[int]]:
        """Group models, side by side, that are binary linear models of the same columns.

        For few rows it does not pay.
        """
        if self._sparse is None or not self._sparse.are_many:
            yield from ([number] for number in numbers)
            return
        group: list[int] = []
        for number in numbers:
            model = self._models[number]
            if group and not self._is_like(model, self._models[group[-1]]):
                yield group
                group = []
            group.append(number)
        if group:
            yield group

    def _is_like(self, model: LocalModel, other: LocalModel) -> bool:
        if not (self._takes(model) and self._takes(other)):
            return False
        first, second = (
            (type(m.estimator), m.is_joint, len(m.outcomes), m.estimator.coef_.shape)
            for m in (model, other)
        )
        if first != second or model.is_joint or len(model.outcomes) != 2:
            return False
        columns, others = (cast(Packing, m.packing).columns for m in (model, other))
        same_dtype = model.estimator.coef_.dtype == other.estimator.coef_.dtype
        return same_dtype and np.array_equal(columns, others)  # None: all columns

    def _takes(self, model: LocalModel) -> bool:
        """Whether a model is a linear one, asked without its own methods."""
        sparse = self._sparse
        return (
            model.packing is not None
            and sparse is not None
            and linear_predict.takes(model.estimator, model.packing, sparse)
        )

    def _ask_together(self, numbers: list[int]) -> None:
        """Ask models of the same columns for the decision scores of all rows in one go."""
        if len(numbers) < 2 or not self._seen.isdisjoint(numbers):
            return
        models: Any = [(self._models[n].estimator, self._models[n].packing) for n in numbers]
        method, sparse = scoring_method(models[0][0]), cast(SparseRows, self._sparse)
        if linear_predict.link_of(models[0][0], method, sparse) is None:
            return
        scores = linear_predict.scores_side_by_side(models, sparse)
        self._ready |= {n: scores[:, [i]] for i, n in enumerate(numbers)}

    def _n_asked(self, rows: Rows | None) -> int:
        return self.n_rows if rows is None else len(rows)

    def _ask(
        self, owner: int, rows: Rows | None, read: Callable[[Floats, bool], Floats]
    ) -> Floats:
        number = owner + self._offset
        method = scoring_method(self._models[number].estimator)
        return read(self._outputs(number, method, rows), method == "decision_function")

    def _outputs(self, number: int, method: str, rows: Rows | None) -> Floats:
        """Return what a model says of some samples, that of known ones as it was."""
        if number not in self._seen:
            return self._fresh(number, method, rows)
        if (number, method) not in self._known:
            shape = (self.n_rows, len(self._models[number].outcomes))
            self._known[number, method] = np.zeros(shape), np.zeros(self.n_rows, dtype=bool)
        table, is_known = self._known[number, method]
        asked = np.arange(self.n_rows) if rows is None else rows
        missing = asked[~is_known[asked]]
        if missing.size:
            table[missing] = self._fresh(number, method, missing)
            is_known[missing] = True
        return table[asked]

    def _fresh(self, number: int, method: str, rows: Rows | None) -> Floats:
        model = self._models[number]
        columns = self._columns(model.view, rows) if model.view else None
        try:
            if self._takes(model):
                sparse, packing = cast(SparseRows, self._sparse), cast(Packing, model.packing)
                known = self._ready.pop(number, None) if rows is None else None
                at = sparse if rows is None else sparse.at(rows)
                answer = linear_predict.answer_rows(model.estimator, packing, method, at, known)
                return read_answer(answer, model, method)
            X = self._X if rows is None else take_rows(self._X, rows)
            return outputs_of(model, X, columns, method)
        except Exception as error:
            place = place_of(number, self._taxonomy)
            raise LocalPredictError.at(
                error, model.estimator, place, self._n_asked(rows)
            ) from error

    def _columns(self, view: View, rows: Rows | None) -> Columns:
        """Return what a model sees beside X."""
        shown = [
            (self._models[owner], self._outputs(owner, view.chain.method, rows))
            for owner in view.owners
        ]
        return columns_of(view.chain, shown, self._taxonomy)
