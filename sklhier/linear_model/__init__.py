"""Linear classifiers for the nodes of a taxonomy, or for anything else."""

from sklhier._utils import pickling as _pickling
from sklhier.linear_model._block import BlockLinearSVC, BlockLogisticRegression
from sklhier.linear_model._scaled_linear import ScaledLinearClassifier
from sklhier.linear_model._scaled_logistic import ScaledLogisticRegression

__all__ = [
    "BlockLinearSVC",
    "BlockLogisticRegression",
    "ScaledLinearClassifier",
    "ScaledLogisticRegression",
]

_pickling.published(globals())
