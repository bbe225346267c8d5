"""Write the files that later versions must read: ``python tests/formats/write.py FOLDER``.

Each file holds a fitted model, some samples and the probabilities that it gave them. Write them
with the lowest supported set of packages, which newer ones can read.
"""

import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from skops import io as skops

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier.datasets import make_hierarchical_classification, make_hierarchical_text
from sklhier.strategies import Ensemble, PerLevel, PerNode, PerParent

N_SAVED = 10


def fitted():
    """Return fitted models by name, each with samples for it."""
    X, y, taxonomy = make_hierarchical_classification(90, 5, branching=(3, 2), random_state=0)
    words, topics, tree = make_hierarchical_text(
        90, branching=(3, 2), vocabulary_size=150, random_state=0
    )
    dag = Taxonomy.from_edges([("a", "c"), ("a", "d"), ("b", "d"), ("b", "e"), ("d", "f")])
    rng = np.random.RandomState(0)
    sets = [sorted(rng.choice(["c", "d", "e", "f"], 2, replace=False)) for _ in range(90)]
    stops = np.where(rng.rand(90) < 0.2, [taxonomy.path(label)[0] for label in y], y)
    base, small_tree = LogisticRegression(), DecisionTreeClassifier(max_depth=3, random_state=0)
    one = HierarchicalClassifier(base, taxonomy=taxonomy)
    several = HierarchicalMultiLabelClassifier(base, taxonomy=dag)
    of_words = HierarchicalClassifier(base, taxonomy=tree)
    ensemble = Ensemble([PerParent(stop="learn"), PerLevel(beta="oof"), PerNode("inclusive")])
    return {
        "per_parent": (of_words.fit(words, topics), words),
        "margins": (
            HierarchicalClassifier(LinearSVC(random_state=0), taxonomy=tree).fit(words, topics),
            words,
        ),
        "compressed": (
            HierarchicalClassifier(base, taxonomy=tree).fit(words, topics).compress(),
            words,
        ),
        "ensemble": (
            HierarchicalClassifier(base, taxonomy=taxonomy, strategy=ensemble).fit(X, stops),
            X,
        ),
        "staged": (
            HierarchicalClassifier(
                base, taxonomy=taxonomy, chain="proba", routing="weight", strategy=PerNode()
            ).fit(X, stops),
            X,
        ),
        "batches": (HierarchicalClassifier(GaussianNB(), taxonomy=taxonomy).partial_fit(X, y), X),
        "levels": (HierarchicalClassifier(small_tree).fit(X, taxonomy.to_levels(y)), X),
        "pipeline": (make_pipeline(StandardScaler(), one).fit(X, y), X),
        "label_sets": (several.fit(X, sets), X),
        "shared": (
            HierarchicalMultiLabelClassifier(small_tree, taxonomy=dag, strategy="per_level").fit(
                X, dag.binarize(sets)
            ),
            X,
        ),
        "multihead": (
            MultiHeadClassifier(taxonomy, hidden_layer_sizes=4, random_state=0).fit(X, y),
            X,
        ),
        "multihead_sets": (MultiHeadMultiLabelClassifier(dag, alpha=0.01).fit(X, sets), X),
    }


def answers(model, X):
    """Return the numbers that are compared: probabilities, or answers where there are none."""
    last = model[-1] if hasattr(model, "steps") else model
    if hasattr(last, "predict_node_proba"):
        return last.predict_node_proba(model[:-1].transform(X) if last is not model else X)
    return last.taxonomy_.ids(model.predict(X).tolist())


def main(folder):
    """Write a pickle and a skops file of each model, and a joblib file of some."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (model, X) in fitted().items():
        saved = {"model": model, "X": X[:N_SAVED], "answers": answers(model, X[:N_SAVED])}
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(saved, protocol=4))
        if name in ("per_parent", "label_sets"):
            joblib.dump(saved, folder / f"{name}.joblib", compress=3)
        if name != "compressed":  # its report has a type that skops cannot save
            skops.dump(saved, folder / f"{name}.skops", compression=8)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
