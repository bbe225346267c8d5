"""A fitted base estimator with what it decides about and how its outputs are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from sklhier._local import linear_fit
from sklhier._local.keys import ModelKey
from sklhier._local.linear_fit import ColumnSubset
from sklhier._local.problem import REST
from sklhier._utils.typing import NodeIds
from sklhier.links import IdentityLink, Link, LogisticLink
from sklhier.staging import Chain

__all__ = ["LocalModel", "Models", "Upstream", "linked"]

_IDENTITY, _LOGISTIC = IdentityLink(), LogisticLink()


def linked(estimator: Any, link: Link | None) -> tuple[str, Link]:
    """Return the method of a fitted estimator that is called, and the link that reads its outputs.

    Without a link of the user's that is the most informative method that there is.
    """
    if link is not None:
        return link.response_method, link
    if hasattr(estimator, "predict_proba"):
        return "predict_proba", _IDENTITY
    if hasattr(estimator, "decision_function"):
        return "decision_function", _LOGISTIC
    return "predict", _IDENTITY


@dataclass(frozen=True)
class LocalModel:
    """A fitted local model.

    Attributes
    ----------
    key : ModelKey
        What is decided.
    outcomes : ndarray of int32, shape (k,)
        Ids of the nodes that its classes ``0..k-1`` stand for; -1 is the rest class.
    estimator : object
        The fitted estimator.
    method : str
        The prediction method whose outputs are read.
    link : Link
        What makes probabilities of them.
    is_multi_output : bool, default=False
        Whether it decides about each outcome by itself.
    upstream : Upstream, default=None
        The models whose outputs it sees beside X; None: it sees X alone.
    unit : float, default=1.0
        What its outputs are divided by when other models see them.
    positive_share : float, default=1.0
        The share of its training samples, by weight, that are not of the rest class.
    subset : ColumnSubset, default=None
        How the estimator is stored, if not as scikit-learn does.
    """

    key: ModelKey
    outcomes: NodeIds
    estimator: Any
    method: str
    link: Link
    is_multi_output: bool = False
    upstream: Upstream | None = None
    unit: float = 1.0
    positive_share: float = 1.0
    subset: ColumnSubset | None = None

    @property
    def has_rest(self) -> bool:
        """Whether the rest class is one of the outcomes."""
        return bool(self.outcomes[0] == REST)

    @property
    def gives_probabilities(self) -> bool:
        """Whether the link returns probabilities, and not weights or classes alone."""
        return self.link.gives_probabilities and self.method != "predict"

    @property
    def full_width(self) -> Any:
        """The fitted estimator, as scikit-learn stores it."""
        return linear_fit.full_width(self.estimator, self.subset)

    def compressed(self, dtype: Any, min_weight: float) -> tuple[Self, tuple[int, ...]]:
        """Return a smaller copy of a linear model, and how it shrank.

        That is the number of columns before and after, of weights that became 0, and of bytes
        before and after.
        """
        estimator, subset, n_dropped = linear_fit.compressed(
            self.estimator, self.subset, dtype, min_weight, has_extra=self.upstream is not None
        )
        columns = (linear_fit.n_columns_of(self.estimator), linear_fit.n_columns_of(estimator))
        n_bytes = (
            linear_fit.n_bytes_of(self.estimator, self.subset),
            linear_fit.n_bytes_of(estimator, subset),
        )
        smaller = replace(self, estimator=estimator, subset=subset)
        return smaller, (*columns, n_dropped, *n_bytes)


@dataclass(frozen=True)
class Upstream:
    """The models whose outputs another one sees.

    Attributes
    ----------
    keys : tuple of ModelKey
        Those models, from the top.
    chain : Chain
        What of their outputs is shown, and how.
    """

    keys: tuple[ModelKey, ...]
    chain: Chain


Models = dict[ModelKey, LocalModel]
