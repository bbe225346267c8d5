"""Labels of samples as users give them, read row by row."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

from sklhier._utils.columns import frame_columns, is_frame, package_of, values_of
from sklhier.exceptions import TargetError, shown
from sklhier.taxonomy._construction import checked_names
from sklhier.taxonomy._parsing import label_array, refuse_equal_types
from sklhier.taxonomy._sources import steady_key

__all__ = ["in_rows", "one_column", "sorted_names", "values_of_labels"]


def in_rows(labels: Any) -> Any:
    """Return labels that can be read more than once; refuse what has no rows."""
    if isinstance(labels, set | frozenset):
        raise TargetError("Labels must have an order, got a set. Pass a list.")
    if isinstance(labels, Iterator):
        return list(labels)
    if package_of(labels) == "polars" and hasattr(labels, "collect"):
        raise TargetError(
            f"Labels must be in memory, got {type(labels).__name__}. Collect it first."
        )
    if hasattr(labels, "dask"):
        raise TargetError("Labels must be in memory, got a dask collection. Compute it first.")
    if isinstance(labels, str | bytes) or not (hasattr(labels, "__iter__") or is_frame(labels)):
        raise TargetError(f"There must be a label or path for each sample, got {shown(labels)}.")
    return labels


def one_column(labels: Any) -> Any:
    """Return the column of a table that has no other, anything else unchanged."""
    if not is_frame(labels):
        return labels
    columns = frame_columns(labels)
    if len(columns) != 1:
        raise TargetError(
            f"A table of labels must have one column, got {len(columns)}. For one column for each "
            "level use `from_levels`."
        )
    return columns[0]


def values_of_labels(labels: Any) -> list[Any]:
    """Return one label for each row as Python objects."""
    return list(values_of(label_array(one_column(in_rows(labels)))))


def sorted_names(values: list[Any]) -> list[Hashable]:
    """Return distinct labels in order, refusing those that cannot name a node."""
    refuse_equal_types(values)
    return sorted(dict.fromkeys(checked_names(values, "as a label")), key=steady_key)
