"""The joint model for one path: one set of weights, a column for each node."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import partial
from numbers import Real
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import softmax
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklhier._classifiers.joint_base import JointModel, has_batches
from sklhier._classifiers.path_prediction import PathPredictor
from sklhier._joint.deduplicate import merge_repeats
from sklhier._joint.network import Network
from sklhier._joint.path_loss import (
    Heads,
    HeadsOfLevels,
    conditional_weights,
    hierarchical_weights,
    level_table,
    log_marginals,
    path_loss,
    soft_labels,
)
from sklhier._joint.solvers import Samples
from sklhier._probabilities.marginals import AnswerMarginals, Marginals, Outcomes
from sklhier._targets.paths import as_labels, read_targets, resolve_taxonomy
from sklhier._utils.memory_blocks import row_blocks
from sklhier._utils.rows import take_rows
from sklhier._utils.typing import Floats, NodeIds, Rows
from sklhier._utils.validation import check_choice, check_number, checked_weights, required_target
from sklhier.decoders import Decoder, resolve_decoder
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy

__all__ = ["MultiHeadClassifier"]

LOSSES = ("level", "hxe", "soft_labels")
COUPLINGS = ("additive", "none")
STARTS = ("zeros", "per_level")
_TABLES = 6  # of all columns that are held at the same time for a block of rows


class MultiHeadClassifier(PathPredictor, JointModel):
    r"""One model for a whole taxonomy, a head for each node, fitted by one objective.

    Where :class:`HierarchicalClassifier` fits many models, this one fits all nodes together: the
    score of a label is the sum of the scores of the nodes on its path, a softmax over all labels
    makes it a probability, and the loss counts every level of the taxonomy,

    .. math::

        \min_{U, b} \; \frac{1}{\sum_i s_i} \sum_i s_i \sum_{l} w_l \,
        {-\log M_{i, y_i(l)}} + \frac{\alpha}{2} \lVert U \rVert^2, \qquad
        P_i = \operatorname{softmax}\big((x_i U + b) A^\top\big), \quad M_i = P_i A,

    where `A` marks the nodes on the path to each label, `M` are the probabilities of nodes,
    :math:`y_i(l)` is the node of the true path at level `l` and :math:`s_i` the weight of a sample. A
    sample counts at the levels that its path reaches. The penalty draws a node's total weights
    towards those of its parent, as recursive regularisation [1]_ does.

    Parameters
    ----------
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the labels. If None, it is inferred from `y` where that holds paths; 1-D labels
        are then all children of the root, and the model is multinomial logistic regression.
    loss : {"level", "hxe", "soft_labels"}, default="level"
        ``"level"`` is that above. ``"hxe"``, hierarchical cross-entropy [2]_, weighs each step down
        the path by ``exp(-hxe_alpha * level)``. ``"soft_labels"`` [2]_ gives a part of each label to
        others near it, ``exp(-soft_label_beta * d)``, `d` being the height of their lowest common
        ancestor over that of the root.
    level_weights : array-like of float, shape (n_levels,), default=None
        The weight of each level from the first, 0 or more; None is 1 each. ``"soft_labels"`` does not
        use them, ``"hxe"`` multiplies by them.
    hxe_alpha : float, default=0.1
        The larger, the less the lower levels count.
    soft_label_beta : float, default=10.0
        Positive; the larger, the more of a label stays with itself.
    coupling : {"additive", "none"}, default="additive"
        ``"none"`` fits a softmax for each level, and multiplies them along the paths as
        :class:`~sklhier.strategies.PerLevel` does. Without hidden layers the heads then share
        nothing: the objective is a sum of theirs, and gives what separate fits give.
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
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, by label; ``"balanced"`` gives all classes the same total.
    init : {"zeros", "per_level"}, default="zeros"
        Where the last layer starts: at 0, or at the weights of separate heads of the levels, which
        are fitted first.
    warm_start : bool, default=False
        Whether to start from the weights of the last fit; labels and features must be the same.
    decoder : str or Decoder, default="best_path"
        How node probabilities become answers, as in :class:`HierarchicalClassifier`.
    classes : array-like, default=None
        What integer codes in `y` stand for, as in :class:`HierarchicalClassifier`.
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
        The distinct labels of `y`, sorted (names of nodes if `y` held paths).
    coef_ : ndarray, shape (n_features, n_columns)
        Weights of a model without hidden layers, of the dtype of X (float32 or float64). Columns as
        in ``columns_``.
    intercept_ : ndarray, shape (n_columns,)
        Its intercepts.
    coefs_, intercepts_ : list of ndarray
        Those of all layers, from the features on.
    columns_ : tuple
        Names of the nodes that the columns of the last layer score; ``("stop", name)`` for a label
        that ends at a node with labels below it.
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
    HierarchicalClassifier : Local models of any kind.
    MultiHeadMultiLabelClassifier : Several labels for each sample, in a tree or a DAG.

    Notes
    -----
    A label that is an inner node with other labels below it is an answer of its own, with a column
    beside the node's children; it counts at the level of these.

    L-BFGS works on the different samples, each with the sum of its weights, in an order of their
    own: weights are the same to the last bit in whatever order samples come, and whether they are
    repeated or weighted.

    Adam takes steps for the weights of a sparse feature only in the batches in which the feature
    occurs, and then counts the penalty as often as it was left out, on average.

    References
    ----------
    .. [1] S. Gopal, Y. Yang. Recursive regularization for large-scale classification with
       hierarchical and graphical dependencies. KDD (2013).
    .. [2] L. Bertinetto, R. Mueller, K. Tertikas, S. Samangooei, N. A. Lord. Making better mistakes:
       leveraging class hierarchies with deep networks. CVPR (2020).

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

    _outcomes: Outcomes  # of the labels seen so far
    _trained: Outcomes  # of all labels that the columns are for
    _heads: Heads
    _heads_of_levels: HeadsOfLevels | None  # what is trained, if it is not the joint model

    def __init__(
        self,
        taxonomy: Any = None,
        *,
        loss: str = "level",
        level_weights: Any = None,
        hxe_alpha: float = 0.1,
        soft_label_beta: float = 10.0,
        coupling: str = "additive",
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
        class_weight: Any = None,
        init: str = "zeros",
        warm_start: bool = False,
        decoder: str | Decoder = "best_path",
        classes: Any = None,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.taxonomy = taxonomy
        self.loss = loss
        self.level_weights = level_weights
        self.hxe_alpha = hxe_alpha
        self.soft_label_beta = soft_label_beta
        self.coupling = coupling
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
        self.class_weight = class_weight
        self.init = init
        self.warm_start = warm_start
        self.decoder = decoder
        self.classes = classes
        self.verbose = verbose
        self.random_state = random_state

    # -- fitting --------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples: finite numbers. float32 stays float32, anything else becomes float64.
        y : array-like, shape (n_samples,) or (n_samples, n_levels), or list of lists
            Labels: names of nodes, leaves or inner ones; or paths, one column for each level
            (None, NaN or ``""`` after the last known level), or as lists.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples. Rows of weight 0 are left out.

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
            For a parameter out of its range, weights of levels that are not as many as levels, and
            with ``warm_start`` if labels or features are others than before.
        """
        X = self._features(X, reset=True)
        nodes, taxonomy, form = read_targets(
            required_target(self, y), self._given_taxonomy(), self.classes
        )
        check_consistent_length(X, nodes)
        weights = checked_weights(sample_weight, len(nodes))
        settings = self._settings(X)
        self._check_choices()
        if weights is not None:
            counted = np.flatnonzero(weights)
            X, nodes, weights = take_rows(X, counted), nodes[counted], weights[counted]
        seen = form.class_ids[np.isin(form.class_ids, nodes)]
        self._random_state = check_random_state(self.random_state)
        goes_on = self.warm_start and hasattr(self, "taxonomy_")
        before = (self.taxonomy_, self._trained.answers) if goes_on else None
        self._start(taxonomy, form, seen)
        if self._solver_for(self._trained_columns()) == "lbfgs":
            given = np.ones(len(nodes)) if weights is None else weights
            X, nodes, weights = merge_repeats(X, nodes, given)
        shares = self._shares(nodes, weights)
        samples = self._samples(X, nodes, shares, taxonomy, self._heads_of_levels)
        labels, closed = taxonomy.node_names[nodes], taxonomy.ancestor_closure[nodes]
        held_out = self._held_out(labels, closed, taxonomy)
        minimise = partial(self._minimise, settings=settings, held_out=held_out)
        if before is not None:
            self._refuse_other_labels(taxonomy, *before)
            network = self._kept_network(self._trained_columns(), X.dtype)
        elif self.init == "per_level":
            network = self._started_per_level(X, nodes, shares, taxonomy, minimise)
        else:
            network = self._first_network(self._trained_columns(), X.dtype)
        self._keep(*minimise(network, samples))
        self.taxonomy_ = taxonomy
        return self

    @available_if(has_batches)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Pass once through a batch of samples, in mini-batches.

        Labels that had no sample so far are not predicted.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples.
        y : array-like, shape (n_samples,)
            Labels: names of nodes.
        classes : array-like, default=None
            All labels that may occur, used in the first call. By default the parameter `classes`,
            or else the leaves of the parameter `taxonomy`.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : MultiHeadClassifier
            The estimator.

        Raises
        ------
        TargetError
            For a label that is none of the classes.
        ValueError
            If features are sparse in one call and dense in another.
        """
        first = not hasattr(self, "taxonomy_")
        X = self._features(X, reset=first)
        self._check_choices()
        if first:
            known = self._known_classes(classes)
            _, taxonomy, form = read_targets(known, self._given_taxonomy(), self.classes)
            self._start(taxonomy, form, form.class_ids)
            self._seen = np.zeros(0, dtype=np.int32)
            self._random_state = check_random_state(self.random_state)
            self._network = self._first_network(self._trained_columns(), X.dtype)
        else:
            taxonomy = self.taxonomy_
        X = X.astype(self._network.intercepts[-1].dtype, copy=False)
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
        if weights is not None:
            counted = np.flatnonzero(weights)
            X, nodes, weights = take_rows(X, counted), nodes[counted], weights[counted]
        shares = self._shares(nodes, weights)
        samples = self._samples(X, nodes, shares, taxonomy, self._heads_of_levels)
        self._learn_batches(samples, self._settings(X))
        self._seen = np.union1d(self._seen, nodes)
        seen = self._trained.classes[np.isin(self._trained.classes, self._seen)]
        self._outcomes = Outcomes.of(taxonomy, seen, stops=True)
        self.taxonomy_ = taxonomy
        return self

    def _given_taxonomy(self) -> Taxonomy | None:
        given = resolve_taxonomy(self.taxonomy)
        if given is not None:
            given.require_tree(type(self).__name__)
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

    def _check_choices(self) -> None:
        resolve_decoder(self.decoder)
        check_choice("loss", self.loss, LOSSES)
        check_choice("coupling", self.coupling, COUPLINGS)
        check_choice("init", self.init, STARTS)
        check_scalar(self.hxe_alpha, "hxe_alpha", Real)
        check_number("soft_label_beta", self.soft_label_beta, above=0)
        if self.coupling == "none" and (self.loss != "level" or self.init != "zeros"):
            raise ValueError(
                "coupling='none' fits a separate model for each level, with loss='level' and "
                f"init='zeros'; loss={self.loss!r} and init={self.init!r} were given. They are for "
                "coupling='additive'."
            )

    def _start(self, taxonomy: Taxonomy, form: Any, seen: NodeIds) -> None:
        """Forget what was fitted before; store what the labels look like."""
        self.__dict__.pop("taxonomy_", None)  # set last: what fails to fit is not fitted
        self.classes_ = form.classes
        self._format = form
        self._trained = self._outcomes = Outcomes.of(taxonomy, seen, stops=True)
        self._seen = seen
        self._heads = Heads.of(taxonomy, self._trained)
        self._heads_of_levels = HeadsOfLevels.of(self._heads) if self.coupling == "none" else None

    def _trained_columns(self) -> int:
        heads = self._heads_of_levels
        return self._heads.n_columns if heads is None else heads.n_columns

    def _refuse_other_labels(self, taxonomy: Taxonomy, known: Taxonomy, answers: NodeIds) -> None:
        if taxonomy != known or not np.array_equal(answers, self._trained.answers):
            raise ValueError(
                "warm_start=True goes on from the last fit, which saw other labels. Fit with the "
                "same labels, or set warm_start=False."
            )

    def _started_per_level(
        self, X: Any, nodes: NodeIds, shares: Floats, taxonomy: Taxonomy, minimise: Any
    ) -> Network:
        """Return the joint network with the probabilities of separate models of the levels."""
        heads = HeadsOfLevels.of(self._heads)
        samples = self._samples(X, nodes, shares, taxonomy, heads)
        found, _ = minimise(self._first_network(heads.n_columns, X.dtype), samples)
        return _joined(found, heads, self._heads.n_columns)

    def _shares(self, nodes: NodeIds, weights: Floats | None) -> Floats:
        """Return what each row counts for, those of weighted classes more or less."""
        given = np.ones(len(nodes)) if weights is None else weights
        shares: Floats = given / given.sum()
        if self.class_weight is None:
            return shares
        class_ids = self._format.class_ids
        codes = np.argsort(class_ids)[np.searchsorted(np.sort(class_ids), nodes)]
        if isinstance(self.class_weight, str):
            check_choice("class_weight", self.class_weight, ["balanced"])
            counts = np.bincount(codes, weights=given, minlength=len(class_ids))
            present = counts > 0
            mean = given.sum() / present.sum()
            factors = np.divide(mean, counts, out=np.ones(len(class_ids)), where=present)
        else:
            factors = compute_class_weight(
                self.class_weight, classes=self.classes_, y=self.classes_[codes]
            )
        return shares * factors[codes]

    def _samples(
        self,
        X: Any,
        nodes: NodeIds,
        shares: Floats,
        taxonomy: Taxonomy,
        heads: HeadsOfLevels | None,
    ) -> Samples:
        """Return what is learnt from, with the loss of the joint model or of the levels' models."""
        if heads is None:
            table, levels = self._table(taxonomy), self._heads.levels
        else:
            table, levels = heads.table(self._level_weights(taxonomy)), heads.levels
        codes = np.searchsorted(self._trained.answers, nodes)
        loss = partial(_table_loss, table=table.astype(X.dtype), codes=codes, levels=levels)
        return Samples(X, shares, loss)

    def _table(self, taxonomy: Taxonomy) -> sparse.csr_array:
        """Return the weights of the steps to each answer that make the loss."""
        heads, weights = self._heads, self._level_weights(taxonomy)
        if self.loss == "level":
            table = level_table(weights, heads)
            return conditional_weights(table, heads)
        if self.loss == "hxe":
            discount = np.exp(-self.hxe_alpha * heads.depths) * weights[heads.depths - 1]
            return hierarchical_weights(discount, heads)
        shares = soft_labels(self.soft_label_beta, heads, taxonomy, self._trained.answers)
        ends = np.zeros((len(shares), heads.n_columns))
        ends[:, heads.ends] = shares
        return conditional_weights(ends, heads)

    # -- predicting -----------------------------------------------------------------------

    def _shown_network(self) -> Network:
        network = super()._shown_network()
        if self._heads_of_levels is None:
            return network
        return _joined(network, self._heads_of_levels, self._heads.n_columns)

    @property
    def columns_(self) -> tuple[Hashable, ...]:
        """What the columns of the last layer score: a node, or ``("stop", node)``."""
        check_is_fitted(self, "taxonomy_")
        names = [self.taxonomy_.nodes[node] for node in self._heads.nodes.tolist()]
        return tuple(
            ("stop", name) if stop else name
            for name, stop in zip(names, self._heads.stops.tolist(), strict=True)
        )

    def _marginals(self, X: Any, *, all_nodes: bool) -> Iterator[Marginals]:  # noqa: ARG002
        """Yield the node probabilities of blocks of rows that fit in memory."""
        check_is_fitted(self, "taxonomy_")
        X = self._features(X, reset=False)
        network, outcomes = self._shown_network(), self._outcomes
        ends = self._heads.ends[np.searchsorted(self._trained.answers, outcomes.answers)]
        for block in row_blocks(X.shape[0], _TABLES * self.taxonomy_.n_nodes):
            rows = take_rows(X, np.arange(block.start, block.stop))
            scores = network.scores(rows).astype(np.float64)
            logs = log_marginals(scores, self._heads)[:, ends]
            proba = softmax(logs, axis=1)
            yield AnswerMarginals(self.taxonomy_, outcomes, outcomes.answers, proba)

    def _fitted_decoder(self) -> Decoder:
        decoder = resolve_decoder(self.decoder)
        check_is_fitted(self, "taxonomy_")
        return decoder


def _table_loss(
    scores: Any, rows: Rows, *, table: sparse.csr_array, codes: Rows, levels: Any
) -> tuple[Any, Any]:
    return path_loss(scores, table[codes[rows]].toarray(), levels)


def _joined(network: Network, heads: HeadsOfLevels, n_columns: int) -> Network:
    """Return the network of the joint model's columns with the same probabilities."""
    *weights, last = network.weights
    *intercepts, ends = network.intercepts
    return Network(
        [*weights, heads.joined(last, n_columns)],
        [*intercepts, heads.joined(ends, n_columns)],
        network.activation,
    )
