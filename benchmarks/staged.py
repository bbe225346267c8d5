"""Ways to let stages know of each other, and joint models: how right, and at what cost.

Every model is fitted to the official training part, and to two random ones of the same size; figures
are means over the three, and ``least`` and ``most`` those of level 1. Seconds are CPU seconds of one
fit. What would take many minutes for one fit is left out.

``onet_titles`` is cut at the third level. ``goemotions`` has label sets: micro F1 of the sentiments
(level 1), of the leaves, of all nodes (hF). Bases: SGD logistic regression (``alpha=1e-5``) on texts,
a forest of 50 trees on imclef07a; joint models have ``alpha=1e-6`` and early stopping on texts,
``1e-2`` on the table. "top-heavy" weighs the levels 9, 4, 1. In-sample and true chains are the wrong
way, shown to compare with.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier

from benchmarks import common, label_sets, tables
from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier.exceptions import LeakageWarning, RareClassWarning
from sklhier.objectives import Adam
from sklhier.staging import Chain

TEXTS = ("clinc150", "newsgroups20", "naics2022", "onet_titles")
TABLES = ("imclef07a",)
SETS = ("goemotions",)
_CUT = {"onet_titles": 3}  # levels that are kept
_MOST_JOINT = 100_000_000  # features times nodes of the largest joint model that is fitted
_MOST_CHAINED = 1_000  # nodes: above, one fit of chained levels takes more than ten minutes
_MOST_FEATURES = 100_000  # for hidden layers: a million words would take gigabytes

Rows = np.ndarray
Measures = Callable[[Any, Any], dict[str, float]]


def _forest() -> RandomForestClassifier:
    return RandomForestClassifier(50, min_samples_leaf=2, random_state=0)


def _stages() -> dict[str, dict[str, Any]]:
    ways: dict[str, dict[str, Any]] = {
        "flat": {"strategy": "flat"},
        "per parent": {},
        "per level": {"strategy": "per_level"},
    }
    for strategy in ("per_parent", "per_level"):
        name = strategy.replace("_", " ")
        ways[f"{name}, out-of-fold"] = {"strategy": strategy, "chain": "proba"}
        leaking = Chain(training="in_sample")
        ways[f"{name}, in-sample"] = {"strategy": strategy, "chain": leaking}
        ways[f"{name}, true"] = {"strategy": strategy, "chain": "true"}
    for routing in ("predicted", "weight"):
        ways[f"per parent, {routing}"] = {"routing": routing}
        ways[f"per parent, {routing}, out-of-fold"] = {"routing": routing, "chain": "proba"}
    return ways


def _top_heavy(taxonomy: Taxonomy) -> np.ndarray:
    return np.arange(taxonomy.n_levels, 0, -1.0) ** 2


def _joint(taxonomy: Taxonomy, kind: str) -> dict[str, Callable[[], Any]]:
    early = Adam(early_stopping=True)
    penalty: dict[str, Any] = {"alpha": 1e-2}
    if kind == "text":
        penalty = {"alpha": 1e-6, "solver": early}
    hidden: dict[str, Any] = {"hidden_layer_sizes": (200,), "solver": early, "alpha": 1e-6}

    def make(**params: Any) -> Callable[[], Any]:
        return lambda: MultiHeadClassifier(taxonomy, random_state=0, **params)

    return {
        "joint": make(**penalty),
        "joint, top-heavy": make(level_weights=_top_heavy(taxonomy), **penalty),
        "joint, 200 hidden": make(**hidden),
    }


def _models(data: tables.Folds, kind: str) -> dict[str, Callable[[], Any]]:
    base = common.sgd_log_loss() if kind == "text" else _forest()

    def local(params: dict[str, Any]) -> Callable[[], Any]:
        return lambda: HierarchicalClassifier(base, taxonomy=data.taxonomy, **params)

    models = {name: local(params) for name, params in _stages().items()}
    if data.taxonomy.n_nodes > _MOST_CHAINED:
        models = {name: make for name, make in models.items() if "per level," not in name}
    if data.X.shape[1] * data.taxonomy.n_nodes <= _MOST_JOINT:
        joint = _joint(data.taxonomy, kind)
        if data.X.shape[1] > _MOST_FEATURES:
            del joint["joint, 200 hidden"]
        models |= joint
    return models


def _set_models(taxonomy: Taxonomy) -> dict[str, Callable[[], Any]]:
    base = common.sgd_log_loss()

    def local(params: dict[str, Any]) -> Callable[[], Any]:
        return lambda: HierarchicalMultiLabelClassifier(
            base, taxonomy=taxonomy, calibration=None, **params
        )

    # Several labels have no routing: each child is a question of its own.
    models = {name: local(p) for name, p in _stages().items() if "routing" not in p}

    def joint(**params: Any) -> Callable[[], Any]:
        return lambda: MultiHeadMultiLabelClassifier(
            taxonomy, alpha=1e-6, solver=Adam(early_stopping=True), random_state=0, **params
        )

    return models | {
        "joint": joint(),
        "joint, top-heavy": joint(level_weights=_top_heavy(taxonomy)),
        "joint, 200 hidden": joint(hidden_layer_sizes=(200,)),
    }


def _splits(train: Rows, test: Rows) -> Iterator[tuple[Rows, Rows]]:
    yield train, test
    rows = np.concatenate([train, test])
    for seed in (1, 2):
        shuffled = np.random.default_rng(seed).permutation(rows)
        yield np.sort(shuffled[: len(train)]), np.sort(shuffled[len(train) :])


def _row(name: str, make: Callable[[], Any], data: _Data, n_splits: int = 3) -> dict[str, Any]:
    common.note(f"{data.name}: {name}")
    found, times = [], []
    for train, test in islice(_splits(*data.split), n_splits):
        model = make()
        with warnings.catch_warnings():
            # The leaking ones are here to be compared with.
            warnings.simplefilter("ignore", LeakageWarning)
            warnings.simplefilter("ignore", RareClassWarning)
            _, seconds = common.timed(
                lambda m=model, t=train: m.fit(data.X[t], data.y[t])  # type: ignore[misc]
            )
        times.append(seconds)
        found.append(data.measures(data.y[test], model.predict(data.X[test])))
    tops = [one["level 1"] for one in found]
    return {
        "model": name,
        "level 1": float(np.mean(tops)),
        "least": min(tops),
        "most": max(tops),
        "leaf": float(np.mean([one["leaf"] for one in found])),
        "hF": float(np.mean([one["hF"] for one in found])),
        "fit s": float(np.median(times)),
    }


@dataclass(frozen=True)
class _Data:
    """Rows of one data set, the models for it, and how right they are."""

    name: str
    X: Any
    y: Any
    split: tuple[Rows, Rows]
    models: dict[str, Callable[[], Any]]
    measures: Measures


def _of_paths(folds: tables.Folds, kind: str) -> _Data:
    n_levels = _CUT.get(folds.name)
    if n_levels is not None:
        folds = _cut(folds, n_levels)
    taxonomy = folds.taxonomy
    return _Data(
        folds.name,
        folds.X,
        folds.y,
        folds.splits[0],
        _models(folds, kind),
        lambda truth, found: common.quality(truth, found, taxonomy),
    )


def _cut(folds: tables.Folds, n_levels: int) -> tables.Folds:
    """Merge what lies below the last level that is kept into it."""
    whole = folds.taxonomy
    ids = whole.ids(folds.y)
    while (whole.depths[ids] > n_levels).any():
        ids = np.where(whole.depths[ids] > n_levels, whole.parent_ids[ids], ids)
    below = range(whole.level_offsets[n_levels + 1], whole.n_nodes)
    taxonomy = whole.prune(whole.nodes[node] for node in below)
    y = np.asarray(whole.nodes, dtype=object)[ids].astype(str)
    return tables.Folds(f"{folds.name}, {n_levels} levels", folds.X, y, taxonomy, folds.splits)


def _of_sets(data: label_sets.Sets) -> _Data:
    taxonomy = data.taxonomy
    depths = taxonomy.depths[1:]
    n_train = data.X_train.shape[0]
    X = sparse.csr_matrix(sparse.vstack([data.X_train, data.X_test]))
    y = sparse.csr_array(sparse.vstack([data.Y_train, data.Y_test]))
    is_leaf = np.isin(np.arange(1, taxonomy.n_nodes), taxonomy.leaf_ids)

    def measures(truth: Any, found: Any) -> dict[str, float]:
        def f1(columns: np.ndarray) -> float:
            both = truth[:, columns].multiply(found[:, columns]).sum()
            return float(2 * both / (truth[:, columns].sum() + found[:, columns].sum()))

        return {"level 1": f1(depths == 1), "leaf": f1(is_leaf), "hF": f1(depths > 0)}

    split = np.split(np.arange(X.shape[0]), [n_train])
    return _Data(data.name, X, y, (split[0], split[1]), _set_models(taxonomy), measures)


def _data(options: Any) -> Iterator[_Data]:
    texts = [name for name in options.data if name in TEXTS]
    texts = texts[:1] if options.smoke else texts
    for data in common.load_texts(texts, smoke=options.smoke):
        yield _of_paths(tables.of_texts(data), "text")
    for name in options.data:
        if name in TABLES:
            folds = tables.load(name)
            if folds is not None:
                yield _of_paths(folds.sample(40) if options.smoke else folds, "table")
    if options.smoke:
        yield _of_paths(tables.generated(), "table")
        yield from map(_of_sets, list(label_sets.generated())[1:])
        return
    for name in options.data:
        if name in SETS:
            sets = label_sets.load(name)
            if sets is not None:
                yield _of_sets(sets)


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    names = [*TEXTS, *TABLES, *SETS]
    parser.add_argument("--data", nargs="+", default=names, choices=names, metavar="NAME")
    options = parser.parse_args(arguments)
    n_splits = 1 if options.smoke else 3
    results = {
        data.name: [_row(name, make, data, n_splits) for name, make in data.models.items()]
        for data in _data(options)
    }
    folders = [name.rstrip("a") if name.startswith("imclef") else name for name in options.data]
    common.report("staged", results, options, data=folders)


if __name__ == "__main__":
    main()
