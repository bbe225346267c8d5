"""The tables of the documentation on time and memory: ``python -m benchmarks.figures``.

Reads results and writes files only, so that a test can compare the two.
"""

from __future__ import annotations

import json
import statistics
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
    "no-op base: fit, s": "idle fit s",
    "µs per model": "idle us a model",
    "predict, ms": scaled("idle predict s", 1000),
    "SGD: fit, s": "SGD fit s",
    "SGD: predict, ms": scaled("SGD predict s", 1000),
    "peak MB": "SGD peak MB",
    "model MB": "SGD model MB",
    "data MB": "data MB",
}

# By page: the results, the table in them, the title, and the columns.
_TABLES: dict[str, tuple[str, str, str, dict[str, Column]]] = {
    "joint_scale": (
        "joint_scale",
        "W1",
        "W1: a joint model beside SGD at each parent; ratios of CPU seconds",
        {
            "model": "model",
            "passes": "passes",
            "level 1": per_cent("level 1"),
            "leaf": per_cent("leaf"),
            "hF": per_cent("hF"),
            "fit s": "fit s",
            "fit over that of SGD": ratio("ratio"),
        },
    ),
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
        "Two workers compared with one; wall-clock seconds",
        {
            "fit": "run",
            "one worker, s": "one s",
            "two workers, s": "two s",
            "ratio": ratio("ratio"),
            "two, first run, s": "first two s",
            "root, % of the time": per_cent("root"),
        },
    ),
    "solvers": (
        "solvers",
        "bases",
        "Linear base estimators on texts; ratios are the time of LinearSVC divided by theirs",
        {
            "data": "data",
            "base": "base",
            "fit, CPU s": "fit s",
            "ratio": ratio("ratio"),
            "level 1, %, best path": per_cent("best_path level 1"),
            "leaf, %, best path": per_cent("best_path leaf"),
            "leaf, %, top-down": per_cent("top_down leaf"),
        },
    ),
    "compressed": (
        "speed",
        "compressed models",
        "Compressed models of W1, generated texts with 1,000 leaves, and of O*NET titles",
        {
            "data": "data",
            "weights": "weights",
            "MB": "MB",
            "file, MB": "file MB",
            "leaf, %": per_cent("leaf"),
            "hF, %": per_cent("hF"),
            "predict time, ratio": ratio("best_path ratio"),
        },
    ),
    "text_features": (
        "text_features",
        "features",
        "TF-IDF features of texts: per cent of held-out training rows; CPU seconds",
        {
            "data": "data",
            "letters in a text": lambda row: f"{row['characters']:.0f}",
            "features": "features",
            "level 1": per_cent("level 1"),
            "leaf": per_cent("leaf"),
            "hF": per_cent("hF"),
            "fit s": "fit s",
        },
    ),
    "embeddings": (
        "embeddings",
        "models",
        "Per cent of the test rows; CPU seconds",
        {
            "data": "data",
            "vectors": "vectors",
            "model": "model",
            "level 1": per_cent("level 1"),
            "leaf": per_cent("leaf"),
            "hF": per_cent("hF"),
            "fit, s": "fit s",
        },
    ),
    "scale": (
        "scale",
        "one large taxonomy",
        "One large taxonomy; wall-clock seconds, two workers",
        {
            "base": "base",
            "leaves": "leaves",
            "rows": "rows",
            "models": "models",
            "fit, s": "fit s",
            "peak MB": "peak MB",
            "data MB": "data MB",
            "model MB": "model MB",
            "top-down, µs per row": "top_down us",
            "best path, µs per row": "best_path us",
            "level 1, %": per_cent("best_path level 1"),
            "leaf, %": per_cent("best_path leaf"),
        },
    ),
}


# -- other packages -----------------------------------------------------------------------

_NAMES = {
    "flat": "flat scikit-learn",
    "hiclass": "HiClass",
    "shc": "sklearn-hierarchical-classification",
    "pecos": "PECOS XR-Linear",
    "napkinxc": "napkinXC",
    "omikuji": "Omikuji",
    "libmultilabel": "LibMultiLabel",
}


