"""Workers: exporting a workload, environments, and running an adapter in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks import common
from benchmarks.peers.catalogue import PEERS, Peer
from benchmarks.workloads import Workload

_ADAPTERS = Path(__file__).parent / "adapters"

# -- data ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Export:
    """A workload in a file that any Python reads, and what answers are compared with."""

    path: Path
    y_test: Any
    paths: np.ndarray

    @property
    def several(self) -> bool:
        return bool(sparse.issparse(self.y_test))

    def quality(self, leaves: np.ndarray) -> dict[str, float]:
        """Return the accuracy of leaves, and of the nodes of level 1 above them; -1 is wrong.

        Of several labels, the share of right ones among the first 1, 3 and 5.
        """
        if self.several:
            right = self.y_test[np.arange(len(leaves))[:, None], leaves].toarray() * (leaves >= 0)
            return {f"P@{k}": float(right[:, :k].mean()) for k in (1, 3, 5)}
        answered = leaves >= 0
        same_top = self.paths[leaves, 0] == self.paths[self.y_test, 0]
        return {
            "leaf": float(np.mean(leaves == self.y_test)),
            "level 1": float(np.mean(same_top & answered)),
        }


def _arrays(X: Any, key: str) -> dict[str, np.ndarray]:
    if not sparse.issparse(X):
        return {key: X}
    arrays = {name: getattr(X, name) for name in ("data", "indices", "indptr")}
    arrays["shape"] = np.array(X.shape)
    return {f"{key}_{name}": array for name, array in arrays.items()}


def _leaf_numbers(workload: Workload) -> tuple[Any, Any]:
    """Return labels of training and test rows as leaves counted from 0, indicators as they are."""
    if sparse.issparse(workload.y_train):
        return workload.y_train, workload.y_test
    taxonomy = workload.taxonomy
    leaf_of = np.full(taxonomy.n_nodes, -1)
    leaf_of[taxonomy.leaf_ids] = np.arange(len(taxonomy.leaf_ids))
    y_train, y_test = (
        leaf_of[taxonomy.ids(labels.tolist())] for labels in (workload.y_train, workload.y_test)
    )
    if min(y_train.min(), y_test.min()) < 0:
        raise ValueError(f"{workload.name}: some labels are inner nodes, peers take leaves only")
    return y_train, y_test


def export(workload: Workload, folder: Path) -> Export:
    """Write a workload with labels as numbers of leaves."""
    taxonomy = workload.taxonomy
    leaves = taxonomy.leaf_ids
    y_train, y_test = _leaf_numbers(workload)
    paths = taxonomy.path_ids(leaves)
    filled = np.where(paths < 0, leaves[:, None], paths)
    path = folder / f"{workload.name}.npz"
    np.savez(
        path,
        **_arrays(workload.X_train, "X_train"),
        **_arrays(workload.X_test, "X_test"),
        **_arrays(y_train, "y_train"),
        parents=taxonomy.parent_ids,
        leaves=leaves,
        names=taxonomy.node_names.astype(str),
        paths=filled,
    )
    return Export(path, y_test, filled)


# -- environments -------------------------------------------------------------------------


def _interpreter(version: str) -> str | None:
    """Return a Python of this version, from the path or from pyenv."""
    found = shutil.which(f"python{version}")
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    installed = sorted(root.glob(f"versions/{version}.*/bin/python"))
    return str(installed[-1]) if installed else found


def make_environment(name: str, folder: Path) -> None:
    """Make an environment for a peer, or say why there is none."""
    peer = PEERS[name]
    target = folder / name
    if not peer.pip or target.exists():
        return
    interpreter = _interpreter(peer.python)
    if interpreter is None:
        common.note(f"{name}: needs Python {peer.python}, skipped")
        return
    common.note(f"{name}: {' '.join(peer.pip)} for Python {peer.python}")
    try:
        subprocess.run([interpreter, "-m", "venv", str(target)], check=True)
        python = str(target / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *peer.pip], check=True)
    except subprocess.CalledProcessError as error:
        common.note(f"{name}: {error}")
        shutil.rmtree(target, ignore_errors=True)


def environment_of(name: str, peer: Peer, folder: Path | None) -> str | None:
    """Return the interpreter of a peer, None if there is none."""
    if not peer.pip:
        return sys.executable
    python = folder / name / "bin" / "python" if folder else None
    return str(python) if python and python.exists() else None


# -- workers ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a worker said: costs, settings, versions, and the leaves that it predicted."""

    said: dict[str, Any]
    costs: dict[str, dict[str, float]]
    leaves: dict[str, np.ndarray]
    failure: str | None


def _text(output: str | bytes | None) -> str:
    return output.decode() if isinstance(output, bytes) else output or ""


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else "no output"


def work(python: str, script: str, data: Path, options: Any, timeout: float) -> Outcome:
    """Run an adapter; a failure is reported, with what was measured until then."""
    environment = dict(os.environ)
    if script == "sklhier":
        environment["PYTHONPATH"] = str(common.CHECKOUT)
    with tempfile.TemporaryDirectory() as scratch:
        command = [python, str(_ADAPTERS / f"with_{script}.py"), str(data), scratch]
        command += ["--options", json.dumps(options)]
        failure = None
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout, env=environment
            )
            output = done.stdout
            if done.returncode:
                failure = _last_line(done.stderr)
        except subprocess.TimeoutExpired as stopped:
            output, failure = _text(stopped.stdout), f"stopped after {timeout:g} s"
        return _outcome(output, Path(scratch), failure)


def _outcome(output: str, scratch: Path, failure: str | None) -> Outcome:
    said: dict[str, Any] = {}
    costs: dict[str, dict[str, float]] = {}
    for line in output.splitlines():
        if not line.startswith("{"):
            continue  # packages may print
        phase = json.loads(line)
        costs |= phase.pop("predict", {})
        said |= phase
    leaves = {name: np.load(scratch / f"{name}.npy") for name in costs}
    return Outcome(said, costs, leaves, failure)
