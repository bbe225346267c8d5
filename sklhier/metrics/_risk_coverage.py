"""Risk of answers when only the confident ones are given."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._targets.paths import resolve_taxonomy
from sklhier._utils.tables import html_table, text_table
from sklhier._utils.typing import Bools, Floats, Integers, Rows, SampleWeight, Target
from sklhier._utils.validation import check_integer, check_number, numbers
from sklhier.exceptions import TargetError
from sklhier.metrics._groups import levels_reached
from sklhier.metrics._input import (
    as_collection,
    as_single,
    read_closures,
    read_node_proba,
    read_table,
    require_probabilities,
    require_same_length,
)
from sklhier.metrics._members import are_members
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._graph import with_columns
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["RiskCoverageCurve", "risk_coverage_curve"]

_RISKS_SHOWN = (0.01, 0.05, 0.1)


@dataclass(frozen=True, repr=False, eq=False)
class RiskCoverageCurve:
    """Result of :func:`risk_coverage_curve`, a curve for each level that a true label reaches.

    Attributes
    ----------
    levels : ndarray of int, shape (m,)
        The levels, from 1.
    thresholds : tuple of m ndarrays of float64
        Distinct confidences, descending; answers with at least this confidence are kept.
    coverage : tuple of m ndarrays of float64
        Kept answers divided by the samples whose truth reaches the level, ascending, in (0, 1].
    risk : tuple of m ndarrays of float64
        Share of the kept answers that are wrong.
    aurc : ndarray of float64, shape (m,)
        Area under each curve divided by the coverage that it reaches: the mean risk. NaN without
        answers.
    support : ndarray of float64, shape (m,)
        Weight of the samples whose truth reaches the level.
    accuracy : ndarray of float64, shape (m,)
        Share of these samples that are answered correctly, with all answers kept.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import risk_coverage_curve
    >>> curve = risk_coverage_curve(
    ...     ["owl", "owl", "eel", "eel"],
    ...     ["owl", "eel", "eel", None],
    ...     confidence=[0.9, 0.6, 0.7, 0.5],
    ...     taxonomy=Taxonomy.flat(["owl", "eel"]),
    ... )
    >>> curve.thresholds, curve.coverage
    ((array([0.9, 0.7, 0.6]),), (array([0.25, 0.5 , 0.75]),))
    >>> curve.coverage_at(0.05), curve.risk_at(0.75)
    (array([0.5]), array([0.33333333]))
    """

    levels: Rows
    thresholds: tuple[Floats, ...]
    coverage: tuple[Floats, ...]
    risk: tuple[Floats, ...]
    aurc: Floats
    support: Floats
    accuracy: Floats

    def coverage_at(self, risk: float) -> Floats:
        """Return the largest coverage of each level with at most this risk, 0 if there is none.

        A threshold chosen on these samples suits these samples: on new ones the risk will be
        larger.
        """
        check_number("risk", risk, least=0, most=1)
        return np.array(
            [
                own_coverage[own_risk <= risk].max(initial=0.0)
                for own_coverage, own_risk in zip(self.coverage, self.risk, strict=True)
            ]
        )

    def risk_at(self, coverage: float) -> Floats:
        """Return the risk of each level where that coverage is reached first, NaN if it never is."""
        check_number("coverage", coverage, above=0, most=1)
        pairs = zip(self.coverage, self.risk, strict=True)
        return np.array([_at(own, risks, coverage) for own, risks in pairs])

    def to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame` with a row for each point of each curve."""
        import pandas as pd

        empty = np.zeros(0)
        columns = {
            name: np.concatenate([empty, *getattr(self, attribute)])
            for name, attribute in (
                ("threshold", "thresholds"),
                ("coverage", "coverage"),
                ("risk", "risk"),
            )
        }
        levels = np.repeat(self.levels, list(map(len, self.coverage)))
        return pd.DataFrame({"level": levels, **columns})

    def _rows(self) -> list[list[str]]:
        head = ["", "support", "accuracy", "AURC"]
        head += [f"coverage at risk {risk:.0%}" for risk in _RISKS_SHOWN]
        shares = np.column_stack(
            [self.accuracy, self.aurc, *(self.coverage_at(risk) for risk in _RISKS_SHOWN)]
        )
        return [
            head,
            *(
                [f"level {level}", f"{support:.10g}", *(f"{share:.3f}" for share in row)]
                for level, support, row in zip(self.levels, self.support, shares, strict=True)
            ),
        ]

    def __repr__(self) -> str:
        return f"RiskCoverageCurve(levels={self.levels.tolist()}, aurc={self.aurc.tolist()})"

    def __str__(self) -> str:
        return text_table(self._rows())

    def _repr_html_(self) -> str:
        return html_table(self._rows())


