"""Linear classifiers for the nodes of a taxonomy, or for anything else."""

from sklhier.linear_model._scaled_logistic import ScaledLogisticRegression

__all__ = ["ScaledLogisticRegression"]
