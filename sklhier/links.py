"""Links: from the outputs of one local model to probabilities of its outcomes.

Give a link, or its name, to a classifier as ``link=``. Every local model gets it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from scipy.special import expit, log_expit
from sklearn.base import BaseEstimator

from sklhier._utils.registry import Registry
from sklhier._utils.rows import softmax
from sklhier._utils.typing import Floats
from sklhier._utils.validation import check_number

__all__ = [
    "HingeLink",
    "IdentityLink",
    "Link",
    "LogisticLink",
    "SoftmaxLink",
    "register",
    "resolve_link",
]
__dir__ = __all__.copy  # completion shows public names alone

# Of outcomes that are all as good as certain the one with the larger score stays ahead.
_TIE = 1e-9


class Link(BaseEstimator, ABC):
    """Conversion of a local model's outputs to probabilities of its outcomes; keeps no state.

    A subclass stores its parameters in ``__init__``, like every scikit-learn object (so that
    searches can tune them), and defines :meth:`proba`.

    Attributes
    ----------
    response_method : {"predict_proba", "decision_function"}
        The method of the base estimator that gives the outputs.
    gives_probabilities : bool
        Whether the results are probabilities. If not, they are weights that rank paths, and the
        classifier has no ``predict_proba``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier.links import Link
    >>> class Tempered(Link):
    ...     response_method = "predict_proba"
    ...
    ...     def __init__(self, power=0.5):
    ...         self.power = power
    ...
    ...     def proba(self, outputs):
    ...         powers = outputs**self.power
    ...         return powers / powers.sum(axis=1, keepdims=True)
    >>> Tempered().proba(np.array([[0.81, 0.09, 0.1]])).round(2)
    array([[0.59, 0.2 , 0.21]])
    """

    response_method: ClassVar[str] = "predict_proba"
    gives_probabilities: ClassVar[bool] = True

    @abstractmethod
    def proba(self, outputs: Floats) -> Floats:
        """Return the probability of each outcome, given that one of them is right.

        Parameters
        ----------
        outputs : ndarray of float64, shape (n_samples, n_outcomes)
            A number for each outcome; ``[-s, s]`` for decision scores of a binary model.

        Returns
        -------
        proba : ndarray of float64, shape (n_samples, n_outcomes)
            Not negative; rows sum to 1, up to rounding.
        """

    def log_weight(self, outputs: Floats) -> Floats:
        """Return the logarithm of the last outcome's weight, to compare with those of other models.

        Parameters
        ----------
        outputs : ndarray of float64, shape (n_samples, 2)
            Outputs of a binary model, its node in the second column.

        Returns
        -------
        log_weight : ndarray of float64, shape (n_samples,)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.proba(outputs)[:, -1])

    def membership(self, outputs: Floats) -> Floats:
        """Return the probability of each of several outcomes that do not exclude each other.

        Parameters
        ----------
        outputs : ndarray of float64, shape (n_samples, n_outcomes)
            One number for each outcome of a base estimator that learns several at once.

        Returns
        -------
        proba : ndarray of float64, shape (n_samples, n_outcomes)
            Each in [0, 1].
        """
        pairs = np.stack([-outputs, outputs] if self._reads_scores else [1 - outputs, outputs], -1)
        flat = pairs.reshape(-1, 2)
        return self.proba(flat)[:, 1].reshape(outputs.shape)

    @property
    def _reads_scores(self) -> bool:
        return self.response_method == "decision_function"

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""


_REGISTRY = Registry("link", Link)  # type: ignore[type-abstract]


def register(name: str) -> Callable[[type[Link]], type[Link]]:
    """Return a class decorator that lets a link be chosen by a name, with default parameters.

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
    >>> from sklhier.links import IdentityLink, register, resolve_link
    >>> @register("doctest_half")
    ... class Half(IdentityLink):
    ...     pass
    >>> resolve_link("doctest_half")
    Half()
    """
    return _REGISTRY.register(name)


def resolve_link(link: str | Link) -> Link:
    """Return the link of that name, or the link itself, its parameters checked.

    Parameters
    ----------
    link : str or Link
        A registered name, or an object.

    Returns
    -------
    link : Link
        For a name a new object, with default parameters.

    Raises
    ------
    ValueError
        For an unknown name or object, or a parameter outside its range.

    Examples
    --------
    >>> from sklhier.links import resolve_link
    >>> resolve_link("softmax")
    SoftmaxLink()
    """
    return _REGISTRY.resolve(link)


