"""Folds of a splitter, as positions of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from sklhier._utils import compat
from sklhier._utils.typing import Bools, Rows, Target
from sklhier._utils.validation import shown

__all__ = ["Folds", "Splits", "folds_among", "require_groups"]

Splits = list[tuple[Rows, Rows]]


_ROUTED = "fit(X, y, groups=groups), with sklearn.set_config(enable_metadata_routing=True) before"


def require_groups(cv: Any, groups: Any, way: str) -> None:
    """Raise a ValueError if a splitter asks for groups and there are none; pass them by `way`."""
    if groups is not None or not hasattr(cv, "get_metadata_routing"):
        return
    if cv.get_metadata_routing().split.requests.get("groups") is True:
        raise ValueError(
            f"`cv` must get the groups that it needs, got none for {type(cv).__name__}. Pass them to "
            f"{way}, or use another `cv`."
        )


def folds_among(
    cv: Any,
    rows: Rows,
    n_samples: int,
    y: Target,
    params: dict[str, Any],
) -> list[tuple[Rows, Rows]]:
    """Return the folds of a splitter, as positions within some rows.

    A splitter gets these rows alone, with their part of `params`, such as groups. Folds that users
    pass as positions count among all rows.
    """
    if not hasattr(cv, "split"):
        folds = [_positions(fold, number, n_samples) for number, fold in enumerate(cv)]
        return [
            (np.flatnonzero(np.isin(rows, train)), np.flatnonzero(np.isin(rows, test)))
            for train, test in folds
        ]
    require_groups(cv, params.get("groups"), _ROUTED)
    samples = np.zeros((n_samples, 1))  # no splitter needs the features
    own = compat.params_of_rows(samples, params, rows)
    try:
        return list(cv.split(samples[rows], y, **own))
    except (TypeError, ValueError) as error:
        # Splitters have no common sign that they need groups.
        if own.get("groups") is not None or "groups" not in str(error):
            raise
        raise ValueError(
            f"`cv` must get the groups that it needs, got none for {shown(cv)}. Pass folds as "
            "positions, cv=list(splitter.split(X, y, groups)); or, where base estimators are "
            "fitted, call sklearn.set_config(enable_metadata_routing=True) and pass groups= to fit."
        ) from error


def _positions(fold: Any, number: int, n_samples: int) -> tuple[Rows, Rows]:
    """Return the positions of both parts of a fold, which may be masks."""
    train, test = (_part(part, number, n_samples) for part in fold)
    return train, test


def _part(part: Any, number: int, n_samples: int) -> Rows:
    positions = np.asarray(part)
    if positions.shape == (n_samples,) and positions.dtype == bool:
        return np.flatnonzero(positions)
    is_list = positions.ndim == 1 and (positions.dtype.kind in "iu" or not positions.size)
    if not (is_list and ((positions >= 0) & (positions < n_samples)).all()):
        raise ValueError(
            f"`cv` must hold positions of samples, from 0 to {n_samples - 1}, got "
            f"{shown(part)} in fold {number}."
        )
    return positions.astype(np.intp)


@dataclass(frozen=True)
class Folds:
    """Folds that hold every sample out once.

    Attributes
    ----------
    held_out_by : ndarray of intp, shape (n_samples,)
        Number of the fold that holds a sample out.
    trains : list of ndarray of bool, shape (n_samples,)
        The samples that each fold trains on.
    """

    held_out_by: Rows
    trains: list[Bools]

    @classmethod
    def of(cls, folds: Splits, n_samples: int) -> Self:
        """Read ``(train, test)`` positions.

        Raises
        ------
        ValueError
            If a sample is held out by no fold or by several.
        """
        held_out_by = np.zeros(n_samples, dtype=np.intp)
        n_held_out = np.zeros(n_samples, dtype=np.intp)
        trains = []
        for number, (train, test) in enumerate(folds):
            held_out_by[test] = number
            n_held_out[test] += 1
            trains.append(np.zeros(n_samples, dtype=bool))
            trains[-1][train] = True
        invalid = int((n_held_out != 1).sum())
        if invalid:
            raise ValueError(
                f"`cv` must hold every sample out once, got {invalid} of {n_samples} samples in no "
                "test part or in several. Use a splitter such as KFold, "
                "HierarchicalStratifiedKFold or GroupKFold."
            )
        return cls(held_out_by, trains)
