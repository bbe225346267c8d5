"""Omikuji, one tree that it builds itself: there is no way to give it a taxonomy.

Reading its text format is not part of fit's time. Its Python interface predicts row by row.
"""

import numpy as np
from harness import TOP, Adapter, folder_bytes, run
from omikuji import Model, ffi, lib

_SETTINGS = ("n_trees", "linear_eps", "linear_c", "linear_weight_threshold", "linear_max_iter")


class Omikuji(Adapter):
    package = "omikuji"

    def prepare(self):
        self.parameters = Model.default_hyper_param()
        self.parameters.n_trees = 1
        self.settings = {name: float(f"{getattr(self.parameters, name):g}") for name in _SETTINGS}
        path = self.folder / "train.txt"
        _write(path, self.data.X_train, self.data.indicator(int))
        self.threads = ffi.gc(lib.init_omikuji_thread_pool(1), lib.free_omikuji_thread_pool)
        loaded = lib.load_omikuji_data_set(ffi.new("char[]", str(path).encode()), self.threads)
        self.training = ffi.gc(loaded, lib.free_omikuji_data_set)
        X = self.data.X_test
        bounds = list(zip(X.indptr[:-1], X.indptr[1:]))
        columns, values = X.indices.tolist(), X.data.tolist()
        self.rows = [list(zip(columns[i:j], values[i:j])) for i, j in bounds]

    def fit(self):
        model = lib.train_omikuji_model(self.training, self.parameters, self.threads)
        self.model = Model(model)

    def predictions(self):
        self.model.init_prediction_thread_pool(1)
        predict = self.model.predict
        beams, top = ((10,), TOP) if self.data.several else ((1, 10), 1)
        for beam in beams:
            yield (
                f"beam {beam}",
                lambda beam=beam: [predict(row, beam_size=beam, top_k=top) for row in self.rows],
            )

    def leaves(self, answer):
        top = TOP if self.data.several else 1
        labels = ([label for label, _ in found] for found in answer)
        leaves = np.array([[*found, *[-1] * top][:top] for found in labels])
        return leaves if self.data.several else leaves[:, 0]

    def model_bytes(self):
        self.model.save(str(self.folder / "model"))
        return folder_bytes(self.folder / "model")


def _write(path, X, Y):
    with path.open("w") as file:
        file.write(f"{X.shape[0]} {X.shape[1]} {Y.shape[1]}\n")
        for row in range(X.shape[0]):
            labels = ",".join(map(str, Y.indices[Y.indptr[row] : Y.indptr[row + 1]].tolist()))
            part = slice(X.indptr[row], X.indptr[row + 1])
            pairs = zip(X.indices[part].tolist(), X.data[part].tolist())
            features = " ".join(f"{column}:{value:.7g}" for column, value in pairs)
            file.write(f"{labels} {features}\n")


if __name__ == "__main__":
    run(Omikuji)
