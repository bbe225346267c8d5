"""A taxonomy as nested ``details`` elements of HTML, without a script."""

from __future__ import annotations

from html import escape

import numpy as np

from sklhier._utils.typing import Floats
from sklhier.displays._base import thousands
from sklhier.displays._outline import Outline

__all__ = ["as_html", "lowest_colour"]

_DEEPEST = 100  # browsers stop at some hundred nested elements
_OPEN_ROWS = 80  # so many rows are unfolded at first
# The colours of cividis, from 0 to 1.
_CIVIDIS = (
    "00224e", "1a386f", "434e6c", "61656f", "7d7c78", "9b9476", "bcae6c", "dec958", "fee838",
)  # fmt: skip
_STYLE = (
    "<style>"
    ".sklhier-taxonomy{font:13px/1.5 sans-serif}"
    ".sklhier-taxonomy details,.sklhier-taxonomy p{margin:0 0 0 1.2em}"
    ".sklhier-taxonomy p{padding-left:1em}"
    ".sklhier-taxonomy summary{cursor:pointer;margin-left:-.1em}"
    ".sklhier-taxonomy i{display:inline-block;width:5em;height:.75em;margin-right:.5em;"
    "background:linear-gradient(var(--c),var(--c)) 0/calc(var(--s)*1%) no-repeat #8883}"
    ".sklhier-taxonomy u{opacity:.7;text-decoration:none;margin-left:.4em}"
    "</style>"
)


def lowest_colour(scores: Floats) -> float:
    """Return the score of the darkest colour, the 5 % quantile; 0 if all are 1 or none is defined."""
    known = scores[~np.isnan(scores)]
    low = float(np.quantile(known, 0.05)) if len(known) else 0.0
    return low if low < 1 else 0.0


def as_html(outline: Outline, title: str, scores: Floats | None, support: Floats | None) -> str:
    """Return an outline as a ``div`` element, ASCII, with numbers for each row or without."""
    marks = [""] * len(outline.nodes) if scores is None else _bars(scores)
    counts = [""] * len(outline.nodes) if scores is None else _counts(scores, support)
    depths = np.minimum(outline.depths, _DEEPEST)
    following = np.append(depths[1:], 0)
    unfolded = _unfolded(depths)
    parts = [f'<div class="sklhier-taxonomy">{_STYLE}<b>{escape(title)}</b>']
    for row, (depth, after) in enumerate(zip(depths.tolist(), following.tolist(), strict=True)):
        text = f"{marks[row]}{escape(outline.label(row))}{counts[row]}"
        if after > depth:
            state = " open" if depth < unfolded else ""
            parts.append(f"<details{state}><summary>{text}</summary>")
        else:
            parts.append(f"<p>{text}</p>" + "</details>" * (depth - after))
    if outline.n_hidden:
        parts.append(f"<p>{outline.n_hidden:,} more nodes are not shown.</p>")
    parts.append("</div>")
    # Any encoding reads ASCII.
    return "\n".join(parts).encode("ascii", "xmlcharrefreplace").decode("ascii")


def _unfolded(depths: Floats) -> int:
    """Return how many levels are unfolded at first."""
    totals = np.cumsum(np.bincount(depths))
    return int(np.searchsorted(totals, _OPEN_ROWS, side="right")) - 1


def _bars(scores: Floats) -> list[str]:
    """Return a bar for each score; an empty one where it is not defined."""
    low = lowest_colour(scores)
    shares = np.nan_to_num(scores)
    places = np.clip((shares - low) / (1 - low), 0, 1) * (len(_CIVIDIS) - 1)
    return [
        f'<i style="--s:{100 * share:.0f};--c:#{_CIVIDIS[place]}"></i>'
        for share, place in zip(shares, places.round().astype(int), strict=True)
    ]


def _counts(scores: Floats, support: Floats | None) -> list[str]:
    rows = [""] * len(scores) if support is None else [f" of {thousands(n)}" for n in support]
    return [
        f"<u>{'' if np.isnan(score) else f'{score:.2f}'}{of}</u>"
        for score, of in zip(scores, rows, strict=True)
    ]
