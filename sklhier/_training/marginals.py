"""Fitted local models of a whole strategy, as a source of node probabilities."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _num_samples

from sklhier._local.keys import Kind, ModelKey, name_of
from sklhier._local.model import LocalModel, Models
from sklhier._local.packed import PackedModels
from sklhier._local.scores import LocalScores
from sklhier._probabilities.calibrated import CalibratedMarginals
from sklhier._probabilities.marginals import Marginals, Outcomes
from sklhier._probabilities.set_search import Wanted, searched
from sklhier._probabilities.sets import SetMarginals
from sklhier._utils.memory_blocks import numbers_per_row, row_blocks
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, NodeIds
from sklhier.calibration import AnswerCalibrator
from sklhier.strategies import SetStrategy, Strategy
from sklhier.taxonomy import Taxonomy

__all__ = [
    "PathModels",
    "SetModels",
    "all_models",
    "model_name",
    "named_models",
    "observed_nodes",
]


def _without_keys(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state to save: models know their keys, and some formats have no keys but strings."""
    return {**state, "models": [list(models.values()) for models in state["models"]]}


def _with_keys(state: dict[str, Any]) -> dict[str, Any]:
    models = [{model.key: model for model in models} for models in state["models"]]
    return {**state, "models": models}


def all_models(parts: Iterable[Models]) -> Iterator[LocalModel]:
    """Yield the models of all parts of a strategy."""
    for models in parts:
        yield from models.values()


@dataclass(frozen=True)
class PathModels:
    """Local models where a sample has one path.

    Attributes
    ----------
    strategy : Strategy
    models : sequence of dict
        Those of each part of the strategy.
    taxonomy : Taxonomy
    outcomes : Outcomes
        The possible answers.
    is_staged : bool, default=True
        Whether to look for models that see others, or that know a rest class.
    asks_all : bool, default=False
        Whether all models are called whatever a decoder wants: each has a say in what is above it.
    calibration : AnswerCalibrator, default=None
        What calibrates the probabilities of the answers, if anything does.
    """

    strategy: Strategy
    models: Sequence[Models]
    taxonomy: Taxonomy
    outcomes: Outcomes
    is_staged: bool = True
    asks_all: bool = False
    calibration: AnswerCalibrator | None = None

    def __getstate__(self) -> dict[str, Any]:
        return _without_keys({k: v for k, v in vars(self).items() if k != "_packed"})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(_with_keys(state))

    @cached_property
    def _packed(self) -> PackedModels | None:
        return PackedModels(self.models[0]) if len(self.models) == 1 else None

    @property
    def has_members(self) -> bool:
        """Whether the strategy is an ensemble of others."""
        return self.strategy.parts()[0] is not self.strategy

    def columns_per_row(self, *, all_nodes: bool) -> int:
        """Return about how many numbers are held for each row."""
        # Lazy marginals are computed in full then.
        all_nodes = all_nodes or self.asks_all or self.calibration is not None
        n_numbers = self.strategy.columns_per_row(
            self.taxonomy, self.outcomes, all_nodes=all_nodes
        )
        if self.calibration is None:
            return n_numbers
        return n_numbers + numbers_per_row("answers", len(self.outcomes.answers))

    def _outcomes_of(self, part: Strategy) -> Outcomes:
        return part.outcomes(self.taxonomy, self.outcomes.classes)

    def blocks(self, X: Any, *, all_nodes: bool) -> Iterator[Marginals]:
        """Yield the node probabilities of blocks of rows that fit in memory."""
        n_rows = _num_samples(X)
        if n_rows == 1:  # nothing to cut: what to cut by takes as long as a decision
            yield self.marginals(X)
            return
        for block in row_blocks(n_rows, self.columns_per_row(all_nodes=all_nodes)):
            yield self.marginals(take_rows(X, np.arange(block.start, block.stop)))

    def marginals(self, X: Any) -> Marginals:
        """Return the node probabilities of some samples."""
        # A generator: an ensemble holds the table of one member at a time.
        parts = self.strategy.parts()
        marginals = (
            part.marginals(
                self.taxonomy,
                self.outcomes if len(parts) == 1 else self._outcomes_of(part),
                LocalScores(models, X, self.taxonomy, chained=self.is_staged, packed=self._packed),
            )
            for part, models in zip(parts, self.models, strict=True)
        )
        combined = self.strategy.combined(self.taxonomy, self.outcomes, marginals)
        if self.calibration is None:
            return combined
        return CalibratedMarginals(combined, self.calibration)


