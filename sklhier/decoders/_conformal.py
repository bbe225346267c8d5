"""Stopping and sets of answers at a confidence level, by split conformal prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklhier._probabilities.marginals import HeldOutPaths, Marginals
from sklhier._utils.typing import Floats, Labels, NodeIds, Rows
from sklhier._utils.validation import check_choice, check_integer, check_number, shown
from sklhier.decoders._base import Decoder
from sklhier.decoders._best_path import top_answers
from sklhier.decoders._conformal_scores import GroupedScores, rows_needed
from sklhier.decoders._registry import register
from sklhier.decoders._set_base import closed_above
from sklhier.decoders._stop_rules import _path_proba
from sklhier.decoders._top_down import TopDown
from sklhier.taxonomy import Taxonomy

__all__ = ["SOURCES", "Conformal", "ConformalThresholds", "RowGroups"]

SOURCES = ("out_of_fold", "calibration")
_PATHS = ("best", "top_down")
_REPORT_DTYPE = np.dtype(
    [
        ("group", object),
        ("n_rows", np.int64),
        ("k", np.int64),
        ("threshold", np.float64),
        ("n_needed", np.int64),
        ("confidence_level", np.float64),
        ("source", object),
    ]
)


@dataclass(frozen=True)
class RowGroups:
    """Groups of calibration rows, as a user gives them.

    Attributes
    ----------
    names : ndarray, shape (n_groups,)
        Ascending.
    codes : ndarray of intp, shape (n_rows,)
        The group of each row.
    """

    names: Any
    codes: Rows

    @classmethod
    def read(cls, groups: Any) -> Self:
        """Read a name or number for each row."""
        names, codes = np.unique(_group_labels(groups), return_inverse=True)
        return cls(names, codes.ravel().astype(np.intp))


def _group_labels(groups: Any) -> Labels:
    """Return groups as an array of texts or of numbers."""
    labels = np.asarray(groups)
    if labels.dtype.kind in "OT":
        values = labels.tolist()
        is_text = all(isinstance(value, str) for value in values)
        labels = np.array(values) if is_text or np.array(values).dtype.kind in "iub" else labels
    if labels.ndim != 1 or labels.dtype.kind not in "Uiub":
        raise ValueError(
            "`groups` must hold a text or an integer for each row, all of one kind, got "
            f"{shown(groups)}."
        )
    return labels


@dataclass(frozen=True)
class ConformalThresholds:
    """What calibration rows tell about the answers of one model.

    Attributes
    ----------
    paths : GroupedScores
        Of each row, the largest probability of a wrong node on the answered path.
    sets : GroupedScores
        Of each row, 1 less the probability of the truth.
    theta : ndarray of float64, shape (n_groups,)
        The threshold of each group; a group is a node where groups are those of predictions.
    names : ndarray or None
        Names of groups that a user gave.
    source : {"out_of_fold", "calibration"}
        Where the rows come from.
    """

    paths: GroupedScores
    sets: GroupedScores
    theta: Floats
    names: Any
    source: str


@register("conformal")
class Conformal(Decoder):
    r"""The deepest node of the predicted path that holds a confidence level.

    At most a share of ``1 - confidence_level`` of the answers is wrong, that is, neither the true
    node nor one of its ancestors. The method is split conformal prediction with nested paths [1]_.

    For each of `n` calibration rows, take the largest probability among the wrong nodes on its
    predicted path, 0 if there are none. The threshold is the `k`-th smallest of these numbers, for
    :math:`k = \lceil (n + 1) \, c \rceil` and the confidence level `c`. The answer is the deepest
    node on the predicted path with a larger probability, or the root, which means no answer. With
    fewer than :math:`c / (1 - c)` rows every answer is the root.

    The share is **guaranteed**, on average over calibration sets, if the rows of calibration and of
    prediction are exchangeable and no model has learnt from them: use
    :meth:`~sklhier.HierarchicalClassifier.conformalize`. The thresholds that ``fit`` learns
    **out-of-fold** aim at the same level but guarantee nothing, since they belong to the models of
    the folds.

    Parameters
    ----------
    confidence_level : float, default=0.9
        The share of answers that are right, in (0, 1); an answer above the true node counts as
        right.
    path : {"best", "top_down"}, default="best"
        The path on which answers stop: that of :class:`BestPath` or of :class:`TopDown`.
    by : None, "top" or int, default=None
        Groups of rows with their own thresholds, so that the confidence level holds in each
        (*Mondrian*): by the predicted node at the first level (``"top"``), or at a level counted
        from 1; a path that ends above it is grouped by its last node. None: one threshold for all.
        A group without enough calibration rows gets no answers. Pass groups that do not depend on
        predictions to ``conformalize``.
    source : {"out_of_fold", "calibration"}, default="out_of_fold"
        ``"out_of_fold"``: ``fit`` learns thresholds, which fits the models again in each fold.
        ``"calibration"``: only ``conformalize`` does, and must be called before predictions.

    Attributes
    ----------
    thresholds_ : ConformalThresholds
        The learnt values, in the ``decoder_`` of a classifier; its ``conformal_report_`` shows
        them.

    Notes
    -----
    Weights of samples count out-of-fold: the threshold is then a weighted quantile. In
    ``conformalize`` each row counts once. A label whose class has no training row in its fold
    counts like any other, mostly as an error.

    References
    ----------
    .. [1] A. N. Angelopoulos, S. Bates. Conformal prediction: a gentle introduction. Foundations
       and Trends in Machine Learning 16 (2023).

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> from sklhier.decoders import Conformal
    >>> X, y, taxonomy = make_hierarchical_classification(
    ...     400, 5, branching=(3, 2), class_sep=0.7, random_state=0
    ... )
    >>> model = HierarchicalClassifier(
    ...     taxonomy=taxonomy, decoder=Conformal(0.8, source="calibration")
    ... ).fit(X[:200], y[:200])
    >>> answers = model.conformalize(X[200:300], y[200:300]).predict(X[300:])
    >>> sure = [i for i, answer in enumerate(answers) if answer is not None]
    >>> 0 < len(sure) < 100
    True
    """

    needs_probabilities = True

    def __init__(
        self,
        confidence_level: float = 0.9,
        path: str = "best",
        by: Any = None,
        source: str = "out_of_fold",
    ) -> None:
        self.confidence_level = confidence_level
        self.path = path
        self.by = by
        self.source = source

    @property
    def needs_tuning(self) -> bool:
        """Whether thresholds are learnt out-of-fold."""
        return self.source == "out_of_fold"

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""
        check_number("confidence_level", self.confidence_level, above=0, below=1)
        check_choice("path", self.path, _PATHS)
        check_choice("source", self.source, SOURCES)
        if self.by is not None and not (isinstance(self.by, str) and self.by == "top"):
            if isinstance(self.by, str):
                raise ValueError(
                    f"`by` must be None, 'top' or a level from 1 on, got {self.by!r}."
                )
            check_integer("by", self.by, least=1)

    def check_taxonomy(self, taxonomy: Taxonomy) -> None:
        """Raise an error for a DAG, where paths are not unique, and for a level that is not there."""
        taxonomy.require_tree(f"{self!r}, which stops on the one path to an answer,")
        if self.by is not None:
            check_integer("by", self._level, least=1, most=taxonomy.n_levels)

    @property
    def _level(self) -> int:
        """The level of groups of predictions."""
        return 1 if isinstance(self.by, str) else int(self.by)

    # -- learning -------------------------------------------------------------------------

    def tuned(self, held_out: Callable[[], Iterator[HeldOutPaths]]) -> Self:
        """Return the decoder with thresholds of out-of-fold predictions."""
        return self.calibrated(held_out(), "out_of_fold")

    def calibrated(
        self, parts: Iterable[HeldOutPaths], source: str, groups: RowGroups | None = None
    ) -> Self:
        """Return the decoder with the thresholds of calibration rows.

        Parameters
        ----------
        parts : iterable of HeldOutPaths
            Blocks of rows, with probabilities of models that have not seen them.
        source : {"out_of_fold", "calibration"}
            Where they come from.
        groups : RowGroups, default=None
            Groups that are not those of predictions.
        """
        found: list[tuple[Floats, Floats, Floats, Rows]] = []
        n_groups = 1
        for part in parts:
            marginals = part.marginals
            paths, proba = self._paths(marginals)
            true = marginals.taxonomy.path_ids(part.nodes)
            of_rows = self._groups_of(paths)
            n_groups = 1 if self.by is None else marginals.taxonomy.n_nodes
            of_paths, of_sets = (
                nested_scores(paths, proba, true),
                set_scores(marginals, part.nodes),
            )
            found.append((of_paths, of_sets, part.weights, of_rows))
        nothing = (np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.intp))
        of_paths, of_sets, weights, codes = map(np.concatenate, zip(nothing, *found, strict=True))
        names = None
        if groups is not None:
            names, codes, n_groups = groups.names, groups.codes, len(groups.names)
        scores = GroupedScores.of(of_paths, weights, codes, n_groups)
        sets = GroupedScores.of(of_sets, weights, codes, n_groups)
        theta = scores.thresholds(self.confidence_level)
        learnt: Self = clone(self)
        learnt.thresholds_ = ConformalThresholds(scores, sets, theta, names, source)
        return learnt

    thresholds_: ConformalThresholds

    def _learnt(self) -> ConformalThresholds:
        if not hasattr(self, "thresholds_"):
            raise NotFittedError(
                f"{self!r} must have thresholds before predictions, got none. Call "
                "conformalize(X, y) of the fitted classifier, with rows that were not used in fit; "
                "or fit with source='out_of_fold', without a guarantee."
            )
        return self.thresholds_

    def report(self, taxonomy: Taxonomy) -> np.ndarray[Any, Any]:
        """Return a record for each group."""
        learnt = self._learnt()
        counts = learnt.paths.counts
        shown = np.arange(len(counts))
        names: list[Any] = [None]
        if learnt.names is not None:
            names = learnt.names.tolist()
        elif self.by is not None:
            shown = np.flatnonzero((taxonomy.depths == self._level) | (counts > 0))
            names = [taxonomy.nodes[node] if node else None for node in shown.tolist()]
        records = np.empty(len(shown), dtype=_REPORT_DTYPE)
        records["group"][:] = np.fromiter(names, dtype=object, count=len(names))
        records["n_rows"] = counts[shown]
        records["k"] = learnt.paths.ranks(self.confidence_level)[shown]
        records["threshold"] = learnt.theta[shown]
        records["n_needed"] = rows_needed(self.confidence_level)
        records["confidence_level"] = self.confidence_level
        records["source"] = learnt.source
        return records

    def lack_of_rows(self, taxonomy: Taxonomy) -> str:
        """Say which groups have too few rows for their answers to be any but the root, or nothing."""
        report = self.report(taxonomy)
        few = report[np.isinf(report["threshold"])]
        if not len(few):
            return ""
        level = self.confidence_level
        needs = f"confidence_level={level:g} needs {rows_needed(level)} "
        if len(report) == 1:
            return f"{needs}rows, got {few['n_rows'][0]}: every answer stops at the root."
        return (
            f"{needs}rows in each group, but {len(few)} of {len(report)} groups have fewer: "
            f"{shown(few['group'].tolist())}. In these every answer stops at the root."
        )

    # -- answering ------------------------------------------------------------------------

    def codes_of(self, groups: Any) -> Rows:
        """Return the positions of groups that a user gives for prediction, -1 for unknown ones."""
        names = self._learnt().names
        if names is None:
            raise ValueError(
                "`groups` must be None if conformalize was called without groups, got groups."
            )
        given = _group_labels(groups)
        if (given.dtype.kind == "U") != (names.dtype.kind == "U"):
            raise ValueError(
                "`groups` must have the type of those in conformalize, such as "
                f"{names.tolist()[0]!r}, got {shown(groups)}."
            )
        places = np.minimum(np.searchsorted(names, given), len(names) - 1)
        return np.where(names[places] == given, places, -1)

    def _theta_of(self, paths: NodeIds, theta: Floats, groups: Rows | None) -> Floats:
        """Return the threshold of each row, as a column."""
        if self._learnt().names is None:
            of_rows = theta[self._groups_of(paths)]
        elif groups is None:  # the largest holds the level in every group
            of_rows = np.full(len(paths), theta.max())
        else:
            of_rows = np.where(groups < 0, np.inf, theta[groups])
        return of_rows[:, None]

    def decode(self, marginals: Marginals, groups: Rows | None = None) -> NodeIds:
        """Return the deepest node above the threshold on each path, the root where there is none."""
        learnt = self._learnt()
        paths, proba = self._paths(marginals)
        sure = proba > self._theta_of(paths, learnt.theta, groups)
        n_sure = sure.sum(axis=1)  # a node is never more probable than the one above it
        rows = np.flatnonzero(n_sure)
        answers = np.zeros(len(paths), dtype=np.int32)
        answers[rows] = paths[rows, n_sure[rows] - 1]
        return answers

    def prediction_sets(
        self,
        marginals: Marginals,
        confidence_level: float | None = None,
        groups: Rows | None = None,
    ) -> sparse.csr_array:
        """Return the answers that are likely enough to hold the truth, with their ancestors.

        Parameters
        ----------
        marginals : Marginals
            Probabilities of the nodes.
        confidence_level : float, default=None
            Of the sets; None is that of the decoder.
        groups : ndarray of intp, shape (n_rows,), default=None
            Positions of groups that a user gives.

        Returns
        -------
        closed : csr_array of float64, shape (n_rows, n_nodes)
            The root left out. All nodes where there are too few calibration rows.
        """
        level = self.confidence_level if confidence_level is None else confidence_level
        limits = self._learnt().sets.thresholds(level)
        # One threshold for all rows does not need their paths.
        is_alone = self.by is None
        paths = (
            np.zeros((marginals.n_rows, 1), np.int32) if is_alone else self._paths(marginals)[0]
        )
        limit = self._theta_of(paths, limits, groups)
        answers = marginals.outcomes.answers
        chosen = np.zeros((marginals.n_rows, marginals.taxonomy.n_nodes), dtype=bool)
        chosen[:, answers] = 1 - marginals.answer_proba(answers) <= limit
        chosen[np.isinf(limit[:, 0])] = True
        chosen[:, 0] = False
        return closed_above(chosen, marginals.taxonomy)

    def _paths(self, marginals: Marginals) -> tuple[NodeIds, Floats]:
        """Return the predicted paths, (n_rows, n_levels), and the probabilities of their nodes."""
        if self.path == "best":
            ends = top_answers(marginals, 1)[0][:, 0]
        else:
            ends = TopDown().decode(marginals)
        paths = marginals.taxonomy.path_ids(ends)
        return paths, _path_proba(marginals, paths)

    def _groups_of(self, paths: NodeIds) -> Rows:
        """Return the group of each predicted path: a node, or 0 if there is one group for all."""
        if self.by is None:
            return np.zeros(len(paths), dtype=np.intp)
        # Ids ascend with the depth: the largest is the deepest.
        return np.maximum(paths[:, : self._level].max(axis=1), 0).astype(np.intp)


def nested_scores(paths: NodeIds, proba: Floats, true: NodeIds) -> Floats:
    """Return the largest probability of a wrong node on each path, 0 if all are right.

    Parameters
    ----------
    paths, true : ndarray of int32, shape (n_rows, n_levels)
        The predicted and the true nodes from the first level on, -1 below the end. A node below the
        end of the true path is wrong.
    proba : ndarray of float64, shape (n_rows, n_levels)
        Probabilities of the predicted nodes.
    """
    wrong = (paths >= 0) & (paths != true)
    scores: Floats = np.where(wrong, proba, 0.0).max(axis=1)
    return scores


def set_scores(marginals: Marginals, nodes: NodeIds) -> Floats:
    """Return 1 less the probability of the answer that is, or lies below, each true node.

    Of several answers below an inner node the most probable counts: a set with one of them holds
    that node, too. Infinity for a node that is no answer and has none below it: no set but that of
    all nodes holds it.
    """
    outcomes, taxonomy = marginals.outcomes, marginals.taxonomy
    ends = outcomes.observed[nodes] & (outcomes.counts[nodes] == 0)
    if (ends | ~outcomes.observed[nodes]).all():  # only the models on the way are called
        depths = taxonomy.depths[nodes]
        paths = taxonomy.path_ids(np.where(ends, nodes, 0).astype(np.int32))
        proba = _path_proba(marginals, paths)[np.arange(len(nodes)), np.maximum(depths - 1, 0)]
        return np.where(ends, 1 - proba, np.inf)
    answers = outcomes.answers
    answers = answers[np.argsort(taxonomy.preorder_positions[answers])]
    places = taxonomy.preorder_positions[answers]
    # In preorder the answers at or below a node are side by side.
    first = taxonomy.preorder_positions[nodes]
    starts = np.searchsorted(places, first)
    stops = np.searchsorted(places, first + taxonomy.subtree_sizes[nodes])
    found = np.flatnonzero(stops > starts)
    # A column more, for every second segment of reduceat to end in.
    table = np.column_stack([marginals.answer_proba(answers), np.zeros(len(nodes))])
    width = table.shape[1]
    bounds = np.stack([found * width + starts[found], found * width + stops[found]], axis=1)
    scores = np.full(len(nodes), np.inf)
    if found.size:
        scores[found] = 1 - np.maximum.reduceat(table.ravel(), bounds.ravel())[::2]
    return scores
