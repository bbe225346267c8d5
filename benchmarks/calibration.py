"""Calibration: how right probabilities are, and what it costs.

One path for each sample, on texts and a table: for every base estimator and calibration the mean
negative log-likelihood of the true leaf (NLL), the expected calibration error of the best path's node
at each level (ECE, 15 bins of equal width), the accuracy of the best path and of level 1, and the
times of fit and of ``predict_proba`` over those without calibration. Several labels: AU(PRC), hF and
the Brier score of all nodes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline

from benchmarks import common, label_sets
from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.calibration import Isotonic, Sigmoid, Temperature, VennAbers
from sklhier.links import SoftmaxLink
from sklhier.metrics import hierarchical_f1_score

_TEXTS = ("clinc150", "newsgroups20", "trec", "womens_clothing", "naics2022")
_TABLES = ("imclef07a",)
_SETS = ("enron_corr", "imclef07d")
_FOLDERS = {"imclef07a": "imclef07", "imclef07d": "imclef07"}
_N_BINS = 15


class Weights(SoftmaxLink):
    """The softmax of 5 times the score, read as if it were a probability."""

    gives_probabilities = True


_CALIBRATIONS: dict[str, Any] = {
    "none": None,
    "temperature": Temperature(),
    "by level": Temperature(by="level"),
    "by node": Temperature(by="node"),
    "sigmoid": Sigmoid(),
    "isotonic": Isotonic(),
    "venn_abers": VennAbers(),
}
_BASES: dict[str, Callable[[], Any]] = {
    "default": lambda: None,
    "LinearSVC": common.linear_svc,
    "LogisticRegression": lambda: LogisticRegression(C=10, solver="newton-cg", max_iter=1000),
    "SGD": lambda: SGDClassifier(random_state=0),
    "forest": lambda: RandomForestClassifier(100, random_state=0),
    "HGB": lambda: HistGradientBoostingClassifier(max_iter=50, random_state=0),
}
_DEFAULT_BASES = ("default", "LinearSVC", "SGD", "forest", "HGB")


# -- one path -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """Samples with one path each, already split."""

    name: str
    X_train: Any
    y_train: np.ndarray
    X_test: Any
    y_test: np.ndarray
    taxonomy: Taxonomy


def _tasks(options: Any) -> Iterator[Task]:
    names = [name for name in options.data if name in _TEXTS]
    for data in common.load_texts(names, smoke=options.smoke):
        X_train, X_test = data.tfidf()
        yield Task(data.name, X_train, data.y_train, X_test, data.y_test, data.taxonomy)
    folder = common.data_folder() / "imclef07"
    for name in options.data:
        if name in _TABLES and common.is_there("imclef07"):
            parts = [pd.read_csv(folder / f"{name}_{part}.csv.gz") for part in ("train", "test")]
            tables = [part.iloc[:, :80].to_numpy(float) for part in parts]
            labels = [part["labels"].str.split(";").str[-1].to_numpy(dtype=str) for part in parts]
            step = slice(None, None, 20 if options.smoke else 1)
            taxonomy = common.read_hierarchy(folder / f"{name}_hierarchy.csv")
            rows = (tables[0][step], labels[0][step], tables[1][step], labels[1][step])
            yield Task(name, *rows, taxonomy)


def _some_rows(task: Task, n_rows: int | None) -> Task:
    n_all = len(task.y_train)
    if n_rows is None or n_rows >= n_all:
        return task
    rows = np.sort(np.random.default_rng(0).choice(n_all, n_rows, replace=False))
    return replace(task, X_train=task.X_train[rows], y_train=task.y_train[rows])


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return the mean distance of confidence and accuracy over bins of equal width."""
    bins = np.minimum((confidence * _N_BINS).astype(int), _N_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=_N_BINS)
    return float(np.abs(gaps).sum() / len(right))


def _by_level(model: Any, task: Task, node_proba: np.ndarray) -> dict[str, float]:
    """Return the ECE of each level, and the accuracy of the first, of the best paths."""
    taxonomy = task.taxonomy
    predicted, true = (taxonomy.ids(y) for y in (model.predict(task.X_test), task.y_test))
    above = taxonomy.ancestors_of
    found: dict[str, float] = {"leaf": float(np.mean(predicted == true))}
    for level in range(1, taxonomy.n_levels + 1):
        at_level = np.flatnonzero(taxonomy.depths == level)
        own, wanted = (above(ids)[:, at_level].toarray() for ids in (predicted, true))
        rows = np.flatnonzero(own.any(axis=1))
        columns = own[rows].argmax(axis=1)
        confidence = node_proba[rows, at_level[columns]]
        right = wanted[rows, columns]
        found[f"ECE {level}"] = expected_calibration_error(confidence, right)
        if level == 1:
            found["level 1"] = float(right.mean())
    return found


def _model(base: Any, task: Task, calibration: Any) -> HierarchicalClassifier:
    has_proba = base is None or hasattr(base, "predict_proba")
    link = None if has_proba or calibration is not None else Weights()
    base = None if base is None else clone(base)
    return HierarchicalClassifier(base, taxonomy=task.taxonomy, calibration=calibration, link=link)


