"""Compiled kernels: seconds to fit, against liblinear, and to predict, against pure Python.

The same classifier over ``LinearSVC(dual=True)`` and logistic regression by liblinear's dual solver,
and over their counterparts in ``sklhier.linear_model``, compiled with and without AVX2, in double and
single precision, fitted in turns. Ratios are the time of liblinear at the same tolerance over theirs:
above 1, the row is faster. W5 has several labels a row; the others have one.

Predictions are those of one fitted classifier in turns: in pure Python, compiled with and without
AVX2, and compressed to single precision without weights below .1. Titles of occupations are also
predicted, where the data set is there, and vectors of 384 numbers in single precision: 4,000 of them
at 20 leaves, and at 1,000. Probabilities are those of logistic regression. Ratios are the time of
pure Python over theirs; a single row is asked for again and again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from benchmarks import common, workloads
from benchmarks.workloads import Workload
from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
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

_VECTORS = {"vectors, 20 leaves": (4, 5), "vectors, 1,000 leaves": (10, 10, 10)}


def _tree(branching: tuple[int, ...]) -> Taxonomy:
    paths = product(*map(range, branching))
    return Taxonomy.from_paths(["/".join(map(str, path)) for path in paths])[1]


def _vectors(name: str, n_rows: int, n_columns: int) -> Workload:
    """Return rows around a centre for each leaf, of length 1."""
    taxonomy, rng = _tree(_VECTORS[name]), np.random.default_rng(0)
    leaves = np.array(taxonomy.leaves, dtype=object)
    of_rows = np.arange(2 * n_rows) % len(leaves)
    centres = rng.normal(size=(len(leaves), n_columns))
    X = centres[of_rows] + 2 * rng.normal(size=(2 * n_rows, n_columns))
    X = normalize(X).astype(np.float32)
    y = leaves[of_rows]
    return Workload(name, X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:], taxonomy)


def _texts(name: str) -> Workload | None:
    data = common.load_text(name)
    if data is None:
        return None
    X_train, X_test = data.tfidf()
    return Workload(name, X_train, data.y_train, X_test, data.y_test, data.taxonomy)


def _workloads(options: argparse.Namespace) -> Iterator[Workload]:
    """Yield what is only predicted."""
    for name in _VECTORS:
        yield _vectors(name, 40, 16) if options.smoke else _vectors(name, 4000, 384)
    texts = (
        [] if options.smoke else [name for name in options.texts if name not in options.workloads]
    )
    found = map(_texts, texts)
    yield from (workload for workload in found if workload is not None)


_PREDICTION_WAYS = {"pure Python": "0", "compiled": "1", "compiled, no AVX2": "baseline"}
_N_CALLS = 100  # for a single row


def _asked(model: Any, decoder: str, setting: str, rows: Any, n_calls: int) -> Any:
    with _set(setting):
        if decoder == _PROBABILITIES:
            ask = model.predict_proba
        else:
            ask = model.set_params(decoder=decoder).predict
        for _ in range(n_calls - 1):
            ask(rows)
        return ask(rows)


_PROBABILITIES = "probabilities"


def _prediction_rows(workload: Workload, options: argparse.Namespace) -> Iterator[common.Row]:
    if compiled_predictions() is None:
        return
    common.note(f"{workload.name}, predictions")
    several = sparse.issparse(workload.y_train)
    for base, decoders in (
        (BlockLinearSVC(tol=0.1), ["top_labels"] if several else ["top_down", "best_path"]),
        (BlockLogisticRegression(tol=0.1), [] if several else [_PROBABILITIES]),
    ):
        if not decoders:
            continue
        model = _fit(base, workload, "1")
        asked = {name: (model, setting) for name, setting in _PREDICTION_WAYS.items()}
        asked["compiled, compressed"] = (deepcopy(model).compress(min_weight=0.1), "1")
        for decoder in decoders:
            yield from _rows_of_decoder(workload, asked, decoder, options)


def _rows_of_decoder(
    workload: Workload, asked: dict[str, Any], decoder: str, options: argparse.Namespace
) -> Iterator[common.Row]:
    # A table of probabilities has a number for each row and leaf.
    many = workload.X_test[:4000] if decoder == _PROBABILITIES else workload.X_test
    for what, part, n_calls in (
        ("all rows", many, 1),
        ("one row", workload.X_test[[0]], 1 if options.smoke else _N_CALLS),
    ):
        values, timings = common.interleaved(
            {
                name: partial(_asked, one, decoder, setting, part, n_calls)
                for name, (one, setting) in asked.items()
            },
            1 if options.smoke else options.repetitions,
        )
        for name, timing in timings.items():
            row: common.Row = {"data": workload.name, "decoder": decoder, "rows": what}
            row |= {"way": name, "predict ms": 1000 * timing.median / n_calls}
            row |= timings["pure Python"].over(timing, "ratio")
            found, wanted = values[name], values["pure Python"]
            if decoder == _PROBABILITIES:
                found, wanted = found.argmax(axis=1), wanted.argmax(axis=1)
            row["same answers"] = _share_of_same(found, wanted)
            yield row


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--workloads", nargs="*", default=_WORKLOADS, metavar="NAME")
    parser.add_argument("--texts", nargs="*", default=("onet_titles",))
    parser.add_argument("--losses", nargs="*", default=_LOSSES, choices=_LOSSES)
    parser.add_argument("--cache", metavar="FOLDER", help="keep generated data there")
    options = parser.parse_args(arguments)
    common.note(way_in_use())
    rows: list[common.Row] = []
    predictions: list[common.Row] = []
    for name in ["W0"] if options.smoke else options.workloads:
        workload = workloads.make(name, options.cache) if name in workloads.NAMES else _texts(name)
        if workload is None:
            continue
        predictions += _prediction_rows(workload, options)
        for loss in options.losses:
            for tol in _TOLERANCES:
                common.note(f"{name}, {loss}, tolerance {tol}")
                repetitions = 1 if options.smoke else options.repetitions
                rows += _rows(loss, tol, workload, repetitions)
    for workload in _workloads(options):
        predictions += _prediction_rows(workload, options)
    common.report(
        "kernels",
        {"fits": rows, "predictions": predictions},
        options,
        repetitions=options.repetitions,
    )


if __name__ == "__main__":
    main()
