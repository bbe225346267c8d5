"""The tables of the documentation on time and memory: ``python -m benchmarks.figures``.

Reads results and writes files only, so that a test can compare the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = _CHECKOUT / "benchmarks" / "results"
PAGES = _CHECKOUT / "docs" / "user_guide"

Row = dict[str, Any]
Column = str | Callable[[Row], str]


def two(number: float) -> str:
    """Return two digits that count, without an exponent."""
    return f"{number:,.0f}" if number >= 100 else f"{float(f'{number:.2g}'):g}"


def per_cent(name: str) -> Callable[[Row], str]:
    """Return a column of per cent."""
    return lambda row: f"{100 * row[name]:.1f}"


def ratio(name: str) -> Callable[[Row], str]:
    """Return a column of a ratio and its range."""
    return lambda row: (
        f"**{two(row[name])}** ({two(row[f'{name} min'])} to {two(row[f'{name} max'])})"
    )


def scaled(name: str, factor: float) -> Callable[[Row], str]:
    """Return a column of a number in another unit."""
    return lambda row: two(row[name] * factor)


def list_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in reStructuredText."""
    lines = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    for row in (head, *rows):
        lines.append(f"   * - {row[0]}")
        lines += [f"     - {cell}" for cell in row[1:]]
    return [*lines, ""]


def _cell(row: Row, column: Column) -> str:
    value = column(row) if callable(column) else row[column]
    return (
        value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else two(value)
    )


def _table(title: str, columns: dict[str, Column], rows: Iterable[Row]) -> list[str]:
    return list_table(
        title, list(columns), [[_cell(row, c) for c in columns.values()] for row in rows]
    )


_GRID: dict[str, Column] = {
    "leaves": "leaves",
    "levels": "depth",
    "rows": "rows",
    "models": "models",
    "nothing learnt: fit s": "idle fit s",
    "us a model": "idle us a model",
    "predict ms": scaled("idle predict s", 1000),
    "SGD: fit s": "SGD fit s",
    "predict ms ": scaled("SGD predict s", 1000),
    "peak MB": "SGD peak MB",
    "model MB": "SGD model MB",
    "data MB": "data MB",
}

# By page: the results, the table in them, the title, and the columns.
_TABLES: dict[str, tuple[str, str, str, dict[str, Column]]] = {
    "grid_nodes": ("grids", "by nodes", "More nodes", _GRID),
    "grid_rows": ("grids", "by rows", "More rows", _GRID),
    "grid_depth": ("grids", "by depth", "More levels", _GRID),
    "taxonomies": (
        "grids",
        "taxonomies",
        "A taxonomy from the parent of each node",
        {"nodes": "nodes", "seconds": "s", "MB": "MB"},
    ),
    "workers": (
        "workers",
        "two workers",
        "Two workers against one; seconds of the clock",
        {
            "fit": "run",
            "one, s": "one s",
            "two, s": "two s",
            "ratio": ratio("ratio"),
            "first time, s": "first two s",
            "share of the root": per_cent("root"),
        },
    ),
    "solvers": (
        "solvers",
        "bases",
        "Linear bases on texts; ratios are the time of LinearSVC over theirs",
        {
            "data": "data",
            "base": "base",
            "fit, CPU s": "fit s",
            "ratio": ratio("ratio"),
            "level 1 %, best path": per_cent("best_path level 1"),
            "leaf %, best path": per_cent("best_path leaf"),
            "leaf %, top-down": per_cent("top_down leaf"),
        },
    ),
    "scale": (
        "scale",
        "one large taxonomy",
        "One large taxonomy; seconds of the clock, two workers",
        {
            "base": "base",
            "leaves": "leaves",
            "rows": "rows",
            "models": "models",
            "fit s": "fit s",
            "peak MB": "peak MB",
            "data MB": "data MB",
            "model MB": "model MB",
            "top-down, us a row": "top_down us",
            "best path, us a row": "best_path us",
            "level 1 %": per_cent("best_path level 1"),
            "leaf %": per_cent("best_path leaf"),
        },
    ),
}


def texts() -> dict[Path, str]:
    """Return what belongs into each file."""
    found = {}
    for page, (source, table, title, columns) in _TABLES.items():
        results = json.loads((RESULTS / f"{source}.json").read_text(encoding="utf-8"))
        lines = [".. Written by benchmarks.figures.", "", *_table(title, columns, results[table])]
        found[PAGES / f"_{page}_figures.inc"] = "\n".join(lines)
    return found


def main() -> None:
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
