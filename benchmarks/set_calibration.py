"""Label sets: what calibrated models give, with a threshold learnt from the same held-out rows.

Models learn from at most ``--rows`` rows, of three quarters of each *training* set, and are scored on
at most 3,000 rows of the fourth; no test set is used. AU(PRC) is the area under the micro-averaged
precision-recall curve of all nodes; margins have none, as they are no probabilities. Seconds are CPU
seconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from scipy import sparse
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.naive_bayes import ComplementNB, GaussianNB
from sklearn.svm import LinearSVC

from benchmarks import common, default_base
from benchmarks.defaults import some
from sklhier import HierarchicalMultiLabelClassifier, MultiHeadMultiLabelClassifier
from sklhier.metrics import hierarchical_f1_score

NAMES = (
    *("medical_icd9", "chemical_exposure", "reuters21578", "onet_tasks", "goemotions"),
    *("imclef07d", "enron_corr", "cellcycle_FUN", "seq_FUN"),
)
_CALIBRATIONS = (None, "sigmoid", "temperature")
_SCORED = 3_000


def _models(task: default_base.Task) -> dict[str, Any]:
    params = {"taxonomy": task.taxonomy, "classes": task.taxonomy.nodes[1:]}
    is_sparse = sparse.issparse(task.X)
    bases: dict[str, Any] = {
        "the default": None,
        "LinearSVC": LinearSVC(random_state=0),
        "LogisticRegression": LogisticRegression(max_iter=200),
        "naive Bayes": ComplementNB() if is_sparse else GaussianNB(),
    }
    if not is_sparse:
        bases["extremely randomised trees"] = ExtraTreesClassifier(
            min_samples_leaf=3, random_state=0
        )
    models: dict[str, Any] = {
        name: HierarchicalMultiLabelClassifier(base, **params) for name, base in bases.items()
    }
    if not is_sparse:
        models["joint model"] = MultiHeadMultiLabelClassifier(random_state=0, **params)
    return models


def _area(task: default_base.Task, model: Any) -> float | None:
    if not hasattr(model, "predict_node_proba"):
        return None
    true = task.y[task.test].toarray().astype(int)
    proba = model.predict_node_proba(task.X[task.test])[:, 1:]
    return float(average_precision_score(true, proba, average="micro"))


def _rows(task: default_base.Task) -> Iterator[dict[str, Any]]:
    X, y, true = task.X[task.train], task.y[task.train], task.y[task.test]
    names = {"taxonomy": task.taxonomy, "classes": task.taxonomy.nodes[1:]}
    for base, model in _models(task).items():
        for calibration in _CALIBRATIONS:
            common.note(f"{task.name}: {base}, {calibration}")
            model.set_params(calibration=calibration)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of passes that end, and of rare classes
                _, fit_seconds = common.timed(lambda m=model: m.fit(X, y))
            found, seconds = common.timed(lambda m=model: m.predict(task.X[task.test]))
            yield {
                "data": task.name.removesuffix(", sets"),
                "rows": len(task.train),
                "base": base,
                "calibration": calibration or "none",
                "hF": hierarchical_f1_score(true, found, **names),
                "macro hF": hierarchical_f1_score(true, found, average="macro", **names),
                "AU(PRC)": _area(task, model),
                "fit s": fit_seconds,
                "predict s": seconds,
            }


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--data", nargs="+", default=NAMES, choices=NAMES, metavar="NAME")
    parser.add_argument("--rows", type=int, default=8_000, help="to learn from, at most")
    options = parser.parse_args(arguments)
    options.test = False
    if options.smoke:
        options.data = options.data[:1]
    options.data = [f"sets:{name}" for name in options.data]
    results: list[dict[str, Any]] = []
    for task in default_base.tasks(options):
        if not task.name.endswith(", sets"):  # generated rows of the smoke run
            continue
        part = {"train": some(task.train, options.rows), "test": some(task.test, _SCORED)}
        rows = list(_rows(replace(task, **part)))
        common.print_table(task.name, rows)
        results += rows
    common.report("set_calibration", {"models": results}, options)


if __name__ == "__main__":
    main()
