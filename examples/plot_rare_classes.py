"""
Most of my classes are rare: does that work?
============================================

In real taxonomies a few classes have most of the rows. What can be learnt about a class with five
rows, and is at least the branch right?
"""

# %%
# Texts with a long tail
# ----------------------
#
# Generated documents of 96 classes in a tree of three levels.

import warnings
from itertools import pairwise
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import SGDClassifier

from sklhier import HierarchicalClassifier
from sklhier.datasets import make_hierarchical_text
from sklhier.model_selection import HierarchicalStratifiedKFold, check_rare_classes, coarsen

X, y, taxonomy = make_hierarchical_text(
    6000, branching=(6, 4, 4), imbalance=1.5, topic_share=0.3, mean_length=40, random_state=0
)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    check_rare_classes(y, taxonomy, min_count=5)
print(fill(str(caught[0].message), 95))

# %%
# Split them
# ----------
#
# ``StratifiedKFold`` warns here. This splitter stratifies a rare class by the deepest branch with
# enough rows, so at least the branches are in all parts:

train, test = next(HierarchicalStratifiedKFold(2, taxonomy=taxonomy).split(X, y))

# %%
# Three ways
# ----------
#
# Flat; along the tree; and along the tree with classes of fewer than 10 rows merged into their
# branch by :func:`~sklhier.model_selection.coarsen`. Labels of the test part stay as they are.

base = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)
flat = HierarchicalClassifier(base, taxonomy=taxonomy, strategy="flat").fit(X[train], y[train])
tree = HierarchicalClassifier(base, taxonomy=taxonomy).fit(X[train], y[train])
coarser = coarsen(y[train], taxonomy, min_count=10)
kept = [label is not None for label in coarser]  # a whole branch may have too few rows
merged = HierarchicalClassifier(base, taxonomy=taxonomy).fit(X[train][kept], coarser[kept])

# %%
# Right class or right branch, by the size of the class
# -----------------------------------------------------
#
# On the left the whole label must be right, which is impossible for merged classes. On the right
# the branch above it is enough. A rare class is hardly ever found, but its branch is right much
# more often, because it also learns from its other classes. That is how a hierarchy helps rare
# classes.

counts = dict(zip(*np.unique(y[train], return_counts=True), strict=True))
size = np.array([counts.get(label, 0) for label in y[test]])
edges = [0, 5, 10, 20, 50, 100, 10_000]
names = ["0-4", "5-9", "10-19", "20-49", "50-99", "100+"]
branch = taxonomy.to_levels(y[test])[:, 1]
fig, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", sharey=True)
styles = {"flat": ("s--", "#D55E00"), "tree": ("o-", "#0072B2"), "merged": ("^:", "#009E73")}
for (name, (line, colour)), model in zip(styles.items(), (flat, tree, merged), strict=True):
    answers = model.predict(X[test])
    rights = (answers == y[test], taxonomy.to_levels(answers)[:, 1] == branch)
    for ax, right in zip(axes, rights, strict=True):
        shares = [right[(size >= low) & (size < high)].mean() for low, high in pairwise(edges)]
        ax.plot(names, shares, line, color=colour, markersize=8, label=name)
for ax, title in zip(axes, ("the class is right", "the branch is right"), strict=True):
    ax.set_title(title)
    ax.set_xlabel("training rows of the class")
    ax.grid(alpha=0.3)
axes[0].set_ylabel("share of test rows")
axes[0].legend(frameon=False, fontsize=12)
plt.show()