def _at(coverage: Floats, risk: Floats, wanted: float) -> float:
    # Sums of weights may miss a round number by rounding.
    first = int(np.searchsorted(coverage, wanted * (1 - 1e-12)))
    return float(risk[first]) if first < len(risk) else float("nan")


class _Answers(NamedTuple):
    """The answer of each sample at each level, and what is true of it.

    Attributes
    ----------
    true : csr_array of float64, shape (n_samples, n_nodes)
        Closures, the root left out.
    unknown : csr_array of float64, shape (n_samples, n_nodes), or None
        Marks of nodes of which the truth is not known.
    weights : ndarray of float64, shape (n_samples,)
        Weights of the samples.
    taxonomy : Taxonomy
        Tree or DAG.
    nodes : ndarray of int, shape (n_samples, n_levels)
        Answers, -1 where there is none.
    confidence : ndarray of float64, shape (n_samples, n_levels)
        Numbers, anything where there is no answer.
    """

    true: sparse.csr_array
    unknown: sparse.csr_array | None
    weights: Floats
    taxonomy: Taxonomy
    nodes: Integers
    confidence: Floats


def risk_coverage_curve(
    y_true: Target,
    y_pred: Target | None = None,
    *,
    confidence: npt.ArrayLike | None = None,
    node_proba: npt.ArrayLike | None = None,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
    max_points: int | None = None,
) -> RiskCoverageCurve:
    r"""Compute the risk of the most confident answers by their share, at each level.

    Only answers with at least some confidence are kept. The coverage is their share, the risk the
    share of wrong ones among them [1]_; a curve has a point for each distinct confidence. A level
    is measured over the samples whose truth reaches it. An answer that ends above the level is
    never kept there. The area under the curve (AURC) is the mean risk; smaller is better [2]_.

    Parameters
    ----------
    y_true : array-like
        Labels in any format, one or more for each sample; an answer that is at or above one of them
        is right.
    y_pred : array-like, default=None
        One label or path for each sample, which may end early. If None, the answer at each level
        is the most probable node of `node_proba` there.
    confidence : array-like, shape (n_samples,) or (n_samples, n_levels), default=None
        Numbers that grow with confidence, for each sample, or for each sample and level. NaN is
        allowed where there is no answer.
    node_proba : array-like, shape (n_samples, n_nodes) or (n_samples, n_nodes - 1), default=None
        Probability of each node of ``taxonomy.nodes``, or of all but the root, as returned by
        ``predict_node_proba``: the confidence at a level is that of the answered node.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree of the labels, or DAG without `y_pred`. Optional if both `y` hold paths.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.
    missing : {"error", "ignore"}, default="error"
        Missing cells of an indicator in `y_true`: an error, or not annotated; answers whose truth
        is unknown are left out.
    max_points : int, default=None
        Approximate number of points of each curve to keep, for drawing; areas use all points.

    Returns
    -------
    curve : RiskCoverageCurve
        Thresholds, coverage and risk of each level, and the areas.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, for 1-D labels without a taxonomy, and for several
        predicted labels.
    TaxonomyError
        If `y_pred` is given and the taxonomy is not a tree.
    ValueError
        Unless either `confidence`, together with `y_pred`, or `node_proba` is given; for a wrong
        shape, and for answers without a finite confidence.

    References
    ----------
    .. [1] R. El-Yaniv, Y. Wiener. On the foundations of noise-free selective classification. Journal
       of Machine Learning Research 11 (2010).
    .. [2] Y. Geifman, G. Uziel, R. El-Yaniv. Bias-reduced uncertainty estimation for deep neural
       classifiers. ICLR (2019).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import risk_coverage_curve
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> node_proba = [  # bird, fish, owl, wren, eel
    ...     [0.9, 0.1, 0.8, 0.1, 0.1],
    ...     [0.7, 0.3, 0.4, 0.3, 0.3],
    ...     [0.4, 0.6, 0.2, 0.2, 0.6],
    ... ]
    >>> curve = risk_coverage_curve(["owl", "wren", "eel"], node_proba=node_proba, taxonomy=taxonomy)
    >>> print(curve)
             support  accuracy   AURC  coverage at risk 1%  coverage at risk 5%  coverage at risk 10%
    level 1        3     1.000  0.000                1.000                1.000                 1.000
    level 2        3     0.667  0.111                0.667                0.667                 0.667
    """
    if (confidence is None) == (node_proba is None):
        raise ValueError(
            "Either `confidence` or `node_proba` must be given, the confidence of each answer. Pass "
            "one of them."
        )
    if max_points is not None:
        check_integer("max_points", max_points, least=2)
    if y_pred is None:
        answers = _most_probable(y_true, node_proba, taxonomy, sample_weight, classes, missing)
    else:
        answers = _predicted(
            y_true, y_pred, confidence, node_proba, taxonomy, sample_weight, classes, missing
        )
    return _curve(answers, max_points)


