"""Given labels that the models doubt, out-of-fold, with the step of the path that they doubt."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from sklhier._folds.folds import Folds
from sklhier._targets.paths import resolve_taxonomy
from sklhier._utils.pipelines import Route, route_to_classifier
from sklhier._utils.tables import html_table, text_table
from sklhier._utils.typing import (
    Bools,
    Classifier,
    CrossValidator,
    Features,
    Floats,
    Groups,
    NodeIds,
    Objects,
    Rows,
    SampleWeight,
    Target,
)
from sklhier.decoders import HeldOutPaths, HeldOutSets, top_answers
from sklhier.exceptions import IncompatiblePartsError
from sklhier.model_selection._decoding import HeldOutRows
from sklhier.model_selection._folds import (
    LabelledData,
    LabelSetData,
    Samples,
    read_label_set_data,
    read_labelled_data,
    weight_params,
    with_classes,
)
from sklhier.model_selection._tune import without_tuning
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["LabelIssues", "find_label_issues", "weakest_steps"]

Data: TypeAlias = LabelledData | LabelSetData

_MOST_SHOWN = 20  # labels in the text of a result


@dataclass(frozen=True, repr=False, eq=False)
class LabelIssues:
    """Result of :func:`find_label_issues`: all given labels, the most doubtful first.

    Equal scores are in the order of rows; labels that no fold can judge come last.

    Attributes
    ----------
    taxonomy : Taxonomy
        Tree or DAG.
    rows : ndarray of intp, shape (n_labels,)
        Positions in X and y. Each row occurs once; with label sets, once for each given label.
    given_ids : ndarray of int32, shape (n_labels,)
        Ids of the given labels; for a set, its most specific nodes.
    scores : ndarray of float64, shape (n_labels,)
        1 minus the smallest conditional probability on the path, in [0, 1]; larger is more
        doubtful. NaN if no node of the path can be judged.
    node_ids : ndarray of int32, shape (n_labels,)
        Ids of the nodes with this probability; 0, the root, if no node can be judged.
    suggested_ids : ndarray of int32, shape (n_labels,)
        Ids of more probable labels according to the models; the given label if there is none.
    complete : ndarray of bool, shape (n_labels,)
        Whether the whole path was judged. If not, the training rows of the fold lack the last nodes.
    n_folds : int
        Number of folds.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.model_selection import find_label_issues
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel", "ray"]})
    >>> y = np.repeat(["owl", "wren", "eel", "ray"], 10)
    >>> X = np.eye(4)[np.repeat(range(4), 10)]
    >>> y[3] = "eel"
    >>> found = find_label_issues(HierarchicalClassifier(taxonomy=taxonomy), X, y)
    >>> found.records()[0]["row"], found.given[0], found.nodes[0], found.suggested[0]
    (3, 'eel', 'fish', 'owl')
    """

    taxonomy: Taxonomy
    rows: Rows
    given_ids: NodeIds
    scores: Floats
    node_ids: NodeIds
    suggested_ids: NodeIds
    complete: Bools
    n_folds: int

    @property
    def given(self) -> Objects:
        """Names of the given labels (ndarray of object, shape (n_labels,))."""
        return self.taxonomy.node_names[self.given_ids]

    @property
    def suggested(self) -> Objects:
        """Names of the suggested labels (ndarray of object, shape (n_labels,))."""
        return self.taxonomy.node_names[self.suggested_ids]

    @property
    def nodes(self) -> Objects:
        """Names of the doubtful nodes (ndarray of object); None if no node can be judged."""
        names = self.taxonomy.node_names[self.node_ids]
        names[self.levels == 0] = None
        return names

    @property
    def levels(self) -> NodeIds:
        """Levels of these nodes, from 1 for the children of the root; 0 if no node can be judged.

        An ndarray of int32, shape (n_labels,). In a DAG the level is the length of the longest way
        down from the root.
        """
        return self.taxonomy.depths[self.node_ids]

    @property
    def differs(self) -> Bools:
        """Whether another label is suggested (ndarray of bool, shape (n_labels,))."""
        return self.suggested_ids != self.given_ids

    def _columns(self) -> dict[str, Any]:
        return {
            "row": self.rows,
            "given": self.given,
            "score": self.scores,
            "level": self.levels,
            "node": self.nodes,
            "suggested": self.suggested,
            "complete": self.complete,
        }

    def records(self) -> list[dict[str, Hashable]]:
        """Return a dictionary for each label, the most doubtful first.

        Keys: ``row``, ``given``, ``score``, ``level``, ``node``, ``suggested`` and ``complete``.
        """
        columns = self._columns()
        cells = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in cells]

    def to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame` with a row for each label; columns as in `records`."""
        import pandas as pd

        return pd.DataFrame(self._columns())

    def _rows(self) -> list[list[str]]:
        most = slice(_MOST_SHOWN)
        given, suggested, nodes = (
            self.taxonomy.titled(names[most].tolist())
            for names in (self.given, self.suggested, self.nodes)
        )
        rows = [["row", "given", "score", "level", "node", "suggested"]]
        for i, row in enumerate(self.rows[most].tolist()):
            score, level = f"{self.scores[i]:.3f}", str(self.levels[i])
            node = nodes[i] if self.levels[i] else ""
            other = suggested[i] if self.differs[i] else ""
            rows.append([str(row), given[i], score, level, node, other])
        return rows

    def _summary(self) -> str:
        n_other, n_partly = int(self.differs.sum()), int((~self.complete).sum())
        partly = (
            f"; {n_partly} are judged in part or not at all, for lack of other rows"
            if n_partly
            else ""
        )
        return (
            f"{len(self.rows)} given labels, judged in {self.n_folds} folds; for {n_other} of "
            f"them the models find another more probable{partly}."
        )

    def __repr__(self) -> str:
        return f"LabelIssues(n_labels={len(self.rows)}, differ={int(self.differs.sum())})"

    def __str__(self) -> str:
        return f"{self._summary()}\n\n{text_table(self._rows())}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self._summary())}</p>{html_table(self._rows())}"


