"""Hierarchical classification, scikit-learn native.

The main classes are :class:`HierarchicalClassifier`, for one path, and
:class:`HierarchicalMultiLabelClassifier`, for several labels; a :class:`Taxonomy` says how classes
are related.
"""

from sklhier._classifiers.hierarchical import HierarchicalClassifier
from sklhier._classifiers.multihead import MultiHeadClassifier
from sklhier._classifiers.multihead_multilabel import MultiHeadMultiLabelClassifier
from sklhier._classifiers.multilabel import HierarchicalMultiLabelClassifier
from sklhier._classifiers.node_rows_pipeline import NodeRowsPipeline
from sklhier._classifiers.summary import ModelSummary
from sklhier._classifiers.through_pipelines import (
    decode,
    predict_frame,
    predict_levels,
    predict_node_proba,
    predict_set,
    predict_top_k,
)
from sklhier._utils import moved as _moved
from sklhier._utils import pickling as _pickling
from sklhier._utils.versions import show_versions
from sklhier._version import __version__
from sklhier.taxonomy import Taxonomy

__all__ = [
    "HierarchicalClassifier",
    "HierarchicalMultiLabelClassifier",
    "ModelSummary",
    "MultiHeadClassifier",
    "MultiHeadMultiLabelClassifier",
    "NodeRowsPipeline",
    "Taxonomy",
    "__version__",
    "decode",
    "predict_frame",
    "predict_levels",
    "predict_node_proba",
    "predict_set",
    "predict_top_k",
    "show_versions",
]

_pickling.published(globals())
_moved.remember_former_places()
