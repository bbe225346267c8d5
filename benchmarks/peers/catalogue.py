"""The packages that sklhier is compared with: where they run, how, against which of our models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SGD = {"alpha": 1e-5}
OURS: dict[str, dict[str, Any]] = {
    "LinearSVC": {"base": "LinearSVC", "settings": {}},
    "LinearSVC, dual, tol=0.1": {"base": "LinearSVC", "settings": {"dual": True, "tol": 0.1}},
    "BlockLinearSVC, tol=0.1, single": {
        "base": "BlockLinearSVC",
        "settings": {"tol": 0.1, "dtype": "float32"},
    },
    "BlockLinearSVC, tol=0.1, single, compressed": {
        "base": "BlockLinearSVC",
        "settings": {"tol": 0.1, "dtype": "float32"},
        "min_weight": 0.1,
    },
    "BlockLinearSVC, tol=1e-4, single": {
        "base": "BlockLinearSVC",
        "settings": {"tol": 1e-4, "dtype": "float32"},
    },
    "SGD": {"base": "SGD", "settings": SGD},
}
_BLOCK, _COMPRESSED, _PRECISE = (name for name in OURS if name.startswith("BlockLinearSVC"))


@dataclass(frozen=True)
class Run:
    """One model of a peer, and those of ours that are measured in turns with it.

    Attributes
    ----------
    name : str
        What sets this model apart from the peer's others.
    options : dict
        What the adapter gets.
    ours : tuple of str
        Keys of `OURS`.
    """

    name: str
    options: Mapping[str, Any]
    ours: tuple[str, ...]


@dataclass(frozen=True)
class Peer:
    """A package in an environment of its own.

    Attributes
    ----------
    pip : tuple of str
        What pip installs; empty for the interpreter that runs the benchmark.
    python : str
        The version of Python that the environment is made with.
    runs : tuple of Run
    decoders : dict of str to str
        For each of its ways to predict, the decoder of ours that it is compared with.
    left_out : dict of str to str
        Workloads that it is not measured on, and why.
    """

    pip: tuple[str, ...]
    python: str
    runs: tuple[Run, ...]
    decoders: Mapping[str, str]
    left_out: Mapping[str, str] = field(default_factory=dict)


_DEFAULT: dict[str, Any] = {"settings": {}}
_SAME_BASES = tuple(Run(name, OURS[name], (name,)) for name in ("LinearSVC", "SGD"))
_ONE_LABEL = {"W5": "its adapter has one label for each row"}
_BEAMS = {"beam 1": "top_down", "beam 10": "best_path"}

PEERS = {
    "flat": Peer(
        pip=(),
        python="",
        runs=_SAME_BASES[:1],
        decoders={"predict": "best_path"},
        left_out=dict.fromkeys(("W2", "W4"), "many minutes and several GB"),
    ),
    "hiclass": Peer(
        pip=("hiclass==5.0.8", "scikit-learn==1.9.1", "numpy==2.4.6", "scipy==1.17.1"),
        python="3.11",
        runs=_SAME_BASES,
        decoders={"top-down": "top_down"},
        left_out=_ONE_LABEL,
    ),
    "shc": Peer(
        pip=(
            "sklearn-hierarchical-classification==1.3.2",
            "scikit-learn==1.3.2",
            "numpy==1.24.4",
            "scipy==1.10.1",
        ),
        python="3.8",
        runs=(Run("SGD", OURS["SGD"], ("SGD",)),),
        decoders={"top-down": "top_down"},
        left_out=_ONE_LABEL | {"W4": "takes too long on W2, which is smaller"},
    ),
    "pecos": Peer(
        pip=(
            # What it needs for neural models are several GB.
            "--no-deps",
            "libpecos==1.2.8",
            "numpy==1.26.4",
            "scipy==1.13.1",
            "scikit-learn==1.7.2",
            "joblib==1.6.0",
            "cloudpickle==3.1.3",
            "threadpoolctl==3.8.0",
        ),
        python="3.10",
        runs=(
            # Both sides leave out weights below 0.1 where ours is compressed.
            Run("defaults", _DEFAULT, ("LinearSVC, dual, tol=0.1", _BLOCK, _COMPRESSED)),
            # A threshold of 0 would keep the zeros as well.
            Run("all weights", {"settings": {"threshold": 1e-9}}, (_BLOCK,)),
            Run("eps 1e-4", {"settings": {"eps": 1e-4, "max_iter": 1000}}, (_PRECISE,)),
        ),
        decoders=_BEAMS
        | {f"{beam}, reloaded for prediction": decoder for beam, decoder in _BEAMS.items()},
    ),
    "napkinxc": Peer(
        pip=("napkinxc==0.7.2", "numpy==2.2.6", "scipy==1.15.3"),
        python="3.10",
        runs=(Run("defaults", _DEFAULT, ("SGD",)),),
        decoders={"best path": "best_path"},
    ),
    "omikuji": Peer(
        pip=("omikuji==0.5.2", "numpy==2.4.6", "scipy==1.17.1"),
        python="3.11",
        runs=(Run("own tree", _DEFAULT, ("LinearSVC, dual, tol=0.1",)),),
        decoders=_BEAMS,
    ),
    "libmultilabel": Peer(
        pip=("libmultilabel==0.10.0", "numpy==2.2.6", "scipy==1.15.3", "scikit-learn==1.7.2"),
        python="3.10",
        runs=(Run("tree", _DEFAULT, ("LinearSVC",)),),
        decoders=_BEAMS,
    ),
}
