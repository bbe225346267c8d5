"""The switch between versions of the documentation: the theme's, fed by the changelog.

Each version is published in a folder of its own beside the others: ``latest/``, ``v0.1.0/``.
All of them read the list in ``latest/_static/versions.json``, so that old pages know of new
releases. A build that is told no address, such as a contributor's, has its version in place of
the switch.
"""

import json
import os
import re
from pathlib import Path

NEWEST = "latest"
_FILE = "versions.json"


def address(environ=os.environ):
    """Return the URL that the pages are built for, with a slash at the end; None if not known.

    ``SKLHIER_DOCS_URL``, or on Read the Docs what it says of a branch or tag (not of a pull request).
    """
    url = environ.get("SKLHIER_DOCS_URL")
    if not url and environ.get("READTHEDOCS_VERSION_TYPE") in ("branch", "tag"):
        url = environ.get("READTHEDOCS_CANONICAL_URL")
    return url.rstrip("/") + "/" if url else None


def releases(changelog):
    """Return the versions that the changelog has a date for, newest first."""
    return re.findall(r"^## \[?(\d[^]\s]*)\]? - \d{4}-\d\d-\d\d", changelog, flags=re.MULTILINE)


def listed(url, changelog):
    """Return the versions as the theme wants them: names, folders, URLs, which one is preferred."""
    root = url.rstrip("/").rpartition("/")[0]
    folders = {NEWEST: NEWEST} | {release: f"v{release}" for release in releases(changelog)}
    entries = [
        {"name": name, "version": folder, "url": f"{root}/{folder}/"}
        for name, folder in folders.items()
    ]
    entries[min(1, len(entries) - 1)]["preferred"] = True
    return entries


def configure(config, changelog, url=None):
    """Turn the switch on, in a configuration of Sphinx, if the pages are built for an address."""
    config["html_theme_options"]["navbar_start"] = ["navbar-logo", "versions.html"]
    if url is None:
        return
    folder = url.rstrip("/").rpartition("/")[2]
    if folder == "stable":  # the name of the newest release on Read the Docs
        folder = f"v{config['release']}"
    config["html_theme_options"] |= {
        # From the first page of this version, so that pages ask no other host than their own.
        "switcher": {"json_url": f"../{NEWEST}/_static/{_FILE}", "version_match": folder},
        "check_switcher": False,
        "show_version_warning_banner": True,
    }
    config["html_context"]["versions"] = listed(url, changelog)


def _write(app, exception):
    """Write the list of versions beside the style sheet."""
    versions = app.config.html_context.get("versions")
    if versions and exception is None and app.builder.format == "html":
        text = json.dumps(versions, indent=1)
        (Path(app.outdir) / "_static" / _FILE).write_text(text, "utf-8")


def setup(app):
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
