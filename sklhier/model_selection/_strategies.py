"""Strategies of one model compared on the same held-out rows, with a sentence on which to take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state, check_scalar
from sklearn.utils.validation import _num_samples, check_consistent_length

from sklhier._utils.pipelines import Route, route_to_classifier
from sklhier._utils.tables import html_table, text_table
from sklhier._utils.typing import (
    Classifier,
    CrossValidator,
    Features,
    Floats,
    Groups,
    RandomState,
    Rows,
    SampleWeight,
    Target,
)
from sklhier.model_selection._comparison import Comparison
from sklhier.model_selection._measured import check_resampling, measured
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["StrategyComparison", "compare_strategies"]

_STRATEGIES = ("flat", "per_parent", "per_level", "per_node")
_CLEARLY_FASTER = 0.75  # of the time: seconds vary by that much from run to run


class _Difference(NamedTuple):
    """The difference to the best strategy, with the ends of its interval."""

    difference: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True, repr=False, eq=False)
class StrategyComparison:
    """Result of :func:`compare_strategies`.

    Attributes
    ----------
    names : tuple of str
        The strategies, in the order given.
    scoring : str
        The deciding measure.
    scores : ndarray of float64, shape (n_strategies,)
        Scores of the held-out predictions of all folds together, in [0, 1].
    seconds : ndarray of float64, shape (n_strategies,)
        Wall-clock time of fitting and predicting in all folds.
    comparison : Comparison
        Comparison by all measures, with the first strategy as the baseline.
    against_best : Comparison
        The same with the best-scoring strategy as the baseline; the first of equals.
    n_rows : int
        Number of rows given, of which ``comparison.n_samples`` were held out.
    tolerance : float
        Loss of score to accept for less time.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> from sklhier.model_selection import compare_strategies
    >>> X, y, taxonomy = make_hierarchical_classification(200, random_state=0)
    >>> model = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy)
    >>> found = compare_strategies(model, X, y, ["flat", "per_node"], cv=3, n_bootstrap=100)
    >>> found.names, found.comparison.names, found.seconds.shape
    (('flat', 'per_node'), ('flat', 'per_node'), (2,))
    """

    names: tuple[str, ...]
    scoring: str
    scores: Floats
    seconds: Floats
    comparison: Comparison
    against_best: Comparison
    n_rows: int
    tolerance: float

    @property
    def best(self) -> str:
        """The strategy with the best score, the first of equals."""
        return self.against_best.names[0]

    @property
    def not_worse(self) -> tuple[str, ...]:
        """The best strategy, and those not shown to be worse by the deciding measure."""
        found = self._differences()
        return tuple(
            name for name in self.names if name not in found or found[name].verdict != "worse"
        )

    @property
    def good_enough(self) -> tuple[str, ...]:
        """The best strategy, and those whose interval lies above minus the tolerance."""
        found = self._differences()
        return tuple(
            name for name in self.names if name not in found or found[name].low >= -self.tolerance
        )

    @property
    def recommended(self) -> str:
        """The fastest of those that are good enough if it is clearly faster, else the best.

        Clearly faster means in less than three quarters of the time.
        """
        fastest = min(self.good_enough, key=self._seconds.__getitem__)
        return fastest if self._relative_time(fastest) < _CLEARLY_FASTER else self.best

    @property
    def _seconds(self) -> dict[str, float]:
        return dict(zip(self.names, self.seconds.tolist(), strict=True))

    def _relative_time(self, name: str) -> float:
        """Return the time of a strategy, as a multiple of that of the best."""
        return self._seconds[name] / max(self._seconds[self.best], 1e-9)

    @property
    def sentence(self) -> str:
        """The recommendation and its reason."""
        taken = self.recommended
        if taken != self.best:
            return (
                f"Take {taken}: it loses at most {self.tolerance:g} of {self.scoring} against "
                f"{self.best}, which scores best, at {100 * self.comparison.confidence:g}% "
                f"confidence, and takes {self._relative_time(taken):.2f} times as long."
            )
        others = [name for name in self.not_worse if name != taken]
        more = (
            f"though {_listed(others)} not shown to be worse"
            if others
            else "and all others are shown to be worse"
        )
        return f"Take {taken}: it scores best by {self.scoring}, {more}."

    def _differences(self) -> dict[str, _Difference]:
        """Return the difference of each other strategy to the best."""
        found = self.against_best
        column = found.measures.index(self.scoring)
        cells = zip(
            found.differences[:, column].tolist(),
            *found.intervals[:, column].T.tolist(),
            found.verdicts[:, column].tolist(),
            strict=True,
        )
        return dict(zip(found.names[1:], map(_Difference._make, cells), strict=True))

    def to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame` with a row for each strategy.

        Columns: ``strategy``, ``score``, and, missing for the best one, ``difference`` (to the best),
        ``low``, ``high`` and ``verdict``; then ``fit_seconds`` and ``predict_seconds``.
        """
        import pandas as pd

        frame = pd.DataFrame({"strategy": self.names, "score": self.scores})
        columns = ["difference", "low", "high", "verdict"]
        found = self._differences()
        rows = [found.get(name, (np.nan, np.nan, np.nan, None)) for name in self.names]
        frame[columns] = pd.DataFrame(rows, columns=columns, index=frame.index)
        frame["fit_seconds"] = self.comparison.fit_seconds.sum(axis=1)
        frame["predict_seconds"] = self.comparison.predict_seconds.sum(axis=1)
        return frame

    def _rows(self) -> list[list[str]]:
        rows = [["strategy", self.scoring, "to the best", "interval", "", "seconds"]]
        found = self._differences()
        for name, score, seconds in zip(self.names, self.scores, self.seconds, strict=True):
            if name in found:
                one = found[name]
                interval = f"[{one.low:+.4f}, {one.high:+.4f}]"
                cells = [f"{one.difference:+.4f}", interval, one.verdict]
            else:
                cells = ["", "", "best"]
            rows.append([name, f"{score:.4f}", *cells, f"{seconds:.2f}"])
        return rows

    def _summary(self) -> str:
        found = self.comparison
        of = "" if found.n_samples == self.n_rows else f" of {self.n_rows}"
        return (
            f"Held-out predictions of {found.n_samples}{of} rows in {found.fit_seconds.shape[1]} "
            f"folds; {100 * found.confidence:g}% intervals of {found.n_bootstrap} paired resamples."
        )

    def __repr__(self) -> str:
        return f"StrategyComparison(names={self.names!r}, best={self.best!r})"

    def __str__(self) -> str:
        return "\n\n".join([self._summary(), text_table(self._rows()), self.sentence])

    def _repr_html_(self) -> str:
        table = html_table(self._rows())
        return f"<p>{escape(self._summary())}</p>{table}<p>{escape(self.sentence)}</p>"


