"""Calibration of classifiers: what goes together, what is learnt, and the report on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from sklhier._classifiers.choosing import chosen_paths, chosen_sets, compared_rows, strata_of_sets
from sklhier._folds.folds import Splits
from sklhier._local.keys import Kind, ModelKey, name_of
from sklhier._local.model import LocalModel, Models
from sklhier._probabilities.marginals import HeldOutPaths
from sklhier._training.calibration import (
    CalibratedNodes,
    CalibrationReport,
    ModelLinks,
    fit_answers,
    fit_links,
    fit_nodes,
    fit_unit,
    is_small,
)
from sklhier._training.trainer import HeldOutPass, PathTrainer, SetTrainer
from sklhier._utils.typing import Rows
from sklhier.calibration import (
    AnswerCalibrator,
    Calibrator,
    ScoreCalibrator,
    Temperature,
    resolve_calibration,
)
from sklhier.decoders import BestPath, Decoder, SetDecoder
from sklhier.exceptions import IncompatiblePartsError
from sklhier.strategies import SetStrategy, Strategy
from sklhier.taxonomy import Taxonomy

__all__ = [
    "Calibrated",
    "ChosenSets",
    "Learnt",
    "calibration_of_answers",
    "calibration_of_paths",
    "calibration_of_sets",
    "choose_sets",
    "learnt_answers",
    "learnt_paths",
    "learnt_sets",
    "refuse_calibrated",
    "refuse_unscored",
]


class Calibrated:
    """Report on the calibration of a classifier; ``fit`` sets the private attribute."""

    calibration: Any
    taxonomy_: Taxonomy
    _model: Any
    _calibration_reports: list[CalibrationReport] | None  # of each part of a strategy

    @property
    def calibration_report_(self) -> np.ndarray[Any, Any]:
        """Structured array with a record for each calibrated model, or one for all answers."""
        check_is_fitted(self, "taxonomy_")
        reports = vars(self).get("_calibration_reports")
        if reports is None:
            raise AttributeError(
                "`calibration_report_` is only available after fit with `calibration`."
            )
        # Records hold objects, which skops cannot save: they are made when they are read.
        has_members = len(reports) > 1
        return np.concatenate(
            [
                report.records(
                    [
                        (i, name) if has_members else name
                        for name in (name_of(key, self.taxonomy_) for key in report.keys)
                    ]
                )
                for i, report in enumerate(reports)
            ]
        )


def _resolved(calibration: Any, taxonomy: Taxonomy) -> Calibrator | None:
    """Return a copy of the calibrator, its parameters checked; set_params does not change a fit."""
    if calibration is None:
        return None
    chosen: Calibrator = clone(resolve_calibration(calibration))
    if not isinstance(chosen, AnswerCalibrator | ScoreCalibrator):
        raise TypeError(
            "`calibration` must be an AnswerCalibrator or a ScoreCalibrator, got "
            f"{type(chosen).__name__}, which is neither."
        )
    if chosen.needs_tree and not taxonomy.is_tree:
        raise IncompatiblePartsError.needs(
            chosen,
            "one path to each answer",
            "the taxonomy is a DAG",
            "Use Temperature(by='answer').",
        )
    return chosen


def calibration_of_answers(calibration: Any, taxonomy: Taxonomy) -> AnswerCalibrator | None:
    """Return the calibrator of a model that gives the probabilities of all answers at once."""
    chosen = _resolved(calibration, taxonomy)
    if chosen is None or (isinstance(chosen, AnswerCalibrator) and chosen.of_answers):
        return chosen
    raise IncompatiblePartsError.needs(
        chosen,
        "local models with scores of their own",
        "this model has the probabilities of all answers",
        "Use calibration='temperature'.",
    )


def calibration_of_paths(
    calibration: Any, taxonomy: Taxonomy, *, is_routed: bool
) -> Calibrator | None:
    """Return the calibrator of local models where a sample has one path."""
    chosen = _resolved(calibration, taxonomy)
    if chosen is not None and is_routed and not chosen.of_answers:
        raise IncompatiblePartsError.needs(
            chosen,
            "models that learn only from the samples of their own node",
            "with this routing they also have a rest class",
            "Use calibration='temperature', which calibrates whole answers, or routing='filter'.",
        )
    return chosen


def calibration_of_sets(calibration: Any, taxonomy: Taxonomy) -> Calibrator | None:
    """Return the calibrator of a classifier of label sets, which works node by node."""
    chosen = _resolved(calibration, taxonomy)
    if isinstance(chosen, Temperature) and chosen.by == "auto":
        chosen = clone(chosen).set_params(by="node")
    if chosen is not None and chosen.of_answers:
        raise IncompatiblePartsError.needs(
            chosen,
            "one answer for each sample",
            "label sets have a binary answer for each node",
            "Use calibration='temperature', 'sigmoid', 'isotonic' or 'venn_abers'.",
        )
    return chosen


def refuse_calibrated(model: Calibrated) -> None:
    """Raise an error where a calibrated model is to learn from batches."""
    if vars(model).get("_calibration_reports") is not None:
        raise ValueError(
            "partial_fit must not follow a fit with calibration, which would not hold for the new "
            "samples. Fit again with calibration=None."
        )


def refuse_unscored(models: Iterable[LocalModel]) -> None:
    """Refuse local models that have classes alone: there is nothing to calibrate."""
    for model in models:
        if model.method == "predict":
            raise IncompatiblePartsError.needs(
                "calibration",
                "base estimators with predict_proba or decision_function",
                f"{type(model.estimator).__name__} has neither",
                "Use another base estimator, or calibration=None.",
            )


@dataclass(frozen=True)
class Learnt:
    """Parts of a classifier that are learnt from held-out samples.

    Attributes
    ----------
    strategy, decoder
        Their parameters tuned.
    links : list of ModelLinks or CalibratedNodes, or None
        For each part of the strategy, what its models are read by.
    answers : AnswerCalibrator or None
        What calibrates the answers.
    reports : list of CalibrationReport or None
    selection : structured ndarray or None
        The scores of the strategies that were compared.
    """

    strategy: Any
    decoder: Any
    links: list[ModelLinks] | list[CalibratedNodes] | None = None
    answers: AnswerCalibrator | None = None
    reports: list[CalibrationReport] | None = None
    selection: np.ndarray[Any, Any] | None = None

    def linked(self, parts: list[Models]) -> list[Models]:
        """Return the models of all parts of the strategy, calibrated."""
        if self.links is None:
            return parts
        pairs: Any = zip(self.links, parts, strict=True)
        return [links.linked(models) for links, models in pairs]


def learnt_paths(
    trainer: PathTrainer,
    strategy: Strategy,
    decoder: Decoder,
    calibration: Calibrator | None,
    rows: Rows,
    split: Callable[[Rows], Splits],
    *,
    has_scores: bool,
) -> Learnt:
    """Return strategy, calibration and decoder with what held-out samples tell, from one pass.

    `has_scores` says whether some base estimators have decision scores alone, without a link.
    """
    samples = trainer.samples_of(rows)
    compared = compared_rows(strategy, samples, trainer.nodes[samples])
    if len(compared) < len(samples):  # a choice on fewer rows, then all else on all of them
        own = BestPath() if decoder.needs_tuning else decoder
        compared = np.concatenate([compared, rows[len(samples) :]])
        chosen = learnt_paths(
            trainer, strategy, own, calibration, compared, split, has_scores=has_scores
        )
        learnt = learnt_paths(
            trainer, chosen.strategy, decoder, calibration, rows, split, has_scores=has_scores
        )
        return replace(learnt, selection=chosen.selection)
    parts = strategy.parts()
    n_answers = len(strategy.outcomes(trainer.taxonomy, trainer.observed(rows)).answers)
    answers = calibration if isinstance(calibration, AnswerCalibrator) else None
    if answers is not None and not answers.of_answers:
        answers = None
    n_readers = sum(part.needs_tuning for part in parts) + decoder.needs_tuning
    n_readers += 2 * strategy.needs_choice
    if calibration is not None:
        n_readers += 1 if answers is None or is_small(len(samples), n_answers) else 2
        n_readers += answers is not None and has_scores
    if not n_readers:
        return Learnt(strategy, decoder)

    def train(member: int, inside: Rows) -> Models:
        return trainer.train(parts[member], member, inside)[0]

    # What comes later reads what came before: calibrated models, a tuned strategy, calibrated
    # answers. With two readers the models of all folds stay in memory, for to fit them again costs
    # more.
    held_out = HeldOutPass(train, rows, split(rows), keep=n_readers > 1)
    links = reports = None
    if calibration is not None and answers is None:
        fits = [
            fit_links(calibration, trainer.held_out_outputs(held_out, part, i, rows))
            for i, part in enumerate(parts)
        ]
        links, reports = [fit[0] for fit in fits], [fit[1] for fit in fits]
        held_out = held_out.changed(_read_by(links))
    elif answers is not None and has_scores:
        units = [
            fit_unit(trainer.held_out_outputs(held_out, part, i, rows))
            for i, part in enumerate(parts)
        ]
        if any(units):
            links = [unit or ModelLinks({}, {}, {}) for unit in units]
            held_out = held_out.changed(_read_by(links))
    tuned = [
        part.tuned(trainer.taxonomy, partial(trainer.held_out_scores, held_out, part, i))
        for i, part in enumerate(parts)
    ]
    selection = None
    if strategy.needs_choice:
        choice = chosen_paths(trainer, strategy, tuned, held_out, decoder, len(samples))
        strategy, selection = choice.strategy, choice.report
        held_out = held_out.of_members(choice.members)
        if reports is not None:
            reports = [reports[i] for i in choice.members]
        if links is not None:  # without reports where they are about the unit of scores alone
            links = [links[i] for i in choice.members]
        n_answers = len(strategy.outcomes(trainer.taxonomy, trainer.observed(rows)).answers)
    else:
        strategy = strategy.with_parts(tuned)
    if answers is not None:
        source = partial(trainer.held_out_marginals, held_out, strategy)
        answers, reports = learnt_answers(answers, source, len(samples), n_answers)
    marginals = partial(trainer.held_out_marginals, held_out, strategy, answers)
    return Learnt(strategy, decoder.tuned(marginals), links, answers, reports, selection)


def learnt_answers(
    calibration: AnswerCalibrator,
    held_out: Callable[[], Iterator[HeldOutPaths]],
    n_rows: int,
    n_answers: int,
) -> tuple[AnswerCalibrator | None, list[CalibrationReport]]:
    """Return a calibrator of answers fitted to held-out rows, and the report on it."""
    if n_answers < 2:
        nothing = (ModelKey(Kind.PARENT, 0), n_rows, 0, "nothing: one answer", 0.0, 0.0)
        return None, [CalibrationReport.of([nothing])]
    fitted, report = fit_answers(calibration, held_out, n_rows, n_answers)
    return fitted, [report]


def _read_by(links: Any) -> Callable[[int, Models], Models]:
    def change(member: int, models: Models) -> Models:
        linked: Models = links[member].linked(models)
        return linked

    return change


@dataclass(frozen=True)
class ChosenSets:
    """A strategy for label sets that held-out samples chose or weighed.

    Attributes
    ----------
    strategy : SetStrategy
    selection : structured ndarray or None
        The scores of the strategies that were compared.
    held_out : HeldOutPass or None
        The pass of all rows, if there was one.
    """

    strategy: SetStrategy
    selection: np.ndarray[Any, Any] | None = None
    held_out: HeldOutPass[Models] | None = None


def choose_sets(
    trainer: SetTrainer,
    strategy: SetStrategy,
    decoder: SetDecoder,
    calibration: Calibrator | None,
    rows: Rows,
    split: Callable[[Rows], Splits],
    consistency: str,
) -> ChosenSets:
    """Return what is fitted: the strategy itself, or the best of those that it stands for.

    What is compared and weighed is calibrated, if calibration is asked for.
    """
    if not strategy.needs_choice:
        return ChosenSets(strategy)
    samples = trainer.samples_of(rows)
    compared = compared_rows(strategy, samples, strata_of_sets(trainer.closed[samples]))
    used = np.concatenate([compared, rows[len(samples) :]])
    held_out = _pass_of_sets(trainer, strategy, used, split, keep=True)
    compared_pass = held_out
    if calibration is not None:
        parts = enumerate(strategy.set_parts())
        gathered = (trainer.held_out_outputs(held_out, part, i) for i, part in parts)
        # What is lost is told when the chosen one is calibrated.
        links = [fit_nodes(calibration, own, is_asked=False)[0] for own in gathered]
        compared_pass = held_out.changed(_read_by(links))
    choice = chosen_sets(trainer, strategy, compared_pass, decoder, len(compared), consistency)
    found = ChosenSets(choice.strategy, choice.report, held_out.of_members(choice.members))
    return found if len(compared) == len(samples) else replace(found, held_out=None)


def _pass_of_sets(
    trainer: SetTrainer,
    strategy: SetStrategy,
    rows: Rows,
    split: Callable[[Rows], Splits],
    *,
    keep: bool,
) -> HeldOutPass[Models]:
    parts = strategy.set_parts()

    def train(member: int, inside: Rows) -> Models:
        return trainer.train(parts[member], member, inside)[0]

    return HeldOutPass(train, rows, split(rows), keep=keep)


def learnt_sets(
    trainer: SetTrainer,
    strategy: SetStrategy,
    decoder: SetDecoder,
    calibration: Calibrator | None,
    rows: Rows,
    split: Callable[[Rows], Splits],
    consistency: str,
    models: list[Models],
    held_out: HeldOutPass[Models] | None = None,
    *,
    is_asked: bool,
) -> Learnt:
    """Return calibration and decoder with what held-out samples tell, from one pass.

    `models` are those of all rows, `held_out` is a pass of them if there was one already. Calibration
    that nobody has asked for warns of nothing.
    """
    parts = strategy.set_parts()
    n_readers = (calibration is not None) + decoder.needs_tuning
    if not n_readers:
        return Learnt(strategy, decoder)

    # With one reader the models of a fold go when the next one is fitted.
    if held_out is None:
        held_out = _pass_of_sets(trainer, strategy, rows, split, keep=n_readers > 1)
    links = reports = None
    if calibration is not None:
        gathered_parts = [
            trainer.held_out_outputs(held_out, part, i, models[i]) for i, part in enumerate(parts)
        ]
        fits = [fit_nodes(calibration, own, is_asked=is_asked) for own in gathered_parts]
        links, reports = [fit[0] for fit in fits], [fit[1] for fit in fits]
        held_out = held_out.changed(_read_by(links))
    marginals = partial(trainer.held_out_marginals, held_out, strategy, consistency)
    return Learnt(strategy, decoder.tuned(marginals), links, None, reports)
