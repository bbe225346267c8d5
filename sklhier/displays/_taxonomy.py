"""A taxonomy as indented rows, each with the score of its node."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sklhier._utils.typing import Classifier, Features, Floats, NodeIds, SampleWeight, Target
from sklhier._utils.validation import check_choice, check_integer
from sklhier.displays._base import Display, plain_text, thousands
from sklhier.displays._html import as_html, lowest_colour
from sklhier.displays._outline import Outline, outlined
from sklhier.metrics._input import read_closures
from sklhier.metrics._scorer import compared_by
from sklhier.metrics._scores import scores_of
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._taxonomy import TaxonomyLike
from sklhier.taxonomy._titles import cut_text

__all__ = ["TaxonomyDisplay"]

_SCORES = {"precision": 0, "recall": 1, "f1": 2}
_BARS = ("score", "support", "errors")
_HEADS = {"precision": "precision", "recall": "recall", "f1": "F1"}
_ROWS = 60  # of a column
_COLUMN, _ROW = 4.6, 0.165  # inches
_FEWEST_LETTERS = 60  # in the width of a column
_MOST_INDENTED = 12
# Parts of a column, from its left edge; what is left at the end is a gap.
_BAR, _BAR_END, _SCORE, _SUPPORT, _END = 0.62, 0.76, 0.85, 0.95, 0.97


class TaxonomyDisplay(Display):
    """A taxonomy as indented rows, with name, bar, score and number of samples of each node.

    A chain of only children is one row. If there are too many nodes, the branches with the fewest
    errors are left out; ``[+12]`` marks twelve hidden nodes. A node of a DAG is shown only below
    its deepest parent.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    taxonomy : Taxonomy
        Tree or DAG.
    scores, support, errors : array-like, shape (n_nodes - 1,), default=None
        Score in [0, 1], number of true samples, and number of errors of each node of
        ``taxonomy.nodes[1:]``; NaN for an undefined score. None draws only names.
    score_name : str, default="score"
        Heading of the column of scores.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the last drawing.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    sklhier.metrics.hierarchical_classification_report : The same numbers as text.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.displays import TaxonomyDisplay
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> display = TaxonomyDisplay.from_predictions(
    ...     ["owl", "eel", "wren", "owl"], ["wren", "eel", "wren", "owl"], taxonomy=taxonomy
    ... )
    >>> display.scores.round(2), display.errors  # bird, fish, owl, wren, eel
    (array([1.  , 1.  , 0.67, 0.67, 1.  ]), array([0., 0., 1., 1., 0.]))
    >>> html = display.to_html()
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        scores: npt.ArrayLike | None = None,
        support: npt.ArrayLike | None = None,
        errors: npt.ArrayLike | None = None,
        *,
        score_name: str = "score",
    ) -> None:
        self.taxonomy = taxonomy
        self.scores = _numbers(scores, "scores", taxonomy)
        self.support = _numbers(support, "support", taxonomy)
        self.errors = _numbers(errors, "errors", taxonomy)
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Features,
        y: Target,
        *,
        taxonomy: TaxonomyLike | None = None,
        score: str = "f1",
        sample_weight: SampleWeight = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute the scores of an estimator's predictions.

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
        score : {"f1", "precision", "recall"}, default="f1"
            The score of a node.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.
        ax : matplotlib Axes, default=None
            Axes to draw into at once; None draws nothing yet.
        **kwargs : dict
            `classes`, `missing` and `deeper`, as in :meth:`from_predictions`.

        Returns
        -------
        display : TaxonomyDisplay
        """
        y, y_pred, found, kwargs = compared_by("predict", estimator, X, y, taxonomy, kwargs)
        return cls.from_predictions(
            y, y_pred, taxonomy=found, score=score, sample_weight=sample_weight, ax=ax, **kwargs
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Target,
        y_pred: Target,
        *,
        taxonomy: TaxonomyLike | None = None,
        score: str = "f1",
        sample_weight: SampleWeight = None,
        classes: npt.ArrayLike | None = None,
        missing: str = "error",
        deeper: str = "count",
        ax: Any = None,
    ) -> Self:
        """Compute the scores of predictions.

        Parameters
        ----------
        y_true, y_pred : array-like
            Labels in any format, one or more for each sample.
        taxonomy : Taxonomy or networkx.DiGraph, default=None
            Tree or DAG of the labels. Optional if both `y` hold paths.
        score : {"f1", "precision", "recall"}, default="f1"
            The score of a node, as in
            :func:`~sklhier.metrics.hierarchical_precision_recall_fscore_support` with
            ``average=None``; NaN if it is undefined.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.
        classes, missing, deeper
            As in :func:`~sklhier.metrics.hierarchical_classification_report`.
        ax : matplotlib Axes, default=None
            Axes to draw into at once; None draws nothing yet.

        Returns
        -------
        display : TaxonomyDisplay

        Raises
        ------
        TargetError
            For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
        """
        check_choice("score", score, tuple(_SCORES))
        read = read_closures(
            y_true,
            y_pred,
            taxonomy,
            sample_weight,
            classes=classes,
            missing=missing,
            deeper=deeper,
        )
        found = scores_of(read, average=None, node_weight=None, zero_division=np.nan, warn_for=())
        true, predicted, weights = read.true, read.predicted, read.weights
        common = weights @ true.multiply(predicted)
        errors = (weights @ true + weights @ predicted - 2 * common)[1:]
        scores = found[_SCORES[score]]
        display = cls(read.taxonomy, scores, found[3], errors, score_name=_HEADS[score])
        return display._drawn(ax)

    # -- drawing --------------------------------------------------------------------------

    def plot(self, ax: Any = None, *, max_nodes: int = 160, bar: str = "score") -> Self:
        """Draw the rows, in columns of up to 60.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure of the size that the rows need.
        max_nodes : int, default=160
            Largest number of rows.
        bar : {"score", "support", "errors"}, default="score"
            Length of the bars: the score, or a number of samples divided by the largest at the same
            level. Their colour is the score, from the 5 % quantile of the scores shown (dark) to 1
            (bright).

        Returns
        -------
        self : TaxonomyDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        ValueError
            For an invalid `bar`, or a `max_nodes` below 1.
        """
        check_choice("bar", bar, _BARS)
        outline = self._outline(max_nodes)
        n_columns = max(1, -(-len(outline.nodes) // _ROWS))
        n_rows = -(-len(outline.nodes) // n_columns)
        own = ax is None
        ax = self._axes(ax, n_columns * _COLUMN, (n_rows + 3) * _ROW)
        ax.set_axis_off()
        ax.set(xlim=(0, n_columns), ylim=(n_rows + 0.5, -1.5))
        ax.set_title(self._title(outline), loc="left", fontsize="medium")
        places = np.divmod(np.arange(len(outline.nodes)), n_rows)
        width, height = (n_columns * _COLUMN, (n_rows + 2) * _ROW) if own else _inches(ax)
        row, column = 72 * height / (n_rows + 2), 72 * width / n_columns  # points
        # Letters are a little more than half as wide as the font is high.
        size = min(8.0, 0.68 * row, column / (0.56 * _FEWEST_LETTERS))
        letters = column / (0.56 * size)
        self._draw_texts(ax, outline, *places, size, letters)
        if self.scores is not None:
            self._draw_bars(ax, outline, bar, *places, size)
        return self

    def _outline(self, max_nodes: int) -> Outline:
        check_integer("max_nodes", max_nodes, least=1)
        errors = np.zeros(self.taxonomy.n_nodes)
        if self.errors is not None:
            errors[1:] = self.errors
        return outlined(self.taxonomy, errors, max_nodes)

    def _title(self, outline: Outline) -> str:
        what = "Taxonomy" if self.scores is None else f"{self.score_name} of every node"
        if not outline.n_hidden:
            return what
        return f"{what}; {outline.n_hidden:,} nodes with the fewest errors are not shown"

    def _draw_texts(
        self,
        ax: Any,
        outline: Outline,
        columns: NodeIds,
        rows: NodeIds,
        size: float,
        letters: float,
    ) -> None:
        """Write the names, a column being so many letters wide."""
        end = _END if self.scores is None else _BAR - 0.02
        for i, (column, row) in enumerate(zip(columns.tolist(), rows.tolist(), strict=True)):
            depth = min(int(outline.depths[i]), _MOST_INDENTED)
            start = 0.03 * depth
            room = max(6, int((end - start) * letters))
            weight = "bold" if depth == 0 else "normal"
            text = cut_text(outline.label(i), room)
            self._write(ax, column + start, row, text, size, weight=weight)
            if row == 0 and column > 0 and depth > 0:
                above = cut_text(self._above(outline, i), room)
                self._write(ax, column, -1, above, size, style="italic", color="0.35")

    @staticmethod
    def _above(outline: Outline, row: int) -> str:
        """Return the row above one that begins a column."""
        depths = outline.depths
        above = int(np.flatnonzero(depths[:row] < depths[row])[-1])
        return f"{outline.label(above, full=False)} (continued)"

    @staticmethod
    def _write(ax: Any, x: float, y: float, text: str, size: float, **kwargs: Any) -> None:
        written = ax.text(x, y, text, fontsize=size, va="center", **kwargs)
        plain_text([written])

    def _draw_bars(
        self,
        ax: Any,
        outline: Outline,
        bar: str,
        columns: NodeIds,
        rows: NodeIds,
        size: float,
    ) -> None:
        from matplotlib import colormaps
        from matplotlib.colors import Normalize

        nodes = outline.nodes
        scores = self._of(self.scores, nodes)
        low = lowest_colour(scores)
        norm = Normalize(low, 1.0)
        colours = colormaps["cividis"](norm(np.nan_to_num(scores)))
        left = columns + _BAR
        room = _BAR_END - _BAR
        ax.barh(rows, room, 0.62, left, color="0.92", zorder=1)
        ax.barh(rows, room * self._lengths(bar, nodes), 0.62, left, color=colours, zorder=2)
        heads = {_SCORE: self.score_name, _SUPPORT: "rows"}
        if bar != "score":
            heads[_BAR_END] = "rows" if bar == "support" else bar
        for column in range(int(columns.max()) + 1):
            for x, head in heads.items():
                self._write(ax, column + x, -1, head, size, ha="right", color="0.35")
        counts = self._of(self.support, nodes)
        for i, (column, row) in enumerate(zip(columns.tolist(), rows.tolist(), strict=True)):
            number = "\u2013" if np.isnan(scores[i]) else f"{scores[i]:.2f}"
            self._write(ax, column + _SCORE, row, number, size, ha="right")
            number = "" if np.isnan(counts[i]) else thousands(counts[i])
            self._write(ax, column + _SUPPORT, row, number, size, ha="right", color="0.35")

    def _of(self, values: Floats | None, nodes: NodeIds) -> Floats:
        return np.full(len(nodes), np.nan) if values is None else values[nodes - 1]

    def _lengths(self, bar: str, nodes: NodeIds) -> Floats:
        """Return the lengths of bars in [0, 1]."""
        if bar == "score":
            return np.nan_to_num(self._of(self.scores, nodes))
        counts = self.support if bar == "support" else self.errors
        if counts is None:
            raise ValueError(f"`bar` is {bar!r}, but the display has no `{bar}`.")
        levels = self.taxonomy.depths
        largest = np.zeros(self.taxonomy.n_levels + 1)
        np.maximum.at(largest, levels[1:], counts)
        most = largest[levels[nodes]]
        return np.divide(counts[nodes - 1], most, out=np.zeros(len(nodes)), where=most > 0)

    # -- HTML -----------------------------------------------------------------------------

    def to_html(self, *, max_nodes: int = 1000) -> str:
        """Return the taxonomy as foldable HTML without scripts.

        Parameters
        ----------
        max_nodes : int, default=1000
            Largest number of nodes; a line counts those left out.

        Returns
        -------
        html : str
            A ``div`` element in ASCII; names are escaped.

        Raises
        ------
        ValueError
            For a `max_nodes` below 1.
        """
        outline = self._outline(max_nodes)
        return as_html(
            outline,
            self._title(outline),
            None if self.scores is None else self._of(self.scores, outline.nodes),
            None if self.support is None else self._of(self.support, outline.nodes),
        )

    def _repr_html_(self) -> str | None:
        """Return HTML for a notebook, unless there is a picture to show."""
        return self.to_html() if self._ax is None else None


def _numbers(values: npt.ArrayLike | None, name: str, taxonomy: Taxonomy) -> Floats | None:
    """Return a number for each node but the root."""
    if values is None:
        return None
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (taxonomy.n_nodes - 1,):
        raise ValueError(
            f"`{name}` must have a number for each of the {taxonomy.n_nodes - 1} nodes of "
            f"taxonomy.nodes[1:], got an array of shape {numbers.shape}."
        )
    return numbers


def _inches(ax: Any) -> tuple[float, float]:
    """Return width and height of axes."""
    box = ax.get_window_extent()
    return box.width / ax.figure.dpi, box.height / ax.figure.dpi
