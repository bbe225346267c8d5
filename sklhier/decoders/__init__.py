"""Decoders: from node probabilities to one node for each row.

A decoder is a small object without state; give it to a classifier as ``decoder=``, by name or as
an object, or to :meth:`~sklhier.HierarchicalClassifier.decode` to decode again without fitting.
"""

from sklhier.decoders._base import Decoder
from sklhier.decoders._best_path import BestPath
from sklhier.decoders._threshold import Threshold
from sklhier.decoders._top_down import TopDown

__all__ = ["BestPath", "Decoder", "Threshold", "TopDown", "resolve_decoder"]

_BY_NAME: dict[str, type[Decoder]] = {
    "best_path": BestPath,
    "top_down": TopDown,
    "threshold": Threshold,
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