def _features(task: Task, base: str) -> Task:
    """Return dense features for boosting, which takes no others."""
    if base != "HGB" or isinstance(task.X_train, np.ndarray):
        return task
    n_parts = min(100, task.X_train.shape[1] - 1, task.X_train.shape[0] - 1)
    parts = make_pipeline(TruncatedSVD(n_parts, random_state=0)).fit(task.X_train)
    X_train, X_test = parts.transform(task.X_train), parts.transform(task.X_test)
    return replace(task, X_train=X_train, X_test=X_test)


def _rows(task: Task, base: str, calibrations: list[str]) -> Iterator[dict[str, Any]]:
    task, first = _features(task, base), None
    for name in calibrations:
        model = _model(_BASES[base](), task, _CALIBRATIONS[name])
        _, fit_seconds = common.timed(lambda m=model: m.fit(task.X_train, task.y_train))
        proba, seconds = common.timed(lambda m=model: m.predict_proba(task.X_test))
        first = first or (fit_seconds, seconds)
        node_proba = model.predict_node_proba(task.X_test)
        known = np.isin(task.y_test, model.classes_)
        codes = np.searchsorted(model.classes_, task.y_test[known])
        own = proba[known][np.arange(len(codes)), codes]
        least = np.finfo(float).eps
        row = {"base": base, "calibration": name}
        row |= {"NLL": float(-np.log(np.maximum(own, least)).mean())}
        row |= _by_level(model, task, node_proba)
        ratios = (fit_seconds / first[0], seconds / first[1])
        yield row | {"fit ratio": ratios[0], "predict ratio": ratios[1]}


# -- several labels -----------------------------------------------------------------------


def _sets_rows(data: label_sets.Sets, calibrations: list[str]) -> Iterator[dict[str, Any]]:
    is_dense = isinstance(data.X_train, np.ndarray)
    bases = {
        "forest": RandomForestClassifier(50, min_samples_leaf=2, random_state=0),
        "LogisticRegression": LogisticRegression(C=1, max_iter=1000),
    }
    for base, estimator in bases.items():
        if base == "forest" and not is_dense:
            continue
        for name in calibrations:
            if name == "by level" or name == "by node":
                continue
            model = HierarchicalMultiLabelClassifier(
                clone(estimator),
                taxonomy=data.taxonomy,
                strategy="flat",
                calibration=_CALIBRATIONS[name],
            )
            _, fit_seconds = common.timed(lambda m=model: m.fit(data.X_train, data.Y_train))
            proba = model.predict_node_proba(data.X_test)[:, 1:]
            columns = data.parts["all"]
            true = data.Y_test[:, columns].toarray().astype(int)
            area = average_precision_score(true, proba[:, columns], average="micro")
            predicted = model.predict(data.X_test)
            yield {
                "base": base,
                "calibration": name,
                "AU(PRC)": float(area),
                "hF": hierarchical_f1_score(data.Y_test, predicted, taxonomy=data.taxonomy),
                "Brier": float(np.mean((true - proba[:, columns]) ** 2)),
                "tau": float(model.decoder_.tau),
                "fit s": fit_seconds,
            }


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--data", nargs="+", default=(*_TEXTS, *_TABLES, *_SETS), metavar="NAME")
    parser.add_argument("--bases", nargs="+", default=_DEFAULT_BASES, choices=list(_BASES))
    parser.add_argument("--calibrations", nargs="+", default=list(_CALIBRATIONS))
    parser.add_argument("--rows", type=int, help="train on so many rows at most, drawn at random")
    parser.add_argument(
        "--add", action="store_true", help="keep stored results of other data and bases"
    )
    options = parser.parse_args(arguments)
    results = _stored(options.rows) if options.add else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for task in _tasks(options):
            task = _some_rows(task, options.rows)
            for base in options.bases:
                if options.smoke and base in ("forest", "HGB"):
                    common.note(f"{task.name}: {base} left out")
                    continue
                common.note(f"{task.name}: {base}")
                rows = list(_rows(task, base, options.calibrations))
                results[f"{task.name}, {base}"] = rows
        generated = list(label_sets.generated())[:1] if options.smoke else []
        sets = [label_sets.load(name) for name in options.data if name in _SETS]
        for data in generated if options.smoke else filter(None, sets):
            common.note(f"{data.name}: several labels")
            results[f"{data.name}, several labels"] = list(_sets_rows(data, options.calibrations))
    folders = sorted({_FOLDERS.get(name, name) for name in options.data})
    common.report("calibration", results, options, data=folders, rows=options.rows)


def _stored(n_rows: int | None) -> dict[str, list[dict[str, Any]]]:
    """Return the results of earlier runs with as many rows."""
    stored = json.loads(common.results_path("calibration").read_text(encoding="utf-8"))
    before = stored.pop("environment")["rows"]
    if before != n_rows:
        raise ValueError(f"--add needs the --rows of the stored results, {before}, got {n_rows}.")
    tables: dict[str, list[dict[str, Any]]] = stored
    return tables


if __name__ == "__main__":
    main()
