"""Linear bases on sparse X: fitted to their own columns and asked together, against one by one.

"plain" is the same classifier over a subclass of the same base, to which the shortcuts for linear
models do not apply: they are for scikit-learn's own types alone. Both sides take turns. Predictions
are of 2,000 rows together, and of single rows one after the other, by the default decoder
(``best_path``) and by ``top_down``.

The second table is of models as fitted and after ``compress``, which take turns as well. The
third is of bases that are fitted from sums, against a subclass that is fitted by its own ``fit``, and
against one flat fit to the leaves.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid
from sklearn.svm import LinearSVC

from benchmarks import common, workloads
from benchmarks.workloads import Workload
from sklhier import HierarchicalClassifier

_DATA = "onet_titles"
_WORKLOADS = ("W0", "W1", "W2")
_DECODERS = ("best_path", "top_down")
_COMPRESSED = ("W1", _DATA)
_COMPRESSIONS: dict[str, dict[str, Any]] = {
    "float32": {},
    "float32, 0.03": {"min_weight": 0.03},
    "float32, 0.1": {"min_weight": 0.1},
}


class PlainLinearSVC(LinearSVC):
    """To the library a base like any other."""


class PlainSGDClassifier(SGDClassifier):
    """To the library a base like any other."""


_SUMMED: dict[str, list[Any]] = {
    "W0": [MultinomialNB()],
    "W1": [MultinomialNB(), ComplementNB(), BernoulliNB()],
    "W3": [GaussianNB(), NearestCentroid()],
}


_BASES: dict[str, tuple[Callable[[], Any], type]] = {
    "LinearSVC": (common.linear_svc, PlainLinearSVC),
    "SGD log_loss": (common.sgd_log_loss, PlainSGDClassifier),
}


def _real(data: common.TextData) -> Workload:
    X_train, X_test = data.tfidf()
    return Workload(data.name, X_train, data.y_train, X_test, data.y_test, data.taxonomy)


def _sources(options: Any) -> Iterator[Workload]:
    for name in ["W0"] if options.smoke else options.workloads:
        yield workloads.make(name, options.cache)
    yield from map(_real, common.load_texts([_DATA], smoke=options.smoke))


def _one_by_one(model: Any, rows: list[Any]) -> np.ndarray:
    return np.concatenate([model.predict(row) for row in rows])


def _measure(workload: Workload, base: str, options: Any) -> dict[str, Any]:
    repetitions = 1 if options.smoke else options.repetitions
    make, plain = _BASES[base]
    fast = make()
    sides = {"fast": fast, "plain": plain(**fast.get_params(deep=False))}
    models = {
        side: HierarchicalClassifier(local, taxonomy=workload.taxonomy, random_state=0)
        for side, local in sides.items()
    }
    _, fits = common.interleaved(
        {
            side: lambda model=model: model.fit(workload.X_train, workload.y_train)
            for side, model in models.items()
        },
        repetitions,
    )
    row: dict[str, Any] = {"data": workload.name, "base": base}
    row |= _columns("fit s", fits)
    X = workload.X_test[:2000]
    single = [X[i] for i in range(20 if options.smoke else 200)]
    for decoder in _DECODERS:
        for model in models.values():
            model.set_params(decoder=decoder).predict(X[:1])
        answers, batches = common.interleaved(
            {side: lambda m=model: m.predict(X) for side, model in models.items()}, repetitions
        )
        _, ones = common.interleaved(
            {side: lambda m=model: _one_by_one(m, single) for side, model in models.items()},
            repetitions,
        )
        row |= _columns(f"{decoder} ms", batches, 1000)
        row |= _columns(f"{decoder} one row ms", ones, 1000 / len(single))
        row[f"{decoder} same"] = float(np.mean(answers["fast"] == answers["plain"]))
    if base.startswith("SGD"):
        _, tables = common.interleaved(
            {side: lambda m=model: m.predict_proba(X) for side, model in models.items()},
            repetitions,
        )
        row |= _columns("predict_proba ms", tables, 1000)
    sizes = {side: common.pickled_mb(model) for side, model in models.items()}
    row |= {
        "MB": sizes["fast"],
        "plain MB": sizes["plain"],
        "MB ratio": sizes["plain"] / sizes["fast"],
    }
    return row


def _columns(name: str, timings: dict[str, common.Timing], factor: float = 1) -> dict[str, float]:
    fast, plain = timings["fast"], timings["plain"]
    ratios = np.array(plain.seconds) / np.array(fast.seconds)
    return {
        name: fast.median * factor,
        f"plain {name}": plain.median * factor,
        f"{name.rsplit(' ', 1)[0]} ratio": float(np.median(ratios)),
    }


def _file_mb(model: Any) -> float:
    """Return the size of a file of joblib that is compressed as well."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(model, path, compress=3)
        return path.stat().st_size / 2**20


