"""One answer drawn with letters: the most probable paths, a bar for the probability of each node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from sklhier import Taxonomy
from sklhier._cli.walks import shown_names

__all__ = ["picture"]

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_BAR = 24  # letters of a bar for 1
_LONGEST = 40  # letters of a name


def picture(taxonomy: Taxonomy, proba: Floats, ends: Sequence[int], answer: int) -> str:
    """Return the paths to some nodes of a tree as text, in ASCII where names are.

    Parameters
    ----------
    taxonomy : Taxonomy
        A tree.
    proba : ndarray of float64, shape (n_nodes,)
        Probabilities of all nodes, as ``predict_node_proba`` returns them for one sample.
    ends : sequence of int
        Ids of the nodes at the ends of the paths.
    answer : int
        Id of the node that is marked as the answer.
    """
    paths = taxonomy.path_ids(np.array(ends, dtype=np.int32))
    nodes = set(paths[paths >= 0].tolist())
    lines = _lines(taxonomy, proba, nodes, 0)
    width = max((len(name) for name, _ in lines), default=0)
    drawn = []
    for name, node in lines:
        bar = "#" * round(_BAR * float(proba[node])) or "|"
        mark = "  <- answer" if node == answer else ""
        drawn.append(f"{name.ljust(width)}  {proba[node]:.2f} {bar}{mark}")
    return "\n".join(drawn)


def _lines(
    taxonomy: Taxonomy, proba: Floats, nodes: set[int], parent: int
) -> list[tuple[str, int]]:
    """Return indented names and ids of the nodes below a parent, the most probable first."""
    found: list[tuple[str, int]] = []
    children = [child for child in taxonomy.children_of(parent).tolist() if child in nodes]
    for child in sorted(children, key=lambda node: (-proba[node], node)):
        depth = int(taxonomy.depths[child]) - 1
        name = shown_names(taxonomy, [child])[0][:_LONGEST]
        found.append(("  " * depth + name, child))
        found += _lines(taxonomy, proba, nodes, child)
    return found
