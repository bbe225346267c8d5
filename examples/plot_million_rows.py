"""
Does it scale to a million rows?
================================

Measure on some of your rows how the time grows, before you fit all of them. This page stops early,
to be built in seconds; set ``LARGEST`` to a million to fit them all.
"""

# %%
# Generated texts
# ---------------
#
# Sparse counts of words, 200 classes in a tree of three levels. They are single precision, as
# ``TfidfVectorizer(dtype=np.float32)`` makes them: half the memory.

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import SGDClassifier

from sklhier import HierarchicalClassifier
from sklhier.datasets import make_hierarchical_text

LARGEST = 40_000  # 1_000_000 takes some gigabytes and minutes
X, y, taxonomy = make_hierarchical_text(
    LARGEST, branching=(5, 5, 8), mean_length=20, topic_share=0.4, random_state=0
)
X = X.astype(np.float32)
sizes = [LARGEST // 16, LARGEST // 8, LARGEST // 4, LARGEST // 2, LARGEST]

# %%
# Fit and predict
# ---------------
#
# One worker. ``n_jobs=-1`` uses all of them, and gives the same models.

base = SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=5, tol=None, random_state=0)
seconds = {"fit": [], "predict": []}
for size in sizes:
    model = HierarchicalClassifier(base, taxonomy=taxonomy)
    start = time.process_time()
    model.fit(X[:size], y[:size])
    fitted = time.process_time()
    model.predict(X[:size])
    seconds["fit"].append(fitted - start)
    seconds["predict"].append(time.process_time() - fitted)

# %%
# The slope
# ---------
#
# On logarithmic axes a slope of 1 means that twice the rows take twice the time. The dashed line
# continues the last two points. It is a guess: larger data also meet other limits, above all
# memory.

MILLION = 1_000_000
fig, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
for (name, times), colour in zip(seconds.items(), ("#0072B2", "#D55E00"), strict=True):
    slope = np.log(times[-1] / times[-2]) / np.log(sizes[-1] / sizes[-2])
    guess = times[-1] * (MILLION / sizes[-1]) ** slope
    label = f"{name}: slope {slope:.2f}, {guess:.2g} s at a million"
    ax.loglog(sizes, times, "o-", color=colour, markersize=8, label=label)
    ax.loglog([sizes[-1], MILLION], [times[-1], guess], "--", color=colour)
ax.set_ylim(top=ax.get_ylim()[1] * 8)  # room for the legend
ax.set_xlabel("rows")
ax.set_ylabel("seconds, one core")
ax.set_title(
    f"{len(taxonomy.leaves)} classes, a model for each of {len(model.estimators_)} parents"
)
ax.grid(alpha=0.3)
ax.legend(frameon=False, fontsize=12, loc="upper left")
plt.show()

# %%
# What to do about time and memory is in :doc:`/user_guide/performance`. If the rows do not fit
# into memory, ``partial_fit`` takes them in batches.
