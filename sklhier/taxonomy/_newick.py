"""Trees in the Newick format."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sklhier.exceptions import TaxonomyError
from sklhier.taxonomy._lines import Lines, Source, read_text

__all__ = ["NewickTree", "read_newick"]

_TOKEN = re.compile(r"'[^']*(?:''[^']*)*'|[(),:;\[']|[^\s()\[\]':;,]+|\s+|.")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass
class NewickTree:
    """Nodes in the order of their appearance, which is parents first.

    Attributes
    ----------
    parents : list of int
        Position of each node's parent, -1 for the root.
    names : list of (str or None)
        None for a node without a name.
    starts : list of int
        Where each name stands in the text.
    """

    parents: list[int] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def add(self, parent: int, start: int) -> int:
        """Add a node without a name below `parent`, and return its position."""
        self.parents.append(parent)
        self.names.append(None)
        self.starts.append(start)
        return len(self.parents) - 1


class _Text:
    """The text of a tree, its tokens, and errors that name a place in it."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.text = "".join(lines.lines)

    def error(self, position: int, message: str) -> TaxonomyError:
        line = self.text.count("\n", 0, position) + 1
        column = position - self.text.rfind("\n", 0, position)
        return self.lines.error(line, f"column {column}: {message}")

    def tokens(self) -> Iterator[tuple[int, str]]:
        """Yield the places and the texts of tokens, without blanks and comments."""
        position = 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            assert match is not None  # the last alternative takes any character
            token, start = match.group(), position
            position = match.end()
            if token == "[":
                position = self._end_of_comment(start)
            elif token in ("'", "]"):
                raise self.error(start, f"{token} without its counterpart.")
            elif not token.isspace():
                yield start, token

    def _end_of_comment(self, start: int) -> int:
        depth = 0
        for bracket in re.compile(r"[\[\]]").finditer(self.text, start):
            depth += 1 if bracket.group() == "[" else -1
            if depth == 0:
                return bracket.end()
        raise self.error(start, "a comment that does not end: ']' is missing.")


def read_newick(
    source: Source, encoding: str, *, convert_underscores: bool, inner_names: bool
) -> tuple[Lines, list[str | None], list[int]]:
    """Return the source, the name of each node, and its parent's position, -1 for the root.

    Nodes without a name have one made up, which is unique; but the root has None.
    """
    text = _Text(read_text(_as_lines(source), encoding))
    tree = _parsed(text, convert_underscores=convert_underscores)
    inner = set(tree.parents)
    if not inner_names:
        tree.names = [None if node in inner else name for node, name in enumerate(tree.names)]
    _refuse_nameless_leaves(text, tree, inner)
    _refuse_repeated_names(text, tree, inner)
    return text.lines, _numbered(tree.names), tree.parents


def _as_lines(source: Source) -> Source:
    """Return a str that is a tree itself as one line, and anything else unchanged."""
    if not isinstance(source, str):
        return source
    is_tree = source.rstrip().endswith(";") or ("(" in source and not os.path.exists(source))
    return [source] if is_tree else source


def _parsed(text: _Text, *, convert_underscores: bool) -> NewickTree:
    """Read one tree, node by node: a stack of open parentheses in place of recursion."""
    tree = NewickTree()
    node = tree.add(-1, 0)
    open_nodes: list[int] = []
    before = "("  # what stood before the token: it decides what may follow
    for start, token in text.tokens():
        if before == ":" and token in "(),:;":
            raise text.error(start, f"a branch length must follow ':', got {token!r}.")
        if before == ";":
            raise text.error(start, "more text after ';'. A source must hold one tree.")
        if token == "(":
            if before not in "(,":
                raise text.error(start, "'(' must begin a node: ',' is missing before it.")
            open_nodes.append(node)
            node = tree.add(node, start + 1)
        elif token == "," or token == ")":
            if not open_nodes:
                raise text.error(start, f"{token!r} outside of all parentheses.")
            node = open_nodes.pop() if token == ")" else tree.add(open_nodes[-1], start + 1)
        elif token == ":":
            if before == "length":
                raise text.error(start, "a second branch length.")
        elif token == ";":
            if open_nodes:
                raise text.error(start, f"{len(open_nodes)} ')' missing before ';'.")
        elif before == ":":
            if not _NUMBER.fullmatch(token):
                raise text.error(start, f"a branch length must be a number, got {token[:40]!r}.")
            token = "length"
        elif before in ("(", ",", ")"):
            tree.names[node], tree.starts[node] = _label(token, convert_underscores), start
            token = "name"
        else:
            raise text.error(
                start, f"{token[:40]!r} follows a name or length. Quote names with blanks: 'a b'."
            )
        before = token
    if before != ";":
        raise text.error(len(text.text.rstrip()), "';' is missing at the end of the tree.")
    return tree


def _label(token: str, convert_underscores: bool) -> str | None:
    if token.startswith("'"):
        return token[1:-1].replace("''", "'") or None
    return token.replace("_", " ") if convert_underscores else token


def _refuse_nameless_leaves(text: _Text, tree: NewickTree, inner: set[int]) -> None:
    for node, name in enumerate(tree.names):
        if name is None and node not in inner:
            raise text.error(tree.starts[node], "a leaf without a name.")


def _refuse_repeated_names(text: _Text, tree: NewickTree, inner: set[int]) -> None:
    first: dict[str, int] = {}
    for node, name in enumerate(tree.names):
        if name is not None and first.setdefault(name, node) != node:
            line = text.text.count("\n", 0, tree.starts[first[name]]) + 1
            hint = (
                " Numbers at inner nodes may be support values: pass inner_names=False."
                if node in inner
                else ""
            )
            raise text.error(
                tree.starts[node], f"the name {name!r} is already on line {line}.{hint}"
            )


def _numbered(names: list[str | None]) -> list[str | None]:
    """Give names to the nodes below the root that have none: ``"node 1"``, and so on."""
    taken = set(names)
    made: list[str | None] = []
    number = 0
    for node, name in enumerate(names):
        if name is None and node > 0:
            number += 1
            while f"node {number}" in taken:
                number += 1
            name = f"node {number}"
        made.append(name)
    return made
