"""The answer with the best expected hierarchical F."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from scipy import sparse

from sklhier._probabilities.marginals import Marginals
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.typing import Floats, Integers, NodeIds, Rows
from sklhier._utils.validation import check_choice, check_number
from sklhier.decoders._base import Decoder
from sklhier.decoders._level_weighted import add_along_paths
from sklhier.decoders._registry import register
from sklhier.taxonomy import Taxonomy

__all__ = ["HierarchicalF"]

_LARGEST = 1e100  # its square is a number, too, and that of its inverse is not 0
ANSWERS = ("node", "leaf", "set")


@register("hierarchical_f")
class HierarchicalF(Decoder):
    r"""The answer with the largest expected hierarchical F of a sample.

    It maximises the expectation of

    .. math:: F_\beta = \frac{(1 + \beta^2) |S \cap \hat T|}{|S| + \beta^2 |\hat T|},

    where :math:`\hat T` holds the true node and its ancestors and :math:`S` the answered nodes,
    without the root. :func:`~sklhier.metrics.hierarchical_fbeta_score` with ``average="samples"``
    measures it. The best set of `k` nodes consists of those with the largest

    .. math:: \Delta_k(n) = \sum_{a \text{ below } n} P(a) \frac{1 + \beta^2}{k + \beta^2 |\hat a|},

    so that trying all sizes is exact [1]_.

    Parameters
    ----------
    beta : float, default=1.0
        Weight of recall, positive; values below 1 make answers stop earlier.
    answer : {"node", "leaf", "set"}, default="node"
        The best single path, which may stop at any node (``"node"``) or only where a label may end
        (``"leaf"``); or the best set of nodes (``"set"``), which may hold several paths.
        Predictions are then frozensets of the names of all nodes of the set, in an array of
        objects.

    References
    ----------
    .. [1] R. Plaud, M. Labeau, A. Saillenfest, T. Bonald. To each metric its decoding: post-hoc
       optimal decision rules of probabilistic hierarchical classifiers. ICML (2025).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.decoders import HierarchicalF
    >>> y, taxonomy = Taxonomy.from_paths(["a/x", "a/y", "b/z"])
    >>> model = HierarchicalClassifier(taxonomy=taxonomy).fit(np.eye(3), y)
    >>> node_proba = [[1.0, 0.55, 0.45, 0.3, 0.25, 0.45]]
    >>> model.decode(node_proba, HierarchicalF())
    array(['b/z'], dtype='<U3')
    >>> model.decode(node_proba, HierarchicalF(beta=0.3))
    array(['a'], dtype='<U3')
    >>> sorted(model.decode(node_proba, HierarchicalF(answer="set"))[0])
    ['a', 'a/x', 'b', 'b/z']
    """

    needs_all_nodes = True
    needs_probabilities = True

    def __init__(self, beta: float = 1.0, answer: str = "node") -> None:
        self.beta = beta
        self.answer = answer

    @property
    def gives_sets(self) -> bool:  # type: ignore[override]
        """Whether answers are sets of nodes."""
        return self.answer == "set"

    @property
    def gives(self) -> Literal["classes", "nodes"]:  # type: ignore[override]
        """The kind of answers."""
        return "classes" if self.answer == "leaf" else "nodes"

    def check(self) -> None:
        """Raise a ValueError unless ``beta`` is in [1e-100, 1e100] and ``answer`` known."""
        check_number("beta", self.beta, least=1 / _LARGEST, most=_LARGEST)
        check_choice("answer", self.answer, ANSWERS)

    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the best path, the first of equals."""
        outcomes = marginals.outcomes
        allowed = np.flatnonzero(outcomes.observed)[1:].astype(np.int32)
        if self.answer == "leaf":
            allowed = outcomes.answers[np.argsort(outcomes.rank[outcomes.answers])]
        parts = [
            allowed[
                np.argmax(_of_paths(by_size, marginals.taxonomy, self.beta)[:, allowed], axis=1)
            ]
            for by_size in _blocks(marginals)
        ]
        return np.concatenate(parts)

    def decode_sets(self, marginals: Marginals) -> sparse.csr_array:
        """Return the best sets."""
        taxonomy = marginals.taxonomy
        parts = [_best_sets(by_size, taxonomy, self.beta) for by_size in _blocks(marginals)]
        chosen = sparse.vstack(parts, format="csr")
        # Closed but for nodes of equal probability, which rounding may have put out of order.
        return taxonomy.with_ancestors(chosen)


