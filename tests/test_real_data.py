"""Real text, where it is at hand: figures as good as a flat classifier's, and coherent."""

import csv
import gzip

import numpy as np
import pytest
from conftest import shared_data
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.svm import LinearSVC

from sklhier import HierarchicalClassifier, Taxonomy
from sklhier.metrics import hierarchical_f1_score, level_accuracy_scores

# name: (text columns, label column, rows to keep, least accuracy of the leaf and of level 1:
# a little less than a flat LinearSVC on the same features reaches)
SETS = {
    "clinc150": (("text",), "intent", lambda row: row["intent"] != "oos", 0.90, 0.95),
    "trec": (("text",), "fine", lambda row: True, 0.80, 0.86),
    "newsgroups20": (("subject", "body"), "group", lambda row: True, 0.82, 0.90),
    "onet_titles": (("title",), "codes", lambda row: ";" not in row["codes"], 0.49, 0.73),
}


def read(path, columns, label, keep):
    csv.field_size_limit(2**31 - 1)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as opened:
        rows = [
            row
            for row in csv.DictReader(opened, delimiter="\t", quoting=csv.QUOTE_NONE)
            if keep(row)
        ]
    return [" ".join(row[c] for c in columns) for row in rows], np.array([r[label] for r in rows])


@pytest.fixture(scope="module", params=list(SETS))
def corpus(request):
    name = request.param
    columns, label, keep, *least = SETS[name]
    folder = shared_data(name)
    with (folder / "hierarchy.csv").open(encoding="utf-8", newline="") as opened:
        edges = [(row["parent"], row["child"]) for row in csv.DictReader(opened)]
    taxonomy = Taxonomy.from_edges(edges, root="root")
    train, y_train = read(folder / "train.tsv.gz", columns, label, keep)
    test, y_test = read(folder / "test.tsv.gz", columns, label, keep)
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    X_train = vectorizer.fit_transform(train)
    return taxonomy, X_train, y_train, vectorizer.transform(test), y_test, least


@pytest.mark.slow
def test_accuracy_on_real_text(corpus):
    taxonomy, X_train, y_train, X_test, y_test, (leaf, top) = corpus
    model = HierarchicalClassifier(LinearSVC(), taxonomy=taxonomy).fit(X_train, y_train)
    predicted = model.predict(X_test)
    levels = level_accuracy_scores(y_test, predicted, taxonomy=taxonomy)
    assert np.mean(predicted == y_test) > leaf
    assert levels[0] > top
    assert hierarchical_f1_score(y_test, predicted, taxonomy=taxonomy) > leaf
    assert set(predicted) <= set(taxonomy.leaves)


@pytest.mark.slow
def test_probabilities_on_real_text(corpus):
    taxonomy, X_train, y_train, X_test, _, _ = corpus
    base = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0)
    model = HierarchicalClassifier(base, taxonomy=taxonomy).fit(X_train, y_train)
    rows = X_test[:200]
    nodes = model.predict_node_proba(rows)
    children = np.zeros_like(nodes)
    np.add.at(children.T, taxonomy.edge_parents, nodes[:, taxonomy.edge_children].T)
    inner = np.setdiff1d(taxonomy.edge_parents, taxonomy.ids(list(model.unseen_nodes_)))
    np.testing.assert_allclose(children[:, inner], nodes[:, inner], atol=1e-12)
    best = model.predict(rows)
    np.testing.assert_array_equal(best, model.classes_[model.predict_proba(rows).argmax(axis=1)])
    one_by_one = [model.predict(rows[[row]])[0] for row in range(50)]
    np.testing.assert_array_equal(best[:50], one_by_one)
