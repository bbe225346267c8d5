"""Fitting the local models of a strategy, level by level where one learns from another."""
