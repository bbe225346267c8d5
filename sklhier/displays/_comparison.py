"""Differences of estimators to a baseline, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from sklhier._utils.typing import Floats
from sklhier.displays._base import BESIDE, BLUE, GREY, ORANGE, Display, one_line, plain_text
from sklhier.taxonomy._titles import cut_text

__all__ = ["ComparisonDisplay"]

_LONGEST = 40  # letters of the name of an estimator


class _Comparison(Protocol):
    """The part of a :class:`~sklhier.model_selection.Comparison` that is drawn."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def measures(self) -> tuple[str, ...]: ...

    @property
    def differences(self) -> Floats: ...

    @property
    def intervals(self) -> Floats: ...

    @property
    def confidence(self) -> float: ...


class ComparisonDisplay(Display):
    """Score differences to a baseline, as dots with intervals.

    An interval to the right of the line at 0 is better than the baseline, one to the left worse; an
    interval that crosses the line shows no difference.

    Use :meth:`from_comparison` to make one.

    Parameters
    ----------
    names : sequence of str
        The estimators, the baseline first.
    measures : sequence of str
        The measures to compare.
    differences : array-like, shape (n_estimators - 1, n_measures)
        Scores minus those of the baseline.
    intervals : array-like, shape (n_estimators - 1, n_measures, 2)
        Lower and upper ends of the intervals.
    confidence : float, default=0.95
        Nominal coverage of each interval, in (0, 1).

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the last drawing.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    sklhier.model_selection.compare : Compares estimators.
    sklhier.model_selection.compare_with_flat : Compares an estimator with its flat version.

    Examples
    --------
    >>> from sklhier.displays import ComparisonDisplay
    >>> display = ComparisonDisplay(
    ...     names=["flat", "hierarchical"],
    ...     measures=["level 1", "level 2"],
    ...     differences=[[0.03, 0.01]],
    ...     intervals=[[[0.01, 0.05], [-0.01, 0.03]]],
    ... )
    >>> display.verdicts.tolist()
    [['better', 'no difference shown']]
    """

    def __init__(
        self,
        names: Sequence[str],
        measures: Sequence[str],
        differences: npt.ArrayLike,
        intervals: npt.ArrayLike,
        *,
        confidence: float = 0.95,
    ) -> None:
        self.names = tuple(names)
        self.measures = tuple(measures)
        self.differences: Floats = np.asarray(differences, dtype=np.float64)
        self.intervals: Floats = np.asarray(intervals, dtype=np.float64)
        self.confidence = confidence
        shape = (len(self.names) - 1, len(self.measures))
        if self.differences.shape != shape or self.intervals.shape != (*shape, 2):
            raise ValueError(
                "`differences` must have a row for each estimator but the baseline and a column "
                f"for each measure, {shape}, and `intervals` two numbers for each difference, got "
                f"shapes {self.differences.shape} and {self.intervals.shape}."
            )

    @classmethod
    def from_comparison(cls, comparison: _Comparison) -> Self:
        """Take the numbers of a comparison.

        Parameters
        ----------
        comparison : Comparison
            Result of :func:`~sklhier.model_selection.compare` or
            :func:`~sklhier.model_selection.compare_with_flat`.

        Returns
        -------
        display : ComparisonDisplay

        Examples
        --------
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from sklhier import HierarchicalClassifier
        >>> from sklhier.datasets import make_hierarchical_classification
        >>> from sklhier.displays import ComparisonDisplay
        >>> from sklhier.model_selection import compare_with_flat
        >>> X, y, taxonomy = make_hierarchical_classification(200, random_state=0)
        >>> estimator = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy)
        >>> comparison = compare_with_flat(estimator, X, y, n_bootstrap=100)
        >>> ComparisonDisplay.from_comparison(comparison).measures
        ('level 1', 'level 2', 'path', 'hF')
        """
        return cls(
            comparison.names,
            comparison.measures,
            comparison.differences,
            comparison.intervals,
            confidence=comparison.confidence,
        )

    @property
    def verdicts(self) -> npt.NDArray[Any]:
        """``"better"`` or ``"worse"`` than the baseline, or ``"no difference shown"``."""
        low, high = np.moveaxis(self.intervals, -1, 0)
        return np.select([low > 0, high < 0], ["better", "worse"], "no difference shown")

    def plot(self, ax: Any = None) -> Self:
        """Draw a dot and an interval for each estimator and measure.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.

        Returns
        -------
        self : ComparisonDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        n_others, n_measures = self.differences.shape
        ax = self._axes(ax, 6.4, 1.6 + 0.22 * n_others * n_measures + 0.2 * n_measures)
        ax.axvline(0, color="0.5", linewidth=1, zorder=1)
        styles = {
            "better": (BLUE, "o", "full"),
            "worse": (ORANGE, "s", "full"),
            "no difference shown": (GREY, "o", "none"),
        }
        # The measures from the top, the estimators one below the other within each.
        steps = (np.arange(n_others) - (n_others - 1) / 2) * 0.7 / max(1, n_others)
        places = np.arange(n_measures) + steps[:, None]
        for verdict, (colour, marker, fill) in styles.items():
            chosen = self.verdicts == verdict
            if chosen.any():
                low, high = self.intervals[chosen].T
                middle = self.differences[chosen]
                # A percentile interval need not hold the difference itself.
                ends = np.maximum([middle - low, high - middle], 0)
                ax.errorbar(
                    middle, places[chosen], xerr=ends, fmt=marker, fillstyle=fill, color=colour,
                    capsize=3, markersize=6, label=verdict, zorder=2,
                )  # fmt: skip
        self._label(ax, places)
        ax.legend(**BESIDE)
        return self

    def _label(self, ax: Any, places: Floats) -> None:
        names = [cut_text(one_line(name), _LONGEST) for name in self.names]
        if len(names) == 2:
            ax.set_yticks(places[0], self.measures)
            ax.set_title(f"{names[1]} against {names[0]}", fontsize="medium")
        else:
            texts = [f"{measure}: {name}" for name in names[1:] for measure in self.measures]
            ax.set_yticks(places.ravel(), texts, fontsize="small")
            ax.set_title(f"Against {names[0]}", fontsize="medium")
        ax.set_ylim(len(self.measures) - 0.4, -0.6)
        ax.set_xlabel(f"difference of scores, with {100 * self.confidence:g} % intervals")
        plain_text([ax.title, *ax.get_yticklabels()])
