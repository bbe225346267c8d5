"""Compiled descents through the linear models of a taxonomy.

Models that decide among children stay where they are, but for blocks made of single weights near the
root, and weights for dense X that lie in another way or have another type. Those of label sets, one
for each child, are copied once, for all later predictions: the weights of siblings stand side by side
there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from sklhier._local import linear_fit, linear_predict
from sklhier._local.dense_rows import DenseRows
from sklhier._local.keys import Kind, ModelKey
from sklhier._local.model import LocalModel, Models
from sklhier._local.single_weights import SingleWeights
from sklhier._local.sparse_rows import SparseRows
from sklhier._probabilities.calibrated import OneVsRestLink, PowerLink
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
        self._about: object = None
        self._packed: dict[Any, _Packed | None] = {}  # by the form of X

    def on(self, rows: SparseRows | DenseRows | None, outcomes: Outcomes) -> PackedPaths | None:
        """Return the descents of some rows; None where they are left to pure Python.

        Parameters
        ----------
        rows : SparseRows, DenseRows or None
        outcomes : Outcomes
            What each parent decides among.
        """
        return self._on(rows, outcomes, partial(_pack, self._models, outcomes))

    def on_sets(
        self, rows: SparseRows | DenseRows | None, taxonomy: Taxonomy, observed: NodeIds
    ) -> PackedPaths | None:
        """Return the searches for label sets in some rows; None where pure Python has to do it.

        Parameters
        ----------
        rows : SparseRows, DenseRows or None
        taxonomy : Taxonomy
            A tree.
        observed : ndarray of int32
            Ids of the nodes that had a sample in training.
        """
        return self._on(rows, observed, partial(_pack_sets, self._models, taxonomy, observed))

    def _on(
        self,
        rows: SparseRows | DenseRows | None,
        about: object,
        pack: Callable[[Any, Any], _Packed | None],
    ) -> PackedPaths | None:
        if rows is None or rows.dtype not in _FLOATS:
            return None
        kernels = compiled_predictions()
        if kernels is None:
            return None
        form = rows.dtype if isinstance(rows, DenseRows) else None
        if self._about is not about:
            self._about, self._packed = about, {}
        if form not in self._packed:
            self._packed[form] = pack(kernels, form)
        packed = self._packed[form]
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
    rows : SparseRows or DenseRows
    """

    def __init__(self, paths: Any, dtype: Any, rows: SparseRows | DenseRows) -> None:
        self._paths = paths
        self._dtype = dtype
        self._rows = rows
        self.n_rows = rows.n_rows

    def top_down(self) -> NodeIds | None:
        """Return the node at which the greedy descent of each row ends."""
        ends = np.empty(self.n_rows, dtype=np.int32)
        return ends if self._paths.descend(*self._form, ends) else None

    def best(self, k: int) -> tuple[NodeIds, Floats] | None:
        """Return the `k` most probable answers of each row, best first, and their probabilities."""
        nodes = np.empty((self.n_rows, k), dtype=np.int32)
        proba = np.empty((self.n_rows, k))
        return (nodes, proba) if self._paths.best(*self._form, nodes, proba) else None

    def all(self, n_nodes: int, *, stops: bool) -> tuple[Floats, Floats | None] | None:
        """Return the probability of each node, and of stopping there if that is possible."""
        table = np.zeros((self.n_rows, n_nodes))
        ends = np.zeros_like(table) if stops else None
        return (table, ends) if self._paths.all(*self._form, table, ends) else None

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
# Columns up to which weights that are stored by columns are filled up for dense X.
_MOST_FILLED = 2**13


def _pack(models: Models, outcomes: Outcomes, kernels: Any, dense: Any) -> _Packed | None:
    """Return the compiled form of models of parents; None if some are of another kind.

    For dense X of the type `dense`, or None for sparse X.
    """
    inner = outcomes.inner[outcomes.counts[outcomes.inner] > 1].tolist()
    found = [models.get(ModelKey(Kind.PARENT, node)) for node in inner]
    form = _common_form(found, dense)
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
        dense is not None,
    )
    room = _UNPACKED
    for node, model in zip(inner, known, strict=True):
        members = outcomes.of_node(node)
        link, calibrators = _link(model, kernels), _calibrators(model)
        n_scores = 1 if len(members) == 2 else len(members)
        if link is None or calibrators is None or not np.array_equal(model.outcomes, members):
            return None
        if calibrators.offsets is not None and len(calibrators.offsets) != n_scores:
            return None  # two outcomes of more that a model of all rows has
        intercepts = np.zeros(n_scores) + model.estimator.intercept_
        about = (intercepts.astype(np.float64, copy=False), *link, None, *calibrators)
        if dense is not None:
            if not _store_dense(paths, node, [model], form, about):
                return None
            continue
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


def _store_dense(
    paths: Any,
    node: int,
    models: Sequence[LocalModel | None],
    form: tuple[Any, int],
    about: tuple[Any, ...],
) -> bool:
    """Store the weights of a node for dense X; return whether there is one row for each score."""
    dtype, n_features = form
    nothing = np.zeros((1, n_features), dtype=dtype)
    tables = [nothing if model is None else _table_of(model, dtype) for model in models]
    weights = tables[0] if len(tables) == 1 else np.concatenate(tables)
    # As in pure Python: scores have a precision that holds sums and intercepts.
    rounds = all(
        model is None or getattr(model.estimator.intercept_, "dtype", None) == np.float32
        for model in models
    )
    if len(weights) != len(about[0]):
        return False
    paths.set_dense(node, weights, rounds, *about)
    return True


