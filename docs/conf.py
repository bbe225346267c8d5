"""Configuration of the documentation."""

import doctest
import importlib
import inspect
import re
import sys
import tomllib
import urllib.request
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import desc_content, pending_xref
from sphinx.ext.autosummary import autosummary_table

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "_ext"))

import versions  # noqa: E402

project = "sklhier"
author = "The sklhier developers"
copyright = "The sklhier developers"
release = version = version_of("sklhier")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "drawings",
    "myst_parser",
    "mathml",
    "versions",
]
if find_spec("sphinx_copybutton"):
    extensions.append("sphinx_copybutton")

root_doc = "index"
templates_path = ["_templates"]
# Sphinx-gallery writes notebooks, archives and timings beside the pages.
exclude_patterns = ["_build", "_templates", "sg_execution_times.rst", "**/sg_execution_times.rst"]
default_role = "code"

# -- reference ----------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "none"  # types stand in the docstrings
autodoc_member_order = "bysource"
add_module_names = False
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False  # the template lists them
numpydoc_xref_param_type = False

# -- links to other projects --------------------------------------------------------------


def _online(pages):
    """Return the pages of other projects, none of them if the first cannot be reached."""
    first = next(iter(pages.values()))[0]
    try:
        urllib.request.urlopen(f"{first}objects.inv", timeout=3).close()
    except OSError:
        return {}
    return pages


# A build needs no network: without it, names of other projects are no links.
intersphinx_mapping = _online(
    {
        "python": ("https://docs.python.org/3/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "scipy": ("https://docs.scipy.org/doc/scipy/", None),
        "sklearn": ("https://scikit-learn.org/stable/", None),
        "networkx": ("https://networkx.org/documentation/stable/", None),
    }
)
intersphinx_disabled_reftypes = ["std:doc"]
html_math_renderer = "mathml"  # drawn by the browser itself

# -- code that is copied ------------------------------------------------------------------

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"
copybutton_selector = "div:not(.sphx-glr-script-out) > div.highlight pre"

# -- doctests: `sphinx-build -b doctest docs docs/_build/doctest` -------------------------

doctest_default_flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# -- gallery ------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",
    "within_subsection_order": "gallery_order.position",
    "backreferences_dir": "gen_modules",
    "doc_module": ("sklhier",),
    "thumbnail_size": (640, 448),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 10_000,
    "remove_config_comments": True,
}

