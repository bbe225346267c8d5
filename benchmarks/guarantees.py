"""What answers with a guarantee hold: coverage against target, risks of label sets, refusals.

Models are fitted once. The rows of the test part are split again and again into rows to calibrate
with and rows to count on; thresholds that were learnt out-of-fold are counted on the same rows.
"error" is the share of answers that are neither the true node nor one above it, "depth" the depth of
answers over that of the truth, "set error" the share of sets without the truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks import common, label_sets
from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import Conformal, HeldOutPaths, HeldOutSets, RiskControl, SetMarginals
from sklhier.strategies import DenseMarginals, Outcomes

TEXTS = ("clinc150", "newsgroups20", "trec", "womens_clothing", "onet_titles", "naics2022")
SETS = ("enron_corr", "onet_tasks")
_LEVELS = (0.95, 0.9)
_RISKS = (("fnr", 0.2), ("fdr", 0.3))
_SIZES = (9, 19, 50, 100, 200, 500)
_REJECTS = (0.05, 0.1)


def _splits(n_rows: int, n_splits: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows to calibrate with and rows to count on, half of all each."""
    rng = np.random.default_rng(0)
    for _ in range(n_splits):
        order = rng.permutation(n_rows)
        yield np.sort(order[: n_rows // 2]), np.sort(order[n_rows // 2 :])


def _spread(name: str, values: list[float]) -> dict[str, float]:
    """Return the mean of all splits and the range of nine in ten."""
    low, high = np.quantile(values, [0.05, 0.95])
    return {name: float(np.mean(values)), f"{name} 5%": float(low), f"{name} 95%": float(high)}


# -- paths --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """Rows with their node probabilities and true nodes."""

    taxonomy: Taxonomy
    outcomes: Outcomes
    proba: np.ndarray
    nodes: np.ndarray

    def take(self, rows: np.ndarray) -> HeldOutPaths:
        marginals = DenseMarginals(self.taxonomy, self.outcomes, self.proba[rows])
        return HeldOutPaths(marginals, self.nodes[rows], np.ones(len(rows)))


def _counted(decoder: Conformal, part: HeldOutPaths) -> dict[str, float]:
    """Count errors, depths and sizes of sets on some rows."""
    taxonomy, nodes = part.marginals.taxonomy, part.nodes
    answers = decoder.decode(part.marginals)
    paths, true = taxonomy.path_ids(answers), taxonomy.path_ids(nodes)
    wrong = ((paths >= 0) & (paths != true)).any(axis=1)
    sets = decoder.prediction_sets(part.marginals)
    missed = np.asarray(sets[np.arange(len(nodes)), nodes]).ravel() == 0
    tops = true[:, 0]
    groups = [top for top in np.unique(tops) if (tops == top).sum() >= 30]
    return {
        "error": float(wrong.mean()),
        "worst error": float(max((wrong[tops == top].mean() for top in groups), default=np.nan)),
        "depth": float((paths >= 0).sum() / (true >= 0).sum()),
        "at root": float((answers == 0).mean()),
        "set error": float(missed.mean()),
        "leaves": float(sets[:, taxonomy.leaf_ids].sum(axis=1).mean()),
    }


def _coverage(data: common.TextData, n_splits: int) -> Iterator[dict[str, Any]]:
    X_train, X_test = data.tfidf()
    model = HierarchicalClassifier(taxonomy=data.taxonomy)
    model.set_params(decoder=Conformal(_LEVELS[0])).fit(X_train, data.y_train)
    known = np.isin(data.y_test, data.taxonomy.nodes)
    outcomes = Outcomes.of(data.taxonomy, data.taxonomy.ids(model.classes_.tolist()), stops=False)
    nodes = np.asarray(data.taxonomy.ids(data.y_test[known].tolist()))
    rows = Rows(data.taxonomy, outcomes, model.predict_node_proba(X_test[known]), nodes)
    out_of_fold = model.decoder_.thresholds_
    for level in _LEVELS:
        for by in (None, "top"):
            found: dict[str, list[dict[str, float]]] = {"calibration": [], "out of fold": []}
            decoder = Conformal(level, by=by)
            for calibration, others in _splits(len(nodes), n_splits):
                learnt = decoder.calibrated([rows.take(calibration)], "calibration")
                found["calibration"].append(_counted(learnt, rows.take(others)))
                if by is None:  # another level of the same scores
                    learnt = Conformal(level)
                    learnt.thresholds_ = type(out_of_fold)(
                        out_of_fold.paths,
                        out_of_fold.sets,
                        out_of_fold.paths.thresholds(level),
                        None,
                        "out_of_fold",
                    )
                    found["out of fold"].append(_counted(learnt, rows.take(others)))
            for source, counts in found.items():
                if counts:
                    first = {"data": data.name, "source": source, "by": by, "target": 1 - level}
                    yield first | _row(counts)


def _row(counts: list[dict[str, float]]) -> dict[str, float]:
    columns = {name: [count[name] for count in counts] for name in counts[0]}
    found = _spread("error", columns.pop("error"))
    return found | {name: float(np.mean(values)) for name, values in columns.items()}


def _simulated(n_rows: int, n_times: int) -> dict[str, Any]:
    """Calibrate with so few rows, again and again, and count on 20 others."""
    _, _, taxonomy = make_hierarchical_classification(30, branching=(4, 3), random_state=0)
    outcomes = Outcomes.of(taxonomy, taxonomy.leaf_ids, stops=False)
    rng, leaves = np.random.default_rng(n_rows), taxonomy.leaf_ids
    right, depth = 0.0, 0.0
    for _ in range(n_times):
        proba = rng.dirichlet(np.full(len(leaves), 0.15), size=n_rows + 20)
        places = (proba.cumsum(axis=1) < rng.random((len(proba), 1))).sum(axis=1)
        # The model is too sure of itself: the guarantee must not mind.
        given = proba**2 / (proba**2).sum(axis=1, keepdims=True)
        table = given @ taxonomy.ancestors_of(leaves)
        table[:, 0] = 1.0
        nodes = leaves[np.minimum(places, len(leaves) - 1)]
        rows = Rows(taxonomy, outcomes, table, nodes)
        learnt = Conformal(0.9).calibrated([rows.take(np.arange(n_rows))], "calibration")
        count = _counted(learnt, rows.take(np.arange(n_rows, len(proba))))
        right, depth = right + 1 - count["error"], depth + count["depth"]
    return {"rows": n_rows, "target": 0.9, "coverage": right / n_times, "depth": depth / n_times}


def _refused() -> Iterator[dict[str, Any]]:
    """Fit clinc150 without its rows out of scope; count how many of these are refused."""
    data = common.load_text("clinc150")
    if data is None:
        return
    path = common.data_folder() / "clinc150" / "test.tsv.gz"
    outside = [record["text"] for record in common.records(path) if record["intent"] == "oos"]
    vectorizer = common.vectorizer().fit(data.train_texts)
    X_train, X_in, X_out = map(vectorizer.transform, (data.train_texts, data.test_texts, outside))
    model = HierarchicalClassifier(taxonomy=data.taxonomy)
    for reject in _REJECTS:
        model.set_params(reject=reject).fit(X_train, data.y_train)
        inside, outside_refused = model.predict(X_in), model.predict(X_out) == None  # noqa: E711
        refused = inside == None  # noqa: E711
        yield {
            "data": data.name,
            "reject": reject,
            "threshold": model.reject_threshold_,
            "refused in scope": float(refused.mean()),
            "refused out of scope": float(outside_refused.mean()),
            "leaf": float((inside[~refused] == data.y_test[~refused]).mean()),
        }


# -- label sets ---------------------------------------------------------------------------


def _losses(risk: str, true: sparse.csr_array, answered: sparse.csr_array) -> np.ndarray:
    """Return the share of true nodes that are missed, or of answered ones that are wrong."""
    both = np.asarray(true.multiply(answered).sum(axis=1)).ravel()
    sizes = np.asarray((true if risk == "fnr" else answered).sum(axis=1)).ravel()
    return np.where(sizes > 0, 1 - both / np.maximum(sizes, 1), 0.0)


def _risks(data: label_sets.Sets, n_splits: int) -> Iterator[dict[str, Any]]:
    base = None if data.kind == "text" else label_sets.forest(data.kind)
    model = HierarchicalMultiLabelClassifier(base, taxonomy=data.taxonomy, strategy="flat")
    # A guarantee holds for any probabilities: these are as the models give them.
    model.set_params(decoder=RiskControl(), calibration=None).fit(data.X_train, data.Y_train)
    first = model.decoder_
    proba = model.predict_node_proba(data.X_test)
    closed = sparse.csr_array(sparse.hstack([np.zeros((len(proba), 1)), data.Y_test]))

    def part(rows: np.ndarray) -> HeldOutSets:
        marginals = SetMarginals(data.taxonomy, proba[rows], proba[rows])
        return HeldOutSets(marginals, sparse.csr_array(closed[rows]), np.ones(len(rows)))

    for risk, target in _RISKS:
        for method in ("crc", "ltt"):
            found, sizes, held = [], [], 0
            for calibration, others in _splits(len(proba), n_splits):
                learnt = RiskControl(risk, target, method).calibrated(
                    [part(calibration)], "calibration"
                )
                rest = part(others)
                answered = sparse.csr_array(learnt.decode(rest.marginals)[:, 1:])
                losses = _losses(risk, sparse.csr_array(rest.closed[:, 1:]), answered)
                found.append(float(losses.mean()))
                sizes.append(float(answered.sum(axis=1).mean()))
                held += found[-1] <= target
            yield {
                "data": data.name,
                "risk": risk,
                "target": target,
                "method": method,
                **_spread("loss", found),
                "held": held / n_splits,
                "nodes": float(np.mean(sizes)),
                "true nodes": float(data.Y_test.sum(axis=1).mean()),
            }
    answered = sparse.csr_array(first.decode(part(np.arange(len(proba))).marginals)[:, 1:])
    yield {
        "data": data.name,
        "risk": "fnr",
        "target": 0.1,
        "method": "crc, out of fold",
        "loss": float(_losses("fnr", data.Y_test, answered).mean()),
        "nodes": float(answered.sum(axis=1).mean()),
        "true nodes": float(data.Y_test.sum(axis=1).mean()),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    names = [*TEXTS, *SETS]
    parser.add_argument("--data", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--splits", type=int, default=50)
    options = parser.parse_args(arguments)
    n_splits = 3 if options.smoke else options.splits
    n_times = 20 if options.smoke else 500
    tables: dict[str, list[dict[str, Any]]] = {"simulated": [], "coverage": [], "risk": []}
    tables["simulated"] = [_simulated(n_rows, n_times) for n_rows in _SIZES]
    texts = [name for name in options.data if name in TEXTS]
    if options.smoke:
        texts = texts[:1]
    for data in common.load_texts(texts, smoke=options.smoke):
        common.note(f"{data.name}: coverage")
        tables["coverage"] += _coverage(data, n_splits)
    if "clinc150" in options.data and not options.smoke:
        tables["refused"] = list(_refused())
    chosen = [name for name in options.data if name in SETS]
    sets = label_sets.generated() if options.smoke else map(label_sets.load, chosen)
    for of_sets in sets:
        if of_sets is not None:
            common.note(f"{of_sets.name}: risk")
            tables["risk"] += _risks(of_sets, n_splits)
    common.report("guarantees", tables, options, data=options.data)


if __name__ == "__main__":
    main()
