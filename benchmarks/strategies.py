"""All strategies times some decoders, on real texts and tables: how right, and at what cost.

Each strategy is fitted once (``anuran``: once for each of five folds); all decoders answer from the
same models. Seconds are CPU seconds of that fit and of one prediction, summed over the folds.

Untuned bases: on texts SGD logistic regression (``alpha=1e-5``), on clinc150 also
``LogisticRegression(C=30, solver="newton-cg")``; on tables logistic regression (C=1, scaled features)
and a random forest (100 trees, leaves of two rows or more). The last two tables sum up: strategies by
the best path, with fit times as multiples of flat; and the mean gain of each decoder over the best
path, with the number of cases in which it is better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from benchmarks import common, tables
from sklhier import HierarchicalClassifier
from sklhier.decoders import BestPath, Decoder, HierarchicalF, LevelWeighted, TopDown
from sklhier.strategies import Ensemble, Flat, PerLevel, PerNode, PerParent, Strategy

TEXTS = ("clinc150", "newsgroups20", "naics2022", "onet_titles")
STRATEGIES: dict[str, Strategy] = {
    "flat": Flat(),
    "per parent": PerParent(),
    "per node": PerNode(),
    "per level": PerLevel(),
    "ensemble": Ensemble(),
}
DECODERS: dict[str, Decoder] = {
    "top-down": TopDown(),
    "best path": BestPath(),
    "level-weighted": LevelWeighted(),
    "hierarchical F": HierarchicalF(),
}


def _forest() -> RandomForestClassifier:
    return RandomForestClassifier(100, min_samples_leaf=2, random_state=0)


def _logistic() -> LogisticRegression:
    return LogisticRegression(C=1.0, max_iter=2000)


_BASES: dict[str, dict[str, Callable[[], Any]]] = {
    "text": {"SGD": common.sgd_log_loss, "LR": common.logistic_regression},
    "table": {"LR": _logistic, "RF": _forest},
}
# On the other texts one flat fit takes minutes, or is not done after nine of them.
_TEXTS_WITH_LR = ("clinc150", common.STAND_IN)


def _rows(data: tables.Folds, base: str, make: Callable[[], Any]) -> Iterator[dict[str, Any]]:
    for name, strategy in STRATEGIES.items():
        common.note(f"{data.name}: {base}, {name}")
        model = HierarchicalClassifier(make(), taxonomy=data.taxonomy, strategy=strategy)
        yield from _of_strategy(data, model, {"base": base, "strategy": name})


def _of_strategy(
    data: tables.Folds, model: HierarchicalClassifier, what: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    answers: dict[str, list[Any]] = {decoder: [] for decoder in DECODERS}
    predict_seconds = dict.fromkeys(DECODERS, 0.0)
    fit_seconds = 0.0
    for train, test in data.splits:
        X_train, X_test, y_train = data.X[train], data.X[test], data.y[train]
        _, seconds = common.timed(lambda X=X_train, y=y_train: model.fit(X, y))
        fit_seconds += seconds
        for name, decoder in DECODERS.items():
            model.set_params(decoder=decoder)
            predicted, seconds = common.timed(lambda X=X_test: model.predict(X))
            answers[name].append(predicted)
            predict_seconds[name] += seconds
    tested = np.concatenate([test for _, test in data.splits])
    for name, parts in answers.items():
        predicted = np.concatenate(parts)
        found = common.quality(data.y[tested], predicted, data.taxonomy)
        yield what | {
            "decoder": name,
            "level 1": found["level 1"],
            "leaf": found["leaf"],
            "hF": found["hF"],
            "fit s": fit_seconds,
            "predict s": predict_seconds[name],
        }


_MEASURES = ("level 1", "leaf", "hF")


def _by_strategy(results: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return a row for each data set and strategy, decoded by the best path."""
    return [
        {"data, base": data, "strategy": row["strategy"]}
        | {measure: row[measure] for measure in _MEASURES}
        | {"fit over flat": row["fit s"] / rows[0]["fit s"]}
        for data, rows in results.items()
        for row in rows
        if row["decoder"] == "best path"
    ]


def _by_decoder(results: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return what each decoder gains over the best path, on average over data sets and bases."""
    table = []
    for strategy in STRATEGIES:
        own = [
            {row["decoder"]: row for row in rows if row["strategy"] == strategy}
            for rows in results.values()
        ]
        for decoder in DECODERS:
            gains = {
                measure: [of[decoder][measure] - of["best path"][measure] for of in own]
                for measure in _MEASURES
            }
            table.append(
                {"strategy": strategy, "decoder": decoder}
                | {f"{measure} gain": float(np.mean(gain)) for measure, gain in gains.items()}
                | {
                    f"{measure} better in": sum(value > 0 for value in gain)
                    for measure, gain in gains.items()
                }
            )
    return [row | {"of": len(results)} for row in table if row["decoder"] != "best path"]


def _data(options: Any) -> Iterator[tuple[str, tables.Folds]]:
    texts = [name for name in options.data if name in TEXTS]
    for data in common.load_texts(texts, smoke=options.smoke):
        yield "text", tables.of_texts(data)
    for name in options.data:
        if name in tables.NAMES:
            folds = tables.load(name)
            if folds is not None:
                yield "table", folds.sample(40) if options.smoke else folds
    if options.smoke:
        yield "table", tables.generated()


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    names = [*TEXTS, *tables.NAMES]
    parser.add_argument("--data", nargs="+", default=names, choices=names, metavar="NAME")
    options = parser.parse_args(arguments)
    results = {}
    for kind, data in _data(options):
        for base, make in _BASES[kind].items():
            if base == "LR" and kind == "text" and data.name not in _TEXTS_WITH_LR:
                continue
            results[f"{data.name}, {base}"] = list(_rows(data, base, make))
    results |= {
        "strategies, best path": _by_strategy(results),
        "decoders, gain over the best path": _by_decoder(results),
    }
    folders = [name.rstrip("ad") if name.startswith("imclef") else name for name in options.data]
    common.report("strategies", results, options, data=folders)


if __name__ == "__main__":
    main()
