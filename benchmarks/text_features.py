"""What pieces of words add to words: TF-IDF features of texts, with the default classifier.

Models learn from at most 15,000 of three quarters of each *training* set and are scored on at most
3,000 rows of the fourth; ``--test`` scores on the test sets instead. Seconds are CPU seconds of
vectorizer and fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import make_pipeline, make_union

from benchmarks import common
from sklhier import HierarchicalClassifier

NAMES = ("onet_titles", "clinc150", "naics2022", "trec", "womens_clothing", "newsgroups20")
_ROWS, _SCORED = 15_000, 3_000


def _pieces(longest: int) -> TfidfVectorizer:
    return TfidfVectorizer(
        sublinear_tf=True, ngram_range=(longest - 1, longest), analyzer="char_wb"
    )


def _features() -> dict[str, Any]:
    def words() -> TfidfVectorizer:
        return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))

    return {
        "words": words(),
        "words and pieces of 3 or 4": make_union(words(), _pieces(4)),
        "words and pieces of 4 or 5": make_union(words(), _pieces(5)),
    }


def _split(data: common.TextData, *, test: bool) -> Iterator[tuple[list[str], np.ndarray]]:
    texts, labels = list(data.train_texts), np.asarray(data.y_train)
    parts = np.arange(len(texts)), np.arange(0)
    if not test:
        parts = next(ShuffleSplit(1, test_size=0.25, random_state=0).split(texts))
    train, held_out = parts[0][:_ROWS], parts[1][:_SCORED]
    yield [texts[i] for i in train], labels[train]
    if test:
        yield list(data.test_texts)[:_SCORED], np.asarray(data.y_test)[:_SCORED]
    else:
        yield [texts[i] for i in held_out], labels[held_out]


def _rows(data: common.TextData, options: Any) -> Iterator[dict[str, Any]]:
    (texts, y_train), (scored, y_test) = _split(data, test=options.test)
    length = float(np.mean([len(text) for text in texts]))
    for name, features in _features().items():
        common.note(f"{data.name}: {name}")
        model = make_pipeline(features, HierarchicalClassifier(taxonomy=data.taxonomy))
        _, seconds = common.timed(lambda model=model: model.fit(texts, y_train))
        found = common.quality(y_test, model.predict(scored), data.taxonomy)
        measures = {key: found[key] for key in ("level 1", "leaf", "hF")}
        row = {"data": data.name, "characters": length, "features": name}
        yield row | measures | {"fit s": seconds}


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--data", nargs="+", default=NAMES, choices=NAMES, metavar="NAME")
    parser.add_argument("--test", action="store_true", help="score on the test sets")
    options = parser.parse_args(arguments)
    rows = [
        row
        for data in common.load_texts(options.data, smoke=options.smoke)
        for row in _rows(data, options)
    ]
    common.report("text_features", {"features": rows}, options, data=options.data)


if __name__ == "__main__":
    main()
