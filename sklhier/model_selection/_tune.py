"""Decoders compared on the same probabilities, so that models are fitted once for each fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from sklhier._targets.paths import resolve_taxonomy
from sklhier._utils.pipelines import Route, classifier_within, route_to_classifier
from sklhier._utils.tables import html_table, text_table
from sklhier._utils.typing import (
    Classifier,
    CrossValidator,
    Features,
    Floats,
    Groups,
    SampleWeight,
    Target,
)
from sklhier._utils.warning import warn_caller
from sklhier.decoders import SetThreshold, resolve_decoder, resolve_set_decoder
from sklhier.exceptions import IncompatiblePartsError
from sklhier.metrics import hierarchical_f1_score
from sklhier.metrics._scorer import named_metric
from sklhier.model_selection._decoding import (
    AnyDecoder,
    HeldOutRows,
    Tuning,
    decoded,
    stacked,
)
from sklhier.model_selection._folds import (
    LabelledData,
    LabelSetData,
    Samples,
    read_label_set_data,
    read_labelled_data,
    weight_params,
    with_classes,
)
from sklhier.model_selection._rare_classes import rare_class_warning

__all__ = ["DecoderSearch", "tune_decoder", "without_tuning"]

Metric: TypeAlias = Callable[..., float]
Data: TypeAlias = LabelledData | LabelSetData
_Chosen: TypeAlias = dict[str, tuple[str | AnyDecoder, AnyDecoder]]  # as given, and as an object
_SignedMetric = tuple[Metric, int]  # and the sign that makes more better


@dataclass(frozen=True, repr=False, eq=False)
class DecoderSearch:
    """Result of :func:`tune_decoder`.

    Attributes
    ----------
    results_ : dict of str to ndarray
        Like ``cv_results_`` of a search, with an entry for each decoder: ``decoder`` (its label),
        ``split0_test_score``, ..., ``mean_test_score``, ``std_test_score``, ``rank_test_score``;
        with several metrics their names take the place of ``score``. More is better: losses are
        negated.
    best_index_ : int or None
        Position of the best decoder, the first of equals. This and the next attributes are None
        with several metrics and no `refit` metric.
    best_decoder_ : str, Decoder, SetDecoder or None
        The best decoder as passed; with its thresholds, if they were tuned.
    best_score_ : float or None
        Its mean score.
    best_estimator_ : estimator or None
        The estimator with this decoder, fitted on all rows; None without `refit`.
    n_splits_ : int
        Number of folds.
    tuned_decoders_ : dict of str to decoder
        Decoders with tuned parameters, by their labels, tuned on the held-out rows of all folds.
        Their ``threshold_report_`` shows the source of each node's threshold.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> from sklhier.model_selection import tune_decoder
    >>> X, y, taxonomy = make_hierarchical_classification(200, random_state=0)
    >>> estimator = HierarchicalClassifier(taxonomy=taxonomy)
    >>> search = tune_decoder(estimator, X, y, ["best_path", "top_down"], cv=3)
    >>> search.results_["split0_test_score"].shape
    (2,)
    """

    results_: dict[str, Any]
    best_index_: int | None
    best_decoder_: str | AnyDecoder | None
    best_score_: float | None
    best_estimator_: Any
    n_splits_: int
    tuned_decoders_: dict[str, AnyDecoder]
    _names: tuple[str, ...]

    def to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame` with a row for each decoder; columns as `results_`."""
        import pandas as pd

        return pd.DataFrame(self.results_)

    def __repr__(self) -> str:
        return (
            f"DecoderSearch(best_decoder_={self.best_decoder_!r}, best_score_={self.best_score_})"
        )

    def _rows(self) -> list[list[str]]:
        columns = [("decoder", list(map(str, self.results_["decoder"])))]
        for name in self._names:
            for kind, form in (("mean", ".4f"), ("std", ".4f"), ("rank", "d")):
                values = self.results_[f"{kind}_test_{name}"].tolist()
                columns.append((f"{kind} {name}", [format(value, form) for value in values]))
        return [
            list(row) for row in zip(*([head, *cells] for head, cells in columns), strict=True)
        ]

    def _verdict(self) -> str:
        if self.best_index_ is None:
            return f"{self.n_splits_} splits; no metric was named to decide."
        label = self.results_["decoder"][self.best_index_]
        return f"Best of {self.n_splits_} splits: {label}"

    def __str__(self) -> str:
        return f"{text_table(self._rows())}\n{self._verdict()}"

    def _repr_html_(self) -> str:
        return html_table([*self._rows(), [self._verdict()]])


