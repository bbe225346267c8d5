"""The most probable path, exactly or by a beam; the most probable paths."""

from __future__ import annotations

import numpy as np

from sklhier._probabilities.calibrated import CalibratedMarginals
from sklhier._probabilities.marginals import Marginals
from sklhier._probabilities.products import ProductMarginals
from sklhier._utils.typing import Floats, NodeIds
from sklhier._utils.validation import check_integer
from sklhier.decoders._base import Decoder
from sklhier.decoders._registry import register
from sklhier.decoders._search import Objective, beam_search, best_answers

__all__ = ["Beam", "BestPath", "top_answers"]

# A node is never less probable than the nodes below it, so its own probability is a bound.
_PROBABILITY = Objective(
    extend=lambda value, nodes, proba: proba,  # noqa: ARG005
    stop=lambda value, proba: proba,  # noqa: ARG005
    bound=lambda value, nodes, proba: proba,  # noqa: ARG005
)


def top_answers(marginals: Marginals, k: int) -> tuple[NodeIds, Floats]:
    """Return the `k` most probable answers and their probabilities, best first.

    Equally probable answers are in the order of classes.

    Parameters
    ----------
    marginals : Marginals
        Probabilities of the nodes.
    k : int
        At most the number of possible answers.

    Returns
    -------
    nodes : ndarray of int32, shape (n_rows, k)
    proba : ndarray of float64, shape (n_rows, k)

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import Taxonomy
    >>> from sklhier.decoders import top_answers
    >>> from sklhier.strategies import DenseMarginals, Outcomes
    >>> taxonomy = Taxonomy.flat(["eel", "owl", "wren"])
    >>> outcomes = Outcomes.of(taxonomy, taxonomy.leaf_ids, stops=False)
    >>> marginals = DenseMarginals(taxonomy, outcomes, np.array([[1.0, 0.2, 0.3, 0.5]]))
    >>> top_answers(marginals, 2)
    (array([[3, 2]], dtype=int32), array([[0.5, 0.3]]))
    """
    outcomes = marginals.outcomes
    if marginals.is_lazy and k < len(outcomes.answers):
        found = marginals.best(k) if isinstance(marginals, ProductMarginals) else None
        if found is not None:
            return found
        best = best_answers(marginals, _PROBABILITY, k)
        return best.nodes, best.proba
    answers = outcomes.answers[np.argsort(outcomes.rank[outcomes.answers])]
    proba = marginals.answer_proba(answers)
    if k == 1:
        order = np.argmax(proba, axis=1)[:, None]
    else:
        order = np.argsort(-proba, axis=1, kind="stable")[:, :k]
    return answers[order], np.take_along_axis(proba, order, axis=1)


@register("best_path")
class BestPath(Decoder):
    """The answer with the largest probability, by branch and bound from the top.

    The same answer as the argmax of ``predict_proba`` over all classes. A node is never less
    probable than the nodes below it, so nodes less probable than the best complete path so far are
    not expanded. A greedy descent gives the first bound; one pass through the levels from the top
    then finds the best path [1]_.

    References
    ----------
    .. [1] A. H. Land, A. G. Doig. An automatic method of solving discrete programming problems.
       Econometrica 28 (1960).

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.decoders import BestPath
    >>> HierarchicalClassifier(decoder=BestPath())  # the default
    HierarchicalClassifier(decoder=BestPath())
    """

    gives = "classes"

    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the most probable answer; ties go to the first class."""
        if isinstance(marginals, CalibratedMarginals):
            marginals = marginals.in_same_order
        return top_answers(marginals, 1)[0][:, 0]


@register("beam")
class Beam(Decoder):
    """The best answer found by a beam search.

    At every level the `width` most probable nodes of each sample are kept; answers that end early
    compete with their probability. A width of 1 is the descent of :class:`TopDown`; with larger
    widths answers approach those of :class:`BestPath`, at a fixed cost [1]_.

    Parameters
    ----------
    width : int, default=10
        Nodes kept at each level, at least 1.

    References
    ----------
    .. [1] Y. Prabhu, A. Kag, S. Harsola, R. Agrawal, M. Varma. Parabel: partitioned label trees for
       extreme classification with application to dynamic search advertising. WWW (2018).

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.decoders import Beam
    >>> HierarchicalClassifier(decoder=Beam(width=3))
    HierarchicalClassifier(decoder=Beam(width=3))
    """

    gives = "classes"

    def __init__(self, width: int = 10) -> None:
        self.width = width

    def check(self) -> None:
        """Raise a ValueError unless ``width`` is at least 1."""
        check_integer("width", self.width, least=1)

    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the most probable of the answers found."""
        return beam_search(marginals, _PROBABILITY, int(self.width)).nodes[:, 0]
