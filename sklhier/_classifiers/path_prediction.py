"""One path for each sample: node probabilities to labels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import Any, Protocol

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _num_samples, check_consistent_length, check_is_fitted

from sklhier._classifiers.allowed import read_allowed
from sklhier._classifiers.path_target import PathTarget
from sklhier._classifiers.probability_tables import warn_of_few_rows
from sklhier._probabilities.marginals import Marginals, Outcomes
from sklhier._probabilities.restricted import Permitted, RestrictedMarginals, restricted_paths
from sklhier._utils.digests import Digests, kept_digests
from sklhier._utils.rows import concatenated, take_rows
from sklhier._utils.typing import Floats, Labels, NodeIds, Objects, Rows
from sklhier._utils.validation import check_integer, checked_weights, required_target
from sklhier.decoders import Conformal, Decoder, resolve_decoder, top_answers
from sklhier.decoders._refusing import Refusing
from sklhier.exceptions import IncompatiblePartsError
from sklhier.taxonomy import Taxonomy

__all__ = ["PathModel", "PathPredictor", "by_rows"]


class PathModel(Protocol):
    """A fitted model where a sample has one path, local or joint.

    Attributes
    ----------
    outcomes : Outcomes
        The possible answers.
    """

    @property
    def outcomes(self) -> Outcomes:
        """The possible answers."""

    def blocks(self, X: Any, *, all_nodes: bool) -> Iterator[Marginals]:
        """Yield the node probabilities of blocks of rows that fit in memory."""


def by_rows(read: Callable[..., Any], codes: Rows) -> Callable[[Marginals], Any]:
    """Return a function of successive blocks that hands on the codes of their rows."""
    start = 0

    def of_block(marginals: Marginals) -> Any:
        nonlocal start
        part = codes[start : start + marginals.n_rows]
        start += marginals.n_rows
        return read(marginals, groups=part)

    return of_block


def _top(marginals: Marginals, k: int) -> tuple[NodeIds, Floats]:
    if isinstance(marginals, RestrictedMarginals):
        return marginals.top(k)
    return top_answers(marginals, k)


class PathPredictor:
    """The predictions of an estimator that gives one path to each sample.

    ``fit`` of a subclass sets the private attributes; the subclass defines :meth:`_prepared`.
    """

    decoder: str | Decoder
    taxonomy_: Taxonomy
    classes_: Labels
    _target: PathTarget
    _model: PathModel
    _tuned_decoder: tuple[str, Decoder] | None  # as it prints before it is tuned, and tuned
    # Defaults are for files of versions that did not have these.
    reject: float | None = None
    _reject_threshold: float | None = None
    _known_rows: Digests | None = None  # of training, where a decoder may be calibrated

    def _prepared(self, X: Any) -> Any:
        """Return samples as the model takes them, checked."""
        raise NotImplementedError

    def _check_decoder(self, decoder: Decoder) -> None:
        """Raise an error if a decoder does not go with what was fitted."""

    @property
    def unseen_nodes_(self) -> tuple[Hashable, ...]:
        """Names of the nodes without a training sample at or below them."""
        check_is_fitted(self, "taxonomy_")
        unseen = np.flatnonzero(~self._model.outcomes.observed)
        return tuple(self.taxonomy_.nodes[node] for node in unseen)

    @property
    def decoder_(self) -> Decoder:
        """The decoder in use, its parameters tuned."""
        decoder = resolve_decoder(self.decoder)
        if not hasattr(self, "taxonomy_"):  # the check itself takes as long as a decision
            check_is_fitted(self, "taxonomy_")
        self._check_decoder(decoder)
        return self._tuned(decoder)

    def _tuned(self, decoder: Decoder) -> Decoder:
        """Return a decoder as it was tuned in fit, or itself if it has nothing to tune."""
        if not (decoder.needs_tuning or isinstance(decoder, Conformal)):
            return decoder
        # set_params may have brought another decoder since: then nothing was tuned for it.
        if self._tuned_decoder is None or self._tuned_decoder[0] != repr(decoder):
            if isinstance(decoder, Conformal):
                raise IncompatiblePartsError.needs(
                    decoder,
                    "calibration rows",
                    "the classifier has none for this decoder",
                    "Call conformalize(X, y) with rows that were not used in fit; or fit again, "
                    "with source='out_of_fold', without a guarantee.",
                )
            raise IncompatiblePartsError.needs(
                decoder,
                "training samples to tune a parameter on",
                "the classifier was fitted with another decoder",
                "Fit again, or give the parameter as a number.",
            )
        return self._tuned_decoder[1]

    def _wanted(self, decoder: Decoder) -> Decoder:
        """Return what has to be learnt for predictions: a decoder, and when to refuse an answer."""
        return decoder if self.reject is None else Refusing(decoder, self.reject)

    def _keep_learnt(self, decoder: Decoder, learnt: Decoder, X: Any, rows: Rows) -> None:
        """Store what held-out samples told, and by what the training rows are known again."""
        self._reject_threshold = None
        if isinstance(learnt, Refusing):
            learnt, self._reject_threshold = learnt.decoder, learnt.threshold
        self._tuned_decoder = (repr(decoder), learnt) if decoder.needs_tuning else None
        is_conformal = isinstance(decoder, Conformal)
        self._known_rows = kept_digests(take_rows(X, rows)) if is_conformal else None
        if isinstance(learnt, Conformal) and decoder.needs_tuning:
            warn_of_few_rows(learnt, self._target.taxonomy)

    def _deciding(self, decoder: Decoder) -> Decoder:
        """Return the decoder of predictions: a tuned one, and refusal if there is any."""
        if self._reject_threshold is None:
            return decoder
        return Refusing(decoder, self.reject or 0.0, self._reject_threshold)

    def _blocks(self, X: Any, allowed: Any, *, all_nodes: bool) -> Iterator[Marginals]:
        """Yield the probabilities of each block of rows, of the answers that are allowed."""
        X = self._prepared(X)
        if allowed is None:
            return self._model.blocks(X, all_nodes=all_nodes)
        permitted = self._permitted(allowed, _num_samples(X))
        return restricted_paths(self._model.blocks(X, all_nodes=True), permitted)

    def _permitted(self, allowed: Any, n_rows: int) -> Permitted:
        form = self._target.format
        return read_allowed(allowed, n_rows, self.taxonomy_, form.classes, form.class_ids)

    def _by_block(
        self,
        X: Any,
        read: Callable[[Marginals], Any],
        *,
        all_nodes: bool = True,
        allowed: Any = None,
    ) -> Iterator[Any]:
        """Yield what is read from the probabilities of each block of rows."""
        check_is_fitted(self, "taxonomy_")
        return map(read, self._blocks(X, allowed, all_nodes=all_nodes))

    def _labelled(self, answers: Any, decoder: Decoder) -> Any:
        """Return the answers of a decoder as labels."""
        return self._target.restore(answers, decoder)

    def _answers(self, X: Any, decoder: Decoder, groups: Any = None, allowed: Any = None) -> Any:
        """Return the nodes that a decoder answers, or a closed indicator if these are sets."""
        read = self._decoding(decoder, groups, X)
        # Not `_by_block`: `decoder_` has looked whether there is a fit, which costs a row some time.
        blocks = self._blocks(X, allowed, all_nodes=decoder.needs_all_nodes)
        return concatenated(list(map(read, blocks)))

    def _decoding(self, decoder: Decoder, groups: Any, X: Any) -> Callable[[Marginals], Any]:
        """Return what decodes one block after the other, by the groups of their rows if given."""
        if groups is None:
            return decoder.decode_sets if decoder.gives_sets else decoder.decode
        inner = decoder.decoder if isinstance(decoder, Refusing) else decoder
        if not isinstance(inner, Conformal):
            raise IncompatiblePartsError.needs(
                "groups", "the decoder Conformal", f"decoder={self.decoder!r}", "Leave it out."
            )
        codes = inner.codes_of(groups)
        check_consistent_length(codes, np.empty((_num_samples(X), 0)))
        return by_rows(decoder.decode, codes)

    def predict(self, X: Any, groups: Any = None, *, allowed: Any = None) -> Any:
        """Predict labels.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        groups : array-like, shape (n_samples,), default=None
            Groups of the samples, if :meth:`conformalize` was called with groups. None uses the
            threshold that holds the level in every group. An unknown group gets no answer.
        allowed : list of labels, list of lists of labels, or table, default=None
            Allowed answers. A list of labels or paths (as tuples) holds for all samples; a label
            includes all that is below it. Or a list or set of them for each sample. Or an array,
            sparse matrix or data frame of 0 and 1 or bool, shape (n_samples, n_classes), with
            columns as in ``classes_``, each for that class alone. Other answers get probability 0,
            and the rest is divided by its sum before decoding; if the sum is 0, allowed answers are
            equally probable. All nodes are then evaluated, a block of rows at a time.

        Returns
        -------
        y : ndarray, shape (n_samples,), or in the format of the training labels
            Names of nodes; or paths, if the estimator was fitted on paths. A decoder that answers
            with sets gives frozensets of names in an array of objects.

        Raises
        ------
        TargetError
            For allowed labels that are unknown.
        ValueError
            For a table `allowed` of the wrong shape, a wrong number of lists, and a sample without
            an allowed answer that occurred in training.
        """
        decoder = self._deciding(self.decoder_)
        labels = self._target.restore(self._answers(X, decoder, groups, allowed), decoder)
        if hasattr(labels, "set_axis") and hasattr(X, "iloc"):
            return labels.set_axis(X.index)  # rows of one data frame belong to those of the other
        return labels

    def predict_levels(self, X: Any, groups: Any = None, *, allowed: Any = None) -> Objects:
        """Predict paths, one column for each level.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        groups : array-like, shape (n_samples,), default=None
            As in :meth:`predict`.
        allowed : list of labels, list of lists of labels, or table, default=None
            Allowed answers, as in :meth:`predict`.

        Returns
        -------
        levels : ndarray of object, shape (n_samples, n_levels)
            Steps from the first level down, padded with None.
        """
        answers = self._answers(X, self._deciding(self.decoder_), groups, allowed)
        if sparse.issparse(answers):
            raise IncompatiblePartsError.needs(
                "predict_levels",
                "one path for each sample",
                f"{self.decoder!r} answers with sets of nodes",
                "Use predict.",
            )
        return self.taxonomy_.levels_of(answers)

    def predict_top_k(self, X: Any, k: int = 5, *, allowed: Any = None) -> tuple[Labels, Floats]:
        """Return the most probable answers, best first, whatever the decoder.

        They are found by branch and bound: not all nodes are evaluated, unless `allowed` is given.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        k : int, default=5
            Number of answers, from 1 to the number of possible answers.
        allowed : list of labels, list of lists of labels, or table, default=None
            Allowed answers, as in :meth:`predict`, at least `k` for every sample.

        Returns
        -------
        labels : ndarray, shape (n_samples, k)
            Names of nodes.
        proba : ndarray of float64, shape (n_samples, k)
            Their probabilities, descending; weights if a base estimator has only decision scores.

        Raises
        ------
        TargetError
            For allowed labels that are unknown.
        ValueError
            For `k` outside its range, and a sample without an allowed answer.
        """
        check_is_fitted(self, "taxonomy_")
        most = len(self._model.outcomes.answers)
        read = partial(_top, k=check_integer("k", k, least=1, most=most))
        parts = self._by_block(X, read, all_nodes=False, allowed=allowed)
        nodes, proba = map(np.concatenate, zip(*parts, strict=True))
        # All answers are labels of training, so that their names have the dtype of `classes_`.
        position = np.zeros(self.taxonomy_.n_nodes, dtype=np.intp)
        position[self._target.format.class_ids] = np.arange(len(self.classes_))
        return self.classes_[position[nodes]], proba

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of samples whose label, or whole path, is predicted.

        An answer that is a set of nodes is right if it contains exactly the true path.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        y : array-like, shape (n_samples,) or (n_samples, n_levels), or list of lists
            True labels in any format. Unknown ones count as wrong, unless all of them are unknown.
            Columns of a data frame are matched by name, if it has names.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples, 0 or more.

        Returns
        -------
        score : float
            Accuracy, in [0, 1].

        Raises
        ------
        TargetError
            If none of several labels is known, and for paths with gaps.
        ValueError
            For weights that are negative or not finite, and if all are 0.
        """
        predicted = self._answers(X, self._deciding(self.decoder_))
        right = self._target.is_right(required_target(self, y), predicted)
        return float(
            np.average(right, weights=checked_weights(sample_weight, len(right), "score"))
        )
