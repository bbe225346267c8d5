"""The joint model for label sets: one network, a logistic head for each node."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from scipy import sparse
from scipy.special import expit
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklhier._classifiers.calibrating import calibration_of_sets, refuse_calibrated
from sklhier._classifiers.guarantees import SetGuarantees
from sklhier._classifiers.joint_base import (
    JointEstimator,
    checked_groups,
    grouped_cv,
    has_batches,
    held_out_rows,
)
from sklhier._classifiers.set_prediction import (
    fitted_decoder,
    refuse_tuning,
)
from sklhier._classifiers.set_target import SetTarget
from sklhier._joint.model import JointModel, Training, fit_all, learn_batch, start_by
from sklhier._joint.sets import JointSets, SetColumns
from sklhier._local.keys import Kind, ModelKey
from sklhier._local.problem import REST
from sklhier._training.calibration import CalibratedNodes, Gathered, fit_nodes
from sklhier._training.marginals import observed_nodes
from sklhier._training.trainer import HeldOutPass
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.pickling import unchanged_on_error
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, Rows
from sklhier._utils.validation import check_classes, required_target, weighted_rows
from sklhier.calibration import Calibrator
from sklhier.decoders import HeldOutSets, SetDecoder
from sklhier.objectives import SetLoss, Solver, resolve_set_loss
from sklhier.taxonomy import Taxonomy

__all__ = ["MultiHeadMultiLabelClassifier"]


class MultiHeadMultiLabelClassifier(SetGuarantees, JointEstimator):
    r"""Joint multi-label model with a logistic head for each node, consistent by a maximum.

    Each node has a score; its probability is the largest one at or below it, so that no node is
    less probable than a descendant. ``loss="max_constraint"`` trains the model for exactly this, by
    the max-constraint loss MCLoss [1]_; with ``"cross_entropy"`` each head learns alone.

    Parameters
    ----------
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. None infers it from `y` if `y` holds paths; the columns of an
        indicator are then all children of the root.
    loss : {"max_constraint", "cross_entropy"} or loss, default="max_constraint"
        :class:`~sklhier.objectives.MaxConstraintLoss` evaluates the loss of a node at the largest
        score at or below it; where the sample belongs to the node, only nodes that it belongs to
        count. :class:`~sklhier.objectives.CrossEntropyLoss` uses the node's own score; without
        hidden layers that is a logistic regression for each node.
    solver : {"auto", "lbfgs", "adam"} or solver, default="auto"
        :class:`~sklhier.objectives.LBFGS` uses all samples at once,
        :class:`~sklhier.objectives.Adam` mini-batches, with optional early stopping. ``"auto"`` is
        L-BFGS for a linear model of at most 2,000,000 weights, and Adam otherwise.
    level_weights : array-like of float, shape (n_levels,), default=None
        Weight of the nodes of each level in the sum of losses, from the first; None means 1 each.
    alpha : float or "auto", default="auto"
        Strength of the penalty, 0 or more. ``"auto"`` is 1e-5. But a linear model learns dense X as
        if its features were standardised, with 0.01 for L-BFGS; with a solver
        :class:`~sklhier.objectives.Adam` of your own it takes them as they are. Fitted weights are
        for X as it is. With weights of 1, alpha is ``1 / (n_samples * C)`` of
        ``LogisticRegression``. Intercepts are not penalised.
    hidden_layer_sizes : int or sequence of int, default=()
        Widths of hidden layers that all nodes share. Empty for a linear model.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Activation function of the hidden layers.
    dropout : float, default=0.0
        Share of hidden values that each step of Adam drops, in [0, 0.99]; 0.3 to 0.7 helps wide
        layers. Predictions use all values.
    n_estimators : int, default=1
        Number of networks, at least 1. Each has its own initial weights, order of mini-batches and
        held-out part; their probabilities are averaged.
    intercept_init : {"zeros", "frequencies"}, default="zeros"
        Initial intercepts of the scores. ``"frequencies"`` starts from a model without features,
        fitted to the frequencies of nodes in training (in the first batch with ``partial_fit``).
    warm_start : bool, default=False
        Whether to start from the weights of the last fit; features and the nodes with samples must
        be the same.
    decoder : str or SetDecoder, default="threshold"
        The rule that turns probabilities into sets, as in
        :class:`HierarchicalMultiLabelClassifier`.
    calibration : {"temperature", "sigmoid", "isotonic", "venn_abers"} or Calibrator, default=None
        Calibration of the probability of each node by out-of-fold predictions, before probabilities
        are made consistent. Not for ``partial_fit``.
    cv : int, splitter or iterable, default=None
        Folds for `calibration` and for thresholds that are tuned out-of-fold; the model is fitted
        once more for each. An integer is a number of folds of
        :class:`~sklhier.model_selection.HierarchicalStratifiedKFold`; None means 3.
    classes : array-like, default=None
        Names of nodes for the columns of an indicator. Default: all nodes (``taxonomy.nodes[1:]``)
        or all leaves, depending on the number of columns.
    n_jobs : int, default=None
        Number of networks fitted at the same time, in threads; results do not depend on it.
    verbose : int, default=0
        If positive, print the loss of every iteration.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights of hidden layers, the order of mini-batches and the held-out
        part. L-BFGS without hidden layers does not use it.

    Attributes
    ----------
    taxonomy_ : Taxonomy
        The taxonomy in use.
    classes_ : ndarray, shape (n_classes,)
        Names of the nodes that are columns of `y` or occur in it, in the order of nodes.
    decoder_ : SetDecoder
        The decoder in use, with given or tuned thresholds.
    calibration_report_ : structured ndarray
        With `calibration`, a record for each node, as in
        :class:`HierarchicalMultiLabelClassifier`.
    conformal_report_ : structured ndarray
        With the decoder :class:`~sklhier.decoders.RiskControl`, a record of its calibration:
        ``risk``, ``target``, ``method``, ``n_rows`` (calibration rows), ``threshold``, ``mean_loss``
        (on these rows), ``bound`` (the value kept within the target; the p-value for ``"ltt"``),
        ``n_needed`` (fewest rows), ``source``, ``note``.
    coef_ : ndarray, shape (n_features, n_columns)
        Weights of a model without hidden layers, of the dtype of X (float32 or float64); columns
        as in ``columns_``.
    intercept_ : ndarray, shape (n_columns,)
        Its intercepts.
    coefs_, intercepts_ : list of ndarray
        Those of all layers, starting at the features; with several networks, of the first.
    networks_ : tuple
        All networks, each with `weights` and `intercepts` like ``coefs_`` and ``intercepts_``.
    columns_ : tuple
        Names of the nodes that the columns of the last layer score: those with a sample.
    n_iter_ : int
        Iterations, or passes through the samples, of the last fit and of later calls of
        partial_fit. With several networks, this and the curves below are those of the first.
    loss_curve_ : list of float
        The objective after each iteration; with Adam its mean during the pass.
    validation_loss_curve_ : list of float or None
        With early stopping, the loss of the held-out samples after each pass, for the network that
        they stopped.
    unseen_nodes_ : tuple
        Names of the nodes without a training sample at or below them; never predicted.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, where X has them and all are strings.

    See Also
    --------
    HierarchicalMultiLabelClassifier : Local models of any kind.
    MultiHeadClassifier : One path for each sample, in a tree.

    Notes
    -----
    The max-constraint loss has kinks and several minima, so that rounding may decide where L-BFGS
    ends. It therefore works on the distinct samples, each with the sum of its weights, in an order
    that depends only on their content: weights are identical to the last bit whatever the order of
    samples, and whether samples are repeated or weighted. Thresholds that are tuned out-of-fold
    also depend on the folds.

    References
    ----------
    .. [1] E. Giunchiglia, T. Lukasiewicz. Coherent hierarchical multi-label classification
       networks. NeurIPS (2020).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import MultiHeadMultiLabelClassifier, Taxonomy
    >>> from sklhier.decoders import SetThreshold
    >>> taxonomy = Taxonomy.from_dict({"animal": ["bird", "fish"], "place": ["sea", "forest"]})
    >>> X = np.array([[1, 0, 0, 1], [1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    >>> y = [["bird", "forest"], ["bird"], ["fish", "sea"], ["fish"], ["sea"]]
    >>> model = MultiHeadMultiLabelClassifier(taxonomy, alpha=0.001, decoder=SetThreshold(0.5))
    >>> model.fit(X, y).predict([[1, 0, 1, 0]])
    [['bird', 'sea']]
    """

    _model: JointSets

    def __init__(
        self,
        taxonomy: Any = None,
        *,
        loss: str | SetLoss = "max_constraint",
        solver: str | Solver = "auto",
        level_weights: Any = None,
        alpha: float | Literal["auto"] = "auto",
        hidden_layer_sizes: Any = (),
        activation: str = "relu",
        dropout: float = 0.0,
        n_estimators: int = 1,
        intercept_init: str = "zeros",
        warm_start: bool = False,
        decoder: str | SetDecoder = "threshold",
        calibration: str | Calibrator | None = None,
        cv: Any = None,
        classes: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.taxonomy = taxonomy
        self.loss = loss
        self.solver = solver
        self.level_weights = level_weights
        self.alpha = alpha
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.n_estimators = n_estimators
        self.intercept_init = intercept_init
        self.warm_start = warm_start
        self.decoder = decoder
        self.calibration = calibration
        self.cv = cv
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

    # -- fitting --------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Fit the model, and learn thresholds that are not given.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples: finite numbers. float32 stays float32, float16 becomes float32, anything else
            float64.
        y : indicator of shape (n_samples, n_columns), or list of collections of labels or paths
            Labels of each sample, leaves or inner nodes, possibly none; ancestors are added. A 0/1
            array, sparse matrix or data frame has a column for each node or leaf, or for `classes`.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples. Rows of weight 0 are left out.
        groups : array-like, shape (n_samples,), default=None
            Groups of samples, kept whole by early stopping and the folds of `cv`.

        Returns
        -------
        self : MultiHeadMultiLabelClassifier
            The fitted estimator.

        Raises
        ------
        TargetError
            For labels that are not in the taxonomy, and for unexpected columns.
        ValueError
            For a parameter outside its range, a wrong number of level weights, and
            with ``warm_start`` if nodes or features differ from the last fit.
        """
        with unchanged_on_error(self):
            return self._fit(X, y, sample_weight, groups)

    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> Self:
        check_classes(self.classes)
        X = self._features(X, reset=True)
        target, closed = SetTarget.read(required_target(self, y), self.taxonomy, self.classes)
        check_consistent_length(X, closed)
        rows, weights = weighted_rows(sample_weight, closed.shape[0])
        decoder = fitted_decoder(self.decoder, target.taxonomy)
        groups = checked_groups(groups, closed.shape[0])
        names = target.taxonomy.node_names[1:]
        cv = grouped_cv(self.cv, groups, 3, target.taxonomy, classes=names)
        split = target.splitter(cv, closed, {} if groups is None else {"groups": groups})
        calibration = calibration_of_sets(self.calibration, target.taxonomy)
        splits = split(rows) if decoder.needs_tuning or calibration is not None else []
        X, closed = take_rows(X, rows), closed[rows]
        groups = None if groups is None else groups[rows]
        training, random_state = self._training(), check_random_state(self.random_state)
        columns = SetColumns(target.taxonomy, observed_nodes(closed))

        def train(member: int, inside: Rows, previous: Any = None) -> JointSets:  # noqa: ARG001
            # One stream of random numbers for all folds, after those of the model itself.
            first = self._first_joints(training, columns, X.dtype, random_state, previous)
            own = take_rows(X, inside), closed[inside], weights[inside]
            own_groups = None if groups is None else groups[inside]
            by_frequencies = training.by_frequencies and previous is None
            return self._fit_rows(first, columns, training, *own, own_groups, by_frequencies)

        fitted = train(0, np.arange(len(rows)), self._previous())
        keep = decoder.needs_tuning and calibration is not None
        held_out = HeldOutPass(train, np.arange(len(rows)), splits, keep=keep)
        self._calibration_reports = None
        if calibration is not None:
            gathered = _gathered(held_out, X, closed, weights)
            links, report = fit_nodes(calibration, gathered)
            self._calibration_reports = [report]
            fitted = _read_by(links, fitted)
            held_out = held_out.changed(lambda _, model: _read_by(links, model))
        if decoder.needs_tuning:
            decoder = decoder.tuned(partial(_held_out_sets, held_out, X, closed, weights))
        self._count_rows(target.taxonomy, closed)
        self._store(target, fitted, decoder)
        self._keep_known(X, np.arange(len(rows)))
        return self

    @available_if(has_batches)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Pass once through a batch of samples, in mini-batches.

        Thresholds cannot be tuned on batches: pass them as numbers. Nodes without a sample so far
        have columns but are not predicted.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples.
        y : indicator, or list of collections of labels or paths
            Labels of each sample, in the same format in all calls.
        classes : array-like, default=None
            As the parameter `classes`, used in the first call.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : MultiHeadMultiLabelClassifier
            The estimator.

        Raises
        ------
        IncompatiblePartsError
            If the decoder has a threshold to tune.
        TargetError
            For labels that are not in the taxonomy, and for unexpected columns.
        ValueError
            If features are sparse in one call and dense in another.
        """
        with unchanged_on_error(self):
            return self._partial_fit(X, y, classes, sample_weight)

    def _partial_fit(self, X: Any, y: Any, classes: Any, sample_weight: Any) -> Self:
        is_first = not hasattr(self, "taxonomy_")
        refuse_calibrated(self)
        check_classes(self.classes)
        X, training = self._features(X, reset=is_first), self._training()
        y = required_target(self, y)
        if is_first:
            given = self.classes if classes is None else classes
            target, closed = SetTarget.read(y, self.taxonomy, given)
            model = self._unfitted(target.taxonomy, training, X.dtype)
            decoder = fitted_decoder(self.decoder, target.taxonomy)
        else:
            target, model = self._target, self._model
            decoder = self._unlearnt_decoder()
            closed = target.read_batch(y)
        refuse_tuning(decoder)
        check_consistent_length(X, closed)
        rows, weights = weighted_rows(sample_weight, closed.shape[0])
        # The first batch decides the precision of the weights.
        X = take_rows(X, rows).astype(model.joint.network.dtype, copy=False)
        closed = closed[rows]
        _refuse_unknown(closed, model.columns)
        loss = resolve_set_loss(self.loss)
        set_loss = model.columns.loss_of(loss, closed, self.level_weights, X.dtype)
        shares = weights / weights.sum()
        if is_first and training.by_frequencies:
            start_by(model.joints, model.columns.log_odds(closed, shares, weights.sum()))
        joint, *others = learn_batch(model.joints, X, shares, set_loss, training)
        fitted = replace(model, joint=joint, others=tuple(others))
        self._count_rows(target.taxonomy, closed, more=not is_first)
        self._store(target, fitted.observing(closed.indices), decoder)
        return self

    def _unfitted(self, taxonomy: Taxonomy, training: Training, dtype: Any) -> JointSets:
        """Return a model of all nodes that has seen no sample."""
        columns = SetColumns(taxonomy, np.arange(1, taxonomy.n_nodes, dtype=np.int32))
        random_state = check_random_state(self.random_state)
        joints = self._first_joints(training, columns, dtype, random_state)
        return JointSets.of_all(columns, joints, np.zeros(0, dtype=np.int32))

    def _store(self, target: SetTarget, model: JointSets, decoder: SetDecoder) -> None:
        self._target = target
        self._model = model
        self.decoder_ = decoder
        self.classes_ = target.classes
        self.taxonomy_ = target.taxonomy

    def _fit_rows(
        self,
        joints: list[JointModel],
        columns: SetColumns,
        training: Training,
        X: Any,
        closed: sparse.csr_array,
        weights: Floats,
        groups: Any,
        by_frequencies: bool,
    ) -> JointSets:
        """Return a model fitted to rows."""
        observed, taxonomy = observed_nodes(closed), columns.taxonomy
        sizes = joints[0].network.sizes
        training.check_fit(sizes)
        X, closed, weights = training.rows_for(sizes, X, closed, weights)
        loss = resolve_set_loss(self.loss)
        set_loss = columns.loss_of(loss, closed, self.level_weights, X.dtype)
        held_out: list[Rows | None] = [None] * len(joints)
        fraction = training.validation_fraction(sizes)
        if fraction is not None:
            labels = closed[:, 1:]
            held_out = [
                held_out_rows(labels, closed, taxonomy, fraction, joint.random_state, groups)
                for joint in joints
            ]
        shares = weights / weights.sum()
        if by_frequencies:
            start_by(joints, columns.log_odds(closed, shares, weights.sum()))
        fitted = fit_all(joints, X, shares, set_loss, training, held_out)
        return JointSets.of_all(columns, fitted, observed)

    # -- predicting -----------------------------------------------------------------------

    @property
    def columns_(self) -> tuple[Hashable, ...]:
        """Names of the nodes that the columns of the last layer score."""
        check_is_fitted(self, "taxonomy_")
        nodes = self._model.columns.nodes.tolist()
        return tuple(self.taxonomy_.nodes[node] for node in nodes)

    def _prepared(self, X: Any) -> Any:
        return self._features(X, reset=False)


def _refuse_unknown(closed: sparse.csr_array, columns: SetColumns) -> None:
    unknown = np.setdiff1d(closed.indices, columns.nodes)
    if unknown.size:
        raise ValueError(
            f"The node {columns.taxonomy.nodes[unknown[0]]!r} had no sample when `fit` was "
            "called, so it has no column. Start with partial_fit, which gives every node a column."
        )


def _held_out_sets(
    held_out: HeldOutPass[JointSets], X: Any, closed: sparse.csr_array, weights: Floats
) -> Iterator[HeldOutSets]:
    """Yield blocks of held-out samples with their probabilities."""
    for fold in held_out.folds():
        if not fold.inside.size:  # all its rows have the weight 0
            continue
        model = fold.models(0)
        for block in row_blocks(len(fold.left_out), model.columns_per_row()):
            rows = fold.left_out[block]
            marginals = model.marginals(take_rows(X, rows))
            yield HeldOutSets(marginals, sparse.csr_array(closed[rows]), weights[rows])


def _read_by(links: CalibratedNodes, model: JointSets) -> JointSets:
    return replace(model, link=links.link(model.columns.nodes, "decision_function"))


def _gathered(
    held_out: HeldOutPass[JointSets], X: Any, closed: sparse.csr_array, weights: Floats
) -> dict[ModelKey, Gathered]:
    """Return the held-out scores for each node that has a sample."""
    observed = observed_nodes(closed)
    gathered = {
        node: Gathered(np.array([REST, node], dtype=np.int32)) for node in observed.tolist()
    }
    for fold in held_out.folds():
        known = np.zeros(0, dtype=np.int32)
        if fold.inside.size:
            model, rows = fold.models(0), fold.left_out
            known = model.columns.nodes[np.isin(model.columns.nodes, model.observed)]
            scores = model.scores(take_rows(X, rows))
            true = closed[rows].toarray() > 0
            for column in np.flatnonzero(np.isin(model.columns.nodes, known)).tolist():
                node = int(model.columns.nodes[column])
                own, codes = scores[:, column], true[:, node].astype(np.intp)
                before = expit(np.where(true[:, node], own, -own))
                part = gathered[node]
                part.method = "decision_function"
                part.add(np.column_stack([-own, own]), codes, weights[rows], before)
        for node in np.setdiff1d(observed, known).tolist():
            gathered[node].n_dropped += len(fold.left_out)
    return {ModelKey(Kind.NODE, node): part for node, part in gathered.items()}
