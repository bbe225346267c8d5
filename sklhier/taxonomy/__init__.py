"""Taxonomies: trees and DAGs of classes, compiled once into read-only arrays."""

from sklhier.taxonomy._taxonomy import ROOT, Taxonomy

__all__ = ["ROOT", "Taxonomy"]

for _published in (Taxonomy, type(ROOT)):
    _published.__module__ = __name__  # what saved files name
del _published
