"""``sklhier predict``: a table in, a table with answers out, chunk by chunk."""

from __future__ import annotations

import csv
import gzip
import io
import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import PurePath
from typing import Any, TextIO

from sklhier import Taxonomy
from sklhier._cli.answers import Ranked, answer, answers_of, set_answers_of
from sklhier._cli.columns import Columns, features
from sklhier._cli.console import Output, UsageError, counted, listed, note
from sklhier._cli.files import STREAM, check_output, replacing
from sklhier._cli.models import classifier_of, columns_of, gives_sets, load
from sklhier._cli.tables import BadRows, Row, Source, open_table, positions
from sklhier._cli.walks import Walker, shown_names

__all__ = ["columns_in", "run", "source_of"]

_CHUNK = 2_000  # rows that are answered at a time, at the most
_NUMBERS = 20_000_000  # probabilities that are in memory at a time
_DIGITS = 6
_FORMS = (".csv", ".tsv", ".jsonl")

Cell = str | float | None
# The names of the columns of answers, and what gives the answers to samples.
Answering = tuple[list[str], Callable[[Any], list[list[Cell]]]]


def run(options: Namespace) -> None:
    """Answer typed questions, or the rows of a table."""
    if options.top_k < 0:
        raise UsageError(f"--top-k must be at least 0, got {options.top_k}.")
    if bool(options.ask) == bool(options.file):
        raise UsageError('predict needs a table, or questions: FILE, or --ask "...".')
    if options.out and options.out != STREAM:
        check_output("--out", options.out, [options.file, options.model])
        _form_of(options.out)
    model = load(options)
    if options.ask:
        answer(model, options.ask)
        return
    _predict_table(options, model, columns_in(options, model), source_of(options, options.file))


def source_of(options: Namespace, path: str) -> Source:
    """Return how a table is to be read."""
    return Source(path, options.encoding, options.delimiter, quotes=not options.no_quotes)


def columns_in(options: Namespace, model: Any) -> Columns:
    """Return the columns that a model needs, by their names in the file at hand."""
    known = columns_of(model)
    given = {kind: getattr(options, kind) for kind in ("text", "numeric", "categorical")}
    if known is None:
        if not options.text or options.numeric or options.categorical:
            raise UsageError(
                f"{options.model} does not say which columns it was trained on: name its column of "
                "texts with --text COLUMN."
            )
        known = Columns(text=tuple(options.text))
    return known.renamed(**given)


def _predict_table(options: Namespace, model: Any, columns: Columns, source: Source) -> None:
    bad = BadRows(source.name)
    with open_table(source, bad) as table:
        kept_names = list(table.header) if options.keep else list(options.id or ())
        kept = positions(table.header, kept_names, source.name)
        for names in (columns.text, columns.numeric, columns.categorical):
            positions(table.header, names, source.name)
        answers, answered = _answering(options, model, columns)
        twice = sorted({name for name in kept_names if name in answers})
        if twice:
            raise UsageError(
                f"{source.name} has columns with the names of answers: {listed(twice)}. Rename "
                "them, or choose the columns to keep with --id."
            )
        n_rows = 0
        with _writer(options.out, [*kept_names, *answers]) as write:
            for chunk in _chunks(table.rows, _chunk_rows(classifier_of(model).taxonomy_)):
                if bad and not options.skip_bad_rows:
                    continue  # only to name all bad rows
                rows, X = features(columns, table.header, chunk, bad)
                if rows and not (bad and not options.skip_bad_rows):
                    for row, cells in zip(rows, answered(X), strict=True):
                        write([*(row.cells[i] for i in kept), *cells])
                    n_rows += len(rows)
            bad.settle(skip=options.skip_bad_rows)
    if options.out and options.out != STREAM:
        note(f"{counted(n_rows, 'row')} written to {options.out}.")


def _chunks(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, size)):
        yield chunk


