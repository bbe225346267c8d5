"""The decisions behind answers of a fitted classifier: what was compared, and by which weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from sklhier._classifiers.local_base import LocalClassifier
from sklhier._classifiers.multihead import MultiHeadClassifier
from sklhier._classifiers.set_prediction import SetPredictor
from sklhier._local.keys import Kind, ModelKey, described
from sklhier._local.model import LocalModel
from sklhier._utils.columns import values_of
from sklhier._utils.pipelines import classifier_and_samples, classifier_within, steps_and_last
from sklhier._utils.typing import NodeIds, Rows
from sklhier._utils.validation import shown
from sklhier.exceptions import IncompatiblePartsError
from sklhier.explanation._linear import LinearScores
from sklhier.explanation._names import FeatureNames
from sklhier.explanation._readers import scores_of_binary_models, scores_of_model
from sklhier.explanation._scores import DecisionScores
from sklhier.strategies import Flat, PerLevel, PerNode, PerParent
from sklhier.strategies._policies import POLICIES
from sklhier.taxonomy import Taxonomy

__all__ = ["ANY", "Compared", "Decision", "Explained"]

ANY = -2  # the foil of a decision: the best of the others


@dataclass(frozen=True)
class Decision:
    """One decision: its outcomes and their scores.

    Attributes
    ----------
    parent : int
        Id of the node whose children are told apart; -1 for a whole level, or several parents.
    step : int
        The level of its outcomes.
    scores : DecisionScores
    """

    parent: int
    step: int
    scores: DecisionScores

    def linear(self, what: str) -> LinearScores:
        """Return the scores, if they are weights times features.

        Raises
        ------
        IncompatiblePartsError
            Else; what needs them is named by `what`.
        """
        if not isinstance(self.scores, LinearScores):
            kind = type(self.scores.parts[0].estimator).__name__
            raise IncompatiblePartsError.needs(
                what,
                "linear local models, which have weights",
                f"this model uses a {kind}",
                "Use explain(model, X), or a linear base estimator.",
            )
        return self.scores


@dataclass(frozen=True)
class Compared:
    """A decision about some samples.

    Attributes
    ----------
    decision : Decision
    rows : ndarray of intp, shape (n,)
        Positions of the samples.
    chosen : ndarray of intp, shape (n,)
        The outcome that was chosen, by its position.
    foil : int
        The position of the outcome that it is compared with, or ``ANY``.
    """

    decision: Decision
    rows: Rows
    chosen: Rows
    foil: int


@dataclass(frozen=True)
class Explained:
    """Parts of a fitted classifier that explain it; nothing else touches its private parts.

    Attributes
    ----------
    classifier : HierarchicalClassifier, HierarchicalMultiLabelClassifier or MultiHeadClassifier
    model : PathModels, SetModels or JointPaths
    names : FeatureNames
        Of the samples as the classifier gets them.
    """

    classifier: Any
    model: Any
    names: FeatureNames

    @classmethod
    def of(cls, model: object) -> Self:
        """Return what is read of an estimator that is or holds a classifier.

        Raises
        ------
        NotFittedError
            If it is not fitted.
        IncompatiblePartsError
            For a classifier or a strategy whose answers are no sums over features.
        """
        classifier = classifier_within(model)
        steps, _ = steps_and_last(model)
        names = FeatureNames.given(getattr(classifier, "feature_names_in_", None))
        if steps:
            names = FeatureNames(None).through(steps)
        _refuse_inexact(classifier)
        return cls(classifier, classifier._model, names)

    @property
    def taxonomy(self) -> Taxonomy:
        """The taxonomy of the answers."""
        taxonomy: Taxonomy = self.classifier.taxonomy_
        return taxonomy

    @property
    def gives_sets(self) -> bool:
        """Whether a sample may have several labels."""
        return isinstance(self.classifier, SetPredictor)

    def samples(self, model: object, X: Any) -> tuple[Any, Any]:
        """Return samples as the classifier is given them, and as its local models are."""
        _, inside = classifier_and_samples(model, X)
        return inside, self.classifier._prepared(inside)

    def compared(self, inside: Any, foil: int) -> Iterator[Compared]:
        """Yield the decisions behind the answers to samples as the classifier is given them.

        Parameters
        ----------
        inside : array-like
            Samples.
        foil : int
            Id of the node that answers are compared with, or ``ANY``.
        """
        if self.gives_sets:
            return self._of_sets(self.classifier._decoded(inside).tocsc())
        decoder = self.classifier._deciding(self.classifier.decoder_)
        if decoder.gives_sets:
            raise IncompatiblePartsError.needs(
                "explain",
                "one node as the answer",
                f"{decoder!r} answers with sets",
                "Use another decoder, such as 'best_path': model.set_params(decoder=...).",
            )
        return self._of_nodes(self.classifier._answers(inside, decoder), foil)

    def node_of(self, label: Any) -> int:
        """Return the node of a label as ``fit`` or ``predict`` has it.

        Raises
        ------
        TargetError
            For an unknown label.
        ValueError
            For one without a training sample: no decision is about it.
        """
        node = self._id_of(label)
        observed = np.zeros(self.taxonomy.n_nodes, dtype=bool)
        observed[self.observed] = True
        if not observed[node]:
            raise ValueError(
                f"{shown(label)} had no training sample, so no decision is about it. Choose "
                "another label; `unseen_nodes_` lists all such nodes."
            )
        return node

    def _id_of(self, label: Any) -> int:
        form = self.classifier._target.format
        label = tuple(label) if isinstance(label, list) else label
        classes = values_of(self.classifier.classes_)
        if label in classes:
            return int(form.class_ids[classes.index(label)])
        if isinstance(label, tuple) and label not in self.taxonomy:  # a path
            label = self.taxonomy.encode([label], kind="one")[0]
        return self.taxonomy.id(label)

    @cached_property
    def observed(self) -> NodeIds:
        """Ids of the nodes that were learnt."""
        if self.gives_sets:
            observed: NodeIds = self.model.observed
            return observed
        return np.flatnonzero(self.model.outcomes.observed).astype(np.int32)

    # -- one path for each sample ---------------------------------------------------------

    def _of_nodes(self, nodes: NodeIds, foil: int) -> Iterator[Compared]:
        if self._is_flat:
            yield from self._in_one(nodes, foil)
        elif self._is_by_level:
            yield from self._by_level(nodes, foil)
        else:
            yield from self._down(nodes, foil)

    @property
    def _is_joint(self) -> bool:
        return isinstance(self.classifier, MultiHeadClassifier)

    @property
    def _is_by_level(self) -> bool:
        return self._is_joint or isinstance(self.model.strategy, PerLevel)

    @property
    def _is_flat(self) -> bool:
        if self._is_joint:
            return False
        strategy = self.model.strategy
        if isinstance(strategy, PerNode):
            return POLICIES[strategy.policy].of_classes
        return isinstance(strategy, Flat)

    def _in_one(self, nodes: NodeIds, foil: int) -> Iterator[Compared]:
        """Yield the one decision among all classes."""
        decision = self.decision_at(0)
        if decision is None:
            return
        given = np.flatnonzero(nodes)
        places = _places(decision, nodes[given])
        known = [places, _places(decision, np.array([foil]))] if foil != ANY else [places]
        if min(part.min(initial=0) for part in known) < 0:
            either = [*nodes[given][places < 0].tolist(), foil][0]
            raise IncompatiblePartsError.needs(
                self.model.strategy,
                "classes to compare",
                f"{self.taxonomy.nodes[either]!r} is not one of its classes",
                "Use decoder='best_path' and a foil that is a class, or strategy='per_parent'.",
            )
        yield from _against(decision, given, places, foil)

    def _by_level(self, nodes: NodeIds, foil: int) -> Iterator[Compared]:
        """Yield the decision of each level; each has a say in the answer."""
        ends = np.append(nodes, [] if foil == ANY else [foil]).astype(np.int32)
        paths = self.taxonomy.path_ids(ends)
        # Below the end of a path the heads of a joint model add nothing.
        adds_nothing = self._is_joint & (foil != ANY) & np.isin(ends, self.model.outcomes.answers)
        for decision in self._levels():
            column = paths[:, decision.step - 1]
            places = _places(decision, np.where(column < 0, ends, column))
            if self._is_joint and foil != ANY:
                decision = replace(decision, scores=decision.scores.with_nothing())
                places[(places < 0) & adds_nothing] = len(decision.scores.outcomes) - 1
            own = places[: len(nodes)]
            other = ANY if foil == ANY else int(places[-1])
            if other == -1:  # the foil is no answer, and ends above
                continue
            rows = np.flatnonzero(own >= 0)
            yield from _among(decision, rows, own[rows], other)

    def _down(self, nodes: NodeIds, foil: int) -> Iterator[Compared]:
        """Yield the decisions on the path to each answer; with a foil the one where they part."""
        paths = self.taxonomy.path_ids(nodes)
        other = None if foil == ANY else self.taxonomy.path_ids(np.array([foil]))[0]
        for level in range(paths.shape[1]):
            above = paths[:, level - 1] if level else np.zeros(len(nodes), dtype=np.int32)
            rows = above >= 0
            if other is not None:
                rows &= (paths[:, :level] == other[:level]).all(axis=1)
            for parent in np.unique(above[rows]).tolist():
                decision = self.decision_at(parent)
                if decision is None:
                    continue
                here = np.flatnonzero(rows & (above == parent))
                ends = paths[here, level]
                places = _places(decision, np.where(ends < 0, parent, ends))
                yield from _against(
                    decision,
                    here[places >= 0],  # others stop where no model decides about it
                    places[places >= 0],
                    ANY if other is None else int(parent if other[level] < 0 else other[level]),
                )

    def decisions(self) -> Iterator[Decision]:
        """Yield all decisions."""
        if self.gives_sets:
            for node in self._models_of_nodes:
                yield self._presence(node)
        elif self._is_by_level:
            yield from self._levels()
        else:
            parents = [0] if self._is_flat else self.model.outcomes.inner.tolist()
            for parent in parents:
                decision = self.decision_at(parent)
                if decision is not None:
                    yield decision

    def _levels(self) -> Iterator[Decision]:
        """Yield the decision of each level, from the first."""
        if not self._is_joint:
            yield from map(self._decision, sorted(self.model.models[0]))
            return
        heads, network = self.model.columns.heads, self.model.joint.network
        for level in range(1, int(heads.depths.max()) + 1):
            columns = np.flatnonzero(heads.depths == level)
            scores = LinearScores.of_columns(
                heads.nodes[columns], network.weights[0].T, network.intercepts[0], columns
            )
            yield Decision(-1, level, scores.among(self.observed))

    def decision_at(self, parent: int) -> Decision | None:
        """Return the decision about what is below a node; None if there is no alternative."""
        outcomes = self.model.outcomes
        own = outcomes.answers if self._is_flat else outcomes.of_node(parent)
        models = self.model.models[0]
        if not isinstance(self.model.strategy, PerNode):
            key = ModelKey(Kind.PARENT, parent)
            return self._decision(key) if len(own) > 1 and key in models else None
        keys = [
            ModelKey(Kind.STOP if node == parent and not self._is_flat else Kind.NODE, node)
            for node in own.tolist()
        ]
        known = [place for place, key in enumerate(keys) if key in models]
        if len(known) < 2:
            return None
        where = f"the children of {self.taxonomy.nodes[parent]!r}"
        of_nodes = [models[keys[place]] for place in known]
        scores = scores_of_binary_models(own[known], of_nodes, where)
        return Decision(parent, int(self.taxonomy.depths[parent]) + 1, scores)

    def _decision(self, key: ModelKey) -> Decision:
        """Return the decision of one model, among what was learnt."""
        model: LocalModel = self.model.models[0][key]
        scores = scores_of_model(model, described(key, self.taxonomy)[1])
        scores = scores.among(self.observed)
        if key.kind == Kind.LEVEL:
            return Decision(-1, key.number, scores)
        return Decision(key.number, int(self.taxonomy.depths[key.number]) + 1, scores)

    # -- label sets -----------------------------------------------------------------------

    @cached_property
    def _models_of_nodes(self) -> dict[int, LocalModel]:
        found = {
            int(node): model
            for model in self.model.models[0].values()
            for node in model.outcomes
            if node > 0
        }
        return dict(sorted(found.items()))

    def _of_sets(self, closed: Any) -> Iterator[Compared]:
        """Yield the decision about each node of each answer, against its absence."""
        for node in np.flatnonzero(np.diff(closed.indptr)).tolist():
            if node in self._models_of_nodes:
                rows = np.sort(closed.indices[closed.indptr[node] : closed.indptr[node + 1]])
                yield Compared(self._presence(node), rows, np.ones(len(rows), dtype=np.intp), 0)

    def _presence(self, node: int) -> Decision:
        model = self._models_of_nodes[node]
        parents = self.taxonomy.parents_of(node).tolist()
        scores = scores_of_model(model, described(model.key, self.taxonomy)[1]).about(node)
        parent = parents[0] if len(parents) == 1 else -1
        return Decision(parent, int(self.taxonomy.depths[node]), scores)


def _refuse_inexact(classifier: Any) -> None:
    """Refuse a classifier whose answers are no sums over features."""
    model = classifier._model
    if isinstance(classifier, LocalClassifier):
        known = isinstance(model.strategy, PerParent | PerNode | PerLevel | Flat)
        if model.has_members or not known:
            raise _refused(repr(model.strategy), "its probabilities come from several models")
    elif not isinstance(classifier, MultiHeadClassifier):
        raise _refused(type(classifier).__name__, "its answers come from one model of all labels")
    elif len(model.joints) > 1 or len(model.joint.network.weights) > 1:
        raise _refused(type(classifier).__name__, "it has hidden layers, or averages networks")


def _refused(part: str, why: str) -> IncompatiblePartsError:
    return IncompatiblePartsError(
        f"{part} cannot be explained exactly: {why}. What can: HierarchicalClassifier and "
        "HierarchicalMultiLabelClassifier with the strategy 'per_parent', 'per_node', 'per_level' or "
        "'flat', and MultiHeadClassifier without hidden layers."
    )


def _places(decision: Decision, nodes: NodeIds) -> Rows:
    """Return the position of nodes among the outcomes, -1 for those that are none."""
    outcomes = decision.scores.outcomes
    order = np.argsort(outcomes)
    found = order[np.minimum(np.searchsorted(outcomes, nodes, sorter=order), len(order) - 1)]
    return np.where(outcomes[found] == nodes, found, -1)


def _against(decision: Decision, rows: Rows, chosen: Rows, foil: int) -> Iterator[Compared]:
    """Yield a decision about some samples against a node, if it is one of the outcomes."""
    place = ANY if foil == ANY else int(_places(decision, np.array([foil]))[0])
    if place != -1:
        yield from _among(decision, rows, chosen, place)


def _among(decision: Decision, rows: Rows, chosen: Rows, foil: int) -> Iterator[Compared]:
    """Yield a decision about those samples for which another outcome than the foil was chosen."""
    differs = chosen != foil
    if differs.any() and len(decision.scores.outcomes) > 1:
        yield Compared(decision, rows[differs], chosen[differs], foil)
