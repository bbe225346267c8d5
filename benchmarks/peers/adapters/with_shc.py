"""sklearn-hierarchical-classification, a local classifier per parent node; predicts row by row."""

import networkx as nx
import numpy as np
from harness import Adapter, linear_base, run
from sklearn_hierarchical_classification.classifier import HierarchicalClassifier
from sklearn_hierarchical_classification.constants import ROOT


class Shc(Adapter):
    package = "sklearn-hierarchical-classification"

    def prepare(self):
        data = self.data
        names = [ROOT, *data.names[1:].tolist()]
        self.graph = nx.DiGraph(
            (names[parent], names[node]) for node, parent in enumerate(data.parents) if node
        )
        self.y = data.leaf_names[data.y_train]
        self.base = linear_base(self.options)
        self.settings = {"base": repr(self.base)}

    def fit(self):
        self.model = HierarchicalClassifier(
            base_estimator=self.base, class_hierarchy=self.graph
        ).fit(self.data.X_train, self.y)

    def predictions(self):
        yield "top-down", lambda: self.model.predict(self.data.X_test)

    def leaves(self, answer):
        return self.data.leaves_named(np.asarray(answer))


if __name__ == "__main__":
    run(Shc)
