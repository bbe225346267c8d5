"""Splitting, tuning and comparing where classes form a taxonomy."""

from sklhier.model_selection._split import (
    HierarchicalStratifiedKFold,
    check_rare_classes,
    coarsen,
)
from sklhier.model_selection._tune import DecoderSearch, tune_decoder

__all__ = [
    "DecoderSearch",
    "HierarchicalStratifiedKFold",
    "check_rare_classes",
    "coarsen",
    "tune_decoder",
]
