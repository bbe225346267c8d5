"""Aliases of array types, by what their integers mean.

``NodeIds`` hold ids of nodes (0 is the root), ``Rows`` positions of samples, ``Offsets``
index pointers: segment ``i`` is ``[offsets[i], offsets[i + 1])``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

NodeIds: TypeAlias = npt.NDArray[np.int32]
Rows: TypeAlias = npt.NDArray[np.intp]
Offsets: TypeAlias = npt.NDArray[np.intp]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Objects: TypeAlias = npt.NDArray[np.object_]
Labels: TypeAlias = npt.NDArray[Any]
