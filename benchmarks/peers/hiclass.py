"""HiClass (LocalClassifierPerParentNode) against sklhier, with the same base and features.

Both sides fit and predict in turns in one process; ratios are HiClass's CPU seconds over ours.
Predictions are compared under ``decoder="top_down"``, which is what HiClass does. The last
table is the cost of the meta-estimators alone: their base does nothing. Peak memory is the growth
of a fork of the process during one fit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np

from benchmarks import common, workloads
from sklhier import HierarchicalClassifier, Taxonomy

try:
    from hiclass import LocalClassifierPerParentNode
except ImportError:
    LocalClassifierPerParentNode = None

_SVC_DATA = ("clinc150", "newsgroups20", "onet_titles")
_LOGISTIC_DATA = ("clinc150",)


# -- HiClass's view of labels -------------------------------------------------------------


def _levels(labels: np.ndarray, taxonomy: Taxonomy) -> np.ndarray:
    """Return names of nodes, one column for each level, padded with ""."""
    paths = taxonomy.path_ids(taxonomy.ids(labels.tolist()))
    names = taxonomy.node_names[paths]
    names[paths < 0] = ""
    return names.astype(str)


def _leaves(levels: np.ndarray, taxonomy: Taxonomy) -> np.ndarray:
    """Return the leaf in every row, whose cells below it are empty."""
    is_leaf = np.isin(levels, np.array(taxonomy.leaves))
    return levels[np.arange(len(levels)), is_leaf.argmax(axis=1)]


# -- measuring ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """What both sides took, and which leaves they predicted."""

    cost: dict[str, float]
    size: dict[str, float]
    leaves: dict[str, np.ndarray]

    @property
    def same(self) -> float:
        return float(np.mean(self.leaves["our"] == self.leaves["hiclass"]))


def _ratios(phase: str, timings: dict[str, common.Timing]) -> dict[str, float]:
    ours, theirs = timings["our"], timings["hiclass"]
    seconds = {f"hiclass {phase} s": theirs.median, f"our {phase} s": ours.median}
    return seconds | theirs.over(ours, f"{phase} ratio")


def _compare(
    base: Any, X_train: Any, y_train: np.ndarray, X_test: Any, taxonomy: Taxonomy, repetitions: int
) -> Comparison:
    levels = _levels(y_train, taxonomy)
    fits: dict[str, Callable[[], Any]] = {
        "hiclass": lambda: LocalClassifierPerParentNode(base).fit(X_train, levels),
        "our": lambda: HierarchicalClassifier(base, taxonomy=taxonomy, decoder="top_down").fit(
            X_train, y_train
        ),
    }
    peaks = {f"{side} peak MB": common.peak_growth_mb(call) for side, call in fits.items()}
    models, fit = common.interleaved(fits, repetitions)
    predicts = {side: partial(model.predict, X_test) for side, model in models.items()}
    answers, predict = common.interleaved(predicts, 3 * repetitions)  # short, hence noisy
    models_mb = {f"{side} model MB": common.pickled_mb(model) for side, model in models.items()}
    leaves = {"hiclass": _leaves(answers["hiclass"], taxonomy), "our": answers["our"]}
    return Comparison(_ratios("fit", fit) | _ratios("predict", predict), peaks | models_mb, leaves)


Tables = dict[str, list[dict[str, Any]]]


def _compare_texts(data: common.TextData, base: Any, repetitions: int, tables: Tables) -> None:
    what = {"data": data.name, "base": type(base).__name__, "repetitions": repetitions}
    common.note(f"{data.name}: {type(base).__name__}")
    X_train, X_test = data.tfidf()
    found = _compare(base, X_train, data.y_train, X_test, data.taxonomy, repetitions)
    right = {
        f"{side} leaf accuracy": float(np.mean(leaves == data.y_test))
        for side, leaves in found.leaves.items()
    }
    tables["real texts: time"].append(what | found.cost)
    tables["real texts: size and agreement"].append(
        what | found.size | right | {"same leaf": found.same}
    )


def _compare_idle(name: str, cache: str | None, repetitions: int, tables: Tables) -> None:
    common.note(f"{name}: a base that does nothing")
    data = workloads.make(name, cache)
    found = _compare(
        common.Idle(), data.X_train, data.y_train, data.X_test, data.taxonomy, repetitions
    )
    tables["meta-estimator alone"].append(
        {"data": name, "repetitions": repetitions}
        | found.cost
        | found.size
        | {"same leaf": found.same}
    )


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="the cost alone also on W2")
    parser.add_argument("--cache", metavar="FOLDER", help="keep generated data there")
    options = parser.parse_args(arguments)
    if LocalClassifierPerParentNode is None:
        common.note("hiclass is not installed, skipped")
        return
    repetitions = 1 if options.smoke else options.repetitions
    tables: Tables = defaultdict(list)
    for data in common.load_texts(_SVC_DATA, smoke=options.smoke):
        _compare_texts(data, common.linear_svc(), repetitions, tables)
    for data in common.load_texts(_LOGISTIC_DATA, smoke=options.smoke):
        _compare_texts(data, common.logistic_regression(), 1, tables)
    names = ["W0"] if options.smoke else ["W1", "W2"] if options.large else ["W1"]
    for name in names:
        _compare_idle(name, options.cache, repetitions, tables)
    version = metadata.version("hiclass")
    common.report("peers_hiclass", tables, options, data=_SVC_DATA, hiclass=version)


if __name__ == "__main__":
    main()
