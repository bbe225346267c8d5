"""A text corpus that needs no download, and generators of hierarchical data."""

from sklhier.datasets._docstrings import load_docstrings
from sklhier.datasets._generators import (
    make_hierarchical_classification,
    make_hierarchical_text,
)

__all__ = [
    "load_docstrings",
    "make_hierarchical_classification",
    "make_hierarchical_text",
]
