"""Reading of what all metrics take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from sklhier._targets.any_format import closed_indicator, closure_of, detect_all, labels_of
from sklhier._targets.paths import resolve_taxonomy
from sklhier._utils.typing import Floats, NodeIds, SampleWeight, Target
from sklhier._utils.validation import checked_weights
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = [
    "read_closures",
    "read_labels",
    "read_level",
    "read_node_proba",
    "read_nodes",
    "read_scores",
    "read_table",
    "read_weights",
    "require_taxonomy",
]

# Probabilities that are sums of others may leave [0, 1] by rounding.
_ROUNDING = 1e-6


def require_taxonomy(taxonomy: TaxonomyLike | None) -> Taxonomy:
    """Return the taxonomy of a metric whose input does not spell it out."""
    resolved = resolve_taxonomy(taxonomy)
    if resolved is None:
        raise TargetError(
            "Columns of numbers and single labels do not tell how nodes are related: pass "
            "`taxonomy=`."
        )
    return resolved


def _refuse_empty(n_samples: int) -> None:
    if n_samples == 0:
        raise TargetError("There is nothing to score: y_true and y_pred are empty.")


def read_closures(
    y_true: Target,
    y_pred: Target,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
    tree_for: str = "",
) -> tuple[sparse.csr_array, sparse.csr_array, Floats, Taxonomy]:
    """Return the closures of truth and prediction, (n_samples, n_nodes), weights, taxonomy.

    If `tree_for` names something that only a tree can answer, DAGs are refused.
    """
    forms, resolved = detect_all((y_true, y_pred), resolve_taxonomy(taxonomy), "any")
    if tree_for:
        resolved.require_tree(tree_for)
    true, predicted = (closure_of(form, resolved) for form in forms)
    check_consistent_length(true, predicted)
    _refuse_empty(true.shape[0])
    return true, predicted, read_weights(sample_weight, true.shape[0]), resolved


def read_labels(
    y_true: Target, y_pred: Target, taxonomy: TaxonomyLike | None, sample_weight: SampleWeight
) -> tuple[NodeIds | sparse.csr_array, NodeIds | sparse.csr_array, Floats, Taxonomy]:
    """Return the labels as given, without ancestors: a node for each row, or an indicator."""
    forms, resolved = detect_all((y_true, y_pred), resolve_taxonomy(taxonomy), "any")
    true, predicted = (labels_of(form, resolved) for form in forms)
    check_consistent_length(true, predicted)
    _refuse_empty(true.shape[0])
    return true, predicted, read_weights(sample_weight, true.shape[0]), resolved


def read_nodes(
    y_true: Target,
    y_pred: Target,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
    what: str,
) -> tuple[NodeIds, NodeIds, Floats, Taxonomy]:
    """Return the nodes of truth and prediction in a tree, weights, taxonomy."""
    forms, resolved = detect_all((y_true, y_pred), resolve_taxonomy(taxonomy), "one")
    resolved.require_tree(what)
    true, predicted = (form.nodes(resolved) for form in forms)
    check_consistent_length(true, predicted)
    _refuse_empty(len(true))
    return true, predicted, read_weights(sample_weight, len(true)), resolved


def read_weights(sample_weight: SampleWeight, n_samples: int) -> Floats:
    """Return a weight for each sample, 1 by default."""
    weights = checked_weights(sample_weight, n_samples)
    return np.ones(n_samples) if weights is None else weights


def read_level(level: int, n_levels: int) -> int:
    """Return a level counted from 1, from one that may count from the deepest as -1."""
    if not 1 <= abs(level) <= n_levels:
        raise ValueError(
            f"`level` must be in [1, {n_levels}], or negative to count from the deepest, got "
            f"{level!r}."
        )
    return level if level > 0 else n_levels + 1 + level


# -- numbers for nodes --------------------------------------------------------------------


def read_table(table: npt.ArrayLike, taxonomy: Taxonomy, name: str) -> Floats:
    """Return numbers for all nodes but the root, shape (n_samples, n_nodes - 1).

    The column of the root may be there or not.
    """
    values = check_array(table, dtype=np.float64, ensure_min_samples=0, input_name=name)
    if values.shape[1] not in (taxonomy.n_nodes - 1, taxonomy.n_nodes):
        raise ValueError(
            f"`{name}` must have a column for each of the {taxonomy.n_nodes} nodes of "
            f"taxonomy.nodes, or for all but the root, got {values.shape[1]} columns."
        )
    return values[:, values.shape[1] - taxonomy.n_nodes + 1 :]


def read_scores(
    y_true: Target,
    y_score: npt.ArrayLike,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
    name: str,
) -> tuple[sparse.csr_array, Floats, Floats, Taxonomy]:
    """Return closures and scores, both without the root (n_samples, n_nodes - 1)."""
    resolved = require_taxonomy(taxonomy)
    true = sparse.csr_array(closed_indicator(y_true, resolved)[:, 1:])
    scores = read_table(y_score, resolved, name)
    check_consistent_length(true, scores)
    _refuse_empty(true.shape[0])
    return true, scores, read_weights(sample_weight, true.shape[0]), resolved


def read_node_proba(
    y_true: Target,
    node_proba: npt.ArrayLike,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
) -> tuple[sparse.csr_array, Floats, Floats, Taxonomy]:
    """Return what :func:`read_scores` does; refuse what are no probabilities."""
    true, proba, weights, resolved = read_scores(
        y_true, node_proba, taxonomy, sample_weight, "node_proba"
    )
    low, high = proba.min(), proba.max()
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ValueError(
            f"`node_proba` must hold probabilities in [0, 1], got values from {low:g} to {high:g}."
        )
    return true, proba, weights, resolved
