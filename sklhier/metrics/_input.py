"""Reading of what all metrics take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_consistent_length

from sklhier import _targets
from sklhier._typing import Floats, NodeIds
from sklhier._validation import checked_weights
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy

__all__ = ["read_closures", "read_node_weight", "read_nodes"]


def _read_taxonomy(y_true: Any, y_pred: Any, taxonomy: Any) -> Taxonomy:
    resolved = _targets.resolve_taxonomy(taxonomy)
    return _targets.infer_taxonomy(y_true, y_pred) if resolved is None else resolved


def _refuse_empty(n_samples: int) -> None:
    if n_samples == 0:
        raise TargetError("There is nothing to score: y_true and y_pred are empty.")


def read_closures(
    y_true: Any, y_pred: Any, taxonomy: Any, sample_weight: Any
) -> tuple[sparse.csr_array, sparse.csr_array, Floats, Taxonomy]:
    """Return the closures of truth and prediction, (n_samples, n_nodes), weights, taxonomy."""
    resolved = _read_taxonomy(y_true, y_pred, taxonomy)
    true = _targets.closed_indicator(y_true, resolved)
    predicted = _targets.closed_indicator(y_pred, resolved)
    check_consistent_length(true, predicted)
    _refuse_empty(true.shape[0])
    return true, predicted, _weights(sample_weight, true.shape[0]), resolved


def read_nodes(
    y_true: Any, y_pred: Any, taxonomy: Any, sample_weight: Any, what: str
) -> tuple[NodeIds, NodeIds, Floats, Taxonomy]:
    """Return the nodes of truth and prediction in a tree, weights, taxonomy."""
    resolved = _read_taxonomy(y_true, y_pred, taxonomy)
    resolved.require_tree(what)
    true = _targets.nodes_or_root(y_true, resolved)
    predicted = _targets.nodes_or_root(y_pred, resolved)
    check_consistent_length(true, predicted)
    _refuse_empty(len(true))
    return true, predicted, _weights(sample_weight, len(true)), resolved


def _weights(sample_weight: Any, n_samples: int) -> Floats:
    weights = checked_weights(sample_weight, n_samples)
    return np.ones(n_samples) if weights is None else weights


def read_node_weight(node_weight: Any, taxonomy: Taxonomy) -> Floats:
    """Return a weight for every node by id, that of the root 0.

    Raises
    ------
    ValueError
        For negative weights, another number of them, or a node without one.
    """
    weights = np.ones(taxonomy.n_nodes)
    if isinstance(node_weight, Mapping):
        missing = [name for name in taxonomy.nodes[1:] if name not in node_weight]
        if missing:
            raise ValueError(f"node_weight has no weight for the node {missing[0]!r}.")
        weights[1:] = [node_weight[name] for name in taxonomy.nodes[1:]]
    elif node_weight is not None:
        given = np.asarray(node_weight, dtype=np.float64)
        if given.shape != (taxonomy.n_nodes - 1,):
            raise ValueError(
                f"node_weight has a weight for each of the {taxonomy.n_nodes - 1} nodes of "
                f"taxonomy.nodes[1:]; shape {given.shape} was given."
            )
        weights[1:] = given
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("node_weight holds finite weights of 0 or more.")
    weights[0] = 0.0
    return weights
