"""Other packages against sklhier: each in its own environment, same data and splits.

For each model of a peer, workers of the peer and of ours take turns, each a process of its own that
fits once and predicts a few times, single-threaded. Ratios are the peer's CPU seconds over ours.
Accuracies are computed here, from the leaves that each side predicted. Rows of the results are
replaced when their workload and peer are measured again.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common, figures, workloads
from benchmarks.peers.catalogue import OURS, PEERS, Run
from benchmarks.peers.workers import (
    Export,
    Outcome,
    environment_of,
    export,
    make_environment,
    work,
)
from benchmarks.workloads import Workload

WORKLOADS = ("W1", "onet_titles", "W2", "W4", "W5")
TITLES = ("settings", "fit", "predict", "rank")
_RESULTS = "peers"
Tables = dict[str, list[dict[str, Any]]]


def _workload(name: str, cache: str | None) -> Workload | None:
    if name in workloads.NAMES:
        return workloads.make(name, cache)
    data = common.load_text(name)
    if data is None:
        return None
    X_train, X_test = data.tfidf()
    return Workload(name, X_train, data.y_train, X_test, data.y_test, data.taxonomy)


# -- rows ---------------------------------------------------------------------------------


def _timing(outcomes: Iterable[Outcome], mode: str | None) -> common.Timing:
    costs = (o.said["fit"] if mode is None else o.costs[mode] for o in outcomes)
    return common.Timing(tuple(cost["cpu"] for cost in costs))


def _seconds(theirs: common.Timing, ours: common.Timing) -> dict[str, float]:
    ratios = np.array(theirs.seconds) / np.array(ours.seconds)
    return {
        "peer s": theirs.median,
        "our s": ours.median,
        "ratio": float(np.median(ratios)),
        "ratio min": float(ratios.min()),
        "ratio max": float(ratios.max()),
    }


def _sizes(theirs: list[Outcome], ours: list[Outcome]) -> dict[str, float]:
    return {
        f"{side} {size}": float(np.median([pick(outcome) for outcome in outcomes]))
        for size, pick in (
            ("wall s", lambda outcome: outcome.said["fit"]["wall"]),
            ("peak MB", lambda outcome: outcome.said["fit"]["peak MB"]),
            ("model MB", lambda outcome: outcome.said["model_mb"]),
        )
        for side, outcomes in (("peer", theirs), ("our", ours))
    }


def _fit(theirs: list[Outcome], ours: list[Outcome]) -> dict[str, float]:
    our_timing = _timing(ours, None)
    if not all("model_mb" in outcome.said for outcome in theirs):
        return {"our s": our_timing.median}
    return _seconds(_timing(theirs, None), our_timing) | _sizes(theirs, ours)


def _predictions(
    data: Export, theirs: list[Outcome], ours: list[Outcome], decoders: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield what each way to predict took, and how good it was in the first repetition."""
    for mode in theirs[0].costs:
        if not all(mode in outcome.costs for outcome in theirs):
            continue  # some repetition was stopped
        decoder = "ranking" if data.several else decoders[mode]
        row = {"prediction": mode, "our decoder": decoder}
        row |= _seconds(_timing(theirs, mode), _timing(ours, decoder))
        answers = {"peer": theirs[0].leaves[mode], "our": ours[0].leaves[decoder]}
        for side, leaves in answers.items():
            row |= {f"{side} {name}": value for name, value in data.quality(leaves).items()}
        if not data.several:
            row["same leaf"] = float(np.mean(answers["peer"] == answers["our"]))
        yield row


def _rows(
    what: dict[str, Any],
    run: Run,
    data: Export,
    turns: list[dict[str, Outcome]],
    decoders: Mapping[str, str],
) -> Tables:
    """Return the rows of one model of a peer, one for each of ours and each way to predict."""
    theirs = [turn["peer"] for turn in turns]
    told = {key: theirs[0].said.get(key, {}) for key in ("versions", "settings")}
    tables: Tables = {"settings": [{"peer": what["peer"], "model": run.name} | told]}
    failures = [outcome.failure for outcome in theirs if outcome.failure]
    failed = {"failure": failures[0]} if failures else {}
    answers = "rank" if data.several else "predict"
    tables |= {"fit": [], answers: []}
    for name in run.ours:
        pair = what | {"our base": name, "repetitions": len(turns)}
        ours = [turn[name] for turn in turns]
        tables["fit"].append(pair | _fit(theirs, ours) | failed)
        rows = [pair | row for row in _predictions(data, theirs, ours, decoders)]
        tables[answers] += rows or [pair | failed]
    return tables


