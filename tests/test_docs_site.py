"""The parts of the documentation that we make ourselves: drawings, formulas, the changelog page."""

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def _extension(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def drawings():
    pytest.importorskip("matplotlib")
    return _extension("drawings")


def _described():
    """Yield the drawings of decoders that pages show, with the nodes that their texts name."""
    for page in ("decoders", "multilabel"):
        text = (DOCS / "user_guide" / f"{page}.rst").read_text("utf-8")
        found = re.findall(r"drawings/(decoder_\w+)\.svg\n +:alt: .*marked are: (.*)\.\n", text)
        yield from ((name, set(nodes.split(", "))) for name, nodes in found)


@pytest.mark.slow
def test_a_drawing_shows_what_its_text_says(drawings):
    described = dict(_described())
    assert len(described) == len(drawings.DECODERS) + len(drawings.SET_DECODERS)
    for name, nodes in described.items():
        (ax,) = drawings.DRAWINGS[name]().axes
        marked = {
            text.get_text().partition("\n")[0] for text in ax.texts if text.get_color() == "white"
        }
        assert marked == nodes, name


def test_every_drawing_is_shown_and_every_shown_drawing_is_made(drawings):
    shown = {
        name
        for page in DOCS.rglob("*.rst")
        for name in re.findall(r"drawings/(\w+)\.svg", page.read_text("utf-8"))
    }
    assert shown == set(drawings.DRAWINGS)


def test_a_drawing_is_the_same_at_each_build(drawings):
    draw = drawings.DRAWINGS["strategy_per_parent"]
    assert drawings.written(draw) == drawings.written(draw)


def test_the_order_of_the_gallery_names_each_example_once():
    order = _extension("gallery_order")
    examples = {
        path.stem.removeprefix("plot_") for path in (DOCS.parent / "examples").glob("*.py")
    }
    assert sorted(order._QUESTIONS) == sorted(examples)
    assert order.position("plot_new.py") > order.position("plot_from_hiclass.py")
