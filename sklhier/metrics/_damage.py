"""Costs of errors, by true class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._utils.tables import html_table, text_table
from sklhier._utils.typing import Bools, Floats, Frame, NodeIds, Rows, SampleWeight, Target
from sklhier._utils.validation import numbers, shown
from sklhier.metrics._attribution import records_of, shares_of
from sklhier.metrics._coverage import never_wrong
from sklhier.metrics._distances import node_distances
from sklhier.metrics._input import Compared, read_closures
from sklhier.metrics._members import shared_entries
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["ClassDamage", "Costs", "class_damage"]

Costs: TypeAlias = Mapping[Hashable | None, Mapping[Hashable, float]] | Frame | npt.ArrayLike | str

_MOST_SHOWN = 20  # classes in the text of a result


@dataclass(frozen=True, repr=False, eq=False)
class ClassDamage:
    """Result of :func:`class_damage`, the cost of errors by true class.

    One entry for each class that is a most specific true label, the largest cost first, equals in
    the order of ``taxonomy.nodes``.

    Attributes
    ----------
    taxonomy : Taxonomy
        Tree or DAG.
    node_ids : ndarray of int32, shape (n,)
        Ids of the classes.
    support : ndarray of float64, shape (n,)
        Weight of the samples of each class.
    wrong : ndarray of float64, shape (n,)
        Weight of its samples whose answer lacks the class and has a wrong node.
    stopped : ndarray of float64, shape (n,)
        Weight of its samples whose answer ends above the class, without a wrong node.
    false_answers : ndarray of float64, shape (n,)
        Weight of the samples of other classes whose answer is this one.
    cost : ndarray of float64, shape (n,)
        Cost of all samples of the class.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import class_damage
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> found = class_damage(["owl", "owl", "eel"], ["wren", "bird", "eel"], taxonomy=taxonomy)
    >>> found.classes, found.lost, found.cost
    (('owl', 'eel'), array([2., 0.]), array([3., 0.]))
    """

    taxonomy: Taxonomy
    node_ids: NodeIds
    support: Floats
    wrong: Floats
    stopped: Floats
    false_answers: Floats
    cost: Floats

    @property
    def classes(self) -> tuple[Hashable, ...]:
        """Names of the classes."""
        return tuple(self.taxonomy.nodes[node] for node in self.node_ids.tolist())

    @property
    def lost(self) -> Floats:
        """Weight of the samples whose answer lacks the class, wrong or stopped."""
        return self.wrong + self.stopped

    @property
    def mean_cost(self) -> Floats:
        """Cost divided by the samples of the class."""
        return self.cost / self.support

    @property
    def share(self) -> Floats:
        """Share of each class in the total cost; 0 if there is none."""
        return shares_of(self.cost)

    def _columns(self) -> dict[str, Any]:
        names = (
            "support",
            "lost",
            "wrong",
            "stopped",
            "false_answers",
            "cost",
            "mean_cost",
            "share",
        )
        return {"class": list(self.classes), **{name: getattr(self, name) for name in names}}

    def records(self) -> list[dict[str, Any]]:
        """Return a dictionary for each class, the most costly first."""
        return records_of(self._columns())

    def to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame` with a row for each class.

        It has a column ``title`` where the taxonomy has titles.
        """
        import pandas as pd

        frame = pd.DataFrame(self._columns())
        if self.taxonomy.titles:
            frame.insert(1, "title", list(map(self.taxonomy.titles.get, self.classes)))
        return frame

    def _rows(self) -> list[list[str]]:
        head = ["class", "support", "wrong", "stopped", "false answers", "cost", "mean", "share"]
        counts = (self.support, self.wrong, self.stopped, self.false_answers, self.cost)
        titles = self.taxonomy.titled(self.classes[:_MOST_SHOWN])
        return [
            head,
            *(
                [title, *(f"{count[i]:.10g}" for count in counts), f"{mean:.3f}", f"{share:.1%}"]
                for i, (title, mean, share) in enumerate(
                    zip(titles, self.mean_cost, self.share, strict=False)
                )
            ),
        ]

    def __repr__(self) -> str:
        return f"ClassDamage(n_classes={len(self.node_ids)}, cost={self.cost.sum():.10g})"

    def __str__(self) -> str:
        return text_table(self._rows())

    def _repr_html_(self) -> str:
        return html_table(self._rows())