@register("identity")
class IdentityLink(Link):
    """Unchanged probabilities of the base estimator.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> HierarchicalClassifier(link="identity")
    HierarchicalClassifier(link='identity')
    """

    def proba(self, outputs: Floats) -> Floats:
        """Return the outputs."""
        return outputs

    def membership(self, outputs: Floats) -> Floats:
        """Return the outputs."""
        return outputs


class _ScoreLink(Link):
    """Weights that grow with decision scores; a subclass gives their logarithms."""

    response_method = "decision_function"
    gives_probabilities = False

    @abstractmethod
    def _logs(self, outputs: Floats) -> Floats:
        """Return the logarithm of the weight of each score."""

    def proba(self, outputs: Floats) -> Floats:
        """Return the weights of each row, divided by their sum."""
        return softmax(self._logs(outputs))

    def log_weight(self, outputs: Floats) -> Floats:
        """Return the logarithm of the weight of the last outcome.

        Nothing is normalised between the node and the rest: divided by their sum, weights of siblings
        are then those of one-vs-rest classifiers of all siblings together.
        """
        return self._logs(outputs[:, -1])


@register("softmax")
class SoftmaxLink(_ScoreLink):
    """Softmax of decision scores times a factor, as weights.

    Decision scores have no common scale. Margins of scikit-learn's linear classifiers are about 1.
    Their plain softmax is so flat that the path with the largest product depends mainly on the
    numbers of outcomes; too large a factor makes every best path greedy.

    Parameters
    ----------
    sharpness : float, default=5.0
        Factor of the scores, above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier.links import SoftmaxLink
    >>> SoftmaxLink(sharpness=2.0).proba(np.array([[-1.0, 1.0]])).round(3)
    array([[0.018, 0.982]])
    """

    def __init__(self, sharpness: float = 5.0) -> None:
        self.sharpness = sharpness

    def check(self) -> None:
        """Raise a ValueError unless the sharpness is a finite number above 0."""
        check_number("sharpness", self.sharpness, above=0)

    def _logs(self, outputs: Floats) -> Floats:
        return self.sharpness * outputs

    def membership(self, outputs: Floats) -> Floats:
        """Return the logistic function of twice the score, multiplied: the softmax of a pair."""
        return expit(2 * self.sharpness * outputs)


@register("logistic")
class LogisticLink(_ScoreLink):
    """Logistic function of each score times a factor, as weights of one-vs-rest classifiers.

    The default for decision scores. Each outcome is a binary decision of its own, so a margin of 2
    says little more than a margin of 1, and the least bad of several poor outcomes gets no weight
    near 1. Weights are divided by their sum.

    Parameters
    ----------
    sharpness : float, default=5.0
        Factor of the scores, above 0.

    Examples
    --------
    >>> from sklhier.links import LogisticLink
    >>> LogisticLink().proba(np.array([[1.0, 1.5, -1.0]])).round(3)
    array([[0.497, 0.5  , 0.003]])
    """

    def __init__(self, sharpness: float = 5.0) -> None:
        self.sharpness = sharpness

    def check(self) -> None:
        """Raise a ValueError unless the sharpness is a finite number above 0."""
        check_number("sharpness", self.sharpness, above=0)

    def _logs(self, outputs: Floats) -> Floats:
        scores = self.sharpness * outputs
        logs: Floats = log_expit(scores) + _TIE * scores
        return logs

    def membership(self, outputs: Floats) -> Floats:
        """Return the logistic function of the score, multiplied."""
        proba: Floats = expit(self.sharpness * outputs)
        return proba


@register("hinge")
class HingeLink(_ScoreLink):
    r"""Weights that fall with the loss that each outcome would have: :math:`e^{-\max(0, 1 - s)^p}`.

    The post-processor of PECOS [1]_ for linear classifiers with a hinge loss, divided by the sum.

    Parameters
    ----------
    power : float, default=3.0
        Exponent of the loss, 1 or more; 2 is softer.

    References
    ----------
    .. [1] H.-F. Yu, K. Zhong, J. Zhang, W.-C. Chang, I. S. Dhillon (2022), "PECOS: Prediction for
       enormous and correlated output spaces", JMLR 23.

    Examples
    --------
    >>> from sklhier.links import HingeLink
    >>> HingeLink().proba(np.array([[1.0, 0.5, -1.0]])).round(3)
    array([[0.531, 0.469, 0.   ]])
    """

    def __init__(self, power: float = 3.0) -> None:
        self.power = power

    def check(self) -> None:
        """Raise a ValueError unless the power is a finite number, 1 or more."""
        check_number("power", self.power, least=1)

    def _logs(self, outputs: Floats) -> Floats:
        logs: Floats = _TIE * outputs - np.maximum(0.0, 1.0 - outputs) ** self.power
        return logs
