"""From node probabilities to label sets, in the format of the training labels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_consistent_length, check_is_fitted

from sklhier._classifiers.probability_tables import concatenated, gives_probabilities, written
from sklhier._probabilities.marginals import (
    checked_node_proba,
)
from sklhier._targets.label_sets import LabelSetFormat
from sklhier._targets.paths import same_rows
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, NodeIds
from sklhier._utils.validation import prepare_features, required_target
from sklhier.decoders import (
    SetDecoder,
    SetMarginals,
    resolve_set_decoder,
)
from sklhier.exceptions import IncompatiblePartsError
from sklhier.taxonomy import Taxonomy

__all__ = ["TABLES", "SetPredictor"]


TABLES = 6  # of all nodes that are held at the same time while sets are found


class SetPredictor:
    """What an estimator that gives a set of labels to each sample can be asked.

    A subclass sets the attributes when it is fitted, and defines :meth:`_set_marginals` and
    :meth:`_gives_probabilities`.
    """

    taxonomy_: Taxonomy
    decoder_: SetDecoder
    _format: LabelSetFormat
    _live: NodeIds  # nodes that have been seen, and so may be answered
    _gives_probabilities: Callable[[], bool]  # or an AttributeError that says why not

    def _set_marginals(self, X: Any) -> SetMarginals:
        """Return the node probabilities of a block of rows."""
        raise NotImplementedError

    @property
    def unseen_nodes_(self) -> tuple[Hashable, ...]:
        """Names of the nodes without a training sample at or below them."""
        check_is_fitted(self, "taxonomy_")
        unseen = np.ones(self.taxonomy_.n_nodes, dtype=bool)
        unseen[0] = False
        unseen[self._live] = False
        return tuple(self.taxonomy_.nodes[node] for node in np.flatnonzero(unseen))

    def _blocks(self, X: Any) -> Iterator[SetMarginals]:
        """Yield the probabilities of blocks of rows that fit in memory."""
        check_is_fitted(self, "taxonomy_")
        X = prepare_features(self, X, reset=False)
        for block in row_blocks(_num_samples(X), TABLES * self.taxonomy_.n_nodes):
            rows = take_rows(X, np.arange(block.start, block.stop))
            yield self._set_marginals(rows)

    def _by_block(self, X: Any, read: Callable[[SetMarginals], Any]) -> Any:
        """Return what is read from the probabilities of each block of rows, joined."""
        return concatenated([read(marginals) for marginals in self._blocks(X)])

    def predict(self, X: Any) -> Any:
        """Predict sets of labels.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.

        Returns
        -------
        y : indicator or list of collections
            In the format of the training labels. An indicator has 1 for every node of the answer;
            collections hold its most specific labels, or all of them if those of training did.
        """
        check_is_fitted(self, "taxonomy_")
        closed = self._by_block(X, self.decoder_.decode)
        return self._restored(closed, X)

    def _restored(self, closed: Any, X: Any = None) -> Any:
        labels = self._format.restore(sparse.csr_array(closed), self.taxonomy_)
        if hasattr(labels, "set_axis") and hasattr(X, "iloc"):
            return labels.set_axis(X.index)  # rows of one data frame belong to those of the other
        return labels

    @available_if(gives_probabilities)
    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.

        Returns
        -------
        proba : ndarray of float64, shape (n_samples, n_classes)
            Columns as in ``classes_``: the probability that a sample belongs to the node or to one
            below it. Rows do not sum to 1.
        """
        check_is_fitted(self, "taxonomy_")
        classes = self._format.class_ids
        parts = (marginals.node_proba[:, classes] for marginals in self._blocks(X))
        return written(parts, _num_samples(X), len(classes))

    @available_if(gives_probabilities)
    def predict_node_proba(self, X: Any, *, dtype: Any = None, out: Any = None) -> Floats:
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

        Returns
        -------
        node_proba : ndarray of float64 or float32, shape (n_samples, n_nodes)
            Columns as in ``taxonomy_.nodes``, the root (always 1) first. No node is more probable
            than one of its parents.

        Raises
        ------
        TypeError, ValueError
            For another dtype, and an `out` of another shape or kind.
        """
        check_is_fitted(self, "taxonomy_")
        parts = (marginals.node_proba for marginals in self._blocks(X))
        return written(parts, _num_samples(X), self.taxonomy_.n_nodes, dtype, out)

    def decode(self, node_proba: Any, decoder: str | SetDecoder | None = None) -> Any:
        """Turn node probabilities into sets of labels, without fitting or asking the models again.

        Parameters
        ----------
        node_proba : array-like of float, shape (n_samples, n_nodes)
            As returned by :meth:`predict_node_proba`.
        decoder : str or SetDecoder, default=None
            The decoder, its thresholds given as numbers; by default the estimator's own.

        Returns
        -------
        y : indicator or list of collections
            As from :meth:`predict`.

        Raises
        ------
        IncompatiblePartsError
            If the decoder has a threshold to learn.

        Notes
        -----
        The models' own answers, before they are made consistent, are not known here.
        ``"maximum_closure"`` is then a threshold at its ``tau``.
        """
        check_is_fitted(self, "taxonomy_")
        chosen = self.decoder_ if decoder is None else resolve_set_decoder(decoder)
        if chosen.needs_tuning:
            raise IncompatiblePartsError.needs(
                chosen,
                "training samples to learn a threshold from",
                "decode has none",
                "Give it as a number, or leave `decoder` out to use what fit has learnt.",
            )
        table = checked_node_proba(node_proba, self.taxonomy_)
        return self._restored(chosen.decode(SetMarginals(self.taxonomy_, table, table)))

    def closed_sets(self, y: Any) -> sparse.csr_array:
        """Return label sets, in any format, as an indicator of nodes with their ancestors.

        Parameters
        ----------
        y : indicator or list of collections of labels or paths
            Labels; an indicator with as many columns as in training has the same columns.

        Returns
        -------
        closed : csr_array of float64, shape (n_samples, n_nodes - 1)
            Columns as in ``taxonomy_.nodes[1:]``.
        """
        check_is_fitted(self, "taxonomy_")
        return sparse.csr_array(self._format.read(required_target(self, y), self.taxonomy_)[:, 1:])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of samples whose set of nodes is predicted exactly.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        y : indicator or list of collections of labels or paths
            True labels; their ancestors are added.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        score : float
            Subset accuracy of the closed sets, in [0, 1].
        """
        check_is_fitted(self, "taxonomy_")
        predicted = self._by_block(X, self.decoder_.decode)
        true = self._format.read(required_target(self, y), self.taxonomy_)
        check_consistent_length(true, predicted)
        right = same_rows(true, predicted)
        return float(np.average(right, weights=sample_weight))
