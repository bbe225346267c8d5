"""Sets of nodes above a threshold, which may be tuned out of fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse
from sklearn.base import clone

from sklhier._probabilities.set_search import Wanted
from sklhier._probabilities.sets import HeldOutSets, SetMarginals
from sklhier._utils.typing import Floats, Integers, Rows
from sklhier._utils.validation import check_choice, check_flag, check_integer, check_number
from sklhier.decoders._node_thresholds import SCOPES, NodeBars, check_tau, is_tuned, node_bars
from sklhier.decoders._registry import register
from sklhier.decoders._set_base import SetDecoder, closed_above
from sklhier.taxonomy import Taxonomy

__all__ = ["Histograms", "SetThreshold"]


_N_BINS = 500  # of probabilities, when a threshold is looked for


@register("threshold")
class SetThreshold(SetDecoder):
    """All nodes whose probability exceeds a threshold, with their ancestors.

    Parameters
    ----------
    tau : float, "oof", mapping or array-like, default="oof"
        Threshold in [0, 1]; a node is answered if its probability is larger, so that no node is at
        1. One number for all nodes; one for each level, from the first; one for each node, in the
        order of ``taxonomy.nodes[1:]``; or a mapping by names of nodes, where ``"level:k"`` means
        all other nodes of level `k`. ``"oof"`` tunes thresholds for the best micro-averaged
        hierarchical F1 on out-of-fold predictions, for one more fit of every model in each fold;
        folds, and so thresholds, depend on the order of rows. 0.5 is best for accuracy, and far too
        high for rare labels.
    scope : {"global", "level", "node"}, default="global"
        The nodes that share a tuned threshold: all, those of a level, or a single node.
    shrinkage : float, default=20.0
        With ``scope="node"``: number of samples of a node at which its own threshold counts as much
        as the global one; 0 or more.
    at_least_one : bool, default=False
        Whether to answer with the most probable node if none exceeds its threshold.
    min_rows : int, default=0
        With ``scope="node"``: fewest held-out samples that must have a node for a threshold of its
        own; other nodes get that of their level.

    Attributes
    ----------
    threshold_report_ : dict of str to ndarray, shape (n_nodes - 1,)
        If thresholds were tuned, on the decoder in use (``decoder_`` of a classifier): for each
        ``node`` its ``level``, ``tau``, ``n_rows`` (held-out samples that have it) and the
        ``source`` of its threshold: ``"global"``, ``"level"`` or ``"node"``.

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
        min_rows: int = 0,
    ) -> None:
        self.tau = tau
        self.scope = scope
        self.shrinkage = shrinkage
        self.at_least_one = at_least_one
        self.min_rows = min_rows

    @property
    def needs_tuning(self) -> bool:
        """Whether the threshold has to be tuned."""
        return is_tuned(self.tau)

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""
        check_tau(self, self.tau)
        check_choice("scope", self.scope, SCOPES)
        check_number("shrinkage", self.shrinkage, least=0)
        check_flag("at_least_one", self.at_least_one)
        check_integer("min_rows", self.min_rows, least=0)

    def check_taxonomy(self, taxonomy: Taxonomy) -> None:
        """Raise a ValueError unless there is a threshold for each node, or for each level."""
        if not self.needs_tuning:
            node_bars(self, self.tau, taxonomy)

    def wanted(self, taxonomy: Taxonomy) -> Wanted:
        """Return the lowest threshold at or below each node."""
        bars = node_bars(self, self.tau, taxonomy)
        # The root is always gone below, for `at_least_one`.
        return Wanted(bars.least if isinstance(bars, NodeBars) else min(bars.height, 1.0))

    def decode(self, marginals: SetMarginals) -> sparse.csr_array:
        """Return the nodes above their thresholds, and their ancestors."""
        proba, taxonomy = marginals.node_proba, marginals.taxonomy
        chosen = proba > node_bars(self, self.tau, taxonomy).height
        chosen[:, 0] = False
        if self.at_least_one:
            empty = np.flatnonzero(~chosen.any(axis=1))
            best = 1 + np.argmax(proba[empty, 1:], axis=1)
            chosen[empty, best] = proba[empty, best] > 0  # not a node without training rows
        return closed_above(chosen, taxonomy)

    def tuned(self, held_out: Callable[[], Iterator[HeldOutSets]]) -> Self:
        """Return the decoder with the thresholds that are best on held-out samples."""
        return self._tuned_by(map(self._evidence, held_out())) if self.needs_tuning else self

    def _evidence(self, part: HeldOutSets) -> Histograms:
        """Return what `_tuned_by` needs of a block of held-out samples."""
        return Histograms.of(part)

    def _pooled(self, evidence: list[Histograms]) -> list[Histograms]:
        """Return the evidence of several blocks in as little memory as it takes."""
        return [Histograms.summed(evidence)]

    def _tuned_by(self, evidence: Iterable[Histograms]) -> Self:
        """Return the decoder with the thresholds that are best on held-out samples."""
        found = Histograms.summed(evidence)
        positive, negative, taxonomy = found
        overall = float(_best_thresholds(positive.sum(axis=0), negative.sum(axis=0)))
        levels, n_levels = taxonomy.depths[1:] - 1, taxonomy.n_levels
        n_positive = positive.sum(axis=1)
        tau: Any = overall
        source = np.full(len(levels), self.scope, dtype="<U6")
        of_levels = _best_thresholds(
            *(_sums_by(levels, table, n_levels) for table in (positive, negative))
        )
        if self.scope == "level":
            tau = of_levels
        elif self.scope == "node":
            own = _best_thresholds(positive, negative)
            weight = n_positive + self.shrinkage
            mean = n_positive * own + self.shrinkage * overall
            tau = np.divide(mean, weight, out=np.full(len(own), overall), where=weight > 0)
            rare = n_positive < self.min_rows
            tau = np.where(rare, of_levels[levels], tau)
            source[rare] = "level"
        tuned: Self = clone(self).set_params(tau=tau)
        names = np.empty(len(levels), dtype=object)
        names[:] = taxonomy.nodes[1:]
        tuned.threshold_report_ = {
            "node": names,
            "level": (levels + 1).astype(np.int64),
            "tau": np.asarray(tau)[levels]
            if self.scope == "level"
            else tau + np.zeros(len(levels)),
            "n_rows": n_positive,
            "source": source,
        }
        return tuned

    threshold_report_: dict[str, Any]


