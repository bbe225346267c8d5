"""The deepest node above a threshold."""

from __future__ import annotations

import numpy as np

from sklhier._probabilities.marginals import Marginals
from sklhier._utils.typing import NodeIds
from sklhier._utils.validation import check_probability
from sklhier.decoders._base import Decoder
from sklhier.decoders._registry import register

__all__ = ["Threshold"]


@register("threshold")
class Threshold(Decoder):
    """The deepest node whose probability exceeds a threshold.

    The answer may be an inner node, and is the root where not even a node of the first level
    exceeds the threshold (None among 1-D labels if the root is an artificial one, an empty path
    among levels). From ``tau=0.5`` on at most one node of each level qualifies; below, the most
    probable of the deepest is taken. Needs base estimators with ``predict_proba``.

    Parameters
    ----------
    tau : float, default=0.5
        Threshold in [0, 1); a node qualifies if its probability is larger.

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
    """

    needs_probabilities = True

    def __init__(self, tau: float = 0.5) -> None:
        self.tau = tau

    def check(self) -> None:
        """Raise a ValueError unless ``tau`` is in [0, 1)."""
        check_probability("tau", self.tau)

    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the deepest node above the threshold, the root where there is none."""
        outcomes = marginals.outcomes
        answers = np.zeros(marginals.n_rows, dtype=np.int32)
        rows = np.arange(marginals.n_rows if outcomes.counts[0] else 0)
        nodes = np.zeros(len(rows), dtype=np.int32)
        proba = np.ones(len(rows))
        while rows.size:
            found = marginals.expand(rows, nodes, proba)
            owners = np.repeat(found.order, np.diff(found.offsets))
            below = (found.nodes != nodes[owners]) & (found.proba > self.tau)
            rows, nodes, proba = rows[owners[below]], found.nodes[below], found.proba[below]
            # The last answer written stays: the most probable, of equals the first node.
            order = np.lexsort((-nodes, proba, rows))
            answers[rows[order]] = nodes[order]
            inner = outcomes.counts[nodes] > 0
            rows, nodes, proba = rows[inner], nodes[inner], proba[inner]
        return answers
