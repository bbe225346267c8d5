"""The classifier with local models: a set of labels for each sample."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import get_tags, metadata_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length

from sklhier._classifiers.abilities import (
    Reading,
    check_bases,
    lack_of_scores,
    learns_in_batches,
    refuse_chain,
    refuse_mismatch,
    refuse_mismatch_of_models,
)
from sklhier._classifiers.calibrating import (
    calibration_of_sets,
    choose_sets,
    learnt_sets,
    refuse_calibrated,
    refuse_unscored,
)
from sklhier._classifiers.choosing import refuse_choice
from sklhier._classifiers.guarantees import SetGuarantees
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
    learnt_weight_of_sets,
    refuse_staging,
)
from sklhier._classifiers.set_prediction import fitted_decoder, refuse_tuning
from sklhier._classifiers.set_target import SetTarget
from sklhier._local.class_params import Labels
from sklhier._local.keys import ModelKey
from sklhier._local.model import Models
from sklhier._probabilities.consistency import METHODS
from sklhier._training.fixed_rows import with_fixed
from sklhier._training.marginals import SetModels, all_models, observed_nodes
from sklhier._training.staged import Staging
from sklhier._training.trainer import SetTrainer, fit_batch
from sklhier._utils.pickling import unchanged_on_error
from sklhier._utils.typing import NodeIds
from sklhier._utils.validation import (
    check_choice,
    check_classes,
    checked_weights,
    prepare_features,
    require_numeric_table,
    required_target,
    used_rows,
)
from sklhier.calibration import Calibrator
from sklhier.decoders import SetDecoder, resolve_set_decoder
from sklhier.links import Link
from sklhier.staging import Chain, Filter, resolve_chain
from sklhier.strategies import Memberships, SetStrategy, resolve_set_strategy
from sklhier.taxonomy import Taxonomy

__all__ = ["HierarchicalMultiLabelClassifier"]


class HierarchicalMultiLabelClassifier(SetGuarantees, LocalClassifier):
    """Hierarchical classifier that predicts any number of labels for each sample.

    Local models decide for each node whether a sample belongs to it [1]_. Their answers are
    combined into probabilities that never exceed a parent's, and a decoder turns these into sets of
    nodes that include all ancestors. The taxonomy may be a tree or a DAG.

    Parameters
    ----------
    estimator : classifier, default=None
        Any scikit-learn classifier, Pipeline or search object. ``class_weight={...}`` uses names of
        nodes and weights the samples that belong to them. An estimator that learns several outputs
        in one call (forests, trees, nearest neighbours, multi-layer perceptrons) is fitted to all
        nodes of a local problem at once; any other is cloned for each node, with the classes 0 and
        1. None means ``ScaledLinearClassifier()``.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. None infers it from `y` if `y` holds paths; the columns of an
        indicator are then all children of the root.
    strategy : str or SetStrategy, default="per_parent"
        The local problems to solve: ``"per_parent"`` (each node among the samples of all its
        parents), ``"per_node"`` (examples by a policy), ``"per_level"`` and ``"flat"`` (all nodes
        of a level, or all nodes, among all samples), ``"ensemble"`` (a pool of others) or
        ``"auto"`` (the best of them on held-out samples).
    decoder : str or SetDecoder, default="threshold"
        The rule that turns probabilities into sets: ``"threshold"``
        (:class:`~sklhier.decoders.SetThreshold`, tuned on out-of-fold predictions),
        ``"expected_f1"``, ``"maximum_closure"``, ``"top_labels"``, or an object with parameters.
    chain : str or Chain, default=None
        Outputs of the models of a node's ancestors that its model gets as extra features, as in
        :class:`~sklhier.HierarchicalClassifier`; held-out ones in training.
    consistency : {"max", "min", "product", "isotonic", "true_path"}, default="max"
        The way to make answers of separate models consistent, if the models learn from all
        samples. The probability of a node becomes the largest at or below it (``"max"``), the
        smallest at or above it (``"min"``), the product down the path (``"product"``), the nearest
        consistent value (``"isotonic"``), or the mean with more confident children
        (``"true_path"``). Strategies whose models learn from the samples of a node's parents always
        multiply down the paths; in a DAG the least probable parent counts.
    link : str or Link, default=None
        Conversion of a local model's outputs to probabilities, as in
        :class:`~sklhier.HierarchicalClassifier`.
    calibration : str or Calibrator or None, default="auto"
        Calibration of the probability of each node by out-of-fold predictions, before probabilities
        are made consistent: ``"temperature"``, ``"sigmoid"``, ``"isotonic"``, ``"venn_abers"``, or an
        object of :mod:`sklhier.calibration`. Base estimators with decision scores only get
        probabilities this way. ``"auto"`` is ``"sigmoid"`` where `decoder` learns from out-of-fold
        predictions, as the default one does, so that they are at hand; else, and with a `link`, with
        a callable for `node_estimators` or with base estimators that have classes alone, None.
    cv : int, splitter or iterable, default=None
        Folds of all out-of-fold predictions (for `calibration`, thresholds, weights of ensembles,
        the choice of ``"auto"``, and `chain`). An integer is a number of folds of
        :class:`~sklhier.model_selection.HierarchicalStratifiedKFold`; None means 3.
    node_estimators : mapping or callable, default=None
        Other estimators for some nodes or levels, as in :class:`~sklhier.HierarchicalClassifier`.
        With a callable that takes counts of rows, every node has a model of its own.
    small_nodes : classifier or (int, classifier), default=None
        Replacement estimator for nodes with few rows, as in
        :class:`~sklhier.HierarchicalClassifier`.
    node_rows : mapping or (rows, names), default=None
        Names, titles or descriptions of classes as training rows, as in
        :class:`~sklhier.HierarchicalClassifier`. The only label of a row is its node. Not with
        `chain` or ``partial_fit``.
    node_rows_weight : float or "oof", default=1.0
        Weight of each of these rows, as in :class:`~sklhier.HierarchicalClassifier`.
    classes : array-like, default=None
        Names of nodes for the columns of an indicator. Default: all nodes (``taxonomy.nodes[1:]``)
        or all leaves, depending on the number of columns.
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
        Names of the nodes that are columns of `y`, that occur in it, or that only `node_rows`
        names, in the order of ``taxonomy_.nodes``.
    estimators_ : mapping
        Fitted base estimators by the name of the node that they decide about. Keys of estimators
        for several nodes: ``("children", name)`` of their parent, ``"level:k"``, or, where the
        nodes share several parents, the name of the first node. In an ensemble, pairs of the
        member's position and this key.
    node_rows_weight_ : float
        The given or learnt weight of `node_rows`.
    decoder_ : SetDecoder
        The decoder in use, with given or learnt thresholds.
    conformal_report_ : structured ndarray
        With the decoder :class:`~sklhier.decoders.RiskControl`, a record of its calibration:
        ``risk``, ``target``, ``method``, ``n_rows`` (calibration rows), ``threshold``, ``mean_loss``
        (on these rows), ``bound`` (the value kept within the target; the p-value for ``"ltt"``),
        ``n_needed`` (fewest rows), ``source``, ``note``.
    strategy_ : SetStrategy
        The strategy in use; with ``"auto"`` the chosen one.
    selection_report_ : structured ndarray
        With ``strategy="auto"``, a record for each candidate, as in
        :class:`~sklhier.HierarchicalClassifier`.
    unseen_nodes_ : tuple
        Names of the nodes without a training sample, or one of `node_rows`, at or below them; never
        predicted.
    fit_report_ : structured ndarray
        A record for each local problem, as in :class:`~sklhier.HierarchicalClassifier`.
    calibration_report_ : structured ndarray
        With calibration, a record for each node, as in :class:`~sklhier.HierarchicalClassifier`.
    compression_report_ : structured ndarray
        After :meth:`compress`, a record for each local model, as in
        :class:`~sklhier.HierarchicalClassifier`.
    n_features_in_ : int
        Number of features, where X has columns.
    feature_names_in_ : ndarray of str
        Names of the features, where X has them and all are strings.

    See Also
    --------
    HierarchicalClassifier : One path for each sample, in a tree.
    sklhier.decoders.SetThreshold : The thresholds of the default decoder.
    sklhier.model_selection.HierarchicalStratifiedKFold : Folds for several labels.

    References
    ----------
    .. [1] C. Vens, J. Struyf, L. Schietgat, S. Dzeroski, H. Blockeel. Decision trees for hierarchical
       multi-label classification. Machine Learning 73 (2008).

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklhier import HierarchicalMultiLabelClassifier, Taxonomy
    >>> from sklhier.decoders import SetThreshold
    >>> taxonomy = Taxonomy.from_dict({"animal": ["bird", "fish"], "place": ["sea", "forest"]})
    >>> texts = ["an owl in the forest", "a wren", "a ray in the sea", "an eel", "the sea", "a wood"]
    >>> labels = [["bird", "forest"], ["bird"], ["fish", "sea"], ["fish"], ["sea"], ["forest"]]
    >>> classifier = HierarchicalMultiLabelClassifier(
    ...     LogisticRegression(C=100), taxonomy=taxonomy, decoder=SetThreshold(0.4)
    ... )
    >>> model = make_pipeline(TfidfVectorizer(), classifier).fit(texts, labels)
    >>> model.predict(["a wren in the forest", "an eel"])
    [['bird', 'forest'], ['fish']]
    """

    # Weights of samples are handed on; this estimator does nothing of its own with them.
    __metadata_request__fit: ClassVar = {"sample_weight": metadata_routing.UNUSED}
    __metadata_request__partial_fit: ClassVar = {
        "sample_weight": metadata_routing.UNUSED,
        "classes": metadata_routing.UNUSED,
    }

    _model: SetModels

    def __init__(
        self,
        estimator: Any = None,
        *,
        taxonomy: Any = None,
        strategy: str | SetStrategy = "per_parent",
        decoder: str | SetDecoder = "threshold",
        chain: str | Chain | None = None,
        consistency: str = "max",
        link: str | Link | None = None,
        calibration: str | Calibrator | None = "auto",
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
        self.chain = chain
        self.consistency = consistency
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags

    @property
    def _calibrates_by_itself(self) -> bool:
        return isinstance(self.calibration, str) and self.calibration == "auto"

    def _asked_calibration(self) -> Any:
        if not self._calibrates_by_itself:
            return self.calibration
        is_known = self.link is None and not callable(self.node_estimators)
        learns = resolve_set_decoder(self.decoder).needs_tuning
        return "sigmoid" if learns and is_known and lack_of_scores(self, None) is None else None

    # -- fitting --------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Fit the local models, and learn thresholds that are not given.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples, in any form that the base estimators take.
        y : indicator of shape (n_samples, n_columns), or list of collections of labels or paths
            Labels of each sample, leaves or inner nodes, possibly none; ancestors are added. A 0/1
            array, sparse matrix or data frame has a column for each node or leaf, or for `classes`.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples; the base estimators must take them. Rows of weight 0 are left
            out.
        **fit_params : dict
            Passed on to the base estimators by metadata routing. Arrays have an entry for each
            sample; labels of validation sets (``eval_set``, ``X_val`` and ``y_val``) have the format
            of y.

        Returns
        -------
        self : HierarchicalMultiLabelClassifier
            The fitted estimator.

        Raises
        ------
        TargetError
            For labels that are not in the taxonomy, and for unexpected columns.
        IncompatiblePartsError
            If the decoder needs probabilities and a base estimator has none.
        ValueError
            For a strategy that only predicts single paths.
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
        target, closed = SetTarget.read(required_target(self, y), self.taxonomy, self.classes)
        taxonomy = target.taxonomy
        check_consistent_length(X, closed)
        weights = checked_weights(sample_weight, closed.shape[0])
        strategy, decoder = self._parts(target)
        calibration = calibration_of_sets(self._asked_calibration(), taxonomy)
        split = target.splitter(self.cv, closed, splitter_params(self, weights, fit_params))
        chain = resolve_chain(self.chain)
        if chain is not None:
            refuse_chain(chain, strategy, self)
            chain = clone(chain)
        staging = None if chain is None else Staging(chain, Filter(), split, weights)
        refuse_staging(self, staging)
        nothing = np.zeros(0, dtype=np.int32)
        beside = Beside.of(self, X, weights, taxonomy, nothing, observed_nodes(closed))
        refuse_unweighted(self, weights, beside.weights)
        target, split = target.with_classes(beside.classes), with_fixed(split, beside.fixed)
        X, weights, closed = beside.X, beside.weights, _stacked(closed, taxonomy, beside.nodes)
        seed = drawn_seed(self.random_state)
        labels = Labels(taxonomy, None, weights)
        self._reading = Reading.of(self)
        jobs = jobs_of(
            self,
            "fit",
            X,
            labels,
            target,
            fit_params,
            seed,
            leaves_decide=True,
            reading=self._reading,
            fixed=beside.fixed,
        )
        trainer = SetTrainer(jobs, X, weights, staging, closed, fixed=beside.fixed)
        rows = used_rows(weights, closed.shape[0])
        samples = trainer.samples_of(rows)
        self._rows_weight = None if beside.fixed is None else beside.weight
        if beside.is_learnt:
            self._rows_weight = learnt_weight_of_sets(
                trainer, strategy, decoder, rows, split, beside.weighted, self.consistency
            )
            trainer = trainer.weighted(beside.weighted(self._rows_weight))
        chosen = choose_sets(
            trainer, strategy, decoder, calibration, rows, split, self.consistency
        )
        strategy, self._selection = chosen.strategy, chosen.selection
        models, self._reports = trainer.train_parts(strategy, rows)
        # Only now is it known what a callable has chosen.
        if calibration is not None:
            refuse_unscored(all_models(models))
        refuse_mismatch_of_models(decoder, self._reading, all_models(models), "'threshold'")
        if not any(models):  # no base estimator has looked at X
            allow_nan = get_tags(self).input_tags.allow_nan
            require_numeric_table(self, X, allow_nan=allow_nan)

        learnt = learnt_sets(
            trainer,
            strategy,
            decoder,
            calibration,
            rows,
            split,
            self.consistency,
            models,
            chosen.held_out,
            is_asked=not self._calibrates_by_itself,
        )
        models, decoder = learnt.linked(models), learnt.decoder
        self._calibration_reports = learnt.reports
        observed = observed_nodes(closed[rows])
        self._model = SetModels(strategy, models, taxonomy, observed, self.consistency)
        self._count_rows(taxonomy, closed[samples])
        self._store(target, decoder, seed)
        self._keep_known(X, samples)
        return self

    def _parts(self, target: SetTarget) -> tuple[SetStrategy, SetDecoder]:
        """Return the strategy and the decoder, checked against each other and the taxonomy."""
        # All of it before the first fit, so that a wrong parameter costs no time.
        check_choice("consistency", self.consistency, METHODS)
        decoder = fitted_decoder(self.decoder, target.taxonomy)
        refuse_mismatch(decoder, self, "'threshold'")
        # A copy: set_params does not change a fitted model.
        return clone(resolve_set_strategy(self.strategy)), decoder

    def _store(self, target: SetTarget, decoder: SetDecoder, seed: int | None) -> None:
        """Store what the labels look like; forget what was made of earlier models."""
        self.__dict__.pop("_compressed", None)
        self._target = target
        self._seed = seed
        self.decoder_ = decoder
        self.classes_ = target.classes
        self.taxonomy_ = target.taxonomy

    @available_if(learns_in_batches)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None, **fit_params: Any
    ) -> Self:
        """Fit incrementally on a batch of samples.

        Available if the base estimators have ``partial_fit``, without `chain`; every node then has a
        model of its own. Thresholds cannot be learnt from batches: pass them as numbers.

        Parameters
        ----------
        X : array-like or sparse matrix, length n_samples
            Samples.
        y : indicator, or list of collections of labels or paths
            Labels of each sample, in the format of the first call.
        classes : array-like, default=None
            As the parameter `classes`, used in the first call.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.
        **fit_params : dict
            Passed on to the base estimators by metadata routing.

        Returns
        -------
        self : HierarchicalMultiLabelClassifier
            The estimator.

        Raises
        ------
        IncompatiblePartsError
            If there is a threshold to learn.
        TargetError
            For labels that are not in the taxonomy, and for unexpected columns.
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
        X = prepare_features(self, X, reset=first)
        y = required_target(self, y)
        if first:
            given = self.classes if classes is None else classes
            target, closed = SetTarget.read(y, self.taxonomy, given)
            strategy, decoder = self._parts(target)
            refuse_choice(strategy)
            no_models: list[Models] = [{} for _ in strategy.set_parts()]
            nothing = np.zeros(0, dtype=np.int32)
            model = SetModels(strategy, no_models, target.taxonomy, nothing, self.consistency)
            seed = drawn_seed(self.random_state)
            self._reading = Reading.of(self)
        else:
            target, model, seed = self._target, self._model, self._seed
            decoder = self._unlearnt_decoder()
            strategy, closed = model.strategy, target.read_batch(y)
        refuse_tuning(decoder)
        check_consistent_length(X, closed)
        weights = checked_weights(sample_weight, closed.shape[0])
        rows = used_rows(weights, closed.shape[0])
        labels = Labels(target.taxonomy, None, weights)
        jobs = jobs_of(
            self,
            "partial_fit",
            X,
            labels,
            target,
            fit_params,
            seed,
            leaves_decide=True,
            reading=self._reading,
        )
        # A node without a sample so far has a model too, for it may get some in a later batch.
        members = Memberships(closed[rows], target.taxonomy, incremental=True)
        plans = (part.plan_sets(members, _one_by_one) for part in strategy.set_parts())
        parts = zip(plans, model.models, strict=True)
        models, self._reports = fit_batch(jobs, X, rows, strategy.set_parts(), parts)
        observed = np.union1d(model.observed, observed_nodes(closed[rows])).astype(np.int32)
        self._model = replace(model, models=models, observed=observed)
        self._count_rows(target.taxonomy, closed[rows], more=not first)
        self._store(target, decoder, seed)
        return self

    def _prepared(self, X: Any) -> Any:
        return prepare_features(self, X, reset=False)


def _stacked(closed: sparse.csr_array, taxonomy: Taxonomy, nodes: NodeIds) -> sparse.csr_array:
    """Return the nodes of samples, and after them some nodes, each with all above it."""
    if not nodes.size:
        return closed
    more = taxonomy.ancestors_of(nodes).astype(closed.dtype)
    return sparse.csr_array(sparse.vstack([closed, more], format="csr"))


def _one_by_one(key: ModelKey) -> bool:  # noqa: ARG001
    """Return False: with batches every node has a model of its own."""
    return False
