"""
Topic, subtopic, class: how do I train that on texts?
=====================================================

Which part of which library answers a question? The classes form a tree of three levels: package,
module, submodule. We train on docstrings, compare one classifier per parent node with the flat
baseline, let it stop where it is unsure, and ask it something.
"""

# %%
# Real texts with a taxonomy
# --------------------------
#
# The texts are the docstrings of installed libraries: nothing is downloaded, and numbers vary a
# little with the versions.

from sklhier.datasets import load_docstrings

corpus = load_docstrings()
print(corpus.DESCR)

# %%
# A few lines of the tree, and a few labels with the beginnings of their texts. Some labels are
# inner nodes: ``scipy/sparse`` holds what belongs to none of its submodules.

print(corpus.taxonomy.to_text(max_lines=100, max_children=5))
for row in range(0, len(corpus.data), 900):
    print(f"\n{corpus.target[row]}\n    {corpus.data[row].splitlines()[0][:80]}")

# %%
# One split, made first
# ---------------------
#
# The test set is used once, at the end. The vectoriser is part of the pipeline, so that it learns
# from the training texts alone. (Parameters are fixed here to keep the page short; tune them by
# cross-validation on the training texts, never on the test texts.)

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklhier import HierarchicalClassifier
from sklhier.strategies import PerParent

train_texts, test_texts, y_train, y_test = train_test_split(
    corpus.data, corpus.target, test_size=0.25, stratify=corpus.target, random_state=0
)
base = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)


def fitted(strategy):
    """Return a pipeline fitted to the training texts."""
    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, min_df=2),
        HierarchicalClassifier(base, taxonomy=corpus.taxonomy, strategy=strategy),
    )
    return model.fit(train_texts, y_train)


models = {
    "per parent": fitted("per_parent"),
    "per parent, stops learnt": fitted(PerParent(stop="learn")),
    "flat": fitted("flat"),
}

# %%
# Three models: one classifier per parent node, which always continues to a leaf; the same with one
# more outcome, to stop at an inner node that occurs as a label; and a single classifier over all
# classes. What was fitted for the first:

tree = models["per parent"][-1]
report = tree.fit_report_
print(f"{len(tree.estimators_)} local classifiers; the five largest problems:")
for record in sorted(report, key=lambda record: -record["n_rows"])[:5]:
    print(f"  {record['node']!s:22} {record['n_rows']:5} rows, {record['n_outcomes']:3} outcomes")

# %%
# How good is it, level by level?
# -------------------------------
#
# A report is read from the top: accuracy at each level, averages over all nodes, and then the
# nodes themselves, here those of the first level.

from sklhier.metrics import hierarchical_classification_report

answers = {name: model.predict(test_texts) for name, model in models.items()}
for name, answer in answers.items():
    print(f"--- {name}\n")
    print(
        hierarchical_classification_report(y_test, answer, taxonomy=corpus.taxonomy, max_depth=1),
        end="\n\n",
    )

# %%
# Do not stop at the first number. A model that always continues to a leaf loses hierarchical
# precision where the true label is an inner node, and may gain recall elsewhere. Accuracy at a
# level counts only samples whose true label reaches that level. Compare like with like: the flat
# model can stop as well.
#
# The bars reach two standard errors to either side. Smaller gaps say nothing.

import matplotlib.pyplot as plt
import numpy as np

summaries = {
    name: hierarchical_classification_report(
        y_test, answer, taxonomy=corpus.taxonomy, output="dict"
    )
    for name, answer in answers.items()
}
styles = {
    "per parent": ("o", "#0072B2", -0.3),
    "per parent, stops learnt": ("^", "#009E73", 0.0),
    "flat": ("s", "#D55E00", 0.3),
}

fig, ax = plt.subplots(figsize=(7.2, 4), layout="constrained")
for name, (marker, colour, shift) in styles.items():
    levels = summaries[name]["levels"]
    accuracy = np.array([row["accuracy"] for row in levels])
    support = np.array([row["support"] for row in levels])
    error = 2 * np.sqrt(accuracy * (1 - accuracy) / support)
    positions = np.arange(1, len(levels) + 1) + shift
    ax.errorbar(
        positions, accuracy, error, fmt=marker, color=colour, capsize=4, markersize=7, label=name
    )
    for x, value in zip(positions, accuracy, strict=True):
        ax.annotate(
            f"{value:.3f}",
            (x, value),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color=colour,
        )
ax.set_xticks([1, 2, 3], ["1: package", "2: module", "3: submodule"])
ax.set_xlim(0.5, 3.7)
ax.set_xlabel("level")
ax.set_ylabel("accuracy on test texts")
ax.set_title("Three models, level by level")
ax.grid(axis="y", alpha=0.3)
ax.legend(frameon=False, loc="lower left")
plt.show()

# %%
# Stop where it is unsure
# -----------------------
#
# We go on with the first model. The probabilities of all nodes are computed once; decoding them
# again costs next to nothing.
# :class:`~sklhier.decoders.Threshold` answers with the deepest node whose probability exceeds
# ``tau``. We look at the trade-off here; to *choose* ``tau``, use held-out training texts.

from sklhier.decoders import Threshold
from sklhier.metrics import hierarchical_precision_recall_fscore_support

vectoriser = models["per parent"][:-1]
node_proba = tree.predict_node_proba(vectoriser.transform(test_texts))
taus = np.arange(0.5, 1.0, 0.05)
curve = []
for tau in taus:
    answer = tree.decode(node_proba, Threshold(tau))
    precision, recall, *_ = hierarchical_precision_recall_fscore_support(
        y_test, answer, taxonomy=corpus.taxonomy
    )
    curve.append((precision, recall))

fig, ax = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
for values, label, line, colour in zip(
    np.transpose(curve),
    ("hierarchical precision", "hierarchical recall"),
    ("-o", "--s"),
    ("#0072B2", "#D55E00"),
    strict=True,
):
    ax.plot(taus, values, line, color=colour, label=label)
ax.set_xlabel("threshold tau")
ax.set_ylabel("share of nodes, test texts")
ax.set_title("Per parent, stopping earlier and earlier")
ax.grid(alpha=0.3)
ax.legend(frameon=False)
plt.show()

# %%
# Ask it
# ------
#
# For each question: the most probable path with the probability of each step, and the answer
# where a node needs a probability above 0.5. ``None`` means that not even a package is that
# probable.

questions = [
    "solve a large sparse system of linear equations with a preconditioner",
    "shortest path between two vertices of a weighted graph",
    "draw random samples from a normal distribution",
    "split the samples into training and test folds",
    "what is for dinner",
]
question_proba = tree.predict_node_proba(vectoriser.transform(questions))
best = tree.decode(question_proba, "best_path")
sure = tree.decode(question_proba, Threshold(0.5))
for row, question in enumerate(questions):
    path = corpus.taxonomy.path(best[row])
    steps = [f"{node} ({question_proba[row, corpus.taxonomy.id(node)]:.2f})" for node in path]
    print(f"{question}\n    path:      {' > '.join(steps)}\n    Threshold: {sure[row]}\n")

# %%
# The last question belongs nowhere. But probabilities are always shared out among the known
# classes, so a threshold does not reliably notice.
