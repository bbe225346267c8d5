"""The formats of labels, and the one place that tells which of them labels have.

:func:`detect` takes the first format of :data:`FORMATS` whose test fits. A test looks at the labels,
at the taxonomy (do they name nodes?) and at what is asked for:

- ``"one"``: one label for each sample. Tables and lists of steps are paths.
- ``"sets"``: any number of labels. Tables are indicators, lists hold labels or paths.
- ``"any"``: either, for metrics and splitters. Numbers 0 and 1 in as many columns as there are nodes,
  leaves or `classes` are an indicator. Other lists and tables are paths if the taxonomy has all of
  them, one for each sample, and sets if not.
"""

from __future__ import annotations

from typing import Any

from sklhier._targets.formats_base import Format
from sklhier._targets.formats_indicator import (
    Indicator,
    NamedIndicator,
    RowsOfBits,
    SparseIndicator,
)
from sklhier._targets.formats_sets import LabelSets, PathSets
from sklhier._targets.formats_single import LevelColumns, Paths, SingleLabels
from sklhier._targets.given import Asked, Given, as_container
from sklhier.taxonomy import Taxonomy

__all__ = ["FORMATS", "detect"]

FORMATS: tuple[type[Format], ...] = (
    SparseIndicator,
    NamedIndicator,
    Indicator,
    SingleLabels,
    LevelColumns,
    RowsOfBits,
    PathSets,
    Paths,
    LabelSets,
)


def detect(y: Any, taxonomy: Taxonomy | None, asked: Asked, classes: Any = None) -> Format:
    """Return the format of labels, which reads them.

    Without a taxonomy the labels themselves are to spell it out. `classes` are labels that the
    columns of an indicator may stand for.
    """
    given = Given(as_container(y), taxonomy, asked, classes)
    given = given.unwrapped if given.is_mere_column else given
    return next(kind(given) for kind in FORMATS if kind.matches(given))