def _listed(names: list[str]) -> str:
    """Return names with their verb."""
    if len(names) == 1:
        return f"{names[0]} is"
    return f"{', '.join(names[:-1])} and {names[-1]} are"


def compare_strategies(
    model: Classifier,
    X: Features,
    y: Target,
    strategies: Iterable[Any] | Mapping[str, Any] = _STRATEGIES,
    taxonomy: TaxonomyLike | None = None,
    *,
    scoring: str = "hF",
    tolerance: float = 0.01,
    cv: CrossValidator = None,
    groups: Groups = None,
    sample_weight: SampleWeight = None,
    max_rows: int | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    n_jobs: int | None = None,
    random_state: RandomState = 0,
    classes: npt.ArrayLike | None = None,
) -> StrategyComparison:
    """Compare strategies of a model by cross-validation, and recommend one.

    The model is fitted with each strategy on the same folds; everything else stays the same. Scores
    and intervals are those of :func:`compare`. The strategy with the best score is recommended,
    unless another is clearly faster and the whole interval of its difference lies above
    ``-tolerance``. With few rows no interval does.

    Parameters
    ----------
    model : HierarchicalClassifier, HierarchicalMultiLabelClassifier, Pipeline or search
        The classifier, or Pipelines and searches around it. A search may not tune the strategy.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples.
    y : array-like, or list of lists
        Labels, or sets of labels, in any format that the model takes.
    strategies : iterable or mapping of str to strategy
        Names or objects; a mapping labels them. By default ``"flat"``, ``"per_parent"``,
        ``"per_level"`` and ``"per_node"``.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        As in :func:`compare`.
    scoring : str, default="hF"
        The deciding measure, one of :class:`Comparison`: ``"hF"``, ``"path"`` (``"set"`` for label
        sets), ``"level 1"``, ...
    tolerance : float, default=0.01
        Loss of score to accept for less time, in [0, 1].
    cv, groups, sample_weight, n_bootstrap, confidence, n_jobs, classes
        As in :func:`compare`.
    max_rows : int, default=None
        Largest number of rows to fit and score, drawn at random; whole groups with `groups`. All by
        default. The best strategy may depend on the number of rows.
    random_state : int, RandomState instance or None, default=0
        Seed of the drawn rows and of the resamples.

    Returns
    -------
    found : StrategyComparison
        Prints as a table, with a sentence that recommends a strategy.

    Raises
    ------
    ValueError
        If the model has no strategy; for fewer than two or equal strategies; for an unknown
        measure; with `max_rows`, for a larger group or folds as positions; also as :func:`compare`.

    See Also
    --------
    compare : Any estimators, by all measures.
    compare_with_flat : One estimator and its flat version.

    Notes
    -----
    The score of the recommended strategy is slightly too good, since the strategy was chosen by it.
    Times vary from run to run, and with them the recommendation among equals.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> from sklhier.model_selection import compare_strategies
    >>> X, y, taxonomy = make_hierarchical_classification(300, class_sep=0.5, random_state=0)
    >>> model = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy)
    >>> found = compare_strategies(model, X, y, n_bootstrap=200)
    >>> print(found)  # doctest: +NORMALIZE_WHITESPACE
    Held-out predictions of 300 rows in 5 folds; 95% intervals of 200 paired resamples.
    <BLANKLINE>
    strategy        hF  to the best            interval                       seconds
    flat        0.7317      -0.0200  [-0.0417, +0.0000]  no difference shown     ...
    per_parent  0.7317      -0.0200  [-0.0417, +0.0034]  no difference shown     ...
    per_level   0.7517                                                  best     ...
    per_node    0.7400      -0.0117  [-0.0350, +0.0133]  no difference shown     ...
    <BLANKLINE>
    Take per_level: it scores best by hF, though flat, per_parent and per_node are not shown to be
    worse.
    """
    route = _route_to_strategy(model)
    check_resampling(n_bootstrap, confidence)
    check_scalar(tolerance, "tolerance", Real, min_val=0, max_val=1)
    named = {
        name: _with_strategy(model, route, strategy)
        for name, strategy in _read_strategies(strategies).items()
    }
    random = check_random_state(random_state)
    n_rows = _num_samples(X)
    if max_rows is not None:
        X, y, sample_weight, groups = _drawn(X, y, sample_weight, groups, max_rows, cv, random)
    found = measured(
        named,
        X,
        y,
        taxonomy,
        cv=cv,
        groups=groups,
        sample_weight=sample_weight,
        n_jobs=n_jobs,
        classes=classes,
    )
    if scoring not in found.measures:
        raise ValueError(f"`scoring` must be one of {list(found.measures)}, got {scoring!r}.")
    scores = found.scores[:, found.measures.index(scoring)]
    resampled = found.resampled(n_bootstrap, random)
    return StrategyComparison(
        names=found.names,
        scoring=scoring,
        scores=scores,
        seconds=found.seconds[:, :, [0, 2]].sum(axis=(1, 2)),
        comparison=found.comparison(resampled, confidence),
        against_best=found.comparison(resampled, confidence, int(np.nanargmax(scores))),
        n_rows=n_rows,
        tolerance=tolerance,
    )


