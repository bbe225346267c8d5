"""The parts of the documentation that we make ourselves: drawings, order, switch of versions."""

import doctest
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin

import pytest

from sklhier import predict_node_proba

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


@pytest.mark.parametrize("name", ["which_classifier", "which_strategy", "which_decoder"])
def test_a_decision_keeps_its_type_on_a_narrow_screen_and_its_boxes_apart(drawings, name):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = drawings.DRAWINGS[name]()
    width, _ = figure.get_size_inches() * 96  # of pixels on a screen
    assert width <= 376  # those of 400 that a page leaves
    (ax,) = figure.axes
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # boxes are placed around their texts
    renderer = canvas.get_renderer()
    assert all(text.get_fontsize() >= 8 for text in ax.texts)
    boxes = [
        (text.get_bbox_patch() or text).get_window_extent(renderer).padded(-0.5)
        for text in ax.texts
    ]
    for number, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, ax.texts[number].get_text()
        assert not any(box.overlaps(other) for other in boxes[:number])


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


def test_the_first_drawing_has_the_probabilities_of_the_code_below_it(drawings):
    text = (DOCS / "index.rst").read_text("utf-8")
    examples = doctest.DocTestParser().get_doctest(text, {}, "index", None, 0)
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples, clear_globs=False)
    model, taxonomy = examples.globs["model"], examples.globs["taxonomy"]
    (ax,) = drawings.landing().axes
    question, drawn = "", {}
    for shown in (text.get_text() for text in ax.texts):
        name, _, number = shown.partition("\n")
        if number:
            drawn[name] = float(number)
        elif shown.startswith("\N{LEFT DOUBLE QUOTATION MARK}"):
            question = shown[1:-1]
    proba = predict_node_proba(model, [question])[0, 1:]  # without the root
    found = {node.split("/")[-1]: p for node, p in zip(taxonomy.nodes[1:], proba, strict=True)}
    assert drawn == pytest.approx(found, abs=0.01)


def test_the_order_of_the_gallery_names_each_example_once():
    order = _extension("gallery_order")
    examples = {
        path.stem.removeprefix("plot_") for path in (DOCS.parent / "examples").glob("*.py")
    }
    assert sorted(order._QUESTIONS) == sorted(examples)
    assert order.position("plot_new.py") > order.position("plot_from_hiclass.py")


def test_a_source_that_begins_with_an_initial_has_two_lines():
    # On a single line "P. Koehn" is an item of a list, from P on.
    package = DOCS.parent / "sklhier"
    for path in [*package.rglob("*.py"), *(DOCS / "user_guide").glob("*.rst")]:
        text = path.read_text("utf-8")
        for source in re.finditer(r"( *)\.\. \[\w+\] [A-Z]\. .*\n(.*)", text):
            assert source[2].startswith(f"{source[1]}   "), (path.name, source[0])


# -- the switch between versions ----------------------------------------------------------

CHANGELOG = (
    "# Changelog\n\n## [0.3.0] - unreleased\n\n## [0.2.0] - 2027-01-31\n\n## 0.1.0 - 2026-12-01\n"
)


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, None),
        ({"SKLHIER_DOCS_URL": "https://a.org/docs/latest"}, "https://a.org/docs/latest/"),
        (
            {
                "READTHEDOCS_VERSION_TYPE": "tag",
                "READTHEDOCS_CANONICAL_URL": "https://b.org/en/v0.2.0/",
            },
            "https://b.org/en/v0.2.0/",
        ),
        (
            {  # a pull request: its pages have no others beside them
                "READTHEDOCS_VERSION_TYPE": "external",
                "READTHEDOCS_CANONICAL_URL": "https://b.org/en/12/",
            },
            None,
        ),
    ],
)
def test_pages_know_their_address_only_where_they_are_published(environ, url):
    assert _extension("versions").address(environ) == url


