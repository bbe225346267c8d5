"""The answer with the best expected score, with weights of levels or nodes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sklhier._probabilities.marginals import Marginals, Outcomes
from sklhier._utils.typing import Floats, NodeIds, NodeWeight
from sklhier.decoders._base import Decoder
from sklhier.decoders._registry import register
from sklhier.decoders._search import Objective, best_answers
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._node_weights import NAMES, check_node_weight, read_node_weight

__all__ = ["LevelWeighted"]


@register("level_weighted")
class LevelWeighted(Decoder):
    r"""The answer with the largest expected weight of correct nodes minus wrong ones.

    It maximises the expected weight of correct nodes minus that of wrong ones,

    .. math:: \sum_{u} w_u (2 p_u - 1)

    over the path of the answer, where :math:`p_u` is the probability of node `u`. This minimises
    the expected weight of the nodes that are in only one of predicted and true path [1]_. With
    equal weights it minimises the expected distance in the tree, and maximises the sum of the
    accuracies of all levels. With all weight on the deepest level it equals :class:`BestPath` (if
    all labels are that deep); with weights that grow towards the top it approaches
    :class:`TopDown`. Ties go to the more probable answer.

    Parameters
    ----------
    weights : {"uniform", "information", "sibling"}, array-like or mapping, default="uniform"
        Weights of 0 or more: one for each level, from the first; one for each node, in the order of
        ``taxonomy.nodes[1:]`` or by name; all 1 (``"uniform"``); the information that a node adds
        to its parent's, in bits, if all leaves are equally probable (``"information"``); or the
        parent's weight divided by the number of its children (``"sibling"``).

    References
    ----------
    .. [1] W. Bi, J. T. Kwok. Bayes-optimal hierarchical multilabel classification. IEEE Transactions
       on Knowledge and Data Engineering 27 (2015).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.decoders import LevelWeighted
    >>> y, taxonomy = Taxonomy.from_paths(["a/x", "a/y", "a/z", "b/u", "b/v"])
    >>> model = HierarchicalClassifier(taxonomy=taxonomy).fit(np.eye(5), y)
    >>> node_proba = [[1.0, 0.52, 0.48, 0.2, 0.16, 0.16, 0.4, 0.08]]
    >>> model.decode(node_proba, LevelWeighted())  # b/u: -0.04 - 0.2, a/x: 0.04 - 0.6
    array(['b/u'], dtype='<U3')
    >>> model.decode(node_proba, LevelWeighted([10, 1]))  # the first level counts ten times
    array(['a/x'], dtype='<U3')
    """

    gives = "classes"
    needs_probabilities = True

    def __init__(self, weights: NodeWeight = "uniform") -> None:
        self.weights = weights

    def check(self) -> None:
        """Raise a ValueError unless ``weights`` is a known name or numbers of 0 or more."""
        check_node_weight("weights", self.weights, NAMES)

    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the answer with the largest expected weight."""
        weights = read_node_weight(self.weights, marginals.taxonomy, "weights")
        if marginals.is_lazy:
            objective = _objective(weights, marginals.taxonomy, marginals.outcomes)
            return best_answers(marginals, objective, 1).nodes[:, 0]
        return _best_of_table(weights, marginals)


def _best_of_table(weights: Floats, marginals: Marginals) -> NodeIds:
    """Return the best answers from a table of all marginals."""
    outcomes = marginals.outcomes
    gains = weights * (2 * marginals.dense().node_proba - 1)  # as on the way down
    add_along_paths(gains, marginals.taxonomy)
    answers = outcomes.answers[np.argsort(outcomes.rank[outcomes.answers])]
    gains = gains[:, answers]
    proba = marginals.answer_proba(answers)
    proba[gains < gains.max(axis=1, keepdims=True)] = -1.0
    return answers[np.argmax(proba, axis=1)]


def add_along_paths(values: Floats, taxonomy: Taxonomy) -> None:
    """Add to the values of every node those of its ancestors, in place; (n_rows, n_nodes)."""
    if not taxonomy.is_tree:  # several paths lead to an ancestor, which counts once
        values[:] = values @ taxonomy.ancestor_closure.T
        return
    for start, stop in pairwise(taxonomy.level_offsets[1:].tolist()):  # parents come first
        values[:, start:stop] += values[:, taxonomy.parent_ids[start:stop]]


def _objective(weights: Floats, taxonomy: Taxonomy, outcomes: Outcomes) -> Objective:
    most, least = _weights_below(weights, taxonomy, outcomes)

    def bound(value: Floats, nodes: NodeIds, proba: Floats) -> Floats:
        # No node below is more probable.
        return value + (2 * proba - 1) * np.where(proba >= 0.5, most[nodes], least[nodes])

    return Objective(
        extend=lambda value, nodes, proba: value + weights[nodes] * (2 * proba - 1),
        stop=lambda value, proba: value,  # noqa: ARG005
        bound=bound,
    )


def _weights_below(
    weights: Floats, taxonomy: Taxonomy, outcomes: Outcomes
) -> tuple[Floats, Floats]:
    """Return the largest and smallest sum of weights from below each node to an answer."""
    most = np.full(taxonomy.n_nodes, -np.inf)
    most[outcomes.answers] = 0.0
    least = -most
    for start, stop in reversed(list(pairwise(taxonomy.level_offsets[1:].tolist()))):
        above = taxonomy.parent_ids[start:stop]
        np.maximum.at(most, above, most[start:stop] + weights[start:stop])
        np.minimum.at(least, above, least[start:stop] + weights[start:stop])
    return most, least
