"""Where predictions leave the right way, node by node."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sklhier._utils.tables import html_table, text_table
from sklhier._utils.typing import Floats, Labels, NodeIds, Rows, SampleWeight, Target
from sklhier.metrics._input import Compared, read_closures
from sklhier.metrics._mistakes import (
    KINDS,
    Decisions,
    confused_edges,
    first_mistakes,
    sums_by_level,
)
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["ErrorAttribution", "attribution_of", "error_attribution", "records_of", "shares_of"]

_MOST_SHOWN = 20  # nodes in the text of a result
_HELD = 0.9  # of all errors, for the sentence that says how few nodes hold them


@dataclass(frozen=True, repr=False, eq=False)
class ErrorAttribution:
    """Result of :func:`error_attribution`, the nodes where predictions go wrong.

    One entry for each inner node that samples arrived at, the root included. Nodes with the most
    errors come first, equals in the order of ``taxonomy.nodes``.

    Attributes
    ----------
    taxonomy : Taxonomy
        Tree or DAG.
    node_ids : ndarray of int32, shape (n,)
        Ids of the nodes; 0 is the root.
    arrived : ndarray of float64, shape (n,)
        Weight of the samples with the node in both truth and prediction; all have the root.
    wrong_turn, stopped_early, too_deep : ndarray of float64, shape (n,)
        Weight of the samples that went wrong here: another child was predicted; a child is missing
        and no wrong one was predicted; a wrong child was predicted and none is missing.
    worst_true, worst_predicted : ndarray of int32, shape (n,)
        Ids of the true and the predicted child of the most frequent wrong turn; -1 if there is
        none.
    worst_count : ndarray of float64, shape (n,)
        Weight of the samples of that pair.
    level_support : ndarray of float64, shape (n_levels,)
        Weight of the true nodes of each level.
    level_accuracy : ndarray of float64, shape (n_levels,)
        Share of the true nodes of each level that were predicted, NaN if there are none.
    level_accuracy_given_parent : ndarray of float64, shape (n_levels,)
        The same among true nodes whose parents were all predicted: the accuracy of this level's own
        decisions, if everything above is right.
    sample_nodes : ndarray of int32, shape (n_samples,), or None
        The node at which each sample went wrong, -1 if it did not; None for label sets and in DAGs,
        where there may be several.
    sample_kinds : ndarray of str, shape (n_samples,), or None
        ``"right"``, ``"wrong_turn"``, ``"stopped_early"`` or ``"too_deep"``; None as above.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import error_attribution
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true, y_pred = ["owl", "wren", "wren", "eel"], ["owl", "owl", "bird", "owl"]
    >>> found = error_attribution(y_true, y_pred, taxonomy=taxonomy)
    >>> found.nodes, found.levels, found.errors
    (('bird', <root>), array([2, 1]), array([2., 1.]))
    """

    taxonomy: Taxonomy
    node_ids: NodeIds
    arrived: Floats
    wrong_turn: Floats
    stopped_early: Floats
    too_deep: Floats
    worst_true: NodeIds
    worst_predicted: NodeIds
    worst_count: Floats
    level_support: Floats
    level_accuracy: Floats
    level_accuracy_given_parent: Floats
    sample_nodes: NodeIds | None
    sample_kinds: Labels | None

    @property
    def nodes(self) -> tuple[Hashable, ...]:
        """Names of the nodes."""
        return tuple(self.taxonomy.nodes[node] for node in self.node_ids.tolist())

    @property
    def titles(self) -> list[str]:
        """Names of the nodes as text, each followed by its title if it has one."""
        return self.taxonomy.titled(self.nodes)

    @property
    def levels(self) -> Rows:
        """Level of the children that are chosen at each node: 1 for the root."""
        return self.taxonomy.depths[self.node_ids].astype(np.intp) + 1

    @property
    def errors(self) -> Floats:
        """Errors of all three kinds together."""
        return self.wrong_turn + self.stopped_early + self.too_deep

    @property
    def error_rate(self) -> Floats:
        """Errors divided by the samples that arrived."""
        return self.errors / self.arrived

    @property
    def share(self) -> Floats:
        """Share of each node in all errors; 0 if there are none."""
        return shares_of(self.errors)

    def _names(self, nodes: NodeIds) -> list[Hashable | None]:
        return [None if node < 0 else self.taxonomy.nodes[node] for node in nodes.tolist()]

    def _columns(self) -> dict[str, Any]:
        return {
            "node": list(self.nodes),
            "level": self.levels,
            **{
                name: getattr(self, name)
                for name in (
                    "arrived",
                    "wrong_turn",
                    "stopped_early",
                    "too_deep",
                    "errors",
                    "error_rate",
                    "share",
                )
            },
            "worst_true": self._names(self.worst_true),
            "worst_predicted": self._names(self.worst_predicted),
            "worst_count": self.worst_count,
        }

    def records(self) -> list[dict[str, Any]]:
        """Return a dictionary for each node, the one with most errors first."""
        return records_of(self._columns())

    def to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame` with a row for each node.

        It has a column ``title`` where the taxonomy has titles.
        """
        import pandas as pd

        frame = pd.DataFrame(self._columns())
        if self.taxonomy.titles:
            frame.insert(1, "title", list(map(self.taxonomy.titles.get, self.nodes)))
        return frame

    def levels_to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame` with a row for each level."""
        import pandas as pd

        return pd.DataFrame(
            {
                "level": np.arange(1, len(self.level_support) + 1),
                "support": self.level_support,
                "accuracy": self.level_accuracy,
                "accuracy_given_parent": self.level_accuracy_given_parent,
            }
        )

    def _rows(self) -> list[list[str]]:
        head = ["node", "level", "arrived", "wrong turn", "stopped early", "too deep", "share"]
        counts = (self.arrived, self.wrong_turn, self.stopped_early, self.too_deep)
        n_shown = min(_MOST_SHOWN, int(np.count_nonzero(self.errors)))
        titles = self.taxonomy.titled(self.nodes[:n_shown])
        rows = [
            [title, str(level), *(f"{count[i]:.10g}" for count in counts), f"{share:.1%}"]
            for i, (title, level, share) in enumerate(
                zip(titles, self.levels, self.share, strict=False)
            )
        ]
        return [head, *rows]

    def _level_rows(self) -> list[list[str]]:
        table = zip(
            self.level_support,
            self.level_accuracy,
            self.level_accuracy_given_parent,
            strict=True,
        )
        return [
            ["", "support", "accuracy", "had the parent been right"],
            *(
                [f"level {level}", f"{support:.10g}", f"{accuracy:.3f}", f"{given:.3f}"]
                for level, (support, accuracy, given) in enumerate(table, start=1)
            ),
        ]

    def _sentence(self) -> str:
        errors = self.errors
        total = errors.sum()
        if not total:
            return "There are no errors."
        n_nodes = int(np.searchsorted(np.cumsum(errors), _HELD * total)) + 1
        held = errors[:n_nodes].sum() / total
        return f"{held:.0%} of {total:.10g} errors arise at {n_nodes} of {len(errors)} nodes."

    def __repr__(self) -> str:
        return f"ErrorAttribution(n_nodes={len(self.node_ids)}, errors={self.errors.sum():.10g})"

    def __str__(self) -> str:
        tables = (text_table(self._rows()), text_table(self._level_rows()))
        return "\n\n".join([self._sentence(), *tables])

    def _repr_html_(self) -> str:
        return (
            f"<p>{self._sentence()}</p>{html_table(self._rows())}{html_table(self._level_rows())}"
        )


def error_attribution(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    sample_weight: SampleWeight = None,
    deeper: str = "count",
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> ErrorAttribution:
    """Attribute each error to the node where the prediction leaves the true path.

    A sample arrives at the root and at all nodes that are in both its true and its predicted path.
    At the deepest of them it may go wrong: another child is predicted (a wrong turn), the
    prediction ends above the truth (stopped early), or goes on below it (too deep). Errors further
    down are consequences and not counted again.

    With several labels for each sample, each node that is in both sets is a decision of its own:
    its true children are compared with its predicted ones. In a DAG a sample goes wrong at the
    parents of a wrong node if all of these parents are right, as in :func:`h_loss`.

    Parameters
    ----------
    y_true, y_pred : array-like
        Labels in any format. None, or an empty path or collection, ends at the root.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. Optional if both `y` hold paths.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    deeper : {"count", "ok"}, default="count"
        Predicted nodes below a most specific true node: wrong (``"count"``) or left out (``"ok"``).
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.
    missing : {"error", "ignore"}, default="error"
        Missing cells of an indicator in `y_true`: an error, or not annotated and left out of all
        counts, with what is below them.

    Returns
    -------
    found : ErrorAttribution
        The nodes with their errors; the accuracy at each level, over all samples and if the parent
        is right; the node where each sample goes wrong.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.

    See Also
    --------
    most_confused_pairs : The pairs of nodes that are confused most often.
    class_damage : The cost of errors by true class.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import error_attribution
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true, y_pred = ["owl", "wren", "wren", "eel"], ["owl", "owl", "bird", "owl"]
    >>> print(error_attribution(y_true, y_pred, taxonomy=taxonomy))
    100% of 3 errors arise at 2 of 2 nodes.
    <BLANKLINE>
    node    level  arrived  wrong turn  stopped early  too deep  share
    bird        2        3           1              1         0  66.7%
    <root>      1        4           1              0         0  33.3%
    <BLANKLINE>
             support  accuracy  had the parent been right
    level 1        4     0.750                      0.750
    level 2        4     0.250                      0.333
    """
    return attribution_of(
        read_closures(
            y_true,
            y_pred,
            taxonomy,
            sample_weight,
            classes=classes,
            missing=missing,
            deeper=deeper,
        )
    )


def attribution_of(read: Compared) -> ErrorAttribution:
    """Return what :func:`error_attribution` does, of closures."""
    taxonomy, weights = read.taxonomy, read.weights
    found = first_mistakes(read)
    counts = np.bincount(
        found.kinds * np.intp(taxonomy.n_nodes) + found.nodes,
        weights=weights[found.rows],
        minlength=len(KINDS) * taxonomy.n_nodes,
    ).reshape(len(KINDS), taxonomy.n_nodes)
    hits: Floats = np.asarray(weights @ found.common)
    arrived = hits.copy()
    arrived[0] = weights.sum()
    arrived[taxonomy.leaf_ids] = 0
    reached = np.flatnonzero(arrived > 0)
    order = np.argsort(-counts[:, reached].sum(axis=0), kind="stable")
    listed = reached[order].astype(np.int32)
    worst_true, worst_predicted, worst_count = _worst_pairs(found, weights, taxonomy)
    sample_nodes, sample_kinds = _of_samples(read, found)
    support, right, missed = (
        sums_by_level(of_node, taxonomy)
        for of_node in (np.asarray(weights @ read.true), hits, found.first_missed)
    )
    return ErrorAttribution(
        taxonomy=taxonomy,
        node_ids=listed,
        arrived=arrived[listed],
        wrong_turn=counts[1, listed],
        stopped_early=counts[2, listed],
        too_deep=counts[3, listed],
        worst_true=worst_true[listed],
        worst_predicted=worst_predicted[listed],
        worst_count=worst_count[listed],
        level_support=support,
        level_accuracy=_ratio(right, support),
        level_accuracy_given_parent=_ratio(right, right + missed),
        sample_nodes=sample_nodes,
        sample_kinds=sample_kinds,
    )


def _of_samples(read: Compared, found: Decisions) -> tuple[NodeIds | None, Labels | None]:
    """Return the node and the kind of each sample's mistake, if there is no more than one."""
    if not read.taxonomy.is_tree or any(form.several for form in read.forms):
        return None, None
    nodes = np.full(len(read.weights), -1, dtype=np.int32)
    kinds = np.zeros(len(read.weights), dtype=np.int8)
    nodes[found.rows] = found.nodes
    kinds[found.rows] = found.kinds
    return nodes, np.array(KINDS)[kinds]


def _worst_pairs(
    found: Decisions, weights: Floats, taxonomy: Taxonomy
) -> tuple[NodeIds, NodeIds, Floats]:
    """Return, for each node, the children that are confused most often, and how often."""
    pairs = confused_edges(found, weights, taxonomy)
    parents = taxonomy.edge_parents[pairs.row]
    order = np.lexsort((pairs.col, pairs.row, -pairs.data, parents))
    nodes, first = np.unique(parents[order], return_index=True)
    best = order[first]
    children = np.full((2, taxonomy.n_nodes), -1, dtype=np.int32)
    children[:, nodes] = taxonomy.edge_children[np.stack([pairs.row[best], pairs.col[best]])]
    counts = np.zeros(taxonomy.n_nodes)
    counts[nodes] = pairs.data[best]
    return children[0], children[1], counts


def shares_of(values: Floats) -> Floats:
    """Return numbers of 0 or more over their sum; 0 if all are 0."""
    total = values.sum()
    return values / total if total > 0 else np.zeros_like(values)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)


def records_of(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a dictionary for each row of a table of columns, with plain Python values."""
    values = (c.tolist() if isinstance(c, np.ndarray) else c for c in columns.values())
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
