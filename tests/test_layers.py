"""The layers of the package, and the pages that show them.

A module imports only from layers above its own. ``python tests/test_layers.py`` writes the table of
CONTRIBUTING and the list of modules in the documentation again.
"""

import ast
import re
import runpy
from functools import cache
from itertools import chain
from pathlib import Path

import networkx as nx
import pytest

import sklhier

PACKAGE = Path(sklhier.__file__).parent
ROOT = Path(__file__).parents[1]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
TOUR = ROOT / "docs" / "user_guide" / "tour.rst"
MODULES = TOUR.with_name("_tour_modules.inc")

# From the top: a part may import what stands in an earlier line, and what is its own.
LAYERS = [
    ["_version", "exceptions"],
    ["_utils"],
    ["taxonomy", "links", "calibration", "staging", "objectives", "linear_model"],
    ["_targets", "_probabilities", "datasets"],
    ["_folds", "_local", "_joint", "decoders", "metrics"],
    ["strategies", "model_selection"],
    ["_training"],
    ["_classifiers"],
    ["explanation"],
    ["displays"],
    ["__init__"],
    ["persistence"],
    ["_cli"],
    ["__main__"],
]
# Stricter than the order: decoders, metrics and searches know no model.
FORBIDDEN = {
    "decoders": {"_targets"},
    "metrics": {"_probabilities"},
    "model_selection": {"_local", "_joint"},
    "datasets": {"_targets", "_probabilities"},
    "displays": {"_local", "_joint", "_probabilities", "decoders"},
}
MOST_PARTS, MOST_ARROWS, MOST_PRIVATE_FILES = 27, 98, 6


@cache
def modules():
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def parts():
    return {part_of(path) for path in modules()}


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported_parts(path):
    return frozenset(found_imports(path))


def found_imports(path):
    names = parts()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sklhier":
            assert node.level == 0, "imports are absolute"
            below = node.module.split(".")[1:]
            if below:
                yield below[0]
            else:
                yield from (a.name if a.name in names else "__init__" for a in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "sklhier":
                    yield [*alias.name.split("."), "__init__"][1]


@pytest.mark.few(41)
@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_upwards(path):
    layer = {name: number for number, names in enumerate(LAYERS) for name in names}
    own = part_of(path)
    assert own in layer, f"{own} has no layer yet"
    for other in imported_parts(path):
        assert other == own or layer[other] < layer[own], f"{own} imports {other}"
        assert other not in FORBIDDEN.get(own, set()), f"{own} must not know {other}"


def test_the_house_stays_small():
    arrows = {(part_of(path), other) for path in modules() for other in imported_parts(path)}
    arrows = {(own, other) for own, other in arrows if own != other}
    assert len(parts()) <= MOST_PARTS
    assert len(arrows) <= MOST_ARROWS
    private = [path for path in PACKAGE.glob("_*.py") if not path.stem.startswith("__")]
    assert len(private) <= MOST_PRIVATE_FILES


def module_of(path):
    names = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(names).removesuffix(".__init__")


def imported_modules(path, known):
    """Yield the modules that a module imports, also for type checkers alone."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else node.module


def test_no_module_imports_one_that_imports_it():
    known = set(map(module_of, modules()))
    arrows = [
        (module_of(path), other) for path in modules() for other in imported_modules(path, known)
    ]
    circles = nx.strongly_connected_components(nx.DiGraph(arrows))
    assert not [sorted(circle) for circle in circles if len(circle) > 1]


def test_layers_name_what_exists():
    assert parts() == {name for names in LAYERS for name in names}


# -- pages that show the layers and modules -----------------------------------------------


def first_line(path):
    """Return the first line of the docstring of a module, or of a package by its folder."""
    path = path / "__init__.py" if path.is_dir() else path
    return ast.get_docstring(parsed(path)).partition("\n")[0]


def path_of(part):
    return PACKAGE / part if (PACKAGE / part).is_dir() else PACKAGE / f"{part}.py"


def shown(path):
    return f"{path.name}/" if path.is_dir() else path.name


def layer_table():
    """Return the table of layers in Markdown."""
    rows = ["| Layer | Part | Content |", "| --- | --- | --- |"]
    for number, names in enumerate(LAYERS, start=1):
        paths = map(path_of, names)
        rows += [f"| {number} | `{shown(path)}` | {first_line(path)} |" for path in paths]
    return "\n".join(rows)


def with_layer_table(text):
    """Return the text of CONTRIBUTING with the table between its two marks written again."""
    before, start, rest = text.partition("<!-- layers -->\n")
    _, end, after = rest.partition("<!-- end of layers -->")
    assert start, "the mark before the table is missing"
    assert end, "the mark after the table is missing"
    return f"{before}{start}{layer_table()}\n{end}{after}"


def module_list():
    """Return all modules with their first lines in reStructuredText, folder by folder."""
    paths = list(map(path_of, chain.from_iterable(LAYERS)))
    lines = [".. Written by tests/test_layers.py from the docstrings.", ""]
    lines += ["**sklhier/**: modules outside of all folders", ""]
    lines += module_rows(path for path in paths if not path.is_dir())
    for folder in filter(Path.is_dir, paths):
        lines += [f"**{folder.name}/**: {first_line(folder)}", ""]
        lines += module_rows(p for p in sorted(folder.glob("*.py")) if p.stem != "__init__")
    return "\n".join(lines)


def module_rows(paths):
    rows = [".. list-table::", "   :widths: 24 76", ""]
    for path in paths:
        rows += [f"   * - ``{path.name}``", f"     - {first_line(path)}"]
    return [*rows, ""]


def test_contributing_shows_the_layers():
    text = CONTRIBUTING.read_text(encoding="utf-8")
    assert with_layer_table(text) == text, "run `python tests/test_layers.py`"


def test_the_tour_names_every_module():
    listed = MODULES.read_text(encoding="utf-8")
    assert listed == module_list(), "run `python tests/test_layers.py`"
    assert f".. include:: {MODULES.name}" in TOUR.read_text(encoding="utf-8")


@pytest.mark.few(1)
@pytest.mark.parametrize("number", [0, 1])
def test_the_tour_goes_the_way_that_calls_go(number, monkeypatch):
    monkeypatch.setenv("SKLHIER_KERNELS", "0")  # the way of pure Python
    tables = TOUR.read_text(encoding="utf-8").split(".. list-table:: The way of ")[1:]
    section = tables[number].partition("\n.. _")[0]
    steps = re.findall(r"^   \* - ``([\w.]+)``\n     - ``([\w.]+)``$", section, flags=re.MULTILINE)
    assert len(steps) > 9
    walk = runpy.run_path(str(ROOT / "benchmarks" / "walk.py"))
    calls = walk["called"](list(walk["walks"]())[number][1])
    rest = iter(calls)
    lost = [step for step in steps if step not in rest]
    assert not lost, f"{lost[0]} is not called, or not after the step before"
    entered = {module for module, _ in calls}
    assert entered <= set(re.findall(r"``([\w.]+)``", section))
    assert f" enters {len(entered)} modules in " in TOUR.read_text(encoding="utf-8")


if __name__ == "__main__":
    CONTRIBUTING.write_text(
        with_layer_table(CONTRIBUTING.read_text(encoding="utf-8")), encoding="utf-8"
    )
    MODULES.write_text(module_list(), encoding="utf-8")
