"""
I have no tree: can I make one?
===============================

With thousands of classes a tree saves time, even one made by a program. It groups classes with
similar rows.
"""

# %%
# Make it from the training rows
# ------------------------------
#
# Ten digits are few enough to look at the groups.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklhier import HierarchicalClassifier, Taxonomy

digits = load_digits()
X, X_test, y, y_test = train_test_split(
    digits.data, digits.target, test_size=0.5, stratify=digits.target, random_state=0
)
taxonomy = Taxonomy.induce(X, y, n_groups=3)
print(taxonomy)

# %%
# Is it as good as flat?
# ----------------------
#
# Do not expect such a tree to be more accurate: it knows only what the rows say. A tree made by
# people is usually better.

scores = {}
for strategy in ("per_parent", "flat"):
    base = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    model = HierarchicalClassifier(base, taxonomy=taxonomy, strategy=strategy)
    scores[strategy] = model.fit(X, y).score(X_test, y_test)
    print(f"{strategy:10} {scores[strategy]:.3f}")

# %%
# The groups
# ----------
#
# Mean images of the digits, a row for each group: those that look alike stand together.

groups = [taxonomy.children(group) for group in taxonomy.levels[0]]
widest = max(map(len, groups))
fig, axes = plt.subplots(
    len(groups), widest, figsize=(1.5 * widest, 1.7 * len(groups)), layout="constrained"
)
for row, group in zip(axes, groups, strict=True):
    for ax in row:
        ax.axis("off")
    for ax, digit in zip(row, group, strict=False):
        ax.imshow(X[y == digit].mean(axis=0).reshape(8, 8), cmap="Blues")
        ax.set_title(digit, fontsize=15)
fig.suptitle(
    f"Induced groups: {scores['per_parent']:.1%} right, flat {scores['flat']:.1%}", fontsize=14
)
plt.show()

# %%
# In cross-validation, induce the tree from the training rows of each fold. ``method="ward"``
# groups classes in another way.
