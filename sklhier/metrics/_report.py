"""Report of accuracy by level, of averages, and of every node."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sklhier._utils.typing import Bools, Floats, NodeIds, SampleWeight, Target
from sklhier._utils.validation import check_choice
from sklhier.metrics._distances import node_distances
from sklhier.metrics._input import read_closures
from sklhier.metrics._levels import accuracy_of_levels
from sklhier.metrics._scores import check_options, scores_of
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._taxonomy import TaxonomyLike
from sklhier.taxonomy._titles import cut_text

__all__ = ["hierarchical_classification_report"]

_MEASURES = ("precision", "recall", "f1", "support")
_MOST_INDENTED = 40  # levels; the names of deeper nodes stand below each other
_WIDEST = 60  # characters of a name with its title: some titles are whole sentences


def hierarchical_classification_report(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    max_depth: int | None = None,
    sample_weight: SampleWeight = None,
    digits: int = 3,
    output: str = "text",
    zero_division: float = 0.0,
    deeper: str = "count",
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> Any:
    """Report accuracy by level, averages, and precision, recall and F1 of every node.

    Parameters
    ----------
    y_true, y_pred : array-like
        Labels in any format.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. May be left out where both `y` hold paths.
    max_depth : int, default=None
        Deepest level of which nodes are listed; 0 for none, None for all.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    digits : int, default=3
        Digits after the point in the text.
    output : {"text", "dict", "frame"}, default="text"
        A string; nested dictionaries; or a :class:`pandas.DataFrame` of the nodes and averages.
    zero_division : float, default=0.0
        Value of undefined scores; NaN leaves them out of averages.
    deeper : {"count", "ok"}, default="count"
        Predicted nodes below a most specific true node that is an inner one are wrong as any others,
        or left out: the label is right as far as it goes, and what is below it is not known.
    classes : array-like, default=None
        The labels that the columns of an indicator stand for, as in the classifiers. Other formats
        name their labels themselves.
    missing : {"error", "ignore"}, default="error"
        What missing cells of an indicator in `y_true` are (NaN, None, masked): errors, or not
        annotated and left out of all counts. An ancestor of a 1 is 1; one of a missing cell, but
        of no 1, is not known either.

    Returns
    -------
    report : str, dict or pandas.DataFrame
        The dictionary has the keys ``"levels"`` (a list of ``level``, ``accuracy`` and ``support``;
        trees with one label for each sample only), ``"averages"`` (``"micro"``, ``"samples"``,
        ``"macro"``), ``"tree_distance"`` (as for levels) and ``"nodes"`` (by name). The macro average
        is over the nodes that occur in `y_true` or `y_pred`; others are not listed. The support of a
        level or node is its number of samples. The support of an average is the number of true nodes
        of all samples (micro), of samples, or of nodes (macro). Titles of the taxonomy follow the
        names in the text, and stand under ``"title"`` otherwise.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without one.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hierarchical_classification_report
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true, y_pred = ["owl", "eel", "wren", "owl"], ["wren", "eel", "wren", "owl"]
    >>> print(hierarchical_classification_report(y_true, y_pred, taxonomy=taxonomy))
                       accuracy      support
    level 1               1.000            4
    level 2               0.750            4
    <BLANKLINE>
                      precision       recall           f1      support
    micro average         0.875        0.875        0.875            8
    samples average       0.875        0.875        0.875            4
    macro average         0.900        0.900        0.867            5
    <BLANKLINE>
    bird                  1.000        1.000        1.000            3
      owl                 1.000        0.500        0.667            2
      wren                0.500        1.000        0.667            1
    fish                  1.000        1.000        1.000            1
      eel                 1.000        1.000        1.000            1
    <BLANKLINE>
    mean distance between true and predicted node: 0.500 edges
    """
    check_options(average="micro", zero_division=zero_division)
    check_choice("output", output, ("text", "dict", "frame"))
    read = read_closures(
        y_true,
        y_pred,
        taxonomy,
        sample_weight,
        classes=classes,
        missing=missing,
        deeper=deeper,
    )
    true, predicted, weights, resolved, _, forms = read
    occurs = np.asarray((weights @ true + weights @ predicted) > 0)
    tables = {
        average: scores_of(
            read,
            average=average,
            # Nodes that occur nowhere are not listed, and would pull the macro average to 0.
            node_weight=occurs[1:].astype(float) if average == "macro" else None,
            zero_division=zero_division,
            warn_for=(),
        )
        for average in ("micro", "samples", "macro", None)
    }
    counts = {"micro": tables["micro"][3], "samples": weights.sum(), "macro": occurs.sum()}
    averages = {
        name: dict(zip(_MEASURES, (*tables[name][:3], float(count)), strict=True))
        for name, count in counts.items()
    }
    listed = _listed(resolved, occurs, max_depth)
    rows = np.column_stack(tables[None])[listed - 1]
    levels: list[dict[str, float]] = []
    distance = None
    if resolved.is_tree and not any(form.several for form in forms):
        nodes_true, nodes_pred = (form.nodes(resolved) for form in forms)
        levels = _levels(nodes_true, nodes_pred, weights, resolved)
        distances = node_distances(nodes_true, nodes_pred, resolved)
        distance = float(np.average(distances, weights=weights))
    if output == "frame":
        return _as_frame(resolved, listed, rows, averages)
    if output == "dict":
        nodes = {
            resolved.nodes[node]: {
                **dict(zip(_MEASURES, map(float, row), strict=True)),
                **_title(resolved, node),
            }
            for node, row in zip(listed.tolist(), rows, strict=True)
        }
        return {"levels": levels, "averages": averages, "tree_distance": distance, "nodes": nodes}
    return _as_text(resolved, listed, rows, averages, levels, distance, digits)


def _levels(
    true: NodeIds, predicted: NodeIds, weights: Floats, taxonomy: Taxonomy
) -> list[dict[str, float]]:
    """Return accuracy and support of each level."""
    scores, reached = accuracy_of_levels(true, predicted, weights, taxonomy)
    return [
        {"level": level, "accuracy": float(score), "support": float(support)}
        for level, (score, support) in enumerate(zip(scores, reached, strict=True), start=1)
    ]


def _title(taxonomy: Taxonomy, node: int) -> dict[str, str]:
    title = taxonomy.titles.get(taxonomy.nodes[node])
    return {} if title is None else {"title": title}


def _listed(taxonomy: Taxonomy, occurs: Bools, max_depth: int | None) -> NodeIds:
    """Return the ids of the nodes to list, those of a tree in preorder."""
    shown = occurs.copy()
    shown[0] = False
    if max_depth is not None:
        shown &= taxonomy.depths <= max_depth
    nodes = np.flatnonzero(shown).astype(np.int32)
    return nodes[np.argsort(taxonomy.preorder_positions[nodes])] if taxonomy.is_tree else nodes


def _as_frame(
    taxonomy: Taxonomy, listed: NodeIds, rows: Floats, averages: dict[str, dict[str, float]]
) -> Any:
    import pandas as pd

    names = [taxonomy.nodes[node] for node in listed]
    frame = pd.DataFrame(rows, columns=list(_MEASURES), index=pd.Index(names, name="node"))
    frame.insert(0, "level", taxonomy.depths[listed])
    if taxonomy.titles:
        frame.insert(0, "title", list(map(taxonomy.titles.get, names)))
    summary = pd.DataFrame(averages).T.rename(index=lambda name: f"{name} average")
    summary.insert(0, "level", 0)
    return pd.concat([frame, summary]).rename_axis("node")


def _short_text(taxonomy: Taxonomy, node: int) -> str:
    """Return a node's step and title, the title cut if long."""
    text = taxonomy.text_of(node)
    return cut_text(text, max(_WIDEST, len(str(taxonomy.step_names[node])) + 3))


