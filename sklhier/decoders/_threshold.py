"""The deepest node above a threshold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sklhier._probabilities.marginals import Marginals
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier.decoders._node_thresholds import NodeBars
from sklhier.decoders._registry import register
from sklhier.decoders._stop_base import StopRule

__all__ = ["Threshold"]


@register("threshold")
class Threshold(StopRule):
    """The deepest node whose probability exceeds its threshold.

    The answer may be an inner node. It is the root if no node of the first level exceeds the
    threshold (None among 1-D labels if the root is artificial, an empty path among levels). For
    ``tau`` of 0.5 or more at most one node of each level qualifies; for lower values, the most
    probable of the deepest nodes is taken. Needs base estimators with ``predict_proba``.

    Parameters
    ----------
    tau : float, "oof", array-like or mapping, default=0.5
        Threshold in [0, 1]; a node qualifies if its probability is larger, so that no node does at
        1. One number for all nodes; one for each level, from the first; one for each node, in the
        order of ``taxonomy.nodes[1:]``; or a mapping by names of nodes, where ``"level:k"`` means
        all other nodes of level `k`. A node qualifies by itself, whatever is above it. ``"oof"``
        tunes thresholds for the best micro-averaged hierarchical F on out-of-fold predictions, for
        one more fit of every model in each fold; folds, and so thresholds, depend on the order of
        rows.
    scope : {"global", "level", "node"}, default="global"
        The nodes that share a tuned threshold: all, those of a level, or a single node.
    beta : float, default=1.0
        Weight of recall in the tuned F, positive; values below 1 make answers stop earlier.
    min_rows : int, default=30
        With ``scope="node"``: fewest held-out rows that must reach a node for a threshold of its
        own, at least 1; other nodes get that of their level. Both are 0.05 or more, so that no node
        attracts all samples that no other node takes.

    Attributes
    ----------
    threshold_report_ : dict of str to ndarray, shape (n_nodes - 1,)
        If thresholds were tuned, on the decoder in use (``decoder_`` of a classifier): for each
        ``node`` its ``level``, ``tau``, ``n_rows`` (held-out rows that reached it) and the
        ``source`` of its threshold: ``"global"``, ``"level"`` or ``"node"``.

    References
    ----------
    .. [1] J. Valmadre. Hierarchical classification at multiple operating points. Advances in
       Neural Information Processing Systems 35 (2022).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.decoders import Threshold
    >>> X = np.array([[0.0], [0.2], [3.0], [3.2], [9.0], [9.2]])
    >>> y, taxonomy = Taxonomy.from_paths(["a/x", "a/x", "a/y", "a/y", "b", "b"])
    >>> classifier = HierarchicalClassifier(taxonomy=taxonomy, decoder=Threshold(0.6)).fit(X, y)
    >>> classifier.predict([[0.1], [1.65], [9.1]])
    array(['a/x', 'a', 'b'], dtype=object)

    Stricter thresholds at the first level, and for one node below:

    >>> Threshold([0.9, 0.6]), Threshold({"level:1": 0.9, "level:2": 0.6, "a/x": 0.8})
    (Threshold(tau=[0.9, 0.6]), Threshold(tau={'a/x': 0.8, 'level:1': 0.9, 'level:2': 0.6}))
    """

    _floor = 0.05  # at most 20 nodes of a level are above

    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the deepest node above its threshold, or the root if there is none."""
        outcomes = marginals.outcomes
        bars = self._bars(marginals.taxonomy)
        answers = np.zeros(marginals.n_rows, dtype=np.int32)
        rows = np.arange(marginals.n_rows if outcomes.counts[0] else 0)
        nodes = np.zeros(len(rows), dtype=np.int32)
        proba = np.ones(len(rows))
        while rows.size:
            found = marginals.expand(rows, nodes, proba)
            owners = np.repeat(found.order, np.diff(found.offsets))
            # No node is more probable than those above it.
            below = found.proba > bars.least_below(found.nodes)
            below &= found.nodes != nodes[owners]
            rows, nodes, proba = rows[owners[below]], found.nodes[below], found.proba[below]
            # The last answer written stays: the most probable, of equals the first node.
            order = np.lexsort((-nodes, proba, rows))
            if isinstance(bars, NodeBars):
                order = order[proba[order] > bars.of(nodes[order])]
            answers[rows[order]] = nodes[order]
            inner = outcomes.counts[nodes] > 0
            rows, nodes, proba = rows[inner], nodes[inner], proba[inner]
        return answers

    def _candidates(self, marginals: Marginals) -> tuple[Rows, NodeIds, Floats]:
        """Return the most probable node of each level; for thresholds of nodes, all above a floor."""
        proba, taxonomy = marginals.dense().node_proba, marginals.taxonomy
        each = np.arange(len(proba))
        chosen = proba > (self._floor if self.scope == "node" else np.inf)
        for start, stop in pairwise(taxonomy.level_offsets[1:].tolist()):
            best = start + np.argmax(proba[:, start:stop], axis=1)
            chosen[each, best] = proba[each, best] > 0
        chosen[:, 0] = False
        rows, nodes = np.nonzero(chosen)
        found = proba[rows, nodes]
        # As in `decode`: the deepest, of these the most probable, of equals the first node.
        order = np.lexsort((-nodes, found, taxonomy.depths[nodes], rows))
        return rows[order], nodes[order].astype(np.int32), found[order]
