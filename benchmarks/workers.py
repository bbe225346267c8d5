"""Two workers against one: wall-clock seconds of the same fit.

Needs two free cores. The first fit with two workers is reported by itself, for it may have to start
processes. "CPU" is the CPU time of this process with two workers over that with one, which tells on a
busy machine whether threads cost anything. "root" is the share of the root's model in the fit by one
worker: where that is done by one worker, no number of them makes the fit faster than ``1 / root``
times. "same" is the share of 2,000 rows for which both predict the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

from benchmarks import common, workloads
from sklhier import HierarchicalClassifier
from sklhier.linear_model import BlockLinearSVC

_RUNS: dict[str, tuple[str, Callable[[], Any]]] = {
    "W0 LinearSVC": ("W0", common.linear_svc),
    "W1 LinearSVC": ("W1", common.linear_svc),
    "W1 LinearSVC, tol .1": ("W1", partial(LinearSVC, tol=0.1, random_state=0)),
    "W2 LinearSVC": ("W2", common.linear_svc),
    "W4 LinearSVC": ("W4", common.linear_svc),
    "W1 BlockLinearSVC": ("W1", BlockLinearSVC),
    "W1 MultinomialNB": ("W1", MultinomialNB),
    "W1 SGD": ("W1", common.sgd_log_loss),
    "W2 SGD": ("W2", common.sgd_log_loss),
    "W4 SGD": ("W4", common.sgd_log_loss),
    "W1 LogisticRegression": ("W1", common.logistic_regression),
    "W4 LogisticRegression": ("W4", common.logistic_regression),
    "W3 LogisticRegression": ("W3", partial(LogisticRegression, max_iter=1000)),
    "W3 RandomForest": ("W3", partial(RandomForestClassifier, 30, random_state=0)),
    "W3 HistGradientBoosting": (
        "W3",
        partial(HistGradientBoostingClassifier, max_iter=20, random_state=0),
    ),
}
_SMOKE = ("W0 LinearSVC",)


def _seconds(call: Callable[[], Any]) -> np.ndarray:
    """Return the seconds of the clock, and those of the CPU in this process."""
    started = np.array([time.perf_counter(), time.process_time()])
    call()
    return np.array([time.perf_counter(), time.process_time()]) - started


def _measured(name: str, options: Any) -> dict[str, Any]:
    source, base = _RUNS[name]
    workload = workloads.make(source, options.cache)
    one = HierarchicalClassifier(base(), taxonomy=workload.taxonomy, random_state=0)
    two = clone(one).set_params(n_jobs=2)
    fit_one = partial(one.fit, workload.X_train, workload.y_train)
    fit_two = partial(two.fit, workload.X_train, workload.y_train)
    get_reusable_executor().shutdown(wait=True)
    first = _seconds(fit_two)[0]
    # By repetition, one worker or two, and clock.
    pairs = np.array(
        [
            [_seconds(fit_one), _seconds(fit_two)]
            for _ in range(1 if options.smoke else options.repetitions)
        ]
    )
    ratios = pairs[:, 0, 0] / pairs[:, 1, 0]
    X = workload.X_test[:2000]
    seconds = one.fit_report_["seconds"]
    return {
        "run": name,
        "one s": float(np.median(pairs[:, 0, 0])),
        "two s": float(np.median(pairs[:, 1, 0])),
        "ratio": float(np.median(ratios)),
        "ratio min": float(ratios.min()),
        "ratio max": float(ratios.max()),
        "first two s": float(first),
        "CPU": float(np.median(pairs[:, 1, 1] / pairs[:, 0, 1])),
        "root": float(seconds[0] / seconds.sum()),
        "same": float(np.mean(one.predict(X) == two.predict(X))),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--runs", nargs="*", default=list(_RUNS), choices=_RUNS, metavar="RUN")
    parser.add_argument("--cache", metavar="FOLDER", help="keep generated data there")
    options = parser.parse_args(arguments)
    rows = []
    for name in _SMOKE if options.smoke else options.runs:
        common.note(name)
        rows.append(_measured(name, options))
    common.report("workers", {"two workers": rows}, options, repetitions=options.repetitions)


if __name__ == "__main__":
    main()
