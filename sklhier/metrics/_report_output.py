"""A classification report as text, HTML, dictionaries and data frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np

from sklhier._utils.tables import html_table, text_table
from sklhier._utils.typing import Floats, NodeIds
from sklhier.metrics._bootstrap import Intervals
from sklhier.metrics._coverage import CoverageReport
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._titles import cut_text

__all__ = ["MEASURES", "OUTPUTS", "Report", "Worst"]

MEASURES = ("precision", "recall", "f1", "support")
_SCORES = MEASURES[:3]
_OF_LEVELS = ("accuracy", "coverage", "precision")
_OF_COVERAGE = (
    "coverage",
    "depth_kept",
    "complete",
    "at_root",
    "precision",
    "error",
    "accuracy",
)
_MOST_INDENTED = 40  # levels; the names of deeper nodes stand below each other
_WIDEST = 60  # characters of a name with its title: some titles are whole sentences
_LEAST_CELL = 13  # characters


class Worst(NamedTuple):
    """Nodes where most errors arise, and pairs that are confused most, as records."""

    nodes: list[dict[str, Any]]
    pairs: list[dict[str, Any]]


class Report(NamedTuple):
    """Contents of a report.

    Attributes
    ----------
    taxonomy : Taxonomy
        Tree or DAG.
    listed : ndarray of int32, shape (n_listed,)
        Nodes in the order in which they are shown.
    rows : ndarray of float64, shape (n_listed, 5)
        Precision, recall, F1, support and stops of each.
    averages : dict
        By name, dictionaries of the four measures.
    coverage : CoverageReport
        Of all samples.
    distance : float or None
        Mean distance between truth and prediction; None for label sets and in DAGs, which have no
        levels either.
    worst : Worst or None
        Nodes and pairs.
    intervals : Intervals or None
        Of all scores.
    confidence_level : float
        Of the intervals.
    indented : bool
        Whether the order shows how nodes are related.
    digits : int
        Digits after the point in texts.
    """

    taxonomy: Taxonomy
    listed: NodeIds
    rows: Floats
    averages: dict[str, dict[str, float]]
    coverage: CoverageReport
    distance: float | None
    worst: Worst | None
    intervals: Intervals | None
    confidence_level: float
    indented: bool
    digits: int

    @property
    def names(self) -> list[Any]:
        """Names of the listed nodes."""
        return [self.taxonomy.nodes[node] for node in self.listed.tolist()]

    @property
    def levels(self) -> list[dict[str, float]]:
        """Accuracy, coverage and precision of each level, if there are levels."""
        if self.distance is None:
            return []
        found = self.coverage
        columns = (found.level_accuracy, found.level_support, found.level_coverage)
        table = zip(
            *(column.tolist() for column in (*columns, found.level_precision)), strict=True
        )
        names = ("accuracy", "support", "coverage", "precision")
        return [
            {"level": level, **dict(zip(names, row, strict=True))}
            for level, row in enumerate(table, start=1)
        ]

    @property
    def abstains(self) -> bool:
        """Whether an answer ends above the truth."""
        return self.coverage.complete < 1


# -- dictionaries and frames --------------------------------------------------------------


def _as_dict(report: Report) -> dict[str, Any]:
    titles = report.taxonomy.titles
    nodes = {
        name: {
            **dict(zip((*MEASURES, "stopped"), row, strict=True)),
            **({"title": titles[name]} if name in titles else {}),
        }
        for name, row in zip(report.names, report.rows.tolist(), strict=True)
    }
    coverage = report.coverage.to_dict()
    return {
        "levels": report.levels,
        "averages": report.averages,
        "tree_distance": report.distance,
        "nodes": nodes,
        "coverage": {name: coverage[name] for name in ("support", *_OF_COVERAGE)},
        **_worst_dict(report.worst),
        **_intervals_dict(report),
    }


def _worst_dict(worst: Worst | None) -> dict[str, Any]:
    return {} if worst is None else {"worst_nodes": worst.nodes, "confused_pairs": worst.pairs}


def _intervals_dict(report: Report) -> dict[str, Any]:
    ends = report.intervals
    if ends is None:
        return {}
    levels = zip(report.levels, ends.levels, strict=False)
    return {
        "intervals": {
            "confidence_level": report.confidence_level,
            "levels": [{"level": row["level"], **_pairs(_OF_LEVELS, own)} for row, own in levels],
            "averages": _pairs_by_name(report.averages, ends.averages),
            "tree_distance": None if ends.distance is None else tuple(ends.distance.tolist()),
            "nodes": _pairs_by_name(report.names, ends.nodes),
            "coverage": _pairs(_OF_COVERAGE, ends.coverage),
        }
    }


def _pairs(names: Sequence[str], ends: Floats) -> dict[str, tuple[float, float]]:
    return dict(zip(names, map(tuple, ends.tolist()), strict=True))


def _pairs_by_name(names: Any, ends: Floats) -> dict[Any, dict[str, tuple[float, float]]]:
    return {name: _pairs(_SCORES, own) for name, own in zip(names, ends, strict=True)}


def _as_frame(report: Report) -> Any:
    import pandas as pd

    index = pd.Index(report.names, name="node", tupleize_cols=False)
    frame = pd.DataFrame(report.rows, columns=[*MEASURES, "stopped"], index=index)
    frame.insert(0, "level", report.taxonomy.depths[report.listed])
    if report.taxonomy.titles:
        frame.insert(0, "title", list(map(report.taxonomy.titles.get, report.names)))
    summary = pd.DataFrame(report.averages).T.rename(index=lambda name: f"{name} average")
    summary.insert(0, "level", 0)
    whole = pd.concat([frame, summary]).rename_axis("node")
    if report.intervals is not None:
        ends = np.concatenate([report.intervals.nodes, report.intervals.averages])
        for place, name in enumerate(_SCORES):
            whole[f"{name}_low"], whole[f"{name}_high"] = ends[:, place].T
    return whole


# -- texts --------------------------------------------------------------------------------


def _numbers(report: Report, values: Sequence[float], ends: Floats | None) -> list[str]:
    """Return scores as text, each followed by its interval."""
    texts = [f"{value:.{report.digits}f}" for value in values]
    if ends is None:
        return texts
    pairs = [", ".join(f"{end:.{report.digits}f}" for end in pair) for pair in ends]
    return [f"{text} [{pair}]" for text, pair in zip(texts, pairs, strict=True)]


def _count(value: float) -> str:
    return f"{value:.10g}"


def _level_rows(report: Report) -> list[list[str]]:
    shown = _OF_LEVELS if report.abstains else _OF_LEVELS[:1]
    ends = report.intervals
    return [
        ["", *shown, "support"],
        *(
            [
                f"level {row['level']}",
                *_numbers(
                    report,
                    [row[name] for name in shown],
                    None if ends is None else ends.levels[place, : len(shown)],
                ),
                _count(row["support"]),
            ]
            for place, row in enumerate(report.levels)
        ),
    ]


def _average_rows(report: Report) -> list[list[str]]:
    ends = report.intervals
    head = ["", *MEASURES, *(["stopped"] if _shows_stops(report) else [])]
    return [
        head,
        *(
            [
                f"{name} average",
                *_numbers(
                    report,
                    [row[measure] for measure in _SCORES],
                    None if ends is None else ends.averages[place],
                ),
                _count(row["support"]),
            ]
            for place, (name, row) in enumerate(report.averages.items())
        ),
    ]


def _shows_stops(report: Report) -> bool:
    return report.abstains and len(report.listed) > 0


def _node_rows(report: Report, indent: str) -> list[list[str]]:
    ends = report.intervals
    counts = report.rows[:, 3:] if report.abstains else report.rows[:, 3:4]
    return [
        [
            _node_text(report, node, indent),
            *_numbers(report, row[:3], None if ends is None else ends.nodes[place]),
            *map(_count, counts[place]),
        ]
        for place, (node, row) in enumerate(
            zip(report.listed.tolist(), report.rows.tolist(), strict=True)
        )
    ]


def _node_text(report: Report, node: int, indent: str) -> str:
    """Return a node's step and title after its indent, or its whole name and title; cut if long."""
    taxonomy = report.taxonomy
    if not report.indented:
        return cut_text(
            *_with_room(taxonomy.titled([taxonomy.nodes[node]])[0], taxonomy.nodes[node])
        )
    text = cut_text(*_with_room(taxonomy.text_of(node), taxonomy.step_names[node]))
    return indent * min(int(taxonomy.depths[node]) - 1, _MOST_INDENTED) + text


