"""Classes with a few samples only."""

from __future__ import annotations

from collections.abc import Hashable
from numbers import Integral

import numpy as np
from sklearn.utils import check_scalar

from sklhier._targets.paths import read_targets, resolve_taxonomy
from sklhier._utils.typing import (
    Target,
)
from sklhier._utils.warning import warn_caller
from sklhier.exceptions import RareClassWarning
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["check_rare_classes", "rare_class_warning"]


def check_rare_classes(
    y: Target, taxonomy: TaxonomyLike | None = None, *, min_count: int = 5
) -> dict[Hashable, int]:
    """Warn if some labels have only a few rows, and return them.

    Parameters
    ----------
    y : array-like, shape (n_samples,) or (n_samples, n_levels), or list of lists
        Labels.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        The tree of the labels. If given, the warning also names its leaves without any row.
    min_count : int, default=5
        A label with fewer rows is rare.

    Returns
    -------
    rare : dict
        Number of rows (int) of each rare label that occurs, by the name of its node; the rarest
        first, of equals in the order of sorted labels. Empty, without a warning, if there is none.

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
    rare, warning = rare_class_warning(y, taxonomy, min_count)
    if warning is not None:
        warn_caller(warning)
    return rare


def rare_class_warning(
    y: Target, taxonomy: TaxonomyLike | None, min_count: int
) -> tuple[dict[Hashable, int], RareClassWarning | None]:
    """Return the result of :func:`check_rare_classes`, and its warning or None."""
    check_scalar(min_count, "min_count", Integral, min_val=1)
    nodes, tree, form = read_targets(y, resolve_taxonomy(taxonomy))
    counts = np.bincount(nodes, minlength=tree.n_nodes)
    of_class = counts[form.class_ids]
    order = np.argsort(of_class, kind="stable")[: np.count_nonzero(of_class < min_count)]
    rare = {tree.nodes[form.class_ids[i]]: int(of_class[i]) for i in order.tolist()}
    if not rare:
        return rare, None
    # A leaf has nothing below it: its own rows are all that it has.
    empty = tree.node_names[tree.leaf_ids[counts[tree.leaf_ids] == 0]]
    return rare, RareClassWarning.of(rare, len(of_class), min_count, empty.tolist())
