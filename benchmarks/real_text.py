"""Accuracy and cost on real texts: local models per parent against one flat classifier.

TF-IDF of words and pairs of words is computed once for each data set. Seconds are CPU seconds of
a single fit and of the median of three predictions: good for orders of magnitude.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks import common
from sklhier import HierarchicalClassifier

_BASES: dict[str, Any] = {
    "default": lambda: None,
    "LinearSVC": common.linear_svc,
    "LogisticRegression": common.logistic_regression,
}
_RUNS = {"per_parent": ("top_down", "best_path"), "flat": ("best_path",)}
_PREDICTIONS = 3
# One classifier of 1,016 classes on 43,691 columns: was not done after nine minutes.
_SLOW = {("onet_titles", "LogisticRegression", "flat")}


def _measure(
    data: common.TextData, X_train: Any, X_test: Any, base: str, strategy: str
) -> Iterator[dict[str, Any]]:
    """Fit once; yield a row for each decoder."""
    classifier = HierarchicalClassifier(_BASES[base](), taxonomy=data.taxonomy, strategy=strategy)
    _, fit_seconds = common.timed(lambda: classifier.fit(X_train, data.y_train))

    def predict(decoder: str) -> np.ndarray:
        return classifier.set_params(decoder=decoder).predict(X_test)

    decoders = {decoder: partial(predict, decoder) for decoder in _RUNS[strategy]}
    answers, timings = common.interleaved(decoders, _PREDICTIONS)
    for decoder in decoders:
        what = {"base": base, "strategy": strategy, "decoder": decoder}
        cost = {"fit s": fit_seconds, "predict s": timings[decoder].median}
        yield what | common.quality(data.y_test, answers[decoder], data.taxonomy) | cost


def _rows(data: common.TextData, bases: list[str], *, slow: bool) -> list[dict[str, Any]]:
    X_train, X_test = data.tfidf()
    rows: list[dict[str, Any]] = []
    for base in bases:
        for strategy in _RUNS:
            if (data.name, base, strategy) in _SLOW and not slow:
                common.note(f"{data.name}: {base}, {strategy} left out (--slow runs it)")
                continue
            common.note(f"{data.name}: {base}, {strategy}")
            rows += _measure(data, X_train, X_test, base, strategy)
    return rows


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument(
        "--data", nargs="+", default=["clinc150", "newsgroups20", "onet_titles"], metavar="NAME"
    )
    parser.add_argument("--base", nargs="+", default=list(_BASES), choices=list(_BASES))
    parser.add_argument("--slow", action="store_true", help="also what takes very long")
    options = parser.parse_args(arguments)
    tables = {
        data.name: _rows(data, options.base, slow=options.slow)
        for data in common.load_texts(options.data, smoke=options.smoke)
    }
    common.report("real_text", tables, options, data=options.data)


if __name__ == "__main__":
    main()
