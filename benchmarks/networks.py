"""Networks with dropout for label sets, next to published figures.

AU(PRC), the area under the micro-averaged precision-recall curve over all nodes but the root, of
one network, of the mean of several, of extremely randomised trees, and of a weighted mean of networks
and trees; over seeds. Nothing is chosen by a look at test sets: each network stops early on a third
of its training rows and is then fitted to all of them; the dropout is the one with the lowest loss of
those rows; the weight of the trees is the best one on every third training row, with models fitted to
the others. Seconds are CPU seconds.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from benchmarks import common, label_sets
from sklhier import HierarchicalMultiLabelClassifier, MultiHeadMultiLabelClassifier
from sklhier.decoders import SetThreshold
from sklhier.objectives import Adam

NAMES = (
    *("imclef07a", "imclef07d", "enron_corr"),
    *(name for name in label_sets.PUBLISHED if name.endswith(("_FUN", "_GO"))),
)
_DROPOUTS = (0.3, 0.5, 0.7)
_WEIGHTS = np.linspace(0, 1, 11)  # of the trees
_ANY = SetThreshold(0.5)  # only probabilities are scored


def _networks(data: label_sets.Sets, options: Any, seed: int, **params: Any) -> Any:
    adam = Adam(
        learning_rate="constant",
        learning_rate_init=1e-3,
        max_iter=3 if options.smoke else 100,
        early_stopping=True,
        validation_fraction=1 / 3,
        refit=True,
    )
    width = 20 if options.smoke else 1000
    settings = {
        "loss": "cross_entropy",
        "hidden_layer_sizes": (width, width),
        "intercept_init": "frequencies",
        "n_estimators": options.networks,
    }
    return MultiHeadMultiLabelClassifier(
        data.taxonomy, solver=adam, decoder=_ANY, random_state=seed, **(settings | params)
    )


def _trees(data: label_sets.Sets, options: Any, seed: int) -> Any:
    size = 5 if options.smoke else 100
    trees = ExtraTreesClassifier(size, min_samples_leaf=3, random_state=seed)
    return HierarchicalMultiLabelClassifier(
        trees, taxonomy=data.taxonomy, strategy="flat", decoder=_ANY
    )


def _scaled(data: label_sets.Sets) -> label_sets.Sets:
    scaler = StandardScaler().fit(data.X_train)
    X_train, X_test = (scaler.transform(X).astype(np.float32) for X in (data.X_train, data.X_test))
    return replace(data, X_train=X_train, X_test=X_test)


def _inner(data: label_sets.Sets) -> label_sets.Sets:
    """Return the training part, every third row of it as the test part."""
    out = np.arange(data.X_train.shape[0]) % 3 == 0
    X, Y = data.X_train, data.Y_train
    return replace(data, X_train=X[~out], Y_train=Y[~out], X_test=X[out], Y_test=Y[out])


def _fitted(model: Any, data: label_sets.Sets) -> tuple[Any, np.ndarray, float]:
    """Return the model, the node probabilities of the test rows and the seconds of the fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of passes is a limit
        _, seconds = common.timed(lambda: model.fit(data.X_train, data.Y_train))
    return model, model.predict_node_proba(data.X_test), seconds


def _dropout(data: label_sets.Sets, options: Any, seed: int) -> float:
    """Return the dropout with which a network has the lowest loss of held-out training rows."""
    if options.dropout is not None:
        return float(options.dropout)
    losses = [
        min(_fitted(model, data)[0].validation_loss_curve_)
        for share in _DROPOUTS
        for model in [_networks(data, options, seed, n_estimators=1, dropout=share)]
    ]
    return _DROPOUTS[int(np.argmin(losses))]


def _weight_of_trees(data: label_sets.Sets, options: Any, seed: int, dropout: float) -> float:
    """Return the weight of the trees that is best on held-out training rows."""
    inner = _inner(data)
    nets = _fitted(_networks(inner, options, seed, n_estimators=1, dropout=dropout), inner)[1]
    trees = _fitted(_trees(inner, options, seed), inner)[1]
    areas = [label_sets.area(inner, (1 - w) * nets + w * trees) for w in _WEIGHTS]
    return float(_WEIGHTS[int(np.argmax(areas))])


def _rows(data: label_sets.Sets, options: Any, seed: int) -> Iterator[dict[str, Any]]:
    dropout = _dropout(data, options, seed)
    nets, of_nets, seconds = _fitted(_networks(data, options, seed, dropout=dropout), data)
    single = _networks(data, options, seed + 1000, n_estimators=1, dropout=dropout)
    _, of_one, seconds_of_one = _fitted(single, data)
    _, of_trees, seconds_of_trees = _fitted(_trees(data, options, seed), data)
    weight = _weight_of_trees(data, options, seed, dropout)
    pooled = (1 - weight) * of_nets + weight * of_trees
    settings = {"dropout": dropout, "passes": nets.n_iter_}
    several = f"{options.networks} networks"
    for name, proba, cost, more in (
        ("1 network", of_one, seconds_of_one, settings),
        (several, of_nets, seconds, settings),
        ("trees", of_trees, seconds_of_trees, {}),
        (f"{several} and trees", pooled, seconds + seconds_of_trees, {"weight of trees": weight}),
    ):
        row = {"data": data.name, "seed": seed, "model": name}
        yield row | {"AU(PRC)": label_sets.area(data, proba), "fit s": cost} | more


def _summary(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield means and deviations over seeds, next to what was published."""
    for data, model in dict.fromkeys((row["data"], row["model"]) for row in rows):
        own = [row for row in rows if (row["data"], row["model"]) == (data, model)]
        areas = np.array([row["AU(PRC)"] for row in own])
        clus, c_hmcnn = label_sets.PUBLISHED.get(data, (None, None))
        yield {
            "data": data,
            "model": model,
            "AU(PRC)": float(areas.mean()),
            "deviation": float(areas.std()),
            "seeds": len(areas),
            "Clus-HMC-Ens": clus,
            "C-HMCNN(h)": c_hmcnn,
            "above C-HMCNN(h)": None if c_hmcnn is None else round(areas.mean() - c_hmcnn, 4),
            "fit s": float(np.mean([row["fit s"] for row in own])),
        }


def _data(options: argparse.Namespace) -> Iterator[label_sets.Sets]:
    if options.smoke:
        yield next(label_sets.generated())
        return
    for name in options.data:
        data = label_sets.load(name)
        if data is not None:
            yield data


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--data", nargs="+", default=NAMES, choices=NAMES, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each model")
    parser.add_argument("--networks", type=int, default=5, help="networks of a mean")
    parser.add_argument("--dropout", type=float, help="instead of the best of 0.3, 0.5 and 0.7")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.seeds = options.networks = 2
    rows: list[dict[str, Any]] = []
    for data in map(_scaled, _data(options)):
        for seed in range(options.seeds):
            rows += _rows(data, options, seed)
            common.note(f"{data.name}, seed {seed}: done")
    results = {"seeds": rows, "means": list(_summary(rows))}
    folders = {label_sets.folder_of(name) for name in options.data}
    common.report("networks", results, options, data=sorted(folders))


if __name__ == "__main__":
    main()
