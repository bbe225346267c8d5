"""Decoders: from node probabilities to one node, or a set of nodes, for each row.

A decoder is a small object without state; give it to a classifier as ``decoder=``, by name or as
an object, or to :meth:`~sklhier.HierarchicalClassifier.decode` to decode again without fitting.
"""

from sklhier._probabilities.marginals import HeldOutPaths
from sklhier._probabilities.set_search import Wanted
from sklhier._probabilities.sets import HeldOutSets, SetMarginals
from sklhier._utils import pickling as _pickling
from sklhier.decoders._base import Decoder
from sklhier.decoders._best_path import Beam, BestPath, top_answers
from sklhier.decoders._conformal import Conformal
from sklhier.decoders._cost_matrix import CostMatrix
from sklhier.decoders._expected_f import ExpectedF1
from sklhier.decoders._hierarchical_f import HierarchicalF
from sklhier.decoders._level_weighted import LevelWeighted
from sklhier.decoders._registry import register, resolve_decoder, resolve_set_decoder
from sklhier.decoders._risk_control import RiskControl
from sklhier.decoders._set_base import SetDecoder
from sklhier.decoders._set_threshold import SetThreshold
from sklhier.decoders._sets import MaximumClosure, TopLabels
from sklhier.decoders._stop_rules import Climbing, Darts, InformationThreshold
from sklhier.decoders._threshold import Threshold
from sklhier.decoders._top_down import TopDown

__all__ = [
    "Beam",
    "BestPath",
    "Climbing",
    "Conformal",
    "CostMatrix",
    "Darts",
    "Decoder",
    "ExpectedF1",
    "HeldOutPaths",
    "HeldOutSets",
    "HierarchicalF",
    "InformationThreshold",
    "LevelWeighted",
    "MaximumClosure",
    "RiskControl",
    "SetDecoder",
    "SetMarginals",
    "SetThreshold",
    "Threshold",
    "TopDown",
    "TopLabels",
    "Wanted",
    "register",
    "resolve_decoder",
    "resolve_set_decoder",
    "top_answers",
]

_pickling.published(globals())
