"""One label or path for each sample: to node ids and back.

A format remembers how the labels of `fit` looked, and gives node ids back in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from scipy import sparse

from sklhier._targets.containers import FrameKind, RowKind, by_name
from sklhier._targets.formats import detect
from sklhier._targets.formats_base import Format
from sklhier._targets.formats_single import SingleLabels
from sklhier._targets.given import Given, as_container, as_labels
from sklhier._utils.columns import frame_columns, is_frame, object_array, package_of, values_of
from sklhier._utils.frozen import frozen_property
from sklhier._utils.typing import Bools, Labels, NodeIds, Objects, Rows
from sklhier.exceptions import TargetError, quoted, shown
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._parsing import is_padding, sort_key

__all__ = [
    "Gives",
    "LabelFormat",
    "LevelFormat",
    "TargetFormat",
    "as_labels",
    "codes_of",
    "label_sets",
    "padding_of",
    "read_targets",
    "resolve_taxonomy",
    "same_rows",
    "saved_dtype",
    "shown_row",
    "typed_levels",
    "with_classes",
]


# What a decoder may answer: classes alone, any node, or also the root, which is no answer.
Gives: TypeAlias = Literal["classes", "nodes", "any"]


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

    def restore(self, nodes: NodeIds, taxonomy: Taxonomy, gives: Gives = "classes") -> Any:
        """Return node ids as labels.

        Their dtype depends on `gives`, what answers may be, and not on the answers at hand.
        """
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
    dtype : "T" or None, default=None
        Of predictions, where it is another than that of `classes`: that of numpy's StringDType.
    frame : FrameKind, default=None
        The table whose only column the labels were.
    """

    classes: Labels
    class_ids: NodeIds
    encoded: bool = False
    dtype: Any = None
    frame: FrameKind | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_position"}

    @frozen_property
    def _position(self) -> Rows:
        """Position of each node among the classes, -1 where it has none; the last stands for more."""
        position = np.full(self.class_ids.max(initial=-1) + 2, -1, dtype=np.intp)
        position[self.class_ids] = np.arange(len(self.class_ids))
        return position

    def restore(self, nodes: NodeIds, taxonomy: Taxonomy, gives: Gives = "classes") -> Any:
        labels = self._named(nodes, taxonomy, gives)
        if self.frame is not None:
            return self.frame.hold([values_of(labels)], room=gives == "any")
        if self.dtype is not None and gives == "classes" and (nodes != 0).all():
            return labels.astype(self.dtype)
        return labels

    def _named(self, nodes: NodeIds, taxonomy: Taxonomy, gives: Gives) -> Labels:
        found = self._position[np.minimum(nodes, len(self._position) - 1)]
        if (found >= 0).all() and (gives == "classes" or self.encoded):
            return self.classes[found]
        if self.encoded:
            name = taxonomy.nodes[nodes[np.argmin(found)]]
            raise TargetError(
                f"The decoder answers {name!r}, which is not an encoded class, so it has no "
                "code. Use a decoder that answers leaves, or fit on the labels themselves."
            )
        names = taxonomy.node_names[nodes]
        names[nodes == 0] = None  # "no answer", whatever the root is called
        own, all_names = self.classes.dtype, taxonomy.typed_names.dtype
        if gives == "any" or own.kind != all_names.kind or (nodes == 0).any():
            return names
        return names.astype(np.result_type(own, all_names))

    def read(self, y: Any, taxonomy: Taxonomy) -> NodeIds:
        if not self.encoded:
            return _known_nodes(y, taxonomy)
        values = values_of(as_labels(y))
        node_of = dict(zip(values_of(self.classes), self.class_ids.tolist(), strict=True))
        found = map(node_of.get, values, repeat(-1))
        return np.fromiter(found, dtype=np.int32, count=len(values))


