"""The compiled solvers, steps and predictions, if there are any and they are not switched off.

The environment variable ``SKLHIER_KERNELS`` is read at each use: 0 switches them off, "baseline"
keeps them to instructions that every CPU of its kind has; else they use the best that the CPU has.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any


def _module(name: str) -> Any | None:
    try:
        return import_module(f"sklhier._utils.{name}")
    except ModuleNotFoundError:  # installed without a compiler
        return None


_blocks, _packed, _steps = map(_module, ("_blocks", "_packed", "_steps"))

__all__ = ["VARIABLE", "compiled", "compiled_predictions", "compiled_steps", "way_in_use"]

VARIABLE = "SKLHIER_KERNELS"


def _setting() -> str:
    return os.environ.get(VARIABLE, "1").strip().lower()


def compiled() -> Any | None:
    """Return the module of the compiled solvers, or None where pure Python is used."""
    return _chosen(_blocks)


def compiled_predictions() -> Any | None:
    """Return the module of compiled predictions, or None where pure Python is used."""
    return _chosen(_packed)


def compiled_steps() -> Any | None:
    """Return the module of compiled steps of sparse features, or None where pure Python is used."""
    return _chosen(_steps)


def _chosen(module: Any | None) -> Any | None:
    setting = _setting()
    if module is None or setting == "0":
        return None
    module.choose_instructions(setting != "baseline")
    return module


def way_in_use() -> str:
    """Return in words which way is in use, and why."""
    if _blocks is None:
        return "pure Python (installed without compiled solvers)"
    if _setting() == "0":
        return f"pure Python ({VARIABLE}=0)"
    is_wide = _blocks.choose_instructions(_setting() != "baseline")
    return f"compiled ({'AVX2 and FMA' if is_wide else 'baseline instructions'})"
