"""Tables of the probabilities of one path: of nodes, classes and answers, and decoded again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from sklhier._classifiers.frames import Answered, FrameMaker, answered_paths, check_output, joined
from sklhier._classifiers.path_prediction import PathPredictor
from sklhier._classifiers.probability_tables import gives_probabilities, written
from sklhier._probabilities.marginals import DenseMarginals, checked_node_proba
from sklhier._probabilities.restricted import restricted_paths
from sklhier._utils.rows import concatenated
from sklhier._utils.typing import Floats
from sklhier._utils.validation import check_integer
from sklhier.decoders import Decoder, resolve_decoder

__all__ = ["PathTables"]


class PathTables(PathPredictor):
    """The probabilities of an estimator that gives one path to each sample, as tables."""

    @available_if(gives_probabilities)
    def predict_proba(self, X: Any, *, allowed: Any = None) -> Floats:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        allowed : list of labels, list of lists of labels, or table, default=None
            Allowed answers, as in :meth:`predict`; probabilities are conditional on one of them
            being right.

        Returns
        -------
        proba : ndarray of float64, shape (n_samples, n_classes)
            Columns as in ``classes_``; rows sum to 1. A class that is an inner node has the
            probability that the label stops there; this is 0 if labels below it were observed,
            unless the strategy learns stops, as ``PerParent(stop="learn")`` and ``"flat"`` do.
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
            Dtype of the result; None means float64. Probabilities are computed in float64, block by
            block.
        out : ndarray of float32 or float64, shape (n_samples, n_nodes), default=None
            Array to write to, such as a :class:`numpy.memmap` for a table larger than memory.
        allowed : list of labels, list of lists of labels, or table, default=None
            Allowed answers, as in :meth:`predict`.

        Returns
        -------
        node_proba : ndarray of float64 or float32, shape (n_samples, n_nodes)
            Columns as in ``taxonomy_.nodes``, the root (always 1) first. The probability of a node
            is the sum of those of its children and of a stop there; in float32 up to rounding.

        Raises
        ------
        TypeError, ValueError
            For an unsupported dtype, and an `out` of the wrong shape or kind.
        """
        check_is_fitted(self, "taxonomy_")
        parts = self._by_block(X, lambda marginals: marginals.dense().node_proba, allowed=allowed)
        return written(parts, _num_samples(X), self.taxonomy_.n_nodes, dtype, out)

    def _tables(self, X: Any) -> Iterator[DenseMarginals]:
        """Yield the probabilities of all nodes, for blocks of rows that fit in memory."""
        return self._by_block(X, lambda marginals: marginals.dense())

    def decode(
        self, node_proba: Any, decoder: str | Decoder | None = None, *, allowed: Any = None
    ) -> Any:
        """Turn node probabilities into labels, without calling the models again.

        Parameters
        ----------
        node_proba : array-like, sparse matrix or data frame of float, shape (n_samples, n_nodes)
            As returned by :meth:`predict_node_proba`: probabilities, 1 for the root; those of
            children sum to at most that of their parent. Columns of a data frame are named by
            nodes, in any order.
        decoder : str or Decoder, default=None
            The decoder; by default the estimator's own.
        allowed : list of labels, list of lists of labels, or table, default=None
            Allowed answers, as in :meth:`predict`. Pass the table without any restriction.

        Returns
        -------
        y : ndarray, shape (n_samples,), or in the format of the training labels
            Labels, as from :meth:`predict`.

        Raises
        ------
        TargetError
            For allowed labels that are unknown.
        ValueError
            For an invalid table (the message names the row and the nodes), and for a sample without
            an allowed answer.

        Notes
        -----
        The probability of a stop at a node is that of the node minus the sum of its
        children's. So rounding may break ties between a stop and other answers.
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

    def predict_frame(
        self,
        X: Any,
        top_k: int = 1,
        *,
        groups: Any = None,
        allowed: Any = None,
        output: str = "pandas",
    ) -> Any:
        """Return answers and their probabilities as a table.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        top_k : int, default=1
            Rows for each sample: first the answer of :meth:`predict`, then the most probable
            others. From 1 to the number of possible answers.
        groups : array-like, shape (n_samples,), default=None
            Groups of the samples, as in :meth:`predict`.
        allowed : list of labels, list of lists of labels, or table, default=None
            Allowed answers, as in :meth:`predict`. A sample with fewer answers has fewer rows.
        output : {"pandas", "polars", "arrays"}, default="pandas"
            A data frame of pandas or polars, or a dictionary of arrays by column.

        Returns
        -------
        table : pandas.DataFrame, polars.DataFrame or dict of str to ndarray
            Rows are in the order of X. Its columns:

            ``row``
                Index of the sample in a pandas data frame or series, else its position.
            ``rank``
                From 1.
            ``predicted``
                Whether this is the answer of :meth:`predict`: True at rank 1.
            ``label``
                The answer, as in ``classes_``; None for no answer.
            ``proba``
                Its probability, as in :meth:`predict_proba`; for a decoder that may stop early, the
                probability that the true label is at or below the node.
            ``level_1``, ``proba_level_1``, ...
                Each step of the path and the probability of its node, as in
                :meth:`predict_node_proba`. If the labels of ``fit`` were a data frame, levels are
                named after its columns, unless these names are taken. A DAG has none of them.
            ``stop``
                End of the path: ``"leaf"``; ``"inner"``, a node with others below it; or ``"none"``
                for no answer, the root.

            Below the end of a path steps are None and probabilities NaN (null in polars). Without
            :meth:`predict_proba` there are no probabilities. A decoder that answers with sets has a
            row for each most specific node.

        Raises
        ------
        ImportError
            If the package of the data frame is not installed.
        IncompatiblePartsError
            For groups, if the decoder is another than ``Conformal``.
        TargetError
            For allowed labels that are unknown.
        ValueError
            For an invalid `top_k` or `output`, and a sample without an allowed answer.

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
        return self._frame(self._answered(X, top_k, groups, allowed, output), X, output)

    def _answered(self, X: Any, top_k: int, groups: Any, allowed: Any, output: str) -> Answered:
        decoder = self._deciding(self.decoder_)
        check_output(output)
        check_integer("top_k", top_k, least=1, most=len(self._model.outcomes.answers))
        decode = self._decoding(decoder, groups, X)
        start, parts = 0, []
        for marginals in self._blocks(X, allowed, all_nodes=decoder.needs_all_nodes):
            parts.append((start, answered_paths(marginals, decoder, decode, top_k)))
            start += marginals.n_rows
        return joined(parts)

    def _frame(self, answered: Answered, X: Any, output: str) -> Any:
        """Return answers as a table about samples that are called as in X."""
        knows = hasattr(self, "predict_node_proba")
        maker = FrameMaker(self.taxonomy_, self._target.level_names, knows)
        labels = self._target.names_of(answered.nodes, self._deciding(self.decoder_))
        return maker.table(answered, labels, X, output)