# -- pages --------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "sklhier"
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # unset, the theme complains in the browser's console
html_static_path = ["_static"]
html_css_files = ["sklhier.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
# Pages without siblings need no list of them; their code gets the room.
html_sidebars = {
    "getting_started": [],
    "index": [],
    "api": [],
    "api_extending": [],
    "changelog": [],
    "auto_examples/**": [],
}

versions.configure(globals(), (ROOT / "CHANGELOG.md").read_text("utf-8"), versions.address())

# -- "Edit on GitHub" ---------------------------------------------------------------------

with open(ROOT / "pyproject.toml", "rb") as _file:
    _urls = tomllib.load(_file)["project"].get("urls", {})
repository = next(
    (url.rstrip("/") for url in _urls.values() if url.rstrip("/").count("/") == 4), None
)
if repository:
    html_theme_options["use_edit_page_button"] = True
    html_theme_options["secondary_sidebar_items"].append("edit-this-page")
    html_theme_options["github_url"] = repository


def _file_of(value):
    """Return the file that defines a class or function, by its code: modules are renamed."""
    members = [value, *vars(value).values()] if inspect.isclass(value) else [value]
    for member in map(inspect.unwrap, members):
        file = Path(member.__code__.co_filename if inspect.isfunction(member) else ROOT)
        if file.is_file() and file.is_relative_to(ROOT.resolve()):
            return str(file.relative_to(ROOT.resolve()))
    return None


def _source_of(page):
    """Return the file, relative to the repository, that a page is made from; None if several."""
    if page.startswith("auto_examples/plot_"):
        return f"examples/{page.removeprefix('auto_examples/')}.py"
    if page == "auto_examples/index":
        return "examples/README.rst"
    if page.startswith("reference/generated/"):
        module, _, name = page.removeprefix("reference/generated/").rpartition(".")
        return _file_of(getattr(importlib.import_module(module), name))
    if page == "changelog":
        return "CHANGELOG.md"
    return f"docs/{page}.rst" if (HERE / f"{page}.rst").exists() else None


def _link_source(app, page, template, context, doctree):
    """Tell the theme where the source of a page is edited."""
    source = _source_of(page) if repository and doctree is not None else None
    context["theme_use_edit_page_button"] = source is not None
    context["edit_page_url_template"] = f"{repository}/edit/main/{source}{{# file_name #}}"
    context["edit_page_provider_name"] = "GitHub"


# -- bases of classes ---------------------------------------------------------------------


def _public_bases(cls):
    """Yield the nearest bases of a class that have a page, here or elsewhere."""
    for base in cls.__bases__:
        if base.__module__.partition(".")[0] != project or (
            base.__name__ in getattr(sys.modules[base.__module__], "__all__", ())
            and ("._" not in base.__module__)
        ):
            yield base
        else:
            yield from _public_bases(base)


def _show_public_bases(app, name, cls, options, bases):
    """Leave private classes, mixins and `object` out of the line of bases."""
    public = [base for base in _public_bases(cls) if base is not object]
    if isinstance(cls, type) and cls.__module__.startswith(project):
        bases[:] = dict.fromkeys(public)


def _drop_empty_bases(app, doctree):
    """Remove the line of bases where none of them is public."""
    for paragraph in list(doctree.findall(nodes.paragraph)):
        if paragraph.astext() == "Bases:" and isinstance(paragraph.parent, desc_content):
            paragraph.parent.remove(paragraph)


# -- types of parameters ------------------------------------------------------------------

_STRAIGHT = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")


def _keep_quotes_of_types(app, doctree):
    """Write ``default="micro"`` with the quotes of Python: Sphinx made them round."""
    for kind in doctree.findall(nodes.classifier):
        for text in list(kind.findall(nodes.Text)):
            text.parent.replace(text, nodes.Text(text.translate(_STRAIGHT)))


# -- tables of figures --------------------------------------------------------------------


def _keep_figures_together(app, doctree):
    """Break no line within ``1.4 (1.2 to 1.5)``, ``84.9 / 34.4`` or ``1 → 2`` in cells of tables."""
    for cell in doctree.findall(nodes.entry):
        if re.fullmatch(r"(?:to|once|[\d.,()/+\s\u2013\u2212\u2192-])+", cell.astext()):
            for text in list(cell.findall(nodes.Text)):
                text.parent.replace(text, nodes.Text(text.replace(" ", "\N{NO-BREAK SPACE}")))


# -- lists of names -----------------------------------------------------------------------


def _drop_sources_from_lists(app, doctree):
    """Remove signs of sources, ``[R...-1]``, from the first lines in lists of names."""
    for table in doctree.findall(autosummary_table):
        for sign in list(table.findall(pending_xref)):
            if sign.get("refdomain") == "citation":
                line = sign.parent
                place = line.index(sign)
                if place and isinstance(line[place - 1], nodes.Text):
                    line[place - 1] = nodes.Text(line[place - 1].rstrip())
                line.remove(sign)


# -- fields of named tuples ---------------------------------------------------------------


def _leave_fields_to_docstrings(app, what, name, obj, skip, options):
    """Leave out "Alias for field number 0": docstrings say what the fields of named tuples hold."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def setup(app):
    app.connect("autodoc-skip-member", _leave_fields_to_docstrings)
    app.connect("doctree-read", _drop_empty_bases)
    app.connect("doctree-read", _drop_sources_from_lists)
    app.connect("doctree-read", _keep_quotes_of_types)
    app.connect("doctree-read", _keep_figures_together)
    app.connect("autodoc-process-bases", _show_public_bases)
    app.connect("html-page-context", _link_source, priority=100)