def _ratio(row: Row) -> str:
    low, middle, high = (two(row[key]) for key in ("ratio min", "ratio", "ratio max"))
    return f"**{middle}** ({low} to {high})" if row["repetitions"] > 1 else f"**{middle}** (once)"


def _pair(row: Row, what: str) -> str:
    return f"{two(row[f'peer {what}'])} / {two(row[f'our {what}'])}"


def _per_cent(row: Row, what: str) -> str:
    return " / ".join(f"{100 * row[f'{side} {what}']:.1f}" for side in ("peer", "our"))


_NONE = "\N{EN DASH}"  # a hyphen would begin a list in the cell


def _peer(row: Row) -> str:
    return f"{_NAMES[row['peer']]}, {row['model']}"


def _fit(row: Row) -> list[str]:
    cells = [row["workload"], _peer(row), row["our base"]]
    if "ratio" not in row:
        return [*cells, row["failure"], f"{_NONE} / {two(row['our s'])}", _NONE, _NONE]
    return [
        *cells,
        _ratio(row),
        *(_pair(row, what) for what in ("s", "peak MB", "model MB")),
    ]


def _answers(row: Row, qualities: Sequence[str]) -> list[str]:
    if "ratio" not in row:
        missing = [_NONE] * (1 + len(qualities))
        return [row["workload"], _peer(row), row["our base"], row["failure"], *missing]
    return [
        row["workload"],
        f"{_peer(row)}: {row['prediction']}",
        f"{row['our base']}: {row['our decoder']}",
        _ratio(row),
        _pair(row, "s"),
        *(_per_cent(row, what) for what in qualities),
    ]


def _shown(rows: Iterable[Row]) -> Iterable[Row]:
    """Leave out what says little: PECOS before it is reloaded, and ours at another tolerance."""
    seen = set()
    for row in rows:
        key = tuple(row.get(name) for name in ("workload", "peer", "model", "prediction"))
        slow = row["peer"] == "pecos" and "reloaded" not in row.get("prediction", "reloaded")
        if key not in seen and not slow:
            yield row
        seen.add(key)


def _answer_table(title: str, qualities: Sequence[str], rows: Sequence[Row]) -> list[str]:
    head = ("data", "peer", "ours", "ratio", "CPU, s", *(f"{quality}, %" for quality in qualities))
    return list_table(title, head, [_answers(row, qualities) for row in _shown(rows)])


def _peers(results: dict[str, Any]) -> list[str]:
    """Return the tables of other packages."""
    fit = list_table(
        "Fit: theirs / ours. The ratio is their time divided by ours; above 1 sklhier is faster",
        ("data", "peer", "ours", "ratio", "CPU, s", "peak MB", "model MB"),
        map(_fit, results["fit"]),
    )
    predict = _answer_table(
        "Predict the test rows: theirs / ours", ("leaf", "level 1"), results["predict"]
    )
    rank = _answer_table(
        "Rank the five best labels of each row: theirs / ours",
        ("P@1", "P@3", "P@5"),
        results["rank"],
    )
    return [*fit, *predict, *rank]


# -- guarantees --------------------------------------------------------------------------------


def _hundredths(row: Row, name: str) -> str:
    middle, low, high = (f"{100 * row[key]:.1f}" for key in (name, f"{name} 5%", f"{name} 95%"))
    return f"{middle} ({low} to {high})"


