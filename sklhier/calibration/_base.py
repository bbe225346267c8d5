"""The two interfaces of calibrators: of whole answers, and of the scores of one model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from sklearn.base import BaseEstimator

from sklhier._utils.registry import Registry
from sklhier._utils.typing import Bools, Floats, NodeIds
from sklhier._utils.validation import check_integer

__all__ = [
    "AnswerCalibrator",
    "Calibrator",
    "HeldOutAnswers",
    "ScoreCalibrator",
    "register",
    "resolve_calibration",
]


@dataclass(frozen=True)
class HeldOutAnswers:
    """Probabilities of all answers for samples that the models were not fitted on.

    Attributes
    ----------
    proba : ndarray of float64, shape (n_rows, n_answers)
        Probabilities before calibration; rows sum to 1.
    true : ndarray of bool, shape (n_rows, n_answers)
        The true answer of each row. A label that is an inner node and no answer itself has all
        answers below it.
    ancestors : ndarray of int32, shape (n_levels, n_answers)
        The ancestor of each answer at each level; below its own level, the answer itself. No rows
        for a DAG.
    weights : ndarray of float64, shape (n_rows,)
        Weights of the samples.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier.calibration import HeldOutAnswers, Temperature
    >>> proba = np.array([[0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
    >>> true = np.array([[True, False], [False, True], [False, True]])
    >>> part = HeldOutAnswers(proba, true, np.array([[1, 2]]), np.ones(3))
    >>> Temperature().fit(lambda: iter([part])).proba(proba, part.ancestors).round(2)
    array([[0.73, 0.27],
           [0.65, 0.35],
           [0.43, 0.57]])
    """

    proba: Floats
    true: Bools
    ancestors: NodeIds
    weights: Floats


class Calibrator(BaseEstimator, ABC):
    """A calibration, with its parameters.

    See Also
    --------
    AnswerCalibrator : A calibration of the probabilities of answers.
    ScoreCalibrator : A calibration of the scores of each model.

    Examples
    --------
    >>> from sklhier.calibration import resolve_calibration
    >>> [resolve_calibration(name).of_answers for name in ("temperature", "sigmoid")]
    [True, False]
    """

    @property
    def of_answers(self) -> bool:
        """Whether it works on the probabilities of answers, instead of the scores of each model."""
        return False

    @property
    def needs_tree(self) -> bool:
        """Whether it needs to know the one path to each answer."""
        return False

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""


class AnswerCalibrator(Calibrator):
    """Calibration of the probabilities of all answers together.

    A subclass stores its parameters in ``__init__``, and what it learns in attributes that end in
    an underscore.

    Attributes
    ----------
    keeps_order : bool
        Whether calibration keeps the order of a row's answers. If so, the most probable
        answer is found without calibrating all of them.

    Examples
    --------
    >>> from sklhier.calibration import AnswerCalibrator
    >>> class Doubt(AnswerCalibrator):
    ...     keeps_order = True
    ...
    ...     def __init__(self, share=0.1):
    ...         self.share = share
    ...
    ...     def fit(self, held_out):
    ...         return self
    ...
    ...     def proba(self, proba, ancestors):
    ...         return (1 - self.share) * proba + self.share / proba.shape[1]
    >>> from sklhier import HierarchicalClassifier
    >>> HierarchicalClassifier(calibration=Doubt(share=0.05))
    HierarchicalClassifier(calibration=Doubt(share=0.05))
    """

    keeps_order: ClassVar[bool] = False

    @property
    def of_answers(self) -> bool:
        """True: it works on the probabilities of answers."""
        return True

    @abstractmethod
    def fit(self, held_out: Callable[[], Iterator[HeldOutAnswers]]) -> Self:
        """Learn from held-out samples.

        Parameters
        ----------
        held_out : callable
            Returns an iterator over blocks of samples, each sample once. Blocks may have different
            answers: a class without training samples in a fold is no answer there.

        Returns
        -------
        self : AnswerCalibrator
        """

    @abstractmethod
    def proba(self, proba: Floats, ancestors: NodeIds) -> Floats:
        """Return calibrated probabilities.

        Parameters
        ----------
        proba : ndarray of float64, shape (n_rows, n_answers)
            Probabilities of all answers.
        ancestors : ndarray of int32, shape (n_levels, n_answers)
            As in :class:`HeldOutAnswers`.

        Returns
        -------
        proba : ndarray of float64, shape (n_rows, n_answers)
            A new array; rows sum to 1.
        """


class ScoreCalibrator(Calibrator):
    """Calibration of the scores of one class of one local model: a class against all others.

    Each class of each model gets a copy; the results for mutually exclusive classes of a model are
    divided by their sum.

    Parameters
    ----------
    min_rows : int
        Models with fewer held-out rows share a temperature instead.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier.calibration import ScoreCalibrator
    >>> class Steps(ScoreCalibrator):
    ...     def __init__(self, min_rows=20):
    ...         self.min_rows = min_rows
    ...
    ...     def fit(self, scores, y, sample_weight=None):
    ...         self.below_, self.above_ = (
    ...             (1 + y[side].sum()) / (2 + side.sum()) for side in (scores < 0, scores >= 0)
    ...         )
    ...         return self
    ...
    ...     def predict(self, scores):
    ...         return np.where(scores < 0, self.below_, self.above_)
    >>> Steps().fit(np.array([-1.0, 0.5, 2.0]), np.array([0, 1, 1])).predict(np.array([3.0]))
    array([0.75])
    """

    min_rows: int

    def check(self) -> None:
        """Raise a ValueError unless ``min_rows`` is an integer of at least 1."""
        check_integer("min_rows", self.min_rows, least=1)

    @abstractmethod
    def fit(self, scores: Floats, y: Floats, sample_weight: Floats | None = None) -> Self:
        """Learn from held-out scores.

        Parameters
        ----------
        scores : ndarray of float64, shape (n_rows,)
            Decision scores; for a base estimator with probabilities, their log-odds.
        y : ndarray, shape (n_rows,)
            1 for rows of the class, 0 for others. One of the two may be missing.
        sample_weight : ndarray of float64, shape (n_rows,), default=None
            Weights of the rows, positive.

        Returns
        -------
        self : ScoreCalibrator
        """

    @abstractmethod
    def predict(self, scores: Floats) -> Floats:
        """Return the probability of the class.

        Parameters
        ----------
        scores : ndarray of float64, shape (n_rows,)
            Scores.

        Returns
        -------
        proba : ndarray of float64, shape (n_rows,)
            In [0, 1]; never decreasing in the score.
        """


_REGISTRY = Registry("calibration", Calibrator)


def register(name: str) -> Callable[[type[Calibrator]], type[Calibrator]]:
    """Return a class decorator that lets a calibrator be chosen by a name.

    Parameters
    ----------
    name : str
        A new name.

    Returns
    -------
    decorator : callable
        Takes the class and returns it.

    Raises
    ------
    ValueError
        If another class has the name.

    Examples
    --------
    >>> from sklhier.calibration import Sigmoid, register, resolve_calibration
    >>> @register("doctest_sigmoid")
    ... class OtherSigmoid(Sigmoid):
    ...     pass
    >>> resolve_calibration("doctest_sigmoid")
    OtherSigmoid()
    """
    return _REGISTRY.register(name)


def resolve_calibration(calibration: str | Calibrator) -> Calibrator:
    """Return the calibrator of that name, or the calibrator itself, its parameters checked.

    Parameters
    ----------
    calibration : str or Calibrator
        A registered name, or an object.

    Returns
    -------
    calibration : Calibrator
        For a name a new object, with default parameters.

    Raises
    ------
    ValueError
        For an unknown name or object, or a parameter outside its range.

    Examples
    --------
    >>> from sklhier.calibration import resolve_calibration
    >>> resolve_calibration("temperature")
    Temperature()
    """
    return _REGISTRY.resolve(calibration)
