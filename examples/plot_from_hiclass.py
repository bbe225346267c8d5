"""
I come from HiClass: what changes?
==================================

Labels stay, and one line changes. New is the choice of how probabilities become an answer.
"""

# %%
# Labels as they are
# ------------------
#
# One column for each level, padded with ``""`` where a path ends early, as HiClass takes them.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklhier import HierarchicalClassifier
from sklhier.datasets import load_docstrings
from sklhier.metrics import hierarchical_f1_score, level_accuracy_scores
from sklhier.strategies import PerParent

corpus = load_docstrings()
y = np.array([[step or "" for step in path] for path in corpus.levels.tolist()])
texts, test_texts, y, y_test = train_test_split(corpus.data, y, test_size=0.5, random_state=0)
y[:3]

# %%
# The model
# ---------
#
# With HiClass it is::
#
#     LocalClassifierPerParentNode(local_classifier=base).fit(X, y).predict(X_test)
#
# Here it is the following. Answers come back in the form of the labels:

base = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)
model = make_pipeline(
    TfidfVectorizer(sublinear_tf=True, min_df=2), HierarchicalClassifier(base, decoder="top_down")
)
as_before = model.fit(texts, y).predict(test_texts)
as_before[:3]

# %%
# What is new
# -----------
#
# The best whole path, from the same models without a new fit; paths that may end early; and levels
# that correct each other.

classifier = model[-1].set_params(decoder="best_path")
answers = {"as HiClass: top-down": as_before, "best path": model.predict(test_texts)}
strategies = {"best path, stops learnt": PerParent(stop="learn"), "per level": "per_level"}
for name, strategy in strategies.items():
    answers[name] = (
        model.set_params(hierarchicalclassifier__strategy=strategy)
        .fit(texts, y)
        .predict(test_texts)
    )
taxonomy = classifier.taxonomy_
for name, answer in answers.items():
    print(
        f"{name:24} hierarchical F1 {hierarchical_f1_score(y_test, answer, taxonomy=taxonomy):.3f}"
    )

# %%
# Level by level
# --------------
#
# The share of test texts with the right node at each level. Gaps of less than a point are noise.

fig, ax = plt.subplots(figsize=(8, 4.4), layout="constrained")
colours = ["#777777", "#0072B2", "#009E73", "#D55E00"]
for place, ((name, answer), colour) in enumerate(zip(answers.items(), colours, strict=True)):
    score = level_accuracy_scores(y_test, answer, taxonomy=taxonomy)
    bars = ax.bar(np.arange(3) + 0.2 * (place - 1.5), score, 0.19, color=colour, label=name)
    ax.bar_label(bars, [f"{value:.2f}" for value in score], fontsize=10)
ax.set_xticks(range(3), ["package", "module", "submodule"], fontsize=12)
ax.set_ylim(0.5, 1.0)
ax.set_ylabel("accuracy, test texts")
ax.set_title("The same base estimator, four answers")
fig.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=11)
plt.show()

# %%
# All names side by side, and what differs in results: :doc:`/user_guide/from_hiclass`.
