"""
A text has several topics: how do I find all of them?
=====================================================

Questions to a help desk are often about two things at once. So each node of the tree decides yes
or no, and the answer is a set of labels.
"""

# %%
# Questions about two things
# --------------------------
#
# We make such texts from two docstrings of scipy, 200 letters of each. Their labels are the
# modules of both. Every fourth text is a single docstring.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

from sklhier import HierarchicalMultiLabelClassifier
from sklhier.datasets import load_docstrings
from sklhier.decoders import SetThreshold
from sklhier.metrics import hierarchical_precision_recall_fscore_support

corpus = load_docstrings()
in_scipy = [row for row, label in enumerate(corpus.target) if label.startswith("scipy/")]
random = np.random.RandomState(0)
first, second = random.choice(in_scipy, (2, 3000))
single = random.uniform(size=3000) < 0.25
texts = [
    corpus.data[a][:200] + ("" if alone else " " + corpus.data[b][:200])
    for a, b, alone in zip(first, second, single, strict=True)
]
targets = corpus.target.tolist()
labels = [
    sorted({targets[a]} | (set() if alone else {targets[b]}))
    for a, b, alone in zip(first, second, single, strict=True)
]
taxonomy = corpus.taxonomy.subtree("scipy")
print(texts[0][:90], "...", labels[0])

# %%
# Fit and ask
# -----------
#
# A docstring in both parts would make the scores too good. So docstrings are split first, and a
# text belongs to a part if all of it does.

held_out = random.uniform(size=len(corpus.data)) < 0.5
test = np.flatnonzero(held_out[first] & held_out[second])
train = np.flatnonzero(~held_out[first] & ~held_out[second])
model = make_pipeline(
    TfidfVectorizer(sublinear_tf=True, min_df=2),
    HierarchicalMultiLabelClassifier(
        SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0), taxonomy=taxonomy
    ),
)
model.fit([texts[row] for row in train], [labels[row] for row in train])
model.predict(["fit a spline to noisy data, then test whether the residuals are normal"])

# %%
# How many labels to give
# -----------------------
#
# A low threshold finds more of the true labels, and more wrong ones. Choose it by what a mistake
# costs: here F1 is best far below 0.5. ``SetThreshold("oof")`` looks for the best F1 on held-out
# rows of the training part.

classifier, words = model[-1], model[:-1]
node_proba = classifier.predict_node_proba(words.transform([texts[row] for row in test]))
truth = [labels[row] for row in test]
taus = np.arange(0.1, 0.95, 0.05)
curve = []
for tau in taus:
    answers = classifier.decode(node_proba, SetThreshold(tau))
    curve.append(
        hierarchical_precision_recall_fscore_support(truth, answers, taxonomy=taxonomy)[:3]
    )

fig, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
for values, label, line, colour in zip(
    np.transpose(curve),
    ("precision", "recall", "F1"),
    ("o-", "s--", "-"),
    ("#0072B2", "#D55E00", "#222222"),
    strict=True,
):
    ax.plot(taus, values, line, color=colour, label=label, markersize=6)
ax.set_xlabel("threshold")
ax.set_ylabel("hierarchical, test texts")
ax.set_title("How many topics to name")
ax.grid(alpha=0.3)
ax.legend(frameon=False, fontsize=12)
plt.show()
