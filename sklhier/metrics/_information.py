"""The information contrast model: information that prediction and truth share, in bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sklhier._utils.typing import Floats, NodeWeight, SampleWeight, Target
from sklhier.metrics._input import Compared, read_closures
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._node_weights import read_node_values
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["icm_score"]


def icm_score(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    alpha1: float = 2.0,
    alpha2: float = 2.0,
    beta: float = 3.0,
    information: NodeWeight = None,
    normalize: bool = False,
    sample_weight: SampleWeight = None,
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> float:
    r"""Compute the information contrast model (ICM).

    It is the mean over the samples of

    .. math::

        \alpha_1 I(T_i) + \alpha_2 I(P_i) - \beta I(T_i \cup P_i),

    where :math:`I` is the information of a set of labels in bits. For one label it is
    :math:`-\log_2` of the share of samples at or below it; for two, their sum minus the information
    of their lowest common ancestor; and so on [1]_. In a tree it is the sum, over the labels and
    all their ancestors, of the information that each adds to its parent's. Rare nodes count more
    than frequent ones, and wrong nodes have a cost.

    Parameters
    ----------
    y_true, y_pred : array-like
        Labels in any format, one or more for each sample. None is the empty set.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the labels. Optional if both `y` hold paths.
    alpha1, alpha2, beta : float, default=2.0, 2.0, 3.0
        Weights of the information of the truth, of the prediction, and of both together. A correct
        node counts ``alpha1 + alpha2 - beta``, a missed one ``alpha1 - beta``, a wrong one ``alpha2
        - beta``.
    information : None, "leaves", mapping or array-like, shape (n_nodes - 1,), default=None
        Information of the nodes. None: from the weighted share of the samples of `y_true` at or
        below each; nodes that do not occur there get the largest value of those that do.
        ``"leaves"``: ``taxonomy.information``, for equally probable leaves. Otherwise numbers by
        name or in the order of ``taxonomy.nodes[1:]``; a child has at least as much as its parent.
    normalize : bool, default=False
        Return ``(score / best + 1) / 2``, clipped to [0, 1], where `best` is the score of the truth
        itself.
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
    score : float
        In bits; larger is better, and it may be negative. If normalised, in [0, 1], 1 for the truth
        itself; NaN if the truth has no information, for example if all samples have the same
        labels.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
    TaxonomyError
        If the taxonomy is not a tree.
    ValueError
        If a node has less information than its parent; and with `normalize` if ``alpha1 + alpha2 <=
        beta``, since the truth would not be best.

    References
    ----------
    .. [1] E. Amigó, A. Delgado. Evaluating extreme hierarchical multi-label classification. ACL
       (2022).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import icm_score
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true, y_pred = ["owl", "wren", "eel", "eel"], ["owl", "owl", "eel", "fish"]
    >>> icm_score(y_true, y_pred, taxonomy=taxonomy)
    0.75
    >>> icm_score(y_true, y_true, taxonomy=taxonomy)
    1.5
    >>> icm_score(y_true, y_pred, taxonomy=taxonomy, normalize=True)
    0.75
    """
    if normalize and not alpha1 + alpha2 > beta:
        raise ValueError(
            "`alpha1` + `alpha2` must be above `beta` for a normalised score, so that the "
            f"truth itself is best, got {alpha1!r}, {alpha2!r} and {beta!r}."
        )
    read = read_closures(
        y_true,
        y_pred,
        taxonomy,
        sample_weight,
        "The information contrast model",
        classes=classes,
        missing=missing,
    )
    true, predicted, weights, resolved = read[:4]
    gains = _gains(_information(information, read), resolved)
    of_true, of_predicted, of_both = (
        float(np.average(table @ gains, weights=weights))
        for table in (true, predicted, true.multiply(predicted))
    )
    score = alpha1 * of_true + alpha2 * of_predicted - beta * (of_true + of_predicted - of_both)
    if not normalize:
        return score
    best = (alpha1 + alpha2 - beta) * of_true
    return float(np.clip((score / best + 1) / 2, 0, 1)) if best > 0 else float("nan")


def _information(given: NodeWeight, read: Compared) -> Floats:
    """Return the information of every node by id, that of the root 0."""
    if isinstance(given, str):
        if given != "leaves":
            raise ValueError(
                "`information` must be None, 'leaves', a mapping or a number for each node, "
                f"got {given!r}."
            )
        return read.taxonomy.information
    if given is None:
        return _of_frequencies(read)
    information = np.zeros(read.taxonomy.n_nodes)
    information[1:] = read_node_values(given, read.taxonomy, "information", levels=False)
    return information


def _of_frequencies(read: Compared) -> Floats:
    totals = np.full(read.taxonomy.n_nodes, read.weights.sum())
    if read.unknown is not None:
        totals -= read.weights @ read.unknown
    counts = read.weights @ read.true
    shares = np.divide(counts, totals, out=np.zeros(len(counts)), where=counts > 0)
    occurs = shares > 0
    information = np.zeros(len(shares))
    # Weights may sum to a little more than their total, by rounding.
    information[occurs] = -np.log2(np.minimum(shares[occurs], 1.0))
    # Infinite by the formula; the largest finite one keeps wrong answers comparable.
    information[~occurs] = information.max(initial=0.0)
    information[0] = 0.0
    return information


def _gains(information: Floats, taxonomy: Taxonomy) -> Floats:
    """Return the information of each node beyond its parent's."""
    gains = information - information[np.maximum(taxonomy.parent_ids, 0)]
    less = np.flatnonzero(gains < -1e-9)
    if less.size:
        node = taxonomy.nodes[less[0]]
        raise ValueError(
            f"`information` must not fall from a parent to its child, but the node {node!r} "
            "has less than its parent."
        )
    return np.maximum(gains, 0.0)
