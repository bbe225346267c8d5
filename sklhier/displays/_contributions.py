"""The features behind one answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import _num_samples

from sklhier._utils.rows import sliceable, take_rows
from sklhier._utils.typing import Classifier, Features, Floats
from sklhier._utils.validation import check_integer
from sklhier.displays._base import BLUE, GREY, ORANGE, Display, one_line, plain_text
from sklhier.explanation import explain
from sklhier.taxonomy._titles import cut_text

__all__ = ["ContributionDisplay"]

_LONGEST = 32  # letters of a name
_BAR, _GAP = 1.0, 1.6  # from one bar to the next, and from one decision to the next


class ContributionDisplay(Display):
    """The features for and against one answer, at each decision on its path.

    Bars to the right support the chosen node, bars to the left the node that it is compared with.
    All bars of a decision sum to the difference of the two scores, which its heading shows.

    Use :meth:`from_estimator` to make one.

    Parameters
    ----------
    table : mapping of str to array-like
        Result of :func:`~sklhier.explanation.explain` for one sample: a DataFrame, or arrays by
        column.

    Attributes
    ----------
    table : dict of str to ndarray
        The columns.
    ax_ : matplotlib Axes
        Axes with the last drawing.
    figure_ : matplotlib Figure
        Figure of the axes.

    Raises
    ------
    ValueError
        If the table has several samples.

    See Also
    --------
    sklhier.explanation.explain : The same as a table, for many samples.
    sklhier.explanation.explain_html : Texts with their words highlighted.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.displays import ContributionDisplay
    >>> y, taxonomy = Taxonomy.from_paths(["pet/cat", "pet/dog", "car"])
    >>> model = make_pipeline(CountVectorizer(), HierarchicalClassifier(taxonomy=taxonomy))
    >>> model = model.fit(["cat purrs", "dog barks", "car tyres"], y)
    >>> display = ContributionDisplay.from_estimator(model, ["my cat"])
    >>> display.table["feature"].tolist()
    ['cat', '<intercept>', 'cat', '<intercept>']
    """

    def __init__(self, table: Mapping[str, npt.ArrayLike]) -> None:
        self.table = {str(name): np.asarray(table[name]) for name in table}
        rows = set(self.table["row"].tolist())
        if len(rows) > 1:
            raise ValueError(
                f"`table` must have the lines of one sample, got {len(rows)}. Pass those of one "
                "sample."
            )

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Features,
        *,
        sample: int = 0,
        foil: Any = "runner_up",
        top: int | None = 8,
        ax: Any = None,
    ) -> Self:
        """Explain the answer for one sample.

        Parameters
        ----------
        estimator : classifier
            As in :func:`~sklhier.explanation.explain`.
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples.
        sample : int, default=0
            Position of the sample to explain.
        foil : label, default="runner_up"
            As in :func:`~sklhier.explanation.explain`.
        top : int, default=8
            Number of features of each decision; None for all that are not 0.
        ax : matplotlib Axes, default=None
            Axes to draw into at once; None draws nothing yet.

        Returns
        -------
        display : ContributionDisplay

        Raises
        ------
        ValueError
            For a `sample` outside X; also as :func:`~sklhier.explanation.explain`.
        """
        check_integer("sample", sample, least=0)
        X = sliceable(X)
        n_samples = _num_samples(X)
        if sample >= n_samples:
            raise ValueError(f"`sample` must be in [0, {n_samples - 1}], got {sample}.")
        own = take_rows(X, np.array([sample]))
        return cls(explain(estimator, own, foil, top, output="arrays"))._drawn(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the bars of each decision, from the root downwards.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw into; None makes a figure.

        Returns
        -------
        self : ContributionDisplay

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        decisions = list(self._decisions())
        n_bars, n_heads = len(self.table["row"]), len(decisions)
        ax = self._axes(ax, 7.5, 1.0 + 0.25 * n_bars + 0.45 * max(n_heads, 1))
        contributions = self.table["contribution"].astype(float)
        places = np.zeros(n_bars)
        heads, end = [], 0.0
        for lines in decisions:
            heads.append((end, self._heading(lines)))
            places[lines] = end + _BAR + _BAR * np.arange(len(lines))
            end += _BAR * len(lines) + _GAP
        ax.barh(places, contributions, 0.75, color=self._colours(contributions))
        ax.axvline(0, color="0.4", linewidth=0.8)
        ax.set_yticks(places, [cut_text(one_line(name), _LONGEST) for name in self._names()])
        ax.tick_params(axis="y", length=0)
        texts = [
            ax.annotate(
                text, (0, place), (2, 0), xycoords=("axes fraction", "data"),
                textcoords="offset points", va="center", fontsize="small", fontweight="bold",
                bbox={"color": ax.get_facecolor(), "pad": 1},
            )
            for place, text in heads
        ]  # fmt: skip
        ax.set_ylim(max(end - _GAP + _BAR, _BAR), -0.8)
        ax.margins(x=0.08)
        ax.set_xlabel("against  \N{LEFTWARDS ARROW}  contribution to the decision  "
                      "\N{RIGHTWARDS ARROW}  for what was chosen")  # fmt: skip
        if not decisions:
            ax.set_title("No decision to explain", fontsize="medium", loc="left")
        ax.spines[["top", "right", "left"]].set_visible(False)
        plain_text([*ax.get_yticklabels(), *texts])
        return self

    def _decisions(self) -> Iterator[np.ndarray]:
        """Yield the lines of each decision; with label sets a step has several."""
        table = self.table
        if not len(table["row"]):
            return
        keys = list(
            zip(*(table[name].tolist() for name in ("step", "chosen", "foil")), strict=True)
        )
        starts = [i for i in range(len(keys)) if i == 0 or keys[i] != keys[i - 1]]
        yield from np.split(np.arange(len(keys)), starts[1:])

    def _heading(self, lines: np.ndarray) -> str:
        pair = (self.table[name][lines[0]] for name in ("chosen", "foil"))
        chosen, foil = (
            "none" if name is None else cut_text(one_line(name), _LONGEST) for name in pair
        )
        return f"{chosen} rather than {foil}: {self.table['contribution'][lines].sum():+.2f}"

    def _names(self) -> list[str]:
        """Return the features, with their values where these say more than that they occur."""
        names, values = self.table["feature"], self.table["value"].astype(float)
        return [
            str(name) if np.isnan(value) else f"{name} = {value:.3g}"
            for name, value in zip(names, values, strict=True)
        ]

    def _colours(self, contributions: Floats) -> list[str]:
        """Return grey for what is no feature, blue for, and orange against."""
        others = np.isnan(self.table["value"].astype(float))
        return np.where(others, GREY, np.where(contributions > 0, BLUE, ORANGE)).tolist()
