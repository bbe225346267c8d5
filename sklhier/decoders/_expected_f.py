"""The set of nodes with the best expected F1 of independent nodes."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.special import gammaln

from sklhier._probabilities.sets import SetMarginals
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.typing import Floats, Rows
from sklhier.decoders._registry import register
from sklhier.decoders._set_base import SetDecoder, closed_above

__all__ = ["ExpectedF1"]

_MOST = 256  # nodes of a row that are treated exactly


@register("expected_f1")
class ExpectedF1(SetDecoder):
    """The set with the largest expected F1 of a sample, if its nodes were independent.

    The best set of a given size holds the most probable nodes, and so their ancestors, which are no
    less probable. The expected F1 of all sizes takes a quadratic number of steps [1]_. The answer
    is empty if an empty truth is likely enough, since F1 is then 1. Nothing is tuned, so the
    probabilities must be good. The nodes of a taxonomy are not independent, so the expectation is
    an approximation.

    Beyond the 256 most probable nodes of a row, the number of true ones is taken as Poisson
    distributed; the error is at most the sum of their squared probabilities [2]_.

    References
    ----------
    .. [1] N. Ye, K. M. A. Chai, W. S. Lee, H. L. Chieu. Optimizing F-measures: a tale of two
       approaches. ICML (2012).
    .. [2] L. Le Cam. An approximation theorem for the Poisson binomial distribution. Pacific
       Journal of Mathematics 10 (1960).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import Taxonomy
    >>> from sklhier.decoders import ExpectedF1, SetMarginals
    >>> taxonomy = Taxonomy.from_dict({"a": ["x", "y"], "b": []})
    >>> taxonomy.nodes[1:]
    ('a', 'b', 'x', 'y')
    >>> proba = np.array([[1.0, 0.8, 0.1, 0.45, 0.4], [1.0, 0.1, 0.1, 0.05, 0.05]])
    >>> ExpectedF1().decode(SetMarginals(taxonomy, proba, proba)).toarray()[:, 1:].astype(int)
    array([[1, 0, 1, 1],
           [0, 0, 0, 0]])
    """

    needs_probabilities = True

    def decode(self, marginals: SetMarginals) -> sparse.csr_array:
        """Return the best sets; ties go to the smallest."""
        proba = marginals.node_proba[:, 1:]
        n_nodes = proba.shape[1]
        width = min(_MOST, n_nodes)
        chosen = np.zeros(marginals.node_proba.shape, dtype=bool)
        for block in row_blocks(len(proba), (width + 4) * width):
            order = np.argsort(-proba[block], axis=1, kind="stable")  # of equals the node above
            ranked = np.take_along_axis(proba[block], order, axis=1)
            sizes = _best_sizes(ranked[:, :width], ranked[:, width:].sum(axis=1))
            inside = np.arange(n_nodes) < sizes[:, None]
            taken = np.zeros_like(inside)
            np.put_along_axis(taken, order, inside, axis=1)
            chosen[block, 1:] = taken
        return closed_above(chosen, marginals.taxonomy)


def _best_sizes(proba: Floats, rest: Floats) -> Rows:
    """Return the number of most probable nodes in the best set, (n_rows,).

    Parameters
    ----------
    proba : ndarray of float64, shape (n_rows, n)
        Probabilities, descending.
    rest : ndarray of float64, shape (n_rows,)
        Expected number of true nodes beyond these.
    """
    n_rows, n = proba.shape
    counts = _count_distributions(proba)
    # inverse[:, a - 1] is the mean of 1 / (a + number of true nodes beyond the first k).
    inverse = _mean_inverses(rest, 2 * n)
    sizes = np.zeros(n_rows, dtype=np.intp)
    empty = np.prod(1 - proba, axis=1) * np.exp(-rest)
    best = np.zeros(n_rows)
    for k in range(n, 0, -1):
        hits = np.arange(1, k + 1)
        value = 2 * (hits * counts[k][:, 1:] * inverse[:, k : 2 * k]).sum(axis=1)
        better = value >= best * (1 - 1e-12)
        sizes[better], best[better] = k, value[better]
        p = proba[:, [k - 1]]
        inverse = p * inverse[:, 1 : 2 * k - 1] + (1 - p) * inverse[:, : 2 * k - 2]
    sizes[empty >= best] = 0
    return sizes


def _count_distributions(proba: Floats) -> list[Floats]:
    """Return, for every k, the probability of each number of true nodes among the first k."""
    tables = [np.ones((len(proba), 1))]
    for p in proba.T[:, :, None]:
        before = tables[-1]
        after = np.zeros((len(proba), before.shape[1] + 1))
        after[:, :-1] = (1 - p) * before
        after[:, 1:] += p * before
        tables.append(after)
    return tables


def _mean_inverses(rate: Floats, n: int) -> Floats:
    """Return the mean of 1 / (a + J) for a from 1 to n, J Poisson distributed, (n_rows, n)."""
    most = int(np.ceil(rate.max() + 8 * np.sqrt(rate.max()) + 8)) if rate.any() else 0
    total = np.zeros((len(rate), n))
    with np.errstate(divide="ignore"):
        logs = np.log(rate)
    for j in range(most + 1):
        weight = np.exp((j * logs if j else 0.0) - rate - gammaln(j + 1))
        total += weight[:, None] / (np.arange(1, n + 1) + j)
    return total
