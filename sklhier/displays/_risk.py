"""How many answers are wrong if the least sure ones are left out, a line for each level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sklhier._utils.pipelines import classifier_within
from sklhier._utils.typing import Classifier, Features, SampleWeight, Target
from sklhier.displays._base import BESIDE, Display, level_styles
from sklhier.metrics import RiskCoverageCurve, risk_coverage_curve
from sklhier.metrics._scorer import compared_by
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["RiskCoverageDisplay"]

_MOST_POINTS = 1000


class RiskCoverageDisplay(Display):
    """Risk by coverage, the share of wrong answers among the most confident ones, for each level.

    From left to right more and more answers are kept, the most confident first. Each level is drawn
    over the samples whose true labels reach it; a line ends before 1 if answers stop above the
    level.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    curve : RiskCoverageCurve
        Result of :func:`~sklhier.metrics.risk_coverage_curve`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the last drawing.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    sklhier.metrics.risk_coverage_curve : The same as numbers.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.displays import RiskCoverageDisplay
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> node_proba = [[0.9, 0.1, 0.7, 0.2, 0.1], [0.6, 0.4, 0.4, 0.2, 0.4]]
    >>> display = RiskCoverageDisplay.from_predictions(
    ...     ["owl", "eel"], node_proba=node_proba, taxonomy=taxonomy
    ... )
    >>> display.curve.accuracy  # of levels 1 and 2
    array([0.5, 0.5])
    """

    def __init__(self, curve: RiskCoverageCurve) -> None:
        self.curve = curve

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Features,
        y: Target,
        *,
        taxonomy: TaxonomyLike | None = None,
        sample_weight: SampleWeight = None,
        max_points: int | None = _MOST_POINTS,
        ax: Any = None,
    ) -> Self:
        """Compute the curves of an estimator with ``predict_node_proba``.

        In a tree with one label for each sample the answers are those of ``predict``, otherwise the
        most probable node of each level.

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
        sample_weight, max_points
            As in :meth:`from_predictions`.
        ax : matplotlib Axes, default=None
            Axes to draw into at once; None draws nothing yet.

        Returns
        -------
        display : RiskCoverageDisplay
        """
        inner = classifier_within(estimator)
        y, node_proba, found, kwargs = compared_by(
            "predict_node_proba", estimator, X, y, taxonomy, {}
        )
        one_path = not hasattr(inner, "closed_sets") and inner.taxonomy_.is_tree
        return cls.from_predictions(
            y,
            estimator.predict(X) if one_path else None,
            node_proba=node_proba,
            taxonomy=found,
            sample_weight=sample_weight,
            max_points=max_points,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Target,
        y_pred: Target | None = None,
        *,
        confidence: npt.ArrayLike | None = None,
        node_proba: npt.ArrayLike | None = None,
        taxonomy: TaxonomyLike | None = None,
        sample_weight: SampleWeight = None,
        classes: npt.ArrayLike | None = None,
        missing: str = "error",
        max_points: int | None = _MOST_POINTS,
        ax: Any = None,
    ) -> Self:
        """Compute the curves of predictions.

        Parameters
        ----------
        y_true, y_pred, confidence, node_proba, taxonomy, sample_weight, classes, missing
            As in :func:`~sklhier.metrics.risk_coverage_curve`.
        max_points : int, default=1000
            Largest number of points of each line; None for all.
        ax : matplotlib Axes, default=None
            Axes to draw into at once; None draws nothing yet.

        Returns
        -------
        display : RiskCoverageDisplay
        """
        return cls(
            risk_coverage_curve(
                y_true,
                y_pred,
                confidence=confidence,
                node_proba=node_proba,
                taxonomy=taxonomy,
                sample_weight=sample_weight,
                classes=classes,
                missing=missing,
                max_points=max_points,
            )
        )._drawn(ax)

    def plot(self, ax: Any = None, *, levels: Sequence[int] | None = None) -> Self:
        """Draw a line for each level.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        levels : sequence of int, default=None
            The levels to draw; None draws all, or eight of them if there are more.

        Returns
        -------
        self : RiskCoverageDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            For a level that the display does not have.
        """
        ax = self._axes(ax, 7.2, 4.2)
        curve = self.curve
        for i, style in level_styles(curve.levels, levels):
            label = (
                f"level {curve.levels[i]}: AURC {curve.aurc[i]:.3f}, "
                f"accuracy {curve.accuracy[i]:.3f}"
            )
            ax.plot(
                curve.coverage[i], curve.risk[i], label=label, linewidth=1.5, markersize=5,
                markevery=_marked(len(curve.coverage[i])), **style,
            )  # fmt: skip
        ax.set(xlabel="coverage: share of the samples that are answered")
        ax.set(ylabel="risk: share of the answers that are wrong")
        ax.set_xlim(0, 1.01)
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)
        ax.legend(**BESIDE)
        return self


def _marked(n_points: int) -> list[int]:
    """Return the points with a marker."""
    return np.unique(np.linspace(0, n_points - 1, 6).astype(int)[1:]).tolist()
