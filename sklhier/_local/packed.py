"""Compiled descents through the linear models of a taxonomy.

Models that decide among children stay where they are, but for blocks made of single weights near the
root. Those of label sets, one for each child, are
copied once, for all later predictions: the weights of siblings stand side by side there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sklhier._local import linear_predict
from sklhier._local.keys import Kind, ModelKey
from sklhier._local.model import LocalModel, Models
from sklhier._local.single_weights import SingleWeights
from sklhier._local.sparse_rows import SparseRows
from sklhier._probabilities.marginals import Outcomes
from sklhier._probabilities.set_search import Wanted
from sklhier._utils.kernels import compiled_predictions
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier.links import HingeLink, IdentityLink, LogisticLink, SoftmaxLink
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops

__all__ = ["PackedModels", "PackedPaths"]


class PackedModels:
    """The models of one strategy, found once for all later predictions.

    Parameters
    ----------
    models : mapping of ModelKey to LocalModel
        Not changed later.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._packed: tuple[Any, Any] | None = None

    def on(self, rows: SparseRows | None, outcomes: Outcomes) -> PackedPaths | None:
        """Return the descents of some rows; None where they are left to pure Python.

        Parameters
        ----------
        rows : SparseRows or None
        outcomes : Outcomes
            What each parent decides among.
        """
        return self._on(rows, outcomes, lambda kernels: _pack(self._models, outcomes, kernels))

    def on_sets(
        self, rows: SparseRows | None, taxonomy: Taxonomy, observed: NodeIds
    ) -> PackedPaths | None:
        """Return the searches for label sets in some rows; None where pure Python has to do it.

        Parameters
        ----------
        rows : SparseRows or None
        taxonomy : Taxonomy
            A tree.
        observed : ndarray of int32
            Ids of the nodes that had a sample in training.
        """
        return self._on(
            rows, observed, lambda kernels: _pack_sets(self._models, taxonomy, observed, kernels)
        )

    def _on(
        self, rows: SparseRows | None, about: object, pack: Callable[[Any], _Packed | None]
    ) -> PackedPaths | None:
        if rows is None or rows.data.dtype not in _FLOATS:
            return None
        kernels = compiled_predictions()
        if kernels is None:
            return None
        if self._packed is None or self._packed[0] is not about:
            self._packed = about, pack(kernels)
        packed = self._packed[1]
        if packed is None or packed[2] != rows.n_columns:
            return None
        return PackedPaths(packed[0], packed[1], rows)


class PackedPaths:
    """Descents of some rows.

    They return None where numbers are not finite: then the models themselves are asked, and refuse.

    Parameters
    ----------
    paths : Paths
        The compiled form of the models.
    dtype : dtype
        Of the weights.
    rows : SparseRows
    """

    def __init__(self, paths: Any, dtype: Any, rows: SparseRows) -> None:
        self._paths = paths
        self._dtype = dtype
        self._rows = rows
        self.n_rows = len(rows.indptr) - 1

    def top_down(self) -> NodeIds | None:
        """Return the node at which the greedy descent of each row ends."""
        ends = np.empty(self.n_rows, dtype=np.int32)
        return ends if self._paths.descend(*self._form, ends) else None

    def best(self, k: int) -> tuple[NodeIds, Floats] | None:
        """Return the `k` most probable answers of each row, best first, and their probabilities."""
        nodes = np.empty((self.n_rows, k), dtype=np.int32)
        proba = np.empty((self.n_rows, k))
        return (nodes, proba) if self._paths.best(*self._form, nodes, proba) else None

    def wanted(self, wanted: Wanted, n_nodes: int) -> tuple[Floats, NodeIds] | None:
        """Return probabilities of nodes that count, of others some or 0, and the best leaves."""
        table = np.zeros((self.n_rows, n_nodes))
        least = np.empty(n_nodes)
        least[:] = wanted.least
        best = np.empty((self.n_rows, wanted.n_leaves or 0), dtype=np.int32)
        found = self._paths.search(*self._form, least, table, best)
        return (table, best) if found else None

    @property
    def _form(self) -> tuple[Any, Any, Any]:
        return self._rows.compiled_form(self._dtype)


