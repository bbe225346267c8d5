"""Draw changes of the code at random, and run the tests against one: for ``mutation.toml``."""

import argparse
import ast
import functools
import os
import random
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

# The tests most likely to notice a change in a package run first.
FIRST = {
    "_folds": ["model_selection", "label_sets", "staging"],
    "_joint": ["multihead"],
    "_local": ["linear", "classifier", "strategies", "multilabel"],
    "_probabilities": ["node_proba", "consistency", "decoders", "classifier", "multilabel"],
    "_targets": ["targets", "label_sets", "metrics"],
    "_training": ["staging", "classifier", "multilabel"],
    "decoders": ["decoders", "multilabel"],
    "metrics": ["metrics"],
    "model_selection": ["model_selection", "staging"],
    "strategies": ["strategies", "multilabel", "staging"],
    "taxonomy": ["taxonomy", "node_ops", "label_sets", "closed_sets", "metrics"],
}
# These read the code or the documentation, or run far more than one part of it.
LAST = {"benchmarks", "cli", "datasets", "docs_examples", "layers", "readme", "real_data"}


def test():
    """Run the tests of the package that differs from the last commit, then the others."""
    changed = subprocess.run(
        ["git", "diff", "--name-only", "--", "sklhier"], capture_output=True, text=True, check=True
    ).stdout.split()
    names = [path.stem.removeprefix("test_") for path in sorted(HERE.glob("test_*.py"))]
    first = [name for path in changed for name in FIRST.get(Path(path).parts[1], ())]
    order = [name for name in first if name in names]
    order += [name for name in names if name not in order and name not in LAST]
    files = [str(HERE / f"test_{name}.py") for name in dict.fromkeys(order)]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=line", "-p", "no:cacheprovider"]
    environment = {**os.environ, "SKLHIER_HYPOTHESIS": "first_failure"}
    return subprocess.run([*command, *files], env=environment, check=False).returncode


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
    commands.add_parser("test")
    drawing = commands.add_parser("draw")
    drawing.add_argument("session")
    drawing.add_argument("--number", type=int, default=400)
    drawing.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sys.exit(test() if given.command == "test" else draw(given.session, given.number, given.seed))
