"""The interface of a format of labels: a test of fit, and readers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from sklhier._targets.given import Given, as_labels
from sklhier._utils.typing import NodeIds
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._parsing import path_of_row

__all__ = ["EMPTY", "UNKNOWN", "Format", "refuse_unknown_paths"]

UNKNOWN, EMPTY = -1, -2  # in place of node ids: no node of the taxonomy, and no label


@dataclass(frozen=True, eq=False)
class Format(ABC):
    """Labels of one format: the test of fit, and the readers.

    `name`, `description` and `why` (a reason for the format) are words for errors and documents, and
    so are `containers` (what labels come in), `reads` (what fit makes of them) and `returns` (what
    predict answers in).
    `several` tells that samples may have several labels, `has_steps` that each has a path.
    """

    given: Given
    name: ClassVar[str]
    description: ClassVar[str]
    why: ClassVar[str]
    containers: ClassVar[str]
    reads: ClassVar[str]
    returns: ClassVar[str]
    several: ClassVar[bool] = True
    has_steps: ClassVar[bool] = False

    @staticmethod
    @abstractmethod
    def matches(given: Given) -> bool:
        """Whether labels have this format, if they have no earlier one."""

    @abstractmethod
    def members(self, taxonomy: Taxonomy) -> sparse.csr_array:
        """Mark the labels of each row, as given: float64 0/1, (n_samples, n_nodes), no root."""

    def infer(self, classes: Any = None) -> Taxonomy:
        """Return the taxonomy that the labels spell out, or a flat one of `classes`."""
        if classes is None:
            raise TargetError(
                "Collections of labels do not show how nodes are related: pass `taxonomy=`, or paths "
                "instead of labels, such as [[('science', 'space'), ('sport',)], []]."
            )
        return Taxonomy.flat(as_labels(classes))

    def ids(self, taxonomy: Taxonomy) -> NodeIds:  # noqa: ARG002
        """Return the node of each row, UNKNOWN for one that the taxonomy lacks, or EMPTY."""
        with self.explained():
            raise TargetError.one_label_each()

    def nodes(self, taxonomy: Taxonomy, *, empty_is_root: bool = True) -> NodeIds:
        """Return the node of each row; refuse unknown ones and, unless the root, empty rows."""
        ids = self.ids(taxonomy)
        empty = ids == EMPTY
        if empty.any() and not empty_is_root:
            raise TargetError.missing(int(np.argmax(empty)))
        self.refuse(ids, taxonomy)
        return np.where(empty, np.int32(0), ids)

    def refuse(self, ids: NodeIds, taxonomy: Taxonomy) -> None:  # noqa: B027
        """Raise a TargetError for rows that are no labels or paths."""

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Let errors also say how labels were read."""
        try:
            yield
        except TargetError as error:
            why = f"y was read as {self.name!r}, because {self.why}."
            raise TargetError(f"{error} {why}") from None


def refuse_unknown_paths(columns: list[list[Hashable]], codes: Any, taxonomy: Taxonomy) -> None:
    """Raise a TargetError for the first path that leads nowhere."""
    nodes = taxonomy.walk(columns, codes)
    if (nodes >= 0).all():
        return
    row = int(np.argmax(nodes < 0))
    step = int(-2 - nodes[row])
    reached = taxonomy.walk(columns, np.where(np.arange(len(columns)) < step, codes[[row]], -1))
    below = taxonomy.children_of(int(reached[0]))
    path = path_of_row(columns, codes[row])
    raise TargetError.unknown_path(path, step, taxonomy.step_names[below])