def find_label_issues(
    model: Classifier,
    X: Features,
    y: Target,
    cv: CrossValidator = None,
    groups: Groups = None,
    sample_weight: SampleWeight = None,
    *,
    n_jobs: int | None = None,
    classes: npt.ArrayLike | None = None,
) -> LabelIssues:
    r"""Find labels that may be wrong, and the level of the possible mistake.

    Each fold holds rows out, fits the model to the others, and computes the probabilities of the
    path of each given label. A label is as doubtful as its least probable step:

    .. math:: 1 - \min_{v \in \mathrm{path}} P(v \mid \mathrm{parent}(v))

    A label far from the truth is doubtful at a high level, a label near it at a low level. If a
    label is an inner node and the models have learnt that labels may end there, the end is a step,
    too.

    Parameters
    ----------
    model : estimator
        A classifier of this package with probabilities, which may come from ``calibration=``; alone
        or within Pipelines and searches. It is cloned, and need not be fitted.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples.
    y : array-like, or list of lists
        Labels, or sets of labels, in any format that the model takes.
    cv : int, splitter or iterable of (train, test), default=None
        Folds that hold every row out once. A number, 5 by default, means
        :class:`HierarchicalStratifiedKFold`, or, with `groups`, folds that split no group.
    groups : array-like, shape (n_samples,), default=None
        Groups of rows, passed to the splitter. Copies of a sample with the same wrong label vouch
        for each other, unless they are in one group.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples, in fitting. A row of weight 0 is judged but not learnt from.
    n_jobs : int, default=None
        Number of folds at the same time, on the active joblib backend.
    classes : array-like, default=None
        Labels of the columns of an indicator, or of integer codes, in `y`. By default those that
        the classifier has as a parameter; it gets these if it has none.

    Returns
    -------
    issues : LabelIssues
        All labels, the most doubtful first.

    Raises
    ------
    ValueError
        If the model is not a classifier of this package, or a row is not held out exactly once.
    IncompatiblePartsError
        If the model has no probabilities, or cannot take weights.
    TargetError
        For labels that are not in the taxonomy.

    See Also
    --------
    tune_decoder : The decoder that scores best on held-out rows.
    sklhier.metrics.class_damage : The classes with the most costly errors.

    Notes
    -----
    In label sets, each given label is judged by the nodes at and above it; a label that was not
    given is suggested if it is more probable. Missing labels are not looked for. In a DAG, the
    probability of a node is divided by the smallest of its parents'.

    Only nodes that occur in the training rows of a fold are judged: a class with a single row is
    judged at the levels above it, and ``complete`` is False.

    A high score is a reason to look, not a proof: rare and hard samples have high scores, too.

    References
    ----------
    C. Northcutt, L. Jiang, I. Chuang. Confident learning: estimating uncertainty in dataset labels.
    JAIR 70 (2021). Their self-confidence is the probability of the given class; here it is that of
    the weakest step.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> from sklhier.model_selection import find_label_issues
    >>> X, y, taxonomy = make_hierarchical_classification(300, 6, class_sep=3.0, random_state=0)
    >>> wrong = y.copy()
    >>> wrong[[7, 40]] = y[[40, 7]]
    >>> model = HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy)
    >>> found = find_label_issues(model, X, wrong)
    >>> bool(set(found.rows[:5]) >= {7, 40})
    True
    """
    route = _checked_route(model)
    given = resolve_taxonomy(route.classifier.taxonomy)
    names = getattr(route.classifier, "classes", None) if classes is None else classes
    of_sets = hasattr(route.classifier, "closed_sets")
    data = (read_label_set_data if of_sets else read_labelled_data)(
        X, y, given, sample_weight, names
    )
    whole = _for_folds(with_classes(model, route, classes), route, data)
    folds = data.folds(cv, groups)
    Folds.of(folds, len(data))
    found = Parallel(n_jobs=n_jobs)(
        delayed(_judged)(
            clone(whole), route, data.rows(train), HeldOutRows.of(data, test), _taught(data, train)
        )
        for train, test in folds
    )
    placed = [
        fold._replace(rows=test[fold.rows]) for (_, test), fold in zip(folds, found, strict=True)
    ]
    return _result(_joined(placed), data.taxonomy, len(folds))


