"""Tables of what speaks for answers, and for nodes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from sklhier._classifiers.frames import check_output, table_of
from sklhier._utils.columns import object_array
from sklhier._utils.typing import Floats, Objects, Rows
from sklhier._utils.validation import check_integer
from sklhier._utils.warning import warn_caller
from sklhier.exceptions import IncompatiblePartsError
from sklhier.explanation._contributions import Entries, entries_of
from sklhier.explanation._decisions import ANY, Decision, Explained
from sklhier.explanation._names import FeatureNames
from sklhier.taxonomy import ROOT, Taxonomy

__all__ = [
    "RUNNER_UP",
    "explain",
    "feature_names",
    "foil_of",
    "named",
    "node_features",
    "warn_of_numbers",
]

INTERCEPT, OTHERS = "<intercept>", "<others>"
RUNNER_UP = "runner_up"
_NODES = ("parent", "chosen", "foil", "node")


def explain(
    model: Any,
    X: Any,
    foil: Any = RUNNER_UP,
    top: int | None = 10,
    *,
    output: str = "pandas",
) -> Any:
    """Contributions of features to the decisions behind each answer.

    At every decision on the path to an answer, the chosen outcome is compared with another one, the
    foil. In linear models a feature contributes its value times the difference of the two weights,
    in trees the difference of its two Shapley values. The contributions of a decision sum to the
    difference of the two decision scores: log-odds for logistic regression, the default base and
    boosted trees, margins for ``LinearSVC``, probabilities for forests.

    Parameters
    ----------
    model : estimator
        A fitted classifier, or a Pipeline or search that ends in one:
        :class:`HierarchicalClassifier` or :class:`HierarchicalMultiLabelClassifier` with linear
        local models, or trees, and the strategy ``"per_parent"``, ``"per_node"``, ``"per_level"`` or
        ``"flat"``; or :class:`MultiHeadClassifier` without hidden layers. Trees, forests and
        ``HistGradientBoostingClassifier`` need the package shap.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples, as the Pipeline takes them.
    foil : label, default="runner_up"
        The alternative to the answer. ``"runner_up"``: at each decision, the other outcome with the
        highest score. A label or path (as a tuple): the decision where its path leaves that of the
        answer; for ``"per_level"`` and joint models all levels where they differ. A sample has no
        lines if its answer is the foil, or, unless the strategy learns stops, lies above or below
        it. With label sets, each label is compared with its absence, and a label as foil is
        refused.
    top : int, default=10
        Number of features of each decision, those with the largest contributions of either sign.
        None for all that are not 0.
    output : {"pandas", "polars", "arrays"}, default="pandas"
        The kind of table.

    Returns
    -------
    table : pandas.DataFrame, polars.DataFrame or dict of str to ndarray
        Sorted by sample and step, the largest contribution first. Its columns:

        - ``row``: the index of X, or the position in it.
        - ``step``: the level of the decision, from 1.
        - ``parent``: the node whose children are told apart. None for a whole level, and in a DAG
          for a node with several parents.
        - ``chosen``, ``foil``: the nodes that are compared. The foil is None for the absence of
          a label; either is, in a joint model, below the end of its path.
        - ``feature``: its name, as the Pipelines around and inside give it, or ``"x7"`` for the
          eighth column. ``"<others>"`` is the sum of the features that `top` leaves out,
          ``"<intercept>"`` the difference of the intercepts; of trees, of the expected scores.
        - ``value``: as the local model sees it, after all steps. NaN for these two.
        - ``contribution``: above 0 where it speaks for the chosen node.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    IncompatiblePartsError
        For an unsupported classifier, strategy or kind of local model. The message names what
        works.
    ImportError
        For trees, without shap.
    TaxonomyError, TargetError
        For an unknown foil.
    ValueError
        For a foil without a training sample, and an invalid `top` or `output`.

    Warns
    -----
    UserWarning
        If a step, such as ``HashingVectorizer``, has no names of features.

    Notes
    -----
    Scores are those of the local models, before links and calibration. One-vs-rest models, and
    those of ``"per_node"``, have a score for each class against all others: contributions sum to
    the difference of two of these. A node without siblings involves no decision. An answer that
    ends early has the decisions above its end; one that ends at the root has none.

    References
    ----------
    .. [1] T. Miller. Explanation in artificial intelligence: insights from the social sciences.
       Artificial Intelligence 267 (2019), on contrastive explanations.
    .. [2] S. Lundberg et al. From local explanations to global understanding with explainable AI for
       trees. Nature Machine Intelligence 2 (2020).

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.explanation import explain
    >>> y, taxonomy = Taxonomy.from_paths(["pet/cat", "pet/dog", "car"])
    >>> model = make_pipeline(CountVectorizer(), HierarchicalClassifier(taxonomy=taxonomy))
    >>> model = model.fit(["cat purrs", "dog barks", "car tyres"], y)
    >>> table = explain(model, ["my cat"], output="arrays")
    >>> for step, chosen, foil, feature in zip(
    ...     *(table[column] for column in ("step", "chosen", "foil", "feature")), strict=True
    ... ):
    ...     print(step, chosen, foil, feature)
    1 pet car cat
    1 pet car <intercept>
    2 pet/cat pet/dog cat
    2 pet/cat pet/dog <intercept>
    """
    explained, inside, X_local = _started(model, X, top, output)
    taxonomy, lines = explained.taxonomy, _Lines()
    for compared in explained.compared(inside, foil_of(explained, foil)):
        names = feature_names(explained, compared.decision)
        for entries in entries_of(compared, X_local):
            lines.add(compared.decision, entries, names, top)
    lost = any(names.lost for names in lines.names)
    if lost:
        warn_of_numbers()
    return _finished(lines.columns(taxonomy, X), output)


def node_features(
    model: Any,
    top: int = 10,
    *,
    nodes: Iterable[Hashable] | None = None,
    output: str = "pandas",
) -> Any:
    """Features that speak most for each node, compared with its siblings.

    The weight of a feature is the node's own minus the mean of its siblings': all other outcomes of
    the same decision. With label sets it is the node's own, compared with its absence.

    Parameters
    ----------
    model : estimator
        As in :func:`explain`.
    top : int, default=10
        Number of features of each node, those with the largest weights above 0. Weights depend on
        the units of features: compare them only on a common scale, such as words.
    nodes : iterable of node names, default=None
        Nodes; None for all that a model decides about.
    output : {"pandas", "polars", "arrays"}, default="pandas"
        The kind of table.

    Returns
    -------
    table : pandas.DataFrame, polars.DataFrame or dict of str to ndarray
        With columns ``row`` (the number of the line), ``node``, ``parent``, ``step`` (the level),
        ``feature`` and ``weight``, in the order of the taxonomy, the largest weight first. With
        ``PerParent(stop="learn")``, a node that is its own parent means stopping there.

    Raises
    ------
    NotFittedError, IncompatiblePartsError, ValueError
        As :func:`explain`.
    TaxonomyError
        For an unknown node.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.explanation import node_features
    >>> y, taxonomy = Taxonomy.from_paths(["pet/cat", "pet/dog", "car"])
    >>> model = make_pipeline(CountVectorizer(), HierarchicalClassifier(taxonomy=taxonomy))
    >>> model = model.fit(["cat purrs", "dog barks", "car tyres"], y)
    >>> table = node_features(model, top=2, nodes=["pet/dog"], output="arrays")
    >>> table["feature"].tolist()
    ['barks', 'dog']
    """
    explained = _checked(model, top, output)
    wanted = None if nodes is None else {explained.taxonomy.id(node) for node in nodes}
    found = _NodeLines()
    for decision in explained.decisions():
        if wanted is None or wanted & set(decision.scores.outcomes.tolist()):
            found.add(decision, feature_names(explained, decision), top, wanted)
    if found.lost:
        warn_of_numbers()
    return _finished(found.columns(explained.taxonomy), output)


# -- shared parts -------------------------------------------------------------------------


def _checked(model: Any, top: int | None, output: str) -> Explained:
    check_output(output)
    if top is not None:
        check_integer("top", top, least=1)
    return Explained.of(model)


def _started(model: Any, X: Any, top: int | None, output: str) -> tuple[Explained, Any, Any]:
    explained = _checked(model, top, output)
    return explained, *explained.samples(model, X)


def foil_of(explained: Explained, foil: Any) -> int:
    """Return the node of a foil, or ``ANY`` for the runner-up."""
    if isinstance(foil, str) and foil == RUNNER_UP:
        return ANY
    if explained.gives_sets:
        raise IncompatiblePartsError.needs(
            f"foil={foil!r}",
            "one answer for each sample",
            "labels of a set do not exclude each other",
            "Leave it out: each label is compared with its absence.",
        )
    return explained.node_of(foil)


def feature_names(explained: Explained, decision: Decision) -> FeatureNames:
    """Return the names of the features that a decision is about."""
    return explained.names.through(decision.scores.steps)


def warn_of_numbers() -> None:
    """Warn that features have no names."""
    warn_caller(
        "A step of the Pipeline, such as a HashingVectorizer, has no names of features, so "
        "they are numbered. Use a CountVectorizer or TfidfVectorizer to see words."
    )


def named(taxonomy: Taxonomy, ids: Rows) -> Objects:
    """Return the names of nodes; None for negative ids, ``"<root>"`` for an artificial root."""
    of_all = taxonomy.node_names.copy()
    if of_all[0] is ROOT:
        of_all[0] = str(ROOT)
    names: Objects = of_all[np.maximum(ids, 0)]
    names[ids < 0] = None
    return names


def _finished(columns: dict[str, Any], output: str) -> Any:
    """Return columns as a table; polars has one type for all names of nodes."""
    if output == "polars":
        for column in filter(columns.__contains__, _NODES):
            names = columns[column].tolist()
            if not all(name is None or isinstance(name, str) for name in names):
                names = [None if name is None else str(name) for name in names]
            columns[column] = object_array(names)
    return table_of(columns, output)


class _Lines:
    """Lines of contributions, gathered decision by decision."""

    def __init__(self) -> None:
        self._parts: list[list[Any]] = []
        self.names: list[FeatureNames] = []

    def add(
        self, decision: Decision, entries: Entries, names: FeatureNames, top: int | None
    ) -> None:
        """Add the lines of some samples: features, the sum of the others, the intercept."""
        self.names.append(names)
        shown = entries.among_first(top)
        others, sums = entries.others(shown)
        everyone = np.arange(len(entries.rows))
        places = np.concatenate([entries.places[shown], others, everyone])
        features = np.concatenate(
            [
                names.of(entries.columns[shown]),
                object_array([OTHERS] * len(others)),
                object_array([INTERCEPT] * len(everyone)),
            ]
        )
        n_values = int(shown.sum())
        values = np.full(len(places), np.nan)
        values[:n_values] = entries.values[shown]
        outcomes = decision.scores.outcomes
        self._parts.append(
            [
                entries.rows[places],
                np.full(len(places), decision.step),
                np.full(len(places), decision.parent),
                outcomes[entries.chosen[places]],
                outcomes[entries.foils[places]],
                features,
                values,
                np.concatenate([entries.contributions[shown], sums, entries.intercepts]),
                np.repeat([0, 1, 2], [n_values, len(others), len(everyone)]),
            ]
        )

    def columns(self, taxonomy: Taxonomy, X: Any) -> dict[str, Any]:
        """Return the columns of the table about samples that are called as in X."""
        number: list[Any] = [np.zeros(0, dtype=np.intp)]
        empty = [*number * 5, object_array([]), np.zeros(0), np.zeros(0), *number]
        row, step, parent, chosen, foil, feature, value, contribution, kind = (
            np.concatenate(parts) for parts in zip(empty, *self._parts, strict=True)
        )
        # A sort that keeps the order within a decision; with label sets a step has several nodes.
        order = np.lexsort((kind, chosen, step, row))
        row = row[order]
        return {
            "row": X.index[row] if hasattr(X, "iloc") else row,
            "step": step[order],
            "parent": named(taxonomy, parent[order]),
            "chosen": named(taxonomy, chosen[order]),
            "foil": named(taxonomy, foil[order]),
            "feature": feature[order],
            "value": value[order],
            "contribution": contribution[order],
        }


class _NodeLines:
    """Lines of weights, gathered decision by decision."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, Decision, Objects, Floats]] = []
        self.lost = False

    def add(
        self, decision: Decision, names: FeatureNames, top: int, wanted: set[int] | None
    ) -> None:
        """Add the lines of the outcomes of a decision."""
        self.lost |= names.lost
        scores = decision.linear("node_features")
        columns = scores.used
        weights = scores.weights(columns)
        total, n_others = weights.sum(axis=0), len(weights) - 1
        for place, node in enumerate(scores.outcomes.tolist()):
            if node < 0 or n_others < 1 or (wanted is not None and node not in wanted):
                continue
            relative = weights[place] - (total - weights[place]) / n_others
            best = _largest(relative, top)
            self._parts.append((node, decision, names.of(columns[best]), relative[best]))

    def columns(self, taxonomy: Taxonomy) -> dict[str, Any]:
        """Return the columns of the table."""
        self._parts.sort(key=lambda part: (part[0], part[1].step))
        counts = [len(weights) for _, _, _, weights in self._parts]

        def repeated(values: list[int]) -> Rows:
            return np.repeat(np.array(values, dtype=np.intp), counts)

        return {
            "row": np.arange(sum(counts)),
            "node": named(taxonomy, repeated([node for node, *_ in self._parts])),
            "parent": named(taxonomy, repeated([part[1].parent for part in self._parts])),
            "step": repeated([part[1].step for part in self._parts]),
            "feature": np.concatenate([object_array([]), *(part[2] for part in self._parts)]),
            "weight": np.concatenate([np.zeros(0), *(part[3] for part in self._parts)]),
        }


def _largest(weights: Floats, top: int) -> Rows:
    """Return the places of the largest weights above 0, the largest first."""
    if top < len(weights):
        least = np.partition(weights, -top)[-top]
        places = np.flatnonzero((weights >= least) & (weights > 0))
    else:
        places = np.flatnonzero(weights > 0)
    return places[np.argsort(-weights[places], kind="stable")][:top]
