"""Files of earlier versions: their states made those of today."""

from __future__ import annotations

from typing import Any

__all__ = ["upgraded_local"]


def upgraded_local(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a classifier with local models as this version keeps it."""
    return state
