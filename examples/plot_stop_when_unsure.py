"""
Can it stop when it is unsure?
==============================

"Something in scipy" is a better answer than a wrong submodule. A threshold decoder answers with
the deepest node that is probable enough; a conformal one keeps an error rate that you choose.
"""

# %%
# Three parts of the data
# -----------------------
#
# The model learns from the first, the threshold from the second; the third is for the figures.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

from sklhier import HierarchicalClassifier
from sklhier.datasets import load_docstrings
from sklhier.decoders import Conformal, Threshold
from sklhier.strategies import PerParent

corpus = load_docstrings()
taxonomy = corpus.taxonomy
texts, test_texts, y, y_test = train_test_split(
    corpus.data, corpus.target, test_size=0.3, stratify=corpus.target, random_state=0
)
texts, cal_texts, y, y_cal = train_test_split(texts, y, test_size=0.3, random_state=0)
words = TfidfVectorizer(sublinear_tf=True, min_df=2).fit(texts)
X, X_cal, X_test = map(words.transform, (texts, cal_texts, test_texts))

base = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)
model = HierarchicalClassifier(base, taxonomy=taxonomy, strategy=PerParent(stop="learn")).fit(X, y)

# %%
# From the same probabilities, with one threshold after the other
# ---------------------------------------------------------------
#
# Nothing is fitted again: the probabilities of all nodes are computed once, then decoded.

node_proba = model.predict_node_proba(X_test)
taus = np.arange(0.3, 1.0, 0.05)


def shares(answers):
    """Return the shares of answers that are exact, true but short, none, and wrong."""
    exact = np.mean([answer == truth for answer, truth in zip(answers, y_test, strict=True)])
    none = np.mean([answer is None for answer in answers])
    short = np.mean(
        [
            answer is not None and answer in taxonomy.ancestors(truth)
            for answer, truth in zip(answers, y_test, strict=True)
        ]
    )
    return exact, short, none, 1 - exact - short - none


curve = np.array([shares(model.decode(node_proba, Threshold(tau))) for tau in taus])

# %%
# Wrong at most 10 % of the time
# ------------------------------
#
# :class:`~sklhier.decoders.Conformal` finds its threshold from rows that no model has seen. With
# 95 % it would stop early more often, with 80 % less often.

model.set_params(decoder=Conformal(0.9)).conformalize(X_cal, y_cal)
exact, short, none, wrong = shares(model.predict(X_test))
print(f"exact {exact:.1%}, true but short {short:.1%}, no answer {none:.1%}, wrong {wrong:.1%}")

# %%
# What each threshold costs
# -------------------------
#
# From left to right there are fewer wrong answers and more short ones. The last bar is the
# conformal decoder, whose threshold was not chosen from this picture.

fig, ax = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
bars = np.vstack([curve, [exact, short, none, wrong]])
places = np.append(np.arange(len(taus)), len(taus) + 0.7)
floor = np.zeros(len(places))
for column, (label, colour) in enumerate(
    {
        "exact": "#0072B2",
        "true, but short": "#56B4E9",
        "no answer": "#dddddd",
        "wrong": "#D55E00",
    }.items()
):
    ax.bar(places, bars[:, column], bottom=floor, color=colour, width=0.9, label=label)
    floor += bars[:, column]
ax.set_xticks(places[[0, 4, 8, 12, -1]], ["0.3", "0.5", "0.7", "0.9", "conformal\n90 %"])
ax.set_xlabel("threshold")
ax.set_ylabel("share of the test texts")
ax.set_title("Stopping earlier and earlier")
fig.legend(loc="outside lower center", ncols=4, frameon=False)
plt.show()