def _most_probable(
    y_true: Any, node_proba: Any, taxonomy: Any, sample_weight: Any, classes: Any, missing: str
) -> _Answers:
    """Return the most probable node of each level, with its probability."""
    if node_proba is None:
        raise ValueError("`confidence` needs the answers that it is about: pass `y_pred`.")
    read = read_node_proba(
        y_true, node_proba, taxonomy, sample_weight, classes=classes, missing=missing
    )
    bounds = read.taxonomy.level_offsets[1:] - 1
    nodes = np.column_stack(
        [start + np.argmax(read.scores[:, start:stop], axis=1) for start, stop in pairwise(bounds)]
    )
    n_nodes = read.taxonomy.n_nodes
    return _Answers(
        _with_root(read.true, n_nodes),
        None if read.unknown is None else _with_root(read.unknown, n_nodes),
        read.weights,
        read.taxonomy,
        nodes + 1,
        np.take_along_axis(read.scores, nodes, axis=1),
    )


def _with_root(table: sparse.csr_array, n_nodes: int) -> sparse.csr_array:
    """Return a table of all nodes but the root with the column of the root, which is empty."""
    return with_columns(table, np.arange(1, n_nodes, dtype=np.int32), n_nodes)


def _predicted(
    y_true: Any,
    y_pred: Any,
    confidence: Any,
    node_proba: Any,
    taxonomy: Any,
    sample_weight: Any,
    classes: Any,
    missing: str,
) -> _Answers:
    """Return the predicted node of each level, with its confidence."""
    given = resolve_taxonomy(taxonomy)
    if classes is not None and given is not None:
        y_pred = as_single(as_collection(y_pred, "y_pred"), given, classes)
    read = read_closures(
        y_true,
        y_pred,
        given,
        sample_weight,
        "A curve of predicted labels",
        classes=classes,
        missing=missing,
    )
    if read.forms[1].several:
        raise TargetError.one_label_each()
    nodes = read.taxonomy.path_ids(read.forms[1].nodes(read.taxonomy))
    if node_proba is None:
        numbers_of = _read_confidence(confidence, nodes)
    else:
        proba = read_table(node_proba, read.taxonomy, "node_proba")
        require_same_length("y_true", len(nodes), "node_proba", len(proba))
        require_probabilities(proba)
        numbers_of = np.take_along_axis(proba, np.maximum(nodes - 1, 0), axis=1)
    return _Answers(read.true, read.unknown, read.weights, read.taxonomy, nodes, numbers_of)


