"""The interface of decoders that answer with sets of nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from sklhier._probabilities.set_search import Wanted
from sklhier._probabilities.sets import HeldOutSets, SetMarginals
from sklhier._utils.typing import Bools
from sklhier.taxonomy import Taxonomy

__all__ = ["SetDecoder", "closed_above"]


class SetDecoder(BaseEstimator, ABC):
    """A rule that turns node probabilities into a set of nodes for each row; it keeps no state.

    Attributes
    ----------
    needs_probabilities : bool
        Whether it compares numbers of different nodes, which only probabilities allow.

    Examples
    --------
    >>> from scipy import sparse
    >>> from sklhier.decoders import SetDecoder
    >>> class Likely(SetDecoder):
    ...     def decode(self, marginals):
    ...         chosen = (marginals.node_proba > 0.7).astype(float)
    ...         chosen[:, 0] = 0.0  # the root is no answer
    ...         return sparse.csr_array(chosen)
    >>> from sklhier import HierarchicalMultiLabelClassifier
    >>> HierarchicalMultiLabelClassifier(decoder=Likely())
    HierarchicalMultiLabelClassifier(decoder=Likely())
    """

    needs_probabilities: ClassVar[bool] = False

    @property
    def needs_tuning(self) -> bool:
        """Whether :meth:`tuned` has to set a parameter from held-out samples."""
        return False

    @abstractmethod
    def decode(self, marginals: SetMarginals) -> sparse.csr_array:
        """Return the answers.

        Parameters
        ----------
        marginals : SetMarginals
            Probabilities of the nodes.

        Returns
        -------
        closed : csr_array of float64, shape (n_rows, n_nodes)
            1 for the nodes of each answer, which holds all their ancestors, the root left out.
        """

    def wanted(self, taxonomy: Taxonomy) -> Wanted | None:  # noqa: ARG002
        """Return what has to be known of a tree; None, as by default: all of both tables.

        Of the others :meth:`decode` gets the probability 0. It gets no raw scores then.
        """
        return None

    def tuned(self, held_out: Callable[[], Iterator[HeldOutSets]]) -> Self:  # noqa: ARG002
        """Return the decoder with its parameters tuned on held-out samples.

        Parameters
        ----------
        held_out : callable
            ``held_out()`` yields blocks of samples that the models were not fitted on.
        """
        return self

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""

    def check_taxonomy(self, taxonomy: Taxonomy) -> None:
        """Raise a ValueError if a parameter does not fit the taxonomy."""


def closed_above(chosen: Bools, taxonomy: Taxonomy) -> sparse.csr_array:
    """Return the nodes of a boolean table with their ancestors, the root left out."""
    return taxonomy.with_ancestors(sparse.csr_array(chosen.astype(np.float64)))
