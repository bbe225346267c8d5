"""Answers of a model: paths and their probabilities, for rows of a table or typed questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from sklhier import Taxonomy
from sklhier._cli.console import CommandError, listed, say
from sklhier._cli.models import classifier_of, columns_of, gives_sets, missing_columns
from sklhier._cli.walks import Walker, shown_names, shown_path_of

__all__ = ["Answers", "SetAnswers", "answer", "answers_of", "set_answers_of"]

_ALTERNATIVES = 3
_SURE = 0.5


# Nodes with their probabilities, None where a model has none.
Ranked: TypeAlias = list[tuple[int, float | None]]


@dataclass(frozen=True)
class Answers:
    """One path for each row.

    Attributes
    ----------
    nodes : list of int
        The node that is answered; 0, the root, for no answer.
    paths : list of list of int
        The nodes from the first level to it.
    proba : list of list of float, or None
        The probability of each of these; None: the model has none.
    top : list of list of (int, float or None)
        The most probable answers, the best first, with their probabilities; empty if not asked for.
    """

    nodes: list[int]
    paths: list[list[int]]
    proba: list[list[float]] | None
    top: list[Ranked]


@dataclass(frozen=True)
class SetAnswers:
    """Several labels for each row, the most probable first.

    Attributes
    ----------
    labels, top : list of list of (int, float or None)
    """

    labels: list[Ranked]
    top: list[Ranked]


def _inner(model: Any, X: Any) -> Any:
    """Return samples as the classifier at the end of a model takes them."""
    return model[:-1].transform(X) if len(model) > 1 else X


def answers_of(model: Any, walker: Walker, X: Any, top_k: int) -> Answers:
    """Return the answers of a model that gives one path to each row."""
    classifier, taxonomy = classifier_of(model), walker.taxonomy
    inner = _inner(model, X)
    nodes = walker.nodes(classifier.predict_levels(inner))
    ids = taxonomy.path_ids(nodes)
    proba = None
    if hasattr(classifier, "predict_node_proba"):
        table = np.take_along_axis(classifier.predict_node_proba(inner), np.maximum(ids, 0), 1)
        proba = [row[path >= 0].tolist() for row, path in zip(table, ids, strict=True)]
    paths = [path[path >= 0].tolist() for path in ids]
    top = _top(classifier, inner, top_k, knows=proba is not None)
    return Answers(nodes.tolist(), paths, proba, top)


def _top(classifier: Any, X: Any, top_k: int, *, knows: bool) -> list[Ranked]:
    if not top_k:
        return []
    labels, proba = classifier.predict_top_k(X, min(top_k, len(classifier.classes_)))
    nodes = classifier.taxonomy_.ids(labels.ravel().tolist()).reshape(labels.shape)
    return [
        [(node, value if knows else None) for node, value in zip(*row, strict=True)]
        for row in zip(nodes.tolist(), proba.tolist(), strict=True)
    ]


def set_answers_of(model: Any, X: Any, top_k: int) -> SetAnswers:
    """Return the answers of a model that gives several labels to each row."""
    classifier = classifier_of(model)
    taxonomy: Taxonomy = classifier.taxonomy_
    inner = _inner(model, X)
    labels = classifier.predict(inner)
    if not isinstance(labels, list):
        raise CommandError("The model predicts tables: train it on lists of labels.")
    knows = hasattr(classifier, "predict_node_proba")
    table = classifier.predict_node_proba(inner) if knows else None

    def ranked(row: int, nodes: Sequence[int]) -> Ranked:
        if table is None:
            return [(node, None) for node in nodes]
        order = sorted(nodes, key=lambda node: -table[row, node])
        return [(node, float(table[row, node])) for node in order]

    found = [ranked(row, taxonomy.ids(list(names)).tolist()) for row, names in enumerate(labels)]
    top: list[Ranked] = []
    if top_k and table is not None:
        leaves = taxonomy.leaf_ids
        best = leaves[np.argsort(-table[:, leaves], axis=1, kind="stable")[:, :top_k]]
        top = [ranked(row, nodes) for row, nodes in enumerate(best.tolist())]
    return SetAnswers(found, top)


# -- questions ----------------------------------------------------------------------------


def answer(model: Any, questions: Sequence[str]) -> None:
    """Print the answer to each question, and what else it might be."""
    lacking = missing_columns(columns_of(model))
    if lacking:
        raise CommandError(
            f"The model also needs the columns {listed(lacking)}: pass a file to `predict`."
        )
    taxonomy = classifier_of(model).taxonomy_
    say_lines = partial(_say_answer, questions)
    if gives_sets(model):
        sets = set_answers_of(model, list(questions), 0)
        say_lines([_lines_of_set(taxonomy, labels) for labels in sets.labels])
        return
    answers = answers_of(model, Walker(taxonomy), list(questions), _ALTERNATIVES)
    say_lines([_lines(answers, row, taxonomy) for row in range(len(questions))])


def _say_answer(questions: Sequence[str], answers: Sequence[list[str]]) -> None:
    for question, lines in zip(questions, answers, strict=True):
        say("\n".join([f"\n  {question}", *(f"    {line}" for line in lines)]))


def _in_brackets(proba: float | None) -> str:
    return "" if proba is None else f" ({proba:.2f})"


def _lines_of_set(taxonomy: Taxonomy, labels: Ranked) -> list[str]:
    texts = [f"-> {shown_path_of(taxonomy, n)}{_in_brackets(p)}" for n, p in labels]
    return texts or ["-> no label is probable enough"]


def _lines(answers: Answers, row: int, taxonomy: Taxonomy) -> list[str]:
    """Return the answer to a question and, if it is not sure, the other most probable ones."""
    names = shown_names(taxonomy, answers.paths[row])
    if answers.proba is None:
        return [f"-> {' / '.join(names)}"]
    proba = answers.proba[row]
    steps = [f"{name}{_in_brackets(p)}" for name, p in zip(names, proba, strict=True)]
    lines = [f"-> {' / '.join(steps) or 'no answer is probable enough'}"]
    if proba and min(proba) >= _SURE:
        return lines
    others = [(node, p) for node, p in answers.top[row] if node != answers.nodes[row]]
    return lines + [
        f"or {shown_path_of(taxonomy, node)}{_in_brackets(p)}"
        for node, p in others[: _ALTERNATIVES - 1]
    ]
