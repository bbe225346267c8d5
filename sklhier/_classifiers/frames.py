"""Answers with their probabilities as a table to hand on: a row for each answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import Any, Self

import numpy as np
from scipy import sparse

from sklhier._probabilities.along_paths import path_proba, stop_proba
from sklhier._probabilities.marginals import Marginals
from sklhier._probabilities.restricted import RestrictedMarginals
from sklhier._utils.columns import object_array
from sklhier._utils.typing import Bools, Floats, Labels, NodeIds, Rows
from sklhier._utils.validation import check_choice
from sklhier.decoders import Decoder, top_answers
from sklhier.taxonomy import Taxonomy

__all__ = [
    "Answered",
    "FrameMaker",
    "answered_paths",
    "answered_sets",
    "check_output",
    "joined",
    "table_of",
]

OUTPUTS = ("pandas", "polars", "arrays")
OWN_COLUMNS = ("row", "rank", "predicted", "label", "proba", "stop")


@dataclass(frozen=True)
class Answered:
    """Answers of some samples, those of one sample side by side, the best first.

    Attributes
    ----------
    rows : ndarray of intp, shape (n_answers,)
        The position of the sample.
    rank : ndarray of intp, shape (n_answers,)
        From 1.
    predicted : ndarray of bool, shape (n_answers,)
        Whether ``predict`` answers so.
    nodes : ndarray of int32, shape (n_answers,)
        0 for no answer.
    proba : ndarray of float64, shape (n_answers,)
        NaN for no answer.
    levels : ndarray of float64, shape (n_answers, n_levels)
        Probabilities of the nodes on the path, NaN below its end; without columns in a DAG.
    """

    rows: Rows
    rank: Rows
    predicted: Bools
    nodes: NodeIds
    proba: Floats
    levels: Floats

    def ordered(self) -> Self:
        """Return the answers sorted by sample and rank."""
        order = np.lexsort((self.rank, self.rows))
        return type(self)(
            **{field.name: getattr(self, field.name)[order] for field in fields(self)}
        )


def joined(parts: Sequence[tuple[int, Answered]]) -> Answered:
    """Return the answers of blocks, each with the number of its first sample, as one."""
    moved = [replace(part, rows=part.rows + start) for start, part in parts]
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in moved])
        for field in fields(Answered)
    }
    return Answered(**columns)


# -- one path for each sample -------------------------------------------------------------


def answered_paths(
    marginals: Marginals, decoder: Decoder, decode: Callable[[Marginals], Any], top_k: int
) -> Answered:
    """Return the answer of a decoder for each row, then the most probable others up to `top_k`.

    Parameters
    ----------
    marginals : Marginals
    decoder : Decoder
        Says what kind of answers it gives.
    decode : callable
        Its method that gives them: ``decode``, of some groups perhaps, or ``decode_sets``.
    top_k : int
    """
    if decoder.needs_all_nodes and marginals.is_lazy:
        marginals = marginals.dense()  # computed once
    if decoder.gives_sets:
        return _answered_closed(marginals, decode(marginals), top_k)
    nodes = decode(marginals)
    rows = np.arange(marginals.n_rows)
    first = _paths_of(marginals, rows, nodes, exact=decoder.gives == "classes")
    if top_k == 1:
        return first
    best, proba = _most_probable(marginals, top_k)
    wanted = (proba >= 0) & (best != nodes[:, None])
    wanted &= np.cumsum(wanted, axis=1) < top_k
    rows, columns = np.nonzero(wanted)
    others = _paths_of(marginals, rows, best[rows, columns], exact=True)
    rank = 1 + np.cumsum(wanted, axis=1)[rows, columns]
    others = replace(others, rank=rank, predicted=np.zeros(len(rows), dtype=bool))
    return joined([(0, first), (0, others)]).ordered()


def _most_probable(marginals: Marginals, k: int) -> tuple[NodeIds, Floats]:
    """Return the most probable answers; probability -1 marks one that is not allowed."""
    k = min(k, len(marginals.outcomes.answers))
    if isinstance(marginals, RestrictedMarginals):
        return marginals.ranked(k)
    return top_answers(marginals, k)


def _paths_of(marginals: Marginals, rows: Rows, nodes: NodeIds, *, exact: bool) -> Answered:
    """Return predicted answers of rank 1.

    Parameters
    ----------
    exact : bool
        Whether `proba` is that of an answer that ends at the node, not also below it.
    """
    if marginals.taxonomy.is_tree:
        paths = marginals.taxonomy.path_ids(nodes)
        levels = path_proba(marginals, rows, paths)
        depths = marginals.taxonomy.depths[nodes]
        proba = np.where(
            nodes > 0, levels[np.arange(len(nodes)), np.maximum(depths - 1, 0)], np.nan
        )
    else:
        levels = np.zeros((len(nodes), 0))
        proba = np.where(nodes > 0, marginals.dense().node_proba[rows, nodes], np.nan)
    if exact:
        given = np.flatnonzero(nodes)
        proba[given] = stop_proba(marginals, rows[given], nodes[given], proba[given])
    rank, predicted = np.ones(len(nodes), dtype=np.intp), np.ones(len(nodes), dtype=bool)
    return Answered(rows, rank, predicted, nodes, proba, levels)


def _answered_closed(marginals: Marginals, closed: sparse.csr_array, top_k: int) -> Answered:
    table = marginals.dense().node_proba
    answers = marginals.outcomes.answers
    others = marginals.answer_proba(answers)
    if isinstance(marginals, RestrictedMarginals):
        others = np.where(marginals.permits, others, -1.0)
    return _answered_sets(closed, table, marginals.taxonomy, answers, others, top_k)


# -- several labels for each sample -------------------------------------------------------


def answered_sets(
    closed: sparse.csr_array, node_proba: Floats, taxonomy: Taxonomy, top_k: int
) -> Answered:
    """Return the most specific labels of each row, then the most probable leaves up to `top_k`.

    A row without a label has the answer 0, the root. Leaves of probability 0 are left out.
    """
    leaves = taxonomy.leaf_ids
    others = node_proba[:, leaves] if top_k > 1 else np.zeros((len(node_proba), 0))
    others = np.where(others > 0, others, -1.0)
    return _answered_sets(closed, node_proba, taxonomy, leaves, others, top_k)


def _answered_sets(
    closed: sparse.csr_array,
    node_proba: Floats,
    taxonomy: Taxonomy,
    candidates: NodeIds,
    proba: Floats,
    top_k: int,
) -> Answered:
    specific = taxonomy.most_specific_of(closed)
    counts = np.diff(specific.indptr)
    empty = np.flatnonzero(counts == 0)
    rows = np.concatenate([np.repeat(np.arange(len(counts)), counts), empty])
    nodes = np.concatenate([specific.indices, np.zeros(len(empty))]).astype(np.int32)
    first = _ranked(rows, nodes, node_proba, taxonomy, np.zeros(len(counts), dtype=np.intp))
    if top_k == 1:
        return first
    n_rows_each = np.maximum(counts, 1)
    order = np.argsort(-proba, axis=1, kind="stable")
    best = candidates[order]
    taken = np.take_along_axis(closed[:, candidates].toarray() > 0, order, axis=1)
    wanted = (np.take_along_axis(proba, order, axis=1) >= 0) & ~taken
    wanted &= np.cumsum(wanted, axis=1) <= (top_k - n_rows_each)[:, None]
    rows, columns = np.nonzero(wanted)
    others = _ranked(rows, best[rows, columns], node_proba, taxonomy, n_rows_each)
    others = replace(others, predicted=np.zeros(len(rows), dtype=bool))
    return joined([(0, first), (0, others)]).ordered()


def _ranked(
    rows: Rows, nodes: NodeIds, node_proba: Floats, taxonomy: Taxonomy, before: Rows
) -> Answered:
    """Return answers by descending probability, ranks counted from `before` of each row on."""
    proba = np.where(nodes > 0, node_proba[rows, nodes], np.nan)
    order = np.lexsort((nodes, -proba, rows))
    rows, nodes, proba = rows[order], nodes[order], proba[order]
    rank = 1 + np.arange(len(rows)) - np.searchsorted(rows, rows) + before[rows]
    levels = np.zeros((len(rows), 0))
    if taxonomy.is_tree:
        paths = taxonomy.path_ids(nodes)
        levels = np.where(paths >= 0, node_proba[rows[:, None], paths], np.nan)
    return Answered(rows, rank, np.ones(len(rows), dtype=bool), nodes, proba, levels)


# -- the table ----------------------------------------------------------------------------


def check_output(output: Any) -> None:
    """Raise an error unless `output` names a kind of table that can be made here."""
    check_choice("output", output, OUTPUTS)
    if output == "arrays":
        return
    try:
        import_module(output)
    except ImportError as error:
        raise ImportError(
            f"output={output!r} needs {output}, which is not installed: run `pip install {output}`, "
            "or pass output='arrays' for a dictionary of arrays."
        ) from error


@dataclass(frozen=True)
class FrameMaker:
    """Maker of tables from the answers of a classifier.

    Attributes
    ----------
    taxonomy : Taxonomy
    names : sequence of str
        Of the first levels; others are numbered.
    knows : bool
        Whether there are probabilities, not weights alone.
    """

    taxonomy: Taxonomy
    names: Sequence[str]
    knows: bool

    def table(self, answered: Answered, labels: Labels, X: Any, output: str) -> Any:
        """Return answers, also named by `labels`, about samples that are called as in X."""
        index = X.index if hasattr(X, "iloc") else None
        columns: dict[str, Any] = {
            "row": answered.rows if index is None else index[answered.rows],
            "rank": answered.rank,
            "predicted": answered.predicted,
            "label": labels,
        }
        if self.knows:
            columns["proba"] = answered.proba
        columns |= self._levels(answered)
        columns["stop"] = _ends(answered.nodes, self.taxonomy)
        return table_of(columns, output)

    def _levels(self, answered: Answered) -> dict[str, Any]:
        """Return the columns of the levels; there are none in a DAG."""
        if not self.taxonomy.is_tree:
            return {}
        steps = self.taxonomy.levels_of(answered.nodes)
        columns: dict[str, Any] = {}
        for level, name in enumerate(_level_names(self.names, self.taxonomy.n_levels)):
            columns[name] = steps[:, level]
            if self.knows:
                columns[f"proba_{name}"] = answered.levels[:, level]
        return columns


def table_of(columns: dict[str, Any], output: str) -> Any:
    """Return columns, one of them ``row``, as the kind of table that `output` names."""
    if output == "pandas":
        return _pandas_frame(columns)
    columns["row"] = np.asarray(columns["row"])
    if output == "arrays":
        return columns
    listed = {name: _without_nan(values) for name, values in columns.items()}
    return import_module("polars").DataFrame(listed)


def _pandas_frame(columns: dict[str, Any]) -> Any:
    pandas = import_module("pandas")
    # A type that is told, for else it would depend on the answers at hand.
    typed = {
        name: pandas.Series(values, dtype=object) if values.dtype == object else values
        for name, values in columns.items()
        if name != "row"
    }
    return pandas.DataFrame({"row": columns["row"], **typed})


def _level_names(names: Sequence[str], n_levels: int) -> list[str]:
    """Return names of columns for the levels: those of the labels, unless the table has them too."""
    numbered = [f"level_{level}" for level in range(1, n_levels + 1)]
    given = [*names[:n_levels], *numbered[len(names) :]]
    all_names = [*OWN_COLUMNS, *given, *(f"proba_{name}" for name in given)]
    return numbered if len(set(all_names)) < len(all_names) else given


def _ends(nodes: NodeIds, taxonomy: Taxonomy) -> Labels:
    is_leaf = np.diff(taxonomy.child_offsets)[nodes] == 0
    return object_array(np.where(nodes == 0, "none", np.where(is_leaf, "leaf", "inner")).tolist())


def _without_nan(values: Any) -> list[Any]:
    """Return a column of Python objects, None for a probability that there is not."""
    listed: list[Any] = values.tolist()
    return [None if value != value else value for value in listed]
