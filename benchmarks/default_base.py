"""Which linear base ``estimator=None`` should stand for: texts, dense vectors, tables, label sets.

Every base learns from three rows of four of each training set and is scored on the fourth: the test
sets had no say in the choice. ``--test`` scores on the test sets instead. Tables come as they are, in
their own units, texts as TF-IDF and as 200 dense components of it. The strategy is per parent.
Where X is dense, the default is ScaledLogisticRegression. "margins times 5" is the default without
what it learns from rows that are left out.
``gap`` is the whole path, or F1 of sets, less that of LinearSVC, standardised where X is dense.
Seconds are CPU seconds of the fit.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from benchmarks import common, label_sets, tables
from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.linear_model import ScaledLinearClassifier, ScaledLogisticRegression
from sklhier.metrics import hierarchical_f1_score

TEXTS = (
    "trec", "clinc150", "womens_clothing", "newsgroups20", "naics2022", "onet_titles", "onet_tools",
)  # fmt: skip
DENSE = ("trec", "clinc150")
TABLES = ("imclef07a", "imclef07d", "anuran", "nsl_kdd")
SETS = (
    "medical_icd9", "chemical_exposure", "reuters21578", "onet_tasks", "goemotions", "imclef07d",
    "cellcycle_FUN", "seq_FUN", "cellcycle_GO",
)  # fmt: skip
BASES = (
    "LinearSVC", "the default", "margins times 5", "ScaledLogisticRegression",
    "LogisticRegression()", "SGD",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """Samples, labels, and which rows to learn from and to be scored on."""

    name: str
    X: Any
    y: Any
    taxonomy: Taxonomy
    train: np.ndarray
    test: np.ndarray


def _task(name: str, X: Any, y: Any, taxonomy: Taxonomy, n_train: int, options: Any) -> Task:
    train, test = np.arange(n_train), np.arange(n_train, X.shape[0])
    if not options.test:
        splitter = ShuffleSplit(n_splits=1, test_size=0.25, random_state=0)
        train, test = next(splitter.split(np.zeros(n_train)))
    step = 20 if options.smoke else 1
    return Task(name, X, y, taxonomy, train[::step], test[::step])


def _text(data: common.TextData, options: Any) -> Iterator[Task]:
    X_train, X_test = data.tfidf()
    X = sparse.csr_matrix(sparse.vstack([X_train, X_test]))
    y = np.concatenate([data.y_train, data.y_test])
    yield _task(data.name, X, y, data.taxonomy, len(data.y_train), options)
    if data.name in DENSE:
        reduce = make_pipeline(TruncatedSVD(200, random_state=0), Normalizer()).fit(X_train)
        dense = reduce.transform(X).astype(np.float32)
        yield _task(f"{data.name}, dense", dense, y, data.taxonomy, len(data.y_train), options)


def _imclef(axis: str, options: Any) -> Iterator[Task]:
    folder = common.data_folder() / "imclef07"
    parts = [pd.read_csv(folder / f"imclef07{axis}_{part}.csv.gz") for part in ("train", "test")]
    table = pd.concat(parts)
    y = table["labels"].str.split(";").str[-1].to_numpy(dtype=str)
    taxonomy = common.read_hierarchy(folder / f"imclef07{axis}_hierarchy.csv")
    X = table.iloc[:, :80].to_numpy(dtype=float)
    yield _task(f"imclef07{axis}", X, y, taxonomy, len(parts[0]), options)


def _nsl_kdd(options: Any) -> Iterator[Task]:
    """Read connections: counts of bytes up to 1e9 beside shares in [0, 1]; dense and sparse."""
    folder = common.data_folder() / "nsl_kdd"
    parts = [pd.read_csv(folder / f"{part}.csv.gz") for part in ("train", "test")]
    table = pd.concat(parts)
    encoder = make_column_transformer(
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_exclude=np.number),
        ),
        remainder="passthrough",
    )
    features = table.drop(columns=["difficulty", "category", "attack"])
    X = encoder.fit(features.iloc[: len(parts[0])]).transform(features)
    taxonomy, y = (
        common.read_hierarchy(folder / "hierarchy.csv"),
        table["attack"].to_numpy(dtype=str),
    )
    for name, container in (("nsl_kdd", np.asarray), ("nsl_kdd, sparse", sparse.csr_matrix)):
        yield _task(name, container(X), y, taxonomy, len(parts[0]), options)


def _anuran(options: Any) -> Iterator[Task]:
    """Read frog calls; all those of one recording are on one side, in the test as well."""
    folder = common.data_folder() / "anuran"
    table = pd.read_csv(folder / "anuran.csv.gz")
    X, y = table.filter(like="MFCCs").to_numpy(dtype=float), table["Species"].to_numpy(dtype=str)
    splitter = GroupShuffleSplit(1, test_size=0.3, random_state=0 if options.test else 1)
    train, test = next(splitter.split(X, y, table["RecordID"]))
    yield Task("anuran", X, y, common.read_hierarchy(folder / "hierarchy.csv"), train, test)


def _table(name: str, options: Any) -> Iterator[Task]:
    folder = name.rstrip("ad") if name.startswith("imclef") else name
    if not common.is_there(folder):
        common.note(f"{name}: not among the data sets (see SKLHIER_DATA in the README), skipped")
    elif folder == "imclef07":
        yield from _imclef(name[-1], options)
    else:
        yield from {"anuran": _anuran, "nsl_kdd": _nsl_kdd}[name](options)


def _sets(data: label_sets.Sets, options: Any) -> Task:
    is_sparse = sparse.issparse(data.X_train)
    stack = sparse.vstack if is_sparse else np.vstack
    X = stack([data.X_train, data.X_test])
    X = sparse.csr_matrix(X) if is_sparse else X
    Y = sparse.csr_array(sparse.vstack([data.Y_train, data.Y_test]))
    return _task(f"{data.name}, sets", X, Y, data.taxonomy, data.X_train.shape[0], options)


def tasks(options: Any) -> Iterator[Task]:
    if options.smoke:
        data = tables.generated()
        yield Task(data.name, data.X, data.y, data.taxonomy, *data.splits[0])
    for data in common.load_texts([n for n in options.data if n in TEXTS], smoke=options.smoke):
        yield from _text(data, options)
    for name in options.data:
        if name in TABLES:
            yield from _table(name, options)
        elif name.startswith("sets:"):
            found = label_sets.load(name.removeprefix("sets:"))
            if found is not None:
                yield _sets(found, options)


def _bases(task: Task) -> dict[str, Any]:
    svc: Any = LinearSVC(random_state=0)
    own: dict[str, Any] = {"the default": ScaledLinearClassifier()}
    if sparse.issparse(task.X):
        own["margins times 5"] = ScaledLinearClassifier(sharpness=5)
        own["ScaledLogisticRegression"] = ScaledLogisticRegression()
    else:
        svc = make_pipeline(StandardScaler(), svc)
    return {
        "LinearSVC": svc,
        **own,
        "LogisticRegression()": LogisticRegression(),
        "SGD": common.sgd_log_loss(),
    }


def _row(task: Task, base: Any) -> dict[str, Any]:
    has_sets = not isinstance(task.y, np.ndarray)
    kind = HierarchicalMultiLabelClassifier if has_sets else HierarchicalClassifier
    model = kind(base, taxonomy=task.taxonomy)
    y_train, y_test = task.y[task.train], task.y[task.test]
    names = {"classes": task.taxonomy.nodes[1:]} if has_sets else {}
    if has_sets:
        model.set_params(calibration=None, **names)  # what bases give by themselves
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, seconds = common.timed(lambda: model.fit(task.X[task.train], y_train))
    lost = sum(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    predicted = model.predict(task.X[task.test])
    if has_sets:
        found = {"hF": hierarchical_f1_score(y_test, predicted, taxonomy=task.taxonomy, **names)}
    else:
        quality = common.quality(y_test, predicted, task.taxonomy)
        found = {key: quality[key] for key in ("level 1", "leaf", "hF")}
    return found | {"fit s": seconds, "not converged": lost}


def _rows(task: Task, names: list[str]) -> Iterator[dict[str, Any]]:
    measure = "leaf" if isinstance(task.y, np.ndarray) else "hF"
    reference = None
    for name, base in _bases(task).items():
        if name not in names:
            continue
        common.note(f"{task.name}: {name}")
        row = _row(task, base)
        reference = row[measure] if reference is None else reference
        yield {"data": task.name, "base": name, "gap": row[measure] - reference} | row


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    names = [*TEXTS, *TABLES, *(f"sets:{name}" for name in SETS)]
    parser.add_argument("--data", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--bases", nargs="+", default=BASES, choices=BASES, metavar="NAME")
    parser.add_argument("--test", action="store_true", help="score on the test sets")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.data = [name for name in options.data if name in ("trec", "sets:medical_icd9")]
    results: dict[str, list[dict[str, Any]]] = {"single": [], "sets": []}
    for task in tasks(options):
        rows = list(_rows(task, options.bases))
        common.print_table(task.name, rows)  # a run takes long
        results["single" if isinstance(task.y, np.ndarray) else "sets"] += rows
    data = [name for name in options.data if name in TEXTS]
    common.report("default_base", results, options, data=data)


if __name__ == "__main__":
    main()
