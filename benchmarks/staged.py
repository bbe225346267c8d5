"""Ways to let stages know of each other, and joint models: how right, and at what cost.

Every model is fitted to the official training part, and to two random ones of the same size; figures
are means over the three, with the smallest and the largest level-1 accuracy. Seconds are CPU seconds
of one fit. Of two million weights or more joint models are left out: they take minutes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from benchmarks import common, tables
from sklhier import HierarchicalClassifier, MultiHeadClassifier
from sklhier.exceptions import LeakageWarning, RareClassWarning
from sklhier.staging import Chain

TEXTS = ("clinc150", "newsgroups20", "naics2022", "onet_titles")
TABLES = ("imclef07a",)
_MOST_JOINT = 50_000 * 250  # features times nodes of the largest joint model that is fitted


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


def _joint(taxonomy: Any, kind: str) -> dict[str, Callable[[], Any]]:
    penalty = {"alpha": 1e-6, "early_stopping": True} if kind == "text" else {"alpha": 1e-2}
    top = np.arange(taxonomy.n_levels, 0, -1.0) ** 2
    hidden = {"hidden_layer_sizes": (200,), "early_stopping": True, "alpha": 1e-6}

    def make(**params: Any) -> Callable[[], Any]:
        return lambda: MultiHeadClassifier(taxonomy, random_state=0, **params)

    return {
        "joint": make(**penalty),
        "joint, top-heavy": make(level_weights=top, **penalty),
        "joint, 200 hidden": make(**hidden),
    }


def _models(data: tables.Folds, kind: str) -> dict[str, Callable[[], Any]]:
    base = common.sgd_log_loss() if kind == "text" else _forest()

    def local(params: dict[str, Any]) -> Callable[[], Any]:
        return lambda: HierarchicalClassifier(base, taxonomy=data.taxonomy, **params)

    models = {name: local(params) for name, params in _stages().items()}
    if data.X.shape[1] * data.taxonomy.n_nodes <= _MOST_JOINT:
        models |= _joint(data.taxonomy, kind)
    return models


def _splits(data: tables.Folds) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    train, test = data.splits[0]
    yield train, test
    rows = np.concatenate([train, test])
    for seed in (1, 2):
        shuffled = np.random.default_rng(seed).permutation(rows)
        yield np.sort(shuffled[: len(train)]), np.sort(shuffled[len(train) :])


def _row(name: str, make: Callable[[], Any], data: tables.Folds) -> dict[str, Any]:
    common.note(f"{data.name}: {name}")
    found, times = [], []
    for train, test in _splits(data):
        model = make()
        with warnings.catch_warnings():
            # The leaking ones are here to be compared with.
            warnings.simplefilter("ignore", LeakageWarning)
            warnings.simplefilter("ignore", RareClassWarning)
            _, seconds = common.timed(
                lambda m=model, t=train: m.fit(data.X[t], data.y[t])  # type: ignore[misc]
            )
        times.append(seconds)
        found.append(common.quality(data.y[test], model.predict(data.X[test]), data.taxonomy))
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


def _data(options: Any) -> Iterator[tuple[str, tables.Folds]]:
    texts = [name for name in options.data if name in TEXTS]
    for data in common.load_texts(texts, smoke=options.smoke):
        yield "text", tables.of_texts(data)
    for name in options.data:
        if name in TABLES:
            folds = tables.load(name)
            if folds is not None:
                yield "table", folds.sample(40) if options.smoke else folds
    if options.smoke:
        yield "table", tables.generated()


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    names = [*TEXTS, *TABLES]
    parser.add_argument("--data", nargs="+", default=names, choices=names, metavar="NAME")
    options = parser.parse_args(arguments)
    results = {
        data.name: [_row(name, make, data) for name, make in _models(data, kind).items()]
        for kind, data in _data(options)
    }
    folders = [name.rstrip("a") if name.startswith("imclef") else name for name in options.data]
    common.report("staged", results, options, data=folders)


if __name__ == "__main__":
    main()
