"""Estimators compared on the same held-out rows, level by level, with the flat one among them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state, check_scalar
from sklearn.utils.parallel import Parallel, delayed

from sklhier._targets.any_format import holds_label_sets, spells_paths
from sklhier._targets.paths import resolve_taxonomy
from sklhier._utils.pipelines import Route, route_to_classifier
from sklhier._utils.tables import html_table, text_table
from sklhier._utils.typing import (
    Classifier,
    CrossValidator,
    Features,
    Floats,
    Groups,
    Labels,
    NodeIds,
    RandomState,
    Rows,
    SampleWeight,
    Target,
)
from sklhier.exceptions import TargetError
from sklhier.model_selection._decoding import stacked
from sklhier.model_selection._folds import (
    LabelledData,
    LabelSetData,
    read_label_set_data,
    read_labelled_data,
    weight_params,
    with_classes,
)
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = [
    "Comparison",
    "Measured",
    "check_resampling",
    "compare",
    "compare_with_flat",
    "contributions",
    "measured",
]

Data: TypeAlias = LabelledData | LabelSetData

_BLOCK = 2**21  # numbers in a block of weights of resampled rows
_NONE_SHOWN = "no difference shown"


@dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """Result of :func:`compare`: scores, and differences to the first estimator, the baseline.

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
        Number of rows that were held out, and of resamples.
    fit_seconds, fit_cpu_seconds, predict_seconds : ndarray of float64, shape (n_estimators, n_folds)
        Time of fitting on the clock and of the processor, and of predicting the held-out rows.

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
        """Scores less those of the baseline."""
        return self.scores[1:] - self.scores[0]

    @cached_property
    def verdicts(self) -> Labels:
        """``"better"`` or ``"worse"`` than the baseline, or ``"no difference shown"``.

        An ndarray of str, shape (n_estimators - 1, n_measures). No difference is shown where the
        interval contains 0: that is no proof of equality.
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
            f"processor's time) and {predict:.2f} times as long to predict."
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


def compare(
    estimators: Mapping[str, Classifier] | Sequence[Classifier],
    X: Features,
    y: Target,
    taxonomy: TaxonomyLike | None = None,
    *,
    cv: CrossValidator = None,
    groups: Groups = None,
    sample_weight: SampleWeight = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    n_jobs: int | None = None,
    random_state: RandomState = 0,
    classes: npt.ArrayLike | None = None,
) -> Comparison:
    """Compare estimators with a baseline by cross-validation, with intervals of the differences.

    All are fitted on the same folds and scored on the held-out predictions of all folds together:
    accuracy at each level, share of exact labels, hierarchical F1; of label sets, F1 at each level,
    share of exact sets, hierarchical precision, recall and F1. The rows are then resampled with
    replacement, the same ones for all estimators (paired bootstrap [1]_), and the differences to
    the first estimator recomputed; the intervals are percentiles of these.

    Parameters
    ----------
    estimators : mapping of str to estimator, or list of estimators
        The first one is the baseline. Hierarchical ones, or any other classifier whose labels are
        nodes: if `y` holds paths, these get the names of the deepest nodes; if it holds collections
        of labels, a 0/1 table with a column for each node that occurs, ancestors included.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples.
    y : array-like, or list of lists
        Labels, or sets of labels, in any format that the estimators take.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree to measure by, of label sets also a DAG. If None, that of the estimators, or else the
        one that paths in `y` spell out.
    cv : int, splitter or iterable of (train, test), default=None
        A number of folds, 5 by default, stands for a :class:`HierarchicalStratifiedKFold`, or, with
        `groups`, for folds that split no group.
    groups : array-like, shape (n_samples,), default=None
        Groups of rows that belong together, given to the splitter. Whole groups are resampled.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples, in fitting and in scoring.
    n_bootstrap : int, default=1000
        Number of resamples.
    confidence : float, default=0.95
        Nominal coverage of each interval, in (0, 1).
    n_jobs : int, default=None
        Fits at the same time, on the active joblib backend. Seconds are then measured under load.
    random_state : int, RandomState instance or None, default=0
        For the resamples.
    classes : array-like, default=None
        The labels that the columns of an indicator, or integer codes, in `y` stand for. By default
        those that an estimator has as a parameter; estimators that have none get these.

    Returns
    -------
    comparison : Comparison
        Prints as a table, level by level, with the findings in words.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without one.
    TaxonomyError
        If the taxonomy is no tree, for single paths.
    ValueError
        For fewer than two estimators, for estimators of different taxonomies without `taxonomy`.

    See Also
    --------
    compare_with_flat : An estimator and the same one without its hierarchy.
    compare_strategies : An estimator with several strategies, and which one to take.

    Notes
    -----
    The intervals show how much the scores depend on the choice of the scored rows, for the fitted
    models. They leave out that other training rows would have given other models. They are not
    widened for several measures or estimators: at 95 %, one of twenty differences that do not exist
    is expected to be shown.

    References
    ----------
    .. [1] P. Koehn. Statistical significance tests for machine translation evaluation. EMNLP (2004).

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> from sklhier.model_selection import compare
    >>> X, y, taxonomy = make_hierarchical_classification(300, class_sep=1.0, random_state=0)
    >>> comparison = compare(
    ...     {
    ...         "one tree": DecisionTreeClassifier(random_state=0),
    ...         "bayes": HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy),
    ...     },
    ...     X,
    ...     y,
    ... )
    >>> for measure, verdict in zip(comparison.measures, comparison.verdicts[0]):
    ...     print(f"{measure}: {verdict}")
    level 1: better
    level 2: better
    path: better
    hF: better
    """
    named = _read_estimators(estimators)
    check_resampling(n_bootstrap, confidence)
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
    resampled = found.resampled(n_bootstrap, check_random_state(random_state))
    return found.comparison(resampled, confidence)


def compare_with_flat(
    estimator: Classifier,
    X: Features,
    y: Target,
    taxonomy: TaxonomyLike | None = None,
    *,
    cv: CrossValidator = None,
    groups: Groups = None,
    sample_weight: SampleWeight = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    n_jobs: int | None = None,
    random_state: RandomState = 0,
    classes: npt.ArrayLike | None = None,
) -> Comparison:
    """Compare a hierarchical estimator with itself made flat.

    Is the hierarchy worth it? The baseline, ``"flat"``, is the estimator with
    ``strategy="flat"``: one classifier over all classes, same base estimator, same decoder.

    Parameters
    ----------
    estimator : HierarchicalClassifier, HierarchicalMultiLabelClassifier, Pipeline or search
        The classifier, or Pipelines and searches around it. A search may not tune the strategy.
    X, y, taxonomy, cv, groups, sample_weight, n_bootstrap, confidence, n_jobs, random_state
        As in :func:`compare`.
    classes : array-like, default=None
        As in :func:`compare`.

    Returns
    -------
    comparison : Comparison
        Of ``"flat"`` and ``"hierarchical"``; printed, it says where flat wins.

    Raises
    ------
    ValueError
        If the estimator has no strategy, and as :func:`compare`.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> from sklhier.model_selection import compare_with_flat
    >>> X, y, taxonomy = make_hierarchical_classification(300, class_sep=0.5, random_state=0)
    >>> estimator = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy)
    >>> print(compare_with_flat(estimator, X, y))
    Held-out predictions of 300 rows in 5 folds; 95% intervals of 1000 paired resamples.
    <BLANKLINE>
               flat  hierarchical  difference            interval
    level 1  0.8400        0.8567     +0.0167  [-0.0200, +0.0533]  no difference shown
    level 2  0.6233        0.6067     -0.0167  [-0.0467, +0.0100]  no difference shown
    path     0.6233        0.6067     -0.0167  [-0.0467, +0.0100]  no difference shown
    hF       0.7317        0.7317     +0.0000  [-0.0317, +0.0317]  no difference shown
    <BLANKLINE>
    hierarchical against flat: no difference shown at level 1, level 2, path, hF.
    flat is not shown to win anywhere.
    hierarchical takes ... times as long as flat to fit ...
    """
    route = route_to_classifier(estimator)
    if not hasattr(route.classifier, "strategy"):
        raise ValueError(
            "compare_with_flat needs a HierarchicalClassifier or HierarchicalMultiLabelClassifier, "
            "alone or within Pipelines and searches; "
            f"{type(route.classifier).__name__} has no strategy. Use compare."
        )
    route.refuse_searched("strategy", "compare_with_flat")
    flat = clone(estimator).set_params(**{f"{route.prefix}strategy": "flat"})
    return compare(
        {"flat": flat, "hierarchical": estimator},
        X,
        y,
        taxonomy,
        cv=cv,
        groups=groups,
        sample_weight=sample_weight,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        n_jobs=n_jobs,
        random_state=random_state,
        classes=classes,
    )


@dataclass(frozen=True)
class Measured:
    """Estimators scored on the same held-out rows, before any of them is the baseline.

    Attributes
    ----------
    names, measures : tuple of str
    above, below : ndarray of float64, shape (n_estimators, n_units, n_measures)
        Numerators and denominators of the scores of each row, or of each group.
    seconds : ndarray of float64, shape (n_estimators, n_folds, 3)
        Of fitting, by the clock and of the processor, and of predicting.
    n_samples : int
        Number of rows that were held out.
    """

    names: tuple[str, ...]
    measures: tuple[str, ...]
    above: Floats
    below: Floats
    seconds: Floats
    n_samples: int

    @property
    def scores(self) -> Floats:
        """Scores of all rows together, (n_estimators, n_measures)."""
        return _ratio(self.above.sum(axis=1), self.below.sum(axis=1))

    def resampled(self, n_bootstrap: int, random: np.random.RandomState) -> Floats:
        """Return the scores of resamples, (n_estimators, n_bootstrap, n_measures)."""
        return _resampled(self.above, self.below, n_bootstrap, random)

    def comparison(self, resampled: Floats, confidence: float, baseline: int = 0) -> Comparison:
        """Return the comparison with one of the estimators; the others keep their order."""
        order = [baseline, *(i for i in range(len(self.names)) if i != baseline)]
        fit, cpu, predict = np.moveaxis(self.seconds[order], 2, 0)
        drawn = resampled[order]
        return Comparison(
            names=tuple(self.names[i] for i in order),
            measures=self.measures,
            scores=self.scores[order],
            intervals=_intervals(drawn[1:] - drawn[0], confidence),
            confidence=confidence,
            n_samples=self.n_samples,
            n_bootstrap=resampled.shape[1],
            fit_seconds=fit,
            fit_cpu_seconds=cpu,
            predict_seconds=predict,
        )


def measured(
    named: Mapping[str, Classifier],
    X: Features,
    y: Target,
    taxonomy: TaxonomyLike | None,
    *,
    cv: CrossValidator,
    groups: Groups,
    sample_weight: SampleWeight,
    n_jobs: int | None,
    classes: npt.ArrayLike | None,
) -> Measured:
    """Fit estimators on the same folds and score their held-out predictions, as :func:`compare`."""
    routes = [route_to_classifier(estimator) for estimator in named.values()]
    data = _read_data(X, y, taxonomy, sample_weight, classes, routes)
    folds = data.folds(cv, groups)
    runs = Parallel(n_jobs=n_jobs)(
        delayed(_run)(
            with_classes(estimator, route, classes),
            route,
            *_rows_for(route, data, train),
            data.rows(test)[0],
        )
        for estimator, route in zip(named.values(), routes, strict=True)
        for train, test in folds
    )
    answers, seconds = zip(*runs, strict=True)
    measures, (above, below) = _sums_of_units(data, folds, answers, groups)
    return Measured(
        names=tuple(named),
        measures=measures,
        above=above,
        below=below,
        seconds=np.reshape(seconds, (len(named), len(folds), 3)),
        n_samples=len(np.unique(np.concatenate([test for _, test in folds]))),
    )


# -- reading arguments ---------------------------------------------------------------------


def check_resampling(n_bootstrap: int, confidence: float) -> None:
    """Raise an error for a number of resamples, or a coverage, out of its range."""
    check_scalar(n_bootstrap, "n_bootstrap", Integral, min_val=1)
    check_scalar(
        confidence, "confidence", Real, min_val=0, max_val=1, include_boundaries="neither"
    )


def _read_estimators(
    estimators: Mapping[str, Classifier] | Iterable[Classifier],
) -> dict[str, Classifier]:
    if isinstance(estimators, Mapping):
        named = {str(name): estimator for name, estimator in estimators.items()}
    else:
        named = {}
        for estimator in estimators:
            name = _short(estimator)
            named[name if name not in named else f"{name} ({len(named) + 1})"] = estimator
    if len(named) < 2:
        raise ValueError(
            f"`estimators` must hold a baseline and at least one other, got {len(named)}."
        )
    return named


def _short(estimator: Classifier) -> str:
    text = " ".join(repr(estimator).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def _knows_taxonomies(route: Route) -> bool:
    return hasattr(route.classifier, "taxonomy")


def _read_data(
    X: Features,
    y: Target,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
    classes: npt.ArrayLike | None,
    routes: list[Route],
) -> Data:
    """Return the samples with their labels: sets if an estimator is for these, or `y` has some."""
    of_sets = any(hasattr(route.classifier, "closed_sets") for route in routes)
    found = _read_taxonomy(taxonomy, routes, y, of_sets=of_sets)
    own = [getattr(route.classifier, "classes", None) for route in routes]
    names = next((names for names in [classes, *own] if names is not None), None)
    if found is not None and not any(map(_knows_taxonomies, routes)):
        of_sets = holds_label_sets(y, found, names)
    if of_sets:
        return read_label_set_data(X, y, found, sample_weight, names)
    if found is not None:
        found.require_tree("A comparison")
    return read_labelled_data(X, y, found, sample_weight, names)


def _read_taxonomy(
    taxonomy: TaxonomyLike | None, routes: list[Route], y: Target, *, of_sets: bool
) -> Taxonomy | None:
    """Return the taxonomy to measure by, or None if `y` spells it out."""
    if taxonomy is not None:
        return resolve_taxonomy(taxonomy)
    own = [route.classifier.taxonomy for route in routes if _knows_taxonomies(route)]
    found = list(dict.fromkeys(resolve_taxonomy(t) for t in own if t is not None))
    if len(found) > 1:
        raise ValueError(
            "The estimators have different taxonomies: pass the one to measure by as `taxonomy`."
        )
    if not found and not of_sets and not spells_paths(y):
        raise TargetError(
            "1-D labels do not tell how nodes are related, and no estimator has a taxonomy: pass "
            "`taxonomy=`."
        )
    return found[0] if found else None


# -- fitting ------------------------------------------------------------------------------


def _rows_for(route: Route, data: Data, train: Rows) -> tuple[Any, Any, Floats | None]:
    X, y, weights = data.rows(train)
    return X, y if _knows_taxonomies(route) else _safe_indexing(data.labels, train), weights


def _run(
    estimator: Classifier,
    route: Route,
    X: Features,
    y: Target,
    weights: Floats | None,
    X_test: Features,
) -> tuple[Any, tuple[float, float, float]]:
    """Fit and predict; return the answers and three durations."""
    clock, processor = time.perf_counter(), time.process_time()
    estimator.fit(X, y, **weight_params(route, weights))
    fitted, used = time.perf_counter(), time.process_time()
    answers = estimator.predict(X_test)
    return answers, (fitted - clock, used - processor, time.perf_counter() - fitted)


# -- measuring ----------------------------------------------------------------------------


def _sums_of_units(
    data: Data, folds: list[tuple[Rows, Rows]], answers: tuple[Target, ...], groups: Groups
) -> tuple[tuple[str, ...], tuple[Floats, Floats]]:
    """Return the measures, and the numerators and denominators of each row (or group).

    The two arrays have the shape (n_estimators, n_units, n_measures).
    """
    # Rows of a group are drawn together: they are not independent of each other.
    rows = np.concatenate([test for _, test in folds])
    units = np.unique(rows if groups is None else np.asarray(groups)[rows], return_inverse=True)[1]
    weights = np.ones(len(rows)) if data.weights is None else data.weights[rows]
    of_paths = isinstance(data, LabelledData)
    levels = _levels_of(data, rows[weights > 0])
    parts = []
    for first in range(0, len(answers), len(folds)):
        found = stacked(list(map(data.read_answers, answers[first : first + len(folds)])))
        if isinstance(data, LabelledData):
            shares = contributions(data.nodes[rows], found, data.taxonomy, levels)
        else:
            shares = _of_sets(sparse.csr_array(data.closed[rows]), found, data.taxonomy, levels)
        parts.append([_added_up(weights[:, None] * share, units) for share in shares])
    above, below = (np.stack(tables) for tables in zip(*parts, strict=True))
    others = ("path", "hF") if of_paths else ("set", "hP", "hR", "hF")
    return (*(f"level {level + 1}" for level in levels), *others), (above, below)


def _levels_of(data: Data, rows: Rows) -> Rows:
    """Return the levels that labels of some rows reach, from 0."""
    if isinstance(data, LabelledData):
        paths = data.taxonomy.path_ids(np.unique(data.nodes[rows]))
        return np.flatnonzero((paths >= 0).any(axis=0))
    reached = np.bincount(data.taxonomy.depths[data.closed[rows].indices])
    return np.flatnonzero(reached[1:])


def _of_sets(
    true: sparse.csr_array, predicted: sparse.csr_array, taxonomy: Taxonomy, levels: Rows
) -> tuple[Floats, Floats]:
    """Return what :func:`contributions` does, of closed sets of nodes."""
    nodes = np.arange(1, taxonomy.n_nodes)
    marks = (np.ones(len(nodes)), (nodes, taxonomy.depths[nodes] - 1))
    by_level = sparse.csr_array(marks, shape=(taxonomy.n_nodes, taxonomy.n_levels))
    both, n_true, n_predicted = (
        (table @ by_level).toarray() for table in (true.multiply(predicted), true, predicted)
    )
    size, hits, answered = (table.sum(axis=1) for table in (n_true, both, n_predicted))
    exact = (hits == size) & (hits == answered)
    above = [2 * both[:, levels], exact, hits, hits, 2 * hits]
    below = [
        (n_true + n_predicted)[:, levels],
        np.ones(len(size)),
        answered,
        size,
        size + answered,
    ]
    return (
        np.column_stack(above).astype(np.float64),
        np.column_stack(below).astype(np.float64),
    )


def contributions(
    true: NodeIds, predicted: NodeIds, taxonomy: Taxonomy, levels: Rows
) -> tuple[Floats, Floats]:
    """Return numerators and denominators of the measures of each row, (n_rows, n_measures)."""
    true_paths = taxonomy.path_ids(true)
    reached = true_paths >= 0
    right = reached & (true_paths == taxonomy.path_ids(predicted))
    exact = true == predicted
    n_nodes = taxonomy.depths[true] + taxonomy.depths[predicted]
    above = np.column_stack([right[:, levels], exact, 2 * right.sum(axis=1)])
    below = np.column_stack([reached[:, levels], np.ones(len(true)), n_nodes])
    return above.astype(np.float64), below.astype(np.float64)


def _added_up(table: Floats, units: Rows) -> Floats:
    sums = np.zeros((int(units.max()) + 1, table.shape[1]))
    np.add.at(sums, units, table)
    return sums


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def _resampled(
    above: Floats, below: Floats, n_bootstrap: int, random: np.random.RandomState
) -> Floats:
    """Return the scores of resamples, shape (n_estimators, n_bootstrap, n_measures)."""
    n_units = above.shape[1]
    most = max(1, _BLOCK // n_units)
    parts = []
    for start in range(0, n_bootstrap, most):
        size = min(most, n_bootstrap - start)
        # Units of resample i get the numbers from i * n_units, so that one bincount counts them all.
        drawn = random.randint(n_units, size=(size, n_units)) + np.arange(size)[:, None] * n_units
        times = np.bincount(drawn.ravel(), minlength=size * n_units).reshape(size, n_units)
        times = times.astype(np.float64)
        parts.append(_ratio(times @ above, times @ below))
    return np.concatenate(parts, axis=1)


def _intervals(differences: Floats, confidence: float) -> Floats:
    """Return percentiles over the second axis, (..., 2); resamples without a value are left out."""
    tail = 50 * (1 - confidence)
    return np.moveaxis(np.nanpercentile(differences, [tail, 100 - tail], axis=1), 0, -1)
