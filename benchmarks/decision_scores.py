"""Compare the links that turn decision scores into the weights of a path.

Bases without ``predict_proba`` give margins. A link turns those of a node into positive weights,
and the best path is the one with the largest product. Each classifier is fitted once and asked
under every link. "Normalised" weights of a node sum to 1; "raw" ones are left as they are.

The library's own link is a normalised softmax whose sharpness is ``sklhier._local._SHARPNESS``;
only this script replaces it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
from scipy.special import expit, softmax
from sklearn.linear_model import RidgeClassifier

from benchmarks import common
from sklhier import HierarchicalClassifier
from sklhier._local.scores import LocalScores
from sklhier._probabilities.products import one_by_one

_BASES = {"LinearSVC": common.linear_svc, "RidgeClassifier": RidgeClassifier}
_DATA = ("trec", "clinc150", "newsgroups20", "onet_titles")
_LEFT_OUT = {("onet_titles", "RidgeClassifier")}  # 23 conjugate-gradient solves at the root alone

Link = Callable[[np.ndarray], np.ndarray]

# -- links --------------------------------------------------------------------------------


def _softmax(sharpness: float, scores: np.ndarray) -> np.ndarray:
    return softmax(sharpness * scores, axis=1)


def _sigmoid(sharpness: float, scores: np.ndarray) -> np.ndarray:
    return expit(sharpness * scores)


def _cubic_hinge(scores: np.ndarray) -> np.ndarray:
    return np.exp(-(np.maximum(0.0, 1.0 - scores) ** 3))


def _normalised(link: Link, scores: np.ndarray) -> np.ndarray:
    weights = link(scores)
    return weights / weights.sum(axis=1, keepdims=True)


def _links() -> dict[str, Link]:
    links: dict[str, Link] = {f"softmax {s}": partial(_softmax, s) for s in (1, 3, 5, 8)}
    others: dict[str, Link] = {f"sigmoid {s}": partial(_sigmoid, s) for s in (1, 3)}
    others["cubic hinge"] = _cubic_hinge
    for name, link in others.items():
        links[f"{name}, raw"] = link
        links[f"{name}, normalised"] = partial(_normalised, link)
    return links


@contextmanager
def _linked(link: Link) -> Iterator[None]:
    """Let local models answer with the link's weights of their margins."""

    def of(self: Any, owner: int, outcomes: Any, rows: Any = None) -> np.ndarray:
        if len(outcomes) == 1:
            return np.ones((self._n_asked(rows), 1))
        return link(self._outputs(owner, "decision_function", rows))

    def of_pairs(self: Any, owners: Any, rows: Any, outcomes: Any) -> np.ndarray:
        return one_by_one(self.of, outcomes, owners, rows)

    with mock.patch.multiple(LocalScores, of=of, of_pairs=of_pairs):
        yield


# -- measuring ----------------------------------------------------------------------------

_OWN = "the library's own"
_GREEDY = "none: top_down"


def _answers(
    classifier: HierarchicalClassifier, X: Any, *, greedy: bool = False
) -> dict[str, np.ndarray]:
    """Return the predictions of a fitted classifier under every link."""
    answers = {}
    for name, link in _links().items():
        with _linked(link):
            answers[name] = classifier.predict(X)
    answers[_OWN] = classifier.predict(X)
    if greedy:
        answers[_GREEDY] = classifier.set_params(decoder="top_down").predict(X)
    return answers


def _gain(right: np.ndarray, right_of_own: np.ndarray) -> dict[str, float]:
    """Return the gain in accuracy over the library's own link, and its standard error."""
    gains = right.astype(float) - right_of_own
    return {"gain": float(gains.mean()), "gain se": float(gains.std() / np.sqrt(len(gains)))}


def _table(data: common.TextData, X_train: Any, X_test: Any, base: str) -> list[dict[str, Any]]:
    classifiers = {
        strategy: HierarchicalClassifier(
            _BASES[base](), taxonomy=data.taxonomy, strategy=strategy
        ).fit(X_train, data.y_train)
        for strategy in ("per_parent", "flat")
    }
    local = _answers(classifiers["per_parent"], X_test, greedy=True)
    flat = _answers(classifiers["flat"], X_test)
    rows = []
    for name, answers in local.items():
        scores = common.quality(data.y_test, answers, data.taxonomy)
        row = {"link": name} | {key: scores[key] for key in ("leaf", "hF", "level 1")}
        row |= _gain(answers == data.y_test, local[_OWN] == data.y_test)
        if name in flat:
            of_flat = common.quality(data.y_test, flat[name], data.taxonomy)
            row |= {"flat leaf": of_flat["leaf"], "flat hF": of_flat["hF"]}
        rows.append(row)
    return rows


def _summary(tables: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Put leaf accuracy and hF of all tables side by side, the flat classifier's below."""
    names = [row["link"] for row in next(iter(tables.values()))]
    rows = [
        {"best_path": name} | {title: _pair(table[at], "") for title, table in tables.items()}
        for at, name in enumerate(names)
    ]
    own = names.index(_OWN)
    flat = {title: _pair(table[own], "flat ") for title, table in tables.items()}
    return [*rows, {"best_path": "flat"} | flat]


def _pair(row: common.Row, prefix: str) -> str:
    return f"{100 * row[f'{prefix}leaf']:.1f} / {100 * row[f'{prefix}hF']:.1f}"


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--data", nargs="+", default=_DATA, metavar="NAME")
    options = parser.parse_args(arguments)
    tables: dict[str, list[dict[str, Any]]] = {}
    for data in common.load_texts(options.data, smoke=options.smoke):
        X_train, X_test = data.tfidf()
        for base in _BASES:
            if (data.name, base) not in _LEFT_OUT:
                common.note(f"{data.name}: {base}")
                tables[f"{data.name}, {base}"] = _table(data, X_train, X_test, base)
    common.report("decision_scores", tables, options, data=options.data)
    if tables:
        common.print_table("Leaf accuracy / hF, %", _summary(tables))


if __name__ == "__main__":
    main()
