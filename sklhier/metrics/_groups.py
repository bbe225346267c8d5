"""Samples in groups that users name, and the levels that sets of nodes reach."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from scipy import sparse

from sklhier._utils.columns import typed_array
from sklhier._utils.typing import Floats, Groups, Rows
from sklhier.metrics._input import require_same_length
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._parsing import is_hashable, is_missing, plain, sort_key

__all__ = ["group_table", "levels_reached", "read_groups"]


def read_groups(groups: Groups, n_samples: int) -> tuple[list[Hashable], Rows]:
    """Return the distinct groups, numbers first, then strings, and the position of each sample's.

    Missing values are one group, None, the last one.

    Raises
    ------
    TypeError
        For groups that cannot be hashed.
    ValueError
        For another number of groups than of samples, and for tables.
    """
    values = typed_array(groups)
    if values.ndim != 1:
        raise ValueError(
            f"`groups` must have one value for each sample, got shape {values.shape}."
        )
    require_same_length("y_true", n_samples, "groups", len(values))
    names, codes = _distinct(values)
    known = {name: name if not is_missing(name) else None for name in names}
    order = sorted(set(known.values()), key=lambda name: (name is None, sort_key(name)))
    position = {name: place for place, name in enumerate(order)}
    places = np.array([position[known[name]] for name in names], dtype=np.intp)
    return order, places[codes]


def _distinct(values: Any) -> tuple[list[Hashable], Rows]:
    """Return distinct values as Python objects, and the position of each row's."""
    if values.dtype.kind != "O":
        names, codes = np.unique(values, return_inverse=True)
        return list(map(plain, names)), codes
    rows = values.tolist()
    bad = next((value for value in rows if not is_hashable(value)), None)
    if bad is not None:
        raise TypeError(
            "`groups` must hold hashable values, such as strings or numbers, got "
            f"{bad!r}. Turn lists into tuples."
        )
    places = {name: place for place, name in enumerate(dict.fromkeys(rows))}
    return list(places), np.fromiter(map(places.__getitem__, rows), np.intp, len(rows))


def levels_reached(members: sparse.csr_array, taxonomy: Taxonomy) -> sparse.csr_array:
    """Return how many nodes of each level are in each set, shape (n_samples, n_levels).

    The root is in no set.
    """
    columns = taxonomy.depths[members.indices] - 1
    shape = (members.shape[0], taxonomy.n_levels)
    table = sparse.csr_array((members.data, columns, members.indptr), shape=shape, copy=True)
    table.sum_duplicates()
    return table


def group_table(codes: Rows, weights: Floats, n_groups: int) -> sparse.csr_array:
    """Return the weights of samples in a row for all, and one for each group."""
    n_samples = len(weights)
    samples = np.arange(n_samples)
    rows = np.concatenate([np.zeros(n_samples, dtype=np.intp), codes + 1])
    cells = (np.tile(weights, 2), (rows, np.tile(samples, 2)))
    return sparse.csr_array(cells, shape=(n_groups + 1, n_samples))