@dataclass(frozen=True)
class LevelFormat:
    """One column for each level, or ragged lists of steps.

    Attributes
    ----------
    classes, class_ids
        As in :class:`LabelFormat`, with the names of nodes for labels.
    container : str
        ``"array"``, ``"lists"``, or the package of the data frame, such as ``"pandas"``.
    columns : tuple of str
        Names of the columns of a data frame.
    width : int
        Number of columns at least.
    padding : object
        What fills up a path that ends early.
    dtype : numpy dtype or "T"
        Of an array; "T" is numpy's StringDType, which no file can hold.
    frame : FrameKind, default=None
        Of a data frame.
    rows : RowKind, default=None
        What lists of steps stand in.
    kind : type
        Of these: list or tuple.
    """

    classes: Labels
    class_ids: NodeIds
    container: str
    columns: tuple[Any, ...]
    width: int
    padding: Any
    dtype: Any
    frame: FrameKind | None = None
    rows: RowKind | None = None
    kind: Any = list

    def restore(self, nodes: NodeIds, taxonomy: Taxonomy, gives: Gives = "classes") -> Any:
        levels = taxonomy.levels_of(nodes)
        if gives == "classes":  # none of which may be as deep as the taxonomy
            levels = levels[:, : max(taxonomy.depths[self.class_ids].max(), self.width)]
        if self.container == "lists":
            return self._lists(levels, np.count_nonzero(taxonomy.path_ids(nodes) >= 0, axis=1))
        padded = np.full((len(nodes), max(self.width, levels.shape[1])), None, dtype=object)
        padded[:, : levels.shape[1]] = levels
        if self.container == "array":
            return self._array(padded, taxonomy, gives)
        columns = [column.tolist() for column in padded.T]
        if self.frame is not None:
            return self.frame.hold(columns, room=gives != "classes")
        # Saved by an earlier version.
        types = (None,) * len(self.columns)
        return FrameKind(
            self.container, self.columns, types, (self.padding,) * len(self.columns)
        ).hold(columns)

    def _lists(self, levels: Objects, depths: Rows) -> Any:
        paths = [
            self.kind(row[:depth]) for row, depth in zip(levels.tolist(), depths, strict=True)
        ]
        return paths if self.rows is None else self.rows.hold(paths)

    def _array(self, padded: Objects, taxonomy: Taxonomy, gives: Gives) -> Labels:
        empty = padded == np.array(None)
        if getattr(self.dtype, "kind", "T") in "iub" and (gives != "classes" or empty.any()):
            return padded  # no room for padding, and the dtype must not depend on the answers
        padded[empty] = self.padding
        return typed_levels(padded, self.dtype, self.padding, taxonomy)

    def read(self, y: Any, taxonomy: Taxonomy) -> NodeIds:
        if self.columns and is_frame(y):
            y = by_name(y, self.columns, strict=True)
        return _known_nodes(y, taxonomy)


def typed_levels(padded: Objects, dtype: Any, padding: Any, taxonomy: Taxonomy) -> Labels:
    """Return steps and padding in a dtype, of text as wide as the longest step of all."""
    if isinstance(dtype, str):
        missing = {} if isinstance(padding, str) else {"na_object": padding}
        return padded.astype(np.dtypes.StringDType(**missing))
    kind = dtype.kind
    if kind not in "US":
        return padded.astype(dtype)
    longest = max((len(str(step)) for step in taxonomy.step_names[1:]), default=1)
    size = dtype.itemsize // (4 if kind == "U" else 1)
    return padded.astype(f"{kind}{max(longest, size)}")


def _known_nodes(y: Any, taxonomy: Taxonomy) -> NodeIds:
    """Return the nodes of labels or paths, -1 for what is missing or not in the taxonomy.

    Raises
    ------
    TargetError
        If there is not one of them in several rows: then `y` is of another kind.
    """
    form = detect(y, taxonomy, "one")
    nodes = np.maximum(form.ids(taxonomy), np.int32(-1))
    # A single row may well be the only one of its class.
    if len(nodes) > 1 and (nodes < 0).all():
        table = form.given.is_table
        rows = form.given.y[:1].tolist() if isinstance(form.given.y, np.ndarray) else []
        example = next(iter(rows if table else form.given.filled), None)
        got = "" if example is None else f", such as {shown(example)}"
        raise TargetError(
            f"y must hold labels that the model knows, such as {shown(taxonomy.nodes[-1])}, got "
            f"{len(nodes)} that are missing or not in the taxonomy{got}. Pass labels of the same "
            "names and types as in fit."
        )
    return nodes


def shown_row(y: Any, row: int) -> str:
    """Return the label or path of a row as errors show it."""
    y = as_container(y)
    if is_frame(y):
        return shown(tuple(values_of(column)[row] for column in frame_columns(y)))
    return shown(values_of(y)[row])


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
    values = values_of(labels[firsts])
    return np.array(sorted(range(len(values)), key=lambda i: sort_key(values[i])), dtype=np.intp)


def _label_format(
    labels: Labels, nodes: NodeIds, *, encoded: bool = False, given: Given | None = None
) -> LabelFormat:
    ids, firsts = np.unique(nodes, return_index=True)
    order = _class_order(labels, firsts)
    dtype = frame = None
    if given is not None:
        is_text = isinstance(given.y, np.ndarray) and given.y.dtype.kind == "T"
        dtype = "T" if is_text else None
        frame = FrameKind.of(given.frame) if is_frame(given.frame) else None
    return LabelFormat(labels[firsts][order], ids[order], encoded, dtype, frame)


