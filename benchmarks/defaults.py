"""What the defaults give: the default base with each strategy, for sparse X beside a flat LinearSVC.

Rows to learn from and to be scored on are those of :mod:`benchmarks.default_base`: three quarters of
each training set and the fourth, or with ``--test`` the whole training set and the test set. At most
``--rows`` rows are learnt from and ``--scored`` scored. "auto" and "pool" learn out-of-fold which
strategy to take, or the weights of a pool of three. "joint" is the default joint model, where X is
dense. "uncalibrated" is per parent for label sets, whose models are calibrated by default; the flat
LinearSVC is not calibrated either. ``se`` is the standard error of the whole path, or of F1 of sets,
over the scored rows. Seconds are CPU seconds of the fit.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from benchmarks import common, default_base
from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
)
from sklhier.metrics import hierarchical_f1_score
from sklhier.strategies import Ensemble

STRATEGIES: dict[str, Any] = {
    "flat": "flat",
    "per parent": "per_parent",
    "per node": "per_node",
    "per level": "per_level",
    "auto": "auto",
    "pool": Ensemble(("per_parent", "per_level", "flat"), weights="oof", pool="log"),
}
REFERENCE, JOINT, UNCALIBRATED = "flat LinearSVC", "joint", "uncalibrated"


def some(rows: np.ndarray, n_most: int) -> np.ndarray:
    """Return at most so many of the rows, drawn at random."""
    return np.sort(np.random.default_rng(0).permutation(rows)[:n_most])


def _models(task: default_base.Task, names: list[str]) -> Iterator[tuple[str, Any]]:
    has_sets, is_sparse = not isinstance(task.y, np.ndarray), sparse.issparse(task.X)
    kind: Any = HierarchicalMultiLabelClassifier if has_sets else HierarchicalClassifier
    joint: Any = MultiHeadMultiLabelClassifier if has_sets else MultiHeadClassifier
    params = {"taxonomy": task.taxonomy}
    if has_sets:
        params |= {"classes": task.taxonomy.nodes[1:]}
    plain = params | {"calibration": None}
    own = {
        REFERENCE: kind(LinearSVC(random_state=0), strategy="flat", **plain)
        if is_sparse
        else None,
        JOINT: None if is_sparse else joint(random_state=0, **params),
        UNCALIBRATED: kind(**plain) if has_sets else None,
    }
    for name in names:
        model = own[name] if name in own else kind(strategy=STRATEGIES[name], **params)
        if model is not None:
            yield name, model


def _quality(task: default_base.Task, predicted: Any) -> dict[str, float]:
    true = task.y[task.test]
    if isinstance(task.y, np.ndarray):
        found = common.quality(true, predicted, task.taxonomy)
        leaf = found["leaf"]
        return {key: found[key] for key in ("level 1", "leaf", "hF")} | {
            "se": float(np.sqrt(leaf * (1 - leaf) / len(true)))
        }
    names = {"classes": task.taxonomy.nodes[1:]}
    hf = hierarchical_f1_score(true, predicted, taxonomy=task.taxonomy, **names)
    draws = np.random.default_rng(0).integers(0, len(task.test), (20, len(task.test)))
    drawn = [
        hierarchical_f1_score(true[rows], predicted[rows], taxonomy=task.taxonomy, **names)
        for rows in draws
    ]
    return {"hF": hf, "se": float(np.std(drawn))}


def _rows(task: default_base.Task, names: list[str]) -> Iterator[dict[str, Any]]:
    for name, model in _models(task, names):
        common.note(f"{task.name}: {name}")
        X, y = task.X[task.train], task.y[task.train]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            _, seconds = common.timed(lambda m=model, X=X, y=y: m.fit(X, y))
        row = {"data": task.name, "strategy": name, "rows": len(task.train)}
        row |= _quality(task, model.predict(task.X[task.test])) | {"fit s": seconds}
        yield row | ({"chosen": " ".join(str(model.strategy_).split())} if name == "auto" else {})


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    names = [
        *default_base.TEXTS,
        *default_base.TABLES,
        *(f"sets:{name}" for name in default_base.SETS),
    ]
    strategies = [REFERENCE, *STRATEGIES, JOINT, UNCALIBRATED]
    parser.add_argument("--data", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument(
        "--strategies", nargs="+", default=strategies, choices=strategies, metavar="NAME"
    )
    parser.add_argument("--rows", type=int, default=15_000, help="to learn from, at most")
    parser.add_argument("--scored", type=int, default=3_000, help="to be scored on, at most")
    parser.add_argument("--test", action="store_true", help="score on the test sets")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.data = [name for name in options.data if name in ("trec", "sets:medical_icd9")]
    results: dict[str, list[dict[str, Any]]] = {"single": [], "sets": []}
    for task in default_base.tasks(options):
        task = replace(
            task,
            train=some(task.train, options.rows),
            test=some(task.test, options.scored),
        )
        rows = list(_rows(task, options.strategies))
        common.print_table(task.name, rows)  # a run takes long
        results["single" if isinstance(task.y, np.ndarray) else "sets"] += rows
    texts = [name for name in options.data if name in default_base.TEXTS]
    name = "defaults_test" if options.test else "defaults"
    common.report(name, results, options, data=texts)


if __name__ == "__main__":
    main()
