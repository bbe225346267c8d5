"""Files that repeat the version, Python's versions or the requirements agree with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from sklhier import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FLOORS = dict(
    re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement).groups()
    for requirement in PROJECT["project"]["dependencies"]
)
RELEASED = __version__.partition(".dev")[0]


def _text(name):
    path = ROOT / name
    if not path.exists():  # the source archive leaves out what only the repository needs
        pytest.skip(f"{name} is not here")
    return path.read_text("utf-8")


def _supported():
    return re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["project"]["classifiers"]))


def _minor(version):
    return int(version.partition(".")[2])


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("CITATION.cff", r"^version: (.*)$"),
        ("recipe/meta.yaml", r'^{% set version = "(.*)" %}$'),
    ],
)
def test_a_file_names_the_version_that_is_or_was_released(file, pattern):
    (version,) = re.findall(pattern, _text(file), flags=re.MULTILINE)
    if __version__ == RELEASED:
        assert version == __version__
    else:  # between releases it is still the last one
        assert version == re.findall(r"^## \[(.*)\] - \d", _text("CHANGELOG.md"), re.MULTILINE)[0]


def test_the_changelog_begins_with_the_version_or_what_comes_next():
    first = re.search(r"^## \[(.*)\]", _text("CHANGELOG.md"), flags=re.MULTILINE).group(1)
    assert first == RELEASED if __version__ == RELEASED else first in ("Unreleased", RELEASED)


def test_the_recipe_asks_for_what_the_package_asks_for():
    recipe = _text("recipe/meta.yaml")
    run = recipe.partition("  run:\n")[2].partition("\n\n")[0]
    assert dict(re.findall(r"- ([\w-]+) >=([\d.]+)", run)) == FLOORS
    build = dict(re.fullmatch(r"(\w+)>=(\d+)", text).groups() for text in _build_requires())
    host = recipe.partition("  host:\n")[2].partition("  run:\n")[0]
    assert dict(re.findall(r"- (\w+) >=(\d+)", host)) == build
    lowest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert f"# [py<{lowest.replace('.', '')}]" in recipe
    command, target = next(iter(PROJECT["project"]["scripts"].items()))
    assert f"- {command} = {target}" in recipe


def _build_requires():
    return PROJECT["build-system"]["requires"]


def test_the_lowest_set_is_made_of_the_lowest_releases():
    lines = [line for line in _text(".ci/lowest.txt").splitlines() if not line.startswith("#")]
    pins = [Requirement(line) for line in lines]
    before = None
    for version in _supported():
        applying = [
            pin
            for pin in pins
            if pin.marker is None or pin.marker.evaluate({"python_version": version})
        ]
        names = [pin.name for pin in applying]
        assert len(names) == len(set(names)), version
        own = {pin.name: Version(str(pin.specifier).removeprefix("==")) for pin in applying}
        if before is None:
            for name, floor in FLOORS.items():
                # 1.26 is 1.26.4: the last patch of the lowest release.
                assert f"{own[name]}.".startswith(f"{floor}."), name
        else:
            assert own.keys() == before.keys()
            assert all(own[name] >= before[name] for name in own), version
        before = own


def test_supported_versions_of_python_are_those_that_are_tested_and_built():
    supported = _supported()
    assert supported[0] == PROJECT["project"]["requires-python"].removeprefix(">=")
    built = PROJECT["tool"]["cibuildwheel"]["build"].split()
    assert built == [f"cp{version.replace('.', '')}-*" for version in supported]
    tested = re.search(r'python: (\["3.*\])', _text(".github/workflows/tests.yml")).group(1)
    assert re.findall(r"3\.\d+", tested) == supported
    for file in ("README.md", "CONTRIBUTING.md"):
        assert f"{supported[0]} to {supported[-1]}" in _text(file), file
    assert PROJECT["tool"]["mypy"]["python_version"] == supported[0]
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{supported[0].replace('.', '')}"
    assert [_minor(version) for version in supported] == list(
        range(_minor(supported[0]), _minor(supported[-1]) + 1)
    )


def test_workflows_ask_for_extras_and_files_that_exist():
    extras = set(PROJECT["project"]["optional-dependencies"])
    named = [".ci/run", ".readthedocs.yaml", *_workflows(), "README.md", "CONTRIBUTING.md"]
    for name in named:
        for group in re.findall(r'["/.)]\[([a-z,]+)\]"', _text(name)):
            assert set(group.split(",")) <= extras, f"{name}: {group}"


def _workflows():
    folder = ROOT / ".github" / "workflows"
    return sorted(str(path.relative_to(ROOT)) for path in folder.glob("*.yml"))
