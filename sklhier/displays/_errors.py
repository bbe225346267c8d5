"""The nodes where predictions go wrong."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sklhier._utils.typing import Classifier, Features, Floats, SampleWeight, Target
from sklhier._utils.validation import check_integer
from sklhier.displays._base import (
    BLUE,
    GREEN,
    ORANGE,
    Display,
    one_line,
    plain_text,
    thousands,
)
from sklhier.metrics import ErrorAttribution, error_attribution
from sklhier.metrics._scorer import compared_by
from sklhier.taxonomy._taxonomy import TaxonomyLike
from sklhier.taxonomy._titles import cut_text

__all__ = ["ErrorAttributionDisplay"]

_KINDS = (
    ("wrong_turn", "wrong turn", ORANGE, None),
    ("stopped_early", "stopped early", BLUE, "///"),
    ("too_deep", "went too deep", GREEN, "..."),
)
_LONGEST = 36  # letters of a name
_LONGEST_BESIDE = 24  # of one in the text beside a bar
_WIDTH = 8.5  # inches
_TEXT = 7.5  # points
_MOST = 0.9  # the share of the errors that the title speaks of


class ErrorAttributionDisplay(Display):
    """The nodes where predictions go wrong, most errors first.

    A bar is the number of samples that correctly arrived at a node and went wrong there. The text
    beside it shows the share of these among all that arrived, and the most confused children.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    attribution : ErrorAttribution
        Result of :func:`~sklhier.metrics.error_attribution`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the last drawing.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    sklhier.metrics.error_attribution : The same as numbers.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.displays import ErrorAttributionDisplay
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> display = ErrorAttributionDisplay.from_predictions(
    ...     ["owl", "owl", "wren"], ["wren", "owl", "owl"], taxonomy=taxonomy
    ... )
    >>> display.attribution.nodes[0], float(display.attribution.errors[0])
    ('bird', 2.0)
    """

    def __init__(self, attribution: ErrorAttribution) -> None:
        self.attribution = attribution

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Features,
        y: Target,
        *,
        taxonomy: TaxonomyLike | None = None,
        sample_weight: SampleWeight = None,
        ax: Any = None,
    ) -> Self:
        """Find the errors of an estimator's predictions.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier of this package, also within a Pipeline or search; with `taxonomy`,
            any classifier.
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        y : array-like
            True labels, in any format.
        taxonomy : Taxonomy or networkx.DiGraph, default=None
            None uses that of the estimator.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.
        ax : matplotlib Axes, default=None
            Axes to draw into at once; None draws nothing yet.

        Returns
        -------
        display : ErrorAttributionDisplay
        """
        y, y_pred, found, kwargs = compared_by("predict", estimator, X, y, taxonomy, {})
        return cls.from_predictions(
            y, y_pred, taxonomy=found, sample_weight=sample_weight, ax=ax, **kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Target,
        y_pred: Target,
        *,
        taxonomy: TaxonomyLike | None = None,
        sample_weight: SampleWeight = None,
        classes: npt.ArrayLike | None = None,
        missing: str = "error",
        ax: Any = None,
    ) -> Self:
        """Find the errors of predictions.

        Parameters
        ----------
        y_true, y_pred, taxonomy, sample_weight, classes, missing
            As in :func:`~sklhier.metrics.error_attribution`.
        ax : matplotlib Axes, default=None
            Axes to draw into at once; None draws nothing yet.

        Returns
        -------
        display : ErrorAttributionDisplay
        """
        return cls(
            error_attribution(
                y_true,
                y_pred,
                taxonomy=taxonomy,
                sample_weight=sample_weight,
                classes=classes,
                missing=missing,
            )
        )._drawn(ax)

    def plot(self, ax: Any = None, *, max_nodes: int = 20) -> Self:
        """Draw a bar for each node.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        max_nodes : int, default=20
            Largest number of bars; nodes without errors have none.

        Returns
        -------
        self : ErrorAttributionDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            For a `max_nodes` below 1.
        """
        check_integer("max_nodes", max_nodes, least=1)
        errors = self.attribution.errors
        n_bars = min(max_nodes, int((errors > 0).sum()))
        names = [cut_text(one_line(name), _LONGEST) for name in self.attribution.titles[:n_bars]]
        if ax is None:
            points = 72 * _WIDTH - 40 - 6.5 * max(map(len, names), default=0)
        else:
            points = 72 * ax.get_window_extent().width / ax.figure.dpi
        ax = self._axes(ax, _WIDTH, 1.3 + 0.27 * max(n_bars, 2))
        places = np.arange(n_bars)
        left = np.zeros(n_bars)
        for name, label, colour, hatch in _KINDS:
            counts = getattr(self.attribution, name)[:n_bars]
            if counts.any():
                ax.barh(
                    places, counts, 0.7, left, color=colour, label=label, hatch=hatch,
                    edgecolor="white", linewidth=0,
                )  # fmt: skip
            left += counts
        ax.set_yticks(places, names)
        ax.set_ylim(max(n_bars, 1) - 0.4, -0.6)
        words = self._words(n_bars)
        ax.set_xlim(0, _right_end(left, words, points))
        style = {"va": "center", "fontsize": _TEXT, "color": "0.3"}
        beside = [
            ax.annotate(text, (end, place), (4, 0), textcoords="offset points", **style)
            for place, (end, text) in enumerate(zip(left, words, strict=True))
        ]
        ax.set_xlabel("errors (rows)", loc="left")
        ax.set_title(self._title(n_bars), fontsize="medium", loc="left")
        ax.spines[["top", "right"]].set_visible(False)
        plain_text([*ax.get_yticklabels(), *beside])
        if n_bars:
            # Below the ticks, beside their label: inside it would cover words.
            below = {"loc": "upper right", "bbox_to_anchor": (1, 0), "borderaxespad": 2.5}
            ax.legend(frameon=False, fontsize="small", ncols=3, **below)
        return self

    def _words(self, n_bars: int) -> list[str]:
        """Return the texts beside the bars."""
        found = self.attribution
        numbers = zip(found.error_rate, found.arrived, strict=True)
        texts = [f"{rate:.1%} of {thousands(arrived)}" for rate, arrived in numbers]
        pairs = zip(found.worst_true, found.worst_predicted, found.worst_count, strict=True)
        worst = [self._pair(*pair) for pair in pairs]
        return list(map(str.__add__, texts, worst))[:n_bars]

    def _pair(self, true: int, taken: int, count: float) -> str:
        if not count > 0:
            return ""
        names = (one_line(self.attribution.taxonomy.text_of(node)) for node in (true, taken))
        meant, answered = (cut_text(name, _LONGEST_BESIDE) for name in names)
        return f"; {meant} \u2192 {answered} ({thousands(count)})"

    def _title(self, n_bars: int) -> str:
        errors = self.attribution.errors
        total = float(errors.sum())
        if not total:
            return "No errors"
        n_most = int(np.searchsorted(np.cumsum(errors), _MOST * total)) + 1
        nodes = "node" if n_most == 1 else "nodes"
        share = errors[:n_most].sum() / total
        text = f"{n_most} {nodes} of {len(errors):,} hold {share:.0%} of the errors"
        left = float(errors[n_bars:].sum())
        return f"{text}; {thousands(left)} errors are not shown" if left else text


def _right_end(ends: Floats, words: list[str], points: float) -> float:
    """Return the end of an axis of so many points that leaves room for words beside bars."""
    lengths = np.array([0.56 * _TEXT * len(text) + 4 for text in words])
    # A bar keeps a fifth of the axis, however long its words are.
    room = np.maximum(points - lengths, points / 5)
    return float((ends * points / room).max(initial=0.0)) or 1.0
