"""Several labels for each sample, on real tables and texts: next to published figures.

Tables: the area under the micro-averaged precision-recall curve over all nodes but the root, AU(PRC),
as published for Clus-HMC-Ens and C-HMCNN(h), and hF, the micro-averaged hierarchical F1 of the
predicted sets. Texts: F1 over nodes, next to a flat LinearSVC for each node; micro F1 over all nodes
is hF.

Tables. Training and validation parts are one. Missing numbers become means; nominal columns are
one-hot encoded, with a column for missing; LR and MLP have standardised features. AU(PRC) is the
average precision over all pairs of test row and node, without the root (Gene Ontology: without its
three ontologies). hF is that of the predicted sets, with a threshold tuned on out-of-fold
predictions, or fixed at 0.25 where that would take too long (forests on FunCat, everything on the
Gene Ontology). Settings come from ``--choose``: two thirds of the training part of one data set of
a family (ET on FunCat: of two) against the last third. Forests are not tuned: 50 trees on imclef07,
100 on enron_corr, 150 on FunCat, 60 on the Gene Ontology. Published: Clus-HMC-Ens as in Wehrmann et
al. (ICML 2018); C-HMCNN(h) from the README of its repository (Giunchiglia and Lukasiewicz, NeurIPS
2020).

Texts. TF-IDF of words and pairs of words (``medical_icd9``, whose rows are sorted: words). F1 in
per cent, over these nodes: ``reuters21578``, the 90 topics with documents in both parts, and with
their groups; ``goemotions``, all nodes, and each of its authors' three levels, of which all have
"neutral"; ``onet_tasks``, labels cut at the fourth level. A column that is never right counts as 0
in macro F1, so topics without a test document lower it. "flat" is an independent program, one
LinearSVC for each node with a margin above 0; the first row of each data set is our version of it.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks import common
from sklhier import HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.datasets import make_hierarchical_classification, make_hierarchical_text
from sklhier.decoders import SetThreshold
from sklhier.metrics import hierarchical_f1_score

FUNCAT = ("cellcycle", "church", "derisi", "gasch2", "pheno", "seq", "spo")
GO = ("cellcycle", "derisi", "gasch2", "pheno", "spo")
_ONTOLOGIES = ("GO0003674", "GO0005575", "GO0008150")

# AU(PRC) of Clus-HMC-Ens (as in Wehrmann et al., ICML 2018) and C-HMCNN(h) (Giunchiglia and
# Lukasiewicz, NeurIPS 2020: the README of its repository).
PUBLISHED: dict[str, tuple[float, float]] = {
    "imclef07a": (0.777, 0.956),
    "imclef07d": (0.863, 0.927),
    "enron_corr": (0.681, 0.756),
    "cellcycle_FUN": (0.227, 0.255),
    "derisi_FUN": (0.188, 0.195),
    "gasch2_FUN": (0.227, 0.258),
    "seq_FUN": (0.284, 0.292),
    "spo_FUN": (0.210, 0.215),
    "cellcycle_GO": (0.387, 0.413),
    "derisi_GO": (0.363, 0.370),
    "gasch2_GO": (0.395, 0.414),
    "spo_GO": (0.372, 0.382),
}
# F1 in per cent of one LinearSVC for each node (C=1, margin above 0, TF-IDF), from a program that is
# independent of the library: micro, macro.
_FLAT: dict[tuple[str, str], tuple[float | None, float | None]] = {
    ("reuters21578", "topics"): (83.9, 32.9),
    ("reuters21578", "all"): (89.1, None),
    ("goemotions", "all"): (56.9, 38.4),
    ("chemical_exposure", "all"): (78.6, 39.4),
    ("medical_icd9", "leaves"): (74.1, 27.0),
    ("medical_icd9", "all"): (76.1, None),
    ("onet_tasks", "all"): (62.6, 23.6),
}


@dataclass(frozen=True)
class Sets:
    """Features and closed label sets, split into training and test.

    `Y_train` and `Y_test` have a column for each of ``taxonomy.nodes[1:]``; `parts` names groups of
    these columns that are scored.
    """

    name: str
    kind: str
    X_train: Any
    Y_train: sparse.csr_array
    X_test: Any
    Y_test: sparse.csr_array
    taxonomy: Taxonomy
    parts: dict[str, np.ndarray] = field(default_factory=dict)

    def sample(self, n_train: int, n_test: int) -> Sets:
        """Return every n-th row, so that about as many are left."""
        train = slice(None, None, max(1, self.X_train.shape[0] // n_train))
        test = slice(None, None, max(1, self.X_test.shape[0] // n_test))
        return replace(
            self,
            X_train=self.X_train[train],
            Y_train=self.Y_train[train],
            X_test=self.X_test[test],
            Y_test=self.Y_test[test],
        )


def _closed(labels: Iterable[Sequence[str]], taxonomy: Taxonomy) -> sparse.csr_array:
    """Return an indicator of all nodes but the root, ancestors added."""
    rows = [np.asarray(taxonomy.ids(row), dtype=np.int64) for row in labels]
    n_labels = np.cumsum([0, *map(len, rows)])
    ids = np.concatenate(rows)
    given = sparse.csr_array(
        (np.ones(len(ids)), ids, n_labels), shape=(len(rows), taxonomy.n_nodes)
    )
    closed = sparse.csr_array(given @ sparse.csr_array(taxonomy.ancestor_closure, dtype=float))
    closed.data[:] = 1.0
    return sparse.csr_array(closed[:, 1:])


def _leaves(taxonomy: Taxonomy) -> np.ndarray:
    return np.isin(np.arange(1, taxonomy.n_nodes), taxonomy.leaf_ids)


# -- tables -------------------------------------------------------------------------------


def _table(name: str, kind: str, files: Sequence[str], hierarchy: str) -> Sets:
    """Read training files and, last, the test file; impute means, encode nominal columns."""
    folder = common.data_folder()
    frames = [
        pd.read_csv(
            folder / f"{file}.csv.gz",
            dtype={"labels": str},
            keep_default_na=False,
            na_values=[""],
            low_memory=False,
        )
        for file in files
    ]
    train, test = pd.concat(frames[:-1], ignore_index=True), frames[-1]
    taxonomy = common.read_hierarchy(folder / hierarchy)
    encoder = make_column_transformer(
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_exclude=np.number),
        ),
        remainder=SimpleImputer(),
    )
    Y = [
        _closed(frame["labels"].fillna("").str.split(";").map(_present), taxonomy)
        for frame in (train, test)
    ]
    X_train = encoder.fit_transform(train.drop(columns="labels"))
    X_test = encoder.transform(test.drop(columns="labels"))
    scored = ~np.isin(taxonomy.nodes[1:], _ONTOLOGIES)
    return Sets(name, kind, X_train, Y[0], X_test, Y[1], taxonomy, {"all": scored})


def _present(labels: list[str]) -> list[str]:
    return [label for label in labels if label]


def _yeast(name: str, folder: str, kind: str, suffix: str) -> Sets:
    files = [f"{folder}/{name}_{part}" for part in ("train", "valid", "test")]
    return _table(f"{name}_{suffix}", kind, files, f"{folder}/{name}_hierarchy.csv")


def _imclef(axis: str) -> Sets:
    stem = f"imclef07/imclef07{axis}"
    files = [f"{stem}_train", f"{stem}_test"]
    return _table(f"imclef07{axis}", "imclef", files, f"{stem}_hierarchy.csv")


def _enron() -> Sets:
    files = ["enron_corr/enron_trainvalid", "enron_corr/enron_test"]
    return _table("enron_corr", "enron", files, "enron_corr/enron_hierarchy.csv")


# -- texts --------------------------------------------------------------------------------

Records = list[dict[str, str]]


def _read(name: str) -> list[Records]:
    """Return the records of training and test."""
    folder = common.data_folder() / name
    return [list(common.records(folder / f"{part}.tsv.gz")) for part in ("train", "test")]


def _of_texts(
    name: str,
    texts: Sequence[list[str]],
    labels: Sequence[list[list[str]]],
    taxonomy: Taxonomy,
    parts: dict[str, np.ndarray],
    **options: Any,
) -> Sets:
    vectorizer = TfidfVectorizer(**({"ngram_range": (1, 2), "sublinear_tf": True} | options))
    X_train, X_test = vectorizer.fit_transform(texts[0]), vectorizer.transform(texts[1])
    Y_train, Y_test = (_closed(of_part, taxonomy) for of_part in labels)
    everything = np.ones(taxonomy.n_nodes - 1, dtype=bool)
    return Sets(
        name, "text", X_train, Y_train, X_test, Y_test, taxonomy, parts | {"all": everything}
    )


def _sets_of(records: Records) -> list[list[str]]:
    return [_present(record["labels"].split(";")) for record in records]


def _hierarchy(name: str) -> Taxonomy:
    return common.read_hierarchy(common.data_folder() / name / "hierarchy.csv")


def _reuters() -> Sets:
    """R90: topics with a document in training and in test, and the documents that have one."""
    records = _read("reuters21578")
    labels = [_sets_of(of_part) for of_part in records]
    topics = set.intersection(*({x for row in of_part for x in row} for of_part in labels))
    kept = [
        [
            (f"{record['title']} {record['body']}", own)
            for record, row in zip(of_part, sets, strict=True)
            if (own := [label for label in row if label in topics])
        ]
        for of_part, sets in zip(records, labels, strict=True)
    ]
    texts, sets = ([[pair[i] for pair in part] for part in kept] for i in (0, 1))
    taxonomy = _hierarchy("reuters21578")
    columns = {"topics": np.isin(taxonomy.nodes[1:], sorted(topics))}
    return _of_texts("reuters21578", texts, sets, taxonomy, columns)


def _plain(name: str, parts: Callable[[Taxonomy], dict[str, np.ndarray]], **options: Any) -> Sets:
    records = _read(name)
    text = "tokens" if "tokens" in records[0][0] else "text"
    texts = [[record[text] for record in of_part] for of_part in records]
    labels = [_sets_of(of_part) for of_part in records]
    taxonomy = _hierarchy(name)
    return _of_texts(name, texts, labels, taxonomy, parts(taxonomy), **options)


def _emotion_levels(taxonomy: Taxonomy) -> dict[str, np.ndarray]:
    """Return the 28 emotions, the seven of Ekman, the four sentiments; "neutral" is in all."""
    depths, neutral = taxonomy.depths[1:], np.asarray(taxonomy.nodes[1:]) == "neutral"
    return {
        "28 emotions": (depths == 3) | neutral,
        "Ekman": (depths == 2) | neutral,
        "sentiment": depths == 1,
    }


def _onet() -> Sets:
    """Cut at the fourth level: 382 work activities."""
    records = _read("onet_tasks")
    whole = _hierarchy("onet_tasks")
    kept = np.arange(1, whole.level_offsets[5])  # nodes are in the order of levels
    edges = [(whole.nodes[whole.parent_ids[child]], whole.nodes[child]) for child in kept]
    taxonomy = Taxonomy.from_edges(edges, root="root")
    texts = [[record["text"] for record in of_part] for of_part in records]
    labels = [
        [sorted({label.rsplit(".", 1)[0] for label in row}) for row in _sets_of(of_part)]
        for of_part in records
    ]
    return _of_texts("onet_tasks", texts, labels, taxonomy, {})


# The words of medical_icd9 are sorted: pairs of them mean nothing.
_WORDS = {"ngram_range": (1, 1), "token_pattern": r"\S+"}

_LOADERS: dict[str, tuple[str, Callable[[], Sets]]] = {
    "imclef07a": ("imclef07", lambda: _imclef("a")),
    "imclef07d": ("imclef07", lambda: _imclef("d")),
    "enron_corr": ("enron_corr", _enron),
    **{
        f"{name}_FUN": ("yeast_funcat", lambda n=name: _yeast(n, "yeast_funcat", "funcat", "FUN"))
        for name in FUNCAT
    },
    "reuters21578": ("reuters21578", _reuters),
    "goemotions": ("goemotions", lambda: _plain("goemotions", _emotion_levels)),
    "chemical_exposure": ("chemical_exposure", lambda: _plain("chemical_exposure", lambda _: {})),
    "medical_icd9": (
        "medical_icd9",
        lambda: _plain("medical_icd9", lambda t: {"leaves": _leaves(t)}, **_WORDS),
    ),
    "onet_tasks": ("onet_tasks", _onet),
    **{
        f"{name}_GO": ("yeast_go", lambda n=name: _yeast(n, "yeast_go", "go", "GO")) for name in GO
    },
}
NAMES = tuple(_LOADERS)
_SMOKE = ("imclef07d", "pheno_FUN", "pheno_GO", "reuters21578", "medical_icd9")


def _pairs(y: np.ndarray) -> list[list[str]]:
    """Return each label with that of the row before."""
    return [sorted({str(a), str(b)}) for a, b in zip(y, np.roll(y, 1), strict=True)]


def generated() -> Iterator[Sets]:
    """Yield a table and texts, for smoke runs where there are no data sets."""
    X, y, taxonomy = make_hierarchical_classification(
        300, 10, branching=(3, 2), noise=2.0, random_state=0
    )
    X = X + np.roll(X, 1, axis=0)
    Y = _closed(_pairs(y), taxonomy)
    everything = np.ones(taxonomy.n_nodes - 1, dtype=bool)
    name = "stand-in table"
    yield Sets(name, "enron", X[:200], Y[:200], X[200:], Y[200:], taxonomy, {"all": everything})
    texts, y, taxonomy = make_hierarchical_text(
        600, branching=(3, 4), topic_share=0.15, output="text", random_state=0
    )
    texts = [f"{a} {b}" for a, b in zip(texts, [texts[-1], *texts[:-1]], strict=True)]
    sets = _pairs(y)
    yield _of_texts(
        common.STAND_IN, [texts[:400], texts[400:]], [sets[:400], sets[400:]], taxonomy, {}
    )


def folder_of(name: str) -> str:
    """Return the folder of a data set."""
    return _LOADERS[name][0]


def load(name: str) -> Sets | None:
    """Load a data set, or say that it is not there and return None."""
    folder, loader = _LOADERS[name]
    if not common.is_there(folder):
        common.note(f"{name}: not among the data sets (see SKLHIER_DATA in the README), skipped")
        return None
    return loader()


# -- what is measured ---------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """What is fitted to a family of data sets.

    All but the sizes of forests were found on the training part of one data set of the family, by
    fitting to two rows of three and measuring AU(PRC) on the third (``--choose``); those of the Gene
    Ontology are those of FunCat. Test sets had no say in it.
    """

    n_trees: int
    min_samples_leaf: int
    C: float
    alpha: float
    n_epochs: int
    n_rounds: int
    n_leaves: int
    l2: float
    extra: tuple[int, int, float] = (100, 2, 1.0)  # trees, rows of a leaf, share of the features
    tunes_forest: bool = True
    tunes: bool = True

    def forest(self) -> RandomForestClassifier:
        # A leaf of a tree holds two numbers for each output: for 4,120 nodes, 20 trees take 1 GB.
        return RandomForestClassifier(
            self.n_trees, min_samples_leaf=self.min_samples_leaf, random_state=0
        )

    def extra_trees(self) -> ExtraTreesClassifier:
        trees, leaf, share = self.extra
        return ExtraTreesClassifier(
            trees, min_samples_leaf=leaf, max_features=share, random_state=0
        )

    def logistic(self) -> LogisticRegression:
        return LogisticRegression(C=self.C, max_iter=1000)

    def perceptron(self) -> MLPClassifier:
        return MLPClassifier(300, alpha=self.alpha, max_iter=self.n_epochs, random_state=0)

    def boosted(self) -> HistGradientBoostingClassifier:
        return HistGradientBoostingClassifier(
            max_iter=self.n_rounds,
            max_leaf_nodes=self.n_leaves,
            l2_regularization=self.l2,
            early_stopping=False,
        )


_SETTINGS = {
    "imclef": Setting(
        50, 2, C=0.1, alpha=0.01, n_epochs=40, n_rounds=100, n_leaves=31, l2=1, extra=(50, 2, 1.0)
    ),
    "enron": Setting(
        100,
        2,
        C=0.01,
        alpha=10.0,
        n_epochs=40,
        n_rounds=100,
        n_leaves=8,
        l2=10,
        extra=(100, 5, 0.1),
    ),
    "funcat": Setting(
        150,
        5,
        C=0.01,
        alpha=1.0,
        n_epochs=40,
        n_rounds=60,
        n_leaves=4,
        l2=10,
        extra=(100, 3, 1.0),
        tunes_forest=False,
    ),
    "go": Setting(
        60,
        5,
        C=0.01,
        alpha=1.0,
        n_epochs=40,
        n_rounds=30,
        n_leaves=4,
        l2=10,
        tunes_forest=False,
        tunes=False,
    ),
}


def forest(kind: str) -> RandomForestClassifier:
    """Return the forest of a family of tables."""
    return _SETTINGS[kind].forest()


_CHOSEN_ON = ("imclef07d", "enron_corr", "cellcycle_FUN", "seq_FUN")
_FIXED = 0.25  # a threshold for data sets on which tuning one would take too long


@dataclass(frozen=True)
class Run:
    """A base estimator under a strategy."""

    base: str
    make: Callable[[], Any]
    strategy: str
    threshold: SetThreshold
    scaled: bool = False


def _table_runs(kind: str) -> Iterator[Run]:
    setting = _SETTINGS[kind]
    threshold = SetThreshold() if setting.tunes else SetThreshold(_FIXED)
    of_forest = SetThreshold() if setting.tunes_forest else SetThreshold(_FIXED)
    for strategy in ("flat", "per_parent"):
        yield Run("LR", setting.logistic, strategy, threshold, scaled=True)
    if kind != "go":  # on 4,000 nodes these two take minutes
        yield Run("MLP", setting.perceptron, "flat", threshold, scaled=True)
    yield Run("RF", setting.forest, "flat", of_forest)
    if kind != "go":
        yield Run("RF", setting.forest, "per_parent", of_forest)
        yield Run("ET", setting.extra_trees, "flat", of_forest)
    # A boosted model for each node: with three folds more, thousands of fits.
    yield Run("HGB", setting.boosted, "per_parent", of_forest)


def _text_runs() -> Iterator[Run]:
    # The first is what the flat figures are: a margin above 0 for each node. Per level would be the
    # same as flat: all nodes have models of their own, among all rows.
    yield Run("LinearSVC", common.linear_svc, "flat", SetThreshold(0.5))
    yield Run("LinearSVC", common.linear_svc, "flat", SetThreshold())
    for strategy in ("flat", "per_parent"):
        yield Run("SGD", common.sgd_log_loss, strategy, SetThreshold())


def _fitted(data: Sets, run: Run) -> tuple[HierarchicalMultiLabelClassifier, Any, float]:
    """Return the model, the features of the test rows, and the seconds of the fit."""
    X_train, X_test = data.X_train, data.X_test
    if run.scaled:
        scaler = StandardScaler().fit(X_train)
        X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    model = HierarchicalMultiLabelClassifier(
        run.make(), taxonomy=data.taxonomy, strategy=run.strategy, decoder=run.threshold
    )
    with warnings.catch_warnings():
        # The number of epochs is a setting.
        warnings.simplefilter("ignore", ConvergenceWarning)
        _, seconds = common.timed(lambda: model.fit(X_train, data.Y_train))
    return model, X_test, seconds


def _tau(run: Run) -> str:
    return "tuned" if run.threshold.needs_tuning else f"{run.threshold.tau:g}"


def area(data: Sets, node_proba: np.ndarray) -> float:
    columns = data.parts["all"]
    true = data.Y_test[:, columns].toarray().astype(int)
    return float(average_precision_score(true, node_proba[:, 1:][:, columns], average="micro"))


def _of_table(data: Sets, run: Run) -> dict[str, Any]:
    model, X_test, fit_seconds = _fitted(data, run)
    node_proba, seconds = common.timed(lambda: model.predict_node_proba(X_test))
    predicted, more = common.timed(lambda: model.decode(node_proba))
    found = area(data, node_proba)
    row = {
        "data": data.name,
        "base": run.base,
        "strategy": run.strategy,
        "AU(PRC)": found,
    }
    if data.name in PUBLISHED:
        clus, c_hmcnn = PUBLISHED[data.name]
        row |= {
            "Clus-HMC-Ens": clus,
            "C-HMCNN": c_hmcnn,
            "above Clus-HMC-Ens": round(found - clus, 3),
            "above C-HMCNN": round(found - c_hmcnn, 3),
        }
    return row | {
        "threshold": _tau(run),
        "hF": hierarchical_f1_score(data.Y_test, predicted, taxonomy=data.taxonomy),
        "fit s": fit_seconds,
        "predict s": seconds + more,
    }


def _of_text(data: Sets, run: Run) -> Iterator[dict[str, Any]]:
    """Yield a row for each group of nodes that is scored."""
    model, X_test, fit_seconds = _fitted(data, run)
    predicted, seconds = common.timed(lambda: model.predict(X_test))
    for part, columns in data.parts.items():
        true, answer = data.Y_test[:, columns], predicted[:, columns]
        row: dict[str, Any] = {
            "data": data.name,
            "base": run.base,
            "strategy": run.strategy,
            "threshold": _tau(run),
            "nodes": part,
        }
        reference = _FLAT.get((data.name, part), (None, None))
        for average, flat in zip(("micro", "macro"), reference, strict=True):
            found = 100 * float(f1_score(true, answer, average=average, zero_division=0))
            row[f"{average} F1"] = found
            row[f"{average} flat"] = flat
            row[f"{average} above"] = None if flat is None else round(found - flat, 1)
        yield row | {"fit s": fit_seconds, "predict s": seconds}


# -- how the settings were found -------------------------------------------------------------

_CANDIDATES: dict[str, tuple[dict[str, Any], ...]] = {
    "LR": tuple({"C": C} for C in (0.001, 0.01, 0.1, 1.0, 10.0)),
    "MLP": tuple(
        {"alpha": alpha, "n_epochs": epochs} for alpha in (0.01, 1.0, 10.0) for epochs in (20, 40)
    ),
    "HGB": tuple(
        {"n_rounds": rounds, "n_leaves": leaves, "l2": l2}
        for rounds, leaves in ((60, 4), (100, 8), (100, 31))
        for l2 in (1.0, 10.0)
    ),
    "ET": tuple({"extra": (100, leaf, share)} for leaf in (2, 3, 5) for share in (0.1, 0.3, 1.0)),
}


def _choices(name: str, data: Sets) -> Iterator[dict[str, Any]]:
    """Yield AU(PRC) on a third of the training part of one data set."""
    left_out = np.arange(data.X_train.shape[0]) % 3 == 0
    inner = replace(
        data,
        X_train=data.X_train[~left_out],
        Y_train=data.Y_train[~left_out],
        X_test=data.X_train[left_out],
        Y_test=data.Y_train[left_out],
    )
    for base, candidates in _CANDIDATES.items():
        for candidate in candidates:
            setting = replace(_SETTINGS[data.kind], **candidate)
            make, strategy = {
                "LR": (setting.logistic, "flat"),
                "MLP": (setting.perceptron, "flat"),
                "HGB": (setting.boosted, "per_parent"),
                "ET": (setting.extra_trees, "flat"),
            }[base]
            run = Run(base, make, strategy, SetThreshold(_FIXED), scaled=base in ("LR", "MLP"))
            model, X_test, _ = _fitted(inner, run)
            found = area(inner, model.predict_node_proba(X_test))
            yield {"data": name, "base": base} | candidate | {"AU(PRC)": found}


# -- program ------------------------------------------------------------------------------


def _data(options: argparse.Namespace) -> Iterator[Sets]:
    names = [name for name in options.data if name in _SMOKE] if options.smoke else options.data
    for name in names:
        data = load(name)
        if data is not None:
            yield data.sample(150, 80) if options.smoke else data
    if options.smoke:
        yield from generated()


def _smaller(run: Run) -> Run:
    """Return the run with few trees and epochs."""
    base = run.make()
    few = {"n_estimators": 3, "max_iter": 5} if run.base in ("RF", "ET") else {"max_iter": 5}
    known = {key: value for key, value in few.items() if key in base.get_params()}
    return replace(run, make=lambda: base.set_params(**known))


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--data", nargs="+", default=NAMES, choices=NAMES, metavar="NAME")
    parser.add_argument(
        "--choose",
        action="store_true",
        help="instead: how the settings do on a third of training parts",
    )
    options = parser.parse_args(arguments)
    if options.choose:
        loaded = {name: load(name) for name in _CHOSEN_ON}
        rows = [
            row
            for name, data in loaded.items()
            if data is not None
            for row in _choices(name, data)
        ]
        common.print_table("settings", rows)
        return
    results: dict[str, list[dict[str, Any]]] = {"tables": [], "texts": []}
    for data in _data(options):
        is_text = data.kind == "text"
        for run in _text_runs() if is_text else _table_runs(data.kind):
            used = _smaller(run) if options.smoke else run
            rows = list(_of_text(data, used)) if is_text else [_of_table(data, used)]
            results["texts" if is_text else "tables"] += rows
            for row in rows:
                common.note(", ".join(f"{key} {value}" for key, value in row.items()))
    folders = {_LOADERS[name][0] for name in options.data}
    common.report("label_sets", results, options, data=sorted(folders))


if __name__ == "__main__":
    main()