def test_the_switch_lists_the_newest_pages_and_what_was_released():
    versions = _extension("versions")
    assert versions.releases(CHANGELOG) == ["0.2.0", "0.1.0"]
    entries = versions.listed("https://a.org/docs/v0.1.0/", CHANGELOG)
    assert [(entry["name"], entry["url"]) for entry in entries] == [
        ("latest", "https://a.org/docs/latest/"),
        ("0.2.0", "https://a.org/docs/v0.2.0/"),
        ("0.1.0", "https://a.org/docs/v0.1.0/"),
    ]
    assert [entry["version"] for entry in entries if entry.get("preferred")] == ["v0.2.0"]
    (only,) = versions.listed("https://a.org/docs/latest/", "## [0.1.0] - unreleased\n")
    assert only["preferred"]
    released = (DOCS.parent / "CHANGELOG.md").read_text("utf-8")
    assert len(versions.releases(released)) == len(re.findall(r"(?m)^## .*\d{4}-", released))


@pytest.mark.parametrize("folder", ["v0.2.0", "stable"])
def test_the_switch_marks_the_version_that_is_shown(folder):
    config = {"html_theme_options": {}, "html_context": {}, "release": "0.2.0"}
    versions = _extension("versions")
    versions.configure(config, CHANGELOG, f"https://a.org/docs/{folder}/")
    switcher = config["html_theme_options"]["switcher"]
    assert switcher["version_match"] == "v0.2.0"
    read = urljoin(f"https://a.org/docs/{folder}/", switcher["json_url"])
    assert read == "https://a.org/docs/latest/_static/versions.json"


def _site(folder, url):
    """Build two pages for an address; return what is in the site, by path."""
    source = folder / "source"
    (source / "guide").mkdir(parents=True)
    (source / "conf.py").write_text(
        f"import sys; sys.path.insert(0, {str(DOCS / '_ext')!r}); import versions\n"
        "extensions, release, html_theme = ['versions'], '0.2.0', 'pydata_sphinx_theme'\n"
        f"templates_path = [{str(DOCS / '_templates')!r}]\n"
        "html_theme_options, html_context = {}, {'default_mode': 'auto'}\n"
        f"versions.configure(globals(), {CHANGELOG!r}, {url!r})\n",
        "utf-8",
    )
    (source / "index.rst").write_text("Index\n=====\n\n.. toctree::\n\n   guide/page\n", "utf-8")
    (source / "guide" / "page.rst").write_text("Page\n====\n\nText.\n", "utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", source, folder / "site"]
    subprocess.run(command, check=True)
    return folder / "site"


@pytest.mark.slow
def test_published_pages_have_the_switch_and_links_without_javascript(tmp_path):
    pytest.importorskip("pydata_sphinx_theme")
    url = "https://a.org/docs/v0.2.0/"
    site = _site(tmp_path, url)
    listed = json.loads((site / "_static" / "versions.json").read_text("utf-8"))
    assert [entry["version"] for entry in listed] == ["latest", "v0.2.0", "v0.1.0"]
    for page in ("index.html", "guide/page.html"):
        text = (site / page).read_text("utf-8")
        assert "version-switcher__button" in text
        assert "theme_switcher_version_match = 'v0.2.0'" in text
        plain = re.search(r"<noscript>\s*<details.*?</noscript>", text, flags=re.DOTALL).group()
        links = [urljoin(url + page, link) for link in re.findall(r'href="(.*?)"', plain)]
        assert links == [f"{entry['url']}index.html" for entry in listed]
        # No page asks another host for anything.
        assert not re.search(r'<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//', text)


@pytest.mark.slow
def test_other_builds_name_their_version_and_ask_for_no_list(tmp_path):
    pytest.importorskip("pydata_sphinx_theme")
    site = _site(tmp_path, None)
    assert not (site / "_static" / "versions.json").exists()
    text = (site / "guide" / "page.html").read_text("utf-8")
    assert '<span class="version">0.2.0</span>' in text
    assert "switcher" not in text
