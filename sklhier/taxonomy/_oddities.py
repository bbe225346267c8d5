"""Oddities of a taxonomy: names that look alike, edges the wrong way round, ..."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from sklhier._utils.typing import Integers
from sklhier._utils.warning import warn_caller
from sklhier.exceptions import TaxonomyWarning

__all__ = [
    "folded",
    "look_alikes",
    "looks_reversed",
    "shared_separator",
    "warn_about_levels",
    "warn_if_flat",
    "warn_if_paths",
    "warn_if_reversed",
]

# Longer ones first: " > " holds ">".
SEPARATORS = (" > ", " / ", " | ", "::", "->", "/", ">", "|", "\\", ";", "→", "»", ".")


def folded(text: str) -> str:
    """Return a text without what one may not see: case, blanks, the Unicode form of letters."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return "".join(text.lower().split())


def look_alikes(
    steps: Sequence[Hashable], parents: Sequence[int], children: Sequence[int]
) -> list[list[int]]:
    """Return groups of siblings whose names differ only in what `folded` takes away.

    Parameters
    ----------
    steps : sequence of hashable
        The name of each node beside its siblings.
    parents, children : sequence of int, shape (n_edges,)
        The edges; nodes at the top are children of -1.
    """
    texts = {step for step in steps if isinstance(step, str)}
    keys = {text: folded(text) for text in texts}
    counts = Counter(keys.values())
    if len(counts) == len(keys):
        return []
    doubtful = {key for key, count in counts.items() if count > 1}
    groups: dict[tuple[int, str], list[int]] = {}
    for parent, child in zip(parents, children, strict=True):
        step = steps[child]
        key = keys[step] if isinstance(step, str) else None
        if key in doubtful:
            groups.setdefault((parent, key), []).append(child)
    return [group for group in groups.values() if len(group) > 1]


def looks_reversed(parents: Integers, children: Integers, n_nodes: int) -> tuple[int, int] | None:
    """Return the numbers of tops and of nodes without children if edges seem to go upwards.

    Some node has several parents, and either every node has at most one child (turned round it
    is a tree) with more tops than ends, or there are at least four tops, three for each end.
    """
    n_parents = np.bincount(children, minlength=n_nodes)
    n_children = np.bincount(parents, minlength=n_nodes)
    if len(parents) < 3 or n_parents.max() < 2:
        return None
    n_tops = int(((n_parents == 0) & (n_children > 0)).sum())
    n_ends = int(((n_children == 0) & (n_parents > 0)).sum())
    turned_tree = n_children.max() == 1 and n_tops > n_ends
    return (n_tops, n_ends) if turned_tree or n_tops >= max(4, 3 * n_ends) else None


def shared_separator(labels: Iterable[object], least: float = 1.0) -> str | None:
    """Return a separator that labels hold, or None.

    It stands inside of at least the share `least` of the distinct labels, and some labels begin with
    the same step.
    """
    texts = [label for label in dict.fromkeys(labels) if isinstance(label, str)]
    for sep in SEPARATORS:
        first = [text.partition(sep) for text in texts[:1]] if least == 1 else [("x", sep, "x")]
        if not all(all(parts) for parts in first):
            continue
        parts = [text.partition(sep) for text in texts]
        tops = [start for start, found, rest in parts if start and found and rest]
        enough = len(tops) >= least * len(texts) and len(set(tops)) < len(tops)
        if tops and enough and not all(map(_is_number, texts)):
            return sep
    return None


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("-").isdecimal()


# -- warnings -----------------------------------------------------------------------------


def warn_if_reversed(parents: Integers, children: Integers, n_nodes: int) -> None:
    """Warn about edges that seem to go from child to parent."""
    counts = looks_reversed(parents, children, n_nodes) if len(parents) else None
    if counts:
        warn_caller(TaxonomyWarning.reversed_edges(*counts))


def warn_about_levels(
    names: Sequence[Hashable],
    steps: Sequence[Hashable],
    edges: tuple[Sequence[int], Sequence[int]],
    *,
    constant: bool,
) -> None:
    """Warn about names that look alike, and, if asked to, about a first step that all paths share."""
    parents, children = edges
    is_top = np.ones(len(names), dtype=bool)
    is_top[np.asarray(children, dtype=np.intp)] = False
    tops = np.flatnonzero(is_top).tolist()
    if constant and len(tops) == 1 and len(set(parents)) < len(parents):  # and paths part below it
        warn_caller(TaxonomyWarning.constant_level(steps[tops[0]]))
    groups = look_alikes(steps, [*parents, *[-1] * len(tops)], [*children, *tops])
    if groups:
        warn_caller(TaxonomyWarning.look_alikes([[names[n] for n in group] for group in groups]))


def warn_if_flat(labels: Sequence[object], sep: str, n_edges: int) -> None:
    """Warn about several paths of which none holds the separator."""
    distinct = list(dict.fromkeys(labels))
    if n_edges == 0 and len(distinct) > 1:
        other = shared_separator(distinct)
        warn_caller(TaxonomyWarning.no_separator(sep, str(distinct[0]), other))


def warn_if_paths(labels: Iterable[object], *, staged: bool) -> None:
    """Warn about labels without a taxonomy that look like paths.

    For models that learn from the ones above them (`staged`) half of the labels are enough, since
    without a hierarchy there is no model above.
    """
    labels = list(labels)
    sep = shared_separator(labels, 0.5 if staged else 1.0)
    if sep is not None:
        label = next(text for text in labels if isinstance(text, str) and sep in text)
        warn_caller(TaxonomyWarning.unread_paths(label, sep))
