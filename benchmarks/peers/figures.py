"""The tables of the documentation, from the results: ``python -m benchmarks.peers.figures``.

Reads and writes files only, so that a test can compare the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).resolve().parents[2]
RESULTS = _CHECKOUT / "benchmarks" / "results" / "peers.json"
PAGE = _CHECKOUT / "docs" / "user_guide" / "_peers_figures.inc"

_NAMES = {
    "flat": "flat scikit-learn",
    "hiclass": "HiClass",
    "shc": "sklearn-hierarchical-classification",
    "pecos": "PECOS XR-Linear",
    "napkinxc": "napkinXC",
    "omikuji": "Omikuji",
    "libmultilabel": "LibMultiLabel",
}


def _two(number: float) -> str:
    """Return two digits that count, without an exponent."""
    return f"{number:.0f}" if number >= 100 else f"{float(f'{number:.2g}'):g}"


def _ratio(row: dict[str, Any]) -> str:
    low, middle, high = (_two(row[key]) for key in ("ratio min", "ratio", "ratio max"))
    return f"**{middle}** ({low} to {high})" if row["repetitions"] > 1 else f"**{middle}** (once)"


def _pair(row: dict[str, Any], what: str) -> str:
    return f"{_two(row[f'peer {what}'])} / {_two(row[f'our {what}'])}"


def _per_cent(row: dict[str, Any], what: str) -> str:
    return " / ".join(f"{100 * row[f'{side} {what}']:.1f}" for side in ("peer", "our"))


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield from ("", f".. list-table:: {title}", "   :header-rows: 1", "")
    for row in (head, *rows):
        yield f"   * - {row[0]}"
        yield from (f"     - {cell}" for cell in row[1:])


def _peer(row: dict[str, Any]) -> str:
    return f"{_NAMES[row['peer']]}, {row['model']}"


def _fit(row: dict[str, Any]) -> list[str]:
    cells = [row["workload"], _peer(row), row["our base"]]
    if "ratio" not in row:
        return [*cells, row["failure"], f"- / {_two(row['our s'])}", "-", "-"]
    return [
        *cells,
        _ratio(row),
        *(_pair(row, what) for what in ("s", "peak MB", "model MB")),
    ]


def _answers(row: dict[str, Any], qualities: Sequence[str]) -> list[str]:
    if "ratio" not in row:
        missing = ["-"] * (1 + len(qualities))
        return [row["workload"], _peer(row), row["our base"], row["failure"], *missing]
    return [
        row["workload"],
        f"{_peer(row)}: {row['prediction']}",
        f"{row['our base']}: {row['our decoder']}",
        _ratio(row),
        _pair(row, "s"),
        *(_per_cent(row, what) for what in qualities),
    ]


def _shown(rows: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Leave out what says little: PECOS before it is reloaded, and ours at another tolerance."""
    seen = set()
    for row in rows:
        key = tuple(row.get(name) for name in ("workload", "peer", "model", "prediction"))
        slow = row["peer"] == "pecos" and "reloaded" not in row.get("prediction", "reloaded")
        if key not in seen and not slow:
            yield row
        seen.add(key)


def _answer_table(title: str, qualities: Sequence[str], rows: Sequence[dict[str, Any]]) -> Any:
    head = ("data", "peer", "ours", "ratio", "CPU s", *(f"{quality} %" for quality in qualities))
    return _table(title, head, [_answers(row, qualities) for row in _shown(rows)])


def text(results: dict[str, Any]) -> str:
    """Return the page's tables in reStructuredText."""
    fit = _table(
        "Fit: theirs / ours. Ratios are theirs over ours: above 1, sklhier is faster",
        ("data", "peer", "ours", "ratio", "CPU s", "peak MB", "model MB"),
        map(_fit, results["fit"]),
    )
    predict = _answer_table(
        "Predict the test rows: theirs / ours", ("leaf", "level 1"), results["predict"]
    )
    rank = _answer_table(
        "Rank the five best of several labels: theirs / ours",
        ("P@1", "P@3", "P@5"),
        results["rank"],
    )
    return "\n".join([".. Written by benchmarks.peers.figures.", *fit, *predict, *rank, ""])


def write() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(text(results), encoding="utf-8")


if __name__ == "__main__":
    write()
