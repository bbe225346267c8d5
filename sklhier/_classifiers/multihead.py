"""The joint model for one path: one network, a column for each node."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklhier._classifiers.calibrating import (
    calibration_of_answers,
    learnt_answers,
    refuse_calibrated,
)
from sklhier._classifiers.guarantees import (
    PathGuarantees,
    check_reject,
    refuse_learning_from_batches,
)
from sklhier._classifiers.joint_base import (
    JointEstimator,
    checked_groups,
    grouped_cv,
    has_batches,
    held_out_rows,
)
from sklhier._classifiers.path_target import PathTarget, labels_of_batches
from sklhier._joint.model import JointModel, Training, fit_all, learn_batch, start_by
from sklhier._joint.paths import JointPaths, PathColumns
from sklhier._probabilities.marginals import HeldOutPaths
from sklhier._targets.paths import resolve_taxonomy
from sklhier._training.calibration import is_small
from sklhier._training.trainer import HeldOutPass
from sklhier._utils.pickling import unchanged_on_error
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier._utils.validation import (
    check_choice,
    check_classes,
    numbers,
    required_target,
    shown,
    weighted_rows,
)
from sklhier.calibration import AnswerCalibrator
from sklhier.decoders import Decoder, resolve_decoder
from sklhier.objectives import PathLoss, Solver, resolve_loss
from sklhier.taxonomy import Taxonomy

__all__ = ["MultiHeadClassifier"]


class MultiHeadClassifier(PathGuarantees, JointEstimator):
    r"""Joint model of a whole taxonomy, with one output head for each node.

    :class:`HierarchicalClassifier` fits many models; this one fits all nodes together. The score of
    a label is the sum of the scores of the nodes on its path, a softmax over all labels turns scores
    into probabilities, and the loss counts every level of the taxonomy,

    .. math::

        \min_{U, b} \; \frac{1}{\sum_i s_i} \sum_i s_i \sum_{l} w_l \,
        {-\log M_{i, y_i(l)}} + \frac{\alpha}{2} \lVert U \rVert^2, \qquad
        P_i = \operatorname{softmax}((x_i U + b) A^\top), \quad M_i = P_i A,

    where `A` marks the nodes on the path to each label, `M` holds the probabilities of nodes,
    :math:`y_i(l)` is the node of the true path at level `l`, :math:`w_l` are the `level_weights`, and
    :math:`s_i` is the weight of a sample. A sample counts at the levels that its path reaches. The
    penalty pulls a node's total weights towards its parent's, as in recursive regularisation [1]_.

    Parameters
    ----------
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the labels. None infers it from `y` if `y` holds paths; 1-D labels are then all
        children of the root, and the model is multinomial logistic regression.
    loss : {"level", "hxe", "soft_labels"} or loss, default="level"
        ``"level"`` is the loss above. ``"hxe"``
        (:class:`~sklhier.objectives.HierarchicalCrossEntropy`) weights each step down the path;
        ``"soft_labels"`` (:class:`~sklhier.objectives.SoftLabels`) gives part of each label to
        labels near it.
    solver : {"auto", "lbfgs", "adam"} or solver, default="auto"
        :class:`~sklhier.objectives.LBFGS` uses all samples at once,
        :class:`~sklhier.objectives.Adam` mini-batches, with optional early stopping. ``"auto"`` is
        L-BFGS for a linear model of at most 2,000,000 weights, and Adam otherwise. Two exceptions:

        * a linear model of dense X with rows times weights of 200,000,000 or more:
          ``Adam(learning_rate="linear", max_iter=12)`` with batches of up to 512 rows;
        * a linear model of sparse X that is too large for L-BFGS: ``Adam(learning_rate="linear",
          learning_rate_init=0.05, max_iter=4)`` with batches of a 64th of the rows, 16 to 256 of
          them; few rows get more passes, for 150 batches.

        ``partial_fit`` takes ``Adam()``.
    level_weights : array-like of float, shape (n_levels,), default=None
        Weight of each level from the first, 0 or more; None means 1 each. ``"soft_labels"`` ignores
        them, ``"hxe"`` multiplies by them.
    alpha : float or "auto", default="auto"
        Strength of the penalty, 0 or more. ``"auto"`` is 1e-5, with two exceptions:

        * A linear model learns dense X as if its features were standardised, with 0.01 for L-BFGS
          and 1e-5 for the dozen passes; with a solver :class:`~sklhier.objectives.Adam` of your own
          it takes them as they are. Fitted weights are for X as it is.
        * It is 1e-6 where ``solver="auto"`` makes a few passes through sparse X.

        With weights of 1, alpha is ``1 / (n_samples * C)`` of ``LogisticRegression``. Intercepts are
        not penalised.
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
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, by label; ``"balanced"`` gives all classes the same total.
    warm_start : bool, default=False
        Whether to start from the weights of the last fit; labels and features must be the same.
    decoder : str or Decoder, default="best_path"
        The rule that turns node probabilities into predictions, as in
        :class:`HierarchicalClassifier`.
    reject : float, default=None
        Share of training samples, in (0, 1), to leave without an answer, as in
        :class:`HierarchicalClassifier`.
    calibration : {"temperature"} or AnswerCalibrator, default=None
        Calibration of whole answers by out-of-fold predictions, as in
        :class:`HierarchicalClassifier`. Not for ``partial_fit``.
    cv : int, splitter or iterable, default=None
        Folds for `calibration`, `reject` and decoders that are tuned out-of-fold; the model is
        fitted once more for each. An integer is a number of folds of
        :class:`~sklhier.model_selection.HierarchicalStratifiedKFold`; None means 5.
    classes : array-like, default=None
        Labels behind integer codes in `y`, as in :class:`HierarchicalClassifier`.
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
        The distinct labels of `y`, sorted (names of nodes if `y` held paths).
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
        Names of the nodes that the columns of the last layer score; ``("stop", name)`` for a label
        that ends at a node with labels below it.
    n_iter_ : int
        Iterations, or passes through the samples, of the last fit and of later calls of
        partial_fit. With several networks, this and the curves below are those of the first.
    loss_curve_ : list of float
        The objective after each iteration; with Adam its mean during the pass.
    validation_loss_curve_ : list of float or None
        With early stopping, the loss of the held-out samples after each pass, for the network that
        they stopped.
    decoder_ : Decoder
        The decoder in use, its parameters tuned.
    calibration_report_ : structured ndarray
        With `calibration`, a record, as in :class:`HierarchicalClassifier`.
    conformal_report_ : structured ndarray
        With the decoder :class:`~sklhier.decoders.Conformal`, a record for each group: ``group``,
        ``n_rows`` (calibration rows), ``k`` and ``threshold`` (the k-th smallest score; infinity if
        there are too few rows), ``n_needed`` (fewest rows for the level),
        ``confidence_level``, ``source`` (``"out_of_fold"`` or ``"calibration"``).
    reject_threshold_ : float
        With `reject`, the probability below which the best answer is refused.
    unseen_nodes_ : tuple
        Names of the nodes without a training sample at or below them; never predicted.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Names of the features, where X has them and all are strings.

    See Also
    --------
    HierarchicalClassifier : Local models of any kind.
    MultiHeadMultiLabelClassifier : Several labels for each sample, in a tree or a DAG.

    Notes
    -----
    An inner node that occurs as a label, with other labels below it, is an answer of its own. Its
    column stands beside those of the node's children, and it counts at their level.

    L-BFGS works on the distinct samples, each with the sum of its weights, in an order that depends
    only on their content. So weights are identical to the last bit whatever the order of samples,
    and whether samples are repeated or weighted.

    Adam updates the weights of a sparse feature only in batches where the feature occurs, and then
    applies the penalty for the steps left out, on average.

    References
    ----------
    .. [1] S. Gopal, Y. Yang. Recursive regularization for large-scale classification with
       hierarchical and graphical dependencies. KDD (2013).

    Examples
    --------
    >>> from sklhier import MultiHeadClassifier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> X, y, taxonomy = make_hierarchical_classification(
    ...     300, 8, branching=(3, 2), class_sep=2.0, random_state=0
    ... )
    >>> model = MultiHeadClassifier(taxonomy, alpha=0.01).fit(X, y)
    >>> model.coef_.shape, model.columns_[:4]
    ((8, 9), ('n1', 'n2', 'n3', 'n1.1'))
    >>> model.predict_levels(X[:1])
    array([['n2', 'n2.1']], dtype=object)
    """

    _model: JointPaths

    def __init__(
        self,
        taxonomy: Any = None,
        *,
        loss: str | PathLoss = "level",
        solver: str | Solver = "auto",
        level_weights: Any = None,
        alpha: float | Literal["auto"] = "auto",
        hidden_layer_sizes: Any = (),
        activation: str = "relu",
        dropout: float = 0.0,
        n_estimators: int = 1,
        intercept_init: str = "zeros",
        class_weight: Any = None,
        warm_start: bool = False,
        decoder: str | Decoder = "best_path",
        reject: float | None = None,
        calibration: str | AnswerCalibrator | None = None,
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
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.decoder = decoder
        self.reject = reject
        self.calibration = calibration
        self.cv = cv
        self.classes = classes
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    # -- fitting --------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples: finite numbers. float32 stays float32, float16 becomes float32, anything else
            float64.
        y : array-like, shape (n_samples,) or (n_samples, n_levels), or list of lists
            Labels: names of nodes, leaves or inner ones; or paths, as lists or with one column for
            each level (None, NaN or ``""`` after the last known level).
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples. Rows of weight 0 are left out.
        groups : array-like, shape (n_samples,), default=None
            Groups of samples, kept whole by early stopping and the folds of `cv`.

        Returns
        -------
        self : MultiHeadClassifier
            The fitted estimator.

        Raises
        ------
        TargetError
            For labels that are missing or not in the taxonomy.
        TaxonomyError
            If the taxonomy is a DAG.
        ValueError
            For a parameter outside its range, a wrong number of level weights, and
            with ``warm_start`` if labels or features differ from the last fit.
        """
        with unchanged_on_error(self):
            return self._fit(X, y, sample_weight, groups)

    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> Self:
        check_classes(self.classes)
        X = self._features(X, reset=True)
        target, nodes = PathTarget.read(
            required_target(self, y), self._given_taxonomy(), self.classes
        )
        check_consistent_length(X, nodes)
        rows, weights = weighted_rows(sample_weight, len(nodes))
        groups = checked_groups(groups, len(nodes))
        decoder, loss = resolve_decoder(self.decoder), resolve_loss(self.loss)
        cv = grouped_cv(self.cv, groups, 5, target.taxonomy)
        split = target.splitter(cv, nodes, {} if groups is None else {"groups": groups})
        if self.reject is not None:
            check_reject(self.reject)
        decoder.check_taxonomy(target.taxonomy)
        wanted = self._wanted(decoder)
        calibration = calibration_of_answers(self.calibration, target.taxonomy)
        splits = split(rows) if wanted.needs_tuning or calibration is not None else []
        X, nodes = take_rows(X, rows), nodes[rows]
        groups = None if groups is None else groups[rows]
        training, random_state = self._training(), check_random_state(self.random_state)
        class_ids = target.format.class_ids

        def train(member: int, inside: Rows, previous: Any = None) -> JointPaths:  # noqa: ARG001
            columns = PathColumns.of(target.taxonomy, class_ids[np.isin(class_ids, nodes[inside])])
            joints = self._first_joints(training, columns, X.dtype, random_state, previous)
            own = take_rows(X, inside), nodes[inside], weights[inside]
            own_groups = None if groups is None else groups[inside]
            by_frequencies = training.by_frequencies and previous is None
            return self._fit_rows(
                joints, columns, training, loss, *own, target, own_groups, by_frequencies
            )

        everything = np.arange(len(rows))
        fitted = train(0, everything, self._previous())
        n_answers = len(fitted.outcomes.answers)
        keep = wanted.needs_tuning or not is_small(len(rows), n_answers)
        held_out = HeldOutPass(train, everything, splits, keep=keep and calibration is not None)
        self._calibration_reports = None
        if calibration is not None:
            source = partial(_held_out_paths, held_out, X, nodes, weights)
            answers, self._calibration_reports = learnt_answers(
                calibration, source, len(rows), n_answers
            )
            fitted = replace(fitted, calibration=answers)
            held_out = held_out.changed(lambda _, model: replace(model, calibration=answers))
        learnt = wanted
        if wanted.needs_tuning:
            learnt = wanted.tuned(partial(_held_out_paths, held_out, X, nodes, weights))
        self._count_rows(target.taxonomy, nodes)
        self._store(target, fitted)
        self._keep_learnt(decoder, learnt, X, everything)
        return self

    @available_if(has_batches)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Pass once through a batch of samples, in mini-batches.

        Labels without a sample so far are not predicted.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples.
        y : array-like, shape (n_samples,)
            Labels: names of nodes.
        classes : array-like, default=None
            All labels that may occur, used in the first call. Default: the parameter `classes`, or
            else the leaves of the parameter `taxonomy`.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : MultiHeadClassifier
            The estimator.

        Raises
        ------
        TargetError
            For a label that is not among the classes.
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
        decoder = resolve_decoder(self.decoder)
        refuse_learning_from_batches(self._wanted(decoder))  # before the model is fitted
        loss = resolve_loss(self.loss)
        if is_first:
            given = self._given_taxonomy()
            known = labels_of_batches(classes, self.classes, taxonomy=given)
            target, _ = PathTarget.read(known, given, self.classes)
            model = self._unfitted(target, training, X.dtype)
        else:
            target, model = self._target, self._model
        decoder.check_taxonomy(target.taxonomy)
        known = model.columns.outcomes.classes
        nodes = target.read_batch(required_target(self, y), known)
        check_consistent_length(X, nodes)
        rows, weights = weighted_rows(sample_weight, len(nodes))
        # The first batch decides the precision of the weights.
        X = take_rows(X, rows).astype(model.joint.network.dtype, copy=False)
        nodes = nodes[rows]
        path_loss = model.columns.loss_of(loss, nodes, self.level_weights, X.dtype)
        shares = self._shares(nodes, weights, target)
        if is_first and training.by_frequencies:
            start_by(model.joints, model.columns.log_odds(nodes, shares, weights.sum()))
        joint, *others = learn_batch(model.joints, X, shares, path_loss, training)
        self._tuned_decoder = self._known_rows = self._reject_threshold = None
        model = replace(model, joint=joint, others=tuple(others))
        self._count_rows(target.taxonomy, nodes, more=not is_first)
        self._store(target, model.observing(nodes))
        return self

    def _unfitted(self, target: PathTarget, training: Training, dtype: Any) -> JointPaths:
        """Return a model of all labels that may occur, which has seen no sample."""
        columns = PathColumns.of(target.taxonomy, target.format.class_ids)
        random_state = check_random_state(self.random_state)
        joint, *others = self._first_joints(training, columns, dtype, random_state)
        observed = np.zeros(0, dtype=np.int32)
        return JointPaths(columns, joint, observed, columns.outcomes, tuple(others))

    def _given_taxonomy(self) -> Taxonomy | None:
        given = resolve_taxonomy(self.taxonomy)
        if given is not None:
            given.require_tree(type(self).__name__)
        return given

    def _store(self, target: PathTarget, model: JointPaths) -> None:
        self._target = target
        self._model = model
        self.classes_ = target.format.classes
        self.taxonomy_ = target.taxonomy

    def _fit_rows(
        self,
        joints: list[JointModel],
        columns: PathColumns,
        training: Training,
        loss: PathLoss,
        X: Any,
        nodes: NodeIds,
        weights: Floats,
        target: PathTarget,
        groups: Any,
        by_frequencies: bool,
    ) -> JointPaths:
        """Return a model fitted to rows."""
        sizes, taxonomy = joints[0].network.sizes, columns.taxonomy
        training = training.settled(sizes, X)
        training.check_fit(sizes)
        X, nodes, weights = training.rows_for(sizes, X, nodes, weights)
        held_out: list[Rows | None] = [None] * len(joints)
        fraction = training.validation_fraction(sizes)
        if fraction is not None:
            names, closed = taxonomy.node_names[nodes], taxonomy.ancestors_of(nodes)
            held_out = [
                held_out_rows(names, closed, taxonomy, fraction, joint.random_state, groups)
                for joint in joints
            ]
        path_loss = columns.loss_of(loss, nodes, self.level_weights, X.dtype)
        shares = self._shares(nodes, weights, target)
        if by_frequencies:
            start_by(joints, columns.log_odds(nodes, shares, weights.sum()))
        fitted = fit_all(joints, X, shares, path_loss, training, held_out)
        return JointPaths.of_all(columns, fitted)

    def _shares(self, nodes: NodeIds, weights: Floats, target: PathTarget) -> Floats:
        """Return the share of each row in the loss, by its own weight and that of its class."""
        shares: Floats = weights / weights.sum()
        if self.class_weight is None:
            return shares
        class_ids, classes = target.format.class_ids, target.format.classes
        codes = np.argsort(class_ids)[np.searchsorted(np.sort(class_ids), nodes)]
        if isinstance(self.class_weight, str):
            check_choice("class_weight", self.class_weight, ["balanced", None])
            counts = np.bincount(codes, weights=weights, minlength=len(class_ids))
            present = counts > 0
            mean = weights.sum() / present.sum()
            # Classes without a row in this batch keep the factor 1.
            factors = np.divide(mean, counts, out=np.ones(len(class_ids)), where=present)
        else:
            _check_class_weight(self.class_weight)
            factors = compute_class_weight(self.class_weight, classes=classes, y=classes[codes])
        return shares * factors[codes]

    # -- predicting -----------------------------------------------------------------------

    @property
    def columns_(self) -> tuple[Hashable, ...]:
        """Names of the columns of the last layer: a node, or ``("stop", node)``."""
        check_is_fitted(self, "taxonomy_")
        heads = self._model.columns.heads
        names = [self.taxonomy_.nodes[node] for node in heads.nodes.tolist()]
        return tuple(
            ("stop", name) if stop else name
            for name, stop in zip(names, heads.stops.tolist(), strict=True)
        )

    def _prepared(self, X: Any) -> Any:
        return self._features(X, reset=False)


def _check_class_weight(weights: Any) -> None:
    """Raise a ValueError unless weights are numbers of 0 or more, by name of the class."""
    if not isinstance(weights, Mapping):
        raise ValueError(
            "`class_weight` must be 'balanced', a mapping from classes to weights, or None, got "
            f"{shown(weights)}."
        )
    of_classes = numbers("class_weight", list(weights.values()))
    if not (np.isfinite(of_classes) & (of_classes >= 0)).all():
        raise ValueError(
            f"`class_weight` must hold finite weights of 0 or more, got {shown(weights)}."
        )


def _held_out_paths(
    held_out: HeldOutPass[JointPaths], X: Any, nodes: NodeIds, weights: Floats
) -> Iterator[HeldOutPaths]:
    """Yield blocks of held-out samples with their marginals."""
    for fold in held_out.folds():
        if not fold.inside.size:  # all its rows have the weight 0
            continue
        start = 0
        for marginals in fold.models(0).blocks(take_rows(X, fold.left_out)):
            rows = fold.left_out[start : start + marginals.n_rows]
            start += marginals.n_rows
            yield HeldOutPaths(marginals, nodes[rows], weights[rows])
