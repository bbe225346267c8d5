"""The classifier with local models: one path for each sample."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils import get_tags, metadata_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length

from sklhier._classifiers.abilities import (
    Reading,
    check_bases,
    has_scores_alone,
    learns_in_batches,
    refuse_chain,
    refuse_mismatch,
    refuse_mismatch_of_models,
)
from sklhier._classifiers.calibrating import (
    calibration_of_paths,
    learnt_paths,
    refuse_calibrated,
    refuse_unscored,
)
from sklhier._classifiers.candidates import with_joint_model
from sklhier._classifiers.choosing import refuse_choice
from sklhier._classifiers.guarantees import PathGuarantees, check_reject
from sklhier._classifiers.local_base import LocalClassifier
from sklhier._classifiers.local_jobs import (
    drawn_seed,
    jobs_of,
    refuse_unweighted,
    splitter_params,
)
from sklhier._classifiers.node_rows import (
    Beside,
    check_weight,
    learnt_weight_of_paths,
    refuse_staging,
)
from sklhier._classifiers.path_target import PathTarget, labels_of_batches
from sklhier._folds.folds import Splits
from sklhier._local.class_params import Labels
from sklhier._local.model import Models
from sklhier._targets.paths import resolve_taxonomy
from sklhier._training.fixed_rows import with_fixed
from sklhier._training.marginals import PathModels, all_models
from sklhier._training.staged import Staging
from sklhier._training.trainer import PathTrainer, fit_batch
from sklhier._utils.pickling import unchanged_on_error
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier._utils.validation import (
    check_classes,
    checked_weights,
    prepare_features,
    require_numeric_table,
    required_target,
    used_rows,
)
from sklhier.calibration import Calibrator
from sklhier.decoders import Decoder, resolve_decoder
from sklhier.exceptions import IncompatiblePartsError
from sklhier.links import Link
from sklhier.staging import Chain, Routing, resolve_chain, resolve_routing
from sklhier.strategies import Outcomes, Strategy, resolve_strategy
from sklhier.taxonomy import Taxonomy

__all__ = ["HierarchicalClassifier"]


class HierarchicalClassifier(PathGuarantees, LocalClassifier):
    """Hierarchical classifier that predicts one path for each sample.

    By default a base estimator is fitted at each parent node and chooses among its children
    [1]_; other strategies fit one for each node or level. The local probabilities are combined
    into one coherent distribution over all nodes, and a decoder turns it into predictions that
    never contradict the taxonomy.

    Parameters
    ----------
    estimator : classifier, default=None
        Any scikit-learn classifier, Pipeline or search object. It is cloned for each local problem
        and sees integer classes ``0..k-1``. Parameters that name classes, such as
        ``class_weight={...}``, use names of nodes and are translated for each problem. None means
        ``ScaledLinearClassifier()``.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the classes; ``strategy="flat"`` also takes a DAG. None infers it from `y` if
        `y` holds paths (one column for each level, or lists of steps). 1-D labels are then all
        children of the root, and the classifier equals its base estimator.
    strategy : str or Strategy, default="per_parent"
        The local problems to solve: ``"per_parent"``, ``"per_node"``, ``"per_level"``,
        ``"ensemble"``, or an object of :mod:`sklhier.strategies` with parameters. ``"flat"``, one
        classifier over all classes, is the baseline. ``"auto"`` chooses among them by their
        out-of-fold predictions and takes about as long as four fits of each.
    decoder : str or Decoder, default="best_path"
        The rule that turns probabilities into predictions: ``"best_path"``, ``"top_down"``,
        ``"beam"``, ``"level_weighted"``, ``"hierarchical_f"``, ``"threshold"``,
        ``"information_threshold"``, ``"climbing"``, ``"darts"``, or an object of
        :mod:`sklhier.decoders` with parameters.
    reject : float, default=None
        For samples that belong to no class: the share of training samples, in (0, 1), to leave
        without an answer. The threshold is the quantile, at this share, of the out-of-fold
        probabilities of the best answers (folds: `cv`); predictions below it are refused. See
        :doc:`/user_guide/guarantees`.
    chain : str or Chain, default=None
        Outputs of the models above that a model gets as extra features: ``"proba"``,
        ``"log_proba"`` or ``"decision"``, held-out ones in training; ``"true"``, the true labels in
        training, for comparison only; or a :class:`~sklhier.staging.Chain` with parameters. None
        uses X alone.
    routing : str or Routing, default="filter"
        Training samples of the models below a node, for strategies with models of single nodes.
        ``"filter"`` takes the samples that belong to the node. The others also take samples that
        are wrong there, and give models a rest class for them: ``"predicted"`` adds the samples
        that held-out predictions of the models above send to the node, ``"weight"`` all that are
        probable enough, weighted by the held-out probability of the node. Or a
        :class:`~sklhier.staging.Routing`.
    link : str or Link, default=None
        Conversion of a local model's outputs to probabilities of its outcomes: ``"identity"``,
        ``"logistic"``, ``"softmax"``, ``"hinge"``, or an object of :mod:`sklhier.links`. None keeps
        the output of ``predict_proba``, and turns decision scores into weights by the logistic
        function of 5 times the score. Calibration, where there is one, replaces the link.
    calibration : {"temperature", "sigmoid", "isotonic", "venn_abers"} or Calibrator, default=None
        Calibration by out-of-fold predictions, so that answers with probability 0.8 are right about
        80 % of the time. ``fit`` fits every model once more for each fold of `cv`.
        ``"temperature"`` fits one number for whole answers and keeps the best path; the others
        calibrate each local model. Base estimators with decision scores only, such as
        ``LinearSVC``, get probabilities this way. Objects of :mod:`sklhier.calibration` have
        parameters. Not for ``partial_fit``.
    cv : int, splitter or iterable, default=None
        Folds of all out-of-fold predictions (for `calibration`, `chain`, `routing`, `reject`,
        ``PerLevel(beta="oof")``, ``Ensemble(weights="oof")``, ``strategy="auto"``); otherwise
        unused. An integer is a number of folds of
        :class:`~sklhier.model_selection.HierarchicalStratifiedKFold`; None means 5. Splitters that
        need ``groups`` get them by metadata routing.
    node_estimators : mapping or callable, default=None
        Other estimators for some nodes. The keys of a mapping are names of deciding nodes (parents;
        with ``"per_node"`` any node) or ``"level:k"`` for all estimators that decide about nodes
        of level ``k``, counted from 1; names take precedence. A callable
        ``(name, taxonomy) -> estimator or None`` is called for every deciding node, or with
        ``"level:k"`` for every level. A third parameter without a default receives an array with
        the number of training rows of each outcome, a parameter `n_samples` the total. Estimators
        in a mapping are tuned as ``node_estimators__<key>__<parameter>``.
    small_nodes : classifier or (int, classifier), default=None
        Replacement estimator for nodes with few rows. A classifier is used where the base
        estimator is known to need more rows, such as one of each outcome for each fold of its `cv`
        (:ref:`small-nodes`); a pair, also at every node with fewer rows than the number.
        ``fit_report_`` shows where. Not for ``partial_fit``.
    node_rows : mapping or (rows, names), default=None
        Names, titles or descriptions of classes as training rows: a mapping from names of nodes to
        one or more rows, or a pair of rows and the name of the node of each. Rows have the format
        of X: vectors, sparse rows, a data frame, or texts if the base estimator takes texts. They
        belong to every training part of the folds and to no held-out part.

        A node named only here is a class and can be predicted, unless a class below it is known. A
        row of another inner node is an example of that node and its ancestors, and says nothing
        about what is below. Not with `chain`, `routing` or ``partial_fit``. See
        :doc:`/user_guide/rare_classes`.
    node_rows_weight : float or "oof", default=1.0
        Weight of each of these rows; a sample has weight 1, or its `sample_weight`. ``"oof"`` tries
        0.25, 1, 4 and 16, and keeps the weight with the best out-of-fold hierarchical F1, for four
        fits in each fold of `cv`. For any weight but 1 the base estimators must take weights.
    classes : array-like, default=None
        Labels behind integer codes in `y`. Tools that encode labels before they call ``fit``
        (StackingClassifier, VotingClassifier, BaggingClassifier, CalibratedClassifierCV with
        ``ensemble=False``, ``cross_val_predict`` with ``method="predict_proba"``) need
        ``classes=np.unique(y)``.
    n_jobs : int, default=None
        Number of models fitted at the same time: in threads where the base estimator allows it, in
        processes if there are seconds of work for them, or as a :obj:`joblib.parallel_config`
        context says. None is 1 outside such a context. Results do not depend on it, except for the
        last digits if BLAS uses another number of threads in a worker.
    verbose : int, default=0
        1 shows the number of fitted and remaining nodes on standard error, if it is a terminal (by
        tqdm or rich where installed). 2 also prints it elsewhere, every few seconds. 3 or more
        adds joblib's reports.
    random_state : int, RandomState instance or None, default=None
        Seeds the ``random_state`` parameters (or else ``random_seed`` or ``seed``) of all base
        estimators, each by its node. None leaves them as they are.

    Attributes
    ----------
    taxonomy_ : Taxonomy
        The taxonomy in use.
    classes_ : ndarray, shape (n_classes,)
        The distinct labels of `y`, sorted (names of nodes if `y` held paths), and the classes named
        only by `node_rows`.
    estimators_ : mapping
        Fitted base estimators by the name of the deciding node, ``"level:k"`` for a level,
        ``("stop", name)`` for a binary decision to stop at a node. In an ensemble keys are pairs of
        the member's position, among members whose weight is not 0, and this name. Linear models of
        sparse X are stored without zero weights; looking one up makes a copy of full width.
    node_rows_weight_ : float
        The given or learnt weight of `node_rows`.
    strategy_ : Strategy
        The strategy in use, its parameters tuned; with ``"auto"`` the chosen one.
    selection_report_ : structured ndarray
        With ``strategy="auto"``, a record for each candidate: ``strategy``, ``score`` (of its
        held-out predictions), ``gain`` (over the first), ``chosen``.
    decoder_ : Decoder
        The decoder in use, its parameters tuned.
    conformal_report_ : structured ndarray
        With the decoder :class:`~sklhier.decoders.Conformal`, a record for each group: ``group``,
        ``n_rows`` (calibration rows), ``k`` and ``threshold`` (the k-th smallest score; infinity if
        there are too few rows), ``n_needed`` (fewest rows for the level),
        ``confidence_level``, ``source`` (``"out_of_fold"`` or ``"calibration"``).
    reject_threshold_ : float
        With `reject`, the probability below which the best answer is refused.
    unseen_nodes_ : tuple
        Names of the nodes without a training sample, or one of `node_rows`, at or below them; never
        predicted.
    fit_report_ : structured ndarray
        A record for each local problem: ``node``, ``level`` (of its outcomes), ``n_rows``,
        ``n_outcomes``, ``seconds``, ``fitted`` (the estimator, followed by ``": small_nodes"`` if
        it is the replacement and by ``": no validation rows"`` if a validation set has none; or the
        reason for a constant).
    calibration_report_ : structured ndarray
        With `calibration`, a record for each calibrated model, or one for all answers, under the name
        of the root: ``node``, ``n_rows`` (held out), ``n_dropped`` (rows whose class their fold did
        not know), ``method`` (the calibrator; models with few rows share a temperature),
        ``nll_before`` and ``nll_after`` (mean negative log-likelihood of the held-out rows).
    compression_report_ : structured ndarray
        After :meth:`compress`, a record for each local model: ``node``, ``fitted`` (the estimator,
        and whether it is unchanged), ``n_columns_before`` and ``n_columns`` (with stored weights),
        ``n_dropped`` (weights that became 0), ``n_bytes_before`` and ``n_bytes``.
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
    X is passed on unchanged: dense or sparse, data frames, missing values, or lists of texts with
    a Pipeline as base estimator.

    Base estimators without ``predict_proba``, such as ``LinearSVC``, can predict but have no
    probabilities. `link` turns their decision scores into positive weights that grow with the
    score, and paths are ranked by the product of the weights. `calibration` turns the scores into
    probabilities.

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

    _model: PathModels
    _trained: Outcomes  # what the local models decide about: with partial_fit more than answers
    _observed: NodeIds  # with partial_fit: the labels so far

    def __init__(
        self,
        estimator: Any = None,
        *,
        taxonomy: Any = None,
        strategy: str | Strategy = "per_parent",
        decoder: str | Decoder = "best_path",
        reject: float | None = None,
        chain: str | Chain | None = None,
        routing: str | Routing = "filter",
        link: str | Link | None = None,
        calibration: str | Calibrator | None = None,
        cv: Any = None,
        node_estimators: Mapping[Hashable, Any] | Callable[..., Any] | None = None,
        small_nodes: Any = None,
        node_rows: Any = None,
        node_rows_weight: float | str = 1.0,
        classes: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.taxonomy = taxonomy
        self.strategy = strategy
        self.decoder = decoder
        self.reject = reject
        self.chain = chain
        self.routing = routing
        self.link = link
        self.calibration = calibration
        self.cv = cv
        self.node_estimators = node_estimators
        self.small_nodes = small_nodes
        self.node_rows = node_rows
        self.node_rows_weight = node_rows_weight
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
            Labels: names of nodes, leaves or inner ones; or paths, as lists or with one column for
            each level (None, NaN or ``""`` after the last known level).
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples; the base estimators must take them. Rows of weight 0 are left
            out.
        **fit_params : dict
            Passed on to the base estimators by metadata routing. Arrays have an entry for each
            sample; labels of validation sets (``eval_set``, ``X_val`` and ``y_val``) have the format
            of y.

        Returns
        -------
        self : HierarchicalClassifier
            The fitted estimator.

        Raises
        ------
        TargetError
            For labels that are missing or not in the taxonomy.
        LocalFitError
            If a base estimator fails; the message names the node.
        """
        with unchanged_on_error(self):
            return self._fit(X, y, sample_weight, fit_params)

    def _fit(self, X: Any, y: Any, sample_weight: Any, fit_params: dict[str, Any]) -> Self:
        check_bases(self)
        check_classes(self.classes)
        check_weight(self.node_rows_weight)
        X = prepare_features(self, X, reset=True)
        staged = self.chain is not None or self.routing != "filter"
        target, nodes = PathTarget.read(
            required_target(self, y), self._given_taxonomy(), self.classes, staged=staged
        )
        check_consistent_length(X, nodes)
        weights = checked_weights(sample_weight, len(nodes))
        # Copies of what predictions use: set_params does not change a fitted model.
        strategy = with_joint_model(clone(resolve_strategy(self.strategy)), self, X)
        decoder = resolve_decoder(self.decoder)
        self._reading = Reading.of(self)
        if self.reject is not None:
            check_reject(self.reject)
        wanted = self._wanted(decoder)
        refuse_mismatch(wanted, self, "'best_path' or 'top_down'")
        decoder.check_taxonomy(target.taxonomy)
        split = target.splitter(self.cv, nodes, splitter_params(self, weights, fit_params))
        staging = self._staging(strategy, split, weights)
        refuse_staging(self, staging)
        is_routed = staging is not None and staging.routing.needs_held_out
        calibration = calibration_of_paths(self.calibration, target.taxonomy, is_routed=is_routed)
        # Weights of the routing are multiplied by those of samples, so there must be some: base
        # estimators that take none are refused by the same check.
        if weights is None and staging is not None and staging.routing.is_weighted:
            weights = np.ones(len(nodes))
        seed = drawn_seed(self.random_state)
        known = target.format.class_ids
        beside = Beside.of(self, X, weights, target.taxonomy, known, known)
        refuse_unweighted(self, weights, beside.weights)
        target = target.with_classes(beside.classes, self.classes)
        split = with_fixed(split, beside.fixed)
        X, weights, nodes = beside.X, beside.weights, np.concatenate([nodes, beside.nodes])
        leaves = strategy.leaves_decide
        labels = Labels(target.taxonomy, nodes, weights)
        jobs = jobs_of(
            self,
            "fit",
            X,
            labels,
            target,
            fit_params,
            seed,
            leaves_decide=leaves,
            reading=self._reading,
            strategy=strategy,
            fixed=beside.fixed,
        )
        class_ids = target.format.class_ids
        trainer = PathTrainer(jobs, X, weights, staging, nodes, class_ids, fixed=beside.fixed)
        rows = used_rows(weights, len(nodes))
        samples = trainer.samples_of(rows)
        self._rows_weight = None if beside.fixed is None else beside.weight
        if beside.is_learnt:
            self._rows_weight = learnt_weight_of_paths(
                trainer, strategy, wanted, rows, split, beside.weighted
            )
            trainer = trainer.weighted(beside.weighted(self._rows_weight))
        learnt = learnt_paths(
            trainer,
            strategy,
            wanted,
            calibration,
            rows,
            split,
            has_scores=has_scores_alone(self),
        )
        strategy, self._selection = learnt.strategy, learnt.selection
        models, self._reports = trainer.train_parts(strategy, rows)
        if calibration is not None:
            refuse_unscored(all_models(models))
            models = learnt.linked(models)
        self._calibration_reports = learnt.reports
        if not any(models):  # no base estimator has looked at X
            allow_nan = get_tags(self).input_tags.allow_nan
            require_numeric_table(self, X, allow_nan=allow_nan)
        self._observed = trainer.observed(rows)
        self._trained = strategy.outcomes(target.taxonomy, self._observed)
        self._model = PathModels(
            strategy,
            models,
            target.taxonomy,
            self._trained,
            is_staged=staging is not None,
            asks_all=staging is not None and staging.routing.needs_held_out,
            calibration=learnt.answers,
        )
        self._count_rows(target.taxonomy, nodes[samples])
        self._store(target, seed)
        self._keep_learnt(decoder, learnt.decoder, X, samples)
        return self

    def _store(self, target: PathTarget, seed: int | None) -> None:
        """Store what the labels look like; forget what was made of earlier models."""
        self.__dict__.pop("_compressed", None)  # it was about other models
        self._target = target
        self._seed = seed
        self.classes_ = target.format.classes
        self.taxonomy_ = target.taxonomy

    @available_if(learns_in_batches)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None, **fit_params: Any
    ) -> Self:
        """Fit incrementally on a batch of samples.

        Available if the base estimators have ``partial_fit``, without `chain` or `routing`. The
        estimator of a parent node knows all its children from the start; those without a sample so
        far are not predicted.

        Parameters
        ----------
        X : array-like or sparse matrix, length n_samples
            Samples.
        y : array-like, shape (n_samples,)
            Labels: names of nodes.
        classes : array-like, default=None
            All labels that may occur, used in the first call. Default: the parameter `classes`, or
            else the leaves of the parameter `taxonomy`.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.
        **fit_params : dict
            Passed on to the base estimators by metadata routing.

        Returns
        -------
        self : HierarchicalClassifier
            The estimator.

        Raises
        ------
        TargetError
            For a label that is not among the classes.
        LocalFitError
            If a base estimator fails; the message names the node.
        """
        with unchanged_on_error(self):
            return self._partial_fit(X, y, classes, sample_weight, fit_params)

    def _partial_fit(
        self, X: Any, y: Any, classes: Any, sample_weight: Any, fit_params: dict[str, Any]
    ) -> Self:
        self._refuse_compressed()
        refuse_calibrated(self)
        check_bases(self)
        check_classes(self.classes)
        first = not hasattr(self, "taxonomy_")
        if first:
            refuse_choice(resolve_strategy(self.strategy))
        X = prepare_features(self, X, reset=first)
        if first:
            self._start_batches(classes)
        target, strategy = self._target, self._model.strategy
        nodes = target.read_batch(required_target(self, y), self._trained.classes)
        check_consistent_length(X, nodes)
        weights = checked_weights(sample_weight, len(nodes))
        rows = used_rows(weights, len(nodes))
        decoder = resolve_decoder(self.decoder)
        decoder.check_taxonomy(target.taxonomy)
        for part in (strategy, decoder, self._wanted(decoder)):
            if part.needs_tuning:
                raise IncompatiblePartsError.needs(
                    part,
                    "all samples at once, to tune a parameter on out-of-fold predictions",
                    "partial_fit sees them in batches",
                    "Use fit, or give the parameter as a number.",
                )
        refuse_mismatch(decoder, self, "'best_path' or 'top_down'")
        leaves, taxonomy = strategy.leaves_decide, target.taxonomy
        labels = Labels(taxonomy, nodes, weights)
        jobs = jobs_of(
            self,
            "partial_fit",
            X,
            labels,
            target,
            fit_params,
            self._seed,
            leaves_decide=leaves,
            reading=self._reading,
        )
        plans = (
            part.plan(taxonomy, part.outcomes(taxonomy, self._trained.classes), nodes[rows])
            for part in strategy.parts()
        )
        parts = zip(plans, self._model.models, strict=True)
        models, self._reports = fit_batch(jobs, X, rows, strategy.parts(), parts)
        # Models decide among all classes from the start; what has no sample yet is no answer.
        self._observed = np.union1d(self._observed, nodes[rows])
        observed = self._trained.classes[np.isin(self._trained.classes, self._observed)]
        outcomes = strategy.outcomes(taxonomy, observed)
        self._model = replace(self._model, models=models, outcomes=outcomes)
        # These were about the models so far.
        self._tuned_decoder = self._known_rows = self._reject_threshold = None
        self._count_rows(taxonomy, nodes[rows], more=not first)
        self._store(target, self._seed)
        return self

    def _start_batches(self, classes: Any) -> None:
        """Store an empty model of all classes that may occur."""
        given = self._given_taxonomy()
        known = labels_of_batches(classes, self.classes, taxonomy=given)
        self._target, _ = PathTarget.read(known, given, self.classes)
        taxonomy, strategy = self._target.taxonomy, clone(resolve_strategy(self.strategy))
        self._reading = Reading.of(self)
        # From the start a model decides among all its outcomes: base estimators want to know them
        # in their first call.
        self._trained = strategy.outcomes(taxonomy, self._target.format.class_ids)
        no_models: list[Models] = [{} for _ in strategy.parts()]
        self._model = PathModels(strategy, no_models, taxonomy, self._trained, is_staged=False)
        self._observed = np.zeros(0, dtype=np.int32)
        self._seed = drawn_seed(self.random_state)
        self._tuned_decoder = None

    def _given_taxonomy(self) -> Taxonomy | None:
        given = resolve_taxonomy(self.taxonomy)
        # Refused before labels are read: paths in a DAG would be ambiguous.
        if given is not None and not resolve_strategy(self.strategy).takes_dags:
            given.require_tree(f"{type(self).__name__} with the strategy {self.strategy!r}")
        return given

    def _staging(
        self, strategy: Strategy, split: Callable[[Rows], Splits], weights: Floats | None
    ) -> Staging | None:
        """Return how models depend on those above them, the parts checked against each other."""
        chain, routing = resolve_chain(self.chain), resolve_routing(self.routing)
        if chain is None and not routing.needs_held_out:
            return None
        if routing.needs_held_out and not strategy.sends_down:
            raise IncompatiblePartsError.needs(
                f"routing={self.routing!r}",
                "models that learn from the samples of a node",
                f"those of {strategy!r} do not",
                "Use routing='filter', or a strategy such as 'per_parent'.",
            )
        if chain is not None:
            refuse_chain(chain, strategy, self)
            chain = clone(chain)
        return Staging(chain, routing, split, weights)

    # -- predicting -----------------------------------------------------------------------

    def _prepared(self, X: Any) -> Any:
        return prepare_features(self, X, reset=False)

    def _check_decoder(self, decoder: Decoder) -> None:
        fitted = all_models(self._model.models)
        refuse_mismatch_of_models(decoder, self._reading, fitted, "'best_path' or 'top_down'")
