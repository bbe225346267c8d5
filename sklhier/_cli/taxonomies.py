"""``sklhier taxonomy``: print, check or convert a taxonomy; the files that hold one."""

from __future__ import annotations

import csv
import io
import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from sklhier import Taxonomy
from sklhier._cli.columns import Columns, LabelReader
from sklhier._cli.console import (
    CommandError,
    UsageError,
    counted,
    escapes_needed,
    listed,
    say,
)
from sklhier._cli.files import check_output, open_bytes, replacing, shown_path
from sklhier._cli.labels import with_taxonomy
from sklhier._cli.models import classifier_of, load
from sklhier._cli.tables import BadRows, Source, Table, open_table, positions

__all__ = ["read_taxonomy", "run"]

_PARENT = ("parent", "parent_id")
_CHILD = ("child", "node", "id", "name")
_MODELS = (".skops", ".joblib", ".pkl", ".pickle")
_PLAIN = str.maketrans({"├": "|", "└": "`", "─": "-", "│": "|"})


def run(options: Namespace) -> None:
    """Print a taxonomy, or write it to a file."""
    if options.lines < 1:
        raise UsageError(f"--lines must be at least 1, got {options.lines}.")
    if options.out:
        if PurePath(options.out).suffix.lower() not in (".csv", ".json"):
            raise UsageError(f"--out must end in .csv or .json, got {options.out}.")
        check_output("--out", options.out, [options.file])
    taxonomy = _taxonomy(options)
    if options.out:
        _write(taxonomy, options.out)
    elif options.lint:
        say(str(taxonomy.lint()))
    elif options.json:
        say(_as_json(taxonomy, escaped=escapes_needed()))
    else:
        say(_summary(taxonomy))
        say(_drawn(taxonomy, options.lines))


def _taxonomy(options: Namespace) -> Taxonomy:
    """Return the taxonomy of a model, of a file, or of the labels in a table."""
    if PurePath(options.file).suffix.lower() in _MODELS:
        options.model = options.file
        return classifier_of(load(options)).taxonomy_
    if not (options.levels or options.label):
        return read_taxonomy(options, options.file)
    columns = Columns(
        levels=tuple(options.levels or ()),
        label=options.label,
        sep=options.sep or ("/" if options.label else None),
        label_sep=options.label_sep,
    )
    source = _source(options, options.file)
    bad = BadRows(source.name)
    with open_table(source, bad) as table:
        return _of_columns(columns, table, bad, skip=options.skip_bad_rows)


def _source(options: Namespace, path: str) -> Source:
    return Source(path, options.encoding, options.delimiter, quotes=not options.no_quotes)


def _of_columns(columns: Columns, table: Table, bad: BadRows, *, skip: bool) -> Taxonomy:
    """Return the taxonomy of all paths of labels in a table."""
    where = positions(table.header, columns.labels, bad.name)
    reader = LabelReader(columns)
    labels = [found for row in table.rows if (found := reader.paths(row, where, bad))]
    bad.settle(skip=skip)
    if not labels:
        raise CommandError(f"{bad.name} has no row with a label.")
    return with_taxonomy(columns, labels, None, bad.name).taxonomy


# -- files --------------------------------------------------------------------------------


def read_taxonomy(options: Namespace, path: str) -> Taxonomy:
    """Read a taxonomy from a table of nodes and parents, a table of levels, or JSON."""
    try:
        if PurePath(path).suffix.lower() == ".json":
            return _from_json(path)
        source = _source(options, path)
        bad = BadRows(source.name)
        with open_table(source, bad) as table:
            parent, child = (_column(table.header, names) for names in (_PARENT, _CHILD))
            if parent is None:
                columns = Columns(levels=tuple(table.header))
                return _of_columns(columns, table, bad, skip=options.skip_bad_rows)
            if child is None:
                raise CommandError(
                    f"{path} has a column {parent!r}: it needs one of {listed(_CHILD)} beside it, "
                    f"there are {listed(table.header)}."
                )
            steps = "step" if "step" in table.header else child
            rows = [
                [row.cells[table.header.index(name)].strip() for name in (child, parent, steps)]
                for row in table.rows
            ]
            bad.settle(skip=options.skip_bad_rows)
        return _from_rows([(name, [above] if above else [], step) for name, above, step in rows])
    except ValueError as error:
        raise CommandError(f"{shown_path(path)}: {error}") from error


