"""
I have embeddings: which model do I take?
=========================================

Sentence vectors are dense, and no plane separates a topic that consists of many clusters. Try a
joint model first, with a head for each node.
"""

# %%
# Vectors of texts
# ----------------
#
# Latent semantic analysis turns each docstring into 48 numbers; any other embedding can replace
# it. To build this page quickly, only half of the texts are used.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from sklhier import HierarchicalClassifier, MultiHeadClassifier
from sklhier.datasets import load_docstrings
from sklhier.metrics import level_accuracy_scores
from sklhier.strategies import PerParent

corpus = load_docstrings()
embed = make_pipeline(
    TfidfVectorizer(sublinear_tf=True, min_df=3, stop_words="english"),
    TruncatedSVD(48, random_state=0),
    Normalizer(),
)
vectors = embed.fit_transform(corpus.data).astype(np.float32)
X, X_test, y, y_test = train_test_split(
    vectors[::2], corpus.target[::2], test_size=0.4, random_state=0
)

# %%
# Three models
# ------------

base = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)
models = {
    "joint": MultiHeadClassifier(corpus.taxonomy, random_state=0),
    "per parent": HierarchicalClassifier(
        base, taxonomy=corpus.taxonomy, strategy=PerParent(stop="learn")
    ),
    "flat": HierarchicalClassifier(base, taxonomy=corpus.taxonomy, strategy="flat"),
}
scores = {}
for name, model in models.items():
    answers = model.fit(X, y).predict(X_test)
    scores[name] = level_accuracy_scores(y_test, answers, taxonomy=corpus.taxonomy)
    print(f"{name:10}", scores[name].round(3))

# %%
# The vectors, and the models
# ---------------------------
#
# On the left, two of the 48 numbers: packages overlap, and no line separates them. On the right,
# the accuracy at each level.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
package = np.array([label.split("/")[0] for label in corpus.target])
colours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]
for name, colour in zip(np.unique(package), colours, strict=True):
    left.scatter(*vectors[package == name, 1:3].T, s=5, color=colour, label=name, alpha=0.6)
left.set(xticks=[], yticks=[], title="embedded texts")
left.legend(frameon=False, markerscale=4, fontsize=11)
places = np.arange(3)
for shift, (name, score) in zip((-0.27, 0, 0.27), scores.items(), strict=True):
    bars = right.bar(places + shift, score, 0.25, label=name, color=colours[round(4 * shift + 1)])
    right.bar_label(bars, [f"{value:.2f}" for value in score], fontsize=9)
right.set_xticks(places, ["package", "module", "submodule"])
right.set(ylim=(0, 1.12), title="accuracy, test texts")
right.legend(frameon=False, fontsize=11, ncols=3, loc="upper center")
plt.show()

# %%
# Figures on larger data, with other bases, are in :doc:`/user_guide/embeddings`.
