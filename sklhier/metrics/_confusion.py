"""Confusion matrix of the nodes of one level, and the pairs that are confused most."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._utils.typing import Floats, Integers, NodeIds, SampleWeight, Target
from sklhier._utils.validation import check_choice, check_integer
from sklhier.metrics._attribution import records_of
from sklhier.metrics._input import Compared, read_closures, read_level, read_nodes
from sklhier.metrics._mistakes import Decisions, confused_edges, first_mistakes
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._graph import entry_rows
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["confused_children", "hierarchical_confusion_matrix", "most_confused_pairs"]

_STOPPED = "(stopped above)"  # the column of predictions that end above the level
_AXES = {"true": 1, "pred": 0, "all": None}


def hierarchical_confusion_matrix(
    y_true: Target,
    y_pred: Target,
    *,
    level: int = 1,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    normalize: str | None = None,
    sparse_output: bool = False,
    classes: npt.ArrayLike | None = None,
    as_frame: bool = False,
) -> Any:
    """Compute the confusion matrix of the nodes of one level.

    It counts the samples whose true path reaches the level; predicted paths are cut there. The last
    column counts predictions that end above the level.

    Parameters
    ----------
    y_true, y_pred : array-like
        One label or path for each sample, in any format.
    level : int, default=1
        Counted from 1, or from -1, the deepest.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the labels. Optional if both `y` hold paths.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    normalize : {"true", "pred", "all"}, default=None
        Divide by the sums of rows, of columns, or by the total; entries with a sum of 0 stay 0.
    sparse_output : bool, default=False
        Return a sparse matrix, for levels with thousands of nodes.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers; it may have one label for each
        sample. Other formats name their labels themselves.
    as_frame : bool, default=False
        Return a :class:`pandas.DataFrame` whose rows and columns are labelled by the names of nodes
        and their titles, the last column by ``"(stopped above)"``.

    Returns
    -------
    matrix : ndarray, csr_array or DataFrame, shape (n_level_nodes, n_level_nodes + 1)
        Rows are true nodes, columns predicted ones, both in the order of ``taxonomy.levels[level -
        1]``. int64; float64 with weights or if normalised.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
    TaxonomyError
        If the taxonomy is not a tree.
    ValueError
        For an invalid `level` or `normalize`, and for `sparse_output` together with `as_frame`.

    See Also
    --------
    level_accuracy_scores : The sums of the diagonals divided by those of the matrices.
    most_confused_pairs : The largest entries off the diagonal.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hierarchical_confusion_matrix
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true, y_pred = ["owl", "owl", "eel", "wren"], ["owl", "eel", "fish", "owl"]
    >>> taxonomy.levels
    (('bird', 'fish'), ('owl', 'wren', 'eel'))
    >>> hierarchical_confusion_matrix(y_true, y_pred, taxonomy=taxonomy)
    array([[2, 1, 0],
           [0, 1, 0]])
    >>> hierarchical_confusion_matrix(y_true, y_pred, level=2, taxonomy=taxonomy)
    array([[1, 0, 1, 0],
           [1, 0, 0, 0],
           [0, 0, 0, 1]])
    """
    check_choice("normalize", normalize, (*_AXES, None))
    if sparse_output and as_frame:
        raise ValueError("`sparse_output` and `as_frame` exclude each other: set one of them.")
    true, predicted, weights, resolved = read_nodes(
        y_true,
        y_pred,
        taxonomy,
        sample_weight,
        "A confusion matrix of one level",
        classes=classes,
    )
    depth = read_level(level, resolved.n_levels)
    given = None if sample_weight is None else weights
    matrix = _of_level(true, predicted, given, depth, resolved)
    if normalize is not None:
        matrix = normalized(matrix, normalize)
    if as_frame:
        return _labelled(matrix, resolved, resolved.levels[depth - 1])
    return matrix if sparse_output else matrix.toarray()


def _of_level(
    true: NodeIds, predicted: NodeIds, weights: Floats | None, depth: int, taxonomy: Taxonomy
) -> sparse.csr_array:
    """Return the samples of each true and predicted node of a level, the last column of stops."""
    start, stop = taxonomy.level_offsets[depth : depth + 2]
    rows, columns = (taxonomy.path_ids(nodes)[:, depth - 1] for nodes in (true, predicted))
    reached = rows >= 0
    columns = np.where(columns < 0, stop, columns)  # the extra column of early ends
    counts = np.ones(reached.sum(), np.int64) if weights is None else weights[reached]
    coordinates = (rows[reached] - start, columns[reached] - start)
    size = int(stop - start)
    return sparse.csr_array((counts, coordinates), shape=(size, size + 1))


def _labelled(matrix: sparse.csr_array, taxonomy: Taxonomy, names: Sequence[Hashable]) -> Any:
    import pandas as pd

    texts = taxonomy.titled(names)
    return pd.DataFrame(
        matrix.toarray(),
        index=pd.Index(texts, name="true"),
        columns=pd.Index([*texts, _STOPPED], name="predicted"),
    )


def normalized(matrix: sparse.csr_array, over: str) -> sparse.csr_array:
    """Return a matrix divided by the sums over ``"true"`` rows, ``"pred"`` columns or ``"all"``."""
    axis = _AXES[over]
    rows = entry_rows(matrix)
    sums: Any = matrix.sum(axis=axis)
    of_entry = sums if axis is None else sums[rows if axis == 1 else matrix.indices]
    data = np.zeros(matrix.nnz)
    np.divide(matrix.data, of_entry, out=data, where=of_entry > 0)
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def most_confused_pairs(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    level: int | None = None,
    n: int | None = 10,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
    output: str = "records",
) -> Any:
    """List the pairs of nodes that are confused most often.

    By default these are the nodes where the predicted path leaves the true one: two children of the
    last correct node. With `level`, they are nodes of one level, whatever happened above.

    Parameters
    ----------
    y_true, y_pred : array-like
        Labels in any format; one label or path for each sample if there is a `level`.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels, with `level` a tree. Optional if both `y` hold paths.
    level : int, default=None
        Counted from 1, or from -1, the deepest; None for the nodes where paths part.
    n : int, default=10
        Number of pairs, the most frequent first; None for all.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.
    output : {"records", "frame"}, default="records"
        A list of dictionaries, or a :class:`pandas.DataFrame`.

    Returns
    -------
    pairs : list of dict or DataFrame
        Keys or columns: ``true`` and ``predicted`` (names), ``parent`` (where they part, None with
        `level`), ``level``, ``count`` (weight of the samples), ``share_of_true`` (among all samples
        of the true node), ``share`` (among all errors: the first of each sample, or those at the
        level; stops included).

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
    TaxonomyError
        If there is a `level`, and the taxonomy is not a tree.
    ValueError
        For an invalid `level`, `n` or `output`.

    See Also
    --------
    error_attribution : All errors by the node where paths part.
    hierarchical_confusion_matrix : All pairs of a level.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import most_confused_pairs
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true, y_pred = ["owl", "owl", "owl", "eel"], ["owl", "wren", "wren", "owl"]
    >>> for pair in most_confused_pairs(y_true, y_pred, taxonomy=taxonomy):
    ...     print(pair["true"], pair["predicted"], pair["count"], round(pair["share_of_true"], 2))
    owl wren 2.0 0.67
    fish bird 1.0 1.0
    >>> pairs = most_confused_pairs(y_true, y_pred, taxonomy=taxonomy, level=2, n=None)
    >>> [(pair["true"], pair["predicted"]) for pair in pairs]
    [('owl', 'wren'), ('eel', 'owl')]
    """
    check_choice("output", output, ("records", "frame"))
    if n is not None:
        check_integer("n", n, least=1)
    common: dict[str, Any] = {
        "taxonomy": taxonomy,
        "sample_weight": sample_weight,
        "classes": classes,
    }
    columns = (
        _where_paths_part(read_closures(y_true, y_pred, **common), n)
        if level is None
        else _at_level(y_true, y_pred, level, n, common)
    )
    if output == "frame":
        import pandas as pd

        return pd.DataFrame(columns)
    return records_of(columns)


def _where_paths_part(read: Compared, n: int | None) -> dict[str, Any]:
    return confused_children(read, first_mistakes(read), n)


def confused_children(read: Compared, found: Decisions, n: int | None) -> dict[str, Any]:
    """Return the pairs of children that are confused, by column, the most frequent first."""
    taxonomy = read.taxonomy
    pairs = confused_edges(found, read.weights, taxonomy)
    true, predicted = taxonomy.edge_children[pairs.row], taxonomy.edge_children[pairs.col]
    parents = taxonomy.edge_parents[pairs.row]
    support = np.asarray(read.weights @ read.true)
    total = read.weights[found.rows].sum()
    return _columns(taxonomy, true, predicted, parents, pairs.data, support, total, n)


def _at_level(
    y_true: Target, y_pred: Target, level: int, n: int | None, common: dict[str, Any]
) -> dict[str, Any]:
    true, predicted, weights, taxonomy = read_nodes(
        y_true, y_pred, what="A confusion of nodes of one level", **common
    )
    depth = read_level(level, taxonomy.n_levels)
    matrix = _of_level(true, predicted, weights, depth, taxonomy)
    start = taxonomy.level_offsets[depth]
    support = np.zeros(taxonomy.n_nodes)
    support[start : start + matrix.shape[0]] = matrix.sum(axis=1)
    table = sparse.coo_array(matrix)
    wrong = (table.row != table.col) & (table.data > 0)
    total = table.data[wrong].sum()
    wrong &= table.col < matrix.shape[0]  # a stop takes no node for another
    rows, columns = table.row[wrong] + start, table.col[wrong] + start
    return _columns(taxonomy, rows, columns, None, table.data[wrong], support, total, n)


def _columns(
    taxonomy: Taxonomy,
    true: Integers,
    predicted: Integers,
    parents: Integers | None,
    counts: Floats,
    support: Floats,
    total: float,
    n: int | None,
) -> dict[str, Any]:
    order = np.lexsort((predicted, true, -counts))
    order = order[counts[order] > 0][:n]
    true, predicted, counts = true[order], predicted[order], counts[order]
    above = [None] * len(order) if parents is None else _names(parents[order], taxonomy)
    return {
        "true": _names(true, taxonomy),
        "predicted": _names(predicted, taxonomy),
        "parent": above,
        "level": taxonomy.depths[true],
        "count": counts,
        "share_of_true": counts / support[true],
        "share": counts / total if len(order) else counts,
    }


def _names(nodes: Integers, taxonomy: Taxonomy) -> list[Hashable]:
    return [taxonomy.nodes[node] for node in nodes.tolist()]
