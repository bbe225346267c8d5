"""Accuracy on training samples against held-out samples, level by level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from sklhier._targets.any_format import nodes_or_root
from sklhier._targets.paths import resolve_taxonomy
from sklhier._utils.pipelines import Route, route_to_classifier
from sklhier._utils.tables import html_table, text_table
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
from sklhier.model_selection._folds import LabelledData, read_labelled_data, weight_params
from sklhier.model_selection._measured import contributions
from sklhier.taxonomy import Taxonomy

__all__ = ["LeakageReport", "leakage_report"]


@dataclass(frozen=True, repr=False, eq=False)
class LeakageReport:
    """Result of :func:`leakage_report`, the accuracy on training and on held-out samples.

    Attributes
    ----------
    levels : ndarray of int, shape (n_levels,)
        The levels that labels reach; the first is 1.
    in_sample : ndarray of float64, shape (n_levels,)
        Accuracy at each level on the samples that the models were fitted to, in [0, 1].
    out_of_fold : ndarray of float64, shape (n_levels,)
        Accuracy at each level on samples that the models were not fitted to, in [0, 1].
    n_samples, n_folds : int
        Number of samples, and of folds that left them out.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> from sklhier.model_selection import leakage_report
    >>> X, y, taxonomy = make_hierarchical_classification(300, noise=3.0, random_state=0)
    >>> tree = DecisionTreeClassifier(random_state=0)
    >>> leakage_report(HierarchicalClassifier(tree, taxonomy=taxonomy), X, y)
    Accuracy on 300 samples, out-of-fold with 5 folds
             in-sample  out-of-fold  optimism
    level 1      1.000 ...
    """

    levels: Rows
    in_sample: Floats
    out_of_fold: Floats
    n_samples: int
    n_folds: int

    @property
    def optimism(self) -> Floats:
        """In-sample minus out-of-fold accuracy, at each level."""
        return self.in_sample - self.out_of_fold

    def to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame` with a row for each level."""
        import pandas as pd

        return pd.DataFrame(
            {
                "level": self.levels,
                "in_sample": self.in_sample,
                "out_of_fold": self.out_of_fold,
                "optimism": self.optimism,
            }
        )

    def _rows(self) -> list[list[str]]:
        columns = zip(self.levels, self.in_sample, self.out_of_fold, self.optimism, strict=True)
        return [
            ["", "in-sample", "out-of-fold", "optimism"],
            *(
                [f"level {level}", f"{seen:.3f}", f"{unseen:.3f}", f"{gap:+.3f}"]
                for level, seen, unseen, gap in columns
            ),
        ]

    def __repr__(self) -> str:
        title = f"Accuracy on {self.n_samples} samples, out-of-fold with {self.n_folds} folds"
        return "\n".join([title, text_table(self._rows()), *self._sentences()])

    def _sentences(self) -> list[str]:
        """Explain the gap to a stage that learns from the one above."""
        if len(self.levels) == 1:
            return ["There is one level: no model learns from another one."]
        worst = int(np.argmax(self.optimism[:-1]))
        level, seen, unseen = self.levels[worst], self.in_sample[worst], self.out_of_fold[worst]
        return [
            f"The models of level {level} are right for {seen:.1%} of their own training samples,",
            f"and for {unseen:.1%} of new ones. A model below that learns from outputs for training",
            "samples trusts them too much: give it out-of-fold outputs.",
        ]

    def _repr_html_(self) -> str:
        return html_table(self._rows())


def leakage_report(
    estimator: Classifier,
    X: Features,
    y: Target,
    *,
    taxonomy: Taxonomy | None = None,
    cv: CrossValidator = None,
    groups: Groups = None,
    sample_weight: SampleWeight = None,
    n_jobs: int | None = None,
) -> LeakageReport:
    """Measure how much better models predict their own training samples than new ones.

    The estimator is fitted to all samples and predicts them (in-sample). It is also fitted to the
    training part of each fold and predicts the other samples (out-of-fold). The difference at a
    level shows how much a chain without held-out outputs would mislead the models below.

    Parameters
    ----------
    estimator : estimator
        A classifier of this package, or a Pipeline or search that ends in one. It is fitted
        without its `chain`: each stage is measured alone.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples.
    y : array-like, shape (n_samples,) or (n_samples, n_levels), or list of lists
        Labels: names of nodes, or paths.
    taxonomy : Taxonomy, default=None
        The tree to measure by; by default that of the estimator, or the one spelled out by `y`.
    cv : int, splitter or iterable, default=None
        Folds; a number (None means 5) uses :class:`HierarchicalStratifiedKFold`.
    groups : array-like, shape (n_samples,), default=None
        Groups of related samples; no group is split.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples, in fitting and in the accuracies.
    n_jobs : int, default=None
        Number of fits at the same time.

    Returns
    -------
    report : LeakageReport
        Prints as a table with an explanation.

    Raises
    ------
    TargetError
        For labels that are missing or not in the taxonomy.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> from sklhier.model_selection import leakage_report
    >>> X, y, taxonomy = make_hierarchical_classification(300, noise=3.0, random_state=0)
    >>> tree = DecisionTreeClassifier(random_state=0)
    >>> report = leakage_report(HierarchicalClassifier(tree, taxonomy=taxonomy), X, y)
    >>> report.in_sample
    array([1., 1.])
    >>> bool((report.optimism > 0.2).all())
    True
    """
    route = route_to_classifier(estimator)
    own = getattr(route.classifier, "taxonomy", None)
    data = read_labelled_data(
        X, y, resolve_taxonomy(own if taxonomy is None else taxonomy), sample_weight
    )
    plain = clone(estimator)
    if hasattr(route.classifier, "chain"):
        plain.set_params(**{f"{route.prefix}chain": None})
    folds = data.folds(cv, groups)
    everything = np.arange(len(data.nodes))
    parts = [(everything, everything), *folds]  # in-sample, then out-of-fold
    answers = Parallel(n_jobs=n_jobs)(
        delayed(_answers)(
            clone(plain), *data.rows(train)[:2], _weights(route, data, train), data.rows(test)[0]
        )
        for train, test in parts
    )
    nodes = [nodes_or_root(answer, data.taxonomy) for answer in answers]
    levels = np.flatnonzero((data.taxonomy.path_ids(np.unique(data.nodes)) >= 0).any(axis=0))
    left_out = np.concatenate([test for _, test in folds])
    found = [
        _accuracies(data, rows, predicted, levels)
        for rows, predicted in ((everything, nodes[0]), (left_out, np.concatenate(nodes[1:])))
    ]
    return LeakageReport(levels + 1, found[0], found[1], len(everything), len(folds))


def _weights(route: Route, data: LabelledData, rows: Rows) -> dict[str, Any]:
    return weight_params(route, data.rows(rows)[2])


def _answers(
    estimator: Classifier, X: Features, y: Target, params: dict[str, Any], X_asked: Features
) -> Any:
    return estimator.fit(X, y, **params).predict(X_asked)


def _accuracies(data: LabelledData, rows: Rows, predicted: NodeIds, levels: Rows) -> Floats:
    """Return the accuracy at each level on some samples."""
    weights = np.ones(len(rows)) if data.weights is None else data.weights[rows]
    above, below = contributions(data.nodes[rows], predicted, data.taxonomy, levels)
    n_levels = len(levels)
    accuracies: Floats = (weights @ above[:, :n_levels]) / (weights @ below[:, :n_levels])
    return accuracies
