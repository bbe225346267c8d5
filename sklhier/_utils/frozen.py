"""Arrays that nobody can write to, and properties that hold them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import Any, TypeVar

import numpy as np
from scipy import sparse

__all__ = ["frozen", "frozen_property"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


def frozen(value: T) -> T:
    """Return a value whose arrays are read-only from now on.

    Parameters
    ----------
    value : ndarray, CSR or CSC matrix or array, or a tuple of these
        Changed in place, not copied: it must belong to the caller alone.

    Returns
    -------
    value
        The same object.
    """
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif sparse.issparse(value):
        # In order, so that no product sorts it later: sorting writes.
        value.sort_indices()  # type: ignore[attr-defined]
        frozen((value.data, value.indices, value.indptr))  # type: ignore[attr-defined]
    elif isinstance(value, tuple):
        for part in value:
            frozen(part)
    return value


class frozen_property(cached_property[T_co]):  # noqa: N801 (used as a decorator, like its base)
    """A cached property whose arrays are read-only.

    Whoever shares the object shares the arrays: a write would change them for all.
    """

    def __init__(self, compute: Callable[[Any], T_co]) -> None:
        def freeze(owner: Any) -> T_co:
            return frozen(compute(owner))

        super().__init__(update_wrapper(freeze, compute))