def _as_text(
    taxonomy: Taxonomy,
    listed: NodeIds,
    rows: Floats,
    averages: dict[str, dict[str, float]],
    levels: list[dict[str, float]],
    distance: float | None,
    digits: int,
) -> str:
    names = [
        "  " * min(int(taxonomy.depths[node]) - 1, _MOST_INDENTED) + _short_text(taxonomy, node)
        for node in listed.tolist()
    ]
    width = max(len("samples average"), *map(len, names), 0) if names else len("samples average")

    def line(name: str, *cells: tuple[int, str | float]) -> str:
        texts = [
            cell
            if isinstance(cell, str)
            else f"{cell:.{digits}f}"
            if position < 3
            else f"{cell:.10g}"
            for position, cell in cells
        ]
        return name.ljust(width) + "".join(text.rjust(13) for text in texts)

    def measured(name: str, *values: float) -> str:
        return line(name, *enumerate(values))

    text = []
    if levels:
        text.append(line("", (0, "accuracy"), (3, "support")))
        text += [
            line(f"level {row['level']}", (0, row["accuracy"]), (3, row["support"]))
            for row in levels
        ]
        text.append("")
    text.append(line("", *enumerate(_MEASURES)))
    text += [measured(f"{name} average", *row.values()) for name, row in averages.items()]
    if names:
        text.append("")
        text += [measured(name, *row) for name, row in zip(names, rows, strict=True)]
    if distance is not None:
        text += ["", f"mean distance between true and predicted node: {distance:.{digits}f} edges"]
    return "\n".join(text)
