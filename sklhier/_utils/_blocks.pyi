from typing import Any

import numpy as np
import numpy.typing as npt

MOST_LANES: int

def choose_instructions(may_be_wide: bool) -> bool: ...
def width_of(n_lanes: int) -> int: ...
def count_columns(
    indices: npt.NDArray[np.int32],
    indptr: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.int32],
    columns: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
) -> int: ...
def number_columns(
    indices: npt.NDArray[np.int32],
    indptr: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.int32],
    columns: npt.NDArray[np.int32],
    n_columns: int,
    local: npt.NDArray[np.int32],
) -> None: ...
def solve(
    data: npt.NDArray[np.floating[Any]],
    indices: npt.NDArray[np.int32] | None,
    indptr: npt.NDArray[np.int64] | None,
    starts: npt.NDArray[np.int64] | None,
    rows: npt.NDArray[np.int64],
    positive: npt.NDArray[np.uint16],
    costs: npt.NDArray[np.float64],
    weights: npt.NDArray[np.floating[Any]],
    intercepts: npt.NDArray[np.floating[Any]],
    n_iter: npt.NDArray[np.int32],
    *,
    logistic: bool,
    bias: float,
    tol: float,
    max_iter: int,
    seed: int,
) -> None: ...