def class_damage(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    cost: Costs | None = None,
    sample_weight: SampleWeight = None,
    deeper: str = "count",
    classes: npt.ArrayLike | None = None,
) -> ClassDamage:
    """Find the classes with the most costly errors.

    The cost of a sample depends on its answer and its true class. With several labels, each most
    specific true label is a class of its own, and the answer with the lowest cost for it counts: a
    true label that was predicted costs nothing. An empty answer is the root.

    Parameters
    ----------
    y_true, y_pred : array-like
        Labels in any format. None, or an empty path or collection, is no answer.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. Optional if both `y` hold paths.
    cost : "error", mapping of mappings, pandas.DataFrame or array-like, default=None
        None: the number of edges between answer and class. ``"error"``: 1 for any answer but the
        class. Otherwise ``cost[answer][label]``, as in :class:`~sklhier.decoders.CostMatrix`: a
        data frame has a row for each answer and a column for each label, an array a row and a
        column for each of ``taxonomy.nodes``. The answer None is the root.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    deeper : {"count", "ok"}, default="count"
        Predicted nodes below a most specific true node: wrong (``"count"``) or left out (``"ok"``).
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.

    Returns
    -------
    found : ClassDamage
        The classes with their samples, lost samples and costs.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
    TaxonomyError
        For costs of unknown names.
    ValueError
        For an invalid `cost`, and for an answer without a finite cost.

    See Also
    --------
    error_attribution : The nodes at which predictions go wrong.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import class_damage
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true, y_pred = ["owl", "owl", "wren", "eel"], ["wren", "bird", "eel", "eel"]
    >>> print(class_damage(y_true, y_pred, taxonomy=taxonomy))
    class  support  wrong  stopped  false answers  cost   mean  share
    wren         1      1        0              1     4  4.000  57.1%
    owl          2      1        1              0     3  1.500  42.9%
    eel          1      0        0              1     0  0.000   0.0%

    Here a wrong fish is cheap, and no answer even cheaper:

    >>> costs = {
    ...     "wren": {"owl": 5, "wren": 0, "eel": 1},
    ...     "bird": {"owl": 2},
    ...     "eel": {"owl": 1, "wren": 1, "eel": 0},
    ...     None: {"owl": 0.5, "wren": 0.5, "eel": 0.5},
    ... }
    >>> found = class_damage(y_true, y_pred, taxonomy=taxonomy, cost=costs)
    >>> found.classes, found.cost
    (('owl', 'wren', 'eel'), array([7., 1., 0.]))
    """
    if isinstance(cost, str) and cost != "error":
        raise ValueError(
            f"`cost` must be None, 'error', or costs of answers and labels, got {cost!r}."
        )
    read = read_closures(y_true, y_pred, taxonomy, sample_weight, classes=classes, deeper=deeper)
    true, predicted = (
        read.taxonomy.most_specific_of(part) for part in (read.true, read.predicted)
    )
    costs = _cheapest(true, predicted, read.taxonomy, cost)
    return _by_class(read, true, predicted, costs)


def _by_class(
    read: Compared, true: sparse.csr_array, predicted: sparse.csr_array, costs: Floats
) -> ClassDamage:
    taxonomy, rows = read.taxonomy, ops.entry_rows(true)
    weights = read.weights[rows]
    lost = ~shared_entries(true, predicted)
    only_stopped = never_wrong(read)[rows]

    def of_class(values: Floats | Bools) -> Floats:
        sums: Any = np.bincount(true.indices, weights=weights * values, minlength=taxonomy.n_nodes)
        return sums

    false = ~shared_entries(predicted, true)
    false_answers: Any = np.bincount(
        predicted.indices[false],
        weights=read.weights[ops.entry_rows(predicted)[false]],
        minlength=taxonomy.n_nodes,
    )
    support, total = of_class(np.ones(len(rows))), of_class(costs)
    classes = np.flatnonzero(support > 0)
    listed = classes[np.argsort(-total[classes], kind="stable")].astype(np.int32)
    return ClassDamage(
        taxonomy=taxonomy,
        node_ids=listed,
        support=support[listed],
        wrong=of_class(lost & ~only_stopped)[listed],
        stopped=of_class(lost & only_stopped)[listed],
        false_answers=false_answers[listed],
        cost=total[listed],
    )