def _measure(
    workload: Workload, data: Export, name: str, python: str, run: Run, options: Any
) -> Tables:
    peer = PEERS[name]
    turns: list[dict[str, Outcome]] = []
    repetitions = 1 if options.smoke else options.repetitions
    while len(turns) < repetitions:
        started = time.perf_counter()
        turn = {"peer": work(python, name, data.path, run.options, options.timeout)}
        for our in run.ours:
            turn[our] = work(sys.executable, "sklhier", data.path, OURS[our], options.timeout)
            if turn[our].failure:
                raise RuntimeError(f"our side failed: {turn[our].failure}")
        turns.append(turn)
        if turn["peer"].failure and options.smoke:
            raise RuntimeError(f"{name} failed: {turn['peer'].failure}")
        if turn["peer"].failure:
            common.note(f"{workload.name}, {name}: {turn['peer'].failure}")
            break
        if time.perf_counter() - started > options.once_above:
            break
    what = {"workload": workload.name, "peer": name, "model": run.name}
    return _rows(what, run, data, turns, peer.decoders)


# -- results ------------------------------------------------------------------------------


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(column) for column in ("workload", "peer"))


def _place(row: dict[str, Any]) -> tuple[int, int]:
    order = ["W0", *WORKLOADS]
    workload = row.get("workload", "W0")
    return (
        order.index(workload) if workload in order else len(order),
        list(PEERS).index(row["peer"]),
    )


def _merge(old: Tables, new: Tables) -> Tables:
    """Replace the rows that were measured again."""
    merged: Tables = {}
    for title in TITLES:
        rows = new.get(title, [])
        again = set(map(_key, rows))
        kept = [row for row in old.get(title, []) if _key(row) not in again]
        merged[title] = sorted(kept + rows, key=_place)
    return merged


def _save(new: Tables) -> None:
    path = common.results_path(_RESULTS)
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    common.write_results(_RESULTS, _merge(old, new))
    figures.main()


# -- the command --------------------------------------------------------------------------


def _parser() -> Any:
    parser = common.parser(__doc__)
    parser.add_argument("--all", action="store_true", help="every workload and every peer")
    parser.add_argument(
        "--workload", nargs="*", default=[], metavar="NAME", help=", ".join(WORKLOADS)
    )
    parser.add_argument("--peer", nargs="*", default=[], choices=PEERS, metavar="NAME")
    parser.add_argument("--python", metavar="PATH", help="the interpreter of the one peer named")
    parser.add_argument(
        "--envs", type=Path, metavar="FOLDER", help="one environment for each peer"
    )
    parser.add_argument("--make-envs", action="store_true", help="make those that are missing")
    parser.add_argument("--cache", metavar="FOLDER", help="keep generated data there")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument(
        "--once-above",
        type=float,
        default=60,
        metavar="SECONDS",
        help="measure once what takes longer than this",
    )
    parser.add_argument("--timeout", type=float, default=400, metavar="SECONDS")
    return parser


def _pythons(options: Any) -> Iterator[tuple[str, str]]:
    """Yield the peers that can run, and their interpreters."""
    names = options.peer or list(PEERS)
    if options.python and len(names) != 1:
        raise SystemExit("--python: name one --peer, please")
    for name in names:
        if options.make_envs:
            make_environment(name, options.envs)
        python = options.python or environment_of(name, PEERS[name], options.envs)
        if python is None:
            common.note(f"{name}: no environment (see --envs and --make-envs), skipped")
        else:
            yield name, python


def main(arguments: list[str] | None = None) -> None:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.make_envs and not options.envs:
        parser.error("--make-envs: name a folder with --envs, please")
    if not (options.all or options.workload or options.peer or options.smoke):
        if not options.make_envs:
            parser.error("what to measure? --all, --workload NAME or --peer NAME")
        list(_pythons(options))
        return
    pythons = list(_pythons(options))
    names = ["W0"] if options.smoke else options.workload or WORKLOADS
    for workload_name in names:
        workload = _workload(workload_name, options.cache)
        if workload is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            data = export(workload, Path(folder))
            for name, python in pythons:
                _compare(workload, data, name, python, options)


def _compare(workload: Workload, data: Export, name: str, python: str, options: Any) -> None:
    """Measure all models of a peer on one workload; save at once, to lose nothing."""
    reason = PEERS[name].left_out.get(workload.name)
    if reason:
        common.note(f"{workload.name}, {name}: {reason}, left out")
        return
    tables: Tables = defaultdict(list)
    for run in PEERS[name].runs:
        common.note(f"{workload.name}, {name}: {run.name}")
        for title, rows in _measure(workload, data, name, python, run, options).items():
            tables[title] += rows
    for title, rows in tables.items():
        if title != "settings":
            common.print_table(f"{workload.name}, {name}: {title}", rows)
    if not (options.smoke or options.print_only):
        _save(tables)


if __name__ == "__main__":
    main()
