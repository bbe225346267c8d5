"""Choice among strategies, and weights of pools, by held-out predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from sklhier._local.model import Models
from sklhier._probabilities.marginals import Marginals, Outcomes
from sklhier._probabilities.sets import HeldOutSets, SetMarginals
from sklhier._training.marginals import PathModels, SetModels, observed_nodes
from sklhier._training.trainer import HeldOutPass, PathTrainer, SetTrainer
from sklhier._utils.memory_blocks import most_numbers, numbers_per_row, row_blocks
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier.decoders import BestPath, Decoder, SetDecoder, SetThreshold
from sklhier.exceptions import IncompatiblePartsError
from sklhier.strategies import Auto, Ensemble, Option, SetStrategy, Strategy
from sklhier.strategies._pools import learner_of
from sklhier.taxonomy import Taxonomy

__all__ = [
    "Choice",
    "chosen_paths",
    "chosen_sets",
    "compared_rows",
    "refuse_choice",
    "score_of_paths",
    "score_of_sets",
]

_SCORES = [("score", np.float64), ("gain", np.float64), ("chosen", np.bool_)]


@dataclass(frozen=True)
class Choice:
    """Choice among strategies by held-out samples.

    Attributes
    ----------
    strategy : Strategy or SetStrategy
    members : tuple of int
        Positions of its parts among those of the strategy that had the choice.
    report : structured ndarray or None
        The scores, where there were several.
    """

    strategy: Any
    members: tuple[int, ...]
    report: np.ndarray[Any, Any] | None = None


def refuse_choice(strategy: Any) -> None:
    """Raise an error where a strategy that is chosen or weighed is to learn from batches."""
    if strategy.needs_choice:
        raise IncompatiblePartsError.needs(
            strategy,
            "all samples at once, for out-of-fold predictions",
            "partial_fit sees them in batches",
            "Use fit, another strategy, or weights that are given as numbers.",
        )


def compared_rows(strategy: Any, rows: Rows, strata: Rows | NodeIds) -> Rows:
    """Return the rows on which a strategy compares: evenly many of each stratum, if too many."""
    most = strategy.max_rows if isinstance(strategy, Auto) else None
    if most is None or len(rows) <= most:
        return rows
    by_stratum = rows[np.argsort(strata, kind="stable")]
    return np.sort(by_stratum[(np.arange(most) * len(rows)) // most])


def strata_of_sets(closed: sparse.csr_array) -> Rows:
    """Return the rarest node of each row, for strata; 0 where it has none."""
    counts = np.bincount(closed.indices, minlength=closed.shape[1])
    by_count = np.argsort(-counts, kind="stable")
    rank = np.empty(len(counts), dtype=np.int64)
    rank[by_count] = np.arange(1, len(counts) + 1)
    ranks = sparse.csr_array((rank[closed.indices], closed.indices, closed.indptr), closed.shape)
    return np.asarray(ranks.max(axis=1).todense()).ravel()


@dataclass(frozen=True)
class _Block:
    """Held-out samples with the probabilities of every part of the strategy.

    Attributes
    ----------
    parts : list of Marginals or SetMarginals
    outcomes : list of Outcomes
        Those of each option, in trees.
    true : ndarray of int32 or csr_array
        The node of each sample, or all its nodes.
    weights : ndarray of float64
    """

    parts: list[Any]
    outcomes: list[Outcomes]
    true: Any
    weights: Floats


# -- one path for each sample -------------------------------------------------------------


def chosen_paths(
    trainer: PathTrainer,
    strategy: Strategy,
    parts: Sequence[Strategy],
    held_out: HeldOutPass[Models],
    decoder: Decoder,
    n_rows: int,
) -> Choice:
    """Return the best of the options of a strategy, with learnt weights.

    Parameters
    ----------
    trainer : PathTrainer
    strategy : Strategy
        Has the options.
    parts : sequence of Strategy
        Its parts, tuned.
    held_out : HeldOutPass
    decoder : Decoder
        Gives the answers that are compared.
    n_rows : int
        Number of held-out rows.
    """
    taxonomy = trainer.taxonomy
    options = [_of_tuned(option, parts, "with_parts") for option in strategy.options()]

    def blocks() -> Iterator[_Block]:
        for fold in held_out.folds():
            if not fold.inside.size:
                continue
            observed = trainer.observed(fold.inside)
            outcomes = [o.strategy.outcomes(taxonomy, observed) for o in options]
            models = [
                PathModels(part, [fold.models(i)], taxonomy, part.outcomes(taxonomy, observed))
                for i, part in enumerate(parts)
            ]
            columns = numbers_per_row("means", taxonomy.n_nodes) * (len(parts) + 1)
            for block in row_blocks(len(fold.left_out), columns):
                rows = fold.left_out[block]
                X = take_rows(trainer.X, rows)
                tables = [model.marginals(X).dense() for model in models]
                yield _Block(tables, outcomes, trainer.nodes[rows], trainer.weights_of(rows))

    source = _kept_if_small(blocks, 2 * n_rows * len(parts) * taxonomy.n_nodes)
    options = [
        _weighed_paths(option, i, taxonomy, source, n_rows)
        if option.strategy.needs_choice
        else option
        for i, option in enumerate(options)
    ]
    if not isinstance(strategy, Auto):
        return Choice(options[0].strategy, options[0].members)
    if decoder.needs_tuning or decoder.gives_sets:
        decoder = BestPath()
    scorer = _scorer(strategy, taxonomy)
    for block in source():
        closed = _closure(taxonomy, block.true)
        for i, option in enumerate(options):
            answers = decoder.decode(_pooled_paths(option, i, taxonomy, block))
            scorer.add(i, closed, _closure(taxonomy, answers), block.weights, block.true, answers)
    return _best(strategy, options, scorer.scores(len(options)))


def _of_tuned(option: Option, parts: Sequence[Any], with_parts: str) -> Option:
    """Return an option with the tuned parts in place of its own."""
    own = [parts[i] for i in option.members]
    return replace(option, strategy=getattr(option.strategy, with_parts)(own))


def _pooled_paths(option: Option, number: int, taxonomy: Taxonomy, block: _Block) -> Marginals:
    marginals: Marginals = option.strategy.combined(
        taxonomy, block.outcomes[number], iter([block.parts[i] for i in option.members])
    )
    return marginals


def _weighed_paths(
    option: Option,
    number: int,
    taxonomy: Taxonomy,
    source: Callable[[], Iterator[_Block]],
    n_rows: int,
) -> Option:
    ensemble: Ensemble = option.strategy
    is_log = ensemble.pool == "log"
    n_numbers = n_rows * len(option.members) * taxonomy.n_nodes
    learner = learner_of(ensemble.pool, len(option.members), excludes=True, n_numbers=n_numbers)
    n_used = 0
    for block in source():
        answers = block.outcomes[number].answers
        # What no model was shown has no probability; a label above all answers has many.
        known = np.flatnonzero(np.isin(block.true, answers))
        if not known.size:
            continue
        n_used += len(known)
        nodes = block.true[known]
        tables = [block.parts[i] for i in option.members]
        if is_log:
            proba = [table.answer_proba(answers)[known] for table in tables]
            true = (answers == nodes[:, None]).astype(np.float64)
        else:
            proba = [table.node_proba[known] for table in tables]
            true = _truth(taxonomy, nodes)
        learner.add(proba, true, block.weights[known])
    _refuse_nothing(n_used)
    return _without_zeros(option, learner.weights())


def _truth(taxonomy: Taxonomy, nodes: NodeIds) -> Floats:
    """Return 1 for each node with all above it, the root included."""
    true: Floats = _closure(taxonomy, nodes).toarray().astype(np.float64)
    true[:, 0] = 1.0
    return true


def _closure(taxonomy: Taxonomy, nodes: NodeIds) -> sparse.csr_array:
    return sparse.csr_array(taxonomy.ancestors_of(nodes))


def _refuse_nothing(n_used: int) -> None:
    if not n_used:
        raise ValueError(
            "`cv` must hold out rows whose class also has training rows in their fold, to learn "
            "weights from, got none. Use fewer folds, a splitter such as "
            "HierarchicalStratifiedKFold, or weights=None."
        )


def _without_zeros(option: Option, weights: Floats) -> Option:
    """Return an ensemble with its weights, and the positions of the members that are left."""
    members = tuple(np.array(option.members)[weights > 0].tolist())
    return Option(option.strategy.weighed(weights), members)


# -- label sets ---------------------------------------------------------------------------


def chosen_sets(
    trainer: SetTrainer,
    strategy: SetStrategy,
    held_out: HeldOutPass[Models],
    decoder: SetDecoder,
    n_rows: int,
    consistency: str,
) -> Choice:
    """Return the best of the options of a strategy for label sets, as :func:`chosen_paths`."""
    taxonomy, parts = trainer.taxonomy, strategy.set_parts()
    options = [_of_tuned(option, parts, "with_set_parts") for option in strategy.set_options()]

    def blocks() -> Iterator[_Block]:
        for fold in held_out.folds():
            if not fold.inside.size:
                continue
            observed = observed_nodes(trainer.closed[fold.inside])
            models = [
                SetModels(part, [fold.models(i)], taxonomy, observed, consistency)
                for i, part in enumerate(parts)
            ]
            columns = models[0].columns_per_row() * (len(parts) + 1)
            for block in row_blocks(len(fold.left_out), columns):
                rows = fold.left_out[block]
                X = take_rows(trainer.X, rows)
                tables = [model.marginals(X) for model in models]
                closed = sparse.csr_array(trainer.closed[rows])
                yield _Block(tables, [], closed, trainer.weights_of(rows))

    source = _kept_if_small(blocks, 2 * n_rows * len(parts) * taxonomy.n_nodes)
    options = [
        _weighed_sets(option, taxonomy, source, n_rows) if option.strategy.needs_choice else option
        for option in options
    ]
    if not isinstance(strategy, Auto):
        return Choice(options[0].strategy, options[0].members)
    if decoder.needs_tuning and not isinstance(decoder, SetThreshold):
        decoder = SetThreshold()
    scorer = _scorer(strategy, taxonomy)
    for i, option in enumerate(options):

        def held_out_sets(option: Option = option) -> Iterator[HeldOutSets]:
            for block in source():
                marginals = _pooled_sets(option, taxonomy, block)
                yield HeldOutSets(marginals, block.true, block.weights)

        tuned = decoder.tuned(held_out_sets) if decoder.needs_tuning else decoder
        for part in held_out_sets():
            answers = sparse.csr_array(tuned.decode(part.marginals))
            scorer.add(i, part.closed, answers, part.weights, part.closed, answers)
    return _best(strategy, options, scorer.scores(len(options)))


def _pooled_sets(option: Option, taxonomy: Taxonomy, block: _Block) -> SetMarginals:
    tables = ((block.parts[i].raw, block.parts[i].node_proba) for i in option.members)
    return SetMarginals(taxonomy, *option.strategy.combined_sets(tables))


def _weighed_sets(
    option: Option, taxonomy: Taxonomy, source: Callable[[], Iterator[_Block]], n_rows: int
) -> Option:
    ensemble: Ensemble = option.strategy
    n_numbers = n_rows * len(option.members) * taxonomy.n_nodes
    learner = learner_of(ensemble.pool, len(option.members), excludes=False, n_numbers=n_numbers)
    n_used = 0
    for block in source():
        n_used += len(block.weights)
        proba = [block.parts[i].node_proba[:, 1:] for i in option.members]
        learner.add(proba, block.true.toarray()[:, 1:].astype(np.float64), block.weights)
    _refuse_nothing(n_used)
    return _without_zeros(option, learner.weights())


# -- one strategy -------------------------------------------------------------------------


def score_of_paths(
    trainer: PathTrainer, strategy: Strategy, held_out: HeldOutPass[Models], decoder: Decoder
) -> float:
    """Return the hierarchical F1 of the held-out answers of a strategy."""
    if decoder.needs_tuning or decoder.gives_sets:
        decoder = BestPath()
    taxonomy, scorer = trainer.taxonomy, _HierarchicalF1()
    for part in trainer.held_out_marginals(held_out, strategy):
        answers = decoder.decode(part.marginals)
        true = _closure(taxonomy, part.nodes)
        scorer.add(0, true, _closure(taxonomy, answers), part.weights, part.nodes, answers)
    return float(scorer.scores(1)[0])


def score_of_sets(
    trainer: SetTrainer,
    strategy: SetStrategy,
    held_out: HeldOutPass[Models],
    decoder: SetDecoder,
    consistency: str,
) -> float:
    """Return the hierarchical F1 of held-out label sets, as :func:`score_of_paths`."""
    if decoder.needs_tuning and not isinstance(decoder, SetThreshold):
        decoder = SetThreshold()
    source = partial(trainer.held_out_marginals, held_out, strategy, consistency)
    tuned = decoder.tuned(source) if decoder.needs_tuning else decoder
    scorer = _HierarchicalF1()
    for part in source():
        answers = sparse.csr_array(tuned.decode(part.marginals))
        scorer.add(0, part.closed, answers, part.weights, part.closed, answers)
    return float(scorer.scores(1)[0])


# -- scores -------------------------------------------------------------------------------


def _kept_if_small(
    blocks: Callable[[], Iterator[_Block]], n_numbers: int
) -> Callable[[], Iterator[_Block]]:
    """Return a source of blocks that predicts once if they fit in memory, else each time."""
    if n_numbers > most_numbers() // 2:
        return blocks
    kept = list(blocks())
    return lambda: iter(kept)


class _HierarchicalF1:
    """Micro hierarchical F1 of all options."""

    def __init__(self) -> None:
        self._sums: dict[int, Floats] = {}

    def add(
        self,
        option: int,
        true: sparse.csr_array,
        answers: sparse.csr_array,
        weights: Floats,
        labels: Any,  # noqa: ARG002
        predicted: Any,  # noqa: ARG002
    ) -> None:
        sums = [
            weights @ np.asarray(table.astype(bool).sum(axis=1)).ravel()
            for table in (true.multiply(answers), true, answers)
        ]
        self._sums[option] = self._sums.get(option, 0) + np.array(sums)

    def scores(self, n_options: int) -> Floats:
        sums = np.array([self._sums[i] for i in range(n_options)])
        return 2 * sums[:, 0] / np.maximum(sums[:, 1] + sums[:, 2], np.finfo(float).tiny)


class _Callable:
    """A metric of the user's."""

    def __init__(self, metric: Callable[..., float], taxonomy: Taxonomy) -> None:
        self._metric = metric
        self._taxonomy = taxonomy
        self._labels: dict[int, tuple[list[Any], list[Any]]] = {}

    def add(
        self,
        option: int,
        true: sparse.csr_array,  # noqa: ARG002
        answers: sparse.csr_array,  # noqa: ARG002
        weights: Floats,  # noqa: ARG002
        labels: Any,
        predicted: Any,
    ) -> None:
        kept = self._labels.setdefault(option, ([], []))
        for names, own in zip(kept, (labels, predicted), strict=True):
            names.extend(self._names(own))

    def _names(self, labels: Any) -> Any:
        if sparse.issparse(labels):
            return self._taxonomy.inverse_binarize(labels[:, 1:])  # type: ignore[index]
        return self._taxonomy.node_names[labels].tolist()

    def scores(self, n_options: int) -> Floats:
        pairs = [self._labels[i] for i in range(n_options)]
        return np.array([float(self._metric(*pair, taxonomy=self._taxonomy)) for pair in pairs])


def _scorer(strategy: Auto, taxonomy: Taxonomy) -> _HierarchicalF1 | _Callable:
    if callable(strategy.scoring):
        return _Callable(strategy.scoring, taxonomy)
    return _HierarchicalF1()


def _best(strategy: Auto, options: list[Option], scores: Floats) -> Choice:
    """Return the option of the best score; a pool must be better by a margin."""
    if np.isnan(scores).any():
        raise ValueError(f"`scoring` must return numbers, got {scores.tolist()}.")
    is_pool = np.array([len(option.members) > 1 for option in options])
    best = int(np.argmax(scores))
    if is_pool[best] and not is_pool.all():
        single = int(np.argmax(np.where(is_pool, -np.inf, scores)))
        if scores[best] < scores[single] + strategy.min_gain:
            best = single
    names = [option.strategy.__repr__(N_CHAR_MAX=10**6) for option in options]
    names = [" ".join(name.split()) for name in names]
    width = max(map(len, names))
    report = np.zeros(len(options), dtype=[("strategy", f"U{width}"), *_SCORES])
    report["strategy"] = names
    report["score"] = scores
    report["gain"] = scores - scores[0]
    report["chosen"][best] = True
    return Choice(options[best].strategy, options[best].members, report)
