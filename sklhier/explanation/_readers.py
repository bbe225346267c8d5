"""Local models read as scores that are sums over features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklhier._local.model import LocalModel
from sklhier._utils.pipelines import steps_and_last
from sklhier._utils.typing import NodeIds
from sklhier.exceptions import IncompatiblePartsError
from sklhier.explanation._linear import LinearScores, Weights, is_explained_linearly
from sklhier.explanation._scores import NO_ROW, DecisionScores
from sklhier.explanation._trees import Tree, TreeScores, is_tree

__all__ = ["scores_of_binary_models", "scores_of_model"]

# Scores and what they are read of, by whether these are trees.
_KINDS: dict[bool, tuple[type[DecisionScores], Any]] = {
    False: (LinearScores, Weights),
    True: (TreeScores, Tree),
}


def scores_of_model(model: LocalModel, where: str) -> DecisionScores:
    """Return the scores of one model: of each class, or of a binary model's second class."""
    steps, last = _read(model, where)
    scores, part = _KINDS[is_tree(last)]
    read = part.of(model, last)
    k = len(model.outcomes)
    rows = [NO_ROW, 0] if (read.n_rows, k) == (1, 2) else range(k)
    if read.n_rows != len(rows) and not (read.n_rows == 1 and k == 2):
        raise _refusal(last, where, f"it has {read.n_rows} scores for {k} outcomes")
    return scores(model.outcomes, steps, [read], [(0, row) for row in rows])


def scores_of_binary_models(
    nodes: NodeIds, models: Sequence[LocalModel], where: str
) -> DecisionScores:
    """Return the scores of nodes that have a binary model each."""
    read = [_read(model, where) for model in models]
    if any(steps for steps, _ in read):
        raise _mixed(where, "the same features in all of them", "transformers of its own")
    if len({is_tree(last) for _, last in read}) > 1:
        raise _mixed(where, "models of one kind", "a kind of its own, linear or trees")
    scores, part = _KINDS[is_tree(read[0][1])]
    parts = [part.of(model, last) for model, (_, last) in zip(models, read, strict=True)]
    # The last score is that of the second class: the node.
    return scores(nodes, [], parts, [(i, one.n_rows - 1) for i, one in enumerate(parts)])


def _read(model: LocalModel, where: str) -> tuple[list[Any], Any]:
    """Return the transformers within a local model, and the estimator behind them."""
    steps, last = steps_and_last(model.estimator)
    if model.upstream is not None:
        raise IncompatiblePartsError.needs(
            "explain",
            "models that only use the features of samples",
            f"the model of {where} also uses outputs of other models",
            "Fit with chain=None.",
        )
    if getattr(last, "n_outputs_", 1) > 1:
        raise IncompatiblePartsError.needs(
            "explain",
            "trees that learn one label",
            f"the {type(last).__name__} of {where} learns several at once",
            "Use strategy='per_node'.",
        )
    if not (is_explained_linearly(last) or is_tree(last)):
        raise _refusal(last, where, "it is none of these")
    return steps, last


def _mixed(where: str, what: str, why: str) -> IncompatiblePartsError:
    return IncompatiblePartsError.needs(
        "explain",
        what,
        f"each model of {where} has {why}",
        "Put transformers before the classifier and take one base, or use strategy='per_parent'.",
    )


def _refusal(last: Any, where: str, why: str) -> IncompatiblePartsError:
    return IncompatiblePartsError.needs(
        "explain",
        "local models whose scores are sums over features",
        f"{where} is decided by a {type(last).__name__}, and {why}",
        "Use LogisticRegression, LinearSVC, SGDClassifier, RidgeClassifier, Perceptron, "
        "LinearDiscriminantAnalysis or a class of sklhier.linear_model, or, with shap installed, a "
        "tree, a forest or HistGradientBoostingClassifier; alone or at the end of a Pipeline.",
    )
