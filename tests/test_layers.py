"""A module imports only from modules of the layers above it."""

import ast
from pathlib import Path

import pytest

import sklhier

PACKAGE = Path(sklhier.__file__).parent

# From the top: a module may import what stands in an earlier line, or in its own package.
LAYERS = [
    ["_version", "_typing", "_compat", "exceptions"],
    ["_validation", "_versions", "_unwrap", "_columns", "_workers", "_sparse_rows"],
    ["_linear", "staging"],
    ["_linear_answers"],
    ["_node_ops", "_blocks", "_outline"],
    ["_cells"],
    ["_builders"],
    ["taxonomy"],
    ["_sweeps"],
    ["_closed_sets"],
    ["_places", "_node_weights", "_marginals", "_targets", "_consistency", "_network", "_repeats"],
    ["_label_sets", "_joint_loss", "_set_loss"],
    ["decoders", "_local", "_node_estimators"],
    ["_fitting", "_scores"],
    ["strategies", "metrics", "datasets"],
    ["model_selection"],
    ["_arrivals"],
    ["_stages"],
    ["_training", "_predictions", "_solvers"],
    ["_meta", "_joint"],
    ["_classifier", "_multilabel", "_multihead", "_multihead_sets"],
    ["__init__"],
    ["_cli"],
    ["__main__"],
]
# Stricter than the order: decoders, metrics and searches know no estimator.
FORBIDDEN = {
    "decoders": {"_local", "_fitting", "_scores", "_targets", "_label_sets", "strategies"},
    "metrics": {
        "_local",
        "_fitting",
        "_scores",
        "_marginals",
        "strategies",
        "decoders",
        "_classifier",
    },
    "model_selection": {"_local", "_fitting", "_scores", "strategies", "_classifier"},
    "datasets": {
        "_local",
        "_fitting",
        "_scores",
        "_marginals",
        "strategies",
        "decoders",
        "_classifier",
    },
}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_parts(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklhier"):
            assert node.level == 0, "imports are absolute"
            below = node.module.split(".")[1:]
            if below:
                yield below[0]
            else:
                names = [alias.name for alias in node.names]
                modules = {module.stem for module in PACKAGE.iterdir()}
                yield from (name if name in modules else "__init__" for name in names)
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("sklhier."))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_upwards(path):
    layer = {name: number for number, names in enumerate(LAYERS) for name in names}
    own = part_of(path)
    assert own in layer, f"{own} has no layer yet"
    for other in imported_parts(path):
        assert other == own or layer[other] < layer[own], f"{own} imports {other}"
        assert other not in FORBIDDEN.get(own, set()), f"{own} must not know {other}"