def _with_room(text: str, name: object) -> tuple[str, int]:
    """Return a text and the width to which it is cut: the name itself is never cut."""
    return text, max(_WIDEST, len(str(name)) + 3)


def _sentences(report: Report) -> list[str]:
    """Return what is said of all samples together."""
    ends, found = report.intervals, report.coverage
    lines = []
    if report.distance is not None:
        own = None if ends is None or ends.distance is None else ends.distance[None]
        (text,) = _numbers(report, [report.distance], own)
        lines.append(f"mean distance between true and predicted node: {text} edges")
    if report.abstains:
        places = [_OF_COVERAGE.index(name) for name in ("at_root", "complete", "precision")]
        texts = _numbers(
            report,
            [found.at_root, found.complete, found.precision],
            None if ends is None else ends.coverage[places],
        )
        words = ("no answer", "answered to the depth of the truth", "answers without a wrong node")
        pairs = zip(words, texts, strict=True)
        lines.append("; ".join(f"{word}: {text}" for word, text in pairs))
    if ends is not None:
        lines.append(f"in brackets: {100 * report.confidence_level:g}% bootstrap intervals")
    return lines


def _worst_tables(report: Report) -> list[list[list[str]]]:
    if report.worst is None:
        return []
    kinds = ("arrived", "wrong_turn", "stopped_early", "too_deep")
    nodes = [
        [
            report.taxonomy.titled([row["node"]])[0],
            *(_count(row[kind]) for kind in kinds),
            f"{row['share']:.1%}",
        ]
        for row in report.worst.nodes
    ]
    pairs = [
        [*report.taxonomy.titled([row["true"], row["predicted"]]), _count(row["count"])]
        for row in report.worst.pairs
    ]
    head = ["most errors arise at", *(kind.replace("_", " ") for kind in kinds), "share"]
    return [[head, *nodes], [["most confused", "taken for", "count"], *pairs]]


