"""The joint model for several labels: a logistic head for each node."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklhier._classifiers.joint_base import JointModel, has_batches
from sklhier._classifiers.set_prediction import TABLES, SetPredictor
from sklhier._folds.folds import folds_among
from sklhier._joint.deduplicate import merge_repeats
from sklhier._joint.network import Network
from sklhier._joint.set_loss import MaxConstraint, node_loss
from sklhier._joint.solvers import Samples
from sklhier._probabilities.consistency import make_consistent
from sklhier._targets.label_sets import read_label_sets
from sklhier._targets.paths import resolve_taxonomy
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier._utils.validation import check_choice, checked_weights, required_target
from sklhier.decoders import HeldOutSets, SetDecoder, SetMarginals, resolve_set_decoder
from sklhier.exceptions import IncompatiblePartsError
from sklhier.model_selection import HierarchicalStratifiedKFold
from sklhier.taxonomy import Taxonomy

__all__ = ["MultiHeadMultiLabelClassifier"]

COUPLINGS = ("max", "none")


class MultiHeadMultiLabelClassifier(SetPredictor, JointModel):
    r"""One model for several labels: a logistic head for each node, kept consistent by a maximum.

    Each node has a score; what the model says of a node is the largest answer at or below it, so
    that no node is less probable than a descendant. With ``coupling="max"`` it is trained for just
    that, by the max-constraint loss MCLoss [1]_; with ``"none"`` each head learns alone.

    Parameters
    ----------
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. If None, it is inferred from `y` where that holds paths; the
        columns of an indicator are then all children of the root.
    coupling : {"max", "none"}, default="max"
        The loss of a node that a sample does not belong to is taken of the largest score at or
        below it, that of another of the largest among the nodes below it that the sample belongs to.
        ``"none"``: of its own score; without hidden layers that is a logistic regression for each
        node.
    level_weights : array-like of float, shape (n_levels,), default=None
        The weight of the nodes of each level in the sum of losses, from the first; None is 1 each.
    alpha : float, default=1e-5
        Strength of the penalty; 0 or more. With weights of 1 it is ``1 / (n_samples * C)`` of
        ``LogisticRegression``. Intercepts are not penalised.
    hidden_layer_sizes : int or sequence of int, default=()
        Widths of hidden layers that all nodes share. Empty: the model is linear.
    activation : {"relu", "tanh", "logistic", "identity"}, default="relu"
        Of the hidden layers.
    solver : {"auto", "lbfgs", "adam"}, default="auto"
        ``"lbfgs"`` works on all samples at once and on about two dozen copies of all weights,
        ``"adam"`` on mini-batches. ``"auto"`` is L-BFGS for a linear model of at most 2,000,000
        weights without `early_stopping`, and Adam for any other.
    learning_rate : {"adaptive", "constant"}, default="adaptive"
        What Adam does when the loss has not gone down by `tol` for `n_iter_no_change` passes:
        ``"adaptive"`` divides its rate by 5 and stops after the third time; ``"constant"`` stops.
    learning_rate_init : float or "auto", default="auto"
        First learning rate of Adam; ``"auto"`` is 0.03 for sparse features, 0.003 for dense ones.
    batch_size : int or "auto", default="auto"
        Samples of a mini-batch; ``"auto"`` is 128, or all if there are fewer.
    max_iter : int, default=200
        Most iterations of L-BFGS, or passes of Adam through the samples.
    tol : float, default=1e-4
        L-BFGS stops when no derivative is larger; for Adam see `learning_rate`.
    early_stopping : bool, default=False
        Whether Adam watches the loss of samples that it does not learn from, and ends with the
        weights for which that was the lowest.
    validation_fraction : float, default=0.1
        About which part of the samples is set aside for that, in (0, 0.5]; stratified, and
        without those that alone have a label.
    n_iter_no_change : int, default=5
        See `learning_rate`.
    warm_start : bool, default=False
        Whether to start from the weights of the last fit; nodes with samples and features must be
        the same.
    decoder : str or SetDecoder, default="threshold"
        How probabilities become sets, as in :class:`HierarchicalMultiLabelClassifier`.
    cv : int, splitter or iterable, default=None
        Folds for thresholds that are learnt from out-of-fold predictions; the model is fitted once
        more for each. A number, None for 3, means that many folds of
        :class:`~sklhier.model_selection.HierarchicalStratifiedKFold`.
    classes : array-like, default=None
        Names of nodes for the columns of an indicator; by default those of all nodes
        (``taxonomy.nodes[1:]``) or of all leaves, by the number of columns.
    verbose : int, default=0
        If positive, the loss of every iteration is printed.
    random_state : int, RandomState instance or None, default=None
        For first weights of hidden layers, the order of mini-batches and the validation part.
        L-BFGS without hidden layers does not use it.

    Attributes
    ----------
    taxonomy_ : Taxonomy
        The taxonomy in use.
    classes_ : ndarray, shape (n_classes,)
        Names of the nodes that are the columns of `y`, or that occur in it, in the order of nodes.
    decoder_ : SetDecoder
        The decoder in use, with thresholds that are given or learnt.
    coef_ : ndarray, shape (n_features, n_columns)
        Weights of a model without hidden layers, of the dtype of X (float32 or float64). Columns as
        in ``columns_``.
    intercept_ : ndarray, shape (n_columns,)
        Its intercepts.
    coefs_, intercepts_ : list of ndarray
        Those of all layers, from the features on.
    columns_ : tuple
        Names of the nodes that the columns of the last layer score: those with a sample.
    n_iter_ : int
        Iterations, or passes through the samples, of the last fit; those of partial_fit are added.
    loss_curve_ : list of float
        The objective after each of them; with Adam its mean during the pass.
    validation_loss_curve_ : list of float or None
        With `early_stopping` the loss of the validation part after each pass.
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
    The max-constraint loss has kinks and more than one minimum, so that the last digit may decide
    where L-BFGS ends. It therefore works on the different samples, each with the sum of its weights,
    in an order of their own: weights are the same to the last bit in whatever order samples come, and
    whether they are repeated or weighted. Thresholds that are learnt out of fold also depend on the
    folds.

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

    _columns: NodeIds  # the node of each column that is trained

    def __init__(
        self,
        taxonomy: Any = None,
        *,
        coupling: str = "max",
        level_weights: Any = None,
        alpha: float = 1e-5,
        hidden_layer_sizes: Any = (),
        activation: str = "relu",
        solver: str = "auto",
        learning_rate: str = "adaptive",
        learning_rate_init: Any = "auto",
        batch_size: Any = "auto",
        max_iter: int = 200,
        tol: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        decoder: str | SetDecoder = "threshold",
        cv: Any = None,
        classes: Any = None,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.taxonomy = taxonomy
        self.coupling = coupling
        self.level_weights = level_weights
        self.alpha = alpha
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.decoder = decoder
        self.cv = cv
        self.classes = classes
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags

    # -- fitting --------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model, and thresholds that are to be learnt.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples: finite numbers. float32 stays float32, anything else becomes float64.
        y : indicator of shape (n_samples, n_columns), or list of collections of labels or paths
            Labels of each sample, leaves or inner nodes, perhaps none; ancestors are added. A 0/1
            array, sparse matrix or data frame has a column for each node or leaf, or for `classes`.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples. Rows of weight 0 are left out.

        Returns
        -------
        self : MultiHeadMultiLabelClassifier
            The fitted estimator.

        Raises
        ------
        TargetError
            For labels that are not in the taxonomy, and for other columns than known.
        ValueError
            For a parameter out of its range, weights of levels that are not as many as levels, and
            with ``warm_start`` if nodes or features are others than before.
        """
        X = self._features(X, reset=True)
        closed, taxonomy, form = read_label_sets(
            required_target(self, y), resolve_taxonomy(self.taxonomy), self.classes
        )
        check_consistent_length(X, closed)
        weights = checked_weights(sample_weight, closed.shape[0])
        counted = np.arange(closed.shape[0]) if weights is None else np.flatnonzero(weights)
        weights = np.ones(len(counted)) if weights is None else weights[counted]
        folds = self._folds(closed[counted], taxonomy, counted)
        X, closed = take_rows(X, counted), closed[counted]
        goes_on = self.warm_start and hasattr(self, "taxonomy_")
        before = (self.taxonomy_, self._columns) if goes_on else None
        self._start(taxonomy, form, np.unique(closed.indices).astype(np.int32))
        self._random_state = check_random_state(self.random_state)
        if before is None:
            network = self._first_network(len(self._columns), X.dtype)
        else:
            if taxonomy != before[0] or not np.array_equal(before[1], self._columns):
                raise ValueError(
                    "warm_start=True goes on from the last fit, in which other nodes had samples. "
                    "Fit with the same labels, or set warm_start=False."
                )
            network = self._kept_network(len(self._columns), X.dtype)
        self._live = self._columns
        self._keep(*self._fitted(network, X, closed, weights, taxonomy))
        if self.decoder_.needs_tuning:
            self.decoder_ = self.decoder_.tuned(
                lambda: self._predicted_folds(folds, X, closed, weights, taxonomy)
            )
        self.taxonomy_ = taxonomy
        return self

    @available_if(has_batches)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Pass once through a batch of samples, in mini-batches.

        Thresholds cannot be learnt from batches: give them as numbers. Nodes without a sample so far
        are learnt, and not predicted.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples.
        y : indicator, or list of collections of labels or paths
            Labels of each sample; what the first call shows of their format holds for all.
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
            If the decoder has a threshold to learn.
        TargetError
            For labels that are not in the taxonomy, and for other columns than known.
        ValueError
            If features are sparse in one call and dense in another.
        """
        first = not hasattr(self, "taxonomy_")
        X = self._features(X, reset=first)
        if first:
            given = self.classes if classes is None else classes
            closed, taxonomy, form = read_label_sets(
                required_target(self, y), resolve_taxonomy(self.taxonomy), given
            )
            self._start(taxonomy, form, np.arange(1, taxonomy.n_nodes, dtype=np.int32))
            self._random_state = check_random_state(self.random_state)
            self._live = np.zeros(0, dtype=np.int32)
            self._network = self._first_network(len(self._columns), X.dtype)
        else:
            taxonomy = self.taxonomy_
            closed = self._format.read(required_target(self, y), taxonomy)
        if self.decoder_.needs_tuning:
            raise IncompatiblePartsError.needs(
                self.decoder_,
                "all samples at once, to learn from out-of-fold predictions",
                "partial_fit sees them in batches",
                "Use fit, or give the threshold as a number.",
            )
        check_consistent_length(X, closed)
        weights = checked_weights(sample_weight, closed.shape[0])
        counted = np.arange(closed.shape[0]) if weights is None else np.flatnonzero(weights)
        weights = np.ones(len(counted)) if weights is None else weights[counted]
        X = take_rows(X, counted).astype(self._network.intercepts[-1].dtype, copy=False)
        self._refuse_unknown(closed[counted], taxonomy)
        samples = self._samples(X, closed[counted], weights, taxonomy)
        self._learn_batches(samples, self._settings(X))
        self._live = np.union1d(self._live, closed[counted].indices).astype(np.int32)
        self.taxonomy_ = taxonomy
        return self

    def _start(self, taxonomy: Taxonomy, form: Any, columns: NodeIds) -> None:
        """Forget what was fitted before; store what the labels look like."""
        self.__dict__.pop("taxonomy_", None)  # set last: what fails to fit is not fitted
        check_choice("coupling", self.coupling, COUPLINGS)
        self._format = form
        names = taxonomy.node_names[form.class_ids]
        one_kind = all(isinstance(name, str) for name in names.tolist())
        self.classes_ = names.astype(str) if one_kind else names
        self.decoder_ = clone(resolve_set_decoder(self.decoder))
        self.decoder_.check_taxonomy(taxonomy)
        self._columns = columns

    def _refuse_unknown(self, closed: sparse.csr_array, taxonomy: Taxonomy) -> None:
        strange = np.setdiff1d(closed.indices, self._columns)
        if strange.size:
            raise ValueError(
                f"The node {taxonomy.nodes[strange[0]]!r} had no sample when `fit` was called, and "
                "has no column. Start with partial_fit, which gives every node one."
            )

    def _samples(
        self, X: Any, closed: sparse.csr_array, weights: Floats, taxonomy: Taxonomy
    ) -> Samples:
        """Return what is learnt from: rows with their weights, and the loss of their nodes."""
        members = sparse.csr_array(closed[:, self._columns])
        of_level = self._level_weights(taxonomy).astype(X.dtype)
        of_node = of_level[taxonomy.depths[self._columns] - 1]
        loss_of = (
            MaxConstraint.of(taxonomy, self._columns) if self.coupling == "max" else node_loss
        )

        def loss(scores: Any, rows: Rows) -> tuple[Any, Any]:
            return loss_of(scores, members[rows].toarray() > 0, of_node)

        return Samples(X, weights / weights.sum(), loss)

    def _fitted(
        self,
        network: Network,
        X: Any,
        closed: sparse.csr_array,
        weights: Floats,
        taxonomy: Taxonomy,
    ) -> Any:
        """Return a fitted network and how the solver got there."""
        settings = self._settings(X)
        if self._solver_for(len(self._columns)) == "lbfgs":
            X, closed, weights = merge_repeats(X, closed, weights)
        samples = self._samples(X, closed, weights, taxonomy)
        held_out = self._held_out(closed[:, 1:], closed, taxonomy)
        return self._minimise(network, samples, settings, held_out)

    def _folds(
        self, closed: sparse.csr_array, taxonomy: Taxonomy, counted: Rows
    ) -> list[tuple[Rows, Rows]]:
        """Return the folds for thresholds, as positions within the rows that count."""
        if not resolve_set_decoder(self.decoder).needs_tuning:
            return []
        cv = 3 if self.cv is None else self.cv
        samples = np.zeros((len(counted), 1))
        if isinstance(cv, Integral):
            splitter = HierarchicalStratifiedKFold(int(cv), taxonomy=taxonomy)
            return list(splitter.split(samples, closed[:, 1:]))
        indicator = closed[:, 1:].astype(np.int8).toarray()
        return folds_among(cv, counted, int(counted[-1]) + 1, indicator, {})

    def _predicted_folds(
        self,
        folds: list[tuple[Rows, Rows]],
        X: Any,
        closed: sparse.csr_array,
        weights: Floats,
        taxonomy: Taxonomy,
    ) -> Iterator[HeldOutSets]:
        """Fit to the training part of each fold; yield blocks of the rows left out."""
        for train, test in folds:
            inside, left_out = np.sort(train), np.sort(test)
            live = np.unique(closed[inside].indices).astype(np.int32)
            network = self._first_network(len(self._columns), X.dtype)
            found, _ = self._fitted(
                network, take_rows(X, inside), closed[inside], weights[inside], taxonomy
            )
            for block in row_blocks(len(left_out), TABLES * taxonomy.n_nodes):
                part = left_out[block]
                marginals = self._marginals_of(take_rows(X, part), found, live, taxonomy)
                yield HeldOutSets(marginals, sparse.csr_array(closed[part]), weights[part])

    # -- predicting -----------------------------------------------------------------------

    @property
    def columns_(self) -> tuple[Hashable, ...]:
        """Names of the nodes that the columns of the last layer score."""
        check_is_fitted(self, "taxonomy_")
        return tuple(self.taxonomy_.nodes[node] for node in self._columns.tolist())

    def _set_marginals(self, X: Any) -> SetMarginals:
        return self._marginals_of(
            self._known_features(X), self._network, self._live, self.taxonomy_
        )

    def _marginals_of(
        self, X: Any, network: Network, live: NodeIds, taxonomy: Taxonomy
    ) -> SetMarginals:
        raw = np.zeros((X.shape[0], taxonomy.n_nodes))
        raw[:, 0] = 1.0
        proba = expit(network.scores(X).astype(np.float64))
        known = np.isin(self._columns, live)
        raw[:, self._columns[known]] = proba[:, known]
        return SetMarginals(taxonomy, raw, make_consistent(raw, taxonomy, "max"))
