"""Joint models beside local ones: how right, and at what cost.

Each model is fitted once to the official training part. The strength of the penalty was chosen on
a fifth of the training rows: ``alpha=1e-6`` for texts, ``1e-2`` for tables. Seconds are CPU seconds.
"Separate heads" have the objective of a joint model whose levels share no weights.
``benchmarks.joint_scale`` measures many nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.linear_model import LogisticRegression

from benchmarks import common, tables
from sklhier import HierarchicalClassifier, MultiHeadClassifier
from sklhier.objectives import Adam

TEXTS = ("clinc150", "newsgroups20")
TABLES = ("imclef07a",)
_MOST_FEATURES = 100_000  # for hidden layers and L-BFGS: a million words would take gigabytes


def _joint(taxonomy: Any, **params: Any) -> MultiHeadClassifier:
    return MultiHeadClassifier(taxonomy, random_state=0, **params)


def _separate_heads(taxonomy: Any, alpha: float, n_rows: int) -> HierarchicalClassifier:
    """Return a softmax for each level, multiplied along the paths, with the penalty of a joint model.

    A sum of losses without common weights is as small as it can be when each of them is: fitting
    these heads together would give the same.
    """
    base = LogisticRegression(C=1 / (alpha * n_rows), max_iter=1000)
    return HierarchicalClassifier(base, taxonomy=taxonomy, strategy="per_level")


def _models(data: tables.Folds, kind: str) -> dict[str, Callable[[], Any]]:
    taxonomy = data.taxonomy
    base = common.sgd_log_loss() if kind == "text" else LogisticRegression(max_iter=2000)
    local = {
        strategy: lambda s=strategy: HierarchicalClassifier(base, taxonomy=taxonomy, strategy=s)
        for strategy in ("flat", "per_parent", "per_level")
    }
    tuned: dict[str, Any] = {"alpha": 1e-2}
    if kind == "text":
        tuned = {"alpha": 1e-6, "solver": Adam(early_stopping=True)}
    n_rows = len(data.splits[0][0])
    joint: dict[str, Callable[[], Any]] = {"joint": lambda: _joint(taxonomy, **tuned)}
    if data.X.shape[1] <= _MOST_FEATURES:
        hidden = {
            "hidden_layer_sizes": (200,),
            "solver": Adam(early_stopping=True),
            "alpha": 1e-6,
        }
        joint["separate heads"] = lambda: _separate_heads(taxonomy, tuned["alpha"], n_rows)
        joint["joint, 200 hidden"] = lambda: _joint(taxonomy, **hidden)
    return local | joint


def _row(name: str, model: Any, data: tables.Folds) -> dict[str, Any]:
    train, test = data.splits[0]
    _, seconds = common.timed(lambda: model.fit(data.X[train], data.y[train]))
    predicted, predict_seconds = common.timed(lambda: model.predict(data.X[test]))
    found = common.quality(data.y[test], predicted, data.taxonomy)
    measures = {key: found[key] for key in ("level 1", "leaf", "hF")}
    return {"model": name} | measures | {"fit s": seconds, "predict s": predict_seconds}


def main(arguments: list[str] | None = None) -> None:
    options = common.parser(__doc__).parse_args(arguments)
    results: dict[str, list[dict[str, Any]]] = {}
    loaded = [("text", tables.of_texts(d)) for d in common.load_texts(TEXTS, smoke=options.smoke)]
    for name in TABLES:
        folds = tables.load(name)
        if folds is not None:
            loaded.append(("table", folds.sample(20) if options.smoke else folds))
    for kind, data in loaded:
        results[data.name] = []
        for name, make in _models(data, kind).items():
            common.note(f"{data.name}: {name}")
            results[data.name].append(_row(name, make(), data))
    common.report("joint", results, options, data=[*TEXTS, "imclef07"])


if __name__ == "__main__":
    main()
