"""The meta-estimator for several labels: a set of nodes for each sample."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import get_tags, metadata_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length

from sklhier._classifiers.local_base import HierarchicalMeta, learns_in_batches
from sklhier._classifiers.set_prediction import TABLES, SetPredictor
from sklhier._folds.folds import folds_among
from sklhier._local.keys import place_of
from sklhier._local.scores import LocalScores
from sklhier._probabilities.consistency import METHODS
from sklhier._targets.label_sets import read_label_sets
from sklhier._targets.paths import resolve_taxonomy
from sklhier._training.staged import Staging
from sklhier._training.trainer import Models, Trainer
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
from sklhier.decoders import HeldOutSets, SetDecoder, SetMarginals, resolve_set_decoder
from sklhier.exceptions import IncompatiblePartsError
from sklhier.model_selection import HierarchicalStratifiedKFold
from sklhier.staging import Chain, resolve_chain
from sklhier.strategies import Memberships, Strategy, resolve_strategy
from sklhier.taxonomy import Taxonomy

__all__ = ["HierarchicalMultiLabelClassifier"]


class HierarchicalMultiLabelClassifier(SetPredictor, HierarchicalMeta):
    """Classify into a taxonomy, any number of labels for each sample.

    Local models say for each node whether a sample belongs to it [1]_; their answers are combined
    into probabilities of which none is larger than that of a parent, and a decoder turns these into
    sets of nodes that hold all their ancestors. The taxonomy may be a tree or a DAG.

    Parameters
    ----------
    estimator : classifier, default=None
        Any scikit-learn classifier, Pipeline or search object. One that learns several outputs in one
        call (forests, trees, nearest neighbours, multi-layer perceptrons) is fitted to the nodes of
        a local problem together; any other is cloned for each node and sees the classes 0 and 1.
        None stands for ``LogisticRegression()``.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. If None, it is inferred from `y` where that holds paths; the
        columns of an indicator are then all children of the root.
    strategy : str or Strategy, default="per_parent"
        Which local problems are solved: ``"per_parent"`` (each node among the samples of all its
        parents), ``"per_node"`` (examples by a policy), ``"per_level"`` and ``"flat"`` (all nodes of
        a level, or all nodes, among all samples), ``"ensemble"`` (the mean of others).
    decoder : str or SetDecoder, default="threshold"
        How probabilities become sets: ``"threshold"`` (:class:`~sklhier.decoders.SetThreshold`,
        tuned on out-of-fold predictions), ``"expected_f1"``, ``"maximum_closure"``,
        ``"top_labels"``, or an object with parameters.
    chain : str or Chain, default=None
        Whether a model sees the outputs of those that decide about its ancestors, beside X, as in
        :class:`~sklhier.HierarchicalClassifier`: in training those for samples that were held out.
    consistency : {"max", "min", "product", "isotonic", "true_path"}, default="max"
        What makes the answers of separate models consistent, where they are about all samples: a
        node gets the largest answer at or below it (``"max"``), the smallest at or above it
        (``"min"``), the product down the path, the nearest consistent answers (``"isotonic"``), or
        the mean with more confident children (``"true_path"``). Strategies whose models are about
        the samples of a node's parents multiply down the paths; in a DAG the least probable
        parent counts.
    cv : int, splitter or iterable, default=None
        Folds for what is learnt from out-of-fold predictions: thresholds, and by `chain`. A number,
        None for 3, means that many folds of
        :class:`~sklhier.model_selection.HierarchicalStratifiedKFold`.
    node_estimators : mapping or callable, default=None
        Other estimators for some nodes or levels, as in :class:`~sklhier.HierarchicalClassifier`.
    classes : array-like, default=None
        Names of nodes for the columns of an indicator; by default those of all nodes
        (``taxonomy.nodes[1:]``) or of all leaves, by the number of columns.
    n_jobs : int, default=None
        Models fitted at the same time: in threads where the base estimator allows it, else in
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
        Names of the nodes that are the columns of `y`, or that occur in it, in the order of nodes.
    estimators_ : mapping
        The fitted base estimators by the name of the node that they decide about, or, where they
        decide about several, by that of the parent or by ``"level:k"`` (those that share several
        parents: by that of the first of them). In an ensemble, by the member's position and name.
    decoder_ : SetDecoder
        The decoder in use, with thresholds that are given or learnt.
    strategy_ : Strategy
        The strategy in use.
    unseen_nodes_ : tuple
        Names of the nodes without a training sample at or below them; never predicted.
    fit_report_ : structured ndarray
        A record for each local problem, as in :class:`~sklhier.HierarchicalClassifier`.
    compression_report_ : structured ndarray
        After :meth:`compress`, a record for each local model, as there.
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

    def __init__(
        self,
        estimator: Any = None,
        *,
        taxonomy: Any = None,
        strategy: str | Strategy = "per_parent",
        decoder: str | SetDecoder = "threshold",
        chain: str | Chain | None = None,
        consistency: str = "max",
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
        self.consistency = consistency
        self.cv = cv
        self.node_estimators = node_estimators
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Fit the local models, and thresholds that are to be learnt.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples, in any form that the base estimators take.
        y : indicator of shape (n_samples, n_columns), or list of collections of labels or paths
            Labels of each sample, leaves or inner nodes, perhaps none; ancestors are added. A 0/1
            array, sparse matrix or data frame has a column for each node or leaf, or for `classes`.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples. The base estimators must take them. Rows of weight 0 are left
            out.
        **fit_params : dict
            Handed on to the base estimators by metadata routing.

        Returns
        -------
        self : HierarchicalMultiLabelClassifier
            The fitted estimator.

        Raises
        ------
        TargetError
            For labels that are not in the taxonomy, and for other columns than known.
        IncompatiblePartsError
            If the decoder needs probabilities and a base has none, or the strategy is for single
            paths only.
        LocalFitError
            If a base estimator fails; names the node.
        """
        X = prepare_features(self, X, reset=True)
        closed, taxonomy, form = read_label_sets(
            required_target(self, y), resolve_taxonomy(self.taxonomy), self.classes
        )
        check_consistent_length(X, closed)
        weights = checked_weights(sample_weight, closed.shape[0])
        counted = np.arange(closed.shape[0]) if weights is None else np.flatnonzero(weights)
        self._start(taxonomy, form)
        split = self._splitter(closed, taxonomy, self._split_params(weights, fit_params))
        chain = resolve_chain(self.chain)
        if chain is not None:
            self._refuse_chain(chain)
        staging = None if chain is None else Staging(chain, "filter", split, weights)
        trainer = self._trainer("fit", taxonomy, weights, fit_params, staging)
        members = Memberships(closed[counted], taxonomy)
        is_joint = partial(_learns_jointly, trainer)
        self._models, self._fits = trainer.train(
            X, self._strategy.plan_sets(members, is_joint), counted
        )
        self._live = members.live
        if self.decoder_.needs_tuning:
            folds = split(counted)
            self.decoder_ = self.decoder_.tuned(
                lambda: self._held_out(trainer, X, closed, counted, folds, weights)
            )
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

        Available if the base estimators have ``partial_fit``, without `chain`; every node has a
        model of its own then. Thresholds cannot be learnt from batches: give them as numbers.

        Parameters
        ----------
        X : array-like or sparse matrix, length n_samples
            Samples.
        y : indicator, or list of collections of labels or paths
            Labels of each sample; what the first call shows of their format holds for all.
        classes : array-like, default=None
            As the parameter `classes`, used in the first call.
        sample_weight : array-like, shape (n_samples,), default=None
            Weights of the samples.
        **fit_params : dict
            Handed on to the base estimators by metadata routing.

        Returns
        -------
        self : HierarchicalMultiLabelClassifier
            The estimator.

        Raises
        ------
        IncompatiblePartsError
            If there is a threshold to learn.
        TargetError
            For labels that are not in the taxonomy, and for other columns than known.
        LocalFitError
            If a base estimator fails; names the node.
        """
        first = not hasattr(self, "taxonomy_")
        self._refuse_compressed()
        X = prepare_features(self, X, reset=first)
        if first:
            given = self.classes if classes is None else classes
            closed, taxonomy, form = read_label_sets(
                required_target(self, y), resolve_taxonomy(self.taxonomy), given
            )
            self._start(taxonomy, form)
            self._live = np.zeros(0, dtype=np.int32)
        else:
            taxonomy = self.taxonomy_
            closed = self._format.read(required_target(self, y), taxonomy)
        if self.decoder_.needs_tuning:
            raise IncompatiblePartsError.needs(
                self.decoder_,
                "all samples at once, to learn from out-of-fold predictions",
                "partial_fit sees them in batches",
                "Use fit, or a threshold that is a number.",
            )
        check_consistent_length(X, closed)
        weights = checked_weights(sample_weight, closed.shape[0])
        counted = np.arange(closed.shape[0]) if weights is None else np.flatnonzero(weights)
        trainer = self._trainer("partial_fit", taxonomy, weights, fit_params)
        members = Memberships(closed[counted], taxonomy, incremental=True)
        self._models, self._fits = trainer.train(
            X,
            self._strategy.plan_sets(members, lambda _: False),
            counted,
            method="partial_fit",
            known=self._models,
        )
        self._live = np.union1d(self._live, np.unique(closed[counted].indices)).astype(np.int32)
        self.taxonomy_ = taxonomy
        return self

    def _start(self, taxonomy: Taxonomy, form: Any) -> None:
        """Forget what was fitted before; store what the labels look like."""
        self.__dict__.pop("taxonomy_", None)  # set last: what fails to fit is not fitted
        self.__dict__.pop("compression_report_", None)
        check_choice("consistency", self.consistency, METHODS)
        self._format = form
        names = taxonomy.node_names[form.class_ids]
        one_kind = all(isinstance(name, str) for name in names.tolist())
        self.classes_ = names.astype(str) if one_kind else names
        self._strategy = resolve_strategy(self.strategy)
        self.decoder_ = clone(resolve_set_decoder(self.decoder))
        self.decoder_.check_taxonomy(taxonomy)
        self._refuse_mismatch(self.decoder_, self._bases().values())
        self._models = {}
        self._seed = self._drawn_seed()

    def _leaves_decide(self) -> bool:
        return True

    def _splitter(
        self, closed: sparse.csr_array, taxonomy: Taxonomy, params: dict[str, Any]
    ) -> Callable[[Rows], list[tuple[Rows, Rows]]]:
        """Return what cuts some rows into folds, for all that is learnt from held-out samples."""
        cv = 3 if self.cv is None else self.cv
        n_samples = int(closed.shape[0])

        def split(rows: Rows) -> list[tuple[Rows, Rows]]:
            indicator = closed[rows][:, 1:]
            if isinstance(cv, Integral):
                splitter = HierarchicalStratifiedKFold(int(cv), taxonomy=taxonomy)
                return list(splitter.split(np.zeros((len(rows), 1)), indicator))
            return folds_among(cv, rows, n_samples, indicator.astype(np.int8).toarray(), params)

        return split

    def _held_out(
        self,
        trainer: Trainer,
        X: Any,
        closed: sparse.csr_array,
        counted: Rows,
        folds: list[tuple[Rows, Rows]],
        weights: Floats | None,
    ) -> Iterator[HeldOutSets]:
        """Fit to the training part of each fold; yield blocks of the rows left out."""
        for train, test in folds:
            inside, left_out = counted[np.sort(train)], counted[np.sort(test)]
            members = Memberships(closed[inside], trainer.taxonomy)
            problems = self._strategy.plan_sets(members, partial(_learns_jointly, trainer))
            models, _ = trainer.train(X, problems, inside)
            for block in row_blocks(len(left_out), TABLES * trainer.taxonomy.n_nodes):
                part = left_out[block]
                marginals = self._marginals_of(
                    take_rows(X, part), models, members.live, trainer.taxonomy
                )
                of_part = np.ones(len(part)) if weights is None else weights[part]
                yield HeldOutSets(marginals, sparse.csr_array(closed[part]), of_part)

    def _refuse_mismatch(self, decoder: SetDecoder, estimators: Iterable[Any]) -> None:
        if not decoder.needs_probabilities:
            return
        for estimator in estimators:
            if not hasattr(estimator, "predict_proba"):
                raise IncompatiblePartsError.needs(
                    decoder,
                    "probabilities",
                    f"{type(estimator).__name__} has no predict_proba",
                    "Wrap it in CalibratedClassifierCV, or use the decoder 'threshold'.",
                )

    # -- predicting -----------------------------------------------------------------------

    def _set_marginals(self, X: Any) -> SetMarginals:
        return self._marginals_of(X, self._models, self._live, self.taxonomy_)

    def _marginals_of(
        self, X: Any, models: Models, live: NodeIds, taxonomy: Taxonomy
    ) -> SetMarginals:
        scores = LocalScores(models, X, taxonomy)
        raw, proba = self._strategy.set_proba(taxonomy, live, scores, self.consistency)
        return SetMarginals(taxonomy, raw, proba)


def _learns_jointly(trainer: Trainer, owner: int) -> bool:
    """Whether the base estimator of a place learns several outputs in one call."""
    _, base = trainer.chosen.at(place_of(owner, trainer.taxonomy))
    tags = get_tags(base).classifier_tags
    return bool(tags is not None and tags.multi_label)
