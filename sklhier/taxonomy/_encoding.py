"""The place of the reader of labels of all formats, which stands in a layer above."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sklhier.taxonomy._taxonomy import Taxonomy

__all__ = ["encode", "put_encoder"]


class _Encoder(Protocol):
    """The reader that ``Taxonomy.encode`` calls."""

    def __call__(
        self, y: Any, taxonomy: Taxonomy, *, classes: Any, kind: str | None, unknown: str
    ) -> Any: ...


_ENCODERS: list[_Encoder] = []


def put_encoder(encoder: _Encoder) -> None:
    """Let ``Taxonomy.encode`` use a reader of labels."""
    _ENCODERS[:] = [encoder]


def encode(y: Any, taxonomy: Taxonomy, **options: Any) -> Any:
    """Return labels as names of nodes; see ``Taxonomy.encode``."""
    # Whoever imports any part of the package imports all of it, this reader included.
    return _ENCODERS[0](y, taxonomy, **options)
