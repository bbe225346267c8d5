"""Compare the links that turn decision scores into the weights of a path.

Bases without ``predict_proba`` give margins. A link turns those of a node into positive weights that
sum to 1, and the best path is the one with the largest product. The classifier is fitted anew for
every link, to the same local models.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import RidgeClassifier

from benchmarks import common
from sklhier import HierarchicalClassifier
from sklhier.links import HingeLink, Link, LogisticLink, SoftmaxLink

_BASES = {"LinearSVC": common.linear_svc, "RidgeClassifier": RidgeClassifier}
_DATA = ("trec", "clinc150", "newsgroups20", "onet_titles")
_LEFT_OUT = {("onet_titles", "RidgeClassifier")}  # 23 conjugate-gradient solves at the root alone

# -- links --------------------------------------------------------------------------------

_OWN = "the library's own"
_GREEDY = "none: top_down"
_LINKS: dict[str, Link | None] = {
    **{f"softmax {s}": SoftmaxLink(sharpness=s) for s in (1, 3, 5, 8)},
    **{f"logistic {s}": LogisticLink(s) for s in (3, 4, 6)},
    "hinge, squared": HingeLink(2),
    "hinge, cubic": HingeLink(3),
    _OWN: None,
}

# -- measuring ----------------------------------------------------------------------------


def _gain(right: np.ndarray, right_of_own: np.ndarray) -> dict[str, float]:
    """Return the gain in accuracy over the library's own link, and its standard error."""
    gains = right.astype(float) - right_of_own
    return {"gain": float(gains.mean()), "gain se": float(gains.std() / np.sqrt(len(gains)))}


def _table(data: common.TextData, X_train: Any, X_test: Any, base: str) -> list[dict[str, Any]]:
    model = HierarchicalClassifier(_BASES[base](), taxonomy=data.taxonomy)
    answers = {}
    for name, link in _LINKS.items():
        model.set_params(link=link).fit(X_train, data.y_train)
        answers[name] = model.predict(X_test)
    answers[_GREEDY] = model.set_params(decoder="top_down").predict(X_test)
    flat = model.set_params(strategy="flat", decoder="best_path").fit(X_train, data.y_train)
    of_flat = common.quality(data.y_test, flat.predict(X_test), data.taxonomy)
    rows = []
    for name, found in answers.items():
        scores = common.quality(data.y_test, found, data.taxonomy)
        row = {"link": name} | {key: scores[key] for key in ("leaf", "hF", "level 1")}
        row |= _gain(found == data.y_test, answers[_OWN] == data.y_test)
        if name == _OWN:
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
