"""One label or path for each sample: to node ids and back.

A format remembers how the labels of `fit` looked, and gives node ids back in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from sklhier._targets.formats import Format, Given, SingleLabels, as_labels, detect
from sklhier._utils.typing import Bools, Labels, NodeIds, Objects
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._parsing import is_padding, sort_key

__all__ = [
    "LabelFormat",
    "LevelFormat",
    "TargetFormat",
    "as_labels",
    "frame_type",
    "label_sets",
    "read_targets",
    "resolve_taxonomy",
    "same_rows",
]


class TargetFormat(Protocol):
    """The format of labels in `fit`, and the way back."""

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
    """Return the nodes of labels or paths, -1 for what is missing or not in the taxonomy."""
    return np.maximum(detect(y, taxonomy, "one").ids(taxonomy), np.int32(-1))


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
        "`taxonomy` must be a Taxonomy, a networkx.DiGraph or None, got "
        f"{type(taxonomy).__name__}. Build one with Taxonomy.from_edges, from_parents, from_dict, "
        "from_paths or from_levels."
    )


# -- reading ------------------------------------------------------------------------------


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
    form = detect(y, taxonomy, "one")
    if form.several:
        with form.explained():
            raise TargetError(
                "y holds several labels for each sample, but HierarchicalClassifier predicts one "
                "path: pass 1-D labels, or use HierarchicalMultiLabelClassifier."
            )
    if isinstance(form, SingleLabels):
        return _read_labels(form, taxonomy, classes)
    return _read_levels(form, taxonomy)


def _read_labels(
    form: SingleLabels, taxonomy: Taxonomy | None, classes: Any
) -> tuple[NodeIds, Taxonomy, LabelFormat]:
    labels = form.labels
    if form.missing.any():
        raise TargetError.missing(int(np.argmax(form.missing)))
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise TargetError("y contains infinity, which cannot be a label.")
    taxonomy = form.infer(classes) if taxonomy is None else taxonomy
    if classes is not None:
        known = SingleLabels(Given(classes, taxonomy, "one"))
        class_ids = known.nodes(taxonomy, empty_is_root=False)
        codes = _codes_of(labels, known.labels)
        if codes is not None:
            nodes = class_ids[codes]
            return nodes, taxonomy, _label_format(labels, nodes, encoded=True)
    nodes = form.nodes(taxonomy)
    return nodes, taxonomy, _label_format(labels, nodes)


def _read_levels(form: Format, taxonomy: Taxonomy | None) -> tuple[NodeIds, Taxonomy, LevelFormat]:
    y, given = form.given.y, form.given
    array = y if isinstance(y, np.ndarray) else None
    if array is not None and given.is_numeric and given.holds_bits:
        raise TargetError.looks_like_indicator(array.shape)
    if taxonomy is None:
        taxonomy = form.infer()
    taxonomy.require_tree("A path of levels")
    nodes = form.nodes(taxonomy, empty_is_root=False)
    names = taxonomy.node_names[nodes]
    one_kind = all(isinstance(name, str) for name in taxonomy.nodes[1:])
    known = _label_format(names.astype(str) if one_kind else names, nodes)
    if given.is_frame:
        container, columns = type(y).__module__.split(".")[0], tuple(y.columns)
    else:
        container, columns = "array" if given.is_table else "lists", ()
    way_back = LevelFormat(
        known.classes,
        known.class_ids,
        container=container,
        columns=columns,
        width=0 if container == "lists" else y.shape[1],
        padding=_padding_of(y),
        dtype=np.dtype(object) if array is None else array.dtype,
    )
    return nodes, taxonomy, way_back


def _padding_of(y: Any) -> Any:
    """Return what pads short paths in `y`: the first such cell, or what its dtype can hold."""
    if isinstance(y, np.ndarray) and y.dtype.kind in "Uf":
        return "" if y.dtype.kind == "U" else np.nan
    rows = y.to_numpy() if hasattr(y, "columns") else np.asarray(y, dtype=object)
    if rows.ndim != 2:
        return None
    cells = (cell for cell in rows[:, -1].tolist() if is_padding(cell))
    return next(cells, None)


# -- sets of nodes ------------------------------------------------------------------------


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