def _read_confidence(confidence: Any, nodes: Integers) -> Floats:
    """Return a number for each sample and level; there must be one where there is an answer."""
    values = numbers("confidence", confidence)
    values = values[:, None] if values.ndim == 1 else values
    if values.shape not in ((len(nodes), 1), nodes.shape):
        raise ValueError(
            f"`confidence` must have the shape {(len(nodes),)}, or {nodes.shape} with a column for "
            f"each level, got {np.shape(confidence)}."
        )
    values = np.broadcast_to(values, nodes.shape)
    bad = (nodes >= 0) & ~np.isfinite(values)
    if bad.any():
        row, level = np.argwhere(bad)[0]
        raise ValueError(
            f"`confidence` must be finite where there is an answer, got {values[row, level]} in row "
            f"{row} at level {level + 1}."
        )
    return values


def _curve(answers: _Answers, max_points: int | None) -> RiskCoverageCurve:
    reached = levels_reached(answers.true, answers.taxonomy).toarray() > 0
    levels = np.flatnonzero((answers.weights[:, None] * reached).any(axis=0))
    curves = [_of_level(answers, level, reached[:, level]) for level in levels.tolist()]
    kept = [_thinned(len(curve.risk), max_points) for curve in curves]
    thinned = list(zip(curves, kept, strict=True))
    return RiskCoverageCurve(
        levels=levels + 1,
        thresholds=tuple(curve.thresholds[own] for curve, own in thinned),
        coverage=tuple(curve.coverage[own] for curve, own in thinned),
        risk=tuple(curve.risk[own] for curve, own in thinned),
        aurc=np.array([curve.aurc for curve in curves]),
        support=np.array([curve.support for curve in curves]),
        accuracy=np.array([curve.accuracy for curve in curves]),
    )


class _Curve(NamedTuple):
    thresholds: Floats
    coverage: Floats
    risk: Floats
    aurc: float
    support: float
    accuracy: float


def _of_level(answers: _Answers, level: int, reached: Bools) -> _Curve:
    nodes, confidence = answers.nodes[:, level], answers.confidence[:, level]
    some = np.maximum(nodes, 0)  # the root, in place of no answer, is no member
    right = are_members(answers.true, some)
    weights = answers.weights * reached
    if answers.unknown is not None:
        weights = weights * ~are_members(answers.unknown, some)
    support = weights.sum()
    rows = np.flatnonzero((weights > 0) & (nodes >= 0))
    rows = rows[np.argsort(-confidence[rows], kind="stable")]
    # Equal confidences pass a threshold together: they have one point, at the last of them.
    last = np.flatnonzero(np.append(np.diff(confidence[rows]) != 0, len(rows) > 0))
    kept = np.cumsum(weights[rows])[last]
    wrong = np.cumsum(weights[rows] * ~right[rows])[last]
    risk = wrong / kept
    area = np.sum(np.diff(kept, prepend=0.0) * risk)
    return _Curve(
        confidence[rows][last],
        np.minimum(kept / support, 1.0) if support > 0 else kept,
        risk,
        float(area / kept[-1]) if len(kept) else np.nan,
        float(support),
        float((weights @ right) / support) if support > 0 else np.nan,
    )


def _thinned(n_points: int, most: int | None) -> Rows:
    """Return the positions of about so many points, the first and the last among them."""
    if most is None or n_points <= most:
        return np.arange(n_points)
    return np.unique(np.linspace(0, n_points - 1, most).round().astype(np.intp))
