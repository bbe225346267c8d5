"""Decoders for multi-label targets that need no tuning."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.special import logit

from sklhier._probabilities.set_search import Wanted
from sklhier._probabilities.sets import SetMarginals
from sklhier._utils.typing import NodeIds
from sklhier._utils.validation import check_integer, check_number
from sklhier.decoders._registry import register
from sklhier.decoders._set_base import SetDecoder
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._max_closure import best_closed_sets

__all__ = ["MaximumClosure", "TopLabels"]


@register("maximum_closure")
class MaximumClosure(SetDecoder):
    r"""The closed set of nodes with the largest sum of log-odds.

    It maximises :math:`\sum_{n \in S} \log \frac{h_n}{1 - h_n} - \log \frac{\tau}{1 - \tau}` over
    all sets `S` that hold the ancestors of their nodes, where :math:`h_n` are the models' own
    scores, before they are made consistent. For ``tau=0.5`` this is the most probable set if models
    are about all samples and err independently. Solved in a tree by dynamic programming, in a DAG
    by a minimum cut [1]_.

    Parameters
    ----------
    tau : float, default=0.5
        Probability in (0, 1) above which a node is worth adding.

    Notes
    -----
    For scores that are already consistent, such as those in
    :meth:`~sklhier.HierarchicalMultiLabelClassifier.decode`, the answer is that of a threshold.

    References
    ----------
    .. [1] J. C. Picard. Maximal closure of a graph and applications to combinatorial problems.
       Management Science 22 (1976).

    Examples
    --------
    >>> from sklhier.decoders import MaximumClosure
    >>> MaximumClosure()
    MaximumClosure()
    """

    needs_probabilities = True

    def __init__(self, tau: float = 0.5) -> None:
        self.tau = tau

    def check(self) -> None:
        """Raise a ValueError unless ``tau`` is in (0, 1)."""
        check_number("tau", self.tau, above=0, below=1)

    def decode(self, marginals: SetMarginals) -> sparse.csr_array:
        """Return the best closed sets."""
        least = np.finfo(np.float64).eps
        gains = logit(np.clip(marginals.raw, least, 1 - least)) - logit(self.tau)
        return best_closed_sets(gains, marginals.taxonomy)


@register("top_labels")
class TopLabels(SetDecoder):
    """A fixed number of most probable leaves, with their ancestors.

    Parameters
    ----------
    k : int, default=1
        Number of leaves, at least 1.

    Examples
    --------
    >>> from sklhier.decoders import TopLabels
    >>> TopLabels(k=3)
    TopLabels(k=3)
    """

    def __init__(self, k: int = 1) -> None:
        self.k = k

    def check(self) -> None:
        """Raise a ValueError unless ``k`` is at least 1."""
        check_integer("k", self.k, least=1)

    def wanted(self, taxonomy: Taxonomy) -> Wanted:  # noqa: ARG002
        """Return the number of leaves."""
        return Wanted(n_leaves=self.k)

    def decode(self, marginals: SetMarginals) -> sparse.csr_array:
        """Return the paths to the `k` most probable leaves, the first of equals."""
        best = marginals.best_leaves
        if best is None or best.shape[1] != self.k:
            best = self._best_leaves(marginals)
        best = np.sort(best, axis=1)
        is_leaf = best >= 0
        indptr = np.zeros(len(best) + 1, dtype=np.intp)
        np.cumsum(is_leaf.sum(axis=1), out=indptr[1:])
        return marginals.taxonomy.closed_sets(best[is_leaf], indptr)

    def _best_leaves(self, marginals: SetMarginals) -> NodeIds:
        leaves = marginals.taxonomy.leaf_ids
        proba = marginals.node_proba[:, leaves]
        best = np.argsort(-proba, axis=1, kind="stable")[:, : self.k]
        possible = np.take_along_axis(proba, best, axis=1) > 0  # not a leaf without training rows
        return np.where(possible, leaves[best], -1)
