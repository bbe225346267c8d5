"""Reading of what all metrics take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.utils import check_array

from sklhier._targets.any_format import closure_of, detect_all, labels_of
from sklhier._targets.formats import detect
from sklhier._targets.formats_base import Format
from sklhier._targets.formats_indicator import Indicator
from sklhier._targets.paths import resolve_taxonomy
from sklhier._utils.typing import Floats, NodeIds, SampleWeight, Target
from sklhier._utils.validation import check_choice, checked_weights
from sklhier.exceptions import TargetError
from sklhier.metrics._members import entries_left, reached_from, shared_entries
from sklhier.metrics._unknown import annotated
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._parsing import plain
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = [
    "Compared",
    "Scored",
    "as_collection",
    "as_single",
    "nodes_of",
    "read_closures",
    "read_labels",
    "read_level",
    "read_node_proba",
    "read_nodes",
    "read_scores",
    "read_table",
    "read_truth",
    "read_weights",
    "require_probabilities",
    "require_same_length",
    "require_taxonomy",
]

# Probabilities that are sums of others may leave [0, 1] by rounding.
_ROUNDING = 1e-6
_MISSING = ("error", "ignore")
_DEEPER = ("count", "ok")


def require_taxonomy(taxonomy: TaxonomyLike | None) -> Taxonomy:
    """Return the taxonomy of a metric whose input does not spell it out."""
    resolved = resolve_taxonomy(taxonomy)
    if resolved is None:
        raise TargetError(
            "Columns of numbers and single labels do not show how nodes are related: pass "
            "`taxonomy=`."
        )
    return resolved


def as_collection(y: Any, name: str) -> Any:
    """Return labels that can be read more than once; refuse None, by the name of the argument."""
    if y is None:
        raise TargetError(f"`{name}` must hold the labels of each sample, got None.")
    return list(y) if isinstance(y, Iterator) else y


def require_same_length(name: str, n_samples: int, other: str, n_others: int) -> None:
    """Raise a TargetError unless two arguments have a row for each sample, and there is one."""
    if n_samples != n_others:
        raise TargetError(
            f"`{name}` and `{other}` must have a row for each sample, got inconsistent numbers of "
            f"samples: {n_samples} and {n_others}."
        )
    if n_samples == 0:
        raise TargetError(f"There is nothing to score: {name} and {other} are empty.")


class Compared(NamedTuple):
    """Truth and prediction.

    Attributes
    ----------
    true, predicted : csr_array of float64, shape (n_samples, n_nodes)
        Closures, 0/1, the root left out; what does not count is in neither of them.
    weights : ndarray of float64, shape (n_samples,)
        Weights of the samples.
    taxonomy : Taxonomy
        Tree or DAG.
    unknown : csr_array of float64, shape (n_samples, n_nodes), or None
        Marks of nodes of which the truth is not known.
    forms : list of Format
        The formats of truth and prediction.
    """

    true: sparse.csr_array
    predicted: sparse.csr_array
    weights: Floats
    taxonomy: Taxonomy
    unknown: sparse.csr_array | None
    forms: list[Format]


def read_closures(
    y_true: Target,
    y_pred: Target,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
    tree_for: str = "",
    *,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
    deeper: str = "count",
) -> Compared:
    """Return the closures of truth and prediction.

    If `tree_for` names something that only a tree can answer, DAGs are refused. With
    ``deeper="ok"`` predicted nodes below a most specific true node are left out.
    """
    check_choice("deeper", deeper, _DEEPER)
    forms, marks, resolved = _read_both(y_true, y_pred, taxonomy, classes, missing)
    if tree_for:
        resolved.require_tree(tree_for)
    true, predicted = (closure_of(form, resolved) for form in forms)
    require_same_length("y_true", true.shape[0], "y_pred", predicted.shape[0])
    if deeper == "ok":
        predicted = _without_excused(true, predicted, resolved)
    unknown = _unknown(marks, forms[0], resolved, classes)
    if unknown is not None:
        predicted = entries_left(predicted, ~shared_entries(predicted, unknown))
    weights = read_weights(sample_weight, true.shape[0])
    return Compared(true, predicted, weights, resolved, unknown, forms)


def _read_both(
    y_true: Any, y_pred: Any, taxonomy: TaxonomyLike | None, classes: Any, missing: str
) -> tuple[list[Format], Any, Taxonomy]:
    """Return formats, marks of cells that are not annotated, and the taxonomy."""
    check_choice("missing", missing, _MISSING)
    given = resolve_taxonomy(taxonomy)
    y_true, y_pred = as_collection(y_true, "y_true"), as_collection(y_pred, "y_pred")
    y_true, marks = annotated(y_true, given, classes, "y_true", ignore=missing == "ignore")
    annotated(y_pred, given, classes, "y_pred", ignore=False)
    forms, resolved = detect_all((y_true, y_pred), given, "any", classes)
    return forms, marks, resolved


def _unknown(
    marks: Any, true: Format, taxonomy: Taxonomy, classes: Any
) -> sparse.csr_array | None:
    """Return the nodes at or above a marked cell that are not known to be true."""
    if marks is None:
        return None
    unknown = closure_of(detect(marks, taxonomy, "any", classes), taxonomy)
    return entries_left(unknown, ~shared_entries(unknown, closure_of(true, taxonomy)))


def _without_excused(
    true: sparse.csr_array, predicted: sparse.csr_array, taxonomy: Taxonomy
) -> sparse.csr_array:
    """Return predictions without what is below a most specific true node."""
    specific = entries_left(
        true, ops.most_specific(true, taxonomy.edge_parents, taxonomy.edge_children)
    )
    start = shared_entries(predicted, specific)
    return entries_left(predicted, start | ~reached_from(start, predicted, taxonomy))


def read_labels(
    y_true: Target,
    y_pred: Target,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
    *,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> tuple[NodeIds | sparse.csr_array, NodeIds | sparse.csr_array, Floats, Taxonomy]:
    """Return the labels as given, without ancestors: a node for each row, or an indicator."""
    forms, marks, resolved = _read_both(y_true, y_pred, taxonomy, classes, missing)
    true, predicted = (labels_of(form, resolved) for form in forms)
    require_same_length("y_true", true.shape[0], "y_pred", predicted.shape[0])
    weights = read_weights(sample_weight, true.shape[0])
    unknown = _unknown(marks, forms[0], resolved, classes)
    if unknown is not None:
        predicted = forms[1].members(resolved)
        predicted = entries_left(predicted, ~shared_entries(predicted, unknown))
    return true, predicted, weights, resolved


def read_nodes(
    y_true: Target,
    y_pred: Target,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
    what: str,
    *,
    classes: npt.ArrayLike | None = None,
) -> tuple[NodeIds, NodeIds, Floats, Taxonomy]:
    """Return the nodes of truth and prediction in a tree, weights, taxonomy.

    With `classes` an indicator is read, too, if no row has more than one most specific label.
    """
    given = resolve_taxonomy(taxonomy)
    y_true, y_pred = as_collection(y_true, "y_true"), as_collection(y_pred, "y_pred")
    if classes is not None and given is not None:
        y_true, y_pred = (as_single(y, given, classes) for y in (y_true, y_pred))
    forms, resolved = detect_all((y_true, y_pred), given, "one")
    resolved.require_tree(what)
    true, predicted = (form.nodes(resolved) for form in forms)
    require_same_length("y_true", len(true), "y_pred", len(predicted))
    return true, predicted, read_weights(sample_weight, len(true)), resolved


def nodes_of(y: Any, taxonomy: Taxonomy, classes: npt.ArrayLike | None) -> NodeIds:
    """Return the node of each label or path, or of each row of an indicator of `classes`."""
    return detect(
        y if classes is None else as_single(y, taxonomy, classes), taxonomy, "one"
    ).nodes(taxonomy)


def as_single(y: Any, taxonomy: Taxonomy, classes: Any) -> Any:
    """Return the labels of an indicator with one for each row, anything else unchanged."""
    form = detect(y, taxonomy, "any", classes)
    if not isinstance(form, Indicator):
        return y
    specific = taxonomy.most_specific_of(closure_of(form, taxonomy))
    counts = np.diff(specific.indptr)
    if (counts > 1).any():
        raise TargetError.one_label_each()
    labels = np.full(len(counts), None, dtype=object)
    names = np.empty(specific.nnz, dtype=object)
    names[:] = [taxonomy.nodes[node] for node in specific.indices.tolist()]
    labels[counts == 1] = names
    return labels


def read_weights(sample_weight: SampleWeight, n_samples: int) -> Floats:
    """Return a weight for each sample, 1 by default."""
    weights = checked_weights(sample_weight, n_samples)
    return np.ones(n_samples) if weights is None else weights


def read_level(level: int, n_levels: int) -> int:
    """Return a level counted from 1, from one that may count from the deepest as -1."""
    if not (isinstance(level, int | np.integer) and 1 <= abs(level) <= n_levels):
        raise ValueError(
            f"`level` must be in [1, {n_levels}], or negative to count from the deepest, got "
            f"{level!r}."
        )
    return level if level > 0 else n_levels + 1 + level


# -- numbers for nodes --------------------------------------------------------------------


def read_table(table: Any, taxonomy: Taxonomy, name: str) -> Floats:
    """Return numbers for all nodes but the root, shape (n_samples, n_nodes - 1).

    The column of the root may be there or not. Columns of a data frame that have names of nodes are
    found by them.
    """
    if np.ma.is_masked(table):
        raise ValueError(
            f"`{name}` must hold a number in every cell, got an array with masked cells. Fill them "
            "first."
        )
    if hasattr(table, "columns") and not _is_numbered(list(table.columns), taxonomy):
        table = _by_name(table, taxonomy, name)
    values = check_array(table, dtype=np.float64, ensure_min_samples=0, input_name=name)
    if values.shape[1] not in (taxonomy.n_nodes - 1, taxonomy.n_nodes):
        raise ValueError(
            f"`{name}` must have a column for each of the {taxonomy.n_nodes} nodes of "
            f"taxonomy.nodes, or for all but the root, got {values.shape[1]} columns."
        )
    return values[:, values.shape[1] - taxonomy.n_nodes + 1 :]


def _is_numbered(names: list[Any], taxonomy: Taxonomy) -> bool:
    """Whether columns have the numbers that pandas gives to columns without names."""
    return names == list(range(len(names))) and not all(name in taxonomy for name in names)


def _by_name(frame: Any, taxonomy: Taxonomy, name: str) -> Floats:
    """Return the columns of a data frame in the order of ``taxonomy.nodes[1:]``."""
    columns = [plain(column) for column in frame.columns]
    roots = {str(taxonomy.nodes[0]), str(taxonomy.root)}
    position = {column: i for i, column in enumerate(columns)}
    unknown = [c for c in columns if c not in taxonomy and str(c) not in roots]
    absent = [node for node in taxonomy.nodes[1:] if node not in position]
    if unknown or absent or len(position) < len(columns):
        what = (
            f"{unknown[0]!r} is no node"
            if unknown
            else f"{absent[0]!r} has no column"
            if absent
            else "a name occurs twice"
        )
        raise ValueError(
            f"The columns of the data frame `{name}` must be named by the nodes of "
            f"taxonomy.nodes[1:], but {what}. Pass {name}.to_numpy() if they are in that order."
        )
    values: Floats = np.column_stack(
        [np.asarray(frame[frame.columns[position[node]]]) for node in taxonomy.nodes[1:]]
    )
    return values


class Scored(NamedTuple):
    """Truth and numbers for nodes.

    Attributes
    ----------
    true : csr_array of float64, shape (n_samples, n_nodes - 1)
        Closures without the root.
    scores : ndarray of float64, shape (n_samples, n_nodes - 1)
        Scores or probabilities.
    weights : ndarray of float64, shape (n_samples,)
        Weights of the samples.
    taxonomy : Taxonomy
        Tree or DAG.
    unknown : csr_array of float64, shape (n_samples, n_nodes - 1), or None
        Marks of nodes of which the truth is not known.
    """

    true: sparse.csr_array
    scores: Floats
    weights: Floats
    taxonomy: Taxonomy
    unknown: sparse.csr_array | None


def read_truth(
    y_true: Target, taxonomy: TaxonomyLike | None, classes: npt.ArrayLike | None, missing: str
) -> tuple[sparse.csr_array, sparse.csr_array | None, Taxonomy]:
    """Return closures and what is not known, both with the root, and the taxonomy."""
    check_choice("missing", missing, _MISSING)
    resolved = require_taxonomy(taxonomy)
    y = as_collection(y_true, "y_true")
    y, marks = annotated(y, resolved, classes, "y_true", ignore=missing == "ignore")
    form = detect(y, resolved, "any", classes)
    return closure_of(form, resolved), _unknown(marks, form, resolved, classes), resolved


def read_scores(
    y_true: Target,
    y_score: Any,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
    name: str,
    *,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> Scored:
    """Return closures and scores, both without the root."""
    true, unknown, resolved = read_truth(y_true, taxonomy, classes, missing)
    scores = read_table(y_score, resolved, name)
    require_same_length("y_true", true.shape[0], name, len(scores))
    weights = read_weights(sample_weight, true.shape[0])
    unknown = None if unknown is None else sparse.csr_array(unknown[:, 1:])
    return Scored(sparse.csr_array(true[:, 1:]), scores, weights, resolved, unknown)


def read_node_proba(
    y_true: Target,
    node_proba: Any,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
    *,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> Scored:
    """Return what :func:`read_scores` does; refuse what are no probabilities."""
    scored = read_scores(
        y_true,
        node_proba,
        taxonomy,
        sample_weight,
        "node_proba",
        classes=classes,
        missing=missing,
    )
    require_probabilities(scored.scores)
    return scored


def require_probabilities(values: Floats) -> None:
    """Raise a ValueError unless all values are in [0, 1], up to rounding."""
    low, high = values.min(), values.max()
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ValueError(
            f"`node_proba` must hold probabilities in [0, 1], got values from {low:g} to {high:g}."
        )
