"""Estimators compared on the same held-out rows, level by level, with the flat one among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy.typing as npt
from sklearn.base import clone
from sklearn.utils import check_random_state

from sklhier._utils.pipelines import route_to_classifier
from sklhier._utils.typing import (
    Classifier,
    CrossValidator,
    Features,
    Groups,
    RandomState,
    SampleWeight,
    Target,
)
from sklhier.model_selection._comparison import Comparison
from sklhier.model_selection._measured import check_resampling, measured
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["compare", "compare_with_flat"]


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
    """Compare estimators with a baseline by cross-validation, with intervals.

    All are fitted on the same folds and scored on the held-out predictions of all folds together:
    accuracy at each level, share of exact labels, hierarchical F1; for label sets, F1 at each
    level, share of exact sets, hierarchical precision, recall and F1. Rows are then resampled with
    replacement, the same ones for all estimators (paired bootstrap [1]_), and the differences to
    the first estimator are recomputed; intervals are percentiles of these.

    Parameters
    ----------
    estimators : mapping of str to estimator, or list of estimators
        The first one is the baseline. They are hierarchical classifiers, or any other classifiers
        whose labels are nodes. If `y` holds paths, other classifiers get the names of the deepest
        nodes; if it holds collections of labels, a 0/1 table with a column for each node that
        occurs, ancestors included.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples.
    y : array-like, or list of lists
        Labels, or sets of labels, in any format that the estimators take.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree to measure by; for label sets also a DAG. None uses that of the estimators, or else
        the one spelled out by paths in `y`.
    cv : int, splitter or iterable of (train, test), default=None
        A number of folds, 5 by default, means :class:`HierarchicalStratifiedKFold`, or, with
        `groups`, folds that split no group.
    groups : array-like, shape (n_samples,), default=None
        Groups of related rows, passed to the splitter. Whole groups are resampled.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples, in fitting and in scoring.
    n_bootstrap : int, default=1000
        Number of resamples.
    confidence : float, default=0.95
        Nominal coverage of each interval, in (0, 1).
    n_jobs : int, default=None
        Number of fits at the same time, on the active joblib backend. Seconds are then measured
        under load.
    random_state : int, RandomState instance or None, default=0
        Seed of the resamples.
    classes : array-like, default=None
        Labels of the columns of an indicator, or of integer codes, in `y`. By default those that an
        estimator has as a parameter; estimators without that parameter set get these.

    Returns
    -------
    comparison : Comparison
        Prints as a table, level by level, with the findings in words.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
    TaxonomyError
        If the taxonomy is no tree, for single paths.
    ValueError
        For fewer than two estimators, and for estimators with different taxonomies without
        `taxonomy`.

    See Also
    --------
    compare_with_flat : An estimator and its flat version.
    compare_strategies : An estimator with several strategies, and a recommendation.

    Notes
    -----
    The intervals show how much the scores depend on the choice of the scored rows, for the fitted
    models. They ignore that other training rows would give other models. They are not corrected for
    several measures or estimators: at 95 %, one in twenty differences that do not exist is expected
    to be shown.

    References
    ----------
    .. [1] P. Koehn. Statistical significance tests for machine translation evaluation.
       EMNLP (2004).

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
    """Compare a hierarchical estimator with its flat version.

    This shows whether the hierarchy is worth it. The baseline, ``"flat"``, is the estimator with
    ``strategy="flat"``: one classifier over all classes, with the same base estimator and decoder.

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
        The comparison of ``"flat"`` and ``"hierarchical"``; its text says where flat wins.

    Raises
    ------
    ValueError
        If the estimator has no strategy; also as :func:`compare`.

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