def _coverage(rows: Sequence[Row]) -> list[str]:
    """Return a line for each data set: three ways to find thresholds beside each other."""
    ways = (("calibration", None), ("out of fold", None), ("calibration", "top"))
    found = {(row["data"], row["source"], row["by"]): row for row in rows if row["target"] <= 0.06}
    names = list(dict.fromkeys(row["data"] for row in rows))
    lines = [
        [
            name,
            *(
                cell
                for source, by in ways
                for row in [found[name, source, by]]
                for cell in (_hundredths(row, "error"), f"{100 * row['depth']:.0f}")
            ),
        ]
        for name in names
    ]
    head = ["data"]
    for way in ("conformalize", "out-of-fold", "conformalize by top node"):
        head += [f"{way}: wrong %", "depth kept %"]
    title = "Wrong answers where 5 % are allowed: mean of 50 splits of the test part (nine in ten)"
    return list_table(title, head, lines)


def _guarantees(results: dict[str, Any]) -> list[str]:
    risks = [row for row in results["risk"] if "held" in row]
    columns: dict[str, Column] = {
        "data": "data",
        "risk": "risk",
        "target %": per_cent("target"),
        "method": "method",
        "loss %": lambda row: _hundredths(row, "loss"),
        "splits that held it, %": lambda row: f"{100 * row['held']:.0f}",
        "nodes answered": "nodes",
        "true nodes": "true nodes",
    }
    simulated: dict[str, Column] = {
        "calibration rows": "rows",
        "right or above, %": per_cent("coverage"),
        "depth kept %": per_cent("depth"),
    }
    return [
        *_coverage(results["coverage"]),
        *_table("Risk control: mean loss of 50 splits of the test part", columns, risks),
        *_table("Confidence level 90 %, simulated 500 times", simulated, results["simulated"]),
    ]


# -- calibration ------------------------------------------------------------------------------


_WAYS = ("none", "temperature", "sigmoid", "isotonic")


