"""Confusion matrix of the nodes of one level."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._utils.typing import SampleWeight, Target
from sklhier._utils.validation import check_choice
from sklhier.metrics._input import read_level, read_nodes
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._graph import entry_rows
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["hierarchical_confusion_matrix"]

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

    It counts the samples whose true path reaches the level. Predicted paths are cut there. The last
    column counts predictions that end above the level.

    Parameters
    ----------
    y_true, y_pred : array-like
        One label or path for each sample, in any format.
    level : int, default=1
        From 1, or from -1 upwards from the deepest.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the labels. May be left out where both `y` hold paths.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    normalize : {"true", "pred", "all"}, default=None
        Divide by the sums of rows, of columns, or by that of everything; what has a sum of 0 stays 0.
    sparse_output : bool, default=False
        Return a sparse matrix: for levels of thousands of nodes.
    classes : array-like, default=None
        The labels that the columns of an indicator stand for, as in the classifiers; it may have
        one label for each sample. Other formats name their labels themselves.
    as_frame : bool, default=False
        Return a :class:`pandas.DataFrame` whose rows and columns are labelled by the names of nodes
        and their titles, the last column by ``"(above)"``.

    Returns
    -------
    matrix : ndarray, csr_array or DataFrame, shape (n_level_nodes, n_level_nodes + 1)
        Rows are true nodes, columns predicted ones, both in the order of
        ``taxonomy.levels[level - 1]``. Of int64, or float64 with weights or normalised.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without one.
    TaxonomyError
        If the taxonomy is no tree.
    ValueError
        For another `level` or `normalize`, and for both `sparse_output` and `as_frame`.

    See Also
    --------
    level_accuracy_scores : The sums of the diagonals over those of the matrices.

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
    start, stop = resolved.level_offsets[depth : depth + 2]
    rows, columns = (resolved.path_ids(nodes)[:, depth - 1] for nodes in (true, predicted))
    reached = rows >= 0
    columns = np.where(columns < 0, stop, columns)  # the extra column of early ends
    counts = weights[reached] if sample_weight is not None else np.ones(reached.sum(), np.int64)
    coordinates = (rows[reached] - start, columns[reached] - start)
    size = int(stop - start)
    matrix = sparse.csr_array((counts, coordinates), shape=(size, size + 1))
    if normalize is not None:
        matrix = _normalized(matrix, _AXES[normalize])
    if as_frame:
        return _labelled(matrix, resolved, resolved.levels[depth - 1])
    return matrix if sparse_output else matrix.toarray()


def _labelled(matrix: sparse.csr_array, taxonomy: Taxonomy, names: Sequence[Hashable]) -> Any:
    import pandas as pd

    texts = taxonomy.titled(names)
    return pd.DataFrame(
        matrix.toarray(),
        index=pd.Index(texts, name="true"),
        columns=pd.Index([*texts, "(above)"], name="predicted"),
    )


def _normalized(matrix: sparse.csr_array, axis: int | None) -> sparse.csr_array:
    rows = entry_rows(matrix)
    sums: Any = matrix.sum(axis=axis)
    of_entry = sums if axis is None else sums[rows if axis == 1 else matrix.indices]
    data = np.zeros(matrix.nnz)
    np.divide(matrix.data, of_entry, out=data, where=of_entry > 0)
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
