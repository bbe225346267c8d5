"""The command ``python -m sklhier``: learn a hierarchy of texts, report, answer questions."""

from __future__ import annotations

import argparse
import csv
import gzip
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline

from sklhier import HierarchicalClassifier, Taxonomy, __version__, metrics
from sklhier.datasets import load_docstrings
from sklhier.exceptions import nearest_names, quoted
from sklhier.strategies import PerParent

__all__ = ["main"]

_QUESTIONS = (
    "solve a sparse linear system",
    "shortest path between two nodes of a graph",
    "draw random numbers from a normal distribution",
    "group similar samples into clusters",
)
_WIDTH = 30  # of the names of measures
_LONG_WORK = 20_000  # texts above which fitting reports its progress


class CommandError(Exception):
    """A mistake of the user, printed without a traceback."""


@dataclass(frozen=True)
class Corpus:
    """Texts with the labels of a taxonomy."""

    name: str
    texts: list[str]
    labels: np.ndarray[Any, Any]
    taxonomy: Taxonomy


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except CommandError as error:
        print(f"sklhier: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sklhier",
        description="Learn to classify texts into a hierarchy, compare with a flat classifier, and "
        "answer questions. Without FILE: the docstrings of numpy, scipy, scikit-learn and "
        "networkx as installed.",
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="CSV or TSV file, .gz too")
    parser.add_argument("--text", nargs="+", metavar="COLUMN", help="columns that hold the text")
    parser.add_argument(
        "--levels", nargs="+", metavar="COLUMN", help="columns of the labels, the top level first"
    )
    parser.add_argument(
        "--no-quotes", action="store_true", help="quotation marks in FILE have no meaning"
    )
    parser.add_argument("--ask", nargs="+", metavar="TEXT", help="texts to classify")
    parser.add_argument(
        "--test-size", type=float, default=0.2, metavar="SHARE",
        help="share of the texts to test on (default: 0.2)",
    )  # fmt: skip
    parser.add_argument("--out", metavar="MODEL", help="save the model, learnt from all texts")
    parser.add_argument(
        "--model", metavar="MODEL", help="ask a model saved by --out, from a source you trust"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="nodes learnt at the same time")
    parser.add_argument("--version", action="version", version=f"sklhier {__version__}")
    return parser


def _run(options: argparse.Namespace) -> None:
    _check(options)
    if options.model:
        _answer(_loaded(options.model), options.ask)
        return
    corpus = _read(options)
    pipeline = _pipeline(corpus.taxonomy, len(corpus.texts), options.jobs)
    _say(f"{corpus.name}: {len(corpus.texts):,} texts, {_extent(corpus)}")
    if options.ask is None:
        _compare(corpus, pipeline, options.test_size)
    if options.out or options.ask or not options.file:
        started = time.perf_counter()
        model = pipeline.fit(corpus.texts, corpus.labels)
        _say(f"\nLearnt from all {len(corpus.texts):,} texts in {_seconds(started)}.")
        if options.out:
            joblib.dump(model, options.out)
            _say(f'Saved to {options.out}; ask it by: --model {options.out} --ask "..."')
        if options.ask or not options.file:
            _answer(model, options.ask or _QUESTIONS)


def _check(options: argparse.Namespace) -> None:
    if options.model and (options.file or options.out):
        raise CommandError("--model asks a saved model: it goes with --ask alone.")
    if options.model and not options.ask:
        raise CommandError('--model needs a question: --ask "..."')
    if options.file and not (options.text and options.levels):
        raise CommandError(
            "With a file, name its columns: --text COLUMN --levels TOP NEXT ... "
            f"The first line of {options.file} says: {quoted(_header(options), 20)}."
        )
    if not options.file and (options.text or options.levels):
        raise CommandError("--text and --levels name the columns of a file: give the file, too.")
    if not 0 < options.test_size < 1:
        raise CommandError(f"--test-size must be between 0 and 1, got {options.test_size}.")


def _say(text: str) -> None:
    print(text, flush=True)


def _counted(number: int, thing: str) -> str:
    plural = "es" if thing.endswith("s") else "s"
    return f"{number:,} {thing}{'' if number == 1 else plural}"


def _seconds(started: float) -> str:
    return f"{time.perf_counter() - started:.1f} s"


