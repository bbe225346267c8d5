"""What all displays share: an axes to draw into, and the picture that a notebook shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sklhier._utils.typing import Floats

__all__ = ["Display", "level_styles", "one_line", "plain_text", "spread", "thousands"]

ORANGE, BLUE, GREEN, GREY = "#D55E00", "#0072B2", "#009E73", "#999999"  # Okabe and Ito
_MOST_LEVELS = 8  # with a line each
_MARKERS = "os^Dv<>P"


class Display:
    """Numbers that can be drawn.

    Nothing is drawn before it is asked for, and pyplot is not touched: a figure that a display makes
    belongs to no list of open figures, and goes away with the display.
    """

    _ax: Any = None
    _is_own: bool = True  # whether the figure was made here

    def plot(self, ax: Any = None) -> Self:
        """Draw into `ax`, or into a new figure."""
        raise NotImplementedError

    @property
    def ax_(self) -> Any:
        """Axes with the last drawing, a :class:`matplotlib.axes.Axes`; drawn now if there is none."""
        if self._ax is None:
            self.plot()
        return self._ax

    @property
    def figure_(self) -> Any:
        """Figure of :attr:`ax_`, a :class:`matplotlib.figure.Figure`."""
        return self.ax_.figure

    def _drawn(self, ax: Any) -> Self:
        """Return the display, drawn into `ax` if that is given."""
        return self if ax is None else self.plot(ax=ax)

    def _axes(self, ax: Any, width: float, height: float) -> Any:
        """Return the axes to draw into, new ones of so many inches if None."""
        self._is_own = ax is None
        self._ax = new_axes(width, height) if ax is None else ax
        return self._ax

    def _repr_png_(self) -> bytes | None:
        """Return the picture for a notebook; None in a figure of the user's, who shows it."""
        figure = self.figure_
        if not self._is_own:
            return None
        picture = BytesIO()
        figure.savefig(picture, format="png")
        return picture.getvalue()


def new_axes(width: float, height: float) -> Any:
    """Return the axes of a new figure, unknown to pyplot.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ImportError(
            'Drawing needs matplotlib, which is not installed: pip install "sklhier[plot]".'
        ) from error
    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def level_styles(
    known: npt.ArrayLike, levels: Sequence[int] | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the position among the known levels of each one to draw, with colour and marker.

    None draws all of them, or eight where there are more.
    """
    from matplotlib import colormaps

    given = np.asarray(known).tolist()
    if levels is None:
        places = np.unique(np.linspace(0, len(given) - 1, min(len(given), _MOST_LEVELS)).round())
        levels = [given[int(place)] for place in places]
    for number, level in enumerate(levels):
        if level not in given:
            raise ValueError(f"`levels` must be among {given}, got {level!r}.")
        # The brightest colours are too faint on white.
        share = 0.85 * number / max(1, len(levels) - 1)
        style = {"color": colormaps["cividis"](share), "marker": _MARKERS[number % len(_MARKERS)]}
        yield given.index(level), style


BESIDE = {"frameon": False, "fontsize": "small", "loc": "upper left", "bbox_to_anchor": (1, 1)}


def one_line(text: object) -> str:
    """Return text without line breaks."""
    return " ".join(str(text).split())


def plain_text(texts: Sequence[Any]) -> None:
    """Let texts of a drawing stand as they are: names may hold dollar signs, which mean formulas."""
    for text in texts:
        text.set_parse_math(False)


def thousands(number: float) -> str:
    """Return a count as text: ``1,234``, or ``0.5`` where weights made it no integer."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.3g}"


def spread(positions: Floats, gap: float, low: float, high: float) -> Floats:
    """Move ascending positions apart as little as a pass to and fro can, to be `gap` apart.

    They stay within `low` and `high`, with a smaller gap if there is no room for this one.
    """
    if len(positions) < 2:
        return positions
    gap = min(gap, (high - low) / (len(positions) - 1))
    steps = gap * np.arange(len(positions))
    ahead = np.maximum.accumulate(np.maximum(positions, low) - steps)
    # Half of the way back: labels that are too near move to both sides.
    behind = np.minimum.accumulate((np.minimum(positions, high) - steps)[::-1])[::-1]
    middle = np.clip((ahead + behind) / 2, low, high - steps[-1])
    return middle + steps
