"""Samples, folds and weights of tuning and comparing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn import get_config
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold, check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, check_consistent_length, has_fit_parameter

from sklhier._folds.folds import require_groups
from sklhier._folds.stratified import (
    HierarchicalStratifiedGroupKFold,
    HierarchicalStratifiedKFold,
    coarsened_nodes,
)
from sklhier._targets.any_format import nodes_or_root
from sklhier._targets.label_sets import (
    FrameFormat,
    IndicatorFormat,
    LabelSetFormat,
    closed_sets,
    read_label_sets,
)
from sklhier._targets.paths import LabelFormat, TargetFormat, read_targets
from sklhier._utils.memory_blocks import most_numbers
from sklhier._utils.pipelines import Route
from sklhier._utils.typing import (
    CrossValidator,
    Features,
    Floats,
    Groups,
    Labels,
    NodeIds,
    Rows,
    SampleWeight,
    Target,
)
from sklhier._utils.validation import checked_weights
from sklhier.exceptions import IncompatiblePartsError
from sklhier.taxonomy import Taxonomy

__all__ = [
    "LabelSetData",
    "LabelledData",
    "Samples",
    "read_label_set_data",
    "read_labelled_data",
    "weight_params",
    "with_classes",
]


Samples: TypeAlias = tuple[Features, Target, Floats | None]  # X, y and weights


@dataclass(frozen=True)
class _Data:
    """Samples with their labels, and their weights.

    Attributes
    ----------
    X, y
        As the user passed them.
    taxonomy : Taxonomy
        Tree or DAG of the labels.
    weights : ndarray of float64, shape (n_samples,), or None
        Weights of the samples.
    """

    X: Features
    y: Target
    taxonomy: Taxonomy
    weights: Floats | None

    def __len__(self) -> int:
        return _num_samples(self.X)

    def rows(self, positions: Rows) -> Samples:
        """Return X, y and weights of some rows."""
        weights = None if self.weights is None else self.weights[positions]
        return _safe_indexing(self.X, positions), _safe_indexing(self.y, positions), weights


@dataclass(frozen=True)
class LabelledData(_Data):
    """Samples with one path each.

    Attributes
    ----------
    labels : ndarray, shape (n_samples,)
        `y` as names of nodes, for estimators without a taxonomy; as codes if `y` holds these.
    nodes : ndarray of int32, shape (n_samples,)
        `y` as ids of nodes.
    form : TargetFormat
        How the labels looked.
    """

    labels: Labels
    nodes: NodeIds
    form: TargetFormat

    @property
    def is_encoded(self) -> bool:
        """Whether labels are codes, which mean something by `classes` alone."""
        return isinstance(self.form, LabelFormat) and self.form.encoded

    def read_answers(self, answers: Target) -> NodeIds:
        """Return predicted labels as ids of nodes, 0 for no answer."""
        if self.is_encoded:
            return self.form.read(answers, self.taxonomy)
        return nodes_or_root(answers, self.taxonomy)

    def folds(self, cv: CrossValidator, groups: Groups) -> list[tuple[Rows, Rows]]:
        """Return the rows to train on and those to test on, of every fold.

        A number of folds is stratified with rare classes merged; if there are `groups`, none of
        them is split.
        """
        if cv is not None and not isinstance(cv, Integral):
            target = self.y if _reads_paths(cv) else self.labels
            return _split(cv, self.X, target, groups)
        n_splits = 5 if cv is None else int(cv)
        if groups is None:
            splitter = HierarchicalStratifiedKFold(n_splits, taxonomy=self.taxonomy)
            return list(splitter.split(self.X, self.taxonomy.node_names[self.nodes]))
        merged = coarsened_nodes(self.nodes, self.taxonomy, n_splits)
        return list(StratifiedGroupKFold(n_splits).split(self.X, merged, groups))


@dataclass(frozen=True)
class LabelSetData(_Data):
    """Samples with a set of labels each.

    Attributes
    ----------
    closed : csr_array of float64, shape (n_samples, n_nodes)
        The nodes of each sample with their ancestors, the root left out.
    form : LabelSetFormat
        How the labels looked.
    """

    closed: sparse.csr_array
    form: LabelSetFormat

    @cached_property
    def labels(self) -> Any:
        """`y` for estimators without a taxonomy: a 0/1 table, of all nodes that occur if need be."""
        if isinstance(self.form, IndicatorFormat | FrameFormat):
            return self.y
        return _table(sparse.csr_array(self.closed[:, self._columns]))

    @cached_property
    def _columns(self) -> NodeIds:
        return np.unique(self.closed.indices).astype(np.int32)

    def read_answers(self, answers: Target) -> sparse.csr_array:
        """Return predicted label sets with their ancestors; columns are those of `labels`."""
        is_table = isinstance(self.form, IndicatorFormat | FrameFormat)
        columns = self.form.class_ids if is_table else self._columns
        return closed_sets(answers, self.taxonomy, columns)

    def folds(self, cv: CrossValidator, groups: Groups) -> list[tuple[Rows, Rows]]:
        """Return the rows to train on and those to test on, of every fold.

        In a number of folds all nodes are spread evenly; if there are `groups`, none of them is
        split.
        """
        indicator = sparse.csr_array(self.closed[:, 1:])
        if cv is not None and not isinstance(cv, Integral):
            return _split(cv, self.X, self.y if _reads_paths(cv) else _table(indicator), groups)
        kind = HierarchicalStratifiedKFold if groups is None else HierarchicalStratifiedGroupKFold
        names = self.taxonomy.node_names[1:]
        splitter = kind(5 if cv is None else int(cv), taxonomy=self.taxonomy, classes=names)
        return list(splitter.split(self.X, indicator, groups))


def _reads_paths(cv: Any) -> bool:
    return isinstance(cv, HierarchicalStratifiedKFold | HierarchicalStratifiedGroupKFold)


def _split(cv: Any, X: Features, target: Any, groups: Groups) -> list[tuple[Rows, Rows]]:
    require_groups(cv, groups, "this function as `groups=`")
    return list(check_cv(cv).split(X, target, groups))


def _table(indicator: sparse.csr_array) -> Any:
    """Return an indicator, dense if it fits in memory: most tools take no sparse one."""
    n_numbers = int(indicator.shape[0]) * int(indicator.shape[1])
    small = indicator.astype(np.int8)
    return small.toarray() if n_numbers <= 8 * most_numbers() else sparse.csr_array(small)


def read_labelled_data(
    X: Features,
    y: Target,
    taxonomy: Taxonomy | None,
    sample_weight: SampleWeight,
    classes: npt.ArrayLike | None = None,
) -> LabelledData:
    """Check samples with one path each, and their weights."""
    nodes, tree, form = read_targets(y, taxonomy, classes)
    check_consistent_length(X, nodes)
    names = LabelFormat(form.classes, form.class_ids)
    weights = checked_weights(sample_weight, len(nodes))
    return LabelledData(X, y, tree, weights, names.restore(nodes, tree), nodes, form)


def read_label_set_data(
    X: Features,
    y: Target,
    taxonomy: Taxonomy | None,
    sample_weight: SampleWeight,
    classes: npt.ArrayLike | None = None,
) -> LabelSetData:
    """Check samples with a set of labels each, and their weights."""
    closed, known, form = read_label_sets(y, taxonomy, classes)
    check_consistent_length(X, closed)
    weights = checked_weights(sample_weight, closed.shape[0])
    return LabelSetData(X, y, known, weights, closed, form)


def weight_params(route: Route, weights: Floats | None) -> dict[str, Any]:
    """Return the weights under the name by which they reach the classifier.

    Raises
    ------
    IncompatiblePartsError
        If its ``fit`` does not take weights.
    """
    if weights is None:
        return {}
    if get_config()["enable_metadata_routing"]:
        return {"sample_weight": weights}
    if not has_fit_parameter(route.classifier, "sample_weight"):
        raise IncompatiblePartsError.needs(
            "sample_weight",
            "a classifier whose fit takes it",
            f"that of {type(route.classifier).__name__} does not",
            "Leave the weights out, or take another classifier.",
        )
    return {f"{route.fit_prefix}sample_weight": weights}


def with_classes(estimator: Any, route: Route, classes: npt.ArrayLike | None) -> Any:
    """Return a clone whose classifier knows `classes`, if it can and has none of its own."""
    copy = clone(estimator)
    is_ours = hasattr(route.classifier, "taxonomy")
    if classes is None or not is_ours or getattr(route.classifier, "classes", 0) is not None:
        return copy
    return copy.set_params(**{f"{route.prefix}classes": classes})