# The compiled form, the dtype of weights, and the number of columns of X.
_Packed = tuple[Any, Any, int]
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
# Cells of blocks that are made of single weights, from the root on. Blocks are read faster: frequent
# columns have many weights.
_UNPACKED = 2**23


def _pack(models: Models, outcomes: Outcomes, kernels: Any) -> _Packed | None:
    """Return the compiled form of models of parents; None if some are of another kind."""
    inner = outcomes.inner[outcomes.counts[outcomes.inner] > 1].tolist()
    found = [models.get(ModelKey(Kind.PARENT, node)) for node in inner]
    form = _common_form(found)
    if form is None or any(model.has_rest for model in found):  # type: ignore[union-attr]
        return None
    known: list[Any] = found
    dtype, n_features = form
    paths = kernels.Paths(
        outcomes.offsets.astype(np.int64, copy=False),
        outcomes.nodes.astype(np.int32, copy=False),
        outcomes.rank.astype(np.int64, copy=False),
        dtype == np.float64,
        n_features,
    )
    room = _UNPACKED
    for node, model in zip(inner, known, strict=True):
        members = outcomes.of_node(node)
        link = _link(model, kernels)
        n_scores = 1 if len(members) == 2 else len(members)
        if link is None or not np.array_equal(model.outcomes, members):
            return None
        intercepts = np.zeros(n_scores) + model.estimator.intercept_
        about = (intercepts.astype(np.float64, copy=False), *link)
        coef = model.estimator.coef_
        if isinstance(coef, SingleWeights) and coef.n_rows * len(coef.counts) <= room:
            room -= coef.n_rows * len(coef.counts)
            coef = coef.table()
        if not _store(paths, node, model.subset.columns, coef, n_scores, about):
            return None
    return paths, dtype, n_features


def _store(
    paths: Any, node: int, columns: Rows | None, coef: Any, n_scores: int, about: tuple[Any, ...]
) -> bool:
    """Store the weights of a node; return whether they are of a known form."""
    columns = None if columns is None else columns.astype(np.int32, copy=False)
    if not isinstance(coef, SingleWeights):
        weights = np.atleast_2d(coef).T
        if not (weights.size and weights.flags.c_contiguous and weights.shape[1] == n_scores):
            return False
        paths.set(node, columns, weights, *about)
        return True
    known = len(coef.values) and coef.n_rows == n_scores and coef.offsets.dtype == np.int32
    if known:
        paths.set_single(node, columns, coef.values, coef.classes, coef.offsets, *about)
    return bool(known)


def _pack_sets(
    models: Models, taxonomy: Taxonomy, observed: NodeIds, kernels: Any
) -> _Packed | None:
    """Return the compiled form of models of single nodes; None if some are of another kind."""
    form = _common_form(list(models.values()))
    if form is None:
        return None
    dtype, n_features = form
    offsets, children = ops.csr_of_pairs(taxonomy.parent_ids[observed], observed, taxonomy.n_nodes)
    rank = np.full(taxonomy.n_nodes, -1, dtype=np.int64)
    rank[taxonomy.leaf_ids] = taxonomy.leaf_ids
    paths = kernels.Paths(
        offsets.astype(np.int64, copy=False), children, rank, dtype == np.float64, n_features
    )
    for parent in np.flatnonzero(np.diff(offsets)).tolist():
        siblings = [
            models.get(ModelKey(Kind.NODE, node))
            for node in children[offsets[parent] : offsets[parent + 1]].tolist()
        ]
        about = _about(siblings, kernels)
        if about is None:
            return None
        columns, weights = _side_by_side(siblings, n_features, dtype)
        if not _store(paths, parent, columns, weights, len(siblings), about):
            return None
    return paths, dtype, n_features


def _about(siblings: Sequence[LocalModel | None], kernels: Any) -> tuple[Any, ...] | None:
    """Return intercepts, the link and who needs no model; None if siblings do not go together."""
    known = [model for model in siblings if model is not None]
    links = {_link(model, kernels) for model in known} or {(kernels.MARGINS, 1.0)}
    link = links.pop()
    if links or link is None or any(len(model.outcomes) != 2 for model in known):
        return None
    intercepts = [
        0.0 if model is None else float(np.ravel(model.estimator.intercept_)[0])
        for model in siblings
    ]
    certain = np.array([model is None for model in siblings], dtype=np.uint8)
    return np.array(intercepts), *link, certain


