"""Titles of nodes: words for readers, beside the names that programs use."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from sklhier._utils.validation import check_choice
from sklhier.exceptions import TaxonomyError, nearest_names, quoted
from sklhier.taxonomy._parsing import is_missing, plain

__all__ = [
    "Titles",
    "cut_text",
    "read_titles",
    "titled_text",
    "titles_of_codes",
    "titles_of_graph",
]

Titles: TypeAlias = Mapping[Any, str | None] | Sequence[str | None]


def read_titles(
    titles: Titles, names: Sequence[Hashable], unknown: str = "error"
) -> dict[Hashable, str]:
    """Return the titles of nodes by name, in the order of `names`, nodes without one left out.

    Parameters
    ----------
    titles : mapping of names to titles, or a sequence with one for each of `names`
        None, NaN and blank text stand for no title.
    names : sequence of hashable
        Names of the nodes.
    unknown : {"error", "ignore"}, default="error"
        What to do with a title for what is no node.

    Raises
    ------
    TaxonomyError
        For a title that is not a string, a title of an unknown name, and a sequence of the wrong
        length.
    """
    check_choice("unknown", unknown, ("error", "ignore"))
    given = _by_name(titles, names)
    if unknown == "error" and not given.keys() <= set(names):
        known = set(names)
        _refuse_unknown([name for name in given if name not in known], names)
    found = ((name, given.get(name)) for name in names)
    return {name: title for name, title in found if title is not None}


def _by_name(titles: Titles, names: Sequence[Hashable]) -> dict[Hashable, str | None]:
    if hasattr(titles, "items"):  # mappings, and a pandas Series indexed by names
        pairs = [(plain(name), title) for name, title in titles.items()]
    elif isinstance(titles, str) or not isinstance(titles, Iterable):
        raise TaxonomyError(
            "`titles` must map names of nodes to titles, or have a title for each node, got "
            f"{type(titles).__name__}."
        )
    else:
        values = list(titles)
        if len(values) != len(names):
            raise TaxonomyError(
                f"`titles` must have an entry for each of the {len(names)} nodes, got "
                f"{len(values)}. A mapping may leave nodes out."
            )
        pairs = list(zip(names, values, strict=True))
    return {name: _checked(name, title) for name, title in pairs}


def _checked(name: Hashable, title: object) -> str | None:
    if is_missing(title):
        return None
    if not isinstance(title, str):
        raise TaxonomyError(f"A title must be a string, got {title!r} for {name!r}.")
    return str(title) if title.strip() else None


def _refuse_unknown(unknown: list[Hashable], names: Sequence[Hashable]) -> None:
    near = nearest_names(unknown[0], names)
    hint = f" Nearest names: {quoted(near)}." if near else ""
    raise TaxonomyError(
        f"{len(unknown)} title(s) belong to no node: {quoted(unknown)}.{hint} Leave them out by "
        "with_titles(titles, unknown='ignore')."
    )


def titles_of_codes(titles: Titles, codes: Any, names: Sequence[Hashable]) -> dict[Hashable, str]:
    """Return titles by name from one for each of `codes`, which may repeat, or from a mapping."""
    if isinstance(titles, str) or not isinstance(titles, Iterable):
        return read_titles(titles, names)
    if hasattr(titles, "items") and not _same_index(titles, codes):
        return read_titles(titles, names)
    found: dict[Hashable, str | None] = {}
    if isinstance(codes, AbstractSet):
        raise TaxonomyError("`titles` of a set of codes must be a mapping: a set has no order.")
    values, codes = list(titles), list(codes)
    if len(values) != len(codes):
        raise TaxonomyError(
            f"`titles` must have one for each of the {len(codes)} codes, got {len(values)}."
        )
    for name, title in zip(map(plain, codes), values, strict=True):
        first = found.setdefault(name, title)
        if first != title and not (is_missing(first) and is_missing(title)):
            raise TaxonomyError(f"The code {name!r} has two titles: {first!r} and {title!r}.")
    return read_titles(found, names)


def _same_index(titles: Any, codes: Any) -> bool:
    """Whether two columns of pandas stand side by side, as those of one frame do."""
    first: Any = getattr(titles, "index", None)
    return hasattr(first, "equals") and bool(first.equals(getattr(codes, "index", None)))


def titles_of_graph(graph: Any) -> dict[Hashable, str]:
    """Return the attribute ``title`` of the nodes of a networkx graph where it is a string."""
    words = ((plain(name), title) for name, title in graph.nodes(data="title"))
    return {name: title for name, title in words if isinstance(title, str)}


def titled_text(name: object, title: str | None) -> str:
    """Return a name and its title in one line; a title that repeats the name is left out."""
    text = str(name)
    words = " ".join(title.split()) if title else ""
    return f"{text} {words}" if words and words != text else text


def cut_text(text: str, width: int) -> str:
    """Return text of at most `width` characters, with ``...`` in place of the end that is cut."""
    return text if len(text) <= width else f"{text[: width - 3].rstrip()}..."
