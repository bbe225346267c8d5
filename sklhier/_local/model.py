"""One local problem, the model that is fitted to it, and how its outputs are read.

Models get integer codes ``0..k-1`` for the outcomes of their node and know nothing else of the
taxonomy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from sklhier._local import linear_fit
from sklhier._local.linear_fit import Packing
from sklhier._utils.typing import NodeIds
from sklhier.staging import Chain

__all__ = ["LocalModel", "View"]


@dataclass(frozen=True)
class LocalModel:
    """A fitted base estimator and what it decides about.

    Attributes
    ----------
    owner : int
        Number of the place that decides.
    outcomes : ndarray of int32, shape (k,)
        Ids of the nodes that its classes ``0..k-1`` stand for.
    estimator : object
        The fitted estimator.
    is_joint : bool, default=False
        Whether it says of each outcome by itself if a sample belongs to it.
    view : View, default=None
        What it sees beside X; None: nothing.
    unit : float, default=1.0
        What its outputs are divided by when other models see them.
    share_here : float, default=1.0
        The share of its training samples, by weight, that were not "not here".
    packing : Packing, default=None
        How the estimator is stored, if not as scikit-learn does.
    """

    owner: int
    outcomes: NodeIds
    estimator: Any
    is_joint: bool = False
    view: View | None = None
    unit: float = 1.0
    share_here: float = 1.0
    packing: Packing | None = None

    @property
    def whole(self) -> Any:
        """The fitted estimator, as scikit-learn stores it."""
        return linear_fit.whole(self.estimator, self.packing)

    def compressed(self, dtype: Any, min_weight: float) -> tuple[Self, tuple[int, ...]]:
        """Return the model, a linear one, with fewer and shorter weights, and how it shrank.

        That is the number of columns before and after, of weights that became 0, and of bytes
        before and after.
        """
        estimator, packing, n_dropped = linear_fit.compressed(
            self.estimator, self.packing, dtype, min_weight, sees_others=self.view is not None
        )
        columns = (linear_fit.n_columns_of(self.estimator), linear_fit.n_columns_of(estimator))
        n_bytes = (
            linear_fit.n_bytes_of(self.estimator, self.packing),
            linear_fit.n_bytes_of(estimator, packing),
        )
        smaller = replace(self, estimator=estimator, packing=packing)
        return smaller, (*columns, n_dropped, *n_bytes)


@dataclass(frozen=True)
class View:
    """The models whose outputs another one sees.

    Attributes
    ----------
    owners : tuple of int
        Numbers of the places at which they decide, from the top.
    chain : Chain
        What of their outputs is shown, and how.
    """

    owners: tuple[int, ...]
    chain: Chain


# -- what a model says --------------------------------------------------------------------


# How scores are read: all take the outputs of a model and whether these are decision scores.
