from typing import Any

import numpy as np
import numpy.typing as npt

MARGINS: int
SOFTMAX: int
SIGMOIDS: int
LOG_SIGMOIDS: int
LOGISTIC: int
HINGE: int

def choose_instructions(may_be_wide: bool) -> bool: ...
def products(
    data: npt.NDArray[np.floating[Any]],
    indices: npt.NDArray[np.int32],
    indptr: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int32] | None,
    weights: npt.NDArray[np.floating[Any]],
    places: npt.NDArray[np.int32],
    out: npt.NDArray[np.floating[Any]],
) -> None: ...

class Paths:
    def __init__(
        self,
        offsets: npt.NDArray[np.int64],
        outcomes: npt.NDArray[np.int32],
        rank: npt.NDArray[np.int64],
        is_double: bool,
        n_features: int,
    ) -> None: ...
    def set(
        self,
        number: int,
        columns: npt.NDArray[np.int32] | None,
        weights: npt.NDArray[np.floating[Any]],
        intercepts: npt.NDArray[np.float64],
        link: int,
        sharpness: float,
    ) -> None: ...
    def set_siblings(
        self,
        number: int,
        columns: npt.NDArray[np.int32] | None,
        weights: list[npt.NDArray[np.floating[Any]] | None],
        intercepts: npt.NDArray[np.float64],
        link: int,
        sharpness: float,
    ) -> None: ...
    def search(
        self,
        data: npt.NDArray[np.floating[Any]],
        indices: npt.NDArray[np.int32],
        indptr: npt.NDArray[np.int64],
        k: int,
        least: npt.NDArray[np.float64],
        table: npt.NDArray[np.float64],
    ) -> bool: ...
    def descend(
        self,
        data: npt.NDArray[np.floating[Any]],
        indices: npt.NDArray[np.int32],
        indptr: npt.NDArray[np.int64],
        ends: npt.NDArray[np.int32],
    ) -> bool: ...
    def best(
        self,
        data: npt.NDArray[np.floating[Any]],
        indices: npt.NDArray[np.int32],
        indptr: npt.NDArray[np.int64],
        nodes: npt.NDArray[np.int32],
        proba: npt.NDArray[np.float64],
    ) -> bool: ...