def _as_text(report: Report) -> str:
    levels = _level_rows(report) if report.levels else []
    averages, nodes = _average_rows(report), _node_rows(report, "  ")
    rows = [*levels, *averages, *nodes]
    width = max(len(row[0]) for row in rows)
    cell = max(_LEAST_CELL, *(2 + len(text) for row in rows for text in row[1:]))
    blocks = [
        [row[0].ljust(width) + "".join(text.rjust(cell) for text in row[1:]) for row in block]
        for block in (levels, averages, nodes)
    ]
    parts = ["\n".join(lines) for lines in [*blocks, _sentences(report)] if lines]
    return "\n\n".join([*parts, *map(text_table, _worst_tables(report))])


def _as_html(report: Report) -> str:
    """Return tables whose nodes are indented by spaces that do not collapse."""
    tables = [_level_rows(report)] if report.levels else []
    tables.append([*_average_rows(report), *_node_rows(report, "\N{EM SPACE}")])
    width = max(len(tables[-1][0]), *map(len, tables[-1]))
    tables[-1] = [row + [""] * (width - len(row)) for row in tables[-1]]
    text = "<br>".join(map(escape, _sentences(report)))
    return "".join(
        [
            *map(html_table, tables),
            f"<p>{text}</p>" if text else "",
            *map(html_table, _worst_tables(report)),
        ]
    )


OUTPUTS: dict[str, Callable[[Report], Any]] = {
    "text": _as_text,
    "html": _as_html,
    "dict": _as_dict,
    "frame": _as_frame,
}