def tune_decoder(
    estimator: Classifier,
    X: Features,
    y: Target,
    decoders: Iterable[str | AnyDecoder] | Mapping[str, str | AnyDecoder],
    *,
    scoring: str | Metric | Mapping[str, str | Metric] | None = None,
    cv: CrossValidator = None,
    groups: Groups = None,
    n_jobs: int | None = None,
    sample_weight: SampleWeight = None,
    refit: bool | str = True,
    classes: npt.ArrayLike | None = None,
) -> DecoderSearch:
    """Find the best decoder by cross-validation, with one fit in each fold.

    In each fold the estimator is fitted once, the node probabilities of the held-out rows are
    computed block by block, and every decoder decodes them. The scores equal those of a search over
    the parameter ``decoder`` with the same folds, in the time of one candidate.

    A decoder with parameters to tune, such as ``Threshold("oof", scope="level")``, is tuned on the
    held-out rows of the *other* folds before it decodes those of a fold, so that no label
    influences its own score; this needs no extra fit. Its final thresholds come from the held-out
    rows of all folds. Label sets are calibrated as with the classifier's own decoder, whatever the
    others learn (``calibration="auto"``); `best_estimator_` says how.

    Parameters
    ----------
    estimator : classifier of this package, Pipeline or search
        A classifier with a decoder, of single paths or of label sets, or Pipelines and searches
        around it. Its base estimators need ``predict_proba``; with label sets only if a decoder
        needs probabilities. A search may not tune the decoder itself; its other parameters are
        chosen with the decoder of the classifier.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples.
    y : array-like, or list of lists
        Labels, or sets of labels, in any format that the estimator takes.
    decoders : iterable or mapping of str to decoder
        Names or objects, such as ``["best_path", Threshold(0.3), Threshold("oof", "level")]``; a
        mapping labels them.
    scoring : str, callable or dict, default=None
        The name of a metric of labels, as in :func:`~sklhier.metrics.make_hierarchical_scorer`
        (losses are negated); a function ``metric(y_true, y_pred, *, taxonomy, sample_weight)`` that
        grows with quality; or a dict of several. None is hierarchical F1. A function gets label
        sets as sparse indicators over ``taxonomy.nodes[1:]``, ancestors included.
    cv : int, splitter or iterable of (train, test), default=None
        A number of folds, 5 by default, means :class:`HierarchicalStratifiedKFold`, or, with
        `groups`, folds that split no group.
    groups : array-like, shape (n_samples,), default=None
        Groups of rows, passed to the splitter.
    n_jobs : int, default=None
        Number of folds at the same time, on the active joblib backend.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples, in fitting and in scoring.
    refit : bool or str, default=True
        Whether to fit the estimator with the best decoder on all rows. With several metrics, the
        name of the deciding one, or False.
    classes : array-like, default=None
        Labels of the columns of an indicator, or of integer codes, in `y`. By default those that
        the classifier has as a parameter; it gets these if it has none.

    Returns
    -------
    search : DecoderSearch
        Scores, the best decoder, and the refitted estimator.

    Raises
    ------
    ValueError
        If the estimator has no decoder, for unknown decoders or metrics, if the deciding scores are
        not finite, and for a decoder to be tuned with a single fold.
    IncompatiblePartsError
        If a base estimator has no ``predict_proba``, or cannot take weights.

    Warns
    -----
    RareClassWarning
        If a class has a single row: the fold that holds it out trains without the class.

    See Also
    --------
    sklhier.HierarchicalClassifier.decode : Decode stored probabilities.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> from sklhier.decoders import Threshold
    >>> from sklhier.model_selection import tune_decoder
    >>> X, y, taxonomy = make_hierarchical_classification(300, class_sep=0.5, random_state=0)
    >>> estimator = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy)
    >>> decoders = ["best_path", "top_down", Threshold(0.3), Threshold(0.6)]
    >>> search = tune_decoder(estimator, X, y, decoders, scoring="tree_distance")
    >>> print(search)
    decoder             mean score  std score  rank score
    best_path              -1.0733     0.0490           3
    top_down               -1.0733     0.0646           3
    Threshold(tau=0.3)     -1.0667     0.0527           2
    Threshold(tau=0.6)     -0.9900     0.0593           1
    Best of 5 splits: Threshold(tau=0.6)
    >>> search.best_estimator_.decoder
    Threshold(tau=0.6)
    """
    route = _route_to_decoder(estimator)
    sets = hasattr(route.classifier, "closed_sets")
    chosen = _read_decoders(decoders, resolve_set_decoder if sets else resolve_decoder)
    needs = not sets or any(decoder.needs_probabilities for _, decoder in chosen.values())
    if needs and not hasattr(route.classifier, "predict_node_proba"):
        raise IncompatiblePartsError(
            "tune_decoder needs probabilities, but a base estimator of "
            f"{type(route.classifier).__name__} has no predict_proba. Wrap it in "
            "CalibratedClassifierCV, or search over the parameter `decoder` with GridSearchCV."
        )
    metrics = _read_metrics(scoring)
    decider = _decider(refit, list(metrics))
    given = resolve_taxonomy(route.classifier.taxonomy)
    names = getattr(route.classifier, "classes", None) if classes is None else classes
    _, warning = rare_class_warning(y, given, 2, names)
    if warning is not None:
        warn_caller(warning)
    data = (read_label_set_data if sets else read_labelled_data)(X, y, given, sample_weight, names)
    whole = with_classes(estimator, route, classes)
    in_folds = _for_folds(whole, route, data, chosen)
    folds = data.folds(cv, groups)
    tuning = Tuning({label: d for label, (_, d) in chosen.items() if d.needs_tuning})
    tuning.check(len(folds), len(data), data.taxonomy.n_nodes)
    task = _Task(route, {label: d for label, (_, d) in chosen.items()}, tuning, metrics)
    runs = Parallel(n_jobs=n_jobs)(
        delayed(task.run)(clone(in_folds), data.rows(train), HeldOutRows.of(data, test))
        for train, test in folds
    )
    scores, tuned = [run.scores for run in runs], dict[str, AnyDecoder]()
    if tuning.decoders:
        evidence = [run.evidence for run in runs]
        scores = Parallel(n_jobs=n_jobs)(
            delayed(task.completed)(
                run, HeldOutRows.of(data, test), [*evidence[:i], *evidence[i + 1 :]]
            )
            for i, (run, (_, test)) in enumerate(zip(runs, folds, strict=True))
        )
        tuned = tuning.tuned(evidence)
    results = _results(list(chosen), list(metrics), np.array(scores))
    best = None if decider is None else _best(results, decider)
    label = None if best is None else list(chosen)[best]
    decoder = None if label is None else tuned.get(label, chosen[label][0])
    return DecoderSearch(
        results_=results,
        best_index_=best,
        best_decoder_=decoder,
        best_score_=None if best is None else float(results[f"mean_test_{decider}"][best]),
        best_estimator_=_refitted(whole, route, decoder, data) if refit else None,
        n_splits_=len(folds),
        tuned_decoders_=tuned,
        _names=tuple(metrics),
    )