def _side_by_side(
    siblings: Sequence[LocalModel | None], n_features: int, dtype: Any
) -> tuple[Rows | None, Any]:
    """Return the columns of any sibling, and a copy of all weights with a row for each sibling."""
    rows = [row for row, model in enumerate(siblings) if model is not None]
    known = [model for model in siblings if model is not None]
    if not known:
        return np.zeros(1, dtype=np.int32), np.zeros((1, len(siblings)), dtype=dtype).T
    columns, places = _united([model.subset.columns for model in known])  # type: ignore[union-attr]
    n_columns = n_features if columns is None else len(columns)
    weights = [model.estimator.coef_.ravel() for model in known]
    n_weights = sum(map(np.count_nonzero, weights))
    if 0 < 2 * n_weights < n_columns * len(siblings):
        return columns, _single(weights, places, rows, (len(siblings), n_columns))
    table = np.zeros((n_columns, len(siblings)), dtype=dtype)
    for row, own, place in zip(rows, weights, places, strict=True):
        table[place, row] = own
    return columns, table.T


def _united(columns: Sequence[Rows | None]) -> tuple[Rows | None, list[Any]]:
    """Return all columns, ascending, and where among them those of each model are; None: all of X."""
    known: list[Any] = [own for own in columns if own is not None]
    everything = [slice(None)] * len(columns)
    if len(known) < len(columns):
        return None, [slice(None) if own is None else own for own in columns]
    if all(own is known[0] or np.array_equal(own, known[0]) for own in known):
        return known[0], everything
    union = np.unique(np.concatenate(known))
    return union, [np.searchsorted(union, own) for own in known]


def _single(
    weights: Sequence[Floats], places: Sequence[Any], rows: Sequence[int], shape: tuple[int, int]
) -> SingleWeights:
    """Return the weights other than 0 of some rows of a table, each at some places."""
    used = [np.flatnonzero(own) for own in weights]
    columns = np.concatenate(
        [
            own if isinstance(place, slice) else place[own]
            for own, place in zip(used, places, strict=True)
        ]
    )
    values = np.concatenate([own[which] for own, which in zip(weights, used, strict=True)])
    by_column = np.argsort(columns, kind="stable")  # ascending rows within a column
    of_weights = np.repeat(rows, [len(which) for which in used])
    counts = np.bincount(columns, minlength=shape[1])
    return SingleWeights.by_column(values[by_column], of_weights[by_column], counts, shape[0])


def _common_form(models: Sequence[LocalModel | None]) -> tuple[Any, int] | None:
    """Return the dtype of weights and the number of columns, if all models are plain and alike."""
    if not models or not all(model is not None and _is_plain(model) for model in models):
        return None
    known: list[Any] = [*models]
    forms = {(model.estimator.coef_.dtype, model.subset.n_features) for model in known}
    return forms.pop() if len(forms) == 1 else None


def _is_plain(model: LocalModel) -> bool:
    if model.subset is None or model.is_multi_output or model.upstream:
        return False
    coef = getattr(model.estimator, "coef_", None)
    return isinstance(coef, np.ndarray | SingleWeights) and coef.dtype in _FLOATS


def _link(model: LocalModel, kernels: Any) -> tuple[int, float] | None:
    """Return how scores become shares, and a number for that; None if it is not known."""
    inverse = linear_predict.link_of(model.estimator, model.method)
    if inverse is None:
        return None
    name, factor = linear_predict.compiled_link(inverse, len(model.outcomes))
    if name != "MARGINS":
        return (getattr(kernels, name), factor) if type(model.link) is IdentityLink else None
    for kind, (name, parameter) in _LINKS.items():
        if type(model.link) is kind:
            return getattr(kernels, name), float(getattr(model.link, parameter))
    return None


# Name of a link of decision scores in compiled predictions, and its parameter.
_LINKS: dict[type, tuple[str, str]] = {
    LogisticLink: ("LOGISTIC", "sharpness"),
    SoftmaxLink: ("MARGINS", "sharpness"),
    HingeLink: ("HINGE", "power"),
}
