"""Labels of classifiers with one path for each sample: read as nodes, and written back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_consistent_length

from sklhier._folds.folds import Splits, folds_among
from sklhier._folds.stratified import HierarchicalStratifiedKFold
from sklhier._local.validation_sets import known_targets
from sklhier._targets.paths import (
    LabelFormat,
    LevelFormat,
    TargetFormat,
    label_sets,
    read_targets,
    same_rows,
    shown_row,
    with_classes,
)
from sklhier._utils.typing import Bools, Labels, NodeIds, Rows
from sklhier._utils.validation import checked_cv
from sklhier.decoders import Decoder
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._oddities import warn_if_paths

__all__ = ["PathTarget", "labels_of_batches"]


@dataclass(frozen=True)
class PathTarget:
    """The labels of a classifier where a sample has one path.

    Attributes
    ----------
    taxonomy : Taxonomy
    format : TargetFormat
        How the labels of `fit` looked, and the way back.
    """

    taxonomy: Taxonomy
    format: TargetFormat

    @classmethod
    def read(
        cls, y: Any, taxonomy: Taxonomy | None, classes: Any, *, staged: bool = False
    ) -> tuple[Self, NodeIds]:
        """Read the labels of `fit`; return the node of each label, too.

        Warn about labels that look like paths, but are read without a hierarchy; of models that
        learn from those above them (`staged`), on less evidence.
        """
        nodes, found, form = read_targets(y, taxonomy, classes)
        if taxonomy is None and isinstance(form, LabelFormat):
            warn_if_paths(form.classes.tolist(), staged=staged)
        return cls(found, form), nodes

    def with_classes(self, nodes: NodeIds, classes: Any) -> Self:
        """Return the labels with more classes: `nodes`; codes of labels are those of `classes`."""
        more = np.setdiff1d(nodes, self.format.class_ids)
        if not more.size:
            return self
        return replace(self, format=with_classes(self.format, more, self.taxonomy, classes))

    def read_batch(self, y: Any, known: NodeIds) -> NodeIds:
        """Return the node of each label of a later batch; refuse those that are not known."""
        nodes = self.format.read(y, self.taxonomy)
        unknown = ~np.isin(nodes, known)
        if unknown.any():
            row = int(np.argmax(unknown))
            raise TargetError(
                f"{shown_row(y, row)} is not among the {len(known)} classes of the first call. Pass "
                "all labels that may occur as `classes` in the first call to partial_fit."
            )
        return nodes

    def validation_targets(self, y: Any, name: str) -> NodeIds:
        """Return the node of each label of a validation set, a fit parameter of that name."""
        try:
            nodes: NodeIds = known_targets(self.format.read(y, self.taxonomy))
        except TargetError as error:
            raise TargetError(f"`{name}`: {error}") from error
        return nodes

    def splitter(
        self, cv: Any, nodes: NodeIds, params: dict[str, Any]
    ) -> Callable[[Rows], Splits]:
        """Return a function that cuts rows into folds, for all that is tuned on held-out samples."""
        cv = checked_cv(cv, 5)
        if isinstance(cv, int):
            cv = HierarchicalStratifiedKFold(cv, taxonomy=self.taxonomy)
        names = self.taxonomy.node_names[nodes]  # labels in any format are names to a splitter
        return lambda rows: folds_among(cv, rows, len(nodes), names[rows], params)

    def names_of(self, nodes: NodeIds, decoder: Decoder) -> Labels:
        """Return answers of a decoder as 1-D labels, whatever those of `fit` stood in."""
        encoded = isinstance(self.format, LabelFormat) and self.format.encoded
        form = LabelFormat(self.format.classes, self.format.class_ids, encoded)
        labels: Labels = form.restore(nodes, self.taxonomy, decoder.gives)
        return labels

    @property
    def level_names(self) -> list[str]:
        """The names of the columns of the labels of `fit`, if they had some for each level."""
        columns = self.format.columns if isinstance(self.format, LevelFormat) else ()
        return [*columns] if all(isinstance(name, str) for name in columns) else []

    def restore(self, answers: Any, decoder: Decoder) -> Any:
        """Return the answers of a decoder, nodes or closed sets of them, as labels."""
        if sparse.issparse(answers):
            return label_sets(answers, self.taxonomy)
        return self.format.restore(answers, self.taxonomy, decoder.gives)

    def is_right(self, y: Any, answers: Any) -> Bools:
        """Tell for each sample whether the answer is the true node, or its closed set."""
        true = self.format.read(y, self.taxonomy)
        check_consistent_length(true, answers)
        if not sparse.issparse(answers):
            right: Bools = true == answers
            return right
        # Labels that are no nodes have -1, and are wrong whatever the answer is.
        wanted = self.taxonomy.ancestors_of(np.maximum(true, 0))
        return (true >= 0) & same_rows(wanted, answers)


def labels_of_batches(*known: Any, taxonomy: Taxonomy | None) -> Any:
    """Return all labels that may occur in batches: the first that are known, or all leaves."""
    for labels in known:
        if labels is not None:
            return labels
    if taxonomy is None:
        raise ValueError("classes must be passed on the first call to partial_fit.")
    return list(taxonomy.leaves)
