"""Precision and recall of the first k labels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.typing import Bools, Floats, NodeIds, SampleWeight, Target
from sklhier.metrics._input import (
    as_collection,
    read_level,
    read_table,
    read_truth,
    read_weights,
    require_same_length,
)
from sklhier.metrics._members import are_members
from sklhier.metrics._paths import ranked_nodes
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["precision_at_k_score", "recall_at_k_score"]


def precision_at_k_score(
    y_true: Target,
    y_score: npt.ArrayLike | Iterable[Sequence[Hashable]],
    *,
    k: int,
    level: int | str | None = None,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> Any:
    r"""Compute the precision of the first `k` labels (P@k).

    It is the mean over the samples of

    .. math::

        \frac{1}{k} \sum_{l \in \mathrm{top}_k} [l \in \hat T_i],

    where :math:`\hat T_i` holds the true labels and all their ancestors, and :math:`\mathrm{top}_k`
    the `k` labels with the highest scores [1]_. No threshold need be chosen. With fewer than `k`
    true labels 1 is out of reach: compare with other models, and read it together with
    :func:`recall_at_k_score`.

    Parameters
    ----------
    y_true : array-like
        Labels in any format, one or more for each sample. None is the empty set.
    y_score : array-like
        Probabilities or other scores, shape (n_samples, n_nodes) or (n_samples, n_nodes - 1), as
        returned by ``predict_node_proba``; ties are broken by the order of ``taxonomy.nodes``. Or
        labels (names of nodes), the most probable first, shape (n_samples, n_top), as returned by
        ``predict_top_k``.
    k : int
        Number of labels, from 1 to the number that compete.
    level : int, "each" or None, default=None
        The nodes that compete: the leaves (None), or those of one level, counted from 1, or from
        -1, the deepest. ``"each"``: one value for each level; a level with fewer than `k` nodes
        counts with all of them. Lists of labels have no levels.
    taxonomy : Taxonomy or networkx.DiGraph
        Tree or DAG of the labels.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.
    missing : {"error", "ignore"}, default="error"
        Missing cells (NaN, None, masked) of an indicator in `y_true`: an error, or not annotated. A
        node that is not annotated does not compete for its sample; a sample without any competing
        node is left out.

    Returns
    -------
    score : float, or ndarray of float64, shape (n_levels,)
        In [0, 1]; NaN if no sample is left.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and without a taxonomy.
    ValueError
        For another `k` or `level`, another number of columns, or scores that are not finite.

    References
    ----------
    .. [1] K. Bhatia, H. Jain, P. Kar, M. Varma, P. Jain. Sparse local embeddings for extreme
       multi-label classification. NeurIPS (2015).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import precision_at_k_score
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true = [{"owl", "eel"}, {"wren"}]
    >>> y_score = [[0.9, 0.6, 0.8, 0.1, 0.5], [0.7, 0.3, 0.6, 0.4, 0.3]]
    >>> precision_at_k_score(y_true, y_score, k=1, taxonomy=taxonomy)  # owl, owl
    0.5
    >>> precision_at_k_score(y_true, y_score, k=2, taxonomy=taxonomy)
    0.75
    >>> precision_at_k_score(y_true, y_score, k=1, level="each", taxonomy=taxonomy)
    array([1. , 0.5])
    >>> precision_at_k_score(y_true, [["owl"], ["wren"]], k=1, taxonomy=taxonomy)
    1.0
    """
    return _at_k(
        _precision,
        y_true,
        y_score,
        k,
        level,
        taxonomy,
        sample_weight,
        classes=classes,
        missing=missing,
    )


def recall_at_k_score(
    y_true: Target,
    y_score: npt.ArrayLike | Iterable[Sequence[Hashable]],
    *,
    k: int,
    level: int | str | None = None,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> Any:
    """Compute the recall of the first `k` labels (R@k).

    It is the share of the true labels that are among the `k` labels with the highest scores,
    averaged over the samples with a true label among those that compete. If every sample has one
    label, it is the top-k accuracy.

    Parameters
    ----------
    y_true, y_score, k, level, taxonomy, sample_weight, classes, missing
        See :func:`precision_at_k_score`. For lists of labels, the most specific true labels count.

    Returns
    -------
    score : float, or ndarray of float64, shape (n_levels,)
        In [0, 1]; NaN if no sample has a label that competes.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import recall_at_k_score
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true = [{"owl", "eel"}, {"wren"}]
    >>> y_score = [[0.9, 0.6, 0.8, 0.1, 0.5], [0.7, 0.3, 0.6, 0.4, 0.3]]
    >>> recall_at_k_score(y_true, y_score, k=1, taxonomy=taxonomy)
    0.25
    >>> recall_at_k_score(y_true, y_score, k=2, taxonomy=taxonomy)
    1.0
    """
    return _at_k(
        _recall,
        y_true,
        y_score,
        k,
        level,
        taxonomy,
        sample_weight,
        classes=classes,
        missing=missing,
    )


class Counts(NamedTuple):
    """Numbers of labels of each sample, arrays of shape (n_samples,).

    `right` are those of the first k that are true, `found` those that are true labels themselves,
    `taken` those that were known, and `true` all true labels that compete.
    """

    right: Floats
    found: Floats
    taken: Floats
    true: Floats


_Shares = Callable[[Counts], tuple[Floats, Floats]]


def _precision(counts: Counts) -> tuple[Floats, Floats]:
    return counts.right, counts.taken


def _recall(counts: Counts) -> tuple[Floats, Floats]:
    return counts.found, counts.true


def _at_k(
    shares: _Shares,
    y_true: Target,
    y_score: Any,
    k: int,
    level: int | str | None,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
    *,
    classes: npt.ArrayLike | None,
    missing: str,
) -> Any:
    true, unknown, resolved = read_truth(y_true, taxonomy, classes, missing)
    y_score = as_collection(y_score, "y_score")
    weights = read_weights(sample_weight, true.shape[0])
    if not _holds_numbers(y_score):
        return _of_lists(shares, true, unknown, y_score, k, level, weights, resolved)
    scores = read_table(y_score, resolved, "y_score")
    require_same_length("y_true", true.shape[0], "y_score", len(scores))
    offsets = resolved.level_offsets
    if level is None:
        _check_k(k, len(resolved.leaf_ids), "leaves")
        return _of_nodes(shares, true, unknown, scores, k, resolved.leaf_ids, weights)
    if isinstance(level, str):
        if level != "each":
            raise ValueError(f"`level` must be a number, 'each' or None, got {level!r}.")
        _check_k(k, resolved.n_nodes - 1, "nodes")
        levels = range(1, resolved.n_levels + 1)
    else:
        depth = read_level(level, resolved.n_levels)
        _check_k(k, int(offsets[depth + 1] - offsets[depth]), f"nodes of level {depth}")
        levels = range(depth, depth + 1)
    values = [
        _of_nodes(
            shares,
            true,
            unknown,
            scores,
            k,
            np.arange(offsets[number], offsets[number + 1], dtype=np.int32),
            weights,
        )
        for number in levels
    ]
    return np.array(values) if isinstance(level, str) else values[0]


def _check_k(k: int, n_competing: int, what: str) -> None:
    if not (isinstance(k, int | np.integer) and 1 <= k <= n_competing):
        raise ValueError(
            f"`k` must be in [1, {n_competing}], the number of {what} that compete, got {k!r}."
        )


def _holds_numbers(y_score: Any) -> bool:
    """Whether a table holds scores rather than names of nodes."""
    if hasattr(y_score, "columns"):
        return True
    kind = getattr(getattr(y_score, "dtype", None), "kind", None)
    if kind is not None and kind != "O":
        return kind == "f"
    first = next(iter(y_score), ())
    cells = [] if isinstance(first, str) or not hasattr(first, "__iter__") else list(first)
    return bool(cells) and all(isinstance(cell, float | np.floating) for cell in cells)


def _mean(above: Floats, below: Floats, weights: Floats) -> float:
    counted = weights * (below > 0)
    if not counted.any():
        return float("nan")
    ratios = np.divide(above, below, out=np.zeros(len(above)), where=below > 0)
    return float(np.average(ratios, weights=counted))


def _of_nodes(
    shares: _Shares,
    true: sparse.csr_array,
    unknown: sparse.csr_array | None,
    scores: Floats,
    k: int,
    nodes: NodeIds,
    weights: Floats,
) -> float:
    """Return the mean over the samples, where some nodes compete."""
    n_samples = len(scores)
    hits, taken, found = (np.zeros(n_samples) for _ in range(3))
    for rows in row_blocks(n_samples, 4 * len(nodes)):
        block = scores[rows][:, nodes - 1].copy()
        right = true[rows][:, nodes].toarray() > 0
        known = np.ones(block.shape, dtype=bool)
        if unknown is not None:
            known = unknown[rows][:, nodes].toarray() == 0
            block[~known] = -np.inf
        order = np.argsort(-block, axis=1, kind="stable")[:, :k]
        hits[rows] = np.take_along_axis(right, order, axis=1).sum(axis=1)
        taken[rows] = np.take_along_axis(known, order, axis=1).sum(axis=1)
        found[rows] = right.sum(axis=1)
    return _mean(*shares(Counts(hits, hits, taken, found)), weights)


def _of_lists(
    shares: _Shares,
    true: sparse.csr_array,
    unknown: sparse.csr_array | None,
    y_top: Any,
    k: int,
    level: int | str | None,
    weights: Floats,
    taxonomy: Taxonomy,
) -> float:
    """Return the mean over the samples, of lists of labels."""
    if level is not None:
        raise ValueError(
            f"`level` must be None for lists of labels, which may be of any level, got {level!r}. "
            "Pass the result of predict_node_proba instead."
        )
    top = ranked_nodes(y_top, taxonomy, "y_score")
    require_same_length("y_true", true.shape[0], "y_score", len(top))
    _check_k(k, top.shape[1], "labels of each row")
    # Ancestors are right answers, too, but recall is of the labels themselves.
    specific = taxonomy.most_specific_of(true)
    hits, found, taken = (np.zeros(len(top)) for _ in range(3))
    for column in top[:, :k].T:  # at most k steps
        known: Bools = np.ones(len(top), dtype=bool)
        if unknown is not None:
            known = ~are_members(unknown, column)
        hits += are_members(true, column)
        found += are_members(specific, column)
        taken += known
    counts = np.diff(specific.indptr).astype(np.float64)
    return _mean(*shares(Counts(hits, found, taken, counts)), weights)