# -- reading ------------------------------------------------------------------------------


def _read(options: argparse.Namespace) -> Corpus:
    if not options.file:
        _say("Gathering docstrings ...")
        bunch = load_docstrings()
        name = "Docstrings of numpy, scipy, scikit-learn and networkx"
        return Corpus(name, bunch.data, bunch.target, bunch.taxonomy)
    header, rows = _table(options)
    text, levels = (_positions(header, names) for names in (options.text, options.levels))
    paths = [[row[column].strip() for column in levels] for row in rows]
    labelled = [path[0] != "" for path in paths]
    lost = labelled.count(False)
    if lost:
        _say(
            f"Left out, without a {options.levels[0]!r}: {_counted(lost, 'row')} of {len(rows):,}."
        )
    paths = [path for path, known in zip(paths, labelled, strict=True) if known]
    texts = [
        " ".join(row[column] for column in text)
        for row, known in zip(rows, labelled, strict=True)
        if known
    ]
    if not paths:
        raise CommandError(f"{options.file} has no row with a label.")
    if not any(re.search(r"\w\w", text) for text in texts):
        raise CommandError(f"{quoted(options.text)} of {options.file} holds no words.")
    try:
        labels, taxonomy = Taxonomy.from_levels(paths, sep=" / ")
    except ValueError as error:
        raise CommandError(f"{options.file}: {error}") from error
    if len(set(labels.tolist())) < 2:
        raise CommandError(
            f"All rows of {options.file} have the label {str(labels[0])!r}: there is nothing to "
            "tell apart. Name other --levels."
        )
    return Corpus(Path(options.file).name, texts, labels, taxonomy)


def _open(options: argparse.Namespace) -> TextIO:
    path = Path(options.file)
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        opener = gzip.open if packed else open
        return opener(path, "rt", encoding="utf-8-sig", newline="")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}.") from error


def _reader(options: argparse.Namespace, opened: TextIO) -> Any:
    """Return a csv reader; the first line tells whether commas, tabs or semicolons separate."""
    first = opened.readline()
    opened.seek(0)
    delimiter = max(",\t;", key=first.count)
    quoting: Any = csv.QUOTE_NONE if options.no_quotes else csv.QUOTE_MINIMAL
    csv.field_size_limit(2**31 - 1)
    return csv.reader(opened, delimiter=delimiter, quoting=quoting)


def _header(options: argparse.Namespace) -> list[str]:
    with _open(options) as opened:
        return next(_reader(options, opened), [])


def _table(options: argparse.Namespace) -> tuple[list[str], list[list[str]]]:
    with _open(options) as opened:
        reader = _reader(options, opened)
        try:
            header: list[str] = next(reader, [])
            rows = [row for row in reader if row]
        except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
            raise CommandError(f"{options.file}, line {reader.line_num}: {error}.") from error
    if not header or not rows:
        raise CommandError(f"{options.file} is empty: a header and at least two rows are needed.")
    for number, row in enumerate(rows, start=1):
        swallowed = not options.no_quotes and any("\n" in cell and "\t" in cell for cell in row)
        if len(row) != len(header) or swallowed:
            raise CommandError(
                f"Row {number} of {options.file} has {len(row)} fields, the header has "
                f"{len(header)}. If quotation marks are just text in this file, add --no-quotes."
            )
    return header, rows


def _positions(header: list[str], names: Sequence[str]) -> list[int]:
    for name in names:
        if name not in header:
            near = nearest_names(name, header)
            hint = f" Did you mean {quoted(near)}?" if near else ""
            raise CommandError(
                f"There is no column {name!r}: there are {quoted(header, 20)}.{hint}"
            )
    return [header.index(name) for name in names]


def _loaded(path: str) -> Any:
    if not Path(path).is_file():
        raise CommandError(f"There is no model {path}; save one with --out.")
    return joblib.load(path)


# -- learning and reporting ---------------------------------------------------------------


def _pipeline(taxonomy: Taxonomy, n_texts: int, n_jobs: int | None) -> Pipeline:
    base = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)
    classifier = HierarchicalClassifier(
        base,
        taxonomy=taxonomy,
        strategy=PerParent(stop="learn"),
        n_jobs=n_jobs,
        verbose=int(n_texts > _LONG_WORK),
    )
    return make_pipeline(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), classifier)


