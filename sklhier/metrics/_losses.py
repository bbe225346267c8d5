"""Losses that sum the weights of wrong nodes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._utils.typing import Bools, NodeWeight, SampleWeight, Target
from sklhier.metrics._input import read_closures
from sklhier.metrics._members import parents_inside
from sklhier.taxonomy._graph import entry_rows
from sklhier.taxonomy._node_weights import read_node_weight
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["h_loss", "hmc_loss"]


def h_loss(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    node_weight: NodeWeight = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> float:
    r"""Compute the H-loss, which counts only the first mistake on the way down.

    Let :math:`\hat T_i` be the true labels of sample `i` and all their ancestors, and :math:`\hat
    P_i` the predicted ones. The loss of the sample is the sum of the weights of the nodes that are
    in only one of the sets and whose ancestors are all in both [1]_: once a node is wrong, nothing
    below it matters.

    Parameters
    ----------
    y_true, y_pred : array-like
        Labels in any format, one or more for each sample. None is the empty set.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. Optional if both `y` hold paths.
    node_weight : {"sibling", "information"}, mapping or array-like, default=None
        Weights of the nodes, all 1 by default; see
        :func:`hierarchical_precision_recall_fscore_support`. The authors use ``"sibling"``; the
        loss is then at most 1 if every sample has one label.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.
    missing : {"error", "ignore"}, default="error"
        Missing cells (NaN, None, masked) of an indicator in `y_true`: an error, or not annotated
        and left out of all counts. An ancestor of a 1 counts as 1; other ancestors of a missing
        cell are not annotated either.

    Returns
    -------
    loss : float
        Mean over the samples, from 0 (all right) to the sum of all weights.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.

    References
    ----------
    .. [1] N. Cesa-Bianchi, C. Gentile, L. Zaniboni. Incremental algorithms for hierarchical
       classification. Journal of Machine Learning Research 7 (2006).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import h_loss
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> h_loss(["owl", "owl", "owl"], ["wren", "bird", "eel"], taxonomy=taxonomy)
    1.666...

    Two nodes are wrong for the first sample (``owl`` and ``wren``), one for the second, and two for
    the third: ``bird`` and ``fish``, but not the nodes below them.
    """
    true, predicted, weights, resolved, *_ = read_closures(
        y_true, y_pred, taxonomy, sample_weight, classes=classes, missing=missing
    )
    of_node = read_node_weight(node_weight, resolved)
    wrong = sparse.csr_array(abs(true - predicted))
    wrong.eliminate_zeros()
    wrong.sort_indices()
    # The sets are closed: a parent that is in both has all its ancestors in both.
    below_wrong: Bools = parents_inside(wrong, resolved) > 0
    first_wrong = np.where(below_wrong, 0.0, of_node[wrong.indices])
    losses = np.bincount(entry_rows(wrong), weights=first_wrong, minlength=len(weights))
    return float(np.average(losses, weights=weights))


def hmc_loss(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    node_weight: NodeWeight = None,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> float:
    r"""Compute the HMC-loss, the weighted cost of missed and of wrongly predicted nodes.

    It is the mean over the samples of

    .. math::

        \alpha \sum_{n \in \hat T_i \setminus \hat P_i} c_n
        + \beta \sum_{n \in \hat P_i \setminus \hat T_i} c_n

    [1]_, where :math:`\hat T_i` and :math:`\hat P_i` are the true and the predicted labels with
    their ancestors, and :math:`c_n` the weights of nodes. With all weights 1 it is the number of
    nodes in only one of the sets; in a tree with one label for each sample, the tree distance.

    Parameters
    ----------
    y_true, y_pred : array-like
        Labels in any format, one or more for each sample. None is the empty set.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. Optional if both `y` hold paths.
    alpha, beta : float, default=1.0
        Cost of missed and of wrongly predicted nodes, 0 or more.
    node_weight : {"sibling", "information"}, mapping or array-like, default=None
        Weights of the nodes, all 1 by default; see
        :func:`hierarchical_precision_recall_fscore_support`.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.
    missing : {"error", "ignore"}, default="error"
        Missing cells (NaN, None, masked) of an indicator in `y_true`: an error, or not annotated
        and left out of all counts. An ancestor of a 1 counts as 1; other ancestors of a missing
        cell are not annotated either.

    Returns
    -------
    loss : float
        0 or more; 0 if all is right.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
    ValueError
        For a negative `alpha` or `beta`.

    References
    ----------
    .. [1] W. Bi, J. T. Kwok. Bayes-optimal hierarchical multilabel classification. IEEE Transactions
       on Knowledge and Data Engineering 27 (2015).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hmc_loss
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> hmc_loss([{"owl", "eel"}], [{"wren"}], taxonomy=taxonomy)
    4.0
    >>> hmc_loss([{"owl", "eel"}], [{"wren"}], taxonomy=taxonomy, alpha=2.0)
    7.0
    """
    for name, price in (("alpha", alpha), ("beta", beta)):
        if not (np.isfinite(price) and price >= 0):
            raise ValueError(f"`{name}` must be a finite number of 0 or more, got {price!r}.")
    true, predicted, weights, resolved, *_ = read_closures(
        y_true, y_pred, taxonomy, sample_weight, classes=classes, missing=missing
    )
    of_node = read_node_weight(node_weight, resolved)
    common = true.multiply(predicted) @ of_node
    missed, added = true @ of_node - common, predicted @ of_node - common
    return float(np.average(alpha * missed + beta * added, weights=weights))
