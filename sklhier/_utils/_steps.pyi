from typing import Any

import numpy as np
import numpy.typing as npt

def choose_instructions(may_be_wide: bool) -> bool: ...
def step(
    data: npt.NDArray[np.floating[Any]],
    rows: npt.NDArray[np.int32],
    bounds: npt.NDArray[np.int64],
    features: npt.NDArray[np.int64],
    slopes: npt.NDArray[np.floating[Any]],
    penalties: npt.NDArray[np.floating[Any]],
    rates: npt.NDArray[np.floating[Any]],
    weights: npt.NDArray[np.floating[Any]],
    first: npt.NDArray[np.floating[Any]],
    second: npt.NDArray[np.floating[Any]],
    scales: npt.NDArray[np.floating[Any]],
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    seen: float,
) -> None: ...
