"""Ontologies in the OBO flat file format."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from sklhier.taxonomy._lines import Lines, Source, read_lines

__all__ = ["Ontology", "read_obo"]

_ESCAPED = re.compile(r"\\(.)")
_CHARACTERS = {"n": "\n", "W": " ", "t": "\t"}
_MODIFIERS = re.compile(r"(?<!\\)\{[^{}]*\}\s*$")
_TAG = re.compile(r"\s*[\w-]+\s*")
_COMMENT = re.compile(r"(?<!\\)!")


@dataclass
class _Term:
    line: int
    id: str = ""
    name: str = ""
    namespace: str = ""
    obsolete: bool = False
    # Parents, with the relationship and the line on which they stand.
    parents: list[tuple[str, str, int]] = field(default_factory=list)
    alt_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Ontology:
    """The terms of a file that are in use.

    Attributes
    ----------
    above, below : list of str
        Parent and child of each edge.
    terms : list of str
        Ids in the order of the file.
    titles : dict
        Names by id.
    alt_ids : dict
        The id of today by each alternative id.
    """

    above: list[str]
    below: list[str]
    terms: list[str]
    titles: dict[str, str]
    alt_ids: dict[str, str]


def read_obo(
    source: Source, encoding: str, relationships: Collection[str], namespace: str | None
) -> tuple[Lines, Ontology]:
    """Return the source and its terms, obsolete ones and those of other namespaces left out."""
    lines = read_lines(source, encoding)
    terms = _by_id(lines, list(_terms(lines)))
    _refuse_missing(lines, terms, namespace)
    used = {
        term.id: term
        for term in terms.values()
        if not term.obsolete and namespace in (None, term.namespace)
    }
    edges: dict[tuple[str, str], None] = {}
    for term in used.values():
        for parent, relationship, line in term.parents:
            if relationship not in relationships:
                continue
            if parent not in terms:
                raise lines.error(
                    line, f"{term.id!r} has the parent {parent!r}, which is not a term."
                )
            if terms[parent].obsolete:
                raise lines.error(
                    line, f"{term.id!r} has the parent {parent!r}, which is obsolete."
                )
            if parent in used:
                edges[parent, term.id] = None  # once, though it may be two relationships
    return lines, Ontology(
        [parent for parent, _ in edges],
        [child for _, child in edges],
        list(used),
        {term.id: term.name for term in used.values() if term.name},
        {other: term.id for term in used.values() for other in term.alt_ids if other not in used},
    )


def _by_id(lines: Lines, terms: list[_Term]) -> dict[str, _Term]:
    found: dict[str, _Term] = {}
    for term in terms:
        if not term.id:
            raise lines.error(term.line, "a [Term] without an id.")
        first = found.setdefault(term.id, term)
        if first is not term:
            raise lines.error(term.line, f"the term {term.id!r} is already on line {first.line}.")
    return found


def _refuse_missing(lines: Lines, terms: dict[str, _Term], namespace: str | None) -> None:
    if not terms:
        raise lines.error(max(1, len(lines.lines)), "no [Term] up to here. Is this an OBO file?")
    known = sorted({term.namespace for term in terms.values() if not term.obsolete})
    if namespace is not None and namespace not in known:
        raise ValueError(f"`namespace` must be one of {known}, got {namespace!r}.")


def _terms(lines: Lines) -> Iterator[_Term]:
    """Yield the stanzas of terms; those of relationships and instances are passed over."""
    default_namespace = ""
    term: _Term | None = None
    in_header = True
    for number, line in _whole_lines(lines):
        if line.startswith("["):
            if not line.rstrip().endswith("]"):
                raise lines.error(
                    number, f"a stanza must begin with its kind in [], got {line[:40]!r}."
                )
            if term is not None:
                yield term
            is_term = line.rstrip() == "[Term]"
            term = _Term(number, namespace=default_namespace) if is_term else None
            in_header = False
            continue
        tag, colon, value = line.partition(":")
        if not colon or not _TAG.fullmatch(tag):
            raise lines.error(number, f"must be `tag: value`, got {line[:40]!r}.")
        if in_header and tag.strip() == "default-namespace":
            default_namespace = _value(value)
        if term is not None:
            _read_tag(lines, number, term, tag.strip(), _value(value))
    if term is not None:
        yield term


def _read_tag(lines: Lines, number: int, term: _Term, tag: str, value: str) -> None:
    if tag in ("id", "name", "namespace"):
        if tag == "id" and term.id:
            raise lines.error(number, f"a second id of the term {term.id!r}.")
        setattr(term, tag, value)
    elif tag == "is_obsolete":
        term.obsolete = value == "true"
    elif tag == "alt_id":
        term.alt_ids.append(value)
    elif tag == "is_a":
        if not value:
            raise lines.error(number, "is_a must name a term.")
        term.parents.append((value, "is_a", number))
    elif tag == "relationship":
        relationship, _, parent = value.partition(" ")
        if not parent.strip():
            raise lines.error(
                number, f"a relationship must have a kind and a term, got {value!r}."
            )
        term.parents.append((parent.strip(), relationship, number))


def _whole_lines(lines: Lines) -> Iterator[tuple[int, str]]:
    """Yield lines with what a backslash at their end continues, without blank and comment lines."""
    begun, start = "", 0
    for number, line in lines:
        start = start or number
        if line.endswith("\\") and not line.endswith("\\\\"):
            begun += line[:-1]
            continue
        line, begun = begun + line, ""
        if line.strip() and not line.lstrip().startswith("!"):
            yield start, line
        start = 0
    if begun:
        yield start, begun


def _value(text: str) -> str:
    """Return a value without its comment and trailing modifiers, escapes read."""
    text = _MODIFIERS.sub("", _COMMENT.split(text, maxsplit=1)[0].strip())
    return _ESCAPED.sub(lambda found: _CHARACTERS.get(found[1], found[1]), text).strip()