def _chunk_rows(taxonomy: Taxonomy) -> int:
    return max(1, min(_CHUNK, _NUMBERS // taxonomy.n_nodes))


# -- answers as cells ---------------------------------------------------------------------


def _answering(options: Namespace, model: Any, columns: Columns) -> Answering:
    if gives_sets(model):
        return _answering_sets(options, model, columns)
    return _answering_paths(options, model, columns)


def _answering_paths(options: Namespace, model: Any, columns: Columns) -> Answering:
    taxonomy = classifier_of(model).taxonomy_
    walker = Walker(taxonomy)
    knows = _knows_probabilities(model)
    by_level = options.form == "levels" or (options.form is None and bool(columns.levels))
    levels = list(columns.levels[: taxonomy.n_levels])
    levels += [f"level_{k}" for k in range(len(levels) + 1, taxonomy.n_levels + 1)]
    names = [f"predicted_{level}" for level in levels] if by_level else ["predicted_path"]
    names += [f"proba_{level}" for level in levels] if knows else []
    names += _top_names(options.top_k, knows=knows)

    def answered(X: Any) -> list[list[Cell]]:
        found = answers_of(model, walker, X, options.top_k)
        rows: list[list[Cell]] = []
        for i, path in enumerate(found.paths):
            cells: list[Cell] = [*shown_names(taxonomy, path)] if by_level else []
            cells += [None] * (len(levels) - len(path)) if by_level else [
                _path_text(taxonomy, found.nodes[i])
            ]  # fmt: skip
            if found.proba is not None:
                cells += [*found.proba[i], *[None] * (len(levels) - len(path))]
            if options.top_k:
                cells += _top_cells(taxonomy, found.top[i], options.top_k, knows=knows)
            rows.append(cells)
        return rows

    return names, answered


def _answering_sets(options: Namespace, model: Any, columns: Columns) -> Answering:
    taxonomy = classifier_of(model).taxonomy_
    knows = _knows_probabilities(model)
    sep = columns.label_sep or ";"
    names = ["predicted_labels", *(["proba_labels"] if knows else [])]
    names += _top_names(options.top_k, knows=knows)

    def answered(X: Any) -> list[list[Cell]]:
        found = set_answers_of(model, X, options.top_k)
        rows: list[list[Cell]] = []
        for i, labels in enumerate(found.labels):
            cells: list[Cell] = [sep.join(_path_text(taxonomy, node) or "" for node, _ in labels)]
            if knows:
                cells.append(sep.join(_number(proba) for _, proba in labels))
            if options.top_k:
                cells += _top_cells(taxonomy, found.top[i], options.top_k, knows=knows)
            rows.append(cells)
        return rows

    return names, answered


def _knows_probabilities(model: Any) -> bool:
    knows = hasattr(classifier_of(model), "predict_node_proba")
    if not knows:
        note("note: the base estimator has no probabilities, so the answers have none.")
    return knows


def _path_text(taxonomy: Taxonomy, node: int) -> str | None:
    """Return a path by which a node is found again: its name."""
    return str(taxonomy.nodes[node]) if node else None


def _top_names(top_k: int, *, knows: bool) -> list[str]:
    kinds = ("top", "proba_top") if knows else ("top",)
    return [f"{kind}_{k}" for k in range(1, top_k + 1) for kind in kinds]


def _top_cells(taxonomy: Taxonomy, top: Ranked, top_k: int, *, knows: bool) -> list[Cell]:
    cells: list[Cell] = []
    for node, proba in top:
        cells += [_path_text(taxonomy, node), proba] if knows else [_path_text(taxonomy, node)]
    return cells + [None] * ((1 + knows) * top_k - len(cells))


# -- writing ------------------------------------------------------------------------------


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.{_DIGITS}g}"


def _form_of(path: str | None) -> str:
    """Return the kind of table that a file name asks for."""
    if path in (None, STREAM):
        return ".csv"
    suffixes = [suffix.lower() for suffix in PurePath(str(path)).suffixes]
    form = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] == ".gz" else "".join(suffixes[-1:])
    if form not in _FORMS and not str(path).startswith("/dev/"):
        raise UsageError(
            f"--out must end in {', '.join(_FORMS)}, or in one of them and .gz, got {path}."
        )
    return form if form in _FORMS else ".csv"


@contextmanager
def _writer(path: str | None, names: Sequence[str]) -> Iterator[Callable[[list[Cell]], None]]:
    """Give a function that writes a row; a file appears when all are written."""
    form = _form_of(path)
    if path is None or path == STREAM:
        output = Output()
        yield _row_writer(output, form, names)
        output.flush()
        return
    with replacing(path) as part, part.open("wb") as raw:
        if path.lower().endswith(".gz"):
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
                yield from _text_writer(packed, form, names)
        else:
            yield from _text_writer(raw, form, names)


def _text_writer(
    raw: Any, form: str, names: Sequence[str]
) -> Iterator[Callable[[list[Cell]], None]]:
    stream = io.TextIOWrapper(raw, encoding="utf-8", newline="", write_through=True)
    yield _row_writer(stream, form, names)
    stream.flush()
    stream.detach()


def _row_writer(
    stream: TextIO | Output, form: str, names: Sequence[str]
) -> Callable[[list[Cell]], None]:
    if form == ".jsonl":

        def write_json(cells: list[Cell]) -> None:
            rounded = [round(c, _DIGITS) if isinstance(c, float) else c for c in cells]
            record = dict(zip(names, rounded, strict=True))
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")

        return write_json
    writer = csv.writer(stream, delimiter="\t" if form == ".tsv" else ",", lineterminator="\n")
    writer.writerow(names)

    def write(cells: list[Cell]) -> None:
        writer.writerow([_number(c) if isinstance(c, float) else c for c in cells])

    return write
