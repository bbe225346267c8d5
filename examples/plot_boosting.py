"""
How do I put XGBoost at the nodes?
==================================

Any classifier with scikit-learn's interface can decide at the nodes: boosted trees at all of them,
or only where they help, with something cheaper elsewhere.
"""

# %%
# Digits, by their holes
# ----------------------
#
# Images of handwritten digits, classified first by the number of holes, then by the digit.

import time
from importlib.util import find_spec

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklhier import HierarchicalClassifier, Taxonomy

digits = load_digits()
taxonomy = Taxonomy.from_dict(
    {"no hole": [1, 2, 3, 4, 5, 7], "one hole": [0, 6, 9], "two holes": [8]}
)
X, X_test, y, y_test = train_test_split(
    digits.data, digits.target, test_size=0.5, stratify=digits.target, random_state=0
)

# %%
# The base estimator
# ------------------
#
# XGBoost if it is installed, otherwise scikit-learn's boosted trees:

if find_spec("xgboost"):
    from xgboost import XGBClassifier

    boosting = XGBClassifier(n_estimators=40, max_depth=4, learning_rate=0.3, n_jobs=1)
else:
    from sklearn.ensemble import HistGradientBoostingClassifier

    boosting = HistGradientBoostingClassifier(max_iter=40, max_depth=4, learning_rate=0.3)
print("At the nodes:", type(boosting).__name__)

# %%
# Everywhere, or where it pays
# ----------------------------
#
# ``node_estimators`` sets the estimator of single nodes, or of whole levels (``"level:1"``). Below
# ``two holes`` there is nothing to decide, so there is no model.

linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
models = {
    "boosting at all nodes": HierarchicalClassifier(boosting, taxonomy=taxonomy),
    "boosting at the top,\nlinear below": HierarchicalClassifier(
        linear, taxonomy=taxonomy, node_estimators={taxonomy.nodes[0]: boosting}
    ),
    "linear at all nodes": HierarchicalClassifier(linear, taxonomy=taxonomy),
    "boosting, flat": HierarchicalClassifier(boosting, taxonomy=taxonomy, strategy="flat"),
}
results = {}
for name, model in models.items():
    start = time.process_time()
    model.fit(X, y)
    seconds = time.process_time() - start
    results[name] = model.score(X_test, y_test), seconds
for node, fitted in models["boosting at the top,\nlinear below"].estimators_.items():
    print(f"{node!s:9} {type(fitted).__name__}")

# %%
# What it brings
# --------------
#
# Right answers and seconds of processor time. When this page was written, flat boosting was ahead:
# with ten classes of many images each, a hierarchy adds little. Compare on your own data, as in
# :ref:`this example <sphx_glr_auto_examples_plot_better_than_flat.py>`.

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
names = list(results)[::-1]
ax.barh(names, [results[name][0] for name in names], color="#0072B2", height=0.6)
for row, name in enumerate(names):
    score, seconds = results[name]
    ax.text(
        score - 0.003, row, f"{score:.3f}", color="white", va="center", ha="right", fontsize=12
    )
    ax.text(score + 0.003, row, f"{seconds:.2f} s", va="center", fontsize=11)
ax.set_xlim(0.8, 1.0)
ax.tick_params(axis="y", labelsize=12)
ax.set_xlabel("share of right test images (from 0.8)")
ax.set_title(f"{type(boosting).__name__} in a hierarchy")
plt.show()

# %%
# Early stopping with a validation set for each node, weights and other parameters are in
# :doc:`/user_guide/base_estimators`.
