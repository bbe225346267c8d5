"""
Can its probabilities be trusted, and is it better than flat?
=============================================================

A classifier that knows when it does not know can refuse those answers. Two pictures show whether it
does, level by level; a third one whether the hierarchy was worth it.
"""

# %%
# A model and its test texts
# --------------------------
#
# Some labels are inner nodes, such as ``scipy/sparse``: ``stop="learn"`` lets the model end there, as
# a flat one does.

import matplotlib.pyplot as plt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklhier import HierarchicalClassifier
from sklhier.datasets import load_docstrings
from sklhier.strategies import PerParent

corpus = load_docstrings()
train_texts, test_texts, y_train, y_test = train_test_split(
    corpus.data, corpus.target, test_size=0.4, stratify=corpus.target, random_state=0
)
model = make_pipeline(
    TfidfVectorizer(sublinear_tf=True, min_df=2),
    HierarchicalClassifier(taxonomy=corpus.taxonomy, strategy=PerParent(stop="learn")),
)
model.fit(train_texts, y_train)

# %%
# Do the probabilities hold?
# --------------------------
#
# At each level we take the most probable node. Of all answers with a probability of 0.8, four in
# five should be right: the dots should lie on the diagonal. Below it the model is too sure of
# itself, above it not sure enough. ECE is the mean distance.

from sklhier.displays import LevelCalibrationDisplay

display = LevelCalibrationDisplay.from_estimator(model, test_texts, y_test, n_bins=10)
fig, ax = plt.subplots(figsize=(7.5, 5), layout="constrained")
display.plot(ax=ax)
plt.show()

# %%
# How many mistakes are left without the least sure answers?
# ----------------------------------------------------------
#
# From right to left, more and more of the least sure answers are refused. A line that falls
# steeply is a model that knows what it does not know.

from sklhier.displays import RiskCoverageDisplay

display = RiskCoverageDisplay.from_estimator(model, test_texts, y_test)
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
display.plot(ax=ax)
plt.show()

# %%
# What a limit on the risk costs, at each level: the share of the texts that still get an answer
# if at most 5 % of the answers may be wrong.

for level, coverage in zip(display.curve.levels, display.curve.coverage_at(0.05), strict=True):
    print(f"level {level}: {coverage:.0%}")

# %%
# Is it better than flat?
# -----------------------
#
# Both are fitted on the same folds of the training texts. An interval that crosses 0 shows no
# difference, which is no proof that there is none.

from sklhier.displays import ComparisonDisplay
from sklhier.model_selection import compare_with_flat

comparison = compare_with_flat(model, train_texts, y_train, cv=3)
display = ComparisonDisplay.from_comparison(comparison)
fig, ax = plt.subplots(figsize=(7.5, 3.5), layout="constrained")
display.plot(ax=ax)
plt.show()
