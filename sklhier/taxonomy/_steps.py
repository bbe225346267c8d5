"""Steps of paths: how they are cleaned, and joined into names and split again."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sklhier.exceptions import TaxonomyError, shown
from sklhier.taxonomy._parsing import is_padding, plain

__all__ = [
    "Cleaner",
    "Gaps",
    "Missing",
    "checked_gaps",
    "checked_sep",
    "cleaner",
    "escaped",
    "filler",
    "split_path",
    "unescaped",
]

Gaps: TypeAlias = Literal["error", "skip", "fill"]
Missing: TypeAlias = Collection[Hashable] | Callable[[Hashable], bool]

# `str.strip` leaves these: they take no room, or mark the beginning of a file.
_BLANK = r"[\s\u200b\u2060\ufeff]"
_BLANK_ENDS = re.compile(rf"\A{_BLANK}+|{_BLANK}+\Z")


def checked_sep(sep: object) -> str:
    """Return a separator; refuse the empty string and what is no string."""
    if not isinstance(sep, str) or not sep:
        raise TaxonomyError(
            f"`sep` must be a string of at least one character, got {shown(sep)}. For labels "
            "without levels use `Taxonomy.flat`."
        )
    return sep


def checked_gaps(gaps: object) -> Gaps:
    """Return what to do about gaps; refuse any other value."""
    if gaps not in ("error", "skip", "fill"):
        raise TaxonomyError(f"`gaps` must be 'error', 'skip' or 'fill', got {shown(gaps)}.")
    return gaps


# -- cleaning -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Cleaner:
    """Takes the blanks around a step away, and makes None of what is no label.

    Attributes
    ----------
    strip : bool
    is_placeholder : callable or None
        Tells whether a step, stripped if at all, means no label.
    """

    strip: bool
    is_placeholder: Callable[[Hashable], bool] | None

    def __call__(self, step: Hashable) -> Hashable | None:
        step = stripped(step) if self.strip else step
        padding = not step if type(step) is str else is_padding(step)
        absent = padding or (self.is_placeholder is not None and self.is_placeholder(step))
        return None if absent else step

    def changes_nothing(self, paths: Collection[str], sep: str) -> bool:
        """Whether no step of any path is escaped, missing, or stripped; one search for all."""
        text = sep.join(paths)
        if self.is_placeholder is not None or not text or "\\" in text:
            return False
        mark = re.escape(sep)
        edges = [rf"\A{mark}", mark * 2, rf"{mark}\Z"]  # of an empty step
        if self.strip:
            edges += [rf"(?:\A|{mark}){_BLANK}", rf"{_BLANK}(?:{mark}|\Z)"]
        return re.search("|".join(edges), text) is None


def cleaner(strip: object, missing: object) -> Cleaner:
    """Return what cleans steps; refuse other values of the parameters."""
    if not isinstance(strip, bool):
        raise TaxonomyError(f"`strip` must be True or False, got {shown(strip)}.")
    return Cleaner(strip, _placeholders(missing, strip))


def stripped(step: Hashable) -> Hashable:
    """Return a string without blanks and invisible characters around it."""
    if not isinstance(step, str):
        return step
    text = step.strip()
    return text if text.isascii() else _BLANK_ENDS.sub("", text)


def _placeholders(missing: object, strip: bool) -> Callable[[Hashable], bool] | None:
    if missing is None:
        return None
    if callable(missing) and not isinstance(missing, type):
        return lambda step: bool(missing(step))
    wrong = isinstance(missing, str | bytes | Mapping) or not isinstance(missing, Collection)
    if wrong or not all(isinstance(value, Hashable) for value in missing):  # type: ignore[attr-defined]
        raise TaxonomyError(
            "`missing` must be a collection of values that mean no label, or a function that tests "
            f"for them, got {shown(missing)}."
            + (f" Did you mean [{shown(missing)}]?" if isinstance(missing, str) else "")
        )
    values = map(plain, missing)  # type: ignore[call-overload]
    keys = {_key(stripped(value) if strip else value) for value in values}
    return lambda step: _key(step) in keys


def _key(step: Hashable) -> Hashable:
    return isinstance(step, bool), step


def filler(parent: object) -> str:
    """Return the name of a step that stands for a missing one below `parent`; None is the root."""
    return "(root)" if parent is None else f"({parent})"


# -- names --------------------------------------------------------------------------------


def escaped(step: object, sep: str) -> str:
    r"""Return a step as it stands in a name: `split_path` finds its end, `unescaped` undoes it.

    A separator within it, also one that would begin at its end, is preceded by a backslash; then, and
    at its end, backslashes are doubled. All other steps stay as they print, whole numbers alike
    whatever their type.
    """
    text = _printed(step)
    if "\\" in sep:  # then nothing can be escaped
        if (text + sep).find(sep) < len(text):
            raise TaxonomyError(
                f"The step {shown(text)} contains the separator {sep!r}, which cannot be escaped. "
                "Choose another `sep`."
            )
        return text
    joined = text + sep
    if joined.find(sep) == len(text):
        kept = text.rstrip("\\")
        return text + text[len(kept) :]
    starts = {i for i in range(len(text)) if joined.startswith(sep, i)}
    return "".join(f"\\{c}" if c == "\\" or i in starts else c for i, c in enumerate(text))


def _printed(step: object) -> str:
    whole = isinstance(step, float) and step.is_integer() and abs(step) < 1e15
    return str(int(step)) if whole else str(step)  # type: ignore[call-overload]


def split_path(path: str, sep: str) -> list[str]:
    """Return the steps of a name, still escaped."""
    if "\\" not in path or "\\" in sep:
        return path.split(sep)
    parts, start, place = [], 0, 0
    while place < len(path):
        if path[place] == "\\":
            place += 2
        elif path.startswith(sep, place):
            parts.append(path[start:place])
            start = place = place + len(sep)
        else:
            place += 1
    return [*parts, path[start:]]


def unescaped(part: str, sep: str) -> str:
    """Return the step that `escaped` has made this of; what it does not make stays as it is."""
    if "\\" not in part or "\\" in sep:
        return part
    joined = part + sep
    plain_text, place, holds_sep = [], 0, False
    while place < len(part):
        if part[place] == "\\" and place + 1 < len(part):
            place += 1
            holds_sep = holds_sep or (part[place] != "\\" and joined.startswith(sep, place))
            if part[place] != "\\" and not joined.startswith(sep, place):
                plain_text.append("\\")
        plain_text.append(part[place])
        place += 1
    if holds_sep:
        return "".join(plain_text)
    kept = part.rstrip("\\")
    run = len(part) - len(kept)
    return kept + "\\" * (run // 2 if run % 2 == 0 else run)
