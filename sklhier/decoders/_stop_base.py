"""What stop rules with thresholds that may be tuned have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Self

from sklearn.base import clone

from sklhier._probabilities.marginals import HeldOutPaths, Marginals
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier._utils.validation import check_choice, check_integer, check_number
from sklhier.decoders._base import Decoder
from sklhier.decoders._node_thresholds import SCOPES, Bar, NodeBars, check_tau, is_tuned, node_bars
from sklhier.decoders._stop_tuning import Candidates, tuned_thresholds
from sklhier.taxonomy import Taxonomy

__all__ = ["StopRule"]


# Parameters that are these very objects need no check, which would cost a row some time.
_SCOPE, _BETA, _MIN_ROWS = "global", 1.0, 30


class StopRule(Decoder):
    """A decoder whose answers stop where the probability of a node exceeds its threshold."""

    needs_probabilities = True

    def __init__(
        self, tau: Any = 0.5, scope: str = _SCOPE, beta: float = _BETA, min_rows: int = _MIN_ROWS
    ) -> None:
        self.tau = tau
        self.scope = scope
        self.beta = beta
        self.min_rows = min_rows

    @property
    def needs_tuning(self) -> bool:
        """Whether the thresholds have to be tuned."""
        return is_tuned(self.tau)

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""
        check_tau(self, self.tau)
        if self.scope is not _SCOPE:
            check_choice("scope", self.scope, SCOPES)
        if self.beta is not _BETA:
            check_number("beta", self.beta, least=1e-100, most=1e100)
        if self.min_rows is not _MIN_ROWS:
            check_integer("min_rows", self.min_rows, least=1)

    def check_taxonomy(self, taxonomy: Taxonomy) -> None:
        """Raise a ValueError unless there is a threshold for each node, or for each level."""
        if not self.needs_tuning:
            self._bars(taxonomy)

    def _bars(self, taxonomy: Taxonomy) -> Bar | NodeBars:
        return node_bars(self, self.tau, taxonomy)

    # Tuned thresholds of nodes are not lower: above it a rule knows all nodes that may be answers.
    _floor: ClassVar[float] = 0.0

    @abstractmethod
    def _candidates(self, marginals: Marginals) -> tuple[Rows, NodeIds, Floats]:
        """Return rows, nodes and probabilities, as :class:`Candidates`."""

    def _evidence(self, part: HeldOutPaths) -> Candidates:
        """Return what `_tuned_by` needs of a block of held-out samples."""
        found = self._candidates(part.marginals)
        return Candidates(part.marginals.taxonomy, *found, part.nodes, part.weights)

    def _pooled(self, evidence: list[Candidates]) -> list[Candidates]:
        """Return the evidence of several blocks in as little memory as it takes."""
        return evidence

    def _tuned_by(self, evidence: Sequence[Candidates]) -> Self:
        """Return the decoder with the thresholds that are best on held-out samples."""
        best = tuned_thresholds(evidence, self.scope, self.beta, self.min_rows, self._floor)
        tuned: Self = clone(self).set_params(tau=best.tau)
        tuned.threshold_report_ = best.report
        return tuned

    def tuned(self, held_out: Callable[[], Iterator[HeldOutPaths]]) -> Self:
        """Return the decoder with the thresholds that are best on held-out samples."""
        return self._tuned_by(list(map(self._evidence, held_out()))) if self.needs_tuning else self

    threshold_report_: dict[str, Any]