def _route_to_decoder(estimator: Classifier) -> Route:
    route = route_to_classifier(estimator)
    if not (hasattr(route.classifier, "decoder") and hasattr(route.classifier, "taxonomy")):
        raise ValueError(
            "tune_decoder needs a classifier of this package, alone or within Pipelines and "
            f"searches; {type(route.classifier).__name__} has no decoder."
        )
    route.refuse_searched("decoder", "tune_decoder")
    return route


def _read_decoders(
    decoders: Iterable[str | AnyDecoder] | Mapping[str, str | AnyDecoder],
    resolve: Callable[[Any], Any],
) -> _Chosen:
    """Return the decoders by their labels, as given and as objects."""
    if isinstance(decoders, str) or hasattr(decoders, "decode"):
        raise ValueError(f"`decoders` must be a list or a mapping, got {decoders!r} alone.")
    if isinstance(decoders, Mapping):
        named = [(str(label), decoder) for label, decoder in decoders.items()]
    else:
        named = [(d if isinstance(d, str) else _label_of(d), d) for d in decoders]
    objects = [resolve(decoder) for _, decoder in named]
    labels = [label for label, _ in named]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice or not labels:
        what = f"{twice[0]} twice" if twice else "none"
        raise ValueError(f"`decoders` must hold one or more different decoders, got {what}.")
    return {label: (given, found) for (label, given), found in zip(named, objects, strict=True)}


