"""The tabular data sets, as folds of training and test rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks import common
from sklhier import Taxonomy
from sklhier.datasets import make_hierarchical_classification


@dataclass(frozen=True)
class Folds:
    """Features and labels, and which rows each fold learns from and is tested on."""

    name: str
    X: Any
    y: np.ndarray
    taxonomy: Taxonomy
    splits: list[tuple[np.ndarray, np.ndarray]]

    def sample(self, step: int) -> Folds:
        """Return the same with every n-th training and test row."""
        splits = [(train[::step], test[::step]) for train, test in self.splits]
        return Folds(self.name, self.X, self.y, self.taxonomy, splits)


def of_texts(data: common.TextData) -> Folds:
    """Return TF-IDF features of texts with their official split."""
    from scipy import sparse

    X_train, X_test = data.tfidf()
    X = sparse.csr_matrix(sparse.vstack([X_train, X_test]))
    y = np.concatenate([data.y_train, data.y_test])
    split = np.split(np.arange(len(y)), [len(data.y_train)])
    return Folds(data.name, X, y, data.taxonomy, [(split[0], split[1])])


def _official(name: str, X_train: Any, X_test: Any, y: list[np.ndarray], hierarchy: Path) -> Folds:
    rows = np.split(np.arange(len(y[0]) + len(y[1])), [len(y[0])])
    X = np.vstack([X_train, X_test])
    return Folds(
        name, X, np.concatenate(y), common.read_hierarchy(hierarchy), [(rows[0], rows[1])]
    )


def _imclef(axis: str) -> Folds:
    folder = common.data_folder() / "imclef07"
    parts = [pd.read_csv(folder / f"imclef07{axis}_{part}.csv.gz") for part in ("train", "test")]
    y = [part["labels"].str.split(";").str[-1].to_numpy(dtype=str) for part in parts]
    scaler = StandardScaler().fit(parts[0].iloc[:, :80].to_numpy(dtype=float))
    X = [scaler.transform(part.iloc[:, :80].to_numpy(dtype=float)) for part in parts]
    hierarchy = folder / f"imclef07{axis}_hierarchy.csv"
    return _official(f"imclef07{axis}", X[0], X[1], y, hierarchy)


def _anuran() -> Folds:
    """Frog calls; all those of one recording are in the same fold."""
    folder = common.data_folder() / "anuran"
    table = pd.read_csv(folder / "anuran.csv.gz")
    X = table.filter(like="MFCCs").to_numpy(dtype=float)  # in [-1, 1] already
    y = table["Species"].to_numpy(dtype=str)
    splits = list(GroupKFold(5).split(X, y, table["RecordID"]))
    return Folds("anuran", X, y, common.read_hierarchy(folder / "hierarchy.csv"), splits)


def _nsl_kdd() -> Folds:
    folder = common.data_folder() / "nsl_kdd"
    parts = [pd.read_csv(folder / f"{part}.csv.gz") for part in ("train", "test")]
    y = [part["attack"].to_numpy(dtype=str) for part in parts]
    features = [part.drop(columns=["difficulty", "category", "attack"]) for part in parts]
    encoder = make_column_transformer(
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_exclude=np.number),
        ),
        remainder=StandardScaler(),
    ).fit(features[0])
    X = [encoder.transform(part) for part in features]
    return _official("nsl_kdd", X[0], X[1], y, folder / "hierarchy.csv")


_LOADERS: dict[str, tuple[str, Callable[[], Folds]]] = {
    "imclef07a": ("imclef07", lambda: _imclef("a")),
    "imclef07d": ("imclef07", lambda: _imclef("d")),
    "anuran": ("anuran", _anuran),
    "nsl_kdd": ("nsl_kdd", _nsl_kdd),
}
NAMES = tuple(_LOADERS)


def generated() -> Folds:
    """Return generated data, for smoke runs where there are no data sets."""
    X, y, taxonomy = make_hierarchical_classification(
        300, 10, branching=(3, 2), noise=2.0, random_state=0
    )
    rows = np.split(np.arange(300), [200])
    return Folds("stand-in table", X, y, taxonomy, [(rows[0], rows[1])])


def load(name: str) -> Folds | None:
    """Load a data set, or say that it is not there and return None."""
    folder, loader = _LOADERS[name]
    if not (common.data_folder() / folder).is_dir():
        common.note(f"{name}: not among the data sets (see SKLHIER_DATA in the README), skipped")
        return None
    return loader()