def _by_base(results: dict[str, Any]) -> dict[tuple[str, str], dict[str, Row]]:
    """Return the rows of each data set and base by calibration, those of a data set together."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for title, rows in results.items():
        if title != "environment" and "NLL" in rows[0]:
            data, base = title.split(", ")
            found[data, base] = {row["calibration"]: row for row in rows}
    order = list(dict.fromkeys(data for data, _ in found))
    return {key: found[key] for key in sorted(found, key=lambda key: order.index(key[0]))}


def _losses(rows: dict[str, Row]) -> list[str]:
    """Return log loss and whole paths of each calibration, the smallest loss bold."""
    losses = [f"{rows[way]['NLL']:.2f}" for way in _WAYS]
    least = min(losses, key=float)
    return [
        f"{f'**{loss}**' if loss == least else loss}, {100 * rows[way]['leaf']:.1f}"
        for way, loss in zip(_WAYS, losses, strict=True)
    ]


def _errors(rows: dict[str, Row]) -> list[str]:
    """Return the calibration errors of the first and the deepest level."""
    deepest = max((name for name in rows["none"] if name.startswith("ECE")), key=lambda n: n[4:])
    return [
        ", ".join(f"{100 * rows[way][name]:.1f}" for name in ("ECE 1", deepest)) for way in _WAYS
    ]


def _range(values: Sequence[float]) -> str:
    return f"**{two(statistics.median(values))}** ({two(min(values))} to {two(max(values))})"


def _costs(found: dict[tuple[str, str], dict[str, Row]]) -> list[list[str]]:
    """Return a line for each calibration: the times of the default base and of the others."""
    sides = [
        [rows for (_, base), rows in found.items() if (base == "default") is is_default]
        for is_default in (True, False)
    ]
    return [
        [
            way,
            *(
                _range([rows[way][name] for rows in side])
                for name in ("fit ratio", "predict ratio")
                for side in sides
            ),
        ]
        for way in _WAYS[1:]
    ]


def _of_sets(row: Row) -> list[str]:
    return [f"{row['AU(PRC)']:.3f}", f"{row['hF']:.3f}", f"{row['Brier']:.4f}"]


def _calibration(results: dict[str, Any]) -> list[str]:
    """Return the tables of calibrations beside each other, by data set and base."""
    found = _by_base(results)
    sets = [
        [title.split(", ")[0], row["base"], row["calibration"], *_of_sets(row)]
        for title, rows in results.items()
        if title != "environment" and "NLL" not in rows[0]
        for row in rows
    ]
    head = ["data", "base", *_WAYS]
    times = [
        "fit, default base",
        "fit, others",
        "predict_proba, default base",
        "predict_proba, others",
    ]
    of_sets = ["area under the precision-recall curve", "hierarchical F1, tuned thresholds"]
    return [
        *list_table(
            "Log loss of the leaf, the smallest bold, and whole paths that are right, %",
            head,
            [[*key, *_losses(rows)] for key, rows in found.items()],
        ),
        *list_table(
            "Calibration error (confidence and accuracy apart) of level 1 and the deepest level, %",
            head,
            [[*key, *_errors(rows)] for key, rows in found.items()],
        ),
        *list_table(
            "CPU time over that without calibration: median (smallest to largest)",
            ["calibration", *times],
            _costs(found),
        ),
        *list_table(
            "Label sets, strategy ``flat``",
            ["data", "base", "calibration", *of_sets, "Brier score"],
            sets,
        ),
    ]


# -- what the defaults give -----------------------------------------------------------------


def _by_data(rows: Iterable[Row]) -> dict[str, dict[str, Row]]:
    """Return the rows of each data set by their strategy."""
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row["data"].removesuffix(", sets"), {})[row["strategy"]] = row
    return found


def _scores(rows: dict[str, Row], names: Sequence[str], strategy: str) -> str:
    """Return the scores of a strategy in per cent; the best of a data set are bold."""
    if strategy not in rows:
        return "not run"
    shown = []
    for name in names:
        own, best = (f"{100 * score:.1f}" for score in (
            rows[strategy][name], max(row[name] for row in rows.values())
        ))  # fmt: skip
        shown.append(f"**{own}**" if own == best else own)
    return " ".join(shown)


_STRATEGIES = (
    *("flat LinearSVC", "flat", "per parent", "per node", "per level", "joint"),
    *("auto", "pool", "uncalibrated"),
)


def _defaults_table(title: str, names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    found = {row["strategy"] for row in rows}
    strategies = [name for name in _STRATEGIES if name in found]
    lines = []
    for data, of_data in _by_data(rows).items():
        cells = [_scores(of_data, names, strategy) for strategy in strategies]
        costs = [
            two(of_data[name]["fit s"] / of_data["flat"]["fit s"])
            for name in ("per parent", "auto")
        ]
        error = f"{100 * of_data['per parent']['se']:.1f}"
        lines.append([data, *cells, error, ", ".join(costs)])
    head = ["data", *strategies, "standard error", "fit over flat: per parent, auto"]
    return list_table(title, head, lines)


def _defaults(results: dict[str, Any]) -> list[str]:
    single = "Accuracy at level 1 and hierarchical F1 of the test sets, %"
    several = "Label sets: hierarchical F1 of the test sets, %"
    return [
        *_defaults_table(single, ("level 1", "hF"), results["single"]),
        *_defaults_table(several, ("hF",), results["sets"]),
    ]


# -- calibration of label sets ------------------------------------------------------------


def _set_calibration(results: dict[str, Any]) -> list[str]:
    """Return a table for each measure: a row for each data set, with and without calibration."""
    rows = results["models"]
    bases = list(dict.fromkeys(row["base"] for row in rows))
    found = {(row["data"], row["base"], row["calibration"]): row for row in rows}
    tables = []
    for measure, title in (
        ("hF", "Hierarchical F1"),
        ("macro hF", "Hierarchical F1, mean over nodes"),
        ("AU(PRC)", "Area under the precision-recall curve"),
    ):
        lines = []
        for data in dict.fromkeys(row["data"] for row in rows):
            cells = []
            for base in bases:
                pair = [found.get((data, base, way)) for way in ("none", "sigmoid")]
                values = [None if row is None else row[measure] for row in pair]
                shown = [
                    "\N{EN DASH}" if value is None else f"{100 * value:.1f}" for value in values
                ]
                cells.append(" → ".join(shown) if any(values) else "")
            lines.append([data, *cells])
        title = f'{title} of held-out training rows, %: not calibrated → ``"sigmoid"``'
        tables += list_table(title, ["data", *bases], lines)
    return tables


# -- networks -----------------------------------------------------------------------------


def _networks(results: dict[str, Any]) -> list[str]:
    found: dict[str, list[Row]] = {}
    for row in results["means"]:
        found.setdefault(row["data"], []).append(row)
    lines = []
    for data, rows in found.items():
        first, several = rows[0], rows[1]
        areas = [f"{row['AU(PRC)']:.3f}" for row in rows]
        if first["seeds"] > 1:
            areas = [f"{row['AU(PRC)']:.3f} ± {row['deviation']:.3f}" for row in rows]
        published = [f"{first[name]:.3f}" for name in ("C-HMCNN(h)", "Clus-HMC-Ens")]
        lines.append([data, *areas, *published, str(first["seeds"]), two(several["fit s"])])
    head = ["data", "one network", "five networks", "trees", "networks and trees"]
    head += ["C-HMCNN(h)", "Clus-HMC-Ens", "seeds", "fit of five, CPU s"]
    return list_table(
        "AU(PRC) of the official test part, mean and deviation over seeds", head, lines
    )


# -- compiled kernels ---------------------------------------------------------------------

_DECODERS = {"top_down": "top-down", "best_path": "best path", "top_labels": "five best labels"}
_ASKED = ("compiled", "compiled, no AVX2", "compiled, compressed")


def _kernel_fits(results: dict[str, Any]) -> list[str]:
    rows = [row for row in results["fits"] if row["way"] != "liblinear"]
    columns: dict[str, Column] = {
        "data": "data",
        "loss": "loss",
        "tolerance": lambda row: f"{row['tol']:g}",
        "way": lambda row: row["way"].removeprefix("side by side").removeprefix(", ") or "double",
        "fit, CPU s": "fit s",
        "ratio": ratio("ratio"),
        "same answers %": per_cent("same answers"),
    }
    title = "Fits of classes side by side; ratios are the time of liblinear over theirs"
    return _table(title, columns, rows)


def _kernel_predictions(results: dict[str, Any]) -> list[str]:
    asked: dict[tuple[str, ...], Row] = {}
    for row in results["predictions"]:
        key = row["data"], row["decoder"], row["rows"]
        asked.setdefault(key, {})[row["way"]] = row
    lines = []
    for (data, decoder, rows), by_way in asked.items():
        times = f"{two(by_way['compiled']['predict ms'])}"
        ratios = [ratio("ratio")(by_way[way]) for way in _ASKED]
        lines.append([data, f"{_DECODERS.get(decoder, decoder)}, {rows}", times, *ratios])
    head = ("data", "asked", "compiled, CPU ms", *_ASKED)
    title = "Predictions; ratios are the time of pure Python over theirs"
    return list_table(title, head, lines)


# -- files -----------------------------------------------------------------------------------


def texts() -> dict[Path, str]:
    """Return what belongs into each file."""
    written = {"peers": _peers, "guarantees": _guarantees, "calibration": _calibration}
    written["set_calibration"] = _set_calibration
    pages = {page: lines(_results(page)) for page, lines in written.items()}
    pages["defaults"] = _defaults(_results("defaults_test"))
    pages["networks"] = _networks(_results("networks"))
    pages["kernels_fits"] = _kernel_fits(_results("kernels"))
    pages["kernels_predictions"] = _kernel_predictions(_results("kernels"))
    for page, (source, table, title, columns) in _TABLES.items():
        pages[page] = _table(title, columns, _results(source)[table])
    return {
        PAGES / f"_{page}_figures.inc": "\n".join(
            [".. Written by benchmarks.figures.", "", *lines]
        )
        for page, lines in pages.items()
    }


def _results(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def main() -> None:
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
