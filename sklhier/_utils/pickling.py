"""State of estimators: versions kept in pickles, and what a failing call leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import sklearn

from sklhier._utils.warning import warn_caller
from sklhier._version import __version__
from sklhier.exceptions import VersionWarning

__all__ = ["published", "restored_state", "unchanged_draws", "unchanged_on_error", "with_versions"]

_KEY = "_saved_with"  # no estimator has an attribute of this name


def published(namespace: dict[str, Any]) -> None:
    """Let the public classes of a package carry its name, and not that of a private module.

    Saved files name the module of each class in them, and private modules move.
    """
    for name in namespace["__all__"]:
        public = namespace[name]
        if isinstance(public, type) and "._" in public.__module__:
            public.__module__ = namespace["__name__"]


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
    """Give an estimator the attributes back that it had, if the block fails.

    Its models are not copied: the block replaces them, and changes copies alone.
    """
    before = dict(vars(estimator))
    try:
        with unchanged_draws(before.get("random_state")):
            yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


@contextmanager
def unchanged_draws(random_state: object) -> Iterator[None]:
    """Let a RandomState go on from where it was, if the block fails."""
    before = random_state.get_state() if isinstance(random_state, np.random.RandomState) else None
    try:
        yield
    except BaseException:
        if isinstance(random_state, np.random.RandomState) and before is not None:
            random_state.set_state(before)
        raise
