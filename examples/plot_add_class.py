"""
A new class appears: what do I do?
==================================

A class is added to the tree, with few examples at first. How many does the model need to find it,
and do the other classes suffer?
"""

# %%
# A tree without one class, then with it
# --------------------------------------
#
# We take ``scipy/ndimage`` out of the training texts and the tree, as if it did not exist yet.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier

from sklhier import HierarchicalClassifier
from sklhier.datasets import load_docstrings

corpus = load_docstrings()
new = "scipy/ndimage"
is_new = corpus.target == new
before = corpus.taxonomy.prune([new])
X = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(corpus.data)
y = corpus.target
random = np.random.RandomState(0)
test = random.uniform(size=len(y)) < 0.4
base = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)
rows = np.flatnonzero(~is_new & ~test)
model = HierarchicalClassifier(base, taxonomy=before).fit(X[rows], y[rows])

# %%
# ``graft`` adds the class below its parent; other names stay. Without an example it is never
# predicted, and is listed as unseen:

taxonomy = before.graft([("scipy", new)])
model = HierarchicalClassifier(base, taxonomy=taxonomy).fit(X[rows], y[rows])
new in model.unseen_nodes_

# %%
# From no example to all
# ----------------------
#
# For each number of examples the model is fitted again. Only the models on the path to the new
# class change: those of the root and of ``scipy``.

examples = random.permutation(np.flatnonzero(is_new & ~test))
numbers = [n for n in (0, 2, 5, 10, 20, 40) if n < len(examples)]
found, others = [], []
for number in numbers:
    train = np.sort(np.concatenate([rows, examples[:number]]))
    model = HierarchicalClassifier(base, taxonomy=taxonomy).fit(X[train], y[train])
    right = model.predict(X[test]) == y[test]
    found.append(right[is_new[test]].mean())
    others.append(right[~is_new[test]].mean())

# %%
# How many examples does it need?
# -------------------------------
#
# A few examples go a long way, because the class has its own words. The other classes lose
# nothing.

fig, ax = plt.subplots(figsize=(6.8, 4.3), layout="constrained")
places = np.arange(len(numbers))
ax.plot(places, found, "o-", color="#D55E00", markersize=9, label=f"{new}: found")
ax.plot(places, others, "s--", color="#0072B2", markersize=8, label="other classes: right")
ax.set_xticks(places, numbers)
ax.set_ylim(-0.05, 1.05)
ax.set_xlabel("examples of the new class")
ax.set_ylabel("share of test texts")
ax.set_title("A class is added")
ax.grid(alpha=0.3)
ax.legend(frameon=False, fontsize=12, loc="lower right")
plt.show()

# %%
# Without any example, ``reject=`` refuses texts that seem to belong to none of the known classes
# (:doc:`/user_guide/guarantees`).
