"""Comparisons with other packages, each of them optional."""
