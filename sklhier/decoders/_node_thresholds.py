"""Thresholds of nodes: one for all, one for each level or node, or by name."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from numbers import Number
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from sklearn.base import BaseEstimator

from sklhier._utils.typing import Floats, NodeIds
from sklhier._utils.validation import check_number, numbers, shown
from sklhier.taxonomy import Taxonomy

__all__ = ["SCOPES", "Bar", "NodeBars", "check_tau", "is_one_number", "is_tuned", "node_bars"]

SCOPES = ("global", "level", "node")
_OF_LEVEL = "level:"


class Bar(NamedTuple):
    """The number that probabilities have to exceed, the same for all nodes.

    Attributes
    ----------
    height : float
    """

    height: float

    def of(self, nodes: NodeIds) -> float:  # noqa: ARG002
        """Return the number for each of some nodes."""
        return self.height

    def least_below(self, nodes: NodeIds) -> float:  # noqa: ARG002
        """Return the smallest number at or below each of some nodes."""
        return self.height


class NodeBars(NamedTuple):
    """The number that the probability of each node has to exceed.

    Attributes
    ----------
    height : ndarray of float64, shape (n_nodes,)
        That of the root is 0.
    least : ndarray of float64, shape (n_nodes,)
        The smallest at or below each node.
    """

    height: Floats
    least: Floats

    def of(self, nodes: NodeIds) -> Floats:
        """Return the number for each of some nodes."""
        return self.height[nodes]

    def least_below(self, nodes: NodeIds) -> Floats:
        """Return the smallest number at or below each of some nodes."""
        return self.least[nodes]


class _Compiled(NamedTuple):
    given: Any  # a copy, for lists and mappings may be changed in place
    taxonomy: Taxonomy
    bars: NodeBars


# Not an attribute of the decoder: that has parameters alone, when it is saved or copied.
_COMPILED: WeakKeyDictionary[BaseEstimator, _Compiled] = WeakKeyDictionary()


def is_tuned(tau: Any) -> bool:
    """Whether thresholds are to be tuned on held-out samples."""
    return isinstance(tau, str) and tau == "oof"


def is_one_number(tau: Any) -> bool:
    """Whether `tau` is meant as one threshold for all nodes."""
    # The first test is the fast one.
    return type(tau) is float or tau is None or isinstance(tau, Number | np.generic | str | bytes)


def check_tau(decoder: BaseEstimator, tau: Any, *, tunable: bool = True) -> None:
    """Refuse what cannot be thresholds, before the taxonomy is known.

    Raises
    ------
    ValueError
        Unless these are numbers in [0, 1], one or several, or ``"oof"`` if `tunable`.
    """
    if type(tau) is not float and tunable and is_tuned(tau):
        return
    if is_one_number(tau):
        if tunable and isinstance(tau, str):
            raise ValueError(f"`tau` must be in [0, 1], or 'oof' to be tuned, got {shown(tau)}.")
        check_number("tau", tau, least=0, most=1)
        return
    known = _COMPILED.get(decoder)
    if known is None or not _is_same(known.given, tau):
        _probabilities(list(tau.values()) if isinstance(tau, Mapping) else tau)


def _probabilities(values: Any) -> Floats:
    table = numbers("tau", values)
    if table.ndim != 1:
        raise ValueError(
            f"`tau` must be a number, a list of numbers or a mapping, got {shown(values)}."
        )
    bad = ~((table >= 0) & (table <= 1))  # NaN is neither
    if bad.any():
        raise ValueError(f"`tau` must hold numbers in [0, 1], got {table[bad][0]:g}.")
    return table


def node_bars(decoder: BaseEstimator, tau: Any, taxonomy: Taxonomy) -> Bar | NodeBars:
    """Return what the probability of each node has to exceed.

    Numbers for nodes are looked up once for a taxonomy, and kept as long as they are the same.

    Raises
    ------
    TaxonomyError
        For names of nodes or levels that the taxonomy does not have.
    ValueError
        For another number of thresholds, or a node without one.
    """
    if is_one_number(tau):
        return Bar(_height(tau))
    known = _COMPILED.get(decoder)
    if known is not None and known.taxonomy is taxonomy and _is_same(known.given, tau):
        return known.bars
    height = np.concatenate([[0.0], _height(_read(tau, taxonomy))])
    bars = NodeBars(height, _least_at_or_below(height, taxonomy))
    _COMPILED[decoder] = _Compiled(_copied(tau), taxonomy, bars)
    return bars


def _height(tau: Any) -> Any:
    """Return thresholds such that nothing exceeds 1, not even a sum of probabilities by rounding."""
    if isinstance(tau, np.ndarray):
        return np.where(tau < 1, tau, np.inf)
    return tau if tau < 1 else np.inf


def _copied(tau: Any) -> Any:
    return dict(tau) if isinstance(tau, Mapping) else np.array(tau)


def _is_same(copy: Any, tau: Any) -> bool:
    if isinstance(tau, Mapping):
        return bool(copy == tau)
    return isinstance(copy, np.ndarray) and np.array_equal(copy, tau)


def _read(tau: Any, taxonomy: Taxonomy) -> Floats:
    """Return a threshold for each node of ``taxonomy.nodes[1:]``."""
    if isinstance(tau, Mapping):
        return _read_mapping(tau, taxonomy)
    table = _probabilities(tau)
    n_nodes = taxonomy.n_nodes - 1
    if table.shape == (taxonomy.n_levels,):
        # As many nodes as levels: one node for each level, so that both readings are one.
        return table[taxonomy.depths[1:] - 1]
    if table.shape != (n_nodes,):
        raise ValueError(
            f"`tau` must have a number for each of the {n_nodes} nodes of taxonomy.nodes[1:], or for "
            f"each of the {taxonomy.n_levels} levels, got {len(table)} numbers."
        )
    return table


def _read_mapping(tau: Mapping[Any, float], taxonomy: Taxonomy) -> Floats:
    """Read thresholds by names of nodes, and of levels for all other nodes of them."""
    levels = {f"{_OF_LEVEL}{level}": level for level in range(1, taxonomy.n_levels + 1)}
    names = [name for name in tau if name not in levels]
    ids = taxonomy.ids(names)
    if (ids < 0).any():
        unknown = names[int(np.argmax(ids < 0))]
        if isinstance(unknown, str) and unknown.startswith(_OF_LEVEL):
            raise ValueError(
                f"`tau` must name levels from '{_OF_LEVEL}1' to "
                f"'{_OF_LEVEL}{taxonomy.n_levels}', got {shown(unknown)}."
            )
        taxonomy.id(unknown)  # raises the error of an unknown name
    if (ids == 0).any():
        raise ValueError(
            f"`tau` must hold thresholds of nodes below the root, got one for the root, "
            f"{shown(names[int(np.argmax(ids == 0))])}, which needs none. Leave it out."
        )
    of_level = np.full(taxonomy.n_levels + 1, np.nan)
    for name, level in levels.items():
        of_level[level] = tau.get(name, np.nan)
    table = of_level[taxonomy.depths]
    table[ids] = _probabilities([tau[name] for name in names])
    lacking = np.isnan(table)
    lacking[0] = False
    if lacking.any():
        node = int(np.argmax(lacking))
        raise ValueError(
            f"`tau` must have a number for each node, got none for {taxonomy.nodes[node]!r}. Add it, "
            f"or one for its level as '{_OF_LEVEL}{taxonomy.depths[node]}'."
        )
    return table[1:]


def _least_at_or_below(height: Floats, taxonomy: Taxonomy) -> Floats:
    least = height.copy()
    order = np.argsort(taxonomy.edge_children, kind="stable")
    parents, children = taxonomy.edge_parents[order], taxonomy.edge_children[order]
    bounds = np.searchsorted(children, taxonomy.level_offsets[1:]).tolist()
    for start, stop in reversed(list(pairwise(bounds))):  # children come first
        np.minimum.at(least, parents[start:stop], least[children[start:stop]])
    return least
