"""Compiled kernels: seconds to fit, against liblinear, and to predict, against pure Python.

The same classifier over ``LinearSVC(dual=True)`` and logistic regression by liblinear's dual solver,
and over their counterparts in ``sklhier.linear_model``, compiled with and without AVX2, in double and
single precision, fitted in turns. Ratios are the time of liblinear at the same tolerance over theirs:
above 1, the row is faster. W5 has several labels a row; the others have one.

Predictions are those of one fitted classifier in turns: in pure Python, compiled with and without
AVX2, and compressed to single precision without weights below .1. Titles of occupations are only
predicted, where the data set is there. Ratios are the time of pure Python over theirs; a single row
is asked for again and again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from benchmarks import common, workloads
from benchmarks.workloads import Workload
from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier
from sklhier._utils.kernels import VARIABLE, compiled, compiled_predictions, way_in_use
from sklhier.linear_model import BlockLinearSVC, BlockLogisticRegression

_WORKLOADS = ("W1", "W5")
_LOSSES = ("squared hinge", "logistic")
_TOLERANCES = (0.1, 1e-4)
# Name, setting of the environment variable, precision.
_WAYS = (
    ("side by side", "1", None),
    ("side by side, single", "1", "float32"),
    ("side by side, no AVX2", "baseline", None),
    ("side by side, single, no AVX2", "baseline", "float32"),
)


@contextmanager
def _set(value: str) -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _fit(base: Any, workload: Workload, setting: str) -> Any:
    several = sparse.issparse(workload.y_train)
    kind = HierarchicalMultiLabelClassifier if several else HierarchicalClassifier
    settings = {"classes": workload.taxonomy.leaves} if several else {}
    model = kind(
        base,
        taxonomy=workload.taxonomy,
        random_state=0,
        # Neither is tuned out of fold.
        decoder="top_labels" if several else "top_down",
        **settings,
    )
    with _set(setting):
        return model.fit(workload.X_train, workload.y_train)


def _logistic(tol: float, workload: Workload) -> Any:
    one = LogisticRegression(solver="liblinear", dual=True, tol=tol, random_state=0)
    return one if sparse.issparse(workload.y_train) else OneVsRestClassifier(one)


def _candidates(loss: str, tol: float, workload: Workload) -> dict[str, tuple[Any, str]]:
    if loss == "squared hinge":
        found = {"liblinear": (LinearSVC(dual=True, tol=tol), "1")}
        kind: Callable[..., Any] = BlockLinearSVC
    else:
        found = {"liblinear": (_logistic(tol, workload), "1")}
        kind = BlockLogisticRegression
    if compiled() is None:
        return found | {"side by side, pure Python": (kind(tol=tol), "0")}
    return found | {name: (kind(tol=tol, dtype=dtype), way) for name, way, dtype in _WAYS}


def _share_of_same(found: Any, wanted: Any) -> float:
    if sparse.issparse(found):
        return 1 - abs(found - wanted).nnz / (found.nnz + wanted.nnz)
    return float(np.mean(found == wanted))


def _rows(loss: str, tol: float, workload: Workload, repetitions: int) -> list[common.Row]:
    candidates = _candidates(loss, tol, workload)
    models, timings = common.interleaved(
        {
            name: lambda base=base, way=way: _fit(base, workload, way)
            for name, (base, way) in candidates.items()
        },
        repetitions,
    )
    rows, wanted = [], models["liblinear"].predict(workload.X_test)
    for name, model in models.items():
        row: common.Row = {"data": workload.name, "loss": loss, "tol": tol, "way": name}
        row["fit s"] = timings[name].median
        row |= timings["liblinear"].over(timings[name], "ratio")
        found = model.predict(workload.X_test)
        row["same answers"] = _share_of_same(found, wanted)
        if not sparse.issparse(found):
            row["accuracy"] = float(np.mean(found == workload.y_test))
        rows.append(row)
    return rows


# -- predictions --------------------------------------------------------------------------

_PREDICTION_WAYS = {"pure Python": "0", "compiled": "1", "compiled, no AVX2": "baseline"}
_N_CALLS = 100  # for a single row


def _asked(model: Any, decoder: str, setting: str, rows: Any, n_calls: int) -> Any:
    with _set(setting):
        model.set_params(decoder=decoder)
        for _ in range(n_calls - 1):
            model.predict(rows)
        return model.predict(rows)


def _prediction_rows(workload: Workload, options: argparse.Namespace) -> list[common.Row]:
    if compiled_predictions() is None:
        return []
    common.note(f"{workload.name}, predictions")
    repetitions = 1 if options.smoke else options.repetitions
    several = sparse.issparse(workload.y_train)
    model = _fit(BlockLinearSVC(), workload, "1")
    asked = {name: (model, setting) for name, setting in _PREDICTION_WAYS.items()}
    asked["compiled, compressed"] = (deepcopy(model).compress(min_weight=0.1), "1")
    found = []
    for decoder in ["top_labels"] if several else ["top_down", "best_path"]:
        for what, part, n_calls in (
            ("all rows", workload.X_test, 1),
            ("one row", workload.X_test[[0]], _N_CALLS),
        ):
            values, timings = common.interleaved(
                {
                    name: partial(_asked, one, decoder, setting, part, n_calls)
                    for name, (one, setting) in asked.items()
                },
                repetitions,
            )
            for name, timing in timings.items():
                row: common.Row = {"data": workload.name, "decoder": decoder, "rows": what}
                row |= {"way": name, "predict ms": 1000 * timing.median / n_calls}
                row |= timings["pure Python"].over(timing, "ratio")
                row["same answers"] = _share_of_same(values[name], values["pure Python"])
                found.append(row)
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--workloads", nargs="*", default=_WORKLOADS, choices=workloads.NAMES)
    parser.add_argument("--texts", nargs="*", default=("onet_titles",))
    parser.add_argument("--losses", nargs="*", default=_LOSSES, choices=_LOSSES)
    parser.add_argument("--cache", metavar="FOLDER", help="keep generated data there")
    options = parser.parse_args(arguments)
    common.note(way_in_use())
    rows: list[common.Row] = []
    predictions: list[common.Row] = []
    for name in ["W0"] if options.smoke else options.workloads:
        workload = workloads.make(name, options.cache)
        predictions += _prediction_rows(workload, options)
        for loss in options.losses:
            for tol in _TOLERANCES:
                common.note(f"{name}, {loss}, tolerance {tol}")
                repetitions = 1 if options.smoke else options.repetitions
                rows += _rows(loss, tol, workload, repetitions)
    common.report(
        "kernels",
        {"fits": rows, "predictions": predictions},
        options,
        repetitions=options.repetitions,
    )


if __name__ == "__main__":
    main()
