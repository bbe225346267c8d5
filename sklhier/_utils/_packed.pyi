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
def products_single(
    data: npt.NDArray[np.floating[Any]],
    indices: npt.NDArray[np.int32],
    indptr: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int32] | None,
    values: npt.NDArray[np.floating[Any]],
    classes: npt.NDArray[np.unsignedinteger[Any]],
    starts: npt.NDArray[np.int32],
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
        is_dense: bool = False,
    ) -> None: ...
    def set(
        self,
        number: int,
        columns: npt.NDArray[np.int32] | None,
        weights: npt.NDArray[np.floating[Any]],
        intercepts: npt.NDArray[np.float64],
        link: int,
        sharpness: float,
        certain: npt.NDArray[np.uint8] | None = None,
        slopes: npt.NDArray[np.float64] | None = None,
        offsets: npt.NDArray[np.float64] | None = None,
    ) -> None: ...
    def set_dense(
        self,
        number: int,
        weights: npt.NDArray[np.floating[Any]],
        rounds: bool,
        intercepts: npt.NDArray[np.float64],
        link: int,
        sharpness: float,
        certain: npt.NDArray[np.uint8] | None = None,
        slopes: npt.NDArray[np.float64] | None = None,
        offsets: npt.NDArray[np.float64] | None = None,
    ) -> None: ...
    def set_single(
        self,
        number: int,
        columns: npt.NDArray[np.int32] | None,
        values: npt.NDArray[np.floating[Any]],
        classes: npt.NDArray[np.unsignedinteger[Any]],
        starts: npt.NDArray[np.int32],
        intercepts: npt.NDArray[np.float64],
        link: int,
        sharpness: float,
        certain: npt.NDArray[np.uint8] | None = None,
        slopes: npt.NDArray[np.float64] | None = None,
        offsets: npt.NDArray[np.float64] | None = None,
    ) -> None: ...
    def search(
        self,
        data: npt.NDArray[np.floating[Any]],
        indices: npt.NDArray[np.int32] | None,
        indptr: npt.NDArray[np.int64] | None,
        least: npt.NDArray[np.float64],
        table: npt.NDArray[np.float64],
        best: npt.NDArray[np.int32],
    ) -> bool: ...
    def descend(
        self,
        data: npt.NDArray[np.floating[Any]],
        indices: npt.NDArray[np.int32] | None,
        indptr: npt.NDArray[np.int64] | None,
        ends: npt.NDArray[np.int32],
    ) -> bool: ...
    def best(
        self,
        data: npt.NDArray[np.floating[Any]],
        indices: npt.NDArray[np.int32] | None,
        indptr: npt.NDArray[np.int64] | None,
        nodes: npt.NDArray[np.int32],
        proba: npt.NDArray[np.float64],
    ) -> bool: ...
    def all(
        self,
        data: npt.NDArray[np.floating[Any]],
        indices: npt.NDArray[np.int32] | None,
        indptr: npt.NDArray[np.int64] | None,
        table: npt.NDArray[np.float64],
        stops: npt.NDArray[np.float64] | None,
    ) -> bool: ...
