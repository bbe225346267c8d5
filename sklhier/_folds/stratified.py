"""Stratified folds, merged rare classes, and a check for rare classes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.model_selection import BaseCrossValidator, StratifiedKFold
from sklearn.utils import check_random_state, check_scalar, column_or_1d
from sklearn.utils.validation import check_consistent_length

from sklhier._folds.grouped import grouped_folds
from sklhier._folds.iterative import iterative_folds
from sklhier._targets.any_format import closure_of
from sklhier._targets.formats import detect
from sklhier._targets.formats_base import Format
from sklhier._targets.formats_single import Paths
from sklhier._targets.label_sets import read_label_sets
from sklhier._targets.paths import LabelFormat, TargetFormat, read_targets, resolve_taxonomy
from sklhier._utils.typing import (
    Features,
    Groups,
    Integers,
    Labels,
    NodeIds,
    RandomState,
    Rows,
    Target,
)
from sklhier._utils.validation import required_target
from sklhier._utils.warning import warn_caller
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._parsing import label_array
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = [
    "HierarchicalStratifiedGroupKFold",
    "HierarchicalStratifiedKFold",
    "coarsen",
    "coarsened_nodes",
]


def _read(
    y: Target, taxonomy: TaxonomyLike | None, classes: npt.ArrayLike | None = None
) -> tuple[NodeIds, Taxonomy, TargetFormat]:
    return read_targets(y, resolve_taxonomy(taxonomy), classes)


def coarsen(
    y: Target,
    taxonomy: TaxonomyLike | None,
    min_count: int,
    *,
    classes: npt.ArrayLike | None = None,
) -> Labels:
    """Replace rare labels by ancestors until every group of rows is large enough.

    From the deepest level up, every node with fewer than `min_count` rows passes them to its
    parent. If the root then has too few, the smallest group of the highest level with any group
    joins them (the first of equals in the order of nodes). A node with enough rows keeps them, so a
    group may be an ancestor of another.

    Parameters
    ----------
    y : array-like, shape (n_samples,) or (n_samples, n_levels), or list of lists
        Labels: names of nodes, leaves or inner ones; or paths.
    taxonomy : Taxonomy, networkx.DiGraph or None
        The tree of the labels. None infers it from paths; 1-D labels are then children of the root.
    min_count : int
        Least number of rows of a group, at least 1.
    classes : array-like, default=None
        The labels behind integer codes in `y`, as in :class:`~sklhier.HierarchicalClassifier`.

    Returns
    -------
    labels : ndarray, shape (n_samples,)
        The node of each row, its label or an ancestor, by name even if `y` holds codes; in the
        dtype of `y` if `y` holds names. The root is None, in an array of objects.

    Raises
    ------
    TargetError
        For labels that are missing or not in the taxonomy.
    TaxonomyError
        If the taxonomy is not a tree.
    ValueError
        If there are fewer than `min_count` rows.

    See Also
    --------
    HierarchicalStratifiedKFold : Stratify by the groups.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import Taxonomy
    >>> from sklhier.model_selection import coarsen
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel", "ray"]})
    >>> y = np.array(["owl", "owl", "owl", "wren", "bird", "eel", "ray"])
    >>> coarsen(y, taxonomy, 2)
    array(['owl', 'owl', 'owl', 'bird', 'bird', 'fish', 'fish'], dtype='<U4')

    With a single row of ``"fish"``, it moves on to the root, and the group ``"bird"`` joins it:

    >>> coarsen(y[:-1], taxonomy, 2)
    array(['owl', 'owl', 'owl', None, None, None], dtype=object)
    """
    nodes, tree, form = _read(y, taxonomy, classes)
    names = LabelFormat(form.classes, form.class_ids)
    if getattr(form, "encoded", False):  # groups may be nodes that have no code: give all by name
        names = LabelFormat(label_array(tree.node_names[form.class_ids].tolist()), form.class_ids)
    return names.restore(coarsened_nodes(nodes, tree, min_count), tree)


def coarsened_nodes(nodes: NodeIds, taxonomy: Taxonomy, min_count: int) -> NodeIds:
    """Return the group of each row, as :func:`coarsen`, as ids of nodes of a tree.

    Parameters
    ----------
    nodes : ndarray of int32, shape (n_samples,)
        Ids of nodes.
    taxonomy : Taxonomy
        A tree.
    min_count : int
        Least number of rows of a group.

    Returns
    -------
    groups : ndarray of int32, shape (n_samples,)
        Ids of nodes; 0 is the root.
    """
    taxonomy.require_tree("Merging classes upwards")
    check_scalar(min_count, "min_count", Integral, min_val=1)
    if len(nodes) < min_count:
        raise ValueError(
            f"No group can have min_count={min_count} rows: y has {len(nodes)}. Lower `min_count`."
        )
    up, counts = _hand_upwards(np.bincount(nodes, minlength=taxonomy.n_nodes), taxonomy, min_count)
    if 0 < counts[0] < min_count:
        up[_smallest_at_the_top(counts, taxonomy)] = 0  # large enough alone, so that one is enough
    return _last_nodes(up)[nodes]


def _hand_upwards(
    counts: Integers, taxonomy: Taxonomy, min_count: int
) -> tuple[NodeIds, Integers]:
    """Return the node that takes the rows of each node, and the number of rows of each then."""
    up = np.arange(taxonomy.n_nodes, dtype=np.int32)
    for start, stop in reversed(list(pairwise(taxonomy.level_offsets.tolist()))[1:]):
        here = counts[start:stop]
        rare = start + np.flatnonzero((here > 0) & (here < min_count))
        up[rare] = taxonomy.parent_ids[rare]
        np.add.at(counts, up[rare], counts[rare])
        counts[rare] = 0
    return up, counts


def _smallest_at_the_top(counts: Integers, taxonomy: Taxonomy) -> int:
    groups = 1 + np.flatnonzero(counts[1:])
    highest = groups[taxonomy.depths[groups] == taxonomy.depths[groups[0]]]  # sorted by depth
    return int(highest[np.argmin(counts[highest])])


def _last_nodes(up: NodeIds) -> NodeIds:
    """Follow pointers to their last nodes, doubling the steps until nothing moves."""
    while True:
        further = up[up]
        if (further == up).all():
            return up
        up = further


def _required(y: Any, splitter: object) -> Any:
    """Return labels that can be read more than once; refuse None."""
    y = required_target(splitter, y)
    return list(y) if isinstance(y, Iterator) else y


class _TaxonomyFolds(BaseCrossValidator):
    """The parameters of splitters that know a taxonomy."""

    def __init__(
        self,
        n_splits: int = 5,
        *,
        taxonomy: TaxonomyLike | None = None,
        shuffle: bool = False,
        random_state: RandomState = None,
        classes: npt.ArrayLike | None = None,
    ) -> None:
        self.n_splits = n_splits
        self.taxonomy = taxonomy
        self.shuffle = shuffle
        self.random_state = random_state
        self.classes = classes

    def get_n_splits(
        self,
        X: object = None,  # noqa: ARG002
        y: object = None,  # noqa: ARG002
        groups: object = None,  # noqa: ARG002
    ) -> int:
        """Return the number of folds."""
        return self.n_splits


class HierarchicalStratifiedKFold(_TaxonomyFolds):
    """Stratified folds in which rare classes are merged upwards in the taxonomy.

    Rows are stratified by their labels; a class with fewer than `n_splits` rows is replaced by its
    deepest ancestor with enough rows, as in :func:`coarsen` with ``min_count=n_splits``. Rare
    classes cause neither a warning nor an error.

    Multi-label rows are assigned by iterative stratification [1]_ over the taxonomy, rare nodes
    first, and the deepest of equally rare ones. So the rows of every node, those of its descendants
    included, are spread evenly over the folds.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the labels; for multi-label targets, a tree or a DAG. None infers it from `y` if
        `y` holds paths; otherwise rare 1-D labels are merged with each other, and the columns of an
        indicator have no ancestors.
    shuffle : bool, default=False
        Whether to shuffle the rows of each group before they are assigned. Otherwise equivalent
        rows are assigned in their order.
    random_state : int, RandomState instance or None, default=None
        Seed of the order of rows with `shuffle`, otherwise unused; pass an int for the same folds
        in every call.
    classes : array-like, default=None
        The labels behind integer codes in `y`, as in :class:`~sklhier.HierarchicalClassifier`:
        ``np.unique(y)`` for tools that encode labels before they split, such as StackingClassifier.
        For an indicator, the names of its columns.

    See Also
    --------
    HierarchicalStratifiedGroupKFold : Keep groups of rows whole, too.
    coarsen : Merge rare classes into the groups of this splitter.
    check_rare_classes : Find rare classes.

    Notes
    -----
    The numbers of rows of a group differ by at most one between folds. A merged class may still be
    missing from a fold, or, with fewer than two rows, from the training rows.

    With multi-label targets, the sizes of the folds differ by at most one row.

    References
    ----------
    .. [1] Sechidis, Tsoumakas and Vlahavas (2011). On the stratification of multi-label data. ECML
       PKDD. Here fold sizes are bounded, and ties are broken by ancestors.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import Taxonomy
    >>> from sklhier.model_selection import HierarchicalStratifiedKFold
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel", "ray"]})
    >>> y = np.array(["owl", "wren", "wren", "eel", "eel", "eel", "ray", "bird"])
    >>> folds = HierarchicalStratifiedKFold(2, taxonomy=taxonomy)
    >>> for train, test in folds.split(y, y):
    ...     print(y[test])
    ['owl' 'wren' 'eel' 'ray']
    ['wren' 'eel' 'eel' 'bird']

    Multi-label targets:

    >>> y = [["owl", "eel"], ["wren"], ["owl"], ["ray"], ["eel", "wren"], ["ray", "owl"], []]
    >>> for train, test in folds.split(y, y):
    ...     print([y[row] for row in test])
    [['owl', 'eel'], ['wren'], ['ray'], []]
    [['owl'], ['eel', 'wren'], ['ray', 'owl']]
    """

    def split(
        self, X: Features | None, y: Any = None, groups: Groups = None
    ) -> Iterator[tuple[Rows, Rows]]:
        """Return the rows of each fold.

        Parameters
        ----------
        X : array-like, length n_samples, or None
            Samples; only their number counts.
        y : array-like, shape (n_samples,) or (n_samples, n_levels), or list of lists
            Labels. For multi-label targets, an indicator (dense, sparse or a data frame), or
            collections of labels or of paths. Lists of labels are read as paths if all of them can
            be; sets never are.
        groups : array-like, default=None
            Ignored, with a warning: see :class:`HierarchicalStratifiedGroupKFold`.

        Returns
        -------
        folds : iterator of (train, test)
            Positions of rows (ndarray of int), ascending. Each row is in one test part.

        Raises
        ------
        TargetError
            For labels that are missing or not in the taxonomy.
        ValueError
            If there are fewer rows than folds, or a parameter is outside its range.
        """
        y = _required(y, self)
        # StackingClassifier sets `random_state` of every splitter, shuffling or not.
        seed = self.random_state if self.shuffle else None
        StratifiedKFold(self.n_splits, shuffle=self.shuffle, random_state=seed)  # checks them
        if groups is not None:
            warn_caller(
                f"The groups parameter is ignored by {type(self).__name__}. "
                "HierarchicalStratifiedGroupKFold keeps groups whole."
            )
        form = detect(y, resolve_taxonomy(self.taxonomy), "any", self.classes)
        if form.several or (isinstance(form, Paths) and form.may_be_sets):
            return self._split_label_sets(X, form)
        nodes, taxonomy, _ = _read(y, self.taxonomy, self.classes)
        self._check_length(X, nodes)
        merged = coarsened_nodes(nodes, taxonomy, self.n_splits)
        random = check_random_state(seed) if self.shuffle else None
        return _parts(_stratified_folds(merged, self.n_splits, random), self.n_splits)

    def _check_length(self, X: Features | None, targets: NodeIds | sparse.csr_array) -> None:
        check_consistent_length(X, targets)
        n_samples = targets.shape[0]
        if n_samples < self.n_splits:
            raise ValueError(
                f"Cannot have number of splits n_splits={self.n_splits} greater than the number of "
                f"samples: n_samples={n_samples}."
            )

    def _split_label_sets(self, X: Features | None, form: Format) -> Iterator[tuple[Rows, Rows]]:
        closed, taxonomy = _closed(form, self.classes)
        self._check_length(X, closed)
        order = np.arange(closed.shape[0])
        if self.shuffle:
            check_random_state(self.random_state).shuffle(order)
        folds = np.empty_like(order)
        # Ties go to the row that comes first: shuffling the rows shuffles the ties.
        folds[order] = iterative_folds(closed[order], taxonomy, self.n_splits)
        return _parts(folds, self.n_splits)


def _closed(form: Format, classes: npt.ArrayLike | None) -> tuple[sparse.csr_array, Taxonomy]:
    """Return the closures of label sets, and their taxonomy."""
    taxonomy = form.given.taxonomy
    if form.several or taxonomy is None:
        return read_label_sets(form.given.y, taxonomy, classes)[:2]
    return closure_of(form, taxonomy), taxonomy


def _stratified_folds(
    groups: NodeIds, n_splits: int, random: np.random.RandomState | None
) -> Rows:
    """Return the fold of each row that StratifiedKFold gives, in time that no class adds to.

    scikit-learn compares all rows with each class: with thousands of classes that takes longer than
    everything else.
    """
    _, first, codes, counts = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    by_appearance = np.argsort(first)
    rank = np.empty_like(by_appearance)
    rank[by_appearance] = np.arange(len(rank))
    rows = np.argsort(rank[codes], kind="stable")
    counts = counts[by_appearance]
    # Sorted rows are dealt out in turn; then the folds of a class are sorted, or shuffled.
    turns = np.arange(len(rows)) % n_splits
    dealt = turns[np.lexsort((turns, np.repeat(np.arange(len(counts)), counts)))]
    if random is not None:
        for own in np.split(dealt, np.cumsum(counts)[:-1]):  # views
            random.shuffle(own)
    folds = np.empty_like(rows)
    folds[rows] = dealt
    return folds


def _parts(folds: Rows, n_splits: int) -> Iterator[tuple[Rows, Rows]]:
    """Return the rows to train on and to test on of each fold, from the fold of each row."""
    own = [folds == fold for fold in range(n_splits)]
    return iter([(np.flatnonzero(~inside), np.flatnonzero(inside)) for inside in own])


class HierarchicalStratifiedGroupKFold(_TaxonomyFolds):
    """Folds that keep groups of rows whole and are stratified over the taxonomy.

    Rows of one patient, author or document often look alike: if some are used for training and
    others for testing, scores are too good. Here every group is in one fold only. Groups are
    assigned so that the rows of every node of the taxonomy, those of its descendants included, are
    spread as evenly over the folds as the groups allow [1]_, for single labels and for label sets.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the labels; for multi-label targets, a tree or a DAG. None infers it from `y` if
        `y` holds paths; otherwise labels have no ancestors.
    shuffle : bool, default=False
        Whether equivalent groups are assigned in random order. Otherwise they are in the order of
        their names.
    random_state : int, RandomState instance or None, default=None
        Seed of that order with `shuffle`, otherwise unused.
    classes : array-like, default=None
        Labels behind integer codes in `y`, or of the columns of an indicator, as in
        :class:`HierarchicalStratifiedKFold`.

    See Also
    --------
    HierarchicalStratifiedKFold : Without groups.
    sklearn.model_selection.StratifiedGroupKFold : Without a taxonomy, for single labels.

    Notes
    -----
    Tools of scikit-learn and :func:`compare` pass ``groups=`` on to their ``cv=``. The ``cv=`` of a
    classifier gets groups by metadata routing: ``fit(X, y, groups=groups)`` after
    ``sklearn.set_config(enable_metadata_routing=True)``.

    The assignment of a group is never revised, so better folds may exist.

    References
    ----------
    .. [1] Sechidis, Tsoumakas and Vlahavas (2011). On the stratification of multi-label data. ECML
       PKDD. Here whole groups are assigned, by the squared shares of the folds in the nodes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier import Taxonomy
    >>> from sklhier.model_selection import HierarchicalStratifiedGroupKFold
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel", "ray"]})
    >>> y = np.array(["owl", "owl", "eel", "wren", "ray", "ray", "wren", "eel"])
    >>> groups = np.array(["a", "a", "a", "b", "b", "c", "c", "d"])
    >>> folds = HierarchicalStratifiedGroupKFold(2, taxonomy=taxonomy)
    >>> for train, test in folds.split(y, y, groups):
    ...     print(groups[test], y[test])
    ['a' 'a' 'a' 'c' 'c'] ['owl' 'owl' 'eel' 'ray' 'wren']
    ['b' 'b' 'd'] ['wren' 'ray' 'eel']
    """

    # Tools of scikit-learn hand groups on to a splitter that says so.
    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True}

    def split(
        self, X: Features | None, y: Any = None, groups: Groups = None
    ) -> Iterator[tuple[Rows, Rows]]:
        """Return the rows of each fold.

        Parameters
        ----------
        X : array-like, length n_samples, or None
            Samples; only their number counts.
        y : array-like
            Labels in any format, as in :class:`HierarchicalStratifiedKFold`.
        groups : array-like, shape (n_samples,)
            The group of each row; numbers or strings.

        Returns
        -------
        folds : iterator of (train, test)
            Positions of rows (ndarray of int), ascending. Each row is in one test part.

        Raises
        ------
        TargetError
            For labels that are missing or not in the taxonomy.
        ValueError
            Without groups, with fewer groups than folds, or if a parameter is outside its range.
        """
        check_scalar(self.n_splits, "n_splits", Integral, min_val=2)
        closed = self._read(_required(y, self))
        if groups is None:
            raise ValueError(
                f"{type(self).__name__} keeps groups whole: pass `groups=`, one for each row, got "
                "None."
            )
        check_consistent_length(X, closed, groups)
        names, groups = np.unique(column_or_1d(groups), return_inverse=True)
        if len(names) < self.n_splits:
            raise ValueError(
                f"Cannot have number of splits n_splits={self.n_splits} greater than the number of "
                f"groups: {len(names)}."
            )
        order = np.arange(len(names))
        if self.shuffle:
            check_random_state(self.random_state).shuffle(order)
        return _parts(grouped_folds(closed, groups, order, self.n_splits)[groups], self.n_splits)

    def _read(self, y: Any) -> sparse.csr_array:
        """Return the closures of labels of any format."""
        form = detect(y, resolve_taxonomy(self.taxonomy), "any", self.classes)
        if form.several or (isinstance(form, Paths) and form.may_be_sets):
            return _closed(form, self.classes)[0]
        nodes, taxonomy, _ = _read(y, self.taxonomy, self.classes)
        return taxonomy.ancestors_of(nodes)
