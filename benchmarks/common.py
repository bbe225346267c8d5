"""What all benchmarks share: timing, memory, results, and the real data sets."""

from __future__ import annotations

import argparse
import csv
import ctypes
import gc
import gzip
import json
import multiprocessing
import os
import pickle
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.svm import LinearSVC

import sklhier
from sklhier import Taxonomy
from sklhier.datasets import make_hierarchical_text
from sklhier.metrics import hierarchical_f1_score, level_accuracy_scores

CHECKOUT = Path(__file__).resolve().parent.parent
_RESULTS = CHECKOUT / "benchmarks" / "results"
_BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024

Row = Mapping[str, Any]

# -- base estimators ----------------------------------------------------------------------


def linear_svc() -> LinearSVC:
    # The solver visits rows in random order: without a seed two fits differ in the last digits.
    return LinearSVC(random_state=0)


def logistic_regression() -> LogisticRegression:
    # On the TF-IDF matrices used here newton-cg takes 0.2 to 0.7 times the time of lbfgs, and at
    # the same `tol` ends closer to the optimum.
    return LogisticRegression(C=30, solver="newton-cg", max_iter=1000)


def sgd_log_loss() -> SGDClassifier:
    # Logistic regression by stochastic gradients: probabilities at the price of LinearSVC.
    return SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)


class Idle(ClassifierMixin, BaseEstimator):
    """Learns nothing: uniform probabilities, always the first class."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: ARG002
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.full((X.shape[0], len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X: Any) -> np.ndarray:
        return np.repeat(self.classes_[:1], X.shape[0])


# -- time ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timing:
    """CPU seconds of some repetitions of the same call."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.seconds))

    def over(self, other: Timing, name: str) -> dict[str, float]:
        """Return columns of the ratio to another side.

        Those of each repetition: median, smallest, largest; and that of the fastest repetitions,
        which suffer least from whatever else the machine does.
        """
        ratios = np.array(self.seconds) / np.array(other.seconds)
        return {
            name: float(np.median(ratios)),
            f"{name} min": float(ratios.min()),
            f"{name} max": float(ratios.max()),
            f"{name} fastest": min(self.seconds) / min(other.seconds),
        }


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call returns, and the CPU seconds it took in this process."""
    gc.collect()
    started = time.process_time()
    value = call()
    return value, time.process_time() - started


def interleaved(
    sides: Mapping[str, Callable[[], Any]], repetitions: int
) -> tuple[dict[str, Any], dict[str, Timing]]:
    """Time callables in turns (A B A B ...), so that drifts of the machine hit all alike.

    Returns
    -------
    values : dict
        What each side returned the last time.
    timings : dict of Timing
    """
    values: dict[str, Any] = {}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repetitions):
        for name, call in sides.items():
            values[name] = None  # the value of the last repetition is not needed any more
            values[name], taken = timed(call)
            seconds[name].append(taken)
    return values, {name: Timing(tuple(taken)) for name, taken in seconds.items()}


# -- memory -------------------------------------------------------------------------------


def peak_memory_mb() -> float:
    """Return the largest resident size that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES_PER_MAXRSS / 2**20


def _give_back_free_memory() -> None:
    """Let glibc return what was freed: a fork would use it again, and seem to need less."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _send_growth(call: Callable[[], Any], connection: Any) -> None:
    before = peak_memory_mb()
    value = call()  # bound to a name: alive until the peak is read
    connection.send(peak_memory_mb() - before)
    del value


def peak_growth_mb(call: Callable[[], Any]) -> float:
    """Return by how much a call raises the peak memory of a fresh fork of this process."""
    gc.collect()
    _give_back_free_memory()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_growth, args=(call, sender))
    process.start()
    sender.close()
    growth = receiver.recv()  # an EOFError if the call failed
    process.join()
    return float(growth)


class _CountingSink:
    def __init__(self) -> None:
        self.n_bytes = 0

    def write(self, chunk: Any) -> int:
        size = memoryview(chunk).nbytes
        self.n_bytes += size
        return size


def pickled_mb(model: Any) -> float:
    """Return the size of a pickle, without keeping it."""
    sink = _CountingSink()
    pickle.Pickler(sink, protocol=5).dump(model)
    return sink.n_bytes / 2**20


# -- results ------------------------------------------------------------------------------


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def environment() -> dict[str, Any]:
    """Return versions and the kind of machine."""
    return {
        "sklhier": sklhier.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": 1,
    }


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _lines(rows: Sequence[Row]) -> str:
    rounded = [{key: _rounded(value) for key, value in row.items()} for row in rows]
    return "[\n  " + ",\n  ".join(map(json.dumps, rounded)) + "\n ]"


def results_path(name: str) -> Path:
    return _RESULTS / f"{name}.json"


def write_results(name: str, tables: Mapping[str, Sequence[Row]], **more: Any) -> None:
    """Write tables and the environment to ``results/<name>.json``, one line for each row."""
    parts = {"environment": json.dumps(environment() | more)}
    parts |= {title: _lines(rows) for title, rows in tables.items()}
    text = ",\n ".join(f"{json.dumps(title)}: {part}" for title, part in parts.items())
    _RESULTS.mkdir(exist_ok=True)
    results_path(name).write_text(f"{{\n {text}\n}}\n", encoding="utf-8")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def print_table(title: str, rows: Sequence[Row]) -> None:
    """Print rows as a Markdown table; its columns are those of all rows, in order."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    print(f"\n### {title}\n")
    print("| " + " | ".join(columns) + " |")
    print("|" + " --- |" * len(columns))
    for row in rows:
        print("| " + " | ".join(_cell(row.get(column)) for column in columns) + " |")
    sys.stdout.flush()


