"""Steps of ``train`` and the demonstration: a comparison with a flat model, and the last fit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from sklhier import Taxonomy, metrics
from sklhier._cli.console import CommandError, counted, say, seconds_since
from sklhier._cli.labels import Labelled
from sklhier._cli.models import classifier_of, keep_rows, told_features

__all__ = ["Corpus", "compare", "fitted", "measures", "split"]

_WIDTH = 30  # of the names of measures


@dataclass(frozen=True)
class Corpus:
    """Samples with labels.

    Attributes
    ----------
    X : list of str, or ndarray of object, shape (n_samples, n_features)
    labels : Labelled
    """

    X: Any
    labels: Labelled

    def __len__(self) -> int:
        return len(self.labels.y)

    def part(self, rows: np.ndarray[Any, Any]) -> tuple[Any, Any]:
        """Return features and labels of some samples."""
        is_list = isinstance(self.X, list)
        X = [self.X[row] for row in rows.tolist()] if is_list else self.X[rows]
        return X, self.labels.part(rows)

    @property
    def extent(self) -> str:
        """The numbers of classes and levels, as text."""
        classes = counted(len(self.labels.distinct), "class")
        return f"{classes}, {counted(self.labels.taxonomy.n_levels, 'level')}"


def split(corpus: Corpus, share: float, seed: int) -> list[np.ndarray[Any, Any]]:
    """Split at random, each class, or at least each top node, in the same proportion."""
    n_rows = len(corpus)
    n_test = round(share * n_rows)
    candidates: list[Any] = [None]
    if not corpus.labels.has_sets:
        y, taxonomy = corpus.labels.y, corpus.labels.taxonomy
        candidates = [y.astype(str), None]
        if taxonomy.is_tree:
            candidates.insert(1, taxonomy.to_levels(y)[:, 0].astype(str))
    for strata in candidates:
        if strata is None:
            break
        counts = np.unique(strata, return_counts=True)[1]
        if counts.min() >= 2 and len(counts) <= min(n_test, n_rows - n_test):
            break
    try:
        return list(
            train_test_split(
                np.arange(n_rows), test_size=share, random_state=seed, stratify=strata
            )
        )
    except ValueError as error:
        raise CommandError(f"The rows cannot be split: {error}") from error


def compare(
    corpus: Corpus,
    model: Pipeline,
    rows: Sequence[np.ndarray[Any, Any]],
    *,
    with_flat: bool,
) -> None:
    """Train on some rows, test on the others, and print scores beside those of a flat model."""
    (train, y_train), (test, y_test) = map(corpus.part, rows)
    labels, taxonomy = corpus.labels, corpus.labels.taxonomy
    known, asked = (_distinct(y, labels) for y in (y_train, y_test))
    if len(known) < 2:
        raise CommandError(
            "The training part has a single class. Give more rows, or a smaller test part."
        )
    say(f"Learning from {len(train):,}, testing on the other {len(test):,}.")
    if asked - known:
        new = counted(len(asked - known), "class")
        say(f"{new} only in the test part, so no model can predict them.")
    features, classifier = clone(model[:-1]), classifier_of(model)
    started = time.perf_counter()
    X_train, X_test = features.fit_transform(train), features.transform(test)
    width = f"{X_train.shape[1]:,}"
    say(f"Features, {told_features(model)}: {width} ({seconds_since(started)})")
    columns: dict[str, dict[str, str]] = {}
    strategies: dict[str, Any] = {"hierarchical": classifier.strategy}
    if with_flat and classifier.strategy != "flat":
        strategies["flat"] = "flat"
    predictions = {}
    for name, strategy in strategies.items():
        candidate = clone(classifier).set_params(strategy=strategy)
        columns[name], predictions[name] = _tried(candidate, X_train, y_train, X_test, y_test)
        say(f"Learnt the {name} model in {columns[name]['seconds to learn']} s")
    say("\n" + " " * _WIDTH + "".join(name.rjust(14) for name in columns))
    for measure in columns["hierarchical"]:
        say(measure.ljust(_WIDTH) + "".join(c[measure].rjust(14) for c in columns.values()))
    report = metrics.hierarchical_classification_report(
        y_test, predictions["hierarchical"], taxonomy=taxonomy, max_depth=1
    )
    say(f"\nThe hierarchical model in detail, first level:\n\n{report}")


def _distinct(y: Any, labels: Labelled) -> set[Any]:
    return Labelled(y, labels.taxonomy).distinct


def _tried(
    classifier: Any, X_train: Any, y_train: Any, X_test: Any, y_test: Any
) -> tuple[dict[str, str], Any]:
    """Return scores and times of a classifier, and its predictions."""
    started = time.perf_counter()
    classifier.fit(X_train, y_train)
    learnt = time.perf_counter()
    predicted = classifier.predict(X_test)
    asked = time.perf_counter()
    shown = {
        name: f"{value:.3f}"
        for name, value in measures(classifier.taxonomy_, y_test, predicted).items()
    }
    shown["seconds to learn"] = f"{learnt - started:.2f}"
    shown["seconds to predict"] = f"{asked - learnt:.3f}"
    return shown, predicted


def measures(taxonomy: Taxonomy, true: Any, predicted: Any) -> dict[str, float]:
    """Return the main scores, by name."""
    values: dict[str, float] = {}
    if not isinstance(true, list):
        if taxonomy.is_tree:
            levels = metrics.level_accuracy_scores(true, predicted, taxonomy=taxonomy)
            values = {f"accuracy at level {k}": float(v) for k, v in enumerate(levels, start=1)}
        values["accuracy of the whole path"] = float(np.mean(true == predicted))
    precision, recall, f1, _ = metrics.hierarchical_precision_recall_fscore_support(
        true, predicted, taxonomy=taxonomy, average="micro"
    )
    return values | {
        "hierarchical precision": float(precision),
        "hierarchical recall": float(recall),
        "hierarchical F1": float(f1),
    }


def fitted(corpus: Corpus, model: Pipeline) -> Pipeline:
    """Fit a model to all samples, and say how long it took."""
    started = time.perf_counter()
    model.fit(corpus.X, corpus.labels.y)
    say(f"\nLearnt from all {len(corpus):,} rows in {seconds_since(started)}.")
    classifier_of(model).set_params(verbose=0)  # a saved model is silent
    keep_rows(model, corpus.X)
    return model
