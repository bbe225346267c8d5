"""Versions of the installation, for reports of errors."""

from __future__ import annotations

import platform

import numpy as np
import scipy
import sklearn

from sklhier._utils.kernels import way_in_use
from sklhier._version import __version__

__all__ = ["show_versions", "versions_in_use"]


def versions_in_use() -> dict[str, str]:
    """Return the versions on which the predictions of a model may depend."""
    return {
        "sklhier": __version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }


def show_versions() -> None:
    """Print the versions of this package and its dependencies, for bug reports.

    The line ``solvers`` says whether :class:`~sklhier.linear_model.BlockLinearSVC` and
    :class:`~sklhier.linear_model.BlockLogisticRegression` use the compiled solvers or pure Python.
    The output of ``sklearn.show_versions`` follows.

    Examples
    --------
    >>> import sklhier
    >>> sklhier.show_versions()  # doctest: +ELLIPSIS
    sklhier: ...
    solvers: ...
    """
    print(f"sklhier: {__version__}")
    print(f"solvers: {way_in_use()}")
    sklearn.show_versions()
