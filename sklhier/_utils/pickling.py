"""State of estimators: versions kept in pickles, and what a failing call leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sklearn

from sklhier._utils.warning import warn_caller
from sklhier._version import __version__
from sklhier.exceptions import VersionWarning

__all__ = ["restored_state", "unchanged_on_error", "with_versions"]

_KEY = "_saved_with"  # no estimator has an attribute of this name


def with_versions(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state to pickle, with the versions in use added."""
    return {**state, _KEY: {"sklhier": __version__, "scikit-learn": sklearn.__version__}}


def restored_state(owner: object, state: dict[str, Any]) -> dict[str, Any]:
    """Return a pickled state without its versions; warn if they are not those in use."""
    state = dict(state)
    saved = state.pop(_KEY, {})
    now = {"sklhier": __version__, "scikit-learn": sklearn.__version__}
    changed = [
        f"{name} {version} (now {now[name]})"
        for name, version in saved.items()
        if version != now.get(name)
    ]
    if changed:
        warn_caller(
            f"This {type(owner).__name__} was saved with {' and '.join(changed)}: it may fail or "
            "give other results. Fit it again, or load it with the versions it was saved with.",
            VersionWarning,
        )
    return state


@contextmanager
def unchanged_on_error(estimator: object) -> Iterator[None]:
    """Give an estimator the attributes back that it had, if the block fails."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
