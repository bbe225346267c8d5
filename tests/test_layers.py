"""The layers of the package: a module imports only from layers above its own."""

import ast
from pathlib import Path

import pytest

import sklhier

PACKAGE = Path(sklhier.__file__).parent

# From the top: a part may import what stands in an earlier line, and what is its own. CONTRIBUTING
# shows this list; ``python tests/test_layers.py`` writes its table again.
LAYERS = [
    ["_version", "exceptions"],
    ["_utils"],
    ["taxonomy", "staging", "objectives"],
    ["_targets", "_probabilities", "datasets"],
    ["_folds", "_local", "_joint", "decoders", "metrics"],
    ["strategies", "model_selection"],
    ["_training"],
    ["_classifiers"],
    ["__init__"],
    ["_cli"],
    ["__main__"],
]
# Stricter than the order: decoders, metrics and searches know no model.
FORBIDDEN = {
    "decoders": {"_targets"},
    "metrics": {"_probabilities"},
    "model_selection": {"_local", "_joint"},
    "datasets": {"_targets", "_probabilities"},
}
MOST_PARTS, MOST_ARROWS, MOST_PRIVATE_FILES = 24, 80, 6


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def parts():
    return {part_of(path) for path in modules()}


def imported_parts(path):
    names = parts()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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


def test_layers_name_what_exists():
    assert parts() == {name for names in LAYERS for name in names}
