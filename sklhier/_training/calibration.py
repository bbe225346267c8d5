"""Learning of calibrators from held-out predictions, and the report on it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from sklhier._local.keys import Kind, ModelKey
from sklhier._local.model import LocalModel, Models
from sklhier._probabilities.calibrated import (
    OneVsRestLink,
    PowerLink,
    ancestors_by_level,
    scores_of,
)
from sklhier._probabilities.marginals import HeldOutPaths, Outcomes
from sklhier._utils.memory_blocks import most_numbers
from sklhier._utils.typing import Bools, Floats, NodeIds, Rows
from sklhier._utils.warning import warn_caller
from sklhier.calibration import (
    AnswerCalibrator,
    BinaryTemperature,
    Calibrator,
    HeldOutAnswers,
    ScoreCalibrator,
    Temperature,
)
from sklhier.calibration._power import PowerCurve
from sklhier.exceptions import RareClassWarning
from sklhier.taxonomy import Taxonomy

__all__ = [
    "CalibratedNodes",
    "CalibrationReport",
    "Gathered",
    "ModelLinks",
    "fit_answers",
    "fit_links",
    "fit_nodes",
    "fit_unit",
    "is_small",
]

_DTYPE = np.dtype(
    [
        ("node", object),
        ("n_rows", np.int64),
        ("n_dropped", np.int64),
        ("method", object),
        ("nll_before", np.float64),
        ("nll_after", np.float64),
    ]
)
_ANSWERS = ModelKey(Kind.PARENT, 0)  # all answers are what is below the root
_LEAST = np.finfo(np.float64).eps  # of probabilities in a loss, as in scikit-learn's log_loss
_MOST_DROPPED = 0.1
_NEAR = 16.0  # a factor by which the unit of scores may be off


@dataclass(frozen=True)
class CalibrationReport:
    """The calibration of one part of a strategy, an entry for each model, or one for all answers.

    Attributes
    ----------
    keys : list of ModelKey
    n_rows, n_dropped : ndarray of int64
        Held-out rows that were used, and those whose class its fold did not know.
    method : ndarray of str
        What calibrates.
    nll : ndarray of float64, shape (n, 2)
        Mean negative log-likelihood before and after; NaN without a row.
    """

    keys: list[ModelKey]
    n_rows: Rows
    n_dropped: Rows
    method: np.ndarray[Any, Any]
    nll: Floats

    @classmethod
    def of(cls, entries: Iterable[tuple[ModelKey, int, int, str, float, float]]) -> Self:
        """Return the report of entries."""
        listed = list(entries)
        keys = [entry[0] for entry in listed]
        counts = np.array([entry[1:3] for entry in listed], dtype=np.int64).reshape(-1, 2)
        methods = np.array([entry[3] for entry in listed], dtype=np.str_)
        nll = np.array([entry[4:] for entry in listed], dtype=np.float64).reshape(-1, 2)
        return cls(keys, counts[:, 0], counts[:, 1], methods, nll)

    def records(self, names: list[Hashable]) -> np.ndarray[Any, Any]:
        """Return a record for each entry, given the names of the models."""
        records = np.empty(len(self.keys), dtype=_DTYPE)
        records["node"][:] = np.fromiter(names, dtype=object, count=len(names))
        records["n_rows"], records["n_dropped"] = self.n_rows, self.n_dropped
        records["method"][:] = self.method.tolist()
        records["nll_before"], records["nll_after"] = self.nll.T
        return records


def _mean_loss(proba: Floats, weights: Floats) -> float:
    """Return the mean negative log-likelihood of right choices; NaN if there is none."""
    if not len(proba):
        return float("nan")
    return float(-np.average(np.log(np.maximum(proba, _LEAST)), weights=weights))


def _warn_of_dropped(n_dropped: int, n_rows: int, what: str) -> None:
    """Refuse to learn from no row at all; warn if many rows are lost."""
    if n_rows and n_dropped == n_rows:
        raise ValueError(
            "`cv` must hold out rows whose class also has training rows in their fold, to calibrate "
            f"on, got {what} without any among {n_rows}. Use fewer folds, a splitter such as "
            "HierarchicalStratifiedKFold, or calibration=None."
        )
    if n_dropped > _MOST_DROPPED * n_rows:
        warn_caller(RareClassWarning.dropped(n_dropped, n_rows, what))


# -- answers ------------------------------------------------------------------------------


def is_small(n_rows: int, n_answers: int) -> bool:
    """Whether a table of all answers of all rows may stay in memory."""
    return n_rows * n_answers <= most_numbers() // 4


def _answers_of(parts: Iterator[HeldOutPaths]) -> Iterator[HeldOutAnswers]:
    """Yield the probabilities of answers of held-out rows whose label their fold knows."""
    for part in parts:
        outcomes, taxonomy = part.marginals.outcomes, part.marginals.taxonomy
        answers = outcomes.answers
        known = np.flatnonzero(np.isin(part.nodes, outcomes.classes))
        if not known.size or not answers.size:
            continue
        proba = part.marginals.answer_proba(answers)[known]
        true = _true_answers(part.nodes[known], outcomes, taxonomy)
        above = ancestors_by_level(taxonomy, answers)
        yield HeldOutAnswers(proba, true, above, part.weights[known])


def _true_answers(nodes: NodeIds, outcomes: Outcomes, taxonomy: Taxonomy) -> Bools:
    """Return which answers are right for each label: itself, or all below an inner node."""
    answers = outcomes.answers
    columns = np.minimum(np.searchsorted(answers, nodes), len(answers) - 1)
    true = np.zeros((len(nodes), len(answers)), dtype=bool)
    is_answer = answers[columns] == nodes
    true[np.flatnonzero(is_answer), columns[is_answer]] = True
    inner, which = np.unique(nodes[~is_answer], return_inverse=True)
    if inner.size:
        above = taxonomy.ancestors_of(answers)[:, inner]
        true[~is_answer] = np.asarray(above.toarray() > 0).T[which]
    return true


def fit_answers(
    calibrator: AnswerCalibrator,
    held_out: Callable[[], Iterator[HeldOutPaths]],
    n_rows: int,
    n_answers: int,
) -> tuple[AnswerCalibrator, CalibrationReport]:
    """Return a calibrator of answers, fitted to held-out rows.

    Parameters
    ----------
    calibrator : AnswerCalibrator
        Not changed.
    held_out : callable
        Returns an iterator over blocks of held-out rows.
    n_rows, n_answers : int
        Their number, and that of the answers.
    """

    def parts() -> Iterator[HeldOutAnswers]:
        return _answers_of(held_out())

    source = parts
    if is_small(n_rows, n_answers):
        kept = list(parts())
        source = lambda: iter(kept)  # noqa: E731
    n_used = sum(len(part.proba) for part in source())
    _warn_of_dropped(n_rows - n_used, n_rows, "the folds")
    fitted = clone(calibrator).fit(source)
    right = [
        ((part.proba * part.true).sum(axis=1), (proba * part.true).sum(axis=1), part.weights)
        for part in source()
        for proba in [fitted.proba(part.proba, part.ancestors)]
    ]
    before, after, weights = map(np.concatenate, zip(*right, strict=True))
    losses = _mean_loss(before, weights), _mean_loss(after, weights)
    entry = (_ANSWERS, n_used, n_rows - n_used, repr(calibrator), *losses)
    return fitted, CalibrationReport.of([entry])


# -- outputs of models --------------------------------------------------------------------


@dataclass
class Gathered:
    """Held-out outputs of one model, gathered from all folds.

    Attributes
    ----------
    outcomes : ndarray of int32, shape (k,)
        The outcomes of the model that is fitted to all rows.
    method : str
        The method whose outputs these are; empty before the first.
    n_dropped : int
        Rows whose class its fold did not know.
    """

    outcomes: NodeIds
    method: str = ""
    n_dropped: int = 0
    _parts: list[tuple[Floats, Rows, Floats, Floats]] = field(default_factory=list)

    def add(self, outputs: Floats, codes: Rows, weights: Floats, before: Floats) -> None:
        """Add rows: outputs, position of the true outcome, weight, and its probability so far."""
        self._parts.append((outputs, codes, weights, before))

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return sum(len(part[1]) for part in self._parts)

    @property
    def table(self) -> tuple[Floats, Rows, Floats, Floats]:
        """Outputs, codes, weights and probabilities of all rows."""
        if not self._parts:
            nothing = np.zeros(0)
            return np.zeros((0, len(self.outcomes))), np.zeros(0, np.intp), nothing, nothing
        outputs, codes, weights, before = map(np.concatenate, zip(*self._parts, strict=True))
        return outputs, codes, weights, before


_Link = PowerLink | OneVsRestLink


@dataclass(frozen=True)
class ModelLinks:
    """Links of calibrated models that decide among outcomes that exclude each other.

    Attributes
    ----------
    outcomes : dict of ModelKey to ndarray of int32
        The outcomes of each model.
    links : dict of ModelKey to Link
    shared : dict of str to Link
        By method, for models without held-out rows.
    """

    outcomes: Mapping[ModelKey, NodeIds]
    links: Mapping[ModelKey, _Link]
    shared: Mapping[str, PowerLink]

    def linked(self, models: Models) -> Models:
        """Return models, of all rows or of a fold, that are read by these links."""
        return {key: replace(model, link=self._link_of(model)) for key, model in models.items()}

    def _link_of(self, model: LocalModel) -> _Link:
        link = self.links.get(model.key)
        if link is None or link.response_method != model.method:
            return self.shared.get(model.method) or _uncalibrated(model.method)
        # A fold may know fewer outcomes.
        return link.at(np.flatnonzero(np.isin(self.outcomes[model.key], model.outcomes)))


def _uncalibrated(method: str) -> PowerLink:
    """Return a link that reads outputs as those without calibration are read."""
    return PowerLink(5.0 if method == "decision_function" else 1.0, method)


def fit_links(
    calibrator: Calibrator, gathered: Mapping[ModelKey, Gathered]
) -> tuple[ModelLinks, CalibrationReport]:
    """Return links of models whose outcomes exclude each other, fitted to held-out rows."""
    _refuse_nothing(gathered)
    few = [g for g in gathered.values() if g.n_rows < calibrator.min_rows]
    shared = _shared_powers(gathered, few, calibrator.min_rows)
    links: dict[ModelKey, _Link] = {}
    entries = []
    for key, own in gathered.items():
        outputs, codes, weights, before = own.table
        method = own.method
        if own.n_rows < calibrator.min_rows:
            link: _Link = shared.get(method) or _uncalibrated(method)
            name = "shared temperature" if own.n_rows else "nothing: no rows"
        elif isinstance(calibrator, Temperature):
            link, name = _powered([own], method), repr(calibrator)
        else:
            scores = scores_of(outputs, method)
            columns = range(1, 2) if len(own.outcomes) == 2 else range(len(own.outcomes))
            maps = [_fitted(calibrator, scores[:, j], codes == j, weights) for j in columns]
            link, name = OneVsRestLink(tuple(maps), method), repr(calibrator)
        if own.n_rows:
            links[key] = link
        after = link.proba(outputs)[np.arange(len(codes)), codes] if len(codes) else before
        losses = _mean_loss(before, weights), _mean_loss(after, weights)
        entries.append((key, own.n_rows, own.n_dropped, name, *losses))
    outcomes = {key: own.outcomes for key, own in gathered.items()}
    return ModelLinks(outcomes, links, shared), CalibrationReport.of(entries)


def fit_unit(gathered: Mapping[ModelKey, Gathered]) -> ModelLinks | None:
    """Return links for decision scores of quite another unit than the softmax of 5 times suits.

    Its probabilities would all be 0 or 1, or all equal, and no temperature of answers could mend
    that. None where the one power of all models that held-out rows ask for is near 5: the best paths
    stay what they are without calibration.
    """
    method = "decision_function"
    parts = [own for own in gathered.values() if own.method == method and own.n_rows]
    if not parts:
        return None
    link = _powered(parts, method)
    if 1 / _NEAR < link.power / _uncalibrated(method).power < _NEAR:
        return None
    return ModelLinks({}, {}, {method: link})


def _refuse_nothing(gathered: Mapping[ModelKey, Gathered]) -> None:
    n_dropped = sum(own.n_dropped for own in gathered.values())
    n_rows = n_dropped + sum(own.n_rows for own in gathered.values())
    _warn_of_dropped(n_dropped, n_rows, "the models of the folds")


def _fitted(calibrator: Any, scores: Floats, y: Bools, weights: Floats) -> ScoreCalibrator:
    fitted: ScoreCalibrator = clone(calibrator).fit(scores, y.astype(np.float64), weights)
    return fitted


def _shared_powers(
    gathered: Mapping[ModelKey, Gathered], few: list[Gathered], min_rows: int
) -> dict[str, PowerLink]:
    """Return the power that models with few rows share, by the method that they are read by."""
    shared = {}
    for method in dict.fromkeys(own.method for own in gathered.values() if own.method):
        own = [part for part in few if part.method == method]
        if sum(part.n_rows for part in own) < min_rows:
            own = [part for part in gathered.values() if part.method == method]
        shared[method] = _powered(own, method)
    return shared


def _powered(parts: list[Gathered], method: str) -> PowerLink:
    """Return a link with the power under which held-out outcomes of some models are most likely."""
    curve, link, unit = PowerCurve(), PowerLink(1.0, method), 1.0
    tables = [part.table for part in parts if part.n_rows]
    if method == "decision_function":  # which have no unit of their own
        spreads = np.concatenate([np.ptp(outputs, axis=1) for outputs, *_ in tables])
        unit = float(spreads.mean()) or 1.0
    for outputs, codes, weights, _ in tables:
        logs = link.logs(outputs) / unit
        rows = np.arange(len(codes) + 1)
        curve.add(logs.ravel(), rows * logs.shape[1], weights)
        curve.add(logs[rows[:-1], codes], rows, weights, -1.0)
    return PowerLink(curve.best_power() / unit, method)


# -- nodes of label sets ------------------------------------------------------------------


@dataclass(frozen=True)
class CalibratedNodes:
    """Calibrators of nodes that do not exclude each other, whichever model decides about them.

    Attributes
    ----------
    maps : dict of int to ScoreCalibrator
        By id of the node.
    methods : dict of int to str
        The method whose outputs each reads.
    shared : dict of str to ScoreCalibrator
        By method, for nodes without held-out rows.
    """

    maps: Mapping[int, ScoreCalibrator]
    methods: Mapping[int, str]
    shared: Mapping[str, ScoreCalibrator]

    def linked(self, models: Models) -> Models:
        """Return models, of all rows or of a fold, that are read by these calibrators."""
        return {
            key: replace(model, link=self.link(model.outcomes[model.outcomes > 0], model.method))
            for key, model in models.items()
        }

    def link(self, nodes: NodeIds, method: str) -> OneVsRestLink:
        """Return the link of a model that decides about some nodes."""
        return OneVsRestLink(tuple(self._map(node, method) for node in nodes.tolist()), method)

    def _map(self, node: int, method: str) -> ScoreCalibrator:
        if self.methods.get(node) == method:
            return self.maps[node]
        return self.shared.get(method) or _uncalibrated_node(method)


def _uncalibrated_node(method: str) -> BinaryTemperature:
    return BinaryTemperature(power=10.0 if method == "decision_function" else 1.0)


def fit_nodes(
    calibrator: Calibrator, gathered: Mapping[ModelKey, Gathered], *, is_asked: bool = True
) -> tuple[CalibratedNodes, CalibrationReport]:
    """Return calibrators of nodes by themselves, fitted to held-out rows of binary outputs.

    Where calibration `is_asked` for, lost rows are told.
    """
    if is_asked:
        _refuse_nothing(gathered)
    least: int = calibrator.min_rows
    own_map: Any = calibrator
    if isinstance(calibrator, Temperature):
        own_map = BinaryTemperature(least)
    few = [g for g in gathered.values() if g.n_rows < least]
    shared: dict[str, ScoreCalibrator] = {}
    methods = dict.fromkeys(g.method for g in gathered.values() if g.method)
    for method in methods if few or len(methods) > 1 else ():  # else nothing reads them
        parts = [g for g in few if g.method == method]
        if sum(g.n_rows for g in parts) < least:
            parts = [g for g in gathered.values() if g.method == method]
        tables = [_binary(g) for g in parts]
        shared[method] = _fitted(
            BinaryTemperature(), *map(np.concatenate, zip(*tables, strict=True))
        )
    maps: dict[int, ScoreCalibrator] = {}
    entries = []
    for key, own in gathered.items():
        scores, is_yes, weights = _binary(own)
        name = repr(calibrator)
        if own.n_rows < least:
            chosen = shared.get(own.method) or _uncalibrated_node(own.method)
            name = "shared temperature" if own.n_rows else "nothing: no rows"
        else:
            chosen = _fitted(own_map, scores, is_yes, weights)
        if own.n_rows:
            maps[key.number] = chosen
        proba = chosen.predict(scores)
        after = np.where(is_yes, proba, 1 - proba)
        losses = _mean_loss(own.table[3], weights), _mean_loss(after, weights)
        entries.append((key, own.n_rows, own.n_dropped, name, *losses))
    read_by = {key.number: own.method for key, own in gathered.items() if own.n_rows}
    return CalibratedNodes(maps, read_by, shared), CalibrationReport.of(entries)


def _binary(gathered: Gathered) -> tuple[Floats, Bools, Floats]:
    outputs, codes, weights, _ = gathered.table
    return scores_of(outputs, gathered.method)[:, -1], codes == 1, weights