def _label_of(decoder: Any) -> str:
    """Return how a decoder prints, with its first parameter also where that is the default."""
    if not hasattr(decoder, "get_params"):
        return repr(decoder)  # no decoder, which is refused
    values = decoder.get_params(deep=False)
    defaults = {name: p.default for name, p in signature(type(decoder)).parameters.items()}
    shown = [
        f"{name}={' '.join(repr(values[name]).split())}"
        for i, name in enumerate(defaults)
        if i == 0 or repr(values[name]) != repr(defaults[name])
    ]
    return f"{type(decoder).__name__}({', '.join(shown)})"


def _for_folds(estimator: Any, route: Route, data: Data, chosen: _Chosen) -> Any:
    """Return the estimator as it is fitted in folds."""
    copy = without_tuning(clone(estimator), route, data)
    objects = [decoder for _, decoder in chosen.values()]
    if route.classifier.taxonomy is not None:
        for decoder in objects:
            decoder.check_taxonomy(data.taxonomy)
    elif isinstance(data, LabelSetData) or any(d.needs_tuning for d in objects):
        # What the labels of a fold spell out could lack nodes.
        copy.set_params(**{f"{route.prefix}taxonomy": data.taxonomy})
    return copy


def without_tuning(estimator: Any, route: Route, data: Data) -> Any:
    """Set a decoder that costs nothing in `fit`, unless a search within chooses by its answers.

    Label sets stay calibrated if they are so by the decoder that they have.
    """
    sets = isinstance(data, LabelSetData)
    own = (resolve_set_decoder if sets else resolve_decoder)(route.classifier.decoder)
    if not own.needs_tuning or "estimator__" in route.prefix:
        return estimator
    params = {"decoder": SetThreshold(0.5) if sets else "best_path"}
    if getattr(route.classifier, "_calibrates_by_itself", False):
        params["calibration"] = route.classifier._asked_calibration()
    return estimator.set_params(**{f"{route.prefix}{name}": p for name, p in params.items()})


def _read_metrics(
    scoring: str | Metric | Mapping[str, str | Metric] | None,
) -> dict[str, _SignedMetric]:
    """Return metrics and their signs by their names in the results."""
    if isinstance(scoring, Mapping):
        if not scoring:
            raise ValueError("`scoring` must hold one or more metrics, got none.")
        return {str(name): _read_metric(metric) for name, metric in scoring.items()}
    return {"score": _read_metric(hierarchical_f1_score if scoring is None else scoring)}


def _read_metric(metric: str | Metric) -> _SignedMetric:
    if isinstance(metric, str):
        function, greater_is_better = named_metric(metric)
        return function, 1 if greater_is_better else -1
    if not callable(metric) or hasattr(metric, "set_score_request"):
        raise ValueError(
            "`scoring` must be the name of a metric, a function metric(y_true, y_pred, *, taxonomy, "
            f"sample_weight), or a dict of these, got {metric!r}. Pass the metric of a scorer "
            "instead of the scorer."
        )
    return metric, 1


def _decider(refit: bool | str, names: list[str]) -> str | None:
    """Return the name of the metric that decides."""
    if isinstance(refit, str):
        if refit not in names:
            raise ValueError(f"`refit` must be False or one of {names}, got {refit!r}.")
        return refit
    if len(names) == 1:
        return names[0]  # also without a refit: the best decoder is reported
    if refit:
        raise ValueError(
            f"`refit` must be False or the name of the metric that decides, of {names}, "
            f"got {refit!r}."
        )
    return None


@dataclass(frozen=True)
class _Run:
    """One fold.

    Attributes
    ----------
    scores : ndarray of float64, shape (n_decoders, n_metrics)
        NaN for those that have something to tune.
    evidence : dict of str to list
        What these learn from.
    fitted : estimator or None
        If there are such.
    """

    scores: Floats
    evidence: dict[str, list[Any]]
    fitted: Any


