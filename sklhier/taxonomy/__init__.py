"""Taxonomies: trees and DAGs of classes, compiled once into read-only arrays."""

from sklhier._utils import pickling as _pickling
from sklhier.taxonomy._taxonomy import ROOT, Taxonomy

__all__ = ["ROOT", "Taxonomy"]

_pickling.published(globals())
type(ROOT).__module__ = __name__
