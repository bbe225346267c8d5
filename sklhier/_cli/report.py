"""``sklhier report``: how well a model does on a table with labels."""

from __future__ import annotations

import csv
import io
import json
from argparse import Namespace
from typing import Any

import numpy as np

from sklhier import Taxonomy, metrics
from sklhier._cli.columns import LabelReader, read_samples
from sklhier._cli.console import (
    UsageError,
    counted,
    escapes_needed,
    listed,
    note,
    say,
)
from sklhier._cli.files import check_output, replacing
from sklhier._cli.labels import with_taxonomy
from sklhier._cli.models import classifier_of, gives_sets, load, n_kept
from sklhier._cli.predict import columns_in, source_of
from sklhier._cli.training import measures
from sklhier._cli.walks import Walker

__all__ = ["run"]

_FEW = 0.05  # short texts come again

_FIELDS = (
    "kind",
    "name",
    "level",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "support",
    "coverage",
    "stopped",
    "title",
)


def run(options: Namespace) -> None:
    """Print or write a report."""
    if options.out:
        check_output("--out", options.out, [options.file, options.model])
    if options.max_depth is not None and options.max_depth < 0:
        raise UsageError(f"--max-depth must be at least 0, got {options.max_depth}.")
    model = load(options)
    taxonomy: Taxonomy = classifier_of(model).taxonomy_
    true, X = _labelled(options, model)
    n_seen = n_kept(model, X)
    if n_seen > _FEW * len(X):
        note(
            f"about {counted(n_seen, 'row')} of {len(X):,} are among those that the model was fitted "
            "to, so the figures are too good. Test on other rows, as train --test does."
        )
    predicted = model.predict(X)
    if not gives_sets(model) and np.ndim(predicted) != 1:
        predicted = taxonomy.node_names[Walker(taxonomy).nodes(model.predict_levels(X))]
    text = _report(options, taxonomy, true, predicted)
    if options.out:
        with replacing(options.out) as part:
            part.write_text(text + "\n", encoding="utf-8", newline="")
    else:
        say(text)


def _labelled(options: Namespace, model: Any) -> tuple[Any, Any]:
    """Return the true labels and the samples of a table."""
    columns = columns_in(options, model).relabelled(options.levels, options.label, options.sep)
    if not columns.labels:
        raise UsageError("report needs labels: --levels TOP NEXT ... or --label COLUMN.")
    taxonomy = classifier_of(model).taxonomy_
    source = source_of(options, options.file)
    reader = LabelReader(columns, Walker(taxonomy))
    samples, n_without = read_samples(source, reader, skip=options.skip_bad_rows)
    if n_without:
        note(f"left out, without a {listed(columns.labels[:1])}: {counted(n_without, 'row')}.")
    return with_taxonomy(columns, samples.labels, taxonomy, source.name).y, samples.X


def _report(options: Namespace, taxonomy: Taxonomy, true: Any, predicted: Any) -> str:
    scores = measures(taxonomy, true, predicted)
    common = {"taxonomy": taxonomy, "max_depth": options.max_depth}
    if options.form == "text":
        lines = [f"{name.ljust(30)}{value:10.3f}" for name, value in scores.items()]
        table = metrics.hierarchical_classification_report(true, predicted, **common)
        return "\n".join([f"{counted(len(true), 'row')}", *lines, "", table])
    found = metrics.hierarchical_classification_report(true, predicted, output="dict", **common)
    if options.form == "json":
        nodes = {str(name): row for name, row in found["nodes"].items()}
        content = {"rows": len(true), "scores": scores, **found, "nodes": nodes}
        return json.dumps(content, ensure_ascii=not options.out and escapes_needed(), indent=1)
    return _as_csv(taxonomy, found)


def _as_csv(taxonomy: Taxonomy, found: dict[str, Any]) -> str:
    rows = [{"kind": "level", "name": f"level {row['level']}", **row} for row in found["levels"]]
    rows += [{"kind": "average", "name": n, **row} for n, row in found["averages"].items()]
    rows += [
        {"kind": "node", "name": name, "level": taxonomy.depth(name), **row}
        for name, row in found["nodes"].items()
    ]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _FIELDS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: f"{v:.6g}" if isinstance(v, float) else v for name, v in row.items()}
        )
    return stream.getvalue().rstrip("\n")
