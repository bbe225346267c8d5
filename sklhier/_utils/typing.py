"""Names of types: arrays by what their integers mean, and what users may pass.

``NodeIds`` hold ids of nodes (0 is the root), ``Rows`` positions of samples, ``Offsets``
index pointers: segment ``i`` is ``[offsets[i], offsets[i + 1])``.

What users pass has no common base class, so it is described by unions and protocols.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

NodeIds: TypeAlias = npt.NDArray[np.int32]
Rows: TypeAlias = npt.NDArray[np.intp]
Offsets: TypeAlias = npt.NDArray[np.intp]
Integers: TypeAlias = npt.NDArray[np.integer]
Numbers: TypeAlias = npt.NDArray[np.number]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Objects: TypeAlias = npt.NDArray[np.object_]
Labels: TypeAlias = npt.NDArray[Any]

SparseTable: TypeAlias = sparse.sparray | sparse.spmatrix


class Frame(Protocol):
    """A data frame of pandas or polars."""

    @property
    def columns(self) -> Sequence[Any]:
        """Names of the columns."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""

    def __getitem__(self, name: str, /) -> Any: ...


# Samples: arrays, sparse matrices, data frames, or lists of whatever base estimators read.
Features: TypeAlias = npt.ArrayLike | SparseTable | Frame | Sequence[object]
# Labels in any format: names, paths, collections of labels, indicators.
Target: TypeAlias = Iterable[object] | SparseTable | Frame

SampleWeight: TypeAlias = npt.ArrayLike | None
Groups: TypeAlias = npt.ArrayLike | None
# A number for each node or each level: by name, in order, or a rule of that name.
NodeWeight: TypeAlias = str | Mapping[Hashable, float] | npt.ArrayLike | None
RandomState: TypeAlias = int | np.random.RandomState | None


class Splitter(Protocol):
    """A cross-validation splitter, as those of scikit-learn."""

    def split(
        self, X: Features, y: Target | None = None, groups: Groups = None
    ) -> Iterator[tuple[Rows, Rows]]:
        """Yield the rows to train on and those to test on."""


CrossValidator: TypeAlias = int | Splitter | Iterable[tuple[npt.ArrayLike, npt.ArrayLike]] | None


class Estimator(Protocol):
    """An estimator, as those of scikit-learn; what else it can do depends on its kind."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""

    def set_params(self, **params: object) -> Self:
        """Set parameters by name."""


class Classifier(Estimator, Protocol):
    """A classifier, as those of scikit-learn."""

    def fit(self, X: Features, y: Target, **params: object) -> Self:
        """Fit to samples and their labels."""

    def predict(self, X: Features) -> Any:
        """Return a label for each sample."""


class DirectedGraph(Protocol):
    """A graph of networkx whose edges go from parent to child."""

    def is_directed(self) -> bool:
        """Whether edges have a direction."""

    def edges(self) -> Iterable[tuple[Hashable, Hashable]]:
        """Return the edges."""

    def __iter__(self) -> Iterator[Hashable]: ...
