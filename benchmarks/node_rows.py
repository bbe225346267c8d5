"""Names of classes as training rows at their nodes: the gain of classes with few rows, or none.

The data sets have a name for nodes: ``onet_tools`` for all, ``onet_titles`` for leaves. Models
learn from one half of the *training* set and are scored on the other half; ``--test`` learns from
all of it and scores on the test set. Figures are accuracies at the leaf, for all rows and by the
number of rows that their class has in training, and hierarchical F1; seconds are CPU seconds of the
fit. "joint" is the default joint model on static vectors, with names of leaves alone; it is left out
where the package ``wordllama`` is not installed.
"""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from benchmarks import common
from benchmarks.embeddings import static_vectors
from sklhier import HierarchicalClassifier, MultiHeadClassifier
from sklhier.linear_model import ScaledLogisticRegression
from sklhier.metrics import hierarchical_f1_score
from sklhier.strategies import Ensemble

NAMES = {
    "onet_tools": ("nodes.csv", "node", "name"),
    "onet_titles": ("occupations.csv", "code", "title"),
}
BASES: dict[str, Any] = {
    "default": ScaledLogisticRegression(),
    "LinearSVC": LinearSVC(random_state=0),
}
WEIGHTS = (1.0, "oof")
_GROUPS = (("no row", 0, 0), ("1 to 5 rows", 1, 5), ("more rows", 6, np.inf))


def _names(data: common.TextData) -> dict[str, str]:
    """Return the name of each node."""
    if data.name not in NAMES:  # the stand-in for real texts: the words of a row of each class
        return dict(zip(data.y_train, data.train_texts, strict=True))
    file, of_node, of_name = NAMES[data.name]
    with (common.data_folder() / data.name / file).open(encoding="utf-8", newline="") as lines:
        return {record[of_node]: record[of_name] for record in csv.DictReader(lines)}


def _split(data: common.TextData, *, test: bool) -> tuple[list[str], Any, list[str], Any]:
    texts, labels = list(data.train_texts), np.asarray(data.y_train)
    if test:
        return texts, labels, list(data.test_texts), np.asarray(data.y_test)
    order = np.random.RandomState(0).permutation(len(texts))
    train, held_out = np.sort(order[::2]), np.sort(order[1::2])
    parts = [[texts[i] for i in rows] for rows in (train, held_out)]
    return parts[0], labels[train], parts[1], labels[held_out]


def _rows(data: common.TextData, options: Any) -> Iterator[dict[str, Any]]:
    texts, y_train, test_texts, y_test = _split(data, test=options.test)
    names = {node: name for node, name in _names(data).items() if node in data.taxonomy}
    if options.smoke:
        names = {node: name for node, name in names.items() if node in set(y_train[:50])}
    counted = dict(zip(*np.unique(y_train, return_counts=True), strict=True))
    counts = np.array([counted.get(label, 0) for label in y_test])

    def row(base: str, model: Any, weight: Any, X_train: Any, X_test: Any) -> dict[str, Any]:
        common.note(f"{data.name}, {base}, {model.strategy}: {weight}")
        _, seconds = common.timed(lambda: model.fit(X_train, y_train))
        answers = model.predict(X_test)
        is_right = answers == y_test
        return {
            "data": data.name,
            "base": base,
            "strategy": model.strategy if isinstance(model.strategy, str) else "flat",
            "weight": "no node rows" if weight is None else str(weight),
            "used": float("nan") if weight is None else model.node_rows_weight_,
            "leaf": float(is_right.mean()),
            **{
                title: _mean(is_right[(counts >= least) & (counts <= most)])
                for title, least, most in _GROUPS
            },
            "hF": hierarchical_f1_score(y_test, answers, taxonomy=data.taxonomy),
            "fit s": seconds,
        }

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    vectorizer.fit([*texts, *names.values()])
    parts = [vectorizer.transform(part) for part in (texts, test_texts, names.values())]
    for base in options.bases:
        for strategy in options.strategies:
            for weight in (None, *options.weights):
                model = HierarchicalClassifier(
                    clone(BASES[base]), taxonomy=data.taxonomy, strategy=strategy, cv=3
                )
                if weight is not None:
                    model.set_params(node_rows=(parts[2], list(names)), node_rows_weight=weight)
                yield row(base, model, weight, *parts[:2])
    if not importlib.util.find_spec("wordllama"):
        common.note(f"{data.name}, joint: left out, it needs the package wordllama")
        return
    leaves = [node for node in names if node in set(data.taxonomy.leaves)]
    parts = [static_vectors(part) for part in (texts, test_texts, [names[n] for n in leaves])]
    for weight in (None, 1.0):
        joint = Ensemble([MultiHeadClassifier(random_state=0)])
        model = HierarchicalClassifier(taxonomy=data.taxonomy, strategy=joint)
        if weight is not None:
            model.set_params(node_rows=(parts[2], leaves))
        yield row("joint", model, weight, *parts[:2])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _weight(text: str) -> float | str:
    return text if text == "oof" else float(text)


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--data", nargs="+", default=list(NAMES), choices=list(NAMES))
    parser.add_argument("--bases", nargs="+", default=list(BASES), choices=list(BASES))
    parser.add_argument("--strategies", nargs="+", default=["per_parent"], metavar="NAME")
    parser.add_argument("--weights", nargs="+", type=_weight, default=WEIGHTS, metavar="WEIGHT")
    parser.add_argument("--test", action="store_true", help="score on the test sets")
    options = parser.parse_args(arguments)
    results: dict[str, list[dict[str, Any]]] = {"accuracy": []}
    for data in common.load_texts(options.data, smoke=options.smoke):
        rows = list(_rows(data, options))
        common.print_table(data.name, rows)
        results["accuracy"] += rows
    common.report("node_rows", results, options, data=options.data)


if __name__ == "__main__":
    main()
