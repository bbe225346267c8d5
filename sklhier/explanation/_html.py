"""Texts with the words highlighted that speak for an answer, as HTML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Self

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from sklhier._utils.pipelines import steps_and_last
from sklhier._utils.validation import shown
from sklhier.exceptions import IncompatiblePartsError
from sklhier.explanation._contributions import Entries, entries_of
from sklhier.explanation._decisions import Decision, Explained
from sklhier.explanation._explain import RUNNER_UP, feature_names, foil_of, named

__all__ = ["explain_html"]

_STYLE = (
    "<style>"
    ".sklhier-explanation{font:14px/1.7 sans-serif;max-width:60em}"
    ".sklhier-explanation section{margin:0 0 1.2em}"
    ".sklhier-explanation h4{font-size:1em;margin:0 0 .2em;font-weight:600}"
    ".sklhier-explanation p{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".sklhier-explanation mark{color:inherit;border-radius:.2em;padding:0 .1em}"
    ".sklhier-explanation small{opacity:.75}"
    "</style>"
)
# Blue for, orange against: apart for colour-blind readers, on light and dark pages.
_FOR, _AGAINST = "0,114,178", "230,134,0"


def explain_html(model: Any, X: Any, foil: Any = RUNNER_UP) -> str:
    """Texts as HTML, with words coloured by their contributions to the answer.

    Blue words speak for the chosen node, orange words for the foil; stronger colours contribute
    more. Point at a word to see its contribution. The contribution of a pair of words is divided
    between its words, that of a repeated word between its occurrences.

    Parameters
    ----------
    model : estimator
        As in :func:`explain`. The first step of the Pipeline, around the classifier or within it,
        is a ``CountVectorizer`` or ``TfidfVectorizer`` of words.
    X : sequence of str
        Texts.
    foil : label, default="runner_up"
        As in :func:`explain`.

    Returns
    -------
    html : str
        A ``div`` element in ASCII, without a script; texts and names are escaped. In a notebook,
        ``IPython.display.HTML(html)`` shows it.

    Raises
    ------
    NotFittedError, IncompatiblePartsError, TaxonomyError, TargetError, ValueError
        As :func:`explain`. Also for a vectorizer that does not use words, or is not the first step.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.explanation import explain_html
    >>> y, taxonomy = Taxonomy.from_paths(["pet/cat", "pet/dog", "car"])
    >>> model = make_pipeline(CountVectorizer(), HierarchicalClassifier(taxonomy=taxonomy))
    >>> model = model.fit(["cat purrs", "dog barks", "car tyres"], y)
    >>> html = explain_html(model, ["My cat."])
    >>> html.count("<section>"), html.count(">cat</mark>"), "<script" in html
    (2, 2, False)
    """
    explained = Explained.of(model)
    outer, _ = steps_and_last(model)
    texts = _texts(X)
    inside, X_local = explained.samples(model, texts)
    found: list[tuple[int, int, str]] = []
    for compared in explained.compared(inside, foil_of(explained, foil)):
        decision = compared.decision
        reader = _Reader.of([*outer, *decision.scores.steps])
        names = feature_names(explained, decision)
        for entries in entries_of(compared, X_local):
            bounds = np.searchsorted(entries.places, np.arange(len(entries.rows) + 1))
            differences = entries.differences.tolist()
            # A text is read by itself, as by the vectorizer.
            for place, row in enumerate(entries.rows.tolist()):
                part = slice(bounds[place], bounds[place + 1])
                words = names.of(entries.columns[part]).tolist()
                contributions = dict(zip(words, entries.contributions[part].tolist(), strict=True))
                head = _head(explained, decision, entries, place, differences[place])
                body = _body(texts[row], reader.of_words(texts[row], contributions))
                found.append((row, decision.step, f"<section>{head}{body}</section>"))
    found.sort(key=lambda section: section[:2])
    parts = [section for _, _, section in found]
    html = "\n".join([f'<div class="sklhier-explanation">{_STYLE}', *parts, "</div>"])
    return html.encode("ascii", "xmlcharrefreplace").decode("ascii")  # any encoding reads it


def _texts(X: Any) -> list[str]:
    texts = [X] if isinstance(X, str) else list(X)
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"`X` must be a sequence of texts, got {shown(text)} in it.")
    return texts


def _head(
    explained: Explained, decision: Decision, entries: Entries, place: int, difference: float
) -> str:
    outcomes = decision.scores.outcomes
    ids = np.array([outcomes[entries.chosen[place]], outcomes[entries.foils[place]]])
    chosen, foil = (escape(str(name)) for name in named(explained.taxonomy, ids))
    rather = f" rather than {foil}" if ids[1] >= 0 else ""
    parts = f"{difference:+.2f}, of which {entries.intercepts[place]:+.2f} without any word"
    return f"<h4>{chosen}{rather} <small>({parts})</small></h4>"


# -- words --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reader:
    """Reader of words, as a vectorizer reads them.

    Attributes
    ----------
    pattern : re.Pattern
        What a word is.
    normalised : callable
        Makes a text, or a word, what the vectorizer compares.
    stop_words : collection of str
        Words that it leaves out.
    lengths : tuple of int
        The least and the largest number of words of a feature.
    """

    pattern: re.Pattern[str]
    normalised: Callable[[str], str]
    stop_words: frozenset[str]
    lengths: tuple[int, int]

    @classmethod
    def of(cls, steps: list[Any]) -> Self:
        """Return how the first step of Pipelines reads.

        Raises
        ------
        IncompatiblePartsError
            If it is no vectorizer of words.
        """
        first: Any = steps[0] if steps else None
        while hasattr(first, "steps"):
            first = first.steps[0][1]
        is_of_words = (
            isinstance(first, CountVectorizer)
            and first.analyzer == "word"
            and first.tokenizer is None
            and first.input == "content"
        )
        if not is_of_words:
            got = "there is none" if first is None else f"it is {first!r}"
            raise IncompatiblePartsError.needs(
                "explain_html",
                "a CountVectorizer or TfidfVectorizer of words, without a tokenizer of your own, as "
                "the first step of the Pipeline",
                got,
                "Use explain, which returns a table of features of any kind.",
            )
        return cls(
            re.compile(first.token_pattern),
            first.build_preprocessor(),
            frozenset(first.get_stop_words() or ()),
            tuple(first.ngram_range),
        )

    def of_words(
        self, text: str, contributions: Mapping[str, float]
    ) -> list[tuple[int, int, float]]:
        """Return the words of a text: where each begins and ends, and what it contributes."""
        matches = self.pattern.finditer(text)
        group = 1 if self.pattern.groups else 0
        spans = [(match.span(group), self.normalised(match.group(group))) for match in matches]
        kept = [(span, word) for span, word in spans if word not in self.stop_words]
        words = [word for _, word in kept]
        places = [
            (start, n, " ".join(words[start : start + n]))
            for n in range(self.lengths[0], self.lengths[1] + 1)
            for start in range(len(words) - n + 1)
        ]
        counts = Counter(name for _, _, name in places)
        shares = np.zeros(len(words))
        for start, n, name in places:
            shares[start : start + n] += contributions.get(name, 0.0) / (counts[name] * n)
        return [(*span, share) for (span, _), share in zip(kept, shares.tolist(), strict=True)]


def _body(text: str, words: list[tuple[int, int, float]]) -> str:
    """Return a text whose words are marked by what they contribute."""
    largest = max((abs(share) for *_, share in words), default=0.0)
    parts, end = ["<p>"], 0
    for start, stop, share in words:
        if share:
            parts += [escape(text[end:start]), _mark(text[start:stop], share, largest)]
            end = stop
    return "".join([*parts, escape(text[end:]), "</p>"])


def _mark(word: str, share: float, largest: float) -> str:
    colour = _FOR if share > 0 else _AGAINST
    strength = 0.08 + 0.52 * abs(share) / largest
    style = f"background:rgba({colour},{strength:.2f})"
    return f'<mark style="{style}" title="{share:+.3g}">{escape(word)}</mark>'