def _extent(corpus: Corpus) -> str:
    n_classes = len(set(corpus.labels.tolist()))
    return f"{_counted(n_classes, 'class')}, {_counted(corpus.taxonomy.n_levels, 'level')}"


def _split(corpus: Corpus, test_size: float) -> list[Any]:
    """Split at random, each class, or at least each top node, in the same proportion."""
    tops = corpus.taxonomy.to_levels(corpus.labels)[:, 0]
    n_test = round(test_size * len(corpus.texts))
    for strata in (corpus.labels, tops.astype(str), None):
        if strata is None:
            break
        counts = np.unique(strata, return_counts=True)[1]
        if counts.min() >= 2 and len(counts) <= min(n_test, len(corpus.texts) - n_test):
            break
    try:
        return list(
            train_test_split(
                corpus.texts, corpus.labels, test_size=test_size, random_state=0, stratify=strata
            )
        )
    except ValueError as error:
        raise CommandError(f"The texts cannot be split: {error}") from error


def _compare(corpus: Corpus, pipeline: Pipeline, test_size: float) -> None:
    train, test, y_train, y_test = _split(corpus, test_size)
    if len(set(y_train.tolist())) < 2:
        raise CommandError(
            "The training part has a single class. Give more rows, or a smaller --test-size."
        )
    _say(f"Learning from {len(train):,}, testing on the other {len(test):,}.")
    new = set(y_test.tolist()) - set(y_train.tolist())
    if new:
        _say(f"{_counted(len(new), 'class')} only in the test part: no model can get that right.")
    vectorizer, classifier = (clone(step) for _, step in pipeline.steps)
    started = time.perf_counter()
    X_train, X_test = vectorizer.fit_transform(train), vectorizer.transform(test)
    _say(f"Words and pairs of words: {X_train.shape[1]:,} ({_seconds(started)})")
    columns: dict[str, dict[str, str]] = {}
    predictions = {}
    for name, strategy in (("hierarchical", PerParent(stop="learn")), ("flat", "flat")):
        model = clone(classifier).set_params(strategy=strategy)
        started = time.perf_counter()
        model.fit(X_train, y_train)
        fitted = time.perf_counter()
        predicted = predictions[name] = model.predict(X_test)
        asked = time.perf_counter()
        columns[name] = _measures(corpus.taxonomy, y_test, predicted) | {
            "seconds to learn": f"{fitted - started:.2f}",
            "seconds to predict": f"{asked - fitted:.3f}",
        }
        _say(f"Learnt the {name} model in {fitted - started:.1f} s")
    _say("\n" + " " * _WIDTH + "".join(name.rjust(14) for name in columns))
    for measure in columns["flat"]:
        _say(measure.ljust(_WIDTH) + "".join(c[measure].rjust(14) for c in columns.values()))
    report = metrics.hierarchical_classification_report(
        y_test, predictions["hierarchical"], taxonomy=corpus.taxonomy, max_depth=1
    )
    _say(f"\nThe hierarchical model in detail, first level:\n\n{report}")


def _measures(
    taxonomy: Taxonomy, true: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any]
) -> dict[str, str]:
    levels = metrics.level_accuracy_scores(true, predicted, taxonomy=taxonomy)
    accuracies = {f"accuracy at level {k}": value for k, value in enumerate(levels, start=1)}
    values = accuracies | {
        "accuracy of the whole path": float(np.mean(true == predicted)),
        "hierarchical F1": metrics.hierarchical_f1_score(true, predicted, taxonomy=taxonomy),
    }
    return {name: f"{value:.3f}" for name, value in values.items()}


def _answer(model: Pipeline, questions: Sequence[str]) -> None:
    """Print the path of each question with the probability at each level."""
    X = model[:-1].transform(list(questions))
    classifier = model[-1]
    node_proba = classifier.predict_node_proba(X)
    answers = classifier.taxonomy_.ids(classifier.predict(X).tolist())
    paths = classifier.taxonomy_.path_ids(answers)
    for row, question in enumerate(questions):
        steps = [
            f"{classifier.taxonomy_.step_names[node]} ({node_proba[row, node]:.2f})"
            for node in paths[row]
            if node > 0
        ]
        _say(f"\n  {question}\n    -> {' / '.join(steps)}")