def _column(header: Sequence[str], names: Sequence[str]) -> str | None:
    folded = {name.casefold(): name for name in header}
    return next((folded[name] for name in names if name in folded), None)


def _from_json(path: str) -> Taxonomy:
    with open_bytes(path) as raw:
        data = raw.read()
    try:
        content = json.loads(data)
    except RecursionError as error:
        raise CommandError(f"{path} is nested too deeply: give a table of parents.") from error
    if not isinstance(content, dict):
        raise CommandError(f"{path} must hold an object: nested names, or an object with 'nodes'.")
    nodes = content.get("nodes")
    if not isinstance(nodes, list):
        return Taxonomy.from_dict(content)
    if not all(isinstance(node, dict) and "name" in node for node in nodes):
        raise CommandError(f"{path}: each of 'nodes' must be an object with a 'name'.")
    return _from_rows([(n["name"], n.get("parents", []), n.get("step", n["name"])) for n in nodes])


def _from_rows(rows: Sequence[tuple[Any, Sequence[Any], Any]]) -> Taxonomy:
    """Build from the name, the parents and the step of each node; a node may come twice in a DAG."""
    steps: dict[Any, Any] = {}
    for name, _, step in rows:
        if name == "":
            raise CommandError("A node has no name. Fill in the names of all nodes.")
        steps.setdefault(name, step)
    above = [(parent, name) for name, parents, _ in rows for parent in parents]
    for parent, _ in above:
        steps.setdefault(parent, parent)
    number = {name: i for i, name in enumerate(steps)}
    # A single top is the root, unless it is said to have no parent: then it is a class, too.
    has_tops = any(not parents for _, parents, _ in rows)
    return Taxonomy(
        list(steps),
        [number[parent] for parent, _ in above],
        [number[name] for _, name in above],
        steps=list(steps.values()),
        artificial_root=has_tops,
    )


def _nodes(taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """Return name, step and parents of each node, an artificial root left out."""
    first = 1 if taxonomy.root is None else 0
    parents = {
        node: [taxonomy.nodes[p] for p in taxonomy.parents_of(node).tolist() if p >= first]
        for node in range(first, taxonomy.n_nodes)
    }
    return [
        {"name": taxonomy.nodes[node], "step": taxonomy.step_names[node], "parents": above}
        for node, above in parents.items()
    ]


def _as_json(taxonomy: Taxonomy, *, escaped: bool) -> str:
    content = {"levels": _sizes(taxonomy), "nodes": _nodes(taxonomy)}
    return json.dumps(content, ensure_ascii=escaped, default=str, indent=1)


def _write(taxonomy: Taxonomy, path: str) -> None:
    if path.lower().endswith(".json"):
        text = _as_json(taxonomy, escaped=False) + "\n"
    else:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["node", "parent", "step"])
        for node in _nodes(taxonomy):
            for parent in node["parents"] or [""]:
                writer.writerow([node["name"], parent, node["step"]])
        text = stream.getvalue()
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


# -- printing -----------------------------------------------------------------------------


def _sizes(taxonomy: Taxonomy) -> list[dict[str, int]]:
    """Return the numbers of nodes and leaves at each level."""
    n_nodes, n_leaves = (
        np.bincount(taxonomy.depths[ids], minlength=taxonomy.n_levels + 1)
        for ids in (slice(None), taxonomy.leaf_ids)
    )
    return [
        {"level": k, "nodes": int(n_nodes[k]), "leaves": int(n_leaves[k])}
        for k in range(1, taxonomy.n_levels + 1)
    ]


def _summary(taxonomy: Taxonomy) -> str:
    kind = "Tree" if taxonomy.is_tree else "DAG"
    n_nodes = taxonomy.n_nodes - (taxonomy.root is None)
    lines = [f"{kind} of {counted(n_nodes, 'node')}, {len(taxonomy.leaf_ids):,} of them leaves"]
    for row in _sizes(taxonomy):
        nodes = counted(row["nodes"], "node")
        lines.append(f"  level {row['level']}: {nodes}, {row['leaves']:,} leaves")
    return "\n".join([*lines, ""])


def _drawn(taxonomy: Taxonomy, lines: int) -> str:
    text = taxonomy.to_text(max_lines=lines)
    try:
        "├└─│".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return text.translate(_PLAIN)
    return text
