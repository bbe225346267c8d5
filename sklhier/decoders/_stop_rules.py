"""Stop rules that weigh information against confidence."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklhier._probabilities.marginals import Marginals
from sklhier._utils.typing import Floats, NodeIds, NodeWeight, Rows
from sklhier._utils.validation import check_number
from sklhier.decoders._base import Decoder
from sklhier.decoders._best_path import top_answers
from sklhier.decoders._node_thresholds import check_tau, node_bars
from sklhier.decoders._registry import register
from sklhier.decoders._stop_base import StopRule
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._node_weights import check_node_weight, read_node_values

__all__ = ["Climbing", "Darts", "InformationThreshold"]


def _information(values: NodeWeight, taxonomy: Taxonomy, name: str) -> Floats:
    """Return the information of every node, 0 for the root."""
    if isinstance(values, str) and values == "leaves":
        return taxonomy.information
    if values is None or isinstance(values, str):
        raise ValueError(f"`{name}` must be 'leaves' or a number for each node, got {values!r}.")
    return np.concatenate([[0.0], read_node_values(values, taxonomy, name, levels=True)])


@register("information_threshold")
class InformationThreshold(Decoder):
    """The most informative node whose probability exceeds a threshold.

    Unlike :class:`Threshold`, which takes the deepest node, it compares nodes by their information:
    a node at the first level may be as specific as one at the fifth. Ties go to the more probable
    node. The root has no information; it is the answer if no other node qualifies.

    Parameters
    ----------
    tau : float, array-like or mapping, default=0.5
        Threshold in [0, 1], for all nodes, for each level, for each node or by name, as in
        :class:`Threshold`; a node qualifies if its probability is larger, so that no node does at
        1.
    information : "leaves", array-like or mapping, default="leaves"
        Information of a node: the binary logarithm of the number of all leaves divided by the
        number of leaves below the node (``"leaves"``), or numbers of 0 or more: one for each node,
        in the order of ``taxonomy.nodes[1:]`` or by name, or one for each level.

    References
    ----------
    .. [1] J. Valmadre. Hierarchical classification at multiple operating points. Advances in
       Neural Information Processing Systems 35 (2022).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.decoders import InformationThreshold, Threshold
    >>> y, taxonomy = Taxonomy.from_paths(["a/x", "a/y", "a/z", "b"])
    >>> model = HierarchicalClassifier(taxonomy=taxonomy).fit(np.eye(4), y)
    >>> node_proba = [[1.0, 0.6, 0.4, 0.35, 0.15, 0.1]]
    >>> model.decode(node_proba, InformationThreshold(0.3))  # b and a/x have the same
    array(['b'], dtype=object)
    >>> model.decode(node_proba, Threshold(0.3))
    array(['a/x'], dtype=object)
    """

    needs_all_nodes = True
    needs_probabilities = True

    def __init__(self, tau: Any = 0.5, information: NodeWeight = "leaves") -> None:
        self.tau = tau
        self.information = information

    def check(self) -> None:
        """Raise a ValueError unless ``tau`` is in [0, 1] and numbers of nodes are 0 or more."""
        check_tau(self, self.tau, tunable=False)
        check_node_weight("information", self.information, ["leaves"])

    def check_taxonomy(self, taxonomy: Taxonomy) -> None:
        """Raise a ValueError unless there are numbers for each node, or for each level."""
        node_bars(self, self.tau, taxonomy)
        _information(self.information, taxonomy, "information")

    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the most informative node above the threshold."""
        information = _information(self.information, marginals.taxonomy, "information")
        proba = marginals.dense().node_proba
        # Information is 0 or more, so that -1 rules a node out; the root always qualifies.
        bars = node_bars(self, self.tau, marginals.taxonomy)
        qualified = np.where(proba > bars.height, information, -1.0)
        qualified[:, 0] = 0.0
        best = np.where(qualified == qualified.max(axis=1, keepdims=True), proba, -1.0)
        return np.argmax(best, axis=1).astype(np.int32)


