"""PECOS XR-Linear with the taxonomy as its chain of clusters."""

import numpy as np
from harness import TOP, Adapter, folder_bytes, highest, run
from pecos.utils.cluster_util import ClusterChain
from pecos.xmc.xlinear.model import XLinearModel
from scipy import sparse


class Pecos(Adapter):
    package = "libpecos"

    def prepare(self):
        data = self.data
        self.beams = (10,) if data.several else (1, 10)
        self.X_train = data.X_train.astype(np.float32)
        self.X_test = data.X_test.astype(np.float32)
        self.Y = data.indicator(np.float32)
        self.chain = ClusterChain(_chain(data.paths))
        # Its defaults but for the number of threads.
        self.settings = {"threshold": 0.1, "eps": 0.1, "max_iter": 100, "Cp": 1.0, "bias": 1.0}
        self.settings.update(self.options["settings"])
        self.settings["solver_type"] = "L2R_L2LOSS_SVC_DUAL"

    def fit(self):
        self.model = XLinearModel.train(
            self.X_train,
            self.Y,
            C=self.chain,
            negative_sampling_scheme="tfn",
            threads=1,
            **self.settings,
        )

    def _predict(self, model, beam):
        top = TOP if self.data.several else 1
        return model.predict(self.X_test, beam_size=beam, only_topk=top, threads=1)

    def predictions(self):
        # As it was trained it predicts so slowly that one width says enough.
        first = self.beams[0]
        yield f"beam {first}", lambda: self._predict(self.model, first)
        # Hashes are its fastest for rows as sparse as texts.
        reloaded = XLinearModel.load(
            str(self.folder / "model"), is_predict_only=True, weight_matrix_type="HASH_CHUNKED"
        )
        for beam in self.beams:
            yield (
                f"beam {beam}, reloaded for prediction",
                lambda beam=beam: self._predict(reloaded, beam),
            )

    def leaves(self, answer):
        if self.data.several:
            return highest(answer.toarray(), TOP)
        return np.asarray(answer.argmax(axis=1)).ravel()

    def model_bytes(self):
        self.model.save(str(self.folder / "model"))
        return folder_bytes(self.folder / "model")


def _chain(paths):
    """Return matrices of which nodes of a level are below which of the level above.

    The nodes of the last level are the leaves, in their order.
    """
    chain, above, n_above = [], np.zeros(len(paths), dtype=int), 1
    for level in range(paths.shape[1]):
        if level == paths.shape[1] - 1:
            here = np.arange(len(paths))
        else:
            here = np.unique(paths[:, level], return_inverse=True)[1].ravel()
        first = np.unique(here, return_index=True)[1]
        entries = (np.ones(len(first), np.float32), (np.arange(len(first)), above[first]))
        chain.append(sparse.csc_matrix(entries, shape=(len(first), n_above)))
        above, n_above = here, len(first)
    return chain


if __name__ == "__main__":
    run(Pecos)
