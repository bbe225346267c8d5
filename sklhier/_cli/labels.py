"""Labels of tables: a taxonomy for paths, and what ``fit`` takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from sklhier import Taxonomy
from sklhier._cli.columns import Columns
from sklhier._cli.console import CommandError, note

__all__ = ["Labelled", "with_taxonomy"]


@dataclass(frozen=True)
class Labelled:
    """The labels of some samples, as a model learns them.

    Attributes
    ----------
    y : ndarray of str, or list of list of str
        Names of nodes: one for each sample, or several.
    taxonomy : Taxonomy
    """

    y: Any
    taxonomy: Taxonomy

    @property
    def has_sets(self) -> bool:
        return isinstance(self.y, list)

    @property
    def distinct(self) -> set[Any]:
        """The labels that occur."""
        if self.has_sets:
            return {label for labels in self.y for label in labels}
        return set(self.y.tolist())

    def part(self, rows: np.ndarray[Any, Any]) -> Any:
        """Return the labels of some samples."""
        return [self.y[row] for row in rows.tolist()] if self.has_sets else self.y[rows]


def with_taxonomy(
    columns: Columns, labels: Sequence[list[Any]], taxonomy: Taxonomy | None, name: str
) -> Labelled:
    """Return labels as names of nodes; without a taxonomy, one is made of their paths.

    Parameters
    ----------
    columns : Columns
    labels : list of list
        Paths; names of nodes if there is a taxonomy.
    taxonomy : Taxonomy or None
    name : str
        The file, for messages.
    """
    flat: list[Any] = [label for of_row in labels for label in of_row]
    if taxonomy is None:
        depth = max(map(len, flat))
        if columns.label is not None and depth == 1:
            note(
                f"note: no label of {columns.label!r} holds {columns.sep!r}, so that all classes "
                "are on one level. If paths are separated by something else, name it by --sep."
            )
        padded = [[*path, *[""] * (depth - len(path))] for path in flat]
        try:
            names, taxonomy = Taxonomy.from_levels(padded, sep=columns.name_sep)
        except ValueError as error:
            raise CommandError(f"{name}: {error}") from error
        flat = names.tolist()
    if columns.label_sep is None:
        return Labelled(_array(flat), taxonomy)
    rest = iter(flat)
    return Labelled(list(_grouped(rest, labels)), taxonomy)


def _grouped(flat: Iterator[Any], labels: Sequence[list[Any]]) -> Iterator[list[Any]]:
    for of_row in labels:
        yield list(dict.fromkeys(islice(flat, len(of_row))))


def _array(names: list[Any]) -> np.ndarray[Any, Any]:
    if all(isinstance(name, str) for name in names):
        return np.array(names)
    array = np.empty(len(names), dtype=object)
    array[:] = names
    return array
