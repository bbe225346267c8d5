"""
How fast does it answer a single row?
=====================================

A service gets one text at a time. How long does an answer take, and which step takes the time?
"""

# %%
# Train, save, load
# -----------------
#
# We use pickle. For files that you share, use skops (:doc:`/user_guide/saving`).

import pickle
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

import sklhier
from sklhier import HierarchicalClassifier
from sklhier.datasets import load_docstrings

corpus = load_docstrings()
model = make_pipeline(
    TfidfVectorizer(sublinear_tf=True, min_df=2, dtype=np.float32),
    HierarchicalClassifier(
        SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0), taxonomy=corpus.taxonomy
    ),
)
model.fit(corpus.data, corpus.target)
model[-1].compress()
file = pickle.dumps(model)
served = pickle.loads(file)
print(f"{len(served[-1].estimators_)} models, {len(file) / 1e6:.1f} MB")

# %%
# One text, with probabilities
# ----------------------------

question = "draw random samples from a multivariate normal distribution"
answer = sklhier.predict_frame(served, [question], output="arrays")
{name: column.tolist() for name, column in answer.items() if name in ("label", "proba", "level_1")}

# %%
# Milliseconds
# ------------
#
# 150 texts, one call each. Much of the time goes into the vectoriser. ``top_down`` calls only the
# models on one path, ``best_path`` sometimes a few more. With all texts in one call, each takes a
# fraction of the time.


def milliseconds(function, rows):
    """Return how much processor time each call takes."""
    times = []
    for row in rows:
        start = time.process_time()
        function(row)
        times.append(1000 * (time.process_time() - start))
    return np.array(times)


texts = [[text[:300]] for text in corpus.data[::28]]
vectors = [served[0].transform(text) for text in texts]
classifier = served[-1]
times = {
    "text to answer": milliseconds(served.predict, texts),
    "vectoriser alone": milliseconds(served[0].transform, texts),
    "best path": milliseconds(classifier.predict, vectors),
}
classifier.set_params(decoder="top_down")
times["top-down"] = milliseconds(classifier.predict, vectors)
flat_texts = [text for (text,) in texts]
times["all in one call,\nfor each text"] = milliseconds(served.predict, [flat_texts] * 5) / len(
    texts
)
for name, values in times.items():
    median, slow = np.percentile(values, [50, 99])
    print(
        f"{name.replace(chr(10), ' '):32} median {median:.2f} ms, slowest in a hundred {slow:.2f} ms"
    )

# %%
# What takes the time
# -------------------

fig, ax = plt.subplots(figsize=(7.2, 4), layout="constrained")
names = list(times)[::-1]
medians = [np.median(times[name]) for name in names]
slow = [np.percentile(times[name], 95) for name in names]
ax.barh(names, medians, color="#0072B2", height=0.55)
ax.hlines(range(len(names)), medians, slow, color="#222222", linewidth=1.5)
ax.plot(slow, range(len(names)), "|", color="#222222", markersize=12)
for row, value in enumerate(medians):
    ax.text(slow[row], row + 0.06, f"  {value:.2f} ms", va="center", fontsize=12)
ax.set_xlim(0, 1.3 * max(slow))
ax.tick_params(axis="y", labelsize=12)
ax.set_xlabel("milliseconds of one core: median, and 95 in a hundred")
ax.set_title("One answer")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