@dataclass(frozen=True)
class _Task:
    """What is done in each fold."""

    route: Route
    decoders: dict[str, AnyDecoder]
    tuning: Tuning
    metrics: dict[str, _SignedMetric]

    def run(self, estimator: Any, train: Samples, held_out: HeldOutRows) -> _Run:
        """Fit once and predict once."""
        X, y, weights = train
        estimator.fit(X, y, **weight_params(self.route, weights))
        fixed = {label: d for label, d in self.decoders.items() if not d.needs_tuning}
        answers: dict[str, list[Any]] = {label: [] for label in fixed}
        evidence: dict[str, list[Any]] = {}
        for part in held_out.parts(estimator):
            for label, decoder in fixed.items():
                answers[label].append(decoded(decoder, part))
            evidence = self.tuning.collected(evidence, part)
        scores = np.full((len(self.decoders), len(self.metrics)), np.nan)
        self._score(scores, estimator, held_out, fixed, answers)
        return _Run(scores, evidence, estimator if self.tuning.decoders else None)

    def completed(
        self, run: _Run, held_out: HeldOutRows, others: list[dict[str, list[Any]]]
    ) -> Floats:
        """Return the scores of a fold, with those of decoders that are tuned on other folds."""
        tuned = self.tuning.tuned(others)
        answers: dict[str, list[Any]] = {label: [] for label in tuned}
        # Probabilities are computed again: those of all rows need not fit in memory.
        for part in held_out.parts(run.fitted):
            for label, decoder in tuned.items():
                answers[label].append(decoded(decoder, part))
        scores = run.scores.copy()
        self._score(scores, run.fitted, held_out, tuned, answers)
        return scores

    def _score(
        self,
        scores: Floats,
        estimator: Any,
        held_out: HeldOutRows,
        decoders: Mapping[str, AnyDecoder],
        answers: Mapping[str, list[Any]],
    ) -> None:
        """Write the scores of some decoders."""
        metrics = list(self.metrics.values())
        for i, label in enumerate(self.decoders):
            if label in decoders:
                found = stacked(answers[label])
                scores[i] = held_out.scores(estimator, found, decoders[label], metrics)


def _results(labels: list[str], names: list[str], scores: Floats) -> dict[str, Any]:
    """Return columns as in ``cv_results_`` of scores (n_splits, n_decoders, n_metrics)."""
    columns: dict[str, Any] = {"decoder": np.array(labels, dtype=object)}
    for name, of_splits in zip(names, np.moveaxis(scores, 2, 0), strict=True):
        columns |= {f"split{i}_test_{name}": of_split for i, of_split in enumerate(of_splits)}
        means = of_splits.mean(axis=0)
        columns[f"mean_test_{name}"] = means
        columns[f"std_test_{name}"] = of_splits.std(axis=0)
        # As in cv_results_: equal scores share the better rank, undefined ones come last.
        ranks = rankdata(-np.nan_to_num(means, nan=-np.inf), method="min")
        columns[f"rank_test_{name}"] = ranks.astype(np.int32)
    return columns


def _best(results: dict[str, Any], decider: str) -> int:
    best = int(np.argmin(results[f"rank_test_{decider}"]))
    if not np.isfinite(results[f"mean_test_{decider}"][best]):
        raise ValueError(
            f"The metric {decider!r} is undefined in some fold for every decoder. Use fewer folds or "
            "another metric."
        )
    return best


def _refitted(estimator: Any, route: Route, decoder: str | AnyDecoder | None, data: Data) -> Any:
    """Fit as in the folds, then set the decoder: searches within choose without it in both."""
    fitted = without_tuning(clone(estimator), route, data)
    fitted.fit(data.X, data.y, **weight_params(route, data.weights))
    classifier: Any = classifier_within(fitted)
    own: Any = clone(decoder, safe=False)
    report = getattr(decoder, "threshold_report_", None)
    if report is not None:
        own.threshold_report_ = report
    classifier.set_params(decoder=own)
    if isinstance(data, LabelSetData):
        classifier.decoder_ = resolve_set_decoder(own)
    return fitted.set_params(**{f"{route.prefix}decoder": own})