@register("darts")
class Darts(Decoder):
    r"""The node with the best trade-off between information and probability.

    It maximises :math:`(r_v + \lambda)\, p_v` over all nodes `v`, the root included, with a reward
    :math:`r_v` for being specific and :math:`\lambda` for being right: with a larger
    :math:`\lambda` answers stop earlier. This is the rule of *dual accuracy reward trade-off
    search* [1]_, which looks for the smallest :math:`\lambda` that reaches a given accuracy; use
    :func:`~sklhier.model_selection.tune_decoder` or a search for that.

    Parameters
    ----------
    accuracy_reward : float, default=0.0
        The reward :math:`\lambda` for an answer that is right, 0 or more.
    reward : "leaves", array-like or mapping, default="leaves"
        The reward of each node for being specific, like `information` of
        :class:`InformationThreshold`.

    References
    ----------
    .. [1] J. Deng, J. Krause, A. C. Berg, L. Fei-Fei. Hedging your bets: optimizing
       accuracy-specificity trade-offs in large scale visual recognition. CVPR (2012).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.decoders import Darts
    >>> y, taxonomy = Taxonomy.from_paths(["a/x", "a/y", "b/u", "b/v"])
    >>> model = HierarchicalClassifier(taxonomy=taxonomy).fit(np.eye(4), y)
    >>> node_proba = [[1.0, 0.8, 0.2, 0.5, 0.3, 0.1, 0.1]]
    >>> for reward in (0, 1, 9):
    ...     print(reward, model.decode(node_proba, Darts(reward)))
    0 ['a/x']
    1 ['a']
    9 [None]
    """

    needs_all_nodes = True
    needs_probabilities = True

    def __init__(self, accuracy_reward: float = 0.0, reward: NodeWeight = "leaves") -> None:
        self.accuracy_reward = accuracy_reward
        self.reward = reward

    def check(self) -> None:
        """Raise a ValueError unless ``accuracy_reward`` and numbers of ``reward`` are 0 or more."""
        check_number("accuracy_reward", self.accuracy_reward, least=0)
        check_node_weight("reward", self.reward, ["leaves"])

    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the node with the largest expected reward; ties go to the node further up."""
        reward = _information(self.reward, marginals.taxonomy, "reward")
        expected = marginals.dense().node_proba * (reward + self.accuracy_reward)
        return np.argmax(expected, axis=1).astype(np.int32)


@register("climbing")
class Climbing(StopRule):
    """The lowest node above the most probable answer whose probability exceeds its threshold.

    It starts from the answer of :class:`BestPath` and climbs until a node is probable enough, if
    need be to the root. Unlike :class:`Threshold` it never leaves the path of that answer.

    Parameters
    ----------
    tau : float, "oof", array-like or mapping, default=0.5
        Threshold in [0, 1]; a node qualifies if its probability is larger, so that no node does at
        1. One number for all nodes; one for each level, from the first; one for each node, in the
        order of ``taxonomy.nodes[1:]``; or a mapping by names of nodes, where ``"level:k"`` means
        all other nodes of level `k`. ``"oof"`` tunes thresholds for the best micro-averaged
        hierarchical F on out-of-fold predictions, for one more fit of every model in each fold;
        folds, and so thresholds, depend on the order of rows.
    scope : {"global", "level", "node"}, default="global"
        The nodes that share a tuned threshold: all, those of a level, or a single node.
    beta : float, default=1.0
        Weight of recall in the tuned F, positive; values below 1 make answers stop earlier.
    min_rows : int, default=30
        With ``scope="node"``: fewest held-out rows that must reach a node for a threshold of its
        own, at least 1; other nodes get that of their level.

    Attributes
    ----------
    threshold_report_ : dict of str to ndarray, shape (n_nodes - 1,)
        If thresholds were tuned, on the decoder in use (``decoder_`` of a classifier): for each
        ``node`` its ``level``, ``tau``, ``n_rows`` (held-out rows that reached it) and the
        ``source`` of its threshold: ``"global"``, ``"level"`` or ``"node"``.

    References
    ----------
    .. [1] S. Goren, I. Galil, R. El-Yaniv. Hierarchical selective classification. Advances in Neural
       Information Processing Systems 37 (2024).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.decoders import Climbing, Threshold
    >>> y, taxonomy = Taxonomy.from_paths(["a/x", "a/y", "a/z", "b/u"])
    >>> model = HierarchicalClassifier(taxonomy=taxonomy).fit(np.eye(4), y)
    >>> node_proba = [[1.0, 0.55, 0.45, 0.2, 0.2, 0.15, 0.45]]
    >>> for decoder in (Climbing(0.4), Climbing(0.5), Threshold(0.5)):
    ...     print(decoder, model.decode(node_proba, decoder))
    Climbing(tau=0.4) ['b/u']
    Climbing() [None]
    Threshold() ['a']
    """

    def decode(self, marginals: Marginals) -> NodeIds:
        """Return the first node on the way up that is probable enough."""
        paths, proba = self._best_paths(marginals)
        sure = proba > self._bars(marginals.taxonomy).of(paths)  # it is 0 below the end of a path
        lowest = (sure * np.arange(1, paths.shape[1] + 1)).max(axis=1)
        rows = np.flatnonzero(lowest)
        answers = np.zeros(len(paths), dtype=np.int32)
        answers[rows] = paths[rows, lowest[rows] - 1]
        return answers

    def _best_paths(self, marginals: Marginals) -> tuple[NodeIds, Floats]:
        """Return the path of the most probable answer of each row, and its probabilities."""
        paths = marginals.taxonomy.path_ids(top_answers(marginals, 1)[0][:, 0])
        return paths, _path_proba(marginals, paths)

    def _candidates(self, marginals: Marginals) -> tuple[Rows, NodeIds, Floats]:
        """Return the nodes of the path of the most probable answer."""
        paths, proba = self._best_paths(marginals)
        rows, levels = np.nonzero((paths > 0) & (proba > 0))
        return rows, paths[rows, levels], proba[rows, levels]


def _path_proba(marginals: Marginals, paths: NodeIds) -> Floats:
    """Return the probabilities of the nodes on a path of each row, 0 below its end."""
    proba = np.zeros(paths.shape)
    above = np.zeros(len(paths), dtype=np.int32)
    of_above = np.ones(len(paths))
    for level in range(paths.shape[1]):
        rows = np.flatnonzero(paths[:, level] >= 0)
        if not rows.size:
            break
        found = marginals.expand(rows, above[rows], of_above[rows])
        owners = rows[np.repeat(found.order, np.diff(found.offsets))]
        wanted = found.nodes == paths[owners, level]
        proba[owners[wanted], level] = found.proba[wanted]
        above, of_above = paths[:, level], proba[:, level]
    return proba
