"""Labels to node ids and back: the only place where a container of labels is read.

A format remembers how the labels of `fit` looked, and gives node ids back in the same way.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Protocol

import numpy as np
from scipy import sparse
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from sklhier._utils.typing import Bools, Labels, NodeIds, Objects
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._parsing import (
    factorize_levels,
    is_missing,
    is_padding,
    label_array,
    path_of_row,
    refuse_gaps,
    sort_key,
)

__all__ = [
    "LabelFormat",
    "LevelFormat",
    "TargetFormat",
    "closed_indicator",
    "frame_type",
    "label_nodes",
    "label_sets",
    "read_targets",
    "refuse_unknown_paths",
    "resolve_taxonomy",
    "same_rows",
]

_ENCODED_HINT = (
    " y holds integers, as it does when a tool such as CalibratedClassifierCV, StackingClassifier "
    "or cross_val_predict(method='predict_proba') encodes the labels first: pass "
    "classes=np.unique(y) to the classifier, so that it can decode them."
)


class TargetFormat(Protocol):
    """How labels looked, and the way back."""

    @property
    def classes(self) -> Labels:
        """Distinct labels, sorted."""
        ...

    @property
    def class_ids(self) -> NodeIds:
        """The nodes they name."""
        ...

    def restore(self, nodes: NodeIds, taxonomy: Taxonomy) -> Any:
        """Return node ids as labels."""
        ...

    def read(self, y: Any, taxonomy: Taxonomy) -> NodeIds:
        """Return the labels of other data as node ids, -1 for a label that is no node."""
        ...


@dataclass(frozen=True)
class LabelFormat:
    """1-D labels.

    Attributes
    ----------
    classes : ndarray, shape (n_classes,)
        Distinct labels, sorted; of the dtype of y.
    class_ids : ndarray of int32, shape (n_classes,)
        The nodes they name.
    encoded : bool
        The labels are integer codes that some tool made of the real ones.
    """

    classes: Labels
    class_ids: NodeIds
    encoded: bool = False

    def restore(self, nodes: NodeIds, taxonomy: Taxonomy) -> Labels:
        position = np.full(taxonomy.n_nodes, -1, dtype=np.intp)
        position[self.class_ids] = np.arange(len(self.class_ids))
        found = position[nodes]
        if (found >= 0).all():
            return self.classes[found]
        if self.encoded:
            name = taxonomy.nodes[nodes[np.argmin(found)]]
            raise TargetError(
                f"The decoder answers {name!r}, which is none of the encoded classes, so it has no "
                "code. Use a decoder that answers leaves, or fit on the labels themselves."
            )
        names = taxonomy.node_names[nodes]
        names[nodes == 0] = taxonomy.root
        if (nodes == 0).any() and taxonomy.root is None:
            return names
        typed = np.array(taxonomy.node_names[np.unique(nodes)].tolist())
        same_kind = typed.ndim == 1 and typed.dtype.kind == self.classes.dtype.kind
        return names.astype(typed.dtype) if same_kind else names

    def read(self, y: Any, taxonomy: Taxonomy) -> NodeIds:
        if not self.encoded:
            return _known_nodes(y, taxonomy)
        values = as_labels(y)
        node_of = dict(zip(self.classes.tolist(), self.class_ids.tolist(), strict=True))
        found = map(node_of.get, values.tolist(), repeat(-1))
        return np.fromiter(found, dtype=np.int32, count=len(values))


@dataclass(frozen=True)
class LevelFormat:
    """One column for each level, or ragged lists of steps.

    Attributes
    ----------
    classes, class_ids
        As in :class:`LabelFormat`, with the names of nodes for labels.
    container : str
        ``"array"``, ``"lists"``, or the package of the data frame, ``"pandas"`` or ``"polars"``.
    columns : tuple of str
        Names of the columns of a data frame.
    width : int
        Number of columns at least.
    padding : object
        What fills up a path that ends early.
    dtype : numpy dtype
        Of an array.
    """

    classes: Labels
    class_ids: NodeIds
    container: str
    columns: tuple[Any, ...]
    width: int
    padding: Any
    dtype: Any

    def restore(self, nodes: NodeIds, taxonomy: Taxonomy) -> Any:
        levels = taxonomy.levels_of(nodes)
        if self.container == "lists":
            depths = np.count_nonzero(taxonomy.path_ids(nodes) >= 0, axis=1)
            return [row[:depth] for row, depth in zip(levels.tolist(), depths, strict=True)]
        padded = np.full((len(nodes), max(self.width, levels.shape[1])), None, dtype=object)
        padded[:, : levels.shape[1]] = levels
        empty = padded == np.array(None)
        padded[empty] = self.padding
        if self.container == "array":
            fits = self.dtype.kind in "UO" or not empty.any() or self.dtype.kind == "f"
            wide = np.dtype(str) if self.dtype.kind == "U" else self.dtype
            return padded.astype(wide) if fits else padded
        extra = range(len(self.columns), padded.shape[1])
        names = [*self.columns, *(f"level_{column + 1}" for column in extra)]
        frame = frame_type(self.container)
        return frame({name: column.tolist() for name, column in zip(names, padded.T, strict=True)})

    def read(self, y: Any, taxonomy: Taxonomy) -> NodeIds:
        return _known_nodes(y, taxonomy)


def _known_nodes(y: Any, taxonomy: Taxonomy) -> NodeIds:
    """Return the nodes of labels or paths, -1 for what is not in the taxonomy."""
    if not holds_levels(y, taxonomy):
        return taxonomy.ids(as_labels(y).tolist())
    columns, codes = factorize_levels(y)
    nodes = np.maximum(taxonomy.walk(columns, codes), -1)
    nodes[(codes < 0).all(axis=1)] = -1
    return nodes


def frame_type(package: str) -> Any:
    import importlib

    return importlib.import_module(package).DataFrame


def resolve_taxonomy(taxonomy: Any) -> Taxonomy | None:
    """Return a Taxonomy for what users may pass as one."""
    if taxonomy is None or isinstance(taxonomy, Taxonomy):
        return taxonomy
    if hasattr(taxonomy, "is_directed"):
        return Taxonomy.from_networkx(taxonomy)
    raise TargetError(
        "`taxonomy` is a Taxonomy, a networkx.DiGraph or None; "
        f"{type(taxonomy).__name__} was given. Build one with Taxonomy.from_edges, from_parents, "
        "from_dict, from_paths or from_levels."
    )


# -- reading ------------------------------------------------------------------------------


def _first(y: Any) -> Any:
    return next(iter(y), None)


def holds_levels(y: Any, taxonomy: Taxonomy | None) -> bool:
    """Whether `y` spells out paths step by step, rather than naming nodes."""
    shape = getattr(y, "shape", None)
    if shape is not None and len(shape) == 2:
        # One column of numbers is what scikit-learn calls a column vector: labels, with a warning.
        return bool(shape[1] != 1) or getattr(y, "dtype", np.dtype(object)).kind in "OUT"
    if shape is not None and getattr(y, "dtype", None) != np.dtype(object):
        return False
    first = _first(y)
    if isinstance(first, tuple) and taxonomy is not None and first in taxonomy:
        return False
    return isinstance(first, list | tuple | np.ndarray)


def as_labels(y: Any) -> Labels:
    """Return 1-D labels of any container as an array of their own type."""
    return column_or_1d(label_array(y), warn=True)


def _refuse_missing(values: list[Any]) -> None:
    for row, value in enumerate(values):
        if is_missing(value):
            raise TargetError.missing(row)


def _refuse_unknown(nodes: NodeIds, values: list[Any], taxonomy: Taxonomy) -> None:
    if (nodes >= 0).all():
        return
    _refuse_missing(values)
    rows = np.flatnonzero(nodes < 0).tolist()
    unknown = list(dict.fromkeys(values[row] for row in rows))
    integers = isinstance(unknown[0], int) and not isinstance(taxonomy.nodes[-1], int)
    hint = _ENCODED_HINT if integers else ""
    raise TargetError.unknown(unknown, taxonomy.nodes[1:], hint)


def label_nodes(values: list[Any], taxonomy: Taxonomy) -> NodeIds:
    """Return the ids of labels; raise a TargetError for one that is missing or no node."""
    nodes = taxonomy.ids(values)
    _refuse_unknown(nodes, values, taxonomy)
    return nodes


def _class_order(labels: Labels, firsts: Any) -> Any:
    if labels.dtype.kind != "O":
        return np.argsort(labels[firsts], kind="stable")
    values = labels[firsts].tolist()
    return np.array(sorted(range(len(values)), key=lambda i: sort_key(values[i])), dtype=np.intp)


def _label_format(labels: Labels, nodes: NodeIds, *, encoded: bool = False) -> LabelFormat:
    ids, firsts = np.unique(nodes, return_index=True)
    order = _class_order(labels, firsts)
    return LabelFormat(labels[firsts][order], ids[order], encoded)


def _codes_of(labels: Labels, classes: Labels) -> Any:
    """Return `labels` if they are codes into `classes`, or None if they are labels themselves."""
    if labels.dtype.kind not in "iub" or labels.dtype.kind == "b":
        return None
    values = np.unique(labels)
    if classes.dtype.kind not in "iuf":
        return labels if values[0] >= 0 and values[-1] < len(classes) else None
    are_labels = bool(np.isin(values, classes).all())
    are_codes = bool(values[0] >= 0 and values[-1] < len(classes))
    same = are_labels and are_codes and bool((classes[values] == values).all())
    if are_labels and are_codes and not same:
        raise TargetError(
            f"The integers in y (such as {values[:3].tolist()}) could be labels or codes into "
            "`classes`, which would name other nodes. Name the nodes by strings."
        )
    return labels if are_codes and not are_labels else None


def read_targets(
    y: Any, taxonomy: Taxonomy | None, classes: Any = None
) -> tuple[NodeIds, Taxonomy, TargetFormat]:
    """Read the targets of a single-path problem.

    Parameters
    ----------
    y : array-like, shape (n_samples,) or (n_samples, n_levels), or list of lists
        Labels.
    taxonomy : Taxonomy or None
        Inferred from `y` if None.
    classes : array-like or None
        The labels that integer codes in `y` stand for.

    Returns
    -------
    nodes : ndarray of int32, shape (n_samples,)
        The node of each label.
    taxonomy : Taxonomy
        As given, or inferred.
    format : TargetFormat
        The way back.
    """
    if sparse.issparse(y):
        raise TargetError(
            "y is a sparse matrix. HierarchicalClassifier predicts one path for each sample: pass "
            "1-D labels, or use HierarchicalMultiLabelClassifier."
        )
    if hasattr(y, "__array__") and not hasattr(y, "shape"):
        y = np.asarray(y)
    if holds_levels(y, taxonomy):
        return _read_levels(y, taxonomy)
    labels = as_labels(y)
    values = labels.tolist()
    if labels.dtype.kind in "Of" and any(map(is_missing, dict.fromkeys(values))):
        _refuse_missing(values)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise TargetError("y contains infinity, which cannot be a label.")
    if classes is not None:
        known = as_labels(classes)
        taxonomy = Taxonomy.flat(known) if taxonomy is None else taxonomy
        class_ids = label_nodes(known.tolist(), taxonomy)
        codes = _codes_of(labels, known)
        if codes is not None:
            nodes = class_ids[codes]
            return nodes, taxonomy, _label_format(labels, nodes, encoded=True)
    if taxonomy is None:
        if labels.dtype.kind in "fc":
            check_classification_targets(labels)
        taxonomy = Taxonomy.flat(labels)
    nodes = label_nodes(values, taxonomy)
    return nodes, taxonomy, _label_format(labels, nodes)


def _read_levels(y: Any, taxonomy: Taxonomy | None) -> tuple[NodeIds, Taxonomy, LevelFormat]:
    array = y if isinstance(y, np.ndarray) else None
    if array is not None and array.dtype.kind in "biuf" and np.isin(array, (0, 1)).all():
        raise TargetError.looks_like_indicator(array.shape)
    if taxonomy is None:
        labels, taxonomy = Taxonomy.from_levels(y)
        nodes = taxonomy.ids(labels.tolist())
    else:
        taxonomy.require_tree("A path of levels")
        steps, codes = factorize_levels(y)
        refuse_gaps(codes, steps)
        nodes = taxonomy.walk(steps, codes)
        refuse_unknown_paths(nodes, steps, codes, taxonomy)
    names = taxonomy.node_names[nodes]
    one_kind = all(isinstance(name, str) for name in taxonomy.nodes[1:])
    known = _label_format(names.astype(str) if one_kind else names, nodes)
    if hasattr(y, "columns"):
        container, columns = type(y).__module__.split(".")[0], tuple(y.columns)
    else:
        container, columns = "lists" if array is None or array.ndim == 1 else "array", ()
    form = LevelFormat(
        known.classes,
        known.class_ids,
        container=container,
        columns=columns,
        width=0 if container == "lists" else y.shape[1],
        padding=_padding_of(y),
        dtype=np.dtype(object) if array is None else array.dtype,
    )
    return nodes, taxonomy, form


def refuse_unknown_paths(
    nodes: NodeIds, columns: Sequence[Sequence[Hashable]], codes: Any, taxonomy: Taxonomy
) -> None:
    if (nodes >= 0).all():
        return
    row = int(np.argmax(nodes < 0))
    path = path_of_row(columns, codes[row])
    step = int(-2 - nodes[row])
    reached = taxonomy.walk(columns, np.where(np.arange(len(columns)) < step, codes[[row]], -1))
    below = taxonomy.children_of(int(reached[0]))
    raise TargetError.unknown_path(path, step, taxonomy.step_names[below])


def _padding_of(y: Any) -> Any:
    """Return what pads short paths in `y`: the first such cell, or what its dtype can hold."""
    if isinstance(y, np.ndarray) and y.dtype.kind in "Uf":
        return "" if y.dtype.kind == "U" else np.nan
    rows = y.to_numpy() if hasattr(y, "columns") else np.asarray(y, dtype=object)
    if rows.ndim != 2:
        return None
    cells = (cell for cell in rows[:, -1].tolist() if is_padding(cell))
    return next(cells, None)


# -- label sets, for metrics --------------------------------------------------------------


def closed_indicator(y: Any, taxonomy: Taxonomy) -> sparse.csr_array:
    """Return the closure of each row's labels: float64 0/1, shape (n_samples, n_nodes).

    Every target format is read: 1-D labels, levels, paths, collections of labels, an indicator
    over ``taxonomy.nodes[1:]``. None, and an empty collection, is the empty set; the root is left
    out.
    """
    given = nodes_or_indicator(y, taxonomy)
    if isinstance(given, np.ndarray):
        return sparse.csr_array(taxonomy.ancestor_closure[given])
    return ops.marked(sparse.csr_array(given @ taxonomy.ancestor_closure))


def nodes_or_indicator(y: Any, taxonomy: Taxonomy) -> NodeIds | sparse.csr_array:
    """Return labels as they were given, without their ancestors.

    Rows with one label or path become an array of nodes, as :func:`nodes_or_root`; rows with label
    sets an indicator, float64 0/1, shape (n_samples, n_nodes), the root left out.
    """
    if sparse.issparse(y) or _is_indicator(y, taxonomy):
        return _read_indicator(sparse.csr_array(y), taxonomy)
    if _holds_sets(y, taxonomy):
        return taxonomy.members_of(y)
    if hasattr(y, "shape") or not holds_levels(y, taxonomy):
        return nodes_or_root(y, taxonomy)
    columns, codes = factorize_levels(y)
    nodes = taxonomy.walk(columns, codes)
    if (nodes < 0).any():
        return taxonomy.members_of(y)
    refuse_gaps(codes[(codes >= 0).any(axis=1)], columns)
    return nodes


def holds_label_sets(y: Any, taxonomy: Taxonomy) -> bool:
    """Whether `y` may give a sample several labels, rather than one label or path."""
    if sparse.issparse(y) or _is_indicator(y, taxonomy) or _holds_sets(y, taxonomy):
        return True
    if hasattr(y, "shape") or not holds_levels(y, taxonomy):
        return False
    columns, codes = factorize_levels(y)
    return bool((taxonomy.walk(columns, codes) < 0).any())


def label_sets(closed: Any, taxonomy: Taxonomy) -> Objects:
    """Return the names of the nodes of each row as frozensets, in an array of objects."""
    rows, nodes = closed.nonzero()
    sizes = np.bincount(rows, minlength=closed.shape[0])
    members = np.full((closed.shape[0], max(1, int(sizes.max()))), -1, dtype=np.int32)
    members[rows, ops.concatenated_ranges(np.zeros_like(sizes), sizes)] = nodes
    distinct, of_row = np.unique(members, axis=0, return_inverse=True)
    sets = np.empty(len(distinct), dtype=object)
    sets[:] = [frozenset(taxonomy.nodes[n] for n in row if n >= 0) for row in distinct.tolist()]
    return sets[of_row.ravel()]


def same_rows(first: Any, second: Any) -> Bools:
    """Tell which rows of two 0/1 matrices are equal."""
    different = sparse.csr_array(first - second)
    different.eliminate_zeros()
    return np.diff(different.indptr) == 0


def _holds_sets(y: Any, taxonomy: Taxonomy) -> bool:
    """Whether the rows of `y` are sets of labels; None is an empty one."""
    if hasattr(y, "shape") and (len(y.shape) != 1 or y.dtype != np.dtype(object)):
        return False
    first = next((row for row in y if row is not None), None)
    return isinstance(first, AbstractSet) and first not in taxonomy


def nodes_or_root(y: Any, taxonomy: Taxonomy) -> NodeIds:
    """Return the node of each label or path; None and an empty path stand for the root."""
    if _holds_sets(y, taxonomy):
        raise TargetError.one_label_each()
    if holds_levels(y, taxonomy):
        columns, codes = factorize_levels(y)
        filled = (codes >= 0).any(axis=1)
        refuse_gaps(codes[filled], columns)
        nodes = taxonomy.walk(columns, codes)
        refuse_unknown_paths(nodes, columns, codes, taxonomy)
        return nodes
    values = as_labels(y).tolist()
    nodes = taxonomy.ids(values)
    if (nodes < 0).any():
        empty = np.fromiter(map(is_missing, values), dtype=bool, count=len(values))
        nodes[empty] = 0
        _refuse_unknown(nodes, values, taxonomy)
    return nodes


def _is_indicator(y: Any, taxonomy: Taxonomy) -> bool:
    if not (isinstance(y, np.ndarray) and y.ndim == 2 and y.dtype.kind in "biuf"):
        return False
    return y.shape[1] == taxonomy.n_nodes - 1 and bool(np.isin(y, (0, 1)).all())


def _read_indicator(indicator: sparse.csr_array, taxonomy: Taxonomy) -> sparse.csr_array:
    n_columns = indicator.shape[1]
    if n_columns != taxonomy.n_nodes - 1:
        raise TargetError(
            f"An indicator has a column for each of the {taxonomy.n_nodes - 1} nodes of "
            f"taxonomy.nodes[1:]; {n_columns} columns were given."
        )
    columns = np.arange(1, taxonomy.n_nodes, dtype=np.int32)
    return ops.with_columns(indicator, columns, taxonomy.n_nodes)


def infer_taxonomy(*targets: Any) -> Taxonomy:
    """Return the taxonomy that sets of paths spell out together.

    Raises
    ------
    TargetError
        If they do not hold paths, but names of nodes: these say nothing of the taxonomy.
    """
    if not all(holds_levels(y, None) for y in targets):
        raise TargetError(
            "1-D labels do not tell how nodes are related: pass `taxonomy=`. (Without it only "
            "paths, one column for each level, can be scored.)"
        )
    rows = [row for y in targets for row in _rows_of(y)]
    return Taxonomy.from_levels([row for row in rows if not all(map(is_padding, row))])[1]


def with_paths(taxonomy: Taxonomy, y: Any) -> Taxonomy:
    """Return a tree with the paths in `y` added that it lacks; its nodes keep their names.

    A DAG is returned as it is, and so is a tree if `y` holds no paths, but collections of labels.
    """
    if not holds_levels(y, taxonomy) or not taxonomy.is_tree:
        return taxonomy
    columns, codes = factorize_levels(y)
    if (taxonomy.walk(columns, codes) >= 0).all():
        return taxonomy
    steps = [step for column in columns for step in column]
    if not hasattr(y, "shape") and all(step in taxonomy for step in steps):
        return taxonomy
    own = taxonomy.levels_of(np.arange(1, taxonomy.n_nodes, dtype=np.int32)).tolist()
    more = [row for row in _rows_of(y) if not all(map(is_padding, row))]
    labels, larger = Taxonomy.from_levels([*own, *more])
    names = larger.node_names.copy()
    names[larger.ids(labels[: len(own)].tolist())] = taxonomy.node_names[1:]
    names[0] = taxonomy.nodes[0]
    return Taxonomy(
        names.tolist(),
        larger.edge_parents,
        larger.edge_children,
        steps=larger.step_names.tolist(),
        root=0,
    )


def _rows_of(Y: Any) -> list[list[Any]]:
    columns, codes = factorize_levels(Y)
    cells = np.full(codes.shape, None, dtype=object)
    for level, uniques in enumerate(columns):
        filled = codes[:, level] >= 0
        cells[filled, level] = np.array([*uniques, None], dtype=object)[codes[filled, level]]
    return cells.tolist()
