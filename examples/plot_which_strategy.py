"""
Which strategy is right for my data?
====================================

One model per parent, per node, per level, or for all classes: which is best depends on the data.
One call compares them on the same folds and recommends one.
"""

# %%
# A noisy table
# -------------
#
# Generated rows of ten numbers, as from sensors, with 24 classes in a tree of three levels.

import matplotlib.pyplot as plt
from sklearn.naive_bayes import GaussianNB

from sklhier import HierarchicalClassifier
from sklhier.datasets import make_hierarchical_classification
from sklhier.model_selection import compare_strategies

X, y, taxonomy = make_hierarchical_classification(
    2000, 10, branching=(4, 3, 2), noise=2.0, random_state=0
)
found = compare_strategies(
    HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy), X, y, cv=3, n_bootstrap=500
)
print(found)

# %%
# Score against time
# ------------------
#
# Up and to the left is better. Seconds are those of the machine that built this page. The base
# estimator is fast; with a slower one, flat and per level take relatively longer.

fig, ax = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
for name, score, seconds in zip(found.names, found.scores, found.seconds, strict=True):
    taken = name == found.recommended
    ax.plot(seconds, score, "o", markersize=13, color="#D55E00" if taken else "#0072B2")
    ax.annotate(
        f"{name}, recommended" if taken else name,
        (seconds, score),
        xytext=(11, 0),
        textcoords="offset points",
        va="center",
        fontsize=12,
    )
ax.set_xlim(0, 1.5 * found.seconds.max())
ax.margins(y=0.25)
ax.set_xlabel("seconds, all folds")
ax.set_ylabel("hierarchical F1, held out")
ax.set_title("Four strategies on the same folds")
ax.grid(alpha=0.3)
plt.show()

# %%
# ``strategy="auto"`` does the same within ``fit``, and can also choose an ensemble of strategies:
# :ref:`auto-strategy`.
