"""How much better models are on the samples they were trained on, level by level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from sklhier._targets.any_format import nodes_or_root
from sklhier._targets.paths import resolve_taxonomy
from sklhier._utils.pipelines import route_to_classifier
from sklhier._utils.tables import html_table, text_table
from sklhier._utils.typing import Floats
from sklhier.model_selection._compare import contributions
from sklhier.model_selection._folds import read_task, weight_params
from sklhier.taxonomy import Taxonomy

__all__ = ["LeakageReport", "leakage_report"]


@dataclass(frozen=True, repr=False, eq=False)
class LeakageReport:
    """What :func:`leakage_report` found: accuracy on seen and on held-out samples.

    Attributes
    ----------
    levels : ndarray of int, shape (n_levels,)
        The levels that labels reach; the first is 1.
    in_sample : ndarray of float64, shape (n_levels,)
        Accuracy at each level on the samples the models were fitted to, in [0, 1].
    out_of_fold : ndarray of float64, shape (n_levels,)
        Accuracy of models on samples that they were not fitted to, in [0, 1].
    n_samples, n_folds : int
        Number of samples, and of folds that left them out.
    """

    levels: np.ndarray[Any, Any]
    in_sample: Floats
    out_of_fold: Floats
    n_samples: int
    n_folds: int

    @property
    def optimism(self) -> Floats:
        """In-sample accuracy less the out-of-fold one, at each level."""
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
        """Say what the gap means for a stage that learns from the one above."""
        if len(self.levels) == 1:
            return ["There is one level: no model learns from another one."]
        worst = int(np.argmax(self.optimism[:-1]))
        level, seen, unseen = self.levels[worst], self.in_sample[worst], self.out_of_fold[worst]
        return [
            f"What the models of level {level} say of their own training samples is right for",
            f"{seen:.1%} of them; for new samples it would be right for {unseen:.1%}. A model below",
            "that learns from the former trusts it too much: show it out-of-fold outputs.",
        ]

    def _repr_html_(self) -> str:
        return html_table(self._rows())


def leakage_report(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    taxonomy: Taxonomy | None = None,
    cv: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,
) -> LeakageReport:
    """Tell how optimistic outputs are for the samples that models were trained on.

    The estimator is fitted to all samples and asked about them (in-sample), and fitted to the
    training part of each fold and asked about the others (out-of-fold). The difference at a level is
    what a model below would be misled by if it were chained without held-out outputs.

    Parameters
    ----------
    estimator : estimator
        A classifier of this package, or a Pipeline or search that ends in one. A `chain` is left out:
        the stages are looked at as they are by themselves.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples.
    y : array-like, shape (n_samples,) or (n_samples, n_levels), or list of lists
        Labels: names of nodes, or paths.
    taxonomy : Taxonomy, default=None
        The tree to measure by; by default that of the estimator, or as spelled out by `y`.
    cv : int, splitter or iterable, default=None
        Folds; a number, None for 5, means that many of :class:`HierarchicalStratifiedKFold`.
    groups : array-like, shape (n_samples,), default=None
        Groups of samples that belong together; none of them is split.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples, in fitting and in the accuracies.
    n_jobs : int, default=None
        Fits at the same time.

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
    task = read_task(X, y, resolve_taxonomy(own if taxonomy is None else taxonomy), sample_weight)
    plain = clone(estimator)
    if hasattr(route.classifier, "chain"):
        plain.set_params(**{f"{route.prefix}chain": None})
    folds = task.folds(cv, groups)
    everything = np.arange(len(task.nodes))
    parts = [(everything, everything), *folds]
    answers = Parallel(n_jobs=n_jobs)(
        delayed(_answers)(
            clone(plain), *task.rows(train)[:2], _weights(route, task, train), task.rows(test)[0]
        )
        for train, test in parts
    )
    nodes = [nodes_or_root(answer, task.taxonomy) for answer in answers]
    levels = np.flatnonzero((task.taxonomy.path_ids(np.unique(task.nodes)) >= 0).any(axis=0))
    left_out = np.concatenate([test for _, test in folds])
    found = [
        _accuracies(task, rows, predicted, levels)
        for rows, predicted in ((everything, nodes[0]), (left_out, np.concatenate(nodes[1:])))
    ]
    return LeakageReport(levels + 1, found[0], found[1], len(everything), len(folds))


def _weights(route: Any, task: Any, rows: Any) -> dict[str, Any]:
    return weight_params(route, task.rows(rows)[2])


def _answers(estimator: Any, X: Any, y: Any, params: dict[str, Any], X_asked: Any) -> Any:
    return estimator.fit(X, y, **params).predict(X_asked)


def _accuracies(task: Any, rows: Any, predicted: Any, levels: Any) -> Floats:
    """Return the accuracy at each level on some samples."""
    weights = np.ones(len(rows)) if task.weights is None else task.weights[rows]
    above, below = contributions(task.nodes[rows], predicted, task.taxonomy, levels)
    n_levels = len(levels)
    accuracies: Floats = (weights @ above[:, :n_levels]) / (weights @ below[:, :n_levels])
    return accuracies
