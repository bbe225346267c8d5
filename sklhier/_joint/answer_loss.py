r"""Losses of one path by a softmax over all answers, fused with the layer that gives the scores.

The score of an answer is the sum of the scores of the columns on its path, so it has weights of its
own: the sums of those columns' weights. One product of matrices then gives the scores of the answers,
without those of inner nodes. In terms of the probabilities :math:`P_j` of answers and :math:`M_c` of
columns the losses of :mod:`~sklhier._joint.path_loss` are :math:`-\sum_c T_{yc} \log M_c`, with the
gradient

.. math:: P_j \Big(\sum_c T_{yc} - \sum_{c \text{ above } j} \frac{T_{yc}}{M_c}\Big).

Tables have a row for each answer and a column for each sample: sums over the answers below a node are
then sums of whole rows. NumPy's ``reduceat`` takes fifty times as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse

from sklhier._joint.path_loss import Heads, PathLoss
from sklhier._utils.typing import Rows

__all__ = ["AnswerLoss", "LayerGradient", "LayerLoss"]


class LayerGradient(NamedTuple):
    """Loss of a batch at the last layer.

    Attributes
    ----------
    losses : ndarray, shape (n_rows,)
        The loss of each row.
    weights : ndarray, shape (n_inputs, n_columns)
        Gradient by the weights, of the weighted sum of losses.
    intercepts : ndarray, shape (n_columns,)
        By the intercepts.
    inputs : ndarray, shape (n_rows, n_inputs), or None
        By the inputs, if asked for.
    """

    losses: Any
    weights: Any
    intercepts: Any
    inputs: Any


@dataclass(frozen=True)
class AnswerLoss:
    """A loss by the probabilities of answers, for scores of a dtype.

    Attributes
    ----------
    paths : csr_array, shape (n_answers, n_columns)
        1 for each column on the path to an answer.
    below : csr_array, shape (n_columns, n_answers)
        The same, transposed.
    own : ndarray, shape (n_answers,)
        The weight of the logarithm of the true answer's own probability.
    above : csr_array, shape (n_answers, n_columns)
        Those of the columns above it.
    shares : ndarray, shape (n_answers, n_answers), or None
        Weights of all answers by the true one, in place of both.
    """

    paths: sparse.csr_array
    below: sparse.csr_array
    own: Any
    above: sparse.csr_array
    shares: Any

    @classmethod
    def of(cls, steps: sparse.csr_array, heads: Heads) -> Self:
        """Return the loss for the weights of steps, of a floating dtype.

        Parameters
        ----------
        steps : csr_array, shape (n_answers, n_columns)
            The table `R` of :class:`~sklhier._joint.path_loss.PathLoss`.
        heads : Heads
            The columns.
        """
        dtype, leaf_columns = steps.dtype, heads.leaf_columns
        paths = sparse.csr_array(heads.closure[leaf_columns].astype(dtype))
        weights = _marginal_weights(steps, heads)
        answers = np.arange(len(leaf_columns))
        own = weights[answers, leaf_columns]
        on_path: Any = weights.multiply(paths)
        shares = None
        if abs(weights - on_path).sum() > 0:
            # Soft labels: they have weights for answers alone.
            shares = weights[:, leaf_columns].toarray()
        parts = sparse.coo_array(on_path)
        is_above = (parts.col != leaf_columns[parts.row]) & (parts.data != 0)
        places = parts.row[is_above], parts.col[is_above]
        above = sparse.csr_array((parts.data[is_above], places), shape=steps.shape, dtype=dtype)
        below = sparse.csr_array(paths.T)
        return cls(paths, below, own.astype(dtype), above, shares)

    def gradient(
        self,
        inputs: Any,
        weights: Any,
        intercepts: Any,
        codes: Rows,
        shares: Any,
        *,
        by_inputs: bool,
    ) -> LayerGradient:
        """Return the losses of a batch, and the gradient of their weighted sum.

        Parameters
        ----------
        inputs : ndarray, shape (n_rows, n_inputs)
            What the layer gets.
        weights, intercepts : ndarray, shapes (n_inputs, n_columns) and (n_columns,)
            Of the layer.
        codes : ndarray of intp, shape (n_rows,)
            The position of each row's true answer.
        shares : ndarray, shape (n_rows,)
            Weights of the rows.
        by_inputs : bool
            Whether the gradient by the inputs is needed.
        """
        of_answers = self.paths @ weights.T
        losses, slopes = self._slopes(self._scores(inputs, of_answers, intercepts), codes)
        slopes *= shares
        by_weights = self.below @ (slopes @ inputs)
        return LayerGradient(
            losses,
            np.ascontiguousarray(by_weights.T),
            self.below @ slopes.sum(axis=1),
            slopes.T @ of_answers if by_inputs else None,
        )

    def by_scores(self, scores: Any, codes: Rows) -> tuple[Any, Any]:
        """Return the losses of rows, and their gradient by the scores of columns.

        Parameters
        ----------
        scores : ndarray, shape (n_rows, n_columns)
            The scores.
        codes : ndarray of intp, shape (n_rows,)
            The position of each row's true answer.
        """
        losses, slopes = self._slopes(self.paths @ scores.T, codes)
        return losses, np.ascontiguousarray((self.below @ slopes).T)

    def losses(self, inputs: Any, weights: Any, intercepts: Any, codes: Rows) -> Any:
        """Return the losses of rows alone; parameters are those of :meth:`gradient`."""
        scores = self._scores(inputs, self.paths @ weights.T, intercepts)
        return self._slopes(scores, codes)[0]

    def _scores(self, inputs: Any, of_answers: Any, intercepts: Any) -> Any:
        """Return the scores of the answers, (n_answers, n_rows)."""
        scores = of_answers @ inputs.T
        scores += (self.paths @ intercepts)[:, None]
        return scores

    def _slopes(self, scores: Any, codes: Rows) -> tuple[Any, Any]:
        """Return the losses and the gradient by the scores of answers, which are overwritten."""
        samples = np.arange(len(codes))
        scores -= scores.max(axis=0)
        # What is less probable counts as this much: its logarithm and its inverse stay finite.
        np.maximum(scores, _LEAST[scores.dtype.itemsize], out=scores)
        true = scores[codes, samples]
        given = None if self.shares is None else self.shares[codes].T
        losses = 0 if given is None else -np.einsum("ij,ij->j", given, scores)
        proba = np.exp(scores, out=scores)
        total = proba.sum(axis=0)
        proba /= total
        if given is not None:
            return losses + np.log(total) * given.sum(axis=0), proba * given.sum(axis=0) - given
        own = self.own[codes]
        losses = own * (np.log(total) - true)
        if not self.above.nnz:
            proba *= own
        else:
            losses += self._add_above(proba, codes)
        proba[codes, samples] -= own
        return losses, proba

    def _add_above(self, proba: Any, codes: Rows) -> Any:
        """Turn probabilities into slopes, but for the part of the answer itself; return losses."""
        weights = self.above[codes]
        samples, columns = (
            np.repeat(np.arange(len(codes)), np.diff(weights.indptr)),
            weights.indices,
        )
        marginals = (self.below @ proba)[columns, samples]
        parts = np.zeros((self.below.shape[0], len(codes)), dtype=proba.dtype)
        parts[columns, samples] = weights.data / marginals
        factors = self.paths @ parts
        np.subtract(self.own[codes] + weights.sum(axis=1), factors, out=factors)
        proba *= factors
        logs = np.bincount(samples, weights.data * np.log(marginals), len(codes))
        return -logs.astype(proba.dtype)


@dataclass(frozen=True)
class LayerLoss:
    """The loss of some rows, by what the last layer gets.

    Attributes
    ----------
    loss : AnswerLoss
        The loss.
    codes : ndarray of intp, shape (n_rows,)
        The position of each row's true answer.
    """

    loss: AnswerLoss
    codes: Rows

    @classmethod
    def of(cls, loss: Any) -> Self | None:
        """Return the same loss as another one of rows, or None where that is not of paths."""
        if not isinstance(loss, PathLoss):
            return None
        return cls(AnswerLoss.of(loss.table, loss.heads), loss.codes)

    def __call__(self, scores: Any, rows: Rows) -> tuple[Any, Any]:
        """Return the losses of some rows and their gradient by the scores of columns."""
        return self.loss.by_scores(scores, self.codes[rows])

    def part(self, rows: Rows) -> Self:
        """Return the loss of some of the rows."""
        return type(self)(self.loss, self.codes[rows])


_LEAST = {4: -80.0, 8: -650.0}  # logarithms, by the bytes of a number


def _marginal_weights(steps: sparse.csr_array, heads: Heads) -> sparse.csr_array:
    """Return weights of the marginals that make the same loss as weights of the steps.

    The opposite of :func:`~sklhier._joint.path_loss.conditional_weights`: the sum over a column and
    its descendants, less those of its children.
    """
    children = np.flatnonzero(heads.parents >= 0)
    ones = np.ones(len(children), dtype=steps.dtype)
    size = heads.n_columns
    to_parents = sparse.csr_array((ones, (children, heads.parents[children])), shape=(size, size))
    weights = sparse.csr_array(steps - steps @ to_parents)
    # Where sums cancel, rounding leaves a little.
    most = float(np.abs(steps.data).max(initial=0.0))  # SciPy would sort what may be read-only
    weights.data[np.abs(weights.data) <= 1e-6 * most] = 0
    weights.eliminate_zeros()
    return weights
