"""The strategy that does best on held-out samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

from sklhier._probabilities.marginals import Marginals, Outcomes
from sklhier._utils.memory_blocks import numbers_per_row
from sklhier._utils.validation import check_integer, check_number, shown
from sklhier.strategies._base import (
    Option,
    SetStrategy,
    Strategy,
    register,
    resolve_set_strategy,
    resolve_strategy,
)
from sklhier.strategies._compound import Compound
from sklhier.strategies._ensemble import Ensemble
from sklhier.taxonomy import Taxonomy

__all__ = ["Auto"]

_SINGLE = ("per_parent", "per_level", "flat", "per_node")
_SCORE = "hierarchical_f1"


@register("auto")
class Auto(Compound):
    """The strategy with the best held-out predictions among several candidates.

    ``fit`` fits every candidate once for each fold of `cv` of the classifier, predicts the rows that
    the fold leaves out, and compares the scores of these predictions. Only the chosen strategy is
    then fitted to all rows. ``strategy_`` of the classifier is the chosen strategy,
    ``selection_report_`` has all scores.

    Parameters
    ----------
    candidates : sequence of str, Strategy, (strategy, estimator) or estimator, default=None
        The strategies to compare; the first of equals wins. None means per parent, per level, flat,
        per node, and ``"linear"`` and ``"log"`` pools of all these with learnt weights
        (:class:`Ensemble`). For a classifier of one path with ``estimator=None`` and dense X there
        is also a joint model, ``MultiHeadClassifier(random_state=0)``, often best for embeddings.

        A pair has its own base estimator, and an estimator alone is a joint model or one classifier
        over all classes: each becomes an :class:`Ensemble` of one. Models that several candidates
        share are fitted once.
    scoring : "hierarchical_f1" or callable, default="hierarchical_f1"
        The score, larger is better: micro hierarchical F1, or
        ``scoring(y_true, y_pred, taxonomy=taxonomy)`` of names of nodes (lists of names with label
        sets), such as the functions of :mod:`sklhier.metrics`. Only ``"hierarchical_f1"`` uses
        sample weights.
    max_rows : int or None, default=10000
        Largest number of rows to compare on. From more rows a sample is drawn that is balanced over
        the classes. None uses all.
    min_gain : float, default=0.002
        Margin by which an :class:`Ensemble` of several must beat the best single strategy, since it
        takes the time of all its members.

    Raises
    ------
    ValueError
        For no candidates, and for a parameter outside its range.
    IncompatiblePartsError
        In ``fit`` with `chain` or `routing`, and in ``partial_fit``.

    Notes
    -----
    With the default candidates and five folds, ``fit`` takes about as long as four fits of each
    of four strategies, and of the joint model, on ``min(n_samples, max_rows)`` rows, plus a fit of
    the chosen one on all. Flat and per level are slow with thousands of classes: leave them out of
    `candidates` there.

    Candidates use the decoder of the classifier. If the decoder is tuned itself, they use the best
    path instead; with label sets, thresholds tuned for each. If all rows are compared, calibration
    and decoder are learnt from the same held-out predictions. Folds, and so the choice, depend on
    the order of rows, not on `n_jobs`. Keep related rows in one fold (``cv`` with ``groups``):
    otherwise the comparison favours strategies that memorise rows.

    The score of the chosen strategy is the largest of several, so slightly too good: measure it
    on new samples.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> X, y, taxonomy = make_hierarchical_classification(300, 5, branching=(3, 2), random_state=0)
    >>> model = HierarchicalClassifier(taxonomy=taxonomy, strategy="auto", cv=3).fit(X, y)
    >>> report = model.selection_report_
    >>> report.dtype.names
    ('strategy', 'score', 'gain', 'chosen')
    >>> int(report["chosen"].sum())
    1
    """

    has_stages = False
    _why_no_models = "Auto has no models of its own: `strategy_` of a fitted classifier has."

    def __init__(
        self,
        candidates: Sequence[Any] | None = None,
        *,
        scoring: str | Callable[..., float] = _SCORE,
        max_rows: int | None = 10_000,
        min_gain: float = 0.002,
    ) -> None:
        self.candidates = candidates
        self.scoring = scoring
        self.max_rows = max_rows
        self.min_gain = min_gain

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""
        given = self.candidates
        if given is not None and not (isinstance(given, list | tuple) and given):
            raise ValueError(
                f"`candidates` must be a list of at least one strategy, got {shown(given)}."
            )
        if any(isinstance(other, Auto) or other == "auto" for other in given or ()):
            raise ValueError("`candidates` must be strategies other than 'auto', got 'auto'.")
        if not callable(self.scoring) and self.scoring != _SCORE:
            raise ValueError(
                f"`scoring` must be {_SCORE!r} or a callable, got {shown(self.scoring)}."
            )
        if self.max_rows is not None:
            check_integer("max_rows", self.max_rows, least=2)
        check_number("min_gain", self.min_gain, least=0)

    def _candidates(self) -> Sequence[Any]:
        if self.candidates is None:
            return _with_pools(_SINGLE)
        alone = (str, Strategy, SetStrategy)
        return [c if isinstance(c, alone) else Ensemble([c]) for c in self.candidates]

    def with_default(self, estimator: Any) -> Self:
        """Return the strategy with an estimator among the candidates, if these are the default."""
        if self.candidates is not None:
            return self
        params = self.get_params(deep=False)
        return type(self)(**params | {"candidates": _with_pools([*_SINGLE, estimator])})

    @property
    def needs_choice(self) -> bool:
        """Whether held-out samples choose: always."""
        return True

    @property
    def needs_tuning(self) -> bool:
        """Whether something is learnt before the final fit: always."""
        return True

    def parts(self) -> list[Strategy]:
        """Return the strategies of all candidates, each once."""
        return _pooled([resolve_strategy(c) for c in self._candidates()], "parts")[0]

    def options(self) -> list[Option]:
        """Return the candidates."""
        return _pooled([resolve_strategy(c) for c in self._candidates()], "parts")[1]

    def set_parts(self) -> list[SetStrategy]:
        """Return the strategies of all candidates, each once."""
        return _pooled(self._resolved_sets(), "set_parts")[0]

    def set_options(self) -> list[Option]:
        """Return the candidates."""
        return _pooled(self._resolved_sets(), "set_parts")[1]

    def _resolved_sets(self) -> list[SetStrategy]:
        return [resolve_set_strategy(candidate) for candidate in self._candidates()]

    # -- nothing of its own: fit replaces it by what it chooses ---------------------------

    def combined(
        self,
        taxonomy: Taxonomy,
        outcomes: Outcomes,
        marginals: Iterator[Marginals],  # noqa: ARG002
    ) -> Marginals:
        """Raise a TypeError, as :meth:`marginals`."""
        return self.marginals(taxonomy, outcomes, None)  # type: ignore[arg-type]

    def columns_per_row(self, taxonomy: Taxonomy, outcomes: Outcomes, *, all_nodes: bool) -> int:  # noqa: ARG002
        """Return the numbers of the tables of all parts."""
        return len(self.parts()) * numbers_per_row("means", taxonomy.n_nodes)


def _with_pools(single: Sequence[Any]) -> list[Any]:
    """Return the default candidates: single ones, and both pools of them with learnt weights."""
    return [*single, *(Ensemble(single, weights="oof", pool=pool) for pool in ("linear", "log"))]


def _pooled(candidates: list[Any], parts_of: str) -> tuple[list[Any], list[Option]]:
    """Return the parts of all candidates, each once, and the candidates by positions in them."""
    names: dict[str, int] = {}
    parts: list[Any] = []
    options = []
    for candidate in candidates:
        members = []
        for part in getattr(candidate, parts_of)():
            name = f"{type(part).__module__}.{part.__repr__(N_CHAR_MAX=10**6)}"
            if name not in names:
                names[name] = len(parts)
                parts.append(part)
            members.append(names[name])
        options.append(Option(candidate, tuple(members)))
    return parts, options
