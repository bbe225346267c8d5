"""Linear classifiers for the nodes of a taxonomy, or for anything else."""

from sklhier.linear_model._scaled_logistic import ScaledLogisticRegression

__all__ = ["ScaledLogisticRegression"]

# Saved files name the module of each class, and private modules move.
ScaledLogisticRegression.__module__ = __name__
