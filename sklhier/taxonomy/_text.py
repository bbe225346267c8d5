"""A taxonomy as an indented tree, cut when long."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Protocol

from sklhier._utils.typing import NodeIds

__all__ = ["draw_html", "draw_tree"]


class _Taxonomy(Protocol):
    """The part of a taxonomy that is drawn."""

    def text_of(self, node: int) -> str: ...

    def children_of(self, node: int) -> NodeIds: ...


def draw_tree(taxonomy: _Taxonomy, max_lines: int, max_children: int) -> str:
    """Return a taxonomy as indented text."""
    return "\n".join(branch + text for branch, text in _outline(taxonomy, max_lines, max_children))


def draw_html(taxonomy: _Taxonomy, *, unfolded: bool = True) -> str:
    """Return a taxonomy as a foldable piece of HTML."""
    lines = "\n".join(branch + html.escape(text) for branch, text in _outline(taxonomy, 200, 30))
    return (
        f"<details{' open' * unfolded}><summary>{html.escape(repr(taxonomy))}</summary>"
        f'<pre style="line-height: 1.15">{lines}</pre></details>'
    )


def _outline(taxonomy: _Taxonomy, max_lines: int, max_children: int) -> Iterator[tuple[str, str]]:
    """Yield ``(branch drawing, text)`` of an indented tree, cut when long.

    The upper levels matter most: levels are shown whole, as many as fit, with fewer children of
    each node where not even the second level would fit otherwise.
    """
    for cap in (max_children, 10, 5, 3):
        max_children = min(max_children, cap)
        deepest = _levels_that_fit(taxonomy, max_lines, max_children)
        if deepest > 1:
            break
    stack: list[tuple[int, int, str, bool]] = [(0, 0, "", True)]
    lines = 0
    while stack:
        node, depth, indent, last = stack.pop()
        branch = "" if depth == 0 else indent + ("└── " if last else "├── ")
        lines += 1
        if lines > max_lines:
            yield branch, "..."
            return
        if node < 0:
            yield branch, f"... {-node} more"
            continue
        below = taxonomy.children_of(node).tolist()
        cut = below and depth == deepest
        yield branch, f"{taxonomy.text_of(node)} ..." if cut else taxonomy.text_of(node)
        if cut:
            continue
        shown = below if len(below) <= max_children else below[: max_children - 1]
        hidden = len(below) - len(shown)
        entries = [*shown, -hidden] if hidden else shown
        inner = "" if depth == 0 else indent + ("    " if last else "│   ")
        stack.extend(
            (child, depth + 1, inner, position == 0)
            for position, child in enumerate(reversed(entries))
        )


def _levels_that_fit(taxonomy: _Taxonomy, max_lines: int, max_children: int) -> int:
    """Return how many levels fit, at least 1."""
    shown, lines, depth = [0], 1, 0
    while shown:
        groups = [taxonomy.children_of(node)[:max_children].tolist() for node in shown]
        shown = [child for group in groups for child in group]
        lines += len(shown)
        if lines > max_lines:
            break
        depth += 1
    return max(depth, 1)
