"""Former places of classes that saved files name.

A pickle, joblib or skops file names the module of each class in it. These are the modules of
earlier development versions; they exist for such files alone, and go with the next release.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["FORMER", "remember_former_places"]

_LABEL_SETS = ("CollectionFormat", "FrameFormat", "IndicatorFormat", "PathSetFormat")

# Former module: the module of today, and the classes, with their names of today where these differ.
FORMER: dict[str, tuple[str, dict[str, str]]] = {
    "sklhier._classifier": ("sklhier", {"HierarchicalClassifier": ""}),
    "sklhier._multilabel": ("sklhier", {"HierarchicalMultiLabelClassifier": ""}),
    "sklhier._multihead": ("sklhier", {"MultiHeadClassifier": ""}),
    "sklhier._multihead_sets": ("sklhier", {"MultiHeadMultiLabelClassifier": ""}),
    "sklhier._classifiers.local_base": ("sklhier._classifiers.abilities", {"Reading": ""}),
    "sklhier._classifiers.path_prediction": (
        "sklhier._classifiers.path_target",
        {"PathTarget": ""},
    ),
    "sklhier._classifiers.saved_local": (
        "sklhier._classifiers.compressing",
        {"CompressionReport": ""},
    ),
    "sklhier._classifiers.set_prediction": (
        "sklhier._classifiers.set_target",
        {"SetTarget": ""},
    ),
    "sklhier._local": ("sklhier._local.model", {"LocalModel": "", "View": "Upstream"}),
    "sklhier._linear": ("sklhier._local.linear_fit", {"Packing": "ColumnSubset"}),
    "sklhier._training": ("sklhier._training.trainer", {"Fits": "FitReport"}),
    "sklhier._marginals": ("sklhier._probabilities.marginals", {"Outcomes": ""}),
    "sklhier._targets": ("sklhier._targets.paths", {"LabelFormat": "", "LevelFormat": ""}),
    "sklhier._label_sets": ("sklhier._targets.label_sets", dict.fromkeys(_LABEL_SETS, "")),
    "sklhier._joint_loss": ("sklhier._joint.path_loss", {"Heads": "", "Level": ""}),
    "sklhier._network": ("sklhier._joint.network", {"Network": ""}),
    "sklhier._solvers": ("sklhier._joint.solvers", {"Adam": "AdamState"}),
    "sklhier.decoders._sets": ("sklhier.decoders", {"SetThreshold": ""}),
}


def _class_of_today(module: str, name: str) -> Any:
    new_module, names = FORMER[module]
    if name not in names:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return getattr(import_module(new_module), names[name] or name)


class _FormerModule(ModuleType):
    """A module that is left in name only."""

    def __getattr__(self, name: str) -> Any:
        return _class_of_today(self.__name__, name)


def remember_former_places() -> None:
    """Let saved files find classes where they used to be."""
    for module in FORMER:
        if module not in sys.modules:
            sys.modules[module] = _FormerModule(module)
            continue
        present = sys.modules[module]  # a package of today that has the name of a former module
        for name in FORMER[module][1]:
            setattr(present, name, _class_of_today(module, name))
