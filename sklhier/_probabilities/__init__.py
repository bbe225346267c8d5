"""Scores of local or joint models to coherent probabilities of nodes."""
