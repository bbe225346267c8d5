"""Configuration of the documentation."""

import doctest
from importlib.metadata import version as version_of

project = "sklhier"
author = "The sklhier developers"
copyright = "The sklhier developers"
release = version = version_of("sklhier")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
# No intersphinx: a build needs no network.

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

# -- doctests: `sphinx-build -b doctest docs docs/_build/doctest` -------------------------

doctest_default_flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# -- gallery ------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",
    "backreferences_dir": "gen_modules",
    "doc_module": ("sklhier",),
    "reference_url": {"sklhier": None},
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 10_000,
    "remove_config_comments": True,
}

# -- pages --------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "sklhier"
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
html_sidebars = {"getting_started": [], "index": [], "api": [], "auto_examples/**": []}
