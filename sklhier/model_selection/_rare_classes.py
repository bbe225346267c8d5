"""Classes with a few samples only."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from numbers import Integral

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_scalar

from sklhier._targets.formats import detect
from sklhier._targets.label_sets import read_label_sets
from sklhier._targets.paths import read_targets, resolve_taxonomy
from sklhier._utils.typing import Integers, NodeIds, Target
from sklhier._utils.warning import warn_caller
from sklhier.exceptions import RareClassWarning
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["check_rare_classes", "rare_class_warning"]


def check_rare_classes(
    y: Target,
    taxonomy: TaxonomyLike | None = None,
    *,
    min_count: int = 5,
    classes: npt.ArrayLike | None = None,
) -> dict[Hashable, int]:
    """Warn if some labels have only a few rows, and return them.

    Parameters
    ----------
    y : array-like
        Labels in any format, one or more for each row; with several, the rows of a label are those
        at or below it.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree or DAG of the labels. If given, the warning also names its leaves without any row.
    min_count : int, default=5
        A label with fewer rows is rare.
    classes : array-like, default=None
        Labels behind integer codes in `y`, or of the columns of an indicator, as in the
        classifiers.

    Returns
    -------
    rare : dict
        Number of rows (int) of each rare label that occurs, by the name of its node; the rarest
        first, equals sorted by label. Empty, without a warning, if there is none.

    Warns
    -----
    RareClassWarning
        Names the rarest labels and what to try.

    Raises
    ------
    TargetError
        For labels that are missing or not in the taxonomy.

    Examples
    --------
    >>> import warnings
    >>> from sklhier.model_selection import check_rare_classes
    >>> y = ["owl"] * 6 + ["wren"] * 2 + ["eel"]
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     check_rare_classes(y)
    {'eel': 1, 'wren': 2}
    >>> print(caught[0].message)
    2 of 3 labels have fewer than 5 rows: 'eel' (1), 'wren' (2). Merge them ...
    """
    rare, warning = rare_class_warning(y, taxonomy, min_count, classes)
    if warning is not None:
        warn_caller(warning)
    return rare


def rare_class_warning(
    y: Target,
    taxonomy: TaxonomyLike | None,
    min_count: int,
    classes: npt.ArrayLike | None = None,
) -> tuple[dict[Hashable, int], RareClassWarning | None]:
    """Return the result of :func:`check_rare_classes`, and its warning or None."""
    check_scalar(min_count, "min_count", Integral, min_val=1)
    counts, class_ids, tree = _counts(y, resolve_taxonomy(taxonomy), classes)
    of_class = counts[class_ids]
    order = np.argsort(of_class, kind="stable")[: np.count_nonzero(of_class < min_count)]
    rare = {tree.nodes[class_ids[i]]: int(of_class[i]) for i in order.tolist()}
    if not rare:
        return rare, None
    # A leaf has nothing below it: its own rows are all that it has.
    empty = tree.node_names[tree.leaf_ids[counts[tree.leaf_ids] == 0]]
    return rare, RareClassWarning.of(rare, len(of_class), min_count, empty.tolist())


def _counts(
    y: Target, taxonomy: Taxonomy | None, classes: npt.ArrayLike | None
) -> tuple[Integers, NodeIds, Taxonomy]:
    """Return the number of rows of every node, the nodes that labels name, and the taxonomy."""
    y = list(y) if isinstance(y, Iterator) else y
    if not detect(y, taxonomy, "any", classes).several:
        nodes, tree, form = read_targets(y, taxonomy, classes)
        return np.bincount(nodes, minlength=tree.n_nodes), form.class_ids, tree
    closed, known, of_sets = read_label_sets(y, taxonomy, classes)
    counts = np.bincount(closed.indices, minlength=known.n_nodes)
    return counts, of_sets.class_ids[counts[of_sets.class_ids] > 0], known
