"""LibMultiLabel, its linear tree with the taxonomy given as the tree."""

import libmultilabel.linear as linear
import numpy as np
from harness import TOP, Adapter, highest, run
from libmultilabel.linear.tree import Node

_ROWS = 1000  # predict_values returns a dense matrix of rows and leaves


class LibMultiLabel(Adapter):
    package = "libmultilabel"

    def prepare(self):
        self.Y = self.data.indicator(np.int64)
        self.tree = _node(self.data.paths, np.arange(len(self.data.leaves)), 0)
        self.tree.is_root = True
        self.settings = {"options": "-s 1 -B 1 -e 0.0001 -q"}  # as LinearSVC: squared hinge, dual

    def fit(self):
        self.model = linear.train_tree(
            self.Y, self.data.X_train, self.settings["options"], root=self.tree, verbose=False
        )

    def _predict(self, beam):
        X = self.data.X_test
        parts = [X[first : first + _ROWS] for first in range(0, X.shape[0], _ROWS)]
        answers = (np.asarray(self.model.predict_values(part, beam_width=beam)) for part in parts)
        if self.data.several:
            return np.concatenate([highest(answer, TOP) for answer in answers])
        return np.concatenate([answer.argmax(axis=1) for answer in answers])

    def predictions(self):
        for beam in (10,) if self.data.several else (1, 10):
            yield f"beam {beam}", lambda beam=beam: self._predict(beam)

    def leaves(self, answer):
        return answer


def _node(paths, leaves, level):
    if level == paths.shape[1] - 1:
        return Node(leaves, [])
    here = paths[leaves, level]
    below = [_node(paths, leaves[here == child], level + 1) for child in np.unique(here)]
    return Node(leaves, below)


if __name__ == "__main__":
    run(LibMultiLabel)
