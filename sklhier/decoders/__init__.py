"""Decoders: from node probabilities to one node, or a set of nodes, for each row.

A decoder is a small object without state; give it to a classifier as ``decoder=``, by name or as
an object, or to :meth:`~sklhier.HierarchicalClassifier.decode` to decode again without fitting.
"""

from sklhier.decoders._base import Decoder
from sklhier.decoders._best_path import Beam, BestPath, top_answers
from sklhier.decoders._cost_matrix import CostMatrix
from sklhier.decoders._expected_f import ExpectedF1
from sklhier.decoders._hierarchical_f import HierarchicalF
from sklhier.decoders._level_weighted import LevelWeighted
from sklhier.decoders._sets import (
    HeldOutSets,
    MaximumClosure,
    SetDecoder,
    SetMarginals,
    SetThreshold,
    TopLabels,
)
from sklhier.decoders._stop_rules import Climbing, Darts, InformationThreshold
from sklhier.decoders._threshold import Threshold
from sklhier.decoders._top_down import TopDown

__all__ = [
    "Beam",
    "BestPath",
    "Climbing",
    "CostMatrix",
    "Darts",
    "Decoder",
    "ExpectedF1",
    "HeldOutSets",
    "HierarchicalF",
    "InformationThreshold",
    "LevelWeighted",
    "MaximumClosure",
    "SetDecoder",
    "SetMarginals",
    "SetThreshold",
    "Threshold",
    "TopDown",
    "TopLabels",
    "resolve_decoder",
    "resolve_set_decoder",
    "top_answers",
]

_BY_NAME: dict[str, type[Decoder]] = {
    "beam": Beam,
    "best_path": BestPath,
    "climbing": Climbing,
    "darts": Darts,
    "hierarchical_f": HierarchicalF,
    "information_threshold": InformationThreshold,
    "level_weighted": LevelWeighted,
    "threshold": Threshold,
    "top_down": TopDown,
}


def resolve_decoder(decoder: str | Decoder) -> Decoder:
    """Return the decoder of that name, or the decoder itself, its parameters checked.

    Raises
    ------
    ValueError
        For another name or object, or a parameter out of its range.

    Examples
    --------
    >>> from sklhier.decoders import resolve_decoder
    >>> resolve_decoder("threshold")
    Threshold()
    """
    if isinstance(decoder, str) and decoder in _BY_NAME:
        decoder = _BY_NAME[decoder]()
    if not isinstance(decoder, Decoder):
        raise ValueError(
            f"`decoder` is a Decoder object or one of {sorted(_BY_NAME)}; {decoder!r} was given."
        )
    decoder.check()
    return decoder


_SETS_BY_NAME: dict[str, type[SetDecoder]] = {
    "expected_f1": ExpectedF1,
    "maximum_closure": MaximumClosure,
    "threshold": SetThreshold,
    "top_labels": TopLabels,
}


def resolve_set_decoder(decoder: str | SetDecoder) -> SetDecoder:
    """Return the decoder of that name, or the decoder itself, its parameters checked.

    Raises
    ------
    ValueError
        For another name or object, or a parameter out of its range.

    Examples
    --------
    >>> from sklhier.decoders import resolve_set_decoder
    >>> resolve_set_decoder("threshold")
    SetThreshold()
    """
    if isinstance(decoder, str) and decoder in _SETS_BY_NAME:
        decoder = _SETS_BY_NAME[decoder]()
    if not isinstance(decoder, SetDecoder):
        raise ValueError(
            f"`decoder` is a SetDecoder object or one of {sorted(_SETS_BY_NAME)}; {decoder!r} was "
            "given."
        )
    decoder.check()
    return decoder
