"""Chains: outputs of upper models as features of lower ones.

Give a :class:`Chain`, or its name, to a classifier as ``chain=``.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from sklhier._utils.typing import Floats
from sklhier._utils.validation import check_choice, check_number

__all__ = ["ROUTINGS", "Chain", "resolve_chain"]

ROUTINGS = ("filter", "predicted", "weight", "none")

_OUTPUTS = ("proba", "log_proba", "decision")
_SEEN = ("all", "parent")
_TRAINING = ("out_of_fold", "in_sample", "true")
_PLACES = ("last_step", "input")
_LEAST = 1e-4  # probabilities below count as this one in logarithms


class Chain(BaseEstimator):
    """A chain of stages: every model gets the outputs of the models above it as features.

    In training, a model of a lower stage gets *out-of-fold* outputs: each sample's output comes from
    a model that was not trained on that sample. The outputs of a model for its own training samples
    are too good. A lower model would learn to trust them, and would be misled by the outputs for new
    samples. In prediction it gets the outputs of models that were fitted to all samples.

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
        Which models' outputs become features: those of all models above, up to the first level, or
        only those of the model that decides about the node itself (with ``"per_level"``, the model of
        the level before).
    training : {"out_of_fold", "in_sample", "true"}, default="out_of_fold"
        The outputs in training. ``"in_sample"``: those for the samples that the models were trained
        on; ``"true"``: the true labels, as 0 and 1 (*teacher forcing*). Both are for comparison, and
        warn.
    append_to : {"last_step", "input"}, default="last_step"
        Where the outputs join the features: before the last step of a base estimator that is a
        Pipeline, so that texts can be vectorised, or X itself. Without a Pipeline both are X.
    scale : float, default=1.0
        Factor of the outputs, above 0. The larger it is, the more a model with a penalty on its
        weights uses them.

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
        """Raise a ValueError if a parameter is out of its range."""
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

    Raises
    ------
    ValueError
        For another name or object, or a parameter out of its range.

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
