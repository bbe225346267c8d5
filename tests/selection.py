"""The part of the tests that a plain ``pytest`` runs, and how the rest is run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from zlib import crc32

import pytest

SELECTED = "not slow and not more"  # as in pyproject.toml
HOW_TO_RUN_THE_REST = (
    "This was a selection of the tests. The rest: `python -m pytest -n auto -m 'slow or more'`; "
    "all: `-m ''`."
)


def leave_out_cases(items: list[pytest.Item]) -> None:
    """Mark the cases of tests with ``few(n)`` as ``more``, all but `n` of each test."""
    tests = defaultdict(list)
    for item in items:
        if item.get_closest_marker("few") and not item.get_closest_marker("slow"):
            tests[item.nodeid.partition("[")[0]].append(item)
    for cases in tests.values():
        (number,) = cases[0].get_closest_marker("few").args
        chosen = set(spread(list(map(values, cases)), number))
        for place, case in enumerate(cases):
            if place not in chosen:
                case.add_marker("more")


def values(item: pytest.Item) -> set[tuple[str, object]]:
    """Return what tells a case from others: for each ``parametrize``, its names and values."""
    left = dict(item.callspec.params)
    found = set()
    for mark in item.iter_markers("parametrize"):
        names = mark.args[0]
        names = names.split(",") if isinstance(names, str) else names
        names = [name.strip() for name in names if name.strip() in left]
        found.add((",".join(names), tuple(_key(left.pop(name)) for name in names)))
    return found | {(name, _key(value)) for name, value in left.items()}


def _key(value: object) -> object:
    return value if isinstance(value, str | int | float | None) else id(value)


def spread(cases: list[set[tuple[str, object]]], number: int) -> Iterator[int]:
    """Yield `number` positions of cases, such that as many values as can be are among them."""
    # In an order that has nothing to do with that of the lists, but is always the same.
    left = sorted(range(len(cases)), key=lambda place: crc32(str(place).encode()))
    seen: set[tuple[str, object]] = set()
    for _ in range(min(number, len(cases))):
        place = max(left, key=lambda place: len(cases[place] - seen))
        left.remove(place)
        seen |= cases[place]
        yield place
