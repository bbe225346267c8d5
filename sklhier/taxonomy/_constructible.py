"""The constructor of the taxonomy that all ways to build one call."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Self

from sklhier._utils.typing import NodeIds
from sklhier.taxonomy._titles import Titles

__all__ = ["Constructible"]


class Constructible:
    """A class that is made of names and edges; :class:`~sklhier.Taxonomy` is the only one."""

    if TYPE_CHECKING:  # what the taxonomy's own constructor takes

        def __init__(
            self,
            names: Sequence[Hashable],
            parents: NodeIds | Sequence[int],
            children: NodeIds | Sequence[int],
            *,
            steps: Sequence[Hashable] | None = None,
            root: int | None = None,
            artificial_root: bool = False,
            titles: Titles | None = None,
        ) -> None: ...

        def with_titles(self, titles: Titles) -> Self: ...

    def _titled_if(self, titles: Titles | None) -> Self:
        return self if titles is None else self.with_titles(titles)
