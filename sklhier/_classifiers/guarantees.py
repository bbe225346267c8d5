"""Answers with a guarantee: thresholds of calibration rows, sets of answers, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self, TypeVar

import numpy as np
from scipy import sparse
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_consistent_length, check_is_fitted

from sklhier._classifiers.path_prediction import by_rows
from sklhier._classifiers.path_tables import PathTables
from sklhier._classifiers.probability_tables import gives_probabilities, warn_of_few_rows
from sklhier._classifiers.set_prediction import SetPredictor, fitted_decoder, refuse_groups
from sklhier._probabilities.marginals import HeldOutPaths
from sklhier._targets.paths import label_sets, shown_row
from sklhier._utils.digests import Digests, n_known
from sklhier._utils.pickling import unchanged_on_error
from sklhier._utils.rows import concatenated
from sklhier._utils.typing import NodeIds, Objects
from sklhier._utils.validation import check_number, required_target
from sklhier._utils.warning import warn_caller
from sklhier.decoders import Conformal, Decoder, HeldOutSets, RiskControl, resolve_decoder
from sklhier.decoders._conformal import RowGroups
from sklhier.exceptions import IncompatiblePartsError, LeakageWarning, TargetError

__all__ = [
    "PathGuarantees",
    "SetGuarantees",
    "check_reject",
    "refuse_learning_from_batches",
]

D = TypeVar("D")

# Share of calibration rows that may well equal one of training, as short texts do.
_MOST_KNOWN = 0.05


def check_reject(reject: Any) -> None:
    """Raise a ValueError unless a share of samples is in (0, 1)."""
    check_number("reject", reject, above=0, below=1)


def refuse_learning_from_batches(decoder: Decoder) -> None:
    """Raise an error if something is learnt from held-out samples, where samples come in batches."""
    if decoder.needs_tuning:
        raise IncompatiblePartsError.needs(
            decoder,
            "all samples at once, to learn from out-of-fold predictions",
            "partial_fit sees them in batches",
            "Use fit, or leave it out.",
        )


def _warn_of_training_rows(X: Any, known: Digests | None) -> None:
    """Warn if calibration rows are training rows."""
    found, n_rows = n_known(X, known), _num_samples(X)
    if found > _MOST_KNOWN * n_rows:
        warn_caller(
            f"{found} of {n_rows} calibration rows are training rows, or equal to one. The models "
            "know them, so thresholds are too low and nothing is guaranteed. Calibrate with rows "
            "that were not used in fit.",
            LeakageWarning,
        )


def _calibratable(decoder: object, kind: type[D], given: Any) -> D:
    """Return a decoder, or raise an error if nothing can be calibrated for it."""
    if not isinstance(decoder, kind):
        raise IncompatiblePartsError.needs(
            "conformalize",
            f"the decoder {kind.__name__}",
            f"decoder={given!r}",
            f"Set it first: model.set_params(decoder={kind.__name__}()). The models need not be "
            "fitted again.",
        )
    return decoder


class PathGuarantees(PathTables):
    """Calibration of a classifier that gives one path to each sample."""

    def conformalize(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Calibrate the decoder :class:`~sklhier.decoders.Conformal` on unused rows.

        Rows must be exchangeable with those of predictions, and must not have been used before,
        neither to fit nor to choose parameters. Then the confidence level is guaranteed. The models
        do not change. The decoder may be set after `fit`:
        ``model.set_params(decoder=Conformal(0.95)).conformalize(X_cal, y_cal)``.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Calibration samples.
        y : array-like, shape (n_samples,) or (n_samples, n_levels), or list of lists
            Their labels, in any format. Labels that no training sample has count as errors.
        groups : array-like of str or int, shape (n_samples,), default=None
            Groups, so that the confidence level holds in each of them (*Mondrian*). Pass the groups
            of new samples to :meth:`predict`, :meth:`predict_levels` and :meth:`predict_set`;
            without them the largest threshold of all groups is used, which holds in every group.

        Returns
        -------
        self : object
            The classifier, calibrated.

        Raises
        ------
        IncompatiblePartsError
            If the decoder is not ``Conformal``, or base estimators have no probabilities.
        TargetError
            For labels that are missing or not in the taxonomy.
        ValueError
            For groups together with ``by``, and for groups of the wrong length.

        Warns
        -----
        LeakageWarning
            If more than one in twenty calibration rows is a training row, or equal to one. This is
            checked if the classifier was fitted with the decoder ``Conformal``, and for numbers,
            texts and data frames.
        RareClassWarning
            If there are too few rows for a threshold; ``conformal_report_`` has the number needed.

        Notes
        -----
        ``fit`` and ``partial_fit`` forget the thresholds. After :meth:`compress`, calibrate again.

        Examples
        --------
        >>> from sklhier import HierarchicalClassifier
        >>> from sklhier.datasets import make_hierarchical_classification
        >>> from sklhier.decoders import Conformal
        >>> X, y, taxonomy = make_hierarchical_classification(300, branching=(3, 2), random_state=0)
        >>> model = HierarchicalClassifier(taxonomy=taxonomy).fit(X[:200], y[:200])
        >>> model = model.set_params(decoder=Conformal(0.9)).conformalize(X[200:], y[200:])
        >>> report = model.conformal_report_
        >>> print(report["n_rows"], report["k"], report["source"])
        [100] [91] ['calibration']
        """
        check_is_fitted(self, "taxonomy_")
        given = resolve_decoder(self.decoder)
        decoder = _calibratable(given, Conformal, self.decoder)
        self._check_decoder(decoder)
        decoder.check_taxonomy(self.taxonomy_)
        with unchanged_on_error(self):
            X = self._prepared(X)
            nodes = self._calibration_nodes(required_target(self, y))
            check_consistent_length(X, nodes)
            of_rows = None
            if groups is not None:
                if decoder.by is not None:
                    raise ValueError(
                        "`groups` must be None if the decoder groups rows by predictions, got "
                        f"groups for {decoder!r}. Set by=None, or leave them out."
                    )
                of_rows = RowGroups.read(groups)
                check_consistent_length(of_rows.codes, nodes)
            learnt = decoder.calibrated(self._calibration(X, nodes), "calibration", of_rows)
            self._tuned_decoder = repr(decoder), learnt
            _warn_of_training_rows(X, self._known_rows)
            warn_of_few_rows(learnt, self.taxonomy_)
        return self

    def _calibration_nodes(self, y: Any) -> NodeIds:
        nodes = self._target.format.read(y, self.taxonomy_)
        unknown = nodes < 0
        if unknown.any():
            row = int(np.argmax(unknown))
            raise TargetError(
                f"y must hold labels of the taxonomy, got {shown_row(y, row)} in row {row}, and "
                f"{int(unknown.sum())} such rows in all. Leave them out, or label them with the "
                "deepest correct node."
            )
        return nodes

    def _calibration(self, X: Any, nodes: NodeIds) -> Iterator[HeldOutPaths]:
        start = 0
        for marginals in self._model.blocks(X, all_nodes=True):
            own = nodes[start : start + marginals.n_rows]
            start += marginals.n_rows
            yield HeldOutPaths(marginals, own, np.ones(len(own)))

    @available_if(gives_probabilities)
    def predict_set(
        self, X: Any, confidence_level: float | None = None, groups: Any = None
    ) -> Objects:
        """Predict sets that contain the true label at a confidence level.

        A set holds all answers that are probable enough (*least ambiguous set-valued classifier*,
        LAC [1]_), and their ancestors. It is empty if no answer is. With the thresholds of
        :meth:`conformalize` the level is guaranteed; those of `fit` only aim at it.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        confidence_level : float, default=None
            In (0, 1); None uses that of the decoder :class:`~sklhier.decoders.Conformal`.
        groups : array-like, shape (n_samples,), default=None
            As in :meth:`predict`.

        Returns
        -------
        sets : ndarray of object, shape (n_samples,)
            Frozensets of names of nodes; all nodes if calibration had too few rows.

        Raises
        ------
        IncompatiblePartsError
            If the decoder is not ``Conformal``, or has not been calibrated.
        ValueError
            For an invalid level.

        References
        ----------
        .. [1] M. Sadinle, J. Lei, L. Wasserman. Least ambiguous set-valued classifiers with bounded
           error levels. Journal of the American Statistical Association 114 (2019).
        """
        check_is_fitted(self, "taxonomy_")
        if confidence_level is not None:
            check_number("confidence_level", confidence_level, above=0, below=1)
        decoder = self._conformal("predict_set")
        X = self._prepared(X)

        def read(marginals: Any, groups: Any = None) -> sparse.csr_array:
            return decoder.prediction_sets(marginals, confidence_level, groups)

        of_block: Any = read
        if groups is not None:
            codes = decoder.codes_of(groups)
            check_consistent_length(codes, X)
            of_block = by_rows(read, codes)
        closed = concatenated(list(map(of_block, self._model.blocks(X, all_nodes=True))))
        return label_sets(closed, self.taxonomy_)

    def _conformal(self, what: str) -> Conformal:
        """Return the decoder with its thresholds."""
        decoder = self.decoder_
        if not isinstance(decoder, Conformal):
            raise IncompatiblePartsError.needs(
                what,
                "the decoder Conformal",
                f"decoder={self.decoder!r}",
                "Set it, and call conformalize: model.set_params(decoder=Conformal()).",
            )
        return decoder

    @property
    def conformal_report_(self) -> np.ndarray[Any, Any]:
        """Structured array with a record for each group of the decoder ``Conformal``."""
        check_is_fitted(self, "taxonomy_")
        try:
            return self._conformal("conformal_report_").report(self.taxonomy_)
        except IncompatiblePartsError as error:
            raise AttributeError(str(error)) from error

    @property
    def reject_threshold_(self) -> float:
        """Probability below which the best answer is refused; see `reject`."""
        check_is_fitted(self, "taxonomy_")
        if self._reject_threshold is None:
            raise AttributeError("`reject_threshold_` is only available after fit with `reject`.")
        return self._reject_threshold


