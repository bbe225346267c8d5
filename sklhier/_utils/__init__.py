"""Helpers of every layer: checks of input, rows of X, work in parallel, types, warnings."""
