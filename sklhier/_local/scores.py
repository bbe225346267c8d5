"""Scores of all local models of one strategy for some samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from sklhier._local.batched_linear import BatchedLinear, Group, Segment
from sklhier._local.calls import ModelCalls
from sklhier._local.dense_rows import DenseRows
from sklhier._local.keys import Kind, ModelKey, described
from sklhier._local.model import LocalModel, Models
from sklhier._local.outputs import conditional
from sklhier._local.packed import PackedModels, PackedPaths
from sklhier._local.sparse_rows import SparseRows
from sklhier._probabilities.marginals import Outcomes
from sklhier._probabilities.set_search import Wanted
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier.exceptions import LocalPredictError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["LocalScores", "Scores"]


class Scores(Protocol):
    """Scores of local models: of fitted ones for new samples, or held-out ones of a training set.

    Attributes
    ----------
    n_rows : int
        Number of samples.

    See Also
    --------
    LocalScores : Scores of fitted models.

    Notes
    -----
    :doc:`/user_guide/extending` shows a strategy that reads scores.
    """

    n_rows: int

    @property
    def has_rest(self) -> bool:
        """Whether some model knows samples of other nodes, as a rest class."""
        ...

    def proba(self, key: ModelKey, outcomes: NodeIds, rows: Rows | None = None) -> Floats:
        """Return the probability of each outcome, given that one of them is right.

        Parameters
        ----------
        key : ModelKey
            The model.
        outcomes : ndarray of int32, shape (k,)
            All outcomes of the model, or some of them in the same order.
        rows : ndarray of intp, shape (n,), default=None
            Positions of samples, ascending; None: all.

        Returns
        -------
        proba : ndarray of float64, shape (n, k)
            Rows sum to 1.
        """
        ...

    def proba_pairs(self, nodes: NodeIds, rows: Rows, outcomes: Outcomes) -> Floats:
        """Return :meth:`proba` for many pairs of a parent node and a sample.

        Parameters
        ----------
        nodes : ndarray of int32, shape (n_pairs,)
            Nodes that decide among what is below them, ascending.
        rows : ndarray of intp, shape (n_pairs,)
            Positions of samples, ascending for each node.
        outcomes : Outcomes
            Those of each node.

        Returns
        -------
        proba : ndarray of float64, shape (n,)
            The probabilities of each pair's outcomes, one pair after the other.
        """
        ...

    def log_weight(self, key: ModelKey, rows: Rows | None = None) -> Floats:
        """Return the logarithm of the weight that a model gives its node.

        The model decides between the rest class (code 0) and its node (code 1). Weights of several
        models can be compared: they are probabilities, or decision scores on a common scale.

        Parameters
        ----------
        key : ModelKey
            The model. Where there is none, its node has the weight 1.
        rows : ndarray of intp, shape (n,), default=None
            Positions of samples, ascending; None: all.

        Returns
        -------
        log_weight : ndarray of float64, shape (n,)
            Minus infinity where the model rules its node out.
        """
        ...

    def log_evidence(self, key: ModelKey, outcomes: NodeIds) -> Floats:
        """Return how much a model speaks for each outcome, the rest class being one more.

        Parameters
        ----------
        key : ModelKey
            The model.
        outcomes : ndarray of int32, shape (k,)
            Its outcomes, or some of them in the same order.

        Returns
        -------
        log_evidence : ndarray of float64, shape (n_samples, k)
            The logarithm of the probability of each outcome over the share of the model's training
            samples that are not of the rest class. Where a sample is as likely to be of the
            node as these were, evidence sums to 1. 0 where there is no model; never minus infinity.
        """
        ...

    def node_proba(self, nodes: NodeIds) -> Floats:
        """Return the probability of each node, from all models that decide about it alone.

        Parameters
        ----------
        nodes : ndarray of int32
            Ids of nodes. Those without a model have 1.

        Returns
        -------
        proba : ndarray of float64, shape (n_samples, n_nodes)
            The root has 1, and all other nodes 0.
        """
        ...


class LocalScores:
    """Scores of fitted models for some samples.

    Parameters
    ----------
    models : mapping of ModelKey to LocalModel
        The models of one strategy.
    X : array-like
        Samples.
    taxonomy : Taxonomy
        For error messages.
    chained : bool, default=True
        Whether to look for models that see others, or that know a rest class.
    packed : PackedModels, default=None
        The same models, for compiled descents.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.strategies import Flat, Kind, ModelKey
    >>> class Watched(Flat):
    ...     def marginals(self, taxonomy, outcomes, scores):
    ...         proba = scores.proba(ModelKey(Kind.PARENT, 0), outcomes.classes)
    ...         print(type(scores).__name__, proba.shape)
    ...         return super().marginals(taxonomy, outcomes, scores)
    >>> model = HierarchicalClassifier(strategy=Watched()).fit([[0.0], [1.0]], ["owl", "eel"])
    >>> model.predict([[0.1]])
    LocalScores (1, 2)
    array(['owl'], dtype='<U3')
    """

    def __init__(
        self,
        models: Models,
        X: Any,
        taxonomy: Taxonomy,
        *,
        chained: bool = True,
        packed: PackedModels | None = None,
    ) -> None:
        self._models = models
        self._calls = ModelCalls(models, X, taxonomy, chained=chained)
        self._chained = chained
        self._taxonomy = taxonomy
        self.n_rows = self._calls.n_rows
        self._packed = packed

    def paths(self, outcomes: Outcomes) -> PackedPaths | None:
        """Return compiled descents to the answers; None where they are left to pure Python."""
        return None if self._packed is None else self._packed.on(self._rows, outcomes)

    @property
    def _rows(self) -> SparseRows | DenseRows | None:
        """The rows of X for compiled code, if they are of a kind that it takes."""
        if self._batched is None:
            return None
        return self._batched.rows or self._calls.dense

    @property
    def _batched(self) -> BatchedLinear | None:
        return self._calls.batched

    def wanted(self, observed: NodeIds, wanted: Wanted) -> tuple[Floats, NodeIds] | None:
        """Return the node probabilities that count, and the best leaves, -1 for none.

        None if there is no compiled search.
        """
        if self._packed is None:
            return None
        paths = self._packed.on_sets(self._rows, self._taxonomy, observed)
        return None if paths is None else paths.wanted(wanted, self._taxonomy.n_nodes)

    def _read(
        self, key: ModelKey, rows: Rows | None, read: Callable[[LocalModel, Floats], Floats]
    ) -> Floats:
        model = self._models[key]
        return read(model, self._calls.outputs(key, model.method, rows))

    def _refuse(self, key: ModelKey, n_rows: int, why: str) -> LocalPredictError:
        where = described(key, self._taxonomy)
        estimator = self._models[key].estimator
        return LocalPredictError.not_a_distribution(estimator, where, n_rows, why)

    def proba(self, key: ModelKey, outcomes: NodeIds, rows: Rows | None = None) -> Floats:
        """Return the probability of each outcome; see :meth:`Scores.proba`."""
        if len(outcomes) == 1:  # an only child: no model was fitted
            return np.ones((self._calls.n_queried(rows), 1))
        scores = self._read(key, rows, _proba)
        proba = conditional(scores, self._models[key].outcomes, outcomes)
        if not np.isfinite(proba).all():
            invalid = ~np.isfinite(proba).all(axis=1)
            why = f"for {int(invalid.sum())} of them all probabilities are zero or NaN"
            raise self._refuse(key, len(scores), why)
        return proba

    def proba_pairs(self, nodes: NodeIds, rows: Rows, outcomes: Outcomes) -> Floats:
        """Return the probabilities of many pairs; see :meth:`Scores.proba_pairs`.

        Linear models with equally many outcomes are one batch.
        """
        counts = outcomes.counts[nodes]
        starts = ops.run_starts(nodes)
        if len(starts) == 1:  # the first step of a descent: all rows are at the root
            return self._proba_of_one(int(nodes[0]), outcomes, rows).ravel()
        offsets = ops.offsets_of(counts)
        proba = np.ones(offsets[-1])
        groups: dict[Group, list[Segment]] = {}
        for start, stop in pairwise([*starts.tolist(), len(nodes)]):
            if counts[start] < 2:  # `proba` has 1 there
                continue
            key = ModelKey(Kind.PARENT, int(nodes[start]))
            group = self._group_of(key, int(counts[start]))
            if group is None:
                table = self.proba(key, outcomes.of_node(key.number), rows[start:stop])
                proba[offsets[start] : offsets[stop]] = table.ravel()
            else:
                groups.setdefault(group, []).append((key, start, stop))
        for group, segments in groups.items():
            pairs = np.concatenate([np.arange(start, stop) for _, start, stop in segments])
            batch = self._proba_of_group(group, segments, rows[pairs])
            if batch is None:
                parts = [
                    self.proba(k, outcomes.of_node(k.number), rows[i:j]) for k, i, j in segments
                ]
                batch = np.concatenate(parts)
            proba[offsets[pairs][:, None] + np.arange(group.n_outcomes)] = batch
        return proba

    def _group_of(self, key: ModelKey, n_outcomes: int) -> Group | None:
        # The outputs of sources are kept for the models that see them, so they go by `outputs`.
        if self._batched is None or self._calls.is_source(key):
            return None
        return self._batched.group_of(self._models[key], n_outcomes)

    def _proba_of_one(self, node: int, outcomes: Outcomes, rows: Rows) -> Floats:
        key, own = ModelKey(Kind.PARENT, node), outcomes.of_node(node)
        group = self._group_of(key, len(own)) if len(own) > 1 else None
        if group is None:
            return self.proba(key, own, rows)
        table = self._proba_of_group(group, [(key, 0, len(rows))], rows)
        return self.proba(key, own, rows) if table is None else table

    def _proba_of_group(
        self, group: Group, segments: Sequence[Segment], rows: Rows
    ) -> Floats | None:
        """Return the probabilities of a batch; None if :meth:`proba` has to refuse some of them."""
        table = self._batched.group_proba(group, segments, rows)  # type: ignore[union-attr]
        return table if np.isfinite(table).all() else None

    @property
    def has_rest(self) -> bool:
        """Whether some model knows samples of other nodes, as a rest class."""
        return self._chained and any(m.positive_share < 1 for m in self._models.values())

    def log_evidence(self, key: ModelKey, outcomes: NodeIds) -> Floats:
        """Return how much a model speaks for each outcome; see :meth:`Scores.log_evidence`."""
        model = self._models.get(key)
        if model is None:
            return np.zeros((self.n_rows, len(outcomes)))
        proba = conditional(self._read(key, None, _proba), model.outcomes, model.outcomes)
        own = proba[:, np.isin(model.outcomes, outcomes)] / model.positive_share
        # Models below may still speak for what a single one rules out.
        return np.log(np.maximum(own, np.finfo(np.float64).tiny))

    def log_weight(self, key: ModelKey, rows: Rows | None = None) -> Floats:
        """Return the logarithm of a node's weight; see :meth:`Scores.log_weight`."""
        if key not in self._models:
            return np.zeros(self._calls.n_queried(rows))
        weights = self._read(key, rows, _log_weight)
        if np.isnan(weights).any() or np.isposinf(weights).any():
            raise self._refuse(key, len(weights), "some of its scores are NaN or infinite")
        return weights

    def node_proba(self, nodes: NodeIds) -> Floats:
        """Return the probability of each node; see :meth:`Scores.node_proba`."""
        table = np.zeros((self.n_rows, self._taxonomy.n_nodes))
        table[:, nodes] = 1.0  # constants have no model: all training samples belonged there
        table[:, 0] = 1.0
        is_queried = np.zeros(self._taxonomy.n_nodes, dtype=bool)
        is_queried[nodes] = True
        keys = [
            key
            for key in sorted(self._models)
            # Others are models of nodes without a sample so far.
            if is_queried[self._models[key].outcomes].any(where=self._models[key].outcomes > 0)
        ]
        for run in self._runs_of_siblings(keys):
            for key in run:
                model = self._models[key]
                if model.is_multi_output:
                    table[:, model.outcomes] = self._read(key, None, _membership)
                else:
                    table[:, model.outcomes[1]] = self.proba(key, model.outcomes)[:, 1]
        return table

    def proba_of_siblings(self, nodes: NodeIds, rows: Rows) -> Floats:
        """Return the probability of siblings that have models of their own, given their parent.

        Parameters
        ----------
        nodes : ndarray of int32, shape (k,)
            Ids of nodes with a training sample. Those without a model have 1.
        rows : ndarray of intp, shape (n,)
            Positions of samples, ascending.

        Returns
        -------
        proba : ndarray of float64, shape (n, k)
        """
        table = np.ones((len(rows), len(nodes)))
        keys = [ModelKey(Kind.NODE, node) for node in nodes.tolist()]
        places = [place for place, key in enumerate(keys) if key in self._models]
        models = [self._models[keys[place]] for place in places]
        together = None
        if len(models) > 1 and self._batched is not None and self._batched.supports(models[0]):
            together = self._batched.proba_of_siblings(models, rows)
        if together is not None and np.isfinite(together).all():
            table[:, places] = together
            return table
        for place, model in zip(places, models, strict=True):
            table[:, place] = self.proba(model.key, model.outcomes, rows)[:, 1]
        return table

    def _runs_of_siblings(self, keys: list[ModelKey]) -> Any:
        """Yield keys in runs; the decision scores of a run are there before it is read."""
        batched = self._batched
        if batched is None:
            yield keys
            return
        for run in batched.runs_of_siblings(keys):
            if len(run) > 1 and not any(map(self._calls.is_source, run)):
                batched.precompute(run)
            yield run


def _proba(model: LocalModel, outputs: Floats) -> Floats:
    return model.link.proba(outputs)


def _log_weight(model: LocalModel, outputs: Floats) -> Floats:
    return model.link.log_weight(outputs)


def _membership(model: LocalModel, outputs: Floats) -> Floats:
    return model.link.membership(outputs)
