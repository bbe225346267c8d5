"""What the meta-estimator costs on top of its base estimators, and best path against top-down.

*Fit*: HierarchicalClassifier against a bare loop that fits clones of the same base to row slices
taken beforehand, in turns. "idle" is the same fit with a base that learns nothing, so that
``1 + idle / bare`` is a less noisy figure of the same cost.

*Predict*: the decoders of the same fitted classifier, in turns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from benchmarks import common, workloads
from benchmarks.workloads import Workload
from sklhier import HierarchicalClassifier

_RUNS: dict[str, tuple[str, Callable[[], Any]]] = {
    "W1 LinearSVC": ("W1", common.linear_svc),
    "W3 LogisticRegression": ("W3", partial(LogisticRegression, max_iter=1000)),
}
_SMOKE_RUNS = {"W0 LinearSVC": ("W0", common.linear_svc)}


def _slices(workload: Workload) -> list[tuple[Any, np.ndarray]]:
    """Return rows and codes of the children for every parent with two children or more."""
    taxonomy = workload.taxonomy
    nodes = taxonomy.ids(workload.y_train.tolist())
    paths = taxonomy.path_ids(nodes)
    above = np.column_stack([np.zeros_like(nodes), paths[:, :-1]])
    slices = []
    for level in range(taxonomy.n_levels):
        for parent in np.unique(above[:, level]):
            rows = np.flatnonzero(above[:, level] == parent)
            children, codes = np.unique(paths[rows, level], return_inverse=True)
            if len(children) > 1:
                slices.append((workload.X_train[rows], codes))
    return slices


def _fit_bare(base: Any, slices: list[tuple[Any, np.ndarray]]) -> list[Any]:
    return [clone(base).fit(X, codes) for X, codes in slices]


def _fits(name: str, workload: Workload, base: Any, repetitions: int) -> dict[str, Any]:
    slices = _slices(workload)
    classifier = HierarchicalClassifier(base, taxonomy=workload.taxonomy)
    values, timings = common.interleaved(
        {
            "ours": lambda: clone(classifier).fit(workload.X_train, workload.y_train),
            "bare": lambda: _fit_bare(base, slices),
            "idle": lambda: HierarchicalClassifier(common.Idle(), taxonomy=workload.taxonomy).fit(
                workload.X_train, workload.y_train
            ),
        },
        repetitions,
    )
    if len(values["ours"].estimators_) != len(slices):
        raise RuntimeError("the two sides do not solve the same problems")
    return {
        "run": name,
        "problems": len(slices),
        "fit s": timings["ours"].median,
        "bare s": timings["bare"].median,
        "idle s": timings["idle"].median,
        **timings["ours"].over(timings["bare"], "ratio"),
        "1 + idle / bare": 1 + timings["idle"].median / timings["bare"].median,
    }


def _predicts(name: str, workload: Workload, base: Any, repetitions: int) -> dict[str, Any]:
    greedy = HierarchicalClassifier(base, taxonomy=workload.taxonomy, decoder="top_down")
    greedy.fit(workload.X_train, workload.y_train)

    def predict(decoder: str) -> np.ndarray:
        return greedy.set_params(decoder=decoder).predict(workload.X_test)

    values, timings = common.interleaved(
        {"best": lambda: predict("best_path"), "greedy": lambda: predict("top_down")}, repetitions
    )
    return {
        "run": name,
        "best_path s": timings["best"].median,
        "top_down s": timings["greedy"].median,
        **timings["best"].over(timings["greedy"], "ratio"),
        "best_path leaf": float(np.mean(values["best"] == workload.y_test)),
        "top_down leaf": float(np.mean(values["greedy"] == workload.y_test)),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=11)
    parser.add_argument("--cache", metavar="FOLDER", help="keep generated data there")
    options = parser.parse_args(arguments)
    repetitions = 1 if options.smoke else options.repetitions
    fits, predicts = [], []
    for name, (source, make_base) in (_SMOKE_RUNS if options.smoke else _RUNS).items():
        common.note(name)
        workload = workloads.make(source, options.cache)
        fits.append(_fits(name, workload, make_base(), repetitions))
        predicts.append(_predicts(name, workload, make_base(), repetitions))
    common.report(
        "overhead",
        {"fit against the bare base fits": fits, "best_path against top_down": predicts},
        options,
        repetitions=repetitions,
    )


if __name__ == "__main__":
    main()
