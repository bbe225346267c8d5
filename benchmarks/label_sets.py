"""Several labels for each sample, on real tables and texts: next to published figures.

Tables: the area under the micro-averaged precision-recall curve over all nodes but the root, AU(PRC),
as published for Clus-HMC-Ens and C-HMCNN(h). Texts: F1 over nodes, next to a flat LinearSVC for each
node. hF is the micro-averaged hierarchical F1 of the predicted sets.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
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
_PUBLISHED: dict[str, tuple[float, float]] = {
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
# F1 of earlier programs on the same data, in per cent: one LinearSVC for each node, or as named.
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


def _read(name: str, *parts: str) -> Records:
    return [
        record
        for part in parts
        for record in common._records(common.data_folder() / name / f"{part}.tsv.gz")
    ]


def _of_texts(
    name: str,
    texts: tuple[list[str], list[str]],
    labels: tuple[list[list[str]], list[list[str]]],
    taxonomy: Taxonomy,
    parts: dict[str, np.ndarray],
    **options: Any,
) -> Sets:
    vectorizer = TfidfVectorizer(**({"ngram_range": (1, 2), "sublinear_tf": True} | options))
    X_train, X_test = vectorizer.fit_transform(texts[0]), vectorizer.transform(texts[1])
    Y_train, Y_test = (_closed(of_part, taxonomy) for of_part in labels)
    everything = np.ones(taxonomy.n_nodes - 1, dtype=bool)
    return Sets(name, "text", X_train, Y_train, X_test, Y_test, taxonomy, parts | {"all": everything})


def _sets_of(records: Records) -> list[list[str]]:
    return [_present(record["labels"].split(";")) for record in records]


def _hierarchy(name: str) -> Taxonomy:
    return common.read_hierarchy(common.data_folder() / name / "hierarchy.csv")


def _reuters() -> Sets:
    """R90: topics with a document in training and in test, and the documents that have one."""
    records = [_read("reuters21578", part) for part in ("train", "test")]
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
    texts, sets = (([[pair[i] for pair in part] for part in kept]) for i in (0, 1))
    taxonomy = _hierarchy("reuters21578")
    columns = {"topics": np.isin(taxonomy.nodes[1:], sorted(topics))}
    return _of_texts("reuters21578", (texts[0], texts[1]), (sets[0], sets[1]), taxonomy, columns)


def _plain(name: str, parts: Callable[[Taxonomy], dict[str, np.ndarray]], **options: Any) -> Sets:
    records = [_read(name, part) for part in ("train", "test")]
    text = "tokens" if "tokens" in records[0][0] else "text"
    texts = tuple([record[text] for record in of_part] for of_part in records)
    labels = tuple(map(_sets_of, records))
    taxonomy = _hierarchy(name)
    return _of_texts(name, texts, labels, taxonomy, parts(taxonomy), **options)  # type: ignore[arg-type]


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
    records = [_read("onet_tasks", part) for part in ("train", "test")]
    whole = _hierarchy("onet_tasks")
    edges = [
        (whole.nodes[parent], whole.nodes[child])
        for child in range(1, whole.n_nodes)
        if whole.depths[child] <= 4
        for parent in [int(whole.parent_ids[child])]
    ]
    taxonomy = Taxonomy.from_edges(edges, root="root")
    texts = tuple([record["text"] for record in of_part] for of_part in records)
    labels = tuple(
        [sorted({label.rsplit(".", 1)[0] for label in row}) for row in _sets_of(of_part)]
        for of_part in records
    )
    return _of_texts("onet_tasks", texts, labels, taxonomy, {})  # type: ignore[arg-type]


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
    **{
        f"{name}_GO": ("yeast_go", lambda n=name: _yeast(n, "yeast_go", "go", "GO"))
        for name in GO
    },
    "reuters21578": ("reuters21578", _reuters),
    "goemotions": ("goemotions", lambda: _plain("goemotions", _emotion_levels)),
    "chemical_exposure": ("chemical_exposure", lambda: _plain("chemical_exposure", lambda _: {})),
    "medical_icd9": (
        "medical_icd9",
        lambda: _plain("medical_icd9", lambda t: {"leaves": _leaves(t)}, **_WORDS),
    ),
    "onet_tasks": ("onet_tasks", _onet),
}
NAMES = tuple(_LOADERS)


def _pairs(y: np.ndarray) -> list[list[str]]:
    """Return each label with that of the row before."""
    return [sorted({str(a), str(b)}) for a, b in zip(y, np.roll(y, 1), strict=True)]


def _generated() -> Iterator[Sets]:
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
        common.STAND_IN, (texts[:400], texts[400:]), (sets[:400], sets[400:]), taxonomy, {}
    )


def load(name: str) -> Sets | None:
    """Load a data set, or say that it is not there and return None."""
    folder, loader = _LOADERS[name]
    if not common.is_there(folder):
        common.note(f"{name}: not among the data sets (see SKLHIER_DATA in the README), skipped")
        return None
    return loader()


# -- what is measured ---------------------------------------------------------------------


def _forest(kind: str) -> RandomForestClassifier:
    # A leaf of a tree holds two numbers for each output: for 4,120 nodes 50 trees take 3 GB.
    n_trees = 50 if kind == "go" else 100
    leaf = 5 if kind in ("funcat", "go") else 2
    return RandomForestClassifier(n_trees, min_samples_leaf=leaf, random_state=0)


# Found on the training part of cellcycle_FUN, imclef07d and enron_corr, two thirds against one third
# (`--choose`); never on test sets.
_C = {"imclef": 1.0, "enron": 0.01, "funcat": 0.001, "go": 0.001}
_ALPHA = {"imclef": 1.0, "enron": 1.0, "funcat": 1.0, "go": 1.0}


def _logistic(kind: str) -> Any:
    return LogisticRegression(C=_C[kind], max_iter=1000)


def _perceptron(kind: str) -> Any:
    return MLPClassifier((300,), alpha=_ALPHA[kind], random_state=0, max_iter=20)
