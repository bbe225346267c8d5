"""The features without which another label would have won."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples

from sklhier._utils.typing import Floats
from sklhier._utils.validation import shown
from sklhier.exceptions import IncompatiblePartsError
from sklhier.explanation._contributions import entries_of
from sklhier.explanation._decisions import Compared, Decision, Explained
from sklhier.explanation._explain import feature_names, foil_of, named, warn_of_numbers

__all__ = ["WhyNot", "why_not"]

_MOST_NAMES = 10


@dataclass(frozen=True)
class WhyNot:
    """The reason why a label is not the answer for a sample.

    Attributes
    ----------
    parent, chosen, foil : node names
        The first decision where the answer and the label differ: the node above, its chosen child,
        and the child that leads to the label. `parent` is None for a whole level.
    difference : float
        Decision score of `chosen` minus that of `foil`.
    features : tuple of str
        The smallest set of features without which it would not be above, the largest contribution
        first; all that speak for `chosen` if that is not enough.
    contributions : tuple of float
        Contribution of each of them to `difference`.
    difference_without : float
        The difference if these features were 0 and all others unchanged.
    flips : bool
        Whether `foil` is then ahead of `chosen`.
    winner : node name
        The outcome with the highest score in that case.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.explanation import why_not
    >>> y, taxonomy = Taxonomy.from_paths(["pet/cat", "pet/dog", "car"])
    >>> model = make_pipeline(CountVectorizer(), HierarchicalClassifier(taxonomy=taxonomy))
    >>> model = model.fit(["cat purrs", "dog barks", "car tyres"], y)
    >>> print(why_not(model, "my cat purrs and barks", "pet/dog"))
    'pet/cat' is ahead of 'pet/dog' below 'pet' by ... Not without ...
    """

    parent: Hashable
    chosen: Hashable
    foil: Hashable
    difference: float
    features: tuple[str, ...]
    contributions: tuple[float, ...]
    difference_without: float
    flips: bool
    winner: Hashable

    def __str__(self) -> str:
        """Tell it in a sentence or two."""
        listed = ", ".join(map(repr, self.features[:_MOST_NAMES]))
        more = len(self.features) - _MOST_NAMES
        listed += f" and {more} more" if more > 0 else ""
        where = "" if self.parent is None else f" below {self.parent!r}"
        ahead = f"{self.chosen!r} is ahead of {self.foil!r}{where} by {self.difference:.3g}."
        if self.difference <= 0:
            return (
                f"{self.foil!r} is ahead of {self.chosen!r}{where} by {-self.difference:.3g}; other "
                "decisions made the answer."
            )
        if not self.flips:
            return f"{ahead} It would stay ahead without all the features that favour it."
        other = "" if self.winner == self.foil else f" {self.winner!r} would win."
        return f"{ahead} Not without {listed}.{other}"


def why_not(model: Any, x: Any, label: Any) -> WhyNot:
    """Smallest set of features whose removal reverses the first decision against a label.

    At the first decision where the paths to the answer and to the label part, features are set to
    0, the largest contribution first, until the label's side has the higher score. No smaller
    number of features suffices.

    Parameters
    ----------
    model : estimator
        As in :func:`explain`, for one path.
    x : array-like, shape (n_features,) or (1, n_features), or str
        One sample: a text, a row of numbers, or a table or list of one sample.
    label : label
        A label or path (as a tuple) that is neither the answer nor above or below it.

    Returns
    -------
    reason : WhyNot
        The decision and the features; ``print(reason)`` shows a sentence.

    Raises
    ------
    NotFittedError, IncompatiblePartsError, TaxonomyError, TargetError
        As :func:`explain`.
    ValueError
        If `x` is more than one sample, and if no decision tells the label from the answer.

    Notes
    -----
    Features are those that the local model sees, after all steps. Actually deleting a word would
    also change the other features a little if a vectorizer scales rows to length 1. For
    standardised features, 0 is the mean.

    References
    ----------
    .. [1] D. Martens, F. Provost. Explaining data-driven document classifications. MIS Quarterly 38
       (2014).

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.explanation import why_not
    >>> y, taxonomy = Taxonomy.from_paths(["pet/cat", "pet/dog", "car"])
    >>> model = make_pipeline(CountVectorizer(), HierarchicalClassifier(taxonomy=taxonomy))
    >>> model = model.fit(["cat purrs", "dog barks", "car tyres"], y)
    >>> reason = why_not(model, "my cat purrs and barks", "pet/dog")
    >>> reason.parent, reason.chosen, reason.foil, reason.flips
    ('pet', 'pet/cat', 'pet/dog', True)
    """
    explained = Explained.of(model)
    if explained.gives_sets:
        raise IncompatiblePartsError.needs(
            "why_not",
            "one answer for each sample",
            "this classifier predicts sets of labels",
            "Use explain(model, X), which compares each label with its absence.",
        )
    inside, X_local = explained.samples(model, _one_sample(x))
    foil = foil_of(explained, label)
    compared = next(explained.compared(inside, foil), None)
    if compared is None:
        raise ValueError(
            f"No decision separates {shown(label)} from the answer: the label is the answer, or is "
            "above or below it. Choose another label."
        )
    return _reason(explained, compared, X_local)


def _one_sample(x: Any) -> Any:
    if isinstance(x, str):
        return [x]
    if isinstance(x, list | tuple | np.ndarray) and np.ndim(x) == 1 and not _holds_texts(x):
        return np.reshape(x, (1, -1))
    if _num_samples(x) != 1:
        raise ValueError(
            f"`x` must be one sample, got {_num_samples(x)}. Use explain for several."
        )
    return x


def _holds_texts(x: Any) -> bool:
    return any(isinstance(entry, str) for entry in x)


def _reason(explained: Explained, compared: Compared, X: Any) -> WhyNot:
    decision = compared.decision
    decision.linear("why_not")
    (entries,) = entries_of(compared, X)
    names = feature_names(explained, decision)
    if names.lost:
        warn_of_numbers()
    total = float(entries.differences[0])
    speaking = np.flatnonzero(entries.contributions > 0)
    without = total - np.cumsum(entries.contributions[speaking])
    n_needed = int(np.argmax(without < 0)) + 1 if (without < 0).any() else len(speaking)
    taken = speaking[: n_needed if total > 0 else 0]
    left = total if not len(taken) else float(without[len(taken) - 1])
    outcomes = decision.scores.outcomes
    chosen, foil = outcomes[entries.chosen[0]], outcomes[entries.foils[0]]
    winner = outcomes[_scores_without(decision, X, entries.columns[taken]).argmax()]
    nodes = named(explained.taxonomy, np.array([decision.parent, chosen, foil, winner]))
    return WhyNot(
        parent=nodes[0],
        chosen=nodes[1],
        foil=nodes[2],
        difference=total,
        features=tuple(map(str, names.of(entries.columns[taken]))),
        contributions=tuple(entries.contributions[taken].tolist()),
        difference_without=left,
        flips=left < 0,
        winner=nodes[3],
    )


def _scores_without(decision: Decision, X: Any, absent: Any) -> Floats:
    """Return the score of each outcome for a sample without some features."""
    linear = decision.linear("why_not")
    features = linear.features(X)
    kept = ~np.isin(features.indices, absent)
    weights = linear.weights(features.indices[kept].astype(np.intp))
    scores: Floats = weights @ features.data[kept] + linear.intercepts
    return scores
