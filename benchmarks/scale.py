"""How far it goes: a taxonomy of 100,000 leaves and a million generated texts.

Fits ``HierarchicalClassifier`` once for each base, in a process of its own, and predicts a tenth as
many other texts by both decoders. Times are those of the clock, not of the CPU. Memory is the largest
resident size of the process so far, without its workers. Progress goes to the standard error.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from typing import Any

import numpy as np
from joblib.externals.loky import get_reusable_executor
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC

from benchmarks import common
from sklhier import HierarchicalClassifier
from sklhier.datasets import make_hierarchical_text
from sklhier.metrics import level_accuracy_scores

_BASES: dict[str, Callable[[], Any]] = {
    "SGD log_loss": common.sgd_log_loss,
    "LinearSVC, tol .1, dual": lambda: LinearSVC(tol=0.1, dual=True, random_state=0),
}


def _clocked(call: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return call(), time.perf_counter() - started


def _run(base: str, options: Any) -> dict[str, Any]:
    n_train, n_test = options.rows, max(1, options.rows // 10)
    common.note(f"generating {n_train + n_test:,} texts")
    (counts, labels, taxonomy), generated = _clocked(
        lambda: make_hierarchical_text(
            n_train + n_test,
            branching=[options.branching] * options.depth,
            vocabulary_size=options.words,
            mean_length=72,
            words_per_node=80,
            topic_share=0.2,
            random_state=0,
        )
    )
    X = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    del counts
    X_train, X_test, y_train, y_test = X[:n_train], X[n_train:], labels[:n_train], labels[n_train:]
    del X
    data_mb = (X_train.data.nbytes + X_train.indices.nbytes + X_train.indptr.nbytes) / 2**20
    common.note(f"{data_mb:,.0f} MB of features; fitting")
    model = HierarchicalClassifier(
        _BASES[base](),
        taxonomy=taxonomy,
        n_jobs=options.n_jobs,
        verbose=options.verbose,
        random_state=0,
    )
    before = common.peak_memory_mb()
    _, fitted = _clocked(lambda: model.fit(X_train, y_train))
    peak = common.peak_memory_mb()
    get_reusable_executor().shutdown(wait=True)  # this process would wait for them at its end
    common.note(f"fitted in {fitted:,.0f} s, peak {peak:,.0f} MB")
    row: dict[str, Any] = {
        "base": base,
        "leaves": len(taxonomy.leaves),
        "seen": len(model.classes_),
        "rows": n_train,
        "features": X_train.shape[1],
        "data MB": data_mb,
        "n_jobs": options.n_jobs,
        "models": len(model.estimators_),
        "generate s": generated,
        "fit s": fitted,
        "peak MB before fit": before,
        "peak MB": peak,
        "model MB": common.pickled_mb(model),
    }
    for decoder in ("top_down", "best_path"):
        model.set_params(decoder=decoder)
        predicted, seconds = _clocked(lambda: model.predict(X_test))
        levels = level_accuracy_scores(y_test, predicted, taxonomy=taxonomy)
        row |= {f"{decoder} s": seconds, f"{decoder} us": seconds / n_test * 1e6}
        row[f"{decoder} level 1"] = float(levels[0])
        row[f"{decoder} leaf"] = float(np.mean(predicted == y_test))
        common.note(f"{decoder}: {n_test:,} rows in {seconds:,.1f} s")
    return row | {"peak MB with predict": common.peak_memory_mb()}


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--bases", nargs="*", default=list(_BASES), choices=_BASES)
    parser.add_argument("--branching", type=int, default=10, help="children of each node")
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=200_000)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--verbose", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.smoke:
        options.branching, options.depth, options.rows, options.words = 4, 3, 1000, 2000
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        rows = list(pool.map(_run, options.bases, repeat(options)))
    common.report("scale", {"one large taxonomy": rows}, options)


if __name__ == "__main__":
    main()
