"""Temperature scaling: one power of probabilities, for whole answers, by level or by node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit

from sklhier._utils.rows import softmax
from sklhier._utils.typing import Bools, Floats, Integers, NodeIds, Rows
from sklhier._utils.validation import check_choice, check_integer, check_number
from sklhier.calibration._base import AnswerCalibrator, HeldOutAnswers, ScoreCalibrator, register
from sklhier.calibration._power import PowerCurve, logarithms

__all__ = ["BinaryTemperature", "Temperature"]

_BY = ("auto", "answer", "level", "node")


@register("temperature")
class Temperature(AnswerCalibrator):
    r"""Temperature scaling: a learnt power of the probabilities, divided by their sum.

    The power is the inverse temperature :math:`1 / T` of [1]_: below 1 for overconfident models,
    above 1 for underconfident ones. A probability of 0, as forests give it, would stay 0 at any
    power. It counts as half of the smallest other probability of the row, or less, so that all
    answers at this value have at most 1 % together.

    Parameters
    ----------
    by : {"auto", "answer", "level", "node"}, default="auto"
        ``"answer"``: one power for the probabilities of all answers,
        :math:`p'(a) \propto p(a)^{1 / T}`. The order of the answers, and so the best path, is kept.
        ``"level"``: one for each level, for the probabilities of nodes given their parent.
        ``"node"``: one for the outputs of each local model. ``"auto"``: ``"answer"`` if each
        sample has one path, ``"node"`` for label sets.
    min_rows : int, default=20
        For ``"node"``: models with fewer held-out rows share a power.

    Attributes
    ----------
    inverse_temperature_ : float, or ndarray of float64, shape (n_levels,)
        The fitted power, from 1/64 to 64; one for each level with ``"level"``.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. On calibration of modern neural networks.
       ICML (2017).

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_text
    >>> X, y, taxonomy = make_hierarchical_text(300, branching=(3, 2), random_state=0)
    >>> model = HierarchicalClassifier(taxonomy=taxonomy, calibration="temperature").fit(X, y)
    >>> report = model.calibration_report_
    >>> bool(report["nll_after"][0] <= report["nll_before"][0])
    True
    """

    inverse_temperature_: Any

    def __init__(self, by: str = "auto", min_rows: int = 20) -> None:
        self.by = by
        self.min_rows = min_rows

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""
        check_choice("by", self.by, _BY)
        check_integer("min_rows", self.min_rows, least=1)

    @property
    def of_answers(self) -> bool:
        """Whether it works on the probabilities of answers."""
        return self.by != "node"

    @property
    def needs_tree(self) -> bool:
        """Whether it needs to know the levels of each path."""
        return self.by == "level"

    @property
    def keeps_order(self) -> bool:  # type: ignore[override]
        """Whether a row's answers stay in their order."""
        return self.by != "level"

    def fit(self, held_out: Callable[[], Iterator[HeldOutAnswers]]) -> Self:
        """Learn the power, or one for each level, by maximum likelihood.

        Parameters
        ----------
        held_out : callable
            Returns an iterator over blocks of held-out samples.

        Returns
        -------
        self : Temperature
            Fitted.
        """
        curves: dict[int, PowerCurve] = {}
        for part in held_out():
            if self.by == "level":
                _add_levels(curves, part)
            else:
                _add_answers(curves.setdefault(0, PowerCurve()), part)
        powers = np.array([curves[level].best_power() for level in sorted(curves)])
        self.inverse_temperature_ = powers if self.by == "level" else float(powers[0])
        return self

    def proba(self, proba: Floats, ancestors: NodeIds) -> Floats:
        """Return the powers of probabilities, divided by their sum.

        Parameters
        ----------
        proba : ndarray of float64, shape (n_rows, n_answers)
            Probabilities of all answers.
        ancestors : ndarray of int32, shape (n_levels, n_answers)
            The node above each answer at each level.

        Returns
        -------
        proba : ndarray of float64, shape (n_rows, n_answers)
            Calibrated; rows sum to 1.
        """
        if self.by != "level":
            return softmax(self.inverse_temperature_ * logarithms(proba))
        powers, product = self.inverse_temperature_, np.ones_like(proba)
        for level, step in enumerate(_steps(ancestors)):
            # Levels that no held-out sample reached have the power of the last one that some did.
            power = powers[min(level, len(powers) - 1)]
            product *= step.tempered(proba, power)[:, step.group_of]
        return product


def _add_answers(curve: PowerCurve, part: HeldOutAnswers) -> None:
    logs, n_rows = logarithms(part.proba), len(part.proba)
    curve.add(logs.ravel(), np.arange(n_rows + 1) * logs.shape[1], part.weights)
    own = np.append(0, np.cumsum(part.true.sum(axis=1)))
    curve.add(logs[part.true], own, part.weights, -1.0)


