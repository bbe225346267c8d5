"""Labels of any format, as metrics and splitters read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from sklhier._targets.containers import by_name
from sklhier._targets.formats import detect
from sklhier._targets.formats_base import Format
from sklhier._targets.formats_sets import PathSets
from sklhier._targets.formats_single import Paths
from sklhier._targets.given import Asked
from sklhier._targets.label_sets import closure
from sklhier._utils.columns import frame_columns, frame_names, is_frame
from sklhier._utils.typing import NodeIds
from sklhier.exceptions import TargetError
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._parsing import is_padding, label_array

__all__ = [
    "closed_indicator",
    "closure_of",
    "detect_all",
    "holds_label_sets",
    "labels_of",
    "nodes_or_indicator",
    "nodes_or_root",
    "spells_paths",
    "with_paths",
]


def closure_of(form: Format, taxonomy: Taxonomy) -> sparse.csr_array:
    """Return the closure of each row's labels: float64 0/1, shape (n_samples, n_nodes).

    None, and an empty collection, is the empty set; the root is left out.
    """
    given = labels_of(form, taxonomy)
    if isinstance(given, np.ndarray):
        return taxonomy.ancestors_of(given)
    return closure(given, taxonomy)


def labels_of(form: Format, taxonomy: Taxonomy) -> NodeIds | sparse.csr_array:
    """Return labels as they were given, without their ancestors.

    Rows with one label or path become an array of nodes, 0 for none; rows with label sets an
    indicator, float64 0/1, shape (n_samples, n_nodes), the root left out.
    """
    return form.members(taxonomy) if form.several else form.nodes(taxonomy)


def closed_indicator(y: Any, taxonomy: Taxonomy, classes: Any = None) -> sparse.csr_array:
    """Return the closures of labels of any format, as :func:`closure_of`.

    Here and below `classes` names the columns of an indicator that has no names of its own.
    """
    return closure_of(detect(y, taxonomy, "any", classes), taxonomy)


def nodes_or_indicator(
    y: Any, taxonomy: Taxonomy, classes: Any = None
) -> NodeIds | sparse.csr_array:
    """Return labels of any format without their ancestors, as :func:`labels_of`."""
    return labels_of(detect(y, taxonomy, "any", classes), taxonomy)


def nodes_or_root(y: Any, taxonomy: Taxonomy, classes: Any = None) -> NodeIds:
    """Return the node of each label or path; None and an empty path stand for the root."""
    return detect(y, taxonomy, "one", classes).nodes(taxonomy)


def holds_label_sets(y: Any, taxonomy: Taxonomy, classes: Any = None) -> bool:
    """Whether `y` may give a sample several labels, rather than one label or path."""
    return detect(y, taxonomy, "any", classes).several


# -- taxonomies that labels spell out -----------------------------------------------------


def detect_all(
    targets: Sequence[Any], taxonomy: Taxonomy | None, asked: Asked, classes: Any = None
) -> tuple[list[Format], Taxonomy]:
    """Return the format of each of some targets, and the taxonomy, inferred from paths if None.

    `classes` names the columns of those that are indicators without names.

    Raises
    ------
    TargetError
        If there is no taxonomy, and not all targets hold paths: names say nothing of it.
    """
    targets = in_one_order(targets)
    if taxonomy is not None:
        return [detect(y, taxonomy, asked, classes) for y in targets], taxonomy
    forms = [_spelled_out(y, asked) for y in targets]
    return forms, infer_taxonomy(*forms)


def in_one_order(targets: Sequence[Any]) -> list[Any]:
    """Return targets with the columns of level frames in the order of the first frame, by name.

    Frames of altogether different names are left as they are, and so are indicators.
    """
    frames = [y for y in targets if is_frame(y) and not _holds_numbers(y)]
    if len(frames) < 2:
        return list(targets)
    names = frame_names(frames[0])
    ordered = {id(y): by_name(y, names, strict=False) for y in frames}
    return [ordered.get(id(y), y) for y in targets]


def _holds_numbers(frame: Any) -> bool:
    columns = map(label_array, frame_columns(frame))
    return all(column.dtype.kind in "biuf" for column in columns)


def _spelled_out(y: Any, asked: Asked) -> Format:
    """Return the format of labels that have to be paths, since there is no taxonomy."""
    form = detect(y, None, "sets" if asked == "any" else "one")
    return form if isinstance(form, PathSets) else detect(y, None, "one")


def spells_paths(y: Any) -> bool:
    """Whether one path for each sample is spelled out step by step."""
    return detect(y, None, "one").has_steps


def infer_taxonomy(*forms: Format) -> Taxonomy:
    """Return the taxonomy that paths in any number of targets spell out together."""
    rows: list[Any] = []
    for form in forms:
        if not (form.has_steps or isinstance(form, PathSets)):
            with form.explained():
                raise TargetError(
                    "1-D labels do not tell how nodes are related: pass `taxonomy=`. (Without it "
                    "only paths, one column for each level, can be scored.)"
                )
        rows += form.paths[0] if isinstance(form, PathSets) else _rows_of(form)
    filled = [row for row in rows if not all(map(is_padding, row))]
    return Taxonomy.from_levels(filled, root=None, strip=False)[1]


def with_paths(taxonomy: Taxonomy, y: Any) -> Taxonomy:
    """Return a tree with the paths in `y` added that it lacks; its nodes keep their names.

    A DAG is returned as it is, and so is a tree if `y` holds no paths, but collections of labels.
    """
    form = detect(y, taxonomy, "one")
    if not (form.has_steps and taxonomy.is_tree) or form.given.spells_paths:
        return taxonomy
    if isinstance(form, Paths) and all(step in taxonomy for step in form.given.members):
        return taxonomy
    own = taxonomy.levels_of(np.arange(1, taxonomy.n_nodes, dtype=np.int32)).tolist()
    more = [row for row in _rows_of(form) if not all(map(is_padding, row))]
    labels, larger = Taxonomy.from_levels([*own, *more], root=None, strip=False)
    names = larger.node_names.copy()
    names[larger.ids(labels[: len(own)].tolist())] = taxonomy.node_names[1:]
    names[0] = taxonomy.nodes[0]
    return Taxonomy(
        names.tolist(),
        larger.edge_parents,
        larger.edge_children,
        steps=larger.step_names.tolist(),
        root=0,
        titles=taxonomy.titles,
    )


def _rows_of(form: Format) -> list[list[Any]]:
    columns, codes = form.given.steps
    cells = np.full(codes.shape, None, dtype=object)
    for level, uniques in enumerate(columns):
        filled = codes[:, level] >= 0
        cells[filled, level] = np.array([*uniques, None], dtype=object)[codes[filled, level]]
    return cells.tolist()
