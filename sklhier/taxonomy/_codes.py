"""Codes that begin with the codes of their ancestors, as those of classifications do."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias

from sklhier._utils.validation import check_choice
from sklhier.exceptions import TaxonomyError, quoted
from sklhier.taxonomy._parsing import is_missing, plain, sort_key

__all__ = ["CodeParents", "parents_of_codes"]

_SEPARATORS = re.compile(r"[\s.\-/_]+")
_RANGE = re.compile(r"\s*([0-9A-Za-z.]+)\s*[-\u2013]\s*([0-9A-Za-z.]+)\s*")
_LETTERS = re.compile(r"[^\W\d_]*")
_TRAILING = re.compile(r"[\s.\-/_]+$")

CodeParents: TypeAlias = dict[Hashable, Hashable | None]


@dataclass(frozen=True)
class _Code:
    """A code, or a range of codes.

    Attributes
    ----------
    name : hashable
        As given.
    first, last : str
        Letters and digits without separators; equal, and as long, but for a range.
    """

    name: Hashable
    first: str
    last: str

    @property
    def is_range(self) -> bool:
        return self.first != self.last

    @property
    def width(self) -> int:
        return len(self.first)

    def covers(self, other: _Code) -> bool:
        """Whether another code lies below this one, or is in the range."""
        return self.holds(other.first) and self.holds(other.last)

    def holds(self, text: str) -> bool:
        """Whether text begins with this code, or with one in the range."""
        beginning = text[: self.width]
        return self.first <= beginning <= self.last and _shape(beginning) == _shape(self.first)


def parents_of_codes(
    codes: Iterable[object],
    lengths: str | Sequence[int] | None,
    *,
    sep: str | None,
    padding: str | None,
    gaps: str,
) -> CodeParents:
    """Return the parent of each code, None at the top; for parameters see ``from_codes``."""
    check_choice("gaps", gaps, ("error", "skip", "fill"))
    if isinstance(codes, str | bytes) or hasattr(codes, "columns"):
        raise TaxonomyError(
            f"`codes` must be a collection of codes, such as a list or a column, got {codes!r:.80}."
        )
    if isinstance(codes, AbstractSet):  # whose order would change with the hash seed
        codes = sorted(codes, key=sort_key)
    names = list(dict.fromkeys(map(_checked, codes)))
    if not names:
        raise TaxonomyError("There must be some codes, got none.")
    if sep is not None:
        if lengths is not None or padding is not None:
            raise TaxonomyError(
                "Either `sep` or `lengths` may define the parent of a code, got both. Leave one out."
            )
        return _by_steps(names, sep, gaps)
    widths = _checked_lengths(lengths)
    if padding is not None and widths is None:
        raise TaxonomyError("`padding` needs `lengths`, the number of characters at each level.")
    found = [_code_of(name, padding, widths) for name in names]
    if widths is None:
        if lengths is None:
            _refuse_ambiguous(found)
        return _by_prefix(found, gaps)
    return _by_lengths(found, widths, gaps, padding)


# -- reading of codes ---------------------------------------------------------------------


def _checked(code: object) -> Hashable:
    name = plain(code)
    if is_missing(name) or isinstance(name, bool) or not isinstance(name, str | int):
        raise TaxonomyError(
            f"A code must be text or an integer, got {name!r}. Read codes as text: numbers lose "
            "their leading zeros."
        )
    if not _SEPARATORS.sub("", str(name)):
        raise TaxonomyError(f"A code must have letters or digits, got {name!r}.")
    return name


def _code_of(name: Hashable, padding: str | None, widths: list[int] | None) -> _Code:
    text = str(name)
    ends = _RANGE.fullmatch(text)
    if ends:
        first, last = (_SEPARATORS.sub("", end) for end in ends.groups())
        # "11-1011" is a code with a separator; the ends of a range are as long, and in order.
        if _shape(first) == _shape(last) and first < last:
            return _Code(name, first, last)
    key = _SEPARATORS.sub("", text)
    if padding is not None and widths is not None:
        bare = len(key.rstrip(padding))
        key = key[: next((width for width in widths if width >= bare), len(key))]
    return _Code(name, key, key)


def _shape(text: str) -> str:
    """Return which characters are digits: 100 is in no range of A00 to B99."""
    return "".join("0" if character.isdigit() else "A" for character in text)


def _checked_lengths(lengths: str | Sequence[int] | None) -> list[int] | None:
    if lengths is None or (isinstance(lengths, str) and lengths == "prefix"):
        return None
    widths = [] if isinstance(lengths, str) else [plain(width) for width in lengths]
    right = [
        isinstance(width, int) and not isinstance(width, bool) and width > 0 for width in widths
    ]
    if not widths or not all(right) or widths != sorted(set(widths)):  # type: ignore[type-var]
        raise TaxonomyError(
            "`lengths` must be 'prefix' or ascending numbers of characters, one for each level, such "
            f"as [2, 3, 4], got {lengths!r}."
        )
    return widths  # type: ignore[return-value]


def _refuse_alike(codes: Iterable[_Code]) -> dict[tuple[str, str], int]:
    """Return the place of each code by its ends; refuse two codes that differ in separators only."""
    place: dict[tuple[str, str], int] = {}
    names: list[Hashable] = []
    for number, code in enumerate(codes):
        names.append(code.name)
        other = place.setdefault((code.first, code.last), number)
        if other != number:
            raise TaxonomyError(
                f"The codes {names[other]!r} and {code.name!r} differ only in separators or padding. "
                "Write a code in one way."
            )
    return place


def _refuse_ambiguous(codes: list[_Code]) -> None:
    """Refuse codes for which it is not certain whether 1.10 is below 1.1, or beside it."""
    texts = [str(code.name) for code in codes if not code.is_range]
    if not any("." in text for text in texts):
        return
    siblings: dict[str, set[str]] = {"": {text.partition(".")[0] for text in texts}}
    for stem, dot, step in (text.rpartition(".") for text in texts):
        if dot:
            siblings.setdefault(stem + dot, set()).add(step)
    for stem, steps in siblings.items():
        if stem.count(".") < 2 and not _are_counted(steps):
            continue
        for step in sorted(steps):
            if any(step[:cut] in steps for cut in range(1, len(step))):
                raise TaxonomyError(
                    f"The parent of {stem + step!r} is ambiguous: it begins with another code, but "
                    "dots may separate steps. Pass sep='.' for steps, or lengths='prefix' for "
                    "prefixes."
                )


def _are_counted(steps: set[str]) -> bool:
    """Whether steps are numbers counted up from 0 or 1, beyond 9, with few left out."""
    numbers = sorted(int(step) for step in steps if step.isascii() and step.isdigit())
    plain_numbers = len(numbers) == len(steps) == len(set(map(str, numbers)) & steps)
    return plain_numbers and numbers[0] <= 1 and 9 < numbers[-1] < 2 * len(numbers)


# -- the parent is the longest beginning --------------------------------------------------


class _Ranges:
    """The innermost range that a code lies in, for ranges of one width and shape."""

    def __init__(self, ranges: list[tuple[int, _Code]]) -> None:
        # Outer ranges first; each gets the range around it from a stack of the open ones.
        ordered = sorted(ranges, key=lambda item: item[1].last, reverse=True)
        self.ordered = sorted(ordered, key=lambda item: item[1].first)
        self.around: dict[int, int] = {}
        self.code = dict(ranges)
        stack: list[tuple[int, _Code]] = []
        for place, code in self.ordered:
            while stack and stack[-1][1].last < code.first:
                stack.pop()
            if stack and stack[-1][1].last < code.last:
                raise TaxonomyError(
                    f"The ranges {stack[-1][1].name!r} and {code.name!r} overlap, so the parent of a "
                    "code in both is ambiguous. One of two ranges must contain the other."
                )
            self.around[place] = stack[-1][0] if stack else -1
            stack.append((place, code))

    def innermost(self, texts: Iterable[str]) -> dict[str, int]:
        """Return the place of the narrowest range around each text of this width, or -1."""
        found: dict[str, int] = {}
        stack: list[tuple[int, _Code]] = []
        rest = iter(self.ordered)
        following = next(rest, None)
        for text in sorted(texts):
            while following is not None and following[1].first <= text:
                while stack and stack[-1][1].last < following[1].first:
                    stack.pop()
                stack.append(following)
                following = next(rest, None)
            while stack and stack[-1][1].last < text:
                stack.pop()
            found[text] = stack[-1][0] if stack else -1
        return found


class _Finder:
    """The nearest code above a code: the longest other one that it begins with or lies in."""

    def __init__(self, codes: list[_Code]) -> None:
        self.codes = codes
        self.place = _refuse_alike(codes)
        groups: dict[str, list[tuple[int, _Code]]] = {}
        for number, code in enumerate(codes):
            if code.is_range:
                groups.setdefault(_shape(code.first), []).append((number, code))
        self.ranges = {shape: _Ranges(members) for shape, members in groups.items()}
        self.widths = sorted({len(shape) for shape in groups}, reverse=True)
        self.inner = {shape: self._innermost(shape) for shape in groups}

    def _innermost(self, shape: str) -> dict[str, int]:
        width = len(shape)
        texts = {code.first[:width] for code in self.codes if code.width >= width}
        return self.ranges[shape].innermost(text for text in texts if _shape(text) == shape)

    def above(self, number: int) -> int:
        """Return the place of the code above, or -1."""
        code = self.codes[number]
        if code.is_range:
            around = self.ranges[_shape(code.first)].around[number]
            if around >= 0:
                return around
        else:
            around = self._range(code, code.width)
            if around >= 0:
                return around
        for width in range(code.width - 1, 0, -1):
            beginning = code.first[:width]
            if code.last.startswith(beginning) and (beginning, beginning) in self.place:
                return self.place[beginning, beginning]
            around = self._range(code, width)
            if around >= 0:
                return around
        return -1

    def _range(self, code: _Code, width: int) -> int:
        """Return the narrowest range of a width that holds a code, or -1."""
        shape = _shape(code.first[:width])
        if shape not in self.ranges:
            return -1
        around = self.inner[shape].get(code.first[:width], -1)
        while around >= 0 and not self.codes[around].covers(code):
            around = self.ranges[shape].around[around]
        return around


def _by_prefix(codes: list[_Code], gaps: str) -> CodeParents:
    if gaps == "fill":
        raise TaxonomyError("gaps='fill' needs `lengths`, the number of characters at each level.")
    finder = _Finder(codes)
    parents = list(map(finder.above, range(len(codes))))
    names = [code.name for code in codes]
    if len(codes) > 1 and max(parents) < 0:
        raise TaxonomyError(
            f"No code begins with another one: {quoted(names)}. Add the codes above, or pass "
            "`lengths` with gaps='fill'. Use Taxonomy.flat for classes without parents."
        )
    if gaps == "error":
        _refuse_long_tops(
            [code for code, parent in zip(codes, parents, strict=True) if parent < 0]
        )
    return {
        name: None if parent < 0 else names[parent]
        for name, parent in zip(names, parents, strict=True)
    }


def _refuse_long_tops(tops: list[_Code]) -> None:
    """Refuse a code at the top that is longer than others of its kind: those above it are missing."""
    shortest: dict[str, _Code] = {}
    for code in sorted(tops, key=lambda code: code.width):
        first = shortest.setdefault(_leading_letters(code.first), code)
        if code.width > first.width and not code.is_range:
            raise TaxonomyError(
                f"No code is above {code.name!r}, which is longer than others at the top, such as "
                f"{first.name!r}. Add the missing code, or pass gaps='skip' to leave it at the top."
            )


def _leading_letters(text: str) -> str:
    found = _LETTERS.match(text)
    return found.group() if found else ""


# -- the parent has the next smaller length -----------------------------------------------


def _by_lengths(
    codes: list[_Code], widths: list[int], gaps: str, padding: str | None
) -> CodeParents:
    level = {width: number for number, width in enumerate(widths)}
    for code in codes:
        if code.width not in level:
            raise TaxonomyError(
                f"The code {code.name!r} has {code.width} characters, which is not among `lengths` "
                f"{widths} (separators do not count)."
            )
    finder = _Finder(codes)
    parents: CodeParents = {}
    for number, code in enumerate(codes):
        above = finder.above(number)
        name = None if above < 0 else codes[above].name
        reached = -1 if above < 0 else level[codes[above].width]
        between = [w for w in widths[reached + 1 : level[code.width]] if _has_beginning(code, w)]
        if between and gaps == "error":
            missing = _cut(code, between[-1], padding)
            raise TaxonomyError(
                f"There is no code {missing!r} above {code.name!r}. Add it, or pass gaps='skip' to "
                "leave the level out, or gaps='fill' to create the code."
            )
        for width in between if gaps == "fill" else ():
            made = _cut(code, width, padding)
            parents.setdefault(made, name)
            name = made
        parents[code.name] = name
    return parents


def _has_beginning(code: _Code, width: int) -> bool:
    """Whether there is one code of this length above: a range may span several."""
    return code.first[:width] == code.last[:width]


def _cut(code: _Code, width: int, padding: str | None) -> Hashable:
    """Return the first characters of a code, with the separators between them, or padded."""
    if isinstance(code.name, int):
        return int(code.first[:width])
    kept: list[str] = []
    left = width
    for character in str(code.name):
        if _SEPARATORS.fullmatch(character):
            kept.append(character)
            continue
        if not left and padding is None:
            break
        kept.append(character if left else str(padding))
        left -= left > 0
    return _TRAILING.sub("", "".join(kept))


# -- codes of separated steps -------------------------------------------------------------


def _by_steps(names: list[Hashable], sep: str, gaps: str) -> CodeParents:
    if not isinstance(sep, str) or not sep:
        raise TaxonomyError(f"`sep` must be text that separates steps, got {sep!r}.")
    if not any(sep in str(name) for name in names):
        raise TaxonomyError(f"No code contains the separator {sep!r}: {quoted(names)}.")
    known = {str(name): name for name in names}
    parents: CodeParents = {}
    for name in names:
        steps = str(name).split(sep)
        if not all(steps):
            raise TaxonomyError(f"The code {name!r} has an empty step: {sep!r} separates steps.")
        above: Hashable | None = None
        for depth in range(1, len(steps)):
            beginning = sep.join(steps[:depth])
            if beginning not in known and gaps == "error":
                raise TaxonomyError(
                    f"There is no code {beginning!r} above {name!r}. Add it, or pass gaps='skip' to "
                    "leave the level out, or gaps='fill' to create the code."
                )
            if beginning not in known and gaps == "fill":
                parents.setdefault(beginning, above)
            if beginning in known or gaps == "fill":
                above = known.get(beginning, beginning)
        parents[name] = above
    return parents