@dataclass(frozen=True)
class _Step:
    """One level of the paths: groups of answers that share a node, side by side by their parent.

    Attributes
    ----------
    group_of : ndarray of intp, shape (n_answers,)
        The group of each answer.
    order, starts : ndarray of intp
        The answers group by group, and where each group begins.
    families : ndarray of intp, shape (n_parents + 1,)
        Ranges of groups with the same parent.
    family_of : ndarray of intp, shape (n_groups,)
        The parent of each group.
    """

    group_of: Rows
    order: Rows
    starts: Rows
    families: Rows
    family_of: Rows

    @classmethod
    def of(cls, above: Integers, own: Integers) -> Self:
        """Return a level, given the group of each answer at the level above, and its node here."""
        _, nodes = np.unique(own, return_inverse=True)
        order = np.lexsort((nodes, above))
        sorted_nodes, sorted_above = nodes[order], above[order]
        starts = np.flatnonzero(np.append(True, np.diff(sorted_nodes) | np.diff(sorted_above)))
        sizes = np.diff(np.append(starts, len(order)))
        group_of = np.empty(len(order), dtype=np.intp)
        group_of[order] = np.repeat(np.arange(len(starts)), sizes)
        parents = sorted_above[starts]
        first = np.flatnonzero(np.append(True, np.diff(parents)))
        counts = np.diff(np.append(first, len(starts)))
        family_of = np.repeat(np.arange(len(first)), counts)
        return cls(group_of, order, starts, np.append(first, len(starts)), family_of)

    def conditional_logs(self, proba: Floats) -> Floats:
        """Return the logarithm of each group's probability given its parent."""
        groups = np.add.reduceat(proba[:, self.order], self.starts, axis=1)
        above = np.add.reduceat(groups, self.families[:-1], axis=1)
        shares: Floats = logarithms(groups) - logarithms(above)[:, self.family_of]
        return shares

    def tempered(self, proba: Floats, power: float) -> Floats:
        """Return the probability of each group given its parent, to a power."""
        logs, first = power * self.conditional_logs(proba), self.families[:-1]
        terms = np.exp(logs - np.maximum.reduceat(logs, first, axis=1)[:, self.family_of])
        shares: Floats = terms / np.add.reduceat(terms, first, axis=1)[:, self.family_of]
        return shares


def _steps(ancestors: NodeIds) -> Iterator[_Step]:
    above = np.zeros(ancestors.shape[1], dtype=np.intp)
    for own in ancestors:
        step = _Step.of(above, own)
        yield step
        above = step.group_of


def _add_levels(curves: dict[int, PowerCurve], part: HeldOutAnswers) -> None:
    """Add what a block says of each level that its labels reach."""
    for level, step in enumerate(_steps(part.ancestors)):
        rows, groups = _true_groups(part.true, step.group_of)
        families = step.family_of[groups]
        first, counts = step.families[families], np.diff(step.families)[families]
        offsets = np.append(0, np.cumsum(counts))
        logs = step.conditional_logs(part.proba)
        columns = np.repeat(first - offsets[:-1], counts) + np.arange(offsets[-1])
        weights, curve = part.weights[rows], curves.setdefault(level, PowerCurve())
        curve.add(logs[np.repeat(rows, counts), columns], offsets, weights)
        curve.add(logs[rows, groups], np.arange(len(rows) + 1), weights, -1.0)


def _true_groups(true: Bools, group_of: Rows) -> tuple[Rows, Rows]:
    """Return the rows whose label is in one group of a level, and that group."""
    groups = group_of[np.argmax(true, axis=1)]
    is_one = np.ones(len(true), dtype=bool)
    several = np.flatnonzero(true.sum(axis=1) > 1)  # a label that is an inner node
    other = group_of != groups[several, None]
    is_one[several] = ~(true[several] & other).any(axis=1)
    rows = np.flatnonzero(is_one)
    return rows, groups[rows]


class BinaryTemperature(ScoreCalibrator):
    """Temperature scaling of one binary decision: a logistic function of the score times a power.

    :class:`Temperature` uses it for label sets, node by node.

    Parameters
    ----------
    min_rows : int, default=20
        Nodes with fewer held-out rows share a power.
    power : float, default=1.0
        The power before ``fit``, above 0.

    Attributes
    ----------
    inverse_temperature_ : float
        The fitted power.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier.calibration import BinaryTemperature
    >>> model = BinaryTemperature().fit(np.array([-4.0, -3.0, 2.0, 5.0]), np.array([0, 1, 0, 1]))
    >>> model.predict(np.array([4.0])).round(2)
    array([0.65])
    """

    def __init__(self, min_rows: int = 20, power: float = 1.0) -> None:
        self.min_rows = min_rows
        self.power = power

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""
        super().check()
        check_number("power", self.power, above=0)

    def fit(self, scores: Floats, y: Floats, sample_weight: Floats | None = None) -> Self:
        """Learn the power by maximum likelihood.

        Parameters
        ----------
        scores : ndarray of float64, shape (n_rows,)
            Scores, positive for yes.
        y : ndarray, shape (n_rows,)
            1 for yes, 0 for no.
        sample_weight : ndarray of float64, shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        self : BinaryTemperature
            Fitted.
        """
        weights = np.ones(len(scores)) if sample_weight is None else sample_weight
        unit = float(np.abs(scores).mean()) or 1.0  # decision scores may have any
        halves = np.column_stack([-scores, scores]) / (2 * unit)
        curve = PowerCurve()
        curve.add(halves.ravel(), 2 * np.arange(len(scores) + 1), weights)
        right = halves[np.arange(len(scores)), np.asarray(y, dtype=np.intp)]
        curve.add(right, np.arange(len(scores) + 1), weights, -1.0)
        self.inverse_temperature_ = curve.best_power() / unit
        return self

    def predict(self, scores: Floats) -> Floats:
        """Return the probability of yes.

        Parameters
        ----------
        scores : ndarray of float64, shape (n_rows,)
            Scores.

        Returns
        -------
        proba : ndarray of float64, shape (n_rows,)
        """
        proba: Floats = expit(self.slope * scores)
        return proba

    @property
    def slope(self) -> float:
        """Factor of the scores: the fitted power, before ``fit`` the given one."""
        power: float = getattr(self, "inverse_temperature_", self.power)
        return power
