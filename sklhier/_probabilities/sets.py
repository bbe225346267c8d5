"""Node probabilities for multi-label targets."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import sparse

from sklhier._utils.typing import Floats, NodeIds
from sklhier.taxonomy import Taxonomy

__all__ = ["HeldOutSets", "SetMarginals"]


@dataclass(frozen=True)
class SetMarginals:
    """Node probabilities of some samples, raw and consistent.

    Attributes
    ----------
    taxonomy : Taxonomy
        Tree or DAG.
    raw : ndarray of float64, shape (n_rows, n_nodes)
        Output of the model of each node alone, before scores are made consistent.
    node_proba : ndarray of float64, shape (n_rows, n_nodes)
        Probabilities; none is larger than that of a parent. The root has 1.
    best_leaves : ndarray of int32, shape (n_rows, k), default=None
        The most probable leaves of each row, best first, -1 where no more have a probability above 0.
        None: not known.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import Taxonomy
    >>> from sklhier.decoders import SetMarginals, SetThreshold
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": None})
    >>> table = np.array([[1.0, 0.8, 0.2, 0.6, 0.1]])
    >>> marginals = SetMarginals(taxonomy, raw=table, node_proba=table)
    >>> taxonomy.inverse_binarize(SetThreshold(0.5).decode(marginals)[:, 1:])
    [['owl']]
    """

    taxonomy: Taxonomy
    raw: Floats
    node_proba: Floats
    best_leaves: NodeIds | None = None


@dataclass(frozen=True)
class HeldOutSets:
    """Samples that the models were not fitted on, with their true nodes.

    Attributes
    ----------
    marginals : SetMarginals
        Node probabilities of the samples.
    closed : csr_array, shape (n_rows, n_nodes)
        The true nodes.
    weights : ndarray of float64, shape (n_rows,)
        Weights of the samples.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from sklhier import Taxonomy
    >>> from sklhier.decoders import HeldOutSets, SetMarginals, SetThreshold
    >>> taxonomy = Taxonomy.flat(["owl", "wren"])
    >>> table = np.array([[1.0, 0.4, 0.1], [1.0, 0.2, 0.3]])
    >>> true = sparse.csr_array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> part = HeldOutSets(SetMarginals(taxonomy, table, table), true, np.ones(2))
    >>> decoder = SetThreshold().tuned(lambda: iter([part]))
    >>> bool(0.2 < decoder.tau < 0.3)
    True
    """

    marginals: SetMarginals
    closed: sparse.csr_array
    weights: Floats
