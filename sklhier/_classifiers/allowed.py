"""The parameter `allowed` of predictions: labels that are possible, for all rows or for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from sklhier._probabilities.restricted import Permitted, PermittedLabels, PermittedTable
from sklhier._targets.any_format import nodes_or_root
from sklhier._utils.columns import (
    array_of,
    frame_columns,
    frame_names,
    is_frame,
    object_array,
    package_of,
    typed_array,
    values_of,
)
from sklhier._utils.typing import Labels, NodeIds
from sklhier.exceptions import TargetError, quoted, shown
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._parsing import is_hashable

__all__ = ["read_allowed"]

_ROWS = (list, set, frozenset, np.ndarray)  # a tuple is a path


def read_allowed(
    allowed: Any, n_rows: int, taxonomy: Taxonomy, classes: Labels, class_ids: NodeIds
) -> Permitted:
    """Return what `allowed` permits.

    Parameters
    ----------
    allowed : collection of labels, list of collections, or table
        As users give it.
    n_rows : int
        Number of samples.
    taxonomy : Taxonomy
    classes : ndarray, shape (n_classes,)
        The labels as they are predicted, codes included.
    class_ids : ndarray of int32, shape (n_classes,)
        Their nodes.

    Raises
    ------
    TypeError
        For what holds no labels.
    ValueError
        For a table of another shape or of other values, and another number of collections.
    TargetError
        For labels that are unknown or missing.
    """
    _refuse_others(allowed)
    if is_frame(allowed) and all(c.dtype.kind in "biuf" for c in _arrays(allowed)):
        allowed = _by_class(allowed, classes)
    if sparse.issparse(allowed) or _is_table(allowed):
        return PermittedTable(_checked_table(allowed, n_rows, len(classes)), class_ids)
    reader = _Reader(taxonomy, classes, class_ids)
    if len(getattr(allowed, "shape", ())) == 2:  # paths, one column for each level
        return _marked([reader.nodes_of_paths(allowed)], taxonomy)
    entries = list(allowed) if isinstance(allowed, set | frozenset) else values_of(allowed)
    is_row = [isinstance(entry, _ROWS) or package_of(entry) == "pandas" for entry in entries]
    if not any(is_row):
        return _marked([reader.nodes(entries)], taxonomy)
    if not all(is_row) or len(entries) != n_rows:
        got = f"{len(entries)} entries for {n_rows} samples"
        if not all(is_row):
            got = f"{shown(entries[is_row.index(False)])} among them"
        raise ValueError(
            f"`allowed` must have one list or set of labels for each sample, got {got}. For labels "
            "that hold for all samples give one list, where a path is a tuple."
        )
    rows = [values_of(list(entry)) for entry in entries]
    flat = reader.nodes([label for row in rows for label in row])
    return _marked(np.split(flat, np.cumsum([len(row) for row in rows])[:-1]), taxonomy)


def _refuse_others(allowed: Any) -> None:
    is_held = sparse.issparse(allowed) or (
        hasattr(allowed, "__iter__") and (hasattr(allowed, "__len__"))
    )
    if isinstance(allowed, str | bytes | Mapping) or not is_held:
        raise TypeError(
            "`allowed` must be a list of labels, a list of labels for each sample, or a table with a "
            f"column for each class, got {shown(allowed)}."
        )


def _arrays(frame: Any) -> list[Labels]:
    return list(map(typed_array, frame_columns(frame)))


def _by_class(frame: Any, classes: Labels) -> Labels:
    """Return the columns of a frame, which are named by classes, in their order."""
    names, wanted = frame_names(frame), values_of(classes)
    texts = {str(name): place for place, name in enumerate(names)}
    found = [names.index(c) if c in names else texts.get(str(c), -1) for c in wanted]
    absent = [c for c, place in zip(wanted, found, strict=True) if place < 0]
    if absent or len(names) != len(wanted):
        known = {*map(str, wanted)}
        unknown = [name for name in names if str(name) not in known]
        got = f"missing: {quoted(absent)}" if absent else f"unknown: {quoted(unknown or names)}"
        raise ValueError(
            "The columns of `allowed` must be named by the classes, as in `classes_`, each once, got "
            f"{got}."
        )
    columns = _arrays(frame)
    return np.column_stack([columns[place] for place in found])


def _is_table(allowed: Any) -> bool:
    """Whether an array has two dimensions and numbers; others of two dimensions hold paths."""
    dtype = getattr(allowed, "dtype", None)
    is_array = isinstance(allowed, np.ndarray) and allowed.ndim > 1
    return is_array and getattr(dtype, "kind", "O") in "biuf"


def _checked_table(table: Any, n_rows: int, n_classes: int) -> Any:
    """Return a table of 0 and 1 as one of bool, dense or CSR."""
    if table.shape != (n_rows, n_classes):
        raise ValueError(
            "A table `allowed` must have a row for each sample and a column for each class, "
            f"{(n_rows, n_classes)}, got shape {table.shape}."
        )
    is_sparse = sparse.issparse(table)
    values = table.tocsr().data if is_sparse else table
    odd = (values != 0) & (values != 1)
    if odd.any():
        raise ValueError(
            f"A table `allowed` must hold only 0 and 1, got {shown(values[odd].flat[0].item())}. "
            "Give paths of numbers as tuples in a list."
        )
    return sparse.csr_array(table.tocsr()).astype(bool) if is_sparse else table.astype(bool)


class _Reader:
    """The nodes of labels, as they may be given to `fit`, or as they are predicted."""

    def __init__(self, taxonomy: Taxonomy, classes: Labels, class_ids: NodeIds) -> None:
        self._taxonomy = taxonomy
        names = taxonomy.node_names[class_ids].tolist()
        # Codes that stand for labels are not their names.
        encoded = names != values_of(classes)
        self._codes = (
            dict(zip(values_of(classes), class_ids.tolist(), strict=True)) if encoded else {}
        )

    def nodes(self, labels: Sequence[Any]) -> NodeIds:
        """Return the node of each label or path."""
        keys = [tuple(label) if isinstance(label, list) else label for label in labels]
        if self._codes:
            return self._of_codes(keys)
        self._refuse_bits(keys)
        known = [key if is_hashable(key) else None for key in keys]
        nodes = self._taxonomy.ids(known)
        rest = np.flatnonzero(nodes < 1)  # paths, and what is wrong
        if rest.size:
            distinct = dict.fromkeys(keys[place] for place in rest.tolist())
            found = dict(zip(distinct, self._read(list(distinct)).tolist(), strict=True))
            nodes[rest] = [found[keys[place]] for place in rest.tolist()]
        return nodes

    def nodes_of_paths(self, table: Any) -> NodeIds:
        """Return the node of each row of a table of steps."""
        return self._read(table)

    def _of_codes(self, keys: Sequence[Any]) -> NodeIds:
        unknown = [key for key in dict.fromkeys(keys) if key not in self._codes]
        if unknown:
            raise TargetError(f"`allowed` holds {quoted(unknown)}, not among the encoded classes.")
        return np.array([self._codes[key] for key in keys], dtype=np.int32)

    def _refuse_bits(self, keys: Sequence[Any]) -> None:
        """Raise a ValueError for a mask, for True would be the label 1."""
        bits = any(isinstance(key, bool | np.bool_) for key in keys)
        if bits and not any(isinstance(name, bool) for name in self._taxonomy.nodes):
            raise ValueError(
                "`allowed` holds True or False in place of labels. Give a mask as an array of shape "
                "(n_samples, n_classes)."
            )

    def _read(self, labels: Any) -> NodeIds:
        """Read labels as those of `fit` are read."""
        given = labels
        if isinstance(labels, list):
            is_path = any(isinstance(label, tuple) for label in labels)
            given = object_array(labels) if is_path else array_of(labels)
        try:
            nodes = nodes_or_root(given, self._taxonomy)
        except TargetError as error:
            raise TargetError(f"`allowed`: {error}") from error
        if not nodes.all():
            raise TargetError("`allowed` holds a label that is missing. Leave it out.")
        return nodes


def _marked(rows: Sequence[NodeIds], taxonomy: Taxonomy) -> PermittedLabels:
    """Return the labels of each row, one for all rows if there is but one."""
    sizes = [len(row) for row in rows]
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    flat = np.concatenate(rows) if sizes else np.zeros(0, np.int32)
    marks = sparse.csr_array(
        (np.ones(len(flat)), flat, bounds), shape=(len(rows), taxonomy.n_nodes)
    )
    return PermittedLabels(taxonomy, marks)