def _checked_route(model: Classifier) -> Route:
    route = route_to_classifier(model)
    if not hasattr(route.classifier, "taxonomy"):
        raise ValueError(
            "find_label_issues needs a classifier of this package, alone or within Pipelines and "
            f"searches; {type(route.classifier).__name__} has no taxonomy."
        )
    try:
        _ = route.classifier.predict_node_proba
    except AttributeError as error:
        raise IncompatiblePartsError(
            f"find_label_issues needs probabilities, but there are none: {error} Give the classifier "
            "a base estimator with predict_proba, or calibration='sigmoid'."
        ) from error
    return route


def _for_folds(model: Any, route: Route, data: Data) -> Any:
    """Return the model as it is fitted in folds: nothing is learnt there but probabilities."""
    copy = without_tuning(model, route, data)
    params: dict[str, Any] = {}
    if route.classifier.taxonomy is None:
        params["taxonomy"] = data.taxonomy  # what the labels of a fold spell out could lack nodes
    if getattr(route.classifier, "reject", None) is not None:
        params["reject"] = None
    return copy.set_params(**{f"{route.prefix}{name}": value for name, value in params.items()})


# -- judging one fold -----------------------------------------------------------------------


def _taught(data: Data, train: Rows) -> sparse.csr_array:
    """Return what a fold teaches: two rows, nodes at or above a label, and the labels of sets."""
    rows = train if data.weights is None else train[data.weights[train] > 0]
    n_nodes = data.taxonomy.n_nodes
    known, labelled = np.zeros(n_nodes, dtype=bool), np.zeros(n_nodes, dtype=bool)
    if isinstance(data, LabelSetData):
        closed = sparse.csr_array(data.closed[rows])
        known[closed.indices] = True
        labelled[data.taxonomy.most_specific_of(closed).indices] = True
    else:
        known[data.taxonomy.ancestors_of(np.unique(data.nodes[rows])).indices] = True
    return sparse.csr_array(np.array([known, labelled], dtype=np.float64))


class _Judged(NamedTuple):
    """Given labels with what was found, as in :class:`LabelIssues`; rows count among those judged."""

    rows: Rows
    given: NodeIds
    scores: Floats
    nodes: NodeIds
    suggested: NodeIds
    complete: Bools


