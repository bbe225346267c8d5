"""Show a page of plain Markdown: titles, lists, code, bold type and links.

``.. markdown-page:: ../CHANGELOG.md`` is enough for a changelog; other Markdown needs a real parser.
"""

import re
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

_UNDERLINES = {1: "=", 2: "-", 3: "~"}


def _plain(text):
    """Return text outside of code: links in reStructuredText, what it would misread escaped."""
    parts = re.split(r"(\[[^\]]+\]\([^)]+\))", text)
    for place, part in enumerate(parts):
        link = re.fullmatch(r"\[([^\]]+)\]\(([^)]+)\)", part)
        parts[place] = (
            f"`{link[1]} <{link[2]}>`__"
            if link
            else re.sub(r"(?<=\w)_(?!\w)|[|]", r"\\\g<0>", part)
        )
    return "".join(parts)


def restructured(markdown):
    """Return the text in reStructuredText.

    >>> print(restructured("# Title\\n\\n- `a_` and [here](https://b.c)"))
    Title
    =====
    <BLANKLINE>
    - ``a_`` and `here <https://b.c>`__
    """
    lines = []
    for line in markdown.splitlines():
        title = re.fullmatch(r"(#{1,3}) (.*)", line)
        if title:
            lines += [title[2], _UNDERLINES[len(title[1])] * len(title[2])]
        else:
            lines.append(line)
    parts = re.split(r"`([^`]+)`", "\n".join(lines))
    return (
        "".join(
            f"``{' '.join(part.split())}``\\ " if code else _plain(part)
            for part, code in zip(parts, [False, True] * len(parts), strict=False)
        )
        .replace("``\\  ", "`` ")
        .replace("``\\ \n", "``\n")
    )


class MarkdownPage(SphinxDirective):
    """The page whose file the argument names, relative to the page that holds it."""

    required_arguments = 1

    def run(self):
        _, name = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(name)
        text = restructured(Path(name).read_text(encoding="utf-8"))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app):
    app.add_directive("markdown-page", MarkdownPage)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
