"""
A class has several parents: what then?
=======================================

``scipy/fft`` belongs to the package scipy and, like ``numpy/fft``, to the subject of Fourier
transforms. Such a taxonomy is not a tree but a directed acyclic graph (DAG).
"""

# %%
# Packages and subjects
# ---------------------
#
# Each class has two parents. Edges lead from parent to child.

import matplotlib.pyplot as plt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

import sklhier
from sklhier import HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.datasets import load_docstrings
from sklhier.metrics import hierarchical_f1_score

subjects = {
    "algebra": ["numpy/linalg", "scipy/linalg", "scipy/sparse/linalg"],
    "Fourier": ["numpy/fft", "scipy/fft"],
    "statistics": ["numpy/random", "scipy/stats"],
    "graphs": ["scipy/sparse/csgraph", "networkx/classes", "networkx/generators"],
}
edges = [(subject, name) for subject, names in subjects.items() for name in names]
edges += [(name.split("/")[0], name) for _, name in edges]
taxonomy = Taxonomy.from_edges(edges)
print(taxonomy)
print("parents of scipy/fft:", *taxonomy.parents("scipy/fft"))

# %%
# Train
# -----
#
# In a DAG an answer is a set, even if each text has one label. Parents are added automatically.

corpus = load_docstrings()
leaves = taxonomy.leaves
rows = [row for row, label in enumerate(corpus.target) if label in leaves]
texts, labels = [corpus.data[row] for row in rows], [[corpus.target[row]] for row in rows]
texts, test_texts, y, y_test = train_test_split(texts, labels, test_size=0.4, random_state=0)
model = make_pipeline(
    TfidfVectorizer(sublinear_tf=True, min_df=2),
    HierarchicalMultiLabelClassifier(
        SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0), taxonomy=taxonomy
    ),
)
answers = model.fit(texts, y).predict(test_texts)
print(f"hierarchical F1: {hierarchical_f1_score(y_test, answers, taxonomy=taxonomy):.3f}")

# %%
# Ask it
# ------
#
# Packages on the left, subjects on the right, classes between them: the darker, the more probable.
# No class is more probable than one of its parents.

question = "fast transform of a real signal to its frequencies, along one axis"
proba = sklhier.predict_node_proba(model, [question])[0]
packages = [node for node in taxonomy.levels[0] if node not in subjects]
columns = {
    0: packages,
    1: sorted(leaves, key=lambda name: edges.index((name.split("/")[0], name))),
    2: list(subjects),
}
places = {
    node: (column, 1 - (row + 0.5) / len(nodes))
    for column, nodes in columns.items()
    for row, node in enumerate(nodes)
}
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
for parent, child in edges:
    weight = proba[taxonomy.id(child)]
    ax.plot(
        *zip(places[parent], places[child], strict=True),
        color=plt.cm.Blues(0.25 + 0.75 * weight),
        linewidth=1 + 3 * weight,
        zorder=1,
    )
for node, (x, y_place) in places.items():
    value = proba[taxonomy.id(node)]
    ax.text(
        x,
        y_place,
        f"{node}  {value:.2f}",
        ha="center",
        va="center",
        fontsize=11,
        color="white" if value > 0.5 else "#222222",
        bbox={
            "boxstyle": "round,pad=0.35",
            "facecolor": plt.cm.Blues(value),
            "edgecolor": "#777777",
        },
    )
ax.set(xlim=(-0.35, 2.35), ylim=(0, 1), title=f"“{question}”")
ax.axis("off")
plt.show()
