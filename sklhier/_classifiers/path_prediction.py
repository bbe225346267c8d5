"""One path for each sample: labels to nodes, and node probabilities to labels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, Self

import numpy as np
from scipy import sparse
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_consistent_length, check_is_fitted

from sklhier._classifiers.allowed import read_allowed
from sklhier._classifiers.frames import Answered, FrameMaker, answered_paths, check_output, joined
from sklhier._classifiers.probability_tables import (
    concatenated,
    gives_probabilities,
    warn_of_few_rows,
    written,
)
from sklhier._folds.folds import Splits, folds_among
from sklhier._folds.stratified import HierarchicalStratifiedKFold
from sklhier._local.validation_sets import known_targets
from sklhier._probabilities.marginals import (
    DenseMarginals,
    Marginals,
    Outcomes,
    checked_node_proba,
)
from sklhier._probabilities.restricted import Permitted, RestrictedMarginals, restricted_paths
from sklhier._targets.paths import (
    LabelFormat,
    LevelFormat,
    TargetFormat,
    label_sets,
    read_targets,
    same_rows,
    shown_row,
    with_classes,
)
from sklhier._utils.digests import Digests, kept_digests
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Bools, Floats, Labels, NodeIds, Objects, Rows
from sklhier._utils.validation import check_integer, checked_cv, checked_weights, required_target
from sklhier.decoders import Conformal, Decoder, resolve_decoder, top_answers
from sklhier.decoders._refusing import Refusing
from sklhier.exceptions import IncompatiblePartsError, TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._oddities import warn_if_paths

__all__ = ["PathModel", "PathPredictor", "PathTarget", "by_rows", "labels_of_batches"]


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


@dataclass(frozen=True)
class PathTarget:
    """The labels of a classifier where a sample has one path.

    Attributes
    ----------
    taxonomy : Taxonomy
    format : TargetFormat
        How the labels of `fit` looked, and the way back.
    """

    taxonomy: Taxonomy
    format: TargetFormat

    @classmethod
    def read(
        cls, y: Any, taxonomy: Taxonomy | None, classes: Any, *, staged: bool = False
    ) -> tuple[Self, NodeIds]:
        """Read the labels of `fit`; return the node of each label, too.

        Warn about labels that look like paths, but are read without a hierarchy; of models that
        learn from those above them (`staged`), on less evidence.
        """
        nodes, found, form = read_targets(y, taxonomy, classes)
        if taxonomy is None and isinstance(form, LabelFormat):
            warn_if_paths(form.classes.tolist(), staged=staged)
        return cls(found, form), nodes

    def with_classes(self, nodes: NodeIds, classes: Any) -> Self:
        """Return the labels with more classes: `nodes`; codes of labels are those of `classes`."""
        more = np.setdiff1d(nodes, self.format.class_ids)
        if not more.size:
            return self
        return replace(self, format=with_classes(self.format, more, self.taxonomy, classes))

    def read_batch(self, y: Any, known: NodeIds) -> NodeIds:
        """Return the node of each label of a later batch; refuse those that are not known."""
        nodes = self.format.read(y, self.taxonomy)
        unknown = ~np.isin(nodes, known)
        if unknown.any():
            row = int(np.argmax(unknown))
            raise TargetError(
                f"{shown_row(y, row)} is none of the {len(known)} classes known since the first "
                "call. Pass all labels that may occur as `classes` in the first call to partial_fit."
            )
        return nodes

    def validation_targets(self, y: Any, name: str) -> NodeIds:
        """Return the node of each label of a validation set, a fit parameter of that name."""
        try:
            nodes: NodeIds = known_targets(self.format.read(y, self.taxonomy))
        except TargetError as error:
            raise TargetError(f"`{name}`: {error}") from error
        return nodes

    def splitter(
        self, cv: Any, nodes: NodeIds, params: dict[str, Any]
    ) -> Callable[[Rows], Splits]:
        """Return a function that cuts rows into folds, for all that is tuned on held-out samples."""
        cv = checked_cv(cv, 5)
        if isinstance(cv, int):
            cv = HierarchicalStratifiedKFold(cv, taxonomy=self.taxonomy)
        names = self.taxonomy.node_names[nodes]  # labels in any format are names to a splitter
        return lambda rows: folds_among(cv, rows, len(nodes), names[rows], params)

    def names_of(self, nodes: NodeIds, decoder: Decoder) -> Labels:
        """Return answers of a decoder as 1-D labels, whatever those of `fit` stood in."""
        encoded = isinstance(self.format, LabelFormat) and self.format.encoded
        form = LabelFormat(self.format.classes, self.format.class_ids, encoded)
        labels: Labels = form.restore(nodes, self.taxonomy, decoder.gives)
        return labels

    @property
    def level_names(self) -> list[str]:
        """The names of the columns of the labels of `fit`, if they had some for each level."""
        columns = self.format.columns if isinstance(self.format, LevelFormat) else ()
        return [*columns] if all(isinstance(name, str) for name in columns) else []

    def restore(self, answers: Any, decoder: Decoder) -> Any:
        """Return the answers of a decoder, nodes or closed sets of them, as labels."""
        if sparse.issparse(answers):
            return label_sets(answers, self.taxonomy)
        return self.format.restore(answers, self.taxonomy, decoder.gives)

    def is_right(self, y: Any, answers: Any) -> Bools:
        """Tell for each sample whether the answer is the true node, or its closed set."""
        true = self.format.read(y, self.taxonomy)
        check_consistent_length(true, answers)
        if not sparse.issparse(answers):
            right: Bools = true == answers
            return right
        # Labels that are no nodes have -1, and are wrong whatever the answer is.
        wanted = self.taxonomy.ancestors_of(np.maximum(true, 0))
        return (true >= 0) & same_rows(wanted, answers)


def labels_of_batches(*known: Any, taxonomy: Taxonomy | None) -> Any:
    """Return all labels that may occur in batches: the first that are known, or all leaves."""
    for labels in known:
        if labels is not None:
            return labels
    if taxonomy is None:
        raise ValueError("classes must be passed on the first call to partial_fit.")
    return list(taxonomy.leaves)


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
                    "the classifier has seen none for this decoder",
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

    def _tables(self, X: Any) -> Iterator[DenseMarginals]:
        """Yield the probabilities of all nodes, for blocks of rows that fit in memory."""
        return self._by_block(X, lambda marginals: marginals.dense())

    def _labelled(self, answers: Any, decoder: Decoder) -> Any:
        """Return the answers of a decoder as labels."""
        return self._target.restore(answers, decoder)

    def _answers(self, X: Any, decoder: Decoder, groups: Any = None, allowed: Any = None) -> Any:
        """Return the nodes that a decoder answers, or a closed indicator if these are sets."""
        read: Callable[[Marginals], Any]
        read = decoder.decode_sets if decoder.gives_sets else decoder.decode
        if groups is not None:
            read = self._by_group(decoder, groups, _num_samples(X))
        # Not `_by_block`: `decoder_` has looked whether there is a fit, which costs a row some time.
        blocks = self._blocks(X, allowed, all_nodes=decoder.needs_all_nodes)
        return concatenated(list(map(read, blocks)))

    def _by_group(
        self, decoder: Decoder, groups: Any, n_samples: int
    ) -> Callable[[Marginals], Any]:
        """Return what decodes one block after the other, by the groups of their rows."""
        inner = decoder.decoder if isinstance(decoder, Refusing) else decoder
        if not isinstance(inner, Conformal):
            raise IncompatiblePartsError.needs(
                "groups", "the decoder Conformal", f"decoder={self.decoder!r}", "Leave it out."
            )
        codes = inner.codes_of(groups)
        check_consistent_length(codes, np.empty((n_samples, 0)))
        return by_rows(decoder.decode, codes)

    def predict(self, X: Any, groups: Any = None, *, allowed: Any = None) -> Any:
        """Predict labels.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        groups : array-like, shape (n_samples,), default=None
            Their groups, where :meth:`conformalize` was called with groups. None: the threshold that
            holds the level in every group. A group that is not known gets no answer.
        allowed : list of labels, list of lists of labels, or table, default=None
            What is possible. Labels or paths (as tuples) for all samples: a label with all that lies
            below it. A list or set of them for each sample. An array, sparse matrix or data frame of
            0 and 1 or bool, shape (n_samples, n_classes): columns as in ``classes_``, each for that
            class alone. Other answers get the probability 0 and the rest is divided by its sum
            before the decoder sees it; where that sum is 0, allowed answers are equally probable.
            All nodes are evaluated then, a block of rows at a time.

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
            For a table `allowed` of another shape, another number of lists than samples, and a sample
            for which nothing is allowed that occurred in training.
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
            What is possible, as in :meth:`predict`.

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

        Found by branch and bound: not all nodes are evaluated, unless some answers are not allowed.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        k : int, default=5
            Number of answers, from 1 to the number of labels that may be answered.
        allowed : list of labels, list of lists of labels, or table, default=None
            What is possible, as in :meth:`predict`: at least `k` answers for every sample.

        Returns
        -------
        labels : ndarray, shape (n_samples, k)
            Names of nodes.
        proba : ndarray of float64, shape (n_samples, k)
            Their probabilities, descending; weights, if a base estimator has decision scores alone.

        Raises
        ------
        TargetError
            For allowed labels that are unknown.
        ValueError
            For another `k`, which is at most the number of answers that are possible, and a sample
            for which nothing is allowed.
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

    def predict_frame(
        self, X: Any, top_k: int = 1, *, allowed: Any = None, output: str = "pandas"
    ) -> Any:
        """Return answers with their probabilities as a table, to hand on or to look through.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        top_k : int, default=1
            Rows for each sample: the answer of :meth:`predict` comes first, then the most probable
            others. From 1 to the number of labels that may be answered.
        allowed : list of labels, list of lists of labels, or table, default=None
            What is possible, as in :meth:`predict`. A sample with fewer answers has fewer rows.
        output : {"pandas", "polars", "arrays"}, default="pandas"
            A data frame of pandas or polars, or a dictionary of arrays by name of the column.

        Returns
        -------
        table : pandas.DataFrame, polars.DataFrame or dict of str to ndarray
            Rows are in the order of X. Its columns:

            ``row``
                The index of the sample in a data frame or series of pandas, else its position.
            ``rank``
                From 1.
            ``predicted``
                Whether :meth:`predict` answers so: True at rank 1.
            ``label``
                The answer, as in ``classes_``; None for no answer.
            ``proba``
                Its probability, as in :meth:`predict_proba`; of answers of a decoder that may stop
                early, that the true label lies at the node or below it.
            ``level_1``, ``proba_level_1``, ...
                Each step of the path and the probability of its node, as in
                :meth:`predict_node_proba`. Where the labels of ``fit`` were a data frame, levels are
                called as its columns, unless other columns are called so. A DAG has none of them.
            ``stop``
                Where the path ends: ``"leaf"``; ``"inner"``, a node with others below it; or
                ``"none"`` for no answer, the root.

            Below the end of a path steps are None and probabilities NaN (null in polars). Without
            :meth:`predict_proba` there are no probabilities. A decoder that answers with sets has a
            row for each of the most specific nodes.

        Raises
        ------
        ImportError
            If the package of the data frame is not installed.
        TargetError
            For allowed labels that are unknown.
        ValueError
            For another `top_k` or `output`, and a sample for which nothing is allowed.

        Examples
        --------
        >>> import numpy as np
        >>> from sklhier import HierarchicalClassifier, Taxonomy
        >>> y, taxonomy = Taxonomy.from_paths(["a/x", "a/y", "b"])
        >>> model = HierarchicalClassifier(taxonomy=taxonomy).fit(np.eye(3), y)
        >>> table = model.predict_frame(np.eye(3)[:2], output="arrays")
        >>> for column in ("row", "label", "level_1", "level_2", "stop"):
        ...     print(f"{column:8}", *table[column])
        row      0 1
        label    a/x a/y
        level_1  a a
        level_2  x y
        stop     leaf leaf
        """
        return self._frame(self._answered(X, top_k, allowed, output), X, output)

    def _answered(self, X: Any, top_k: int, allowed: Any, output: str) -> Answered:
        decoder = self._deciding(self.decoder_)
        check_output(output)
        check_integer("top_k", top_k, least=1, most=len(self._model.outcomes.answers))
        start, parts = 0, []
        for marginals in self._blocks(X, allowed, all_nodes=decoder.needs_all_nodes):
            parts.append((start, answered_paths(marginals, decoder, top_k)))
            start += marginals.n_rows
        return joined(parts)

    def _frame(self, answered: Answered, X: Any, output: str) -> Any:
        """Return answers as a table about samples that are called as in X."""
        knows = hasattr(self, "predict_node_proba")
        maker = FrameMaker(self.taxonomy_, self._target.level_names, knows)
        labels = self._target.names_of(answered.nodes, self._deciding(self.decoder_))
        return maker.table(answered, labels, X, output)

    @available_if(gives_probabilities)
    def predict_proba(self, X: Any, *, allowed: Any = None) -> Floats:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        allowed : list of labels, list of lists of labels, or table, default=None
            What is possible, as in :meth:`predict`: the probabilities given that one of these
            answers is right.

        Returns
        -------
        proba : ndarray of float64, shape (n_samples, n_classes)
            Columns as in ``classes_``; rows sum to 1. A class that is an inner node has the
            probability that the label stops there: 0 where labels below it were observed, unless the
            strategy learns stops, as ``PerParent(stop="learn")`` and ``"flat"`` do.
        """
        check_is_fitted(self, "taxonomy_")
        classes = self._target.format.class_ids
        parts = self._by_block(
            X, lambda marginals: marginals.answer_proba(classes), allowed=allowed
        )
        return written(parts, _num_samples(X), len(classes))

    @available_if(gives_probabilities)
    def predict_log_proba(self, X: Any, *, allowed: Any = None) -> Floats:
        """Return the logarithm of :meth:`predict_proba`; minus infinity for probability 0."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X, allowed=allowed))

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
            Of the result; None is float64. Probabilities are computed in float64, block by block.
        out : ndarray of float32 or float64, shape (n_samples, n_nodes), default=None
            Where to write them, such as a :class:`numpy.memmap` for a table that is larger than
            memory.
        allowed : list of labels, list of lists of labels, or table, default=None
            What is possible, as in :meth:`predict`.

        Returns
        -------
        node_proba : ndarray of float64 or float32, shape (n_samples, n_nodes)
            Columns as in ``taxonomy_.nodes``, the root (always 1) first. The probability of a
            node is that of its children summed up, and of a stop there; in float32 up to rounding.

        Raises
        ------
        TypeError, ValueError
            For another dtype, and an `out` of another shape or kind.
        """
        check_is_fitted(self, "taxonomy_")
        parts = self._by_block(X, lambda marginals: marginals.dense().node_proba, allowed=allowed)
        return written(parts, _num_samples(X), self.taxonomy_.n_nodes, dtype, out)

    def decode(
        self, node_proba: Any, decoder: str | Decoder | None = None, *, allowed: Any = None
    ) -> Any:
        """Turn node probabilities into labels, without calling the models again.

        Parameters
        ----------
        node_proba : array-like, sparse matrix or data frame of float, shape (n_samples, n_nodes)
            As returned by :meth:`predict_node_proba`: probabilities, those of the root 1, and those
            of children in sum at most that of their parent. The columns of a data frame are named
            by nodes, in any order.
        decoder : str or Decoder, default=None
            The decoder; by default the estimator's own.
        allowed : list of labels, list of lists of labels, or table, default=None
            What is possible, as in :meth:`predict`. Pass the table without any restriction.

        Returns
        -------
        y : ndarray, shape (n_samples,), or in the format of the training labels
            Labels, as from :meth:`predict`.

        Raises
        ------
        TargetError
            For allowed labels that are unknown.
        ValueError
            For another table: names the row and the nodes. For a sample for which nothing is allowed.

        Notes
        -----
        The probability of a stop at a node is that of the node less the sum of its children's. So
        rounding may tell apart answers that are equally probable, one of them a stop.
        """
        check_is_fitted(self, "taxonomy_")
        found = self._tuned(resolve_decoder(self.decoder if decoder is None else decoder))
        chosen = self._deciding(found)
        table = checked_node_proba(node_proba, self.taxonomy_)
        # Where an answer may stop is not in the table: it is what the training labels showed.
        marginals = DenseMarginals(self.taxonomy_, self._model.outcomes, table)
        read = chosen.decode_sets if chosen.gives_sets else chosen.decode
        if allowed is None:
            return self._target.restore(read(marginals), chosen)
        parts = restricted_paths([marginals], self._permitted(allowed, len(table)))
        return self._target.restore(concatenated(list(map(read, parts))), chosen)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of samples whose label, or whole path, is predicted.

        An answer that is a set of nodes is right if it holds the true path and nothing else.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        y : array-like, shape (n_samples,) or (n_samples, n_levels), or list of lists
            True labels in any format. Unknown ones count as wrong, unless all of them are unknown.
            The columns of a data frame are found by their names, if it has some.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples, 0 or more.

        Returns
        -------
        score : float
            Accuracy, in [0, 1].

        Raises
        ------
        TargetError
            If no label in several rows is known, and for paths with gaps.
        ValueError
            For weights that are negative or not finite, and if all are 0.
        """
        predicted = self._answers(X, self._deciding(self.decoder_))
        right = self._target.is_right(required_target(self, y), predicted)
        return float(
            np.average(right, weights=checked_weights(sample_weight, len(right), "score"))
        )
