"""Folds: the samples that are held out."""
