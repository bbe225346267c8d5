"""Sets of nodes above a threshold, which may be tuned out of fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from numbers import Number
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import clone

from sklhier._probabilities.set_search import Wanted, smallest_below
from sklhier._probabilities.sets import HeldOutSets, SetMarginals
from sklhier._utils.typing import Floats, Integers, Rows
from sklhier._utils.validation import check_choice, check_flag, check_number, check_probability
from sklhier.decoders._registry import register
from sklhier.decoders._set_base import SetDecoder, closed_above
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._node_weights import check_node_weight, read_node_values

__all__ = ["SCOPES", "SetThreshold"]


_N_BINS = 500  # of probabilities, when a threshold is looked for


SCOPES = ("global", "level", "node")


@register("threshold")
class SetThreshold(SetDecoder):
    """All nodes whose probability exceeds a threshold, with their ancestors.

    Parameters
    ----------
    tau : float, "oof", mapping or array-like, default="oof"
        Threshold in [0, 1): one number for all nodes; one for each node, in the order of
        ``taxonomy.nodes[1:]`` or in a mapping by name; or one for each level, from the first.
        ``"oof"`` finds what gives the best micro-averaged hierarchical F1 on out-of-fold
        predictions, which fits every model again in each fold; folds, and so thresholds, depend
        on the order of the rows. 0.5 is best for accuracy, and far too high for rare labels.
    scope : {"global", "level", "node"}, default="global"
        The nodes that share a tuned threshold: all, those of a level, or one.
    shrinkage : float, default=20.0
        With ``scope="node"``: how many samples of a node it takes until its own threshold counts as
        much as the global one; 0 or more.
    at_least_one : bool, default=False
        Whether to answer with the most probable node where none exceeds its threshold.

    References
    ----------
    .. [1] Z. C. Lipton, C. Elkan, B. Naryanaswamy. Optimal thresholding of classifiers to maximize
       F1 measure. ECML PKDD (2014).

    Examples
    --------
    >>> from sklhier.decoders import SetThreshold
    >>> SetThreshold(tau=0.3)
    SetThreshold(tau=0.3)
    """

    def __init__(
        self,
        tau: Any = "oof",
        scope: str = "global",
        shrinkage: float = 20.0,
        at_least_one: bool = False,
    ) -> None:
        self.tau = tau
        self.scope = scope
        self.shrinkage = shrinkage
        self.at_least_one = at_least_one

    @property
    def needs_tuning(self) -> bool:
        """Whether the threshold has to be tuned."""
        return isinstance(self.tau, str) and self.tau == "oof"

    def check(self) -> None:
        """Raise a ValueError if a parameter is out of its range."""
        check_choice("scope", self.scope, SCOPES)
        check_number("shrinkage", self.shrinkage, least=0)
        check_flag("at_least_one", self.at_least_one)
        if self.needs_tuning:
            return
        if self._is_one_number:
            check_probability("tau", self.tau)
            return
        check_node_weight("tau", self.tau, [])
        largest = np.max(list(self.tau.values()) if isinstance(self.tau, Mapping) else self.tau)
        if largest >= 1:
            raise ValueError(f"`tau` must hold probabilities in [0, 1), got {largest:g}.")

    @property
    def _is_one_number(self) -> bool:
        return self.tau is None or isinstance(self.tau, Number | np.generic | str)

    def check_taxonomy(self, taxonomy: Taxonomy) -> None:
        """Raise a ValueError unless there is a threshold for each node, or for each level."""
        if not self._is_one_number:
            read_node_values(self.tau, taxonomy, "tau", levels=True)

    def wanted(self, taxonomy: Taxonomy) -> Wanted:
        """Return the lowest threshold at or below each node."""
        if self._is_one_number:
            return Wanted(least=self.tau)
        tau = read_node_values(self.tau, taxonomy, "tau", levels=True)
        return Wanted(least=smallest_below(np.append(0.0, tau), taxonomy))

    def decode(self, marginals: SetMarginals) -> sparse.csr_array:
        """Return the nodes above their thresholds, and their ancestors."""
        proba, taxonomy = marginals.node_proba, marginals.taxonomy
        if self._is_one_number:
            chosen = proba > self.tau
        else:
            tau = read_node_values(self.tau, taxonomy, "tau", levels=True)
            chosen = np.column_stack([np.zeros(len(proba), dtype=bool), proba[:, 1:] > tau])
        chosen[:, 0] = False
        if self.at_least_one:
            empty = np.flatnonzero(~chosen.any(axis=1))
            best = 1 + np.argmax(proba[empty, 1:], axis=1)
            chosen[empty, best] = proba[empty, best] > 0  # not a node without training rows
        return closed_above(chosen, taxonomy)

    def tuned(self, held_out: Callable[[], Iterator[HeldOutSets]]) -> Self:
        """Return the decoder with the thresholds that are best on held-out samples."""
        if not self.needs_tuning:
            return self
        positive, negative, taxonomy = _histograms(held_out())
        best = _best_thresholds(positive.sum(axis=0), negative.sum(axis=0))
        tau: Any = float(best)
        if self.scope == "level":
            levels = taxonomy.depths[1:] - 1
            counts = [_sums_by(levels, table, taxonomy.n_levels) for table in (positive, negative)]
            tau = _best_thresholds(*counts)
        elif self.scope == "node":
            own = _best_thresholds(positive, negative)
            n_positive = positive.sum(axis=1)
            weight = n_positive + self.shrinkage
            mean = n_positive * own + self.shrinkage * best
            tau = np.divide(mean, weight, out=np.full(len(own), tau), where=weight > 0)
        tuned: Self = clone(self).set_params(tau=tau)
        return tuned


def _histograms(parts: Iterator[HeldOutSets]) -> tuple[Floats, Floats, Taxonomy]:
    """Count, for each node but the root, the probabilities of samples that have it and have not."""
    positive = negative = None
    for part in parts:
        taxonomy = part.marginals.taxonomy
        n_nodes = taxonomy.n_nodes - 1
        bins = np.minimum(part.marginals.node_proba[:, 1:] * _N_BINS, _N_BINS - 1).astype(np.intp)
        bins += np.arange(n_nodes) * _N_BINS
        true = part.closed[:, 1:]
        rows = np.repeat(np.arange(true.shape[0]), np.diff(true.indptr))
        everything = _weighted_counts(bins, part.weights[:, None], n_nodes)
        of_true = _weighted_counts(bins[rows, true.indices], part.weights[rows], n_nodes)
        positive = of_true if positive is None else positive + of_true
        other = everything - of_true
        negative = other if negative is None else negative + other
    if positive is None or negative is None:
        raise ValueError("There is no held-out sample to learn a threshold from.")
    return positive, negative, taxonomy


def _weighted_counts(bins: Rows, weights: Floats, n_nodes: int) -> Floats:
    size = n_nodes * _N_BINS
    weights = np.broadcast_to(weights, bins.shape).ravel()
    counts: Any = np.bincount(bins.ravel(), weights=weights, minlength=size)
    # Without entries, np.bincount returns integers.
    return counts.reshape(n_nodes, _N_BINS).astype(np.float64)


def _sums_by(groups: Integers, table: Floats, n_groups: int) -> Floats:
    sums = np.zeros((n_groups, table.shape[1]))
    np.add.at(sums, groups, table)
    return sums


def _best_thresholds(positive: Floats, negative: Floats) -> Floats:
    """Return the thresholds with the best F1, given counts of samples in bins (the last axis)."""
    right = np.cumsum(positive[..., ::-1], axis=-1)[..., ::-1]
    wrong = np.cumsum(negative[..., ::-1], axis=-1)[..., ::-1]
    needed = right + wrong + right[..., :1]
    f1 = np.divide(2 * right, needed, out=np.zeros_like(right), where=needed > 0)
    # The first bin holds all samples without the node; a threshold there would answer everything.
    edges = (1 + np.argmax(f1[..., 1:], axis=-1)) / _N_BINS
    return np.nextafter(edges, 0.0)  # what lies on the edge belongs to the bin above
