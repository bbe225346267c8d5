"""Estimators fitted on the same folds, and scored by their predictions of the same held-out rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.utils import _safe_indexing, check_scalar
from sklearn.utils.parallel import Parallel, delayed

from sklhier._targets.any_format import holds_label_sets, spells_paths
from sklhier._targets.paths import resolve_taxonomy
from sklhier._utils.pipelines import Route, route_to_classifier
from sklhier._utils.typing import (
    Classifier,
    CrossValidator,
    Features,
    Floats,
    Groups,
    NodeIds,
    Rows,
    SampleWeight,
    Target,
)
from sklhier.exceptions import TargetError
from sklhier.model_selection._comparison import Comparison
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

__all__ = ["Measured", "check_resampling", "contributions", "measured"]

Data: TypeAlias = LabelledData | LabelSetData

_BLOCK = 2**21  # numbers in a block of weights of resampled rows


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
            "1-D labels do not show how nodes are related, and no estimator has a taxonomy: pass "
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
