"""Decoders: from node probabilities to one node, or a set of nodes, for each row.

A decoder is a small object without state; give it to a classifier as ``decoder=``, by name or as
an object, or to :meth:`~sklhier.HierarchicalClassifier.decode` to decode again without fitting.
"""

from collections.abc import Mapping
from typing import TypeVar

from sklhier._probabilities.sets import HeldOutSets, SetMarginals
from sklhier.decoders._base import Decoder
from sklhier.decoders._best_path import Beam, BestPath, top_answers
from sklhier.decoders._cost_matrix import CostMatrix
from sklhier.decoders._expected_f import ExpectedF1
from sklhier.decoders._hierarchical_f import HierarchicalF
from sklhier.decoders._level_weighted import LevelWeighted
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

_D = TypeVar("_D", Decoder, SetDecoder)

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

_SETS_BY_NAME: dict[str, type[SetDecoder]] = {
    "expected_f1": ExpectedF1,
    "maximum_closure": MaximumClosure,
    "threshold": SetThreshold,
    "top_labels": TopLabels,
}


def _resolved(decoder: object, kind: type[_D], by_name: Mapping[str, type[_D]]) -> _D:
    if isinstance(decoder, str) and decoder in by_name:
        decoder = by_name[decoder]()
    if not isinstance(decoder, kind):
        raise ValueError(
            f"`decoder` must be a {kind.__name__} object or one of {sorted(by_name)}, got "
            f"{decoder!r}."
        )
    decoder.check()
    return decoder


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
    return _resolved(decoder, Decoder, _BY_NAME)


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
    return _resolved(decoder, SetDecoder, _SETS_BY_NAME)
