"""Pools with learnt weights, and ``"auto"``, beside the strategies that they are made of.

Models learn from one half of at most ``--rows`` rows of each *training* set and are scored on the
other half: the rules by which weights are learnt were chosen by such figures, and the test sets had
no say in it. ``--test`` scores on the test sets instead. Everything that is learnt out-of-fold has
three folds. Figures are hierarchical F1; seconds are CPU seconds of the fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from benchmarks import common, tables
from sklhier import HierarchicalClassifier, Taxonomy
from sklhier.linear_model import ScaledLinearClassifier
from sklhier.metrics import hierarchical_f1_score
from sklhier.strategies import Ensemble

SINGLE = ("per_parent", "per_level", "flat", "per_node")
STRATEGIES: dict[str, Any] = {
    **{name: name for name in SINGLE},
    "mean": Ensemble(SINGLE),
    "linear": Ensemble(SINGLE, weights="oof"),
    "log": Ensemble(SINGLE, weights="oof", pool="log"),
    "auto": "auto",
}
BASES: dict[str, Any] = {
    "default": ScaledLinearClassifier(),
    "LinearSVC": LinearSVC(random_state=0),
    "naive Bayes": GaussianNB(),
}
TASKS = (
    ("imclef07a", "default"),
    ("imclef07d", "naive Bayes"),
    ("trec", "LinearSVC"),
    ("newsgroups20", "LinearSVC"),
    ("clinc150", "LinearSVC"),
)

Split = tuple[Any, np.ndarray, Any, np.ndarray]


def _halves(n_samples: int, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.RandomState(0).permutation(n_samples)[:n_rows]
    half = len(order) // 2
    return np.sort(order[:half]), np.sort(order[half:])


def _split(name: str, options: Any) -> tuple[Split, Taxonomy] | None:
    """Return rows to learn from and rows to be scored on."""
    if name in tables.NAMES:
        data = tables.load(name)
        if data is None:
            return None
        train, test = data.splits[0]
        if not options.test:
            inside, held_out = _halves(len(train), options.rows)
            train, test = train[inside], train[held_out]
        return (data.X[train], data.y[train], data.X[test], data.y[test]), data.taxonomy
    text = common.load_text(name)
    if text is None:
        return None
    X_train, X_test = text.tfidf()
    y_train, y_test = np.asarray(text.y_train), np.asarray(text.y_test)
    if not options.test:
        train, test = _halves(len(y_train), options.rows)
        return (X_train[train], y_train[train], X_train[test], y_train[test]), text.taxonomy
    return (X_train, y_train, X_test, y_test), text.taxonomy


def _tasks(options: Any) -> Iterator[tuple[str, str, Split, Taxonomy]]:
    if options.smoke:
        data = tables.generated()
        train, test = data.splits[0]
        split = data.X[train], data.y[train], data.X[test], data.y[test]
        yield data.name, "naive Bayes", split, data.taxonomy
        return
    for name, base in TASKS:
        found = _split(name, options) if name in options.data else None
        if found is not None:
            yield name, base, *found


def _rows(name: str, base: str, split: Split, taxonomy: Taxonomy) -> Iterator[dict[str, Any]]:
    X_train, y_train, X_test, y_test = split
    for title, strategy in STRATEGIES.items():
        common.note(f"{name}, {base}: {title}")
        model = HierarchicalClassifier(
            clone(BASES[base]), taxonomy=taxonomy, strategy=strategy, cv=3
        )
        _, seconds = common.timed(lambda model=model: model.fit(X_train, y_train))
        score = hierarchical_f1_score(y_test, model.predict(X_test), taxonomy=taxonomy)
        chosen = type(model.strategy_).__name__
        if isinstance(model.strategy_, Ensemble) and model.strategy_.weights is not None:
            chosen = f"{model.strategy_.pool} {np.round(model.strategy_.weights, 2).tolist()}"
        yield {
            "data": name,
            "base": base,
            "rows": len(y_train),
            "strategy": title,
            "hF": score,
            "fit s": seconds,
            "fitted": chosen,
        }


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    names = list(dict.fromkeys(name for name, _ in TASKS))
    parser.add_argument("--data", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--rows", type=int, default=2600, help="the most, of both halves")
    parser.add_argument("--test", action="store_true", help="score on the test sets")
    options = parser.parse_args(arguments)
    results: dict[str, list[dict[str, Any]]] = {"hF": []}
    for name, base, split, taxonomy in _tasks(options):
        rows = list(_rows(name, base, split, taxonomy))
        common.print_table(f"{name}, {base}", rows)  # a run takes long
        results["hF"] += rows
    data = [name for name in options.data if name not in tables.NAMES]
    common.report("pools", results, options, data=data)


if __name__ == "__main__":
    main()