def _joined(parts: Sequence[_Judged]) -> _Judged:
    return _Judged(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _judged(
    model: Any, route: Route, train: Samples, held_out: HeldOutRows, taught: sparse.csr_array
) -> _Judged:
    """Fit, and judge the held-out rows."""
    X, y, weights = train
    model.fit(X, y, **weight_params(route, weights))
    known, labelled = taught.toarray() > 0
    parts, start = list[_Judged](), 0
    for part in held_out.parts(model):
        found = (
            _judge_paths(part, known)
            if isinstance(part, HeldOutPaths)
            else _judge_sets(part, known, labelled)
        )
        parts.append(found._replace(rows=found.rows + start))
        start += len(part.weights)
    return _joined(parts)


def _judge_paths(part: HeldOutPaths, known: Bools) -> _Judged:
    table = part.marginals.dense()
    rows = np.flatnonzero(part.nodes > 0)
    nodes = part.nodes[rows]
    least, where, complete = weakest_steps(table.node_proba, rows, nodes, table.taxonomy, known)
    may_stop = np.isin(nodes, table.outcomes.stops)
    if may_stop.any():
        at = rows[may_stop], nodes[may_stop]
        stop = np.full(len(rows), np.inf)
        stop[may_stop] = _quotient(table.stop_proba[at], table.node_proba[at])
        where = np.where(stop < least, nodes, where)
        least = np.minimum(stop, least)
    suggested = top_answers(table, 1)[0][rows, 0]
    return _Judged(rows, nodes, 1 - least, where, suggested, complete)


def _judge_sets(part: HeldOutSets, known: Bools, labelled: Bools) -> _Judged:
    table, taxonomy = part.marginals.node_proba, part.marginals.taxonomy
    pairs = taxonomy.most_specific_of(part.closed)
    rows, nodes = ops.entry_rows(pairs), pairs.indices.astype(np.int32)
    least, where, complete = weakest_steps(table, rows, nodes, taxonomy, known)
    candidates = np.flatnonzero(labelled).astype(np.int32)
    free = part.closed[:, candidates].toarray() == 0
    others = np.where(free, table[:, candidates], -1.0)
    best = np.argmax(others, axis=1)[rows]
    is_better = others[rows, best] > table[rows, nodes]
    suggested = np.where(is_better, candidates[best], nodes)
    return _Judged(rows, nodes, 1 - least, where, suggested, complete)


def weakest_steps(
    node_proba: Floats, rows: Rows, nodes: NodeIds, taxonomy: Taxonomy, known: Bools
) -> tuple[Floats, NodeIds, Bools]:
    """Return the smallest conditional probability at or above each of some nodes.

    Parameters
    ----------
    node_proba : ndarray of float, shape (n_rows, n_nodes)
        Probabilities of the nodes.
    rows, nodes : ndarray of int, shape (n,)
        Rows of the table, and nodes other than the root.
    taxonomy : Taxonomy
        Tree or DAG.
    known : ndarray of bool, shape (n_nodes,)
        The nodes that count.

    Returns
    -------
    least : ndarray of float64, shape (n,)
        In [0, 1], NaN where no node counts.
    where : ndarray of int32, shape (n,)
        The node, of equals the highest; 0 where no node counts.
    complete : ndarray of bool, shape (n,)
        Whether all nodes counted.
    """
    if not len(nodes):
        return np.zeros(0), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=bool)
    above = taxonomy.ancestors_of(nodes)
    step = above.indices
    of_row = np.repeat(rows, np.diff(above.indptr))
    upper = _least_parents(node_proba, taxonomy)[of_row, step]
    values = _quotient(node_proba[of_row, step], upper)
    values[~known[step]] = np.inf
    # Ids ascend with the depth, so that the first minimum is the highest one.
    best = ops.segment_argmax(-values, above.indptr.astype(np.intp))
    judged = np.isfinite(values[best])
    least = np.where(judged, values[best], np.nan)
    complete = np.logical_and.reduceat(known[step], above.indptr[:-1])
    return least, np.where(judged, step[best], 0).astype(np.int32), complete


def _quotient(proba: Floats, upper: Floats) -> Floats:
    """Return conditional probabilities; 1 below a node of probability 0, which counts itself."""
    ratio = np.ones(proba.shape)
    np.divide(proba, upper, out=ratio, where=upper > 0)
    return np.minimum(ratio, 1.0)  # a child may exceed its parent by rounding


def _least_parents(node_proba: Floats, taxonomy: Taxonomy) -> Floats:
    """Return the smallest probability of the parents of each node, 1 for the root."""
    order = np.argsort(taxonomy.edge_children, kind="stable")
    children, parents = taxonomy.edge_children[order], taxonomy.edge_parents[order]
    first = ops.run_starts(children)
    least = np.ones(node_proba.shape)
    least[:, children[first]] = np.minimum.reduceat(node_proba[:, parents], first, axis=1)
    return least


def _result(found: _Judged, taxonomy: Taxonomy, n_folds: int) -> LabelIssues:
    """Return the labels of all folds in order."""
    order = np.lexsort((found.given, found.rows, np.nan_to_num(-found.scores, nan=1.0)))
    return LabelIssues(
        taxonomy=taxonomy,
        rows=found.rows[order],
        given_ids=found.given[order],
        scores=found.scores[order],
        node_ids=found.nodes[order],
        suggested_ids=found.suggested[order],
        complete=found.complete[order],
        n_folds=n_folds,
    )
