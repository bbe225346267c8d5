"""What the meta-estimator costs on top of its base estimators, and best path against top-down.

*Fit*: HierarchicalClassifier against a bare loop that fits clones of the same base to row slices
taken beforehand, in turns. "idle" is the same fit with a base that learns nothing, so that
``1 + idle / bare`` is a less noisy figure of the same cost.

*Predict*: the decoders of the same fitted classifier, in turns; and ``predict`` (top-down) and
``predict_proba`` of several bases against bare calls of the fitted base estimators on rows taken
beforehand, each of a node for the rows that come there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from benchmarks import common, workloads
from benchmarks.workloads import Workload
from sklhier import HierarchicalClassifier

_RUNS: dict[str, tuple[str, Callable[[], Any]]] = {
    "W1 LinearSVC": ("W1", common.linear_svc),
    "W3 LogisticRegression": ("W3", partial(LogisticRegression, max_iter=1000)),
}
_BARE: dict[str, Callable[[], Any]] = {
    "LogisticRegression": partial(LogisticRegression, max_iter=1000),
    "DecisionTreeClassifier": partial(DecisionTreeClassifier, max_depth=12, random_state=0),
    "RandomForestClassifier": partial(
        RandomForestClassifier, n_estimators=20, max_depth=12, random_state=0
    ),
    "GaussianNB": GaussianNB,
}
_N_TRAIN = 10_000  # rows for them: predictions are timed, not fits
_N_ASKED = (20_000, 1_000)
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


def _bare_calls(model: Any, X: Any, *, on_the_way: bool) -> list[tuple[Any, Any]]:
    """Return each base estimator with its rows: those that come to its node, or all."""
    taxonomy = model.taxonomy_
    number_of = {taxonomy.nodes[node]: node for node in range(taxonomy.n_nodes)}
    paths = taxonomy.path_ids(taxonomy.ids(model.predict(X).tolist()))
    calls = []
    for name, estimator in model.estimators_.items():
        node = number_of[name]
        rows = np.flatnonzero((paths == node).any(axis=1)) if node and on_the_way else None
        if rows is None or len(rows):
            calls.append((estimator, X if rows is None else X[rows]))
    return calls


def _ask(calls: list[tuple[Any, Any]]) -> list[Any]:
    return [estimator.predict_proba(X) for estimator, X in calls]


def _over_bare_calls(
    name: str, base: Any, workload: Workload, options: Any
) -> list[dict[str, Any]]:
    model = HierarchicalClassifier(base, taxonomy=workload.taxonomy, decoder="top_down")
    model.fit(workload.X_train[:_N_TRAIN], workload.y_train[:_N_TRAIN])
    rows = []
    for n_asked in _N_ASKED[-1:] if options.smoke else _N_ASKED:
        X = workload.X_test[:n_asked]
        some, every = (_bare_calls(model, X, on_the_way=on) for on in (True, False))
        _, timings = common.interleaved(
            {
                "top_down": partial(model.predict, X),
                "bare top_down": partial(_ask, some),
                "proba": partial(model.predict_proba, X),
                "bare proba": partial(_ask, every),
            },
            1 if options.smoke else options.repetitions,
        )
        row = {"base": name, "rows": len(X)}
        for kind in ("top_down", "proba"):
            row[f"{kind} ms"] = timings[kind].median * 1000
            row |= timings[kind].over(timings[f"bare {kind}"], f"{kind} ratio")
        rows.append(row)
    return rows


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
    dense, bare = workloads.make("W3", options.cache), []
    for name in ["LogisticRegression", "GaussianNB"] if options.smoke else list(_BARE):
        common.note(f"W3 {name}")
        bare += _over_bare_calls(name, _BARE[name](), dense, options)
    common.report(
        "overhead",
        {
            "fit against the bare base fits": fits,
            "best_path against top_down": predicts,
            "predictions of W3 against bare calls": bare,
        },
        options,
        repetitions=repetitions,
    )


if __name__ == "__main__":
    main()