def report(
    name: str,
    tables: Mapping[str, Sequence[Row]],
    options: argparse.Namespace,
    *,
    data: Iterable[str] = (),
    **more: Any,
) -> None:
    """Print all tables; write them if the run was a real one and all data sets were there."""
    for title, rows in tables.items():
        print_table(title, rows)
    if options.smoke or options.print_only:
        return
    if not all(map(is_there, data)):
        note("results not written: some data sets are missing")
        return
    write_results(name, tables, peak_memory_mb=round(peak_memory_mb()), **more)


def note(message: str) -> None:
    """Tell on the standard error how far a script is."""
    print(message, file=sys.stderr, flush=True)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with what all scripts understand."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--smoke", action="store_true", help="tiny data, once: does it run?")
    result.add_argument("--print-only", action="store_true", help="leave the results file alone")
    return result


def quality(y_true: Any, y_pred: Any, taxonomy: Taxonomy) -> dict[str, float]:
    """Return leaf accuracy, micro hF and the accuracy of each level."""
    levels = level_accuracy_scores(y_true, y_pred, taxonomy=taxonomy)
    return {
        "leaf": float(np.mean(y_true == y_pred)),
        "hF": hierarchical_f1_score(y_true, y_pred, taxonomy=taxonomy),
    } | {f"level {k}": float(score) for k, score in enumerate(levels, start=1)}


# -- real data sets -----------------------------------------------------------------------


def vectorizer() -> TfidfVectorizer:
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)


STAND_IN = "stand-in"  # generated texts, for smoke runs where there are no data


@dataclass(frozen=True)
class TextData:
    """Texts with one label each, already split."""

    name: str
    train_texts: list[str]
    y_train: np.ndarray
    test_texts: list[str]
    y_test: np.ndarray
    taxonomy: Taxonomy

    def sample(self, n_train: int, n_test: int) -> TextData:
        """Return every n-th row, so that about as many are left."""
        train = slice(None, None, max(1, len(self.y_train) // n_train))
        test = slice(None, None, max(1, len(self.y_test) // n_test))
        return replace(
            self,
            train_texts=self.train_texts[train],
            y_train=self.y_train[train],
            test_texts=self.test_texts[test],
            y_test=self.y_test[test],
        )

    def tfidf(self) -> tuple[Any, Any]:
        """Return the TF-IDF matrices of words and pairs of words, for training and test."""
        of_words = vectorizer()
        return of_words.fit_transform(self.train_texts), of_words.transform(self.test_texts)


# How a record of each data set becomes a text and a label; None leaves the record out.
_READERS: dict[str, Callable[[dict[str, str]], tuple[str, str] | None]] = {
    "clinc150": lambda record: (
        None if record["intent"] == "oos" else (record["text"], record["intent"])
    ),
    "naics2022": lambda record: (record["text"], record["code"]),
    "newsgroups20": lambda record: (f"{record['subject']} {record['body']}", record["group"]),
    "onet_titles": lambda record: (
        None if ";" in record["codes"] else (record["title"], record["codes"])
    ),
    "onet_tools": lambda record: (record["text"], record["commodity"]),
    "womens_clothing": lambda record: (
        f"{record['title']} {record['text']}",
        f"{record['department']}/{record['class']}",
    ),
    "trec": lambda record: (record["text"], record["fine"]),
}


def data_folder() -> Path:
    """Return where the real data sets are."""
    return Path(os.environ.get("SKLHIER_DATA", CHECKOUT.parent / "shared" / "data"))


def is_there(name: str) -> bool:
    return (data_folder() / name).is_dir()


def records(path: Path) -> Iterator[dict[str, str]]:
    """Read tab-separated records without quoting, after a header line."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        header = next(lines).rstrip("\n").split("\t")
        for line in lines:
            yield dict(zip(header, line.rstrip("\n").split("\t"), strict=True))


def _split(path: Path, name: str) -> tuple[list[str], np.ndarray]:
    pairs = [pair for pair in map(_READERS[name], records(path)) if pair is not None]
    return [text for text, _ in pairs], np.array([label for _, label in pairs])


def read_hierarchy(path: Path) -> Taxonomy:
    """Read edges of a tree below ``root``."""
    with path.open(encoding="utf-8", newline="") as lines:
        edges = sorted((row["parent"], row["child"]) for row in csv.DictReader(lines))
    return Taxonomy.from_edges(edges, root="root")


def _generated() -> TextData:
    texts, labels, taxonomy = make_hierarchical_text(
        900, branching=(3, 4), topic_share=0.15, output="text", random_state=0
    )
    return TextData(STAND_IN, texts[:600], labels[:600], texts[600:], labels[600:], taxonomy)


def load_text(name: str) -> TextData | None:
    """Load a data set, or say that it is not there and return None."""
    if name == STAND_IN:
        return _generated()
    folder = data_folder() / name
    if not is_there(name):
        note(f"{name}: not among the data sets (see SKLHIER_DATA in the README), skipped")
        return None
    train_texts, y_train = _split(folder / "train.tsv.gz", name)
    test_texts, y_test = _split(folder / "test.tsv.gz", name)
    taxonomy = read_hierarchy(folder / "hierarchy.csv")
    return TextData(name, train_texts, y_train, test_texts, y_test, taxonomy)


def load_texts(names: Iterable[str], *, smoke: bool = False) -> Iterator[TextData]:
    """Yield the data sets that are there; in a smoke run few rows, and generated texts as well."""
    if smoke:
        names = [*names, STAND_IN]
    for name in names:
        data = load_text(name)
        if data is not None:
            yield data.sample(400, 200) if smoke else data