def with_classes(
    form: TargetFormat, more: NodeIds, taxonomy: Taxonomy, classes: Any = None
) -> TargetFormat:
    """Return a format with more classes, nodes that no label names.

    Parameters
    ----------
    form : LabelFormat or LevelFormat
    more : ndarray of int32
        Ids of the nodes, none of them a class so far.
    taxonomy : Taxonomy
    classes : array-like or None
        The labels that integer codes stand for.
    """
    assert isinstance(form, LabelFormat | LevelFormat)
    ids = np.concatenate([form.class_ids, more.astype(np.int32)])
    names: Labels = taxonomy.typed_names[more - 1]
    if isinstance(form, LabelFormat) and form.encoded:
        codes = {
            node: code for code, node in enumerate(taxonomy.ids(values_of(as_labels(classes))))
        }
        unknown = [taxonomy.nodes[node] for node in more.tolist() if node not in codes]
        if unknown:
            raise TargetError(
                f"`classes` must name all nodes that can be answered if y holds codes; "
                f"{quoted(unknown)} are missing. Add them, or leave out their node rows."
            )
        names = np.array([codes[node] for node in more.tolist()], dtype=form.classes.dtype)
    if names.dtype.kind == form.classes.dtype.kind:
        labels = np.concatenate([form.classes, names])
    else:
        labels = object_array([*values_of(form.classes), *values_of(names)])
    order = _class_order(labels, np.arange(len(labels)))
    return replace(form, classes=labels[order], class_ids=ids[order])


def codes_of(labels: Labels, classes: Labels) -> Any:
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
            f"The integers in y (such as {values[:3].tolist()}) could be labels, or codes into "
            "`classes` that mean other nodes. Use strings as names of nodes."
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
        codes = codes_of(labels, known.labels)
        if codes is not None:
            nodes = class_ids[codes]
            return nodes, taxonomy, _label_format(labels, nodes, encoded=True, given=form.given)
    nodes = form.nodes(taxonomy)
    return nodes, taxonomy, _label_format(labels, nodes, given=form.given)


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
    frame = rows = None
    container = "array" if given.is_table else "lists"
    if given.is_frame:
        container, frame = package_of(y), FrameKind.of(y)
    elif not given.is_table:
        rows = RowKind.of(y, given.frame)
    is_tuple = [isinstance(row, tuple) for row in given.filled] if container == "lists" else []
    way_back = LevelFormat(
        known.classes,
        known.class_ids,
        container=container,
        columns=() if frame is None else frame.names,
        width=0 if container == "lists" else y.shape[1],
        padding=padding_of(y),
        dtype=np.dtype(object) if array is None else saved_dtype(array),
        frame=frame,
        rows=rows,
        kind=tuple if is_tuple and all(is_tuple) else list,
    )
    return nodes, taxonomy, way_back


def saved_dtype(array: Labels) -> Any:
    """Return a dtype in words that any file can hold."""
    return "T" if array.dtype.kind == "T" else array.dtype


def padding_of(y: Any) -> Any:
    """Return what pads short paths in an array: the first such cell, or what its dtype can hold."""
    if not isinstance(y, np.ndarray) or y.ndim < 2:
        return None
    kind = y.dtype.kind
    if kind in _PADDING_OF_DTYPE:
        return _PADDING_OF_DTYPE[kind]
    cells = (cell for cell in y[:, -1].tolist() if is_padding(cell))
    return next(cells, "" if kind == "T" else None)


_PADDING_OF_DTYPE: dict[str, Any] = {
    "U": "", "S": b"", "f": np.nan, "M": None, "m": None,
}  # fmt: skip


# -- sets of nodes ------------------------------------------------------------------------


def label_sets(closed: Any, taxonomy: Taxonomy) -> Objects:
    """Return the names of the nodes of each row as frozensets, in an array of objects."""
    rows, nodes = closed.nonzero()
    sizes = np.bincount(rows, minlength=closed.shape[0])
    members = np.full((closed.shape[0], max(1, int(sizes.max()))), -1, dtype=np.int32)
    members[rows, ops.concatenated_ranges(np.zeros_like(sizes), sizes)] = nodes
    distinct, of_row = np.unique(members, axis=0, return_inverse=True)
    sets = [frozenset(taxonomy.nodes[n] for n in row if n >= 0) for row in distinct.tolist()]
    return object_array(sets)[of_row.ravel()]


def same_rows(first: Any, second: Any) -> Bools:
    """Tell which rows of two 0/1 matrices are equal."""
    different = sparse.csr_array(first - second)
    different.eliminate_zeros()
    return np.diff(different.indptr) == 0
