"""The interface of decoders that answer with single nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar, Literal, Self

from scipy import sparse
from sklearn.base import BaseEstimator

from sklhier._probabilities.marginals import HeldOutPaths, Marginals
from sklhier._utils.typing import NodeIds
from sklhier.taxonomy import Taxonomy

__all__ = ["Decoder"]


class Decoder(BaseEstimator, ABC):
    """A rule that turns node probabilities into one node for each row; it keeps no state.

    A subclass stores its parameters in ``__init__``, like every scikit-learn object, so that
    searches can tune them, and defines :meth:`decode`. ``marginals.expand`` computes the outcomes
    of chosen ``(row, node)`` pairs, ``marginals.dense()`` those of all nodes. Rows come in blocks
    that fit in memory.

    Attributes
    ----------
    needs_all_nodes : bool
        Whether :meth:`decode` calls ``marginals.dense()``.
    needs_probabilities : bool
        Whether it compares numbers of different nodes, which only probabilities allow. If so, base
        estimators that have decision scores alone are refused.
    gives_sets : bool
        Whether an answer is a set of nodes, from :meth:`decode_sets`, and not a single one.
    gives : {"classes", "nodes", "any"}
        What an answer may be: a class, any node but the root, or also the root, for no answer. The
        dtype of predictions depends on it, and so not on the samples at hand.

    See Also
    --------
    register : Lets a decoder be chosen by a name.

    Notes
    -----
    :doc:`/user_guide/extending` shows decoders that are written this way.
    """

    needs_all_nodes: ClassVar[bool] = False
    needs_probabilities: ClassVar[bool] = False
    gives_sets: ClassVar[bool] = False
    gives: ClassVar[Literal["classes", "nodes", "any"]] = "any"

    @abstractmethod
    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the answers.

        Parameters
        ----------
        marginals : Marginals
            Probabilities of the nodes.

        Returns
        -------
        nodes : ndarray of int32, shape (n_rows,)
            Ids of nodes; 0, the root, stands for no answer.
        """

    def decode_sets(self, marginals: Marginals) -> sparse.csr_array:
        """Return the answers of a decoder that gives sets.

        Parameters
        ----------
        marginals : Marginals
            Probabilities of the nodes.

        Returns
        -------
        closed : csr_array of float64, shape (n_rows, n_nodes)
            1 for the nodes of each answer, which holds all their ancestors, the root left out.
        """
        raise NotImplementedError

    @property
    def needs_tuning(self) -> bool:
        """Whether :meth:`tuned` sets a parameter before predictions."""
        return False

    def tuned(self, held_out: Callable[[], Iterator[HeldOutPaths]]) -> Self:  # noqa: ARG002
        """Return the decoder with parameters that are tuned on held-out samples.

        Parameters
        ----------
        held_out : callable
            Returns an iterator over blocks of samples, each sample once, with marginals from models
            that were fitted without them.
        """
        return self

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""

    def check_taxonomy(self, taxonomy: Taxonomy) -> None:
        """Raise a ValueError if a parameter does not fit the taxonomy."""
