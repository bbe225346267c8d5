"""Whether the probabilities of the nodes of a level hold: reliability, a line for each level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sklhier._utils.typing import Classifier, Features, Floats, Rows, SampleWeight, Target
from sklhier._utils.validation import check_choice, check_integer
from sklhier.displays._base import BESIDE, Display, level_styles, thousands
from sklhier.metrics._input import read_node_proba
from sklhier.metrics._members import are_members
from sklhier.metrics._probabilities import confidence_bins
from sklhier.metrics._scorer import compared_by
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["LevelCalibrationDisplay"]

_BINNINGS = ("uniform", "quantile")


class LevelCalibrationDisplay(Display):
    """Reliability diagram of the most probable node at each level: accuracy by probability.

    A line below the diagonal is overconfident, a line above it underconfident.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    levels : array-like of int, shape (m,)
        The levels, from 1.
    confidence, accuracy, weights : sequence of m ndarrays
        For each level, the mean probability in its bins, the share of correct answers, and the
        weight of the samples; bins without samples are left out.

    Attributes
    ----------
    errors : ndarray of float64, shape (m,)
        Expected calibration error of each level: the mean distance of accuracy and confidence.
    support : ndarray of float64, shape (m,)
        Weight of the samples of each level.
    ax_ : matplotlib Axes
        Axes with the last drawing.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    sklhier.metrics.hierarchical_calibration_error : The errors as numbers.

    Notes
    -----
    If true labels end at different levels, the lower levels are still judged over all samples: a
    wrong node should be improbable, whatever the reason. Over only the samples whose labels reach
    the level (``rows="reached"``), correct probabilities look too small, since they leave room for
    labels that end above.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.displays import LevelCalibrationDisplay
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> node_proba = [[0.75, 0.25, 0.75, 0.0, 0.25]] * 4  # bird, fish, owl, wren, eel
    >>> display = LevelCalibrationDisplay.from_predictions(
    ...     ["owl", "wren", "wren", "eel"], node_proba, taxonomy=taxonomy
    ... )
    >>> display.errors
    array([0. , 0.5])
    """

    def __init__(
        self,
        levels: npt.ArrayLike,
        confidence: Sequence[Floats],
        accuracy: Sequence[Floats],
        weights: Sequence[Floats],
    ) -> None:
        self.levels = np.asarray(levels)
        self.confidence = tuple(confidence)
        self.accuracy = tuple(accuracy)
        self.weights = tuple(weights)

    @property
    def support(self) -> Floats:
        """Weight of the samples of each level."""
        return np.array([weights.sum() for weights in self.weights])

    @property
    def errors(self) -> Floats:
        """Expected calibration error of each level."""
        bins = zip(self.accuracy, self.confidence, self.weights, strict=True)
        return np.array([np.average(np.abs(right - sure), weights=w) for right, sure, w in bins])

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Features,
        y: Target,
        *,
        taxonomy: TaxonomyLike | None = None,
        rows: str = "all",
        n_bins: int = 15,
        binning: str = "uniform",
        sample_weight: SampleWeight = None,
        ax: Any = None,
    ) -> Self:
        """Compute the reliability of an estimator with ``predict_node_proba``.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier of this package, also within a Pipeline or search.
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples that it was not fitted to.
        y : array-like
            True labels, in any format.
        taxonomy : Taxonomy or networkx.DiGraph, default=None
            None uses that of the estimator.
        rows, n_bins, binning, sample_weight
            As in :meth:`from_predictions`.
        ax : matplotlib Axes, default=None
            Axes to draw into at once; None draws nothing yet.

        Returns
        -------
        display : LevelCalibrationDisplay
        """
        y, node_proba, found, kwargs = compared_by(
            "predict_node_proba", estimator, X, y, taxonomy, {}
        )
        return cls.from_predictions(
            y,
            node_proba,
            taxonomy=found,
            rows=rows,
            n_bins=n_bins,
            binning=binning,
            sample_weight=sample_weight,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Target,
        node_proba: npt.ArrayLike,
        *,
        taxonomy: TaxonomyLike | None = None,
        rows: str = "all",
        n_bins: int = 15,
        binning: str = "uniform",
        sample_weight: SampleWeight = None,
        classes: npt.ArrayLike | None = None,
        missing: str = "error",
        ax: Any = None,
    ) -> Self:
        """Compute the reliability of node probabilities.

        Parameters
        ----------
        y_true : array-like
            Labels in any format, one or more for each sample.
        node_proba : array-like, shape (n_samples, n_nodes) or (n_samples, n_nodes - 1)
            Probability of each node of ``taxonomy.nodes``, or of all but the root, as returned by
            ``predict_node_proba``.
        taxonomy : Taxonomy or networkx.DiGraph
            Tree or DAG of the labels.
        rows : {"all", "reached"}, default="all"
            The samples at each level: all of them, as in
            :func:`~sklhier.metrics.hierarchical_calibration_error`, or those whose true labels reach
            it.
        n_bins : int, default=15
            Number of bins.
        binning : {"uniform", "quantile"}, default="uniform"
            Bins of equal width in [0, 1], or of about equal weight.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.
        classes, missing
            As in :func:`~sklhier.metrics.hierarchical_calibration_error`.
        ax : matplotlib Axes, default=None
            Axes to draw into at once; None draws nothing yet.

        Returns
        -------
        display : LevelCalibrationDisplay
            For the levels with samples whose truth is known.

        Raises
        ------
        TargetError
            For labels that are not in the taxonomy, and without a taxonomy.
        ValueError
            For a wrong number of columns, values that are not probabilities, and invalid
            parameters.
        """
        check_choice("rows", rows, ("all", "reached"))
        check_integer("n_bins", n_bins, least=1)
        check_choice("binning", binning, _BINNINGS)
        true, proba, weights, resolved, unknown = read_node_proba(
            y_true, node_proba, taxonomy, sample_weight, classes=classes, missing=missing
        )
        offsets = resolved.level_offsets[1:] - 1
        levels, bins_of_levels = [], []
        for level in range(resolved.n_levels):
            columns = slice(offsets[level], offsets[level + 1])
            of_level = proba[:, columns]
            answers = np.argmax(of_level, axis=1)
            confidence = np.take_along_axis(of_level, answers[:, None], axis=1)[:, 0]
            right = are_members(true, offsets[level] + answers)
            counted = weights
            if rows == "reached":
                counted = weights * (np.diff(true[:, columns].indptr) > 0)
            if unknown is not None:
                counted = counted * ~are_members(unknown, offsets[level] + answers)
            if counted.any():
                bins = confidence_bins(confidence, n_bins, binning, counted)
                levels.append(level + 1)
                bins_of_levels.append(_means(bins, counted, confidence, right))
        return cls(levels, *zip(*bins_of_levels, strict=True))._drawn(ax)

    def plot(self, ax: Any = None, *, levels: Sequence[int] | None = None) -> Self:
        """Draw a line for each level; the area of a dot is its share of the samples.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        levels : sequence of int, default=None
            The levels to draw; None draws all, or eight of them if there are more.

        Returns
        -------
        self : LevelCalibrationDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            For a level that the display does not have.
        """
        ax = self._axes(ax, 7.2, 4.8)
        ax.plot([0, 1], [0, 1], linestyle=":", color="0.5", linewidth=1, zorder=1)
        for i, style in level_styles(self.levels, levels):
            label = (
                f"level {self.levels[i]}: ECE {self.errors[i]:.3f}, "
                f"{thousands(self.support[i])} rows"
            )
            marker = style.pop("marker")
            ax.plot(self.confidence[i], self.accuracy[i], zorder=2, linewidth=1.2, **style)
            shares = self.weights[i] / self.weights[i].max()
            ax.scatter(
                self.confidence[i], self.accuracy[i], 8 + 72 * shares,
                marker=marker, zorder=3, label=label, color=style["color"],
            )  # fmt: skip
        ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        ax.set(xlabel="probability of the most probable node", ylabel="share that is right")
        legend = ax.legend(**BESIDE)
        for handle in legend.legend_handles:
            handle.set_sizes([24])
        return self


def _means(
    bins: Rows, counted: Floats, confidence: Floats, right: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats]:
    """Return mean confidence, share of right answers and weight of each bin that has any."""
    weights = np.bincount(bins, counted).astype(np.float64)
    some = weights > 0
    sums = (np.bincount(bins, counted * of)[some] for of in (confidence, right))
    sure, correct = (of / weights[some] for of in sums)
    return sure, correct, weights[some]
