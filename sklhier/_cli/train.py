"""``sklhier train``: from a table to a saved model."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import numpy as np

from sklhier import Taxonomy
from sklhier._cli.answers import answer
from sklhier._cli.columns import Columns, LabelReader, Samples, read_samples
from sklhier._cli.console import CommandError, UsageError, counted, did_you_mean, listed, say
from sklhier._cli.files import STREAM, check_output
from sklhier._cli.labels import with_taxonomy
from sklhier._cli.models import DECODERS, SET_DECODERS, check_format, new_model, save
from sklhier._cli.predict import source_of
from sklhier._cli.tables import BadRows, open_table
from sklhier._cli.taxonomies import read_taxonomy
from sklhier._cli.training import Corpus, compare, fitted, split
from sklhier._cli.walks import Walker

__all__ = ["check_common", "check_decoder", "run"]


def run(options: Namespace) -> None:
    """Read a table, compare with a flat model, save what was learnt from all rows."""
    form = check_common(options)
    columns = _columns(options)
    share, test_file = _test_part(options.test)
    for path in (options.taxonomy, test_file):
        if path is not None and options.out:
            check_output("--out", options.out, [path])
    taxonomy = read_taxonomy(options, options.taxonomy) if options.taxonomy else None
    reader = LabelReader(columns, None if taxonomy is None else Walker(taxonomy))
    samples = _read(options, options.file, reader)
    tests = None if test_file is None else _read(options, test_file, reader)
    corpus = _corpus(options, columns, [samples] if tests is None else [samples, tests], taxonomy)
    rows = np.arange(len(corpus))
    model = new_model(options, columns, corpus.labels.taxonomy, corpus.X)
    say(f"{options.file}: {counted(len(samples), 'row')}, {corpus.extent}")
    if tests is not None:
        parts: Sequence[Any] = [rows[: len(samples)], rows[len(samples) :]]
        compare(corpus, model, parts, with_flat=not options.no_flat)
    elif share and not options.ask:
        parts = split(corpus, share, options.seed)
        compare(corpus, model, parts, with_flat=not options.no_flat)
    if not (options.out or options.ask):
        say("\nNothing is saved. Add --out MODEL.skops to save a model fitted to all rows.")
        return
    model = fitted(corpus, model)
    if options.out:
        save(model, options.out, form)
        pickled = " --allow-pickle" if form == "joblib" else ""
        say(
            f"Saved to {options.out}. Next: python -m sklhier predict FILE --model "
            f"{options.out}{pickled}"
        )
    if options.ask:
        answer(model, options.ask)


def check_common(options: Namespace) -> str:
    """Raise a UsageError for options that cannot be right; return the format of the model."""
    if options.jobs == 0:
        raise UsageError("--jobs must be a number of workers, or -1 for all cores, got 0.")
    if not 0 <= options.seed < 2**32:
        raise UsageError(f"--seed must be in [0, 2**32), got {options.seed}.")
    if not options.out:
        return ""
    if options.out == STREAM:
        raise UsageError("--out must name a file: a model is not written to standard output.")
    check_output("--out", options.out, [options.file])
    return check_format(options.out, options.format)


def check_decoder(options: Namespace, *, has_sets: bool) -> None:
    """Raise a UsageError for a decoder that does not go with the labels or the base estimator."""
    name, decoders = options.decoder, SET_DECODERS if has_sets else DECODERS
    if name is not None and name not in decoders:
        kind = "several labels" if has_sets else "one label"
        raise UsageError(
            f"--decoder must be one of {listed(decoders)} where a row has {kind}, got {name!r}."
            f"{did_you_mean(name, decoders)}"
        )


def _test_part(test: str) -> tuple[float, str | None]:
    """Return the share of rows to test on, or the file with them."""
    try:
        share = float(test)
    except ValueError:
        return 0.0, test
    if not 0 <= share < 1:
        raise UsageError(f"--test must be a file, or between 0 and 1, got {test}.")
    return share, None


def _columns(options: Namespace) -> Columns:
    """Return the columns that are named, checked as far as they can be without the table."""
    features = [*(options.text or ()), *(options.numeric or ()), *(options.categorical or ())]
    labels = [*(options.levels or ()), *([options.label] if options.label else [])]
    if not features or not labels or (options.levels and options.label):
        raise UsageError(
            "train needs features: --text, --numeric or --categorical COLUMN ..., and labels: "
            f"--levels TOP NEXT ... or --label COLUMN.{_header_hint(options)}"
        )
    twice = sorted({name for name in [*features, *labels] if (features + labels).count(name) > 1})
    if twice:
        raise UsageError(f"A column must have one role, got {listed(twice)} twice.")
    if (options.sep is not None or options.label_sep is not None) and not options.label:
        raise UsageError("--sep and --label-sep go with --label COLUMN.")
    if "" in (options.sep, options.label_sep) or (
        options.sep is not None and options.sep == options.label_sep
    ):
        raise UsageError("--sep and --label-sep must differ, and be at least one character.")
    check_decoder(options, has_sets=options.label_sep is not None)
    sep = options.sep
    if sep is None and options.label and not options.taxonomy:
        sep = "/"
    return Columns(
        text=tuple(options.text or ()),
        numeric=tuple(options.numeric or ()),
        categorical=tuple(options.categorical or ()),
        levels=tuple(options.levels or ()),
        label=options.label,
        sep=sep,
        label_sep=options.label_sep,
    )


def _header_hint(options: Namespace) -> str:
    """Return the names of the columns of the file, if they can be read without losing a pipe."""
    if options.file == STREAM:
        return ""
    source = source_of(options, options.file)
    with open_table(source, BadRows(source.name)) as table:
        return f" {source.name} has the columns {listed(table.header)}."


def _read(options: Namespace, path: str, reader: LabelReader) -> Samples:
    source = source_of(options, path)
    samples, n_without = read_samples(source, reader, skip=options.skip_bad_rows)
    if n_without:
        total = len(samples) + n_without
        what = listed(reader.columns.labels[:1])
        say(f"Left out, without a {what}: {counted(n_without, 'row')} of {total:,}.")
    return samples


def _corpus(
    options: Namespace, columns: Columns, parts: list[Samples], taxonomy: Taxonomy | None
) -> Corpus:
    labels = [label for part in parts for label in part.labels]
    known = with_taxonomy(columns, labels, taxonomy, options.file)
    first = parts[0]
    X = first.X
    if len(parts) > 1:
        X = [*X, *parts[1].X] if isinstance(X, list) else np.concatenate([X, parts[1].X])
    corpus = Corpus(X, known)
    if len(known.distinct) < 2:
        (label,) = known.distinct
        raise CommandError(
            f"All rows of {options.file} have the label {str(label)!r}, so there is nothing to "
            "learn. Name other --levels."
        )
    return corpus
