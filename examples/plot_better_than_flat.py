"""
Is the hierarchy better than a flat classifier?
===============================================

A hierarchy does not win by itself. The honest test: the same features and the same base estimator,
once along the tree and once flat, on the same folds, with an interval for every difference.
"""

# %%
# Texts with a tree
# -----------------
#
# Every second docstring of the installed libraries; their package, module and submodule are the
# classes. Some texts belong to no submodule: ``stop="learn"`` lets the tree end there, as the
# flat model does by itself. Both have the default base estimator.

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
# :func:`~sklhier.model_selection.compare_with_flat` makes the flat twin of the model and fits both
# on each fold. Intervals come from resampled rows, in pairs.

from sklhier.model_selection import compare_with_flat

comparison = compare_with_flat(model, texts, y, cv=2)
print(comparison)

# %%
# How to read it
# --------------
#
# A dot right of 0 is for the tree, one left of 0 for the flat model. An interval that crosses 0
# shows no difference, which is no proof that there is none. Look at the level that you care
# about: the answer need not be the same at the top and at the bottom.

from sklhier.displays import ComparisonDisplay

fig, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
ComparisonDisplay.from_comparison(comparison).plot(ax=ax)
plt.show()

# %%
# If flat wins, take it: ``strategy="flat"`` still gives probabilities of all nodes, all decoders
# and metrics. Before that, try the :doc:`other strategies </auto_examples/plot_which_strategy>`.
