"""
Can its probabilities be trusted?
=================================

An answer with a probability of 0.9 should be right nine times out of ten, at each level. And wrong
answers should be the least probable ones, so that they can be refused. Two pictures show whether
this holds.
"""

# %%
# A model, as it is and calibrated
# --------------------------------
#
# Naive Bayes treats every word as independent evidence, so it is overconfident. Some labels are
# inner nodes, such as ``scipy/sparse``: ``stop="learn"`` lets paths end there.
# ``calibration="temperature"`` learns one number from out-of-fold predictions of the training
# texts.

import matplotlib.pyplot as plt
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from sklhier import HierarchicalClassifier
from sklhier.datasets import load_docstrings
from sklhier.strategies import PerParent

corpus = load_docstrings()
train_texts, test_texts, y_train, y_test = train_test_split(
    corpus.data, corpus.target, test_size=0.4, stratify=corpus.target, random_state=0
)
models = {}
for calibration in (None, "temperature"):
    model = make_pipeline(
        CountVectorizer(min_df=2, stop_words="english"),
        HierarchicalClassifier(
            MultinomialNB(alpha=0.1),
            taxonomy=corpus.taxonomy,
            strategy=PerParent(stop="learn"),
            calibration=calibration,
            cv=3,
        ),
    )
    models[calibration] = model.fit(train_texts, y_train)

# %%
# Do the probabilities hold?
# --------------------------
#
# At each level we take the most probable node. Of all answers with a probability of 0.8, four in
# five should be right, so the dots should lie on the diagonal. Below it the model is
# overconfident, above it underconfident. ECE is the mean distance.

from sklhier.displays import LevelCalibrationDisplay

fig, axes = plt.subplots(2, 1, figsize=(7.2, 8.4), layout="constrained")
for ax, (calibration, model) in zip(axes, models.items(), strict=True):
    LevelCalibrationDisplay.from_estimator(model, test_texts, y_test, n_bins=8, ax=ax)
    ax.set_title(f"calibration: {calibration}")
plt.show()

# %%
# How many mistakes remain without the least certain answers?
# -----------------------------------------------------------
#
# From right to left, more of the least certain answers are refused. The steeper a line falls, the
# better the model knows which answers are doubtful.

from sklhier.displays import RiskCoverageDisplay

# sphinx_gallery_thumbnail_number = 2

display = RiskCoverageDisplay.from_estimator(models["temperature"], test_texts, y_test)
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
display.plot(ax=ax)
plt.show()

# %%
# What a limit on the risk costs, at each level: the share of the texts that still get an answer
# if at most 5 % of the answers may be wrong.

for level, coverage in zip(display.curve.levels, display.curve.coverage_at(0.05), strict=True):
    print(f"level {level}: {coverage:.0%}")

# %%
# To hold a limit on new texts, see
# :ref:`the example on stopping <sphx_glr_auto_examples_plot_stop_when_unsure.py>`.
