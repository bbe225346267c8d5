"""
Why this answer?
================

An answer in a tree is a chain of decisions. In linear models each decision is a sum to which every
word contributes.
"""

# %%
# A model, and a question
# -----------------------

import matplotlib.pyplot as plt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

from sklhier import HierarchicalClassifier
from sklhier.datasets import load_docstrings
from sklhier.explanation import explain, node_features, why_not

corpus = load_docstrings()
model = make_pipeline(
    TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english"),
    HierarchicalClassifier(
        SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0), taxonomy=corpus.taxonomy
    ),
)
model.fit(corpus.data, corpus.target)
question = "shortest path between two vertices of a sparse weighted graph"
print(model.predict([question])[0])

# %%
# What spoke for it
# -----------------
#
# At each step the chosen node is compared with the runner-up. The contributions sum to the
# difference of the two scores.

table = explain(model, [question], top=6)
print(table[["step", "chosen", "foil", "feature", "contribution"]].round(2).to_string(index=False))

# %%
# Why not another one?
# --------------------
#
# Without which words it would have been another answer:

print(why_not(model, question, "scipy/sparse/csgraph"))

# %%
# What a node looks for, whatever the question:

features = node_features(model, top=5, nodes=["scipy/sparse", "scipy/stats"])
print(features[["node", "feature", "weight"]].round(1).to_string(index=False))

# %%
# The chain of decisions
# ----------------------
#
# One picture for each step: blue speaks for the chosen node, orange for the runner-up.

steps = list(table.groupby("step"))
fig, axes = plt.subplots(len(steps), figsize=(8.6, 2.1 * len(steps)), layout="constrained")
for ax, (_, step) in zip(axes, steps, strict=True):
    step = step.iloc[::-1]
    colours = ["#0072B2" if value > 0 else "#E69F00" for value in step["contribution"]]
    ax.barh(step["feature"], step["contribution"], color=colours)
    ax.axvline(0, color="#222222", linewidth=0.8)
    ax.tick_params(axis="y", labelsize=11)
    ax.set_title(f"{step['chosen'].iloc[0]}, not {step['foil'].iloc[0]}", loc="left", fontsize=12)
    ax.spines[["top", "right"]].set_visible(False)
axes[-1].set_xlabel("contribution, log-odds")
plt.show()
