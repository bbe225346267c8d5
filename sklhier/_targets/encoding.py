"""Labels of any format to names of nodes, for ``Taxonomy.encode``."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from sklhier._targets.formats import detect
from sklhier._targets.formats_base import EMPTY, UNKNOWN, Format
from sklhier._targets.formats_sets import LabelSets, PathSets
from sklhier._targets.formats_single import SingleLabels
from sklhier._targets.given import Asked, Given
from sklhier._targets.paths import codes_of
from sklhier._utils.typing import Bools, Labels, NodeIds, Rows
from sklhier._utils.validation import check_choice
from sklhier.exceptions import TargetError, quoted
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy import _graph as ops
from sklhier.taxonomy._parsing import grouped, members_by_row

__all__ = ["encode"]

_ASKED: dict[str | None, Asked] = {"one": "one", "sets": "sets", None: "any"}


def encode(y: Any, taxonomy: Taxonomy, *, classes: Any, kind: str | None, unknown: str) -> Any:
    """Return labels as names of nodes; the parameters are those of ``Taxonomy.encode``."""
    check_choice("kind", kind, ("one", "sets", None))
    check_choice("unknown", unknown, ("error", "ignore"))
    form = detect(y, taxonomy, _ASKED[kind], classes)
    if form.several:
        return _names_of_sets(form, taxonomy, ignore=unknown == "ignore")
    return _names(_decoded(form, taxonomy, classes), taxonomy, ignore=unknown == "ignore")


# -- one label or path for each sample ----------------------------------------------------


def _decoded(form: Format, taxonomy: Taxonomy, classes: Any) -> Format:
    """Return the labels that integer codes stand for, and anything else unchanged."""
    if classes is None or not isinstance(form, SingleLabels) or not form.labels.size:
        return form
    known = SingleLabels(Given(classes, taxonomy, "one"))
    known.nodes(taxonomy, empty_is_root=False)  # refuses classes that are no nodes
    codes = codes_of(form.labels, known.labels)
    return form if codes is None else SingleLabels(Given(known.labels[codes], taxonomy, "one"))


def _names(form: Format, taxonomy: Taxonomy, *, ignore: bool) -> Labels:
    ids = form.ids(taxonomy)
    if not ignore and (ids == UNKNOWN).any():
        try:
            form.refuse(ids, taxonomy)
        except TargetError as error:
            raise TargetError(f"{error}{_where(ids == UNKNOWN, 'gives None for them')}") from None
    if (ids >= 0).all():
        return taxonomy.typed_names[ids - 1]
    names = taxonomy.node_names[np.maximum(ids, 0)]
    names[(ids == UNKNOWN) | (ids == EMPTY)] = None
    return names


def _where(rows: Bools, remedy: str) -> str:
    found = np.flatnonzero(rows).tolist()
    return f" This is in {len(found)} row(s): {quoted(found)}; unknown='ignore' {remedy}."


# -- sets ---------------------------------------------------------------------------------


def _names_of_sets(form: Format, taxonomy: Taxonomy, *, ignore: bool) -> list[list[Any]]:
    members = _known_members(form, taxonomy, ignore=ignore) if _is_listed(form) else None
    members = form.members(taxonomy) if members is None else members
    return grouped(taxonomy.node_names[members.indices].tolist(), members.indptr)


def _is_listed(form: Format) -> bool:
    """Whether rows list their labels; a table has the same labels in all rows."""
    return isinstance(form, LabelSets | PathSets)


def _known_members(form: Any, taxonomy: Taxonomy, *, ignore: bool) -> sparse.csr_array | None:
    """Mark the labels that are nodes; None if all are."""
    labels, counts, nodes = _entries(form, taxonomy)
    rows, known = np.repeat(np.arange(len(counts)), counts), nodes >= 0
    if known.all():
        return None
    if not ignore:
        unknown = [labels[entry] for entry in np.flatnonzero(~known).tolist()]
        bad = np.bincount(rows[~known], minlength=len(counts)) > 0
        with form.explained():
            raise TargetError.unknown(
                list(dict.fromkeys(unknown)), taxonomy.nodes[1:], _where(bad, "leaves them out")
            )
    if (nodes == 0).any():
        entry = int(np.argmax(nodes == 0))
        raise TargetError.names_root(labels[entry], f" in row {rows[entry]}")
    kept = np.bincount(rows[known], minlength=len(counts))
    cells = (np.ones(kept.sum()), nodes[known], ops.offsets_of(kept))
    return ops.marked(sparse.csr_array(cells, shape=(len(counts), taxonomy.n_nodes)))


def _entries(form: Any, taxonomy: Taxonomy) -> tuple[list[Any], Rows, NodeIds]:
    """Return the labels of all rows, their number in each row, and the node of each, or -1."""
    if isinstance(form, PathSets):
        taxonomy.require_tree("A path")
        return *form.paths, np.maximum(taxonomy.walk(*form.steps), np.int32(UNKNOWN))
    labels, counts = members_by_row(form.rows(taxonomy))
    return labels, counts, taxonomy.ids(labels)
