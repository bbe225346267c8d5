"""The result of a comparison: scores, and differences to a baseline with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import numpy as np

from sklhier._utils.tables import html_table, text_table
from sklhier._utils.typing import Floats, Labels

__all__ = ["Comparison"]

_NONE_SHOWN = "no difference shown"


@dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """Result of :func:`compare`: scores, and differences to the first estimator (the baseline).

    Attributes
    ----------
    names : tuple of str
        The estimators, the baseline first.
    measures : tuple of str
        Of single paths: ``"level 1"``, ... (accuracy at each level that a label reaches), ``"path"``
        (share of labels predicted exactly) and ``"hF"`` (hierarchical F1). Of label sets:
        ``"level 1"``, ... (F1 of the nodes of each level that occurs), ``"set"`` (share of sets
        predicted exactly, ancestors included), ``"hP"``, ``"hR"`` and ``"hF"`` (micro-averaged
        hierarchical precision, recall and F1). More is better.
    scores : ndarray of float64, shape (n_estimators, n_measures)
        Of the held-out predictions of all folds together, in [0, 1].
    differences : ndarray of float64, shape (n_estimators - 1, n_measures)
        Scores of the other estimators less those of the baseline.
    intervals : ndarray of float64, shape (n_estimators - 1, n_measures, 2)
        Lower and upper ends of bootstrap intervals of the differences.
    confidence : float
        Nominal coverage of each interval, in (0, 1).
    n_samples, n_bootstrap : int
        Number of held-out rows, and of resamples.
    fit_seconds, fit_cpu_seconds, predict_seconds : ndarray of float64, shape (n_estimators, n_folds)
        Wall-clock and processor time of fitting, and wall-clock time of predicting the held-out
        rows.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> from sklhier.model_selection import compare_with_flat
    >>> X, y, taxonomy = make_hierarchical_classification(200, random_state=0)
    >>> estimator = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy)
    >>> comparison = compare_with_flat(estimator, X, y, n_bootstrap=100)
    >>> comparison.names, comparison.scores.shape, comparison.intervals.shape
    (('flat', 'hierarchical'), (2, 4), (1, 4, 2))
    """

    names: tuple[str, ...]
    measures: tuple[str, ...]
    scores: Floats
    intervals: Floats
    confidence: float
    n_samples: int
    n_bootstrap: int
    fit_seconds: Floats
    fit_cpu_seconds: Floats
    predict_seconds: Floats

    @property
    def differences(self) -> Floats:
        """Scores minus those of the baseline."""
        return self.scores[1:] - self.scores[0]

    @cached_property
    def verdicts(self) -> Labels:
        """``"better"`` or ``"worse"`` than the baseline, or ``"no difference shown"``.

        An ndarray of str, shape (n_estimators - 1, n_measures). No difference is shown if the
        interval contains 0, which is no proof of equality.
        """
        low, high = np.moveaxis(self.intervals, -1, 0)
        return np.select([low > 0, high < 0], ["better", "worse"], _NONE_SHOWN)

    def to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame` with a row for each estimator and measure.

        Columns: ``estimator``, ``measure``, ``score``, and, missing for the baseline, ``difference``,
        ``low``, ``high`` and ``verdict``.
        """
        import pandas as pd

        n_measures = len(self.measures)
        frame = pd.DataFrame(
            {
                "estimator": np.repeat(np.array(self.names, dtype=object), n_measures),
                "measure": np.tile(np.array(self.measures, dtype=object), len(self.names)),
                "score": self.scores.ravel(),
            }
        )
        others = frame.index[n_measures:]
        frame["difference"] = pd.Series(self.differences.ravel(), index=others)
        frame["low"] = pd.Series(self.intervals[..., 0].ravel(), index=others)
        frame["high"] = pd.Series(self.intervals[..., 1].ravel(), index=others)
        frame["verdict"] = pd.Series(self.verdicts.ravel(), index=others, dtype=object)
        return frame

    def _rows(self, other: int) -> list[list[str]]:
        """Return the table of one estimator (from 1) and the baseline."""
        head = ["", self.names[0], self.names[other], "difference", "interval", ""]
        rows = [head]
        for i, measure in enumerate(self.measures):
            low, high = self.intervals[other - 1, i]
            rows.append(
                [
                    measure,
                    f"{self.scores[0, i]:.4f}",
                    f"{self.scores[other, i]:.4f}",
                    f"{self.differences[other - 1, i]:+.4f}",
                    f"[{low:+.4f}, {high:+.4f}]",
                    str(self.verdicts[other - 1, i]),
                ]
            )
        return rows

    def _where(self, other: int, verdict: str) -> str:
        hits = self.verdicts[other - 1] == verdict
        return ", ".join(m for m, hit in zip(self.measures, hits, strict=True) if hit)

    def _sentences(self, other: int) -> list[str]:
        baseline, name = self.names[0], self.names[other]
        parts = [
            f"{words} at {where}"
            for words, verdict in (
                ("better", "better"),
                ("worse", "worse"),
                (_NONE_SHOWN, _NONE_SHOWN),
            )
            if (where := self._where(other, verdict))
        ]
        wins = self._where(other, "worse")
        fit, cpu, predict = (
            spent[other].sum() / max(spent[0].sum(), 1e-9)
            for spent in (self.fit_seconds, self.fit_cpu_seconds, self.predict_seconds)
        )
        seconds = (
            f"{name} takes {fit:.2f} times as long as {baseline} to fit ({cpu:.2f} times the "
            f"processor's time)\nand {predict:.2f} times as long to predict."
        )
        return [
            f"{name} against {baseline}: {'; '.join(parts)}.",
            f"{baseline} wins at {wins}." if wins else f"{baseline} is not shown to win anywhere.",
            seconds,
        ]

    def _summary(self) -> str:
        return (
            f"Held-out predictions of {self.n_samples} rows in {self.fit_seconds.shape[1]} folds; "
            f"{100 * self.confidence:g}% intervals of {self.n_bootstrap} paired resamples."
        )

    def __repr__(self) -> str:
        return f"Comparison(names={self.names!r}, measures={self.measures!r})"

    def __str__(self) -> str:
        blocks = (
            "\n".join([text_table(self._rows(other)), "", *self._sentences(other)])
            for other in range(1, len(self.names))
        )
        return "\n\n".join([self._summary(), *blocks])

    def _repr_html_(self) -> str:
        blocks = [f"<p>{self._summary()}</p>"]
        for other in range(1, len(self.names)):
            text = "<br>".join(map(escape, self._sentences(other)))
            blocks.append(f"{html_table(self._rows(other))}<p>{text}</p>")
        return "".join(blocks)
