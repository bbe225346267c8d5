"""A joint model of many nodes against a model for each parent: how right, and at what cost.

W1 is generated, in float32: 1,000 leaves below 110 inner nodes. Models are fitted in turns, three
times; those that take longest, without compiled steps or with early stopping, once, after one more
fit of SGD. `ratio` is the CPU time of a fit over that of SGD in the same turn.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks import common, tables, workloads
from sklhier import HierarchicalClassifier, MultiHeadClassifier
from sklhier._utils.kernels import VARIABLE
from sklhier.datasets import make_hierarchical_text
from sklhier.objectives import Adam

_SGD = "per parent, SGD"


def _generated(options: Any) -> tables.Folds:
    if options.smoke:
        X, y, taxonomy = make_hierarchical_text(300, branching=(3, 3), random_state=0)
        rows = np.split(np.arange(300), [200])
        return tables.Folds("W1", X.astype(np.float32), y, taxonomy, [(rows[0], rows[1])])
    made = workloads.make("W1", options.cache)
    y = np.concatenate([made.y_train, made.y_test])
    X = sparse.csr_matrix(sparse.vstack([made.X_train, made.X_test]), dtype=np.float32)
    rows = np.split(np.arange(len(y)), [len(made.y_train)])
    return tables.Folds("W1", X, y, made.taxonomy, [(rows[0], rows[1])])


def _in_pure_python(fit: Callable[[], Any]) -> Any:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "0"
    try:
        return fit()
    finally:
        del os.environ[VARIABLE]
        if before is not None:
            os.environ[VARIABLE] = before


def _groups(data: tables.Folds) -> list[tuple[dict[str, Callable[[], Any]], int]]:
    """Return fits, and how often each of them is repeated."""
    train, taxonomy = data.splits[0][0], data.taxonomy
    X, y = data.X[train], data.y[train]

    def sgd() -> Any:
        return HierarchicalClassifier(common.sgd_log_loss(), taxonomy=taxonomy).fit(X, y)

    def joint(**params: Any) -> Any:
        return MultiHeadClassifier(taxonomy, random_state=0, **params).fit(X, y)

    quick = {
        _SGD: sgd,
        "joint, all defaults": joint,
    }
    slow = {
        _SGD: sgd,
        "the same, pure Python": lambda: _in_pure_python(joint),
        "joint, early stopping": lambda: joint(alpha=1e-6, solver=Adam(early_stopping=True)),
    }
    return [(quick, 3), (slow, 1)]


def _row(
    name: str, model: Any, fit: common.Timing, of_sgd: common.Timing, data: Any
) -> common.Row:
    test = data.splits[0][1]
    predicted, predict_seconds = common.timed(lambda: model.predict(data.X[test]))
    found = common.quality(data.y[test], predicted, data.taxonomy)
    row: common.Row = {"model": name, "passes": int(getattr(model, "n_iter_", 0))}
    row |= {key: found[key] for key in ("level 1", "leaf", "hF")}
    row |= {"fit s": fit.median, "predict s": predict_seconds}
    return row | fit.over(of_sgd, "ratio")


def _rows(data: tables.Folds) -> list[common.Row]:
    rows: list[common.Row] = []
    for fits, repetitions in _groups(data):
        common.note(f"{', '.join(fits)}: {repetitions}")
        models, timings = common.interleaved(fits, repetitions)
        rows += [
            _row(name, models[name], timings[name], timings[_SGD], data)
            for name in fits
            if name != _SGD or not rows
        ]
        common.print_table("so far", rows)
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--cache", metavar="FOLDER", help="keep the data there")
    options = parser.parse_args(arguments)
    common.report("joint_scale", {"W1": _rows(_generated(options))}, options)


if __name__ == "__main__":
    main()
