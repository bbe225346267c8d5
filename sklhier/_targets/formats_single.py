"""Formats of one label, or one path, for each sample."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets

from sklhier._targets.formats_base import EMPTY, UNKNOWN, Format, refuse_unknown_paths
from sklhier._targets.given import Given, as_labels, is_empty
from sklhier._utils import columns as containers
from sklhier._utils.typing import Bools, Labels, NodeIds
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._parsing import is_collection, is_hashable, refuse_equal_types, refuse_gaps

__all__ = ["LevelColumns", "Paths", "SingleLabels"]


class OneEach(Format):
    several = False

    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        nodes = self.nodes(taxonomy)
        cells = ((nodes > 0).astype(np.float64), nodes, np.arange(len(nodes) + 1))
        return ops.marked(sparse.csr_array(cells, shape=(len(nodes), taxonomy.n_nodes)))


class SingleLabels(OneEach):
    name = "labels"
    description = "One label for each sample, in a 1-D container; tuples may be labels"
    why = "its rows are no collections, or name nodes"
    containers = (
        "List or tuple; array of text, numbers, times, objects or StringDType; Series, Index or "
        "array of pandas, also of nullable, categorical and arrow-backed types; Series of polars; "
        "array of pyarrow; data frame of one column"
    )
    reads = "The node of that name. None, NaN, NaT and NA are no label"
    returns = (
        "An array of the type of the labels, of objects where None may be an answer; for a frame "
        "of one column such a frame"
    )

    @staticmethod
    def matches(given: Given) -> bool:
        if given.is_table:
            # What scikit-learn calls a column vector: labels, with a warning.
            kind = getattr(getattr(given.y, "dtype", None), "kind", "O")
            return given.y.shape[1] == 1 and kind not in "OUT"
        if not given.collections:
            return given.asked != "sets" or bool(given.filled)
        return all(map(is_hashable, given.collections)) and any(map(given.is_name, given.rows))

    @cached_property
    def labels(self) -> Labels:
        return as_labels(self.given.y)

    @cached_property
    def values(self) -> list[Any]:
        refuse_equal_types(self.labels.tolist() if self.labels.dtype.kind == "O" else ())
        return containers.values_of(self.labels)

    @cached_property
    def missing(self) -> Bools:
        """Rows without a label."""
        if self.labels.dtype.kind in "biuSU" or set(map(type, self.values)) <= {str, int}:
            return np.zeros(len(self.values), dtype=bool)
        return np.fromiter(map(is_empty, self.values), bool, len(self.values))

    def infer(self, classes: Any = None) -> Taxonomy:
        if classes is not None or self.given.asked != "one":
            return super().infer(classes)
        if self.labels.dtype.kind in "fc":
            check_classification_targets(self.labels)
        return Taxonomy.flat(containers.object_array(self.values))

    def ids(self, taxonomy: Taxonomy) -> NodeIds:
        _refuse_unhashable(self.values)
        ids = taxonomy.ids(self.values)
        if (ids == 0).any():
            row = int(np.argmax(ids == 0))
            raise TargetError.names_root(self.values[row], f", the label of row {row},")
        ids[self.missing] = EMPTY
        return ids

    def refuse(self, ids: NodeIds, taxonomy: Taxonomy) -> None:
        unknown = list(dict.fromkeys(self.values[row] for row in np.flatnonzero(ids == UNKNOWN)))
        if unknown:
            integers = isinstance(unknown[0], int) and not isinstance(taxonomy.nodes[-1], int)
            hint = _ENCODED_HINT if integers else ""
            raise TargetError.unknown(unknown, taxonomy.nodes[1:], hint)


def _refuse_unhashable(labels: list[Any]) -> None:
    for row, label in enumerate(labels if not set(map(type, labels)) <= {str, int} else ()):
        if not is_hashable(label):
            raise TargetError.bad_member(row, label)


_ENCODED_HINT = (
    " y holds integers, as it does when a tool such as CalibratedClassifierCV, StackingClassifier "
    "or cross_val_predict(method='predict_proba') encodes the labels first: pass "
    "classes=np.unique(y) to the classifier, so that it can decode them."
)


class LevelColumns(OneEach):
    name = "level columns"
    description = "An array or data frame with a column for each level, padded at the end"
    why = "it has 2 dimensions, and may hold paths rather than 0 and 1 for each node"
    containers = (
        "Array of text, numbers, times, objects or StringDType; data frame of pandas or polars; "
        "table of pyarrow"
    )
    reads = (
        'A path, from the first level down, with None, NaN, NA or "" behind its end. Whole '
        "numbers in a column of floats are integers"
    )
    returns = (
        "The same container, with its names, types, categories and padding. Whole numbers without "
        "room for padding become nullable ones, or objects, where a decoder may stop early"
    )
    has_steps = True

    @staticmethod
    def matches(given: Given) -> bool:
        return given.is_table

    def infer(self, classes: Any = None) -> Taxonomy:  # noqa: ARG002
        return Taxonomy.from_levels(self.given.paths, strip=False)[1]  # as they are walked

    def ids(self, taxonomy: Taxonomy) -> NodeIds:
        columns, codes = self.given.steps
        empty = (codes < 0).all(axis=1)
        filled = np.flatnonzero(~empty)
        refuse_gaps(codes[filled], columns, filled)
        return np.where(empty, np.int32(EMPTY), np.maximum(taxonomy.walk(columns, codes), UNKNOWN))

    def refuse(self, ids: NodeIds, taxonomy: Taxonomy) -> None:
        columns, codes = self.given.steps
        if (ids == UNKNOWN).any():
            with self.explained():
                refuse_unknown_paths(columns, codes, taxonomy)


class Paths(LevelColumns):
    name = "paths"
    description = "One path for each sample: a list, tuple or array of steps from the first level"
    why = "its rows are lists, tuples or arrays"
    containers = (
        "List, tuple, array of objects or Series of pandas with lists, tuples or arrays; Series "
        "of List in polars; list array of pyarrow; a data frame with these in its only column"
    )
    reads = "The steps of a path, from the first level down; padding at the end is left out"
    returns = "The same container of lists or tuples"

    @staticmethod
    def matches(given: Given) -> bool:
        ordered = all(isinstance(row, list | tuple | np.ndarray) for row in given.collections)
        if given.asked != "any" or not ordered:
            return given.asked == "one" and ordered
        return all(map(is_collection, given.filled)) and given.spells_paths

    @property
    def may_be_sets(self) -> bool:
        """Whether some rows are empty or the taxonomy is a DAG: sets of labels just as well."""
        taxonomy, filled = self.given.taxonomy, self.given.filled
        return taxonomy is not None and (
            not taxonomy.is_tree or len(filled) < len(self.given.rows)
        )
