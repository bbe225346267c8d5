"""Hierarchical precision, recall and F: of the labels with all their ancestors."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import UndefinedMetricWarning

from sklhier._utils.typing import Bools, Floats, NodeWeight, SampleWeight, Target
from sklhier._utils.validation import check_choice
from sklhier._utils.warning import warn_caller
from sklhier.metrics._input import Compared, read_closures
from sklhier.taxonomy._node_weights import read_node_weight
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = [
    "check_options",
    "hierarchical_f1_score",
    "hierarchical_fbeta_score",
    "hierarchical_precision_recall_fscore_support",
    "hierarchical_precision_score",
    "hierarchical_recall_score",
    "scores_of",
]

_AVERAGES = ("micro", "samples", "macro", None)


def hierarchical_precision_recall_fscore_support(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    beta: float = 1.0,
    average: str | None = "micro",
    sample_weight: SampleWeight = None,
    node_weight: NodeWeight = None,
    zero_division: float | str = "warn",
    deeper: str = "count",
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> tuple[Any, Any, Any, Any]:
    r"""Compute hierarchical precision, recall and F-score.

    They are the scores of the labels with all their ancestors [1]_ [2]_,

    .. math::

        hP = \frac{\sum_i |\hat T_i \cap \hat P_i|}{\sum_i |\hat P_i|}, \quad
        hR = \frac{\sum_i |\hat T_i \cap \hat P_i|}{\sum_i |\hat T_i|}, \quad
        hF_\beta = \frac{(1 + \beta^2) hP \cdot hR}{\beta^2 hP + hR}.

    where :math:`\hat T_i` holds the true labels of sample `i` and all their ancestors, :math:`\hat
    P_i` the predicted ones, without the root. They equal
    :func:`sklearn.metrics.precision_recall_fscore_support` on the 0/1 matrix of samples and nodes.
    If all labels are leaves of one depth, hP, hR and hF (micro and samples) equal the mean of the
    accuracies at all levels.

    Parameters
    ----------
    y_true, y_pred : array-like
        Labels in any format: names of nodes, paths, collections of labels, or an indicator over
        ``taxonomy.nodes[1:]``. None, or an empty path or collection, is the empty set.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. Optional if both `y` hold paths.
    beta : float, default=1.0
        Weight of recall in F, positive.
    average : {"micro", "samples", "macro"} or None, default="micro"
        ``"micro"``: as above; ``"samples"``: the mean over samples; ``"macro"``: the mean over all
        nodes but the root, even those that never occur (their score is `zero_division`;
        ``numpy.nan`` leaves them out); None: one value for each node.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    node_weight : {"information", "sibling"}, mapping or array-like, default=None
        Weights of the nodes, all 1 by default; without effect if ``average=None``. A mapping by
        name; or a sequence with one for each node of ``taxonomy.nodes[1:]``, or one for each level
        from the first (with as many nodes as levels both are the same). ``"information"``: the
        information that a node adds to its parent's (in a DAG, the most informative parent's), the
        binary logarithm of the number of leaves below the parent divided by the number below the
        node; an only child has weight 0. ``"sibling"``: the weight of the parent divided by the
        number of its children, starting with 1 at the root; trees only.
    zero_division : {"warn", 0.0, 1.0, numpy.nan}, default="warn"
        Value if a denominator is 0. ``"warn"`` is 0 with a warning; NaN is left out of means.
    deeper : {"count", "ok"}, default="count"
        Predicted nodes below a true label that is an inner node: wrong like any others
        (``"count"``), or left out, since the label does not say what is below it (``"ok"``).
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.
    missing : {"error", "ignore"}, default="error"
        Missing cells (NaN, None, masked) of an indicator in `y_true`: an error, or not annotated
        and left out of all counts. An ancestor of a 1 counts as 1; other ancestors of a missing
        cell are not annotated either.

    Returns
    -------
    precision, recall, fbeta : float, or ndarray of float64, shape (n_nodes - 1,)
        In [0, 1].
    support : float or ndarray of float64
        Sum of the weights of the true nodes, in total or for each node.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
    TaxonomyError
        For ``node_weight="sibling"`` in a DAG.

    References
    ----------
    .. [1] S. Kiritchenko, S. Matwin, R. Nock, A. F. Famili. Learning and evaluation in the
       presence of class hierarchies. Canadian AI (2006).
    .. [2] A. Kosmopoulos et al. Evaluation measures for hierarchical classification: a unified view
       and novel approaches. Data Mining and Knowledge Discovery 29 (2015).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hierarchical_precision_recall_fscore_support
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> hierarchical_precision_recall_fscore_support(
    ...     ["owl", "eel", "wren"], ["wren", "eel", "bird"], taxonomy=taxonomy
    ... )
    (0.8, 0.666..., 0.727..., 6.0)

    With weights for levels, a mistake at the top can cost more than one further down:

    >>> precision, _, _, _ = hierarchical_precision_recall_fscore_support(
    ...     ["owl"], ["wren"], taxonomy=taxonomy, node_weight=[3, 1]
    ... )
    >>> precision
    0.75
    """
    return _scores(
        y_true,
        y_pred,
        taxonomy=taxonomy,
        beta=beta,
        average=average,
        sample_weight=sample_weight,
        node_weight=node_weight,
        zero_division=zero_division,
        deeper=deeper,
        classes=classes,
        missing=missing,
    )


def _scores(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None,
    sample_weight: SampleWeight,
    deeper: str,
    classes: npt.ArrayLike | None,
    missing: str,
    **options: Any,
) -> tuple[Any, Any, Any, Any]:
    """Compute what :func:`hierarchical_precision_recall_fscore_support` returns."""
    check_options(**options)
    read = read_closures(
        y_true,
        y_pred,
        taxonomy,
        sample_weight,
        classes=classes,
        missing=missing,
        deeper=deeper,
    )
    return scores_of(read, **options)


def check_options(
    *, average: str | None, zero_division: float | str, beta: float = 1.0, **_: Any
) -> None:
    """Raise a ValueError for an option out of its range."""
    check_choice("average", average, _AVERAGES)
    if not beta > 0:
        raise ValueError(f"`beta` must be positive, got {beta!r}.")
    if isinstance(zero_division, str) and zero_division != "warn":
        raise ValueError(f"`zero_division` must be 'warn' or a number, got {zero_division!r}.")


def scores_of(
    read: Compared,
    *,
    average: str | None,
    node_weight: NodeWeight,
    zero_division: float | str,
    beta: float = 1.0,
    warn_for: Collection[str] = ("Precision", "Recall", "F-score"),
) -> tuple[Any, Any, Any, Any]:
    """Compute what :func:`hierarchical_precision_recall_fscore_support` returns, of closures.

    Warn about undefined values of the measures in `warn_for` only.
    """
    true, predicted, weights = read.true, read.predicted, read.weights
    of_node = read_node_weight(node_weight, read.taxonomy)
    both = true.multiply(predicted)
    if average in ("macro", None):
        common, n_true, n_pred = (weights @ table for table in (both, true, predicted))
        common, n_true, n_pred = common[1:], n_true[1:], n_pred[1:]
    else:
        common, n_true, n_pred = (table @ of_node for table in (both, true, predicted))
    if average == "micro":
        common, n_true, n_pred = (
            np.atleast_1d(weights @ sums) for sums in (common, n_true, n_pred)
        )
    ratios = {
        "Precision": (common, n_pred),
        "Recall": (common, n_true),
        "F-score": ((1 + beta**2) * common, beta**2 * n_true + n_pred),
    }
    if zero_division == "warn":
        for name in warn_for:  # a caller that returns recall alone must not hear of precision
            _warn_undefined(name, ratios[name][1] == 0)
        zero_division = 0.0
    precision, recall, fbeta = (
        _ratio(above, below, float(zero_division)) for above, below in ratios.values()
    )
    if average is None:
        return precision, recall, fbeta, n_true
    # Macro averages weigh nodes here; micro and samples weighed them in the sums above.
    of_value = {"micro": np.ones(1), "samples": weights, "macro": of_node[1:]}[average]
    support = n_true[0] if average == "micro" else of_value @ n_true
    precision_, recall_, fbeta_ = (_mean(v, of_value) for v in (precision, recall, fbeta))
    return precision_, recall_, fbeta_, float(support)


def _warn_undefined(name: str, undefined: Bools) -> None:
    if undefined.any():
        warn_caller(
            f"{name} is ill-defined and set to 0.0 where a set of nodes is empty "
            f"({int(undefined.sum())} of {len(undefined)} values). Use `zero_division` to control "
            "this behavior.",
            UndefinedMetricWarning,
        )


def _ratio(above: Floats, below: Floats, undefined: float) -> Floats:
    return np.divide(above, below, out=np.full(len(below), undefined), where=below != 0)


def _mean(values: Floats, weights: Floats) -> float:
    defined = ~np.isnan(values)
    if not weights[defined].any():
        return float("nan")
    return float(np.average(values[defined], weights=weights[defined]))


def hierarchical_fbeta_score(
    y_true: Target,
    y_pred: Target,
    *,
    beta: float,
    taxonomy: TaxonomyLike | None = None,
    average: str | None = "micro",
    sample_weight: SampleWeight = None,
    node_weight: NodeWeight = None,
    zero_division: float | str = "warn",
    deeper: str = "count",
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> Any:
    """Compute hierarchical F-beta, as :func:`hierarchical_precision_recall_fscore_support`.

    Parameters
    ----------
    y_true, y_pred, taxonomy, average, sample_weight, node_weight
        See :func:`hierarchical_precision_recall_fscore_support`.
    zero_division, deeper, classes, missing
        See :func:`hierarchical_precision_recall_fscore_support`.
    beta : float
        Weight of recall, positive.

    Returns
    -------
    score : float, or ndarray of float64, shape (n_nodes - 1,)
        In [0, 1].

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hierarchical_fbeta_score
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> hierarchical_fbeta_score(["owl"], ["bird"], beta=2.0, taxonomy=taxonomy)
    0.555...
    """
    return _scores(
        y_true,
        y_pred,
        taxonomy=taxonomy,
        beta=beta,
        average=average,
        sample_weight=sample_weight,
        node_weight=node_weight,
        zero_division=zero_division,
        deeper=deeper,
        classes=classes,
        missing=missing,
        warn_for=["F-score"],
    )[2]


def hierarchical_f1_score(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    average: str | None = "micro",
    sample_weight: SampleWeight = None,
    node_weight: NodeWeight = None,
    zero_division: float | str = "warn",
    deeper: str = "count",
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> Any:
    """Compute hierarchical F1, as :func:`hierarchical_precision_recall_fscore_support`.

    Parameters
    ----------
    y_true, y_pred, taxonomy, average, sample_weight, node_weight
        See :func:`hierarchical_precision_recall_fscore_support`.
    zero_division, deeper, classes, missing
        See :func:`hierarchical_precision_recall_fscore_support`.

    Returns
    -------
    score : float, or ndarray of float64, shape (n_nodes - 1,)
        In [0, 1].

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hierarchical_f1_score
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> hierarchical_f1_score(["owl", "eel"], ["wren", "eel"], taxonomy=taxonomy)
    0.75
    """
    return _scores(
        y_true,
        y_pred,
        taxonomy=taxonomy,
        average=average,
        sample_weight=sample_weight,
        node_weight=node_weight,
        zero_division=zero_division,
        deeper=deeper,
        classes=classes,
        missing=missing,
        warn_for=["F-score"],
    )[2]


def hierarchical_precision_score(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    average: str | None = "micro",
    sample_weight: SampleWeight = None,
    node_weight: NodeWeight = None,
    zero_division: float | str = "warn",
    deeper: str = "count",
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> Any:
    """Compute hierarchical precision, as :func:`hierarchical_precision_recall_fscore_support`.

    Parameters
    ----------
    y_true, y_pred, taxonomy, average, sample_weight, node_weight
        See :func:`hierarchical_precision_recall_fscore_support`.
    zero_division, deeper, classes, missing
        See :func:`hierarchical_precision_recall_fscore_support`.

    Returns
    -------
    score : float, or ndarray of float64, shape (n_nodes - 1,)
        In [0, 1].

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hierarchical_precision_score
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> hierarchical_precision_score(["owl"], ["bird"], taxonomy=taxonomy)
    1.0
    """
    return _scores(
        y_true,
        y_pred,
        taxonomy=taxonomy,
        average=average,
        sample_weight=sample_weight,
        node_weight=node_weight,
        zero_division=zero_division,
        deeper=deeper,
        classes=classes,
        missing=missing,
        warn_for=["Precision"],
    )[0]


def hierarchical_recall_score(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    average: str | None = "micro",
    sample_weight: SampleWeight = None,
    node_weight: NodeWeight = None,
    zero_division: float | str = "warn",
    deeper: str = "count",
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> Any:
    """Compute hierarchical recall, as :func:`hierarchical_precision_recall_fscore_support`.

    Parameters
    ----------
    y_true, y_pred, taxonomy, average, sample_weight, node_weight
        See :func:`hierarchical_precision_recall_fscore_support`.
    zero_division, deeper, classes, missing
        See :func:`hierarchical_precision_recall_fscore_support`.

    Returns
    -------
    score : float, or ndarray of float64, shape (n_nodes - 1,)
        In [0, 1].

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hierarchical_recall_score
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> hierarchical_recall_score(["owl"], ["bird"], taxonomy=taxonomy)
    0.5
    """
    return _scores(
        y_true,
        y_pred,
        taxonomy=taxonomy,
        average=average,
        sample_weight=sample_weight,
        node_weight=node_weight,
        zero_division=zero_division,
        deeper=deeper,
        classes=classes,
        missing=missing,
        warn_for=["Recall"],
    )[1]
