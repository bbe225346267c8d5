"""Taxonomies: trees and DAGs of classes, compiled once into read-only arrays."""

from sklhier._utils.pickling import published
from sklhier.taxonomy._taxonomy import ROOT, Taxonomy

__all__ = ["ROOT", "Taxonomy"]

published(globals())
type(ROOT).__module__ = __name__
