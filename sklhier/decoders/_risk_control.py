"""Label sets whose expected loss is held at a target."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklhier._probabilities.sets import HeldOutSets, SetMarginals
from sklhier._utils.typing import Floats, Integers, Rows
from sklhier._utils.validation import check_choice, check_number, numbers, shown
from sklhier.decoders._conformal import SOURCES
from sklhier.decoders._registry import register
from sklhier.decoders._risk_bounds import (
    binomial_p_values,
    conformal_bound,
    fixed_sequence,
    hoeffding_bentkus_p_values,
)
from sklhier.decoders._set_base import SetDecoder, closed_above
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["RiskCalibration", "RiskControl"]

_RISKS = ("fnr", "fdr", "distance")
_METHODS = ("crc", "ltt")
_ENOUGH = 300  # rows from which on a calibration tells more than chance
_ROUNDING = 1e-9
# The thresholds that are tried, whatever the calibration rows: for all nodes, those with any
# probability, ..., no node. Evenly spaced in log-odds, for labels are rare.
_GRID: Floats = np.concatenate(
    [[-1.0, 0.0], expit(np.linspace(logit(1e-4), logit(1 - 1e-4), 199)), [1.0]]
)
_REPORT_DTYPE = np.dtype(
    [
        ("risk", object),
        ("target", np.float64),
        ("method", object),
        ("n_rows", np.int64),
        ("threshold", np.float64),
        ("mean_loss", np.float64),
        ("bound", np.float64),
        ("n_needed", np.int64),
        ("source", object),
        ("note", object),
    ]
)


@dataclass(frozen=True)
class RiskCalibration:
    """What calibration rows tell about a threshold.

    Attributes
    ----------
    threshold : float
        Nodes with a larger probability are answered.
    mean_loss : float
        Of the calibration rows, NaN without any.
    bound : float
        With ``"crc"`` what is held at the target: the mean with a further row of the largest loss;
        with ``"ltt"`` the p-value, held at delta.
    n_rows : int
        Number of calibration rows.
    is_held : bool
        Whether the rows were enough for the guarantee.
    source : {"out_of_fold", "calibration"}
        Where they come from.
    """

    threshold: float
    mean_loss: float
    bound: float
    n_rows: int
    is_held: bool
    source: str


@register("risk_control")
class RiskControl(SetDecoder):
    r"""All nodes above a threshold that keeps an expected loss within a target.

    One threshold for all nodes is learnt from calibration rows. It answers as many nodes (for
    ``"fdr"``) or as few nodes (for ``"fnr"`` and ``"distance"``) as the target allows. Answers
    include all ancestors.

    The target is **guaranteed** if the rows of calibration and of prediction are exchangeable and
    no model has learnt from them: use
    :meth:`~sklhier.HierarchicalMultiLabelClassifier.conformalize`. The threshold that ``fit``
    learns **out-of-fold** aims at the target but guarantees nothing.

    Parameters
    ----------
    risk : {"fnr", "fdr", "distance"} or callable, default="fnr"
        The loss of a sample, in [0, 1]: ``"fnr"``, the share of its true nodes that are missing;
        ``"fdr"``, the share of answered nodes that are wrong; ``"distance"``, the missing share of
        the path from the root to a true label, averaged over its most specific labels. A callable
        ``risk(y_true, y_pred)`` gets two 0/1 matrices (csr_array, a column for each of
        ``taxonomy.nodes[1:]``, ancestors included) and returns the loss of each row.
    target : float, default=0.1
        The largest expected loss, in (0, 1).
    method : {"crc", "ltt"}, default="crc"
        ``"crc"`` is conformal risk control [1]_: the expected loss is at most `target` on average
        over calibration sets; about half of single calibrations exceed it. ``"ltt"`` is learn then
        test [2]_: with probability ``1 - delta``, the expected loss of the learnt threshold is at
        most `target`.
    delta : float, default=0.1
        With ``"ltt"``, the probability of failure, in (0, 1).
    source : {"out_of_fold", "calibration"}, default="out_of_fold"
        ``"out_of_fold"``: ``fit`` learns the threshold, which fits the models again in each fold.
        ``"calibration"``: only ``conformalize`` does, and must be called before predictions.

    Attributes
    ----------
    calibration_ : RiskCalibration
        The learnt values, in the ``decoder_`` of a classifier; its ``conformal_report_`` shows
        them.

    Notes
    -----
    ``"crc"`` needs a loss of each row that only rises, or only falls, with the threshold, as
    ``"fnr"`` and ``"distance"`` do. For ``"fdr"`` it uses the largest loss at this or any higher
    threshold, which is stricter than necessary; ``"ltt"`` uses the loss itself. A callable is
    checked on the calibration rows. ``"ltt"`` has no such condition. It tests thresholds in order,
    starting where everything is answered (``"fnr"``, ``"distance"``), where nothing is answered
    (``"fdr"``), or from both ends with half of `delta` each (callable). P-values are exact binomial
    if all losses are 0 or 1, otherwise those of Hoeffding and Bentkus.

    With too few rows, the answer is the one without risk: all nodes, or none for ``"fdr"``. A
    warning says so. The minimum is small, but with fewer than about 300 rows thresholds vary widely
    from one calibration to the next.

    Out-of-fold, the mean uses sample weights, and ``"ltt"`` the effective number of rows (with the
    same variance). In ``conformalize`` each row counts once.

    References
    ----------
    .. [1] A. N. Angelopoulos, S. Bates, A. Fisch, L. Lei, T. Schuster. Conformal risk control.
       ICLR (2024).
    .. [2] A. N. Angelopoulos, S. Bates, E. J. Candes, M. I. Jordan, L. Lei. Learn then test:
       calibrating predictive algorithms to achieve risk control. arXiv:2110.01052 (2021).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import HierarchicalMultiLabelClassifier, Taxonomy
    >>> from sklhier.decoders import RiskControl
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, size=(900, 3))
    >>> X = y + rng.normal(scale=0.5, size=(900, 3))
    >>> model = HierarchicalMultiLabelClassifier(
    ...     taxonomy=Taxonomy.flat(["a", "b", "c"]),
    ...     decoder=RiskControl("fnr", 0.1, source="calibration"),
    ... ).fit(X[:300], y[:300])
    >>> answers = model.conformalize(X[300:600], y[300:600]).predict(X[600:])
    >>> missed = (y[600:] > answers).sum(axis=1) / np.maximum(y[600:].sum(axis=1), 1)
    >>> bool(0.05 < missed.mean() < 0.15)
    True
    """

    calibration_: RiskCalibration

    def __init__(
        self,
        risk: Any = "fnr",
        target: float = 0.1,
        method: str = "crc",
        delta: float = 0.1,
        source: str = "out_of_fold",
    ) -> None:
        self.risk = risk
        self.target = target
        self.method = method
        self.delta = delta
        self.source = source

    @property
    def needs_tuning(self) -> bool:
        """Whether the threshold is learnt out-of-fold."""
        return self.source == "out_of_fold"

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""
        if isinstance(self.risk, type) or not callable(self.risk):
            check_choice("risk", self.risk, _RISKS)
        check_number("target", self.target, above=0, below=1)
        check_choice("method", self.method, _METHODS)
        check_number("delta", self.delta, above=0, below=1)
        check_choice("source", self.source, SOURCES)

    # -- learning -------------------------------------------------------------------------

    def tuned(self, held_out: Callable[[], Iterator[HeldOutSets]]) -> Self:
        """Return the decoder with the threshold of out-of-fold predictions."""
        return self.calibrated(held_out(), "out_of_fold")

    def calibrated(self, parts: Iterable[HeldOutSets], source: str) -> Self:
        """Return the decoder with the threshold of calibration rows.

        Parameters
        ----------
        parts : iterable of HeldOutSets
            Blocks of rows, with probabilities of models that have not seen them.
        source : {"out_of_fold", "calibration"}
            Where they come from.

        Raises
        ------
        ValueError
            If a callable returns no losses in [0, 1], or with ``"crc"`` losses that rise and fall;
            and if its loss is above the target even at the safer end.
        """
        curve = _Curve()
        for part in parts:
            curve.add(self._losses(part), part.weights)
        learnt: Self = clone(self)
        learnt.calibration_ = self._chosen(curve, source)
        return learnt

    def _losses(self, part: HeldOutSets) -> Floats:
        """Return the loss of each row at each threshold, (n_rows, n_thresholds)."""
        if not isinstance(self.risk, str):
            return _losses_of(self.risk, part)
        bins = np.searchsorted(_GRID, part.marginals.node_proba[:, 1:])
        true = sparse.csr_array(part.closed[:, 1:])
        if self.risk == "fdr":
            losses = _false_discoveries(bins, true)
            if self.method == "crc":
                losses = np.maximum.accumulate(losses[:, ::-1], axis=1)[:, ::-1]
            return losses
        taxonomy = part.marginals.taxonomy
        weights = _even(true) if self.risk == "fnr" else _by_way(part.closed, taxonomy)
        return _misses(bins, weights)

    def _chosen(self, curve: _Curve, source: str) -> RiskCalibration:
        """Return the threshold that holds the target and is the furthest from the safer end."""
        if not isinstance(self.risk, str) and self.method == "crc":
            curve.require_monotone(self.risk)
        starts = self._starts(curve)
        tests = [self._tested(curve, is_low, len(starts)) for is_low in starts]
        n_held, place, bound = max(tests, key=lambda test: test[0])
        loss = float(curve.risk[place])
        if not n_held and loss > self.target:
            raise ValueError(
                f"`risk` must be at most target={self.target:g} if all nodes are answered, or if "
                f"none is, got mean losses of {curve.risk[0]:g} and {curve.risk[-1]:g}: "
                "no threshold reaches it. Use a larger `target` or another `risk`."
            )
        threshold = float(_GRID[place])
        return RiskCalibration(threshold, loss, bound, curve.n_rows, n_held > 0, source)

    def _tested(self, curve: _Curve, is_low: bool, n_tests: int) -> tuple[int, int, float]:
        """Try thresholds from one end on.

        Returns
        -------
        n_held : int
            How many hold the target, one after the other.
        place : int
            The last of them, or the end itself.
        bound : float
            What was compared there.
        """
        order = np.arange(len(_GRID)) if is_low else np.arange(len(_GRID))[::-1]
        bounds = self._bounds(curve, order)
        limit = self.target + _ROUNDING if self.method == "crc" else self.delta / n_tests
        n_held = fixed_sequence(bounds, limit)
        last = max(n_held - 1, 0)
        return n_held, int(order[last]), float(bounds[last])

    def _starts(self, curve: _Curve) -> list[bool]:
        """Tell at which ends the thresholds are that are tried first: True is the low one."""
        if isinstance(self.risk, str):
            return [self.risk != "fdr"]
        return [curve.rises] if self.method == "crc" else [True, False]

    def _bounds(self, curve: _Curve, order: Rows) -> Floats:
        """Return what is compared with the target, or with delta, in the order of the test."""
        if self.method == "crc":
            return conformal_bound(np.nan_to_num(curve.risk[order]), curve.n_rows)
        risk, n_rows = np.nan_to_num(curve.risk[order]), curve.n_effective
        if curve.is_binary:
            return binomial_p_values(np.round(risk * n_rows), n_rows, self.target)
        return hoeffding_bentkus_p_values(risk, n_rows, self.target)

    # -- answering ------------------------------------------------------------------------

    def _learnt(self) -> RiskCalibration:
        if not hasattr(self, "calibration_"):
            raise NotFittedError(
                f"{self!r} must have a threshold before predictions, got none. Call "
                "conformalize(X, y) of the fitted classifier, with rows that were not used in fit; "
                "or fit with source='out_of_fold', without a guarantee."
            )
        return self.calibration_

    def decode(self, marginals: SetMarginals) -> sparse.csr_array:
        """Return the nodes above the threshold, and their ancestors."""
        chosen = marginals.node_proba > self._learnt().threshold
        chosen[:, 0] = False
        return closed_above(chosen, marginals.taxonomy)

    @property
    def n_needed(self) -> int:
        """Number of calibration rows without which no threshold can hold the target."""
        if self.method == "crc":
            return math.ceil(1 / self.target - 1 - _ROUNDING)
        share = self.delta if isinstance(self.risk, str) else self.delta / 2
        return math.ceil(math.log(share) / math.log1p(-self.target) - _ROUNDING)

    def report(self, taxonomy: Taxonomy) -> np.ndarray[Any, Any]:  # noqa: ARG002
        """Return a record of the calibration."""
        learnt = self._learnt()
        records = np.empty(1, dtype=_REPORT_DTYPE)
        name = self.risk if isinstance(self.risk, str) else getattr(self.risk, "__name__", "risk")
        records[0] = (
            name,
            self.target,
            self.method,
            learnt.n_rows,
            learnt.threshold,
            learnt.mean_loss,
            learnt.bound,
            self.n_needed,
            learnt.source,
            self._note(learnt),
        )
        return records

    def _note(self, learnt: RiskCalibration) -> str:
        if not learnt.is_held:
            answer = "no node" if learnt.threshold >= 1 else "all nodes"
            return f"too few rows: every answer is {answer}"
        if learnt.n_rows < _ENOUGH:
            return (
                f"fewer than {_ENOUGH} rows: another calibration may give quite another threshold"
            )
        return ""

    def lack_of_rows(self, taxonomy: Taxonomy) -> str:  # noqa: ARG002
        """Say that there are too few rows to hold the target, or nothing."""
        learnt = self._learnt()
        if learnt.is_held:
            return ""
        needs = f"{self!r} needs {self.n_needed} rows at least, got {learnt.n_rows}"
        return f"{needs}; {self._note(learnt)}."


class _Curve:
    """The mean loss at each threshold, gathered block by block."""

    def __init__(self) -> None:
        self._sums = np.zeros(len(_GRID))
        self._weight = self._squares = 0.0
        self.n_rows = 0
        self._is_binary = True
        self._lightest, self._heaviest = math.inf, 0.0
        self.rises = self._falls = False

    def add(self, losses: Floats, weights: Floats) -> None:
        """Count the rows of a block, but for those of weight 0."""
        counts = weights > 0
        losses, weights = losses[counts], weights[counts]
        self._sums += weights @ losses
        self._weight += float(weights.sum())
        self._squares += float(weights @ weights)
        self.n_rows += len(losses)
        self._lightest = float(weights.min(initial=self._lightest))
        self._heaviest = float(weights.max(initial=self._heaviest))
        self._is_binary &= bool(((losses == 0) | (losses == 1)).all())
        steps = np.diff(losses, axis=1)
        self.rises |= bool((steps > _ROUNDING).any())
        self._falls |= bool((steps < -_ROUNDING).any())

    @property
    def risk(self) -> Floats:
        """The mean loss at each threshold; NaN without a row."""
        return self._sums / (self._weight or math.nan)

    @property
    def n_effective(self) -> int:
        """Number of rows of equal weight whose mean would be as exact."""
        return int(self._weight**2 / self._squares + _ROUNDING) if self._squares else 0

    @property
    def is_binary(self) -> bool:
        """Whether the mean is a share of rows: of losses that are 0 or 1, all with one weight."""
        return self._is_binary and self._lightest >= self._heaviest

    def require_monotone(self, risk: Any) -> None:
        """Raise a ValueError if some losses rise with the threshold and others fall."""
        if self.rises and self._falls:
            raise ValueError(
                f"`risk` must only rise, or only fall, with the threshold for method='crc', got "
                f"{shown(risk)}, which does both on the calibration rows. Use method='ltt', which "
                "does not need this."
            )


# -- losses at all thresholds at once -----------------------------------------------------------


def _above(bins: Integers, rows: Rows, weights: Floats | None, n_rows: int) -> Floats:
    """Return, for each row and threshold, the weight of the entries above it.

    A bin is the number of thresholds that are lower than the probability.
    """
    width = len(_GRID) + 1
    counts = np.bincount(rows * width + bins, weights=weights, minlength=n_rows * width)
    table = counts.reshape(n_rows, width)[:, ::-1]
    above: Floats = np.cumsum(table, axis=1)[:, ::-1][:, 1:].astype(np.float64)
    return above


def _misses(bins: Integers, weights: sparse.csr_array) -> Floats:
    """Return the weight of the true nodes that are not answered."""
    rows, n_rows = ops.entry_rows(weights), weights.shape[0]
    found = _above(bins[rows, weights.indices], rows, weights.data, n_rows)
    total = np.bincount(rows, weights=weights.data, minlength=n_rows)
    missed: Floats = np.clip(total[:, None] - found, 0.0, 1.0)
    missed[missed < _ROUNDING] = 0.0  # sums in another order
    missed[missed > 1 - _ROUNDING] = 1.0
    return missed


def _false_discoveries(bins: Integers, true: sparse.csr_array) -> Floats:
    """Return the share of answered nodes that are not true, 0 where none is answered."""
    n_rows, n_nodes = bins.shape
    sizes = _above(bins.ravel(), np.repeat(np.arange(n_rows), n_nodes), None, n_rows)
    rows = ops.entry_rows(true)
    hits = _above(bins[rows, true.indices], rows, None, n_rows)
    losses: Floats = (sizes - hits) / np.maximum(sizes, 1)
    return losses


def _even(true: sparse.csr_array) -> sparse.csr_array:
    """Return the true nodes of each row with the same weight, 1 in all."""
    sizes = np.diff(true.indptr)
    weights = 1.0 / np.repeat(sizes, sizes)
    return sparse.csr_array((weights, true.indices, true.indptr), shape=true.shape)


def _by_way(closed: sparse.csr_array, taxonomy: Taxonomy) -> sparse.csr_array:
    """Return the weight of each true node: its share of the ways to the most specific labels."""
    labels = taxonomy.most_specific_of(closed)
    n_labels = np.diff(labels.indptr)
    above = taxonomy.ancestors_of(labels.indices)
    shares = 1.0 / (np.repeat(n_labels, n_labels) * np.diff(above.indptr))
    spread = sparse.csr_array(
        (shares, np.arange(labels.nnz), labels.indptr), shape=(labels.shape[0], labels.nnz)
    )
    return sparse.csr_array(sparse.csr_array(spread @ above)[:, 1:])


def _losses_of(risk: Callable[[Any, Any], Any], part: HeldOutSets) -> Floats:
    """Return the losses that a user's function gives at each threshold."""
    true, marginals = sparse.csr_array(part.closed[:, 1:]), part.marginals
    losses = np.empty((true.shape[0], len(_GRID)))
    for place, threshold in enumerate(_GRID):
        chosen = marginals.node_proba > threshold
        chosen[:, 0] = False
        answered = sparse.csr_array(closed_above(chosen, marginals.taxonomy)[:, 1:])
        found = numbers("risk", risk(true, answered))
        if found.shape != (true.shape[0],) or not ((found >= 0) & (found <= 1)).all():
            raise ValueError(
                f"`risk` must return a loss in [0, 1] for each of {true.shape[0]} rows, got "
                f"{shown(found)}, of shape {found.shape}."
            )
        losses[:, place] = found
    return losses
