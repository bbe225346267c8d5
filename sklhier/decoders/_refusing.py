"""Refusal: no answer where the most probable one is not probable enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

import numpy as np
from scipy import sparse

from sklhier._probabilities.marginals import HeldOutPaths, Marginals
from sklhier._utils.typing import Bools, Floats, NodeIds, Rows
from sklhier.decoders._base import Decoder
from sklhier.decoders._best_path import BestPath, top_answers
from sklhier.decoders._conformal import Conformal

__all__ = ["Refusing"]


class Refusing(Decoder):
    """Another decoder, without an answer for rows whose most probable one is below a threshold.

    Parameters
    ----------
    decoder : Decoder
        Gives the answers that are not refused.
    reject : float
        Share of held-out rows that lies below the threshold.
    threshold : float, default=None
        The threshold; None: to be learnt.
    """

    gives = "any"
    needs_probabilities = True

    def __init__(self, decoder: Decoder, reject: float, threshold: float | None = None) -> None:
        self.decoder = decoder
        self.reject = reject
        self.threshold = threshold
        # What a class declares elsewhere depends on the other decoder here.
        self.needs_all_nodes = decoder.needs_all_nodes  # type: ignore[misc]
        self.gives_sets = decoder.gives_sets  # type: ignore[misc]

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return f"reject={self.reject!r}"

    @property
    def needs_tuning(self) -> bool:
        """Whether the threshold has to be learnt."""
        return self.threshold is None

    def tuned(self, held_out: Callable[[], Iterator[HeldOutPaths]]) -> Self:
        """Return both decoders with what held-out samples tell, read once."""
        seen: list[tuple[Floats, Floats]] = []

        def watched() -> Iterator[HeldOutPaths]:
            seen.clear()
            for part in held_out():
                seen.append((top_answers(part.marginals, 1)[1][:, 0], part.weights))
                yield part

        decoder = self.decoder
        if decoder.needs_tuning:
            decoder = decoder.tuned(watched)
        else:
            for _ in watched():
                pass
        return type(self)(decoder, self.reject, _threshold(seen, self.reject))

    def decode(self, marginals: Marginals, groups: Rows | None = None) -> NodeIds:
        """Return the answers of the other decoder, the root where they are refused."""
        best, proba = top_answers(marginals, 1)
        if type(self.decoder) is BestPath:
            answers = best[:, 0]
        elif groups is not None and isinstance(self.decoder, Conformal):
            answers = self.decoder.decode(marginals, groups)
        else:
            answers = self.decoder.decode(marginals)
        return np.where(self._is_refused(proba[:, 0]), 0, answers).astype(np.int32)

    def decode_sets(self, marginals: Marginals) -> sparse.csr_array:
        """Return the sets of the other decoder, empty where they are refused."""
        kept = ~self._is_refused(top_answers(marginals, 1)[1][:, 0])
        closed = sparse.csr_array(self.decoder.decode_sets(marginals).multiply(kept[:, None]))
        closed.eliminate_zeros()
        return closed

    def _is_refused(self, proba: Floats) -> Bools:
        limit = -np.inf if self.threshold is None else self.threshold
        refused: Bools = proba < limit
        return refused


def _threshold(seen: list[tuple[Floats, Floats]], share: float) -> float:
    """Return the number below which lies at most that share of the weight of held-out rows."""
    if not seen:
        raise ValueError("There are no held-out samples to learn the threshold of `reject` from.")
    proba, weights = map(np.concatenate, zip(*seen, strict=True))
    order = np.argsort(proba)
    before = np.concatenate([[0.0], np.cumsum(weights[order])])
    place = int(np.searchsorted(before, share * before[-1] * (1 + 1e-12), side="right")) - 1
    return float(proba[order][min(place, len(proba) - 1)])
