"""Weights and other numbers for nodes, in the forms that users pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from sklhier._utils.typing import Floats, NodeWeight
from sklhier._utils.validation import numbers, shown
from sklhier.taxonomy import Taxonomy

__all__ = ["NAMES", "check_node_weight", "read_node_values", "read_node_weight"]


def _equal(taxonomy: Taxonomy) -> Floats:
    return np.ones(taxonomy.n_nodes)


def _information_gains(taxonomy: Taxonomy) -> Floats:
    """Return the information of a node beyond its most informative parent, in bits."""
    information = taxonomy.information
    of_parents = np.zeros(taxonomy.n_nodes)
    np.maximum.at(of_parents, taxonomy.edge_children, information[taxonomy.edge_parents])
    return information - of_parents


def _sibling_shares(taxonomy: Taxonomy) -> Floats:
    """Return a share for each node: that of its parent, divided by the number of siblings."""
    taxonomy.require_tree("The weight 'sibling'")
    n_children = np.diff(taxonomy.child_offsets)
    shares = np.ones(taxonomy.n_nodes)
    for start, stop in pairwise(taxonomy.level_offsets[1:].tolist()):  # parents come first
        above = taxonomy.parent_ids[start:stop]
        shares[start:stop] = shares[above] / n_children[above]
    return shares


_BY_NAME: dict[str, Callable[[Taxonomy], Floats]] = {
    "information": _information_gains,
    "sibling": _sibling_shares,
    "uniform": _equal,
}


NAMES = tuple(sorted(_BY_NAME))


def check_node_weight(name: str, values: object, names: Collection[str]) -> None:
    """Refuse what cannot be numbers of nodes, before the taxonomy is known.

    Parameters
    ----------
    name : str
        Name in error messages.
    values : str, mapping or array-like
        Numbers by name of the node, or in order, for nodes or levels.
    names : collection of str
        The names that stand for numbers.

    Raises
    ------
    ValueError
        For another name, and unless the numbers are finite and 0 or more.
    """
    if (isinstance(values, str) and values in names) or (values is None and "uniform" in names):
        return
    if values is None or isinstance(values, str | bytes) or np.ndim(_listed(values)) != 1:
        either = f"one of {', '.join(map(repr, names))}, or " if names else ""
        raise ValueError(
            f"`{name}` must be {either}a list or mapping of numbers, got {shown(values)}."
        )
    _finite(name, _listed(values))


def _listed(values: Any) -> Any:
    return list(values.values()) if isinstance(values, Mapping) else values


def _finite(name: str, values: Any) -> Floats:
    """Return numbers of 0 or more as an array."""
    table = numbers(name, values)
    bad = ~np.isfinite(table) | (table < 0)
    if bad.any():
        raise ValueError(f"`{name}` must hold finite numbers of 0 or more, got {table[bad][0]:g}.")
    return table


def read_node_values(
    values: Mapping[Hashable, float] | npt.ArrayLike,
    taxonomy: Taxonomy,
    name: str,
    *,
    levels: bool,
) -> Floats:
    """Return a number for each node of ``taxonomy.nodes[1:]``, from a mapping or a sequence.

    Parameters
    ----------
    values : mapping or array-like
        Numbers of 0 or more, by name of the node or in order.
    taxonomy : Taxonomy
        The taxonomy.
    name : str
        Name in error messages.
    levels : bool
        Whether there may be one number for each level instead.

    Raises
    ------
    ValueError
        For negative or infinite numbers, another number of them, or a node without one.
    """
    n_nodes = taxonomy.n_nodes - 1
    if isinstance(values, Mapping):
        missing = [node for node in taxonomy.nodes[1:] if node not in values]
        if missing:
            raise ValueError(
                f"`{name}` must have a number for each node, got none for {missing[0]!r}."
            )
        values = [values[node] for node in taxonomy.nodes[1:]]
    table = _finite(name, values)
    if levels and table.shape == (taxonomy.n_levels,):
        # As many nodes as levels: one node for each level, so that both readings are one.
        table = table[taxonomy.depths[1:] - 1]
    if table.shape != (n_nodes,):
        or_level = f", or for each of the {taxonomy.n_levels} levels" if levels else ""
        raise ValueError(
            f"`{name}` must have a number for each of the {n_nodes} nodes of taxonomy.nodes[1:]"
            f"{or_level}, got shape {table.shape}."
        )
    return table


def read_node_weight(weight: NodeWeight, taxonomy: Taxonomy, name: str = "node_weight") -> Floats:
    """Return a weight for every node by id, that of the root 0.

    Parameters
    ----------
    weight : str, mapping, array-like or None
        ``"uniform"`` (as None), ``"information"``, ``"sibling"``, or numbers as for
        :func:`read_node_values`.
    taxonomy : Taxonomy
        The taxonomy.
    name : str, default="node_weight"
        Name in error messages.

    Raises
    ------
    ValueError
        For an unknown name, and as :func:`read_node_values`.
    """
    weight = "uniform" if weight is None else weight
    if not isinstance(weight, str):
        return np.concatenate([[0.0], read_node_values(weight, taxonomy, name, levels=True)])
    if weight not in _BY_NAME:
        raise ValueError(
            f"`{name}` must be one of {sorted(_BY_NAME)}, or a weight for each node or for "
            f"each level, got {weight!r}."
        )
    weights = _BY_NAME[weight](taxonomy)
    weights[0] = 0.0
    return weights