class Histograms(NamedTuple):
    """Counts of probabilities in bins, for each node but the root.

    Attributes
    ----------
    positive, negative : ndarray of float64, shape (n_nodes - 1, n_bins)
        Of the samples that have the node, and of those that have it not; weighted.
    taxonomy : Taxonomy
    """

    positive: Floats
    negative: Floats
    taxonomy: Taxonomy

    @classmethod
    def of(cls, part: HeldOutSets) -> Histograms:
        """Count a block of held-out samples."""
        taxonomy = part.marginals.taxonomy
        n_nodes = taxonomy.n_nodes - 1
        bins = np.minimum(part.marginals.node_proba[:, 1:] * _N_BINS, _N_BINS - 1).astype(np.intp)
        bins += np.arange(n_nodes) * _N_BINS
        true = part.closed[:, 1:]
        rows = np.repeat(np.arange(true.shape[0]), np.diff(true.indptr))
        everything = _weighted_counts(bins, part.weights[:, None], n_nodes)
        of_true = _weighted_counts(bins[rows, true.indices], part.weights[rows], n_nodes)
        return cls(of_true, everything - of_true, taxonomy)

    @classmethod
    def summed(cls, parts: Iterable[Histograms]) -> Histograms:
        """Return those of several blocks together, one block at a time."""
        total: Histograms | None = None
        for part in parts:
            if total is None:
                total = part
            else:
                positive, negative = (
                    one + two for one, two in zip(total[:2], part[:2], strict=True)
                )
                total = cls(positive, negative, part.taxonomy)
        if total is None:
            raise ValueError("There are no held-out samples to learn a threshold from.")
        return total


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