def _cheapest(
    true: sparse.csr_array, predicted: sparse.csr_array, taxonomy: Taxonomy, cost: Any
) -> Floats:
    """Return, for each true label, the cost of the cheapest label in the answer of its sample."""
    n_answers = np.diff(predicted.indptr)
    rows = ops.entry_rows(true)
    n_pairs = np.maximum(n_answers[rows], 1)  # an empty answer is the root
    entries = np.repeat(np.arange(true.nnz), n_pairs)
    pairs = ops.concatenated_ranges(predicted.indptr[rows], n_pairs)
    padded = np.append(predicted.indices, 0)
    answers = np.where(n_answers[rows][entries] > 0, padded[pairs], 0)
    labels = true.indices[entries]
    keys, of_pair = np.unique(
        ops.cell_keys(answers, labels, taxonomy.n_nodes), return_inverse=True
    )
    costs = _costs_of(*np.divmod(keys, taxonomy.n_nodes), taxonomy, cost)[of_pair]
    return np.minimum.reduceat(costs, ops.offsets_of(n_pairs)[:-1]) if len(costs) else costs


def _costs_of(answers: Rows, labels: Rows, taxonomy: Taxonomy, cost: Any) -> Floats:
    """Return the cost of each distinct pair of an answer and a true label."""
    if cost is None:
        return node_distances(answers.astype(np.int32), labels.astype(np.int32), taxonomy).astype(
            np.float64
        )
    if isinstance(cost, str):
        return (answers != labels).astype(np.float64)
    rows, columns, table = _read_costs(cost, taxonomy)
    padded = np.full((len(rows) + 1, len(columns) + 1), np.nan)  # position -1: no cost
    padded[:-1, :-1] = table
    found = padded[
        _places(rows, taxonomy.n_nodes)[answers], _places(columns, taxonomy.n_nodes)[labels]
    ]
    if not np.isfinite(found).all():
        pair = int(np.argmin(np.isfinite(found)))
        answer = taxonomy.nodes[answers[pair]] if answers[pair] else None
        raise ValueError(
            f"`cost` must have a finite cost for the answer {answer!r} if "
            f"{taxonomy.nodes[labels[pair]]!r} is true, got none, and there is such a sample."
        )
    return found


def _places(nodes: NodeIds, n_nodes: int) -> Rows:
    places = np.full(n_nodes, -1, dtype=np.intp)
    places[nodes] = np.arange(len(nodes))
    return places


def _read_costs(cost: Any, taxonomy: Taxonomy) -> tuple[NodeIds, NodeIds, Floats]:
    """Return the nodes of the rows (answers) and columns (labels), and the numbers."""
    if hasattr(cost, "columns"):
        return _ids(cost.index, taxonomy), _ids(cost.columns, taxonomy), numbers("cost", cost)
    if isinstance(cost, Mapping):
        for answer, row in cost.items():
            if not isinstance(row, Mapping):
                raise ValueError(
                    "`cost` must have a mapping from labels to costs for each answer, got "
                    f"{shown(row)} for {answer!r}."
                )
        names = list(dict.fromkeys(label for row in cost.values() for label in row))
        table = [[row.get(label, np.nan) for label in names] for row in cost.values()]
        values = numbers("cost", table).reshape(len(table), len(names))
        return _ids(cost, taxonomy), _ids(names, taxonomy), values
    values = numbers("cost", cost)
    everything = np.arange(taxonomy.n_nodes, dtype=np.int32)
    if values.shape != (taxonomy.n_nodes, taxonomy.n_nodes):
        raise ValueError(
            "An array of costs must have a row and a column for each of the "
            f"{taxonomy.n_nodes} nodes of taxonomy.nodes, got shape {values.shape}. Pass a "
            "mapping or a data frame to name fewer."
        )
    return everything, everything, values


def _ids(names: Any, taxonomy: Taxonomy) -> NodeIds:
    nodes = [0 if name is None else taxonomy.id(name) for name in names]
    if len(set(nodes)) < len(nodes):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise ValueError(f"The names of `cost` must be distinct, got {twice!r} twice.")
    return np.array(nodes, dtype=np.int32)
