"""Samples, folds and weights of tuning and comparing."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeAlias

from sklearn import get_config
from sklearn.model_selection import StratifiedGroupKFold, check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_consistent_length, has_fit_parameter

from sklhier._folds.folds import require_groups
from sklhier._folds.stratified import (
    HierarchicalStratifiedGroupKFold,
    HierarchicalStratifiedKFold,
    coarsened_nodes,
)
from sklhier._targets.paths import LabelFormat, read_targets
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

__all__ = ["LabelledData", "Samples", "read_labelled_data", "weight_params"]


Samples: TypeAlias = tuple[Features, Target, Floats | None]  # X, y and weights


@dataclass(frozen=True)
class LabelledData:
    """Samples with their labels in a tree, and their weights.

    Attributes
    ----------
    X, y
        As the user passed them.
    labels : ndarray, shape (n_samples,)
        `y` as names of nodes, for estimators without a taxonomy.
    nodes : ndarray of int32, shape (n_samples,)
        `y` as ids of nodes.
    taxonomy : Taxonomy
        The tree.
    weights : ndarray of float64, shape (n_samples,), or None
        Weights of the samples.
    """

    X: Features
    y: Target
    labels: Labels
    nodes: NodeIds
    taxonomy: Taxonomy
    weights: Floats | None

    def rows(self, positions: Rows) -> Samples:
        """Return X, y and weights of some rows."""
        weights = None if self.weights is None else self.weights[positions]
        return _safe_indexing(self.X, positions), _safe_indexing(self.y, positions), weights

    def folds(self, cv: CrossValidator, groups: Groups) -> list[tuple[Rows, Rows]]:
        """Return the rows to train on and those to test on, of every fold.

        A number of folds is stratified with rare classes merged; if there are `groups`, none of
        them is split.
        """
        if cv is not None and not isinstance(cv, Integral):
            require_groups(cv, groups, "this function as `groups=`")
            reads_paths = isinstance(
                cv, HierarchicalStratifiedKFold | HierarchicalStratifiedGroupKFold
            )
            target = self.y if reads_paths else self.labels
            return list(check_cv(cv).split(self.X, target, groups))
        n_splits = 5 if cv is None else int(cv)
        if groups is None:
            splitter = HierarchicalStratifiedKFold(n_splits, taxonomy=self.taxonomy)
            return list(splitter.split(self.X, self.labels))
        merged = coarsened_nodes(self.nodes, self.taxonomy, n_splits)
        return list(StratifiedGroupKFold(n_splits).split(self.X, merged, groups))


def read_labelled_data(
    X: Features, y: Target, taxonomy: Taxonomy | None, sample_weight: SampleWeight
) -> LabelledData:
    """Check samples, labels and weights."""
    nodes, tree, form = read_targets(y, taxonomy)
    check_consistent_length(X, nodes)
    names = LabelFormat(form.classes, form.class_ids)
    weights = checked_weights(sample_weight, len(nodes))
    return LabelledData(X, y, names.restore(nodes, tree), nodes, tree, weights)


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
