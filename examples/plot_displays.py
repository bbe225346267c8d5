"""
Which classes are bad, and where do predictions go wrong?
=========================================================

An error rate does not say whether a pair of classes, a branch or the first decision is to blame.
Three pictures do.
"""

# %%
# A model and its test texts
# --------------------------
#
# The texts are the docstrings of installed libraries, their classes a tree of packages, modules
# and submodules.

import matplotlib.pyplot as plt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from sklhier import HierarchicalClassifier
from sklhier.datasets import load_docstrings

corpus = load_docstrings()
train_texts, test_texts, y_train, y_test = train_test_split(
    corpus.data, corpus.target, test_size=0.4, stratify=corpus.target, random_state=0
)
model = make_pipeline(
    TfidfVectorizer(sublinear_tf=True, min_df=2),
    HierarchicalClassifier(LinearSVC(tol=0.1, dual=True), taxonomy=corpus.taxonomy),
)
model.fit(train_texts, y_train)
print(f"{model.score(test_texts, y_test):.3f} of {len(y_test)} answers are right.")

# %%
# Where do they go wrong?
# -----------------------
#
# Start here. Each error is counted at the node where the path takes a wrong turn. A few nodes have
# most of them: more data, better features or another classifier (``node_estimators=``) help most
# there.

from sklhier.displays import ErrorAttributionDisplay

display = ErrorAttributionDisplay.from_estimator(model, test_texts, y_test)
fig, ax = plt.subplots(figsize=(9, 5), layout="constrained")
display.plot(ax=ax, max_nodes=15)
plt.show()

# %%
# The same as numbers:

columns = ["node", "arrived", "errors", "error_rate", "worst_true", "worst_predicted"]
print(display.attribution.to_frame()[columns].head(5).round(3).to_string(index=False))

# %%
# Which classes are bad?
# ----------------------
#
# Every node with its F1. Bars and colours say the same; branches with few errors are folded, and
# ``[+5]`` says that five nodes are not shown there. ``bar="errors"`` has the number of errors
# instead.

from sklhier.displays import TaxonomyDisplay

display = TaxonomyDisplay.from_estimator(model, test_texts, y_test)
fig, ax = plt.subplots(figsize=(9.5, 9), layout="constrained")
display.plot(ax=ax, max_nodes=100)
plt.show()

# %%
# Without axes, a display makes a figure large enough for its rows. In a notebook it is a list to
# unfold, which :meth:`~sklhier.displays.TaxonomyDisplay.to_html` also writes for a report:

TaxonomyDisplay.from_estimator(model, test_texts, y_test)

# %%
# Do mistakes stay within their branch?
# -------------------------------------
#
# Mistakes in a grey square stay within a branch: the answer is a close relative. Those outside
# cost more if upper levels matter.

from sklhier.displays import HierarchicalConfusionMatrixDisplay

display = HierarchicalConfusionMatrixDisplay.from_estimator(model, test_texts, y_test)
fig, ax = plt.subplots(figsize=(8, 7), layout="constrained")
display.plot(ax=ax)
plt.show()

# %%
# At the first level alone:

display = HierarchicalConfusionMatrixDisplay.from_estimator(model, test_texts, y_test, level=1)
# sphinx_gallery_thumbnail_number = 4
fig, ax = plt.subplots(figsize=(6, 5), layout="constrained")
display.plot(ax=ax)
plt.show()
