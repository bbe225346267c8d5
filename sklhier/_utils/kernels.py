"""The compiled solvers, if there are any and they are not switched off.

The environment variable ``SKLHIER_KERNELS`` is read at each use: 0 switches them off, "baseline"
keeps them to instructions that every CPU of its kind has; else they use the best that the CPU has.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

try:
    _blocks: Any = import_module("sklhier._utils._blocks")
except ModuleNotFoundError:  # installed without a compiler
    _blocks = None

__all__ = ["VARIABLE", "compiled", "way_in_use"]

VARIABLE = "SKLHIER_KERNELS"


def _setting() -> str:
    return os.environ.get(VARIABLE, "1").strip().lower()


def compiled() -> Any | None:
    """Return the module of the compiled solvers, or None where pure Python is used."""
    setting = _setting()
    if _blocks is None or setting == "0":
        return None
    _blocks.choose_instructions(setting != "baseline")
    return _blocks


def way_in_use() -> str:
    """Return in words which way is in use, and why."""
    if _blocks is None:
        return "pure Python (installed without compiled solvers)"
    if _setting() == "0":
        return f"pure Python ({VARIABLE}=0)"
    is_wide = _blocks.choose_instructions(_setting() != "baseline")
    return f"compiled ({'AVX2 and FMA' if is_wide else 'baseline instructions'})"
