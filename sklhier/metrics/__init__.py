"""Scores, losses and reports for labels in a taxonomy.

Every function reads every target format, compares nodes and not names, and leaves the root out.
"""

from sklhier.metrics._levels import level_accuracy_scores, tree_distance_loss
from sklhier.metrics._report import hierarchical_classification_report
from sklhier.metrics._scorer import make_hierarchical_scorer
from sklhier.metrics._scores import (
    hierarchical_f1_score,
    hierarchical_fbeta_score,
    hierarchical_precision_recall_fscore_support,
    hierarchical_precision_score,
    hierarchical_recall_score,
)

__all__ = [
    "hierarchical_classification_report",
    "hierarchical_f1_score",
    "hierarchical_fbeta_score",
    "hierarchical_precision_recall_fscore_support",
    "hierarchical_precision_score",
    "hierarchical_recall_score",
    "level_accuracy_scores",
    "make_hierarchical_scorer",
    "tree_distance_loss",
]
