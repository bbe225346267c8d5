"""What all adapters share: reading the exported data, measuring, and saying what came out.

Adapters are scripts for the Python of their package, from 3.8 on: no sklhier, no modules of ours
but this one. A JSON line is printed after every phase, so that a worker that is stopped has told
what it knows.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import pickle
import platform
import resource
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import scipy
from scipy import sparse

TOP = 5  # how many labels are ranked where there are several
_MAXRSS_PER_MB = 2**20 if sys.platform == "darwin" else 2**10


class Data:
    """Training and test rows; labels are leaves counted from 0, or ``several`` in a CSR indicator.

    ``parents`` has the parent of each node (-1 for the root, node 0), ``leaves`` the node of each
    leaf, ``paths`` the nodes from level 1 to each leaf, which fills the levels below it.
    """

    def __init__(self, path):
        stored = np.load(path, allow_pickle=False)
        self.X_train = _matrix(stored, "X_train")
        self.X_test = _matrix(stored, "X_test")
        self.y_train = _matrix(stored, "y_train")
        self.several = sparse.issparse(self.y_train)
        self.parents = stored["parents"]
        self.leaves = stored["leaves"]
        self.names = stored["names"]
        self.paths = stored["paths"]

    @property
    def leaf_names(self):
        return self.names[self.leaves]

    def indicator(self, dtype):
        """Return the labels of the training rows as a matrix of rows and leaves."""
        if self.several:
            return self.y_train.astype(dtype)
        rows = np.arange(len(self.y_train))
        shape = (len(rows), len(self.leaves))
        return sparse.csr_matrix((np.ones(len(rows), dtype), (rows, self.y_train)), shape=shape)

    def leaves_named(self, names):
        """Return which leaves these are, -1 for names of no leaf."""
        order = np.argsort(self.leaf_names)
        ordered = self.leaf_names[order]
        names = np.asarray(names, dtype=str).ravel()
        places = np.minimum(np.searchsorted(ordered, names), len(ordered) - 1)
        return np.where(ordered[places] == names, order[places], -1)


def _matrix(stored, key):
    if key in stored:
        return stored[key]
    arrays = tuple(stored[f"{key}_{name}"] for name in ("data", "indices", "indptr"))
    return sparse.csr_matrix(arrays, shape=tuple(stored[f"{key}_shape"]))


def highest(scores, n):
    """Return the columns of the largest scores of each row, the best first."""
    some = np.argpartition(-scores, n - 1, axis=1)[:, :n]
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1)
    return np.take_along_axis(some, order, axis=1)


class Adapter:
    """One side of a comparison.

    Attributes
    ----------
    settings : dict
        What the package was told, and the defaults that matter.
    package : str
        The distribution whose version is reported.
    """

    package = ""

    def __init__(self, data, options, folder):
        self.data = data
        self.options = options
        self.folder = folder
        self.settings = {}
        self.prepare()

    def prepare(self):
        """Bring the data into the form of the package; not measured."""

    def fit(self):
        """Fit, and keep the model in ``self.model``."""
        raise NotImplementedError

    def predictions(self):
        """Yield names of ways to predict and functions that do it; what happens between is free."""
        raise NotImplementedError

    def leaves(self, answer):
        """Return the leaf of each test row from what was predicted, -1 for none.

        Of several labels the `TOP` best, in order.
        """
        raise NotImplementedError

    def model_bytes(self):
        sink = _CountingSink()
        pickle.Pickler(sink, protocol=5).dump(self.model)
        return sink.n_bytes


class _CountingSink:
    def __init__(self):
        self.n_bytes = 0

    def write(self, chunk):
        size = memoryview(chunk).nbytes
        self.n_bytes += size
        return size


def linear_base(options):
    """Return a linear classifier: of scikit-learn, the same for all who take one, or ours."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.svm import LinearSVC

    if options["base"] == "LinearSVC":
        return LinearSVC(random_state=0, **options["settings"])
    if options["base"] == "BlockLinearSVC":
        from sklhier.linear_model import BlockLinearSVC

        return BlockLinearSVC(random_state=0, **options["settings"])
    return SGDClassifier(loss="log_loss", random_state=0, **options["settings"])


def folder_bytes(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


# -- measuring ----------------------------------------------------------------------------


def _status(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


class _Memory:
    """By how much the resident size grew at its peak, the latest or where need be the largest."""

    def __init__(self):
        gc.collect()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
        try:
            with open("/proc/self/clear_refs", "w") as reset:
                reset.write("5")
            self._peak = lambda: _status("VmHWM")
            self._before = _status("VmRSS")
        except OSError:
            self._peak = lambda: (
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MAXRSS_PER_MB
            )
            self._before = self._peak()

    def growth(self):
        return self._peak() - self._before


def measured(call):
    """Return what a call returns, and its CPU and wall seconds and the growth of memory."""
    memory = _Memory()
    wall, cpu = time.perf_counter(), time.process_time()
    value = call()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return value, {"cpu": cpu, "wall": wall, "peak MB": memory.growth()}


def repeated(call, most=5, seconds=3):
    """Return the last answer and the median costs of a few calls, of one if it takes long."""
    costs = []
    while len(costs) < most and sum(cost["wall"] for cost in costs) < seconds:
        answer, cost = measured(call)
        costs.append(cost)
    medians = {key: float(np.median([cost[key] for cost in costs])) for key in costs[0]}
    return answer, dict(medians, calls=len(costs))


# -- talking ------------------------------------------------------------------------------


def _say(**said):
    print(json.dumps(said), flush=True)


def _versions(package):
    versions = {package: metadata.version(package), "python": platform.python_version()}
    versions.update({"numpy": np.__version__, "scipy": scipy.__version__})
    if "sklearn" in sys.modules:
        versions["scikit-learn"] = sys.modules["sklearn"].__version__
    return versions


def run(adapter):
    """Measure an adapter on the data and with the options of the command line."""
    parser = argparse.ArgumentParser(description=adapter.__doc__)
    parser.add_argument("data", help="an exported workload")
    parser.add_argument("folder", help="an empty folder for answers and models")
    parser.add_argument("--options", type=json.loads, default={}, help="JSON")
    arguments = parser.parse_args()
    folder = Path(arguments.folder)
    side = adapter(Data(arguments.data), arguments.options, folder)
    _say(settings=side.settings, versions=_versions(side.package))
    _, cost = measured(side.fit)
    _say(fit=cost)
    _say(model_mb=side.model_bytes() / 2**20)
    for name, predict in side.predictions():
        answer, cost = repeated(predict)
        np.save(str(folder / f"{name}.npy"), side.leaves(answer))
        _say(predict={name: cost})
