"""Coherent node probabilities from the scores of local or joint models."""
