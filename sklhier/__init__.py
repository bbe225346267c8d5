"""Hierarchical classification, scikit-learn native."""

from sklhier._version import __version__
from sklhier.taxonomy import Taxonomy

__all__ = ["Taxonomy", "__version__"]