def _route_to_strategy(model: Classifier) -> Route:
    route = route_to_classifier(model)
    if not hasattr(route.classifier, "strategy"):
        raise ValueError(
            "compare_strategies needs a HierarchicalClassifier or HierarchicalMultiLabelClassifier, "
            "alone or within Pipelines and searches; "
            f"{type(route.classifier).__name__} has no strategy. Use compare."
        )
    route.refuse_searched("strategy", "compare_strategies")
    return route


def _read_strategies(strategies: Iterable[Any] | Mapping[str, Any]) -> dict[str, Any]:
    """Return the strategies by their labels."""
    if isinstance(strategies, str):
        raise ValueError(f"`strategies` must be a list or a mapping, got {strategies!r} alone.")
    if isinstance(strategies, Mapping):
        named = [(str(name), strategy) for name, strategy in strategies.items()]
    else:
        named = [(s if isinstance(s, str) else " ".join(repr(s).split()), s) for s in strategies]
    if len(dict(named)) < max(len(named), 2):
        raise ValueError(
            f"`strategies` must hold two or more different ones, got {[name for name, _ in named]}."
        )
    return dict(named)


def _with_strategy(model: Classifier, route: Route, strategy: Any) -> Any:
    return clone(model).set_params(**{f"{route.prefix}strategy": strategy})


# -- fewer rows -----------------------------------------------------------------------------


def _drawn(
    X: Features,
    y: Target,
    sample_weight: SampleWeight,
    groups: Groups,
    max_rows: int,
    cv: CrossValidator,
    random: np.random.RandomState,
) -> tuple[Any, Any, Any, Any]:
    """Return samples, labels, weights and groups of some rows drawn at random, in their order."""
    check_scalar(max_rows, "max_rows", Integral, min_val=2)
    if not (cv is None or isinstance(cv, Integral) or hasattr(cv, "split")):
        raise ValueError(
            "`cv` must be a number of folds or a splitter where `max_rows` draws rows, got folds as "
            "positions. Leave `max_rows` out, or draw the rows first."
        )
    check_consistent_length(X, y, sample_weight, groups)
    rows = _drawn_rows(_num_samples(X), groups, max_rows, random)
    parts = (
        None if part is None else _safe_indexing(part, rows) for part in (sample_weight, groups)
    )
    return (_safe_indexing(X, rows), _safe_indexing(y, rows), *parts)


def _drawn_rows(n_rows: int, groups: Groups, max_rows: int, random: np.random.RandomState) -> Rows:
    units = np.arange(n_rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    order = random.permutation(int(units.max()) + 1)
    sizes = np.bincount(units)
    taken = np.zeros(len(sizes), dtype=bool)
    taken[order] = np.cumsum(sizes[order]) <= max_rows
    if not taken.any():
        raise ValueError(
            f"`max_rows` must be at least the size of a drawn group, got {max_rows}; the first group "
            f"has {sizes[order[0]]} rows. Raise it."
        )
    return np.flatnonzero(taken[units])
