"""The pages of the documentation and the example scripts run as they stand."""

import ast
import contextlib
import doctest
import importlib
import inspect
import pkgutil
import re
import runpy
from pathlib import Path

import pytest

import sklhier

ROOT = Path(__file__).parents[1]
# What a build writes, at any depth, is not a source.
NOT_PAGES = {"_build", "_templates", "auto_examples", "gen_modules", "generated"}
PAGES = sorted(
    page
    for page in (ROOT / "docs").rglob("*.rst")
    if NOT_PAGES.isdisjoint(page.relative_to(ROOT).parts) and page.name != "sg_execution_times.rst"
)
# Pages that compare models take seconds.
SLOW = {
    "guarantees",
    "model_selection",
    "staging",
    "multilabel",
    "joint",
    "getting_started",
    "tutorial",
}
EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))
# All public modules; that of the taxonomy has one class, which the package lists too.
NAMES = {module.name for module in pkgutil.iter_modules(sklhier.__path__)} - {"taxonomy"}
PUBLIC = ["", *(f".{name}" for name in sorted(NAMES) if not name.startswith("_"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _name(path):
    return path.relative_to(ROOT).as_posix()


def test_there_are_pages_and_examples():
    assert PAGES
    assert EXAMPLES


@pytest.mark.parametrize("package", PUBLIC)
def test_reference_lists_everything_public(package):
    module = importlib.import_module(f"sklhier{package}")
    # A module has sections on both pages: for those who use it, and for those who add to it.
    sections = [
        section.partition("\n")[2]
        for page in ("api.rst", "api_extending.rst")
        for section in (ROOT / "docs" / page).read_text("utf-8").split(".. currentmodule:: ")[1:]
        if section.partition("\n")[0] == module.__name__
    ]
    listed = re.findall(r"^   (\w+)$", "\n".join(sections), flags=re.MULTILINE)
    listed = [name for name in listed if name != "api_extending"]
    assert len(listed) == len(set(listed)), "a name stands there twice"
    listed = set(listed)
    assert listed == set(module.__all__) - {"__version__"}


@pytest.mark.parametrize("package", [*PUBLIC, ".taxonomy"])
def test_completion_shows_public_names_alone(package):
    module = importlib.import_module(f"sklhier{package}")
    submodules = {info.name for info in pkgutil.iter_modules(getattr(module, "__path__", []))}
    shown = set(dir(module)) - submodules
    assert {name for name in shown if not name.startswith("_")} == set(module.__all__) - {
        "__version__"
    }


def _section(text, name):
    """Return a section of a docstring; None if there is none of that name."""
    parts = re.split(r"^(\w[\w ]*)\n-+$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(name)


def _lacks(public):
    """Yield what the docstring of a public function or class lacks."""
    text = inspect.getdoc(public) or ""
    if inspect.isfunction(public):
        signature = inspect.signature(public)
        listed = _section(text, "Parameters") or ""
        names = re.findall(r"^(\*{0,2}\w+(?:, \w+)*)(?: : .*)?$", listed, flags=re.MULTILINE)
        described = set(re.findall(r"\w+", " ".join(names)))
        yield from (f"the parameter {name}" for name in signature.parameters.keys() - described)
        gives = signature.return_annotation != "None"
        if gives and not (_section(text, "Returns") or _section(text, "Yields")):
            yield "what it returns"
    # Nothing can be made of an interface; it names the page that shows one, if it has no example.
    is_interface = inspect.isabstract(public) and ":doc:" in text
    if is_interface or getattr(public, "_is_protocol", False):
        return
    if not doctest.DocTestParser().get_examples(_section(text, "Examples") or ""):
        yield "an example"


@pytest.mark.parametrize("package", [*PUBLIC, ".taxonomy"])
def test_docstrings_of_everything_public_are_complete(package):
    module = importlib.import_module(f"sklhier{package}")
    found = ((name, getattr(module, name)) for name in module.__all__)
    lacking = {name: list(_lacks(public)) for name, public in found if callable(public)}
    assert {name: what for name, what in lacking.items() if what} == {}


def test_sections_of_docstrings_have_titles_of_their_own():
    sources = {path: path.read_text(encoding="utf-8") for path in ROOT.glob("sklhier/**/*.py")}
    joined = r"^ *\w+ -{3,}"  # a title and its underline on one line are text
    assert [path for path, text in sources.items() if re.search(joined, text, re.MULTILINE)] == []


def _stated(text):
    """Yield the parameters of a docstring for which it states a default that is a literal."""
    for names, default in re.findall(
        r"^(\w+(?:, \w+)*) : .*\bdefault=(.+)$", _section(text, "Parameters") or "", re.MULTILINE
    ):
        with contextlib.suppress(ValueError, SyntaxError):
            value, names = ast.literal_eval(default), names.split(", ")
            values = value if isinstance(value, tuple) and len(names) > 1 else [value] * len(names)
            yield from zip(names, values, strict=True)


def _other_defaults(public):
    """Yield the parameters whose default is another than the docstring states, and how many do."""
    methods = inspect.getmembers(public, inspect.isroutine) if inspect.isclass(public) else ()
    for name, able in [("", public), *methods]:
        if name.startswith("_") or not hasattr(able, "__module__"):
            continue
        with contextlib.suppress(ValueError, TypeError):  # built in, or a property
            parameters = inspect.signature(able).parameters
            for parameter, value in _stated(inspect.getdoc(able) or ""):
                found = parameters[parameter].default if parameter in parameters else value
                yield f"{name}({parameter}={found!r})", found == value


@pytest.mark.parametrize("package", [*PUBLIC, ".taxonomy"])
def test_defaults_are_those_that_docstrings_state(package):
    module = importlib.import_module(f"sklhier{package}")
    found = {
        f"{name}.{what}": is_same
        for name in module.__all__
        if callable(public := getattr(module, name))
        for what, is_same in _other_defaults(public)
    }
    assert [what for what, is_same in found.items() if not is_same] == []


@pytest.mark.few(6)
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=_name(page), marks=[pytest.mark.slow] * (page.stem in SLOW))
        for page in PAGES
    ],
)
def test_page(page):
    text = page.read_text(encoding="utf-8")
    for package in re.findall(r"^>>> import (pandas|matplotlib)\b", text, flags=re.MULTILINE):
        pytest.importorskip(package)
    results = doctest.testfile(
        str(page), module_relative=False, optionflags=FLAGS, encoding="utf-8"
    )
    assert results.failed == 0, "the failing lines are printed above"


def test_examples_of_the_methods_of_the_taxonomy():
    # The class carries the name of the package, so that no collection by modules finds them.
    for name, method in inspect.getmembers(sklhier.Taxonomy):
        text = "" if name.startswith("_") else inspect.getdoc(method) or ""
        example = doctest.DocTestParser().get_doctest(
            text, {"Taxonomy": sklhier.Taxonomy}, name, name, 0
        )
        results = doctest.DocTestRunner(optionflags=FLAGS).run(example)
        assert results.failed == 0, name


@pytest.mark.slow
@pytest.mark.parametrize("script", EXAMPLES, ids=_name)
def test_example(script):
    matplotlib = pytest.importorskip("matplotlib")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    matplotlib.use("agg")
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        pyplot.close("all")
