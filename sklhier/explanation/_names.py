"""Names of features, through the steps of Pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from sklhier._utils.typing import Objects, Rows

__all__ = ["FeatureNames"]


@dataclass(frozen=True)
class FeatureNames:
    """Names of features; where there are none, ``"x7"`` is the eighth.

    Attributes
    ----------
    names : ndarray of object, shape (n_features,), or None
    lost : bool, default=False
        Whether a step has no names to give, so that features are numbered.
    """

    names: Objects | None
    lost: bool = False

    @classmethod
    def given(cls, names: Any) -> Self:
        """Return the names that an estimator was fitted with, or None."""
        return cls(None if names is None else np.asarray(names, dtype=object))

    def through(self, steps: Sequence[Any]) -> FeatureNames:
        """Return the names of the features that fitted transformers make of these."""
        found = self
        for step in steps:
            try:
                names = step.get_feature_names_out(found.names)
            except AttributeError:  # of a step such as HashingVectorizer
                found = FeatureNames(None, lost=True)
            else:
                found = FeatureNames(np.asarray(names, dtype=object), found.lost)
        return found

    def of(self, columns: Rows) -> Objects:
        """Return the names of some columns."""
        if self.names is not None:
            return self.names[columns]
        names = np.empty(len(columns), dtype=object)
        names[:] = [f"x{column}" for column in columns.tolist()]
        return names
