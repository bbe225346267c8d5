"""Joint models beside local ones: how right, and at what cost.

Each model is fitted once to the official training part. The strength of the penalty was chosen on
a fifth of the training rows: ``alpha=1e-6`` for texts, ``1e-2`` for tables. Seconds are CPU seconds.
"Separate heads" have the objective of a joint model whose levels share no weights.
W1 is generated, in float32; its models are fitted once more in processes of their own for memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from benchmarks import common, tables, workloads
from sklhier import HierarchicalClassifier, MultiHeadClassifier
from sklhier.datasets import make_hierarchical_text
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


def _generated(options: Any) -> tables.Folds:
    if options.smoke:
        X, y, taxonomy = make_hierarchical_text(300, branching=(3, 3), random_state=0)
        rows = np.split(np.arange(300), [200])
        return tables.Folds("W1", X.astype(np.float32), y, taxonomy, [(rows[0], rows[1])])
    made = workloads.make("W1")
    y = np.concatenate([made.y_train, made.y_test])
    X = sparse.csr_matrix(sparse.vstack([made.X_train, made.X_test]), dtype=np.float32)
    rows = np.split(np.arange(len(y)), [len(made.y_train)])
    return tables.Folds("W1", X, y, made.taxonomy, [(rows[0], rows[1])])


def _scale(options: Any) -> list[dict[str, Any]]:
    data = _generated(options)
    faster = Adam(learning_rate_init=0.1, batch_size=256, early_stopping=True)
    # Chosen on a fifth of the training rows.
    short = Adam(learning_rate="linear", learning_rate_init=0.1, batch_size=256, max_iter=3)
    makers: dict[str, Callable[[], Any]] = {
        "per_parent, SGD": lambda: HierarchicalClassifier(
            common.sgd_log_loss(), taxonomy=data.taxonomy
        ),
        "per_parent, LinearSVC": lambda: HierarchicalClassifier(
            common.linear_svc(), taxonomy=data.taxonomy
        ),
        "joint": lambda: _joint(data.taxonomy, alpha=1e-6, solver=Adam(early_stopping=True)),
        "joint, rate .1, batches of 256": lambda: _joint(data.taxonomy, alpha=1e-6, solver=faster),
        "joint, the same in 3 passes": lambda: _joint(data.taxonomy, alpha=1e-6, solver=short),
    }
    train = data.splits[0][0]
    rows = []
    for name, make in makers.items():
        common.note(f"W1: {name}")
        grown = common.peak_growth_mb(lambda make=make: make().fit(data.X[train], data.y[train]))
        rows.append(_row(name, make(), data) | {"peak MB above the data": grown})
    return rows


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
    results["W1"] = _scale(options)
    common.report("joint", results, options, data=[*TEXTS, "imclef07"])


if __name__ == "__main__":
    main()
