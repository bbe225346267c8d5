"""Labels of classifiers with a set of them for each sample: read as nodes, and written back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_consistent_length

from sklhier._folds.folds import Splits, folds_among
from sklhier._folds.stratified import HierarchicalStratifiedKFold
from sklhier._targets.label_sets import CollectionFormat, LabelSetFormat, read_label_sets
from sklhier._targets.paths import resolve_taxonomy, same_rows
from sklhier._utils.typing import Bools, Labels, NodeIds, Rows
from sklhier._utils.validation import checked_cv
from sklhier.taxonomy import Taxonomy

__all__ = ["SetTarget"]


@dataclass(frozen=True)
class SetTarget:
    """The labels of a classifier where a sample may have several.

    Attributes
    ----------
    taxonomy : Taxonomy
    format : LabelSetFormat
        How the labels of `fit` looked, and the way back.
    """

    taxonomy: Taxonomy
    format: LabelSetFormat

    @classmethod
    def read(cls, y: Any, taxonomy: Any, classes: Any) -> tuple[Self, sparse.csr_array]:
        """Read the labels of `fit`; return the nodes of each sample with their ancestors, too."""
        closed, taxonomy, form = read_label_sets(y, resolve_taxonomy(taxonomy), classes)
        return cls(taxonomy, form), closed

    def with_classes(self, nodes: NodeIds) -> Self:
        """Return the labels with more classes; a table has the columns that it has."""
        if not (isinstance(self.format, CollectionFormat) and nodes.size):
            return self
        known = np.union1d(self.format.class_ids, nodes).astype(np.int32)
        return replace(self, format=replace(self.format, class_ids=known))

    def read_batch(self, y: Any) -> sparse.csr_array:
        """Return the nodes of each sample of other data, with their ancestors."""
        return self.format.read(y, self.taxonomy)

    def validation_targets(self, y: Any, name: str) -> sparse.csr_array:  # noqa: ARG002
        """Return the nodes of each sample of a validation set, as :meth:`read_batch` does."""
        return self.read_batch(y)

    @property
    def classes(self) -> Labels:
        """Names of the nodes that are columns, or that occur."""
        names = self.taxonomy.node_names[self.format.class_ids]
        # Strings of a fixed width, as NumPy makes them of lists: tools compare the dtypes.
        one_kind = all(isinstance(name, str) for name in names.tolist())
        return names.astype(str) if one_kind else names

    def splitter(
        self, cv: Any, closed: sparse.csr_array, params: dict[str, Any]
    ) -> Callable[[Rows], Splits]:
        """Return a function that cuts rows into folds, for all that is tuned on held-out samples."""
        cv = checked_cv(cv, 3)
        n_samples = int(closed.shape[0])

        def split(rows: Rows) -> Splits:
            indicator = closed[rows][:, 1:]  # the root tells samples not apart
            if isinstance(cv, int):
                splitter = HierarchicalStratifiedKFold(
                    cv, taxonomy=self.taxonomy, classes=self.taxonomy.node_names[1:]
                )
                return list(splitter.split(np.zeros((len(rows), 1)), indicator))
            # Splitters of other packages stratify by dense tables alone.
            return folds_among(cv, rows, n_samples, indicator.astype(np.int8).toarray(), params)

        return split

    def restore(self, closed: Any, X: Any = None) -> Any:
        """Return closed sets as labels; with data frames, rows keep the index of X."""
        closed = closed if type(closed) is sparse.csr_array else sparse.csr_array(closed)
        labels = self.format.restore(closed, self.taxonomy)
        if hasattr(labels, "set_axis") and hasattr(X, "iloc"):
            return labels.set_axis(X.index)
        return labels

    def is_right(self, y: Any, closed: sparse.csr_array) -> Bools:
        """Tell for each sample whether the answer is its true set."""
        true = self.read_batch(y)
        check_consistent_length(true, closed)
        return same_rows(true, closed)
