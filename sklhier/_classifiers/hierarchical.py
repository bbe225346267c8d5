"""The meta-estimator: one path for each sample."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils import get_tags, metadata_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _num_samples,
    check_consistent_length,
    check_is_fitted,
)

from sklhier._classifiers.local_base import HierarchicalMeta, learns_in_batches
from sklhier._classifiers.path_prediction import PathPredictor
from sklhier._folds.folds import folds_among
from sklhier._local.scores import LocalScores
from sklhier._probabilities.marginals import (
    Marginals,
    Outcomes,
)
from sklhier._targets.paths import TargetFormat, as_labels, read_targets, resolve_taxonomy
from sklhier._training.staged import Staging
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier._utils.validation import (
    check_choice,
    checked_weights,
    prepare_features,
    require_numeric_table,
    required_target,
)
from sklhier.decoders import Decoder, resolve_decoder
from sklhier.exceptions import IncompatiblePartsError, TargetError
from sklhier.model_selection import HierarchicalStratifiedKFold
from sklhier.staging import ROUTINGS, Chain, resolve_chain
from sklhier.strategies import Strategy, resolve_strategy
from sklhier.taxonomy import Taxonomy

__all__ = ["HierarchicalClassifier"]


class HierarchicalClassifier(PathPredictor, HierarchicalMeta):
    """Classify into a taxonomy, one path for each sample.

    A base estimator is fitted for each parent node of the taxonomy and decides among its children
    [1]_; other strategies fit one for each node or level. Their probabilities are combined into
    one coherent distribution over all nodes, which a decoder turns into predictions that never
    contradict the taxonomy.

    Parameters
    ----------
    estimator : classifier, default=None
        Any scikit-learn classifier, Pipeline or search object; it is cloned for each node and sees
        integer classes ``0..k-1``. None stands for ``LogisticRegression()``.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the classes, or, with ``strategy="flat"``, a DAG. If None, it is inferred from `y`
        where that holds paths (one column for each level, or lists of steps); 1-D labels are then all
        children of the root, and the classifier equals its base estimator.
    strategy : str or Strategy, default="per_parent"
        Which local problems are solved: ``"per_parent"``, ``"per_node"``, ``"per_level"``,
        ``"ensemble"``, or an object of :mod:`sklhier.strategies` with parameters. ``"flat"``, a
        single classifier over all classes, is the baseline to compare with.
    decoder : str or Decoder, default="best_path"
        How probabilities become predictions: ``"best_path"``, ``"top_down"``, ``"beam"``,
        ``"level_weighted"``, ``"hierarchical_f"``, ``"threshold"``, ``"information_threshold"``,
        ``"climbing"``, ``"darts"``, or an object of :mod:`sklhier.decoders` with parameters.
    chain : str or Chain, default=None
        Whether a model sees the outputs of the models above it, beside X: ``"proba"``,
        ``"log_proba"`` or ``"decision"``, in training those for samples that were held out;
        ``"true"``, the true labels in training, for comparison; or a
        :class:`~sklhier.staging.Chain` with parameters. None: it sees X alone.
    routing : {"filter", "predicted", "weight", "none"}, default="filter"
        Which samples the models below a node learn from, with strategies whose models are about one
        node. ``"filter"``: those that belong to it. The others let models meet samples that are wrong
        there, and learn "not here" as one more outcome: ``"predicted"`` adds those that
        held-out predictions of the models above send there, ``"weight"`` weighs all samples by the
        held-out probability of the node, ``"none"`` takes all samples.
    cv : int, splitter or iterable, default=None
        Folds for what is learnt from out-of-fold predictions (`chain`, `routing`,
        ``PerLevel(beta="oof")``), the same for all; not used otherwise. A number, None for 5, means
        that many folds of :class:`~sklhier.model_selection.HierarchicalStratifiedKFold`. Splitters
        that need ``groups`` get them by metadata routing.
    node_estimators : mapping or callable, default=None
        Other estimators for some nodes. A mapping from the name of the node that decides (a parent;
        with ``"per_node"`` any node), or from ``"level:k"`` (all estimators that decide about nodes
        of level ``k``, the first being 1), to estimators: the name of a node goes before its
        level, that before `estimator`. A callable ``(name, taxonomy) -> estimator or None`` is asked
        for every node that decides, or with ``"level:k"`` for every level. Estimators in a mapping
        are tuned as ``node_estimators__<key>__<parameter>``.
    classes : array-like, default=None
        What integer codes in `y` stand for. Tools that encode labels before they call ``fit``
        (StackingClassifier, VotingClassifier, BaggingClassifier, CalibratedClassifierCV with
        ``ensemble=False``, ``cross_val_predict`` with ``method="predict_proba"``) need
        ``classes=np.unique(y)``.
    n_jobs : int, default=None
        Nodes fitted at the same time: in threads where the base estimator allows it, else in
        processes if there are seconds of work for them, or as a :obj:`joblib.parallel_config`
        context says. None is 1 unless in such a context. The result does not depend on it, but
        for the last digits where BLAS has another number of threads in a worker.
    verbose : int, default=0
        If positive, joblib reports progress of fitting.
    random_state : int, RandomState instance or None, default=None
        If given, the ``random_state`` parameters of all base estimators are set by it and by their
        node; if None, they stay as they are.

    Attributes
    ----------
    taxonomy_ : Taxonomy
        The taxonomy in use.
    classes_ : ndarray, shape (n_classes,)
        The distinct labels of `y`, sorted (names of nodes if `y` held paths).
    estimators_ : mapping
        The fitted base estimators by the name of the node that decides, ``"level:k"`` for a level,
        ``("stop", name)`` for a binary decision to stop at a node. Within an ensemble keys are pairs
        of the member's position and this name. Linear models of sparse X are stored without the
        weights that are 0; looking one up makes a copy of full width.
    strategy_ : Strategy
        The strategy in use, with what it has learnt.
    unseen_nodes_ : tuple
        Names of the nodes without a training sample at or below them; never predicted.
    fit_report_ : structured ndarray
        A record for each local problem: ``node``, ``level`` (of its outcomes), ``n_rows``,
        ``n_outcomes``, ``seconds``, ``fitted`` (the estimator, or why a constant took its place).
    compression_report_ : structured ndarray
        After :meth:`compress`, a record for each local model: ``node``, ``fitted`` (the estimator,
        and whether it was left as it is), ``n_columns_before`` and ``n_columns`` (with weights that
        are stored), ``n_dropped`` (weights that became 0), ``n_bytes_before`` and ``n_bytes``.
    n_features_in_ : int
        Number of features, where X has columns.
    feature_names_in_ : ndarray of str
        Names of the features, where X has them and all are strings.

    See Also
    --------
    HierarchicalMultiLabelClassifier : Several labels for each sample, in a tree or a DAG.
    sklhier.metrics.hierarchical_f1_score : Score predictions by the nodes they share with the truth.

    Notes
    -----
    X is handed on as it is: sparse or dense, data frames, missing values, or lists of texts
    with a Pipeline as base estimator.

    Base estimators without ``predict_proba``, such as ``LinearSVC``, can predict but have no
    probabilities. Their decision scores are turned into positive weights by a softmax at each node,
    so that the largest score has the largest weight; paths are ranked by the product of the
    weights. These are no probabilities: wrap the base in ``CalibratedClassifierCV`` to get some.

    References
    ----------
    .. [1] C. N. Silla, A. A. Freitas. A survey of hierarchical classification across different
       application domains. Data Mining and Knowledge Discovery 22 (2011).

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> texts = ["an owl hoots", "a wren sings", "a ray swims", "an eel swims", "an owl", "a wren"]
    >>> labels = ["bird/owl", "bird/wren", "fish/ray", "fish/eel", "bird/owl", "bird/wren"]
    >>> y, taxonomy = Taxonomy.from_paths(labels)
    >>> classifier = HierarchicalClassifier(LogisticRegression(C=10), taxonomy=taxonomy)
    >>> model = make_pipeline(TfidfVectorizer(), classifier).fit(texts, y)
    >>> model.predict(["the owl", "it swims like an eel"])
    array(['bird/owl', 'fish/eel'], dtype='<U9')
    """

    # Weights of samples are handed on; this estimator does nothing of its own with them.
    __metadata_request__fit: ClassVar = {"sample_weight": metadata_routing.UNUSED}
    __metadata_request__partial_fit: ClassVar = {
        "sample_weight": metadata_routing.UNUSED,
        "classes": metadata_routing.UNUSED,
    }

    _trained: Outcomes  # what the local models decide about
    _staged: bool  # whether models may see others, or know samples of other nodes

    def __init__(
        self,
        estimator: Any = None,
        *,
        taxonomy: Any = None,
        strategy: str | Strategy = "per_parent",
        decoder: str | Decoder = "best_path",
        chain: str | Chain | None = None,
        routing: str = "filter",
        cv: Any = None,
        node_estimators: Mapping[Hashable, Any] | Callable[..., Any] | None = None,
        classes: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.taxonomy = taxonomy
        self.strategy = strategy
        self.decoder = decoder
        self.chain = chain
        self.routing = routing
        self.cv = cv
        self.node_estimators = node_estimators
        self.classes = classes
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    # -- fitting --------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Fit the local models.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples, in any form that the base estimators take.
        y : array-like, shape (n_samples,) or (n_samples, n_levels), or list of lists
            Labels: names of nodes, leaves or inner ones; or paths, one column for each level
            (None, NaN or ``""`` after the last known level), or as lists.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples. The base estimators must take them. Rows of weight 0 are left
            out.
        **fit_params : dict
            Handed on to the base estimators by metadata routing.

        Returns
        -------
        self : HierarchicalClassifier
            The fitted estimator.

        Raises
        ------
        TargetError
            For labels that are missing or not in the taxonomy.
        LocalFitError
            If a base estimator fails; names the node.
        """
        X = prepare_features(self, X, reset=True)
        nodes, taxonomy, form = read_targets(
            required_target(self, y), self._given_taxonomy(), self.classes
        )
        check_consistent_length(X, nodes)
        weights = checked_weights(sample_weight, len(nodes))
        counted = np.arange(len(nodes)) if weights is None else np.flatnonzero(weights)
        seen = form.class_ids[np.isin(form.class_ids, nodes[counted])]
        self._start(taxonomy, form, seen)
        self._refuse_mismatch(resolve_decoder(self.decoder), self._bases().values())
        split = self._splitter(nodes, taxonomy, self._split_params(weights, fit_params))
        staging = self._staging(split, weights)
        if weights is None and self.routing == "weight":
            weights = np.ones(len(nodes))
        trainer = self._trainer("fit", taxonomy, weights, fit_params, staging)
        if self._strategy.needs_held_out:
            folds = split(counted)
            self._strategy = self._strategy.learnt(
                taxonomy,
                lambda strategy: trainer.hold_out(
                    X, strategy, nodes, seen, counted, folds, weights
                ),
            )
        problems = self._strategy.plan(taxonomy, self._trained, nodes[counted])
        arrivals = trainer.arrivals(self._strategy, self._trained, nodes[counted])
        self._models, self._fits = trainer.train(X, problems, counted, arrivals=arrivals)
        self._staged = staging is not None
        if not self._models:
            allow_nan = get_tags(self._base()).input_tags.allow_nan
            require_numeric_table(self, X, allow_nan=allow_nan)
        self.taxonomy_ = taxonomy
        return self

    @available_if(learns_in_batches)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None, **fit_params: Any
    ) -> Self:
        """Fit incrementally on a batch of samples.

        Available if the base estimators have ``partial_fit``, without `chain` or `routing`. The
        estimator of a parent node decides among all its children from the start; those without a
        sample so far are not predicted.

        Parameters
        ----------
        X : array-like or sparse matrix, length n_samples
            Samples.
        y : array-like, shape (n_samples,)
            Labels: names of nodes.
        classes : array-like, default=None
            All labels that may occur, used in the first call. By default the parameter `classes`,
            or else the leaves of the parameter `taxonomy`.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.
        **fit_params : dict
            Handed on to the base estimators by metadata routing.

        Returns
        -------
        self : HierarchicalClassifier
            The estimator.

        Raises
        ------
        TargetError
            For a label that is none of the classes.
        LocalFitError
            If a base estimator fails; names the node.
        """
        first = not hasattr(self, "taxonomy_")
        self._refuse_compressed()
        X = prepare_features(self, X, reset=first)
        if first:
            known = self._known_classes(classes)
            _, taxonomy, form = read_targets(known, self._given_taxonomy(), self.classes)
            self._start(taxonomy, form, form.class_ids)
            self._seen = np.zeros(0, dtype=np.int32)
        else:
            taxonomy = self.taxonomy_
        nodes = self._format.read(required_target(self, y), taxonomy)
        check_consistent_length(X, nodes)
        strange = ~np.isin(nodes, self._trained.classes)
        if strange.any():
            label = as_labels(y).tolist()[np.argmax(strange)]
            raise TargetError(
                f"{label!r} is none of the {len(self._trained.classes)} classes known since the "
                "first call. Pass all labels that may occur as `classes` in the first call to "
                "partial_fit."
            )
        weights = checked_weights(sample_weight, len(nodes))
        counted = np.arange(len(nodes)) if weights is None else np.flatnonzero(weights)
        if self._strategy.needs_held_out:
            raise IncompatiblePartsError.needs(
                self._strategy,
                "all samples at once, to learn from out-of-fold predictions",
                "partial_fit sees them in batches",
                "Use fit, or a strategy without such a parameter.",
            )
        self._refuse_mismatch(resolve_decoder(self.decoder), self._bases().values())
        trainer = self._trainer("partial_fit", taxonomy, weights, fit_params)
        self._models, self._fits = trainer.train(
            X,
            self._strategy.plan(taxonomy, self._trained, nodes[counted]),
            counted,
            method="partial_fit",
            known=self._models,
        )
        self._seen = np.union1d(self._seen, nodes[counted])
        seen = self._trained.classes[np.isin(self._trained.classes, self._seen)]
        self._outcomes = self._strategy.outcomes(taxonomy, seen)
        self.taxonomy_ = taxonomy
        return self

    def _given_taxonomy(self) -> Taxonomy | None:
        given = resolve_taxonomy(self.taxonomy)
        if given is not None and not resolve_strategy(self.strategy).takes_dags:
            given.require_tree(f"{type(self).__name__} with the strategy {self.strategy!r}")
        return given

    def _known_classes(self, classes: Any) -> Any:
        if classes is not None:
            return classes
        if self.classes is not None:
            return self.classes
        taxonomy = self._given_taxonomy()
        if taxonomy is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return list(taxonomy.leaves)

    def _start(self, taxonomy: Taxonomy, form: TargetFormat, seen: NodeIds) -> None:
        """Forget what was fitted before; store what the labels look like."""
        self.__dict__.pop("taxonomy_", None)  # set last: what fails to fit is not fitted
        self.__dict__.pop("compression_report_", None)
        self.classes_ = form.classes
        self._format = form
        self._strategy = resolve_strategy(self.strategy)
        self._trained = self._outcomes = self._strategy.outcomes(taxonomy, seen)
        self._seen = seen
        self._models = {}
        self._staged = False
        self._seed = self._drawn_seed()

    def _splitter(
        self, nodes: NodeIds, taxonomy: Taxonomy, params: dict[str, Any]
    ) -> Callable[[Rows], list[tuple[Rows, Rows]]]:
        """Return what cuts some rows into folds, for all that is learnt from held-out samples."""
        cv = 5 if self.cv is None else self.cv
        if isinstance(cv, Integral):
            cv = HierarchicalStratifiedKFold(int(cv), taxonomy=taxonomy)
        names = taxonomy.node_names[nodes]
        return lambda rows: folds_among(cv, rows, len(nodes), names[rows], params)

    def _staging(
        self, split: Callable[[Rows], list[tuple[Rows, Rows]]], weights: Floats | None
    ) -> Staging | None:
        """Return how models depend on those above them, the parts checked against each other."""
        chain = resolve_chain(self.chain)
        check_choice("routing", self.routing, ROUTINGS)
        if chain is None and self.routing == "filter":
            return None
        if self.routing != "filter" and not self._strategy.sends_down:
            raise IncompatiblePartsError.needs(
                f"routing={self.routing!r}",
                "models that learn from the samples of a node",
                f"those of {self._strategy!r} do not",
                "Use routing='filter', or a strategy such as 'per_parent'.",
            )
        if chain is not None:
            self._refuse_chain(chain)
        return Staging(chain, self.routing, split, weights)

    def _refuse_mismatch(self, decoder: Decoder, estimators: Iterable[Any]) -> None:
        if not decoder.needs_probabilities:
            return
        for estimator in estimators:
            if not hasattr(estimator, "predict_proba"):
                raise IncompatiblePartsError.needs(
                    decoder,
                    "probabilities",
                    f"{type(estimator).__name__} has no predict_proba",
                    "Wrap it in CalibratedClassifierCV, or use the decoder 'best_path' or "
                    "'top_down'.",
                )

    # -- predicting -----------------------------------------------------------------------

    def _marginals(self, X: Any, *, all_nodes: bool) -> Iterator[Marginals]:
        """Yield the node probabilities of blocks of rows that fit in memory."""
        check_is_fitted(self, "taxonomy_")
        X = prepare_features(self, X, reset=False)
        taxonomy, outcomes, strategy = self.taxonomy_, self._outcomes, self._strategy
        all_nodes = all_nodes or self.routing != "filter"
        columns = strategy.columns_per_row(taxonomy, outcomes, all_nodes=all_nodes)
        for block in row_blocks(_num_samples(X), columns):
            rows = take_rows(X, np.arange(block.start, block.stop))
            scores = LocalScores(self._models, rows, taxonomy, staged=self._staged)
            yield strategy.marginals(taxonomy, outcomes, scores)

    def _fitted_decoder(self) -> Decoder:
        decoder = resolve_decoder(self.decoder)
        check_is_fitted(self, "taxonomy_")
        self._refuse_mismatch(decoder, (model.estimator for model in self._models.values()))
        return decoder
