"""The one place that knows scikit-learn's versions and private names."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import _check_method_params

try:  # scikit-learn >= 1.7
    from sklearn.utils._repr_html.estimator import _VisualBlock
except ModuleNotFoundError:  # scikit-learn 1.6
    from sklearn.utils._estimator_html_repr import _VisualBlock

__all__ = ["params_of_rows", "visual_block"]


def visual_block(parts: list[Any], names: list[str]) -> Any:
    """Return what `_sk_visual_block_` must return for parts that stand side by side."""
    return _VisualBlock("parallel", parts, names=names)


def params_of_rows(X: Any, params: dict[str, Any], rows: Any) -> dict[str, Any]:
    """Return fit parameters with those that have an entry for each sample cut to `rows`."""
    return _check_method_params(X, params, indices=np.asarray(rows)) if params else {}
