"""Which model to take for embeddings: on dense vectors of texts.

Vectors are made by latent semantic analysis: TF-IDF of words and pairs of words, its truncated
singular value decomposition, and length 1; 256 numbers in float32. Each model is fitted once to the
official training part. Seconds are CPU seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from benchmarks import common
from sklhier import HierarchicalClassifier, MultiHeadClassifier

NAMES = ("clinc150", "naics2022", "onet_titles")
_MOST_LABELS = 200  # for the flat model: with a thousand labels it takes minutes


def _vectors(data: common.TextData, size: int) -> tuple[Any, Any]:
    X_train, X_test = (X.astype(np.float32) for X in data.tfidf())
    reduction = TruncatedSVD(size, n_iter=2, random_state=0).fit(X_train)
    return tuple(normalize(reduction.transform(X)).astype(np.float32) for X in (X_train, X_test))


def _models(taxonomy: Any) -> Iterator[tuple[str, Any]]:
    base = LogisticRegression(C=10, max_iter=200)
    yield "per parent, default base", HierarchicalClassifier(taxonomy=taxonomy)
    yield "per parent, C=10", HierarchicalClassifier(base, taxonomy=taxonomy)
    if len(taxonomy.leaves) <= _MOST_LABELS:
        yield "flat, C=10", HierarchicalClassifier(base, taxonomy=taxonomy, strategy="flat")
    yield "joint", MultiHeadClassifier(taxonomy, random_state=0)


def _rows(data: common.TextData, size: int) -> Iterator[dict[str, Any]]:
    X_train, X_test = _vectors(data, size)
    for name, model in _models(data.taxonomy):
        common.note(f"{data.name}: {name}")
        _, seconds = common.timed(lambda m=model: m.fit(X_train, data.y_train))
        predicted, more = common.timed(lambda m=model: m.predict(X_test))
        found = common.quality(data.y_test, predicted, data.taxonomy)
        measures = {key: found[key] for key in ("level 1", "leaf", "hF")}
        row = {"data": data.name, "model": name}
        yield row | measures | {"fit s": seconds, "predict s": more}


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--data", nargs="+", default=NAMES, choices=NAMES, metavar="NAME")
    options = parser.parse_args(arguments)
    size = 16 if options.smoke else 256
    rows = [
        row
        for data in common.load_texts(options.data, smoke=options.smoke)
        for row in _rows(data, size)
    ]
    common.report("embeddings", {"models": rows}, options, data=options.data)


if __name__ == "__main__":
    main()
