"""
Is the hierarchy better than a flat classifier?
===============================================

A hierarchy does not always win. An honest test takes the same features and base estimator, once
along the tree and once flat, on the same folds, and gives an interval for every difference.
"""

# %%
# Texts with a tree
# -----------------
#
# Every second docstring of the installed libraries, labelled by package, module and submodule.
# Some texts belong to no submodule: ``stop="learn"`` lets the path end there, as the flat model
# always can. Both have the default base estimator.

import matplotlib.pyplot as plt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from sklhier import HierarchicalClassifier
from sklhier.datasets import load_docstrings
from sklhier.strategies import PerParent

corpus = load_docstrings()
texts, y = corpus.data[::2], corpus.target[::2]
model = make_pipeline(
    TfidfVectorizer(sublinear_tf=True, min_df=2),
    HierarchicalClassifier(taxonomy=corpus.taxonomy, strategy=PerParent(stop="learn")),
)

# %%
# Compare
# -------
#
# :func:`~sklhier.model_selection.compare_with_flat` makes a flat copy of the model and fits both
# on each fold. Intervals come from resampled rows, the same for both models.

from sklhier.model_selection import compare_with_flat

comparison = compare_with_flat(model, texts, y, cv=2)
print(comparison)

# %%
# How to read it
# --------------
#
# A dot right of 0 speaks for the tree, one left of 0 for the flat model. An interval that contains
# 0 shows no difference, which does not prove that there is none. Look at the level that you care
# about: the answer may differ between levels.

from sklhier.displays import ComparisonDisplay

fig, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
ComparisonDisplay.from_comparison(comparison).plot(ax=ax)
plt.show()

# %%
# If flat wins, take it: ``strategy="flat"`` still gives the probabilities of all nodes, and all
# decoders and metrics work with it. First try the :doc:`other strategies
# </auto_examples/plot_which_strategy>`.
