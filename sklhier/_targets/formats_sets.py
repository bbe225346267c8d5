"""Formats of several labels for each sample as collections, of labels or of paths."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from sklhier._targets.formats_base import Format, refuse_unknown_paths
from sklhier._targets.given import Given, is_empty, unpadded
from sklhier._utils.typing import Rows
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._parsing import factorize_levels, members_by_row, refuse_gaps
from sklhier.taxonomy._sources import AUTO

__all__ = ["LabelSets", "PathSets"]


class LabelSets(Format):
    name = "label sets"
    description = "A collection of labels for each sample; None and an empty one hold no label"
    why = "its rows are sets, or lists of which not all are paths of the taxonomy"
    containers = (
        "List, tuple, array of objects or Series of pandas with lists, tuples, sets, frozensets "
        "or arrays; Series of List in polars; list array of pyarrow; a data frame with these in "
        "its only column"
    )
    reads = (
        "The nodes of these names. None is an empty collection. In a table of lists of one "
        "length, padding at the end is left out"
    )
    returns = (
        "The same container of collections of the same type: the most specific labels, or all of "
        "them if those of training came with their ancestors"
    )

    @staticmethod
    def matches(given: Given) -> bool:  # noqa: ARG004
        return True

    def rows(self, taxonomy: Taxonomy) -> list[Any]:
        """Return the collections, those of a padded table without the padding."""
        rows = self.given.rows
        padded = self.given.is_padded and "" not in taxonomy
        return list(map(unpadded, rows)) if padded else rows

    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        with self.explained():
            return taxonomy.members_of(self.rows(taxonomy))


class PathSets(Format):
    name = "path sets"
    description = "A collection of paths for each sample, a path being a tuple or list of steps"
    why = "its rows are collections of tuples or lists that name no nodes"
    containers = (
        "As label sets, with a list or tuple of steps for each label; array of three dimensions, "
        "padded"
    )
    reads = "The nodes at the ends of these paths"
    returns = (
        "The same container; an array of three dimensions has as many paths for each row as the "
        "longest answer needs, at least those of training"
    )

    @staticmethod
    def matches(given: Given) -> bool:
        if given.is_deep:
            return True
        members = [] if given.asked == "one" else given.members
        paths = all(isinstance(member, list | tuple | np.ndarray) for member in members)
        return bool(members) and paths and not any(map(given.is_name, members))

    @cached_property
    def paths(self) -> tuple[list[Any], Rows]:
        """The paths of all rows one after the other, and the number in each row."""
        rows = [() if is_empty(row) else row for row in self.given.rows]
        return members_by_row(
            [[own for path in row if (own := unpadded(path)) or not len(path)] for row in rows]
        )

    @cached_property
    def steps(self) -> tuple[list[list[Hashable]], Any]:
        paths, counts = self.paths
        columns, codes = factorize_levels(paths)
        refuse_gaps(codes, columns, np.repeat(np.arange(len(counts)), counts))
        return columns, codes

    def infer(self, classes: Any = None) -> Taxonomy:  # noqa: ARG002
        _ = self.steps  # refuses gaps, by the number of the row rather than of the path
        paths, counts = self.paths
        # Where some samples have no path, a first step that all paths share tells something.
        root = None if (counts == 0).any() else AUTO
        return Taxonomy.from_levels(paths, root=root, strip=False)[1]

    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        taxonomy.require_tree("A path")
        (columns, codes), counts = self.steps, self.paths[1]
        with self.explained():
            refuse_unknown_paths(columns, codes, taxonomy)
        cells = (np.ones(len(codes)), taxonomy.walk(columns, codes), ops.offsets_of(counts))
        return ops.marked(sparse.csr_array(cells, shape=(len(counts), taxonomy.n_nodes)))
