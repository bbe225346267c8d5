"""Stages: how models learn from the models above them.

Give a :class:`Chain`, or its name, to a classifier as ``chain=``, and a :class:`Routing` as
``routing=``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklhier._utils.registry import Registry
from sklhier._utils.typing import Bools, Floats
from sklhier._utils.validation import check_choice, check_number

__all__ = [
    "Chain",
    "Filter",
    "Predicted",
    "Routing",
    "Weighted",
    "register",
    "resolve_chain",
    "resolve_routing",
]
__dir__ = __all__.copy  # completion shows public names alone

_OUTPUTS = ("proba", "log_proba", "decision")
_SEEN = ("all", "parent")
_TRAINING = ("out_of_fold", "in_sample", "true")
_PLACES = ("last_step", "input")
_LEAST = 1e-4  # probabilities below count as this one in logarithms


class Chain(BaseEstimator):
    """Outputs of upper models as extra features of the models below.

    In training, a lower model gets *out-of-fold* outputs: each sample's output comes from a model
    that was not trained on that sample. Outputs for a model's own training samples are too good: a
    lower model would learn to trust them, and be misled on new samples. In prediction it gets
    outputs of models that were fitted to all samples.

    Parameters
    ----------
    output : {"proba", "log_proba", "decision"}, default="proba"
        The outputs: probabilities (between 0 and 1), their logarithms (probabilities below 0.0001
        count as 0.0001), or ``decision_function``. The latter two are divided by a number for each
        model, so that a row of its outputs has the length 1 on average (the root mean square over the
        training rows), like a row of TF-IDF features. Otherwise they would dominate in base
        estimators that depend on the scale of features. A binary model gives one number, any other
        model one for each of its outcomes.
    see : {"all", "parent"}, default="all"
        The models whose outputs become features: all models above, up to the first level, or only
        the model that decides about the node itself (with ``"per_level"``, the model of the level
        before).
    training : {"out_of_fold", "in_sample", "true"}, default="out_of_fold"
        The outputs in training. ``"in_sample"``: outputs for the samples that the models were trained
        on; ``"true"``: the true labels, as 0 and 1 (*teacher forcing*). Both are for comparison only,
        and warn.
    append_to : {"last_step", "input"}, default="last_step"
        The place where outputs join the features: before the last step of a base estimator that is a
        Pipeline, so that texts can be vectorised first, or X itself. Without a Pipeline both are X.
    scale : float, default=1.0
        Factor of the outputs, above 0. With a larger factor, a model with a penalty on its weights
        relies on them more.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.staging import Chain
    >>> HierarchicalClassifier(chain=Chain("log_proba", see="parent"))
    HierarchicalClassifier(chain=Chain(output='log_proba', see='parent'))
    """

    def __init__(
        self,
        output: str = "proba",
        *,
        see: str = "all",
        training: str = "out_of_fold",
        append_to: str = "last_step",
        scale: float = 1.0,
    ) -> None:
        self.output = output
        self.see = see
        self.training = training
        self.append_to = append_to
        self.scale = scale

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""
        check_choice("output", self.output, _OUTPUTS)
        check_choice("see", self.see, _SEEN)
        check_choice("training", self.training, _TRAINING)
        check_choice("append_to", self.append_to, _PLACES)
        check_number("scale", self.scale, above=0)

    @property
    def method(self) -> str:
        """Name of the method of base estimators that gives the outputs."""
        return "decision_function" if self.output == "decision" else "predict_proba"

    def shown(self, outputs: Floats) -> Floats:
        """Return the features that a model's outputs give, before they are scaled.

        Parameters
        ----------
        outputs : ndarray of float64, shape (n_samples, n_outcomes)
            Probabilities or decision scores.

        Returns
        -------
        shown : ndarray of float64, shape (n_samples, n_outcomes) or (n_samples, 1)
        """
        if outputs.shape[1] == 2:
            outputs = outputs[:, 1:]
        return np.log(np.maximum(outputs, _LEAST)) if self.output == "log_proba" else outputs

    def unit_of(self, shown: Floats, weights: Floats | None = None) -> float:
        """Return the divisor of a model's outputs, from its outputs in training.

        Parameters
        ----------
        shown : ndarray of float64, shape (n_samples, k)
            Features from the model's outputs.
        weights : ndarray of float64, shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        unit : float
            The root mean square of the length of a row; 1 for probabilities.
        """
        if self.output == "proba" or not shown.size:
            return 1.0
        return float(np.sqrt(np.average(np.sum(np.square(shown), axis=1), weights=weights))) or 1.0


def resolve_chain(chain: str | Chain | None) -> Chain | None:
    """Return the chain of that name, the chain itself, or None.

    Parameters
    ----------
    chain : {"proba", "log_proba", "decision", "true"}, Chain or None
        A name stands for that `output`; ``"true"`` for ``training="true"``.

    Returns
    -------
    chain : Chain or None
        For a name a new object, its other parameters at their defaults.

    Raises
    ------
    ValueError
        For an unknown name or object, or a parameter outside its range.

    Examples
    --------
    >>> from sklhier.staging import resolve_chain
    >>> resolve_chain("decision"), resolve_chain("true")
    (Chain(output='decision'), Chain(training='true'))
    """
    if chain is None:
        return None
    if isinstance(chain, str) and chain in _OUTPUTS:
        return Chain(chain)
    if isinstance(chain, str) and chain == "true":
        return Chain(training="true")
    if not isinstance(chain, Chain):
        names = ", ".join(map(repr, (*_OUTPUTS, "true")))
        raise ValueError(f"`chain` must be None, a Chain or one of {names}, got {chain!r}.")
    chain.check()
    return chain


class Routing(BaseEstimator, ABC):
    """Rule that selects the training samples of the models below a node; keeps no state.

    A sample always goes to the nodes on its own path. A routing may also send it to other nodes, by
    held-out predictions of the models above; there it belongs to the rest class, an extra outcome.

    Attributes
    ----------
    needs_held_out : bool
        Whether samples are sent on by held-out predictions.
    is_weighted : bool
        Whether :meth:`weights` weights samples; the base estimators must then take weights.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier.staging import Routing
    >>> class TwoBest(Routing):
    ...     def sends(self, proba):
    ...         return proba >= np.sort(proba, axis=1)[:, [-min(2, proba.shape[1])]]
    >>> TwoBest().sends(np.array([[0.5, 0.3, 0.2]]))
    array([[ True,  True, False]])
    """

    needs_held_out: ClassVar[bool] = True
    is_weighted: ClassVar[bool] = False

    @abstractmethod
    def sends(self, proba: Floats) -> Bools:
        """Return the outcomes that a node's samples are sent to.

        Parameters
        ----------
        proba : ndarray of float64, shape (n_samples, n_outcomes)
            Held-out probabilities of the outcomes, times that of the node: rows sum to that of
            the node.

        Returns
        -------
        sends : ndarray of bool, shape (n_samples, n_outcomes)
        """

    def weights(self, proba: Floats) -> Floats | None:  # noqa: ARG002
        """Return factors of the weights of samples at a node; None for no change.

        Parameters
        ----------
        proba : ndarray of float64, shape (n_samples,)
            Held-out probability of the node; 0 for samples of its own that were not sent there.

        Returns
        -------
        weights : ndarray of float64, shape (n_samples,), or None
        """
        return None

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""


_ROUTINGS = Registry("routing", Routing)  # type: ignore[type-abstract]


def register(name: str) -> Callable[[type[Routing]], type[Routing]]:
    """Return a class decorator that lets a routing be chosen by a name, with default parameters.

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
    >>> from sklhier.staging import Predicted, register, resolve_routing
    >>> @register("doctest_predicted")
    ... class Again(Predicted):
    ...     pass
    >>> resolve_routing("doctest_predicted")
    Again()
    """
    return _ROUTINGS.register(name)


def resolve_routing(routing: str | Routing) -> Routing:
    """Return the routing of that name, or the routing itself, its parameters checked.

    Parameters
    ----------
    routing : str or Routing
        A registered name, or an object.

    Returns
    -------
    routing : Routing
        For a name a new object, with default parameters.

    Raises
    ------
    ValueError
        For an unknown name or object, or a parameter outside its range.

    Examples
    --------
    >>> from sklhier.staging import resolve_routing
    >>> resolve_routing("weight")
    Weighted()
    """
    return _ROUTINGS.resolve(routing)


@register("filter")
class Filter(Routing):
    """Samples go down their own paths only.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> HierarchicalClassifier(routing="filter")  # the default
    HierarchicalClassifier()
    """

    needs_held_out = False

    def sends(self, proba: Floats) -> Bools:
        """Return False everywhere: samples are not sent to other nodes."""
        return np.zeros(proba.shape, dtype=bool)


@register("predicted")
class Predicted(Routing):
    """Samples also go down the greedy path of held-out predictions.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> HierarchicalClassifier(routing="predicted")
    HierarchicalClassifier(routing='predicted')
    """

    def sends(self, proba: Floats) -> Bools:
        """Return True for the most probable outcome of each sample, the first of equals."""
        return proba.argmax(axis=1)[:, None] == np.arange(proba.shape[1])


@register("weight")
class Weighted(Routing):
    """Samples go to every node that is probable enough, weighted by its held-out probability.

    Parameters
    ----------
    least : float, default=0.01
        Probability in (0, 1) below which a sample is not sent to a node. It is also the smallest
        weight of a node's own samples.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.staging import Weighted
    >>> HierarchicalClassifier(routing=Weighted(least=0.05))
    HierarchicalClassifier(routing=Weighted(least=0.05))
    """

    is_weighted = True

    def __init__(self, least: float = 0.01) -> None:
        self.least = least

    def check(self) -> None:
        """Raise a ValueError unless ``least`` is in (0, 1)."""
        check_number("least", self.least, above=0, below=1)

    def sends(self, proba: Floats) -> Bools:
        """Return True for the outcomes that are probable enough."""
        return proba >= self.least

    def weights(self, proba: Floats) -> Floats:
        """Return the probabilities, the least one in place of smaller ones."""
        return np.maximum(proba, self.least)
