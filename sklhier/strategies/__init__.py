"""Strategies: which local problems a taxonomy is split into.

A strategy is a small object without state; give it to a classifier as ``strategy=``, by name or as
an object. The other names here are what a strategy of your own works with.
"""

from sklhier._local import LocalProblem, LocalScores
from sklhier._marginals import DenseMarginals, Expansion, Marginals, Outcomes
from sklhier.strategies._base import Strategy
from sklhier.strategies._flat import Flat
from sklhier.strategies._per_parent import PerParent

__all__ = [
    "DenseMarginals",
    "Expansion",
    "Flat",
    "LocalProblem",
    "LocalScores",
    "Marginals",
    "Outcomes",
    "PerParent",
    "Strategy",
    "resolve_strategy",
]

_BY_NAME: dict[str, type[Strategy]] = {"per_parent": PerParent, "flat": Flat}


def resolve_strategy(strategy: str | Strategy) -> Strategy:
    """Return the strategy of that name, or the strategy itself.

    Raises
    ------
    ValueError
        For another name or object.

    Examples
    --------
    >>> from sklhier.strategies import resolve_strategy
    >>> resolve_strategy("flat")
    Flat()
    """
    if isinstance(strategy, str) and strategy in _BY_NAME:
        return _BY_NAME[strategy]()
    if not isinstance(strategy, Strategy):
        raise ValueError(
            f"`strategy` is a Strategy object or one of {sorted(_BY_NAME)}; {strategy!r} was given."
        )
    return strategy
