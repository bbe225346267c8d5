"""Greedy descent along the most probable children."""

from __future__ import annotations

import numpy as np

from sklhier._probabilities.marginals import Marginals
from sklhier._probabilities.products import ProductMarginals
from sklhier._utils.typing import NodeIds
from sklhier.decoders._base import Decoder
from sklhier.decoders._registry import register
from sklhier.taxonomy import _graph as ops

__all__ = ["TopDown"]


@register("top_down")
class TopDown(Decoder):
    """The node at the end of a greedy descent along the most probable outcomes.

    The textbook top-down prediction [1]_: only the nodes on the way are evaluated, and upper levels
    are decided without regard to the levels below. Unlike that of :class:`BestPath`, the answer may
    differ from the most probable class of ``predict_proba``.

    References
    ----------
    .. [1] C. N. Silla, A. A. Freitas. A survey of hierarchical classification across different
       application domains. Data Mining and Knowledge Discovery 22 (2011).

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> HierarchicalClassifier(decoder="top_down")
    HierarchicalClassifier(decoder='top_down')
    """

    gives = "classes"

    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the node at which the descent of each row ends."""
        found = marginals.top_down() if isinstance(marginals, ProductMarginals) else None
        return _descended(marginals) if found is None else found


def _descended(marginals: Marginals) -> NodeIds:
    counts = marginals.outcomes.counts
    answers = np.zeros(marginals.n_rows, dtype=np.int32)
    rows = np.arange(marginals.n_rows if counts[0] else 0)
    proba = np.ones(len(rows))
    while rows.size:
        found = marginals.expand(rows, answers[rows], proba)
        best = ops.segment_argmax(found.proba, found.offsets)
        rows = rows[found.order]
        stopped = found.nodes[best] == answers[rows]  # the outcome of a node itself is its stop
        answers[rows], proba = found.nodes[best], found.proba[best]
        going_on = ~stopped & (counts[answers[rows]] > 0)
        rows, proba = rows[going_on], proba[going_on]
    return answers
