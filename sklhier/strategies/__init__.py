"""Strategies: which local problems a taxonomy is split into.

A strategy is a small object without state; give it to a classifier as ``strategy=``, by name or as
an object. The other names here are what a strategy of your own works with.
"""

from sklhier._local.keys import Kind, ModelKey
from sklhier._local.problem import LocalProblem
from sklhier._local.scores import LocalScores, Scores
from sklhier._probabilities.marginals import (
    AnswerMarginals,
    DenseMarginals,
    Expansion,
    Marginals,
    Outcomes,
)
from sklhier._probabilities.products import ProductMarginals
from sklhier._utils import pickling as _pickling
from sklhier.strategies._auto import Auto
from sklhier.strategies._base import (
    HeldOut,
    Option,
    SetStrategy,
    Strategy,
    register,
    resolve_set_strategy,
    resolve_strategy,
)
from sklhier.strategies._ensemble import Ensemble
from sklhier.strategies._flat import Flat
from sklhier.strategies._memberships import Memberships
from sklhier.strategies._per_level import PerLevel
from sklhier.strategies._per_node import PerNode, training_rows
from sklhier.strategies._per_parent import PerParent

__all__ = [
    "AnswerMarginals",
    "Auto",
    "DenseMarginals",
    "Ensemble",
    "Expansion",
    "Flat",
    "HeldOut",
    "Kind",
    "LocalProblem",
    "LocalScores",
    "Marginals",
    "Memberships",
    "ModelKey",
    "Option",
    "Outcomes",
    "PerLevel",
    "PerNode",
    "PerParent",
    "ProductMarginals",
    "Scores",
    "SetStrategy",
    "Strategy",
    "register",
    "resolve_set_strategy",
    "resolve_strategy",
    "training_rows",
]

_pickling.published(globals())
