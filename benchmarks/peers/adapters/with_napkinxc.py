"""napkinXC: hierarchical softmax over the taxonomy, of several labels a probabilistic label tree.

Fit includes writing the model to disk.
"""

import numpy as np
from harness import TOP, Adapter, folder_bytes, run
from napkinxc.models import HSM, PLT


class NapkinXC(Adapter):
    package = "napkinxc"

    def prepare(self):
        data = self.data
        leaf_of = {int(node): leaf for leaf, node in enumerate(data.leaves)}
        self.tree = [
            (int(parent), node, leaf_of.get(node, -1)) for node, parent in enumerate(data.parents)
        ]
        self.X_train = data.X_train.astype(np.float32)
        self.X_test = data.X_test.astype(np.float32)
        if data.several:
            bounds = zip(data.y_train.indptr[:-1], data.y_train.indptr[1:])
            self.y = [data.y_train.indices[first:end].tolist() for first, end in bounds]
        else:
            self.y = data.y_train.tolist()
        # Its defaults.
        self.settings = {
            "optimizer": "liblinear",
            "loss": "log",
            "liblinear_c": 10,
            "liblinear_eps": 0.1,
            "liblinear_max_iter": 100,
            "weights_threshold": 0.1,
        }

    def fit(self):
        model = PLT if self.data.several else HSM
        self.model = model(
            str(self.folder / "model"),
            tree_structure=self.tree,
            threads=1,
            seed=0,
            **self.settings,
        )
        self.model.fit(self.X_train, self.y)

    def predictions(self):
        self.model.load()
        if self.data.several:
            yield "ranking", lambda: self.model.predict(self.X_test, top_k=TOP)
        else:
            yield "best path", lambda: self.model.predict(self.X_test, top_k=1)

    def leaves(self, answer):
        top = TOP if self.data.several else 1
        leaves = np.array([[*found, *[-1] * top][:top] for found in answer])
        return leaves if self.data.several else leaves[:, 0]

    def model_bytes(self):
        return folder_bytes(self.folder / "model")


if __name__ == "__main__":
    run(NapkinXC)
