"""What a strategy is."""

from __future__ import annotations

from collections.abc import Iterable

from sklearn.base import BaseEstimator

from sklhier._local import LocalProblem, LocalScores
from sklhier._marginals import Marginals, Outcomes
from sklhier._typing import NodeIds
from sklhier.taxonomy import Taxonomy

__all__ = ["Strategy"]


class Strategy(BaseEstimator):
    """Says which local problems there are, and how their scores become node probabilities.

    Keeps no state: parameters are stored in ``__init__``, like those of every scikit-learn object.
    Everything else is a function of its arguments.
    """

    def outcomes(self, taxonomy: Taxonomy, class_ids: NodeIds) -> Outcomes:
        """Return the possible answers, given the nodes that occur as labels.

        Parameters
        ----------
        taxonomy : Taxonomy
            A tree.
        class_ids : ndarray of int32
            Ids of the nodes that occur as labels, in the order of the classes.
        """
        raise NotImplementedError

    def plan(
        self, taxonomy: Taxonomy, outcomes: Outcomes, nodes: NodeIds
    ) -> Iterable[LocalProblem]:
        """Return the local problems, those with a single outcome included.

        Parameters
        ----------
        taxonomy : Taxonomy
            A tree.
        outcomes : Outcomes
            What :meth:`outcomes` returned.
        nodes : ndarray of int32, shape (n_samples,)
            The node of each label.
        """
        raise NotImplementedError

    def marginals(self, taxonomy: Taxonomy, outcomes: Outcomes, scores: LocalScores) -> Marginals:
        """Return the probabilities of the nodes, given those of the local models.

        Parameters
        ----------
        taxonomy : Taxonomy
            A tree.
        outcomes : Outcomes
            The possible answers.
        scores : LocalScores
            The local models' answers for the samples at hand.
        """
        raise NotImplementedError

    def columns_per_row(self, taxonomy: Taxonomy, outcomes: Outcomes, *, all_nodes: bool) -> int:
        """Return about how many numbers are held for each row, to cut rows into blocks."""
        raise NotImplementedError