def _compressions(workload: Workload, options: Any) -> list[dict[str, Any]]:
    repetitions = 1 if options.smoke else 3 * options.repetitions  # short, hence noisy
    fitted = HierarchicalClassifier(
        common.linear_svc(), taxonomy=workload.taxonomy, random_state=0
    )
    models = {"as fitted": fitted.fit(workload.X_train, workload.y_train)}
    for name, params in _COMPRESSIONS.items():
        models[name] = copy.copy(fitted).compress(**params)
    X = workload.X_test[:2000]
    single = [X[i] for i in range(20 if options.smoke else 200)]
    answers, batches = common.interleaved(
        {name: lambda m=model: m.predict(X) for name, model in models.items()}, repetitions
    )
    _, ones = common.interleaved(
        {name: lambda m=model: _one_by_one(m, single) for name, model in models.items()},
        repetitions,
    )
    rows = []
    for name, model in models.items():
        predicted = model.predict(workload.X_test)
        found = common.quality(workload.y_test, predicted, workload.taxonomy)
        row = {"data": workload.name, "weights": name, "MB": common.pickled_mb(model)}
        row |= {"file MB": _file_mb(model), "leaf": found["leaf"], "hF": found["hF"]}
        row["same"] = float(np.mean(answers[name] == answers["as fitted"]))
        row["best_path ms"] = batches[name].median * 1000
        row |= batches[name].over(batches["as fitted"], "best_path ratio")
        row["one row ms"] = ones[name].median * 1000 / len(single)
        row |= ones[name].over(ones["as fitted"], "one row ratio")
        rows.append(row)
    return rows


def _from_sums(workload: Workload, base: Any, options: Any) -> dict[str, Any]:
    repetitions = 1 if options.smoke else options.repetitions
    plain = type(f"Plain{type(base).__name__}", (type(base),), {})()
    X, y = workload.X_train, workload.y_train
    models = {
        "fast": HierarchicalClassifier(base, taxonomy=workload.taxonomy),
        "plain": HierarchicalClassifier(plain, taxonomy=workload.taxonomy),
        "flat": clone(base),
    }
    _, fits = common.interleaved(
        {side: lambda m=model: m.fit(X, y) for side, model in models.items()}, repetitions
    )
    found = {side: models[side].predict(workload.X_test[:2000]) for side in ("fast", "plain")}
    row = {"data": workload.name, "base": type(base).__name__, **_columns("fit s", fits)}
    flat = np.array(fits["flat"].seconds) / np.array(fits["fast"].seconds)
    row |= {"flat fit s": fits["flat"].median, "flat ratio": float(np.median(flat))}
    return row | {"same": float(np.mean(found["fast"] == found["plain"]))}


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument(
        "--workloads", nargs="*", default=list(_WORKLOADS), choices=workloads.NAMES, metavar="NAME"
    )
    parser.add_argument("--cache", metavar="FOLDER", help="keep generated data there")
    options = parser.parse_args(arguments)
    rows, compressed, summed = [], [], []
    for workload in _sources(options):
        for base in _BASES:
            common.note(f"{workload.name}: {base}")
            rows.append(_measure(workload, base, options))
        if options.smoke or workload.name in _COMPRESSED:
            common.note(f"{workload.name}: compressed")
            compressed += _compressions(workload, options)
    for name in ["W0"] if options.smoke else ["W1", "W3"]:
        workload = workloads.make(name, options.cache)
        for base in _SUMMED[name]:
            common.note(f"{name}: {type(base).__name__}")
            summed.append(_from_sums(workload, base, options))
    common.report(
        "speed",
        {"linear bases on sparse X": rows, "compressed models": compressed, "sums": summed},
        options,
        data=[_DATA],
        repetitions=options.repetitions,
    )


if __name__ == "__main__":
    main()
