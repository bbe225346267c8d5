"""Rows that describe nodes: read from a parameter, set beside the samples, weighed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _num_samples, check_consistent_length

from sklhier._classifiers.choosing import score_of_paths, score_of_sets
from sklhier._folds.folds import Splits
from sklhier._local.model import Models
from sklhier._training.fixed_rows import FixedRows
from sklhier._training.trainer import HeldOutPass, PathTrainer, SetTrainer
from sklhier._utils.columns import is_frame
from sklhier._utils.rows import framed, stacked
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier._utils.validation import check_number, prepare_features, shown
from sklhier.decoders import Decoder, SetDecoder
from sklhier.exceptions import IncompatiblePartsError, TaxonomyError
from sklhier.strategies import SetStrategy, Strategy
from sklhier.taxonomy import Taxonomy

__all__ = [
    "Beside",
    "check_weight",
    "learnt_weight_of_paths",
    "learnt_weight_of_sets",
    "refuse_staging",
    "rows_and_names",
]

# What a weight is learnt from: four times as much or less in each step.
_WEIGHTS = (1.0, 4.0, 16.0, 0.25)


def check_weight(weight: Any) -> None:
    """Raise a ValueError unless a weight of node rows is a number above 0, or "oof"."""
    if not (isinstance(weight, str) and weight == "oof"):
        check_number("node_rows_weight", weight, above=0)


@dataclass(frozen=True)
class NodeRows:
    """Rows that describe nodes.

    Attributes
    ----------
    X : array-like
        The rows, as those of the samples.
    nodes : ndarray of int32, shape (n_rows,)
        The node that each describes.
    """

    X: Any
    nodes: NodeIds

    @classmethod
    def read(cls, estimator: Any, samples: Any, taxonomy: Taxonomy) -> Self | None:
        """Return the rows of an estimator that knows the columns of its samples; None without any.

        Raises
        ------
        TypeError
            For what is neither a mapping nor a pair, or for texts and numbers together.
        ValueError
            For another number of names than of rows, and for rows of another width than X.
        TaxonomyError
            For a name that is not a node.
        """
        given = estimator.node_rows
        if given is None:
            return None
        rows, names = rows_and_names(given)
        if not len(names):
            return None
        check_consistent_length(rows, names)
        ids = _ids_of(names, taxonomy)
        try:
            X = prepare_features(estimator, framed(rows, samples), reset=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"`node_rows` must hold rows like those of X: {error}") from error
        return cls(X, ids)

    def lowest(self, taxonomy: Taxonomy, named: NodeIds) -> NodeIds:
        """Return the nodes that these rows or `named` hold, without any that has another below it."""
        nodes = np.union1d(self.nodes, named).astype(np.int32)
        at_or_below = np.bincount(taxonomy.ancestors_of(nodes).indices, minlength=taxonomy.n_nodes)
        return nodes[at_or_below[nodes] == 1]

    def beside(self, X: Any) -> Any:
        """Return the samples, and after them these rows."""
        try:
            return stacked(X, self.X)
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"`node_rows` must hold rows like those of X: {error}") from error


@dataclass(frozen=True)
class Beside:
    """Samples, and after them rows that describe nodes.

    Attributes
    ----------
    X : array-like
        All of them.
    nodes : ndarray of int32, shape (n_fixed,)
        The node that each of the last rows describes.
    fixed : FixedRows or None
        What these are to a trainer; None if there are none.
    samples : ndarray of float64, shape (n_samples,), or None
        Weights of the samples.
    weight : float or "oof"
        That of the other rows.
    """

    X: Any
    nodes: NodeIds
    fixed: FixedRows | None
    samples: Floats | None
    weight: Any

    @classmethod
    def of(
        cls,
        estimator: Any,
        X: Any,
        weights: Floats | None,
        taxonomy: Taxonomy,
        classes: NodeIds,
        named: NodeIds,
    ) -> Self:
        """Read the node rows of an estimator.

        Parameters
        ----------
        estimator : estimator
            Has `node_rows` and `node_rows_weight`.
        X : array-like
            The samples.
        weights : ndarray or None
            Their weights.
        taxonomy : Taxonomy
        classes : ndarray of int32
            Ids of the nodes that are classes of their own, though others may be below them.
        named : ndarray of int32
            Ids of the nodes that samples have.
        """
        rows = NodeRows.read(estimator, X, taxonomy)
        if rows is None:
            return cls(X, np.zeros(0, dtype=np.int32), None, weights, 1.0)
        full = np.union1d(classes, rows.lowest(taxonomy, named))
        fixed = FixedRows(taxonomy, _num_samples(X), rows.nodes, ~np.isin(rows.nodes, full))
        return cls(rows.beside(X), rows.nodes, fixed, weights, estimator.node_rows_weight)

    @property
    def is_learnt(self) -> bool:
        """Whether the weight of node rows is learnt."""
        return self.fixed is not None and isinstance(self.weight, str)

    @property
    def classes(self) -> NodeIds:
        """Ids of the nodes that are classes of their own, ascending."""
        return np.unique(self.nodes if self.fixed is None else self.nodes[~self.fixed.is_partial])

    @property
    def weights(self) -> Floats | None:
        """Weights of all rows, before any is learnt; None where all are 1."""
        if self.fixed is None or (self.samples is None and self.weight == 1):
            return self.samples
        return self.weighted(1.0 if isinstance(self.weight, str) else self.weight)

    def weighted(self, weight: float) -> Floats:
        """Return the weights of all rows, given that of node rows."""
        assert self.fixed is not None
        own = np.ones(self.fixed.n_samples) if self.samples is None else self.samples
        return np.concatenate([own, np.full(len(self.nodes), weight)])


def rows_and_names(given: Any) -> tuple[Any, list[Hashable]]:
    """Return rows, and the name of the node of each."""
    if isinstance(given, Mapping):
        return _of_mapping(given)
    if isinstance(given, tuple | list) and len(given) == 2 and not isinstance(given[0], str):
        rows, names = given
        if isinstance(names, str | bytes | Mapping) or not hasattr(names, "__len__"):
            raise TypeError(
                f"`node_rows` must be a pair (rows, names) with a list of names, got {shown(names)}."
            )
        return rows, names.tolist() if hasattr(names, "tolist") else list(names)
    raise TypeError(
        "`node_rows` must be a mapping from names of nodes to rows or texts, a pair (rows, names), "
        f"or None, got {shown(given)}."
    )


def _of_mapping(given: Mapping[Hashable, Any]) -> tuple[Any, list[Hashable]]:
    tables = [_table(rows) for rows in given.values()]
    names = [
        name for name, rows in zip(given, tables, strict=True) for _ in range(_num_samples(rows))
    ]
    if not tables:
        return [], []
    return _joined(tables), names


def _table(rows: Any) -> Any:
    """Return what one node has, a row, a text or several, as a table of rows."""
    if isinstance(rows, str | bytes):
        return [rows]
    if sparse.issparse(rows) or is_frame(rows):
        return rows
    if isinstance(rows, list | tuple) and rows and isinstance(rows[0], str | bytes):
        return list(rows)
    array = np.asarray(rows)
    if array.dtype.kind in "OUT":  # several texts
        return array.ravel().tolist()
    return array[None, :] if array.ndim == 1 else array


def _joined(tables: list[Any]) -> Any:
    """Return tables of one kind as one."""
    if all(isinstance(table, list) for table in tables):
        return [row for table in tables for row in table]
    if any(isinstance(table, list) for table in tables):
        raise TypeError("`node_rows` must hold rows of one kind, got texts and numbers.")
    if any(map(sparse.issparse, tables)):
        return sparse.vstack([sparse.csr_array(table) for table in tables], format="csr")
    joined = tables[0]
    for table in tables[1:]:
        joined = table if joined is None else stacked(joined, table)
    return joined


def _ids_of(names: Sequence[Hashable], taxonomy: Taxonomy) -> NodeIds:
    try:
        ids = taxonomy.ids(list(names))
    except TypeError as error:
        raise TypeError(f"`node_rows` must name nodes, got {shown(names)}.") from error
    if (ids < 0).any():
        unknown = names[int(np.argmax(ids < 0))]
        raise TaxonomyError(
            f"`node_rows` must name nodes. {TaxonomyError.unknown(unknown, taxonomy.nodes[1:])}"
        )
    if (ids == 0).any():
        raise TaxonomyError(
            f"`node_rows` must name classes, got {shown(taxonomy.root)}, the root, which every "
            "sample belongs to. Leave it out."
        )
    return ids


def refuse_staging(estimator: Any, staging: Any) -> None:
    """Raise an error where models learn from held-out outputs, which node rows do not have."""
    if staging is not None and estimator.node_rows is not None:
        raise IncompatiblePartsError.needs(
            "chain or routing",
            "held-out outputs for all rows",
            "node_rows are never held out",
            "Use chain=None and routing='filter', or leave node_rows out.",
        )


# -- a learnt weight ----------------------------------------------------------------------


def learnt_weight_of_paths(
    trainer: PathTrainer,
    strategy: Strategy,
    decoder: Decoder,
    rows: Rows,
    split: Callable[[Rows], Splits],
    reweighed: Callable[[float], Floats],
) -> float:
    """Return the weight of node rows whose held-out answers have the best hierarchical F1.

    Parameters
    ----------
    trainer : PathTrainer
    strategy : Strategy
        The first of its parts is fitted.
    decoder : Decoder
        Gives the answers.
    rows : ndarray of intp
        Positions of the rows to learn from.
    split : callable
        Cuts them into folds.
    reweighed : callable
        Returns the weights of all rows, given that of node rows.
    """
    part, splits = strategy.parts()[0], split(rows)

    def score(weight: float) -> float:
        own = trainer.weighted(reweighed(weight))

        def train(_: int, inside: Rows) -> Models:
            return own.train(part, 0, inside)[0]

        held_out = HeldOutPass(train, rows, splits, keep=part.needs_tuning)
        tuned = part.tuned(own.taxonomy, partial(own.held_out_scores, held_out, part, 0))
        return score_of_paths(own, tuned, held_out, decoder)

    return _best(score)


def learnt_weight_of_sets(
    trainer: SetTrainer,
    strategy: SetStrategy,
    decoder: SetDecoder,
    rows: Rows,
    split: Callable[[Rows], Splits],
    reweighed: Callable[[float], Floats],
    consistency: str,
) -> float:
    """Return the weight of node rows, as :func:`learnt_weight_of_paths`."""
    part, splits = strategy.set_parts()[0], split(rows)

    def score(weight: float) -> float:
        own = trainer.weighted(reweighed(weight))

        def train(_: int, inside: Rows) -> Models:
            return own.train(part, 0, inside)[0]

        held_out = HeldOutPass(train, rows, splits, keep=True)
        return score_of_sets(own, part, held_out, decoder, consistency)

    return _best(score)


def _best(score: Callable[[float], float]) -> float:
    """Return the best weight; of equal ones the first, which is 1."""
    scores = [score(weight) for weight in _WEIGHTS]
    return _WEIGHTS[int(np.argmax(scores))]
