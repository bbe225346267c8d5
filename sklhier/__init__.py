"""Hierarchical classification, scikit-learn native.

The main classes are :class:`HierarchicalClassifier`, for one path, and
:class:`HierarchicalMultiLabelClassifier`, for several labels; a :class:`Taxonomy` says how classes
are related.
"""

from sklhier._classifier import HierarchicalClassifier
from sklhier._multihead import MultiHeadClassifier
from sklhier._multihead_sets import MultiHeadMultiLabelClassifier
from sklhier._multilabel import HierarchicalMultiLabelClassifier
from sklhier._version import __version__
from sklhier.taxonomy import Taxonomy

__all__ = [
    "HierarchicalClassifier",
    "HierarchicalMultiLabelClassifier",
    "MultiHeadClassifier",
    "MultiHeadMultiLabelClassifier",
    "Taxonomy",
    "__version__",
]