def _table_of(model: LocalModel, dtype: Any) -> Any:
    """Return the weights of a model for all columns, one row for each score; a copy if need be."""
    coef = linear_fit.full_width(model.estimator, model.subset).coef_
    return np.ascontiguousarray(np.atleast_2d(coef), dtype=dtype)


def _pack_sets(
    models: Models, taxonomy: Taxonomy, observed: NodeIds, kernels: Any, dense: Any
) -> _Packed | None:
    """Return the compiled form of models of single nodes; None if some are of another kind."""
    form = _common_form(list(models.values()), dense)
    if form is None:
        return None
    dtype, n_features = form
    offsets, children = ops.csr_of_pairs(taxonomy.parent_ids[observed], observed, taxonomy.n_nodes)
    rank = np.full(taxonomy.n_nodes, -1, dtype=np.int64)
    rank[taxonomy.leaf_ids] = taxonomy.leaf_ids
    paths = kernels.Paths(
        offsets.astype(np.int64, copy=False),
        children,
        rank,
        dtype == np.float64,
        n_features,
        dense is not None,
    )
    for parent in np.flatnonzero(np.diff(offsets)).tolist():
        siblings = [
            models.get(ModelKey(Kind.NODE, node))
            for node in children[offsets[parent] : offsets[parent + 1]].tolist()
        ]
        about = _about(siblings, kernels)
        if about is None:
            return None
        if dense is not None:
            if not _store_dense(paths, parent, siblings, form, about):
                return None
            continue
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
    calibrators = _calibrators_of_siblings(siblings)
    if calibrators is None:
        return None
    intercepts = [
        0.0 if model is None else float(np.ravel(model.estimator.intercept_)[0])
        for model in siblings
    ]
    certain = np.array([model is None for model in siblings], dtype=np.uint8)
    return np.array(intercepts), *link, certain, *calibrators


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


def _common_form(models: Sequence[LocalModel | None], dense: Any) -> tuple[Any, int] | None:
    """Return the dtype of weights and the number of columns, if all models are plain and alike."""
    is_plain = _is_plain if dense is None else _is_plain_for_dense
    if not models or not all(model is not None and is_plain(model) for model in models):
        return None
    known: list[Any] = [*models]
    forms = {(model.estimator.coef_.dtype, _n_features(model)) for model in known}
    if len(forms) > 1:
        return None
    dtype, n_features = forms.pop()
    return dtype if dense is None else np.result_type(dtype, dense), n_features


def _n_features(model: LocalModel) -> int:
    subset = model.subset
    return int(model.estimator.n_features_in_) if subset is None else subset.n_features


def _is_plain(model: LocalModel) -> bool:
    if model.subset is None or model.is_multi_output or model.upstream:
        return False
    coef = getattr(model.estimator, "coef_", None)
    return isinstance(coef, np.ndarray | SingleWeights) and coef.dtype in _FLOATS


def _is_plain_for_dense(model: LocalModel) -> bool:
    """Whether a model is a product with all columns, which does not look for their names."""
    estimator = model.estimator
    if model.is_multi_output or model.upstream or type(estimator) is Pipeline:
        return False
    if not linear_fit.is_linear(estimator) or estimator.coef_.dtype not in _FLOATS:
        return False
    if "feature_names_in_" in vars(estimator):
        return False
    return model.subset is None or model.subset.n_features <= _MOST_FILLED


def _link(model: LocalModel, kernels: Any) -> tuple[int, float] | None:
    """Return how scores become shares, and a number for that; None if it is not known.

    Those of a calibrated model are what its calibrators read.
    """
    inverse = linear_predict.link_of(model.estimator, model.method)
    if inverse is None:
        return None
    name, factor = linear_predict.compiled_link(inverse, len(model.outcomes))
    kind = type(model.link)
    if kind in (OneVsRestLink, PowerLink) or (kind is IdentityLink and name != "MARGINS"):
        return getattr(kernels, name), factor
    if name == "MARGINS" and kind in _LINKS:
        name, parameter = _LINKS[kind]
        return getattr(kernels, name), float(getattr(model.link, parameter))
    return None


# Name of a link of decision scores in compiled predictions, and its parameter.
_LINKS: dict[type, tuple[str, str]] = {
    LogisticLink: ("LOGISTIC", "sharpness"),
    SoftmaxLink: ("MARGINS", "sharpness"),
    HingeLink: ("HINGE", "power"),
}


class _Calibrators(NamedTuple):
    """Slopes and offsets of logistic functions, a power in place of the slopes, or nothing."""

    slopes: Floats | None = None
    offsets: Floats | None = None


def _calibrators(model: LocalModel) -> _Calibrators | None:
    """Return what a model is calibrated by; None if it is of another kind."""
    link = model.link
    if isinstance(link, PowerLink):
        return _Calibrators(np.array([link.power]))
    if not isinstance(link, OneVsRestLink):
        return _Calibrators()
    lines = link.lines()
    return None if lines is None else _Calibrators(*lines)


def _calibrators_of_siblings(siblings: Sequence[LocalModel | None]) -> _Calibrators | None:
    """Return what binary models are calibrated by, side by side; None if they do not go together."""
    found = [_calibrators(model) for model in siblings if model is not None]
    if all(own is not None and own.slopes is None for own in found):
        return _Calibrators()
    slopes, offsets = np.ones(len(siblings)), np.zeros(len(siblings))
    places = [place for place, model in enumerate(siblings) if model is not None]
    for place, own in zip(places, found, strict=True):
        if own is None or own.slopes is None or own.offsets is None:
            return None
        slopes[place], offsets[place] = own.slopes[0], own.offsets[0]
    return _Calibrators(slopes, offsets)
