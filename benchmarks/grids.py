"""How time, memory and model size grow with nodes, rows and depth.

One of the three varies, the others stay; and taxonomies alone. "idle" is a base that learns nothing:
what is left is the work of the library itself, ``fit`` and ``predict`` (``top_down``). SGD logistic
regression is a base that does learn. Texts are generated. CPU seconds, medians; peak memory is the
growth of a fork of the process during one fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import SGDClassifier

from benchmarks import common
from sklhier import HierarchicalClassifier, Taxonomy
from sklhier.datasets import make_hierarchical_text

_N_TEST = 10_000


@dataclass(frozen=True)
class Point:
    """A tree in which every inner node has as many children, and a number of rows."""

    branching: int
    depth: int
    rows: int


GRIDS = {
    "nodes": [Point(10, depth, 100_000) for depth in (2, 3, 4, 5)],
    "rows": [Point(10, 3, rows) for rows in (1000, 10_000, 100_000, 400_000)],
    "depth": [Point(*shape, 50_000) for shape in ((64, 2), (16, 3), (8, 4), (4, 6), (2, 12))],
}
_SIZES = (1111, 11_111, 111_111, 1_111_111)
_SMOKE = {"nodes": [Point(3, 2, 200), Point(3, 3, 200)]}


def _data(point: Point, n_test: int) -> tuple[Any, np.ndarray, Any, Any]:
    counts, y, taxonomy = make_hierarchical_text(
        point.rows + n_test,
        branching=[point.branching] * point.depth,
        vocabulary_size=50_000,
        mean_length=40,
        words_per_node=80,
        topic_share=0.3,
        random_state=0,
    )
    X = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    return X[: point.rows], y[: point.rows], X[point.rows :], taxonomy


def _measured(point: Point, options: Any) -> dict[str, Any]:
    X, y, X_test, taxonomy = _data(point, 100 if options.smoke else _N_TEST)
    bases = {
        "idle": common.Idle(),
        "SGD": SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=5, tol=None, random_state=0),
    }
    models = {
        name: HierarchicalClassifier(base, taxonomy=taxonomy, decoder="top_down", random_state=0)
        for name, base in bases.items()
    }
    _, fits = common.interleaved(
        {name: lambda model=model: model.fit(X, y) for name, model in models.items()},
        1 if options.smoke else options.repetitions,
    )
    _, predicts = common.interleaved(
        {name: lambda model=model: model.predict(X_test) for name, model in models.items()},
        1 if options.smoke else options.repetitions,
    )
    n_models = len(models["SGD"].estimators_)
    row: dict[str, Any] = {
        "leaves": len(taxonomy.leaves),
        "depth": point.depth,
        "rows": point.rows,
        "models": n_models,
    }
    for name in models:
        row |= {f"{name} fit s": fits[name].median, f"{name} predict s": predicts[name].median}
    row["idle us a model"] = fits["idle"].median / n_models * 1e6
    row["SGD model MB"] = common.pickled_mb(models["SGD"])
    del models["SGD"]
    row["SGD peak MB"] = common.peak_growth_mb(
        lambda: HierarchicalClassifier(bases["SGD"], taxonomy=taxonomy, random_state=0).fit(X, y)
    )
    row["data MB"] = (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 2**20
    return row


def _table(points: list[Point], options: Any) -> Iterator[dict[str, Any]]:
    for point in points:
        common.note(str(point))
        yield _measured(point, options)


def _taxonomy(n_nodes: int, repetitions: int) -> dict[str, Any]:
    parents = {f"n{i}": f"n{(i - 1) // 10}" for i in range(1, n_nodes)}
    values, timings = common.interleaved(
        {"one": lambda: Taxonomy.from_parents(parents)}, repetitions
    )
    size = common.pickled_mb(values["one"])
    return {"nodes": n_nodes, "s": timings["one"].median, "MB": size}


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--grids", nargs="*", default=list(GRIDS), choices=GRIDS)
    options = parser.parse_args(arguments)
    grids = _SMOKE if options.smoke else {name: GRIDS[name] for name in options.grids}
    tables = {f"by {name}": list(_table(points, options)) for name, points in grids.items()}
    sizes = _SIZES[:1] if options.smoke else _SIZES
    tables["taxonomies"] = [_taxonomy(size, options.repetitions) for size in sizes]
    common.report("grids", tables, options, repetitions=options.repetitions)


if __name__ == "__main__":
    main()