class SetGuarantees(SetPredictor):
    """Calibration of a classifier that gives a set of labels to each sample."""

    decoder: Any

    def conformalize(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Calibrate the decoder :class:`~sklhier.decoders.RiskControl` on unused rows.

        Rows must be exchangeable with those of predictions, and must not have been used before,
        neither to fit nor to choose parameters. Then the target is guaranteed, as the decoder
        describes. The models do not change. The decoder may be set after `fit`:
        ``model.set_params(decoder=RiskControl("fnr", 0.1)).conformalize(X_cal, y_cal)``.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Calibration samples; about 300 or more.
        y : indicator, or list of collections of labels or paths
            Their labels, in any format.
        groups : None
            Not supported: one threshold holds for all.

        Returns
        -------
        self : object
            The classifier, calibrated.

        Raises
        ------
        IncompatiblePartsError
            If the decoder is not ``RiskControl``.
        TargetError
            For labels that are not in the taxonomy.
        ValueError
            For groups, and for a risk that does not suit its method.

        Warns
        -----
        LeakageWarning
            If more than one in twenty calibration rows is a training row, or equal to one. This is
            checked if the classifier was fitted with the decoder ``RiskControl``, and for numbers,
            texts and data frames.
        RareClassWarning
            If there are too few rows for a threshold; ``conformal_report_`` has the number needed.

        Notes
        -----
        ``fit`` and ``partial_fit`` forget the threshold. After :meth:`compress`, calibrate again.
        """
        check_is_fitted(self, "taxonomy_")
        refuse_groups(groups)
        given = fitted_decoder(self.decoder, self.taxonomy_)
        decoder = _calibratable(given, RiskControl, self.decoder)
        with unchanged_on_error(self):
            y = required_target(self, y)
            closed = self._target.read_batch(y)
            check_consistent_length(X, closed)
            learnt = decoder.calibrated(self._calibration(X, closed), "calibration")
            self.decoder_ = learnt
            _warn_of_training_rows(self._prepared(X), self._known_rows)
            warn_of_few_rows(learnt, self.taxonomy_)
        return self

    def _calibration(self, X: Any, closed: sparse.csr_array) -> Iterator[HeldOutSets]:
        start = 0
        for marginals in self._blocks(X):
            stop = start + len(marginals.node_proba)
            own = sparse.csr_array(closed[start:stop])
            yield HeldOutSets(marginals, own, np.ones(stop - start))
            start = stop

    @property
    def conformal_report_(self) -> np.ndarray[Any, Any]:
        """Structured array with a record of the calibration of the decoder ``RiskControl``."""
        check_is_fitted(self, "taxonomy_")
        decoder = self.decoder_
        if not isinstance(decoder, RiskControl) or not hasattr(decoder, "calibration_"):
            raise AttributeError(
                "`conformal_report_` is only available after fit or conformalize with the decoder "
                "RiskControl."
            )
        return decoder.report(self.taxonomy_)
