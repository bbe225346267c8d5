"""Synthetic workloads W0 to W5, the same for the same version of sklhier.

============ ========================== ============== =======================================
name         tree                       train / test   features
============ ========================== ============== =======================================
W0           5 x 5 x 4                  2,000 / 1,000  TF-IDF, 5,000 words; for smoke runs
W1           10 x 10 x 10               20,000 / 20,000 TF-IDF, 50,000 words, uneven leaves
W2           10 x 10 x 10 x 10          50,000 / 20,000 TF-IDF, 50,000 words, uneven leaves
W3           5 x 5 x 5                  50,000 / 20,000 50 dense columns
W4           20 x 10 x 10 x 10          40,000 / 10,000 TF-IDF, 50,000 words, two rows a leaf
W5           9 x 10 x 10                20,000 / 20,000 TF-IDF, 50,000 words, about three leaves a row
============ ========================== ============== =======================================

Every leaf has a training row. The labels of W5 are an indicator with a column for each leaf.
``python -m benchmarks.workloads`` prints what they look like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

import sklhier
from benchmarks import common
from sklhier import Taxonomy
from sklhier.datasets import make_hierarchical_classification, make_hierarchical_text


@dataclass(frozen=True)
class Workload:
    """Features and labels, already split."""

    name: str
    X_train: Any
    y_train: np.ndarray
    X_test: Any
    y_test: np.ndarray
    taxonomy: Taxonomy


def _moved_to_siblings(
    labels: np.ndarray, taxonomy: Taxonomy, share: float, rng: np.random.RandomState
) -> np.ndarray:
    """Replace a share of the leaves by a random sibling or themselves: an error nobody avoids."""
    nodes = taxonomy.ids(labels.tolist())
    moved = np.flatnonzero(rng.uniform(size=len(nodes)) < share)
    parents = taxonomy.parent_ids[nodes[moved]]
    first, n_children = taxonomy.child_offsets[parents], np.diff(taxonomy.child_offsets)[parents]
    chosen = first + (rng.uniform(size=len(moved)) * n_children).astype(np.intp)
    nodes[moved] = taxonomy.edge_children[chosen]
    return taxonomy.node_names[nodes].astype(labels.dtype)


def _train_first(labels: np.ndarray) -> np.ndarray:
    """Return an order of the rows that begins with one of every class."""
    first = np.sort(np.unique(labels, return_index=True)[1])
    return np.concatenate([first, np.setdiff1d(np.arange(len(labels)), first)])


def _split(name: str, X: Any, y: np.ndarray, taxonomy: Taxonomy, n_train: int) -> Workload:
    order = _train_first(y)
    train, test = np.sort(order[:n_train]), np.sort(order[n_train:])
    return Workload(name, X[train], y[train], X[test], y[test], taxonomy)


def _text(
    name: str,
    branching: tuple[int, ...],
    n_train: int,
    n_test: int,
    n_words: int,
    seed: int,
    imbalance: float = 0.5,
) -> Workload:
    counts, labels, taxonomy = make_hierarchical_text(
        n_train + n_test,
        branching=branching,
        vocabulary_size=n_words,
        mean_length=72,
        words_per_node=80,
        topic_share=0.16,
        imbalance=imbalance,
        random_state=seed,
    )
    y = _moved_to_siblings(labels, taxonomy, 0.05, np.random.RandomState(seed))
    raw = _split(name, counts, y, taxonomy, n_train)
    tfidf = TfidfTransformer(sublinear_tf=True).fit(raw.X_train)
    X_train, X_test = tfidf.transform(raw.X_train), tfidf.transform(raw.X_test)
    return Workload(name, X_train, raw.y_train, X_test, raw.y_test, taxonomy)


def _label_sets(
    name: str, branching: tuple[int, ...], n_train: int, n_test: int, n_words: int, seed: int
) -> Workload:
    """Put one to five documents together in every row, with the labels of all."""
    rng = np.random.RandomState(seed)
    n_documents = 1 + rng.binomial(4, 0.5, n_train + n_test)
    row_of = np.repeat(np.arange(len(n_documents)), n_documents)
    counts, labels, taxonomy = make_hierarchical_text(
        len(row_of),
        branching=branching,
        vocabulary_size=n_words,
        mean_length=30,
        words_per_node=80,
        topic_share=0.4,
        imbalance=0.5,
        random_state=seed,
    )
    leaves = np.searchsorted(taxonomy.leaf_ids, taxonomy.ids(labels.tolist()))
    ones, documents = np.ones(len(row_of), dtype=np.int64), np.arange(len(row_of))
    X = sparse.csr_matrix((ones, (row_of, documents))) @ counts
    Y = sparse.csr_matrix((ones, (row_of, leaves)), shape=(X.shape[0], len(taxonomy.leaf_ids)))
    Y.data[:] = 1
    tfidf = TfidfTransformer(sublinear_tf=True).fit(X[:n_train])
    X_train, X_test = tfidf.transform(X[:n_train]), tfidf.transform(X[n_train:])
    return Workload(name, X_train, Y[:n_train], X_test, Y[n_train:], taxonomy)


def _dense(
    name: str, branching: tuple[int, ...], n_train: int, n_test: int, n_features: int, seed: int
) -> Workload:
    X, y, taxonomy = make_hierarchical_classification(
        n_train + n_test, n_features, branching=branching, noise=1.6, random_state=seed
    )
    return _split(name, X, y, taxonomy, n_train)


_MAKERS: dict[str, Callable[[str], Workload]] = {
    "W0": partial(_text, branching=(5, 5, 4), n_train=2000, n_test=1000, n_words=5000, seed=0),
    "W1": partial(
        _text, branching=(10, 10, 10), n_train=20_000, n_test=20_000, n_words=50_000, seed=1
    ),
    "W2": partial(
        _text, branching=(10, 10, 10, 10), n_train=50_000, n_test=20_000, n_words=50_000, seed=2
    ),
    "W3": partial(
        _dense, branching=(5, 5, 5), n_train=50_000, n_test=20_000, n_features=50, seed=3
    ),
    "W4": partial(
        _text,
        branching=(20, 10, 10, 10),
        n_train=40_000,
        n_test=10_000,
        n_words=50_000,
        seed=4,
        imbalance=0.0,
    ),
    "W5": partial(
        _label_sets, branching=(9, 10, 10), n_train=20_000, n_test=20_000, n_words=50_000, seed=5
    ),
}
NAMES = tuple(_MAKERS)


def make(name: str, cache: str | None = None) -> Workload:
    """Generate a workload, or read it from the folder `cache` if it is there."""
    if cache is None:
        return _MAKERS[name](name)
    folder = Path(cache).resolve()
    if folder.is_relative_to(common.CHECKOUT):
        raise SystemExit("--cache: a folder outside of the checkout, please")
    path = folder / f"{name}-{sklhier.__version__}.joblib"
    if path.exists():
        return Workload(*joblib.load(path))
    workload = _MAKERS[name](name)
    folder.mkdir(parents=True, exist_ok=True)
    # A tuple: the class goes by another name when this module is the program.
    joblib.dump(tuple(vars(workload).values()), path)
    return workload


def _summary(workload: Workload) -> common.Row:
    X, y, taxonomy = workload.X_train, workload.y_train, workload.taxonomy
    rows_of_leaves = y.sum(axis=0) if sparse.issparse(y) else np.unique(y, return_counts=True)[1]
    per_row = X.nnz / X.shape[0] if sparse.issparse(X) else float(X.shape[1])
    return {
        "name": workload.name,
        "nodes": taxonomy.n_nodes - 1,
        "leaves": len(taxonomy.leaves),
        "depth": taxonomy.n_levels,
        "train": X.shape[0],
        "test": workload.X_test.shape[0],
        "features": X.shape[1],
        "non-zeros a row": per_row,
        "largest leaf": int(rows_of_leaves.max()),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES, help=f"by default {' '.join(NAMES)}")
    parser.add_argument("--cache", metavar="FOLDER", help="keep the data there")
    options = parser.parse_args(arguments)
    names = ["W0"] if options.smoke else options.names
    common.print_table("Workloads", [_summary(make(name, options.cache)) for name in names])


if __name__ == "__main__":
    main()
