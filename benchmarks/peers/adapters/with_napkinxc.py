"""napkinXC, hierarchical softmax over the taxonomy; fit includes writing the model to disk."""

import numpy as np
from harness import Adapter, folder_bytes, run
from napkinxc.models import HSM


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
        self.model = HSM(
            str(self.folder / "model"),
            tree_structure=self.tree,
            threads=1,
            seed=0,
            **self.settings,
        )
        self.model.fit(self.X_train, self.y)

    def predictions(self):
        self.model.load()
        yield "best path", lambda: self.model.predict(self.X_test, top_k=1)

    def leaves(self, answer):
        return np.array([found[0] if len(found) else -1 for found in answer])

    def model_bytes(self):
        return folder_bytes(self.folder / "model")


if __name__ == "__main__":
    run(NapkinXC)
