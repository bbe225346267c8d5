"""A set of labels for each sample: node probabilities to label sets."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, Protocol

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from sklhier._classifiers.allowed import read_allowed
from sklhier._classifiers.frames import Answered, FrameMaker, answered_sets, check_output, joined
from sklhier._classifiers.probability_tables import (
    gives_probabilities,
    warn_of_few_rows,
    written,
)
from sklhier._classifiers.set_target import SetTarget
from sklhier._probabilities.marginals import checked_node_proba
from sklhier._probabilities.restricted import Permitted, restricted_sets
from sklhier._probabilities.set_search import Wanted
from sklhier._probabilities.sets import SetMarginals
from sklhier._utils.digests import Digests, kept_digests
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.rows import concatenated, take_rows
from sklhier._utils.typing import Floats, Labels, NodeIds, Rows
from sklhier._utils.validation import (
    check_integer,
    checked_weights,
    required_target,
)
from sklhier.decoders import RiskControl, SetDecoder, resolve_set_decoder
from sklhier.exceptions import IncompatiblePartsError
from sklhier.taxonomy import Taxonomy

__all__ = ["SetModel", "SetPredictor", "fitted_decoder", "refuse_groups", "refuse_tuning"]


class SetModel(Protocol):
    """A fitted model where a sample may have several labels, local or joint."""

    @property
    def observed(self) -> NodeIds:
        """Ids of the nodes that had a sample in training, and so may be answered."""

    def columns_per_row(self) -> int:
        """Return about how many numbers are held for each row."""

    def marginals(self, X: Any, wanted: Wanted | None = None) -> SetMarginals:
        """Return the node probabilities of some samples, at least what is wanted of them."""


def fitted_decoder(decoder: str | SetDecoder, taxonomy: Taxonomy) -> SetDecoder:
    """Return a decoder that may be tuned, its parameters checked against the taxonomy."""
    chosen = clone(resolve_set_decoder(decoder))  # the user's object stays as it is
    chosen.check_taxonomy(taxonomy)
    return chosen


def refuse_groups(groups: Any) -> None:
    """Raise an error if groups are given, which label sets have no thresholds for."""
    if groups is not None:
        raise ValueError("`groups` must be None for label sets, which have one threshold for all.")


def refuse_tuning(decoder: SetDecoder) -> None:
    """Raise an error if a decoder has a parameter to tune, where samples come in batches."""
    if decoder.needs_tuning:
        raise IncompatiblePartsError.needs(
            decoder,
            "all samples at once, to learn from out-of-fold predictions",
            "partial_fit sees them in batches",
            "Use fit, or a threshold that is a number.",
        )


class SetPredictor:
    """The predictions of an estimator that gives a set of labels to each sample.

    ``fit`` of a subclass sets the attributes; the subclass defines :meth:`_prepared`.
    """

    taxonomy_: Taxonomy
    classes_: Labels
    decoder_: SetDecoder
    _target: SetTarget
    _model: SetModel
    _known_rows: Digests | None = None  # of training, where a decoder may be calibrated

    def _prepared(self, X: Any) -> Any:
        """Return samples as the model takes them, checked."""
        raise NotImplementedError

    @property
    def unseen_nodes_(self) -> tuple[Hashable, ...]:
        """Names of the nodes without a training sample at or below them."""
        check_is_fitted(self, "taxonomy_")
        unseen = np.ones(self.taxonomy_.n_nodes, dtype=bool)
        unseen[0] = False
        unseen[self._model.observed] = False
        return tuple(self.taxonomy_.nodes[node] for node in np.flatnonzero(unseen))

    def _unlearnt_decoder(self) -> SetDecoder:
        """Return the decoder without what was learnt about models that a batch now changes."""
        decoder = self.decoder_
        return clone(decoder) if isinstance(decoder, RiskControl) else decoder

    def _keep_known(self, X: Any, rows: Rows) -> None:
        """Store by what the training rows are known again; warn of too few of them."""
        self._known_rows = None
        if isinstance(self.decoder_, RiskControl):
            self._known_rows = kept_digests(take_rows(X, rows))
            if self.decoder_.needs_tuning:
                warn_of_few_rows(self.decoder_, self.taxonomy_)

    def _blocks(
        self, X: Any, allowed: Any = None, wanted: Wanted | None = None
    ) -> Iterator[SetMarginals]:
        """Yield the probabilities of blocks of rows that fit in memory, of what is allowed."""
        check_is_fitted(self, "taxonomy_")
        X = self._prepared(X)
        n_rows = _num_samples(X)
        permitted = self._permitted(allowed, n_rows)
        for block in row_blocks(n_rows, self._model.columns_per_row()):
            is_all = block.stop - block.start == n_rows
            rows = X if is_all else take_rows(X, np.arange(block.start, block.stop))
            marginals = self._model.marginals(rows, wanted)
            yield self._restricted(marginals, permitted, block.start)

    def _tables(self, X: Any) -> Iterator[SetMarginals]:
        """Yield the probabilities of all nodes, for blocks of rows that fit in memory."""
        return self._blocks(X)

    def _permitted(self, allowed: Any, n_rows: int) -> Permitted | None:
        if allowed is None:
            return None
        ids = self._target.format.class_ids
        return read_allowed(allowed, n_rows, self.taxonomy_, self.classes_, ids)

    def _restricted(
        self, marginals: SetMarginals, permitted: Permitted | None, start: int
    ) -> SetMarginals:
        if permitted is None:
            return marginals
        classes = self._target.format.class_ids
        return restricted_sets(marginals, permitted, self._model.observed, classes, start)

    def _decoded(self, X: Any, allowed: Any = None) -> sparse.csr_array:
        """Return the answers of the decoder, closed under ancestors."""
        decoder = self.decoder_
        # What is not allowed has a say in which of the others are the most probable.
        wanted = decoder.wanted(self.taxonomy_) if allowed is None else None
        blocks = self._blocks(X, allowed, wanted)
        return concatenated([decoder.decode(marginals) for marginals in blocks])

    def predict(self, X: Any, *, allowed: Any = None) -> Any:
        """Predict sets of labels.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        allowed : list of labels, list of lists of labels, or table, default=None
            Allowed answers. A list of labels or paths (as tuples) holds for all samples; a label
            includes all that is below it. Or a list or set of them for each sample. Or an array,
            sparse matrix or data frame of 0 and 1 or bool, shape (n_samples, n_classes), with
            columns as in ``classes_``, each for that class alone. Other nodes get probability 0
            before decoding. An ancestor of allowed labels that is not a class keeps its probability
            if all its children with training samples are allowed; otherwise it gets the largest one
            below it. Probabilities are not rescaled, since labels do not exclude each other.

        Returns
        -------
        y : indicator or list of collections
            In the format of the training labels. An indicator has 1 for every node of the answer;
            collections hold its most specific labels, or all labels if those of training did.

        Raises
        ------
        TargetError
            For allowed labels that are unknown.
        ValueError
            For a table `allowed` of the wrong shape, a wrong number of lists, and a sample without
            an allowed answer that occurred in training.
        """
        check_is_fitted(self, "taxonomy_")
        return self._target.restore(self._decoded(X, allowed), X)

    def predict_frame(
        self, X: Any, top_k: int = 1, *, allowed: Any = None, output: str = "pandas"
    ) -> Any:
        """Return answers and their probabilities as a table.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        top_k : int, default=1
            Least number of rows for each sample, 1 or more: if fewer labels are predicted, the most
            probable other leaves follow, except those of probability 0.
        allowed : list of labels, list of lists of labels, or table, default=None
            Allowed answers, as in :meth:`predict`.
        output : {"pandas", "polars", "arrays"}, default="pandas"
            A data frame of pandas or polars, or a dictionary of arrays by column.

        Returns
        -------
        table : pandas.DataFrame, polars.DataFrame or dict of str to ndarray
            A row for each predicted label of a sample, by descending probability, without ancestors
            of other labels. A sample without a label has one row. Samples are in the order of X.
            The columns:

            ``row``
                Index of the sample in a pandas data frame or series, else its position.
            ``rank``
                From 1.
            ``predicted``
                Whether the label is part of the answer of :meth:`predict`.
            ``label``
                The name of the node; None for no label.
            ``proba``
                Probability that the sample belongs to the node or to one below it.
            ``level_1``, ``proba_level_1``, ...
                Each step of the path and the probability of its node, as in
                :meth:`predict_node_proba`. A DAG has none of them.
            ``stop``
                End of the path: ``"leaf"``; ``"inner"``, a node with others below it; or ``"none"``
                for no label.

            Below the end of a path steps are None and probabilities NaN (null in polars). Without
            :meth:`predict_proba` there are no probabilities.

        Raises
        ------
        ImportError
            If the package of the data frame is not installed.
        TargetError
            For allowed labels that are unknown.
        ValueError
            For an invalid `top_k` or `output`, and a sample without an allowed answer.
        """
        return self._frame(self._answered(X, top_k, None, allowed, output), X, output)

    def _answered(self, X: Any, top_k: int, groups: Any, allowed: Any, output: str) -> Answered:
        check_is_fitted(self, "taxonomy_")
        refuse_groups(groups)
        check_output(output)
        check_integer("top_k", top_k, least=1)
        start, parts = 0, []
        for marginals in self._blocks(X, allowed):
            closed = self.decoder_.decode(marginals)
            answered = answered_sets(closed, marginals.node_proba, self.taxonomy_, top_k)
            parts.append((start, answered))
            start += closed.shape[0]
        return joined(parts)

    def _frame(self, answered: Answered, X: Any, output: str) -> Any:
        """Return answers as a table about samples that are called as in X."""
        labels = self.taxonomy_.node_names[answered.nodes]
        labels[answered.nodes == 0] = None
        knows = hasattr(self, "predict_node_proba")
        return FrameMaker(self.taxonomy_, (), knows).table(answered, labels, X, output)

    @available_if(gives_probabilities)
    def predict_proba(self, X: Any, *, allowed: Any = None) -> Floats:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        allowed : list of labels, list of lists of labels, or table, default=None
            Allowed answers, as in :meth:`predict`.

        Returns
        -------
        proba : ndarray of float64, shape (n_samples, n_classes)
            Columns as in ``classes_``: the probability that a sample belongs to the node or to one
            below it. Rows do not sum to 1.
        """
        check_is_fitted(self, "taxonomy_")
        classes = self._target.format.class_ids
        parts = (marginals.node_proba[:, classes] for marginals in self._blocks(X, allowed))
        return written(parts, _num_samples(X), len(classes))

    @available_if(gives_probabilities)
    def predict_node_proba(
        self, X: Any, *, dtype: Any = None, out: Any = None, allowed: Any = None
    ) -> Floats:
        """Return the probability of every node of the taxonomy.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        dtype : {np.float32, np.float64}, default=None
            Dtype of the result; None means float64. Probabilities are computed in float64, block by
            block.
        out : ndarray of float32 or float64, shape (n_samples, n_nodes), default=None
            Array to write to, such as a :class:`numpy.memmap` for a table larger than memory.
        allowed : list of labels, list of lists of labels, or table, default=None
            Allowed answers, as in :meth:`predict`.

        Returns
        -------
        node_proba : ndarray of float64 or float32, shape (n_samples, n_nodes)
            Columns as in ``taxonomy_.nodes``, the root (always 1) first. No node is more probable
            than one of its parents.

        Raises
        ------
        TypeError, ValueError
            For an unsupported dtype, and an `out` of the wrong shape or kind.
        """
        check_is_fitted(self, "taxonomy_")
        parts = (marginals.node_proba for marginals in self._blocks(X, allowed))
        return written(parts, _num_samples(X), self.taxonomy_.n_nodes, dtype, out)

    def decode(
        self, node_proba: Any, decoder: str | SetDecoder | None = None, *, allowed: Any = None
    ) -> Any:
        """Turn node probabilities into sets of labels, without calling the models again.

        Parameters
        ----------
        node_proba : array-like, sparse matrix or data frame of float, shape (n_samples, n_nodes)
            As returned by :meth:`predict_node_proba`: probabilities, 1 for the root, no node above
            one of its parents.
        decoder : str or SetDecoder, default=None
            The decoder, with thresholds as numbers; by default the estimator's own.
        allowed : list of labels, list of lists of labels, or table, default=None
            Allowed answers, as in :meth:`predict`. Pass the table without any restriction.

        Returns
        -------
        y : indicator or list of collections
            As from :meth:`predict`.

        Raises
        ------
        IncompatiblePartsError
            If the decoder has a threshold to learn.
        TargetError
            For allowed labels that are unknown.
        ValueError
            For an invalid table (the message names the row and the nodes), and for a sample without
            an allowed answer.

        Notes
        -----
        The models' own answers, before they are made consistent, are not available here, so
        ``"maximum_closure"`` is a threshold at its ``tau``.
        """
        check_is_fitted(self, "taxonomy_")
        chosen = self.decoder_ if decoder is None else resolve_set_decoder(decoder)
        if isinstance(chosen, RiskControl) and repr(chosen) == repr(self.decoder_):
            chosen = self.decoder_  # with what was learnt for it
        elif chosen.needs_tuning:
            raise IncompatiblePartsError.needs(
                chosen,
                "training samples to learn a threshold from",
                "decode has none",
                "Give it as a number, or leave `decoder` out to use what fit has learnt.",
            )
        table = checked_node_proba(node_proba, self.taxonomy_, excludes=False)
        marginals = SetMarginals(self.taxonomy_, table, table)
        marginals = self._restricted(marginals, self._permitted(allowed, len(table)), 0)
        return self._target.restore(chosen.decode(marginals))

    def closed_sets(self, y: Any) -> sparse.csr_array:
        """Return label sets, in any format, as an indicator of nodes with their ancestors.

        Parameters
        ----------
        y : indicator or list of collections of labels or paths
            Labels; an indicator with as many columns as in training is read as the same columns.

        Returns
        -------
        closed : csr_array of float64, shape (n_samples, n_nodes - 1)
            Columns as in ``taxonomy_.nodes[1:]``.
        """
        check_is_fitted(self, "taxonomy_")
        return sparse.csr_array(self._target.read_batch(required_target(self, y))[:, 1:])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of samples whose set of nodes is predicted exactly.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        y : indicator or list of collections of labels or paths
            True labels; their ancestors are added.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples, 0 or more.

        Returns
        -------
        score : float
            Subset accuracy of the closed sets, in [0, 1].

        Raises
        ------
        ValueError
            For weights that are negative or not finite, and if all are 0.
        """
        check_is_fitted(self, "taxonomy_")
        predicted = self._decoded(X)
        right = self._target.is_right(required_target(self, y), predicted)
        return float(
            np.average(right, weights=checked_weights(sample_weight, len(right), "score"))
        )
