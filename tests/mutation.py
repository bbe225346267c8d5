"""Draw changes of the code at random, and run the tests against one: for ``mutation.toml``.

The tests run twice, with compiled code switched off and on, where it was built.
"""

import argparse
import ast
import functools
import itertools
import os
import random
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

FIRST = 60  # tests that start alone: most changes fail one of them
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow"]


@dataclass(frozen=True)
class Way:
    """The tests with compiled code switched off or on."""

    name: str
    kernels: str

    @property
    def trace(self):
        return Path(f"mutation.{self.name}.coverage")

    @property
    def times(self):
        return Path(f"mutation.{self.name}.xml")

    def run(self, command, **variables):
        environment = {**os.environ, "SKLHIER_KERNELS": self.kernels, **variables}
        return subprocess.run(command, env=environment, check=False).returncode


WAYS = (Way("python", "0"), Way("compiled", "1"))


def trace():
    """Record which tests run each line, and how long each test takes."""
    options = ["-n", "auto", "--cov=sklhier", "--cov-context=test", "--cov-report="]
    ended = [
        way.run([*PYTEST, *options, f"--junitxml={way.times}"], COVERAGE_FILE=str(way.trace))
        for way in WAYS
    ]
    return max(ended)


def changed_lines():
    """Return the file that differs from the last commit, and the numbers of its old lines."""
    diff = subprocess.run(
        ["git", "diff", "-U0", "--", "sklhier"], capture_output=True, text=True, check=True
    ).stdout
    path = re.search(r"^--- a/(.*)$", diff, re.MULTILINE).group(1)
    lines = set()
    for start, count in re.findall(r"^@@ -(\d+)(?:,(\d+))? ", diff, re.MULTILINE):
        lines |= set(range(int(start), int(start) + int(count or 1)))
    return path, lines


def seconds_by_test(way):
    """Return the time of each test by its id."""
    times = {}
    for case in ET.parse(way.times).iter("testcase"):
        file = case.get("classname").replace(".", "/") + ".py"
        times[f"{file}::{case.get('name')}"] = float(case.get("time"))
    return times


def whole_statements(path, lines):
    """Return all lines of the statements, as last committed, that these lines are in."""
    from coverage.parser import PythonParser

    command = ["git", "show", f"HEAD:{path}"]
    source = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    parser = PythonParser(text=source)
    parser.parse_source()
    first = {parser.first_line(line) for line in lines}
    n_lines = source.count("\n")
    return [line for line in range(1, n_lines + 1) if parser.first_line(line) in first]


def tests_of(way, path, lines, seconds):
    """Return the tests that run these lines, the fastest first, of at most so many seconds."""
    import coverage

    data = coverage.CoverageData(str(way.trace))
    data.read()
    # The trace may have been taken in another clone.
    (measured,) = (file for file in data.measured_files() if file.endswith(f"/{path}"))
    contexts = data.contexts_by_lineno(measured)
    lines = whole_statements(path, lines)
    ids = {context.partition("|")[0] for line in lines for context in contexts.get(line, ())}
    times = seconds_by_test(way)
    # What runs when a module is imported belongs to no test: then all of them have run it.
    chosen = sorted(times if ids == {""} else ids - {""}, key=lambda test: times.get(test, 0.0))
    spent = itertools.accumulate(times.get(test, 0.0) for test in chosen)
    return [test for test, total in zip(chosen, spent, strict=True) if total <= seconds]


def test(seconds):
    """Run the tests that run the changed lines until one fails: a few of them before the others."""
    path, lines = changed_lines()
    for way in WAYS:
        chosen = tests_of(way, path, lines, seconds)
        for part in filter(None, (chosen[:FIRST], chosen[FIRST:])):
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
                file.write("\n".join(part))
                file.flush()
                command = [*PYTEST, "-x", "--tb=line", f"@{file.name}"]
                ended = way.run(command, SKLHIER_HYPOTHESIS="first_failure")
            if ended:
                return ended
    return 0


@functools.cache
def spans_of_types(path):
    """Return the places of annotations in a module, which do nothing when it runs."""
    spans = []
    for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
        for name in ("annotation", "returns"):
            part = getattr(node, name, None)
            if part is not None:
                spans.append(
                    ((part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset))
                )
    return spans


def draw(session, number, seed):
    """Keep a random sample of the changes of a session, of each place at most one."""
    from cosmic_ray.work_db import WorkDB, use_db

    with use_db(session, WorkDB.Mode.open) as database:
        places = {}
        for item in database.work_items:
            change = item.mutations[0]
            spans = spans_of_types(change.module_path)
            if not any(start <= tuple(change.start_pos) < stop for start, stop in spans):
                place = (str(change.module_path), *change.start_pos, *change.end_pos)
                places.setdefault(place, []).append(item)
        random.seed(seed)
        chosen = random.sample(sorted(places), min(number, len(places)))
        drawn = [
            random.choice(sorted(places[place], key=lambda item: item.mutations[0].operator_name))
            for place in chosen
        ]
        database.clear()
        database.add_work_items(drawn)
    print(f"{len(drawn)} changes, of {len(places)} places where one is possible")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("trace")
    testing = commands.add_parser("test")
    testing.add_argument("--seconds", type=float, default=float("inf"), help="of tests, at most")
    drawing = commands.add_parser("draw")
    drawing.add_argument("session")
    drawing.add_argument("--number", type=int, default=400)
    drawing.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.command == "draw":
        draw(given.session, given.number, given.seed)
    else:
        sys.exit(trace() if given.command == "trace" else test(given.seconds))