@dataclass(frozen=True)
class SetModels:
    """Local models where a sample may have several labels.

    Attributes
    ----------
    strategy : SetStrategy
    models : sequence of dict
        Those of each part of the strategy.
    taxonomy : Taxonomy
    observed : ndarray of int32
        Ids of the nodes that had a sample in training.
    consistency : str
        What makes probabilities of separate models consistent.
    """

    strategy: SetStrategy
    models: Sequence[Models]
    taxonomy: Taxonomy
    observed: NodeIds
    consistency: str

    def __getstate__(self) -> dict[str, Any]:
        cached = ("can_search", "_packed")
        return _without_keys({k: v for k, v in vars(self).items() if k not in cached})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(_with_keys(state))

    @property
    def has_members(self) -> bool:
        """Whether the strategy is an ensemble of others."""
        return self.strategy.set_parts()[0] is not self.strategy

    def columns_per_row(self) -> int:
        """Return about how many numbers are held for each row."""
        return numbers_per_row("sets", self.taxonomy.n_nodes)

    def marginals(self, X: Any, wanted: Wanted | None = None) -> SetMarginals:
        """Return the node probabilities of some samples, or what is wanted of them."""
        if wanted is not None and self.can_search:
            return self._searched(X, wanted)
        tables: Iterator[tuple[Floats, Floats]] = (
            part.set_proba(
                self.taxonomy,
                self.observed,
                LocalScores(models, X, self.taxonomy),
                self.consistency,
            )
            for part, models in zip(self.strategy.set_parts(), self.models, strict=True)
        )
        raw, proba = self.strategy.combined_sets(tables)
        return SetMarginals(self.taxonomy, raw, proba)

    @cached_property
    def _packed(self) -> PackedModels:
        return PackedModels(self.models[0])

    @cached_property
    def can_search(self) -> bool:
        """Whether probabilities are products down a tree, of models that can be called one by one.

        Outputs that other models see are needed for all samples.
        """
        return (
            self.taxonomy.is_tree
            and not self.has_members
            and self.strategy.is_conditional
            and all(
                model.key.kind == Kind.NODE and not model.is_multi_output and not model.upstream
                for model in all_models(self.models)
            )
        )

    def _searched(self, X: Any, wanted: Wanted) -> SetMarginals:
        scores = LocalScores(self.models[0], X, self.taxonomy, chained=False, packed=self._packed)
        found = scores.wanted(self.observed, wanted)
        if found is not None:
            table, best = found
            return SetMarginals(self.taxonomy, table, table, best if wanted.n_leaves else None)
        table = searched(
            self.taxonomy, self.observed, scores.n_rows, scores.proba_of_siblings, wanted
        )
        return SetMarginals(self.taxonomy, table, table)


def observed_nodes(closed: sparse.csr_array) -> NodeIds:
    """Return the ids of the nodes that some sample belongs to, ascending."""
    return np.unique(closed.indices).astype(np.int32)


def model_name(model: PathModels | SetModels, member: int, key: ModelKey) -> Hashable:
    """Return the name of a local model; of one in an ensemble, with the member's position."""
    name = name_of(key, model.taxonomy)
    if isinstance(model, SetModels) and key.kind == Kind.PARENT:
        name = ("children", name)  # the node has another model, that decides about itself
    return (member, name) if model.has_members else name


def named_models(
    model: PathModels | SetModels,
) -> Iterator[tuple[tuple[int, Hashable], LocalModel]]:
    """Yield all local models, sorted, with the position of the member and their name."""
    for member, models in enumerate(model.models):
        for key in sorted(models):
            yield (member, model_name(model, member, key)), models[key]
