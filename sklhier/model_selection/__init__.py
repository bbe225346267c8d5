"""Splitting, tuning and comparing where classes form a taxonomy."""

from sklhier._folds.stratified import (
    HierarchicalStratifiedGroupKFold,
    HierarchicalStratifiedKFold,
    coarsen,
)
from sklhier._utils import pickling as _pickling
from sklhier.model_selection._compare import compare, compare_with_flat
from sklhier.model_selection._comparison import Comparison
from sklhier.model_selection._label_issues import LabelIssues, find_label_issues
from sklhier.model_selection._leakage import LeakageReport, leakage_report
from sklhier.model_selection._rare_classes import check_rare_classes
from sklhier.model_selection._strategies import StrategyComparison, compare_strategies
from sklhier.model_selection._tune import DecoderSearch, tune_decoder

__all__ = [
    "Comparison",
    "DecoderSearch",
    "HierarchicalStratifiedGroupKFold",
    "HierarchicalStratifiedKFold",
    "LabelIssues",
    "LeakageReport",
    "StrategyComparison",
    "check_rare_classes",
    "coarsen",
    "compare",
    "compare_strategies",
    "compare_with_flat",
    "find_label_issues",
    "leakage_report",
    "tune_decoder",
]

_pickling.published(globals())