BySize = dict[
    int, Floats
]  # number of nodes of an answer: probabilities of its answers at each node


def _blocks(marginals: Marginals) -> Iterator[BySize]:
    """Yield probabilities of answers at or below every node, by the number of nodes of the answer.

    A block of rows has a table (n_rows, n_nodes) for each number.
    """
    taxonomy, answers = marginals.taxonomy, marginals.outcomes.answers
    proba = marginals.answer_proba(answers)
    sizes = taxonomy.closure_sizes[answers]
    of_size = {size: np.flatnonzero(sizes == size) for size in np.unique(sizes).tolist()}
    closures = {size: taxonomy.ancestors_of(answers[own]) for size, own in of_size.items()}
    for block in row_blocks(marginals.n_rows, (len(of_size) + 3) * taxonomy.n_nodes):
        yield {size: proba[block, own] @ closures[size] for size, own in of_size.items()}


def _of_paths(by_size: BySize, taxonomy: Taxonomy, beta: float) -> Floats:
    """Return the expected F of answering with the path to each node, (n_rows, n_nodes)."""
    expected = np.zeros_like(next(iter(by_size.values())))
    for size, proba in by_size.items():
        common = proba.copy()
        add_along_paths(common, taxonomy)
        expected += common * ((1 + beta**2) / (taxonomy.closure_sizes + beta**2 * size))
    return expected


def _best_sets(by_size: BySize, taxonomy: Taxonomy, beta: float) -> sparse.csr_array:
    """Return the best set of each row, (n_rows, n_nodes)."""
    rows, nodes, column = _candidates(by_size, taxonomy, beta)
    n_rows = next(iter(by_size.values())).shape[0]
    width = int(column.max()) + 1
    of_candidates = {}
    for n_nodes, proba in by_size.items():
        table = np.zeros((n_rows, width))
        table[rows, column] = proba[rows, nodes]
        of_candidates[n_nodes] = table
    sizes = _best_sizes(of_candidates, beta)
    gains = _gains(of_candidates, beta, sizes[:, None])
    order = np.argsort(-gains, axis=1, kind="stable")  # of equals the node above goes first
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(width)[None, :], axis=1)
    chosen = rank[rows, column] < sizes[rows]
    rows, nodes = rows[chosen], nodes[chosen]
    return sparse.csr_array((np.ones(len(rows)), (rows, nodes)), shape=(n_rows, taxonomy.n_nodes))


def _candidates(by_size: BySize, taxonomy: Taxonomy, beta: float) -> tuple[Rows, Rows, Rows]:
    """Return ``(row, node, number in the row)`` of the nodes that may be in the best set.

    Without its least probable node a set of size k and value F is worth at least
    F + F / (k - 1 + b h) - p (1 + b) / (k - 1 + b l), where b is the square of beta and answers have
    from l to h nodes. So a node with p < F l / ((1 + b) h) is in no best set; F is at
    least that of the best path.
    """
    least = _of_paths(by_size, taxonomy, beta).max(axis=1, keepdims=True)
    least *= min(by_size) / ((1 + beta**2) * max(by_size))
    node_proba = np.sum(list(by_size.values()), axis=0)
    rows, nodes = np.nonzero(node_proba >= least * (1 - 1e-9))
    starts = np.searchsorted(rows, np.arange(len(node_proba)))
    return rows, nodes, np.arange(len(rows)) - starts[rows]


def _gains(by_size: BySize, beta: float, size: int | Integers) -> Floats:
    """Return the gain of each candidate in a set of a size."""
    parts = [proba * ((1 + beta**2) / (size + beta**2 * n)) for n, proba in by_size.items()]
    return np.sum(parts, axis=0)


def _best_sizes(by_size: BySize, beta: float) -> NodeIds:
    """Return the size of the best set of each row, the smallest of equals."""
    n_rows, width = next(iter(by_size.values())).shape
    sizes = np.ones(n_rows, dtype=np.int32)
    values = np.zeros(n_rows)
    for size in range(1, width + 1):
        gains = _gains(by_size, beta, size)
        best = -np.partition(-gains, size - 1, axis=1)[:, :size] if size < width else gains
        value = best.sum(axis=1)
        better = value > values * (1 + 1e-12)
        sizes[better], values[better] = size, value[better]
    return sizes
