"""Splitting, tuning and comparing where classes form a taxonomy."""

from sklhier.model_selection._split import (
    HierarchicalStratifiedKFold,
    check_rare_classes,
    coarsen,
)

__all__ = ["HierarchicalStratifiedKFold", "check_rare_classes", "coarsen"]
