"""
Which of my labels are wrong?
=============================

Many people label the rows of a large taxonomy. Models that were fitted without a row judge each
step of its label. Check the least likely labels first.
"""

# %%
# Labels with planted mistakes
# ----------------------------
#
# One label in twenty is replaced at random.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

from sklhier import HierarchicalClassifier
from sklhier.datasets import load_docstrings
from sklhier.model_selection import find_label_issues
from sklhier.strategies import PerParent

corpus = load_docstrings()
random = np.random.RandomState(0)
labels = corpus.target.copy()
planted = random.permutation(len(labels))[: len(labels) // 20]
labels[planted] = random.permutation(corpus.target)[: len(planted)]
planted = planted[labels[planted] != corpus.target[planted]]
print(f"{len(planted)} of {len(labels)} labels are wrong")

# %%
# Look for them
# -------------
#
# Three folds: each row is judged by models fitted without it.

model = make_pipeline(
    TfidfVectorizer(sublinear_tf=True, min_df=2),
    HierarchicalClassifier(
        SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0),
        taxonomy=corpus.taxonomy,
        strategy=PerParent(stop="learn"),
    ),
)
found = find_label_issues(model, corpus.data, labels, cv=3)
for issue in found.records()[:5]:
    name, given, suggested = corpus.names[issue["row"]], issue["given"], issue["suggested"]
    print(f"{name}\n    {given} -> {suggested}")

# %%
# How many labels must be read?
# -----------------------------
#
# Reading the most doubtful labels first finds most mistakes soon. The dashed line is any other
# order.

hits = np.cumsum(np.isin(found.rows, planted))
read = np.arange(1, len(hits) + 1)
fig, ax = plt.subplots(figsize=(6.8, 4.4), layout="constrained")
ax.plot(
    read / len(hits),
    hits / len(planted),
    color="#0072B2",
    linewidth=3,
    label="most doubtful first",
)
ax.plot([0, 1], [0, 1], "--", color="#777777", label="in any order")
share = hits[len(hits) // 10] / len(planted)
ax.plot(0.1, share, "o", color="#D55E00", markersize=11)
ax.annotate(
    f"a tenth is read,\n{share:.0%} are found",
    (0.1, share),
    xytext=(16, -34),
    textcoords="offset points",
    fontsize=13,
    color="#D55E00",
)
ax.set_xlabel("share of the labels that are read")
ax.set_ylabel("share of the mistakes that are found")
ax.set_title("Looking for wrong labels")
ax.grid(alpha=0.3)
ax.legend(frameon=False, fontsize=12, loc="lower right")
plt.show()
