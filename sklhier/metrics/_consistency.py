"""Rate of predictions that contradict the taxonomy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._targets.any_format import nodes_or_indicator
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.typing import Bools, Floats, SampleWeight, Target
from sklhier.exceptions import TargetError
from sklhier.metrics._input import as_collection, read_table, read_weights, require_taxonomy
from sklhier.metrics._members import parents_inside
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._graph import entry_rows
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["violation_rate"]


def violation_rate(
    y: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    tolerance: float = 1e-9,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
) -> float:
    """Compute the share of samples that contradict the taxonomy.

    A set of labels contradicts it by holding a node without one of its parents; probabilities, by a
    node that is more probable than one of its parents. The root is left out. **Smaller is better.**

    Parameters
    ----------
    y : array-like
        Predictions: sets of labels, or a 0/1 indicator over ``taxonomy.nodes[1:]``, both without
        added ancestors; or probabilities, an array of floats with a column for each node of
        ``taxonomy.nodes`` or for all but the root. Single labels and paths mean whole paths and
        never contradict it.
    taxonomy : Taxonomy or networkx.DiGraph
        Tree or DAG.
    tolerance : float, default=1e-9
        Amount by which a node may be more probable than its parent; 0 or more.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.

    Returns
    -------
    rate : float
        In [0, 1].

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, without a taxonomy, and for a sparse matrix that is
        not an indicator.
    ValueError
        For probabilities with a wrong number of columns.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import violation_rate
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> violation_rate([{"bird", "owl"}, {"owl", "fish"}], taxonomy=taxonomy)
    0.5
    >>> taxonomy.nodes[1:]
    ('bird', 'fish', 'owl', 'wren', 'eel')
    >>> violation_rate([[0.7, 0.3, 0.6, 0.1, 0.4]], taxonomy=taxonomy)
    1.0
    """
    resolved = require_taxonomy(taxonomy)
    if not tolerance >= 0:
        raise ValueError(f"`tolerance` must be 0 or more, got {tolerance!r}.")
    y = as_collection(y, "y")
    if _holds_probabilities(y):
        violated = _in_probabilities(read_table(y, resolved, "y"), resolved, tolerance)
    else:
        violated = _in_labels(y, resolved, classes)
    if not len(violated):
        raise TargetError("There is nothing to score: y is empty.")
    return float(np.average(violated, weights=read_weights(sample_weight, len(violated))))


def _holds_probabilities(y: Target) -> bool:
    if sparse.issparse(y):
        return False
    if hasattr(y, "columns"):
        y = np.asarray(y)
    elif isinstance(y, list | tuple) and y and isinstance(y[0], list | tuple | np.ndarray):
        kinds = set(map(type, y[0]))
        return bool(kinds) and all(issubclass(kind, float) for kind in kinds)
    return isinstance(y, np.ndarray) and y.ndim == 2 and y.dtype.kind == "f"


def _in_probabilities(proba: Floats, taxonomy: Taxonomy, tolerance: float) -> Bools:
    inner = taxonomy.edge_parents > 0
    above, below = taxonomy.edge_parents[inner] - 1, taxonomy.edge_children[inner] - 1
    violated = np.zeros(len(proba), dtype=bool)
    for rows in row_blocks(len(proba), len(above)):
        # In blocks: a DAG has more edges than nodes, so this table may be larger than the input.
        excess = proba[rows][:, below] - proba[rows][:, above]
        violated[rows] = (excess > tolerance).any(axis=1)
    return violated


def _refuse_other_numbers(indicator: sparse.csr_array) -> None:
    if not np.isin(indicator.data, (0, 1)).all():
        raise TargetError(
            "A sparse matrix is read as an indicator and must hold only 0 and 1, got other numbers. "
            "Pass probabilities as a dense array."
        )


def _in_labels(y: Target, taxonomy: Taxonomy, classes: npt.ArrayLike | None) -> Bools:
    if sparse.issparse(y):
        _refuse_other_numbers(y.tocsr())
    given = nodes_or_indicator(y, taxonomy, classes)
    violated = np.zeros(given.shape[0], dtype=bool)
    if isinstance(given, np.ndarray):
        return violated
    # The root has no column, so edges from it cannot be violated.
    inner = taxonomy.edge_children[taxonomy.edge_parents > 0]
    n_parents = np.bincount(inner, minlength=taxonomy.n_nodes)
    orphans = parents_inside(given, taxonomy) < n_parents[given.indices]
    violated[entry_rows(given)[orphans]] = True
    return violated
