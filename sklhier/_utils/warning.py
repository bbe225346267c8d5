"""Warnings that point at the line of the user's code."""

from __future__ import annotations

import sys
import warnings

__all__ = ["warn_caller"]

# Between a user and us may stand scikit-learn (clone, a search), joblib (work in parallel, a saved
# file), skops and the modules of Python that call back.
_NOT_THE_CALLER = frozenset(
    {
        "_pickle", "concurrent", "contextlib", "copy", "functools", "joblib", "numpy", "pickle",
        "scipy", "sklearn", "sklhier", "skops", "threading",
    }
)  # fmt: skip


def warn_caller(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Warn as :func:`warnings.warn` does, at the innermost line outside of this package.

    Counting frames by hand breaks with the next helper function. Python 3.12 can skip files by their
    prefix; this works in 3.11 too.

    Parameters
    ----------
    message : str or Warning
        A Warning brings its own category.
    category : type of Warning, default=UserWarning
        Category of a message that is a string.
    """
    level = 2  # whoever called this function: right if there is no user, as in a worker process
    frame = sys._getframe(1)
    for depth in range(2, 1000):
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _NOT_THE_CALLER:
            level = depth
            break
        if frame.f_back is None:
            break
        frame = frame.f_back
    warnings.warn(message, category, stacklevel=level)
