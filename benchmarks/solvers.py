"""Which linear base to take on texts: seconds to fit, and how right the result is.

The same classifier over bases and settings, all fitted in turns; ratios are the time of the first,
``LinearSVC`` with its defaults, over theirs. Where a base has probabilities, so has the classifier.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.svm import LinearSVC

from benchmarks import common, workloads
from benchmarks.workloads import Workload
from sklhier import HierarchicalClassifier
from sklhier.linear_model import BlockLinearSVC, ScaledLinearClassifier

_DATA = ("onet_titles", "newsgroups20")
_WORKLOADS = ("W1", "W4")


def _svc(**params: Any) -> LinearSVC:
    return LinearSVC(random_state=0, **params)


def _sgd(**params: Any) -> SGDClassifier:
    return SGDClassifier(alpha=1e-5, random_state=0, **params)


_BASES: dict[str, Any] = {
    "LinearSVC": _svc,
    "the default": ScaledLinearClassifier,
    "BlockLinearSVC, tol .1": partial(BlockLinearSVC, tol=0.1, random_state=0),
    "LinearSVC, tol .01": partial(_svc, tol=0.01),
    "LinearSVC, tol .1": partial(_svc, tol=0.1),
    "LinearSVC, dual, tol .1": partial(_svc, tol=0.1, dual=True),
    "LinearSVC, primal, tol .1": partial(_svc, tol=0.1, dual=False),
    "SGD log_loss": partial(_sgd, loss="log_loss"),
    "SGD log_loss, 5 epochs": partial(_sgd, loss="log_loss", max_iter=5, tol=None),
    "SGD hinge, 5 epochs": partial(_sgd, loss="hinge", max_iter=5, tol=None),
    "LogisticRegression, C=30, newton-cg": common.logistic_regression,
}
_SLOW = {"LogisticRegression, C=30, lbfgs": partial(LogisticRegression, C=30, max_iter=1000)}


def _rows(workload: Workload, options: Any) -> list[dict[str, Any]]:
    bases = _BASES | _SLOW if options.slow else _BASES
    models = {
        name: HierarchicalClassifier(base(), taxonomy=workload.taxonomy, random_state=0)
        for name, base in bases.items()
    }
    _, timings = common.interleaved(
        {
            name: lambda model=model: model.fit(workload.X_train, workload.y_train)
            for name, model in models.items()
        },
        1 if options.smoke else options.repetitions,
    )
    rows = []
    for name, model in models.items():
        row: dict[str, Any] = {"data": workload.name, "base": name, "fit s": timings[name].median}
        row |= timings["LinearSVC"].over(timings[name], "ratio")
        for decoder in ("top_down", "best_path"):
            predicted = model.set_params(decoder=decoder).predict(workload.X_test)
            found = common.quality(workload.y_test, predicted, workload.taxonomy)
            row |= {f"{decoder} {key}": found[key] for key in ("level 1", "leaf")}
        rows.append(row)
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--slow", action="store_true", help="also logistic regression by lbfgs")
    parser.add_argument("--cache", metavar="FOLDER", help="keep generated data there")
    options = parser.parse_args(arguments)
    rows = []
    for name in ["W0"] if options.smoke else _WORKLOADS:
        common.note(name)
        rows += _rows(workloads.make(name, options.cache), options)
    for data in common.load_texts(_DATA, smoke=options.smoke):
        common.note(data.name)
        X_train, X_test = data.tfidf()
        workload = Workload(data.name, X_train, data.y_train, X_test, data.y_test, data.taxonomy)
        rows += _rows(workload, options)
    common.report("solvers", {"bases": rows}, options, data=_DATA, repetitions=options.repetitions)


if __name__ == "__main__":
    main()
