"""Which model to take for embeddings: on dense vectors of texts.

Two kinds of vectors, with 256 numbers in float32 and length 1. *Static*: means of word vectors that
the package ``wordllama`` (MIT licence) ships in its wheel; left out where it is not installed.
*LSA*, latent semantic analysis: TF-IDF of words and pairs of words and its truncated singular value
decomposition. Each model is fitted once to the official training part. Seconds are CPU seconds.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from benchmarks import common
from sklhier import HierarchicalClassifier, MultiHeadClassifier

NAMES = ("clinc150", "naics2022", "onet_titles")
_SIZE = 256
_MOST_LABELS = 200  # for flat logistic regression: with a thousand labels it takes minutes

Vectors = tuple[np.ndarray, np.ndarray]


def _lsa(data: common.TextData, size: int) -> Vectors:
    X_train, X_test = (X.astype(np.float32) for X in data.tfidf())
    reduction = TruncatedSVD(size, n_iter=2, random_state=0).fit(X_train)
    train, test = (normalize(reduction.transform(X)).astype(np.float32) for X in (X_train, X_test))
    return train, test


def static_vectors(texts: Iterable[str], size: int = _SIZE) -> np.ndarray:
    """Return the means of word vectors of texts, of length 1."""
    import wordllama

    # By default it looks for its tokenizer in a folder that the wheel names otherwise.
    folder = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=folder, trunc_dim=size, disable_download=True)
    vectors: np.ndarray = model.embed(list(texts), norm=True)
    return vectors


def _static(data: common.TextData, size: int) -> Vectors:
    return static_vectors(data.train_texts, size), static_vectors(data.test_texts, size)


_KINDS: dict[str, Callable[[common.TextData, int], Vectors]] = {"static": _static, "LSA": _lsa}


def _models(taxonomy: Any) -> Iterator[tuple[str, Any]]:
    for strategy in ("per_parent", "per_level", "flat"):
        yield strategy, HierarchicalClassifier(taxonomy=taxonomy, strategy=strategy)
    if len(taxonomy.leaves) <= _MOST_LABELS:
        base = LogisticRegression(C=10, max_iter=200)
        yield "flat, C=10", HierarchicalClassifier(base, taxonomy=taxonomy, strategy="flat")
    yield "joint", MultiHeadClassifier(taxonomy, random_state=0)


def _rows(data: common.TextData, kind: str, vectors: Vectors) -> Iterator[dict[str, Any]]:
    X_train, X_test = vectors
    for name, model in _models(data.taxonomy):
        common.note(f"{data.name}, {kind}: {name}")
        _, seconds = common.timed(lambda m=model: m.fit(X_train, data.y_train))
        predicted, more = common.timed(lambda m=model: m.predict(X_test))
        found = common.quality(data.y_test, predicted, data.taxonomy)
        measures = {key: found[key] for key in ("level 1", "leaf", "hF")}
        row = {"data": data.name, "vectors": kind, "model": name}
        yield row | measures | {"fit s": seconds, "predict s": more}


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--data", nargs="+", default=NAMES, choices=NAMES, metavar="NAME")
    options = parser.parse_args(arguments)
    kinds, size = dict(_KINDS), 16 if options.smoke else _SIZE
    if options.smoke or not importlib.util.find_spec("wordllama"):
        common.note(
            "static vectors left out: they need the package wordllama; results not written"
        )
        options.print_only = True
        del kinds["static"]
    rows = [
        row
        for data in common.load_texts(options.data, smoke=options.smoke)
        for kind, vectors in kinds.items()
        for row in _rows(data, kind, vectors(data, size))
    ]
    common.report("embeddings", {"models": rows}, options, data=options.data)


if __name__ == "__main__":
    main()
