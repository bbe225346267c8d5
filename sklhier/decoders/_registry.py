"""Decoders by name: those that answer with nodes, and those that answer with sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklhier._utils.registry import Registry, register_in
from sklhier.decoders._base import Decoder
from sklhier.decoders._set_base import SetDecoder

__all__ = ["register", "resolve_decoder", "resolve_set_decoder"]

_NODES = Registry("decoder", Decoder)  # type: ignore[type-abstract]
_SETS = Registry("decoder", SetDecoder)  # type: ignore[type-abstract]


def register(name: str) -> Callable[[type[Any]], type[Any]]:
    """Return a class decorator that lets a decoder be chosen by a name, with default parameters.

    Parameters
    ----------
    name : str
        A new name among decoders of the same interface, :class:`Decoder` or :class:`SetDecoder`.

    Returns
    -------
    decorator : callable
        Takes the class and returns it.

    Raises
    ------
    ValueError
        If another class has the name.

    Examples
    --------
    >>> from sklhier.decoders import TopDown, register, resolve_decoder
    >>> @register("doctest_greedy")
    ... class Greedy(TopDown):
    ...     pass
    >>> resolve_decoder("doctest_greedy")
    Greedy()
    """
    return register_in((_NODES, _SETS), name)


def resolve_decoder(decoder: str | Decoder) -> Decoder:
    """Return the decoder of that name, or the decoder itself, its parameters checked.

    Parameters
    ----------
    decoder : str or Decoder
        A registered name, or an object.

    Returns
    -------
    decoder : Decoder
        For a name a new object, with default parameters.

    Raises
    ------
    ValueError
        For an unknown name or object, or a parameter outside its range.

    Examples
    --------
    >>> from sklhier.decoders import resolve_decoder
    >>> resolve_decoder("threshold")
    Threshold()
    """
    return _NODES.resolve(decoder)


def resolve_set_decoder(decoder: str | SetDecoder) -> SetDecoder:
    """Return the decoder of that name, or the decoder itself, its parameters checked.

    Parameters
    ----------
    decoder : str or SetDecoder
        A registered name, or an object.

    Returns
    -------
    decoder : SetDecoder
        For a name a new object, with default parameters.

    Raises
    ------
    ValueError
        For an unknown name or object, or a parameter outside its range.

    Examples
    --------
    >>> from sklhier.decoders import resolve_set_decoder
    >>> resolve_set_decoder("threshold")
    SetThreshold()
    """
    return _SETS.resolve(decoder)
