"""
The upper levels matter most: what can I do?
============================================

A ticket in the wrong team is a nuisance; one in the wrong department is lost. Three choices favour
the upper levels: the decoder, the strategy, and the metric by which you choose them.
"""

# %%
# A tree with hard decisions
# --------------------------
#
# Generated rows: 4 departments with 4 teams of 3 classes each, which overlap a lot.

import matplotlib.pyplot as plt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import train_test_split

from sklhier import HierarchicalClassifier
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import LevelWeighted
from sklhier.metrics import level_accuracy_scores

X, y, taxonomy = make_hierarchical_classification(
    8000, 8, branching=(4, 4, 3), class_sep=1.2, level_decay=0.9, noise=2.0, random_state=1
)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)

# %%
# Decode with weights
# -------------------
#
# :class:`~sklhier.decoders.LevelWeighted` takes the path with the largest expected weight of right
# nodes. Weights 0, 0, 1 give the best path, and 1, 1, 1 the most right nodes. The larger the
# weight of the first level, the closer this comes to deciding that level first. The models stay
# the same.

weights = {
    "best path": [0, 0, 1],
    "1, 1, 1": [1, 1, 1],
    "4, 2, 1": [4, 2, 1],
    "64, 8, 1": [64, 8, 1],
}
strategies = {"flat": "#D55E00", "per_level": "#009E73", "per_parent": "#0072B2"}
scores = {}
for strategy in strategies:
    model = HierarchicalClassifier(
        LinearDiscriminantAnalysis(), taxonomy=taxonomy, strategy=strategy
    ).fit(X, y)
    node_proba = model.predict_node_proba(X_test)
    for name, level_weights in weights.items():
        answers = model.decode(node_proba, LevelWeighted(level_weights))
        scores[strategy, name] = level_accuracy_scores(y_test, answers, taxonomy=taxonomy)
        print(f"{strategy:10} {name:9}", scores[strategy, name].round(3))

# %%
# First level against whole path
# ------------------------------
#
# Higher is a better first level, further right a better whole path. The probabilities of the flat
# model fit these data, and its line rises: the first level gains about three points at almost no
# cost. No plane separates whole departments, so the line per parent falls: there weights cost
# something and gain nothing. Measure before you set weights.

fig, ax = plt.subplots(figsize=(6.8, 4.6), layout="constrained")
for strategy, colour in strategies.items():
    points = [scores[strategy, name] for name in weights]
    ax.plot(
        [point[-1] for point in points],
        [point[0] for point in points],
        "o-",
        color=colour,
        markersize=9,
        label=strategy,
    )
    for name, point, side in (("best path", points[0], "left"), ("64, 8, 1", points[-1], "right")):
        ax.annotate(
            name,
            (point[-1], point[0]),
            xytext=(8 if side == "left" else -8, -4),
            textcoords="offset points",
            ha=side,
            fontsize=11,
        )
ax.set_xlabel("accuracy of the whole path, test rows")
ax.set_ylabel("accuracy at level 1")
ax.set_title("What is a right department worth?")
ax.margins(0.2)
ax.grid(alpha=0.3)
ax.legend(frameon=False, fontsize=11)
plt.show()

# %%
# Choose by the metric that matters to you, on held-out rows of the training set:
# ``make_hierarchical_scorer("level_accuracy", level=1)``, or
# :func:`~sklhier.metrics.hierarchical_f1_score` with weights. A :doc:`joint model
# </user_guide/joint>` can put the weights of the levels into its loss (``level_weights=``).
