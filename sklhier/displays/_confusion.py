"""The confusion matrix of a whole taxonomy, in the order of its branches."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._utils.typing import (
    Classifier,
    Features,
    Floats,
    NodeIds,
    Rows,
    SampleWeight,
    SparseTable,
    Target,
)
from sklhier._utils.validation import check_choice
from sklhier.displays._base import Display, one_line, plain_text, spread, thousands
from sklhier.metrics._confusion import normalized
from sklhier.metrics._input import read_level, read_nodes
from sklhier.metrics._scorer import compared_by
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._taxonomy import TaxonomyLike
from sklhier.taxonomy._titles import cut_text

__all__ = ["HierarchicalConfusionMatrixDisplay"]

_MOST_VALUES = 20  # classes with a number in each cell
_MOST_LABELS = 40  # classes with a label each
_MOST_CELLS = 250  # classes whose cells are seen as squares; dots beyond
_LONGEST = 30  # letters of a label
_TEXT = 8.0  # points


class HierarchicalConfusionMatrixDisplay(Display):
    """Confusion matrix of the classes of a tree, sorted by branch.

    Rows are true classes, columns predicted ones: leaves, and inner nodes that are labels or
    answers, each before the nodes below it. Lines divide them into blocks, the branches at the
    first level with several nodes. Mistakes within a branch lie in its square on the diagonal. The
    diagonal itself has no colour, so that mistakes stand out.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    confusion_matrix : array-like or sparse matrix, shape (n_classes, n_classes)
        Counts or shares.
    taxonomy : Taxonomy
        A tree.
    nodes : array-like of int, shape (n_classes,)
        Ids of the nodes of the rows and columns, in preorder.

    Attributes
    ----------
    confusion_matrix : csr_array, shape (n_classes, n_classes)
        The matrix as given, sparse.
    class_names : list
        Names of the classes.
    ax_ : matplotlib Axes
        Axes with the last drawing.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    sklhier.metrics.hierarchical_confusion_matrix : The matrix of one level, as numbers.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.displays import HierarchicalConfusionMatrixDisplay
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true, y_pred = ["owl", "owl", "eel", "wren"], ["owl", "eel", "fish", "owl"]
    >>> display = HierarchicalConfusionMatrixDisplay.from_predictions(
    ...     y_true, y_pred, taxonomy=taxonomy
    ... )
    >>> display.class_names
    ['owl', 'wren', 'fish', 'eel']
    >>> display.confusion_matrix.toarray()
    array([[1, 0, 0, 1],
           [1, 0, 0, 0],
           [0, 0, 0, 0],
           [0, 0, 1, 0]])
    """

    def __init__(
        self,
        confusion_matrix: npt.ArrayLike | SparseTable,
        taxonomy: Taxonomy,
        nodes: npt.ArrayLike,
    ) -> None:
        taxonomy.require_tree("A confusion matrix of branches")
        given: Any = confusion_matrix
        self.confusion_matrix = sparse.csr_array(given)
        self.taxonomy = taxonomy
        self.nodes: NodeIds = np.asarray(nodes, dtype=np.int32)
        if self.confusion_matrix.shape != (len(self.nodes), len(self.nodes)):
            raise ValueError(
                f"`confusion_matrix` must have a row and a column for each of the "
                f"{len(self.nodes)} `nodes`, got shape {self.confusion_matrix.shape}."
            )

    @property
    def class_names(self) -> list[Any]:
        """Names of the classes, in the order of the rows."""
        return [self.taxonomy.nodes[node] for node in self.nodes]

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Features,
        y: Target,
        *,
        taxonomy: TaxonomyLike | None = None,
        level: int | None = None,
        sample_weight: SampleWeight = None,
        normalize: str | None = None,
        ax: Any = None,
    ) -> Self:
        """Count the predictions of an estimator.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier of this package, also within a Pipeline or search; with `taxonomy`,
            any classifier.
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        y : array-like
            One true label or path for each sample, in any format.
        taxonomy : Taxonomy or networkx.DiGraph, default=None
            None uses that of the estimator.
        level, sample_weight, normalize
            As in :meth:`from_predictions`.
        ax : matplotlib Axes, default=None
            Axes to draw into at once; None draws nothing yet.

        Returns
        -------
        display : HierarchicalConfusionMatrixDisplay
        """
        y, y_pred, found, kwargs = compared_by("predict", estimator, X, y, taxonomy, {})
        return cls.from_predictions(
            y,
            y_pred,
            taxonomy=found,
            level=level,
            sample_weight=sample_weight,
            normalize=normalize,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Target,
        y_pred: Target,
        *,
        taxonomy: TaxonomyLike | None = None,
        level: int | None = None,
        sample_weight: SampleWeight = None,
        normalize: str | None = None,
        classes: npt.ArrayLike | None = None,
        ax: Any = None,
    ) -> Self:
        """Count predictions.

        Parameters
        ----------
        y_true, y_pred : array-like
            One label or path for each sample, in any format; None stands for the root.
        taxonomy : Taxonomy or networkx.DiGraph, default=None
            The tree of the labels. Optional if both `y` hold paths.
        level : int, default=None
            Level to cut paths at, counted from 1, or from -1, the deepest. None keeps the labels as
            they are.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.
        normalize : {"true", "pred", "all"}, default=None
            Divide by the sums of rows, of columns, or by the total.
        classes : array-like, default=None
            Labels of the columns of an indicator, as in the classifiers.
        ax : matplotlib Axes, default=None
            Axes to draw into at once; None draws nothing yet.

        Returns
        -------
        display : HierarchicalConfusionMatrixDisplay
            Its classes are the nodes that occur in `y_true` or `y_pred`.

        Raises
        ------
        TargetError
            For labels that are not in the taxonomy, 1-D labels without a taxonomy, and label sets.
        TaxonomyError
            If the taxonomy is not a tree.
        ValueError
            For an invalid `level` or `normalize`.
        """
        check_choice("normalize", normalize, ("true", "pred", "all", None))
        true, predicted, weights, resolved = read_nodes(
            y_true,
            y_pred,
            taxonomy,
            sample_weight,
            "A confusion matrix of branches",
            classes=classes,
        )
        if level is not None:
            depth = read_level(level, resolved.n_levels)
            true, predicted = (_cut(nodes, depth, resolved) for nodes in (true, predicted))
        occur = np.union1d(true, predicted)
        found = occur[np.argsort(resolved.preorder_positions[occur])]
        place = np.full(resolved.n_nodes, -1)
        place[found] = np.arange(len(found))
        counts = weights if sample_weight is not None else np.ones(len(true), np.int64)
        coordinates = (place[true], place[predicted])
        matrix = sparse.csr_array((counts, coordinates), shape=(len(found), len(found)))
        if normalize is not None:
            matrix = normalized(matrix, normalize)
        return cls(matrix, resolved, found)._drawn(ax)

    # -- drawing --------------------------------------------------------------------------

    def plot(
        self,
        ax: Any = None,
        *,
        cmap: Any = "cividis_r",
        include_values: bool | None = None,
        colorbar: bool = True,
    ) -> Self:
        """Draw the matrix; colours follow the square root of the numbers.

        Above 40 classes only blocks are labelled, above 250 cells are dots.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.
        cmap : str or matplotlib Colormap, default="cividis_r"
            Colours, from few to many mistakes.
        include_values : bool, default=None
            Whether to write the numbers into the cells; None does up to 20 classes.
        colorbar : bool, default=True
            Whether to draw a legend of the colours.

        Returns
        -------
        self : HierarchicalConfusionMatrixDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        n_classes = len(self.nodes)
        side = max(4.0, min(0.3 * n_classes + 2.5, 8.0)) if n_classes <= _MOST_LABELS else 7.5
        own = ax is None
        ax = self._axes(ax, side + 0.8, side)
        ax.set(xlabel="predicted", ylabel="true", aspect="equal")
        ax.set(xlim=(-0.5, n_classes - 0.5), ylim=(n_classes - 0.5, -0.5))
        ax.set_title(self._title(), fontsize="medium")
        if include_values is None:
            include_values = n_classes <= _MOST_VALUES
        blocks, branches = self._blocks()
        self._draw_lines(ax, blocks)
        drawn = self._draw_cells(ax, cmap)
        if include_values:
            self._draw_values(ax, drawn)
        else:
            ends = [-0.5, n_classes - 0.5]
            ax.plot(ends, ends, color="0.85", linewidth=0.6, zorder=0.8)
        if colorbar and drawn is not None:
            counts = self.confusion_matrix.dtype.kind != "f"
            ax.figure.colorbar(drawn, ax=ax, shrink=0.6, ticks=_ticks(counts))
        if n_classes <= _MOST_LABELS:
            self._label_classes(ax)
        else:
            inches = 0.7 * side if own else ax.get_window_extent().height / ax.figure.dpi
            self._label_blocks(ax, blocks, branches, 72 * inches)
        return self

    def _blocks(self) -> tuple[Rows, NodeIds]:
        """Return the first row of each block with the number of classes at the end, and its node."""
        branches = self.nodes
        for branches in map(self._branches, range(1, self.taxonomy.n_levels + 1)):
            if (branches != branches[0]).any():
                break
        starts = np.flatnonzero(np.append([True], branches[1:] != branches[:-1]))
        return np.append(starts, len(self.nodes)), branches[starts]

    def _branches(self, level: int) -> NodeIds:
        return _cut(self.nodes, level, self.taxonomy)

    def _mistakes(self) -> tuple[Rows, Rows, Floats]:
        """Return rows, columns and numbers of the cells off the diagonal that are not 0."""
        rows, columns = ops.entry_rows(self.confusion_matrix), self.confusion_matrix.indices
        numbers = self.confusion_matrix.data
        wrong = (rows != columns) & (numbers > 0)
        return rows[wrong], columns[wrong], numbers[wrong]

    def _title(self) -> str:
        if self.confusion_matrix.dtype.kind == "f":  # weights or shares
            return f"{len(self.nodes):,} classes"
        rows, columns, numbers = self._mistakes()
        wrong = int(numbers.sum())
        text = f"{wrong:,} of {int(self.confusion_matrix.sum()):,} wrong"
        starts, _ = self._blocks()
        if not wrong or len(starts) > len(self.nodes):
            return text
        same = np.searchsorted(starts, rows, "right") == np.searchsorted(starts, columns, "right")
        return f"{text}, {numbers[same].sum() / wrong:.0%} of these within their block"

    def _draw_lines(self, ax: Any, blocks: Rows) -> None:
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Rectangle

        n_classes = len(self.nodes)
        if len(blocks) <= n_classes:  # else every class is a block
            inner = blocks[1:-1] - 0.5
            ax.hlines(inner, -0.5, n_classes - 0.5, color="0.8", linewidth=0.6, zorder=2.5)
            ax.vlines(inner, -0.5, n_classes - 0.5, color="0.8", linewidth=0.6, zorder=2.5)
            squares = [
                Rectangle((start - 0.5, start - 0.5), stop - start, stop - start)
                for start, stop in pairwise(blocks.tolist())
            ]
            ax.add_collection(
                PatchCollection(
                    squares, facecolor="0.96", edgecolor="0.55", linewidth=0.7, zorder=0.5
                )
            )

    def _draw_cells(self, ax: Any, cmap: Any) -> Any:
        """Draw the mistakes; return what a colour bar is made of, None if there are none."""
        from matplotlib.colors import PowerNorm

        rows, columns, numbers = self._mistakes()
        if not len(numbers):
            return None
        norm = PowerNorm(0.5, vmin=0, vmax=float(numbers.max()))
        if len(self.nodes) > _MOST_CELLS:
            order = np.argsort(numbers, kind="stable")  # the largest on top
            sizes = 3 + 14 * np.sqrt(numbers[order] / numbers.max())
            return ax.scatter(
                columns[order], rows[order], sizes, numbers[order],
                cmap=cmap, norm=norm, linewidths=0, zorder=2,
            )  # fmt: skip
        cells = np.full(self.confusion_matrix.shape, np.nan)
        cells[rows, columns] = numbers
        return ax.imshow(cells, cmap=cmap, norm=norm, interpolation="nearest", zorder=2)

    def _draw_values(self, ax: Any, drawn: Any) -> None:
        matrix = self.confusion_matrix.tocoo()
        for row, column, number in zip(matrix.row, matrix.col, matrix.data, strict=True):
            if number:
                dark = row != column and drawn.norm(number) > 0.5
                colour = "0.45" if row == column else "white" if dark else "black"
                text = thousands(number) if matrix.dtype.kind == "i" else f"{number:.2g}"
                ax.text(column, row, text, ha="center", va="center", fontsize=_TEXT, color=colour)

    def _label_classes(self, ax: Any) -> None:
        texts = [_short(self.taxonomy, node) for node in self.nodes.tolist()]
        places = np.arange(len(texts))
        ax.set_xticks(places, texts, rotation=90, fontsize=_TEXT)
        ax.set_yticks(places, texts, fontsize=_TEXT)
        plain_text([*ax.get_xticklabels(), *ax.get_yticklabels()])

    def _label_blocks(self, ax: Any, blocks: Rows, branches: NodeIds, points: float) -> None:
        """Write the names of blocks beside axes of so many points, with lines to where they are."""
        n_classes = len(self.nodes)
        ax.set_xticks([])
        ax.set_yticks([])
        gap = 1.25 * _TEXT * n_classes / points
        chosen = self._largest(blocks, min(_MOST_LABELS, int(n_classes / gap)))
        centres = (blocks[:-1] + blocks[1:])[chosen] / 2 - 0.5
        places = spread(centres, gap, -0.5, n_classes - 0.5)
        names = [_short(self.taxonomy, node) for node in branches[chosen].tolist()]
        line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 1, "shrinkB": 0}
        left, down = ax.get_yaxis_transform(), ax.get_xaxis_transform()
        for name, centre, place in zip(names, centres, places, strict=True):
            beside = ax.annotate(
                name, (0, centre), (-0.025, place), left, left,
                arrowprops=line, ha="right", va="center", fontsize=_TEXT,
            )  # fmt: skip
            below = ax.annotate(
                name, (centre, 0), (place, -0.025), down, down,
                arrowprops=line, ha="center", va="top", rotation=90, fontsize=_TEXT,
            )  # fmt: skip
            plain_text([beside, below])
        room = 0.04 * points + 0.66 * _TEXT * max(map(len, names))  # of lines and letters
        ax.xaxis.labelpad = ax.yaxis.labelpad = room

    def _largest(self, blocks: Rows, n_labels: int) -> NodeIds:
        """Return the blocks to label, ascending: those with the most mistakes."""
        rows, columns, numbers = self._mistakes()
        places = np.concatenate(
            [np.searchsorted(blocks, ends, "right") - 1 for ends in (rows, columns)]
        )
        mistakes = np.bincount(places, np.tile(numbers, 2), minlength=len(blocks) - 1)
        return np.sort(np.argsort(-mistakes, kind="stable")[:n_labels])


def _ticks(counts: bool) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=6, integer=counts)


def _cut(nodes: NodeIds, depth: int, taxonomy: Taxonomy) -> NodeIds:
    """Return the ancestors at a level, and the nodes above it as they are."""
    above = taxonomy.path_ids(nodes)[:, depth - 1]
    return np.where(above < 0, nodes, above)


def _short(taxonomy: Taxonomy, node: int) -> str:
    return cut_text(one_line(taxonomy.text_of(node)), _LONGEST)
