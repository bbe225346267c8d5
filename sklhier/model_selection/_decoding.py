"""Held-out rows and what decoders answer and learn there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self, TypeAlias

import numpy as np
from scipy import sparse

from sklhier._utils.memory_blocks import most_numbers
from sklhier._utils.pipelines import call_classifier, classifier_within
from sklhier._utils.typing import Features, Floats, NodeIds, Rows, Target
from sklhier.decoders import Decoder, HeldOutPaths, HeldOutSets, SetDecoder
from sklhier.exceptions import IncompatiblePartsError
from sklhier.model_selection._folds import LabelledData, LabelSetData
from sklhier.taxonomy import Taxonomy

__all__ = ["AnyDecoder", "HeldOutRows", "Tuning", "decoded", "stacked"]

AnyDecoder: TypeAlias = Decoder | SetDecoder
_Part: TypeAlias = HeldOutPaths | HeldOutSets


@dataclass(frozen=True)
class HeldOutRows:
    """Rows that a fold holds out, with their labels.

    Attributes
    ----------
    X, y
        Samples and labels, as the user passed them.
    weights : ndarray of float64, shape (n_rows,), or None
    truth : ndarray of int32, shape (n_rows,), or csr_array, shape (n_rows, n_nodes)
        The node of each row, or its nodes with their ancestors.
    taxonomy : Taxonomy
    is_encoded : bool
        Whether labels are codes, of which metrics know nothing.
    """

    X: Features
    y: Target
    weights: Floats | None
    truth: NodeIds | sparse.csr_array
    taxonomy: Taxonomy
    is_encoded: bool

    @classmethod
    def of(cls, data: LabelledData | LabelSetData, rows: Rows) -> Self:
        """Return some rows of the data."""
        truth: NodeIds | sparse.csr_array
        if isinstance(data, LabelSetData):
            truth, is_encoded = data.closed[rows], False
        else:
            truth, is_encoded = data.nodes[rows], data.is_encoded
        X, y, weights = data.rows(rows)
        return cls(X, y, weights, truth, data.taxonomy, is_encoded)

    def parts(self, estimator: Any) -> Iterator[_Part]:
        """Yield blocks of the rows with the probabilities of a fitted estimator."""
        n_rows = self.truth.shape[0]
        weights = np.ones(n_rows) if self.weights is None else self.weights
        start = 0
        for marginals in call_classifier(estimator, "_tables", self.X):
            block = slice(start, start + len(marginals.node_proba))
            start = block.stop
            if isinstance(self.truth, np.ndarray):
                yield HeldOutPaths(marginals, self.truth[block], weights[block])
            else:
                closed = sparse.csr_array(self.truth[block])
                yield HeldOutSets(marginals, closed, weights[block])

    def scores(
        self,
        estimator: Any,
        answers: Any,
        decoder: AnyDecoder,
        metrics: Sequence[tuple[Callable[..., float], int]],
    ) -> list[float]:
        """Return what metrics say of the answers of a decoder, times the sign of each metric."""
        true, predicted = self._compared(classifier_within(estimator), answers, decoder)
        common = {"taxonomy": self.taxonomy, "sample_weight": self.weights}
        return [sign * float(metric(true, predicted, **common)) for metric, sign in metrics]

    def _compared(self, classifier: Any, answers: Any, decoder: AnyDecoder) -> tuple[Any, Any]:
        if not isinstance(self.truth, np.ndarray):
            return sparse.csr_array(self.truth[:, 1:]), sparse.csr_array(answers[:, 1:])
        if not self.is_encoded:
            return self.y, classifier._labelled(answers, decoder)
        if sparse.issparse(answers):
            return self.taxonomy.node_names[self.truth], classifier._labelled(answers, decoder)
        names = [self.taxonomy.node_names[nodes] for nodes in (self.truth, answers)]
        names[1][answers == 0] = None
        return names[0], names[1]


def decoded(decoder: AnyDecoder, part: _Part) -> Any:
    """Return the answers of a decoder: nodes, or closed sets of them."""
    if isinstance(decoder, Decoder) and decoder.gives_sets:
        return decoder.decode_sets(part.marginals)  # type: ignore[arg-type]
    return decoder.decode(part.marginals)  # type: ignore[arg-type]


def stacked(answers: Sequence[Any]) -> Any:
    """Return the answers of several blocks as one."""
    if sparse.issparse(answers[0]):
        return sparse.csr_array(sparse.vstack(answers))
    return np.concatenate(answers)


@dataclass(frozen=True)
class Tuning:
    """What decoders learn from held-out rows of several folds.

    Attributes
    ----------
    decoders : dict of str to decoder
        By their labels, those that have something to tune.
    """

    decoders: Mapping[str, AnyDecoder]

    def check(self, n_folds: int, n_rows: int, n_nodes: int) -> None:
        """Refuse a single fold, and tables that would not fit in memory."""
        for label, decoder in self.decoders.items():
            if n_folds < 2:
                raise ValueError(
                    f"`cv` must have two or more folds to tune {label}, which learns from the other "
                    f"folds, got {n_folds}."
                )
            # Raw and consistent probabilities, or those of nodes and of stops.
            if not hasattr(decoder, "_evidence") and 2 * n_rows * n_nodes > most_numbers():
                raise IncompatiblePartsError.needs(
                    decoder,
                    "the probabilities of all held-out rows at once",
                    f"{n_rows} rows of {n_nodes} nodes exceed scikit-learn's working_memory",
                    "Pass fewer rows, or raise it with sklearn.set_config(working_memory=...).",
                )

    def collected(self, before: dict[str, list[Any]], part: _Part) -> dict[str, list[Any]]:
        """Return what each decoder learns from, with one more block."""
        found = {}
        for label, decoder in self.decoders.items():
            own: Any = decoder
            if hasattr(own, "_evidence"):
                found[label] = own._pooled([*before.get(label, []), own._evidence(part)])
            else:
                found[label] = [*before.get(label, []), part]
        return found

    def tuned(self, evidence: Sequence[dict[str, list[Any]]]) -> dict[str, AnyDecoder]:
        """Return the decoders as they are tuned on some folds."""
        found = {}
        for label, decoder in self.decoders.items():
            parts = [fold[label] for fold in evidence]
            own: Any = decoder
            if hasattr(own, "_evidence"):
                found[label] = own._tuned_by(list(chain.from_iterable(parts)))
            else:
                found[label] = own.tuned(lambda parts=parts: chain.from_iterable(parts))
        return found
