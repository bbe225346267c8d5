"""Scores, losses and reports for labels in a taxonomy.

Every function reads every target format, compares nodes and not names, and leaves the root out.
"""

from sklhier.metrics._at_k import precision_at_k_score, recall_at_k_score
from sklhier.metrics._attribution import ErrorAttribution, error_attribution
from sklhier.metrics._confusion import hierarchical_confusion_matrix, most_confused_pairs
from sklhier.metrics._consistency import violation_rate
from sklhier.metrics._coverage import CoverageReport, coverage_report
from sklhier.metrics._damage import ClassDamage, class_damage
from sklhier.metrics._information import icm_score
from sklhier.metrics._levels import level_accuracy_scores, tree_distance_loss
from sklhier.metrics._losses import h_loss, hmc_loss
from sklhier.metrics._matching import mgia_score
from sklhier.metrics._paths import (
    hierarchical_distance_at_k,
    lca_f1_score,
    lca_precision_score,
    lca_recall_score,
    mistake_severity,
)
from sklhier.metrics._probabilities import (
    hierarchical_average_precision_score,
    hierarchical_brier_loss,
    hierarchical_calibration_error,
)
from sklhier.metrics._report import hierarchical_classification_report
from sklhier.metrics._risk_coverage import RiskCoverageCurve, risk_coverage_curve
from sklhier.metrics._scorer import make_hierarchical_scorer
from sklhier.metrics._scores import (
    hierarchical_f1_score,
    hierarchical_fbeta_score,
    hierarchical_precision_recall_fscore_support,
    hierarchical_precision_score,
    hierarchical_recall_score,
)

__all__ = [
    "ClassDamage",
    "CoverageReport",
    "ErrorAttribution",
    "RiskCoverageCurve",
    "class_damage",
    "coverage_report",
    "error_attribution",
    "h_loss",
    "hierarchical_average_precision_score",
    "hierarchical_brier_loss",
    "hierarchical_calibration_error",
    "hierarchical_classification_report",
    "hierarchical_confusion_matrix",
    "hierarchical_distance_at_k",
    "hierarchical_f1_score",
    "hierarchical_fbeta_score",
    "hierarchical_precision_recall_fscore_support",
    "hierarchical_precision_score",
    "hierarchical_recall_score",
    "hmc_loss",
    "icm_score",
    "lca_f1_score",
    "lca_precision_score",
    "lca_recall_score",
    "level_accuracy_scores",
    "make_hierarchical_scorer",
    "mgia_score",
    "mistake_severity",
    "most_confused_pairs",
    "precision_at_k_score",
    "recall_at_k_score",
    "risk_coverage_curve",
    "tree_distance_loss",
    "violation_rate",
]
