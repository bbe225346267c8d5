"""Compiled descents through the linear models of a taxonomy, which stay where they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklhier._local import linear_predict
from sklhier._local.keys import Kind, ModelKey
from sklhier._local.model import LocalModel, Models
from sklhier._local.sparse_rows import SparseRows
from sklhier._probabilities.marginals import Outcomes
from sklhier._utils.kernels import compiled_predictions
from sklhier._utils.typing import Floats, NodeIds
from sklhier.links import IdentityLink, SoftmaxLink

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
        self._packed: tuple[Outcomes, Any] | None = None

    def on(self, rows: SparseRows | None, outcomes: Outcomes) -> PackedPaths | None:
        """Return the descents of some rows; None where they are left to pure Python.

        Parameters
        ----------
        rows : SparseRows or None
        outcomes : Outcomes
            What each parent decides among.
        """
        kernels = compiled_predictions()
        if rows is None or kernels is None or rows.data.dtype not in _FLOATS:
            return None
        if self._packed is None or self._packed[0] is not outcomes:
            self._packed = outcomes, _pack(self._models, outcomes, kernels)
        packed = self._packed[1]
        if packed is None or packed[2] != rows.n_columns:
            return None
        return PackedPaths(packed[0], packed[1], rows)


class PackedPaths:
    """Descents of some rows.

    Both return None where numbers are not finite: then the models themselves are asked, and refuse.

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

    @property
    def _form(self) -> tuple[Any, Any, Any]:
        return self._rows.compiled_form(self._dtype)


_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _pack(models: Models, outcomes: Outcomes, kernels: Any) -> tuple[Any, Any, int] | None:
    """Return the compiled form, the dtype of weights and the number of columns of X.

    None if a node has a model of another kind.
    """
    inner = outcomes.inner[outcomes.counts[outcomes.inner] > 1].tolist()
    found = [models.get(ModelKey(Kind.PARENT, node)) for node in inner]
    if not found or not all(model is not None and _is_plain(model) for model in found):
        return None
    known: list[Any] = found
    forms = {(model.estimator.coef_.dtype, model.subset.n_features) for model in known}
    if len(forms) > 1:
        return None
    ((dtype, n_features),) = forms
    paths = kernels.Paths(
        outcomes.offsets.astype(np.int64, copy=False),
        outcomes.nodes.astype(np.int32, copy=False),
        outcomes.rank.astype(np.int64, copy=False),
        dtype == np.float64,
        n_features,
    )
    for node, model in zip(inner, known, strict=True):
        members = outcomes.of_node(node)
        weights = linear_predict.packed_weights(model.estimator, model.subset)
        link = _link(model, kernels)
        n_scores = 1 if len(members) == 2 else len(members)
        if weights is None or link is None or weights[1].shape[1] != n_scores:
            return None
        if not np.array_equal(model.outcomes, members):
            return None
        intercepts = np.zeros(n_scores) + model.estimator.intercept_
        paths.set(node, *weights, intercepts.astype(np.float64, copy=False), *link)
    return paths, dtype, n_features


def _is_plain(model: LocalModel) -> bool:
    if model.subset is None or model.is_multi_output or model.has_rest or model.upstream:
        return False
    coef = getattr(model.estimator, "coef_", None)
    return isinstance(coef, np.ndarray) and coef.dtype in _FLOATS


def _link(model: LocalModel, kernels: Any) -> tuple[int, float] | None:
    inverse = linear_predict.link_of(model.estimator, model.method)
    if inverse is None:
        return None
    name, factor = linear_predict.compiled_link(inverse, len(model.outcomes))
    if name == "MARGINS":
        is_known = type(model.link) is SoftmaxLink
        return (kernels.MARGINS, float(model.link.sharpness)) if is_known else None
    return (getattr(kernels, name), factor) if type(model.link) is IdentityLink else None
